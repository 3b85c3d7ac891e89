"""The command line: one thin function for each verb. Heavy libraries are imported inside, so that help is instant."""

import logging
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Column, Table

import retinasynth
from retinasynth.errors import InputError, RetinasynthError

app = typer.Typer(
    help="Labelled synthetic retinas for anyone who lacks real ones, with the evidence that they are good enough.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(help="Look at data sets and prepare them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
segment_app = typer.Typer(help="Find vessels, disc, cup and lesions in photographs.", no_args_is_help=True)
app.add_typer(segment_app, name="segment")

screen = Console()

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting; `retinasynth settings` lists them. Repeatable."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]


class RecipeName(StrEnum):
    """What `data prepare` makes of each eye."""

    plain = "plain"
    kaggle = "kaggle"


def _print_version(wanted: bool) -> None:
    if wanted:
        screen.print(f"retinasynth {retinasynth.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Labelled synthetic retinas for anyone who lacks real ones, with the evidence that they are good enough."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything; demo-2 and so on when it is taken.")] = Path("demo"),
) -> None:
    """Go the whole way on embedded procedural eyes: data, training, generation, evaluation, report.

    No download, no GPU: under three minutes on two cores.
    """
    from retinasynth.experiments.demo import run_demo

    made = run_demo(out)
    screen.print(f"Done. Open [bold]{made / 'evaluation' / 'report.html'}[/]", soft_wrap=True)


@data_app.command("inspect")
def data_inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A data set in any known layout, or `phantom`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Say what is wrong with a data set before training hides it; exit code 1 when there is a problem.

    Reads every file and compares all photographs: damaged files, masks that do not fit, the same retina on both sides
    of the split, also turned, mirrored, cut or scaled.
    """
    import dataclasses
    import json

    # Photographs are compared in as many threads as there are cores; numpy's own would only stand in their way. It
    # reads this once, when it is first imported, and nothing has done so yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from retinasynth.datasets.inspection import inspect_data

    found = inspect_data(folder)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
        raise typer.Exit(0 if found.ok else 1)
    if found.split:
        screen.print(f"Layout: {found.layout}; {found.pairs} pairs", highlight=False)
        table = Table("", "files", "eyes")
        for split, counts in found.split.items():
            table.add_row(split, str(counts["files"]), str(counts["eyes"]))
        screen.print(table)
    if found.sizes:
        sizes = [f"{size} ({count})" for size, count in found.sizes.items()]
        more = f" and {len(sizes) - 5} more sizes" if len(sizes) > 5 else ""
        screen.print(f"Photographs (width x height): {', '.join(sizes[:5])}{more}", highlight=False, soft_wrap=True)
    for note in found.notes:
        screen.print(_plain(note), highlight=False, soft_wrap=True)
    for problem in found.problems:
        screen.print(f"[bold red]Problem:[/] {_plain(problem)}.", highlight=False, soft_wrap=True)
    screen.print("Nothing wrong was found." if found.ok else f"{len(found.problems)} problem(s).", highlight=False)
    raise typer.Exit(0 if found.ok else 1)


@data_app.command("nnunet")
def data_nnunet(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A data set in any known layout, or a synthetic set.")],
    out: Annotated[Path, typer.Option(metavar="DatasetNNN_NAME", help="A new or empty folder.")],
    planes: Annotated[
        str, typer.Option(help="Label planes with commas between: class 1, 2, ...; where several lie, the last wins.")
    ] = "vessels",
) -> None:
    """Write a data set as nnU-Net v2 reads it."""
    from retinasynth.datasets.nnunet import write_nnunet

    training, test = write_nnunet(folder, out, [plane.strip() for plane in planes.split(",")])
    screen.print(f"{out}: {training} training eyes, {test} test eyes", soft_wrap=True, highlight=False)


@data_app.command("prepare")
def data_prepare(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A data set in any known layout.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    size: Annotated[int, typer.Option(metavar="PX", help="Height and width of the pictures.")] = 512,
    recipe: Annotated[
        RecipeName, typer.Option(help="plain: one file an eye. kaggle: four of each training eye, 20 become 80.")
    ] = RecipeName.plain,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="One picture a pair: photograph left, mask right.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Write a data set as square pictures in train/ and test/, split by eye."""
    from retinasynth.datasets.prepare import prepare

    made = prepare(folder, out, recipe=recipe.value, size_px=size, side_by_side=side_by_side, seed=seed)
    train_files, test_files = made.split("train"), made.split("test")
    screen.print(
        f"{out}: {len(train_files)} training files of {len({eye.eye for eye in train_files})} eyes, "
        f"{len(test_files)} test files of {len({eye.eye for eye in test_files})} eyes",
        soft_wrap=True,
    )


@app.command()
def train(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pairs of mask and photograph; `phantom` for the embedded ones.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="A new or empty run folder.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run; nothing else to repeat.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Settings to start from (default: source).")] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="Settings from a file instead.")] = None,
    overrides: Overrides = None,
) -> None:
    """Train a model on pairs of vessel mask and photograph."""
    from retinasynth import api

    if resume is not None:
        if data or out or preset or config:
            raise InputError(
                "--resume stands beside --data, --out, --preset or --config",
                expected="--resume RUN alone (and --set for what may change, such as epochs)",
            )
        run = api.resume(resume, overrides=overrides or [])
    else:
        if data is None or out is None:
            raise InputError("--data or --out is missing", expected="--data DIR --out RUN, or --resume RUN")
        if preset and config:
            raise InputError("--preset and --config stand together", expected="one of them")
        run = api.train(data, out, preset=preset or "source", config=config, overrides=overrides or [])
    screen.print(f"Done. The model is in [bold]{run / 'model'}[/]", soft_wrap=True)


@app.command()
def adapt(
    photos: Annotated[
        list[Path], typer.Option(metavar="DIR", help="Photographs without labels, of your camera. Repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same work to go on with.")],
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Stop before the training, to look.")] = False,
    preset: Annotated[str, typer.Option(help="Settings to start from.")] = "few-shot",
    overrides: Overrides = None,
) -> None:
    """Make a generator of your own camera from photographs alone: labels, sheets to review, training."""
    from retinasynth.applications.adaptation import adapt as run_adaptation

    run = run_adaptation(photos, out, preset=preset, overrides=overrides or [], labels_only=labels_only)
    sheets, reject = out / "labels" / "sheets", out / "labels" / "reject.txt"
    screen.print(
        f"Look at [bold]{sheets}[/]; list what is wrong in [bold]{reject}[/], one name a line.", soft_wrap=True
    )
    if labels_only:
        screen.print("Then run the command again without --labels-only.")
        return
    screen.print(f"Done. The model is in [bold]{run / 'model'}[/]", soft_wrap=True)


@app.command()
def generate(
    model: Annotated[Path, typer.Option(help="fundus-512, a run folder or a model folder.")],
    out: Annotated[Path, typer.Option(help="A new folder, or NAME.png for a single mask; of --count to go on, too.")],
    masks: Annotated[Path | None, typer.Option(help="A mask, a folder of masks, or a data set.")] = None,
    random: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Instead: panels of N random test eyes of --data.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data set for --random.")] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Instead: grow N eyes and photograph them. Run again to go on."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="With --count: adult, child, elderly, hypertensive, glaucomatous or diabetic.")
    ] = "adult",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="With --count: a parameter of the anatomy. Repeatable."),
    ] = None,
    min_structure: Annotated[
        float, typer.Option(metavar="DICE", help="With --count: keep out eyes whose vessels are found less well.")
    ] = 0.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --count: processes; one for each core by default.")
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="PX|mask|model", help="Of the pictures: pixels, or as the mask, or as the model.")
    ] = "model",
    style: Annotated[
        str | None,
        typer.Option(metavar="PHOTO|NAME", help="Of a styled model: sampled, expected, or a photograph to take it of."),
    ] = None,
    knobs: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            metavar="NAME=STEPS",
            help="Of the style: brightness, pigmentation, evenness, sharpness or contrast, -3 to 3. Repeatable.",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Generate photographs from label maps, or of grown eyes."""
    from retinasynth.synthesis import bulk
    from retinasynth.synthesis.synthesizer import Synthesizer

    if [masks, random, count].count(None) != 2 or (random is None) != (data is None):
        raise InputError(
            "Nothing, or too much, to generate from",
            expected="--masks PATH, or --count N, or --random N with --data DIR",
        )
    if count is None and (preset != "adult" or overrides or min_structure or workers):
        raise InputError("--preset, --set, --min-structure and --workers grow eyes", expected="them beside --count N")
    if count is not None:
        from retinasynth.anatomy.physiology import assignments
        from retinasynth.synthesis.sampling import SyntheticSet, rank_and_world, write_synthetic_set

        side = bulk.parse_size(size)
        if side == "mask":
            raise InputError("--size mask with --count, where there are no masks", expected="model or pixels")
        wanted = SyntheticSet(
            str(model),
            seed,
            None if side == "model" else side,
            preset,
            style or "sampled",
            min_structure,
            bulk.parse_knobs(knobs or []),
            assignments(overrides or []),
        )
        shard = rank_and_world()
        before = write_synthetic_set(out, count, wanted, workers=workers, shard=shard)
        if shard[1] > 1:
            screen.print(f"{out}: part {shard[0]} of {shard[1]}", soft_wrap=True, highlight=False)
            return
        kept = len(list((out / "images").glob("*.png")))
        there = f" ({before} of them were there)" if before else ""
        away = f", {count - kept} kept out for their structure" if kept < count else ""
        screen.print(f"{out}: {count} eyes{there}{away}", soft_wrap=True, highlight=False)
        return
    synthesizer = Synthesizer.load(model)
    if random is not None and data is not None:
        turned = bulk.parse_knobs(knobs or [])
        names = bulk.generate_panels(synthesizer, data, out, count=random, seed=seed, style=style, knobs=turned)
        screen.print(f"{out}: {len(names)} panels ({', '.join(names)})", soft_wrap=True)
    elif masks is not None:
        chosen, turned = bulk.parse_size(size), bulk.parse_knobs(knobs or [])
        if masks.is_file() and out.suffix:
            bulk.generate_picture(synthesizer, masks, out, seed=seed, size=chosen, style=style, knobs=turned)
        else:
            eyes = bulk.find_masks(masks, synthesizer.needed_planes, welcome=synthesizer.welcome_planes)
            bulk.generate_set(synthesizer, eyes, out, seed=seed, size=chosen, style=style, knobs=turned)
        screen.print(f"Done: {out}", soft_wrap=True)


@app.command()
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
        str, typer.Option(metavar="expected|sampled|own", help="Of a styled model: which photographs are judged.")
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
    screen.print(f"Open [bold]{out / 'report.html'}[/]", soft_wrap=True)


@app.command()
def export(
    model: Annotated[Path, typer.Option(help="fundus-512, or the run or model folder of a styled generator.")],
    out: Annotated[Path, typer.Option(metavar="NAME.onnx", help="A new file.")],
) -> None:
    """Write a styled generator as an ONNX file, for programs without torch. Needs the extra onnx."""
    from retinasynth.synthesis.export import export_onnx
    from retinasynth.synthesis.synthesizer import Synthesizer

    export_onnx(Synthesizer.load(model), out)
    screen.print(f"Done: {out}", soft_wrap=True)


@app.command()
def grow(
    out: Annotated[Path | None, typer.Option(help="A new folder, or that of the same set to go on with.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many eyes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first eye; the others follow.")] = 0,
    size: Annotated[int, typer.Option(metavar="PX", help="Height and width.")] = 512,
    preset: Annotated[
        str, typer.Option(help="adult, child, elderly, hypertensive, glaucomatous or diabetic.")
    ] = "adult",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Choose a parameter of the anatomy. Repeatable."),
    ] = None,
    style: Annotated[
        str, typer.Option(help="Of the photographs: natural, or randomised far beyond for training segmenters.")
    ] = "natural",
    labels_only: Annotated[bool, typer.Option("--labels-only", help="No photographs.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one for each core by default.")] = None,
    parameters: Annotated[bool, typer.Option("--parameters", help="List the parameters and exit.")] = False,
) -> None:
    """Grow labelled eyes that nobody ever had: label planes, phantom photographs, manifest. Run again to go on."""
    if parameters:
        _list_parameters(preset)
        return
    if out is None:
        raise InputError("--out is missing", expected="--out DIR, or --parameters")
    from retinasynth.anatomy.physiology import assignments
    from retinasynth.datasets.grown import GrownSet, as_style, write_grown_set

    chosen = GrownSet(seed, size, preset, None if labels_only else as_style(style), assignments(overrides or []))
    before = write_grown_set(out, count, chosen, workers=workers)
    there = f" ({before} of them were there)" if before else ""
    screen.print(f"{out}: {count} eyes{there}", soft_wrap=True, highlight=False)


def _list_parameters(preset: str) -> None:
    from retinasynth.anatomy.physiology import PRESETS, described, preset_of

    number = list(PRESETS).index(preset_of(preset))
    table = Table(Column("parameter", no_wrap=True), "range", Column(preset, no_wrap=True), "meaning")
    for name, (allowed, meaning, usual) in described().items():
        table.add_row(name, allowed, usual[number], meaning)
    screen.print(table)


class Target(StrEnum):
    """What a segmenter is trained to find: the presets of that name, or some of their planes."""

    vessels = "vessels"
    disc = "disc"
    cup = "cup"
    disc_cup = "disc-cup"
    lesions = "lesions"
    artery_vein = "artery_vein"


# By target the preset that it starts from, and what it changes there.
_OF_TARGET: dict[Target, tuple[str, list[str]]] = {
    Target.vessels: ("vessels", []),
    Target.disc: ("disc-cup", ["planes=disc"]),
    Target.cup: ("disc-cup", []),  # which is found inside the disc
    Target.disc_cup: ("disc-cup", []),
    Target.lesions: ("lesions", []),
    Target.artery_vein: ("artery-vein", []),
}


@segment_app.command("train")
def segment_train(
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Photographs with label planes. Repeatable; without any, grown eyes alone."),
    ] = None,
    target: Annotated[Target | None, typer.Option(help="What to find (default: vessels).")] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="A new or empty run folder.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run; nothing else to repeat.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Settings to start from instead of --target.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="Settings from a file instead.")] = None,
    overrides: Overrides = None,
) -> None:
    """Train a segmenter on photographs in which people drew vessels, disc or lesions, and on grown eyes."""
    from retinasynth.config import SegmenterSettings
    from retinasynth.training import segmentation

    if resume is not None:
        if data or target or out or preset or config:
            raise InputError(
                "--resume stands beside --data, --target, --out, --preset or --config",
                expected="--resume RUN alone (and --set for what may change)",
            )
        run = segmentation.resume(resume, overrides or [])
    else:
        if out is None:
            raise InputError("--out is missing", expected="--data DIR --out RUN, or --resume RUN")
        if sum(choice is not None for choice in (target, preset, config)) > 1:
            raise InputError("--target, --preset or --config stand together", expected="one of them")
        of_target, changes = _OF_TARGET[target or Target.vessels]
        settings = (
            SegmenterSettings.from_yaml(config)
            if config
            else SegmenterSettings.from_preset(preset or of_target).with_overrides(changes if not preset else [])
        )
        run = segmentation.train(data or [], out, settings.with_overrides(overrides or []))
    screen.print(f"Done. The model is in [bold]{run / 'model'}[/]", soft_wrap=True)


_Segmenters = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="A run folder, a model folder, or vessels, disc-cup or judge. Repeatable. Default: vessels and disc-cup.",
    ),
]


@segment_app.command("predict")
def segment_predict(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A photograph, a folder of them, or a data set.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    model: _Segmenters = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write these too, as grey pictures.")] = False,
) -> None:
    """Find label planes in photographs: masks, overlays to look at, and how far to trust them."""
    from retinasynth.applications.labelling import segment_folder
    from retinasynth.applications.segmentation import USUAL, Segmenter

    models = [Segmenter.load(one) for one in model or USUAL]
    rejected = segment_folder(models, path, out, probabilities=probabilities)
    more = f"; {len(rejected)} could not be segmented, see {out / 'rejected.csv'}" if rejected else ""
    screen.print(f"Done: {out}{more}", soft_wrap=True, highlight=False)


@segment_app.command("label")
def segment_label(
    data: Annotated[list[Path], typer.Option(metavar="DIR", help="A data set with photographs. Repeatable.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same set to go on with.")],
    model: _Segmenters = None,
    size: Annotated[int, typer.Option(min=128, metavar="PX", help="Longest side of what is written.")] = 1024,
    least_confidence: Annotated[float, typer.Option(min=0, max=1, help="Below it a photograph is rejected.")] = 0.7,
) -> None:
    """Make one labelled data set of photographs without labels: twins removed, doubtful ones rejected and listed."""
    from retinasynth.applications.labelling import label_sets
    from retinasynth.applications.segmentation import USUAL, Segmenter

    models = [Segmenter.load(one) for one in model or USUAL]
    made = label_sets(models, data, out, size_px=size, least_confidence=least_confidence)
    screen.print(
        f"{out}: {made.kept} eyes; {len(made.rejected)} rejected, see {out / 'rejected.csv'}. Look at {out / 'sheets'}",
        soft_wrap=True,
        highlight=False,
    )


class Side(StrEnum):
    """Of a split."""

    test = "test"
    train = "train"
    all = "all"


@segment_app.command("evaluate")
def segment_evaluate(
    model: Annotated[str, typer.Option(help="A run folder, a model folder, or vessels, disc-cup or judge.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Photographs in which people drew what it finds.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder for figures and panels.")],
    split: Annotated[Side, typer.Option(help="Which eyes.")] = Side.test,
) -> None:
    """Compare a segmenter with what people drew: per picture, with intervals, beside the second observer."""
    from retinasynth.evaluation.segmentation import evaluate_segmenter

    result = evaluate_segmenter(model, data, out, split=split.value)
    for plane, pictures in result.pictures.items():
        second = result.second_observer(plane)
        columns = ["model: mean (95 % interval)", *(["second observer"] if second else [])]
        table = Table(f"{plane}, {len(pictures)} pictures", *columns)
        for name, one in result.measures(plane).items():
            other = second.get(name)
            cells = [f"{each.mean:.4f} ({each.low:.4f} to {each.high:.4f})" if each else "" for each in (one, other)]
            table.add_row(name, *cells[: len(columns)])
        screen.print(table)
    screen.print(f"Panels: [bold]{out / 'panels'}[/]", soft_wrap=True)


@app.command()
def measure(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A mask file, a folder of label maps, or a data set.")],
    out: Annotated[Path | None, typer.Option(metavar="CSV", help="Also write a table, one row for each eye.")] = None,
) -> None:
    """Measure biomarkers of vessels, disc and cup: density, tortuosity, calibres, artery-to-vein ratio and more."""
    import numpy as np

    from retinasynth.anatomy.biomarkers import COLUMNS
    from retinasynth.datasets.measuring import measure_path, write_measures

    measures = measure_path(path)
    if out is not None:
        write_measures(out, measures)
    one = len(measures) == 1
    figures = ["value"] if one else ["eyes", "10 %", "median", "90 %"]
    table = Table(Column("measure", no_wrap=True), "unit", *figures, "meaning")
    for name, column in COLUMNS.items():
        values = [value for found in measures.values() if (value := getattr(found, name)) is not None]
        spread = [f"{value:.4g}" for value in np.percentile(values, [10, 50, 90])] if values else ["unknown"] * 3
        table.add_row(name, column.unit, *([spread[1]] if one else [str(len(values)), *spread]), column.meaning)
    screen.print(table)


@app.command()
def overlay(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A mask file, a folder of label maps, or a data set.")],
    out: Annotated[Path, typer.Option(help="A new folder, or NAME.png for a single eye.")],
    opacity: Annotated[float, typer.Option(help="Of the filled areas, 0 to 1.")] = 0.8,
    legend: Annotated[bool, typer.Option(help="Add a strip that names the colours.")] = True,
) -> None:
    """Draw labels in colours over their photographs, or over a dark ground where there are none."""
    from retinasynth.datasets.overlays import write_overlays

    count = write_overlays(path, out, opacity=opacity, legend=legend)
    screen.print(f"{out}: {count} overlay{'s' if count > 1 else ''}", soft_wrap=True)


@app.command()
def settings(
    preset: Annotated[str, typer.Option(help="Whose values to show.")] = "source",
    overrides: Overrides = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print a file for --config.")] = False,
) -> None:
    """Show every setting with its value and meaning, and the presets."""
    from retinasynth.config import SegmenterSettings, Settings, descriptions, flat

    kind = SegmenterSettings if preset in SegmenterSettings.presets else Settings
    chosen = kind.from_preset(preset).with_overrides(overrides or [])
    if yaml:
        typer.echo(chosen.to_yaml(), nl=False)
        return
    table = Table("setting", "value", "meaning")
    for name, value in flat(chosen).items():
        if name != "preset":
            table.add_row(name, str(value), descriptions(kind)[name])
    screen.print(table)
    screen.print(f"Presets of train: {', '.join(Settings.presets)}")
    screen.print(f"Presets of segment train: {', '.join(SegmenterSettings.presets)}")


@app.command()
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
        from retinasynth.experiments.table import Table as Rows

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
    screen.print(f"Open [bold]{out / 'report.html'}[/]", soft_wrap=True)


@app.command()
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
    screen.print(f"Open [bold]{out / 'report.html'}[/]", soft_wrap=True)


@app.command()
def bench(
    preset: Annotated[str, typer.Option(help="Whose networks and sizes to take.")] = "source",
    turns: Annotated[int, typer.Option(min=1, help="Turns of each of the two.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Timed steps, and pictures, in a turn.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Time training and generation against plain PyTorch, as ratios, taking turns in one run."""
    import json

    from retinasynth.experiments.bench import run_bench

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


def main() -> None:
    """Run the command line; an error of ours becomes one message and its exit code."""
    # Huge pages save the CPU about a seventh of a training step of the preset "source"; torch reads this once.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(show_time=False, show_path=False)]
    )
    try:
        app()
    except RetinasynthError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {_plain(error.got)}.", soft_wrap=True, highlight=False)
        for label, text in (("Expected", error.expected), ("What to do", error.do)):
            if text:
                Console(stderr=True).print(f"  {label}: {_plain(text)}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped.")
        sys.exit(130)


def _plain(text: str) -> str:
    """Text of ours as rich prints it literally, without a full stop."""
    from rich.markup import escape

    return escape(text.rstrip("."))


if __name__ == "__main__":
    main()
