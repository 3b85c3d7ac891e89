"""What the tables of published sets say of photographs: grades of retinopathy, diagnoses, and whose eyes they are.

Each kind of table is known by its columns. Whatever is not sure is left unknown, and said in a note.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retinasynth.anatomy.retinopathy import WORST
from retinasynth.data.matching import plain
from retinasynth.data.workbooks import WORKBOOK, read_rows
from retinasynth.errors import DataError
from retinasynth.images import is_picture, stem_of
from retinasynth.tables import TABLES, header_of

Row = Mapping[str, str]  # cells by the plain name of their column

_GRADE = "retinopathygrade"
_MESSIDOR, _MESSIDOR_NAME = "Messidor grade", re.compile(r"\d{8}_\d+_\d{4}_PP")
_MESSIDOR_NOTE = (
    "Messidor's grades, 0 to 3, are no international ones: 0 without a risk of macular oedema is read as no "
    "retinopathy, all others are left unknown"
)
# Of MAPLES-DR, whose guidelines call them as the international scale does; treated eyes and bad pictures have no grade.
_CANADIAN = {"R0": 0, "R1": 1, "R2": 2, "R3": 3, "R4A": 4, "R4S": None, "R6": None}
_CANADIAN_OEDEMA = ("M0", "M1", "M2", "M6")
_DEPARTMENT, _EDEMA = "ophthalmologicdepartment", "riskofmacularedema"
_KEYWORDS = re.compile(r"\s*[,;\uff0c\u3001]\s*")  # also the commas of Chinese text
# Of ODIR, whose columns are of the person and not of the eye.
_OF_PERSON = {
    "n": "normal",
    "d": "diabetes",
    "g": "glaucoma",
    "c": "cataract",
    "a": "age-related macular degeneration",
    "h": "hypertension",
    "m": "pathological myopia",
    "o": "other",
}


@dataclass(frozen=True)
class Told:
    """What a table says of one photograph.

    Attributes:
        grade: of retinopathy, 0 to 4.
        diagnosis: in the words of the set.
        subject: whose eye it is.
        eye: its name among those of all subjects.
    """

    grade: int | None = None
    diagnosis: str | None = None
    subject: str | None = None
    eye: str | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of table.

    Attributes:
        columns: that it has, by their plain names; one of each group.
        read: from one row the names of photographs, and what is said of each.
        note: what is to be known about it.
        expected: of its grades, for who reads that one is wrong.
        is_strict: the set is refused where a row is wrong; else the table is left out, and a note says so.
    """

    columns: Sequence[Sequence[str]]
    read: Callable[[Row], Iterator[tuple[str, Told]]]
    note: str = ""
    expected: str = f"0 to {WORST}"
    is_strict: bool = False


def kind_of(table: Path) -> Kind | None:
    """The kind of a table by its first line; None where it says nothing of photographs, or cannot be read."""
    if table.name.startswith(".") or not table.is_file() or table.suffix.lower() not in (*TABLES, WORKBOOK):
        return None
    columns = {plain(cell) for cell in _header_of(table)}
    return next((kind for kind in _KINDS if all(columns & set(group) for group in kind.columns)), None)


def _header_of(table: Path) -> Sequence[str]:
    if table.suffix.lower() != WORKBOOK:
        return header_of(table)
    try:
        return next(iter(read_rows(table)), [])
    except DataError:
        return []


def read_told(table: Path, kind: Kind) -> tuple[dict[str, Told], str]:
    """What a table says, by the names of photographs without suffix, and a note on it, which may be empty.

    Raises:
        DataError: it cannot be read, or a row of a strict kind is wrong.
    """
    try:
        told = _rows_told(table, kind)
    except DataError as error:
        if kind.is_strict:
            raise
        return {}, f"{error} The table is left out."
    is_of_messidor = any(one.diagnosis and one.diagnosis.startswith(_MESSIDOR) for one in told.values())
    note = _MESSIDOR_NOTE if is_of_messidor else kind.note if told else ""
    return told, f"{table.name}: {note}." if note else ""


def _rows_told(table: Path, kind: Kind) -> dict[str, Told]:
    is_workbook = table.suffix.lower() == WORKBOOK
    first, *rows = read_rows(table) or [[]]
    header = [plain(cell) for cell in first]
    told: dict[str, Told] = {}
    for written in rows:
        cells = (
            [*written, *[""] * (len(header) - len(written))] if is_workbook else written
        )  # which leave out empty ends
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
        if not any(row.values()):
            continue
        if not all(row.keys() & set(group) for group in kind.columns):
            raise DataError(
                f"{table} cannot be read: a row is incomplete: {','.join(cells)[:80]}",
                expected="an image and its grade in every row",
            )
        try:
            told |= {_without_suffix(image): one for image, one in kind.read(row)}
        except ValueError as error:
            raise DataError(f"{table}: {error}", expected=kind.expected) from error
    return told


def _without_suffix(image: str) -> str:
    path = Path(image)
    return stem_of(path) if is_picture(path) else image


def _cell(row: Row, *names: str) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def _grade_in(image: str, cell: str) -> int:
    if cell not in map(str, range(WORST + 1)):
        raise ValueError(f"image {image} has the grade {cell!r}")
    return int(cell)


def _international(row: Row) -> Iterator[tuple[str, Told]]:
    """``image`` or ``Image name`` and ``Retinopathy grade``, as IDRiD has them, and Messidor on a scale of its own.

    Messidor counts microaneurysms and haemorrhages alone: an eye without these has no lesion only where it has no
    exudates either, which the risk of oedema tells.
    """
    image = _cell(row, "image", "imagename")
    grade = _grade_in(image, row[_GRADE])
    if _DEPARTMENT in row or _MESSIDOR_NAME.fullmatch(Path(image).stem):
        is_healthy = (grade, row.get(_EDEMA)) == (0, "0")
        yield image, Told(grade=0 if is_healthy else None, diagnosis=f"{_MESSIDOR} {grade}")
    else:
        yield image, Told(grade=grade)


def _graded(*columns: str) -> Callable[[Row], Iterator[tuple[str, Told]]]:
    """An image in the first of the columns that is there, and its grade in the last; an empty grade is unknown."""

    def read(row: Row) -> Iterator[tuple[str, Told]]:
        image, grade = _cell(row, *columns[:-1]), row[columns[-1]].removesuffix(".0")
        yield image, Told(grade=_grade_in(image, grade) if grade else None)

    return read


def _named(row: Row) -> Iterator[tuple[str, Told]]:
    yield _cell(row, "image", "imagename", "filename"), Told(diagnosis=row["diagnosis"] or None)


def _odir(row: Row) -> Iterator[tuple[str, Told]]:
    of_person = ", ".join(name for column, name in _OF_PERSON.items() if row.get(column) == "1")
    for side in ("left", "right"):
        image = row[f"{side}fundus"]
        words = [word for word in _KEYWORDS.split(row.get(f"{side}diagnostickeywords", "").lower()) if word]
        diagnosis = ", ".join(words) or (of_person if of_person == "normal" else "")
        grade = 0 if diagnosis in ("normal", "normal fundus") else None
        if image:
            yield image, Told(grade, diagnosis or None, row["id"] or None, f"{row['id']}_{side}" if row["id"] else None)


def _rfmid(row: Row) -> Iterator[tuple[str, Told]]:
    if row["diseaserisk"] == "0":
        yield row["id"], Told(grade=0, diagnosis="normal")
    else:
        found = [name.upper() for name, cell in row.items() if cell == "1" and name not in ("id", "diseaserisk")]
        yield row["id"], Told(diagnosis=", ".join(found) or "disease")


def _canadian(row: Row) -> Iterator[tuple[str, Told]]:
    """``name``, ``DR`` and ``ME`` of MAPLES-DR (Boucher et al., Canadian Journal of Ophthalmology 2020)."""
    image, retinopathy, oedema = row["name"], row["dr"].upper(), row["me"].upper()
    if retinopathy not in _CANADIAN or oedema not in _CANADIAN_OEDEMA:
        raise ValueError(f"image {image} has the grades {row['dr']!r} and {row['me']!r}")
    yield image, Told(_CANADIAN[retinopathy], f"retinopathy {retinopathy}, macular oedema {oedema}")


_KINDS = (
    Kind((("image", "imagename"), (_GRADE,)), _international, is_strict=True),
    Kind((("idcode", "imageid"), ("adjudicateddrgrade",)), _graded("idcode", "imageid", "adjudicateddrgrade")),
    Kind((("idcode",), ("diagnosis",)), _graded("idcode", "diagnosis")),
    Kind((("image",), ("level",)), _graded("image", "level")),
    Kind(
        (("id",), ("leftfundus",), ("rightfundus",)),
        _odir,
        "diagnoses are the keywords of each eye; the columns N to O are of the person, and are read only where these "
        "are missing and the person is normal",
    ),
    Kind((("id",), ("diseaserisk",), ("dr",)), _rfmid),
    Kind(
        (("name",), ("dr",), ("me",)),
        _canadian,
        "R0 to R4A are read as the grades 0 to 4, which have the same names; of R4S (treated) and R6 (bad picture) the "
        "grade is left unknown",
        expected=f"{', '.join(_CANADIAN)} and {', '.join(_CANADIAN_OEDEMA)}",
    ),
    Kind((("image", "imagename", "filename"), ("diagnosis",)), _named),
)
