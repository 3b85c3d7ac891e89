"""How believable grown vessels are: `python docs/check_growth.py CHASE_DB1 [--eyes 200] [--sheet sheet.png]`.

Grown disc-centred eyes of children are measured beside the 28 real masks of CHASE_DB1 (first observer) at the same
scale, from the vessels alone. The discs of the real eyes were marked by eye (chasedb1_discs.csv). Printed are the real
10 to 90 % band, the median of the grown eyes, and how well classifiers tell the two apart, in folds that keep both eyes
of a child together.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from compared_masks import drawn_eyes
from retinasynth import images
from retinasynth.anatomy.grow import grow
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye

MEASURES = (
    "vessel_density",
    "fractal_dimension",
    "tortuosity",
    "calibre_mean_px",
    "branch_points",
    "density_ring_1",
    "density_ring_2",
    "density_ring_3",
    "density_ring_4",
)
SIZE_PX = 938  # at this size the circle of a grown eye is as wide as CHASE_DB1's, 919 px
REDRAWS = 2000


def grown_eye(seed: int) -> Eye:
    """A child's eye as CHASE_DB1's camera would show it, with what was marked of the real ones alone."""
    eye = grow(seed, SIZE_PX, people="child", centred_on="disc", angle_deg=30)
    return Eye(eye.name, {name: eye.planes[name] for name in ("vessels", "fov", "disc")}, geometry=eye.geometry)


def measured(eye: Eye) -> list[float]:
    """The compared measures."""
    values = asdict(measure_eye(eye))
    return [values[name] for name in MEASURES]


def measured_grown(seed: int) -> list[float]:
    """The compared measures of a grown eye."""
    return measured(grown_eye(seed))


def balanced_accuracy(is_real: np.ndarray, guessed: np.ndarray) -> float:
    """Mean of the shares of real and of grown eyes that are told right."""
    return float((guessed[is_real].mean() + (~guessed[~is_real]).mean()) / 2)


def told_apart(real: np.ndarray, grown: np.ndarray, children: np.ndarray) -> dict[str, tuple[float, float, float]]:
    """Balanced accuracy of each classifier out of fold, with a 95 % interval over children and grown eyes."""
    values, is_real = np.concatenate([real, grown]), np.repeat([True, False], [len(real), len(grown)])
    number_of_children = int(children.max()) + 1
    folds = np.concatenate([children, np.arange(len(grown)) % number_of_children])
    classifiers = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")),
        "support vectors (radial)": make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
        "random forest": RandomForestClassifier(
            400, class_weight="balanced_subsample", min_samples_leaf=5, random_state=0
        ),
    }
    random = np.random.default_rng(0)
    results = {}
    for name, classifier in classifiers.items():
        guessed = np.zeros(len(values), np.bool_)
        for fold in range(number_of_children):
            held_out = folds == fold
            guessed[held_out] = classifier.fit(values[~held_out], is_real[~held_out]).predict(values[held_out])
        redrawn = []
        for _ in range(REDRAWS):
            kids = random.integers(number_of_children, size=number_of_children)
            chosen = np.concatenate([np.flatnonzero(children == kid) for kid in kids])
            others = len(real) + random.integers(len(grown), size=len(grown))
            both = np.concatenate([chosen, others])
            redrawn.append(balanced_accuracy(is_real[both], guessed[both]))
        low, high = np.percentile(redrawn, [2.5, 97.5])
        results[name] = balanced_accuracy(is_real, guessed), float(low), float(high)
    return results


def write_sheet(path: Path, real: list[Eye], side: int = 320) -> None:
    """Twelve grown masks beside twelve real ones."""
    rows = []
    for row in range(4):
        pair = [grown_eye(3 * row + number) for number in range(3)] + real[3 * row : 3 * row + 3]
        shown = [images.square_photograph(images.mask_as_photograph(eye.planes["vessels"]), side) for eye in pair]
        rows.append(shown)
    images.write_photograph(path, images.draw_panels(rows, ["grown"] * 3 + ["real"] * 3))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--eyes", type=int, default=200)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    real_masks = {eye.name: eye for eye in drawn_eyes("chasedb1", arguments.data)}
    names = sorted(real_masks)
    real = np.array([measured(real_masks[name]) for name in names])
    with ProcessPoolExecutor() as pool:
        grown = np.array(list(pool.map(measured_grown, range(arguments.eyes), chunksize=4)))
    table = Table("measure", "real 10 %", "median", "90 %", "grown 10 %", "median", "90 %", "median in the real band")
    for name, ours, theirs in zip(MEASURES, grown.T, real.T, strict=True):
        low, middle, high = np.percentile(theirs, [10, 50, 90])
        figures = [low, middle, high, *np.percentile(ours, [10, 50, 90])]
        verdict = "yes" if low <= np.median(ours) <= high else "NO"
        table.add_row(name, *(f"{figure:.4g}" for figure in figures), verdict)
    console = Console(width=130)
    console.print(table)
    children = np.unique([name.rstrip("LR") for name in names], return_inverse=True)[1]
    for name, (accuracy, low, high) in told_apart(real, grown, children).items():
        console.print(f"{name}: balanced accuracy {accuracy:.3f} ({low:.3f} to {high:.3f})", highlight=False)
    if arguments.sheet:
        step = max(1, len(names) // 12)
        write_sheet(arguments.sheet, [real_masks[name] for name in names[::step][:12]])


if __name__ == "__main__":
    main()
