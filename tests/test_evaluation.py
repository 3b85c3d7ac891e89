import csv
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from pictures import put_photograph, tiny_mask, tiny_photograph
from retinasynth import images
from retinasynth.errors import DataError, OutputError
from retinasynth.evaluation.baselines import NearestTrain, mean_image
from retinasynth.evaluation.evaluate import evaluate_examples, evaluate_folders, evaluate_model
from retinasynth.evaluation.fidelity import MAX_PSNR_DB, source_protocol
from retinasynth.evaluation.intervals import bootstrap_mean
from retinasynth.evaluation.results import Example


def noise(seed, size=256):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


# --- Measures ----------------------------------------------------------------------------------------------------


def test_measures_equal_scikit_images():
    for seed, other in ((0, 1), (2, 3)):
        one, two = tiny_photograph(seed, 256, 256), tiny_photograph(other, 256, 256)
        signed = [picture.astype(np.float64) / 127.5 - 1 for picture in (one, two)]
        ours = source_protocol(one, two)
        assert ours.mse == pytest.approx(mean_squared_error(*signed), abs=1e-6)
        assert ours.psnr == pytest.approx(peak_signal_noise_ratio(*signed, data_range=2), abs=1e-5)
        assert ours.ssim == pytest.approx(structural_similarity(*signed, data_range=2, channel_axis=2), abs=1e-6)


def test_ssim_equals_its_formula_written_out():
    """Wang et al. 2004, equation 13, over every whole 7 x 7 window, with the covariance of a sample."""
    one, two = noise(0), np.clip(noise(0).astype(int) + noise(1) // 3, 0, 255).astype(np.uint8)
    windows = []
    for picture in (one, two):
        signed = picture.astype(np.float64) / 127.5 - 1
        views = np.lib.stride_tricks.sliding_window_view(signed, (7, 7), axis=(0, 1))
        windows.append(views.reshape(250, 250, 3, 49))
    a, b = windows
    mean_a, mean_b = a.mean(-1), b.mean(-1)
    var_a, var_b = a.var(-1, ddof=1), b.var(-1, ddof=1)
    covariance = ((a - mean_a[..., None]) * (b - mean_b[..., None])).sum(-1) / 48
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    ssim = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    assert source_protocol(one, two).ssim == pytest.approx(ssim.mean(), abs=1e-6)


def test_measures_in_closed_form():
    black, grey = np.zeros((256, 256, 3), np.uint8), np.full((256, 256, 3), 51, np.uint8)
    found = source_protocol(grey, black)
    assert found.mse == pytest.approx(0.16, abs=1e-6)
    assert found.psnr == pytest.approx(10 * np.log10(4 / 0.16), abs=1e-4)
    assert source_protocol(noise(0), noise(0)) == pytest.approx((0, 1, MAX_PSNR_DB))


def test_measures_are_symmetric_and_taken_at_256_px():
    one, two = noise(0, 512), noise(1, 512)
    assert source_protocol(one, two) == pytest.approx(source_protocol(two, one))
    small = [images.resize_photograph(picture, (256, 256)) for picture in (one, two)]
    assert source_protocol(one, two) == source_protocol(*small)


# --- Intervals ---------------------------------------------------------------------------------------------------


def test_intervals_cover_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    hits = []
    for trial in range(200):
        estimate = bootstrap_mean(random.normal(3, 1, 40), seed=trial)
        hits.append(estimate.low <= 3 <= estimate.high)
    assert 0.88 <= np.mean(hits) <= 0.985


def test_intervals_have_the_width_of_the_normal_one():
    values = np.random.default_rng(1).normal(0, 2, 400)
    estimate = bootstrap_mean(values)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)
    assert estimate.mean == pytest.approx(values.mean())
    shifted = bootstrap_mean(values + 5)
    assert np.subtract(shifted[:3], estimate[:3]) == pytest.approx([5, 5, 5])


def test_pictures_of_one_eye_are_resampled_together():
    values, eyes = [1.0] * 4 + [3.0] * 4, ["a"] * 4 + ["b"] * 4
    grouped, alone = bootstrap_mean(values, eyes), bootstrap_mean(values)
    assert (grouped.mean, grouped.n, alone.n) == (2, 2, 8)
    assert (grouped.low, grouped.high) == (1, 3)
    assert alone.high - alone.low < 1.6
    assert bootstrap_mean([4.0], ["a"]) == (4, 4, 4, 1)


# --- Baselines ---------------------------------------------------------------------------------------------------


def test_mean_image_is_the_mean_at_256_px():
    photographs = [noise(seed, 512) for seed in range(3)]
    expected = np.mean([images.resize_photograph(one, (256, 256)).astype(float) for one in photographs], axis=0)
    assert np.abs(mean_image(photographs).astype(float) - expected).max() <= 0.5 + 1e-9


def test_nearest_train_is_found_by_dice_and_not_by_overlap():
    left, thick = np.zeros((256, 256), bool), np.zeros((256, 256), bool)
    left[:, 10:20], thick[:, 5:200] = True, True
    asked = np.zeros((256, 256), bool)
    asked[:, 12:24] = True  # wholly inside the thick one, but far more like the thin one
    nearest = NearestTrain([noise(0), noise(1)], [thick, left])
    assert nearest.index(asked) == 1
    assert np.array_equal(nearest.photograph(asked), noise(1))
    assert nearest.index(thick) == 0


# --- The whole evaluation ----------------------------------------------------------------------------------------


def evaluated(out, error, count=6):
    """An evaluation of pictures that differ from the expected ones by a constant `error`."""
    random = np.random.default_rng(0)
    train = [np.full((256, 256, 3), value, np.uint8) for value in (90, 110)]
    pairs = SimpleNamespace(photographs=train, masks=[tiny_mask(seed, 256, 256) for seed in (8, 9)])
    examples = []
    for number in range(count):
        expected = np.full((256, 256, 3), 110 + random.integers(0, 20), np.uint8)
        generated = (expected + error).astype(np.uint8)
        examples.append(Example(f"<eye> {number}", str(number), tiny_mask(number, 256, 256), generated, expected))
    return evaluate_examples(examples, pairs, out, about={"Model": "<b>bold</b>"}, training_log=None)


def test_the_verdict_is_plain_when_the_model_loses(tmp_path):
    verdict = " ".join(evaluated(tmp_path, 60).verdict)
    assert "does not beat the mean training photograph, which ignores the mask: it is worse on MSE" in verdict
    assert "The model beats" not in verdict


def test_the_verdict_is_plain_when_the_model_wins(tmp_path):
    about_mean = [sentence for sentence in evaluated(tmp_path, 1).verdict if "mean training" in sentence]
    assert len(about_mean) == 1
    assert about_mean[0].startswith("The model beats the mean training photograph")
    assert all(measure in about_mean[0] for measure in ("MSE", "SSIM", "PSNR"))


def test_the_verdict_is_plain_when_it_is_open(tmp_path):
    found = evaluated(tmp_path, 19)
    assert found.differences["mean_image"]["mse"].low < 0 < found.differences["mean_image"]["mse"].high
    assert any("does not measurably beat" in sentence for sentence in found.verdict)


def test_the_folder_holds_what_the_design_promises(tmp_path):
    found = evaluated(tmp_path, 30)
    stored = json.loads((tmp_path / "evaluation.json").read_text())
    assert stored == found.to_json()
    assert stored["source_protocol"].keys() == {"mse", "ssim", "psnr"}
    assert stored["baselines"].keys() == {"mean_image", "nearest_train"}
    assert stored["baselines"]["mean_image"]["psnr"].keys() == {"mean", "low", "high", "n"}
    assert "256 x 256" in stored["conventions"]["source_protocol"]
    rows = list(csv.DictReader((tmp_path / "pictures.csv").read_text().splitlines()))
    assert len(rows) == 6
    assert np.mean([float(row["mse"]) for row in rows]) == pytest.approx(
        stored["source_protocol"]["mse"]["mean"], abs=1e-5
    )
    differences = [float(row["psnr"]) - float(row["mean_image_psnr"]) for row in rows]
    assert np.mean(differences) == pytest.approx(stored["differences"]["mean_image"]["psnr"]["mean"], abs=1e-4)
    assert len(list((tmp_path / "panels").iterdir())) == 6


def test_the_report_is_one_file_that_asks_for_nothing(tmp_path):
    evaluated(tmp_path, 30)
    page = (tmp_path / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert not re.findall(r"url\((?!#)", page)
    assert "@import" not in page
    assert "<script" not in page
    assert page.count("data:image/") == 6 * 4
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold</b>" not in page
    assert "not for diagnosis" in page
    assert page.count("<svg") == 1


def test_the_report_shows_24_of_many(tmp_path):
    evaluated(tmp_path, 30, count=30)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure>") == 24
    assert "rank 1 of 30" in page
    assert "rank 30 of 30" in page


def test_nothing_to_evaluate_is_said(tmp_path):
    with pytest.raises(DataError, match="no pictures"):
        evaluate_examples([], None, tmp_path, about={}, training_log=None)


def test_a_run_is_evaluated_with_its_curves(trained, phantoms, tmp_path):
    found = evaluate_model(trained, phantoms, tmp_path / "evaluation")
    assert found.figures["model"]["mse"].n == 2
    page = (tmp_path / "evaluation" / "report.html").read_text()
    assert "Discriminator, generated" in page
    assert page.count("<svg") == 2
    with pytest.raises(OutputError, match="not empty"):
        evaluate_model(trained, phantoms, tmp_path / "evaluation")


def test_expected_pictures_are_taken_at_256_px_whatever_the_models_size(trained, phantoms, tmp_path):
    found = evaluate_model(trained, phantoms, tmp_path / "evaluation")
    name = found.rows[0].example.name
    photograph = images.read_photograph(phantoms / "test" / "images" / f"{name}.png")
    assert np.array_equal(found.rows[0].example.expected, images.resize_photograph(photograph, (256, 256)))


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
    assert [row.fidelity["model"].psnr == MAX_PSNR_DB for row in found.rows] == [True, True, False]
    (tmp_path / "fake" / "2.png").rename(tmp_path / "fake" / "3.png")
    with pytest.raises(DataError, match="2 stand in one only, for example 2"):
        evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "again")
