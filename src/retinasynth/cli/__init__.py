"""The command line: one thin function for each verb, in a module that is named for what the user types.

Heavy libraries are imported inside the functions, so that help is instant.
"""

import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.logging import RichHandler
from rich.text import Text

import retinasynth
from retinasynth.cli import data, enhance, evaluate, generate, segment, studies, studio, train
from retinasynth.cli.shell import complaints, in_flags, screen
from retinasynth.errors import InputError, InterruptedRunError, RetinasynthError, printable
from retinasynth.parallel import termination_requests

app = typer.Typer(
    help="Labelled synthetic retinas for anyone who lacks real ones, with the evidence that they are good enough.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.add_typer(segment.app, name="segment")
app.add_typer(enhance.app, name="enhance")
for command in (
    studies.demo,
    train.train,
    generate.adapt,
    generate.generate,
    evaluate.evaluate,
    generate.export,
    generate.grow,
    evaluate.measure,
    evaluate.overlay,
    train.settings,
    studies.ablate,
    studies.tune,
    generate.whatif,
    studies.glaucoma,
    studies.vascular,
    studies.utility,
    studies.detection,
    studies.bench,
    studio.studio,
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
    handler = RichHandler(console=complaints, show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    for number in termination_requests():
        signal.signal(number, signal.default_int_handler)  # like Ctrl-C: what is done is kept, what is open is tidied
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show ends no command
    try:
        _refuse_foreign_names(sys.argv[1:])
        app()
    except RetinasynthError as error:
        got = f"{in_flags(error.got).rstrip('.')}."
        complaints.print(Text("Error:", "bold red"), got, soft_wrap=True, highlight=False)
        for label, text in (("Expected", error.expected), ("What to do", error.do)):
            if text:
                complaints.print(f"  {label}: {in_flags(text).rstrip('.')}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as ending:  # typer makes the first into the second
        if isinstance(ending, KeyboardInterrupt) or ending.code == InterruptedRunError.exit_code:
            complaints.print("Stopped.")
            sys.exit(InterruptedRunError.exit_code)
        raise


def _refuse_foreign_names(arguments: Sequence[str]) -> None:
    """Raise InputError where an argument is not UTF-8: what is written about it is."""
    for argument in arguments:
        if argument != printable(argument):
            raise InputError(f"{argument} is not UTF-8", expected="names in UTF-8", do="Rename the file or folder")
