"""Pictures that hold a photograph and its vessels side by side."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from retinasynth.data.matching import Found, alone, pictures_in, sides_of
from retinasynth.decoding import read_size
from retinasynth.errors import ImageError
from retinasynth.images import read_photograph


def find_side_by_side(folder: Path) -> Found | None:
    """Pictures twice as wide as high, photograph left and vessels right, perhaps in train and test.

    The right half of the first one decides: at least 95 % of its pixels are nearly black or white. A file that cannot
    be read has no say here; `retinasynth.data.find.read_eye` tells what is wrong with it.
    """
    sides = sides_of(folder)
    pictures = [(split or "train", path) for split, side in sides for path in pictures_in(side)]
    if not all(_is_twice_as_wide(path) for _, path in pictures):
        return None
    verdicts = (_right_half_is_binary(path) for _, path in pictures)
    if not next((verdict for verdict in verdicts if verdict is not None), False):
        return None
    eyes = [replace(alone(path, split), planes={"vessels": path}, side_by_side=True) for split, path in pictures]
    return Found("side by side", eyes, [], has_split=sides[0][0] is not None)


def _is_twice_as_wide(path: Path) -> bool:
    try:
        height, width = read_size(path)
    except ImageError:
        return True
    return width == 2 * height


def _right_half_is_binary(path: Path) -> bool | None:
    try:
        picture = read_photograph(path)
    except ImageError:
        return None
    right = picture[:, picture.shape[1] // 2 :]
    return bool(np.mean((right.max(axis=2) < 32) | (right.min(axis=2) > 223)) >= 0.95)
