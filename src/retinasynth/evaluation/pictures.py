"""Photographs of one kind, generated or real, as measures of whole sets are given them."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retinasynth.data.find import photograph_of
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import Sketch, sketch
from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics.distances import PLANE_PX, plane_of
from retinasynth.images import Photograph, resize_photograph
from retinasynth.parallel import THREADS
from retinasynth.progress import progress

SAME_SHAPE = 0.1  # pictures whose width : height differs by less are compared as they are


@dataclass(frozen=True)
class Pictures:
    """Photographs of one kind: generated, trained on, or held out.

    Attributes:
        names: one for each.
        people: whose eye each shows; of generated ones the eye whose labels it was made from.
        read: the photograph of an index, ``uint8 (height, width, 3)`` of any size; called once or twice for each, in
            threads. For photographs in a list or array it is their ``__getitem__``.
        features: ``float (n, d)``, of the same network for all three kinds, or None.
        made_from: of generated ones, the name of the training or held-out photograph whose labels each was made from,
            None for a grown eye; or None for all.

    Raises:
        InputError: there is not one of each for every picture, a name stands twice, or a feature is not finite.
    """

    names: Sequence[str]
    people: Sequence[str]
    read: Callable[[int], Photograph] = field(repr=False)
    features: NDArray[np.floating[Any]] | None = field(default=None, repr=False)
    made_from: Sequence[str | None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        counts = {len(self.names), len(self.people)}
        counts |= {len(self.names if given is None else given) for given in (self.features, self.made_from)}
        if len(counts) > 1:
            raise InputError(
                f"{len(self.names)} names, {len(self.people)} people, "
                f"{'no' if self.features is None else len(self.features)} features and "
                f"{'no' if self.made_from is None else len(self.made_from)} eyes they were made from",
                expected="one of each for every picture",
            )
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if list(self.names).count(name) > 1)
            raise InputError(f"Two pictures are called {twice!r}", expected="one name for each")
        if self.features is not None and not (self.features.ndim == 2 and np.isfinite(self.features).all()):
            raise InputError(
                f"Features of shape {self.features.shape}, not all finite", expected="finite figures (pictures, length)"
            )

    def __len__(self) -> int:
        """How many."""
        return len(self.names)

    @property
    def subjects(self) -> int:
        """How many people they are of."""
        return len(set(self.people))

    @classmethod
    def of_files(cls, files: Sequence[EyeFiles], features: NDArray[np.floating[Any]] | None = None) -> "Pictures":
        """The photographs of a data set, read one at a time.

        Raises:
            DataError: an eye has no photograph.
        """
        lacking = next((one.name for one in files if one.photograph is None), None)
        if lacking is not None:
            raise DataError(f"{lacking} has no photograph", expected="a photograph of every eye")
        return cls(
            [one.name for one in files],
            [one.subject for one in files],
            lambda number: photograph_of(files[number]),
            features,
        )


def views_of(photograph: Photograph, aspect: float | None) -> tuple[Photograph, ...]:
    """A photograph as it is and, where its shape is another, as if it had been squeezed from the usual one.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        aspect: usual width : height of training photographs, or None to look at it as it is alone.
    """
    height, width = photograph.shape[:2]
    if aspect is None or not is_other_shape(aspect, width / height):
        return (photograph,)
    return photograph, resize_photograph(photograph, (height, max(16, round(aspect * height))))


def is_other_shape(first: float, second: float) -> bool:
    """Whether two ratios of width to height differ by more than `SAME_SHAPE`."""
    return abs(math.log(first / second)) > math.log(1 + SAME_SHAPE)


@dataclass(frozen=True)
class Digests:
    """Photographs of one kind as the searches for copies and for neighbours compare them, each read once.

    Attributes:
        pictures: what was read.
        sketches: one or two of each (`views_of`).
        planes: of all of these.
        owner: whose plane each is, ``int (planes,)``, rising.
        size: median height and width, in pixels.
    """

    pictures: Pictures
    sketches: list[tuple[Sketch, ...]]
    planes: NDArray[np.float32]
    owner: NDArray[np.intp]
    size: tuple[int, int]

    @property
    def aspect(self) -> float:
        """Usual width : height."""
        return self.size[1] / self.size[0]

    @classmethod
    def of(cls, kind: str, pictures: Pictures, aspect: float | None, *, quiet: bool = False) -> "Digests":
        """Read photographs, several at a time.

        Args:
            kind: what they are, as said while they are read.
            pictures: to read.
            aspect: usual width : height of training photographs, or None for these themselves.
            quiet: show no progress.

        Raises:
            ImageError: a file cannot be read.
        """

        def digest(number: int) -> tuple[tuple[Sketch, ...], list[NDArray[np.float32]], tuple[int, ...]]:
            photograph = pictures.read(number)
            views = views_of(photograph, aspect)
            return tuple(map(sketch, views)), list(map(plane_of, views)), photograph.shape[:2]

        with progress(f"Reading {kind} photographs", len(pictures), quiet=quiet) as advance:
            digests = []
            with ThreadPoolExecutor(THREADS) as pool:
                for done, one in enumerate(pool.map(digest, range(len(pictures))), start=1):
                    digests.append(one)
                    advance(done, "")
        height, width = np.median([size for _, _, size in digests], axis=0) if digests else (1, 1)
        planes = [plane for _, of_one, _ in digests for plane in of_one]
        return cls(
            pictures=pictures,
            sketches=[sketches for sketches, _, _ in digests],
            planes=np.stack(planes) if planes else np.zeros((0, PLANE_PX, PLANE_PX), np.float32),
            owner=np.repeat(np.arange(len(digests)), [len(of_one) for _, of_one, _ in digests]),
            size=(round(height), round(width)),
        )
