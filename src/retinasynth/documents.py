"""Small JSON and YAML files from outside: read within bounds, or refused in one sentence.

Settings, tables of rows, configurations of models and what else comes as such a file may have been written by anybody.
What is read here holds names and plain values. Whatever is wrong with a file (it cannot be opened, is too large, is no
text, is nested without end) becomes the error that the caller names.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from retinasynth.errors import RetinasynthError, shown

MOST_JSON_BYTES = 1_000_000  # a configuration of a model has two thousand
MOST_YAML_BYTES = 100_000  # settings have three thousand; a hundred thousand already take PyYAML a second
MOST_BITS = 1000  # of a whole number; a float takes 1024, and Python prints none of more than 14 thousand
MOST_LEVELS = 20  # of values within values; ours have six at most
# ValueError: bytes that are no UTF-8, a date such as 2024-99-99, a number of more digits than Python reads;
# ArithmeticError: a number in base 60 that is too large for a float.
_UNREADABLE = (OSError, ValueError, ArithmeticError, RecursionError, yaml.YAMLError)


def read_json(
    path: Path,
    error: type[RetinasynthError],
    *,
    what: str,
    expected: str = "a JSON file with names and values",
    do: str = "",
    most_bytes: int = MOST_JSON_BYTES,
) -> dict[str, Any]:
    """The names and values in a JSON file.

    Args:
        path: of the file.
        error: that is raised.
        what: the file should be, for messages: ``"settings"``.
        expected: as errors say it.
        do: likewise.
        most_bytes: that are read.

    Raises:
        RetinasynthError: as `error`; the file cannot be read, is too large, is no JSON or holds no names and values.

    Example:
        >>> from retinasynth.errors import DataError
        >>> read_json(Path("missing.json"), DataError, what="a list of eyes")
        Traceback (most recent call last):
            ...
        retinasynth.errors.DataError: missing.json cannot be read as a list of eyes (No such file or directory). \
Expected: a JSON file with names and values.
    """
    return _read(path, parse_json, most_bytes, error, what, expected, do)


def read_yaml(
    path: Path,
    error: type[RetinasynthError],
    *,
    what: str,
    expected: str = "a YAML file with names and values",
    do: str = "",
    most_bytes: int = MOST_YAML_BYTES,
) -> dict[str, Any]:
    """The names and values in a YAML file, like `read_json`.

    Anchors, aliases and tags are refused, since nothing of ours needs them.
    """
    return _read(path, _parse_yaml, most_bytes, error, what, expected, do)


def parse_json(text: str) -> Any:
    """The value that a JSON text holds; also that of one line in a file of lines.

    Raises:
        ValueError: it is no JSON (which has no NaN) or is nested too deeply.

    Example:
        >>> parse_json('{"name": "eye-01"}')
        {'name': 'eye-01'}
    """
    try:
        return _plain(json.loads(text, parse_float=_finite, parse_constant=_finite))
    except RecursionError as error:
        raise ValueError(reason(error)) from error


def _parse_yaml(text: str) -> Any:
    return _plain(yaml.load(text, _PlainLoader))  # noqa: S506 - it is a SafeLoader


def _read(
    path: Path,
    parse: Callable[[str], Any],
    most_bytes: int,
    error: type[RetinasynthError],
    what: str,
    expected: str,
    do: str,
) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ValueError(f"it is larger than {most_bytes:,} bytes")
        values = parse(content.decode("utf-8-sig"))  # Windows editors write a byte order mark
    except _UNREADABLE as problem:
        raise error(f"{path} cannot be read as {what} ({reason(problem)})", expected=expected, do=do) from problem
    if not isinstance(values, dict):
        raise error(f"{path} holds {type(values).__name__}", expected=expected, do=do)
    return values


def reason(problem: Exception) -> str:
    """What is wrong with a file, without its name, in a line."""
    match problem:
        case OSError():
            return problem.strerror or str(problem)
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return f"it is not UTF-8 text: {problem.reason} at byte {problem.start}"
        case _:
            return " ".join(str(problem).split())


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shown(text)} is no finite number")
    return number


def _plain(value: Any, levels: int = MOST_LEVELS) -> Any:
    """The value, where it is one that can be compared, printed and written again without end or surprise."""
    match value:
        case int() if value.bit_length() > MOST_BITS:
            raise ValueError(f"it has a number of {value.bit_length():,} bits")
        case dict() | list() if not levels:
            raise RecursionError
        case list():
            for inside in value:
                _plain(inside, levels - 1)
        case dict():
            for name, inside in value.items():
                if not isinstance(name, str):
                    raise ValueError(f"it has a {type(name).__name__} for a name")  # noqa: TRY004 - of the file
                _plain(inside, levels - 1)
    return value


class _PlainLoader(yaml.SafeLoader):
    """Reads names and plain values: with aliases, a file of one line could hold more than any memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One value; PyYAML calls it for each."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise yaml.composer.ComposerError(problem=f"anchors and aliases are refused: {shown(event.anchor)}")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise yaml.composer.ComposerError(problem=f"tags are refused: {shown(event.tag)}")
        return super().compose_node(parent, index)
