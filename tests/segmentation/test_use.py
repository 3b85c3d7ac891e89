"""The bundled segmenters, by `rs.segment` and the commands, on the one real photograph that may be had anywhere."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

import retinasynth as rs
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.errors import ImageError, InputError
from retinasynth.eye.skeleton import vessel_graph
from retinasynth.images import read_mask, resize_photograph, write_photograph
from retinasynth.segmentation import use
from retinasynth.segmentation.fundus import connected_share
from retinasynth.segmentation.model import SegmenterConfig, SegmenterModel
from retinasynth.segmentation.network import SegmentationNetwork
from retinasynth.segmentation.predict import Prediction, predict
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.segmentation.use import Segmenter, segment
from retinasynth.training.bundled import SEGMENTERS, model_folder

RETINA = skimage.data.retina()  # 1411 x 1411, CC0
DISC = (655, 222, 105)  # row, column and radius of its disc, by eye


def run(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def found():
    return rs.segment(RETINA)


# --- A real photograph -----------------------------------------------------------------------------------------------


def test_a_real_photograph_becomes_an_eye(found):
    eye = found.eye
    assert set(eye.planes) == {"fov", "vessels", "disc", "cup"}
    assert eye.size == RETINA.shape[:2]
    assert (eye.photograph == RETINA).all()
    assert found.doubts == ()
    assert 0.05 < eye.planes["vessels"].sum() / eye.planes["fov"].sum() < 0.16
    assert all(0.6 < value <= 1 for value in found.confidence.values())
    assert set(found.probabilities) == {"vessels", "disc", "cup"}
    assert all(
        layer.shape == eye.size and layer.min() >= 0 and layer.max() <= 1 for layer in found.probabilities.values()
    )
    assert connected_share(eye.planes["vessels"]) > 0.7
    assert len(vessel_graph(eye.planes["vessels"]).segments) > 30


def test_its_disc_lies_where_a_person_sees_it(found):
    row, column = np.argwhere(found.eye.planes["disc"]).mean(axis=0)
    radius = np.sqrt(found.eye.planes["disc"].sum() / np.pi)
    assert np.hypot(row - DISC[0], column - DISC[1]) < 0.35 * DISC[2]
    assert radius == pytest.approx(DISC[2], rel=0.25)
    assert not (found.eye.planes["cup"] & ~found.eye.planes["disc"]).any()
    assert 0.1 < rs.measure(found.eye).cup_to_disc_vertical < 0.9


@pytest.mark.parametrize("width", [500, 2600])
def test_the_same_eye_through_a_camera_of_another_resolution(found, width):
    other = rs.segment(resize_photograph(RETINA, (width, width))).eye.planes
    for plane, least in (("vessels", 0.85), ("disc", 0.93), ("fov", 0.99)):
        back = np.asarray(Image.fromarray(other[plane]).resize((1411, 1411)))
        both = (back & found.eye.planes[plane]).sum()
        assert 2 * both / (back.sum() + found.eye.planes[plane].sum()) > least, plane


def test_colour_and_mirror_change_little(found):
    changed = {
        "mirrored": (RETINA[:, ::-1], lambda mask: mask[:, ::-1]),
        "grey": (RETINA[..., 1], lambda mask: mask),
        "darker": ((RETINA * [0.5, 0.6, 0.7]).astype(np.uint8), lambda mask: mask),
    }
    for name, (picture, back) in changed.items():
        vessels = back(rs.segment(np.ascontiguousarray(picture), models=["vessels"]).eye.planes["vessels"])
        both = (vessels & found.eye.planes["vessels"]).sum()
        dice = 2 * both / (vessels.sum() + found.eye.planes["vessels"].sum())
        assert dice > (0.9 if name == "mirrored" else 0.85), name


def test_the_judge_agrees_though_it_is_of_another_kind(found):
    judge, vessels = (Segmenter.load(name) for name in ("judge", "vessels"))
    assert judge.config.network.architecture != vessels.config.network.architecture
    assert "grown" not in judge.config.training["data"]
    mask = judge.segment(RETINA).eye.planes["vessels"]
    both = (mask & found.eye.planes["vessels"]).sum()
    assert 2 * both / (mask.sum() + found.eye.planes["vessels"].sum()) > 0.7


def test_bundled_models_are_small_and_say_where_they_come_from():
    folders = [model_folder(name, bundled=SEGMENTERS) for name in SEGMENTERS]
    assert sum(file.stat().st_size for folder in folders for file in folder.iterdir()) < 7e6
    for folder in folders:
        card = (folder / "README.md").read_text()
        assert "CC BY 4.0" in card
        assert "not for diagnosis" in card


# --- What is no fundus photograph ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "moon", "page", "text",
                                  "brick", "gravel", "immunohistochemistry", "hubble_deep_field"])  # fmt: skip
def test_other_pictures_are_refused(name):
    with pytest.raises(ImageError, match=r"does not look like a fundus photograph|is 191 x 384 px|is 172 x 448 px"):
        rs.segment(getattr(skimage.data, name)())


def test_pictures_of_nothing_are_refused():
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:400, :400]
    circle = (rows - 200) ** 2 + (columns - 200) ** 2 < 190**2
    pictures = {
        "black": np.zeros((400, 400, 3), np.uint8),
        "grey": np.full((400, 400, 3), 128, np.uint8),
        "noise": random.integers(0, 256, (400, 400, 3)).astype(np.uint8),
        "plain circle": (circle[..., None] * [200, 90, 40]).astype(np.uint8),
    }
    for name, picture in pictures.items():
        with pytest.raises(ImageError) as refused:
            rs.segment(picture)
        assert "does not look like a fundus" in refused.value.got or "is black" in refused.value.got, name


def test_tiny_pictures_and_arrays_that_are_no_photograph_are_refused():
    with pytest.raises(ImageError, match=r"is 120 x 140 px.*at least 160 px each way"):
        rs.segment(np.zeros((120, 140, 3), np.uint8))
    for wrong in (RETINA / 255.0, np.zeros((300, 300, 4), np.uint8), np.zeros((300,), np.uint8)):
        with pytest.raises(InputError, match="The photograph is"):
            rs.segment(wrong)


# --- Commands --------------------------------------------------------------------------------------------------------


def test_arteries_and_veins_are_parts_of_the_vessels_that_were_found(monkeypatch):
    eye = grow(3, 640)
    photograph = render_photograph(eye, 3)
    settings = SegmenterSettings.from_preset("artery-vein").with_overrides(["filters=2"])
    network = SegmentationNetwork(2, settings.network, settings.data.normalisation)
    config = SegmenterConfig.of(settings, {"arteries": 0.5, "veins": 0.5}, {})
    kinds = Segmenter(SegmenterModel(network, config), "kinds")

    def exact(model, picture, **rest):
        if model is not kinds.model:
            return predict(model, picture, **rest)
        spread = {plane: ndimage.gaussian_filter(eye.planes[plane].astype(np.float32), 3) for plane in config.planes}
        return Prediction(spread, eye.planes["fov"])

    monkeypatch.setattr(use, "predict", exact)
    planes = segment(photograph, models=["vessels", kinds]).eye.planes
    both = planes["arteries"] | planes["veins"]
    assert not (planes["arteries"] & planes["veins"]).any()
    assert (both <= planes["vessels"]).all()
    assert both.sum() > 0.8 * planes["vessels"].sum()
    for one, other in (("arteries", "veins"), ("veins", "arteries")):
        alone = eye.planes[one] & ~eye.planes[other] & both
        assert (planes[one] & alone).sum() > 0.8 * alone.sum()


def test_predict_writes_what_segment_finds(found, tmp_path):
    write_photograph(tmp_path / "eye.png", RETINA)
    result = run("segment", "predict", tmp_path / "eye.png", "--out", tmp_path / "out", "--probabilities")
    assert result.exit_code == 0, result.output
    for plane, mask in found.eye.planes.items():
        assert (read_mask(tmp_path / "out" / plane / "eye.png") == mask).all()
    assert (tmp_path / "out" / "overlays" / "eye.png").is_file()
    grey = np.asarray(Image.open(tmp_path / "out" / "probabilities" / "cup" / "eye.png"))[..., 0]
    assert np.abs(grey / 255 - found.probabilities["cup"]).max() <= 0.5 / 255 + 1e-6


def test_a_label_map_that_was_predicted_is_a_data_set(tmp_path):
    write_photograph(tmp_path / "photographs" / "eye.png", resize_photograph(RETINA, (600, 600)))
    result = run("segment", "label", "--data", tmp_path / "photographs", "--out", tmp_path / "set")
    assert result.exit_code == 0, result.output
    line = json.loads((tmp_path / "set" / "manifest.jsonl").read_text())
    assert line["name"] == "photographs-eye"
    measured = rs.measure(tmp_path / "set")["photographs-eye"]
    assert measured.cup_to_disc_vertical


def test_train_predict_and_evaluate_from_the_command_line(phantoms: Path, tmp_path):
    small = [word for one in ("data.grown=0", "field_px=64", "crop_px=64", "filters=2", "steps=2", "batch_size=2")
             for word in ("--set", one)]  # fmt: skip
    targets = {"vessels": 1, "disc": 1, "disc-cup": 2, "lesions": 4, "artery_vein": 2, "landmarks": 2}
    for target, planes in targets.items():
        out = tmp_path / target
        result = run("segment", "train", "--data", phantoms, "--target", target, "--out", out, *small)
        assert result.exit_code == 0, (target, result.output)
        assert len(Segmenter.load(out).config.planes) == planes
        assert ("is now --target artery-vein" in result.output) == (target == "artery_vein")
    result = run("segment", "evaluate", "--model", tmp_path / "disc", "--data", phantoms, "--out", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "judged" / "segmentation.json").read_text())
    assert figures["planes"]["disc"]["pictures"] == 2
    assert len(list((tmp_path / "judged" / "panels").iterdir())) == 2


def test_wrong_requests_are_explained(phantoms: Path, tmp_path, monkeypatch, capfd):
    def fails(*words):
        monkeypatch.setattr(sys, "argv", ["retinasynth", "segment", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 1
        return " ".join(capfd.readouterr().err.split())

    assert "--out is missing" in fails("train", "--data", phantoms)
    assert "given together" in fails("train", "--out", tmp_path / "r", "--target", "disc", "--preset", "judge")
    assert "alone" in fails("train", "--resume", tmp_path / "r", "--target", "disc")
    assert "one of: vessels, disc-cup, landmarks, judge" in fails(
        "predict", "x.png", "--model", "vesels", "--out", tmp_path / "o"
    )
    assert "does not exist" in fails("predict", tmp_path / "nowhere", "--out", tmp_path / "o")
    folder = tmp_path / "alone" / "images"
    write_photograph(folder / "eye.png", RETINA[:200, :200])
    assert "no eye on the side 'test'" in fails(
        "evaluate", "--model", "vessels", "--data", folder.parent, "--out", tmp_path / "o"
    )
    assert "finds places, not outlines" in fails(
        "evaluate", "--model", "landmarks", "--data", phantoms, "--out", tmp_path / "o"
    )
    assert not (tmp_path / "o").exists()
