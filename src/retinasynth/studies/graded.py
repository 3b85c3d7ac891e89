"""Photographs with grades of retinopathy: those for training and those for the test."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from retinasynth.data.batches import stamp_of
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.grades import REFERABLE
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import Sketch, find_near_duplicates, find_near_duplicates_between, sketch
from retinasynth.errors import DataError
from retinasynth.parallel import THREADS
from retinasynth.progress import progress


def graded(data: Path) -> tuple[list[EyeFiles], list[EyeFiles]]:
    """The training photographs, with those for validation, and the test photographs whose grade is known.

    Raises:
        DataError: there are none, or one side has but one kind.
    """
    found = find_eyes(data)
    eyes = [files for files in found.eyes if files.photograph and files.grade is not None]
    if not eyes:
        raise DataError(
            f"{found.folder} has no grades of retinopathy ({len(found.eyes)} eyes)",
            expected="a table of comma-separated text with the columns image and retinopathy_grade, as in IDRiD",
            do="Put one beside the photographs, in train/ and in test/ where both use the same names",
        )
    training = [files for files in eyes if files.split != "test"]
    test = [files for files in eyes if files.split == "test"]
    for side, files in (("training", training), ("test", test)):
        _refuse_one_kind(f"{found.folder} has", side, files)
    return training, test


def _refuse_one_kind(there_are: str, side: str, files: Sequence[EyeFiles]) -> None:
    ill = sum(map(is_ill, files))
    if min(ill, len(files) - ill) < 2:
        raise DataError(
            f"{there_are} {ill} {side} photographs of grade {REFERABLE} or more, {len(files) - ill} others",
            expected="at least two of each on both sides",
        )


def is_ill(files: EyeFiles) -> bool:
    """Whether an eye should be referred."""
    return files.grade is not None and files.grade >= REFERABLE


def stamp_of_all(files: Sequence[EyeFiles]) -> str:
    """Of the names, grades, sizes and times of photographs."""
    stamps = [[one.grade, *stamp_of(one, ())] for one in files]
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()


def kept_apart(training: Sequence[EyeFiles], test: Sequence[EyeFiles]) -> list[EyeFiles]:
    """The training photographs that show no retina of a test photograph, nor that of one before them.

    Raises:
        DataError: fewer than two of a kind are left.
    """
    sketches = []
    both = [*training, *test]
    with progress("Looking for near-duplicates", len(both)) as advance, ThreadPoolExecutor(THREADS) as pool:
        for done, one in enumerate(pool.map(lambda files: sketch(photograph_of(files)), both), start=1):
            sketches.append(one)
            advance(done, "")
    places = without_near_duplicates(sketches[: len(training)], sketches[len(training) :])
    kept = [training[place] for place in places]
    _refuse_one_kind("Without near-duplicates there are", "training", kept)
    return kept


def without_near_duplicates(training: Sequence[Sketch], test: Sequence[Sketch]) -> list[int]:
    """Places of the training photographs that show no retina of a test photograph, nor of one before them."""
    left_out = {pair.second for pair in find_near_duplicates(training)} | {
        pair.first for pair in find_near_duplicates_between(training, test)
    }
    return [index for index in range(len(training)) if index not in left_out]
