"""How vessels dip over the rim of the cup.

On the rim vessels run on the surface of the disc; at the edge of the cup they dive to its floor and go on nasally of
where they came from, since the large vessels keep to the nasal wall of a deep cup. Seen from the front they bend at the
edge, by which a cup is told where its colour does not tell it (Jonas et al., Surv Ophthalmol 43, 1999).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth.anatomy.landmarks import Landmarks, Points

_DEEP = 0.8  # cup-to-disc ratio from which a cup is as deep as any
_SHIFT = 0.45  # of the way to the nasal edge that the middle of a deep cup shifts; below 0.5 no course turns back
_LEAST_FOLDED = 0.9  # of what would fold the floor of a ragged cup over itself
_SHARES = np.linspace(0.02, 1, 50)
_NEAR = 1e-3
_SMOOTHED = (0.3, 0.1)  # how much of the way to the edge the bend takes: in a flat cup, in a deep one


class _Cup(NamedTuple):
    """A cup in its disc.

    Attributes:
        outline: of the cup, ``(n, 2)`` in DD.
        disc: outline of the disc.
        depth: of the cup, with the steepness of its wall: above 0 (flat) to 1.
    """

    outline: Points
    disc: Points
    depth: float


def bent_over_cup(points: Points, marks: Landmarks) -> Points:
    """Courses of vessels, bent where they dip into the cup: large cups are deep.

    A point on the floor moves nasally, the farther from the edge the more, up to the middle of the disc; on the edge
    and the rim nothing moves. So a vessel that comes straight over the rim has a kink at the edge, of at most about 40
    degrees in a deep cup, and one that leaves it nasally has none. Ways stay apart: different points never become one.

    Args:
        points: of any vessels, ``(n, 2)``, x and y in DD; those on the disc at most .03 DD apart along a vessel, or the
            bend is not seen.
        marks: where disc and cup are.

    Returns:
        ``(n, 2)``. Points outside the disc are the same to the last bit.

    Example:
        >>> marks = Landmarks(cup_to_disc=0.7)
        >>> upward = np.column_stack([np.zeros(3), [-0.05, -0.2, -0.6]])
        >>> bent_over_cup(upward, marks).round(2).tolist()
        [[-0.13, -0.05], [-0.09, -0.2], [0.0, -0.6]]
    """
    points = np.asarray(points, np.float64)
    cup = _Cup(marks.cup_outline(), marks.disc_outline(), min(1.0, marks.cup_to_disc / _DEEP))
    if not len(cup.outline):
        return points.copy()
    to_nasal = float(_reach(cup.outline, np.array([math.pi]))[0])
    shift = min(_SHIFT * cup.depth * to_nasal, _LEAST_FOLDED / _steepest(cup))
    bent = points.copy()
    bent[:, 0] -= shift * _within(points, cup)
    return bent


def _within(points: Points, cup: _Cup) -> NDArray[np.float64]:
    """How deep in the cup points lie: 1 in its middle, 0 on the rim, from where it rises smoothly."""
    bearings, distances = np.arctan2(points[:, 1], points[:, 0]), np.hypot(points[:, 0], points[:, 1])
    to_cup, to_disc = (_reach(outline, bearings) for outline in (cup.outline, cup.disc))
    flat, deep = _SMOOTHED
    # 1 - (distance / reach)^2 falls to `-smoothed` where the bend begins, which has to be on the rim.
    smoothed = np.minimum(flat + cup.depth * (deep - flat), 0.9 * ((to_disc / to_cup) ** 2 - 1))
    return _smooth_positive(1 - (distances / to_cup) ** 2, smoothed)


def _steepest(cup: _Cup) -> float:
    """How much that rises at most on the way toward temporal, for each DD."""
    points = (cup.disc[:, np.newaxis] * _SHARES[:, np.newaxis]).reshape(-1, 2)
    rises = (_within(points + np.array([_NEAR, 0]), cup) - _within(points, cup)) / _NEAR
    return max(float(rises.max()), 1e-9)


def _reach(outline: Points, bearings: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far it is from the origin to a star-shaped outline, in these directions (radians)."""
    around, radii = np.arctan2(outline[:, 1], outline[:, 0]), np.hypot(outline[:, 0], outline[:, 1])
    return np.interp(bearings, around, radii, period=2 * math.pi)


def _smooth_positive(values: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    """The positive part, whose corner at 0 is a parabola from -`width` to `width`."""
    return np.where(values <= -width, 0.0, np.where(values >= width, values, (values + width) ** 2 / (4 * width)))
