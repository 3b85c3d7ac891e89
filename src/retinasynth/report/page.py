"""A `Report` as one self-contained HTML page; `page` fills in a template of one's own that shares its design.

A template of one's own extends ``page.html.jinja`` (the frame and the style sheet) or ``report.html.jinja`` (the whole
report, with blocks before and after its sections), and imports the table, the pictures, the plots and the sentences
from ``macros.html.jinja``.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from retinasynth.report.sections import Report

_FOLDER = Path(__file__).parent


def render(report: Report) -> str:
    """A report as one HTML page that asks for nothing outside itself."""
    return page(_FOLDER / "report.html.jinja", {"report": report})


def page(template: Path, values: Mapping[str, Any]) -> str:
    """A template that extends ``page.html.jinja``, filled in.

    Args:
        template: its file.
        values: what it names; one that it names in vain is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = _with_minus
    environment.filters["data_uri"] = _data_uri
    return environment.get_template(template.name).render(values)


def _with_minus(text: str) -> str:
    """A text whose negative figures have the sign that they are printed with; ``eye-3`` is no figure.

    Example:
        >>> _with_minus("eye-3: -0.3 (-1 to 1e-5)") == "eye-3: \N{MINUS SIGN}0.3 (\N{MINUS SIGN}1 to 1e\N{MINUS SIGN}5)"
        True
    """
    return re.sub(r"(?:(?<=\de)|(?<!\w))-(?=\d)", "\N{MINUS SIGN}", text)


def _data_uri(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
