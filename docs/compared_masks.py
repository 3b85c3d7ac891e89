"""Real and grown vessel masks in one frame of the retina, for check_anatomy.

Disc at one place, left and right eyes mirrored to one side, one scale of disc diameters, one round window. Real masks
are those that people drew, or that the bundled segmenter finds in photographs; grown ones are drawn as people would, or
found by the same segmenter in what the bundled generator makes of them.
"""

import csv
import functools
import importlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

import retinasynth as rs
from retinasynth import images
from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.landmarks import Aperture
from retinasynth.data.annotators import second_annotation
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.biomarkers import height_of
from retinasynth.eye.frame import Frame, into_frame
from retinasynth.eye.skeleton import Graph, Segment, vessel_graph
from retinasynth.generator import Generator
from retinasynth.images import Mask
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter
from retinasynth.settings import Centre


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

CANVAS_PX = 640
COVERED = 90  # of 255: pixels of the canvas that are vessel; lines one pixel wide in the original stay whole
_GROWN_PX = 768
_PHOTOGRAPH_FIELD_PX = 502  # its breadth in generated photographs, to which real ones are reduced
_LIMIT_DD = (0.008, 0.3)  # the calibre of which half is seen: median of people and spread of its logarithm
_STEEPNESS = 4.0
_SWOLLEN = 1.3  # times the calibre of its segment: wider is where a vessel meets another
_STOPS_SHORT_DD = 0.05  # how long before its end a vessel of that calibre is left
_EDGE = (0.04, 0.05)  # how unsteady the width is, and over which length (DD)
_WOBBLE_DD = (0.003, 0.08)  # how unsteady the course is, and over which length


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
    rows, columns = np.ogrid[:CANVAS_PX, :CANVAS_PX]
    return np.hypot(rows + 0.5 - CANVAS_PX / 2, columns + 0.5 - CANVAS_PX / 2) < CANVAS_PX / 2


def px_per_dd(window: Window) -> float:
    """Scale of the canvas."""
    return CANVAS_PX / (2 * window.radius)


def framed(eye: Eye, person: str, scale: float) -> Framed:
    """An eye with vessels, fov, disc and geometry in the window of its kind of view; `scale` is pixels to the DD."""
    if eye.geometry is None:
        raise ValueError(f"{eye.name} has no geometry")
    window = WINDOWS[eye.geometry.centred_on]
    row, column = ndimage.center_of_mass(eye.planes["disc"])
    side = 1 if eye.geometry.laterality == "left" else -1  # the fovea lies to the right of the disc in left eyes
    place = Frame(row + window.y * scale, column + side * window.x * scale, 2 * window.radius * scale)
    vessels, field = (
        into_frame((eye.planes[name] * 255).astype(np.uint8), place, CANVAS_PX)[:, ::side]
        for name in ("vessels", "fov")
    )
    seen = (field > 127) & round_window()
    calibres = list(vessel_graph((vessels > COVERED) & seen).segments)
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


def marked_scale(camera: str) -> float:
    """Pixels to the disc diameter: the median of the marked discs."""
    return float(np.median([float(row["vertical_diameter_px"]) for row in marked_discs(camera).values()]))


def drawn_eyes(name: str, folder: Path) -> list[Eye]:
    """The masks of a set that people drew, with discs of one size where they were marked (``NAME_discs.csv``)."""
    camera = name.removesuffix("_second")
    scale, eyes = marked_scale(camera), []
    for files in find_eyes(folder).eyes:
        eye, disc = read_eye(files), marked_discs(camera)[files.name]
        rows, columns = np.ogrid[: eye.size[0], : eye.size[1]]
        centre = float(disc["row_px"]), float(disc["column_px"])
        planes = {plane: eye.planes[plane] for plane in ("vessels", "fov")}
        planes["disc"] = np.hypot(rows + 0.5 - centre[0], columns + 0.5 - centre[1]) < scale / 2
        other = second_annotation(files) if name != camera else None
        if other:
            planes["vessels"] = images.read_mask(other)
        eyes.append(with_geometry(Eye(files.name, planes), name, scale))
    return eyes


def drawn_set(name: str, folder: Path) -> RealSet:
    """The masks of a set that people drew, at the scale of the median disc."""
    camera = name.removesuffix("_second")
    eyes, scale = drawn_eyes(name, folder), marked_scale(camera)
    return RealSet(name, True, [framed(eye, f"{camera}/{eye.name.rstrip('LR')}", scale) for eye in eyes])


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
        eye: with exact vessels; where arteries and veins are known, each tree is drawn by itself.
        scale: pixels to the DD.
        pen_dd: least calibre.
        random: decides.
    """
    trees = [eye.planes[name] for name in ("arteries", "veins") if name in eye.planes] or [eye.planes["vessels"]]
    graphs = [vessel_graph(tree & eye.planes["fov"]) for tree in trees]
    pieces = [(graph, segment) for graph in graphs for segment in graph.segments]
    inside = ndimage.distance_transform_edt(np.pad(eye.planes["fov"], 1))[1:-1, 1:-1]
    limit = _LIMIT_DD[0] * float(np.exp(_LIMIT_DD[1] * random.normal())) * scale
    starts, ends, radii = [], [], []
    for graph, segment in pieces:
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


def grown_masks(
    one: RealSet, partners: Sequence[Framed], source: str, seeds: Sequence[int], pool: ProcessPoolExecutor
) -> list[Framed]:
    """Grown masks in the view of a real set: drawn with the pens of real ones, or found where those were found."""
    size_px = _GROWN_PX if one.is_drawn else _generator().config.size_px
    scale = grown_scale(source, seeds, one.view, size_px)
    pens = [partner.pen_dd if one.is_drawn else None for partner in partners]
    jobs = [Growing(source, seed, one.view, scale, pen) for seed, pen in zip(seeds, pens, strict=True)]
    return list(pool.map(_grown, jobs, chunksize=2))
