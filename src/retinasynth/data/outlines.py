"""Structures given by their outline: text or comma-separated files with the coordinates of a point in every line."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from retinasynth.errors import ImageError
from retinasynth.images import Mask

_MOST_BYTES = 5_000_000  # published outlines have some thousand points
_SEPARATORS = re.compile(r"[,;\s]+")
_BEYOND = 0.02  # of a side, by which outlines drawn by hand leave the picture


def read_points(path: Path) -> NDArray[np.float64]:
    """The points in a file, ``(points, 2)`` in the order in which it has the coordinates.

    A first line of words is taken for the names of the columns.

    Raises:
        ImageError: the file cannot be read, or a line is no point.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{path} cannot be read ({error})", expected="text with two numbers in a line") from error
    if len(content) > _MOST_BYTES:
        raise ImageError(f"{path} has more than {_MOST_BYTES // 10**6} MB", expected="the points of an outline")
    rows = [row for line in lines if (row := [cell for cell in _SEPARATORS.split(line) if cell])]
    if rows and not any(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    for row in rows:
        if len(row) != 2 or not all(_is_number(cell) for cell in row):
            raise ImageError(f"{path} has the line {' '.join(row)[:60]!r}", expected="two numbers in every line")
    return np.array(rows, np.float64).reshape(-1, 2)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def outlined(path: Path, size: tuple[int, int], *, is_row_first: bool = False) -> Mask:
    """What lies within the outline in a file, its pixels included.

    Args:
        path: the file.
        size: height and width of the picture it was drawn on.
        is_row_first: a line has the row before the column, else x before y.

    Returns:
        ``bool (height, width)``.

    Raises:
        ImageError: the file cannot be read, has fewer than three points, or they lie outside the picture.
    """
    points = read_points(path) if is_row_first else read_points(path)[:, ::-1]
    if len(points) < 3:
        raise ImageError(f"{path} has {len(points)} points", expected="at least three, the outline of a structure")
    beyond = np.array(size) * _BEYOND
    if (points < -beyond).any() or (points > np.array(size) + beyond).any():
        row, column = points.max(axis=0)
        raise ImageError(
            f"{path} reaches to x {column:g}, y {row:g}, but its picture has {size[1]} x {size[0]} px (width x height)",
            expected="an outline within its picture",
            do="Check that both are of one eye, and that the picture has the size it was published at",
        )
    picture = Image.new("1", size[::-1])
    ImageDraw.Draw(picture).polygon([(column, row) for row, column in points.tolist()], fill=1)
    return np.asarray(picture)
