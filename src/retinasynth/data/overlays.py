"""Coloured overlays of the eyes in a mask file, a folder of label maps or a data set."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from retinasynth.data.codes import with_codes
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.data.places import is_data_set
from retinasynth.errors import DataError, InputError, OutputError
from retinasynth.eye.label_map import overlay
from retinasynth.files import explaining_write_errors, new_folder
from retinasynth.images import Photograph, draw_panels, encoded, square_photograph, stem_of, write_photograph
from retinasynth.progress import progress

_SHEET_PX, _SHEET_COLUMNS, _SHEET_ROWS = 256, 6, 5
PER_SHEET = _SHEET_COLUMNS * _SHEET_ROWS


def write_overlays(
    path: Path, out: Path, *, opacity: float = 0.8, legend: bool = True, labels: str | None = None
) -> int:
    """Write the overlay of each eye that has labels (see `retinasynth.eye.label_map.overlay`) as PNG.

    Args:
        path: the mask file of vessels, or a folder of label maps, or a data set in any known layout.
        out: a new or empty folder for ``NAME.png``; for a single eye it may be a new ``FILE.png``.
        opacity: of the filled areas, 0 to 1.
        legend: add a strip below that names the colours.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Returns:
        How many.

    Raises:
        DataError: there is nothing there, or nothing with labels.
        ImageError: a picture cannot be used.
        OutputError: `out` exists already, is one file for several eyes, or cannot be written.
        SettingError: `opacity` is outside 0 to 1.
    """
    eyes = labelled_eyes(path, labels)
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


def sheet_of(eyes: Sequence[EyeFiles]) -> Photograph:
    """Overlays of up to `PER_SHEET` eyes with their names, to look at, also of those that `read_eye` would refuse.

    Args:
        eyes: at least one.

    Returns:
        ``uint8 (height, width, 3)``.

    Raises:
        DataError, ImageError: a file cannot be read at all.
    """
    return _arranged({files.name: _small_overlay(files) for files in eyes})


def _small_overlay(files: EyeFiles) -> Photograph:
    return square_photograph(overlay(read_eye(files, checked=False)), _SHEET_PX, "letterbox")


def _arranged(overlays: Mapping[str, Photograph]) -> Photograph:
    names, pictures = list(overlays), list(overlays.values())
    pictures += [pictures[0] * 0] * (-len(pictures) % _SHEET_COLUMNS)
    rows = [pictures[at : at + _SHEET_COLUMNS] for at in range(0, len(pictures), _SHEET_COLUMNS)]
    titles = ["   ".join(names[at : at + _SHEET_COLUMNS]) for at in range(0, len(names), _SHEET_COLUMNS)]
    return draw_panels(rows, [""] * _SHEET_COLUMNS, titles)


def write_sheet(eyes: Sequence[EyeFiles], file: Path) -> None:
    """Write a sheet of eyes spread over a set, those with faults among them; what cannot be read is left out.

    Raises:
        DataError: none can be read.
        OutputError: the file exists already or cannot be written.
    """
    if file.exists():
        raise OutputError(f"{file} exists already", do="Choose another `sheet`, or remove it first")
    labelled = [files for files in eyes if files.planes] or list(eyes)
    count = min(len(labelled), PER_SHEET)
    shown: dict[str, Photograph] = {}
    for files in (labelled[number * len(labelled) // count] for number in range(count)):
        with contextlib.suppress(InputError):
            shown[files.name] = _small_overlay(files)
    if not shown:
        raise DataError("No eye can be read for the sheet", do="Correct the files first")
    sheet = _arranged(shown)
    with explaining_write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(sheet, "JPEG" if file.suffix.lower() in (".jpg", ".jpeg") else "PNG"))


def labelled_eyes(path: Path, labels: str | None = None) -> list[EyeFiles]:
    """The eyes in a mask file of vessels, a folder of label maps or a data set that have any labels.

    Args:
        path: where they are.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Raises:
        DataError: there is none.
    """
    eyes = (
        [eye for eye in find_eyes(path, labels=labels).eyes if eye.planes]
        if is_data_set(path)
        else with_codes([_vessels_in(path)], labels)
    )
    if not eyes:
        raise DataError(f"No eye in {path} has labels", expected="a mask file, a folder of label maps, or a data set")
    return eyes


def _vessels_in(file: Path) -> EyeFiles:
    name = stem_of(file)
    return EyeFiles(name, photograph=None, planes={"vessels": file}, eye=name, subject=name, split="train")
