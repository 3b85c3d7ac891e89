"""Growing the trees of an eye from the atlas.

One mixed eye of the atlas is taken that shows much of what the camera sees, warped, and mixed again with the others.
Where it was not seen its vessels go on as those of others do at such a place, and branches are added or taken away
until there are as many as asked for.
"""

import math

import numpy as np
from scipy.spatial import KDTree

from retinasynth.anatomy.atlas.courses import (
    HUB,
    KINDS,
    Courses,
    cut,
    daughters_of,
    smoothed,
    warped,
    without,
)
from retinasynth.anatomy.atlas.mixing import Occupied, fitted, joined, mixed
from retinasynth.anatomy.atlas.store import Atlas, bundled_atlas
from retinasynth.anatomy.branches import DISC_RIM, STEP, Branch, Points, Territory

_EXCHANGES = 10
_STRETCH_DD = 1.2
_WARP = 0.05
_TURN_DEG = 3.0
_USUAL_FOVEA = (2.5, 0.35)
_SHORTEST = 4
_TERMINAL_DD = 0.03  # calibre of the thinnest vessel that is seen
_EXTENSIONS = 80
_TRIED = 10
_ROTATIONS = np.radians([0, 20, -20, 40, -40, 60, -60, 90, -90])
_SPROUTS_TRIED = 1500
_REACHES_PARENT = 0.3
_LEAVING = math.radians(20), math.radians(100)
_APART = 0.2


def grow_trees(
    random: np.random.Generator, territory: Territory, *, smaller_trunks: int, branches: int, exponent: float
) -> tuple[list[Branch], list[Branch]]:
    """Arteries and veins of an eye.

    Args:
        random: decides everything.
        territory: where tissue is.
        smaller_trunks: vessels that leave the disc beside the eight of the arcades.
        branches: how many branches there are beside the trunks, where there is room for so many.
        exponent: of Murray's law, by which calibres become numbers of terminals.

    Returns:
        The branches of arteries and of veins, each after its parent.
    """
    atlas = bundled_atlas()
    courses = _drawn(random, atlas, territory, 8 + smaller_trunks)
    courses = warped(random, courses, amount=_WARP, turn_deg=_TURN_DEG)
    courses = mixed(random, courses, atlas.library, stretch_dd=_STRETCH_DD, most=_EXCHANGES)
    courses = [course._replace(points=_to_fovea(course.points, territory.fovea)) for course in courses]
    courses = _extended(random, courses, atlas, territory)
    courses = _within(courses, territory)
    courses = _thinned(random, courses, branches)
    courses = _filled(random, courses, atlas, territory, branches)
    courses = smoothed(courses)
    return _branches(courses, 0, exponent), _branches(courses, 1, exponent)


def _drawn(random: np.random.Generator, atlas: Atlas, territory: Territory, trunks: int) -> Courses:
    """An eye of the atlas: of those that show most of the territory, one with about as many trunks."""
    shown = atlas.coverage(territory.centre, territory.reach)
    chances = shown**6
    few = random.choice(len(atlas.eyes), min(6, len(atlas.eyes)), replace=False, p=chances / chances.sum())
    return atlas.eyes[min(few, key=lambda eye: abs(_trunks(atlas.eyes[eye].courses) - trunks))].courses


def _trunks(courses: Courses) -> int:
    """How many vessels leave the hub."""
    return sum(
        bool(course.distances[-1] > HUB and (course.distances[0] < HUB))
        for course in courses
    )


def _to_fovea(points: Points, fovea: tuple[float, float]) -> Points:
    """Draw the temporal retina out or together, so that its fovea comes to lie where it should."""
    share = np.clip(points[:, :1] / _USUAL_FOVEA[0], 0, 1) ** 1.5
    moved: Points = points + share * (np.array(fovea) - _USUAL_FOVEA)
    return moved


def _within(courses: Courses, territory: Territory) -> Courses:
    """The courses up to where they leave the territory, reach the avascular zone or cross the raphe."""
    lasts = []
    for course in courses:
        points = course.points
        out = np.hypot(*(points - territory.centre).T) > territory.reach
        inside = np.flatnonzero(~out)
        stop = np.hypot(*(points - territory.fovea).T) < territory.avascular
        temporal = points[:, 0] > territory.fovea[0]
        side = np.sign(points[:, 1] - territory.fovea[1])
        stop[1:] |= temporal[1:] & (side[1:] != side[:-1])
        last = int(inside[-1]) if len(inside) else -1
        if stop.any():
            last = min(last, int(np.argmax(stop)) - 1)
        lasts.append(last)
    return cut(courses, lasts, shortest=_SHORTEST)


def _extended(random: np.random.Generator, courses: Courses, atlas: Atlas, territory: Territory) -> Courses:
    """Vessels that left the view they were seen in go on, up to the edge of the territory."""
    for _ in range(_EXTENSIONS):
        open_ends = [
            (float(course.distances[-1]), number)
            for number, course in enumerate(courses)
            if course.goes_on and _depth(course.points[-1], territory) > 3 * STEP
        ]
        if not open_ends:
            break
        _, number = min(open_ends)
        courses = _extended_at(random, courses, number, atlas, territory)
    return courses


def _depth(point: Points, territory: Territory) -> float:
    return territory.reach - math.hypot(*(point - territory.centre))


def _extended_at(
    random: np.random.Generator, courses: Courses, number: int, atlas: Atlas, territory: Territory
) -> Courses:
    course = courses[number]
    end = len(course.points) - 1
    node = max(end - 2, 1)  # the last bit of a course that was cut off has no sure direction
    heading = course.heading(max(node - 5, 0))
    occupied = Occupied(courses, {number})
    occupied.mark(course.kind, course.points[: node + 1])
    best = None
    calibre = float(np.median(course.calibres[-8:]))
    for place, unlike in atlas.library.continuing(course.kind, course.points[node], heading, calibre, _ROTATIONS):
        grafted = atlas.library.graft(random, place, course.points[node], heading, most_turn=2.0)
        if grafted is None:
            continue
        fitting = fitted(grafted, occupied, course.kind)
        if not fitting:
            continue
        first = fitting[0]
        reached = max(_depth(course.points[node], territory) - max(_depth(first.points[-1], territory), 0), 0)
        score = reached / max(_depth(course.points[node], territory), STEP) - 0.15 * unlike + random.uniform(0, 0.3)
        if best is None or score > best[0]:
            best = score, fitting
    if best is None:
        return [*courses[:number], course._replace(goes_on=False), *courses[number + 1 :]]
    gone = {number}
    daughters = [one for one in daughters_of(courses)[number] if courses[one].leaves_at > node]
    if daughters:
        return [*courses[:number], course._replace(goes_on=False), *courses[number + 1 :]]
    # The others that hang on this course stay.
    return _grown_on(courses, number, node, best[1])


def _grown_on(courses: Courses, number: int, node: int, grafted: Courses) -> Courses:
    return joined(courses, number, node, {number}, grafted)


def _is_branch(course: "object") -> bool:
    return course.parent >= 0 and course.distances[0] > HUB  # type: ignore[attr-defined]


def _thinned(random: np.random.Generator, courses: Courses, branches: int) -> Courses:
    """Without the thinnest and shortest branches, where there are more than asked for."""
    while True:
        daughters = daughters_of(courses)
        ends = [one for one, course in enumerate(courses) if _is_branch(course) and not daughters.get(one)]
        surplus = sum(map(_is_branch, courses)) - branches
        if surplus <= 0 or not ends:
            return courses
        sizes = np.array([
            float(np.mean(courses[one].calibres)) * len(courses[one].points) * math.exp(random.normal(0, 0.5))
            for one in ends
        ])  # fmt: skip
        chosen = np.argsort(sizes)[: max(1, min(surplus, len(ends) // 3))]
        courses, _ = without(courses, {ends[int(one)] for one in chosen})


def _filled(
    random: np.random.Generator, courses: Courses, atlas: Atlas, territory: Territory, branches: int
) -> Courses:
    """With further branches where they leave in others and there is room, up to as many as asked for."""
    missing = branches - sum(map(_is_branch, courses))
    if missing <= 0:
        return courses
    occupied = Occupied(courses)
    library = atlas.library
    nodes = {kind: _nodes(courses, kind) for kind in KINDS}
    every = KDTree(np.concatenate([nodes[kind][0] for kind in KINDS]))
    added: list[Points] = []
    for place in library.side_places(random, _SPROUTS_TRIED):
        if missing <= 0:
            break
        branch = library.eyes[place.eye][place.course]
        points, owners, at = nodes[branch.kind]
        if _depth(branch.points[0], territory) < 0.2 or branch.distances[0] < HUB * 0.9:
            continue
        near = int(np.argmin(((points - branch.points[0]) ** 2).sum(axis=1)))
        if math.hypot(*(points[near] - branch.points[0])) > _REACHES_PARENT:
            continue
        parent, node = int(owners[near]), int(at[near])
        if node < 3 or math.hypot(*points[near]) < DISC_RIM + 0.1:
            continue
        leaving = abs((branch.heading(0) - courses[parent].heading(node) + math.pi) % (2 * math.pi) - math.pi)
        if not _LEAVING[0] < leaving < _LEAVING[1]:
            continue
        grafted = library.graft(random, place, points[near], branch.heading(0))
        fitting = [] if grafted is None else fitted(grafted, occupied, branch.kind)
        if not fitting or len(fitting[0].points) < 0.7 * len(grafted[0].points) or len(fitting[0].points) < 7:
            continue
        middle = fitting[0].points[len(fitting[0].points) // 2 :]
        apart = float(np.mean(every.query(middle)[0]))
        if added:
            apart = min(apart, float(np.mean(KDTree(np.concatenate(added)).query(middle)[0])))
        if apart < _APART:
            continue
        # It hangs on its parent like any other.
        first = len(courses)
        for one, part in enumerate(fitting):
            courses.append(
                part._replace(
                    parent=parent if one == 0 else first + part.parent,
                    leaves_at=node if one == 0 else part.leaves_at,
                    kind=branch.kind,
                )
            )
            occupied.mark(branch.kind, part.points)
            added.append(part.points)
        missing -= len(fitting)
    return _within(courses, territory)


def _nodes(courses: Courses, kind: int) -> tuple[Points, np.ndarray, np.ndarray]:
    chosen = [(number, course) for number, course in enumerate(courses) if course.kind == kind]
    points = np.concatenate([course.points for _, course in chosen])
    owners = np.concatenate([np.full(len(course.points), number) for number, course in chosen])
    return points, owners, np.concatenate([np.arange(len(course.points)) for _, course in chosen])


def _branches(courses: Courses, kind: int, exponent: float) -> list[Branch]:
    chosen = [number for number, course in enumerate(courses) if course.kind == kind]
    numbers = {old: new for new, old in enumerate(chosen)}
    return [
        Branch(
            courses[old].points,
            numbers.get(courses[old].parent, -1),
            min(courses[old].leaves_at, len(courses[courses[old].parent].points) - 1) if courses[old].parent >= 0 else 0,
            max(0.1, (float(np.median(courses[old].calibres[-5:])) / _TERMINAL_DD) ** exponent),
        )
        for old in chosen
    ]
