"""Discs with other cups: in a data set most discs have much the same cup, and a generator learns to draw no other.

The inside of a disc is stretched along its radii, so that the cup, in the photograph and in the labels, grows or
shrinks while the edge of the disc stays; vessels bend with it, as they do at the edge of a real cup. In half of the
discs it reaches farther near one pole, as a notch of the rim does in glaucoma. Then the cup is made paler and the
neuroretinal rim redder, since in many a photograph the two can hardly be told apart.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.images import Photograph

RATIOS = (0.15, 0.85)  # vertical cup-to-disc ratios that are drawn
_MOST_CHANGE = 2.0  # times: further, vessels would be drawn into a star or swell
_NOTCHED = 0.5  # share of the discs whose rim is thinned at one place
_NOTCHES = (0.2, 0.9)  # share of the rim that is lost there
_NOTCH_AT, _NOTCH_SPREAD = 40.0, 18.0  # degrees: farthest from the vertical; deviation
_LEAST_RIM = 0.06  # disc radii
_LEAST_PX = 8  # a disc that is not as high has no cup to speak of
_PALER = np.array([0.02, 0.14, 0.16])  # what a cup gains in red, green and blue
_REDDER = np.array([0.02, 0.10, 0.14])  # what the rim loses
_PALLORS = (0.3, 1.2)  # how much of that
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
        random: draws the ratio, how pale the cup becomes, and the notch.

    Returns:
        The photograph and the layers; those given are not changed.
    """
    drawn, pallor = random.uniform(*RATIOS), random.uniform(*_PALLORS)
    notch = random.uniform(*_NOTCHES) if random.random() < _NOTCHED else 0.0
    notch_at = np.radians(random.choice([-90, 90]) + random.uniform(-_NOTCH_AT, _NOTCH_AT))
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
    down, right = away[0] / (high / 2), away[1] / (wide / 2)
    radius = np.maximum(np.hypot(down, right), 1e-6)
    beside = (np.arctan2(down, right) - notch_at + np.pi) % (2 * np.pi) - np.pi
    lost = notch * np.exp(-((beside / np.radians(_NOTCH_SPREAD)) ** 2) / 2)
    edge = ratio + lost * max(1 - _LEAST_RIM - ratio, 0)  # of the cup, in each direction
    within_rim = before + (radius - edge) * (1 - before) / (1 - edge)
    source = np.where(radius < edge, radius * before / edge, np.where(radius < 1, within_rim, radius)) / radius
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
