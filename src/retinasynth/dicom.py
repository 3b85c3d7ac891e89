"""DICOM files of fundus cameras, as 8-bit pictures. Nothing of their headers is passed on. Needs the extra dicom."""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retinasynth.errors import ImageError, MissingExtraError, RetinasynthError
from retinasynth.pages import several_pages
from retinasynth.windows import Window, seen_through

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".dicom")
_INDEX = "DICOMDIR"  # of an export: a DICOM file that lists the others

_MAGIC_AT, _MAGIC = 128, b"DICM"
_HEAD_BYTES = 4096  # in which the transfer syntax is told
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # a transfer syntax that is unpacked whole, to whatever size
_MOST_BYTES = 5 * 10**8  # of a file, which is read into memory
_GREY, _INVERTED, _PALETTE = "MONOCHROME2", "MONOCHROME1", "PALETTE COLOR"
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_NOBODY = ("anon", "unknown", "none", "patient", "test", "deidentified", "removed")  # how an emptied PatientID begins


def is_dicom(file: IO[bytes]) -> bool:
    """Whether these bytes are a DICOM file, whatever its name; the place in the file stays."""
    place = file.tell()
    file.seek(_MAGIC_AT)
    magic = file.read(len(_MAGIC))
    file.seek(place)
    return magic == _MAGIC


def has_no_suffix(name: str) -> bool:
    """Whether the name of a file has no suffix; the last number of a UID is none.

    Example:
        >>> has_no_suffix("IM000001"), has_no_suffix("1.2.840.10008.7"), has_no_suffix("eye.dcm")
        (True, True, False)
    """
    return not Path(name).suffix.strip(".0123456789")


def is_bare_dicom(path: Path) -> bool:
    """Whether a file without a suffix, as archives export them (``IM000001``, a UID), is DICOM by its first bytes.

    Their index (``DICOMDIR``) is left out, and so are hidden files and those that cannot be opened.
    """
    if path.name[0] == "." or not has_no_suffix(path.name) or path.name.upper() == _INDEX:
        return False
    try:
        with path.open("rb") as file:
            return is_dicom(file)
    except OSError:
        return False


def size_in(path: Path, file: IO[bytes]) -> tuple[int, int]:
    """Height and width, from the header alone.

    Raises:
        ImageError: it is damaged or holds no picture.
        MissingExtraError: pydicom is not installed.
    """
    with _named(path):
        header = _header(path, file, ["Rows", "Columns"])
        return _whole(path, header, "Rows"), _whole(path, header, "Columns")


def person_and_side(path: Path) -> tuple[str, str]:
    """Whose eye a file shows: a hash of the PatientID, to compare in memory only, and L or R; empty if unknown.

    Raises:
        ImageError: the file is damaged.
        MissingExtraError: pydicom is not installed.
    """
    with _named(path), path.open("rb") as file:
        if not is_dicom(file):
            return "", ""
        header = _header(path, file, ["PatientID", "IssuerOfPatientID", "ImageLaterality", "Laterality"])
        patient = str(header.get("PatientID") or "").strip()
        issuer = str(header.get("IssuerOfPatientID") or "").strip()
        side = str(header.get("ImageLaterality") or header.get("Laterality") or "").strip().upper()
    is_nobody = not patient.strip("0-_. ") or patient.lower().startswith(_NOBODY)
    person = "" if is_nobody else hashlib.sha256(f"{issuer}\0{patient}".encode("utf-8", "replace")).hexdigest()
    return person, side if side in ("L", "R") else ""


def dicom_picture(
    path: Path, file: IO[bytes], page: int | None, *, window: Window | None, most_pixels: int
) -> Image.Image | None:
    """One frame as an 8-bit picture, grey or RGB; None where it has more than 8 bits and nothing tells the window.

    Args:
        path: for messages.
        file: the bytes.
        page: the frame, from 1; None takes the only one.
        window: which values become black and white where there are more than 8 bits; where it is None, that of the
            file is taken, and said.
        most_pixels: that are decoded.

    Raises:
        ImageError: the file is damaged, holds no picture or several, or is stored in a way that cannot be read.
        MissingExtraError: pydicom is not installed.
    """
    with _named(path):
        dataset = _header(path, file, None)
        height, width = _whole(path, dataset, "Rows"), _whole(path, dataset, "Columns")
        if height * width > most_pixels:
            raise ImageError(
                f"{path} claims to be {height} x {width} px", expected=f"at most {most_pixels // 10**6} million pixels"
            )
        index = _frame(path, dataset, page, (width, height))
        kind = str(dataset.get("PhotometricInterpretation", ""))
        if kind not in (_GREY, _INVERTED, _PALETTE, *_COLOUR):
            raise _refused(path, f"is stored as {kind or 'no known kind of picture'}", f"{_GREY}, RGB or YBR_FULL")
        values = _pixels(path, dataset, index)
        bits = int(dataset.get("BitsStored", 8))
        if kind == _PALETTE:
            return Image.fromarray(_looked_up(values, dataset))
        if bits == 1:
            values = values * np.uint8(255)
        if bits <= 8 and values.dtype.kind == "u":
            values = values.astype(np.uint8)  # perhaps allocated 16
        if values.dtype != np.uint8:
            taken = window or _own_window(dataset, values)
            if taken is None:
                return None
            by = "" if window else "the window in the file"
            values = seen_through(path, _rescaled(values, dataset), taken, by=by)
        return Image.fromarray(np.ascontiguousarray(255 - values if kind == _INVERTED else values))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever fails on a damaged file becomes an `ImageError`; elements of a header are read when they are used."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote values of the header
            yield
    except RetinasynthError:
        raise
    except Exception as error:  # pydicom raises all kinds, also its own without a common base
        raise ImageError(
            f"{path} is a damaged DICOM file, or of a kind that is not read ({type(error).__name__})",
            do="Export it from its viewer as PNG or TIFF",
        ) from error


def _header(path: Path, file: IO[bytes], tags: Sequence[str] | None) -> "Dataset":
    """The elements of these names before the pixels; of None all, and the pixels."""
    try:
        import pydicom  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(f"Reading {path}, a DICOM file,", "dicom") from error
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its messages quote values of the header
    file.seek(0, io.SEEK_END)
    size = file.tell()
    if size > _MOST_BYTES:
        raise ImageError(
            f"{path} has {size // 10**6} MB",
            expected=f"at most {_MOST_BYTES // 10**6} MB",
            do="Save the frame that you want as a picture",
        )
    file.seek(0)
    if _DEFLATED in file.read(_HEAD_BYTES):
        raise _refused(path, "is a deflated DICOM file", "one whose pixels alone are compressed")
    file.seek(0)
    return pydicom.dcmread(
        file, stop_before_pixels=tags is not None, specific_tags=None if tags is None else list(tags)
    )


def _whole(path: Path, dataset: "Dataset", name: str) -> int:
    value = dataset.get(name)
    if not isinstance(value, int) or value < 1:
        raise _refused(path, "is a DICOM file without a picture", "a photograph")
    return value


def _frame(path: Path, dataset: "Dataset", page: int | None, size: tuple[int, int]) -> int:
    count = int(dataset.get("NumberOfFrames") or 1)
    if page is None and count > 1:
        raise several_pages(path, [size] * min(count, 1000), count)
    if page is not None and page > count:
        raise ImageError(f"{path} has {count} pages", expected=f"#1 to #{count}")
    return (page or 1) - 1


def _pixels(path: Path, dataset: "Dataset", index: int) -> NDArray[Any]:
    """``(height, width)`` or RGB ``(height, width, 3)``, of any number type."""
    from pydicom.encaps import get_frame  # noqa: PLC0415 - an extra
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

    shape = (int(dataset.Rows), int(dataset.Columns))
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not syntax.name.startswith("RLE"):
        frames = int(dataset.get("NumberOfFrames") or 1)
        coded = get_frame(dataset.PixelData, index, number_of_frames=frames)
        _refuse_other_size(path, coded, shape)
    try:
        values = pixel_array(dataset, index=index)
    except (RuntimeError, NotImplementedError) as error:
        if "plugin" in str(error) or "decompress" in str(error):
            raise _refused(
                path, f"is compressed as {syntax.name}, or damaged", "no compression, RLE, JPEG or JPEG 2000"
            ) from error
        raise
    if values.shape not in (shape, (*shape, 3)):
        raise _refused(path, f"has pixels of shape {values.shape}", "grey or RGB")
    return np.asarray(values)


def _refuse_other_size(path: Path, coded: bytes, shape: tuple[int, int]) -> None:
    """Raise where a compressed frame claims another size than the header: a few bytes may claim to be enormous."""
    try:
        with Image.open(io.BytesIO(coded), formats=("JPEG", "JPEG2000")) as image:
            size = image.height, image.width
    except (OSError, SyntaxError):
        return  # of another codec, which is not installed
    if size != shape:
        said, coded_as = (f"{height} x {width} px" for height, width in (shape, size))
        raise _refused(path, f"is {said} by its header, but its pixels are {coded_as}", "one size")


def _looked_up(values: NDArray[Any], dataset: "Dataset") -> NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415 - an extra

    colours = apply_color_lut(values, dataset)
    return np.ascontiguousarray(colours if colours.dtype == np.uint8 else colours >> 8).astype(np.uint8)


def _rescaled(values: NDArray[Any], dataset: "Dataset") -> NDArray[Any]:
    slope, intercept = (dataset.get(name) for name in ("RescaleSlope", "RescaleIntercept"))
    return values if slope is None or intercept is None else values * float(slope) + float(intercept)


def _own_window(dataset: "Dataset", values: NDArray[Any]) -> Window | None:
    """The first window that a file has for its values after rescaling; None where it has none that is linear."""
    centre, width = (dataset.get(name) for name in ("WindowCenter", "WindowWidth"))
    if values.ndim == 3 or centre is None or width is None:
        return None
    middle, wide = (float(np.atleast_1d(one)[0]) for one in (centre, width))
    match str(dataset.get("VOILUTFunction") or "LINEAR"):
        case "LINEAR":  # PS3.3, C.11.2.1.2: the centre lies half a value lower, and the width counts both ends
            return middle - 0.5 - (wide - 1) / 2, middle - 0.5 + (wide - 1) / 2
        case "LINEAR_EXACT":  # C.11.2.1.3.2
            return middle - wide / 2, middle + wide / 2
        case _:
            return None


def _refused(path: Path, what: str, expected: str) -> ImageError:
    return ImageError(f"{path} {what}", expected=expected, do="Export it from its viewer as PNG or TIFF")
