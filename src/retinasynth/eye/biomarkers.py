"""Measures of a label map, grown or real: how much vessel there is and of which shape, the disc and its cup.

What an eye does not tell is None: an absent plane is unknown, while an empty one says that there is nothing to count.
Lengths are in pixels, or in disc diameters (DD, the vertical diameter of the disc) where a scale is known; one DD is
taken as 1800 micrometres. Arteries and veins are measured apart where both are known, so that crossings cut nothing,
and the vessels as one otherwise.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.errors import InputError
from retinasynth.eye.calibre import ARTERIOLES, VENULES, calibres_between, knudtson
from retinasynth.eye.eye import UM_PER_DD, Eye
from retinasynth.eye.frame import DD_PER_FIELD
from retinasynth.eye.skeleton import Graph, Segment, vessel_graph
from retinasynth.images import Mask

_BOXES_PX = (2, 4, 8, 16, 32, 64)
_SHORTEST_DD = 0.3  # of the segments whose tortuosity counts
_MOST = 0.9  # of the vessels' area: where arteries and veins cover less, not all vessels are classified
_RINGS_DD = (0.5, 1.0, 1.5, 2.0, 2.5)
_ZONE_B_DD = (1.0, 1.5)  # from the centre of the disc: half a DD to one DD from its margin

Numbers = NDArray[np.float64]


def _column(unit: str, meaning: str, *, by_resolution: bool = False) -> float | None:
    about = {"unit": unit, "meaning": meaning, "by_resolution": by_resolution}
    value: float | None = field(default=None, metadata=about)
    return value


@dataclass(frozen=True)
class Biomarkers:
    """The measures of one eye; None is what cannot be known of it. `COLUMNS` says what each means."""

    vessel_density: float | None = _column("share", "vessels' part of the field of view", by_resolution=True)
    fractal_dimension: float | None = _column("", "of the vessels, by counting boxes of 2 to 64 px", by_resolution=True)
    tortuosity: float | None = _column("", "arc over chord of vessels between branchings, mean weighted by length")
    tortuosity_arteries: float | None = _column("", "the same of arteries alone")
    tortuosity_veins: float | None = _column("", "the same of veins alone")
    calibre_mean_px: float | None = _column("px", "mean weighted by length", by_resolution=True)
    calibre_deviation_px: float | None = _column("px", "standard deviation", by_resolution=True)
    calibre_p10_px: float | None = _column("px", "a tenth of all length is narrower", by_resolution=True)
    calibre_median_px: float | None = _column("px", "half of all length is narrower", by_resolution=True)
    calibre_p90_px: float | None = _column("px", "a tenth of all length is wider", by_resolution=True)
    calibre_mean_um: float | None = _column("um", "mean calibre at 1800 um to the disc diameter", by_resolution=True)
    length_density: float | None = _column(
        "1/DD", "length of all vessels by area of the field of view", by_resolution=True
    )
    branch_points: float | None = _column(
        "", "where a vessel divides; without arteries and veins, crossings too", by_resolution=True
    )
    end_points: float | None = _column("", "where a vessel ends or leaves the field of view", by_resolution=True)
    branch_points_per_dd2: float | None = _column("1/DD2", "by area of the field of view", by_resolution=True)
    branching_angle_deg: float | None = _column("degrees", "between the two daughters of a vessel, mean")
    density_ring_1: float | None = _column(
        "share", "vessels' part 0.5 to 1.0 DD from the disc centre", by_resolution=True
    )
    density_ring_2: float | None = _column("share", "the same, 1.0 to 1.5 DD", by_resolution=True)
    density_ring_3: float | None = _column("share", "the same, 1.5 to 2.0 DD", by_resolution=True)
    density_ring_4: float | None = _column("share", "the same, 2.0 to 2.5 DD", by_resolution=True)
    crae_um: float | None = _column(
        "um", "central retinal arteriolar equivalent (Knudtson, zone B)", by_resolution=True
    )
    crve_um: float | None = _column("um", "central retinal venular equivalent (Knudtson, zone B)", by_resolution=True)
    artery_to_vein_ratio: float | None = _column("", "of the two equivalents")
    cup_to_disc_vertical: float | None = _column("", "height of the cup over height of the disc")
    cup_to_disc_area: float | None = _column("", "area of the cup over area of the disc")
    disc_fovea_distance_dd: float | None = _column("DD", "from centre to centre")


class Column(NamedTuple):
    """What is in a column of a table of biomarkers; `by_resolution`: it depends on the resolution of the picture."""

    unit: str
    meaning: str
    by_resolution: bool


COLUMNS = {one.name: Column(**one.metadata) for one in fields(Biomarkers)}


class Scene(NamedTuple):
    """What the measures share.

    Attributes:
        fov: the field of view, ``bool (height, width)``; the whole picture where it is unknown.
        disc: None where it is unknown, out of sight or cut off.
        pixels_per_dd: of the geometry, or the height of the disc; None where neither is known.
        centre: of the disc, row and column.
    """

    fov: Mask
    disc: Mask | None
    pixels_per_dd: float | None
    centre: tuple[float, float] | None


def measure_eye(eye: Eye, *, graphs: Mapping[str, Graph] | None = None) -> Biomarkers:
    """All biomarkers of an eye.

    Args:
        eye: with the plane vessels, or arteries and veins, or disc; each measure needs its own planes.
        graphs: of its vessels in the field of view, by plane, where they are at hand.

    Returns:
        The measures, None where the eye does not tell.

    Raises:
        InputError: it has no plane that can be measured.

    Example:
        >>> mask = np.zeros((100, 100), np.bool_)
        >>> mask[48:52, 10:90] = True
        >>> found = measure_eye(Eye("line", {"vessels": mask}))
        >>> found.vessel_density, round(found.calibre_mean_px, 1), found.artery_to_vein_ratio
        (0.032, 4.0, None)
    """
    planes = eye.planes
    scene = scene_of(eye)
    known = graphs or {}
    trees = {
        name: known.get(name) or vessel_graph(planes[name] & scene.fov)
        for name in ("arteries", "veins")
        if name in planes
    }
    vessels = planes.get("vessels")
    if vessels is None and len(trees) == 2:
        vessels = planes["arteries"] | planes["veins"]
    if vessels is None and not trees and "disc" not in planes:
        raise InputError(
            f"{eye.name} has no plane that can be measured ({', '.join(planes) or 'none'})",
            expected="vessels, arteries, veins or disc",
        )
    found: dict[str, float | None] = {}
    are_all_classified = False
    if vessels is not None:
        are_all_classified = len(trees) == 2 and are_most(planes["arteries"] | planes["veins"], vessels)
        seen = vessels & scene.fov
        whole = list(trees.values()) if are_all_classified else [known.get("vessels") or vessel_graph(seen)]
        found |= _of_vessels(seen, whole, scene)
    for name, graph in trees.items():
        found[f"tortuosity_{name}"] = _tortuosity([graph], scene)
    calibres = _crae_and_crve(trees, scene) if scene.centre is not None and are_all_classified else {}
    return Biomarkers(**found, **calibres, **_of_disc(eye, scene))


def are_most(classified: Mask, vessels: Mask, share: float = _MOST) -> bool:
    """Whether most of the vessels are classified; where only the wider ones are, they are not."""
    return bool((classified & vessels).sum() >= share * vessels.sum())


def scene_of(eye: Eye) -> Scene:
    """The field of view, disc and scale that all measures of an eye are taken with."""
    fov = eye.planes.get("fov")
    fov = np.ones(eye.size, np.bool_) if fov is None else fov
    disc = eye.planes.get("disc")
    if disc is not None and (not disc.any() or (disc & ~ndimage.binary_erosion(fov)).any()):
        disc = None
    scale = (
        eye.geometry.pixels_per_disc_diameter if eye.geometry else float(height_of(disc)) if disc is not None else None
    )
    centre = None if disc is None else ndimage.center_of_mass(disc)
    return Scene(fov, disc, scale, centre)


# --- Vessels ---------------------------------------------------------------------------------------------------------


def _of_vessels(vessels: Mask, graphs: list[Graph], scene: Scene) -> dict[str, float | None]:
    area, scale = float(scene.fov.sum()), scene.pixels_per_dd
    lengths = np.concatenate([segment.steps for graph in graphs for segment in graph.segments] or [np.zeros(0)])
    calibres = np.concatenate([segment.calibres for graph in graphs for segment in graph.segments] or [np.zeros(0)])
    branchings = float(sum((graph.degrees >= 3).sum() for graph in graphs))
    found: dict[str, float | None] = {
        "vessel_density": float(vessels.sum() / area) if area else None,
        "fractal_dimension": fractal_dimension(vessels) if vessels.any() else None,
        "tortuosity": _tortuosity(graphs, scene),
        "branch_points": branchings,
        "end_points": float(sum((graph.degrees == 1).sum() for graph in graphs)),
        "branching_angle_deg": _branching_angle(graphs, scene.centre),
    }
    if lengths.sum() > 0:
        mean = float(np.average(calibres, weights=lengths))
        found["calibre_mean_px"] = mean
        found["calibre_deviation_px"] = float(np.sqrt(np.average((calibres - mean) ** 2, weights=lengths)))
        for name, share in (("p10", 0.1), ("median", 0.5), ("p90", 0.9)):
            found[f"calibre_{name}_px"] = _weighted_quantile(calibres, lengths, share)
        if scale:
            found["calibre_mean_um"] = mean / scale * UM_PER_DD
    if scale and area:
        found["length_density"] = float(lengths.sum() * scale / area)
        found["branch_points_per_dd2"] = branchings * scale**2 / area
    if scene.centre is not None and scale:
        found |= _ring_densities(vessels, scene.fov, scene.centre, scale)
    return found


def fractal_dimension(mask: Mask) -> float:
    """The box-counting dimension of a mask (Masters, Annu Rev Biomed Eng 6, 2004).

    Args:
        mask: ``bool (height, width)``, not empty.

    Returns:
        Minus the slope of the logarithm of the number of boxes that hold something over the logarithm of their size:
        2, 4, 8, 16, 32 and 64 px, or as far as a quarter of the shorter side. Each number is the mean over four grids,
        shifted by half a box along rows, columns and both.

    Example:
        >>> round(fractal_dimension(np.ones((512, 512), np.bool_)), 1)
        2.0
    """
    sizes = [size for size in _BOXES_PX if size <= max(4, min(mask.shape) // 4)]
    rows, columns = np.nonzero(mask)
    counts = [
        np.mean([_boxes(rows + down, columns + right, size) for down in (0, size // 2) for right in (0, size // 2)])
        for size in sizes
    ]
    return float(-np.polyfit(np.log(sizes), np.log(counts), 1)[0])


def _boxes(rows: NDArray[np.int64], columns: NDArray[np.int64], size: int) -> int:
    is_filled = np.zeros((rows.max() // size + 1, columns.max() // size + 1), np.bool_)
    is_filled[rows // size, columns // size] = True
    return int(np.count_nonzero(is_filled))


def _tortuosity(graphs: list[Graph], scene: Scene) -> float | None:
    """Mean of arc over chord (Hart et al., Int J Med Inform 53, 1999) of all but short segments, by length."""
    field_px = 2 * math.sqrt(scene.fov.sum() / math.pi)
    shortest = _SHORTEST_DD * (scene.pixels_per_dd or DD_PER_FIELD * field_px)
    long = [one for graph in graphs for one in graph.segments if one.length > shortest and one.nodes[0] != one.nodes[1]]
    if not long:
        return None
    lengths = np.array([segment.length for segment in long])
    return float(np.average(lengths / np.array([segment.chord for segment in long]), weights=lengths))


def _branching_angle(graphs: list[Graph], centre: tuple[float, float] | None) -> float | None:
    """Mean angle between daughters; the parent is the vessel that comes from the disc, or the widest of the three."""
    angles = []
    for graph in graphs:
        meeting: dict[int, list[Segment]] = {}
        for segment in graph.segments:
            for node in segment.nodes:
                meeting.setdefault(node, []).append(segment)
        for node, segments in meeting.items():
            if len(segments) == 3 and len({id(segment) for segment in segments}) == 3:
                angles.append(_angle_between_daughters(segments, node, graph, centre))
    return float(np.mean(angles)) if angles else None


def _angle_between_daughters(
    segments: list[Segment], node: int, graph: Graph, centre: tuple[float, float] | None
) -> float:
    ends, directions = [], []
    for segment in segments:
        end, direction = graph.leaving(segment, node, 2 * graph.radii[node])
        ends.append(end)
        directions.append(direction)
    if centre is None:
        parent = int(np.argmax([segment.calibre for segment in segments]))
    else:
        parent = int(np.argmin([math.dist(end, centre) for end in ends]))
    one, other = (direction for number, direction in enumerate(directions) if number != parent)
    cosine = float(one @ other) / max(math.hypot(*one) * math.hypot(*other), 1e-9)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def _weighted_quantile(values: Numbers, weights: Numbers, share: float) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][int(np.searchsorted(below, share * below[-1]))])


def _ring_densities(vessels: Mask, fov: Mask, centre: tuple[float, float], scale: float) -> dict[str, float | None]:
    distance = distance_from(centre, fov.shape) / scale
    found: dict[str, float | None] = {}
    for number, (inner, outer) in enumerate(itertools.pairwise(_RINGS_DD), start=1):
        ring = (distance >= inner) & (distance < outer) & fov
        found[f"density_ring_{number}"] = float(vessels[ring].mean()) if ring.any() else None
    return found


def distance_from(centre: tuple[float, float], size: tuple[int, ...]) -> Numbers:
    """How far each pixel of a picture is from a place (row, column), in pixels."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance: Numbers = np.hypot(rows - centre[0], columns - centre[1])
    return distance


# --- Arteries and veins ----------------------------------------------------------------------------------------------


def _crae_and_crve(trees: dict[str, Graph], scene: Scene) -> dict[str, float | None]:
    scale, centre = scene.pixels_per_dd, scene.centre
    if scale is None or centre is None or not _zone_is_seen(scene.fov, centre, scale):
        return {}
    zone_px = _ZONE_B_DD[0] * scale, _ZONE_B_DD[1] * scale
    arterioles = knudtson(calibres_between(trees["arteries"], centre, *zone_px), ARTERIOLES) / scale * UM_PER_DD
    venules = knudtson(calibres_between(trees["veins"], centre, *zone_px), VENULES) / scale * UM_PER_DD
    ratio = arterioles / venules if arterioles and venules else None
    return {"crae_um": arterioles or None, "crve_um": venules or None, "artery_to_vein_ratio": ratio}


def _zone_is_seen(fov: Mask, centre: tuple[float, float], scale: float) -> bool:
    """Whether at least half of zone B lies in the field of view."""
    zone_area = math.pi * (_ZONE_B_DD[1] ** 2 - _ZONE_B_DD[0] ** 2) * scale**2
    distance = distance_from(centre, fov.shape) / scale
    seen = (distance >= _ZONE_B_DD[0]) & (distance < _ZONE_B_DD[1]) & fov
    return bool(seen.sum() >= zone_area / 2)


# --- Disc ------------------------------------------------------------------------------------------------------------


def _of_disc(eye: Eye, scene: Scene) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    disc, cup = scene.disc, eye.planes.get("cup")
    if disc is None or scene.centre is None:
        return found
    if cup is not None:
        found["cup_to_disc_vertical"] = height_of(cup) / height_of(disc)
        found["cup_to_disc_area"] = float(cup.sum() / disc.sum())
    middle = fovea_of(eye, scene.fov)
    if middle is not None:
        distance = math.dist(middle, scene.centre)
        found["disc_fovea_distance_dd"] = distance / (scene.pixels_per_dd or height_of(disc))
    return found


def fovea_of(eye: Eye, fov: Mask) -> tuple[float, float] | None:
    """Row and column of the middle of the fovea; None where it is unknown or not wholly in the field of view."""
    fovea = eye.planes.get("fovea")
    if fovea is not None and fovea.any():
        is_cut = (fovea & ~ndimage.binary_erosion(fov)).any()
        return None if is_cut else ndimage.center_of_mass(fovea)
    return eye.centres["fovea"][::-1] if "fovea" in eye.centres else None


def height_of(mask: Mask) -> int:
    """Rows from the first to the last with something in it."""
    rows = np.flatnonzero(mask.any(axis=1))
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0
