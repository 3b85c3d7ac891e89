"""Answers that need no model. A model that does not beat them has not shown that it follows the mask."""

from collections.abc import Iterable, Sequence

import numpy as np

from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.anatomy.render.style import RenderingStyle
from retinasynth.errors import DataError
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.eye import Eye
from retinasynth.images import Mask, Photograph, resize_mask, resize_photograph

PHANTOM_PX = 512


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


def phantom_of(eye: Eye) -> Photograph:
    """The procedural photograph of a label map in the usual style: what rules know, and no photograph was learnt from.

    Args:
        eye: any planes; its own photograph is not looked at.

    Returns:
        ``uint8 (height, width, 3)``, the longer side at most `PHANTOM_PX`.
    """
    height, width = eye.size
    scale = min(1.0, PHANTOM_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    planes = {name: resize_mask(plane, size) for name, plane in eye.planes.items()}
    return render_photograph(Eye(eye.name, planes), seed=0, style=RenderingStyle())


def _dice(first: Mask, second: Mask) -> float:
    both = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / both if both else 1.0  # two empty masks are equal
