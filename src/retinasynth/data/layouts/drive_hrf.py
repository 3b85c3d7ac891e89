"""DRIVE and HRF: photographs, vessels and fields of view in folders of their own."""

import re
from pathlib import Path

from retinasynth.data.matching import Found, Split, folders_in, found_in, pictures_in, sides_of
from retinasynth.images import stem_of

_FOV = re.compile(r"\d+_(?:training|test|h|g|dr)_mask", re.IGNORECASE)


def find_drive_or_hrf(folder: Path) -> Found | None:
    """DRIVE and HRF as published: ``images``, ``1st_manual`` or ``manual1``, and in ``mask`` the field of view.

    DRIVE has them under ``training`` and ``test``; its newer copies have no vessels in ``test``, whose eyes are then
    found without. A ``mask`` with the names of these sets is the field of view also where no vessels are at all.
    """
    sides = sides_of(folder)
    inside = [folders_in(side) for _, side in sides]
    names = {name for folders in inside for name in folders}
    if not {"images", "mask"} <= names:
        return None
    vessels_key = next((key for key in ("1stmanual", "manual1") if key in names), None)
    fovs = [path for folders in inside if "mask" in folders for path in pictures_in(folders["mask"])]
    if vessels_key is None and not (fovs and all(_FOV.fullmatch(stem_of(path)) for path in fovs)):
        return None
    keys = {"vessels": vessels_key, "fov": "mask"}
    named: list[tuple[Split | None, list[Path], dict[str, list[Path]]]] = []
    for (split, _), folders in zip(sides, inside, strict=True):
        masks = {plane: pictures_in(folders[key]) for plane, key in keys.items() if key in folders}
        photographs = pictures_in(folders["images"]) if "images" in folders else []
        named.append((split, photographs, masks))
    is_drive = vessels_key == "1stmanual" or sides[0][0] is not None
    return found_in("drive" if is_drive else "hrf", named, needs_vessels=None)
