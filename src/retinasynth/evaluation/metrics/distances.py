"""How far pictures lie apart: in pixels, whatever their mirror image, colour and light, or in features."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from retinasynth.data.near_duplicates import evened
from retinasynth.errors import ImageError
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.frame import frame_of, into_frame
from retinasynth.images import Photograph, resize_photograph

PLANE_PX = 64
REACH_PX = 4.0
_MIRRORED = (np.s_[:, :, :], np.s_[:, ::-1, :], np.s_[:, :, ::-1], np.s_[:, ::-1, ::-1])
_FIELD_PX = 192  # the field of view is found in a picture of this longer side

CONVENTIONS = {
    "pixel_distance": f"two photographs in the frame of their field of view, {PLANE_PX} x {PLANE_PX}, the green "
    f"channel without its slow light (Gaussian window of {REACH_PX:g} pixels), mean 0 and length 1: the length of "
    "their difference, the least over the four mirror images; 0 is equal, 1.41 unrelated",
    "feature_distance": "Euclidean distance of features, each standardised over the real photographs",
}

Distances = NDArray[np.float64]


def plane_of(photograph: Photograph) -> NDArray[np.float32]:
    """What `pixel_distances` compares of a photograph.

    Args:
        photograph: ``uint8 (height, width, 3)``.

    Returns:
        ``float32 (PLANE_PX, PLANE_PX)`` with mean 0 in the field of view, 0 outside, and length 1; all but 0
        for a picture without anything in it.
    """
    scale = _FIELD_PX / max(photograph.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in photograph.shape[:2])
        photograph = resize_photograph(photograph, (height, width))
    try:
        field_of_view = find_field_of_view(photograph)
    except ImageError:
        return np.zeros((PLANE_PX, PLANE_PX), np.float32)
    if not field_of_view.any():
        return np.zeros((PLANE_PX, PLANE_PX), np.float32)
    frame = frame_of(field_of_view)
    green = into_frame(np.ascontiguousarray(photograph[..., 1]), frame, PLANE_PX).astype(np.float32)
    inside = into_frame((field_of_view * np.uint8(255)), frame, PLANE_PX) > 127
    inside = np.asarray(ndimage.binary_erosion(inside, iterations=2))  # the rim is the camera's
    if not inside.any():
        return np.zeros((PLANE_PX, PLANE_PX), np.float32)
    # The dark around the field would reach into it with the smoothing that follows.
    rows, columns = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    green = green[rows, columns]
    plane: NDArray[np.float32] = evened(green, inside, REACH_PX)
    plane = np.where(inside, plane - plane[inside].mean(), 0).astype(np.float32)
    return plane / np.float32(max(float(np.linalg.norm(plane)), 1.0))  # that of vessels is 30 to 60, of rounding .01


def pixel_distances(first: NDArray[np.float32], second: NDArray[np.float32]) -> Distances:
    """Distances of pictures whatever their mirror image, colour and light; see `CONVENTIONS`.

    Args:
        first: planes of `plane_of`, ``float32 (n, PLANE_PX, PLANE_PX)``.
        second: likewise, ``(m, PLANE_PX, PLANE_PX)``.

    Returns:
        ``float64 (n, m)``, 0 to 2.
    """
    rows = first.reshape(len(first), -1)
    similar = np.full((len(first), len(second)), -1.0)
    for mirrored in _MIRRORED:
        np.maximum(similar, rows @ second[mirrored].reshape(len(second), -1).T, out=similar)
    return np.asarray(np.sqrt(np.maximum(2 - 2 * similar, 0)))


def feature_distances(
    generated: NDArray[np.floating[Any]], training: NDArray[np.floating[Any]], held_out: NDArray[np.floating[Any]]
) -> tuple[Distances, Distances]:
    """Of generated pictures to real ones, and among these, each feature standardised over the real ones.

    Args:
        generated: ``float (generated, dimensions)``.
        training: ``float (trained, dimensions)``.
        held_out: ``float (held out, dimensions)``.

    Returns:
        ``float64 (generated, real)`` and ``float64 (real, real)``, training photographs before held-out ones.
    """
    real = np.concatenate([training, held_out]).astype(np.float64)
    spread = real.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    real, made = real / scale, generated / scale
    return cdist(made, real), cdist(real, real)
