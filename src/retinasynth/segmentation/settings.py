"""Settings of segmenters, from photograph to label planes, and the presets that choose them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from retinasynth.settings import (
    BatchSize,
    CropPx,
    FieldPx,
    LoopSettings,
    Plane,
    RunSettings,
    Section,
    Steps,
    Text,
    Weight,
    split_names,
)

Looks = Literal["windows", "closer", "whole"]
Normalisation = Literal["local", "picture"]
LESIONS: tuple[Plane, ...] = ("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates")


class SegmentationData(Section):
    """What is learnt from, and how a network looks at it."""

    folders: Annotated[tuple[str, ...], BeforeValidator(split_names)] = Field(
        (), description="data sets whose training eyes are learnt from, each equally often; `--data` sets it"
    )
    planes: Annotated[tuple[Plane, ...], BeforeValidator(split_names)] = Field(
        ("vessels",), min_length=1, description="label planes to find; `--target` sets it"
    )
    grown: int = Field(0, ge=0, le=100_000, description="grown eyes in randomised styles that are learnt from as well")
    grown_share: float = Field(0.5, ge=0, le=1, description="share of the examples that are taken from grown eyes")
    field_px: FieldPx = Field(768, description="diameter that the field of view is brought to, whatever the camera")
    crop_px: CropPx = Field(256, description="height and width of what the network is trained on")
    looks: Looks = Field(
        "windows",
        description="windows: the whole field piece by piece; closer: the whole field, small, and again around the "
        "disc that was found there; whole: the whole field, small, in which the middles of disc and fovea are looked "
        "for rather than their outlines",
    )
    normalisation: Normalisation = Field(
        "local",
        description="of each channel to mean 0 and deviation 1: around each pixel, so that colour and illumination "
        "are gone, or over the picture",
    )
    validation_share: float = Field(
        0.15, ge=0, lt=1, description="of the people of each set without a val/, at least one; they fix the thresholds"
    )
    labels: Text = Field(
        "", description="how label files that are not masks are coded, where that is not to be seen; `--labels` sets it"
    )
    licence: Text = Field("", description="licence and origin of the photographs, copied into the model card")


class AugmentationSettings(Section):
    """How each example is varied."""

    flip: bool = Field(True, description="left-right and up-down flips, each with probability 1/2")
    rotation_deg: float = Field(180.0, ge=0, le=180, description="rotations up to this angle either way")
    zoom: float = Field(1.5, ge=1, le=4, description="enlarged or reduced up to this factor")
    stretch: float = Field(0.1, ge=0, le=0.5, description="one direction longer than the other up to this share")
    photometric: float = Field(
        1.0,
        ge=0,
        le=2,
        description="strength of changes of colour, contrast, illumination, sharpness, noise and compression; 0 is "
        "none",
    )


class NetworkSettings(Section):
    """The network."""

    architecture: Literal["unet", "residual", "pix2pix"] = Field(
        "unet",
        description="unet: MONAI's BasicUNet; residual: its SegResNet; pix2pix: the source's generator, read from "
        "photograph to mask, which learns by the source's losses and optimiser instead of those below",
    )
    filters: int = Field(8, ge=1, le=256, description="channels at full resolution; doubled at each step down")
    norm: Literal["instance", "batch"] = Field(
        "instance",
        description="of unet: instance takes each picture's own mean and deviation away at every layer, and with them "
        "how bright and how large a disc is; batch keeps them",
    )


class SegmentationLossSettings(Section):
    """What is minimised: the weighted sum of the terms below."""

    dice_weight: Weight = Field(1.0, description="of 1 - Dice overlap of the probabilities")
    cross_entropy_weight: Weight = Field(1.0, description="of the binary cross-entropy")
    cldice_weight: Weight = Field(
        0.0, description="of 1 - soft clDice, the overlap of the centre lines (Shit et al., CVPR 2021)"
    )


class AdamWSettings(Section):
    """AdamW; the learning rate falls from its value to 0 along half a cosine."""

    learning_rate: float = Field(3e-3, gt=0, le=1)
    weight_decay: float = Field(1e-4, ge=0, le=1)


class SegmenterTraining(LoopSettings):
    """The loop."""

    start_from: str = Field(
        "", description="a segmenter whose weights are learnt on from: bundled, run or model folder; empty is none"
    )
    batch_size: BatchSize = Field(4, description="examples in a step of one process")
    steps: Steps = 3000
    ema_decay: float = Field(
        0.995, ge=0, lt=1, description="decay of the averaged weights per step; 0 keeps no average"
    )
    log_every_steps: Steps = 20
    sample_every_steps: Steps = Field(500, description="steps between two sample grids")
    checkpoint_every_steps: Steps = Field(250, description="steps between two checkpoints")


_CLOSER: dict[str, Any] = {"looks": "closer", "normalisation": "picture"}
PRESETS: dict[str, dict[str, Any]] = {
    "vessels": {
        "network": {"architecture": "residual", "filters": 12},
        "data": {"grown": 520},
        "loss": {"cldice_weight": 0.3},
    },
    "artery-vein": {"data": {"planes": ("arteries", "veins"), "grown": 520, "normalisation": "picture"}},
    "disc-cup": {
        "data": {"planes": ("disc", "cup"), "grown": 520, "grown_share": 0.35, "crop_px": 192, **_CLOSER},
        "augmentation": {"rotation_deg": 30, "zoom": 1.2, "photometric": 0.5},
        "network": {"filters": 12, "norm": "batch"},
    },
    "landmarks": {
        "data": {
            "planes": ("disc", "fovea"),
            "grown": 520,
            "grown_share": 0.4,
            "field_px": 256,
            "looks": "whole",
            "normalisation": "picture",
        },
        "augmentation": {"rotation_deg": 30, "zoom": 1.3},
        "training": {"batch_size": 8},
    },
    "lesions": {"data": {"planes": LESIONS, "field_px": 1024}},
    # Of another architecture, learnt from one set alone: it judges what others make, and stands in no loss.
    "judge": {"network": {"architecture": "unet"}},
    # The source's other reading, for comparison: its networks, losses, optimiser and batch, and no augmentation.
    "pix2pix": {
        "network": {"architecture": "pix2pix", "filters": 64},
        "augmentation": {"flip": False, "rotation_deg": 0, "zoom": 1, "stretch": 0, "photometric": 0},
        "training": {"batch_size": 1, "steps": 3200, "ema_decay": 0},
    },
}


class SegmenterSettings(RunSettings):
    """Everything that decides what the training of a segmenter computes."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    command: ClassVar[str] = "segment train"
    place: ClassVar[str] = "data.folders"

    preset: str = "vessels"
    data: SegmentationData = SegmentationData()
    augmentation: AugmentationSettings = AugmentationSettings()
    network: NetworkSettings = NetworkSettings()
    loss: SegmentationLossSettings = SegmentationLossSettings()
    optimiser: AdamWSettings = AdamWSettings()
    training: SegmenterTraining = SegmenterTraining()

    @model_validator(mode="after")
    def _can_be_learnt(self) -> Self:
        data = self.data
        refuse_odd_reading(data.planes, data.looks, data.crop_px, self.network.architecture)
        weights = self.loss
        if not weights.dice_weight + weights.cross_entropy_weight + weights.cldice_weight:
            raise ValueError("all weights of the loss are 0")
        return self


def refuse_odd_reading(planes: Sequence[str], looks: Looks, crop_px: int, architecture: str) -> None:
    """Raise ValueError where no network can find these planes so."""
    if crop_px % 16:
        raise ValueError(
            f"data.crop_px is {crop_px}, but the network halves it four times and needs a multiple of 16; nearest: "
            f"{max(64, round(crop_px / 16) * 16)}"
        )
    if len(set(planes)) < len(planes):
        raise ValueError(f"data.planes names a plane twice: {', '.join(planes)}")
    if looks == "closer" and "disc" not in planes:
        raise ValueError(
            f"data.looks is closer, but the disc to look at is not among data.planes ({', '.join(planes)})"
        )
    if looks == "whole" and (others := set(planes) - {"disc", "fovea"}):
        raise ValueError(f"data.looks is whole, which finds disc and fovea, but data.planes has {', '.join(others)}")
    if architecture == "pix2pix" and (len(planes) > 1 or crop_px % 256):
        raise ValueError(
            f"network.architecture pix2pix finds one plane in pieces of a multiple of 256 pixels, but data.planes has "
            f"{len(planes)} and data.crop_px is {crop_px}"
        )
