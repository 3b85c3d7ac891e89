"""Can grown vessels be told from real ones by where they run? A two-sample test on masks.

    python docs/check_anatomy.py --drawn chasedb1=CHASE_DB1 --drawn les_av=LES_AV/test --grown 150

Each mask is seen in the frame of its retina: disc at one place, left and right eyes mirrored to one side, one scale of
disc diameters, one round window. A real mask and the grown one beside it are cut to the field of view that both have,
and the grown one is drawn as a person would (`as_people_draw`), with the thinnest pen of that real one. It is read in
three ways: the features of a network trained on everyday photographs of the mask as it is; the same of centre lines of
one calibre and one density, blurred; and the measures of check_growth. A classifier learns grown masks and all real
sets but one, and is asked about that one and about grown masks that it never saw.
"""

import argparse
import csv
import functools
import importlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from check_growth import MEASURES
from retinasynth import images
from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.data.annotators import second_annotation
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.evaluation.metrics import two_sample
from retinasynth.evaluation.metrics.features import ImageNetFeatures
from retinasynth.evaluation.metrics.subject_bootstrap import percentile_interval
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.biomarkers import height_of, measure_eye
from retinasynth.eye.frame import Frame, into_frame
from retinasynth.eye.skeleton import Graph, Segment, vessel_graph
from retinasynth.images import Mask
from retinasynth.settings import Centre

Rows = NDArray[np.float64]


class View(NamedTuple):
    """How grown eyes are made that are compared with a set."""

    people: str
    centred_on: Centre
    angle_deg: float


class Window(NamedTuple):
    """The round part of the retina that is compared, in disc diameters; x leads from the disc to the fovea."""

    x: float
    y: float
    radius: float


VIEWS = {
    "chasedb1": View("child", "disc", 30),
    "chasedb1_second": View("child", "disc", 30),  # the second annotator
    "les_av": View("adult", "disc", 30),
}
WINDOWS = {"disc": Window(0, 0, 2.1), "macula": Window(1.9, 0, 3.0)}
READINGS = ("as drawn", "courses alone", "nine measures")

_CANVAS_PX = 640
_GROWN_PX = 768
_COVERED = 90  # of 255: pixels of the canvas that are vessel; lines one pixel wide in the original stay whole
_LENGTH_PER_DD2 = 2.2  # of the courses that are kept, widest first
_COURSE_DD = 0.04  # the one calibre that they are drawn with
_BLUR = 6 / 512  # of the window
_BRIGHTER = 2.5  # so that what was blurred is seen
_LIMIT_DD = (0.008, 0.3)  # the calibre of which half is seen: median of people and spread of its logarithm
_STEEPNESS = 4.0
_STOPS_SHORT_DD = 0.05  # how long before its end a vessel of that calibre is left
_EDGE = (0.04, 0.05)  # how unsteady the width is, and over which length (DD)
_WOBBLE_DD = (0.003, 0.08)  # how unsteady the course is, and over which length
_COMPONENTS = 50
_RESAMPLES = 2000


# --- Masks in the frame of the retina ---------------------------------------------------------------------------------


class Framed(NamedTuple):
    """A mask in the frame of its retina.

    Attributes:
        person: whose it is.
        vessels: how much of each pixel they cover, ``uint8 (640, 640)``.
        field: what the camera saw of the window, ``bool (640, 640)``.
        pen_dd: the least calibre, a twentieth of all length is thinner.
    """

    person: str
    vessels: NDArray[np.uint8]
    field: Mask
    pen_dd: float = 0.0


def round_window() -> Mask:
    """The window on the canvas."""
    rows, columns = np.ogrid[:_CANVAS_PX, :_CANVAS_PX]
    return np.hypot(rows + 0.5 - _CANVAS_PX / 2, columns + 0.5 - _CANVAS_PX / 2) < _CANVAS_PX / 2


def px_per_dd(window: Window) -> float:
    """Scale of the canvas."""
    return _CANVAS_PX / (2 * window.radius)


def framed(eye: Eye, person: str, scale: float) -> Framed:
    """An eye with vessels, fov, disc and geometry in the window of its kind of view; `scale` is pixels to the DD."""
    if eye.geometry is None:
        raise ValueError(f"{eye.name} has no geometry")
    window = WINDOWS[eye.geometry.centred_on]
    row, column = ndimage.center_of_mass(eye.planes["disc"])
    side = 1 if eye.geometry.laterality == "left" else -1  # the fovea lies to the right of the disc in left eyes
    place = Frame(row + window.y * scale, column + side * window.x * scale, 2 * window.radius * scale)
    vessels, field = (
        into_frame((eye.planes[name] * 255).astype(np.uint8), place, _CANVAS_PX)[:, ::side]
        for name in ("vessels", "fov")
    )
    seen = (field > 127) & round_window()
    calibres = list(vessel_graph((vessels > _COVERED) & seen).segments)
    drawn = np.concatenate([one.calibres for one in calibres])
    return Framed(person, vessels, seen, float(np.percentile(drawn, 5)) / px_per_dd(window))


def drawn_eyes(name: str, folder: Path) -> list[Framed]:
    """The masks of a set that people drew, with discs from ``NAME_discs.csv``; all at the scale of the median disc."""
    camera = name.removesuffix("_second")
    with Path(__file__).with_name(f"{camera}_discs.csv").open(encoding="utf-8") as file:
        discs = {row["image"]: row for row in csv.DictReader(file)}
    scale = float(np.median([float(row["vertical_diameter_px"]) for row in discs.values()]))
    found = []
    for files in find_eyes(folder).eyes:
        eye, disc = read_eye(files), discs[files.name]
        rows, columns = np.ogrid[: eye.size[0], : eye.size[1]]
        centre = float(disc["row_px"]), float(disc["column_px"])
        planes = {plane: eye.planes[plane] for plane in ("vessels", "fov")}
        planes["disc"] = np.hypot(rows + 0.5 - centre[0], columns + 0.5 - centre[1]) < scale / 2
        other = second_annotation(files) if name != camera else None
        if other:
            planes["vessels"] = images.read_mask(other)
        side = disc.get("eye") or ("left" if files.name.endswith("L") else "right")
        person = f"{camera}/{files.name.rstrip('LR')}"
        view = VIEWS[name]
        geometry = Geometry(scale, "left" if side == "left" else "right", view.centred_on, view.angle_deg)
        found.append(framed(Eye(files.name, planes, geometry=geometry), person, scale))
    return found


# --- Grown masks ------------------------------------------------------------------------------------------------------

Grow = Callable[..., Eye]


@functools.lru_cache
def growth(named: str) -> Grow:
    """The function ``MODULE:FUNCTION``, which takes (seed, size_px, people=, centred_on=, angle_deg=)."""
    module, _, function = named.partition(":")
    found: Grow = getattr(importlib.import_module(module), function)
    return found


def grown_eye(named: str, seed: int, view: View, size_px: int = _GROWN_PX) -> Eye:
    """A grown eye as the camera of a set would show it."""
    return growth(named)(seed, size_px, **view._asdict())


def grown_scale(named: str, view: View) -> float:
    """Pixels to the disc diameter of grown eyes: the median height of discs, as of real sets."""
    small = _GROWN_PX // 3
    heights = [height_of(grown_eye(named, seed, view, small).planes["disc"]) for seed in range(15)]
    return float(np.median(heights)) * _GROWN_PX / small


def as_people_draw(eye: Eye, scale: float, pen_dd: float, random: np.random.Generator) -> Eye:
    """The eye with its vessels as a person would have drawn them.

    People stop where contrast ends, which falls with the calibre: a twig may be missing, the more likely the thinner it
    is beside the limit of this person's sight, and the others are left before their ends. Nothing is drawn thinner than
    the pen; its width and its course are a little unsteady.

    Args:
        eye: with exact vessels.
        scale: pixels to the DD.
        pen_dd: least calibre.
        random: decides.
    """
    graph = vessel_graph(eye.planes["vessels"] & eye.planes["fov"])
    inside = ndimage.distance_transform_edt(np.pad(eye.planes["fov"], 1))[1:-1, 1:-1]
    limit = _LIMIT_DD[0] * float(np.exp(_LIMIT_DD[1] * random.normal())) * scale
    starts, ends, radii = [], [], []
    for segment in graph.segments:
        kept = _drawn_stretch(segment, graph, inside, limit, scale, random)
        if kept.stop - kept.start > 1:
            width = 1 + _unsteady(random, segment, _EDGE[0], _EDGE[1] * scale)
            calibres = np.maximum(segment.calibres * width, pen_dd * scale)[kept]
            aside = [_unsteady(random, segment, _WOBBLE_DD[0] * scale, _WOBBLE_DD[1] * scale) for _ in range(2)]
            path = (segment.path + np.stack(aside, axis=1))[kept, ::-1] + 0.5
            starts.append(path[:-1])
            ends.append(path[1:])
            radii.append((calibres[:-1] + calibres[1:]) / 4)
    drawn = draw_vessels(np.concatenate(starts), np.concatenate(ends), np.concatenate(radii), eye.size[0])
    return Eye(eye.name, {**eye.planes, "vessels": drawn & eye.planes["fov"]}, geometry=eye.geometry)


def _drawn_stretch(
    segment: Segment, graph: Graph, inside: NDArray[np.float64], limit: float, scale: float, random: np.random.Generator
) -> slice:
    """Which points of a segment are drawn: all of those that lead somewhere, the beginning of most that end."""
    points, chance, stops = len(segment.path), random.random(), random.exponential(_STOPS_SHORT_DD * scale)
    corners = np.clip(graph.nodes[list(segment.nodes)].astype(int), 0, np.array(inside.shape) - 1)
    free = (graph.degrees[list(segment.nodes)] == 1) & (inside[corners[:, 0], corners[:, 1]] > 0.05 * scale)
    if not free.any():
        return slice(0, points)
    if chance < 1 / (1 + (segment.calibre / limit) ** _STEEPNESS):
        return slice(0, 0)
    lost = int(min(stops * limit / segment.calibre / max(segment.length, 1.0), 1.0) * points)
    return slice(lost, points) if free[0] else slice(0, points - lost)


def _unsteady(random: np.random.Generator, segment: Segment, size: float, over: float) -> NDArray[np.float64]:
    """A smooth random walk about zero along a segment, of this standard deviation."""
    noise = ndimage.gaussian_filter1d(random.normal(size=len(segment.path)), over, mode="wrap")
    return np.asarray(noise * size * np.sqrt(2 * over * np.sqrt(np.pi)))


# --- Three readings ---------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """A mask as the classifiers see it.

    Attributes:
        person: whose it is; of grown ones the seed.
        rows: its features in each of `READINGS`.
        picture: the mask in the window, for the sheet.
    """

    person: str
    rows: tuple[Rows, ...]
    picture: NDArray[np.uint8]


@functools.lru_cache
def _network() -> ImageNetFeatures:
    torch.set_num_threads(1)
    return ImageNetFeatures()


def seen(mask: Framed, other: Framed, window: Window) -> Seen:
    """All readings of a mask, cut to what it and another one show."""
    inside, scale = mask.field & other.field, px_per_dd(window)
    vessels = np.where(inside, mask.vessels, 0).astype(np.uint8)
    binary = vessels > _COVERED
    pictures = (vessels, courses(binary, inside, scale))
    rows = [_network()(np.repeat(one[..., None], 3, axis=2), round_window()).astype(np.float64) for one in pictures]
    return Seen(mask.person, (*rows, measures(binary, inside, window)), vessels)


def courses(vessels: Mask, inside: Mask, scale: float) -> NDArray[np.uint8]:
    """Centre lines of one calibre, the widest vessels first until one density is reached, blurred."""
    graph = vessel_graph(vessels)
    left = _LENGTH_PER_DD2 * float(inside.sum()) / scale
    starts, ends = [], []
    for segment in sorted(graph.segments, key=lambda one: -one.calibre):
        path = segment.path[np.cumsum(segment.steps) <= left, ::-1] + 0.5
        left -= segment.length
        if len(path) > 1:
            starts.append(path[:-1])
            ends.append(path[1:])
        if left <= 0:
            break
    radii = np.full(sum(map(len, starts)), _COURSE_DD * scale / 2)
    drawn = draw_vessels(np.concatenate(starts), np.concatenate(ends), radii, _CANVAS_PX) & inside
    blurred = ndimage.gaussian_filter(drawn.astype(np.float32), _BLUR * _CANVAS_PX)
    return np.asarray(np.clip(blurred * _BRIGHTER, 0, 1) * 255, np.uint8)


def measures(vessels: Mask, inside: Mask, window: Window) -> Rows:
    """The measures of check_growth; calibre in pixels of the canvas."""
    scale = px_per_dd(window)
    rows, columns = np.ogrid[:_CANVAS_PX, :_CANVAS_PX]
    middle = _CANVAS_PX / 2
    disc = np.hypot(rows + 0.5 - middle + window.y * scale, columns + 0.5 - middle + window.x * scale) < scale / 2
    geometry = Geometry(scale, "left", "disc", 30)
    values = asdict(measure_eye(Eye("mask", {"vessels": vessels, "fov": inside, "disc": disc}, geometry=geometry)))
    return np.array([np.nan if values[name] is None else values[name] for name in MEASURES], np.float64)


# --- The test ---------------------------------------------------------------------------------------------------------


class Compared(NamedTuple):
    """A real set and the grown eyes that were cut and drawn like it; of the latter, the first half is learnt from."""

    name: str
    real: list[Seen]
    grown: list[Seen]

    def people(self) -> set[str]:
        """Whose eyes are in the real set."""
        return {one.person for one in self.real}


def _grown_seen(job: tuple[str, int, View, Framed, float]) -> tuple[Framed, Seen]:
    """A grown eye drawn with the pen of a real one, uncut, and as it is seen when cut to what that one shows."""
    named, seed, view, partner, scale = job
    eye = as_people_draw(grown_eye(named, seed, view), scale, partner.pen_dd, np.random.default_rng(seed))
    mask = framed(eye, str(seed), scale)
    return mask, seen(mask, partner, WINDOWS[view.centred_on])


def _real_seen(job: tuple[Framed, Framed, View]) -> Seen:
    """A real eye as it is seen when cut to what a grown one shows."""
    mask, partner, view = job
    return seen(mask, partner, WINDOWS[view.centred_on])


def compared(name: str, real: list[Framed], named: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> Compared:
    """A real set and as many grown eyes as there are seeds, each beside a real eye drawn by chance."""
    view, random = VIEWS[name], np.random.default_rng(0)
    scale = grown_scale(named, view)
    partners = random.integers(len(real), size=len(seeds))
    jobs = [(named, seed, view, real[one], scale) for seed, one in zip(seeds, partners, strict=True)]
    grown = list(pool.map(_grown_seen, jobs, chunksize=4))
    others = random.integers(len(grown), size=len(real))
    pairs = [(one, grown[other][0], view) for one, other in zip(real, others, strict=True)]
    return Compared(name, list(pool.map(_real_seen, pairs, chunksize=4)), [one for _, one in grown])


def rows_of(masks: Sequence[Seen], reading: int) -> Rows:
    """Features of masks; what could not be measured is set to the median of the others."""
    rows = np.stack([mask.rows[reading] for mask in masks])
    return np.where(np.isnan(rows), np.nanmedian(rows, axis=0), rows)


def left_out(one: Compared, others: Sequence[Compared], reading: int) -> dict[str, Any]:
    """What a classifier that learnt from the other sets, and from grown eyes beside them, says of this one."""
    halves = len(one.grown) // 2
    real = [mask for other in others for mask in other.real]
    grown = [mask for other in others for mask in other.grown[:halves]]
    rows = rows_of([*real, *grown], reading)
    classifier = make_pipeline(
        StandardScaler(),
        PCA(min(_COMPONENTS, min(rows.shape) - 1), random_state=0),
        LogisticRegression(class_weight="balanced", max_iter=5000),
    )
    classifier.fit(rows, np.arange(len(rows)) < len(real))
    unseen = one.grown[halves:]
    values = [classifier.decision_function(rows_of(masks, reading)) for masks in (one.real, unseen)]
    right = [(values[0] > 0).astype(np.float64), (values[1] <= 0).astype(np.float64)]
    shares = [_resampled(share, masks) for share, masks in zip(right, (one.real, unseen), strict=True)]
    truth = np.repeat([1, 0], [len(one.real), len(unseen)])
    return {
        "real called real": float(right[0].mean()),
        "grown called grown": float(right[1].mean()),
        "balanced accuracy": float(right[0].mean() + right[1].mean()) / 2,
        "interval": percentile_interval((shares[0] + shares[1]) / 2),
        "area under the curve": float(roc_auc_score(truth, np.concatenate(values))),
    }


def _resampled(right: Rows, masks: Sequence[Seen]) -> Rows:
    """Means over people drawn again and again."""
    people = np.unique([mask.person for mask in masks], return_inverse=True)[1]
    sums, counts = np.bincount(people, right), np.bincount(people)
    drawn = np.random.default_rng(0).integers(len(sums), size=(_RESAMPLES, len(sums)))
    return np.asarray(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))


def told_apart(some: Sequence[Seen], others: Sequence[Seen], reading: int) -> dict[str, Any] | None:
    """How well a classifier tells two sets apart that learnt from other people of both; None of too few masks."""
    if min(len(some), len(others)) < two_sample.FEWEST_PICTURES:
        return None
    rows = rows_of([*some, *others], reading)
    groups = [[mask.person for mask in masks] for masks in (some, others)]
    found = two_sample.measure(
        rows[: len(some)], rows[len(some) :], real_groups=groups[0], generated_groups=groups[1], resamples=_RESAMPLES
    ).balanced_accuracy
    return {"balanced accuracy": found.mean, "interval": (found.low, found.high)}


def halves_of(masks: Sequence[Seen]) -> tuple[list[Seen], list[Seen]]:
    """Two halves of a set, nobody in both."""
    people = np.random.default_rng(0).permutation(sorted({mask.person for mask in masks}))
    first = set(people[::2])
    return [one for one in masks if one.person in first], [one for one in masks if one.person not in first]


# --- What is printed --------------------------------------------------------------------------------------------------


def results_of(sets: Sequence[Compared]) -> dict[str, Any]:
    """All figures, as they are written to the file."""
    found: dict[str, Any] = {"left out": {}, "told apart": {}, "measures": {}}
    for number, reading in enumerate(READINGS):
        for one in sets:
            others = [other for other in sets if not other.people() & one.people()]
            if others:
                found["left out"][f"{one.name}, {reading}"] = left_out(one, others, number)
            pairs = {f"grown from {one.name}": (one.real, one.grown), f"halves of {one.name}": halves_of(one.real)}
            pairs |= {
                f"{one.name} from {other.name}": (one.real, other.real) for other in others if other.name > one.name
            }
            for name, (some, rest) in pairs.items():
                found["told apart"][f"{name}, {reading}"] = told_apart(some, rest, number)
    for one in sets:
        real, grown = rows_of(one.real, 2), rows_of(one.grown, 2)
        for name, theirs, ours in zip(MEASURES, real.T, grown.T, strict=True):
            found["measures"][f"{one.name}, {name}"] = {
                "real": np.percentile(theirs, [10, 50, 90]).tolist(),
                "grown": np.percentile(ours, [10, 50, 90]).tolist(),
            }
    return found


def _interval(figures: dict[str, Any]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(figures["balanced accuracy"], *figures["interval"])


def show(found: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    table = Table("left out, reading", "real called real", "grown called grown", "balanced accuracy", "AUC")
    for name, one in found["left out"].items():
        shares = (f"{one[share]:.2f}" for share in ("real called real", "grown called grown"))
        table.add_row(name, *shares, _interval(one), f"{one['area under the curve']:.2f}")
    console.print(table)
    table = Table("told apart, having seen others of both", *READINGS)
    names = dict.fromkeys(name.rpartition(", ")[0] for name in found["told apart"])
    for name in names:
        cells = [found["told apart"][f"{name}, {reading}"] for reading in READINGS]
        table.add_row(name, *("too few" if cell is None else _interval(cell) for cell in cells))
    console.print(table)
    table = Table("measure", "real 10 %", "median", "90 %", "grown median", "in the real band")
    for name, one in found["measures"].items():
        low, middle, high, ours = *one["real"], one["grown"][1]
        table.add_row(
            name, *(f"{value:.4g}" for value in (low, middle, high, ours)), "yes" if low <= ours <= high else "NO"
        )
    console.print(table)


def write_sheet(path: Path, sets: Sequence[Compared]) -> None:
    """Of each set four real masks above four grown ones, as they are compared."""
    rows = [
        [
            images.square_photograph(np.repeat(one.picture[..., None], 3, axis=2), 320)
            for one in masks[:: len(masks) // 4][:4]
        ]
        for compared_set in sets
        for masks in (compared_set.real, compared_set.grown)
    ]
    images.write_photograph(path, images.draw_panels(rows, [""] * 4))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawn", action="append", default=[], metavar="NAME=FOLDER", help="masks that people drew")
    parser.add_argument("--grown", type=int, default=150, help="how many eyes to grow beside each set")
    parser.add_argument("--grow", default="retinasynth.anatomy.grow:grow", metavar="MODULE:FUNCTION")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    seeds = np.random.default_rng(1).choice(1_000_000, arguments.grown, replace=False).tolist()
    sets = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for name, _, folder in (text.partition("=") for text in arguments.drawn):
            sets.append(compared(name, drawn_eyes(name, Path(folder)), arguments.grow, seeds, pool))
    found = results_of(sets)
    show(found, Console(width=130))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if arguments.sheet:
        write_sheet(arguments.sheet, sets)


if __name__ == "__main__":
    main()
