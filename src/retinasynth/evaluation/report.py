"""The report: one HTML file with everything inside, for a reader who was not there."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import retinasynth
from retinasynth import images
from retinasynth.evaluation.fidelity import SIZE_PX, Fidelity
from retinasynth.evaluation.intervals import Estimate
from retinasynth.evaluation.results import LABELS, LOWER_IS_BETTER, MEAN_IMAGE, MODEL, NAMES, Evaluation, Row, formatted
from retinasynth.files import write_text
from retinasynth.images import Photograph

MAX_EXAMPLES = 24
INK, MODEL_COLOUR, BASELINE_COLOUR = "#8a8580", "#c2410c", "#64748b"  # legible on white and on black
LOSS_TITLES = {
    "loss_discriminator_real": "Discriminator, real",
    "loss_discriminator_generated": "Discriminator, generated",
    "loss_generator_adversarial": "Generator, adversarial",
    "loss_generator_l1": "Generator, mean absolute error",
}


def write_report(path: Path, evaluation: Evaluation, mean: Photograph | None, training_log: Path | None) -> None:
    """Write ``report.html``; it asks nothing of the network when it is opened.

    Args:
        path: the file.
        evaluation: what to report.
        mean: the mean training photograph, shown beside the examples.
        training_log: the ``metrics.jsonl`` of the training, for its loss curves.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("retinasynth.evaluation", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown, chosen_how = _chosen(evaluation.rows)
    html = environment.get_template("report.html.jinja").render(
        title=evaluation.about.get("Model") or evaluation.about.get("Generated", "Evaluation"),
        verdict=evaluation.verdict,
        table=_table(evaluation),
        pictures=len(evaluation.rows),
        eyes=evaluation.figures[MODEL]["mse"].n,
        examples=[_example(label, row, mean) for label, row in shown],
        chosen_how=chosen_how,
        comparison_plot=_comparison_plot(evaluation.rows) if MEAN_IMAGE in evaluation.figures else "",
        loss_plot=_loss_plot(training_log) if training_log else "",
        conventions=evaluation.to_json()["conventions"],
        about=evaluation.about,
        version=retinasynth.__version__,
    )
    write_text(path, html)


def _table(evaluation: Evaluation) -> list[dict[str, object]]:
    """One line for the model and one for each baseline: name, and a cell for each measure."""
    lines: list[dict[str, object]] = []
    for who, figures in evaluation.figures.items():
        cells = []
        for measure, value in figures.items():
            difference = evaluation.differences.get(who, {}).get(measure)
            cells.append(
                {
                    "mean": formatted(measure, value.mean),
                    "low": formatted(measure, value.low),
                    "high": formatted(measure, value.high),
                    "difference": _signed(measure, difference) if difference else "",
                }
            )
        name = "This model" if who == MODEL else NAMES[who][0].upper() + NAMES[who][1:]
        lines.append({"name": name, "is_model": who == MODEL, "cells": cells})
    return lines


def _signed(measure: str, difference: Estimate) -> str:
    mean, low, high = (f"{'+' if value > 0 else ''}{formatted(measure, value)}" for value in difference[:3])
    return f"{mean} ({low} to {high})"


def _chosen(rows: Sequence[Row]) -> tuple[list[tuple[str, Row]], str]:
    """The examples to show, each with its rank by SSIM: all of them, or a third each of best, middle and worst."""
    ranked = sorted(rows, key=lambda row: -row.fidelity[MODEL].ssim)
    labelled = [(f"rank {rank} of {len(ranked)}", row) for rank, row in enumerate(ranked, start=1)]
    if len(ranked) <= MAX_EXAMPLES:
        return labelled, "All pictures, from the highest to the lowest SSIM."
    third = MAX_EXAMPLES // 3
    middle = (len(ranked) - third) // 2
    chosen = labelled[:third] + labelled[middle : middle + third] + labelled[-third:]
    return chosen, f"The {third} best, the {third} in the middle and the {third} worst by SSIM; all are in panels/."


def _example(label: str, row: Row, mean: Photograph | None) -> dict[str, object]:
    example, size = row.example, (SIZE_PX, SIZE_PX)
    pictures = []
    if example.mask is not None:
        mask = images.mask_as_photograph(images.resize_mask(example.mask, size))
        pictures.append({"caption": "Source", "data": _picture(mask, "PNG")})
    for caption, photograph in (("Generated", example.generated), ("Expected", example.expected)):
        pictures.append({"caption": caption, "data": _picture(images.resize_photograph(photograph, size), "JPEG")})
    if mean is not None:
        pictures.append({"caption": "Mean photograph", "data": _picture(mean, "JPEG")})
    figures = {LABELS[measure]: formatted(measure, getattr(row.fidelity[MODEL], measure)) for measure in LABELS}
    return {"name": example.name, "label": label, "pictures": pictures, "figures": figures}


def _picture(picture: Photograph, kind: str) -> str:
    """A picture as a data address."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format=kind, quality=88)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


# --- Plots -------------------------------------------------------------------------------------------------------


def _comparison_plot(rows: Sequence[Row]) -> str:
    """For each measure, every picture as a line from the mean photograph's figure to the model's."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, measure in zip(figure.subplots(1, len(LABELS)), Fidelity._fields, strict=True):
        for row in rows:
            pair = [getattr(row.fidelity[who], measure) for who in (MEAN_IMAGE, MODEL)]
            axes.plot([0, 1], pair, color=INK, linewidth=0.7, alpha=0.6, zorder=1)
            axes.scatter([0, 1], pair, color=[BASELINE_COLOUR, MODEL_COLOUR], s=22, zorder=2)
        direction = "lower is closer" if LOWER_IS_BETTER[measure] else "higher is closer"
        unit = " (dB)" if measure == "psnr" else ""
        _style(axes, f"{LABELS[measure]}{unit}, {direction}")
        axes.set_xticks([0, 1], ["mean photograph", "model"])
        axes.set_xlim(-0.35, 1.35)
    return _svg(figure)


def _loss_plot(training_log: Path) -> str:
    """The four losses of the training, as logged (faint) and smoothed."""
    lines = [json.loads(line) for line in training_log.read_text(encoding="utf-8").splitlines()]
    if not lines:
        return ""
    steps = np.array([line["step"] for line in lines])
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(2, 2).flat, LOSS_TITLES.items(), strict=True):
        values = np.array([line[name] for line in lines])
        axes.plot(steps, values, color=INK, linewidth=0.6, alpha=0.5)
        axes.plot(steps, _smooth(values), color=MODEL_COLOUR, linewidth=1.6)
        axes.set_ylim(0, np.quantile(values, 0.99) * 1.1 or 1)
        axes.set_xlabel("step", color=INK, fontsize=8)
        _style(axes, title)
    return _svg(figure)


def _smooth(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Running mean over a twentieth of the values, with shrinking windows at the ends."""
    half = max(1, len(values) // 40)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    smoothed: np.ndarray[tuple[int], np.dtype[np.float64]] = (sums[high] - sums[low]) / (high - low)
    return smoothed


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, color=INK, fontsize=9, loc="left")
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(axis="y", color=INK, alpha=0.2, linewidth=0.5)


def _svg(figure: Figure) -> str:
    """The figure as inline SVG, without the XML declaration and the generator's metadata."""
    file = io.StringIO()
    nothing: Mapping[str, None] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(file, format="svg", transparent=True, metadata=dict(nothing))
    text = file.getvalue()
    return text[text.index("<svg") :]
