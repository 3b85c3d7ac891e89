"""The graph of a vessel mask: its segments with their centre lines and calibres, and the nodes where they meet or end.

The centre line is the skeleton of Zhang and Suen (CACM 27(3), 1984). Spurs shorter than the vessel that they leave
is wide come from the rough edge of a mask and are cut off; nodes nearer to each other than that are one node.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.morphology import skeletonize

from retinasynth.images import Mask

SPUR_CALIBRES = 1.0  # shorter side branches are roughness of the edge
NODE_CALIBRES = 1.0  # nodes nearer than this are one: a crossing makes two of them
DIRECTION_CALIBRES = (1.0, 3.5)  # from a node: between these the direction of a vessel is taken
PINHOLE_PX = 8  # smaller holes, as in the crotch of a branching, are no gaps between vessels
SMOOTHING_PX = 2.0  # least standard deviation along a centre line; takes the staircase out of an oblique one

_ORTHOGONAL = ((0, 1), (1, 0), (0, -1), (-1, 0))
_DIAGONAL = ((1, 1), (1, -1), (-1, -1), (-1, 1))

_Chain = list[int]  # numbers of the skeleton pixels between two nodes, which are pixels too


@dataclass(frozen=True)
class Segment:
    """A piece of vessel between two nodes.

    Attributes:
        nodes: numbers of the two nodes, at the begin and at the end of the path; equal for a closed ring.
        path: the smoothed centre line, ``float64 (n, 2)``: row and column, in pixels.
        steps: the arc length that each point represents, ``float64 (n,)``, in pixels; their sum is the length.
        calibres: the width of the vessel at each point, ``float64 (n,)``, in pixels.
        clear: ``bool (n,)``: points far enough from the nodes for their calibre to be that of this vessel alone.
    """

    nodes: tuple[int, int]
    path: NDArray[np.float64] = field(repr=False)
    steps: NDArray[np.float64] = field(repr=False)
    calibres: NDArray[np.float64] = field(repr=False)
    clear: Mask = field(repr=False)

    @property
    def length(self) -> float:
        """Arc length, in pixels."""
        return float(self.steps.sum())

    @property
    def chord(self) -> float:
        """Straight distance between the two ends, in pixels."""
        return float(np.hypot(*(self.path[-1] - self.path[0])))

    @property
    def calibre(self) -> float:
        """Mean width, in pixels; away from the nodes where the segment is long enough."""
        chosen = self.clear if self.clear.any() else np.ones_like(self.clear)
        return float(np.average(self.calibres[chosen], weights=self.steps[chosen]))

    def away_from(self, node: int) -> NDArray[np.float64]:
        """The path in the direction that leads away from a node at one of its ends."""
        return self.path if self.nodes[0] == node else self.path[::-1]


@dataclass(frozen=True)
class Graph:
    """The vessels of a mask.

    Attributes:
        nodes: row and column of each node, ``float64 (n, 2)``, in pixels.
        radii: half the width of the vessel at each node, ``float64 (n,)``, in pixels.
        segments: what lies between the nodes.
    """

    nodes: NDArray[np.float64] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    segments: tuple[Segment, ...] = field(repr=False)

    @property
    def degrees(self) -> NDArray[np.int64]:
        """How many segments end in each node: ``int64 (n,)``. 1: an end; 3: a branching; 4: mostly a crossing."""
        ends = np.array([segment.nodes for segment in self.segments], np.int64).reshape(-1)
        return np.bincount(ends, minlength=len(self.nodes))

    def leaving(self, segment: Segment, node: int, calibre: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where a segment is soon after it has left a node at one of its ends, and its direction there.

        Args:
            segment: one of the graph.
            node: number of the node.
            calibre: in pixels; the direction is taken between `DIRECTION_CALIBRES` of them along the path.

        Returns:
            The place, and the way to it from nearer to the node: row and column, in pixels.
        """
        path = segment.away_from(node)
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
        near, far = (path[min(int(np.searchsorted(along, calibres * calibre)), len(path) - 1)]
                     for calibres in DIRECTION_CALIBRES)  # fmt: skip
        return far, far - near if (far != near).any() else far - self.nodes[node]


def vessel_graph(mask: Mask) -> Graph:
    """The graph of a vessel mask.

    The calibre at a point is the area of the mask nearest to the centre line there over the arc length of the smoothed
    centre line, both averaged along it over about one calibre: free of the half pixels of a distance transform.

    Args:
        mask: ``bool (height, width)``.

    Returns:
        The graph; empty for an empty mask.

    Example:
        >>> mask = np.zeros((40, 100), np.bool_)
        >>> mask[18:23, 10:90] = True
        >>> graph = vessel_graph(mask)
        >>> graph.degrees.tolist(), round(graph.segments[0].calibre, 1)
        ([1, 1], 5.0)
    """
    padded = _without_pinholes(np.pad(mask, 1))
    skeleton = np.asarray(skeletonize(padded), np.bool_)  # type: ignore[no-untyped-call]
    points = np.argwhere(skeleton)
    if len(points) < 2:
        return Graph(np.empty((0, 2)), np.empty(0), ())
    radii = _radii(padded, points)
    pieces = _pruned(_traced(_neighbours(skeleton, points)), points, radii)
    groups, pieces = _with_close_nodes_merged(pieces, points, radii)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(groups.values()))}
    areas = _areas(padded, points, {pixel for piece in pieces for pixel in piece} | set(groups))
    segments = tuple(
        _measured(piece, (numbers[groups[piece[0]]], numbers[groups[piece[-1]]]), points, radii, areas)
        for piece in pieces
    )
    members: dict[int, list[int]] = defaultdict(list)
    for pixel, name in groups.items():
        members[numbers[name]].append(pixel)
    nodes = np.array([points[members[number]].mean(axis=0) for number in range(len(numbers))]).reshape(-1, 2)
    widest = np.array([radii[members[number]].max() for number in range(len(numbers))])
    return Graph(nodes - 1, widest, segments)


def _without_pinholes(mask: Mask) -> Mask:
    holes, _ = ndimage.label(~mask)
    return np.asarray(mask | (np.bincount(holes.ravel()) < PINHOLE_PX)[holes])


def _radii(mask: Mask, points: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance of skeleton pixels from the edge of the mask, which lies half a pixel before the next pixel outside."""
    near = np.zeros_like(mask)
    near[1:] |= mask[:-1]
    near[:-1] |= mask[1:]
    near[:, 1:] |= mask[:, :-1]
    near[:, :-1] |= mask[:, 1:]
    distances, _ = KDTree(np.argwhere(near & ~mask)).query(points)
    return np.asarray(distances, np.float64) - 0.5


def _neighbours(skeleton: Mask, points: NDArray[np.int64]) -> list[list[int]]:
    """Which pixels of the skeleton touch which; over a corner only where no pixel beside it makes the connection."""
    numbers = np.full(skeleton.shape, -1, np.int64)
    rows, columns = points.T
    numbers[rows, columns] = np.arange(len(points))
    found = [numbers[rows + down, columns + right] for down, right in _ORTHOGONAL]
    for down, right in _DIAGONAL:
        bridged = skeleton[rows + down, columns] | skeleton[rows, columns + right]
        found.append(np.where(bridged, -1, numbers[rows + down, columns + right]))
    others = np.stack(found, axis=1)
    touching = others >= 0
    ends = np.cumsum(touching.sum(axis=1)).tolist()
    joined = others[touching].tolist()
    return [joined[start:end] for start, end in itertools.pairwise([0, *ends])]


def _traced(neighbours: Sequence[Sequence[int]]) -> list[_Chain]:
    """All chains between pixels that have not just two neighbours; then closed rings."""
    pieces: list[_Chain] = []
    seen: set[int] = set()
    done: set[tuple[int, int]] = set()

    def follow(start: int, step: int) -> None:
        pixels = [start, step]
        while len(neighbours[pixels[-1]]) == 2 and pixels[-1] != start:
            one, other = neighbours[pixels[-1]]
            pixels.append(other if one == pixels[-2] else one)
        done.add((pixels[-1], pixels[-2]))
        seen.update(pixels)
        pieces.append(pixels)

    nodes = [pixel for pixel, others in enumerate(neighbours) if len(others) != 2]
    for start in nodes:
        for step in neighbours[start]:
            if (start, step) not in done:
                follow(start, step)
    for start, others in enumerate(neighbours):
        if start not in seen and len(others) == 2:
            follow(start, others[0])
    return pieces


def _ends(piece: _Chain) -> tuple[int, int]:
    return piece[0], piece[-1]


def _length(piece: _Chain, points: NDArray[np.int64]) -> float:
    return float(np.hypot(*np.diff(points[piece], axis=0).T).sum())


def _pruned(pieces: list[_Chain], points: NDArray[np.int64], radii: NDArray[np.float64]) -> list[_Chain]:
    """Without spurs that are shorter than the vessel is wide, and without specks."""
    while True:
        degrees = Counter(end for piece in pieces for end in _ends(piece))
        kept = []
        for piece in pieces:
            is_loose = [degrees[end] == 1 for end in _ends(piece)]
            widest = 2 * max(radii[end] for end in _ends(piece))
            if not any(is_loose) or _length(piece, points) >= SPUR_CALIBRES * widest:
                kept.append(piece)
        if len(kept) == len(pieces):
            return kept
        pieces = _joined(kept)


def _joined(pieces: list[_Chain]) -> list[_Chain]:
    """Pieces joined where only two are left to meet."""
    living = dict(enumerate(pieces))
    meeting: dict[int, list[int]] = defaultdict(list)
    for number, piece in living.items():
        for end in _ends(piece):
            meeting[end].append(number)
    for node, numbers in meeting.items():
        if len(numbers) != 2 or numbers[0] == numbers[1]:
            continue
        first, second = numbers
        before, after = living[first], living.pop(second)
        before = before if before[-1] == node else before[::-1]
        after = after if after[0] == node else after[::-1]
        living[first] = before + after[1:]
        far = after[-1]
        meeting[far] = [first if number == second else number for number in meeting[far]]
    return list(living.values())


def _with_close_nodes_merged(
    pieces: list[_Chain], points: NDArray[np.int64], radii: NDArray[np.float64]
) -> tuple[dict[int, int], list[_Chain]]:
    """The group that each node pixel belongs to, named by one of its pixels, and the pieces between groups."""
    degrees = Counter(end for piece in pieces for end in _ends(piece))
    groups = {end: end for piece in pieces for end in _ends(piece)}

    def root(node: int) -> int:
        while groups[node] != node:
            node = groups[node]
        return node

    kept = []
    for piece in pieces:
        one, other = _ends(piece)
        limit = NODE_CALIBRES * 2 * max(radii[one], radii[other])
        if min(degrees[one], degrees[other]) >= 3 and _length(piece, points) < limit:
            groups[root(one)] = root(other)
        else:
            kept.append(piece)
    final = {node: root(node) for node in groups}
    return final, kept


def _areas(mask: Mask, points: NDArray[np.int64], used: set[int]) -> NDArray[np.float64]:
    """How many pixels of the mask are nearest to each pixel of the skeleton that is in use."""
    order = np.array(sorted(used), np.int64)
    _, nearest = KDTree(points[order]).query(np.argwhere(mask))
    areas = np.zeros(len(points))
    areas[order] = np.bincount(nearest, minlength=len(order))
    return areas


def _measured(
    piece: _Chain,
    nodes: tuple[int, int],
    points: NDArray[np.int64],
    radii: NDArray[np.float64],
    areas: NDArray[np.float64],
) -> Segment:
    pixels = np.array(piece)
    raw = points[pixels].astype(np.float64) - 1
    width = 2 * float(np.median(radii[pixels]))
    path = smoothed(raw, max(SMOOTHING_PX, width / 2))
    gaps = np.hypot(*np.diff(path, axis=0).T)
    steps = np.zeros(len(path))
    steps[:-1] += gaps / 2
    steps[1:] += gaps / 2
    travelled = np.concatenate([[0], np.cumsum(gaps)])
    clear = travelled > 2 * radii[pixels[0]]
    clear &= travelled[-1] - travelled > 2 * radii[pixels[-1]]
    counted = clear if clear.any() else (travelled > 0) & (travelled < travelled[-1])
    counted = counted if counted.any() else np.ones_like(counted)
    spread = max(SMOOTHING_PX, width)
    area = _average(np.where(counted, areas[pixels], 0), spread)
    length = _average(np.where(counted, steps, 0), spread)
    calibres = np.interp(travelled, travelled[counted], area[counted] / length[counted])
    return Segment(nodes, path, steps, calibres, clear)


def _kernel(sigma: float) -> NDArray[np.float64]:
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def _average(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """A Gaussian average of a sequence, with zeros beyond its ends."""
    kernel = _kernel(sigma)
    reach = len(kernel) // 2
    return np.convolve(values, kernel)[reach : reach + len(values)]


def smoothed(path: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """A path with its staircase smoothed away and its end points in place.

    Args:
        path: ``float64 (n, 2)``.
        sigma: standard deviation of the Gaussian average along it, in points; at most a third of the path.
    """
    sigma = min(sigma, (len(path) - 1) / 3)  # the reflection at the ends is no longer than the path
    if sigma <= 0.3:
        return path
    kernel = _kernel(sigma)
    reach = min(len(kernel) // 2, len(path) - 1)
    kernel = kernel[len(kernel) // 2 - reach : len(kernel) // 2 + reach + 1]
    kernel = kernel / kernel.sum()
    longer = np.pad(path, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(longer[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
