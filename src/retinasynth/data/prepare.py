"""Making a set that is ready for training: square pictures of one size, in train and test folders.

The recipe ``kaggle`` makes of 20 + 20 eyes what the Kaggle "Retina Blood Vessel" set is: 80 training files (each eye
as it is, flipped left-right, flipped up-down, and rotated by up to 45 degrees with a reflected border) and 20 test
files. The file ``subjects.csv`` beside them says which files come from one eye, which the Kaggle set does not tell.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from retinasynth.checks import checked_seed, whole_number
from retinasynth.data.augmentation import rotate
from retinasynth.data.find import DataSet, find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.data.splits import SUBJECTS_COLUMNS, SUBJECTS_FILE
from retinasynth.errors import DataError, SettingError
from retinasynth.eye import Eye
from retinasynth.files import fill_folder, write_text
from retinasynth.images import (
    Mask,
    Photograph,
    mask_as_photograph,
    resize_mask,
    resize_photograph,
    write_mask,
    write_photograph,
)
from retinasynth.tables import table_text
from retinasynth.windows import Window

Recipe = Literal["plain", "kaggle"]

MAX_ROTATION_DEG = 45.0  # of the recipe `kaggle`, either way


def prepare(
    source: Path,
    out: Path,
    *,
    recipe: Recipe = "plain",
    size_px: int = 512,
    side_by_side: bool = False,
    seed: int = 0,
    labels: str | None = None,
    window: Window | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DataSet:
    """Write the eyes of `source` into `out` as square PNG pictures, with a ``subjects.csv``.

    ``out/{train,test}/images/NAME.png`` and ``out/{train,test}/PLANE/NAME.png``, or with `side_by_side`
    ``out/{train,test}/NAME.png``. The split is that of `source`; `out` appears whole or not at all.

    Args:
        source: a data set in any layout that `find_eyes` knows.
        out: a new or empty folder.
        recipe: ``"plain"`` keeps every eye as one file; ``"kaggle"`` makes four of each training eye, called
            NAME_original, NAME_fliplr, NAME_flipud and NAME_rotate.
        size_px: height and width of a picture, 16 to 4096; other shapes are stretched, as the source of the project
            did. Photographs are resized by area average, masks by the nearest value.
        side_by_side: one picture of size_px x 2 size_px, photograph left and vessels right; other planes are left out.
        seed: of the rotations; each also depends on the name of the eye, so adding eyes does not change the others.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).
        window: of photographs of more than 8 bits (`retinasynth.windows`); they are written with 8.
        progress: called after each eye of `source` with the number done and the number of all.

    Returns:
        The new set, as `find_eyes` reads it back.

    Raises:
        SettingError: the recipe, the size or the seed is impossible.
        DataError: `source` cannot be used, or the recipe needs photographs and vessels and an eye lacks one.
        ImageError: a file of `source` is damaged.
        OutputError: `out` is not empty or cannot be written.
    """
    if recipe not in get_args(Recipe):
        raise SettingError(f"There is no recipe {recipe!r}", expected=f"one of: {', '.join(get_args(Recipe))}")
    size_px, seed = whole_number(size_px, "size_px", least=16, most=4096), checked_seed(seed)
    eyes = find_eyes(source, labels=labels).eyes
    if recipe == "kaggle" or side_by_side:
        _refuse_incomplete(eyes, "the recipe kaggle" if recipe == "kaggle" else "a side-by-side picture")
    with fill_folder(out, what="the prepared set") as folder:
        rows = []
        for number, files in enumerate(eyes, start=1):
            eye = _resized(read_eye(files, window=window), size_px)
            versions = _four_versions(eye, seed) if recipe == "kaggle" and files.split == "train" else [(eye, "none")]
            for version, transformation in versions:
                _write(folder / files.split, version, side_by_side=side_by_side)
                rows.append((version.name, files.subject, files.eye, files.split, transformation))
            if progress is not None:
                progress(number, len(eyes))
        write_text(folder / SUBJECTS_FILE, table_text(SUBJECTS_COLUMNS, rows))
    return find_eyes(out)


def _refuse_incomplete(eyes: tuple[EyeFiles, ...], what: str) -> None:
    incomplete = [files.name for files in eyes if files.photograph is None or "vessels" not in files.planes]
    if incomplete:
        raise DataError(
            f"{len(incomplete)} of {len(eyes)} eyes have no photograph or no vessels, for example {incomplete[0]}",
            expected=f"both, for {what}",
            do="Use the recipe plain without side-by-side pictures, or add what is missing",
        )


def _resized(eye: Eye, size_px: int) -> Eye:
    size = (size_px, size_px)
    planes = {plane: resize_mask(mask, size) for plane, mask in eye.planes.items()}
    return Eye(eye.name, planes, None if eye.photograph is None else resize_photograph(eye.photograph, size))


def _four_versions(eye: Eye, seed: int) -> Iterator[tuple[Eye, str]]:
    """The eye as it is, flipped twice and rotated, each with the name of what was done."""
    angle_deg = _angle_deg(seed, eye.name)
    yield _version(eye, "original", lambda photograph: photograph, lambda mask: mask), "none"
    yield _version(eye, "fliplr", np.fliplr, np.fliplr), "fliplr"
    yield _version(eye, "flipud", np.flipud, np.flipud), "flipud"
    yield (
        _version(
            eye,
            "rotate",
            lambda photograph: rotate(photograph, angle_deg),
            lambda mask: rotate(mask, angle_deg),
        ),
        f"rotate {angle_deg}",
    )


def _version(
    eye: Eye, ending: str, photograph: Callable[[Photograph], Photograph], mask: Callable[[Mask], Mask]
) -> Eye:
    planes = {plane: mask(values) for plane, values in eye.planes.items()}
    return Eye(f"{eye.name}_{ending}", planes, None if eye.photograph is None else photograph(eye.photograph))


def _angle_deg(seed: int, name: str) -> float:
    """Uniform in [-45, 45], in tenths of a degree, so that ``subjects.csv`` holds all of it."""
    entropy = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest())
    return round(np.random.default_rng(entropy).uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG), 1)


def _write(folder: Path, eye: Eye, *, side_by_side: bool) -> None:
    if side_by_side and eye.photograph is not None:
        both = np.concatenate([eye.photograph, mask_as_photograph(eye.planes["vessels"])], axis=1)
        write_photograph(folder / f"{eye.name}.png", both)
        return
    if eye.photograph is not None:
        write_photograph(folder / "images" / f"{eye.name}.png", eye.photograph)
    for plane, mask in eye.planes.items():
        write_mask(folder / plane / f"{eye.name}.png", mask)
