"""What the headers of DICOM files tell of subjects and eyes. Neither names nor numbers of patients are kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import EyeFiles
from retinasynth.dicom import SUFFIXES, has_no_suffix, person_and_side
from retinasynth.errors import ImageError


def with_people_of_headers(eyes: Sequence[EyeFiles]) -> list[EyeFiles]:
    """The eyes with the subjects and sides of their DICOM photographs, where nothing else tells them.

    A subject is called as the first of their photographs, so that no number of a patient gets into a table. A damaged
    header tells nothing; who reads the picture is told that it is damaged.

    Raises:
        MissingExtraError: there are DICOM files, and pydicom is not installed.
    """
    first_of: dict[str, str] = {}
    known = []
    for files in eyes:
        if files.photograph is None or not _may_be_dicom(files.photograph) or not files.has_unknown_subject:
            known.append(files)
            continue
        person, side = _told_by(files.photograph)
        if person:
            subject = first_of.setdefault(person, files.name)
            known.append(replace(files, subject=subject, eye=f"{subject}_{side}" if side else files.name))
        else:
            known.append(files)
    return known


def _may_be_dicom(photograph: Path) -> bool:
    return photograph.name.lower().endswith(SUFFIXES) or has_no_suffix(photograph.name)


def _told_by(photograph: Path) -> tuple[str, str]:
    try:
        return person_and_side(photograph)
    except ImageError:
        return "", ""
