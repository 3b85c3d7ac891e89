"""Where things are in the picture, and what every part of the drawing needs: grid, soft masks, random streams."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from retinasynth.checks import checked_seed
from retinasynth.eye.atrophy import Atrophy
from retinasynth.eye.eye import Eye
from retinasynth.images import Mask

Field = NDArray[np.float32]  # (height, width)
Colour = tuple[float, float, float]  # red, green, blue

_STREAMS = ("style", "grain", "choroid", "pigment", "fibres", "light", "disc", "lesions", "sensor")


class Frame(NamedTuple):
    """A grid over the window of the field of view, whose centre is the origin."""

    size: tuple[int, int]
    extent_dd: tuple[float, float]

    @property
    def cell_dd(self) -> float:
        """Side of a cell, in disc diameters."""
        return self.extent_dd[0] / self.size[0]

    @property
    def axes(self) -> tuple[Field, Field]:
        """Where rows and columns are, in disc diameters: ``(height, 1)`` and ``(1, width)``."""
        rows, columns = (
            ((np.arange(side) + 0.5) / side - 0.5) * extent
            for side, extent in zip(self.size, self.extent_dd, strict=True)
        )
        return rows.astype(np.float32)[:, None], columns.astype(np.float32)[None, :]

    def coarse(self, cell_dd: float) -> "Frame":
        """The same window with cells of at least `cell_dd`."""
        rows, columns = (max(4, math.ceil(extent / max(cell_dd, self.cell_dd))) for extent in self.extent_dd)
        return Frame((rows, columns), self.extent_dd)

    def enlarge(self, field: Field) -> Field:
        """A field of a coarse frame on this one."""
        return resize(field, self.size)


class Scene(NamedTuple):
    """What is in the picture, and where.

    Attributes:
        frame: the grid of pixels; points are (y, x) in its coordinates.
        planes: label planes without the field of view, ``bool (height, width)``; an absent one is unknown.
        fov: field of view, ``bool (height, width)``.
        pixels_per_dd: pixels per disc diameter.
        disc: centre of the disc; None where it is unknown or out of view.
        fovea: likewise.
        temporal: 1 where the temporal side is on the right, -1 where it is on the left.
        atrophy: the crescent beside the disc; None where it is unknown.
    """

    frame: Frame
    planes: dict[str, Mask]
    fov: Mask
    pixels_per_dd: float
    disc: tuple[float, float] | None
    fovea: tuple[float, float] | None
    temporal: int
    atrophy: Atrophy | None


def scene_of(eye: Eye, window: tuple[slice, slice], fov: Mask) -> Scene:
    """The part of an eye in a window of its picture.

    Without geometry, a disc diameter is the height of the disc, else a fifth of the field of view.

    Args:
        eye: any planes.
        window: rows and columns around the field of view.
        fov: the field of view in that window.
    """
    planes = {name: plane[window] for name, plane in eye.planes.items() if name != "fov"}
    disc_plane, geometry = planes.get("disc"), eye.geometry
    if geometry is not None:
        scale = geometry.pixels_per_disc_diameter
    elif disc_plane is not None and disc_plane.any():
        scale = float(np.count_nonzero(disc_plane.any(axis=1)))
    else:
        scale = max(fov.shape) / 5
    frame = Frame((fov.shape[0], fov.shape[1]), (fov.shape[0] / scale, fov.shape[1] / scale))
    disc, fovea = (_centre(plane, scale) for plane in (disc_plane, planes.get("fovea")))
    temporal = 1 if disc is None or disc[1] < 0 else -1
    if geometry is not None:
        temporal = 1 if geometry.laterality == "left" else -1
        if fovea is None and disc is not None:
            fovea = (disc[0] + 0.3, disc[1] + 2.5 * temporal)
        elif fovea is None and geometry.centred_on == "macula":
            fovea = (0.0, 0.0)
    elif fovea is not None and disc is not None:
        temporal = 1 if fovea[1] > disc[1] else -1
    return Scene(frame, planes, fov, scale, disc, fovea, temporal, geometry.atrophy if geometry else None)


def _centre(plane: Mask | None, scale: float) -> tuple[float, float] | None:
    if plane is None or not plane.any():
        return None
    rows, columns = np.nonzero(plane)
    height, width = plane.shape
    return (float(rows.mean()) + 0.5 - height / 2) / scale, (float(columns.mean()) + 0.5 - width / 2) / scale


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one element, so that the absence of another does not change them."""
    return np.random.default_rng([checked_seed(seed), _STREAMS.index(name)])


def bounds(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The rectangle around a mask, grown by `margin` pixels."""
    sides = []
    for axis, length in enumerate(mask.shape):
        places = np.flatnonzero(mask.any(axis=1 - axis))
        sides.append(slice(max(0, int(places[0]) - margin), min(length, int(places[-1]) + 1 + margin)))
    return sides[0], sides[1]


def resize(field: Field, size: tuple[int, ...], box: tuple[float, float, float, float] | None = None) -> Field:
    """A field at another size, bicubic; of `box` alone (left, top, right, bottom, in its cells) where one is given."""
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC, box))


def gaussian_spot(frame: Frame, centre: tuple[float, float], radius_dd: float) -> Field:
    """A round Gaussian, 1 at its centre and 1/e at `radius_dd` from it."""
    rows, columns = (np.exp(-(((axis - at) / radius_dd) ** 2)) for axis, at in zip(frame.axes, centre, strict=True))
    spot: Field = rows * columns
    return spot


def smooth_step(values: Field) -> Field:
    """From 0 far below zero to 1 far above it."""
    return np.asarray(0.5 + 0.5 * np.tanh(values), np.float32)


def soft_mask(mask: Mask, sigma_px: float) -> Field:
    """A mask with blurred edges, 0 to 1."""
    soft: Field = np.zeros(mask.shape, np.float32)
    if mask.any():
        window = bounds(mask, math.ceil(4 * sigma_px) + 1)
        soft[window] = ndimage.gaussian_filter(mask[window].astype(np.float32), sigma_px)
    return soft


def cover(picture: list[Field], mask: Mask | None, sigma_px: float, colour: Colour, opacity: float) -> None:
    """Cover the picture with a colour where the mask is, in place."""
    if mask is not None and mask.any():
        share = opacity * soft_mask(mask, sigma_px)
        for channel, light in enumerate(colour):
            picture[channel] += share * (light - picture[channel])
