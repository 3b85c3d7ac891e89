"""The pages of the studies of graded series: pictures first, then plots of asked for against found, then figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

import retinasynth
from retinasynth.files import write_text
from retinasynth.images import Photograph, encoded
from retinasynth.intervals import Estimate
from retinasynth.report.page import page
from retinasynth.report.plots import INK, MODEL, MUTED, RIVAL, RULE, drawing, panel, svg
from retinasynth.studies.series import SOURCES, Point, Recovery

TEMPLATE = Path(__file__).parent / "series.html.jinja"
COLOURS = {"label": MUTED, "generated": MODEL, "by_rule": RIVAL, "real": INK}
_DASHED = {"label": "--", "generated": "-", "by_rule": "-", "real": "-"}
KEY = (
    ("better", "generated photographs: the mean over eyes, faint each eye"),
    ("undecided", "drawn by rule, the control"),
    ("undecided dashed", "the exact labels"),
    ("thin", "as asked for"),
)
RECOVERY_COLUMNS = ("Correlation", "Within eyes", "Slope", "Mean error", "Mean absolute error", "Not measured")

Values = NDArray[np.float64]


class Plot(NamedTuple):
    """A drawing with what stands above it."""

    caption: str
    svg: str


class Strip(NamedTuple):
    """Pictures of one eye: rows of tiles with what each shows, and a text under each column."""

    name: str
    rows: list[tuple[str, list[bytes]]]
    texts: list[str]


@dataclass(frozen=True)
class Table:
    """Figures: a head, and rows of a name and cells, each a figure and the text under it."""

    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        strips: pictures.
        plots: drawings.
        tables: figures.
        note: what to know to read it.
        key: what colours mean: names of classes of the page, and texts.
    """

    title: str
    strips: Sequence[Strip] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    note: str = ""
    key: Sequence[tuple[str, str]] = field(default_factory=tuple)


def write_page(
    path: Path,
    title: str,
    sentences: Sequence[str],
    facts: Sequence[str],
    sections: Sequence[Section],
    conventions: Mapping[str, str],
    about: Mapping[str, str],
) -> None:
    """Write a self-contained page.

    Args:
        path: of the file.
        title: above all.
        sentences: the answer, and what else was found.
        facts: what must be known at once.
        sections: in order.
        conventions: how things were measured.
        about: of what and with what.
    """
    values: dict[str, Any] = {
        "title": title,
        "sentences": sentences,
        "facts": facts,
        "sections": sections,
        "conventions": {capital(name): text for name, text in conventions.items()},
        "about": {**about, "retinasynth": retinasynth.__version__},
    }
    write_text(path, page(TEMPLATE, values))


def strip(name: str, rows: Mapping[str, Sequence[Photograph]], texts: Sequence[str]) -> Strip:
    """Pictures of one eye, packed for the page."""
    return Strip(name, [(shown, [encoded(one, "JPEG") for one in row]) for shown, row in rows.items()], list(texts))


def follows(recovered: Mapping[str, Recovery]) -> str:
    """Whether generated photographs go along with what is asked for, in words: by their slope over that of the labels.

    Args:
        recovered: of the sources ``"generated"`` and ``"label"``.
    """
    slope, most = recovered["generated"].slope, recovered["label"].slope
    if slope is None or most is None or most.mean <= 0:
        return "cannot be told"
    share = slope.mean / most.mean
    steps = ((0.1, "does not follow"), (0.4, "hardly follows"), (0.8, "follows a part of the way"))
    return next((words for below, words in steps if share < below), "follows")


def capital(text: str) -> str:
    """A text that begins a line."""
    return text[0].upper() + text[1:]


# --- Figures in words --------------------------------------------------------------------------------------------


def figure_text(figure: Estimate | None, decimals: int = 2, *, signed: bool = False) -> str:
    """A figure with its interval, as it stands in a sentence.

    Example:
        >>> figure_text(Estimate(0.5, 0.25, 0.75, 8))
        '0.50 (0.25 to 0.75)'
    """
    return "unknown" if figure is None else "{} ({})".format(*_cell(figure, decimals, signed=signed))


def _cell(figure: Estimate | None, decimals: int, *, signed: bool = False) -> tuple[str, str]:
    if figure is None:
        return "unknown", ""
    sign = "+" if signed else ""
    mean, low, high = (f"{value:{sign}.{decimals}f}" for value in figure[:3])
    return mean, f"{low} to {high}"


def recovery_table(head: str, rows: Mapping[str, Recovery], decimals: int = 2) -> Table:
    """How well something was found again: a row for each kind of picture, or of thing."""
    return Table(
        (head, *RECOVERY_COLUMNS),
        [
            (
                name,
                (
                    _cell(one.correlation, 2),
                    _cell(one.within_eyes, 2),
                    _cell(one.slope, 2),
                    _cell(one.error, decimals, signed=True),
                    _cell(one.absolute_error, decimals),
                    (str(one.missing), ""),
                ),
            )
            for name, one in rows.items()
        ],
    )


# --- Plots -------------------------------------------------------------------------------------------------------


def asked_and_found(
    caption: str, x_label: str, y_label: str, series: Mapping[str, Sequence[Point]], *, in_one_unit: bool = True
) -> Plot:
    """What was found over what was asked for.

    Args:
        caption: above the plot.
        x_label: of what was asked for, with its unit.
        y_label: of what was found.
        series: photographs by source of `SOURCES`, those of an eye together and in order.
        in_one_unit: draw the line on which both are equal.
    """
    with drawing():
        figure, axes = panel(x_label, height_inches=3.2)
        axes.set_ylabel(y_label)
        ends = []
        for source, points in series.items():
            asked, found = _by_eye(points)
            if source == "generated":
                axes.plot(asked.T, found.T, color=COLOURS[source], linewidth=0.7, alpha=0.3)
            known = np.isfinite(found)
            counts = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, found, 0).sum(axis=0) / counts
            mean[~known.any(axis=0)] = np.nan
            width = 1.2 if source == "label" else 2.0
            style = _DASHED[source]
            axes.plot(asked.mean(axis=0), mean, style, color=COLOURS[source], linewidth=width, marker="o", markersize=3)
            first, final = ("unknown" if np.isnan(one) else f"{one:.2f}" for one in (mean[0], mean[-1]))
            ends.append(f"{SOURCES[source]} {first} to {final}")
            limits = float(asked.min()), float(asked.max())
        if in_one_unit:
            axes.plot(limits, limits, color=INK, linewidth=0.8, zorder=0)
        _grid(axes)
        return Plot(caption, svg(figure, f"{caption}: mean, from the least to the most asked for: {'; '.join(ends)}"))


def _by_eye(points: Sequence[Point]) -> tuple[Values, Values]:
    """Asked for and found, ``(eyes, grades)``; not a number where nothing was found."""
    eyes: dict[str, list[Point]] = {}
    for point in points:
        eyes.setdefault(point.eye, []).append(point)
    asked = np.array([[point.asked for point in one] for one in eyes.values()], np.float64)
    found = np.array([[np.nan if p.found is None else p.found for p in one] for one in eyes.values()], np.float64)
    return asked, found


def curves(caption: str, lines: Mapping[str, tuple[str, Values, Values, str]]) -> Plot:
    """Receiver operating characteristics.

    Args:
        caption: above the plot.
        lines: by source (a key of `COLOURS`) its name, 1 - specificity, sensitivity, and the area as text.
    """
    with drawing():
        figure, axes = panel("false alarms (1 - specificity)".replace("-", "\N{MINUS SIGN}"), height_inches=4.2)
        axes.set_ylabel("glaucoma found (sensitivity)")
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=0.8)
        for source, (name, x, y, area) in lines.items():
            axes.plot(x, y, _DASHED[source], color=COLOURS[source], linewidth=1.8, label=f"{name}: {area}")
        axes.legend(loc="upper left", bbox_to_anchor=(-0.2, -0.2), frameon=False, fontsize=8.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        _grid(axes)
        said = "; ".join(f"{name} {area}" for name, _, _, area in lines.values())
        return Plot(caption, svg(figure, f"{caption}: areas under the curves: {said}"))


def groups(caption: str, y_label: str, values: Mapping[str, Sequence[float]], colour: str) -> Plot:
    """A dot for each eye, in columns, with the means."""
    with drawing():
        figure, axes = panel("", height_inches=3.4)
        axes.set_ylabel(y_label)
        for place, some in enumerate(values.values()):
            aside = np.random.default_rng(0).uniform(-0.16, 0.16, len(some))
            axes.plot(place + aside, some, "o", color=colour, markersize=4, alpha=0.55, markeredgewidth=0)
            axes.plot([place - 0.3, place + 0.3], [np.mean(some)] * 2, color=INK, linewidth=1.4)
        axes.set_xticks(range(len(values)), [f"{name} ({len(some)})" for name, some in values.items()])
        axes.set_xlim(-0.6, len(values) - 0.4)
        axes.set_ylim(0, 1)
        _grid(axes)
        said = ", ".join(f"{name} {np.mean(some):.2f}" for name, some in values.items())
        return Plot(caption, svg(figure, f"{caption}, means: {said}"))


def by_class(
    caption: str, x_label: str, y_label: str, names: Sequence[str], values: Mapping[str, Sequence[Estimate | None]]
) -> Plot:
    """Figures by class with their intervals, side by side for each source."""
    with drawing():
        figure, axes = panel(x_label, height_inches=3.0)
        axes.set_ylabel(y_label)
        for number, (source, figures) in enumerate(values.items()):
            for place, one in enumerate(figures):
                x = place + 0.22 * (number - (len(values) - 1) / 2)
                if one is not None:
                    axes.plot([x, x], [one.low, one.high], color=COLOURS[source], linewidth=2.5, alpha=0.5)
                    axes.plot([x], [one.mean], "o", color=COLOURS[source], markersize=5)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(top=1.03)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        _grid(axes)
        said = "; ".join(
            f"{SOURCES[source]} {', '.join('unknown' if one is None else f'{one.mean:.2f}' for one in figures)}"
            for source, figures in values.items()
        )
        return Plot(caption, svg(figure, f"{caption}, {', '.join(names)}: {said}"))


def _grid(axes: Axes) -> None:
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
