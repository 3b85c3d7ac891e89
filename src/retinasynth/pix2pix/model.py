"""The model folder of pix2pix."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator
from torch import nn

from retinasynth.pix2pix.network import build_generator
from retinasynth.pix2pix.settings import GeneratorSettings, Settings, label_channels, refuse_odd_planes
from retinasynth.settings import Resize, Text, refuse_odd_size
from retinasynth.training.model_folder import (
    GeneratorConfig,
    load_network,
    read_config,
    training_facts,
    write_model_folder,
)
from retinasynth.training.model_folder import Model as ModelOf

CONVENTIONS = {
    "input": "label masks, -1 outside and 1 inside, float32 (batch, channels, size_px, size_px): one channel for each "
    "plane in the order of `planes`, or a single plane repeated in `mask_channels`",
    "output": "RGB photograph, -1 black to 1 white, float32 (batch, 3, size_px, size_px); values beyond are cut off",
    "generation": "unet: batch normalisation with each picture's own statistics, dropout on and seeded; resize: group "
    "normalisation, no dropout, so the seed changes nothing",
}


class Config(GeneratorConfig):
    """What ``config.json`` holds: everything that is needed to build, load and run the generator.

    Attributes:
        resize: how other shapes became square.
        mask_channels: channels that a single plane is repeated in.
        generator: its shape.
    """

    retired: ClassVar[frozenset[str]] = frozenset({"styles", "style_numbers"})

    resize: Resize = "stretch"  # of models from before there was a choice
    mask_channels: Literal[1, 3]
    generator: GeneratorSettings
    conventions: Mapping[Text, Text] = CONVENTIONS

    @property
    def label_channels(self) -> int:
        """Channels of what the generator is shown."""
        return label_channels(self.planes, self.mask_channels)

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        refuse_odd_size(self.size_px, self.generator.depth)
        refuse_odd_planes(self.planes, self.mask_channels)
        return self


Model = ModelOf[nn.Module, Config]


def save_model(folder: Path, network: nn.Module, settings: Settings, training: Mapping[str, Any]) -> None:
    """Write the model folder of a run (`write_model_folder`); `training` are facts for its card, plain JSON values."""
    config = Config(
        preset=settings.preset,
        size_px=settings.data.size_px,
        resize=settings.data.resize,
        planes=settings.data.planes,
        mask_channels=settings.data.mask_channels,
        generator=settings.generator,
        training={**training, "licence": settings.data.licence, "seed": settings.training.seed},
    )
    write_model_folder(folder, network, config, _model_card(config), half=False)


def load_model(folder: Path) -> Model:
    """Build the generator of a model folder and load its weights.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of this package.
    """
    config = read_config(folder, Config)
    network = load_network(folder, lambda: build_generator(config.label_channels, config.size_px, config.generator))
    return Model(network, config)


def _model_card(config: Config) -> str:
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
