"""The label map of an eye as files, as arrays for networks, and as a picture to look at.

A folder of label maps holds ``PLANE/NAME.png`` for each plane that is known (all black where the eye has none of it),
``images/NAME.png`` where there is a photograph, and ``geometry/NAME.json``, which is written last and says what there
is. `retinasynth.data.find` finds the eyes of such a folder as those of a data set.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from retinasynth.documents import read_json
from retinasynth.errors import MOST_SHOWN, DataError, InputError, OutputError, SettingError, shown
from retinasynth.eye.edges import from_edge
from retinasynth.eye.eye import PLANES, Eye, Geometry
from retinasynth.files import write_json
from retinasynth.images import Photograph, read_mask, read_photograph, write_mask, write_photograph
from retinasynth.parallel import in_order
from retinasynth.settings import Plane

GEOMETRY_FOLDER = "geometry"
PHOTOGRAPH_FOLDER = "images"
VERSION = 1

# Areas are filled, the last on top. They differ in hue and lightness, so that a reader who does not tell red from green
# tells them apart, on an orange retina too.
_AREAS = {
    "vessels": (110, 224, 236),
    "veins": (74, 140, 255),
    "arteries": (240, 36, 60),
    "soft_exudates": (248, 250, 244),
    "hard_exudates": (255, 226, 92),
    "haemorrhages": (110, 24, 200),
    "microaneurysms": (255, 30, 150),
}
_LINES = {"fov": (128, 134, 144), "disc": (246, 246, 246), "cup": (255, 190, 60), "fovea": (246, 246, 246)}
COLOURS: Mapping[str, tuple[int, int, int]] = _AREAS | _LINES  # of the planes in an overlay: red, green, blue
_GROUND, _OUTSIDE, _TEXT = (34, 37, 43), (14, 15, 18), (214, 218, 224)


class _About(BaseModel):
    """What ``geometry/NAME.json`` says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int
    name: str
    height: PositiveInt
    width: PositiveInt
    planes: list[Plane]
    photograph: bool
    geometry: Geometry | None


# --- Files -------------------------------------------------------------------------------------------------------


def write_label_map(folder: Path, eye: Eye, metadata: Mapping[str, str] | None = None) -> None:
    """Write an eye so that `read_label_map` gives back an equal one.

    Args:
        folder: may hold other eyes.
        eye: its name becomes that of the files.
        metadata: text to keep in the file of the photograph, such as that it is synthetic.

    Raises:
        InputError: the name cannot be one of a file, or the eye is without planes and photograph.
        OutputError: the folder has an eye of this name, or a file cannot be written.
    """
    if not eye.name or Path(eye.name).name != eye.name or eye.name.startswith("."):
        raise InputError(f"An eye is called {eye.name!r}", expected="what can be the name of a file")
    height, width = eye.size
    path = _about_path(folder, eye.name)
    if path.exists():
        raise OutputError(f"{path} exists already", do="Choose another folder or another name")
    writes = [
        functools.partial(write_mask, _picture_path(folder, plane, eye.name), mask)
        for plane, mask in eye.planes.items()
    ]
    if eye.photograph is not None:
        picture = _picture_path(folder, PHOTOGRAPH_FOLDER, eye.name)
        writes.append(functools.partial(write_photograph, picture, eye.photograph, metadata))
    for _ in in_order(lambda write: write(), writes, threads=len(writes)):  # together they wait for the disk once
        pass
    about = {
        "version": VERSION,
        "name": eye.name,
        "height": height,
        "width": width,
        "planes": [plane for plane in PLANES if plane in eye.planes],
        "photograph": eye.photograph is not None,
        "geometry": eye.geometry and _known(eye.geometry),
    }
    write_json(path, about)


def read_label_map(folder: Path, name: str) -> Eye:
    """The eye that `write_label_map` wrote: the same planes, empty ones too, photograph and geometry.

    Raises:
        DataError: there is no such eye, its JSON is damaged, of another version or names an unknown plane, a file that
            it names is missing, or a picture has another size than it says.
        ImageError: a picture is damaged.
    """
    path = _about_path(folder, name)
    about = _read_about(path)
    if about.name != name:
        raise DataError(f"{path} speaks of the eye {shown(about.name)}", expected=repr(name), do="Rename the file back")
    pictures: dict[str, Path] = {plane: _picture_path(folder, plane, name) for plane in about.planes}
    photograph_path = _picture_path(folder, PHOTOGRAPH_FOLDER, name)
    for file in (*pictures.values(), *([photograph_path] if about.photograph else [])):
        if not file.is_file():
            raise DataError(f"{file} is missing, though {path} names it", do="Copy the folder again")
    planes = {plane: read_mask(file, allow_empty=True) for plane, file in pictures.items()}
    photograph = read_photograph(photograph_path) if about.photograph else None
    for file, picture in ((photograph_path, photograph), *((pictures[plane], planes[plane]) for plane in planes)):
        if picture is not None:
            _check_size(path, about, file, picture.shape)
    return Eye(name, planes, photograph, about.geometry)


def read_geometry(path: Path, reference: Path, size: tuple[int, int]) -> Geometry | None:
    """The geometry in ``geometry/NAME.json``; None where that says that it is unknown.

    Args:
        path: the file.
        reference: a picture of the eye.
        size: height and width of that picture.

    Raises:
        DataError: the file is damaged or of another version, or speaks of a picture of another size.
    """
    about = _read_about(path)
    _check_size(path, about, reference, size)
    return about.geometry


def _known(geometry: Geometry) -> dict[str, Any]:
    """Without the atrophy where that is unknown: release 0.1 reads no file that names it."""
    fields = dataclasses.asdict(geometry)
    return {name: value for name, value in fields.items() if value is not None}


def _about_path(folder: Path, name: str) -> Path:
    return Path(folder) / GEOMETRY_FOLDER / f"{name}.json"


def _picture_path(folder: Path, kind: str, name: str) -> Path:
    return Path(folder) / kind / f"{name}.png"


def _read_about(path: Path) -> _About:
    content = read_json(
        path,
        DataError,
        what="what a label map says of itself",
        expected="a whole label map",
        do="Copy the folder again",
    )
    version = content.get("version")
    if version != VERSION:
        raise DataError(
            f"{path} has version {shown(version)}",
            expected=f"version {VERSION}",
            do="Update retinasynth, or write it anew",
        )
    try:
        return _About.model_validate_json(json.dumps(content))  # strict, but for what JSON has no word for
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: {where[:MOST_SHOWN]} is {shown(first['input'])}", expected=first["msg"]) from error
    except InputError as error:
        raise DataError(f"{path}: {error.got}", expected=error.expected) from error


def _check_size(path: Path, about: _About, file: Path, shape: tuple[int, ...]) -> None:
    if shape[:2] != (about.height, about.width):
        raise DataError(
            f"{file} is {shape[0]} x {shape[1]} px, but {path} says {about.height} x {about.width} px",
            expected="pictures as they were when the file was written",
            do="Resize the eye as a whole and write it anew, or remove the file",
        )


# --- Arrays ------------------------------------------------------------------------------------------------------


def one_hot(eye: Eye, planes: Sequence[str], *, unknown: Literal["raise", "zeros"] = "raise") -> NDArray[np.float32]:
    """Planes as channels of 0 and 1; a pixel may belong to several.

    Args:
        eye: whose planes.
        planes: which, in which order.
        unknown: what becomes of an absent plane: an error, or zeros, which look like an empty one; `known_planes` then
            tells the two apart, for instance to leave a channel out of a loss.

    Returns:
        ``float32 (planes, height, width)``.

    Raises:
        InputError: a plane does not exist, or is unknown in this eye.

    Example:
        >>> eye = Eye("a", {"disc": np.array([[True, False]])})
        >>> one_hot(eye, ["disc", "cup"], unknown="zeros").tolist(), known_planes(eye, ["disc", "cup"]).tolist()
        ([[[1.0, 0.0]], [[0.0, 0.0]]], [True, False])
    """
    known = known_planes(eye, planes)
    if unknown == "raise" and not known.all():
        raise _unknown_planes(eye, planes)
    channels = np.zeros((len(planes), *eye.size), np.float32)
    for channel, plane in zip(channels, planes, strict=True):
        channel[...] = eye.planes.get(plane, 0)
    return channels


def known_planes(eye: Eye, planes: Sequence[str]) -> NDArray[np.bool_]:
    """Which of these planes are known in this eye, if only to be empty: ``bool (planes,)``.

    Raises:
        InputError: a plane does not exist.
    """
    wrong = [plane for plane in planes if plane not in PLANES]
    if wrong:
        raise InputError(f"There is no plane {wrong[0]!r}", expected=f"some of: {', '.join(PLANES)}")
    return np.array([plane in eye.planes for plane in planes], np.bool_)


def class_map(eye: Eye, planes: Sequence[str]) -> NDArray[np.uint8]:
    """Planes as one number for each pixel, as nnU-Net and others read them.

    Args:
        eye: whose planes.
        planes: the first is class 1, the second class 2 and so on. Where several lie, the last wins: name what lies
            within something after it, as in ``["disc", "cup", "vessels"]``.

    Returns:
        ``uint8 (height, width)``, 0 where none of them is.

    Raises:
        InputError: a plane does not exist, or is unknown in this eye.

    Example:
        >>> disc, cup = np.array([[True, True, False]]), np.array([[False, True, False]])
        >>> class_map(Eye("a", {"disc": disc, "cup": cup}), ["disc", "cup"]).tolist()
        [[1, 2, 0]]
    """
    if not known_planes(eye, planes).all():
        raise _unknown_planes(eye, planes)
    classes = np.zeros(eye.size, np.uint8)
    for number, plane in enumerate(planes, start=1):
        classes[eye.planes[plane]] = number
    return classes


def _unknown_planes(eye: Eye, planes: Sequence[str]) -> InputError:
    return InputError(
        f"Eye {eye.name} does not tell its {', '.join(plane for plane in planes if plane not in eye.planes)}",
        expected="known planes; one that is empty is known",
    )


# --- Pictures ----------------------------------------------------------------------------------------------------


def overlay(eye: Eye, *, opacity: float = 0.8, legend: bool = False) -> Photograph:
    """The labels in colours, over the photograph where there is one, else over a dark ground.

    Vessels and lesions are filled, disc and cup and the field of view outlined, the fovea is a cross, and so is a disc
    of which the middle alone is marked. Arteries are red, veins blue, vessels of which that is not known cyan.

    Args:
        eye: with any planes.
        opacity: of the filled areas, 0 to 1.
        legend: add a strip below that names the colours of all known planes.

    Returns:
        ``uint8 (height, width, 3)``; higher by the strip.

    Raises:
        SettingError: `opacity` is outside 0 to 1.
        InputError: the eye has neither planes nor a photograph.
    """
    if not 0 <= opacity <= 1:
        raise SettingError(f"opacity is {opacity}", expected="0 to 1")
    picture = _ground(eye).astype(np.float32)
    colours, filled = picture.copy(), np.zeros(eye.size, np.bool_)
    for plane, colour in _AREAS.items():
        if plane in eye.planes:
            colours[eye.planes[plane]] = colour
            filled |= eye.planes[plane]
    picture[filled] += opacity * (colours - picture)[filled]
    width_px = max(1.5, min(eye.size) / 280)
    for plane, colour in _LINES.items():
        distance = _from_line(eye, plane)
        if distance is not None:
            # A dark halo keeps a line visible on the bright disc.
            _draw(picture, (0, 0, 0), 0.45 * np.clip(width_px + 0.5 - distance, 0, 1))
            _draw(picture, colour, np.clip(width_px / 2 + 0.5 - distance, 0, 1))
    drawn = np.rint(picture).astype(np.uint8)
    return np.concatenate([drawn, _legend(eye)]) if legend else drawn


def _ground(eye: Eye) -> Photograph:
    if eye.photograph is not None:
        return eye.photograph
    fov = eye.planes.get("fov", np.ones(eye.size, np.bool_))
    return np.where(fov[..., np.newaxis], np.array(_GROUND, np.uint8), np.array(_OUTSIDE, np.uint8))


def _draw(picture: NDArray[np.float32], colour: tuple[int, int, int], cover: NDArray[np.float64]) -> None:
    picture += cover[..., np.newaxis].astype(np.float32) * (np.array(colour, np.float32) - picture)


def _from_line(eye: Eye, plane: str) -> NDArray[np.float64] | None:
    """How far each pixel's centre is from what is drawn of a plane, in pixels; None where nothing is."""
    if plane in eye.planes and eye.planes[plane].any():
        mask = eye.planes[plane]
        return _from_cross(mask.shape, *np.argwhere(mask).mean(axis=0)) if plane == "fovea" else np.abs(from_edge(mask))
    if plane in eye.centres and plane not in eye.planes:
        column, row = eye.centres[plane]
        return _from_cross(eye.size, row, column)
    return None


def _from_cross(size: tuple[int, int], row: float, column: float) -> NDArray[np.float64]:
    """How far each pixel's centre is from an upright cross, in pixels."""
    arm = min(size) / 50
    down = np.abs(np.arange(size[0]) - row)[:, np.newaxis]
    aside = np.abs(np.arange(size[1]) - column)[np.newaxis, :]
    distance: NDArray[np.float64] = np.minimum(
        np.hypot(down, np.maximum(aside - arm, 0)), np.hypot(aside, np.maximum(down - arm, 0))
    )
    return distance


def _legend(eye: Eye) -> Photograph:
    """A strip as wide as the picture: a swatch and a name for each known plane, in as many lines as it takes."""
    width = eye.size[1]
    text_px = max(11, min(width // 40, 28))
    font = ImageFont.load_default(text_px)
    gap, line = text_px, 2 * text_px
    places: list[tuple[int, int, str, str]] = []
    x, y = gap, text_px // 2
    for plane, title in _titles(eye):
        wide = int(2 * text_px + font.getlength(title))
        if x > gap and x + wide > width:
            x, y = gap, y + line
        places.append((x, y, plane, title))
        x += wide + gap
    strip = Image.new("RGB", (width, y + line + text_px // 2), _OUTSIDE)
    draw = ImageDraw.Draw(strip)
    for x, y, plane, title in places:
        middle, right = y + line // 2, x + text_px
        if plane in _AREAS:
            draw.rounded_rectangle((x, middle - text_px // 2, right, middle + text_px // 2), 2, fill=_AREAS[plane])
        elif plane == "fovea":
            draw.line((x, middle, right, middle), _LINES[plane], max(1, text_px // 7))
            centre = x + text_px // 2
            draw.line(
                (centre, middle - text_px // 2, centre, middle + text_px // 2), _LINES[plane], max(1, text_px // 7)
            )
        else:
            draw.ellipse((x, middle - text_px // 2, right, middle + text_px // 2), outline=_LINES[plane], width=2)
        draw.text((right + text_px // 2, middle), title, fill=_TEXT, font=font, anchor="lm")
    return np.asarray(strip)


def _titles(eye: Eye) -> Iterator[tuple[str, str]]:
    """The known planes with what to call them; vessels only where they are more than arteries and veins."""
    named = [eye.planes[plane] for plane in ("arteries", "veins") if plane in eye.planes]
    for plane in PLANES:
        if plane not in eye.planes or (
            plane == "vessels" and named and (eye.planes[plane] <= np.any(named, axis=0)).all()
        ):
            continue
        name = "field of view" if plane == "fov" else plane.replace("_", " ")
        name = f"other {name}" if plane == "vessels" and named else name
        yield plane, name if eye.planes[plane].any() else f"{name}: none"
