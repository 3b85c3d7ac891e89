"""Starting and resuming a run, of whatever is learnt: its folder, its lock, its data, its processes."""

import functools
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch.multiprocessing.spawn import ProcessRaisedException

from retinasynth.data.find import find_eyes
from retinasynth.errors import CheckpointError, InterruptedRunError, OutputError, RetinasynthError
from retinasynth.files import after_full_disk, new_folder, remove_parts, write_text
from retinasynth.parallel import end_with_parent
from retinasynth.resuming import one_writer, read_lines
from retinasynth.settings import RunSettings, flat
from retinasynth.training import checkpoint as checkpoints
from retinasynth.training import log as runlog
from retinasynth.training.checkpoint import Progress, read_progress
from retinasynth.training.loop import Task, kind_of, learn
from retinasynth.training.precision import Precision, choose_precision

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


Settings = TypeVar("Settings", bound=RunSettings)


class Data(Protocol):
    """What is learnt from, read."""

    @property
    def fingerprint(self) -> str:
        """Other data has another."""


Loaded = TypeVar("Loaded", bound=Data)


@dataclass(frozen=True)
class Training(Generic[Settings, Loaded]):
    """A kind of run, and how it is started and resumed.

    Attributes:
        settings: what decides what it computes.
        load: finds and reads what is learnt from.
        task: makes of it what is learnt. Both are functions of a module, since other processes call them, too.
        free: settings that may differ when it is resumed, beside `FREE_TO_CHANGE` and where the data lie.
    """

    settings: type[Settings]
    load: Callable[[Settings], Loaded]
    task: Callable[[Fabric, Settings, Precision, Loaded], Task[Any]]
    free: frozenset[str] = frozenset()

    def start(self, data: Sequence[Path], out: Path, settings: Settings) -> Path:
        """Train from the beginning.

        Args:
            data: data sets that `retinasynth.data.find.find_eyes` recognises; their training splits are used.
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
        found = [find_eyes(folder) for folder in data]
        for one in found:
            one.warn_if_untested()
        settings = settings.learning_from(*(one.folder.resolve() for one in found))
        loaded = self.load(settings)
        out = Path(out)
        with _alone(out, settings):
            if (out / CONFIG).exists():
                raise OutputError(
                    f"{out} holds a run already",
                    do=f"Go on with it: {_resuming(out, settings)}; or choose another `out`",
                )
            write_text(new_folder(out, what="a run") / CONFIG, settings.to_yaml())
            return self._launch(out, settings, loaded, None)

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
                f"{run} is not a run folder (it has no config.yaml)", expected="the folder of a training"
            )
        settings = self.settings.from_yaml(run / CONFIG).with_overrides(overrides)
        with _alone(run, settings):
            remove_parts(run.rglob(".*"))
            if _never_saved(run, settings):
                loaded = self.load(settings)
                write_text(run / CONFIG, settings.to_yaml())
                return self._launch(run, settings, loaded, None)
            if damage := checkpoints.mend(run):
                log.warning("%s; the run goes on from the checkpoint before it", damage)
            saved = read_progress(run)
            self._refuse_changes(run, settings, saved)
            loaded = self.load(settings)
            if loaded.fingerprint != saved.data_fingerprint:
                raise CheckpointError(
                    f"The training pairs in {flat(settings)[settings.place]} are not those that the run began with",
                    do="Put the data back as it was, or start a new run",
                )
            write_text(run / CONFIG, settings.to_yaml())
            return self._launch(run, settings, loaded, saved)

    def _refuse_changes(self, run: Path, settings: Settings, saved: Progress) -> None:
        """Raise where settings are not those that the run began with."""
        free = FREE_TO_CHANGE | self.free | {settings.place}
        now = {name: value for name, value in flat(settings).items() if name not in free}
        changed = [name for name, value in now.items() if saved.settings.get(name) != value]
        if changed:
            raise CheckpointError(
                f"The checkpoint in {run} was made with other settings: "
                + ", ".join(f"{name} was {saved.settings.get(name)!r}, is {now[name]!r}" for name in changed),
                do="Put config.yaml back as it was, or start a new run",
            )

    def _launch(self, run: Path, settings: Settings, loaded: Loaded, saved: Progress | None) -> Path:
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
            interrupted = _in_process(fabric, self, run, settings, saved, precision, loaded)
        else:
            # The processes stop by themselves; their parent only waits.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                others = functools.partial(
                    _in_process, training=self, run=run, settings=settings, saved=saved, precision=precision
                )
                interrupted = fabric.launch(others)
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
    if saved.device and saved.device != kind_of(device):
        log.warning(
            "The run began on another processor (%s, here %s): the last digits may differ",
            saved.device,
            kind_of(device),
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


def _in_process(
    fabric: Fabric,
    training: Training[Settings, Loaded],
    run: Path,
    settings: Settings,
    saved: Progress | None,
    precision: Precision,
    loaded: Loaded | None = None,
) -> bool:
    """Learn in this process, one of those of the run, each of which reads the data itself; True if stopped."""
    if fabric.world_size > 1:
        end_with_parent()
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with _threads(saved.threads if saved else 0), torch.random.fork_rng(devices):
        data = loaded or training.load(settings)
        task = training.task(fabric, settings, precision, data)
        return learn(fabric, task, run, settings, saved, precision, data.fingerprint)
