"""The protocol of graded series, "is what was asked for drawn?": eyes one by one, photographed, measured again.

A series is one eye in one style and with one noise, drawn several times with one thing rising. What is measured in the
photographs is compared with what was asked for, across all photographs and within each eye, where the eye itself is
its own control (`retinasynth.studies.recovery`). A study says what rises, how it is drawn and what is measured.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import retinasynth
from retinasynth import intervals
from retinasynth.anatomy.grow import RECIPE, grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.data.sets import ResumableSet
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.files import write_text
from retinasynth.generation.generator import load as load_generator
from retinasynth.generator import Generator
from retinasynth.images import Mask, Photograph, mask_as_photograph, resize_photograph, write_photograph
from retinasynth.parallel import one_thread
from retinasynth.resuming import Line, read_lines
from retinasynth.segmentation.use import Segmenter
from retinasynth.studies.recovery import Point
from retinasynth.tables import table_text
from retinasynth.training.bundled import GENERATORS, model_folder
from retinasynth.training.model_folder import fingerprint_of

STUDY = "study.json"  # what was asked for
SHOWN = ("generated", "asked for", "found")  # rows of tiles
VIEW: dict[str, Any] = {"centred_on": "disc", "angle_deg": 35.0}  # the disc is large, and zone B wholly in view
SOURCES = {
    "label": "exact labels",
    "generated": "generated photographs",
    "by_rule": "photographs drawn by rule",
}
CONVENTIONS = {
    "series": "one grown eye in one sampled style and with one noise, drawn several times with one thing rising; the "
    f"view is centred on the disc and {VIEW['angle_deg']:g} degrees wide; eyes are grown at twice the size of the "
    "generator and measured at its size",
    "exact labels": "the label maps that the photographs were made from, measured by the same rule: the most that "
    "could be found",
    "drawn by rule": "a control: the same label maps photographed by the phantom renderer, whose drawing does what the "
    "labels say. What a segmenter finds there but not in generated photographs is missing in these; what it finds in "
    "neither, it cannot see",
    "correlation": "Pearson, over all photographs; within eyes: after subtracting the mean of each eye from both "
    "(Bland and Altman, BMJ 310, 1995), which asks whether a change is followed, however much eyes differ",
    "slope": "of what was measured on what was asked for, within eyes: 1 is as much as was asked for, 0 nothing",
    "intervals": f"{100 * intervals.LEVEL:g} % percentile bootstrap over eyes, {intervals.RESAMPLES} resamples; all "
    "photographs of an eye are drawn together",
}


# --- Eyes, one by one --------------------------------------------------------------------------------------------


def write_series(
    out: Path,
    count: int,
    model: str,
    asked: Mapping[str, Any],
    write_one: Callable[[Path, str, int], Line],
    *,
    seed: int,
    doing: str,
    workers: int | None,
) -> list[Line]:
    """Draw and measure eyes that are not there yet, and read what was measured of all.

    Args:
        out: a new or empty folder, or that of the same study, unfinished or with fewer eyes.
        count: how many eyes.
        model: a styled generator: the name of a bundled one, a run folder or a model folder.
        asked: what else decides the study; plain values.
        write_one: given `out`, the model and the seed of an eye, writes its pictures and returns its measures; a
            function or object that other processes can be given.
        seed: of the first eye.
        doing: for the progress line.
        workers: processes; None takes one for each core.

    Raises:
        InputError: the model follows no style.
        ModelError: there is no such model.
        OutputError: `out` holds something else, or cannot be written.
        InterruptedRunError: the user stopped it; finished eyes are kept.
    """
    weights = fingerprint_of(model_folder(model, bundled=GENERATORS))
    if not generator(model).styles:
        raise InputError(f"{model} follows no style", expected="a model of the architecture styled")
    what = {
        "retinasynth": retinasynth.__version__,
        "recipe": RECIPE,
        "model": weights,
        "seed": seed,
        **asked,
    }
    act = functools.partial(_one, write_one, out, model, seed)
    kept = ResumableSet(out, STUDY, what, seed, act, "series", doing)
    kept.write(count, workers=workers)
    lines, _ = read_lines(kept.manifest, {})
    return lines[:count]


def _one(write_one: Callable[[Path, str, int], Line], out: Path, model: str, first_seed: int, number: int) -> Line:
    seed = first_seed + number
    with one_thread():
        return {"name": name_of(seed), "seed": seed, **write_one(out, model, seed)}


def name_of(seed: int) -> str:
    """What the eye of a seed is called."""
    return f"eye_{seed:06d}"


@functools.lru_cache(maxsize=1)
def generator(model: str) -> Generator:
    """The generator of that name, loaded once in each process."""
    return load_generator(model)


@functools.lru_cache(maxsize=2)
def segmenter(name: str) -> Segmenter:
    """Likewise a bundled segmenter."""
    return Segmenter.load(name)


def grown(size_px: int, seed: int, preset: str = "adult", **parameters: Any) -> Eye:
    """A grown eye in the view of the studies, twice as large as its photograph, so that thin vessels keep calibre."""
    return grow(seed, 2 * size_px, people=preset, **VIEW, **parameters)


def halved(eye: Eye) -> Eye:
    """An eye at half its size: a pixel belongs to a plane where at least half of it did."""
    size = eye.size[0] // 2, eye.size[1] // 2
    planes = {
        name: np.asarray(resize_photograph(mask_as_photograph(mask), size)[..., 0] > 127)
        for name, mask in eye.planes.items()
    }
    geometry = eye.geometry and replace(
        eye.geometry, pixels_per_disc_diameter=eye.geometry.pixels_per_disc_diameter / 2
    )
    return Eye(eye.name, planes, geometry=geometry)


# --- One series --------------------------------------------------------------------------------------------------


class Shot(NamedTuple):
    """One grade of a series: what was asked for, photographed in two ways, and what is found in both photographs.

    Attributes:
        grade: that was asked for.
        labels: at the size of the photographs.
        photographs: by source, ``"generated"`` and ``"by_rule"``.
        found: what the segmenter finds in them, likewise.
    """

    grade: float
    labels: Eye
    photographs: Mapping[str, Photograph]
    found: Mapping[str, Eye]


def photographed(
    model: str,
    seed: int,
    kind: str,
    grades: Sequence[float],
    draw: Callable[[int, int, str, float], Eye],
    find: Callable[[Photograph, Eye], Eye],
) -> list[Shot]:
    """One series of one eye.

    Args:
        model: name of the generator.
        seed: of the eye, its style and its noise.
        kind: of series.
        grades: that rise.
        draw: given the size of photographs, `seed`, `kind` and a grade, the eye at twice that size.
        find: given a photograph and the labels that it was made from, what is found in it.
    """
    shots = []
    for grade in grades:
        eye = draw(generator(model).config.size_px, seed, kind, grade)
        labels = halved(eye)
        photographs = {
            "generated": generator(model).generate(eye, seed=seed),
            "by_rule": phantom_photograph(labels, seed),
        }
        found = {source: find(photograph, labels) for source, photograph in photographs.items()}
        shots.append(Shot(grade, labels, photographs, found))
    return shots


def write_tiles(out: Path, model: str, seed: int, kind: str, columns: Sequence[Sequence[Photograph]]) -> None:
    """Write the close-ups of a series: a column for each grade, with the rows `SHOWN`."""
    picture = sheet(list(zip(*columns, strict=True)))
    write_photograph(out / "pictures" / f"{name_of(seed)}-{kind}.png", picture, generator(model).provenance(seed))


def rows_of(lines: Sequence[Line], key: str = "rows") -> list[dict[str, Any]]:
    """What was measured, a row for each photograph (or part of it), with the eye's name before it."""
    return [{"eye": line["name"], **row} for line in lines for row in line[key]]


def points_of(rows: Sequence[Mapping[str, Any]], asked: str, found: str) -> list[Point]:
    """Two columns of some rows, for `retinasynth.studies.recovery.recovery`."""
    return [Point(row["eye"], row[asked], row[found]) for row in rows]


# --- Files -------------------------------------------------------------------------------------------------------


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of plain values as CSV, atomically; None becomes an empty cell."""
    columns = list(rows[0])
    write_text(path, table_text(columns, [[row.get(column) for column in columns] for row in rows]))


def sheet(rows: Sequence[Sequence[Photograph]]) -> Photograph:
    """Square tiles of one size in rows, without gaps; `tiles` cuts them out again."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def tiles(picture: Photograph, columns: int) -> list[list[Photograph]]:
    """The tiles of a `sheet`, row by row."""
    side = picture.shape[1] // columns
    return [
        [picture[top : top + side, left : left + side] for left in range(0, columns * side, side)]
        for top in range(0, picture.shape[0], side)
    ]


def close_up(picture: Photograph, centre: tuple[float, float], reach_px: float, shown_px: int) -> Photograph:
    """The square around a row and column, so far to each side as the picture reaches, at a size to look at."""
    height, width = picture.shape[:2]
    reach = min(round(reach_px), height // 2, width // 2)
    row = int(np.clip(centre[0], reach, height - reach))
    column = int(np.clip(centre[1], reach, width - reach))
    return resize_photograph(picture[row - reach : row + reach, column - reach : column + reach], (shown_px, shown_px))


def scale_of(eye: Eye) -> float:
    """Pixels to the disc diameter of an eye; 1 where it has no geometry."""
    return eye.geometry.pixels_per_disc_diameter if eye.geometry else 1.0


def middle(mask: Mask) -> tuple[float, float]:
    """Row and column of the middle of a mask; of the picture, where it is empty."""
    rows, columns = np.nonzero(mask if mask.any() else ~mask)
    return float(rows.mean()), float(columns.mean())
