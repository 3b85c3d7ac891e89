"""Commands about data sets."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from retinasynth.cli.shell import Images, Labels, Masks, Seed, in_flags, needed_data, screen

_MOST_NAMED = 12  # diagnoses

app = typer.Typer(help="Look at data sets and prepare them.", no_args_is_help=True)


class RecipeName(StrEnum):
    """What `data prepare` makes of each eye."""

    plain = "plain"
    kaggle = "kaggle"


@app.command("inspect")
def data_inspect(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A data set in any known layout, or `phantom`.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
    labels: Labels = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw overlays of up to 30 eyes, to look at.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    subjects: Annotated[
        Path | None, typer.Option(help="Write a draft of subjects.csv there: which photographs are of one person.")
    ] = None,
) -> None:
    """Say what is wrong with a data set before training hides it; exit code 1 when there is a problem.

    Reads every file and compares all photographs: damaged files, masks that do not fit, the same retina on both sides
    of the split, also turned, mirrored, cut or scaled.
    """
    import dataclasses
    import json

    # Photographs are compared in as many threads as there are cores; numpy's own would only get in their way. It
    # reads this once, when it is first imported, and nothing has done so yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from retinasynth.data.inspect import inspect_data

    found = inspect_data(needed_data(folder, images, masks, "DIR"), labels=labels, sheet=sheet, subjects=subjects)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
        raise typer.Exit(0 if found.ok else 1)
    if found.split:
        screen.print(f"Layout: {found.layout}; {found.pairs} pairs", highlight=False)
        table = Table("", "files", "eyes")
        for split, counts in found.split.items():
            table.add_row(split, str(counts["files"]), str(counts["eyes"]))
        screen.print(table)
    for what, by_split in (("Grades of retinopathy", found.grades), ("Diagnoses", found.diagnoses)):
        for split, counts in by_split.items():
            listed = [f"{name} ({count})" for name, count in list(counts.items())[:_MOST_NAMED]]
            more = f" and {len(counts) - _MOST_NAMED} more" if len(counts) > _MOST_NAMED else ""
            known = f"of {sum(counts.values())} of {found.split[split]['files']} files"
            screen.print(f"{what}, {split}, {known}: {', '.join(listed)}{more}", highlight=False, soft_wrap=True)
    if found.sizes:
        sizes = [f"{size} ({count})" for size, count in found.sizes.items()]
        more = f" and {len(sizes) - 5} more sizes" if len(sizes) > 5 else ""
        screen.print(f"Photographs (width x height): {', '.join(sizes[:5])}{more}", highlight=False, soft_wrap=True)
    for one in found.planes:
        values = ", ".join(f"{value} {100 * share:.3g} %" for value, share in one["values"].items())
        screen.print(
            f"{one['folder']}/: {one['files']} files, {one['code']} ({one['meaning']}), read as "
            f"{', '.join(one['planes'])}; they have {values}",
            highlight=False,
            soft_wrap=True,
        )
    for note in found.notes:
        screen.print(in_flags(note.rstrip(".")), highlight=False, soft_wrap=True)
    for problem in found.problems:
        screen.print(Text("Problem:", "bold red"), f"{in_flags(problem).rstrip('.')}.", highlight=False, soft_wrap=True)
    screen.print("Nothing wrong was found." if found.ok else f"{len(found.problems)} problem(s).", highlight=False)
    raise typer.Exit(0 if found.ok else 1)


@app.command("nnunet")
def data_nnunet(
    out: Annotated[Path, typer.Option(metavar="DatasetNNN_NAME", help="A new or empty folder.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A data set in any known layout, or a synthetic set.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
    planes: Annotated[
        str, typer.Option(help="Label planes with commas between: class 1, 2, ...; where several lie, the last wins.")
    ] = "vessels",
    labels: Labels = None,
) -> None:
    """Write a data set as nnU-Net v2 reads it."""
    from retinasynth.data.export import write_nnunet

    data = needed_data(folder, images, masks, "DIR")
    training, test = write_nnunet(data, out, [plane.strip() for plane in planes.split(",")], labels=labels)
    screen.print(f"{out}: {training} training eyes, {test} test eyes", soft_wrap=True, highlight=False)


@app.command("prepare")
def data_prepare(
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="A data set in any known layout.")] = None,
    images: Images = None,
    masks: Masks = None,
    size: Annotated[int, typer.Option(metavar="PX", help="Height and width of the pictures.")] = 512,
    recipe: Annotated[
        RecipeName, typer.Option(help="plain: one file an eye. kaggle: four of each training eye, 20 become 80.")
    ] = RecipeName.plain,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="One picture a pair: photograph left, mask right.")
    ] = False,
    labels: Labels = None,
    seed: Seed = 0,
) -> None:
    """Write a data set as square pictures in train/, test/ and perhaps val/, split by eye."""
    from retinasynth.data.prepare import prepare

    data = needed_data(folder, images, masks, "DIR")
    made = prepare(data, out, recipe=recipe.value, size_px=size, side_by_side=side_by_side, seed=seed, labels=labels)
    sides = {"training": made.split("train"), "validation": made.split("val"), "test": made.split("test")}
    counts = [
        f"{len(files)} {what} files of {len({eye.eye for eye in files})} eyes"
        for what, files in sides.items()
        if files or what != "validation"
    ]
    screen.print(f"{out}: {', '.join(counts)}", soft_wrap=True)
