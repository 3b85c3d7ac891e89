"""What an enhancer learns from: clean photographs, and examples that are cut from them and made worse.

Where an example is cut, how it is turned and what it suffers follows from ``(seed, position)`` alone, so that a
resumed run sees what the undisturbed one would.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from retinasynth.cache import fill_once
from retinasynth.data.batches import Batch, stamp_of
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.matching import EyeFiles
from retinasynth.enhancement.degradation import Told, degraded, drawn_degradation, enlarged, with_told
from retinasynth.enhancement.settings import EnhancementData, EnhancerSettings
from retinasynth.errors import DataError, ImageError
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.files import cache_folder
from retinasynth.images import Photograph, resize_photograph, signed_from_photograph
from retinasynth.parallel import in_order

CACHE_FORMAT = 1
_CELL_PX = 16  # in which it is told where the eye is
_USUAL_DAMAGE, _LEAST_DAMAGE = 0.02, 0.003  # mean absolute error of values in [-1, 1]


@dataclass(frozen=True)
class CleanPhotographs:
    """Decoded photographs, on disk.

    Attributes:
        files: where they come from.
        sets: numbers of the photographs of each data set, all of which are shown equally often.
        photographs: ``uint8 (height, width, 3)`` each.
        inside: cells of each that lie in the field of view, ``int64 (n, 2)`` of row and column, in `_CELL_PX`.
        fingerprint: SHA-256 over names and pixels.
    """

    files: tuple[EyeFiles, ...]
    sets: tuple[range, ...]
    photographs: tuple[NDArray[np.uint8], ...]
    inside: tuple[NDArray[np.int64], ...]
    fingerprint: str

    def __len__(self) -> int:
        """How many photographs."""
        return len(self.files)


def load_clean(data: EnhancementData) -> CleanPhotographs:
    """The training photographs of the data sets, decoded, or taken from the cache.

    Raises:
        DataError: a set has no training photograph, or none is given.
        ImageError: a picture cannot be used, or is smaller than what is cut from it.
    """
    files: list[EyeFiles] = []
    sets: list[range] = []
    for name in data.folders:
        usable = [one for one in find_eyes(Path(name)).split("train") if one.photograph]
        if not usable:
            raise DataError(f"{name} has no training photograph", expected="a data set with photographs")
        sets.append(range(len(files), len(files) + len(usable)))
        files += usable
    if not files:
        raise DataError("There is nothing to learn from", expected="`data` with a set of photographs")
    wanted = json.dumps([CACHE_FORMAT, data.longest_px, data.crop_px, [stamp_of(one, ()) for one in files]])
    folder = fill_once(
        cache_folder() / "clean" / hashlib.sha256(wanted.encode()).hexdigest()[:24],
        lambda temporary: _decode(files, data, temporary),
    )
    numbers = range(len(files))
    return CleanPhotographs(
        files=tuple(files),
        sets=tuple(sets),
        photographs=tuple(np.load(folder / f"{at}.npy", mmap_mode="r", allow_pickle=False) for at in numbers),
        inside=tuple(np.load(folder / f"{at}.inside.npy", allow_pickle=False) for at in numbers),
        fingerprint=(folder / "fingerprint").read_text(encoding="utf-8"),
    )


def reduced_to(photograph: Photograph, longest_px: int) -> Photograph:
    """A photograph whose longest side is at most so many pixels; reduced by area average."""
    height, width = photograph.shape[:2]
    share = min(1.0, longest_px / max(height, width))
    return resize_photograph(photograph, (round(height * share), round(width * share)))


def _decode(files: Sequence[EyeFiles], data: EnhancementData, folder: Path) -> None:
    digest = hashlib.sha256()
    for at, one in enumerate(files):
        photograph = reduced_to(photograph_of(one), data.longest_px)
        if min(photograph.shape[:2]) < data.crop_px:
            raise ImageError(
                f"{one.photograph} is {photograph.shape[0]} x {photograph.shape[1]} px",
                expected=f"at least {data.crop_px} px each way, which is data.crop_px",
                do="Leave it out, or set a smaller crop_px",
            )
        np.save(folder / f"{at}.npy", photograph)
        field = find_field_of_view(photograph, one.photograph)
        np.save(folder / f"{at}.inside.npy", np.argwhere(field[_CELL_PX // 2 :: _CELL_PX, _CELL_PX // 2 :: _CELL_PX]))
        digest.update(one.name.encode() + photograph.tobytes())
    (folder / "fingerprint").write_text(digest.hexdigest(), encoding="utf-8")


def clean_batches(clean: CleanPhotographs, settings: EnhancerSettings, steps: range, process: int) -> Iterator[Batch]:
    """The batches of these steps for one process, made one step ahead in a thread.

    What the network is given stands in the place of the masks, ``float32 (batch, 6, crop_px, crop_px)``, and the clean
    photograph in that of the photographs, ``float32 (batch, 3, crop_px, crop_px)``; signed. An example counts
    in inverse proportion to its damage, unless it has hardly any: what matters is the share that is left, and noise,
    which does most, would drown how little a photograph of half the size lacks.
    """
    size, processes = settings.training.batch_size, settings.training.devices

    def make(step: int) -> Batch:
        first = (step * processes + process) * size
        examples = [example(clean, settings, at) for at in range(first, first + size)]
        started = [signed_from_photograph(enlarged(one.worse, one.told.scale)) for one in examples]
        given = np.stack([with_told(signed, one.told) for signed, one in zip(started, examples, strict=True)])
        wanted = np.stack([signed_from_photograph(one.wanted) for one in examples])
        damage = np.abs(given[:, :3] - wanted).mean(axis=(1, 2, 3))
        importance = _USUAL_DAMAGE * damage / (damage**2 + _LEAST_DAMAGE**2)
        return Batch(torch.from_numpy(given), torch.from_numpy(wanted), torch.from_numpy(importance))

    yield from in_order(make, steps, threads=1)


class Example(NamedTuple):
    """One example.

    Attributes:
        worse: ``uint8 (crop_px / scale, crop_px / scale, 3)``.
        told: what the network is told of it.
        wanted: ``uint8 (crop_px, crop_px, 3)``.
    """

    worse: Photograph
    told: Told
    wanted: Photograph


def example(clean: CleanPhotographs, settings: EnhancerSettings, position: int) -> Example:
    """The example at a position of the run."""
    random = np.random.default_rng([settings.training.seed, position])
    numbers = clean.sets[int(random.integers(len(clean.sets)))]
    number = numbers[int(random.integers(len(numbers)))]
    wanted = _turned(_cut(clean, number, settings.data.crop_px, random), random)
    chosen = drawn_degradation(random, settings.degradation)
    worse = degraded(wanted, chosen, random)
    is_told = random.random() < settings.degradation.told_share
    return Example(worse, chosen.told if is_told else Told(chosen.scale), wanted)


def _cut(clean: CleanPhotographs, number: int, crop_px: int, random: np.random.Generator) -> Photograph:
    """A square whose middle lies in the field of view, moved into the picture where it would reach beyond."""
    photograph, cells = clean.photographs[number], clean.inside[number]
    middle = cells[random.integers(len(cells))] * _CELL_PX + random.integers(_CELL_PX, size=2)
    row, column = (
        int(np.clip(at - crop_px // 2, 0, side - crop_px)) for at, side in zip(middle, photograph.shape, strict=False)
    )
    return np.asarray(photograph[row : row + crop_px, column : column + crop_px])


def _turned(square: Photograph, random: np.random.Generator) -> Photograph:
    """One of the eight ways to lay a square down; no pixel is changed."""
    turned = np.rot90(square, int(random.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if random.random() < 0.5 else turned)
