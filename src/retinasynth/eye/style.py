"""The style of a photograph: what its label map cannot tell, as `NUMBERS` numbers.

Camera, flash and pigment decide most of what one photograph of an eye differs in from another. Two things hold it:

- a smooth field, the colour and its slow change over the frame: a polynomial of total degree `DEGREE` in row and
  column for each of red, green and blue (as in `appearance`, one degree finer);
- the texture: how much detail there is at `len(BANDS_PX)` scales, in red and in green, as logarithms. Blur lowers the
  finest, noise raises it, and a weak contrast lowers all;
- the edges: how strong the strongest detail is at these scales, in green. Where noise covers the background, blur is
  determined by the vessels alone.

A style is measured from a photograph in closed form; a generator is shown it beside the label map.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.checks import real_number
from retinasynth.errors import ImageError, SettingError
from retinasynth.eye.appearance import polynomial_terms, powers
from retinasynth.images import Photograph

DEGREE = 3
TERMS = len(powers(DEGREE))
BANDS_PX = (
    1 / 512,
    2 / 512,
    4 / 512,
    8 / 512,
    16 / 512,
)  # Gaussian standard deviations between which a band lies, of the frame
CHANNELS = (0, 1)  # in which texture is measured: blue is mostly noise and compression
EDGES = len(BANDS_PX)  # in green alone
TEXTURES = len(BANDS_PX) * len(CHANNELS) + EDGES  # the edges last
NUMBERS = 3 * TERMS + TEXTURES
SMOOTHING = 0.3  # how far a drawn style is moved from that of a photograph, in standard deviations
_LEAST = 0.25  # grey levels: below it, no texture can be seen
_BLOCK_PX = 8  # the field has no finer detail
_INSIDE = 250  # of 255: a pixel that lies wholly in the field of view
_MEDIAN_OF_NORMAL = 0.6745  # median distance from the mean, in standard deviations of a normal distribution
_STRONG, _STRONG_OF_NORMAL = 0.95, 1.96  # quantile of the detail that edges are, and of that of a normal distribution

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Style:
    """What a label map cannot tell of a photograph.

    Attributes:
        numbers: ``float32 (NUMBERS,)``: the coefficients of the field, term by term and in each red, green, blue, in
            [-1, 1] units of a signed photograph; then log2 of the texture in grey levels, band by band, and of the
            edges.
    """

    numbers: Numbers

    @property
    def field(self) -> Numbers:
        """Coefficients ``(TERMS, 3)``, the constant first."""
        return self.numbers[: 3 * TERMS].reshape(TERMS, 3)

    @property
    def texture(self) -> Numbers:
        """Log2 of grey levels, band by band in red and green, ``(TEXTURES - EDGES,)``."""
        return self.numbers[3 * TERMS : -EDGES]

    @property
    def edges(self) -> Numbers:
        """Log2 of grey levels, band by band, ``(EDGES,)``; equal to the texture where all detail is noise."""
        return self.numbers[-EDGES:]

    @classmethod
    def of(cls, photograph: Photograph, coverage: NDArray[np.uint8]) -> Self:
        """The style of a photograph.

        Args:
            photograph: ``uint8 (size, size, 3)``, in its frame (`retinasynth.eye.frame`).
            coverage: its field of view there, ``uint8 (size, size)``, 255 inside.

        Raises:
            ImageError: it shows hardly any of an eye.
        """
        if not (coverage >= _INSIDE).any():
            raise ImageError("The picture shows hardly any of an eye", expected="a fundus photograph")
        field = fit_field(photograph, coverage)
        return cls(np.concatenate([field.ravel(), _texture(photograph, coverage, field)]))

    def mirrored(self) -> Self:
        """The style of the photograph of the other side: left and right change places."""
        signs = np.array([(-1) ** column for _, column in powers(DEGREE)], np.float32)
        return type(self)(np.concatenate([(self.field * signs[:, None]).ravel(), self.numbers[3 * TERMS :]]))


KNOBS = {
    "brightness": "a third of a stop more light for each step",
    "pigmentation": "a darker and browner fundus",
    "evenness": "less change of colour over the frame, in all directions",
    "sharpness": "more of the two finest textures and edges",
    "contrast": "more of all textures and edges",
}
MOST = 3.0  # steps that a knob can be turned, either way


def turned(style: Style, knobs: Mapping[str, float]) -> Style:
    """A style with some knobs turned.

    Args:
        style: to start from.
        knobs: steps from -`MOST` to `MOST` for some of `KNOBS`; 0 changes nothing.

    Raises:
        SettingError: there is no such knob, or it cannot be turned so far.

    Example:
        >>> grey = Style(np.zeros(NUMBERS, np.float32))
        >>> turned(grey, {"brightness": 3}).field[0].tolist()  # twice as bright as half
        [1.0, 1.0, 1.0]
    """
    for name, steps in knobs.items():
        if name not in KNOBS:
            raise SettingError(f"There is no knob {name!r}", expected=f"one of: {', '.join(KNOBS)}")
        real_number(steps, f"The knob {name}", least=-MOST, most=MOST)
    field, texture = style.field.astype(np.float64), style.texture.reshape(-1, len(CHANNELS)).astype(np.float64)
    edges = style.edges.astype(np.float64)
    darker = np.array([0.1, 0.3, 0.4]) * knobs.get("pigmentation", 0)  # melanin takes short waves first
    light = 2 ** (knobs.get("brightness", 0) / 3 - darker)
    field[0] += 1  # black is -1
    field *= light
    field[0] -= 1
    field[1:] *= 2 ** (-knobs.get("evenness", 0) / 2)
    for finest_first in (texture, edges):
        finest_first[:2] += knobs.get("sharpness", 0) / 2
        finest_first[:] += knobs.get("contrast", 0) / 3
    return Style(np.concatenate([field.ravel(), texture.ravel(), edges]).astype(np.float32))


def fit_field(photograph: Photograph | NDArray[np.float32], coverage: NDArray[np.uint8]) -> Numbers:
    """The smooth field of a photograph in its frame, fitted to the means of blocks that lie inside the field of view.

    Args:
        photograph: ``(size, size, 3)`` in grey levels.
        coverage: its field of view, ``uint8 (size, size)``, 255 inside.

    Returns:
        Coefficients ``float32 (TERMS, 3)``, in the units of a signed photograph.
    """
    whole = coverage.shape[0] // _BLOCK_PX * _BLOCK_PX
    inside = _blocks(coverage[:whole, :whole, None]).min(axis=(1, 3))[..., 0] >= _INSIDE
    colours = _blocks(photograph[:whole, :whole]).mean(axis=(1, 3), dtype=np.float64)[inside] / 127.5 - 1
    coefficients, *_ = np.linalg.lstsq(_block_terms(coverage.shape, whole)[inside], colours, rcond=None)
    return np.asarray(coefficients, np.float32)


@functools.lru_cache(maxsize=4)
def _block_terms(size: tuple[int, int], whole: int) -> NDArray[np.float64]:
    """The terms of the field, each averaged over every block: ``(blocks, blocks, TERMS)``."""
    means: NDArray[np.float64] = _blocks(polynomial_terms(size, DEGREE)[:whole, :whole]).mean(axis=(1, 3))
    means.flags.writeable = False
    return means


def _blocks(picture: NDArray[Any]) -> NDArray[Any]:
    """A picture in blocks: ``(rows, _BLOCK_PX, columns, _BLOCK_PX, channels)``."""
    height, width, channels = picture.shape
    return picture.reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX, channels)


def _texture(photograph: Photograph, coverage: NDArray[np.uint8], field: Numbers) -> Numbers:
    """How much detail there is in each band and channel, then how strong its edges are in each band.

    The first is the median, which vessels and lesions hardly move; the second, in green, a high quantile, which is
    theirs.
    """
    size = len(coverage)
    smooth = (polynomial_terms(coverage.shape, DEGREE) @ field.astype(np.float64) + 1) * 127.5
    inside = coverage >= _INSIDE
    rest = np.where(inside[..., None], photograph - smooth, 0)[..., CHANNELS].astype(np.float32)
    weight = inside.astype(np.float32)
    finer, textures, edges = rest, [], []
    for band in BANDS_PX:
        sigma = band * size
        around = ndimage.gaussian_filter(weight, sigma)[..., None] + 1e-6
        coarser = ndimage.gaussian_filter(rest, (sigma, sigma, 0)) / around  # inside the field of view alone
        detail = np.abs(finer - coarser)[inside]
        textures.append(np.median(detail, axis=0) / _MEDIAN_OF_NORMAL)
        edges.append(np.quantile(detail[:, -1], [_STRONG]) / _STRONG_OF_NORMAL)
        finer = coarser
    logarithms: Numbers = np.log2(np.maximum(np.concatenate([*textures, *edges]), _LEAST)).astype(np.float32)
    return logarithms


def drawn_style(styles: Numbers, random: np.random.Generator) -> Style:
    """A new style like those of photographs: one of them, moved a little in the directions in which they differ.

    A smoothed bootstrap that keeps their mean and covariance (Silverman, "Density Estimation", 1986, 6.4.1): what is
    between the cameras stays rare, and no two draws are alike.

    Args:
        styles: ``float32 (n, NUMBERS)``.
        random: decides.
    """
    mean = styles.mean(axis=0)
    away = styles - mean
    one = away[random.integers(len(styles))]
    moved = random.standard_normal(len(styles)) @ away / np.sqrt(len(styles))
    return Style((mean + np.sqrt(1 - SMOOTHING**2) * one + SMOOTHING * moved).astype(np.float32))


StyleChoice = Literal["sampled", "expected"] | Path | str | Photograph | Style  # a generator can be asked for
NO_KNOBS: Mapping[str, float] = {}
