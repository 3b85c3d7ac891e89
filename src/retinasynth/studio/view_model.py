"""From what is asked for to eyes, photographs and measures: the work behind the tab of one eye."""

import functools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from retinasynth.anatomy.grow import anatomy_of, grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.label_map import overlay, write_label_map
from retinasynth.eye.style import StyleChoice
from retinasynth.files import write_text
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set
from retinasynth.generator import Generator
from retinasynth.images import Mask, Photograph, write_photograph
from retinasynth.settings import Centre

GROWN, DRAWN, UPLOADED = "Grown", "Drawn by me", "Uploaded"
SOURCES = (GROWN, DRAWN, UPLOADED)
STYLES = ("1", "2", "3", "4", "5", "6")
MOST_LIKELY, LENT = "Most likely", "My photograph"
PROCEDURAL = "Procedural (has learnt nothing)"
MOST_EYES = 50  # in a set
MOST_SEED = 999_999
SIZE_PX = 512

_AT_ONCE = 5  # eyes of a set, between two words about how far it is
_NOTE = """Synthetic eyes: photographs (images) with their labels (a folder for each structure).

They show no patient and are not for diagnosis. Licence of the photographs that the model learnt from:
{licence}
"""


class Slider(NamedTuple):
    """What a slider shows: title, least and largest value, step."""

    title: str
    least: float
    most: float
    step: float


ANATOMY = {
    "cup_to_disc": Slider("Cup-to-disc ratio", 0.1, 0.9, 0.01),
    "vessel_density": Slider("Vessel density", 0.05, 0.13, 0.001),
    "tortuosity": Slider("Tortuosity", 1.03, 1.2, 0.005),
    "artery_to_vein_ratio": Slider("Artery-to-vein ratio", 0.4, 1.0, 0.01),
}
LESIONS = {
    "microaneurysms": Slider("Microaneurysms", 0, 80, 1),
    "haemorrhages": Slider("Haemorrhages", 0, 40, 1),
    "hard_exudates": Slider("Hard exudates", 0, 120, 1),
    "soft_exudates": Slider("Soft exudates (cotton wool spots)", 0, 10, 1),
}
VIEWS: dict[str, tuple[Centre, float]] = {
    "Macula, 45°": ("macula", 45.0),
    "Disc, 45°": ("disc", 45.0),
    "Disc, 30°": ("disc", 30.0),
}


@dataclass(frozen=True)
class Asked:
    """Which eye is to be grown.

    Attributes:
        seed: decides all that has no slider.
        preset: which people it is of.
        laterality: right or left.
        view: one of `VIEWS`.
        numbers: what the sliders say, by the names of `ANATOMY` and `LESIONS`.
    """

    seed: int
    preset: str
    laterality: str
    view: str
    numbers: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Look:
    """How an eye is to be photographed.

    Attributes:
        style: one of `STYLES`, `MOST_LIKELY` or `LENT`.
        first: seed of the first of the six styles.
        knobs: steps by which the style is turned.
        complete: find the disc of a mask without one first; see `Generator.complete`.
    """

    style: str = STYLES[0]
    first: int = 0
    knobs: tuple[tuple[str, float], ...] = ()
    complete: bool = True

    @property
    def seed(self) -> int:
        """Of style and noise."""
        return self.first + (STYLES.index(self.style) if self.style in STYLES else 0)

    @property
    def turned(self) -> dict[str, float]:
        """The knobs that are turned."""
        return {name: steps for name, steps in self.knobs if steps}


@dataclass(frozen=True)
class Given:
    """What a person brought along.

    Attributes:
        uploaded: an eye without photograph.
        drawn: likewise.
        lent: a photograph whose style is taken.
        base: what a new drawing starts from, `GROWN` or `UPLOADED`.
    """

    uploaded: Eye | None = field(default=None, repr=False)
    drawn: Eye | None = field(default=None, repr=False)
    lent: Photograph | None = field(default=None, repr=False)
    base: str = GROWN


def proposed(seed: int, preset: str) -> tuple[str, dict[str, float]]:
    """Laterality, and where the sliders stand, for an eye of which nothing else is asked."""
    anatomy = anatomy_of(seed, preset, {})
    numbers = {}
    for name, slider in {**ANATOMY, **LESIONS}.items():
        value = min(max(float(getattr(anatomy, name)), slider.least), slider.most)
        numbers[name] = round(round(value / slider.step) * slider.step, 3)
    return anatomy.laterality, numbers


def usual(seed: int, preset: str, view: str) -> Asked:
    """An eye of which nothing else is asked."""
    laterality, numbers = proposed(seed, preset)
    return Asked(seed, preset, laterality, view, tuple(numbers.items()))


@functools.lru_cache(maxsize=16)
def grown(asked: Asked) -> Eye:
    """The eye that is asked for, without photograph.

    Raises:
        SettingError: an impossible value.
        InputError: such an eye cannot be drawn at this size.
    """
    centre, angle = VIEWS[asked.view]
    numbers: dict[str, Any] = {name: int(value) if name in LESIONS else value for name, value in asked.numbers}
    return grow(
        asked.seed,
        SIZE_PX,
        people=asked.preset,
        laterality=asked.laterality,
        centred_on=centre,
        angle_deg=angle,
        **numbers,
    )


def eye_of(source: str, asked: Asked, given: Given) -> Eye:
    """The eye that is meant.

    Raises:
        InputError: nothing was uploaded.
    """
    if source == UPLOADED:
        if given.uploaded is None:
            raise InputError("No mask was uploaded yet", do="Upload one, or choose Grown")
        return given.uploaded
    return given.drawn if source == DRAWN and given.drawn is not None else grown(asked)


def redrawn(eye: Eye, vessels: Mask) -> Eye:
    """An eye with other vessels, of which nobody knows which are arteries."""
    inside = eye.planes.get("fov", np.ones_like(vessels))
    kept = {name: mask for name, mask in eye.planes.items() if name not in ("vessels", "arteries", "veins")}
    return replace(eye, name="drawn", planes={**kept, "vessels": vessels & inside}, photograph=None)


# --- Photographs -------------------------------------------------------------------------------------------------


def style_of(look: Look, given: Given) -> StyleChoice:
    """The style that is meant, as a generator takes it.

    Raises:
        InputError: no photograph was uploaded to lend its own.
    """
    if look.style != LENT:
        return "expected" if look.style == MOST_LIKELY else "sampled"
    if given.lent is None:
        raise InputError("No photograph was uploaded yet", do="Upload one to take its style, or choose another style")
    return given.lent


def photograph_of(model: Generator, eye: Eye, look: Look, given: Given) -> Photograph:
    """The photograph of an eye, of its size.

    Raises:
        InputError: the eye has no vessels, or the style is missing or impossible.
    """
    if not model.styles:
        return model.generate(eye, seed=look.seed, size="mask")
    style, knobs = style_of(look, given), look.turned
    return model.generate(eye, seed=look.seed, size="mask", style=style, knobs=knobs, complete=look.complete)


def rendered(eye: Eye, look: Look) -> Photograph:
    """What a procedural rendering, which has learnt nothing, makes of an eye."""
    return phantom_photograph(eye, look.seed)


def labelled(eye: Eye, photograph: Photograph, planes: list[str]) -> Photograph:
    """A photograph with some labels of its eye drawn over it."""
    shown = {name: mask for name, mask in eye.planes.items() if name in planes}
    return overlay(Eye(eye.name, shown, photograph))


# --- Measures ----------------------------------------------------------------------------------------------------


class Measure(NamedTuple):
    """A line of the table: what it is, as it was asked for and as it is, in words."""

    title: str
    asked: str
    measured: str


_MEASURES = {
    "vessel_density": ("Vessel density", "vessel_density", "{:.3f}"),
    "tortuosity": ("Tortuosity", "tortuosity", "{:.3f}"),
    "artery_to_vein_ratio": ("Artery-to-vein ratio", "artery_to_vein_ratio", "{:.2f}"),
    "cup_to_disc_vertical": ("Cup-to-disc ratio", "cup_to_disc", "{:.2f}"),
    "fractal_dimension": ("Fractal dimension", "", "{:.2f}"),
    "branch_points": ("Branch points", "", "{:.0f}"),
    "calibre_mean_um": ("Mean calibre, µm", "", "{:.0f}"),
    "crae_um": ("Arteriolar equivalent, µm", "", "{:.0f}"),
    "crve_um": ("Venular equivalent, µm", "", "{:.0f}"),
}


def measures(eye: Eye, asked: Mapping[str, float]) -> list[Measure]:
    """What is measured in the labels of an eye, beside what was asked for, where it was."""
    found = measure_eye(eye)
    lines = []
    for name, (title, parameter, pattern) in _MEASURES.items():
        value = getattr(found, name)
        wanted = pattern.format(asked[parameter]) if parameter in asked else "-"
        lines.append(Measure(title, wanted, "unknown" if value is None else pattern.format(value)))
    return lines


# --- Files to take along -----------------------------------------------------------------------------------------


def write_pair(folder: Path, model: Generator, eye: Eye, look: Look, given: Given) -> None:
    """Write one eye: photograph, labels, geometry and a note."""
    _write_eye(folder, model, eye, look, given)
    _write_note(folder, model)


def _write_eye(folder: Path, model: Generator, eye: Eye, look: Look, given: Given) -> None:
    metadata = model.provenance(look.seed, style_of(look, given), look.turned)
    write_label_map(folder, replace(eye, photograph=photograph_of(model, eye, look, given)), metadata)


def write_eyes(
    folder: Path, model: tuple[str, Generator], source: str, asked: Asked, look: Look, given: Given, count: int
) -> Iterator[int]:
    """Write a set, and say from time to time how many eyes it has.

    Grown eyes differ from one another, but for what was set otherwise than the seed would have it: that they share.
    Of a drawn or uploaded eye the labels stay, and the photographs differ.

    Args:
        folder: new.
        model: its name or path, and itself.
        source: one of `SOURCES`.
        asked: the first eye.
        look: its photograph.
        given: what was uploaded or drawn.
        count: how many, at most `MOST_EYES`.

    Raises:
        InputError: too many, or as `eye_of` and `photograph_of` say.
    """
    if not 1 <= count <= MOST_EYES:
        raise InputError(f"{count} eyes were asked for", expected=f"1 to {MOST_EYES}")
    name, synthesizer = model
    if source != GROWN:
        eye = eye_of(source, asked, given)
        for number in range(count):
            named = replace(eye, name=f"{eye.name}_{number + 1:02d}")
            _write_eye(folder, synthesizer, named, replace(look, first=look.first + number), given)
            yield number + 1
    else:
        style = style_of(look, given)
        if isinstance(style, np.ndarray):
            lent = folder.with_name("style.png")
            write_photograph(lent, style)
            style = str(lent)
        wanted = SyntheticSet(
            name,
            asked.seed,
            preset=asked.preset,
            style=str(style),
            knobs=look.turned,
            parameters=shared(asked),
            apertures=("round",),  # as it was shown
        )
        for done in [*range(_AT_ONCE, count, _AT_ONCE), count]:
            write_synthetic_set(folder, done, wanted, workers=1)
            yield done
    _write_note(folder, synthesizer)


def shared(asked: Asked) -> dict[str, str | float]:
    """What was set otherwise than the seed would have it, and the view."""
    laterality, numbers = proposed(asked.seed, asked.preset)
    centre, angle = VIEWS[asked.view]
    different = {name: value for name, value in asked.numbers if value != numbers[name]}
    side = {} if asked.laterality == laterality else {"laterality": asked.laterality}
    return {"centred_on": centre, "angle_deg": angle, **side, **different}


def _write_note(folder: Path, model: Generator) -> None:
    write_text(folder / "README.txt", _NOTE.format(licence=model.config.training.get("licence", "unknown")))


def pack(folder: Path, archive: Path) -> None:
    """Zip a folder; its pictures are small already."""
    with zipfile.ZipFile(archive, "x") as packed:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                packed.write(file, Path(folder.name) / file.relative_to(folder))
