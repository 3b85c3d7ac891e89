"""A choice of eyes of another data set with a split of its own, such as one fold of a cross-validation: no copies.

It is a folder with one file, ``selection.json``. `retinasynth.datasets.layouts.find_eyes` reads it like any data set,
so what trains and evaluates need not know of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retinasynth.errors import DataError
from retinasynth.files import write_json

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

    Raises:
        OutputError: it cannot be written.
    """
    write_json(Path(folder) / FILE, {"of": str(Path(of).resolve()), "train": list(train), "test": list(test)})
    return Path(folder)


def read_selection(folder: Path) -> Selection | None:
    """What a folder selects, or None where it is no selection.

    Raises:
        DataError: its file is damaged.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or values.keys() != KEYS:
            raise ValueError(f"it does not hold {', '.join(sorted(KEYS))} alone")  # noqa: TRY301 - explained below
        sides = [tuple(map(str, values[side])) for side in ("train", "test")]
        return Selection(Path(values["of"]), *sides)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a selection of eyes ({error})") from error
