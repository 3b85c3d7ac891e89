"""Pictures that show where an answer is wrong."""

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from retinasynth.eye import Eye
from retinasynth.images import Photograph

WORST = 0.4  # mean absolute error, of the whole range, that is drawn brightest
FOUND, MISSED, ADDED = (232, 232, 226), (226, 74, 51), (52, 138, 189)  # colours of pixels
_LINE = (255, 190, 60)


def error_picture(generated: Photograph, expected: Photograph) -> Photograph:
    """Where two photographs differ: black not at all, over purple and orange to pale yellow (`WORST` and more).

    Args:
        generated: ``uint8 (height, width, 3)``.
        expected: of the same size.

    Returns:
        ``uint8 (height, width, 3)``.

    Example:
        >>> black = np.zeros((1, 1, 3), np.uint8)
        >>> error_picture(black, black)[0, 0].tolist(), error_picture(black, black + np.uint8(255))[0, 0].tolist()
        ([0, 0, 3], [252, 254, 164])
    """
    error = np.abs(generated.astype(np.float32) - expected.astype(np.float32)).mean(axis=2) / 255
    drawn: NDArray[np.uint8] = mpl.colormaps["inferno"](np.clip(error / WORST, 0, 1), bytes=True)
    return drawn[..., :3]


def agreement_picture(asked: Eye, found: Eye) -> Photograph:
    """Vessels asked for and found (pale), asked for and missed (red), found though not asked for (blue).

    Outlines of disc and cup as found are drawn over them, as asked for filled in grey.

    Args:
        asked: planes vessels, disc and cup, those that it has.
        found: the same planes, of the same size.

    Returns:
        ``uint8 (height, width, 3)``.
    """
    picture = np.zeros((*asked.size, 3), np.uint8)
    nothing = np.zeros(asked.size, np.bool_)
    for plane, grey in (("disc", 44), ("cup", 84)):
        picture[asked.planes.get(plane, nothing)] = grey
    wanted, seen = (eye.planes.get("vessels", nothing) for eye in (asked, found))
    for where, colour in ((wanted & seen, FOUND), (wanted & ~seen, MISSED), (seen & ~wanted, ADDED)):
        picture[where] = colour
    for plane in ("disc", "cup"):
        picture[find_boundaries(found.planes.get(plane, nothing))] = _LINE  # type: ignore[no-untyped-call]
    return picture
