"""Discriminators at several scales."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.networks.patchgan import PatchDiscriminator
from retinasynth.styled.settings import StyledDiscriminators


class MultiScaleDiscriminator(nn.Module):
    """Several patch discriminators: the first looks at a piece in full, each further one at all of it, half as large.

    Fine texture is judged by the first, what stands where by the others (Wang et al., "High-Resolution Image Synthesis
    and Semantic Manipulation with Conditional GANs", CVPR 2018, 3.2).

    Args:
        mask_channels: channels of what the photographs are judged with.
        settings: number and size of the discriminators.

    Shapes: mask ``(batch, mask_channels, size, size)``, photograph ``(batch, 3, size, size)``, and the upper left
    corner of the piece, row and column.
    """

    def __init__(self, mask_channels: int, settings: StyledDiscriminators) -> None:
        super().__init__()
        self.crop_px = settings.crop_px
        self.scales = nn.ModuleList(_Seeing(mask_channels, settings) for _ in range(settings.scales))

    def forward(self, mask: Tensor, photograph: Tensor, corner: tuple[int, int]) -> list[list[Tensor]]:
        """What each discriminator sees: the features of its steps, its logits last."""
        row, column = corner
        piece = (..., slice(row, row + self.crop_px), slice(column, column + self.crop_px))
        first, *others = self.scales
        looks: list[list[Tensor]] = [first(mask[piece], photograph[piece])]
        for discriminator in others:
            mask, photograph = functional.avg_pool2d(mask, 2), functional.avg_pool2d(photograph, 2)
            looks.append(discriminator(mask, photograph))
        return looks


class _Seeing(nn.Module):
    """A `PatchDiscriminator` that also tells what it saw on its way."""

    def __init__(self, mask_channels: int, settings: StyledDiscriminators) -> None:
        super().__init__()
        self.layers = PatchDiscriminator(mask_channels, settings.filters, settings.norm).layers

    def forward(self, mask: Tensor, photograph: Tensor) -> list[Tensor]:
        """The features of every step, the logits last."""
        features = torch.cat([mask, photograph], dim=1)
        steps = []
        for layer in self.layers:
            features = layer(features)
            if isinstance(layer, nn.LeakyReLU):
                steps.append(features)
        return [*steps, features]
