"""What is wrong with a data set, found before a training hides it: every file is read, every photograph compared.

A mask fits when the photograph is darker under it than beside it. On the 28 pairs of CHASE_DB1 the difference is .94
to 1.19 (in local standard deviations of the evened green channel); for masks of other eyes, turned or mirrored ones it
is at most .15, and .35 for masks shifted by one hundredth of the width.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from retinasynth.data.codes import CODES, codes_that_fit, plane_in, read_values, shares_in
from retinasynth.data.doubts import doubts_of, is_lit
from retinasynth.data.faults import faults_of, faults_of_centres
from retinasynth.data.find import DataSet, find_eyes, fit_mask, halves, mask_in_half
from retinasynth.data.matching import EyeFiles, Split
from retinasynth.data.near_duplicates import NearDuplicates, Sketch, evened, find_near_duplicates, sketch
from retinasynth.data.overlays import write_sheet
from retinasynth.data.people import told_by_names
from retinasynth.data.splits import write_subjects
from retinasynth.errors import DataError, ImageError
from retinasynth.eye import Eye, usable
from retinasynth.images import (
    LabelValues,
    Mask,
    Photograph,
    brightest,
    counts_of,
    read_photograph,
    resize_mask,
    resize_photograph,
    stem_of,
)
from retinasynth.parallel import THREADS
from retinasynth.progress import progress
from retinasynth.windows import Window

MIN_FIT = 0.4
MAX_GREY = 0.001  # of the pixels of a mask
_FIT_WIDTH_PX = 384
_FIT_MIN_PX = 128  # smaller photographs do not show their vessels
_BINARY_SHARE = 0.95
_VALUES_NAMED = 8  # of a folder of label files
_ALL_BLACK = "black in all files"
_OF_AN_EYE = ("unreadable", "swapped", "empty", "not_binary", "other_shape", "unusable", "faults", "doubts", "misfits")


@dataclass(frozen=True)
class Leak:
    """An eye on both sides of the split.

    Attributes:
        train: name of the training photograph, or of that on the first of two other `sides`.
        test: name of the test photograph, or of that on the second.
        correlation: of their vessels where they show one retina; None where only the name of the person tells.
        is_mirrored: one is a mirror image of the other.
        sides: which two.
    """

    train: str
    test: str
    correlation: float | None = None
    is_mirrored: bool = False
    sides: tuple[Split, Split] = ("train", "test")

    def __str__(self) -> str:
        """For a sentence.

        Example:
            >>> str(Leak("a", "b", 0.9, True)), str(Leak("a", "c"))
            ('a (train) = b (test), mirrored', 'a (train) and c (test) of one person')
        """
        first, second = f"{self.train} ({self.sides[0]})", f"{self.test} ({self.sides[1]})"
        if self.correlation is None:
            return f"{first} and {second} of one person"
        return f"{first} = {second}{', mirrored' if self.is_mirrored else ''}"


@dataclass
class Inspection:
    """What was found in a data set. Names are those of the eyes, files are relative to the folder.

    Attributes:
        folder: the data set.
        layout: how it was read; empty when it could not be.
        pairs: photographs with a vessel mask.
        split: for train and test, and val where there is one, the number of ``files`` and of ``eyes``.
        grades: for each side the number of files by grade of retinopathy, where any is known.
        diagnoses: likewise by diagnosis.
        people: how many persons the eyes are of, as far as that is known.
        people_with_both_eyes: how many of these are there with more than one eye.
        sizes: number of photographs by ``"WIDTHxHEIGHT"``.
        unpaired: files without partner.
        unreadable: ``file`` and ``reason``.
        swapped: eyes whose photograph is black and white and whose mask is not.
        empty: vessel and field-of-view masks with nothing in them.
        not_binary: ``file`` and ``grey``, the share of pixels that are neither nearly black nor nearly white.
        other_shape: ``file`` and ``reason``: masks that cannot be laid on their photograph, or on each other.
        unusable: ``file`` and ``reason``: tiny pictures, and vessels that cover more than vessels do.
        faults: ``file``, ``plane``, ``kind`` and ``reason``: planes that cannot be true (`retinasynth.data.faults`).
        planes: of each folder of label files the ``folder``, its ``code`` (`retinasynth.data.codes`) with its
            ``meaning``, the ``planes`` that are read from it, how many ``files``, and the mean share of the pixels of
            each of the most frequent ``values`` or colours.
        doubts: ``file``, ``kind`` and ``reason``: photographs that are very dark, or crops around the disc.
        misfits: ``name``, ``fit`` (see `MIN_FIT`) and ``fits_when``, the mirror image that would fit, if any.
        duplicates: groups of names on one side that show one retina but are not said to be one eye.
        leaks: the same retina, or a retina of the same person, on both sides of the split.
        notes: what is worth knowing but not wrong.
        problems: what is wrong and what to do, in sentences.
    """

    folder: str
    layout: str = ""
    pairs: int = 0
    split: dict[str, dict[str, int]] = field(default_factory=dict)
    grades: dict[str, dict[str, int]] = field(default_factory=dict)
    diagnoses: dict[str, dict[str, int]] = field(default_factory=dict)
    people: int = 0
    people_with_both_eyes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    unpaired: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    not_binary: list[dict[str, str | float]] = field(default_factory=list)
    other_shape: list[dict[str, str]] = field(default_factory=list)
    unusable: list[dict[str, str]] = field(default_factory=list)
    faults: list[dict[str, str]] = field(default_factory=list)
    planes: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[dict[str, str]] = field(default_factory=list)
    misfits: list[dict[str, str | float]] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ok: bool = True


def inspect_data(
    folder: Path,
    *,
    labels: str | None = None,
    sheet: Path | None = None,
    subjects: Path | None = None,
    window: Window | None = None,
    quiet: bool = False,
) -> Inspection:
    """Read every file of a data set and say what is wrong with it; never stops at a bad file.

    Args:
        folder: a data set in any layout that `find_eyes` knows, or ``phantom``.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).
        sheet: file to draw overlays of up to 30 eyes into, to look at.
        subjects: file to write a draft of ``subjects.csv`` to, which says which photographs are of one person.
        window: of photographs of more than 8 bits (`retinasynth.windows`).
        quiet: show no progress.

    Returns:
        The findings; ``ok`` is False when there is a problem, also when the folder is no data set at all.

    Raises:
        OutputError: the file `subjects` exists or cannot be written.
    """
    report = Inspection(str(folder))
    try:
        found = find_eyes(Path(folder), allow_unpaired=True, labels=labels)
    except DataError as error:
        report.problems.append(str(error))
        report.ok = False
        return report
    if subjects is not None:
        write_subjects(Path(subjects), found.eyes)
    _count(report, found)
    sketches: dict[str, Sketch] = {}
    folders: dict[Path, _LabelFolder] = {}
    with progress("Reading", len(found.eyes), quiet=quiet) as advance, ThreadPoolExecutor(THREADS) as pool:
        checked = pool.map(lambda files: _Checked(files, found.root, window), found.eyes)
        for done, one in enumerate(checked, start=1):
            one.add_to(report, folders)
            if one.sketch is not None:
                sketches[one.files.name] = one.sketch
            advance(done, "")
    eyes = [files for files in found.eyes if files.name in sketches]
    with progress("Comparing", len(eyes), quiet=quiet) as advance:
        pairs = find_near_duplicates([sketches[files.name] for files in eyes], lambda done: advance(done, ""))
    _add_near_duplicates(report, eyes, pairs)
    report.planes = [one.as_row(_relative(path, found.root)) for path, one in sorted(folders.items())]
    if sheet is not None:
        write_sheet(found.eyes, sheet)
    report.sizes = dict(sorted(report.sizes.items(), key=lambda item: (-item[1], item[0])))
    if len(report.sizes) > 1:
        report.notes.append(f"The photographs have {len(report.sizes)} sizes; training resizes them all to a square.")
    for kind in dict.fromkeys(one["kind"] for one in report.doubts):
        of_kind = [one for one in report.doubts if one["kind"] == kind]
        report.notes.append(f"{named(one['file'] for one in of_kind)}: {kind}; of the first, {of_kind[0]['reason']}")
    report.problems += _sentences(report)
    report.ok = not report.problems
    return report


def _count(report: Inspection, found: DataSet) -> None:
    report.layout = found.layout
    labelled = [files for files in found.eyes if files.photograph is not None and "vessels" in files.planes]
    report.pairs = len(labelled)
    for split in get_args(Split):
        side = found.split(split)
        if split == "val" and not side:
            continue
        report.split[split] = {"files": len(side), "eyes": len({files.eye for files in side})}
        grades = Counter(str(files.grade) for files in side if files.grade is not None)
        diagnoses = Counter(files.diagnosis for files in side if files.diagnosis)
        report.grades |= {split: dict(sorted(grades.items()))} if grades else {}
        report.diagnoses |= {split: dict(diagnoses.most_common())} if diagnoses else {}
    report.unpaired = [_relative(path, found.root) for path in found.unpaired]
    report.notes += found.notes
    _count_people(report, found.eyes)
    marked = Counter(plane for files in found.eyes for plane in files.centres)
    if marked:
        of = " and ".join(f"the {plane} of {count}" for plane, count in marked.items())
        report.notes.append(f"The middle of {of} eyes is marked.")
    said = {plane: fault for files in found.eyes for plane, fault in files.faults.items()}
    for plane, fault in said.items():
        report.faults.append({"file": plane, "plane": plane, "kind": _ALL_BLACK, "reason": fault})
    if not labelled:
        report.notes.append("No photograph has a vessel mask: this set can be looked at, but not trained on.")
    elif len(labelled) < len(found.eyes):
        trained_on = {files.name for files in labelled}
        lacking = [files.name for files in found.eyes if files.name not in trained_on]
        report.problems.append(
            f"{named(lacking)} without photograph or vessel mask: training needs both. Add them or remove the eyes."
        )


def _count_people(report: Inspection, eyes: Sequence[EyeFiles]) -> None:
    eyes_of: dict[str, set[str]] = {}
    for files in eyes:
        eyes_of.setdefault(files.subject, set()).add(files.eye)
    report.people = len(eyes_of)
    report.people_with_both_eyes = sum(len(own) > 1 for own in eyes_of.values())
    told = told_by_names(files.name for files in eyes)
    names = sorted(files.name for files in eyes if files.name in told and files.subject == told[files.name].subject)
    if report.people_with_both_eyes:
        how = f", told from names such as {names[0]} and {names[1]}" if names else ""
        more = "; a subjects.csv corrects it (`--subjects FILE` writes a draft)" if names else ""
        report.notes.append(
            f"{report.people} people, {report.people_with_both_eyes} of them with both eyes{how}{more}."
        )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


# --- One eye -----------------------------------------------------------------------------------------------------


class _Checked:
    """What the files of one eye show; made in a thread, added to the report in order."""

    def __init__(self, files: EyeFiles, folder: Path, window: Window | None) -> None:
        self.window = window
        self.files = files
        self.folder = folder
        self.found = Inspection(str(folder))
        self.sketch: Sketch | None = None
        photograph, labels = self._read()
        self.shares = {path: shares_in(values) for path, values in labels.items()}
        vessels = labels.get(files.planes["vessels"]) if "vessels" in files.planes else None
        if photograph is not None and vessels is not None and _is_swapped(photograph, vessels):
            self.found.swapped.append(files.name)
            return
        if photograph is not None:
            self.sketch = sketch(photograph)
            self.found.sizes[f"{photograph.shape[1]}x{photograph.shape[0]}"] = 1
        size = next((one.shape[:2] for one in (photograph, *labels.values()) if one is not None), (0, 0))
        read = {plane: self._mask(plane, labels[path], size) for plane, path in files.planes.items() if path in labels}
        masks = {plane: mask for plane, mask in read.items() if mask is not None}
        if photograph is not None or masks:
            self._eye(masks, photograph)
        if photograph is not None and "vessels" in masks and min(photograph.shape[:2]) >= _FIT_MIN_PX:
            fit, fits_when = fit_of(masks["vessels"], photograph)
            if fit < MIN_FIT:
                self.found.misfits.append({"name": files.name, "fit": round(fit, 3), "fits_when": fits_when})

    def add_to(self, report: Inspection, folders: dict[Path, "_LabelFolder"]) -> None:
        for name in _OF_AN_EYE:
            getattr(report, name).extend(getattr(self.found, name))
        report.sizes = dict(Counter(report.sizes) + Counter(self.found.sizes))
        for plane, path in self.files.planes.items():
            if path in self.shares:
                folder = folders.setdefault(
                    _folder_of(path, self.files), _LabelFolder(self.files.codes.get(plane) or "binary")
                )
                folder.planes.setdefault(plane)
                folder.shares[path] = self.shares[path]

    def _read(self) -> tuple[Photograph | None, dict[Path, LabelValues]]:
        """The photograph and what is in each label file, as far as they can be read."""
        photograph = (
            self._try(self.files.photograph, partial(read_photograph, self.files.photograph, window=self.window))
            if self.files.photograph
            else None
        )
        if self.files.side_by_side:
            if photograph is None:
                return None, {}
            photograph, drawn = halves(self.files, photograph)
            return photograph, {self.files.planes["vessels"]: drawn}
        size = None if photograph is None else (photograph.shape[0], photograph.shape[1])
        labels: dict[Path, LabelValues | None] = {}
        for plane, path in self.files.planes.items():
            if path not in labels:
                labels[path] = self._try(path, partial(read_values, self.files, plane, size))
        return photograph, {path: values for path, values in labels.items() if values is not None}

    def _try(self, path: Path, read: Callable[[], NDArray[Any]]) -> NDArray[Any] | None:
        try:
            return read()
        except ImageError as error:
            self.found.unreadable.append({"file": _relative(path, self.folder), "reason": str(error)})
            return None

    def _mask(self, plane: str, values: LabelValues, size: tuple[int, int]) -> Mask | None:
        """The mask of a plane at the size of its eye, where it has something in it and nothing wrong."""
        path, code = self.files.planes[plane], self.files.codes.get(plane, "")
        name = _relative(path, self.folder)
        grey = _grey_share(values) if code in ("", "binary") else 0.0
        try:
            mask = mask_in_half(self.files, values) if self.files.side_by_side else plane_in(values, path, plane, code)
        except ImageError as error:
            if name not in (one["file"] for one in self.found.unreadable):
                self.found.unreadable.append({"file": name, "reason": str(error)})
            return None
        if grey > MAX_GREY:
            self.found.not_binary.append({"file": name, "grey": round(grey, 4)})
        if not mask.any() and plane in ("vessels", "fov"):
            self.found.empty.append(name)
            return None
        try:
            return fit_mask(mask, path, self.files.photograph or next(iter(self.files.planes.values())), size)
        except DataError as error:
            self.found.other_shape.append({"file": name, "reason": str(error)})
            return None

    def _eye(self, masks: Mapping[str, Mask], photograph: Photograph | None) -> None:
        source = self.files.planes.get("vessels") or self.files.photograph or next(iter(self.files.planes.values()))
        try:
            usable(Eye(self.files.name, masks, photograph), source)
        except ImageError as error:
            self.found.unusable.append({"file": _relative(source, self.folder), "reason": str(error)})
        if photograph is not None and not is_lit(photograph):
            file = _relative(self.files.photograph or source, self.folder)
            self.found.unusable.append({"file": file, "reason": "it is black."})
        centres = {} if photograph is None else self.files.centres
        size = next(picture.shape[:2] for picture in (photograph, *masks.values()) if picture is not None)
        for fault in (*faults_of(masks, photograph), *faults_of_centres(centres, masks, size)):
            path = _relative(self.files.planes.get(fault.plane, source), self.folder)
            reason = str(ImageError(fault.got, do=fault.do))
            one = {"file": path, "plane": fault.plane, "kind": fault.kind, "reason": reason}
            self.found.faults.append(one)
        shown = _relative(self.files.photograph or next(iter(self.files.planes.values())), self.folder)
        for doubt in doubts_of(photograph, masks.get("disc"), masks.get("fov")):
            self.found.doubts.append({"file": shown, "kind": doubt.kind, "reason": f"it {doubt.got}. {doubt.do}."})


def _folder_of(path: Path, files: EyeFiles) -> Path:
    """The folder of a label file, with ``*`` for one that is named after its eye."""
    eye = "" if files.photograph is None else stem_of(files.photograph)
    return Path(*("*" if part == eye else part for part in path.parent.parts))


@dataclass
class _LabelFolder:
    """What was understood of the label files in a folder."""

    code: str
    planes: dict[str, None] = field(default_factory=dict)
    shares: dict[Path, dict[str, float]] = field(default_factory=dict)

    def as_row(self, folder: str) -> dict[str, Any]:
        total: Counter[str] = Counter()
        for shares in self.shares.values():
            total.update({value: share / len(self.shares) for value, share in shares.items()})
        values = sorted(total.most_common(_VALUES_NAMED), key=lambda item: (len(item[0]), item[0]))
        return {
            "folder": folder,
            "code": self.code,
            "meaning": CODES[self.code].meaning,
            "planes": list(self.planes),
            "files": len(self.shares),
            "values": {value: round(share, 6) for value, share in values},
        }


def _grey_share(picture: LabelValues) -> float:
    if picture.dtype != np.uint8:
        return 0.0
    values = brightest(picture if picture.ndim == 3 else picture[..., np.newaxis])
    counts = counts_of(values)
    if np.count_nonzero(counts) <= 2:  # two colours are a mask, whichever they are
        return 0.0
    return float(counts[32:224].sum() / values.size)


def _is_swapped(photograph: Photograph, mask: LabelValues) -> bool:
    return _is_black_and_white(photograph) and not _is_black_and_white(mask) and not codes_that_fit(mask)


def _is_black_and_white(picture: LabelValues) -> bool:
    is_grey = picture.ndim == 2 or bool((picture[..., 0] == picture[..., 2]).all())
    return is_grey and 1 - _grey_share(picture) >= _BINARY_SHARE


def fit_of(mask: Mask, photograph: Photograph) -> tuple[float, str]:
    """How much darker the photograph is under a vessel mask than beside it, and the mirror image that fits better.

    Args:
        mask: ``bool (height, width)``.
        photograph: ``uint8 (height, width, 3)``.

    Returns:
        The fit (1 is usual, 0 is chance) and, where that is below `MIN_FIT` and a mirror image of the mask is not,
        ``"flipped left-right"``, ``"flipped up-down"`` or ``"turned by 180 degrees"``; else an empty text.
    """
    size = (max(16, round(mask.shape[0] * _FIT_WIDTH_PX / mask.shape[1])), _FIT_WIDTH_PX)
    small, mask = resize_photograph(photograph, size), resize_mask(mask, size)
    inside = ndimage.binary_erosion(brightest(small) > 24, iterations=6)
    plane = evened(small[..., 1].astype(np.float32), inside, 12.0)
    fit = _darkness(mask, plane, inside)
    if fit >= MIN_FIT:
        return fit, ""
    mirrored = {
        "flipped left-right": mask[:, ::-1],
        "flipped up-down": mask[::-1],
        "turned by 180 degrees": mask[::-1, ::-1],
    }
    fits = {how: _darkness(turned, plane, inside) for how, turned in mirrored.items()}
    best = max(fits, key=lambda how: fits[how])
    return fit, best if fits[best] >= MIN_FIT else ""


def _darkness(mask: Mask, plane: NDArray[np.float32], inside: Mask) -> float:
    beside = ndimage.binary_dilation(mask, iterations=5) & ~ndimage.binary_dilation(mask) & inside
    under = mask & inside
    if not (under.any() and beside.any()):
        return 0.0
    return float(plane[beside].mean() - plane[under].mean())


# --- All eyes ----------------------------------------------------------------------------------------------------


def _add_near_duplicates(report: Inspection, eyes: Sequence[EyeFiles], pairs: Sequence[NearDuplicates]) -> None:
    within = []
    for pair in pairs:
        first, second = eyes[pair.first], eyes[pair.second]
        if first.split != second.split:
            report.leaks.append(_leak(first, second, pair.correlation, is_mirrored=pair.is_mirrored))
        elif first.eye != second.eye:
            within.append((pair.first, pair.second))
    seen = {(leak.train, leak.test) for leak in report.leaks}
    of_person: dict[str, list[EyeFiles]] = {}
    for files in eyes:
        of_person.setdefault(files.subject, []).append(files)
    for own in of_person.values():
        crossing = [_leak(*two) for two in itertools.combinations(own, 2) if two[0].split != two[1].split]
        report.leaks += [leak for leak in crossing if (leak.train, leak.test) not in seen]
    report.duplicates = [[eyes[index].name for index in group] for group in _groups(within, len(eyes))]


def _leak(one: EyeFiles, two: EyeFiles, correlation: float | None = None, *, is_mirrored: bool = False) -> Leak:
    first, second = sorted((one, two), key=lambda files: get_args(Split).index(files.split))
    return Leak(first.name, second.name, correlation, is_mirrored, (first.split, second.split))


def _groups(pairs: Sequence[tuple[int, int]], count: int) -> Iterator[list[int]]:
    if not pairs:
        return
    first, second = zip(*pairs, strict=True)
    graph = sparse.coo_matrix((np.ones(len(pairs)), (first, second)), shape=(count, count))
    _, group = sparse.csgraph.connected_components(graph, directed=False)
    sizes = np.bincount(group)
    for one in np.flatnonzero(sizes > 1):
        yield np.flatnonzero(group == one).tolist()


def _sentences(report: Inspection) -> Iterator[str]:
    if report.unpaired:
        yield (
            f"{named(report.unpaired)} without partner. Add the mask or the photograph of the same name, or remove it."
        )
    yield from _with_reason(report.unreadable, "cannot be read")
    if report.swapped:
        yield (
            f"{named(report.swapped)}: the photograph is black and white and the mask is not. "
            "Swap the folders of photographs and masks."
        )
    if report.empty:
        yield f"{named(report.empty)}: the mask is empty. Check the file, or remove the pair."
    if report.not_binary:
        files = named(str(one["file"]) for one in report.not_binary)
        yield (
            f"{files}: the mask has grey pixels, which are read as white above half of the range. "
            "Threshold it yourself, and save masks as PNG."
        )
    yield from _with_reason(report.other_shape, "cannot be laid on its photograph")
    yield from _with_reason(report.unusable, "cannot be used")
    for plane, kind in dict.fromkeys((one["plane"], one["kind"]) for one in report.faults):
        of_kind = [one for one in report.faults if (one["plane"], one["kind"]) == (plane, kind)]
        if kind == _ALL_BLACK:
            yield of_kind[0]["reason"]
        else:
            yield f"{named(one['file'] for one in of_kind)}: {kind}; of the first, {of_kind[0]['reason']}"
    if report.misfits:
        how = {str(one["fits_when"]) for one in report.misfits} - {""}
        hint = f" Some would fit {' or '.join(sorted(how))}." if how else ""
        yield (
            f"{named(str(one['name']) for one in report.misfits)}: the photograph is not darker under the mask than "
            f"beside it: the mask of another eye, or turned or shifted.{hint} Look at the pair and correct it."
        )
    if report.duplicates:
        groups = "; ".join(" = ".join(group[:5]) for group in report.duplicates[:3])
        yield (
            f"{len(report.duplicates)} group(s) of photographs on one side show the same retina: {groups}. Keep one of "
            "each, or give them the same eye in subjects.csv."
        )
    if report.leaks:
        yield (
            f"{named(map(str, report.leaks))}: the same retina or person is on both sides of the split, so the test "
            "measures memory. Move all photographs of a person to one side, by hand or by the same subject in "
            "subjects.csv."
        )


def _with_reason(found: Sequence[Mapping[str, str]], what: str) -> Iterator[str]:
    if found:
        yield f"{named(one['file'] for one in found)} {what}; the first because {found[0]['reason']}"


def named(names: Iterable[str]) -> str:
    """Up to five names, and how many there are."""
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more
