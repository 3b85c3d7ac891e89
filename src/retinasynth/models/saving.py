"""The model folder of a generator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from torch import nn

import retinasynth
from retinasynth.anatomy.style import NUMBERS
from retinasynth.config import (
    GeneratorSettings,
    Plane,
    Resize,
    Section,
    Settings,
    SizePx,
    Text,
    label_channels,
    refuse_odd_planes,
    refuse_odd_size,
    refuse_styled_planes,
)
from retinasynth.errors import ModelError
from retinasynth.models.folders import (
    FORMAT_VERSION,
    NOTHING,
    Training,
    load_network,
    read_config,
    training_facts,
    write_model_folder,
)
from retinasynth.models.generators import build_generator
from retinasynth.models.styled import StyledGenerator

FORMAT = "retinasynth-model"
CONVENTIONS = {
    "input": "label masks, -1 outside and 1 inside, float32 (batch, channels, size_px, size_px): one channel for each "
    "plane in the order of `planes`, or a single plane repeated in `mask_channels`",
    "output": "RGB photograph, -1 black to 1 white, float32 (batch, 3, size_px, size_px); values beyond are cut off",
    "generation": "unet: batch normalisation with each picture's own statistics, dropout on and seeded; resize: group "
    "normalisation, no dropout, so the seed changes nothing; styled: labels in the frame of the field of view, which "
    "is the first channel, 0 where a plane is unknown, in arteries and veins also at vessels that are in neither; a "
    f"style of {NUMBERS} numbers, detail and noise besides",
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
        styles: how many styles of training photographs the weights of a styled generator hold.
        style_numbers: of each.
        conventions: of the values in and out, in words.
        training: where it comes from: steps, epochs, number of pairs, data, licence, seed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    retinasynth_version: Text = retinasynth.__version__
    preset: Text
    size_px: SizePx
    resize: Resize = "stretch"  # of models from before there was a choice
    planes: tuple[Plane, ...] = Field(("vessels",), min_length=1)  # of models from before there was a choice
    mask_channels: Literal[1, 3]
    generator: GeneratorSettings
    styles: int = Field(0, ge=0, le=1_000_000)  # photographs of more eyes than anybody has
    style_numbers: int = Field(40, ge=1, le=1000)  # of models from before this was told
    conventions: Mapping[Text, Text] = CONVENTIONS
    training: Training = NOTHING

    @property
    def label_channels(self) -> int:
        """Channels of what the generator is shown."""
        return label_channels(self.planes, self.mask_channels)

    @property
    def is_styled(self) -> bool:
        """Whether the generator follows a style."""
        return self.generator.architecture == "styled"

    def share_showing(self, plane: str) -> float:
        """Share of the training pairs in which a plane was known; 0 where nothing tells."""
        known, pairs = self.training.get("known_planes"), self.training.get("pairs")
        if not isinstance(known, Mapping) or not isinstance(pairs, int) or pairs < 1:
            return 0.0
        return known.get(plane, 0) / pairs

    def build(self) -> nn.Module:
        """The generator, with PyTorch's own initial weights."""
        if self.is_styled:
            return StyledGenerator(1 + len(self.planes), self.generator, self.styles)
        return build_generator(self.label_channels, self.size_px, self.generator)

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        refuse_odd_size(self.size_px, self.generator.depth)
        refuse_odd_planes(self.planes, self.mask_channels)
        if self.is_styled:
            refuse_styled_planes(self.planes, self.mask_channels)
            if not self.styles:
                raise ValueError("styles is 0, but a styled generator draws new styles from those that it was taught")
        return self


@dataclass(frozen=True)
class Model:
    """A generator with what is needed to run it."""

    network: nn.Module
    config: ModelConfig


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
        styles=len(network.styles) if isinstance(network, StyledGenerator) else 0,
        style_numbers=NUMBERS,
        training={**training, "licence": settings.data.licence, "seed": settings.training.seed},
    )
    write_model_folder(folder, network, config, _model_card(config))


def load_model(folder: Path) -> Model:
    """Build the generator of a model folder and load its weights.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of this package.
    """
    folder = Path(folder)
    config = read_config(folder, ModelConfig, FORMAT)
    if config.is_styled and config.style_numbers != NUMBERS:
        raise ModelError(
            f"{folder} follows styles of {config.style_numbers} numbers",
            expected=f"{NUMBERS}, as this version of retinasynth measures",
            do="Train it again, or use the version that its README.md names",
        )
    return Model(load_network(folder, config.build), config)


def release(folder: Path, out: Path, measured: str = "") -> None:
    """Copy a model folder in half precision, as models are bundled.

    Args:
        folder: the model folder.
        out: the new one.
        measured: what is added to the model card, in Markdown.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of this package.
        OutputError: a file cannot be written.
    """
    model = load_model(folder)
    config = model.config.model_copy(update={"conventions": CONVENTIONS})
    write_model_folder(out, model.network, config, _model_card(config) + measured, half=True)


def _model_card(config: ModelConfig) -> str:
    return f"""# A retinasynth generator: {", ".join(config.planes)} to fundus photograph

Preset `{config.preset}`, {config.size_px} x {config.size_px} pixels, U-Net ({config.generator.architecture}) of depth \
{config.generator.depth} with {config.generator.filters} filters. Written by retinasynth {config.retinasynth_version}.

```
retinasynth generate --model THIS_FOLDER --masks masks/ --out pictures/
```

## Training
{training_facts(config.training)}

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
