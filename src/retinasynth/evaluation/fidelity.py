"""The source protocol: MSE, SSIM and PSNR between a generated photograph and the expected one.

Convention: arrays in [-1, 1], 256 x 256, three channels; SSIM is scikit-image's with its defaults (7 x 7 uniform
window, sample covariance, borders cropped) and data range 2; PSNR has data range 2; the mean is over pictures.
The same pictures give other figures under other conventions: SSIM .711 becomes .772 when the range is [0, 1].
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from retinasynth import images
from retinasynth.images import Photograph

SIZE_PX = 256
DATA_RANGE = 2.0  # of values in [-1, 1]
MAX_PSNR_DB = 100.0  # reported for identical pictures, whose PSNR is infinite
CONVENTION = (
    "values in [-1, 1], 256 x 256, three channels; scikit-image SSIM with its default 7 x 7 uniform window and data "
    f"range 2; PSNR with data range 2; mean over pictures; {images.RESIZE_FILTERS}"
)


class Fidelity(NamedTuple):
    """The three measures of one picture: MSE (lower is closer), SSIM in [-1, 1] and PSNR in dB (higher is closer)."""

    mse: float
    ssim: float
    psnr: float


def source_protocol(generated: Photograph, expected: Photograph) -> Fidelity:
    """MSE, SSIM and PSNR of a pair, in the convention above.

    Args:
        generated: ``uint8 (height, width, 3)``, of any size; resized to 256 x 256.
        expected: likewise.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", IEEE TIP 2004 (SSIM).

    Example:
        >>> black, grey = np.zeros((256, 256, 3), np.uint8), np.full((256, 256, 3), 51, np.uint8)
        >>> round(source_protocol(grey, black).mse, 6)  # (-0.6 - -1) ** 2
        0.16
    """
    one, other = _standard(generated), _standard(expected)
    mse = float(np.mean((one - other) ** 2))
    ssim = structural_similarity(one, other, data_range=DATA_RANGE, channel_axis=0)  # type: ignore[no-untyped-call]
    psnr = 10 * math.log10(DATA_RANGE**2 / mse) if mse else MAX_PSNR_DB
    return Fidelity(mse, float(ssim), min(psnr, MAX_PSNR_DB))


def _standard(photograph: Photograph) -> NDArray[np.float64]:
    resized = images.resize_photograph(photograph, (SIZE_PX, SIZE_PX))
    return images.signed_from_photograph(resized).astype(np.float64)
