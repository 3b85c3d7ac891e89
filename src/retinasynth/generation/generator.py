"""Generators by name or folder: the one place that knows which products there are."""

from pathlib import Path

from retinasynth.generator import Generator
from retinasynth.images import Photograph
from retinasynth.pix2pix.generator import Pix2Pix
from retinasynth.pix2pix.model import load_model as load_pix2pix
from retinasynth.styled.generator import FoundDisc, Styled
from retinasynth.styled.model import load_model as load_styled
from retinasynth.training.bundled import GENERATORS, model_folder
from retinasynth.training.model_folder import architecture_of


def load(model: Path | str) -> Generator:
    """A bundled generator by its name, or the one in a run folder or a model folder, ready to generate.

    Raises:
        ModelError: there is none, or one of its files is missing, damaged or foreign.
    """
    folder, name = model_folder(model, bundled=GENERATORS), Path(model).resolve().name
    if architecture_of(folder) == "styled":
        return Styled(load_styled(folder), name, _find_disc)
    return Pix2Pix(load_pix2pix(folder), name)


def _find_disc(photograph: Photograph) -> FoundDisc:
    from retinasynth.generation.complete import find_disc  # noqa: PLC0415 - what finds takes a second to import

    return find_disc(photograph)
