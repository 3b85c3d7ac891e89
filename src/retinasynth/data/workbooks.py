"""Tables that published sets come with: comma-separated text, or workbooks of a spreadsheet (``.xlsx``).

A workbook is a zip of XML (ECMA-376); of it, the cells of the first sheet are read as text, and nothing else.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from retinasynth.data.matching import plain
from retinasynth.errors import DataError
from retinasynth.tables import read_foreign_table

WORKBOOK = ".xlsx"
OTHER_WORKBOOKS = (".xls", ".ods")  # that are not read
_MOST_BYTES = 20_000_000  # of a part, unpacked
_MOST_COLUMNS = 1000
_SHEET = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_BOOK, _PLACES = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"  # the sheets in order, and their files
_STRINGS = "xl/sharedStrings.xml"
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # begins workbooks before 2007, and those that are locked by a password
_DAMAGE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, IndexError, RecursionError)


def is_other_workbook(path: Path) -> bool:
    """Whether a file is a workbook that is not read, by its suffix or, whatever that is, by its first bytes."""
    if path.suffix.lower() in OTHER_WORKBOOKS:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_OLD)) == _OLD
    except OSError:
        return False  # who reads it says so


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a table as text, an empty cell as an empty text; of a workbook, those of its first sheet.

    Raises:
        DataError: it cannot be read, or is a workbook of another kind.
    """
    if is_other_workbook(path):
        raise DataError(
            f"{path} is a workbook of another kind, such as that of Excel before 2007, or locked by a password",
            expected=f"{WORKBOOK} or .csv",
            do=f"Open it and save it as {WORKBOOK} or .csv",
        )
    if path.suffix.lower() != WORKBOOK:
        return list(read_foreign_table(path))
    try:
        with zipfile.ZipFile(path) as book:
            first = _first_sheet(book, path)
            strings = []
            if _STRINGS in book.namelist():
                strings = [_text_in(entry) for entry in _part(book, _STRINGS, path) if _tag(entry) == "si"]
            sheet = _part(book, first, path)
        return [_row(row, strings) for row in sheet.iter() if _tag(row) == "row"]
    except (*_DAMAGE, ET.ParseError) as error:
        raise DataError(
            f"{path} cannot be read ({error})", expected="a workbook", do="Save it anew, as CSV, or remove it"
        ) from error


def read_records(path: Path, needed: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """The rows of a table under its first one, by the plain names of the columns (`retinasynth.data.matching.plain`).

    Args:
        path: the table.
        needed: columns without which it does not say what it is read for, in any spelling.

    Raises:
        DataError: it cannot be read, or lacks a column that is needed.
    """
    header, *rows = read_rows(path) or [[]]
    names = [plain(cell.strip()) for cell in header]
    if not {plain(column) for column in needed} <= set(names):
        raise DataError(
            f"{path} has the columns {', '.join(header)[:200] or '(none)'}",
            expected=f"{' and '.join(needed)} among them",
            do="Put the table back as it was published",
        )
    for row in rows:
        yield dict(zip(names, (cell.strip() for cell in row), strict=False))


def _first_sheet(book: zipfile.ZipFile, path: Path) -> str:
    """The file of the first sheet, as a spreadsheet shows them; where a workbook has no such order, of the numbers."""
    names = book.namelist()
    if _BOOK in names and _PLACES in names:
        targets = {one.get("Id"): one.get("Target", "") for one in _part(book, _PLACES, path)}
        for sheet in _part(book, _BOOK, path).iter():
            number = next((value for name, value in sheet.attrib.items() if name.endswith("}id")), None)
            target = targets.get(number, "") if _tag(sheet) == "sheet" else ""
            place = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            if place.startswith("xl/worksheets/") and place in names:  # others are charts
                return place
    numbered = sorted((int(match[1]), name) for name in names if (match := _SHEET.fullmatch(name)))
    if not numbered:
        raise DataError(f"{path} has no sheet", expected="a workbook with a table", do="Save it anew, or as CSV")
    return numbered[0][1]


def _part(book: zipfile.ZipFile, name: str, path: Path) -> ET.Element:
    with book.open(name) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path} unpacks to more than {_MOST_BYTES // 10**6} MB", expected="a table of a data set")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # workbooks have none, and entities can unpack without end
        raise DataError(f"{path} declares entities", expected="a workbook as spreadsheets save it", do="Save it anew")
    return ET.fromstring(content)  # noqa: S314 - bounded, and without entities


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text_in(element: ET.Element) -> str:
    """The text of a cell or shared string; not how it is pronounced (``rPh``)."""
    if _tag(element) == "rPh":
        return ""
    own = (element.text or "") if _tag(element) == "t" else ""
    return own + "".join(map(_text_in, element))


def _row(row: ET.Element, strings: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in row:
        if _tag(cell) != "c":
            continue
        column = _column(cell.get("r", "")) if cell.get("r") else len(cells)
        cells += [""] * (column + 1 - len(cells))
        cells[column] = _value(cell, strings)
    return cells


def _column(reference: str) -> int:
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = 26 * number + ord(letter) - ord("A") + 1 if number <= _MOST_COLUMNS else number
    if not 1 <= number <= _MOST_COLUMNS:
        raise ValueError(f"a cell is at {reference[:10]!r}")
    return number - 1


def _value(cell: ET.Element, strings: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _text_in(cell)
    value = next((part.text or "" for part in cell if _tag(part) == "v"), "")
    return strings[int(value)] if cell.get("t") == "s" and value else value
