"""The second annotator's drawing of the vessels, where a set has one."""

import re
from pathlib import Path

from retinasynth.data.matching import EyeFiles, key_of, pictures_in

# How the files of the first and of the second annotator are called, and the folders of the second.
_FILES = (("_1stHO", "_2ndHO"), ("_manual1", "_manual2"), (".ah", ".vk"))
_FOLDERS = ("{}_2nd_observer", "{}_2nd_manual", "2nd_manual", "manual2", "labels-vk")


def second_annotation(files: EyeFiles) -> Path | None:
    """The file of the second annotator's vessels: beside the first's, or in a folder of its own beside that folder.

    Known are the names of CHASE_DB1, DRIVE and STARE, and ``vessels_2nd_observer/`` beside ``vessels/``.
    """
    first = files.planes.get("vessels")
    if first is None or files.side_by_side:
        return None
    for one, two in _FILES:
        if one.lower() in first.name.lower():
            beside = first.with_name(re.sub(re.escape(one), two, first.name, flags=re.IGNORECASE))
            if beside.is_file():
                return beside
    for name in _FOLDERS:
        folder = first.parent.with_name(name.format(first.parent.name))
        if folder.is_dir():
            for path in pictures_in(folder):
                if key_of(path) == key_of(first):
                    return path
    return None
