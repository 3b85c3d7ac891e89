"""A search for settings: its space, its folds, its trials, and what it says."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import retinasynth as rs
from retinasynth.data.find import find_eyes
from retinasynth.errors import DataError, InputError, InterruptedRunError, MissingExtraError, SettingError
from retinasynth.generation.train import settings_of_preset
from retinasynth.intervals import bootstrap_difference
from retinasynth.pix2pix import train as trainer
from retinasynth.pix2pix.settings import Settings
from retinasynth.studies.comparison import read_measured
from retinasynth.studies.space import SPACE, Search, read_space, searched
from retinasynth.studies.tune import deal, settings_of
from retinasynth.studies.tuning_results import Trial, Tuning, best_of
from tiny import TINY

optuna = pytest.importorskip("optuna")

SETTINGS = [*TINY, "epochs=2", "checkpoint_every_steps=2"]
TABLE = """
optimiser.learning_rate: {low: 0.0001, high: 0.01, log: true}
training.batch_size: {choices: [1, 2]}
generator.filters: {low: 3, high: 5}
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(TABLE)
    return path


def tune(data: Path, space: Path, out: Path, *settings: str, trials: int = 3, prune: bool = False) -> Tuning:
    return rs.tune(
        data,
        out,
        trials=trials,
        measure="ssim",
        folds=2,
        overrides=[*SETTINGS, *settings],
        space=space,
        prune=prune,
    )


@pytest.fixture(scope="module")
def finished(phantoms: Path, space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three trials on two folds, by the command. Not to be changed."""
    out = tmp_path_factory.mktemp("search") / "out"
    chosen = [word for one in SETTINGS for word in ("--set", one)]
    words = ["tune", "--data", phantoms, "--out", out, "--trials", 3, "--measure", "ssim", "--folds", 2, *chosen]
    ended = subprocess.run(
        [sys.executable, "-m", "retinasynth.cli", *map(str, words), "--space", str(space)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Trial 3 of 3" in ended.stderr
    assert "best.yaml" in ended.stdout
    return out


def trials_in(out: Path) -> list[dict]:
    return json.loads((out / "tuning.json").read_text())["trials"]


# --- The space ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", list(Settings.presets))
def test_every_preset_lies_in_the_space(preset):
    assert searched(settings_of_preset(preset), None, []).keys() == SPACE.keys()


def test_what_set_fixes_is_not_searched_unless_a_space_says_so():
    overrides = ["training.batch_size=8", "l1_weight=7"]
    base = Settings().with_overrides(overrides)
    left = searched(base, None, overrides)
    assert left.keys() == SPACE.keys() - {"training.batch_size", "loss.l1_weight"}
    assert searched(base, {"l1_weight": Search(low=1, high=9)}, overrides).keys() == {"loss.l1_weight"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a", "holds list"),
        ("", "holds NoneType"),
        ("{}", "holds nothing to search"),
        ("a: [", "cannot be read as a space"),
        ("optimiser.beta1: {lower: 0.1, high: 0.2}", r"no setting 'optimiser\.beta1\.lower'; did you mean"),
        ("optimiser.beta1: {low: 0.2, high: 0.1}", "low and high, the first below the second"),
        ("optimiser.beta1: {low: 0.0, high: 0.1, log: true}", "log begins above 0"),
        ("optimiser.beta1: {low: 0.1, choices: [0.1, 0.2]}", "choices stand beside"),
        ("optimiser.beta1: {choices: [0.1]}", "at least two different"),
        ("optimiser.beta1: 0.1", "optimiser.beta1 is 0.1"),
    ],
)
def test_a_wrong_space_is_refused_and_named(text, says, tmp_path):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(SettingError, match=says):
        read_space(tmp_path / "space.yaml")


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"beta3": Search(low=0.1, high=0.9)}, "no setting 'beta3'"),
        ({"optimiser.beta1": Search(low=0.1, high=1.5)}, r"optimiser\.beta1 is '1\.5'"),
        ({"optimiser.beta1": Search(low=0.6, high=0.9)}, r"starts from optimiser\.beta1=0\.5"),
        ({"training.epochs": Search(low=1, high=90)}, r"changes training\.epochs, which all runs share"),
        ({"training.batch_size": Search(low=1, high=2.5)}, r"training\.batch_size is '2\.5'"),
    ],
)
def test_a_space_that_does_not_fit_the_settings_is_refused(space, says):
    with pytest.raises(SettingError, match=says):
        searched(Settings(), space, [])


# --- Folds -------------------------------------------------------------------------------------------------------


def test_folds_keep_persons_apart_and_are_of_about_one_size(phantoms):
    one = find_eyes(phantoms).eyes[0]
    people = [*range(7), *range(7), 0, 0]  # two eyes each, but four of the first
    files = [replace(one, name=f"{number:02d}", subject=f"p{person}") for number, person in enumerate(people)]
    parts = deal(files, 3)
    assert sorted(name for part in parts for name in part) == [files.name for files in files]
    whose = [{people[int(name)] for name in part} for part in parts]
    assert sum(map(len, whose)) == 7
    assert max(map(len, parts)) - min(map(len, parts)) <= 2
    assert deal(files[::-1], 3) == parts
    with pytest.raises(SettingError, match="folds is 8, and the training split has 7 subjects"):
        deal(files, 8)


def test_test_eyes_are_never_read(phantoms, space, tmp_path):
    shutil.copytree(phantoms, tmp_path / "set")
    for path in (tmp_path / "set" / "test").rglob("*.png"):
        path.write_bytes(b"not a picture")
    made = tune(tmp_path / "set", space, tmp_path / "out", trials=1)
    training = {files.name for files in find_eyes(phantoms).split("train")}
    assert made.trials[0].pictures.keys() == training
    for fold in (tmp_path / "out" / "folds").iterdir():
        found = find_eyes(fold)
        assert {files.name for files in found.eyes} == training
        assert not {one.subject for one in found.split("train")} & {one.subject for one in found.split("test")}


def test_trials_are_evaluated_on_the_validation_eyes_of_a_set(phantoms, space, tmp_path):
    shutil.copytree(phantoms, tmp_path / "set")
    moved = sorted(path.name for path in (tmp_path / "set" / "train" / "images").iterdir())[:1]
    for folder in list((tmp_path / "set" / "train").iterdir()):
        for path in [path for path in folder.iterdir() if path.stem == Path(moved[0]).stem]:
            (tmp_path / "set" / "val" / folder.name).mkdir(parents=True, exist_ok=True)
            path.rename(tmp_path / "set" / "val" / folder.name / path.name)
    made = tune(tmp_path / "set", space, tmp_path / "out", trials=1)
    held_out = {files.name for files in find_eyes(tmp_path / "set").split("val")}
    assert held_out == {Path(name).stem for name in moved}
    assert made.trials[0].pictures.keys() == held_out
    (fold,) = (tmp_path / "out" / "folds").iterdir()
    found = find_eyes(fold)
    assert {files.name for files in found.split("test")} == held_out
    assert len(found.split("train")) == len(find_eyes(tmp_path / "set").split("train"))
    assert made.about["Folds"] == "none: the 1 validation pictures were held out; test eyes were not used"


def test_the_code_of_the_labels_reaches_every_fold(coded, space, tmp_path):
    made = tune(coded, space, tmp_path / "out", "data.labels=artery-vein-index", trials=1)
    assert made.trials[0].pictures.keys() == {files.name for files in find_eyes(coded).split("train")}


# --- Whole searches ----------------------------------------------------------------------------------------------


def test_a_search_holds_trials_the_best_and_a_report(finished, phantoms):
    found = json.loads((finished / "tuning.json").read_text())
    first, *others = found["trials"]
    assert first["params"] == {
        "optimiser.learning_rate": 0.0002,
        "training.batch_size": 1,
        "generator.filters": 4,
    }
    for trial in others:
        assert 0.0001 <= trial["params"]["optimiser.learning_rate"] <= 0.01
        assert trial["params"]["training.batch_size"] in (1, 2)
        assert trial["params"]["generator.filters"] in (3, 4, 5)
    for trial in found["trials"]:
        folder = finished / "trials" / f"trial-{trial['number']:03d}"
        figures = {}
        for fold in ("fold-0", "fold-1"):
            measured = read_measured(folder / fold / "evaluation")
            figures |= dict(zip(measured.pictures, measured.each["ssim"], strict=True))
            settings = Settings.from_yaml(folder / fold / "run" / "config.yaml")
            assert settings.training.batch_size * settings.training.epochs * (2 // settings.training.batch_size) == 4
            assert not (folder / fold / "run" / "checkpoint").exists()
        assert trial["pictures"] == figures
        assert trial["value"] == pytest.approx(np.mean(list(figures.values())))
    best = max(found["trials"], key=lambda trial: trial["value"])
    assert found["best"] == best["number"]
    chosen = Settings.from_yaml(finished / "best.yaml")
    assert chosen.optimiser.learning_rate == best["params"]["optimiser.learning_rate"]
    assert chosen.training.batch_size == best["params"]["training.batch_size"]
    assert chosen.data.folder == ""
    assert chosen.training.epochs == 2
    run = rs.train(phantoms, finished.parent / "run", config=finished / "best.yaml")
    assert (run / "model" / "model.safetensors").is_file()


def test_the_difference_to_the_start_is_paired_by_picture(finished):
    found = json.loads((finished / "tuning.json").read_text())
    start, best = found["trials"][0], found["trials"][found["best"] - 1]
    assert found["best"] > 1
    names = sorted(start["pictures"])
    expected = bootstrap_difference(*([trial["pictures"][name] for name in names] for trial in (best, start)))
    assert found["best_minus_start"] == pytest.approx(expected.to_json())


def test_the_report_is_one_page_that_asks_for_nothing(finished):
    page = (finished / "report.html").read_text()
    assert page.count("<svg") == 1 + 3
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    addresses = set(re.findall(r"https?://[^\"'\s<>]*", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched


def test_the_storage_is_one_that_optuna_reads(finished):
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(finished / "study.journal"))
    )
    study = optuna.load_study(study_name="retinasynth", storage=storage)
    assert [trial.value for trial in study.trials] == [trial["value"] for trial in trials_in(finished)]
    assert all(line.startswith("{") for line in (finished / "study.journal").read_text().splitlines())


def test_stopped_and_gone_on_with_equals_undisturbed(finished, phantoms, space, tmp_path, monkeypatch):
    real_step, steps = trainer.adversarial_step, []

    def step(*arguments):
        steps.append(1)
        if len(steps) == 11:  # in the second trial or, with its larger batch, the third
            os.kill(os.getpid(), signal.SIGINT)
        return real_step(*arguments)

    monkeypatch.setattr(trainer, "adversarial_step", step)
    with pytest.raises(InterruptedRunError, match=r"Stopped in trial [23] of 3.*same command") as stopped:
        tune(phantoms, space, tmp_path / "out")
    assert stopped.value.exit_code == 130
    monkeypatch.setattr(trainer, "adversarial_step", real_step)
    tune(phantoms, space, tmp_path / "out")
    for name in ("tuning.json", "best.yaml", "report.html"):
        assert (tmp_path / "out" / name).read_bytes() == (finished / name).read_bytes(), name


def test_trials_can_be_added_and_are_those_of_a_longer_search(finished, phantoms, space, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "trials" / "trial-003")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    (tmp_path / "out" / "plan.json").write_text(json.dumps(plan | {"trials": 2}))
    tune(phantoms, space, tmp_path / "out")
    assert (tmp_path / "out" / "tuning.json").read_bytes() == (finished / "tuning.json").read_bytes()


def test_another_search_is_refused(finished, phantoms, space, tmp_path):
    with pytest.raises(InputError, match=r"settings optimiser\.beta1 was 0\.5, is 0\.6"):
        tune(phantoms, space, finished, "beta1=0.6")
    (tmp_path / "space.yaml").write_text(TABLE.replace("high: 5", "high: 6"))
    with pytest.raises(InputError, match=r"space generator\.filters high was 5\.0, is 6\.0"):
        tune(phantoms, tmp_path / "space.yaml", finished)
    with pytest.raises(InputError, match="trials was 3, is 2"):
        tune(phantoms, space, finished, trials=2)


def test_a_trial_that_diverges_is_recorded_and_stops_nothing(phantoms, space, tmp_path, monkeypatch):
    real_step = trainer.adversarial_step

    def step(fabric, learner, batch, weights):
        losses = real_step(fabric, learner, batch, weights)
        rate = learner.generator_optimiser.optimizer.param_groups[0]["lr"]
        return losses if rate == 0.0002 else dict.fromkeys(losses, torch.tensor(math.nan))

    monkeypatch.setattr(trainer, "adversarial_step", step)
    made = tune(phantoms, space, tmp_path / "out", trials=2)
    assert [trial.state for trial in made.trials] == ["finished", "diverged"]
    assert "is not a finite number" in made.trials[1].why
    assert made.trials[1].value is None
    assert made.verdict[0].startswith("No trial of 2 does better than the settings that the search started from")
    assert made.verdict[-1] == "Not finished: 1 diverged."
    assert "diverged" in (tmp_path / "out" / "report.html").read_text()


def test_a_trial_that_cannot_be_trained_is_recorded_and_stops_nothing(phantoms, tmp_path):
    too_large = {"training.batch_size": Search(choices=(1, 8))}
    made = rs.tune(phantoms, tmp_path, trials=3, measure="ssim", folds=2, overrides=SETTINGS, space=too_large)
    states = [(trial.params["training.batch_size"], trial.state) for trial in made.trials]
    assert set(states) == {(1, "finished"), (8, "impossible")}
    assert any(trial.why == "One step takes 8 pairs (batch_size x devices), but there are 2" for trial in made.trials)


def test_a_trial_sees_as_many_pictures_as_the_start_would():
    base = Settings().with_overrides(["epochs=2"])
    chosen = settings_of(base, {"training.batch_size": 4, "loss.ssim_weight": 3.0}, range(6))
    assert (chosen.training.batch_size, chosen.training.epochs, chosen.loss.ssim_weight) == (4, 3, 3.0)  # 12 of each


def test_hopeless_trials_are_given_up_where_that_is_asked_for(finished, phantoms, space, tmp_path, monkeypatch):
    monkeypatch.setattr("retinasynth.studies.tune.BEFORE_PRUNING", 1)
    shutil.copytree(finished, tmp_path / "out")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    (tmp_path / "out" / "plan.json").write_text(json.dumps(plan | {"prune": True, "trials": 2}))
    shutil.rmtree(tmp_path / "out" / "trials" / "trial-003")
    for number in (1, 2):  # as if both had been perfect
        path = tmp_path / "out" / "trials" / f"trial-{number:03d}" / "trial.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"by_fold": [1.0, 1.0]}))
    made = tune(phantoms, space, tmp_path / "out", prune=True)
    assert made.trials[2].state == "pruned"
    assert len(made.trials[2].by_fold) == 1
    assert not (tmp_path / "out" / "trials" / "trial-003" / "fold-1").exists()


def trial(number: int, value: float | None) -> Trial:
    return Trial(number, {}, "finished" if value is not None else "diverged", (value or 0.0,), {})


def test_the_best_trial_follows_the_direction_of_the_measure():
    trials = [trial(1, 0.5), trial(2, None), trial(3, 0.7), trial(4, 0.7), trial(5, 0.2)]
    assert best_of(trials, "ssim").number == 3
    assert best_of(trials, "mse").number == 5
    assert best_of([trial(1, None)], "mse") is None


def test_a_measure_that_does_not_exist_and_a_missing_extra_are_named(phantoms, tmp_path, monkeypatch):
    with pytest.raises(SettingError, match="no measure 'sim'; did you mean 'ssim'"):
        rs.tune(phantoms, tmp_path / "out", measure="sim")
    with pytest.raises(SettingError, match="folds is 9, and the training split has 4 subjects"):
        rs.tune(phantoms, tmp_path / "out", folds=9)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'retinasynth\[tune\]'"):
        rs.tune(phantoms, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_trial_is_named(finished, phantoms, space, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    (tmp_path / "out" / "trials" / "trial-002" / "trial.json").write_text("{")
    with pytest.raises(DataError, match=r"trial-002/trial\.json cannot be read as a trial"):
        tune(phantoms, space, tmp_path / "out")
