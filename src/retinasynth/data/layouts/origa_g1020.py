"""ORIGA and G1020: discs and cups of glaucoma, as Kaggle has them."""

import re
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.trees import GLAUCOMA, Kind, Tree, found_in_tree, rows_in, tables_in
from retinasynth.data.matching import EyeFiles, Found, Split
from retinasynth.errors import DataError

_ORIGA = Tree("origa", Kind(("Images",), r"(?P<eye>\d{3})\.jpg"), (Kind(("Masks",), r"(?P<eye>\d{3})\.png", "disc"),))
_G1020 = Tree(
    "g1020",
    Kind(("Images",), r"(?P<eye>image_\d+)\.jpg"),
    (Kind(("Masks",), r"(?P<eye>image_\d+)\.png", "disc"),),
)
_ORIGA_COLUMNS = ("Filename", "Set")  # without the set, the published split would be lost without a word
_SETS: dict[str, Split] = {"A": "train", "B": "test"}
_HEAD_BYTES = 400_000  # of an annotation: its shapes stand before a copy of the photograph


def find_origa(folder: Path) -> Found | None:
    """ORIGA: ``Images/001.jpg``, ``Masks/001.png`` of 0, 1 and 2, and ``OrigaList.csv``, without which it is not known.

    That table says who has glaucoma, and the set A or B of each eye: A is for training and B for testing. Which eyes
    are of one person is not published. ``Images_Square``, ``Images_Cropped`` and the masks of these are reduced copies
    and parts of the same eyes, and are not read.

    Raises:
        DataError: the table cannot be read, or does not say the set of each photograph.
    """
    tables = tables_in(folder, ("",), "OrigaList")
    found = found_in_tree(_ORIGA, folder) if tables else None
    if found is None:
        return None
    rows = rows_in(tables, "filename", _ORIGA_COLUMNS)
    sides = {name: _SETS.get(row.get("set", "").upper()) for name, row in rows.items()}
    has_split = all(sides.get(files.name) for files in found.eyes)
    eyes = [
        replace(
            files,
            diagnosis=GLAUCOMA.get(rows.get(files.name, {}).get("glaucoma", "")),
            split=sides.get(files.name) or files.split,
        )
        for files in found.eyes
    ]
    return replace(found, eyes=eyes, has_split=has_split)


def find_g1020(folder: Path) -> Found | None:
    """G1020: ``Images/image_0.jpg`` and ``image_0.json``, ``Masks/image_0.png`` of 0, 1 and 2, and ``G1020.csv``.

    The cup was drawn in some of the eyes alone, which the annotation in JSON tells; in the others it is unknown.
    ``G1020.csv`` says who has glaucoma; which eyes are of one person is not published. ``Images_Square``,
    ``Images_Cropped``, ``NerveRemoved_Images`` and the masks of these are not read.

    Raises:
        DataError: the table or an annotation cannot be read.
    """
    tables = tables_in(folder, ("",), "G1020")
    found = found_in_tree(_G1020, folder) if tables else None
    if found is None:
        return None
    rows = rows_in(tables, "imageid")
    eyes = [
        replace(_coded(files), diagnosis=GLAUCOMA.get(rows.get(files.name, {}).get("binarylabels", "")))
        for files in found.eyes
    ]
    return replace(found, eyes=eyes)


def _coded(files: EyeFiles) -> EyeFiles:
    """An eye of G1020 with its cup, unless the annotation beside the photograph has none."""
    planes = {plane: path for path in files.planes.values() for plane in ("disc", "cup")}
    if files.photograph is None or not _has_cup(files.photograph.with_suffix(".json")):
        planes.pop("cup", None)
    return replace(files, planes=planes, codes=dict.fromkeys(planes, "disc-cup"))


def _has_cup(annotation: Path) -> bool:
    """Whether an annotation draws a cup; one that is not there does not say that it does not."""
    if not annotation.is_file():
        return True
    try:
        with annotation.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{annotation} cannot be read ({error.strerror or error})") from error
    return re.search(rb'"label"\s*:\s*"cup"', head) is not None
