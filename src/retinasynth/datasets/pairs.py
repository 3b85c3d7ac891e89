"""Decoded pairs on disk, and the batches that training takes from them.

Pictures are decoded and resized once, into one array file per split under the cache folder, and read from there by
memory map. Which pairs a step sees, in which order and how augmented, follows from ``(seed, epoch, position)`` alone:
a resumed run needs no saved state to see what the undisturbed one would have seen.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retinasynth import images
from retinasynth.anatomy import Eye
from retinasynth.anatomy.appearance import at_expected_appearance, mean_photograph
from retinasynth.cache import fill_once
from retinasynth.config import Appearance, Resize, Settings
from retinasynth.datasets.augmentation import draw_transform
from retinasynth.datasets.layouts import EyeFiles, read_eye
from retinasynth.errors import DataError, SettingError
from retinasynth.files import cache_folder
from retinasynth.images import Labels, Photograph
from retinasynth.parallel import in_order

CACHE_FORMAT = 5

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


@dataclass(frozen=True)
class Pairs:
    """The decoded pairs of one split, at one size.

    Attributes:
        names: of the pairs.
        eyes: the physical eye behind each pair.
        photographs: ``uint8 (n, size_px, size_px, 3)``.
        labels: the label planes, ``bool (n, size_px, size_px, planes)``.
        mean: their mean (`retinasynth.anatomy.appearance.mean_photograph`), ``float32 (size_px, size_px, 3)`` in grey
            levels (0 to 255).
        fingerprint: SHA-256 over names and pixels; the same pairs have it wherever they are kept.
    """

    names: tuple[str, ...]
    eyes: tuple[str, ...]
    photographs: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    mean: NDArray[np.float32]
    fingerprint: str

    def __len__(self) -> int:
        """How many pairs."""
        return len(self.names)


def load_pairs(
    files: Sequence[EyeFiles],
    size_px: int,
    resize: Resize = "stretch",
    appearance: Appearance = "own",
    planes: Sequence[str] = ("vessels",),
) -> Pairs:
    """Decode eyes that have a photograph and the label planes, or take them from the cache.

    Args:
        files: what `retinasynth.datasets.layouts.find_eyes` found.
        size_px: height and width of the result; photographs are area-averaged, masks take the nearest value.
        resize: how other shapes become square.
        appearance: ``expected`` replaces the colour and slow illumination of each photograph by their average
            (`retinasynth.anatomy.appearance`).
        planes: which label planes, in which order.

    Raises:
        DataError: an eye has no photograph, or not all planes.
        ImageError: a picture cannot be used.
    """
    for eye in files:
        missing = [] if eye.photograph else ["photograph"]
        missing += [f"mask of its {plane}" for plane in planes if not eye.has([plane])]
        if missing:
            raise DataError(
                f"{eye.name} has no {' and no '.join(missing)}",
                expected=f"pairs of a photograph and its {', '.join(planes)}",
                do="An empty mask says that an eye has none of something; a missing one says nothing",
            )
    wanted = json.dumps([CACHE_FORMAT, size_px, resize, appearance, *planes, [stamp_of(eye, planes) for eye in files]])
    folder = fill_once(
        cache_folder() / "pairs" / hashlib.sha256(wanted.encode()).hexdigest()[:24],
        lambda temporary: _decode(files, size_px, resize, appearance, planes, temporary),
    )
    about = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    return Pairs(
        names=tuple(eye.name for eye in files),
        eyes=tuple(eye.eye for eye in files),
        photographs=np.load(folder / "photographs.npy", mmap_mode="r", allow_pickle=False),
        labels=np.load(folder / "labels.npy", mmap_mode="r", allow_pickle=False),
        mean=np.load(folder / "mean.npy", allow_pickle=False),
        fingerprint=about["fingerprint"],
    )


def stamp_of(eye: EyeFiles, planes: Sequence[str]) -> list[str | int]:
    """What changes when the files of an eye do: their places, sizes and times."""
    stamp: list[str | int] = [eye.name, eye.side_by_side, *eye.empty_planes]
    for path in (eye.photograph, *eye.with_planes_alone(planes).planes.values()):
        if path is not None:
            status = path.stat()
            stamp += [str(path.resolve()), status.st_size, status.st_mtime_ns]
    return stamp


def _decode(
    files: Sequence[EyeFiles],
    size_px: int,
    resize: Resize,
    appearance: Appearance,
    planes: Sequence[str],
    folder: Path,
) -> None:
    def decode(eye_files: EyeFiles) -> tuple[Photograph, Labels]:
        eye = read_eye(eye_files.with_planes_alone(planes))
        if eye.photograph is None:
            raise DataError(f"{eye_files.name} has no photograph")
        photograph = images.square_photograph(eye.photograph, size_px, resize)
        return photograph, labels_of(eye, planes, size_px, resize)

    decoded = list(in_order(decode, files))
    photographs = np.stack([photograph for photograph, _ in decoded])
    if appearance == "expected":
        photographs = at_expected_appearance(photographs)
    labels = np.stack([one for _, one in decoded])
    digest = hashlib.sha256(json.dumps([eye.name for eye in files]).encode())
    digest.update(photographs.tobytes())
    digest.update(labels.tobytes())
    np.save(folder / "photographs.npy", photographs)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "mean.npy", mean_photograph(photographs))
    about = {"fingerprint": digest.hexdigest(), "size_px": size_px, "names": [eye.name for eye in files]}
    (folder / "pairs.json").write_text(json.dumps(about), encoding="utf-8")


def labels_of(eye: Eye, planes: Sequence[str], size_px: int, resize: Resize) -> Labels:
    """The chosen planes of an eye as a network is shown them: ``bool (size_px, size_px, planes)``."""
    return np.stack([images.square_mask(eye.planes[plane], size_px, resize) for plane in planes], axis=-1)


def steps_per_epoch(pairs: Sized, settings: Settings) -> int:
    """Steps in which every process takes a batch; what is left over changes from epoch to epoch.

    Raises:
        SettingError: there are fewer pairs than one step takes.
    """
    together = settings.training.batch_size * settings.training.devices
    if len(pairs) < together:
        raise SettingError(
            f"One step takes {together} pairs (batch_size x devices), but there are {len(pairs)}",
            do="Use a smaller training.batch_size or more data",
        )
    return len(pairs) // together


def batches(pairs: Pairs, settings: Settings, *, epoch: int, first_step: int = 0, process: int = 0) -> Iterator[Batch]:
    """The batches of one epoch for one process; see `in_batches`."""

    def one(index: int, position: int) -> tuple[Tensor, Tensor]:
        return _pair(pairs, index, settings, epoch, position)

    yield from map(_stack, in_batches(pairs, settings, one, epoch=epoch, first_step=first_step, process=process))


def in_batches(
    pairs: Sized,
    settings: Settings,
    one: Callable[[int, int], Example],
    *,
    epoch: int,
    first_step: int = 0,
    process: int = 0,
) -> Iterator[list[Example]]:
    """The examples of one epoch for one process, in batches that are made one step ahead in a thread.

    Args:
        pairs: of which there are so many.
        settings: batch size and seed.
        one: makes an example from the number of a pair and the position in the epoch.
        epoch: number of the epoch, from 0.
        first_step: steps of this epoch to pass over, when a run is resumed inside it.
        process: rank of this process.
    """
    order = np.random.default_rng([settings.training.seed, epoch]).permutation(len(pairs))
    size, processes = settings.training.batch_size, settings.training.devices

    def make(step: int) -> list[Example]:
        positions = range((step * processes + process) * size, (step * processes + process + 1) * size)
        return [one(int(order[at]), at) for at in positions]

    steps = range(first_step, steps_per_epoch(pairs, settings))
    yield from in_order(make, steps, threads=1)


def whole_batch(pairs: Pairs, indices: Sequence[int], channels: int) -> Batch:
    """Chosen pairs as they are, without augmentation."""
    return _stack([_signed(pairs.labels[i], pairs.photographs[i], channels) for i in indices])


def _pair(pairs: Pairs, index: int, settings: Settings, epoch: int, position: int) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng([settings.training.seed, epoch, position])
    transform = draw_transform(random, settings.data)
    labels, photograph = transform(pairs.labels[index]), pairs.photographs[index]
    if settings.data.appearance == "own":
        return _signed(labels, transform(photograph), settings.data.label_channels)
    # The eye is turned, not the camera: its aperture and illumination, which the mean holds, stay where they are.
    return _signed(labels, pairs.mean + transform(photograph - pairs.mean), settings.data.label_channels)


def _signed(labels: Labels, photograph: Photograph | NDArray[np.float32], channels: int) -> tuple[Tensor, Tensor]:
    return (
        torch.from_numpy(images.signed_from_labels(labels, channels)),
        torch.from_numpy(images.signed_from_photograph(photograph)),
    )


def _stack(pairs: Sequence[tuple[Tensor, Tensor]]) -> Batch:
    return Batch(torch.stack([mask for mask, _ in pairs]), torch.stack([photograph for _, photograph in pairs]))
