"""The report of a study of usefulness: one self-contained page, the answer first, and its figure as a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from retinasynth.files import write_json, write_text
from retinasynth.intervals import Estimate
from retinasynth.report.page import page
from retinasynth.report.plots import INK, MODEL, RIVAL, RULE, WORSE, drawing, panel, svg
from retinasynth.studies.arms import Arm, Gap, Point, Study, counted, figure_text, interval_text, outcome

TEMPLATE = Path(__file__).parent / "arms.html.jinja"
_COLOURS = {"better": MODEL, "worse": WORSE, "undecided": RIVAL}
_LABEL_GAP = 0.062  # of the height of the plot, between two names at its right
# The page's own style sheet gives the plots their colours; a file that stands alone brings these along.
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
    return page(
        TEMPLATE,
        {
            "study": study,
            "figures": {name: _curves(study, measure) for measure, name in study.measures.items()},
            "forests": [_forest(study, first, second) for first, second in _pairs(study.gaps)],
            "groups": [(_group(study, count), _rows(study, count)) for count in [0, *study.counts]],
            "conventions": {name[0].upper() + name[1:]: text for name, text in study.conventions.items()},
        },
    )


# --- The table ---------------------------------------------------------------------------------------------------


def _group(study: Study, count: int) -> str:
    title = counted(count, study.of_what)
    return title[0].upper() + title[1:]


def _rows(study: Study, count: int) -> list[dict[str, Any]]:
    return [
        {
            "arm": point.arm,
            "source": point.source,
            "has_synthetic": next(arm.has_synthetic for arm in study.arms if arm.name == point.arm),
            "cells": [(figure_text(one.mean), interval_text(one)) for one in point.measures.values()],
        }
        for point in study.points
        if point.count == count
    ]


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
        said = "; ".join(f"{arm.name} ends at {figure_text(mean)}" for mean, arm in ends)
        return svg(figure, f"{name} against the number of {study.of_what}s: {said}")


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


def _pairs(gaps: Sequence[Gap]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((gap.first, gap.second) for gap in gaps))


def _forest(study: Study, first: str, second: str) -> dict[str, str]:
    """The difference between two arms at each number of real photographs, with its interval."""
    measure, name = next(iter(study.measures.items()))
    gaps = [gap for gap in study.gaps if (gap.first, gap.second) == (first, second)]
    with drawing():
        figure, axes = panel(f"difference in {name}; right is better", height_inches=0.9 + 0.3 * len(gaps))
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, gap in enumerate(reversed(gaps)):
            one = gap.measures[measure]
            colour = _COLOURS[outcome(one)]
            axes.plot([one.low, one.high], [place, place], color=colour, linewidth=3.5, alpha=0.55)
            axes.plot([one.mean], [place], "o", color=colour, markersize=5)
        axes.set_ylim(-0.7, len(gaps) - 0.3)
        axes.set_yticks(range(len(gaps)), [f"{gap.count} real" for gap in reversed(gaps)])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=4)
        shown = "; ".join(f"{gap.count} real {figure_text(gap.measures[measure].mean, signed=True)}" for gap in gaps)
        caption = f"{first[0].upper()}{first[1:]}, less {second}"
        return {"caption": caption, "svg": svg(figure, f"{caption}: {shown}")}


def _alone(drawn: str) -> str:
    """A plot of the page as a file of its own."""
    style = f"{_ALONE}; background: var(--paper); font-family: system-ui, sans-serif"
    return '<?xml version="1.0" encoding="utf-8"?>\n' + drawn.replace("<svg", f'<svg style="{style}"', 1)
