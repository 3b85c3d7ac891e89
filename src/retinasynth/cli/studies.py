"""Studies, each of many runs: ablation, tuning, case studies of disease, what synthetic eyes are good for, timings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from retinasynth.cli.shell import (
    Anatomy,
    Images,
    Masks,
    OldGrown,
    Overrides,
    People,
    Seed,
    StyledModel,
    Workers,
    assignments,
    chosen_data,
    needed_data,
    point_to,
    renamed,
    screen,
)
from retinasynth.errors import InputError

StudyFolder = Annotated[Path, typer.Option(help="A new folder, or that of the same study to go on with.")]


def _say(sentences: Sequence[str], out: Path) -> None:
    for sentence in sentences:
        screen.print(sentence, highlight=False)
    point_to("Open", out / "report.html")


def ablate(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A data set with a test split; `phantom` for the embedded one.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
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
    data = chosen_data(data, images, masks)
    if data is None or out is None:
        raise InputError("--data or --out is missing", expected="--data DIR --out DIR, or --yaml")
    from retinasynth import api

    result = api.ablate(data, out, table=table, preset=preset, overrides=overrides or [], seeds=seeds)
    shown = Table(Column("row", no_wrap=True), "what it shows", "the claim")
    for row in result.rows:
        shown.add_row(row.row.name, row.verdict, row.agreement or "")
    screen.print(shown)
    _say(result.verdict, out)


def tune(
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same search to go on with.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A data set; its test eyes are not looked at.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
    trials: Annotated[int, typer.Option(min=1, help="The first is the start; run again with more to go on.")] = 20,
    measure: Annotated[str, typer.Option(help="mse, ssim, psnr, fov_ssim, fov_psnr, vessels ...")] = "fov_ssim",
    folds: Annotated[
        int, typer.Option(min=2, help="Folds that the training subjects are divided into; a set with val/ has one.")
    ] = 3,
    preset: Annotated[str | None, typer.Option(help="Settings to start from (default: source).")] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="Settings from a file instead.")] = None,
    overrides: Overrides = None,
    space: Annotated[
        Path | None, typer.Option(metavar="YAML", help="What to search, instead of rates, sizes and loss weights.")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Give up trials worse than the median after a fold.")] = False,
) -> None:
    """Search better settings by cross-validation, or on validation eyes (extra: tune). Run again to go on."""
    if preset and config:
        raise InputError("--preset and --config are given together", expected="one of them")
    from retinasynth import api

    result = api.tune(
        needed_data(data, images, masks),
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


def glaucoma(
    out: StudyFolder,
    eyes: Annotated[int, typer.Option(min=2, help="Grown eyes in the series. Run again with more to add some.")] = 12,
    screened: Annotated[int, typer.Option(min=2, help="Grown eyes of each group of the screening; likewise.")] = 40,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also real photographs: healthy (NN_h) and glaucoma (NN_g).")
    ] = None,
    model: StyledModel = Path("fundus-512"),
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Is glaucoma drawn as asked for? Cups and notches in series, measured; a screening. Run again to go on."""
    from retinasynth.studies.glaucoma import study_glaucoma

    study = study_glaucoma(out, model=str(model), eyes=eyes, screened=screened, seed=seed, data=data, workers=workers)
    _say(study.sentences, out)


def vascular(
    out: StudyFolder,
    eyes: Annotated[int, typer.Option(min=2, help="Grown eyes. Run again with more to add some.")] = 8,
    model: StyledModel = Path("fundus-512"),
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Are narrowing, tortuosity, beading and new vessels drawn as asked for? Measured again. Run again to go on."""
    from retinasynth.studies.vascular import study_vascular

    study = study_vascular(out, model=str(model), eyes=eyes, seed=seed, workers=workers)
    _say(study.sentences, out)


def utility(
    out: StudyFolder,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="A data set with vessels and a test split.")] = None,
    images: Images = None,
    masks: Masks = None,
    eyes: Annotated[
        list[str] | None,
        typer.Option(metavar="N", help="Real training eyes, or `all`. Repeatable (1, 5, all)."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each arm; again with more adds some (3).")] = None,
    synthetic: Annotated[int, typer.Option(min=1, metavar="N", help="Grown eyes to train on.")] = 130,
    generator: Annotated[str, typer.Option(metavar="MODEL", help="Photographs them, beside rendering.")] = "fundus-512",
    people: People = None,
    anatomy: Anatomy = None,
    overrides: Overrides = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two seeds and about a quarter of the steps: a first look.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time, each in a process of its own.")] = 1,
    old_anatomy: OldGrown = None,
) -> None:
    """Are synthetic photographs of use for training? Vessel segmenters with and without. Run again to go on."""
    from retinasynth.studies import utility as study

    anatomy = renamed("--anatomy", anatomy, "--grown", old_anatomy)
    result = study.utility(
        needed_data(data, images, masks),
        out,
        eyes=eyes or study.EYES,
        seeds=seeds or (study.QUICK_SEEDS if quick else study.SEEDS),
        synthetic=synthetic,
        generator=generator,
        people=people or "adult",
        parameters=assignments(anatomy or []),
        overrides=[*(study.QUICK if quick else ()), *(overrides or [])],
        workers=workers,
    )
    _say(result.verdict, out)


def detection(
    data: Annotated[Path, typer.Option(metavar="DIR", help="A data set with grades of retinopathy, such as IDRiD's.")],
    out: StudyFolder,
    photographs: Annotated[
        list[str] | None,
        typer.Option(metavar="N", help="Real training photographs, or `all`. Repeatable (20, 50, 100, all)."),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Draws of real photographs; again with more adds some (10).")
    ] = None,
    synthetic: Annotated[int, typer.Option(metavar="N", help="Eyes grown with lesions, and as many without.")] = 120,
    generator: Annotated[str, typer.Option(metavar="MODEL", help="Photographs the generated eyes.")] = "fundus-512",
    features: Annotated[
        str,
        typer.Option(metavar="imagenet|fundus", help="What looks at photographs (imagenet needs the extra features)."),
    ] = "imagenet",
    anatomy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter of all grown eyes; else IDRiD's camera. Repeatable."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Four draws: a first look.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make synthetic eyes.")] = 1,
    old_anatomy: OldGrown = None,
) -> None:
    """Do synthetic eyes help to find referable retinopathy? Classifiers with and without. Run again to go on."""
    from retinasynth.studies import detection as study

    anatomy = renamed("--anatomy", anatomy, "--grown", old_anatomy)
    result = study.detection(
        data,
        out,
        counts=photographs or study.COUNTS,
        draws=draws or (study.QUICK_DRAWS if quick else study.DRAWS),
        synthetic=synthetic,
        generator=generator,
        features=features,
        parameters=assignments(anatomy) if anatomy else None,
        workers=workers,
    )
    _say(result.verdict, out)


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


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything; demo-2 and so on when it is taken.")] = Path("demo"),
) -> None:
    """Go the whole way on embedded procedural eyes: data, training, generation, evaluation, report.

    No download, no GPU: under three minutes on two cores.
    """
    from retinasynth.studies.demo import run_demo

    made = run_demo(out)
    point_to("Done. Open", made / "evaluation" / "report.html")
