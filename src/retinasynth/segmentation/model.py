"""The model folder of a segmenter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from retinasynth.errors import ModelError
from retinasynth.segmentation.network import SegmentationNetwork
from retinasynth.segmentation.settings import (
    Looks,
    NetworkSettings,
    Normalisation,
    SegmenterSettings,
    refuse_odd_reading,
)
from retinasynth.settings import CropPx, FieldPx, Plane, Text
from retinasynth.training.model_folder import (
    Model,
    ModelConfig,
    load_network,
    read_config,
    training_facts,
    write_model_folder,
)

CONVENTIONS = {
    "input": "RGB photograph in [0, 1], float32 (batch, 3, height, width), and its field of view, 1 inside and 0 "
    "outside, float32 (batch, 1, height, width); the field of view has the diameter `field_px`, or with the looks "
    "`closer` the whole field, then the disc and its surroundings, or with `whole` the whole field, fill `crop_px`",
    "output": "logits of each plane, float32 (batch, planes, height, width); their logistic function is the "
    "probability",
}


class SegmenterConfig(ModelConfig):
    """What ``config.json`` holds: everything that is needed to build, load and run a segmenter.

    Attributes:
        planes: that are found, in the order of the channels.
        field_px: diameter that the field of view is brought to.
        crop_px: height and width of what it was trained on.
        looks: how a photograph is looked at.
        normalisation: of what the network is shown.
        network: its shape.
        thresholds: by plane, the probability from which a pixel belongs to it.
    """

    format: str = "retinasynth-segmenter"
    planes: tuple[Plane, ...] = Field(min_length=1)
    field_px: FieldPx
    crop_px: CropPx
    looks: Looks
    normalisation: Normalisation
    network: NetworkSettings
    thresholds: Mapping[str, Annotated[float, Field(ge=0, le=1)]]
    conventions: Mapping[Text, Text] = CONVENTIONS

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        refuse_odd_reading(self.planes, self.looks, self.crop_px, self.network.architecture)
        return self

    @property
    def seen_px(self) -> int:
        """Height and width of what the network is shown of the whole field of view."""
        return self.field_px if self.looks == "windows" else self.crop_px

    @classmethod
    def of(
        cls, settings: SegmenterSettings, thresholds: Mapping[str, float], training: Mapping[str, Any]
    ) -> "SegmenterConfig":
        """The configuration of the model of a run."""
        data = settings.data
        return cls(
            preset=settings.preset,
            planes=data.planes,
            field_px=data.field_px,
            crop_px=data.crop_px,
            looks=data.looks,
            normalisation=data.normalisation,
            network=settings.network,
            thresholds=thresholds,
            training={**training, "licence": data.licence, "seed": settings.training.seed},
        )


SegmenterModel = Model[SegmentationNetwork, SegmenterConfig]


def save_segmenter(folder: Path, model: SegmenterModel) -> None:
    """Write the model folder of a segmenter, its weights in half precision.

    Raises:
        OutputError: a file cannot be written.
    """
    write_model_folder(folder, model.network, model.config, _model_card(model.config), half=True)


def load_segmenter(folder: Path) -> SegmenterModel:
    """Build the segmenter of a model folder and load its weights.

    Raises:
        ModelError: the folder or one of its files is missing, damaged, or not of a segmenter.
    """
    config = read_config(folder, SegmenterConfig)
    if config.thresholds.keys() != set(config.planes):
        raise ModelError(
            f"{Path(folder) / 'config.json'} has thresholds of {', '.join(config.thresholds) or 'nothing'}",
            expected=f"of {', '.join(config.planes)}",
        )
    network = load_network(
        folder, lambda: SegmentationNetwork(len(config.planes), config.network, config.normalisation)
    )
    return SegmenterModel(network, config)


def _model_card(config: SegmenterConfig) -> str:
    thresholds = "\n".join(
        f"- {plane}: from a probability of {value:.2f}" for plane, value in config.thresholds.items()
    )
    return f"""# A retinasynth segmenter: fundus photograph to {", ".join(config.planes)}

Preset `{config.preset}`, architecture `{config.network.architecture}` with {config.network.filters} filters. Written
by retinasynth {config.retinasynth_version}.

```
retinasynth segment predict --model THIS_FOLDER photographs/ --out labels/
```

## Training
{training_facts(config.training)}

## Thresholds
{thresholds}

## Conventions
- in: {config.conventions["input"]}
- out: {config.conventions["output"]}

## Limits
For research; not for diagnosis. Trained on few eyes: look at the overlays before relying on the labels of another
camera. Check the licence of the training data.
"""
