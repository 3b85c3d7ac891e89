"""What the styled generator minimises beside the adversarial loss."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def feature_difference(generated: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """How differently discriminators see a generated and the real photograph of one eye, without their verdict.

    The mean absolute difference of the features of each step, averaged over steps and discriminators (feature
    matching: Wang et al., CVPR 2018, equation 4).

    Args:
        generated: what each discriminator sees, its logits last (`retinasynth.styled.discriminator`).
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
