"""Tracing the vessels of a labelled photograph from the disc outward: which goes on as which, and which leaves which.

The pieces of vessel between the nodes of a mask's graph (`retinasynth.eye.skeleton`) are joined by the cheapest way to
the disc (Dijkstra): length costs, turning costs, growing wider and changing from artery to vein cost. So a crossing is
passed straight on, and a branch is joined where it leaves.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from retinasynth.anatomy.atlas.courses import HUB, Course, Courses, daughters_of, resampled
from retinasynth.anatomy.branches import ARTERY, STEP, VEIN, Numbers, Points, tangents
from retinasynth.eye.skeleton import Graph, vessel_graph
from retinasynth.images import Mask

_FREE_TURN, _MOST_TURN = math.radians(25), math.radians(110)
_TURNING = 0.6  # disc diameters that a turn by a right angle costs
_TURNING_BACK = 6.0
_WIDENING = 0.3  # that growing by once its calibre costs, beyond the first quarter
_CHANGING_KIND = 2.0
_IN_DISC = 0.45  # vessels meet within this distance from its centre
_FROM_RIM, _FROM_AFAR = 0.4, 4.0  # what it costs to begin at a loose end beside the disc, or far from it
_BESIDE_DISC = 1.0
_AT_EDGE = 0.06  # a vessel that ends so near to the edge of the field goes on
_ON = math.radians(75)  # what turns more does not go on, but branches off
_BLUR_PX = 2.0  # by which what is thin looks wider than it is
_THINNEST_PX = 0.7
_LEAST_VOTE = 0.3
_LEAST_VOTING_DD = 0.4
_ASIDE = 0.5  # of its calibre: how far a stem of both kinds lies to either side for each


class Traced(NamedTuple):
    """The vessels of one photograph, and the circle of the retina that it shows."""

    courses: Courses
    centre: tuple[float, float]
    reach: float


class _Piece(NamedTuple):
    """A segment of the graph, directed away from the disc."""

    points: Points
    calibres: tuple[float, float]  # at the begin and at the end
    before: int
    goes_on: bool
    vote: float  # 1 artery, -1 vein


def trace(planes: Mapping[str, Mask], *, is_left: bool, origin: int = 0) -> Traced:
    """The courses of the vessels in a photograph.

    Args:
        planes: ``bool (height, width)``: vessels, disc and fov, perhaps arteries and veins.
        is_left: whether it is a left eye, with its macula to the right of the disc.
        origin: number of the person.

    Returns:
        Courses from the disc outward. Vessels that are told to be neither artery nor vein have the kind that their
        neighbours have not.
    """
    disc, field = planes["disc"], planes["fov"]
    rows, columns = np.flatnonzero(disc.any(axis=1)), np.flatnonzero(disc.any(axis=0))
    centre = np.array([columns[0] + columns[-1] + 1, rows[0] + rows[-1] + 1]) / 2
    # A disc is a little higher than wide; the mean of both is surer than its height alone.
    scale = (rows[-1] - rows[0] + 1 + 1.08 * (columns[-1] - columns[0] + 1)) / 2
    mirror = np.array([1 if is_left else -1, 1]) / scale

    def framed(places: Numbers) -> Points:
        points: Points = (places[:, ::-1] + 0.5 - centre) * mirror
        return points

    graph = vessel_graph(planes["vessels"] & field)
    pieces = _directed(graph, planes, [framed(one.path) for one in graph.segments], framed(graph.nodes), scale)
    courses = _with_kinds(*_chained(pieces, origin))
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    middle = framed(np.array([[rows[0] + rows[-1], columns[0] + columns[-1]]]) / 2)[0]
    return Traced(courses, (float(middle[0]), float(middle[1])), float(columns[-1] - columns[0] + 1) / 2 / scale)


def _directed(
    graph: Graph, planes: Mapping[str, Mask], paths: list[Points], nodes: Points, scale: float
) -> dict[int, _Piece]:
    """All pieces that can be reached, by number of the segment."""
    meeting: dict[int, list[int]] = defaultdict(list)
    away: dict[tuple[int, int], Points] = {}
    for number, segment in enumerate(graph.segments):
        if segment.nodes[0] != segment.nodes[1]:
            for node in segment.nodes:
                meeting[node].append(number)
                away[number, node] = _leaving(paths[number], segment.nodes[0] == node, segment.calibre / scale)
    votes = [_vote(planes, segment.path) for segment in graph.segments]
    queue = [
        (cost + graph.segments[number].length / scale, number, node, -1)
        for node, cost in _begins(graph, meeting, nodes).items()
        for number in meeting[node]
    ]
    heapq.heapify(queue)
    reached: dict[int, tuple[int, int]] = {}
    while queue:
        cost, number, node, before = heapq.heappop(queue)
        if number in reached:
            continue
        reached[number] = node, before
        segment = graph.segments[number]
        end = segment.nodes[1] if segment.nodes[0] == node else segment.nodes[0]
        for other in meeting[end]:
            if other not in reached:
                wider = graph.segments[other].calibre / max(segment.calibre, 1e-6) - 1.25
                more = _turning(_angle(-away[number, end], away[other, end])) + _WIDENING * max(wider, 0)
                more += _CHANGING_KIND * max(-votes[number] * votes[other], 0)
                heapq.heappush(queue, (cost + more + graph.segments[other].length / scale, other, end, number))
    inside = ndimage.distance_transform_edt(np.pad(planes["fov"], 1))[1:-1, 1:-1] / scale
    pieces = {}
    for number, (node, before) in reached.items():
        segment = graph.segments[number]
        forward = segment.nodes[0] == node
        seen = segment.calibres if forward else segment.calibres[::-1]
        calibres = np.sqrt(np.maximum(seen**2 - _BLUR_PX**2, _THINNEST_PX**2)) / scale
        end = segment.nodes[1] if forward else segment.nodes[0]
        third = max(1, len(calibres) // 3)
        row, column = np.clip(graph.nodes[end].astype(int), 0, np.array(inside.shape) - 1)
        points = np.concatenate([nodes[[node]], paths[number][:: 1 if forward else -1][1:-1], nodes[[end]]])
        ends = float(np.median(calibres[:third])), float(np.median(calibres[-third:]))
        goes_on = bool(inside[row, column] < _AT_EDGE + ends[1])
        pieces[number] = _Piece(points, ends, before, goes_on, votes[number])
    return pieces


def _begins(graph: Graph, meeting: Mapping[int, list[int]], nodes: Points) -> dict[int, float]:
    """Nodes at which vessels begin, and what it costs to begin there."""
    distances = np.hypot(*nodes.T)
    loose = [node for node, numbers in meeting.items() if len(numbers) == 1]
    costs = {
        node: float(distances[node]) + (_FROM_RIM if distances[node] < _BESIDE_DISC else _FROM_AFAR) for node in loose
    }
    inner = [node for node in meeting if distances[node] < _IN_DISC]
    if inner:
        weights = np.array([sum(graph.segments[number].calibre for number in meeting[node]) for node in inner])
        middle = np.average(nodes[inner], axis=0, weights=weights)
        costs[inner[int(np.argmin(np.hypot(*(nodes[inner] - middle).T)))]] = 0.0
    return costs


def _leaving(path: Points, forward: bool, calibre: float) -> Points:
    """The direction in which a path leaves its node, of length 1."""
    path = path if forward else path[::-1]
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    near, far = (path[min(int(np.searchsorted(along, part * max(calibre, 0.03))), len(path) - 1)] for part in (1, 3.5))
    way = far - near if (far != near).any() else path[-1] - path[0]
    direction: Points = way / max(math.hypot(*way), 1e-9)
    return direction


def _angle(one: Points, other: Points) -> float:
    return abs(math.atan2(one[0] * other[1] - one[1] * other[0], one @ other))


def _turning(angle: float) -> float:
    if angle > _MOST_TURN:
        return _TURNING_BACK
    return _TURNING * (max(angle - _FREE_TURN, 0) / (math.pi / 2 - _FREE_TURN)) ** 2


def _vote(planes: Mapping[str, Mask], path: Numbers) -> float:
    if "arteries" not in planes:
        return 0.0
    rows, columns = np.clip(path.round().astype(int), 0, np.array(planes["vessels"].shape) - 1).T
    return float(planes["arteries"][rows, columns].mean() - planes["veins"][rows, columns].mean())


def _chained(pieces: Mapping[int, _Piece], origin: int) -> tuple[Courses, list[float]]:
    """Courses of pieces that go on as each other, their kinds not yet told; and how their pixels vote."""
    after: dict[int, list[int]] = defaultdict(list)
    for number, piece in pieces.items():
        after[piece.before].append(number)
    onward = {number: _onward(pieces, number, after[number]) for number in pieces}
    courses: Courses = []
    votes: list[float] = []
    todo = [(number, -1, 0) for number in after[-1]]
    for first, parent, leaves_at in todo:
        chain = [first]
        while (following := onward[chain[-1]]) is not None:
            chain.append(following)
        points = np.concatenate([pieces[first].points[:1], *(pieces[one].points[1:] for one in chain)])
        calibres = [np.linspace(*pieces[one].calibres, len(pieces[one].points))[1:] for one in chain]
        at, widths, along = resampled(points, np.concatenate([[pieces[first].calibres[0]], *calibres]))
        ends = np.cumsum([len(pieces[one].points) - 1 for one in chain])
        places = (along[ends] / max(along[-1], 1e-9) * (len(at) - 1)).round().astype(int)
        me = len(courses)
        for one, place in zip(chain, places.tolist(), strict=True):
            todo += [(other, me, place) for other in after[one] if other != onward[one]]
        lengths = [len(pieces[one].points) for one in chain]
        votes.append(float(np.average([pieces[one].vote for one in chain], weights=lengths)))
        courses.append(Course(at, widths, parent, leaves_at, ARTERY, pieces[chain[-1]].goes_on, origin))
    return courses, votes


def _onward(pieces: Mapping[int, _Piece], number: int, following: list[int]) -> int | None:
    """The one of the pieces that follow as which a vessel goes on: it turns little and is wide."""
    best: tuple[float, int] | None = None
    ending = pieces[number].points[::-1]
    for other in following:
        beginning = pieces[other].points
        back = ending[min(len(ending) - 1, max(3, round(0.3 * len(ending))))]
        ahead = beginning[min(len(beginning) - 1, max(3, round(0.3 * len(beginning))))]
        angle = _angle(ending[0] - back, ahead - beginning[0])
        wide = min(pieces[other].calibres[0] / max(pieces[number].calibres[1], 1e-6), 1.2)
        cost = angle / math.radians(60) - 1.5 * wide
        is_other_kind = pieces[number].vote * pieces[other].vote < -(_LEAST_VOTE**2)
        if angle < _ON and not is_other_kind and (best is None or cost < best[0]):
            best = cost, other
    return None if best is None else best[1]


def _with_kinds(courses: Courses, votes: Sequence[float]) -> Courses:
    """Each vessel an artery or a vein: as its pixels vote, as its parent is, or as the next trunk is not."""
    kinds = {
        number: ARTERY if vote > 0 else VEIN
        for number, (course, vote) in enumerate(zip(courses, votes, strict=True))
        if abs(vote) > _LEAST_VOTE and len(course.points) * STEP > _LEAST_VOTING_DD
    }
    for number, course in enumerate(courses):  # parents come first
        if number not in kinds and course.parent in kinds and course.distances[0] > HUB:
            kinds[number] = kinds[course.parent]
    around = sorted((number for number in range(len(courses)) if number in kinds or _is_trunk(courses[number])),
                    key=lambda number: _bearing(courses[number]))  # fmt: skip
    for place, number in enumerate(around):
        if number not in kinds:
            beside = (around[place - 1], around[(place + 1) % len(around)])
            known = next((kinds[one] for one in beside if one in kinds), None)
            kinds[number] = place % 2 if known is None else ARTERY + VEIN - known
    coloured = []
    for number, course in enumerate(courses):
        kinds.setdefault(number, kinds.get(course.parent, VEIN))
        coloured.append(course._replace(kind=kinds[number]))
    return _split(coloured)


def _is_trunk(course: Course) -> bool:
    return course.parent < 0 or bool(course.distances[0] < HUB)


def _bearing(course: Course) -> float:
    """The direction from the disc to where a course leaves the hub, or to its end."""
    outside = np.flatnonzero(course.distances > HUB)
    x, y = course.points[outside[0] if len(outside) else -1]
    return math.atan2(y, x)


def _split(courses: Courses) -> Courses:
    """Arteries with the stems that they hang on, then veins with theirs.

    A stem of both is two vessels that the mask has grown together: each runs to its side of the middle.
    """
    daughters = daughters_of(courses)
    needed: dict[int, set[int]] = {ARTERY: set(), VEIN: set()}
    for kind, numbers in needed.items():
        for number in reversed(range(len(courses))):
            if courses[number].kind == kind or number in numbers:
                numbers |= {number, courses[number].parent}
    found: Courses = []
    for kind, numbers in needed.items():
        places: dict[int, int] = {}
        for number in sorted(numbers - {-1}):
            course = courses[number]
            last = len(course.points) - 1
            if course.kind != kind:  # no farther than what hangs on it
                last = max((courses[one].leaves_at for one in daughters[number] if one in numbers), default=0)
            if last < 1:
                continue
            points, calibres = course.points[: last + 1], course.calibres[: last + 1]
            if number in needed[ARTERY] & needed[VEIN]:
                side = _ASIDE if kind == ARTERY else -_ASIDE
                points = points + side * calibres[:, np.newaxis] * tangents(points)[:, ::-1] * (-1, 1)
            places[number] = len(found)
            goes_on = course.goes_on and last == len(course.points) - 1
            found.append(Course(points, calibres, places.get(course.parent, -1), course.leaves_at, kind, goes_on,
                                course.origin))  # fmt: skip
    return found
