"""Settings of enhancers, from a degraded photograph to a better one, and the presets that choose them."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from retinasynth.settings import (
    BatchSize,
    LoopSettings,
    OptimiserSettings,
    RunSettings,
    Section,
    Steps,
    Text,
    Weight,
    split_names,
)

HALVINGS = 3  # of the network


class EnhancementData(Section):
    """What is learnt from."""

    folders: Annotated[tuple[str, ...], BeforeValidator(split_names)] = Field(
        (), description="data sets whose training photographs are learnt from, each equally often; `--data` sets it"
    )
    longest_px: int = Field(
        1024,
        ge=64,
        le=4096,
        description="longest side of a clean photograph; larger ones are reduced by area average, which takes their "
        "own noise away",
    )
    crop_px: int = Field(128, ge=32, le=1024, description="height and width of what the network is trained on")
    licence: Text = Field("", description="licence and origin of the photographs, copied into the model card")


class DegradationSettings(Section):
    """How each example is made worse; what is drawn is uniform up to the value below."""

    chance: float = Field(
        0.3, ge=0, le=1, description="of each of blur, noise (Gaussian, Poisson or both) and compression"
    )
    alone_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="of the examples that suffer nothing but reduction, or blur, noise, both of them, or compression",
    )
    told_share: float = Field(
        0.75, ge=0, le=1, description="of the examples of which the network is told whether there is noise, and blur"
    )
    blur_px: float = Field(3.0, ge=0, le=20, description="most deviation of the Gaussian blur, in pixels")
    noise: float = Field(
        0.1,
        ge=0,
        le=1,
        description="most deviation of the Gaussian noise, of the range of values; less is more frequent",
    )
    fewest_photons: float = Field(
        100.0, ge=1, le=1e6, description="at white, where Poisson noise is strongest; at most a hundred times as many"
    )
    lowest_quality: int = Field(30, ge=1, le=95, description="of the JPEG compression; at most 95")
    reduced_share: float = Field(
        0.5, ge=0, le=1, description="of the examples that are reduced and enlarged again, to a half or a quarter"
    )


class EnhancerNetworkSettings(Section):
    """The network."""

    filters: int = Field(32, ge=4, le=256, description="channels at half the resolution; more further down")
    blocks: int = Field(2, ge=1, le=16, description="residual blocks at each resolution on the way down")


class EnhancementLossSettings(Section):
    """What is minimised: the weighted sum of the terms below."""

    l1_weight: Weight = Field(
        50.0, description="weight of the mean absolute error, relative to that of what the network is given"
    )
    ssim_weight: Weight = Field(
        10.0, description="weight of 1 - SSIM (uniform 7 x 7 window, data range 2), likewise relative"
    )
    adversarial_weight: Weight = Field(
        0.0,
        description="weight of passing for a clean photograph; sharper to look at, and more detail that is invented",
    )


class EnhancerTraining(LoopSettings):
    """The loop; the learning rate falls from its value to 0 along half a cosine."""

    batch_size: BatchSize = Field(8, description="examples in a step of one process")
    steps: Steps = 7000
    ema_decay: float = Field(
        0.995, ge=0, lt=1, description="decay of the averaged weights per step; 0 keeps no average"
    )
    log_every_steps: Steps = 20
    sample_every_steps: Steps = Field(1000, description="steps between two sample grids")
    checkpoint_every_steps: Steps = Field(250, description="steps between two checkpoints")


PRESETS: dict[str, dict[str, Any]] = {"enhance": {"optimiser": {"learning_rate": 1e-3, "beta1": 0.9}}}


class EnhancerSettings(RunSettings):
    """Everything that decides what the training of an enhancer computes."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    command: ClassVar[str] = "enhance train"
    place: ClassVar[str] = "data.folders"

    preset: str = "enhance"
    data: EnhancementData = EnhancementData()
    degradation: DegradationSettings = DegradationSettings()
    network: EnhancerNetworkSettings = EnhancerNetworkSettings()
    loss: EnhancementLossSettings = EnhancementLossSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    training: EnhancerTraining = EnhancerTraining()

    @model_validator(mode="after")
    def _can_be_learnt(self) -> Self:
        step = 2**HALVINGS
        if self.data.crop_px % step:
            raise ValueError(
                f"data.crop_px is {self.data.crop_px}, but the network halves it {HALVINGS} times and needs a multiple "
                f"of {step}; nearest: {max(32, round(self.data.crop_px / step) * step)}"
            )
        if self.data.crop_px > self.data.longest_px:
            raise ValueError(f"data.crop_px is {self.data.crop_px}, more than data.longest_px {self.data.longest_px}")
        weights = self.loss
        if not weights.l1_weight + weights.ssim_weight:
            raise ValueError("loss.l1_weight and loss.ssim_weight are both 0: nothing would tie the result to the eye")
        return self
