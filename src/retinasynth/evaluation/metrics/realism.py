"""Do generated photographs look like real ones? Distances between two sets, and a classifier that tries to tell them.

All measures take features of pictures (`features`), one row for each, and people: photographs of one person repeat one
another, and a generated photograph repeats the real one whose mask it was made from. Give both the same name.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from retinasynth.checks import checked_seed
from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics.features import checked_features
from retinasynth.evaluation.metrics.subject_bootstrap import (
    RESAMPLES,
    Counts,
    Groups,
    Numbers,
    PairMean,
    People,
    percentile_interval,
)
from retinasynth.intervals import SEED, Estimate

FEWEST_PICTURES = 8  # of either kind, for a classifier to learn from
FEWEST_FOR_FRECHET = 2_048
FOLDS = 5
REPEATS = 4  # of the folds, drawn anew, so that a figure does not hang on one division of few pictures
REGULARISATION = 0.01  # of the logistic regression (scikit-learn's C): strong, since features outnumber pictures

CONVENTIONS = {
    "kernel distance": "squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (KID; Binkowski et al., ICLR "
    "2018), pairs of one person left out; 0 on average where the two do not differ, and then negative as often as "
    "positive; comparable only with the same features; lower is better",
    "halves": "the same distance between random halves, by person, of the real photographs: what no difference looks "
    "like at half as many pictures",
    "Frechet distance": "FID (Heusel et al., NeurIPS 2017), in the features of a network that the user brought; lower "
    "is better",
    "real or synthetic": "balanced accuracy of a fresh classifier on photographs of people that it was not trained on "
    f"(two-sample test of Lopez-Paz and Oquab, ICLR 2017; logistic regression, {FOLDS} folds drawn {REPEATS} times): "
    "0.5 where it cannot tell generated from real, 1 where it recognises every picture",
}

Rows = NDArray[np.floating[Any]]


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


@dataclass(frozen=True)
class Classified:
    """How well a fresh classifier tells generated photographs from real ones.

    Attributes:
        balanced_accuracy: the mean of the two shares below, with its interval over people.
        real_recognised: share of the real photographs that it took for real.
        generated_recognised: share of the generated ones that it took for generated.
    """

    balanced_accuracy: Estimate
    real_recognised: float
    generated_recognised: float

    @property
    def reading(self) -> str:
        """What the figure says, in a sentence."""
        mean, low, _, _ = self.balanced_accuracy
        if low <= 0.5:
            return "A classifier cannot tell generated photographs from real ones at this number of pictures."
        if mean >= 0.995:
            return "A classifier recognises every generated photograph."
        strength = "nearly always" if mean >= 0.95 else "mostly" if mean >= 0.75 else "sometimes"
        return f"A classifier {strength} tells generated photographs from real ones ({mean:.0%} right, by chance 50%)."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "balanced_accuracy": self.balanced_accuracy.to_json(),
            "real_recognised": self.real_recognised,
            "generated_recognised": self.generated_recognised,
            "reading": self.reading,
        }


def real_or_synthetic(
    real: Rows,
    generated: Rows,
    *,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Classified:
    """Whether a classifier that has seen others of both kinds can tell generated photographs from real ones.

    Nobody is on both sides of a fold, and a generated photograph is on the side of the real one of its name: what the
    classifier answers on has never been near its training. The interval is over people with the answers as they are;
    it does not contain that another training set would have given another classifier. Where the two do not differ, few
    pictures give figures well below 0.5 as easily as above it: both mean chance.

    Args:
        real: ``float (n, dimensions)``.
        generated: ``float (m, dimensions)``, of the same features.
        real_groups: the person of each real picture; without it, every picture is a person.
        generated_groups: likewise of the generated ones. A name that both have is one person.
        seed: of the folds and the resampling.
        resamples: number of resampled sets of people.

    Raises:
        DataError: there are fewer than 8 pictures of either kind, or they show fewer than two people.
        InputError: features are not finite or of different dimensions, or groups are missing.

    Source:
        D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017, section 3.
    """
    real, generated = checked_features(real, generated)
    if min(len(real), len(generated)) < FEWEST_PICTURES:
        raise DataError(
            f"{len(real)} real and {len(generated)} generated photographs",
            expected=f"at least {FEWEST_PICTURES} of each, for a classifier to learn from",
        )
    people = People.of(len(real), len(generated), real_groups, generated_groups)
    rows, of_row = np.concatenate([real, generated]), np.concatenate(people)
    is_generated = np.arange(len(rows)) >= len(real)
    folds = min(FOLDS, *(len(np.unique(numbers)) for numbers in people))
    right = np.mean([_right(rows, is_generated, of_row, folds, seed + repeat) for repeat in range(REPEATS)], axis=0)

    counts = people.drawn(seed=seed, resamples=resamples)
    shares = [
        counts
        @ np.bincount(numbers, right[kind], people.total)
        / (counts @ np.bincount(numbers, minlength=people.total))
        for numbers, kind in ((people.real, ~is_generated), (people.generated, is_generated))
    ]
    low, high = percentile_interval(np.mean(shares, axis=0))
    recognised = float(right[~is_generated].mean()), float(right[is_generated].mean())
    return Classified(Estimate(float(np.mean(recognised)), low, high, len(rows)), *recognised)


@dataclass(frozen=True)
class Realism:
    """How far generated photographs are from real ones, in the eyes of one kind of features.

    Attributes:
        features: their name.
        distance: see `kernel_distance`.
        halves: see `halves_distance`; None where there are too few people.
        classified: see `real_or_synthetic`; None where there are too few pictures.
    """

    features: str
    distance: Estimate
    halves: Estimate | None
    classified: Classified | None

    @property
    def reading(self) -> str:
        """What the figures say, in sentences."""
        far = ""
        if self.halves and self.distance.mean > self.halves.high:
            far = ", and farther than random halves of these are from each other"
        elif self.halves:
            far = ", and no farther than random halves of these are from each other"
        differs = self.distance.low > 0
        distance = (
            f"In {self.features} features, generated photographs lie apart from the real ones{far}."
            if differs
            else f"In {self.features} features, the distance to the real photographs is within chance."
        )
        return " ".join([self.classified.reading, distance] if self.classified else [distance])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "features": self.features,
            "kernel_distance": self.distance.to_json(),
            "halves": self.halves.to_json() if self.halves else None,
            "real_or_synthetic": self.classified.to_json() if self.classified else None,
            "reading": self.reading,
        }


def realism(
    real: Rows,
    generated: Rows,
    *,
    features: str,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
) -> Realism:
    """All that few photographs allow to say; see `Realism` for the parts and their arguments.

    Raises:
        DataError: either set shows fewer than two people.
        InputError: features are not finite or of different dimensions, or groups are missing.
    """
    distance = kernel_distance(real, generated, real_groups=real_groups, generated_groups=generated_groups, seed=seed)
    halves = classified = None
    if (len(real) if real_groups is None else len(set(real_groups))) >= 4:
        halves = halves_distance(real, groups=real_groups, seed=seed)
    if min(len(real), len(generated)) >= FEWEST_PICTURES:
        classified = real_or_synthetic(
            real, generated, real_groups=real_groups, generated_groups=generated_groups, seed=seed
        )
    return Realism(features, distance, halves, classified)


def _right(rows: Rows, is_generated: NDArray[np.bool_], people: Numbers, folds: int, seed: int) -> NDArray[np.bool_]:
    """Whether each picture was recognised by a classifier that was trained on the other folds."""
    right = np.zeros(len(rows), np.bool_)
    divisions = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(rows, is_generated, people)
    for others, these in divisions:
        if len(np.unique(is_generated[others])) < 2:
            raise DataError("A fold holds all photographs of one kind", expected="more people of each kind")
        classifier = make_pipeline(
            StandardScaler(), LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000)
        )
        classifier.fit(rows[others], is_generated[others])
        right[these] = classifier.predict(rows[these]) == is_generated[these]
    return right


def _kernel(first: Rows, second: Rows) -> NDArray[np.float64]:
    return np.asarray((first @ second.T / first.shape[1] + 1) ** 3, np.float64)
