"""What the studies of graded series share: eyes one by one, resumable, and how well what was asked for is found again.

A series is one eye in one style and with one noise, drawn several times with one thing rising. What is measured in the
photographs is compared with what was asked for, across all photographs and within each eye, where the eye itself is
its own control.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

import retinasynth
from retinasynth import intervals
from retinasynth.anatomy.grow import RECIPE, grow
from retinasynth.data.sets import ResumableSet
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.eye.agreement import area_under_curve
from retinasynth.files import write_text
from retinasynth.generation.generator import load as load_generator
from retinasynth.generator import Generator
from retinasynth.images import Mask, Photograph, mask_as_photograph, resize_photograph
from retinasynth.intervals import Estimate, bootstrap_mean
from retinasynth.resuming import Line, read_lines
from retinasynth.segmentation.use import Segmenter
from retinasynth.tables import table_text
from retinasynth.training.bundled import GENERATORS, model_folder
from retinasynth.training.model_folder import fingerprint_of

STUDY = "study.json"  # what was asked for
SHOWN = ("generated", "asked for", "found")  # rows of tiles
VIEW = {"centred_on": "disc", "angle_deg": 35.0}  # the disc is large, and zone B wholly in view
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
        write_one: given `out`, the model and the number of an eye, writes its pictures and returns its measures; a
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
    act = functools.partial(_one, write_one, out, model)
    kept = ResumableSet(out, STUDY, what, seed, act, "series", doing)
    kept.write(count, workers=workers)
    lines, _ = read_lines(kept.manifest, {})
    return lines[:count]


def _one(write_one: Callable[[Path, str, int], Line], out: Path, model: str, number: int) -> Line:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one worker for each core; and sums come out alike however many there are
    try:
        return write_one(out, model, number)
    finally:
        torch.set_num_threads(threads)


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


# --- Statistics --------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """One photograph of a series: whose, what was asked for, and what was measured; None where nothing could be."""

    eye: str
    asked: float
    found: float | None


@dataclass(frozen=True)
class Recovery:
    """How well what was asked for is found again.

    Attributes:
        correlation: over all photographs; None where it is undefined.
        within_eyes: correlation within eyes; likewise.
        slope: within eyes; likewise.
        error: mean of found minus asked for.
        absolute_error: mean of its size.
        missing: photographs in which nothing could be measured.
    """

    correlation: Estimate | None
    within_eyes: Estimate | None
    slope: Estimate | None
    error: Estimate | None
    absolute_error: Estimate | None
    missing: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        figures = {
            "correlation": self.correlation,
            "within_eyes": self.within_eyes,
            "slope": self.slope,
            "error": self.error,
            "absolute_error": self.absolute_error,
        }
        return {name: one and one.to_json() for name, one in figures.items()} | {"missing": self.missing}


def recovery(points: Sequence[Point]) -> Recovery:
    """All figures of some photographs; see `Recovery`.

    Example:
        >>> points = [Point(eye, asked, 2 * asked + more) for eye, more in (("a", 0), ("b", 5)) for asked in (1, 2, 3)]
        >>> found = recovery(points)
        >>> round(found.within_eyes.mean, 6), round(found.slope.mean, 6), found.error.mean
        (1.0, 2.0, 4.5)
    """
    known = [point for point in points if point.found is not None]
    if not known:
        return Recovery(None, None, None, None, None, len(points))
    eyes = [point.eye for point in known]
    asked, found = (np.array(column, np.float64) for column in zip(*((p.asked, p.found) for p in known), strict=True))
    away = found - asked
    sums, centred = _sums(asked, found, eyes)
    return Recovery(
        _estimate(_pearson, sums, len(known)),
        _estimate(_pearson, centred, len(known)),
        _estimate(_slope, centred, len(known)),
        bootstrap_mean(away, groups=eyes),
        bootstrap_mean(np.abs(away), groups=eyes),
        len(points) - len(known),
    )


def _sums(
    asked: NDArray[np.float64], found: NDArray[np.float64], eyes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each eye the count and the sums of x, y, xx, yy and xy, as they are and about the means of the eye."""
    rows, centred = [], []
    for eye in dict.fromkeys(eyes):
        those = np.array([other == eye for other in eyes])
        x, y = asked[those], found[those]
        rows.append(_moments(x - asked.mean(), y - found.mean()))  # about the means of all, against rounding
        centred.append(_moments(x - x.mean(), y - y.mean()))
    return np.array(rows), np.array(centred)


def _moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[float]:
    return [float(len(x)), float(x.sum()), float(y.sum()), float(x @ x), float(y @ y), float(x @ y)]


def _pearson(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 1e-18, (xy - x * y / n) / np.sqrt(spread), np.nan))


def _slope(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n, x, y, xx, _, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((xy - x * y / n) / (xx - x * x / n))


def _estimate(
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]], sums: NDArray[np.float64], count: int
) -> Estimate | None:
    """A figure of the sums over eyes, with its percentile bootstrap interval over eyes."""
    value = float(figure(sums.sum(axis=0)))
    if not np.isfinite(value):
        return None
    drawn = np.random.default_rng(intervals.SEED).integers(len(sums), size=(intervals.RESAMPLES, len(sums)))
    values = figure(sums[drawn].sum(axis=1))
    low, high = np.nanquantile(values, [(1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2])
    return Estimate(value, float(low), float(high), count)


def separation(ill: Sequence[float], healthy: Sequence[float]) -> Estimate:
    """Area under the receiver operating characteristic, with its bootstrap interval, resampled within each group.

    Raises:
        InputError: a group is empty.

    Example:
        >>> separation([0.7, 0.8], [0.3, 0.4]).mean
        1.0
    """
    if not ill or not healthy:
        raise InputError(f"{len(ill)} ill eyes and {len(healthy)} healthy ones", expected="some of each")
    scores, positive = np.array([*ill, *healthy]), np.arange(len(ill) + len(healthy)) < len(ill)
    random = np.random.default_rng(intervals.SEED)
    drawn = [
        np.concatenate([random.choice(ill, len(ill)), random.choice(healthy, len(healthy))])
        for _ in range(intervals.RESAMPLES)
    ]
    areas = [area_under_curve(one, positive) for one in drawn]
    low, high = np.quantile(areas, [(1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2])
    return Estimate(area_under_curve(scores, positive), float(low), float(high), len(scores))


def curve(ill: Sequence[float], healthy: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The receiver operating characteristic: 1 - specificity and sensitivity of every threshold, from (0, 0) on.

    Example:
        >>> [along.tolist() for along in curve([0.7, 0.5], [0.6])]
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0]]
    """
    thresholds = [np.inf, *sorted({*ill, *healthy}, reverse=True)]
    return tuple(  # type: ignore[return-value]  # of two
        np.array([np.mean(np.asarray(group) >= threshold) for threshold in thresholds]) for group in (healthy, ill)
    )


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


def middle(mask: Mask) -> tuple[float, float]:
    """Row and column of the middle of a mask; of the picture, where it is empty."""
    rows, columns = np.nonzero(mask if mask.any() else ~mask)
    return float(rows.mean()), float(columns.mean())
