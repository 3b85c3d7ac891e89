"""Is it good enough: evaluating photographs, measuring biomarkers, looking at labels."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from retinasynth.cli.shell import (
    Images,
    Labels,
    Masks,
    Seed,
    Segmenters,
    WindowText,
    chosen_data,
    needed_data,
    point_to,
    screen,
    window_of,
)
from retinasynth.errors import InputError, SettingError

if TYPE_CHECKING:
    from retinasynth.evaluation.subjects import Fov
    from retinasynth.segmentation.measuring import Measured


def evaluate(
    out: Annotated[Path, typer.Option(help="A new or empty folder for figures, panels and report.html.")],
    model: Annotated[Path | None, typer.Option(help="A run folder or a model folder.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data set whose test eyes are used.")] = None,
    real: Annotated[Path | None, typer.Option(metavar="DIR", help="Instead: real photographs ...")] = None,
    fake: Annotated[
        Path | None, typer.Option(metavar="DIR", help="... and generated ones, of the same names or of none of them.")
    ] = None,
    images: Images = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="With --fake: the masks or label maps they were made from. With --images: those of these.",
        ),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="With --model: another model, compared picture by picture.")
    ] = None,
    fov: Annotated[
        str | None,
        typer.Option(
            metavar="camera|found|own|PATH",
            help="Field of view. With --model: that of masks without one (the camera's usual one, found around the "
            "vessels, or that of the real photograph). With --fake: masks of it; without, it is found.",
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --fake: what the generator was trained on; else the training eyes of --real."
        ),
    ] = None,
    network: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An ONNX network of your own (FID's Inception) for realism.")
    ] = None,
    pairs_only: Annotated[
        bool, typer.Option(help="Leave out realism, diversity and privacy, which take longest.")
    ] = False,
    allow_leaks: Annotated[
        bool, typer.Option(help="Go on where test eyes are in training; the report then says so first.")
    ] = False,
    style: Annotated[
        str,
        typer.Option(metavar="expected|sampled|own|fellow", help="Of a styled model: which photographs are evaluated."),
    ] = "expected",
    labels: Labels = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete/--no-complete",
            help="With --model: look for the disc of a mask without one; else its edge is left to chance.",
        ),
    ] = True,
    seed: Seed = 0,
) -> None:
    """Would a sceptic believe it? Fidelity, structure, realism, diversity and privacy, beside what costs nothing."""
    from retinasynth.evaluation.results import MEASURE_NAMES, UNITS, figure_text
    from retinasynth.evaluation.subjects import evaluate_folders, evaluate_model

    if images is not None:
        data, masks = chosen_data(data, images, masks), None
    if model and data and not (real or fake or masks or train):
        result = evaluate_model(
            model,
            data,
            out,
            against=against,
            seed=seed,
            style=style,
            sets=not pairs_only,
            network=network,
            allow_leaks=allow_leaks,
            labels=labels,
            complete=complete,
            fov=parse_field(fov),
        )
    elif real and fake and not (model or data or against):
        result = evaluate_folders(
            real,
            fake,
            out,
            masks=masks,
            fov=Path(fov) if fov else None,
            train=train,
            sets=not pairs_only,
            network=network,
            labels=labels,
        )
    else:
        raise InputError(
            "Nothing, or too much, to evaluate",
            expected="--model with --data, or --real with --fake; --images and --masks may be given for --data",
        )
    answers = {"model": result.measures, **result.baselines}
    table = Table("mean (95 % interval)", *answers)
    for name in result.measures:
        rounded = [[figure_text(name, value) for value in measures[name][:3]] for measures in answers.values()]
        row = (f"{mean} ({low} to {high})" for mean, low, high in rounded)
        table.add_row(f"{MEASURE_NAMES[name]}{UNITS.get(name, '')}", *row)
    screen.print(table)
    for sentence in result.sentences:
        screen.print(sentence)
    point_to("Open", out / "report.html")


def parse_field(text: str | None) -> "Fov":
    """Where fields of view that are not given come from.

    Raises:
        SettingError: there is no such choice.
    """
    from retinasynth.evaluation.subjects import FIELDS

    if text is None:
        return "camera"
    for name in FIELDS:
        if text == name:
            return name
    raise SettingError(f"--fov is {text!r}", expected=f"with --model one of: {', '.join(FIELDS)}")


class WhichEye(StrEnum):
    """Which eye photographs show."""

    left = "left"
    right = "right"


def measure(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A mask file, a folder of label maps or a data set; or a photograph, a folder of them."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Also write a table, one row for each eye. Of photographs: a folder for table.csv, report.html and "
            "pictures, or NAME.csv with all else in NAME-files; run again to go on.",
        ),
    ] = None,
    labels: Labels = None,
    photographs: Annotated[
        bool,
        typer.Option("--photographs", help="Segment and measure the photographs, even where there are labels, too."),
    ] = False,
    model: Segmenters = None,
    angle: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Of photographs: angle across the field of view, for um and mm."),
    ] = None,
    mm_per_pixel: Annotated[
        float | None, typer.Option(metavar="MM", help="Of photographs, instead: millimetres of retina to a pixel.")
    ] = None,
    eye: Annotated[
        WhichEye | None,
        typer.Option(metavar="left|right", help="Of photographs: which eye all show; else found for each."),
    ] = None,
    window: WindowText = None,
) -> None:
    """Measure biomarkers of vessels, disc and cup: density, tortuosity, calibres, artery-to-vein ratio and more.

    Photographs without labels are segmented first, and also measured by zone, quadrant and ring.
    """
    from retinasynth.data.measure import are_photographs, measure_path, write_measures
    from retinasynth.eye.biomarkers import COLUMNS
    from retinasynth.eye.regional import WHOLE

    if photographs or are_photographs(path):
        measured = _measure_photographs(path, out, model, angle, mm_per_pixel, eye, window)
        known = [line["values"] for line in measured.lines]
        _print_measures([[one[full] for one in known if full in one] for full in WHOLE], len(known))
        if measured.rejected:
            screen.print(f"{len(measured.rejected)} could not be measured, see rejected.csv", highlight=False)
        point_to("The table is", measured.table)
        point_to("Open", measured.report)
        return
    refuse_beside_labels(
        {"--model": model, "--angle": angle, "--mm-per-pixel": mm_per_pixel, "--eye": eye, "--window": window}
    )
    found = measure_path(path, labels=labels)
    if out is not None:
        write_measures(out, found)
        point_to("The table is", out)
    each = ([getattr(one, name) for one in found.values()] for name in COLUMNS)
    _print_measures([[value for value in values if value is not None] for values in each], len(found))


def refuse_beside_labels(options: Mapping[str, object]) -> None:
    """Raise InputError where an option for photographs is given with labels.

    Args:
        options: those for photographs alone, and their values.
    """
    given = [name for name, value in options.items() if value]
    if given:
        raise InputError(
            f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} for photographs, and labels are measured here",
            expected="photographs, or --photographs to measure those that have labels",
        )


def _measure_photographs(
    path: Path,
    out: Path | None,
    model: list[str] | None,
    angle: float | None,
    mm_per_pixel: float | None,
    eye: WhichEye | None,
    window: str | None,
) -> "Measured":
    from retinasynth.segmentation.measuring import Scale, measure_photographs
    from retinasynth.segmentation.use import USUAL

    if out is None:
        raise InputError("--out is missing", expected="--out FOLDER: photographs become a table, a report and pictures")
    return measure_photographs(
        path,
        out,
        models=model or USUAL,
        scale=Scale(angle, mm_per_pixel),
        laterality=None if eye is None else eye.value,
        window=window_of(window),
    )


def _print_measures(values: Sequence[Sequence[float]], count: int) -> None:
    """Show the value of one eye, or the spread over several, of each measure."""
    import numpy as np

    from retinasynth.eye.biomarkers import COLUMNS

    one = count == 1
    figures = ["value"] if one else ["eyes", "10 %", "median", "90 %"]
    table = Table(Column("measure", no_wrap=True), "unit", *figures, "meaning")
    for known, (name, column) in zip(values, COLUMNS.items(), strict=True):
        spread = [f"{value:.4g}" for value in np.percentile(known, [10, 50, 90])] if known else ["unknown"] * 3
        table.add_row(name, column.unit, *([spread[1]] if one else [str(len(known)), *spread]), column.meaning)
    screen.print(table)


def overlay(
    out: Annotated[Path, typer.Option(help="A new folder, or NAME.png for a single eye.")],
    path: Annotated[
        Path | None, typer.Argument(metavar="PATH", help="A mask file, a folder of label maps, or a data set.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
    opacity: Annotated[float, typer.Option(help="Of the filled areas, 0 to 1.")] = 0.8,
    legend: Annotated[bool, typer.Option(help="Add a strip that names the colours.")] = True,
    labels: Labels = None,
) -> None:
    """Draw labels in colours over their photographs, or over a dark ground where there are none."""
    from retinasynth.data.overlays import write_overlays

    count = write_overlays(needed_data(path, images, masks, "PATH"), out, opacity=opacity, legend=legend, labels=labels)
    screen.print(f"{out}: {count} overlay{'s' if count > 1 else ''}", soft_wrap=True)
