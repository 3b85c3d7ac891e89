"""Pieces of the page: pictures with words for those who do not see them, tables, messages."""

import base64
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from retinasynth.eye import Eye
from retinasynth.eye.label_map import COLOURS
from retinasynth.images import Photograph, encoded, resize_photograph

_LARGE_PX, _SMALL_PX = 1024, 512  # the longest sides of a picture that stands alone, and of one among others


class Shown(NamedTuple):
    """A picture and what is said of it: under it, and instead of it."""

    picture: Photograph
    caption: str
    description: str


def photograph(shown: Shown, legend: Sequence[str] = ()) -> str:
    """One large picture, with a legend of the labels in it."""
    return f'<div class="stage">{_figure(shown, _LARGE_PX, legend)}</div>'


def grid(pictures: Sequence[Shown], kind: str = "") -> str:
    """Pictures side by side; `kind` is a class of the style sheet that says how."""
    return f'<div class="stage grid {kind}">{"".join(_figure(shown, _SMALL_PX) for shown in pictures)}</div>'


def empty(text: str) -> str:
    """The place of a picture that is not there yet."""
    return f'<div class="stage empty"><p>{escape(text)}</p></div>'


def choices(pictures: Sequence[Shown], chosen: int) -> str:
    """Pictures to choose from: buttons that carry their number, from 0."""
    buttons = (
        f'<button type="button" class="choice" data-number="{number}" aria-pressed="{str(number == chosen).lower()}">'
        f"{_figure(shown, _SMALL_PX)}</button>"
        for number, shown in enumerate(pictures)
    )
    return f'<div class="stage grid six">{"".join(buttons)}</div>'


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines of a title and figures, under a head."""
    columns = "".join(f'<th scope="col">{escape(column)}</th>' for column in head)
    rows = "".join(
        f'<tr><th scope="row">{escape(title)}</th>{"".join(f"<td>{escape(figure)}</td>" for figure in figures)}</tr>'
        for title, *figures in lines
    )
    return f'<table class="measures"><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table>'


def findings(sentences: Sequence[str]) -> str:
    """Sentences, each in a line."""
    return f'<ul class="findings">{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}</ul>'


def message(text: str, *, is_problem: bool = False) -> str:
    """A sentence that is read out when it appears."""
    kind = "problem" if is_problem else "note"
    return f'<p class="message {kind}" role="{"alert" if is_problem else "status"}">{escape(text)}</p>' if text else ""


def data_url(picture: Photograph) -> str:
    """A picture as an address that carries it."""
    return "data:image/jpeg;base64," + base64.b64encode(encoded(picture, "JPEG")).decode()


def described(eye: Eye) -> str:
    """An eye in words."""
    if eye.geometry is None:
        return "Synthetic fundus photograph"
    about = eye.geometry
    return (
        f"Synthetic fundus photograph of a {about.laterality} eye, {about.angle_deg:g}° around the {about.centred_on}"
    )


def _figure(shown: Shown, longest_px: int, legend: Sequence[str] = ()) -> str:
    height, width = shown.picture.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    small = resize_photograph(shown.picture, (round(height * scale), round(width * scale)))
    key = "".join(
        f'<li><i style="background: rgb{COLOURS[plane]}"></i>{escape(plane_title(plane))}</li>' for plane in legend
    )
    return (
        f'<figure><img src="{data_url(small)}" width="{width}" height="{height}" alt="{escape(shown.description)}">'
        f"<figcaption>{escape(shown.caption)}{f'<ul>{key}</ul>' if key else ''}</figcaption></figure>"
    )


def plane_title(plane: str) -> str:
    """What a label plane is called.

    Example:
        >>> plane_title("fov"), plane_title("hard_exudates")
        ('Field of view', 'Hard exudates')
    """
    return "Field of view" if plane == "fov" else plane.replace("_", " ").capitalize()
