"""From photographs to biomarkers in one step: segmented, measured, drawn, and put into a table and a report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from retinasynth.checks import real_number
from retinasynth.data.find import photograph_of
from retinasynth.data.matching import EyeFiles
from retinasynth.data.photographs import photographs_in
from retinasynth.errors import DataError, ImageError, InputError
from retinasynth.eye import Eye
from retinasynth.eye.measured_on import calibre_map, regions_overlay, winding_map
from retinasynth.eye.regional import REGIONAL, WHOLE, graphs_of, measure_all, um_per_px_of
from retinasynth.eye.regions import Side, side_of
from retinasynth.files import MANIFEST, MEASURING, write_text
from retinasynth.images import write_photograph
from retinasynth.progress import progress
from retinasynth.resuming import CHECKSUMS, Line, add_line, begun_folder, checksums
from retinasynth.segmentation import measures_report
from retinasynth.segmentation.labelling import REJECTED, told_apart
from retinasynth.segmentation.use import USUAL, Segmenter, segment
from retinasynth.settings import Laterality
from retinasynth.tables import table_text
from retinasynth.windows import Window

VERSION = 2  # raise when a measure is taken, or a line written, in another way
TABLE, REPORT = "table.csv", "report.html"
VIEWS = ("regions", "calibres", "courses")  # folders of pictures that the measures come from
_ABOUT = ("name", "quality", "faults", "laterality", "laterality_by", "scale [um/px]", "doubts")


@dataclass(frozen=True)
class Scale:
    """How large a pixel is; at most one of the two is known.

    Attributes:
        angle_deg: of the field of view, across the whole circle.
        mm_per_px: millimetres of retina to a pixel.

    Raises:
        InputError: both are given, or one that no camera has.
    """

    angle_deg: float | None = None
    mm_per_px: float | None = None

    def __post_init__(self) -> None:
        if self.angle_deg is not None and self.mm_per_px is not None:
            raise InputError("The angle and the millimetres per pixel are given together", expected="one of them")
        if self.angle_deg is not None:
            real_number(self.angle_deg, "angle", least=1, most=200)
        if self.mm_per_px is not None:
            real_number(self.mm_per_px, "mm_per_pixel", least=1e-4, most=1)

    def um_per_px(self, eye: Eye) -> float | None:
        """Micrometres to a pixel of an eye whose field of view is known."""
        if self.mm_per_px is not None:
            return self.mm_per_px * 1000
        return None if self.angle_deg is None else um_per_px_of(eye.planes["fov"], self.angle_deg)


@dataclass(frozen=True)
class Measured:
    """What `measure_photographs` made.

    Attributes:
        lines: of the photographs that were measured: ``name``, what is known of it, and ``values`` by heading.
        rejected: name and reason of the others.
        table: the file with a row for each photograph.
        report: the page with a plot for each measure.
    """

    lines: tuple[Line, ...]
    rejected: tuple[tuple[str, str], ...]
    table: Path
    report: Path


def measure_photographs(
    path: Path | str,
    out: Path | str,
    *,
    models: Sequence[Segmenter | Path | str] = USUAL,
    scale: Scale | None = None,
    laterality: Laterality | None = None,
    window: Window | None = None,
) -> Measured:
    """Measure the biomarkers of photographs: all of `Biomarkers`, and those of `REGIONAL`.

    Writes ``table.csv``, ``report.html``, ``manifest.jsonl``, ``rejected.csv`` where there is something to say there,
    and what the measures come from: ``regions/NAME.png``, ``calibres/NAME.png`` and ``courses/NAME.png``. Run again, it
    goes on where it stopped. Arteries and veins are told by rule (`retinasynth.eye.arteries_veins`) where no segmenter
    finds them, and the fovea is known where the data set marks it.

    Args:
        path: a photograph, a folder of them, or a data set.
        out: a new or empty folder, or that of the same photographs; or a file ``NAME.csv``, which becomes the table,
            while all else is in the folder ``NAME-files`` beside it.
        models: segmenters, or what `Segmenter.load` takes.
        scale: how large a pixel is, for measures in micrometres.
        laterality: which eye all photographs show; found for each where it is not given.
        window: of photographs of more than 8 bits (`retinasynth.windows`).

    Raises:
        DataError: there is nothing at `path`, or nothing there can be measured.
        ImageError: it is one photograph, and that cannot be measured.
        ModelError: a model cannot be loaded.
        OutputError: `out` holds something else or cannot be written.

    Example (needs photographs)::

        rs.measure_photographs("photographs", "measured", scale=rs.Scale(angle_deg=45)).table
    """
    scale = scale or Scale()
    eyes = photographs_in(Path(path))
    folder, table = _places(Path(out))
    loaded = [model if isinstance(model, Segmenter) else Segmenter.load(model) for model in models]
    asked = {
        "version": VERSION,
        "models": [model.name for model in loaded],
        "photographs": [files.name for files in eyes],
        "scale": asdict(scale),
        "laterality": laterality,
        "window": window,
    }
    lines: list[Line] = []
    with (
        begun_folder(folder, MEASURING, asked, what="the measures") as done,
        progress("Measuring", len(eyes), quiet=len(eyes) == 1) as advance,
    ):
        for number, files in enumerate(eyes, start=1):
            line = done.get(files.name)
            if line is None:
                line = _measure_one(loaded, files, folder, scale, laterality, window, is_alone=len(eyes) == 1)
                add_line(folder / MANIFEST, line)
            lines.append(line)
            advance(number, files.name)
        measured = tuple(line for line in lines if "values" in line)
        rejected = tuple((line["name"], str(line["rejected"])) for line in lines if "values" not in line)
        if rejected:
            write_text(folder / REJECTED, table_text(["name", "reason"], rejected))
        if not measured:
            raise DataError(f"None of the {len(eyes)} photographs could be measured; {folder / REJECTED} says why")
        write_text(table, table_of(measured))
        about = {"photographs": str(path), "segmenters": ", ".join(model.name for model in loaded)}
        write_text(folder / REPORT, measures_report.render(folder, measured, rejected, about))
    return Measured(measured, rejected, table, folder / REPORT)


def _places(out: Path) -> tuple[Path, Path]:
    """The folder of all that is written, and the file of the table."""
    if out.suffix.lower() == ".csv":
        return out.with_name(f"{out.stem}-files"), out
    return out, out / TABLE


def _measure_one(
    models: Sequence[Segmenter],
    files: EyeFiles,
    out: Path,
    scale: Scale,
    laterality: Laterality | None,
    window: Window | None,
    *,
    is_alone: bool,
) -> Line:
    """Segment and measure one photograph and draw it; the line of the manifest.

    Raises:
        ImageError: it cannot be measured, and is the only one.
    """
    try:
        found = segment(photograph_of(files, window=window), models=models)
    except ImageError as error:
        if is_alone:
            raise
        return {"name": files.name, "rejected": error.got}
    eye = replace(found.eye, name=files.name, centres={**found.eye.centres, **files.centres})
    eye = replace(eye, planes={**eye.planes, **told_apart(eye)})
    side = side_of(eye) if laterality is None else Side(laterality, "given")
    um_per_px = scale.um_per_px(eye)
    graphs = graphs_of(eye)
    values = measure_all(eye, um_per_px=um_per_px, laterality=side.laterality, graphs=graphs)
    pictures = [regions_overlay(eye, side.laterality)]
    if "vessels" in graphs:
        pictures += [calibre_map(eye, graphs), winding_map(eye, graphs)]
    for view, picture in zip(VIEWS, pictures, strict=False):
        write_photograph(out / view / f"{files.name}.png", picture)
    return {
        "name": files.name,
        "quality": found.quality.grade if found.quality else None,
        "faults": ", ".join(found.quality.reasons) if found.quality else "",
        "laterality": side.laterality,
        "laterality_by": side.source,
        "scale [um/px]": um_per_px,
        "doubts": " ".join(found.doubts),
        "values": {name: value for name, value in values.items() if value is not None},
        CHECKSUMS: checksums(out, files.name),
    }


def table_of(lines: Sequence[Line]) -> str:
    """A table of measured photographs, units in its headings; what is unknown stays empty."""
    headings = [*WHOLE, *REGIONAL]
    rows = [
        [
            *(_cell(line[name]) for name in _ABOUT),
            *(_cell(_values(line).get(name)) for name in headings),
        ]
        for line in lines
    ]
    return table_text([*_ABOUT, *headings], rows)


def _values(line: Line) -> Mapping[str, float]:
    values: Mapping[str, float] = line["values"]
    return values


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
