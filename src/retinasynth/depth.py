"""Pictures of more than 8 bits per channel, of which Pillow keeps the upper ones without a word."""

import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from retinasynth.errors import ImageError
from retinasynth.windows import Window, seen_through

GREY_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")

_JPEG2000_HEAD_BYTES = 2**20  # boxes with colour profiles may come before the coded picture


def is_deep(image: Image.Image) -> bool:
    """Whether an opened file has more than 8 bits per channel.

    Pillow opens 16-bit colour PNG and TIFF as 8-bit RGB; only the raw mode of their tiles tells. So does it with colour
    PPM, whose tiles tell the largest value instead (those of black and white have none), and with JPEG 2000, of which
    only the head tells.
    """
    if image.mode in GREY_MODES:
        return True
    tiles = [(str(tile[0]), tile[3]) for tile in getattr(image, "tile", ())]
    most = [args[-1] for codec, args in tiles if codec.startswith("ppm") and not isinstance(args, str)]
    return (
        any(";16" in str(args) for _, args in tiles)
        or any(isinstance(one, int) and one > 255 for one in most)
        or (image.format == "JPEG2000" and _bits_of_jpeg2000(image) > 8)
    )


def eight_bit(path: Path, file: IO[bytes], image: Image.Image, window: Window, again: Any) -> Image.Image:
    """An opened deep picture as 8-bit grey or RGB, by a window; what ``auto`` takes is said.

    Args:
        path: for messages.
        file: the bytes.
        image: as Pillow opened them.
        window: which values become black and white.
        again: opens the same page anew.

    Raises:
        ImageError: Pillow cannot give all bits of this kind of file, or nothing lies inside the window.
    """
    shallow = Image.fromarray(seen_through(path, _values(path, file, image, again), window))
    orientation = image.getexif().get(Base.Orientation)
    if orientation is not None:
        shallow.getexif()[Base.Orientation] = orientation
    return shallow


def _values(path: Path, file: IO[bytes], image: Image.Image, again: Any) -> NDArray[Any]:
    """All bits: ``(height, width)`` or ``(height, width, 3)``."""
    tiles: list[Any] = getattr(image, "tile", [])
    codec, _, offset, args = tiles[0] if tiles else ("", None, 0, "")
    if str(codec) == "ppm":
        channels = 3 if image.mode == "RGB" else 1
        file.seek(offset)
        values: NDArray[Any] = np.frombuffer(file.read(image.width * image.height * channels * 2), ">u2")
        return values.reshape((image.height, image.width, 3) if channels == 3 else (image.height, image.width))
    if image.mode in GREY_MODES:
        image.load()
        return np.asarray(image)
    raw = args if isinstance(args, str) else args[0]
    if image.mode == "RGB" and raw in ("RGB;16B", "RGB;16L", "RGB;16N"):
        image.load()
        # The same bytes, read in the other order, give the lower half of each number.
        is_big = raw[-1] == "B" or (raw[-1] == "N" and sys.byteorder == "big")
        lower = again()
        lower.tile = [_with_raw_mode(tile, "RGB;16L" if is_big else "RGB;16B") for tile in lower.tile]
        lower.load()
        upper = np.asarray(image).astype(np.uint16)
        return upper * np.uint16(256) + np.asarray(lower, np.uint16)
    raise ImageError(
        f"{path} has more than 8 bits per channel in a kind of file of which they cannot be read",
        expected="a window of grey or RGB without transparency, in PNG, TIFF, PGM or PPM",
        do="Convert it to one of these first",
    )


def _with_raw_mode(tile: Any, raw: str) -> Any:
    args = raw if isinstance(tile.args, str) else (raw, *tile.args[1:])
    return tile._replace(args=args)


def _bits_of_jpeg2000(image: Image.Image) -> int:
    """The bits of the deepest channel, from the segment SIZ that opens the coded picture (ISO 15444-1, A.5.1)."""
    file: IO[bytes] | None = getattr(image, "fp", None)
    if file is None:
        return 0
    place = file.tell()
    file.seek(0)
    head = file.read(_JPEG2000_HEAD_BYTES)
    file.seek(place)
    start = head.find(b"\xff\x4f\xff\x51") + 40
    channels = int.from_bytes(head[start : start + 2])
    return max((depth & 0x7F for depth in head[start + 2 : start + 2 + 3 * channels : 3]), default=0) + 1
