"""Sets with arteries and veins: RITE, LES-AV, HRF-AV and Fundus-AVSeg."""

from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.trees import Kind, Tree, found_in_tree, places_in, tables_in
from retinasynth.data.matching import ARTERIES_AND_VEINS, Found
from retinasynth.data.workbooks import read_records
from retinasynth.errors import DataError

_SIDE = "(?P<split>training|test)"
_DRIVE = r"(?P<eye>\d\d_(?:training|test))"
_RITE = Tree(
    "rite",
    Kind((f"{_SIDE}/images",), rf"{_DRIVE}\.(tif|png|jpg)"),
    (
        Kind((f"{_SIDE}/av",), rf"{_DRIVE}\.png", ARTERIES_AND_VEINS),
        Kind((f"{_SIDE}/vessel",), rf"{_DRIVE}\.png", "vessels"),
    ),
)
_NUMBER = r"(?P<eye>\d+)"
_LES_AV = Tree(
    "les-av",
    Kind(("images",), rf"{_NUMBER}\.png"),
    (
        Kind(("vessel-segmentations",), rf"{_NUMBER}\.png", "vessels"),
        Kind(("arteries",), rf"{_NUMBER}\.png", "arteries"),
        Kind(("veins",), rf"{_NUMBER}\.png", "veins"),
        Kind(("arteries-and-veins",), rf"{_NUMBER}\.png", ARTERIES_AND_VEINS),
        Kind(("masks",), rf"{_NUMBER}_mask\.gif", "fov"),
    ),
)
_HRF = r"(?P<eye>\d\d_(?P<diagnosis>h|g|dr))"
_HRF_AV = Tree(
    "hrf-av",
    Kind(("images", "healthy|glaucoma|diabetic_retinopathy"), rf"{_HRF}\.jpg"),
    (
        Kind(("H[RF]{2}_AV_GT", "av-segmentation.*/HRF_AV_GT"), rf"{_HRF}_AVmanual\.png", ARTERIES_AND_VEINS),
        Kind(("manual1", "(healthy|glaucoma|diabetic_retinopathy)_manualsegm"), rf"{_HRF}\.tif", "vessels"),
        Kind(("mask", "(healthy|glaucoma|diabetic_retinopathy)_fovmask"), rf"{_HRF}_mask\.tif", "fov"),
    ),
    {"h": "healthy", "g": "glaucoma", "dr": "diabetic retinopathy"},
)
_AVSEG_EYE = r"(?P<eye>\d{3}_(?P<diagnosis>[NDGA]))\.png"
_AVSEG = Tree(
    "fundus-avseg",
    Kind(("images?",), _AVSEG_EYE),
    (Kind(("annotations?",), _AVSEG_EYE, ARTERIES_AND_VEINS),),
    {"n": "healthy", "d": "diabetic retinopathy", "g": "glaucoma", "a": "age-related macular degeneration"},
)


def find_rite(folder: Path) -> Found | None:
    """RITE (``AV_groundTruth``): DRIVE's photographs with arteries and veins.

    ``{training,test}/images/21_training.tif``, ``av/21_training.png`` in colours, ``vessel/21_training.png``.

    Raises:
        DataError: an eye has two files of one kind.
    """
    return found_in_tree(_RITE, folder) if next(places_in(folder, f"{_SIDE}/av"), None) else None


def find_les_av(folder: Path) -> Found | None:
    """LES-AV: ``images/111.png`` with ``vessel-segmentations``, ``arteries``, ``veins`` and ``arteries-and-veins``.

    ``masks/111_mask.gif`` is the field of view. One release has arteries and veins in separate masks, one in colours
    alone; both are read. Every photograph is of another person. The diagnosis is that of ``Data.xlsx``, where it is
    there.

    Raises:
        DataError: an eye has two files of one kind, or the table cannot be read.
    """
    found = found_in_tree(_LES_AV, folder) if next(places_in(folder, "vessel-segmentations"), None) else None
    if found is None:
        return None
    rows = [row for table in tables_in(folder, ("",), "Data") for row in read_records(table)]
    said = {row.get("identifier", ""): row.get("diagnosis5", "").lower() for row in rows}
    eyes = [
        replace(files, diagnosis={"normal": "healthy", "": None}.get(text, text))
        for files in found.eyes
        for text in (said.get(files.name, ""),)
    ]
    return replace(found, eyes=eyes)


def find_hrf_av(folder: Path) -> Found | None:
    """HRF with the arteries and veins that Hemelings et al. told apart: ``HRF_AV_GT/01_h_AVmanual.png`` in colours.

    It lies beside HRF's own folders: ``images``, ``manual1`` and ``mask``, or one for each group of eyes
    (``healthy``, ``healthy_manualsegm``, ``healthy_fovmask``).

    Raises:
        DataError: an eye has two files of one kind.
    """
    found = found_in_tree(_HRF_AV, folder)
    return found if found and any(ARTERIES_AND_VEINS in files.planes for files in found.eyes) else None


def find_fundus_avseg(folder: Path) -> Found | None:
    """Fundus-AVSeg: ``images/001_G.png``, ``annotation/001_G.png`` in colours, ``training.txt`` and ``testing.txt``.

    The letter is the diagnosis. The two lists, one name in a line, are the split; without them it is another set.

    Raises:
        DataError: a list cannot be read, or names an eye that the other has too.
    """
    lists = [folder / "training.txt", folder / "testing.txt"]
    found = found_in_tree(_AVSEG, folder) if all(path.is_file() for path in lists) else None
    if found is None:
        return None
    train, test = (_names(path) for path in lists)
    if train & test:
        raise DataError(f"{lists[0]} and {lists[1]} both name {sorted(train & test)[0]}", expected="each eye in one")
    unlisted = sorted({files.name for files in found.eyes} - train - test)
    if unlisted:
        raise DataError(
            f"{len(unlisted)} photographs are in neither list, for example {unlisted[0]}",
            expected=f"every photograph in {lists[0].name} or {lists[1].name}",
            do="Put the lists back as they were published, or remove both for a split by subject",
        )
    eyes = [replace(files, split="train" if files.name in train else "test") for files in found.eyes]
    return replace(found, eyes=eyes, has_split=True)


def _names(path: Path) -> set[str]:
    try:
        return {Path(line.strip()).stem for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", expected="a name in every line") from error
