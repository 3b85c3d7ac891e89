"""Peripapillary atrophy: the crescent beside the disc where the pigment epithelium is lost (its beta zone)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retinasynth.errors import InputError
from retinasynth.eye.edges import bearings, from_edge
from retinasynth.images import Mask


@dataclass(frozen=True)
class Atrophy:
    """A crescent along the edge of the disc, widest in its middle.

    Attributes:
        width_dd: where it is widest, in disc diameters of 1.8 mm; 0 says that there is none.
        extent_deg: how much of the disc's edge it follows, above 0, at most 360.
        direction_deg: where it is widest, as seen in the picture from the middle of the disc: from the temporal
            horizontal; above 0 below it, up to 180 either way.

    Raises:
        InputError: a number outside its range.
    """

    width_dd: float
    extent_deg: float
    direction_deg: float

    def __post_init__(self) -> None:
        if not (0 <= self.width_dd < 5 and 0 < self.extent_deg <= 360 and -180 <= self.direction_deg <= 180):
            raise InputError(
                f"The atrophy is said to be {self}",
                expected="a width of 0 to 5, an extent of above 0 to 360, a direction of -180 to 180",
            )

    def widths(self, bearings_deg: NDArray[np.floating]) -> NDArray[np.floating]:
        """Its width in disc diameters in these directions from the middle of the disc, measured like its own."""
        away = (bearings_deg - self.direction_deg + 180) % 360 - 180
        inside = np.abs(away) < self.extent_deg / 2
        widths = self.width_dd * inside * np.cos(math.pi * away / self.extent_deg)
        return np.asarray(widths, bearings_deg.dtype)


def beta_zone(atrophy: Atrophy, disc: Mask, pixels_per_dd: float, temporal: int) -> Mask:
    """The pixels of a crescent around a disc.

    Args:
        atrophy: its shape.
        disc: ``bool (height, width)``.
        pixels_per_dd: scale of the picture.
        temporal: 1 where the temporal side is on the right, -1 where it is on the left.

    Returns:
        ``bool (height, width)``, outside the disc; empty without a disc.
    """
    if not disc.any():
        return np.zeros_like(disc)
    beyond = from_edge(disc).astype(np.float32) / pixels_per_dd
    return np.asarray((beyond > 0) & (beyond < atrophy.widths(bearings(disc, temporal))))
