"""What a tuning searches: for each setting a range or a few choices."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError, model_validator

from retinasynth.documents import read_yaml
from retinasynth.errors import SettingError
from retinasynth.generation.train import GeneratorSettings
from retinasynth.settings import Section, explain, flat, full_name
from retinasynth.studies.runs import refuse_own_budget

Value = bool | int | float | str


class Search(Section):
    """Where one setting is searched: from `low` to `high`, or among `choices`.

    Attributes:
        low: least value.
        high: greatest value.
        log: whether a factor is worth a factor, as with learning rates.
        choices: values to choose among instead.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Self:
        if self.choices:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("choices stand beside low, high or log; give one of the two")
            if len(set(self.choices)) < max(2, len(self.choices)):
                raise ValueError("choices must be at least two different values")
        elif self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("a range needs low and high, the first below the second, or choices")
        elif self.log and self.low <= 0:
            raise ValueError("a range with log begins above 0")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """Values that must all be possible."""
        return self.choices or tuple(end for end in (self.low, self.high) if end is not None)

    def holds(self, value: Any) -> bool:
        """Whether a value can be found here."""
        if self.low is None or self.high is None:
            return value in self.choices
        return bool(self.low <= value <= self.high)


# The settings that decide most, over what is sensible for a few dozen eyes; every preset lies inside.
SPACE: dict[str, Search] = {
    "optimiser.learning_rate": Search(low=5e-5, high=2e-3, log=True),
    "training.batch_size": Search(choices=(1, 2, 4)),
    "generator.filters": Search(choices=(16, 32, 64)),
    "discriminator.filters": Search(choices=(16, 32, 64)),
    "loss.l1_weight": Search(low=10, high=300, log=True),
    "loss.ssim_weight": Search(low=0, high=50),
    "loss.adversarial_weight": Search(low=0.1, high=4, log=True),
}


def read_space(path: Path) -> dict[str, Search]:
    """A space from a YAML file: settings by name, each with low and high (and perhaps log), or choices.

    Raises:
        SettingError: it cannot be read, or holds something unknown or impossible.
    """
    example = "optimiser.learning_rate: {low: 0.0001, high: 0.001, log: true}"
    expected = f"a YAML file of settings and ranges, such as {example}"
    values = read_yaml(path, SettingError, what="a space", expected=expected)
    if not values:
        raise SettingError(f"{path} holds nothing to search", expected=expected)
    known = [f"{name}.{field}" for name in values for field in Search.model_fields]
    try:
        return TypeAdapter(dict[str, Search]).validate_python(values)
    except ValidationError as error:
        raise SettingError(f"{path}: {explain(error, known)}", expected=f"for example {example}") from error


def searched(
    base: GeneratorSettings, space: Mapping[str, Search] | None, overrides: Sequence[str]
) -> dict[str, Search]:
    """The space by full names, checked against the settings that the search starts from.

    Args:
        base: settings to start from, `overrides` included.
        space: to search; None is the built-in one without the settings that `overrides` fix.
        overrides: settings that were given, each ``name=value``.

    Raises:
        SettingError: a setting is unknown, a value impossible, or the start lies outside.
    """
    start = flat(base)
    if space is None:
        fixed = {full_name(one.partition("=")[0].strip(), list(start)) for one in overrides}
        found = {name: search for name, search in SPACE.items() if name not in fixed}
        if not found:
            raise SettingError("Every setting of the space is fixed by `overrides`", expected="one left to search")
    else:
        found = {full_name(name, list(start)): search for name, search in space.items()}
    refuse_own_budget("The space", found)
    for name, search in found.items():
        for value in search.ends:
            base.with_overrides([f"{name}={as_text(base, name, value)}"])
        if not search.holds(start[name]):
            raise SettingError(
                f"The search starts from {name}={start[name]}, which its space does not hold",
                expected=f"a space with {start[name]}, or a start inside",
                do=f"Widen it with `space`, or start elsewhere with `overrides` {name}=...",
            )
    return found


def as_text(base: GeneratorSettings, name: str, value: Value) -> str:
    """A value as `--set` takes it: ranges are kept in floats, and whole numbers want no point."""
    kept = flat(base)[name]
    if isinstance(kept, int) and not isinstance(kept, bool) and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
