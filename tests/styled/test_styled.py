"""The generator that follows a style: its network, what it learns from, its training, and what users get."""

import dataclasses
import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from commands import fails
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes, photograph_of, read_eye
from retinasynth.errors import DataError, InputError, InterruptedRunError, SettingError
from retinasynth.evaluation.subjects import Conditions, evaluate_model, generated
from retinasynth.eye import Eye
from retinasynth.eye.agreement import agreement
from retinasynth.eye.style import NUMBERS, TERMS, TEXTURES, Style
from retinasynth.generation import complete as discs
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.train import settings_of_preset
from retinasynth.images import read_mask, read_metadata, read_photograph, write_mask
from retinasynth.networks.layers import coordinates
from retinasynth.settings import flat
from retinasynth.studies.ablate import ablate as run_ablation
from retinasynth.studies.bench import run_bench
from retinasynth.studies.table import Row, Table
from retinasynth.styled import train as styled
from retinasynth.styled import train as trainer
from retinasynth.styled.data import (
    FEWEST_WELL,
    StyledBatch,
    example,
    facing_right,
    hidden,
    load_styled,
    load_training_eyes,
    usual_styles,
    usual_texture,
)
from retinasynth.styled.discriminator import MultiScaleDiscriminator
from retinasynth.styled.encode import signed_layers
from retinasynth.styled.generator import FoundDisc
from retinasynth.styled.losses import difference_within, feature_difference
from retinasynth.styled.network import StyledNetwork, canvas
from retinasynth.styled.train import _cup_and_rim, _lesions
from runs import assert_same_run, log_of

PLANES = ("vessels", "disc", "cup")


@pytest.fixture
def settings(styled_settings):
    return styled_settings


@pytest.fixture
def run(styled_run):
    return styled_run


@pytest.fixture(scope="module")
def model(styled_run):
    return load_generator(styled_run)


@pytest.fixture(scope="module")
def eye():
    return phantom_eye(seed=11, size_px=64)


# --- The network -------------------------------------------------------------------------------------------------


@pytest.fixture
def network(settings):
    torch.manual_seed(0)
    made = StyledNetwork(1 + len(PLANES), settings.generator, styles=5)
    made.start_from(torch.randn(5, NUMBERS) / 10)
    for module in made.modules():  # as if it had learnt
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            torch.nn.init.normal_(module.weight, 0, 0.1)
    return made.eval()


def given(batch=1):
    labels = torch.rand(batch, 1 + len(PLANES), 32, 32) * 2 - 1
    labels[:, 0] = -1
    labels[:, 0, 4:28, 4:28] = 1
    return labels, torch.randn(batch, NUMBERS) / 10


@torch.inference_mode()
def test_it_begins_as_the_smooth_field_of_the_style(settings):
    network = StyledNetwork(1 + len(PLANES), settings.generator, styles=5)
    network.start_from(torch.randn(5, NUMBERS))
    labels, style = given()
    inside = labels[:, :1] > 0
    photograph = network(labels, style, torch.ones(1, 1))
    torch.testing.assert_close(photograph, torch.where(inside, canvas(style, coordinates(labels)), -1.0))


def test_the_canvas_is_the_field_that_was_measured():
    errors = []
    for seed in range(4):
        eye = phantom_eye(seed, size_px=64)
        covered = eye.planes["fov"].astype(np.uint8) * np.uint8(255)
        style = Style.of(eye.photograph, covered)
        drawn = canvas(torch.from_numpy(style.numbers)[None], coordinates(torch.zeros(1, 1, 64, 64)))
        inside = eye.planes["fov"] & ~eye.planes["vessels"]  # which no canvas shows
        error = np.abs(((drawn[0].permute(1, 2, 0).numpy() + 1) * 127.5 - eye.photograph)[inside]).mean()
        errors.append(error / np.abs(eye.photograph[inside] - eye.photograph[inside].mean(axis=0)).mean())
    assert np.mean(errors) < 0.75


def test_an_unknown_disc_is_looked_for_in_the_most_likely_photographs(styled_run, eye, monkeypatch):
    model, looked, disc = load_generator(styled_run), [], eye.planes["disc"]
    surer_of = [FoundDisc(~disc, 0.7), FoundDisc(disc, 0.9)]

    def find(photograph):
        looked.append(photograph)
        return surer_of[(len(looked) - 1) % 2]

    bare = Eye("bare", {plane: eye.planes[plane] for plane in ("vessels", "fov")})
    left_to_chance = model.generate(bare, seed=1)  # in a photograph as small as this nothing can be found
    monkeypatch.setattr(discs, "find_disc", find)
    model = load_generator(styled_run)
    found = model.generate(bare, seed=1)
    assert len(looked) == 2
    inside = bare.planes["fov"]
    np.testing.assert_array_equal(looked[0][inside], model.generate(bare, style="expected", size="mask")[inside])
    told = Eye("told", {plane: eye.planes[plane] for plane in ("vessels", "fov", "disc")})
    np.testing.assert_array_equal(found, model.generate(told, seed=1))
    assert (found != left_to_chance).any()
    model.generate(bare, seed=2)
    assert len(looked) == 2  # of the same eye, of one that has a disc, of the most likely photograph
    model.generate(Eye("other", {**bare.planes, "vessels": bare.planes["vessels"][::-1]}), seed=1)
    assert len(looked) == 4
    surer_of[:] = [FoundDisc(None, 0.0)] * 2
    np.testing.assert_array_equal(load_generator(styled_run).generate(bare, seed=1), left_to_chance)


def test_what_has_learnt_from_vessels_alone_is_told_no_disc(phantoms, settings, eye, tmp_path, monkeypatch):
    shutil.copytree(phantoms, tmp_path / "eyes", ignore=shutil.ignore_patterns("disc", "cup"))
    run = trainer.train(tmp_path / "eyes", tmp_path / "run", settings.with_overrides(["epochs=1"]))
    model = load_generator(run)
    assert model.config.training["known_planes"] == {"vessels": 4, "disc": 0, "cup": 0}
    monkeypatch.setattr(discs, "find_disc", lambda _: pytest.fail("a disc was looked for"))
    model.generate(Eye("bare", {plane: eye.planes[plane] for plane in ("vessels", "fov")}))


def test_completing_can_be_switched_off_on_the_command_line(styled_run, eye, tmp_path, monkeypatch):
    masks = tmp_path / "masks"
    write_mask(masks / "a.png", eye.planes["vessels"])
    monkeypatch.setattr(discs, "find_disc", lambda _: pytest.fail("a disc was looked for"))
    for path, out in ((masks / "a.png", tmp_path / "made.png"), (masks, tmp_path / "made")):
        command = ["generate", "--model", styled_run, "--masks", path, "--out", out, "--no-complete"]
        monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, command)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        assert out.exists()


@pytest.mark.parametrize("laterality", ["left", "right"])
def test_the_disc_of_a_bare_mask_lies_where_its_vessels_meet(laterality):
    grown = grow(3, 512, laterality=laterality)
    photograph = load_generator("fundus-512").generate(grown.planes["vessels"], seed=2)
    found = discs.find_disc(photograph)
    assert agreement(found.disc, grown.planes["disc"], grown.planes["fov"]).dice > 0.6
    assert found.confidence > 0.8
    assert discs.find_disc(np.zeros((300, 300, 3), np.uint8)).disc is None
    assert discs.find_disc(np.full((300, 300, 3), 90, np.uint8)).disc is None


@torch.inference_mode()
def test_nothing_is_drawn_outside_the_field_of_view(network):
    labels, style = given()
    photograph = network(labels, style, torch.ones(1, 1))
    outside = (labels[:, :1] < 0).expand_as(photograph)
    assert (photograph[outside] == -1).all()
    assert photograph[~outside].std() > 0


@torch.inference_mode()
def test_noise_makes_many_photographs_but_one_without_detail(network):
    labels, style = given()
    with_detail = [network(labels, style, torch.ones(1, 1)) for _ in range(2)]
    without = [network(labels, style, torch.zeros(1, 1)) for _ in range(2)]
    assert (with_detail[0] - with_detail[1]).abs().max() > 1e-3
    torch.testing.assert_close(without[0], without[1])


@torch.inference_mode()
def test_the_texture_of_a_style_matters_only_with_detail(network):
    labels, style = given()
    other = style.clone()
    other[:, -TEXTURES:] += 1

    def made(style, detail):
        torch.manual_seed(0)
        return network(labels, style, torch.full((1, 1), detail))

    torch.testing.assert_close(made(style, 0.0), made(other, 0.0))
    assert (made(style, 1.0) - made(other, 1.0)).abs().max() > 1e-3
    other[:, : 3 * TERMS] += 0.1
    assert (made(style, 0.0) - made(other, 0.0)).abs().max() > 1e-3


@torch.inference_mode()
def test_a_picture_does_not_depend_on_its_batch(network):
    labels, style = given(3)
    none = torch.zeros(3, 1)
    torch.testing.assert_close(network(labels, style, none)[1:2], network(labels[1:2], style[1:2], none[:1]))


def test_the_discriminators_look_at_a_piece_and_at_all_of_it(settings):
    torch.manual_seed(0)
    looking = MultiScaleDiscriminator(2, settings.discriminator.model_copy(update={"scales": 2, "crop_px": 32}))
    mask, photograph = torch.rand(1, 2, 64, 64), torch.rand(1, 3, 64, 64, requires_grad=True)
    first, second = looking(mask, photograph, (8, 16))
    assert [len(first), len(second)] == [6, 6]
    (gradient,) = torch.autograd.grad(first[-1].sum(), photograph, retain_graph=True)
    seen = gradient.abs().sum(dim=(0, 1)) > 0
    assert seen[8:40, 16:48].any()
    seen[8:40, 16:48] = False
    assert not seen.any()
    (gradient,) = torch.autograd.grad(second[-1].sum(), photograph)
    assert gradient[..., :8, :].abs().sum() > 0
    torch.testing.assert_close(second[0], looking(mask, photograph, (0, 0))[1][0])


def test_features_are_compared_without_the_verdict():
    ours, theirs = [torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 2, 2)], [torch.ones(1, 2, 4, 4), torch.zeros(1, 1, 2, 2)]
    assert feature_difference([ours, ours], [theirs, ours]).item() == pytest.approx(0.5)


def test_lesions_of_every_kind_count_alike_however_small():
    real = torch.zeros(1, 3, 64, 64)
    large, small = real.clone(), real.clone()
    lesions = torch.zeros(1, 2, 64, 64)
    lesions[0, 0, :32, :32] = 1
    lesions[0, 1, 40:44, 40:44] = 1
    large[..., :32, :32] = 0.5
    small[..., 40:44, 40:44] = 0.5
    assert difference_within(large, real, lesions).item() == pytest.approx(0.25)
    assert difference_within(small, real, lesions).item() == pytest.approx(0.25)
    assert difference_within(small, real, 0 * lesions).item() == 0
    assert difference_within(small, real, lesions[:, :0]).item() == 0
    tiny = 0 * lesions
    tiny[0, 1, 40, 40] = 1  # a pixel of 4096, of 2.05 that count in full
    assert difference_within(small, real, tiny).item() == pytest.approx(0.25 / (5e-4 * 64 * 64))


def test_the_mean_of_a_part_counts_beside_its_pixels():
    part = torch.zeros(1, 1, 16, 16)
    part[..., 2:12, 2:12] = 1
    real = torch.zeros(1, 3, 16, 16)
    real[..., 2:5, 2:12] = 1  # the bright three tenths of an exudate
    median, mean = torch.zeros_like(real), torch.full_like(real, 0.3)
    assert (median - real).abs().mean() < (mean - real).abs().mean()
    assert difference_within(mean, real, part).item() == pytest.approx(0.21)  # of pixels .42, of means 0
    assert difference_within(median, real, part).item() == pytest.approx(0.3)


def test_lesions_count_where_they_are_known(settings):
    chosen = settings.with_overrides(["data.planes=vessels,disc,haemorrhages,soft_exudates"])
    labels = torch.full((2, 5, 4, 4), -1.0)
    labels[0, 3, 1, 1], labels[0, 3, 2, 2] = 1, -0.5
    labels[1, 3:] = 0  # nobody says
    found = _lesions(labels, chosen)
    assert found.shape == (2, 2, 4, 4)
    assert found[0, 0, 1, 1] == 1
    assert found[0, 0, 2, 2] == 0.25
    assert found.sum() == 1.25


def test_cup_and_rim_count_where_both_are_known(settings):
    labels = torch.full((4, 4, 4, 4), -1.0)
    labels[:3, 2, 1:3, 1:3] = 1  # the disc
    labels[3, 2], labels[3, 3, 1, 1] = 0, 1
    labels[0, 3, 1, 1] = 1  # a quarter of it is cup
    labels[1, 3] = 0
    found = _cup_and_rim(labels, settings)
    assert found[0].sum(dim=(1, 2)).tolist() == [1, 3]
    assert found[1:].sum() == 0  # a cup that nobody knows; a disc without one; a disc that nobody knows
    assert _cup_and_rim(labels, settings.with_overrides(["data.planes=vessels,disc"])).shape[1] == 0


def test_of_a_vessel_that_is_in_neither_plane_it_is_unknown_which_it_is():
    planes = ("vessels", "arteries", "veins")
    layers = np.zeros((1, 4, 4), np.uint8)
    layers[0, :, 0], layers[0, 1:, 1] = 255, 255  # the first pixel is no vessel
    layers[0, 1, 2], layers[0, 2, 3] = 255, 255
    signed = signed_layers(layers, np.array([True, True, True]), planes)
    assert signed[2:, 0].T.tolist() == [[-1, -1], [1, -1], [-1, 1], [0, 0]]
    alone = signed_layers(layers, np.array([True, False, True]), planes)
    assert (alone[2] == 0).all()
    assert alone[3, 0].tolist() == [-1, -1, 1, -1]  # one plane alone is taken to be whole


# --- What it learns from -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eyes(phantoms):
    return load_styled(find_eyes(phantoms).split("train"), 64, (*PLANES, "haemorrhages"))


def test_examples_hold_labels_photograph_and_its_style(eyes, settings):
    still = ["flip=false", "rotation_deg=0", "plane_dropout=0", "data.planes=vessels,disc,cup,haemorrhages"]
    plain = settings.with_overrides(still)
    unknown = dataclasses.replace(eyes, known=eyes.known & [True, True, True, False])
    labels, photograph, style = example(unknown, 1, plain, epoch=0, position=0)
    assert labels.shape == (5, 64, 64)
    covered = torch.from_numpy(np.array(eyes.layers[1]))
    torch.testing.assert_close(labels[:4], covered[:4] / 127.5 - 1)
    assert (labels[4] == 0).all()
    assert (photograph[:, covered[0] == 0] == -1).all()
    np.testing.assert_allclose(style.numpy(), eyes.styles[1], atol=1e-6)


def test_turned_examples_have_the_style_of_what_they_show(eyes, settings):
    turned = settings.with_overrides(["data.planes=vessels,disc,cup,haemorrhages", "plane_dropout=0"])
    found = [example(eyes, 0, turned, epoch=0, position=position) for position in range(6)]
    assert len({labels.numpy().tobytes() for labels, _, _ in found}) > 3
    errors, places = [], coordinates(torch.zeros(2, 1, 64, 64))
    for labels, photograph, style in found:
        inside = labels[0] > 0.99
        styles = torch.stack([style, torch.from_numpy(eyes.styles[0])])
        errors.append((canvas(styles, places) - photograph).abs()[..., inside].mean(dim=(1, 2)))
    itself, not_turned = torch.stack(errors).mean(dim=0)
    assert itself < 0.9 * not_turned


def test_planes_are_hidden_as_often_as_asked_but_never_the_vessels(settings):
    rate = settings.with_overrides(["plane_dropout=0.3"])
    drawn = np.stack([hidden(np.random.default_rng(seed), rate) for seed in range(4000)])
    assert not drawn[:, 0].any()
    assert drawn.any(axis=1).mean() == pytest.approx(0.15 + 0.15 * (1 - 0.25), abs=0.03)
    assert drawn[:, 1].mean() == pytest.approx(0.15 + 0.15 / 2, abs=0.03)
    assert drawn[:, 1:].all(axis=1).mean() == pytest.approx(0.15 + 0.15 / 4, abs=0.03)
    kinds = rate.with_overrides(["data.planes=vessels,arteries,veins"])
    both = np.stack([hidden(np.random.default_rng(seed), kinds) for seed in range(400)])[:, 1:]
    assert both.any()
    assert (both[:, 0] == both[:, 1]).all()  # as they are told
    never = settings.with_overrides(["plane_dropout=0"])
    assert not hidden(np.random.default_rng(0), never).any()


def test_cups_are_varied_where_they_are_shown_and_only_there(phantoms, settings):
    eyes = load_styled(find_eyes(phantoms).split("train"), 192, (*PLANES, "haemorrhages"))
    still = ["flip=false", "rotation_deg=0", "plane_dropout=0", "data.planes=vessels,disc,cup,haemorrhages"]
    varied, usual = (settings.with_overrides([*still, f"cup_variation={rate}"]) for rate in (1, 0))
    cups = [example(eyes, 1, varied, epoch=0, position=position)[0][3] for position in range(8)]
    own = example(eyes, 1, usual, epoch=0, position=0)[0][3]
    heights = {int((cup > 0).any(dim=1).sum()) for cup in cups}
    assert len(heights) > 2
    assert min(heights) < int((own > 0).any(dim=1).sum()) < max(heights)
    unknown = dataclasses.replace(eyes, known=eyes.known & [True, True, False, True])
    pictures = {example(unknown, 1, varied, epoch=0, position=position)[1].numpy().tobytes() for position in range(8)}
    assert len(pictures) == 1


def test_lesions_are_lent_where_it_is_shown_whether_there_are_any(eyes, settings):
    still = ["flip=false", "rotation_deg=0", "plane_dropout=0", "data.planes=vessels,disc,cup,haemorrhages"]
    often, never = (settings.with_overrides([*still, f"lesion_lending={rate}"]) for rate in (1, 0))
    assert eyes.lesions == (3,)
    assert eyes.is_well.all()  # the phantoms
    layers = np.array(eyes.layers)
    layers[1, 4, 12:16, 28:32] = 255
    one_ill = dataclasses.replace(eyes, layers=layers, is_ill=np.arange(len(eyes)) == 1)
    drawn = [example(one_ill, 0, often, epoch=0, position=position)[0][4] for position in range(4)]
    assert any((layer > 0).any() for layer in drawn)
    assert not (example(one_ill, 0, never, epoch=0, position=0)[0][4] > 0).any()
    unknown = dataclasses.replace(one_ill, known=eyes.known & [True, True, True, False])
    pictures = {example(unknown, 0, often, epoch=0, position=position)[1].numpy().tobytes() for position in range(4)}
    assert len(pictures) == 1


def test_texture_beyond_that_of_eyes_without_lesions_is_not_the_cameras():
    styles = np.random.default_rng(0).normal(size=(60, NUMBERS)).astype(np.float32)
    is_well = np.arange(60) < 30
    styles[50, -1] = 9
    kept = usual_texture(styles, is_well)
    assert kept[50, -1] == pytest.approx(np.quantile(styles[is_well, -1], 0.98))
    np.testing.assert_array_equal(kept[:, : 3 * TERMS], styles[:, : 3 * TERMS])
    np.testing.assert_array_equal(usual_texture(styles, np.arange(60) < 19), styles)  # of so few, nothing is told


def test_new_styles_are_not_drawn_from_eyes_that_are_known_to_be_ill(eyes):
    planes = (*PLANES, "haemorrhages")
    many = 6 * list(range(len(eyes)))
    number = np.arange(len(many))
    grades = [2 if at == 3 else 1 if at == 4 else None for at in number]
    enlarged = dataclasses.replace(
        eyes,
        files=[dataclasses.replace(eyes.files[at], grade=grade) for at, grade in zip(many, grades, strict=True)],
        photographs=[eyes.photographs[at] for at in many],
        layers=np.array(eyes.layers)[many],
        known=eyes.known[many],
        styles=eyes.styles[many] + number[:, None].astype(np.float32),
        is_ill=number == 1,
        is_well=number < 0,
    )
    others = np.setdiff1d(number, [1, 3])
    assert len(others) >= FEWEST_WELL
    np.testing.assert_array_equal(usual_styles(enlarged, planes), facing_right(enlarged, planes)[others])
    np.testing.assert_array_equal(usual_styles(eyes, planes), facing_right(eyes, planes))  # of so few, none is left out


def test_styles_are_kept_with_the_disc_on_the_right(eyes):
    kept = facing_right(eyes, (*PLANES, "haemorrhages"))
    for numbers, own, layers in zip(kept, eyes.styles, eyes.layers, strict=True):
        columns = layers[2].sum(axis=0)
        is_left = columns @ np.arange(64) < columns.sum() * 31.5
        np.testing.assert_allclose(numbers, Style(own).mirrored().numbers if is_left else own)
    np.testing.assert_array_equal(facing_right(eyes, ("vessels",)), eyes.styles)


# --- Training ----------------------------------------------------------------------------------------------------


def test_both_kinds_of_steps_are_learnt_and_logged(run):
    lines = log_of(run)
    assert [line["step"] for line in lines] == list(range(1, 17))
    assert [("loss_expected_l1" in line) for line in lines] == [False, True] * 8
    assert all(("loss_generator_features" in line) != ("loss_expected_l1" in line) for line in lines)
    assert (run / "samples" / "step_000012.png").is_file()


def test_training_learns(phantoms, settings, tmp_path):
    run = trainer.train(phantoms, tmp_path / "run", settings.with_overrides(["epochs=60", "sample_every_steps=1000"]))
    expected = [line["loss_expected_l1"] for line in log_of(run) if "loss_expected_l1" in line]
    assert np.mean(expected[-15:]) < 0.8 * np.mean(expected[:5])


def test_discriminators_see_how_a_photograph_departs_from_its_field(phantoms, settings):
    fabric = Fabric(accelerator="cpu", devices=1)
    eyes = load_training_eyes(settings.with_overrides([f"data.folder={phantoms}"])).train
    learner = styled.build_learner(fabric, settings, torch.contiguous_format, torch.from_numpy(eyes.styles))
    batch = StyledBatch(*(part[None] for part in example(eyes, 0, settings, epoch=0, position=0)))
    seen, judge = [], learner.discriminator_ddp

    def judging(shown, photograph, corner):
        seen.append(photograph.detach())
        return judge(shown, photograph, corner)

    learner.discriminator_ddp = judging
    styled.train_step(fabric, learner, batch, settings, is_expected=False)
    inside = (batch.labels[:, :1] + 1) / 2
    field = (canvas(batch.styles, coordinates(batch.labels)) + 1) * inside - 1
    torch.testing.assert_close(seen[0], 8 * (batch.photographs - field))
    assert seen[0].abs().max() > 1
    assert seen[1].abs().max() < 1e-4  # a generator begins as the field


def test_a_lesion_counts_in_every_pixel(phantoms, settings, tmp_path):
    counted = settings.with_overrides(["data.planes=vessels,hard_exudates", "epochs=1"])
    (line, *_) = [
        one for one in log_of(trainer.train(phantoms, tmp_path / "run", counted)) if "loss_generator_l1" in one
    ]
    assert 0 <= line["loss_generator_lesions"] < 2
    labels = torch.tensor([[1.0, 1, 1], [-1, 1, 0], [1, -1, 0]]).T[None, :, :, None]  # the three layers of three pixels
    assert styled._lesions(labels[:, [0, 1, 2]], counted).flatten().tolist() == [1, 0, 0]


def test_eyes_with_unlabelled_lesions_are_left_out_if_enough_remain(phantoms, settings, tmp_path, monkeypatch):
    shutil.copytree(phantoms, tmp_path / "eyes", ignore=shutil.ignore_patterns("haemorrhages"))
    names = sorted(file.stem for file in (tmp_path / "eyes" / "train" / "images").iterdir())
    rows = "".join(f"{name},{3 * (number == 0)}\n" for number, name in enumerate(names))
    (tmp_path / "eyes" / "grades.csv").write_text(f"image,retinopathy grade\n{rows}")
    telling = settings.with_overrides(["data.planes=vessels,disc,haemorrhages"])

    def learnt(chosen):
        eyes = load_training_eyes(chosen.with_overrides([f"data.folder={tmp_path / 'eyes'}"]))
        return sorted(files.name for files in eyes.train.files)

    assert learnt(telling) == names
    monkeypatch.setattr("retinasynth.styled.data.FEWEST_CLEAR", len(names) - 1)
    assert learnt(telling) == names[1:]
    assert learnt(settings) == names  # where lesions are not told apart, they are texture in any case
    assert learnt(settings.with_overrides(["data.planes=vessels,hard_exudates"])) == names  # those are labelled


def stopped_in_step(number, monkeypatch):
    """Let the user ask a run to stop while it makes this step, from 1."""
    real_step, steps = styled.train_step, []

    def step(*arguments, **options):
        steps.append(1)
        if len(steps) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return real_step(*arguments, **options)

    monkeypatch.setattr(styled, "train_step", step)


def test_an_interrupted_run_goes_on_to_the_same_end(run, phantoms, settings, tmp_path, monkeypatch):
    stopped_in_step(6, monkeypatch)
    with pytest.raises(InterruptedRunError):
        trainer.train(phantoms, tmp_path / "run", settings)
    trainer.resume(tmp_path / "run")
    assert_same_run(tmp_path / "run", run)


def test_what_a_run_went_on_from_is_not_needed_to_resume_it(run, phantoms, settings, tmp_path, monkeypatch):
    shutil.copytree(run / "model", tmp_path / "start")
    again = settings.with_overrides([f"start_from={tmp_path / 'start'}", "epochs=1"])
    whole = trainer.train(phantoms, tmp_path / "whole", again)
    stopped_in_step(2, monkeypatch)
    with pytest.raises(InterruptedRunError):
        trainer.train(phantoms, tmp_path / "stopped", again)
    shutil.rmtree(tmp_path / "start")
    trainer.resume(tmp_path / "stopped")
    assert_same_run(tmp_path / "stopped", whole)


def test_weights_are_learnt_on_from_at_another_size(run, model, phantoms, settings, tmp_path):
    again = settings.with_overrides([f"start_from={run}", "epochs=1", "learning_rate=1e-12"])
    bigger = again.with_overrides(["size_px=128"])
    theirs = model.network.state_dict()
    for wanted, own in ((again, set()), (bigger, {"mean", "deviation"})):
        folder = trainer.train(phantoms, tmp_path / str(wanted.data.size_px), wanted)
        ours = load_generator(folder).network.state_dict()
        differ = {
            name for name in theirs if name != "styles" and not torch.allclose(ours[name], theirs[name], atol=1e-5)
        }
        assert differ == own  # textures of another size are another matter
    finer = again.with_overrides(["data.planes=vessels,arteries,veins,disc,cup", "training.seed=5"])
    folder = trainer.train(phantoms, tmp_path / "finer", finer)
    ours, entry = load_generator(folder).network.state_dict(), "enter.0.weight"
    torch.testing.assert_close(ours[entry][:, [0, 1, 4, 5, 6, 7, 8, 9, 10]], theirs[entry], atol=1e-5, rtol=0)
    assert ours[entry][:, 2:4].abs().max() < 1e-5  # what is new does nothing at first
    with pytest.raises(SettingError, match=r"cannot be learnt on from: its planes is .*vessels"):
        trainer.train(phantoms, tmp_path / "other", bigger.with_overrides(["data.planes=vessels"]))
    with pytest.raises(SettingError, match="no setting 'start_from'"):
        settings_of_preset("lean").with_overrides([f"start_from={run}"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.resize=stretch", "no setting 'data.resize'"),
        ("data.planes=disc", "needs vessels"),
        ("discriminator.scales=3", "the last discriminator 16 pixels"),
        ("data.planes=vessels,fov", "not fov"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, override, message):
    with pytest.raises(SettingError, match=message):
        settings.with_overrides([override])
    with pytest.raises(SettingError, match=r"data\.resize is 'frame', but input should be"):
        settings_of_preset("lean").with_overrides(["data.resize=frame"])


def test_settings_of_styled_generators_are_compared(phantoms, settings, tmp_path):
    tiny = [f"{name}={value}" for name, value in flat(settings).items() if name not in ("preset", "data.folder")]
    rows = [Row(name="baseline"), Row(name="no-texture", overrides=("texture_weight=0",))]
    table = Table(name="styled", preset="fundus-512", overrides=(*tiny, "epochs=1"), rows=tuple(rows))
    found = run_ablation(phantoms, tmp_path / "out", table, seeds=1)
    assert [one.row.name for one in found.rows] == ["baseline", "no-texture"]
    assert "vessels_dice" in found.rows[0].measures


def test_there_is_no_plain_counterpart_to_time():
    with pytest.raises(SettingError, match="fundus-512 follows a style"):
        run_bench(preset="fundus-512")


# --- What users get ----------------------------------------------------------------------------------------------


def test_one_eye_has_many_photographs_and_each_can_be_made_again(model, eye):
    first, again, other = (model.generate(eye, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 2
    assert first.shape == (64, 64, 3)


def test_the_expected_photograph_is_one(model, eye):
    first, other = (model.generate(eye, seed=seed, style="expected") for seed in (1, 2))
    np.testing.assert_array_equal(first, other)


def test_a_photograph_lends_its_colours(model, eye):
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[eye.planes["fov"]] = (20, 60, 200)
    made = model.generate(eye, style=blue, size="mask")
    red, _, strength = made[eye.planes["fov"]].mean(axis=0)
    assert red < 90
    assert strength > 120
    assert made.shape == (64, 64, 3)


def test_knobs_change_the_photograph(model, eye):
    usual, brighter = (model.generate(eye, style="expected", knobs=knobs) for knobs in ({}, {"brightness": 2}))
    assert brighter.mean() > 1.1 * usual.mean()


def test_a_bare_mask_is_enough_and_sizes_are_as_asked(model, eye, tmp_path):
    write_mask(tmp_path / "mask.png", eye.planes["vessels"])
    photograph = model.generate(tmp_path / "mask.png", size="mask")
    assert photograph.shape == (64, 64, 3)
    assert photograph[32, 32].sum() > 30
    assert model.generate(eye.planes["vessels"], size=48).shape == (48, 48, 3)
    wide = Eye("wide", {"vessels": np.pad(eye.planes["vessels"], ((0, 0), (20, 20)))})
    assert model.generate(wide, size="mask").shape == (64, 104, 3)
    assert model.generate(wide, size="mask")[:, :16].max() == 0
    with pytest.raises(InputError, match="size is 3"):
        model.generate(eye, size=3)


def test_other_models_follow_no_style(trained, eye):
    with pytest.raises(InputError, match="follows no style"):
        load_generator(trained).generate(eye.planes["vessels"], style="expected")


def test_a_set_is_generated_with_all_labels_and_says_in_which_style(run, phantoms, tmp_path, monkeypatch):
    out = tmp_path / "set"
    words = ("generate", "--model", run, "--masks", phantoms, "--out", out, "--style", "expected", "--size", "mask")
    monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    made = find_eyes(out)
    assert len(made.eyes) == 6
    planes = set(made.eyes[0].planes)
    assert {"vessels", "disc", "cup", "fov"} <= planes
    name = made.eyes[0].name
    assert read_metadata(out / "images" / f"{name}.png")["Style"] == "expected"
    assert json.loads((out / "manifest.jsonl").read_text().splitlines()[0])["style"] == "expected"
    expected = load_generator(run)
    assert read_photograph(out / "images" / f"{name}.png").shape[:2] == read_mask(out / "vessels" / f"{name}.png").shape
    assert expected.needed_planes == ("vessels",)


def test_a_wrong_style_is_explained(run, phantoms, tmp_path, monkeypatch, capfd):
    words = ("generate", "--model", run, "--masks", phantoms, "--out", tmp_path / "x", "--style", "sepia")
    message = fails(monkeypatch, capfd, *words)
    assert "There is no style 'sepia'" in message


def test_a_picture_is_resampled_once_whatever_the_size_of_the_mask(model, eye):
    large = Eye("large", {name: plane.repeat(4, 0).repeat(4, 1) for name, plane in eye.planes.items()})
    small = model.generate(eye, seed=1, style="expected")
    other = model.generate(large, seed=1, style="expected")
    assert np.abs(other.astype(int) - small).mean() < 2  # the rim is drawn from finer pixels


def test_a_wrong_style_of_an_evaluation_is_refused(run, trained, phantoms, tmp_path):
    with pytest.raises(SettingError, match="one of: expected, sampled, own"):
        evaluate_model(run, phantoms, tmp_path / "out", style="sepia")
    with pytest.raises(SettingError, match="follows none"):
        evaluate_model(trained, phantoms, tmp_path / "out", style="sampled")
    assert not (tmp_path / "out").exists()


def test_realism_of_the_expected_style_is_warned_of(run, phantoms, tmp_path):
    found = evaluate_model(run, phantoms, tmp_path / "out")
    assert "most likely photographs" not in found.verdict[0]
    realism = next(one for one in found.findings if one.key == "realism")
    assert realism.sentences[0].startswith("These are the most likely photographs, which are smooth on purpose")
    sampled = evaluate_model(run, phantoms, tmp_path / "sampled", style="sampled")
    assert not any("smooth on purpose" in sentence for sentence in sampled.sentences)


def test_it_is_evaluated_in_the_expected_style_or_another(run, phantoms, tmp_path):
    expected = evaluate_model(run, phantoms, tmp_path / "expected", sets=False)
    own = evaluate_model(run, phantoms, tmp_path / "own", sets=False, style="own")
    assert expected.about["Style"] == "expected"
    assert own.measures["mse"].mean < expected.measures["mse"].mean
    again = evaluate_model(run, phantoms, tmp_path / "again", sets=False)
    assert again.measures == expected.measures


def test_an_eye_is_photographed_in_the_style_of_its_fellow(run, model, phantoms, tmp_path):
    files = find_eyes(phantoms).split("test")
    with pytest.raises(DataError, match=f"style of a fellow eye was asked for, but {files[0].name} has none"):
        evaluate_model(run, phantoms, tmp_path / "out", style="fellow")
    assert not (tmp_path / "out").exists()
    one, other = (dataclasses.replace(eye, subject="somebody") for eye in files)
    first, second = generated(model, [one, other], Conditions(3, "fellow"))
    lent = [photograph_of(eye)[:, ::-1] for eye in (other, one)]
    np.testing.assert_array_equal(first, model.generate(read_eye(one), seed=3, size="mask", style=lent[0]))
    np.testing.assert_array_equal(second, model.generate(read_eye(other), seed=4, size="mask", style=lent[1]))
