"""How well a mask, or the probabilities of one, agree with what a person drew."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage.morphology import skeletonize

from retinasynth.images import Mask

_ALL_AROUND = np.ones((3, 3), np.bool_)


class Agreement(NamedTuple):
    """Measures of one picture, all inside the field of view; not a number where one is undefined.

    Attributes:
        dice: overlap, 2 |A and B| / (|A| + |B|).
        auc: area under the receiver operating characteristic of the probabilities.
        sensitivity: share of the drawn pixels that were found.
        specificity: share of the other pixels that were left alone.
        cldice: overlap of the centre lines (see `cldice`).
        betti_0_error: difference in the number of connected parts.
        betti_1_error: difference in the number of holes.
    """

    dice: float
    auc: float
    sensitivity: float
    specificity: float
    cldice: float
    betti_0_error: float
    betti_1_error: float


def agreement(found: Mask, drawn: Mask, field: Mask, probability: NDArray[np.floating] | None = None) -> Agreement:
    """All measures of one picture.

    Args:
        found: ``bool (height, width)``.
        drawn: likewise: what it should be.
        field: likewise: where it is compared.
        probability: of being found, ``float (height, width)``; without it the area under the curve is unknown.
    """
    found, drawn = found & field, drawn & field
    hits, absent = int((found & drawn).sum()), int((field & ~drawn).sum())
    ours, theirs = int(found.sum()), int(drawn.sum())
    betti_found, betti_drawn = betti_numbers(found), betti_numbers(drawn)
    return Agreement(
        dice=dice(found, drawn, field),
        auc=np.nan if probability is None else area_under_curve(probability[field], drawn[field]),
        sensitivity=_ratio(hits, theirs),
        specificity=_ratio(absent - (ours - hits), absent),
        cldice=cldice(found, drawn),
        betti_0_error=float(abs(betti_found[0] - betti_drawn[0])),
        betti_1_error=float(abs(betti_found[1] - betti_drawn[1])),
    )


def dice(found: Mask, drawn: Mask, field: Mask) -> float:
    """The overlap of two masks inside a third, `Agreement.dice` alone; not a number where both are empty."""
    found, drawn = found & field, drawn & field
    return _ratio(2 * int((found & drawn).sum()), int(found.sum()) + int(drawn.sum()))


def area_under_curve(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Probability that a positive has a higher score than a negative; ties count half (Mann and Whitney, 1947).

    Args:
        scores: ``float (n,)``.
        positive: ``bool (n,)``.

    Returns:
        0 to 1; not a number where all are of one kind.

    Example:
        >>> area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
        0.75
    """
    count = int(positive.sum())
    others = positive.size - count
    if not count or not others:
        return float("nan")
    ranks = stats.rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))


def cldice(found: Mask, drawn: Mask) -> float:
    """Overlap of centre lines: the harmonic mean of each skeleton's share inside the other mask.

    Returns:
        0 to 1; not a number where one of the two is empty.

    Source:
        S. Shit et al., "clDice - a novel topology-preserving loss function for tubular structure segmentation",
        CVPR 2021, equation 1.
    """
    ours, theirs = (np.asarray(skeletonize(mask), np.bool_) for mask in (found, drawn))  # type: ignore[no-untyped-call]
    precision = _ratio(int((ours & drawn).sum()), int(ours.sum()))
    sensitivity = _ratio(int((theirs & found).sum()), int(theirs.sum()))
    total = precision + sensitivity
    return 2 * precision * sensitivity / total if total > 0 else total


def betti_numbers(mask: Mask) -> tuple[int, int]:
    """Number of parts (connected over corners too) and of holes in them (over edges alone).

    Example:
        >>> ring = np.ones((3, 3), bool)
        >>> ring[1, 1] = False
        >>> betti_numbers(ring)
        (1, 1)
    """
    parts = ndimage.label(mask, _ALL_AROUND)[1]
    holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1  # all that surrounds them is one more
    return int(parts), int(holes)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
