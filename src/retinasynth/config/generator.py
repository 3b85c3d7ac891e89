"""Settings of the mask-to-photograph system, and the presets that choose them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from retinasynth.config.sections import (
    Appearance,
    Initialisation,
    LoopSettings,
    Plane,
    Resize,
    RunSettings,
    Section,
    SizePx,
    Steps,
    Text,
    Weight,
    split_names,
)


def refuse_odd_planes(planes: Sequence[str], mask_channels: int) -> None:
    """Raise ValueError where these planes cannot be the channels of what a network is shown."""
    if len(set(planes)) < len(planes):
        raise ValueError(f"data.planes names a plane twice: {', '.join(planes)}")
    if len(planes) > 1 and mask_channels != 1:
        raise ValueError(
            f"data.mask_channels is {mask_channels}, but only a single plane can be repeated and data.planes has "
            f"{len(planes)}; set mask_channels=1"
        )


class DataSettings(Section):
    """How pairs are read and varied."""

    folder: str = Field("", description="folder of the pairs; `--data` sets it")
    size_px: SizePx = Field(256, description="height and width that every pair is resized to")
    resize: Resize = Field(
        "stretch",
        description="how other shapes become square: stretched, as in the source, letterboxed (black bars, which "
        "`generate --size mask` cuts off again), or cut to the frame of the field of view (styled alone)",
    )
    planes: Annotated[tuple[Plane, ...], BeforeValidator(split_names)] = Field(
        ("vessels",),
        min_length=1,
        description="label planes that the photograph is made from, one channel each; several with commas between",
    )
    mask_channels: Literal[1, 3] = Field(
        3, description="channels that a single plane is given to the networks in; the source repeats it three times"
    )
    appearance: Appearance = Field(
        "own",
        description="train on photographs as they are, or with the colour and slow illumination of each, which no "
        "mask tells, replaced by their average over the training photographs (expected)",
    )
    flip: bool = Field(False, description="augment with left-right and up-down flips, each with probability 1/2")
    rotation_deg: float = Field(0.0, ge=0, le=180, description="augment with rotations up to this angle either way")
    plane_dropout: float = Field(
        0.0,
        ge=0,
        le=1,
        description="styled: share of the examples in which label planes are hidden, so that the model can do without: "
        "in half of them all but the vessels, in the others each or not",
    )
    cup_variation: float = Field(
        0.0, ge=0, le=1, description="styled: how often a disc is given a cup of another size, where both are shown"
    )
    lesion_lending: float = Field(
        0.0,
        ge=0,
        le=1,
        description="styled: how often an eye is lent the lesions of another, where it is shown whether there are any",
    )
    licence: Text = Field("", description="licence and origin of the photographs, copied into the model card")

    @property
    def label_channels(self) -> int:
        """Channels of what the networks are shown."""
        return label_channels(self.planes, self.mask_channels)

    @model_validator(mode="after")
    def _planes_are_channels(self) -> Self:
        refuse_odd_planes(self.planes, self.mask_channels)
        return self


def label_channels(planes: Sequence[str], mask_channels: int) -> int:
    """Channels of what a network is shown: one for each plane, or a single one repeated.

    Example:
        >>> label_channels(["vessels"], 3), label_channels(["vessels", "disc"], 1)
        (3, 2)
    """
    return len(planes) if len(planes) > 1 else mask_channels


class GeneratorSettings(Section):
    """The U-Net that turns a mask into a photograph."""

    architecture: Literal["unet", "resize", "styled"] = Field(
        "unet",
        description="unet is the source's; resize is lighter and enlarges without a checkerboard; styled follows a "
        "style besides the labels, of which each may be unknown",
    )
    filters: int = Field(64, ge=1, le=512, description="channels after the first encoder step")
    depth: int = Field(8, ge=2, le=12, description="stride-2 steps down to the bottleneck; 8 takes 256 px to 1 x 1")
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="unet: rate in the first three decoder steps, on at generation too; resize: rate of whole channels "
        "at the bottom, in training alone",
    )


class DiscriminatorSettings(Section):
    """The PatchGAN that judges a mask and a photograph together."""

    filters: int = Field(64, ge=1, le=512, description="channels after the first step")
    norm: Literal["batch", "spectral", "none"] = Field(
        "batch",
        description="batch: normalisation in all steps but the first and last; spectral: kernels of norm 1 (Miyato, "
        "2018), so that it cannot run away from few pictures",
    )
    scales: int = Field(
        1, ge=1, le=4, description="styled: discriminators, each of a picture half as large as the one before"
    )
    crop_px: int = Field(
        256, ge=32, le=4096, description="styled: side of the piece that the first of several looks at"
    )


class LossSettings(Section):
    """What the generator minimises: the weighted sum of the terms below."""

    adversarial_weight: Weight = Field(
        1.0, description="weight of passing for real; at 0, unet and resize train without a discriminator"
    )
    ssim_weight: Weight = Field(
        0.0, description="weight of 1 - SSIM (uniform 7 x 7 window, data range 2), as the source measures it"
    )
    l1_weight: Weight = Field(100.0, description="weight of the mean absolute error, on values in [-1, 1]")
    feature_weight: Weight = Field(
        0.0, description="styled: weight of the difference that the discriminators' features see"
    )
    texture_weight: Weight = Field(
        0.0, description="styled: weight of the difference in the amount of detail, wherever it lies"
    )
    lesion_weight: Weight = Field(
        0.0,
        description="styled: weight of the error inside lesions, the average over their kinds",
    )
    cup_weight: Weight = Field(
        0.0, description="styled: weight of the error inside the cup and the rim around it, their average"
    )
    expected_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="styled: share of the steps in which the most likely photograph is learnt, without detail or "
        "discriminator",
    )


class OptimiserSettings(Section):
    """Adam, one for each network."""

    learning_rate: float = Field(2e-4, gt=0, le=1)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)


class TrainingSettings(LoopSettings):
    """The loop."""

    start_from: str = Field(
        "",
        description="styled: a model of the same network and of these planes or some of them, whose weights are learnt "
        "on from, of any size: bundled, run or model folder; empty is none",
    )
    epochs: Steps = 40
    initialisation: Initialisation = Field(
        "normal",
        description="of all convolutions: normal (deviation 0.02, the source's), glorot or he (both uniform)",
    )


_FUNDUS: dict[str, Any] = {
    "data": {
        "size_px": 512,
        "resize": "frame",
        "planes": [
            "vessels",
            "arteries",
            "veins",
            "disc",
            "cup",
            "microaneurysms",
            "haemorrhages",
            "hard_exudates",
            "soft_exudates",
        ],
        "mask_channels": 1,
        "flip": True,
        "rotation_deg": 15,
        "plane_dropout": 0.2,
        "cup_variation": 0.7,
        "lesion_lending": 0.5,
    },
    "generator": {"architecture": "styled", "filters": 16, "depth": 6, "dropout": 0.0},
    "discriminator": {"filters": 32, "scales": 2},
    "loss": {
        "adversarial_weight": 2.0,
        "ssim_weight": 20.0,
        "l1_weight": 50.0,
        "feature_weight": 3.0,
        "texture_weight": 4.0,
        "lesion_weight": 15.0,
        "cup_weight": 8.0,
    },
    "optimiser": {"learning_rate": 4e-4},
    "training": {"epochs": 12, "initialisation": "he", "ema_decay": 0.998},
}
_FEW: dict[str, Any] = {
    "optimiser": {"learning_rate": 2e-4},
    "training": {"start_from": "fundus-512", "epochs": 40, "initialisation": "he", "ema_decay": 0.995},
}

PRESETS: dict[str, dict[str, Any]] = {
    # The published system, every value its own; the field defaults above are these values.
    "source": {},
    # Ours: light, without a checkerboard, and starting from the mean training photograph.
    "lean": {
        "data": {"mask_channels": 1, "appearance": "expected", "flip": True, "rotation_deg": 180},
        "generator": {"architecture": "resize", "filters": 16, "depth": 6, "dropout": 0.0},
        "discriminator": {"filters": 16, "norm": "spectral"},
        "loss": {"ssim_weight": 20.0},
        "optimiser": {"learning_rate": 5e-4},
        "training": {"epochs": 25, "initialisation": "he", "ema_decay": 0.995},
    },
    # For release: follows labels and a style, at 512 pixels.
    "fundus-512": _FUNDUS,
    # A user's own few eyes, from the bundled weights on.
    "few-shot": {**_FUNDUS, **_FEW},
    "fundus-1024": {
        **_FUNDUS,
        "data": {**_FUNDUS["data"], "size_px": 1024},
        "discriminator": {**_FUNDUS["discriminator"], "scales": 3},
        "training": {**_FUNDUS["training"], "start_from": "fundus-512"},
    },
    # Lean made small enough to learn the embedded procedural eyes in about a minute.
    "demo": {
        "data": {"size_px": 128, "mask_channels": 1, "appearance": "expected", "flip": True},
        "generator": {"architecture": "resize", "filters": 16, "depth": 5, "dropout": 0.0},
        "discriminator": {"filters": 16, "norm": "spectral"},
        "loss": {"ssim_weight": 20.0},
        "optimiser": {"learning_rate": 5e-4},
        "training": {
            "epochs": 12,
            "initialisation": "he",
            "ema_decay": 0.99,
            "sample_every_steps": 200,
            "checkpoint_every_steps": 200,
        },
    },
}


class Settings(RunSettings):
    """Everything that decides what a training run computes."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    preset: str = "source"
    data: DataSettings = DataSettings()
    generator: GeneratorSettings = GeneratorSettings()
    discriminator: DiscriminatorSettings = DiscriminatorSettings()
    loss: LossSettings = LossSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    training: TrainingSettings = TrainingSettings()

    @property
    def needed_planes(self) -> tuple[Plane, ...]:
        """Label planes without which an eye cannot be learnt from; a styled generator takes all others as they come."""
        return ("vessels",) if self.generator.architecture == "styled" else self.data.planes

    @model_validator(mode="after")
    def _frames_are_for_styles(self) -> Self:
        is_styled, is_framed = self.generator.architecture == "styled", self.data.resize == "frame"
        if is_styled != is_framed:
            raise ValueError(
                f"generator.architecture is {self.generator.architecture} and data.resize is {self.data.resize}, but "
                "styled goes with frame, and nothing else does"
            )
        if self.training.start_from and not is_styled:
            raise ValueError("training.start_from is for generator.architecture styled")
        if is_styled:
            refuse_styled_planes(self.data.planes, self.data.mask_channels)
        return self

    @model_validator(mode="after")
    def _size_fits_depth(self) -> Self:
        refuse_odd_size(self.data.size_px, self.generator.depth)
        least = self.data.size_px // 2 ** (self.discriminator.scales - 1)
        if self.data.size_px < 32:
            raise ValueError(f"data.size_px is {self.data.size_px}, but the discriminator needs at least 32")
        if least < 32:
            raise ValueError(
                f"data.size_px is {self.data.size_px} and discriminator.scales {self.discriminator.scales}, which "
                f"leaves the last discriminator {least} pixels, but it needs at least 32"
            )
        return self


def refuse_odd_size(size_px: int, depth: int) -> None:
    """Raise ValueError where a generator of this depth cannot halve this size often enough."""
    step = 2**depth
    if size_px < step or size_px % step:
        nearest = max(step, round(size_px / step) * step)
        raise ValueError(
            f"data.size_px is {size_px}, but generator.depth {depth} halves it {depth} times and needs a multiple of "
            f"{step}; nearest: {nearest}"
        )


def refuse_styled_planes(planes: Sequence[str], mask_channels: int) -> None:
    """Raise ValueError where a styled generator cannot be shown these planes."""
    if "vessels" not in planes or "fov" in planes or mask_channels > 1:
        raise ValueError(
            "generator.architecture styled needs vessels among data.planes, not fov (which is always there), and "
            "data.mask_channels=1"
        )
