"""Is the anatomy there that was asked for? Reference segmenters, which are in no generator's loss, look for it again.

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
from retinasynth.eye import Eye
from retinasynth.eye.agreement import cldice, dice
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.images import Mask, Photograph, resize_mask, resize_photograph
from retinasynth.report.sections import Column
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


class ReferenceSegmenters:
    """The bundled networks that vessels, disc and cup are found by: neither is in the loss of a generator."""

    def __init__(self) -> None:
        self.models: list[SegmenterModel] = [
            load_segmenter(model_folder(name, bundled=SEGMENTERS, command="segment train"))
            for name in ("judge", "disc-cup")
        ]
        for model in self.models:
            model.network.eval()  # for good, since several threads use them at once


class Found(NamedTuple):
    """What was found in a photograph, and what was asked for, at the size at which they are compared.

    Attributes:
        anatomy: the comparison.
        asked: the label map.
        planes: what was found, with the photograph.
    """

    anatomy: Anatomy
    asked: Eye
    planes: Eye


def measure(photograph: Photograph, asked: Eye, segmenters: ReferenceSegmenters) -> Found:
    """Look for an eye in a photograph of it.

    Args:
        photograph: ``uint8 (height, width, 3)`` of any size; it shows the whole label map.
        asked: the label map; of its planes vessels, disc, cup and fov are used.
        segmenters: that look for them.
    """
    asked = _plain(asked)
    size = asked.size
    picture = resize_photograph(photograph, size)
    planes = _found(picture, [plane for plane in _FOUND if plane in asked.planes], segmenters)
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
    return Found(anatomy, Eye(asked.name, wanted_here), Eye(asked.name, seen, picture))


def _found(picture: Photograph, wanted: Sequence[str], segmenters: ReferenceSegmenters) -> dict[str, Mask]:
    planes: dict[str, Mask] = {}
    try:
        field = find_field_of_view(picture)
        for model in segmenters.models:
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


def is_sampled(name: str, count: int, most: int = MOST_REAL) -> bool:
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


def centre_error(found: Mask, drawn: Mask) -> float:
    """Distance between the centres of two discs in radii of the drawn one; not a number where one is empty.

    Example:
        >>> disc = np.zeros((9, 9), bool)
        >>> disc[3:6, 3:6] = True
        >>> centre_error(disc, disc)
        0.0
    """
    if not found.any() or not drawn.any():
        return float("nan")
    ours, theirs = (np.argwhere(mask).mean(axis=0) for mask in (found, drawn))
    return float(np.hypot(*(ours - theirs)) / np.sqrt(drawn.sum() / np.pi))
