"""A study of disease detection: which photographs, near-duplicates, the classifier, its interval, and what it says."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pictures import put_photograph
from retinasynth import cli
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes
from retinasynth.data.near_duplicates import sketch
from retinasynth.errors import DataError, InputError, MissingExtraError, SettingError
from retinasynth.images import write_photograph
from retinasynth.studies import detection as study
from retinasynth.studies.arms import counts_of
from retinasynth.studies.classifier import (
    STRENGTHS,
    Choice,
    Described,
    bootstrap_area,
    chosen,
    comparisons,
    drawn,
    fitted,
)
from retinasynth.studies.detection import detection
from retinasynth.studies.graded import graded, is_ill, kept_apart, without_near_duplicates


def graded_set(folder: Path, grades: dict[str, list[int]]) -> Path:
    """Phantoms with grades; who is ill has a brighter photograph."""
    seed = 0
    for side, ones in grades.items():
        rows = ["image,retinopathy_grade"]
        for number, grade in enumerate(ones):
            seed += 1
            photograph = phantom_eye(seed, 96).photograph
            write_photograph(folder / side / "images" / f"eye_{number}.png", photograph)
            rows.append(f"eye_{number},{grade}")
        (folder / side / "grades.csv").write_text("\n".join(rows))
    return folder


class Mean:
    """A network that sees two numbers of a photograph."""

    name = "mean"

    def __call__(self, photograph):
        return np.array([photograph.mean(), photograph[..., 1].std()], np.float32)


def clouds(count: int, seed: int, apart: float = 2.0, dimensions: int = 30) -> Described:
    """Two kinds that differ along the first few dimensions."""
    random = np.random.default_rng(seed)
    ill = np.arange(count) % 2 == 1
    rows = random.normal(size=(count, dimensions))
    rows[ill, :3] += apart
    return Described(rows.astype(np.float32), ill)


# --- Photographs -------------------------------------------------------------------------------------------------


def test_photographs_have_their_side_and_whether_they_are_to_be_referred(tmp_path):
    training, judged = graded(graded_set(tmp_path, {"train": [0, 1, 2, 4], "test": [0, 1, 3, 2]}))
    assert [is_ill(files) for files in training] == [False, False, True, True]
    assert [is_ill(files) for files in judged] == [False, False, True, True]


def test_near_duplicates_leave_the_training_side():
    pictures = [phantom_eye(seed, 256).photograph for seed in range(4)]
    copy = np.ascontiguousarray(pictures[0][:, ::-1])  # mirrored
    training = [sketch(picture) for picture in (pictures[1], pictures[2], copy, pictures[1][::-1], pictures[3])]
    assert without_near_duplicates(training, [sketch(pictures[0])]) == [0, 1, 4]


def test_draws_hold_both_kinds_and_larger_ones_the_smaller():
    is_ill = np.arange(60) < 4
    for draw in range(20):
        order = drawn(is_ill, 20, draw)
        assert sorted(order) == list(range(60))
        assert 2 <= is_ill[order[:20]].sum() <= 4
        np.testing.assert_array_equal(order, drawn(is_ill, 20, draw))
    assert not np.array_equal(drawn(is_ill, 20, 0), drawn(is_ill, 20, 1))


# --- The classifier ----------------------------------------------------------------------------------------------


def test_features_are_standardised():
    some = Described(np.array([[1, 5, 0], [3, 5, 8]], np.float32), np.array([True, False]))  # deviations 1, 0 and 4
    expected = np.array([1, 0, 4]) / np.sqrt([2, 1, 17])
    np.testing.assert_allclose(some.standardised().rows, [-expected, expected], atol=1e-5)
    other = Described(np.array([[2, 7, 4]], np.float32), np.array([True]))
    np.testing.assert_allclose(other.standardised(as_of=some).rows, [[0, 2, 0]], atol=1e-5)


def test_what_hardly_varies_among_few_does_not_outweigh_all_else():
    random = np.random.default_rng(0)
    few, many = random.standard_normal((20, 200)), random.standard_normal((400, 200))
    few[:, 0] *= 1e-3  # by chance alike
    labels = np.arange(400) < 200
    seen = Described(many, labels).standardised(as_of=Described(few, labels[:20])).rows
    assert np.abs(seen[:, 0]).max() < 2 * np.abs(seen[:, 1:]).max()


def test_synthetic_photographs_weigh_as_said_whatever_their_number():
    real, synthetic = clouds(20, 0), clouds(30, 1, apart=-1)
    thrice = Described(np.tile(synthetic.rows, (3, 1)), np.tile(synthetic.is_ill, 3))
    choice = Choice(0.01, 0.5)
    once, more = (fitted(real, many, choice).coef_ for many in (synthetic, thrice))
    np.testing.assert_allclose(once, more, atol=2e-3)
    none = fitted(real, synthetic, Choice(0.01, 1e-9)).coef_
    np.testing.assert_allclose(none, fitted(real, None, choice).coef_, atol=2e-3)
    assert np.abs(once - none).max() > 0.01


def test_synthetic_photographs_help_if_alike_and_weigh_less_if_not():
    test = clouds(400, 9, apart=0.7)
    good, bad = clouds(100, 50, apart=0.7), clouds(100, 51, apart=-0.7)
    gains, weights = [], []
    for seed in range(4):
        real = clouds(24, seed, apart=0.7)
        alone, helped, harmed = (chosen(real, other, seed) for other in (None, good, bad))
        areas = [
            roc_auc_score(test.is_ill, fitted(real, other, choice).decision_function(test.rows))
            for other, choice in ((None, alone), (good, helped))
        ]
        gains.append(areas[1] - areas[0])
        weights.append((helped.weight, harmed.weight))
    assert np.mean(gains) > 0.03
    helping, harming = np.mean(weights, axis=0)
    assert helping > 2 * harming


def test_without_real_photographs_synthetic_ones_choose_the_strength():
    choice = chosen(None, clouds(100, 0, apart=3), 0)
    assert choice.strength > STRENGTHS[0]
    assert choice == chosen(None, clouds(100, 0, apart=3), 0)


# --- The interval ------------------------------------------------------------------------------------------------


def test_the_mean_is_the_area_under_the_curve():
    random = np.random.default_rng(0)
    positive = random.random(50) < 0.6
    scores = random.normal(size=(3, 50)).round(1) + positive  # rounded, so that some are the same
    found = bootstrap_area(comparisons(scores, positive))
    assert found.mean == pytest.approx(np.mean([roc_auc_score(positive, row) for row in scores]))
    assert found.low < found.mean < found.high
    assert found.n == 50


def test_its_interval_is_that_of_resampling_photographs():
    random = np.random.default_rng(1)
    positive = np.arange(60) < 35
    scores = random.normal(size=60) + positive
    areas = []
    for _ in range(2000):
        ill, healthy = random.choice(scores[positive], 35), random.choice(scores[~positive], 25)
        areas.append(np.mean(ill[:, None] > healthy) + np.mean(ill[:, None] == healthy) / 2)
    found = bootstrap_area(comparisons(scores[None], positive))
    np.testing.assert_allclose([found.low, found.high], np.quantile(areas, [0.025, 0.975]), atol=0.012)


def test_a_paired_difference_is_surer_than_two_areas():
    random = np.random.default_rng(2)
    positive = np.arange(80) < 40
    first = random.normal(size=(4, 80)) + positive
    second = first + 0.3 * positive
    one, other = comparisons(first, positive), comparisons(second, positive)
    gap = bootstrap_area(other - one)
    assert gap.mean == pytest.approx(bootstrap_area(other).mean - bootstrap_area(one).mean)
    assert gap.low > 0
    assert gap.high - gap.low < 0.7 * (bootstrap_area(one).high - bootstrap_area(one).low)


# --- The whole ---------------------------------------------------------------------------------------------------


def test_a_study_from_photographs_to_report(styled_run, tmp_path, monkeypatch):
    data = graded_set(tmp_path / "set", {"train": [0, 3, 0, 2, 1, 4, 0, 2], "test": [0, 2, 0, 4, 1]})
    monkeypatch.setattr(study, "FEATURES", {"mean": Mean})
    monkeypatch.setattr(study, "_SIZE_PX", 64)
    asked = {"counts": ["6", "all"], "synthetic": 4, "generator": str(styled_run), "features": "mean"}
    made = detection(data, tmp_path / "out", draws=1, **asked)
    assert {(point.arm, point.count) for point in made.points} == {
        ("generated only", 0),
        ("procedural only", 0),
        *((arm, count) for arm in ("real only", "real + generated", "real + procedural") for count in (6, 8)),
    }
    rows = list(csv.DictReader((tmp_path / "out" / "scores.csv").read_text().splitlines()))
    wanted = [row for row in rows if (row["arm"], row["count"]) == ("real only", "8")]
    area = roc_auc_score([int(row["grade"]) >= 2 for row in wanted], [float(row["score"]) for row in wanted])
    point = next(point for point in made.points if (point.arm, point.count) == ("real only", 8))
    assert point.measures["auc"].mean == pytest.approx(area)
    ill = find_eyes(tmp_path / "out" / "procedural" / "ill-3").eyes[0]
    healthy = find_eyes(tmp_path / "out" / "procedural" / "healthy-1").eyes[0]
    assert healthy.has(["haemorrhages"])
    assert (
        "cut"
        in json.loads((tmp_path / "out" / "procedural" / "ill-3" / "growing.json").read_text())["parameters"][
            "aperture"
        ]
    )
    assert ill.name != healthy.name

    # more draws of the same study: what was there is not done again
    scores = tmp_path / "out" / "scores"
    before = {path: path.stat().st_mtime_ns for path in scores.iterdir()}
    monkeypatch.setattr(study, "write_synthetic_set", lambda *_, **__: 0)
    more = detection(data, tmp_path / "out", draws=2, **asked)
    assert len(list(scores.iterdir())) == len(before) + 2
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert more.about["Draws"] == "2"
    with pytest.raises(InputError, match="synthetic was 4, is 8"):
        detection(data, tmp_path / "out", draws=2, **asked | {"synthetic": 8})


# --- Wrong input -------------------------------------------------------------------------------------------------


def test_a_set_without_grades_is_an_error(tmp_path, monkeypatch, capfd):
    for number in range(4):
        put_photograph(tmp_path / "eyes" / f"{number}.png", number)
    words = ["detection", "--data", str(tmp_path / "eyes"), "--out", str(tmp_path / "out"), "--features", "fundus"]
    monkeypatch.setattr(sys, "argv", ["retinasynth", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert "has no grades of retinopathy (4 eyes)" in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_one_kind_alone_is_an_error(tmp_path):
    with pytest.raises(DataError, match="has 1 test photographs of grade 2 or more, 2 others"):
        graded(graded_set(tmp_path, {"train": [0, 0, 2, 2], "test": [0, 1, 3]}))


def test_one_kind_alone_without_near_duplicates_is_an_error(tmp_path):
    data = graded_set(tmp_path, {"train": [0, 0, 2, 2], "test": [0, 1, 3, 3]})
    images = data / "train" / "images"
    (images / "eye_3.png").write_bytes((images / "eye_2.png").read_bytes())
    with pytest.raises(DataError, match="Without near-duplicates there are 1 training photographs of grade 2 or more"):
        kept_apart(*graded(data))


def test_a_missing_extra_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'retinasynth\[features\]'"):
        detection(tmp_path, tmp_path / "out")


def test_impossible_numbers_are_refused(tmp_path):
    with pytest.raises(SettingError, match="`features` is 'nothing'"):
        detection(tmp_path, tmp_path / "out", features="nothing")
    with pytest.raises(SettingError, match="synthetic is 2"):
        detection(tmp_path, tmp_path / "out", synthetic=2)
    few = {"name": "counts", "least": 4, "where": tmp_path, "what": "graded training photographs"}
    with pytest.raises(DataError, match="has 7 graded training photographs, but 20 are asked for"):
        counts_of(["20"], 7, **few)
    for words in ("few", "3"):
        with pytest.raises(SettingError, match=f"`counts` is {words}. Expected: numbers from 4"):
            counts_of([words], 7, **few)


@pytest.mark.parametrize("damage", [b"", b"half", b"zeros"], ids=["empty", "cut", "other"])
def test_features_that_are_damaged_are_looked_at_again(damage, tmp_path):
    files = find_eyes(graded_set(tmp_path / "eyes", {"train": [0, 3], "test": [0, 3]})).eyes
    rows = study._described(tmp_path, "training", files, Mean()).rows
    kept = tmp_path / "features" / "training.npy"
    np.testing.assert_array_equal(np.load(kept), rows)
    if damage == b"zeros":
        np.save(kept, np.zeros((1, 2), np.float32))
    else:
        kept.write_bytes(damage and kept.read_bytes()[:-5])
    np.testing.assert_array_equal(study._described(tmp_path, "training", files, Mean()).rows, rows)
    np.testing.assert_array_equal(np.load(kept), rows)
