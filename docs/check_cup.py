"""Does the measured vertical cup-to-disc ratio separate glaucoma from healthy eyes? HRF, 15 of each.

    python docs/check_cup.py HRF [MODEL]

The only check there is of a cup that was learnt from grown eyes: HRF has no drawn cups, but its names say who has
glaucoma (``_g``) and who is healthy (``_h``).
"""

import sys
from pathlib import Path

import numpy as np

from retinasynth.data.find import find_eyes
from retinasynth.eye.agreement import area_under_curve
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.segmentation.use import Segmenter, segment

RESAMPLES = 10_000


def interval(ratios: np.ndarray, ill: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of the area under the curve, resampled within each group."""
    random = np.random.default_rng(0)
    groups = np.flatnonzero(ill), np.flatnonzero(~ill)
    areas = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([random.choice(group, len(group)) for group in groups])
        areas.append(area_under_curve(ratios[drawn], ill[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def main(hrf: str, model: str = "disc-cup") -> None:
    """Print the ratio of each eye and the area under the curve."""
    segmenter = Segmenter.load(model)
    ratios, ill = [], []
    for files in find_eyes(Path(hrf)).eyes:
        kind = files.name.rpartition("_")[2]
        if files.photograph is None or kind not in {"g", "h"}:
            continue
        found = segment(files.photograph, models=[segmenter])
        ratio = measure_eye(found.eye).cup_to_disc_vertical if "cup" in found.eye.planes else None
        print(f"{files.name}: {'no disc' if ratio is None else f'{ratio:.2f}'}")  # noqa: T201 - a script
        if ratio is not None:
            ratios.append(ratio)
            ill.append(kind == "g")
    values, truth = np.array(ratios), np.array(ill)
    low, high = interval(values, truth)
    print(  # noqa: T201
        f"vertical cup-to-disc ratio: glaucoma {values[truth].mean():.2f}, healthy {values[~truth].mean():.2f}; AUC "
        f"{area_under_curve(values, truth):.3f} ({low:.3f} to {high:.3f}), {truth.sum()} and {(~truth).sum()} eyes"
    )


if __name__ == "__main__":
    main(*sys.argv[1:3])
