"""The frame of a photograph: the square around its field of view, which makes pictures of all cameras alike in size."""

import math
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retinasynth.images import Mask

_MARGIN = 0.01  # of the diameter, on each side

Layer = TypeVar("Layer", NDArray[np.uint8], NDArray[np.float32])


class Frame(NamedTuple):
    """A square in a photograph, in its pixels; it may reach beyond the picture.

    Attributes:
        row: of its centre.
        column: of its centre.
        side: height and width.
    """

    row: float
    column: float
    side: float

    @property
    def _box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        half = self.side / 2
        return self.column - half, self.row - half, self.column + half, self.row + half


def frame_of(field: Mask) -> Frame:
    """The frame of a photograph whose field of view is known.

    A field whose circle is cut off, as above and below in many cameras, has the frame of the whole circle.

    Args:
        field: ``bool (height, width)``, not empty.

    Example:
        >>> frame_of(np.ones((50, 100), bool))
        Frame(row=25.0, column=50.0, side=102.0)
    """
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(bottom - top, right - left) * (1 + 2 * _MARGIN)
    return Frame(float(top + bottom) / 2, float(left + right) / 2, float(side))


def into_frame(layer: Layer, frame: Frame, size_px: int) -> Layer:
    """What lies in the frame, as a square of `size_px`; black where it reaches beyond the picture.

    Args:
        layer: ``uint8 (height, width)`` or ``(height, width, 3)``, or ``float32 (height, width)``.
        frame: of which photograph.
        size_px: of the result. Reducing averages, enlarging interpolates linearly.
    """
    return _resampled(layer, frame._box, (size_px, size_px))


def out_of_frame(layer: Layer, frame: Frame, size: tuple[int, int], shown: tuple[int, int] | None = None) -> Layer:
    """The inverse: a square as it lies in a photograph; 0 outside the frame.

    Args:
        layer: as `into_frame` gives it.
        frame: of which photograph.
        size: of the photograph, ``(height, width)``.
        shown: height and width that it is resized to, in the same step; None keeps its size.
    """
    left, top, right, bottom = frame._box
    side, rows, columns = layer.shape[0] / frame.side, *(shown or size)
    down, across = rows / size[0], columns / size[1]  # pixels of the result for each of the photograph
    first, last = max(0, math.floor(top * down)), min(rows, math.ceil(bottom * down))
    start, stop = max(0, math.floor(left * across)), min(columns, math.ceil(right * across))
    whole = np.zeros((rows, columns, *layer.shape[2:]), layer.dtype)
    if first < last and start < stop:
        box = (start / across - left, first / down - top, stop / across - left, last / down - top)
        part = tuple(side * edge for edge in box)
        whole[first:last, start:stop] = _resampled(layer, part, (last - first, stop - start))
    return whole


def _resampled(layer: Layer, box: tuple[float, float, float, float], size: tuple[int, int]) -> Layer:
    """The part of a picture in a box (left, top, right, bottom), which may reach beyond it, at ``(height, width)``."""
    height, width = layer.shape[:2]
    left, top, right, bottom = box
    before = (max(0, math.ceil(-top)), max(0, math.ceil(-left)))
    after = (max(0, math.ceil(bottom) - height), max(0, math.ceil(right) - width))
    padded = np.pad(layer, [(before[0], after[0]), (before[1], after[1]), (0, 0)][: layer.ndim])
    moved = (left + before[1], top + before[0], right + before[1], bottom + before[0])
    picture = Image.fromarray(padded).resize((size[1], size[0]), Image.Resampling.BILINEAR, box=moved)
    return np.asarray(picture, dtype=layer.dtype)


def faces_left(disc: NDArray[np.uint8]) -> bool | None:
    """Whether a disc lies in the left half of its frame; None where there is none.

    Args:
        disc: how much of each pixel it covers, ``uint8 (size, size)``.
    """
    columns = disc.sum(axis=0, dtype=np.float64)
    return bool(columns @ np.arange(len(columns)) < columns.sum() * (len(columns) - 1) / 2) if columns.any() else None


DD_PER_FIELD = 0.14  # of the breadth of a view: what a DD is taken for where no scale is known, as if it had 45 degrees
