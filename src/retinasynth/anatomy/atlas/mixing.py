"""Mixing: what lies beyond a place on a vessel changed for what lies beyond such a place in another eye.

Of all places on vessels of the same kind in the `Library` those are tried at which a vessel of about this calibre runs
about here in about this direction, with as much beyond it, as far and as wide spread. One is taken whose vessels run
free of all others of their kind. So each exchange keeps the plan of the whole.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from retinasynth.anatomy.atlas.courses import (
    HEADING_NODES,
    HUB,
    KINDS,
    Course,
    Courses,
    beyond,
    cut,
    daughters_of,
    without,
)
from retinasynth.anatomy.branches import STEP, Numbers, Points

_EVERY = 6  # nodes of a course is a place of the library
_LEAST_BEYOND = 8  # nodes of the course itself
_CELL = 0.05
_HALF = 8.0  # of the grid
_MARKED_FROM = 0.5  # the disc's centre: vessels of one kind meet within
_PARTING = 3  # nodes after a branching that may still touch their parent
_SHORTEST_MIXED = 10  # nodes of a course on which places are mixed
_SHORTEST = 5  # nodes of a branch that is kept
_MOST_TURN = 0.9  # of what is grafted, radians
_SCALE_VARIES = 0.04
_MOST_CHANGE = 0.25  # of the length that was there before an exchange, as a logarithm
_TRIED, _NEAREST = 8, 40
_OF_A_BEARING = 6
_ELSEWHERE = 1.5  # how unlike a place is that lies a radian elsewhere around the disc
_BEGINNING = 5  # the numbers of a row that describe where and how a vessel runs, before those of what lies beyond


class Place(NamedTuple):
    """A place on a vessel; node 0 is that where it leaves its parent."""

    eye: int
    course: int
    node: int


class Library:
    """The places of many eyes, found by what runs there and what lies beyond.

    Attributes:
        eyes: the courses of each.
        daughters: of each eye, as `daughters_of` has them.
    """

    def __init__(self, eyes: Sequence[Courses]) -> None:
        self.eyes = eyes
        self.daughters = [daughters_of(courses) for courses in eyes]
        flat = _Flat(eyes)
        rows = flat.rows()
        outside = np.hypot(*flat.points.T) > HUB * 0.95
        is_side = (flat.node == 0) & flat.has_parent
        is_along = (flat.node % _EVERY == _EVERY // 2) & (flat.node < flat.length - _LEAST_BEYOND)
        self._flat = flat
        self._numbers: dict[tuple[int, bool], NDArray[np.int64]] = {}
        self._trees: dict[tuple[int, bool], KDTree] = {}
        self._beginnings: dict[int, KDTree] = {}
        for kind in KINDS:
            for side, chosen in ((True, is_side), (False, is_along)):
                numbers = np.flatnonzero(chosen & outside & (flat.kind == kind))
                if len(numbers):
                    self._numbers[kind, side] = numbers
                    self._trees[kind, side] = KDTree(rows[numbers])
            if (kind, False) in self._numbers:
                self._beginnings[kind] = KDTree(rows[self._numbers[kind, False], :_BEGINNING])

    def like(self, course: Course, node: int, beyond_node: Numbers) -> tuple[list[Place], Numbers]:
        """The places most alike a place on a vessel, and how unlike they are."""
        key = course.kind, node == 0
        if key not in self._trees:
            return [], np.empty(0)
        row = np.concatenate([
            _beginnings(*(np.array([value]) for value in _running(course, node))),
            _beyond(course.points[node][np.newaxis], beyond_node[np.newaxis]),
        ], axis=1)[0]  # fmt: skip
        unlike, found = self._trees[key].query(row, k=_NEAREST)
        there = np.isfinite(unlike)
        return [self._flat.place(number) for number in self._numbers[key][found[there]].tolist()], unlike[there]

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
        if kind not in self._beginnings:
            return []
        cosines, sines = np.cos(rotations), np.sin(rotations)
        there = np.column_stack([cosines * point[0] - sines * point[1], sines * point[0] + cosines * point[1]])
        rows = _beginnings(there, heading + rotations, np.full(len(rotations), calibre))
        unlike, numbers = self._beginnings[kind].query(rows, k=_OF_A_BEARING)
        unlike = (unlike + _ELSEWHERE * np.abs(rotations)[:, np.newaxis]).ravel()
        order = [one for one in np.argsort(unlike, kind="stable")[:_TRIED].tolist() if np.isfinite(unlike[one])]
        found = self._numbers[kind, False]
        return [(self._flat.place(int(found[numbers.ravel()[one]])), float(unlike[one])) for one in order]

    def side_places(self, random: np.random.Generator, centre: tuple[float, float], reach: float) -> list[Place]:
        """The places in a circle where a vessel leaves another, in an order of chance."""
        numbers = np.concatenate([some for (_, is_side), some in self._numbers.items() if is_side])
        inside = numbers[np.hypot(*(self._flat.points[numbers] - centre).T) < reach]
        return [self._flat.place(number) for number in random.permutation(inside).tolist()]

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
        for number in beyond(courses, daughters, place.course, place.node if place.node else -1):
            course = courses[number]
            leaves_at = course.leaves_at - (place.node if course.parent == place.course else 0)
            numbers[number] = len(grafted)
            grafted.append(course._replace(parent=numbers[course.parent], leaves_at=leaves_at))
        return [course._replace(points=(course.points - origin) @ turn + onto) for course in grafted]


class _Flat:
    """All nodes of all courses of all eyes, one after another."""

    def __init__(self, eyes: Sequence[Courses]) -> None:
        courses = [course for one in eyes for course in one]
        lengths = np.array([len(course.points) for course in courses], np.int64)
        owner = np.repeat(np.arange(len(courses)), lengths)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        firsts = np.concatenate([[0], np.cumsum([len(one) for one in eyes])])
        self._eye_first = np.repeat(firsts[:-1], np.diff(firsts))  # of each course: the first course of its eye
        parents = np.array([course.parent for course in courses], np.int64)
        self._parents = np.where(parents >= 0, parents + self._eye_first, -1)
        self._leaves_at = np.array([course.leaves_at for course in courses], np.int64)
        self.points: Points = np.concatenate([course.points for course in courses])
        self.calibres: Numbers = np.concatenate([course.calibres for course in courses])
        self.node = np.arange(len(owner)) - self._starts[owner]
        self.length = lengths[owner]
        self.kind = np.array([course.kind for course in courses], np.int64)[owner]
        self.has_parent = parents[owner] >= 0
        self.course = owner - self._eye_first[owner]
        self.eye = np.repeat(np.arange(len(eyes)), np.diff(firsts))[owner]
        self._owner = owner

    def place(self, number: int) -> Place:
        """Where a node is."""
        return Place(int(self.eye[number]), int(self.course[number]), int(self.node[number]))

    def rows(self) -> Numbers:
        """Of each node the row of numbers by which places are compared."""
        firsts, lasts = self._starts[self._owner], self._starts[self._owner + 1] - 1
        here = np.arange(len(firsts))
        begin = np.maximum(firsts, np.minimum(here, lasts - HEADING_NODES))
        steps = self.points[np.minimum(here + HEADING_NODES, lasts)] - self.points[begin]
        sums = np.concatenate([[0], np.cumsum(self.calibres)])
        until = np.minimum(here + HEADING_NODES, lasts + 1)
        calibres = (sums[until] - sums[here]) / (until - here)
        headings = np.arctan2(steps[:, 1], steps[:, 0])
        return np.concatenate([_beginnings(self.points, headings, calibres), _beyond(self.points, self._moments())], 1)

    def _moments(self) -> Numbers:
        """As `moments` has it."""
        own = STEP * np.column_stack([np.ones(len(self.points)), self.points, (self.points**2).sum(axis=1)])
        totals = np.add.reduceat(own, self._starts[:-1], axis=0)
        for number in range(len(totals) - 1, -1, -1):  # daughters come after their parents
            if self._parents[number] >= 0:
                totals[self._parents[number]] += totals[number]
        leaving = np.flatnonzero(self._parents >= 0)
        parents = self._parents[leaving]
        at = self._starts[parents] + np.minimum(self._leaves_at[leaving], np.diff(self._starts)[parents] - 1)
        np.add.at(own, at, totals[leaving])
        sums = np.cumsum(own[::-1], axis=0)[::-1]
        after = np.concatenate([sums, np.zeros((1, 4))])[self._starts[self._owner + 1]]
        return np.asarray(sums - after)


def _running(course: Course, node: int) -> tuple[Points, float, float]:
    return course.points[node], course.heading(node), float(np.mean(course.calibres[node : node + HEADING_NODES]))


def _beginnings(points: Points, headings: Numbers, calibres: Numbers) -> Numbers:
    """Where and how vessels run, so that differences say how unlike they are: ``(n, 5)``."""
    around = 1.5 * np.column_stack([np.cos(headings), np.sin(headings)])
    return np.column_stack([points / 0.3, around, 2.0 * np.log(np.maximum(calibres, 0.02))])


def _beyond(points: Points, beyond_nodes: Numbers) -> Numbers:
    """How much lies beyond, where and how far spread: ``(n, 4)``."""
    lengths = np.maximum(beyond_nodes[:, :1], STEP)
    middles, squares = beyond_nodes[:, 1:3] / lengths, beyond_nodes[:, 3:] / lengths
    spread = np.sqrt(np.maximum(squares - (middles**2).sum(axis=1, keepdims=True), 0))
    return np.concatenate([1.2 * np.log(lengths), (middles - points) / 0.35, spread / 0.35], axis=1)


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

    def _at(self, points: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
    return cut(grafted, [occupied.free(kind, course.points) - 1 for course in grafted], shortest=_SHORTEST)


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


def mixed(random: np.random.Generator, courses: Courses, library: Library, *, stretch_dd: float) -> Courses:
    """The courses of an eye, changed from the hub outward for those of others.

    Args:
        random: decides.
        courses: of an eye.
        library: that the others are taken from.
        stretch_dd: about how long a stretch of one person is left.
    """
    every = round(stretch_dd / STEP)
    seen: set[tuple[float, float]] = set()
    while True:
        places = [
            (float(course.distances[node] + random.uniform(0, 0.4)), number, node)
            for number, course in enumerate(courses)
            for node in _places_on(course, every)
            if _spot(course.points[node]) not in seen
        ]
        if not places:
            return courses
        _, number, node = min(places)
        seen.add(_spot(courses[number].points[node]))
        courses = exchanged(random, courses, number, node, library) or courses


def mixed_here_and_there(random: np.random.Generator, courses: Courses, library: Library, places: int) -> Courses:
    """The courses of an eye, changed for those of others at some places that chance chooses."""
    for _ in range(places):
        lengths = np.array([len(course.points) for course in courses])
        number = int(random.choice(len(courses), p=lengths / lengths.sum()))
        nodes = _places_on(courses[number], 1)
        if nodes:
            courses = exchanged(random, courses, number, int(random.choice(nodes)), library) or courses
    return courses


def _places_on(course: Course, every: int) -> list[int]:
    outside = np.flatnonzero(course.distances > HUB)
    if len(course.points) < _SHORTEST_MIXED or not len(outside):
        return []
    first = int(outside[0])
    beginning = [0] if course.parent >= 0 and first == 0 else []
    return [*beginning, *range(max(first, 1), len(course.points) - _LEAST_BEYOND, every)]


def _spot(point: Points) -> tuple[float, float]:
    return round(float(point[0]), 1), round(float(point[1]), 1)
