"""Photographs that are not what is usually meant by one: crops around the disc, and very dark ones.

They are read as they are, and named: an inspection lists them, other commands warn of the first of a folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from retinasynth.images import Mask, Photograph, brightest, resize_photograph
from retinasynth.progress import warn

DARK = 60  # of 255: the brightest level of a photograph that was exposed far too little, or stored with too few bits

_BLACK = 16  # as `retinasynth.eye.field_of_view` has it
_CORNER = 1 / 24  # of the shorter side
_DARK_CORNER = 0.25  # of the median brightness of the picture
_MOST_DARK_CORNERS = 2  # of a crop that reaches over the rim; a round field of view leaves at least three dark
_WIDE_DISC = 0.27  # of the shorter side: discs have about .14 in photographs of 45 degrees, .21 in those of 30
_MOST_OBLONG = 1.35  # of crops without a mask of the disc

# Of the bright spot that is taken for a disc where no mask says where it is. Chosen on crops of IDRiD: of those around
# the disc, 1.5 to 4 of its diameters wide, 19 in 20 are found; of central ones without it, those of 1 photograph in 40.
_WORKING_PX = 96
_SPOT_DIAMETERS = (0.22, 0.85)  # of the side
_LEAST_ROUNDNESS = 0.8
_LEAST_CONTRAST = 0.2  # to the ring around it
_EDGE = 0.25  # of the way from the ring to the spot
_MOST_OFF_CENTRE = 0.25
_MOST_AT_EDGE = 0.02  # of an edge of the picture


@dataclass(frozen=True)
class Doubt:
    """What is unusual about a photograph.

    Attributes:
        kind: in a few words, the same for all photographs.
        got: what was found, as half a sentence.
        do: what that means for the user.
    """

    kind: str
    got: str
    do: str


def doubts_of(photograph: Photograph | None, disc: Mask | None = None, fov: Mask | None = None) -> Iterator[Doubt]:
    """What is unusual about the photograph of an eye, or about its label map where there is none.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        disc: where that is known, ``bool (height, width)``.
        fov: the field of view, where that is known.
    """
    if photograph is not None:
        brightness = brightest(photograph[::4, ::4])
        level = float(np.percentile(brightness, 99.5))
        if is_lit(photograph) and level < DARK:
            yield Doubt(
                "very dark",
                f"is very dark: next to nothing in it is brighter than {level:.0f} of 255",
                "Vessels may not be found in it. If it was stored with more bits, read the original with a `window`",
            )
    size = _size_of_disc(photograph, disc, fov)
    if size:
        yield Doubt(
            "crop around the disc",
            f"is a crop around the optic disc, which is {size:.0%} as wide as the picture",
            "It is used as it is, but sizes and places are not those of whole fundus photographs. Do not mix the two",
        )


def is_lit(photograph: Photograph) -> bool:
    """Whether anything is to be seen in a photograph; a black one is refused wherever a field of view is looked for."""
    return bool(brightest(photograph[::4, ::4]).max() >= _BLACK)


def warn_of_doubts(
    path: Path, photograph: Photograph | None, disc: Mask | None = None, fov: Mask | None = None
) -> None:
    """Say what is unusual, once for each kind and folder."""
    for doubt in doubts_of(photograph, disc, fov):
        warn(
            f"{path} {doubt.got}. {doubt.do}. Other files of its folder like it are not named.",
            kind=(path.parent, doubt.kind),
        )


def _size_of_disc(photograph: Photograph | None, disc: Mask | None, fov: Mask | None) -> float:
    """The diameter of the disc, as a share of the shorter side, in a crop around it; 0 in all other pictures."""
    if fov is not None and not fov[[0, 0, -1, -1], [0, -1, 0, -1]].any():
        return 0.0
    if photograph is not None and _has_round_field(photograph):
        return 0.0
    if disc is not None and disc.any():
        diameter = float(2 * np.sqrt(disc.sum() / np.pi) / min(disc.shape))
        return diameter if diameter > _WIDE_DISC else 0.0
    if photograph is None or max(photograph.shape[:2]) > _MOST_OBLONG * min(photograph.shape[:2]):
        return 0.0
    return _bright_spot(photograph)


def _has_round_field(photograph: Photograph) -> bool:
    height, width = photograph.shape[:2]
    side = max(1, round(_CORNER * min(height, width)))
    darkest = _DARK_CORNER * float(np.median(brightest(photograph[::8, ::8])))
    edges = (slice(side), slice(-side, None))
    corners = [np.median(brightest(photograph[rows, columns])) for rows in edges for columns in edges]
    return sum(bool(corner <= darkest) for corner in corners) > _MOST_DARK_CORNERS


def _bright_spot(photograph: Photograph) -> float:
    """The diameter of a round, central spot that is brighter than all around it, as a share of the side; else 0."""
    small = resize_photograph(photograph, (_WORKING_PX, _WORKING_PX))
    green = ndimage.gaussian_filter(small[..., 1].astype(np.float64), 2.0)
    bright = brightest(small)
    lit = ndimage.binary_erosion(bright > 0.4 * np.median(bright), iterations=3, border_value=1)
    if not lit.any():
        return 0.0
    spots = [_spot(green, lit, level) for level in np.percentile(green[lit], range(95, 35, -4))]
    return max(spots)


def _spot(green: np.ndarray, lit: Mask, level: float) -> float:
    """The diameter of the largest part above a level, if that is such a spot; else 0."""
    parts, count = ndimage.label(ndimage.binary_opening((green > level) & lit, iterations=2))
    if count == 0:
        return 0.0
    part = ndimage.binary_fill_holes(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))
    rows, columns = np.nonzero(part)
    diameter = 2 * np.sqrt(len(rows) / np.pi)
    row, column = rows.mean(), columns.mean()
    off_centre = max(abs(row / _WORKING_PX - 0.5), abs(column / _WORKING_PX - 0.5))
    at_edge = max(edge.mean() for edge in (part[0], part[-1], part[:, 0], part[:, -1]))
    is_inside = off_centre <= _MOST_OFF_CENTRE and at_edge <= _MOST_AT_EDGE
    if not (_SPOT_DIAMETERS[0] <= diameter / _WORKING_PX <= _SPOT_DIAMETERS[1] and is_inside):
        return 0.0
    roundness = ((rows - row) ** 2 + (columns - column) ** 2 <= len(rows) / np.pi).mean()
    distance = ndimage.distance_transform_edt(~part)
    ring = (distance > 0.08 * diameter) & (distance < 0.3 * diameter) & lit
    if roundness < _LEAST_ROUNDNESS or not ring.any():
        return 0.0
    around = float(green[ring].mean())
    above = float(green[part].mean()) - around
    is_edge = level - around > _EDGE * above  # else it is the skirt of a smaller spot
    return float(diameter / _WORKING_PX) if above > _LEAST_CONTRAST * around and is_edge else 0.0
