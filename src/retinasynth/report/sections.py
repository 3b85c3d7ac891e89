"""What a report is made of: sections of sentences, tables, plots and pictures. Nothing here knows what was studied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from retinasynth.intervals import Estimate

Outcome = Literal["better", "worse", "undecided"]
NOT_FOR_DIAGNOSIS = "Synthetic pictures; not for diagnosis"


class Figure(NamedTuple):
    """A cell of a table as text.

    Attributes:
        text: the figure.
        under: in small type under it: its interval, its spread, its source.
        outcome: what it says, under all that and in its colour.
    """

    text: str
    under: Sequence[str] = ()
    outcome: Outcome | None = None


Cell = Figure | Estimate | float | str | None


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
        note: smaller, under the title.
        group: heading of the rows that belong together, said before the first of them.
        outcomes: of its figures, by the key of a column; some or none.
    """

    title: str
    cells: Mapping[str, Cell]
    is_difference: bool = False
    note: str = ""
    group: str = ""
    outcomes: Mapping[str, Outcome] = {}

    def figure(self, key: str, column: Column) -> Figure:
        """A cell as text.

        Example:
            >>> row = Row("generated", {"dice": Estimate(0.5, 0.4, 0.61, 8), "seen": "all"})
            >>> row.figure("dice", Column("Dice", decimals=2))
            Figure(text='0.50', under=('0.40 to 0.61',), outcome=None)
            >>> row.figure("seen", Column("Seen")).text
            'all'
        """
        cell, outcome = self.cells.get(key), self.outcomes.get(key)
        if isinstance(cell, Figure):
            return cell
        if cell is None or isinstance(cell, str):
            return Figure(cell or "", outcome=outcome)
        form = f"{'+' if self.is_difference else ''}.{column.decimals}f"
        if isinstance(cell, Estimate):
            return Figure(f"{cell.mean:{form}}", (f"{cell.low:{form}} to {cell.high:{form}}",), outcome)
        return Figure(f"{cell:{form}}", outcome=outcome)


class Table(NamedTuple):
    """Figures side by side.

    Attributes:
        title: heading; may be empty in a section of one table.
        columns: by the keys of the cells.
        rows: the first one is set in bold where `leads`.
        note: under it; what stands between backticks is set as code.
        corner: above the titles of the rows.
        leads: the first row is what the others are compared with.
    """

    title: str
    columns: Mapping[str, Column]
    rows: Sequence[Row]
    note: str = ""
    corner: str = "Mean, with 95\N{NO-BREAK SPACE}% interval"
    leads: bool = True


class Mark(NamedTuple):
    """An entry of a key to colours.

    Attributes:
        text: what it means.
        kind: ``better``, ``worse``, ``undecided``, ``ring``, ``line``, ``dashed``, ``thin``, several of them,
            or nothing for a dot in the colour of the text; ``none`` for a text alone.
    """

    text: str
    kind: str = ""


class Plot(NamedTuple):
    """A plot.

    Attributes:
        caption: above it.
        svg: an element of HTML, of `retinasynth.report.plots.svg`.
        key: what its colours mean, beside the caption.
        warning: beside the caption, in the colour of what is worse.
    """

    caption: str
    svg: str
    key: Sequence[Mark] = ()
    warning: str = ""


class Shown(NamedTuple):
    """Pictures that belong together.

    Attributes:
        name: above them; may be empty.
        values: figures beside the name.
        views: encoded as PNG or JPEG, by the title under each.
        described: by title, what a picture shows where that is not "TITLE of NAME", for those who do not see it.
    """

    name: str
    values: Sequence[str]
    views: Mapping[str, bytes]
    described: Mapping[str, str] = {}


class Strip(NamedTuple):
    """Pictures of one eye, step by step: rows of tiles.

    Attributes:
        name: above them.
        rows: what a row shows, and its pictures, encoded as PNG or JPEG.
        texts: under each column.
    """

    name: str
    rows: Sequence[tuple[str, Sequence[bytes]]]
    texts: Sequence[str]


class Gallery(NamedTuple):
    """Pictures under one heading, which may be empty."""

    title: str
    shown: Sequence[Shown]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A section of a report; whatever is empty is left out.

    Attributes:
        key: its name in the page, unique there.
        title: its heading.
        sentences: what was found, in plain words, the most important first; figures after a colon.
        tables: figures, under the plots.
        strips: pictures step by step, above the plots.
        key_to_plots: what the colours of all its plots mean.
        plots: drawings.
        galleries: pictures.
        note: under all that; what stands between backticks is set as code.
        wide: plots are as wide as the page, one under the other.
    """

    key: str
    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    strips: Sequence[Strip] = field(default=(), repr=False)
    key_to_plots: Sequence[Mark] = ()
    plots: Sequence[Plot] = field(default=(), repr=False)
    galleries: Sequence[Gallery] = field(default=(), repr=False)
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Report:
    """A page, the answer first.

    Attributes:
        title: above all, small.
        answer: the most important sentence, large.
        sections: in order.
        conventions: how things were measured, by name; what stands between backticks is set as code, here and below.
        about: what was studied and with what, by name.
        sentences: what else was found, under the answer.
        facts: what must be known at once, beside the warning.
        warning: what must not be overlooked, at the top and at the foot.
        kind: what this is, as in "About this KIND".
    """

    title: str
    answer: str
    sections: Sequence[Section]
    conventions: Mapping[str, str]
    about: Mapping[str, str]
    sentences: Sequence[str] = ()
    facts: Sequence[str] = ()
    warning: str = NOT_FOR_DIAGNOSIS
    kind: str = "evaluation"
