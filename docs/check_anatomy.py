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
import functools
import json
import os
from collections.abc import Sequence
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
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from check_growth import MEASURES
from compared_masks import (
    CANVAS_PX,
    COVERED,
    VIEWS,
    WINDOWS,
    Framed,
    RealSet,
    Window,
    drawn_set,
    found_set,
    grown_files,
    grown_masks,
    px_per_dd,
    round_window,
)
from retinasynth import images
from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.evaluation.metrics import two_sample
from retinasynth.evaluation.metrics.features import ImageNetFeatures
from retinasynth.evaluation.metrics.subject_bootstrap import percentile_interval
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.skeleton import vessel_graph
from retinasynth.images import Mask

Rows = NDArray[np.float64]


READINGS = ("as drawn", "courses alone", "nine measures")

_LENGTH_PER_DD2 = 2.2  # of the courses that are kept, widest first
_COURSE_DD = 0.04  # the one calibre that they are drawn with
_BLUR = 6 / 512  # of the window
_BRIGHTER = 2.5  # so that what was blurred is seen
_COMPONENTS = 50
_FOLDS = 5
_RESAMPLES = 2000
_BLIND = 12  # masks of either kind


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
    binary = vessels > COVERED
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
    drawn = draw_vessels(np.concatenate(starts), np.concatenate(ends), radii, CANVAS_PX) & inside
    blurred = ndimage.gaussian_filter(drawn.astype(np.float32), _BLUR * CANVAS_PX)
    return np.asarray(np.clip(blurred * _BRIGHTER, 0, 1) * 255, np.uint8)


def measures(vessels: Mask, inside: Mask, window: Window) -> Rows:
    """The measures of check_growth; calibre in pixels of the canvas."""
    scale = px_per_dd(window)
    rows, columns = np.ogrid[:CANVAS_PX, :CANVAS_PX]
    middle = CANVAS_PX / 2
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


def compared(one: RealSet, source: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> Compared:
    """A real set and as many grown eyes as there are seeds, each beside a real eye drawn by chance."""
    random = np.random.default_rng(0)
    partners = [one.masks[number] for number in random.integers(len(one.masks), size=len(seeds))]
    grown = grown_masks(one, partners, source, seeds, pool)
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
    rows, is_real = rows_of([*real, *grown], reading), np.repeat([1, 0], [len(real), len(grown)])
    classifier = make_pipeline(
        StandardScaler(),
        PCA(min(_COMPONENTS, round(0.7 * min(rows.shape))), random_state=0),
        LogisticRegression(class_weight="balanced", max_iter=5000),
    )
    # Few real masks among many dimensions: unseen ones lie nearer to the grown ones than those that were learnt, so the
    # border is drawn midway between what classifiers say of masks that they did not learn.
    people = [mask.person for mask in [*real, *grown]]
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(classifier, rows, is_real, groups=people, cv=folds, method="decision_function")
    border = (np.median(said[is_real == 1]) + np.median(said[is_real == 0])) / 2
    classifier.fit(rows, is_real)
    unseen = one.grown[halves:]
    values = [classifier.decision_function(rows_of(masks, reading)) - border for masks in (one.real, unseen)]
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
    together: dict[str, tuple[list[Seen], list[Seen]]] = {}
    for one in sets:
        kind = f"{'drawn' if one.of.is_drawn else 'found'}, centred on the {one.of.view.centred_on}"
        real, grown = together.setdefault(f"grown from all {kind}", ([], []))
        real += one.real
        grown += one.grown
    for number, reading in enumerate(READINGS):
        for name, (real, grown) in together.items():
            found["told apart"][f"{name}, {reading}"] = told_apart(real, grown, number)
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
        columns = rows_of(one.real, 2).T, rows_of(one.grown, 2).T
        for name, theirs, ours in zip(MEASURES, *columns, strict=True):
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
        low, middle, high = one["real"]
        ours = one["grown"][1]
        figures = (f"{value:.4g}" for value in (low, middle, high, ours))
        table.add_row(name, *figures, "yes" if low <= ours <= high else "NO")
    console.print(table)


def write_sheet(path: Path, sets: Sequence[Compared]) -> None:
    """Of each set four real masks above four grown ones, as they are compared, and where vessels are in all of them."""
    rows = []
    for one in sets:
        for masks in (one.real, one.grown):
            shown = [mask.picture for mask in masks[:: len(masks) // 4][:4]]
            mean = ndimage.gaussian_filter(np.mean([mask.picture for mask in masks], axis=0), _BLUR * CANVAS_PX)
            shown.append(np.minimum(mean * 3, 255).astype(np.uint8))
            rows.append([images.square_photograph(np.repeat(mask[..., None], 3, axis=2), 320) for mask in shown])
    images.write_photograph(path, images.draw_panels(rows, [""] * 5))


def write_blind(folder: Path, sets: Sequence[Compared]) -> None:
    """Numbered masks, real and grown ones mixed as they are compared, for readers who are not told which; and a key."""
    random = np.random.default_rng(0)
    masks = []
    for one in sets:
        for kind, some in (("real", one.real), ("grown", one.grown)):
            chosen = random.permutation(len(some))[: _BLIND // len(sets)]
            masks += [(kind, one.name, some[number]) for number in chosen]
    key = {}
    for place, number in enumerate(random.permutation(len(masks)), start=1):
        kind, name, mask = masks[number]
        key[f"{place:02d}"] = f"{kind}: {name}, {mask.person}"
        images.write_photograph(folder / f"{place:02d}.png", np.repeat(mask.picture[..., None], 3, axis=2))
    (folder / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawn", action="append", default=[], metavar="NAME=FOLDER", help="masks that people drew")
    parser.add_argument("--found", action="append", default=[], metavar="NAME=LABELS", help="photographs with labels")
    parser.add_argument("--grown", type=int, default=150, help="how many eyes to grow beside each set")
    parser.add_argument("--photographs", type=int, default=60, help="real and generated ones to look for vessels in")
    parser.add_argument("--grow", default="retinasynth.anatomy.grow:grow", metavar="MODULE:FUNCTION", help="growth")
    parser.add_argument("--grown-masks", metavar="FOLDER", help="label maps to take instead of growing eyes")
    parser.add_argument("--json", type=Path, help="write all figures")
    parser.add_argument("--sheet", type=Path, help="write a picture of some masks of each set")
    parser.add_argument("--blind", type=Path, metavar="FOLDER", help="write masks for readers, and which they are")
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
    if arguments.blind:
        write_blind(arguments.blind, sets)


def _named(text: str) -> tuple[str, Path]:
    """A set and its folder."""
    name, _, folder = text.partition("=")
    if name not in VIEWS or not folder:
        raise SystemExit(f"{text!r} is not NAME=FOLDER with one of: {', '.join(VIEWS)}")
    return name, Path(folder)


if __name__ == "__main__":
    main()
