"""Plots of a page: small, in one style, and in colours that follow the light and dark of the page."""

import html
import io
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Plots are drawn in placeholder colours that those of the style sheet replace, so they follow light and dark mode.
INK, MUTED, RULE, MODEL, RIVAL, WORSE = (f"#01010{digit}" for digit in range(1, 7))
_COLOURS = {INK: "ink", MUTED: "muted", RULE: "rule", MODEL: "model", RIVAL: "rival", WORSE: "worse"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
}
_DRAWING = threading.RLock()  # matplotlib's style is one for the whole process


@contextmanager
def drawing() -> Iterator[None]:
    """Where plots are drawn in the style of all reports; of the threads of a process, one draws at a time."""
    with _DRAWING, mpl.rc_context(STYLE):
        yield


def panel(x_label: str, height_inches: float = 2.7) -> tuple[Figure, Axes]:
    """A small plot; drawn inside `drawing` it looks like the others."""
    figure = Figure(figsize=(3.6, height_inches), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x_label)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(length=3)
    return figure, axes


def draw_curve(
    axes: Axes, steps: NDArray[np.float64], values: NDArray[np.float64], colour: str, *, for_comparison: bool = False
) -> float:
    """A curve of a training: every record faint, over it the mean over a thirtieth of the run. Returns its end.

    One that is there for comparison alone is dashed, and without its records.
    """
    smooth = running_mean(values, max(1, steps.size // 30))
    if for_comparison:
        axes.plot(steps, smooth, "--", color=colour, linewidth=1)
    else:
        axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.3)
        axes.plot(steps, smooth, color=colour, linewidth=1.6)
    return float(smooth[-1])


def finish_curves(axes: Axes) -> None:
    """Lines across, and zero in sight."""
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)


def draw_pairs(axes: Axes, model: NDArray[np.float64], rival: NDArray[np.float64], won: NDArray[np.bool_]) -> None:
    """One row for each picture: a dot for the model, a ring for its rival, and the way from one to the other.

    Args:
        axes: to draw in.
        model: ``(n,)``, in the order of the rows.
        rival: ``(n,)``.
        won: ``(n,)``: where the model is better.
    """
    rows = np.arange(len(model))
    size = _dot_size(len(model))
    _stack(axes)
    axes.add_collection(
        LineCollection(
            [[(a, row), (b, row)] for a, b, row in zip(model, rival, rows, strict=True)],
            colors=[MODEL if better else WORSE for better in won],
            linewidths=max(0.6, size / 3),
            alpha=0.55,
        )
    )
    axes.plot(rival, rows, "o", markerfacecolor="none", markeredgecolor=RIVAL, markersize=size)
    axes.plot(model[won], rows[won], "o", color=MODEL, markersize=size)
    axes.plot(model[~won], rows[~won], "o", color=WORSE, markersize=size)


def draw_dots(axes: Axes, values: NDArray[np.float64]) -> None:
    """One row for each picture, ``(n,)``: a dot for the model."""
    _stack(axes)
    axes.plot(values, np.arange(len(values)), "o", color=MODEL, markersize=_dot_size(len(values)))


def _stack(axes: Axes) -> None:
    """Rows one over the other, with nothing at the side."""
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.margins(y=0.06)


def _dot_size(count: int) -> float:
    """Of so many dots one over the other, in points."""
    return float(np.clip(110 / count, 1.5, 5.5))


def running_mean(values: NDArray[np.float64] | Sequence[float], window: int) -> NDArray[np.float64]:
    """The mean of up to `window` neighbours, fewer at the ends."""
    ones = np.ones(window)
    return np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")


def svg(figure: Figure, label: str) -> str:
    """The figure as an element of a page: no prologue, no metadata, no ids that two plots would share.

    Args:
        figure: to draw.
        label: what it shows, in words; unique in its page.
    """
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    # the salt keeps the ids of one plot the same from run to run, and different from those of its neighbours
    with _DRAWING, mpl.rc_context({"svg.hashsalt": label}):
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    drawn = text.getvalue()
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn[drawn.index("<svg") :])
    drawn = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1), count=1
    )
    for stand_in, name in _COLOURS.items():
        drawn = drawn.replace(stand_in, f"var(--{name})")
    return drawn.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
