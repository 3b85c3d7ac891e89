"""Commands that train generators, and that make eyes and photographs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from retinasynth.cli.shell import (
    Anatomy,
    OldPreset,
    OldSet,
    Overrides,
    People,
    Seed,
    Workers,
    assignments,
    point_to,
    renamed,
    screen,
)
from retinasynth.errors import InputError


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything; demo-2 and so on when it is taken.")] = Path("demo"),
) -> None:
    """Go the whole way on embedded procedural eyes: data, training, generation, evaluation, report.

    No download, no GPU: under three minutes on two cores.
    """
    from retinasynth.studies.demo import run_demo

    made = run_demo(out)
    point_to("Done. Open", made / "evaluation" / "report.html")


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
    point_to("Done. The model is in", run / "model")


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
    from retinasynth.generation.adapt import adapt as run_adaptation
    from retinasynth.tables import read_table

    run = run_adaptation(photos, out, preset=preset, overrides=overrides or [], labels_only=labels_only)
    sheets, reject = out / "labels" / "sheets", out / "labels" / "reject.txt"
    point_to("Look at", sheets)
    point_to("List what is wrong, one name a line, in", reject)
    rejected = len(list(read_table(out / "labels" / "rejected.csv"))) - 1
    if rejected:
        point_to(f"{rejected} of the photographs cannot be used, see", out / "labels" / "rejected.csv")
    if labels_only:
        screen.print("Then run the command again without --labels-only.")
        return
    point_to("Done. The model is in", run / "model")


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
    people: People = None,
    anatomy: Anatomy = None,
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
    old_people: OldPreset = None,
    old_anatomy: OldSet = None,
) -> None:
    """Generate photographs from label maps, or of grown eyes."""
    from retinasynth.generation import folder as bulk
    from retinasynth.generation.generator import load as load_generator

    people = renamed("--people", people, "--preset", old_people)
    anatomy = renamed("--anatomy", anatomy, "--set", old_anatomy)
    if [masks, random, count].count(None) != 2 or (random is None) != (data is None):
        raise InputError(
            "Nothing, or too much, to generate from",
            expected="--masks PATH, or --count N, or --random N with --data DIR",
        )
    if count is None and ((people or "adult") != "adult" or anatomy or min_structure or workers):
        raise InputError(
            "--people, --anatomy, --min-structure and --workers grow eyes", expected="them beside --count N"
        )
    if count is not None:
        from retinasynth.generation.sets import SyntheticSet, rank_and_world, write_synthetic_set

        side = bulk.parse_size(size)
        if side == "mask":
            raise InputError("--size mask with --count, where there are no masks", expected="model or pixels")
        wanted = SyntheticSet(
            str(model),
            seed,
            None if side == "model" else side,
            people or "adult",
            style or "sampled",
            min_structure,
            bulk.parse_knobs(knobs or []),
            assignments(anatomy or []),
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
    synthesizer = load_generator(model)
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


def export(
    model: Annotated[Path, typer.Option(help="fundus-512, or the run or model folder of a styled generator.")],
    out: Annotated[Path, typer.Option(metavar="NAME.onnx", help="A new file.")],
) -> None:
    """Write a styled generator as an ONNX file, for programs without torch. Needs the extra onnx."""
    from retinasynth.generation.generator import load

    load(model).export_onnx(out)
    screen.print(f"Done: {out}", soft_wrap=True)


def grow(
    out: Annotated[Path | None, typer.Option(help="A new folder, or that of the same set to go on with.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many eyes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first eye; the others follow.")] = 0,
    size: Annotated[int, typer.Option(metavar="PX", help="Height and width.")] = 512,
    people: People = None,
    anatomy: Anatomy = None,
    style: Annotated[
        str, typer.Option(help="Of the photographs: natural, or randomised far beyond for training segmenters.")
    ] = "natural",
    labels_only: Annotated[bool, typer.Option("--labels-only", help="No photographs.")] = False,
    workers: Workers = None,
    parameters: Annotated[bool, typer.Option("--parameters", help="List the parameters and exit.")] = False,
    old_people: OldPreset = None,
    old_anatomy: OldSet = None,
) -> None:
    """Grow labelled eyes that nobody ever had: label planes, phantom photographs, manifest. Run again to go on."""
    people = renamed("--people", people, "--preset", old_people) or "adult"
    anatomy = renamed("--anatomy", anatomy, "--set", old_anatomy)
    if parameters:
        _list_parameters(people)
        return
    if out is None:
        raise InputError("--out is missing", expected="--out DIR, or --parameters")
    from retinasynth.data.grown import GrownSet, as_style, write_grown_set

    chosen = GrownSet(seed, size, people, None if labels_only else as_style(style), assignments(anatomy or []))
    before = write_grown_set(out, count, chosen, workers=workers)
    there = f" ({before} of them were there)" if before else ""
    screen.print(f"{out}: {count} eyes{there}", soft_wrap=True, highlight=False)


def _list_parameters(people: str) -> None:
    from retinasynth.anatomy.physiology import PRESETS, described, preset_of

    number = list(PRESETS).index(preset_of(people))
    table = Table(Column("parameter", no_wrap=True), "range", Column(people, no_wrap=True), "meaning")
    for name, (allowed, meaning, usual) in described().items():
        table.add_row(name, allowed, usual[number], meaning)
    screen.print(table)


def settings(
    preset: Annotated[str, typer.Option(help="Whose values to show.")] = "source",
    overrides: Overrides = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print a file for --config.")] = False,
) -> None:
    """Show every setting with its value and meaning, and the presets."""
    from retinasynth.enhancement.settings import EnhancerSettings
    from retinasynth.pix2pix.settings import Settings as Pix2PixSettings
    from retinasynth.segmentation.settings import SegmenterSettings
    from retinasynth.settings import RunSettings, descriptions, flat
    from retinasynth.styled.settings import Settings as StyledSettings

    kinds: tuple[type[RunSettings], ...] = (StyledSettings, SegmenterSettings, EnhancerSettings)
    kind = next((one for one in kinds if preset in one.presets), Pix2PixSettings)
    chosen = kind.from_preset(preset).with_overrides(overrides or [])
    if yaml:
        typer.echo(chosen.to_yaml(), nl=False)
        return
    table = Table("setting", "value", "meaning")
    for name, value in flat(chosen).items():
        if name != "preset":
            table.add_row(name, str(value), descriptions(kind)[name])
    screen.print(table)
    screen.print(f"Presets of train: {', '.join([*Pix2PixSettings.presets, *StyledSettings.presets])}")
    for other in kinds[1:]:
        screen.print(f"Presets of {other.command}: {', '.join(other.presets)}")
