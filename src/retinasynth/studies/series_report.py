"""The pages of the studies of graded series: pictures first, then plots of asked for against found, then figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

import retinasynth
from retinasynth.files import write_text
from retinasynth.images import encoded, read_photograph
from retinasynth.intervals import Estimate
from retinasynth.report.page import render
from retinasynth.report.plots import INK, MODEL, MUTED, RIVAL, RULE, drawing, panel, svg
from retinasynth.report.sections import Column, Figure, Mark, Plot, Report, Row, Section, Strip, Table
from retinasynth.resuming import Line
from retinasynth.studies.recovery import Point, Recovery
from retinasynth.studies.series import SHOWN, SOURCES, tiles
from retinasynth.studies.words import capital

COLOURS = {"label": MUTED, "generated": MODEL, "by_rule": RIVAL, "real": INK}
_DASHED = {"label": "--", "generated": "-", "by_rule": "-", "real": "-"}
KEY = (
    Mark("generated photographs: the mean over eyes, faint each eye", "better"),
    Mark("drawn by rule, the control", "undecided"),
    Mark("the exact labels", "undecided dashed"),
    Mark("as asked for", "thin"),
)
RECOVERY_COLUMNS = ("Correlation", "Within eyes", "Slope", "Mean error", "Mean absolute error", "Not measured")

Values = NDArray[np.float64]


def write_page(
    path: Path,
    title: str,
    sentences: Sequence[str],
    facts: Sequence[str],
    sections: Sequence[Section],
    conventions: Mapping[str, str],
    about: Mapping[str, str],
) -> None:
    """Write the report; what its parts are, `retinasynth.report.sections.Report` says."""
    report = Report(
        title,
        sentences[0],
        sections,
        conventions,
        {**about, "retinasynth": retinasynth.__version__},
        sentences=sentences[1:],
        facts=facts,
        warning="Synthetic pictures; an illustration, not for diagnosis",
        kind="study",
    )
    write_text(path, render(report))


def read_strip(out: Path, line: Line, kind: str, values: Sequence[tuple[float, float | None]], decimals: int) -> Strip:
    """The pictures of one series of an eye, packed for the page.

    Args:
        out: the folder of the study.
        line: of the eye in its manifest.
        kind: of series.
        values: asked for and measured of each photograph; None where nothing could be measured.
        decimals: of both.
    """
    texts = [
        f"asked {asked:.{decimals}f}\nmeasured {'none' if found is None else format(found, f'.{decimals}f')}"
        for asked, found in values
    ]
    rows = tiles(read_photograph(out / "pictures" / f"{line['name']}-{kind}.png"), len(texts))
    shown = [(name, [encoded(one, "JPEG") for one in row]) for name, row in zip(SHOWN, rows, strict=True)]
    return Strip(capital(line["name"].replace("_", " ")), shown, texts)


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


# --- Figures in words --------------------------------------------------------------------------------------------


def figure_text(figure: Estimate | None, decimals: int = 2, *, signed: bool = False) -> str:
    """A figure with its interval, as sentences have it.

    Example:
        >>> figure_text(Estimate(0.5, 0.25, 0.75, 8))
        '0.50 (0.25 to 0.75)'
    """
    text, under, _ = cell(figure, decimals, signed=signed)
    return f"{text} ({under[0]})" if under else text


def cell(figure: Estimate | None, decimals: int = 2, *, signed: bool = False) -> Figure:
    """A figure and its interval, as tables have them."""
    if figure is None:
        return Figure("unknown")
    sign = "+" if signed else ""
    mean, low, high = (f"{value:{sign}.{decimals}f}" for value in figure[:3])
    return Figure(mean, (f"{low} to {high}",))


def recovery_table(head: str, recovered: Mapping[str, Recovery], decimals: int = 2) -> Table:
    """How well something was found again: a row for each source of `SOURCES`."""
    columns = {name: Column(name) for name in RECOVERY_COLUMNS}
    rows = []
    for source, one in recovered.items():
        cells = (
            cell(one.correlation),
            cell(one.within_eyes),
            cell(one.slope),
            cell(one.error, decimals, signed=True),
            cell(one.absolute_error, decimals),
            str(one.missing),
        )
        rows.append(Row(SOURCES[source], dict(zip(RECOVERY_COLUMNS, cells, strict=True))))
    return Table("", columns, rows, corner=head, leads=False)


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
