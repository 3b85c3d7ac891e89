"""Settings of pix2pix, the published mask-to-photograph system, and the presets that choose them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from retinasynth.settings import (
    Appearance,
    DiscriminatorSettings,
    Initialisation,
    LoopSettings,
    OptimiserSettings,
    Plane,
    Resize,
    RunSettings,
    Section,
    SizePx,
    Steps,
    Text,
    Weight,
    refuse_odd_size,
    refuse_repeated_planes,
    split_names,
)


def refuse_odd_planes(planes: Sequence[str], mask_channels: int) -> None:
    """Raise ValueError where these planes cannot be the channels of what a network is shown."""
    refuse_repeated_planes(planes)
    if len(planes) > 1 and mask_channels != 1:
        raise ValueError(
            f"data.mask_channels is {mask_channels}, but only a single plane can be repeated and data.planes has "
            f"{len(planes)}; set mask_channels=1"
        )


class DataSettings(Section):
    """How pairs are read and varied."""

    retired: ClassVar[frozenset[str]] = frozenset({"plane_dropout", "cup_variation", "lesion_lending"})

    folder: str = Field("", description="folder of the pairs; `--data` sets it")
    size_px: SizePx = Field(256, description="height and width that every pair is resized to")
    resize: Resize = Field(
        "stretch",
        description="how other shapes become square: stretched, as in the source, or letterboxed (black bars, which "
        "`generate --size mask` cuts off again)",
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
    labels: Text = Field(
        "", description="how label files that are not masks are coded, where that is not to be seen; `--labels` sets it"
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

    architecture: Literal["unet", "resize"] = Field(
        "unet", description="unet is the source's; resize is lighter and enlarges without a checkerboard"
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


class PatchDiscriminatorSettings(DiscriminatorSettings):
    """The PatchGAN that judges a mask and a photograph together."""

    retired: ClassVar[frozenset[str]] = frozenset({"scales", "crop_px"})


class LossSettings(Section):
    """What the generator minimises: the weighted sum of the terms below."""

    retired: ClassVar[frozenset[str]] = frozenset(
        {"feature_weight", "texture_weight", "lesion_weight", "cup_weight", "expected_share"}
    )

    adversarial_weight: Weight = Field(
        1.0, description="weight of passing for real; at 0, the generator learns without a discriminator"
    )
    ssim_weight: Weight = Field(
        0.0, description="weight of 1 - SSIM (uniform 7 x 7 window, data range 2), as the source measures it"
    )
    l1_weight: Weight = Field(100.0, description="weight of the mean absolute error, on values in [-1, 1]")


class TrainingSettings(LoopSettings):
    """The loop."""

    retired: ClassVar[frozenset[str]] = frozenset({"start_from"})

    epochs: Steps = 40
    initialisation: Initialisation = Field(
        "normal",
        description="of all convolutions: normal (deviation 0.02, the source's), glorot or he (both uniform)",
    )


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
    evaluated_style: ClassVar[str] = "expected"
    evaluated_as_set: ClassVar[bool] = False

    preset: str = "source"
    data: DataSettings = DataSettings()
    generator: GeneratorSettings = GeneratorSettings()
    discriminator: PatchDiscriminatorSettings = PatchDiscriminatorSettings()
    loss: LossSettings = LossSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    training: TrainingSettings = TrainingSettings()

    @property
    def needed_planes(self) -> tuple[Plane, ...]:
        """Label planes without which an eye cannot be learnt from."""
        return self.data.planes

    @model_validator(mode="after")
    def _size_fits_depth(self) -> Self:
        refuse_odd_size(self.data.size_px, self.generator.depth)
        if self.data.size_px < 32:
            raise ValueError(f"data.size_px is {self.data.size_px}, but the discriminator needs at least 32")
        return self
