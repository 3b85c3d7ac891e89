"""The two trees of retinal vessels, arteries and veins: their branches, where they run, how wide they are.

All lengths are in disc diameters (DD, 1.8 mm), in the retinal frame of `retinasynth.anatomy.landmarks`: origin at the
disc centre, x toward the fovea, y down.

Calibres follow Murray's law (PNAS 12, 1926) with a free exponent: where a vessel divides,
``parent**e = daughter1**e + daughter2**e``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, 2): x and y
Numbers = NDArray[np.float64]

ARTERY, VEIN = 0, 1

STEP = 0.06  # between two nodes of a course
DISC_RIM = 0.52  # within which nothing branches
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
