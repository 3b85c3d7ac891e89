"""Model folders: ``model.safetensors``, ``config.json`` and ``README.md`` (the model card). No pickle anywhere.

What generators and segmenters have in common; `saving` and `segmenter_saving` know what stands in their files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from retinasynth.config import Section
from retinasynth.errors import ModelError
from retinasynth.files import atomic_path, write_json, write_text

FORMAT_VERSION = 1

Config = TypeVar("Config", bound=Section)


def contiguous_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a network, on the CPU and in the plain memory order that safetensors writes."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def write_model_folder(folder: Path, network: nn.Module, config: Section, card: str, *, half: bool = False) -> None:
    """Write a model folder, each file atomically.

    Args:
        folder: made where missing.
        network: whose weights are kept.
        config: everything needed to build, load and run it.
        card: the model card, in Markdown.
        half: keep the weights in half precision (float16), in half the space.

    Raises:
        OutputError: a file cannot be written.
    """
    state = contiguous_state(network)
    if half:
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(state, temporary)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_text(folder / "README.md", card)


def format_of(folder: Path) -> str:
    """Which kind of model a folder holds, by the ``format`` in its ``config.json``.

    Raises:
        ModelError: it is no model folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(
            f"{folder} is {'a file' if folder.exists() else 'missing'}", expected="a model folder or a run folder"
        )
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"{folder} has no {' and no '.join(missing)}", expected="a folder written by `retinasynth train`"
        )
    return str(_read(folder / "config.json").get("format"))


def read_config(folder: Path, kind: type[Config], form: str) -> Config:
    """The configuration in a model folder.

    Args:
        folder: as `format_of` takes it.
        kind: of the configuration.
        form: the ``format`` that is expected.

    Raises:
        ModelError: it is missing, damaged, of another kind or of another version.
    """
    found = format_of(folder)
    path = folder / "config.json"
    if found != form:
        raise ModelError(f"{path} is not of a {form.replace('-', ' ')}", expected=f'"format": "{form}"')
    values = _read(path)
    if values.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path} has format version {values.get('format_version')}",
            expected=f"version {FORMAT_VERSION}",
            do="Use the version of retinasynth that wrote it, or a newer one",
        )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise ModelError(f"{path} is incomplete or foreign ({name}: {problem['msg']})") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error})", expected="JSON written by retinasynth") from error
    return values if isinstance(values, dict) else {}


def load_weights(folder: Path, network: nn.Module) -> None:
    """Copy the weights of a model folder into a network.

    Raises:
        ModelError: they are damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()  # torch's first line only says that there are errors
        raise ModelError(
            f"{folder / 'model.safetensors'} does not hold the weights that config.json describes ({reason})",
            do="Copy the model folder again, all files of one model together",
        ) from error


def training_facts(training: Mapping[str, Any]) -> str:
    """What a model card says of the training, as a list."""
    said = {
        name: ", ".join(f"{what} {count}" for what, count in value.items()) if isinstance(value, Mapping) else value
        for name, value in training.items()
    }
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in said.items() if value not in ("", None))
