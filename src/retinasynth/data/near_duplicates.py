"""Photographs that show the same retina, whatever was done to one of them: turned, mirrored, cut, scaled, recoded.

1. `sketch` reduces a photograph to its vessels (the green channel, evened out) and describes corners by the rings
   around them. When a picture turns, the Fourier coefficients of all rings turn alike, so products of neighbouring
   rings stay the same; a mirror image conjugates them. One comparison serves all rotations and mirrors.
2. `find_near_duplicates` compares the corners of all pictures, `find_near_duplicates_between` those of one list with
   those of another. Two that share several similar corners are candidates.
3. A candidate counts when one map takes the vessels of one picture onto those of the other, and they correlate.

The thresholds were set on 670 photographs of IDRiD, CHASE_DB1 and HRF and copies of them. Different eyes correlate by
at most .2 after the best map, but for two pairs at .42 and .44, where dirt on one camera's lens was matched; copies
correlate by .9 and more, hard crops and two photographs of one eye by .5 and more.

What lies between the vessels tells a copy from another picture that was drawn over the same vessels. On 14 photographs
of CHASE_DB1 it correlates by .7 and more with copies (turned, cut to .7, blurred by 6 pixels of 512, JPEG at quality
20), and by at most .3 with procedural photographs of the same vessel masks.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.images import Photograph, brightest, resize_photograph
from retinasynth.parallel import THREADS

MIN_CORRELATION = 0.5
MIN_OVERLAP = 0.25  # of the smaller picture
MIN_TEXTURE = 0.5  # from here on, what lies between the vessels is the same too

_SIDE_PX = 256  # longer side of the visible part; all lengths in pixels below are of this picture
_DARK = 24  # of 255: outside of the field of view
# A crop shows the same corner larger, so corners are described in reduced pictures too: (scale, how many).
_LEVELS = ((1.0, 96), (0.78, 60), (0.61, 36))
_FULL = _LEVELS[0][1]
_RINGS_PX = np.array([4.0, 8.0, 12.5, 17.5, 23.0, 29.0])
_TURN = np.exp(2j * np.pi * np.arange(32) / 32)
_HARMONICS = 5
_SIMILAR = 0.83  # cosine between two corners
_MIN_CORNERS = 4
_MAX_MATCHES = 80
_NEAR_PX = 4.0
_VESSEL = -0.5  # in standard deviations; what is darker is not taken for texture,
_BESIDE = 2  # nor what is this near, in pixels of `Sketch.vessels`
_BLOCK = 12  # pictures compared with one at once: what fits the processor's cache

_Plane = NDArray[np.float32]
_Points = NDArray[np.complex128]  # x + iy


@dataclass(frozen=True)
class Sketch:
    """What is kept of a photograph.

    Attributes:
        vessels: evened green channel, mean 0 and standard deviation about 1 everywhere, 0 outside; half of the size
            above.
        inside: where `vessels` means anything.
        corners: their places x + iy, ``complex (192,)``; 96 at full size, then the reduced ones.
        even: the part of their description that a mirror image keeps, ``(192, 31)``; zeros where there are fewer.
        odd: the part that it negates, ``(192, 25)``.
    """

    vessels: _Plane
    inside: NDArray[np.bool_]
    corners: NDArray[np.complex64]
    even: _Plane
    odd: _Plane


@dataclass(frozen=True)
class NearDuplicates:
    """Two photographs of the same retina.

    Attributes:
        first: index of one.
        second: index of the other; larger than `first` where both are of one list.
        correlation: of their vessels where they overlap, at most 1.
        is_mirrored: one is a mirror image of the other.
        texture: correlation of what lies between the vessels; see `MIN_TEXTURE`.
    """

    first: int
    second: int
    correlation: float
    is_mirrored: bool
    texture: float


# --- One photograph ----------------------------------------------------------------------------------------------


def sketch(photograph: Photograph) -> Sketch:
    """Reduce a photograph, ``uint8 (height, width, 3)`` of any size, to what `find_near_duplicates` compares."""
    visible = _visible(photograph)
    inside = ndimage.binary_opening(brightest(visible) > _DARK, iterations=2)
    inside = ndimage.binary_erosion(inside, iterations=5, border_value=1)
    plane = evened(visible[..., 1].astype(np.float32), inside, 8.0)
    corners, even, odd = (
        np.concatenate(parts) for parts in zip(*(_described(plane, inside, *level) for level in _LEVELS), strict=True)
    )
    return Sketch(ndimage.gaussian_filter(plane, 1.0)[::2, ::2], inside[::2, ::2], corners, even, odd)


def evened(green: _Plane, inside: NDArray[np.bool_], reach_px: float) -> _Plane:
    """A channel without its light: local mean 0 and local standard deviation about 1 within `inside`, 0 outside.

    Args:
        green: ``float32 (height, width)``.
        inside: the field of view.
        reach_px: standard deviation of the Gaussian window; several vessel widths.
    """
    weight = inside.astype(np.float32)
    share = np.maximum(ndimage.gaussian_filter(weight, reach_px), 1e-3)
    fine = ndimage.gaussian_filter(green, 1.0)
    centred = (fine - ndimage.gaussian_filter(fine * weight, reach_px) / share) * weight
    deviation = np.sqrt(ndimage.gaussian_filter(centred**2, reach_px) / share)
    typical = float(np.median(deviation[inside])) if inside.any() else 1.0
    # Half of the typical deviation in the divisor: where there is nothing, noise is not blown up to look like vessels.
    plane: _Plane = np.clip(centred / (deviation + 0.5 * typical + 0.25), -3, 3)
    return plane


def _visible(photograph: Photograph) -> Photograph:
    """The part that is not dark, its longer side `_SIDE_PX` long."""
    small = _with_longer_side(photograph, 2 * _SIDE_PX)
    bright = brightest(small) > _DARK
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.05) for axis in (1, 0))
    if len(rows) > 16 and len(columns) > 16:
        small = small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _with_longer_side(small, _SIDE_PX, grow=True)


def _with_longer_side(photograph: Photograph, side_px: int, *, grow: bool = False) -> Photograph:
    height, width = photograph.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1 and not grow:
        return photograph
    return resize_photograph(photograph, (max(16, round(height * scale)), max(16, round(width * scale))))


def _described(
    plane: _Plane, inside: NDArray[np.bool_], scale: float, count: int
) -> tuple[NDArray[np.complex64], _Plane, _Plane]:
    """Places and descriptions of the `count` strongest corners: extremes of the determinant of the Hessian."""
    within = inside.astype(np.float32)
    if scale < 1:
        plane = ndimage.zoom(ndimage.gaussian_filter(plane, 0.5 / scale), scale, order=1)
        within = ndimage.zoom(within, scale, order=1)
    down, right = np.gradient(ndimage.gaussian_filter(plane, 2.0))
    (down_down, down_right), right_right = np.gradient(down), np.gradient(right, axis=1)
    strength = np.abs(down_down * right_right - down_right**2)
    strength[ndimage.minimum_filter(within, 7) < 0.5] = 0
    rows, columns = np.nonzero((strength == ndimage.maximum_filter(strength, 7)) & (strength > 0))
    strongest = np.argsort(-strength[rows, columns])[:count]
    places = (columns + 1j * rows)[strongest]
    rings = places[:, None, None] + _RINGS_PX[:, None] * _TURN
    values = ndimage.map_coordinates(ndimage.gaussian_filter(plane, 1.0), [rings.imag, rings.real], order=1)
    waves = np.fft.rfft(values, axis=2)[..., : _HARMONICS + 1] / len(_TURN)
    inner, outer = waves[:, :-1, 1:], waves[:, 1:, 1:]
    product = inner * outer.conj() / np.sqrt(np.abs(inner * outer) + 1e-9)
    product = product.reshape(len(places), inner.shape[1] * _HARMONICS)
    even, odd = np.concatenate([waves[:, :, 0].real, product.real], axis=1), product.imag
    length = np.sqrt((even**2).sum(axis=1) + (odd**2).sum(axis=1))[:, None] + 1e-6
    padding = ((0, count - len(places)), (0, 0))
    return (
        np.pad(places / scale, padding[0]).astype(np.complex64),
        np.pad(even / length, padding).astype(np.float32),
        np.pad(odd / length, padding).astype(np.float32),
    )


# --- All pairs ---------------------------------------------------------------------------------------------------


def find_near_duplicates(
    sketches: Sequence[Sketch], advance: Callable[[int], None] = lambda _: None
) -> list[NearDuplicates]:
    """All pairs of photographs that show the same retina, sorted.

    Args:
        sketches: of the photographs.
        advance: called with the number of photographs that were compared with all after them.
    """
    return _search(sketches, sketches, lambda number: number + 1, advance)


def find_near_duplicates_between(
    first: Sequence[Sketch], second: Sequence[Sketch], advance: Callable[[int], None] = lambda _: None
) -> list[NearDuplicates]:
    """All pairs of a photograph of one list and one of another that show the same retina, sorted.

    Args:
        first: sketches of one list; `NearDuplicates.first` counts in it.
        second: of the other; `NearDuplicates.second` counts in it.
        advance: called with the number of photographs of the first list that were compared with all of the second.
    """
    return _search(first, second, lambda _: 0, advance)


def _search(
    first: Sequence[Sketch], second: Sequence[Sketch], begin: Callable[[int], int], advance: Callable[[int], None]
) -> list[NearDuplicates]:
    """The near-duplicates of each of the first list among the second from the place `begin` on."""
    if not (first and second):
        return []
    even = np.stack([one.even for one in second])
    odd = np.stack([one.odd for one in second])

    def near_duplicates_of(number: int) -> list[NearDuplicates]:
        one = first[number]
        found = []
        for other, is_mirrored, here, there, cosines in _matches(one, even, odd, begin(number)):
            agreement = _verified(one, second[other], is_mirrored, here, there, cosines)
            if agreement is not None:
                correlation, texture = agreement
                found.append(NearDuplicates(number, other, round(correlation, 3), is_mirrored, round(texture, 3)))
        return found

    found = []
    with ThreadPoolExecutor(THREADS) as pool:
        for done, pairs in enumerate(pool.map(near_duplicates_of, range(len(first))), start=1):
            found += pairs
            advance(done)
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _matches(
    one: Sketch, even: _Plane, odd: _Plane, begin: int
) -> Iterator[tuple[int, bool, NDArray[np.intp], NDArray[np.intp], _Plane]]:
    """Pictures that share corners with this one: index, mirrored or not, corners here, corners there, cosines.

    Args:
        one: this one.
        even: of all the others, ``(n, 192, 31)``.
        odd: likewise, ``(n, 192, 25)``.
        begin: the first of the others to compare with.

    Reduced corners are compared with full ones alone: two reduced ones say again what the full ones said.
    """
    corners = even.shape[1]
    keys, here, there, cosines = [], [], [], []
    for start in range(begin, len(even), _BLOCK):
        for mine, theirs in ((slice(0, corners), slice(0, _FULL)), (slice(0, _FULL), slice(_FULL, corners))):
            width = theirs.stop - theirs.start
            same = one.even[mine] @ even[start : start + _BLOCK, theirs].reshape(-1, even.shape[2]).T
            turned = one.odd[mine] @ odd[start : start + _BLOCK, theirs].reshape(-1, odd.shape[2]).T
            same += np.abs(turned)  # the better of the two mirror states, same + turned and same - turned
            row, column = np.divmod(np.flatnonzero(same > _SIMILAR), same.shape[1])
            keys.append(2 * (start + column // width) + (turned[row, column] < 0))
            here.append(row)
            there.append(theirs.start + column % width)
            cosines.append(same[row, column])
    if not keys:
        return
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    which, place, count = np.unique(key[order], return_index=True, return_counts=True)
    mine_of, theirs_of, cosine_of = (np.concatenate(parts)[order] for parts in (here, there, cosines))
    for pair, at, many in zip(which, place, count, strict=True):
        if many >= _MIN_CORNERS:
            some = slice(at, at + many)
            yield int(pair) // 2, bool(pair % 2), mine_of[some], theirs_of[some], cosine_of[some]


def _verified(
    one: Sketch,
    other: Sketch,
    is_mirrored: bool,
    here: NDArray[np.intp],
    there: NDArray[np.intp],
    cosines: _Plane,
) -> tuple[float, float] | None:
    """Correlation of the vessels and of the texture after the best map, or None where the vessels do not agree."""
    best = np.argsort(-cosines)[:_MAX_MATCHES]
    goals = one.corners[here[best]].astype(np.complex128)
    places = other.corners[there[best]].astype(np.complex128)
    affine = _fitted(places.conj() if is_mirrored else places, goals)
    if affine is None:
        return None
    if is_mirrored:
        affine[:, 1] *= -1  # back from the conjugate: y is negated before the map
    correlation, texture = _agreement(one, other, affine)
    return (correlation, texture) if correlation >= MIN_CORRELATION else None


def _fitted(places: _Points, goals: _Points) -> NDArray[np.float64] | None:
    """The map of most `places` to their `goals`, ``(2, 3)`` for (x, y, 1); None where fewer than four agree.

    Every two matches propose a similarity transform, and the one with the most agreement wins; where enough agree,
    an affine map follows their differences, for pictures that were squeezed to a square.
    """
    cells = np.rint(goals / 8) * (1 << 12) + np.rint(places / 8)  # matches of one corner at several scales count once
    _, distinct = np.unique(cells, return_index=True)
    places, goals = places[distinct], goals[distinct]
    if len(places) < _MIN_CORNERS:
        return None
    one, two = np.triu_indices(len(places), 1)
    span = places[one] - places[two]
    turn = (goals[one] - goals[two]) / np.where(np.abs(span) > 25, span, 1e-9)  # too close says nothing of the angle
    sane = (np.abs(turn) > 0.4) & (np.abs(turn) < 2.5)
    if not sane.any():
        return None
    turn, shift = turn[sane], goals[one[sane]] - turn[sane] * places[one[sane]]
    agree = np.abs(turn[:, None] * places + shift[:, None] - goals) < _NEAR_PX
    winner = agree.sum(axis=1).argmax()
    inliers = agree[winner]
    if inliers.sum() < _MIN_CORNERS:
        return None
    turn, shift = turn[winner], shift[winner]
    affine = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    basis = np.stack([places.real, places.imag, np.ones(len(places))], axis=1)
    wanted = np.stack([goals.real, goals.imag], axis=1)
    for _ in range(3):
        if inliers.sum() < 6:
            break
        affine = np.linalg.lstsq(basis[inliers], wanted[inliers], rcond=None)[0].T
        inliers = np.hypot(*(basis @ affine.T - wanted).T) < _NEAR_PX
    return affine


def _agreement(one: Sketch, other: Sketch, affine: NDArray[np.float64]) -> tuple[float, float]:
    """Correlation of `one` with `other` mapped onto it: of all, and between vessels; 0 where they hardly overlap."""
    turn = affine[:, :2]
    if not 0.1 < abs(np.linalg.det(turn)) < 10:
        return 0.0, 0.0
    back = np.linalg.inv(turn)
    offset = -back @ affine[:, 2] / 2  # the planes are half as large
    # ndimage wants rows before columns, and asks where in `other` a pixel of `one` comes from.
    matrix, offset = back[::-1, ::-1], offset[::-1]
    mapped = ndimage.affine_transform(other.vessels, matrix, offset, one.vessels.shape, order=1)
    inside = ndimage.affine_transform(other.inside.astype(np.float32), matrix, offset, one.vessels.shape, order=1)
    both = (inside > 0.5) & one.inside
    smaller = min(one.inside.sum(), other.inside.sum() * abs(np.linalg.det(turn)))
    if both.sum() < max(200, MIN_OVERLAP * smaller):
        return 0.0, 0.0
    vessels = ndimage.binary_dilation((one.vessels < _VESSEL) | (mapped < _VESSEL), iterations=_BESIDE)
    return _correlation(one.vessels, mapped, both), _correlation(one.vessels, mapped, both & ~vessels)


def _correlation(one: _Plane, other: _Plane, where: NDArray[np.bool_]) -> float:
    """Correlation of two planes where they are compared; 0 where that is too little."""
    if where.sum() < 200:
        return 0.0
    x, y = one[where], other[where]
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum() + 1e-9))
