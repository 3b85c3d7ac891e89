"""Settings of the generator that follows a style, and the presets that choose them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from retinasynth.settings import (
    DiscriminatorSettings,
    Initialisation,
    LoopSettings,
    OptimiserSettings,
    Plane,
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

ALWAYS_NEEDED: tuple[Plane, ...] = ("vessels",)  # of the planes; all others may be unknown


class DataSettings(Section):
    """What the eyes show, and how they are varied."""

    retired: ClassVar[frozenset[str]] = frozenset({"resize", "mask_channels", "appearance"})

    folder: str = Field("", description="folder of the eyes; `--data` sets it")
    size_px: SizePx = Field(256, description="height and width of the frame of the field of view")
    planes: Annotated[tuple[Plane, ...], BeforeValidator(split_names)] = Field(
        ("vessels",),
        min_length=1,
        description="label planes that the photograph is made from, one channel each; several with commas between",
    )
    flip: bool = Field(False, description="augment with left-right and up-down flips, each with probability 1/2")
    rotation_deg: float = Field(0.0, ge=0, le=180, description="augment with rotations up to this angle either way")
    plane_dropout: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the examples in which label planes are hidden, so that the model can do without: in half "
        "of them all but the vessels, in the others each or not",
    )
    cup_variation: float = Field(
        0.0, ge=0, le=1, description="how often a disc is given a cup of another size, where both are shown"
    )
    lesion_lending: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how often the lesions of another eye are copied in, where it is shown whether there are any",
    )
    labels: Text = Field(
        "", description="how label files that are not masks are coded, where that is not to be seen; `--labels` sets it"
    )
    licence: Text = Field("", description="licence and origin of the photographs, copied into the model card")


class GeneratorSettings(Section):
    """The U-Net that turns labels and a style into a photograph."""

    retired: ClassVar[frozenset[str]] = frozenset({"dropout"})

    architecture: Literal["styled"] = Field("styled", description="always styled")
    filters: int = Field(16, ge=1, le=512, description="channels after the first encoder step")
    depth: int = Field(6, ge=2, le=12, description="stride-2 steps down to the bottleneck")


class StyledDiscriminators(DiscriminatorSettings):
    """PatchGANs that judge labels and a photograph together."""

    scales: int = Field(1, ge=1, le=4, description="discriminators, each of a picture half as large as the one before")
    crop_px: int = Field(256, ge=32, le=4096, description="side of the piece that the first of several looks at")


class LossSettings(Section):
    """What the generator minimises: the weighted sum of the terms below."""

    adversarial_weight: Weight = Field(1.0, description="weight of passing for real")
    ssim_weight: Weight = Field(
        0.0, description="weight of 1 - SSIM (uniform 7 x 7 window, data range 2), in the most likely photograph"
    )
    l1_weight: Weight = Field(100.0, description="weight of the mean absolute error, on values in [-1, 1]")
    feature_weight: Weight = Field(0.0, description="weight of the difference that the discriminators' features see")
    texture_weight: Weight = Field(
        0.0, description="weight of the difference in the amount of detail, wherever it lies"
    )
    lesion_weight: Weight = Field(0.0, description="weight of the error inside lesions, the average over their kinds")
    cup_weight: Weight = Field(
        0.0, description="weight of the error inside the cup and the rim around it, their average"
    )
    expected_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="share of the steps in which the most likely photograph is learnt, without detail or discriminator",
    )


class TrainingSettings(LoopSettings):
    """The loop."""

    start_from: str = Field(
        "",
        description="a model of the same network and of these planes or some of them, of any size, that is fine-tuned: "
        "bundled, run or model folder; empty is none",
    )
    epochs: Steps = 40
    initialisation: Initialisation = Field(
        "normal",
        description="of all convolutions: normal (deviation 0.02, the source's), glorot or he (both uniform)",
    )


_FUNDUS: dict[str, Any] = {
    "data": {
        "size_px": 512,
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
        "flip": True,
        "rotation_deg": 15,
        "plane_dropout": 0.2,
        "cup_variation": 0.7,
        "lesion_lending": 0.5,
    },
    "generator": {"architecture": "styled", "filters": 16, "depth": 6},
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
}


class Settings(RunSettings):
    """Everything that decides what the training of a styled generator computes."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    evaluated_style: ClassVar[str] = "own"
    evaluated_as_set: ClassVar[bool] = True  # texture is right in a set, not in a pair

    preset: str = "fundus-512"
    data: DataSettings = DataSettings()
    generator: GeneratorSettings = GeneratorSettings()
    discriminator: StyledDiscriminators = StyledDiscriminators()
    loss: LossSettings = LossSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    training: TrainingSettings = TrainingSettings()

    @property
    def needed_planes(self) -> tuple[Plane, ...]:
        """Label planes without which an eye cannot be learnt from."""
        return ALWAYS_NEEDED

    @model_validator(mode="after")
    def _can_be_learnt(self) -> Self:
        refuse_odd_planes(self.data.planes)
        refuse_odd_size(self.data.size_px, self.generator.depth)
        least = self.data.size_px // 2 ** (self.discriminator.scales - 1)
        if least < 32:
            raise ValueError(
                f"data.size_px is {self.data.size_px} and discriminator.scales {self.discriminator.scales}, which "
                f"leaves the last discriminator {least} pixels, but it needs at least 32"
            )
        return self


def refuse_odd_planes(planes: Sequence[str]) -> None:
    """Raise ValueError where a styled generator cannot be shown these planes."""
    refuse_repeated_planes(planes)
    if "vessels" not in planes or "fov" in planes:
        raise ValueError("a styled generator needs vessels among data.planes, and not fov, which it is always shown")
