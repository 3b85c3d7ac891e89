"""What is said of structure: is the anatomy there that was asked for, as far as reference segmenters find it again?"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from retinasynth.evaluation.examples import Example
from retinasynth.evaluation.maps import agreement_picture
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.metrics.vessels_found import (
    BIOMARKERS,
    CONVENTIONS,
    MEASURES,
    Anatomy,
    ReferenceSegmenters,
    is_sampled,
    measure,
)
from retinasynth.evaluation.results import Finding
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import COLUMNS
from retinasynth.images import encoded, resize_photograph
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.report.sections import Row, Table

_SIZE = (SIZE_PX, SIZE_PX)
_FEWEST_FOR_CORRELATION = 8


class Compared(NamedTuple):
    """What the reference segmenters find of one example.

    Attributes:
        generated: in the photograph of the model.
        other: in that of the other model, if there is one.
        real: in the real photograph, if it is among those that are looked at.
        views: encoded pictures for the report, by title.
    """

    generated: Anatomy
    other: Anatomy | None
    real: Anatomy | None
    views: dict[str, bytes]


class Structure:
    """What the reference segmenters find, example by example; `count` is about how many there are."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._segmenters: ReferenceSegmenters | None = None
        self._generated: dict[str, Anatomy] = {}
        self._others: dict[str, Anatomy] = {}
        self._real: dict[str, Anatomy] = {}
        self._people: dict[str, str] = {}

    def prepared(self, example: Example) -> Example:
        """The example, with the segmenters loaded if they are needed.

        Called where the photographs are generated, in turn with that: a network that is built draws random numbers,
        and beside a generation in another thread these would be those of its dropout.
        """
        if self._segmenters is None and _has_anatomy(example.asked):
            self._segmenters = ReferenceSegmenters()
        return example

    def compare(self, example: Example) -> Compared | None:
        """Measure an example that was prepared; None where no label map was given. It may run in several threads."""
        asked = example.asked
        if asked is None or self._segmenters is None or not _has_anatomy(asked):
            return None
        generated, wanted, found = measure(example.generated, asked, self._segmenters)
        other = measure(example.other, asked, self._segmenters).anatomy if example.other is not None else None
        real = None
        if asked.photograph is not None and is_sampled(example.name, self._count):
            real = measure(asked.photograph, asked, self._segmenters).anatomy
        view = encoded(resize_photograph(agreement_picture(wanted, found), _SIZE), "JPEG")
        return Compared(generated, other, real, {"Found again": view})

    def keep(self, example: Example, compared: Compared | None) -> None:
        """Keep what was found of an example, in turn."""
        if compared is None:
            return
        self._people[example.name] = example.eye
        self._generated[example.name] = compared.generated
        if compared.other is not None:
            self._others[example.name] = compared.other
        if compared.real is not None:
            self._real[example.name] = compared.real

    def findings(self) -> list[Finding]:
        """One, or none where no label map was given."""
        return [structure_finding(self._generated, self._real, self._people, self._others)] if self._generated else []


def _has_anatomy(asked: Eye | None) -> bool:
    return asked is not None and bool({"vessels", "arteries", "disc"} & asked.planes.keys())


def structure_finding(
    generated: Mapping[str, Anatomy],
    real: Mapping[str, Anatomy],
    people: Mapping[str, str],
    others: Mapping[str, Anatomy] | None = None,
) -> Finding:
    """What the reference segmenters have to say of a set of pictures.

    Args:
        generated: what was found in each generated photograph, by its name.
        real: the same in real photographs of the same eyes; some names, or none.
        people: whose eye each is.
        others: what was found in the photographs of another model, by the same names; or None.
    """
    ours = {name: _mean(generated, name, people) for name in MEASURES}
    rows = [Row("Generated photographs", ours)]
    plain = {f"judge_{name}": figure.to_json() for name, figure in ours.items() if figure}
    beside = {"expected": ("Real photographs", real), "other_model": ("The other model", others or {})}
    for key, (title, rival) in beside.items():
        if not rival:
            continue
        levels = {name: _mean(rival, name, people) for name in MEASURES}
        differences = {name: _difference(generated, rival, name, people) for name in MEASURES}
        minus = f"Generated minus {title[0].lower()}{title[1:]}"
        rows += [Row(title, levels), Row(minus, differences, is_difference=True)]
        plain |= {f"judge_{name}_in_{key}": figure.to_json() for name, figure in levels.items() if figure}
        plain |= {f"judge_{name}_minus_{key}": figure.to_json() for name, figure in differences.items() if figure}
    tables = [Table("Found again", {name: column for name, column in MEASURES.items() if ours[name]}, rows)]
    biomarkers, values = _biomarker_table(generated, real, people)
    if biomarkers.columns:
        tables.append(biomarkers)
    return Finding(
        "structure",
        "Structure",
        _sentences(generated, real, people),
        tables,
        values=plain | {"biomarkers": values},
        conventions=CONVENTIONS,
    )


def _known(anatomies: Mapping[str, Anatomy], measure: str) -> dict[str, float]:
    values = {name: getattr(anatomy.found_again, measure) for name, anatomy in anatomies.items()}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _mean(anatomies: Mapping[str, Anatomy], measure: str, people: Mapping[str, str]) -> Estimate | None:
    known = _known(anatomies, measure)
    return bootstrap_mean(list(known.values()), groups=[people[name] for name in known]) if known else None


def _difference(
    ours: Mapping[str, Anatomy], theirs: Mapping[str, Anatomy], measure: str, people: Mapping[str, str]
) -> Estimate | None:
    first, second = _known(ours, measure), _known(theirs, measure)
    names = [name for name in first if name in second]
    if not names:
        return None
    return bootstrap_difference(
        [first[name] for name in names], [second[name] for name in names], groups=[people[name] for name in names]
    )


def _biomarker_table(
    generated: Mapping[str, Anatomy], real: Mapping[str, Anatomy], people: Mapping[str, str]
) -> tuple[Table, dict[str, dict[str, object]]]:
    """For each biomarker what was asked for, what was found, how far off, and how well the two go together."""
    asked, found, off, bias, together = {}, {}, {}, {}, {}
    values: dict[str, dict[str, object]] = {}
    for key in BIOMARKERS:
        names = [name for name, one in generated.items() if key in one.asked and key in one.found]
        if not names:
            continue
        groups = [people[name] for name in names]
        wanted, seen = ([getattr(generated[name], side)[key] for name in names] for side in ("asked", "found"))
        asked[key], found[key] = (bootstrap_mean(side, groups=groups) for side in (wanted, seen))
        off[key] = bootstrap_difference(seen, wanted, groups=groups)
        looked = [name for name in names if name in real and key in real[name].asked and key in real[name].found]
        if looked:
            bias[key] = bootstrap_difference(
                [real[name].found[key] for name in looked],
                [real[name].asked[key] for name in looked],
                groups=[people[name] for name in looked],
            )
        correlation = _correlation(wanted, seen)
        together[key] = correlation
        estimates = {"asked": asked[key], "found": found[key], "difference": off[key], "bias": bias.get(key)}
        values[key] = {name: one.to_json() for name, one in estimates.items() if one}
        values[key] |= {"correlation": correlation, "unit": COLUMNS[key].unit}
    rows = [
        Row("Asked for", asked),
        Row("Found in generated photographs", found),
        Row("Found minus asked for", off, is_difference=True),
        Row("The same in real photographs", bias, is_difference=True),
        Row("Correlation of asked and found", together),
    ]
    columns = {key: column for key, column in BIOMARKERS.items() if key in asked}
    return Table("Biomarkers", columns, [row for row in rows if any(row.cells.values())]), values


def _correlation(wanted: Sequence[float], seen: Sequence[float]) -> float | None:
    """Of Pearson; None of too few values, or where one side does not vary."""
    if len(wanted) < _FEWEST_FOR_CORRELATION or not np.ptp(wanted) or not np.ptp(seen):
        return None
    return float(np.corrcoef(wanted, seen)[0, 1])


def _sentences(ours: Mapping[str, Anatomy], theirs: Mapping[str, Anatomy], people: Mapping[str, str]) -> list[str]:
    sentences = []
    for name, thing in (("vessels_dice", "The vessels"), ("disc_dice", "The disc"), ("cup_dice", "The cup")):
        generated, real = _mean(ours, name, people), _mean(theirs, name, people)
        difference = _difference(ours, theirs, name, people)
        if generated is None:
            continue
        are = "are" if thing == "The vessels" else "is"
        figures = f"Dice {generated.mean:.3f} ({generated.low:.3f} to {generated.high:.3f})"
        if real is None or difference is None:
            sentences.append(f"{thing} asked for {are} found again, with no real photograph beside it: {figures}.")
            continue
        if difference.low <= 0 <= difference.high:
            claim = "not shown to be found less well than in real photographs"
        elif difference.mean < 0:
            claim = "found less well than in real photographs"
        else:
            claim = "found better than in real photographs, clearer than a camera shows"
        change = f"{difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
        sentences.append(f"{thing} asked for {are} {claim}: {figures} against {real.mean:.3f}, difference {change}.")
    return sentences
