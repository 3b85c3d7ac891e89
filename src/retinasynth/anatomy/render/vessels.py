"""Vessels as columns of blood that absorb light, the wider the more, with the light reflex along their middle."""

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from retinasynth.anatomy.render.scene import Colour, Field, Scene
from retinasynth.anatomy.render.style import RenderingStyle
from retinasynth.images import Mask

# Optical density in red and blue for 1 in green.
VEIN: Colour = (0.36, 1.0, 0.62)
ARTERY: Colour = (0.20, 1.0, 0.80)
VESSEL: Colour = (0.30, 1.0, 0.70)  # of unknown kind


def vessel_layers(scene: Scene, style: RenderingStyle) -> Iterator[tuple[Field, Colour]]:
    """Green density of the vessels of each kind, and what it is in the other colours for 1 in green.

    Arteries and veins are told apart where both are known; the vessels that are in neither plane are of unknown kind.
    """
    scale = scene.pixels_per_dd
    arteries, veins, vessels = (scene.planes.get(name) for name in ("arteries", "veins", "vessels"))
    if arteries is not None and veins is not None:
        yield _density(veins, scale, style, 0.5), VEIN
        yield style.artery_share * _density(arteries, scale, style, 1.0), ARTERY
        if vessels is not None:
            vessels = vessels & ~arteries & ~veins
    if vessels is not None and vessels.any():
        yield 0.5 * (1 + style.artery_share) * _density(vessels, scale, style, 0.75), VESSEL


def _density(mask: Mask, scale: float, style: RenderingStyle, reflex: float) -> Field:
    """Green density of vessels: a column of blood, deeper where wider, with the light reflex along its middle."""
    reach = max(2, math.ceil(0.09 * scale))
    # Where nothing is outside, scipy's distances mean nothing.
    from_outside = np.inf if mask.all() else ndimage.distance_transform_edt(mask)
    depth: Field = np.minimum(from_outside, reach, dtype=np.float32) * mask
    highest = np.zeros_like(depth)
    highest[1:-1, 1:-1] = np.maximum(
        np.maximum(depth[:-2, 1:-1], depth[2:, 1:-1]), np.maximum(depth[1:-1, :-2], depth[1:-1, 2:])
    )
    ridge = np.where(mask & (depth >= highest), depth, 0)
    span = 2 * max(1, round(0.05 * scale)) + 1
    inside = np.nonzero(mask)
    own, total, count = (
        one[inside] for one in (depth, ndimage.uniform_filter(ridge**3, span), ndimage.uniform_filter(ridge**2, span))
    )
    half_width = np.maximum(np.maximum(total / np.maximum(count, 1e-6), own) - 0.5, 0.5)
    off_axis = np.clip(1 - (own - 0.5) / half_width, 0, 1)
    half_width_dd = half_width / scale
    column = np.sqrt(1 - 0.9 * off_axis**2)
    streak = np.exp(-((off_axis / 0.33) ** 2)) * np.clip((half_width_dd - 0.008) / 0.02, 0, 1)
    strength = style.vessel_density * (1 - np.exp(-half_width_dd / 0.028))
    density = np.zeros_like(depth)
    density[inside] = strength * column * (1 - reflex * style.light_reflex * streak)
    return density
