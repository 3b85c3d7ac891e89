"""Drawings that the reports of several studies share: differences with their intervals, and small pictures."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retinasynth.images import Photograph, encoded, square_photograph
from retinasynth.report.plots import INK, MODEL, RIVAL, WORSE, panel
from retinasynth.report.sections import Mark

OUTCOME_COLOURS = {"better": MODEL, "worse": WORSE, "undecided": RIVAL}
OUTCOMES = (Mark("better", "better"), Mark("worse", "worse"), Mark("undecided"))
THUMBNAIL_PX = 256


def thumbnail(picture: Photograph, kind: Literal["PNG", "JPEG"] = "JPEG") -> bytes:
    """A picture in a square of `THUMBNAIL_PX`, for a page."""
    return encoded(square_photograph(picture, THUMBNAIL_PX, "letterbox"), kind)


def forest_panel(x_label: str, count: int, inches_each: float) -> tuple[Figure, Axes]:
    """A small plot with a line for each of some differences, and zero marked; `finish_forest` names the lines."""
    figure, axes = panel(x_label, height_inches=0.9 + inches_each * count)
    axes.axvline(0, color=INK, linewidth=0.8)
    return figure, axes


def finish_forest(axes: Axes, names: Sequence[str]) -> None:
    """Name the lines of a `forest_panel`, from the bottom up."""
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_yticks(range(len(names)), list(names))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
