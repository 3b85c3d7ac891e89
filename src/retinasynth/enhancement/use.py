"""Enhancers as users hold them: a photograph in, a less noisy, sharper or larger one out."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import retinasynth
from retinasynth.checks import whole_number
from retinasynth.data.find import photograph_of
from retinasynth.data.photographs import as_photograph, photographs_in
from retinasynth.decoding import MAX_PIXELS
from retinasynth.enhancement.degradation import SCALES, Told
from retinasynth.enhancement.model import EnhancerModel, load_enhancer
from retinasynth.enhancement.network import enhanced
from retinasynth.errors import DataError, ImageError, InputError
from retinasynth.files import MANIFEST
from retinasynth.images import Photograph, write_photograph
from retinasynth.networks.running import move_for_generation
from retinasynth.progress import progress
from retinasynth.resuming import CHECKSUMS, Line, add_line, begun_folder, checksums
from retinasynth.training.bundled import ENHANCERS, model_folder

WARNING = (
    "Enhancement can invent detail and lose it, small lesions and thin vessels first. Keep the originals; not for "
    "diagnosis."
)
REQUEST = "enhancement.json"


class Enhancer:
    """Makes photographs less noisy, sharper, and larger.

    Args:
        model: a network with its configuration.
        name: of the model.

    Example (needs a photograph)::

        Enhancer.load("enhance").enhance("eye.jpg", scale=2)  # uint8 (2 x height, 2 x width, 3)
    """

    def __init__(self, model: EnhancerModel, name: str) -> None:
        self.name, self.model, self.config = name, model, model.config
        move_for_generation(model.network)

    @classmethod
    def load(cls, model: Path | str = "enhance") -> Self:
        """The bundled enhancer by its name, or the one in a run folder or a model folder.

        Raises:
            ModelError: there is none, or one of its files is missing, damaged or foreign.
        """
        folder = model_folder(model, bundled=ENHANCERS, command="enhance train")
        return cls(load_enhancer(folder), Path(model).resolve().name)

    def enhance(
        self,
        photograph: Photograph | Path | str,
        scale: int = 1,
        *,
        noise: bool | None = None,
        blur: bool | None = None,
    ) -> Photograph:
        """A photograph enhanced. It may invent detail and lose it: not for diagnosis.

        Args:
            photograph: ``uint8 (height, width, 3)`` or ``(height, width)``, or a file.
            scale: 1 keeps its size, 2 and 4 make height and width so many times as large.
            noise: whether it is noisy; what is known is used, None leaves it to the network.
            blur: whether it is blurred, likewise.

        Returns:
            ``uint8 (scale x height, scale x width, 3)``.

        Raises:
            ImageError: the picture is unreadable or too small, or the result would be too large.
            InputError: an array is no photograph, or there is no such scale.
        """
        refuse_other_scales(scale)
        picture, name = as_photograph(photograph)
        height, width = (scale * side for side in picture.shape[:2])
        if height * width > MAX_PIXELS:
            raise ImageError(
                f"{name} would be {height} x {width} px",
                expected=f"at most {MAX_PIXELS // 10**6} million pixels",
                do="Choose a smaller scale",
            )
        return enhanced(self.model.network, picture, Told(scale, noise=noise, blur=blur))

    def metadata(self, scale: int) -> dict[str, str]:
        """What an enhanced picture says of itself."""
        software = f"retinasynth {retinasynth.__version__}"
        return {"software": software, "enhanced_by": self.name, "scale": str(scale), "warning": WARNING}


def refuse_other_scales(scale: int) -> None:
    """Raise InputError where photographs cannot be enlarged so."""
    expected = f"one of: {', '.join(map(str, SCALES))}"
    if whole_number(scale, "The scale", expected=expected) not in SCALES:
        raise InputError(f"The scale is {scale}", expected=expected)


def enhance_folder(
    enhancer: Enhancer,
    path: Path,
    out: Path,
    *,
    scale: int = 1,
    noise: bool | None = None,
    blur: bool | None = None,
    doubt: Callable[[Photograph], str] | None = None,
) -> dict[str, str]:
    """Enhance photographs.

    Writes ``images/NAME.png``, whose metadata say what was done, and ``manifest.jsonl``. What does not look like a
    fundus photograph, or cannot be enhanced, is said there. Run again, it goes on where it stopped.

    Args:
        enhancer: that does it.
        path: a photograph, a folder of them, or a data set.
        out: a new or empty folder, or that of the same work.
        scale: see `Enhancer.enhance`.
        noise: likewise.
        blur: likewise.
        doubt: says why an enhanced photograph does not look like one, empty where it does; None where nobody looks.

    Returns:
        By name of the photograph, what speaks against it.

    Raises:
        DataError: there is nothing at `path`, or nothing there can be enhanced, or `out` was begun with another
            request.
        ImageError: it is one photograph, and that cannot be enhanced.
        InputError: there is no such scale.
        OutputError: `out` has something else in it or cannot be written.
    """
    refuse_other_scales(scale)
    eyes = photographs_in(path)
    asked: dict[str, object] = {
        "model": enhancer.name,
        "training": dict(enhancer.config.training),
        "scale": scale,
        "noise": noise,
        "blur": blur,
        "photographs": [one.name for one in eyes],
    }
    alone = len(eyes) == 1
    with (
        begun_folder(out, REQUEST, asked, what="enhanced photographs") as done,
        progress("Enhancing", len(eyes), quiet=alone) as advance,
    ):
        for number, files in enumerate(eyes, start=1):
            if files.name not in done:
                line: Line = {"name": files.name}
                try:
                    better = enhancer.enhance(photograph_of(files), scale, noise=noise, blur=blur)
                except ImageError as error:
                    if alone:
                        raise
                    line["rejected"] = error.got
                else:
                    write_photograph(out / "images" / f"{files.name}.png", better, enhancer.metadata(scale))
                    if doubt:
                        line["doubt"] = doubt(better)
                    line[CHECKSUMS] = checksums(out, files.name)
                add_line(out / MANIFEST, line)
                done[files.name] = line
            advance(number, files.name)
    if all("rejected" in line for line in done.values()):
        raise DataError(f"None of the {len(eyes)} photographs could be enhanced; {out / MANIFEST} says why")
    reasons = {name: str(line.get("rejected") or line.get("doubt", "")) for name, line in done.items()}
    return {name: reason for name, reason in reasons.items() if reason}
