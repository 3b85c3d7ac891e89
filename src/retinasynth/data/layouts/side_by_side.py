"""Pictures that hold a photograph and its vessels side by side."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.pixels import is_black_and_white, is_drawn, some_of
from retinasynth.data.matching import Found, alone, pictures_in, sides_of
from retinasynth.decoding import read_size
from retinasynth.errors import DataError, ImageError
from retinasynth.images import Photograph, read_photograph


def find_side_by_side(folder: Path) -> Found | None:
    """Pictures with a photograph in one half and its vessels in the other, perhaps in train and test.

    The pixels of some of them tell which half is which. Where all pictures are twice as wide as high, as pix2pix
    publishes its own, the first one that can be read decides that they are pairs; in pictures of other shapes, all
    that are looked at must be. `retinasynth.data.find.read_eye` tells what is wrong with one that cannot be read.

    Raises:
        DataError: the mask is on the left of one picture and on the right of another, or both halves are masks in
            pictures twice as wide as high.
    """
    sides = sides_of(folder)
    pictures = [(split or "train", path) for split, side in sides for path in pictures_in(side)]
    paths = [path for _, path in pictures]
    are_twice_as_wide = all(_is_twice_as_wide(path) for path in paths)
    masks: dict[str, Path] = {}  # which half of a picture is one
    for path, half in _masks_in(paths):
        if not half and not (masks and are_twice_as_wide):
            return None
        masks.setdefault(half, path)
    if not masks or ("both" in masks and not are_twice_as_wide):
        return None
    if "both" in masks:
        raise DataError(
            f"Both halves of {masks['both']} are black and white",
            expected="a photograph in one half, its mask in the other",
            do="Name a folder of photographs and one of masks as PHOTOGRAPHS::MASKS",
        )
    if {"left", "right"} <= masks.keys():
        raise DataError(
            f"The mask is the left half of {masks['left']}, but the right half of {masks['right']}",
            expected="all pictures of a set the same way round",
            do="Give the two kinds folders of their own",
        )
    is_left = "left" in masks
    eyes = [
        replace(alone(path, split), planes={"vessels": path}, side_by_side=True, mask_is_left=is_left)
        for split, path in pictures
    ]
    notes = ("Each picture is a pair: the mask is its left half, the photograph its right one.",) if is_left else ()
    return Found("side by side", eyes, [], has_split=sides[0][0] is not None, notes=notes)


def _is_twice_as_wide(path: Path) -> bool:
    try:
        height, width = read_size(path)
    except ImageError:
        return True
    return width == 2 * height


def _masks_in(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Which half of each of some pictures is a mask."""
    for path in some_of(paths):
        try:
            picture = read_photograph(path)
        except ImageError:
            continue
        yield path, _mask_in(picture)


def _mask_in(picture: Photograph) -> str:
    """Which half of a picture is a mask: left, right, both or none (empty)."""
    height, width = picture.shape[:2]
    if width % 2:
        return ""
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    drawn = [name for name, half in (("left", left), ("right", right)) if is_drawn(half)]
    if len(drawn) == 2:
        return "both"
    if drawn and not is_black_and_white(left if drawn == ["right"] else right):
        return drawn[0]
    return "right" if width == 2 * height and is_black_and_white(right) else ""
