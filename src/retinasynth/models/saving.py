"""The model folder: ``model.safetensors``, ``config.json`` and ``README.md`` (the model card). No pickle anywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import ConfigDict, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

import retinasynth
from retinasynth.config import GeneratorSettings, Plane, Resize, Section, Settings, label_channels, refuse_odd_size
from retinasynth.errors import ModelError
from retinasynth.files import atomic_path, write_json, write_text
from retinasynth.models.generators import build_generator

FORMAT = "retinasynth-model"
FORMAT_VERSION = 1
CONVENTIONS = {
    "input": "label masks, -1 outside and 1 inside, float32 (batch, channels, size_px, size_px): one channel for each "
    "plane in the order of `planes`, or a single plane repeated in `mask_channels`",
    "output": "RGB photograph, -1 black to 1 white, float32 (batch, 3, size_px, size_px); values beyond are cut off",
    "generation": "unet: batch normalisation with each picture's own statistics, dropout on and seeded; resize: group "
    "normalisation, no dropout, so the seed changes nothing",
}


class ModelConfig(Section):
    """What ``config.json`` holds: everything that is needed to build, load and run the generator.

    Attributes:
        format: always `FORMAT`.
        format_version: of this layout.
        retinasynth_version: that wrote it.
        preset: the preset that training started from.
        size_px: height and width that the generator was trained at.
        resize: how other shapes became square.
        planes: label planes that a photograph is made from, in the order of the channels.
        mask_channels: channels that a single plane is repeated in.
        generator: its shape.
        conventions: of the values in and out, in words.
        training: where it comes from: steps, epochs, number of pairs, data, licence, seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    retinasynth_version: str = retinasynth.__version__
    preset: str
    size_px: int
    resize: Resize = "stretch"  # of models from before there was a choice
    planes: tuple[Plane, ...] = ("vessels",)  # of models from before there was a choice
    mask_channels: int
    generator: GeneratorSettings
    conventions: Mapping[str, str] = CONVENTIONS
    training: Mapping[str, Any] = {}

    @property
    def label_channels(self) -> int:
        """Channels of what the generator is shown."""
        return label_channels(self.planes, self.mask_channels)

    @model_validator(mode="after")
    def _size_fits_depth(self) -> Self:
        refuse_odd_size(self.size_px, self.generator.depth)
        return self


@dataclass(frozen=True)
class Model:
    """A generator with what is needed to run it."""

    network: nn.Module
    config: ModelConfig


def contiguous_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a network, on the CPU and in the plain memory order that safetensors writes."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}


def save_model(folder: Path, network: nn.Module, settings: Settings, training: Mapping[str, Any]) -> None:
    """Write a model folder, each file atomically.

    Args:
        folder: made where missing.
        network: the generator.
        settings: of the run it comes from.
        training: facts for the model card (steps, pairs, data, ...), plain JSON values.

    Raises:
        OutputError: a file cannot be written.
    """
    config = ModelConfig(
        preset=settings.preset,
        size_px=settings.data.size_px,
        resize=settings.data.resize,
        planes=settings.data.planes,
        mask_channels=settings.data.mask_channels,
        generator=settings.generator,
        training={**training, "licence": settings.data.licence, "seed": settings.training.seed},
    )
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file(contiguous_state(network), temporary)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    write_text(folder / "README.md", _model_card(config))


def load_model(folder: Path) -> Model:
    """Build the generator of a model folder and load its weights.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of this package.
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
    config = _read_config(folder / "config.json")
    network = build_generator(config.label_channels, config.size_px, config.generator)
    try:
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()  # torch's first line only says that there are errors
        raise ModelError(
            f"{folder / 'model.safetensors'} does not hold the weights that config.json describes ({reason})",
            do="Copy the model folder again, all files of one model together",
        ) from error
    return Model(network.eval(), config)


def _read_config(path: Path) -> ModelConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error})", expected="JSON written by retinasynth") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ModelError(f"{path} is not of a retinasynth model", expected=f'"format": "{FORMAT}"')
    if values.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"{path} has format version {values.get('format_version')}",
            expected=f"version {FORMAT_VERSION}",
            do="Use the version of retinasynth that wrote it, or a newer one",
        )
    try:
        return ModelConfig.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise ModelError(f"{path} is incomplete or foreign ({name}: {problem['msg']})") from error


def _model_card(config: ModelConfig) -> str:
    facts = "\n".join(
        f"- {name.replace('_', ' ')}: {value}" for name, value in config.training.items() if value not in ("", None)
    )
    return f"""# A retinasynth generator: {", ".join(config.planes)} to fundus photograph

Preset `{config.preset}`, {config.size_px} x {config.size_px} pixels, U-Net ({config.generator.architecture}) of depth \
{config.generator.depth} with {config.generator.filters} filters. Written by retinasynth {config.retinasynth_version}.

```
retinasynth generate --model THIS_FOLDER --masks masks/ --out pictures/
```

## Training
{facts}

## Conventions
- in: {config.conventions["input"]}
- other shapes become square by: {config.resize}
- out: {config.conventions["output"]}
- {config.conventions["generation"]}

## Limits
The pictures are synthetic and not for diagnosis. A mask says little about colour and illumination: these come from
the training photographs, which the model may have memorised in part; whoever shares the model shares that too. Check
the licence of the training data.
"""
