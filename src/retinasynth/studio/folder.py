"""The folder of a running studio, for all that comes and goes: it ends with the studio, however that ends.

Beside each folder lies a lock of the same name, held as long as its studio runs. A studio that was killed could remove
nothing; that its lock is free tells the next one to do so.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "retinasynth-studio-"
_LOCK = ".lock"


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for this user alone, that goes when the block ends. Those of studios that were killed go first."""
    place = Path(tempfile.gettempdir()).resolve()
    _remove_left_behind(place)
    lock = _taken(place)
    folder = Path(lock.lock_file).with_suffix("")
    folder.mkdir(mode=0o700)
    # A worker that is still at work when the block ends may lay something there: it ends before this is called.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _taken(place: Path) -> FileLock:
    """A new lock, held. It is there before its folder is, so that no other studio takes that for a dead one's."""
    while True:
        lock = FileLock(place / f"{_PREFIX}{secrets.token_hex(8)}{_LOCK}", timeout=0, mode=0o600)
        with contextlib.suppress(Timeout):  # one that cleans up was faster: another name
            lock.acquire()
            return lock


def _remove_left_behind(place: Path) -> None:
    for file in place.glob(f"{_PREFIX}*{_LOCK}"):
        if not _is_own(file, stat.S_IFREG):
            continue
        lock = FileLock(file, timeout=0, mode=0o600)
        with contextlib.suppress(Timeout, OSError):  # it is alive, or gone by now
            lock.acquire()
            folder = file.with_suffix("")
            if _is_own(folder, stat.S_IFDIR):
                shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            file.unlink(missing_ok=True)


def _is_own(path: Path, kind: int) -> bool:
    """Whether this is a thing of that kind, itself and no link to one, and this user's."""
    try:
        about = path.lstat()
    except OSError:
        return False
    is_another_name = kind == stat.S_IFREG and about.st_nlink > 1  # of a file elsewhere, which a lock would empty
    is_foreign = sys.platform != "win32" and about.st_uid != os.getuid()
    return stat.S_IFMT(about.st_mode) == kind and not is_another_name and not is_foreign
