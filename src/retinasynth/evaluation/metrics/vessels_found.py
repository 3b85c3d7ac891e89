"""Is the anatomy there that was asked for? Networks that stand in no generator's loss look for it again.

The vessels are found by the bundled `judge`, disc and cup by `disc-cup`. What they miss in real photographs of the same
label maps they miss in generated ones too, so both are looked at, and only the difference speaks of the generator.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from retinasynth.errors import ImageError
from retinasynth.evaluation.findings import Finding
from retinasynth.evaluation.segmentation import centre_error
from retinasynth.eye import Eye
from retinasynth.eye.agreement import cldice, dice
from retinasynth.eye.biomarkers import COLUMNS, measure_eye
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.images import Mask, Photograph, resize_mask, resize_photograph
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.report.sections import Column, Row, Table
from retinasynth.segmentation.model import SegmenterModel, load_segmenter
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.training.bundled import SEGMENTERS, model_folder

LARGEST_PX = 1024  # longer side at which anatomy is compared
MOST_REAL = 100  # real photographs looked at for comparison
BIOMARKERS = {
    "vessel_density": Column("Vessel density", "share of the field", 4),
    "fractal_dimension": Column("Fractal dimension", "", 3),
    "tortuosity": Column("Tortuosity", "arc over chord", 3),
    "calibre_median_px": Column("Median calibre", "px", 2),
    "cup_to_disc_vertical": Column("Cup-to-disc ratio", "vertical", 3),
}
_FEWEST_FOR_CORRELATION = 8
_FOUND = ("vessels", "disc", "cup")

CONVENTIONS = {
    "found again": f"at the size of the label map, its longer side at most {LARGEST_PX} pixels: vessels by the bundled "
    "segmenter judge, disc and cup by disc-cup, neither of which stands in the loss of a generator. Dice is the "
    "overlap of found and asked-for pixels inside the field of view, centre lines that of the skeletons (clDice, Shit "
    "et al., CVPR 2021); both are 0 where nothing was found. The distance of the disc's centre is in its radii. Real "
    f"photographs (at most {MOST_REAL} of them, chosen by their names) set the scale: people, too, draw what a network "
    "misses",
    "biomarkers": "of the label map that was asked for, and of what was found again, measured alike; vessels of both "
    "kinds together. The difference in real photographs is the bias of looking",
}


class FoundAgain(NamedTuple):
    """How much of what was asked for was found; not a number where it was not asked for.

    Attributes:
        vessels_dice: overlap, 0 to 1; likewise `disc_dice` and `cup_dice`.
        vessels_cldice: overlap of the centre lines, 0 to 1.
        disc_centre: distance from the centre asked for, in radii of that disc; not a number where none was found.
    """

    vessels_dice: float = math.nan
    vessels_cldice: float = math.nan
    disc_dice: float = math.nan
    disc_centre: float = math.nan
    cup_dice: float = math.nan


NOTHING_ASKED = FoundAgain()
MEASURES = {
    "vessels_dice": Column("Vessels", "Dice, higher is better"),
    "vessels_cldice": Column("Centre lines", "clDice, higher is better"),
    "disc_dice": Column("Disc", "Dice, higher is better"),
    "disc_centre": Column("Disc's centre", "radii off, lower is better"),
    "cup_dice": Column("Cup", "Dice, higher is better"),
}
LOWER_IS_BETTER = {"disc_centre"}


@dataclass(frozen=True)
class Anatomy:
    """What was found in one photograph, beside what was asked for.

    Attributes:
        found_again: the agreement of the two.
        asked: biomarkers of the label map, those of `BIOMARKERS` that it has.
        found: the same of what was found; a biomarker that cannot be measured is absent.
    """

    found_again: FoundAgain
    asked: Mapping[str, float]
    found: Mapping[str, float]


class Judge:
    """Looks for vessels, disc and cup in photographs."""

    def __init__(self) -> None:
        self._models: list[SegmenterModel] = [
            load_segmenter(model_folder(name, bundled=SEGMENTERS, command="segment train"))
            for name in ("judge", "disc-cup")
        ]
        for model in self._models:
            model.network.eval()  # for good, since several threads look at once

    def look(self, photograph: Photograph, asked: Eye) -> tuple[Anatomy, Eye, Eye]:
        """What of an eye is in a photograph of it.

        Args:
            photograph: ``uint8 (height, width, 3)`` of any size; it shows the whole label map.
            asked: the label map; of its planes vessels, disc, cup and fov are used.

        Returns:
            The comparison, what was asked for and what was found, both at the size of the comparison.
        """
        asked = _plain(asked)
        size = asked.size
        picture = resize_photograph(photograph, size)
        planes = self._found(picture, wanted=[plane for plane in _FOUND if plane in asked.planes])
        field = asked.planes.get("fov", planes.get("fov", np.ones(size, np.bool_)))
        nothing = np.zeros(size, np.bool_)
        figures: dict[str, float] = {}
        for plane in _FOUND:
            wanted = asked.planes.get(plane)
            if wanted is None or not (wanted & field).any():
                continue
            there = planes.get(plane, nothing)
            figures[f"{plane}_dice"] = dice(there, wanted, field)
            if plane == "vessels":
                lines = cldice(there & field, wanted & field)
                figures["vessels_cldice"] = 0.0 if math.isnan(lines) else lines
            if plane == "disc":
                figures["disc_centre"] = centre_error(there, wanted)
        seen = {plane: mask for plane, mask in planes.items() if plane in asked.planes} | {"fov": field}
        wanted_here = {**asked.planes, "fov": field}
        anatomy = Anatomy(FoundAgain(**figures), _biomarkers(wanted_here), _biomarkers(seen))
        return anatomy, Eye(asked.name, wanted_here), Eye(asked.name, seen, picture)

    def _found(self, picture: Photograph, wanted: Sequence[str]) -> dict[str, Mask]:
        planes: dict[str, Mask] = {}
        try:
            field = find_field_of_view(picture)
            for model in self._models:
                if set(model.config.planes) & set(wanted):
                    seen = predict(model, picture, flips=((),), field=field)
                    planes |= {"fov": field} | found_planes(model, seen)
        except ImageError:  # black, or of one colour: nothing is found in it
            return {}
        return planes


@contextmanager
def one_thread_each() -> Iterator[Callable[[], None]]:
    """Networks run in one thread each while several pictures are looked at at once.

    Yields what each looking thread begins with. The caller's own thread keeps its number: a photograph that is
    generated there is, to the last bit, the one that users get.
    """
    usual = torch.get_num_threads()
    try:
        yield lambda: torch.set_num_threads(1)
    finally:
        torch.set_num_threads(usual)  # of threads that are yet to come


def is_looked_at(name: str, count: int, most: int = MOST_REAL) -> bool:
    """Whether a real photograph is among the about `most` of `count` that are looked at; the name decides."""
    return zlib.crc32(name.encode()) * count < most * 2**32


def _plain(asked: Eye) -> Eye:
    """The planes that can be found again, at the size at which they are compared."""
    height, width = asked.size
    scale = min(1.0, LARGEST_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    planes = {name: asked.planes[name] for name in (*_FOUND, "fov") if name in asked.planes}
    if "vessels" not in planes and {"arteries", "veins"} <= asked.planes.keys():
        planes["vessels"] = asked.planes["arteries"] | asked.planes["veins"]
    return Eye(asked.name, {name: resize_mask(plane, size) for name, plane in planes.items()})


def _biomarkers(planes: Mapping[str, Mask]) -> dict[str, float]:
    if not any(planes[plane].any() for plane in ("vessels", "disc") if plane in planes):
        return {}
    measured = measure_eye(Eye("measured", planes))
    values = {name: getattr(measured, name) for name in BIOMARKERS}
    return {name: value for name, value in values.items() if value is not None}


# --- Many photographs --------------------------------------------------------------------------------------------


def structure_part(
    generated: Mapping[str, Anatomy],
    real: Mapping[str, Anatomy],
    people: Mapping[str, str],
    others: Mapping[str, Anatomy] | None = None,
) -> Finding:
    """What the judge has to say of a set of pictures.

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
