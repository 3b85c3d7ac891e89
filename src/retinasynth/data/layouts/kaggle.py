"""The "Retina Blood Vessel" set of Kaggle."""

from dataclasses import replace
from pathlib import Path

from retinasynth.data.matching import SPLIT_FOLDERS, EyeFiles, Found, found_in, pictures_in


def find_kaggle(folder: Path) -> Found | None:
    """``Data/{train,test}/{image,mask}/0.png ...``, the "Retina Blood Vessel" set; `folder` may be ``Data`` itself.

    Its 80 training files are 20 eyes, four versions of each in a row (original, two flips, a rotation): file n comes
    from eye n // 4. A random split of the 80 therefore leaks; ``eye`` and ``subject`` tell which files go together.
    """
    root = folder / "Data" if (folder / "Data").is_dir() else folder
    sides = [
        (split, pictures_in(root / name / "image"), {"vessels": pictures_in(root / name / "mask")})
        for split, names in SPLIT_FOLDERS.items()
        for name in (names if split == "val" else (split,))
        if (root / name / "image").is_dir() and (root / name / "mask").is_dir()
    ]
    found = found_in("kaggle", sides, needs_vessels=True)
    if not (found.eyes or found.unpaired):
        return None
    train = [files for files in found.eyes if files.split == "train"]
    return replace(found, eyes=[*_by_four(train), *(files for files in found.eyes if files.split != "train")])


def _by_four(eyes: list[EyeFiles]) -> list[EyeFiles]:
    if len(eyes) % 4 or {files.name for files in eyes} != {str(number) for number in range(len(eyes))}:
        return eyes
    origins = [f"train_eye_{int(files.name) // 4:02d}" for files in eyes]
    return [replace(files, eye=origin, subject=origin) for files, origin in zip(eyes, origins, strict=True)]
