"""Windows: which values of a photograph with more than 8 bits become black and white. Nobody can know but its owner."""

import math
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retinasynth.errors import ImageError, SettingError
from retinasynth.progress import warn

Window = tuple[float, float] | Literal["auto"]  # the values that become black and white; auto takes them from the file

_NUMBER = r"-?\d+(?:\.\d*)?(?:e-?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*(?:-|:|\.\.)\s*({_NUMBER})\s*", re.IGNORECASE)
_AUTO_PERCENT = (0.1, 99.9)  # what is darker or brighter is noise and reflections
_MOST_SAMPLED = 10**6  # values


def parse_window(text: str) -> Window:
    """A window as the user writes it.

    Raises:
        SettingError: it is none.

    Example:
        >>> parse_window("0-4095"), parse_window("auto")
        ((0.0, 4095.0), 'auto')
    """
    if text.strip().lower() == "auto":
        return "auto"
    match = _RANGE.fullmatch(text)
    low, high = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SettingError(
            f"`window` is {text!r}",
            expected="LOW-HIGH, such as 0-4095: the values that become black and white; or auto",
        )
    return low, high


def seen_through(path: Path, values: NDArray[Any], window: Window, *, by: str = "") -> NDArray[np.uint8]:
    """The numbers of a file as 8-bit values of the same shape; which window that took is said, unless the user gave it.

    Args:
        path: for messages.
        values: numbers of any type.
        window: which of them become black and white.
        by: what gave the window where that was not the user, such as "the window in the file".

    Raises:
        ImageError: there are values that are no number, or nothing lies inside the window.
    """
    if not np.isfinite(values).all():
        raise ImageError(f"{path} has pixels that are no number", do="Write the file anew")
    low, high = limits_of(values, window)
    picture = windowed(values, (low, high)) if low < high else np.zeros(values.shape, np.uint8)
    if np.ptp(picture) == 0:
        raise ImageError(
            f"{path}: nothing lies between {low:g} and {high:g}; its values are {values.min():g} to {values.max():g}",
            do="Give another `window`",
        )
    if window == "auto" or by:
        whose = f" by {by}" if by else ""
        warn(f"{path}: the values {low:g} to {high:g} became black to white{whose}.", kind=("window", str(path)))
    return picture


def limits_of(values: NDArray[Any], window: Window) -> tuple[float, float]:
    """The values that become black and white; ``auto`` takes all but the darkest and brightest thousandth."""
    if window != "auto":
        return window
    flat = values.ravel()
    low, high = np.percentile(flat[:: max(1, flat.size // _MOST_SAMPLED)], _AUTO_PERCENT)
    return (float(low), float(high)) if low < high else (float(flat.min()), float(flat.max()))


def windowed(values: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Numbers as 8-bit values of the same shape: linear between the limits, black below and white above.

    Example:
        >>> windowed(np.array([0, 100, 150, 200, 999]), (100, 200)).tolist()
        [0, 0, 128, 255, 255]
    """
    low, high = limits
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    picture: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return picture
