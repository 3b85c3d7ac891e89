"""The command line: one thin function for each verb. Heavy libraries are imported inside, so that help is instant."""

import logging
import os
import signal
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

import retinasynth
from retinasynth.cli import applying, data, enhancing, judging, making, segmenting
from retinasynth.cli.shell import plain, screen
from retinasynth.errors import InterruptedRunError, RetinasynthError
from retinasynth.parallel import termination_requests

app = typer.Typer(
    help="Labelled synthetic retinas for anyone who lacks real ones, with the evidence that they are good enough.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.add_typer(segmenting.app, name="segment")
app.add_typer(enhancing.app, name="enhance")
for command in (
    making.demo,
    making.train,
    making.adapt,
    making.generate,
    judging.evaluate,
    making.export,
    making.grow,
    judging.measure,
    judging.overlay,
    making.settings,
    judging.ablate,
    judging.tune,
    applying.whatif,
    applying.glaucoma,
    applying.vascular,
    applying.utility,
    applying.detection,
    judging.bench,
    applying.studio,
):
    app.command()(command)


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


def main() -> None:
    """Run the command line; an error of ours becomes one message and its exit code."""
    # Huge pages save the CPU about a seventh of a training step of the preset "source"; torch reads this once.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_time=False, show_path=False)],
    )
    for number in termination_requests():
        signal.signal(number, signal.default_int_handler)  # like Ctrl-C: what is done is kept, what is open is tidied
    try:
        app()
    except RetinasynthError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {plain(error.got)}.", soft_wrap=True, highlight=False)
        for label, text in (("Expected", error.expected), ("What to do", error.do)):
            if text:
                Console(stderr=True).print(f"  {label}: {plain(text)}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as ending:  # typer makes the first into the second
        if isinstance(ending, KeyboardInterrupt) or ending.code == InterruptedRunError.exit_code:
            Console(stderr=True).print("Stopped.")
            sys.exit(InterruptedRunError.exit_code)
        raise
