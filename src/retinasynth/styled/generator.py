"""The styled generator as users hold it: labels, of which many may be unknown, and a style in, a photograph out."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from retinasynth.data.batches import stamp_of
from retinasynth.data.find import photograph_of
from retinasynth.data.photographs import photographs_in
from retinasynth.eye import Eye
from retinasynth.eye.style import StyleChoice, turned
from retinasynth.generator import Asked, Generator, Size
from retinasynth.images import Mask, Photograph
from retinasynth.networks.running import move_for_generation
from retinasynth.progress import progress
from retinasynth.seeds import mixed_seed
from retinasynth.styled.encode import FramedEye, Wanted, framed_eye, usual_style, wanted_style, with_field
from retinasynth.styled.model import Config, Model
from retinasynth.styled.photograph import generate_styled
from retinasynth.styled.settings import ALWAYS_NEEDED

MOST_LENDERS = 100  # photographs of a folder whose usual style is measured; more tell little more
_OF_BACKGROUND = 2  # mixed into the seed, so that how dark it is does not follow from style and noise


class FoundDisc(NamedTuple):
    """A disc, ``bool (height, width)``, or None, and how far whoever found it is to be trusted, 0 to 1."""

    disc: Mask | None
    confidence: float


FindDisc = Callable[[Photograph], FoundDisc]


class Styled(Generator):
    """The generator that follows a style.

    Args:
        model: a network with its configuration.
        name: what the metadata of pictures call it.
        find_disc: finds the disc in a photograph; None leaves label maps without a disc as they are.
    """

    config: Config

    def __init__(self, model: Model, name: str, find_disc: FindDisc | None = None) -> None:
        self.name, self.config = name, model.config
        self.network = model.network
        self._find_disc = find_disc
        self._completed: tuple[bytes, Mask | None] = (b"", None)
        self._lent: dict[str, Wanted] = {}
        move_for_generation(model.network)

    def photograph(self, eye: Eye, asked: Asked) -> Photograph:
        """The photograph of one eye in a style; the most likely one (``"expected"``) needs no disc."""
        wanted = self._wanted("sampled" if asked.style is None else asked.style, asked.seed)
        lent = [camera for camera in wanted.cameras if camera.fits(eye.size)]
        eye, camera = with_field(eye, lent or self.config.cameras, asked.fov)
        if asked.complete and wanted.detail:
            eye = self.complete(eye)
        framed = self._framed(eye)
        numbers = turned(wanted.towards(is_left=framed.is_left), asked.knobs).numbers
        generated = generate_styled(self.network, framed.layers, numbers, detail=wanted.detail, seed=asked.seed)
        size = self.picture_size(eye.size, asked.size)
        photograph = framed.back(generated, size)
        if camera is None:
            return photograph
        random = np.random.default_rng(mixed_seed([asked.seed, _OF_BACKGROUND])) if wanted.detail else None
        return camera.surrounded(photograph, eye.planes["fov"], random)

    def _wanted(self, choice: StyleChoice, seed: int) -> Wanted:
        if isinstance(choice, str | Path) and choice not in self.styles and Path(choice).is_dir():
            return self._usual_style_in(Path(choice))
        return wanted_style(choice, self.network.styles.cpu().numpy(), self.config.size_px, seed)

    def _usual_style_in(self, folder: Path) -> Wanted:
        """That of a folder of photographs, of a large one that of `MOST_LENDERS` of them; it is remembered."""
        files = photographs_in(folder)
        files = [files[round(place)] for place in np.linspace(0, len(files) - 1, min(len(files), MOST_LENDERS))]
        key = json.dumps([stamp_of(one, ()) for one in files])
        if key not in self._lent:
            photographs, discs = [], []
            with progress("Measuring the style", len(files)) as advance:
                for number, one in enumerate(files, start=1):
                    photographs.append(photograph_of(one))
                    discs.append(self._find_disc(photographs[-1]).disc if self._find_disc else None)
                    advance(number, one.name)
            self._lent = {key: usual_style(photographs, discs, self.config.size_px)}
        return self._lent[key]

    def _framed(self, eye: Eye) -> FramedEye:
        return framed_eye(eye, self.config.planes, self.config.size_px)

    def complete(self, eye: Eye) -> Eye:
        """The eye with the disc that its most likely photograph shows, where it tells none.

        A disc that is unknown is drawn where the vessels meet, but its edge is left to chance. On which side it lies is
        unknown, too, so the most likely photographs of both sides are made, and the surer disc is taken. A model that
        has mostly learnt from eyes without a disc draws better without: its eyes stay as they are. The last label map
        is remembered, since one is often photographed in many styles.

        Returns:
            The same eye where it has a disc, or none is found.
        """
        if self._find_disc is None or "disc" in eye.planes or self.config.share_showing("disc") <= 0.5:
            return eye
        framed = self._framed(with_field(eye, self.config.cameras)[0])
        key = hashlib.sha256(framed.layers.tobytes()).digest()
        if self._completed[0] != key:
            self._completed = key, self._disc_of(framed, self._find_disc)
        disc = self._completed[1]
        return eye if disc is None else replace(eye, planes={**eye.planes, "disc": disc})

    def _disc_of(self, framed: FramedEye, find_disc: FindDisc) -> Mask | None:
        style = self._wanted("expected", seed=0).style
        sides = [
            find_disc(framed.back(generate_styled(self.network, framed.layers, one.numbers, detail=0, seed=0)))
            for one in (style, style.mirrored())
        ]
        return max(sides, key=lambda found: found.confidence).disc

    @property
    def styles(self) -> tuple[str, ...]:
        """Drawn by the seed, or the most likely one."""
        return ("sampled", "expected")

    @property
    def needed_planes(self) -> tuple[str, ...]:
        """The vessels alone."""
        return ALWAYS_NEEDED

    @property
    def welcome_planes(self) -> tuple[str, ...]:
        """All others that it knows, and the field of view."""
        return (*self.config.planes, "fov")

    @property
    def evaluated_size(self) -> Size:
        """That of the mask, since its frame is another than the picture."""
        return "mask"

    def export_onnx(self, out: Path) -> None:
        """Write the network as an ONNX file (`retinasynth.styled.onnx`); completing a label map is not part of it."""
        from retinasynth.styled.onnx import export_onnx  # noqa: PLC0415 - an extra

        export_onnx(Model(self.network, self.config), out)
