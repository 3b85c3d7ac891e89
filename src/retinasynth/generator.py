"""What every generator can do; `retinasynth.pix2pix` and `retinasynth.styled` are the two that there are.

Whoever holds one asks what it needs and takes (`needed_planes`, `styles`), never which one it is.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, overload

import numpy as np

from retinasynth import images
from retinasynth.checks import SIDES_PX, checked_seed, whole_number
from retinasynth.errors import InputError
from retinasynth.eye import Eye, usable
from retinasynth.eye.camera import FieldChoice
from retinasynth.eye.style import NO_KNOBS, StyleChoice
from retinasynth.images import Mask, Photograph
from retinasynth.settings import Resize
from retinasynth.training.model_folder import GeneratorConfig

Drawable = Eye | Mask | Path | str  # what a photograph can be generated from
Size = int | Literal["model", "mask"]


@dataclass(frozen=True)
class Asked:
    """What is asked of a photograph; see `Generator.generate`."""

    seed: int
    size: Size
    style: StyleChoice | None
    knobs: Mapping[str, float]
    complete: bool
    fov: FieldChoice


class Generator(Protocol):
    """Generates photographs from label maps.

    Attributes:
        name: what the metadata of pictures call it.
        config: what it was trained on, and how.

    Example (needs a trained run)::

        model = rs.load("runs/first")
        photograph = model.generate("masks/eye-01.png")
    """

    name: str
    config: GeneratorConfig

    def __hash__(self) -> int:
        """A generator is itself alone."""
        return id(self)

    @overload
    def generate(  # type: ignore[overload-overlap]  # a str is one path, not a sequence of them
        self,
        what: Drawable,
        *,
        seed: int = 0,
        size: Size = "model",
        style: StyleChoice | None = None,
        knobs: Mapping[str, float] = NO_KNOBS,
        complete: bool = True,
        fov: FieldChoice = "camera",
    ) -> Photograph: ...
    @overload
    def generate(
        self,
        what: Sequence[Drawable],
        *,
        seed: int = 0,
        size: Size = "model",
        style: StyleChoice | None = None,
        knobs: Mapping[str, float] = NO_KNOBS,
        complete: bool = True,
        fov: FieldChoice = "camera",
    ) -> list[Photograph]: ...

    def generate(
        self,
        what: Drawable | Sequence[Drawable],
        *,
        seed: int = 0,
        size: Size = "model",
        style: StyleChoice | None = None,
        knobs: Mapping[str, float] = NO_KNOBS,
        complete: bool = True,
        fov: FieldChoice = "camera",
    ) -> Photograph | list[Photograph]:
        """The photograph of an eye, or of each in a list.

        The same eye and seed give the same photograph, alone or in a list. Masks of another size are resized by the
        nearest value to the size that the model was trained at; other shapes are stretched, letterboxed or framed, as
        the pictures were that it was trained on. The black bars of a letterbox are cut off again at size ``"mask"``.

        Args:
            what: an `Eye` with the planes that the model needs. For a model that needs a single plane also its mask
                ``bool (height, width)`` (or 0-1, or 0-255), or the path of one.
            seed: of dropout, or of style and noise; a model without either does not depend on it.
            size: of the photograph: ``"model"`` for the shape of the mask at the model's own size, which is that of
                the shorter side; ``"mask"`` for the size of the mask; or pixels of a square.
            style: one of the model's `styles`, a photograph or its path, that of a folder of photographs for their
                usual style, or a `retinasynth.eye.style.Style`.
            knobs: of that style, turned by steps: see `retinasynth.eye.style.turned`.
            complete: complete the label map first (`complete`).
            fov: where a label map without one has its field of view: ``"camera"`` where the camera of the style, or
                else of the training photographs, usually has it, if the picture has its shape and the vessels lie in
                it, and otherwise, as with ``"found"``, in a circle around the vessels; or a mask
                ``bool (height, width)``.

        Returns:
            ``uint8 (height, width, 3)``, or a list of these.

        Raises:
            InputError: this is no mask, or an empty, full or tiny one (`retinasynth.eye.eye.usable`), or the size or
                the style is impossible.
        """
        asked = self._checked(seed, size, style, knobs, fov, complete=complete)
        if isinstance(what, Eye | str | Path | np.ndarray):
            return self.photograph(self.eye_of(what), asked)
        return [self.photograph(self.eye_of(one), asked) for one in what]

    def _checked(
        self,
        seed: int,
        size: Size,
        style: StyleChoice | None,
        knobs: Mapping[str, float],
        fov: FieldChoice,
        *,
        complete: bool,
    ) -> Asked:
        if not isinstance(size, str) or size not in ("model", "mask"):
            least, most = SIDES_PX
            expected = f"'model', 'mask', or {least} to {most} pixels"
            size = whole_number(size, "size", least=least, most=most, expected=expected)
        if not self.styles and (style is not None or knobs):
            raise InputError(f"{self.name} follows no style", expected="a model of the architecture styled")
        if isinstance(fov, str) and fov not in ("camera", "found"):
            raise InputError(f"`fov` is {fov!r}", expected="'camera', 'found', or a mask")
        if not self.styles and not (isinstance(fov, str) and fov == "camera"):
            raise InputError(f"{self.name} sees whole pictures, with no field of view", expected="a styled model")
        return Asked(checked_seed(seed), size, style, knobs, complete, fov)

    @abstractmethod
    def photograph(self, eye: Eye, asked: Asked) -> Photograph:
        """The photograph of one eye; everything given is checked."""

    @abstractmethod
    def complete(self, eye: Eye) -> Eye:
        """The eye with what it does not tell and a photograph needs; the same eye where nothing is missing."""

    @property
    @abstractmethod
    def styles(self) -> tuple[str, ...]:
        """Words for a style that it understands; none where it follows no style."""

    @property
    @abstractmethod
    def needed_planes(self) -> tuple[str, ...]:
        """Label planes without which no photograph can be generated."""

    @property
    @abstractmethod
    def welcome_planes(self) -> tuple[str, ...]:
        """Label planes that are used where they are known."""

    @property
    def resize(self) -> Resize:
        """How label maps and photographs of other shapes become the square that it was trained at."""
        return "stretch"

    @property
    @abstractmethod
    def evaluated_size(self) -> Size:
        """The size at which its photographs are compared with real ones."""

    @abstractmethod
    def export_onnx(self, out: Path) -> None:
        """Write the generator as an ONNX file, ``NAME.onnx``.

        Raises:
            InputError: this kind of generator cannot be exported.
            MissingExtraError: onnx or onnxscript is not installed.
            OutputError: `out` exists already, is no ``.onnx``, or cannot be written.
        """

    def label(self, mask: Mask, size: Size) -> Mask:
        """A mask as it lies over the photograph that `generate` makes of it at `size`."""
        if not isinstance(size, str):
            return images.square_mask(mask, size, self.resize)
        return images.resize_mask(mask, self.picture_size(mask.shape, size))

    def picture_size(self, of: tuple[int, ...], size: Size) -> tuple[int, int]:
        """Height and width of the photograph that `generate` makes, at `size`, of a label map of height and width."""
        height, width = of
        if not isinstance(size, str):
            return size, size
        if size == "mask":
            return height, width
        scale = self.config.size_px / min(height, width)
        return round(height * scale), round(width * scale)

    def square(self, eye: Eye, planes: Sequence[str]) -> Eye:
        """These planes of an eye, and its photograph if it has one, as they lie over a generated photograph."""
        size_px, photograph = self.config.size_px, eye.photograph
        return replace(
            eye,
            planes={plane: images.square_mask(eye.planes[plane], size_px, self.resize) for plane in planes},
            photograph=None if photograph is None else images.square_photograph(photograph, size_px, self.resize),
        )

    def eye_of(self, what: Drawable) -> Eye:
        """What was given, as an eye with the planes that are needed, checked."""
        if not isinstance(what, Eye):
            plane, *others = self.needed_planes
            if others:
                raise InputError(
                    f"A single mask was given to {self.name}, which makes photographs from {plane}, "
                    f"{', '.join(others)}",
                    expected="an Eye with these planes, or a data set that has a folder for each",
                )
            return usable(Eye("mask", {plane: mask_of(what)}), what if isinstance(what, Path | str) else "")
        return usable(what)

    def style_name(self, style: StyleChoice | None) -> str:
        """What is said of a style in metadata: how it was chosen, and of a photograph the name of its file."""
        return Path(style).name if isinstance(style, str | Path) else "sampled" if style is None else "given"

    def provenance(
        self, seed: int, style: StyleChoice | None = None, knobs: Mapping[str, float] = NO_KNOBS
    ) -> dict[str, str]:
        """What the metadata of a picture made by this model say."""
        return {
            "Synthetic": "This picture is synthetic. It shows no patient and is not for diagnosis.",
            "Software": f"retinasynth {self.config.retinasynth_version}",
            "Model": self.name,
            "Seed": str(seed),
            **({"Style": self.style_name(style)} if self.styles else {}),
            **({"Knobs": ", ".join(f"{name}={steps:g}" for name, steps in knobs.items())} if knobs else {}),
        }


def mask_of(what: Mask | Path | str) -> Mask:
    """The mask in an array or a file, checked.

    Raises:
        InputError: it is empty, or not a binary picture.
    """
    if isinstance(what, np.ndarray):
        if what.dtype.kind not in "biuf":
            raise InputError(f"The mask is an array of {what.dtype}", expected="one of numbers, or of True and False")
        values = what.max(axis=2) if what.ndim == 3 else what
        if values.ndim != 2 or 0 in values.shape:
            raise InputError(
                f"The mask has shape {what.shape}", expected="(height, width) or (height, width, channels)"
            )
        if np.isnan(values).any() or (values.dtype != np.bool_ and len(np.unique(values)) > 2):
            raise InputError(
                f"The mask has {len(np.unique(values))} different values", expected="two: background and vessel"
            )
        mask = np.asarray(values > 0)
        if not mask.any():
            raise InputError("The mask is all black", expected="a mask with some white pixels")
        return mask
    return images.read_mask(Path(what))
