"""Commands that put the models to use: what-if pictures, studies of disease and of usefulness, the studio."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retinasynth.cli.shell import (
    Anatomy,
    OldGrown,
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

if TYPE_CHECKING:
    from retinasynth.studies.arms import Study


class Lesions(StrEnum):
    """How many lesions of diabetic retinopathy."""

    none = "none"
    mild = "mild"
    moderate = "moderate"
    severe = "severe"


_Model = Annotated[Path, typer.Option(help="fundus-512, or the run or model folder of a styled generator.")]


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
    model: _Model = Path("fundus-512"),
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


def glaucoma(
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same study to go on with.")],
    eyes: Annotated[int, typer.Option(min=2, help="Grown eyes in the series. Run again with more to add some.")] = 12,
    screened: Annotated[int, typer.Option(min=2, help="Grown eyes of each group of the screening; likewise.")] = 40,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also real photographs: healthy (NN_h) and glaucoma (NN_g).")
    ] = None,
    model: _Model = Path("fundus-512"),
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Is glaucoma drawn as asked for? Cups and notches in series, measured; a screening. Run again to go on."""
    from retinasynth.studies.glaucoma import study_glaucoma

    study = study_glaucoma(out, model=str(model), eyes=eyes, screened=screened, seed=seed, data=data, workers=workers)
    for sentence in study.sentences:
        screen.print(sentence, highlight=False)
    point_to("Open", out / "report.html")


def vascular(
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same study to go on with.")],
    eyes: Annotated[int, typer.Option(min=2, help="Grown eyes. Run again with more to add some.")] = 8,
    model: _Model = Path("fundus-512"),
    seed: Seed = 0,
    workers: Workers = None,
) -> None:
    """Are narrowing, tortuosity, beading and new vessels drawn as asked for? Measured again. Run again to go on."""
    from retinasynth.studies.vascular import study_vascular

    study = study_vascular(out, model=str(model), eyes=eyes, seed=seed, workers=workers)
    for sentence in study.sentences:
        screen.print(sentence, highlight=False)
    point_to("Open", out / "report.html")


def utility(
    data: Annotated[Path, typer.Option(metavar="DIR", help="A data set with vessels and a test split.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same study to go on with.")],
    eyes: Annotated[
        list[str] | None,
        typer.Option(metavar="N", help="Real training eyes that are learnt from, or `all`. Repeatable (1, 5, all)."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each arm; again with more adds some (3).")] = None,
    synthetic: Annotated[int, typer.Option(min=1, metavar="N", help="Grown eyes to learn from.")] = 130,
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
        data,
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
    _say(result, out)


def detection(
    data: Annotated[Path, typer.Option(metavar="DIR", help="A data set with grades of retinopathy, such as IDRiD's.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same study to go on with.")],
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
    _say(result, out)


def studio(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="fundus-512 if none is given, or a run or model folder. Repeat it to compare others with the first.",
        ),
    ] = None,
    enhancer: Annotated[
        str, typer.Option(help="For the tab Enhance: the bundled enhance, or a run or model folder.")
    ] = "enhance",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 7860,
    host: Annotated[
        str, typer.Option(help="127.0.0.1 is reached from this machine alone, 0.0.0.0 from every one.")
    ] = "127.0.0.1",
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            help="A further name by which browsers may call it, such as that of a proxy; it answers to no strange one. "
            "Repeatable.",
        ),
    ] = None,
) -> None:
    """Open the studio in a browser: grow, draw, photograph, change and evaluate eyes. Needs the extra studio."""
    from retinasynth.studio import serve

    serve(
        models or ["fundus-512"],
        enhancer,
        host,
        port,
        lambda address: screen.print(f"The studio is at {address} (stop it with Ctrl+C)", highlight=False),
        names=names or (),
    )


def _say(study: "Study", out: Path) -> None:
    for sentence in study.verdict:
        screen.print(sentence, highlight=False)
    point_to("Open", out / "report.html")
