"""Typed settings: what can be chosen, in which range, and the presets that choose it.

A run is described by one `Settings` value. It is made from a preset, a YAML file, or either with overrides
(``--set optimiser.learning_rate=1e-4`` or, since the name is unambiguous, ``--set learning_rate=1e-4``), is
written into the run folder, and is never asked for again: resuming, generating and evaluating read it there.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from retinasynth.errors import SettingError

Initialisation = Literal["normal", "glorot", "he"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Appearance = Literal["own", "expected"]
Resize = Literal["stretch", "letterbox"]
Laterality = Literal["left", "right"]
Centre = Literal["disc", "macula"]
Plane = Literal[
    "vessels",
    "arteries",
    "veins",
    "disc",
    "cup",
    "fovea",
    "fov",
    "microaneurysms",
    "haemorrhages",
    "hard_exudates",
    "soft_exudates",
]


class Section(BaseModel):
    """A group of settings; unknown names are refused and values cannot be changed once made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSettings(Section):
    """How pairs are read and varied."""

    folder: str = Field("", description="folder of the pairs; `--data` sets it")
    size_px: int = Field(256, ge=16, le=4096, description="height and width that every pair is resized to")
    resize: Resize = Field(
        "stretch",
        description="how other shapes become square: stretched, as in the source, or letterboxed (black bars, which "
        "`generate --size mask` cuts off again)",
    )
    planes: tuple[Plane, ...] = Field(
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
    licence: str = Field("", description="licence and origin of the photographs, copied into the model card")

    @property
    def label_channels(self) -> int:
        """Channels of what the networks are shown."""
        return label_channels(self.planes, self.mask_channels)

    @field_validator("planes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _planes_are_channels(self) -> Self:
        if len(set(self.planes)) < len(self.planes):
            raise ValueError(f"data.planes names a plane twice: {', '.join(self.planes)}")
        if len(self.planes) > 1 and self.mask_channels != 1:
            raise ValueError(
                f"data.mask_channels is {self.mask_channels}, but only a single plane can be repeated and data.planes "
                f"has {len(self.planes)}; set mask_channels=1"
            )
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


class DiscriminatorSettings(Section):
    """The PatchGAN that judges a mask and a photograph together."""

    filters: int = Field(64, ge=1, le=512, description="channels after the first step")
    norm: Literal["batch", "spectral", "none"] = Field(
        "batch",
        description="batch: normalisation in all steps but the first and last; spectral: kernels of norm 1 (Miyato, "
        "2018), so that it cannot run away from few pictures",
    )


class LossSettings(Section):
    """What the generator minimises: the weighted sum of the terms below."""

    adversarial_weight: float = Field(
        1.0, ge=0, description="weight of passing for real with the discriminator; 0 trains without one"
    )
    ssim_weight: float = Field(
        0.0, ge=0, description="weight of 1 - SSIM (uniform 7 x 7 window, data range 2), as the source measures it"
    )
    l1_weight: float = Field(100.0, ge=0, description="weight of the mean absolute error, on values in [-1, 1]")


class OptimiserSettings(Section):
    """Adam, one for each network."""

    learning_rate: float = Field(2e-4, gt=0, le=1)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)


class TrainingSettings(Section):
    """The loop."""

    epochs: int = Field(40, ge=1)
    batch_size: int = Field(1, ge=1, description="pairs in a step of one process")
    initialisation: Initialisation = Field(
        "normal",
        description="of all convolutions: normal (deviation 0.02, the source's), glorot or he (both uniform)",
    )
    seed: int = Field(0, ge=0, lt=2**32)
    precision: Precision = Field(
        "auto",
        description="auto is bf16 where the hardware has it, fp16 with loss scaling on older GPUs, else fp32",
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights per step; 0 keeps no average")
    devices: int = Field(1, ge=1, le=64, description="processes that share a step; each takes batch_size pairs")
    log_every_steps: int = Field(10, ge=1)
    sample_every_steps: int = Field(400, ge=1, description="steps between two sample grids")
    checkpoint_every_steps: int = Field(400, ge=1, description="steps between two checkpoints")
    tensorboard: bool = Field(False, description="also write TensorBoard events (extra: tracking)")


class Settings(Section):
    """Everything that decides what a training run computes."""

    preset: str = "source"
    data: DataSettings = DataSettings()
    generator: GeneratorSettings = GeneratorSettings()
    discriminator: DiscriminatorSettings = DiscriminatorSettings()
    loss: LossSettings = LossSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _size_fits_depth(self) -> Self:
        refuse_odd_size(self.data.size_px, self.generator.depth)
        if self.data.size_px < 32:
            raise ValueError(f"data.size_px is {self.data.size_px}, but the discriminator needs at least 32")
        return self

    @classmethod
    def from_preset(cls, name: str) -> Self:
        """The settings of a preset.

        Raises:
            SettingError: there is no preset of that name.

        Example:
            >>> Settings.from_preset("source").optimiser.learning_rate
            0.0002
        """
        if name not in PRESETS:
            raise SettingError(
                f"There is no preset {name!r}{did_you_mean(name, PRESETS)}",
                expected=f"one of: {', '.join(PRESETS)}",
            )
        return cls.from_mapping({"preset": name, **PRESETS[name]})

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, origin: str = "the settings") -> Self:
        """Settings from nested plain values, checked.

        Raises:
            SettingError: a name is unknown or a value impossible; the message names it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingError(
                f"{origin}: {explain(error, list(flat(Settings())))}", do="`retinasynth settings` lists all of them"
            ) from error

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Settings from a YAML file; what it leaves out keeps the value of its ``preset``.

        Raises:
            SettingError: the file cannot be read, or holds something unknown or impossible.
        """
        path = Path(path)
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: bytes, or a date such as 2024-99-99
            raise SettingError(f"{path} cannot be read as settings ({error})", expected="a YAML file") from error
        if not isinstance(values, dict):
            raise SettingError(f"{path} holds {type(values).__name__}", expected="names and values, as in config.yaml")
        base = cls.from_preset(str(values.get("preset", "source")))
        return cls.from_mapping(_merged(base.model_dump(), values), origin=str(path))

    def to_yaml(self) -> str:
        """The settings as YAML that `from_yaml` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def with_overrides(self, overrides: Sequence[str]) -> Self:
        """These settings with ``section.name=value`` (or, where one section only has it, ``name=value``) changed.

        Raises:
            SettingError: an override has no ``=``, names nothing known, or gives an impossible value.

        Example:
            >>> Settings().with_overrides(["epochs=3", "generator.filters=8"]).training.epochs
            3
        """
        values = self.model_dump()
        for override in overrides:
            name, equals, text = override.partition("=")
            if not equals:
                raise SettingError(f"--set {override!r} has no '='", expected="name=value, for example epochs=5")
            *sections, leaf = _full_name(name.strip()).split(".")
            place = values
            for section in sections:
                place = place[section]
            # pydantic reads numbers and truth from text, but not the numbers of a closed choice (mask_channels).
            value, before = text.strip(), place[leaf]
            place[leaf] = int(value) if isinstance(before, int) and value.isdecimal() else value
        return self.from_mapping(values, origin="--set " + " --set ".join(overrides) if overrides else "the settings")


def refuse_odd_size(size_px: int, depth: int) -> None:
    """Raise ValueError where a generator of this depth cannot halve this size often enough."""
    step = 2**depth
    if size_px < step or size_px % step:
        nearest = max(step, round(size_px / step) * step)
        raise ValueError(
            f"data.size_px is {size_px}, but generator.depth {depth} halves it {depth} times and needs a multiple of "
            f"{step}; nearest: {nearest}"
        )


def flat(settings: Settings) -> dict[str, Any]:
    """All settings as ``section.name: value``, in their order; planes as `--set` takes them, with commas between.

    Example:
        >>> flat(Settings())["loss.l1_weight"]
        100.0
    """
    return {
        f"{section}.{name}" if isinstance(values, dict) else section: ",".join(value) if name == "planes" else value
        for section, values in settings.model_dump(mode="json").items()
        for name, value in (values.items() if isinstance(values, dict) else [(section, values)])
    }


def descriptions() -> dict[str, str]:
    """What each setting means, as ``section.name: text``."""
    return {
        f"{section}.{name}": leaf.description or ""
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for name, leaf in field.annotation.model_fields.items()
    }


def _full_name(name: str) -> str:
    known = [full for full in flat(Settings()) if full != "preset"]
    if name in known:
        return name
    matches = [full for full in known if full.endswith(f".{name}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise SettingError(f"--set {name} is ambiguous", expected=f"one of: {', '.join(matches)}")
    leaves = {full.rpartition(".")[2]: full for full in known}
    raise SettingError(
        f"There is no setting {name!r}{did_you_mean(name, [*known, *leaves])}",
        do="`retinasynth settings` lists all of them",
    )


def did_you_mean(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """The end of a message about an unknown name: the known one that looks like it, if there is one."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(error: ValidationError, known: Sequence[str]) -> str:
    """What is wrong with settings, in one sentence for each; `known` are the names that there are."""
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"there is no setting {name!r}{did_you_mean(name, known)}")
        elif name:
            lines.append(f"{name} is {problem['input']!r}, but {problem['msg'][0].lower()}{problem['msg'][1:]}")
        else:
            lines.append(problem["msg"].removeprefix("Value error, "))
    return "; ".join(lines)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for name, value in over.items():
        below = both.get(name)
        both[name] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


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
