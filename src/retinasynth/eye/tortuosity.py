"""How much a course winds, by three measures that are known by name.

All take a smooth course, ``float64 (n, 2)``, row and column in any unit of length, such as `smooth_course` gives.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from retinasynth.eye.skeleton import smoothed

LEAST_TURN = 0.1  # radians (6 degrees): a bend by less is the grid of pixels, and no bend

Numbers = NDArray[np.float64]


def smooth_course(path: Numbers, scale: float) -> Numbers:
    """A centre line at equal steps of about a pixel, without bends that are shorter than a scale.

    Args:
        path: ``float64 (n, 2)``, in pixels.
        scale: standard deviation of the average along the course, in pixels.

    Returns:
        ``float64 (m, 2)``; the ends stay in place.
    """
    along = _along(path)
    count = max(2, round(along[-1]) + 1)
    even = np.linspace(0, along[-1], count)
    return smoothed(np.stack([np.interp(even, along, path[:, axis]) for axis in (0, 1)], axis=1), scale)


def arc_over_chord(course: Numbers) -> float:
    """Length over the distance of the ends: 1 for a straight line (Hart et al., Int J Med Inform 53, 1999, tau 1).

    Example:
        >>> half_circle = np.linspace(0, np.pi, 1000)
        >>> round(arc_over_chord(np.stack([np.sin(half_circle), np.cos(half_circle)], axis=1)), 3)
        1.571
    """
    return float(_along(course)[-1] / np.hypot(*(course[-1] - course[0])))


def inflections(course: Numbers) -> int:
    """How often a course changes the side that it bends to; bends by less than `LEAST_TURN` are none.

    Example:
        >>> x = np.linspace(0, 4 * np.pi, 1000)
        >>> inflections(np.stack([np.sin(x), x], axis=1))
        3
    """
    turns = _turns(course)
    bends = [float(sum(one)) for _, one in itertools.groupby(turns, np.sign)]
    sides = [bend > 0 for bend in bends if abs(bend) >= LEAST_TURN]
    return sum(one != other for one, other in itertools.pairwise(sides))


def inflection_count_metric(course: Numbers) -> float:
    """Arc over chord times one more than the inflections (Bullitt et al., IEEE Trans Med Imaging 22, 2003).

    Example:
        >>> inflection_count_metric(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]))
        1.0
    """
    return (inflections(course) + 1) * arc_over_chord(course)


def squared_curvature(course: Numbers) -> float:
    """The integral of squared curvature over the length (Hart et al., Int J Med Inform 53, 1999, tau 5).

    Returns:
        In one over the unit of length, squared: 1 / r ** 2 for an arc of radius r.

    Example:
        >>> angle = np.linspace(0, 2, 1000)
        >>> round(squared_curvature(5 * np.stack([np.sin(angle), np.cos(angle)], axis=1)), 4)
        0.04
    """
    steps = np.hypot(*np.diff(course, axis=0).T)
    if len(steps) < 2:
        return 0.0
    beside = (steps[:-1] + steps[1:]) / 2
    return float((_turns(course) ** 2 / beside).sum() / beside.sum())


def _along(path: Numbers) -> Numbers:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])


def _turns(course: Numbers) -> Numbers:
    """By how much the direction changes at each inner point, in radians."""
    directions = np.unwrap(np.arctan2(*np.diff(course, axis=0).T))
    turns: Numbers = np.diff(directions)
    return turns
