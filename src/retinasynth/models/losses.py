"""What the two networks minimise, from logits.

Source: the system described in docs/source.md; Isola et al., CVPR 2017, equations 1 to 4 with L1 weight 100.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from retinasynth.config import LossSettings


class DiscriminatorLoss(NamedTuple):
    """Binary cross-entropy on real and on generated photographs, and half of their sum, which is minimised.

    Halving slows the discriminator down relative to the generator (Isola et al., section 3.3).
    """

    real: Tensor
    generated: Tensor
    total: Tensor


class GeneratorLoss(NamedTuple):
    """Adversarial loss, mean absolute error, and the weighted sum of all terms, which is minimised.

    `adversarial` is None where the settings give it no weight.
    """

    adversarial: Tensor | None
    l1: Tensor
    total: Tensor


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> DiscriminatorLoss:
    """The halved discriminator loss.

    Args:
        real_logits: the discriminator's logits on real photographs, of any shape.
        generated_logits: its logits on generated ones.

    Example:
        >>> loss = discriminator_loss(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
        >>> round(loss.total.item(), 4)  # log 2: it cannot tell
        0.6931
    """
    real = functional.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    generated = functional.binary_cross_entropy_with_logits(generated_logits, torch.zeros_like(generated_logits))
    return DiscriminatorLoss(real, generated, (real + generated) / 2)


def generator_loss(logits: Tensor | None, generated: Tensor, expected: Tensor, weights: LossSettings) -> GeneratorLoss:
    """The generator's loss: its photographs should pass for real and equal the expected ones.

    Args:
        logits: the discriminator's logits on the generated photographs; None where there is no discriminator.
        generated: generated photographs ``(batch, 3, height, width)``, in [-1, 1].
        expected: the real ones of the same masks, in [-1, 1].
        weights: of the terms.
    """
    l1 = functional.l1_loss(generated, expected)
    total = weights.l1_weight * l1
    adversarial = None
    if logits is not None:
        adversarial = functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        total = weights.adversarial_weight * adversarial + total
    if weights.ssim_weight:
        total = total + weights.ssim_weight * (1 - ssim(generated, expected))
    return GeneratorLoss(adversarial, l1, total)


SSIM_WINDOW_PX = 7


def ssim(generated: Tensor, expected: Tensor) -> Tensor:
    """Structural similarity as the source measures it, for learning: the mean over batch, channels and windows.

    Uniform 7 x 7 windows that lie inside the picture, sample covariance, data range 2 (scikit-image's defaults). As a
    loss: Zhao, Gallo, Frosio and Kautz, "Loss Functions for Image Restoration with Neural Networks", IEEE TCI 2017.

    Args:
        generated: ``(batch, channels, height, width)`` in [-1, 1], at least 7 pixels high and wide.
        expected: the same.

    Returns:
        A number in [-1, 1]; 1 for equal pictures.
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
    return (luminance * structure).mean()


def _window_means(*pictures: Tensor) -> tuple[Tensor, ...]:
    """The means of all windows inside each picture: a column of pixels first, then a row of columns."""
    stacked = torch.cat(pictures, dim=1)
    channels = stacked.shape[1]
    column = stacked.new_full((channels, 1, SSIM_WINDOW_PX, 1), 1 / SSIM_WINDOW_PX)
    with torch.autocast(stacked.device.type, enabled=False):
        columns = functional.conv2d(stacked, column, groups=channels)
        means = functional.conv2d(columns, column.transpose(2, 3), groups=channels)
    return means.chunk(len(pictures), dim=1)
