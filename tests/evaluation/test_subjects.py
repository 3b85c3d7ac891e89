"""Evaluating a run, a model folder, and two folders of pictures."""

import json
import shutil
import sys
import threading

import numpy as np
import pytest

from pictures import put_mask, put_photograph, tiny_mask, tiny_photograph
from published import put_drive
from retinasynth import cli, images
from retinasynth.errors import DataError, ModelError, OutputError
from retinasynth.evaluation.examples import Example
from retinasynth.evaluation.metrics.fidelity import PSNR_CAP_DB
from retinasynth.evaluation.metrics.vessels_found import ReferenceSegmenters
from retinasynth.evaluation.subjects import evaluate_folders, evaluate_model
from retinasynth.generation.generator import load as load_generator
from retinasynth.pix2pix.generator import Pix2Pix
from retinasynth.studies.comparison import read_measured


@pytest.fixture(scope="module")
def evaluated(trained, phantoms, tmp_path_factory):
    """An evaluation with the seed 5, and its folder. Not to be changed."""
    out = tmp_path_factory.mktemp("evaluated") / "out"
    return evaluate_model(trained, phantoms, out, seed=5), out


def test_a_run_is_evaluated_with_its_curves(evaluated, trained, phantoms, tmp_path):
    found, out = evaluated
    assert found.source_protocol["mse"].n == 2
    assert found.baselines.keys() == {"mean_image", "nearest_train", "phantom"}
    stored = json.loads((out / "evaluation.json").read_text())
    assert stored["source_protocol"]["ssim"]["mean"] == pytest.approx(found.source_protocol["ssim"].mean)
    assert stored["about"]["Training"].startswith("12 steps on 4 pairs; weights: exponential")
    evaluate_model(trained / "model", phantoms, tmp_path / "model-alone", sets=False)
    pages = [(folder / "report.html").read_text() for folder in (out, tmp_path / "model-alone")]
    assert ["Training losses" in page for page in pages] == [True, False]
    with pytest.raises(OutputError, match="not empty"):
        evaluate_model(trained, phantoms, out)


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
        generated = load_generator(trained).generate(files[1], seed=5 + number)
        assert np.array_equal(example.generated, generated)


@pytest.mark.parametrize("switch", [True, False])
def test_label_maps_are_completed_unless_that_is_switched_off(trained, phantoms, tmp_path, monkeypatch, switch):
    asked, photograph = [], Pix2Pix.photograph

    def watched(self, eye, request):
        asked.append(request.complete)
        return photograph(self, eye, request)

    monkeypatch.setattr(Pix2Pix, "photograph", watched)
    command = ["evaluate", "--model", str(trained), "--data", str(phantoms), "--out", str(tmp_path / "out")]
    command += ["--against", str(trained), "--pairs-only", *([] if switch else ["--no-complete"])]
    monkeypatch.setattr(sys, "argv", ["retinasynth", *command])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert asked == [switch] * 4  # two test eyes, two models
    about = json.loads((tmp_path / "out" / "evaluation.json").read_text())["about"]
    assert ("Label maps" in about) != switch


def test_a_letterboxed_model_is_measured_without_its_bars(trained, tmp_path, monkeypatch):
    for side, number in (("train", 0), ("test", 1)):
        put_photograph(tmp_path / "set" / side / "images" / f"{number}.png", seed=number, height=40, width=80)
        put_mask(tmp_path / "set" / side / "masks" / f"{number}.png", seed=number, height=40, width=80)
    boxed = shutil.copytree(trained / "model", tmp_path / "boxed")
    config = json.loads((boxed / "config.json").read_text())
    (boxed / "config.json").write_text(json.dumps(config | {"resize": "letterbox"}))
    seen: list[Example] = []
    monkeypatch.setattr(
        "retinasynth.evaluation.subjects.evaluate_examples", lambda examples, **_: seen.extend(examples)
    )
    evaluate_model(boxed, tmp_path / "set", tmp_path / "evaluation", seed=5)
    generated = load_generator(boxed).generate(tiny_mask(1, 40, 80), seed=5, size="mask")
    assert generated.shape == (40, 80, 3)
    assert np.array_equal(seen[0].generated, generated)
    assert np.array_equal(seen[0].expected, images.resize_photograph(tiny_photograph(1, 40, 80), (256, 256)))


def test_test_photographs_without_masks_are_refused(trained, tmp_path):
    with pytest.raises(DataError, match=r"test photographs in .* have no vessel masks"):
        evaluate_model(trained, put_drive(tmp_path / "set", test_vessels=False), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_report_to_share_holds_no_real_photograph(evaluated):
    _, out = evaluated
    whole, alone = ((out / f"{name}.html").read_text() for name in ("report", "shareable"))
    for title in ("Expected of", "Source mask of", "Error of", "Found again of"):
        assert title in whole
        assert title not in alone
    assert alone.count("Generated of phantom_004") == 1
    assert alone.count("data:image") < whole.count("data:image") - 4
    assert "mean training photograph" in alone  # of the figures


def test_a_set_without_test_eyes_is_refused(trained, tmp_path):
    from retinasynth.anatomy.render.phantom import write_phantom_set

    write_phantom_set(tmp_path / "set", train=2, test=0, size_px=32)
    with pytest.raises(DataError, match="has no test eyes"):
        evaluate_model(trained, tmp_path / "set", tmp_path / "out")


def test_folders_are_matched_by_name(tmp_path):
    for number in range(3):
        put_photograph(tmp_path / "real" / f"{number}.png", seed=number)
        put_photograph(tmp_path / "fake" / f"{number}.png", seed=number + (number == 2))
    found = evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "out", sets=False)
    assert [picture.model.psnr == PSNR_CAP_DB for picture in found.pictures] == [True, True, False]
    (tmp_path / "fake" / "2.png").rename(tmp_path / "fake" / "3.png")
    with pytest.raises(DataError, match="2 stand in one only, for example 2"):
        evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "again")


def test_a_field_of_view_is_taken_where_it_is_given(tmp_path):
    for number in range(2):
        real = put_photograph(tmp_path / "real" / f"{number}.png", seed=number, height=64, width=64)
        changed = images.read_photograph(real).copy()
        changed[:, 32:] = 255 - changed[:, 32:]
        field = np.zeros((64, 64), np.bool_)
        field[8:56, :24] = True
        images.write_photograph(tmp_path / "fake" / f"{number}.png", changed)
        images.write_mask(tmp_path / "fov" / f"{number}.png", field)
    folders = tmp_path / "real", tmp_path / "fake"
    assert evaluate_folders(*folders, tmp_path / "found", sets=False).measures["fov_psnr"].mean < 20
    inside = evaluate_folders(*folders, tmp_path / "given", fov=tmp_path / "fov", sets=False)
    assert inside.measures["fov_psnr"].mean > 40  # nothing changed there but what resizing carries in
    (tmp_path / "fov" / "1.png").unlink()
    with pytest.raises(DataError, match="no mask for 1 of 2 pictures, for example 1"):
        evaluate_folders(*folders, tmp_path / "again", fov=tmp_path / "fov")


def test_what_the_judge_found_stands_beside_each_picture(evaluated):
    found, out = evaluated
    structure = next(one.values for one in found.findings if one.key == "structure")
    each = read_measured(out).each
    assert np.mean(each["vessels_dice"]) == pytest.approx(structure["judge_vessels_dice"]["mean"])


def test_sets_that_share_no_name_are_compared_as_a_whole(tmp_path):
    for number in range(3):
        put_photograph(tmp_path / "real" / f"{number}.png", seed=number)
        put_photograph(tmp_path / "fake" / f"made-{number}.png", seed=number)
        put_mask(tmp_path / "masks" / f"made-{number}.png", seed=number)
    found = evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "out", masks=tmp_path / "masks")
    assert found.source_protocol == {}
    assert found.verdict[0].startswith("The generated photographs have no real counterparts")
    stored = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert stored["structure"]["judge_vessels_dice"]["n"] == 3
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Expected" not in page
    assert page.count("Found again of made-1") == 1
    (tmp_path / "masks" / "made-1.png").unlink()
    with pytest.raises(DataError, match="no mask for 1 of 3 pictures, for example made-1"):
        evaluate_folders(tmp_path / "real", tmp_path / "fake", tmp_path / "again", masks=tmp_path / "masks")


def test_test_eyes_alone_are_compared_and_training_eyes_are_the_baselines(phantoms, tmp_path):
    for name in ("phantom_004", "phantom_005"):
        put_photograph(tmp_path / "fake" / f"{name}.png", seed=1)
    found = evaluate_folders(phantoms, tmp_path / "fake", tmp_path / "out")
    assert found.baselines.keys() == {"mean_image", "nearest_train", "phantom"}
    assert found.measures["mse"].n == 2
    assert [one.key for one in found.findings] == ["structure", "realism", "diversity", "privacy"]


def test_a_model_is_compared_with_another_picture_by_picture(trained, phantoms, tiny, tmp_path):
    from retinasynth.pix2pix.train import train

    itself = evaluate_model(trained, phantoms, tmp_path / "itself", against=trained)
    assert list(itself.baselines) == ["mean_image", "nearest_train", "phantom", "other_model"]
    assert itself.baselines["other_model"] == itself.measures
    structure = next(one.values for one in itself.findings if one.key == "structure")
    assert structure["judge_vessels_dice_in_other_model"] == structure["judge_vessels_dice"]
    assert all(tuple(one)[:3] == (0, 0, 0) for one in itself.differences["other_model"].values())
    assert itself.peaks["other_model"] == itself.peaks["model"] if itself.peaks else True

    larger = ["size_px=64", "epochs=1", "training.seed=3"]
    rival = train(phantoms, tmp_path / "rival", tiny.with_overrides(larger))
    found = evaluate_model(trained, phantoms, tmp_path / "found", against=rival, sets=False)
    alone = evaluate_model(rival, phantoms, tmp_path / "alone", sets=False)
    assert found.measures == itself.measures
    assert found.baselines["other_model"] == alone.measures
    assert found.differences["other_model"]["psnr"].mean == pytest.approx(
        found.measures["psnr"].mean - alone.measures["psnr"].mean
    )
    page = (tmp_path / "found" / "report.html").read_text()
    assert "The other model" in page
    assert found.about["The other model"] == "rival, preset source"


def test_pictures_are_those_of_generate_to_the_last_bit(evaluated, trained, phantoms):
    _, out = evaluated
    model = load_generator(trained)
    for number, name in enumerate(["phantom_004", "phantom_005"]):
        evaluated = images.read_photograph(out / "generated" / f"{name}.png")
        assert np.array_equal(evaluated, model.generate(phantoms / "test" / "vessels" / f"{name}.png", seed=5 + number))


def test_networks_are_built_in_turn_with_the_generation(trained, phantoms, tmp_path, monkeypatch):
    built, build = [], ReferenceSegmenters.__init__

    def remembered(segmenters):
        built.append(threading.current_thread())
        build(segmenters)

    monkeypatch.setattr(ReferenceSegmenters, "__init__", remembered)
    evaluate_model(trained, phantoms, tmp_path / "out", sets=False)
    assert built == [threading.current_thread()]


def test_a_missing_second_model_is_refused_before_anything_is_written(trained, phantoms, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        evaluate_model(trained, phantoms, tmp_path / "out", against=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
