"""What belongs together: the one home of the rules for names of folders and files.

Files belong to one eye when their stems agree, if need be after dropping endings such as ``_manual1`` or ``_mask``.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from retinasynth.dicom import is_bare_dicom
from retinasynth.errors import DataError, printable
from retinasynth.eye import PLANES
from retinasynth.images import is_picture, stem_of

Split = Literal["train", "val", "test"]

# Names of folders, compared by `plain`; in the order of preference where a set has several of a kind: DRIVE and HRF
# keep the field of view in `mask` beside the vessels in `1st_manual` or `manual1`.
SPLIT_FOLDERS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train", "training", "trainingset"),
    "val": ("val", "valid", "validation", "validationset", "evaluationset"),
    "test": ("test", "testing", "testingset", "testset"),
}
PHOTOGRAPH_FOLDERS = (
    *("images", "image", "photographs", "photograph", "photos", "photo"),
    *("fundus", "retina", "originals", "original", "imgs", "img"),
)
VESSEL_FOLDERS = (
    *("vessels", "vessel", "1stmanual", "manual1", "manual", "groundtruth", "gt", "annotations", "annotation"),
    *("labels", "label", "segmentations", "segmentation", "masks", "mask"),
)
ARTERIES_AND_VEINS = "arteries and veins"  # a folder of maps that give both; `retinasynth.data.codes` says which planes
PLANE_FOLDERS = {
    **{plane.replace("_", ""): plane for plane in PLANES},
    "opticdisc": "disc",
    "opticcup": "cup",
    "hemorrhages": "haemorrhages",
    "fieldofview": "fov",
    **dict.fromkeys(("disccup", "discandcup", "cupdisc", "opticdisccup", "opticdiscandcup", "odoc"), "disc"),
    **dict.fromkeys(
        (
            *("av", "arteryvein", "arteryveins", "arteryandvein", "arteriesveins", "arteriesandveins", "avmaps"),
            *("avlabels", "avmasks", "avsegmentation", "avsegmentations", "avannotation", "avannotations"),
        ),
        ARTERIES_AND_VEINS,
    ),
}

# IDRiD's lesions and STARE's annotators among them.
_MASK = r"_(?:1stHO|2ndHO|manual[12]?|masks?|vessels?|seg|segmentation|labels?|gt|fov|MA|HE|EX|SE)|\.(?:ah|vk)"
_MASK_ENDING = re.compile(rf"(?<=.)(?:{_MASK})+$", re.IGNORECASE)
_ENDING = re.compile(rf"(?<=.)(?:{_MASK}|_training|_test)+$", re.IGNORECASE)
_DISC = re.compile(r"(?<=.)_OD$", re.IGNORECASE)  # in IDRiD the optic disc; beside _OS the right eye
_LEFT_EYE = re.compile(r"(?<![a-z])OS(?![a-z])", re.IGNORECASE)
_SECOND_ANNOTATOR = re.compile(r"(?:_2ndHO|_manual2|\.vk)$", re.IGNORECASE)


@dataclass(frozen=True)
class EyeFiles:
    """Where the photograph and the label planes of one eye are.

    Attributes:
        name: unique within the set; the file name of the photograph without suffix, with ``train_``, ``val_`` or
            ``test_`` before it where several splits use the same file names.
        photograph: its file; None for label maps without photographs.
        planes: mask files by plane name; empty for an unlabelled photograph.
        eye: shared by all files that were made from one physical eye.
        subject: shared by both eyes of a person where the layout tells, else `eye`.
        split: the side it is on.
        empty_planes: what this eye has none of though there is no file to say so (a lesion in IDRiD).
        side_by_side: one file holds the photograph in one half and the vessels in the other; then `photograph` and
            ``planes["vessels"]`` are that file.
        mask_is_left: of these, which half is the mask.
        geometry: file that says how the eye lies in its picture (`retinasynth.eye.label_map`), or None.
        grade: of diabetic retinopathy, 0 (none) to 4 (`retinasynth.data.grades`); None where it is unknown.
        diagnosis: in the words of the set, such as "glaucoma" or "healthy"; None where it says none.
        codes: names in `retinasynth.data.codes.CODES` by plane; the files of all others are masks.
        outlined_on: the photograph that outlines among the files were drawn on, also where `photograph` is left out.
        centres: x and y of the middle of the disc and the fovea in pixels of the photograph, where the set says them.
        faults: what is wrong with a plane in all files of the set, in a sentence; who reads it is told.

    Raises:
        DataError: a name is not UTF-8, so that it could not be written into tables, manifests and reports.
    """

    name: str
    photograph: Path | None
    planes: Mapping[str, Path]
    eye: str
    subject: str
    split: Split
    empty_planes: tuple[str, ...] = ()
    side_by_side: bool = False
    mask_is_left: bool = False
    geometry: Path | None = None
    grade: int | None = None
    diagnosis: str | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    outlined_on: Path | None = None
    centres: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_foreign_names((str(self.photograph), *map(str, self.planes.values()), self.name))

    @property
    def has_unknown_subject(self) -> bool:
        """Whether nothing has told whose eye it is, so that subject and eye are called as the file."""
        return self.subject == self.eye == self.name

    def has(self, planes: Sequence[str]) -> bool:
        """Whether all of these planes are known, if only to be empty."""
        return set(planes) <= {*self.planes, *self.empty_planes}

    def with_planes_alone(self, planes: Sequence[str]) -> Self:
        """The same eye without its other planes."""
        return replace(
            self,
            planes={plane: path for plane, path in self.planes.items() if plane in planes},
            empty_planes=tuple(plane for plane in self.empty_planes if plane in planes),
        )


@dataclass(frozen=True)
class Found:
    """What a layout made of a folder; names and splits are still provisional.

    Where `has_split` is False, the `split` of the eyes means nothing yet; `notes` are sentences on how it was read.
    """

    layout: str
    eyes: list[EyeFiles]
    unpaired: list[Path]
    has_split: bool
    notes: tuple[str, ...] = ()


def refuse_foreign_names(names: Iterable[str]) -> None:
    """Refuse names that are not UTF-8.

    Raises:
        DataError: one is not.
    """
    for name in names:
        if name != printable(name):
            raise DataError(f"{name} is not UTF-8", expected="names in UTF-8", do="Rename the file or folder")


def plain(name: str) -> str:
    """The name of a folder in lower case, without a number or letter before it, blanks, underscores and hyphens.

    Example:
        >>> plain("1. Original Images"), plain("1st_manual")
        ('originalimages', '1stmanual')
    """
    return re.sub(r"[ _-]", "", re.sub(r"^\w\.\s", "", name.lower()))


def names_in(folder: Path, *, are_folders: bool = False) -> list[str]:
    """The names of the files in a folder, or of the folders, sorted; a link that leads nowhere is neither."""
    with os.scandir(folder) as entries:  # which tells files from folders without asking the disk for each of thousands
        one_by_one = ((entry.name, Path(entry.path) if entry.is_symlink() else entry) for entry in entries)
        return sorted(name for name, one in one_by_one if (one.is_dir() if are_folders else one.is_file()))


def folders_in(folder: Path) -> dict[str, Path]:
    """The folders in a folder by their plain name."""
    return {plain(name): folder / name for name in names_in(folder, are_folders=True) if name[0] != "."}


def photograph_folder(folders: Mapping[str, Path]) -> Path | None:
    """That of the photographs among folders by plain name."""
    return next((folders[key] for key in PHOTOGRAPH_FOLDERS if key in folders), None)


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder, sorted; of those without a suffix, the DICOM files."""
    return [path for path in map(folder.joinpath, names_in(folder)) if is_picture(path) or is_bare_dicom(path)]


def planes_in(folders: Mapping[str, Path]) -> dict[str, list[Path]]:
    """The pictures in those of the folders, by plain name, that are named after planes, by plane."""
    return {plane: pictures_in(folders[key]) for key, plane in PLANE_FOLDERS.items() if key in folders}


def split_named(name: str) -> Split | None:
    """The side of the split that a word stands for (``valid``, ``Training Set``), or None."""
    return next((split for split, names in SPLIT_FOLDERS.items() if plain(name) in names), None)


def sides_of(folder: Path) -> list[tuple[Split | None, Path]]:
    """The train, validation and test folders of a set where it has them, else the folder itself."""
    folders = folders_in(folder)
    sides: list[tuple[Split | None, Path]] = [
        (split, folders[name]) for split, names in SPLIT_FOLDERS.items() for name in names if name in folders
    ]
    is_split = any(split != "val" for split, _ in sides)  # validation alone is but another folder
    return sides if is_split else [(None, folder)]


def composed(text: str) -> str:
    """With accents as Unicode's composed form (NFC) has them; macOS writes names of files in the other."""
    return unicodedata.normalize("NFC", text)


def plain_spelling(name: str) -> str:
    """A name as it is compared: `composed`, in lower case."""
    return composed(name).lower()


def key_of(path: Path) -> str:
    """What the files of one eye have in common: the stem in its plain spelling, without endings.

    Example:
        >>> key_of(Path("21_training.tif")), key_of(Path("im0001.ah.ppm.gz"))
        ('21', 'im0001')
    """
    return plain_spelling(_ENDING.sub("", stem_of(path)))


def names_of_masks(masks: Sequence[Path]) -> list[str]:
    """What the photographs of these masks would be called: ``A_1stHO.png`` is ``A``; their stems where two would clash.

    Example:
        >>> names_of_masks([Path("A_1stHO.png"), Path("B.png")])
        ['A', 'B']
        >>> names_of_masks([Path("A_1stHO.png"), Path("A_2ndHO.png")])
        ['A_1stHO', 'A_2ndHO']
    """
    stems = [stem_of(path) for path in masks]
    names = [_MASK_ENDING.sub("", stem) for stem in stems]
    return names if len({plain_spelling(name) for name in names}) == len(names) else stems


def counterparts(names: Sequence[str], wanted: Iterable[str]) -> dict[str, str]:
    """For each name the one among `wanted` that means the same, or itself where there is none.

    It is the same name in another spelling or, where none is, the same apart from endings if that pairs all of either.
    """
    wanted = list(wanted)
    by_spelling = {plain_spelling(name): name for name in wanted}
    found = {name: name if name in wanted else by_spelling.get(plain_spelling(name), name) for name in names}
    if not set(found.values()) & set(wanted):
        keys = Counter(key_of(Path(name)) for name in wanted)
        by_key = {key_of(Path(name)): name for name in wanted if keys[key_of(Path(name))] == 1}
        found = {name: by_key.get(key_of(Path(name)), name) for name in names}
        paired = set(found.values()) & set(wanted)
        if len(paired) < min(len(found), len(wanted)):
            return {name: name for name in names}
    return found if len(set(found.values())) == len(found) else {name: name for name in names}


def _name_of_mask(path: Path, *, is_disc: bool) -> str:
    """The stem of a mask without endings, in IDRiD's masks of the disc also without ``_OD``."""
    name = _ENDING.sub("", stem_of(path))
    return _DISC.sub("", name) if is_disc else name


def _has_left_eyes(paths: Iterable[Path]) -> bool:
    return any(_LEFT_EYE.search(stem_of(path)) for path in paths)


def alone(photograph: Path, split: Split) -> EyeFiles:
    """A photograph without masks."""
    stem = stem_of(photograph)
    return EyeFiles(stem, photograph, {}, stem, stem, split)


def found_in(
    layout: str,
    sides: Iterable[tuple[Split | None, Sequence[Path], Mapping[str, Sequence[Path]]]],
    *,
    needs_vessels: bool | None,
) -> Found:
    """What there is where photographs and masks are told apart.

    Args:
        layout: its name.
        sides: train and test, or None for a set that is not split: the photographs, and the masks by plane.
        needs_vessels: a photograph without vessels is unpaired; None for that on the sides that have a folder of them.

    Raises:
        DataError: as `matched`.
    """
    eyes: list[EyeFiles] = []
    unpaired: list[Path] = []
    split: Split | None = None
    for split, photographs, masks in sides:
        needs = "vessels" in masks if needs_vessels is None else needs_vessels
        more, without = matched(split or "train", photographs, masks, needs_vessels=needs)
        eyes += more
        unpaired += without
    return Found(layout, eyes, unpaired, has_split=split is not None)


def matched(
    split: Split, photographs: Sequence[Path], masks: Mapping[str, Sequence[Path]], *, needs_vessels: bool
) -> tuple[list[EyeFiles], list[Path]]:
    """The photographs with their masks, and the files without partner.

    Raises:
        DataError: there are photographs and masks of a plane, but none match, or two files have one name.
    """
    refuse_same_names(photographs)
    planes: dict[Path, dict[str, Path]] = {photograph: {} for photograph in photographs}
    unpaired: list[Path] = []
    for plane, paths in masks.items():
        is_disc = plane == "disc" and not _has_left_eyes((*photographs, *paths))
        partners, without = _partners(photographs, paths, is_disc=is_disc)
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
        replace(alone(photograph, split), planes=found)
        for photograph, found in planes.items()
        if "vessels" in found or not needs_vessels
    ]
    return eyes, unpaired


def _partners(
    photographs: Sequence[Path], masks: Sequence[Path], *, is_disc: bool
) -> tuple[dict[Path, Path], list[Path]]:
    """The mask of each photograph that has one, and the masks without photograph.

    The whole stem decides before the stem without endings. A second annotator's mask counts where there is no first.
    """
    by_stem = {plain_spelling(stem_of(path)): path for path in photographs}
    keys = Counter(map(key_of, photographs))
    by_key = {key_of(path): path for path in photographs if keys[key_of(path)] == 1}
    partners: dict[Path, Path] = {}
    without: list[Path] = []
    for mask in sorted(masks, key=lambda path: bool(_SECOND_ANNOTATOR.search(stem_of(path)))):
        name = _name_of_mask(mask, is_disc=is_disc)
        photograph = by_stem.get(plain_spelling(stem_of(mask))) or by_key.get(plain_spelling(name))
        if photograph is None:
            without.append(mask)
        elif photograph not in partners:
            partners[photograph] = mask
        elif not _SECOND_ANNOTATOR.search(stem_of(mask)):
            raise _two_masks(stem_of(photograph), partners[photograph], mask)
    return partners, without


def label_maps(split: Split, masks: Mapping[str, Sequence[Path]]) -> list[EyeFiles]:
    """Eyes without photographs, one for each name among the masks."""
    names: dict[str, str] = {}
    by_key: dict[str, dict[str, Path]] = {}
    has_left_eyes = _has_left_eyes(path for paths in masks.values() for path in paths)
    for plane, paths in masks.items():
        for path in sorted(paths, key=lambda path: bool(_SECOND_ANNOTATOR.search(stem_of(path)))):
            name = _name_of_mask(path, is_disc=plane == "disc" and not has_left_eyes)
            key = plain_spelling(name)
            names.setdefault(key, name)
            first = by_key.setdefault(key, {}).setdefault(plane, path)
            if first is not path and not _SECOND_ANNOTATOR.search(stem_of(path)):
                raise _two_masks(name, first, path)
    return [EyeFiles(names[key], None, planes, names[key], names[key], split) for key, planes in by_key.items()]


def refuse_same_names(photographs: Iterable[Path]) -> None:
    """Refuse two photographs whose names differ in suffix, case or spelling alone.

    Raises:
        DataError: there are two.
    """
    seen: dict[str, Path] = {}
    for path in photographs:
        earlier = seen.setdefault(plain_spelling(stem_of(path)), path)
        if earlier is not path:
            raise DataError(
                f"{earlier} and {path} have the same name",
                expected="names that differ in more than suffix and case",
                do="Rename or remove one of them",
            )


def _two_masks(stem: str, first: Path, second: Path) -> DataError:
    return DataError(
        f"{stem} has two masks: {first} and {second}", expected="one mask of a kind", do="Remove one of them"
    )


def _examples(paths: Sequence[Path]) -> str:
    return ", ".join(repr(stem_of(path)) for path in paths[:2])
