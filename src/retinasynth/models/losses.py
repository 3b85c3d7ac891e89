"""What the two networks minimise, from logits.

Source: the system described in docs/source.md; Isola et al., CVPR 2017, equations 1 to 4 with L1 weight 100.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class DiscriminatorLoss(NamedTuple):
    """Binary cross-entropy on real and on generated photographs, and half of their sum, which is minimised.

    Halving slows the discriminator down relative to the generator (Isola et al., section 3.3).
    """

    real: Tensor
    generated: Tensor
    total: Tensor


class GeneratorLoss(NamedTuple):
    """Adversarial loss, mean absolute error, and ``adversarial + l1_weight x l1``, which is minimised."""

    adversarial: Tensor
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


def generator_loss(logits: Tensor, generated: Tensor, expected: Tensor, l1_weight: float) -> GeneratorLoss:
    """The generator's loss: its photographs should pass for real and equal the expected ones.

    Args:
        logits: the discriminator's logits on the generated photographs.
        generated: generated photographs, in [-1, 1].
        expected: the real ones of the same masks, in [-1, 1].
        l1_weight: weight of the mean absolute error.
    """
    adversarial = functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    l1 = functional.l1_loss(generated, expected)
    return GeneratorLoss(adversarial, l1, adversarial + l1_weight * l1)
