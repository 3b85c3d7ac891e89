"""Commands about enhancers."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from retinasynth.cli.shell import Overrides, Resume, RunFolder, point_to, refuse_beside_resume, screen
from retinasynth.errors import InputError

app = typer.Typer(help="Make photographs less noisy, sharper and larger.", no_args_is_help=True)

_Model = Annotated[str, typer.Option(help="The bundled enhance, a run folder or a model folder.")]


@app.command("train")
def enhance_train(
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A data set with photographs; labels are not needed. Repeatable."),
    ] = None,
    out: RunFolder = None,
    resume: Resume = None,
    config: Annotated[Path | None, typer.Option(metavar="YAML", help="Settings from a file.")] = None,
    overrides: Overrides = None,
) -> None:
    """Train an enhancer on photographs alone: each is made worse on the fly, in many ways, and made good again."""
    from retinasynth.enhancement import train as enhancement
    from retinasynth.enhancement.settings import EnhancerSettings

    if resume is not None:
        refuse_beside_resume({"--data": data, "--out": out, "--config": config})
        run = enhancement.resume(resume, overrides or [])
    else:
        if out is None or not data:
            raise InputError("--data or --out is missing", expected="--data DIR --out RUN, or --resume RUN")
        settings = EnhancerSettings.from_yaml(config) if config else EnhancerSettings.from_preset("enhance")
        run = enhancement.train(data, out, settings.with_overrides(overrides or []))
    point_to("Done. The model is in", run / "model")


@app.command("apply")
def enhance_apply(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A photograph, a folder of them, or a data set.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same work to go on with.")],
    model: _Model = "enhance",
    scale: Annotated[int, typer.Option(metavar="1|2|4", help="Height and width become so many times as large.")] = 1,
    noise: Annotated[
        bool | None, typer.Option(help="Say whether they are noisy, if you know.", show_default="the network sees")
    ] = None,
    blur: Annotated[
        bool | None, typer.Option(help="Say whether they are blurred, if you know.", show_default="the network sees")
    ] = None,
) -> None:
    """Enhance photographs: noise, blur and compression are taken away as far as they can be. Not for diagnosis."""
    from retinasynth.enhancement.use import WARNING, Enhancer, enhance_folder
    from retinasynth.segmentation.use import doubt

    doubts = enhance_folder(Enhancer.load(model), path, out, scale=scale, noise=noise, blur=blur, doubt=doubt)
    for name, reason in doubts.items():
        screen.print(Text.assemble((name, "yellow"), f": {reason.rstrip('.')}."), soft_wrap=True, highlight=False)
    left_out = sum(not (out / "images" / f"{name}.png").is_file() for name in doubts)
    more = f"; {left_out} could not be enhanced" if left_out else ""
    screen.print(f"Done: {out}{more}. {WARNING}", soft_wrap=True, highlight=False)


@app.command("evaluate")
def enhance_evaluate(
    data: Annotated[Path, typer.Option(metavar="DIR", help="A data set, whose test photographs are used.")],
    out: Annotated[Path, typer.Option(help="A new folder, or that of the same evaluation to go on with.")],
    model: _Model = "enhance",
    size: Annotated[
        int, typer.Option(min=256, metavar="PX", help="Longest side of a clean photograph; larger ones are reduced.")
    ] = 1024,
    told: Annotated[bool, typer.Option(help="Condition the enhancer on whether there is noise and blur.")] = True,
) -> None:
    """Does it beat interpolation and classical methods? Photographs are made worse, enhanced and compared."""
    from retinasynth.evaluation.enhancement import evaluate_enhancer

    result = evaluate_enhancer(model, data, out, longest_px=size, is_told=told)
    for table in result.tables:
        shown = Table(table.title, *(f"{column.title} {column.note}".strip() for column in table.columns.values()))
        for row in table.rows:
            shown.add_row(
                row.title,
                *(
                    f"{figure.text} ({', '.join(figure.under)})" if figure.under else figure.text
                    for figure in (row.figure(key, column) for key, column in table.columns.items())
                ),
            )
        screen.print(shown)
    for sentence in result.sentences:
        screen.print(sentence)
    point_to("Open", out / "report.html")
