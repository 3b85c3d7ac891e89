"""Paired augmentation: the parameters are drawn first and applied after, so any one can be replayed."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = TypeVar("Picture", bound=NDArray[np.generic])


@dataclass(frozen=True)
class Transform:
    """One augmentation, the same for a photograph and its masks: flips first, then the rotation.

    Attributes:
        flip_left_right: mirror at the vertical axis.
        flip_up_down: mirror at the horizontal axis.
        rotation_deg: counter-clockwise rotation about the centre, in degrees; what turns in from outside is the
            picture's own border, reflected.
    """

    flip_left_right: bool = False
    flip_up_down: bool = False
    rotation_deg: float = 0.0

    def __call__(self, picture: Picture) -> Picture:
        """Apply to a photograph (interpolated) or to a mask (nearest value, so that it stays binary).

        Example:
            >>> mask = np.array([[True, False], [False, False]])
            >>> Transform(flip_left_right=True)(mask).tolist()
            [[False, True], [False, False]]
        """
        if self.flip_left_right:
            picture = picture[:, ::-1]  # type: ignore[assignment]
        if self.flip_up_down:
            picture = picture[::-1]  # type: ignore[assignment]
        return rotate(picture, self.rotation_deg) if self.rotation_deg else picture


def draw_transform(random: np.random.Generator, *, flip: bool, rotation_deg: float) -> Transform:
    """Draw a transform: each flip with probability 1/2, if at all; the angle uniform, up to `rotation_deg`."""
    left_right, up_down = random.random(2) < 0.5
    angle = random.uniform(-rotation_deg, rotation_deg)
    return Transform(bool(flip and left_right), bool(flip and up_down), angle)


def rotate(picture: Picture, angle_deg: float) -> Picture:
    """Rotate about the centre, counter-clockwise; what comes in from outside is the picture's reflection.

    Args:
        picture: photograph ``uint8 (height, width, 3)`` or ``float32`` of that shape, or how much of each pixel
            planes cover, ``uint8 (height, width, planes)`` (all bicubic); or mask ``bool (height, width)`` or label
            planes ``bool (height, width, planes)`` (nearest value).
        angle_deg: any angle, in degrees.

    Returns:
        The same shape and type.

    Example:
        >>> rotate(np.array([[True, False], [False, False]]), 90.0).tolist()
        [[False, False], [True, False]]
    """
    height, width = picture.shape[:2]
    # The corners lie half a diagonal from the centre; two pixels more are for the bicubic kernel.
    diagonal = math.hypot(height, width)
    rows, columns = (math.ceil((diagonal - side) / 2) + 2 for side in (height, width))
    border = [(rows, rows), (columns, columns), (0, 0)][: picture.ndim]
    is_float, is_mask = picture.dtype == np.float32, picture.dtype == np.bool_
    padded = np.pad(picture if is_float else picture.astype(np.uint8), border, mode="reflect")
    resample = Image.Resampling.NEAREST if is_mask else Image.Resampling.BICUBIC
    # of which Pillow takes one layer at a time
    is_layered = picture.ndim == 3 and (is_float or is_mask or picture.shape[2] != 3)
    layers = np.moveaxis(padded, -1, 0) if is_layered else [padded]
    turned = [np.asarray(Image.fromarray(layer).rotate(angle_deg, resample)) for layer in layers]
    rotated = np.stack(turned, axis=-1) if is_layered else turned[0]
    return rotated[rows : rows + height, columns : columns + width].astype(picture.dtype)  # type: ignore[return-value]
