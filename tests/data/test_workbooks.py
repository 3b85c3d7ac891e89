"""Tables of published sets: the first sheet of a workbook, read as text, whatever it holds."""

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from retinasynth.data.workbooks import read_records, read_rows
from retinasynth.errors import DataError
from trees import write_workbook


def put(path: Path, sheet: str, strings: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet1.xml", sheet)
        if strings:
            book.writestr("xl/sharedStrings.xml", strings)
    return path


def test_cells_come_back_as_text_in_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_workbook(path, [["Name", None, "Fovea_X"], ["a & b", 3, None], [None, 0.25, "é"]])
    assert read_rows(path) == [["Name", "", "Fovea_X"], ["a & b", "3"], ["", "0.25", "é"]]
    assert next(read_records(path)) == {"name": "a & b", "": "3"}


def test_text_in_cells_and_in_runs_is_joined(tmp_path: Path) -> None:
    strings = "<sst><si><r><t>Glau</t></r><r><t>coma</t></r><rPh><t>no</t></rPh></si></sst>"
    sheet = (
        '<worksheet><sheetData><row><c t="s"><v>0</v></c><c t="inlineStr"><is><t>x</t></is></c>'
        '<c t="str"><f>A1</f><v>y</v></c></row></sheetData></worksheet>'
    )
    assert read_rows(put(tmp_path / "a.xlsx", sheet, strings)) == [["Glaucoma", "x", "y"]]


def test_the_first_sheet_is_read_where_there_are_more(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as book:
        for number in (10, 2):
            sheet = f"<worksheet><sheetData><row><c><v>{number}</v></c></row></sheetData></worksheet>"
            book.writestr(f"xl/worksheets/sheet{number}.xml", sheet)
    assert read_rows(path) == [["2"]]


@pytest.mark.parametrize("target", ["worksheets/{}.xml", "/xl/worksheets/{}.xml"])
def test_the_first_sheet_is_that_which_a_spreadsheet_shows_first(target: str, tmp_path: Path) -> None:
    """Sheets keep the names of their files when they are moved; charts have places among them."""
    path = tmp_path / "a.xlsx"
    files = {"r1": target.format("sheet1"), "r2": target.format("sheet2"), "r3": "chartsheets/sheet1.xml"}
    places = "".join(f'<Relationship Id="{key}" Target="{file}"/>' for key, file in files.items())
    order = "".join(f'<sheet name="{key}" sheetId="{key[1]}" r:id="{key}"/>' for key in ("r3", "r2", "r1"))
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/workbook.xml", f'<workbook xmlns:r="http://r"><sheets>{order}</sheets></workbook>')
        book.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{places}</Relationships>")
        book.writestr("xl/chartsheets/sheet1.xml", "<chartsheet/>")
        for number in (1, 2):
            sheet = f"<worksheet><sheetData><row><c><v>{number}</v></c></row></sheetData></worksheet>"
            book.writestr(f"xl/worksheets/sheet{number}.xml", sheet)
    assert read_rows(path) == [["2"]]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("<worksheet><row><c r='ZZZZZZ1'><v>1</v></c></row></worksheet>", "a cell is at 'ZZZZZZ1'"),
        ("<worksheet><row><c r='XFD1'><v>1</v></c></row></worksheet>", "a cell is at 'XFD1'"),
        ("<worksheet><row><c t='s'><v>7</v></c></row></worksheet>", "list index out of range"),
        ("<worksheet><row><c t='s'><v>x</v></c></row></worksheet>", "invalid literal"),
        ("<worksheet><row>", "no element found"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><worksheet>&b;</worksheet>', "declares entities"),
        ("<worksheet>" + " " * 20_000_001 + "</worksheet>", "unpacks to more than 20 MB"),
    ],
)
def test_a_workbook_that_is_none_is_refused(sheet: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_rows(put(tmp_path / "a.xlsx", sheet))


def test_a_workbook_without_sheets_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as book:
        book.writestr("readme.txt", "x")
    with pytest.raises(DataError, match="has no sheet"):
        read_rows(tmp_path / "a.xlsx")


def test_mutated_workbooks_raise_nothing_but_our_own_errors(tmp_path: Path) -> None:
    path, random = tmp_path / "a.xlsx", np.random.default_rng(0)
    write_workbook(path, [["ImgName", "Fovea_X"], *([f"V{number:04d}.jpg", number] for number in range(20))])
    whole = path.read_bytes()
    for number in range(300):
        content = io.BytesIO(whole)
        for _ in range(random.integers(1, 7)):
            content.seek(random.integers(len(whole)))
            content.write(random.bytes(1))
        path.write_bytes(content.getvalue()[: random.integers(len(whole)) if number % 2 else None])
        with contextlib.suppress(DataError):
            list(read_records(path))
