"""The commands as users type them: every one has help and stands in the docs; wrong input gets one clear error."""

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import put_chasedb1, put_mask, put_photograph
from retinasynth import cli, images
from retinasynth.config import Settings

DOCS = Path(__file__).parent.parent / "docs"


reference = runpy.run_path(str(DOCS / "reference.py"))
COMMANDS = dict(reference["commands"]())


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "retinasynth.cli", *map(str, words)], capture_output=True, text=True, check=False
    )


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_command_that_is_asked_to_end_says_that_it_stopped(number, monkeypatch, capfd):
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(sys, "argv", ["retinasynth", "data", "inspect", "phantom"])
    monkeypatch.setattr("retinasynth.datasets.inspection.inspect_data", lambda *_, **__: signal.raise_signal(number))
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert (left.value.code, capfd.readouterr().err) == (130, "Stopped.\n")


@pytest.mark.parametrize("name", ["eyes[new]", "b[/c]", "[red]x", ":smile:", "[link=x]"])
def test_names_are_printed_as_they_are(name, tmp_path):
    out = tmp_path / name
    ended = run("grow", "--count", 1, "--size", 64, "--workers", 1, "--out", out)
    assert (ended.returncode, name in ended.stdout) == (0, True), ended
    (out / "growing.json").write_text("{}")
    ended = run("grow", "--count", 1, "--size", 64, "--workers", 1, "--out", out)
    assert (ended.returncode, name in " ".join(ended.stderr.split())) == (1, True), ended
    assert "Traceback" not in ended.stderr


def test_a_name_that_is_not_utf8_is_refused_in_a_sentence(tmp_path):
    foreign = os.fsdecode(b"caf\xe9")
    for side in ("images", "masks"):
        put = put_photograph if side == "images" else put_mask
        put(tmp_path / "eyes" / side / f"{foreign}.png", 1, 64, 64)
    commands = (
        ("data", "inspect", tmp_path / "eyes"),
        ("train", "--data", tmp_path / "eyes", "--out", tmp_path / "run"),
        ("data", "prepare", tmp_path / "eyes", "--out", tmp_path / "prepared"),
        ("segment", "predict", tmp_path / "eyes" / "images", "--out", tmp_path / "labels"),
        ("grow", "--count", 1, "--out", tmp_path / foreign),
    )
    for words in commands:
        ended = subprocess.run(
            [sys.executable, "-m", "retinasynth.cli", *map(str, words)], capture_output=True, check=False
        )
        said = " ".join(ended.stderr.decode(errors="replace").split())
        assert ended.returncode == 1, said
        assert "is not UTF-8" in said
        assert "Traceback" not in said


# --- Help and documentation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help_and_stands_in_the_docs(name):
    assert COMMANDS[name].help
    section = (DOCS / "commands.md").read_text().split(f"## `{name}`")[1].split("\n## ")[0]
    for option in COMMANDS[name].params:
        assert option.help, f"{name}: {option.name} has no help"
        assert all(f"`{spelling}" in section for spelling in option.opts if spelling.startswith("-")), option.name


@pytest.mark.parametrize("page", ["commands", "settings", "parameters"])
def test_reference_pages_are_what_the_code_says(page):
    assert (DOCS / f"{page}.md").read_text() == reference[f"{page}_page"](), "run: make docs"


def test_help_and_version_answer_without_torch():
    check = "import sys; from retinasynth.cli import app; app(['--help'], standalone_mode=False)"
    check += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False, capture_output=True).returncode == 0
    assert run("--version").stdout.startswith("retinasynth 0.")


# --- The main job ------------------------------------------------------------------------------------------------


def test_the_main_job_from_a_set_as_published(tmp_path):
    """Prepare, train, generate one and many and panels, evaluate: each command as a user types it."""
    eyes, out = put_chasedb1(tmp_path / "chasedb1"), tmp_path / "out"
    tiny = ["size_px=32", "generator.depth=3", "generator.filters=2", "discriminator.filters=2", "epochs=1"]
    steps = [
        ("data", "prepare", eyes, "--out", out / "data", "--recipe", "kaggle", "--size", 64),
        ("train", "--data", out / "data", "--out", out / "run", *(word for one in tiny for word in ("--set", one))),
        ("generate", "--model", out / "run", "--masks", eyes / "Image_11L_1stHO.png", "--out", out / "one.png"),
        (
            "generate",
            "--model",
            out / "run" / "model",
            "--masks",
            out / "data",
            "--out",
            out / "many",
            "--size",
            "mask",
        ),
        ("generate", "--model", out / "run", "--random", 2, "--data", out / "data", "--out", out / "panels"),
        ("evaluate", "--model", out / "run", "--data", out / "data", "--out", out / "evaluation"),
        (
            "evaluate",
            "--real",
            out / "data" / "test" / "images",
            "--fake",
            out / "data" / "test" / "images",
            "--out",
            out / "same",
        ),
    ]
    for words in steps:
        ended = run(*words)
        assert ended.returncode == 0, ended.stderr
    assert len(list((out / "data" / "train" / "images").iterdir())) == 80
    assert images.read_photograph(out / "one.png").shape == (32, 32, 3)
    assert len(list((out / "many" / "images").iterdir())) == 88
    assert len(list((out / "panels").iterdir())) == 2
    assert (out / "evaluation" / "report.html").stat().st_size > 10_000
    assert "SSIM" in ended.stdout
    assert "1.0000" in ended.stdout


def test_settings_are_shown_and_printed_as_a_file(tmp_path):
    shown = run("settings", "--preset", "demo", "--yaml", "--set", "epochs=3").stdout
    (tmp_path / "mine.yaml").write_text(shown)
    assert Settings.from_yaml(tmp_path / "mine.yaml") == Settings.from_preset("demo").with_overrides(["epochs=3"])
    assert "l1_weight" in run("settings").stdout


# --- Wrong input -------------------------------------------------------------------------------------------------


def pairs(folder: Path) -> Path:
    for number in range(3):
        put_photograph(folder / "images" / f"{number}.png", seed=number)
        put_mask(folder / "masks" / f"{number}.png", seed=number)
    return folder


def spoil(folder: Path, kind: str) -> None:
    photograph, mask = folder / "images" / "1.png", folder / "masks" / "1.png"
    if kind == "unpaired":
        mask.unlink()
    elif kind == "truncated":
        photograph.write_bytes(photograph.read_bytes()[:-40])
    elif kind == "CMYK":
        photograph.unlink()
        Image.new("CMYK", (32, 32)).save(folder / "images" / "1.jpg")
    elif kind == "16-bit":
        Image.fromarray(np.full((32, 32), 999, np.uint16)).save(photograph)
    elif kind == "all black":
        images.write_mask(mask, np.zeros((32, 32), bool))
    elif kind == "other shape":
        put_mask(mask, height=16, width=32)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("unpaired", "without partner: images/1.png"),
        ("truncated", "1.png is damaged or cut short"),
        ("CMYK", "1.jpg is stored in colour mode CMYK"),
        ("16-bit", "1.png has more than 8 bits"),
        ("all black", "1.png is all black"),
        ("other shape", "1.png is 16 x 32 px, but"),
    ],
)
def test_bad_pairs_stop_a_training_before_it_begins(kind, message, tmp_path, monkeypatch, capfd):
    folder = pairs(tmp_path / "set")
    spoil(folder, kind)
    assert message in fails(monkeypatch, capfd, "train", "--data", folder, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert message in fails(monkeypatch, capfd, "data", "prepare", folder, "--out", tmp_path / "prepared")


def test_bad_folders_are_named(tmp_path, monkeypatch, capfd):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, message in (("nowhere", "does not exist"), ("empty", "Expected"), ("file", "is a file")):
        said = fails(monkeypatch, capfd, "train", "--data", tmp_path / name, "--out", tmp_path / "run")
        assert name in said
        assert message in said
        said = fails(monkeypatch, capfd, "data", "prepare", tmp_path / name, "--out", tmp_path / "out")
        assert message in said
    said = fails(monkeypatch, capfd, "train", "--data", pairs(tmp_path / "set"), "--out", tmp_path / "file")
    assert "is a file" in said
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "epoch=3"], "no setting 'epoch'; did you mean 'epochs'"),
        (["--set", "learning_rate=-1"], "learning_rate is '-1'"),
        (["--set", "size_px=300"], "nearest: 256"),
        (["--set", "batch_size=64", "--set", "size_px=256"], "takes 64 pairs"),
        (["--preset", "sourse"], "did you mean 'source'"),
        (["--config", "nowhere.yaml"], "cannot be read"),
        (["--preset", "demo", "--config", "x.yaml"], "stand together"),
        (["--resume", "x"], "--resume stands beside"),
    ],
)
def test_impossible_settings_are_refused(words, message, tmp_path, monkeypatch, capfd):
    folder = pairs(tmp_path / "set")
    assert message in fails(monkeypatch, capfd, "train", "--data", folder, "--out", tmp_path / "run", *words)
    assert not (tmp_path / "run").exists()


def test_incomplete_commands_say_what_they_need(tmp_path, monkeypatch, capfd, trained):
    assert "--data or --out is missing" in fails(monkeypatch, capfd, "train")
    for words in ([], ["--masks", "a", "--random", "2"], ["--random", "2"], ["--masks", "a", "--data", "b"]):
        said = fails(monkeypatch, capfd, "generate", "--model", trained, "--out", tmp_path / "o", *words)
        assert "--masks PATH, or --count N, or --random N with --data DIR" in said
    for words in ([], ["--model", trained], ["--real", "a"], ["--model", "a", "--data", "b", "--fake", "c"]):
        said = fails(monkeypatch, capfd, "evaluate", "--out", tmp_path / "o", *words)
        assert "--model with --data, or --real with --fake" in said


def test_bad_models_and_masks_are_named(tmp_path, monkeypatch, capfd, trained):
    mask = put_mask(tmp_path / "a.png")
    said = fails(monkeypatch, capfd, "generate", "--model", tmp_path, "--masks", mask, "--out", tmp_path / "o")
    assert "has no config.json and no model.safetensors" in said
    said = fails(
        monkeypatch, capfd, "generate", "--model", trained, "--masks", tmp_path / "no", "--out", tmp_path / "o"
    )
    assert "no does not exist" in said
    size = ["--size", "huge"]
    said = fails(monkeypatch, capfd, "generate", "--model", trained, "--masks", mask, "--out", tmp_path / "o", *size)
    assert "--size is 'huge'" in said
    assert "has no checkpoint" in fails(monkeypatch, capfd, "train", "--resume", bare_run(tmp_path / "bare"))
    assert "is not a run folder" in fails(monkeypatch, capfd, "train", "--resume", tmp_path)
    assert not (tmp_path / "o").exists()


def bare_run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(Settings().to_yaml())
    return folder


def test_text_in_brackets_is_printed_as_it_is(tmp_path, monkeypatch, capfd):
    assert "[red]" in fails(monkeypatch, capfd, "train", "--data", tmp_path / "[red]", "--out", tmp_path / "run")


def test_bench_reports_a_ratio_of_what_it_measured():
    from retinasynth.experiments.bench import run_bench

    result = run_bench(preset="demo", turns=1, steps=2)
    ours, plain = result.ours[0], result.plain[0]
    written = json.loads(json.dumps(result.to_json()))
    assert written["step_ratio"] == pytest.approx(plain.step_seconds / ours.step_seconds)
    assert written["picture_ratio"] == pytest.approx(plain.picture_seconds / ours.picture_seconds)
    assert written["pictures_per_second"] == pytest.approx(1 / ours.picture_seconds)
    assert 0 < ours.picture_seconds < ours.step_seconds
    assert 0 <= written["data_wait"] < 1
    assert written["ours"][0]["memory_mib"] > 100
