"""The U-Net of the published system (docs/source.md; Isola et al., CVPR 2017, appendix 6.1)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.networks.layers import AlwaysDropout, BatchNorm

DROPOUT_STEPS = 3  # decoder steps, from the bottleneck on, that have dropout


class UNetGenerator(nn.Module):
    """U-Net from a mask to a photograph, both signed (in [-1, 1]).

    At 256 pixels, depth 8 and 64 filters this is the source's generator, 54.4 million parameters:
    encoder C64-C128-C256-C512-C512-C512-C512, bottleneck C512, decoder CD512-CD512-CD512-C512-C256-C128-C64.

    Args:
        mask_channels: channels of the mask.
        filters: channels after the first encoder step.
        depth: stride-2 steps down to the bottleneck.
        dropout: rate in the first three decoder steps, on at generation too.

    Shapes: ``(batch, mask_channels, height, width)`` to ``(batch, 3, height, width)``; height and width are multiples
    of ``2 ** depth``.
    """

    def __init__(self, mask_channels: int, filters: int = 64, depth: int = 8, dropout: float = 0.5) -> None:
        super().__init__()
        channels = [filters * min(2**step, 8) for step in range(depth)]
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
            self.decoder.append(DecoderStep(before, after, dropout if step < DROPOUT_STEPS else 0.0))
            before = 2 * after  # its own features and the skip connection's
        self.output = nn.Sequential(DoublingConvolution(before, 3), nn.Tanh())

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
        self.convolution = DoublingConvolution(before, after)
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


class DoublingConvolution(nn.ConvTranspose2d):
    """4x4 transposed convolution with stride 2; on a CPU as one product of matrices where pictures are tiny.

    Deep down there are far more weights than pixels, and what takes the time is bringing the kernels into the order
    that a convolution wants them in. A product takes them as they lie; `fold` then adds up what overlaps. A third to a
    half of the time at up to `MOST_PIXELS`.
    """

    MOST_PIXELS = 64

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, kernel_size=4, stride=2, padding=1)

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        """``(batch, before, h, w)`` to ``(batch, after, 2h, 2w)``."""
        batch, channels, height, width = features.shape
        plain = self.weight.is_contiguous() and features.device.type == "cpu"
        if not plain or height * width > self.MOST_PIXELS or self.bias is None:
            return super().forward(features, output_size)
        products = self.weight.reshape(channels, -1).t() @ features.reshape(batch, channels, height * width)
        return functional.fold(
            products, (2 * height, 2 * width), kernel_size=4, stride=2, padding=1
        ) + self.bias.reshape(-1, 1, 1)
