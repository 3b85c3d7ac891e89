"""Photographs without masks."""

from pathlib import Path

from retinasynth.data.matching import Found, alone, folders_in, photograph_folder, pictures_in, sides_of


def find_photographs(folder: Path) -> Found | None:
    """Photographs alone: pictures in the folder, in its ``images/``, or in either under train and test."""
    sides = sides_of(folder)
    eyes = []
    for split, side in sides:
        pictures = pictures_in(photograph_folder(folders_in(side)) or side)
        eyes += [alone(path, split or "train") for path in pictures or pictures_in(side)]
    return Found("photographs", eyes, [], has_split=sides[0][0] is not None) if eyes else None
