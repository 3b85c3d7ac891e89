"""The training loop of the mask-to-photograph system.

    retinasynth train --data EYES --out RUN                      # preset "source"
    retinasynth train --data EYES --out RUN --set epochs=10
    retinasynth train --resume RUN                               # nothing else to repeat

Read `train_step` first: it is the paragraph of the source that says how the two networks learn. `_run` is the loop
around it. A run folder holds ``config.yaml``, ``metrics.jsonl``, ``samples/``, ``checkpoint/`` and ``model/``.

On a CPU an interrupted (or killed) and resumed run gives bit-identical weights to an undisturbed one: everything
random in a step follows from the seed and the number of the step.
"""

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.multiprocessing.spawn import ProcessRaisedException

from retinasynth import images
from retinasynth.config import LossSettings, Settings, flat
from retinasynth.datasets.layouts import find_eyes
from retinasynth.datasets.pairs import Batch, Pairs, batches, load_pairs, steps_per_epoch
from retinasynth.errors import (
    CheckpointError,
    DataError,
    InterruptedRunError,
    RetinasynthError,
    TrainingDivergedError,
)
from retinasynth.files import new_folder, write_text
from retinasynth.models.generation import generate_photograph, mixed_seed
from retinasynth.models.losses import discriminator_loss, generator_loss
from retinasynth.models.saving import save_model
from retinasynth.progress import progress
from retinasynth.training.checkpoints import Progress, read_progress, restore_checkpoint, save_checkpoint
from retinasynth.training.learner import Learner, Precision, choose_precision
from retinasynth.training.runlog import LOSSES, Health, RunLog

SAMPLES = 3  # fixed examples in a sample grid

# What may differ between a checkpoint and the settings that resume it: it does not change what a step computes.
FREE_TO_CHANGE = {
    "data.folder",
    "data.licence",
    "training.epochs",
    "training.log_every_steps",
    "training.sample_every_steps",
    "training.checkpoint_every_steps",
    "training.tensorboard",
}


def train_step(fabric: Fabric, learner: Learner, batch: Batch, weights: LossSettings) -> dict[str, torch.Tensor]:
    """One update of the discriminator, then one of the generator.

    The generator turns the masks into photographs. The discriminator learns to tell these from the real ones of the
    same masks; its loss is halved. Then its weights are frozen, and the generator learns to make photographs that
    pass for real and equal the expected ones. Both updates use the same generated photographs (Isola et al., 3.3).
    Where passing for real has no weight, there is no discriminator to learn or to ask.

    Returns:
        The losses that the source logs, by the names of `LOSSES`.
    """
    masks, photographs = batch
    generated = learner.generator_ddp(masks)
    losses: dict[str, torch.Tensor] = {}

    judged = None
    if weights.adversarial_weight:
        learner.discriminator.requires_grad_(True)
        on_real = learner.discriminator_ddp(masks, photographs)
        on_generated = learner.discriminator_ddp(masks, generated.detach())
        judging = discriminator_loss(on_real, on_generated)
        learner.discriminator_optimiser.zero_grad()
        fabric.backward(judging.total)
        learner.discriminator_optimiser.step()
        losses |= {"loss_discriminator_real": judging.real, "loss_discriminator_generated": judging.generated}

        learner.discriminator.requires_grad_(False)
        with fabric.no_backward_sync(learner.discriminator_ddp, enabled=fabric.world_size > 1):
            judged = learner.discriminator_ddp(masks, generated)

    making = generator_loss(judged, generated, photographs, weights)
    learner.generator_optimiser.zero_grad()
    fabric.backward(making.total)
    learner.generator_optimiser.step()
    if making.adversarial is not None:
        losses["loss_generator_adversarial"] = making.adversarial
    return losses | {"loss_generator_l1": making.l1}


# --- Starting and resuming ---------------------------------------------------------------------------------------


def train(data: Path, out: Path, settings: Settings) -> Path:
    """Train a new model.

    Args:
        data: a data set that `retinasynth.datasets.layouts.find_eyes` recognises; its training split is used.
        out: the run folder, new or empty.
        settings: what to do.

    Returns:
        The run folder, with the finished model in ``model/``.

    Raises:
        DataError, ImageError, SettingError: the data or the settings cannot be used.
        OutputError: something cannot be written.
        TrainingDivergedError: a loss stopped being a finite number.
        InterruptedRunError: the user stopped it; `resume` goes on.
    """
    data = find_eyes(data).folder.resolve()
    pairs, _ = _load(data, settings)
    steps_per_epoch(pairs, settings)
    out = new_folder(Path(out), what="a run")
    settings = settings.with_overrides([f"data.folder={data}"])
    write_text(out / "config.yaml", settings.to_yaml())
    return _launch(out, settings, resumed=False)


def resume(run: Path, overrides: Sequence[str] = ()) -> Path:
    """Go on with a run that was interrupted, from its last checkpoint.

    Args:
        run: the run folder.
        overrides: settings to change, each ``name=value``; only what does not change a step may differ.

    Raises:
        CheckpointError: there is nothing to resume, or it does not belong to these settings or this data.
    """
    run = Path(run)
    if not (run / "config.yaml").is_file():
        raise CheckpointError(f"{run} is not a run folder (it has no config.yaml)", expected="what `train --out` made")
    settings = Settings.from_yaml(run / "config.yaml").with_overrides(overrides)
    saved = read_progress(run)
    now = {name: value for name, value in flat(settings).items() if name not in FREE_TO_CHANGE}
    changed = [name for name, value in now.items() if saved.settings.get(name) != value]
    if changed:
        raise CheckpointError(
            f"The checkpoint in {run} was made with other settings: "
            + ", ".join(f"{name} was {saved.settings.get(name)!r}, is {now[name]!r}" for name in changed),
            do="Put config.yaml back as it was, or start a new run",
        )
    pairs, _ = _load(Path(settings.data.folder), settings)
    if pairs.fingerprint != saved.data_fingerprint:
        raise CheckpointError(
            f"The training pairs in {settings.data.folder} are not those that the run began with",
            do="Put the data back as it was, or start a new run",
        )
    write_text(run / "config.yaml", settings.to_yaml())
    return _launch(run, settings, resumed=True)


def _load(data: Path, settings: Settings) -> tuple[Pairs, Pairs | None]:
    """The training pairs and, where there are any, the test pairs."""
    found = find_eyes(data)
    train_files, test_files = found.split("train"), found.split("test")
    if not train_files:
        raise DataError(f"{data} has no training pairs ({len(test_files)} test pairs)", expected="at least one")
    chosen = settings.data
    test_files = tuple(files for files in test_files if files.photograph and files.has(chosen.planes))
    train_pairs = load_pairs(train_files, chosen.size_px, chosen.resize, chosen.appearance, chosen.planes)
    if not test_files:  # as in newer copies of DRIVE, whose test vessels are not published
        return train_pairs, None
    return train_pairs, load_pairs(test_files, chosen.size_px, chosen.resize, planes=chosen.planes)


def _launch(run: Path, settings: Settings, *, resumed: bool) -> Path:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = choose_precision(settings.training.precision, device)
    fabric = Fabric(
        accelerator=device.type,
        devices=settings.training.devices,
        strategy="ddp_spawn" if settings.training.devices > 1 else "auto",
        plugins=[precision.plugin] if precision.plugin else None,
    )
    if settings.training.devices == 1:
        interrupted = _run(fabric, run, settings, resumed, precision)
    else:
        # The processes stop by themselves; their parent only waits.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            interrupted = fabric.launch(_run, run, settings, resumed, precision)  # type: ignore[arg-type]
        except ProcessRaisedException as error:
            raise RetinasynthError(f"A training process failed: {str(error).strip().splitlines()[-1]}") from error
        finally:
            signal.signal(signal.SIGINT, before)
    if interrupted:
        raise InterruptedRunError(
            f"Stopped; the state is saved in {run}", do=f"Go on with: retinasynth train --resume {run}"
        )
    return run


# --- The loop ----------------------------------------------------------------------------------------------------


def _run(fabric: Fabric, run: Path, settings: Settings, resumed: bool, precision: Precision) -> bool:
    """Train to the end, or until the user stops it; True if stopped. Each process of a run calls this."""
    training = settings.training
    pairs, test_pairs = _load(Path(settings.data.folder), settings)
    epoch_steps = steps_per_epoch(pairs, settings)
    total_steps = training.epochs * epoch_steps
    learner = Learner.build(fabric, settings, precision.layout, pairs.mean)
    done = Progress(0, 0.0, pairs.fingerprint, flat(settings))
    if resumed:
        done = replace(read_progress(run), settings=flat(settings))
        restore_checkpoint(run, learner.state)
        if precision.scaler:
            precision.scaler.load_state_dict(done.scaler)

    health = Health()
    first = fabric.is_global_zero
    stopping = False
    with (
        _stop_request() as stop,
        RunLog(run, step=done.step, tensorboard=training.tensorboard, write=first) as log,
        progress("Training", total_steps, quiet=not first) as advance,
    ):
        advance(done.step, "")
        started = time.perf_counter()
        for batch in _all_batches(pairs, settings, range(done.step, total_steps), fabric.global_rank):
            waited = time.perf_counter() - started
            torch.manual_seed(mixed_seed([training.seed, done.step, fabric.global_rank]))  # of the dropout
            losses = train_step(fabric, learner, learner.place(batch), settings.loss)
            if learner.average:
                learner.average.update_parameters(learner.generator)
            took = time.perf_counter() - started
            step = done.step + 1
            done = replace(done, step=step, seconds=done.seconds + took)

            last = step == total_steps
            stopping = not last and _any_process(fabric, stop.is_set())
            if step % training.log_every_steps == 0 or last:
                values = {name: loss.item() for name, loss in losses.items()}
                health.check(step, values)
                epoch = step / epoch_steps
                log.add(step, {"epoch": epoch, **values, "seconds": took, "data_wait_seconds": waited})
                advance(step, f"epoch {math.ceil(epoch)}/{training.epochs}  {_short(values)}")
            sample_due = step % training.sample_every_steps == 0 or last
            checkpoint_due = step % training.checkpoint_every_steps == 0 or last or stopping
            if sample_due or checkpoint_due:
                _refuse_broken_weights(learner.generator, step)
            if first and sample_due:
                grid = sample_grid(learner.shown, test_pairs or pairs, settings)
                images.write_photograph(run / "samples" / f"step_{step:06d}.png", grid)
                log.add_picture(step, "samples", grid)
            if first and checkpoint_due:
                scaling = precision.scaler.state_dict() if precision.scaler else {}
                save_checkpoint(run, learner.state, replace(done, scaler=scaling))
                save_model(run / "model", learner.shown, settings, _model_facts(settings, pairs, step / epoch_steps))
            if stopping:
                break
            started = time.perf_counter()
    fabric.barrier()
    return stopping


def _all_batches(pairs: Pairs, settings: Settings, steps: range, process: int) -> Iterator[Batch]:
    """The batches of these steps, epoch by epoch."""
    epoch_steps = steps_per_epoch(pairs, settings)
    for epoch in range(steps.start // epoch_steps, math.ceil(steps.stop / epoch_steps)):
        passed = max(steps.start - epoch * epoch_steps, 0)
        yield from batches(pairs, settings, epoch=epoch, first_step=passed, process=process)


def _model_facts(settings: Settings, pairs: Pairs, epochs: float) -> dict[str, Any]:
    """What the model card says of the training."""
    decay = settings.training.ema_decay
    return {
        "steps": round(epochs * steps_per_epoch(pairs, settings)),
        "epochs": round(epochs, 2),
        "pairs": len(pairs),
        "eyes": len(set(pairs.eyes)),
        "data": Path(settings.data.folder).name,
        "weights": f"exponential moving average, decay {decay}" if decay else "as trained",
    }


def sample_grid(network: nn.Module, pairs: Pairs, settings: Settings) -> images.Photograph:
    """The first few pairs as rows of source, generated and expected, generated as for users, each with its seed."""
    rows = []
    for index in range(min(SAMPLES, len(pairs))):
        labels, expected = np.asarray(pairs.labels[index]), np.asarray(pairs.photographs[index])
        generated = generate_photograph(
            network, labels, channels=settings.data.label_channels, seed=settings.training.seed
        )
        rows.append([images.labels_as_photograph(labels), generated, expected])
    return images.draw_panels(rows, ["source", "generated", "expected"], list(pairs.names[: len(rows)]))


def _refuse_broken_weights(network: nn.Module, step: int) -> None:
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise TrainingDivergedError(
            f"Step {step}: a weight of the generator is not a finite number; the checkpoint from before it is kept",
            do="Start a new run with a lower learning rate, or with training.precision=fp32",
        )


def _any_process(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process, so that all stop after the same step."""
    if fabric.world_size == 1:
        return flag
    flags = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(torch.as_tensor(flags) > 0)


def _short(values: dict[str, float]) -> str:
    return "  ".join(f"{LOSSES[name]} {value:.3f}" for name, value in values.items())


@contextmanager
def _stop_request() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a termination request sets; a second Ctrl-C stops at once, as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
