import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from published import put_drive
from retinasynth.data.batches import Batch
from retinasynth.data.find import find_eyes
from retinasynth.errors import (
    CheckpointError,
    DataError,
    InterruptedRunError,
    MissingExtraError,
    OutputError,
    SettingError,
    TrainingDivergedError,
)
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.train import settings_of_preset
from retinasynth.pix2pix import train as trainer
from retinasynth.pix2pix.data import batches, load_pairs
from retinasynth.pix2pix.settings import Settings
from retinasynth.resuming import one_writer
from retinasynth.training import checkpoint as checkpoints
from retinasynth.training import log as runlog
from retinasynth.training import run as runs_of
from retinasynth.training.optimisation import moving_average
from retinasynth.training.precision import choose_precision
from runs import assert_same_run, killed_run, log_of
from tiny import TINY

LOSSES = ("loss_discriminator_real", "loss_discriminator_generated", "loss_generator_adversarial", "loss_generator_l1")


def assert_same_kernels(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    """All kernels equal, but for the few whose gradient is zero: of these Adam's first step takes the sign of noise.

    For the same reason the biases before a batch normalisation cannot be compared.
    """
    kernels = [name for name, tensor in theirs.items() if tensor.ndim == 4]
    wrong = {name: ((ours[name] - theirs[name]).abs() > 1e-5).float().mean().item() for name in kernels}
    assert len(kernels) >= 6
    assert max(wrong.values()) < 0.02, wrong


def train_until_step_6(monkeypatch: pytest.MonkeyPatch, data: Path, run: Path, settings: Settings) -> Path:
    """A run that was asked to stop in its sixth step."""
    real_step, steps = trainer.adversarial_step, []

    def step(*arguments):
        steps.append(1)
        if len(steps) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return real_step(*arguments)

    monkeypatch.setattr(trainer, "adversarial_step", step)
    with pytest.raises(InterruptedRunError, match="train --resume") as stopped:
        trainer.train(data, run, settings)
    assert stopped.value.exit_code == 130
    return run


# --- A finished run ----------------------------------------------------------------------------------------------


def test_run_folder_holds_what_the_design_promises(trained, tiny):
    assert Settings.from_yaml(trained / "config.yaml").generator == tiny.generator
    assert [line["step"] for line in log_of(trained)] == list(range(1, 13))
    assert set(LOSSES) < set(log_of(trained)[0])
    assert sorted(path.name for path in (trained / "samples").iterdir()) == ["step_000006.png", "step_000012.png"]
    assert {path.name for path in (trained / "model").iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert "not for diagnosis" in (trained / "model" / "README.md").read_text()
    assert not list(trained.rglob("*.part*"))


def test_training_changes_the_weights_and_learns(phantoms, tiny, tmp_path):
    longer = trainer.train(phantoms, tmp_path / "run", tiny.with_overrides(["epochs=40", "sample_every_steps=1000"]))
    l1 = [line["loss_generator_l1"] for line in log_of(longer)]
    assert np.mean(l1[-20:]) < 0.75 * np.mean(l1[:5])


def test_samples_show_exactly_what_users_get(trained, phantoms, tiny):
    model = load_generator(trained)
    pairs = load_pairs(find_eyes(phantoms).split("test"), 32)
    rows = [model.generate(np.asarray(pairs.labels[index, ..., 0]), seed=tiny.training.seed) for index in range(2)]
    sheet = np.asarray(Image.open(trained / "samples" / "step_000012.png"))
    places = [
        tuple(sheet[y : y + 32, x : x + 32].tobytes() == row.tobytes() for row in rows)
        for y in range(sheet.shape[0] - 31)
        for x in (2 * 4 + 32,)  # the second column: one margin, the source, one margin
    ]
    assert sum(first for first, _ in places) == 1
    assert sum(second for _, second in places) == 1


def test_two_trainings_with_one_seed_are_equal_and_with_another_differ(trained, phantoms, tiny, tmp_path):
    assert_same_run(trainer.train(phantoms, tmp_path / "again", tiny), trained)
    other = trainer.train(phantoms, tmp_path / "other", tiny.with_overrides(["training.seed=1"]))
    assert log_of(other) != log_of(trained)


# --- The preset "lean" ---


@pytest.fixture(scope="module")
def lean() -> Settings:
    own = ("flip=", "rotation_deg=", "generator.dropout=")
    tiny = [setting for setting in TINY if not setting.startswith(own)]
    return settings_of_preset("lean").with_overrides([*tiny, "generator.dropout=0.3"])


@pytest.fixture(scope="module")
def lean_trained(phantoms, lean, tmp_path_factory):
    return trainer.train(phantoms, tmp_path_factory.mktemp("lean") / "undisturbed", lean)


def test_a_killed_lean_run_is_resumed_bit_identically(lean_trained, phantoms, lean, tmp_path, monkeypatch):
    run = train_until_step_6(monkeypatch, phantoms, tmp_path / "run", lean)
    trainer.resume(run)
    assert_same_run(run, lean_trained)


def test_lean_starts_from_the_mean_photograph_and_saves_it(lean_trained, phantoms, tmp_path):
    pairs = load_pairs(find_eyes(phantoms).split("train"), 32, appearance="expected")
    canvas = load_file(lean_trained / "model" / "model.safetensors")["canvas"]
    np.testing.assert_allclose((canvas.permute(1, 2, 0).numpy() + 1) * 127.5, pairs.mean, atol=0.01)
    mask = np.asarray(pairs.labels[0, ..., 0])
    generated = load_generator(lean_trained).generate(mask)
    shutil.copytree(lean_trained / "model", tmp_path / "moved")
    assert np.array_equal(load_generator(tmp_path / "moved").generate(mask), generated)


def test_without_adversarial_weight_no_discriminator_learns(phantoms, lean, tmp_path):
    run = trainer.train(phantoms, tmp_path / "run", lean.with_overrides(["adversarial_weight=0", "epochs=1"]))
    shutil.copytree(run, tmp_path / "resumed")
    trainer.resume(tmp_path / "resumed", ["epochs=2"])
    assert_same_run(
        tmp_path / "resumed",
        trainer.train(phantoms, tmp_path / "whole", lean.with_overrides(["adversarial_weight=0", "epochs=2"])),
    )
    assert {name for line in log_of(run) for name in line if name.startswith("loss")} == {"loss_generator_l1"}
    assert not any(name.startswith("discriminator_adam") for name in load_file(run / checkpoints.FILE))


# --- One step ----------------------------------------------------------------------------------------------------


def test_a_step_is_the_published_update(tiny):
    """Against plain PyTorch: halved discriminator loss first, then the generator against the updated discriminator."""
    settings = tiny.with_overrides(["generator.dropout=0"])
    fabric = Fabric(accelerator="cpu")
    learner = trainer.build_learner(fabric, settings)
    twin = trainer.build_learner(fabric, settings)
    random = torch.Generator().manual_seed(0)
    masks, photographs = (torch.rand((1, channels, 32, 32), generator=random) * 2 - 1 for channels in (1, 3))

    losses = trainer.adversarial_step(fabric, learner, Batch(masks, photographs), settings.loss)

    bce = nn.BCELoss()
    generator, discriminator = twin.generator, twin.discriminator
    adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (generator, discriminator)]
    fake = generator(masks)
    real_loss = bce(torch.sigmoid(discriminator(masks, photographs)), torch.ones(1, 1, 2, 2))
    fake_loss = bce(torch.sigmoid(discriminator(masks, fake.detach())), torch.zeros(1, 1, 2, 2))
    ((real_loss + fake_loss) * 0.5).backward()
    adams[1].step()
    updated = {name: tensor.clone() for name, tensor in discriminator.state_dict().items()}
    adversarial = bce(torch.sigmoid(discriminator(masks, fake)), torch.ones(1, 1, 2, 2))
    absolute = (fake - photographs).abs().mean()
    adams[0].zero_grad()
    (adversarial + 100 * absolute).backward()
    adams[0].step()

    expected = [real_loss.item(), fake_loss.item(), adversarial.item(), absolute.item()]
    assert list(losses) == list(LOSSES)
    assert [loss.item() for loss in losses.values()] == pytest.approx(expected, abs=1e-6)
    assert_same_kernels(learner.discriminator.state_dict(), updated)
    assert_same_kernels(learner.generator.state_dict(), generator.state_dict())


def test_average_is_exponential_and_takes_the_buffers_along():
    network = nn.BatchNorm2d(2)
    average = moving_average(network, 0.75)
    seen = []
    for step in range(3):
        network(torch.full((2, 2, 3, 3), float(step)) + torch.arange(2.0)[:, None, None, None])
        with torch.no_grad():
            network.weight += 1
        average.update_parameters(network)
        seen.append((network.weight.clone(), network.running_mean.clone()))
    expected = [0.75 * (0.75 * a + 0.25 * b) + 0.25 * c for a, b, c in zip(*seen, strict=True)]
    torch.testing.assert_close(average.module.weight.data, expected[0].data)
    torch.testing.assert_close(average.module.running_mean, expected[1])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_what_full_precision_learns(precision, phantoms, tiny, trained, tmp_path):
    settings = tiny.with_overrides([f"precision={precision}"])
    run = trainer.train(phantoms, tmp_path / "run", settings)
    ours = [line["loss_generator_l1"] for line in log_of(run)]
    theirs = [line["loss_generator_l1"] for line in log_of(trained)]
    assert ours != theirs
    assert ours == pytest.approx(theirs, rel=0.15)
    scaler = checkpoints.read_progress(run).scaler
    assert (scaler.get("scale", 0) > 0) == (precision == "fp16")


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
def test_precision_auto_follows_the_hardware(monkeypatch):
    def auto(device: str) -> str:
        _, plugin, scaler, _ = choose_precision("auto", torch.device(device))
        return f"{plugin.precision if plugin else 'fp32'}{' scaled' if scaler else ''}"

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))  # a T4
    assert auto("cuda") == "16-mixed scaled"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert auto("cuda") == "bf16-mixed"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert auto("cpu") == "bf16-mixed"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert auto("cpu") == "fp32"


# --- Interrupted and resumed -------------------------------------------------------------------------------------


def test_killed_and_resumed_run_is_bit_identical(trained, phantoms, tiny, tmp_path):
    run = tmp_path / "run"
    killed_run("pix2pix", phantoms, run, tiny, at_step=9)
    assert checkpoints.read_progress(run).step == 6
    assert len(log_of(run)) == 8  # two steps after the checkpoint, which will be made again
    trainer.resume(run)
    assert_same_run(run, trained)


def test_resume_in_the_middle_of_an_epoch_with_half_a_log_line(trained, phantoms, tiny, tmp_path, monkeypatch):
    run = train_until_step_6(monkeypatch, phantoms, tmp_path / "run", tiny)
    assert checkpoints.read_progress(run).step == 6
    with (run / "metrics.jsonl").open("a") as log:
        log.write('{"step": 7, "epo')
    trainer.resume(run)
    assert_same_run(run, trained)


def test_ctrl_c_on_the_command_line_keeps_the_state(phantoms, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "retinasynth.cli", "train", "--data", str(phantoms), "--out", str(run)]
    options = ["--preset", "source", *(word for setting in TINY for word in ("--set", setting)), "--set", "epochs=5000"]
    started = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 120
        while not (run / "metrics.jsonl").exists() or len((run / "metrics.jsonl").read_text().splitlines()) < 3:
            assert started.poll() is None, started.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 130
    assert "--resume" in said
    assert "Traceback" not in said
    assert checkpoints.read_progress(run).step == len(log_of(run))


def test_a_finished_run_can_be_given_more_epochs(phantoms, tiny, tmp_path):
    whole = trainer.train(phantoms, tmp_path / "whole", tiny.with_overrides(["epochs=4"]))
    run = trainer.train(phantoms, tmp_path / "run", tiny)
    trainer.resume(run, ["epochs=4"])
    assert (run / "model/model.safetensors").read_bytes() == (whole / "model/model.safetensors").read_bytes()
    assert log_of(run) == log_of(whole)


def test_resume_refuses_other_settings_and_other_data(phantoms, tiny, tmp_path):
    run = trainer.train(phantoms, tmp_path / "run", tiny)
    config = (run / "config.yaml").read_text()
    with pytest.raises(CheckpointError, match=r"optimiser\.learning_rate was 0.0002, is 0.1"):
        trainer.resume(run, ["learning_rate=0.1"])
    (run / "config.yaml").write_text(settings_of_preset("source").to_yaml())
    with pytest.raises(CheckpointError, match=r"generator\.filters was 4, is 64"):
        trainer.resume(run)
    (run / "config.yaml").write_text(config)
    from retinasynth.anatomy.render.phantom import write_phantom_set

    write_phantom_set(tmp_path / "others", train=4, test=2, size_px=64, seed=50)
    with pytest.raises(CheckpointError, match="are not those that the run began with"):
        trainer.resume(run, [f"data.folder={tmp_path / 'others'}"])
    assert checkpoints.read_progress(run).step == 12


def test_resume_works_when_the_data_moved(trained, phantoms, tiny, tmp_path):
    import shutil

    shutil.copytree(phantoms, tmp_path / "moved")
    run = trainer.train(phantoms, tmp_path / "run", tiny.with_overrides(["epochs=2"]))
    trainer.resume(run, ["epochs=3", f"data.folder={tmp_path / 'moved'}"])
    assert (run / "model/model.safetensors").read_bytes() == (trained / "model/model.safetensors").read_bytes()


def damage_checkpoints(run: Path, content: bytes) -> None:
    for file in (checkpoints.FILE, checkpoints.PREVIOUS):
        (run / file).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: shutil.rmtree(run / "checkpoint"), "has no checkpoint"),
        (lambda run: damage_checkpoints(run, b"x" * 100), "is damaged"),
        (lambda run: damage_checkpoints(run, b""), "is damaged"),
        (lambda run: (run / "config.yaml").unlink(), "is not a run folder"),
        (lambda run: (run / "config.yaml").write_text("generator: {filter: 3}"), "no setting 'generator.filter'"),
    ],
)
def test_resume_of_a_damaged_run_says_what_is_wrong(damage, message, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    damage(run)
    with pytest.raises((CheckpointError, SettingError), match=message):
        trainer.resume(run)


def test_checkpoint_of_other_tensors_is_refused(trained, tiny):
    learner = trainer.build_learner(Fabric(accelerator="cpu"), tiny.with_overrides(["generator.filters=8"]))
    with pytest.raises(CheckpointError, match=r"is of another model: .* has shape"):
        checkpoints.restore_checkpoint(trained, learner.state)
    learner = trainer.build_learner(Fabric(accelerator="cpu"), tiny.with_overrides(["ema_decay=0"]))
    with pytest.raises(CheckpointError, match="tensors differ"):
        checkpoints.restore_checkpoint(trained, learner.state)


def test_full_disk_keeps_the_last_checkpoint(phantoms, tiny, trained, tmp_path, monkeypatch):
    run, real_save, saves = tmp_path / "run", checkpoints.save_file, []

    def save(*arguments, **keywords):
        saves.append(1)
        if len(saves) == 4:  # the first is of the beginning
            raise OSError(28, "No space left on device")
        return real_save(*arguments, **keywords)

    monkeypatch.setattr(checkpoints, "save_file", save)
    with pytest.raises(OutputError, match=r"disk is full.*go on with: retinasynth train --resume .*run"):
        trainer.train(phantoms, run, tiny)
    with pytest.raises(OutputError, match=r"holds a run already.*retinasynth train --resume .*run"):
        trainer.train(phantoms, run, tiny)
    monkeypatch.undo()
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "cache"))
    assert checkpoints.read_progress(run).step == 6
    trainer.resume(run)
    assert_same_run(run, trained)


def flip_a_bit(file: Path, near_end: int = 1000) -> None:
    content = bytearray(file.read_bytes())
    content[-near_end] ^= 4
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, lambda file: file.write_bytes(b"half"), Path.unlink, lambda file: file.write_bytes(bytes(5000))],
    ids=["flipped", "cut", "gone", "zeroed"],
)
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_it_goes_on(damage, trained, tmp_path, caplog):
    run = shutil.copytree(trained, tmp_path / "run")
    damage(run / checkpoints.FILE)
    trainer.resume(run)
    assert "goes on from the checkpoint before it" in caplog.text
    assert_same_run(run, trained)


def test_a_checkpoint_with_numbers_that_are_not_finite_is_noticed(trained, tmp_path):
    tensors = load_file(trained / checkpoints.FILE)
    with safe_open(trained / checkpoints.FILE, framework="pt") as file:
        metadata = file.metadata()
    del metadata["sha256"]  # as release 0.1 wrote them
    tensors["generator_adam/3/exp_avg"].view(-1)[0] = math.nan
    (tmp_path / "checkpoint").mkdir()
    save_file(tensors, tmp_path / checkpoints.FILE, metadata=metadata)
    with pytest.raises(CheckpointError, match="generator_adam/3/exp_avg is not finite"):
        checkpoints.read_progress(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("step", "threads") for value in (None, -1, 1.0, "1", True, [])),
        *(("seconds", value) for value in (None, 1, "1", math.inf, math.nan, {})),
        *((name, value) for name in ("data_fingerprint", "precision", "device") for value in (None, 1, [])),
        *((name, value) for name in ("settings", "scaler") for value in (None, 1, "x", [])),
    ],
)
def test_a_checkpoint_whose_progress_is_none_is_refused(name, value, trained, tmp_path):
    progress = asdict(checkpoints.read_progress(trained))
    (tmp_path / "checkpoint").mkdir()
    metadata = {"format_version": "2", "progress": json.dumps(progress | {name: value})}
    save_file(load_file(trained / checkpoints.FILE), tmp_path / checkpoints.FILE, metadata=metadata)
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.read_progress(tmp_path)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(trained, tiny, phantoms, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".config.yaml.4194305.part.yaml").write_text("half")  # killed while it wrote its settings
    trainer.train(phantoms, run, tiny)
    assert_same_run(run, trained)
    shutil.rmtree(run / "checkpoint")
    shutil.rmtree(run / "model")
    (run / "metrics.jsonl").unlink()
    trainer.resume(run)
    assert_same_run(run, trained)


def test_a_run_is_saved_before_its_first_step(phantoms, tiny, trained, tmp_path):
    killed_run("pix2pix", phantoms, tmp_path / "run", tiny, at_step=1)
    assert checkpoints.read_progress(tmp_path / "run").step == 0
    trainer.resume(tmp_path / "run")
    assert_same_run(tmp_path / "run", trained)


def test_a_second_process_on_a_run_is_refused(phantoms, tiny, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    before = (run / "metrics.jsonl").read_text()
    with one_writer(run):
        with pytest.raises(OutputError, match=r"Another process is at work in .*run"):
            trainer.resume(run, ["epochs=4"])
        with pytest.raises(OutputError, match=r"Another process is at work in .*run"):
            trainer.train(phantoms, run, tiny)
    assert (run / "metrics.jsonl").read_text() == before


@pytest.mark.parametrize(
    "line",
    ["", "not JSON", "[]", '{"epoch": 1}', '{"step": "1"}', "[" * 100_000, '{"step": 2', '{"step": 1}', '{"step": 0}'],
)
def test_damaged_lines_of_a_log_are_left_out(line, trained, tmp_path, caplog):
    run = shutil.copytree(trained, tmp_path / "run")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([*lines[:3], line, *lines[3:]]) + "\n")
    trainer.resume(run)
    assert (run / "metrics.jsonl").read_text().splitlines() == lines
    assert "damaged lines" in caplog.text


def test_a_log_that_is_cut_off_is_said(trained, tmp_path, caplog):
    run = shutil.copytree(trained, tmp_path / "run")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join([*lines[:2], lines[2][:20]]))
    trainer.resume(run)
    assert "metrics.jsonl ends at step 2, though the run had come to step 12" in caplog.text


def test_a_log_that_cannot_be_read_is_named(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    with pytest.raises(DataError, match=r"metrics\.jsonl cannot be read"):
        trainer.resume(run)


def test_a_run_goes_on_with_the_threads_and_precision_it_began_with(phantoms, tiny, tmp_path, caplog):
    usual = torch.get_num_threads()
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retinasynth.training.loop.restore_checkpoint", lambda *_: seen.append(torch.get_num_threads()))
        torch.set_num_threads(2)
        try:
            run = trainer.train(phantoms, tmp_path / "run", tiny.with_overrides(["precision=bf16", "epochs=1"]))
            torch.set_num_threads(1)
            saved = checkpoints.read_progress(run)
            assert (saved.threads, saved.precision) == (2, "bf16")
            trainer.resume(run, ["epochs=2"])
            assert torch.get_num_threads() == 1
        finally:
            torch.set_num_threads(usual)
    assert seen == [2]
    assert "Threads: 2, as when the run began (here it would be 1)" in caplog.text


def test_a_run_that_began_in_another_precision_says_so(trained, tmp_path, caplog, monkeypatch):
    run = shutil.copytree(trained, tmp_path / "run")
    progress = replace(checkpoints.read_progress(run), precision="bf16", device="another processor")
    used: list[str] = []
    real = runs_of.choose_precision
    monkeypatch.setattr(runs_of, "choose_precision", lambda *wanted: used.append(wanted[0]) or real(*wanted))
    monkeypatch.setattr(runs_of, "read_progress", lambda _: progress)
    trainer.resume(run)
    assert used[0] == "bf16"
    assert "began in bf16 and goes on in it" in caplog.text
    assert "another processor" in caplog.text


def test_files_take_the_usual_permissions(trained, tmp_path):
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    files = [file for file in trained.rglob("*") if file.is_file()]
    assert {file.name: oct(file.stat().st_mode) for file in files} == {file.name: oct(usual) for file in files}


def test_a_newer_copy_of_drive_is_trained_on_without_its_test_vessels(tiny, tmp_path):
    data = put_drive(tmp_path / "DRIVE", test_vessels=False)
    run = trainer.train(data, tmp_path / "run", tiny.with_overrides(["epochs=1", "batch_size=10", "resize=letterbox"]))
    about = json.loads((run / "model" / "config.json").read_text())
    assert (about["resize"], about["training"]["pairs"]) == ("letterbox", 20)


def test_train_refuses_a_folder_with_something_in_it(phantoms, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        trainer.train(phantoms, tmp_path / "run", tiny)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["precious.txt"]


# --- Health ------------------------------------------------------------------------------------------------------


def losses(real: float, generated: float) -> dict[str, float]:
    return dict(zip(LOSSES, (real, generated, 1.0, 0.1), strict=True))


def test_nan_stops_the_run_before_anything_bad_is_saved(phantoms, tiny, tmp_path, monkeypatch):
    real_step, steps = trainer.adversarial_step, []

    def step(fabric, learner, batch, weight):
        steps.append(1)
        result = real_step(fabric, learner, batch, weight)
        return dict.fromkeys(result, torch.tensor(math.nan)) if len(steps) == 6 else result

    monkeypatch.setattr(trainer, "adversarial_step", step)
    with pytest.raises(TrainingDivergedError, match="Step 6: loss_discriminator_real"):
        trainer.train(phantoms, tmp_path / "run", tiny)
    assert checkpoints.read_progress(tmp_path / "run").step == 3
    assert len(log_of(tmp_path / "run")) == 5


def test_broken_weights_are_never_saved(phantoms, tiny, tmp_path, monkeypatch):
    real_step, steps = trainer.adversarial_step, []

    def step(fabric, learner, batch, weight):
        steps.append(1)
        result = real_step(fabric, learner, batch, weight)
        if len(steps) == 6:
            next(learner.generator.parameters()).data.fill_(math.inf)
        return result

    monkeypatch.setattr(trainer, "adversarial_step", step)
    with pytest.raises(TrainingDivergedError, match=r"generator/.* is not a finite number"):
        trainer.train(phantoms, tmp_path / "run", tiny)
    assert checkpoints.read_progress(tmp_path / "run").step == 3


def test_a_dead_discriminator_is_said_once(caplog):
    health = runlog.Health(window=5)
    for step in range(20):
        health.check(step, losses(math.log(2) + 0.001, math.log(2)))
    assert [("dead" in record.message) for record in caplog.records] == [True]
    caplog.clear()
    for step in range(20):
        health.check(step, losses(0.001, 0.002))
    assert [("without error" in record.message) for record in caplog.records] == [True]


def test_a_lively_discriminator_is_not_called_dead(caplog):
    health = runlog.Health(window=5)
    for step in range(40):
        health.check(step, losses(0.69 + 0.2 * math.sin(step), 0.69))
    assert not caplog.records


# --- More processes, more logs -----------------------------------------------------------------------------------


def test_two_processes_average_their_gradients(phantoms, tiny, tmp_path):
    """One step of two processes with a pair each, against the same written out in one process."""
    settings = tiny.with_overrides(
        ["devices=2", "epochs=1", "generator.dropout=0", "ema_decay=0", "training.batch_size=2"]
    )
    run = trainer.train(phantoms, tmp_path / "run", settings)

    learner = trainer.build_learner(Fabric(accelerator="cpu"), settings)
    pairs = load_pairs(find_eyes(phantoms).split("train"), 32)
    both = [next(batches(pairs, settings, epoch=0, process=process)) for process in (0, 1)]
    generator, discriminator = learner.generator, learner.discriminator
    adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (generator, discriminator)]
    bce = nn.BCEWithLogitsLoss()
    fakes = [generator(batch.masks) for batch in both]
    for batch, fake in zip(both, fakes, strict=True):
        real_logits, fake_logits = (discriminator(batch.masks, x) for x in (batch.photographs, fake.detach()))
        loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
        (loss / 2 / 2).backward()
    adams[1].step()
    adams[0].zero_grad()
    for batch, fake in zip(both, fakes, strict=True):
        logits = discriminator(batch.masks, fake)
        loss = bce(logits, torch.ones_like(logits)) + 100 * (fake - batch.photographs).abs().mean()
        (loss / 2).backward()
    adams[0].step()

    saved = load_file(run / checkpoints.FILE)
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        assert_same_kernels({key: saved[f"{name}/{key}"] for key in network.state_dict()}, network.state_dict())
    assert [line["step"] for line in log_of(run)] == [1]


def test_tensorboard_is_written_where_it_is_asked_for(phantoms, tiny, tmp_path):
    run = trainer.train(phantoms, tmp_path / "run", tiny.with_overrides(["tensorboard=true", "epochs=1"]))
    assert list((run / "tensorboard").glob("events*"))


def test_tensorboard_that_is_missing_names_the_extra(phantoms, tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'retinasynth\[tracking\]'"):
        trainer.train(phantoms, tmp_path / "run", tiny.with_overrides(["tensorboard=true"]))
