"""The photograph that a fundus camera takes: illumination, haze, blur, tone curve, sensor noise."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.anatomy.render.noise import octave_noise, sensor_noise
from retinasynth.anatomy.render.scene import Colour, Field, Scene, stream
from retinasynth.anatomy.render.style import RenderingStyle

HAZE: Colour = (0.62, 0.56, 0.50)

_FALLOFF: Colour = (1.2, 0.95, 0.8)  # how fast each colour falls toward the rim
_CURVE_STEPS = 1024


def expose(scene: Scene, picture: list[Field], seed: int, style: RenderingStyle) -> NDArray[np.uint8]:
    """The photograph ``uint8 (height, width, 3)`` of an evenly lit fundus, black outside the field of view.

    Args:
        scene: where the field of view is.
        picture: the light that comes back, in red, green and blue; 1 is white.
        seed: decides where the light comes from, and the noise.
        style: of light and camera.
    """
    frame, random = scene.frame, stream(seed, "light")
    coarse = frame.coarse(0.06)
    rows, columns = coarse.axes
    radius_dd = max(frame.extent_dd) / 2
    y, x = rows / radius_dd, columns / radius_dd
    angle, off = random.uniform(0, 2 * math.pi), random.uniform(0, 0.4)
    from_light = (y - off * math.sin(angle)) ** 2 + (x - off * math.cos(angle)) ** 2
    light = style.unevenness * octave_noise(coarse, random, 1.1 * radius_dd, 0.5 * radius_dd, 0.6)
    light += math.log(max(1 - style.falloff, 0.05)) * from_light / (1 + off) ** 2
    side, width = random.uniform(0, 2 * math.pi), random.uniform(0.3, 0.6)
    toward = x * math.cos(side) + y * math.sin(side)
    haze = style.haze * np.exp(-((np.maximum(1 - toward, 0) / width) ** 2))
    haze += 0.2 * style.haze
    rim = np.clip((1.004 - np.hypot(*(axis / radius_dd for axis in frame.axes))) / 0.02, 0, 1)
    rim *= 0.65
    rim += 0.35
    light, haze = frame.enlarge(light.astype(np.float32)), frame.enlarge(haze.astype(np.float32))
    flash = style.exposure * np.exp(light) * rim
    kept, veil = 1 - haze, style.exposure * haze * rim
    lit: list[Field] = []
    for view, gain, hue, scatter, shift in zip(
        picture, (1.0, style.green_gain, style.blue_gain), _FALLOFF, HAZE, random.normal(0, 0.12, 3), strict=True
    ):
        seen = view * (1 + (hue - 1) * light)
        seen *= gain * flash
        seen *= kept
        seen += np.float32(scatter * math.exp(shift)) * veil
        lit.append(ndimage.gaussian_filter(seen, style.blur_dd * scene.pixels_per_dd, mode="nearest", truncate=3))
    mean = 0.35 * lit[0] + 0.5 * lit[1] + 0.15 * lit[2]
    mean *= 1 - style.saturation
    sensor = stream(seed, "sensor")
    grey, red_blue = (style.noise * 255 * sensor_noise(sensor, frame) for _ in range(2))
    levels = _tone_curve(style)
    developed = np.empty((*frame.size, 3), np.uint8)
    for channel, (view, opposed) in enumerate(zip(lit, (0.6, 0.0, -0.6), strict=True)):
        tone = (view * style.saturation + mean) * _CURVE_STEPS
        shown = levels[np.clip(tone, 0, len(levels) - 1).astype(np.int32)]
        shown += grey
        shown += np.float32(opposed) * red_blue
        developed[..., channel] = np.clip(shown, 0, 255)
    developed[~scene.fov] = 0
    return developed


def _tone_curve(style: RenderingStyle) -> Field:
    """Grey levels, plus the half that rounds, of light in steps of 1 / `_CURVE_STEPS`: a power, then a shoulder."""
    light = np.arange(3 * _CURVE_STEPS) / _CURVE_STEPS
    tone = 0.4 * (light / 0.4) ** style.gamma
    tone = np.where(tone < 0.8, tone, 0.8 + 0.2 * np.tanh((tone - 0.8) / 0.2))
    return (255 * (style.black_level + (1 - style.black_level) * tone) + 0.5).astype(np.float32)
