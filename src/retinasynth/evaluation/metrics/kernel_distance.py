"""How far apart two sets lie in features: kernel and Frechet distance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from retinasynth.checks import checked_seed
from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics.features import checked_features
from retinasynth.evaluation.metrics.subject_bootstrap import (
    RESAMPLES,
    Counts,
    Groups,
    PairMean,
    People,
    percentile_interval,
)
from retinasynth.intervals import SEED, Estimate

Rows = NDArray[np.floating[Any]]
FEWEST_FOR_FRECHET = 2_048


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
    people = People.of(len(real), len(generated), real_groups, generated_groups)
    within_real = PairMean(_kernel(real, real), people.real, people.real)
    within_generated = PairMean(_kernel(generated, generated), people.generated, people.generated)
    across = PairMean(_kernel(real, generated), people.real, people.generated)

    def distance(counts: Counts) -> NDArray[np.float64]:
        return within_real(counts) + within_generated(counts) - 2 * across(counts)

    low, high = percentile_interval(distance(people.drawn(seed=seed, resamples=resamples)))
    return Estimate(float(distance(people.once)), low, high, len(real) + len(generated))


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
    people = People.of(len(real), len(real), groups, groups)
    count = people.total
    if count < 4:
        raise DataError(f"Photographs of {count} people", expected="at least 4, of whom each half gets 2")
    pairs = PairMean(_kernel(real, real), people.real, people.real)
    draws = np.random.default_rng(checked_seed(seed))
    first = (draws.permuted(np.tile(np.arange(count), (resamples, 1)), axis=1) < count // 2).astype(np.float64)
    second = 1 - first
    distances = pairs(first) + pairs(second) - 2 * pairs(first, second)
    low, high = percentile_interval(distances)
    return Estimate(float(distances.mean()), low, high, len(real))


def frechet_distance(real: Rows, generated: Rows, *, features: str) -> float:
    """The Frechet distance (FID) between real and generated photographs.

    It grows where pictures are few, by more than models differ, and it is known by the features of one network. So it
    is refused where a figure would look like a published one and be none.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``.
        features: the name of what gave them; an `OnnxFeatures`.

    Raises:
        DataError: there are fewer than 2,048 pictures of either kind, or fewer than two for each dimension.
        InputError: the features are those of another network, not finite, or of different dimensions.

    Source:
        M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS
        2017, equation 6; on its bias M. Binkowski et al., 2018, section 4.
    """
    if not features.startswith("network "):
        raise InputError(
            f"A Frechet distance of the features {features!r}",
            expected="those of a network that you bring, OnnxFeatures(FILE)",
            do="Use the kernel distance, which is sound with any features",
        )
    real, generated = checked_features(real, generated)
    wanted = max(FEWEST_FOR_FRECHET, 2 * real.shape[1])
    if min(len(real), len(generated)) < wanted:
        raise DataError(
            f"{len(real)} real and {len(generated)} generated photographs with {real.shape[1]} features",
            expected=f"at least {wanted} of each: a Frechet distance of fewer is mostly bias",
            do="Use the kernel distance, which is unbiased at any number",
        )
    shift = real.mean(axis=0) - generated.mean(axis=0)
    ours, theirs = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (real, generated))
    # The trace of the root of a product, by the eigenvalues of a symmetric matrix that has the same ones.
    values, vectors = linalg.eigh(ours)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(linalg.eigvalsh(root @ theirs @ root), 0)).sum()
    return float(shift @ shift + np.trace(ours) + np.trace(theirs) - 2 * common)


def _kernel(first: Rows, second: Rows) -> NDArray[np.float64]:
    return np.asarray((first @ second.T / first.shape[1] + 1) ** 3, np.float64)
