"""Did the generator copy somebody? Asked of the pictures it made, with real ones that it never saw for comparison.

1. Copies: does a generated picture show the retina of a training photograph (`copies`)? With the measured rate of false
   alarms, and a self-test that must find copies that were planted.
2. Nearness: do generated pictures lie nearer to training photographs than to held-out ones (`neighbours`), in pixels
   and, where they are given, in features?

No sign of copying is no proof of privacy: it means that these two looked, could have seen, and saw nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.metrics import copies, neighbours
from retinasynth.evaluation.metrics.copies import Copies, Copy, FalseAlarms, Planted
from retinasynth.evaluation.metrics.distances import Distances, feature_distances, pixel_distances
from retinasynth.evaluation.metrics.neighbours import CLOSE, MIN_PEOPLE, Closest, Comparison, Neighbours
from retinasynth.evaluation.pictures import Digests, Pictures
from retinasynth.intervals import SEED

Answer = Literal["copies", "nearer to training", "no sign of copying", "no copies found", "cannot be told"]

CONVENTIONS = {**copies.CONVENTIONS, **neighbours.CONVENTIONS}


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
    spaces: Mapping[str, Neighbours]
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
    trained = Digests.of("training", training, None, quiet=quiet)
    made = Digests.of("generated", generated, trained.aspect, quiet=quiet)
    unseen = Digests.of("held-out", held_out, trained.aspect, quiet=quiet)
    searched = copies.measure(made, trained, unseen, asked_for, seed=seed, quiet=quiet)
    distances = {"pixels": _pixel_distances(made, trained, unseen)}
    if generated.features is not None and training.features is not None and held_out.features is not None:
        distances["features"] = feature_distances(generated.features, training.features, held_out.features)
    people = [*training.people, *held_out.people]
    spaces = {
        name: neighbours.measure(*both, people, len(training), left_out=asked_for, groups=generated.people, seed=seed)
        for name, both in distances.items()
    }
    answer, verdict = _verdict(len(generated), held_out.subjects, spaces, searched)
    return Privacy(
        answer,
        verdict,
        generated.names,
        training.names,
        held_out.names,
        spaces,
        searched.found,
        searched.false_alarms,
        searched.planted,
    )


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


def _pixel_distances(made: Digests, trained: Digests, unseen: Digests) -> tuple[Distances, Distances]:
    """Of generated pictures to real ones, and among these; training photographs before held-out ones."""
    # A held-out photograph that was digested in two shapes counts as it is among the real ones.
    as_they_are = np.flatnonzero(np.diff(unseen.owner, prepend=-1))
    real = np.concatenate([trained.planes, unseen.planes[as_they_are]])
    of_views = pixel_distances(made.planes, real)
    first_view = np.flatnonzero(np.diff(made.owner, prepend=-1))
    return np.minimum.reduceat(of_views, first_view, axis=0), pixel_distances(real, real)


# --- In words ----------------------------------------------------------------------------------------------------


def _verdict(
    generated: int,
    held_out_people: int,
    spaces: Mapping[str, Neighbours],
    searched: Copies,
) -> tuple[Answer, list[str]]:
    copied = len({one.generated for one in searched.found if not one.is_asked_for})
    missed = [f"{one.kind} ({', '.join(one.missed[:3])})" for one in searched.planted if one.missed]
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
        *_about_copies(generated, searched, missed),
        *_about_nearness(compared, held_out_people),
        *_about_closest({name: space.closest for name, space in spaces.items() if space.closest}),
    ]


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


def _about_copies(generated: int, searched: Copies, missed: Sequence[str]) -> Iterator[str]:
    found, alarms, planted = searched.found, searched.false_alarms, searched.planted
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
