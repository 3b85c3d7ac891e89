"""Which vessels in a photograph are arteries and which are veins: by their colour, or by what a segmenter saw.

By colour, without a trained model, the wider ones are told (`tell_arteries`).

The blood of arteries takes less light than that of veins, above all less red, so that they look brighter and more
orange. How much a vessel takes depends on its width, on the place and on the camera, too; therefore vessels are
compared within one eye only, and with those trends taken out while the two kinds are separated. (That only vessels
near to each other can be compared: Grisan and Ruggeri, EMBS 2003.) What a single piece of vessel leaves in doubt its
course decides: a vessel keeps its kind where it goes straight on and where it branches, and arteries cross veins only.

Lengths are in disc diameters (DD, the vertical diameter of the disc) where nothing else is said.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import KDTree

from retinasynth.errors import InputError
from retinasynth.eye.frame import DD_PER_FIELD
from retinasynth.eye.skeleton import Graph, vessel_graph
from retinasynth.images import Mask, Photograph

NARROWEST_DD = 0.04  # vessels narrower than this are not classified
NARROWEST_PX = 3.5  # nor those whose core is no wider than a pixel or two
WIDEST = 1.6  # times as wide as nine tenths of all that is wide enough: two vessels that touch each other
SHORTEST_DD = 0.5  # labelled pieces that hang together over less than this are left out
PIECE_DD = 0.3  # vessels are classified in pieces of about this length
AROUND_DD = 0.12  # standard deviation of the surroundings that a vessel is compared with
CORE_CALIBRES = 0.25  # the core reaches so far to either side of the centre line
EDGE_CALIBRES = 0.35  # where the vessel beside its light reflex is looked at
DISC_MARGIN_DD = 0.1  # so near to the disc, and on it, the surroundings say nothing
FAINT_DENSITY = 0.05  # natural logarithm of light: below about this densities are compared by difference, not by ratio
LEAST_APART = 1.0  # standard deviations between the mean artery and the mean vein
LEAST_REDDER = 1.3  # standard deviations of all pieces between arteries and veins in red, trends and all; 2 is the most
LEAST_SHARE = 0.2  # of the length classified that either kind has
LEAST_PIECES = 6  # of either kind
LEAST_POINTS = 3  # of a centre line that a piece is looked at in
_IN_DOUBT = 0.2  # log-odds of pieces that agree, below which they are in neither plane
SURE = 1.0  # log-odds from which a piece is labelled
_MOST_ODDS = 4.0  # log-odds that the appearance of one piece can give
_RIDGE = 0.02  # how strongly trends are drawn to none
_TRUST = 3.0  # how much surer pieces are together than their mean
_UNSEEN = 0.05  # pieces that a piece counts for whose appearance could not be measured
_ALONG = 30.0  # pieces that the bond to the next piece of the same vessel counts for
_ACROSS = 8.0  # pieces that the bond to a vessel that goes straight on beyond a node counts for
_BRANCH = 1.0  # pieces that the bond to a branch counts for, whatever its angle
_CROSSED = 1.0  # pieces that the bond to a vessel that is crossed counts for
_BESIDE = 2.0  # pieces that the bond to a vessel of the other kind that runs beside counts for
_BESIDE_DD = 0.3  # between the middles of two pieces side by side
_PARALLEL = 0.94  # cosine of the angle between vessels side by side
_ALONGSIDE = 0.5  # cosine of the angle between a vessel and the way to the one beside it
_AS_WIDE = 0.55  # calibre of the narrower over that of the wider
_BEND_DEG = 55.0  # where a vessel bends more than this at a node, it is another vessel
_ROUNDS = 60  # of estimation

Numbers = NDArray[np.float64]


def tell_arteries(
    photograph: Photograph, vessels: Mask, disc: Mask | None, field_of_view: Mask
) -> tuple[Mask, Mask] | None:
    """The arteries and the veins among the wider vessels of a photograph; None where they cannot be told apart.

    Vessels that are too narrow, on the disc, or in doubt are in neither mask. In doubt is also what is told otherwise
    in the picture turned by 180 degrees, whose centre lines are not quite the same.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        vessels: ``bool (height, width)``.
        disc: likewise; None where it is unknown.
        field_of_view: likewise.

    Returns:
        Two masks ``bool (height, width)`` without a common pixel, both within `vessels`: arteries and veins.

    Raises:
        InputError: the masks and the photograph differ in size.
    """
    for mask in (vessels, field_of_view, *([] if disc is None else [disc])):
        if mask.shape != photograph.shape[:2]:
            raise InputError(f"A mask of {mask.shape} for a photograph of {photograph.shape[:2]}", expected="one size")
    told = _told(photograph, vessels, disc, field_of_view)
    if told is None:
        return None
    turned = _told(
        photograph[::-1, ::-1],
        vessels[::-1, ::-1],
        None if disc is None else disc[::-1, ::-1],
        field_of_view[::-1, ::-1],
    )
    if turned is None:
        return None
    arteries, veins = (one & other[::-1, ::-1] for one, other in zip(told, turned, strict=True))
    return (arteries, veins) if arteries.any() and veins.any() else None


def _told(photograph: Photograph, vessels: Mask, disc: Mask | None, field_of_view: Mask) -> tuple[Mask, Mask] | None:
    """The arteries and the veins as told in the picture as it lies."""
    graph = vessel_graph(vessels & field_of_view)
    scale = _pixels_per_dd(disc, field_of_view)
    if not graph.segments or not scale:
        return None
    density = _density(photograph, vessels, disc, field_of_view, scale)
    pieces = _wide_pieces(graph, disc, density.shape[1:], scale)
    appearance = np.array([_appearance(graph, piece, density) for piece in pieces]).reshape(-1, 3)
    pairs, strengths = _joins(graph, pieces)
    odds = _log_odds(pieces, appearance, pairs, strengths)
    if odds is None:
        return None
    kinds = _labelled(pieces, odds, pairs[strengths > 0], scale)
    if not _plausible(pieces, appearance, kinds, pairs[strengths < 0]):
        return None
    return _painted(graph, pieces, kinds, vessels)


def agreed_arteries(
    odds: NDArray[np.floating[Any]], vessels: Mask, disc: Mask | None, field_of_view: Mask
) -> tuple[Mask, Mask]:
    """The arteries and the veins among vessels, by what a segmenter saw and the course of the vessels.

    Args:
        odds: logarithm of how likely a vessel at each pixel is an artery over how likely it is a vein,
            ``float (height, width)``.
        vessels: ``bool (height, width)``.
        disc: likewise; None where it is unknown.
        field_of_view: likewise.

    Returns:
        Two masks ``bool (height, width)`` without a common pixel, both within `vessels`: arteries and veins. Vessels in
        doubt are in neither.
    """
    graph = vessel_graph(vessels & field_of_view)
    scale = _pixels_per_dd(disc, field_of_view)
    if not graph.segments or not scale:
        return np.zeros_like(vessels), np.zeros_like(vessels)
    pieces = _all_pieces(graph, scale)
    own = np.array([_median_on(graph, piece, odds) for piece in pieces]).clip(-_MOST_ODDS, _MOST_ODDS)
    weights = np.array([piece.length for piece in pieces]) / (PIECE_DD * scale)
    pairs, strengths = _joins(graph, pieces)
    agreed = np.linalg.solve(_bonds(weights, pairs, strengths), weights * own)
    return _painted(graph, pieces, (np.sign(agreed) * (np.abs(agreed) > _IN_DOUBT)).astype(np.int8), vessels)


class _Piece(NamedTuple):
    """A part of a segment.

    Attributes:
        segment: its number in the graph.
        begin: the first point of the path.
        end: the one after the last.
        length: in pixels.
        calibre: in pixels.
        place: row and column of its middle, in disc diameters.
    """

    segment: int
    begin: int
    end: int
    length: float
    calibre: float
    place: Numbers


def _pixels_per_dd(disc: Mask | None, field_of_view: Mask) -> float:
    if disc is not None and disc.any():
        return float(np.count_nonzero(disc.any(axis=1)))
    return DD_PER_FIELD * float(np.count_nonzero(field_of_view.any(axis=0)))


def _density(
    photograph: Photograph, vessels: Mask, disc: Mask | None, field_of_view: Mask, scale: float
) -> NDArray[np.float32]:
    """How much more light is lost than around, as natural logarithm, in red and green: ``float32 (2, height, width)``.

    NaN where there are no surroundings.
    """
    usable = ndimage.binary_erosion(field_of_view, iterations=2) & ~ndimage.binary_dilation(vessels, iterations=2)
    if disc is not None:
        usable &= ~disc
    spread = AROUND_DD * scale
    amount = ndimage.gaussian_filter(usable.astype(np.float32), spread, truncate=2.5)
    found = []
    for channel in (0, 1):
        light = np.log(photograph[..., channel].astype(np.float32) + 1)
        around = ndimage.gaussian_filter(np.where(usable, light, 0), spread, truncate=2.5)
        around = np.where(amount > 0.02, around / np.maximum(amount, 1e-6), np.nan)
        found.append(around - light)
    return np.stack(found)


def _wide_pieces(graph: Graph, disc: Mask | None, size: tuple[int, ...], scale: float) -> list[_Piece]:
    """The pieces that are wide enough, but not two vessels in one, and off the disc; those of a segment in order."""
    narrowest = max(NARROWEST_DD * scale, NARROWEST_PX)
    calibres = np.concatenate([segment.calibres for segment in graph.segments])
    widest = WIDEST * float(np.quantile(calibres[calibres >= narrowest], 0.9)) if (calibres >= narrowest).any() else 0.0
    off_disc = np.ones(size, np.bool_)
    if disc is not None and disc.any():
        off_disc = ndimage.distance_transform_edt(~disc) >= DISC_MARGIN_DD * scale
    return [
        piece
        for piece in _all_pieces(graph, scale)
        if narrowest <= piece.calibre <= widest and off_disc[tuple(np.rint(piece.place * scale).astype(int))]
    ]


def _all_pieces(graph: Graph, scale: float) -> list[_Piece]:
    """All segments cut into pieces of about `PIECE_DD`, those of a segment in order."""
    pieces = []
    for number, segment in enumerate(graph.segments):
        travelled = np.cumsum(segment.steps)
        parts = max(1, round(segment.length / (PIECE_DD * scale)))
        inner = np.searchsorted(travelled, np.linspace(0, travelled[-1], parts + 1)[1:-1]).tolist()
        for begin, end in itertools.pairwise(dict.fromkeys([0, *inner, len(travelled)])):
            calibre = float(segment.calibres[begin:end].mean())
            middle = segment.path[(begin + end) // 2]
            length = float(segment.steps[begin:end].sum())
            pieces.append(_Piece(number, begin, end, length, calibre, middle / scale))
    return pieces


def _median_on(graph: Graph, piece: _Piece, values: NDArray[np.floating[Any]]) -> float:
    """The median along the centre line of a piece."""
    places = np.rint(graph.segments[piece.segment].path[piece.begin : piece.end]).astype(int)
    return float(np.median(values[tuple(places.T)]))


def _appearance(graph: Graph, piece: _Piece, density: NDArray[np.float32]) -> Numbers:
    """What the middle of a piece looks like; NaN where it could not be seen.

    Logarithms of the optical density in red and in green, and how much less density there is along the centre line than
    beside it in green.
    """
    segment, (_, begin, end, _, calibre, _) = graph.segments[piece.segment], piece
    along = np.gradient(segment.path, axis=0)[begin:end] if len(segment.path) > 1 else np.zeros((end - begin, 2))
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    seen = segment.clear[begin:end]
    if np.count_nonzero(seen) < LEAST_POINTS:
        return np.full(3, np.nan)
    points, across = segment.path[begin:end][seen], along[seen][:, ::-1] * np.array([1, -1])

    def at(offsets: Numbers) -> Numbers:
        places = points[:, None] + offsets[None, :, None] * calibre * across[:, None]
        where = [places[..., 0], places[..., 1]]
        return np.stack([ndimage.map_coordinates(one, where, order=1, mode="nearest") for one in density])

    core = at(np.linspace(-CORE_CALIBRES, CORE_CALIBRES, 5))
    beside = at(np.array([-EDGE_CALIBRES, EDGE_CALIBRES]))[1]
    reflex = np.median(beside) - np.median(core[1][:, 2])
    red, green = np.log(np.maximum(np.median(core, axis=(1, 2)), 0) + FAINT_DENSITY)
    return np.array([red, green, reflex])


def _log_odds(
    pieces: list[_Piece], appearance: Numbers, pairs: NDArray[np.int64], strengths: Numbers
) -> Numbers | None:
    """Log-odds that each piece is an artery; None where there are no two kinds.

    A mixture of two normal distributions that share their covariance and their linear trends with calibre and place,
    estimated by expectation and maximisation (Dempster, Laird and Rubin, J R Stat Soc B 39, 1977). Between the two
    steps the pieces of one course come to terms.
    """
    seen = np.isfinite(appearance).all(axis=1)
    if np.count_nonzero(seen) < 2 * LEAST_PIECES:
        return None
    weights = np.array([piece.length for piece in pieces])[seen]
    values = _standardised(appearance[seen], weights)
    trends = _standardised(np.array([_trend(piece) for piece in pieces])[seen], weights)
    course = np.linalg.inv(_bonds(np.where(seen, 1.0, _UNSEEN), pairs, strengths))
    rest = values - trends @ _fit(trends, values, weights, _RIDGE)
    odds = np.zeros(len(pieces))
    odds[seen] = -rest[:, :2].sum(axis=1)
    first = (course @ odds)[seen]
    share = (first > np.median(first)).astype(np.float64)
    for _ in range(_ROUNDS):
        # Every piece is in twice, once as an artery and once as a vein, with the share that it has in either kind.
        kinds = np.repeat(np.eye(2), len(values), axis=0)
        shares = np.concatenate([share, 1 - share]) * np.tile(weights, 2)
        design = np.hstack([kinds, np.tile(trends, (2, 1))])
        slopes = _fit(design, np.tile(values, (2, 1)), shares, np.where(np.arange(design.shape[1]) >= 2, _RIDGE, 0.0))
        rest = np.tile(values, (2, 1)) - design @ slopes
        inverse = np.linalg.inv((rest.T * shares) @ rest / shares.sum() + 1e-3 * np.eye(3))
        of_artery, of_vein = np.split(((rest @ inverse) * rest).sum(axis=1), 2)
        odds[seen] = np.clip((of_vein - of_artery) / 2, -_MOST_ODDS, _MOST_ODDS)
        agreed = course @ odds
        share = 1 / (1 + np.exp(-_TRUST * agreed[seen]))
    step = slopes[0] - slopes[1]
    if math.sqrt(float(step @ inverse @ step)) < LEAST_APART or step[:2].sum() >= 0:
        return None
    return agreed


def _trend(piece: _Piece) -> list[float]:
    return [math.log(piece.calibre), *piece.place]


def _standardised(values: Numbers, weights: Numbers) -> Numbers:
    away = values - np.average(values, axis=0, weights=weights)
    return np.asarray(away / np.maximum(np.sqrt(np.average(away**2, axis=0, weights=weights)), 1e-6))


def _fit(design: Numbers, values: Numbers, weights: Numbers, ridge: Numbers | float) -> Numbers:
    """Slopes of weighted least squares; `ridge` is how many per mean piece they are drawn to 0."""
    normal = design.T @ (design * weights[:, None]) + np.diag(np.full(design.shape[1], ridge) * weights.sum() + 1e-9)
    return np.asarray(np.linalg.solve(normal, design.T @ (values * weights[:, None])))


def _bonds(weights: Numbers, pairs: NDArray[np.int64], strengths: Numbers) -> Numbers:
    """The matrix of the equations whose solution are the log-odds on which the pieces of a course agree.

    On the right stand the log-odds that each piece has by itself, times its weight. Those agreed on differ as little as
    can be from what the appearance says and from those of the pieces joined: the least of the sum of
    ``weight * (odds - own odds)**2`` over the pieces and of ``strength * (odds - other odds)**2`` over the joins,
    with a sum instead of the difference where two vessels cross. Returns ``float64 (pieces, pieces)``.
    """
    normal = np.diag(weights)
    for (one, other), strength in zip(pairs, strengths, strict=True):
        normal[[one, other], [one, other]] += abs(strength)
        normal[[one, other], [other, one]] -= strength
    return normal


def _joins(graph: Graph, pieces: list[_Piece]) -> tuple[NDArray[np.int64], Numbers]:
    """Pairs of pieces ``(n, 2)``, and the log-odds ``(n,)`` that one gives the other: negative where they cross."""
    pairs: list[tuple[int, int]] = []
    strengths: list[float] = []
    for number, (before, after) in enumerate(itertools.pairwise(pieces)):
        if before.segment == after.segment and before.end == after.begin:
            pairs.append((number, number + 1))
            strengths.append(_ALONG)
    for ends in _ends(graph, pieces).values():
        ways = []
        for one, other in itertools.combinations(ends, 2):
            bend = math.degrees(math.acos(float(np.clip(-one.direction @ other.direction, -1, 1))))
            ways.append((bend, one, other))
        if len(ends) == 4:
            _cross(ways, pairs, strengths)
            continue
        for bend, one, other in ways:
            ratio = min(one.calibre, other.calibre) / max(one.calibre, other.calibre)
            straight = _ACROSS * math.cos(math.radians(min(90 * bend / _BEND_DEG, 90))) * ratio
            bond = max(straight, _BRANCH if len(ends) == 3 else 0.0)
            if bond > 0:
                pairs.append((one.piece, other.piece))
                strengths.append(bond)
    beside = _beside(graph, pieces)
    pairs += beside
    strengths += [-_BESIDE] * len(beside)
    return np.array(pairs, np.int64).reshape(-1, 2), np.array(strengths)


def _beside(graph: Graph, pieces: list[_Piece]) -> list[tuple[int, int]]:
    """Pairs of pieces that run side by side and are about as wide, but not the branches of one vessel."""
    places = np.array([piece.place for piece in pieces]).reshape(-1, 2)
    ways = [graph.segments[piece.segment].path[[piece.begin, piece.end - 1]] for piece in pieces]
    directions = np.array([way[1] - way[0] for way in ways]).reshape(-1, 2)
    directions /= np.maximum(np.hypot(*directions.T), 1e-9)[:, None]
    found = []
    for one, other in sorted(KDTree(places).query_pairs(_BESIDE_DD)):
        apart = places[other] - places[one]
        along = abs(float(apart @ directions[one])) / max(float(np.hypot(*apart)), 1e-9)
        parallel = abs(float(directions[one] @ directions[other]))
        narrow, wide = sorted((pieces[one].calibre, pieces[other].calibre))
        segments = [graph.segments[pieces[number].segment] for number in (one, other)]
        meet = bool(set(segments[0].nodes) & set(segments[1].nodes))
        if parallel > _PARALLEL and along < _ALONGSIDE and narrow > _AS_WIDE * wide and not meet:
            found.append((one, other))
    return found


class _End(NamedTuple):
    """Where a piece meets a node: its number, the direction away from the node (of length 1), its calibre in pixels."""

    piece: int
    direction: Numbers
    calibre: float


def _ends(graph: Graph, pieces: list[_Piece]) -> dict[int, list[_End]]:
    found: dict[int, list[_End]] = {}
    for number, piece in enumerate(pieces):
        segment = graph.segments[piece.segment]
        for side, at_node in ((0, piece.begin == 0), (1, piece.end == len(segment.path))):
            if not at_node:
                continue
            node = segment.nodes[side]
            _, way = graph.leaving(segment, node, piece.calibre)
            found.setdefault(node, []).append(_End(number, way / max(float(np.hypot(*way)), 1e-9), piece.calibre))
    return found


def _cross(ways: list[tuple[float, _End, _End]], pairs: list[tuple[int, int]], strengths: list[float]) -> None:
    """Four ends are two vessels that cross, if both go on straight."""
    matchings = [(ways[0], ways[5]), (ways[1], ways[4]), (ways[2], ways[3])]
    first, second = min(matchings, key=lambda both: both[0][0] + both[1][0])
    if max(first[0], second[0]) > _BEND_DEG:
        return
    for _, one, other in (first, second):
        pairs.append((one.piece, other.piece))
        strengths.append(_ACROSS)
    for one, other in itertools.product(first[1:], second[1:]):
        pairs.append((one.piece, other.piece))
        strengths.append(-_CROSSED)


def _labelled(pieces: list[_Piece], odds: Numbers, joined: NDArray[np.int64], scale: float) -> NDArray[np.int8]:
    """1 for an artery, -1 for a vein, 0 for a piece in doubt or one of too few that hang together."""
    kinds = (np.sign(odds) * (np.abs(odds) > SURE)).astype(np.int8)
    alike = joined[kinds[joined[:, 0]] == kinds[joined[:, 1]]]
    links = sparse.coo_array((np.ones(len(alike)), (alike[:, 0], alike[:, 1])), (len(pieces), len(pieces)))
    _, groups = sparse.csgraph.connected_components(links, directed=False)
    lengths = np.bincount(groups, [piece.length for piece in pieces])[groups]
    return np.where(lengths >= SHORTEST_DD * scale, kinds, 0).astype(np.int8)


def _plausible(pieces: list[_Piece], appearance: Numbers, kinds: NDArray[np.int8], unlike: NDArray[np.int64]) -> bool:
    """Whether there are enough arteries and veins, the veins wider and darker, and most pairs of vessels unlike."""
    arteries, veins = kinds > 0, kinds < 0
    if min(np.count_nonzero(arteries), np.count_nonzero(veins)) < LEAST_PIECES:
        return False
    lengths = np.array([piece.length for piece in pieces])
    length = lengths[arteries].sum(), lengths[veins].sum()
    calibre = [
        float(np.average([piece.calibre for piece in pieces], weights=lengths * kind)) for kind in (arteries, veins)
    ]
    red = appearance[:, 0]
    redder = (np.nanmean(red[veins]) - np.nanmean(red[arteries])) / np.nanstd(red)
    agree = kinds[unlike].prod(axis=1).sum()
    enough = min(length) >= LEAST_SHARE * sum(length)
    return bool(enough and calibre[0] < calibre[1] and redder >= LEAST_REDDER and agree < 0)


def _painted(graph: Graph, pieces: list[_Piece], kinds: NDArray[np.int8], vessels: Mask) -> tuple[Mask, Mask]:
    """Each pixel of the vessels has the kind of the nearest point of a centre line."""
    starts = np.cumsum([0, *(len(segment.path) for segment in graph.segments)])
    of_points = np.zeros(starts[-1], np.int8)
    for piece, kind in zip(pieces, kinds, strict=True):
        of_points[starts[piece.segment] + piece.begin : starts[piece.segment] + piece.end] = kind
    places = np.argwhere(vessels)
    _, nearest = KDTree(np.concatenate([segment.path for segment in graph.segments])).query(places)
    painted = np.zeros(vessels.shape, np.int8)
    painted[tuple(places.T)] = of_points[nearest]
    return painted > 0, painted < 0
