"""What a search for settings found: every trial, the best one beside the start, and how far to trust it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import retinasynth
from retinasynth.data.find import DataSet
from retinasynth.data.matching import EyeFiles
from retinasynth.evaluation.results import LOWER_IS_BETTER, MEASURE_NAMES, figure_text, outcome
from retinasynth.generation.train import GeneratorSettings
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.studies.runs import pictures_seen
from retinasynth.studies.space import Search, Value
from retinasynth.studies.table import settings_text

State = Literal["finished", "pruned", "diverged", "impossible"]

CONVENTIONS = {
    "value": "mean of the measure over all eyes that were held out, each judged by the run that saw no eye of that "
    "person",
    "folds": "the people of the training split, dealt by a hash of their names into parts of about one size, or the "
    "validation eyes of the set; test eyes are not used",
    "budget": "every run of a fold sees as many pictures, as near as whole epochs come; a larger batch therefore makes "
    "fewer steps",
    "interval": "95 % percentile bootstrap over eyes. It knows nothing of other seeds, and of a best trial nothing of "
    "the choice among many, which flatters it",
    "diverged": "a loss or weight stopped being a finite number; such a trial has no value, and the search keeps away",
    "pruned": "given up after a fold, being worse by then than the median of the trials before (with --prune)",
    "importance": "share of each setting in telling the best tenth of the trials from the others (PED-ANOVA; Watanabe "
    "et al., IJCAI 2023); a hint, and none is given with few trials",
    "search": "tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), a sampler of its own seed for each "
    "trial; the first ten are random but for the start",
}


@dataclass(frozen=True)
class Trial:
    """One try.

    Attributes:
        number: from 1, which is the start.
        params: settings that it tried, by full name.
        state: how it ended.
        by_fold: mean of the measure over the pictures up to and including each fold.
        pictures: the measure of each held-out picture.
        why: it diverged or was impossible.
    """

    number: int
    params: Mapping[str, Value]
    state: State
    by_fold: tuple[float, ...]
    pictures: Mapping[str, float] = field(repr=False)
    why: str = ""

    @property
    def value(self) -> float | None:
        """Its mean over all pictures; None where it did not finish."""
        return self.by_fold[-1] if self.state == "finished" else None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "by_fold": list(self.by_fold), "value": self.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        names = ("number", "params", "state", "pictures", "why")
        return cls(**{name: values[name] for name in names}, by_fold=tuple(values["by_fold"]))


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Attributes:
        title: heading of its report.
        verdict: plain sentences, the answer first.
        measure: that was improved.
        space: what was searched.
        trials: in their order.
        best: the best that finished, or None.
        difference: best minus start over eyes, or None where there are not both.
        importances: of the settings, greatest first; empty with too few trials.
        about: data, settings, folds, budget, version.
    """

    title: str
    verdict: list[str]
    measure: str
    space: Mapping[str, Search]
    trials: Sequence[Trial]
    best: Trial | None
    difference: Estimate | None
    importances: Mapping[str, float]
    about: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """What ``tuning.json`` holds."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "measure": self.measure,
            "best": None if self.best is None else self.best.number,
            "best_minus_start": None if self.difference is None else self.difference.to_json(),
            "importances": dict(self.importances),
            "space": {name: search.model_dump(mode="json") for name, search in self.space.items()},
            "trials": [trial.to_json() for trial in self.trials],
            "conventions": CONVENTIONS,
            "about": dict(self.about),
        }


def summarise(
    found: DataSet,
    files: Sequence[EyeFiles],
    validation: Sequence[EyeFiles],
    base: GeneratorSettings,
    space: Mapping[str, Search],
    measure: str,
    folds: int,
    trials: Sequence[Trial],
    importances: Mapping[str, float],
) -> Tuning:
    """Find the best trial and say how far to trust it.

    Args:
        found: the data set.
        files: its training eyes.
        validation: its validation eyes, where these were held out instead of folds.
        base: settings that the search started from.
        space: what was searched.
        measure: that was improved.
        folds: how many.
        trials: in their order.
        importances: of the settings.
    """
    best = best_of(trials, measure)
    eye_of = {one.name: one.eye for one in (*files, *validation)}
    start = trials[0] if trials[0].state == "finished" else None
    names = sorted(best.pictures) if best else []
    groups = [eye_of[name] for name in names]
    difference = None
    if best and start and best is not start:
        ours, theirs = ([trial.pictures[name] for name in names] for trial in (best, start))
        difference = bootstrap_difference(ours, theirs, groups=groups)
    subjects, eyes = len({one.subject for one in files}), len(set(eye_of.values()))
    held_out = f"none: the {len(validation)} validation pictures were held out" if validation else f"{folds}, by person"
    about = {
        "Data": f"{found.folder.name}: {len(files)} training pictures of {eyes} eyes of {subjects} people",
        "Folds": f"{held_out}; test eyes were not used",
        "Start": settings_text(base),
        "Budget": f"as many pictures seen as the start sees, which with all training eyes is "
        f"{pictures_seen(base, files):,}",
        "Seed": f"{base.training.seed} for every training; for the search this and the number of the trial",
        "retinasynth": retinasynth.__version__,
    }
    verdict = _verdict(measure, trials, best, difference, groups)
    title = f"Search of settings for {MEASURE_NAMES[measure]} on {found.folder.name}"
    return Tuning(title, verdict, measure, space, trials, best, difference, importances, about)


def best_of(trials: Sequence[Trial], measure: str) -> Trial | None:
    """The best of those that finished; the earliest of equals."""
    finished = [trial for trial in trials if trial.value is not None]
    sign = 1 if measure in LOWER_IS_BETTER else -1
    return min(finished, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def _verdict(
    measure: str, trials: Sequence[Trial], best: Trial | None, difference: Estimate | None, eyes: Sequence[str]
) -> list[str]:
    name = MEASURE_NAMES[measure]
    if best is None:
        return [f"None of {len(trials)} trials finished, so nothing can be recommended."]
    level = bootstrap_mean([best.pictures[one] for one in sorted(best.pictures)], groups=eyes)
    mean, low, high = (figure_text(measure, one) for one in level[:3])
    figures = f"{name} {mean} (95 % interval {low} to {high})"
    if best.number == 1:
        sentences = [
            f"No trial of {len(trials)} does better than the settings that the search started from: {figures}."
        ]
    elif difference is None:
        sentences = [f"Trial {best.number} is the best of {len(trials)}: {figures}. The start itself did not finish."]
    else:
        shown = outcome(measure, difference) if len(set(eyes)) > 1 else "undecided"
        claim = "is better than the start" if shown == "better" else "is not shown to be better than the start"
        change, low, high = (figure_text(measure, one, signed=True) for one in difference[:3])
        sentences = [
            f"Trial {best.number}, the best of {len(trials)}, {claim}.",
            f"{figures}; difference to the start {change} (95 % interval {low} to {high}).",
        ]
    if best.number > 1:
        sentences.append(
            "The best of many on the same eyes is flattered by the choice. Train with best.yaml and evaluate on the "
            "test eyes, which this search has not seen."
        )
    ends = {state: sum(trial.state == state for trial in trials) for state in ("diverged", "impossible", "pruned")}
    unfinished = [f"{count} {state}" for state, count in ends.items() if count]
    return sentences + ([f"Not finished: {', '.join(unfinished)}."] if unfinished else [])
