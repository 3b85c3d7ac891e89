"""The report of an ablation: one self-contained page, the verdicts first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from retinasynth.data.find import DataSet
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.report import Losses, read_training_log
from retinasynth.evaluation.subjects import Conditions, generated
from retinasynth.generation.generator import load as load_generator
from retinasynth.images import encoded, mask_as_photograph, resize_photograph
from retinasynth.pix2pix.data import load_pairs
from retinasynth.report.page import page
from retinasynth.report.plots import (
    MODEL,
    MUTED,
    WORSE,
    draw_curve,
    drawing,
    finish_curves,
    panel,
    svg,
)
from retinasynth.report.sections import Column, Figure, Gallery, Mark, Plot, Report, Row, Section, Shown, Table
from retinasynth.studies.ablation_results import Ablation, RowResult
from retinasynth.studies.comparison import (
    CONVENTIONS,
    LOWER_IS_BETTER,
    UNITS,
    Difference,
    figure_text,
    measure_name,
    read_measured,
)
from retinasynth.studies.forest import OUTCOME_COLOURS, OUTCOMES, finish_forest, forest_panel
from retinasynth.studies.words import counted

TEMPLATE = Path(__file__).parent / "ablation.html.jinja"
MOST_EYES = 3
MEASURED = "those of `retinasynth evaluate`; the reports in `evaluations/` say how each is computed"
CURVES_NOTE = (
    "All seeds of a row, on one scale; dashed: the first seed of the baseline. Faint: every logged record. "
    "Strong: running mean over a thirtieth of the run. "
    "Discriminator: its losses on real and on generated photographs, added."
)
CURVES = {
    "Generator, mean absolute error": ("loss_generator_l1",),
    "Discriminator": ("loss_discriminator_real", "loss_discriminator_generated"),
}


def render(ablation: Ablation, found: DataSet, out: Path) -> str:
    """The report as one HTML page that asks for nothing outside itself.

    Args:
        ablation: what was found.
        found: the data set, for the pictures.
        out: the folder of the ablation, for logs and models.
    """
    forests = [_forest(name, ablation.rows[1:]) for name in ablation.rows[0].measures]
    sections = [Section("measures", "Measures", tables=[_table(ablation)])]
    if forests:
        marks = (*OUTCOMES, Mark("thick: over eyes; thin: over seeds", "none"))
        sections.append(Section("differences", "Differences to the baseline", key_to_plots=marks, plots=forests))
    if eyes := _eyes(ablation, found, out):
        note = (
            "Test eyes: where the baseline is worst by SSIM, in the middle and best, each with the first seed of every "
            "row. Shown at 256 px as JPEG; all pictures are in `evaluations/ROW/seed-N/panels/`."
        )
        sections.append(Section("pictures", "Pictures", galleries=[Gallery("", eyes)], note=note))
    report = Report(
        ablation.title,
        ablation.verdict[0],
        [*sections, *_curves(ablation, out)],
        CONVENTIONS
        | {"measures": "those of `retinasynth evaluate`; the reports in `evaluations/` say how each is computed"},
        ablation.about,
        sentences=ablation.verdict[1:],
        facts=[f"{counted(len(ablation.seeds), 'seed')} of each row"],
        kind="ablation",
    )
    return page(TEMPLATE, {"report": report, "rows": ablation.rows})


# --- The table ---------------------------------------------------------------------------------------------------


def _table(ablation: Ablation) -> Table:
    measures = list(ablation.rows[0].measures)
    columns = {
        name: Column(
            f"{measure_name(name)}{' (dB)' if name in UNITS else ''}",
            f"{'lower' if name in LOWER_IS_BETTER else 'higher'} is better",
        )
        for name in measures
    }
    rows = [Row(row.row.name, {name: _cell(row, name) for name in measures}) for row in ablation.rows]
    note = (
        "Under each figure its 95\N{NO-BREAK SPACE}% interval over eyes, then the spread that seeds leave. "
        f"{ablation.about['Budget']}"
    )
    return Table("", columns, rows, note, corner="The baseline, then each row minus the baseline")


def _cell(row: RowResult, measure: str) -> Figure:
    level, difference = row.measures.get(measure), row.differences.get(measure)
    if level is None:
        return Figure("diverged")
    if difference is None:
        return Figure(figure_text(measure, level.mean), (_ends(measure, level.low, level.high),))
    spread = "unknown" if difference.spread is None else figure_text(measure, difference.spread)
    under = (_ends(measure, difference.low, difference.high, signed=True), f"seeds \N{PLUS-MINUS SIGN} {spread}")
    return Figure(figure_text(measure, difference.mean, signed=True), under, difference.outcome)


def _ends(measure: str, low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return ""
    return f"{figure_text(measure, low, signed=signed)} to {figure_text(measure, high, signed=signed)}"


# --- The plots ---------------------------------------------------------------------------------------------------


def _forest(measure: str, rows: Sequence[RowResult]) -> Plot:
    """A line for each row: its difference to the baseline, thick over eyes, thin over seeds."""
    with drawing():
        figure, axes = forest_panel(_axis_text(measure), len(rows), 0.28)
        for place, row in enumerate(reversed(rows)):
            difference = row.differences.get(measure)
            if difference is not None:
                _draw_difference(axes, place, difference)
        finish_forest(axes, [row.row.name for row in reversed(rows)])
        shown = "; ".join(
            f"{row.row.name} {figure_text(measure, row.differences[measure].mean, signed=True)}"
            for row in rows
            if measure in row.differences
        )
        label = f"{measure_name(measure)}, difference to the baseline: {shown or 'none'}"
        return Plot(measure_name(measure), svg(figure, label))


def _axis_text(measure: str) -> str:
    unit = UNITS.get(measure, "").strip()
    return f"{f'{unit}; ' if unit else ''}{'left' if measure in LOWER_IS_BETTER else 'right'} is better"


def _draw_difference(axes: Axes, place: float, difference: Difference) -> None:
    colour = OUTCOME_COLOURS[difference.outcome]
    if difference.spread is not None:
        ends = [difference.mean - difference.spread, difference.mean + difference.spread]
        axes.plot(ends, [place, place], color=colour, linewidth=0.9)
    if difference.low is not None and difference.high is not None:
        axes.plot([difference.low, difference.high], [place, place], color=colour, linewidth=3.5, alpha=0.55)
    axes.plot([difference.mean], [place], "o", color=colour, markersize=5)


def _curves(ablation: Ablation, out: Path) -> list[Section]:
    """A small plot for each row and kind of loss, on one scale, the baseline behind each."""
    logs = {row.row.name: _logs(row, ablation, out) for row in ablation.rows}
    sections: list[Section] = []
    for title, names in CURVES.items():
        baseline = _with(logs[ablation.rows[0].row.name], names)
        everything = [
            np.sum([log[name] for name in names], axis=0) for runs in logs.values() for log in _with(runs, names)
        ]
        if not everything:
            continue
        top = 1.05 * max(float(np.quantile(values, 0.99)) for values in everything)
        plots = [
            _curve(title, row, _with(logs[row.row.name], names), names, top, behind=(ablation.rows[0], baseline[:1]))
            for row in ablation.rows
        ]
        sections.append(
            Section(f"training-{len(sections)}", f"Training losses: {title}", plots=plots, note=CURVES_NOTE)
        )
    return sections


def _logs(row: RowResult, ablation: Ablation, out: Path) -> list[Losses]:
    """Of the seeds in turn, also of those that diverged."""
    files = [out / "runs" / row.row.name / f"seed-{seed}" / "metrics.jsonl" for seed in ablation.seeds]
    logs = [read_training_log(file) for file in files if file.is_file()]
    return [log for log in logs if log["step"].size]


def _with(logs: Sequence[Losses], names: Sequence[str]) -> list[Losses]:
    return [log for log in logs if all(name in log for name in names)]


def _curve(
    title: str,
    row: RowResult,
    logs: Sequence[Losses],
    names: Sequence[str],
    top: float,
    *,
    behind: tuple[RowResult, Sequence[Losses]],
) -> Plot:
    with drawing():
        figure, axes = panel("pictures seen", height_inches=2.0)
        ends = []
        for log in behind[1] if behind[0] is not row else []:
            draw_curve(axes, _seen(log, behind[0]), _sum(log, names), MUTED, for_comparison=True)
        for log in logs:
            colour = WORSE if row.diverged else MODEL
            ends.append(f"{draw_curve(axes, _seen(log, row), _sum(log, names), colour):.3g}")
        finish_curves(axes)
        axes.set_ylim(0, top)
        axes.set_xlim(0, row.pictures)
        warning = f"diverged with seed {', '.join(map(str, row.diverged))}" if row.diverged else ""
        label = f"{title}, {row.row.name}: ends near {' and '.join(ends) or 'nothing'}"
        return Plot(row.row.name, svg(figure, label), warning=warning)


def _seen(log: Losses, row: RowResult) -> NDArray[np.float64]:
    return log["step"] * (row.pictures / row.steps)


def _sum(log: Losses, names: Sequence[str]) -> NDArray[np.float64]:
    return np.asarray(np.sum([log[name] for name in names], axis=0), np.float64)


# --- The pictures ------------------------------------------------------------------------------------------------


def _eyes(ablation: Ablation, found: DataSet, out: Path) -> list[Shown]:
    """A few test eyes, worst to best of the baseline, each as every row makes it with its first seed."""
    files = found.split("test")
    pairs = load_pairs(files, SIZE_PX)
    made: list[tuple[str, dict[int, bytes]]] = []
    seeds = {
        row.row.name: next((seed for seed in ablation.seeds if seed not in row.diverged), None) for row in ablation.rows
    }
    chosen = _chosen(ablation.rows[0], seeds, out, len(files))
    for row in ablation.rows:
        seed = seeds[row.row.name]
        if seed is None:
            continue
        model = load_generator(out / "runs" / row.row.name / f"seed-{seed}")
        pictures = {index: next(generated(model, [files[index]], Conditions(index))) for index in chosen}
        small = {index: resize_photograph(picture, (SIZE_PX, SIZE_PX)) for index, picture in pictures.items()}
        made.append((row.row.name, {index: encoded(picture, "JPEG") for index, picture in small.items()}))
    return [
        Shown(
            pairs.names[index],
            (),
            {
                "Source mask": encoded(mask_as_photograph(np.asarray(pairs.labels[index, ..., 0])), "PNG"),
                "Expected": encoded(np.asarray(pairs.photographs[index]), "JPEG"),
                **{name: pictures[index] for name, pictures in made},
            },
        )
        for index in chosen
    ]


def _chosen(baseline: RowResult, seeds: dict[str, int | None], out: Path, count: int) -> list[int]:
    seed = seeds[baseline.row.name]
    if seed is None or count <= MOST_EYES:
        return list(range(min(count, MOST_EYES)))
    figures = read_measured(out / "evaluations" / baseline.row.name / f"seed-{seed}").each["ssim"]
    ranked = [int(index) for index in np.argsort(figures)]
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
