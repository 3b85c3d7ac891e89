"""Do generated photographs differ from each other as real ones do, and do they reach all of these?

That is measured by distances in features (`features`); `appearance` looks at style alone.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from retinasynth.errors import DataError
from retinasynth.evaluation.metrics.features import Rows, checked_features
from retinasynth.evaluation.metrics.subject_bootstrap import RESAMPLES, Groups, PairMean, Subjects, ratio_interval
from retinasynth.intervals import SEED, Estimate, bootstrap_mean

NEAREST = 5

CONVENTIONS = {
    "spread": "mean distance in features between generated photographs of different people over that between real ones",
    "coverage": f"share of the real photographs with a generated one nearer than their {NEAREST}th nearest real one "
    "(Naeem et al., ICML 2020); `expected` is what as many pictures of the same kind reach",
}


class Coverage(NamedTuple):
    """How much of the variety of real photographs generated ones reach.

    Attributes:
        share: of the real photographs that are covered, with its interval over people.
        expected: what as many generated pictures of the same kind as the real ones reach.
    """

    share: Estimate
    expected: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"share": self.share.to_json(), "expected": self.expected}


class Diversity(NamedTuple):
    """How varied generated photographs are, in the eyes of one kind of features.

    Attributes:
        spread: see `spread_ratio`.
        coverage: see `coverage`; None where there are too few real photographs.
    """

    spread: Estimate
    coverage: Coverage | None


def measure(
    real: Rows,
    generated: Rows,
    *,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
) -> Diversity:
    """How varied generated photographs are beside real ones.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``, of the same features.
        real_groups: the person of each real picture; without it, every picture is a person.
        generated_groups: likewise of the generated ones. A name that both have is one person.
        seed: of the resampling.

    Raises:
        DataError: either set shows fewer than two people, or all real photographs are one.
        InputError: features are not finite or of different dimensions, or groups are missing.
    """
    spread = spread_ratio(real, generated, real_groups=real_groups, generated_groups=generated_groups, seed=seed)
    return Diversity(spread, coverage(real, generated, groups=real_groups, seed=seed) if len(real) > NEAREST else None)


def spread_ratio(
    real: Rows,
    generated: Rows,
    *,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Mean distance between generated photographs over that between real ones, in features.

    Pairs of pictures of one person are left out, so several generated for one mask do not pass for variety, nor for
    the lack of it. It sees vessels and disc as well as style: pictures of different masks in one style differ, and so
    `appearance` says more of styles.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``, of the same features.
        real_groups: the person of each real picture; without it, every picture is a person.
        generated_groups: likewise of the generated ones. A name that both have is one person.
        seed: of the resampling.
        resamples: number of resampled sets of people.

    Returns:
        The ratio with its interval: 0 where all generated pictures are one, 1 where they differ as real ones do.

    Raises:
        DataError: either set shows fewer than two people, or all real photographs are one.
        InputError: features are not finite or of different dimensions, or groups are missing.

    Example:
        >>> spread_ratio(np.eye(2), 0.5 * np.eye(2)).mean
        0.5
    """
    real, generated = checked_features(real, generated)
    subjects = Subjects.of(len(real), len(generated), real_groups, generated_groups)
    among_real = PairMean(cdist(real, real), subjects.real, subjects.real)
    among_generated = PairMean(cdist(generated, generated), subjects.generated, subjects.generated)
    ours, theirs = float(among_real(subjects.once)), float(among_generated(subjects.once))
    if ours == 0:
        raise DataError("All real photographs are alike", expected="different photographs")
    draws = subjects.drawn(seed=seed, resamples=resamples)
    return Estimate(
        theirs / ours, *ratio_interval(among_generated(draws), among_real(draws)), len(real) + len(generated)
    )


def coverage(
    real: Rows, generated: Rows, *, groups: Groups | None = None, nearest: int = NEAREST, seed: int = SEED
) -> Coverage:
    """Share of the real photographs that have a generated one nearby.

    Nearby is within the distance of the real photograph's `nearest`-th nearest other real one.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``, of the same features.
        groups: the person of each real picture, for the interval.
        nearest: the k of the paper.
        seed: of the resampling.

    Raises:
        DataError: there are not more than `nearest` real photographs.
        InputError: features are not finite or of different dimensions, or groups are missing.

    Source:
        M. Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML 2020, equation 4; the
        expected value is that of its section 3.3.

    Example:
        >>> line = np.arange(4.0)[:, None]
        >>> coverage(line, np.array([[0.2]]), nearest=1).share.mean
        0.5
    """
    real, generated = checked_features(real, generated)
    n, m = len(real), len(generated)
    if n <= nearest:
        raise DataError(f"{n} real photographs", expected=f"more than {nearest}, since the {nearest}th nearest counts")
    among = cdist(real, real)
    np.fill_diagonal(among, np.inf)  # itself, even where another is the same
    reach = np.partition(among, nearest - 1, axis=1)[:, nearest - 1]
    covered = cdist(real, generated).min(axis=1) < reach
    steps = np.arange(1, nearest + 1)
    expected = 1 - float(np.prod((n - steps) / (n + m - steps)))
    return Coverage(bootstrap_mean(covered.astype(np.float64), groups=groups, seed=seed), expected)
