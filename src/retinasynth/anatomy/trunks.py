"""The trunks of the retinal vessels, which leave the disc.

First the arcades: an artery and a vein to each quadrant, side by side, temporal ones arching around the macula, nasal
ones radial. Then smaller vessels leave the disc between them, arteries and veins in turn.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy.interpolate import CubicSpline

from retinasynth.anatomy.branches import ARCADES_REACH, ARTERY, DISC_RIM, STEP, VEIN, Branch, Points, Trees, tangents

_WANDERS = ((0.05, (1.2, 2.6)), (0.1, (4.0, 9.0)))  # of the vessels of a pair: standard deviations and wavelengths
_LEAVING_DISC = 11  # nodes of a smaller trunk, within which it may meet its own kind


def plant_arcades(random: np.random.Generator, trees: Trees) -> None:
    """Plant an artery and a vein to each quadrant."""
    for kind, course, beyond in _arcades(random):
        inside, leaves = trees.inside(course, max(trees.territory.reach, ARCADES_REACH))
        _plant(trees, Branch(inside, -1, 0, beyond if leaves else 1.0), kind)


def plant_smaller(random: np.random.Generator, trees: Trees, count: int) -> None:
    """Plant smaller vessels in the widest gaps between those that leave the disc, arteries and veins in turn."""
    bearings = [
        (_bearing_at(branch.points, 1.2), kind) for kind in (ARTERY, VEIN) for branch in trees.of_kind[kind].branches
    ]
    for _ in range(count):
        bearings.sort()
        angles = np.array([angle for angle, _ in bearings])
        gaps = np.diff(angles, append=angles[0] + 2 * math.pi)
        middles = angles + gaps / 2
        toward_macula = np.cos(middles) > math.cos(math.radians(45))
        widest = int(np.argmax(gaps * np.where(toward_macula, 0.6, 1.0) * random.uniform(0.7, 1, len(gaps))))
        angle = middles[widest] + random.normal(0, 0.12) * gaps[widest]
        neighbour = bearings[widest][1]
        kind = 1 - neighbour if random.random() < 0.8 else neighbour
        _plant_one_smaller(random, trees, kind, angle, macular=bool(toward_macula[widest]))
        bearings.append(((angle + math.pi) % (2 * math.pi) - math.pi, kind))


def _plant_one_smaller(random: np.random.Generator, trees: Trees, kind: int, angle: float, *, macular: bool) -> None:
    """One that leaves a trunk inside the disc."""
    tree = trees.of_kind[kind]
    length, bend = random.uniform(1.1, 1.9) if macular else random.uniform(1.8, 5.0), random.normal(0, 0.25)
    in_disc = np.flatnonzero(np.hypot(*tree.points[: tree.count].T) < 0.38)
    to_rim = tree.points[in_disc] - 0.25 * _direction(angle)
    node = int(in_disc[np.argmin((to_rim**2).sum(axis=1))])
    way = [_direction(angle + bend * part) * (0.45 + part * (length - 0.45)) for part in (0.0, 0.15, 0.5, 1.0)]
    course, leaves = trees.inside(_through(np.array([tree.points[node], *way])))
    closed, _ = trees.grid.meets(kind, course[_LEAVING_DISC:])
    end = _LEAVING_DISC - 2 + int(np.argmax(closed)) if closed.any() else len(course)
    beyond = random.uniform(1.5, 3) if macular else random.uniform(4, 14)
    if end > 12:
        goes_on = leaves and end == len(course)
        parent, leaves_at = int(tree.owner[node]), int(tree.place[node])
        _plant(trees, Branch(course[:end], parent, leaves_at, beyond if goes_on else 1.0), kind)


def _plant(trees: Trees, branch: Branch, kind: int) -> None:
    outside_disc = np.hypot(*branch.points.T) > DISC_RIM
    if outside_disc.sum() >= 4:
        trees.add(kind, branch, outside_disc, goes_on=False)


def _arcades(random: np.random.Generator) -> Iterator[tuple[int, Points, float]]:
    """Artery and vein to each quadrant: kind, course, and terminals beyond its end."""
    root = {kind: random.normal((-0.06, 0.0), 0.03) for kind in (ARTERY, VEIN)}
    for up in (-1, 1):
        for temporal in (True, False):
            way = _temporal_way(random) if temporal else _nasal_way(random)
            course = _through(np.concatenate([[[0.0, 0.0]], way]) * (1, up))
            apart = random.uniform(0.06, 0.2) * random.choice([-1, 1])
            for kind in (ARTERY, VEIN):
                aside = apart if kind == VEIN else -apart
                beyond = random.uniform(28, 44) if temporal else random.uniform(14, 30)
                yield kind, _beside(course, aside, random) + _fading(course, root[kind]), beyond


def _temporal_way(random: np.random.Generator) -> Points:
    """Up and around the macula, as for the upper arcade of y pointing up."""
    height, lean = random.normal(1.0, 0.07), random.normal(0.12, 0.13)
    way = np.array([(0.0, 0.3), (0.25, 0.85), (1.1, 1.6), (2.4, 2.05), (4.2, 2.0), (6.2, 1.3)])
    return way * (1, height) + np.outer((0.2, 1, 1.3, 1, 1, 1), (lean, 0))


def _nasal_way(random: np.random.Generator) -> Points:
    angle, bend = math.radians(random.normal(121, 9)), random.normal(0.14, 0.16)
    radii = np.array([0.3, 0.85, 1.8, 3.0, 4.8])
    angles = np.array([math.radians(100), angle, angle + bend * 0.5, angle + bend, angle + bend * 1.3])
    return np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])


def _beside(course: Points, aside: float, random: np.random.Generator) -> Points:
    """A course that leaves the given one to its side and wanders, so that a pair parts, meets and crosses."""
    along = np.arange(len(course)) * STEP
    wander = sum(
        random.normal(0, amount) * np.sin(2 * np.pi * along / random.uniform(*lengths) + random.uniform(0, 6.3))
        for amount, lengths in _WANDERS
    )
    offset = (aside + wander) * np.clip((along - 0.1) / 0.7, 0, 1)
    beside: Points = course + offset[:, np.newaxis] * tangents(course)[:, ::-1] * (-1, 1)
    return beside


def _fading(course: Points, shift: Points) -> Points:
    """A shift at the root that is gone at the rim of the disc."""
    along = np.arange(len(course)) * STEP
    fading: Points = np.clip(1 - along / 0.6, 0, 1)[:, np.newaxis] * shift
    return fading


def _through(way: Points) -> Points:
    """A smooth course through points, its nodes about `STEP` apart."""
    chords = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(way, axis=0).T))])
    course: Points = CubicSpline(chords, way)(np.arange(0, chords[-1], STEP))
    return course


def _bearing_at(course: Points, radius: float) -> float:
    """The direction from the disc to where a course is `radius` away from it, or to its end."""
    outside = np.hypot(*course.T) > radius
    x, y = course[int(np.argmax(outside)) if outside.any() else -1]
    return math.atan2(y, x)


def _direction(angle: float) -> Points:
    return np.array([math.cos(angle), math.sin(angle)])
