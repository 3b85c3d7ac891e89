"""How far are generated photographs from real ones, and how far are real ones from each other?

It takes features of pictures (`features`), one row for each, and people: photographs of one person repeat one another,
and a generated photograph repeats the real one whose mask it was made from. Give both the same name.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retinasynth.checks import checked_seed
from retinasynth.errors import DataError
from retinasynth.evaluation.metrics.features import Rows, checked_features
from retinasynth.evaluation.metrics.subject_bootstrap import (
    RESAMPLES,
    Counts,
    Groups,
    PairMean,
    Subjects,
    percentile_interval,
)
from retinasynth.intervals import SEED, Estimate

FEWEST_FOR_HALVES = 4  # people

CONVENTIONS = {
    "kernel distance": "squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (KID; Binkowski et al., ICLR "
    "2018), pairs of one person left out; 0 on average where the two do not differ, and then negative as often as "
    "positive; comparable only with the same features; lower is better",
    "halves": "the same distance between random halves, by person, of the real photographs: what no difference looks "
    "like at half as many pictures",
}


@dataclass(frozen=True)
class KernelDistance:
    """How far generated photographs are from real ones, in the eyes of one kind of features.

    Attributes:
        features: their name.
        distance: see `kernel_distance`.
        halves: see `halves_distance`; None where there are too few people.
    """

    features: str
    distance: Estimate
    halves: Estimate | None

    @property
    def reading(self) -> str:
        """What the figures say, in a sentence."""
        if self.distance.low <= 0:
            return f"In {self.features} features, the distance to the real photographs is within chance."
        far = ""
        if self.halves:
            farther = "farther" if self.distance.mean > self.halves.high else "no farther"
            far = f", and {farther} than random halves of these are from each other"
        return f"In {self.features} features, generated photographs lie apart from the real ones{far}."


def measure(
    real: Rows,
    generated: Rows,
    *,
    features: str,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
) -> KernelDistance:
    """The kernel distance, beside that of halves of the real photographs where there are enough people.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``, of the same features.
        features: their name.
        real_groups: the person of each real picture; without it, every picture is a person.
        generated_groups: likewise of the generated ones. A name that both have is one person.
        seed: of all that is drawn.

    Raises:
        DataError: either set shows fewer than two people.
        InputError: features are not finite or of different dimensions, or groups are missing.
    """
    distance = kernel_distance(real, generated, real_groups=real_groups, generated_groups=generated_groups, seed=seed)
    is_enough = (len(real) if real_groups is None else len(set(real_groups))) >= FEWEST_FOR_HALVES
    return KernelDistance(
        features, distance, halves_distance(real, groups=real_groups, seed=seed) if is_enough else None
    )


def kernel_distance(
    real: Rows,
    generated: Rows,
    *,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The kernel distance (KID) between real and generated photographs, with its interval.

    The mean of the kernel over pairs of real pictures, plus that over pairs of generated ones, less twice that over
    pairs of one each. Pairs of one person are left out of all three, so it is unbiased for people as the original is
    for pictures; without groups it is the original.

    The interval resamples people. A picture that is drawn twice is never paired with itself, which would add to the
    distance what the pictures do not have. Where the two sets do not differ, the interval is wider than it need be
    (up to 1.7 times), never narrower.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``, of the same features.
        real_groups: the person of each real picture; without it, every picture is a person.
        generated_groups: likewise of the generated ones. A name that both have is one person.
        seed: of the resampling.
        resamples: number of resampled sets.

    Returns:
        The estimate, which may be negative; its `n` counts the pictures of both.

    Raises:
        DataError: either set shows fewer than two people.
        InputError: features are not finite or of different dimensions, or groups are missing.

    Source:
        M. Binkowski et al., "Demystifying MMD GANs", ICLR 2018, section 4; A. Gretton et al., "A kernel two-sample
        test", JMLR 13, 2012, equation 3 (lemma 6). On resampling where the two are alike: M. Arcones and E. Gine, "On
        the bootstrap of U and V statistics", Annals of Statistics 20(2), 1992.

    Example:
        >>> near, far = np.eye(3), np.eye(3) + 1
        >>> kernel_distance(near, far).mean > kernel_distance(near, np.eye(3)).mean
        True
    """
    real, generated = checked_features(real, generated)
    subjects = Subjects.of(len(real), len(generated), real_groups, generated_groups)
    within_real = PairMean(_kernel(real, real), subjects.real, subjects.real)
    within_generated = PairMean(_kernel(generated, generated), subjects.generated, subjects.generated)
    across = PairMean(_kernel(real, generated), subjects.real, subjects.generated)

    def distance(counts: Counts) -> NDArray[np.float64]:
        return within_real(counts) + within_generated(counts) - 2 * across(counts)

    low, high = percentile_interval(distance(subjects.drawn(seed=seed, resamples=resamples)))
    return Estimate(float(distance(subjects.once)), low, high, len(real) + len(generated))


def halves_distance(
    real: Rows, *, groups: Groups | None = None, seed: int = SEED, resamples: int = RESAMPLES
) -> Estimate:
    """The kernel distance between random halves of the real photographs: what "no difference" looks like.

    Args:
        real: ``float (n, dimensions)``.
        groups: the person of each picture; nobody is in both halves.
        seed: of the halves.
        resamples: number of divisions.

    Returns:
        Mean over the divisions, which is near 0, and the interval that 95 of 100 lie in. It is wider than that of
        the whole set would be, since a half has fewer pictures.

    Raises:
        DataError: there are fewer than four people.
        InputError: features are not finite, or groups are missing.
    """
    (real,) = checked_features(real)
    subjects = Subjects.of(len(real), len(real), groups, groups)
    count = subjects.total
    if count < FEWEST_FOR_HALVES:
        raise DataError(
            f"Photographs of {count} people", expected=f"at least {FEWEST_FOR_HALVES}, of whom each half gets 2"
        )
    pairs = PairMean(_kernel(real, real), subjects.real, subjects.real)
    draws = np.random.default_rng(checked_seed(seed))
    first = (draws.permuted(np.tile(np.arange(count), (resamples, 1)), axis=1) < count // 2).astype(np.float64)
    second = 1 - first
    distances = pairs(first) + pairs(second) - 2 * pairs(first, second)
    low, high = percentile_interval(distances)
    return Estimate(float(distances.mean()), low, high, len(real))


def _kernel(first: Rows, second: Rows) -> NDArray[np.float64]:
    return np.asarray((first @ second.T / first.shape[1] + 1) ** 3, np.float64)
