"""What strangers send: a picture, a zip of a data set. All is measured before it is opened.

Errors name files without their folders, so that nobody learns where the studio keeps them.
"""

import re
from pathlib import Path, PurePosixPath

from PIL import Image

from retinasynth import archives
from retinasynth.data import selection
from retinasynth.decoding import SUFFIXES, read_size
from retinasynth.errors import ImageError, InputError
from retinasynth.images import (
    Mask,
    Photograph,
    is_picture,
    mask_as_photograph,
    read_mask,
    read_photograph,
    resize_photograph,
)

MAX_UPLOAD_BYTES = 200 * 10**6
MAX_PICTURE_BYTES = 40 * 10**6
MAX_PIXELS = 25_000_000  # twice what most fundus cameras have
MAX_FILES = 2000  # in a zip
MAX_UNPACKED_BYTES = 10**9
LONGEST_PX = 1024  # a side of what is kept of an uploaded picture

_A_THIRD = 85  # of 255: so much of a pixel must be vessel for a reduced mask to keep it
_ALSO_KEPT = (".json", ".jsonl", ".csv")
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+")


def without_folders(text: str) -> str:
    """A message with the names of files, but not of the folders they are in.

    Example:
        >>> without_folders("/tmp/gradio/9f/eye 1.png is 20 x 30 px, at 2.5/DD2 and and/or")
        'eye 1.png is 20 x 30 px, at 2.5/DD2 and and/or'
    """
    return _FOLDERS.sub("", text)


# --- Pictures ----------------------------------------------------------------------------------------------------


def mask_in(file: Path) -> Mask:
    """The mask in an uploaded file, reduced to `LONGEST_PX` where it is larger.

    Returns:
        ``bool (height, width)``; a reduced pixel is vessel where a third of it was.

    Raises:
        ImageError: it is no mask, or too large.
    """
    _refuse_large(file)
    mask = read_mask(file)
    size = _reduced(mask.shape, LONGEST_PX)
    return mask if size == mask.shape else resize_photograph(mask_as_photograph(mask), size)[..., 0] >= _A_THIRD


def photograph_in(file: Path, longest_px: int = LONGEST_PX) -> Photograph:
    """The photograph in an uploaded file, reduced where it is larger.

    Args:
        file: that was uploaded.
        longest_px: of a side that is kept.

    Returns:
        ``uint8 (height, width, 3)``.

    Raises:
        ImageError: it is no picture, or too large.
    """
    _refuse_large(file)
    return reduced(read_photograph(file), longest_px)


def reduced(photograph: Photograph, longest_px: int) -> Photograph:
    """A photograph whose longest side has at most so many pixels."""
    return resize_photograph(photograph, _reduced(photograph.shape[:2], longest_px))


def _reduced(size: tuple[int, ...], longest_px: int) -> tuple[int, int]:
    scale = min(1.0, longest_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _refuse_large(file: Path) -> None:
    if file.stat().st_size > MAX_PICTURE_BYTES:
        raise ImageError(
            f"{file.name} has {file.stat().st_size / 1e6:.0f} MB", expected=f"at most {MAX_PICTURE_BYTES / 1e6:.0f} MB"
        )
    if not is_picture(file):
        raise ImageError(f"{file.name} is not a picture", expected=f"one of: {' '.join(SUFFIXES)}")
    too_large = f"at most {MAX_PIXELS / 1e6:.0f} million pixels"
    try:
        height, width = read_size(file)
    except ImageError as error:
        if isinstance(error.__cause__, Image.DecompressionBombError):
            raise ImageError(f"{file.name} is enormous", expected=too_large, do="Reduce it first") from error
        raise ImageError(
            f"{file.name} cannot be opened as a picture", expected=f"one of: {' '.join(SUFFIXES)}"
        ) from error
    if height * width > MAX_PIXELS:
        raise ImageError(f"{file.name} is {width} x {height} px", expected=too_large, do="Reduce it first")


# --- Zips --------------------------------------------------------------------------------------------------------


def unpack(archive: Path, into: Path) -> Path:
    """The pictures and tables in a zip, in a folder; nothing else is taken out.

    What it claims to hold is added up first, and no file can grow beyond its claim.

    Args:
        archive: the zip.
        into: a folder, made where missing.

    Returns:
        The folder of the data set: `into`, or a single folder in it.

    Raises:
        InputError: it is no zip, is damaged or locked, holds too much or nothing of use, points out of its folder, or
            selects from another data set.
        ImageError: a picture in it is too large, or is none.
        OutputError: the disk is full.
    """
    bounds = archives.Bounds(MAX_FILES, MAX_UNPACKED_BYTES, MAX_PICTURE_BYTES)
    archives.unpack(archive, into, bounds, lambda place: _is_wanted(place, archive.name))
    pictures = [file for file in into.rglob("*") if is_picture(file)]
    if not pictures:
        raise InputError(f"{archive.name} holds no pictures", expected="a zip of a data set, or of photographs")
    for file in pictures:
        _refuse_large(file)
    return _data_set_in(into)


def _is_wanted(place: PurePosixPath, archive: str) -> bool:
    if place.name.casefold() == selection.FILE:
        raise InputError(
            f"{archive} holds a {selection.FILE}, which chooses eyes of another folder",
            expected="a zip that holds its photographs itself",
            do="Zip the data set that it chooses from",
        )
    return is_picture(Path(place)) or place.suffix.lower() in _ALSO_KEPT


def _data_set_in(folder: Path) -> Path:
    inside = list(folder.iterdir())
    while len(inside) == 1 and inside[0].is_dir():
        folder, inside = inside[0], list(inside[0].iterdir())
    return folder
