"""The second annotator's drawing of a plane, where a set has one."""

import re
from dataclasses import replace
from pathlib import Path

from retinasynth.data.codes import read_planes
from retinasynth.data.find import fit_mask
from retinasynth.data.matching import EyeFiles, key_of, pictures_in
from retinasynth.images import Mask

# How the files of the first and of the second annotator are called, and the folders of the second.
_FILES = (("_1stHO", "_2ndHO"), ("_manual1", "_manual2"), (".ah", ".vk"), ("_exp1.txt", "_exp2.txt"))
_FOLDERS = ("{}_2nd_observer", "{}_2nd_manual", "2nd_manual", "manual2", "labels-vk")


def second_annotation(files: EyeFiles, plane: str = "vessels") -> Path | None:
    """The file of the second annotator's plane: beside the first's, or of vessels in a folder beside that folder.

    Known are the names of CHASE_DB1, DRIVE, STARE and PAPILA, and ``vessels_2nd_observer/`` beside ``vessels/``.
    """
    first = files.planes.get(plane)
    if first is None or files.side_by_side:
        return None
    for one, two in _FILES:
        if one.lower() in first.name.lower():
            beside = first.with_name(re.sub(re.escape(one), two, first.name, flags=re.IGNORECASE))
            if beside.is_file():
                return beside
    for name in _FOLDERS if plane == "vessels" else ():
        folder = first.parent.with_name(name.format(first.parent.name))
        if folder.is_dir():
            for path in pictures_in(folder):
                if key_of(path) == key_of(first):
                    return path
    return None


def read_second(files: EyeFiles, plane: str, size: tuple[int, int]) -> Mask | None:
    """The second annotator's plane, of the code of the first's; None where there is none.

    Args:
        files: of the eye.
        plane: which.
        size: height and width of the photograph, which the plane is given.

    Returns:
        ``bool (height, width)``.

    Raises:
        ImageError: the file cannot be read, or nothing is in it.
        DataError: it has another shape than the photograph.
    """
    second = second_annotation(files, plane)
    if second is None:
        return None
    mask = read_planes(replace(files, planes={plane: second}), never_empty=(plane,), size=size)[plane]
    return fit_mask(mask, second, files.photograph or second, size)
