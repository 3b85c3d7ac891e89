"""What an ablation compares: rows of settings, and what was claimed of each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from retinasynth.documents import read_yaml
from retinasynth.errors import SettingError
from retinasynth.generation.train import GeneratorSettings, settings_of_preset
from retinasynth.settings import RunSettings, Section, did_you_mean, explain, flat
from retinasynth.studies.comparison import Expectation
from retinasynth.studies.runs import refuse_own_budget

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Row(Section):
    """One row: what is changed, and what was said would come of it."""

    name: str = Field(description="of its folder: letters, digits, points, hyphens and underscores")
    overrides: tuple[str, ...] = Field((), description="settings that differ from the baseline, each NAME=VALUE")
    claim: str = Field("", description="what was claimed of it, in words")
    expected: Expectation | None = Field(
        None, description="worse or better than the baseline: the claim in one word, where it can be tested"
    )


class Table(Section):
    """Rows to compare; the first is the baseline."""

    name: str = "table"
    preset: str = Field("source", description="settings that all rows start from")
    overrides: tuple[str, ...] = Field((), description="settings changed in all rows, each NAME=VALUE")
    rows: tuple[Row, ...] = Field(min_length=2, description="the first is the baseline")

    @model_validator(mode="after")
    def _rows_have_names_of_their_own(self) -> Self:
        for row in self.rows:
            if not _NAME.fullmatch(row.name):
                raise ValueError(f"a row is called {row.name!r}; a name has letters, digits, '.', '-' and '_'")
        names = [row.name.lower() for row in self.rows]  # some file systems tell no case apart
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rows are called {twice[0]!r}")
        return self

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """A table from a YAML file.

        Raises:
            SettingError: it cannot be read, or holds something unknown or impossible.
        """
        path = Path(path)
        expected = f"a YAML file of rows, as `ablate --yaml` prints them, or one of: {', '.join(TABLES)}"
        values = read_yaml(path, SettingError, what="a table", expected=expected)
        count = len(values["rows"]) if isinstance(values.get("rows"), list) else 0
        known_names = [*cls.model_fields, *(f"rows.{row}.{name}" for row in range(count) for name in Row.model_fields)]
        try:
            return cls.model_validate({"name": path.stem, **values})
        except ValidationError as error:
            raise SettingError(
                f"{path}: {explain(error, known_names)}", do="`retinasynth ablate --yaml` prints a table to start from"
            ) from error

    @classmethod
    def named(cls, table: str | Path) -> "Table":
        """A built-in table by its name, or one from a file.

        Raises:
            SettingError: it is neither.
        """
        if str(table) in TABLES:
            return TABLES[str(table)]
        if not Path(table).is_file() and not Path(table).suffix:
            raise SettingError(
                f"There is no table {str(table)!r}{did_you_mean(str(table), TABLES)}",
                expected=f"a YAML file, or one of: {', '.join(TABLES)}",
            )
        return cls.from_yaml(Path(table))

    def to_yaml(self) -> str:
        """The table as YAML that `from_yaml` reads back."""
        plain = self.model_dump(mode="json", exclude_defaults=True) | {"preset": self.preset}
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)

    def settings(self, preset: str | None = None, overrides: Sequence[str] = ()) -> dict[str, GeneratorSettings]:
        """The settings of each row: the preset, changes of the table, `overrides`, changes of the row.

        Raises:
            SettingError: one is impossible, changes what all runs share, or two rows are the same.
        """
        base = settings_of_preset(preset or self.preset).with_overrides([*self.overrides, *overrides])
        made: dict[str, GeneratorSettings] = {}
        for row in self.rows:
            try:
                changed = base.with_overrides(row.overrides)
            except SettingError as error:
                raise SettingError(f"Row {row.name}: {error.got}", expected=error.expected, do=error.do) from error
            refuse_own_budget(f"Row {row.name}", changes(changed, base))
            same = next((name for name, other in made.items() if other == changed), None)
            if same is not None:
                raise SettingError(
                    f"Rows {same} and {row.name} have the same settings, with preset {base.preset}",
                    expected="rows that differ",
                    do="`retinasynth ablate --yaml > table.yaml` prints the table; give it without one as `table`",
                )
            made[row.name] = changed
        return made


def changes(settings: RunSettings, base: RunSettings) -> dict[str, Any]:
    """What differs from the base, by full name."""
    before: Mapping[str, Any] = flat(base)
    return {name: value for name, value in flat(settings).items() if value != before[name]}


def settings_text(settings: GeneratorSettings) -> str:
    """The preset, and what differs from it: "preset source, training.epochs=10"."""
    changed = changes(settings, settings_of_preset(settings.preset))
    return ", ".join([f"preset {settings.preset}", *(f"{name}={value}" for name, value in changed.items())])


# The ablation of the published system, its claims in our words (docs/source.md).
SOURCE = Table(
    name="source",
    rows=(
        Row(name="baseline", claim="The published system: decoder dropout on, as in its program."),
        Row(
            name="no-discriminator-norm",
            overrides=("discriminator.norm=none",),
            claim="Without batch normalisation in the discriminator, training is unstable and converges much more "
            "slowly.",
            expected="worse",
        ),
        Row(
            name="no-dropout",
            overrides=("generator.dropout=0",),
            claim="The source contradicts itself. It reports that without dropout the generator overfits and does "
            "worse on unseen eyes, and concludes that dropout was therefore left out; its program has dropout on, at "
            "generation too. Tested here: that leaving it out is worse.",
            expected="worse",
        ),
        Row(
            name="glorot-initialisation",
            overrides=("training.initialisation=glorot",),
            claim="Other initial weights hinder learning, with vanishing or exploding gradients.",
            expected="worse",
        ),
        Row(
            name="he-initialisation",
            overrides=("training.initialisation=he",),
            claim="Other initial weights hinder learning, with vanishing or exploding gradients.",
            expected="worse",
        ),
        Row(
            name="learning-rate-10x",
            overrides=("optimiser.learning_rate=0.002",),
            claim="Too high a learning rate makes the model diverge or oscillate.",
            expected="worse",
        ),
        Row(
            name="learning-rate-0.1x",
            overrides=("optimiser.learning_rate=0.00002",),
            claim="Too low a learning rate converges slowly and may be caught in local minima.",
            expected="worse",
        ),
        Row(
            name="batch-4",
            overrides=("training.batch_size=4",),
            claim="A batch size of 1 improves the generated photographs.",
            expected="worse",
        ),
        Row(
            name="half-filters",
            overrides=("generator.filters=32", "discriminator.filters=32"),
            claim="Layer configurations were tuned; what came of it is not said.",
        ),
    ),
)
TABLES = {"source": SOURCE}
