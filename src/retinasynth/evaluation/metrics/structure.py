"""Are the vessels of a picture where the mask says? Found again by a filter, which was trained on none."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import sato

from retinasynth.images import Mask, Photograph

SCALE_PX = 1.0
BACKGROUND_PX = 8.0
RIM_PX = 8

CONVENTIONS = {
    "vessels": "the darkest ridges of the green channel (Sato 1998, one scale of 1 pixel at 256 x 256, after division "
    "by the local mean), as many pixels as the mask has, against the mask: Dice overlap inside the field of view, "
    f"{RIM_PX} pixels from its rim; higher is better. Real photographs do not reach 1: people also draw what a filter "
    "misses",
}


class Structure(NamedTuple):
    """How well the vessels of a picture lie where they should.

    Attributes:
        dice: overlap, 0 to 1; not a number where no vessel lies inside the field of view.
    """

    dice: float


def measure(photograph: Photograph, vessels: Mask, field_of_view: Mask) -> Structure:
    """Dice overlap of the vessels that a ridge filter finds in a picture with those that it should show.

    Args:
        photograph: ``uint8 (256, 256, 3)``.
        vessels: ``bool`` of that height and width: where they should be.
        field_of_view: likewise: where to look.

    Source:
        Y. Sato et al., "Three-dimensional multi-scale line filter", Medical Image Analysis 2(2), 1998.
    """
    inside = np.asarray(ndimage.binary_erosion(field_of_view, iterations=RIM_PX, border_value=1))
    wanted = vessels & inside
    count = int(wanted.sum())
    if count == 0:
        return Structure(float("nan"))
    found = _strongest(_ridges(photograph), inside, count)
    return Structure(float(2 * (found & wanted).sum() / (found.sum() + count)))


def _ridges(photograph: Photograph) -> NDArray[np.float64]:
    green = photograph[..., 1].astype(np.float64)
    even = green / (ndimage.gaussian_filter(green, BACKGROUND_PX) + 8)  # the 8 keeps black black
    return np.asarray(sato(even, sigmas=[SCALE_PX], black_ridges=True), np.float64)  # type: ignore[no-untyped-call]


def _strongest(ridges: NDArray[np.float64], inside: Mask, count: int) -> Mask:
    """The `count` highest values inside, without those that are no ridge at all."""
    threshold = np.partition(ridges[inside], -count)[-count]
    return np.asarray((ridges >= threshold) & (ridges > 0) & inside)
