"""What all commands share: the screen, and options that several have."""

from typing import Annotated

import typer
from rich.console import Console

screen = Console()

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting; `retinasynth settings` lists them. Repeatable."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]


def plain(text: str) -> str:
    """Text of ours as rich prints it literally, without a full stop."""
    from rich.markup import escape

    return escape(text.rstrip("."))
