"""Mixing: what lies beyond a place on a vessel changed for what lies beyond such a place in another eye.

Of all places on vessels of the same kind in the `Library` those are tried at which a vessel of about this calibre runs
about here in about this direction, with as much beyond it, as far and as wide spread. One is taken whose vessels run
free of all others of their kind. So each exchange keeps the plan of the whole.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from retinasynth.anatomy.atlas.courses import HUB, Course, Courses, beyond, daughters_of, moments, without
from retinasynth.anatomy.branches import STEP, Numbers, Points

_EVERY = 6  # nodes of a course is a place of the library
_LEAST_BEYOND = 8  # nodes of the course itself
_CELL = 0.05
_HALF = 8.0  # of the grid
_MARKED_FROM = 0.5  # the disc's centre: vessels of one kind meet within
_PARTING = 3  # nodes after a branching that may still touch their parent
_SHORTEST = 5  # nodes of a branch that is kept
_MOST_TURN = 0.9  # of what is grafted, radians
_SCALE_VARIES = 0.04
_MOST_CHANGE = 0.25  # of the length that was there before an exchange, as a logarithm
_TRIED, _NEAREST = 8, 40
_BEGINNING = 5  # the numbers of a row that describe where and how a vessel runs, before those of what lies beyond


class Place(NamedTuple):
    """A place on a vessel; node 0 is that where it leaves its parent."""

    eye: int
    course: int
    node: int


class Library:
    """The places of many eyes, found by what runs there and what lies beyond."""

    def __init__(self, eyes: Sequence[Courses]) -> None:
        self.eyes = eyes
        self.daughters = [daughters_of(courses) for courses in eyes]
        self._places: dict[tuple[int, bool], list[Place]] = {}
        rows: dict[tuple[int, bool], list[Numbers]] = {}
        for eye, courses in enumerate(eyes):
            beyond_nodes = moments(courses, self.daughters[eye])
            for number, course in enumerate(courses):
                inner = course.distances < HUB * 0.95
                nodes = [*([0] if course.parent >= 0 else []), *range(3, len(course.points) - _LEAST_BEYOND, _EVERY)]
                for node in nodes:
                    if not inner[node]:
                        key = course.kind, node == 0
                        self._places.setdefault(key, []).append(Place(eye, number, node))
                        rows.setdefault(key, []).append(_described(course, node, beyond_nodes[number][node]))
        self._trees = {key: KDTree(np.array(found)) for key, found in rows.items()}
        self._beginnings = {key: KDTree(np.array(found)[:, :_BEGINNING]) for key, found in rows.items() if not key[1]}

    def like(self, course: Course, node: int, beyond_node: Numbers) -> tuple[list[Place], Numbers]:
        """The places most alike a place on a vessel, and how unlike they are."""
        key = course.kind, node == 0
        if key not in self._trees:
            return [], np.empty(0)
        unlike, found = self._trees[key].query(_described(course, node, beyond_node), k=_NEAREST)
        there = np.isfinite(unlike)
        return [self._places[key][one] for one in found[there]], unlike[there]

    def continuing(
        self, kind: int, point: Points, heading: float, calibre: float, rotations: Numbers
    ) -> list[tuple[Place, float]]:
        """Places as which a vessel may go on, and how unlike they are, also at other bearings from the disc.

        Args:
            kind: of vessel.
            point: at which it ends.
            heading: there, radians.
            calibre: there.
            rotations: by which angles around the disc the place may be elsewhere; farther ones count less.
        """
        key = kind, False
        found: list[tuple[Place, float]] = []
        if key not in self._beginnings:
            return found
        for rotation in rotations.tolist():
            cosine, sine = math.cos(rotation), math.sin(rotation)
            there = np.array([cosine * point[0] - sine * point[1], sine * point[0] + cosine * point[1]])
            row = _beginning(there, heading + rotation, calibre)
            unlike, numbers = self._beginnings[key].query(row, k=6)
            found += [
                (self._places[key][one], float(apart) + 1.5 * abs(rotation))
                for apart, one in zip(unlike, numbers, strict=True)
                if np.isfinite(apart)
            ]
        return sorted(found, key=lambda one: one[1])[:_TRIED]

    def side_places(self, random: np.random.Generator, count: int) -> list[Place]:
        """Some places where a vessel leaves another."""
        places = [place for (_, is_side), some in self._places.items() if is_side for place in some]
        return [places[one] for one in random.choice(len(places), min(count, len(places)), replace=False)]

    def graft(
        self, random: np.random.Generator, place: Place, onto: Points, heading: float, *, most_turn: float = _MOST_TURN
    ) -> Courses | None:
        """What lies beyond a place, moved and turned to go on from a point; None where it would turn too much."""
        courses, daughters = self.eyes[place.eye], self.daughters[place.eye]
        first = courses[place.course]
        angle = (heading - first.heading(place.node) + math.pi) % (2 * math.pi) - math.pi
        if abs(angle) > most_turn:
            return None
        scale = 1 + random.normal(0, _SCALE_VARIES)
        turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        origin = first.points[place.node]
        numbers = {place.course: 0}
        grafted = [first._replace(points=first.points[place.node :], calibres=first.calibres[place.node :], parent=-1)]
        for number in beyond(courses, daughters, place.course, place.node):
            course = courses[number]
            leaves_at = course.leaves_at - (place.node if course.parent == place.course else 0)
            numbers[number] = len(grafted)
            grafted.append(course._replace(parent=numbers[course.parent], leaves_at=leaves_at))
        return [course._replace(points=(course.points - origin) @ turn + onto) for course in grafted]


def _described(course: Course, node: int, beyond_node: Numbers) -> Numbers:
    """A row of numbers whose differences say how unlike two places are."""
    x, y = course.points[node]
    calibre = float(np.median(course.calibres[node : node + 5]))
    length = max(float(beyond_node[0]), STEP)
    along, down, squares = beyond_node[1:] / length
    spread = math.sqrt(max(squares - along**2 - down**2, 0))
    rest = [1.2 * math.log(length), (along - x) / 0.35, (down - y) / 0.35, spread / 0.35]
    return np.concatenate([_beginning(course.points[node], course.heading(node), calibre), rest])


def _beginning(point: Points, heading: float, calibre: float) -> Numbers:
    x, y = point / 0.3
    return np.array([x, y, 1.5 * math.cos(heading), 1.5 * math.sin(heading), 2.0 * math.log(max(calibre, 0.02))])


class Occupied:
    """Which cells of the retina hold an artery, which a vein."""

    def __init__(self, courses: Sequence[Course], but: set[int] | frozenset[int] = frozenset()) -> None:
        side = round(2 * _HALF / _CELL)
        self._cells = np.zeros((2, side, side), np.bool_)
        for kind in (0, 1):
            points = [one.points for number, one in enumerate(courses) if one.kind == kind and number not in but]
            if points:
                self.mark(kind, np.concatenate(points))

    def mark(self, kind: int, points: Points) -> None:
        """Let vessels run there; cells are two wide, so that no course slips through between two nodes."""
        rows, columns = self._at(points[(points**2).sum(axis=1) > _MARKED_FROM**2])
        for down in (0, 1):
            for right in (0, 1):
                self._cells[kind, rows + down, columns + right] = True

    def free(self, kind: int, points: Points, parting: int = _PARTING) -> int:
        """Up to how many nodes a course meets none of its kind, and runs along none of the other."""
        rows, columns = self._at(points[parting:])
        met = self._cells[kind, rows, columns]
        if len(met) >= 5:
            met = met | (np.convolve(self._cells[1 - kind, rows, columns], np.ones(5), "same") >= 5)
        return len(points) if not met.any() else parting + int(np.argmax(met)) - 1

    def _at(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        cells = np.clip((points + _HALF) / _CELL, 0, self._cells.shape[1] - 2).astype(np.int64)
        return cells[:, 1], cells[:, 0]


def exchanged(
    random: np.random.Generator, courses: Courses, number: int, node: int, library: Library
) -> Courses | None:
    """The courses with what lies beyond a node changed; None where nothing fits.

    Args:
        random: decides.
        courses: of an eye, each after its parent.
        number: of a course.
        node: of it; 0 changes the whole course for another one that leaves its parent there.
        library: of places.
    """
    course, daughters = courses[number], daughters_of(courses)
    gone = {*beyond(courses, daughters, number, node if node else -1), number}
    beyond_nodes = moments_of(courses, daughters, number, node)
    places, unlike = library.like(course, node, beyond_nodes)
    occupied = Occupied(courses, gone)
    occupied.mark(course.kind, course.points[: node + 1])
    best: tuple[float, Courses] | None = None
    if not places:
        return None
    chances = np.exp(-unlike)
    tries = min(_TRIED, int(np.count_nonzero(chances)))
    for one in random.choice(len(places), tries, replace=False, p=chances / chances.sum()):
        if library.eyes[places[one].eye][places[one].course].origin == course.origin:
            continue
        grafted = library.graft(random, places[one], course.points[node], course.heading(node))
        if grafted is None:
            continue
        fitting = fitted(grafted, occupied, course.kind)
        length = sum(len(part.points) for part in fitting)
        is_whole = bool(fitting) and len(fitting[0].points) == len(grafted[0].points)
        change = abs(math.log(max(length, 1) * STEP / beyond_nodes[0]))
        score = 0.3 * is_whole - change - 0.1 * unlike[one]
        if change < _MOST_CHANGE and (best is None or score > best[0]):
            best = float(score), fitting
    return None if best is None else joined(courses, number, node, gone, best[1])


def moments_of(courses: Courses, daughters: dict[int, list[int]], number: int, node: int) -> Numbers:
    """What lies beyond a node, as `moments` has it."""
    parts = [courses[number].points[node:], *(courses[one].points for one in beyond(courses, daughters, number, node))]
    points = np.concatenate(parts)
    return STEP * np.array([len(points), *points.sum(axis=0), (points**2).sum()])


def fitted(grafted: Courses, occupied: Occupied, kind: int) -> Courses:
    """The parts of what is grafted that run free."""
    kept: Courses = []
    numbers: dict[int, int] = {}
    for number, course in enumerate(grafted):
        is_lost = number > 0 and (
            course.parent not in numbers or course.leaves_at >= len(kept[numbers[course.parent]].points)
        )
        nodes = 0 if is_lost else occupied.free(kind, course.points)
        if nodes < _SHORTEST:
            if number == 0:
                return []
            continue
        numbers[number] = len(kept)
        kept.append(
            course._replace(
                points=course.points[:nodes],
                calibres=course.calibres[:nodes],
                parent=numbers.get(course.parent, -1),
                goes_on=course.goes_on and nodes == len(course.points),
            )
        )
    return kept


def joined(courses: Courses, number: int, node: int, gone: set[int], grafted: Courses) -> Courses:
    """The courses without those that are gone, and with what is grafted on a node of one."""
    course, first = courses[number], grafted[0]
    kept, numbers = without(courses, gone - ({number} if node else set()))
    if node:
        root = numbers[number]
        kept[root] = kept[root]._replace(
            points=np.concatenate([course.points[: node + 1], first.points[1:]]),
            calibres=np.concatenate([course.calibres[: node + 1], first.calibres[1:]]),
            goes_on=first.goes_on,
            origin=first.origin,
        )
    else:
        root = len(kept)
        parent = numbers[course.parent]
        kept.append(first._replace(parent=parent, leaves_at=course.leaves_at, kind=course.kind))
    moved = {0: root}
    for one, part in enumerate(grafted[1:], start=1):
        moved[one] = len(kept)
        leaves_at = part.leaves_at + (node if part.parent == 0 else 0)
        kept.append(part._replace(parent=moved[part.parent], leaves_at=leaves_at, kind=course.kind))
    return kept


def mixed(
    random: np.random.Generator, courses: Courses, library: Library, *, stretch_dd: float, most: int | None = None
) -> Courses:
    """The courses of an eye, changed from the hub outward for those of others.

    Args:
        random: decides.
        courses: of an eye.
        library: that the others are taken from.
        stretch_dd: about how long a stretch of one person is left.
        most: exchanges; None takes as many as there are places.
    """
    every = round(stretch_dd / STEP)
    seen: set[tuple[float, float]] = set()
    exchanges = 0
    while most is None or exchanges < most:
        places = [
            (float(course.distances[node] + random.uniform(0, 0.4)), number, node)
            for number, course in enumerate(courses)
            for node in _places_on(course, every)
            if _spot(course.points[node]) not in seen
        ]
        if not places:
            break
        _, number, node = min(places)
        seen.add(_spot(courses[number].points[node]))
        changed = exchanged(random, courses, number, node, library)
        if changed is not None:
            courses = changed
            exchanges += 1
    return courses


def _places_on(course: Course, every: int) -> list[int]:
    outside = np.flatnonzero(course.distances > HUB)
    if len(course.points) < 10 or not len(outside):
        return []
    first = int(outside[0])
    return [*([0] if course.parent >= 0 and first == 0 else []), *range(max(first, 1), len(course.points) - 12, every)]


def _spot(point: Points) -> tuple[float, float]:
    return round(float(point[0]), 1), round(float(point[1]), 1)
