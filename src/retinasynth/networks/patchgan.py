"""The discriminator: is this photograph, with this mask, a real one? Judged patch by patch.

Source: the system described in docs/source.md; Isola et al., CVPR 2017, appendix 6.1.2, "PatchGAN".
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from retinasynth.networks.layers import BatchNorm
from retinasynth.settings import DiscriminatorNorm


class PatchDiscriminator(nn.Module):
    """PatchGAN C64-C128-C256-C512 with stride 2, then C512 and C1 with stride 1; 6.97 million parameters.

    Each output value is the logit that one patch of 142 x 142 pixels is real; the source's sigmoid is inside the
    loss (`retinasynth.training.adversary`), which is the same function and numerically safe.

    Args:
        mask_channels: channels of the mask; the photograph adds three.
        filters: channels after the first step.
        norm: of the inner steps: batch normalisation, kernels of spectral norm 1 instead, or none.

    Shapes: mask ``(batch, mask_channels, size, size)`` and photograph ``(batch, 3, size, size)`` to logits
    ``(batch, 1, size / 16, size / 16)``.
    """

    def __init__(self, mask_channels: int, filters: int = 64, norm: DiscriminatorNorm = "batch") -> None:
        super().__init__()
        self.norm = norm
        f = filters
        layers: list[nn.Module] = []
        before = mask_channels + 3
        for step, after in enumerate((f, 2 * f, 4 * f, 8 * f, 8 * f)):
            stride = 2 if step < 4 else 1
            layers.append(self._convolution(before, after, stride))
            if step > 0 and norm == "batch":
                layers.append(BatchNorm(after))
            layers.append(nn.LeakyReLU(0.2))
            before = after
        layers.append(self._convolution(before, 1, stride=1))
        self.layers = nn.Sequential(*layers)

    def _convolution(self, before: int, after: int, stride: int) -> nn.Module:
        convolution = SameConvolution(before, after, stride)
        return spectral_norm(convolution) if self.norm == "spectral" else convolution

    def forward(self, mask: Tensor, photograph: Tensor) -> Tensor:
        """Logits of "real", one for each patch."""
        logits: Tensor = self.layers(torch.cat([mask, photograph], dim=1))
        return logits


class SameConvolution(nn.Conv2d):
    """4x4 convolution with TensorFlow's "same" padding: one before and, with stride 1, two after."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__(before, after, kernel_size=4, stride=stride)
        self.margins = (1, 1, 1, 1) if stride == 2 else (1, 2, 1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, before, h, w)`` to ``(batch, after, h / stride, w / stride)``."""
        return super().forward(functional.pad(features, self.margins))
