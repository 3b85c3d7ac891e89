"""Copies of training photographs among generated pictures, how often the search cries wolf, and whether it can see.

The search is that for near-duplicates (`retinasynth.data.near_duplicates`). What it is worth is measured each time: on
real photographs that are nobody's copies, and on copies that are planted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, stats

from retinasynth.checks import checked_seed
from retinasynth.data.near_duplicates import (
    MIN_CORRELATION,
    MIN_TEXTURE,
    NearDuplicates,
    Sketch,
    find_near_duplicates,
    find_near_duplicates_between,
    sketch,
)
from retinasynth.evaluation.pictures import Digests, is_other_shape, views_of
from retinasynth.images import Photograph, resize_photograph, through_jpeg
from retinasynth.intervals import LEVEL, SEED
from retinasynth.progress import progress

PLANTED = 12  # training photographs of as many people

CONVENTIONS = {
    "copy": "a generated picture and a training photograph whose vessels one map (turn, scale, squeeze, mirror) takes "
    f"onto one another, so that they correlate by {MIN_CORRELATION} or more",
    "vessels_as_asked_for": "a picture made from the vessels of a training eye shows them by construction; it counts "
    f"as a copy of that eye only if what lies between the vessels correlates by {MIN_TEXTURE} or more too",
    "false_alarms": "the same search on photographs that are no copies, of which some may show a retina twice: "
    f"held-out and training photographs against training photographs of other people; with the {LEVEL:.0%} upper bound "
    "(Clopper and Pearson 1934) of the share of people for whom it cries wolf",
    "planted": f"up to {PLANTED} training photographs, altered and hidden among the generated ones; all must be found",
}


@dataclass(frozen=True)
class Copy:
    """A generated picture that shows the retina of a training photograph.

    Attributes:
        generated: index.
        training: index.
        correlation: of the vessels, at most 1.
        texture: of what lies between them.
        is_mirrored: one is a mirror image of the other.
        is_asked_for: it was made from the vessels of that person, and shows nothing else of them.
    """

    generated: int
    training: int
    correlation: float
    texture: float
    is_mirrored: bool
    is_asked_for: bool


@dataclass(frozen=True)
class FalseAlarms:
    """How often photographs are flagged that are no copies.

    Attributes:
        people: of whom a photograph was flagged.
        of: how many people were looked at.
        upper: 95 % upper bound of the share.
        pairs: names of the photographs and the correlation of their vessels; look at them, they may show one retina
            under two names.
    """

    people: int
    of: int
    upper: float
    pairs: tuple[tuple[str, str, float], ...] = ()

    @classmethod
    def count(cls, people: int, of: int, pairs: Iterable[tuple[str, str, float]] = ()) -> "FalseAlarms":
        """With the bound that belongs to the count.

        Source:
            C. Clopper and E. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
            binomial", Biometrika 1934; one-sided.

        Example:
            >>> round(FalseAlarms.count(0, 100).upper, 4)  # 1 - 0.05 ** (1 / 100)
            0.0295
        """
        upper = 1.0 if people >= of else float(stats.beta.ppf(LEVEL, people + 1, of - people))
        return cls(people, of, upper, tuple(pairs))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"people": self.people, "of": self.of, "upper": self.upper, "pairs": [list(pair) for pair in self.pairs]}


@dataclass(frozen=True)
class Planted:
    """Copies of one kind that were planted.

    Attributes:
        kind: what was done to them.
        of: how many there were.
        missed: names of the photographs whose copies were not found.
    """

    kind: str
    of: int
    missed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"kind": self.kind, "found": self.of - len(self.missed), "of": self.of, "missed": list(self.missed)}


@dataclass(frozen=True)
class Copies:
    """What the search for copies found, and what that is worth.

    Attributes:
        found: pairs that show one retina, those with vessels that were asked for included.
        false_alarms: how often the search is wrong.
        planted: the self-test, by kind of copy.
    """

    found: Sequence[Copy]
    false_alarms: FalseAlarms
    planted: Sequence[Planted]


def measure(
    generated: Digests,
    training: Digests,
    held_out: Digests,
    asked_for: Sequence[str | None],
    *,
    seed: int = SEED,
    quiet: bool = False,
) -> Copies:
    """Search generated pictures for retinas of training photographs.

    Args:
        generated: as users get them.
        training: all photographs that the generator learnt from.
        held_out: of other people; none, or some for false alarms.
        asked_for: for each generated picture the person whose vessels it was made from, or None.
        seed: of the choice of what is planted.
        quiet: show no progress.
    """
    real = training.pictures
    sketches = [views[0] for views in training.sketches]
    with progress("Searching for copies", 3, quiet=quiet) as advance:
        found = copies_among(find_retinas(generated.sketches, sketches), asked_for, real.people)
        advance(1, "how often it is wrong")
        alarms = _false_alarms(training, held_out, sketches)
        advance(2, "whether planted copies are found")
        chosen = _to_plant(real.people, np.random.default_rng(checked_seed(seed)))
        planted = plant(real.read, sketches, chosen, real.names, size=generated.size, aspect=training.aspect)
        advance(3, "")
    return Copies(found, alarms, planted)


def _false_alarms(trained: Digests, unseen: Digests, sketches: Sequence[Sketch]) -> FalseAlarms:
    """The search on held-out photographs, and on training photographs against those of other people."""
    training, held_out = trained.pictures, unseen.pictures
    against_training = find_retinas(unseen.sketches, sketches)
    within = [
        one for one in find_near_duplicates(sketches) if training.people[one.first] != training.people[one.second]
    ]
    flagged = {held_out.people[one.first] for one in against_training}
    flagged |= {training.people[number] for one in within for number in (one.first, one.second)}
    pairs = [(held_out.names[one.first], training.names[one.second], one.correlation) for one in against_training]
    pairs += [(training.names[one.first], training.names[one.second], one.correlation) for one in within]
    return FalseAlarms.count(len(flagged), training.subjects + held_out.subjects, pairs)


def _to_plant(people: Sequence[str], random: np.random.Generator) -> NDArray[np.intp]:
    """Photographs of different people, as many as there are up to `PLANTED`."""
    order = random.permutation(len(people))
    _, first = np.unique(np.asarray(people)[order], return_index=True)
    return np.sort(order[np.sort(first)[:PLANTED]])


# --- The search --------------------------------------------------------------------------------------------------


def find_retinas(
    queries: Sequence[Sequence[Sketch]], training: Sequence[Sketch], advance: Callable[[int], None] = lambda _: None
) -> list[NearDuplicates]:
    """The strongest find for each query and training photograph that show one retina, sorted.

    Args:
        queries: of the views of each picture (`views_of`).
        training: of each training photograph.
        advance: called with the number of sketches that were compared.
    """
    owner = [number for number, views in enumerate(queries) for _ in views]
    best: dict[tuple[int, int], NearDuplicates] = {}
    for one in find_near_duplicates_between([view for views in queries for view in views], training, advance):
        found = NearDuplicates(owner[one.first], one.second, one.correlation, one.is_mirrored, one.texture)
        pair = (found.first, found.second)
        if pair not in best or found.correlation > best[pair].correlation:
            best[pair] = found
    return [best[pair] for pair in sorted(best)]


def copies_among(found: Iterable[NearDuplicates], asked_for: Sequence[str | None], people: Sequence[str]) -> list[Copy]:
    """What the finds mean, given the person whose vessels each generated picture was made from.

    Args:
        found: of generated pictures (first) and training photographs (second).
        asked_for: a person for each generated picture, or None.
        people: the person on each training photograph.
    """
    return [
        Copy(
            generated=one.first,
            training=one.second,
            correlation=one.correlation,
            texture=one.texture,
            is_mirrored=one.is_mirrored,
            is_asked_for=asked_for[one.first] == people[one.second] and one.texture < MIN_TEXTURE,
        )
        for one in found
    ]


# --- Planted copies ----------------------------------------------------------------------------------------------


def _exact(photograph: Photograph) -> Photograph:
    return photograph


def _flipped(photograph: Photograph) -> Photograph:
    return np.ascontiguousarray(photograph[:, ::-1])


def _recoloured(photograph: Photograph) -> Photograph:
    shade = 255 * (photograph / 255) ** np.array([1.3, 0.8, 1.1])
    recoloured: Photograph = np.rint(0.85 * shade).astype(np.uint8)
    return recoloured


def _cropped(photograph: Photograph) -> Photograph:
    height, width = photograph.shape[:2]
    return photograph[height // 8 : height - height // 8, width // 8 : width - width // 8]


def _turned(photograph: Photograph) -> Photograph:
    return np.asarray(Image.fromarray(photograph).rotate(33, Image.Resampling.BICUBIC))


def _recoded(photograph: Photograph) -> Photograph:
    return through_jpeg(photograph, 40)


def _blurred(photograph: Photograph) -> Photograph:
    reach = max(photograph.shape[:2]) / 170  # 3 pixels of 512
    return np.asarray(ndimage.gaussian_filter(photograph, (reach, reach, 0)))


ALTERED: dict[str, Callable[[Photograph], Photograph]] = {
    "exact": _exact,
    "flipped": _flipped,
    "recoloured": _recoloured,
    "cropped to three quarters": _cropped,
    "turned by 33 degrees": _turned,
    "JPEG of quality 40": _recoded,
    "blurred": _blurred,
}
SQUEEZED = "squeezed to the shape of generated pictures"


def plant(
    read: Callable[[int], Photograph],
    training: Sequence[Sketch],
    chosen: NDArray[np.intp],
    names: Sequence[str],
    *,
    size: tuple[int, int],
    aspect: float,
) -> list[Planted]:
    """Plant altered copies of chosen training photographs, and search for them as for any.

    Each must lead to its photograph, with its texture, else it could pass for vessels that were asked for.

    Args:
        read: the training photograph of an index.
        training: their sketches.
        chosen: indices of the photographs to copy.
        names: of all training photographs.
        size: usual height and width of generated pictures; copies are no larger.
        aspect: usual width : height of training photographs.
    """
    is_squeezed = is_other_shape(aspect, size[1] / size[0])
    kinds = [*ALTERED, *([SQUEEZED] if is_squeezed else [])]
    queries: list[tuple[Sketch, ...]] = []
    for number in chosen:
        small = _no_larger(read(int(number)), max(size))
        altered = [alter(small) for alter in ALTERED.values()]
        altered += [resize_photograph(small, size)] if is_squeezed else []
        queries += [tuple(map(sketch, views_of(picture, aspect))) for picture in altered]
    found = {(one.first, one.second) for one in find_retinas(queries, training) if one.texture >= MIN_TEXTURE}
    missed: dict[str, list[str]] = {kind: [] for kind in kinds}
    for query in range(len(queries)):
        number, kind = int(chosen[query // len(kinds)]), kinds[query % len(kinds)]
        if (query, number) not in found:
            missed[kind].append(names[number])
    return [Planted(kind, len(chosen), tuple(names)) for kind, names in missed.items()]


def _no_larger(photograph: Photograph, longest_px: int) -> Photograph:
    height, width = photograph.shape[:2]
    scale = longest_px / max(height, width)
    return resize_photograph(photograph, (round(height * scale), round(width * scale))) if scale < 1 else photograph
