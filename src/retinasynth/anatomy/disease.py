"""What disease does to vessels: focal narrowing of arteries, beading of veins, tufts of new vessels.

Focal narrowing is a sign of high blood pressure; beaded veins and new vessels, on the disc or elsewhere, are signs of
severe and of proliferative diabetic retinopathy (Early Treatment Diabetic Retinopathy Study, report 10, Ophthalmology
98, 1991). Lengths are in disc diameters, in the retinal frame; what is drawn here is a likeness for training and
teaching, not a model of the disease.
"""

import numpy as np
from numpy.typing import NDArray

from retinasynth.anatomy.branches import STEP, Numbers, Points

TUFT_RADIUS = 0.009  # half the calibre of a new vessel, which is 32 micrometres

_OUTSIDE_ZONE_B = 1.6  # from the disc centre, so that calibres in zone B keep their ratio
_NARROW_PLACES_PER_BRANCHES = 0.4
_NARROW_LENGTH = 0.12
_BEADS = (0.22, 0.32)  # from one swelling to the next


def narrowed_focally(
    random: np.random.Generator, points: Points, radii: Numbers, firsts: NDArray[np.int64], depth: float
) -> Numbers:
    """Radii of a tree with short narrow stretches, outside zone B.

    Args:
        random: decides where.
        points: of all nodes, branch after branch, ``(n, 2)``.
        radii: of all nodes, ``(n,)``.
        firsts: number of the first node of each branch.
        depth: by which share the calibre is less in the middle of a stretch, 0 to 1.
    """
    outside = np.flatnonzero(np.hypot(*points.T) > _OUTSIDE_ZONE_B)
    if depth == 0 or not len(outside):
        return radii
    branch = np.searchsorted(firsts, np.arange(len(points)), side="right")
    narrow = np.zeros(len(points))
    for place in random.choice(outside, round(_NARROW_PLACES_PER_BRANCHES * len(firsts)) + 1):
        along = (np.arange(len(points)) - place) * STEP
        narrow = np.maximum(narrow, np.exp(-((along / _NARROW_LENGTH) ** 2)) * (branch == branch[place]))
    return np.asarray(radii * (1 - depth * narrow))


def beaded(random: np.random.Generator, radii: Numbers, firsts: NDArray[np.int64], share: float) -> Numbers:
    """Radii of a tree whose vessels swell and ebb along their course by a share of their calibre, 0 to 1."""
    if share == 0:
        return radii
    lengths = np.diff(firsts, append=len(radii))
    along = np.concatenate([np.arange(length) * STEP for length in lengths])
    spacing = np.repeat(random.uniform(*_BEADS, len(firsts)), lengths)
    start = np.repeat(random.uniform(0, 2 * np.pi, len(firsts)), lengths)
    return np.asarray(radii * (1 + share * np.sin(2 * np.pi * along / spacing + start)))


def tufts(random: np.random.Generator, points: Points, count: int) -> list[Points]:
    """Courses of the new vessels of `count` tufts: loops that leave a vein, or the disc, and come back.

    Args:
        random: decides where and how.
        points: nodes of the veins.
        count: how many tufts; the first lies on the disc.
    """
    from_disc = np.hypot(*points.T)
    feeders = points[(from_disc > 1.2) & (from_disc < 3.2)]
    courses = []
    for number in range(count):
        on_disc = number == 0 or not len(feeders)
        root = random.normal(0, 0.15, 2) if on_disc else feeders[int(random.integers(len(feeders)))]
        size, outward = random.uniform(0.2, 0.4), random.uniform(0, 2 * np.pi)
        courses += [
            root + _loop(random, size * random.uniform(0.4, 1), outward + random.normal(0, 0.8))
            for _ in range(int(random.integers(6, 11)))
        ]
    return courses


def _loop(random: np.random.Generator, length: float, direction: float) -> Points:
    """A wavy petal from the origin and back to it: ``(n, 2)``."""
    turn = np.linspace(0, 2 * np.pi, 41)
    petal = np.column_stack([length * (1 - np.cos(turn)) / 2, length * random.uniform(0.15, 0.4) * np.sin(turn)])
    for waves in (3, 5):
        petal += (
            np.sin(turn / 2)[:, np.newaxis] * 0.1 * length * np.sin(waves * turn[:, np.newaxis] + random.random(2) * 6)
        )
    cosine, sine = np.cos(direction), np.sin(direction)
    loop: Points = petal @ np.array([[cosine, sine], [-sine, cosine]])
    return loop
