"""How good a photograph is to be segmented: usable, doubtful or useless, and why.

Expected is the share of the vessels (1 - Dice) that segmentation loses in it, against the same photograph taken well: a
logistic function of how far the photograph is from a usual one in several ways, each of which can only make it worse.
Its weights were learnt from photographs that were degraded in known ways (`docs/learnt_quality.py`). All measures are
taken in a frame of one size, so that the pixels of a picture do not count.
"""

import functools
import json
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.eye.frame import frame_of, into_frame
from retinasynth.images import Mask, Photograph
from retinasynth.segmentation.predict import Probability, promised_dice
from retinasynth.training.bundled import HERE

Grade = Literal["usable", "doubtful", "useless"]

WORKING_PX = 256  # diameter of the field of view: no photograph that is accepted has less
MOST_USABLE, MOST_DOUBTFUL = 0.15, 0.4  # expected losses
_AROUND_PX = 16  # deviation of what is called the surroundings
_DEEP, _BRIGHT = 0.5, 1.8  # times the median light: what is darker is in shadow, what is brighter in a reflex
_LEAST = 1e-3  # of what a logarithm is taken of


class Measures(NamedTuple):
    """What is measured of a photograph; each is a share or a ratio.

    Attributes:
        light: median brightness of the field of view, 0 to 1.
        contrast: median local standard deviation over the local mean, in green.
        sharpness: energy of the finest details over that of coarser ones, in green.
        shadow: share of the field of view in which it is less than half as light as in its middle value.
        reflex: share in which it is much lighter.
        view: share of the whole circle that is in the picture.
        vessels: share of the field of view that was found to be vessel.
        sureness: the Dice that the probabilities of these vessels promise.
    """

    light: float
    contrast: float
    sharpness: float
    shadow: float
    reflex: float
    view: float
    vessels: float
    sureness: float


class Quality(NamedTuple):
    """What to expect of a photograph.

    Attributes:
        grade: usable, doubtful or useless.
        reasons: what is wrong, in a word or two each; empty where it is usable.
        expected_loss: of the vessels, 0 to 1.
    """

    grade: Grade
    reasons: tuple[str, ...]
    expected_loss: float


def measures_of(photograph: Photograph, field: Mask, vessels: Mask, probability: Probability) -> Measures:
    """The measures of a photograph.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        field: its field of view, ``bool (height, width)``.
        vessels: as found, likewise.
        probability: of these, ``float32 (height, width)``.
    """
    frame = frame_of(field)
    small = into_frame(photograph, frame, WORKING_PX).astype(np.float64) / 255
    inside = into_frame(field.astype(np.uint8) * np.uint8(255), frame, WORKING_PX) > 127
    core = ndimage.binary_erosion(inside, iterations=6)
    core = core if core.any() else inside
    green, light = small[..., 1], small.max(axis=2)
    middle = float(np.median(light[core]))
    local = _smooth(light, inside, _AROUND_PX)
    mean = _smooth(green, inside, 4)
    spread = np.sqrt(np.maximum(_smooth(green**2, inside, 4) - mean**2, 0)) / (mean + 0.02)
    fine, coarse = (_energy(green, inside, core, *scales) for scales in ((0, 1), (1, 3)))
    return Measures(
        light=middle,
        contrast=float(np.median(spread[core])),
        sharpness=fine / max(coarse, 1e-9),
        shadow=float(np.mean(local[core] < _DEEP * middle)),
        reflex=float(np.mean(local[core] > _BRIGHT * max(middle, 0.05))),
        view=float(inside.sum() / (math.pi / 4 * WORKING_PX**2)),
        vessels=float(vessels.sum() / max(int(field.sum()), 1)),
        sureness=promised_dice(probability, vessels),
    )


def faults_of(measures: Measures, usual: Mapping[str, float]) -> dict[str, float]:
    """How far a photograph is from a usual one in each way that may be wrong, at least 0, by name.

    Args:
        measures: of the photograph.
        usual: the medians of photographs that are taken well, by measure.
    """

    def below(name: str) -> float:
        return math.log(usual[name]) - math.log(max(getattr(measures, name), _LEAST))

    faults = {
        "dark": below("light"),
        "low contrast": below("contrast"),
        "blurred": below("sharpness"),
        "grainy": -below("sharpness"),
        "shadow": measures.shadow - usual["shadow"],
        "reflex": measures.reflex - usual["reflex"],
        "field cut": usual["view"] - measures.view,
        "few vessels seen": below("vessels"),
        "vessels in doubt": usual["sureness"] - measures.sureness,
    }
    return {name: max(fault, 0.0) for name, fault in faults.items()}


def quality_of(measures: Measures) -> Quality:
    """What to expect of a photograph with these measures."""
    learnt = _learnt()
    faults = faults_of(measures, learnt["usual"])
    odds = learnt["bias"] + sum(learnt["weights"][name] * fault for name, fault in faults.items())
    loss = 1 / (1 + math.exp(-odds))
    grade: Grade = "usable" if loss <= MOST_USABLE else "doubtful" if loss <= MOST_DOUBTFUL else "useless"
    if grade == "usable":
        return Quality(grade, (), loss)
    reasons = tuple(name for name, fault in faults.items() if fault > learnt["limits"][name])
    return Quality(grade, reasons or (max(faults, key=lambda name: learnt["weights"][name] * faults[name]),), loss)


@functools.cache
def _learnt() -> dict[str, Any]:
    learnt: dict[str, Any] = json.loads((HERE / "quality.json").read_text(encoding="utf-8"))
    return learnt


def _smooth(values: NDArray[np.float64], inside: Mask, deviation: float) -> NDArray[np.float64]:
    """The mean around each pixel inside the field of view."""
    amount = ndimage.gaussian_filter(inside.astype(np.float64), deviation)
    return np.asarray(ndimage.gaussian_filter(np.where(inside, values, 0), deviation) / np.maximum(amount, 1e-3))


def _energy(values: NDArray[np.float64], inside: Mask, core: Mask, finer: float, coarser: float) -> float:
    """Root mean square of what lies between two scales of smoothing."""
    layers = [_smooth(values, inside, scale) if scale else values for scale in (finer, coarser)]
    return float(np.sqrt(np.mean((layers[0] - layers[1])[core] ** 2)))
