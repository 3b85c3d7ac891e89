"""Growth of the retinal vessels: arteries and veins as trees that leave the disc and fill the retina.

All lengths are in disc diameters (DD, 1.8 mm), in the retinal frame of `retinasynth.anatomy.landmarks`: origin at the
disc centre, x toward the fovea, y down.

First the trunks: an artery and a vein to each quadrant, side by side, temporal ones arching around the macula, nasal
ones radial; then smaller vessels that leave the disc between them, arteries and veins in turn. Then *growth toward
unsupplied tissue*: of many points of tissue the one that is farthest from its tree is joined to it by the branch that
costs least. A branch leaves its parent at a branching angle, crosses no vessel of its own kind, runs along none of the
other kind, and stays out of the foveal avascular zone. (Joining terminal after terminal at least cost is the idea of
constrained constructive optimisation, Schreiner and Buxbaum, IEEE Trans Biomed Eng 40, 1993; growing toward what lacks
supply is that of space colonisation, Runions et al., ACM Trans Graph 24, 2005.)

Calibres follow Murray's law (PNAS 12, 1926) with a free exponent: where a vessel divides,
``parent**e = daughter1**e + daughter2**e``.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Points = NDArray[np.float64]  # (n, 2): x and y
Numbers = NDArray[np.float64]

ARTERY, VEIN = 0, 1

STEP = 0.06  # between two nodes of a course
_CELL = 0.05  # of the grid that knows where vessels run
_ARCADES_REACH = 2.6  # around the centre of a narrow view, so that its tissue has vessels to be joined to
_TISSUE_POINTS_PER_AREA = 30  # candidates for the ends of branches
_NEAR_OTHER_KIND = 0.13  # no branch ends so near to a vessel of the other kind
_ALONG_OTHER_KIND = 0.25  # of a branch may run where one of the other kind does: a crossing, not two in one place
_MAY_CROSS = 0.1  # of the branches that would cross one of the other kind
_MACULA = 1.3  # radius around the fovea
_TAPERING = 1.2  # twice the length over which a vessel tapers to half its calibre, where it ends in the tissue
_DISC_RIM = 0.52  # within which nothing branches
_LEAST, _MOST = math.radians(32), math.radians(80)  # branching angle
_CANDIDATES = 3  # places on its tree from which a point of tissue is tried to be reached
_BEYOND_VARIES = 0.8  # deviation of the logarithm of how many terminals a branch has beyond its end
_PATCHES = (1.5, 4.0)  # wavelengths of how much of the small vessels is seen
_PATCH_WAVES = 5
_LEAST_NEED = 0.2
_LEAST_SEEN = 0.55  # of a branch into the tissue
_WANDERS = ((0.05, (1.2, 2.6)), (0.1, (4.0, 9.0)))  # of the vessels of a pair: deviations and wavelengths
_LEAVING_DISC = 11  # nodes of a smaller trunk, within which it may meet its own kind
_R2 = np.array([0.7548776662466927, 0.5698402909980532])  # low-discrepancy sequence in the plane (Roberts, 2018)


class Territory(NamedTuple):
    """Where vessels grow: a circle of tissue without the foveal avascular zone.

    Attributes:
        centre: of the circle.
        reach: its radius.
        fovea: centre of the avascular zone.
        avascular: its radius.
    """

    centre: tuple[float, float]
    reach: float
    fovea: tuple[float, float]
    avascular: float


class Branch(NamedTuple):
    """The course of a vessel from where it leaves its parent.

    Attributes:
        points: nodes from start to end; the first lies on the parent.
        parent: number of the parent branch in the tree, -1 for a trunk.
        leaves_at: node of the parent where it leaves.
        beyond: terminals that are supplied beyond its end, more than one where it leaves the territory.
    """

    points: Points
    parent: int
    leaves_at: int
    beyond: float


def calibres(branches: list[Branch], exponent: float) -> list[Numbers]:
    """Calibre along each branch after Murray's law, a vessel with one terminal beyond it having calibre 1.

    Args:
        branches: of one tree, each after its parent.
        exponent: of Murray's law; 3 in theory, 2.1 to 3 in retinas.

    Returns:
        For each branch, one number for each node. Where a vessel ends in the tissue it tapers to half.
    """
    flows = [np.zeros(len(branch.points)) for branch in branches]
    tapers = [np.ones(len(branch.points)) for branch in branches]
    for flow, taper, branch in zip(reversed(flows), reversed(tapers), reversed(branches), strict=True):
        if flow[-1] == 0:  # nothing goes on from its end
            flow[-1] = branch.beyond
            if branch.beyond < 3:
                taper[:] = np.minimum(1, 0.5 + np.arange(len(taper))[::-1] * (STEP / _TAPERING))
        flow[:] = np.cumsum(flow[::-1])[::-1]
        if branch.parent >= 0:
            flows[branch.parent][branch.leaves_at] += flow[0]
    return [_smooth(flow ** (1 / exponent) * taper) for flow, taper in zip(flows, tapers, strict=True)]


def tangents(course: Points) -> Points:
    """The direction of a course at each node, of length 1: ``(n, 2)``."""
    along = np.empty_like(course)
    along[1:-1] = course[2:] - course[:-2]
    along[0], along[-1] = course[1] - course[0], course[-1] - course[-2]
    return along / np.sqrt(along[:, :1] ** 2 + along[:, 1:] ** 2)


def _smooth(values: Numbers) -> Numbers:
    """A vessel narrows over a short way where a branch has left it, not at a step."""
    longer = np.concatenate([values[:1], values[:1], values, values[-1:], values[-1:]])
    smooth: Numbers = np.convolve(longer, np.array([1, 2, 3, 2, 1]) / 9, "valid")
    return smooth


class VesselGrowth:
    """Two trees, arteries and veins, that grow into a territory, branch after branch."""

    def __init__(self, random: np.random.Generator, territory: Territory, *, smaller_trunks: int) -> None:
        self.territory = territory
        self._random = random
        self._trees = (_Tree(), _Tree())
        self._grid = _Grid(territory)
        self._tissue = _Tissue(random, territory)
        for kind, course, beyond in _arcades(random):
            inside, leaves = self._inside(course, max(territory.reach, _ARCADES_REACH))
            self._plant(kind, inside, beyond if leaves else 1.0)
        self._plant_smaller(smaller_trunks)

    def branches(self) -> tuple[list[Branch], list[Branch]]:
        """All that has grown: of arteries and of veins, each after its parent."""
        return self._trees[ARTERY].branches, self._trees[VEIN].branches

    def fill(self, count: int) -> None:
        """Let `count` more branches grow, of arteries and of veins in turn, or as many as there is room for."""
        for number in range(count):
            if not (self._join_farthest(number % 2) or self._join_farthest(1 - number % 2)):
                break

    # --- Trunks ----------------------------------------------------------------------------------------------------

    def _plant(self, kind: int, course: Points, beyond: float, parent: int = -1, leaves_at: int = 0) -> None:
        outside_disc = np.hypot(*course.T) > _DISC_RIM
        if outside_disc.sum() >= 4:
            self._add(kind, Branch(course, parent, leaves_at, beyond), outside_disc, goes_on=False)

    def _plant_smaller(self, count: int) -> None:
        """Smaller vessels leave the disc in the widest gaps between those that do, arteries and veins in turn."""
        bearings = [(_bearing_at(branch.points, 1.2), kind) for kind in (ARTERY, VEIN)
                    for branch in self._trees[kind].branches]  # fmt: skip
        for _ in range(count):
            bearings.sort()
            angles = np.array([angle for angle, _ in bearings])
            gaps = np.diff(angles, append=angles[0] + 2 * math.pi)
            middles = angles + gaps / 2
            toward_macula = np.cos(middles) > math.cos(math.radians(45))
            widest = int(np.argmax(gaps * np.where(toward_macula, 0.6, 1.0) * self._random.uniform(0.7, 1, len(gaps))))
            angle = middles[widest] + self._random.normal(0, 0.12) * gaps[widest]
            neighbour = bearings[widest][1]
            kind = 1 - neighbour if self._random.random() < 0.8 else neighbour
            self._plant_one_smaller(kind, angle, macular=bool(toward_macula[widest]))
            bearings.append(((angle + math.pi) % (2 * math.pi) - math.pi, kind))

    def _plant_one_smaller(self, kind: int, angle: float, *, macular: bool) -> None:
        """One that leaves a trunk inside the disc."""
        tree, random = self._trees[kind], self._random
        length, bend = random.uniform(1.1, 1.9) if macular else random.uniform(1.8, 5.0), random.normal(0, 0.25)
        in_disc = np.flatnonzero(np.hypot(*tree.points[: tree.count].T) < 0.38)
        to_rim = tree.points[in_disc] - 0.25 * _direction(angle)
        node = int(in_disc[np.argmin((to_rim**2).sum(axis=1))])
        way = [_direction(angle + bend * part) * (0.45 + part * (length - 0.45)) for part in (0.0, 0.15, 0.5, 1.0)]
        course, leaves = self._inside(_through(np.array([tree.points[node], *way])))
        closed, _ = self._grid.meets(kind, course[_LEAVING_DISC:])
        end = _LEAVING_DISC - 2 + int(np.argmax(closed)) if closed.any() else len(course)
        beyond = random.uniform(1.5, 3) if macular else random.uniform(4, 14)
        if end > 12:
            goes_on = leaves and end == len(course)
            self._plant(kind, course[:end], beyond if goes_on else 1.0, int(tree.owner[node]), int(tree.place[node]))

    def _inside(self, course: Points, reach: float | None = None) -> tuple[Points, bool]:
        """The part of a course up to where it leaves the territory (or this reach) for good, and whether it does."""
        reach = self.territory.reach if reach is None else reach
        inside = np.flatnonzero(np.hypot(*(course - self.territory.centre).T) <= reach)
        last = int(inside[-1]) if len(inside) else -1
        return course[: last + 1], last < len(course) - 1

    # --- Filling ---------------------------------------------------------------------------------------------------

    def _join_farthest(self, kind: int) -> bool:
        """Join the point of tissue that needs it most to its tree; False when no point can be joined."""
        while (found := self._tissue.neediest(kind)) is not None:
            index, unsupplied = found
            joined = self._cheapest_branch(kind, self._tissue.points[index], unsupplied)
            if joined is not None:
                self._add(kind, joined, np.ones(len(joined.points), np.bool_), goes_on=True)
                return True
            self._tissue.give_up(kind, index)
        return False

    def _cheapest_branch(self, kind: int, end: Points, unsupplied: float) -> Branch | None:
        """The branch to `end` that is short and turns little, or goes on from a tip; None where all would cross."""
        tree = self._trees[kind]
        toward = end - tree.points[: tree.count]
        apart = np.sqrt(toward[:, 0] ** 2 + toward[:, 1] ** 2)
        near = np.flatnonzero(tree.may_branch[: tree.count] & (apart < 1.6 * unsupplied + 0.2))
        nodes, is_tip, distance = tree.points[near], tree.is_tip[near], apart[near]
        away = self._outward(end)
        forward = (toward[near] * tree.tangents[near]).sum(axis=1) / distance
        outward = toward[near] @ away / distance
        cost = distance * (1 + 0.9 * (1 - forward) ** 1.5 + 0.3 * (forward > 0.93) + 0.7 * (1 - outward))
        cost = np.where(is_tip, np.where((forward > 0.6) & (outward > 0.2), 0.5 * cost, np.inf), cost)
        cost[forward < -0.3] = np.inf
        for _ in range(_CANDIDATES):
            cheapest = int(np.argmin(cost)) if len(cost) else 0
            if not len(cost) or cost[cheapest] == np.inf:
                return None
            node = int(near[cheapest])
            course = self._course(tree.points[node], tree.tangents[node], end, away, is_tip=bool(tree.is_tip[node]))
            if self._is_free(kind, course):
                return self._branch(course, int(tree.owner[node]), int(tree.place[node]), unsupplied)
            cost[np.abs(nodes - nodes[cheapest]).sum(axis=1) < 0.3] = np.inf
        return None

    def _branch(self, course: Points, parent: int, leaves_at: int, unsupplied: float) -> Branch | None:
        """The visible part of a branch: where it leaves the territory, or where it has become too thin to be seen."""
        inside, leaves = self._inside(course)
        chance = float(np.exp(self._random.normal(0, _BEYOND_VARIES)))
        if leaves:
            return Branch(inside, parent, leaves_at, (unsupplied / 0.2) ** 2 * chance) if len(inside) > 3 else None
        seen = max(5, round(self._random.uniform(_LEAST_SEEN, 1) * len(inside)))
        return Branch(inside[:seen], parent, leaves_at, min(max(0.1, (unsupplied / 0.5) ** 2 * chance), 2.5))

    def _course(self, start: Points, tangent: Points, end: Points, away: Points, *, is_tip: bool) -> Points:
        """A cubic Hermite curve that leaves its parent at a branching angle and goes on away from disc or to fovea."""
        (tx, ty), (dx, dy) = tangent.tolist(), (end - start).tolist()
        length = math.hypot(dx, dy)
        turn = math.atan2(tx * dy - ty * dx, tx * dx + ty * dy)
        leaving = 0.4 * turn if is_tip else math.copysign(min(max(0.8 * abs(turn) + 0.2, _LEAST), _MOST), turn)
        onward = math.atan2(dy / length + 0.45 * away[1], dx / length + 0.45 * away[0]) + self._random.normal(0, 0.35)
        leaving += math.atan2(ty, tx)
        controls = np.array([
            start,
            (length * math.cos(leaving), length * math.sin(leaving)),
            end,
            (length * math.cos(onward), length * math.sin(onward)),
        ])  # fmt: skip
        course: Points = _hermite_basis(max(4, math.ceil(1.08 * length / STEP))) @ controls
        return course

    def _outward(self, point: Points) -> Points:
        """The direction in which blood flows in arteries there: away from the disc, but in the macula to the fovea."""
        to_fovea = np.asarray(self.territory.fovea) - point
        outward: Points = to_fovea if math.hypot(*to_fovea) < _MACULA else point
        return outward / math.hypot(*outward)

    def _is_free(self, kind: int, course: Points) -> bool:
        """Whether a course runs through open tissue, crosses none of its kind, and lies along none of the other."""
        closed, crossed = self._grid.meets(kind, course[2:])
        if closed[1:].any():
            return False
        crossings = int(np.count_nonzero(crossed))
        return not crossings or (crossings <= _ALONG_OTHER_KIND * len(crossed) and self._random.random() < _MAY_CROSS)

    def _add(self, kind: int, branch: Branch, may_branch: NDArray[np.bool_], *, goes_on: bool) -> None:
        self._trees[kind].add(branch, may_branch, goes_on=goes_on)
        outside_disc = branch.points[np.hypot(*branch.points.T) > 0.4]
        self._grid.mark(kind, outside_disc)
        self._tissue.supply(kind, branch.points)


class _Tree:
    """Branches, and all their nodes in flat arrays for the search."""

    def __init__(self) -> None:
        self.branches: list[Branch] = []
        self.count = 0
        self._starts: list[int] = []
        self._reserve(4096)

    def _reserve(self, room: int) -> None:
        self.points, self.tangents = np.zeros((room, 2)), np.zeros((room, 2))
        self.owner, self.place = np.zeros(room, np.int64), np.zeros(room, np.int64)
        self.is_tip, self.may_branch = np.zeros(room, np.bool_), np.zeros(room, np.bool_)

    def add(self, branch: Branch, may_branch: NDArray[np.bool_], *, goes_on: bool) -> None:
        start, count = self.count, len(branch.points)
        end = start + count
        if end > len(self.points):
            old = (self.points, self.tangents, self.owner, self.place, self.is_tip, self.may_branch)
            self._reserve(2 * end)
            new = (self.points, self.tangents, self.owner, self.place, self.is_tip, self.may_branch)
            for into, values in zip(new, old, strict=True):
                into[: len(values)] = values
        self.points[start:end], self.tangents[start:end] = branch.points, tangents(branch.points)
        self.owner[start:end], self.place[start:end] = len(self.branches), np.arange(count)
        self.may_branch[start:end] = may_branch
        self.is_tip[end - 1] = goes_on
        if branch.parent >= 0:
            self.may_branch[start : start + 4] = False
            at = self._starts[branch.parent] + branch.leaves_at
            last = self._starts[branch.parent] + len(self.branches[branch.parent].points)
            self.is_tip[at] = False
            self.may_branch[max(at - 2, self._starts[branch.parent]) : min(at + 3, last)] = False
        self._starts.append(start)
        self.branches.append(branch)
        self.count = end


class _Grid:
    """Which cells of the plane hold an artery, which a vein, and which are closed to both.

    Closed are the avascular zone, the disc, and the horizontal raphe: the line from the fovea to the periphery that no
    vessel crosses.
    """

    def __init__(self, territory: Territory) -> None:
        # Courses are tried before they are cut off at the reach, and begin at the disc, wherever the view is.
        half = max(territory.reach, _ARCADES_REACH, math.hypot(*territory.centre)) + 1
        self._corner = np.array(territory.centre) - half
        cells = math.ceil(2 * half / _CELL) + 2
        x, y = (corner + (np.arange(cells) + 0.5) * _CELL for corner in self._corner)
        y = y[:, np.newaxis]
        closed = np.hypot(x - territory.fovea[0], y - territory.fovea[1]) < territory.avascular
        closed |= np.hypot(x, y) < _DISC_RIM - _CELL
        closed |= (x > territory.fovea[0]) & (np.abs(y - territory.fovea[1]) < _CELL)
        self._closed = np.stack([closed, closed])  # and, for each kind, to more of its own
        self._held = np.zeros_like(self._closed)

    def mark(self, kind: int, points: Points) -> None:
        """Let a vessel run there."""
        columns, rows = self._cells(points)
        for right in (0, 1):
            for down in (0, 1):  # two cells wide, so that no course slips through between two nodes
                self._held[kind, rows + down, columns + right] = True
                self._closed[kind, rows + down, columns + right] = True

    def meets(self, kind: int, points: Points) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which points lie where no vessel of this kind may run, and which on one of the other kind."""
        columns, rows = self._cells(points)
        return self._closed[kind, rows, columns], self._held[1 - kind, rows, columns]

    def _cells(self, points: Points) -> NDArray[np.int64]:
        return ((points - self._corner) / _CELL).astype(np.int64).T


class _Tissue:
    """Points spread evenly over the territory, and how far each is from an artery and from a vein."""

    def __init__(self, random: np.random.Generator, territory: Territory) -> None:
        reach, centre = territory.reach, np.array(territory.centre)
        count = round(4 * reach**2 * _TISSUE_POINTS_PER_AREA)
        square = ((random.random(2) + np.arange(count)[:, np.newaxis] * _R2) % 1 - 0.5) * 2 * reach + centre
        in_reach = np.hypot(*(square - centre).T) < reach
        vascular = np.hypot(*(square - territory.fovea).T) > territory.avascular + 0.05
        outside_disc = np.hypot(*square.T) > 0.62
        self.points: Points = square[in_reach & vascular & outside_disc]
        self._columns = self.points.astype(np.float32).T
        self._distance = np.full((2, len(self.points)), np.inf)
        self._need = random.uniform(0.55, 1.0, (2, len(self.points))) * _patches(random, self.points)

    def neediest(self, kind: int) -> tuple[int, float] | None:
        """The point that is farthest from its tree, with chance in it, and its distance."""
        need = self._distance[kind] * self._need[kind]
        need[self._distance[1 - kind] < _NEAR_OTHER_KIND] = 0
        index = int(np.argmax(need))
        return (index, float(self._distance[kind, index])) if need[index] > _NEAR_OTHER_KIND else None

    def give_up(self, kind: int, index: int) -> None:
        self._need[kind, index] = 0

    def supply(self, kind: int, points: Points) -> None:
        nodes = points[::2].astype(np.float32)  # half of them: tissue lies farther apart than these
        x, y = self._columns
        apart = (x - nodes[:, :1]) ** 2 + (y - nodes[:, 1:]) ** 2
        np.minimum(self._distance[kind], np.sqrt(apart.min(axis=0)), out=self._distance[kind])


def _patches(random: np.random.Generator, points: Points) -> Numbers:
    """A smooth factor between `_LEAST_NEED` and 1: in some parts of a photograph more small vessels are seen."""
    directions = random.uniform(0, 2 * np.pi, _PATCH_WAVES)
    vectors = np.stack([np.cos(directions), np.sin(directions)]) * (2 * np.pi / random.uniform(*_PATCHES, _PATCH_WAVES))
    waves = np.cos(points[:, :1] * vectors[0] + points[:, 1:] * vectors[1] + random.uniform(0, 2 * np.pi, _PATCH_WAVES))
    height = np.clip(0.5 + waves.sum(axis=1) / math.sqrt(2 * _PATCH_WAVES) / 2, 0, 1)
    return np.asarray(_LEAST_NEED + (1 - _LEAST_NEED) * height)


# --- Courses ---------------------------------------------------------------------------------------------------------


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


@cache
def _hermite_basis(nodes: int) -> Numbers:
    """Weights ``(nodes, 4)`` of start, tangent at the start, end and tangent at the end."""
    t = np.linspace(0, 1, nodes)
    return np.column_stack([2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, -2 * t**3 + 3 * t**2, t**3 - t**2])
