"""Folders named after what they hold: photographs, vessels, other planes; also FIVES."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import (
    PHOTOGRAPH_FOLDERS,
    PLANE_FOLDERS,
    VESSEL_FOLDERS,
    EyeFiles,
    Found,
    folders_in,
    found_in,
    label_maps,
    matched,
    photograph_folder,
    pictures_in,
    plain,
    planes_in,
    sides_of,
)
from retinasynth.errors import DataError
from retinasynth.eye.label_map import GEOMETRY_FOLDER
from retinasynth.images import stem_of

_OUTLINED = ("disc", "cup")  # planes of one piece each
_FIVES = re.compile(r"\d+_[ADGN]")


def find_planes(folder: Path) -> Found | None:
    """Photographs (``images/``) and folders named after planes (``vessels/``, ``disc/``), perhaps in train and test.

    Other folders are ignored, but a file in ``geometry/`` says how its eye lies in the picture. Disc and cup may also
    be outlines in text, x and y of a point in every line (``disc/NAME.txt`` or ``.csv``). A missing file means
    that this plane of this eye is unknown; a mask without photograph is unpaired. With no place for photographs these
    are label maps alone.
    """
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    sides = sides_of(folder)
    for split, side in sides:
        folders = folders_in(side)
        if "vessels" not in folders and any(key in folders for key in VESSEL_FOLDERS):
            return None  # the vessels have another name: two folders, perhaps with more planes beside them
        masks = planes_in(folders)
        place = photograph_folder(folders)
        photographs = pictures_in(place or side)
        if photographs or place:
            more, without = matched(split or "train", photographs, masks, needs_vessels=False)
        else:
            more, without = label_maps(split or "train", masks), []
        eyes += [_with_outlines(_with_geometry(files, side), folders) for files in more]
        unpaired += without
    if not (unpaired or any(files.planes for files in eyes)):
        return None
    return Found("planes", eyes, unpaired, has_split=sides[0][0] is not None)


def find_pair(photographs: Path, masks: Path) -> Found:
    """Two folders that the user names, whichever names they have; either perhaps with train and test in it.

    The masks are of the plane that their folder is named after, or that the folders in it are named after; else of the
    vessels. A photograph without vessels, or a mask without photograph, is unpaired.

    Raises:
        DataError: one of them has no pictures, only one of them is split, or none match.
    """
    drawn = {split: _drawn_in(side) for split, side in sides_of(masks)}
    taken = {split: pictures_in(photograph_folder(folders_in(side)) or side) for split, side in sides_of(photographs)}
    for folder, pictures in (
        (photographs, taken.values()),
        (masks, (one for own in drawn.values() for one in own.values())),
    ):
        if not any(pictures):
            raise DataError(f"{folder} has no pictures", expected="pictures in it, or in train/ and test/ there")
    if (None in taken) != (None in drawn):
        raise DataError(
            f"Of {photographs} and {masks} one has train/ and test/ and the other has not",
            expected="both split, or neither",
            do="Name folders of one kind",
        )
    sides = [(split, taken.get(split, []), drawn.get(split, {})) for split in dict.fromkeys((*taken, *drawn))]
    needs_vessels = all("vessels" in masks for _, _, masks in sides)
    return found_in("two folders", sides, needs_vessels=needs_vessels)


def _drawn_in(folder: Path) -> dict[str, list[Path]]:
    """The masks in a folder by plane, as they lie in it or in folders named after planes."""
    planes = planes_in(folders_in(folder))
    if pictures := pictures_in(folder):
        planes[PLANE_FOLDERS.get(plain(folder.name), "vessels")] = pictures
    return planes


def _with_geometry(files: EyeFiles, side: Path) -> EyeFiles:
    picture = files.photograph or next(iter(files.planes.values()))
    path = side / GEOMETRY_FOLDER / f"{stem_of(picture)}.json"
    return replace(files, geometry=path) if path.is_file() else files


def _with_outlines(files: EyeFiles, folders: Mapping[str, Path]) -> EyeFiles:
    """With the planes that have no mask, but an outline named as the photograph."""
    if files.photograph is None:
        return files
    found: dict[str, Path] = {}
    for key, plane in PLANE_FOLDERS.items():
        if key in folders and plane in _OUTLINED and plane not in files.planes:
            for suffix in (".txt", ".csv"):
                path = folders[key] / f"{stem_of(files.photograph)}{suffix}"
                if path.is_file() and found.setdefault(plane, path) is not path:
                    raise DataError(
                        f"{files.name} has two outlines: {found[plane]} and {path}", do="Remove one of them"
                    )
    if not found:
        return files
    codes = dict.fromkeys(found, "outline")
    return replace(files, planes={**files.planes, **found}, codes=codes, outlined_on=files.photograph)


def find_two_folders(folder: Path) -> Found | None:
    """A folder of photographs and one of vessel masks under any of their usual names, perhaps in train and test.

    Other planes may lie beside them. A photograph without vessels, or a mask without photograph, is unpaired. FIVES
    as published is of this kind: ``{train,test}/{Original,Ground truth}/1_A.png``.
    """
    sides = sides_of(folder)
    names = {name for _, side in sides for name in folders_in(side)}
    # One choice for both sides, so that the field of view in `mask` is not taken for vessels where these are missing.
    photograph_key = next((key for key in PHOTOGRAPH_FOLDERS if key in names), None)
    vessels_key = next((key for key in VESSEL_FOLDERS if key in names), None)
    if photograph_key is None or vessels_key is None:
        return None
    named = []
    for split, side in sides:
        folders = folders_in(side)
        photographs = pictures_in(folders[photograph_key]) if photograph_key in folders else []
        vessels = {"vessels": pictures_in(folders[vessels_key])} if vessels_key in folders else {}
        named.append((split, photographs, planes_in(folders) | vessels))
    found = found_in("two folders", named, needs_vessels=True)
    if photograph_key == "original" and all(_FIVES.fullmatch(files.name) for files in found.eyes):
        found = replace(found, layout="fives")
    return found if found.eyes or found.unpaired else None
