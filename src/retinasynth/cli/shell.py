"""What all commands share: the screen, and options that several have."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from retinasynth.progress import plain_console

screen = plain_console()

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting; `retinasynth settings` lists them. Repeatable."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]


def point_to(what: str, path: Path) -> None:
    """Say where something is."""
    screen.print(what, Text(str(path), "bold"), soft_wrap=True)
