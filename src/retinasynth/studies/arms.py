"""What a study of usefulness found: how good something gets with real, synthetic and both kinds of photographs.

`utility` and `detection` are such studies. Both compare arms at several numbers of real photographs, in figures with
intervals, in differences between two arms, and in plain words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retinasynth.intervals import Estimate
from retinasynth.report.sections import Outcome
from retinasynth.tables import table_text


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
class Gap:
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
        gaps: differences.
        conventions: what the words mean.
        about: data, settings, version.
        pictures: panels of the report: caption, and pictures (PNG or JPEG bytes) by what they show.
        pictures_note: what stands below them.
    """

    title: str
    verdict: Sequence[str]
    measures: Mapping[str, str]
    of_what: str
    arms: Sequence[Arm]
    points: Sequence[Point]
    gaps: Sequence[Gap]
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
                {"arm": one.arm, "count": one.count, "source": one.source, "measures": _plain(one.measures)}
                for one in self.points
            ],
            "differences": [
                {
                    "first": one.first,
                    "second": one.second,
                    "count": one.count,
                    "measures": {
                        name: estimate.to_json() | {"outcome": outcome(estimate)}
                        for name, estimate in one.measures.items()
                    },
                }
                for one in self.gaps
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
            [gap.first, gap.second, gap.count, name, *estimate, outcome(estimate), ""]
            for gap in self.gaps
            for name, estimate in gap.measures.items()
        ]
        columns = ["arm", "minus", "count", "measure", "mean", "low", "high", "n", "outcome", "source"]
        return table_text(columns, rows)


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


def counted(count: int, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "eye"), counted(5, "eye"), counted(0, "eye")
        ('1 eye', '5 eyes', 'no eyes')
    """
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Words as a sentence has them.

    Example:
        >>> listed(["1", "5", "20"])
        '1, 5 and 20'
    """
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def gap_sentence(gap: Gap, measure: str, name: str, of_what: str) -> str:
    """A difference in plain words.

    Args:
        gap: the difference.
        measure: the one that is spoken of.
        name: what it is called.
        of_what: what is counted, in the singular.
    """
    estimate = gap.measures[measure]
    words = {"better": "better than", "worse": "worse than", "undecided": "not shown to differ from"}[outcome(estimate)]
    figures = f"{name} {figure_text(estimate.mean, signed=True)} ({interval_text(estimate, signed=True)})"
    return f"With {counted(gap.count, of_what)}, {gap.first} is {words} {gap.second}: {figures}."


def _plain(measures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.to_json() for name, estimate in measures.items()}
