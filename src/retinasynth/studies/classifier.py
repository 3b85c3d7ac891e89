"""The classifier of the study of detection: logistic regression on features of photographs, and its AUC."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from retinasynth.intervals import LEVEL, RESAMPLES, SEED, Estimate

COMPONENTS = 100
FOLDS = 5
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of scikit-learn's C, weak fits to strong ones
WEIGHTS = (0.03, 0.2, 1.0)  # of all synthetic photographs together, to all real ones together


@dataclass(frozen=True)
class Described:
    """Photographs as the classifier sees them.

    Attributes:
        rows: features, ``float (photographs, dimensions)``.
        is_ill: ``bool (photographs,)``: to be referred.
    """

    rows: NDArray[np.floating]
    is_ill: NDArray[np.bool_]

    def standardised(self, as_of: "Described | None" = None) -> "Described":
        """Every feature with mean 0 and at most a standard deviation of 1.

        To its standard deviation, the median one of all features is added in quadrature (as to each gene's in V. Tusher
        et al., PNAS 98(9), 2001): among twenty photographs many a feature hardly varies by chance, and would elsewhere
        outweigh all others.

        Args:
            as_of: photographs that set mean and standard deviation; else these.
        """
        rows = (as_of or self).rows.astype(np.float64)
        spread = rows.std(axis=0)
        steady = np.hypot(spread, np.median(spread)) + 1e-6
        return Described(((self.rows - rows.mean(axis=0)) / steady).astype(np.float32), self.is_ill)


@dataclass(frozen=True)
class Choice:
    """What cross-validation chose.

    Attributes:
        strength: C of the regularisation.
        weight: of all synthetic eyes together, where all real photographs together have 1.
    """

    strength: float
    weight: float = 1.0


def components(kinds: Sequence[Described]) -> NDArray[np.float64]:
    """The directions in which photographs differ most, ``float (dimensions, components)``; each kind counts alike."""
    rows = np.concatenate([kind.rows / np.sqrt(len(kind.rows)) for kind in kinds]).astype(np.float64)
    return np.linalg.svd(rows, full_matrices=False)[2][:COMPONENTS].T


def fitted(real: Described | None, synthetic: Described | None, choice: Choice) -> LogisticRegression:
    """A classifier that learnt from photographs, real or synthetic ones or both, each kind standardised.

    Args:
        real: real photographs; each counts once.
        synthetic: synthetic ones; together they count `Choice.weight` times as much as the real ones.
        choice: how.
    """
    kinds = [(real, 1.0)] if real else []
    if synthetic:
        kinds.append((synthetic, choice.weight * len(real.rows) / len(synthetic.rows) if real else 1.0))
    rows, ill = (np.concatenate(list(of)) for of in zip(*((kind.rows, kind.is_ill) for kind, _ in kinds), strict=True))
    weights = np.concatenate([np.full(len(kind.rows), weight) for kind, weight in kinds])
    return LogisticRegression(C=choice.strength, solver="newton-cholesky", tol=1e-3).fit(rows, ill, weights)


def chosen(real: Described | None, synthetic: Described | None, seed: int) -> Choice:
    """The best choice by cross-validation over the real photographs, by log loss.

    Args:
        real: real photographs; without them, cross-validation goes over the synthetic ones.
        synthetic: learnt from in every fold, where there are real ones.
        seed: of the folds.
    """
    scored = real or synthetic
    if scored is None:
        raise ValueError("nothing to learn from")
    folds = min(FOLDS, int(np.bincount(scored.is_ill, minlength=2).min()))
    divisions = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(scored.rows, scored.is_ill))
    best, least = Choice(STRENGTHS[0]), np.inf
    for strength in STRENGTHS:
        for weight in WEIGHTS if real and synthetic else (1.0,):
            choice = Choice(strength, weight)
            losses = []
            for others, these in divisions:
                part = Described(scored.rows[others], scored.is_ill[others])
                model = fitted(part, synthetic, choice) if real else fitted(None, part, choice)
                losses.append(
                    log_loss(scored.is_ill[these], model.predict_proba(scored.rows[these])[:, 1], labels=[False, True])
                )
            if np.mean(losses) < least:
                best, least = choice, float(np.mean(losses))
    return best


def drawn(is_ill: NDArray[np.bool_], fewest: int, draw: int) -> NDArray[np.intp]:
    """An order of the training photographs whose first few hold at least two of each kind.

    Args:
        is_ill: of each training photograph.
        fewest: the smallest number that is learnt from.
        draw: the same number, the same order.
    """
    random = np.random.default_rng(draw)
    order = random.permutation(len(is_ill))
    while not 2 <= is_ill[order[:fewest]].sum() <= fewest - 2:
        order = random.permutation(len(is_ill))
    return order


# --- The area under the curve --------------------------------------------------------------------------------------


def comparisons(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Whether each positive has a higher score than each negative: 1, 0, or one half where they are the same.

    Its mean is the area under the curve (Mann and Whitney, 1947).

    Args:
        scores: ``float (draws, photographs)``.
        positive: ``bool (photographs,)``.

    Returns:
        ``float (draws, positives, negatives)``.
    """
    above = scores[:, positive, None] - scores[:, None, ~positive]
    return (np.sign(above) + 1) / 2


def bootstrap_area(compared: NDArray[np.float64]) -> Estimate:
    """An area under the curve, or a difference of two, with its interval over photographs and draws.

    Positives, negatives and draws are resampled independently of one another.

    Args:
        compared: what `comparisons` gives, or the difference of two of them, ``float (draws, positives, negatives)``.

    Source:
        A. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007; resampling of positives and
        negatives apart as in M. Pepe, "The Statistical Evaluation of Medical Tests", 2003, section 5.2.

    Example:
        >>> bootstrap_area(np.ones((1, 2, 3)))
        Estimate(mean=1.0, low=1.0, high=1.0, n=5)
    """
    random = np.random.default_rng(SEED)
    draws, positives, negatives = (
        random.multinomial(size, np.full(size, 1 / size), RESAMPLES) / size for size in compared.shape
    )
    of_draw = np.stack([((positives @ one) * negatives).sum(axis=1) for one in compared], axis=1)
    areas = (of_draw * draws).sum(axis=1)
    low, high = np.quantile(areas, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(compared.mean()), float(low), float(high), compared.shape[1] + compared.shape[2])
