"""Regions of a retina: zones around the disc, their quadrants, and rings around the fovea.

Zone B lies between half a disc diameter (DD) and one DD from the margin of the disc, zone C between half a DD and two
DD (Hubbard et al., Ophthalmology 106, 1999; Cheung et al., Invest Ophthalmol Vis Sci 51, 2010). As there, they are
circles around the middle of the disc, which is taken as one DD wide. The rings around the fovea are those of the ETDRS
grid, 1, 3 and 6 mm across (ETDRS report 10, Ophthalmology 98, 1991), at 1800 um to the DD.
"""

import math
from typing import NamedTuple

import numpy as np

from retinasynth.eye.biomarkers import Scene, distance_from, fovea_of, scene_of
from retinasynth.eye.eye import UM_PER_DD, Eye
from retinasynth.eye.frame import frame_of
from retinasynth.images import Mask
from retinasynth.settings import Laterality

ZONES_DD = {"zone_b": (1.0, 1.5), "zone_c": (1.0, 2.5)}  # radii around the middle of the disc
QUADRANTS = ("superior", "nasal", "inferior", "temporal")  # of zone C, 90 degrees each
RINGS_DD = {
    f"fovea_{name}": (inner / UM_PER_DD, outer / UM_PER_DD)
    for name, inner, outer in (("centre", 0, 500), ("inner", 500, 1500), ("outer", 1500, 3000))
}
MEANINGS = {
    "field": "the field of view",
    "zone_b": "zone B, 0.5 to 1 DD from the margin of the disc",
    "zone_c": "zone C, 0.5 to 2 DD from the margin of the disc",
    **{name: f"the {name} quadrant of zone C" for name in QUADRANTS},
    "fovea_centre": "the middle of the ETDRS grid, to 0.5 mm from the fovea",
    "fovea_inner": "its inner ring, 0.5 to 1.5 mm from the fovea",
    "fovea_outer": "its outer ring, 1.5 to 3 mm from the fovea",
}
_OFF_CENTRE = 0.12  # of the breadth of the field: a disc that lies so far to one side tells which eye it is


class Region(NamedTuple):
    """A part of the retina.

    Attributes:
        mask: what of it is in view, ``bool (height, width)``.
        seen: the share of it that is in view.
    """

    mask: Mask
    seen: float

    @property
    def is_seen(self) -> bool:
        """Whether at least half of it is in view: else it is not measured."""
        return self.seen >= 0.5


class Side(NamedTuple):
    """Which eye it is, and by what that is known; None and nothing where it is not."""

    laterality: Laterality | None
    source: str


def regions_of(eye: Eye, laterality: Laterality | None = None) -> dict[str, Region]:
    """The regions of an eye by name (`MEANINGS`); one that is absent cannot be found.

    Args:
        eye: zones and quadrants need its disc, rings its fovea, and both a scale.
        laterality: which eye; without it there are no nasal and no temporal quadrants.

    Example:
        >>> eye = Eye("empty", {"vessels": np.zeros((100, 100), np.bool_)})
        >>> {name: region.seen for name, region in regions_of(eye).items()}
        {'field': 1.0}
    """
    scene = scene_of(eye)
    found = {"field": Region(scene.fov, 1.0)}
    scale, fovea = scene.pixels_per_dd, fovea_of(eye, scene.fov)
    if scale is None:
        return found
    if scene.centre is not None:
        found |= {name: _ring(scene, scene.centre, radii, scale) for name, radii in ZONES_DD.items()}
        found |= _quadrants(found["zone_c"].mask, scene.centre, scale, laterality)
    if fovea is not None:
        found |= {name: _ring(scene, fovea, radii, scale) for name, radii in RINGS_DD.items()}
    return found


def _ring(scene: Scene, middle: tuple[float, float], radii: tuple[float, float], scale: float) -> Region:
    distance = distance_from(middle, scene.fov.shape) / scale
    mask = (distance >= radii[0]) & (distance < radii[1]) & scene.fov
    return Region(mask, _seen(mask, radii, scale))


def _seen(mask: Mask, radii: tuple[float, float], scale: float, part: float = 1.0) -> float:
    """The share that is in view of a ring, or of a part of one."""
    return min(1.0, float(mask.sum() / (part * math.pi * (radii[1] ** 2 - radii[0] ** 2) * scale**2)))


def _quadrants(
    zone: Mask, centre: tuple[float, float], scale: float, laterality: Laterality | None
) -> dict[str, Region]:
    rows, columns = np.ogrid[: zone.shape[0], : zone.shape[1]]
    down, right = rows - centre[0], columns - centre[1]
    masks = {"superior": zone & (-down >= abs(right)), "inferior": zone & (down >= abs(right))}
    if laterality is not None:
        nasal = right if laterality == "right" else -right
        masks |= {"nasal": zone & (nasal > abs(down)), "temporal": zone & (-nasal > abs(down))}
    return {name: Region(mask, _seen(mask, ZONES_DD["zone_c"], scale, 0.25)) for name, mask in masks.items()}


def side_of(eye: Eye) -> Side:
    """Which eye it is: by its geometry, by its fovea, or by a disc far to one side of the field of view.

    A camera is pointed at the macula or the disc, so that a disc far from the middle of the field lies on the side of
    the nose. Pictures taken nasally of the disc are taken for the other eye.
    """
    scene = scene_of(eye)
    if eye.geometry is not None:
        return Side(eye.geometry.laterality, "geometry")
    marked = eye.centres["disc"][0] if "disc" in eye.centres else None  # also where the disc itself is cut or unknown
    disc = marked if scene.centre is None else scene.centre[1]
    if disc is None:
        return Side(None, "")
    fovea = fovea_of(eye, scene.fov)
    if fovea is not None:
        return Side("right" if fovea[1] < disc else "left", "fovea")
    frame = frame_of(scene.fov)
    aside = (disc - frame.column) / frame.side
    if abs(aside) < _OFF_CENTRE:
        return Side(None, "")
    return Side("right" if aside > 0 else "left", "place of the disc")
