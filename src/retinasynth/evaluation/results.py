"""What an evaluation found, and what may be said of it in plain words."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from retinasynth import intervals
from retinasynth.evaluation.metrics import fidelity, spectrum, structure, vessels_found
from retinasynth.evaluation.metrics.spectrum import Peak
from retinasynth.evaluation.metrics.vessels_found import NOTHING_ASKED, FoundAgain
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.report.sections import Outcome, Section

Measures = dict[str, Estimate]  # by the names of `Figures`

MEASURE_NAMES = {
    "mse": "MSE",
    "ssim": "SSIM",
    "psnr": "PSNR",
    "fov_ssim": "SSIM in view",
    "fov_psnr": "PSNR in view",
    "vessels": "vessels",
    **{
        name: f"{column.title.lower()} ({column.note.partition(',')[0]})"
        for name, column in vessels_found.MEASURES.items()
    },
}
DECIMALS = {"psnr": 2, "fov_psnr": 2}  # 4 for the others
UNITS = {"psnr": " dB", "fov_psnr": " dB"}
LOWER_IS_BETTER = {"mse", *vessels_found.LOWER_IS_BETTER}
SOURCE_PROTOCOL = ("mse", "ssim", "psnr")
BASELINE_NAMES = {
    "mean_image": "the mean training photograph, which ignores the mask",
    "nearest_train": "the photograph of the training eye with the nearest mask, which is only looked up",
    "phantom": "the procedural photograph of the same label map, which is drawn by rules and learnt from none",
    "other_model": "the other model",
}
_LEVEL = f"{100 * intervals.LEVEL:g} %"
CONVENTIONS = {
    **fidelity.CONVENTIONS,
    **structure.CONVENTIONS,
    **spectrum.CONVENTIONS,
    "intervals": f"{_LEVEL} percentile bootstrap of the mean over eyes, {intervals.RESAMPLES} resamples, "
    f"seed {intervals.SEED}; pictures of one eye are drawn together. With fewer than about ten eyes such intervals "
    "are too narrow",
    "differences": "model minus baseline, paired by picture",
    "mean_image": "the mean of the training photographs at that size, the same answer for every mask",
    "nearest_train": "the photograph of the training eye whose vessel mask has the highest Dice overlap",
    "phantom": "the label map drawn by `retinasynth.phantom_photograph`'s renderer in its usual style",
    "other_model": "the model that `--against` names, on the same masks",
    "what these figures miss": "vessels and fine texture make up little of the squared error of a fundus photograph, "
    "most of which is colour and illumination that a vessel mask does not tell",
}


class Figures(NamedTuple):
    """All figures of one picture; not a number where one could not be measured.

    Attributes:
        mse: of the source protocol, as `ssim` and `psnr` (`retinasynth.evaluation.metrics.fidelity`).
        ssim: likewise.
        psnr: likewise.
        fov_ssim: inside the field of view, as `fov_psnr` (`retinasynth.evaluation.metrics.fidelity`).
        fov_psnr: likewise.
        vessels: found again where the mask says (`retinasynth.evaluation.metrics.structure`).
    """

    mse: float = math.nan
    ssim: float = math.nan
    psnr: float = math.nan
    fov_ssim: float = math.nan
    fov_psnr: float = math.nan
    vessels: float = math.nan


@dataclass(frozen=True)
class Picture:
    """One measured picture.

    Attributes:
        name: what its files are called, without suffix.
        eye: the eye or person it shows.
        model: the figures of the generated photograph.
        vessels_in_expected: the vessels found again in the real photograph: what can be reached.
        baselines: the figures of each baseline that could answer for this picture.
        views: encoded pictures for the report, by the title above them.
        found_again: what the reference segmenters found in the generated photograph of the anatomy that was asked for.
    """

    name: str
    eye: str
    model: Figures
    baselines: Mapping[str, Figures]
    views: Mapping[str, bytes] = field(repr=False)
    vessels_in_expected: float = math.nan
    found_again: FoundAgain = NOTHING_ASKED


@dataclass(frozen=True)
class Finding(Section):
    """What one kind of metric has to say: a section of the report, with its values for ``evaluation.json``.

    Attributes:
        values: under the key of the section.
        conventions: how it was measured, by name.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        title: heading of the report.
        about: where the pictures come from: model, data, command, settings, seed, version.
        pictures: every picture with its figures.
        measures: of the model; those that every picture has.
        vessels_in_expected: the same measure of the real photographs, or None where it was not measured.
        baselines: the same measures of each baseline.
        differences: model minus baseline, paired.
        peaks: the highest peak in the mean spectrum of the model (``model``), of the real photographs (``expected``)
            and of the other model; empty where the pictures are of several sizes.
        verdict: plain sentences, the answer first.
        findings: what else was measured.
    """

    title: str
    about: Mapping[str, str]
    pictures: Sequence[Picture] = field(repr=False)
    measures: Measures
    vessels_in_expected: Estimate | None
    baselines: dict[str, Measures]
    differences: dict[str, Measures]
    peaks: Mapping[str, Peak]
    verdict: list[str]
    findings: Sequence[Finding] = ()

    @property
    def source_protocol(self) -> Measures:
        """The three measures behind the published figures."""
        return {name: self.measures[name] for name in SOURCE_PROTOCOL if name in self.measures}

    @property
    def sentences(self) -> list[str]:
        """The verdict, and that of every finding."""
        return [*self.verdict, *(sentence for finding in self.findings for sentence in finding.sentences)]

    def to_json(self) -> dict[str, Any]:
        """What ``evaluation.json`` holds; every figure is ``{mean, low, high, n}``."""
        found = {finding.key: dict(finding.values) for finding in self.findings}
        conventions = {name: text for finding in self.findings for name, text in finding.conventions.items()}
        return {
            "title": self.title,
            "verdict": self.sentences,
            "source_protocol": _plain(self.source_protocol),
            "fov": _plain({name[4:]: self.measures[name] for name in self.measures if name.startswith("fov_")}),
            "structure": _plain(self._structure) | found.pop("structure", {}),
            **found,
            "spectrum": {name: peak.to_json() for name, peak in self.peaks.items()},
            "baselines": {name: _plain(measures) for name, measures in self.baselines.items()},
            "differences": {name: _plain(measures) for name, measures in self.differences.items()},
            "conventions": CONVENTIONS | conventions,
            "about": dict(self.about),
        }

    @property
    def _structure(self) -> Measures:
        found = {"vessels": self.measures["vessels"]} if "vessels" in self.measures else {}
        return found | ({"vessels_in_expected": self.vessels_in_expected} if self.vessels_in_expected else {})


def _plain(measures: Measures) -> dict[str, dict[str, float | int]]:
    return {name: estimate.to_json() for name, estimate in measures.items()}


def summarise(
    title: str,
    pictures: Sequence[Picture],
    about: Mapping[str, str],
    peaks: Mapping[str, Peak] | None = None,
    findings: Sequence[Finding] = (),
    *,
    warning: str = "",
) -> Evaluation:
    """Means, intervals and verdict over at least one picture, with the peaks of their spectra and other findings.

    A warning stands before everything else.

    A baseline counts only where it answers for every picture, so that all means are over the same pictures.
    """
    eyes = [picture.eye for picture in pictures]

    def measured(figures: Callable[[Picture], Figures]) -> dict[str, list[float]]:
        columns = zip(*(figures(picture) for picture in pictures), strict=True)
        named = {name: list(column) for name, column in zip(Figures._fields, columns, strict=True)}
        return {name: column for name, column in named.items() if not any(map(math.isnan, column))}

    model = measured(lambda picture: picture.model)
    answers = {
        baseline: measured(lambda picture, baseline=baseline: picture.baselines[baseline])  # type: ignore[misc]
        for baseline in BASELINE_NAMES
        if all(baseline in picture.baselines for picture in pictures)
    }
    measures = {name: bootstrap_mean(values, groups=eyes) for name, values in model.items()}
    baselines = {
        baseline: {name: bootstrap_mean(values, groups=eyes) for name, values in columns.items()}
        for baseline, columns in answers.items()
    }
    differences = {
        baseline: {
            name: bootstrap_difference(model[name], values, groups=eyes)
            for name, values in columns.items()
            if name in model
        }
        for baseline, columns in answers.items()
    }
    verdict = [*([warning] if warning else []), *_verdict(measures, baselines, differences, eyes=len(set(eyes)))]
    verdict += _on_peaks(peaks or {})
    real = [picture.vessels_in_expected for picture in pictures]
    vessels = None if any(map(math.isnan, real)) else bootstrap_mean(real, groups=eyes)
    return Evaluation(title, about, pictures, measures, vessels, baselines, differences, peaks or {}, verdict, findings)


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
    return f"{value:{'+' if signed else ''}.{DECIMALS.get(measure, 4)}f}"


# --- The verdict -------------------------------------------------------------------------------------------------


def _verdict(
    model: Measures, baselines: dict[str, Measures], differences: dict[str, Measures], *, eyes: int
) -> list[str]:
    if "mse" not in model:
        return ["The generated photographs have no real counterparts, so how close they come cannot be said."]
    if eyes > 1 and model["mse"].high == 0:
        return ["The generated photographs are the real ones, pixel by pixel, so these figures say nothing."]
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
    if "mean_image" in baselines and "nearest_train" not in baselines:
        why = "since not every picture and training eye has a mask"
        sentences.append(f"The baseline of the nearest training eye was left out, {why}.")
    return sentences


def _on_peaks(peaks: Mapping[str, Peak]) -> list[str]:
    if "model" not in peaks:
        return []
    model, real = peaks["model"], peaks.get("expected")
    beside = f"real photographs {real.height_db:.1f} dB, " if real else ""
    figures = (
        f"highest peak of the mean spectrum {model.height_db:.1f} dB at a period of {model.period_text}, {beside}"
        f"limit of chance {model.limit_db:.1f} dB"
    )
    if model.is_pattern(real):
        return [f"The generated photographs carry a periodic pattern, such as a checkerboard: {figures}."]
    return [f"The generated photographs carry no periodic pattern: {figures}."]


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
        f"{figure_text(measure, rival.mean)}{UNITS.get(measure, '')} "
        f"(difference {change}, {_LEVEL} interval {low} to {high})"
    )


def _listed(measures: Sequence[str]) -> str:
    *most, last = (MEASURE_NAMES[name] for name in measures)
    return f"{', '.join(most)} and {last}" if most else last
