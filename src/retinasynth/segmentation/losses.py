"""What a segmenter minimises. The terms are MONAI's; here they learn to pass over planes that are unknown."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from monai.losses.cldice import SoftclDiceLoss
from monai.losses.dice import DiceLoss
from torch import Tensor
from torch.nn import functional

from retinasynth.segmentation.settings import SegmentationLossSettings

_SKELETON_STEPS = 3  # of thinning: vessels up to about twice as many pixels wide shrink to their centre line
_COARSER = 2  # the pixels in which centre lines are compared: quicker by its square, and thins wider vessels
_SURELY_NOT = -30.0  # a logit beside which a label of 0 costs and teaches nothing
_dice = DiceLoss(sigmoid=True, batch=True)
_cldice: Callable[[Tensor, Tensor], Tensor] = SoftclDiceLoss(_SKELETON_STEPS, sigmoid=True)


class SegmentationLoss(NamedTuple):
    """The terms, each a scalar; those without weight are None."""

    total: Tensor
    dice: Tensor | None
    cross_entropy: Tensor | None
    cldice: Tensor | None


def segmentation_loss(
    logits: Tensor, labels: Tensor, known: Tensor, weights: SegmentationLossSettings, told: Tensor | None = None
) -> SegmentationLoss:
    """The weighted sum of 1 - Dice, binary cross-entropy and 1 - soft clDice, over the planes that are known.

    Args:
        logits: ``float (batch, planes, height, width)``.
        labels: likewise, how much of each pixel is covered, in [0, 1].
        known: ``float (batch, planes)``: 1 where a plane is known. A batch in which nothing is gives 0.
        weights: of the terms.
        told: ``bool (batch, 1, height, width)``: False where nothing is learnt; None is everywhere something.

    Source:
        S. Shit et al., "clDice - a novel topology-preserving loss function for tubular structure segmentation",
        CVPR 2021, algorithm 2.
    """
    logits = logits.float()
    if told is not None:
        logits, labels = logits.masked_fill(~told, _SURELY_NOT), labels * told
    if not known.any():
        return SegmentationLoss(0 * logits.sum(), None, None, None)
    chosen, wanted = logits[known > 0][:, None], labels[known > 0][:, None]  # (known planes, 1, height, width)
    total, terms = logits.new_zeros(()), dict[str, Tensor]()
    if weights.dice_weight:
        terms["dice"] = _dice_loss(logits, labels, known)
        total = total + weights.dice_weight * terms["dice"]
    if weights.cross_entropy_weight:
        terms["cross_entropy"] = functional.binary_cross_entropy_with_logits(chosen, wanted)
        total = total + weights.cross_entropy_weight * terms["cross_entropy"]
    if weights.cldice_weight:
        terms["cldice"] = _centre_line_loss(chosen, wanted)
        total = total + weights.cldice_weight * terms["cldice"]
    return SegmentationLoss(total, terms.get("dice"), terms.get("cross_entropy"), terms.get("cldice"))


def _dice_loss(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """1 - Dice of each plane over the pixels of all examples together, since it may be empty in one; their mean."""
    losses: list[Tensor] = [
        _dice(logits[present, plane : plane + 1], labels[present, plane : plane + 1])
        for plane in range(logits.shape[1])
        if (present := known[:, plane] > 0).any()
    ]
    return torch.stack(losses).mean()


def _centre_line_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - soft clDice, at reduced resolution; the highest value in a coarse pixel counts, so that thin lines stay."""
    return _cldice(functional.max_pool2d(logits, _COARSER), functional.max_pool2d(labels, _COARSER))
