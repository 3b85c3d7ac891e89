"""Phantoms: grown eyes with a rendered photograph, which replace real ones in demonstrations, tests and training."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from retinasynth.anatomy.grow import RECIPE, grow
from retinasynth.anatomy.render.photograph import RENDERING, metadata_of, render_photograph
from retinasynth.anatomy.render.style import RenderingStyle, draw_style
from retinasynth.cache import fill_once
from retinasynth.checks import checked_seed, whole_number
from retinasynth.eye.eye import Eye
from retinasynth.files import cache_folder, fill_folder
from retinasynth.images import write_mask, write_photograph

PHANTOM = "phantom"  # names the embedded set where a folder is asked for

_VARIETY = 0.4  # of the embedded set, as a share of that of natural styles
_VESSEL_DENSITY = 1.15  # above the usual one, so that small pictures show the vessels


def phantom_eye(seed: int, size_px: int = 256) -> Eye:
    """An eye of the embedded set: a child's, around the disc, where vessels are wide, photographed by one camera.

    Args:
        seed: decides everything but the resolution.
        size_px: height and width.

    Example:
        >>> eye = phantom_eye(seed=1, size_px=64)
        >>> eye.size, eye.photograph.shape
        ((64, 64), (64, 64, 3))
    """
    eye = grow(seed, size_px, people="child", centred_on="disc", angle_deg=30)
    photograph = render_photograph(eye, seed, _of_one_camera(np.random.default_rng([seed, RENDERING])))
    return replace(eye, name=f"phantom_{seed:03d}", photograph=photograph)


def _of_one_camera(random: np.random.Generator) -> RenderingStyle:
    """A style between the usual one and one that is drawn: eyes differ, the camera and its settings do not."""
    usual, drawn = RenderingStyle(), draw_style(random)
    between = {
        one.name: getattr(usual, one.name) + _VARIETY * (getattr(drawn, one.name) - getattr(usual, one.name))
        for one in fields(RenderingStyle)
        if one.name != "jpeg_quality"
    }
    return replace(usual, **between | {"vessel_density": _VESSEL_DENSITY})


def write_phantom_set(folder: Path, *, train: int = 40, test: int = 8, size_px: int = 256, seed: int = 0) -> None:
    """Write a data set of phantoms: ``folder/{train,test}/images/NAME.png`` and a folder for each plane beside it.

    Args:
        folder: new or empty; it appears whole or not at all.
        train: number of training eyes.
        test: number of test eyes.
        size_px: height and width.
        seed: of the first eye; the others follow.
    """
    train, test, seed = whole_number(train, "train", least=0), whole_number(test, "test", least=0), checked_seed(seed)
    with fill_folder(folder, what="the phantom set") as temporary:
        _write(temporary, train, test, size_px, seed)


def _write(folder: Path, train: int, test: int, size_px: int, seed: int) -> None:
    for number in range(train + test):
        eye = phantom_eye(seed + number, size_px)
        side = folder / ("train" if number < train else "test")
        if eye.photograph is not None:
            write_photograph(side / "images" / f"{eye.name}.png", eye.photograph, metadata_of(eye, seed + number))
        for plane, mask in eye.planes.items():
            write_mask(side / plane / f"{eye.name}.png", mask)


def phantom_folder(*, train: int = 40, test: int = 8, size_px: int = 256) -> Path:
    """The embedded phantom set, in the cache folder; made on first use."""
    train, test = whole_number(train, "train", least=0), whole_number(test, "test", least=0)
    folder = cache_folder() / "phantom" / f"phantoms-{train}-{test}-{size_px}px-recipe{RECIPE}.{RENDERING}"
    return fill_once(folder, lambda temporary: _write(temporary, train, test, size_px, seed=0))
