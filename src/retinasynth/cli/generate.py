"""Growing eyes, photographs of label maps, what-if pictures, generators of one's own camera, export."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from retinasynth.cli.shell import (
    Anatomy,
    Labels,
    OldPreset,
    OldSet,
    Overrides,
    People,
    Seed,
    StyledModel,
    WindowText,
    Workers,
    assignments,
    point_to,
    renamed,
    screen,
    window_of,
)
from retinasynth.errors import InputError, SettingError

if TYPE_CHECKING:
    from retinasynth.eye.camera import FieldChoice
    from retinasynth.generation.sets import SyntheticSet
    from retinasynth.generator import Size
    from retinasynth.images import Photograph


class Lesions(StrEnum):
    """How many lesions of diabetic retinopathy."""

    none = "none"
    mild = "mild"
    moderate = "moderate"
    severe = "severe"


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
    eyes_per_person: Annotated[
        int, typer.Option(min=1, max=2, help="2: a left and a right eye of each person, which are alike.")
    ] = 1,
    visits: Annotated[int, typer.Option(min=1, max=9, help="Of each eye; between them it changes, see --until.")] = 1,
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="With --visits: a parameter at the last visit, such as cup_to_disc or retinopathy_grade. Repeatable.",
        ),
    ] = None,
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

    chosen = GrownSet(
        seed,
        size,
        people,
        None if labels_only else as_style(style),
        assignments(anatomy or []),
        eyes_per_person,
        visits,
        assignments(until or [], "--until"),
    )
    before = write_grown_set(out, count, chosen, workers=workers)
    often = f" at {visits} visits" if visits > 1 else ""
    screen.print(f"{out}: {count} eyes{often}{_there(before)}", soft_wrap=True, highlight=False)


def _list_parameters(people: str) -> None:
    from retinasynth.anatomy.physiology import PRESETS, described, preset_of

    number = list(PRESETS).index(preset_of(people))
    table = Table(Column("parameter", no_wrap=True), "range", Column(people, no_wrap=True), "meaning")
    for name, (allowed, meaning, usual) in described().items():
        table.add_row(name, allowed, usual[number], meaning)
    screen.print(table)


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
        str,
        typer.Option(
            metavar="PX|mask|model",
            help="Of the pictures: pixels of a square, that of the mask, or the shape of the mask at the model's size.",
        ),
    ] = "model",
    style: Annotated[
        str | None,
        typer.Option(
            metavar="PHOTO|DIR|NAME",
            help="Of a styled model: sampled, expected, a photograph that lends it, or a folder for the usual one.",
        ),
    ] = None,
    knobs: Annotated[
        list[str] | None,
        typer.Option(
            "--knob",
            metavar="NAME=STEPS",
            help="Of the style: brightness, pigmentation, evenness, sharpness or contrast, -3 to 3. Repeatable.",
        ),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete/--no-complete", help="Look for the disc of a mask without one; else its edge is left to chance."
        ),
    ] = True,
    labels: Labels = None,
    fov: Annotated[
        str,
        typer.Option(
            metavar="camera|found|FILE",
            help="With --masks: the field of view of masks without one: the camera's usual one, found around the "
            "vessels, or a mask of it for all.",
        ),
    ] = "camera",
    window: WindowText = None,
    seed: Seed = 0,
    old_people: OldPreset = None,
    old_anatomy: OldSet = None,
) -> None:
    """Generate photographs from label maps, or of grown eyes."""
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
    turned = parse_knobs(knobs or [])
    if window is not None and count is not None:
        raise InputError(
            "--window is given beside --count", expected="it beside --masks or --random, with --style FILE"
        )
    if count is not None:
        from retinasynth.generation.sets import SyntheticSet

        side = parse_size(size)
        if side == "mask":
            raise InputError("--size mask with --count, where there are no masks", expected="model or pixels")
        wanted = SyntheticSet(
            str(model),
            seed,
            None if side == "model" else side,
            people or "adult",
            style or "sampled",
            min_structure,
            turned,
            assignments(anatomy or []),
        )
        _write_grown(out, count, wanted, workers)
        return
    from retinasynth.generation import folder as bulk
    from retinasynth.generation.generator import load as load_generator
    from retinasynth.pages import is_file

    lent = style if window is None else _windowed_style(style, window)
    synthesizer = load_generator(model)
    if random is not None and data is not None:
        names = bulk.generate_panels(
            synthesizer, data, out, count=random, seed=seed, style=lent, knobs=turned, labels=labels
        )
        screen.print(f"{out}: {len(names)} panels ({', '.join(names)})", soft_wrap=True)
    elif masks is not None:
        side, field = parse_size(size), parse_fov(fov)
        if is_file(masks) and out.suffix:
            bulk.generate_picture(
                synthesizer, masks, out, seed=seed, size=side, style=lent, knobs=turned, complete=complete, fov=field
            )
        else:
            eyes = bulk.find_masks(masks, synthesizer.needed_planes, welcome=synthesizer.welcome_planes, labels=labels)
            bulk.generate_set(
                synthesizer, eyes, out, seed=seed, size=side, style=lent, knobs=turned, complete=complete, fov=field
            )
        screen.print(f"Done: {out}", soft_wrap=True)


def _write_grown(out: Path, count: int, wanted: "SyntheticSet", workers: int | None) -> None:
    from retinasynth.generation.sets import rank_and_world, write_synthetic_set

    shard = rank_and_world()
    before = write_synthetic_set(out, count, wanted, workers=workers, shard=shard)
    if shard[1] > 1:
        screen.print(f"{out}: part {shard[0]} of {shard[1]}", soft_wrap=True, highlight=False)
        return
    kept = len(list((out / "images").glob("*.png")))
    away = f", {count - kept} kept out for their structure" if kept < count else ""
    screen.print(f"{out}: {count} eyes{_there(before)}{away}", soft_wrap=True, highlight=False)


def _there(before: int) -> str:
    """How many eyes of a set that was gone on with were there already."""
    return f" ({before} of them were there)" if before else ""


def parse_size(text: str) -> "Size":
    """Of photographs: ``model``, ``mask`` or pixels.

    Raises:
        SettingError: it is none of these.

    Example:
        >>> parse_size("512")
        512
    """
    if text == "model":
        return "model"
    if text == "mask":
        return "mask"
    try:
        return int(text)
    except ValueError as error:
        raise SettingError(f"--size is {text!r}", expected="model, mask, or a number of pixels") from error


def _windowed_style(style: str | None, window: str) -> "Photograph":
    """The photograph of more than 8 bits that lends its style.

    Raises:
        InputError: the style is no photograph.
    """
    from retinasynth.images import read_photograph
    from retinasynth.pages import is_file

    if style is None or not is_file(Path(style)):
        raise InputError(
            "--window without a photograph",
            expected="beside --masks or --random, --style FILE",
            do="Of a folder, first write one of 8 bits: retinasynth data prepare DIR --window LOW-HIGH --out DATA",
        )
    return read_photograph(Path(style), window=window_of(window))


def parse_fov(text: str) -> "FieldChoice":
    """Where the field of view comes from: ``camera``, ``found``, or the mask in a file.

    Raises:
        ImageError: the file is no mask.
        SettingError: there is no such file.
    """
    from retinasynth.images import read_mask
    from retinasynth.pages import is_file

    if text == "camera":
        return "camera"
    if text == "found":
        return "found"
    if not is_file(Path(text)):
        raise SettingError(f"--fov is {text!r}", expected="camera, found, or the file of a mask")
    return read_mask(Path(text))


def parse_knobs(texts: Sequence[str]) -> dict[str, float]:
    """Steps by which knobs of the style are turned, each given as ``name=steps``.

    Raises:
        SettingError: one has no number.

    Example:
        >>> parse_knobs(["pigmentation=1.5"])
        {'pigmentation': 1.5}
    """
    knobs = {}
    for text in texts:
        name, _, steps = text.partition("=")
        try:
            knobs[name.strip()] = float(steps)
        except ValueError as error:
            raise SettingError(f"--knob is {text!r}", expected="NAME=STEPS, for example pigmentation=1") from error
    return knobs


def whatif(
    out: Annotated[Path, typer.Option(help="A new or empty folder for pictures, label maps and whatif.json.")],
    eye: Annotated[
        int | None, typer.Option(min=0, metavar="SEED", help="Which eye: the grown one of a seed ...")
    ] = None,
    people: People = None,
    anatomy: Anatomy = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="... or one of a data set or label maps ...")] = None,
    name: Annotated[str | None, typer.Option(help="With --data: which, where there are several.")] = None,
    photo: Annotated[
        Path | None, typer.Option(metavar="FILE", help="... or one in a photograph, whose style is taken.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --photo: its vessels; without, they are looked for.")
    ] = None,
    cup: Annotated[float | None, typer.Option(metavar="RATIO", help="Vertical cup-to-disc ratio, 0 to 0.95.")] = None,
    lesions: Annotated[Lesions | None, typer.Option(help="Remove the lesions, or draw others.")] = None,
    narrow: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Of their calibre that arteries keep (all vessels, where unknown), 0.5 to 1."
        ),
    ] = None,
    model: StyledModel = Path("fundus-512"),
    style: Annotated[
        str | None, typer.Option(metavar="PHOTO|NAME", help="sampled, expected, or a photograph to take it of.")
    ] = None,
    seed: Seed = 0,
    old_eye: Annotated[int | None, typer.Option("--grown", min=0, hidden=True)] = None,
    old_people: OldPreset = None,
    old_anatomy: OldSet = None,
) -> None:
    """Show an eye before and after one change: cup, lesions or vessels. An illustration, not a clinical prediction."""
    from retinasynth.generation import whatif as cases
    from retinasynth.generation.generator import load as load_generator
    from retinasynth.generation.whatif_files import write_what_if

    eye = renamed("--eye", eye, "--grown", old_eye)
    people = renamed("--people", people, "--preset", old_people)
    anatomy = renamed("--anatomy", anatomy, "--set", old_anatomy)
    edit = cases.Edit(cup, None if lesions is None else lesions.value, narrow)
    if [eye, data, photo].count(None) != 2 or (name and not data) or (mask and not photo):
        raise InputError(
            "No eye, or too many, to begin with", expected="--eye SEED, --data DIR [--name NAME] or --photo FILE"
        )
    if eye is None and ((people or "adult") != "adult" or anatomy):
        raise InputError("--people and --anatomy grow an eye", expected="them beside --eye SEED")
    synthesizer = load_generator(model)
    if eye is not None:
        before = cases.grown_eye(synthesizer, eye, people or "adult", assignments(anatomy or []))
    elif data is not None:
        before = cases.eye_of_set(data, name)
    elif photo is not None:
        before = cases.photographed_eye(photo, mask)
    result = cases.what_if(before, edit, synthesizer, seed=seed, style=style)
    write_what_if(result, out)
    change = result.change
    blended = f" ({change.outside_unblended:.2f} before blending)" if change.is_blended else ""
    screen.print(
        f"{edit.words}: mean change {change.inside:.2f} grey levels in the edited region, {change.outside:.2f} outside "
        f"it{blended}. {cases.NOTICE}",
        soft_wrap=True,
        highlight=False,
    )
    point_to("Open", out / "panel.png")


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


def export(
    model: Annotated[
        Path,
        typer.Option(help="fundus-512, a bundled segmenter, or the run or model folder of such a model."),
    ],
    out: Annotated[Path, typer.Option(metavar="NAME.onnx", help="A new file.")],
) -> None:
    """Write a styled generator or a segmenter as an ONNX file, for programs without torch. Needs the extra onnx."""
    from retinasynth.training.bundled import GENERATORS, SEGMENTERS, model_folder
    from retinasynth.training.model_folder import format_of

    if format_of(model_folder(model, bundled=(*GENERATORS, *SEGMENTERS))) == "retinasynth-segmenter":
        from retinasynth.segmentation.use import Segmenter

        Segmenter.load(model).export_onnx(out)
    else:
        from retinasynth.generation.generator import load

        load(model).export_onnx(out)
    screen.print(f"Done: {out}", soft_wrap=True)
