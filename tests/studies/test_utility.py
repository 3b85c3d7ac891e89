"""A study of training sets: who learns from what, runs that can be gone on with, and what it says."""

import json
import shutil
import sys

import pytest

from pictures import put_photograph
from retinasynth import cli
from retinasynth.anatomy.render.phantom import write_phantom_set
from retinasynth.data.find import find_eyes
from retinasynth.errors import DataError, InputError, SettingError
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.settings import flat
from retinasynth.studies import utility_runs as runs_module
from retinasynth.studies.arms import counts_of
from retinasynth.studies.utility import utility
from retinasynth.studies.utility_runs import BUDGET, bring_to_end, planned

TINY = ["field_px=64", "crop_px=64", "network.filters=2", "steps=2"]


@pytest.fixture(scope="module")
def done(phantoms, styled_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "study"
    made = utility(phantoms, out, eyes=["all"], seeds=1, synthetic=2, generator=str(styled_run), overrides=TINY)
    return out, made


def plan(phantoms, out, counts, seeds=2):
    base = SegmenterSettings.from_preset("vessels").with_overrides(BUDGET)
    training = find_eyes(phantoms).split("train")
    runs = planned(phantoms, training, out, base, counts, seeds, out / "procedural", out / "generated")
    return {(run.arm.name, run.count, run.seed): run for run in runs}


# --- Who learns from what ----------------------------------------------------------------------------------------


def test_arms_differ_in_what_they_learn_from_and_in_nothing_else(phantoms, tmp_path):
    runs = plan(phantoms, tmp_path, [1, 4], seeds=1)
    of = {name: flat(run.settings) for (name, count, _), run in runs.items() if count in (0, 4)}
    classical = of["real + classical"]
    augmentation = {name for name in classical if name.startswith("augmentation.")}

    def differs(name):
        return {setting for setting, value in of[name].items() if value != classical[setting]}

    assert differs("real only") == augmentation
    assert of["real only"]["augmentation.photometric"] == of["real only"]["augmentation.rotation_deg"] == 0
    assert all(differs(name) == set() for name in of if name != "real only")
    sources = {name: run.data for (name, count, _), run in runs.items() if count in (0, 4)}
    real = sources["real + classical"]
    assert sources["real only"] == real
    assert sources["real + procedural"] == (*real, *sources["procedural only"])
    assert sources["real + generated"] == (*real, *sources["generated only"])
    assert sources["procedural only"] != sources["generated only"]
    assert {(name, count) for name, count, _ in runs if "generated" in name} == {
        ("real + generated", 4),
        ("generated only", 4),
    }


def test_few_eyes_are_the_same_in_all_arms_and_nobody_else_is_seen(phantoms, tmp_path):
    runs = plan(phantoms, tmp_path, [1, 3], seeds=6)
    chosen = {}
    for (_, count, seed), run in runs.items():
        for folder in run.data:
            if folder.name in ("procedural", "generated"):
                continue
            eyes = find_eyes(folder)
            assert not eyes.split("test")
            chosen.setdefault((count, seed), set()).add(frozenset(files.name for files in eyes.split("train")))
    assert all(len(sets) == 1 for sets in chosen.values())  # one choice for all arms
    names = {key: next(iter(sets)) for key, sets in chosen.items()}
    assert all(len(names[count, seed]) == count for count, seed in names)
    assert all(names[1, seed] <= names[3, seed] for seed in range(6))
    assert len({names[1, seed] for seed in range(6)}) > 1  # which eye it is, the seed decides


# --- Runs --------------------------------------------------------------------------------------------------------


def test_a_study_compares_every_arm_on_the_test_eyes(done):
    out, made = done
    assert [(point.arm, point.count) for point in made.points] == [
        ("procedural only", 0),
        *((name, 4) for name in ("real only", "real + classical", "real + procedural", "real + generated")),
        ("generated only", 4),
    ]
    rows = json.loads((out / "runs" / "4" / "real-only" / "seed-0" / "figures.json").read_text())
    assert [row["name"] for row in rows] == ["phantom_004", "phantom_005"]
    assert made.points[1].measures["dice"].mean == pytest.approx((rows[0]["dice"] + rows[1]["dice"]) / 2)
    effect = next(effect for effect in made.effects if effect.first == "real + procedural")
    means = {point.arm: point.measures["auc"].mean for point in made.points}
    assert effect.measures["auc"].mean == pytest.approx(means["real + procedural"] - means["real + classical"])
    assert {"utility.json", "utility.csv", "figure.svg", "report.html"} <= {path.name for path in out.iterdir()}
    assert not list(out.glob("runs/*/*/*/run/model"))
    assert len(next(iter(made.pictures.values()))) == 2 + 6


def test_a_study_that_was_stopped_goes_on_and_finds_the_same(done, phantoms, styled_run, tmp_path, monkeypatch):
    out, made = done
    shutil.copytree(out, tmp_path / "again")
    (tmp_path / "again" / "runs" / "4" / "real-only" / "seed-0" / "figures.json").unlink()
    trained = []
    train = runs_module.segmentation.train
    monkeypatch.setattr(runs_module.segmentation, "train", lambda *given: trained.append(given[1]) or train(*given))
    again = utility(
        phantoms, tmp_path / "again", eyes=["4"], seeds=1, synthetic=2, generator=str(styled_run), overrides=TINY
    )
    assert [path.parent.parent.name for path in trained] == ["real-only"]
    assert again.to_json() == made.to_json()


def test_the_code_of_labels_is_not_said_of_grown_eyes(coded, styled_run, tmp_path):
    chosen = [*TINY, "data.labels=artery-vein-index"]
    made = utility(coded, tmp_path, eyes=["all"], seeds=1, synthetic=2, generator=str(styled_run), overrides=chosen)
    assert len({point.arm for point in made.points}) == 6


def test_a_run_goes_on_from_its_checkpoint(phantoms, tmp_path, monkeypatch):
    test_files = find_eyes(phantoms).split("test")
    base = SegmenterSettings.from_preset("vessels").with_overrides([*BUDGET, *TINY])
    run = planned(phantoms, find_eyes(phantoms).split("train"), tmp_path, base, [1], 1, tmp_path, None)[1]
    load = runs_module.load_segmenter
    monkeypatch.setattr(runs_module, "load_segmenter", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # stopped between training and evaluation
        bring_to_end(run, test_files=test_files)
    monkeypatch.setattr(runs_module, "load_segmenter", load)
    monkeypatch.setattr(runs_module.segmentation, "train", lambda *_: 1 / 0)  # nothing is trained anew
    bring_to_end(run, test_files=test_files)
    assert len(json.loads((run.folder / "figures.json").read_text())) == 2


# --- Wrong input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eyes", [["0"], ["some"], ["-1"], []])
def test_numbers_of_eyes_are_checked(eyes, tmp_path):
    with pytest.raises(SettingError, match="`eyes` is"):
        counts_of(eyes, 20, name="eyes", least=1, where=tmp_path, what="training eyes")


def test_more_eyes_than_there_are_is_an_error(phantoms, tmp_path):
    with pytest.raises(DataError, match=r"has 4 training eyes with vessels, but 5 are asked for"):
        utility(phantoms, tmp_path / "out", seeds=1)
    assert not (tmp_path / "out").exists()


def test_photographs_without_vessels_are_an_error(tmp_path, monkeypatch, capfd):
    for number in range(4):
        put_photograph(tmp_path / "eyes" / f"{number}.png", number)
    monkeypatch.setattr(sys, "argv", ["retinasynth", "utility", "--data", str(tmp_path / "eyes"), "--out", "nowhere"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert "no training eye with a photograph and labels of vessels" in " ".join(capfd.readouterr().err.split())


def test_another_study_in_the_folder_is_refused(done, phantoms, styled_run):
    out, _ = done
    with pytest.raises(InputError, match=r"settings training.steps was 2, is 3"):
        utility(
            phantoms, out, eyes=["1"], seeds=1, synthetic=2, generator=str(styled_run), overrides=[*TINY, "steps=3"]
        )


def test_test_eyes_in_training_are_refused(tmp_path):
    write_phantom_set(tmp_path / "eyes", train=2, test=2, size_px=96)
    for plane in (tmp_path / "eyes" / "train").iterdir():
        shutil.copy(plane / "phantom_000.png", tmp_path / "eyes" / "test" / plane.name / "phantom_003.png")
    with pytest.raises(DataError, match="test eyes stand in training"):
        utility(tmp_path / "eyes", tmp_path / "out", eyes=["1"], seeds=1)
