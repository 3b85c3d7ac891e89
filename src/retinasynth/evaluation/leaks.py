"""No test eye may be in training: not under another name, not turned, mirrored, cut or recoloured."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from retinasynth.cache import fill_once
from retinasynth.data.batches import stamp_of
from retinasynth.data.find import photograph_of
from retinasynth.data.inspect import Leak, named
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import Sketch, find_near_duplicates_between, sketch
from retinasynth.errors import DataError
from retinasynth.files import cache_folder, write_json
from retinasynth.parallel import THREADS
from retinasynth.progress import progress

CACHE_FORMAT = 1


def find_leaks(train_files: Sequence[EyeFiles], test_files: Sequence[EyeFiles], *, quiet: bool = False) -> list[Leak]:
    """Test eyes that are in training, by the name of their person or by what their photograph shows.

    Photographs are read one at a time; what was found is kept in the cache folder until a file changes. A name of a
    person means the same on both sides, as it does within one data set.

    Args:
        train_files: eyes that were trained on. Those without photograph are known by their person alone.
        test_files: likewise, eyes that were not.
        quiet: show no progress.

    Returns:
        Pairs, those of one retina first; a pair of one person and one retina is named once.

    Raises:
        ImageError: a photograph cannot be read.
    """
    train = [files for files in train_files if files.photograph is not None]
    test = [files for files in test_files if files.photograph is not None]
    wanted = json.dumps([CACHE_FORMAT, *([stamp_of(files, ()) for files in side] for side in (train, test))])
    folder = fill_once(
        cache_folder() / "leaks" / hashlib.sha256(wanted.encode()).hexdigest()[:24],
        lambda temporary: write_json(temporary / "leaks.json", _same_retina(train, test, quiet=quiet)),
    )
    found = [
        Leak(train[first].name, test[second].name, correlation, is_mirrored)
        for first, second, correlation, is_mirrored in _read(folder / "leaks.json")
    ]
    seen = {(leak.train, leak.test) for leak in found}
    of_person: dict[str, list[EyeFiles]] = {}
    for files in train_files:
        of_person.setdefault(files.subject, []).append(files)
    same_person = [Leak(here.name, there.name) for there in test_files for here in of_person.get(there.subject, [])]
    return found + [leak for leak in same_person if (leak.train, leak.test) not in seen]


def refuse_leaks(
    train_files: Sequence[EyeFiles], test_files: Sequence[EyeFiles], *, allow: bool = False, quiet: bool = False
) -> str:
    """Refuse to evaluate a model on eyes that it was trained on.

    Args:
        train_files: eyes that were trained on.
        test_files: eyes that the model is to be evaluated on.
        allow: go on all the same.
        quiet: show no progress.

    Returns:
        With `allow` and leaks, the sentence that must stand at the top of the report; otherwise an empty text.

    Raises:
        DataError: there are leaks, and they are not allowed.
        ImageError: a photograph cannot be read.
    """
    leaks = find_leaks(train_files, test_files, quiet=quiet)
    if not leaks:
        return ""
    count = len({leak.test for leak in leaks})
    eyes = f"{count} of {len(test_files)} test eyes"
    if allow:
        return (
            f"NOT A TEST OF UNSEEN EYES: {eyes} stand in training too ({named(map(str, leaks))}), so these figures "
            "measure memory and are too good."
        )
    raise DataError(
        f"{eyes} stand in training too: {named(map(str, leaks))}",
        expected="no retina and no person on both sides, else the test measures memory",
        do="See retinasynth data inspect; move all photographs of a person to one side, by hand or by the same subject "
        "in subjects.csv, and train again. Or evaluate all the same with `allow_leaks`, which marks the report",
    )


def _same_retina(
    train: Sequence[EyeFiles], test: Sequence[EyeFiles], *, quiet: bool
) -> list[tuple[int, int, float, bool]]:
    """Index in training, index in test, correlation, mirrored or not."""
    if not (train and test):
        return []
    known, asked = (_sketches(what, files, quiet=quiet) for what, files in (("training", train), ("test", test)))
    with progress("Looking for test eyes in training", len(test), quiet=quiet) as advance:
        found = find_near_duplicates_between(asked, known, lambda done: advance(done, ""))
    return [(one.second, one.first, one.correlation, one.is_mirrored) for one in found]


def _sketches(what: str, files: Sequence[EyeFiles], *, quiet: bool) -> list[Sketch]:
    sketches = []
    with (
        progress(f"Reading {what} photographs", len(files), quiet=quiet) as advance,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for done, one in enumerate(pool.map(lambda one: sketch(photograph_of(one)), files), start=1):
            sketches.append(one)
            advance(done, "")
    return sketches


def _read(path: Path) -> list[tuple[int, int, float, bool]]:
    return [tuple(pair) for pair in json.loads(path.read_text(encoding="utf-8"))]
