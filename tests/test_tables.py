"""Comma-separated tables: no cell is a formula to a spreadsheet, and each comes back as it was."""

import ast
import csv
import io
from pathlib import Path

import numpy as np
import pytest

import retinasynth
from retinasynth.errors import DataError
from retinasynth.tables import read_table, table_text

PACKAGE = Path(retinasynth.__file__).parent
FULL_WIDTH = [f"{character}1" for character in "\uff1d\uff0b\uff0d\uff20"]
RUN = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "--1", "-", *FULL_WIDTH]
KEPT = ["eye", "a=b", " =1", "'", "''", "it's", "'quoted'", "", "eye 1 ", 'a "b", c', "Auge 眼", "two\nlines", "x\ty"]
NUMBERS = [-1, -0.5, -1e-07, np.float64(-2.5), np.float32(-2.5), float("-inf"), 7]


def raw(text: str) -> list[list[str]]:
    """The cells as a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", RUN)
def test_a_cell_that_a_spreadsheet_would_run_has_an_apostrophe(cell):
    assert raw(table_text([cell], [["x", cell]])) == [[f"'{cell}"], ["x", f"'{cell}"]]


@pytest.mark.parametrize("cell", [*KEPT, *map(str, NUMBERS)])
def test_every_other_text_is_written_as_it_is(cell):
    assert raw(table_text(["name"], [[cell, "x"]]))[1:] == [[cell, "x"]]


def test_numbers_stay_numbers_whether_they_are_formatted_or_not():
    formatted = [f"{number:.6g}" for number in NUMBERS] + ["-.5", "+2.", "-1E+5", "-nan"]
    assert raw(table_text(["a"], [NUMBERS, formatted]))[1:] == [list(map(str, NUMBERS)), formatted]


@pytest.mark.parametrize("cell", [*RUN, *KEPT, *(f"{before}{text}" for before in ("'", "''") for text in RUN)])
def test_what_is_read_is_what_was_written(tmp_path, cell):
    (tmp_path / "table.csv").write_text(table_text(["name", cell], [[cell, "x"], [f"{cell}2", cell]]), newline="")
    assert list(read_table(tmp_path / "table.csv")) == [["name", cell], [cell, "x"], [f"{cell}2", cell]]


def test_tables_of_spreadsheets_are_read(tmp_path):
    (tmp_path / "table.csv").write_bytes("\ufeffname,grade\r\n\r\n-a,1\r\n".encode())
    assert list(read_table(tmp_path / "table.csv")) == [["name", "grade"], ["-a", "1"]]


@pytest.mark.parametrize("content", [b"name\n\xff\n", b'name\n"' + b"x" * 200_000 + b'"\n', None])
def test_what_is_no_table_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"table\.csv cannot be read .*comma-separated text in UTF-8"):
        list(read_table(tmp_path / "table.csv"))


def test_no_other_module_writes_or_reads_tables_of_its_own():
    """Else cells of its would be run, or not be what they were."""
    using = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and "csv" in {alias.name for alias in node.names})
        or (isinstance(node, ast.ImportFrom) and node.module == "csv")
    ]
    assert using == ["tables.py"]
