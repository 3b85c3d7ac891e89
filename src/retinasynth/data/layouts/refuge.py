"""REFUGE: discs and cups of glaucoma, with the fovea of every eye."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.trees import GLAUCOMA, Kind, Tree, found_in_tree, places_in, rows_in, tables_in
from retinasynth.data.matching import EyeFiles, Found, plain
from retinasynth.documents import read_json
from retinasynth.errors import DataError

_CLASS = "?(?P<diagnosis>Glaucoma|Non-Glaucoma|G|N)"
_TRUTHS = "?(Annotation-Training400|REFUGE-Validation400-GT|REFUGE-Test-GT|REFUGE1-(train|val|test))"
_KAGGLE = "(?P<split>train|val|test)"
_REFUGE = Tree(
    "refuge",
    Kind(
        (
            f"?REFUGE1-train/?REFUGE-Training400/(?P<split>Training)400/{_CLASS}",
            "?REFUGE1-val/REFUGE-(?P<split>Validation)400/?REFUGE-Validation400",
            "?REFUGE1-test/?REFUGE-Test400/(?P<split>Test)400",
            "REFUGE-(?P<split>Test)400",
            f"{_KAGGLE}/Images",
        ),
        r"(?P<eye>[gnVT]\d{4})\.(jpg|png)",
    ),
    (
        Kind((f"{_TRUTHS}/{_TRUTHS}/Disc_Cup_Masks/{_CLASS}",), r"(?P<eye>[gnVT]\d{4})\.(bmp|png)", "disc"),
        Kind((f"{_KAGGLE}/gts",), r"(?P<eye>[gnVT]\d{4})\.bmp", "disc"),
        Kind((f"{_KAGGLE}/Masks",), r"(?P<eye>[gnVT]\d{4})\.png", "disc"),
    ),
    {"glaucoma": "glaucoma", "g": "glaucoma", "non-glaucoma": "no glaucoma", "n": "no glaucoma"},
)
_TABLE = r"(Glaucoma_label_and_)?Fovea_locations?"
_LABELS = ("glaucomalabel", "label(glaucoma=1)", "label")  # of the validation and the test part


def find_refuge(folder: Path) -> Found | None:
    """REFUGE as published, unpacked into one folder: photographs, and ``Disc_Cup_Masks`` of 0, 128 and 255 in BMP.

    ``Training400/{Glaucoma,Non-Glaucoma}/g0001.jpg`` with ``Annotation-Training400/Disc_Cup_Masks/Glaucoma/g0001.bmp``,
    ``REFUGE-Validation400/V0001.jpg`` with ``REFUGE-Validation400-GT``, ``Test400/T0001.jpg`` with ``REFUGE-Test-GT``,
    whose masks lie in ``G`` and ``N``. Archives may be unpacked into folders of their own names; REFUGE2 has the same
    under ``Train/REFUGE1-train`` and so on; Kaggle's copy has ``{train,val,test}/Images`` with ``gts`` or ``Masks``,
    of 0, 1 and 2, beside reduced copies that are not read. Tables such as ``Fovea_location.xlsx`` (or saved as CSV)
    beside the masks say the fovea of each eye and, of validation and test, who has glaucoma; in Kaggle's copy
    ``index.json`` does.

    Raises:
        DataError: two files of an eye are of one kind, or a table cannot be read.
    """
    found = found_in_tree(_REFUGE, folder)
    if found is None:
        return None
    rows = rows_in(tables_in(folder, (f"{_TRUTHS}/{_TRUTHS}",), _TABLE), "imgname")
    for place, _ in places_in(folder, _KAGGLE):
        rows |= {Path(row.get("imgname", "")).stem: row for row in _index(place / "index.json")}
    return replace(found, eyes=[_with_row(files, rows.get(files.name, {})) for files in found.eyes])


def _index(path: Path) -> list[dict[str, str]]:
    """What Kaggle's copy says of the eyes of a side, each under a number; nothing where it says nothing."""
    if not path.is_file():
        return []
    rows = read_json(path, DataError, what="an index of eyes", do="Remove it").values()
    return [{plain(name): str(value) for name, value in row.items()} for row in rows if isinstance(row, dict)]


def _with_row(files: EyeFiles, row: Mapping[str, str]) -> EyeFiles:
    label = next((row[name] for name in _LABELS if row.get(name)), "")
    told = replace(files, diagnosis=files.diagnosis or GLAUCOMA.get(label))
    if not (row.get("foveax") and row.get("foveay")):
        return told
    try:
        return replace(told, centres={"fovea": (float(row["foveax"]), float(row["foveay"]))})
    except ValueError as error:
        raise DataError(f"The fovea of {files.name} is at {row['foveax']!r}, {row['foveay']!r}") from error
