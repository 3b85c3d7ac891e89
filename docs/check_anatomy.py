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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
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

import retinasynth as rs
from check_growth import MEASURES
from retinasynth import images
from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.landmarks import Aperture
from retinasynth.data.annotators import second_annotation
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.evaluation.metrics import two_sample
from retinasynth.evaluation.metrics.features import ImageNetFeatures
from retinasynth.evaluation.metrics.subject_bootstrap import percentile_interval
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.biomarkers import height_of, measure_eye
from retinasynth.eye.frame import Frame, into_frame
from retinasynth.eye.skeleton import Graph, Segment, vessel_graph
from retinasynth.generator import Generator
from retinasynth.images import Mask
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter
from retinasynth.settings import Centre

Rows = NDArray[np.float64]


class View(NamedTuple):
    """How grown eyes are made that are compared with a set."""

    people: str
    centred_on: Centre
    angle_deg: float
    aperture: Aperture = "round"


class Window(NamedTuple):
    """The round part of the retina that is compared, in disc diameters; x leads from the disc to the fovea."""

    x: float
    y: float
    radius: float


VIEWS = {
    "chasedb1": View("child", "disc", 30),
    "chasedb1_second": View("child", "disc", 30),  # the second annotator
    "les_av": View("adult", "disc", 30),
    "hrf": View("adult", "macula", 45, "cut"),
    "idrid": View("adult", "macula", 50, "cut"),
    "idrid_grading": View("adult", "macula", 50, "cut"),
}
WINDOWS = {"disc": Window(0, 0, 2.1), "macula": Window(1.9, 0, 3.0)}
READINGS = ("as drawn", "courses alone", "nine measures")

_CANVAS_PX = 640
_GROWN_PX = 768
_PHOTOGRAPH_FIELD_PX = 502  # its breadth in generated photographs, to which real ones are reduced
_COVERED = 90  # of 255: pixels of the canvas that are vessel; lines one pixel wide in the original stay whole
_LENGTH_PER_DD2 = 2.2  # of the courses that are kept, widest first
_COURSE_DD = 0.04  # the one calibre that they are drawn with
_BLUR = 6 / 512  # of the window
_BRIGHTER = 2.5  # so that what was blurred is seen
_LIMIT_DD = (0.008, 0.3)  # the calibre of which half is seen: median of people and spread of its logarithm
_STEEPNESS = 4.0
_SWOLLEN = 1.3  # times the calibre of its segment: wider is where a vessel meets another
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


class RealSet(NamedTuple):
    """Real masks of one camera.

    Attributes:
        name: in `VIEWS`.
        is_drawn: by people; else a segmenter found them in photographs.
        masks: the masks.
    """

    name: str
    is_drawn: bool
    masks: list[Framed]

    @property
    def view(self) -> View:
        """How eyes are grown for it."""
        return VIEWS[self.name]


@functools.lru_cache
def marked_discs(camera: str) -> dict[str, dict[str, str]]:
    """The discs of ``CAMERA_discs.csv`` by image; empty where there is no such file."""
    path = Path(__file__).with_name(f"{camera}_discs.csv")
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def drawn_set(name: str, folder: Path) -> RealSet:
    """The masks of a set that people drew, with discs from ``NAME_discs.csv``; all at the scale of the median disc."""
    camera = name.removesuffix("_second")
    discs = marked_discs(camera)
    scale = float(np.median([float(row["vertical_diameter_px"]) for row in discs.values()]))
    masks = []
    for files in find_eyes(folder).eyes:
        eye, disc = read_eye(files), discs[files.name]
        rows, columns = np.ogrid[: eye.size[0], : eye.size[1]]
        centre = float(disc["row_px"]), float(disc["column_px"])
        planes = {plane: eye.planes[plane] for plane in ("vessels", "fov")}
        planes["disc"] = np.hypot(rows + 0.5 - centre[0], columns + 0.5 - centre[1]) < scale / 2
        other = second_annotation(files) if name != camera else None
        if other:
            planes["vessels"] = images.read_mask(other)
        person = f"{camera}/{files.name.rstrip('LR')}"
        masks.append(framed(with_geometry(Eye(files.name, planes), name, scale), person, scale))
    return RealSet(name, True, masks)


def with_geometry(eye: Eye, name: str, scale: float) -> Eye:
    """The eye of a set with what is known of its view; its side is marked, named, or told by the side of the disc."""
    camera, image = name.removesuffix("_second"), eye.name.removeprefix(f"{name}-")
    marked = marked_discs(camera).get(image, {}).get("eye", "") or {"L": "left", "R": "right"}.get(image[-1], "")
    disc, field = (ndimage.center_of_mass(eye.planes[plane])[1] for plane in ("disc", "fov"))
    is_left = marked == "left" if marked else disc < field
    view = VIEWS[name]
    return replace(eye, geometry=Geometry(scale, "left" if is_left else "right", view.centred_on, view.angle_deg))


# --- Masks that the bundled segmenter finds ---------------------------------------------------------------------------


def found_set(name: str, folder: Path, count: int, pool: ProcessPoolExecutor) -> RealSet:
    """Some of the eyes of a set in a folder of labels, with the vessels that are found in their reduced photographs.

    They are reduced to the size of generated photographs, since fewer vessels are found in small ones.
    """
    eyes = find_eyes(folder, allow_unpaired=True).eyes
    eyes = tuple(files for files in eyes if files.name.startswith(f"{name}-")) or eyes
    order = np.random.default_rng(0).permutation(len(eyes))[:count]
    found = list(pool.map(_found_in_real, [eyes[number] for number in order]))
    scale = float(np.median([height_of(eye.planes["disc"]) for eye in found]))
    people = [f"{name}/{eye.name.rstrip('LR')}" for eye in found]
    masks = [framed(with_geometry(eye, name, scale), who, scale) for eye, who in zip(found, people, strict=True)]
    return RealSet(name, False, masks)


def _found_in_real(files: EyeFiles) -> Eye:
    eye = read_eye(files)
    if eye.photograph is None:
        raise ValueError(f"{files.name} has no photograph")
    by = _PHOTOGRAPH_FIELD_PX / np.ptp(np.flatnonzero(eye.planes["fov"].any(axis=0)))
    size = round(eye.size[0] * by), round(eye.size[1] * by)
    planes = {plane: images.resize_mask(eye.planes[plane], size) for plane in ("disc", "fov")}
    return with_found_vessels(Eye(eye.name, planes, images.resize_photograph(eye.photograph, size)))


def with_found_vessels(eye: Eye) -> Eye:
    """The eye with the vessels that the bundled segmenter finds in its photograph, and without the photograph."""
    if eye.photograph is None:
        raise ValueError(f"{eye.name} has no photograph")
    model = _segmenter().model
    looked = predict(model, eye.photograph, flips=((),), field=eye.planes["fov"])
    vessels = found_planes(model, looked)["vessels"]
    return replace(eye, planes={**eye.planes, "vessels": vessels}, photograph=None)


@functools.lru_cache
def _segmenter() -> Segmenter:
    torch.set_num_threads(1)
    return Segmenter.load("vessels")


@functools.lru_cache
def _generator() -> Generator:
    torch.set_num_threads(1)
    return rs.load("fundus-512")


# --- Grown masks ------------------------------------------------------------------------------------------------------


def grown_eye(source: str, seed: int, view: View, size_px: int = _GROWN_PX) -> Eye:
    """A grown eye as the camera of a set would show it.

    Args:
        source: ``MODULE:FUNCTION`` with a function that takes (seed, size_px, people=, centred_on=, angle_deg=,
            aperture=), or a folder of label maps, of which `seed` is the number and which have a size already.
        seed: of the eye.
        view: of the camera.
        size_px: height and width.
    """
    if not Path(source).is_dir():
        module, _, function = source.partition(":")
        eye: Eye = getattr(importlib.import_module(module), function)(seed, size_px, **view._asdict())
        return eye
    eye = read_eye(grown_files(source)[seed])
    if eye.geometry is None or eye.geometry.centred_on != view.centred_on:
        raise ValueError(f"{source}: {eye.name} is not centred on the {view.centred_on}")
    return eye


@functools.lru_cache
def grown_files(folder: str) -> tuple[EyeFiles, ...]:
    """The label maps in a folder."""
    return find_eyes(Path(folder)).eyes


def grown_scale(source: str, seeds: Sequence[int], view: View, size_px: int) -> float:
    """Pixels to the disc diameter of grown eyes: the median height of discs, as of real sets."""
    return float(np.median([height_of(grown_eye(source, seed, view, size_px).planes["disc"]) for seed in seeds[:15]]))


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
            calibres = np.minimum(segment.calibres, _SWOLLEN * segment.calibre) * width
            aside = [_unsteady(random, segment, _WOBBLE_DD[0] * scale, _WOBBLE_DD[1] * scale) for _ in range(2)]
            path = segment.path + np.stack(aside, axis=1)
            path[[0, -1]] = graph.nodes[list(segment.nodes)]  # so that vessels meet
            path, calibres = path[kept, ::-1] + 0.5, np.maximum(calibres, pen_dd * scale)[kept]
            starts.append(path[:-1])
            ends.append(path[1:])
            radii.append((calibres[:-1] + calibres[1:]) / 4)
    drawn = draw_vessels(np.concatenate(starts), np.concatenate(ends), np.concatenate(radii), eye.size[0])
    return replace(eye, planes={**eye.planes, "vessels": drawn & eye.planes["fov"]})


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


def seen(window: Window, mask: Framed, other: Framed) -> Seen:
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

    of: RealSet
    real: list[Seen]
    grown: list[Seen]

    @property
    def name(self) -> str:
        """What it is called in the tables."""
        return f"{self.of.name} ({'drawn' if self.of.is_drawn else 'found'})"

    def teaches(self, other: "Compared") -> bool:
        """Whether a classifier that is asked about another set may learn from this one."""
        alike = self.of.is_drawn == other.of.is_drawn and self.of.view.centred_on == other.of.view.centred_on
        return alike and not {one.person for one in self.real} & {one.person for one in other.real}


class Growing(NamedTuple):
    """A grown eye to be made, and the pen to draw it with; None for what is found in a photograph of it."""

    source: str
    seed: int
    view: View
    scale: float
    pen_dd: float | None


def _grown(job: Growing) -> Framed:
    if job.pen_dd is None:
        eye = grown_eye(job.source, job.seed, job.view, _generator().config.size_px)
        eye = with_found_vessels(replace(eye, photograph=_generator().generate(eye, seed=job.seed)))
    else:
        eye = grown_eye(job.source, job.seed, job.view)
        eye = as_people_draw(eye, job.scale, job.pen_dd, np.random.default_rng(job.seed))
    return framed(eye, str(job.seed), job.scale)


def compared(one: RealSet, source: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> Compared:
    """A real set and as many grown eyes as there are seeds, each beside a real eye drawn by chance."""
    random = np.random.default_rng(0)
    size_px = _GROWN_PX if one.is_drawn else _generator().config.size_px
    scale = grown_scale(source, seeds, one.view, size_px)
    partners = [one.masks[number] for number in random.integers(len(one.masks), size=len(seeds))]
    pens = [partner.pen_dd if one.is_drawn else None for partner in partners]
    jobs = [Growing(source, seed, one.view, scale, pen) for seed, pen in zip(seeds, pens, strict=True)]
    grown = list(pool.map(_grown, jobs, chunksize=2))
    others = [grown[number] for number in random.integers(len(grown), size=len(one.masks))]
    window = WINDOWS[one.view.centred_on]
    real_seen = pool.map(functools.partial(seen, window), one.masks, others, chunksize=4)
    return Compared(one, list(real_seen), list(pool.map(functools.partial(seen, window), grown, partners, chunksize=4)))


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
            others = [other for other in sets if other.teaches(one)]
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
    parser.add_argument("--found", action="append", default=[], metavar="NAME=LABELS", help="photographs with labels")
    parser.add_argument("--grown", type=int, default=150, help="how many eyes to grow beside each set")
    parser.add_argument("--photographs", type=int, default=60, help="real and generated ones to look for vessels in")
    parser.add_argument("--grow", default="retinasynth.anatomy.grow:grow", metavar="MODULE:FUNCTION")
    parser.add_argument("--grown-masks", metavar="FOLDER", help="label maps to take instead of growing eyes")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    source = arguments.grown_masks or arguments.grow
    most = len(grown_files(source)) if arguments.grown_masks else 1_000_000
    seeds = np.random.default_rng(1).permutation(most)[: arguments.grown].tolist()
    with ProcessPoolExecutor(arguments.workers) as pool:
        real = [drawn_set(name, Path(folder)) for name, folder in map(_named, arguments.drawn)]
        real += [found_set(*_named(text), arguments.photographs, pool) for text in arguments.found]
        sets = [compared(one, source, seeds if one.is_drawn else seeds[: arguments.photographs], pool) for one in real]
    found = results_of(sets)
    show(found, Console(width=130))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if arguments.sheet:
        write_sheet(arguments.sheet, sets)


def _named(text: str) -> tuple[str, Path]:
    """A set and its folder."""
    name, _, folder = text.partition("=")
    if name not in VIEWS or not folder:
        raise SystemExit(f"{text!r} is not NAME=FOLDER with one of: {', '.join(VIEWS)}")
    return name, Path(folder)


if __name__ == "__main__":
    main()
