"""The two trees of retinal vessels, arteries and veins: their branches, where they run, how wide they are.

All lengths are in disc diameters (DD, 1.8 mm), in the retinal frame of `retinasynth.anatomy.landmarks`: origin at the
disc centre, x toward the fovea, y down.

Calibres follow Murray's law (PNAS 12, 1926) with a free exponent: where a vessel divides,
``parent**e = daughter1**e + daughter2**e``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 2): x and y
Numbers = NDArray[np.float64]

ARTERY, VEIN = 0, 1

STEP = 0.06  # between two nodes of a course
DISC_RIM = 0.52  # within which nothing branches
ARCADES_REACH = 2.6  # around the centre of a narrow view, so that its tissue has vessels to be joined to

_MARKED_FROM = 0.4  # the disc centre: vessels of one kind meet within
_CELL = 0.05  # of the grid that knows where vessels run
_TAPERING = 1.2  # twice the length over which a vessel tapers to half its calibre, where it ends in the tissue


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


class Trees:
    """What has grown so far in a territory: the trees of arteries and of veins, and where they run."""

    def __init__(self, territory: Territory) -> None:
        self.territory = territory
        self.of_kind = (Tree(), Tree())
        self.grid = Grid(territory)

    def add(self, kind: int, branch: Branch, may_branch: NDArray[np.bool_], *, goes_on: bool) -> None:
        """Let a branch grow.

        Args:
            kind: `ARTERY` or `VEIN`.
            branch: whose parent, if any, is in the tree.
            may_branch: for each node, whether a further branch may leave there.
            goes_on: whether a further branch may go on from its tip.
        """
        self.of_kind[kind].add(branch, may_branch, goes_on=goes_on)
        self.grid.mark(kind, branch.points[np.hypot(*branch.points.T) > _MARKED_FROM])

    def inside(self, course: Points, reach: float | None = None) -> tuple[Points, bool]:
        """The part of a course up to where it leaves the territory (or this reach) for good, and whether it does."""
        reach = self.territory.reach if reach is None else reach
        inside = np.flatnonzero(np.hypot(*(course - self.territory.centre).T) <= reach)
        last = int(inside[-1]) if len(inside) else -1
        return course[: last + 1], last < len(course) - 1


class Tree:
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
        """Append a branch; see `Trees.add`."""
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


class Grid:
    """Which cells of the plane hold an artery, which a vein, and which are closed to both.

    Closed are the avascular zone, the disc, and the horizontal raphe: the line from the fovea to the periphery that no
    vessel crosses.
    """

    def __init__(self, territory: Territory) -> None:
        # Courses are tried before they are cut off at the reach, and begin at the disc, wherever the view is.
        half = max(territory.reach, ARCADES_REACH, math.hypot(*territory.centre)) + 1
        self._corner = np.array(territory.centre) - half
        cells = math.ceil(2 * half / _CELL) + 2
        x, y = (corner + (np.arange(cells) + 0.5) * _CELL for corner in self._corner)
        y = y[:, np.newaxis]
        closed = np.hypot(x - territory.fovea[0], y - territory.fovea[1]) < territory.avascular
        closed |= np.hypot(x, y) < DISC_RIM - _CELL
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
