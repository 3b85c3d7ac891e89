"""Small procedural pictures and data sets for the tests."""

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retinasynth.images import Mask, Photograph, write_mask, write_photograph


def tiny_mask(seed: int, height: int = 32, width: int = 32) -> Mask:
    """A few straight lines, different for each seed and unequal to its own mirror images."""
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.bool_)
    mask[random.integers(2, height // 2 - 2), :] = True
    mask[: height // 3, random.integers(2, width // 2 - 2)] = True
    return mask


def tiny_photograph(seed: int, height: int = 32, width: int = 32) -> Photograph:
    """A coloured ramp with grain, different for each seed."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, width)[np.newaxis, :, np.newaxis] * np.array([1.0, 0.5, 0.25])
    grain = random.integers(-30, 30, (height, width, 3))
    return np.clip(ramp + grain, 0, 255).astype(np.uint8)


def put_photograph(path: Path, seed: int = 0, height: int = 32, width: int = 32) -> Path:
    """Write `tiny_photograph` to `path` in the format of its suffix."""
    return _put(path, tiny_photograph(seed, height, width), write_photograph)


def put_mask(path: Path, seed: int = 0, height: int = 32, width: int = 32) -> Path:
    """Write `tiny_mask` to `path` in the format of its suffix."""
    return _put(path, tiny_mask(seed, height, width), write_mask)


def _put(path: Path, picture: np.ndarray, write_png: Callable[[Path, np.ndarray], None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        write_png(path, picture)
    else:
        Image.fromarray(picture).save(path)
    return path


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_by_hand(path: Path, *, colour_type: int, values: NDArray[np.uint16]) -> Path:
    """A 16-bit PNG of `values` (height, width, channels), with nothing but the chunks that the format demands."""
    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def put_chasedb1(folder: Path, children: Iterable[int] = range(1, 15)) -> Path:
    """Both eyes of `children`, of the 14 of CHASE_DB1, named and laid out as it is published."""
    for number in (2 * child - 2 + side for child in children for side in (0, 1)):
        stem = f"Image_{number // 2 + 1:02d}{'LR'[number % 2]}"
        put_photograph(folder / f"{stem}.jpg", seed=number, height=30, width=32)
        put_mask(folder / f"{stem}_1stHO.png", seed=number, height=30, width=32)
        put_mask(folder / f"{stem}_2ndHO.png", seed=100 + number, height=30, width=32)
    return folder
