"""What costs nothing and must be beaten: photographs that ignore the mask, or merely look it up."""

from collections.abc import Sequence

import numpy as np

from retinasynth import images
from retinasynth.evaluation.fidelity import SIZE_PX
from retinasynth.images import Mask, Photograph


def mean_image(photographs: Sequence[Photograph]) -> Photograph:
    """The mean of the training photographs, ``uint8 (256, 256, 3)``: the same answer to every mask."""
    total = np.zeros((SIZE_PX, SIZE_PX, 3), np.float64)
    for photograph in photographs:
        total += images.resize_photograph(photograph, (SIZE_PX, SIZE_PX))
    return np.rint(total / len(photographs)).astype(np.uint8)


class NearestTrain:
    """Answers a mask with the photograph of the training eye whose mask is nearest (highest Dice, at 256 px).

    Args:
        photographs: of the training eyes.
        masks: vessel masks of the same eyes, in the same order.
    """

    def __init__(self, photographs: Sequence[Photograph], masks: Sequence[Mask]) -> None:
        self._photographs = photographs
        self._masks = np.stack([_flat(mask) for mask in masks])

    def index(self, mask: Mask) -> int:
        """Which training eye is nearest; the first of several.

        Source: Dice, "Measures of the amount of ecologic association between species", Ecology 1945.
        """
        flat = _flat(mask)
        overlap = self._masks @ flat
        dice = 2 * overlap / np.maximum(self._masks.sum(axis=1) + flat.sum(), 1)
        return int(dice.argmax())

    def photograph(self, mask: Mask) -> Photograph:
        """The photograph of the nearest training eye."""
        return self._photographs[self.index(mask)]


def _flat(mask: Mask) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return images.resize_mask(mask, (SIZE_PX, SIZE_PX)).ravel().astype(np.float32)
