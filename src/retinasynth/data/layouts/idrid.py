"""IDRiD: originals and ground truths under numbered headings, and lesions without a file."""

import re
from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import PLANE_FOLDERS, EyeFiles, Found, folders_in, matched, pictures_in, sides_of
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
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    sides = sides_of(inside["originalimages"])
    for split, side in sides:
        folders = folders_in(truth_of[split]) if split in truth_of else {}
        masks = {plane: pictures_in(folders[key]) for key, plane in PLANE_FOLDERS.items() if key in folders}
        more, without = matched(split or "train", pictures_in(side), masks, needs_vessels=False)
        eyes += more
        unpaired += without
    return Found("idrid", eyes, unpaired, has_split=sides[0][0] is not None) if eyes or unpaired else None


def with_empty_lesions(found: Found) -> Found:
    """The eyes of IDRiD with the lesions they have none of: there, and only there, an absent file means none."""
    if not all(_NAME.fullmatch(files.name) for files in found.eyes):
        return found
    eyes = []
    for files in found.eyes:
        drawn = {plane for other in found.eyes if other.split == files.split for plane in other.planes}
        none = tuple(plane for plane in LESIONS if plane in drawn and plane not in files.planes)
        eyes.append(replace(files, empty_planes=none))
    return replace(found, eyes=eyes)
