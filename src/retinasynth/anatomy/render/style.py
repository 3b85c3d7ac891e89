"""How a rendered photograph looks: the eye's pigment and age, the light, the camera; fixed, or drawn at random."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from retinasynth.errors import InputError


def _within(low: float, high: float, usual: float) -> Any:
    return field(default=usual, metadata={"low": low, "high": high})


@dataclass(frozen=True)
class RenderingStyle:
    """What a label map does not tell: the eye's pigment and age, the light, the camera.

    Attributes:
        pigmentation: from 0, a fair fundus, to 1, a dark one.
        tessellation: contrast of the choroidal vessels, 0 (hidden) to 1 (tigroid).
        grain: standard deviation of the fine texture's density, 0 to 0.2; about 0.045.
        youth: strength of the reflexes of nerve fibres, arteries and foveal pit, 0 to 1.
        macular_density: green density of the macula at the fovea, 0 to 1; about 0.3.
        vessel_density: green density of the widest vessels, 0.1 to 1.5; about 0.8.
        artery_share: density of arteries over that of veins, 0.4 to 1; about 0.75.
        light_reflex: share of a wide artery's density that its central light reflex takes away, 0 to 0.9.
        disc_pallor: from 0, a pink disc, to 1, a white one.
        atrophy_dd: width of the crescent of atrophy beside the disc, where the eye does not tell it, in disc diameters,
            0 to 0.5.
        falloff: share of the light lost at the rim of the field of view, 0 to 0.9.
        unevenness: standard deviation of the slow illumination's density, 0 to 0.4.
        haze: strength of the pale crescent at the rim and of the veil over everything, 0 to 1.
        exposure: light on the fundus, 0.3 to 1.6; about 0.85.
        green_gain: white balance, green over red, 0.5 to 1.8.
        blue_gain: white balance, blue over red, 0.2 to 4.
        gamma: exponent of the tone curve, 0.6 to 1.6; more is more contrast.
        saturation: of the colours, 0 to 1.6; 1 keeps them.
        black_level: added light inside the field of view, 0 to 0.15; 1 is white.
        blur_dd: standard deviation of the blur, in disc diameters, 0 to 0.05; about 0.005.
        noise: standard deviation of the sensor's noise at 1024 px across the field of view, 0 to 0.15; 1 is white.
        jpeg_quality: of a compression at the end, 10 to 100; 100 leaves it out.

    Raises:
        InputError: a number outside its range.
    """

    pigmentation: float = _within(0, 1, 0.4)
    tessellation: float = _within(0, 1, 0.3)
    grain: float = _within(0, 0.2, 0.045)
    youth: float = _within(0, 1, 0.4)
    macular_density: float = _within(0, 1, 0.3)
    vessel_density: float = _within(0.1, 1.5, 0.8)
    artery_share: float = _within(0.4, 1, 0.75)
    light_reflex: float = _within(0, 0.9, 0.5)
    disc_pallor: float = _within(0, 1, 0.4)
    atrophy_dd: float = _within(0, 0.5, 0.06)
    falloff: float = _within(0, 0.9, 0.3)
    unevenness: float = _within(0, 0.4, 0.08)
    haze: float = _within(0, 1, 0.08)
    exposure: float = _within(0.3, 1.6, 0.85)
    green_gain: float = _within(0.5, 1.8, 1.0)
    blue_gain: float = _within(0.2, 4, 1.0)
    gamma: float = _within(0.6, 1.6, 1.0)
    saturation: float = _within(0, 1.6, 1.0)
    black_level: float = _within(0, 0.15, 0.02)
    blur_dd: float = _within(0, 0.05, 0.005)
    noise: float = _within(0, 0.15, 0.02)
    jpeg_quality: int = _within(10, 100, 100)

    def __post_init__(self) -> None:
        for one in fields(self):
            value, low, high = getattr(self, one.name), one.metadata["low"], one.metadata["high"]
            if not low <= value <= high:
                raise InputError(f"The style has {one.name} = {value}", expected=f"{low} to {high}")


def draw_style(random: np.random.Generator) -> RenderingStyle:
    """A style as photographs of clinics and studies have it.

    Without the blocks of JPEG: cameras compress pictures far larger than these, and resizing takes the blocks away.

    Example:
        >>> style = draw_style(np.random.default_rng(1))
        >>> 0 <= style.pigmentation <= 1, style.jpeg_quality
        (True, 100)
    """
    uniform = random.uniform
    pigmentation = float(random.beta(1.6, 1.6))
    youth = float(random.beta(1.2, 1.6))
    return RenderingStyle(
        pigmentation=pigmentation,
        tessellation=float(0.6 * random.beta(1, 1.6)),
        grain=uniform(0.03, 0.06),
        youth=youth,
        macular_density=uniform(0.22, 0.55),
        vessel_density=uniform(0.65, 1.05),
        artery_share=uniform(0.62, 0.85),
        light_reflex=uniform(0.3, 0.6) + 0.3 * youth,
        disc_pallor=uniform(0.15, 0.75),
        atrophy_dd=max(0.0, uniform(-0.15, 0.16)),
        falloff=uniform(0.1, 0.55),
        unevenness=uniform(0.04, 0.18),
        haze=0.55 * uniform() ** 3,
        exposure=float(np.exp(random.normal(-0.03, 0.15)).clip(0.6, 1.3)),
        green_gain=float(np.exp(random.normal(0, 0.12)).clip(0.7, 1.35)),
        blue_gain=float(np.exp(random.normal(0, 0.4)).clip(0.4, 2)),
        gamma=uniform(0.85, 1.2),
        saturation=uniform(0.95, 1.25),
        black_level=uniform(0, 0.03),
        blur_dd=uniform(0.002, 0.009),
        noise=uniform(0.006, 0.03),
    )


def draw_wide_style(random: np.random.Generator) -> RenderingStyle:
    """A style far beyond life, on which a segmenter learns not to rely on any (domain randomisation).

    Domain randomisation: Tobin et al., IROS 2017.
    """
    uniform = random.uniform
    return RenderingStyle(
        pigmentation=uniform(),
        tessellation=uniform(),
        grain=uniform(0.01, 0.12),
        youth=uniform(),
        macular_density=uniform(0, 0.7),
        vessel_density=uniform(0.3, 1.3),
        artery_share=uniform(0.5, 1),
        light_reflex=uniform(0, 0.7),
        disc_pallor=uniform(),
        atrophy_dd=max(0.0, uniform(-0.2, 0.35)),
        falloff=uniform(0, 0.7),
        unevenness=uniform(0, 0.25),
        haze=uniform(0, 0.7),
        exposure=uniform(0.5, 1.4),
        green_gain=math.exp(uniform(-0.4, 0.5)),
        blue_gain=math.exp(uniform(-1.4, 1.3)),
        gamma=uniform(0.7, 1.5),
        saturation=uniform(0.1, 1.3),
        black_level=uniform(0, 0.1),
        blur_dd=uniform(0.001, 0.025),
        noise=uniform(0, 0.08),
        jpeg_quality=int(random.integers(30, 101)),
    )
