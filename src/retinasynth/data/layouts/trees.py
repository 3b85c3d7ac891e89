"""Published sets said as patterns: where photographs and labels lie, and which part of a file's name they share.

A place is a path of patterns for names of folders, each a regular expression for the whole name in any case; one that
begins with ``?`` may be left out, as where an archive was unpacked into a folder of its own name. Named groups tell
what a folder or file says: ``eye`` is shared by the files of an eye, ``split`` and ``diagnosis`` are sides and words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from retinasynth.data.codes import CODES
from retinasynth.data.matching import (
    ARTERIES_AND_VEINS,
    EyeFiles,
    Found,
    alone,
    names_in,
    plain_spelling,
    refuse_same_names,
    split_named,
)
from retinasynth.data.workbooks import OTHER_WORKBOOKS, WORKBOOK, read_records
from retinasynth.errors import DataError

GLAUCOMA = {"1": "glaucoma", "0": "no glaucoma"}  # as the tables of several sets have it


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes:
        places: where they lie, one or several.
        file: pattern for the name of a file, with the group ``eye``.
        plane: what they are of; empty for photographs.
        code: in `retinasynth.data.codes`, where the files do not tell it themselves.
    """

    places: tuple[str, ...]
    file: str
    plane: str = ""
    code: str = ""


@dataclass(frozen=True)
class Tree:
    """A published set.

    Attributes:
        layout: its name.
        photographs: their files.
        labels: files of planes; of two kinds for one plane the first that an eye has counts.
        diagnoses: what the words of the group ``diagnosis`` mean, in lower case.
        is_only_labelled: photographs without labels are no part of it.
        may_lack_photographs: labels alone are a set too.
    """

    layout: str
    photographs: Kind
    labels: tuple[Kind, ...]
    diagnoses: Mapping[str, str] = field(default_factory=dict)
    is_only_labelled: bool = False
    may_lack_photographs: bool = False


@dataclass(frozen=True)
class _File:
    path: Path
    kind: Kind
    said: Mapping[str, str]

    @property
    def eye(self) -> str:
        return plain_spelling(self.said["eye"])


def found_in_tree(tree: Tree, folder: Path) -> Found | None:
    """What there is of a published set in a folder; None where that has no labels of its kind.

    Raises:
        DataError: two photographs have the same name, or an eye has two files of one kind.
    """
    labels = [file for kind in tree.labels for file in _files(folder, kind)]
    if not labels:
        return None
    photographs = _files(folder, tree.photographs)
    if not photographs and not tree.may_lack_photographs:
        return None
    refuse_same_names(file.path for file in photographs)
    of_eye: dict[str, list[_File]] = {}
    for label in labels:
        of_eye.setdefault(label.eye, []).append(label)
    if photographs:
        eyes = [_eye(tree, alone(file.path, "train"), [file, *of_eye.get(file.eye, [])]) for file in photographs]
        known = {file.eye for file in photographs}
        unpaired = [label.path for label in labels if label.eye not in known]
    else:
        eyes = [_eye(tree, _maps_alone(files[0]), files) for files in of_eye.values()]
        unpaired = []
    if tree.is_only_labelled:
        eyes = [files for files in eyes if files.planes]
    has_split = any("split" in file.said for file in (*photographs, *labels))
    return Found(tree.layout, eyes, unpaired, has_split)


def _maps_alone(label: _File) -> EyeFiles:
    name = label.said["eye"]
    return EyeFiles(name, None, {}, name, name, "train")


def _eye(tree: Tree, files: EyeFiles, own: Sequence[_File]) -> EyeFiles:
    planes: dict[str, _File] = {}
    for file in own:
        plane = file.kind.plane
        if not plane:
            continue
        first = planes.setdefault(plane, file)
        if first is not file and first.kind is file.kind:
            raise DataError(
                f"{files.name} has two files of its {plane}: {first.path} and {file.path}",
                expected="one, as the set was published",
                do="Remove one of them",
            )
    if {"vessels", "arteries", "veins"} <= planes.keys():
        planes.pop(ARTERIES_AND_VEINS, None)
    said = {name: text for file in reversed(own) for name, text in file.said.items()}
    codes = {plane: file.kind.code for plane, file in planes.items() if file.kind.code}
    return replace(
        files,
        planes={plane: file.path for plane, file in planes.items()},
        codes=codes,
        outlined_on=files.photograph if any(CODES[code].is_outline for code in codes.values()) else None,
        split=split_named(said.get("split", "")) or "train",
        diagnosis=tree.diagnoses.get(said.get("diagnosis", "").lower()),
    )


def _files(folder: Path, kind: Kind) -> list[_File]:
    found: dict[Path, _File] = {}
    for place in kind.places:
        for inside, said in places_in(folder, place):
            for path, match in _matching(inside, kind.file):
                found.setdefault(path, _File(path, kind, said | _groups(match)))
    return list(found.values())


def places_in(folder: Path, place: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The folders at a place, and what their names say by group.

    Args:
        folder: where the set lies.
        place: patterns, as in `Kind`; an empty text is the folder itself.
    """
    head, _, rest = place.partition("/")
    if not head:
        yield folder, {}
        return
    if head.startswith("?"):
        yield from places_in(folder, rest)
    for path, match in _matching(folder, head.removeprefix("?"), are_folders=True):
        for inside, said in places_in(path, rest):
            yield inside, _groups(match) | said


def _matching(folder: Path, pattern: str, *, are_folders: bool = False) -> Iterator[tuple[Path, re.Match[str]]]:
    """The files or folders in a folder whose names match, in order."""
    for name in names_in(folder, are_folders=are_folders):
        match = re.fullmatch(pattern, name, re.IGNORECASE)
        if match:
            yield folder / name, match


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in match.groupdict().items() if text is not None}


def tables_in(folder: Path, places: Sequence[str], file: str) -> list[Path]:
    """The tables at some places whose name matches a pattern, without their suffix.

    Of one that is there in several forms, the text counts, then ``.xlsx``; other workbooks are refused by who reads
    them.
    """
    suffixes = "|".join(map(re.escape, (".csv", WORKBOOK, *OTHER_WORKBOOKS)))
    tables: dict[Path, Path] = {}
    for place in places:
        for inside, _ in places_in(folder, place):
            for path, _ in _matching(inside, f"{file}({suffixes})"):
                if tables.setdefault(path.with_suffix(""), path).suffix.lower() in OTHER_WORKBOOKS:
                    tables[path.with_suffix("")] = path
    return list(tables.values())


def rows_in(tables: Iterable[Path], column: str, needed: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """The rows of tables by the names of photographs, without suffix, in a column.

    Args:
        tables: as `tables_in` has them.
        column: its plain name.
        needed: columns without which a table is refused.

    Raises:
        DataError: a table cannot be read, or lacks a column that is needed.
    """
    return {Path(row.get(column, "")).stem: row for table in tables for row in read_records(table, needed)}
