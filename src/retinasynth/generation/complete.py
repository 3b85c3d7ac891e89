"""Completing a label map: a styled generator is told where the disc is, even where the label map does not tell.

    rs.complete(eye, model)            # the same eye, with the disc that its most likely photograph shows
    model.generate(eye, complete=False)

What is done is `retinasynth.styled.generator.Styled.complete`; here is who finds the disc for it.
"""

import functools

from retinasynth.data.photographs import SMALLEST_PX
from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.generator import Generator
from retinasynth.images import Photograph
from retinasynth.segmentation.model import SegmenterModel, load_segmenter
from retinasynth.segmentation.predict import found_planes, predict, promised_dice, why_no_disc
from retinasynth.styled.generator import FoundDisc
from retinasynth.training.bundled import model_folder

_FINDER = "disc-cup"  # the bundled segmenter


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


def complete(eye: Eye, model: Generator) -> Eye:
    """The eye with what it does not tell and a generator wants to be told; `Generator.generate` does it by itself.

    Args:
        eye: a label map.
        model: that will photograph it.

    Returns:
        The same eye where nothing is missing, or nothing can be found.
    """
    return model.complete(eye)
