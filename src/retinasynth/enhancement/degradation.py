"""Making a photograph worse, as cameras, hands and files do: what an enhancer learns to undo, and is judged by.

What is drawn at random (`drawn_degradation`) is told apart from what it does (`degraded`), so that each can be
replayed.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from retinasynth.enhancement.settings import DegradationSettings
from retinasynth.images import Photograph, Signed, through_jpeg

SCALES = (1, 2, 4)
_ALONE = ((True, False, False), (False, True, False), (True, True, False), (False, False, True))
_REDUCTIONS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)  # as cameras and programs do
_NOISES = ((True, False), (False, True), (True, True))  # Poisson and Gaussian
_MOST_PHOTONS, _BEST_QUALITY = 100, 95  # times the fewest; of JPEG


class Told(NamedTuple):
    """What is known of a photograph that is to be enhanced.

    Attributes:
        scale: height and width are to become so many times as large.
        noise: whether it is noisy; None where nobody says.
        blur: whether it is blurred, likewise.
    """

    scale: int = 1
    noise: bool | None = None
    blur: bool | None = None


class Degradation(NamedTuple):
    """What happens to a photograph, in this order.

    Attributes:
        blur_px: deviation of a Gaussian blur, in pixels; 0 is none.
        scale: height and width are divided by it.
        reduction: filter by which it is reduced.
        photons: that make white; their number varies (Poisson noise). 0 is no such noise.
        noise: deviation of Gaussian noise, of the range of values; 0 is none.
        quality: of JPEG compression; 0 is none.
    """

    blur_px: float = 0.0
    scale: int = 1
    reduction: Image.Resampling = Image.Resampling.BOX
    photons: float = 0.0
    noise: float = 0.0
    quality: int = 0

    @property
    def told(self) -> Told:
        """What someone who sees the result can know of it."""
        return Told(self.scale, noise=bool(self.noise or self.photons), blur=self.blur_px > 0)


def drawn_degradation(random: np.random.Generator, settings: DegradationSettings) -> Degradation:
    """What an example suffers: one thing alone, blur with noise, several things at once, now and then nothing.

    Its noise is that of the camera: of a photograph that is reduced as well, it is what the averaging leaves.

    Args:
        random: decides.
        settings: chances and limits.
    """
    blurred, is_noisy, packed = random.random(3) < settings.chance
    grainy, noisy = _NOISES[random.integers(len(_NOISES))]
    is_reduced = random.random() < settings.reduced_share
    if random.random() < settings.alone_share:
        alone = _ALONE[random.integers(len(_ALONE))]
        blurred, is_noisy, packed = (False, False, False) if is_reduced else alone
    scale = int(random.choice(SCALES[1:])) if is_reduced else 1
    photons = settings.fewest_photons * float(np.exp(random.uniform(0, np.log(_MOST_PHOTONS))))
    return Degradation(
        blur_px=float(blurred * random.uniform(0, settings.blur_px)),
        scale=scale,
        reduction=_REDUCTIONS[random.integers(len(_REDUCTIONS))],
        photons=float(is_noisy * grainy * photons * scale**2),
        noise=float(is_noisy * noisy * settings.noise * random.uniform() ** 2 / scale),
        quality=int(packed * random.integers(settings.lowest_quality, _BEST_QUALITY + 1)),
    )


def degraded(photograph: Photograph, degradation: Degradation, random: np.random.Generator) -> Photograph:
    """A photograph made worse.

    Args:
        photograph: ``uint8 (height, width, 3)``; both multiples of the scale.
        degradation: what happens to it.
        random: of the noise.

    Returns:
        ``uint8 (height / scale, width / scale, 3)``.

    Example:
        >>> grey = np.full((8, 12, 3), 90, np.uint8)
        >>> degraded(grey, Degradation(scale=4), np.random.default_rng(0)).shape
        (2, 3, 3)
    """
    values = photograph.astype(np.float32)
    if degradation.blur_px:
        values = ndimage.gaussian_filter(values, (degradation.blur_px, degradation.blur_px, 0), mode="nearest")
    if degradation.scale > 1:
        size = (photograph.shape[1] // degradation.scale, photograph.shape[0] // degradation.scale)
        layers = [Image.fromarray(values[..., k]).resize(size, degradation.reduction) for k in range(3)]
        values = np.stack([np.asarray(layer) for layer in layers], axis=-1)
    if degradation.photons:
        values = random.poisson(np.clip(values, 0, 255) * (degradation.photons / 255)) * (255 / degradation.photons)
    if degradation.noise:
        values = values + random.standard_normal(values.shape, np.float32) * np.float32(255 * degradation.noise)
    result = _whole(values)
    return through_jpeg(result, degradation.quality) if degradation.quality else result


def enlarged(photograph: Photograph, scale: int) -> Photograph:
    """A photograph enlarged by bicubic interpolation, which is what enhancement starts from.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        scale: of height and width; 1 leaves it as it is.
    """
    if scale == 1:
        return photograph
    height, width = photograph.shape[:2]
    return np.asarray(Image.fromarray(photograph).resize((width * scale, height * scale), Image.Resampling.BICUBIC))


def with_told(signed: Signed, told: Told) -> Signed:
    """A photograph as an enhancer is given it: with three more layers that say what is known of it.

    The first is 0, 0.5 or 1 where it was enlarged 1, 2 or 4 times; then noise and blur, -1 without, 1 with, 0 unknown.

    Args:
        signed: ``float32 (3, height, width)`` in [-1, 1], already enlarged.
        told: what is known.
    """
    facts = [math.log2(told.scale) / 2, *(0.0 if one is None else 2.0 * one - 1 for one in (told.noise, told.blur))]
    layers = np.broadcast_to(np.array(facts, np.float32)[:, None, None], (len(facts), *signed.shape[1:]))
    return np.concatenate([signed, layers])


def _whole(values: NDArray[np.floating]) -> Photograph:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
