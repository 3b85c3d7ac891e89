"""The atlas as it is kept: courses of eyes that were mixed of many people's, and the circle that each was seen in."""

import functools
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth.anatomy.atlas.courses import Course, Courses
from retinasynth.anatomy.atlas.mixing import Library
from retinasynth.anatomy.branches import Numbers

_UNIT = 1 / 1000  # disc diameters


class Mixed(NamedTuple):
    """One eye of the atlas: courses, and centre and radius of the circle in which they are known."""

    courses: Courses
    centre: tuple[float, float]
    reach: float

    def covers(self, centre: tuple[float, float], reach: float) -> float:
        """Which share of a circle is known, about."""
        angles = np.linspace(0, 2 * math.pi, 16, endpoint=False)
        points = np.concatenate([
            np.array(centre) + part * reach * np.column_stack([np.cos(angles), np.sin(angles)])
            for part in (0.35, 0.65, 0.95)
        ])  # fmt: skip
        return float(np.mean(np.hypot(*(points - self.centre).T) < self.reach))


class Atlas:
    """Eyes to grow from."""

    def __init__(self, eyes: Sequence[Mixed]) -> None:
        self.eyes = eyes

    @functools.cached_property
    def library(self) -> Library:
        """All places on their vessels."""
        return Library([eye.courses for eye in self.eyes])

    @functools.lru_cache(maxsize=64)  # noqa: B019 - there is one atlas
    def coverage(self, centre: tuple[float, float], reach: float) -> Numbers:
        """Which share of a circle each eye shows."""
        return np.array([eye.covers(centre, reach) for eye in self.eyes])


def atlas_file() -> Path:
    """The atlas of the package."""
    return Path(__file__).with_name("atlas.npz")


@functools.cache
def bundled_atlas() -> Atlas:
    """The atlas of the package, read once."""
    return read_atlas(atlas_file().read_bytes())


def read_atlas(data: bytes) -> Atlas:
    """An atlas as `write_atlas` wrote it; no pickle is ever loaded."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return Atlas(_unpacked({name: arrays[name] for name in arrays.files}))


def write_atlas(path: Path, eyes: Sequence[Mixed]) -> None:
    """Write an atlas for the package; every other node is kept, to a thousandth of a disc diameter."""
    courses = [course for eye in eyes for course in eye.courses]
    kept = [np.round(_halved(course.points) / _UNIT).astype(np.int16) for course in courses]
    calibres = [np.clip(np.round(_halved(course.calibres) / _UNIT), 0, 255).astype(np.uint8) for course in courses]
    np.savez_compressed(
        path,
        circles=np.array([[*eye.centre, eye.reach] for eye in eyes], np.float32),
        counts=np.array([len(eye.courses) for eye in eyes], np.uint16),
        starts=np.array([points[0] for points in kept], np.int16),
        steps=np.concatenate([np.diff(points, axis=0) for points in kept]),
        calibres=np.concatenate(calibres),
        lengths=np.array([len(points) for points in kept], np.uint16),
        parents=np.array([course.parent for course in courses], np.int16),
        leaves_at=np.array([course.leaves_at for course in courses], np.uint16),
        kinds=np.array([course.kind for course in courses], np.uint8),
        goes_on=np.array([course.goes_on for course in courses], np.bool_),
    )


def _halved(values: Numbers) -> Numbers:
    """Every other node, and the last one where their number is even (it is then moved to the end of its step)."""
    return values[::2] if len(values) % 2 else np.concatenate([values[::2], values[-1:]])


def _doubled(values: Numbers, firsts: NDArray[np.int64], ends: NDArray[np.int64]) -> Numbers:
    """Nodes between nodes of each course, on the cubic through the four around (weights -1, 9, 9, -1 of 16).

    Args:
        values: at all nodes, ``(n, m)``.
        firsts: first node of each course.
        ends: the one after its last.
    """
    count = len(values)
    before, after = np.concatenate([values[:1], values[:-1]]), np.concatenate([values[1:], values[-1:]])
    before[firsts] = 2 * values[firsts] - values[np.minimum(firsts + 1, count - 1)]
    after_next = np.concatenate([values[2:], values[-2:]]) if count > 1 else values
    after_next[np.maximum(ends - 2, 0)] = 2 * values[ends - 1] - values[ends - 2]
    between = (9 * (values + after) - before - after_next) / 16
    doubled = np.stack([values, between], axis=1).reshape(2 * count, -1)
    return np.delete(doubled, 2 * ends - 1, axis=0)  # nothing lies between two courses


def _unpacked(arrays: dict[str, np.ndarray]) -> list[Mixed]:
    kept = arrays["lengths"].astype(np.int64)
    ends = np.cumsum(kept)
    firsts = ends - kept
    places = np.zeros((ends[-1], 2), np.int64)
    places[np.setdiff1d(np.arange(ends[-1]), firsts, assume_unique=True)] = arrays["steps"]
    along = np.cumsum(places, axis=0)
    along += np.repeat(arrays["starts"].astype(np.int64) - along[firsts], kept, axis=0)
    points = _doubled(_UNIT * along, firsts, ends)
    calibres = _doubled(_UNIT * arrays["calibres"].astype(np.float64)[:, np.newaxis], firsts, ends)[:, 0]
    until = np.cumsum(2 * kept - 1).tolist()
    columns = zip(*(arrays[name].tolist() for name in ("parents", "leaves_at", "kinds", "goes_on")), strict=True)
    courses, begin = [], 0
    for end, (parent, leaves_at, kind, goes_on) in zip(until, columns, strict=True):
        courses.append(Course(points[begin:end], calibres[begin:end], parent, leaves_at, kind, goes_on))
        begin = end
    eyes, first = [], 0
    for eye, (count, circle) in enumerate(zip(arrays["counts"].tolist(), arrays["circles"].tolist(), strict=True)):
        of_eye = [course._replace(origin=eye) for course in courses[first : first + count]]
        eyes.append(Mixed(of_eye, (circle[0], circle[1]), circle[2]))
        first += count
    return eyes
