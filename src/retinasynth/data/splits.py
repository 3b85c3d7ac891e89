"""Subjects and sides of the split: names, published splits, the user's table, and a split by subject."""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from retinasynth.data.headers import with_people_of_headers
from retinasynth.data.matching import (
    SPLIT_FOLDERS,
    EyeFiles,
    Found,
    Split,
    composed,
    plain_spelling,
    refuse_same_names,
    split_named,
)
from retinasynth.data.people import Fellow, told_by_names
from retinasynth.errors import DataError, OutputError
from retinasynth.files import write_text
from retinasynth.images import stem_of
from retinasynth.tables import read_foreign_table, table_text

SUBJECTS_FILE = "subjects.csv"
SUBJECTS_COLUMNS = ("image", "subject", "eye", "split", "transformation")

CHASEDB1 = re.compile(r"Image_(?P<number>\d\d)[LR]")
HRF = re.compile(r"(?P<number>\d\d)_(?:h|g|dr)")

_TEST_SHARE = 0.2


def with_subjects_and_split(found: Found, table: Path | None) -> list[EyeFiles]:
    """The eyes under their final names, with their subjects and their side of the split.

    Args:
        found: by a layout.
        table: the user's ``subjects.csv``, which has the last word for the images it names.

    Raises:
        DataError: two eyes have one name, or the table is wrong or puts a subject on both sides.
    """
    found = _with_people(_with_distinct_names(_with_published_split(found)))
    split_known = {files.name for files in found.eyes} if found.has_split else set()
    eyes = with_people_of_headers(found.eyes)
    if table is not None:
        rows = _read_subjects(table, found)
        eyes = [_with_row(files, rows.get(files.name, {})) for files in eyes]
        split_known |= {name for name, row in rows.items() if row.get("split")}
        _refuse_subject_on_both_sides(table, [files for files in eyes if files.name in split_known])
    return _split_by_subject(eyes, split_known)


def _with_published_split(found: Found) -> Found:
    """Subjects, and where the layout has none the split, of CHASE_DB1 and HRF, recognised by the names of all files.

    CHASE_DB1: ``Image_01L`` is the left eye of child 01; children 11 to 14 (the last 8 of 28 files) are test.
    HRF: ``01_h``, ``01_g``, ``01_dr`` are different subjects; numbers 11 to 15 of each group are test.
    """
    chase = [CHASEDB1.fullmatch(files.name) for files in found.eyes]
    matches = chase if all(chase) else [HRF.fullmatch(files.name) for files in found.eyes]
    eyes = []
    for files, match in zip(found.eyes, matches, strict=True):
        if match is None:
            return found
        split: Split = "test" if int(match["number"]) > 10 else "train"
        known = replace(files, split=files.split if found.has_split else split)
        eyes.append(replace(known, eye=files.name[-3:], subject=match["number"]) if all(chase) else known)
    return replace(found, eyes=eyes, has_split=True)


def _with_distinct_names(found: Found) -> Found:
    """Names with their split before them where train and test use the same ones.

    Raises:
        DataError: two files of one side have the same name apart from suffix or case.
    """
    eyes = found.eyes
    if len({files.name.lower() for files in eyes}) < len(eyes):
        eyes = [_renamed(files, f"{files.split}_{files.name}") for files in eyes]
    names = Counter((files.split, plain_spelling(files.name)) for files in eyes)
    for side in SPLIT_FOLDERS:
        same = [files for files in eyes if files.split == side and names[side, plain_spelling(files.name)] > 1]
        refuse_same_names(files.photograph for files in same if files.photograph is not None)
    return replace(found, eyes=eyes)


def _renamed(files: EyeFiles, name: str) -> EyeFiles:
    is_own_eye, is_own_subject = files.eye == files.name, files.subject == files.name
    return replace(
        files,
        name=name,
        eye=name if is_own_eye else files.eye,
        subject=name if is_own_subject else files.subject,
    )


def _with_people(found: Found) -> Found:
    """The eyes with the persons that their names tell, where the layout does not tell them."""
    told = told_by_names(files.name for files in found.eyes if files.has_unknown_subject)
    return replace(found, eyes=[_with_person(files, told.get(files.name)) for files in found.eyes])


def _with_person(files: EyeFiles, fellow: Fellow | None) -> EyeFiles:
    if fellow is None:
        return files
    return replace(files, subject=fellow.subject, eye=f"{fellow.subject}_{fellow.side}")


def write_subjects(path: Path, eyes: Sequence[EyeFiles]) -> None:
    """Write what is known of the subjects of these eyes as a draft of ``subjects.csv``.

    Raises:
        OutputError: there is such a file already, or it cannot be written.
    """
    if path.exists():
        raise OutputError(f"{path} exists already", do="Choose another file, or remove it first")
    rows = [(files.name, files.subject, files.eye) for files in eyes]
    write_text(path, table_text(("image", "subject", "eye"), rows))


def _read_subjects(path: Path, found: Found) -> dict[str, dict[str, str]]:
    """The rows of ``subjects.csv`` by the name of the eye they speak of.

    Raises:
        DataError: a column is missing or unknown, a row is incomplete, or an image is unknown, ambiguous or repeated.
    """
    first, *rows = ([composed(cell) for cell in line] for line in list(read_foreign_table(path)) or [[]])
    header = [cell.strip() for cell in first]
    columns_are_known = set(header) <= set(SUBJECTS_COLUMNS) and len(set(header)) == len(header)
    if not (columns_are_known and {"image", "subject"} <= set(header)):
        raise DataError(
            f"{path} has the columns {', '.join(header) or '(none)'}",
            expected="image, subject and perhaps eye, split, transformation",
            do="Correct its first line",
        )
    names: dict[str, set[str]] = {}
    for files in found.eyes:
        file = files.photograph or next(iter(files.planes.values()))
        for spelling in (files.name, stem_of(file), file.name):
            names.setdefault(composed(spelling), set()).add(files.name)
    left_out = {composed(spelling) for file in found.unpaired for spelling in (stem_of(file), file.name)}
    by_name: dict[str, dict[str, str]] = {}
    for cells in rows:
        row = {
            column: cell if column == "image" and cell in names.keys() | left_out else cell.strip()
            for column, cell in zip(header, cells, strict=False)
        }
        if len(cells) != len(header) or not (row["image"] and row["subject"]):
            raise DataError(f"{path}: a row is incomplete: {','.join(cells)}", expected=",".join(header))
        if row.get("split", "") and split_named(row["split"]) is None:
            raise DataError(
                f"{path}: image {row['image']} has the split {row['split']!r}", expected="train, val or test"
            )
        known = names.get(row["image"], set())
        if not known and row["image"] in left_out:
            continue
        if len(known) != 1 or known & by_name.keys():
            reason = "is named twice" if len(known) == 1 else "stands for several" if known else "does not exist"
            raise DataError(
                f"{path}: image {row['image']} {reason}",
                expected=f"one row for an image, by its name, such as {sorted(known)[0] if known else min(names)}",
                do="Correct the row or remove it",
            )
        by_name[known.pop()] = row
    return by_name


def _with_row(files: EyeFiles, row: Mapping[str, str]) -> EyeFiles:
    return replace(
        files,
        subject=row.get("subject") or files.subject,
        eye=row.get("eye") or files.eye,
        split=split_named(row.get("split", "")) or files.split,
    )


def _refuse_subject_on_both_sides(table: Path, eyes: Sequence[EyeFiles]) -> None:
    sides = {split: {files.subject for files in eyes if files.split == split} for split in SPLIT_FOLDERS}
    for one, other in itertools.combinations(SPLIT_FOLDERS, 2):
        both = sorted(sides[one] & sides[other])
        if both:
            raise DataError(
                f"{table}: {len(both)} subject(s) are in {one} and in {other}: {', '.join(both[:5])}",
                expected="all eyes of a person on one side, else the test measures memory",
                do="Give these images one split in the column split",
            )


def _split_by_subject(eyes: Sequence[EyeFiles], split_known: set[str]) -> list[EyeFiles]:
    """The eyes, those outside `split_known` (names) on the side of their subject, or 80/20 by subject."""
    side: dict[str, Split] = {files.subject: files.split for files in eyes if files.name in split_known}
    rest = sorted(
        {files.subject for files in eyes} - side.keys(), key=lambda subject: hashlib.sha256(subject.encode()).digest()
    )
    tests = max(1, round(_TEST_SHARE * len(rest))) if len(rest) > 1 else 0
    for number, subject in enumerate(rest):
        side[subject] = "test" if number < tests else "train"
    return [files if files.name in split_known else replace(files, split=side[files.subject]) for files in eyes]
