"""The generators: a mask in, a photograph out.

`UNetGenerator` is the source's (docs/source.md; Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017, appendix 6.1). `ResizeGenerator` is ours: lighter, and without the
source's checkerboard.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.config import GeneratorSettings
from retinasynth.models.layers import AlwaysDropout, BatchNorm

DROPOUT_STEPS = 3  # decoder steps, from the bottleneck on, that have dropout


def build_generator(mask_channels: int, size_px: int, settings: GeneratorSettings) -> nn.Module:
    """The generator from masks alone that the settings describe, with PyTorch's own initial weights."""
    match settings.architecture:
        case "unet":
            return UNetGenerator(mask_channels, settings)
        case "resize":
            return ResizeGenerator(mask_channels, size_px, settings)
        case other:
            raise ValueError(f"{other} takes more than masks")


# --- The source's ------------------------------------------------------------------------------------------------


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


# --- Without a checkerboard --------------------------------------------------------------------------------------

MAX_WIDENING = 16
GROUP_CHANNELS = 8


class ResizeGenerator(nn.Module):
    """U-Net that starts from the mean training photograph and adds what the mask tells.

    Transposed convolutions write some pixels more often than others, which shows as a checkerboard (Odena, Dumoulin
    and Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016); here features are enlarged linearly, so each
    pixel is written alike and a ramp stays a ramp. Group normalisation (Wu and He, ECCV 2018)
    makes a picture independent of its batch. Two channels of coordinates (Liu et al., "CoordConv", NeurIPS 2018) tell
    it what stands where in the camera's picture.

    Args:
        mask_channels: channels of the mask.
        size_px: height and width of the photographs.
        settings: filters, depth, dropout. Channels double with each halving, up to `MAX_WIDENING` times the filters;
            dropout removes whole channels at the bottom while training, and never at generation.

    Attributes:
        canvas: the mean training photograph, signed, ``(3, size_px, size_px)``; `start_from` sets it. It is kept with
            the weights.

    Shapes: ``(batch, mask_channels, size_px, size_px)`` to ``(batch, 3, size_px, size_px)``. What is added to the
    canvas is not limited, so values may lie a little outside [-1, 1].
    """

    canvas: Tensor

    def __init__(self, mask_channels: int, size_px: int, settings: GeneratorSettings) -> None:
        super().__init__()
        widths = [settings.filters * min(2**step, MAX_WIDENING) for step in range(settings.depth + 1)]
        steps = list(itertools.pairwise(widths))
        self.enter = nn.Sequential(same_convolution(mask_channels + 2, widths[0]), nn.LeakyReLU(0.2))
        self.encoder = nn.ModuleList(_normalised(same_convolution(fine, coarse, stride=2)) for fine, coarse in steps)
        self.bottom = nn.Sequential(
            nn.Dropout2d(settings.dropout), _normalised(same_convolution(widths[-1], widths[-1]))
        )
        self.decoder = nn.ModuleList(_Joining(coarse, fine) for fine, coarse in reversed(steps))
        self.output = same_convolution(widths[0], 3)
        self.register_buffer("canvas", torch.zeros(3, size_px, size_px))

    def start_from(self, canvas: Tensor) -> None:
        """Begin as the answer that ignores the mask: this canvas, with nothing added.

        Args:
            canvas: signed, ``(3, size_px, size_px)``.
        """
        self.canvas.copy_(canvas)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(self, mask: Tensor) -> Tensor:
        """The photograph of a mask; both signed."""
        features = self.enter(torch.cat([mask, coordinates(mask)], dim=1))
        skips = []
        for down in self.encoder:
            skips.append(features)
            features = down(features)
        features = self.bottom(features)
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            features = up(features, skip)
        photograph: Tensor = self.canvas + self.output(features)
        return photograph


class _Joining(nn.Module):
    """One decoder step: coarse features, convolved and enlarged, meet the fine ones of the skip."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.coarse = same_convolution(coarse, fine)
        self.fine = same_convolution(fine, fine)
        self.normalised = _norm_and_activation(fine)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """``(batch, coarse, h, w)`` and the skip ``(batch, fine, 2h, 2w)`` to ``(batch, fine, 2h, 2w)``."""
        enlarged = functional.interpolate(self.coarse(features), scale_factor=2, mode="bilinear")
        joined: Tensor = self.normalised(enlarged + self.fine(skip))
        return joined


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


def _normalised(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, *_norm_and_activation(convolution.out_channels))


def _norm_and_activation(channels: int) -> nn.Sequential:
    return nn.Sequential(group_norm(channels), nn.LeakyReLU(0.2))


def group_norm(channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """Group normalisation of groups of `GROUP_CHANNELS`, or of more where the channels cannot be parted so."""
    return nn.GroupNorm(math.gcd(channels, max(1, channels // GROUP_CHANNELS)), channels, affine=affine)
