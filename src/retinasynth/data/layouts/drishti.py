"""DRISHTI-GS: discs and cups as four experts drew them."""

from dataclasses import replace
from pathlib import Path

from retinasynth.data.layouts.trees import Kind, Tree, found_in_tree
from retinasynth.data.matching import EyeFiles, Found
from retinasynth.data.outlines import read_points
from retinasynth.errors import DataError, ImageError

_SIDE = "(?P<split>Training|Test)"
_UNPACKED = "?(Training|Test)-.*"
_TRUTHS = rf"{_UNPACKED}/{_SIDE}/(GT|Test_GT|Train_GT)/drishtiGS_\d{{3}}"
_SOFT, _AVERAGE = (f"{_TRUTHS}/SoftMap",), (f"{_TRUTHS}/AvgBoundary",)
_EYE = r"(?P<eye>drishtiGS_\d{3})"
_DRISHTI = Tree(
    "drishti",
    Kind((f"{_UNPACKED}/{_SIDE}/Images/?(?P<diagnosis>GLAUCOMA|NORMAL)",), rf"{_EYE}\.png"),
    (
        Kind(_SOFT, rf"{_EYE}_ODsegSoftmap\.png", "disc", "experts"),
        Kind(_SOFT, rf"{_EYE}_cupsegSoftmap\.png", "cup", "experts"),
        Kind(_AVERAGE, rf"{_EYE}_ODAvgBoundary\.txt", "disc", "outline-row-column"),
        Kind(_AVERAGE, rf"{_EYE}_CupAvgBoundary\.txt", "cup", "outline-row-column"),
    ),
    {"glaucoma": "glaucoma", "normal": "healthy"},
)


def find_drishti(folder: Path) -> Found | None:
    """DRISHTI-GS: ``{Training,Test}/Images/drishtiGS_001.png`` with a folder of truths for each, in ``GT``.

    ``Training/GT/drishtiGS_002/SoftMap/drishtiGS_002_ODsegSoftmap.png`` and ``..._cupsegSoftmap.png`` say which share
    of the experts drew a pixel; in the test part the folder is called ``Test_GT``. Where they are missing, the average
    outlines are read (``AvgBoundary/drishtiGS_002_ODAvgBoundary.txt``, row and column in each line), as is the middle
    of the disc beside them (``drishtiGS_002_diskCenter.txt``, likewise). Kaggle's copy has ``Training-.../Training``
    and photographs in ``GLAUCOMA`` and ``NORMAL``; elsewhere the diagnosis is in a workbook that is not read.

    Raises:
        DataError: the middle of a disc cannot be read, or an eye has two files of one kind.
    """
    found = found_in_tree(_DRISHTI, folder)
    return None if found is None else replace(found, eyes=[_with_centre(files) for files in found.eyes])


def _with_centre(files: EyeFiles) -> EyeFiles:
    drawn = files.planes.get("disc") or files.planes.get("cup")
    centre = drawn and drawn.parents[1] / "AvgBoundary" / f"{files.name}_diskCenter.txt"
    if not (centre and centre.is_file()):
        return files
    try:
        ((row, column),) = read_points(centre).tolist()
    except ValueError as error:
        raise DataError(f"{centre} holds no point", expected="a row and a column") from error
    except ImageError as error:
        raise DataError(str(error)) from error
    return replace(files, centres={"disc": (column, row)})
