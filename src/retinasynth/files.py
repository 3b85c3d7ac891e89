"""Writing files so that a crash, a full disk or a second writer never damages what is already there."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from retinasynth.errors import DiskFullError, OutputError

MANIFEST = "manifest.jsonl"  # of a synthetic set: one line for each eye
LABELLING = "labelling.json"  # of a set of pseudo-labels: what was asked for
MEASURING = "measuring.json"  # of a folder of biomarkers: what was asked for
FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What is being written: a file as .NAME.PROCESS.part.SUFFIX, a folder as .NAME.PROCESS.RANDOM.part
_PART = re.compile(r"\..+\.(?P<process>\d+)(?:\.part(?:\.[^.]*)?|\.[^.]+\.part)", re.DOTALL)


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


def _full_disk(path: Path) -> DiskFullError:
    return DiskFullError(
        f"The disk is full: {path} could not be written. Files written before it are complete",
        do="Free some space, and run the command again with another output folder",
    )


@contextlib.contextmanager
def after_full_disk(do: str) -> Iterator[None]:
    """Say what goes on with the work of the block, where a full disk stops it.

    Args:
        do: what to do once there is space, such as "run the same command again".
    """
    try:
        yield
    except DiskFullError as error:
        raise DiskFullError(error.got, do=f"Free some space, and {do}") from error


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
            temporary.touch()
            mode = temporary.stat().st_mode  # as the umask has it; some writers make files of their own, and private
            yield temporary
            temporary.chmod(mode)
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
    with explaining_write_errors(path):
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file", expected="a folder to write into", do="Choose another `out`")
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
    remove_parts(folder.glob(".*"))
    if any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty; {what} would be mixed with what is there",
            expected="a new or empty folder",
            do="Choose another `out`, or remove the folder first",
        )
    return folder


def remove_parts(files: Iterable[Path]) -> None:
    """Remove, of these files and folders, those that a writer left half made when its process was killed.

    Windows does not say harmlessly whether a process lives: there they stay.
    """
    for file in files:
        named = _PART.fullmatch(file.name)
        if named and not _is_alive(int(named["process"])):
            shutil.rmtree(file, ignore_errors=True) if file.is_dir() else file.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        pass
    return True


def part_of(path: Path) -> Path:
    """A new private folder beside `path` that takes its name once it is whole."""
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.{os.getpid()}.", suffix=".part", dir=path.parent))


def fill_folder(path: Path, *, what: str) -> contextlib.AbstractContextManager[Path]:
    """Build a whole folder atomically: the block fills a temporary one that takes the name `path` when it ends well.

    Raises:
        OutputError: `path` has something in it, or cannot be written.
    """
    return _fill_folder(new_folder(Path(path), what=what))


@contextlib.contextmanager
def _fill_folder(path: Path) -> Iterator[Path]:
    with explaining_write_errors(path):
        remove_parts(path.parent.glob(f".{glob.escape(path.name)}.*"))
        temporary = part_of(path)
        try:
            yield temporary
            temporary.chmod(path.stat().st_mode)  # mkdtemp is private; the result has the usual permissions
            path.rmdir()
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


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
