"""Procedural eyes: labels with a photograph that nobody ever had, for demonstrations and tests.

A phantom shows what a model has to learn (vessels darker than what is around them, a bright disc with a cup, a dark
fovea, colour and light that the mask cannot tell) and no more. It claims no physiology.

All lengths are in radii of the field of view, x to the right and y down, with the origin at its centre.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from retinasynth.anatomy.eye import Eye
from retinasynth.files import cache_folder, fill_folder, fill_once
from retinasynth.images import write_mask, write_photograph

RECIPE = 1  # raise when the pictures change, so that a cached set of the old recipe is not used
METADATA = {
    "Synthetic": "This picture is procedural. It shows no patient and is not for diagnosis.",
    "Software": "retinasynth phantom",
}

_OVERSAMPLING = 3  # of the drawn vessels, averaged away: no jagged edges
_FOV_RADIUS = 0.475  # of the picture's size
_DISC_RADIUS = 1 / 7
_FOVEAL_ZONE = 0.2  # radius without vessels

_Plane = NDArray[np.float64]


class _Landmarks(NamedTuple):
    """Where things are in one eye. `temporal` is -1 or 1: the direction from the disc to the fovea along x."""

    temporal: int
    disc: tuple[float, float]
    fovea: tuple[float, float]
    cup_to_disc: float


class _Segment(NamedTuple):
    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    is_vein: bool


def phantom_eye(seed: int, size_px: int = 256) -> Eye:
    """A procedural eye.

    Args:
        seed: decides everything but the resolution.
        size_px: height and width.

    Returns:
        An eye with a photograph and the planes vessels, disc, cup, fovea and fov.

    Example:
        >>> eye = phantom_eye(seed=1, size_px=64)
        >>> eye.size, sorted(eye.planes)
        ((64, 64), ['cup', 'disc', 'fov', 'fovea', 'vessels'])
    """
    random = np.random.default_rng([seed, RECIPE])
    marks = _place(random)
    segments = list(_vessels(random, marks))
    x, y = _coordinates(size_px)
    fov = np.hypot(x, y) <= 1
    arteries = _draw([one for one in segments if not one.is_vein], size_px) * fov
    veins = _draw([one for one in segments if one.is_vein], size_px) * fov
    disc = _ellipse(x, y, marks.disc, _DISC_RADIUS)
    planes = {
        "vessels": (np.maximum(arteries, veins) > 0.5) & fov,
        "disc": disc <= 1,
        "cup": disc <= marks.cup_to_disc,
        "fovea": np.hypot(x - marks.fovea[0], y - marks.fovea[1]) <= 0.06,
        "fov": fov,
    }
    photograph = _paint(random, marks, x, y, disc, arteries, veins)
    photograph[~fov] = 0
    return Eye(f"phantom_{seed:03d}", planes, np.rint(photograph).astype(np.uint8))


def write_phantom_set(folder: Path, *, train: int = 40, test: int = 8, size_px: int = 256, seed: int = 0) -> None:
    """Write a data set of phantoms: ``folder/{train,test}/images/NAME.png`` and a folder for each plane beside it.

    Args:
        folder: new or empty; it appears whole or not at all.
        train: number of training eyes.
        test: number of test eyes.
        size_px: height and width.
        seed: of the first eye; the others follow.
    """
    with fill_folder(folder, what="the phantom set") as temporary:
        _write(temporary, train, test, size_px, seed)


def _write(folder: Path, train: int, test: int, size_px: int, seed: int) -> None:
    for number in range(train + test):
        eye = phantom_eye(seed + number, size_px)
        side = folder / ("train" if number < train else "test")
        if eye.photograph is not None:
            write_photograph(side / "images" / f"{eye.name}.png", eye.photograph, METADATA)
        for plane, mask in eye.planes.items():
            write_mask(side / plane / f"{eye.name}.png", mask)


def phantom_folder(*, train: int = 40, test: int = 8, size_px: int = 256) -> Path:
    """The embedded phantom set, in the cache folder; made on first use."""
    folder = cache_folder() / "phantom" / f"phantoms-{train}-{test}-{size_px}px-recipe{RECIPE}"
    return fill_once(folder, lambda temporary: _write(temporary, train, test, size_px, seed=0))


# --- Anatomy -----------------------------------------------------------------------------------------------------


def _place(random: np.random.Generator) -> _Landmarks:
    temporal = int(random.choice([-1, 1]))
    disc = (-temporal * random.uniform(0.38, 0.48), random.uniform(-0.06, 0.06))
    # The fovea lies two and a half disc diameters temporally of the disc and a little below it.
    fovea = (disc[0] + temporal * 5 * _DISC_RADIUS * random.uniform(0.92, 1.08), disc[1] + random.uniform(0.04, 0.1))
    return _Landmarks(temporal, disc, fovea, cup_to_disc=random.uniform(0.3, 0.65))


def _vessels(random: np.random.Generator, marks: _Landmarks) -> Iterator[_Segment]:
    """Arteries and veins of four quadrants: two temporal arcades around the macula, two nasal trunks."""
    for up in (-1, 1):
        for toward_fovea in (True, False):
            for is_vein in (False, True):
                aside = 0.14 if is_vein else -0.14
                if toward_fovea:
                    angle, bend = random.uniform(1.15, 1.35) + aside, random.uniform(0.75, 0.95)
                else:
                    angle, bend = random.uniform(2.2, 2.6) + aside, random.uniform(-0.3, 0.1)
                # Angles are measured from the temporal direction; `turn` mirrors the curve for this quadrant.
                turn = -up * marks.temporal
                heading = (0.0 if marks.temporal > 0 else math.pi) + up * marks.temporal * angle
                width = random.uniform(0.029, 0.036) * (1.25 if is_vein else 1.0) * (1.0 if toward_fovea else 0.72)
                start = (marks.disc[0] + 0.03 * random.normal(), marks.disc[1] + up * 0.03)
                yield from _branch(random, marks, start, heading, width, turn * bend, is_vein, generation=0)


def _branch(
    random: np.random.Generator,
    marks: _Landmarks,
    start: tuple[float, float],
    heading: float,
    width: float,
    bend: float,
    is_vein: bool,
    generation: int,
) -> Iterator[_Segment]:
    """A vessel and its branches: a random walk that keeps its direction, tapers, and leaves the fovea free."""
    step, (x, y), since_branch = 0.02, start, 0.0
    drift = 0.0
    for _ in range(int((1.9 if generation == 0 else random.uniform(0.25, 0.9)) / step)):
        drift = 0.9 * drift + random.normal(0, 0.35)
        heading += (bend + drift) * step * (2.2 if generation else 1.6)
        to_fovea = (marks.fovea[0] - x, marks.fovea[1] - y)
        distance = math.hypot(*to_fovea)
        if distance < _FOVEAL_ZONE + 0.22:
            off = math.atan2(to_fovea[1], to_fovea[0]) - heading
            if math.cos(off) > 0:
                heading -= math.copysign(0.16, math.sin(off))
        after = (x + step * math.cos(heading), y + step * math.sin(heading))
        if math.hypot(*after) > 1.02 or math.dist(after, marks.fovea) < _FOVEAL_ZONE:
            return
        yield _Segment((x, y), after, width, is_vein)
        (x, y), width, since_branch = after, width * 0.9915, since_branch + step
        if width < 0.0055:
            return
        in_disc = math.dist(after, marks.disc) < 1.3 * _DISC_RADIUS
        if generation < 3 and not in_disc and random.random() < since_branch * 0.35:
            side = random.choice([-1, 1])
            turned = heading + side * random.uniform(0.55, 1.0)
            yield from _branch(
                random, marks, after, turned, width * random.uniform(0.5, 0.72), -side * 0.5, is_vein, generation + 1
            )
            heading -= side * 0.08
            width, since_branch = width * 0.94, 0.0


# --- Picture -----------------------------------------------------------------------------------------------------


def _coordinates(size_px: int) -> tuple[_Plane, _Plane]:
    along = ((np.arange(size_px) + 0.5) / size_px - 0.5) / _FOV_RADIUS
    x, y = np.meshgrid(along, along)
    return x, y


def _ellipse(x: _Plane, y: _Plane, centre: tuple[float, float], radius: float) -> _Plane:
    """Distance from the centre of an upright ellipse, 1 at its border."""
    return np.hypot((x - centre[0]) / (0.94 * radius), (y - centre[1]) / (1.05 * radius))


def _draw(segments: list[_Segment], size_px: int) -> _Plane:
    """How much of each pixel the vessels cover, 0 to 1."""
    fine = size_px * _OVERSAMPLING
    canvas = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(canvas)
    scale, centre = _FOV_RADIUS * fine, fine / 2
    for one in segments:
        ends = [(centre + scale * px, centre + scale * py) for px, py in (one.start, one.end)]
        radius = max(one.width * scale / 2, _OVERSAMPLING * 0.55)  # at least about a pixel wide
        draw.line(ends, fill=255, width=max(1, round(2 * radius)))
        (px, py) = ends[1]
        draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=255)
    return np.asarray(canvas.resize((size_px, size_px), Image.Resampling.BOX), dtype=np.float64) / 255


def _paint(
    random: np.random.Generator,
    marks: _Landmarks,
    x: _Plane,
    y: _Plane,
    disc: _Plane,
    arteries: _Plane,
    veins: _Plane,
) -> _Plane:
    """The photograph, ``float (size, size, 3)`` from 0 to 255: fundus, then fovea, disc, vessels, light and noise."""
    size_px = len(x)
    tint = np.array([random.uniform(185, 240), random.uniform(78, 118), random.uniform(22, 50)])
    mottle = _noise(random, size_px, 0.16) * 0.05 + _noise(random, size_px, 0.035) * 0.03
    picture = tint * (1 + mottle[..., None] * np.array([0.7, 1.2, 1.3]))

    to_fovea = np.hypot(x - marks.fovea[0], y - marks.fovea[1])
    picture *= 1 - np.exp(-((to_fovea / 0.26) ** 2))[..., None] * np.array([0.2, 0.34, 0.4])
    picture *= 1 - np.exp(-((to_fovea / 0.07) ** 2))[..., None] * np.array([0.08, 0.14, 0.14])

    edge = 0.045
    rim = _sigmoid((1 - disc) / edge)[..., None]
    cup = _sigmoid((marks.cup_to_disc - disc) / (2 * edge))[..., None]
    glow = np.exp(-((np.maximum(disc - 1, 0) / 0.5) ** 2))[..., None] * 0.1
    picture += glow * np.array([40.0, 50.0, 30.0])
    picture = picture * (1 - rim) + rim * np.minimum(tint * 1.04 + np.array([22.0, 85.0, 52.0]), 250)
    picture += cup * rim * np.array([12.0, 32.0, 42.0])

    soft = size_px / 256 * 0.5
    for coverage, kept in ((veins, (0.72, 0.46, 0.55)), (arteries, (0.86, 0.6, 0.66))):
        blurred = ndimage.gaussian_filter(coverage, soft)[..., None]
        picture *= 1 - blurred * (1 - np.array(kept))

    light_x, light_y = random.normal(0, 0.3, 2)
    light = 1.06 - random.uniform(0.22, 0.4) * ((x - light_x) ** 2 + (y - light_y) ** 2) / 1.6
    vignette = _sigmoid((1 - np.hypot(x, y)) / 0.012) * 2 - 1
    picture *= (light * np.clip(vignette, 0, 1))[..., None]
    grain = random.normal(0, 2.2, (size_px, size_px, 1)) + random.normal(0, 1.2, (size_px, size_px, 3))
    painted: _Plane = np.clip(picture + grain, 0, 255)
    return painted


def _noise(random: np.random.Generator, size_px: int, scale: float) -> _Plane:
    """Smooth noise of deviation 1 whose spots are `scale` radii wide; the same spots at any resolution."""
    coarse = random.normal(size=(96, 96))
    smooth = ndimage.gaussian_filter(coarse, scale * _FOV_RADIUS * 96, mode="wrap")
    zoomed = np.asarray(
        Image.fromarray((smooth / smooth.std()).astype(np.float32)).resize((size_px, size_px), Image.Resampling.BICUBIC)
    )
    return zoomed.astype(np.float64)


def _sigmoid(values: _Plane) -> _Plane:
    sigmoid: _Plane = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return sigmoid
