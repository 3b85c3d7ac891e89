"""IDRiD: originals and ground truths under numbered headings, and lesions without a file."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.trees import tables_in
from retinasynth.data.matching import EyeFiles, Found, Split, folders_in, found_in, pictures_in, planes_in, sides_of
from retinasynth.data.workbooks import read_records
from retinasynth.decoding import read_size
from retinasynth.errors import DataError, ImageError
from retinasynth.eye.eye import LESIONS

_NAME = re.compile(r"IDRiD_\d+")
_PARTS = ("segmentation", "diseasegrading", "localization")
_CENTRES = {"disc": r"1\. Optic Disc Center Location", "fovea": r"2\. Fovea Center Location"}
_PUBLISHED_PX = (4288, 2848)  # width and height of every photograph, in which the middles are given


def find_idrid(folder: Path) -> Found | None:
    """IDRiD as published: ``A. Segmentation/1. Original Images/a. Training Set/IDRiD_01.jpg`` and so on.

    Beside the originals, ``2. All Segmentation Groundtruths/a. Training Set/1. Microaneurysms/IDRiD_01_MA.tif``. The
    part on grading has photographs alone, that on localisation also tables with the middle of each disc and fovea
    (``2. Groundtruths/1. Optic Disc Center Location/a. IDRiD_OD_Center_Training Set_Markups.csv``). `folder` may hold
    all parts (the first of `_PARTS` is taken) or be one of them.

    Raises:
        DataError: a table of the middles cannot be read.
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
    if not (found.eyes or found.unpaired):
        return None
    truths = inside.get("groundtruths")
    return found if truths is None else replace(found, eyes=_with_centres(found.eyes, truths))


def _with_centres(eyes: Sequence[EyeFiles], truths: Path) -> list[EyeFiles]:
    """The eyes with the middles of disc and fovea that the part on localisation marks, in pixels of their files."""
    marked: dict[tuple[Split, str], dict[str, tuple[float, float]]] = defaultdict(dict)
    for plane, place in _CENTRES.items():
        for table in tables_in(truths, (place,), r"([ab]\. )?IDRiD_.*"):
            split: Split = "test" if "test" in table.stem.lower() else "train"
            for row in read_records(table):
                x, y = row.get("xcoordinate"), row.get("ycoordinate")
                if _NAME.fullmatch(row.get("imageno", "")) and x and y:
                    marked[split, row["imageno"]][plane] = _point(table, x, y)
    return [
        replace(files, centres=_scaled(files, marked[files.split, files.name]))
        if (files.split, files.name) in marked
        else files
        for files in eyes
    ]


def _point(table: Path, x: str, y: str) -> tuple[float, float]:
    try:
        return float(x), float(y)
    except ValueError as error:
        raise DataError(f"{table} has the point {x!r}, {y!r}", expected="two numbers") from error


def _scaled(files: EyeFiles, centres: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Centres in pixels of a photograph that may have been reduced; one that cannot be read keeps them as they are."""
    width, height = _PUBLISHED_PX
    try:
        own_height, own_width = (height, width) if files.photograph is None else read_size(files.photograph)
    except ImageError:
        own_height, own_width = height, width
    return {plane: (x * own_width / width, y * own_height / height) for plane, (x, y) in centres.items()}


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
