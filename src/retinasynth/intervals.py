"""How far a mean over few pictures can be trusted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth.checks import checked_seed
from retinasynth.errors import InputError

SEED = 0
RESAMPLES = 10_000
LEVEL = 0.95
_DRAWS_AT_ONCE = 4_000_000  # keeps the memory of one block at 100 MB or less, however many pictures there are

Values = Sequence[float] | NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean over pictures and its interval.

    Attributes:
        mean: over all pictures.
        low: lower end of the interval.
        high: upper end of the interval.
        n: number of pictures.
    """

    mean: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int]:
        """The estimate as plain values.

        Example:
            >>> Estimate(0.5, 0.25, 0.75, 8).to_json()
            {'mean': 0.5, 'low': 0.25, 'high': 0.75, 'n': 8}
        """
        return self._asdict()


def bootstrap_mean(
    values: Values,
    *,
    groups: Sequence[str] | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Estimate:
    """The mean of `values` with its percentile bootstrap interval.

    Args:
        values: one finite figure for each picture.
        groups: the eye or person of each picture. Pictures of one group are drawn together, because they repeat one
            another: counting them as independent would make the interval too narrow. Without it, every picture is
            its own group.
        seed: of the resampling; the same seed draws the same pictures for every measure.
        resamples: number of resampled sets.
        level: share of resampled means inside the interval.

    Returns:
        The estimate. A single group leaves nothing to resample: low and high are then the mean itself, which says
        that nothing is known of the spread, not that there is none.

    Raises:
        InputError: there are no values, one is not finite, or there is not one group for each.

    Source:
        B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.

    Example:
        >>> bootstrap_mean([0.25])
        Estimate(mean=0.25, low=0.25, high=0.25, n=1)
    """
    figures = np.asarray(values, dtype=np.float64)
    if figures.ndim != 1 or not figures.size or not np.isfinite(figures).all():
        raise InputError(f"{figures.size} values of shape {figures.shape}", expected="a row of finite figures")
    of_value = _numbered(groups, figures.size)
    sums, counts = np.bincount(of_value, weights=figures), np.bincount(of_value)  # (group,)
    draws = np.random.default_rng(checked_seed(seed))
    block = max(1, _DRAWS_AT_ONCE // sums.size)
    means = []
    for start in range(0, resamples, block):
        drawn = draws.integers(sums.size, size=(min(block, resamples - start), sums.size))  # (resample, group)
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(figures.mean()), float(low), float(high), figures.size)


def bootstrap_difference(
    first: Values,
    second: Values,
    *,
    groups: Sequence[str] | None = None,
) -> Estimate:
    """The mean of ``first - second`` over pictures that both have, with its interval (see `bootstrap_mean`).

    Pairing removes what makes one picture harder than another for both, usually most of the spread.

    Raises:
        InputError: the two have different lengths, or as `bootstrap_mean`.

    Example:
        >>> bootstrap_difference([3.0, 5.0], [1.0, 3.0])
        Estimate(mean=2.0, low=2.0, high=2.0, n=2)
    """
    if len(first) != len(second):
        raise InputError(f"{len(first)} values against {len(second)}", expected="two figures for each picture")
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return bootstrap_mean(differences, groups=groups)


def bootstrap_crossed(
    values: NDArray[np.float64],
    *,
    groups: Sequence[str] | None = None,
) -> Estimate:
    """The mean over repetitions and pictures, with an interval for what others of both might have changed.

    Repetitions and pictures are drawn independently of each other, and every drawn picture counts with every drawn
    repetition. Differences of two methods, repetition by repetition and picture by picture, make a paired comparison.

    Args:
        values: ``float (repetitions, pictures)``, such as one row for each seed of a training.
        groups: the eye or person of each picture, drawn together (see `bootstrap_mean`).

    Returns:
        The estimate; `n` counts pictures. With one repetition, or one group, nothing is known of its spread, and the
        interval is too narrow by it. Few repetitions say little: of three, the interval shows about two thirds of
        their variance.

    Raises:
        InputError: there are no values, one is not finite, or there is not one group for each picture.

    Source:
        A. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007.

    Example:
        >>> bootstrap_crossed(np.array([[0.25, 0.25], [0.25, 0.25]]))
        Estimate(mean=0.25, low=0.25, high=0.25, n=2)
    """
    figures = np.asarray(values, dtype=np.float64)
    if figures.ndim != 2 or not figures.size or not np.isfinite(figures).all():
        raise InputError(f"Values of shape {figures.shape}", expected="a table of finite figures")
    repetitions, pictures = figures.shape
    of_picture = _numbered(groups, pictures)
    counts = np.bincount(of_picture)
    sums = np.stack([np.bincount(of_picture, weights=row) for row in figures])  # (repetition, group)
    draws = np.random.default_rng(SEED)
    rows = draws.multinomial(repetitions, np.full(repetitions, 1 / repetitions), RESAMPLES)  # how often each is drawn
    columns = draws.multinomial(counts.size, np.full(counts.size, 1 / counts.size), RESAMPLES)
    means = ((rows / repetitions) @ sums * columns).sum(axis=1) / (columns @ counts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(figures.mean()), float(low), float(high), pictures)


def _numbered(groups: Sequence[str] | None, pictures: int) -> NDArray[np.intp]:
    """The number of each picture's group: ``(pictures,)``."""
    if groups is None:
        return np.arange(pictures)
    if len(groups) != pictures:
        raise InputError(f"{len(groups)} groups for {pictures} values", expected="one group for each value")
    return np.unique(np.asarray(groups), return_inverse=True)[1]
