"""From a degraded photograph to a better one: a small residual U-Net, and the one way to run it on any size."""

import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.enhancement.degradation import Told, enlarged, with_told
from retinasynth.enhancement.settings import HALVINGS, EnhancerNetworkSettings
from retinasynth.images import Photograph, photograph_from_signed, signed_from_photograph
from retinasynth.networks.running import evaluated, finite, in_bf16

DETAIL_GAIN = 16.0  # what is to be restored is small beside the colour of a retina; unscaled, little is learnt
NEIGHBOURHOOD_PX = 15  # whose mean is no detail
TILE_PX = 1024  # what is shown to the network at once, with its margins
_STEP = 2**HALVINGS
_SLOPE = 0.1  # of activations below 0: without one, whole layers of a network without normalisation fall silent
_RESIDUAL = 0.1  # of the answer of a block, which keeps early steps from running away (Lim et al., 3.3)


class EnhancementNetwork(nn.Module):
    """Predicts what a photograph lacks; it starts as the identity, or as the interpolation that it is given.

    A residual U-Net without normalisation (B. Lim et al., "Enhanced Deep Residual Networks for Single Image
    Super-Resolution", CVPR-W 2017, 3.1), so that what it does at a pixel depends on what lies within `reach` of it and
    on nothing else. It enlarges by interpolation before a convolution, and its last word is spoken pixel by pixel at
    full resolution, next to the photograph itself, so no checkerboard can arise (A. Odena et al., "Deconvolution and
    Checkerboard Artifacts", Distill 2016). It sees the local mean of a photograph and, enlarged `DETAIL_GAIN` times,
    what differs from it. What is known of the photograph scales and shifts its features (E. Perez et al., "FiLM",
    AAAI 2018): to smooth what is noisy and to sharpen what was enlarged pull the same weights in opposite ways.

    Args:
        settings: filters and blocks.

    Shapes: ``(batch, 6, height, width)`` in, photographs in [-1, 1] and what is known of each (`with_told`), to
    ``(batch, 3, height, width)``; height and width are multiples of 8.
    """

    def __init__(self, settings: EnhancerNetworkSettings) -> None:
        super().__init__()
        f = settings.filters
        self.blocks = settings.blocks
        widths = (f // 2, f, 2 * f, 3 * f)  # at full, half, a quarter and an eighth of the resolution
        self.first = nn.Conv2d(6, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.LeakyReLU(_SLOPE),
                *(ResidualBlock(after) for _ in range(settings.blocks)),
            )
            for before, after in itertools.pairwise(widths)
        )
        self.narrow = nn.ModuleList(nn.Conv2d(before, after, 1) for after, before in itertools.pairwise(widths))
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(_SLOPE), ResidualBlock(width))
            for width in widths[:-1]
        )
        self.down_told = nn.ModuleList(_Modulation(width) for width in widths[1:])
        self.up_told = nn.ModuleList(_Modulation(width) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    @property
    def reach(self) -> int:
        """How far away, in pixels, a pixel can change the result at another one; rounded up to whole cells of 8."""
        down = sum((4 * self.blocks + 1) * 2**level for level in range(HALVINGS))
        up = sum(5 * 2**level for level in range(HALVINGS))  # three convolutions, and the interpolation
        return int(_STEP * ((2 + down + up + NEIGHBOURHOOD_PX // 2) // _STEP + 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures with what they lack added; not cut off at the ends of the range."""
        photographs, facts = pictures[:, :3], _facts(pictures[:, 3:, 0, 0])
        mean = _mean_along(_mean_along(photographs, (NEIGHBOURHOOD_PX, 1)), (1, NEIGHBOURHOOD_PX))
        features = self.first(torch.cat([DETAIL_GAIN * (photographs - mean), mean], dim=1))
        kept = []
        for down, modulate in zip(self.down, self.down_told, strict=True):
            kept.append(features)
            features = modulate(down(features), facts)
        steps = zip(self.narrow, self.up, self.up_told, kept, strict=True)
        for narrow, up, modulate, skip in reversed(list(steps)):
            larger = functional.interpolate(narrow(features), scale_factor=2, mode="bilinear", align_corners=False)
            features = modulate(up(larger + skip), facts)
        lacking: Tensor = self.last(features)
        return photographs + lacking.to(pictures.dtype) / DETAIL_GAIN


_FACTS = 7


def _facts(told: Tensor) -> Tensor:
    """What is known (`with_told`), ``(batch, 3)``, as 1 or 0 of each fact: three scales, noise, none, blur, none.

    Where nobody knows of noise, it is neither there nor missing; likewise blur.
    """
    scale, noise, blur = told.unbind(dim=1)
    facts = [scale == 0, scale == 0.5, scale == 1, noise > 0, noise < 0, blur > 0, blur < 0]
    return torch.stack(facts, dim=1).to(told.dtype)


class _Modulation(nn.Module):
    """Features scaled and shifted by what is known; at first they stay as they are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(_FACTS, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, facts: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` in and out; facts ``(batch, _FACTS)``."""
        gain, shift = self.linear(facts)[..., None, None].chunk(2, dim=1)
        modulated: Tensor = features * (1 + gain) + shift
        return modulated


def _mean_along(pictures: Tensor, window: tuple[int, int]) -> Tensor:
    """The mean of a window around each pixel; what lies outside the picture does not count."""
    padding = (window[0] // 2, window[1] // 2)
    return functional.avg_pool2d(pictures, window, stride=1, padding=padding, count_include_pad=False)


class ResidualBlock(nn.Module):
    """Two convolutions whose answer is added to what they are given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.two = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` in and out."""
        answer: Tensor = features + _RESIDUAL * self.two(functional.leaky_relu(self.one(features), _SLOPE))
        return answer


def enhanced(
    network: EnhancementNetwork, photograph: Photograph, told: Told | None = None, *, tile_px: int = TILE_PX
) -> Photograph:
    """What the network makes of a photograph of any size.

    Large ones are seen in tiles that overlap by more than the network's reach, and of each tile only what is not within
    reach of its cut edges is kept: the result is that of the whole photograph, without seams. In bf16 where the
    hardware computes it.

    Args:
        network: on any device; its mode is put back afterwards.
        photograph: ``uint8 (height, width, 3)``.
        told: what is known of it; where it is to become larger, that is first done by bicubic interpolation.
        tile_px: height and width of a tile with its margins, rounded down to a multiple of 8.

    Returns:
        ``uint8 (scale x height, scale x width, 3)``.
    """
    told = told or Told()
    photograph = enlarged(photograph, told.scale)
    height, width = photograph.shape[:2]
    padding = [(0, -side % _STEP) for side in (height, width)]
    whole = np.pad(photograph, (*padding, (0, 0)), mode="edge")
    result = np.empty_like(whole)
    margin = network.reach
    inner = max(_STEP, tile_px // _STEP * _STEP - 2 * margin)
    with evaluated(network) as weight, in_bf16(weight.device):
        for rows in _tiles(whole.shape[0], inner, margin):
            for columns in _tiles(whole.shape[1], inner, margin):
                tile = with_told(signed_from_photograph(whole[rows.seen, columns.seen]), told)
                answer = finite(network(torch.from_numpy(tile).to(weight)[None])[0])
                result[rows.kept, columns.kept] = photograph_from_signed(answer)[rows.inside, columns.inside]
    return np.ascontiguousarray(result[:height, :width])


class _Tile(NamedTuple):
    """Part of a side: what the network sees, what is kept, and where that lies in what it sees."""

    seen: slice
    kept: slice
    inside: slice


def _tiles(side: int, inner: int, margin: int) -> list[_Tile]:
    """A side in tiles; one that fits is a single tile."""
    if side <= inner + 2 * margin:
        return [_Tile(slice(side), slice(side), slice(side))]
    tiles = []
    for start in range(0, side, inner):
        stop = min(start + inner, side)
        first, last = max(0, start - margin), min(side, stop + margin)
        tiles.append(_Tile(slice(first, last), slice(start, stop), slice(start - first, stop - first)))
    return tiles
