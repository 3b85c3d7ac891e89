"""The generator as users hold it: load once, then ask for photographs."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self, overload

import numpy as np
from torch import nn

from retinasynth import images
from retinasynth.anatomy import Eye, usable
from retinasynth.anatomy.style import turned
from retinasynth.checks import SIDES_PX, checked_seed, whole_number
from retinasynth.datasets.pairs import labels_of
from retinasynth.errors import InputError
from retinasynth.images import Mask, Photograph
from retinasynth.models.generation import generate_photograph, generate_styled, move_for_generation
from retinasynth.models.saving import Model, load_model
from retinasynth.models.styled import StyledGenerator
from retinasynth.models.weights import GENERATORS, model_folder
from retinasynth.synthesis.styling import FramedEye, StyleChoice, chosen_style, framed_eye

Drawable = Eye | Mask | Path | str  # what a photograph can be generated from
Size = int | Literal["model", "mask"]
NO_KNOBS: Mapping[str, float] = {}


class Synthesizer:
    """Generates photographs from label maps.

    Args:
        model: a generator with its configuration.
        name: what the pictures' metadata call it.

    Example (needs a trained run)::

        model = rs.load("runs/first")
        photograph = model.generate("masks/eye-01.png")
    """

    def __init__(self, model: Model, name: str) -> None:
        self.name, self.config = name, model.config
        self._network = move_for_generation(model.network)
        self._looked_at: tuple[bytes, Mask | None] = (b"", None)

    @classmethod
    def load(cls, model: Path | str) -> Self:
        """A bundled model by its name, or the one in a run folder or a model folder.

        Raises:
            ModelError: there is none, or one of its files is missing, damaged or foreign.
        """
        return cls(load_model(model_folder(model, bundled=GENERATORS)), name=Path(model).resolve().name)

    @property
    def network(self) -> nn.Module:
        """The generator itself."""
        return self._network

    @overload
    def generate(  # type: ignore[overload-overlap]  # a str is one path, not a sequence of them
        self,
        what: Drawable,
        *,
        seed: int = 0,
        size: Size = "model",
        style: StyleChoice | None = None,
        knobs: Mapping[str, float] = NO_KNOBS,
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
    ) -> list[Photograph]: ...

    def generate(
        self,
        what: Drawable | Sequence[Drawable],
        *,
        seed: int = 0,
        size: Size = "model",
        style: StyleChoice | None = None,
        knobs: Mapping[str, float] = NO_KNOBS,
    ) -> Photograph | list[Photograph]:
        """The photograph of an eye, or of each in a list.

        The same eye and seed give the same photograph, alone or in a list. Masks of another size are resized by the
        nearest value to the size that the model was trained at; other shapes are stretched or letterboxed, as the
        pictures were that it was trained on. The black bars of a letterbox are cut off again at size ``"mask"``.

        Args:
            what: an `Eye` with the planes of the model, or a list of these. For a model of a single plane also its
                mask ``bool (height, width)`` (or 0-1, or 0-255), or the path of one. A styled model needs the vessels
                alone, and takes what else it knows.
            seed: of the model's dropout, or of style and noise; a model without either does not depend on it.
            size: of the photograph: ``"model"`` for the model's own, ``"mask"`` for that of the mask, or pixels of
                a square.
            style: of a styled model alone: ``"sampled"`` (usual) draws one by the seed; ``"expected"`` makes the most
                likely photograph; a photograph or its path lends its own (`retinasynth.synthesis.styling`).
            knobs: of that style, turned by steps: see `retinasynth.anatomy.style.turned`.

        Returns:
            ``uint8 (height, width, 3)``, or a list of these.

        Raises:
            InputError: this is no mask, or an empty, full or tiny one (`retinasynth.anatomy.eye.usable`), or the size
                or the style is impossible.
        """
        if isinstance(what, Eye | str | Path | np.ndarray):
            return self._generate_one(what, seed, size, style, knobs)
        return [self._generate_one(one, seed, size, style, knobs) for one in what]

    def _generate_one(
        self, what: Drawable, seed: int, size: Size, style: StyleChoice | None, knobs: Mapping[str, float]
    ) -> Photograph:
        seed = checked_seed(seed)
        if not isinstance(size, str) or size not in ("model", "mask"):
            least, most = SIDES_PX
            expected = f"'model', 'mask', or {least} to {most} pixels"
            size = whole_number(size, "size", least=least, most=most, expected=expected)
        if isinstance(self._network, StyledGenerator):
            choice = "sampled" if style is None else style
            return self._styled(self._network, self._labelled(what), seed, size, choice, knobs)
        if style is not None or knobs:
            raise InputError(f"{self.name} follows no style", expected="a model of the architecture styled")
        eye = self._eye(what)
        labels = labels_of(eye, self.config.planes, self.config.size_px, self.config.resize)
        photograph = generate_photograph(self._network, labels, channels=self.config.label_channels, seed=seed)
        if size == "model":
            return photograph
        if size == "mask":
            return images.unsquare_photograph(photograph, eye.size, self.config.resize)
        return images.resize_photograph(photograph, (size, size))

    def _styled(
        self,
        network: StyledGenerator,
        eye: Eye,
        seed: int,
        size: Size,
        choice: StyleChoice,
        knobs: Mapping[str, float],
    ) -> Photograph:
        framed = framed_eye(eye, self.config.planes, self.config.size_px)
        is_expected = isinstance(choice, str) and choice == "expected"
        if self._draws_told_discs and "disc" not in eye.planes and not is_expected:
            disc = self._expected_disc(network, framed)
            if disc is not None:
                eye = replace(eye, planes={**eye.planes, "disc": disc})
                framed = framed_eye(eye, self.config.planes, self.config.size_px)
        style, detail = chosen_style(choice, network.styles.cpu().numpy(), framed, seed)
        numbers = turned(style, knobs).numbers
        photograph = generate_styled(network, framed.layers, numbers, detail=detail, seed=seed)
        side = self.config.size_px if size == "model" else size
        return framed.back(photograph, None if side == "mask" else (side, side))

    @property
    def _draws_told_discs(self) -> bool:
        """Whether it has mostly learnt from known discs; what has learnt from vessels alone draws better without."""
        return self.config.share_showing("disc") > 0.5

    def _expected_disc(self, network: StyledGenerator, framed: FramedEye) -> Mask | None:
        """The disc that the most likely photograph of a label map shows; None where a segmenter finds none there.

        A disc that is unknown is drawn where the vessels meet, but its edge is left to chance. On which side it lies is
        unknown, too, so the most likely photographs of both sides are looked at, and the surer disc is taken. The last
        label map is kept in mind: it is often photographed in many styles.
        """
        from retinasynth.synthesis.discs import find_disc  # noqa: PLC0415  # what finds takes a second to import

        key = hashlib.sha256(framed.layers.tobytes()).digest()
        looked_at = self._looked_at
        if looked_at[0] != key:
            style, detail = chosen_style("expected", network.styles.cpu().numpy(), framed, seed=0)
            sides = [
                find_disc(framed.back(generate_styled(network, framed.layers, one.numbers, detail=detail, seed=0)))
                for one in (style, style.mirrored())
            ]
            looked_at = self._looked_at = key, max(sides, key=lambda found: found.confidence).disc
        return looked_at[1]

    def _labelled(self, what: Drawable) -> Eye:
        return usable(what if isinstance(what, Eye) else Eye("mask", {"vessels": mask_of(what)}), _source(what))

    def _eye(self, what: Drawable) -> Eye:
        """What was given, as an eye with the planes of the model, checked."""
        planes = self.config.planes
        if isinstance(what, Eye):
            missing = [plane for plane in planes if plane not in what.planes]
            if missing:
                raise InputError(
                    f"Eye {what.name} has no plane {' and no '.join(missing)}",
                    expected=f"an eye with what the model is made from: {', '.join(planes)}",
                )
            if not what.planes[planes[0]].any():
                raise InputError(f"Eye {what.name} has an empty plane {planes[0]}", expected="some pixels in it")
            return usable(what)
        if len(planes) > 1:
            raise InputError(
                f"A single mask was given to {self.name}, which makes photographs from {', '.join(planes)}",
                expected="an Eye with these planes, or a data set that has a folder for each",
            )
        return usable(Eye("mask", {planes[0]: mask_of(what)}), _source(what))

    def label(self, mask: Mask, size: Size) -> Mask:
        """A mask as it lies over the photograph that `generate` makes of it at `size`."""
        if size == "mask":
            return mask
        return images.square_mask(mask, self.config.size_px if size == "model" else size, self.config.resize)

    @property
    def needed_planes(self) -> tuple[str, ...]:
        """Label planes without which no photograph can be generated."""
        return ("vessels",) if self.config.is_styled else self.config.planes

    @property
    def welcome_planes(self) -> tuple[str, ...]:
        """Label planes that are used where they are known."""
        return (*self.config.planes, "fov") if self.config.is_styled else ()

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
            **({"Style": self.style_name(style)} if self.config.is_styled else {}),
            **({"Knobs": ", ".join(f"{name}={steps:g}" for name, steps in knobs.items())} if knobs else {}),
        }


def load(model: Path | str) -> Synthesizer:
    """The model of that name, or in a run folder or a model folder, ready to generate; see `Synthesizer.load`."""
    return Synthesizer.load(model)


def _source(what: Drawable) -> Path | str:
    return what if isinstance(what, Path | str) else ""


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
