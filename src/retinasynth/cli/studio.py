"""The studio in a browser."""

from typing import Annotated

import typer

from retinasynth.cli.shell import screen


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
