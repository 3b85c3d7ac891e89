"""How close a generated photograph is to the expected one, by the convention behind the published figures."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from retinasynth.errors import InputError
from retinasynth.images import RESIZE_FILTERS, Mask, Photograph, resize_mask, resize_photograph, signed_from_photograph

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
    "inside the field of view": "values in [0, 1]; SSIM with a gaussian window of deviation 1.5, population "
    "covariance, data range 1, averaged over the pixels inside; PSNR from the squared error inside, data range 1; the "
    "field of view is found in the expected photograph",
}


class Fidelity(NamedTuple):
    """All figures of one picture; not a number where it has no field of view.

    Attributes:
        mse: of the source protocol, as `ssim` and `psnr` (`SourceProtocol`).
        ssim: likewise.
        psnr: likewise.
        fov_ssim: inside the field of view, as `fov_psnr` (`Strict`).
        fov_psnr: likewise.
    """

    mse: float
    ssim: float
    psnr: float
    fov_ssim: float
    fov_psnr: float


def measure(generated: Photograph, expected: Photograph, field_of_view: Mask) -> Fidelity:
    """Compare two photographs by the source protocol, and inside the field of view.

    Args:
        generated: ``uint8 (height, width, 3)`` of any size.
        expected: the same; its size may differ.
        field_of_view: ``bool`` of any size: where to compare; it may be empty.

    Raises:
        InputError: one of them is not a photograph.
    """
    inside = strict(generated, expected, field_of_view) if field_of_view.any() else (math.nan, math.nan)
    return Fidelity(*source_protocol(generated, expected), *inside)


class SourceProtocol(NamedTuple):
    """The three figures of one picture behind the published ones.

    Attributes:
        mse: mean squared error of values in [-1, 1]; 0 to 4.
        ssim: structural similarity; -1 to 1.
        psnr: peak signal-to-noise ratio in decibels; 0 to `PSNR_CAP_DB`.
    """

    mse: float
    ssim: float
    psnr: float


def source_protocol(generated: Photograph, expected: Photograph) -> SourceProtocol:
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
        SourceProtocol(mse=0.0, ssim=1.0, psnr=100.0)
    """
    got, wanted = _prepared(generated), _prepared(expected)
    mse = float(np.mean((got - wanted) ** 2))
    psnr = min(PSNR_CAP_DB, 10 * math.log10(DATA_RANGE**2 / mse)) if mse else PSNR_CAP_DB
    ssim = float(structural_similarity(got, wanted, channel_axis=0, data_range=DATA_RANGE))  # type: ignore[no-untyped-call]
    return SourceProtocol(mse, ssim, psnr)


class Strict(NamedTuple):
    """The two figures of one picture inside its field of view.

    Attributes:
        ssim: structural similarity; -1 to 1.
        psnr: peak signal-to-noise ratio in decibels; 0 to `PSNR_CAP_DB`.
    """

    ssim: float
    psnr: float


def strict(generated: Photograph, expected: Photograph, field_of_view: Mask) -> Strict:
    """Compare two photographs where the eye is, by the formula of the SSIM paper (see `CONVENTIONS`).

    The source protocol counts the black border, which any model gets right, and its SSIM forgives more (data range 2).

    Args:
        generated: ``uint8 (height, width, 3)`` of any size.
        expected: the same; its size may differ.
        field_of_view: ``bool`` of any size: where to compare.

    Raises:
        InputError: one of them is not a photograph, or the field of view is empty.

    Source:
        Z. Wang et al., 2004, as above: gaussian window of standard deviation 1.5.

    Example:
        >>> grey = np.full((256, 256, 3), 51, np.uint8)
        >>> round(strict(grey, grey + np.uint8(51), np.ones((256, 256), np.bool_)).psnr, 2)  # off by 0.2 everywhere
        13.98
    """
    got, wanted = (_prepared(photograph) / 2 + 0.5 for photograph in (generated, expected))
    inside = resize_mask(field_of_view, (SIZE_PX, SIZE_PX))
    return _where(got, wanted, inside)


def at_own_size(got: Photograph, wanted: Photograph, field_of_view: Mask) -> Strict:
    """As `strict`, but pixel by pixel: nothing is resized, so that noise and blur count as they are.

    Args:
        got: ``uint8 (height, width, 3)``.
        wanted: the same size.
        field_of_view: ``bool (height, width)``: where to compare.

    Raises:
        InputError: the sizes differ, or the field of view is empty.
    """
    if got.shape != wanted.shape or field_of_view.shape != wanted.shape[:2]:
        raise InputError(
            f"Pictures of {got.shape} and {wanted.shape}, field of view of {field_of_view.shape}", expected="one size"
        )
    one, other = (np.moveaxis(picture, 2, 0).astype(np.float64) / 255 for picture in (got, wanted))
    return _where(one, other, field_of_view)


def _where(got: NDArray[np.float64], wanted: NDArray[np.float64], inside: Mask) -> Strict:
    """Pictures ``(3, height, width)`` in [0, 1] compared where `inside` is True."""
    if not inside.any():
        raise InputError("The field of view is empty", expected="a mask that is True where the eye is")
    mse = float(np.mean((got - wanted)[:, inside] ** 2))
    psnr = min(PSNR_CAP_DB, 10 * math.log10(1 / mse)) if mse else PSNR_CAP_DB
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        got, wanted, channel_axis=0, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    return Strict(float(similarity[:, inside].mean()), psnr)


def _prepared(photograph: Photograph) -> NDArray[np.float64]:
    if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3:
        raise InputError(
            f"A picture is {photograph.dtype} {photograph.shape}", expected="a photograph, uint8 (height, width, 3)"
        )
    # float64, because the variances of SSIM are small differences of large sums
    return signed_from_photograph(resize_photograph(photograph, (SIZE_PX, SIZE_PX))).astype(np.float64)
