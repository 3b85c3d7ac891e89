"""Controls that several tabs have, and how a control is answered."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import gradio as gr

from retinasynth.anatomy.physiology import PRESETS
from retinasynth.errors import InputError
from retinasynth.studio import view_model

FIRST_SEED = 7
FETCH = """
address => {
  if (!address) return;
  const link = document.createElement("a");
  link.href = address; link.download = "";
  document.body.append(link); link.click(); link.remove();
}
"""

Mode = Literal["once", "always_last"]


def people() -> gr.Dropdown:
    """Whose anatomy an eye has."""
    return gr.Dropdown(list(PRESETS), value="adult", label="People", min_width=120)


def eye_number() -> gr.Number:
    """The seed of an eye."""
    return gr.Number(
        FIRST_SEED, label="Eye number", precision=0, minimum=0, maximum=view_model.MOST_SEED, min_width=120
    )


def seed_of(value: object) -> int:
    """The seed that was typed.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, int | float) or not 0 <= value <= view_model.MOST_SEED or value != int(value):
        raise InputError("That is no number of an eye", expected=f"a whole number from 0 to {view_model.MOST_SEED}")
    return int(value)


def next_seed(value: object) -> int:
    """The seed after the one that was typed; 0 follows the last.

    Raises:
        InputError: that is none.
    """
    return (seed_of(value) + 1) % (view_model.MOST_SEED + 1)


def styles(*others: str) -> gr.Radio:
    """The style of a photograph: one of six, the most likely one, or `others`."""
    every = [*view_model.STYLES, view_model.MOST_LIKELY, *others]
    return gr.Radio(every, value=view_model.STYLES[0], label="Style of the photograph")


def picture_button(title: str, name: str) -> gr.UploadButton:
    """A button to upload a picture, and its name in the page."""
    return gr.UploadButton(title, file_types=["image"], type="filepath", min_width=120, elem_id=name)


def connect(
    trigger: Callable[..., Any],
    answer: Callable[..., Any],
    inputs: Collection[Any],
    outputs: Sequence[Any],
    queue: str | None = None,
    mode: Mode = "once",
) -> Any:
    """Let something that happens in the page be answered.

    Args:
        trigger: what happens, such as the ``click`` of a button.
        answer: see `retinasynth.studio.handlers`.
        inputs: whose values it is given.
        outputs: what it may change.
        queue: its name; of all events with it, one is answered at a time, for all people together.
        mode: whether what happens meanwhile is left out, or the last of it answered afterwards.

    Returns:
        The event, after which another can follow.
    """
    return trigger(
        answer,
        inputs,
        outputs,
        trigger_mode=mode,
        concurrency_id=queue,
        concurrency_limit=1,
        show_progress="hidden",
        api_visibility="private",
    )
