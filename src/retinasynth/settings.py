"""What all settings have in common: sections, ranges, files, overrides, and messages about mistakes in them."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from retinasynth.documents import read_yaml
from retinasynth.errors import SettingError, shown

MOST_EXPLAINED = 5  # mistakes that a message names

Initialisation = Literal["normal", "glorot", "he"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Appearance = Literal["own", "expected"]
Resize = Literal["stretch", "letterbox"]
Laterality = Literal["left", "right"]
Centre = Literal["disc", "macula"]
DiscriminatorNorm = Literal["batch", "spectral", "none"]
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


def _as_writable(text: str) -> str:
    text.encode()  # UnicodeEncodeError, which is a ValueError, for half a character
    return text


Text = Annotated[str, AfterValidator(_as_writable)]  # that is written into files and pictures

# What a number can be. These bounds are far beyond what anybody trains, and keep a number that is a mistake, or that a
# stranger wrote, from becoming a picture or a network that no memory holds.
Steps = Annotated[int, Field(ge=1, le=10**9)]  # a thousand a second would take twelve days
BatchSize = Annotated[int, Field(ge=1, le=4096)]  # at 256 pixels these already are 3 GB
SizePx = Annotated[int, Field(ge=16, le=4096)]  # at 4096 one layer of 16 channels takes 1 GB
FieldPx = Annotated[int, Field(ge=64, le=4096)]  # likewise
CropPx = Annotated[int, Field(ge=64, le=2048)]  # examples come several in a step
Weight = Annotated[
    float, Field(ge=0, le=1e6)
]  # of a term of a loss; even its square is far from 1e38, where floats end
_MOST_DIGITS = 18  # of a whole number in `--set`


class Section(BaseModel):
    """A group of settings; unknown names are refused and values cannot be changed once made.

    Attributes:
        retired: names that release 0.1 wrote here though they did nothing; they are read and dropped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    retired: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _drop_retired(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and cls.retired & values.keys():
            return {name: value for name, value in values.items() if name not in cls.retired}
        return values


def split_names(value: object) -> object:
    """Names with commas between, as `--set` gives them, one by one; anything else as it is."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class LoopSettings(Section):
    """What every training loop has."""

    batch_size: BatchSize = Field(1, description="examples in a step of one process")
    seed: int = Field(0, ge=0, lt=2**32)
    precision: Precision = Field(
        "auto",
        description="auto is bf16 where the hardware has it, fp16 with loss scaling on older GPUs, else fp32",
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay of the averaged weights per step; 0 keeps no average")
    devices: int = Field(1, ge=1, le=64, description="processes that share a step; each takes batch_size pairs")
    log_every_steps: Steps = 10
    sample_every_steps: Steps = Field(400, description="steps between two sample grids")
    checkpoint_every_steps: Steps = Field(400, description="steps between two checkpoints")
    tensorboard: bool = Field(False, description="also write TensorBoard events (extra: tracking)")


class OptimiserSettings(Section):
    """Adam, one for each network."""

    learning_rate: float = Field(2e-4, gt=0, le=1)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)


class DiscriminatorSettings(Section):
    """The PatchGAN that judges a mask and a photograph together."""

    filters: int = Field(64, ge=1, le=512, description="channels after the first step")
    norm: DiscriminatorNorm = Field(
        "batch",
        description="batch: normalisation in all steps but the first and last; spectral: kernels of norm 1 (Miyato, "
        "2018), so that it cannot run away from few pictures",
    )


def refuse_odd_size(size_px: int, depth: int) -> None:
    """Raise ValueError where a generator of this depth cannot halve this size often enough."""
    step = 2**depth
    if size_px < step or size_px % step:
        nearest = max(step, round(size_px / step) * step)
        raise ValueError(
            f"data.size_px is {size_px}, but generator.depth {depth} halves it {depth} times and needs a multiple of "
            f"{step}; nearest: {nearest}"
        )


def refuse_repeated_planes(planes: Sequence[str]) -> None:
    """Raise ValueError where a plane is named twice."""
    if len(set(planes)) < len(planes):
        raise ValueError(f"data.planes names a plane twice: {', '.join(planes)}")


class RunSettings(Section):
    """Everything that decides what a training run computes, in sections; made from a preset, a YAML file or both.

    Attributes:
        presets: values by name of preset; what one leaves out keeps its default.
        command: that makes and resumes such a run.
        place: the setting that says where the data lie.
        preset: the one that these settings started from.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    command: ClassVar[str] = "train"
    place: ClassVar[str] = "data.folder"

    preset: str
    if TYPE_CHECKING:  # a field of every kind of run, each with its own values
        training: LoopSettings

    def learning_from(self, *folders: Path) -> Self:
        """These settings with the folders where the data lie."""
        return self.with_overrides([f"{self.place}={','.join(map(str, folders))}"])

    @classmethod
    def from_preset(cls, name: str) -> Self:
        """The settings of a preset.

        Raises:
            SettingError: there is no preset of that name.

        Example:
            >>> from retinasynth.pix2pix.settings import Settings
            >>> Settings.from_preset("source").optimiser.learning_rate
            0.0002
        """
        if name not in cls.presets:
            raise SettingError(
                f"There is no preset {shown(name)}{did_you_mean(name, cls.presets)}",
                expected=f"one of: {', '.join(cls.presets)}",
            )
        return cls.from_mapping({"preset": name, **cls.presets[name]})

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
                f"{origin}: {explain(error, list(descriptions(cls)))}", do="`retinasynth settings` lists all of them"
            ) from error

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Settings from a YAML file; what it leaves out keeps the value of its ``preset``.

        Raises:
            SettingError: the file cannot be read, or holds something unknown or impossible.
        """
        expected = "a YAML file of names and values, as in config.yaml"
        values = read_yaml(path, SettingError, what="settings", expected=expected)
        base = cls.from_preset(str(values.get("preset", cls.model_fields["preset"].default)))
        return cls.from_mapping(_merged(base.model_dump(), values), origin=str(path))

    def to_yaml(self) -> str:
        """The settings as YAML that `from_yaml` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def with_overrides(self, overrides: Sequence[str]) -> Self:
        """These settings with ``section.name=value`` (or, where one section only has it, ``name=value``) changed.

        Raises:
            SettingError: an override has no ``=``, names nothing known, or gives an impossible value.

        Example:
            >>> from retinasynth.pix2pix.settings import Settings
            >>> Settings().with_overrides(["epochs=3", "generator.filters=8"]).training.epochs
            3
        """
        values = self.model_dump()
        for override in overrides:
            name, equals, text = override.partition("=")
            if not equals:
                raise SettingError(
                    f"`overrides` {shown(override)} has no '='", expected="name=value, for example epochs=5"
                )
            *sections, leaf = full_name(name.strip(), list(flat(self))).split(".")
            place = values
            for section in sections:
                place = place[section]
            # pydantic reads numbers and truth from text, but not the numbers of a closed choice (mask_channels).
            value, before = text.strip(), place[leaf]
            is_number = isinstance(before, int) and value.isdecimal() and len(value) <= _MOST_DIGITS
            place[leaf] = int(value) if is_number else value
        return self.from_mapping(values, origin=f"`overrides` {', '.join(overrides)}" if overrides else "the settings")


def flat(settings: RunSettings) -> dict[str, Any]:
    """All settings as ``section.name: value``, in their order; lists as `--set` takes them, with commas between.

    Example:
        >>> from retinasynth.pix2pix.settings import Settings
        >>> flat(Settings())["loss.l1_weight"]
        100.0
    """
    values: dict[str, Any] = {}
    for section, inside in settings.model_dump(mode="json").items():
        for name, value in inside.items() if isinstance(inside, dict) else [("", inside)]:
            values[f"{section}.{name}" if name else section] = (
                ",".join(map(str, value)) if isinstance(value, list) else value
            )
    return values


def descriptions(settings: type[RunSettings]) -> dict[str, str]:
    """What each setting of a kind of run means, as ``section.name: text``."""
    return {
        f"{section}.{name}": leaf.description or ""
        for section, field in settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for name, leaf in field.annotation.model_fields.items()
    }


def full_name(name: str, settings: Sequence[str]) -> str:
    """The full name of a setting that is called by it, or by its last part alone where one section only has it.

    Raises:
        SettingError: there is none of that name, or several.

    Example:
        >>> full_name("epochs", ["data.size_px", "training.epochs"])
        'training.epochs'
    """
    known = [full for full in settings if full != "preset"]
    if name in known:
        return name
    matches = [full for full in known if full.endswith(f".{name}")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise SettingError(f"`overrides` {name} is ambiguous", expected=f"one of: {', '.join(matches)}")
    leaves = {full.rpartition(".")[2]: full for full in known}
    raise SettingError(
        f"There is no setting {shown(name)}{did_you_mean(name, [*known, *leaves])}",
        do="`retinasynth settings` lists all of them",
    )


def did_you_mean(name: object, known: Sequence[str] | Mapping[str, Any]) -> str:
    """The end of a message about an unknown name: the known one that looks like it, if there is one."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(error: ValidationError, known: Sequence[str]) -> str:
    """What is wrong with settings, in one sentence for each of the first; `known` are the names that there are."""
    lines = []
    problems = error.errors()
    for problem in problems[:MOST_EXPLAINED]:
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"there is no setting {shown(name)}{did_you_mean(name, known)}")
        elif name:
            lines.append(f"{name} is {shown(problem['input'])}, but {problem['msg'][0].lower()}{problem['msg'][1:]}")
        else:
            lines.append(problem["msg"].removeprefix("Value error, "))
    more = len(problems) - MOST_EXPLAINED
    return "; ".join([*lines, f"and {more} more"] if more > 0 else lines)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for name, value in over.items():
        below = both.get(name)
        both[name] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both
