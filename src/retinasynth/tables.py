"""Tables as comma-separated text: no spreadsheet takes a cell for a formula, and what is read is what was written.

A text that begins with one of ``= + - @``, a tab or an end of line would be run by a spreadsheet that opens the file
(OWASP, "CSV injection"). It is written with an apostrophe before it, which `read_table` takes away again. A text that
begins with apostrophes and then one of these gets one more, so that every text comes back as it was. Numbers, negative
ones too, stay numbers.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from retinasynth.errors import DataError

_RUN = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four: the same characters in full width
TABLES = (".csv", ".tsv")
_MOST_BYTES = 100_000_000  # of a table, a hundred times what those of published sets have
_MOST_HEADER = 10_000  # bytes of a first line
_NUMBER = re.compile(r"[+-](?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan)", re.IGNORECASE | re.ASCII)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A table as text, its lines ended by a line feed.

    Args:
        columns: their names, the first line.
        rows: cells in the order of the columns; None becomes an empty one.

    Example:
        >>> table_text(["name", "change"], [["=1+1", -0.5], ["eye, left", None]])
        'name,change\n\'=1+1,-0.5\n"eye, left",\n'
    """
    return "".join(map(_line, (columns, *rows)))


def read_table(path: Path) -> Iterator[list[str]]:
    """The lines of a table that `table_text` or somebody else wrote, the names of its columns first; no empty lines.

    Raises:
        DataError: it is missing, or not comma-separated text in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:  # spreadsheets write a byte order mark
            yield from ([_unguarded(cell) for cell in row] for row in csv.reader(lines) if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", expected="comma-separated text in UTF-8") from error


def read_foreign_table(path: Path) -> Iterator[list[str]]:
    """The lines of a table that a spreadsheet or another program wrote, as `read_table` has them.

    Commas, semicolons or tabs lie between the cells, whichever the first line has most of. The text is UTF-8, UTF-16
    with a byte order mark or, where it is not valid UTF-8, CP1252, as Excel writes it on Windows.

    Raises:
        DataError: it is missing, too large or no text.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} has {path.stat().st_size / 1e6:.0f} MB", expected="a table of a data set")
        text = _decoded(path.read_bytes())
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
        yield from ([_unguarded(cell) for cell in row] for row in lines if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read ({error})", expected="text with commas, semicolons or tabs between cells"
        ) from error


def header_of(path: Path) -> list[str]:
    """The cells of the first line of a table; nothing where the file cannot be read, or is no text."""
    try:
        with path.open("rb") as file:
            text = _decoded(file.read(_MOST_HEADER), errors="replace")
        return next(csv.reader([text.lstrip("\r\n").partition("\n")[0].rstrip("\r")], delimiter=_delimiter(text)), [])
    except (OSError, csv.Error):
        return []


def _decoded(content: bytes, errors: str = "strict") -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors)


def _delimiter(text: str) -> str:
    first = text.lstrip("\r\n").partition("\n")[0]
    return max(",;\t", key=first.count)


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(map(_guarded, cells))  # its own end of line, so that both kinds are quoted in cells
    return text.getvalue().removesuffix("\r\n") + "\n"


def _guarded(cell: object) -> object:
    if isinstance(cell, str) and _RUN.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _RUN.match(cell) else cell
