"""The loop around a training step, for everything that learns: progress, log, samples, checkpoints, stop and resume.

What is learnt is a `Task`. On a CPU an interrupted (or killed) and resumed run gives bit-identical weights to an
undisturbed one: everything random in a step follows from the seed and the number of the step.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from retinasynth import images
from retinasynth.config import LoopSettings, RunSettings, flat
from retinasynth.errors import CheckpointError, InterruptedRunError, RetinasynthError, TrainingDivergedError
from retinasynth.files import new_folder, write_text
from retinasynth.models.generation import mixed_seed
from retinasynth.progress import progress
from retinasynth.training.checkpoints import Progress, State, read_progress, restore_checkpoint, save_checkpoint
from retinasynth.training.learner import Precision, choose_precision
from retinasynth.training.runlog import Health, RunLog

# What may differ between a checkpoint and the settings that resume it, in every kind of run: it does not change what
# a step computes.
FREE_TO_CHANGE = {
    "data.licence",
    "training.log_every_steps",
    "training.sample_every_steps",
    "training.checkpoint_every_steps",
    "training.tensorboard",
}


def decisive(settings: RunSettings) -> dict[str, Any]:
    """All settings that decide what a run computes, by full name."""
    free = FREE_TO_CHANGE | {"data.folder"}
    return {name: value for name, value in flat(settings).items() if name not in free}


Batch = TypeVar("Batch")


class Task(Protocol[Batch]):
    """What a run learns; made anew by each of its processes."""

    @property
    def training(self) -> LoopSettings:
        """Settings of the loop."""

    @property
    def total_steps(self) -> int:
        """Of the whole run."""

    @property
    def epoch_steps(self) -> float:
        """Steps in which every example is seen about once."""

    @property
    def fingerprint(self) -> str:
        """Of the data."""

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


Settings = TypeVar("Settings", bound=RunSettings)
MakeTask = Callable[[Fabric, Settings, Precision], Task[Any]]


@dataclass(frozen=True)
class Training(Generic[Settings]):
    """A kind of run, and how it is started and resumed.

    Attributes:
        settings: what decides what it computes.
        task: makes what is learnt; a function of a module, since other processes call it too.
        data: reads what is learnt from, and returns its fingerprint and where it lies.
        free: settings that may differ when it is resumed, beside `FREE_TO_CHANGE`.
    """

    settings: type[Settings]
    task: MakeTask[Settings]
    data: Callable[[Settings], tuple[str, str]]
    free: frozenset[str]

    def start(self, out: Path, settings: Settings) -> Path:
        """Train from the beginning.

        Args:
            out: the run folder, new or empty.
            settings: what to do, and what to learn from.

        Returns:
            The run folder, with the finished model in ``model/``.

        Raises:
            DataError, ImageError, SettingError: the data or the settings cannot be used.
            OutputError: something cannot be written.
            TrainingDivergedError: a loss stopped being a finite number.
            InterruptedRunError: the user stopped it; `resume` goes on.
        """
        self.data(settings)
        out = new_folder(Path(out), what="a run")
        write_text(out / "config.yaml", settings.to_yaml())
        return self._launch(out, settings, resumed=False)

    def resume(self, run: Path, overrides: Sequence[str] = ()) -> Path:
        """Go on with a run that was interrupted, from its last checkpoint.

        Args:
            run: the run folder.
            overrides: settings to change, each ``name=value``; only what does not change a step may differ.

        Returns:
            The run folder, with the finished model in ``model/``.

        Raises:
            CheckpointError: there is nothing to resume, or it does not belong to these settings or this data.
        """
        run = Path(run)
        if not (run / "config.yaml").is_file():
            raise CheckpointError(
                f"{run} is not a run folder (it has no config.yaml)", expected="what `train --out` made"
            )
        settings = self.settings.from_yaml(run / "config.yaml").with_overrides(overrides)
        saved = read_progress(run)
        now = {name: value for name, value in flat(settings).items() if name not in FREE_TO_CHANGE | self.free}
        changed = [name for name, value in now.items() if saved.settings.get(name) != value]
        if changed:
            raise CheckpointError(
                f"The checkpoint in {run} was made with other settings: "
                + ", ".join(f"{name} was {saved.settings.get(name)!r}, is {now[name]!r}" for name in changed),
                do="Put config.yaml back as it was, or start a new run",
            )
        fingerprint, place = self.data(settings)
        if fingerprint != saved.data_fingerprint:
            raise CheckpointError(
                f"The training pairs in {place} are not those that the run began with",
                do="Put the data back as it was, or start a new run",
            )
        write_text(run / "config.yaml", settings.to_yaml())
        return self._launch(run, settings, resumed=True)

    def _launch(self, run: Path, settings: Settings, *, resumed: bool) -> Path:
        """Start the loop in one process or in several. Returns the run folder."""
        training = settings.training
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        precision = choose_precision(training.precision, device)
        fabric = Fabric(
            accelerator=device.type,
            devices=training.devices,
            strategy="ddp_spawn" if training.devices > 1 else "auto",
            plugins=[precision.plugin] if precision.plugin else None,
        )
        if training.devices == 1:
            interrupted = _run(fabric, self.task, run, settings, resumed, precision)
        else:
            # The processes stop by themselves; their parent only waits.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                interrupted = fabric.launch(_run, self.task, run, settings, resumed, precision)  # type: ignore[arg-type]
            except ProcessRaisedException as error:
                raise RetinasynthError(f"A training process failed: {str(error).strip().splitlines()[-1]}") from error
            finally:
                signal.signal(signal.SIGINT, before)
        if interrupted:
            raise InterruptedRunError(
                f"Stopped; the state is saved in {run}", do=f"Go on with: retinasynth {settings.command} --resume {run}"
            )
        return run


def _run(
    fabric: Fabric, make: MakeTask[Settings], run: Path, settings: Settings, resumed: bool, precision: Precision
) -> bool:
    """Train to the end, or until the user stops it; True if stopped. Each process of a run calls this."""
    task = make(fabric, settings, precision)
    training = task.training
    done = _begun(task, run, settings, resumed, precision)
    if done.step == task.total_steps and fabric.is_global_zero:  # killed between its last checkpoint and its model
        task.save(run / "model", done.step)

    health = Health()
    first = fabric.is_global_zero
    stopping = False
    losses: dict[str, Tensor] = {}  # the latest of each kind since the last record
    with (
        _stop_request() as stop,
        RunLog(run, step=done.step, tensorboard=training.tensorboard, write=first) as log,
        progress("Training", task.total_steps, quiet=not first) as advance,
    ):
        advance(done.step, "")
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
                log.add(step, {"epoch": epoch, **values, "seconds": took, "data_wait_seconds": waited})
                advance(step, f"epoch {math.ceil(epoch)}  {_short(values)}")
            sample_due = step % training.sample_every_steps == 0 or last
            checkpoint_due = step % training.checkpoint_every_steps == 0 or last or stopping
            if sample_due or checkpoint_due:
                _refuse_broken_weights(task.state.modules, step)
            if first and sample_due:
                grid = task.sample()
                images.write_photograph(run / "samples" / f"step_{step:06d}.png", grid)
                log.add_picture(step, "samples", grid)
            if first and checkpoint_due:
                scaling = precision.scaler.state_dict() if precision.scaler else {}
                save_checkpoint(run, task.state, replace(done, scaler=scaling))
                task.save(run / "model", step)
            if stopping:
                break
            started = time.perf_counter()
    fabric.barrier()
    return stopping


def _begun(task: Task[Any], run: Path, settings: Settings, resumed: bool, precision: Precision) -> Progress:
    """How far the run is: at its beginning, or where its checkpoint, from which the task is restored, was made."""
    if not resumed:
        task.begin()
        return Progress(0, 0.0, task.fingerprint, flat(settings))
    done = replace(read_progress(run), settings=flat(settings))
    restore_checkpoint(run, task.state)
    if precision.scaler:
        precision.scaler.load_state_dict(done.scaler)
    return done


def _refuse_broken_weights(modules: Mapping[str, nn.Module], step: int) -> None:
    for name, network in modules.items():
        if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
            raise TrainingDivergedError(
                f"Step {step}: a weight of the {name} is not a finite number; the checkpoint from before it is kept",
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
