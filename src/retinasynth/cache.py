"""What one command can build again is kept under the cache folder, looked over before it is used, and mended."""

import contextlib
import glob
import hashlib
import json
import logging
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

from retinasynth.documents import read_json
from retinasynth.errors import DataError
from retinasynth.files import explaining_write_errors, part_of, remove_parts
from retinasynth.resuming import one_writer

_CONTENTS = ".contents.json"  # size and CRC-32 of every file of an entry, by its path in it
_CHECKED = ".checked"  # the `_state` of an entry when all of it was last read and found as it was made
_MOST_BYTES = 10**8  # of that list
_PIECE_BYTES = 1 << 20

log = logging.getLogger("retinasynth")


def fill_once(path: Path, fill: Callable[[Path], None]) -> Path:
    """A folder under the cache that `fill` builds on first use, and again where it is no longer what it was.

    Of two processes that want it at once, the second waits for the first.

    Args:
        path: the folder.
        fill: writes its files into the folder that it is given.

    Raises:
        OutputError: it cannot be written.
    """
    with one_writer(path):
        if path.is_dir():
            damage = _damage(path)
            if not damage:
                return path
            log.warning("%s was damaged (%s) and is made again", path, damage)
        with explaining_write_errors(path):
            shutil.rmtree(path, ignore_errors=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_parts(path.parent.glob(f".{glob.escape(path.name)}.*"))
            temporary = part_of(path)
            try:
                fill(temporary)
                (temporary / _CONTENTS).write_text(json.dumps(_contents(temporary)), encoding="utf-8")
                temporary.rename(path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return path


def _files(folder: Path, *left_out: str) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.name not in left_out and file.is_file())


def _contents(folder: Path) -> dict[str, list[int]]:
    """Size and checksum of each file, by its path in the folder."""
    files = _files(folder, _CONTENTS, _CHECKED)
    return {file.relative_to(folder).as_posix(): [file.stat().st_size, _crc32(file)] for file in files}


def _crc32(file: Path) -> int:
    found = 0
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            found = zlib.crc32(piece, found)
    return found


def _state(folder: Path) -> bytes:
    """A digest of the names, sizes and times of the files, which changes when one is written to; none is read."""
    looks = ((file.relative_to(folder).as_posix(), file.stat()) for file in _files(folder, _CHECKED))
    text = json.dumps([(name, look.st_size, look.st_mtime_ns) for name, look in looks])
    return hashlib.sha256(text.encode()).hexdigest().encode()


def _damage(folder: Path) -> str:
    """What is wrong with an entry; nothing where it is as it was made.

    All of it is read once; from then on only after something has written to it.
    """
    stamp = folder / _CHECKED
    try:
        state = _state(folder)
        if stamp.is_file() and stamp.read_bytes() == state:
            return ""
        made = read_json(folder / _CONTENTS, DataError, what="a list of files", most_bytes=_MOST_BYTES)
        found = _contents(folder)
    except (DataError, OSError) as error:
        return str(error)
    changed = sorted(name for name in {*made, *found} if made.get(name) != found.get(name))
    if changed:
        return f"{changed[0]} has changed"
    with contextlib.suppress(OSError):  # then it is read again next time
        stamp.write_bytes(state)
    return ""
