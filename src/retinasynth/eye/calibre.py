"""Central retinal arteriolar and venular equivalent (CRAE, CRVE): one calibre for the widest vessels of an eye.

Two methods: that of Knudtson, of the six widest in any unit, and that of Parr and Hubbard, of all in micrometres.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # who grows eyes needs no skeleton, and what that loads
    from retinasynth.eye.skeleton import Graph

ARTERIOLES, VENULES = 0.88, 0.95  # factors of Knudtson et al.
_ZONE_SHARE = 0.3  # of the breadth of a zone that a piece of vessel crosses at least to be counted there


def knudtson(calibres: NDArray[np.float64], factor: float) -> float:
    """One calibre that summarises the six widest (Knudtson et al., Curr Eye Res 27, 2003).

    The widest and the narrowest are joined to ``factor * sqrt(widest**2 + narrowest**2)``, then the next two, and so
    on; one that is left over in the middle stays as it is; all again until one is left.

    Args:
        calibres: of the vessels in zone B, in any unit.
        factor: `ARTERIOLES` or `VENULES`.

    Returns:
        The equivalent, in the same unit; 0 of no vessel.

    Example:
        >>> knudtson(np.array([3.0, 4.0]), 1.0)
        5.0
    """
    return _joined(np.sort(calibres)[-6:], lambda narrow, wide: factor * math.hypot(narrow, wide))


def hubbard(calibres_um: NDArray[np.float64], *, are_veins: bool) -> float:
    """One calibre that summarises all vessels of a zone (Hubbard et al., Ophthalmology 106, 1999).

    The formulas are those of Parr and Spears (Am J Ophthalmol 77, 1974). The narrowest a and the
    widest b are joined, to sqrt(.87 a**2 + 1.01 b**2 - .22 a b - 10.76) of arterioles or sqrt(.72 a**2 + .91 b**2 +
    450.02) of venules, then the next two, and so on, as in `knudtson`. The more vessels are found, the larger is the
    result, for which Knudtson et al. changed it.

    Args:
        calibres_um: of the vessels in the zone, in micrometres: the constants hold in no other unit.
        are_veins: the formula of venules instead of that of arterioles.

    Returns:
        The equivalent, in micrometres; 0 of no vessel.

    Example:
        >>> round(hubbard(np.array([100.0, 120.0]), are_veins=False), 2)
        143.5
    """
    return _joined(calibres_um, _vein_of if are_veins else _artery_of)


def _artery_of(narrow: float, wide: float) -> float:
    return math.sqrt(max(0.0, 0.87 * narrow**2 + 1.01 * wide**2 - 0.22 * narrow * wide - 10.76))


def _vein_of(narrow: float, wide: float) -> float:
    return math.sqrt(0.72 * narrow**2 + 0.91 * wide**2 + 450.02)


def _joined(calibres: NDArray[np.float64], parent_of: Callable[[float, float], float]) -> float:
    """The narrowest joined with the widest, and so on, until one is left; 0 of none."""
    left = sorted(float(calibre) for calibre in calibres)
    while len(left) > 1:
        half = len(left) // 2
        pairs = [parent_of(left[number], left[-1 - number]) for number in range(half)]
        left = sorted(pairs + left[half : len(left) - half])
    return left[0] if left else 0.0


def calibres_between(
    tree: "Graph", centre: tuple[float, float], inner_px: float, outer_px: float
) -> NDArray[np.float64]:
    """The calibre of each vessel in a ring around the disc, in pixels.

    A vessel that divides there is three pieces; each counts when it crosses enough of the ring's breadth, but of a
    vessel and its daughters only the one or the others: those that cover more of the breadth.

    Args:
        tree: of arteries or of veins.
        centre: of the disc, row and column.
        inner_px: radius at which the ring begins.
        outer_px: radius at which it ends.
    """
    breadth = outer_px - inner_px
    pieces = []
    for segment in tree.segments:
        distance = np.hypot(*(segment.path - centre).T)
        inside = (distance >= inner_px) & (distance < outer_px)
        if inside.any() and np.ptp(distance[inside]) >= _ZONE_SHARE * breadth:
            clear = inside & segment.clear if (inside & segment.clear).any() else inside
            calibre = float(np.average(segment.calibres[clear], weights=segment.steps[clear]))
            near, far = segment.nodes if distance[0] <= distance[-1] else segment.nodes[::-1]
            pieces.append((float(np.ptp(distance[inside])), calibre, near, far))
    taken: list[tuple[float, float, int, int]] = []
    for piece in sorted(pieces, reverse=True):
        _, _, near, far = piece
        if not any(far == other[2] or near == other[3] for other in taken):
            taken.append(piece)
    return np.array([calibre for _, calibre, _, _ in taken])
