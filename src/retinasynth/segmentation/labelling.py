"""Labels for photographs that have none: one folder of photographs segmented, or a whole set of pseudo-labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from retinasynth.checks import SIDES_PX, real_number, whole_number
from retinasynth.data.find import find_eyes, photograph_of, read_eye
from retinasynth.data.grades import GRADES_FILE, write_grades
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import Sketch, find_near_duplicates, sketch
from retinasynth.data.overlays import PER_SHEET, sheet_of
from retinasynth.data.photographs import photographs_in
from retinasynth.data.places import name_of
from retinasynth.errors import DataError, ImageError
from retinasynth.eye import Eye, usable
from retinasynth.eye.arteries_veins import tell_arteries
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.label_map import overlay
from retinasynth.files import LABELLING, MANIFEST, explaining_write_errors, new_folder, write_text
from retinasynth.images import (
    Mask,
    encoded,
    resize_photograph,
    write_mask,
    write_photograph,
)
from retinasynth.progress import progress
from retinasynth.resuming import CHECKSUMS, add_line, begun_folder, checksums
from retinasynth.segmentation.use import Segmentation, Segmenter, segment
from retinasynth.tables import table_text
from retinasynth.windows import Window

ARTERIES = 1  # raise when they are told from veins in another way
_KINDS = {"arteries", "veins"}
_MAY_BE_UNKNOWN = {"cup", *_KINDS}
REJECT = "reject.txt"  # in which a person lists what is not to be learnt from
REJECTED = "rejected.csv"


# --- A folder of photographs ---------------------------------------------------------------------------------------


def segment_folder(
    models: Sequence[Segmenter],
    path: Path,
    out: Path,
    *,
    probabilities: bool = False,
    window: Window | None = None,
) -> list[str]:
    """Segment photographs and write their planes, overlays and a table of confidence.

    Writes ``PLANE/NAME.png``, ``overlays/NAME.png``, ``found.csv`` and on demand ``probabilities/PLANE/NAME.png`` (8
    bits, 255 is certain). What cannot be segmented is listed in ``rejected.csv`` with the reason.

    Args:
        models: segmenters.
        path: what `photographs_in` takes.
        out: a new or empty folder.
        probabilities: write these as well.
        window: of photographs of more than 8 bits (`retinasynth.windows`).

    Returns:
        Names of the photographs that were rejected.

    Raises:
        DataError: there is nothing at `path`, or nothing there can be segmented.
        ImageError: it is one photograph, and that cannot be segmented.
        OutputError: `out` has something in it or cannot be written.
    """
    eyes = photographs_in(path)
    out = new_folder(out, what="the labels")
    rows: list[dict[str, str]] = []
    rejected: list[tuple[str, str]] = []
    with progress("Segmenting", len(eyes), quiet=len(eyes) == 1) as advance:
        for number, files in enumerate(eyes, start=1):
            try:
                found = segment(photograph_of(files, window=window), models=models)
            except ImageError as error:
                if len(eyes) == 1:
                    raise
                rejected.append((files.name, error.got))
            else:
                _write_found(out, files.name, found, probabilities=probabilities)
                rows.append(_row(files.name, found))
            advance(number, files.name)
    write_text(out / "found.csv", _table_of_found(rows))
    if rejected:
        _write_rejected(out, rejected)
    if not rows:
        raise DataError(f"None of the {len(eyes)} photographs could be segmented; {out / REJECTED} says why")
    return [name for name, _ in rejected]


def _write_found(out: Path, name: str, found: Segmentation, *, probabilities: bool) -> None:
    for plane, mask in found.eye.planes.items():
        write_mask(out / plane / f"{name}.png", mask)
    write_photograph(out / "overlays" / f"{name}.png", overlay(found.eye))
    if probabilities:
        for plane, layer in found.probabilities.items():
            grey = (layer * 255).round().astype("uint8")
            write_photograph(out / "probabilities" / plane / f"{name}.png", grey[..., None].repeat(3, axis=2))


def _row(name: str, found: Segmentation) -> dict[str, str]:
    row = {"name": name, **{f"confidence_{plane}": f"{value:.4f}" for plane, value in found.confidence.items()}}
    for plane, place in found.landmarks.items():
        row |= {f"{plane}_x": f"{place.x:.1f}", f"{plane}_y": f"{place.y:.1f}"}
        row |= {f"confidence_{plane}_middle": f"{place.confidence:.2f}"}
    if found.landmarks:
        laterality, confidence = found.side
        row |= {"laterality": laterality or "", "confidence_laterality": f"{confidence:.2f}"}
    if found.quality is not None:
        row |= {"quality": found.quality.grade, "faults": ", ".join(found.quality.reasons)}
    return row | {"doubts": " ".join(found.doubts)}


def _table_of_found(rows: Sequence[dict[str, str]]) -> str:
    columns = sorted(dict.fromkeys(name for row in rows for name in row), key="doubts".__eq__)
    return table_text(columns, [[row.get(column) for column in columns] for row in rows])


def _write_rejected(out: Path, rejected: Sequence[tuple[str, str]]) -> None:
    write_text(out / REJECTED, table_text(["name", "reason"], rejected))


# --- Pseudo-labels --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Labelled:
    """What `label_sets` made.

    Attributes:
        kept: number of photographs with labels.
        rejected: name and reason of the others.
    """

    kept: int
    rejected: tuple[tuple[str, str], ...]


def label_sets(
    models: Sequence[Segmenter],
    data: Sequence[Path],
    out: Path,
    *,
    size_px: int = 1024,
    least_confidence: float = 0.7,
    all_learn: bool = False,
) -> Labelled:
    """Turn photographs of several sets into one data set with labels, that a generator can learn from.

    Of photographs that show one retina (`retinasynth.data.near_duplicates`) only one is kept: a test photograph before
    a training one, then the one with more planes drawn by people. Drawn planes stay as they are; those that are missing
    are taken from the segmenters. A photograph is rejected, and listed with the reason, when a file of it is damaged,
    when it cannot be segmented, when it has no disc, or when a plane's confidence is low. Arteries and veins, where
    nobody drew them, are told among the wider vessels of a photograph that shows the difference
    (`retinasynth.eye.arteries_veins`); all other vessels are in neither plane.

    The set has ``train/`` and ``test/`` as the sources have (see `photographs_in`), with ``images/`` and a folder for
    each plane; beside them ``manifest.jsonl`` (origin, confidence, which planes were drawn and which told by colour),
    ``rejected.csv`` and ``sheets/`` of overlays to look at. Run again, it goes on where it stopped.

    Args:
        models: segmenters.
        data: data sets with photographs.
        out: a new or empty folder, or that of the same set.
        size_px: longest side of the photographs that are written; smaller ones keep their size.
        least_confidence: below it, in any plane that was found, a photograph is rejected.
        all_learn: put test eyes among the training eyes, too.

    Raises:
        DataError: there are no photographs, or none that can be labelled, or two would have one name.
        OutputError: `out` holds something else or cannot be written.
    """
    size_px = whole_number(size_px, "size_px", least=SIDES_PX[0], most=SIDES_PX[1])
    least_confidence = real_number(least_confidence, "least_confidence", least=0, most=1)
    sources = [(name_of(Path(folder)), files) for folder in data for files in photographs_in(Path(folder))]
    if all_learn:
        sources = [(origin, replace(files, split="train")) for origin, files in sources]
    _refuse_one_name_for_two(sources)
    asked = {
        "models": [model.name for model in models],
        "photographs": [f"{origin}/{files.split}/{files.name}" for origin, files in sources],
        "size_px": size_px,
        "least_confidence": least_confidence,
        "arteries": ARTERIES,
    }
    unusable = _unusable(sources)
    rejected: list[tuple[str, str]] = []
    with (
        begun_folder(out, LABELLING, asked, what="a set of pseudo-labels", spared=unwanted(out)) as done,
        progress("Labelling", len(sources)) as advance,
    ):
        for number, (origin, files) in enumerate(sources):
            name = f"{origin}-{files.name}"
            if number in unusable:
                line: dict[str, object] = {"name": name, "rejected": unusable[number]}
            elif name in done:
                line = done[name]
            else:
                try:
                    line = _label_one(models, origin, files, out, size_px, least_confidence)
                except (DataError, ImageError) as error:
                    line = {"name": name, "rejected": error.got}
            if name not in done:
                add_line(out / MANIFEST, line)
            if reason := line.get("rejected"):
                rejected.append((name, str(reason)))
            advance(number + 1, name)
    _write_rejected(out, rejected)
    left_out = {name for name, _ in rejected}
    named = {f"{origin}-{files.name}": files.grade for origin, files in sources}
    write_grades(out / GRADES_FILE, {f"{name}.png": grade for name, grade in named.items() if name not in left_out})
    if len(rejected) == len(sources):
        raise DataError(
            f"None of the {len(sources)} photographs could be labelled; {out / REJECTED} says why",
            expected="fundus photographs with their disc",
        )
    write_sheets(out)
    return Labelled(len(sources) - len(rejected), tuple(rejected))


def unwanted(folder: Path) -> set[str]:
    """Names that a person has listed in the ``reject.txt`` of a set of pseudo-labels.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(folder) / REJECT
    try:
        text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", expected="names in UTF-8, one a line") from error
    return {line.strip().removesuffix(".png") for line in text.splitlines() if line.strip()}


def _refuse_one_name_for_two(sources: Sequence[tuple[str, EyeFiles]]) -> None:
    names = Counter(f"{origin}-{files.name}" for origin, files in sources)
    for name, count in names.most_common(1):
        if count > 1:
            raise DataError(f"{count} photographs would be called {name}", do="Rename one of the folders they are in")


def _unusable(sources: Sequence[tuple[str, EyeFiles]]) -> dict[int, str]:
    """The photographs to leave out, by number, with the reason: a damaged file, or another shows the same retina."""
    left_out: dict[int, str] = {}
    sketches: dict[int, Sketch] = {}
    with progress("Reading", len(sources)) as advance:
        for number, (_, files) in enumerate(sources):
            try:
                sketches[number] = sketch(photograph_of(files))
            except ImageError as error:
                left_out[number] = error.got
            advance(number + 1, files.name)
    readable = list(sketches)
    with progress("Comparing", len(readable)) as advance:
        found = find_near_duplicates(list(sketches.values()), lambda done: advance(done, ""))
    pairs = [(readable[twins.first], readable[twins.second]) for twins in found]
    order = sorted(readable, key=lambda number: (sources[number][1].split != "test", -_drawn(sources[number][1])))
    rank = {number: place for place, number in enumerate(order)}
    for pair in sorted(pairs, key=lambda pair: min(rank[number] for number in pair)):
        better, worse = sorted(pair, key=rank.__getitem__)
        if better not in left_out and worse not in left_out:
            origin, files = sources[better]
            left_out[worse] = f"shows the same retina as {origin}-{files.name}"
    return left_out


def _drawn(files: EyeFiles) -> int:
    return len(files.planes) + len(files.empty_planes)


def _label_one(
    models: Sequence[Segmenter], origin: str, files: EyeFiles, out: Path, size_px: int, least_confidence: float
) -> dict[str, object]:
    """Segment one photograph and write it with its planes; the line of the manifest.

    Raises:
        DataError: its masks do not fit it.
        ImageError: a file is damaged, or what was drawn or found can be no eye.
    """
    name = f"{origin}-{files.name}"
    drawn = read_eye(replace(files, geometry=None))
    found = segment(photograph_of(files), models=models)
    confidence = {plane: round(value, 4) for plane, value in found.confidence.items() if plane not in drawn.planes}
    unsure = {plane for plane, value in confidence.items() if value < least_confidence}
    unsure |= _KINDS if unsure & _KINDS else set()
    if found.quality is not None and found.quality.grade == "useless" and "vessels" not in drawn.planes:
        return {"name": name, "rejected": f"useless: {', '.join(found.quality.reasons)}"}
    # These are hard to see in many a good photograph: they are then left unknown, and all else is kept.
    low = [f"{plane} {confidence[plane]:.2f}" for plane in confidence if plane in unsure - _MAY_BE_UNKNOWN]
    if found.doubts and "disc" not in drawn.planes:
        return {"name": name, "rejected": " ".join(found.doubts)}
    if low:
        return {"name": name, "rejected": f"low confidence: {', '.join(low)}"}
    planes = {plane: mask for plane, mask in found.eye.planes.items() if plane not in unsure} | dict(drawn.planes)
    if "cup" in planes and "disc" in planes:
        planes["cup"] = planes["cup"] & planes["disc"]
    eye = usable(_resized(Eye(name, planes, found.eye.photograph), size_px))
    told = told_apart(eye)
    _write_labelled(out / files.split, replace(eye, planes={**eye.planes, **told}))
    return {
        "name": name,
        "split": files.split,
        "origin": f"{origin}/{files.name}",
        "confidence": confidence,
        "drawn": sorted(drawn.planes),
        "told": sorted(told),
        CHECKSUMS: {f"{files.split}/{place}": one for place, one in checksums(out / files.split, name).items()},
    }


def told_apart(eye: Eye) -> dict[str, Mask]:
    """The planes of arteries and veins, where the eye has none but a photograph that tells them."""
    if eye.photograph is None or "vessels" not in eye.planes or {"arteries", "veins"} & eye.planes.keys():
        return {}
    field = eye.planes["fov"] if "fov" in eye.planes else find_field_of_view(eye.photograph)
    told = tell_arteries(eye.photograph, eye.planes["vessels"], eye.planes.get("disc"), field)
    return dict(zip(("arteries", "veins"), told, strict=True)) if told else {}


def _resized(eye: Eye, size_px: int) -> Eye:
    """The eye with this longest side, or as it is where it is smaller."""
    height, width = eye.size
    scale = min(1.0, size_px / max(height, width))
    size = (round(height * scale), round(width * scale))
    planes = {
        plane: resize_photograph((mask[..., None] * [255, 255, 255]).astype("uint8"), size)[..., 0] > 127
        for plane, mask in eye.planes.items()
    }
    return Eye(eye.name, planes, None if eye.photograph is None else resize_photograph(eye.photograph, size))


def _write_labelled(folder: Path, eye: Eye) -> None:
    if eye.photograph is not None:
        write_photograph(folder / "images" / f"{eye.name}.png", eye.photograph)
    for plane, mask in eye.planes.items():
        write_mask(folder / plane / f"{eye.name}.png", mask)


def write_sheets(folder: Path) -> int:
    """Write ``sheets/NN.jpg``: overlays of all eyes of a set of pseudo-labels, with their names, to look at.

    Returns:
        How many sheets.
    """
    eyes = find_eyes(folder).eyes
    starts = range(0, len(eyes), PER_SHEET)
    for number, start in enumerate(starts):
        sheet = sheet_of(eyes[start : start + PER_SHEET])
        path = folder / "sheets" / f"{number:02d}.jpg"
        with explaining_write_errors(path):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encoded(sheet, "JPEG"))
    return len(starts)
