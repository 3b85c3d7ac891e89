"""Segmenters as users hold them: a photograph in, an eye with its planes out; or a plain answer why not."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from retinasynth.data.photographs import as_photograph
from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.eye.arteries_veins import agreed_arteries
from retinasynth.images import Mask, Photograph
from retinasynth.networks.running import move_for_generation
from retinasynth.segmentation.fundus import why_no_fundus
from retinasynth.segmentation.landmarks import LEAST_CONFIDENCE, Landmark, landmark_in, side_shown
from retinasynth.segmentation.model import SegmenterModel, load_segmenter
from retinasynth.segmentation.predict import Probability, found_planes, predict, promised_dice, why_no_disc
from retinasynth.segmentation.quality import Quality, measures_of, quality_of
from retinasynth.settings import Laterality
from retinasynth.training.bundled import SEGMENTERS, model_folder
from retinasynth.windows import Window

OUTLINES = ("vessels", "disc-cup")  # what label maps are made of
USUAL = (*OUTLINES, "landmarks")  # what `segment` looks for
_LEAST = 1e-4  # a probability of arteries and veins; what is less likely to be either says nothing


@dataclass(frozen=True)
class Segmentation:
    """What was found in a photograph.

    Attributes:
        eye: the photograph with its planes: ``fov`` and what the segmenters find. A plane that could not be found is
            absent. Its `centres` are the landmarks that were seen surely enough.
        probabilities: by plane, ``float32 (height, width)`` in [0, 1].
        confidence: by plane, the Dice overlap with the truth that its probabilities promise, if they are right.
        doubts: what a person should look at, in sentences.
        landmarks: the middles of ``disc`` and ``fovea``, where a segmenter looked for them.
        quality: how good the photograph is to be segmented, where vessels were looked for.
    """

    eye: Eye
    probabilities: Mapping[str, Probability] = field(repr=False)
    confidence: Mapping[str, float]
    doubts: tuple[str, ...] = ()
    landmarks: Mapping[str, Landmark] = field(default_factory=dict)
    quality: Quality | None = None

    @property
    def side(self) -> tuple[Laterality | None, float]:
        """Which eye it is, and how sure that is (0 to 1), by its landmarks; None where they do not say."""
        return side_shown(self.landmarks)


class Segmenter:
    """Finds label planes in photographs.

    Args:
        model: a network with its configuration.
        name: of the model.

    Example (needs a photograph)::

        found = Segmenter.load("vessels").segment("eye.jpg")
        found.eye.planes["vessels"], found.confidence["vessels"]
    """

    def __init__(self, model: SegmenterModel, name: str) -> None:
        self.name, self.model, self.config = name, model, model.config
        move_for_generation(model.network)

    @classmethod
    def load(cls, model: Path | str) -> Self:
        """A bundled segmenter by its name, or the one in a run folder or a model folder.

        Raises:
            ModelError: there is none, or one of its files is missing, damaged or foreign.
        """
        folder = model_folder(model, bundled=SEGMENTERS, command="segment train")
        return cls(load_segmenter(folder), Path(model).resolve().name)

    def segment(self, photograph: Photograph | Path | str) -> Segmentation:
        """What is in a photograph; see `segment`."""
        return segment(photograph, models=[self])

    def export_onnx(self, out: Path) -> None:
        """Write the network as an ONNX file; see `retinasynth.segmentation.onnx.export_onnx`."""
        from retinasynth.segmentation.onnx import export_onnx  # noqa: PLC0415 - needs an extra

        export_onnx(self.model, Path(out))


def segment(
    photograph: Photograph | Path | str,
    *,
    models: Sequence[Segmenter | Path | str] = USUAL,
    window: Window | None = None,
) -> Segmentation:
    """What is in a fundus photograph: vessels, disc, cup and fovea, or what other segmenters find.

    Args:
        photograph: ``uint8 (height, width, 3)`` or ``(height, width)``, or a file.
        models: segmenters, or what `Segmenter.load` takes.
        window: of a file of more than 8 bits, the values that become black and white; ``"auto"`` takes them from it.

    Returns:
        The eye with its planes, their probabilities, and how far to trust them.

    Raises:
        ImageError: the picture is unreadable, black, too small, or shows no fundus.
        InputError: an array is no photograph.
        ModelError: a model cannot be loaded.

    Example (needs a photograph)::

        rs.segment("eye.jpg").eye.planes["cup"]
    """
    picture, name = as_photograph(photograph, window=window)
    loaded = [model if isinstance(model, Segmenter) else Segmenter.load(model) for model in models]
    planes: dict[str, Mask] = {}
    probabilities: dict[str, Probability] = {}
    landmarks: dict[str, Landmark] = {}
    for segmenter in loaded:
        seen = predict(segmenter.model, picture)
        if segmenter.config.looks == "whole":
            landmarks |= {plane: landmark_in(layer) for plane, layer in seen.probabilities.items()}
            planes |= {"fov": seen.field}
            continue
        planes |= {"fov": seen.field} | found_planes(segmenter.model, seen)
        probabilities |= seen.probabilities
    if "vessels" in planes and {"arteries", "veins"} <= probabilities.keys():
        planes |= _of_one_kind(planes, probabilities)
    confidence = {
        plane: promised_dice(probabilities[plane], mask) for plane, mask in planes.items() if plane in probabilities
    }
    quality = None
    if "vessels" in probabilities:
        quality = quality_of(measures_of(picture, planes["fov"], planes["vessels"], probabilities["vessels"]))
        reason = why_no_fundus(picture, planes["fov"], planes["vessels"], probabilities["vessels"])
        if reason:
            raise ImageError(
                f"{name} does not look like a fundus photograph: {reason}",
                expected="a colour or red-free photograph of a retina",
                do="If it is one, it is too blurred or dark to be read",
            )
    doubts = _doubts(planes, probabilities, confidence)
    centres = {plane: (one.x, one.y) for plane, one in landmarks.items() if one.confidence >= LEAST_CONFIDENCE}
    eye = Eye(name, planes, picture, centres=centres)
    return Segmentation(eye, probabilities, confidence, doubts, landmarks, quality)


def _of_one_kind(planes: Mapping[str, Mask], probabilities: Mapping[str, Probability]) -> dict[str, Mask]:
    """Arteries and veins among the vessels that were found: each is of one kind as far as it goes."""
    likely = [np.clip(probabilities[plane], _LEAST, 1 - _LEAST) for plane in ("arteries", "veins")]
    odds = np.log(likely[0] / likely[1])
    found = agreed_arteries(odds, planes["vessels"], planes.get("disc"), planes["fov"])
    return dict(zip(("arteries", "veins"), found, strict=True))


def _doubts(
    planes: dict[str, Mask], probabilities: Mapping[str, Probability], confidence: Mapping[str, float]
) -> tuple[str, ...]:
    """What a person should look at; a disc that cannot be one is taken out of the planes."""
    if "disc" not in probabilities:
        return ()
    reason = why_no_disc(planes, confidence.get("disc", 0.0))
    if not reason:
        return ()
    planes.pop("disc", None)
    planes.pop("cup", None)
    return (f"No disc: {reason}.",)


@functools.lru_cache(maxsize=1)
def _vessel_finder() -> Segmenter:
    return Segmenter.load("vessels")


def doubt(photograph: Photograph) -> str:
    """Why a picture does not look like a fundus photograph; empty where it does.

    Args:
        photograph: ``uint8 (height, width, 3)``; one that is degraded hides its vessels.
    """
    try:
        segment(photograph, models=[_vessel_finder()])
    except ImageError as error:
        return error.got
    return ""
