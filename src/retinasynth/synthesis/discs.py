"""The disc in a photograph, where a label map does not tell it."""

import functools

import numpy as np

from retinasynth.errors import ImageError
from retinasynth.images import Mask, Photograph
from retinasynth.models.prediction import found_planes, predict
from retinasynth.models.segmenter_saving import SegmenterModel, load_segmenter
from retinasynth.models.weights import model_folder

_FINDER = "disc-cup"  # the bundled segmenter
_SHARES = (0.004, 0.08)  # of the picture that a disc covers, in views of 60 to 20 degrees
_LEAST_ROUND = 0.85  # of the ellipse in its box that a disc fills
_MOST_LONG = 1.5  # height over width, or the other way round


@functools.lru_cache(maxsize=1)
def _finder() -> SegmenterModel:
    return load_segmenter(model_folder(_FINDER, bundled=(_FINDER,)))


def find_disc(photograph: Photograph) -> Mask:
    """The disc that a segmenter finds, ``bool (height, width)``; empty where it finds none of a possible shape."""
    finder, nothing = _finder(), np.zeros(photograph.shape[:2], np.bool_)
    try:
        disc = found_planes(finder, predict(finder, photograph, flips=((),)))["disc"]
    except ImageError:  # too dark or too small to be a photograph
        return nothing
    return disc if is_possible(disc) else nothing


def is_possible(disc: Mask) -> bool:
    """Whether a mask has the size and the shape of a disc."""
    if not _SHARES[0] < disc.mean() < _SHARES[1]:
        return False
    height, width = (np.ptp(np.flatnonzero(disc.any(axis=axis))) + 1 for axis in (1, 0))
    is_round = disc.sum() > _LEAST_ROUND * np.pi / 4 * height * width
    return bool(is_round and max(height / width, width / height) < _MOST_LONG)
