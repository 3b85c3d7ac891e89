"""What pixels say where names do not: whether a picture is a photograph or was drawn."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from retinasynth.data.codes import codes_that_fit
from retinasynth.errors import ImageError
from retinasynth.images import LabelValues, read_labels

_LOOKED_AT = 8  # pictures of a folder
_DARK, _BRIGHT = 32, 223  # nearly black and nearly white
_BLACK_AND_WHITE = 0.95  # of the pixels of a mask are one of these
_LEAST_BRIGHT = 0.001


def is_black_and_white(values: LabelValues) -> bool:
    """Whether nearly all pixels, ``uint8 (height, width)`` or of three channels, are nearly black or nearly white."""
    darkest, brightest = (values, values) if values.ndim == 2 else (values.min(axis=2), values.max(axis=2))
    return bool(np.mean((brightest < _DARK) | (darkest > _BRIGHT)) >= _BLACK_AND_WHITE)


def is_drawn(values: LabelValues) -> bool:
    """Whether these are labels: of two values, nearly all black and white with some of both, or of a known code."""
    if codes_that_fit(values) or (values.ndim == 2 and len(np.unique(values)) == 2):
        return True
    if values.dtype != np.uint8:
        return False
    darkest = values if values.ndim == 2 else values.min(axis=2)
    return is_black_and_white(values) and bool(_LEAST_BRIGHT <= np.mean(darkest > _BRIGHT) < 1)


def some_of(pictures: Sequence[Path]) -> Sequence[Path]:
    """A few pictures, spread over all."""
    return pictures[:: max(1, math.ceil(len(pictures) / _LOOKED_AT))]


def drawn_among(pictures: Sequence[Path]) -> list[bool]:
    """Of some of the pictures, spread over all, whether each was drawn; those that cannot be read have no say."""
    return list(_judged(some_of(pictures)))


def _judged(pictures: Iterable[Path]) -> Iterator[bool]:
    for path in pictures:
        try:
            yield is_drawn(read_labels(path))
        except ImageError:
            continue
