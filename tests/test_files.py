import errno
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from pictures import tiny_photograph
from retinasynth import cache, files
from retinasynth.cache import fill_once
from retinasynth.errors import OutputError
from retinasynth.files import (
    atomic_path,
    cache_folder,
    explaining_write_errors,
    fill_folder,
    new_folder,
    output_folder,
    write_json,
    write_text,
)
from retinasynth.images import read_photograph, write_photograph


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_half(path: Path, error: BaseException) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise error


def fill_half(path: Path, error: BaseException) -> None:
    with fill_folder(path, what="a set") as temporary:
        (temporary / "one.txt").write_text("1")
        raise error


# --- One file ---


def test_a_file_takes_its_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "note.txt"
    for text in ("first", "second, longer"):
        with atomic_path(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == path.suffix  # what chooses a format by suffix still works
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
        assert names(path.parent) == ["note.txt"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_fails_inside_leaves_the_old_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(type(error)) as caught:
        write_half(path, error)
    assert caught.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_and_leaves_the_old_file(number: int, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"The disk is full: .*note\.txt.*Free some space") as caught:
        write_half(path, OSError(number, os.strerror(number)))
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_a_disk_that_is_full_only_at_the_end_is_noticed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    write_photograph(path, tiny_photograph(0))
    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(OutputError, match=r"The disk is full: .*picture\.png"):
        write_photograph(path, tiny_photograph(1))
    np.testing.assert_array_equal(read_photograph(path), tiny_photograph(0))
    assert names(tmp_path) == ["picture.png"]


def test_other_errors_say_which_file_and_why(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"note\.txt cannot be written .*Choose another output folder"):
        write_text(tmp_path / "taken" / "note.txt", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder cannot be written \(Is a directory\)"):
        write_text(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder", "taken"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_file_takes_the_umask_whatever_its_writer_does(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "private") as temporary:
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(before)
    assert oct((tmp_path / "private").stat().st_mode & 0o777) == oct(0o666 & ~umask)


def test_the_errors_of_the_safetensors_writer_are_explained(tmp_path: Path) -> None:
    for text, says in (
        ("I/O error: No space left on device (os error 28)", "The disk is full: .*weights"),
        ("I/O error: Permission denied (os error 13)", "weights cannot be written"),
    ):
        with pytest.raises(OutputError, match=says), explaining_write_errors(tmp_path / "weights"):
            raise SafetensorError(text)


# A disk that fills up in earnest: the system stops this process at 100 kB a file.
FILLING_UP = """
import resource, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from retinasynth.errors import OutputError
from retinasynth.files import atomic_path, write_text
from retinasynth.images import write_photograph

folder = Path(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)

def weights():
    with atomic_path(folder / "weights.safetensors") as temporary:
        save_file({"noise": noise}, temporary)

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (
    lambda: write_photograph(folder / "photograph.png", noise),
    lambda: write_text(folder / "text.txt", "x" * 200_000),
    weights,
):
    try:
        write()
    except OutputError as error:
        print(error.got.partition(":")[0])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_disk_that_really_fills_up_leaves_the_old_files(tmp_path: Path) -> None:
    old = {name: name.encode() for name in ("photograph.png", "text.txt", "weights.safetensors")}
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    ran = subprocess.run([sys.executable, "-c", FILLING_UP, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("The disk is full\n" * 3, "", 0)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_text_and_json_are_written_as_they_are_read_elsewhere(tmp_path: Path) -> None:
    write_text(tmp_path / "note.txt", "眼\n")
    assert (tmp_path / "note.txt").read_bytes() == "眼\n".encode()
    write_json(tmp_path / "value.json", {"b": [1, None], "a": "x"})
    assert (tmp_path / "value.json").read_text() == '{\n  "b": [\n    1,\n    null\n  ],\n  "a": "x"\n}\n'
    with pytest.raises(ValueError, match="Out of range float values"):
        write_json(tmp_path / "value.json", {"loss": float("nan")})
    assert "null" in (tmp_path / "value.json").read_text()


# --- Folders ---


def test_an_output_folder_is_made_with_its_parents_and_may_exist(tmp_path: Path) -> None:
    for _ in range(2):
        assert output_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
        assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file is a file\. Expected: a folder.*Choose another `out`"):
        output_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        output_folder(tmp_path / "file" / "below")
    with pytest.raises(OutputError, match=r"cannot be written \(File name too long\)"):
        output_folder(tmp_path / ("x" * 1000))


def test_a_new_folder_refuses_to_mix(tmp_path: Path) -> None:
    assert new_folder(tmp_path / "run", what="a run") == tmp_path / "run"
    new_folder(tmp_path / "run", what="a run")  # still empty
    (tmp_path / "run" / ".config.yaml.4194305.part.yaml").touch()  # left by a killed process: there is none such
    new_folder(tmp_path / "run", what="a run")
    assert names(tmp_path / "run") == []
    (tmp_path / "run" / ".hidden").touch()
    with pytest.raises(OutputError, match=r"run is not empty; a run would be mixed.*Choose another `out`"):
        new_folder(tmp_path / "run", what="a run")


def test_a_filled_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "set"
    with fill_folder(path, what="a set") as temporary:
        (temporary / "images").mkdir()
        (temporary / "images" / "one.txt").write_text("1")
        assert temporary != path
        assert not list(path.iterdir())
    assert (path / "images" / "one.txt").read_text() == "1"
    assert names(path.parent) == ["set"]
    (tmp_path / "usual").mkdir()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")], ids=repr)
def test_a_folder_that_fails_stays_empty(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "set"
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        fill_half(path, error)
    assert [names(tmp_path), names(path)] == [["set"], []]
    with fill_folder(path, what="a set") as temporary:  # and the same command works afterwards
        (temporary / "one.txt").write_text("1")
    assert names(path) == ["one.txt"]


def test_a_folder_with_something_in_it_is_not_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with (
        pytest.raises(OutputError, match="set is not empty; a set would be mixed"),
        fill_folder(tmp_path / "set", what="a set"),
    ):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["set"]
    assert (tmp_path / "set" / "mine.txt").read_text() == "mine"


# --- The cache ---


def test_a_cached_folder_is_filled_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def fill(folder: Path) -> None:
        calls.append(folder)
        (folder / "value").write_text("made")

    for _ in range(2):
        assert fill_once(tmp_path / "cache" / "key", fill) == tmp_path / "cache" / "key"
        assert (tmp_path / "cache" / "key" / "value").read_text() == "made"
    assert len(calls) == 1
    assert names(tmp_path / "cache") == ["key"]


def test_a_cached_folder_that_fails_is_not_there(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "value").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fill_once(tmp_path / "key", fail)
    with pytest.raises(OutputError, match=r"The disk is full: .*key"):
        fill_once(tmp_path / "key", full_disk)
    assert names(tmp_path) == []


def test_of_two_that_fill_one_folder_the_second_waits_for_the_first(tmp_path: Path) -> None:
    begun, calls = threading.Event(), []

    def fill(folder: Path) -> None:
        calls.append(folder)
        begun.set()
        time.sleep(0.3)
        (folder / "value").write_text("made")

    with ThreadPoolExecutor(1) as other:
        first = other.submit(fill_once, tmp_path / "key", fill)
        begun.wait()
        assert fill_once(tmp_path / "key", fill) == first.result()
    assert len(calls) == 1
    assert names(tmp_path) == ["key"]


@pytest.mark.parametrize("times_read", [0, 1, 2])
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "a" / "value").write_bytes(bytes(4)),  # as many as before
        lambda folder: (folder / "a" / "value").unlink(),
        lambda folder: (folder / "more").touch(),
        lambda folder: (folder / ".contents.json").write_text("[" * 100_000),
        lambda folder: (folder / ".contents.json").write_text("[1]"),
        lambda folder: (folder / ".contents.json").unlink(),
    ],
    ids=["zeroed", "gone", "more", "nested", "odd", "unlisted"],
)
def test_a_cached_folder_that_is_damaged_is_made_again(
    damage: Callable[[Path], None], times_read: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fill(folder: Path) -> None:
        (folder / "a").mkdir()
        (folder / "a" / "value").write_text("made")

    for _ in range(1 + times_read):
        fill_once(tmp_path / "key", fill)
    time.sleep(0.02)  # times of files are only so fine
    damage(tmp_path / "key")
    fill_once(tmp_path / "key", fill)
    assert "was damaged" in caplog.text
    assert (tmp_path / "key" / "a" / "value").read_text() == "made"
    assert sorted(file.name for file in (tmp_path / "key").iterdir()) == [".contents.json", "a"]


def test_a_cached_folder_is_read_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(folder: Path) -> None:
        for name in "ab":
            (folder / name).write_text(name)

    def crc32(file: Path) -> int:
        read.append(file.name)
        return zlib.crc32(file.read_bytes())

    read: list[str] = []
    monkeypatch.setattr(cache, "_crc32", crc32)
    for expected in (2, 4, 4, 4):  # as it is made, as it is found the first time, and never again
        fill_once(tmp_path / "key", fill)
        assert len(read) == expected
    os.utime(tmp_path / "key" / "a", (1, 1))
    fill_once(tmp_path / "key", fill)
    assert len(read) == 6


def test_a_cached_folder_loses_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / ".key.4194305.x3_abc.part").mkdir()
    (tmp_path / ".key.4194305.x3_abc.part" / "value").write_text("half")
    (tmp_path / f".key.{os.getpid()}.x3_abc.part").mkdir()  # of a living one
    fill_once(tmp_path / "key", lambda folder: (folder / "value").touch())
    assert names(tmp_path) == [f".key.{os.getpid()}.x3_abc.part", "key"]


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "chosen"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "chosen"
    assert (tmp_path / "chosen").is_dir()
    monkeypatch.setenv("RETINASYNTH_CACHE", "")
    assert cache_folder() == tmp_path / "xdg" / "retinasynth"
    monkeypatch.delenv("RETINASYNTH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "retinasynth"
    assert (tmp_path / "home" / ".cache" / "retinasynth").is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="file is a file"):
        cache_folder()
