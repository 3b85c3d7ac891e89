"""Signs of vascular disease: biomarkers of vessels, arteries by width, and where a sign is seen best."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.eye import UM_PER_DD
from retinasynth.eye.label_map import overlay
from retinasynth.eye.skeleton import Graph, vessel_graph
from retinasynth.images import Mask, Photograph
from retinasynth.studies.series import close_up, middle, scale_of

MEASURED_AS = {
    "narrowing": "artery-to-vein ratio",
    "tortuosity": "arc over chord",
    "beading": "swing of the calibre of veins",
    "tufts": "vessels' share of the field",
}
WIDTHS_UM = (0.0, 50.0, 75.0, 100.0, math.inf)
WIDTH_NAMES = ("under 50", "50 to 75", "75 to 100", "over 100")  # micrometres
NEAR_DD = 0.06  # what is found so far from a vessel of the labels belongs to it
BEADED_DD = 0.035  # calibre from which veins are looked at for beads
BEADED_LENGTH_DD = 0.5
SLOW_DD = 0.25  # slower changes of calibre are no beads, which follow one another at 0.2 to 0.3 DD

_SMOOTH_PX = 2.0
_REACH_DD = {"narrowing": 1.7, "tortuosity": 2.4, "beading": 0.8, "tufts": 2.4}  # to each side, in the pictures

Numbers = NDArray[np.float64]


def of_kind(found: Mask, eye: Eye) -> Eye:
    """An eye's label map with found vessels instead of its own, divided into arteries and veins by the labels nearby.

    Args:
        found: ``bool (height, width)``.
        eye: planes arteries, veins, disc and fov, and geometry.
    """
    near = NEAR_DD * scale_of(eye)
    away = {kind: ndimage.distance_transform_edt(~eye.planes[kind]) for kind in ("arteries", "veins")}
    nearest = np.minimum(away["arteries"], away["veins"])
    kinds = {kind: found & (one <= nearest) & (one <= near) for kind, one in away.items()}
    rest = {plane: eye.planes[plane] for plane in ("disc", "fov")}
    return Eye(eye.name, {"vessels": found, **kinds, **rest}, geometry=eye.geometry)


def calibre_swing(veins: Mask, pixels_per_dd: float) -> float | None:
    """By which share the calibre of veins swells and ebbs along their course; see the report's conventions.

    Args:
        veins: ``bool (height, width)``.
        pixels_per_dd: scale.

    Returns:
        0 for veins of even calibre, the amplitude for sine waves of 0.2 to 0.3 disc diameters (a little less: both the
        waves and the noise of pixels are smoothed); None where no vein is wide and long enough.
    """
    from_edge = ndimage.distance_transform_edt(veins)
    swings, lengths = [], []
    for one in vessel_graph(veins).segments:
        if one.length < BEADED_LENGTH_DD * pixels_per_dd or one.calibre < BEADED_DD * pixels_per_dd:
            continue
        calibres = ndimage.gaussian_filter1d(2 * ndimage.map_coordinates(from_edge, one.path.T, order=1), _SMOOTH_PX)
        swing = (calibres - ndimage.gaussian_filter1d(calibres, SLOW_DD * pixels_per_dd))[one.clear]
        if len(swing) > SLOW_DD * pixels_per_dd:
            swings.append(math.sqrt(2) * float(swing.std()) / float(calibres[one.clear].mean()))
            lengths.append(one.length)
    return float(np.average(swings, weights=lengths)) if swings else None


def measured_in(sign: str, eye: Eye) -> float | None:
    """The biomarker that a sign moves, `MEASURED_AS` in words; None where it cannot be measured."""
    if sign == "beading":
        return calibre_swing(eye.planes["veins"] & eye.planes["fov"], scale_of(eye))
    measured = measure_eye(eye)
    values = {
        "narrowing": measured.artery_to_vein_ratio,
        "tortuosity": measured.tortuosity,
        "tufts": measured.vessel_density,
    }
    return values[sign]


def by_width(base: Eye, graph: Graph, share: float, found: Mapping[str, Eye]) -> Iterator[dict[str, Any]]:
    """Of arteries of each width the share that is found, and their calibre in the labels and as it is found.

    Args:
        base: the labels before narrowing.
        graph: of their arteries.
        share: of their calibre that they keep.
        found: what was found in the photographs, by source.
    """
    scale = scale_of(base)
    paths = np.concatenate([one.path for one in graph.segments])
    calibres = np.concatenate([one.calibres for one in graph.segments]) / scale * UM_PER_DD
    rows, columns = np.clip(np.rint(paths).astype(int), 0, np.array(base.size) - 1).T
    outside = ~base.planes["disc"][rows, columns]
    seen = {
        source: _nearest(paths, vessel_graph(eye.planes["arteries"]), NEAR_DD * scale) for source, eye in found.items()
    }
    beside = {source: ndimage.binary_dilation(eye.planes["arteries"]) for source, eye in found.items()}
    for number, name in enumerate(WIDTH_NAMES):
        those = outside & (calibres >= WIDTHS_UM[number]) & (calibres < WIDTHS_UM[number + 1])
        if not those.any():
            continue
        row: dict[str, Any] = {
            "share": share,
            "width": name,
            "points": int(those.sum()),
            "calibre_um": round(share * float(calibres[those].mean()), 2),
        }
        for source in found:
            hit = those & beside[source][rows, columns]
            known = seen[source][hit & np.isfinite(seen[source])] / scale * UM_PER_DD
            row[f"found_{source}"] = round(float(hit.sum() / those.sum()), 4)
            row[f"calibre_um_{source}"] = round(float(known.mean()), 2) if len(known) else None
        yield row


def _nearest(paths: Numbers, graph: Graph, reach: float) -> Numbers:
    """The calibre of the nearest vessel of a graph, in pixels; not a number where none is within reach."""
    if not graph.segments:
        return np.full(len(paths), np.nan)
    away, which = KDTree(np.concatenate([one.path for one in graph.segments])).query(paths)
    calibres = np.concatenate([one.calibres for one in graph.segments])
    return np.where(away <= reach, calibres[which], np.nan)


# --- Pictures ------------------------------------------------------------------------------------------------------


def centre_of(sign: str, eye: Eye) -> tuple[float, float]:
    """Row and column of the place where a sign is seen best in an eye that does not have it yet."""
    return _widest_vein(eye) if sign == "beading" else middle(eye.planes["disc"])


def close_ups(
    sign: str, centre: tuple[float, float], photograph: Photograph, labels: Eye, found: Eye, shown_px: int
) -> list[Photograph]:
    """A place close up, as `SHOWN` has it: a photograph, the vessels asked for and those found."""
    pictures = (photograph, _overlaid(labels), _overlaid(found))
    return [close_up(picture, centre, _REACH_DD[sign] * scale_of(labels), shown_px) for picture in pictures]


def _overlaid(eye: Eye) -> Photograph:
    """Vessels and disc of an eye over a dark ground."""
    return overlay(Eye(eye.name, {k: eye.planes[k] for k in ("vessels", "arteries", "veins", "disc", "fov")}))


def _widest_vein(eye: Eye) -> tuple[float, float]:
    """Row and column of the middle of the widest long vein outside the disc."""
    row, column = middle(eye.planes["disc"])
    scale = scale_of(eye)
    paths = [
        (one.calibre, one.path[len(one.path) // 2])
        for one in vessel_graph(eye.planes["veins"] & eye.planes["fov"]).segments
        if one.length > BEADED_LENGTH_DD * scale and math.dist(one.path[len(one.path) // 2], (row, column)) > scale
    ]
    if not paths:
        return row, column
    place = max(paths, key=lambda path: path[0])[1]
    return float(place[0]), float(place[1])
