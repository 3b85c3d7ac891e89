"""Answers that need no model. A model that does not beat them has not shown that it follows the mask."""

from collections.abc import Iterable, Sequence

import numpy as np

from retinasynth.errors import DataError
from retinasynth.evaluation.fidelity import SIZE_PX
from retinasynth.images import Mask, Photograph, resize_mask, resize_photograph


def mean_image(train_photographs: Iterable[Photograph]) -> Photograph:
    """The mean of the training photographs, the best guess in squared error that ignores the mask.

    Args:
        train_photographs: ``uint8 (height, width, 3)`` of any sizes; read once, one at a time.

    Returns:
        ``uint8 (SIZE_PX, SIZE_PX, 3)``: each photograph is resized first (area average), and only the mean rounded.

    Raises:
        DataError: there are none.

    Example:
        >>> mean_image(np.full((300, 300, 3), value, np.uint8) for value in (10, 11, 13))[0, 0].tolist()
        [11, 11, 11]
    """
    total, count = np.zeros((SIZE_PX, SIZE_PX, 3)), 0
    for photograph in train_photographs:
        total += resize_photograph(photograph, (SIZE_PX, SIZE_PX))
        count += 1
    if not count:
        raise DataError("There are no training photographs", expected="at least one, to take the mean of")
    return np.rint(total / count).astype(np.uint8)


def nearest_train(mask: Mask, train_masks: Sequence[Mask]) -> int:
    """Index of the training eye whose vessel mask has the highest Dice overlap with `mask`, the first of equals.

    Args:
        mask: ``bool (height, width)`` of any size; compared at `SIZE_PX`, resized by nearest.
        train_masks: the same, one for each training eye.

    Raises:
        DataError: there are none.
    """
    if not train_masks:
        raise DataError("There are no training masks", expected="at least one, to find the nearest")
    size = (SIZE_PX, SIZE_PX)
    wanted = resize_mask(mask, size)
    return int(np.argmax([_dice(wanted, resize_mask(candidate, size)) for candidate in train_masks]))


def _dice(first: Mask, second: Mask) -> float:
    both = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / both if both else 1.0  # two empty masks are equal
