"""What a segmenter learns from: the eyes of several data sets in frames of one size, and the examples cut from them.

Which example stands where in a step, how it is cut and how
it is varied follows from ``(seed, step, position)`` alone, so that a resumed run sees what the undisturbed one would.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from retinasynth.data.find import find_eyes
from retinasynth.data.frames import FramedEyes, load_frames
from retinasynth.data.grown import grown_eyes
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError
from retinasynth.files import LABELLING
from retinasynth.images import Mask
from retinasynth.parallel import in_order
from retinasynth.segmentation.photometric import as_another_camera
from retinasynth.segmentation.settings import AugmentationSettings, SegmentationData, SegmenterSettings

_MOST_GROWN_VALIDATION = 24
_WHOLE_SHARE = 0.3  # of the examples that show the whole field, where the disc is looked at more closely in others
_ELSEWHERE_SHARE = 0.2  # of the close looks that show another, bright place, which could pass for a disc
_BRIGHT_SHARE = 0.05  # of the field, so that its brightest part counts as bright
_POINT_REACH = {"disc": 0.6, "fovea": 3.0}  # standard deviation of a landmark in radii of its plane: .3 DD for both
_CELL_PX = 16  # in which brightness is told
_COVERED = 25  # of 255 from which a pixel of vessel counts as such, where nobody says which kind it is
_SHORTEST_SHARE, _LARGEST_SHARE = 0.3, 0.7  # of the disc in a close look


class Examples(NamedTuple):
    """A batch.

    Attributes:
        pictures: ``float32 (batch, 3, s, s)`` in [0, 1].
        fields: ``float32 (batch, 1, s, s)``: 1 inside the field of view.
        labels: ``float32 (batch, planes, s, s)``: how much of each pixel is covered.
        known: ``float32 (batch, planes)``: 1 where a label is known, 0 where its plane is absent.
        told: ``bool (batch, 1, s, s)``: False on vessels that nobody called arteries or veins (`untold`).
    """

    pictures: Tensor
    fields: Tensor
    labels: Tensor
    known: Tensor
    told: Tensor


@dataclass(frozen=True)
class Sources:
    """What a run learns from.

    Attributes:
        real: the training eyes of each data set.
        grown: the grown ones, or None.
        validation: eyes of people of whom none is learnt from; grown ones only for planes that no real one shows.
    """

    real: tuple[FramedEyes, ...]
    grown: FramedEyes | None
    validation: tuple[EyeFiles, ...]

    @property
    def fingerprint(self) -> str:
        """Of all that is learnt from."""
        sets = [*self.real, *([self.grown] if self.grown else [])]
        return hashlib.sha256("".join(one.fingerprint for one in sets).encode()).hexdigest()

    @property
    def eyes(self) -> int:
        """How many eyes are learnt from."""
        return sum(map(len, self.real)) + (len(self.grown) if self.grown else 0)


def load_sources(data: SegmentationData) -> Sources:
    """The eyes that a run learns from and those that fix its thresholds.

    Raises:
        DataError: there is nothing to learn from, or a set has no training eye with one of the planes.
        ImageError: a picture cannot be used.
    """
    real: list[FramedEyes] = []
    validation: list[EyeFiles] = []
    for folder in data.folders:
        usable = labelled(folder, data.planes, data.labels)
        own_validation = _showing(data.planes, find_eyes(Path(folder), labels=data.labels or None).split("val"))
        # What a segmenter labelled can be learnt from, but it proves nothing.
        is_proof = not (Path(folder) / LABELLING).is_file()
        is_split = bool(own_validation) or not is_proof
        held_out = validation_subjects(usable, 0 if is_split else data.validation_share)
        validation += own_validation if is_proof else []
        validation += [files for files in usable if files.subject in held_out]
        real.append(_frames([files for files in usable if files.subject not in held_out], data))
    grown = None
    if data.grown and data.grown_share:
        usable = grown_eyes(data.grown, data.field_px)
        unseen = [plane for plane in data.planes if not any(files.has([plane]) for files in validation)]
        held_out = validation_subjects(usable, data.validation_share) if unseen else set()
        held_back = [files.with_planes_alone(unseen) for files in usable if files.subject in held_out]
        validation += held_back[:: max(1, math.ceil(len(held_back) / _MOST_GROWN_VALIDATION))]
        grown = _frames([files for files in usable if files.subject not in held_out], data)
    if not real and grown is None:
        raise DataError(
            "There is nothing to learn from", expected="`data` with a set of labelled eyes, or data.grown above 0"
        )
    return Sources(tuple(real), grown, tuple(validation))


def _frames(files: Sequence[EyeFiles], data: SegmentationData) -> FramedEyes:
    return load_frames(files, data.field_px, (*data.planes, *beside(data.planes)))


def beside(planes: Sequence[str]) -> tuple[str, ...]:
    """The planes that are read beside those to be found: all vessels beside arteries and veins.

    Many label maps say of the wider vessels alone which they are.
    """
    return ("vessels",) if {"arteries", "veins"} <= set(planes) and "vessels" not in planes else ()


def untold(planes: Mapping[str, Mask]) -> Mask | None:
    """The vessels that are said to be neither arteries nor veins; None where not all three planes are there."""
    if not {"vessels", "arteries", "veins"} <= planes.keys():
        return None
    return planes["vessels"] & ~planes["arteries"] & ~planes["veins"]


def labelled(folder: str, planes: Sequence[str], labels: str = "") -> list[EyeFiles]:
    """The training eyes of a set that have a photograph and at least one of the planes.

    Raises:
        DataError: there is none.
    """
    found = find_eyes(Path(folder), labels=labels or None).split("train")
    usable = _showing(planes, found)
    if not usable:
        have = sorted({plane for files in found for plane in (*files.planes, *files.empty_planes)})
        raise DataError(
            f"{folder} has no training eye with a photograph and labels of {' or '.join(planes)} "
            f"(its {len(found)} training eyes have {', '.join(have) or 'no labels'})",
            expected="a mask file for each eye in a folder named after the plane",
        )
    return usable


def _showing(planes: Sequence[str], eyes: Sequence[EyeFiles]) -> list[EyeFiles]:
    return [files for files in eyes if files.photograph and any(files.has([plane]) for plane in planes)]


def validation_subjects(files: Sequence[EyeFiles], share: float) -> set[str]:
    """People held out of the training, at least one where any share is; chosen by a hash of their names.

    Raises:
        DataError: there is but one person, who cannot be on both sides.
    """
    people = sorted({one.subject for one in files}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if not share:
        return set()
    if len(people) < 2:
        raise DataError(
            f"All training eyes are of one person ({people[0]})",
            expected="at least two, so that one can fix the threshold",
            do="Set validation_share=0 to go without; the threshold is then one half",
        )
    return set(people[: min(max(1, round(share * len(people))), len(people) - 1)])


# --- Examples --------------------------------------------------------------------------------------------------------


def example_batches(sources: Sources, settings: SegmenterSettings, steps: range, process: int) -> Iterator[Examples]:
    """The batches of these steps for one process, made one step ahead in a thread."""
    size, processes = settings.training.batch_size, settings.training.devices

    def make(step: int) -> Examples:
        positions = range((step * processes + process) * size, (step * processes + process + 1) * size)
        return _stacked([example(sources, settings, at) for at in positions])

    yield from in_order(make, steps, threads=1)


class Example(NamedTuple):
    """One example of side s; `known` and `told` as those of `Examples`.

    Attributes:
        photograph: ``uint8 (s, s, 3)``.
        layers: ``uint8 (1 + planes, s, s)``: the field of view and the planes.
        known: ``bool (planes,)``.
        told: ``bool (s, s)``.
    """

    photograph: NDArray[np.uint8]
    layers: NDArray[np.uint8]
    known: NDArray[np.bool_]
    told: Mask


def example(sources: Sources, settings: SegmenterSettings, position: int) -> Example:
    """The example at a position of the whole training."""
    random = np.random.default_rng([settings.training.seed, position])
    eyes = _drawn_source(sources, settings.data, random)
    number = int(random.integers(len(eyes)))
    photograph, layers = np.asarray(eyes.photographs[number]), eyes.layers[number]
    cut = draw_cut(random, settings, photograph, layers)
    photograph = cut(photograph)
    varied = as_another_camera(photograph, random, settings.augmentation.photometric)
    planes = settings.data.planes
    if settings.data.looks == "whole":
        layers = np.stack([layers[0], *map(as_point, layers[1:], (_POINT_REACH[plane] for plane in planes))])
    cut_layers, count = np.stack([cut(np.asarray(layer)) for layer in layers]), len(planes)
    masks = dict(zip((*planes, *beside(planes)), cut_layers[1:] > _COVERED, strict=True))
    unknown = untold(masks) if eyes.known[number].all() else None
    told = np.ones(cut_layers.shape[1:], np.bool_) if unknown is None else ~unknown
    return Example(varied, cut_layers[: 1 + count], eyes.known[number][:count], told)


def as_point(plane: NDArray[np.uint8], reach: float) -> NDArray[np.uint8]:
    """A plane as a soft spot about its middle, of so many of its radii; an empty plane stays empty.

    Args:
        plane: ``uint8 (s, s)``, 255 where a pixel is covered.
        reach: standard deviation of the Gaussian in radii of a circle of the area of the plane.
    """
    area = float(plane.sum()) / 255
    if area < 1:
        return np.zeros_like(plane)
    row, column = ndimage.center_of_mass(plane)
    rows, columns = np.ogrid[: plane.shape[0], : plane.shape[1]]
    spread = reach**2 * area / math.pi
    spot = 255 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * spread))
    return np.asarray(np.rint(spot), np.uint8)


def _drawn_source(sources: Sources, data: SegmentationData, random: np.random.Generator) -> FramedEyes:
    is_grown = random.random() < data.grown_share
    if sources.grown is not None and (is_grown or not sources.real):
        return sources.grown
    return sources.real[int(random.integers(len(sources.real)))]


@dataclass(frozen=True)
class Cut:
    """What part of a frame an example shows, and how it is turned.

    Attributes:
        size_px: height and width of the example.
        matrix: ``float (2, 3)``: takes pixels (x, y, 1) of the example to pixels (x, y) of the frame.
    """

    size_px: int
    matrix: NDArray[np.float64]

    def __call__(self, layer: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of a layer ``uint8 (s, s)`` or ``(s, s, 3)``; reducing averages, black lies beyond the frame."""
        matrix = self.matrix.copy()
        scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
        picture = Image.fromarray(layer)
        factor = max(1, math.floor(scale + 0.25))
        if factor > 1:
            picture = picture.reduce(factor)
            matrix /= factor
        flat = (float(value) for value in matrix.ravel())
        shape = (self.size_px, self.size_px)
        return np.asarray(
            picture.transform(shape, Image.Transform.AFFINE, tuple(flat), resample=Image.Resampling.BILINEAR)
        )


def draw_cut(
    random: np.random.Generator, settings: SegmenterSettings, photograph: NDArray[np.uint8], layers: NDArray[np.uint8]
) -> Cut:
    """Draw where an example is cut: a window inside the field, or one of the looks at the whole field and from near.

    Args:
        random: decides.
        settings: looks and geometric augmentation.
        photograph: ``uint8 (s, s, 3)`` of the eye.
        layers: ``uint8 (1 + planes, s, s)`` of the eye.
    """
    data, varied = settings.data, settings.augmentation
    if data.looks == "windows":
        inside = np.argwhere(layers[0, ::16, ::16] > 127)
        row, column = inside[random.integers(len(inside))] * 16 + random.uniform(0, 16, 2)
        scale = 1.0
    elif data.looks == "whole":
        row, column, scale = _whole(random, data.crop_px, len(photograph))
    else:
        disc = layers[1 + data.planes.index("disc")]
        row, column, scale = _look(random, photograph, layers[0], disc, data.crop_px)
    scale *= float(np.exp(random.uniform(-1, 1) * math.log(varied.zoom)))
    return Cut(data.crop_px, _matrix(random, varied, data.crop_px, (column, row), scale))


def _look(
    random: np.random.Generator,
    photograph: NDArray[np.uint8],
    field: NDArray[np.uint8],
    disc: NDArray[np.uint8],
    crop_px: int,
) -> tuple[float, float, float]:
    """Row and column of the middle and pixels of the frame for each of the example."""
    rows, columns = np.nonzero(disc > 127)
    size = len(disc)
    if len(rows) == 0 or random.random() < _WHOLE_SHARE:
        return _whole(random, crop_px, size)
    diameter = 2 * math.sqrt(len(rows) / math.pi)
    side = diameter / random.uniform(_SHORTEST_SHARE, _LARGEST_SHARE)
    middle = (rows.mean(), columns.mean())
    if random.random() < _ELSEWHERE_SHARE:
        middle = _bright_place(random, photograph, (field > 127) & (disc < 128)) or middle
    row, column = middle + random.uniform(-0.2, 0.2, 2) * side
    return float(row), float(column), side / crop_px


def _whole(random: np.random.Generator, crop_px: int, size: int) -> tuple[float, float, float]:
    """As `_look`, at the whole field."""
    row, column = size / 2 + random.uniform(-0.05, 0.05, 2) * size
    return float(row), float(column), size / crop_px


def _bright_place(
    random: np.random.Generator, photograph: NDArray[np.uint8], where: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """One of the brightest places of a part of a photograph, such as exudates; None where the part has no cell."""
    cells = len(where) // _CELL_PX
    grid = (cells, _CELL_PX, cells, _CELL_PX)
    side = cells * _CELL_PX
    inside = where[:side, :side].reshape(grid).all(axis=(1, 3))
    if not inside.any():
        return None
    green = photograph[:side, :side, 1].reshape(grid).mean(axis=(1, 3))
    bright = np.argwhere(inside & (green >= np.quantile(green[inside], 1 - _BRIGHT_SHARE)))
    row, column = (bright[random.integers(len(bright))] + 0.5) * _CELL_PX
    return float(row), float(column)


def _matrix(
    random: np.random.Generator,
    varied: AugmentationSettings,
    crop_px: int,
    centre: tuple[float, float],
    scale: float,
) -> NDArray[np.float64]:
    angle = math.radians(random.uniform(-varied.rotation_deg, varied.rotation_deg))
    longer = math.exp(random.uniform(-1, 1) * math.log1p(varied.stretch) / 2)
    mirrored = np.where(varied.flip & (random.random(2) < 0.5), -1.0, 1.0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag(mirrored * (longer, 1 / longer)) * scale
    middle = (crop_px / 2, crop_px / 2)
    return np.column_stack([linear, np.array(centre) - linear @ middle])


def _stacked(examples: Sequence[Example]) -> Examples:
    pictures = np.stack([one.photograph.transpose(2, 0, 1) for one in examples])
    layers = np.stack([one.layers for one in examples])
    shares = torch.from_numpy(layers.astype(np.float32) / np.float32(255))
    return Examples(
        torch.from_numpy(pictures.astype(np.float32) / np.float32(255)),
        (shares[:, :1] > 0.5).float(),
        shares[:, 1:].contiguous(),
        torch.from_numpy(np.stack([one.known for one in examples]).astype(np.float32)),
        torch.from_numpy(np.stack([one.told for one in examples])[:, None]),
    )
