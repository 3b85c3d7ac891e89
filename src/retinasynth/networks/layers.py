"""Layers in which the source differs from PyTorch's defaults, and those of networks without a checkerboard."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.settings import Initialisation

GROUP_CHANNELS = 8  # in a group that is normalised together


class BatchNorm(nn.Module):
    """Batch normalisation that always normalises with the statistics of what it is given.

    In training mode these are the statistics of the whole batch. In evaluation mode they are those of each picture
    alone, so that a picture does not depend on which others are generated with it. With one picture the two are the
    same: that is how the source trains (batch size 1) and how it generates. There are no running averages: the
    source never uses them. ``eps`` is Keras' 1e-3.

    Shapes: ``(batch, channels, height, width)`` in and out, with more than one value per channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise, then scale and shift each channel."""
        if self.training or len(features) == 1:
            return functional.batch_norm(features, None, None, self.weight, self.bias, training=True, eps=1e-3)
        return functional.instance_norm(features, None, None, self.weight, self.bias, eps=1e-3)


class AlwaysDropout(nn.Module):
    """Dropout that stays on in evaluation mode: at generation it is the source's only noise (Isola 2017, 3.1)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, features: Tensor) -> Tensor:
        """Set features to zero with probability `rate` and scale the others by ``1 / (1 - rate)``."""
        return functional.dropout(features, self.rate, training=True) if self.rate else features


def initialise(network: nn.Module, scheme: Initialisation) -> None:
    """Draw the weights of every convolution anew; biases become 0.

    Args:
        network: changed in place.
        scheme: ``normal`` is N(0, 0.02), the source's; ``glorot`` (Glorot 2010) and ``he`` (He 2015) are uniform.
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        weight = dict(module.named_parameters()).get("parametrizations.weight.original", module.weight)
        if scheme == "normal":
            nn.init.normal_(weight, 0.0, 0.02)
        elif scheme == "glorot":
            nn.init.xavier_uniform_(weight)
        else:  # PyTorch stores transposed kernels as (in, out, ...), so their inputs are its "fan out"
            transposed = isinstance(module, nn.ConvTranspose2d)
            nn.init.kaiming_uniform_(weight, mode="fan_out" if transposed else "fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def coordinates(like: Tensor) -> Tensor:
    """Row and column of each pixel, from -1 to 1: ``(batch, 2, height, width)``."""
    batch, _, height, width = like.shape
    rows, columns = (
        torch.arange(side, device=like.device).to(like.dtype) * (2 / (side - 1)) - 1 for side in (height, width)
    )
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(batch, 2, height, width)


def same_convolution(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution that keeps height and width, or halves them with stride 2."""
    return nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1)


def group_norm(channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """Group normalisation of groups of `GROUP_CHANNELS`, or of more where the channels cannot be parted so."""
    return nn.GroupNorm(math.gcd(channels, max(1, channels // GROUP_CHANNELS)), channels, affine=affine)
