"""Do generated photographs look like real ones? Distances between two sets, and a classifier that tries to tell them.

All measures take features of pictures (`features`), one row for each, and people: photographs of one person repeat one
another, and a generated photograph repeats the real one whose mask it was made from. Give both the same name.
"""

from dataclasses import dataclass
from typing import Any

from retinasynth.evaluation.metrics.kernel_distance import Rows, halves_distance, kernel_distance
from retinasynth.evaluation.metrics.subject_bootstrap import (
    Groups,
)
from retinasynth.evaluation.metrics.two_sample import FEWEST_PICTURES, FOLDS, REPEATS, Classified, real_or_synthetic
from retinasynth.intervals import SEED, Estimate

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
