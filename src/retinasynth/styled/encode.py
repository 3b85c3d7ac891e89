"""From an eye of any camera and a wish for a style to what a styled generator takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth.checks import SIDES_PX, whole_number
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.eye.camera import FEWEST, Camera, FieldChoice, camera_with, cameras_of, fitted_field, usual_camera
from retinasynth.eye.field_of_view import field_around, find_field_of_view
from retinasynth.eye.frame import Frame, faces_left, frame_of, into_frame, out_of_frame
from retinasynth.eye.style import NUMBERS, Numbers, Style, StyleChoice, drawn_style
from retinasynth.images import Mask, Photograph, read_photograph, signed_from_photograph
from retinasynth.pages import is_file
from retinasynth.seeds import mixed_seed

ALONE = "vessels"  # what a bare mask holds
KINDS = ("arteries", "veins")  # of vessels, where they could be told
_NEARLY_WHOLE = 0.03  # of a square picture: so little its frame may differ, and the picture is taken as its frame
_SMALLEST_FIELD = 0.05  # of the picture
_OF_STYLE = 1  # mixed into the seed, so that the noise of a picture does not follow from its style


@dataclass(frozen=True)
class FramedEye:
    """A label map as a styled generator takes it.

    Attributes:
        layers: ``float32 (1 + planes, size_px, size_px)``: the field of view and the planes, signed, 0 unknown.
        frame: where it lies in the picture of the eye.
        size: of that picture, height and width.
        is_left: whether the disc lies in the left half; None where it is unknown.
    """

    layers: NDArray[np.float32]
    frame: Frame
    size: tuple[int, int]
    is_left: bool | None

    def back(self, photograph: Photograph, shown: tuple[int, int] | None = None) -> Photograph:
        """A photograph of the frame as it lies over the label map, resized to `shown`: ``uint8 (height, width, 3)``."""
        return out_of_frame(photograph, self.frame, self.size, shown)


def with_field(eye: Eye, cameras: Sequence[Camera] = (), fov: FieldChoice = "camera") -> tuple[Eye, Camera | None]:
    """An eye with its vessels and its field of view as planes, and the camera that it belongs to, where one is known.

    A field of view that is given, as a mask, as the plane ``fov`` or with a photograph, is taken. Of bare vessels it is
    the usual one of the camera that they may come from; of those that no camera fits, the circle around them.

    Args:
        eye: with vessels, or arteries and veins.
        cameras: that are known.
        fov: ``"camera"`` as above, ``"found"`` without the cameras, or a mask ``bool (height, width)``.

    Raises:
        InputError: the eye has no vessels, or none is drawn, or the mask has another shape.
    """
    known = dict(eye.planes)
    if "vessels" not in known and known.keys() >= {"arteries", "veins"}:
        known["vessels"] = known["arteries"] | known["veins"]
    if "vessels" not in known or not known["vessels"].any():
        raise InputError(
            f"Eye {eye.name} has {'an empty plane' if 'vessels' in known else 'no plane'} vessels",
            expected="an eye with vessels, or with arteries and veins",
        )
    camera = None
    given = _given_field(eye, fov)
    if given is not None:
        field, camera = given, camera_with(cameras, given)
    else:
        camera = None if isinstance(fov, str) and fov == "found" else usual_camera(cameras, known["vessels"])
        field = field_around(known["vessels"]) if camera is None else camera.field(eye.size)
    return replace(eye, planes=known | {"fov": field}), camera


def _given_field(eye: Eye, fov: FieldChoice) -> Mask | None:
    if not isinstance(fov, str):
        return fitted_field(fov, eye)
    if "fov" in eye.planes and eye.planes["fov"].any():
        return eye.planes["fov"]
    return None if eye.photograph is None else find_field_of_view(eye.photograph)


def framed_eye(eye: Eye, planes: tuple[str, ...], size_px: int) -> FramedEye:
    """An eye in the frame of its field of view.

    Args:
        eye: as `with_field` gives it; what it does is done here where it was not. Planes that a generator does not know
            are left out.
        planes: that the generator knows, in its order.
        size_px: of the frame.

    Raises:
        InputError: it has no vessels, or none is drawn, or the field of view is tiny.
    """
    known = with_field(eye)[0].planes
    field = known["fov"]
    if field.sum() < _SMALLEST_FIELD * field.size:
        raise InputError(
            f"The field of view of eye {eye.name} is {field.sum() / field.size:.1%} of its picture",
            expected=f"at least {_SMALLEST_FIELD:.0%}",
            do="Cut the picture, or give the field of view as a plane fov, if its vessels fill only a part of it",
        )
    frame = _whole_or(frame_of(field), eye.size)
    nothing = np.zeros(eye.size, np.bool_)
    stacked = [field, *(known.get(plane, nothing) for plane in planes)]
    layers = np.stack([into_frame(one.astype(np.uint8) * np.uint8(255), frame, size_px) for one in stacked], axis=-1)
    signed = signed_layers(layers, np.array([plane in known for plane in planes]), planes)
    disc = layers[..., 1 + planes.index("disc")] if "disc" in known and "disc" in planes else None
    return FramedEye(signed, frame, eye.size, None if disc is None else faces_left(disc))


def _whole_or(frame: Frame, size: tuple[int, int]) -> Frame:
    """The whole picture where the frame nearly is that, so that it need not be resampled twice."""
    height, width = size
    whole = Frame(height / 2, width / 2, float(height))
    furthest = max(abs(one - other) for one, other in zip(frame, whole, strict=True))
    return whole if height == width and furthest <= _NEARLY_WHOLE * height else frame


class Wanted(NamedTuple):
    """A style that was asked for.

    Attributes:
        style: what it is.
        detail: how much belongs to it, 0 (the most likely photograph) or 1 (one as a camera takes it).
        is_of_right_discs: whether it is that of eyes with the disc on the right, to be turned for others.
        cameras: of the photographs that lend it.
    """

    style: Style
    detail: float = 1.0
    is_of_right_discs: bool = False
    cameras: tuple[Camera, ...] = ()

    def towards(self, *, is_left: bool | None) -> Style:
        """The style of an eye whose disc lies on the left, or on the right, or somewhere (None)."""
        return self.style.mirrored() if self.is_of_right_discs and is_left else self.style


def wanted_style(choice: StyleChoice, styles: Numbers, size_px: int, seed: int) -> Wanted:
    """The style that is meant.

    Args:
        choice: ``"sampled"`` draws one from those of the training photographs; ``"expected"`` is their mean, without
            detail: the most likely photograph; a photograph, or the path of one, lends its own; or a `Style`.
        styles: of the training photographs, ``float32 (n, NUMBERS)``, with the disc on the right.
        size_px: of the generator.
        seed: of the draw.

    Raises:
        InputError: no such style.
        ImageError: a photograph cannot be read, or is black.
    """
    if isinstance(choice, Style):
        if choice.numbers.shape != (NUMBERS,):
            raise InputError(f"The style has {choice.numbers.size} numbers", expected=f"{NUMBERS}")
        return Wanted(choice)
    if isinstance(choice, np.ndarray):
        return _lent_by(choice, size_px)
    if choice == "expected":
        return Wanted(Style(styles.mean(axis=0)), 0.0, is_of_right_discs=True)
    if choice == "sampled":
        drawn = drawn_style(styles, np.random.default_rng(mixed_seed([seed, _OF_STYLE])))
        return Wanted(drawn, is_of_right_discs=True)
    if not is_file(Path(choice)):
        raise InputError(
            f"There is no style {str(choice)!r}",
            expected="sampled, expected, the file of a photograph, or a folder of photographs",
        )
    return _lent_by(read_photograph(Path(choice)), size_px, choice)


def _lent_by(photograph: Photograph, size_px: int, name: object = "The picture") -> Wanted:
    return Wanted(style_of(photograph, size_px, name), cameras=cameras_of([photograph], fewest=1))


def usual_style(photographs: Sequence[Photograph], discs: Sequence[Mask | None], size_px: int) -> Wanted:
    """The usual style of photographs, and their cameras.

    Args:
        photographs: each ``uint8 (height, width, 3)`` of any size; at least one.
        discs: of each the disc, ``bool`` of its size, or None where it is unknown; a photograph without counts with its
            mirror image.
        size_px: of the generator.

    Raises:
        ImageError: a photograph is black.
    """
    right = []
    for photograph, disc in zip(photographs, discs, strict=True):
        style = style_of(photograph, size_px)
        is_left = None if disc is None else faces_left(disc.astype(np.uint8))
        both = np.mean([style.numbers, style.mirrored().numbers], axis=0)
        right.append(both if is_left is None else (style.mirrored() if is_left else style).numbers)
    mean: Numbers = np.stack(right).mean(axis=0)
    return Wanted(
        Style(mean), is_of_right_discs=True, cameras=cameras_of(photographs, fewest=min(FEWEST, len(photographs)))
    )


def style_of(photograph: Photograph, size_px: int = 512, name: object = "The picture") -> Style:
    """The style of a photograph of any camera and size.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        size_px: of the generator that will follow it: what is finer than its pixels does not count.
        name: its file, for messages.

    Raises:
        ImageError: it is black.
    """
    size_px = whole_number(size_px, "size_px", least=SIDES_PX[0], most=SIDES_PX[1])
    field = find_field_of_view(photograph, name)
    frame = frame_of(field)
    covered = into_frame(field.astype(np.uint8) * np.uint8(255), frame, size_px)
    return Style.of(into_frame(photograph, frame, size_px), covered)


def signed_layers(layers: NDArray[np.uint8], known: NDArray[np.bool_], planes: Sequence[str]) -> NDArray[np.float32]:
    """What is covered, as networks are shown it: -1 outside, 1 inside, 0 unknown.

    Where arteries and veins are both known, it is unknown of a vessel in neither which it is; one of the two planes
    alone is taken to be whole.

    Args:
        layers: the field of view and the planes, ``uint8 (size, size, 1 + planes)``, 255 where a pixel is covered.
        known: which planes are, ``bool (planes,)``.
        planes: their names.

    Returns:
        ``float32 (1 + planes, size, size)``.
    """
    signed = signed_from_photograph(layers)
    kinds = [1 + place for place, plane in enumerate(planes) if plane in KINDS and known[place]]
    if len(kinds) == len(KINDS):
        told = layers[..., kinds].max(axis=2)
        vessels = layers[..., 1 + planes.index(ALONE)]
        signed[kinds] += (vessels - np.minimum(vessels, told)) / np.float32(255)
    signed[1:][~known] = 0
    return signed
