"""A part of an evaluation, in the form that all parts share: sentences, tables, pictures, and plain values for JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from retinasynth.intervals import Estimate

Cell = Estimate | float | str | None


class Column(NamedTuple):
    """A column of a `Table`.

    Attributes:
        title: above it.
        note: smaller, under the title: a unit, or which way is better.
        decimals: of its figures.
    """

    title: str
    note: str = ""
    decimals: int = 3


class Row(NamedTuple):
    """A row of a `Table`.

    Attributes:
        title: before it.
        cells: by the key of a column; a column without one stays empty.
        is_difference: its figures have a sign.
    """

    title: str
    cells: Mapping[str, Cell]
    is_difference: bool = False

    def text(self, key: str, column: Column) -> tuple[str, str]:
        """A cell as text: the figure, and its interval or nothing.

        Example:
            >>> row = Row("generated", {"dice": Estimate(0.5, 0.4, 0.61, 8), "seen": "all"})
            >>> row.text("dice", Column("Dice", decimals=2)), row.text("seen", Column("Seen"))
            (('0.50', '0.40 to 0.61'), ('all', ''))
        """
        cell = self.cells.get(key)
        if cell is None or isinstance(cell, str):
            return cell or "", ""
        form = f"{'+' if self.is_difference else ''}.{column.decimals}f"
        if isinstance(cell, Estimate):
            return f"{cell.mean:{form}}", f"{cell.low:{form}} to {cell.high:{form}}"
        return f"{cell:{form}}", ""


class Table(NamedTuple):
    """Figures side by side."""

    title: str
    columns: Mapping[str, Column]
    rows: Sequence[Row]
    note: str = ""


class Shown(NamedTuple):
    """Pictures that belong together; `views` are encoded as PNG or JPEG, by the title under each."""

    name: str
    caption: str
    views: Mapping[str, bytes]


class Gallery(NamedTuple):
    """Pictures under one heading."""

    title: str
    shown: Sequence[Shown]
    note: str = ""


@dataclass(frozen=True)
class Part:
    """What one kind of measure has to say.

    Attributes:
        key: its name in ``evaluation.json``.
        title: its heading.
        sentences: the verdict in plain words, the most important first; figures after a colon.
        values: for ``evaluation.json``.
        conventions: how it was measured, by name.
    """

    key: str
    title: str
    sentences: Sequence[str]
    values: Mapping[str, Any]
    tables: Sequence[Table] = ()
    galleries: Sequence[Gallery] = field(default=(), repr=False)
    conventions: Mapping[str, str] = field(default_factory=dict)
