"""Folders named after what the eyes in them have: ``glaucoma/`` beside ``normal/``, or grades ``0/`` to ``4/``."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.pixels import drawn_among
from retinasynth.data.matching import (
    EyeFiles,
    Found,
    Split,
    alone,
    folders_in,
    photograph_folder,
    pictures_in,
    plain,
    plain_spelling,
    sides_of,
)
from retinasynth.images import stem_of

# Words for diagnoses, by `plain`, without a number before them; the severity of retinopathy by its grade.
_DIAGNOSES = {
    *("normal", "healthy", "control", "abnormal", "disease", "diseased", "ill", "other", "others", "suspect"),
    *("positive", "negative", "glaucoma", "glaucomatous", "nonglaucoma", "notglaucoma", "noglaucoma", "rg", "nrg"),
    *("glaucomapositive", "glaucomanegative", "suspectedglaucoma", "glaucomasuspect", "advancedglaucoma"),
    *("earlyglaucoma", "cataract", "amd", "armd", "drusen", "dr", "diabetic", "diabetes", "diabeticretinopathy"),
    *("npdr", "dme", "macularedema", "maculopathy", "myopia", "pathologicalmyopia", "pathologicmyopia", "hypertension"),
    *("hypertensive", "hypertensiveretinopathy", "retinadisease", "retinaldisease", "retinitispigmentosa", "rvo"),
    *("brvo", "crvo", "csr", "cscr", "centralserouschorioretinopathy", "discedema", "papilledema", "macularscar"),
    *("pterygium", "retinaldetachment", "rop", "referable", "nonreferable"),
}
_SEVERITIES = {
    **dict.fromkeys(("nodr", "noretinopathy"), 0),
    **dict.fromkeys(("mild", "milddr", "mildnpdr"), 1),
    **dict.fromkeys(("moderate", "moderatedr", "moderatenpdr"), 2),
    **dict.fromkeys(("severe", "severedr", "severenpdr"), 3),
    **dict.fromkeys(("proliferative", "proliferativedr", "proliferate", "proliferatedr", "pdr"), 4),
}
_GRADES = {str(grade): grade for grade in range(5)}
_LEAST_KNOWN = 0.5  # of the folders


def find_classes(folder: Path) -> Found | None:
    """Photographs in folders of classes, perhaps in ``images/``; train and test may lie above the classes or in them.

    At least half of the names must be known words for diagnoses or severities, or numbers, and the pixels must be those
    of photographs: other folders beside each other may be anything. The diagnosis of an eye is the name of its folder.
    Folders ``0`` to ``4``, where all five are there, and ``No_DR``, ``Mild`` to ``Proliferate_DR`` are grades. Where
    two folders use a name for a file, the class stands before it.
    """
    for sides in (_above(folder), _below(folder)):
        classes = {name for _, name, _ in sides}
        words = [_word(name) for name in classes]
        known = [word for word in words if word in _DIAGNOSES or word in _SEVERITIES or word in _GRADES]
        if len(classes) < 2 or len(known) < _LEAST_KNOWN * len(classes):
            continue
        if any(any(drawn_among(pictures)) for _, _, pictures in sides):
            continue
        return _found(sides, _scale(set(words)))
    return None


_Sides = list[tuple[Split | None, str, list[Path]]]  # the side, the class, its photographs


def _above(folder: Path) -> _Sides:
    return [
        (split, name, pictures)
        for split, side in sides_of(folder)
        for name, pictures in _classes_in(photograph_folder(folders_in(side)) or side)
    ]


def _below(folder: Path) -> _Sides:
    return [
        (split, path.name, pictures)
        for path in folders_in(photograph_folder(folders_in(folder)) or folder).values()
        for split, side in sides_of(path)
        if split is not None and (pictures := pictures_in(side))
    ]


def _classes_in(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    for path in folders_in(folder).values():
        if pictures := pictures_in(path):
            yield path.name, pictures


def _word(name: str) -> str:
    """The plain name of a class without a number before it: ``2_glaucoma``."""
    return re.sub(r"^\d+(?=[a-z])", "", plain(name))


def _scale(words: set[str]) -> dict[str, int]:
    """The grades of retinopathy that the classes stand for; empty where that is not sure."""
    if words >= _GRADES.keys():
        return _GRADES
    of_retinopathy = {word for word in words & _SEVERITIES.keys() if "dr" in word or word.startswith("prolif")}
    return _SEVERITIES if of_retinopathy else {}


def _found(sides: _Sides, scale: dict[str, int]) -> Found:
    stems = Counter((split, plain_spelling(stem_of(path))) for split, _, pictures in sides for path in pictures)
    do_clash = any(count > 1 for count in stems.values())
    eyes: list[EyeFiles] = []
    for split, name, pictures in sides:
        grade = scale.get(_word(name))
        diagnosis = None if scale is _GRADES and grade is not None else name
        for path in pictures:
            own = f"{name}_{stem_of(path)}" if do_clash else stem_of(path)
            files = replace(alone(path, split or "train"), name=own, eye=own, subject=own)
            eyes.append(replace(files, grade=grade, diagnosis=diagnosis))
    classes = sorted({name for _, name, _ in sides})
    if all(_word(name) in scale for name in classes):
        note = f"The folders {', '.join(classes)} are read as grades of retinopathy."
    else:
        note = f"The folders {', '.join(classes)} are read as diagnoses"
        note += ", not as grades of retinopathy, which are 0 to 4." if _GRADES.keys() & set(classes) else "."
    return Found("classes", eyes, [], has_split=any(split for split, _, _ in sides), notes=(note,))
