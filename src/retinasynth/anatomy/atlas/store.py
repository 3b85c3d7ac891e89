"""The atlas as it is kept: courses of eyes that were mixed of many people's, and the circle that each was seen in."""

import functools
import importlib.resources
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from retinasynth.anatomy.atlas.courses import Course, Courses
from retinasynth.anatomy.atlas.mixing import Library
from retinasynth.anatomy.branches import Numbers, Points

_UNIT = 1 / 1000  # disc diameters
_FILE = "atlas.npz"


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


@functools.cache
def bundled_atlas() -> Atlas:
    """The atlas of the package."""
    data = importlib.resources.files("retinasynth.anatomy.atlas").joinpath(_FILE).read_bytes()
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
        steps=np.concatenate([np.diff(points, axis=0) for points in kept]).astype(np.int8),
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


def _doubled(values: Numbers) -> Numbers:
    """Nodes between nodes, on the cubic through the four around (weights of the midpoint: -1, 9, 9, -1 of 16)."""
    ends = np.concatenate([2 * values[:1] - values[1:2], values, 2 * values[-1:] - values[-2:-1]])
    between = (9 * (ends[1:-2] + ends[2:-1]) - ends[:-3] - ends[3:]) / 16
    doubled = np.empty((2 * len(values) - 1, *values.shape[1:]))
    doubled[::2], doubled[1::2] = values, between
    return doubled


def _unpacked(arrays: dict[str, np.ndarray]) -> list[Mixed]:
    lengths = arrays["lengths"].astype(np.int64)
    nodes = np.concatenate([[0], np.cumsum(lengths)])
    steps = np.concatenate([[0], np.cumsum(lengths - 1)])
    courses: Courses = []
    for number, length in enumerate(lengths.tolist()):
        moved = arrays["steps"][steps[number] : steps[number] + length - 1].astype(np.int64)
        points: Points = _UNIT * (arrays["starts"][number] + np.concatenate([[[0, 0]], np.cumsum(moved, axis=0)]))
        calibres = _UNIT * arrays["calibres"][nodes[number] : nodes[number + 1]].astype(np.float64)
        parent, leaves_at = int(arrays["parents"][number]), int(arrays["leaves_at"][number])
        kind, goes_on = int(arrays["kinds"][number]), bool(arrays["goes_on"][number])
        courses.append(Course(_doubled(points), _doubled(calibres), parent, leaves_at, kind, goes_on, number))
    eyes, first = [], 0
    for eye, (count, (x, y, reach)) in enumerate(zip(arrays["counts"].tolist(), arrays["circles"].tolist(), strict=True)):
        of_eye = [course._replace(origin=eye) for course in courses[first : first + count]]
        eyes.append(Mixed(of_eye, (x, y), reach))
        first += count
    return eyes
