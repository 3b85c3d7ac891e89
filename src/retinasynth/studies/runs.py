"""Many runs that can be compared: with one budget, each kept where it is, each gone on with when it was stopped."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sized
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from retinasynth.data.batches import steps_per_epoch
from retinasynth.documents import read_json
from retinasynth.errors import (
    DataError,
    InputError,
    InterruptedRunError,
    OutputError,
    SettingError,
    TrainingDivergedError,
)
from retinasynth.evaluation.subjects import evaluate_model
from retinasynth.files import fill_folder, new_folder, output_folder, write_json
from retinasynth.generation.train import GeneratorSettings, resume, train
from retinasynth.resuming import going_on
from retinasynth.training import checkpoint as checkpoints

PLAN = "plan.json"
DIVERGED = "diverged.json"
_FINGERPRINT = 64  # digits, which say nothing to a reader
# What belongs to a whole experiment, so that no run of it may have its own.
OF_ALL_RUNS = ("data.folder", "data.labels", "training.seed", "training.epochs", "training.devices")


# --- Budgets -----------------------------------------------------------------------------------------------------


def pictures_seen(settings: GeneratorSettings, pairs: Sized) -> int:
    """Pictures that a run learns from, counted as often as it sees them.

    Raises:
        SettingError: a step takes more pairs than there are.
    """
    together = settings.training.batch_size * settings.training.devices
    return settings.training.epochs * steps_per_epoch(pairs, settings.training) * together


def with_budget(settings: GeneratorSettings, pairs: Sized, pictures: int) -> GeneratorSettings:
    """The settings with as many epochs as come nearest to a number of pictures seen.

    With the batch size that the budget was made with, this is the same number of steps. With another it is not: a
    step of four pictures is one step, not four.

    Example:
        >>> from retinasynth.pix2pix.settings import Settings
        >>> pairs = range(80)
        >>> four = Settings().with_overrides(["training.batch_size=4", "epochs=1"])
        >>> with_budget(four, pairs, pictures_seen(Settings(), pairs)).training.epochs
        40
    """
    of_epoch = pictures_seen(settings, pairs) / settings.training.epochs
    epochs = max(1, round(pictures / of_epoch))
    return settings.with_overrides([f"training.epochs={epochs}"])


def refuse_own_budget(name: str, changed: Mapping[str, Any]) -> None:
    """Raise SettingError where a run would have something of its own that all runs share.

    Args:
        name: of the run, for the message.
        changed: settings that it changes, by full name.
    """
    own = [setting for setting in OF_ALL_RUNS if setting in changed]
    if own:
        raise SettingError(
            f"{name} changes {', '.join(own)}, which all runs share",
            expected="other settings; a row may change anything else",
            do=f"Set it for all of them: `overrides` {own[0]}=...",
        )


# --- Plans -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def begun_study(out: Path, plan: Mapping[str, Any], *, may_grow: str, what: str) -> Iterator[None]:
    """Work in the folder of a study, a new one or one that goes on with the same plan; see `keep_to_plan`.

    Within the block other processes wait for this one.
    """
    output_folder(out)
    with going_on(out):
        keep_to_plan(out, plan, may_grow=may_grow, what=what)
        yield


@contextlib.contextmanager
def stopped(out: Path, place: str = "") -> Iterator[None]:
    """Where work is stopped within the block, say that it is kept and how to go on.

    Args:
        out: the folder of the study.
        place: in which part of the work, such as "run 3 of 10".

    Raises:
        InterruptedRunError: the user stopped it.
        OutputError: a worker process was killed.
    """
    try:
        yield
    except (InterruptedRunError, KeyboardInterrupt) as error:
        raise InterruptedRunError(
            f"Stopped{f' in {place}' if place else ''}; everything so far is kept in {out}",
            do="Go on with the same command",
        ) from error
    except BrokenProcessPool as error:
        raise OutputError(
            f"A worker process was killed, perhaps for want of memory; {out} keeps the runs that are finished",
            do="Run the same command again to go on, with fewer `workers`",
        ) from error


def keep_to_plan(out: Path, plan: Mapping[str, Any], *, may_grow: str, what: str) -> None:
    """Write down what will be done in a folder, or check that it is what was begun there.

    Args:
        out: new or empty, or begun earlier.
        plan: plain values in sections: a number, a text, or a mapping of mappings.
        may_grow: the one number that may be higher than it was.
        what: is planned, for messages.

    Raises:
        OutputError: the folder holds something else.
        InputError: what was begun there was something else; the message says what changed.
    """
    path = out / PLAN
    if not path.is_file():
        new_folder(out, what=what)
        write_json(path, plan)
        return
    before = read_json(path, InputError, what="a plan", do="Choose another `out`")
    try:
        grown = int(before[may_grow])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a plan ({error})", do="Choose another `out`") from error
    changes = _changes({**before, may_grow: 0}, {**plan, may_grow: 0})
    if grown > plan[may_grow]:
        changes.append(f"{may_grow} was {grown}, is {plan[may_grow]}")
    if changes:
        more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
        raise InputError(
            f"{out} holds {what} that began otherwise: {'; '.join(changes[:5])}{more}",
            expected=f"the same, or a higher {may_grow}",
            do="Choose another `out`, or put it back as it was",
        )
    write_json(path, plan)


def _changes(before: Any, now: Any, place: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        inside = {f"{place} {name}".strip(): name for name in [*before, *(name for name in now if name not in before)]}
        gone = [f"{path} is gone" for path, name in inside.items() if name not in now]
        new = [f"{path} is new" for path, name in inside.items() if name not in before]
        both = [(path, name) for path, name in inside.items() if name in before and name in now]
        return gone + new + [change for path, name in both for change in _changes(before[name], now[name], path)]
    if before == now:
        return []
    is_fingerprint = isinstance(before, str) and len(before) == _FINGERPRINT
    return [f"{place} are others" if is_fingerprint else f"{place} was {before!r}, is {now!r}"]


# --- One run -----------------------------------------------------------------------------------------------------


def train_and_evaluate(data: Path, run: Path, evaluation: Path, settings: GeneratorSettings) -> str:
    """Bring one run to its end, from wherever it is, and evaluate it on the test eyes.

    Args:
        data: the data set.
        run: the run folder; what is there is gone on with.
        evaluation: the folder for its figures, those of pictures and their pairs; appears whole or not at all.
        settings: of the run.

    Returns:
        Why the training diverged, or nothing where it did not.

    Raises:
        InterruptedRunError: the user stopped it; called again it goes on.
    """
    if (evaluation / "evaluation.json").is_file():
        return ""
    if (run / DIVERGED).is_file():
        again = f"Remove {run} and run the same command again"
        return str(read_json(run / DIVERGED, DataError, what="why a run diverged", do=again).get("why"))
    try:
        if checkpoints.exists(run):
            resume(run, [f"data.folder={data}"])
        else:
            shutil.rmtree(run, ignore_errors=True)  # stopped before its first checkpoint: nothing to go on from
            train(data, run, settings)
    except TrainingDivergedError as error:
        write_json(run / DIVERGED, {"why": error.got})
        return error.got
    with fill_folder(evaluation, what="an evaluation") as temporary:
        evaluate_model(
            run,
            data,
            temporary,
            sets=settings.evaluated_as_set,
            style=settings.evaluated_style,
            labels=settings.data.labels or None,
        )
    return ""


def drop_weights(run: Path) -> None:
    """Remove the checkpoint and the model of a run that has been evaluated; settings, log and samples stay."""
    for name in ("checkpoint", "model"):
        shutil.rmtree(run / name, ignore_errors=True)
