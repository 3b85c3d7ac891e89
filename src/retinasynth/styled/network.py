"""The generator that follows a style: a label map and a style in, a photograph out.

It begins with the smooth field of the style (`retinasynth.eye.style`), drawn where the camera sees, and adds what
the label map tells, at the texture of the style. Noise decides where the texture lies, so that one eye in one style has
many photographs. With ``detail`` 0 nothing is left to chance: the network was then taught the most likely photograph.

Sources: enlarging without a checkerboard as `generators.ResizeGenerator`; features scaled and shifted by a style
(Dumoulin et al., "A Learned Representation for Artistic Style", ICLR 2017; Perez et al., "FiLM", AAAI 2018) after group
normalisation; noise added in every step of the decoder (Karras et al., "A Style-Based Generator", CVPR 2019).
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.eye.appearance import powers
from retinasynth.eye.style import DEGREE, NUMBERS, TERMS, TEXTURES
from retinasynth.networks.layers import coordinates, group_norm, same_convolution
from retinasynth.styled.settings import GeneratorSettings

MOST_WIDENING = 12
_LEAST_DEVIATION, _LEAST_OF_TEXTURE = 1e-3, 0.1  # of a number of the style that hardly varies
_FURTHEST = 8.0  # deviations: what lies beyond was never seen
_CODE = 64  # numbers that a style is turned into
_ENTRY = "enter.0.weight"  # of what takes in the labels
_BESIDE = 5  # channels beside the labels: the smooth field of the style, row and column


class StyledNetwork(nn.Module):
    """U-Net from a label map and a style to a photograph.

    Args:
        label_channels: the field of view and the label planes.
        settings: filters and depth. Channels double with each halving, up to `MOST_WIDENING` times the filters.
        styles: how many styles of training photographs are kept with the weights.

    Attributes:
        styles: of the training photographs, ``(styles, NUMBERS)``; new ones are drawn from them.
        mean: of the styles that the network first learnt from, ``(NUMBERS,)``.
        deviation: likewise.

    Shapes: labels ``(batch, label_channels, size, size)``, -1 outside, 1 inside and 0 unknown, the field of view first;
    style ``(batch, NUMBERS)``; detail ``(batch, 1)``, 0 to 1; noise as `noise_sizes` says. Photographs ``(batch, 3,
    size, size)``, signed, black outside the field of view. Sizes are multiples of ``2 ** depth``.
    """

    styles: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, label_channels: int, settings: GeneratorSettings, styles: int) -> None:
        super().__init__()
        widths = [settings.filters * min(2**step, MOST_WIDENING) for step in range(settings.depth + 1)]
        steps = list(itertools.pairwise(widths))
        self.code = nn.Sequential(nn.Linear(NUMBERS + 1, _CODE), nn.SiLU(), nn.Linear(_CODE, _CODE), nn.SiLU())
        self.enter = nn.Sequential(same_convolution(label_channels + _BESIDE, widths[0]), nn.LeakyReLU(0.2))
        self.encoder = nn.ModuleList(_Down(fine, coarse) for fine, coarse in steps)
        self.bottom = _Styled(widths[-1], widths[-1])
        self.decoder = nn.ModuleList(_Up(coarse, fine) for coarse, fine in ((c, f) for f, c in reversed(steps)))
        self.output = same_convolution(widths[0], 3)
        self.register_buffer("styles", torch.zeros(styles, NUMBERS))
        self.register_buffer("mean", torch.zeros(NUMBERS))
        self.register_buffer("deviation", torch.ones(NUMBERS))

    def start_from(self, styles: Tensor) -> None:
        """Begin as the answer that ignores the labels: the smooth field of the style, with nothing added.

        Args:
            styles: of the training photographs, ``(styles, NUMBERS)``.
        """
        self.styles.copy_(styles)
        self.mean.copy_(styles.mean(dim=0))
        if len(styles) > 1:
            least = styles.new_full((NUMBERS,), _LEAST_DEVIATION)
            least[-TEXTURES:] = _LEAST_OF_TEXTURE
            self.deviation.copy_(torch.maximum(styles.std(dim=0), least))
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def learn_on_from(self, other: nn.Module, places: Sequence[int], *, keep_scale: bool) -> None:
        """Begin with the weights of another, of any size; the styles of the training photographs stay one's own.

        Args:
            other: a generator of the same shape, but for label channels that it lacks: these do nothing at first.
            places: which of one's own label channels each of its label channels is.
            keep_scale: mean and deviation of the styles stay one's own, too.
        """
        own = {"styles", "mean", "deviation"} if keep_scale else {"styles"}
        theirs = {name: tensor for name, tensor in other.state_dict().items() if name not in own}
        mine = self.state_dict()
        entry = torch.zeros_like(mine[_ENTRY])
        before = theirs[_ENTRY].to(entry)
        entry[:, list(places)] = before[:, : len(places)]
        entry[:, -_BESIDE:] = before[:, -_BESIDE:]
        self.load_state_dict({**mine, **theirs, _ENTRY: entry})

    def noise_sizes(self, size: int) -> list[int]:
        """Height and width of each layer of noise that a photograph of this size takes, coarsest first."""
        depth = len(self.encoder)
        return [size >> depth, *(size >> step for step in reversed(range(depth)) for _ in range(2))]

    def usual(self, style: Tensor) -> Tensor:
        """A style in deviations from the mean of those that the network first learnt from."""
        return ((style - self.mean) / self.deviation).clamp(-_FURTHEST, _FURTHEST)

    def forward(self, labels: Tensor, style: Tensor, detail: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """The photograph of a label map in a style; without `noise`, torch's random numbers are drawn."""
        if noise is None:
            shape = (len(labels), 1)
            noise = [labels.new_empty(*shape, size, size).normal_() for size in self.noise_sizes(labels.shape[-1])]
        layers = iter(noise)
        inside = (labels[:, :1] + 1) / 2
        places = coordinates(labels)
        drawn = canvas(style, places)
        usual = self.usual(style)
        textures = usual[:, -TEXTURES:] * detail
        code = self.code(torch.cat([usual[:, :-TEXTURES], textures, detail], dim=1))
        features = self.enter(torch.cat([labels, drawn * inside, places], dim=1))
        skips = []
        for down in self.encoder:
            skips.append(features)
            features = down(features)
        features = self.bottom(features, code, detail, next(layers))
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            features = up(features, skip, code, detail, (next(layers), next(layers)))
        photograph: Tensor = (drawn + self.output(features) + 1) * inside - 1
        return photograph


def canvas(style: Tensor, places: Tensor) -> Tensor:
    """The smooth field of a style over the whole frame, signed.

    Args:
        style: ``(batch, NUMBERS)``.
        places: rows and columns of a frame, -1 to 1, ``(batch, 2, height, width)``.

    Returns:
        ``(batch, 3, height, width)``.
    """
    rows, columns = places.float().unbind(dim=1)
    terms = torch.stack([rows**row * columns**column for row, column in powers(DEGREE)], dim=1)
    field = style.float()[:, : 3 * TERMS].reshape(-1, TERMS, 3)
    return torch.einsum("btc,bthw->bchw", field, terms).clamp(-1, 1)


class _Down(nn.Module):
    """One encoder step: half the size, twice the channels."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.halve = same_convolution(fine, coarse, stride=2)
        self.norm = group_norm(coarse)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, fine, h, w)`` to ``(batch, coarse, h / 2, w / 2)``."""
        halved: Tensor = functional.leaky_relu(self.norm(self.halve(features)), 0.2)
        return halved


class _Up(nn.Module):
    """One decoder step: coarse features, enlarged, meet the fine ones of the skip; both take on the style."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.coarse = same_convolution(coarse, fine)
        self.joined = _Styled(fine, fine)
        self.refined = _Styled(fine, fine)

    def forward(
        self, features: Tensor, skip: Tensor, code: Tensor, detail: Tensor, noise: tuple[Tensor, Tensor]
    ) -> Tensor:
        """``(batch, coarse, h, w)`` and the skip ``(batch, fine, 2h, 2w)`` to ``(batch, fine, 2h, 2w)``."""
        enlarged = functional.interpolate(self.coarse(features), scale_factor=2, mode="bilinear")
        joined: Tensor = self.joined(skip, code, detail, noise[0], beside=enlarged)
        refined: Tensor = joined + self.refined(joined, code, detail, noise[1])
        return refined


class _Styled(nn.Module):
    """Convolution, group normalisation, scale and shift by the style, noise, LeakyReLU 0.2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolution = same_convolution(before, after)
        self.norm = group_norm(after, affine=False)
        self.style = nn.Linear(_CODE, 3 * after)
        nn.init.zeros_(self.style.weight)
        nn.init.zeros_(self.style.bias)

    def forward(
        self, features: Tensor, code: Tensor, detail: Tensor, noise: Tensor, beside: Tensor | None = None
    ) -> Tensor:
        """``(batch, before, h, w)`` to ``(batch, after, h, w)``; what is beside is added before normalising."""
        features = self.convolution(features)
        normal = self.norm(features if beside is None else features + beside)
        scale, shift, strength = self.style(code).to(normal.dtype)[..., None, None].chunk(3, dim=1)
        strength = strength * detail[..., None, None].to(normal.dtype)
        # addcmul reads and writes each feature once where a sum of products would three times
        styled = torch.addcmul(torch.addcmul(shift, normal, 1 + scale), strength, noise.to(normal.dtype))
        return functional.leaky_relu(styled, 0.2, inplace=True)
