"""What a generator that follows a style learns from: label maps and photographs in frames, and the style of each.

A plane that an eye does not have is shown as unknown; now and then a known one is hidden, so that the generator can do
without it. Which eyes a step sees, and how varied, follows from ``(seed, epoch, position)`` alone, as in `pairs`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retinasynth.cache import fill_once
from retinasynth.data.augmentation import draw_transform
from retinasynth.data.batches import steps_per_epoch
from retinasynth.data.find import find_eyes
from retinasynth.data.frames import FramedEyes, load_frames
from retinasynth.data.grades import REFERABLE, hides_lesions
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError
from retinasynth.eye.eye import LESIONS
from retinasynth.eye.frame import faces_left
from retinasynth.eye.style import NUMBERS, TERMS, Style, fit_field
from retinasynth.files import cache_folder
from retinasynth.images import signed_from_photograph
from retinasynth.styled.cup_augmentation import with_other_cup
from retinasynth.styled.encode import ALONE, KINDS, signed_layers
from retinasynth.styled.lesion_copy_paste import with_lent_lesions
from retinasynth.styled.settings import Settings

STYLE_FORMAT = 2  # of what is measured and how: another finds nothing of it in the cache
FEWEST_CLEAR = 20  # eyes without hidden lesions that are enough to learn from
FEWEST_WELL = 20  # eyes that tell what is usual
_USUAL = 0.98  # of eyes without lesions have less texture
_ONLY_VESSELS_SHARE = 0.5  # of the examples in which planes are hidden; in the rest, each is or is not


class StyledBatch(NamedTuple):
    """A batch.

    Attributes:
        labels: ``float32 (batch, 1 + planes, s, s)``: the field of view and the planes; -1 outside, 1 inside, 0
            unknown.
        photographs: ``float32 (batch, 3, s, s)``, signed, black outside the field of view.
        styles: ``float32 (batch, NUMBERS)``, of these photographs.
    """

    labels: Tensor
    photographs: Tensor
    styles: Tensor


@dataclass(frozen=True)
class StyledEyes(FramedEyes):
    """The decoded eyes of one split, with what their labels cannot tell.

    Attributes:
        styles: ``float32 (n, NUMBERS)``, of the photographs.
        lesions: places of the lesion planes among the planes.
        is_ill: ``bool (n,)``: known to have some lesion.
        is_well: ``bool (n,)``: known to have none of them.
    """

    styles: NDArray[np.float32]
    lesions: tuple[int, ...]
    is_ill: NDArray[np.bool_]
    is_well: NDArray[np.bool_]


def load_styled(files: Sequence[EyeFiles], size_px: int, planes: Sequence[str]) -> StyledEyes:
    """Decode eyes into frames and measure their styles, or take both from the cache.

    Args:
        files: of eyes with a photograph; planes may be missing.
        size_px: height and width of the frames.
        planes: which label planes, in which order.

    Raises:
        DataError: an eye has no photograph.
        ImageError: a picture cannot be used.
    """
    frames = load_frames(files, size_px, planes)

    def measure(folder: Path) -> None:
        pictures = zip(frames.photographs, frames.layers, strict=True)
        np.save(folder / "styles.npy", np.stack([Style.of(picture, layers[0]).numbers for picture, layers in pictures]))

    key = hashlib.sha256(f"{frames.fingerprint} {STYLE_FORMAT} {NUMBERS}".encode()).hexdigest()[:24]
    styles = np.load(fill_once(cache_folder() / "styles" / key, measure) / "styles.npy", allow_pickle=False)
    lesions = tuple(number for number, plane in enumerate(planes) if plane in LESIONS)
    there = np.array([(layers[[1 + place for place in lesions]] > 127).any() for layers in frames.layers], np.bool_)
    is_told = frames.known[:, lesions].all(axis=1) if lesions else np.zeros(len(frames), np.bool_)
    return StyledEyes(**vars(frames), styles=styles, lesions=lesions, is_ill=is_told & there, is_well=is_told & ~there)


def usual_styles(eyes: StyledEyes, planes: Sequence[str]) -> NDArray[np.float32]:
    """The styles that new ones are drawn from, ``float32 (styles, NUMBERS)``, with the disc on the right.

    Those of the photographs, without eyes that are known to be ill where enough others are left: blood and exudates
    colour the field and add texture that a camera does not, and would appear in eyes without lesions.
    """
    styles = usual_texture(facing_right(eyes, planes), eyes.is_well)
    is_referable = np.array([files.grade is not None and files.grade >= REFERABLE for files in eyes.files])
    others = ~(eyes.is_ill | is_referable)
    return styles[others] if others.sum() >= FEWEST_WELL else styles


def facing_right(eyes: StyledEyes, planes: Sequence[str]) -> NDArray[np.float32]:
    """The styles of eyes, each turned over so that its disc, where it is known, lies on the right."""
    if "disc" not in planes:
        return eyes.styles
    place = planes.index("disc")
    return np.stack(
        [
            Style(numbers).mirrored().numbers if known[place] and faces_left(layers[1 + place]) else numbers
            for numbers, known, layers in zip(eyes.styles, eyes.known, eyes.layers, strict=True)
        ]
    )


def usual_texture(styles: NDArray[np.float32], is_well: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Styles with no more texture than eyes without lesions have: beyond, it is the lesions', not the camera's.

    Args:
        styles: ``float32 (n, NUMBERS)``.
        is_well: ``bool (n,)``; of fewer than `FEWEST_WELL` nothing is told, and all stay as they are.
    """
    if is_well.sum() < FEWEST_WELL:
        return styles
    most = np.full(styles.shape[1], np.inf, np.float32)
    most[3 * TERMS :] = np.quantile(styles[is_well, 3 * TERMS :], _USUAL, axis=0)
    return np.minimum(styles, most)


def example(
    eyes: StyledEyes, index: int, settings: Settings, epoch: int, position: int
) -> tuple[Tensor, Tensor, Tensor]:
    """One example of `StyledBatch`: turned over and turned, planes hidden, another cup, lesions lent, as drawn."""
    random = np.random.default_rng([settings.training.seed, epoch, position])
    transform = draw_transform(random, flip=settings.data.flip, rotation_deg=settings.data.rotation_deg)
    layers = transform(eyes.layers[index].transpose(1, 2, 0))
    photograph = transform(eyes.photographs[index])
    known = eyes.known[index] & ~hidden(random, settings)
    photograph, layers = _with_some_cup(photograph, layers, known, settings, random)
    photograph, layers = _with_some_lesions(eyes, photograph, layers, known, settings, random)
    texture = eyes.styles[index, 3 * TERMS :]
    style = Style(np.concatenate([fit_field(photograph, layers[..., 0]).ravel(), texture]))
    return signed_example(layers, known, photograph, style, settings.data.planes)


def _with_some_cup(
    photograph: NDArray[np.uint8],
    layers: NDArray[np.uint8],
    known: NDArray[np.bool_],
    settings: Settings,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Now and then another cup, in an eye that shows its disc and cup: a hidden cup is to be drawn as it usually is."""
    planes = settings.data.planes
    is_chosen = random.random() < settings.data.cup_variation
    if not is_chosen or not {"disc", "cup"} <= {name for name, is_known in zip(planes, known, strict=True) if is_known}:
        return photograph, layers
    return with_other_cup(photograph, layers, 1 + planes.index("disc"), 1 + planes.index("cup"), random)


def _with_some_lesions(
    eyes: StyledEyes,
    photograph: NDArray[np.uint8],
    layers: NDArray[np.uint8],
    known: NDArray[np.bool_],
    settings: Settings,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Now and then the lesions of another eye, where it is shown whether there are any."""
    lenders, planes = np.flatnonzero(eyes.is_ill), settings.data.planes
    if random.random() >= settings.data.lesion_lending or not len(lenders) or not known[list(eyes.lesions)].all():
        return photograph, layers
    lender = int(random.choice(lenders))
    lent, its_layers = eyes.photographs[lender], eyes.layers[lender].transpose(1, 2, 0)
    if random.random() < 0.5:
        lent, its_layers = lent[:, ::-1], its_layers[:, ::-1]
    places = [1 + place for place in eyes.lesions]
    disc = 1 + planes.index("disc") if "disc" in planes and known[planes.index("disc")] else None
    return with_lent_lesions(photograph, layers, lent, its_layers, lesions=places, disc=disc)


def hidden(random: np.random.Generator, settings: Settings) -> NDArray[np.bool_]:
    """Which planes an example does without: mostly none, now and then all but the vessels, or about half of them.

    Arteries and veins are hidden together, as they are told.
    """
    planes = settings.data.planes
    if random.random() >= settings.data.plane_dropout:
        return np.zeros(len(planes), np.bool_)
    chance = 1.0 if random.random() < _ONLY_VESSELS_SHARE else 0.5
    drawn: dict[str, bool] = {plane: random.random() < chance and plane != ALONE for plane in planes}
    if set(KINDS) <= drawn.keys():
        drawn[KINDS[1]] = drawn[KINDS[0]]
    return np.array(list(drawn.values()))


def signed_example(
    layers: NDArray[np.uint8],
    known: NDArray[np.bool_],
    photograph: NDArray[np.uint8],
    style: Style,
    planes: Sequence[str],
) -> tuple[Tensor, Tensor, Tensor]:
    """Layers ``uint8 (s, s, 1 + planes)`` with a photograph, as tensors of `StyledBatch`."""
    field = layers[..., :1].astype(np.float32) / np.float32(255)
    inside = photograph * field
    return (
        torch.from_numpy(signed_layers(layers, known, planes)),
        torch.from_numpy(signed_from_photograph(inside)),
        torch.from_numpy(style.numbers),
    )


@dataclass(frozen=True)
class TrainingEyes:
    """What a run learns from, and the eyes its samples are taken of: for validation, else for the test, if any."""

    train: StyledEyes
    test: StyledEyes | None

    @property
    def fingerprint(self) -> str:
        """Of what is learnt from."""
        return self.train.fingerprint


def load_training_eyes(settings: Settings) -> TrainingEyes:
    """The training eyes that have a photograph and vessels and, where there are any, unseen ones.

    Where lesions are told apart, training eyes that are graded as ill and whose lesions nobody labelled are left out if
    enough others remain: a generator would learn these as the texture of a style, and draw them where none should be.

    Raises:
        DataError: there is no training eye.
        SettingError: there are fewer than one step takes.
    """
    chosen = settings.data
    found = find_eyes(Path(chosen.folder), labels=chosen.labels or None)
    lesions = [plane for plane in chosen.planes if plane in LESIONS]
    splits = []
    for split, side in (("train", found.split("train")), ("unseen", found.split("val") or found.split("test"))):
        files = [one for one in side if one.photograph and one.has(["vessels"])]
        clear = [one for one in files if not (lesions and hides_lesions(one, lesions))]
        if split == "train" and len(clear) >= FEWEST_CLEAR:
            files = clear
        splits.append(load_styled(files, chosen.size_px, chosen.planes) if files else None)
    training, test = splits
    if training is None:
        raise DataError(
            f"{chosen.folder} has no training eye with a photograph and its vessels", expected="at least one"
        )
    steps_per_epoch(training, settings.training)
    return TrainingEyes(training, test)
