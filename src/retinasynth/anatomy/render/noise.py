"""Noise in octaves for textures, and that of the sensor; equal in an eye's coordinates at every resolution."""

import math

import numpy as np

from retinasynth.anatomy.render.scene import Field, Frame, resize

_TILE = 256  # cells after which the noise of a fine octave repeats; 32 for the coarsest
_SENSOR_CELLS = 1024  # across the field of view


def octave_noise(frame: Frame, random: np.random.Generator, coarsest_dd: float, finest_dd: float, gain: float) -> Field:
    """Smooth noise of standard deviation about 1 in octaves, each half as wide and `gain` as strong as the one before.

    An octave is the same whatever the resolution; octaves too fine for the pixels are left out.
    """
    octaves = max(1, 1 + math.floor(math.log2(coarsest_dd / finest_dd)))
    strengths = [gain**number for number in range(octaves)]
    norm = 1 / math.sqrt(0.6 * sum(strength**2 for strength in strengths))
    sides = [min(_TILE, 32 * 2**number) for number in range(octaves)]
    tiles = [random.standard_normal((side, side), np.float32) for side in sides]
    cell, reach = coarsest_dd, (0, 0)
    noise: Field | None = None
    for strength, tile in zip(strengths, tiles, strict=True):
        if noise is not None and cell < 0.7 * frame.cell_dd:
            break
        finer = tuple(math.ceil(extent / 2 / cell) + 1 for extent in frame.extent_dd)
        octave = tile[np.ix_(*(np.arange(-half, half + 1) % len(tile) for half in finer))] * np.float32(strength * norm)
        if noise is not None:
            noise = octave + resize(noise, octave.shape, _window(reach, tuple((half + 0.5) / 2 for half in finer)))
        else:
            noise = octave
        reach, last, cell = (finer[0], finer[1]), cell, cell / 2
    if noise is None:  # never: there is one octave
        return np.zeros(frame.size, np.float32)
    return resize(noise, frame.size, _window(reach, tuple(extent / 2 / last for extent in frame.extent_dd)))


def _window(reach: tuple[int, int], half: tuple[float, ...]) -> tuple[float, float, float, float]:
    """The rectangle of ``2 * half`` cells in the middle of ``2 * reach + 1``: left, top, right, bottom."""
    (rows, columns), (high, wide) = (reach[0] + 0.5, reach[1] + 0.5), (half[0], half[1])
    return columns - wide, rows - high, columns + wide, rows + high


def sensor_noise(random: np.random.Generator, frame: Frame) -> Field:
    """Noise of standard deviation 1 from one cell of the sensor to the next, averaged where pixels are larger."""
    longest = max(frame.size)
    if longest <= _SENSOR_CELLS:
        return random.standard_normal(frame.size, np.float32) * np.float32(longest / _SENSOR_CELLS)
    rows, columns = (math.ceil(side / longest * _SENSOR_CELLS) for side in frame.size)
    return resize(random.standard_normal((rows, columns), np.float32), frame.size)
