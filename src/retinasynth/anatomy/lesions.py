"""Lesions of diabetic retinopathy as label planes, where and as large as they are in life.

What the four kinds look like and where they lie is common knowledge of the field: Early Treatment Diabetic Retinopathy
Study, report 10, Ophthalmology 98(5), 1991; Kanski, Clinical Ophthalmology; the same four planes are marked in IDRiD
(Porwal et al., Data 3(3), 2018). The figures of place below are round numbers of ours in their sense; sizes, most of
them small and a few large, are near those that are annotated in IDRiD. No statistics of patients are claimed.

Lengths are in disc diameters (DD) unless they are named otherwise; 1 DD is 1800 micrometres.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.anatomy.landmarks import RAPHE_DD, USUAL_FOVEA
from retinasynth.errors import InputError
from retinasynth.eye.eye import LESIONS, UM_PER_DD, Eye
from retinasynth.images import Mask

MICROANEURYSM_UM = (25.0, 125.0)
BLOT_UM = (80.0, 1000.0)
FLAME_UM = (300.0, 900.0)  # length
HARD_EXUDATE_UM = (30.0, 700.0)
SOFT_EXUDATE_UM = (250.0, 900.0)
SEVERE = 100  # hard exudates from which the foveal centre is not spared

_TRIALS = 300  # places that are tried for one lesion
_SPARED = 0.28  # radius around the foveal centre, 500 micrometres
_LARGE_VESSEL = 0.05  # calibre
_DISC_GAP = 0.05
_QUADRANTS_GAP = 0.05  # half the width of the strips between the quadrants, where a lesion counts for none
_TOUCHING = np.ones((3, 3))  # pixels of one lesion


class _Lesion(NamedTuple):
    """A ragged ellipse: its place from the disc (`y` down, `x` toward the fovea), diameters, turn of the long one."""

    y: float
    x: float
    length: float
    breadth: float
    angle: float
    raggedness: float


class _Retina(NamedTuple):
    """The eye in the coordinates of `_Lesion`, with the pixels that are taken."""

    disc: tuple[float, float]  # row and column, in pixels
    fovea: tuple[float, float]  # y and x from the disc
    temporal: int
    pixels_per_dd: float
    taken: Mask
    large_vessels: Mask
    from_vessel: NDArray[np.float64]  # distance, in DD


def draw_lesions(
    random: np.random.Generator,
    eye: Eye,
    *,
    microaneurysms: int,
    haemorrhages: int,
    hard_exudates: int,
    soft_exudates: int,
    in_each_quadrant: int = 0,
) -> dict[str, Mask]:
    """Planes of lesions for an eye.

    Microaneurysms are round dots of 25 to 125 micrometres in the posterior pole, most of them temporal of the macula
    and beside small vessels. Haemorrhages are blots of 80 to 1000 micrometres, most of about 190, or, near disc and
    arcades, flames along the nerve fibres. Hard exudates are deposits of 30 to 700 micrometres, most of about 70,
    gathered in clusters and rings in the macular region; the foveal centre is spared unless there are many. Soft
    exudates are ovals of 250 to 900 micrometres across the fibres, near the arcades within 3 DD of the disc. None
    touches the disc, a lesion of another kind, or the rim of the field of view. Each covers a pixel at least, so that
    small ones are too large at low resolution.

    Args:
        random: decides everything.
        eye: planes disc and fov, and geometry; vessels and fovea are used where known.
        microaneurysms: how many; a lesion for which no free place is found is left out.
        haemorrhages: how many.
        hard_exudates: how many deposits.
        soft_exudates: how many.
        in_each_quadrant: how many of all haemorrhages lie, where there is room, in each of the four quadrants that
            meet in the disc; no more than a quarter of them.

    Returns:
        Planes microaneurysms, haemorrhages, hard_exudates and soft_exudates, ``bool (height, width)``; empty for 0.

    Raises:
        InputError: a negative count; no disc, field of view or geometry.

    Example:
        >>> from retinasynth.eye.eye import Geometry
        >>> rows, columns = np.mgrid[:256, :256]
        >>> planes = {"fov": np.hypot(rows - 128, columns - 128) < 125, "disc": np.hypot(rows - 128, columns - 60) < 16}
        >>> eye = Eye("left", planes, geometry=Geometry(32, "left", "macula", 45))
        >>> lesions = draw_lesions(
        ...     np.random.default_rng(1), eye, microaneurysms=5, haemorrhages=0, hard_exudates=0, soft_exudates=0
        ... )
        >>> ndimage.label(lesions["microaneurysms"])[1], int(lesions["haemorrhages"].sum())
        (5, 0)
    """
    counts = {
        "microaneurysms": microaneurysms,
        "haemorrhages": haemorrhages,
        "hard_exudates": hard_exudates,
        "soft_exudates": soft_exudates,
    }
    for name, count in counts.items():
        if count < 0:
            raise InputError(f"{name} = {count}", expected="0 or more")
    none = {name: np.zeros(eye.size, np.bool_) for name in LESIONS}
    return _with_more(random, eye, counts, in_each_quadrant, none)


def _with_more(
    random: np.random.Generator, eye: Eye, counts: Mapping[str, int], in_each_quadrant: int, there: dict[str, Mask]
) -> dict[str, Mask]:
    """The planes of the lesions that are there, with so many more of each kind."""
    if not any(counts.values()):
        return there
    planes = {name: plane.copy() for name, plane in there.items()}
    retina = _retina_of(eye)
    retina.taken[ndimage.binary_dilation(np.logical_or.reduce(list(there.values())), _TOUCHING)] = True
    quadrants = _lacking(in_quadrants(replace(eye, planes={**eye.planes, **there}), "haemorrhages"), in_each_quadrant)
    for name, places in _PLACES.items():
        plane, count = planes[name], counts[name]
        proposed = places(random, retina, count)
        for number in range(count):
            fits = quadrants[number] if name == "haemorrhages" and number < len(quadrants) else None
            for lesion in _trials(proposed, fits):
                rows, columns = _pixels(random, retina, lesion)
                if _is_free(retina, rows, columns):
                    plane[rows, columns] = True
                    near = np.add.outer(np.arange(-1, 2), rows), np.add.outer(np.arange(-1, 2), columns)
                    retina.taken[near[0][:, None], near[1][None, :]] = True
                    break
    return planes


def changed_lesions(
    random: np.random.Generator, eye: Eye, changes: Mapping[str, int], in_each_quadrant: int = 0
) -> dict[str, Mask]:
    """Planes of lesions of an eye that has more or fewer of them than before; the others stay where they are.

    Args:
        random: decides which go, and where new ones lie.
        eye: with all planes of lesions, and what `draw_lesions` needs.
        changes: how many more there are of each kind; below 0, how many fewer.
        in_each_quadrant: as in `draw_lesions`; where it takes more haemorrhages than `changes` says, there are more.

    Raises:
        InputError: no disc, field of view or geometry.
    """
    kept = {}
    for name in LESIONS:
        pieces, count = ndimage.label(eye.planes[name], _TOUCHING)
        gone = random.permutation(count)[: max(-changes.get(name, 0), 0)] + 1
        kept[name] = eye.planes[name] & ~np.isin(pieces, gone)
    more = {name: max(changes.get(name, 0), 0) for name in LESIONS}
    there = in_quadrants(replace(eye, planes={**eye.planes, **kept}), "haemorrhages")
    more["haemorrhages"] = max(more["haemorrhages"], len(_lacking(there, in_each_quadrant)))
    return _with_more(random, eye, more, in_each_quadrant, kept)


def in_quadrants(eye: Eye, plane: str) -> NDArray[np.int64]:
    """How many lesions of a kind lie in each of the four quadrants that meet in the centre of the disc.

    Args:
        eye: the plane, disc (or fovea, where it is out of sight), fov and geometry.
        plane: the kind; lesions that touch count as one.

    Returns:
        ``int (4,)``: superior nasal, superior temporal, inferior nasal, inferior temporal.

    Raises:
        InputError: no disc, field of view or geometry.
    """
    place = _place_of(eye)
    pieces, count = ndimage.label(eye.planes[plane], _TOUCHING)
    centres = ndimage.center_of_mass(eye.planes[plane], pieces, range(1, count + 1))
    found = [_quadrant(row - place.disc[0], (column - place.disc[1]) * place.temporal) for row, column in centres]
    return np.bincount(np.array(found, np.int64), minlength=4)


def _quadrant(y: float, x: float) -> int:
    return 2 * int(y >= 0) + int(x >= 0)


def _lacking(there: NDArray[np.int64], wanted: int) -> list[int]:
    """The quadrants of the lesions that are to be added for each to have as many as wanted, in turn."""
    return [quadrant for number in range(wanted) for quadrant in range(4) if there[quadrant] <= number]


def _trials(proposed: Iterator[_Lesion], quadrant: int | None) -> Iterator[_Lesion]:
    """The next proposals; in a quadrant, as many as lie in it among ten times as many."""
    if quadrant is None:
        return islice(proposed, _TRIALS)
    inside = (
        lesion
        for lesion in islice(proposed, 10 * _TRIALS)
        if min(abs(lesion.y), abs(lesion.x)) > _QUADRANTS_GAP and _quadrant(lesion.y, lesion.x) == quadrant
    )
    return islice(inside, _TRIALS)


class _Place(NamedTuple):
    """Where an eye lies in its picture; see `_Retina`."""

    disc: tuple[float, float]
    fovea: tuple[float, float]
    temporal: int
    pixels_per_dd: float


def _place_of(eye: Eye) -> _Place:
    disc, fov, geometry = eye.planes.get("disc"), eye.planes.get("fov"), eye.geometry
    fovea_plane = eye.planes.get("fovea")
    is_placed = disc is not None and (disc.any() or (fovea_plane is not None and fovea_plane.any()))
    lacking = [*([] if is_placed else ["disc"]), *([] if fov is not None and fov.any() else ["fov"])]
    if lacking or geometry is None or disc is None or fov is None:
        raise InputError(
            f"Eye {eye.name} lacks {', '.join([*lacking, *(['geometry'] if geometry is None else [])])}",
            expected="planes disc (or, where it is out of sight, fovea) and fov that are not empty, and geometry",
            do="Without them nobody can tell where a lesion may lie, nor its size in pixels",
        )
    scale, temporal = geometry.pixels_per_disc_diameter, 1 if geometry.laterality == "left" else -1
    fovea = USUAL_FOVEA[::-1]
    at_fovea = ndimage.center_of_mass(fovea_plane) if fovea_plane is not None and fovea_plane.any() else None
    if disc.any():
        centre = ndimage.center_of_mass(disc)
        if at_fovea is not None:
            fovea = ((at_fovea[0] - centre[0]) / scale, (at_fovea[1] - centre[1]) * temporal / scale)
    elif at_fovea is not None:
        centre = (at_fovea[0] - fovea[0] * scale, at_fovea[1] - fovea[1] * scale * temporal)
    return _Place((float(centre[0]), float(centre[1])), fovea, temporal, scale)


def _retina_of(eye: Eye) -> _Retina:
    place = _place_of(eye)
    disc, fov, scale = eye.planes["disc"], eye.planes["fov"], place.pixels_per_dd
    taken = ndimage.distance_transform_edt(~disc) <= max(1.5, _DISC_GAP * scale)
    taken |= ~ndimage.binary_erosion(fov)
    known = [eye.planes[name] for name in ("vessels", "arteries", "veins") if name in eye.planes]
    vessels = np.logical_or.reduce(known) if known else np.zeros(eye.size, np.bool_)
    core = ndimage.distance_transform_edt(vessels) > max(1.0, _LARGE_VESSEL / 2 * scale)
    large = vessels & (ndimage.distance_transform_edt(~core) <= _LARGE_VESSEL * scale) if core.any() else core
    away = ndimage.distance_transform_edt(~vessels) / scale if vessels.any() else np.zeros(eye.size)
    return _Retina(*place, taken, large, away)


def _pixels(random: np.random.Generator, retina: _Retina, lesion: _Lesion) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a ragged ellipse; of one pixel at least."""
    scale = retina.pixels_per_dd
    row, column = retina.disc[0] + lesion.y * scale, retina.disc[1] + lesion.x * retina.temporal * scale
    reach = math.ceil(0.8 * lesion.length * scale) + 1
    rows = np.arange(round(row) - reach, round(row) + reach + 1)
    columns = np.arange(round(column) - reach, round(column) + reach + 1)
    y, x = (rows[:, None] - row) / scale, (columns[None, :] - column) * retina.temporal / scale
    along = y * math.sin(lesion.angle) + x * math.cos(lesion.angle)
    across = y * math.cos(lesion.angle) - x * math.sin(lesion.angle)
    along, across = along / (lesion.length / 2), across / (lesion.breadth / 2)
    turn = np.arctan2(across, along)
    waves = ((random.normal() / order, order, random.uniform(0, 2 * math.pi)) for order in (2, 3, 5, 7))
    border = 1 + lesion.raggedness * sum(height * np.cos(order * turn + phase) for height, order, phase in waves)
    inside = np.hypot(along, across) <= np.clip(border, 0.6, 1.4)
    inside[reach, reach] = True
    found = np.nonzero(inside)
    return rows[found[0]], columns[found[1]]


def _is_free(retina: _Retina, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> bool:
    height, width = retina.taken.shape
    if rows.min() < 1 or columns.min() < 1 or rows.max() > height - 2 or columns.max() > width - 2:
        return False
    return not retina.taken[rows, columns].any()


# --- Places ------------------------------------------------------------------------------------------------------
# Each yields proposals without end, in coordinates from the disc, mirrored so that the fovea lies at positive x.


def _microaneurysms(random: np.random.Generator, retina: _Retina, _count: int) -> Iterator[_Lesion]:
    while True:
        if random.random() < 0.65:
            y, x = retina.fovea[0] + random.normal(0, 1.0), retina.fovea[1] + random.normal(0.9, 1.1)
        else:
            y, x = _around(random, (0.0, 1.25), 0.0, 3.2)
        if _at(retina, retina.large_vessels, y, x):
            continue
        if _at(retina, retina.from_vessel, y, x) > 0.12 and random.random() < 0.6:
            continue
        size = _size(random, 70, MICROANEURYSM_UM)
        yield _Lesion(y, x, size, size, 0.0, 0.0)


def _haemorrhages(random: np.random.Generator, retina: _Retina, _count: int) -> Iterator[_Lesion]:
    while True:
        if random.random() < 0.3:
            y, x = _by_the_arcades(random, 0.65, 2.6)
            length = _size(random, 500, FLAME_UM)
            yield _Lesion(y, x, length, length * random.uniform(0.18, 0.3), _fibre_angle(y, x), 0.25)
        else:
            y, x = _around(random, retina.fovea, 0.4, 3.6)
            size = _size(random, 190, BLOT_UM, varies=0.65)
            yield _Lesion(y, x, size, size * random.uniform(0.7, 1), random.uniform(0, math.pi), 0.22)


def _hard_exudates(random: np.random.Generator, retina: _Retina, count: int) -> Iterator[_Lesion]:
    clusters = []
    for _ in range(1 + count // 20):
        centre = _around(random, retina.fovea, 0.5, 1.5)
        ring = random.uniform(0.25, 0.6) if random.random() < 0.4 else 0.0
        clusters.append((centre, ring, random.uniform(0, 2 * math.pi), random.uniform(0.1, 0.28)))
    widening = 1.0
    while True:
        (cy, cx), ring, start, spread = clusters[random.integers(len(clusters))]
        widening = min(1.002 * widening, 3.0)  # a crowded cluster grows outward
        turn = start + random.uniform(0, 1.5 * math.pi)
        spread *= (0.25 if ring else 1) * widening
        y = cy + ring * math.sin(turn) + random.normal(0, spread)
        x = cx + ring * math.cos(turn) + random.normal(0, spread)
        distance = math.hypot(y - retina.fovea[0], x - retina.fovea[1])
        if distance > 2.2 or (distance < _SPARED and count < SEVERE):
            continue
        size = _size(random, 70, HARD_EXUDATE_UM, varies=0.75)
        yield _Lesion(y, x, size, size * random.uniform(0.7, 1), random.uniform(0, math.pi), 0.3)


def _soft_exudates(random: np.random.Generator, retina: _Retina, _count: int) -> Iterator[_Lesion]:
    while True:
        y, x = _by_the_arcades(random, 0.9, 2.85)
        if math.hypot(y - retina.fovea[0], x - retina.fovea[1]) < 1.0:
            continue
        length = _size(random, 520, SOFT_EXUDATE_UM)
        across = _fibre_angle(y, x) + math.pi / 2
        yield _Lesion(y, x, length, length * random.uniform(0.55, 0.8), across, 0.18)


_PLACES: Mapping[str, Callable[[np.random.Generator, _Retina, int], Iterator[_Lesion]]] = {
    "soft_exudates": _soft_exudates,  # the largest first, while there is room
    "haemorrhages": _haemorrhages,
    "hard_exudates": _hard_exudates,
    "microaneurysms": _microaneurysms,
}


def _around(
    random: np.random.Generator, centre: tuple[float, float], nearest: float, farthest: float
) -> tuple[float, float]:
    """A place in a ring, evenly over its area."""
    distance = math.sqrt(random.uniform(nearest**2, farthest**2))
    turn = random.uniform(0, 2 * math.pi)
    return centre[0] + distance * math.sin(turn), centre[1] + distance * math.cos(turn)


def _by_the_arcades(random: np.random.Generator, nearest: float, farthest: float) -> tuple[float, float]:
    """A place above or below the disc, where the large vessels and most nerve fibres run, mostly temporally."""
    distance, turn = random.uniform(nearest, farthest), random.uniform(0.25, 0.7) * math.pi
    return distance * math.sin(turn) * random.choice([-1, 1]), distance * math.cos(turn)


def _fibre_angle(y: float, x: float) -> float:
    """Where the nerve fibres run: along the field of a source in the disc with sinks on the raphe."""
    down, right = y / (y * y + x * x), x / (y * y + x * x)
    for sink in RAPHE_DD:
        square = y * y + (x - sink) ** 2
        down, right = down - 0.2 * y / square, right - 0.2 * (x - sink) / square
    return math.atan2(down, right)


def _size(
    random: np.random.Generator, median_um: float, limits_um: tuple[float, float], *, varies: float = 0.4
) -> float:
    """A diameter in DD, log-normal between limits; `varies` is the standard deviation of the logarithm."""
    return float(np.clip(median_um * math.exp(random.normal(0, varies)), *limits_um)) / UM_PER_DD


def _at(retina: _Retina, values: NDArray[np.bool_] | NDArray[np.float64], y: float, x: float) -> float:
    """The value at a place; of the nearest pixel outside the picture."""
    row = round(retina.disc[0] + y * retina.pixels_per_dd)
    column = round(retina.disc[1] + x * retina.temporal * retina.pixels_per_dd)
    height, width = values.shape
    return float(values[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])
