"""The model folder of a styled generator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from retinasynth.errors import ModelError
from retinasynth.eye.camera import Camera
from retinasynth.eye.style import NUMBERS
from retinasynth.settings import Text, refuse_odd_size
from retinasynth.styled.network import StyledNetwork
from retinasynth.styled.settings import GeneratorSettings, Settings, refuse_odd_planes
from retinasynth.training.model_folder import (
    GeneratorConfig,
    load_network,
    read_config,
    training_facts,
    write_model_folder,
)
from retinasynth.training.model_folder import Model as ModelOf

CONVENTIONS = {
    "input": "label planes in the frame of the field of view, -1 outside, 1 inside and 0 where a plane is unknown, in "
    "arteries and veins also at vessels that are in neither; float32 (batch, 1 + planes, size_px, size_px): the field "
    f"of view first, then a channel for each plane in the order of `planes`; a style of {NUMBERS} numbers, detail and "
    "noise besides",
    "output": "RGB photograph, -1 black to 1 white, float32 (batch, 3, size_px, size_px); values beyond are cut off",
}


class Config(GeneratorConfig):
    """What ``config.json`` holds: everything that is needed to build, load and run the generator.

    Attributes:
        generator: its shape.
        styles: how many styles of training photographs are with the weights.
        style_numbers: of each.
        cameras: that the training photographs were taken with; none of models of release 0.1.
    """

    retired: ClassVar[frozenset[str]] = frozenset({"resize", "mask_channels"})

    generator: GeneratorSettings
    styles: int = Field(ge=0, le=1_000_000)  # photographs of more eyes than anybody has
    style_numbers: int = Field(40, ge=1, le=1000)  # of models from before this was told
    cameras: tuple[Camera, ...] = Field((), max_length=64)
    conventions: Mapping[Text, Text] = CONVENTIONS

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        refuse_odd_size(self.size_px, self.generator.depth)
        refuse_odd_planes(self.planes)
        if not self.styles:
            raise ValueError("styles is 0, but a styled generator draws new styles from those that it was taught")
        return self


Model = ModelOf[StyledNetwork, Config]


def save_model(
    folder: Path,
    network: StyledNetwork,
    settings: Settings,
    training: Mapping[str, Any],
    cameras: tuple[Camera, ...] = (),
) -> None:
    """Write the model folder of a run (`write_model_folder`).

    Args:
        folder: made where missing.
        network: the generator.
        settings: of the run.
        training: facts for the model card, plain JSON values.
        cameras: that the training photographs were taken with.
    """
    config = Config(
        preset=settings.preset,
        size_px=settings.data.size_px,
        planes=settings.data.planes,
        generator=settings.generator,
        styles=len(network.styles),
        style_numbers=NUMBERS,
        cameras=cameras,
        training={**training, "licence": settings.data.licence, "seed": settings.training.seed},
    )
    write_model_folder(folder, network, config, _model_card(config), half=False)


def load_model(folder: Path) -> Model:
    """Build the generator of a model folder and load its weights.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of this package.
    """
    config = read_config(folder, Config)
    if config.style_numbers != NUMBERS:
        raise ModelError(
            f"{folder} follows styles of {config.style_numbers} numbers",
            expected=f"{NUMBERS}, as this version of retinasynth measures",
            do="Train it again, or use the version that its README.md names",
        )
    network = load_network(folder, lambda: StyledNetwork(1 + len(config.planes), config.generator, config.styles))
    return Model(network, config)


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


def _model_card(config: Config) -> str:
    return f"""# A retinasynth generator: {", ".join(config.planes)} to fundus photograph, in a style

Preset `{config.preset}`, {config.size_px} x {config.size_px} pixels, styled U-Net of depth {config.generator.depth} \
with {config.generator.filters} filters. Written by retinasynth {config.retinasynth_version}.

```
retinasynth generate --model THIS_FOLDER --masks masks/ --out pictures/
```

## Training
{training_facts(config.training)}

## Conventions
- in: {config.conventions["input"]}
- out: {config.conventions["output"]}

## Limits
The pictures are synthetic and not for diagnosis. Colour, illumination and texture come from the training photographs,
which the model may have memorised in part; whoever shares the model shares that too. Check the licence of the training
data.
"""
