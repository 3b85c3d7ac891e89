"""Structural similarity as a loss."""

import torch
from torch import Tensor
from torch.nn import functional

SSIM_WINDOW_PX = 7


def ssim(generated: Tensor, expected: Tensor) -> Tensor:
    """The mean of `ssim_of_each` over the batch."""
    return ssim_of_each(generated, expected).mean()


def ssim_of_each(generated: Tensor, expected: Tensor) -> Tensor:
    """Structural similarity as the source measures it, for learning: the mean over channels and windows.

    Uniform 7 x 7 windows that lie inside the picture, sample covariance, data range 2 (scikit-image's defaults). As a
    loss: Zhao, Gallo, Frosio and Kautz, "Loss Functions for Image Restoration with Neural Networks", IEEE TCI 2017.

    Args:
        generated: ``(batch, channels, height, width)`` in [-1, 1], at least 7 pixels high and wide.
        expected: the same.

    Returns:
        Numbers in [-1, 1], ``(batch,)``; 1 for equal pictures.
    """
    generated, expected = generated.float(), expected.float()  # small differences of large sums
    mean_g, mean_e, square_g, square_e, product = _window_means(
        generated, expected, generated**2, expected**2, generated * expected
    )
    unbiased = SSIM_WINDOW_PX**2 / (SSIM_WINDOW_PX**2 - 1)
    variance_g = unbiased * (square_g - mean_g**2)
    variance_e = unbiased * (square_e - mean_e**2)
    covariance = unbiased * (product - mean_g * mean_e)
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    luminance = (2 * mean_g * mean_e + c1) / (mean_g**2 + mean_e**2 + c1)
    structure = (2 * covariance + c2) / (variance_g + variance_e + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _window_means(*pictures: Tensor) -> tuple[Tensor, ...]:
    """The means of all windows inside each picture: a column of pixels first, then a row of columns."""
    stacked = torch.cat(pictures, dim=1)
    channels = stacked.shape[1]
    column = stacked.new_full((channels, 1, SSIM_WINDOW_PX, 1), 1 / SSIM_WINDOW_PX)
    with torch.autocast(stacked.device.type, enabled=False):
        columns = functional.conv2d(stacked, column, groups=channels)
        means = functional.conv2d(columns, column.transpose(2, 3), groups=channels)
    return means.chunk(len(pictures), dim=1)
