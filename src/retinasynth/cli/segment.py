"""Commands about segmenters."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from retinasynth.cli.shell import (
    Images,
    Labels,
    Masks,
    Overrides,
    Resume,
    RunFolder,
    Segmenters,
    SettingsFile,
    WindowText,
    chosen_data,
    coded,
    complaints,
    needed_data,
    point_to,
    refuse_beside_resume,
    screen,
    window_of,
)
from retinasynth.errors import InputError

app = typer.Typer(help="Find vessels, disc, cup and lesions in photographs.", no_args_is_help=True)


class Target(StrEnum):
    """What a segmenter is trained to find: the presets of that name, or some of their planes."""

    vessels = "vessels"
    disc = "disc"
    cup = "cup"
    disc_cup = "disc-cup"
    lesions = "lesions"
    artery_vein = "artery-vein"
    landmarks = "landmarks"


# By target the preset that it starts from, and what it changes there.
_OF_TARGET: dict[Target, tuple[str, list[str]]] = {
    Target.vessels: ("vessels", []),
    Target.disc: ("disc-cup", ["planes=disc"]),
    Target.cup: ("disc-cup", []),  # which is found inside the disc
    Target.disc_cup: ("disc-cup", []),
    Target.lesions: ("lesions", []),
    Target.artery_vein: ("artery-vein", []),
    Target.landmarks: ("landmarks", []),
}


def _target(word: str) -> Target:
    """The target of a name; with an underscore, as release 0.1 spelled it, too."""
    if word == "artery_vein":
        complaints.print("--target artery_vein is now --target artery-vein", highlight=False)
        word = Target.artery_vein
    try:
        return Target(word)
    except ValueError:
        raise typer.BadParameter(f"{word!r} is not one of {', '.join(Target)}.") from None


@app.command("train")
def segment_train(
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Photographs with label planes. Repeatable; without any, grown eyes alone."),
    ] = None,
    images: Images = None,
    masks: Masks = None,
    target: Annotated[
        Target | None,
        typer.Option(parser=_target, metavar=f"<{'|'.join(Target)}>", help="What to find (default: vessels)."),
    ] = None,
    out: RunFolder = None,
    resume: Resume = None,
    preset: Annotated[str | None, typer.Option(help="Settings to start from instead of --target.")] = None,
    config: SettingsFile = None,
    labels: Labels = None,
    overrides: Overrides = None,
) -> None:
    """Train a segmenter on photographs with annotated vessels, disc or lesions, and on grown eyes."""
    from retinasynth.segmentation import train as segmentation
    from retinasynth.segmentation.settings import SegmenterSettings

    named = chosen_data(None, images, masks)
    data = [*(data or []), *([] if named is None else [named])]
    if resume is not None:
        refuse_beside_resume(
            {
                "--data": data,
                "--target": target,
                "--out": out,
                "--preset": preset,
                "--config": config,
                "--labels": labels,
            }
        )
        run = segmentation.resume(resume, overrides or [])
    else:
        if out is None:
            raise InputError("--out is missing", expected="--data DIR --out RUN, or --resume RUN")
        if sum(choice is not None for choice in (target, preset, config)) > 1:
            raise InputError("--target, --preset or --config are given together", expected="one of them")
        of_target, changes = _OF_TARGET[target or Target.vessels]
        settings = (
            SegmenterSettings.from_yaml(config)
            if config
            else SegmenterSettings.from_preset(preset or of_target).with_overrides(changes if not preset else [])
        )
        run = segmentation.train(data, out, settings.with_overrides([*coded(labels), *(overrides or [])]))
    point_to("Done. The model is in", run / "model")


@app.command("predict")
def segment_predict(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A photograph, a folder of them, or a data set.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    model: Segmenters = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write these too, as grey pictures.")] = False,
    window: WindowText = None,
) -> None:
    """Find label planes in photographs: masks, overlays to look at, and how far to trust them."""
    from retinasynth.segmentation.labelling import segment_folder
    from retinasynth.segmentation.use import USUAL, Segmenter

    models = [Segmenter.load(one) for one in model or USUAL]
    rejected = segment_folder(models, path, out, probabilities=probabilities, window=window_of(window))
    more = f"; {len(rejected)} could not be segmented, see {out / 'rejected.csv'}" if rejected else ""
    screen.print(f"Done: {out}{more}", soft_wrap=True, highlight=False)


@app.command("label")
def segment_label(
    data: Annotated[list[Path], typer.Option(metavar="DIR", help="A data set with photographs. Repeatable.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same set to go on with.")],
    model: Segmenters = None,
    size: Annotated[int, typer.Option(min=128, metavar="PX", help="Longest side of what is written.")] = 1024,
    least_confidence: Annotated[float, typer.Option(min=0, max=1, help="Below it a photograph is rejected.")] = 0.7,
) -> None:
    """Label photographs as one data set: near-duplicates removed, doubtful ones rejected and listed."""
    from retinasynth.segmentation.labelling import label_sets
    from retinasynth.segmentation.use import OUTLINES, Segmenter

    models = [Segmenter.load(one) for one in model or OUTLINES]
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


@app.command("evaluate")
def segment_evaluate(
    model: Annotated[str, typer.Option(help="A run folder, a model folder, or the name of a bundled segmenter.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder for figures and panels.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Photographs in which annotators drew what it finds.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
    split: Annotated[Side, typer.Option(help="Which eyes.")] = Side.test,
    labels: Labels = None,
) -> None:
    """Compare a segmenter with annotations: per picture, with intervals, beside the second annotator."""
    from retinasynth.evaluation.segmentation import evaluate_segmenter

    result = evaluate_segmenter(model, needed_data(data, images, masks), out, split=split.value, labels=labels)
    for plane, pictures in result.pictures.items():
        second = result.second_annotator(plane)
        columns = ["model: mean (95 % interval)", *(["second observer"] if second else [])]
        table = Table(f"{plane}, {len(pictures)} pictures", *columns)
        for name, one in result.measures(plane).items():
            other = second.get(name)
            cells = [f"{each.mean:.4f} ({each.low:.4f} to {each.high:.4f})" if each else "" for each in (one, other)]
            table.add_row(name, *cells[: len(columns)])
        screen.print(table)
    point_to("Panels:", out / "panels")
