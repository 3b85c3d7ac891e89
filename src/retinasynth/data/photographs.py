"""Photographs as users hand them over: a file, a folder, a data set, an array."""

from pathlib import Path

import numpy as np

from retinasynth.data.find import find_eyes
from retinasynth.data.matching import EyeFiles, alone
from retinasynth.data.places import is_data_set
from retinasynth.errors import DataError, ImageError, InputError
from retinasynth.images import Photograph, read_photograph, stem_of

SMALLEST_PX = 160  # of the shorter side of a photograph in which anything can be found


def photographs_in(path: Path) -> list[EyeFiles]:
    """The photographs in a file, a folder of pictures or a data set, each with what is known of its eye.

    Their sides are those of `retinasynth.data.find.find_eyes`: a folder without a split is split by person.

    Raises:
        DataError: there is nothing there, or what `find_eyes` refuses.
    """
    path = Path(path)
    if not is_data_set(path):
        return [alone(path, "train")]
    eyes = [files for files in find_eyes(path).eyes if files.photograph]
    if not eyes:
        raise DataError(f"{path} has no photographs", expected="a photograph, a folder of them, or a data set")
    return eyes


def as_photograph(photograph: Photograph | Path | str) -> tuple[Photograph, str]:
    """What a user gives as a photograph, as ``uint8 (height, width, 3)``, and its name.

    Raises:
        ImageError: the picture is unreadable or too small.
        InputError: an array is no photograph.
    """
    if isinstance(photograph, str | Path):
        path = Path(photograph)
        picture, name = read_photograph(path), stem_of(path)
    else:
        picture, name = photograph, "photograph"
        if picture.ndim == 2:
            picture = np.repeat(picture[..., np.newaxis], 3, axis=2)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise InputError(
                f"The photograph is {picture.dtype} of shape {photograph.shape}",
                expected="uint8 of shape (height, width, 3), or (height, width) where it is grey",
            )
    if min(picture.shape[:2]) < SMALLEST_PX:
        raise ImageError(
            f"{name} is {picture.shape[0]} x {picture.shape[1]} px",
            expected=f"a fundus photograph of at least {SMALLEST_PX} px each way",
            do="Use the original; an enlarged copy shows no more",
        )
    return picture, name
