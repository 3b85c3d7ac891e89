"""Photographs that show the same retina, whatever was done to one of them: turned, mirrored, cut, scaled, recoded.

1. `sketch` reduces a photograph to its vessels: the green channel, evened out, with corners described by rings around
   them. The Fourier coefficients of a ring turn with the picture, so products of neighbouring rings do not change, and
   a mirror image conjugates them. One comparison therefore serves every rotation and both mirror states.
2. `find_twins` compares all corners with all others. Pairs of photographs with several similar corners are candidates.
3. A candidate counts only when one similarity transform takes the vessels of one picture onto those of the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.images import Photograph, resize_photograph

_Plane = NDArray[np.float32]

_SIDE_PX = 256  # of the longer side of the visible part
_SCALES = (1.0, 0.78, 0.61)  # of that; a crop shows the same corner at another scale
_CORNERS = 64  # described at each scale
_RINGS_PX = (3.0, 5.5, 8.5, 12.0, 16.0, 20.5)
_ANGLES = 32
_HARMONICS = 6
_SIMILAR = 0.90  # cosine of two corners
_INLIER_PX = 4.0


@dataclass(frozen=True)
class Sketch:
    plane: _Plane
    inside: NDArray[np.bool_]
    corners: NDArray[np.complex64]
    even: _Plane
    odd: _Plane


@dataclass(frozen=True)
class Twins:
    first: int
    second: int
    correlation: float
    is_mirrored: bool
    rotation_deg: float
    scale: float
    n: int
    overlap: float


def sketch(photograph: Photograph) -> Sketch:
    green, inside = _visible(photograph)
    plane = _evened(green, inside)
    found = [_described(plane, inside, scale) for scale in _SCALES]
    corners, even, odd = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Sketch(plane, inside, corners, even, odd)


def _visible(photograph: Photograph):
    height, width = photograph.shape[:2]
    scale = 2 * _SIDE_PX / max(height, width)
    if scale < 1:
        photograph = resize_photograph(photograph, (max(1, round(height * scale)), max(1, round(width * scale))))
    bright = photograph.max(axis=2) > 24
    rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.05) for axis in (1, 0))
    if len(rows) > 16 and len(columns) > 16:
        photograph = photograph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = photograph.shape[:2]
    scale = _SIDE_PX / max(height, width)
    photograph = resize_photograph(photograph, (max(16, round(height * scale)), max(16, round(width * scale))))
    inside = ndimage.binary_opening(photograph.max(axis=2) > 24, iterations=2)
    inside = ndimage.binary_erosion(inside, iterations=5, border_value=1)
    return photograph[..., 1].astype(np.float32), inside


def _evened(green, inside):
    """local mean 0, deviation 1, vessels dark; 0 outside."""
    weight = inside.astype(np.float32)
    def mean(values):
        return ndimage.gaussian_filter(values * weight, 8.0) / np.maximum(share, 1e-3)
    share = ndimage.gaussian_filter(weight, 8.0)
    fine = ndimage.gaussian_filter(green, 1.0)
    centred = (fine - mean(fine)) * weight
    deviation = np.sqrt(np.maximum(mean(centred**2), 0))
    typical = np.median(deviation[inside]) if inside.any() else 1.0
    return np.clip(centred / (deviation + 0.5 * typical + 0.25), -3, 3)


_TURN = np.exp(2j * np.pi * np.arange(_ANGLES) / _ANGLES)


def _described(plane, inside, scale):
    if scale < 1:
        plane, inside_s = (ndimage.zoom(one.astype(np.float32), scale, order=1) for one in (ndimage.gaussian_filter(plane, 0.5 / scale), inside))
    else:
        inside_s = inside.astype(np.float32)
    smooth = ndimage.gaussian_filter(plane, 2.0)
    down, right = np.gradient(smooth)
    (dd, dr), (_, rr) = np.gradient(down), np.gradient(right)
    strength = np.abs(dd * rr - dr * dr)
    strength[ndimage.minimum_filter(inside_s, 7) < 0.5] = 0
    peaks = (strength == ndimage.maximum_filter(strength, 7)) & (strength > 0)
    rows, columns = np.nonzero(peaks)
    best = np.argsort(-strength[rows, columns])[:_CORNERS]
    rows, columns = rows[best], columns[best]
    centre = columns + 1j * rows
    points = centre[:, None, None] + np.array(_RINGS_PX)[:, None] * _TURN
    values = ndimage.map_coordinates(ndimage.gaussian_filter(plane, 1.0), [points.imag, points.real], order=1)
    waves = np.fft.rfft(values, axis=2)[..., :_HARMONICS] / _ANGLES
    inner, outer = waves[:, :-1, 1:], waves[:, 1:, 1:]
    product = inner * outer.conj() / np.sqrt(np.abs(inner * outer) + 1e-9)
    even = np.concatenate([waves[:, :, 0].real, product.real.reshape(len(values), -1)], 1)
    odd = product.imag.reshape(len(values), -1)
    norm = np.sqrt((even**2).sum(1) + (odd**2).sum(1))[:, None] + 1e-6
    padding = ((0, _CORNERS - len(values)), (0, 0))
    return (
        np.pad(centre / scale, padding[0]).astype(np.complex64),
        np.pad(even / norm, padding).astype(np.float32),
        np.pad(odd / norm, padding).astype(np.float32),
    )


def find_twins(sketches: Sequence[Sketch], advance=None) -> list[Twins]:
    even, odd = (np.stack([getattr(one, part) for one in sketches]) for part in ("even", "odd"))
    count, corners, dims = even.shape
    tables = [part.reshape(count, corners, -1) for part in (even, odd)]
    found = []
    for i in range(count - 1):
        hits: dict[tuple[int, bool], list] = {}
        for first in range(i + 1, count, _BLOCK):
            last = min(first + _BLOCK, count)
            for mine, theirs in ((slice(None), slice(0, _CORNERS)), (slice(0, _CORNERS), slice(_CORNERS, None))):
                e = even[i, mine] @ even[first:last, theirs].reshape(-1, dims).T
                o = odd[i, mine] @ odd[first:last, theirs].reshape(-1, odd.shape[2]).T
                np.add(e, np.abs(o), out=e)
                q, c = np.divmod(np.flatnonzero(e > _SIMILAR), e.shape[1])
                width = (theirs.stop or corners) - theirs.start
                which = c // width
                state = o[q, c] < 0
                key = which * 2 + state
                order = np.argsort(key, kind="stable")
                edges = np.flatnonzero(np.diff(key[order], prepend=-1))
                for group in np.split(order, edges[1:]):
                    if len(group):
                        k = int(key[group[0]])
                        hits.setdefault((first + k // 2, bool(k % 2)), []).append(
                            (sketches[i].corners[mine][q[group]], sketches[first + k // 2].corners[theirs][c[group] % width], e[q[group], c[group]])
                        )
        for (j, mirrored), parts in hits.items():
            here, there, score = (np.concatenate(x) for x in zip(*parts, strict=True))
            if len(here) < _VOTES:
                continue
            t = _register(here, there.conj() if mirrored else there, score)
            if t is None:
                continue
            a, b, n = t
            r, ov = _correlation(sketches[i], sketches[j], a, b, mirrored)
            found.append(Twins(i, j, r, mirrored, float(np.degrees(np.angle(a))), float(abs(a)), n, ov))
        if advance:
            advance(i)
    return found

_BLOCK = 64
_VOTES = 4

def _register(here, there, score):
    keep = np.argsort(-score)[:80]
    here, there = here[keep], there[keep]
    _, first = np.unique(np.round(np.stack([here, there]) / 8), axis=1, return_index=True)
    here, there = here[first], there[first]
    p, q = np.triu_indices(len(here), 1)
    span = there[p] - there[q]
    far = np.abs(span) > 25
    p, q, span = p[far], q[far], span[far]
    turn = (here[p] - here[q]) / span
    ok = (np.abs(turn) > 0.4) & (np.abs(turn) < 2.5)
    p, turn = p[ok], turn[ok]
    if not len(p):
        return None
    shift = here[p] - turn * there[p]
    near = np.abs(turn[:, None] * there + shift[:, None] - here) < _INLIER_PX * np.maximum(1, np.abs(turn))[:, None]
    counts = near.sum(1)
    best = counts.argmax()
    if counts[best] < _VOTES:
        return None
    inl = near[best]
    h, t = here[inl], there[inl]
    hm, tm = h.mean(), t.mean()
    a = ((h - hm) * (t - tm).conj()).sum() / (np.abs(t - tm) ** 2).sum()
    return complex(a), complex(hm - a * tm), int(counts[best])


def _correlation(first: Sketch, second: Sketch, a, b, mirrored):
    """NCC of second warped to first. position in first = a * z2 + b (z2 conj if mirrored)"""
    # inverse: z2 = (z1 - b)/a ; conj if mirrored
    inv = 1 / a
    s = -1 if mirrored else 1
    # z2 = inv*(x+iy) - inv*b ; x2 = Re, y2 = s*Im
    m = np.array([[s * inv.real, s * inv.imag], [-inv.imag, inv.real]])  # rows (y2, x2) of cols (y1, x1)
    off = np.array([s * (-inv * b).imag, (-inv * b).real])
    shape = first.plane.shape
    warped = ndimage.affine_transform(second.plane, m, off, shape, order=1)
    inside = ndimage.affine_transform(second.inside.astype(np.float32), m, off, shape, order=1) > 0.5
    both = inside & first.inside
    n = both.sum()
    if n < 500:
        return 0.0, 0.0
    x, y = first.plane[both], warped[both]
    x, y = x - x.mean(), y - y.mean()
    r = float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum() + 1e-9))
    return r, float(n / first.inside.sum())
