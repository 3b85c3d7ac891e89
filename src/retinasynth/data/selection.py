"""A choice of eyes of another data set with a split of its own, such as one fold of a cross-validation: no copies.

It is a folder with one file, ``selection.json``. `retinasynth.data.find.find_eyes` reads it like any data set,
so what trains and evaluates need not know of it.

A data set from somebody else may hold such a file as well, and name any folder of this machine. So a set outside the
selection's own folder counts only where this user's own study named it: writing leaves a mark in the user's cache.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retinasynth.data.places import folders_of_pair
from retinasynth.errors import DataError
from retinasynth.files import cache_folder, write_json, write_text

FILE = "selection.json"
KEYS = {"of", "train", "test"}


@dataclass(frozen=True)
class Selection:
    """Which eyes.

    Attributes:
        of: the data set that they are in, an absolute path.
        train: names of those on the training side.
        test: names of those on the test side.
    """

    of: Path
    train: tuple[str, ...]
    test: tuple[str, ...]


def write_selection(folder: Path, of: Path, *, train: Sequence[str], test: Sequence[str]) -> Path:
    """Make `folder` a selection of eyes of the set `of`; what it selected before is replaced. Returns the folder.

    Where `of` is a selection itself, the set that it selects from is meant.

    Raises:
        DataError: `of` is a selection that is damaged or somebody else's.
        OutputError: it cannot be written.
    """
    inner, file = read_selection(of), Path(folder) / FILE
    named = Path(of).resolve() if inner is None else inner.of
    write_json(file, {"of": str(named), "train": list(train), "test": list(test)})
    write_text(_mark(file), "")
    return Path(folder)


def read_selection(folder: Path) -> Selection | None:
    """What a folder selects, or None where it is no selection.

    Raises:
        DataError: its file is damaged, it selects from a selection, or from a set elsewhere that no study of this user
            named.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.keys() != KEYS:
            raise ValueError(f"it does not hold {', '.join(sorted(KEYS))} alone")  # noqa: TRY301 - explained below
        sides = [_names(values[side]) for side in ("train", "test")]
        of = (path.parent / values["of"]).resolve()
        places = folders_of_pair(of) or (of,)
        is_known = all(one.resolve().is_relative_to(path.parent.resolve()) for one in places) or _mark(path).is_file()
        is_selection = is_known and (of / FILE).is_file()
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # of which one is too deeply nested
        raise DataError(
            f"{path} cannot be read as a selection of eyes ({error})",
            do="Run the study that made it again, or name the data set itself",
        ) from error
    if not is_known:
        raise DataError(
            f"{path} selects eyes of {of}, outside its own folder, and none of your studies wrote that",
            expected="a selection as your own studies leave them, or of a data set that lies below it",
            do="Run the study again where it is yours, or name the data set itself",
        )
    if is_selection:
        raise DataError(
            f"{path} selects eyes of {of}, which is a selection itself",
            expected="a data set",
            do="Name the data set itself",
        )
    return Selection(of, *sides)


def _names(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("the eyes are no list of names")
    return tuple(values)


def _mark(file: Path) -> Path:
    """What says that this user wrote a selection: it is there for one place and one content."""
    about = os.fsencode(file.resolve()) + b"\0" + file.read_bytes()
    return cache_folder() / "selections" / hashlib.sha256(about).hexdigest()
