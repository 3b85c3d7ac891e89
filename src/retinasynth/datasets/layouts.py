"""Finding the eyes in a folder, whichever of the usual layouts it has.

Each layout is one function in `LAYOUTS`, tried in that order: it returns what it `_Found`, or None when the folder is
not of its kind. What holds for all layouts comes after it and is written once: names that are unique, the published
splits of CHASE_DB1 and HRF, the user's ``subjects.csv``, and an 80/20 split by subject where nothing else is known.

Files belong together when their stems agree, if need be after dropping endings such as ``_manual1`` or ``_mask``.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from retinasynth.anatomy import PLANES, Eye
from retinasynth.anatomy.phantom import phantom_folder
from retinasynth.errors import DataError, ImageError
from retinasynth.images import (
    SUFFIXES,
    Mask,
    mask_from_photograph,
    read_mask,
    read_photograph,
    read_size,
    resize_mask,
)

Split = Literal["train", "test"]

PHANTOM = "phantom"
SUBJECTS_FILE = "subjects.csv"
SUBJECTS_COLUMNS = ("image", "subject", "eye", "split", "transformation")

# Names of folders, compared by `_plain`; in the order of preference where a set has several of a kind: DRIVE and HRF
# keep the field of view in `mask` beside the vessels in `1st_manual` or `manual1`.
_SPLIT_FOLDERS: Mapping[Split, tuple[str, ...]] = {"train": ("train", "training"), "test": ("test", "testing")}
_PHOTOGRAPH_FOLDERS = (
    *("images", "image", "photographs", "photograph", "photos", "photo"),
    *("fundus", "retina", "originals", "original", "imgs", "img"),
)
_VESSEL_FOLDERS = (
    *("vessels", "vessel", "1stmanual", "manual1", "manual", "groundtruth", "gt", "annotations", "annotation"),
    *("labels", "label", "segmentations", "segmentation", "masks", "mask"),
)
_PLANE_FOLDERS = {plane.replace("_", ""): plane for plane in PLANES}

_ENDING = re.compile(
    r"(?<=.)(?:_(?:1stHO|2ndHO|manual[12]?|masks?|OD|training|test|vessels?|seg|segmentation|labels?|gt|fov))+$",
    re.IGNORECASE,
)
_SECOND_OBSERVER = re.compile(r"_(?:2ndHO|manual2)$", re.IGNORECASE)
_CHASEDB1 = re.compile(r"Image_(?P<number>\d\d)[LR]")
_HRF = re.compile(r"(?P<number>\d\d)_(?:h|g|dr)")

_NEVER_EMPTY = ("vessels", "fov")  # an eye without them does not exist: an empty file is a mistake
_ASPECT_TOLERANCE = 0.02
_TEST_SHARE = 0.2


@dataclass(frozen=True)
class EyeFiles:
    """Where the photograph and the label planes of one eye are.

    Attributes:
        name: unique within the set; the file name of the photograph without suffix, with ``train_`` or ``test_``
            before it where both splits use the same file names.
        photograph: its file; None for label maps without photographs.
        planes: mask files by plane name; empty for an unlabelled photograph.
        eye: shared by all files that were made from one physical eye.
        subject: shared by both eyes of a person where the layout tells, else `eye`.
        split: the side it is on.
        side_by_side: one file holds the photograph in its left half and the vessels in its right half; then
            `photograph` and ``planes["vessels"]`` are that file.
    """

    name: str
    photograph: Path | None
    planes: Mapping[str, Path]
    eye: str
    subject: str
    split: Split
    side_by_side: bool = False


@dataclass(frozen=True)
class DataSet:
    """The eyes in a folder.

    Attributes:
        folder: where they are.
        layout: which layout was recognised: ``"kaggle"``, ``"chasedb1"``, ``"planes"``, ``"two folders"``,
            ``"side by side"`` or ``"photographs"``.
        eyes: sorted by name.
        unpaired: files left out because their partner is missing.
    """

    folder: Path
    layout: str
    eyes: tuple[EyeFiles, ...]
    unpaired: tuple[Path, ...] = ()

    def split(self, split: Split) -> tuple[EyeFiles, ...]:
        """The eyes on one side of the split."""
        return tuple(files for files in self.eyes if files.split == split)


def find_eyes(folder: Path, *, allow_unpaired: bool = False) -> DataSet:
    """The eyes in a folder, with their subjects and their side of the train/test split.

    The split is the set's own (its train and test folders, or the published one of CHASE_DB1 and HRF). Where there is
    none, one fifth of the subjects, and at least one, become test, chosen by a hash of their names; a set of one
    subject is all train. A file ``subjects.csv`` (columns image, subject and perhaps eye, split, transformation) has
    the last word for the images it names.

    Args:
        folder: the data set, or ``phantom`` for the embedded procedural one. Hidden files and files that are not
            pictures are ignored.
        allow_unpaired: leave out photographs and masks whose partner is missing instead of refusing the set.

    Raises:
        DataError: there is no such folder, its layout is not recognised, nothing matches, a file has no partner, or
            ``subjects.csv`` is wrong.
    """
    folder = Path(folder)
    if folder == Path(PHANTOM) and not folder.exists():
        folder = phantom_folder()
    if not folder.exists():
        raise DataError(f"{folder} does not exist", expected="a folder of pictures", do="Check the path")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file", expected="a folder of pictures", do="Name the folder that holds it")
    try:
        found = next((found for look in LAYOUTS if (found := look(folder)) is not None), None)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error})", do="Check its permissions") from error
    if found is None:
        raise _nothing_found(folder)
    if found.unpaired and not allow_unpaired:
        raise _has_unpaired(folder, found.unpaired)
    if not found.eyes:
        raise DataError(f"{folder}: no photograph has a mask", expected="pairs of a photograph and a mask")
    found = _with_distinct_names(_with_published_split(found))
    split_known = {files.name for files in found.eyes} if found.has_split else set()
    eyes = found.eyes
    if (folder / SUBJECTS_FILE).is_file():
        rows = _read_subjects(folder / SUBJECTS_FILE, found)
        eyes = [_with_row(files, rows.get(files.name, {})) for files in eyes]
        split_known |= {name for name, row in rows.items() if row.get("split")}
        _refuse_subject_on_both_sides(folder, [files for files in eyes if files.name in split_known])
    eyes = _split_by_subject(eyes, split_known)
    return DataSet(folder, found.layout, tuple(sorted(eyes, key=lambda files: files.name)), tuple(found.unpaired))


def read_eye(files: EyeFiles) -> Eye:
    """The eye in its files, decoded.

    A mask of another size than the photograph is resized to it by the nearest value when their shapes agree within
    2 %, as when photographs were published at a reduced size.

    Raises:
        ImageError: a file is damaged, or the mask of the vessels or of the field of view is empty.
        DataError: a mask has another shape than its photograph, or a side-by-side picture cannot be halved.
    """
    if files.side_by_side:
        return _read_side_by_side(files)
    photograph = None if files.photograph is None else read_photograph(files.photograph)
    planes = {plane: read_mask(path, allow_empty=plane not in _NEVER_EMPTY) for plane, path in files.planes.items()}
    reference = files.photograph or next(iter(files.planes.values()), None)
    if reference is None:
        raise DataError(f"{files.name} has neither a photograph nor a mask")
    height, width = (next(iter(planes.values())) if photograph is None else photograph).shape[:2]
    fitted = {plane: fit_mask(mask, files.planes[plane], reference, (height, width)) for plane, mask in planes.items()}
    return Eye(files.name, fitted, photograph)


def fit_mask(mask: Mask, path: Path, reference: Path, size: tuple[int, int]) -> Mask:
    """The mask of `path` at the size of its photograph, as `read_eye` has it.

    Raises:
        DataError: its shape differs from that of the photograph `reference` by more than 2 %.
    """
    (height, width), (mask_height, mask_width) = size, mask.shape
    if abs((mask_width / mask_height) / (width / height) - 1) > _ASPECT_TOLERANCE:
        raise DataError(
            f"{path} is {mask_height} x {mask_width} px, but {reference} is {height} x {width} px",
            expected="a mask of the same size, or at least of the same shape (height : width)",
            do="Check that the two belong together; crop or resize one of them",
        )
    return resize_mask(mask, size)


def _read_side_by_side(files: EyeFiles) -> Eye:
    path = files.planes["vessels"]
    picture = read_photograph(path)
    width = picture.shape[1]
    if width % 2:
        raise DataError(
            f"{path} is {width} px wide", expected="an even width: photograph left, mask right, of equal size"
        )
    mask = mask_from_photograph(picture[:, width // 2 :])
    if not mask.any():
        raise ImageError(f"{path}: the right half is all black", expected="the mask of the vessels there")
    return Eye(files.name, {"vessels": mask}, picture[:, : width // 2])


# --- Layouts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What a layout made of a folder; names and splits are still provisional.

    Where `has_split` is False, the `split` of the eyes means nothing yet.
    """

    layout: str
    eyes: list[EyeFiles]
    unpaired: list[Path]
    has_split: bool


def _kaggle(folder: Path) -> _Found | None:
    """``Data/{train,test}/{image,mask}/0.png ...``, the "Retina Blood Vessel" set; `folder` may be ``Data`` itself.

    Its 80 training files are 20 eyes, four versions of each in a row (original, two flips, a rotation): file n comes
    from eye n // 4. A random split of the 80 therefore leaks; ``eye`` and ``subject`` tell which files go together.
    """
    root = folder / "Data" if (folder / "Data").is_dir() else folder
    sides = [(split, root / split / "image", root / split / "mask") for split in _SPLIT_FOLDERS]
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    for split, photographs, masks in sides:
        if photographs.is_dir() and masks.is_dir():
            more, without = _matched(split, _pictures(photographs), {"vessels": _pictures(masks)}, needs_vessels=True)
            eyes += _by_four(more) if split == "train" else more
            unpaired += without
    return _Found("kaggle", eyes, unpaired, has_split=True) if eyes or unpaired else None


def _by_four(eyes: list[EyeFiles]) -> list[EyeFiles]:
    if len(eyes) % 4 or {files.name for files in eyes} != {str(number) for number in range(len(eyes))}:
        return eyes
    origins = [f"train_eye_{int(files.name) // 4:02d}" for files in eyes]
    return [replace(files, eye=origin, subject=origin) for files, origin in zip(eyes, origins, strict=True)]


def _chasedb1(folder: Path) -> _Found | None:
    """CHASE_DB1 as published: ``Image_01L.jpg``, ``Image_01L_1stHO.png``, ``Image_01L_2ndHO.png`` in one folder."""
    pictures = _pictures(folder)
    photographs = [path for path in pictures if _CHASEDB1.fullmatch(path.stem)]
    masks = [path for path in pictures if path.stem.lower().endswith("_1stho")]
    if not (photographs and masks):
        return None
    eyes, unpaired = _matched("train", photographs, {"vessels": masks}, needs_vessels=True)
    return _Found("chasedb1", eyes, unpaired, has_split=False)


def _planes(folder: Path) -> _Found | None:
    """Photographs (``images/``) and folders named after planes (``vessels/``, ``disc/``), perhaps in train and test.

    Other folders are ignored. A missing file means that this plane of this eye is unknown; a mask without photograph
    is unpaired. With no place for photographs these are label maps alone.
    """
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    sides = _sides(folder)
    for split, side in sides:
        folders = _folders(side)
        if "vessels" not in folders and any(key in folders for key in _VESSEL_FOLDERS):
            return None  # the vessels have another name: two folders, perhaps with more planes beside them
        masks = {plane: _pictures(folders[key]) for key, plane in _PLANE_FOLDERS.items() if key in folders}
        place = _photograph_folder(folders)
        photographs = _pictures(place or side)
        if photographs or place:
            more, without = _matched(split or "train", photographs, masks, needs_vessels=False)
        else:
            more, without = _label_maps(split or "train", masks), []
        eyes += more
        unpaired += without
    if not (unpaired or any(files.planes for files in eyes)):
        return None
    return _Found("planes", eyes, unpaired, has_split=sides[0][0] is not None)


def _two_folders(folder: Path) -> _Found | None:
    """A folder of photographs and one of vessel masks under any of their usual names, perhaps in train and test.

    Other planes may stand beside them. A photograph without vessels, or a mask without photograph, is unpaired.
    """
    sides = _sides(folder)
    names = {name for _, side in sides for name in _folders(side)}
    # One choice for both sides, so that the field of view in `mask` is not taken for vessels where these are missing.
    photograph_key = next((key for key in _PHOTOGRAPH_FOLDERS if key in names), None)
    vessels_key = next((key for key in _VESSEL_FOLDERS if key in names), None)
    if photograph_key is None or vessels_key is None:
        return None
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    for split, side in sides:
        folders = _folders(side)
        keys = {plane: key for key, plane in _PLANE_FOLDERS.items() if key in folders} | {"vessels": vessels_key}
        masks = {plane: _pictures(folders[key]) for plane, key in keys.items() if key in folders}
        photographs = _pictures(folders[photograph_key]) if photograph_key in folders else []
        more, without = _matched(split or "train", photographs, masks, needs_vessels=True)
        eyes += more
        unpaired += without
    return _Found("two folders", eyes, unpaired, has_split=sides[0][0] is not None) if eyes or unpaired else None


def _side_by_side(folder: Path) -> _Found | None:
    """Pictures twice as wide as high, photograph left and vessels right, perhaps in train and test.

    The right half of the first one decides: at least 95 % of its pixels are nearly black or white. A file that cannot
    be read has no say here; `read_eye` tells what is wrong with it.
    """
    sides = _sides(folder)
    pictures = [(split or "train", path) for split, side in sides for path in _pictures(side)]
    if not all(_is_twice_as_wide(path) for _, path in pictures):
        return None
    verdicts = (_right_half_is_binary(path) for _, path in pictures)
    if not next((verdict for verdict in verdicts if verdict is not None), False):
        return None
    eyes = [replace(_alone(path, split), planes={"vessels": path}, side_by_side=True) for split, path in pictures]
    return _Found("side by side", eyes, [], has_split=sides[0][0] is not None)


def _is_twice_as_wide(path: Path) -> bool:
    try:
        height, width = read_size(path)
    except ImageError:
        return True
    return width == 2 * height


def _right_half_is_binary(path: Path) -> bool | None:
    try:
        picture = read_photograph(path)
    except ImageError:
        return None
    right = picture[:, picture.shape[1] // 2 :]
    return bool(np.mean((right.max(axis=2) < 32) | (right.min(axis=2) > 223)) >= 0.95)


def _photographs(folder: Path) -> _Found | None:
    """Photographs alone: pictures in the folder, in its ``images/``, or in either under train and test."""
    sides = _sides(folder)
    eyes = []
    for split, side in sides:
        pictures = _pictures(_photograph_folder(_folders(side)) or side)
        eyes += [_alone(path, split or "train") for path in pictures or _pictures(side)]
    return _Found("photographs", eyes, [], has_split=sides[0][0] is not None) if eyes else None


LAYOUTS: tuple[Callable[[Path], _Found | None], ...] = (
    _kaggle,
    _chasedb1,
    _planes,
    _two_folders,
    _side_by_side,
    _photographs,  # last: it takes any picture
)


# --- Files and folders -------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return re.sub(r"[ _-]", "", name.lower())


def _folders(folder: Path) -> dict[str, Path]:
    """The folders in a folder by plain name: lower case, without blanks, underscores and hyphens."""
    return {_plain(path.name): path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."}


def _photograph_folder(folders: Mapping[str, Path]) -> Path | None:
    return next((folders[key] for key in _PHOTOGRAPH_FOLDERS if key in folders), None)


def _pictures(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
    ]


def _sides(folder: Path) -> list[tuple[Split | None, Path]]:
    """The train and test folders of a set where it has them, else the folder itself."""
    folders = _folders(folder)
    sides: list[tuple[Split | None, Path]] = [
        (split, folders[name]) for split, names in _SPLIT_FOLDERS.items() for name in names if name in folders
    ]
    return sides or [(None, folder)]


def _key(path: Path) -> str:
    return _ENDING.sub("", path.stem).lower()


def _alone(photograph: Path, split: Split) -> EyeFiles:
    return EyeFiles(photograph.stem, photograph, {}, photograph.stem, photograph.stem, split)


def _matched(
    split: Split, photographs: Sequence[Path], masks: Mapping[str, Sequence[Path]], *, needs_vessels: bool
) -> tuple[list[EyeFiles], list[Path]]:
    """The photographs with their masks, and the files without partner.

    Raises:
        DataError: there are photographs and masks of a plane, but none match.
    """
    planes: dict[Path, dict[str, Path]] = {photograph: {} for photograph in photographs}
    unpaired: list[Path] = []
    for plane, paths in masks.items():
        partners, without = _partners(photographs, paths)
        if photographs and paths and not partners:
            raise DataError(
                f"No photograph in {photographs[0].parent} matches a mask in {paths[0].parent}: photographs are named "
                f"{_examples(photographs)}, masks {_examples(paths)}",
                expected="the same name for a photograph and its mask, apart from endings such as _manual1 or _mask",
                do="Rename one side",
            )
        unpaired += without
        for photograph, mask in partners.items():
            planes[photograph][plane] = mask
    if needs_vessels:
        unpaired += [photograph for photograph, found in planes.items() if "vessels" not in found]
    eyes = [
        replace(_alone(photograph, split), planes=found)
        for photograph, found in planes.items()
        if "vessels" in found or not needs_vessels
    ]
    return eyes, unpaired


def _partners(photographs: Sequence[Path], masks: Sequence[Path]) -> tuple[dict[Path, Path], list[Path]]:
    """The mask of each photograph that has one, and the masks without photograph.

    The whole stem decides before the stem without endings. A second observer's mask counts where there is no first.
    """
    by_stem = {path.stem.lower(): path for path in photographs}
    keys = Counter(map(_key, photographs))
    by_key = {_key(path): path for path in photographs if keys[_key(path)] == 1}
    partners: dict[Path, Path] = {}
    without: list[Path] = []
    for mask in sorted(masks, key=lambda path: bool(_SECOND_OBSERVER.search(path.stem))):
        photograph = by_stem.get(mask.stem.lower()) or by_key.get(_key(mask))
        if photograph is None:
            without.append(mask)
        elif photograph not in partners:
            partners[photograph] = mask
        elif not _SECOND_OBSERVER.search(mask.stem):
            raise _two_masks(photograph.stem, partners[photograph], mask)
    return partners, without


def _label_maps(split: Split, masks: Mapping[str, Sequence[Path]]) -> list[EyeFiles]:
    """Eyes without photographs, one for each name among the masks."""
    by_key: dict[str, dict[str, Path]] = {}
    for plane, paths in masks.items():
        for path in sorted(paths, key=lambda path: bool(_SECOND_OBSERVER.search(path.stem))):
            first = by_key.setdefault(_key(path), {}).setdefault(plane, path)
            if first is not path and not _SECOND_OBSERVER.search(path.stem):
                raise _two_masks(_key(path), first, path)
    names = {key: _ENDING.sub("", next(iter(planes.values())).stem) for key, planes in by_key.items()}
    return [EyeFiles(names[key], None, planes, names[key], names[key], split) for key, planes in by_key.items()]


def _two_masks(stem: str, first: Path, second: Path) -> DataError:
    return DataError(
        f"{stem} has two masks: {first} and {second}", expected="one mask of a kind", do="Remove one of them"
    )


def _examples(paths: Sequence[Path]) -> str:
    return ", ".join(repr(path.stem) for path in paths[:2])


def _nothing_found(folder: Path) -> DataError:
    below = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    return DataError(
        f"{folder} holds no pictures in a known layout"
        + (f"; its folders are: {', '.join(below[:8])}" if below else " and no folders"),
        expected=f"pictures ({' '.join(SUFFIXES)}), images/ beside vessels/ or masks/, or these under train/ and test/",
        do="Name the folder that holds the photographs and the masks",
    )


def _has_unpaired(folder: Path, unpaired: Sequence[Path]) -> DataError:
    named = ", ".join(str(path.relative_to(folder)) for path in unpaired[:5])
    more = f" and {len(unpaired) - 5} more" if len(unpaired) > 5 else ""
    return DataError(
        f"{folder}: {len(unpaired)} file(s) without partner: {named}{more}",
        expected="a mask for each photograph and a photograph for each mask",
        do="Add or remove files, or allow unpaired ones to be left out",
    )


# --- Names, subjects, splits -------------------------------------------------------------------------------------


def _with_published_split(found: _Found) -> _Found:
    """Subjects, and where the layout has none the split, of CHASE_DB1 and HRF, told by the names of all files.

    CHASE_DB1: ``Image_01L`` is the left eye of child 01; children 11 to 14 (the last 8 of 28 files) are test.
    HRF: ``01_h``, ``01_g``, ``01_dr`` are different people; numbers 11 to 15 of each group are test.
    """
    chase = [_CHASEDB1.fullmatch(files.name) for files in found.eyes]
    matches = chase if all(chase) else [_HRF.fullmatch(files.name) for files in found.eyes]
    eyes = []
    for files, match in zip(found.eyes, matches, strict=True):
        if match is None:
            return found
        split: Split = "test" if int(match["number"]) > 10 else "train"
        known = replace(files, split=files.split if found.has_split else split)
        eyes.append(replace(known, eye=files.name[-3:], subject=match["number"]) if all(chase) else known)
    return replace(found, eyes=eyes, has_split=True)


def _with_distinct_names(found: _Found) -> _Found:
    """Names with their split before them where train and test use the same ones.

    Raises:
        DataError: two files of one side have the same name apart from suffix or case.
    """
    eyes = found.eyes
    if len({files.name.lower() for files in eyes}) < len(eyes):
        eyes = [_renamed(files, f"{files.split}_{files.name}") for files in eyes]
    seen: dict[str, EyeFiles] = {}
    for files in eyes:
        twin = seen.setdefault(files.name.lower(), files)
        if twin is not files:
            raise DataError(
                f"{twin.photograph} and {files.photograph} have the same name",
                expected="names that differ in more than suffix and case",
                do="Rename or remove one of them",
            )
    return replace(found, eyes=eyes)


def _renamed(files: EyeFiles, name: str) -> EyeFiles:
    is_own_eye, is_own_subject = files.eye == files.name, files.subject == files.name
    return replace(
        files,
        name=name,
        eye=name if is_own_eye else files.eye,
        subject=name if is_own_subject else files.subject,
    )


def _read_subjects(path: Path, found: _Found) -> dict[str, dict[str, str]]:
    """The rows of ``subjects.csv`` by the name of the eye they speak of.

    Raises:
        DataError: a column is missing or unknown, a row is incomplete, or an image is unknown, ambiguous or repeated.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # spreadsheets write a byte order mark
        header, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", expected="comma-separated text in UTF-8") from error
    columns_are_known = set(header) <= set(SUBJECTS_COLUMNS) and len(set(header)) == len(header)
    if not (columns_are_known and {"image", "subject"} <= set(header)):
        raise DataError(
            f"{path} has the columns {', '.join(header) or '(none)'}",
            expected="image, subject and perhaps eye, split, transformation",
            do="Correct its first line",
        )
    names: dict[str, set[str]] = {}
    for files in found.eyes:
        file = files.photograph or next(iter(files.planes.values()))
        for spelling in (files.name, file.stem, file.name):
            names.setdefault(spelling, set()).add(files.name)
    left_out = {spelling for file in found.unpaired for spelling in (file.stem, file.name)}
    by_name: dict[str, dict[str, str]] = {}
    for cells in rows:
        row = dict(zip(header, cells, strict=False))
        if len(cells) != len(header) or not (row["image"] and row["subject"]):
            raise DataError(f"{path}: a row is incomplete: {','.join(cells)}", expected=",".join(header))
        if row.get("split", "") not in ("", "train", "test"):
            raise DataError(f"{path}: image {row['image']} has the split {row['split']!r}", expected="train or test")
        known = names.get(row["image"], set())
        if not known and row["image"] in left_out:
            continue
        if len(known) != 1 or known & by_name.keys():
            reason = "is named twice" if len(known) == 1 else "stands for several" if known else "does not exist"
            raise DataError(
                f"{path}: image {row['image']} {reason}",
                expected=f"one row for an image, by its name, such as {sorted(known)[0] if known else min(names)}",
                do="Correct the row or remove it",
            )
        by_name[known.pop()] = row
    return by_name


def _with_row(files: EyeFiles, row: Mapping[str, str]) -> EyeFiles:
    split = row.get("split")
    return replace(
        files,
        subject=row.get("subject") or files.subject,
        eye=row.get("eye") or files.eye,
        split="train" if split == "train" else "test" if split == "test" else files.split,
    )


def _refuse_subject_on_both_sides(folder: Path, eyes: Sequence[EyeFiles]) -> None:
    sides = {split: {files.subject for files in eyes if files.split == split} for split in _SPLIT_FOLDERS}
    both = sorted(sides["train"] & sides["test"])
    if both:
        raise DataError(
            f"{folder / SUBJECTS_FILE}: {len(both)} subject(s) are in train and in test: {', '.join(both[:5])}",
            expected="all eyes of a person on one side, else the test measures memory",
            do="Give these images one split in the column split",
        )


def _split_by_subject(eyes: Sequence[EyeFiles], split_known: set[str]) -> list[EyeFiles]:
    """The eyes, those outside `split_known` (names) on the side of their subject, or 80/20 by subject."""
    side: dict[str, Split] = {files.subject: files.split for files in eyes if files.name in split_known}
    rest = sorted(
        {files.subject for files in eyes} - side.keys(), key=lambda subject: hashlib.sha256(subject.encode()).digest()
    )
    tests = max(1, round(_TEST_SHARE * len(rest))) if len(rest) > 1 else 0
    for number, subject in enumerate(rest):
        side[subject] = "test" if number < tests else "train"
    return [files if files.name in split_known else replace(files, split=side[files.subject]) for files in eyes]
