"""Which photographs show the two eyes of one person, told from names such as ``10_left`` and ``10_right``.

A name is read so only where its counterpart for the other eye is there as well: one that merely ends in ``l`` says
nothing.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Side = Literal["right", "left"]

# The words for the right and the left eye: in full, as oculus dexter and sinister, abbreviated. Between letters they
# are parts of other words.
_WORDS = tuple(
    re.compile(rf"(?<![a-z])(?:(?P<right>{right})|{left})(?![a-z])", re.IGNORECASE)
    for right, left in (("right", "left"), ("od", "os"), ("re", "le"), ("r", "l"))
)
# The same with letters before it, told apart by their case: eyeLeft, retinaOD.
_GLUED = tuple(
    re.compile(rf"(?<=[a-z])(?:(?P<right>{right})|{left})(?![A-Za-z])")
    for right, left in (("Right", "Left"), ("OD", "OS"))
)
_SEPARATORS = " _-.()"
_VISIT = re.compile(r"[ _.-]?\d")


class Fellow(NamedTuple):
    """Whose eye a name stands for.

    Attributes:
        subject: what the names of both eyes of a person have in common.
        side: which eye.
    """

    subject: str
    side: Side


class _Reading(NamedTuple):
    word: int
    before: str
    after: str
    side: Side


def told_by_names(names: Iterable[str]) -> dict[str, Fellow]:
    """The names that stand for one eye of a person, and for which; others are left out.

    Names belong together when they differ in the word for the side alone, or also in one digit after it (``P1_l1``,
    ``P1_l2``, ``P1_r1``: several photographs of an eye).

    Args:
        names: of photographs, without suffix, all of one set.

    Example:
        >>> told_by_names(["10_left", "10_right", "11_left", "vessel", "P3_OD"])["10_left"]
        Fellow(subject='10', side='left')
        >>> sorted(told_by_names(["10_left", "10_right", "11_left", "vessel", "P3_OD"]))
        ['10_left', '10_right']
    """
    readings = {name: list(_readings(name)) for name in names}
    visits = _with_visits(reading for found in readings.values() for reading in found)
    sides: dict[tuple[int, str, str], set[Side]] = {}
    for found in readings.values():
        for reading in found:
            sides.setdefault(_stem(reading, visits), set()).add(reading.side)
    told = {}
    for name, found in readings.items():
        paired = [one for one in found if len(sides[_stem(one, visits)]) == 2]
        if paired:
            _, before, after = _stem(paired[0], visits)
            told[name] = Fellow(_joined(before, after), paired[0].side)
    return {name: fellow for name, fellow in told.items() if fellow.subject}


def _readings(name: str) -> Iterator[_Reading]:
    for number, word in enumerate((*_WORDS, *_GLUED)):
        for match in word.finditer(name):
            side: Side = "right" if match["right"] else "left"
            yield _Reading(number, name[: match.start()], name[match.end() :], side)


def _with_visits(readings: Iterable[_Reading]) -> set[tuple[int, str]]:
    """Words and what is before them where nothing but one digit, or nothing, is ever after them.

    What is before must name a person, so it has a digit: in ``image_left_3`` the number after the side does.
    """
    afters: dict[tuple[int, str], set[str]] = {}
    for reading in readings:
        if re.search(r"\d", reading.before):
            afters.setdefault((reading.word, reading.before), set()).add(reading.after)
    return {key for key, found in afters.items() if all(not after or _VISIT.fullmatch(after) for after in found)}


def _stem(reading: _Reading, visits: set[tuple[int, str]]) -> tuple[int, str, str]:
    is_visit = (reading.word, reading.before) in visits
    return reading.word, reading.before, "" if is_visit else reading.after


def _joined(before: str, after: str) -> str:
    parts = (before.rstrip(_SEPARATORS), after.lstrip(_SEPARATORS))
    return "_".join(part for part in parts if part).strip(_SEPARATORS)
