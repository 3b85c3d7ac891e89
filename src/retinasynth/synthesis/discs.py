"""The disc in a photograph, where a label map does not tell it."""

import functools
from typing import NamedTuple

from retinasynth.errors import ImageError
from retinasynth.images import Mask, Photograph
from retinasynth.models.prediction import SMALLEST_PX, found_planes, predict, promised_dice, why_no_disc
from retinasynth.models.segmenter_saving import SegmenterModel, load_segmenter
from retinasynth.models.weights import model_folder

_FINDER = "disc-cup"  # the bundled segmenter


class FoundDisc(NamedTuple):
    """A disc, ``bool (height, width)``, or None, and how far the segmenter is to be trusted, 0 to 1."""

    disc: Mask | None
    confidence: float


@functools.lru_cache(maxsize=1)
def _finder() -> SegmenterModel:
    return load_segmenter(model_folder(_FINDER, bundled=(_FINDER,)))


def find_disc(photograph: Photograph) -> FoundDisc:
    """The disc that a segmenter finds, if it can be one."""
    nothing = FoundDisc(None, 0.0)
    if min(photograph.shape[:2]) < SMALLEST_PX:
        return nothing
    finder = _finder()
    try:
        seen = predict(finder, photograph, flips=((),))
    except ImageError:  # black, or of one colour
        return nothing
    planes = {"fov": seen.field} | found_planes(finder, seen)
    confidence = promised_dice(seen.probabilities["disc"], planes["disc"]) if "disc" in planes else 0.0
    return nothing if why_no_disc(planes, confidence) else FoundDisc(planes["disc"], confidence)
