"""The protocol of augmentation studies, "is it of use?": how good something gets with real and synthetic photographs.

`utility` and `detection` are such studies. Each has arms that differ in what is learnt from, numbers of real
photographs, and repetitions of both; it gives a score of each run, and how scores become means and paired differences
with intervals. What is compared with what, the plain words, and the tables are here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from retinasynth.errors import DataError, SettingError
from retinasynth.intervals import Estimate
from retinasynth.report.sections import Outcome
from retinasynth.studies.words import counted, listed
from retinasynth.tables import table_text

ALL = "all"  # real photographs


@dataclass(frozen=True)
class Arm:
    """One way to learn.

    Attributes:
        name: as tables and figures call it.
        has_synthetic: whether it learns from synthetic photographs; drawn in the colour of the model.
        is_strong: drawn as a full line; others are dashed.
    """

    name: str
    has_synthetic: bool
    is_strong: bool


@dataclass(frozen=True)
class Point:
    """One arm at one number of real photographs.

    Attributes:
        arm: name of the arm.
        count: real photographs (or eyes) whose labels are learnt from; 0 is none.
        source: what is learnt from, and how it is varied, in words.
        measures: by name of measure.
    """

    arm: str
    count: int
    source: str
    measures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Effect:
    """One arm minus another, paired.

    Attributes:
        first: name of the arm.
        second: that it is compared with.
        count: real photographs of both.
        measures: the difference, by name of measure; higher is better for `first`.
    """

    first: str
    second: str
    count: int
    measures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Study:
    """What a study found.

    Attributes:
        title: heading of its report.
        verdict: plain sentences, the answer first.
        measures: what each is called, by name; the first is the one that the verdict is about. Higher is better.
        of_what: what is counted, in the singular, such as "real training eye".
        arms: in the order of tables.
        points: of every arm, by rising number.
        effects: differences between arms.
        conventions: what the words mean.
        about: data, settings, version.
        pictures: panels of the report: caption, and pictures (PNG or JPEG bytes) by what they show.
        pictures_note: text below them.
    """

    title: str
    verdict: Sequence[str]
    measures: Mapping[str, str]
    of_what: str
    arms: Sequence[Arm]
    points: Sequence[Point]
    effects: Sequence[Effect]
    conventions: Mapping[str, str]
    about: Mapping[str, str]
    pictures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    pictures_note: str = ""

    @property
    def counts(self) -> list[int]:
        """The numbers of real photographs, without 0."""
        return sorted({point.count for point in self.points} - {0})

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the pictures."""
        return {
            "title": self.title,
            "verdict": list(self.verdict),
            "counted": self.of_what,
            "points": [
                asdict(point) | {"measures": {name: one.to_json() for name, one in point.measures.items()}}
                for point in self.points
            ],
            "differences": [
                asdict(effect)
                | {
                    "measures": {
                        name: one.to_json() | {"outcome": outcome(one)} for name, one in effect.measures.items()
                    }
                }
                for effect in self.effects
            ],
            "conventions": dict(self.conventions),
            "about": dict(self.about),
        }

    def to_csv(self) -> str:
        """A line for each arm or difference, number and measure."""
        rows = [
            [point.arm, "", point.count, name, *estimate, "", point.source]
            for point in self.points
            for name, estimate in point.measures.items()
        ]
        rows += [
            [effect.first, effect.second, effect.count, name, *estimate, outcome(estimate), ""]
            for effect in self.effects
            for name, estimate in effect.measures.items()
        ]
        columns = ["arm", "minus", "count", "measure", "mean", "low", "high", "n", "outcome", "source"]
        return table_text(columns, rows)


# --- What is compared --------------------------------------------------------------------------------------------


Place = tuple[Arm, int]  # an arm, and its number of real photographs


def counts_of(words: Sequence[str], there_are: int, *, name: str, least: int, where: Path, what: str) -> list[int]:
    """Numbers of real photographs, rising, each once.

    Args:
        words: numbers, or ``all``, as on a command line.
        there_are: training photographs.
        name: that the words were given with, for messages.
        least: of what can be learnt from.
        where: the data set, for messages.
        what: the training photographs, in words.

    Raises:
        SettingError: one is no number.
        DataError: there are fewer photographs.

    Example:
        >>> counts_of(["all", "1", "5"], 20, name="eyes", least=1, where=Path("eyes"), what="training eyes")
        [1, 5, 20]
    """
    if not words or not all(one == ALL or (one.isdecimal() and int(one) >= least) for one in words):
        raise SettingError(f"`{name}` is {' '.join(words) or 'empty'}", expected=f"numbers from {least}, or {ALL}")
    counts = sorted({there_are if one == ALL else int(one) for one in words})
    if counts[-1] > there_are:
        raise DataError(
            f"{where} has {there_are} {what}, but {counts[-1]} are asked for",
            expected=f"at most {there_are}",
            do=f"Choose others: `{name}` {ALL}",
        )
    return counts


def compared(
    sources: Mapping[Place, str],
    estimates: Callable[[Place, Place | None], Mapping[str, Estimate]],
    arms: Sequence[Arm],
    pairs: Sequence[tuple[Arm, Arm]],
) -> tuple[list[Point], list[Effect]]:
    """Every arm at every number of real photographs, by rising number, and the differences between pairs of arms.

    Args:
        sources: what is learnt from, in words; of the arms and numbers that are finished.
        estimates: the measures of an arm at a number; or, given another, the paired differences to that.
        arms: in the order of tables.
        pairs: arms that are compared, the first with the second.
    """
    counts = sorted({count for _, count in sources})
    points = [
        Point(arm.name, count, sources[arm, count], estimates((arm, count), None))
        for count in counts
        for arm in arms
        if (arm, count) in sources
    ]
    effects = [
        Effect(first.name, second.name, count, estimates((first, count), (second, count)))
        for first, second in pairs
        for count in counts
        if (first, count) in sources
    ]
    return points, effects


# --- In words ----------------------------------------------------------------------------------------------------


def by_outcome(effects: Sequence[Effect], arm: Arm, measure: str, words: Mapping[Outcome, str]) -> list[str]:
    """With how many real photographs an arm is better, worse or neither: "help with 1 and 5".

    Args:
        effects: differences; only those of `arm` count.
        arm: that is compared.
        measure: the one that is spoken of.
        words: for each outcome, in the order of the sentence.
    """
    ours = [effect for effect in effects if effect.first == arm.name]
    counts = {kind: [str(one.count) for one in ours if outcome(one.measures[measure]) == kind] for kind in words}
    return [f"{text} with {listed(counts[kind])}" for kind, text in words.items() if counts[kind]]


def outcome(difference: Estimate) -> Outcome:
    """What a difference shows, where higher is better: undecided where its interval holds zero.

    Example:
        >>> outcome(Estimate(0.02, 0.01, 0.03, 8)), outcome(Estimate(0.02, -0.01, 0.05, 8))
        ('better', 'undecided')
    """
    if difference.low <= 0 <= difference.high:
        return "undecided"
    return "better" if difference.low > 0 else "worse"


def figure_text(value: float, *, signed: bool = False) -> str:
    """A figure to three decimals, perhaps with its sign.

    Example:
        >>> figure_text(0.7251), figure_text(0.02, signed=True)
        ('0.725', '+0.020')
    """
    return f"{value:{'+' if signed else ''}.3f}"


def interval_text(estimate: Estimate, *, signed: bool = False) -> str:
    """Both ends of an interval.

    Example:
        >>> interval_text(Estimate(0.5, 0.25, 0.75, 8))
        '0.250 to 0.750'
    """
    return f"{figure_text(estimate.low, signed=signed)} to {figure_text(estimate.high, signed=signed)}"


def effect_sentence(effect: Effect, measure: str, name: str, of_what: str) -> str:
    """A difference in plain words.

    Args:
        effect: the difference.
        measure: the one that is spoken of.
        name: what it is called.
        of_what: what is counted, in the singular.
    """
    estimate = effect.measures[measure]
    words = {"better": "better than", "worse": "worse than", "undecided": "not shown to differ from"}[outcome(estimate)]
    figures = f"{name} {figure_text(estimate.mean, signed=True)} ({interval_text(estimate, signed=True)})"
    return f"With {counted(effect.count, of_what)}, {effect.first} is {words} {effect.second}: {figures}."
