"""Work that can be stopped and gone on with: who writes a folder, and what in it is finished."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from retinasynth.documents import read_json
from retinasynth.errors import DataError, OutputError
from retinasynth.files import (
    MANIFEST,
    after_full_disk,
    cache_folder,
    explaining_write_errors,
    new_folder,
    output_folder,
    remove_parts,
    sha256_of,
    write_json,
    write_text,
)
from retinasynth.parallel import in_order
from retinasynth.progress import progress

AGAIN = "run the same command again"
CHECKSUMS = "sha256"  # in a line of a manifest: of the files of an eye, by the folder that they are in

_MOST_BYTES = 10**8  # of a request: it may name a million photographs
_JSON_FOLDER = "geometry"  # all other folders of an eye hold pictures

Line = dict[str, Any]  # of a manifest or a log

log = logging.getLogger("retinasynth")


# --- One at a time ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def one_writer(folder: Path, part: str = "", *, waits: bool = True) -> Iterator[None]:
    """Keep other processes out of such a block for the same folder, and the same part of it, until it ends.

    Args:
        folder: that is written.
        part: of the work, where several processes may write the folder at once.
        waits: wait for another process, and say so; else refuse.

    Raises:
        OutputError: another process writes the folder, and we do not wait.
    """
    place = str(Path(folder).resolve() / part).encode("utf-8", "surrogateescape")
    lock = FileLock(output_folder(cache_folder() / "locks") / f"{hashlib.sha256(place).hexdigest()[:24]}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        if not waits:
            raise OutputError(
                f"Another process is at work in {folder}",
                expected="one at a time",
                do=f"Wait until it has ended, or stop it, and {AGAIN}",
            ) from error
        log.warning("Another process is at work in %s: waiting until it has ended", folder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def going_on(folder: Path) -> Iterator[None]:
    """Work in a folder that the same command goes on with; other processes wait for this one within the block.

    What a killed process left half written there is removed, and where the disk is full it is said what to do.
    """
    with one_writer(folder), after_full_disk(AGAIN):
        remove_parts(folder.rglob(".*"))
        yield


# --- Lines --------------------------------------------------------------------------------------------------------


def read_lines(path: Path, keys: Mapping[str, type]) -> tuple[list[Line], int]:
    """The whole lines of a file of JSON lines.

    Args:
        path: the file; one that is not there has no lines.
        keys: what each line must have, and of which type.

    Returns:
        The lines, and how many others there are that say nothing. A last line without its end counts as neither: a
        process that was killed while it wrote leaves one.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        pieces = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})", expected="JSON lines") from error
    lines = [line for piece in pieces if (line := _line(piece, keys)) is not None]
    return lines, len(pieces) - len(lines)


def _line(piece: bytes, keys: Mapping[str, type]) -> Line | None:
    try:
        line = json.loads(piece)  # a figure may be infinite
    except (ValueError, RecursionError):
        return None
    is_line = isinstance(line, dict) and all(type(line.get(key)) is kind for key, kind in keys.items())
    return line if is_line else None


def write_lines(path: Path, lines: Sequence[Line]) -> None:
    """Write a file of JSON lines, whole.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def add_line(path: Path, line: Line) -> None:
    """Append to a file of JSON lines.

    Raises:
        OutputError: it cannot be written.
    """
    with explaining_write_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


# --- Eyes that are finished ---------------------------------------------------------------------------------------


def checksums(folder: Path, name: str) -> dict[str, str]:
    """SHA-256 of an eye's files, by the folder in `folder` that they are in."""
    places = sorted(place.name for place in folder.iterdir() if place.is_dir())
    files = {place: _file(folder, place, name) for place in places}
    return {place: sha256_of(file) for place, file in files.items() if file.is_file()}


def _file(folder: Path, place: str, name: str) -> Path:
    return folder / place / f"{name}.{'json' if place == _JSON_FOLDER else 'png'}"


def finished_eyes(
    folder: Path, manifest: Path, keys: Mapping[str, type], spared: Collection[str] = ()
) -> dict[str, Line]:
    """The lines of the eyes of a set that are finished, by name, in the order of its manifest.

    An eye whose line is damaged, or whose files are not those that the line has checksums of, is not finished: it is
    said, and its line is removed.

    Args:
        folder: the set.
        manifest: the file in it with a line for each eye.
        keys: what a line has beside ``name``, and of which type.
        spared: names of eyes whose files may be gone, since a person did not want them.

    Raises:
        DataError: the manifest cannot be read.
        OutputError: it cannot be written.
    """
    lines, damaged = read_lines(manifest, {"name": str, **keys})
    finished: dict[str, Line] = {}
    changed: list[str] = []
    with progress("Looking at finished eyes", len(lines)) as advance:
        sound = in_order(lambda line: line["name"] in spared or _is_sound(folder, line), lines)
        for done, (line, is_sound) in enumerate(zip(lines, sound, strict=True), start=1):
            if is_sound:
                finished[line["name"]] = line
            else:
                changed.append(line["name"])
            advance(done, "")
    if damaged:
        log.warning("%s has %d damaged lines; the eyes that they were of are made again", manifest, damaged)
    if changed:
        log.warning("Files of %s in %s are missing or have changed; they are made again", _some(changed), folder)
    if manifest.exists():
        write_lines(manifest, list(finished.values()))  # the last line may have been cut off
    return finished


def _is_sound(folder: Path, line: Line) -> bool:
    try:
        kept = {_file(folder, place, line["name"]): digest for place, digest in line.get(CHECKSUMS, {}).items()}
        return all(sha256_of(file) == digest for file, digest in kept.items())
    except (OSError, AttributeError, TypeError, ValueError):
        return False


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@contextlib.contextmanager
def begun_folder(
    path: Path, request: str, asked: Mapping[str, object], *, what: str, spared: Collection[str] = ()
) -> Iterator[dict[str, Line]]:
    """A folder in which work was begun before, so that it can go on, or a new one in which it begins.

    Within the block other processes wait for this one.

    Args:
        path: the folder.
        request: the file in it that keeps what was asked for.
        asked: what is asked for now, as plain values.
        what: will be written there, for the message.
        spared: as in `finished_eyes`.

    Yields:
        The lines of its `MANIFEST` of what is finished, by their ``name``; none in a new folder.

    Raises:
        DataError: it was begun with another request.
        OutputError: it has something else in it, or cannot be made.
    """
    path = Path(path)
    with going_on(path):
        if not (path / request).is_file():
            write_json(new_folder(path, what=what) / request, asked)
        elif read_json(
            path / request, DataError, what="what was asked for", do="Choose another `out`", most_bytes=_MOST_BYTES
        ) != json.loads(json.dumps(asked)):
            raise DataError(
                f"{path} was begun with other photographs, models or limits",
                do="Choose another `out`, or remove it first",
            )
        yield finished_eyes(path, path / MANIFEST, {}, spared)
