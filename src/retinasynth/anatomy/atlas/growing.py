"""Growing the trees of an eye from the atlas.

One mixed eye of the atlas is taken that shows much of what the camera sees, warped, and mixed again with the others.
Where it was not seen its vessels go on as those of others do at such a place, and branches are added or taken away
until there are as many as asked for.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from retinasynth.anatomy.atlas.courses import (
    HUB,
    KINDS,
    Course,
    Courses,
    cut,
    daughters_of,
    from_disc,
    parted,
    smoothed,
    unbent,
    untangled,
    untouched,
    warped,
    without,
)
from retinasynth.anatomy.atlas.mixing import Library, Occupied, Place, fitted, joined, mixed_here_and_there
from retinasynth.anatomy.atlas.store import Atlas, bundled_atlas
from retinasynth.anatomy.branches import ARTERY, DISC_RIM, STEP, VEIN, Branch, Points, Territory
from retinasynth.anatomy.landmarks import USUAL_FOVEA

_EYES_TRIED = 3
_EXCHANGES = 25
_AROUND_DISC_DD = 1.0  # from its centre, vessels grow in every view
_WARP, _TURN_DEG = 0.03, 4.0
_SHORTEST = 4  # nodes of a vessel
_AT_EDGE_DD, _MOST_IN_TISSUE = 0.15, 2.5
_TERMINAL_DD = 0.02  # calibre of the thinnest vessel that is seen
_EXTENSIONS = 80
_ELSEWHERE = np.radians([0, 20, -20, 40, -40, 60, -60, 90, -90])  # around the disc, where a vessel may go on likewise
_MOST_TURN = 2.0  # with that, radians
_CUT_OFF = 2  # nodes at the edge of a view that tell no direction
_ENDING = 8  # nodes along which the calibre of an end is taken
_LEAST_ROOM_DD = 0.2  # between a place where a vessel leaves and the edge of the territory
_FILLINGS = 2
_PLACES_TRIED = 2000
_TO_PARENT_DD = 0.3
_LEAVING = math.radians(20), math.radians(100)
_FIRST_NODE = 3  # of its parent at which a vessel leaves
_LEAST_SPROUT, _LEAST_FREE = 7, 0.7  # nodes, and share of what it was
_APART_DD = 0.17  # mean distance of the outer half of a sprout from all other vessels


def grow_trees(
    random: np.random.Generator, territory: Territory, *, smaller_trunks: int, branches: int, exponent: float
) -> tuple[list[Branch], list[Branch]]:
    """Arteries and veins of an eye.

    Args:
        random: decides everything.
        territory: where tissue is.
        smaller_trunks: vessels that leave the disc beside the eight of the arcades; of a few eyes of the atlas that
            with the nearest number is grown from.
        branches: how many branches there are beside the trunks, where there is room for so many.
        exponent: of Murray's law, by which calibres become numbers of terminals.

    Returns:
        The branches of arteries and of veins, each after its parent.
    """
    courses = grow_courses(random, territory, bundled_atlas(), smaller_trunks=smaller_trunks, branches=branches)
    return _branches(courses, ARTERY, territory, exponent), _branches(courses, VEIN, territory, exponent)


def grow_courses(
    random: np.random.Generator, territory: Territory, atlas: Atlas, *, smaller_trunks: int, branches: int
) -> Courses:
    """The courses of both, grown from an atlas; arguments as those of `grow_trees`.

    In a narrow view of the macula they grow as far as to the disc, where they come from.
    """
    reach = max(territory.reach, math.hypot(*territory.centre) + _AROUND_DISC_DD)
    branches = round(branches * (reach / territory.reach) ** 2)
    territory = territory._replace(reach=reach)
    courses = _drawn(random, atlas, territory, 8 + smaller_trunks)
    courses = warped(random, courses, amount=_WARP, turn_deg=_TURN_DEG)
    courses = mixed_here_and_there(random, from_disc(courses), atlas.library, _EXCHANGES)
    courses = [course._replace(points=_to_fovea(course.points, territory.fovea)) for course in courses]
    courses = untangled(_within(_extended(random, courses, atlas.library, territory), territory))
    courses = _thinned(random, courses, branches)
    for _ in range(_FILLINGS):  # of what is added a little is cut off where it would cross others
        courses = _filled(random, courses, atlas.library, territory, branches)
        courses = unbent(smoothed(_within(parted(courses), territory)))
        courses = untangled(untouched(courses))
    return courses


def _drawn(random: np.random.Generator, atlas: Atlas, territory: Territory, trunks: int) -> Courses:
    """An eye of the atlas: of a few that show much of the territory the one with about as many trunks."""
    chances = atlas.coverage(territory.centre, territory.reach) ** 4
    few = random.choice(len(chances), min(_EYES_TRIED, len(chances)), replace=False, p=chances / chances.sum())
    return min((atlas.eyes[one].courses for one in few), key=lambda courses: abs(_trunks(courses) - trunks))


def _trunks(courses: Courses) -> int:
    """How many vessels leave the hub."""
    return sum(bool(course.distances[0] < HUB < course.distances[-1]) for course in courses)


def _is_branch(course: Course) -> bool:
    return course.parent >= 0 and bool(course.distances[0] > HUB)


def _to_fovea(points: Points, fovea: tuple[float, float]) -> Points:
    """Draw the temporal retina out or together, so that its fovea comes to lie where it should."""
    share = np.clip(points[:, :1] / USUAL_FOVEA[0], 0, 1) ** 1.5
    moved: Points = points + share * np.subtract(fovea, USUAL_FOVEA)
    return moved


def _depth(point: Points, territory: Territory) -> float:
    """How far a point lies from the edge of the territory; below 0 outside."""
    return territory.reach - math.hypot(*(point - territory.centre))


def _within(courses: Courses, territory: Territory) -> Courses:
    """The courses up to where they leave the territory, reach the avascular zone or cross the raphe."""
    lasts = []
    for course in courses:
        points = course.points
        inside = np.flatnonzero(np.hypot(*(points - territory.centre).T) <= territory.reach)
        barred = np.hypot(*(points - territory.fovea).T) < territory.avascular
        below = points[:, 1] > territory.fovea[1]
        barred[1:] |= (points[1:, 0] > territory.fovea[0]) & (below[1:] != below[:-1])
        last = int(inside[-1]) if len(inside) else -1
        lasts.append(min(last, int(np.argmax(barred)) - 1) if barred.any() else last)
    return cut(courses, lasts, shortest=_SHORTEST)


# --- Where the eye of the atlas was not seen -------------------------------------------------------------------------


def _extended(random: np.random.Generator, courses: Courses, library: Library, territory: Territory) -> Courses:
    """Vessels that left the view they were seen in go on to the edge of the territory, those near the disc first."""
    for _ in range(_EXTENSIONS):
        ends = [
            (float(course.distances[-1]), number)
            for number, course in enumerate(courses)
            if course.goes_on and _depth(course.points[-1], territory) > _SHORTEST * STEP
        ]
        if not ends:
            break
        _, number = min(ends)
        courses = _gone_on(random, courses, number, library, territory)
    return courses


def _gone_on(
    random: np.random.Generator, courses: Courses, number: int, library: Library, territory: Territory
) -> Courses:
    """The courses with one of them gone on from its end, or ended there where nothing fits."""
    course = courses[number]
    node = max(len(course.points) - 1 - _CUT_OFF, 1)
    onto, heading = course.points[node], course.heading(node)
    occupied = Occupied(courses, {number})
    occupied.mark(course.kind, course.points[: node + 1])
    best: tuple[float, Courses] | None = None
    calibre = float(np.median(course.calibres[-_ENDING:]))
    has_late_daughter = any(courses[one].leaves_at > node for one in daughters_of(courses).get(number, ()))
    likely = [] if has_late_daughter else library.continuing(course.kind, onto, heading, calibre, _ELSEWHERE)
    for place, unlike in likely:
        grafted = library.graft(random, place, onto, heading, most_turn=_MOST_TURN)
        fitting = [] if grafted is None else fitted(grafted, occupied, course.kind)
        if fitting:
            room = max(_depth(onto, territory), STEP)
            used = 1 - max(_depth(fitting[0].points[-1], territory), 0) / room
            score = used - 0.15 * unlike + random.uniform(0, 0.3)
            if best is None or score > best[0]:
                best = score, fitting
    if best is None:
        return [*courses[:number], course._replace(goes_on=False), *courses[number + 1 :]]
    return joined(courses, number, node, {number}, best[1])


# --- As many branches as asked for -----------------------------------------------------------------------------------


def _thinned(random: np.random.Generator, courses: Courses, branches: int) -> Courses:
    """Without the thinnest and shortest branches, where there are more than asked for."""
    while True:
        daughters = daughters_of(courses)
        ends = [one for one, course in enumerate(courses) if _is_branch(course) and not daughters.get(one)]
        surplus = sum(map(_is_branch, courses)) - branches
        if surplus <= 0 or not ends:
            return courses
        areas = np.array([float(courses[one].calibres.sum()) for one in ends]) * np.exp(
            random.normal(0, 0.5, len(ends))
        )
        smallest = np.argsort(areas)[: max(1, min(surplus, len(ends) // 3))]
        courses, _ = without(courses, {ends[one] for one in smallest.tolist()})


class _Nodes(NamedTuple):
    """All nodes of the vessels of a kind.

    Attributes:
        points: where they are.
        owners: numbers of their courses.
        places: which node of it.
    """

    points: Points
    owners: NDArray[np.int64]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, courses: Courses, kind: int) -> "_Nodes":
        chosen = [number for number, course in enumerate(courses) if course.kind == kind]
        lengths = [len(courses[one].points) for one in chosen]
        places = [np.arange(length) for length in lengths]
        points = [courses[one].points for one in chosen]
        return cls(np.concatenate([np.empty((0, 2)), *points]), np.repeat(chosen, lengths).astype(np.int64),
                   np.concatenate([np.empty(0, np.int64), *places]))  # fmt: skip


def _filled(
    random: np.random.Generator, courses: Courses, library: Library, territory: Territory, branches: int
) -> Courses:
    """With further branches where they leave in other eyes and there is room, up to as many as asked for."""
    missing = branches - sum(map(_is_branch, courses))
    if missing <= 0:
        return courses
    nodes = [_Nodes.of(courses, kind) for kind in KINDS]
    occupied, vessels = Occupied(courses), [KDTree(np.concatenate([one.points for one in nodes]))]
    courses = list(courses)
    for place in library.side_places(random, territory.centre, territory.reach - _LEAST_ROOM_DD)[:_PLACES_TRIED]:
        if missing <= 0:
            break
        kind = library.eyes[place.eye][place.course].kind
        at = _parent_of(courses, nodes[kind], library.eyes[place.eye][place.course])
        if at is None:
            continue
        sprout = _sprout(random, library, place, courses[at[0]].points[at[1]], occupied)
        if not sprout:
            continue
        outer = sprout[0].points[len(sprout[0].points) // 2 :]
        if any(np.mean(tree.query(outer)[0]) < _APART_DD for tree in vessels):
            continue
        first = len(courses)
        for part in sprout:
            is_root = part.parent < 0
            parent, leaves_at = at if is_root else (first + part.parent, part.leaves_at)
            courses.append(part._replace(parent=parent, leaves_at=leaves_at))
            occupied.mark(kind, part.points)
        vessels.append(KDTree(np.concatenate([part.points for part in sprout])))
        missing -= len(sprout)
    return courses


def _parent_of(courses: Courses, nodes: _Nodes, branch: Course) -> tuple[int, int] | None:
    """Course and node from which a branch may leave here as it left there, or None."""
    begin = branch.points[0]
    if not len(nodes.points):
        return None
    distances = ((nodes.points - begin) ** 2).sum(axis=1)
    near = int(np.argmin(distances))
    number, node = int(nodes.owners[near]), int(nodes.places[near])
    parent = courses[number]
    leaving = abs((branch.heading(0) - parent.heading(node) + math.pi) % (2 * math.pi) - math.pi)
    fits = (
        distances[near] < _TO_PARENT_DD**2
        and node >= _FIRST_NODE
        and parent.distances[node] > DISC_RIM + 0.1
        and _LEAVING[0] < leaving < _LEAVING[1]
    )
    return (number, node) if fits else None


def _sprout(random: np.random.Generator, library: Library, place: Place, onto: Points, occupied: Occupied) -> Courses:
    """A branch as it leaves there, moved to here, with what runs free of it; empty where too little does."""
    branch = library.eyes[place.eye][place.course]
    grafted = library.graft(random, place, onto, branch.heading(0))
    fitting = [] if grafted is None else fitted(grafted, occupied, branch.kind)
    if not fitting or len(fitting[0].points) < max(_LEAST_SPROUT, _LEAST_FREE * len(branch.points)):
        return []
    return fitting


def _branches(courses: Courses, kind: int, territory: Territory, exponent: float) -> list[Branch]:
    """The courses of a kind as branches, their calibres kept in what is supplied beyond their ends."""
    chosen = [number for number, course in enumerate(courses) if course.kind == kind]
    numbers = {old: new for new, old in enumerate(chosen)}
    found = []
    for course in (courses[one] for one in chosen):
        terminals = (float(np.median(course.calibres[-5:])) / _TERMINAL_DD) ** exponent
        if _depth(course.points[-1], territory) > _AT_EDGE_DD:  # it ends in the tissue, where vessels are thin
            terminals = min(terminals, _MOST_IN_TISSUE)
        parent = numbers.get(course.parent, -1)
        leaves_at = min(course.leaves_at, len(courses[course.parent].points) - 1) if parent >= 0 else 0
        found.append(Branch(course.points, parent, leaves_at, max(0.1, terminals)))
    return found
