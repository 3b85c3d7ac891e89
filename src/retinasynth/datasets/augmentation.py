"""Paired augmentation: the parameters are drawn first and applied after, so any one can be replayed."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retinasynth.config import DataSettings

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


def draw_transform(random: np.random.Generator, settings: DataSettings) -> Transform:
    """Draw a transform: each flip with probability 1/2, the angle uniform in ``[-rotation_deg, rotation_deg]``."""
    left_right, up_down = random.random(2) < 0.5
    angle = random.uniform(-settings.rotation_deg, settings.rotation_deg)
    return Transform(bool(settings.flip and left_right), bool(settings.flip and up_down), angle)


def rotate(picture: Picture, degrees: float) -> Picture:
    """Rotate about the centre, with the picture's border reflected into the corners.

    Args:
        picture: photograph ``uint8 (height, width, 3)`` (bilinear) or mask ``bool (height, width)`` (nearest value).
        degrees: counter-clockwise.

    Returns:
        The same shape and type.
    """
    height, width = picture.shape[:2]
    # A corner reaches half a diagonal from the centre; more than the picture itself cannot be reflected.
    reach = np.hypot(height, width) / 2
    margin_y = min(int(np.ceil(reach - height / 2)) + 1, height - 1)
    margin_x = min(int(np.ceil(reach - width / 2)) + 1, width - 1)
    margins = [(margin_y, margin_y), (margin_x, margin_x)] + [(0, 0)] * (picture.ndim - 2)
    is_mask = picture.dtype == np.bool_
    padded = np.pad(picture.astype(np.uint8), margins, mode="reflect")
    resample = Image.Resampling.NEAREST if is_mask else Image.Resampling.BILINEAR
    turned = np.asarray(Image.fromarray(padded).rotate(degrees, resample))
    inner = turned[margin_y : margin_y + height, margin_x : margin_x + width]
    return inner.astype(picture.dtype)  # type: ignore[return-value]
