"""Biomarkers of all eyes in a mask file, a folder of label maps or a data set."""

from dataclasses import asdict
from pathlib import Path

from retinasynth.data.find import read_eye
from retinasynth.data.overlays import labelled_eyes
from retinasynth.eye.biomarkers import COLUMNS, Biomarkers, measure_eye
from retinasynth.files import write_text
from retinasynth.progress import progress
from retinasynth.tables import table_text


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
