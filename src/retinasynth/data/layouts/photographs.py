"""Photographs without masks."""

from pathlib import Path

from retinasynth.data.matching import EyeFiles, Found, alone, folders_in, photograph_folder, pictures_in, sides_of

_WRAPPINGS = 3  # folders around those of one side


def find_photographs(folder: Path) -> Found | None:
    """Photographs alone: pictures in the folder, in its ``images/``, or in either under train and test.

    On a side they may lie in folders that hold nothing else, as in RFMiD (``Test_Set/Test_Set/Test``).
    """
    sides = sides_of(folder)
    eyes: list[EyeFiles] = []
    notes: list[str] = []
    for split, outer in sides:
        side = outer if split is None else _innermost(outer)
        place = photograph_folder(folders_in(side)) or side
        pictures = pictures_in(place)
        eyes += [alone(path, split or "train") for path in pictures or pictures_in(side)]
        if pictures and place != side:
            beside = [path for path in folders_in(side).values() if path != place and pictures_in(path)]
            notes += [_not_read(path, place) for path in beside]
    return Found("photographs", eyes, [], has_split=sides[0][0] is not None, notes=tuple(notes)) if eyes else None


def _not_read(path: Path, place: Path) -> str:
    return f"{path.name}/ beside {place.name}/ is not read; if it holds masks, name the two as {place}::{path}."


def _innermost(side: Path) -> Path:
    for _ in range(_WRAPPINGS):
        inside = list(folders_in(side).values())
        if pictures_in(side) or len(inside) != 1:
            break
        side = inside[0]
    return side
