"""What an evaluation found, and what may be said of it in plain words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from retinasynth.evaluation import fidelity, intervals
from retinasynth.evaluation.fidelity import Fidelity
from retinasynth.evaluation.intervals import Estimate, bootstrap_difference, bootstrap_mean

Measures = dict[str, Estimate]  # by the names of `Fidelity`
Outcome = Literal["better", "worse", "undecided"]

MEASURE_NAMES = {"mse": "MSE", "ssim": "SSIM", "psnr": "PSNR"}
DECIMALS = {"mse": 4, "ssim": 4, "psnr": 2}
UNITS = {"mse": "", "ssim": "", "psnr": " dB"}
LOWER_IS_BETTER = {"mse"}
BASELINE_NAMES = {
    "mean_image": "the mean training photograph, which ignores the mask",
    "nearest_train": "the photograph of the training eye with the nearest mask, which is only looked up",
}
_LEVEL = f"{100 * intervals.LEVEL:g} %"
CONVENTIONS = {
    **fidelity.CONVENTIONS,
    "intervals": f"{_LEVEL} percentile bootstrap of the mean over eyes, {intervals.RESAMPLES} resamples, "
    f"seed {intervals.SEED}; pictures of one eye are drawn together. With fewer than about ten eyes such intervals "
    "are too narrow",
    "differences": "model minus baseline, paired by picture",
    "mean_image": "the mean of the training photographs at that size, the same answer for every mask",
    "nearest_train": "the photograph of the training eye whose vessel mask has the highest Dice overlap",
    "what these figures miss": "vessels and fine texture make up little of the squared error of a fundus photograph, "
    "most of which is colour and illumination that a vessel mask does not tell",
}


@dataclass(frozen=True)
class Picture:
    """One measured picture.

    Attributes:
        name: what its files are called, without suffix.
        eye: the eye or person it shows.
        model: the figures of the generated photograph.
        baselines: the figures of each baseline that could answer for this picture.
        views: encoded pictures for the report, by the title above them.
    """

    name: str
    eye: str
    model: Fidelity
    baselines: Mapping[str, Fidelity]
    views: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        title: heading of the report.
        about: where the pictures come from: model, data, command, settings, seed, version.
        pictures: every picture with its figures.
        source_protocol: the measures of the model.
        baselines: the same measures of each baseline.
        differences: model minus baseline, paired.
        verdict: plain sentences, the answer first.
    """

    title: str
    about: Mapping[str, str]
    pictures: Sequence[Picture] = field(repr=False)
    source_protocol: Measures
    baselines: dict[str, Measures]
    differences: dict[str, Measures]
    verdict: list[str]

    def to_json(self) -> dict[str, Any]:
        """What ``evaluation.json`` holds; every figure is ``{mean, low, high, n}``."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "source_protocol": _plain(self.source_protocol),
            "baselines": {name: _plain(measures) for name, measures in self.baselines.items()},
            "differences": {name: _plain(measures) for name, measures in self.differences.items()},
            "conventions": CONVENTIONS,
            "about": dict(self.about),
        }


def _plain(measures: Measures) -> dict[str, dict[str, float | int]]:
    return {name: estimate.to_json() for name, estimate in measures.items()}


def summarise(title: str, pictures: Sequence[Picture], about: Mapping[str, str]) -> Evaluation:
    """Means, intervals and verdict over at least one picture.

    A baseline counts only where it answers for every picture, so that all means are over the same pictures.
    """
    eyes = [picture.eye for picture in pictures]

    def measured(figures: Callable[[Picture], Fidelity]) -> dict[str, list[float]]:
        columns = zip(*(figures(picture) for picture in pictures), strict=True)
        return {name: list(column) for name, column in zip(Fidelity._fields, columns, strict=True)}

    model = measured(lambda picture: picture.model)
    answers = {
        baseline: measured(lambda picture, baseline=baseline: picture.baselines[baseline])  # type: ignore[misc]
        for baseline in BASELINE_NAMES
        if all(baseline in picture.baselines for picture in pictures)
    }
    source_protocol = {name: bootstrap_mean(values, groups=eyes) for name, values in model.items()}
    baselines = {
        baseline: {name: bootstrap_mean(values, groups=eyes) for name, values in columns.items()}
        for baseline, columns in answers.items()
    }
    differences = {
        baseline: {name: bootstrap_difference(model[name], values, groups=eyes) for name, values in columns.items()}
        for baseline, columns in answers.items()
    }
    verdict = _verdict(source_protocol, baselines, differences, eyes=len(set(eyes)))
    return Evaluation(title, about, pictures, source_protocol, baselines, differences, verdict)


def outcome(measure: str, difference: Estimate) -> Outcome:
    """What a difference, model minus baseline, shows: undecided where its interval includes zero.

    Example:
        >>> outcome("mse", Estimate(0.004, 0.001, 0.007, 8)), outcome("psnr", Estimate(0.4, -0.1, 0.9, 8))
        ('worse', 'undecided')
    """
    if difference.low <= 0 <= difference.high:
        return "undecided"
    return "better" if (difference.mean < 0) == (measure in LOWER_IS_BETTER) else "worse"


def figure_text(measure: str, value: float, *, signed: bool = False) -> str:
    """A figure with the decimals that it deserves.

    Example:
        >>> figure_text("mse", 0.06634), figure_text("psnr", 0.456, signed=True)
        ('0.0663', '+0.46')
    """
    return f"{value:{'+' if signed else ''}.{DECIMALS[measure]}f}"


# --- The verdict -------------------------------------------------------------------------------------------------


def _verdict(
    model: Measures, baselines: dict[str, Measures], differences: dict[str, Measures], *, eyes: int
) -> list[str]:
    if not baselines:
        alone = "These figures stand alone: without photographs of training eyes, nothing tells whether the model "
        return [alone + "does better than an answer that ignores the mask."]
    if eyes < 2:
        return ["All pictures are of one eye, which cannot tell whether the model beats a baseline."]
    first = next(iter(baselines))
    sentences = [_answer(first, differences[first])]
    for baseline, rival in baselines.items():
        sentences += [
            f"On {_listed(measures)} {_CLAIMS[result].format(BASELINE_NAMES[baseline])}: "
            + "; ".join(_against(name, model[name], rival[name], differences[baseline][name]) for name in measures)
            + "."
            for result, measures in _by_outcome(differences[baseline]).items()
        ]
    if "nearest_train" not in baselines:
        why = "since not every picture and training eye has a mask"
        sentences.append(f"The baseline of the nearest training eye was left out, {why}.")
    return sentences


_SHORT_CLAIMS: dict[Outcome, str] = {
    "worse": "does not beat {}",
    "undecided": "is not shown to differ from {}",
    "better": "beats {}",
}
_CLAIMS: dict[Outcome, str] = {  # bad news first
    "worse": "the model does not beat {}; it is worse",
    "undecided": "the model is not shown to differ from {}; the interval of the difference includes zero",
    "better": "the model beats {}",
}


def _by_outcome(differences: Measures) -> dict[Outcome, list[str]]:
    results = {
        result: [name for name, difference in differences.items() if outcome(name, difference) == result]
        for result in _CLAIMS
    }
    return {result: measures for result, measures in results.items() if measures}


def _answer(baseline: str, differences: Measures) -> str:
    clauses: list[str] = []
    for result, measures in _by_outcome(differences).items():
        rival = "it" if clauses else f"{BASELINE_NAMES[baseline]},"
        clauses.append(f"{_SHORT_CLAIMS[result].format(rival)} on {_listed(measures)}")
    return f"The model {', and '.join(clauses)}."


def _against(measure: str, model: Estimate, rival: Estimate, difference: Estimate) -> str:
    change, low, high = (figure_text(measure, figure, signed=True) for figure in difference[:3])
    return (
        f"{MEASURE_NAMES[measure]} {figure_text(measure, model.mean)} against "
        f"{figure_text(measure, rival.mean)}{UNITS[measure]} "
        f"(difference {change}, {_LEVEL} interval {low} to {high})"
    )


def _listed(measures: Sequence[str]) -> str:
    *most, last = (MEASURE_NAMES[name] for name in measures)
    return f"{', '.join(most)} and {last}" if most else last
