"""The commands as users type them: every one has help and stands in the docs; wrong input gets one clear error."""

import ast
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.table import Column, Table

import retinasynth
import retinasynth as rs
from commands import does, fails, run
from pictures import put_chasedb1, put_mask, put_photograph
from retinasynth import cli, images
from retinasynth.anatomy.grow import grow
from retinasynth.cli import shell
from retinasynth.errors import SettingError
from retinasynth.eye.label_map import write_label_map
from retinasynth.generation.train import settings_of_preset
from retinasynth.pix2pix.settings import Settings
from retinasynth.progress import progress, stages

DOCS = Path(__file__).parents[2] / "docs"


reference = runpy.run_path(str(DOCS / "reference.py"))
COMMANDS = dict(reference["commands"]())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_command_that_is_asked_to_end_says_that_it_stopped(number, monkeypatch, capfd):
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of a shell ignore it
    monkeypatch.setattr(sys, "argv", ["retinasynth", "data", "inspect", "phantom"])
    monkeypatch.setattr("retinasynth.data.inspect.inspect_data", lambda *_, **__: signal.raise_signal(number))
    try:
        with pytest.raises(SystemExit) as left:
            cli.main()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert (left.value.code, capfd.readouterr().err) == (130, "Stopped.\n")


# --- Help and documentation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help_and_stands_in_the_docs(name):
    assert COMMANDS[name].help
    section = (DOCS / "commands.md").read_text().split(f"## `{name}`")[1].split("\n## ")[0]
    for option in reference["shown"](COMMANDS[name]):
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


def test_the_main_job_from_a_set_as_published(tmp_path, monkeypatch, capfd):
    """Prepare, train, generate one and many and panels, evaluate: each command as a user types it."""
    eyes, out = put_chasedb1(tmp_path / "chasedb1", children=(9, 10, 11, 12)), tmp_path / "out"
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
        said = does(monkeypatch, capfd, *words)
    assert len(list((out / "data" / "train" / "images").iterdir())) == 16
    assert images.read_photograph(out / "one.png").shape == (32, 34, 3)  # the shape of the mask
    assert len(list((out / "many" / "images").iterdir())) == 20
    assert len(list((out / "panels").iterdir())) == 2
    assert (out / "evaluation" / "report.html").stat().st_size > 10_000
    assert "SSIM" in said.out
    assert "1.0000" in said.out


def test_two_folders_serve_every_command_that_takes_pairs(tmp_path, monkeypatch, capfd):
    for seed, name in enumerate("abcde"):
        put_photograph(tmp_path / "camera" / f"{name}.png", seed, 64, 64)
        put_mask(tmp_path / "drawn" / f"{name}_mask.png", seed, 64, 64)
    monkeypatch.chdir(tmp_path)
    both = ("--images", "camera", "--masks", "drawn")
    tiny = ["size_px=32", "generator.depth=3", "generator.filters=2", "discriminator.filters=2", "epochs=1"]
    does(monkeypatch, capfd, "train", *both, "--out", "run", *(word for one in tiny for word in ("--set", one)))
    monkeypatch.chdir("/")  # the run knows its data from anywhere
    does(monkeypatch, capfd, "train", "--resume", tmp_path / "run", "--set", "epochs=2")
    monkeypatch.chdir(tmp_path)
    does(monkeypatch, capfd, "evaluate", "--model", "run", *both, "--out", "evaluation", "--pairs-only")
    does(monkeypatch, capfd, "data", "prepare", *both, "--out", "data", "--size", 64)
    does(monkeypatch, capfd, "data", "nnunet", *both, "--out", "Dataset001_eyes")
    does(monkeypatch, capfd, "overlay", *both, "--out", "overlays")
    assert "5 pairs" in does(monkeypatch, capfd, "data", "inspect", "camera::drawn").out
    for words, message in (
        (("--images", "camera"), "--images is given alone"),
        (("--masks", "drawn"), "--masks is given alone"),
        (("data", *both), "DIR, --images and --masks are given together"),
        ((), "DIR is missing"),
    ):
        assert message in fails(monkeypatch, capfd, "data", "inspect", *words)


def test_settings_are_shown_and_printed_as_a_file(tmp_path):
    shown = run("settings", "--preset", "demo", "--yaml", "--set", "epochs=3").stdout
    (tmp_path / "mine.yaml").write_text(shown)
    assert Settings.from_yaml(tmp_path / "mine.yaml") == settings_of_preset("demo").with_overrides(["epochs=3"])
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
        (["--set", "epochs"], "--set 'epochs' has no '='"),
        (["--set", "filters=8"], "--set filters is ambiguous"),
        (["--set", "epoch=3"], "no setting 'epoch'; did you mean 'epochs'"),
        (["--set", "learning_rate=-1"], "learning_rate is '-1'"),
        (["--set", "size_px=300"], "nearest: 256"),
        (["--set", "batch_size=64", "--set", "size_px=256"], "takes 64 pairs"),
        (["--preset", "sourse"], "did you mean 'source'"),
        (["--config", "nowhere.yaml"], "cannot be read"),
        (["--preset", "demo", "--config", "x.yaml"], "are given together"),
        (["--resume", "x"], "--resume is given with"),
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
    (folder / "metrics.jsonl").write_text('{"step": 400}\n')  # it had come to its first checkpoint
    return folder


def library_messages() -> list[str]:
    """What our errors in the library say, piece by piece, without the whole commands that some name."""
    package = Path(retinasynth.__file__).parent
    return [
        re.sub(r"`[a-z]+ [^`]*`|^ --resume $", "", text.value)
        for path in package.rglob("*.py")
        if path.parent.name != "cli"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error")
        for text in ast.walk(node)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    ]


def test_parameters_in_errors_become_flags_on_the_command_line():
    messages = library_messages()
    assert len(messages) > 500
    assert [message for message in messages if "--" in message] == []
    named = {name for message in messages for name in re.findall(r"`(\w+)`", message)}
    assert {"out", "style", "overrides"} < named
    flags = {spelling for command in COMMANDS.values() for option in command.params for spelling in option.opts}
    assert {shell.in_flags(f"`{name}`") for name in named} <= flags


# --- Old spellings -------------------------------------------------------------------------------------------------


def test_old_spellings_go_on_working_and_name_the_new_ones(tmp_path, monkeypatch, capfd):
    for folder, words in (
        ("new", ("--people", "child", "--anatomy", "cup_to_disc=0.7", "--anatomy", "notch=0.5")),
        ("old", ("--preset", "child", "--set", "cup_to_disc=0.7", "--set", "notch=0.5")),
    ):
        monkeypatch.setattr(
            sys, "argv", ["retinasynth", "grow", "--out", str(tmp_path / folder), "--size", "64", *words]
        )
        with pytest.raises(SystemExit) as left:
            cli.main()
        told = "--preset is now --people here\n--set is now --anatomy here\n" if folder == "old" else ""
        assert (left.value.code, capfd.readouterr().err.partition("Growing")[0]) == (0, told)
    made = {file.relative_to(tmp_path / "new"): file.read_bytes() for file in (tmp_path / "new").rglob("*.png")}
    assert len(made) > 5
    assert all((tmp_path / "old" / file).read_bytes() == content for file, content in made.items())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("grow", "--out", "o", "--people", "child", "--preset", "adult"), "--preset and --people are given together"),
        (("grow", "--out", "o", "--anatomy", "notch=0", "--set", "notch=0"), "--set and --anatomy are given together"),
        (("whatif", "--out", "o", "--cup", 0.8, "--eye", 0, "--grown", 0), "--grown and --eye are given together"),
        (
            ("utility", "--data", "d", "--out", "o", "--grown", "notch=0", "--anatomy", "notch=0"),
            "--grown and --anatomy are given together",
        ),
        (
            ("detection", "--data", "d", "--out", "o", "--grown", "notch=0", "--anatomy", "notch=0"),
            "--grown and --anatomy are given together",
        ),
    ],
)
def test_an_old_and_a_new_spelling_together_are_refused(words, message, monkeypatch, capfd):
    assert message in fails(monkeypatch, capfd, *words)


def test_old_spellings_are_not_listed():
    old = [option.opts for command in COMMANDS.values() for option in command.params if option.name.startswith("old_")]
    assert len(old) == 9
    for command in COMMANDS.values():
        assert not [option for option in reference["shown"](command) if option.name.startswith("old_")]


def test_in_python_too_preset_is_now_people():
    with pytest.warns(DeprecationWarning, match="preset is now called people"):
        old = rs.grow(3, 64, preset="child")
    new = rs.grow(3, 64, people="child")
    assert all((mask == new.planes[plane]).all() for plane, mask in old.planes.items())
    with pytest.warns(DeprecationWarning, match="preset is now called people"):
        assert rs.stream(size_px=64, preset="child").preset == "child"
    with pytest.raises(SettingError, match="people and preset are given together"):
        rs.grow(3, 64, people="adult", preset="child")


# --- What is printed -----------------------------------------------------------------------------------------------

MARKUP = ("eyes[new]", "eyes[bold", "[/c]", "c[/]", "[red]eyes", ":eye:", "eyes\\", "[link=file:x]eyes[/link]")


def ends_well(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command prints while it succeeds; run in this process, to be quick."""
    monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    printed = capfd.readouterr()
    assert not left.value.code, printed.err
    return printed.out


@pytest.mark.parametrize("name", MARKUP)
def test_names_that_look_like_markup_are_printed_as_they_are(name, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert f"{name}: 1 eyes" in ends_well(monkeypatch, capfd, "grow", "--out", name, "--size", 32, "--labels-only")
    said = ends_well(monkeypatch, capfd, "overlay", name, "--out", f"{name}-drawn")
    assert f"{name}-drawn: 1 overlay" in said
    assert f"{name}-none does not exist." in fails(
        monkeypatch, capfd, "train", "--data", f"{name}-none", "--out", tmp_path / "run"
    )
    shown = ends_well(monkeypatch, capfd, "settings", "--preset", "few-shot", "--set", f"start_from={name}")
    assert name[:9] in shown  # in a table, whose cells are narrow


def test_tables_and_what_one_is_pointed_to_are_printed_as_they_are(capfd):
    for name in MARKUP:
        shell.point_to("Open", Path(name))
        table = Table(Column(name, no_wrap=True), title=name)
        table.add_row(name)
        shell.screen.print(table)
        shell.screen.print(name)
        said = capfd.readouterr().out
        assert f"Open {name}\n" in said
        assert said.count(name) == 5


@pytest.mark.parametrize("name", MARKUP)
@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_and_warnings_say_names_as_they_are(name, is_terminal, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1") if is_terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with progress(f"Reading {name}", 2) as advance:
        advance(2, f"note {name}")
    stages("Run", 2)(1, name)
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capfd.readouterr().err)
    assert f"Reading {name}" in said
    assert f"note {name}" in said
    assert f"Run 1 of 2: {name}\n" in said


def test_warnings_are_printed_as_they_are():
    said = f"from retinasynth import cli; import logging; cli.app = lambda: logging.warning({' '.join(MARKUP)!r})"
    command = [sys.executable, "-c", f"{said}; cli.main()"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "200"})
    assert " ".join(MARKUP) in ended.stderr


def test_no_other_module_opens_a_screen_of_its_own():
    """Else names would be read as markup there."""
    package = Path(retinasynth.__file__).parent
    opening = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in ("rich", "rich.console", "rich.markup")
    ]
    assert opening == ["progress.py"]


# --- Names that are not UTF-8 --------------------------------------------------------------------------------------

FOREIGN = "caf\udce9"  # as Python has the name whose last byte is E9


@pytest.mark.parametrize(
    "words",
    [
        ("grow", "--out", FOREIGN),
        ("train", "--data", FOREIGN, "--out", "run"),
        ("data", "prepare", "eyes", "--out", FOREIGN),
        ("generate", "--model", FOREIGN, "--masks", "a.png", "--out", "o"),
        ("segment", "predict", f"{FOREIGN}.png", "--out", "o"),
        (FOREIGN,),
    ],
)
def test_arguments_that_are_not_utf8_are_refused(words, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    said = fails(monkeypatch, capfd, *words)
    assert re.search(r"caf\\udce9(\.png)? is not UTF-8\. Expected: names in UTF-8", said)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Three pairs, of which one has a name that is not UTF-8."""
    folder = pairs(tmp_path / "set")
    for place in ("images", "masks"):
        (folder / place / "1.png").rename(folder / place / f"{FOREIGN}.png")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--data", "set", "--out", "out"),
        ("data", "prepare", "set", "--out", "out"),
        ("data", "nnunet", "set", "--out", "Dataset001_X"),
        ("evaluate", "--model", "MODEL", "--data", "set", "--out", "out"),
        ("evaluate", "--real", "set/images", "--fake", "set/images", "--out", "out"),
        ("generate", "--model", "MODEL", "--masks", "set/masks", "--out", "out"),
        ("segment", "predict", "set/images", "--out", "out"),
        ("segment", "label", "--data", "set/images", "--out", "out"),
        ("segment", "train", "--data", "set", "--out", "out"),
        ("enhance", "apply", "set/images", "--out", "out"),
        ("adapt", "--photos", "set/images", "--out", "out"),
        ("measure", "set"),
        ("overlay", "set", "--out", "out"),
    ],
)
def test_pictures_whose_names_are_not_utf8_are_refused(words, foreign, monkeypatch, capfd, trained):
    monkeypatch.chdir(foreign.parent)
    said = fails(monkeypatch, capfd, *(trained if word == "MODEL" else word for word in words))
    assert re.search(r"caf\\udce9\.png is not UTF-8\. Expected: names in UTF-8 What to do: Rename", said)
    assert not [path for path in foreign.parent.rglob("*") if path.is_file() and foreign not in path.parents]


def test_an_inspection_says_which_name_is_not_utf8(foreign, monkeypatch, capfd):
    assert r"caf\udce9.png is not UTF-8" in inspected(monkeypatch, capfd, foreign)
    (foreign / "images" / f"{FOREIGN}.png").rename(foreign / "images" / "cafe.png")
    assert r"masks/caf\udce9.png, images/cafe.png without partner" in inspected(monkeypatch, capfd, foreign)


def inspected(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], folder: Path) -> str:
    """What `data inspect` says of a set with a problem."""
    monkeypatch.setattr(sys, "argv", ["retinasynth", "data", "inspect", str(folder)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    return capfd.readouterr().out


def test_a_terminal_that_cannot_show_a_name_ends_no_command(tmp_path):
    write_label_map(tmp_path / "eyes", grow(1, 64))
    command = [sys.executable, "-m", "retinasynth.cli", "overlay", "eyes", "--out", "眼"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (ended.returncode, ended.stdout) == (0, "\\u773c: 1 overlay\n"), ended.stderr


def test_bench_reports_a_ratio_of_what_it_measured():
    from retinasynth.studies.bench import run_bench

    result = run_bench(preset="demo", turns=1, steps=2)
    ours, plain = result.ours[0], result.plain[0]
    written = json.loads(json.dumps(result.to_json()))
    assert written["step_ratio"] == pytest.approx(plain.step_seconds / ours.step_seconds)
    assert written["picture_ratio"] == pytest.approx(plain.picture_seconds / ours.picture_seconds)
    assert written["pictures_per_second"] == pytest.approx(1 / ours.picture_seconds)
    assert 0 < ours.picture_seconds < ours.step_seconds
    assert 0 <= written["data_wait"] < 1
    assert written["ours"][0]["memory_mib"] > 100
