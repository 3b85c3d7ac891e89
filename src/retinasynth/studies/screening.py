"""Two groups of eyes, healthy and glaucomatous, separated by one measured ratio."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from retinasynth import intervals
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError, InputError
from retinasynth.eye.agreement import area_under_curve
from retinasynth.images import Photograph
from retinasynth.intervals import Estimate, bootstrap_mean
from retinasynth.progress import progress

GROUPS = ("healthy", "glaucoma")

_HRF = re.compile(r"\d+_(h|g)", re.IGNORECASE)


@dataclass(frozen=True)
class Screening:
    """Two groups of eyes, separated by a measured ratio.

    Attributes:
        ratios: the ratios of each of `GROUPS`.
        means: their means.
        auc: area under the receiver operating characteristic; None where a group has none.
        missing: photographs in which no disc or no cup was found.
    """

    ratios: dict[str, list[float]]
    means: dict[str, Estimate]
    auc: Estimate | None
    missing: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "auc": self.auc and self.auc.to_json(),
            "mean_ratio": {group: mean.to_json() for group, mean in self.means.items()},
            "missing": self.missing,
        }


def screening(members: Sequence[tuple[str, float | None]]) -> Screening:
    """How well a measured ratio separates two groups.

    Args:
        members: the group of each eye, and its measured ratio; None where nothing could be measured.
    """
    ratios = {group: [ratio for other, ratio in members if other == group and ratio is not None] for group in GROUPS}
    return Screening(
        ratios,
        {group: bootstrap_mean(values) for group, values in ratios.items() if values},
        separation(ratios["glaucoma"], ratios["healthy"]) if all(ratios.values()) else None,
        sum(ratio is None for _, ratio in members),
    )


def separation(ill: Sequence[float], healthy: Sequence[float]) -> Estimate:
    """Area under the receiver operating characteristic, with its bootstrap interval, resampled within each group.

    Raises:
        InputError: a group is empty.

    Example:
        >>> separation([0.7, 0.8], [0.3, 0.4]).mean
        1.0
    """
    if not ill or not healthy:
        raise InputError(f"{len(ill)} ill eyes and {len(healthy)} healthy ones", expected="some of each")
    scores, positive = np.array([*ill, *healthy]), np.arange(len(ill) + len(healthy)) < len(ill)
    random = np.random.default_rng(intervals.SEED)
    drawn = [
        np.concatenate([random.choice(ill, len(ill)), random.choice(healthy, len(healthy))])
        for _ in range(intervals.RESAMPLES)
    ]
    areas = [area_under_curve(one, positive) for one in drawn]
    low, high = np.quantile(areas, [(1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2])
    return Estimate(area_under_curve(scores, positive), float(low), float(high), len(scores))


def curve(ill: Sequence[float], healthy: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The receiver operating characteristic: 1 - specificity and sensitivity of every threshold, from (0, 0) on.

    Example:
        >>> [along.tolist() for along in curve([0.7, 0.5], [0.6])]
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0]]
    """
    positive = np.arange(len(ill) + len(healthy)) < len(ill)
    false_alarms, found, _ = roc_curve(positive, [*ill, *healthy], drop_intermediate=False)
    return false_alarms, found


# --- Real photographs ---------------------------------------------------------------------------------------------


def real_photographs(data: Path) -> list[EyeFiles]:
    """The photographs of healthy eyes (``NN_h``) and of glaucoma (``NN_g``) in a folder.

    Raises:
        DataError: one kind is missing.
    """
    found = [
        files
        for files in find_eyes(data, allow_unpaired=True).eyes
        if files.photograph is not None and _HRF.fullmatch(files.name)
    ]
    kinds = {_group_of(files) for files in found}
    if kinds != set(GROUPS):
        lacking = " and no ".join(group for group in GROUPS if group not in kinds)
        raise DataError(
            f"{data} names no {lacking} photographs",
            expected="names as HRF has them: 01_h for a healthy eye, 01_g for glaucoma",
        )
    return found


def _group_of(files: EyeFiles) -> str:
    return GROUPS[0] if files.name.lower().endswith("h") else GROUPS[1]


def measure_real(
    photographs: Sequence[EyeFiles], ratio_of: Callable[[Photograph], float | None]
) -> list[tuple[str, str, float | None]]:
    """Name, group and measured ratio of each of `real_photographs`."""
    measured = []
    with progress("Measuring photographs", len(photographs)) as advance:
        for number, files in enumerate(photographs, start=1):
            measured.append((files.name, _group_of(files), ratio_of(photograph_of(files))))
            advance(number, files.name)
    return measured
