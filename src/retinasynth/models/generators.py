"""The generator: a mask in, a photograph out.

Source: the system described in docs/source.md; Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017, appendix 6.1.
"""

import torch
from torch import Tensor, nn

from retinasynth.config import GeneratorSettings
from retinasynth.models.layers import AlwaysDropout, BatchNorm

DROPOUT_STEPS = 3  # decoder steps, from the bottleneck on, that have dropout


class UNetGenerator(nn.Module):
    """U-Net from a mask to a photograph, both signed (in [-1, 1]).

    At 256 pixels, depth 8 and 64 filters this is the source's generator, 54.4 million parameters:
    encoder C64-C128-C256-C512-C512-C512-C512, bottleneck C512, decoder CD512-CD512-CD512-C512-C256-C128-C64.

    Args:
        mask_channels: channels of the mask.
        settings: filters, depth, dropout.

    Shapes: ``(batch, mask_channels, height, width)`` to ``(batch, 3, height, width)``; height and width are multiples
    of ``2 ** depth``.
    """

    def __init__(self, mask_channels: int, settings: GeneratorSettings) -> None:
        super().__init__()
        channels = [settings.filters * min(2**step, 8) for step in range(settings.depth)]
        *encoder_channels, bottleneck_channels = channels

        self.encoder = nn.ModuleList()
        before = mask_channels
        for step, after in enumerate(encoder_channels):
            self.encoder.append(EncoderStep(before, after, norm=step > 0))
            before = after
        self.bottleneck = nn.Sequential(_halve(before, bottleneck_channels), nn.ReLU())

        self.decoder = nn.ModuleList()
        before = bottleneck_channels
        for step, after in enumerate(reversed(encoder_channels)):
            self.decoder.append(DecoderStep(before, after, settings.dropout if step < DROPOUT_STEPS else 0.0))
            before = 2 * after  # its own features and the skip connection's
        self.output = nn.Sequential(_double(before, 3), nn.Tanh())

    def forward(self, mask: Tensor) -> Tensor:
        """The photograph of a mask; both in [-1, 1]."""
        skips = []
        features = mask
        for down in self.encoder:
            features = down(features)
            skips.append(features)
        features = self.bottleneck(features)  # (batch, 512, 1, 1) in the source
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            features = up(features, skip)
        photograph: Tensor = self.output(features)
        return photograph


class EncoderStep(nn.Module):
    """4x4 stride-2 convolution, batch normalisation (not in the first step), LeakyReLU 0.2."""

    def __init__(self, before: int, after: int, *, norm: bool) -> None:
        super().__init__()
        self.convolution = _halve(before, after)
        self.norm = BatchNorm(after) if norm else nn.Identity()
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, before, h, w)`` to ``(batch, after, h / 2, w / 2)``."""
        halved: Tensor = self.activation(self.norm(self.convolution(features)))
        return halved


class DecoderStep(nn.Module):
    """4x4 stride-2 transposed convolution, batch normalisation, dropout, the skip connection beside it, ReLU."""

    def __init__(self, before: int, after: int, dropout: float) -> None:
        super().__init__()
        self.convolution = _double(before, after)
        self.norm = BatchNorm(after)
        self.dropout = AlwaysDropout(dropout)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """``(batch, before, h, w)`` and the skip ``(batch, after, 2h, 2w)`` to ``(batch, 2 x after, 2h, 2w)``."""
        doubled = self.dropout(self.norm(self.convolution(features)))
        joined: Tensor = self.activation(torch.cat([doubled, skip], dim=1))
        return joined


def _halve(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1)


def _double(before: int, after: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1)
