"""The lit part of a fundus photograph: a circle, often cut off above and below, sometimes with a registration notch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from retinasynth.errors import ImageError
from retinasynth.images import Mask, Photograph, resize_mask, resize_photograph

WORKING_SIZE_PX = 384
LIT_SHARE = 0.12  # of the way from the dark border to the brightness of the retina
NO_BORDER_SHARE = 0.35  # corners brighter than this have no dark border
RIM_TOLERANCE = 0.012  # of the radius: how far a point of the rim may lie from the circle
FLAT_SHARE = 0.5  # of a chord of the circle that a straight cut must follow
TRIALS = 300
ENCLOSING_STEPS = 2000
BEYOND_VESSELS = 0.02  # of the radius: what lies between the ends of vessels and the rim


class Circle(NamedTuple):
    """A circle in pixels: row and column of the centre, radius."""

    row: float
    column: float
    radius: float


def find_field_of_view(photograph: Photograph, name: object = "The picture") -> Mask:
    """The part of a photograph that shows the eye.

    The dark border is told from the retina by brightness; a circle is fitted to the rim, so that a dark vignette does
    not eat into it; then straight cuts and notches are taken away. A photograph without a dark border is all field of
    view, and a lit part that is not round is taken as it is.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        name: its file, for messages.

    Returns:
        ``bool (height, width)``.

    Raises:
        ImageError: the picture is black, or dark and of one colour, or next to nothing in it is lit.

    Example:
        >>> rows, columns = np.mgrid[:200, :240]
        >>> disc = (rows - 100) ** 2 + (columns - 120) ** 2 < 80**2
        >>> found = find_field_of_view((disc[..., None] * np.array([200, 90, 30])).astype(np.uint8))
        >>> bool((found ^ disc).mean() < 0.01)
        True
    """
    height, width = photograph.shape[:2]
    scale = WORKING_SIZE_PX / max(height, width)
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    working = resize_photograph(photograph, small) if scale < 1 else photograph
    noise_px = max(working.shape) / WORKING_SIZE_PX
    brightness = ndimage.gaussian_filter(working.max(axis=2).astype(np.float64), noise_px)
    if brightness.max() < 16 or (np.ptp(brightness) < 4 and brightness.max() < 40):
        raise ImageError(f"{name} is black", expected="a fundus photograph")
    found = resize_mask(_find(brightness), (height, width))
    if not found.any():
        raise ImageError(f"{name} is black, or next to nothing in it is lit", expected="a fundus photograph")
    return found


def field_around(vessels: Mask) -> Mask:
    """The field of view that a vessel mask alone lets one expect: the smallest circle around it, a little larger.

    Vessels run to the rim in most photographs. The circle is cut off where the picture ends.

    Args:
        vessels: ``bool (height, width)``, not empty.

    Example:
        >>> vessels = np.zeros((200, 240), bool)
        >>> vessels[100, 40:201] = vessels[20:181, 120] = True
        >>> field = field_around(vessels)
        >>> int(field[100].sum()), int(field[:, 120].sum())
        (163, 163)
    """
    points = np.argwhere(vessels).astype(np.float64)
    rim = points[ConvexHull(points, qhull_options="QJ").vertices] if len(points) > 4 else points  # joggled: lines too
    centre = rim.mean(axis=0)
    for step in range(1, ENCLOSING_STEPS):  # toward the furthest point, less each time (Badoiu and Clarkson, 2003)
        centre += (rim[np.argmax(np.hypot(*(rim - centre).T))] - centre) / (step + 1)
    radius = max(1.0, np.hypot(*(rim - centre).T).max() * (1 + BEYOND_VESSELS))
    rows, columns = np.indices(vessels.shape)
    return np.asarray(np.hypot(rows - centre[0], columns - centre[1]) <= radius)


def _find(brightness: NDArray[np.float64]) -> Mask:
    height, width = brightness.shape
    dark = _border_brightness(brightness)
    centre = brightness[height // 4 : height - height // 4, width // 4 : width - width // 4]
    retina = float(np.median(centre))
    if dark > NO_BORDER_SHARE * retina:
        return np.ones(brightness.shape, np.bool_)
    lit = brightness > dark + max(6.0, LIT_SHARE * (retina - dark))
    lit = np.asarray(ndimage.binary_fill_holes(_largest(ndimage.binary_opening(lit, iterations=2))), np.bool_)
    rim = _rim(lit)
    circle = _fit_circle(rim, brightness.shape)
    if circle is None:
        return lit
    rows, columns = np.mgrid[:height, :width]
    round_part: Mask = (rows - circle.row) ** 2 + (columns - circle.column) ** 2 <= circle.radius**2
    round_part &= ~_cut_off(lit, circle)
    # A notch is a dark bay at the rim or a lit tab outside it, narrow in both cases.
    tab = np.asarray(ndimage.binary_opening(lit & ~round_part, iterations=2), np.bool_)
    return np.asarray(round_part | tab)


def _border_brightness(brightness: NDArray[np.float64]) -> float:
    """The brightness of the darkest corner: a field of view leaves all corners dark, a crop of one none."""
    side = max(2, min(brightness.shape) // 24)
    corners = [brightness[rows, columns] for rows in (slice(side), slice(-side, None)) for columns in
               (slice(side), slice(-side, None))]  # fmt: skip
    return float(min(np.median(corner) for corner in corners))


def _largest(regions: Mask) -> Mask:
    labels, count = ndimage.label(regions)
    if count == 0:
        return regions
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def _rim(lit: Mask) -> NDArray[np.float64]:
    """Points ``(n, 2)`` of row and column on the convex rim of the lit part, without those on the picture's edge."""
    inner = ndimage.binary_erosion(lit, border_value=1)
    edge = np.argwhere(lit & ~inner).astype(np.float64)
    height, width = lit.shape
    inside = (edge[:, 0] > 1) & (edge[:, 0] < height - 2) & (edge[:, 1] > 1) & (edge[:, 1] < width - 2)
    return np.asarray(edge[inside])


def _fit_circle(rim: NDArray[np.float64], shape: tuple[int, int]) -> Circle | None:
    """The circle that most points of the rim lie on (RANSAC, then least squares), or None where too few do."""
    if len(rim) < 12:
        return None
    random = np.random.default_rng(0)
    chosen = rim[random.integers(0, len(rim), (TRIALS, 3))]
    best: Circle | None = None
    best_score = 0.0
    size = max(shape)
    for three in chosen:
        circle = _circle_through(three)
        if circle is None or not 0.2 * size < circle.radius < 1.5 * size:
            continue
        distance = np.hypot(*(rim - circle[:2]).T) - circle.radius
        score = float((np.abs(distance) < max(1.0, RIM_TOLERANCE * circle.radius)).sum())
        if score > best_score:
            best, best_score = circle, score
    if best is None or best_score < 0.3 * len(rim):
        return None
    for _ in range(3):
        distance = np.abs(np.hypot(*(rim - best[:2]).T) - best.radius)
        best = _least_squares_circle(rim[distance < max(1.5, RIM_TOLERANCE * best.radius)])
    return Circle(best.row, best.column, best.radius + 0.5)  # the rim runs through the outermost lit pixels


def _circle_through(points: NDArray[np.float64]) -> Circle | None:
    system = np.column_stack([2 * points, np.ones(3)])
    if abs(np.linalg.det(system)) < 1e-3:
        return None
    row, column, rest = np.linalg.solve(system, (points**2).sum(axis=1))
    return Circle(row, column, float(np.sqrt(max(rest + row**2 + column**2, 0))))


def _least_squares_circle(points: NDArray[np.float64]) -> Circle:
    system = np.column_stack([2 * points, np.ones(len(points))])
    (row, column, rest), *_ = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)
    return Circle(float(row), float(column), float(np.sqrt(max(rest + row**2 + column**2, 0))))


def _cut_off(lit: Mask, circle: Circle) -> Mask:
    """What lies beyond straight cuts of the circle, above, below, left and right."""
    cut = np.zeros(lit.shape, np.bool_)
    for view, lit_view, centre in (
        (cut, lit, circle.row),
        (cut[::-1], lit[::-1], lit.shape[0] - 1 - circle.row),
        (cut.T, lit.T, circle.column),
        (cut.T[::-1], lit.T[::-1], lit.shape[1] - 1 - circle.column),
    ):
        counts = lit_view.sum(axis=1)
        first = int(np.argmax(counts > 0))
        for row in range(first, min(first + 4, len(counts))):
            reach = circle.radius**2 - (row - centre) ** 2
            if reach > 0 and counts[row] > FLAT_SHARE * 2 * np.sqrt(reach) and row - (centre - circle.radius) > 2:
                view[:row] = True
                break
    return cut
