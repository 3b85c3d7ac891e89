"""CHASE_DB1 and STARE: photographs and masks in one folder, told apart by the ending of their names."""

import re
from pathlib import Path

from retinasynth.data.matching import Found, folders_in, found_in, pictures_in
from retinasynth.data.splits import CHASEDB1
from retinasynth.images import stem_of

_STARE = re.compile(r"im\d{4}(?P<annotator>\.ah|\.vk)?")


def find_chasedb1(folder: Path) -> Found | None:
    """CHASE_DB1 as published: ``Image_01L.jpg``, ``Image_01L_1stHO.png``, ``Image_01L_2ndHO.png`` in one folder."""
    pictures = pictures_in(folder)
    photographs = [path for path in pictures if CHASEDB1.fullmatch(path.stem)]
    masks = [path for path in pictures if path.stem.lower().endswith("_1stho")]
    if not (photographs and masks):
        return None
    return found_in("chasedb1", [(None, photographs, {"vessels": masks})], needs_vessels=True)


def find_stare(folder: Path) -> Found | None:
    """STARE as published: ``im0001.ppm.gz``, ``im0001.ah.ppm.gz`` and ``im0001.vk.ppm.gz``, in one folder or several.

    The vessels are those of the first annotator (``ah``), and of the second only where the first is missing altogether.
    """
    pictures = [path for place in (folder, *folders_in(folder).values()) for path in pictures_in(place)]
    named = [(path, match["annotator"]) for path in pictures if (match := _STARE.fullmatch(stem_of(path)))]
    of: dict[str | None, list[Path]] = {None: [], ".ah": [], ".vk": []}
    for path, annotator in named:
        of[annotator].append(path)
    masks = of[".ah"] or of[".vk"]
    if not (of[None] and masks):
        return None
    return found_in("stare", [(None, of[None], {"vessels": masks})], needs_vessels=True)
