"""The middles of disc and fovea in a photograph, and which eye it shows."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from retinasynth.segmentation.predict import Probability
from retinasynth.settings import Laterality

LEAST_CONFIDENCE = 0.3  # of a landmark that is said
_PART = 0.5  # of the highest probability, from which its surroundings count


class Landmark(NamedTuple):
    """A place in a photograph.

    Attributes:
        x: of its middle, in pixels from the left edge.
        y: from the upper edge.
        confidence: the highest probability there, 0 to 1.
    """

    x: float
    y: float
    confidence: float


def landmark_in(probability: Probability) -> Landmark:
    """Where a landmark most likely is: the weighted middle of the surroundings of the highest probability.

    Args:
        probability: ``float32 (height, width)``.

    Example:
        >>> layer = np.zeros((20, 20), np.float32)
        >>> layer[4:7, 9:12] = 0.8
        >>> x, y, confidence = landmark_in(layer)
        >>> round(x, 1), round(y, 1), round(confidence, 1)
        (10.5, 5.5, 0.8)
    """
    highest = float(probability.max())
    if highest <= 0:
        return Landmark(probability.shape[1] / 2, probability.shape[0] / 2, 0.0)
    parts, _ = ndimage.label(probability >= _PART * highest)
    part = parts == parts[np.unravel_index(int(probability.argmax()), probability.shape)]
    row, column = ndimage.center_of_mass(probability * part)
    return Landmark(float(column) + 0.5, float(row) + 0.5, highest)


def side_shown(landmarks: Mapping[str, Landmark]) -> tuple[Laterality | None, float]:
    """Which eye a photograph shows, and how sure that is; None where disc or fovea are not seen surely enough.

    The fovea lies to the left of the disc in pictures of right eyes.
    """
    if not {"disc", "fovea"} <= landmarks.keys():
        return None, 0.0
    disc, fovea = landmarks["disc"], landmarks["fovea"]
    confidence = min(disc.confidence, fovea.confidence)
    if confidence < LEAST_CONFIDENCE:
        return None, confidence
    return "right" if fovea.x < disc.x else "left", confidence
