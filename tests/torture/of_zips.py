"""Mutated zips, as strangers upload them."""

import io
import json
import struct
import zipfile
from pathlib import Path

from retinasynth.errors import RetinasynthError
from torture.material import EYES, Kind, NonsenseError, tried
from torture.mutate import INTEGERS, Random, damaged, pick, with_number

_NAMES = (
    *(
        "../x.png",
        "/etc/x.png",
        "a/../../x.png",
        "..\\x.png",
        "C:x.png",
        "a" * 300 + ".png",
        "a/" * 200 + "x.png",
        "\0.png",
    ),
    *(
        "x.png/y.png",
        "images/eye_1.png",
        "images",
        "selection.json",
        "subjects.csv",
        "é.png",
        "\ud800.png",
        " .png",
        ".png",
    ),
    *(
        "CON.png",
        "images/eye_1.PNG",
        "a\nb.png",
        "./x.png",
        "//x.png",
        "x.png/",
        "\u202egnp.png",
        "=1.png",
        "x" * 255 + "/y.png",
    ),
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LINK = 0o120777 << 16


def _make_zip(base: Path, into: Path, random: Random) -> None:
    content = _packed(base, into, random)
    if random.random() < 0.6:
        content = _lied(content, random) if random.random() < 0.5 else damaged(content, random, content[::-1])
    (into / "upload.zip").write_bytes(content)


def _packed(base: Path, into: Path, random: Random) -> bytes:
    """A set of pairs, perhaps in a folder, with members that nobody expects."""
    buffer = io.BytesIO()
    top = pick(random, ("", "", "set/", "a/b/c/d/e/"))
    method = pick(random, _METHODS)
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for file in sorted((base / "pairs").rglob("*.png")):
            archive.write(file, f"{top}{file.relative_to(base / 'pairs')}")
        for _ in range(int(random.integers(3))):
            member = zipfile.ZipInfo("x")
            member.filename = pick(random, _NAMES)
            member.compress_type = pick(random, _METHODS)
            member.external_attr = pick(random, (0, 0, _LINK, 0xFFFFFFFF, 0o20666 << 16))
            body = pick(random, (b"", b"\x89PNG", b"/etc/passwd", random.bytes(500), b"\0" * 5_000_000))
            try:
                archive.writestr(member, body)
            except (ValueError, UnicodeError, struct.error):
                continue
        if random.random() < 0.15:
            eyes = [f"eye_{number}" for number in range(EYES)]
            of = pick(random, (str(base / "pairs"), "/etc", ".", "..", "phantom", str(into)))
            archive.writestr("selection.json", json.dumps({"of": of, "train": eyes[:4], "test": eyes[4:]}))
    return buffer.getvalue()


def _lied(content: bytes, random: Random) -> bytes:
    """Other numbers in the head of a member, in the list of members, or at the end of that list."""
    mark, places = pick(
        random,
        (
            (
                b"PK\x03\x04",
                [(4, "<H"), (6, "<H"), (8, "<H"), (14, "<I"), (18, "<I"), (22, "<I"), (26, "<H"), (28, "<H")],
            ),
            (
                b"PK\x01\x02",
                [(8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (28, "<H"), (38, "<I"), (42, "<I")],
            ),
            (b"PK\x05\x06", [(4, "<H"), (8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H")]),
        ),
    )
    starts = []
    start = content.find(mark)
    while start >= 0:
        starts.append(start)
        start = content.find(mark, start + 4)
    if not starts:
        return content
    place, form = pick(random, places)
    number = pick(random, (*INTEGERS, *range(1, 100, 3)))
    return with_number(content, pick(random, starts) + place, form, number)


def _read_zip(_: Path, into: Path) -> bool:
    from retinasynth.data.find import find_eyes, read_eye
    from retinasynth.studio.uploads import unpack

    try:
        folder = unpack(into / "upload.zip", into / "unpacked")
    except RetinasynthError:
        folder = None
    if {file.name for file in into.iterdir()} - {"upload.zip", "unpacked"}:
        raise NonsenseError(f"a zip wrote out of its folder: {sorted(into.iterdir())}")
    if folder is None:
        return False
    found = tried(lambda: find_eyes(folder, allow_unpaired=True))
    for files in found.eyes if found else ():
        outside = [file for file in (files.photograph, *files.planes.values()) if file and into not in file.parents]
        if outside:
            raise NonsenseError(f"a zip makes the server read {outside[0]}")
        tried(lambda files=files: read_eye(files))
    return True


KINDS = {"zip": Kind(60, _make_zip, _read_zip)}
