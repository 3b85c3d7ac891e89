"""Which examples a training step sees, in which order: it follows from the seed and the epoch alone."""

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from retinasynth import images
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import SettingError
from retinasynth.eye import Eye
from retinasynth.images import Labels
from retinasynth.parallel import in_order
from retinasynth.settings import LoopSettings, Resize

Example = TypeVar("Example")


class Batch(NamedTuple):
    """A batch.

    Attributes:
        masks: label masks, signed in [-1, 1], ``(batch, channels, s, s)``.
        photographs: likewise, ``(batch, 3, s, s)``.
        importance: how much an example counts in the loss, ``(batch,)``; None counts all alike.
    """

    masks: Tensor
    photographs: Tensor
    importance: Tensor | None = None


def stamp_of(eye: EyeFiles, planes: Sequence[str]) -> list[str | int]:
    """What changes when the files of an eye do: their places, sizes and times."""
    stamp: list[str | int] = [eye.name, "mask left" if eye.mask_is_left else eye.side_by_side, *eye.empty_planes]
    stamp += [f"{plane}: {code}" for plane, code in eye.codes.items() if plane in planes]
    for path in (eye.photograph, eye.outlined_on, *eye.with_planes_alone(planes).planes.values()):
        if path is not None:
            status = path.stat()
            stamp += [str(path.resolve()), status.st_size, status.st_mtime_ns]
    return stamp


def labels_of(eye: Eye, planes: Sequence[str], size_px: int, resize: Resize) -> Labels:
    """The chosen planes of an eye as a network is shown them: ``bool (size_px, size_px, planes)``."""
    return np.stack([images.square_mask(eye.planes[plane], size_px, resize) for plane in planes], axis=-1)


def steps_per_epoch(pairs: Sized, training: LoopSettings) -> int:
    """Steps in which every process takes a batch; what is left over changes from epoch to epoch.

    Raises:
        SettingError: there are fewer pairs than one step takes.
    """
    together = training.batch_size * training.devices
    if len(pairs) < together:
        raise SettingError(
            f"One step takes {together} pairs (batch_size x devices), but there are {len(pairs)}",
            do="Use a smaller training.batch_size or more data",
        )
    return len(pairs) // together


def in_batches(
    pairs: Sized,
    training: LoopSettings,
    one: Callable[[int, int], Example],
    *,
    epoch: int,
    first_step: int = 0,
    process: int = 0,
) -> Iterator[list[Example]]:
    """The examples of one epoch for one process, in batches that are made one step ahead in a thread.

    Args:
        pairs: of which there are so many.
        training: batch size, processes and seed.
        one: makes an example from the number of a pair and the position in the epoch.
        epoch: number of the epoch, from 0.
        first_step: steps of this epoch to pass over, when a run is resumed inside it.
        process: rank of this process.
    """
    order = np.random.default_rng([training.seed, epoch]).permutation(len(pairs))
    size, processes = training.batch_size, training.devices

    def make(step: int) -> list[Example]:
        positions = range((step * processes + process) * size, (step * processes + process + 1) * size)
        return [one(int(order[at]), at) for at in positions]

    steps = range(first_step, steps_per_epoch(pairs, training))
    yield from in_order(make, steps, threads=1)
