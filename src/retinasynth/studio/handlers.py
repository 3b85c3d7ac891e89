"""How an event of the page is answered when something is wrong: by a sentence, with all else left as it was."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from retinasynth.errors import InputError, RetinasynthError
from retinasynth.studio.markup import message
from retinasynth.studio.uploads import without_folders

Values = Mapping[Any, Any]  # of controls, by control
Changes = dict[Any, Any]  # new values, by component
Read = TypeVar("Read")

_UNFORESEEN = "That did not work, and the studio had not foreseen it. Try something else; all else still works."


def answering(
    work: Callable[[Values], Changes], note: gr.HTML, address: gr.Textbox | None = None
) -> Callable[[Values], Changes]:
    """An event's answer: what `work` changes, or a message of what is wrong.

    Args:
        work: takes the values of the controls.
        note: where messages stand; it is emptied when all went well and `work` says nothing there.
        address: of the file that is fetched afterwards; it is emptied where something is wrong.
    """

    def answer(values: Values) -> Changes:
        try:
            return {note: "", **work(values)}
        except Exception as error:  # noqa: BLE001 - the server lives on
            return _problem(error, note, address)

    return answer


def answering_in_steps(
    work: Callable[[Values], Iterator[Changes]], note: gr.HTML, address: gr.Textbox | None = None
) -> Callable[[Values], Iterator[Changes]]:
    """The same for work that answers several times."""

    def answer(values: Values) -> Iterator[Changes]:
        answers = 0
        try:
            for changes in work(values):
                answers += 1
                yield changes
            if not answers:  # else all that the event may change would be emptied
                yield {note: ""}
        except Exception as error:  # noqa: BLE001 - likewise
            yield _problem(error, note, address)

    return answer


def _problem(error: Exception, note: gr.HTML, address: gr.Textbox | None) -> Changes:
    return {note: message(said(error), is_problem=True), **({} if address is None else {address: ""})}


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


def read_and_remove(file: object, read: Callable[[Path], Read]) -> Read:
    """What an uploaded file holds; the file goes, whether it can be read or not.

    Raises:
        InputError: it has gone, or as `read` says.
    """
    path = uploaded(file)
    try:
        return read(path)
    finally:
        path.unlink(missing_ok=True)
