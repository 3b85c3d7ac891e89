"""One self-contained page: everything an evaluation found, readable without a network and in years to come."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retinasynth.errors import DataError
from retinasynth.evaluation.results import (
    CONVENTIONS,
    LOWER_IS_BETTER,
    MEASURE_NAMES,
    UNITS,
    Evaluation,
    Measures,
    Picture,
    figure_text,
    outcome,
)
from retinasynth.images import Photograph, encoded
from retinasynth.report.page import (
    MODEL,
    WORSE,
    dot_size,
    draw_curve,
    draw_pairs,
    drawing,
    finish_curves,
    page,
    panel,
    svg,
)

TEMPLATE = Path(__file__).parent / "report.html.jinja"
MOST_SHOWN = 24
MEAN_TITLE = "Mean photograph"
ROW_NAMES = {
    "model": "Generated photographs",
    "expected": "Real photographs",
    "mean_image": "Mean training photograph",
    "nearest_train": "Nearest training eye",
    "phantom": "Procedural photograph",
    "other_model": "The other model",
}
LOSSES = {
    "loss_discriminator_real": "on real",
    "loss_discriminator_generated": "on generated",
    "loss_generator_adversarial": "adversarial",
    "loss_generator_l1": "mean absolute error",
}
PIXEL_LOSS = "loss_generator_l1"
EXPECTED_LOSS = "loss_expected_l1"  # of the steps of a styled run that have no others
LOSS_PLOTS = {
    "Discriminator": ("loss_discriminator_real", "loss_discriminator_generated"),
    "Generator, adversarial": ("loss_generator_adversarial",),
    "Generator, mean absolute error": ("loss_generator_l1",),
}

Losses = Mapping[str, NDArray[np.float64]]


def read_training_log(path: Path) -> Losses:
    """The steps and losses of a run's ``metrics.jsonl``.

    A last line without its end is passed over: a run that was killed leaves one.

    Returns:
        ``step`` and the names of those of `LOSSES` that the run has (without a discriminator the last alone), each
        with one value for each record; those of steps that have another loss are left out.

    Raises:
        DataError: the file cannot be read, a line is not a record, or a loss is missing.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a training log ({error})", expected="a metrics.jsonl") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if EXPECTED_LOSS not in line]
    alone = numbered and not any(name in numbered[0][1] for name in LOSSES if name != PIXEL_LOSS)
    columns: dict[str, list[float]] = {name: [] for name in ("step", *([PIXEL_LOSS] if alone else LOSSES))}
    for number, line in numbered:
        try:
            record = json.loads(line)
            for name, column in columns.items():
                column.append(float(record[name]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number} is not a training record ({type(error).__name__}: {error})",
                expected=f"a JSON object with {', '.join(columns)}",
            ) from error
    return {name: np.array(column) for name, column in columns.items()}


def render(
    evaluation: Evaluation,
    *,
    mean: Photograph | None,
    losses: Losses | None,
    spectra: Mapping[str, Photograph] | None = None,
) -> str:
    """The report as one HTML page that asks for nothing outside itself.

    Args:
        evaluation: what was found.
        mean: the mean training photograph, shown beside each picture, or None.
        losses: what `read_training_log` returns, or None to leave the curves out.
        spectra: mean spectra as pictures, by the names of `Evaluation.peaks`.
    """
    return page(
        TEMPLATE,
        {
            "evaluation": evaluation,
            "eyes": len({picture.eye for picture in evaluation.pictures}),
            "measures": {name: MEASURE_NAMES[name] for name in evaluation.measures},
            "units": UNITS,
            "lower_is_better": LOWER_IS_BETTER,
            "rows": _rows(evaluation),
            "differences": _difference_rows(evaluation),
            "groups": _chosen(evaluation.pictures),
            "mean": None if mean is None else encoded(mean, "JPEG"),
            "mean_title": MEAN_TITLE,
            "figure_text": figure_text,
            "spectra": [
                (ROW_NAMES.get(name, name), encoded(picture, "PNG"), evaluation.peaks[name])
                for name, picture in (spectra or {}).items()
            ],
            "distributions": [_distribution(evaluation.pictures, measure) for measure in evaluation.measures],
            "has_mean": "mean_image" in evaluation.baselines,
            "loss_plots": _loss_plots(losses) if losses is not None and losses["step"].size else [],
            "headline": evaluation.verdict[0]
            if evaluation.measures or not evaluation.parts
            else evaluation.sentences[1],
            "conventions": {
                MEASURE_NAMES.get(name, ROW_NAMES.get(name, name)): text
                for one in (CONVENTIONS, *(part.conventions for part in evaluation.parts))
                for name, text in one.items()
            },
        },
    )


# --- The table of measures ---------------------------------------------------------------------------------------


def _rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    if not evaluation.measures:
        return []
    rows = [("Model", evaluation.measures)]
    rows += [(ROW_NAMES[name], measures) for name, measures in evaluation.baselines.items()]
    return [
        {
            "name": name,
            "n": next(iter(measures.values())).n,
            "cells": [_cell(measure, measures) for measure in evaluation.measures],
        }
        for name, measures in rows
    ]


def _cell(measure: str, measures: Measures) -> dict[str, str]:
    estimate = measures[measure]
    return {
        "mean": figure_text(measure, estimate.mean),
        "low": figure_text(measure, estimate.low),
        "high": figure_text(measure, estimate.high),
    }


def _difference_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "name": ROW_NAMES[name].lower(),
            "cells": [
                {
                    "mean": figure_text(measure, measures[measure].mean, signed=True),
                    "low": figure_text(measure, measures[measure].low, signed=True),
                    "high": figure_text(measure, measures[measure].high, signed=True),
                    "outcome": outcome(measure, measures[measure]),
                }
                for measure in evaluation.measures
            ],
        }
        for name, measures in evaluation.differences.items()
    ]


# --- The pictures ------------------------------------------------------------------------------------------------


def _chosen(pictures: Sequence[Picture]) -> list[tuple[str, list[Picture]]]:
    """At most `MOST_SHOWN` pictures by falling SSIM: a third from the top, the middle and the bottom each.

    Pictures without a real counterpart are ranked by their vessels, those without a mask not at all.
    """
    measure = next((name for name in ("ssim", "vessels") if not math.isnan(getattr(pictures[0].model, name))), None)
    if measure is None:
        return [("The first", list(pictures[:MOST_SHOWN]))]
    name = MEASURE_NAMES[measure]
    ranked = sorted(pictures, key=lambda picture: float(getattr(picture.model, measure)), reverse=True)
    if len(ranked) < 3:
        return [(f"By falling {name}", ranked)]
    third = MOST_SHOWN // 3
    if len(ranked) <= MOST_SHOWN:
        best, middle, worst = ([ranked[index] for index in part] for part in np.array_split(range(len(ranked)), 3))
    else:
        start = (len(ranked) - third) // 2
        best, middle, worst = ranked[:third], ranked[start : start + third], ranked[-third:]
    return [(f"Best by {name}", best), (f"Around the median {name}", middle), (f"Worst by {name}", worst)]


# --- The plots ---------------------------------------------------------------------------------------------------


def _distribution(pictures: Sequence[Picture], measure: str) -> dict[str, str]:
    """One row for each picture, sorted by the model's figure: a dot for the model, a ring for the mean photograph."""
    pairs = sorted(
        (getattr(picture.model, measure), getattr(picture.baselines.get("mean_image"), measure, None))
        for picture in pictures
    )
    model = np.array([pair[0] for pair in pairs])
    name = MEASURE_NAMES[measure]
    direction = "lower" if measure in LOWER_IS_BETTER else "higher"
    with drawing():
        figure, axes = panel(f"{name}{' (dB)' if measure in UNITS else ''}, {direction} is better")
        if any(pair[1] is None for pair in pairs):
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.margins(y=0.06)
            axes.plot(model, np.arange(len(pairs)), "o", color=MODEL, markersize=dot_size(len(pairs)))
            return {
                "svg": svg(figure, f"{name} of each picture, from {_range_text(measure, model)}"),
                "caption": f"{name}: {_range_text(measure, model)}",
            }
        rival = np.array([pair[1] for pair in pairs], dtype=np.float64)
        won = (model < rival) == (measure in LOWER_IS_BETTER)
        draw_pairs(axes, model, rival, won)
        caption = f"{name}: the model is better in {int(won.sum())} of {len(pairs)} pictures"
        return {"svg": svg(figure, f"{caption}. One row for each picture, sorted by the model."), "caption": caption}


def _range_text(measure: str, values: NDArray[np.float64]) -> str:
    return f"{figure_text(measure, float(values.min()))} to {figure_text(measure, float(values.max()))}"


def _loss_plots(losses: Losses) -> list[dict[str, Any]]:
    """The four losses in three plots: every record faint, over it the mean over a thirtieth of the run."""
    plots = []
    with drawing():
        for title, names in LOSS_PLOTS.items():
            if names[0] not in losses:
                continue
            figure, axes = panel("step")
            ends = []
            for name, colour in zip(names, (MODEL, WORSE), strict=False):
                end = draw_curve(axes, losses["step"], losses[name], colour)
                ends.append(f"{LOSSES[name]} ends near {end:.3g}")
            finish_curves(axes)
            key = [LOSSES[name] for name in names] if len(names) > 1 else []
            label = f"{title} loss against training step; {'; '.join(ends)}"
            plots.append({"title": title, "key": key, "svg": svg(figure, label)})
    return plots
