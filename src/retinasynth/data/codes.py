"""How label files are coded: which values or colours mean which planes.

A file of two values is a mask, whichever they are, and is read as one. What else is in a folder is looked at when the
set is found; a file is checked against the code of its folder when it is read. What may be of several codes is not
guessed: it is refused where it is read, with the codes that it may be of.

To add a code, put an entry into `CODES` and into the table of docs/data.md.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth.data.matching import ARTERIES_AND_VEINS, EyeFiles
from retinasynth.data.outlines import outlined
from retinasynth.decoding import read_size
from retinasynth.errors import DataError, ImageError
from retinasynth.images import LabelValues, Mask, counts_of, mask_from_labels, read_labels, read_photograph

Level = int | tuple[int, int, int]  # a grey value or a colour


@dataclass(frozen=True)
class Code:
    """What the values of a label file mean.

    Attributes:
        name: as `labels` takes it.
        meaning: for people.
        levels: the planes of each grey value or colour; every pixel counts as the nearest one. Empty where the file
            holds the plane that its folder is named after.
        tolerance: how far from a level a pixel may be before it speaks against the code; 0 for numbers.
        is_outline: the file holds points and no pixels; only the layout of a published set says so.
    """

    name: str
    meaning: str
    levels: Mapping[Level, tuple[str, ...]]
    tolerance: int = 0
    is_outline: bool = False

    @property
    def planes(self) -> tuple[str, ...]:
        """All planes that it can give."""
        return tuple(dict.fromkeys(plane for planes in self.levels.values() for plane in planes))

    @property
    def is_colour(self) -> bool:
        """Whether it is of colours."""
        return any(isinstance(level, tuple) for level in self.levels)


_ARTERY, _VEIN, _CROSSING = ("vessels", "arteries"), ("vessels", "veins"), ("vessels", "arteries", "veins")
CODES = {
    code.name: code
    for code in (
        Code("binary", "two values, the brighter is the structure; of several, those above half of white", {}),
        Code("disc-cup", "0 background, 1 rim, 2 cup", {0: (), 1: ("disc",), 2: ("disc", "cup")}),
        Code("cup-rim", "0 background, 1 cup, 2 rim", {0: (), 1: ("disc", "cup"), 2: ("disc",)}),
        Code("disc-cup-255", "0 background, 128 rim, 255 cup", {0: (), 128: ("disc",), 255: ("disc", "cup")}, 40),
        Code("refuge", "0 cup, 128 rim, 255 background", {0: ("disc", "cup"), 128: ("disc",), 255: ()}, 40),
        Code(
            "artery-vein",
            "red arteries, blue veins, green crossings, white vessels of unknown kind",
            {
                (0, 0, 0): (),
                (255, 0, 0): _ARTERY,
                (0, 0, 255): _VEIN,
                (0, 255, 0): _CROSSING,
                (255, 255, 255): ("vessels",),
            },
            100,
        ),
        Code(
            "artery-vein-index",
            "0 background, 1 artery, 2 vein, 3 crossing",
            {0: (), 1: _ARTERY, 2: _VEIN, 3: _CROSSING},
        ),
        Code("experts", "the share of several experts in even steps; half of them decide", {}),
        Code("outline", "the points of an outline, x and y in every line", {}, is_outline=True),
        Code("outline-row-column", "the points of an outline, row and column in every line", {}, is_outline=True),
    )
}
SAID = tuple(name for name, code in CODES.items() if not code.is_outline)  # what `labels` takes
_DISC = ("disc", "cup")
_SHOWN_BY_MOST = ("disc", "cup", "arteries", "veins")  # where no eye of a set has any, it was not drawn
_SOLID = 0.3  # of the pixels of a value lie in blocks of 2 x 2; along smoothed edges hardly any do
_LEAST = 1e-4  # of the pixels, for a value or colour to count
_MOST_BESIDE = 0.3  # of what is drawn may be of no level: thin coloured vessels in JPEG
_HUE = 0.6  # of the brightest channel: how far from that of a level another channel may be
_CRISP, _MOST_BESIDE_CRISP = 0.999, 0.001  # of the pixels have one of eight colours, as where nothing was smoothed
_MOST_EXPERTS = 16
_MOST_LOOKED_AT, _MOST_LOOKED_AT_PX, _LEAST_LOOKED_AT = 12, 24_000_000, 3  # files of a folder, and their pixels
_NAMED = {
    (0, 0, 0): "black",
    (255, 0, 0): "red",
    (0, 255, 0): "green",
    (0, 0, 255): "blue",
    (255, 255, 0): "yellow",
    (255, 0, 255): "magenta",
    (0, 255, 255): "cyan",
    (255, 255, 255): "white",
}


# --- One file ----------------------------------------------------------------------------------------------------


def read_planes(
    files: EyeFiles, *, never_empty: Iterable[str] = (), size: tuple[int, int] | None = None
) -> dict[str, Mask]:
    """The masks of an eye as they lie in its files, each of its own size.

    Args:
        files: not side by side.
        never_empty: planes whose files are refused when nothing is in them; without any, nothing empty is.
        size: height and width of its photograph, where that was read.

    Raises:
        ImageError: a file cannot be read, is empty where it must not be, or does not follow its code.
        DataError: a plane is black in all files of the set.
    """
    for plane in files.planes if never_empty else ():
        if plane in files.faults:
            raise DataError(files.faults[plane], do="Remove the files, so that it counts as unknown, or draw it")
    values: dict[Path, LabelValues] = {}
    planes = {}
    for plane, path in files.planes.items():
        if path not in values:
            values[path] = read_values(files, plane, size)
        planes[plane] = plane_in(values[path], path, plane, files.codes.get(plane, ""))
        if plane in never_empty and not planes[plane].any():
            raise ImageError(
                f"{path} is all black" if plane not in files.codes else f"{path} has no {plane}",
                expected="a mask with some white pixels"
                if plane not in files.codes
                else CODES[files.codes[plane]].meaning,
                do="Check the file, or remove the pair",
            )
    return planes


def read_values(files: EyeFiles, plane: str, size: tuple[int, int] | None = None) -> LabelValues:
    """What the file of a plane holds, as `read_labels` has it; what lies within an outline is 1.

    Args:
        files: of the eye.
        plane: one that has a file.
        size: height and width of the photograph, where that was read.

    Raises:
        ImageError: the file, or the picture of an outline, cannot be read.
    """
    path, code = files.planes[plane], files.codes.get(plane, "")
    if not (code and CODES[code].is_outline):
        return read_labels(path)
    if size is None:
        if files.outlined_on is None:
            raise ImageError(f"{path} is an outline", expected="the photograph that it was drawn on")
        height, width, _ = read_photograph(files.outlined_on).shape
        size = (height, width)
    return outlined(path, size, is_row_first=code == "outline-row-column").astype(np.uint8)


def plane_in(values: LabelValues, path: Path, plane: str, code: str) -> Mask:
    """A plane in the values that `read_labels` read from a file.

    Args:
        values: of the file.
        path: the file.
        plane: which.
        code: a name in `CODES`; empty for a folder in which no code was seen, whose files must be masks.

    Raises:
        ImageError: the file does not follow the code.
    """
    if code == "binary" or (code and CODES[code].is_outline):
        return mask_from_labels(values, path, allow_empty=True)
    if code == "":
        if codes_that_fit(values) or plane == ARTERIES_AND_VEINS:
            raise _unclear(values, path, plane)
        found = mask_from_labels(values, path, allow_empty=True)
        if _has_areas_of_several_values(values):
            raise _unclear(values, path, plane)
        return found
    picture = _simplified(values)
    if picture is None or not _follows(picture, CODES[code]):
        raise ImageError(
            f"{path} is not of the code {code}: it has {found_in(values)}",
            expected=CODES[code].meaning,
            do="Check the file; `labels` says how all label files are coded",
        )
    if code == "experts":
        return np.asarray(picture >= 127)
    levels = CODES[code].levels
    wanted = np.array([plane in planes for planes in levels.values()])
    mask: Mask = wanted[_nearest(picture, CODES[code])]
    return mask


def codes_that_fit(values: LabelValues) -> tuple[str, ...]:
    """The codes that a file can be of; none where its values are those of a mask, or of nothing known."""
    picture = _simplified(values)
    if picture is None:
        return ()
    if picture.ndim == 3:
        return ("artery-vein",) if _is_artery_vein(picture) else ()
    counts = counts_of(picture)
    present = np.flatnonzero(counts)
    if len(present) <= 2:
        return ()
    if present[-1] <= 3:
        disc_and_cup = "disc-cup" if _lies_within(picture, 2, 1, 0) else "cup-rim"
        return (disc_and_cup, "artery-vein-index") if present[-1] == 2 else ("artery-vein-index",)
    if _is_three_levels(picture, counts):
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        level = np.where(picture < 64, 0, np.where(picture < 192, 128, 255))
        name, cup, ground = ("refuge", 0, 255) if np.median(edge) > 191 else ("disc-cup-255", 255, 0)
        return (name,) if _lies_within(level, cup, 128, ground) else ()
    return ("experts",) if _are_even_steps(present) and _are_areas(picture, present[1:-1]) else ()


def found_in(values: LabelValues) -> str:
    """The values or colours of a file with the share of each, for a sentence.

    Example:
        >>> found_in(np.array([[0, 0, 0, 1]], np.uint8))
        '0 (75 %), 1 (25 %)'
    """
    shares = shares_in(values)
    listed = [f"{name} ({100 * share:.3g} %)" for name, share in list(shares.items())[:6]]
    return ", ".join(listed) + (f" and {len(shares) - 6} more" if len(shares) > 6 else "")


def shares_in(values: LabelValues) -> dict[str, float]:
    """The share of the pixels of each value, in order, or of each colour that counts."""
    picture = _simplified(values)
    if picture is not None and picture.ndim == 2 and values.dtype == np.uint8:
        of_value = counts_of(picture)  # np.unique sorts all pixels
        return {str(value): float(of_value[value] / picture.size) for value in np.flatnonzero(of_value)}
    if picture is None or picture.ndim == 2:
        present, counts = np.unique(values if picture is None else picture, return_counts=True)
        return {f"{value:g}": float(count / values.size) for value, count in zip(present, counts, strict=True)}
    colours, counts = _colours(picture)
    names = [tuple(int(255 * (part > 127)) for part in colour) for colour in colours.tolist()]
    shares = {
        name: float(sum(counts[at] for at, one in enumerate(names) if one == colour) / counts.sum())
        for colour, name in _NAMED.items()
    }
    return {name: share for name, share in shares.items() if share >= _LEAST}


def _unclear(values: LabelValues, path: Path, plane: str) -> ImageError:
    fitting = [name for name in codes_that_fit(values) if _can_give(name, plane)]
    what = "is no map of arteries and veins" if plane == ARTERIES_AND_VEINS else "is not binary"
    choices = " or ".join(f"`labels` {name} ({CODES[name].meaning})" for name in fitting)
    return ImageError(
        f"{path} {what}: it has {found_in(values)}",
        expected="two values, or a code that is sure from the folder, such as disc/ or av/",
        do=f"If that is its code, say {choices}" if choices else "Store one file of two values for each plane",
    )


def _simplified(values: LabelValues) -> NDArray[np.uint8] | None:
    """As 8-bit greys ``(height, width)``, or colours where it has any; None where the numbers go beyond 8 bits."""
    if values.ndim == 3:
        is_grey = (values[..., 0] == values[..., 1]).all() and (values[..., 0] == values[..., 2]).all()
        return values[..., 0] if is_grey else values
    if values.dtype == np.uint8:
        return values
    lowest, highest = values.min(), values.max()
    if lowest < 0:
        return None
    if (values == np.rint(values)).all():
        scale = 1.0 if highest <= 255 else 255 / 65535 if highest <= 65535 else 0.0
    else:
        scale = 255.0 if highest <= 1 else 0.0
    return np.rint(values * scale).astype(np.uint8) if scale else None


def _follows(picture: NDArray[np.uint8], code: Code) -> bool:
    if code.name == "experts":
        return picture.ndim == 2 and _are_even_steps(np.flatnonzero(counts_of(picture)))
    if code.is_colour:
        colours, counts = _colours(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2))
        return _are_of(colours, counts, code)
    if picture.ndim == 3:
        return False
    counts = counts_of(picture)
    away = np.abs(np.arange(256)[:, np.newaxis] - np.array(list(code.levels))).min(axis=1)
    beside = counts[away > code.tolerance].sum()
    return bool(beside <= (0 if not code.tolerance else 0.02 * picture.size))


def _nearest(picture: NDArray[np.uint8], code: Code) -> NDArray[np.intp]:
    """The number of the nearest level of each pixel, ``(height, width)``."""
    levels = np.array(list(code.levels), np.int32)
    if not code.is_colour:
        nearest: NDArray[np.intp] = np.abs(np.arange(256)[:, np.newaxis] - levels).argmin(axis=1)
        return nearest[picture]
    if picture.ndim == 2:
        picture = np.repeat(picture[..., np.newaxis], 3, axis=2)
    nearest = ((_colours_of(np.arange(1 << 15))[:, np.newaxis] - levels) ** 2).sum(axis=2).argmin(axis=1)
    return nearest[_coarse(picture)]


def _coarse(picture: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Colours as one number each, of five bits a channel."""
    red, green, blue = (picture[..., channel].astype(np.int32) >> 3 for channel in range(3))
    return (red << 10) | (green << 5) | blue


def _colours_of(coarse: NDArray[np.int_]) -> NDArray[np.int32]:
    channels = np.stack([coarse >> 10, (coarse >> 5) & 31, coarse & 31], axis=-1)
    return (channels * 255 // 31).astype(np.int32)


def _colours(picture: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """The colours of a picture, ``(colours, 3)``, and how many pixels have each."""
    counts = np.bincount(_coarse(picture).ravel(), minlength=1 << 15)
    present = np.flatnonzero(counts)
    return _colours_of(present), counts[present]


def _are_of(colours: NDArray[np.int32], counts: NDArray[np.intp], code: Code) -> bool:
    """Whether what is drawn has the hues of a code; where it was smoothed, some of it may have others."""
    is_crisp = np.sort(counts)[-8:].sum() >= _CRISP * counts.sum()
    brightest = colours.max(axis=1)
    hues = np.array([level for level in code.levels if max(np.atleast_1d(level))]) / 255
    away = np.abs(colours[:, np.newaxis] / np.maximum(brightest, 1)[:, np.newaxis, np.newaxis] - hues).max(axis=2)
    is_drawn = brightest > code.tolerance
    drawn, beside = counts[is_drawn].sum(), counts[is_drawn & (away.min(axis=1) > _HUE)].sum()
    return bool(beside <= (_MOST_BESIDE_CRISP if is_crisp else _MOST_BESIDE) * drawn)


def _is_artery_vein(picture: NDArray[np.uint8]) -> bool:
    """Whether red and blue lie on black, and hardly any other colour."""
    code = CODES["artery-vein"]
    colours, counts = _colours(picture)
    levels = list(code.levels)
    nearest = ((colours[:, np.newaxis] - np.array(levels)) ** 2).sum(axis=2).argmin(axis=1)
    black, red, blue = (
        counts[nearest == levels.index(level)].sum() / counts.sum() for level in ((0, 0, 0), (255, 0, 0), (0, 0, 255))
    )
    return bool(black > 0.5 and min(red, blue) >= _LEAST and _are_of(colours, counts, code))


def _is_three_levels(picture: NDArray[np.uint8], counts: NDArray[np.intp]) -> bool:
    """Whether 128 fills areas between 0 and 255, and is not a shade among others along an edge."""
    middle, shades = counts[120:137].sum(), counts[32:224].sum()
    if not (counts[:32].any() and counts[224:].any() and middle >= max(4, _LEAST * picture.size)):
        return False
    return bool(middle >= 0.6 * shades) and _solid_share((picture >= 120) & (picture <= 136)) >= _SOLID


def _lies_within(picture: NDArray[np.integer[Any]], inner: int, outer: int, ground: int) -> bool:
    """Whether one value is more a part of another than the other way round: that other borders on the ground."""
    pairs = ((picture[1:], picture[:-1]), (picture[:, 1:], picture[:, :-1]))
    borders = {
        level: sum(((a == level) & (b == ground)).sum() + ((a == ground) & (b == level)).sum() for a, b in pairs)
        for level in (inner, outer)
    }
    return bool(borders[outer] >= borders[inner])


def _are_even_steps(present: NDArray[np.intp]) -> bool:
    """Whether values are shares of a number of experts, 0 to 255."""
    if len(present) > _MOST_EXPERTS + 1:
        return False
    steps = (np.arange(experts + 1) * 255 / experts for experts in range(1, _MOST_EXPERTS + 1))
    return any((np.abs(present[:, np.newaxis] - step).min(axis=1) <= 1).all() for step in steps)


def _are_areas(picture: NDArray[np.uint8], levels: Iterable[int]) -> bool:
    """Whether values fill areas, and are not shades along the edges of a mask."""
    found = [_solid_share(picture == level) for level in levels]
    return bool(found) and float(np.mean(found)) >= _SOLID


def _has_areas_of_several_values(values: LabelValues) -> bool:
    """Whether a picture that no code is known for is more than a mask all the same: of several areas or colours."""
    picture = _simplified(values)
    if picture is None:
        return False
    if picture.ndim == 3:
        return _has_several_hues(picture)
    counts = counts_of(picture)
    present = np.flatnonzero(counts)
    many = [level for level in present[1:] if counts[level] >= max(16, 10 * _LEAST * picture.size)]
    return len(many) > 1 and len(present) <= 8 and any(_solid_share(picture == level) >= _SOLID for level in many[:-1])


def _has_several_hues(picture: NDArray[np.uint8]) -> bool:
    colours, counts = _colours(picture)
    is_strong = (colours.max(axis=1) > 100) & (np.ptp(colours, axis=1) > 80)
    corner = (colours > 0.5 * colours.max(axis=1, keepdims=True)) @ np.array([4, 2, 1])
    of_hue = np.bincount(corner[is_strong], counts[is_strong], minlength=8)
    is_seen = of_hue >= max(_LEAST * counts.sum(), 0.02 * of_hue.sum())
    return int((is_seen & (of_hue > 0)).sum()) > 1


def _solid_share(mask: Mask) -> float:
    """The share of the pixels of a mask that begin a block of 2 x 2 of it."""
    return float((mask[1:, 1:] & mask[1:, :-1] & mask[:-1, 1:] & mask[:-1, :-1]).sum() / max(1, mask.sum()))


# --- A set -------------------------------------------------------------------------------------------------------


def with_codes(eyes: Sequence[EyeFiles], labels: str | None = None) -> list[EyeFiles]:
    """The eyes with the code of each label file, and with all planes that the files give.

    A plane that has a folder of its own is taken from there. Where a layout says the code, it also says the planes.

    Args:
        eyes: as a layout found them.
        labels: the code of the files that are not masks, where the user says it; `CODES` has their names. It is not
            said of our own sets, which lie beside others in a training.

    Raises:
        DataError: there is no such code, or no file of the set can be of it.
    """
    if labels is not None and labels not in SAID:
        raise DataError(f"`labels` is {labels!r}", expected=f"one of: {', '.join(SAID)}")
    groups: dict[tuple[str, Path], list[Path]] = {}
    own = set[tuple[str, Path]]()  # folders of our own sets, which are masks, also beside sets of another code
    for files in eyes:
        if not files.side_by_side:
            for plane, path in files.planes.items():
                if plane not in files.codes:
                    groups.setdefault((plane, path.parent), []).append(path)
                    own |= {(plane, path.parent)} if files.geometry else set()
    foreign = {key: paths for key, paths in groups.items() if key not in own}
    codes = _said(foreign, labels) if labels and (foreign or not groups) else {}
    for (plane, folder), paths in groups.items():
        if (plane, folder) not in codes:
            codes[plane, folder] = _seen(plane, paths)
    coded = [files if files.side_by_side else _coded(files, codes) for files in eyes]
    faults = {plane: fault for plane in _SHOWN_BY_MOST if (fault := _black_throughout(plane, coded))}
    return [replace(files, faults=faults) if faults else files for files in coded]


def _black_throughout(plane: str, eyes: Sequence[EyeFiles]) -> str:
    """What is to be said where every file of a plane is black; of one file alone, or of our own sets, that is true."""
    having = [files for files in eyes if plane in files.planes]
    paths = [files.planes[plane] for files in having]
    if len(paths) < 2 or all(files.geometry for files in having) or any(plane in files.codes for files in having):
        return ""
    if not all(_looked_at(*_version(path)).is_black for some in (_some(paths), paths) for path in some):
        return ""
    subject = f"The {plane} {'are' if plane.endswith('s') else 'is'}"
    return f"{subject} all black in each of {len(paths)} files, such as {paths[0]}"


def _said(groups: Mapping[tuple[str, Path], list[Path]], labels: str) -> dict[tuple[str, Path], str]:
    """The folders that a code is said for: those with more than masks, or, without any, all that can be of it."""
    gives = CODES[labels].planes
    possible = (*gives, "vessels", ARTERIES_AND_VEINS) if gives else ()  # folders such as masks/ count as vessels
    own = {key: _some(paths) for key, paths in groups.items() if not gives or key[0] in possible}
    if labels == "binary":
        return dict.fromkeys(own, labels)
    checks = {key: [_checked(labels, *_version(path)) for path in paths] for key, paths in own.items()}
    following = [key for key, found in checks.items() if found and all(one.is_of for one in found)]
    coded = [key for key in following if not all(one.is_mask for one in checks[key])]
    if not following:
        paths = [path for some in own.values() for path in some]
        raise DataError(
            f"No folder has label files of the code {labels}"
            + (f"; {paths[0]} has {found_in(read_labels(paths[0]))}" if paths else ""),
            expected=CODES[labels].meaning,
            do="Name another code, or leave it out",
        )
    return dict.fromkeys(coded or following, labels)


def _seen(plane: str, paths: Sequence[Path]) -> str:
    """The code of the files of one plane in one folder; empty where none is sure."""
    fitting = [fits for path in _some(paths) if (fits := _looked_at(*_version(path)).fitting)]
    if not fitting:
        return ""
    common = {name for name in set.intersection(*map(set, fitting)) if _can_give(name, plane)}
    if plane == "vessels":  # of which masks/ and labels/ are names too
        common &= {"artery-vein"}
    return common.pop() if len(common) == 1 else ""


def _can_give(name: str, plane: str) -> bool:
    """Whether files in the folder of a plane can be of a code."""
    if name == "experts":
        return plane in (*_DISC, "vessels")
    return plane in ("vessels", *CODES[name].planes) or (plane == ARTERIES_AND_VEINS and "veins" in CODES[name].planes)


def _coded(files: EyeFiles, codes: Mapping[tuple[str, Path], str]) -> EyeFiles:
    planes: dict[str, Path] = {}
    own: dict[str, str] = {}
    more: dict[str, tuple[Path, str]] = {}
    for plane, path in files.planes.items():
        code = files.codes.get(plane) or codes[plane, path.parent]
        gives = CODES[code].planes if code else ()
        if plane in gives or not gives:
            planes[plane] = path
            own |= {plane: code} if code else {}
        for other in gives if plane not in files.codes else ():
            more.setdefault(other, (path, code))
    for plane, (path, code) in more.items():
        if plane not in planes:
            planes[plane], own[plane] = path, code
    return replace(files, planes=planes, codes=own) if own else files


def _some(paths: Sequence[Path]) -> list[Path]:
    """All of a few files, or some spread over many, fewer where they are large."""
    count = min(len(paths), _MOST_LOOKED_AT)
    chosen: list[Path] = []
    pixels = 0
    for number in range(count):
        path = paths[number * len(paths) // count]
        try:
            height, width = read_size(path)
        except ImageError:
            continue
        pixels += height * width
        if pixels > _MOST_LOOKED_AT_PX and len(chosen) >= _LEAST_LOOKED_AT:
            break
        chosen.append(path)
    return chosen


def _version(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


class _Look(NamedTuple):
    """What a file shows; one that cannot be read has no say."""

    fitting: tuple[str, ...] = ()
    is_black: bool = False


@functools.lru_cache(maxsize=8192)
def _looked_at(path: Path, *_version: int) -> _Look:
    try:
        values = read_labels(path)
    except ImageError:
        return _Look()
    return _Look(codes_that_fit(values), not values.any())


class _Check(NamedTuple):
    """Whether a file can be of a code, and whether it has two values at most; one that cannot be read is neither."""

    is_of: bool = False
    is_mask: bool = False


@functools.lru_cache(maxsize=8192)
def _checked(code: str, path: Path, *_version: int) -> _Check:
    try:
        picture = _simplified(read_labels(path))
    except ImageError:
        return _Check()
    if picture is None:
        return _Check()
    is_mask = picture.ndim == 2 and np.count_nonzero(counts_of(picture)) <= 2
    return _Check(_follows(picture, CODES[code]), bool(is_mask))
