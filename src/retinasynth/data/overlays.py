"""Coloured overlays of the eyes in a mask file, a folder of label maps or a data set."""

from pathlib import Path

from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError, OutputError
from retinasynth.eye.label_map import overlay
from retinasynth.files import new_folder
from retinasynth.images import stem_of, write_photograph
from retinasynth.pages import is_file
from retinasynth.progress import progress


def write_overlays(path: Path, out: Path, *, opacity: float = 0.8, legend: bool = True) -> int:
    """Write the overlay of each eye that has labels (see `retinasynth.eye.label_map.overlay`) as PNG.

    Args:
        path: the mask file of vessels, or a folder of label maps, or a data set in any known layout.
        out: a new or empty folder for ``NAME.png``; for a single eye it may be a new ``FILE.png``.
        opacity: of the filled areas, 0 to 1.
        legend: add a strip below that names the colours.

    Returns:
        How many.

    Raises:
        DataError: there is nothing there, or nothing with labels.
        ImageError: a picture cannot be used.
        OutputError: `out` exists already, is one file for several eyes, or cannot be written.
        SettingError: `opacity` is outside 0 to 1.
    """
    eyes = labelled_eyes(path)
    is_file = out.suffix.lower() == ".png"
    if is_file and len(eyes) > 1:
        raise OutputError(f"{out} is one file, but {path} has {len(eyes)} eyes", expected="a folder")
    if is_file and out.exists():
        raise OutputError(f"{out} exists already", do="Choose another `out`, or remove it first")
    folder = out.parent if is_file else new_folder(out, what="the overlays")
    with progress("Drawing", len(eyes)) as advance:
        for number, files in enumerate(eyes, start=1):
            picture = overlay(read_eye(files), opacity=opacity, legend=legend)
            write_photograph(out if is_file else folder / f"{files.name}.png", picture)
            advance(number, files.name)
    return len(eyes)


def labelled_eyes(path: Path) -> list[EyeFiles]:
    """The eyes in a mask file of vessels, a folder of label maps or a data set that have any labels.

    Raises:
        DataError: there is none.
    """
    eyes = [_vessels_in(path)] if is_file(path) else [eye for eye in find_eyes(path).eyes if eye.planes]
    if not eyes:
        raise DataError(f"No eye in {path} has labels", expected="a mask file, a folder of label maps, or a data set")
    return eyes


def _vessels_in(file: Path) -> EyeFiles:
    name = stem_of(file)
    return EyeFiles(name, photograph=None, planes={"vessels": file}, eye=name, subject=name, split="train")
