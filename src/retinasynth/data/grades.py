"""How ill an eye is, where a data set says so: grades of retinopathy, and what follows from them for its lesions.

The international clinical scale: 0 is none, 1 mild, 2 moderate, 3 severe, 4 proliferative (Wilkinson et al., "Proposed
international clinical diabetic retinopathy and diabetic macular edema disease severity scales", Ophthalmology 2003). An
eye of grade 0 has no lesion of any kind, so all lesion planes that nobody drew are known to be empty there.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import EyeFiles, Found, plain
from retinasynth.data.splits import HRF
from retinasynth.errors import DataError
from retinasynth.eye.eye import LESIONS
from retinasynth.images import stem_of
from retinasynth.tables import read_table

WORST = 4
REFERABLE = 2  # and above: more than mild
_IMAGE, _GRADE = ("image", "imagename"), "retinopathygrade"
_MOST_HEADER = 10_000  # bytes of a first line


def with_grades(found: Found, place: Path) -> Found:
    """The eyes with their grades, where a table in the folder has them, or HRF calls them healthy.

    A table is a file of comma-separated text, up to two folders down, with the columns image (or "Image name") and
    retinopathy grade, as IDRiD has it. Where train and test use the same names, its file or folder tells which it is
    for.

    Raises:
        DataError: a grade is not a whole number from 0 to 4.
    """
    grades: dict[tuple[str, str], int] = {}
    for depth in ("*.csv", "*/*.csv", "*/*/*.csv"):
        for table in sorted(place.glob(depth)):
            if _has_grades(table):
                grades |= _read(table, plain(str(table.relative_to(place))))
    eyes = [replace(files, grade=_grade_of(files, grades)) for files in found.eyes]
    return replace(found, eyes=[_without_lesions(files) if files.grade == 0 else files for files in eyes])


def _has_grades(table: Path) -> bool:
    """Whether the first line names the columns; what else lies in a set may be in any encoding, or no text at all."""
    if table.name.startswith(".") or not table.is_file():
        return False
    with table.open("rb") as lines:
        first = lines.readline(_MOST_HEADER).decode("utf-8-sig", errors="replace")
    return _GRADE in (plain(cell.strip(' "\r\n')) for cell in first.split(","))


def _read(table: Path, name: str) -> dict[tuple[str, str], int]:
    """Grades by side ("train", "test" or "" for either) and image; nothing where it is another kind of table."""
    rows = read_table(table)
    header = [plain(cell) for cell in next(rows, [])]
    place = next((header.index(key) for key in _IMAGE if key in header), None)
    if place is None or _GRADE not in header:
        return {}
    try:
        cells = [(row[place].strip(), row[header.index(_GRADE)].strip()) for row in rows if any(row)]
    except IndexError as error:
        raise DataError(
            f"{table} cannot be read: a row is incomplete", expected="an image and its grade in every row"
        ) from error
    side = "train" if "train" in name else "test" if "test" in name else ""
    for image, grade in cells:
        if grade not in map(str, range(WORST + 1)):
            raise DataError(f"{table}: image {image} has the grade {grade!r}", expected=f"0 to {WORST}")
    return {(side, unicodedata.normalize("NFC", Path(image).stem)): int(grade) for image, grade in cells}


def _grade_of(files: EyeFiles, grades: dict[tuple[str, str], int]) -> int | None:
    stem = unicodedata.normalize("NFC", stem_of(files.photograph) if files.photograph else files.name)
    is_healthy = HRF.fullmatch(stem) and stem.endswith("_h")
    return grades.get((files.split, stem), grades.get(("", stem), 0 if is_healthy else None))


def hides_lesions(files: EyeFiles, lesions: Sequence[str] = LESIONS) -> bool:
    """Whether an eye is graded so ill that it must have lesions, and not all of these planes are known."""
    return files.grade is not None and files.grade >= REFERABLE and not files.has(lesions)


def _without_lesions(files: EyeFiles) -> EyeFiles:
    none = [plane for plane in LESIONS if plane not in {*files.planes, *files.empty_planes}]
    return replace(files, empty_planes=(*files.empty_planes, *none))
