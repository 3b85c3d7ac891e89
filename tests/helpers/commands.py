"""The commands, run in a process of their own or in this one."""

import subprocess
import sys

import pytest
from _pytest.capture import CaptureResult

from retinasynth import cli


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "retinasynth.cli", *map(str, words)], capture_output=True, text=True, check=False
    )


def does(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object) -> CaptureResult[str]:
    """What the command says while it does what it is asked; run in this process, to be quick."""
    monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capfd.readouterr()
    assert not left.value.code, said.err
    return said


def fails(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command says while it fails with exit code 1; run in this process, to be quick."""
    monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = " ".join(capfd.readouterr().err.split())
    assert left.value.code == 1, said
    assert said.startswith("Error: ")
    assert "Traceback" not in said
    return said
