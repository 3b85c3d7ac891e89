"""The report of an augmentation study: one self-contained page, the answer first, and its figure as a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from retinasynth.files import write_json, write_text
from retinasynth.intervals import Estimate
from retinasynth.report.page import render as render_page
from retinasynth.report.plots import INK, MODEL, RIVAL, RULE, drawing, svg
from retinasynth.report.sections import Column, Gallery, Mark, Plot, Report, Row, Section, Shown, Table
from retinasynth.studies.arms import Arm, Effect, Point, Study, figure_text, outcome
from retinasynth.studies.forest import OUTCOME_COLOURS, OUTCOMES, finish_forest, forest_panel
from retinasynth.studies.words import capital, counted

_LABEL_GAP = 0.062  # of the height of the plot, between two names at its right
# The page's own style sheet gives the plots their colours; a file of its own brings these along.
_ALONE = (
    "--paper: #fbfaf7; --ink: #1c1a17; --muted: #69635a; --rule: #ddd7cc; --model: #0b6b63; --rival: #8a8175; "
    "--worse: #b3401f"
)


def write_study(study: Study, out: Path, name: str) -> None:
    """Write ``NAME.json``, ``NAME.csv``, ``figure.svg`` and ``report.html``.

    Raises:
        OutputError: one cannot be written.
    """
    write_json(out / f"{name}.json", study.to_json())
    write_text(out / f"{name}.csv", study.to_csv())
    first = next(iter(study.measures))
    write_text(out / "figure.svg", _alone(_curves(study, first)))
    write_text(out / "report.html", render(study))


def render(study: Study) -> str:
    """The report as one HTML page that asks for nothing outside itself."""
    sections = [
        Section(
            "curves",
            f"By number of {study.of_what}s",
            key_to_plots=[
                Mark("learns from synthetic photographs as well, or alone", "better"),
                Mark("learns from real photographs alone"),
                Mark("upright bars and shades: 95\N{NO-BREAK SPACE}% intervals", "none"),
            ],
            plots=[Plot(f"{name}, higher is better", _curves(study, key)) for key, name in study.measures.items()],
            wide=True,
        ),
        Section(
            "differences",
            "Differences, paired",
            key_to_plots=OUTCOMES,
            plots=[_forest(study, first, second) for first, second in _pairs(study.effects)],
        ),
        Section("arms", "Every arm", tables=[_table(study)]),
        Section(
            "pictures",
            "Pictures",
            galleries=[Gallery("", [Shown(name, (), views) for name, views in study.pictures.items()])],
            note=study.pictures_note,
        ),
    ]
    return render_page(
        Report(
            study.title,
            study.verdict[0],
            [one for one in sections if one.plots or one.tables or one.galleries[0].shown],
            study.conventions,
            study.about,
            sentences=study.verdict[1:],
            facts=[f"{name}: {study.about[name]}" for name in study.about if name in ("Data", "Seeds")],
            kind="study",
        )
    )


def _table(study: Study) -> Table:
    columns = {measure: Column(name) for measure, name in study.measures.items()}
    rows = [
        Row(point.arm, point.measures, note=point.source, group=capital(counted(count, study.of_what)))
        for count in [0, *study.counts]
        for point in study.points
        if point.count == count
    ]
    return Table("", columns, rows, corner="learnt from", leads=False)


# --- The plots ---------------------------------------------------------------------------------------------------


def _curves(study: Study, measure: str) -> str:
    """Each arm against the number of real photographs; arms without any are levels across the plot."""
    name = study.measures[measure]
    with drawing():
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.subplots()
        places = {count: place for place, count in enumerate(study.counts)}
        ends: list[tuple[float, Arm]] = []
        several = [arm for arm in study.arms if len({point.count for point in _of(study, arm)}) > 1]
        for number, arm in enumerate(study.arms):
            points = _of(study, arm)
            line = "-" if arm.is_strong else (0, (4, 2))
            colour = MODEL if arm.has_synthetic else INK if arm.is_strong else RIVAL
            shift = 0.05 * (number - (len(study.arms) - 1) / 2)  # so that intervals do not cover one another
            if points[0].count == 0:
                _level(axes, points[0].measures[measure], colour)
            else:
                xs = [places[point.count] + shift for point in points]
                estimates = [point.measures[measure] for point in points]
                _with_intervals(axes, xs, estimates, colour)
                if arm in several:
                    axes.plot(xs, [one.mean for one in estimates], linestyle=line, color=colour, linewidth=1.6)
                filled = colour if arm.is_strong else "white"
                mark = "o" if arm in several else "D"
                means = [one.mean for one in estimates]
                axes.plot(xs, means, mark, color=colour, markersize=5.5, markerfacecolor=filled)
            ends.append((points[-1].measures[measure].mean, arm))
        axes.set_xlim(-0.35, len(places) - 1 + 0.35)
        axes.set_xticks(list(places.values()), [str(count) for count in places])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"{study.of_what}s")
        axes.set_ylabel(f"{name} on test photographs" if name != "Dice" else "Dice on test eyes")
        axes.grid(axis="y", color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        _name_lines(axes, ends)
        label = "; ".join(f"{arm.name} ends at {figure_text(mean)}" for mean, arm in ends)
        return svg(figure, f"{name} against the number of {study.of_what}s: {label}")


def _of(study: Study, arm: Arm) -> list[Point]:
    return [point for point in study.points if point.arm == arm.name]


def _level(axes: Axes, estimate: Estimate, colour: str) -> None:
    axes.axhspan(estimate.low, estimate.high, color=colour, alpha=0.1, linewidth=0)
    axes.axhline(estimate.mean, color=colour, linewidth=1.2, linestyle=(0, (1, 1.6)))


def _with_intervals(axes: Axes, xs: Sequence[float], estimates: Sequence[Estimate], colour: str) -> None:
    axes.vlines(
        xs, [one.low for one in estimates], [one.high for one in estimates], color=colour, linewidth=3, alpha=0.4
    )


def _name_lines(axes: Axes, ends: Sequence[tuple[float, Arm]]) -> None:
    """The name of each arm to the right of its end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    ends = sorted(ends, key=lambda end: end[0])
    there = np.array([(mean - low) / (high - low) for mean, _ in ends])
    heights = there.copy()
    for number in range(1, len(heights)):
        heights[number] = max(heights[number], heights[number - 1] + _LABEL_GAP)
    heights -= np.mean(heights - there)
    for height, (_, arm) in zip(heights, ends, strict=True):
        colour = MODEL if arm.has_synthetic else INK if arm.is_strong else RIVAL
        axes.text(1.015, float(height), arm.name, transform=axes.transAxes, color=colour, va="center")


def _pairs(effects: Sequence[Effect]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.first, one.second) for one in effects))


def _forest(study: Study, first: str, second: str) -> Plot:
    """The difference between two arms at each number of real photographs, with its interval."""
    measure, name = next(iter(study.measures.items()))
    effects = [one for one in study.effects if (one.first, one.second) == (first, second)]
    with drawing():
        figure, axes = forest_panel(f"difference in {name}; right is better", len(effects), 0.3)
        for place, effect in enumerate(reversed(effects)):
            one = effect.measures[measure]
            colour = OUTCOME_COLOURS[outcome(one)]
            axes.plot([one.low, one.high], [place, place], color=colour, linewidth=3.5, alpha=0.55)
            axes.plot([one.mean], [place], "o", color=colour, markersize=5)
        finish_forest(axes, [f"{effect.count} real" for effect in reversed(effects)])
        shown = "; ".join(f"{one.count} real {figure_text(one.measures[measure].mean, signed=True)}" for one in effects)
        caption = f"{capital(first)}, less {second}"
        return Plot(caption, svg(figure, f"{caption}: {shown}"))


def _alone(drawn: str) -> str:
    """A plot of the page as a file of its own."""
    style = f"{_ALONE}; background: var(--paper); font-family: system-ui, sans-serif"
    return '<?xml version="1.0" encoding="utf-8"?>\n' + drawn.replace("<svg", f'<svg style="{style}"', 1)
