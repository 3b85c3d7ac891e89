"""A styled generator as an ONNX file, for programs without torch.

The file takes labels, style, detail and noise (`retinasynth.styled.network.StyledNetwork`) of any size that the
network can halve often enough, and any number of pictures. What else is needed to use it stands in its metadata:
``planes``, ``size_px``, ``depth``, ``styles`` and ``cameras`` (those of the training photographs) and their licence.
With it, ONNX Runtime and NumPy alone, docs/onnx.md generates a photograph.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from retinasynth.eye.style import NUMBERS
from retinasynth.networks.onnx import write_onnx
from retinasynth.styled.model import Model
from retinasynth.styled.network import StyledNetwork


class _Plain(nn.Module):
    """The generator with one input for each layer of noise, as ONNX wants it."""

    def __init__(self, network: StyledNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, labels: Tensor, style: Tensor, detail: Tensor, *noise: Tensor) -> Tensor:
        photograph: Tensor = self.network(labels, style, detail, noise)
        return photograph


def export_onnx(model: Model, out: Path) -> None:
    """Write a styled generator as an ONNX file.

    Args:
        model: the generator.
        out: the file, ``NAME.onnx``; must not exist.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        OutputError: `out` exists already, is no ``.onnx``, or cannot be written.
    """
    network, config, size = model.network, model.config, model.config.size_px
    sides = [size, *network.noise_sizes(size)]
    batch, step = torch.export.Dim("batch", min=1), torch.export.Dim("step", min=1)
    coarsest = min(sides)
    free = [{0: batch, 2: side // coarsest * step, 3: side // coarsest * step} for side in sides]
    write_onnx(
        out,
        _Plain(network),
        [
            ("labels", torch.zeros(2, 1 + len(config.planes), size, size)),
            ("style", torch.zeros(2, NUMBERS)),
            ("detail", torch.zeros(2, 1)),
            *((f"noise_{number}", torch.zeros(2, 1, side, side)) for number, side in enumerate(sides[1:])),
        ],
        "photograph",
        (free[0], {0: batch}, {0: batch}, tuple(free[1:])),
        {
            "planes": ["fov", *config.planes],
            "size_px": size,
            "depth": config.generator.depth,
            "cameras": [camera.model_dump() for camera in config.cameras],
            "styles": network.styles.float().cpu().round(decimals=5).tolist(),
            "conventions": dict(config.conventions),
            "licence_of_training_data": str(config.training.get("licence", "")),
            "warning": "The pictures are synthetic and not for diagnosis",
        },
    )
