"""Biomarkers of all eyes in a mask file, a folder of label maps or a data set."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.overlays import labelled_eyes
from retinasynth.data.places import is_data_set
from retinasynth.eye.biomarkers import COLUMNS, Biomarkers, measure_eye
from retinasynth.files import write_text
from retinasynth.images import read_labels
from retinasynth.progress import progress
from retinasynth.tables import table_text

_FEWEST_COLOURS = 1000  # of a photograph; a coloured label map has a few, and those that JPEG blurs
_LEAST_LIT = 0.3  # of the pixels of a photograph that are neither nearly black nor nearly white


def measure_path(path: Path, *, labels: str | None = None) -> dict[str, Biomarkers]:
    """The biomarkers of each eye that has labels, by name.

    Args:
        path: the mask file of vessels, or a folder of label maps, or a data set in any known layout.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Raises:
        DataError: there is nothing there, or nothing with labels.
        ImageError: a picture cannot be used.
        InputError: an eye has no plane that can be measured.
    """
    eyes = labelled_eyes(path, labels)
    found = {}
    with progress("Measuring", len(eyes), quiet=len(eyes) == 1) as advance:
        for number, files in enumerate(eyes, start=1):
            found[files.name] = measure_eye(read_eye(files))
            advance(number, files.name)
    return found


def are_photographs(path: Path) -> bool:
    """Whether there are only photographs: a folder or a data set without labels, or a picture that can be no mask.

    Raises:
        DataError: there is nothing, or it cannot be read.
        ImageError: a single file cannot be read.
    """
    if is_data_set(path):
        return not any(files.planes for files in find_eyes(path).eyes)
    picture = read_labels(path)
    if picture.ndim != 3 or (picture == picture[..., :1]).all():
        return False
    light = picture.mean(axis=2)
    is_lit = ((light > 16) & (light < 239)).mean() >= _LEAST_LIT
    return bool(is_lit and len(np.unique(picture.reshape(-1, 3), axis=0)) >= _FEWEST_COLOURS)


def write_measures(path: Path, measures: dict[str, Biomarkers]) -> None:
    """Write a CSV table: a row for each eye, its name first; what is unknown stays empty.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = []
    for name, one in measures.items():
        values = asdict(one)
        rows.append([name, *("" if values[key] is None else f"{values[key]:.6g}" for key in COLUMNS)])
    write_text(path, table_text(["name", *COLUMNS], rows))
