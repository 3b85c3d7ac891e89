"""Networks as ONNX files, for programs without torch."""

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import retinasynth
from retinasynth.errors import MissingExtraError, OutputError
from retinasynth.files import atomic_path

OPSET = 18


def write_onnx(
    out: Path,
    network: nn.Module,
    inputs: Sequence[tuple[str, Tensor]],
    output: str,
    free: tuple[Any, ...],
    about: Mapping[str, object],
) -> None:
    """Write a network as an ONNX file.

    Args:
        out: the file, ``NAME.onnx``; must not exist.
        network: stays as it is; what is written is a copy in single precision.
        inputs: names, and tensors of shapes that it takes.
        output: its name.
        free: which dimensions of the inputs are free, as `torch.onnx.export` takes them.
        about: the metadata; what is no text is written as JSON.

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
    plain = copy.deepcopy(network).cpu().float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, on its own ways
        program = torch.onnx.export(
            plain.eval(),
            tuple(tensor for _, tensor in inputs),
            dynamo=True,
            opset_version=OPSET,
            input_names=[name for name, _ in inputs],
            output_names=[output],
            dynamic_shapes=free,
            verbose=False,
        )
    if program is None:
        raise OutputError("torch could not export the network", do="Install the versions of constraints.txt")
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    file = program.model_proto
    onnx.helper.set_model_props(file, texts | {"retinasynth": retinasynth.__version__})
    with atomic_path(out) as temporary:
        temporary.write_bytes(file.SerializeToString())
