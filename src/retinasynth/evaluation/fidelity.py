"""How close a generated photograph is to the expected one, by the convention behind the published figures."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from retinasynth.errors import InputError
from retinasynth.images import RESIZE_FILTERS, Photograph, resize_photograph, signed_from_photograph

SIZE_PX = 256
DATA_RANGE = 2.0  # values lie in [-1, 1]
PSNR_CAP_DB = 100.0  # one value of a picture off by one step of 255 gives 101 dB; equal pictures give infinity

CONVENTIONS = {
    "value range": "[-1, 1], three channels; figures are computed per picture and then averaged",
    "size": f"{SIZE_PX} x {SIZE_PX} pixels, whatever the size of the pictures",
    "resize filters": RESIZE_FILTERS,
    "MSE": "mean squared error over all pixels and channels; lower is better",
    "SSIM": "scikit-image structural_similarity with its defaults: uniform 7 x 7 window, sample covariance, "
    f"mean over channels; data range {DATA_RANGE:g}; higher is better",
    "PSNR": f"data range {DATA_RANGE:g}, in decibels, at most {PSNR_CAP_DB:g} (equal pictures); higher is better",
}


class Fidelity(NamedTuple):
    """The three figures of one picture.

    Attributes:
        mse: mean squared error of values in [-1, 1]; 0 to 4.
        ssim: structural similarity; -1 to 1.
        psnr: peak signal-to-noise ratio in decibels; 0 to `PSNR_CAP_DB`.
    """

    mse: float
    ssim: float
    psnr: float


def source_protocol(generated: Photograph, expected: Photograph) -> Fidelity:
    """Compare two photographs by the source protocol (see `CONVENTIONS`).

    Args:
        generated: ``uint8 (height, width, 3)`` of any size.
        expected: the same; its size may differ, since both are resized to `SIZE_PX`.

    Returns:
        The figures, all finite: PSNR is capped at `PSNR_CAP_DB`, since equal pictures would give infinity.

    Raises:
        InputError: one of them is not a photograph.

    Source:
        Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4),
        2004, equation 13.

    Example:
        >>> black = np.zeros((300, 280, 3), np.uint8)
        >>> source_protocol(black, black)
        Fidelity(mse=0.0, ssim=1.0, psnr=100.0)
    """
    got, wanted = _prepared(generated), _prepared(expected)
    mse = float(np.mean((got - wanted) ** 2))
    psnr = min(PSNR_CAP_DB, 10 * math.log10(DATA_RANGE**2 / mse)) if mse else PSNR_CAP_DB
    ssim = float(structural_similarity(got, wanted, channel_axis=0, data_range=DATA_RANGE))  # type: ignore[no-untyped-call]
    return Fidelity(mse, ssim, psnr)


def _prepared(photograph: Photograph) -> NDArray[np.float64]:
    if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3:
        raise InputError(
            f"A picture is {photograph.dtype} {photograph.shape}", expected="a photograph, uint8 (height, width, 3)"
        )
    # float64, because the variances of SSIM are small differences of large sums
    return signed_from_photograph(resize_photograph(photograph, (SIZE_PX, SIZE_PX))).astype(np.float64)
