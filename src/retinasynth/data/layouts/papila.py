"""PAPILA: both eyes of each person, with outlines of disc and cup by two experts."""

import re
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.trees import Kind, Tree, found_in_tree, tables_in
from retinasynth.data.matching import Found
from retinasynth.data.workbooks import read_rows

_OUTLINES, _EYE = ("ExpertsSegmentations/Contours",), r"(?P<eye>RET\d{3}O[DS])"
_PAPILA = Tree(
    "papila",
    Kind(("FundusImages",), rf"{_EYE}\.jpg"),
    tuple(Kind(_OUTLINES, rf"{_EYE}_{plane}_exp1\.txt", plane, "outline") for plane in ("disc", "cup")),
)
_DIAGNOSES = {0.0: "healthy", 1.0: "glaucoma", 2.0: "glaucoma suspect"}
_MOST_HEADINGS = 3  # lines: the workbooks have two and one that says ID


def find_papila(folder: Path) -> Found | None:
    """PAPILA as published: ``FundusImages/RET002OD.jpg``, and outlines of disc and cup as lists of x and y.

    Those of the first expert (``ExpertsSegmentations/Contours/RET002OD_disc_exp1.txt``) are read. The diagnosis of each
    eye is that of ``ClinicalData/patient_data_od.xlsx`` and ``patient_data_os.xlsx``, where these are there.

    Raises:
        DataError: a table cannot be read.
    """
    found = found_in_tree(_PAPILA, folder)
    if found is None:
        return None
    told: dict[str, str] = {}
    for table in tables_in(folder, ("ClinicalData",), "patient_data_o[ds]"):
        told |= _diagnoses(table)
    return replace(found, eyes=[replace(files, diagnosis=told.get(files.name.upper())) for files in found.eyes])


def _diagnoses(table: Path) -> dict[str, str]:
    """The diagnoses by name of the eye; nothing where no column is called so."""
    rows = read_rows(table)
    column = next((row.index("Diagnosis") for row in rows[:_MOST_HEADINGS] if "Diagnosis" in row), None)
    if column is None:
        return {}
    side = table.stem[-2:].upper()
    told = {}
    for row in rows:
        person = re.fullmatch(r"#?(\d{1,3})", row[0].strip()) if len(row) > column else None
        if person and row[column].strip() in {*"012", "0.0", "1.0", "2.0"}:
            told[f"RET{int(person[1]):03d}{side}"] = _DIAGNOSES[float(row[column])]
    return told
