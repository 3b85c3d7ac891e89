"""IDRiD: originals and ground truths under numbered headings, and lesions without a file."""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import Found, Split, folders_in, found_in, pictures_in, planes_in, sides_of
from retinasynth.eye.eye import LESIONS

_NAME = re.compile(r"IDRiD_\d+")
_PARTS = ("segmentation", "diseasegrading", "localization")


def find_idrid(folder: Path) -> Found | None:
    """IDRiD as published: ``A. Segmentation/1. Original Images/a. Training Set/IDRiD_01.jpg`` and so on.

    Beside the originals, ``2. All Segmentation Groundtruths/a. Training Set/1. Microaneurysms/IDRiD_01_MA.tif``. The
    parts on grading and localisation have photographs alone. `folder` may hold all parts (the first of `_PARTS`
    is taken) or be one of them.
    """
    parts = folders_in(folder)
    inside = folders_in(next((parts[part] for part in _PARTS if part in parts), folder))
    if "originalimages" not in inside:
        return None
    truths = inside.get("allsegmentationgroundtruths")
    truth_of = {} if truths is None else dict(sides_of(truths))
    sides = [
        (split, pictures_in(side), planes_in(folders_in(truth_of[split])) if split in truth_of else {})
        for split, side in sides_of(inside["originalimages"])
    ]
    found = found_in("idrid", sides, needs_vessels=False)
    return found if found.eyes or found.unpaired else None


def with_empty_lesions(found: Found) -> Found:
    """The eyes of IDRiD with the lesions they have none of: there, and only there, an absent file means none."""
    if not all(_NAME.fullmatch(files.name) for files in found.eyes):
        return found
    drawn: dict[Split, set[str]] = defaultdict(set)
    for files in found.eyes:
        drawn[files.split].update(files.planes)
    eyes = []
    for files in found.eyes:
        none = tuple(plane for plane in LESIONS if plane in drawn[files.split] and plane not in files.planes)
        eyes.append(replace(files, empty_planes=none))
    return replace(found, eyes=eyes)
