"""Lesions of diabetic retinopathy: their colours, and how soft their edges are."""

from collections.abc import Iterator

import numpy as np

from retinasynth.anatomy.render.noise import octave_noise
from retinasynth.anatomy.render.scene import Colour, Field, Scene, cover, soft_mask

HARD_EXUDATE: Colour = (1.02, 0.72, 0.24)  # light that comes back; 1 is white
SOFT_EXUDATE: Colour = (0.92, 0.66, 0.38)
BLEEDING: Colour = (0.42, 1.0, 0.75)  # optical density for 1 in green, of haemorrhages and microaneurysms

_BLEEDING_DENSITY = 0.42  # in green
_EXUDATE_OPACITY = 0.7


def draw_hard_exudates(picture: list[Field], scene: Scene) -> None:
    """Deposits within the retina, under its vessels; in place."""
    mask = scene.planes.get("hard_exudates")
    cover(picture, mask, 0.008 * scene.pixels_per_dd, HARD_EXUDATE, _EXUDATE_OPACITY)


def draw_soft_exudates(picture: list[Field], scene: Scene) -> None:
    """Swollen nerve fibres, with blurred edges, over the vessels; in place."""
    mask = scene.planes.get("soft_exudates")
    cover(picture, mask, 0.05 * scene.pixels_per_dd, SOFT_EXUDATE, _EXUDATE_OPACITY)


def bleeding_layers(scene: Scene, random: np.random.Generator) -> Iterator[tuple[Field, Colour]]:
    """Green density of haemorrhages, which are mottled, and of microaneurysms, and what it is in the other colours."""
    haemorrhages, dots = (scene.planes.get(name) for name in ("haemorrhages", "microaneurysms"))
    if haemorrhages is not None and haemorrhages.any():
        mottle = np.clip(1 + 0.3 * octave_noise(scene.frame, random, 0.12, 0.02, 0.75), 0.3, 1.6)
        yield _BLEEDING_DENSITY * mottle * soft_mask(haemorrhages, 0.014 * scene.pixels_per_dd), BLEEDING
    if dots is not None and dots.any():
        yield _BLEEDING_DENSITY * soft_mask(dots, 0.006 * scene.pixels_per_dd), BLEEDING
