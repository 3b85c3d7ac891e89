import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.losses.dice import DiceLoss
from monai.networks.nets.basic_unet import BasicUNet
from torch.nn import functional

import retinasynth as rs
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes
from retinasynth.errors import CheckpointError, InterruptedRunError, ModelError, SettingError
from retinasynth.eye.agreement import agreement
from retinasynth.segmentation import predict as prediction
from retinasynth.segmentation import train as segmentation
from retinasynth.segmentation.losses import segmentation_loss
from retinasynth.segmentation.model import SegmenterConfig, SegmenterModel, load_segmenter, save_segmenter
from retinasynth.segmentation.network import SegmentationNetwork, normalised
from retinasynth.segmentation.predict import (
    Prediction,
    found_planes,
    largest_part,
    outline,
    predict,
    promised_dice,
    roundness,
)
from retinasynth.segmentation.settings import NetworkSettings, SegmentationLossSettings, SegmenterSettings
from retinasynth.segmentation.train import THRESHOLDS, best_thresholds
from retinasynth.segmentation.use import Segmenter
from retinasynth.training import checkpoint as checkpoints
from retinasynth.training.optimisation import falling_rate
from runs import assert_same_run, killed_run, log_of

TINY = [
    "data.grown=0",
    "field_px=64",
    "crop_px=64",
    "filters=2",
    "batch_size=2",
    "steps=8",
    "log_every_steps=1",
    "sample_every_steps=8",
    "checkpoint_every_steps=3",
    "ema_decay=0.5",
    "precision=fp32",
]


def tiny_settings(preset: str, *overrides: str) -> SegmenterSettings:
    return SegmenterSettings.from_preset(preset).with_overrides([*TINY, *overrides])


@pytest.fixture(scope="module")
def trained_vessels(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 8 steps. Not to be changed."""
    return segmentation.train([phantoms], tmp_path_factory.mktemp("runs") / "undisturbed", tiny_settings("vessels"))


def test_the_quick_network_is_that_of_monai():
    ours = SegmentationNetwork(2, NetworkSettings(architecture="unet", filters=4), "local").network.eval()
    theirs = BasicUNet(
        2, in_channels=4, out_channels=2, features=[4, 8, 16, 32, 64, 4], norm=("instance", {"affine": True})
    )
    theirs.load_state_dict(ours.state_dict())
    pictures = torch.randn(2, 4, 64, 48)
    with torch.inference_mode():
        assert torch.equal(ours(pictures), theirs.eval()(pictures))


# --- Networks and losses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["unet", "residual"])
@pytest.mark.parametrize("normalisation", ["local", "picture"])
def test_networks_give_logits_of_each_plane(architecture, normalisation):
    network = SegmentationNetwork(3, NetworkSettings(architecture=architecture, filters=2), normalisation).eval()
    pictures, fields = torch.rand(2, 3, 64, 96), torch.ones(2, 1, 64, 96)
    logits = network(pictures, fields)
    assert logits.shape == (2, 3, 64, 96)
    assert torch.allclose(logits[:1], network(pictures[:1], fields[:1]), atol=1e-5)  # none depends on its neighbours


@pytest.mark.parametrize("kind", ["local", "picture"])
def test_normalisation_takes_gain_and_offset_out(kind):
    torch.manual_seed(0)
    pictures = 0.3 + 0.1 * torch.rand(1, 3, 128, 128)
    fields = torch.zeros(1, 1, 128, 128)
    fields[..., 16:112, 16:112] = 1
    other = pictures * torch.tensor([2.0, 0.8, 1.5]).view(1, 3, 1, 1) + 0.05
    one, two = normalised(pictures, fields, kind), normalised(other, fields, kind)
    assert (one - two).abs().max() < 0.9  # the least deviation that counts differs in weight
    assert torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1] > 0.99
    assert one[fields.expand_as(one) == 0].abs().max() == 0
    assert one[fields.expand_as(one) == 1].mean().abs() < 0.05


def test_only_local_normalisation_takes_slow_illumination_out():
    torch.manual_seed(0)
    ramp = torch.linspace(0.2, 0.8, 256).expand(1, 3, 256, 256)
    pictures, fields = ramp + 0.05 * torch.randn(1, 3, 256, 256), torch.ones(1, 1, 256, 256)
    columns = {kind: normalised(pictures, fields, kind).mean(dim=(0, 1, 2)) for kind in ("local", "picture")}
    assert columns["local"][64:192].std() < 0.1
    assert columns["picture"][64:192].std() > 0.3


def test_loss_is_the_sum_of_its_terms_over_known_planes():
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 2, 32, 32), (torch.rand(3, 2, 32, 32) < 0.3).float()
    known = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    weights = SegmentationLossSettings(dice_weight=2, cross_entropy_weight=3, cldice_weight=0.5)
    loss = segmentation_loss(logits, labels, known, weights)
    dice = DiceLoss(sigmoid=True, batch=True)
    by_plane = [dice(logits[rows, plane : plane + 1], labels[rows, plane : plane + 1])
                for plane, rows in ((0, [0, 1]), (1, [1, 2]))]  # fmt: skip
    assert loss.dice == pytest.approx(float(sum(by_plane) / 2), abs=1e-6)
    pixels = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    assert loss.cross_entropy == pytest.approx(float(pixels[known > 0].mean()), abs=1e-6)
    assert loss.total == pytest.approx(float(2 * loss.dice + 3 * loss.cross_entropy + 0.5 * loss.cldice), abs=1e-5)
    changed = labels.clone()
    changed[0, 1] = 1 - changed[0, 1]
    assert segmentation_loss(logits, changed, known, weights).total == loss.total  # an unknown plane teaches nothing


def test_the_centre_line_term_sees_a_gap_that_dice_hardly_does():
    line = torch.zeros(1, 1, 64, 64)
    line[..., 30:34, 4:60] = 1
    gap, thinner = line.clone(), line.clone()
    gap[..., 28:32] = 0
    thinner[..., 33, :48] = 0
    known = torch.ones(1, 1)
    weights = SegmentationLossSettings(cldice_weight=1)
    losses = {name: segmentation_loss(20 * (mask - 0.5), line, known, weights) for name, mask in
              (("line", line), ("gap", gap), ("thinner", thinner))}  # fmt: skip
    assert losses["line"].cldice < 0.01
    assert losses["gap"].cldice > losses["thinner"].cldice
    assert losses["gap"].dice < losses["thinner"].dice


def test_pixels_that_are_untold_teach_nothing():
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 32, 32, requires_grad=True)
    labels, known = (torch.rand(2, 2, 32, 32) < 0.3).float(), torch.ones(2, 2)
    told = torch.rand(2, 1, 32, 32) < 0.8
    weights = SegmentationLossSettings(cldice_weight=0.3)
    loss = segmentation_loss(logits, labels, known, weights, told).total
    loss.backward()
    assert logits.grad[~told.expand_as(logits)].abs().max() == 0
    assert logits.grad[told.expand_as(logits)].abs().min() > 0
    changed = torch.where(told, labels, 1 - labels)
    assert segmentation_loss(logits, changed, known, weights, told).total == loss
    everywhere = segmentation_loss(logits, labels, known, weights, torch.ones_like(told)).total
    assert everywhere == segmentation_loss(logits, labels, known, weights).total


def test_nothing_known_teaches_nothing():
    logits = torch.randn(2, 1, 16, 16, requires_grad=True)
    loss = segmentation_loss(logits, torch.ones(2, 1, 16, 16), torch.zeros(2, 1), SegmentationLossSettings())
    loss.total.backward()
    assert loss.total == 0
    assert logits.grad.abs().max() == 0


# --- Training --------------------------------------------------------------------------------------------------------


def test_run_folder_and_model_folder(trained_vessels):
    assert [line["step"] for line in log_of(trained_vessels)] == list(range(1, 9))
    assert {"loss", "loss_dice", "loss_cross_entropy", "loss_cldice"} < set(log_of(trained_vessels)[0])
    assert (trained_vessels / "samples" / "step_000008.png").is_file()
    model = load_segmenter(trained_vessels / "model")
    assert set(model.config.thresholds) == {"vessels"}
    assert model.config.thresholds["vessels"] in THRESHOLDS
    assert model.config.training["data"] == "3 eyes of set"
    card = (trained_vessels / "model" / "README.md").read_text()
    assert "not for diagnosis" in card
    assert "3 eyes of set" in card


def test_training_learns_to_see_vessels(phantoms, tmp_path):
    quick = ["architecture=unet", "filters=4", "steps=220", "ema_decay=0.9", "photometric=0.3"]
    seldom = ["sample_every_steps=1000", "checkpoint_every_steps=1000"]
    run = segmentation.train([phantoms], tmp_path / "run", tiny_settings("vessels", *quick, *seldom))
    segmenter = Segmenter.load(run)
    dice = []
    for files in find_eyes(phantoms).split("test"):
        from retinasynth.data.find import read_eye

        eye = read_eye(files)
        seen = predict(segmenter.model, eye.photograph)
        found = found_planes(segmenter.model, seen)["vessels"]
        dice.append(agreement(found, eye.planes["vessels"], seen.field).dice)
    assert np.mean(dice) > 0.55


def test_a_fine_tuned_segmenter_resumes_without_the_one_it_began_from(trained_vessels, phantoms, tmp_path):
    shutil.copytree(trained_vessels / "model", tmp_path / "start")
    still = [f"start_from={tmp_path / 'start'}", "learning_rate=1e-12", "weight_decay=0"]
    whole = segmentation.train([phantoms], tmp_path / "whole", tiny_settings("vessels", *still))
    before, after = (load_segmenter(folder / "model").network.state_dict() for folder in (trained_vessels, whole))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)
    killed_run("segmentation", [phantoms], tmp_path / "killed", tiny_settings("vessels", *still), at_step=6)
    shutil.rmtree(tmp_path / "start")
    segmentation.resume(tmp_path / "killed")
    assert_same_run(tmp_path / "killed", whole)


def test_killed_and_resumed_run_is_bit_identical(trained_vessels, phantoms, tmp_path):
    run = tmp_path / "run"
    killed_run("segmentation", [phantoms], run, tiny_settings("vessels"), at_step=6)
    assert checkpoints.read_progress(run).step == 3
    segmentation.resume(run)
    assert_same_run(run, trained_vessels)


def test_stopped_run_says_how_to_go_on(trained_vessels, phantoms, tmp_path, monkeypatch):
    real_step, steps = segmentation.train_step, []

    def step(*arguments):
        steps.append(1)
        if len(steps) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return real_step(*arguments)

    monkeypatch.setattr(segmentation, "train_step", step)
    with pytest.raises(InterruptedRunError, match="retinasynth segment train --resume"):
        segmentation.train([phantoms], tmp_path / "run", tiny_settings("vessels"))
    segmentation.resume(tmp_path / "run")
    assert_same_run(tmp_path / "run", trained_vessels)


def test_other_settings_or_data_cannot_resume(trained_vessels, phantoms, tmp_path):
    import shutil

    run = shutil.copytree(trained_vessels, tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"network.filters was 2, is 4"):
        segmentation.resume(run, ["filters=4"])
    with pytest.raises(CheckpointError, match="not a run folder"):
        segmentation.resume(tmp_path / "nothing")
    others = shutil.copytree(phantoms, tmp_path / "others")
    eye = find_eyes(others).split("train")[0]
    for path in (eye.photograph, *eye.planes.values()):
        path.unlink()
    with pytest.raises(CheckpointError, match="not those that the run began with"):
        segmentation.resume(run, [f"data.folders={others}"])


def test_several_sets_and_planes_and_grown_eyes_learn_together(phantoms, tmp_path):
    settings = tiny_settings("disc-cup", "data.grown=3", "steps=2", "grown_share=0.5")
    model = load_segmenter(segmentation.train([phantoms, phantoms], tmp_path / "run", settings) / "model")
    assert model.config.planes == ("disc", "cup")
    assert model.config.training["data"] == "3 eyes of set, 3 eyes of set, 3 grown eyes"
    alone = segmentation.train([], tmp_path / "alone", tiny_settings("vessels", "data.grown=4", "steps=2"))
    assert load_segmenter(alone / "model").config.training["validation_eyes"] == 1


def test_pix2pix_finds_vessels_the_other_way_round(phantoms, tmp_path):
    settings = SegmenterSettings.from_preset("pix2pix").with_overrides(
        ["filters=2", "steps=2", "sample_every_steps=2", "field_px=256", "log_every_steps=1"]
    )
    run = segmentation.train([phantoms], tmp_path / "run", settings)
    assert {"loss_discriminator_real", "loss_generator_l1"} < set(log_of(run)[0])
    seen = predict(Segmenter.load(run).model, phantom_eye(0, 300).photograph)
    assert seen.probabilities["vessels"].shape == (300, 300)
    with pytest.raises(SettingError, match="pix2pix finds one plane"):
        SegmenterSettings.from_preset("pix2pix").with_overrides(["planes=vessels,disc"])


def test_learning_rate_rises_then_falls_to_nothing():
    rates = [falling_rate(2.0, step, 1000) for step in range(1000)]
    assert np.argmax(rates) == 99
    assert rates[0] == pytest.approx(2 / 100, rel=1e-3)
    assert rates[500] == pytest.approx(1, rel=0.01)
    assert 0 < rates[-1] < 2e-4


def test_thresholds_are_those_of_the_highest_dice(phantoms, monkeypatch):
    """A segmenter whose probabilities are right from .7 on."""

    def seen(_, photograph):
        eye = next(one for one in eyes if (one.photograph == photograph).all())
        wanted = eye.planes["vessels"]
        noise = np.random.default_rng(0).uniform(0, 0.68, wanted.shape)
        return Prediction({"vessels": np.where(wanted, 0.72, noise).astype(np.float32)}, np.ones_like(wanted))

    from retinasynth.data.find import read_eye

    files = find_eyes(phantoms).split("test")
    eyes = [read_eye(one) for one in files]
    monkeypatch.setattr(segmentation, "predict", seen)
    config = SegmenterConfig.of(tiny_settings("vessels"), {"vessels": 0.5}, {})
    model = SegmenterModel(SegmentationNetwork(1, config.network, "local"), config)
    thresholds, dice = best_thresholds(model, files)
    assert thresholds == {"vessels": 0.7}
    assert dice["vessels"] == pytest.approx(1)


# --- Prediction ------------------------------------------------------------------------------------------------------


class Reader(torch.nn.Module):
    """Finds what is painted: disc where the picture is red, cup where it is green."""

    def parameters(self, recurse=True):  # noqa: ARG002
        return iter([torch.zeros(1)])

    def forward(self, pictures, fields):
        return 20 * (pictures[:, :2] - 0.5) * fields


def painted(height: int, width: int, disc: tuple[int, int, int]) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    picture = np.zeros((height, width, 3), np.uint8)
    field = (rows - height // 2) ** 2 + (columns - width // 2) ** 2 < (0.48 * height) ** 2
    picture[field] = (60, 60, 120)
    row, column, radius = disc
    picture[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = (220, 60, 120)
    picture[(rows - row) ** 2 + (columns - column) ** 2 < (radius / 2) ** 2] = (220, 220, 120)
    return picture


def reader_model() -> SegmenterModel:
    config = SegmenterConfig.of(SegmenterSettings.from_preset("disc-cup"), {"disc": 0.5, "cup": 0.5}, {})
    return SegmenterModel(Reader(), config)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(300, 400), (1200, 1500)])
def test_a_close_look_finds_disc_and_cup_at_any_size(size):
    height, width = size
    disc = (round(0.45 * height), round(0.6 * width), round(0.06 * height))
    model = reader_model()
    seen = predict(model, painted(height, width, disc))
    planes = found_planes(model, seen)
    rows, columns = np.mgrid[:height, :width]
    for plane, radius in (("disc", disc[2]), ("cup", disc[2] / 2)):
        wanted = (rows - disc[0]) ** 2 + (columns - disc[1]) ** 2 < radius**2
        assert agreement(planes[plane], wanted, np.ones_like(wanted)).dice > 0.955
    assert not (planes["cup"] & ~planes["disc"]).any()


def test_a_speck_is_not_enlarged_without_end(monkeypatch):
    sides, look = [], prediction._seen

    def remembered(model, photograph, field, frame, *rest):
        sides.append(frame.side)
        return look(model, photograph, field, frame, *rest)

    monkeypatch.setattr(prediction, "_seen", remembered)
    seen = predict(reader_model(), painted(600, 800, (250, 350, 2)))
    assert len(sides) > 1
    assert min(sides) > 0.08 * sides[0]  # else the whole photograph would be enlarged a hundredfold
    assert 0 < (seen.probabilities["disc"] > 0.5).sum() < 30


def test_no_disc_is_no_plane_rather_than_an_empty_one():
    model = reader_model()
    picture = painted(300, 400, (150, 200, 20))
    picture[picture.any(axis=2)] = (60, 60, 120)
    assert found_planes(model, predict(model, picture)) == {}


def test_the_largest_part_counts_without_holes():
    mask = np.zeros((20, 20), np.bool_)
    mask[2:10, 2:10] = True
    mask[5, 5] = False
    mask[15:17, 15:17] = True
    assert largest_part(mask).sum() == 64
    assert not largest_part(np.zeros((4, 4), np.bool_)).any()


def test_the_outline_of_a_disc_is_convex_without_spikes():
    rows, columns = np.mgrid[:200, :200]
    disc = (rows - 100) ** 2 + (columns - 90) ** 2 < 50**2
    ragged = disc.copy()
    ragged[97:103, 90:190] = True  # a vessel that was taken for disc
    ragged[50:80, 88:92] = False  # one that was not
    ragged[5:15, 5:15] = True
    found = outline(ragged)
    assert agreement(found, disc, np.ones_like(disc)).dice > 0.99
    assert not found[:, 145:].any()
    assert found[60, 90]
    assert not outline(np.zeros((20, 20), np.bool_)).any()


def test_of_two_places_that_may_be_a_disc_the_surer_one_is_taken():
    picture = painted(600, 800, (270, 480, 36))
    rows, columns = np.mgrid[:600, :800]
    picture[(rows - 400) ** 2 + (columns - 250) ** 2 < 45**2] = (132, 60, 120)  # larger than the disc, but doubtful
    model = reader_model()
    planes = found_planes(model, predict(model, picture))
    wanted = (rows - 270) ** 2 + (columns - 480) ** 2 < 36**2
    assert agreement(planes["disc"], wanted, np.ones_like(wanted)).dice > 0.95


def test_specks_are_no_vessels(trained_vessels):
    model = load_segmenter(trained_vessels / "model")
    probability = np.zeros((768, 768), np.float32)
    probability[100:104, 100:600] = 1
    probability[300:304, 300:304] = 1
    found = found_planes(model, Prediction({"vessels": probability}, np.ones((768, 768), np.bool_)))
    assert found["vessels"].sum() == 4 * 500


def test_weights_survive_being_kept_in_half_precision(trained_vessels, tmp_path):
    model = load_segmenter(trained_vessels / "model")
    save_segmenter(tmp_path / "again", model)
    again = load_segmenter(tmp_path / "again")
    assert again.config == model.config
    picture, fields = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    assert torch.equal(again.network(picture, fields), model.network(picture, fields))
    size = (tmp_path / "again" / "model.safetensors").stat().st_size
    assert size < 2.6 * sum(tensor.numel() for tensor in model.network.state_dict().values())


def test_a_generator_is_no_segmenter_and_the_other_way_round(trained, trained_vessels):
    with pytest.raises(ModelError, match="not of a retinasynth segmenter"):
        Segmenter.load(trained)
    with pytest.raises(ModelError, match="not of a retinasynth model"):
        rs.load(trained_vessels)
    with pytest.raises(ModelError, match=r"nothing does not exist.*one of: vessels, disc-cup, landmarks, judge"):
        Segmenter.load("nothing")


def test_promised_dice_is_kept_by_calibrated_probabilities():
    random = np.random.default_rng(0)
    probability = random.beta(0.3, 0.9, (400, 400)).astype(np.float32)
    truth = random.random((400, 400)) < probability
    found = probability >= 0.4
    kept = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    assert promised_dice(probability, found) == pytest.approx(kept, abs=0.01)
    assert promised_dice(probability, np.zeros_like(found)) == 0


def test_roundness():
    square, bar = np.zeros((50, 50), np.bool_), np.zeros((50, 50), np.bool_)
    square[10:40, 10:40], bar[23:27, 5:45] = True, True
    assert 0.85 < roundness(square) < 0.95
    assert roundness(bar) < 0.5
