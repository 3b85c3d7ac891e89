"""Did the generator copy somebody? Asked of the pictures it made, with real ones that it never saw for comparison.

1. Copies: does a generated picture show the retina of a training photograph (`copies`)? With the measured rate of false
   alarms, and a self-test that must find copies that were planted.
2. Nearness: do generated pictures lie nearer to training photographs than to held-out ones (`neighbours`), in pixels
   and, where they are given, in features?

No sign of copying is no proof of privacy: it means that these two looked, could have seen, and saw nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from retinasynth.checks import checked_seed
from retinasynth.data.find import photograph_of
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import Sketch, find_near_duplicates, sketch
from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics import copies, neighbours
from retinasynth.evaluation.metrics.copies import (
    PLANTED,
    Copy,
    FalseAlarms,
    Planted,
    copies_among,
    find_retinas,
    plant,
    views_of,
)
from retinasynth.evaluation.metrics.neighbours import (
    MIN_PEOPLE,
    PLANE_PX,
    Distances,
    closest_to_training,
    compare_sides,
    pixel_distances,
    plane_of,
)
from retinasynth.evaluation.metrics.privacy_verdict import Answer, Nearest, Space, verdict
from retinasynth.images import Photograph
from retinasynth.intervals import SEED
from retinasynth.parallel import THREADS
from retinasynth.progress import progress

CONVENTIONS = {**copies.CONVENTIONS, **neighbours.CONVENTIONS}


# --- What is given -----------------------------------------------------------------------------------------------


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


# --- What is answered --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Privacy:
    """What `examine_privacy` found.

    Attributes:
        answer: in few words. ``no copies found`` says less than ``no sign of copying``: nearness could not be told.
        verdict: plain sentences, the answer first.
        generated: names of the generated pictures.
        training: names of the training photographs.
        held_out: names of the held-out ones.
        spaces: by ``pixels`` and, where features were given, ``features``.
        copies: pairs that show one retina, those with vessels that were asked for included.
        false_alarms: how often the search for copies is wrong.
        planted: the self-test, by kind of copy.
    """

    answer: Answer
    verdict: list[str]
    generated: Sequence[str] = field(repr=False)
    training: Sequence[str] = field(repr=False)
    held_out: Sequence[str] = field(repr=False)
    spaces: Mapping[str, Space]
    copies: Sequence[Copy]
    false_alarms: FalseAlarms
    planted: Sequence[Planted]

    def to_json(self) -> dict[str, Any]:
        """Plain values, with names for indices."""
        return {
            "answer": self.answer,
            "verdict": self.verdict,
            "counts": {kind: len(getattr(self, kind)) for kind in ("generated", "training", "held_out")},
            "copies": [
                {
                    "generated": self.generated[copy.generated],
                    "training": self.training[copy.training],
                    "correlation": copy.correlation,
                    "texture": copy.texture,
                    "is_mirrored": copy.is_mirrored,
                    "is_asked_for": copy.is_asked_for,
                }
                for copy in self.copies
            ],
            "false_alarms": self.false_alarms.to_json(),
            "planted": [one.to_json() for one in self.planted],
            "spaces": {
                name: {
                    "comparison": space.comparison.to_json() if space.comparison else None,
                    "closest": space.closest.to_json() if space.closest else None,
                    "generated": list(self.generated),
                    "nearest_training": space.training.to_json(self.training),
                    "nearest_held_out": space.held_out.to_json(self.held_out) if space.held_out else None,
                }
                for name, space in self.spaces.items()
            },
            "conventions": CONVENTIONS,
        }


# --- The examination ---------------------------------------------------------------------------------------------


def examine_privacy(
    generated: Pictures, training: Pictures, held_out: Pictures, *, seed: int = SEED, quiet: bool = False
) -> Privacy:
    """Say whether generated pictures copy training photographs.

    Args:
        generated: as users get them.
        training: all photographs that the generator learnt from.
        held_out: real photographs of other people, from the same camera and clinic; without any, nearness cannot be
            told, with the search for copies remaining.
        seed: of all that is drawn.
        quiet: show no progress.

    Raises:
        DataError: there is nothing generated or trained on, or a person is trained on and held out.
        InputError: features are of several lengths, or a picture was made from an eye that is neither trained on nor
            held out.
        ImageError: a file cannot be read.
    """
    _refuse(generated, training, held_out)
    asked_for = _asked_for(generated, training, held_out)
    trained = _Looks.at("training", training, None, quiet=quiet)
    made = _Looks.at("generated", generated, trained.aspect, quiet=quiet)
    unseen = _Looks.at("held-out", held_out, trained.aspect, quiet=quiet)
    sketches = [views[0] for views in trained.sketches]
    with progress("Searching for copies", 3, quiet=quiet) as advance:
        found = copies_among(find_retinas(made.sketches, sketches), asked_for, training.people)
        advance(1, "how often it is wrong")
        alarms = _false_alarms(training, held_out, sketches, unseen.sketches)
        advance(2, "whether planted copies are found")
        chosen = _to_plant(training.people, np.random.default_rng(checked_seed(seed)))
        planted = plant(training.read, sketches, chosen, training.names, size=made.size, aspect=trained.aspect)
        advance(3, "")
    people = [*training.people, *held_out.people]
    distances = {"pixels": _pixel_distances(made, trained, unseen)}
    if generated.features is not None and training.features is not None and held_out.features is not None:
        distances["features"] = _feature_distances(generated.features, training.features, held_out.features)
    spaces = {
        name: _space(*both, people, len(training), left_out=asked_for, groups=generated.people, seed=seed)
        for name, both in distances.items()
    }
    answer, sentences = verdict(len(generated), _people_of(held_out), spaces, found, alarms, planted)
    return Privacy(answer, sentences, generated.names, training.names, held_out.names, spaces, found, alarms, planted)


def _refuse(generated: Pictures, training: Pictures, held_out: Pictures) -> None:
    if not (len(generated) and len(training)):
        raise DataError(
            f"{len(generated)} generated pictures and {len(training)} training photographs", expected="some of each"
        )
    both = sorted(set(training.people) & set(held_out.people))
    if both:
        raise DataError(
            f"{len(both)} people are trained on and held out: {', '.join(both[:5])}",
            expected="held-out photographs of people that the generator has not seen",
            do="Take them out of one side; where two sets merely use the same names for people, rename those of one",
        )
    given = [one.features.shape[1] for one in (generated, training, held_out) if one.features is not None]
    if len(set(given)) > 1:
        raise InputError(f"Features have the lengths {given}", expected="the same length for all pictures")


def _asked_for(generated: Pictures, training: Pictures, held_out: Pictures) -> list[str | None]:
    """The person whose labels each generated picture was made from."""
    person = dict(zip([*held_out.names, *training.names], [*held_out.people, *training.people], strict=True))
    made_from = generated.made_from or [None] * len(generated)
    unknown = [name for name in made_from if name is not None and name not in person]
    if unknown:
        raise InputError(
            f"{len(unknown)} pictures were made from eyes that are neither trained on nor held out, such as "
            f"{unknown[0]!r}",
            expected="the name of a training or held-out photograph, or None",
        )
    return [None if name is None else person[name] for name in made_from]


@dataclass(frozen=True)
class _Looks:
    """What is kept of the photographs of one kind.

    Attributes:
        sketches: one or two of each.
        planes: of all of these.
        owner: whose plane each is, ``int (planes,)``, rising.
        size: median height and width, in pixels.
    """

    sketches: list[tuple[Sketch, ...]]
    planes: NDArray[np.float32]
    owner: NDArray[np.intp]
    size: tuple[int, int]

    @property
    def aspect(self) -> float:
        """Usual width : height."""
        return self.size[1] / self.size[0]

    @classmethod
    def at(cls, name: str, pictures: Pictures, aspect: float | None, *, quiet: bool) -> "_Looks":
        def look(number: int) -> tuple[tuple[Sketch, ...], list[NDArray[np.float32]], tuple[int, ...]]:
            photograph = pictures.read(number)
            views = views_of(photograph, aspect)
            return tuple(map(sketch, views)), list(map(plane_of, views)), photograph.shape[:2]

        with progress(f"Reading {name} photographs", len(pictures), quiet=quiet) as advance:
            looks = []
            with ThreadPoolExecutor(THREADS) as pool:
                for done, one in enumerate(pool.map(look, range(len(pictures))), start=1):
                    looks.append(one)
                    advance(done, "")
        height, width = np.median([size for _, _, size in looks], axis=0) if looks else (1, 1)
        planes = [plane for _, of_one, _ in looks for plane in of_one]
        return cls(
            sketches=[sketches for sketches, _, _ in looks],
            planes=np.stack(planes) if planes else np.zeros((0, PLANE_PX, PLANE_PX), np.float32),
            owner=np.repeat(np.arange(len(looks)), [len(of_one) for _, of_one, _ in looks]),
            size=(round(height), round(width)),
        )


def _people_of(pictures: Pictures) -> int:
    return len(set(pictures.people))


# --- Copies ------------------------------------------------------------------------------------------------------


def _false_alarms(
    training: Pictures, held_out: Pictures, sketches: Sequence[Sketch], unseen: Sequence[Sequence[Sketch]]
) -> FalseAlarms:
    """The search on held-out photographs, and on training photographs against those of other people."""
    against_training = find_retinas(unseen, sketches)
    within = [
        one for one in find_near_duplicates(sketches) if training.people[one.first] != training.people[one.second]
    ]
    flagged = {held_out.people[one.first] for one in against_training}
    flagged |= {training.people[number] for one in within for number in (one.first, one.second)}
    pairs = [(held_out.names[one.first], training.names[one.second], one.correlation) for one in against_training]
    pairs += [(training.names[one.first], training.names[one.second], one.correlation) for one in within]
    return FalseAlarms.count(len(flagged), _people_of(training) + _people_of(held_out), pairs)


def _to_plant(people: Sequence[str], random: np.random.Generator) -> NDArray[np.intp]:
    """Photographs of different people, as many as there are up to `PLANTED`."""
    order = random.permutation(len(people))
    _, first = np.unique(np.asarray(people)[order], return_index=True)
    return np.sort(order[np.sort(first)[:PLANTED]])


# --- Nearness ----------------------------------------------------------------------------------------------------


def _pixel_distances(made: _Looks, trained: _Looks, unseen: _Looks) -> tuple[Distances, Distances]:
    """Of generated pictures to real ones, and among these; training photographs before held-out ones."""
    # A held-out photograph that was looked at twice counts as it is among the real ones.
    as_they_are = np.flatnonzero(np.diff(unseen.owner, prepend=-1))
    real = np.concatenate([trained.planes, unseen.planes[as_they_are]])
    of_views = pixel_distances(made.planes, real)
    first_view = np.flatnonzero(np.diff(made.owner, prepend=-1))
    return np.minimum.reduceat(of_views, first_view, axis=0), pixel_distances(real, real)


def _feature_distances(
    generated: NDArray[np.floating[Any]], training: NDArray[np.floating[Any]], held_out: NDArray[np.floating[Any]]
) -> tuple[Distances, Distances]:
    real = np.concatenate([training, held_out]).astype(np.float64)
    deviation = real.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)
    real, made = real / scale, generated / scale
    return cdist(made, real), cdist(real, real)


def _space(
    to_real: Distances,
    among_real: Distances,
    people: Sequence[str],
    trained: int,
    *,
    left_out: Sequence[str | None],
    groups: Sequence[str],
    seed: int,
) -> Space:
    """What the distances to `trained` training photographs and to the held-out ones after them say."""
    is_training = np.arange(len(people)) < trained
    comparison = None
    if min(len(set(people[:trained])), len(set(people[trained:]))) >= MIN_PEOPLE:
        comparison = compare_sides(
            to_real, among_real, people, is_training, left_out=left_out, groups=groups, seed=seed
        )
    return Space(
        training=_nearest(to_real[:, :trained]),
        held_out=_nearest(to_real[:, trained:]) if len(people) > trained else None,
        comparison=comparison,
        closest=closest_to_training(to_real[:, :trained], among_real[:, :trained], people, trained, left_out=left_out),
    )


def _nearest(distances: Distances) -> Nearest:
    return Nearest(distances.argmin(axis=1), distances.min(axis=1))


# --- In words ----------------------------------------------------------------------------------------------------
