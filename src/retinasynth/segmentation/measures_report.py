"""The report of measured photographs: a plot for every measure, and the pictures that they come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from retinasynth.eye.biomarkers import COLUMNS
from retinasynth.eye.measured_on import MOST_CALIBRE_DD, MOST_WINDING
from retinasynth.eye.regional import REGIONAL, RegionalColumn, heading
from retinasynth.images import encoded, read_photograph, square_photograph
from retinasynth.report import page
from retinasynth.report.plots import MODEL, MUTED, drawing, panel, svg
from retinasynth.report.sections import Gallery, Mark, Plot, Report, Section, Shown
from retinasynth.resuming import Line

WARNING = "Measured in what segmenters found; not for diagnosis"
_MOST_DOTS = 60  # photographs that are drawn one by one
_MOST_SHOWN = 24  # photographs whose pictures are in the page
_SHOWN_PX = 512
_TITLES = {
    "density": "Density",
    "length_density": "Length density",
    "calibre": "Calibre",
    "arc_chord": "Tortuosity: arc over chord",
    "inflection_count": "Tortuosity: inflection count metric",
    "squared_curvature": "Tortuosity: squared curvature",
    "equivalents": "Central retinal equivalents",
}
_EQUIVALENTS = ("crae", "crve", "avr")
CONVENTIONS = {
    "disc diameter (DD)": "height of the disc that was found; 1800 um where a measure of the whole eye is in um",
    "um and mm": "of regional measures, from the angle of the field of view or from mm per pixel, where one is given",
    "arteries and veins": "the wider vessels alone where they are told by rule; density, length density and calibre of "
    "one kind are given where nine tenths of the vessels of a region are told, CRAE and CRVE where three quarters are",
    "in view": "a region of which less than half is in the field of view is not measured",
    "resolution": "measures in px change with the size of the picture; so do, less, all that thin vessels enter: "
    "densities, calibres, fractal dimension, branch and end points, inflections and curvature",
}


def render(folder: Path, lines: Sequence[Line], rejected: Sequence[tuple[str, str]], about: Mapping[str, str]) -> str:
    """The report as one HTML page.

    Args:
        folder: has ``regions/``, ``calibres/`` and ``courses/``.
        lines: of the photographs that were measured; at least one.
        rejected: name and reason of the others.
        about: what was measured with what, by name.
    """
    values: list[Mapping[str, float]] = [line["values"] for line in lines]
    unknown = [name for name, column in COLUMNS.items() if not _known(values, heading(name, column.unit))]
    sections = [_pictures(folder, lines), _whole(values, unknown), *_regional(values)]
    doubts = [f"{line['name']}: {line['doubts']}" for line in lines if line["doubts"]]
    poor = [line for line in lines if line["quality"] not in (None, "usable")]
    doubts += [f"{line['name']}: {line['quality']} ({line['faults']})" for line in poor]
    left_out = [f"{name} was not measured: {reason}" for name, reason in rejected]
    return page.render(
        Report(
            title="Biomarkers of photographs",
            answer=f"{len(lines)} of {len(lines) + len(rejected)} photographs were measured",
            sections=sections,
            conventions=CONVENTIONS,
            about=about,
            sentences=(*doubts[:_MOST_SHOWN], *left_out[:_MOST_SHOWN]),
            warning=WARNING,
            kind="measurement",
        )
    )


def _known(values: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [one[name] for one in values if name in one]


def _pictures(folder: Path, lines: Sequence[Line]) -> Section:
    titles = {
        "regions": "labels and regions",
        "calibres": f"calibre, 0 (blue) to {MOST_CALIBRE_DD} DD (yellow)",
        "courses": f"arc over chord, 1 (blue) to {MOST_WINDING} (yellow)",
    }
    shown = []
    for line in lines[:_MOST_SHOWN]:
        files = {title: folder / view / f"{line['name']}.png" for view, title in titles.items()}
        views = {title: _small(file) for title, file in files.items() if file.is_file()}
        side = f"{line['laterality']} eye, by: {line['laterality_by']}" if line["laterality"] else "side unknown"
        shown.append(Shown(line["name"], [side], views))
    more = f"The first {_MOST_SHOWN} of {len(lines)}. " if len(lines) > _MOST_SHOWN else ""
    note = f"{more}At full size in `regions/`, `calibres/` and `courses/`."
    return Section("pictures", "What the measures come from", galleries=[Gallery("", shown, note)])


def _small(file: Path) -> bytes:
    return encoded(square_photograph(read_photograph(file), _SHOWN_PX, "letterbox"), "JPEG")


def _whole(values: Sequence[Mapping[str, float]], unknown: Sequence[str]) -> Section:
    plots = []
    for name, column in COLUMNS.items():
        full = heading(name, column.unit)
        if known := _known(values, full):
            plots.append(_plot(full, column.meaning, {"": known}))
    note = f"Unknown in all photographs: {', '.join(f'`{name}`' for name in unknown)}." if unknown else ""
    return Section("whole", "Whole eyes", key_to_plots=_key(len(values)), plots=plots, note=note)


def _key(count: int) -> list[Mark]:
    marks = [Mark("median, and 10 to 90 % of the photographs", "line")]
    return [Mark("a photograph"), *marks] if count <= _MOST_DOTS else marks


def _regional(values: Sequence[Mapping[str, float]]) -> list[Section]:
    """A section for each quantity, with a plot for each kind and unit that has a row for each region."""
    columns: dict[str, list[tuple[str, RegionalColumn]]] = {key: [] for key in _TITLES}
    for name, column in REGIONAL.items():
        key = "equivalents" if column.quantity.startswith(_EQUIVALENTS) else column.quantity
        columns[key].append((name, column))
    return [_section(key, named, values) for key, named in columns.items()]


def _section(key: str, named: Sequence[tuple[str, RegionalColumn]], values: Sequence[Mapping[str, float]]) -> Section:
    rows: dict[str, dict[str, list[float]]] = {}
    for name, column in named:
        if known := _known(values, name):
            of_kind = "" if key == "equivalents" else f", {column.kind}"
            plot = heading(f"{column.quantity.replace('_', ' ')}{of_kind}", column.unit)
            rows.setdefault(plot, {})[column.region.replace("_", " ")] = known
    meanings = "; ".join(dict.fromkeys(column.meaning for _, column in named))
    note = f"{meanings[:1].upper()}{meanings[1:]}.{'' if rows else ' Unknown in all photographs.'}"
    return Section(key, _TITLES[key], plots=[_plot(plot, "", of_plot) for plot, of_plot in rows.items()], note=note)


def _plot(name: str, meaning: str, rows: Mapping[str, Sequence[float]]) -> Plot:
    """A row for each region, the first on top: dots, the median, and the middle four fifths."""
    with drawing():
        figure, axes = panel(name, 0.8 + 0.28 * len(rows))
        for place, known in enumerate(rows.values()):
            _draw_row(axes, -place, np.array(known))
        axes.set_yticks([-place for place in range(len(rows))], list(rows))
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(0.6 - len(rows), 0.6)
        return Plot(meaning or name, svg(figure, name))


def _draw_row(axes: Axes, height: float, known: np.ndarray) -> None:
    low, median, high = np.percentile(known, [10, 50, 90])
    if len(known) <= _MOST_DOTS:
        axes.plot(known, np.full(len(known), height), "o", color=MODEL, markersize=3.5, alpha=0.5)
    if len(known) > 1:
        axes.plot([low, high], [height - 0.3] * 2, color=MUTED, linewidth=1)
        axes.plot([median], [height - 0.3], "|", color=MUTED, markersize=6)
