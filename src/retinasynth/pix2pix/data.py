"""Decoded pairs on disk, and the batches that training takes from them.

Pictures are decoded and resized once, into one array file per split under the cache folder, and read from there by
memory map. Which pairs a step sees, in which order and how augmented, follows from ``(seed, epoch, position)`` alone:
a resumed run needs no saved state to see what the undisturbed one would have seen.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retinasynth import images
from retinasynth.cache import fill_once
from retinasynth.data.augmentation import draw_transform
from retinasynth.data.batches import Batch, in_batches, labels_of, stamp_of, steps_per_epoch
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError
from retinasynth.eye.appearance import at_expected_appearance, mean_photograph
from retinasynth.files import cache_folder
from retinasynth.images import Labels, Photograph
from retinasynth.parallel import in_order
from retinasynth.pix2pix.settings import Settings
from retinasynth.settings import Appearance, Resize

CACHE_FORMAT = 5


@dataclass(frozen=True)
class Pairs:
    """The decoded pairs of one split, at one size.

    Attributes:
        names: of the pairs.
        eyes: the physical eye behind each pair.
        photographs: ``uint8 (n, size_px, size_px, 3)``.
        labels: the label planes, ``bool (n, size_px, size_px, planes)``.
        mean: their mean (`retinasynth.eye.appearance.mean_photograph`), ``float32 (size_px, size_px, 3)`` in grey
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
        files: what `retinasynth.data.find.find_eyes` found.
        size_px: height and width of the result; photographs are area-averaged, masks take the nearest value.
        resize: how other shapes become square.
        appearance: ``expected`` replaces the colour and slow illumination of each photograph by their average
            (`retinasynth.eye.appearance`).
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


def batches(pairs: Pairs, settings: Settings, *, epoch: int, first_step: int = 0, process: int = 0) -> Iterator[Batch]:
    """The batches of one epoch for one process; see `in_batches`."""

    def one(index: int, position: int) -> tuple[Tensor, Tensor]:
        return _pair(pairs, index, settings, epoch, position)

    yield from map(
        _stack, in_batches(pairs, settings.training, one, epoch=epoch, first_step=first_step, process=process)
    )


def _pair(pairs: Pairs, index: int, settings: Settings, epoch: int, position: int) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng([settings.training.seed, epoch, position])
    transform = draw_transform(random, flip=settings.data.flip, rotation_deg=settings.data.rotation_deg)
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


@dataclass(frozen=True)
class TrainingPairs:
    """What a run learns from, and the pairs its samples are taken of: for validation, else for the test, if any."""

    train: Pairs
    test: Pairs | None

    @property
    def fingerprint(self) -> str:
        """Of what is learnt from."""
        return self.train.fingerprint


def load_training_pairs(settings: Settings) -> TrainingPairs:
    """The pairs of a run.

    Raises:
        DataError: there are no training pairs, or one has no photograph or not all planes.
        SettingError: there are fewer than one step takes.
        ImageError: a picture cannot be used.
    """
    chosen = settings.data
    found = find_eyes(Path(chosen.folder), labels=chosen.labels or None)
    train_files, test_files = found.split("train"), found.split("test")
    if not train_files:
        raise DataError(
            f"{chosen.folder} has no training pairs ({len(test_files)} test pairs)", expected="at least one"
        )
    train = load_pairs(train_files, chosen.size_px, chosen.resize, chosen.appearance, chosen.planes)
    steps_per_epoch(train, settings.training)
    unseen = found.split("val") or test_files
    test_files = tuple(files for files in unseen if files.photograph and files.has(chosen.planes))
    if not test_files:  # as in newer copies of DRIVE, whose test vessels are not published
        return TrainingPairs(train, None)
    return TrainingPairs(train, load_pairs(test_files, chosen.size_px, chosen.resize, planes=chosen.planes))
