"""The loop around a training step, for everything that learns: progress, log, samples, checkpoints, stop and resume.

What is learnt is a `Task`; `retinasynth.training.run` starts and resumes it. On a CPU an interrupted (or killed) and
resumed run gives bit-identical weights to an undisturbed one: everything random in a step follows from the seed and the
number of the step.
"""

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from retinasynth import images
from retinasynth.errors import (
    TrainingDivergedError,
)
from retinasynth.parallel import termination_requests
from retinasynth.progress import progress
from retinasynth.seeds import mixed_seed
from retinasynth.settings import RunSettings, flat
from retinasynth.training import checkpoint as checkpoints
from retinasynth.training.checkpoint import Progress, State, restore_checkpoint, save_checkpoint
from retinasynth.training.log import Health, RunLog
from retinasynth.training.precision import Precision

Batch = TypeVar("Batch")


class Task(Protocol[Batch]):
    """What a run learns; made anew by each of its processes."""

    @property
    def total_steps(self) -> int:
        """Of the whole run."""

    @property
    def epoch_steps(self) -> float:
        """Steps in which every example is seen about once."""

    @property
    def state(self) -> State:
        """What a checkpoint holds."""

    def begin(self) -> None:
        """Take over what the run goes on from; not called where a checkpoint holds it already."""

    def batches(self, steps: range, process: int) -> Iterator[Batch]:
        """The batches of these steps for one process."""

    def step(self, fabric: Fabric, batch: Batch, number: int) -> Mapping[str, Tensor]:
        """Learn from a batch; `number` is that of the step, from 0. Returns what is logged."""

    def sample(self) -> images.Photograph:
        """A picture of what has been learnt."""

    def save(self, folder: Path, steps: int) -> None:
        """Write the model folder."""


def kind_of(device: torch.device) -> str:
    """What a run learns on, in words: another kind may add up otherwise."""
    is_gpu = device.type == "cuda"
    return torch.cuda.get_device_name(device) if is_gpu else f"CPU ({torch.backends.cpu.get_cpu_capability()})"


def learn(
    fabric: Fabric,
    task: Task[Any],
    run: Path,
    settings: RunSettings,
    saved: Progress | None,
    precision: Precision,
    fingerprint: str,
) -> bool:
    """Train to the end, or until the user stops it. Each process of a run calls this.

    Args:
        fabric: runs the networks.
        task: what is learnt.
        run: the run folder.
        settings: of the run.
        saved: how far it was when it was stopped; None at its beginning.
        precision: that it learns in.
        fingerprint: of what it learns from.

    Returns:
        Whether it was stopped.
    """
    training = settings.training
    done = _begun(fabric, task, run, settings, saved, precision, fingerprint)
    if done.step == task.total_steps and fabric.is_global_zero:  # killed between its last checkpoint and its model
        task.save(run / "model", done.step)

    health = Health()
    first = fabric.is_global_zero
    stopping = False
    losses: dict[str, Tensor] = {}  # the latest of each kind since the last record
    with (
        _stop_request() as stop,
        RunLog(
            run, step=done.step, every=training.log_every_steps, tensorboard=training.tensorboard, write=first
        ) as record,
        progress("Training", task.total_steps, quiet=not first) as advance,
    ):
        advance(done.step, "")
        note = ""
        started = time.perf_counter()
        for batch in task.batches(range(done.step, task.total_steps), fabric.global_rank):
            waited = time.perf_counter() - started
            torch.manual_seed(mixed_seed([training.seed, done.step, fabric.global_rank]))  # of the dropout
            losses |= task.step(fabric, batch, done.step)  # not every step has all
            took = time.perf_counter() - started
            step = done.step + 1
            done = replace(done, step=step, seconds=done.seconds + took)

            last = step == task.total_steps
            stopping = not last and _any_process(fabric, stop.is_set())
            if step % training.log_every_steps == 0 or last:
                values = {name: loss.item() for name, loss in losses.items()}
                losses = {}
                health.check(step, values)
                epoch = step / task.epoch_steps
                record.add(step, {"epoch": epoch, **values, "seconds": took, "data_wait_seconds": waited})
                note = f"epoch {math.ceil(epoch)}  {_short(values)}"
            sample_due = step % training.sample_every_steps == 0 or last
            checkpoint_due = step % training.checkpoint_every_steps == 0 or last or stopping
            if sample_due or checkpoint_due:
                _refuse_broken_weights(task.state, step)
            if first and sample_due:
                grid = task.sample()
                images.write_photograph(run / "samples" / f"step_{step:06d}.png", grid)
                record.add_picture(step, "samples", grid)
            if first and checkpoint_due:
                _save(run, task, done, precision)
                task.save(run / "model", step)
            advance(step, note)  # last, since a screen that is gone must not cost what was learnt
            if stopping:
                break
            started = time.perf_counter()
    fabric.barrier()
    return stopping


def _begun(
    fabric: Fabric,
    task: Task[Any],
    run: Path,
    settings: RunSettings,
    saved: Progress | None,
    precision: Precision,
    fingerprint: str,
) -> Progress:
    """How far the run is: at its beginning, which is saved at once, or where it was saved, and restored from there."""
    if saved is None:
        task.begin()
        threads, device = torch.get_num_threads(), kind_of(fabric.device)
        done = Progress(0, 0.0, fingerprint, flat(settings), threads=threads, precision=precision.name, device=device)
        if fabric.is_global_zero:
            _save(run, task, done, precision)
        return done
    restore_checkpoint(run, task.state)
    if precision.scaler:
        precision.scaler.load_state_dict(saved.scaler)
    return replace(saved, settings=flat(settings))


def _save(run: Path, task: Task[Any], done: Progress, precision: Precision) -> None:
    scaling = precision.scaler.state_dict() if precision.scaler else {}
    save_checkpoint(run, task.state, replace(done, scaler=scaling))


def _refuse_broken_weights(state: State, step: int) -> None:
    if name := checkpoints.not_finite(checkpoints.tensors_of(state)):
        raise TrainingDivergedError(
            f"Step {step}: {name} is not a finite number; the checkpoint from before it is kept",
            do="Start a new run with a lower learning rate, or with training.precision=fp32",
        )


def _any_process(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process, so that all stop after the same step."""
    if fabric.world_size == 1:
        return flag
    flags = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(torch.as_tensor(flags) > 0)


def _short(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name.removeprefix('loss_').replace('_', ' ')} {value:.3f}" for name, value in values.items())


@contextmanager
def _stop_request() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a termination request sets; a second one stops at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler)

    numbers = {signal.SIGINT, *termination_requests()}
    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
