"""Does a network leave its grid in the pictures? The mean spectrum, and its peaks at the periods of the grid.

A decoder that doubles its features step by step can write a pattern that repeats every 2, 4 or 8 pixels: a
checkerboard. In the mean spectrum of many pictures such a pattern is a point that stands out of its surroundings, while
the spectrum of photographs falls smoothly.

Source: Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016; Zhang, Karaman and Chang,
"Detecting and Simulating Artifacts in GAN Fake Images", WIFS 2019, for the mean spectrum.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from retinasynth.images import Photograph, resize_photograph

MIN_SIDE_PX = 64
PERIOD_PX = 8  # the grid of three doublings; those of two and one are part of it
CHANCE = 0.01
MARGIN_DB = 3.0
_RING = (4, 9)  # distance in frequency steps of the surroundings that a peak is measured against
_POINTS = (PERIOD_PX**2 + 4) // 2 - 1  # of the grid in half of the plane, without the mean

CONVENTIONS = {
    "peak": "the mean power spectrum of the green channel (middle of the picture, Hann window, each picture with power "
    f"1): the highest point with a period of 2, 4 or {PERIOD_PX} pixels in rows or columns, over the median of its "
    "surroundings; smooth spectra stay below the limit given with it in 99 of 100 sets of as many pictures",
}


class Peak(NamedTuple):
    """The highest point of a mean spectrum on the grid of periods 2, 4 and 8 pixels.

    Attributes:
        height_db: above the median of its surroundings.
        cycles: per pixel along rows and columns.
        limit_db: what chance stays below in 99 of 100 sets of as many pictures with a smooth spectrum.
    """

    height_db: float
    cycles: tuple[float, float]
    limit_db: float

    def is_pattern(self, real: "Peak | None" = None) -> bool:
        """Whether it is more than chance and, where that is given, clearly more than photographs have themselves."""
        return self.height_db > max(self.limit_db, real.height_db + MARGIN_DB if real else 0)

    @property
    def period_text(self) -> str:
        """Its period in words.

        Example:
            >>> Peak(20.0, (0.25, 0.5), 6.0).period_text, Peak(20.0, (0.0, 0.125), 6.0).period_text
            ('4 px in rows and 2 px in columns', '8 px in columns')
        """
        parts = [
            f"{1 / abs(cycles):.3g} px in {name}"
            for cycles, name in zip(self.cycles, ("rows", "columns"), strict=True)
            if cycles
        ]
        return " and ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in dB and cycles per pixel."""
        return {**self._asdict(), "cycles": list(self.cycles)}


@dataclass(frozen=True)
class MeanSpectrum:
    """The mean power spectrum of pictures of one size: the sum of what `measure` gives of each.

    Attributes:
        power: ``float64 (side, side)``, zero frequency first; the sum over the pictures. None of no pictures.
        count: how many.

    Example:
        >>> stripes = np.zeros((64, 64, 3), np.uint8)
        >>> stripes[::4] = 255
        >>> noise = np.random.default_rng(0).integers(0, 9, (64, 64, 3)).astype(np.uint8)
        >>> spectrum = MeanSpectrum() + measure(noise + stripes // 2)
        >>> spectrum.peak().cycles, spectrum.peak().is_pattern()
        ((0.25, 0.0), True)
    """

    power: NDArray[np.float64] | None = None
    count: int = 0

    def __add__(self, other: "MeanSpectrum") -> "MeanSpectrum":
        """The mean spectrum of the pictures of both.

        Raises:
            ValueError: they are of different sizes.
        """
        if self.power is None or other.power is None:
            return other if self.power is None else self
        return MeanSpectrum(self.power + other.power, self.count + other.count)

    def peak(self) -> Peak:
        """The highest point of the grid.

        Raises:
            ValueError: no picture was added.
        """
        if self.power is None:
            raise ValueError("a mean spectrum of no pictures")
        side = len(self.power)
        steps = np.fft.fftfreq(side, 1 / side)
        distance = np.hypot(*np.meshgrid(steps, steps))
        ring = (distance >= _RING[0]) & (distance <= _RING[1])
        heights = {}
        for row in range(PERIOD_PX // 2 + 1):
            for column in range(-PERIOD_PX // 2 + 1, PERIOD_PX // 2 + 1):
                if (row in (0, PERIOD_PX // 2) and column < 0) or (row, column) == (0, 0):
                    continue
                there = np.roll(self.power, (-row * side // PERIOD_PX, -column * side // PERIOD_PX), (0, 1))
                heights[row / PERIOD_PX, column / PERIOD_PX] = float(there[0, 0] / max(np.median(there[ring]), 1e-300))
        highest = max(heights, key=lambda cycles: heights[cycles])
        return Peak(_db(heights[highest]), highest, self._limit_db())

    def drawn(self) -> Photograph:
        """The spectrum as a picture, zero frequency in the middle, white for 60 dB above the darkest parts.

        Raises:
            ValueError: no picture was added.
        """
        if self.power is None:
            raise ValueError("a mean spectrum of no pictures")
        level = 10 * np.log10(np.maximum(np.fft.fftshift(self.power), 1e-12))
        grey = np.clip((level - np.percentile(level, 1)) / 60, 0, 1)
        return np.repeat(np.rint(255 * grey).astype(np.uint8)[..., None], 3, axis=2)

    def _limit_db(self) -> float:
        """Powers of one frequency are gamma distributed; at the ends of an axis with half a degree for each picture."""
        chance = stats.gamma(self.count / 2)
        return _db(chance.ppf(1 - CHANCE / _POINTS) / chance.median())


def measure(photograph: Photograph) -> MeanSpectrum:
    """The power spectrum of one picture, of total power 1.

    Args:
        photograph: ``uint8 (height, width, 3)``, at least `MIN_SIDE_PX` high and wide.
    """
    green = _middle(photograph[..., 1].astype(np.float64))
    window = np.hanning(len(green))
    power = np.abs(np.fft.fft2((green - green.mean()) * window[:, None] * window)) ** 2
    return MeanSpectrum(power / max(power.sum(), 1e-12), 1)


class Spectra:
    """The mean spectra of generated photographs, of the real ones of the same masks, and of another model's.

    Attributes:
        of: by ``model``, ``expected`` and ``other_model``; empty where the generated ones are of several sizes.
    """

    def __init__(self) -> None:
        self.of: dict[str, MeanSpectrum] = {}
        self._size: tuple[int, int] | None = None
        self._sizes_differ = False

    def add(self, generated: Photograph, expected: Photograph | None, other: Photograph | None) -> None:
        """Add what belongs to one mask; all are taken at the size of the generated photograph."""
        size = (generated.shape[0], generated.shape[1])
        self._size = self._size or size
        if self._sizes_differ or size != self._size or min(size) < MIN_SIDE_PX:
            self._sizes_differ = True
            self.of = {}
            return
        for name, picture in (("model", generated), ("expected", expected), ("other_model", other)):
            if picture is not None:
                self.of[name] = self.of.get(name, MeanSpectrum()) + measure(resize_photograph(picture, size))

    def peaks(self) -> dict[str, Peak]:
        """The highest point of each."""
        return {name: spectrum.peak() for name, spectrum in self.of.items()}

    def drawn(self) -> dict[str, Photograph]:
        """Each as a picture."""
        return {name: spectrum.drawn() for name, spectrum in self.of.items()}


def _middle(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middle square of three quarters of the shorter side, rounded to the grid."""
    side = int(0.75 * min(picture.shape)) // PERIOD_PX * PERIOD_PX
    top, left = ((length - side) // 2 for length in picture.shape)
    return picture[top : top + side, left : left + side]


def _db(ratio: float) -> float:
    return float(10 * np.log10(max(ratio, 1e-12)))
