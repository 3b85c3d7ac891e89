"""Two rows of runs compared: picture by picture, over eyes and over seeds, with what may be said of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import stats

from retinasynth import intervals
from retinasynth.documents import read_json
from retinasynth.errors import DataError
from retinasynth.evaluation import results
from retinasynth.evaluation.results import BASELINE_NAMES
from retinasynth.intervals import bootstrap_difference, bootstrap_mean
from retinasynth.report.sections import Outcome
from retinasynth.studies.words import capital, listed
from retinasynth.tables import read_table

MOST_EVALUATION_BYTES = 10**8  # it may name many pictures

Expectation = Literal["worse", "better"]
Tendency = Outcome | Literal["mixed"]
Agreement = Literal["agrees", "disagrees", "cannot be told"]

# Figures of a whole evaluation rather than of a picture: where evaluation.json has them, name, direction, decimals.
OF_THE_SET = {
    "peak_db": ("spectrum", "model", "height_db"),
    "kernel_distance": ("realism", "fundus", "kernel_distance", "mean"),
}
NAMES = {**results.MEASURE_NAMES, "peak_db": "periodic peak"}
LOWER_IS_BETTER = {*results.LOWER_IS_BETTER, *OF_THE_SET}
UNITS = {**results.UNITS, "peak_db": " dB"}
DECIMALS = {**results.DECIMALS, "peak_db": 1}

CONVENTIONS = {
    "difference": "the row minus the baseline; figures of each picture are averaged over the seeds of a row first, "
    "then paired by picture",
    "interval": f"{100 * intervals.LEVEL:g} % percentile bootstrap of the difference over eyes, "
    f"{intervals.RESAMPLES} resamples; pictures of one eye are drawn together. It says what other eyes might change",
    "spread between seeds": f"half the width of the {100 * intervals.LEVEL:g} % interval (Student's t, variance pooled "
    "over the seeds of both rows) of the difference of the two means: what other seeds might change. It shrinks with "
    "more seeds, and one seed leaves it unknown",
    "better, worse": "the interval over eyes excludes zero, and the difference is larger than the spread between "
    "seeds; all else is undecided, which does not mean equal",
    "periodic peak": "highest peak of the mean spectrum of all pictures of a run, a checkerboard for example; one "
    "figure for a run, so it is judged by the spread between seeds alone; lower is better",
    "kernel distance": "of generators that follow a style: KID to the photographs of other people, in features of our "
    "own network; one figure for a run, as above",
}


@dataclass(frozen=True)
class Measured:
    """What the evaluation of one run found.

    Attributes:
        pictures: names of the pictures.
        eyes: the eye that each of them shows.
        each: one figure for each picture, by measure; those that every picture has.
        overall: figures of all pictures together (`OF_THE_SET`).
    """

    pictures: tuple[str, ...]
    eyes: tuple[str, ...]
    each: Mapping[str, tuple[float, ...]]
    overall: Mapping[str, float]

    def mean(self, measure: str) -> float:
        """The figure of the run."""
        return self.overall[measure] if measure in self.overall else float(np.mean(self.each[measure]))


def read_measured(evaluation: Path) -> Measured:
    """What the ``pictures.csv`` and ``evaluation.json`` of an evaluation hold, whatever its measures are.

    Raises:
        DataError: they cannot be read.
    """
    do = "Remove that folder and run the same command again"
    try:
        columns, *lines = read_table(evaluation / "pictures.csv")
        rows = [dict(zip(columns, cells, strict=True)) for cells in lines]
        found = read_json(
            evaluation / "evaluation.json", DataError, what="an evaluation", do=do, most_bytes=MOST_EVALUATION_BYTES
        )
        of_others = tuple(f"{baseline}_" for baseline in BASELINE_NAMES)
        measures = [name for name in rows[0] if name not in ("name", "eye") and not name.startswith(of_others)]
        each = {name: tuple(float(row[name] or "nan") for row in rows) for name in measures}
        return Measured(
            tuple(row["name"] for row in rows),
            tuple(row["eye"] for row in rows),
            {name: values for name, values in each.items() if all(map(math.isfinite, values))},
            {name: float(value) for name, path in OF_THE_SET.items() if (value := _at(found, path)) is not None},
        )
    except (DataError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"{evaluation} cannot be read as an evaluation ({type(error).__name__}: {error})",
            do=do,
        ) from error


def _at(values: Any, path: Sequence[str]) -> Any:
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values


class Level(NamedTuple):
    """A measure of one row.

    Attributes:
        mean: over pictures and seeds.
        low: lower end of the interval over eyes; None for a figure of the whole set.
        high: upper end.
        seeds: the figure of each seed.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: tuple[float, ...]


class Difference(NamedTuple):
    """A measure of one row minus that of the baseline.

    Attributes:
        mean: over pictures and seeds.
        low: lower end of the interval over eyes; None for a figure of the whole set.
        high: upper end.
        spread: that the seeds leave (`seed_spread`), or None where it cannot be known.
        outcome: what it shows.
    """

    mean: float
    low: float | None
    high: float | None
    spread: float | None
    outcome: Outcome


def levels(runs: Sequence[Measured]) -> dict[str, Level]:
    """Every measure of a row, over its seeds.

    Args:
        runs: one for each seed, of the same pictures.

    Raises:
        DataError: they are not of the same pictures.
    """
    made: dict[str, Level] = {}
    for measure in _common(runs):
        seeds = tuple(run.mean(measure) for run in runs)
        if measure in OF_THE_SET:
            made[measure] = Level(float(np.mean(seeds)), None, None, seeds)
        else:
            made[measure] = Level(*bootstrap_mean(_averaged(runs, measure), groups=runs[0].eyes)[:3], seeds)
    return made


def compare(runs: Sequence[Measured], baseline: Sequence[Measured]) -> dict[str, Difference]:
    """Every measure that both have: the row minus the baseline.

    Args:
        runs: of the row, one for each seed.
        baseline: likewise; it may have another number of seeds.

    Raises:
        DataError: they are not of the same pictures.
    """
    made: dict[str, Difference] = {}
    eyes = baseline[0].eyes
    for measure in _common([*baseline, *runs]):
        ours, theirs = ([run.mean(measure) for run in some] for some in (runs, baseline))
        spread = seed_spread(ours, theirs)
        if measure in OF_THE_SET:
            mean = float(np.mean(ours) - np.mean(theirs))
            made[measure] = Difference(mean, None, None, spread, outcome(measure, mean, spread=spread))
            continue
        over = bootstrap_difference(_averaged(runs, measure), _averaged(baseline, measure), groups=eyes)
        ends = None if len(set(eyes)) < 2 else (over.low, over.high)
        shown = outcome(measure, over.mean, spread=spread, interval=ends) if ends else "undecided"
        made[measure] = Difference(over.mean, over.low, over.high, spread, shown)
    return made


def _common(runs: Sequence[Measured]) -> list[str]:
    if any(run.pictures != runs[0].pictures for run in runs):
        raise DataError("The runs were evaluated on different pictures", expected="the same test eyes for all")
    names = [*runs[0].each, *runs[0].overall]
    return [name for name in names if all(name in run.each or name in run.overall for run in runs)]


def _averaged(runs: Sequence[Measured], measure: str) -> list[float]:
    """One figure for each picture: its mean over the seeds."""
    return [float(value) for value in np.mean([run.each[measure] for run in runs], axis=0)]


def seed_spread(first: Sequence[float], second: Sequence[float]) -> float | None:
    """How far other seeds might move the difference of two means: half the width of its interval.

    Args:
        first: one figure for each seed of a row.
        second: likewise of the other row.

    Returns:
        Student's t of the level of all intervals here, times the standard error from the pooled variance; None with
        one seed each, which leaves it unknown.

    Source:
        Student's two-sample t, equal variances; Snedecor and Cochran, "Statistical Methods", 1989, section 6.8.

    Example:
        >>> round(seed_spread([1.0, 3.0], [4.0, 4.0]), 3)  # 4.303 x sqrt(2 / 2) x sqrt(1 / 2 + 1 / 2)
        4.303
    """
    freedom = len(first) + len(second) - 2
    if freedom < 1:
        return None
    squares = sum(float(np.sum((np.asarray(row) - np.mean(row)) ** 2)) for row in (first, second))
    error = math.sqrt(squares / freedom * (1 / len(first) + 1 / len(second)))
    return float(stats.t.ppf((1 + intervals.LEVEL) / 2, freedom)) * error


def outcome(measure: str, mean: float, *, spread: float | None, interval: tuple[float, float] | None = None) -> Outcome:
    """What a difference shows: undecided where other eyes or other seeds might turn it round.

    Example:
        >>> outcome("mse", 0.004, spread=0.001, interval=(0.002, 0.006))
        'worse'
        >>> outcome("mse", 0.004, spread=0.005, interval=(0.002, 0.006))
        'undecided'
    """
    if spread is None or abs(mean) <= spread or (interval and interval[0] <= 0 <= interval[1]):
        return "undecided"
    return "better" if (mean < 0) == (measure in LOWER_IS_BETTER) else "worse"


# --- In words ----------------------------------------------------------------------------------------------------


def tendency(differences: Mapping[str, Difference]) -> Tendency:
    """All measures in one word; mixed where some are better and others worse."""
    shown = {difference.outcome for difference in differences.values()} - {"undecided"}
    if len(shown) > 1:
        return "mixed"
    return shown.pop() if shown else "undecided"


def verdict(differences: Mapping[str, Difference], *, diverged: int, runs: int) -> str:
    """What a row shows, in plain words.

    Args:
        differences: to the baseline; empty where nothing could be compared.
        diverged: how many of its runs did.
        runs: how many there are.

    Example:
        >>> verdict({"ssim": Difference(-0.1, -0.2, -0.05, 0.01, "worse")}, diverged=1, runs=3)
        'Diverged in 1 of 3 runs; worse on SSIM in the others.'
    """
    clauses = []
    for shown in ("worse", "better", "undecided"):
        names = [measure_name(name) for name, difference in differences.items() if difference.outcome == shown]
        if names:
            clauses.append(f"{shown} on {'every measure' if len(names) == len(differences) > 1 else listed(names)}")
    found = "; ".join(clauses) if clauses else "nothing to compare"
    if diverged:
        rest = f"; {found} in the others" if diverged < runs else ""
        return f"Diverged in {diverged} of {runs} run{'s' if runs > 1 else ''}{rest}."
    return f"{capital(found)}."


def agreement(
    expected: Expectation | None, differences: Mapping[str, Difference], *, diverged: int
) -> Agreement | None:
    """Whether a row shows what was claimed of it: at least one measure that way, and none the other way.

    A run that diverged counts as worse. None where nothing was claimed that could be tested.

    Example:
        >>> agreement("worse", {"ssim": Difference(-0.1, -0.2, -0.05, 0.01, "worse")}, diverged=0)
        'agrees'
    """
    if expected is None:
        return None
    shown = {difference.outcome for difference in differences.values()} - {"undecided"}
    if diverged:
        shown.add("worse")
    if shown == {expected}:
        return "agrees"
    return "disagrees" if len(shown) == 1 else "cannot be told"


def measure_name(measure: str) -> str:
    """What a measure is called in reports."""
    return NAMES.get(measure, measure.replace("_", " "))


def figure_text(measure: str, value: float, *, signed: bool = False) -> str:
    """A figure with the decimals that it deserves, and perhaps its sign."""
    return f"{value:{'+' if signed else ''}.{DECIMALS.get(measure, 4)}f}"
