"""An ablation: its table, its arithmetic, its runs, and what it says."""

import csv
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import retinasynth as rs
from pictures import put_chasedb1
from retinasynth import cli
from retinasynth.anatomy.render.phantom import write_phantom_set
from retinasynth.data.find import find_eyes
from retinasynth.data.selection import write_selection
from retinasynth.errors import DataError, ImageError, InputError, InterruptedRunError, OutputError, SettingError
from retinasynth.generation.train import settings_of_preset
from retinasynth.intervals import bootstrap_difference
from retinasynth.pix2pix import train as trainer
from retinasynth.pix2pix.settings import Settings
from retinasynth.studies.ablation_results import Ablation
from retinasynth.studies.comparison import (
    Difference,
    Measured,
    agreement,
    compare,
    levels,
    outcome,
    read_measured,
    seed_spread,
    tendency,
    verdict,
)
from retinasynth.studies.runs import pictures_seen, with_budget
from retinasynth.studies.space import read_space, searched
from retinasynth.studies.table import SOURCE, Row, Table
from runs import log_of
from tiny import TINY

SETTINGS = [*TINY, "epochs=2"]
ROWS = """
rows:
- name: baseline
- name: no-dropout
  overrides: [generator.dropout=0]
  claim: Dropout does nothing.
  expected: worse
"""


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.yaml").write_text(text)
    return folder / "rows.yaml"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("table"), ROWS)


@pytest.fixture(scope="module")
def finished(phantoms: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows with two seeds, by the command. Not to be changed."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    words = [
        "ablate",
        "--data",
        phantoms,
        "--out",
        out,
        "--table",
        rows,
        *(word for one in SETTINGS for word in ("--set", one)),
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "retinasynth.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Run 4 of 4: no-dropout, seed 1" in ended.stderr
    assert "no-dropout" in ended.stdout
    assert "report.html" in ended.stdout
    return out


def ablate(phantoms: Path, rows: Path, out: Path, *settings: str, seeds: int = 2) -> Ablation:
    return rs.ablate(phantoms, out, table=rows, overrides=[*SETTINGS, *settings], seeds=seeds)


# --- Arithmetic --------------------------------------------------------------------------------------------------


def run_of(ssim: list[float], peak: float = 1.0, **more: list[float]) -> Measured:
    names = tuple(f"picture-{number}" for number in range(len(ssim)))
    each = {"ssim": tuple(ssim), **{name: tuple(values) for name, values in more.items()}}
    return Measured(names, tuple(f"eye-{number // 2}" for number in range(len(ssim))), each, {"peak_db": peak})


def test_differences_are_those_computed_by_hand():
    row = [
        run_of([0.5, 0.6, 0.7, 0.8], 4.0),
        run_of([0.7, 0.8, 0.9, 1.0], 8.0),
    ]  # means .65 and .85; pictures .6 ... .9
    baseline = [run_of([0.1, 0.3, 0.2, 0.4], 1.0), run_of([0.3, 0.5, 0.4, 0.6], 2.0)]  # .25 and .45; .2 .4 .3 .5
    found = compare(row, baseline)
    assert found["ssim"].mean == pytest.approx(0.4)
    # picture by picture .4, .3, .5, .4: eyes .35 and .45, so means of two drawn eyes are .35, .4 or .45
    assert found["ssim"][1:3] == pytest.approx((0.35, 0.45))
    assert found["ssim"][:3] == pytest.approx(
        bootstrap_difference([0.6, 0.7, 0.8, 0.9], [0.2, 0.4, 0.3, 0.5], groups=row[0].eyes)[:3]
    )
    # Each row spreads by .1 around its mean: variance .02, pooled .02, times 1/2 + 1/2; t of 2 degrees is 4.302653.
    assert found["ssim"].spread == pytest.approx(4.302653 * math.sqrt(0.02), rel=1e-6)
    assert found["ssim"].outcome == "undecided"  # .4 is less than .608
    # The peak has no pictures: (4 + 8) / 2 - (1 + 2) / 2; squares 8 and .5, pooled 4.25.
    assert found["peak_db"] == (4.5, None, None, pytest.approx(4.302653 * math.sqrt(4.25), rel=1e-6), "undecided")
    level = levels(row)["ssim"]
    assert level.mean == pytest.approx(0.75)
    assert level.seeds == pytest.approx((0.65, 0.85))


def test_unequal_numbers_of_seeds_share_one_variance():
    # squares: 2 of three seeds around 2, none of one; freedom 2; 1/3 + 1/1.
    assert seed_spread([1.0, 2.0, 3.0], [5.0]) == pytest.approx(4.302653 * math.sqrt(1 * 4 / 3), rel=1e-6)
    assert seed_spread([1.0], [2.0]) is None
    assert seed_spread([1.0, 1.0], [2.0, 2.0]) == 0


def test_more_seeds_decide_what_few_cannot():
    def rows(seeds: int, shift: float) -> list[Measured]:
        return [run_of([0.5 + shift + 0.01 * (-1) ** seed] * 4) for seed in range(seeds)]

    assert compare(rows(2, 0.03), rows(2, 0))["ssim"].outcome == "undecided"
    assert compare(rows(6, 0.03), rows(6, 0))["ssim"].outcome == "better"
    assert compare(rows(1, 0.3), rows(1, 0))["ssim"].outcome == "undecided"  # chance cannot be told from one seed


def test_one_eye_decides_nothing():
    one = [run_of([0.9, 0.9]), run_of([0.91, 0.91])]
    other = [run_of([0.1, 0.1]), run_of([0.11, 0.11])]
    assert compare(one, other)["ssim"].outcome == "undecided"


@pytest.mark.parametrize(
    ("measure", "mean", "spread", "interval", "shown"),
    [
        ("mse", 0.02, 0.01, (0.01, 0.03), "worse"),
        ("mse", -0.02, 0.01, (-0.03, -0.01), "better"),
        ("ssim", 0.02, 0.01, (0.01, 0.03), "better"),
        ("ssim", -0.02, 0.01, (-0.03, -0.01), "worse"),
        ("ssim", -0.02, 0.02, (-0.03, -0.01), "undecided"),
        ("ssim", -0.02, 0.01, (-0.03, 0.0), "undecided"),
        ("ssim", -0.02, None, (-0.03, -0.01), "undecided"),
        ("peak_db", 3.0, 1.0, None, "worse"),
        ("a_new_measure", 3.0, 1.0, (2.0, 4.0), "better"),
    ],
)
def test_outcomes(measure, mean, spread, interval, shown):
    assert outcome(measure, mean, spread=spread, interval=interval) == shown


def differences(**shown: str) -> dict[str, Difference]:
    return {name: Difference(0.1, 0.1, 0.1, 0.0, outcome) for name, outcome in shown.items()}


@pytest.mark.parametrize(
    ("found", "diverged", "words", "overall", "of_worse", "of_better"),
    [
        (
            differences(ssim="worse", vessels="worse", mse="undecided"),
            0,
            "Worse on SSIM and vessels; undecided on MSE.",
            "worse",
            "agrees",
            "disagrees",
        ),
        (
            differences(ssim="better", psnr="better"),
            0,
            "Better on every measure.",
            "better",
            "disagrees",
            "agrees",
        ),
        (
            differences(ssim="better", vessels="worse"),
            0,
            "Worse on vessels; better on SSIM.",
            "mixed",
            "cannot be told",
            "cannot be told",
        ),
        (differences(ssim="undecided"), 0, "Undecided on SSIM.", "undecided", "cannot be told", "cannot be told"),
        (
            differences(ssim="undecided"),
            1,
            "Diverged in 1 of 2 runs; undecided on SSIM in the others.",
            "undecided",
            "agrees",
            "disagrees",
        ),
        ({}, 2, "Diverged in 2 of 2 runs.", "undecided", "agrees", "disagrees"),
    ],
)
def test_verdicts_and_claims(found, diverged, words, overall, of_worse, of_better):
    assert verdict(found, diverged=diverged, runs=2) == words
    assert tendency(found) == overall
    assert agreement("worse", found, diverged=diverged) == of_worse
    assert agreement("better", found, diverged=diverged) == of_better
    assert agreement(None, found, diverged=diverged) is None


def test_measures_are_taken_as_an_evaluation_has_them(tmp_path):
    text = "name,eye,ssim,sharpness,vessels,mean_image_ssim,other_model_ssim\na,1,.5,2,,.4,\nb,2,.7,4,.8,.4,\n"
    (tmp_path / "pictures.csv").write_text(text)
    of_the_set = {"spectrum": {"model": {"height_db": 7.5}}, "realism": {"fundus": {"kernel_distance": {"mean": 0.02}}}}
    (tmp_path / "evaluation.json").write_text(json.dumps(of_the_set))
    found = read_measured(tmp_path)
    assert found.each == {"ssim": (0.5, 0.7), "sharpness": (2.0, 4.0)}  # vessels are missing for one picture
    assert (found.mean("sharpness"), found.mean("peak_db"), found.mean("kernel_distance")) == (3.0, 7.5, 0.02)
    (tmp_path / "evaluation.json").write_text("{}")
    assert read_measured(tmp_path).overall == {}
    (tmp_path / "pictures.csv").write_text("name,eye,ssim\n'=a,'-b,-0.5\n")
    found = read_measured(tmp_path)
    assert (found.pictures, found.eyes, found.each) == (("=a",), ("-b",), {"ssim": (-0.5,)})
    for text in ("[" * 50_000, "[]", "{", '{"a": NaN}'):
        (tmp_path / "evaluation.json").write_text(text)
        with pytest.raises(DataError, match=r"evaluation\.json .*Remove that folder and run the same command again"):
            read_measured(tmp_path)
    (tmp_path / "pictures.csv").write_text("name,eye\n")
    with pytest.raises(DataError, match="cannot be read as an evaluation"):
        read_measured(tmp_path)


def test_runs_on_other_pictures_are_not_compared():
    with pytest.raises(DataError, match="different pictures"):
        compare([run_of([0.1, 0.2])], [run_of([0.1, 0.2, 0.3])])


# --- Budgets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "epochs", "pictures"), [(1, 25, 500), (4, 25, 500), (8, 31, 496), (20, 25, 500)])
def test_a_budget_is_equal_in_pictures_seen(batch, epochs, pictures):
    pairs = range(20)
    budget = pictures_seen(Settings().with_overrides(["epochs=25"]), pairs)
    assert budget == 500
    row = with_budget(Settings().with_overrides([f"training.batch_size={batch}"]), pairs, budget)
    assert row.training.epochs == epochs
    assert pictures_seen(row, pairs) == pictures


# --- Tables ------------------------------------------------------------------------------------------------------


def test_the_source_table_varies_what_the_source_says_it_varied():
    made = SOURCE.settings()
    assert next(iter(made)) == "baseline"
    assert made["baseline"] == settings_of_preset("source")
    assert made["no-discriminator-norm"].discriminator.norm == "none"
    assert made["no-dropout"].generator.dropout == 0
    rates = {made[name].optimiser.learning_rate for name in ("learning-rate-10x", "learning-rate-0.1x")}
    assert rates == {0.002, 0.00002}
    assert made["batch-4"].training.batch_size == 4
    assert made["half-filters"].discriminator.filters == 32
    assert {made[f"{name}-initialisation"].training.initialisation for name in ("glorot", "he")} == {"glorot", "he"}
    assert "contradicts itself" in next(row.claim for row in SOURCE.rows if row.name == "no-dropout")
    assert all(row.claim for row in SOURCE.rows)


def test_a_table_comes_back_from_yaml(tmp_path):
    assert Table.named(written(tmp_path, SOURCE.to_yaml())) == SOURCE
    printed = CliRunner().invoke(cli.app, ["ablate", "--yaml"])
    assert printed.stdout == SOURCE.to_yaml()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rows: [", "cannot be read as a table"),
        ("- a", "holds list"),
        ("rows: []", "rows is .*at least 2 items"),
        ("rows: [{name: a}, {name: b, overides: [x=1]}]", r"no setting 'rows\.1\.overides'; did you mean 'rows\.1\.ov"),
        ("rows: [{name: a}, {name: b, overrides: dropout=0}]", r"rows\.1\.overrides is 'dropout=0'"),
        ("rows: [{name: a}, {name: b, expected: nicer}]", r"rows\.1\.expected is 'nicer', but .*'worse' or 'better'"),
        ("rows: [{name: a}, {name: ../b}]", r"a row is called '\.\./b'"),
        ("rows: [{name: a}, {name: A}]", "two rows are called 'a'"),
        ("rows: [{name: a}, {name: b}]\nseed: 3", "no setting 'seed'"),
    ],
)
def test_a_wrong_table_is_refused_and_named(text, says, tmp_path):
    with pytest.raises(SettingError, match=says):
        Table.named(written(tmp_path, text))


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["drop=1"], "Row b: There is no setting 'drop'"),
        ([], "Rows a and b have the same settings"),
        (["epochs=3"], r"Row b changes training\.epochs, which all runs share"),
        (["training.seed=3"], r"Row b changes training\.seed"),
        (["size_px=300"], "Row b: .*nearest: 256"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(overrides, says):
    table = Table(rows=(Row(name="a"), Row(name="b", overrides=tuple(overrides))))
    with pytest.raises(SettingError, match=says):
        table.settings()


def test_the_tables_and_spaces_in_the_docs_are_ones(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(), re.S)
    table = Table.named(written(tmp_path, blocks[0]))
    assert list(table.settings()) == ["baseline", "no-flip"]
    space = read_space(written(tmp_path, blocks[1]))
    assert searched(settings_of_preset("lean"), space, []).keys() == space.keys()


def test_an_unknown_table_names_those_that_there_are():
    with pytest.raises(SettingError, match=r"no table 'sorce'; did you mean 'source'"):
        Table.named("sorce")
    with pytest.raises(SettingError, match=r"nowhere\.yaml cannot be read.*one of: source"):
        Table.named("nowhere.yaml")


# --- Whole ablations ---------------------------------------------------------------------------------------------


def test_an_ablation_holds_runs_figures_and_a_report(finished):
    found = json.loads((finished / "ablation.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["baseline", "no-dropout"]
    assert found["seeds"] == [0, 1]
    assert [(row["steps"], row["pictures_seen"]) for row in found["rows"]] == [(8, 8), (8, 8)]
    for name in ("baseline", "no-dropout"):
        for seed in (0, 1):
            settings = Settings.from_yaml(finished / "runs" / name / f"seed-{seed}" / "config.yaml")
            assert settings.training.seed == seed
            assert settings.generator.dropout == (0.5 if name == "baseline" else 0)
            assert (finished / "evaluations" / name / f"seed-{seed}" / "report.html").is_file()
    assert list(found["rows"][0]["differences"]) == []
    one = found["rows"][1]["differences"]["ssim"]
    by_seed = {
        name: [
            np.mean([float(row["ssim"]) for row in csv.DictReader(io.StringIO(file.read_text()))])
            for file in sorted((finished / "evaluations" / name).glob("*/pictures.csv"))
        ]
        for name in ("baseline", "no-dropout")
    }
    assert one["mean"] == pytest.approx(np.mean(by_seed["no-dropout"]) - np.mean(by_seed["baseline"]))
    assert one["spread"] == pytest.approx(seed_spread(by_seed["no-dropout"], by_seed["baseline"]))
    table = list(csv.DictReader(io.StringIO((finished / "ablation.csv").read_text())))
    assert [row["outcome"] for row in table if row["row"] == "no-dropout" and row["measure"] == "ssim"] == [
        one["outcome"]
    ]
    assert len(table) == sum(len(row["measures"]) for row in found["rows"])


def test_the_report_is_one_page_that_asks_for_nothing(finished):
    page = (finished / "report.html").read_text()
    assert "Dropout does nothing." in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    addresses = set(re.findall(r"https?://[^\"'\s<>]*", re.sub(r"base64,[A-Za-z0-9+/=]*", "", page)))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched
    assert page.count("<img") == 2 * 4  # two test eyes: mask, expected, two rows
    assert page.count("<svg") == len(json.loads((finished / "ablation.json").read_text())["rows"][1]["differences"]) + 4
    assert "not for diagnosis" in page


def test_what_a_finished_ablation_has_is_not_made_again(finished, phantoms, rows, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.safetensors")}
    monkeypatch.setattr(trainer, "adversarial_step", None)
    made = ablate(phantoms, rows, finished)
    assert made.to_json() == json.loads((finished / "ablation.json").read_text())
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*.safetensors")}


def test_stopped_and_gone_on_with_equals_undisturbed(finished, phantoms, rows, tmp_path, monkeypatch):
    real_step, steps = trainer.adversarial_step, []

    def step(*arguments):
        steps.append(1)
        if len(steps) == 13:  # the fifth of the second run
            os.kill(os.getpid(), signal.SIGINT)
        return real_step(*arguments)

    monkeypatch.setattr(trainer, "adversarial_step", step)
    with pytest.raises(InterruptedRunError, match=r"Stopped in run 2 of 4.*same command") as stopped:
        ablate(phantoms, rows, tmp_path / "out")
    assert stopped.value.exit_code == 130
    assert not (tmp_path / "out" / "ablation.json").exists()
    monkeypatch.setattr(trainer, "adversarial_step", real_step)
    ablate(phantoms, rows, tmp_path / "out")
    for name in ("ablation.json", "ablation.csv", "report.html"):
        assert (tmp_path / "out" / name).read_bytes() == (finished / name).read_bytes(), name
    interrupted = Path("runs") / "no-dropout" / "seed-0"
    assert log_of(tmp_path / "out" / interrupted) == log_of(finished / interrupted)


def test_a_run_killed_before_its_checkpoint_or_model_is_made_whole(finished, phantoms, rows, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    for name, lost in (("baseline", "checkpoint"), ("no-dropout", "model")):
        shutil.rmtree(tmp_path / "out" / "runs" / name / "seed-1" / lost)
        shutil.rmtree(tmp_path / "out" / "evaluations" / name / "seed-1")
    ablate(phantoms, rows, tmp_path / "out")
    assert (tmp_path / "out" / "ablation.json").read_bytes() == (finished / "ablation.json").read_bytes()


def test_seeds_can_be_added_and_not_taken_away(finished, phantoms, rows, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    made = ablate(phantoms, rows, tmp_path / "out", seeds=3)
    assert [len(row.measures["ssim"].seeds) for row in made.rows] == [3, 3]
    before = json.loads((finished / "ablation.json").read_text())["rows"][1]["measures"]["ssim"]["seeds"]
    assert list(made.rows[1].measures["ssim"].seeds[:2]) == before
    with pytest.raises(InputError, match="seeds was 3, is 2"):
        ablate(phantoms, rows, tmp_path / "out", seeds=2)


def test_another_table_or_other_data_is_refused(finished, phantoms, rows, tmp_path):
    other = written(tmp_path, ROWS.replace("dropout=0]", "dropout=0.25]"))
    with pytest.raises(InputError, match=r"rows no-dropout generator\.dropout was 0\.0, is 0\.25"):
        ablate(phantoms, other, finished)
    renamed = written(tmp_path, ROWS.replace("no-dropout", "none"))
    with pytest.raises(InputError, match=r"rows no-dropout is gone; rows none is new"):
        ablate(phantoms, renamed, finished)
    with pytest.raises(InputError, match=r"rows baseline optimiser\.beta1 was 0\.5, is 0\.6"):
        ablate(phantoms, rows, finished, "beta1=0.6")
    names = [files.name for files in find_eyes(phantoms).eyes]
    others = write_selection(tmp_path / "others", phantoms, train=names[1:5], test=names[5:])
    with pytest.raises(InputError, match="data training pairs are others; data test pairs are others"):
        ablate(others, rows, finished)
    with pytest.raises(OutputError, match="not empty"):
        ablate(phantoms, rows, tmp_path)
    assert ablate(phantoms, written(tmp_path, ROWS.replace("does nothing", "helps")), finished).rows[1].row.claim


def test_a_set_without_test_eyes_is_refused_before_anything_is_trained(phantoms, rows, tmp_path):
    names = [files.name for files in find_eyes(phantoms).eyes]
    alone = write_selection(tmp_path / "alone", phantoms, train=names, test=[])
    with pytest.raises(DataError, match="has no test eyes"):
        ablate(alone, rows, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_code_of_the_labels_reaches_every_run(coded, rows, tmp_path):
    made = rs.ablate(
        coded, tmp_path / "out", table=rows, overrides=[*SETTINGS, "data.labels=artery-vein-index"], seeds=1
    )
    assert [(row.steps, row.diverged) for row in made.rows] == [(8, {}), (8, {})]
    with pytest.raises(ImageError, match="is not binary"):
        ablate(coded, rows, tmp_path / "without", seeds=1)


def test_test_eyes_that_are_in_training_are_refused_before_training(rows, tmp_path):
    write_phantom_set(tmp_path / "leaky", train=2, test=1, size_px=160)
    first = next((tmp_path / "leaky" / "train" / "images").iterdir())
    for folder in (tmp_path / "leaky" / "train").iterdir():
        shutil.copy(folder / first.name, tmp_path / "leaky" / "test" / folder.name / "another.png")
    with pytest.raises(DataError, match="1 of 2 test eyes stand in training"):
        rs.ablate(tmp_path / "leaky", tmp_path / "out", table=rows, overrides=SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_row_that_diverges_is_reported_and_stops_nothing(phantoms, rows, tmp_path, monkeypatch):
    real_step = trainer.adversarial_step

    def step(fabric, learner, batch, weights):
        losses = real_step(fabric, learner, batch, weights)
        is_changed_row = not any(getattr(module, "rate", 0) for module in learner.generator.modules())
        return dict.fromkeys(losses, torch.tensor(math.nan)) if is_changed_row else losses

    monkeypatch.setattr(trainer, "adversarial_step", step)
    made = ablate(phantoms, rows, tmp_path / "out")
    assert made.rows[1].verdict == "Diverged in 2 of 2 runs."
    assert made.rows[1].agreement == "agrees"
    assert made.verdict == ["Of 1 change, 1 is worse than the baseline.", "Claims that could be tested: 1; agrees 1."]
    assert "Step 1: loss_discriminator_real" in made.rows[1].diverged[0]
    assert made.rows[0].measures
    assert "diverged" in (tmp_path / "out" / "report.html").read_text()
    monkeypatch.setattr(trainer, "adversarial_step", None)  # it is remembered, not tried again
    assert ablate(phantoms, rows, tmp_path / "out").to_json() == made.to_json()


# --- Selections --------------------------------------------------------------------------------------------------


def test_a_selection_is_a_data_set_without_copies(phantoms, tmp_path):
    names = [files.name for files in find_eyes(phantoms).eyes]
    found = find_eyes(write_selection(tmp_path / "few", phantoms, train=names[4:5], test=names[:2]))
    assert [(files.name, files.split) for files in found.eyes] == [
        (names[0], "test"),
        (names[1], "test"),
        (names[4], "train"),
    ]
    assert found.eyes[0].photograph.is_relative_to(phantoms)
    assert [path.name for path in (tmp_path / "few").iterdir()] == ["selection.json"]


def test_a_selection_that_cannot_be_is_refused(phantoms, tmp_path):
    names = [files.name for files in find_eyes(phantoms).eyes]
    with pytest.raises(DataError, match=r"1 eyes that are not in .*, for example nobody"):
        find_eyes(write_selection(tmp_path, phantoms, train=["nobody"], test=names[:1]))
    with pytest.raises(DataError, match="one subject on both sides"):
        find_eyes(write_selection(tmp_path, phantoms, train=names[:2], test=names[:1]))
    children = put_chasedb1(tmp_path / "children")
    with pytest.raises(DataError, match="one subject on both sides"):
        find_eyes(write_selection(tmp_path, children, train=["Image_01L"], test=["Image_01R"]))
    (tmp_path / "selection.json").write_text('{"of": "x"}')
    with pytest.raises(DataError, match="cannot be read as a selection"):
        find_eyes(tmp_path)


def test_a_set_elsewhere_counts_only_where_a_study_of_this_user_named_it(phantoms, tmp_path, monkeypatch):
    names = [files.name for files in find_eyes(phantoms).eyes]
    mine = write_selection(tmp_path / "mine", phantoms, train=names[4:5], test=names[:2])
    content = (mine / "selection.json").read_text()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "selection.json").write_text(content)
    with pytest.raises(DataError, match=r"wrote that\. Expected: .*Run the study again") as refused:
        find_eyes(tmp_path / "foreign")
    assert str(phantoms) in str(refused.value)
    (mine / "selection.json").write_text(content.replace(names[0], names[3]))
    with pytest.raises(DataError, match="none of your studies"):
        find_eyes(mine)
    (mine / "selection.json").write_text(content)
    assert len(find_eyes(mine).eyes) == 3
    (tmp_path / "link").symlink_to(mine)
    assert len(find_eyes(tmp_path / "link").eyes) == 3
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "another cache"))
    with pytest.raises(DataError, match="none of your studies"):
        find_eyes(mine)
    write_selection(mine, phantoms, train=names[4:5], test=names[:2])  # as a study that goes on does
    assert len(find_eyes(mine).eyes) == 3


def put_selection(folder, of, **more):
    folder.mkdir(exist_ok=True)
    (folder / "selection.json").write_text(json.dumps({"of": of, "train": [], "test": [], **more}))
    return folder


def test_a_selection_reads_what_lies_below_it_and_nothing_out_of_it(phantoms, tmp_path):
    shared = tmp_path / "shared"
    shutil.copytree(phantoms, shared / "whole" / "set")
    name = find_eyes(shared / "whole" / "set").eyes[0].name
    put_selection(shared, "whole/set", train=[name])
    assert [files.photograph.is_relative_to(shared) for files in find_eyes(shared).eyes] == [True]
    put_selection(shared, str(shared / "whole" / "set"), train=[name])
    assert len(find_eyes(shared).eyes) == 1
    (shared / "link").symlink_to(phantoms)
    for out in (str(phantoms), os.path.relpath(phantoms, shared), "link", "..", "../shared-too", "/etc", "/"):
        put_selection(shared, out, train=[name])
        with pytest.raises(DataError, match="none of your studies"):
            find_eyes(shared)


@pytest.mark.parametrize("of", [".", "", "inner", "inner/.."])
def test_a_selection_of_itself_or_of_another_is_refused_at_once(tmp_path, of):
    put_selection(tmp_path, of)
    put_selection(tmp_path / "inner", "..")
    with pytest.raises(DataError, match="which is a selection itself"):
        find_eyes(tmp_path)


def test_selections_that_name_one_another_are_refused_at_once(phantoms, tmp_path):
    names = [files.name for files in find_eyes(phantoms).eyes]
    one = write_selection(tmp_path / "one", phantoms, train=names[:1], test=[])
    two = write_selection(tmp_path / "two", one, train=names[:1], test=[])
    assert json.loads((two / "selection.json").read_text())["of"] == str(phantoms.resolve())
    assert find_eyes(two).eyes[0].name == names[0]
    put_selection(one, str(two))
    put_selection(two, str(one))
    for folder in (one, two):
        with pytest.raises(DataError, match="none of your studies"):
            find_eyes(folder)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"of": ".", "train": ' + "[" * 100_000 + "]" * 100_000 + ', "test": []}',
        '{"of": 7, "train": [], "test": []}',
        '{"of": "a\\u0000b", "train": [], "test": []}',
        '{"of": "' + "x" * 5000 + '", "train": [], "test": []}',
        '{"of": "inner", "train": "abc", "test": []}',
        '{"of": "inner", "train": [1], "test": []}',
        "[]",
        "null",
        "\ud7ff",
        "",
    ],
)
def test_a_damaged_or_hostile_selection_is_one_sentence(tmp_path, text):
    (tmp_path / "inner").mkdir()
    (tmp_path / "selection.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as a selection"):
        find_eyes(tmp_path)
