"""One self-contained page: everything an evaluation found, readable without a network and in years to come."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retinasynth.errors import DataError
from retinasynth.evaluation.maps import WORST
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.results import (
    CONVENTIONS,
    DECIMALS,
    LOWER_IS_BETTER,
    MEASURE_NAMES,
    UNITS,
    Evaluation,
    Picture,
    figure_text,
    outcome,
)
from retinasynth.images import Photograph, encoded
from retinasynth.report import page
from retinasynth.report.plots import MODEL, WORSE, draw_curve, draw_dots, draw_pairs, drawing, finish_curves, panel, svg
from retinasynth.report.sections import Column, Gallery, Mark, Plot, Report, Row, Section, Shown, Table

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
    eyes = len({picture.eye for picture in evaluation.pictures})
    texts = [CONVENTIONS, *(finding.conventions for finding in evaluation.findings)]
    sections = [
        _measures(evaluation, eyes),
        *evaluation.findings,
        _pictures(evaluation, mean),
        _spread(evaluation),
        _spectrum(evaluation, spectra or {}),
        _training(losses),
    ]
    return page.render(
        Report(
            title=evaluation.title,
            answer=_answer(evaluation),
            sections=[section for section in sections if section is not None],
            conventions={
                MEASURE_NAMES.get(name, ROW_NAMES.get(name, name)): text for one in texts for name, text in one.items()
            },
            about=evaluation.about,
            facts=[f"{_counted(len(evaluation.pictures), 'picture')} of {_counted(eyes, 'eye')}"],
        )
    )


def _answer(evaluation: Evaluation) -> str:
    """The most important sentence; that nothing could be compared picture by picture is none."""
    is_compared = evaluation.measures or not evaluation.findings
    return evaluation.verdict[0] if is_compared else evaluation.sentences[1]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


# --- The table of measures ---------------------------------------------------------------------------------------


def _measures(evaluation: Evaluation, eyes: int) -> Section | None:
    """The model, each baseline, and what lies between; of one eye, a difference decides nothing."""
    if not evaluation.measures:
        return None
    columns = {
        measure: Column(
            f"{MEASURE_NAMES[measure]}{' (dB)' if measure in UNITS else ''}",
            f"{'lower' if measure in LOWER_IS_BETTER else 'higher'} is better",
            DECIMALS.get(measure, 4),
        )
        for measure in evaluation.measures
    }
    levels = {"model": evaluation.measures, **evaluation.baselines}
    rows = [
        Row("Model" if name == "model" else ROW_NAMES[name], measures, note=f"n = {next(iter(measures.values())).n}")
        for name, measures in levels.items()
    ]
    rows += [
        Row(
            f"Model minus {ROW_NAMES[name].lower()}",
            measures,
            is_difference=True,
            outcomes={measure: outcome(measure, one) for measure, one in measures.items()} if eyes > 1 else {},
        )
        for name, measures in evaluation.differences.items()
    ]
    note = ""
    if evaluation.vessels_in_expected:
        figure = figure_text("vessels", evaluation.vessels_in_expected.mean)
        note = (
            f"Vessels found again in the real photographs: {figure}. A higher figure means that vessels are clearer "
            "than a camera shows them."
        )
    return Section("measures", "Measures", evaluation.verdict[1:], [Table("", columns, rows, note)])


# --- The pictures ------------------------------------------------------------------------------------------------


def _pictures(evaluation: Evaluation, mean: Photograph | None) -> Section:
    groups = _chosen(evaluation.pictures)
    beside = {} if mean is None else {MEAN_TITLE: encoded(mean, "JPEG")}
    described = {MEAN_TITLE: f"{MEAN_TITLE} of the training set"}
    galleries = [
        Gallery(
            title,
            [
                Shown(
                    picture.name,
                    [
                        f"{MEASURE_NAMES[measure]} {figure_text(measure, getattr(picture.model, measure))}"
                        f"{UNITS.get(measure, '')}"
                        for measure in evaluation.measures
                    ],
                    {**picture.views, **beside},
                    described,
                )
                for picture in pictures
            ],
        )
        for title, pictures in groups
    ]
    notes = []
    if "mse" in evaluation.measures:
        notes.append(
            "Error: mean absolute difference of the channels, black where there is none, pale yellow from "
            f"{WORST} of the range on."
        )
    if any(finding.key == "structure" for finding in evaluation.findings):
        notes.append(
            "Found again: vessels asked for and found are pale, missed red, found though not asked for blue; disc and "
            "cup as asked for grey, as found outlined."
        )
    notes.append(f"Shown at {SIZE_PX} px as JPEG.")
    if sum(len(pictures) for _, pictures in groups) < len(evaluation.pictures):
        notes.append("Every picture has a row in `pictures.csv` and a panel in `panels/`.")
    else:
        notes.append("The exact pictures are in `panels/`, their figures in `pictures.csv`.")
    return Section("pictures", "Pictures", galleries=galleries, note=" ".join(notes))


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


def _spectrum(evaluation: Evaluation, spectra: Mapping[str, Photograph]) -> Section | None:
    if not spectra:
        return None
    views, described = {}, {}
    for name, picture in spectra.items():
        whose, peak = ROW_NAMES[name], evaluation.peaks[name]
        title = f"{whose}: highest peak {peak.height_db:.1f} dB, {peak.period_text}"
        views[title], described[title] = encoded(picture, "PNG"), f"Mean spectrum: {whose.lower()}"
    limit_db = evaluation.peaks[next(iter(spectra))].limit_db
    note = (
        "Zero frequency in the middle, one cycle in two pixels at the edges. Bright points away from the middle are "
        "patterns that repeat: a checkerboard. With as many pictures, chance alone stays below "
        f"{limit_db:.1f} dB."
    )
    gallery = Gallery("", [Shown("", (), views, described)])
    return Section("spectrum", "Mean spectrum", galleries=[gallery], note=note)


# --- The plots ---------------------------------------------------------------------------------------------------


def _spread(evaluation: Evaluation) -> Section | None:
    if not evaluation.measures:
        return None
    marks = [
        Mark("model, better", "better"),
        Mark("model, not better", "worse"),
        Mark("mean training photograph", "ring"),
    ]
    return Section(
        "spread",
        "Picture by picture",
        key_to_plots=marks if "mean_image" in evaluation.baselines else (),
        plots=[_distribution(evaluation.pictures, measure) for measure in evaluation.measures],
        note="One row for each picture, sorted by the model's figure.",
    )


def _distribution(pictures: Sequence[Picture], measure: str) -> Plot:
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
            draw_dots(axes, model)
            span = f"{figure_text(measure, float(model.min()))} to {figure_text(measure, float(model.max()))}"
            return Plot(f"{name}: {span}", svg(figure, f"{name} of each picture, from {span}"))
        rival = np.array([pair[1] for pair in pairs], dtype=np.float64)
        won = (model < rival) == (measure in LOWER_IS_BETTER)
        draw_pairs(axes, model, rival, won)
        caption = f"{name}: the model is better in {int(won.sum())} of {len(pairs)} pictures"
        return Plot(caption, svg(figure, f"{caption}. One row for each picture, sorted by the model."))


def _training(losses: Losses | None) -> Section | None:
    """The four losses in three plots: every record faint, over it the mean over a thirtieth of the run."""
    if losses is None or not losses["step"].size:
        return None
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
            kinds = zip(names, ("better", "worse"), strict=False)  # classes of the same two colours
            key = [Mark(LOSSES[name], kind) for name, kind in kinds] if len(names) > 1 else []
            label = f"{title} loss against training step; {'; '.join(ends)}"
            plots.append(Plot(title, svg(figure, label), key))
    note = "Faint: every logged record. Strong: running mean over a thirtieth of the run."
    return Section("training", "Training losses", plots=plots, note=note)
