"""Can a classifier tell generated photographs from real ones, on people that it was not trained on?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from retinasynth.errors import DataError
from retinasynth.evaluation.metrics.features import Rows, checked_features
from retinasynth.evaluation.metrics.subject_bootstrap import RESAMPLES, Groups, Numbers, Subjects, percentile_interval
from retinasynth.intervals import SEED, Estimate

FEWEST_PICTURES = 8  # of either kind, for a classifier to learn from
FOLDS = 5
REPEATS = 4  # of the folds, drawn anew, so that a figure does not hang on one division of few pictures
REGULARISATION = 0.01  # of the logistic regression (scikit-learn's C): strong, since features outnumber pictures

CONVENTIONS = {
    "real or synthetic": "balanced accuracy of a fresh classifier on photographs of people that it was not trained on "
    f"(two-sample test of Lopez-Paz and Oquab, ICLR 2017; logistic regression, {FOLDS} folds drawn {REPEATS} times): "
    "0.5 where it cannot tell generated from real, 1 where it recognises every picture",
}


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


def measure(
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
    subjects = Subjects.of(len(real), len(generated), real_groups, generated_groups)
    rows, of_row = np.concatenate([real, generated]), np.concatenate(subjects)
    is_generated = np.arange(len(rows)) >= len(real)
    folds = min(FOLDS, *(len(np.unique(numbers)) for numbers in subjects))
    right = np.mean([_right(rows, is_generated, of_row, folds, seed + repeat) for repeat in range(REPEATS)], axis=0)

    counts = subjects.drawn(seed=seed, resamples=resamples)
    shares = [
        counts
        @ np.bincount(numbers, right[kind], subjects.total)
        / (counts @ np.bincount(numbers, minlength=subjects.total))
        for numbers, kind in ((subjects.real, ~is_generated), (subjects.generated, is_generated))
    ]
    low, high = percentile_interval(np.mean(shares, axis=0))
    recognised = float(right[~is_generated].mean()), float(right[is_generated].mean())
    return Classified(Estimate(float(np.mean(recognised)), low, high, len(rows)), *recognised)


def _right(rows: Rows, is_generated: NDArray[np.bool_], subjects: Numbers, folds: int, seed: int) -> NDArray[np.bool_]:
    """Whether each picture was recognised by a classifier that was trained on the other folds."""
    right = np.zeros(len(rows), np.bool_)
    divisions = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(rows, is_generated, subjects)
    for others, these in divisions:
        if len(np.unique(is_generated[others])) < 2:
            raise DataError("A fold holds all photographs of one kind", expected="more people of each kind")
        classifier = make_pipeline(
            StandardScaler(), LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000)
        )
        classifier.fit(rows[others], is_generated[others])
        right[these] = classifier.predict(rows[these]) == is_generated[these]
    return right
