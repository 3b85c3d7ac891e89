"""Later visits of one eye: the same eye in the same view, with a cup or lesions that change from visit to visit.

The first visit is the eye that `retinasynth.anatomy.grow.grow` makes. At the later ones its disc, its fovea, its
vessels and its view are as they were, so that the label maps lie on each other. Lesions that stay are where they were;
new ones are added, or some go. This is a likeness for training and teaching, not a model of how a disease goes on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retinasynth.anatomy.grow import RECIPE, anatomy_of, grow
from retinasynth.anatomy.lesions import changed_lesions
from retinasynth.anatomy.physiology import Anatomy, people_of
from retinasynth.anatomy.retinopathy import SIGNS
from retinasynth.anatomy.shown_grade import refuse_hidden_grade
from retinasynth.checks import whole_number
from retinasynth.errors import SettingError
from retinasynth.eye.eye import LESIONS, Eye

CHANGING = ("cup_to_disc", "notch", "retinopathy_grade", *LESIONS, "neovascular_tufts")
MOST_VISITS = 9

_OF_VISITS = 8  # mixed into the seed, beside the parts of an eye in `grow`


@dataclass(frozen=True)
class Visit:
    """One visit of an eye.

    Attributes:
        number: 1 for the first.
        eye: its labels at that visit.
        anatomy: its parameters at that visit.
        changed: the parameters that are not as at the visit before, with their values now.
    """

    number: int
    eye: Eye
    anatomy: Anatomy
    changed: Mapping[str, float]


def follow_up(
    seed: int,
    visits: int,
    until: Mapping[str, Any],
    size_px: int = 512,
    *,
    people: str | None = None,
    person: int | None = None,
    **parameters: Any,
) -> list[Visit]:
    """An eye at several visits, between which its cup, its lesions or its grade of retinopathy change in equal steps.

    Where the grade rises, no lesion goes; where it falls, some do.

    Args:
        seed: of the eye.
        visits: how many, 2 to 9.
        until: values at the last visit, by name: any of `CHANGING`. The first visit has the values that are given or
            drawn; a grade must be given. Whole numbers are rounded between them.
        size_px: height and width.
        people: as `grow` takes it.
        person: as `grow` takes it.
        parameters: as `grow` takes them.

    Returns:
        The visits in order. The names of the eyes end in the number of the visit: ``grown_000007_2``.

    Raises:
        SettingError: nothing changes, something that cannot, or to an impossible value.
        InputError: as `grow` does, at any visit.

    Example:
        >>> first, second, third = follow_up(7, 3, {"cup_to_disc": 0.8}, size_px=128, cup_to_disc=0.4)
        >>> dict(second.changed), bool((first.eye.planes["cup"] <= third.eye.planes["cup"]).all())
        ({'cup_to_disc': 0.6}, True)
    """
    visits = whole_number(visits, "visits", least=2, most=MOST_VISITS)
    people = people_of(people, parameters)
    steps = _steps(seed, visits, people, person, until, parameters)
    eye = replace(grow(seed, size_px, people=people, person=person, **steps[0]), name=_name(seed, 1))
    anatomy = anatomy_of(seed, people, steps[0], person)
    shown = [Visit(1, eye, anatomy, {})]
    for number, step in enumerate(steps[1:], start=2):
        before, anatomy = anatomy, anatomy_of(seed, people, step, person)
        grown = grow(seed, size_px, people=people, person=person, **step)
        more = {name: getattr(anatomy, name) - getattr(before, name) for name in LESIONS}
        lesions = {name: eye.planes[name] for name in LESIONS}
        if any(more.values()):
            random = np.random.default_rng([seed, RECIPE, _OF_VISITS, number])
            lesions = changed_lesions(random, eye, more, anatomy.haemorrhages_in_quadrants)
        eye = replace(grown, name=_name(seed, number), planes={**grown.planes, **lesions})
        if anatomy.retinopathy_grade is not None:
            refuse_hidden_grade(eye, anatomy.retinopathy_grade, anatomy.venous_beading)
        now, then = anatomy.model_dump(), before.model_dump()
        shown.append(Visit(number, eye, anatomy, {name: now[name] for name in now if now[name] != then[name]}))
    return shown


def _name(seed: int, number: int) -> str:
    return f"grown_{seed:06d}_{number}"


def _steps(
    seed: int, visits: int, people: str, person: int | None, until: Mapping[str, Any], parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    """What is given to growth at each visit."""
    wrong = [name for name in until if name not in CHANGING]
    if wrong or not until:
        raise SettingError(
            f"{wrong[0]} cannot change between visits" if wrong else "Nothing changes between the visits",
            expected=f"`until` with some of: {', '.join(CHANGING)}",
        )
    if "retinopathy_grade" in until and "retinopathy_grade" not in parameters:
        raise SettingError(
            "retinopathy_grade changes, but the first visit has none", expected="retinopathy_grade=0, for example"
        )
    first = anatomy_of(seed, people, parameters, person)
    last = anatomy_of(seed, people, parameters | dict(until), person)
    steps: list[dict[str, Any]] = []
    for number in range(visits):
        step = parameters | dict(_between(first, last, until, number / (visits - 1)))
        if "retinopathy_grade" in until and steps:
            step |= _no_less(anatomy_of(seed, people, steps[-1], person), anatomy_of(seed, people, step, person), step)
        steps.append(step)
    return steps


def _between(first: Anatomy, last: Anatomy, names: Mapping[str, Any], share: float) -> Iterator[tuple[str, float]]:
    for name in names:
        start, end = getattr(first, name), getattr(last, name)
        value = start + share * (end - start)
        between = round(value, 4) if isinstance(end, float) else round(value)
        yield name, {0.0: start, 1.0: end}.get(share, between)


def _no_less(before: Anatomy, now: Anatomy, given: Mapping[str, Any]) -> dict[str, Any]:
    """The signs of a grade that has risen, at least those of the visit before."""
    grades = before.retinopathy_grade or 0, now.retinopathy_grade or 0
    if grades[0] > grades[1]:
        return {}
    free = [name for name in SIGNS if name not in given]
    return {name: max(getattr(before, name), getattr(now, name)) for name in free}
