"""Opening picture files, which may come from anybody: bounded, of 8 bits, and with one kind of error."""

import contextlib
import gzip
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps, UnidentifiedImageError

from retinasynth import dicom
from retinasynth.depth import GREY_MODES, eight_bit, is_deep
from retinasynth.errors import ImageError
from retinasynth.pages import file_and_page, turn_to_page
from retinasynth.windows import Window

PACKED = (".ppm.gz", ".pgm.gz")  # as STARE is published
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".j2k", ".ppm", ".pgm", ".bmp"),
    *PACKED,
    *dicom.SUFFIXES,
)
MAX_PIXELS = 100_000_000  # six times a 4000 x 4000 photograph; a small file can claim to hold far more

_HEAD_BYTES = 4096  # the head of a PPM file, with its comments, is far shorter
# Closed, so that no file, whatever its name, reaches a decoder that runs other programs.
_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "JPEG2000", "PPM", "BMP")
_HUNGRY_FORMATS = ("WEBP", "JPEG2000")  # whose decoders need some 20 bytes for a pixel: half as many are allowed
# What decoders raise at contradictions in a file; an IndexError where a header promises more than follows.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


@contextlib.contextmanager
def opened(path: Path, *, is_label: bool = False, window: Window | None = None) -> Iterator[Image.Image]:
    """The decoded picture of a file, turned as its EXIF tag says; every way to fail becomes an `ImageError`.

    Args:
        path: the file, or a page of it (`retinasynth.pages`).
        is_label: accept grey values of 16 and 32 bits and floats too: those of labels are not shades.
        window: what becomes black and white where it has more than 8 bits; without it such a file is refused.
    """
    path, page = file_and_page(path)
    if not path.exists():
        raise ImageError(f"{path} does not exist")
    if path.is_dir():
        raise ImageError(f"{path} is a folder", expected="a picture file")
    try:
        with _bytes_of(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that we do not read
            yield _decoded(path, file, page, window, is_label=is_label)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path} is not a picture that can be read", expected=f"one of: {' '.join(SUFFIXES)}"
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, "claims to be far larger than a photograph") from error
    except _DAMAGED as error:
        raise ImageError(
            f"{path} is damaged or cut short ({error})", do="Copy or download the file again, or remove it"
        ) from error


def _decoded(path: Path, file: IO[bytes], page: int | None, window: Window | None, *, is_label: bool) -> Image.Image:
    if dicom.is_dicom(file):
        picture = dicom.dicom_picture(path, file, page, window=window, most_pixels=MAX_PIXELS)
        if picture is None:
            raise _deep(path, "DICOM without a window of its own")
        return picture
    image = _page_of(file, path, page)
    most = MAX_PIXELS // 2 if image.format in _HUNGRY_FORMATS else MAX_PIXELS
    if image.width * image.height > most:
        raise _too_large(path, f"claims to be {image.height} x {image.width} px", most)
    if not (is_label and image.mode in GREY_MODES):
        if is_deep(image):
            if window is None:
                raise _deep(path, f"mode {image.mode}")
            image = eight_bit(path, file, image, window, lambda: _page_of(file, path, page))
        _refuse_other_modes(path, image)
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _page_of(file: IO[bytes], path: Path, page: int | None) -> Image.Image:
    file.seek(0)
    image = Image.open(file, formats=_FORMATS)
    turn_to_page(image, path, page)
    return image


@contextlib.contextmanager
def _bytes_of(path: Path, *, only_head: bool = False) -> Iterator[IO[bytes]]:
    """The file; a packed one, or its head, unpacked into memory, with a limit, since gzip makes 1000 bytes of one."""
    if not path.name.lower().endswith(PACKED):
        with path.open("rb") as file:
            yield file
        return
    pixels = MAX_PIXELS // 2  # they stand in memory beside the bytes
    most = _HEAD_BYTES if only_head else 3 * pixels + _HEAD_BYTES
    with gzip.open(path) as packed:
        unpacked = packed.read(most if only_head else most + 1)
    if len(unpacked) > most:
        raise _too_large(path, f"unpacks to more than {most // 10**6} MB", pixels)
    yield io.BytesIO(unpacked)


def _too_large(path: Path, what: str, most: int | None = None) -> ImageError:
    return ImageError(
        f"{path} {what}",
        expected=f"at most {(most or MAX_PIXELS) // 10**6} million pixels",
        do="Remove the file if it is not a photograph, else reduce it first",
    )


def _deep(path: Path, kind: str) -> ImageError:
    return ImageError(
        f"{path} has more than 8 bits per channel ({kind})",
        expected="8 bits per channel",
        do="Convert it first, or say by `window` which values become black and white (LOW-HIGH, or auto): "
        "`retinasynth data prepare EYES --window auto --out DATA` writes a set of 8 bits",
    )


def _refuse_other_modes(path: Path, image: Image.Image) -> None:
    if image.mode not in EIGHT_BIT_MODES:
        raise ImageError(
            f"{path} is stored in colour mode {image.mode}",
            expected="RGB or greyscale",
            do="Convert it to RGB first",
        )


def read_size(path: Path) -> tuple[int, int]:
    """Height and width of the picture in a file, as stored, from its header alone (no pixel is decoded).

    Raises:
        ImageError: the file is missing or not a picture.
    """
    try:
        path, page = file_and_page(Path(path))
        with _bytes_of(path, only_head=True) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that we do not read
            if dicom.is_dicom(file):
                return dicom.size_in(path, file)
            image = Image.open(file, formats=_FORMATS)
            turn_to_page(image, path, page, refuse_several=False)
            return image.height, image.width
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be opened as a picture ({error})") from error
