"""How the same retina would look through another camera, in other light: random changes of colour and sharpness."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from retinasynth.images import Photograph, through_jpeg

Picture = NDArray[np.float32]  # (height, width, 3) in [0, 1]


def as_another_camera(photograph: Photograph, random: np.random.Generator, strength: float) -> Photograph:
    """The photograph with colour, contrast, illumination, sharpness, noise and compression drawn anew.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        random: decides everything.
        strength: 0 changes nothing; 1 goes somewhat beyond what cameras differ in.

    Returns:
        The same shape and type. What was black stays nearly so.
    """
    if not strength:
        return photograph
    picture = photograph.astype(np.float32) / np.float32(255)
    chances: list[tuple[float, Callable[[Picture, np.random.Generator, float], Picture]]] = [
        (0.3, _mixed_channels),
        (0.8, _toned),
        (0.5, _lit_unevenly),
        (0.3, _blurred_or_sharpened),
        (0.4, _noisy),
    ]
    for chance, change in chances:
        if random.random() < chance:
            picture = change(picture, random, strength)
    result = np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
    return through_jpeg(result, int(random.integers(35, 90))) if random.random() < 0.25 else result


def _mixed_channels(picture: Picture, random: np.random.Generator, strength: float) -> Picture:
    """Other spectral sensitivities; now and then greyscale, as with a red-free filter."""
    if random.random() < 0.3:
        weights = random.dirichlet([1, 3, 1])
        return _clipped(np.repeat((picture @ weights)[..., np.newaxis], 3, axis=2))
    mixing = np.eye(3) + random.normal(0, 0.12 * strength, (3, 3))
    mixing /= mixing.sum(axis=1, keepdims=True)
    return _clipped(picture @ mixing.T)


def _toned(picture: Picture, random: np.random.Generator, strength: float) -> Picture:
    """Gain and gamma of each channel, and contrast about its mean."""
    gamma = np.exp(random.normal(0, 0.25 * strength, 3) + random.normal(0, 0.2 * strength)).astype(np.float32)
    gain = np.exp(random.normal(0, 0.12 * strength, 3) + random.normal(0, 0.2 * strength)).astype(np.float32)
    contrast = np.exp(random.normal(0, 0.2 * strength)).astype(np.float32)
    toned = np.clip(picture, 0, 1) ** gamma * gain
    mean = toned.mean(axis=(0, 1), keepdims=True)
    return _clipped(((toned - mean) * contrast + mean) * (picture.max(axis=2, keepdims=True) > 0))


def _lit_unevenly(picture: Picture, random: np.random.Generator, strength: float) -> Picture:
    """Slow light and shade, in brightness and a little in colour."""
    height, width = picture.shape[:2]
    coarse = np.exp(random.normal(0, 0.25 * strength, (4, 4, 1)) + random.normal(0, 0.06 * strength, (4, 4, 3)))
    layers = [
        np.asarray(Image.fromarray(coarse[..., k].astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
        for k in range(3)
    ]
    return _clipped(picture * np.stack(layers, axis=-1))


def _blurred_or_sharpened(picture: Picture, random: np.random.Generator, strength: float) -> Picture:
    deviation = random.uniform(0.4, 0.6 + 1.0 * strength)
    smooth = _clipped(ndimage.gaussian_filter(picture, (deviation, deviation, 0)))
    if random.random() < 0.6:
        return smooth
    return _clipped(picture + random.uniform(0.3, 1.2) * (picture - smooth))


def _noisy(picture: Picture, random: np.random.Generator, strength: float) -> Picture:
    """Grain of the sensor, of one pixel or a little coarser."""
    deviation = random.uniform(0, 0.04 * strength)
    grain = random.standard_normal(picture.shape, dtype=np.float32) * np.float32(deviation)
    if random.random() < 0.5:
        grain = ndimage.gaussian_filter(grain, (0.7, 0.7, 0)) * np.float32(2.5)  # which about keeps its deviation
    return _clipped(picture + grain)


def _clipped(values: NDArray[np.floating[Any]]) -> Picture:
    return np.asarray(np.clip(values, 0, 1), np.float32)
