"""How an event of the page is answered when something is wrong: by a sentence, with all else left as it was."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from retinasynth.errors import InputError, RetinasynthError
from retinasynth.studio.markup import message
from retinasynth.studio.uploads import without_folders

_UNFORESEEN = "That did not work, and the studio had not foreseen it. Try something else; all else still works."


def answered(work: Callable[[], tuple[Any, ...]], outputs: int) -> tuple[Any, ...]:
    """What `work` gives for the outputs of an event, the message last; if it fails, a message alone.

    Args:
        work: returns a value for each output but the message, or for that too.
        outputs: how many there are beside the message.
    """
    try:
        answers = work()
    except Exception as error:  # noqa: BLE001 - the server lives on
        return (*[gr.skip()] * outputs, message(said(error), is_problem=True))
    return answers if len(answers) > outputs else (*answers, "")


def answered_in_steps(work: Callable[[], Iterator[tuple[Any, ...]]], outputs: int) -> Iterator[tuple[Any, ...]]:
    """The same for work that answers several times, with a message each time."""
    try:
        yield from work()
    except Exception as error:  # noqa: BLE001 - likewise
        yield (*[gr.skip()] * outputs, message(said(error), is_problem=True))


def said(error: Exception) -> str:
    """An error as people are told of it, without the folders of this machine."""
    if isinstance(error, RetinasynthError):
        return without_folders(str(error))
    logging.getLogger(__name__).error("The studio met an error", exc_info=error)
    return _UNFORESEEN


def uploaded(file: object) -> Path:
    """The file of an upload.

    Raises:
        InputError: it has gone.
    """
    if not isinstance(file, str) or not Path(file).is_file():
        raise InputError("The upload did not arrive", do="Upload the file again")
    return Path(file)
