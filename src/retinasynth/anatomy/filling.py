"""The branches that fill the retina: *growth toward unsupplied tissue*.

Of many points of tissue the one that is farthest from its tree is joined to it by the branch that costs least. A branch
leaves its parent at a branching angle, crosses no vessel of its own kind, runs along none of the other kind, and stays
out of the foveal avascular zone. (Joining terminal after terminal at least cost is the idea of constrained constructive
optimisation, Schreiner and Buxbaum, IEEE Trans Biomed Eng 40, 1993; growing toward what lacks supply is that of space
colonisation, Runions et al., ACM Trans Graph 24, 2005.)
"""

import math
from functools import cache

import numpy as np

from retinasynth.anatomy.branches import ARTERY, STEP, VEIN, Branch, Numbers, Points, Territory, Trees
from retinasynth.anatomy.trunks import plant_arcades, plant_smaller

_TISSUE_POINTS_PER_AREA = 30  # candidates for the ends of branches
_NEAR_OTHER_KIND = 0.13  # no branch ends so near to a vessel of the other kind
_ALONG_OTHER_KIND = 0.25  # of a branch may run where one of the other kind does: a crossing, not two in one place
_MAY_CROSS = 0.1  # of the branches that would cross one of the other kind
_MACULA = 1.3  # radius around the fovea
_LEAST, _MOST = math.radians(32), math.radians(80)  # branching angle
_CANDIDATES = 3  # places on its tree from which a point of tissue is tried to be reached
_BEYOND_VARIES = 0.8  # standard deviation of the logarithm of how many terminals a branch has beyond its end
_PATCHES = (1.5, 4.0)  # wavelengths of how much of the small vessels is seen
_PATCH_WAVES = 5
_LEAST_NEED = 0.2
_LEAST_SEEN = 0.55  # of a branch into the tissue
_R2 = np.array([0.7548776662466927, 0.5698402909980532])  # low-discrepancy sequence in the plane (Roberts, 2018)


def grow_trees(
    random: np.random.Generator, territory: Territory, *, smaller_trunks: int, branches: int
) -> tuple[list[Branch], list[Branch]]:
    """Two trees that grow into a territory: trunks first, then branches into the tissue between them.

    Args:
        random: decides everything.
        territory: where tissue is.
        smaller_trunks: vessels that leave the disc beside the eight of the arcades.
        branches: how many more grow, of arteries and of veins in turn; fewer where there is no room for them.

    Returns:
        The branches of arteries and of veins, each after its parent.
    """
    tissue, trees = _Tissue(random, territory), Trees(territory)
    plant_arcades(random, trees)
    plant_smaller(random, trees, smaller_trunks)
    for kind in (ARTERY, VEIN):
        for trunk in trees.of_kind[kind].branches:
            tissue.supply(kind, trunk.points)
    filling = _Filling(random, trees, tissue)
    for number in range(branches):
        if not (filling.join_farthest(number % 2) or filling.join_farthest(1 - number % 2)):
            break
    return trees.of_kind[ARTERY].branches, trees.of_kind[VEIN].branches


class _Filling:
    """Branches into the tissue, one after another."""

    def __init__(self, random: np.random.Generator, trees: Trees, tissue: "_Tissue") -> None:
        self._random, self._trees, self._tissue = random, trees, tissue

    def join_farthest(self, kind: int) -> bool:
        """Join the point of tissue that needs it most to its tree; False when no point can be joined."""
        while (found := self._tissue.neediest(kind)) is not None:
            index, unsupplied = found
            joined = self._cheapest_branch(kind, self._tissue.points[index], unsupplied)
            if joined is not None:
                self._trees.add(kind, joined, np.ones(len(joined.points), np.bool_), goes_on=True)
                self._tissue.supply(kind, joined.points)
                return True
            self._tissue.give_up(kind, index)
        return False

    def _cheapest_branch(self, kind: int, end: Points, unsupplied: float) -> Branch | None:
        """The branch to `end` that is short and turns little, or goes on from a tip; None where all would cross."""
        tree = self._trees.of_kind[kind]
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
        inside, leaves = self._trees.inside(course)
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
        to_fovea = np.asarray(self._trees.territory.fovea) - point
        outward: Points = to_fovea if math.hypot(*to_fovea) < _MACULA else point
        return outward / math.hypot(*outward)

    def _is_free(self, kind: int, course: Points) -> bool:
        """Whether a course runs through open tissue, crosses none of its kind, and lies along none of the other."""
        closed, crossed = self._trees.grid.meets(kind, course[2:])
        if closed[1:].any():
            return False
        crossings = int(np.count_nonzero(crossed))
        return not crossings or (crossings <= _ALONG_OTHER_KIND * len(crossed) and self._random.random() < _MAY_CROSS)


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


@cache
def _hermite_basis(nodes: int) -> Numbers:
    """Weights ``(nodes, 4)`` of start, tangent at the start, end and tangent at the end."""
    t = np.linspace(0, 1, nodes)
    return np.column_stack([2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, -2 * t**3 + 3 * t**2, t**3 - t**2])
