"""What the examination of privacy found, in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retinasynth.evaluation.metrics.copies import (
    Copy,
    FalseAlarms,
    Planted,
)
from retinasynth.evaluation.metrics.neighbours import (
    CLOSE,
    MIN_PEOPLE,
    Closest,
    Comparison,
    Distances,
)

Answer = Literal["copies", "nearer to training", "no sign of copying", "no copies found", "cannot be told"]
_FIRST: dict[Answer, str] = {
    "copies": "The generator copies: {copied} of {generated} generated pictures show the retina of a training "
    "photograph. Do not publish them, or the model.",
    "nearer to training": "The generator may remember: in {spaces}, its pictures lie nearer to training photographs "
    "than chance explains, though none was found to be a copy. Either that, or the held-out photographs are of another "
    "kind.",
    "no sign of copying": "No sign of copying was found in {generated} generated pictures, by searches that "
    "could have seen it.",
    "no copies found": "None of {generated} generated pictures was found to be a copy. Whether they lie nearer to "
    "training photographs than to others could not be told.",
    "cannot be told": "It could not be established whether the generator copies.",
}


@dataclass(frozen=True)
class Nearest:
    """The nearest real photograph of one kind to each generated picture, to show them side by side.

    Attributes:
        index: ``int (generated,)``.
        distance: ``float (generated,)``.
    """

    index: NDArray[np.intp] = field(repr=False)
    distance: Distances = field(repr=False)

    def to_json(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A name and a distance for each generated picture."""
        pairs = zip(self.index, self.distance, strict=True)
        return [{"name": names[index], "distance": round(float(distance), 4)} for index, distance in pairs]


@dataclass(frozen=True)
class Space:
    """Generated pictures among real ones in one space.

    Attributes:
        training: the nearest training photographs.
        held_out: the nearest held-out ones; None where there are none.
        comparison: of the two; None where there are too few people.
        closest: how many are nearer to training than people are to each other; None of too few photographs.
    """

    training: Nearest
    held_out: Nearest | None
    comparison: Comparison | None
    closest: Closest | None = None


def verdict(
    generated: int,
    held_out_people: int,
    spaces: Mapping[str, Space],
    found: Sequence[Copy],
    alarms: FalseAlarms,
    planted: Sequence[Planted],
) -> tuple[Answer, list[str]]:
    """The answer, and the sentences that say it, the most important first.

    Args:
        generated: how many pictures were examined.
        held_out_people: subjects that were not trained on.
        spaces: where distances were measured, by name.
        found: pictures of which a copy was found in the training set.
        alarms: how often real photographs are taken for copies.
        planted: copies that were planted, and how many of them were found.
    """
    copied = len({one.generated for one in found if not one.is_asked_for})
    missed = [f"{one.kind} ({', '.join(one.missed[:3])})" for one in planted if one.missed]
    compared = {name: space.comparison for name, space in spaces.items() if space.comparison}
    nearer = [name for name, one in compared.items() if one.is_fair and one.is_nearer]

    answer: Answer = "no sign of copying"
    if copied:
        answer = "copies"
    elif nearer:
        answer = "nearer to training"
    elif missed:
        answer = "cannot be told"
    elif not any(one.can_tell for one in compared.values()):
        answer = "no copies found"
    return answer, [
        _FIRST[answer].format(copied=copied, generated=generated, spaces=" and in ".join(nearer)),
        *_about_copies(generated, found, alarms, planted, missed),
        *_about_nearness(compared, held_out_people),
        *_about_closest({name: space.closest for name, space in spaces.items() if space.closest}),
    ]


def _about_copies(
    generated: int, found: Sequence[Copy], alarms: FalseAlarms, planted: Sequence[Planted], missed: Sequence[str]
) -> Iterator[str]:
    hidden = sum(one.of for one in planted)
    if missed:
        lost = sum(len(one.missed) for one in planted)
        yield (
            f"The search for copies missed {lost} of {hidden} that were planted, and can miss others: "
            f"{'; '.join(missed)}."
        )
    else:
        yield f"All {hidden} copies that were planted ({', '.join(one.kind for one in planted)}) were found."
    yield (
        f"Among {alarms.of} people whose photographs should be no copies, the search flagged {alarms.people} (95 % "
        f"upper bound {alarms.upper:.1%})."
    )
    if alarms.pairs:
        first, second, _ = alarms.pairs[0]
        yield (
            f"Look at these {len(alarms.pairs)} pairs, such as {first} and {second}: where they show one retina, give "
            "them the same subject, and they are no false alarms."
        )
    if any(not one.is_asked_for for one in found):
        most = min(alarms.upper * generated, generated)
        yield f"False alarms would be up to {most:.1f} of {generated} generated pictures; look at each pair."
    asked = len({one.generated for one in found if one.is_asked_for})
    if asked:
        yield (
            f"{asked} pictures that were made from the vessels of real eyes show those vessels, as asked for; what "
            "lies between them is different. Whoever has the vessels of a person can recognise them in such a picture."
        )


def _about_closest(closest: Mapping[str, Closest]) -> Iterator[str]:
    for name, one in closest.items():
        said = "That is more than chance explains." if one.is_closer else "Chance explains that."
        yield (
            f"In {name}, {one.nearer} of {one.generated} pictures lie nearer to a training photograph than all but "
            f"{CLOSE:.0%} of {one.real} real photographs lie to one of another person; {one.expected:.1%} are expected "
            f"by chance (p = {one.chance:.2g}). {said}"
        )


def _about_nearness(compared: Mapping[str, Comparison], held_out_people: int) -> Iterator[str]:
    if not compared:
        yield (
            f"Photographs of {held_out_people} people were held out, and at least {MIN_PEOPLE} on each side are needed "
            "to say whether generated pictures are nearer to training than to others."
        )
    for name, one in compared.items():
        said = (
            f"In {name}, {one.share.mean:.0%} of the pictures ({one.share.low:.0%} to {one.share.high:.0%}) lie "
            f"nearest to a training photograph; chance has "
            f"{one.chance:.0%} ({one.chance_low:.0%} to {one.chance_high:.0%})"
        )
        if not one.is_fair:
            yield (
                f"{said}. That says nothing, since training and held-out photographs differ themselves, as those of "
                "two cameras do. Hold out photographs from the source of the training set."
            )
        elif one.is_nearer:
            yield f"{said}: more than chance explains."
        elif not one.can_tell:
            yield (
                f"{said}. That says nothing, since with so few people, or pictures so much alike, even copies would "
                "hardly stand out."
            )
        else:
            yield f"{said}. It would be noticed if {one.detectable:.0%} of the pictures were copies."
