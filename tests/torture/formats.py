"""Pictures in every format that is read, and the fields of their heads that lie."""

import gzip
import io
import re
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from dicoms import put_dicom
from pictures import png_by_hand, tiny_mask, tiny_photograph
from torture.mutate import INTEGERS, Random, damaged, flip, pick, with_number


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.copy().save(buffer, form, **options)
    return buffer.getvalue()


def _written(put: Callable[[Path], Path]) -> bytes:
    """What is written into a file."""
    with tempfile.TemporaryDirectory() as folder:
        return put(Path(folder) / "picture").read_bytes()


def _deep_ppm(values: NDArray[np.uint16]) -> bytes:
    head = b"P6" if values.ndim == 3 else b"P5"
    return head + b" %d %d 65535\n" % (values.shape[1], values.shape[0]) + values.astype(">u2").tobytes()


def _dicoms(rgb: Image.Image, random: Random) -> list[Callable[[], bytes]]:
    """One photograph in the ways in which DICOM stores it."""
    colour, grey = np.asarray(rgb), np.asarray(rgb.convert("L"))
    deep = grey.astype(np.uint16) * 16
    window = {"WindowCenter": int(random.integers(4096)), "WindowWidth": int(random.integers(1, 4096))}
    ramp = np.arange(256, dtype="<u2") * 257
    palette = {
        name: value
        for one in ("Red", "Green", "Blue")
        for name, value in (
            (f"{one}PaletteColorLookupTableDescriptor", [256, 0, 16]),
            (f"{one}PaletteColorLookupTableData", ramp.tobytes()),
        )
    }
    made: list[Callable[[Path], Path]] = [
        lambda path: put_dicom(path, colour, "RGB"),
        lambda path: put_dicom(path, colour, "YBR_FULL_422", coded=[_saved(rgb, "JPEG")]),
        lambda path: put_dicom(path, colour, "RGB", coded=[_saved(rgb, "JPEG2000", no_jp2=True)]),
        lambda path: put_dicom(path, grey, "PALETTE COLOR", **palette),
        lambda path: put_dicom(path, np.stack([grey, grey]), "MONOCHROME1", NumberOfFrames=2),
        lambda path: put_dicom(path, deep, "MONOCHROME2", BitsStored=12, HighBit=11, **window),
    ]
    return [lambda put=put: _written(put) for put in made]


def photographs(random: Random) -> list[tuple[str, Callable[[], bytes]]]:
    """Suffix and bytes of one photograph, in all the ways that a photograph is stored."""
    height, width = (int(random.integers(24, 80)) for _ in range(2))
    rgb = Image.fromarray(tiny_photograph(int(random.integers(1000)), height, width))
    grey, palette = rgb.convert("L"), rgb.quantize(16)
    clear = rgb.convert("RGBA")
    clear.putalpha(grey)
    exif = Image.Exif()
    exif[Base.Orientation] = int(random.integers(0, 12))
    deep_grey, deep_rgb = (np.asarray(one).astype(np.uint16) * np.uint16(257) for one in (grey, rgb))
    deep = Image.fromarray(deep_grey)
    return [
        (".png", lambda: _saved(rgb, "PNG", exif=exif)),
        (".png", lambda: _saved(clear, "PNG")),
        (".png", lambda: _saved(palette, "PNG", transparency=3)),
        (".png", lambda: _saved(deep, "PNG")),
        (".png", lambda: _written(lambda path: png_by_hand(path, colour_type=2, values=deep_rgb))),
        (".tif", lambda: _saved(deep, "TIFF", compression="tiff_lzw")),
        (".pgm", lambda: _deep_ppm(deep_grey)),
        (".ppm", lambda: _deep_ppm(deep_rgb)),
        (".jp2", lambda: _saved(deep, "JPEG2000")),
        (".jfif", lambda: _saved(rgb, "JPEG")),
        (".jpg", lambda: _saved(rgb, "MPO", save_all=True, append_images=[grey.convert("RGB")])),
        (".png", lambda: _saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)])),
        *((".dcm", one) for one in _dicoms(rgb, random)),
        (".jpg", lambda: _saved(rgb, "JPEG", exif=exif)),
        (".jpg", lambda: _saved(rgb, "JPEG", progressive=True, quality=60)),
        (".jpeg", lambda: _saved(grey, "JPEG")),
        (".jpg", lambda: _saved(rgb.convert("CMYK"), "JPEG")),
        (".tif", lambda: _saved(rgb, "TIFF")),
        (".tif", lambda: _saved(rgb, "TIFF", compression="tiff_lzw")),
        (".tiff", lambda: _saved(rgb, "TIFF", compression="tiff_adobe_deflate")),
        (".tif", lambda: _saved(rgb, "TIFF", compression="jpeg")),
        (".tif", lambda: _saved(palette, "TIFF", compression="packbits")),
        (".tif", lambda: _saved(rgb, "TIFF", save_all=True, append_images=[grey])),
        (".gif", lambda: _saved(rgb, "GIF")),
        (".gif", lambda: _saved(palette, "GIF", save_all=True, append_images=[palette.rotate(90)], transparency=2)),
        (".webp", lambda: _saved(clear, "WEBP", lossless=True)),
        (".webp", lambda: _saved(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(90)])),
        (".jp2", lambda: _saved(rgb, "JPEG2000")),
        (".j2k", lambda: _saved(grey, "JPEG2000", no_jp2=True)),
        (".bmp", lambda: _saved(rgb, "BMP")),
        (".bmp", lambda: _saved(palette, "BMP")),
        (".ppm", lambda: _saved(rgb, "PPM")),
        (".pgm", lambda: _saved(grey, "PPM")),
        (".ppm.gz", lambda: gzip.compress(_saved(rgb, "PPM"))),
        (".pgm.gz", lambda: gzip.compress(_saved(grey, "PPM"))),
    ]


def masks(random: Random) -> list[tuple[str, Callable[[], bytes]]]:
    """Likewise of a mask."""
    height, width = (int(random.integers(24, 80)) for _ in range(2))
    grey = Image.fromarray(tiny_mask(int(random.integers(1000)), height, width)).convert("L")
    alone = Image.merge("LA", (Image.new("L", grey.size, 255), grey))
    return [
        (".png", lambda: _saved(grey, "PNG")),
        (".png", lambda: _saved(grey.convert("1"), "PNG")),
        (".png", lambda: _saved(grey.convert("P"), "PNG")),
        (".png", lambda: _saved(alone, "PNG")),
        (".gif", lambda: _saved(grey, "GIF")),
        (".tif", lambda: _saved(grey.convert("1"), "TIFF", compression="group4")),
        (".tif", lambda: _saved(grey, "TIFF")),
        (".tif", lambda: _saved(Image.fromarray(np.asarray(grey).astype(np.uint16) * np.uint16(257)), "TIFF")),
        (".tif", lambda: _saved(Image.fromarray(np.asarray(grey) / np.float32(255)), "TIFF")),
        (".webp", lambda: _saved(grey.convert("RGB"), "WEBP", lossless=True)),
        (".dcm", lambda: _written(lambda path: put_dicom(path, np.asarray(grey), "MONOCHROME2"))),
        (".bmp", lambda: _saved(grey.convert("1"), "BMP")),
        (".jpg", lambda: _saved(grey.convert("RGB"), "JPEG", quality=95)),
        (".pgm", lambda: _saved(grey, "PPM")),
        (".ppm.gz", lambda: gzip.compress(_saved(grey.convert("RGB"), "PPM"))),
    ]


def spoilt(data: bytes, suffix: str, random: Random, other: bytes) -> bytes:
    """A picture file, damaged at random or lied to in its head."""
    if random.random() < 0.5:
        return damaged(data, random, other)
    if suffix.endswith(".gz"):
        inside = spoilt(gzip.decompress(data), suffix[:4], random, other)
        return gzip.compress(inside) if random.random() < 0.8 else _bomb(data, random)
    edit = _HEADS[suffix]
    return edit(data, random)


def _bomb(data: bytes, random: Random) -> bytes:
    head = pick(random, (b"P6 30000 30000 255\n", b"P6 9000 9000 255\n", b"P5 5 5 255\n", data[:10]))
    return gzip.compress(head + b"\0" * 2**28, 6)


def _fields(data: bytes, random: Random, places: list[tuple[int, str]]) -> bytes:
    for _ in range(int(random.integers(1, 3))):
        place, form = pick(random, places)
        data = with_number(data, place, form, pick(random, INTEGERS))
    return data


def _png(data: bytes, random: Random) -> bytes:
    """One of: another head, chunks that are missing, doubled, exchanged or of other content; sums are made right."""
    chunks: list[tuple[bytes, bytes]] = []
    place = 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    at = int(random.integers(len(chunks)))
    what = int(random.integers(6))
    if what <= 1:
        head = _fields(
            chunks[0][1], random, [(0, ">I"), (4, ">I"), (8, "B"), (9, "B"), (10, "B"), (11, "B"), (12, "B")]
        )
        chunks[0] = (b"IHDR", head)
    elif what == 2:
        del chunks[at]
    elif what == 3:
        chunks.insert(at, pick(random, chunks))
    elif what == 4:
        content = pick(
            random, (random.bytes(40), b"", b"a\0\0" + zlib.compress(b"x" * 2**26), zlib.compress(b"\0" * 2**24))
        )
        chunks.insert(
            1,
            (pick(random, (b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"eXIf", b"PLTE", b"tRNS", b"gAMA", b"acTL")), content),
        )
    else:
        name, content = chunks[at]
        chunks[at] = (name, flip(content, random) if content else b"x")
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return data[:8] + b"".join(packed)


def _jpeg(data: bytes, random: Random) -> bytes:
    """Other numbers in the heads of the segments, above all in the one with the size."""
    starts = [match.start() for match in re.finditer(rb"\xff[\xc0-\xfe]", data[:2000])]
    frame = next((start for start in starts if data[start + 1] in (0xC0, 0xC1, 0xC2)), 0)
    near = [(frame + 4, "B"), (frame + 5, ">H"), (frame + 7, ">H"), (frame + 9, "B")]
    return _fields(
        data, random, near + [(start + 2, ">H") for start in starts] + [(start + 5, "B") for start in starts]
    )


def _tiff(data: bytes, random: Random) -> bytes:
    """Other numbers in the entries of its first directory: tag, type, count, value."""
    (directory,) = struct.unpack("<I", data[4:8])
    (entries,) = struct.unpack("<H", data[directory : directory + 2])
    place = directory + 2 + 12 * int(random.integers(entries))
    end = directory + 2 + 12 * entries
    fields = [
        (place, "<H"),
        (place + 2, "<H"),
        (place + 4, "<I"),
        *[(place + 8, "<I")] * 4,
        (directory, "<H"),
        (end, "<I"),
    ]
    if random.random() < 0.1:
        return with_number(data, end, "<I", directory)  # a directory that is followed by itself
    return _fields(data, random, fields)


def _ppm(data: bytes, random: Random) -> bytes:
    """Other numbers and letters in its head, which is text."""
    numbers = list(re.finditer(rb"\d+", data[:20]))
    found = pick(random, numbers)
    odd = pick(
        random, (*(str(number).encode() for number in INTEGERS), b"-1", b"1e3", b"", b"#", b"9" * 3000, b" " * 99_999)
    )
    return data[: found.start()] + odd + data[found.end() :]


_TAGS = (
    *((0x28, 0x02), (0x28, 0x04), (0x28, 0x08), (0x28, 0x10), (0x28, 0x11), (0x28, 0x100), (0x28, 0x101)),
    *((0x28, 0x102), (0x28, 0x103), (0x28, 0x1050), (0x28, 0x1051), (0x28, 0x1101), (0x28, 0x1201), (0x7FE0, 0x10)),
    *((0x10, 0x20), (0x02, 0x10), (0x02, 0x00)),
)


def _dicom(data: bytes, random: Random) -> bytes:
    """Other numbers in the elements that tell how the pixels are stored: in their kind, length or value."""
    starts = [data.find(struct.pack("<HH", *tag)) for tag in _TAGS]
    places = [
        (start + at, form)
        for start in starts
        if start >= 0
        for at, form in ((0, "<H"), (2, "<H"), (4, "<H"), (6, "<H"), (8, "<H"), (8, "<H"), (8, "<I"))
    ]
    return _fields(data, random, places)


_HEADS: dict[str, Callable[[bytes, Random], bytes]] = {
    ".png": _png,
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".jfif": _jpeg,
    ".dcm": _dicom,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".webp": lambda data, random: _fields(data, random, [(place, "<I") for place in range(4, 40)]),
    ".jp2": lambda data, random: _fields(data, random, [(place, ">I") for place in range(12, 160)]),
    ".j2k": lambda data, random: _fields(data, random, [(place, ">I") for place in range(4, 80)]),
    ".ppm": _ppm,
    ".pgm": _ppm,
    ".gif": lambda data, random: _fields(
        data, random, [(6, "<H"), (8, "<H"), (10, "B"), (11, "B"), (12, "B"), (13, "B"), (14, "<H")]
    ),
    ".bmp": lambda data, random: _fields(
        data,
        random,
        [(2, "<I"), (10, "<I"), (14, "<I"), (18, "<I"), (22, "<I"), (26, "<H"), (28, "<H"), (30, "<I"), (46, "<I")],
    ),
}
