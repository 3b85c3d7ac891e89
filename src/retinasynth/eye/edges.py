"""Where pixels lie from an area of the picture: how far from its edge, and in which direction from its middle."""

import numpy as np
from numpy.typing import NDArray

from retinasynth.images import Mask


def from_edge(area: Mask) -> NDArray[np.float64]:
    """How far each pixel's centre is from the edge of an area, in pixels; below 0 inside.

    The edge of the picture is not one of the area: where that is empty, or all of the picture, it is infinitely far.

    Example:
        >>> from_edge(np.array([[False, False, True, True]])).tolist()
        [[1.5, 0.5, -0.5, -1.5]]
    """
    from scipy import ndimage  # noqa: PLC0415 - what only reads eyes does not load it

    if area.all() or not area.any():
        return np.where(area, -np.inf, np.inf)
    inside, outside = (ndimage.distance_transform_edt(mask) for mask in (area, ~area))
    distance: NDArray[np.float64] = np.where(area, 0.5 - inside, outside - 0.5)
    return distance


def bearings(disc: Mask, temporal: int) -> NDArray[np.float32]:
    """In which direction from the middle of a disc each pixel is.

    Args:
        disc: ``bool (height, width)``, not empty.
        temporal: 1 where the temporal side is on the right, -1 where it is on the left.

    Returns:
        Degrees from the temporal horizontal; above 0 below it, up to 180 either way.
    """
    rows, columns = np.nonzero(disc)
    y = np.arange(disc.shape[0], dtype=np.float32) - np.float32(rows.mean())
    x = (np.arange(disc.shape[1], dtype=np.float32) - np.float32(columns.mean())) * temporal
    return np.asarray(np.degrees(np.arctan2(y[:, np.newaxis], x[np.newaxis, :])), np.float32)
