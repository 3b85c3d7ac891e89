"""The model folder of an enhancer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from retinasynth.enhancement.network import EnhancementNetwork
from retinasynth.enhancement.settings import DegradationSettings, EnhancerNetworkSettings, EnhancerSettings
from retinasynth.settings import Text
from retinasynth.training.model_folder import (
    Model,
    ModelConfig,
    load_network,
    read_config,
    training_facts,
    write_model_folder,
)

CONVENTIONS = {
    "input": "RGB photograph, -1 black to 1 white, enlarged by bicubic interpolation where it is to become larger; a "
    "layer of 0, 0.5 or 1 where it was enlarged 1, 2 or 4 times; a layer for noise and one for blur, 1 with it, -1 "
    "without, 0 unknown; float32 (batch, 6, height, width), height and width multiples of 8",
    "output": "RGB photograph, float32 (batch, 3, height, width); values beyond -1 and 1 are cut off",
}


class EnhancerConfig(ModelConfig):
    """What ``config.json`` holds: everything that is needed to build, load and run an enhancer.

    Attributes:
        network: its shape.
        degradation: what it learnt to undo.
    """

    format: str = "retinasynth-enhancer"
    network: EnhancerNetworkSettings
    degradation: DegradationSettings
    conventions: Mapping[Text, Text] = CONVENTIONS

    @classmethod
    def of(cls, settings: EnhancerSettings, training: Mapping[str, Any]) -> Self:
        """The configuration of the model of a run."""
        return cls(
            preset=settings.preset,
            network=settings.network,
            degradation=settings.degradation,
            training={**training, "licence": settings.data.licence, "seed": settings.training.seed},
        )


EnhancerModel = Model[EnhancementNetwork, EnhancerConfig]


def save_enhancer(folder: Path, model: EnhancerModel, measured: str = "") -> None:
    """Write the model folder of an enhancer, its weights in half precision.

    Args:
        folder: made where missing.
        model: the enhancer.
        measured: what is added to the model card, in Markdown.

    Raises:
        OutputError: a file cannot be written.
    """
    write_model_folder(folder, model.network, model.config, _model_card(model.config) + measured, half=True)


def load_enhancer(folder: Path) -> EnhancerModel:
    """Build the enhancer of a model folder and load its weights.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of an enhancer.
    """
    config = read_config(folder, EnhancerConfig)
    return EnhancerModel(load_network(folder, lambda: EnhancementNetwork(config.network)), config)


def _model_card(config: EnhancerConfig) -> str:
    worse = config.degradation
    return f"""# A retinasynth enhancer: degraded fundus photograph to a better one

Preset `{config.preset}`, residual U-Net with {config.network.filters} filters and {config.network.blocks} blocks at \
each resolution. Written by retinasynth {config.retinasynth_version}.

```
retinasynth enhance apply photographs/ --model THIS_FOLDER --out better/
```

## Training
{training_facts(config.training)}

Learnt to undo, alone and together: Gaussian blur up to a deviation of {worse.blur_px:g} pixels, Gaussian noise up to \
{worse.noise:g} of the range, Poisson noise from {worse.fewest_photons:g} photons at white on, JPEG compression from \
quality {worse.lowest_quality} on, reduction to a half and to a quarter.

## Conventions
- in: {config.conventions["input"]}
- out: {config.conventions["output"]}

## Limits
For research; not for diagnosis. Enhancement can invent detail and lose it: small lesions and thin vessels first. Keep
the original. Check the licence of the training data.
"""
