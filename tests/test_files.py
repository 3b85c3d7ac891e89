import errno
import json
import resource
import subprocess
import sys
import textwrap

import pytest

from retinasynth import files
from retinasynth.errors import OutputError


def test_atomic_path_leaves_the_old_file_when_the_block_fails(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyError), files.atomic_path(path) as temporary:
        (temporary.write_text("half"), {}["missing"])
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_as_such(number, tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    with (
        pytest.raises(OutputError, match=r"disk is full: .*a\.txt.*Free some space"),
        files.atomic_path(tmp_path / "a.txt"),
    ):
        raise OSError(number, "full")
    assert (tmp_path / "a.txt").read_text() == "old"


WRITE_BIG = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from retinasynth import images
    from retinasynth.errors import OutputError

    path = Path(sys.argv[1])
    images.write_photograph(path, np.zeros((8, 8, 3), np.uint8))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    try:
        images.write_photograph(path, noise)
    except OutputError as error:
        sys.exit(f"told: {error}")
    """
)


def test_a_file_that_cannot_grow_leaves_the_old_one(tmp_path):
    """The operating system itself refuses the bytes."""
    ended = subprocess.run(
        [sys.executable, "-c", WRITE_BIG, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "told: The disk is full" in ended.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]
    from retinasynth.images import read_photograph

    assert read_photograph(tmp_path / "a.png").shape == (8, 8, 3)


SAVE_BIG_TENSORS = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    import torch
    from safetensors.torch import save_file
    from retinasynth.errors import OutputError
    from retinasynth.files import atomic_path

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        with atomic_path(Path(sys.argv[1])) as temporary:
            save_file({"a": torch.zeros(100_000)}, temporary)
    except OutputError as error:
        sys.exit(f"told: {error}")
    """
)


def test_weights_that_do_not_fit_are_said_as_such(tmp_path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    ended = subprocess.run(
        [sys.executable, "-c", SAVE_BIG_TENSORS, str(tmp_path / "a.safetensors")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "told: The disk is full" in ended.stderr, ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_said_as_such(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        files.output_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_text(tmp_path / "file" / "below.txt", "x")
    assert (tmp_path / "file").read_text() == "mine"


def test_new_folder_refuses_what_is_not_empty(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(OutputError, match="a run would be mixed"):
        files.new_folder(tmp_path, what="a run")
    assert files.new_folder(tmp_path / "a" / "b", what="a run").is_dir()


def test_fill_folder_is_all_or_nothing(tmp_path):
    with pytest.raises(KeyError), files.fill_folder(tmp_path / "set", what="a set") as folder:
        ((folder / "half").touch(), {}["missing"])
    assert not list(tmp_path.rglob("half"))
    with files.fill_folder(tmp_path / "set", what="a set") as folder:
        (folder / "whole").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "whole"]


def test_fill_once_runs_once_and_lets_either_of_two_win(tmp_path):
    calls = []

    def fill(folder):
        calls.append(1)
        (folder / "a").touch()
        if len(calls) == 1:  # another process is faster
            files.fill_once(tmp_path / "cache", fill)

    assert files.fill_once(tmp_path / "cache", fill) == tmp_path / "cache"
    files.fill_once(tmp_path / "cache", fill)
    assert len(calls) == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "a"]


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})
    files.write_json(tmp_path / "a.json", {"a": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_cache_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "chosen"))
    assert files.cache_folder() == tmp_path / "chosen"
    monkeypatch.delenv("RETINASYNTH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.cache_folder() == tmp_path / "xdg" / "retinasynth"
