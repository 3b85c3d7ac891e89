"""Finding the eyes in a folder, whichever of the usual layouts it has, and reading them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from retinasynth.anatomy.render.phantom import PHANTOM, phantom_folder
from retinasynth.data.codes import codes_that_fit, found_in, read_planes, with_codes
from retinasynth.data.doubts import warn_of_doubts
from retinasynth.data.faults import faults_of, faults_of_centres
from retinasynth.data.grades import with_grades
from retinasynth.data.layouts import LAYOUTS
from retinasynth.data.layouts.idrid import with_empty_lesions
from retinasynth.data.layouts.plane_folders import find_pair
from retinasynth.data.matching import EyeFiles, Found, Split, folders_in, refuse_foreign_names
from retinasynth.data.places import folders_of_pair, is_zip, pair, unpacked, zips_in
from retinasynth.data.selection import Selection, read_selection
from retinasynth.data.splits import SUBJECTS_FILE, with_subjects_and_split
from retinasynth.decoding import SUFFIXES
from retinasynth.errors import DataError, ImageError
from retinasynth.eye import Eye, usable
from retinasynth.eye.label_map import read_geometry
from retinasynth.images import LabelValues, Mask, Photograph, mask_from_photograph, read_photograph, resize_mask
from retinasynth.progress import warn
from retinasynth.windows import Window

log = logging.getLogger("retinasynth")

_NEVER_EMPTY = ("vessels", "fov")  # an eye without them does not exist: an empty file is a mistake
_ASPECT_TOLERANCE = 0.02
_MOST_LOOKED_INTO = 40  # folders, to say which one is a set
_WRAPPINGS = 3  # folders with nothing but one folder that may lie around a set, as left by unpacking


@dataclass(frozen=True)
class DataSet:
    """The eyes in a folder.

    Attributes:
        folder: where they are: a folder, a zip, or two folders (`retinasynth.data.places.pair`).
        layout: which layout was recognised: ``"kaggle"``, ``"idrid"``, ``"chasedb1"``, ``"drive"``, ``"hrf"``,
            ``"planes"``, ``"fives"``, ``"two folders"``, ``"stare"``, ``"side by side"``, ``"A/B"``, ``"photographs"``,
            ``"classes"``, or one of the published sets ``"refuge"``, ``"papila"``, ``"origa"``, ``"g1020"``,
            ``"drishti"``, ``"rite"``, ``"les-av"``, ``"hrf-av"``, ``"fundus-avseg"`` and ``"maples-dr"``.
        eyes: sorted by name.
        unpaired: files left out because their partner is missing.
        root: the folder below which all files lie: `folder`, or where a zip was unpacked.
        notes: how it was read, where that is not plain, in sentences.
    """

    folder: Path
    layout: str
    eyes: tuple[EyeFiles, ...]
    unpaired: tuple[Path, ...] = ()
    root: Path = field(kw_only=True)
    notes: tuple[str, ...] = ()

    def split(self, split: Split) -> tuple[EyeFiles, ...]:
        """The eyes on one side of the split."""
        return tuple(files for files in self.eyes if files.split == split)

    def warn_if_untested(self) -> None:
        """Say so, before a training, where no eye is left to test on what was learnt."""
        if not self.split("test"):
            log.warning(
                "%s has no test eyes, so what is trained on it can be evaluated on other sets alone; a folder test/ or "
                "a subjects.csv with the column split makes some",
                self.folder,
            )


def find_eyes(folder: Path, *, allow_unpaired: bool = False, labels: str | None = None) -> DataSet:
    """The eyes in a folder, with their subjects and their side of the split: train, val or test.

    The split is the set's own (its train, val and test folders, or the published one of CHASE_DB1 and HRF). Where there
    is none, one fifth of the subjects, and at least one, become test, chosen by a hash of their names; a set of one
    subject is all train. A file ``subjects.csv`` (columns image, subject and perhaps eye, split, transformation) has
    the last word for the images it names. A `retinasynth.data.selection` has the split that it says.

    Args:
        folder: the data set, or ``phantom`` for the embedded procedural one. It may lie in folders that hold nothing
            else. Hidden files and files that are not pictures are ignored.
        allow_unpaired: leave out photographs and masks whose partner is missing instead of refusing the set.
        labels: how label files that are not masks are coded (`retinasynth.data.codes`), where that is not to be seen.

    Raises:
        DataError: there is no such folder, its layout is not recognised, nothing matches, a file has no partner, a name
            is not UTF-8, ``subjects.csv`` is wrong, or no file can be of the code `labels`.
    """
    folder = _existing(Path(folder))
    selection = read_selection(folder)
    if selection is not None:
        return _selected(folder, selection, labels)
    try:
        root, places, found = _looked_into(folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror or error})", do="Check its permissions") from error
    refuse_foreign_names(map(str, found.unpaired))
    if found.unpaired and not allow_unpaired:
        raise _has_unpaired(folder, root, found.unpaired)
    if not found.eyes:
        raise DataError(f"{folder}: no photograph has a mask", expected="pairs of a photograph and a mask")
    places = tuple(place for place in places if place.is_dir())  # a zip is none
    tables = (table for place in places if (table := place / SUBJECTS_FILE).is_file())
    found = replace(found, eyes=with_codes(found.eyes, labels))
    found = with_grades(with_empty_lesions(found), places)
    eyes = with_subjects_and_split(found, next(tables, None))
    eyes = sorted(eyes, key=lambda files: files.name)
    return DataSet(folder, found.layout, tuple(eyes), tuple(found.unpaired), root=root, notes=found.notes)


def _existing(folder: Path) -> Path:
    """A data set that is there, both folders of a pair as absolute paths.

    Raises:
        DataError: it is missing, or neither a folder nor a zip.
    """
    if folder == Path(PHANTOM) and not folder.exists():
        return phantom_folder()
    both = folders_of_pair(folder)
    for one in both or (folder,):
        if not one.exists():
            raise DataError(f"{one} does not exist", expected="a folder of pictures", do="Check the path")
        if not one.is_dir() and (both or not is_zip(one)):
            raise DataError(
                f"{one} is a file",
                expected="a folder of pictures" if both else "a folder of pictures, or a zip of one",
                do="Name the folder that holds it",
            )
    return folder if both is None else pair(*(one.resolve() for one in both))


def _looked_into(folder: Path) -> tuple[Path, tuple[Path, ...], Found]:
    """The folder below which all lies, the folders that may have tables, the outer one first, and what was found.

    Raises:
        DataError: nothing was, or a zip cannot be unpacked.
    """
    both = folders_of_pair(folder)
    if both is not None:
        return both[0].parent, both, find_pair(*both)
    inner = folder
    root = unpacked(folder) if is_zip(folder) else folder
    place, found = _recognised(root)
    zips = [] if found or folders_in(place) else zips_in(place)
    if len(zips) == 1:
        inner, root = zips[0], unpacked(zips[0])
        place, found = _recognised(root)
    if found is None:
        raise _nothing_found(inner, place)
    return root, tuple(dict.fromkeys((folder, root, place))), found


def _selected(folder: Path, selection: Selection, labels: str | None) -> DataSet:
    found = find_eyes(selection.of, allow_unpaired=True, labels=labels)
    known = {files.name: files for files in found.eyes}
    sides: dict[Split, tuple[str, ...]] = {"train": selection.train, "test": selection.test}
    chosen = [*selection.train, *selection.test]
    unknown = sorted(set(chosen) - known.keys())
    if unknown:
        raise DataError(
            f"{folder} selects {len(unknown)} eyes that are not in {selection.of}, for example {unknown[0]}",
            do="Put the data set back as it was, or make the selection anew",
        )
    subjects = [{known[name].subject for name in names} for names in sides.values()]
    if len(set(chosen)) < len(chosen) or subjects[0] & subjects[1]:
        raise DataError(
            f"{folder} selects an eye twice, or one subject on both sides", expected="no subject on both sides"
        )
    eyes = [replace(known[name], split=split) for split, names in sides.items() for name in names]
    return DataSet(
        folder, found.layout, tuple(sorted(eyes, key=lambda files: files.name)), root=found.root, notes=found.notes
    )


def read_eye(files: EyeFiles, *, checked: bool = True, window: Window | None = None) -> Eye:
    """The eye in its files, decoded.

    A mask of another size than the photograph is resized to it by the nearest value when their shapes agree within
    2 %, as when photographs were published at a reduced size.

    Args:
        files: of the eye.
        checked: refuse what cannot be true, rather than read it to be looked at.
        window: of a photograph of more than 8 bits (`retinasynth.windows`).

    Raises:
        ImageError: a file is damaged, tiny or not of its code, the mask of the vessels or of the field of view is
            empty, that of the vessels full (`retinasynth.eye.eye.usable`), or a plane cannot be true
            (`retinasynth.data.faults`).
        DataError: a mask has another shape than its photograph, a side-by-side picture cannot be halved, or the file of
            the geometry is damaged or speaks of another size.
    """
    if files.side_by_side:
        return _read_side_by_side(files)
    photograph = None if files.photograph is None else read_photograph(files.photograph, window=window)
    size = None if photograph is None else (photograph.shape[0], photograph.shape[1])
    planes = read_planes(files, never_empty=_NEVER_EMPTY if checked else (), size=size)
    reference = files.photograph or next(iter(files.planes.values()), None)
    if reference is None:
        raise DataError(f"{files.name} has neither a photograph nor a mask")
    height, width = (next(iter(planes.values())) if photograph is None else photograph).shape[:2]
    fitted = {plane: fit_mask(mask, files.planes[plane], reference, (height, width)) for plane, mask in planes.items()}
    empty = {plane: np.zeros((height, width), np.bool_) for plane in files.empty_planes}
    geometry = None if files.geometry is None else read_geometry(files.geometry, reference, (height, width))
    source = files.planes["vessels"] if "vessels" in fitted else reference
    eye = Eye(files.name, fitted | empty, photograph, geometry, files.centres if photograph is not None else {})
    if not checked:
        return eye
    usable(eye, source)
    for fault in (*faults_of(fitted, photograph), *faults_of_centres(eye.centres, fitted, eye.size)):
        path = files.planes.get(fault.plane, reference)
        error = ImageError(f"{path}: {fault.got}", do=fault.do)
        if fault.is_certain:
            raise error
        warn(f"{error} Other files of its folder like it are not named.", kind=(path.parent, fault.kind))
    warn_of_doubts(reference, photograph, fitted.get("disc"), fitted.get("fov"))
    return eye


def photograph_of(files: EyeFiles, *, window: Window | None = None) -> Photograph:
    """The photograph of an eye alone, ``uint8 (height, width, 3)``; its masks are not read.

    Args:
        files: of the eye.
        window: as `read_eye` takes it.

    Raises:
        ImageError: the file is damaged.
        DataError: there is no photograph.
    """
    if files.photograph is None:
        raise DataError(f"{files.name} has no photograph")
    picture = read_photograph(files.photograph, window=window)
    if files.side_by_side:
        picture = halves(files, picture)[0]
    warn_of_doubts(files.photograph, picture)
    return picture


def halves(files: EyeFiles, picture: Photograph) -> tuple[Photograph, Photograph]:
    """The photograph and the mask in a picture that holds them side by side."""
    half = picture.shape[1] // 2
    left, right = picture[:, :half], picture[:, half:]
    return (right, left) if files.mask_is_left else (left, right)


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


def mask_in_half(files: EyeFiles, drawn: LabelValues) -> Mask:
    """The vessels in the half of a picture that is their mask.

    Raises:
        ImageError: it holds more than one plane.
    """
    codes = codes_that_fit(drawn)
    if codes:
        raise ImageError(
            f"{files.photograph}: the half beside the photograph is no mask of vessels: it has {found_in(drawn)}",
            expected=f"two values, not {' or '.join(codes)}",
            do="Cut the halves into two folders, and name them as PHOTOGRAPHS::LABELS",
        )
    return mask_from_photograph(drawn)


def _read_side_by_side(files: EyeFiles) -> Eye:
    path = files.planes["vessels"]
    picture = read_photograph(path)
    width = picture.shape[1]
    if width % 2:
        raise DataError(
            f"{path} is {width} px wide", expected="an even width: photograph and mask side by side, of equal size"
        )
    photograph, drawn = halves(files, picture)
    mask = mask_in_half(files, drawn)
    if not mask.any():
        side = "left" if files.mask_is_left else "right"
        raise ImageError(f"{path}: the {side} half is all black", expected="the mask of the vessels there")
    warn_of_doubts(path, photograph)
    return usable(Eye(files.name, {"vessels": mask}, photograph), path)


def _recognised(folder: Path) -> tuple[Path, Found | None]:
    """What a layout made of the folder, or of the only one in it where unpacking left one in another; and of which."""
    for _ in range(_WRAPPINGS + 1):
        found = next((found for look in LAYOUTS if (found := look(folder)) is not None), None)
        if found is not None:
            return folder, found
        inside = [path for path in folders_in(folder).values() if path.name != "__MACOSX"]
        if len(inside) != 1:
            break
        folder = inside[0]
    return folder, None


def _nothing_found(named: Path, place: Path) -> DataError:
    """What to say where no layout fits: which folders or zips in it could be meant."""
    folders = [path for path in folders_in(place).values() if path.name != "__MACOSX"]
    sets = [path for path in folders[:_MOST_LOOKED_INTO] if _is_labelled_set(path)]
    if sets:
        names = ", ".join(path.name for path in sets[:8])
        return DataError(
            f"{named} holds several folders, of which {names} {'is a data set' if len(sets) == 1 else 'are data sets'}",
            expected="one data set",
            do=f"Name {sets[0]}{'' if len(sets) == 1 else ', or another'}",
        )
    below = ", ".join(sorted(path.name for path in folders)[:8])
    zips = ", ".join(path.name for path in zips_in(place)[:8])
    return DataError(
        f"{named} holds no pictures in a known layout"
        + (f"; its folders are: {below}" if below else " and no folders")
        + (f"; its zips are: {zips}" if zips else ""),
        expected=f"pictures ({' '.join(SUFFIXES)}), images/ beside vessels/ or masks/, or these under train/ and test/",
        do="Name one of the zips, or unpack them"
        if zips
        else "Name the folder that holds the photographs and the masks, or the folders of both as PHOTOGRAPHS::MASKS",
    )


def _is_labelled_set(folder: Path) -> bool:
    """Whether a folder holds pairs or label maps in a known layout."""
    try:
        _, found = _recognised(folder)
    except DataError:
        return False
    return found is not None and any(files.planes for files in found.eyes)


def _has_unpaired(folder: Path, root: Path, unpaired: Sequence[Path]) -> DataError:
    named = ", ".join(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in unpaired[:5])
    more = f" and {len(unpaired) - 5} more" if len(unpaired) > 5 else ""
    return DataError(
        f"{folder}: {len(unpaired)} file(s) without partner: {named}{more}",
        expected="a mask for each photograph and a photograph for each mask",
        do="Add or remove files, or allow unpaired ones to be left out",
    )
