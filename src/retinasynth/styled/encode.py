"""From an eye of any camera and a wish for a style to what a styled generator takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retinasynth.checks import SIDES_PX, whole_number
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.eye.field_of_view import field_around, find_field_of_view
from retinasynth.eye.frame import Frame, faces_left, frame_of, into_frame, out_of_frame
from retinasynth.eye.style import NUMBERS, Numbers, Style, StyleChoice, drawn_style
from retinasynth.images import Mask, Photograph, read_photograph, signed_from_photograph
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


def framed_eye(eye: Eye, planes: tuple[str, ...], size_px: int) -> FramedEye:
    """An eye in the frame of its field of view, which is taken from its plane, its photograph or around its vessels.

    Args:
        eye: with vessels, or arteries and veins; planes that a generator does not know are left out.
        planes: that the generator knows, in its order.
        size_px: of the frame.

    Raises:
        InputError: it has no vessels, or none is drawn, or the field of view is tiny.
    """
    known = dict(eye.planes)
    if "vessels" not in known and known.keys() >= {"arteries", "veins"}:
        known["vessels"] = known["arteries"] | known["veins"]
    if "vessels" not in known or not known["vessels"].any():
        raise InputError(
            f"Eye {eye.name} has {'an empty plane' if 'vessels' in known else 'no plane'} vessels",
            expected="an eye with vessels, or with arteries and veins",
        )
    field = _field(eye, known["vessels"])
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


def _field(eye: Eye, vessels: Mask) -> Mask:
    if "fov" in eye.planes and eye.planes["fov"].any():
        return eye.planes["fov"]
    return find_field_of_view(eye.photograph) if eye.photograph is not None else field_around(vessels)


def _whole_or(frame: Frame, size: tuple[int, int]) -> Frame:
    """The whole picture where the frame nearly is that, so that it need not be resampled twice."""
    height, width = size
    whole = Frame(height / 2, width / 2, float(height))
    furthest = max(abs(one - other) for one, other in zip(frame, whole, strict=True))
    return whole if height == width and furthest <= _NEARLY_WHOLE * height else frame


def chosen_style(choice: StyleChoice, styles: Numbers, eye: FramedEye, seed: int) -> tuple[Style, float]:
    """The style that is meant, and how much detail belongs to it.

    Args:
        choice: ``"sampled"`` draws one from those of the training photographs; ``"expected"`` is their mean, without
            detail: the most likely photograph; a photograph, or the path of one, lends its own; or a `Style`.
        styles: of the training photographs, ``float32 (n, NUMBERS)``, with the disc on the right.
        eye: a style that is sampled or expected is turned to the side of its disc; one that is lent stays as it is.
        seed: of the draw.

    Raises:
        InputError: no such style.
        ImageError: a photograph cannot be read, or is black.
    """
    size_px = eye.layers.shape[1]
    if isinstance(choice, Style):
        if choice.numbers.shape != (NUMBERS,):
            raise InputError(f"The style has {choice.numbers.size} numbers", expected=f"{NUMBERS}")
        return choice, 1.0
    if isinstance(choice, np.ndarray):
        return style_of(choice, size_px), 1.0
    if choice in ("expected", "sampled"):
        is_expected = choice == "expected"
        random = np.random.default_rng(mixed_seed([seed, _OF_STYLE]))
        style = Style(styles.mean(axis=0)) if is_expected else drawn_style(styles, random)
        return style.mirrored() if eye.is_left else style, 0.0 if is_expected else 1.0
    if not Path(choice).is_file():
        raise InputError(f"There is no style {str(choice)!r}", expected="sampled, expected, or a photograph's file")
    return style_of(read_photograph(Path(choice)), size_px), 1.0


def style_of(photograph: Photograph, size_px: int = 512) -> Style:
    """The style of a photograph of any camera and size.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        size_px: of the generator that will follow it: what is finer than its pixels does not count.

    Raises:
        ImageError: it is black.
    """
    size_px = whole_number(size_px, "size_px", least=SIDES_PX[0], most=SIDES_PX[1])
    field = find_field_of_view(photograph)
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
