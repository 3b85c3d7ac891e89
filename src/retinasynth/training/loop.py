"""The loop around a training step, for everything that learns: progress, log, samples, checkpoints, stop and resume.

What is learnt is a `Task`. On a CPU an interrupted (or killed) and resumed run gives bit-identical weights to an
undisturbed one: everything random in a step follows from the seed and the number of the step.
"""

import logging
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
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from retinasynth import images
from retinasynth.config import LoopSettings, RunSettings, flat
from retinasynth.errors import (
    CheckpointError,
    InterruptedRunError,
    OutputError,
    RetinasynthError,
    TrainingDivergedError,
)
from retinasynth.files import after_full_disk, new_folder, remove_parts, write_text
from retinasynth.models.generation import mixed_seed
from retinasynth.parallel import end_with_parent, termination_requests
from retinasynth.progress import progress
from retinasynth.resuming import one_writer, read_lines
from retinasynth.training import checkpoints, runlog
from retinasynth.training.checkpoints import Progress, State, read_progress, restore_checkpoint, save_checkpoint
from retinasynth.training.learner import Precision, choose_precision
from retinasynth.training.runlog import Health, RunLog

CONFIG = "config.yaml"  # the settings of a run

log = logging.getLogger("retinasynth")

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
        out = Path(out)
        with _alone(out, settings):
            if (out / CONFIG).exists():
                raise OutputError(
                    f"{out} holds a run already",
                    do=f"Go on with it: {_resuming(out, settings)}; or choose another --out",
                )
            write_text(new_folder(out, what="a run") / CONFIG, settings.to_yaml())
            return self._launch(out, settings, None)

    def resume(self, run: Path, overrides: Sequence[str] = ()) -> Path:
        """Go on with a run that was interrupted, from its last checkpoint; where it came to none, from the beginning.

        It learns in the precision, and with the number of threads, that it began with.

        Args:
            run: the run folder.
            overrides: settings to change, each ``name=value``; only what does not change a step may differ.

        Returns:
            The run folder, with the finished model in ``model/``.

        Raises:
            CheckpointError: there is nothing to resume, or it does not belong to these settings or this data.
        """
        run = Path(run)
        if not (run / CONFIG).is_file():
            raise CheckpointError(
                f"{run} is not a run folder (it has no config.yaml)", expected="what `train --out` made"
            )
        settings = self.settings.from_yaml(run / CONFIG).with_overrides(overrides)
        with _alone(run, settings):
            remove_parts(run.rglob(".*"))
            if _never_saved(run, settings):
                self.data(settings)
                write_text(run / CONFIG, settings.to_yaml())
                return self._launch(run, settings, None)
            if damage := checkpoints.mend(run):
                log.warning("%s; the run goes on from the checkpoint before it", damage)
            saved = read_progress(run)
            self._refuse_changes(run, settings, saved)
            write_text(run / CONFIG, settings.to_yaml())
            return self._launch(run, settings, saved)

    def _refuse_changes(self, run: Path, settings: Settings, saved: Progress) -> None:
        """Raise where settings or data are not those that the run began with."""
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

    def _launch(self, run: Path, settings: Settings, saved: Progress | None) -> Path:
        """Start the loop, in one process or in several, from what was saved or anew. Returns the run folder."""
        training = settings.training
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        as_before = saved.precision if saved else ""
        precision = choose_precision(as_before or training.precision, device)
        if saved:
            _say_what_differs(saved, training.precision, device)
        fabric = Fabric(
            accelerator=device.type,
            devices=training.devices,
            strategy="ddp_spawn" if training.devices > 1 else "auto",
            plugins=[precision.plugin] if precision.plugin else None,
        )
        if training.devices == 1:
            interrupted = _run(fabric, self.task, run, settings, saved, precision)
        else:
            # The processes stop by themselves; their parent only waits.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                interrupted = fabric.launch(_run, self.task, run, settings, saved, precision)  # type: ignore[arg-type]
            except ProcessRaisedException as error:
                raise RetinasynthError(f"A training process failed: {str(error).strip().splitlines()[-1]}") from error
            finally:
                signal.signal(signal.SIGINT, before)
        if interrupted:
            raise InterruptedRunError(
                f"Stopped; the state is saved in {run}", do=f"Go on with: {_resuming(run, settings)}"
            )
        return run


def _resuming(run: Path, settings: RunSettings) -> str:
    """The command that goes on with a run."""
    return f"retinasynth {settings.command} --resume {run}"


@contextmanager
def _alone(run: Path, settings: RunSettings) -> Iterator[None]:
    """Refuse a second process on a run; where the disk is full, say how the run goes on."""
    with one_writer(run, waits=False), after_full_disk(f"go on with: {_resuming(run, settings)}"):
        yield


def _never_saved(run: Path, settings: RunSettings) -> bool:
    """Whether a run was stopped before its first checkpoint: one that lost its checkpoint must not begin anew."""
    if checkpoints.exists(run) or (run / "model").exists():
        return False
    lines, _ = read_lines(run / runlog.FILE, {"step": int})
    return all(line["step"] < settings.training.checkpoint_every_steps for line in lines)


def _kind_of(device: torch.device) -> str:
    """What a run learns on, in words: another kind may add up otherwise."""
    is_gpu = device.type == "cuda"
    return torch.cuda.get_device_name(device) if is_gpu else f"CPU ({torch.backends.cpu.get_cpu_capability()})"


def _say_what_differs(saved: Progress, wanted: str, device: torch.device) -> None:
    """Say what the run goes on with as it began, where this machine would choose otherwise."""
    usual = choose_precision(wanted, device).name
    if saved.precision and saved.precision != usual:
        log.warning("The run began in %s and goes on in it; here it would be %s", saved.precision, usual)
    if saved.threads and saved.threads != torch.get_num_threads():
        log.warning(
            "Threads: %d, as when the run began (here it would be %d), since their number decides the last digits",
            *(saved.threads, torch.get_num_threads()),
        )
    if saved.device and saved.device != _kind_of(device):
        log.warning(
            "The run began on another processor (%s, here %s): the last digits may differ",
            saved.device,
            _kind_of(device),
        )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads for sums within the block; 0 leaves them as they are."""
    usual = torch.get_num_threads()
    torch.set_num_threads(number or usual)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _run(
    fabric: Fabric,
    make: MakeTask[Settings],
    run: Path,
    settings: Settings,
    saved: Progress | None,
    precision: Precision,
) -> bool:
    """Train to the end, or until the user stops it; True if stopped. Each process of a run calls this."""
    if fabric.world_size > 1:
        end_with_parent()
    with _threads(saved.threads if saved else 0):
        return _trained(fabric, make(fabric, settings, precision), run, settings, saved, precision)


def _trained(
    fabric: Fabric, task: Task[Any], run: Path, settings: RunSettings, saved: Progress | None, precision: Precision
) -> bool:
    training = task.training
    done = _begun(fabric, task, run, settings, saved, precision)
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
    fabric: Fabric, task: Task[Any], run: Path, settings: RunSettings, saved: Progress | None, precision: Precision
) -> Progress:
    """How far the run is: at its beginning, which is saved at once, or where it was saved, and restored from there."""
    if saved is None:
        task.begin()
        threads, device = torch.get_num_threads(), _kind_of(fabric.device)
        done = Progress(
            0, 0.0, task.fingerprint, flat(settings), threads=threads, precision=precision.name, device=device
        )
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
