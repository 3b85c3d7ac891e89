"""From a photograph to label planes: networks of MONAI behind a normalisation that takes the camera out.

For comparison also the source's generator, read the other way: a photograph in, a mask out.
"""

import math

import torch
from monai.networks.nets.basic_unet import BasicUNet
from monai.networks.nets.segresnet import SegResNet
from torch import Tensor, nn
from torch.nn import functional

from retinasynth.networks.unet import UNetGenerator
from retinasynth.segmentation.settings import NetworkSettings, Normalisation

NEIGHBOURHOOD_PX = 32  # standard deviation of the window of the normalisation "local"
_REDUCTION = 8  # at which that window is measured
_LEAST_DEVIATION = 0.02  # of values in [0, 1]: what is flatter is not made noisy
_SUREST = 0.9999  # a mask in [-1, 1] beyond it would have no finite logit
_MOST = 4.0  # deviations from the mean


class SegmentationNetwork(nn.Module):
    """A network that sees a normalised photograph, and where its field of view is.

    Args:
        planes: how many are found.
        settings: architecture and width of the network.
        normalisation: see `normalised`.
    """

    def __init__(self, planes: int, settings: NetworkSettings, normalisation: Normalisation) -> None:
        super().__init__()
        self.normalisation: Normalisation = normalisation
        filters = settings.filters
        self.network: nn.Module
        self.is_translator = settings.architecture == "pix2pix"
        if self.is_translator:
            self.network = UNetGenerator(3, filters)
        elif settings.architecture == "unet":
            widths = [filters, 2 * filters, 4 * filters, 8 * filters, 16 * filters, filters]
            norm = (settings.norm, {"affine": True})
            self.network = _quick(BasicUNet(2, in_channels=4, out_channels=planes, features=widths, norm=norm))
        else:
            groups = ("GROUP", {"num_groups": math.gcd(8, filters)})
            self.network = SegResNet(
                spatial_dims=2, init_filters=filters, in_channels=4, out_channels=planes, norm=groups
            )

    def forward(self, pictures: Tensor, fields: Tensor) -> Tensor:
        """Logits of each plane.

        Args:
            pictures: ``float (batch, 3, height, width)`` in [0, 1]; height and width are multiples of 16.
            fields: ``float (batch, 1, height, width)``, 1 inside the field of view and 0 outside.

        Returns:
            ``float (batch, planes, height, width)``.
        """
        if self.is_translator:
            mask = self.network(2 * pictures - 1).mean(dim=1, keepdim=True)
            return 2 * torch.atanh(mask.clamp(-_SUREST, _SUREST))
        seen = normalised(pictures, fields, self.normalisation)
        logits: Tensor = self.network(torch.cat([seen, fields], dim=1))
        return logits


def _quick(network: BasicUNet) -> BasicUNet:
    """The same network, a fifth quicker on a processor: its sizes are even, and torch is slow to halve in bf16."""
    for down in (network.down_1, network.down_2, network.down_3, network.down_4):
        down.max_pooling = _Halved()
    for up in (network.upcat_1, network.upcat_2, network.upcat_3, network.upcat_4):
        up.is_pad = False
    return network


class _Halved(nn.Module):
    """The largest of each four pixels, as `torch.nn.MaxPool2d(2)`."""

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, channels, h, w)`` to ``(batch, channels, h / 2, w / 2)``."""
        rows = torch.maximum(features[..., ::2, :], features[..., 1::2, :])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])


def normalised(pictures: Tensor, fields: Tensor, kind: Normalisation) -> Tensor:
    """Each channel at mean 0 and deviation 1 inside the field of view; 0 outside.

    ``picture`` takes mean and deviation over the whole field, ``local`` around each pixel in a Gaussian window of
    `NEIGHBOURHOOD_PX`: what is left is independent of colour, pigmentation and illumination (as in M. Foracchia et
    al., Medical Image Analysis 9(3), 2005).

    Args:
        pictures: ``float (batch, 3, height, width)`` in [0, 1].
        fields: ``float (batch, 1, height, width)`` of 0 and 1.
        kind: of the two.
    """
    inside = pictures * fields
    if kind == "local":
        around = functional.avg_pool2d(
            torch.cat([inside, inside * pictures, fields], dim=1), _REDUCTION, ceil_mode=True, count_include_pad=False
        )
        sums = _blurred(around, NEIGHBOURHOOD_PX / _REDUCTION)
        mean, square = (part / sums[:, 6:].clamp_min(1e-3) for part in (sums[:, :3], sums[:, 3:6]))
        deviation = (square - mean**2).clamp_min(0).sqrt()
        size = pictures.shape[-2:]
        mean, deviation = (
            functional.interpolate(part, size, mode="bilinear", align_corners=False) for part in (mean, deviation)
        )
    else:
        count = fields.sum(dim=(2, 3), keepdim=True).clamp_min(1)
        mean = inside.sum(dim=(2, 3), keepdim=True) / count
        deviation = ((inside * pictures).sum(dim=(2, 3), keepdim=True) / count - mean**2).clamp_min(0).sqrt()
    return ((pictures - mean) / (deviation + _LEAST_DEVIATION)).clamp(-_MOST, _MOST) * fields


def _blurred(layers: Tensor, deviation_px: float) -> Tensor:
    """Gaussian smoothing of each layer ``(batch, layers, height, width)``, with zeros beyond the border."""
    reach = round(3 * deviation_px)
    offsets = torch.arange(-reach, reach + 1, dtype=layers.dtype, device=layers.device)
    kernel = torch.exp(-0.5 * (offsets / deviation_px) ** 2)
    count = layers.shape[1]
    row = (kernel / kernel.sum()).expand(count, 1, 1, -1)
    along = functional.conv2d(layers, row, padding=(0, reach), groups=count)
    return functional.conv2d(along, row.transpose(2, 3), padding=(reach, 0), groups=count)
