"""Learn again what `retinasynth.segmentation.quality` expects: `python docs/learnt_quality.py LABELLED [EYES]`.

Training photographs of a set of `retinasynth segment label` are shrunk to 300 to 1024 pixels and degraded in known ways
and strengths. What the segmenter `vessels` finds then is compared with what it found before, at the same size. The
loss (1 - Dice) is fitted by a logistic function of what is wrong; half of the people are left out and reported on. Also
written is how much of each fault hardly any photograph as it was has: what has more is named as the reason.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.optimize import minimize

from check_arteries import say
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.images import Mask, Photograph, through_jpeg
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.quality import (
    MOST_DOUBTFUL,
    MOST_USABLE,
    Measures,
    faults_of,
    measures_of,
)
from retinasynth.segmentation.use import Segmenter
from retinasynth.training.bundled import HERE

EYES, SIZES, DEGRADED = 36, 2, 2
SIZES_PX = (300, 1024)
USUAL = 0.02  # share of the photographs as they were that lie beyond what is called a fault
UNTRIED = "field cut"  # no degradation here cuts the field, so that it is named, and not weighed
LEAST_FAULT = 0.05  # below it nothing is named
RIDGE = 0.0002
Picture = np.ndarray  # float64 (height, width, 3) in [0, 1]


def dark(picture: Picture, random: np.random.Generator) -> Picture:
    """Too little light, and the grain that comes with it."""
    light = np.exp(random.uniform(np.log(0.08), np.log(0.7)))
    return picture * light + random.normal(0, 0.012, picture.shape)


def blurred(picture: Picture, random: np.random.Generator) -> Picture:
    """Out of focus."""
    spread = np.exp(random.uniform(np.log(1), np.log(10))) * len(picture) / 1024
    return ndimage.gaussian_filter(picture, (spread, spread, 0))


def shadowed(picture: Picture, random: np.random.Generator) -> Picture:
    """A lid or the edge of the pupil: one side is dark."""
    rows, columns = np.mgrid[-1 : 1 : len(picture) * 1j, -1 : 1 : picture.shape[1] * 1j]
    angle, where, soft = random.uniform(0, 2 * np.pi), random.uniform(-0.4, 0.5), random.uniform(0.05, 0.4)
    side = 1 / (1 + np.exp(-(rows * np.sin(angle) + columns * np.cos(angle) - where) / soft))
    return picture * (1 - random.uniform(0.5, 0.95) * side)[..., None]


def reflected(picture: Picture, random: np.random.Generator) -> Picture:
    """Stray light in one or two places."""
    rows, columns = np.mgrid[-1 : 1 : len(picture) * 1j, -1 : 1 : picture.shape[1] * 1j]
    glare = np.zeros(rows.shape)
    for _ in range(random.integers(1, 3)):
        row, column = random.uniform(-0.7, 0.7, 2)
        glare += np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * random.uniform(0.1, 0.5) ** 2))
    share = (np.clip(glare, 0, 1) * random.uniform(0.3, 1))[..., None]
    return picture * (1 - share) + share * (picture.max(axis=(0, 1)) > 0)


def hazy(picture: Picture, random: np.random.Generator) -> Picture:
    """A cloudy lens."""
    share, spread = random.uniform(0.3, 0.9), random.uniform(0.5, 4) * len(picture) / 1024
    veil = ndimage.gaussian_filter(picture, (0.1 * len(picture), 0.1 * len(picture), 0))
    return (1 - share) * ndimage.gaussian_filter(picture, (spread, spread, 0)) + share * veil


def grainy(picture: Picture, random: np.random.Generator) -> Picture:
    """Noise and compression."""
    noisy = picture + random.normal(0, random.uniform(0.01, 0.12), picture.shape)
    return through_jpeg(as_bytes(noisy), int(random.integers(10, 60))) / 255


WAYS: tuple[Callable[[Picture, np.random.Generator], Picture], ...] = (
    dark, blurred, shadowed, reflected, hazy, grainy,
)  # fmt: skip


def as_bytes(picture: Picture) -> Photograph:
    """Back to a photograph."""
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def sampled(photograph: Photograph, segmenter: Segmenter, random: np.random.Generator) -> list[tuple[Measures, float]]:
    """Measures and loss of a photograph of several sizes, each as it was and degraded in several ways."""
    rows = []
    for _ in range(SIZES):
        size = int(np.exp(random.uniform(*np.log(SIZES_PX))))
        scale = min(1.0, size / max(photograph.shape[:2]))
        shape = (round(photograph.shape[1] * scale), round(photograph.shape[0] * scale))
        small = np.asarray(Image.fromarray(photograph).resize(shape, Image.Resampling.BOX))
        measures, field, before = seen(small, segmenter)
        rows.append((measures, 0.0))
        for number in range(1, 1 + DEGRADED):
            picture = small / 255
            for way in random.choice(len(WAYS), random.integers(1, 1 + number), replace=False):
                picture = WAYS[way](picture, random) * field[..., None]
            measures, _, found = seen(as_bytes(picture), segmenter, field)
            rows.append((measures, 1 - 2 * (found & before).sum() / max(found.sum() + before.sum(), 1)))
    return rows


def seen(photograph: Photograph, segmenter: Segmenter, field: Mask | None = None) -> tuple[Measures, Mask, Mask]:
    """What is measured of a photograph, its field of view and the vessels in it."""
    prediction = predict(segmenter.model, photograph, field=field)
    vessels = found_planes(segmenter.model, prediction)["vessels"]
    probability = prediction.probabilities["vessels"]
    return measures_of(photograph, prediction.field, vessels, probability), prediction.field, vessels


def fitted(people: list[list[tuple[Measures, float]]]) -> dict[str, object]:
    """What `quality.json` holds, from measures and losses by person; those without loss are as they were."""
    good = [measures for one in people for measures, loss in one if loss == 0]
    usual = {name: float(np.median([getattr(measures, name) for measures in good])) for name in Measures._fields}
    names = list(faults_of(good[0], usual))
    rows, losses = rows_of(people, usual), np.array([loss for one in people for _, loss in one])

    def cost(weights: np.ndarray) -> float:
        expected = 1 / (1 + np.exp(-rows @ weights[:-1] - weights[-1]))
        return float(np.mean((expected - losses) ** 2) + RIDGE * np.mean(weights[:-1] ** 2))

    bounds = [(0, 0 if name == UNTRIED else None) for name in names]
    start = np.array([*(0.0 if name == UNTRIED else 0.5 for name in names), -3.0])
    best = minimize(cost, start, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x.tolist()
    faults = np.array([list(faults_of(measures, usual).values()) for measures in good])
    limits = np.maximum(np.quantile(faults, 1 - USUAL, axis=0), LEAST_FAULT).tolist()
    return {
        "usual": usual,
        "weights": dict(zip(names, best[:-1], strict=True)),
        "bias": best[-1],
        "limits": dict(zip(names, limits, strict=True)),
    }


def rows_of(people: list[list[tuple[Measures, float]]], usual: dict[str, float]) -> np.ndarray:
    """The faults of all photographs, ``(photographs, faults)``."""
    return np.array([list(faults_of(measures, usual).values()) for one in people for measures, _ in one])


def expected(learnt: dict[str, object], people: list[list[tuple[Measures, float]]]) -> np.ndarray:
    """The losses that are expected."""
    odds = rows_of(people, learnt["usual"]) @ np.array(list(learnt["weights"].values())) + learnt["bias"]
    return 1 / (1 + np.exp(-odds))


def graded(losses: np.ndarray) -> np.ndarray:
    """0 usable, 1 doubtful, 2 useless."""
    return (losses > MOST_USABLE).astype(int) + (losses > MOST_DOUBTFUL)


def main(labelled: Path, eyes: int = EYES) -> None:
    """Sample, fit, report and write."""
    training = find_eyes(labelled).split("train")
    chosen = [training[number] for number in np.linspace(0, len(training) - 1, eyes).round().astype(int)]
    segmenter, random = Segmenter.load("vessels"), np.random.default_rng(0)
    people: list[list[tuple[Measures, float]]] = []
    for number, files in enumerate(chosen, start=1):
        photograph = read_eye(files).photograph
        if photograph is not None:
            people.append(sampled(photograph, segmenter, random))
        if number % 10 == 0:
            say(f"{number} of {eyes} photographs")
    told = expected(fitted(people[::2]), people[1::2])
    truth = np.array([loss for one in people[1::2] for _, loss in one])
    say(
        f"left-out half of {len(people)} people, {len(truth)} photographs: correlation of expected and real loss "
        f"{np.corrcoef(truth, told)[0, 1]:.2f}, off by {np.abs(truth - told).mean():.3f} on average; usable, doubtful "
        "and useless, rows real, columns expected:"
    )
    for grade in range(3):
        say("  ".join(f"{int(((graded(truth) == grade) & (graded(told) == other)).sum()):4d}" for other in range(3)))
    (HERE / "quality.json").write_text(json.dumps(fitted(people), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
