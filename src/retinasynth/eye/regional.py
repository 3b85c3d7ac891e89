"""Measures of vessels by region, by kind and in several units: a column for each."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth.eye.biomarkers import COLUMNS, Scene, are_most, measure_eye, scene_of
from retinasynth.eye.calibre import ARTERIOLES, VENULES, calibres_between, hubbard, knudtson
from retinasynth.eye.eye import DEGREES_PER_DD, UM_PER_DD, Eye
from retinasynth.eye.frame import DD_PER_FIELD, frame_of
from retinasynth.eye.regions import MEANINGS, ZONES_DD, Region, regions_of, side_of
from retinasynth.eye.skeleton import Graph, vessel_graph
from retinasynth.eye.tortuosity import arc_over_chord, inflection_count_metric, smooth_course, squared_curvature
from retinasynth.images import Mask
from retinasynth.settings import Laterality

KINDS = ("vessels", "arteries", "veins")
UM_PER_DEGREE = UM_PER_DD / DEGREES_PER_DD  # of visual angle, at the retina of an eye of usual length
_SHORTEST_DD = 0.3  # of the pieces whose tortuosity counts
_SMOOTHED_DD = 0.08  # shorter bends are not counted
_MOST_IN_ZONE = 0.75  # of its vessels' area, which the widest make up: less does not give an equivalent

Numbers = NDArray[np.float64]
Values = dict[str, float | None]


class Quantity(NamedTuple):
    """Something that is measured of vessels in a region.

    Attributes:
        meaning: in words, with its source.
        units: that it is given in.
        of_all: of arteries or veins it is known only where nearly all vessels of the region are one or the other.
        by_resolution: it depends on the resolution of the picture.
    """

    meaning: str
    units: tuple[str, ...]
    of_all: bool
    by_resolution: bool


class RegionalColumn(NamedTuple):
    """What is in a column of regional measures."""

    quantity: str
    kind: str
    region: str
    unit: str
    meaning: str
    by_resolution: bool


QUANTITIES: Mapping[str, Quantity] = {
    "density": Quantity("part of the region that they cover", ("share",), True, True),
    "length_density": Quantity("length by area of the region", ("1/DD",), True, True),
    "calibre": Quantity("mean weighted by length", ("px", "DD", "um"), True, True),
    "arc_chord": Quantity("arc over chord (Hart 1999), mean weighted by length", ("",), False, False),
    "inflection_count": Quantity("arc over chord times (inflections + 1) (Bullitt 2003)", ("",), False, True),
    "squared_curvature": Quantity(
        "integral of squared curvature over length (Hart 1999)", ("1/px2", "1/DD2", "1/mm2"), False, True
    ),
}
_BY_METHOD = {
    "knudtson": "of the six widest (Knudtson 2003)",
    "hubbard": "of all by the formulas of Parr (Hubbard 1999)",
}
EQUIVALENTS: Mapping[str, Quantity] = {
    f"{name}_{method}": Quantity(f"{meaning} {source}", units, True, by_resolution)
    for method, source in _BY_METHOD.items()
    for name, meaning, units, by_resolution in (
        ("crae", "central retinal arteriolar equivalent", ("px", "DD", "um"), True),
        ("crve", "central retinal venular equivalent", ("px", "DD", "um"), True),
        ("avr", "crae over crve", ("",), False),
    )
}


def heading(name: str, unit: str) -> str:
    """The heading of a column: its name, and its unit in brackets where it has one.

    Example:
        >>> heading("calibre_veins_zone_b", "DD"), heading("arc_chord_veins_nasal", "")
        ('calibre_veins_zone_b [DD]', 'arc_chord_veins_nasal')
    """
    return f"{name} [{unit}]" if unit else name


def _columns() -> Iterator[tuple[str, RegionalColumn]]:
    for (name, quantity), kind, region in itertools.product(QUANTITIES.items(), KINDS, MEANINGS):
        for unit in quantity.units:
            column = RegionalColumn(name, kind, region, unit, quantity.meaning, quantity.by_resolution)
            yield heading(f"{name}_{kind}_{region}", unit), column
    for zone, (name, quantity) in itertools.product(ZONES_DD, EQUIVALENTS.items()):
        kind = {"crae": "arteries", "crve": "veins"}.get(name.partition("_")[0], "vessels")
        for unit in quantity.units:
            column = RegionalColumn(name, kind, zone, unit, quantity.meaning, quantity.by_resolution)
            yield heading(f"{name}_{zone}", unit), column


REGIONAL: Mapping[str, RegionalColumn] = dict(_columns())
WHOLE: Mapping[str, str] = {heading(name, column.unit): name for name, column in COLUMNS.items()}
"""The names of the measures of a whole eye, by their headings."""


def um_per_px_of(field: Mask, angle_deg: float) -> float:
    """Micrometres of retina to a pixel, of a camera whose field of view has this angle across.

    Args:
        field: of view, ``bool (height, width)``.
        angle_deg: across the whole circle. `UM_PER_DEGREE` holds for an eye of usual length.

    Example:
        >>> round(um_per_px_of(np.ones((100, 100), np.bool_), 45), 1)
        130.6
    """
    rows, columns = (np.flatnonzero(field.any(axis=axis)) for axis in (1, 0))
    breadth = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    return float(angle_deg * UM_PER_DEGREE / breadth)


def graphs_of(eye: Eye) -> dict[str, Graph]:
    """The vessels of each kind that an eye tells, in its field of view; all, too, where it tells arteries and veins."""
    return {kind: vessel_graph(mask) for kind, mask in _masks(eye).items()}


def measure_all(
    eye: Eye,
    *,
    um_per_px: float | None = None,
    laterality: Laterality | None = None,
    graphs: Mapping[str, Graph] | None = None,
) -> Values:
    """All measures of an eye: those of `retinasynth.eye.biomarkers.measure_eye`, then those of `measure_regions`.

    Returns:
        By the headings of `WHOLE` and `REGIONAL`; None where it is unknown.

    Raises:
        InputError: the eye has no plane that can be measured.
    """
    graphs = graphs_of(eye) if graphs is None else graphs
    whole = asdict(measure_eye(eye, graphs=graphs))
    regional = measure_regions(eye, um_per_px=um_per_px, laterality=laterality, graphs=graphs)
    return {full: whole[name] for full, name in WHOLE.items()} | regional


def measure_regions(
    eye: Eye,
    *,
    um_per_px: float | None = None,
    laterality: Laterality | None = None,
    graphs: Mapping[str, Graph] | None = None,
) -> Values:
    """All regional measures of an eye.

    Args:
        eye: what its planes do not tell is None.
        um_per_px: micrometres to a pixel; without it nothing is given in um or mm.
        laterality: which eye; found by `retinasynth.eye.regions.side_of` where it is not given.
        graphs: what `graphs_of` gives, where that is at hand.

    Returns:
        By the headings of `REGIONAL`; None for a region that is absent or has less than half of it in view.

    Example:
        >>> mask = np.zeros((400, 400), np.bool_)
        >>> mask[198:202, 40:360] = True
        >>> found = measure_regions(Eye("line", {"vessels": mask}), um_per_px=10)
        >>> round(found["calibre_vessels_field [um]"]), round(found["arc_chord_vessels_field"], 2)
        (40, 1.0)
    """
    scene, masks = scene_of(eye), _masks(eye)
    graphs = graphs_of(eye) if graphs is None else graphs
    regions = regions_of(eye, laterality or side_of(eye).laterality)
    found: Values = dict.fromkeys(REGIONAL)
    for (name, region), kind in itertools.product(regions.items(), masks):
        if region.is_seen:
            is_all = kind == "vessels" or _are_told(masks, region.mask)
            found |= _named(_of_region(masks[kind], graphs[kind], region, scene, um_per_px, is_all), f"{kind}_{name}")
    for zone in ZONES_DD:
        if zone in regions and regions[zone].is_seen and _are_told(masks, regions[zone].mask, _MOST_IN_ZONE):
            found |= _named(_equivalents(graphs, scene, ZONES_DD[zone], um_per_px), zone)
    return found


def _masks(eye: Eye) -> dict[str, Mask]:
    """The vessels of each kind that is known, in the field of view."""
    fov = scene_of(eye).fov
    masks = {kind: eye.planes[kind] & fov for kind in KINDS if kind in eye.planes}
    if "vessels" not in masks and len(masks) == 2:
        masks["vessels"] = masks["arteries"] | masks["veins"]
    return masks


def _are_told(masks: Mapping[str, Mask], region: Mask, share: float = 0.9) -> bool:
    """Whether that share of the vessels in a region is known to be arteries or veins."""
    if len(masks) < len(KINDS):
        return False
    return are_most((masks["arteries"] | masks["veins"]) & region, masks["vessels"] & region, share)


def _named(values: Mapping[tuple[str, str], float], place: str) -> Values:
    return {heading(f"{name}_{place}", unit): value for (name, unit), value in values.items()}


def _of_region(
    mask: Mask, graph: Graph, region: Region, scene: Scene, um_per_px: float | None, is_all: bool
) -> dict[tuple[str, str], float]:
    """The quantities of one kind in one region, by name and unit."""
    scale = scene.pixels_per_dd
    found: dict[tuple[str, str], float] = {}
    if is_all and (area := float(region.mask.sum())):
        steps, calibres = _points_in(graph, region.mask)
        found["density", "share"] = float(mask[region.mask].mean())
        if scale:
            found["length_density", "1/DD"] = float(steps.sum() * scale / area)
        if steps.sum() > 0:
            found |= _lengths("calibre", float(np.average(calibres, weights=steps)), scale, um_per_px)
    of_unknown_scale = DD_PER_FIELD * frame_of(scene.fov).side if scene.fov.any() else 1.0
    return found | _tortuosities(graph, region.mask, scale, um_per_px, scale or of_unknown_scale)


def _lengths(name: str, length_px: float, scale: float | None, um_per_px: float | None) -> dict[tuple[str, str], float]:
    found = {(name, "px"): length_px}
    if scale:
        found[name, "DD"] = length_px / scale
    if um_per_px:
        found[name, "um"] = length_px * um_per_px
    return found


def _points_in(graph: Graph, region: Mask) -> tuple[Numbers, Numbers]:
    """Steps and calibres of all points of centre lines in a region."""
    none = np.zeros(0)
    inside = [_is_in(segment.path, region) for segment in graph.segments]
    steps = [segment.steps[there] for segment, there in zip(graph.segments, inside, strict=True)]
    calibres = [segment.calibres[there] for segment, there in zip(graph.segments, inside, strict=True)]
    return np.concatenate([none, *steps]), np.concatenate([none, *calibres])


def _is_in(path: Numbers, region: Mask) -> Mask:
    rows, columns = np.clip(np.round(path).astype(int), 0, np.array(region.shape) - 1).T
    return np.asarray(region[rows, columns], np.bool_)


def _tortuosities(
    graph: Graph, region: Mask, scale: float | None, um_per_px: float | None, dd_px: float
) -> dict[tuple[str, str], float]:
    """Means over the pieces of vessel in a region, weighted by length."""
    rows = []
    for path in courses_in(graph, region, _SHORTEST_DD * dd_px):
        course = smooth_course(path, _SMOOTHED_DD * dd_px)
        length = float(np.hypot(*np.diff(course, axis=0).T).sum())
        winds = inflection_count_metric(course), squared_curvature(course)
        rows.append((length, arc_over_chord(path), *winds))
    if not rows:
        return {}
    lengths, *columns = np.array(rows).T
    arc, inflection, curvature = (float(np.average(column, weights=lengths)) for column in columns)
    found = {("arc_chord", ""): arc, ("inflection_count", ""): inflection, ("squared_curvature", "1/px2"): curvature}
    if scale:
        found["squared_curvature", "1/DD2"] = curvature * scale**2
    if um_per_px:
        found["squared_curvature", "1/mm2"] = curvature * (1000 / um_per_px) ** 2
    return found


def courses_in(graph: Graph, region: Mask, shortest_px: float) -> Iterator[Numbers]:
    """The centre lines of a graph as far as they run in a region, without pieces that are short or closed."""
    for segment in graph.segments:
        inside = np.concatenate([[False], _is_in(segment.path, region), [False]])
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        for start, stop in edges.reshape(-1, 2):
            path = segment.path[start:stop]
            chord = math.dist(path[0], path[-1])
            if chord > 1 and segment.steps[start:stop].sum() > shortest_px:
                yield path


def _equivalents(
    graphs: Mapping[str, Graph], scene: Scene, zone_dd: tuple[float, float], um_per_px: float | None
) -> dict[tuple[str, str], float]:
    """CRAE, CRVE and their ratio by both methods, by name and unit."""
    found: dict[tuple[str, str], float] = {}
    scale, centre = scene.pixels_per_dd, scene.centre
    if scale is None or centre is None:
        return found
    usual_um = UM_PER_DD / scale  # to a pixel
    for name, kind, factor in (("crae", "arteries", ARTERIOLES), ("crve", "veins", VENULES)):
        calibres = calibres_between(graphs[kind], centre, zone_dd[0] * scale, zone_dd[1] * scale)
        if not len(calibres):
            continue
        found |= _lengths(f"{name}_knudtson", knudtson(calibres, factor), scale, um_per_px)
        by_hubbard = hubbard(calibres * usual_um, are_veins=kind == "veins") / usual_um
        found |= _lengths(f"{name}_hubbard", by_hubbard, scale, None)
        if um_per_px:
            found[f"{name}_hubbard", "um"] = hubbard(calibres * um_per_px, are_veins=kind == "veins")
    for method in _BY_METHOD:
        if (crae := found.get((f"crae_{method}", "DD"))) and (crve := found.get((f"crve_{method}", "DD"))):
            found[f"avr_{method}", ""] = crae / crve
    return found
