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
