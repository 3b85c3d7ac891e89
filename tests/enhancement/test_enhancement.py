"""Enhancers: the network and its tiles, how one learns, what users hold, and the commands."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pictures import put_photograph, tiny_photograph
from retinasynth import cli
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.decoding import MAX_PIXELS
from retinasynth.enhancement import train as enhancement
from retinasynth.enhancement.data import clean_batches, example, load_clean
from retinasynth.enhancement.degradation import Degradation, Told, degraded, enlarged
from retinasynth.enhancement.model import EnhancerConfig, EnhancerModel, load_enhancer, save_enhancer
from retinasynth.enhancement.network import EnhancementNetwork, enhanced
from retinasynth.enhancement.settings import EnhancerNetworkSettings, EnhancerSettings
from retinasynth.enhancement.use import Enhancer, enhance_folder
from retinasynth.errors import (
    CheckpointError,
    DataError,
    ImageError,
    InputError,
    InterruptedRunError,
    ModelError,
    SettingError,
)
from retinasynth.images import read_metadata, read_photograph, write_photograph
from retinasynth.networks import running
from retinasynth.networks.ssim import ssim
from retinasynth.training import loop
from retinasynth.training.bundled import HERE
from runs import assert_same_run, killed_run, log_of

TINY = [
    "crop_px=32",
    "filters=8",
    "blocks=1",
    "batch_size=2",
    "steps=12",
    "ema_decay=0.9",
    "adversarial_weight=0.01",
    "log_every_steps=1",
    "sample_every_steps=6",
    "checkpoint_every_steps=3",
    "precision=fp32",
]


@pytest.fixture(scope="module")
def tiny():
    return EnhancerSettings.from_preset("enhance").with_overrides(TINY)


@pytest.fixture(scope="module")
def run(phantoms, tiny, tmp_path_factory):
    """A finished run; not to be changed."""
    return enhancement.train([phantoms], tmp_path_factory.mktemp("runs") / "undisturbed", tiny)


def wild(blocks=1):
    """A network that changes much: all its weights are drawn."""
    torch.manual_seed(0)
    network = EnhancementNetwork(EnhancerNetworkSettings(filters=8, blocks=blocks))
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module is not network.last:
            module.weight.data.mul_(1.7)
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)
    torch.nn.init.normal_(network.last.weight, std=0.1)
    return network


# --- The network -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_new_network_leaves_a_photograph_as_interpolation_makes_it(scale):
    network = EnhancementNetwork(EnhancerNetworkSettings(filters=8))
    photograph = tiny_photograph(0, 45, 60)  # no multiple of 8
    assert (enhanced(network, photograph, Told(scale)) == enlarged(photograph, scale)).all()


@pytest.mark.parametrize("blocks", [1, 2])
def test_no_pixel_beyond_its_reach_changes_a_result(blocks):
    network = wild(blocks)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # so that nothing cancels out
            module.weight.data.abs_().add_(0.01)
            module.bias.data.zero_()
    furthest = 0
    for at in range(128, 136):  # every place in a cell of 8
        given = torch.ones(1, 6, 264, 264, requires_grad=True)
        network(given)[0, 0, at, at].backward()
        places = np.argwhere(given.grad[0].abs().sum(dim=0).numpy() > 0)
        furthest = max(furthest, np.abs(places - at).max())
    assert furthest <= network.reach <= furthest + 16


@pytest.mark.parametrize("size", [(232, 300), (296, 232), (407, 251)])
def test_tiles_make_what_the_whole_photograph_makes(size, monkeypatch):
    monkeypatch.setattr(running, "fast_precision", lambda _: "fp32")
    network, photograph = wild(), tiny_photograph(1, *size)
    whole = enhanced(network, photograph, tile_px=4096).astype(int)
    tiled = enhanced(network, photograph, tile_px=2 * network.reach + 64).astype(int)
    assert np.abs(whole - photograph).mean() > 2
    assert np.abs(whole - tiled).max() <= 1  # sums of other lengths may be rounded to the other side
    assert (whole != tiled).mean() < 1e-3


def test_tiles_without_enough_overlap_would_show(monkeypatch):
    monkeypatch.setattr(running, "fast_precision", lambda _: "fp32")
    network, photograph = wild(), tiny_photograph(1, 232, 300)
    whole = enhanced(network, photograph, tile_px=4096).astype(int)
    monkeypatch.setattr(EnhancementNetwork, "reach", 8)
    tiled = enhanced(network, photograph, tile_px=80).astype(int)
    assert (whole != tiled).mean() > 0.01


def test_a_network_is_given_the_enlargement_and_the_degradation():
    network, photograph = wild(), tiny_photograph(1, 64, 64)
    assert (enhanced(network, enlarged(photograph, 2)) != enhanced(network, photograph, Told(2))).any()
    pictures = {
        enhanced(network, photograph, Told(1, noise=noise, blur=blur)).tobytes()
        for noise in (None, False, True)
        for blur in (None, False, True)
    }
    assert len(pictures) == 9


def test_half_precision_moves_few_pixels_by_more_than_a_level(monkeypatch):
    network, photograph = wild(), tiny_photograph(1, 96, 96)
    usual = enhanced(network, photograph).astype(int)
    monkeypatch.setattr(running, "fast_precision", lambda _: "fp32")
    assert np.abs(enhanced(network, photograph).astype(int) - usual).mean() < 1


# --- What is learnt from ---------------------------------------------------------------------------------------------


def test_examples_repeat_and_are_cut_from_the_eye(phantoms, tiny):
    settings = tiny.with_overrides([f"data.folders={phantoms}"])
    clean = load_clean(settings.data)
    assert len(clean) == 4  # the training eyes alone
    first, again = example(clean, settings, 5), example(clean, settings, 5)
    assert (first.worse == again.worse).all()
    assert (first.wanted == again.wanted).all()
    examples = [example(clean, settings, at) for at in range(40)]
    for worse, told, wanted in examples:
        assert wanted.shape == (32, 32, 3)
        assert worse.shape == (32 // told.scale, 32 // told.scale, 3)
        assert wanted[..., 0].max() > 30  # not black
    assert {one.told.scale for one in examples} == {1, 2, 4}
    assert {one.told.noise for one in examples} == {one.told.blur for one in examples} == {None, False, True}
    assert len({one.wanted.tobytes() for one in examples}) == 40
    given, expected, _ = next(iter(clean_batches(clean, settings, range(3, 4), 0)))
    assert given.shape == (2, 6, 32, 32)
    assert torch.equal(expected[0], torch.from_numpy(examples[6].wanted.transpose(2, 0, 1) / np.float32(127.5) - 1))


def test_examples_count_by_how_little_is_wrong_with_them(phantoms, tiny):
    settings = tiny.with_overrides([f"data.folders={phantoms}", "batch_size=24"])
    batch = next(iter(clean_batches(load_clean(settings.data), settings, range(1), 0)))
    damage = (batch.masks[:, :3] - batch.photographs).abs().mean(dim=(1, 2, 3))
    torch.testing.assert_close(batch.importance, 0.02 * damage / (damage**2 + 0.003**2))
    assert batch.importance.max() > 2 * batch.importance.min()


def test_the_bundled_enhancer_takes_noise_away_and_names_its_origin():
    clean = phantom_eye(21, 384).photograph
    enhancer = Enhancer.load()

    def psnr(picture):
        return -10 * np.log10(np.square((picture.astype(float) - clean) / 255).mean())

    noisy = degraded(clean, Degradation(noise=0.06), np.random.default_rng(0))
    assert psnr(enhancer.enhance(noisy, noise=True, blur=False)) > psnr(noisy) + 6
    assert psnr(enhancer.enhance(clean)) > 40  # what is good stays
    card = (HERE / "enhance" / "README.md").read_text()
    assert "CC BY 4.0" in card
    assert "not for diagnosis" in card
    assert sum(file.stat().st_size for file in (HERE / "enhance").iterdir()) < 2e6


def test_sets_are_learnt_from_equally_often(phantoms, tiny, tmp_path):
    put_photograph(tmp_path / "one" / "train" / "images" / "a.png", height=90, width=90)
    clean = load_clean(tiny.with_overrides([f"data.folders={phantoms},{tmp_path / 'one'}"]).data)
    assert clean.sets == (range(4), range(4, 5))
    alone = load_clean(tiny.with_overrides([f"data.folders={tmp_path / 'one'}"]).data)
    pieces = {example(alone, tiny, at).wanted.mean(axis=(0, 1)).round(-1).tobytes() for at in range(60)}
    seen = [example(clean, tiny, at).wanted.mean(axis=(0, 1)).round(-1).tobytes() in pieces for at in range(200)]
    assert 0.35 < np.mean(seen) < 0.65  # a fifth of all photographs


def test_large_photographs_are_reduced_before_they_are_learnt_from(tmp_path, tiny):
    put_photograph(tmp_path / "eyes" / "train" / "images" / "a.png", height=90, width=200)
    put_photograph(tmp_path / "eyes" / "test" / "images" / "b.png", height=90, width=200)
    settings = tiny.with_overrides([f"data.folders={tmp_path / 'eyes'}", "longest_px=100"])
    assert load_clean(settings.data).photographs[0].shape == (45, 100, 3)
    with pytest.raises(ImageError, match=r"is 45 x 100 px.*at least 64 px"):
        load_clean(settings.with_overrides(["crop_px=64"]).data)


# --- Learning --------------------------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_to_the_same_weights(phantoms, tiny, run, tmp_path):
    killed_run("enhancement", [phantoms], tmp_path / "killed", tiny, at_step=8)
    assert_same_run(enhancement.resume(tmp_path / "killed"), run)
    assert {"loss_discriminator_real", "loss_generator_adversarial", "loss_generator_l1"} < set(log_of(run)[0])


def test_it_learns_to_take_noise_away(phantoms, tmp_path):
    """Fresh noise on a photograph that was not learnt from."""
    noise = [
        "chance=1",
        "reduced_share=0",
        "alone_share=0",
        "blur_px=0",
        "noise=0.15",
        "lowest_quality=95",
        "fewest_photons=1000",
    ]
    more = [*TINY, *noise, "adversarial_weight=0", "steps=150", "learning_rate=5e-3", "batch_size=4", "filters=24"]
    settings = EnhancerSettings.from_preset("enhance").with_overrides([*more, "checkpoint_every_steps=1000"])
    network = load_enhancer(enhancement.train([phantoms], tmp_path / "run", settings) / "model").network
    clean = phantom_eye(77, 96).photograph
    noisy = degraded(clean, Degradation(noise=0.1), np.random.default_rng(0))

    def errors(picture):
        signed = [torch.from_numpy(one / 127.5 - 1).permute(2, 0, 1)[None] for one in (picture, clean)]
        return np.square(picture.astype(float) - clean).mean(), 1 - ssim(*signed).item()

    shares = [after / before for before, after in zip(errors(noisy), errors(enhanced(network, noisy)), strict=True)]
    assert 0.5 < shares[0] < 0.8  # 150 steps are few
    assert 0.75 < shares[1] < 0.97


def test_a_run_that_is_stopped_says_how_to_go_on(phantoms, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_any_process", lambda *_: True)
    with pytest.raises(InterruptedRunError, match="retinasynth enhance train --resume"):
        enhancement.train([phantoms], tmp_path / "run", tiny)


def test_what_cannot_be_learnt_is_refused(tiny, run, tmp_path):
    with pytest.raises(SettingError, match="needs a multiple of 8; nearest: 96"):
        tiny.with_overrides(["crop_px=100"])
    with pytest.raises(SettingError, match=r"more than data\.longest_px"):
        tiny.with_overrides(["crop_px=128", "longest_px=96"])
    with pytest.raises(SettingError, match="both 0"):
        tiny.with_overrides(["l1_weight=0", "ssim_weight=0"])
    with pytest.raises(DataError, match="nothing to learn from"):
        enhancement.train([], tmp_path / "run", tiny)
    with pytest.raises(CheckpointError, match=r"training\.steps was 12, is 13"):
        enhancement.resume(run, ["steps=13"])
    assert not (tmp_path / "run").exists()


# --- Models ----------------------------------------------------------------------------------------------------------


def test_a_saved_enhancer_is_the_same_in_half_precision(tiny, tmp_path):
    network = wild()
    save_enhancer(tmp_path / "model", EnhancerModel(network, EnhancerConfig.of(tiny, {"steps": 3})))
    loaded = load_enhancer(tmp_path / "model")
    photograph = tiny_photograph(3, 64, 64)
    assert loaded.config.degradation == tiny.degradation
    assert np.abs(enhanced(loaded.network, photograph).astype(int) - enhanced(network, photograph)).mean() < 0.5
    card = (tmp_path / "model" / "README.md").read_text()
    assert "not for diagnosis" in card
    assert "invent detail" in card


def test_models_that_are_none_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"sharpen (does not exist|is missing)"):
        Enhancer.load("sharpen")
    with pytest.raises(ModelError, match="not of a retinasynth enhancer"):
        Enhancer.load(HERE / "judge")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        Enhancer.load(tmp_path)


# --- What users hold -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def enhancer(run):
    return Enhancer.load(run)


def test_photographs_of_every_kind_are_taken(enhancer, tmp_path):
    photograph = tiny_photograph(4, 170, 200)
    write_photograph(tmp_path / "a.png", photograph)
    assert (enhancer.enhance(tmp_path / "a.png") == enhancer.enhance(photograph)).all()
    assert enhancer.enhance(photograph, scale=4).shape == (680, 800, 3)
    assert enhancer.enhance(photograph[..., 0]).shape == (170, 200, 3)


@pytest.mark.parametrize("scale", [0, 3, 8, -2])
def test_scales_that_do_not_exist_are_refused(enhancer, scale):
    with pytest.raises(InputError, match=rf"The scale is {scale}\. Expected: one of: 1, 2, 4"):
        enhancer.enhance(tiny_photograph(4, 170, 200), scale)


def test_photographs_too_small_or_too_large_are_refused(enhancer):
    with pytest.raises(ImageError, match="is 159 x 200 px"):
        enhancer.enhance(tiny_photograph(4, 159, 200))
    side = int(np.sqrt(MAX_PIXELS)) // 4 + 1
    with pytest.raises(ImageError, match=r"would be 10004 x 10004 px.*Choose a smaller scale"):
        enhancer.enhance(np.zeros((side, side, 3), np.uint8), 4)
    with pytest.raises(InputError, match="float64"):
        enhancer.enhance(np.zeros((200, 200, 3)))


@pytest.mark.parametrize(("looks", "told"), [(None, {}), (lambda _: "", {"doubt": ""})])
def test_that_nobody_looked_is_not_written_as_no_doubt(enhancer, tmp_path, looks, told):
    write_photograph(tmp_path / "eye.png", tiny_photograph(4, 170, 200))
    assert enhance_folder(enhancer, tmp_path / "eye.png", tmp_path / "out", doubt=looks) == {}
    line = json.loads((tmp_path / "out" / "manifest.jsonl").read_text())
    assert {name: value for name, value in line.items() if name not in ("name", "sha256")} == told


# --- Commands --------------------------------------------------------------------------------------------------------


def words(*all_words):
    return CliRunner().invoke(cli.app, ["enhance", *map(str, all_words)])


def test_a_folder_is_enhanced_and_gone_on_with(run, tmp_path, monkeypatch):
    folder = tmp_path / "photographs"
    for seed in range(3):
        write_photograph(folder / f"eye{seed}.png", phantom_eye(seed, 176).photograph)
    Image.new("RGB", (100, 100)).save(folder / "tiny.png")
    out = tmp_path / "out"
    command = ("apply", folder, "--model", run, "--scale", 2, "--out", out)
    looked = []
    monkeypatch.setattr("retinasynth.segmentation.use.doubt", lambda *given: looked.append(given) or "")
    ended = words(*command)
    assert ended.exit_code == 0, ended.output
    assert "tiny" in ended.output
    assert "100 x 100 px" in ended.output
    assert "not for diagnosis" in " ".join(ended.output.split())
    made = read_photograph(out / "images" / "eye1.png")
    assert (made == Enhancer.load(run).enhance(folder / "eye1.png", 2)).all()
    assert "invent" in read_metadata(out / "images" / "eye1.png")["warning"]
    assert read_metadata(out / "images" / "eye1.png")["scale"] == "2"
    lines = (out / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["eye0", "eye1", "eye2", "tiny"]

    (out / "manifest.jsonl").write_text("".join(f"{line}\n" for line in lines[:2]) + '{"name": "ey')
    assert words(*command).exit_code == 0
    assert len(looked) == 4  # three, and the one that had not been finished
    assert (out / "manifest.jsonl").read_text().splitlines() == lines
    other = words("apply", folder, "--model", run, "--out", out)
    assert isinstance(other.exception, DataError)
    assert "begun with other" in str(other.exception)


def test_damaged_photographs_are_counted_and_an_empty_folder_refused(run, tmp_path):
    write_photograph(tmp_path / "eyes" / "ramp.png", tiny_photograph(0, 200, 240))
    (tmp_path / "eyes" / "damaged.png").write_bytes((tmp_path / "eyes" / "ramp.png").read_bytes()[:-400])
    ended = words("apply", tmp_path / "eyes", "--model", run, "--out", tmp_path / "out")
    assert ended.exit_code == 0, ended.output
    assert "1 could not be enhanced" in " ".join(ended.output.split())
    (tmp_path / "eyes" / "ramp.png").unlink()
    ended = words("apply", tmp_path / "eyes", "--model", run, "--out", tmp_path / "none")
    assert isinstance(ended.exception, ImageError)  # it is one photograph
    (tmp_path / "eyes" / "other.png").write_text("no picture")
    ended = words("apply", tmp_path / "eyes", "--model", run, "--out", tmp_path / "nothing")
    assert isinstance(ended.exception, DataError)
    assert "None of the 2 photographs could be enhanced" in str(ended.exception)


def test_what_is_no_fundus_photograph_is_said(run, tmp_path):
    write_photograph(tmp_path / "ramp.png", tiny_photograph(0, 200, 240))
    ended = words("apply", tmp_path / "ramp.png", "--model", run, "--out", tmp_path / "out")
    assert ended.exit_code == 0, ended.output
    assert "does not look like a fundus photograph" in " ".join(ended.output.split())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("apply", "nowhere.png", "--out", "o", "--scale", "3"), "The scale is 3"),
        (("apply", "nowhere.png", "--out", "o"), "nowhere.png does not exist"),
        (("apply", "nowhere.png", "--out", "o", "--model", "enhanced"), "enhanced does not exist"),
        (("train", "--out", "o"), "--data or --out is missing"),
        (("train", "--resume", "o", "--data", "d"), "is given with"),
        (("evaluate", "--data", "nowhere", "--out", "o"), "nowhere does not exist"),
    ],
)
def test_wrong_commands_say_what_they_need(command, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = () if "--model" in command or command[0] == "train" else ("--model", run)
    ended = words(*command, *model)
    assert ended.exit_code == 1
    assert message in str(ended.exception)
    assert not (tmp_path / "o").exists()
