"""Discs with other cups: in a data set most discs have much the same cup, and a generator learns to draw no other.

The inside of a disc is stretched along its radii, so that the cup, in the photograph and in the labels, grows or
shrinks while the edge of the disc stays; vessels bend with it, as they do at the edge of a real cup. Then the cup is
made paler and the neuroretinal rim redder, since in many a photograph the two can hardly be told apart.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.images import Photograph

RATIOS = (0.15, 0.85)  # vertical cup-to-disc ratios that are drawn
_MOST_CHANGE = 2.0  # times: further, vessels would be drawn into a star or swell
_LEAST_PX = 8  # a disc that is not as high has no cup to speak of
_PALER = np.array([0.02, 0.14, 0.16])  # most of what a cup gains in red, green and blue
_REDDER = np.array([0.02, 0.10, 0.14])  # most of what the rim loses
_SOFT = 0.05  # disc radii: the edge of the paler area


def with_other_cup(
    photograph: Photograph, layers: NDArray[np.uint8], disc: int, cup: int, random: np.random.Generator
) -> tuple[Photograph, NDArray[np.uint8]]:
    """An eye with a cup of another size; the same eye where no disc or cup can be seen.

    Args:
        photograph: ``uint8 (size, size, 3)``.
        layers: how much of each pixel the field of view and the label planes cover, ``uint8 (size, size, 1 + planes)``.
        disc: its place among the layers.
        cup: likewise.
        random: draws the ratio and how pale the cup becomes.

    Returns:
        The photograph and the layers; those given are not changed.
    """
    drawn, pallor = random.uniform(*RATIOS), random.random()
    rows, columns = np.nonzero(layers[..., disc] > 127)
    cup_rows = np.flatnonzero((layers[..., cup] > 127).any(axis=1))
    if not len(rows) or np.ptp(rows) < _LEAST_PX or np.ptp(columns) < _LEAST_PX or not len(cup_rows):
        return photograph, layers
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    before = min((np.ptp(cup_rows) + 1) / high, 0.95)
    ratio = np.clip(drawn, before / _MOST_CHANGE, before * _MOST_CHANGE)

    middle = np.array([rows.mean(), columns.mean()])
    reach = np.array([high, wide]) // 2 + 2
    top, left = np.maximum(middle.round().astype(int) - reach, 0)
    bottom, right = middle.round().astype(int) + reach + 1
    piece = np.s_[top:bottom, left:right]
    away = np.indices(photograph[piece].shape[:2]) + np.array([top, left])[:, None, None] - middle[:, None, None]
    radius = np.maximum(np.hypot(away[0] / (high / 2), away[1] / (wide / 2)), 1e-6)
    source = np.interp(radius, [0, ratio, 1, 2], [0, before, 1, 2]) / radius
    places = away * source + (middle - [top, left])[:, None, None]

    def stretched(channels: NDArray[np.uint8]) -> NDArray[np.float64]:
        each = [ndimage.map_coordinates(one, places, np.float64, order=1, mode="nearest") for one in channels.T]
        return np.stack(each, axis=-1)

    labels = layers.copy()
    labels[piece][..., 1:] = stretched(layers[piece][..., 1:].transpose(1, 0, 2)).round()
    soft = _SOFT * high / 2
    inner = ndimage.gaussian_filter(labels[piece][..., cup] / 255, soft)[..., None]
    rim = np.clip(ndimage.gaussian_filter(labels[piece][..., disc] / 255, soft)[..., None] - inner, 0, 1)
    painted = photograph.copy()
    seen = stretched(photograph[piece].transpose(1, 0, 2)) * (1 + pallor * (_PALER * inner - _REDDER * rim))
    painted[piece] = seen.round().clip(0, 255)
    return painted, labels
