"""Commands that measure and compare."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from retinasynth.cli.shell import Overrides, Seed, point_to, screen
from retinasynth.errors import InputError


def evaluate(
    out: Annotated[Path, typer.Option(help="A new or empty folder for figures, panels and report.html.")],
    model: Annotated[Path | None, typer.Option(help="A run folder or a model folder.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data set whose test eyes judge it.")] = None,
    real: Annotated[Path | None, typer.Option(metavar="DIR", help="Instead: real photographs ...")] = None,
    fake: Annotated[
        Path | None, typer.Option(metavar="DIR", help="... and generated ones, of the same names or of none of them.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --fake: the masks or label maps they were made from."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="With --model: another model, compared picture by picture.")
    ] = None,
    fov: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="With --fake: masks of the field of view; without, it is found."),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --fake: what the generator learnt from; else the training eyes of --real."
        ),
    ] = None,
    network: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An ONNX network of your own (FID's Inception) for realism.")
    ] = None,
    pairs_only: Annotated[
        bool, typer.Option(help="Leave out realism, diversity and privacy, which take longest.")
    ] = False,
    allow_leaks: Annotated[
        bool, typer.Option(help="Go on where test eyes stand in training; the report then says so first.")
    ] = False,
    style: Annotated[
        str,
        typer.Option(metavar="expected|sampled|own|fellow", help="Of a styled model: which photographs are judged."),
    ] = "expected",
    seed: Seed = 0,
) -> None:
    """Would a sceptic believe it? Fidelity, structure, realism, diversity and privacy, beside what costs nothing."""
    from retinasynth.evaluation.results import MEASURE_NAMES, UNITS, figure_text
    from retinasynth.evaluation.subjects import evaluate_folders, evaluate_model

    if model and data and not (real or fake or masks or fov or train):
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
        )
    elif real and fake and not (model or data or against):
        result = evaluate_folders(
            real, fake, out, masks=masks, fov=fov, train=train, sets=not pairs_only, network=network
        )
    else:
        raise InputError("Nothing, or too much, to evaluate", expected="--model with --data, or --real with --fake")
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


def measure(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A mask file, a folder of label maps, or a data set.")],
    out: Annotated[Path | None, typer.Option(metavar="CSV", help="Also write a table, one row for each eye.")] = None,
) -> None:
    """Measure biomarkers of vessels, disc and cup: density, tortuosity, calibres, artery-to-vein ratio and more."""
    import numpy as np

    from retinasynth.data.measure import measure_path, write_measures
    from retinasynth.eye.biomarkers import COLUMNS

    measures = measure_path(path)
    if out is not None:
        write_measures(out, measures)
        point_to("The table is", out)
    one = len(measures) == 1
    figures = ["value"] if one else ["eyes", "10 %", "median", "90 %"]
    table = Table(Column("measure", no_wrap=True), "unit", *figures, "meaning")
    for name, column in COLUMNS.items():
        values = [value for found in measures.values() if (value := getattr(found, name)) is not None]
        spread = [f"{value:.4g}" for value in np.percentile(values, [10, 50, 90])] if values else ["unknown"] * 3
        table.add_row(name, column.unit, *([spread[1]] if one else [str(len(values)), *spread]), column.meaning)
    screen.print(table)


def overlay(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A mask file, a folder of label maps, or a data set.")],
    out: Annotated[Path, typer.Option(help="A new folder, or NAME.png for a single eye.")],
    opacity: Annotated[float, typer.Option(help="Of the filled areas, 0 to 1.")] = 0.8,
    legend: Annotated[bool, typer.Option(help="Add a strip that names the colours.")] = True,
) -> None:
    """Draw labels in colours over their photographs, or over a dark ground where there are none."""
    from retinasynth.data.overlays import write_overlays

    count = write_overlays(path, out, opacity=opacity, legend=legend)
    screen.print(f"{out}: {count} overlay{'s' if count > 1 else ''}", soft_wrap=True)


def ablate(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A data set with a test split; `phantom` for the embedded one.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder, or that of the same ablation to go on with.")] = None,
    table: Annotated[str, typer.Option(help="source (the published ablation), or a YAML file of rows.")] = "source",
    preset: Annotated[str | None, typer.Option(help="Settings to start from instead of the table's.")] = None,
    overrides: Overrides = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each row; run again with more to add some.")] = 2,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print the table as a file for --table and exit.")] = False,
) -> None:
    """Compare many runs with one budget: what each change of settings does, over eyes and seeds. Run again to go on."""
    if yaml:
        from retinasynth.studies.table import Table as Rows

        typer.echo(Rows.named(table).to_yaml(), nl=False)
        return
    if data is None or out is None:
        raise InputError("--data or --out is missing", expected="--data DIR --out DIR, or --yaml")
    from retinasynth import api

    result = api.ablate(data, out, table=table, preset=preset, overrides=overrides or [], seeds=seeds)
    shown = Table(Column("row", no_wrap=True), "what it shows", "the claim")
    for row in result.rows:
        shown.add_row(row.row.name, row.verdict, row.agreement or "")
    screen.print(shown)
    for sentence in result.verdict:
        screen.print(sentence)
    point_to("Open", out / "report.html")


def tune(
    data: Annotated[Path, typer.Option(metavar="DIR", help="A data set; its test eyes are not looked at.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same search to go on with.")],
    trials: Annotated[int, typer.Option(min=1, help="The first is the start; run again with more to go on.")] = 20,
    measure: Annotated[str, typer.Option(help="mse, ssim, psnr, fov_ssim, fov_psnr, vessels ...")] = "fov_ssim",
    folds: Annotated[int, typer.Option(min=2, help="Parts that the people of the training split are dealt into.")] = 3,
    preset: Annotated[str | None, typer.Option(help="Settings to start from (default: source).")] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="Settings from a file instead.")] = None,
    overrides: Overrides = None,
    space: Annotated[
        Path | None, typer.Option(metavar="YAML", help="What to search, instead of rates, sizes and loss weights.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Give up trials worse than the median after a fold.")] = False,
) -> None:
    """Search better settings by cross-validation over the training eyes (extra: tune). Run again to go on."""
    if preset and config:
        raise InputError("--preset and --config stand together", expected="one of them")
    from retinasynth import api

    result = api.tune(
        data,
        out,
        trials=trials,
        measure=measure,
        folds=folds,
        preset=preset or "source",
        config=config,
        overrides=overrides or [],
        space=space,
        prune=prune,
    )
    for sentence in result.verdict:
        screen.print(sentence)
    if result.best is not None:
        screen.print(f"Train with: retinasynth train --config {out / 'best.yaml'} --data DIR --out RUN", soft_wrap=True)
    point_to("Open", out / "report.html")


def bench(
    preset: Annotated[str, typer.Option(help="Whose networks and sizes to take.")] = "source",
    turns: Annotated[int, typer.Option(min=1, help="Turns of each of the two.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Timed steps, and pictures, in a turn.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Time training and generation against plain PyTorch, as ratios, taking turns in one run."""
    import json

    from retinasynth.studies.bench import run_bench

    result = run_bench(preset=preset, turns=turns, steps=steps)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=2, allow_nan=False))
        return
    table = Table("by turn", "seconds a step", "waiting for data", "seconds a picture", "peak memory")
    for name, timings in (("retinasynth", result.ours), ("plain PyTorch", result.plain)):
        table.add_row(
            name,
            ", ".join(f"{one.step_seconds:.3f}" for one in timings),
            f"{max(one.data_wait for one in timings):.1%}",
            ", ".join(f"{one.picture_seconds:.3f}" for one in timings),
            f"{max(one.memory_mib for one in timings):.0f} MiB"
            + (f", GPU {max(one.gpu_memory_mib for one in timings):.0f} MiB" if timings[0].gpu_memory_mib else ""),
        )
    screen.print(table)
    screen.print(
        f"Training is {result.step_ratio:.2f} times as fast as plain PyTorch, generation {result.picture_ratio:.2f} "
        f"times ({result.pictures_per_second:.1f} pictures a second); medians of the turns. "
        + ", ".join(result.machine.values()),
        soft_wrap=True,
    )
