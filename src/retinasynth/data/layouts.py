"""Finding the eyes in a folder, whichever of the usual layouts it has.

Each layout is one function in `LAYOUTS`, tried in that order: it returns what it `Found`, or None when the folder is
not of its kind. What holds for all layouts is written once: names in `matching`, people and splits in `splits`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retinasynth.anatomy.render.phantom import phantom_folder
from retinasynth.data.grades import LESIONS, with_grades
from retinasynth.data.matching import (
    PHOTOGRAPH_FOLDERS,
    PLANE_FOLDERS,
    SPLIT_FOLDERS,
    VESSEL_FOLDERS,
    EyeFiles,
    Found,
    Split,
    alone,
    folders_in,
    label_maps,
    matched,
    photograph_folder,
    pictures_in,
    sides_of,
)
from retinasynth.data.selection import Selection, read_selection
from retinasynth.data.splits import CHASEDB1, SUBJECTS_COLUMNS, SUBJECTS_FILE, with_people_and_split
from retinasynth.errors import DataError, ImageError
from retinasynth.eye import Eye, usable
from retinasynth.eye.label_map import GEOMETRY_FOLDER, read_geometry
from retinasynth.images import (
    SUFFIXES,
    Mask,
    Photograph,
    mask_from_photograph,
    read_mask,
    read_photograph,
    read_size,
    resize_mask,
    stem_of,
)

__all__ = [
    "PHANTOM",
    "SUBJECTS_COLUMNS",
    "SUBJECTS_FILE",
    "DataSet",
    "EyeFiles",
    "Split",
    "find_eyes",
    "fit_mask",
    "photograph_of",
    "read_eye",
]

PHANTOM = "phantom"

_NEVER_EMPTY = ("vessels", "fov")  # an eye without them does not exist: an empty file is a mistake
_ASPECT_TOLERANCE = 0.02
_WRAPPINGS = 3  # folders with nothing but one folder that may lie around a set, as left by unpacking

_FOV_OF_DRIVE_OR_HRF = re.compile(r"\d+_(?:training|test|h|g|dr)_mask", re.IGNORECASE)
_FIVES = re.compile(r"\d+_[ADGN]")
_STARE = re.compile(r"im\d{4}(?P<observer>\.ah|\.vk)?")
_IDRID = re.compile(r"IDRiD_\d+")
_IDRID_PARTS = ("segmentation", "diseasegrading", "localization")


@dataclass(frozen=True)
class DataSet:
    """The eyes in a folder.

    Attributes:
        folder: where they are.
        layout: which layout was recognised: ``"kaggle"``, ``"idrid"``, ``"chasedb1"``, ``"drive"``, ``"hrf"``,
            ``"planes"``, ``"fives"``, ``"two folders"``, ``"stare"``, ``"side by side"`` or ``"photographs"``.
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
    the last word for the images it names. A `retinasynth.data.selection` has the split that it says.

    Args:
        folder: the data set, or ``phantom`` for the embedded procedural one. It may lie in folders that hold nothing
            else. Hidden files and files that are not pictures are ignored.
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
    selection = read_selection(folder)
    if selection is not None:
        return _selected(folder, selection)
    try:
        recognised = _recognised(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error})", do="Check its permissions") from error
    if recognised is None:
        raise _nothing_found(folder)
    place, found = recognised
    if found.unpaired and not allow_unpaired:
        raise _has_unpaired(folder, found.unpaired)
    if not found.eyes:
        raise DataError(f"{folder}: no photograph has a mask", expected="pairs of a photograph and a mask")
    tables = (table for table in (folder / SUBJECTS_FILE, place / SUBJECTS_FILE) if table.is_file())
    eyes = with_people_and_split(with_grades(_with_empty_lesions(found), place), next(tables, None))
    return DataSet(folder, found.layout, tuple(sorted(eyes, key=lambda files: files.name)), tuple(found.unpaired))


def _selected(folder: Path, selection: Selection) -> DataSet:
    found = find_eyes(selection.of, allow_unpaired=True)
    known = {files.name: files for files in found.eyes}
    sides: dict[Split, tuple[str, ...]] = {"train": selection.train, "test": selection.test}
    chosen = [*selection.train, *selection.test]
    unknown = sorted(set(chosen) - known.keys())
    if unknown:
        raise DataError(
            f"{folder} selects {len(unknown)} eyes that are not in {selection.of}, for example {unknown[0]}",
            do="Put the data set back as it was, or make the selection anew",
        )
    people = [{known[name].subject for name in names} for names in sides.values()]
    if len(set(chosen)) < len(chosen) or people[0] & people[1]:
        raise DataError(f"{folder} selects an eye twice, or one person on both sides", expected="nobody on both sides")
    eyes = [replace(known[name], split=split) for split, names in sides.items() for name in names]
    return DataSet(folder, found.layout, tuple(sorted(eyes, key=lambda files: files.name)))


def read_eye(files: EyeFiles) -> Eye:
    """The eye in its files, decoded.

    A mask of another size than the photograph is resized to it by the nearest value when their shapes agree within
    2 %, as when photographs were published at a reduced size.

    Raises:
        ImageError: a file is damaged, not binary or tiny, or the mask of the vessels or of the field of view is empty,
            or that of the vessels full (`retinasynth.eye.eye.usable`).
        DataError: a mask has another shape than its photograph, a side-by-side picture cannot be halved, or the file of
            the geometry is damaged or speaks of another size.
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
    empty = {plane: np.zeros((height, width), np.bool_) for plane in files.empty_planes}
    geometry = None if files.geometry is None else read_geometry(files.geometry, reference, (height, width))
    source = files.planes["vessels"] if "vessels" in fitted else reference
    return usable(Eye(files.name, fitted | empty, photograph, geometry), source)


def photograph_of(files: EyeFiles) -> Photograph:
    """The photograph of an eye alone, ``uint8 (height, width, 3)``; its masks are not read.

    Raises:
        ImageError: the file is damaged.
        DataError: there is no photograph.
    """
    if files.photograph is None:
        raise DataError(f"{files.name} has no photograph")
    picture = read_photograph(files.photograph)
    return picture[:, : picture.shape[1] // 2] if files.side_by_side else picture


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
    return usable(Eye(files.name, {"vessels": mask}, picture[:, : width // 2]), path)


def _recognised(folder: Path) -> tuple[Path, Found] | None:
    """What a layout made of the folder, or of the only one in it where unpacking left one in another; and of which."""
    for _ in range(_WRAPPINGS + 1):
        found = next((found for look in LAYOUTS if (found := look(folder)) is not None), None)
        if found is not None:
            return folder, found
        inside = [path for path in folders_in(folder).values() if path.name != "__MACOSX"]
        if len(inside) != 1:
            return None
        folder = inside[0]
    return None


def _with_empty_lesions(found: Found) -> Found:
    """The eyes of IDRiD with the lesions they have none of: there, and only there, an absent file means none."""
    if not all(_IDRID.fullmatch(files.name) for files in found.eyes):
        return found
    eyes = []
    for files in found.eyes:
        drawn = {plane for other in found.eyes if other.split == files.split for plane in other.planes}
        none = tuple(plane for plane in LESIONS if plane in drawn and plane not in files.planes)
        eyes.append(replace(files, empty_planes=none))
    return replace(found, eyes=eyes)


# --- Layouts -----------------------------------------------------------------------------------------------------


def _kaggle(folder: Path) -> Found | None:
    """``Data/{train,test}/{image,mask}/0.png ...``, the "Retina Blood Vessel" set; `folder` may be ``Data`` itself.

    Its 80 training files are 20 eyes, four versions of each in a row (original, two flips, a rotation): file n comes
    from eye n // 4. A random split of the 80 therefore leaks; ``eye`` and ``subject`` tell which files go together.
    """
    root = folder / "Data" if (folder / "Data").is_dir() else folder
    sides = [(split, root / split / "image", root / split / "mask") for split in SPLIT_FOLDERS]
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    for split, photographs, masks in sides:
        if photographs.is_dir() and masks.is_dir():
            more, without = matched(
                split, pictures_in(photographs), {"vessels": pictures_in(masks)}, needs_vessels=True
            )
            eyes += _by_four(more) if split == "train" else more
            unpaired += without
    return Found("kaggle", eyes, unpaired, has_split=True) if eyes or unpaired else None


def _by_four(eyes: list[EyeFiles]) -> list[EyeFiles]:
    if len(eyes) % 4 or {files.name for files in eyes} != {str(number) for number in range(len(eyes))}:
        return eyes
    origins = [f"train_eye_{int(files.name) // 4:02d}" for files in eyes]
    return [replace(files, eye=origin, subject=origin) for files, origin in zip(eyes, origins, strict=True)]


def _chasedb1(folder: Path) -> Found | None:
    """CHASE_DB1 as published: ``Image_01L.jpg``, ``Image_01L_1stHO.png``, ``Image_01L_2ndHO.png`` in one folder."""
    pictures = pictures_in(folder)
    photographs = [path for path in pictures if CHASEDB1.fullmatch(path.stem)]
    masks = [path for path in pictures if path.stem.lower().endswith("_1stho")]
    if not (photographs and masks):
        return None
    eyes, unpaired = matched("train", photographs, {"vessels": masks}, needs_vessels=True)
    return Found("chasedb1", eyes, unpaired, has_split=False)


def _idrid(folder: Path) -> Found | None:
    """IDRiD as published: ``A. Segmentation/1. Original Images/a. Training Set/IDRiD_01.jpg`` and so on.

    Beside the originals, ``2. All Segmentation Groundtruths/a. Training Set/1. Microaneurysms/IDRiD_01_MA.tif``. The
    parts on grading and localisation have photographs alone. `folder` may hold all parts (the first of `_IDRID_PARTS`
    is taken) or be one of them.
    """
    parts = folders_in(folder)
    inside = folders_in(next((parts[part] for part in _IDRID_PARTS if part in parts), folder))
    if "originalimages" not in inside:
        return None
    truths = inside.get("allsegmentationgroundtruths")
    truth_of = {} if truths is None else dict(sides_of(truths))
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    sides = sides_of(inside["originalimages"])
    for split, side in sides:
        folders = folders_in(truth_of[split]) if split in truth_of else {}
        masks = {plane: pictures_in(folders[key]) for key, plane in PLANE_FOLDERS.items() if key in folders}
        more, without = matched(split or "train", pictures_in(side), masks, needs_vessels=False)
        eyes += more
        unpaired += without
    return Found("idrid", eyes, unpaired, has_split=sides[0][0] is not None) if eyes or unpaired else None


def _drive_or_hrf(folder: Path) -> Found | None:
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
    if vessels_key is None and not (fovs and all(_FOV_OF_DRIVE_OR_HRF.fullmatch(stem_of(path)) for path in fovs)):
        return None
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    for (split, _), folders in zip(sides, inside, strict=True):
        keys = {"vessels": vessels_key, "fov": "mask"}
        masks = {plane: pictures_in(folders[key]) for plane, key in keys.items() if key in folders}
        photographs = pictures_in(folders["images"]) if "images" in folders else []
        more, without = matched(split or "train", photographs, masks, needs_vessels="vessels" in masks)
        eyes += more
        unpaired += without
    is_drive = vessels_key == "1stmanual" or sides[0][0] is not None
    return Found("drive" if is_drive else "hrf", eyes, unpaired, has_split=sides[0][0] is not None)


def _planes(folder: Path) -> Found | None:
    """Photographs (``images/``) and folders named after planes (``vessels/``, ``disc/``), perhaps in train and test.

    Other folders are ignored, but a file in ``geometry/`` says how its eye lies in the picture. A missing file means
    that this plane of this eye is unknown; a mask without photograph is unpaired. With no place for photographs these
    are label maps alone.
    """
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    sides = sides_of(folder)
    for split, side in sides:
        folders = folders_in(side)
        if "vessels" not in folders and any(key in folders for key in VESSEL_FOLDERS):
            return None  # the vessels have another name: two folders, perhaps with more planes beside them
        masks = {plane: pictures_in(folders[key]) for key, plane in PLANE_FOLDERS.items() if key in folders}
        place = photograph_folder(folders)
        photographs = pictures_in(place or side)
        if photographs or place:
            more, without = matched(split or "train", photographs, masks, needs_vessels=False)
        else:
            more, without = label_maps(split or "train", masks), []
        eyes += [_with_geometry(files, side) for files in more]
        unpaired += without
    if not (unpaired or any(files.planes for files in eyes)):
        return None
    return Found("planes", eyes, unpaired, has_split=sides[0][0] is not None)


def _with_geometry(files: EyeFiles, side: Path) -> EyeFiles:
    picture = files.photograph or next(iter(files.planes.values()))
    path = side / GEOMETRY_FOLDER / f"{stem_of(picture)}.json"
    return replace(files, geometry=path) if path.is_file() else files


def _two_folders(folder: Path) -> Found | None:
    """A folder of photographs and one of vessel masks under any of their usual names, perhaps in train and test.

    Other planes may stand beside them. A photograph without vessels, or a mask without photograph, is unpaired. FIVES
    as published is of this kind: ``{train,test}/{Original,Ground truth}/1_A.png``.
    """
    sides = sides_of(folder)
    names = {name for _, side in sides for name in folders_in(side)}
    # One choice for both sides, so that the field of view in `mask` is not taken for vessels where these are missing.
    photograph_key = next((key for key in PHOTOGRAPH_FOLDERS if key in names), None)
    vessels_key = next((key for key in VESSEL_FOLDERS if key in names), None)
    if photograph_key is None or vessels_key is None:
        return None
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    for split, side in sides:
        folders = folders_in(side)
        keys = {plane: key for key, plane in PLANE_FOLDERS.items() if key in folders} | {"vessels": vessels_key}
        masks = {plane: pictures_in(folders[key]) for plane, key in keys.items() if key in folders}
        photographs = pictures_in(folders[photograph_key]) if photograph_key in folders else []
        more, without = matched(split or "train", photographs, masks, needs_vessels=True)
        eyes += more
        unpaired += without
    is_fives = photograph_key == "original" and all(_FIVES.fullmatch(files.name) for files in eyes)
    layout = "fives" if is_fives else "two folders"
    return Found(layout, eyes, unpaired, has_split=sides[0][0] is not None) if eyes or unpaired else None


def _stare(folder: Path) -> Found | None:
    """STARE as published: ``im0001.ppm.gz``, ``im0001.ah.ppm.gz`` and ``im0001.vk.ppm.gz``, in one folder or several.

    The vessels are those of the first observer (``ah``), and of the second only where the first is missing altogether.
    """
    pictures = [path for place in (folder, *folders_in(folder).values()) for path in pictures_in(place)]
    named = [(path, match["observer"]) for path in pictures if (match := _STARE.fullmatch(stem_of(path)))]
    of: dict[str | None, list[Path]] = {None: [], ".ah": [], ".vk": []}
    for path, observer in named:
        of[observer].append(path)
    masks = of[".ah"] or of[".vk"]
    if not (of[None] and masks):
        return None
    eyes, unpaired = matched("train", of[None], {"vessels": masks}, needs_vessels=True)
    return Found("stare", eyes, unpaired, has_split=False)


def _side_by_side(folder: Path) -> Found | None:
    """Pictures twice as wide as high, photograph left and vessels right, perhaps in train and test.

    The right half of the first one decides: at least 95 % of its pixels are nearly black or white. A file that cannot
    be read has no say here; `read_eye` tells what is wrong with it.
    """
    sides = sides_of(folder)
    pictures = [(split or "train", path) for split, side in sides for path in pictures_in(side)]
    if not all(_is_twice_as_wide(path) for _, path in pictures):
        return None
    verdicts = (_right_half_is_binary(path) for _, path in pictures)
    if not next((verdict for verdict in verdicts if verdict is not None), False):
        return None
    eyes = [replace(alone(path, split), planes={"vessels": path}, side_by_side=True) for split, path in pictures]
    return Found("side by side", eyes, [], has_split=sides[0][0] is not None)


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


def _photographs(folder: Path) -> Found | None:
    """Photographs alone: pictures in the folder, in its ``images/``, or in either under train and test."""
    sides = sides_of(folder)
    eyes = []
    for split, side in sides:
        pictures = pictures_in(photograph_folder(folders_in(side)) or side)
        eyes += [alone(path, split or "train") for path in pictures or pictures_in(side)]
    return Found("photographs", eyes, [], has_split=sides[0][0] is not None) if eyes else None


LAYOUTS: tuple[Callable[[Path], Found | None], ...] = (
    _kaggle,
    _idrid,
    _chasedb1,
    _drive_or_hrf,
    _planes,
    _two_folders,
    _stare,
    _side_by_side,
    _photographs,  # last: it takes any picture
)


# --- Mistakes --------------------------------------------------------------------------------------------------------


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
