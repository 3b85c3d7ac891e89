"""The generators: a mask in, a photograph out.

`UNetGenerator` is the source's (docs/source.md; Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017, appendix 6.1). `ResizeGenerator` is ours: lighter, and without the
source's checkerboard.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.networks.layers import coordinates, group_norm, same_convolution
from retinasynth.networks.unet import UNetGenerator
from retinasynth.pix2pix.settings import GeneratorSettings


def build_generator(mask_channels: int, size_px: int, settings: GeneratorSettings) -> nn.Module:
    """The generator from masks alone that the settings describe, with PyTorch's own initial weights."""
    if settings.architecture == "unet":
        return UNetGenerator(mask_channels, settings.filters, settings.depth, settings.dropout)
    return ResizeGenerator(mask_channels, size_px, settings)


MAX_WIDENING = 16


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


def _normalised(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, *_norm_and_activation(convolution.out_channels))


def _norm_and_activation(channels: int) -> nn.Sequential:
    return nn.Sequential(group_norm(channels), nn.LeakyReLU(0.2))
