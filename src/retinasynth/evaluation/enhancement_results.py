"""What an evaluation of an enhancer found: its figures beside those of rivals, and what may be said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from retinasynth.enhancement.degradation import Degradation
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.report.sections import Column, Row, Table


class Trial(NamedTuple):
    """One kind of degradation.

    Attributes:
        title: what is done about it.
        degradation: what is done to a clean photograph.
        untouched: what doing nothing is called.
        words: the degradation, in words.
    """

    title: str
    degradation: Degradation
    untouched: str
    words: str


TRIALS = {
    "denoise": Trial(
        "Denoising",
        Degradation(photons=400, noise=0.04),
        "degraded",
        "Poisson noise of 400 photons at white and Gaussian noise of deviation 0.04 of the range",
    ),
    "deblur": Trial(
        "Deblurring",
        Degradation(blur_px=2, noise=0.01),
        "degraded",
        "Gaussian blur of deviation 2 px and Gaussian noise of deviation 0.01 of the range",
    ),
    "x2": Trial("Super-resolution x2", Degradation(scale=2), "bicubic", "reduced to a half by area average"),
    "x4": Trial("Super-resolution x4", Degradation(scale=4), "bicubic", "reduced to a quarter by area average"),
}
MEASURES = {
    "psnr": Column("PSNR", "(dB), higher is better", 2),
    "ssim": Column("SSIM", "higher is better", 4),
    "dice": Column("Vessel Dice", "higher is better", 4),
    "invented": Column("Vessels invented", "share, lower is better", 4),
    "lost": Column("Vessels lost", "share, lower is better", 4),
}
LOWER_IS_BETTER = {"invented", "lost"}
TOLERANCE = 0.004  # of the frame of the field of view: 3 px of the 768 that the reference segmenter sees
CONVENTIONS = {
    "clean": "a test photograph; larger ones are first reduced by area average to the longest side that is given, "
    "which takes their own noise away; cut to multiples of 4 px",
    **{trial.title.lower(): trial.words for trial in TRIALS.values()},
    "noise": "drawn from the name of the photograph and of the trial, so that it is the same for every model",
    "PSNR and SSIM": "inside the field of view, at the size of the clean photograph, values in [0, 1]; SSIM with a "
    "gaussian window of deviation 1.5",
    "enhanced": "the network is told by how much to enlarge and, where `about` says so, whether there is noise and "
    "blur, but not how much",
    "classical": "of several methods and parameters the one of the highest PSNR on pieces of training photographs of "
    "the same set (of its test photographs, to the advantage of the method, where it has no others)",
    "vessel Dice": "of vessels found by the bundled segmenter `judge`, in one look, with those that a person drew",
    "vessels invented": f"share of the vessel pixels found that lie further than {TOLERANCE:.1%} of the frame of the "
    "field of view from every vessel that is found in the clean photograph or drawn",
    "vessels lost": "share of the vessel pixels found in the clean photograph that lie as far from every vessel found",
}
ENHANCED, CLASSICAL, UNTOUCHED = "enhanced", "classical", "untouched"


@dataclass(frozen=True)
class EnhancementResult:
    """What `evaluate_enhancer` found.

    Attributes:
        pictures: one line for each: ``name``, ``subject``, ``clean_dice`` (or None) and ``trials``, by trial and method
            the figures by the names of `MEASURES`; Dice is None where no person drew vessels.
        methods: by trial, the classical method that was chosen.
        about: what was evaluated.
    """

    pictures: Sequence[Mapping[str, Any]]
    methods: Mapping[str, str]
    about: Mapping[str, str]

    def estimate(self, trial: str, method: str, measure: str) -> Estimate | None:
        """The mean of a measure with its interval, or None where it is unknown."""
        known = [(one["trials"][trial][method][measure], one["subject"]) for one in self.pictures]
        known = [(value, subject) for value, subject in known if value is not None]
        if not known:
            return None
        return bootstrap_mean([value for value, _ in known], groups=[subject for _, subject in known])

    def difference(self, trial: str, rival: str, measure: str) -> Estimate | None:
        """Enhanced less a rival, pairwise, or None where it is unknown."""
        both = [
            (*(one["trials"][trial][method][measure] for method in (ENHANCED, rival)), one["subject"])
            for one in self.pictures
        ]
        both = [one for one in both if None not in one]
        if not both:
            return None
        ours, theirs, subjects = zip(*both, strict=True)
        return bootstrap_difference(ours, theirs, groups=subjects)

    @property
    def measures(self) -> list[str]:
        """Those that are known."""
        trial = next(iter(TRIALS))
        return [measure for measure in MEASURES if self.estimate(trial, ENHANCED, measure) is not None]

    @property
    def tables(self) -> list[Table]:
        """One for each trial."""
        return [self.table(trial) for trial in TRIALS]

    def _name(self, trial: str, method: str) -> str:
        names = {ENHANCED: "enhanced", CLASSICAL: self.methods[trial], UNTOUCHED: TRIALS[trial].untouched}
        return names[method]

    def table(self, trial: str) -> Table:
        """The figures of a trial side by side."""
        rows = [
            Row(
                self._name(trial, method),
                {measure: self.estimate(trial, method, measure) for measure in self.measures},
            )
            for method in (ENHANCED, CLASSICAL, UNTOUCHED)
        ]
        if (clean := self.clean_dice) is not None:
            rows.append(Row("clean photograph", {"dice": clean}))
        rows += [
            Row(
                f"enhanced minus {self._name(trial, rival)}",
                {measure: self.difference(trial, rival, measure) for measure in self.measures},
                is_difference=True,
            )
            for rival in (CLASSICAL, UNTOUCHED)
        ]
        columns = {measure: MEASURES[measure] for measure in self.measures}
        return Table(f"{TRIALS[trial].title}: {TRIALS[trial].words}", columns, rows)

    @property
    def clean_dice(self) -> Estimate | None:
        """How well the reference segmenter finds drawn vessels in clean photographs: as well as can be hoped for."""
        known = [(one["clean_dice"], one["subject"]) for one in self.pictures if one["clean_dice"] is not None]
        if not known:
            return None
        return bootstrap_mean([value for value, _ in known], groups=[subject for _, subject in known])

    def said_of(self, trial: str) -> list[str]:
        """The verdict on a trial, bad news first, figures after a colon."""
        sentences = []
        for outcome in ("is worse than", "is not shown to differ from", "beats"):
            for rival in (CLASSICAL, UNTOUCHED):
                found = {measure: self.difference(trial, rival, measure) for measure in self.measures}
                those = {name: one for name, one in found.items() if one is not None and _outcome(name, one) == outcome}
                if not those:
                    continue
                figures = "; ".join(
                    f"{MEASURES[name].title} {one.mean:+.{MEASURES[name].decimals}f} "
                    f"({one.low:+.{MEASURES[name].decimals}f} to {one.high:+.{MEASURES[name].decimals}f})"
                    for name, one in those.items()
                )
                titles = ", ".join(MEASURES[name].title for name in those)
                sentences.append(
                    f"{TRIALS[trial].title} {outcome} {self._name(trial, rival)} on {titles}: difference {figures}."
                )
        return sentences

    @property
    def sentences(self) -> list[str]:
        """The whole verdict."""
        return [sentence for trial in TRIALS for sentence in self.said_of(trial)]

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        won = [
            trial.title.lower().replace("super-resolution", "enlarging")
            for name, trial in TRIALS.items()
            if all(
                _outcome(measure, found) == "beats"
                for measure in ("psnr", "ssim")
                for rival in (CLASSICAL, UNTOUCHED)
                if (found := self.difference(name, rival, measure)) is not None
            )
        ]
        if not won:
            return "In no trial does enhancement beat both the classical method and doing nothing on PSNR and SSIM."
        return f"On PSNR and SSIM it beats the classical method and doing nothing in: {', '.join(won)}."

    def to_json(self) -> dict[str, object]:
        """The result as plain values."""

        def plain(found: Estimate | None) -> dict[str, float | int] | None:
            return found.to_json() if found else None

        return {
            "about": dict(self.about),
            "conventions": CONVENTIONS,
            "classical_methods": dict(self.methods),
            "clean_dice": plain(self.clean_dice),
            "trials": {
                trial: {
                    "measures": {
                        method: {measure: plain(self.estimate(trial, method, measure)) for measure in self.measures}
                        for method in (ENHANCED, CLASSICAL, UNTOUCHED)
                    },
                    "enhanced_minus": {
                        rival: {measure: plain(self.difference(trial, rival, measure)) for measure in self.measures}
                        for rival in (CLASSICAL, UNTOUCHED)
                    },
                }
                for trial in TRIALS
            },
        }


def _outcome(measure: str, difference: Estimate) -> str:
    if difference.low <= 0 <= difference.high:
        return "is not shown to differ from"
    return "beats" if (difference.mean < 0) == (measure in LOWER_IS_BETTER) else "is worse than"
