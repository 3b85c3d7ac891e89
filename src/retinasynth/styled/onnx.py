"""A styled generator as an ONNX file, for programs without torch.

The file takes labels, style, detail and noise (`retinasynth.styled.network.StyledNetwork`) of any size that the
network can halve often enough, and any number of pictures. What else is needed to use it stands in its metadata:
``planes``, ``size_px``, ``depth``, ``styles`` and ``cameras`` (those of the training photographs) and their licence.
With it, ONNX Runtime and NumPy alone, docs/onnx.md generates a photograph.
"""

import copy
import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

import retinasynth
from retinasynth.errors import MissingExtraError, OutputError
from retinasynth.eye.style import NUMBERS
from retinasynth.files import atomic_path
from retinasynth.styled.model import Model
from retinasynth.styled.network import StyledNetwork

OPSET = 18


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
    if out.suffix != ".onnx":
        raise OutputError(f"`out` {out} is not an ONNX file", expected="NAME.onnx")
    if out.exists():
        raise OutputError(f"{out} exists already", do="Choose another `out`, or remove it first")
    try:
        import onnx  # noqa: PLC0415 - an extra
        import onnxscript  # noqa: F401, PLC0415 - torch's exporter wants it
    except ImportError as error:
        raise MissingExtraError("Exporting", "onnx") from error
    network = copy.deepcopy(model.network).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    exported = _exported(_Plain(network).eval(), model.config.size_px, 1 + len(model.config.planes))
    size, config = model.config.size_px, model.config
    file = exported.model_proto
    about = {
        "planes": json.dumps(["fov", *config.planes]),
        "size_px": str(size),
        "depth": str(config.generator.depth),
        "cameras": json.dumps([camera.model_dump() for camera in config.cameras]),
        "styles": json.dumps(network.styles.round(decimals=5).tolist()),
        "conventions": json.dumps(dict(config.conventions)),
        "licence_of_training_data": str(config.training.get("licence", "")),
        "retinasynth": retinasynth.__version__,
        "warning": "The pictures are synthetic and not for diagnosis",
    }
    onnx.helper.set_model_props(file, about)
    with atomic_path(out) as temporary:
        temporary.write_bytes(file.SerializeToString())


def _exported(plain: _Plain, size: int, channels: int) -> torch.onnx.ONNXProgram:
    network = plain.network
    sides = [size, *network.noise_sizes(size)]
    labels = torch.zeros(2, channels, size, size)
    noise = [torch.zeros(2, 1, side, side) for side in sides[1:]]
    batch, step = torch.export.Dim("batch", min=1), torch.export.Dim("step", min=1)
    coarsest = min(sides)
    free = [{0: batch, 2: side // coarsest * step, 3: side // coarsest * step} for side in sides]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, on its own ways
        program = torch.onnx.export(
            plain,
            (labels, torch.zeros(2, NUMBERS), torch.zeros(2, 1), *noise),
            dynamo=True,
            opset_version=OPSET,
            input_names=["labels", "style", "detail", *(f"noise_{number}" for number in range(len(noise)))],
            output_names=["photograph"],
            dynamic_shapes=(free[0], {0: batch}, {0: batch}, tuple(free[1:])),
            verbose=False,
        )
    if program is None:
        raise OutputError("torch could not export the network", do="Install the versions of constraints.txt")
    return program
