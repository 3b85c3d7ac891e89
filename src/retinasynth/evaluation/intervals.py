"""How well a mean over few pictures is known: bootstrap intervals.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A mean with its 95 % interval, from `n` independent eyes."""

    mean: float
    low: float
    high: float
    n: int


def bootstrap_mean(values: Sequence[float], eyes: Sequence[str] | None = None, *, seed: int = 0) -> Estimate:
    """The mean of `values` with its percentile bootstrap interval.

    Pictures of one eye are not independent: eyes are resampled, each with all its pictures.

    Args:
        values: one for each picture; for a paired comparison, the differences.
        eyes: the eye of each picture; None when every picture is of another eye.
        seed: of the resampling.

    Example:
        >>> bootstrap_mean([1.0, 1.0, 1.0])
        Estimate(mean=1.0, low=1.0, high=1.0, n=3)
    """
    numbers = np.asarray(values, dtype=np.float64)
    _, groups = np.unique(range(len(numbers)) if eyes is None else list(eyes), return_inverse=True)
    sums, counts = np.bincount(groups, weights=numbers), np.bincount(groups)
    drawn = np.random.default_rng(seed).integers(0, len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(numbers.mean()), float(low), float(high), len(sums))
