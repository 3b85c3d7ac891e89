"""What an evaluation found: the types that measuring, judging and reporting share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from retinasynth.evaluation.fidelity import CONVENTION, Fidelity
from retinasynth.evaluation.intervals import Estimate
from retinasynth.images import Mask, Photograph

MODEL = "model"
MEAN_IMAGE = "mean_image"
NEAREST_TRAIN = "nearest_train"
NAMES = {
    MEAN_IMAGE: "the mean training photograph, which ignores the mask",
    NEAREST_TRAIN: "the training photograph whose mask is nearest",
}
LOWER_IS_BETTER = {"mse": True, "ssim": False, "psnr": False}
LABELS = {"mse": "MSE", "ssim": "SSIM", "psnr": "PSNR"}


class Example(NamedTuple):
    """One test picture: ``uint8 (height, width, 3)`` photographs, and the mask where it is known."""

    name: str
    eye: str
    mask: Mask | None
    generated: Photograph
    expected: Photograph


@dataclass(frozen=True)
class Row:
    """One test picture at 256 x 256 with the measures of the model and of each baseline."""

    example: Example
    fidelity: Mapping[str, Fidelity]  # by MODEL, MEAN_IMAGE, NEAREST_TRAIN


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        rows: one for each picture.
        figures: ``figures[who][measure]``, who being MODEL or a baseline.
        differences: ``differences[baseline][measure]``: model minus baseline, paired.
        verdict: in plain sentences.
        about: what was evaluated, for the report.
    """

    rows: tuple[Row, ...]
    figures: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    verdict: tuple[str, ...]
    about: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The content of ``evaluation.json``."""
        figures = {who: {name: value._asdict() for name, value in of.items()} for who, of in self.figures.items()}
        return {
            "source_protocol": figures[MODEL],
            "baselines": {who: of for who, of in figures.items() if who != MODEL},
            "differences": {
                who: {name: value._asdict() for name, value in of.items()} for who, of in self.differences.items()
            },
            "verdict": list(self.verdict),
            "conventions": {
                "source_protocol": CONVENTION,
                "intervals": "95 % percentile bootstrap over eyes, 10,000 resamples; differences are paired",
            },
            "about": dict(self.about),
        }


def formatted(measure: str, value: float) -> str:
    """A figure with its usual decimals and unit."""
    return f"{value:.2f} dB" if measure == "psnr" else f"{value:.4f}"
