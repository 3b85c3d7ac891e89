"""What a run writes down: ``metrics.jsonl`` always, TensorBoard events where asked for, and what it says on screen."""

import logging
import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from retinasynth.errors import MissingExtraError, TrainingDivergedError
from retinasynth.images import Photograph
from retinasynth.resuming import Line, add_line, read_lines, write_lines

FILE = "metrics.jsonl"

log = logging.getLogger("retinasynth")


class RunLog:
    """The log of one run.

    A resumed run goes on where its checkpoint is: lines of steps after it are dropped, since they will be made again.

    Args:
        run: the run folder.
        step: completed steps.
        every: steps between two lines.
        tensorboard: also write TensorBoard events under ``run/tensorboard``.
        write: False in all processes but the first, which then log nothing.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
        DataError: the file cannot be read.
        OutputError: it cannot be written.
    """

    def __init__(self, run: Path, *, step: int, every: int, tensorboard: bool, write: bool = True) -> None:
        self.path = run / FILE
        self._writes = write
        self._events: Any = None
        if not write:
            return
        lines, damaged = read_lines(self.path, {"step": int})
        kept: list[Line] = []
        last = 0
        for line in lines:
            if line["step"] <= last:
                damaged += 1
            elif line["step"] <= step:
                kept.append(line)
                last = line["step"]
        if damaged:
            log.warning("%s has %d damaged lines, which are left out", self.path, damaged)
        if last + every <= step:
            log.warning("%s ends at step %d, though the run had come to step %d", self.path, last, step)
        write_lines(self.path, kept)
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra
            except ImportError as error:
                raise MissingExtraError("training.tensorboard", "tracking") from error
            self._events = SummaryWriter(run / "tensorboard", purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; it is on disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._writes:
            return
        add_line(self.path, {"step": step, **values})
        if self._events:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def add_picture(self, step: int, name: str, picture: Photograph) -> None:
        """Add a picture to the TensorBoard events, where there are any."""
        if self._events:
            self._events.add_image(name, np.ascontiguousarray(picture), step, dataformats="HWC")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events:
            self._events.close()


class Health:
    """Notices a training that has gone wrong.

    Args:
        window: logged steps that a judgement rests on.
    """

    def __init__(self, window: int = 50) -> None:
        self._totals: deque[float] = deque(maxlen=window)
        self._said: set[str] = set()

    def check(self, step: int, losses: Mapping[str, float]) -> None:
        """Judge the losses of a step.

        A discriminator whose loss has vanished gives the generator nothing to learn from; one that stays at log 2
        gives the same answer to everything. Both are said once, as a warning.

        Raises:
            TrainingDivergedError: a loss is not a finite number.
        """
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise TrainingDivergedError(
                f"Step {step}: {', '.join(bad)} is not a finite number; the last checkpoint is from before it",
                do="Resume with a lower learning rate in a new run, or with training.precision=fp32",
            )
        if "loss_discriminator_real" not in losses:
            return
        self._totals.append((losses["loss_discriminator_real"] + losses["loss_discriminator_generated"]) / 2)
        if len(self._totals) < (self._totals.maxlen or 0):
            return
        totals = np.array(self._totals)
        if totals.mean() < 0.01:
            self._say(
                f"step {step}: the discriminator tells real from generated without error (loss {totals.mean():.4f}); "
                "the generator learns from the pixel loss alone. Fewer discriminator filters or a lower learning rate "
                "may help."
            )
        elif np.abs(totals - math.log(2)).max() < 0.005:
            self._say(
                f"step {step}: the discriminator is dead: its loss stays at log 2, the same answer to everything. "
                "Try another seed or initialisation."
            )

    def _say(self, text: str) -> None:
        kind = text.partition(": ")[2][:40]
        if kind not in self._said:
            self._said.add(kind)
            log.warning(text)
