"""Sides of the split said inside or beside what the folders hold: ``A/train``, ``trainA``, ``train_images``.

What is in the folders is told by their names; of ``A`` and ``B``, as pix2pix and CycleGAN call the two kinds of
pictures, by the pixels.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.pixels import drawn_among
from retinasynth.data.matching import (
    PHOTOGRAPH_FOLDERS,
    PLANE_FOLDERS,
    SPLIT_FOLDERS,
    VESSEL_FOLDERS,
    Found,
    Split,
    folders_in,
    found_in,
    pictures_in,
    planes_in,
    sides_of,
)
from retinasynth.errors import DataError

Side = tuple[Split | None, Mapping[str, Path]]  # the folders of one side by the plain name of what they hold

_KINDS = ("a", "b")
_HELD = {*_KINDS, *PHOTOGRAPH_FOLDERS, *VESSEL_FOLDERS, *PLANE_FOLDERS}


def find_crossed(folder: Path) -> Found | None:
    """``A`` and ``B``, one of them the masks, in any spelling; and ``images/train``, ``train_images`` and so on.

    Known are ``A/train``, ``train/A``, ``trainA`` and ``A`` without a split, with ``images``, ``masks`` and the other
    names of folders of photographs and planes instead of ``A`` and ``B`` where the split is not above them. On a side
    with vessels, a photograph without is unpaired.

    Raises:
        DataError: the pixels do not tell which of ``A`` and ``B`` are the masks, or none of them match.
    """
    for sides in (_above(folder), _below(folder), _in_one_word(folder)):
        found = _found(sides)
        if found is not None:
            return found
    return None


def _above(folder: Path) -> list[Side]:
    """``train/A`` and the like, or ``A`` alone; where names tell what is in the folders, other layouts read these."""
    sides = [(split, folders_in(side)) for split, side in sides_of(folder)]
    return [(split, {kind: held[kind] for kind in _KINDS if kind in held}) for split, held in sides]


def _below(folder: Path) -> list[Side]:
    """``A/train`` and the like."""
    found: dict[Split, dict[str, Path]] = {}
    for held, outer in folders_in(folder).items():
        for split, side in sides_of(outer) if held in _HELD else ():
            if split is not None:
                found.setdefault(split, {})[held] = side
    return list(found.items())


def _in_one_word(folder: Path) -> list[Side]:
    """``trainA``, ``train_images`` or ``images_train``."""
    found: dict[Split, dict[str, Path]] = {}
    for name, inner in folders_in(folder).items():
        for split, words in SPLIT_FOLDERS.items():
            rests = {rest for word in words for rest in (name.removeprefix(word), name.removesuffix(word))}
            for held in rests & _HELD - {name}:
                found.setdefault(split, {})[held] = inner
    return list(found.items())


def _found(sides: list[Side]) -> Found | None:
    held = {name for _, folders in sides for name in folders}
    if set(_KINDS) <= held:
        photographs, masks = _told_apart(sides)
    else:
        photographs = next((name for name in PHOTOGRAPH_FOLDERS if name in held), "")
        masks = next((name for name in VESSEL_FOLDERS if name in held), "")
    if photographs not in held:
        return None
    named: list[tuple[Split | None, list[Path], dict[str, list[Path]]]] = []
    for split, folders in sides:
        planes = planes_in(folders)
        if masks in folders:
            planes["vessels"] = pictures_in(folders[masks])
        pictures = pictures_in(folders[photographs]) if photographs in folders else []
        named.append((split, pictures, planes))
    found = found_in("two folders", named, needs_vessels=None)
    if not (found.eyes or found.unpaired):
        return None
    if photographs in _KINDS:
        note = f"{photographs.upper()} are the photographs, {masks.upper()} the masks."
        return replace(found, layout="A/B", notes=(note,))
    are_labelled = any(files.planes for files in found.eyes) or bool(found.unpaired)
    return found if are_labelled else replace(found, layout="photographs")


def _told_apart(sides: list[Side]) -> tuple[str, str]:
    """Which of the two kinds are photographs and which are masks.

    Raises:
        DataError: the pixels do not tell.
    """
    pictures = {
        kind: [path for _, folders in sides if kind in folders for path in pictures_in(folders[kind])]
        for kind in _KINDS
    }
    if not all(pictures.values()):
        return "", ""
    drawn = {kind: drawn_among(paths) for kind, paths in pictures.items()}
    for photographs, masks in (_KINDS, _KINDS[::-1]):
        if drawn[masks] and all(drawn[masks]) and not any(drawn[photographs]):
            return photographs, masks
    first, second = (paths[0].parent for paths in pictures.values())
    counts = " and ".join(f"{sum(found)} of {len(found)} pictures in {kind.upper()}" for kind, found in drawn.items())
    raise DataError(
        f"Which of {first} and {second} are the masks is not to be seen: {counts} look drawn",
        expected="photographs in one of them, and masks of two values or of a known code in the other",
        do="Name them as PHOTOGRAPHS::MASKS",
    )
