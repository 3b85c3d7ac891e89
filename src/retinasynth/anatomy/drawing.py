"""Vessels as pixels."""

import numpy as np
from numpy.typing import NDArray

from retinasynth.images import Mask

_TOGETHER = 256  # pieces of about the same extent that are worked on at once; more leave the processor's cache
_LEAST_RADIUS_PX = 0.5  # thinner vessels are drawn one pixel wide, so that none breaks into dots


def draw_vessels(
    starts: NDArray[np.float64], ends: NDArray[np.float64], radii_px: NDArray[np.float64], size_px: int
) -> Mask:
    """Straight pieces of vessel with round ends, as the pixels whose centres lie in one of them.

    Args:
        starts: column and row, ``(n, 2)``, in pixels; the centre of the first pixel is (0.5, 0.5).
        ends: likewise.
        radii_px: half the calibre of each piece.
        size_px: height and width of the mask. What lies outside is cut off.

    Returns:
        ``bool (size_px, size_px)``.

    Example:
        >>> draw_vessels(np.array([[1.0, 1.5]]), np.array([[3.0, 1.5]]), np.array([0.6]), 4).astype(int).tolist()
        [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    mask = np.zeros((size_px, size_px), np.bool_)
    radii = np.maximum(radii_px, _LEAST_RADIUS_PX)
    corner = np.floor(np.minimum(starts, ends) - radii[:, np.newaxis] - 0.5).astype(np.int64)
    extent = (np.ceil(np.maximum(starts, ends) + radii[:, np.newaxis] + 0.5).astype(np.int64) - corner).max(axis=1)
    visible = np.flatnonzero((corner < size_px).all(axis=1) & (corner + extent[:, np.newaxis] > 0).all(axis=1))
    by_extent = visible[np.argsort(extent[visible], kind="stable")]
    for pieces in np.array_split(by_extent, len(by_extent) // _TOGETHER + 1):
        if len(pieces):
            window = np.arange(extent[pieces].max())
            columns, rows = (corner[pieces, axis, np.newaxis] + window for axis in (0, 1))
            inside = _within(columns, rows, starts[pieces], ends[pieces], radii[pieces])
            piece, row, column = np.nonzero(inside)
            row, column = rows[piece, row], columns[piece, column]
            kept = (row >= 0) & (row < size_px) & (column >= 0) & (column < size_px)
            mask[row[kept], column[kept]] = True
    return mask


def _within(
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which pixels of each piece's window lie within its radius: ``bool (pieces, window, window)``."""
    along = (ends - starts).astype(np.float32)
    x = (columns + 0.5 - starts[:, :1]).astype(np.float32)[:, np.newaxis, :]
    y = (rows + 0.5 - starts[:, 1:]).astype(np.float32)[:, :, np.newaxis]
    along_x, along_y = along[:, 0, np.newaxis, np.newaxis], along[:, 1, np.newaxis, np.newaxis]
    share = (x * along_x + y * along_y) / (along_x**2 + along_y**2 + np.float32(1e-12))
    np.clip(share, 0, 1, out=share)
    inside: NDArray[np.bool_] = (x - share * along_x) ** 2 + (y - share * along_y) ** 2 <= (
        radii.astype(np.float32) ** 2
    )[:, np.newaxis, np.newaxis]
    return inside
