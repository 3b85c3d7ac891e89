"""How ill an eye is, where a data set says so: grades of retinopathy, and what follows from them for its lesions.

The international clinical scale: 0 is none, 1 mild, 2 moderate, 3 severe, 4 proliferative (Wilkinson et al., "Proposed
international clinical diabetic retinopathy and diabetic macular edema disease severity scales", Ophthalmology 2003). An
eye of grade 0 has no lesion of any kind, so all lesion planes that nobody drew are known to be empty there.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import EyeFiles, Found, composed, plain
from retinasynth.data.splits import HRF
from retinasynth.data.told import Told, kind_of, read_told
from retinasynth.data.workbooks import OTHER_WORKBOOKS, WORKBOOK, is_other_workbook
from retinasynth.eye.eye import LESIONS
from retinasynth.files import write_text
from retinasynth.images import stem_of
from retinasynth.resuming import Line
from retinasynth.tables import TABLES, table_text

GRADES_FILE = "grades.csv"
REFERABLE = 2  # and above: more than mild
_DEPTHS = ("*", "*/*", "*/*/*")  # of tables in a folder


def with_grades(found: Found, places: Sequence[Path]) -> Found:
    """The eyes with the grades, diagnoses and subjects that tables in some folders tell, and HRF's healthy group.

    Tables (`retinasynth.data.told`) may lie up to two folders down. Where train and test use the same names, the file
    or folder of a table tells which it is for. Of several folders the last one that tells a grade decides; what a
    layout knows itself stays.

    Raises:
        DataError: a grade in a table such as IDRiD's is not a whole number from 0 to 4.
    """
    told: dict[tuple[str, str], Told] = {}
    notes: list[str] = []
    files = {path: place for place in places for path in _files_in(place)}
    for table, place in files.items():
        kind = kind_of(table)
        if kind is not None:
            own, note = read_told(table, kind)
            side = _side_of(plain(str(table.relative_to(place))))
            told |= {(side, composed(image)): one for image, one in own.items()}
            notes += [note] if note else []
    names = Counter(_stem_of(eye) for eye in found.eyes)
    eyes = [_with_told(eye, _told_of(eye, told, found, names[_stem_of(eye)])) for eye in found.eyes]
    if any(eye.grade is None and not eye.diagnosis for eye in eyes):
        books = [path.name for path in files if is_other_workbook(path)]
        if books:
            notes.append(
                f"{', '.join(books[:3])}: workbooks of this kind are not read; save their tables as {WORKBOOK} or .csv"
            )
    eyes = [_without_lesions(eye) if eye.grade == 0 else eye for eye in eyes]
    return replace(found, eyes=eyes, notes=(*found.notes, *notes))


def _files_in(place: Path) -> list[Path]:
    """Tables and workbooks in a folder and up to two folders down, without hidden ones and locks of open ones."""
    suffixes = (*TABLES, WORKBOOK, *OTHER_WORKBOOKS)
    found: list[Path] = []
    for depth in _DEPTHS:
        named = (path for path in place.glob(f"{depth}.*") if path.suffix.lower() in suffixes)
        found += sorted(path for path in named if path.name[0] not in ".~" and path.is_file())
    return found


def _side_of(place: str) -> str:
    words = {"train": "train", "test": "test", "valid": "val", "evaluation": "val"}
    return next((side for word, side in words.items() if word in place), "")


def _stem_of(files: EyeFiles) -> str:
    return composed(stem_of(files.photograph) if files.photograph else files.name)


def _told_of(files: EyeFiles, told: Mapping[tuple[str, str], Told], found: Found, count: int) -> Told:
    """What the tables tell of an eye: that for its side, that for any, or the only one where no side is known."""
    stem = _stem_of(files)
    own = told.get((files.split, stem)) or told.get(("", stem))
    if own is None and count == 1 and not (found.has_split and stem.isdigit()):
        others = [one for side in ("train", "val", "test") if (one := told.get((side, stem)))]
        own = others[0] if len(others) == 1 else None
    if own is None:
        own = Told(grade=0 if HRF.fullmatch(stem) and stem.endswith("_h") else None)
    return own


def _with_told(files: EyeFiles, told: Told) -> EyeFiles:
    return replace(
        files,
        grade=told.grade if files.grade is None else files.grade,
        diagnosis=files.diagnosis or told.diagnosis,
        subject=told.subject if files.has_unknown_subject and told.subject else files.subject,
        eye=told.eye if files.has_unknown_subject and told.eye else files.eye,
    )


def write_grades(path: Path, grades: Mapping[str, int | None]) -> None:
    """Write a table of grades as `with_grades` reads it; none where no grade is known.

    Args:
        path: the file.
        grades: by image; None where it is unknown.

    Raises:
        OutputError: it cannot be written.
    """
    known = [(image, grade) for image, grade in grades.items() if grade is not None]
    if known:
        write_text(path, table_text(["image", "retinopathy_grade"], known))


def grades_of(lines: Sequence[Line]) -> dict[str, int | None]:
    """The grades of grown eyes by name, as the lines of their manifest have them; of those kept out there is none."""
    return {line["name"]: line.get("parameters", {}).get("retinopathy_grade") for line in lines}


def hides_lesions(files: EyeFiles, lesions: Sequence[str] = LESIONS) -> bool:
    """Whether an eye is graded so ill that it must have lesions, and not all of these planes are known."""
    return files.grade is not None and files.grade >= REFERABLE and not files.has(lesions)


def _without_lesions(files: EyeFiles) -> EyeFiles:
    none = [plane for plane in LESIONS if plane not in {*files.planes, *files.empty_planes}]
    return replace(files, empty_planes=(*files.empty_planes, *none))
