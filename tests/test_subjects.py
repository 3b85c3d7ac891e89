"""Evaluating a run, a model folder, and two folders of pictures."""

import json

import numpy as np
import pytest

from pictures import put_photograph
from retinasynth import images
from retinasynth.errors import DataError, OutputError
from retinasynth.evaluation.evaluate import Example
from retinasynth.evaluation.fidelity import PSNR_CAP_DB
from retinasynth.evaluation.subjects import evaluate_folders, evaluate_model
from retinasynth.synthesis import Synthesizer


def test_a_run_is_evaluated_with_its_curves(trained, phantoms, tmp_path):
    found = evaluate_model(trained, phantoms, tmp_path / "evaluation")
    assert found.source_protocol["mse"].n == 2
    assert found.baselines.keys() == {"mean_image", "nearest_train"}
    stored = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert stored["source_protocol"]["ssim"]["mean"] == pytest.approx(found.source_protocol["ssim"].mean)
    assert stored["about"]["Training"].startswith("12 steps on 4 pairs; weights: exponential")
    with_curves = (tmp_path / "evaluation" / "report.html").read_text().count("<svg")
    evaluate_model(trained / "model", phantoms, tmp_path / "model-alone")
    assert with_curves > (tmp_path / "model-alone" / "report.html").read_text().count("<svg") > 0
    with pytest.raises(OutputError, match="not empty"):
        evaluate_model(trained, phantoms, tmp_path / "evaluation")


def test_pictures_are_generated_as_for_users_and_expected_at_256_px(trained, phantoms, tmp_path, monkeypatch):
    seen: list[Example] = []
    monkeypatch.setattr(
        "retinasynth.evaluation.subjects.evaluate_examples", lambda examples, **_: seen.extend(examples)
    )
    evaluate_model(trained, phantoms, tmp_path / "evaluation", seed=5)
    assert [example.name for example in seen] == ["phantom_004", "phantom_005"]
    for number, example in enumerate(seen):
        files = [phantoms / "test" / plane / f"{example.name}.png" for plane in ("images", "vessels")]
        expected = images.resize_photograph(images.read_photograph(files[0]), (256, 256))
        assert np.array_equal(example.expected, expected)
        generated = Synthesizer.load(trained).generate(files[1], seed=5 + number)
        assert np.array_equal(example.generated, generated)


def test_a_set_without_test_eyes_is_refused(trained, tmp_path):
    from retinasynth.anatomy.phantom import write_phantom_set

    write_phantom_set(tmp_path / "set", train=2, test=0, size_px=32)
    with pytest.raises(DataError, match="has no test eyes"):
        evaluate_model(trained, tmp_path / "set", tmp_path / "out")


def test_folders_are_matched_by_name(tmp_path):
    for number in range(3):
        put_photograph(tmp_path / "real" / f"{number}.png", seed=number)
        put_photograph(tmp_path / "fake" / f"{number}.png", seed=number + (number == 2))
    found = evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "out")
    assert [picture.model.psnr == PSNR_CAP_DB for picture in found.pictures] == [True, True, False]
    (tmp_path / "fake" / "2.png").rename(tmp_path / "fake" / "3.png")
    with pytest.raises(DataError, match="2 stand in one only, for example 2"):
        evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "again")
