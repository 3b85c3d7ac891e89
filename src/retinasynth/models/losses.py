"""What the two networks minimise, from logits.

Source: the system described in docs/source.md; Isola et al., CVPR 2017, equations 1 to 4 with L1 weight 100.
"""

from collections.abc import Sequence
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


def generator_loss(
    logits: Tensor | None,
    generated: Tensor,
    expected: Tensor,
    weights: LossSettings,
    importance: Tensor | None = None,
) -> GeneratorLoss:
    """The generator's loss: its photographs should pass for real and equal the expected ones.

    Args:
        logits: the discriminator's logits on the generated photographs; None where there is no discriminator.
        generated: generated photographs ``(batch, 3, height, width)``, in [-1, 1].
        expected: the real ones of the same masks, in [-1, 1].
        weights: of the terms.
        importance: how much each photograph counts in what ties it to the expected one, ``(batch,)``; None is 1.
    """
    counts = torch.ones(len(generated), device=generated.device) if importance is None else importance
    l1 = (counts * (generated - expected).abs().mean(dim=(1, 2, 3))).mean()
    total = weights.l1_weight * l1
    adversarial = None
    if logits is not None:
        adversarial = functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        total = weights.adversarial_weight * adversarial + total
    if weights.ssim_weight:
        total = total + weights.ssim_weight * (counts * (1 - ssim_of_each(generated, expected))).mean()
    return GeneratorLoss(adversarial, l1, total)


def feature_difference(generated: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """How differently discriminators see a generated and the real photograph of one eye, without their verdict.

    The mean absolute difference of the features of each step, averaged over steps and discriminators (feature
    matching: Wang et al., CVPR 2018, equation 4).

    Args:
        generated: what each discriminator sees (`discriminators.MultiScaleDiscriminator`), its logits last.
        real: the same of the real photograph; taken as given.
    """
    steps = [
        functional.l1_loss(ours, theirs.detach())
        for seen, wanted in zip(generated, real, strict=True)
        for ours, theirs in zip(seen[:-1], wanted[:-1], strict=True)
    ]
    return torch.stack(steps).mean()


TEXTURE_SCALES = 5
TEXTURE_WINDOW_PX = 16
NEAR_VESSELS = 1 / 256  # of the frame: so far from a vessel detail is its edge
_LEAST_TEXTURE = 2e-3  # a quarter of a grey level
_LEAST_SHARE, _LEAST_WHOLE = 0.1, 0.01  # of a window and of a picture: of what covers less, no texture is told
_RIM_PX = 2  # of an octave: so near to black, detail is the rim of the field of view
_WHOLLY = 0.999


def texture_difference(generated: Tensor, real: Tensor, inside: Tensor, vessels: Tensor) -> Tensor:
    """How differently two pictures are textured, wherever each detail lies.

    A picture is parted into octaves of detail (Burt and Adelson, "The Laplacian Pyramid", IEEE TCOM 1983). In windows
    of `TEXTURE_WINDOW_PX` pixels of each octave, and in the octave as a whole, the mean absolute detail of the two is
    compared by its logarithm: a window with the right amount of detail is right, whichever detail it is. Near vessels
    and away from them it is compared apart, or vessels that are too crisp would make up for a background that is too
    smooth. The rim of the field of view and what lies beyond do not count.

    Args:
        generated: ``(batch, 3, height, width)``, signed; sides are multiples of 16 times the window, or nearly.
        real: the same.
        inside: ``(batch, 1, height, width)``, 1 inside the field of view.
        vessels: the same, 1 in vessels.

    Returns:
        The mean difference of natural logarithms over octaves, both kinds of places, windows and wholes, and channels;
        0 where textures are equal.
    """
    differences = []
    pictures, inside, near = torch.cat([generated, real]).float(), inside.float(), near_to(vessels.float())
    for _ in range(TEXTURE_SCALES):
        if min(pictures.shape[2:]) < 2 * TEXTURE_WINDOW_PX:
            break
        coarse = functional.avg_pool2d(pictures, 2)
        detail = (pictures - functional.interpolate(coarse, size=pictures.shape[2:], mode="bilinear")).abs()
        beyond = (inside < _WHOLLY).to(inside.dtype)
        inner = 1 - functional.max_pool2d(beyond, 2 * _RIM_PX + 1, stride=1, padding=_RIM_PX)
        for place in (near * inner, (1 - near) * inner):
            share = functional.avg_pool2d(place, TEXTURE_WINDOW_PX)
            amount = functional.avg_pool2d(detail * place.repeat(2, 1, 1, 1), TEXTURE_WINDOW_PX)
            differences += _differences(amount, share, _LEAST_SHARE)
            of_all = [one.mean(dim=(2, 3), keepdim=True) for one in (amount, share)]
            differences += _differences(of_all[0], of_all[1], _LEAST_WHOLE)
        pictures, inside, near = coarse, functional.avg_pool2d(inside, 2), functional.avg_pool2d(near, 2)
    return torch.stack(differences).mean() if differences else 0 * generated.sum()


def _differences(amount: Tensor, share: Tensor, least: float) -> list[Tensor]:
    """The mean difference of logarithms where a place covers enough of a window; nothing where it does so nowhere.

    Args:
        amount: mean detail of windows, as far as it lies in the place: two batches, ``(2 batch, 3, rows, columns)``.
        share: of each window that the place covers, ``(batch, 1, rows, columns)``.
        least: of a window.
    """
    told = (share > least).expand(-1, amount.shape[1], -1, -1)
    ours, theirs = (amount / share.clamp(min=least).repeat(2, 1, 1, 1)).add(_LEAST_TEXTURE).log().chunk(2)
    return [(ours - theirs).abs()[told].mean()] if told.any() else []


def near_to(vessels: Tensor) -> Tensor:
    """Vessels with their edges; both ``(batch, 1, height, width)``, 0 to 1."""
    reach = max(1, round(NEAR_VESSELS * vessels.shape[-1]))
    return functional.max_pool2d(vessels, 2 * reach + 1, stride=1, padding=reach)


COARSE_PX = 16
NEAR_PX = 4


def coarse_difference(generated: Tensor, real: Tensor, vessels: Tensor) -> Tensor:
    """How much two pictures differ in what a label map and a smooth style can tell.

    Which texture lies where nobody knows, and a network that is asked for it pixel by pixel learns to be smooth. So
    the two are compared in means of `COARSE_PX` pixels; near vessels, whose place the label map tells, in means of
    `NEAR_PX`.

    Args:
        generated: ``(batch, channels, height, width)``.
        real: the same.
        vessels: ``(batch, 1, height, width)``, 0 to 1.

    Returns:
        The mean absolute difference of the first, and that of the second, which counts 0 away from vessels.
    """
    differs = generated - real
    fine = functional.avg_pool2d(near_to(vessels), NEAR_PX) * functional.avg_pool2d(differs, NEAR_PX).abs()
    return functional.avg_pool2d(differs, COARSE_PX).abs().mean() + fine.mean()


LEAST_PART = 5e-4  # of a picture: what is smaller counts less than the rest, so that no pixel outweighs a picture


def difference_within(generated: Tensor, real: Tensor, parts: Tensor) -> Tensor:
    """How much two pictures differ inside small parts; every part counts alike, however little of a picture it covers.

    A haemorrhage covers hundreds of times the area of a microaneurysm; summed over pixels, the small would not be
    learnt. Inside each part, half of the mean absolute difference and half of the difference of the means: the first
    alone is least for the median, which of the few bright pixels in an exudate sees nothing. Averaged over the parts,
    those included that are not there.

    Args:
        generated: ``(batch, channels, height, width)``.
        real: the same.
        parts: ``(batch, parts, height, width)``, 0 to 1: how much of each pixel a part covers.
    """
    differs = (generated - real)[:, :, None]
    covers = parts[:, None]
    area = covers.sum(dim=(3, 4)).clamp(min=LEAST_PART * parts.shape[-2] * parts.shape[-1])
    of_pixels = (differs.abs() * covers).sum(dim=(3, 4)) / area
    of_means = (differs * covers).sum(dim=(3, 4)).abs() / area
    within = (of_pixels + of_means) / 2
    return within.sum() / max(within.numel(), 1)  # 0 where no part is told apart


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
