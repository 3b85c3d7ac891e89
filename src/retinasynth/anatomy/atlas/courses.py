"""The courses of vessels, as they are traced in photographs and as eyes are grown from them.

All lengths are in disc diameters, in the retinal frame of `retinasynth.anatomy.landmarks`: origin at the disc centre, x
toward the fovea, y down.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from retinasynth.anatomy.branches import ARTERY, STEP, VEIN, Numbers, Points, tangents

KINDS = (ARTERY, VEIN)
HUB = 0.8  # the courses are those of one person within this distance from the disc's centre, and mixed beyond it

HEADING_NODES = 5  # along which the direction of a course is taken
_WAVES = 6
_ON_DISC_DD = 0.3  # from its centre
_TANGLED_WITHIN = 0.65  # the disc's centre: vessels of one kind meet there
_SHORTEST = 4  # nodes of a course
_MOST_TURN = math.radians(20)
_SMOOTHINGS, _EVERYWHERE = 40, 1
_JOINS_WITHIN_DD = 0.4
_BESIDE_DD = 0.03  # between the walls of an artery and a vein side by side
_CROSSING_DD = 0.4
_PARTING_NODES = 3
_TOUCHING_DD = 0.01  # between the walls of two vessels of one kind
_LEAVING_NODES = 8  # along which a vessel may touch its parent, or another that leaves there
_TURN_NODES, _TURNED_BACK = (8, 16), 0.5  # chord over arc
_WAVELENGTHS = (1.5, 4.0)


class Course(NamedTuple):
    """A vessel from where it leaves its parent to where it is no longer seen.

    Attributes:
        points: nodes about `STEP` apart, ``(n, 2)``; the first lies on the parent.
        calibres: at the nodes, ``(n,)``.
        parent: number of the course that it leaves, -1 for none.
        leaves_at: the node of the parent.
        kind: `ARTERY` or `VEIN`.
        goes_on: it leaves the view there, rather than ending.
        origin: number of the person, while an atlas is made.
    """

    points: Points
    calibres: Numbers
    parent: int
    leaves_at: int
    kind: int
    goes_on: bool
    origin: int = 0

    def heading(self, node: int) -> float:
        """The direction at a node, radians."""
        first, last = max(0, min(node, len(self.points) - 1 - HEADING_NODES)), node + HEADING_NODES
        x, y = self.points[min(last, len(self.points) - 1)] - self.points[first]
        return math.atan2(y, x)

    @property
    def distances(self) -> Numbers:
        """Of the nodes from the disc's centre."""
        return np.hypot(self.points[:, 0], self.points[:, 1])


Courses = list[Course]  # of one eye, each after its parent


def daughters_of(courses: Sequence[Course]) -> dict[int, list[int]]:
    """The numbers of the courses that leave each course, those without a parent under -1."""
    daughters: dict[int, list[int]] = defaultdict(list)
    for number, course in enumerate(courses):
        daughters[course.parent].append(number)
    return daughters


def beyond(courses: Sequence[Course], daughters: dict[int, list[int]], number: int, node: int) -> list[int]:
    """The courses that leave a course beyond a node of it, with all that leaves them; each after its parent."""
    found = [one for one in daughters.get(number, ()) if courses[one].leaves_at > node]
    for one in found:
        found += daughters.get(one, ())
    return found


def without(courses: Sequence[Course], gone: set[int]) -> tuple[Courses, dict[int, int]]:
    """The courses that are left, and their new numbers. Who loses a parent has to be gone, too."""
    numbers = {old: new for new, old in enumerate(one for one in range(len(courses)) if one not in gone)}
    kept = [courses[old]._replace(parent=numbers.get(courses[old].parent, -1)) for old in numbers]
    return kept, numbers


def cut(courses: Sequence[Course], lasts: Sequence[int], *, shortest: int) -> Courses:
    """The courses up to their last nodes, those shorter than `shortest` nodes left out, with all that leaves there."""
    kept: Courses = []
    numbers: dict[int, int] = {}
    for number, (course, last) in enumerate(zip(courses, lasts, strict=True)):
        is_lost = course.parent >= 0 and (
            course.parent not in numbers or course.leaves_at >= len(kept[numbers[course.parent]].points)
        )
        if is_lost or last + 1 < shortest:
            continue
        numbers[number] = len(kept)
        kept.append(
            course._replace(
                points=course.points[: last + 1],
                calibres=course.calibres[: last + 1],
                parent=numbers.get(course.parent, -1),
                goes_on=course.goes_on and last + 1 >= len(course.points),
            )
        )
    return kept


def warped(random: np.random.Generator, courses: Sequence[Course], *, amount: float, turn_deg: float) -> Courses:
    """The courses in a retina that is turned a little and drawn out or together here and there, smoothly."""
    angle, scale = math.radians(random.normal(0, turn_deg)), math.exp(random.normal(0, amount))
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    bearings = random.uniform(0, 2 * math.pi, _WAVES)
    vectors = np.stack([np.cos(bearings), np.sin(bearings)]) * (2 * math.pi / random.uniform(*_WAVELENGTHS, _WAVES))
    phases, shifts = random.uniform(0, 2 * math.pi, _WAVES), random.normal(0, amount, (_WAVES, 2))

    def moved(points: Points) -> Points:
        shifted: Points = points @ turn + np.sin(points @ vectors + phases) @ shifts
        return shifted

    return [course._replace(points=moved(course.points)) for course in courses]


def from_disc(courses: Sequence[Course]) -> Courses:
    """The courses, those that begin beside the disc led onto it."""
    found = list(courses)
    for number, course in enumerate(courses):
        begin = float(course.distances[0])
        nodes = math.ceil((begin - _ON_DISC_DD) / STEP)
        if course.parent >= 0 or nodes < 1:
            continue
        before = np.linspace(_ON_DISC_DD / begin, 1, nodes, endpoint=False)[:, np.newaxis] * course.points[0]
        calibres = np.concatenate([np.full(nodes, course.calibres[0]), course.calibres])
        found[number] = course._replace(points=np.concatenate([before, course.points]), calibres=calibres)
        found = [one._replace(leaves_at=one.leaves_at + nodes) if one.parent == number else one for one in found]
    return found


def smoothed(courses: Sequence[Course]) -> Courses:
    """The courses without kinks, each beginning on its parent."""
    found: Courses = []
    for course in courses:
        points = _without_kinks(course.points)
        if course.parent >= 0:
            shift = found[course.parent].points[min(course.leaves_at, len(found[course.parent].points) - 1)] - points[0]
            fading = np.maximum(1 - np.arange(len(points)) * STEP / _JOINS_WITHIN_DD, 0)
            points = points + fading[:, np.newaxis] * shift
        found.append(course._replace(points=points))
    return found


def parted(courses: Sequence[Course]) -> Courses:
    """The courses, arteries moved aside where they run on a vein for longer than a crossing takes.

    In photographs they run beside each other there.
    """
    veins = [course for course in courses if course.kind == VEIN]
    if not veins:
        return list(courses)
    points = np.concatenate([course.points for course in veins])
    along = np.concatenate([tangents(course.points) for course in veins])
    calibres = np.concatenate([course.calibres for course in veins])
    tree = KDTree(points)

    def beside(artery: Course) -> Course:
        apart, near = tree.query(artery.points)
        across = along[near][:, ::-1] * (-1, 1)
        across *= np.sign((tangents(artery.points) * along[near]).sum(axis=1))[:, np.newaxis]
        aside = ((artery.points - points[near]) * across).sum(axis=1)
        gaps = (artery.calibres + calibres[near]) / 2 + _BESIDE_DD
        shifts = np.zeros(len(aside))
        for (run,) in ndimage.find_objects(ndimage.label((apart < gaps) & (artery.distances > _TANGLED_WITHIN))[0]):
            if (run.stop - run.start) * STEP > _CROSSING_DD:
                side = 1 if aside[run].mean() >= 0 else -1
                shifts[run] = side * np.maximum(gaps[run] - side * aside[run], 0)
        moved = ndimage.gaussian_filter1d(shifts, _PARTING_NODES)[:, np.newaxis] * across
        return artery._replace(points=artery.points + moved)

    return [beside(course) if course.kind == ARTERY else course for course in courses]


def unbent(courses: Sequence[Course]) -> Courses:
    """The courses up to where they turn back."""
    lasts = []
    for course in courses:
        last = len(course.points) - 1
        for nodes in _TURN_NODES:
            chords = np.hypot(*(course.points[nodes:] - course.points[:-nodes]).T)
            turning = np.flatnonzero(chords < _TURNED_BACK * nodes * STEP)
            last = min([last, *(turning[:1] + nodes // 2).tolist()])
        lasts.append(last)
    return cut(courses, lasts, shortest=_SHORTEST)


class _At(NamedTuple):
    """A node of a course: numbers of both."""

    course: int
    node: int


def untouched(courses: Sequence[Course]) -> Courses:
    """The courses up to where they would touch a wider one of their own kind outside the disc, but where they leave it.

    In a mask the two would be one, and what lies between them a loop.
    """
    lasts = [len(course.points) - 1 for course in courses]
    for kind in KINDS:
        chosen = [number for number, course in enumerate(courses) if course.kind == kind]
        nodes = [_At(number, node) for number in chosen for node in range(len(courses[number].points))]
        if not nodes:
            continue
        points = np.concatenate([courses[number].points for number in chosen])
        calibres = np.concatenate([courses[number].calibres for number in chosen])
        pairs = KDTree(points).query_pairs(float(calibres.max()) + _TOUCHING_DD, output_type="ndarray")
        apart = np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T)
        outside = np.hypot(*points[pairs[:, 0]].T) > _TANGLED_WITHIN
        for first, second in pairs[outside & (apart < calibres[pairs].mean(axis=1) + _TOUCHING_DD)].tolist():
            one, other = nodes[first], nodes[second]
            if one.course != other.course and not _leave_there(courses, one, other):
                _end_narrower(courses, lasts, one, other, before=1)
    return cut(courses, lasts, shortest=_SHORTEST)


def _leave_there(courses: Sequence[Course], one: _At, other: _At) -> bool:
    """Whether one of two courses has just left the other, or both a third."""
    leaving = courses[one.course], courses[other.course]
    if leaving[0].parent == leaving[1].parent >= 0:
        ways = one.node, other.node, abs(leaving[0].leaves_at - leaving[1].leaves_at)
        return max(ways) < _LEAVING_NODES
    return _has_left(courses, one, other, _LEAVING_NODES) or _has_left(courses, other, one, _LEAVING_NODES)


def untangled(courses: Sequence[Course]) -> Courses:
    """The courses up to where they would cross a wider one of their own kind, or themselves, outside the disc.

    Retinal arteries do not cross arteries, nor veins veins.
    """
    lasts = [len(course.points) - 1 for course in courses]
    for kind in KINDS:
        chosen = [number for number, course in enumerate(courses) if course.kind == kind]
        pieces = [_At(number, node) for number in chosen for node in range(len(courses[number].points) - 1)]
        if not pieces:
            continue
        starts = np.concatenate([courses[number].points[:-1] for number in chosen])
        ends = np.concatenate([courses[number].points[1:] for number in chosen])
        near = KDTree((starts + ends) / 2).query_pairs(2 * STEP, output_type="ndarray")
        for first, second in near[_crossing(starts, ends, near)].tolist():
            outside = math.hypot(*starts[first]) > _TANGLED_WITHIN
            if outside and not _are_joined(courses, pieces[first], pieces[second]):
                _end_narrower(courses, lasts, pieces[first], pieces[second])
    return cut(courses, lasts, shortest=_SHORTEST)


def _end_narrower(courses: Sequence[Course], lasts: list[int], one: _At, other: _At, before: int = 0) -> None:
    """Let the narrower of two courses end at its node, or so many before it."""
    widths = [courses[at.course].calibres[at.node] for at in (one, other)]
    loser = other if widths[0] > widths[1] else one
    lasts[loser.course] = min(lasts[loser.course], loser.node - before)


def _crossing(starts: Points, ends: Points, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs of straight pieces cross."""

    def side(p: Points, q: Points, r: Points) -> Numbers:
        return np.asarray((q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0]))

    a, b, c, d = starts[pairs[:, 0]], ends[pairs[:, 0]], starts[pairs[:, 1]], ends[pairs[:, 1]]
    return np.asarray((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0))


def _are_joined(courses: Sequence[Course], one: _At, other: _At) -> bool:
    """Whether two pieces lie where one of the courses has just left the other, or follow each other."""
    if one.course == other.course:
        return abs(one.node - other.node) <= 1
    return _has_left(courses, one, other, 2) or _has_left(courses, other, one, 2)


def _has_left(courses: Sequence[Course], one: _At, parent: _At, nodes: int) -> bool:
    """Whether the first course has left the other within so many nodes."""
    course = courses[one.course]
    return course.parent == parent.course and one.node < nodes and abs(parent.node - course.leaves_at) <= nodes


def _without_kinks(points: Points) -> Points:
    """A course that is a little smoother all along, and nowhere turns by more than `_MOST_TURN` from node to node.

    What is smoothed away all along is the grid of pixels that courses were traced on. The ends stay.
    """
    for number in range(_SMOOTHINGS):
        steps = np.diff(points, axis=0)
        cross = steps[:-1, 0] * steps[1:, 1] - steps[:-1, 1] * steps[1:, 0]
        turns = np.abs(np.arctan2(cross, (steps[:-1] * steps[1:]).sum(axis=1)))
        everywhere = number < _EVERYWHERE
        if len(turns) == 0 or not (everywhere or turns.max() > _MOST_TURN):
            break
        weight = 1.0 if everywhere else ndimage.maximum_filter1d(turns > _MOST_TURN, 5).astype(float)[:, np.newaxis]
        middle = 0.25 * points[:-2] + 0.5 * points[1:-1] + 0.25 * points[2:]
        points = points.copy()
        points[1:-1] += weight * (middle - points[1:-1])
    return points


def resampled(points: Points, values: Numbers) -> tuple[Points, Numbers, NDArray[np.float64]]:
    """A course with nodes `STEP` apart, with values at its nodes; and how far along each old node lies."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], max(2, round(along[-1] / STEP) + 1))
    new = np.column_stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)])
    return new, np.interp(at, along, values), along
