"""Central retinal arteriolar and venular equivalent (CRAE, CRVE): one calibre for the widest vessels of an eye."""

import math

import numpy as np
from numpy.typing import NDArray

ARTERIOLES, VENULES = 0.88, 0.95  # factors of Knudtson et al.


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
    left = sorted(float(calibre) for calibre in calibres)[-6:]
    while len(left) > 1:
        half = len(left) // 2
        pairs = [factor * math.hypot(left[number], left[-1 - number]) for number in range(half)]
        left = sorted(pairs + left[half : len(left) - half])
    return left[0] if left else 0.0
