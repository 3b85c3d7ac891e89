"""Sets of photographs as numbers: their features and appearances, with real ones brought to the shape of generated."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from retinasynth.errors import ImageError
from retinasynth.evaluation.metrics.appearance import Appearance, appearance
from retinasynth.evaluation.metrics.features import Features, Row
from retinasynth.evaluation.metrics.vessels_found import one_thread_each
from retinasynth.evaluation.pictures import Pictures
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.images import Photograph, resize_photograph
from retinasynth.parallel import in_order
from retinasynth.progress import progress

_LOOKED_AT_FOR_SHAPE = 15  # photographs of each side

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Described:
    """Photographs as numbers: of each that shows something, its features and its appearance.

    Attributes:
        people: whose eye each shows.
        rows: by the name of the features, ``float32 (n, d)``.
        appearances: of each.
        lost: names of those that are black or of one colour.
    """

    people: Sequence[str]
    rows: Mapping[str, Row]
    appearances: Sequence[Appearance]
    lost: Sequence[str]

    @property
    def lost_sentences(self) -> list[str]:
        """Whether photographs were left out, in words."""
        if not self.lost:
            return []
        return [
            f"{len(self.lost)} photographs are black or of one colour and were left out, for example {self.lost[0]}."
        ]


def seen_in_each(
    what: str, pictures: Pictures, like: "Shape | None", look: Callable[[Photograph], Seen]
) -> list[Seen | None]:
    """What is seen in each photograph, brought to about a size; None of one that is black or of one colour."""

    def seen(number: int) -> Seen | None:
        photograph = pictures.read(number)
        try:
            return look(photograph if like is None else like.given(photograph))
        except ImageError:
            return None

    found = []
    with progress(f"Looking at {what} photographs", len(pictures)) as advance, one_thread_each() as begin:
        for done, one in enumerate(in_order(seen, range(len(pictures)), begin=begin), start=1):
            found.append(one)
            advance(done, pictures.names[done - 1])
    return found


def described_set(what: str, pictures: Pictures, networks: Sequence[Features], like: "Shape | None") -> Described:
    """Photographs as numbers, brought to about one size before.

    Args:
        what: they are, as said meanwhile.
        pictures: to describe.
        networks: that give features.
        like: what they are brought to, or None to leave them as they are.
    """

    def describe(photograph: Photograph) -> tuple[list[Row], Appearance]:
        field = find_field_of_view(photograph)
        return [network(photograph, field) for network in networks], appearance(photograph, field)

    looked = seen_in_each(what, pictures, like, describe)
    seen = [one for one in looked if one is not None]
    return Described(
        people=[person for person, one in zip(pictures.people, looked, strict=True) if one is not None],
        rows={
            network.name: np.stack([rows[place] for rows, _ in seen]) if seen else np.zeros((0, 1), np.float32)
            for place, network in enumerate(networks)
        },
        appearances=[one for _, one in seen],
        lost=[name for name, one in zip(pictures.names, looked, strict=True) if one is None],
    )


class Shape(NamedTuple):
    """How real photographs become comparable with generated ones.

    Attributes:
        size: of the generated ones, height and width.
        side: of the square around their field of view, in pixels; None where real ones stretched to that size have the
            shape of the generated ones.
    """

    size: tuple[int, int]
    side: float | None

    @classmethod
    def of(cls, generated: Pictures, real: Pictures) -> "Shape":
        """The shape of a set, told from a few of both by how wide their fields of view are for their height."""
        height, width = generated.read(0).shape[:2]
        ours, theirs = (_fields(pictures) for pictures in (generated, real))
        if not ours or not theirs:
            return cls((height, width), None)
        wanted = np.median([box.wide / box.high for box in ours])
        plain = np.median([box.wide / box.high for box in theirs])
        stretched = np.median(
            [box.wide / box.high * box.picture[0] / box.picture[1] * width / height for box in theirs]
        )
        is_stretched = abs(np.log(stretched / wanted)) <= abs(np.log(plain / wanted))
        return cls((height, width), None if is_stretched else float(np.median([box.side for box in ours])))

    def given(self, photograph: Photograph) -> Photograph:
        """A real photograph at this resolution, and in this shape."""
        if self.side is None:
            return resize_photograph(photograph, self.size)
        scale = self.side / _field(photograph).side
        height, width = photograph.shape[:2]
        return resize_photograph(photograph, (max(1, round(height * scale)), max(1, round(width * scale))))


class _Box(NamedTuple):
    """The box around a field of view, in pixels, and the size of its picture."""

    high: int
    wide: int
    picture: tuple[int, int]

    @property
    def side(self) -> int:
        return max(self.high, self.wide)


def _field(photograph: Photograph) -> _Box:
    field = find_field_of_view(photograph)
    high, wide = int(field.any(axis=1).sum()), int(field.any(axis=0).sum())
    return _Box(high, wide, (photograph.shape[0], photograph.shape[1]))


def _fields(pictures: Pictures) -> list[_Box]:
    """Of a few photographs, those that show something."""
    boxes = []
    for number in range(0, len(pictures), max(1, len(pictures) // _LOOKED_AT_FOR_SHAPE)):
        with contextlib.suppress(ImageError):
            boxes.append(_field(pictures.read(number)))
    return boxes
