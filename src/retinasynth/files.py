"""Writing files so that a crash, a full disk or a second writer never damages what is already there."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from safetensors import SafetensorError

from retinasynth.errors import DataError, OutputError

MANIFEST = "manifest.jsonl"  # of a synthetic set: one line for each eye
LABELLING = "labelling.json"  # of a set of pseudo-labels: what was asked for
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def explaining_write_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's error while `path` is written into an `OutputError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise _full_disk(path) from error
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})", do="Choose another output folder"
        ) from error
    except SafetensorError as error:  # the Rust writer reports operating system errors as text
        if any(f"os error {number}" in str(error) for number in FULL_DISK):
            raise _full_disk(path) from error
        raise OutputError(f"{path} cannot be written ({error})", do="Choose another output folder") from error


def _full_disk(path: Path) -> OutputError:
    return OutputError(
        f"The disk is full: {path} could not be written. Files written before it are complete",
        do="Free some space (or choose another output folder) and run the same command again",
    )


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    Missing parent folders are made.

    Raises:
        OutputError: the file cannot be written; what stood at `path` before is untouched.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_path(folder / "note.txt") as temporary:
        ...     _ = temporary.write_text("whole or not at all")
        >>> (folder / "note.txt").read_text()
        'whole or not at all'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    with explaining_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # else a power cut could leave the new name on an empty file
            finally:
                os.close(descriptor)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically as indented JSON; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def output_folder(path: Path) -> Path:
    """`path` as an existing, writable folder.

    Raises:
        OutputError: a file stands in its place, or it cannot be made.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file", expected="a folder to write into", do="Choose another --out")
    with explaining_write_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def new_folder(path: Path, *, what: str) -> Path:
    """`path` as a folder that is new or empty, so that nothing made earlier is mixed up or overwritten.

    Args:
        path: the folder.
        what: what will be written there, for the message.

    Raises:
        OutputError: the folder has something in it, or cannot be made.
    """
    folder = output_folder(path)
    if any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty; {what} would be mixed with what is there",
            expected="a new or empty folder",
            do="Choose another --out, or remove the folder first",
        )
    return folder


def begun_folder(path: Path, request: str, asked: dict[str, object], *, what: str) -> dict[str, dict[str, Any]]:
    """What stands in a folder that work was begun in before, so that it can go on; a new one is begun.

    Args:
        path: the folder.
        request: the file in it that keeps what was asked for.
        asked: what is asked for now, as plain values.
        what: will be written there, for the message.

    Returns:
        The finished lines of its `MANIFEST`, by their ``name``; none in a new folder.

    Raises:
        DataError: it was begun with another request.
        OutputError: it has something else in it, or cannot be made.
    """
    path = Path(path)
    if not (path / request).is_file():
        write_json(new_folder(path, what=what) / request, asked)
        return {}
    if json.loads((path / request).read_text(encoding="utf-8")) != asked:
        raise DataError(
            f"{path} was begun with other photographs, models or limits", do="Choose another --out, or remove it first"
        )
    manifest = path / MANIFEST
    text = manifest.read_text(encoding="utf-8") if manifest.is_file() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("}\n")]
    write_text(manifest, "".join(lines))  # the last line may have been cut off
    return {line["name"]: line for line in map(json.loads, lines)}


def add_line(path: Path, line: dict[str, Any]) -> None:
    """Append to the `MANIFEST` of a folder; it is on disk when this returns.

    Raises:
        OutputError: it cannot be written.
    """
    with explaining_write_errors(path / MANIFEST), (path / MANIFEST).open("a", encoding="utf-8") as manifest:
        manifest.write(json.dumps(line) + "\n")


def fill_folder(path: Path, *, what: str) -> contextlib.AbstractContextManager[Path]:
    """Build a whole folder atomically: the block fills a temporary one that takes the name `path` when it ends well.

    Raises:
        OutputError: `path` has something in it, or cannot be written.
    """
    return _fill_folder(new_folder(Path(path), what=what))


@contextlib.contextmanager
def _fill_folder(path: Path) -> Iterator[Path]:
    with explaining_write_errors(path):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(path.stat().st_mode)  # mkdtemp is private; the result has the usual permissions
            path.rmdir()
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def fill_once(path: Path, fill: Callable[[Path], None]) -> Path:
    """A folder under the cache that `fill` builds on first use; of two processes that do it at once, either wins.

    Raises:
        OutputError: it cannot be written.
    """
    if path.is_dir():
        return path
    with explaining_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        try:
            fill(temporary)
            with contextlib.suppress(FileExistsError):
                temporary.rename(path)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or not path.is_dir():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return path


@contextlib.contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for the same folder, and keep others out until it ends."""
    name = hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()[:24]
    locks = output_folder(cache_folder() / "locks")
    with FileLock(locks / f"{name}.lock"):
        yield


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cache_folder() -> Path:
    """The folder for everything that one command can build again: ``RETINASYNTH_CACHE`` or the user's cache folder."""
    chosen = os.environ.get("RETINASYNTH_CACHE")
    if chosen:
        return output_folder(Path(chosen))
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return output_folder(Path(base) / "retinasynth")
