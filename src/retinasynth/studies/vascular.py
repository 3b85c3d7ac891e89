"""Does a generator draw the vessels that it is asked for? Four signs of vascular disease in series, measured again.

Generalised arteriolar narrowing, tortuosity, venous beading and tufts of new vessels, each rising in the same eyes. The
segmenter ``vessels`` finds the vessels in the photographs; a biomarker of them is compared with the same of the exact
labels and with what was asked for. For narrowing also by the width of the vessels, since thin ones are found badly.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from retinasynth.anatomy.edits import with_narrower_vessels
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.checks import checked_seed, checked_workers, whole_number
from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.eye import UM_PER_DD
from retinasynth.eye.label_map import overlay
from retinasynth.eye.skeleton import Graph, vessel_graph
from retinasynth.files import write_json
from retinasynth.images import Mask, Photograph, read_photograph, write_photograph
from retinasynth.intervals import Estimate, bootstrap_mean
from retinasynth.resuming import Line
from retinasynth.segmentation.use import segment
from retinasynth.studies.series import (
    CONVENTIONS,
    SHOWN,
    SOURCES,
    Point,
    Recovery,
    close_up,
    generator,
    grown,
    halved,
    middle,
    recovery,
    segmenter,
    sheet,
    tiles,
    write_rows,
    write_series,
)
from retinasynth.studies.series_report import (
    KEY,
    Section,
    Strip,
    Table,
    asked_and_found,
    by_class,
    capital,
    figure_text,
    follows,
    recovery_table,
    strip,
    write_page,
)

SIGNS: dict[str, tuple[float, ...]] = {
    "narrowing": (1.0, 0.9, 0.8, 0.7, 0.6),  # share of their calibre that arteries keep
    "tortuosity": (1.03, 1.08, 1.13, 1.18, 1.23),
    "beading": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "tufts": (0, 2, 4, 6, 8),
}
TITLES = {
    "narrowing": "Arteriolar narrowing",
    "tortuosity": "Tortuosity",
    "beading": "Venous beading",
    "tufts": "Neovascularisation",
}
MEASURED_AS = {
    "narrowing": "artery-to-vein ratio",
    "tortuosity": "arc over chord",
    "beading": "swing of the calibre of veins",
    "tufts": "vessels' share of the field",
}
WIDTHS_UM = (0.0, 50.0, 75.0, 100.0, math.inf)
WIDTH_NAMES = ("under 50", "50 to 75", "75 to 100", "over 100")  # micrometres
TILE_PX = 224
SHOWN_EYES = 2

_REACH_DD = {"narrowing": 1.7, "tortuosity": 2.4, "beading": 0.8, "tufts": 2.4}  # to each side, in the pictures
_WIDTH = "calibre of the artery before narrowing, um"
_NEAR_DD = 0.06  # what is found so far from a vessel of the labels belongs to it
_BEADED_DD = 0.035  # calibre from which veins are looked at for beads
_BEADED_LENGTH_DD = 0.5
_SMOOTH_PX = 2.0
_SLOW_DD = 0.25  # slower changes of calibre are no beads, which follow one another at 0.2 to 0.3 DD
_CONVENTIONS = {
    "arteries and veins": "the segmenter does not tell them apart: what it finds within "
    f"{_NEAR_DD:g} disc diameters of a vessel of the labels is taken to be of its kind",
    "narrowing": "arteries are drawn at a share of their calibre, about the same centre lines, and veins left alone; "
    "the artery-to-vein ratio is that of Knudtson's equivalents in zone B; asked for is that of the labels times the "
    "share",
    "tortuosity": "mean of arc over chord between branchings, weighted by length",
    "beading": "root of two times the deviation of a vein's calibre (twice the distance of its centre line from its "
    f"edge) from its mean over {_SLOW_DD:g} disc diameters, over the calibre; veins from "
    f"{_BEADED_DD * UM_PER_DD:.0f} um; asked for is the amplitude with which veins swell",
    "new vessels": "tufts lie on the disc and the arcades; asked for is the share of the field that the vessels of the "
    "labels cover with them",
    "width": f"by the calibre of an artery in the labels before narrowing, 1 disc diameter taken as {UM_PER_DD:g} um; "
    "found is a point of its centre line with a found artery on it or beside it; its calibre is that of the nearest "
    "found artery",
}

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class VascularStudy:
    """What was found.

    Attributes:
        model: name of the generator.
        seed: of the first eye.
        lines: of the eyes, as they stand in the manifest.
        signs: recovery of each biomarker, by sign and by source of `retinasynth.studies.series.SOURCES`.
        found: by source and width (`WIDTH_NAMES`), the share of arteries that is found in photographs before narrowing.
        calibres: by source and width, recovery of the calibre of arteries, in micrometres, in the series of narrowing.
        contrast: by source, by how many grey levels new vessels are darker in green than the same place without them.
    """

    model: str
    seed: int
    lines: Sequence[Line]
    signs: Mapping[str, Mapping[str, Recovery]]
    found: Mapping[str, Sequence[Estimate | None]]
    calibres: Mapping[str, Sequence[Recovery]]
    contrast: Mapping[str, Estimate | None]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``vascular.json``."""
        return {
            "model": self.model,
            "seed": self.seed,
            "eyes": len(self.lines),
            "signs": {sign: {source: one.to_json() for source, one in by.items()} for sign, by in self.signs.items()},
            "arteries_found": {
                source: {name: one and one.to_json() for name, one in zip(WIDTH_NAMES, by, strict=True)}
                for source, by in self.found.items()
            },
            "calibre_um": {
                source: {name: one.to_json() for name, one in zip(WIDTH_NAMES, by, strict=True)}
                for source, by in self.calibres.items()
            },
            "darkening_by_new_vessels": {source: one and one.to_json() for source, one in self.contrast.items()},
        }

    @property
    def sentences(self) -> list[str]:
        """What was found, the answer first."""
        made = {sign: by["generated"] for sign, by in self.signs.items()}
        ranked = sorted(made, key=lambda sign: -(made[sign].within_eyes or _NOTHING).mean)
        answers = "; ".join(f"{TITLES[sign].lower()} {follows(self.signs[sign])}" for sign in ranked)
        together = "; ".join(f"{TITLES[sign].lower()} {figure_text(made[sign].within_eyes)}" for sign in ranked)
        slopes = "; ".join(
            f"{TITLES[sign].lower()} "
            + ", ".join(figure_text(self.signs[sign][source].slope) for source in ("generated", "by_rule", "label"))
            for sign in ranked
        )
        thin, wide = (figure_text(self.found["generated"][place]) for place in (0, -1))
        followed = [figure_text(one.within_eyes) for one in self.calibres["generated"]]
        darker = {source: figure_text(one, 1) for source, one in self.contrast.items()}
        return [
            f"What a segmenter finds in generated photographs: {answers}.",
            f"Correlation within eyes of what is found there with what was asked for: {together}.",
            f"How far it goes along, as a slope, in generated photographs, drawn by rule, exact labels: {slopes}.",
            (
                f"By width: of arteries {WIDTH_NAMES[0]} um wide {thin} of the length is found, of those "
                f"{WIDTH_NAMES[-1]} um {wide}. The calibre found follows narrowing with a correlation of {followed[0]} "
                f"in the former and {followed[-1]} in the latter."
            ),
            (
                f"New vessels darken their place by {darker['generated']} grey levels of green in generated "
                f"photographs and by {darker['by_rule']} in those drawn by rule. Whether they are drawn, and whether "
                "the segmenter takes them for vessels, are two questions."
            ),
        ]


_NOTHING = Estimate(-1.0, -1.0, -1.0, 0)


def study_vascular(
    out: Path, *, model: str = "fundus-512", eyes: int = 8, seed: int = 0, workers: int | None = None
) -> VascularStudy:
    """Draw, measure and compare; or go on with a study that was begun.

    Writes ``vascular.json``, ``measures.csv`` and ``widths.csv`` (each photograph), ``pictures/`` and ``report.html``.

    Args:
        out: a new or empty folder, or that of the same study, unfinished or with fewer eyes.
        model: a styled generator.
        eyes: how many.
        seed: of the first eye.
        workers: processes; None takes one for each core.

    Raises:
        SettingError: fewer than two eyes.
        OutputError: `out` holds something else.
        InterruptedRunError: the user stopped it; finished eyes are kept.
    """
    eyes, seed, workers = whole_number(eyes, "eyes", least=2), checked_seed(seed), checked_workers(workers)
    lines = write_series(
        out,
        eyes,
        model,
        {"signs": SIGNS},
        functools.partial(_write_eye, seed),
        seed=seed,
        doing="Drawing series",
        workers=workers,
    )
    rows = [{"eye": line["name"], **row} for line in lines for row in line["rows"]]
    widths = [{"eye": line["name"], **row} for line in lines for row in line["widths"]]
    photographed = ("generated", "by_rule")
    study = VascularStudy(
        Path(model).name,
        seed,
        lines,
        {sign: {source: recovery(_points(rows, sign, source)) for source in SOURCES} for sign in SIGNS},
        {source: [_found(widths, source, number) for number in range(len(WIDTH_NAMES))] for source in photographed},
        {
            source: [recovery(_calibres(widths, source, number)) for number in range(len(WIDTH_NAMES))]
            for source in photographed
        },
        {source: _contrast(lines, source) for source in photographed},
    )
    write_rows(out / "measures.csv", rows)
    write_rows(out / "widths.csv", widths)
    write_json(out / "vascular.json", study.to_json())
    _write_report(study, rows, out)
    return study


def _points(rows: Sequence[Mapping[str, Any]], sign: str, source: str) -> list[Point]:
    return [Point(row["eye"], row["asked"], row[source]) for row in rows if row["sign"] == sign]


def _contrast(lines: Sequence[Line], source: str) -> Estimate | None:
    values = [line["contrast"][source] for line in lines if line["contrast"]]
    return bootstrap_mean(values) if values else None


def _found(widths: Sequence[Mapping[str, Any]], source: str, number: int) -> Estimate | None:
    """The share of arteries of a width that is found before narrowing."""
    shares = [row[f"found_{source}"] for row in widths if row["width"] == WIDTH_NAMES[number] and row["share"] == 1]
    return bootstrap_mean(shares) if shares else None


def _calibres(widths: Sequence[Mapping[str, Any]], source: str, number: int) -> list[Point]:
    those = [row for row in widths if row["width"] == WIDTH_NAMES[number]]
    return [Point(row["eye"], row["calibre_um"], row[f"calibre_um_{source}"]) for row in those]


# --- Measures ----------------------------------------------------------------------------------------------------


def of_kind(found: Mask, eye: Eye) -> Eye:
    """An eye's label map with found vessels instead of its own, told into arteries and veins by the labels nearby.

    Args:
        found: ``bool (height, width)``.
        eye: planes arteries, veins, disc and fov, and geometry.
    """
    scale = eye.geometry.pixels_per_disc_diameter if eye.geometry else 0.0
    away = {kind: ndimage.distance_transform_edt(~eye.planes[kind]) for kind in ("arteries", "veins")}
    nearest = np.minimum(away["arteries"], away["veins"])
    told = {kind: found & (one <= nearest) & (one <= _NEAR_DD * scale) for kind, one in away.items()}
    rest = {plane: eye.planes[plane] for plane in ("disc", "fov")}
    return Eye(eye.name, {"vessels": found, **told, **rest}, geometry=eye.geometry)


def calibre_swing(veins: Mask, pixels_per_dd: float) -> float | None:
    """By which share the calibre of veins swells and ebbs along their course; see the report's conventions.

    Args:
        veins: ``bool (height, width)``.
        pixels_per_dd: scale.

    Returns:
        0 for veins of even calibre, the amplitude for sine waves of 0.2 to 0.3 disc diameters (a little less: both the
        waves and the noise of pixels are smoothed); None where no vein is wide and long enough.
    """
    from_edge = ndimage.distance_transform_edt(veins)
    swings, lengths = [], []
    for one in vessel_graph(veins).segments:
        if one.length < _BEADED_LENGTH_DD * pixels_per_dd or one.calibre < _BEADED_DD * pixels_per_dd:
            continue
        calibres = ndimage.gaussian_filter1d(2 * ndimage.map_coordinates(from_edge, one.path.T, order=1), _SMOOTH_PX)
        swing = (calibres - ndimage.gaussian_filter1d(calibres, _SLOW_DD * pixels_per_dd))[one.clear]
        if len(swing) > _SLOW_DD * pixels_per_dd:
            swings.append(math.sqrt(2) * float(swing.std()) / float(calibres[one.clear].mean()))
            lengths.append(one.length)
    return float(np.average(swings, weights=lengths)) if swings else None


def measured_in(sign: str, eye: Eye) -> float | None:
    """The biomarker that a sign moves, `MEASURED_AS` in words; None where it cannot be measured."""
    if sign == "beading":
        scale = eye.geometry.pixels_per_disc_diameter if eye.geometry else 0.0
        return calibre_swing(eye.planes["veins"] & eye.planes["fov"], scale)
    measured = measure_eye(eye)
    values = {
        "narrowing": measured.artery_to_vein_ratio,
        "tortuosity": measured.tortuosity,
        "tufts": measured.vessel_density,
    }
    return values[sign]


def found_in(photograph: Photograph, labels: Eye) -> Eye:
    """The vessels that the segmenter finds, see `of_kind`."""
    return of_kind(_vessels(photograph), labels)


def _vessels(photograph: Photograph) -> Mask:
    """What the segmenter finds; nothing in a photograph in which it finds no fundus."""
    try:
        return segment(photograph, models=[segmenter("vessels")]).eye.planes["vessels"]
    except ImageError:
        return np.zeros(photograph.shape[:2], np.bool_)


def _by_width(base: Eye, graph: Graph, share: float, found: Mapping[str, Eye]) -> Iterator[dict[str, Any]]:
    """Of arteries of each width the share that is found, and their calibre in the labels and as it is found.

    Args:
        base: the labels before narrowing.
        graph: of their arteries.
        share: of their calibre that they keep.
        found: what was found in the photographs, by source.
    """
    scale = base.geometry.pixels_per_disc_diameter if base.geometry else 1.0
    paths = np.concatenate([one.path for one in graph.segments])
    calibres = np.concatenate([one.calibres for one in graph.segments]) / scale * UM_PER_DD
    rows, columns = (np.clip(np.rint(along).astype(int), 0, side - 1) for along, side in zip(paths.T, base.size,
                                                                                            strict=True))  # fmt: skip
    outside = ~base.planes["disc"][rows, columns]
    seen = {
        source: _nearest(paths, vessel_graph(eye.planes["arteries"]), _NEAR_DD * scale) for source, eye in found.items()
    }
    beside = {source: ndimage.binary_dilation(eye.planes["arteries"]) for source, eye in found.items()}
    for number, name in enumerate(WIDTH_NAMES):
        those = outside & (calibres >= WIDTHS_UM[number]) & (calibres < WIDTHS_UM[number + 1])
        if not those.any():
            continue
        row: dict[str, Any] = {
            "share": share,
            "width": name,
            "points": int(those.sum()),
            "calibre_um": round(share * float(calibres[those].mean()), 2),
        }
        for source in found:
            hit = those & beside[source][rows, columns]
            known = seen[source][hit & np.isfinite(seen[source])] / scale * UM_PER_DD
            row[f"found_{source}"] = round(float(hit.sum() / those.sum()), 4)
            row[f"calibre_um_{source}"] = round(float(known.mean()), 2) if len(known) else None
        yield row


def _nearest(paths: Numbers, graph: Graph, reach: float) -> Numbers:
    """The calibre of the nearest vessel of a graph, in pixels; not a number where none is within reach."""
    if not graph.segments:
        return np.full(len(paths), np.nan)
    away, which = KDTree(np.concatenate([one.path for one in graph.segments])).query(paths)
    calibres = np.concatenate([one.calibres for one in graph.segments])
    return np.where(away <= reach, calibres[which], np.nan)


# --- One eye -----------------------------------------------------------------------------------------------------


def drawn(size_px: int, seed: int, sign: str, grade: float) -> Eye:
    """The eye of a seed with one of `SIGNS` at a grade, at twice the size of its photograph."""
    if sign == "narrowing":
        eye = grown(size_px, seed)
        return eye if grade == 1 else with_narrower_vessels(eye, grade)
    named = {"tortuosity": "tortuosity", "beading": "venous_beading", "tufts": "neovascular_tufts"}
    parameters: dict[str, Any] = {named[sign]: grade}
    return grown(size_px, seed, **parameters)


def _write_eye(first_seed: int, out: Path, model: str, number: int) -> Line:
    """All series of one eye: their pictures, and what was measured in them."""
    seed = first_seed + number
    name = f"eye_{seed:06d}"
    rows: list[dict[str, Any]] = []
    widths: list[dict[str, Any]] = []
    plain: dict[str, Photograph] = {}
    contrast: dict[str, float] = {}
    size_px = generator(model).config.size_px
    for sign, grades in SIGNS.items():
        shown: list[list[Photograph]] = [[] for _ in SHOWN]
        base = halved(drawn(size_px, seed, sign, grades[0]))
        arteries = vessel_graph(base.planes["arteries"] & base.planes["fov"])
        first = measured_in(sign, base)
        centre = centre_of(sign, base)
        for grade in grades:
            eye = drawn(size_px, seed, sign, grade)
            labels = halved(eye)
            photographs = {
                "generated": generator(model).generate(eye, seed=seed),
                "by_rule": phantom_photograph(labels, seed),
            }
            found = {source: found_in(picture, labels) for source, picture in photographs.items()}
            exact = measured_in(sign, labels)
            asked = {"narrowing": first and first * grade, "tufts": exact}.get(sign, grade)
            measures = {"label": exact, **{source: measured_in(sign, one) for source, one in found.items()}}
            rows.append(
                {"sign": sign, "grade": grade, "asked": _round(asked)} | {k: _round(v) for k, v in measures.items()}
            )
            if sign == "narrowing":
                widths += _by_width(base, arteries, grade, found)
            if sign == "tufts" and grade == grades[0]:
                plain = photographs
            if sign == "tufts" and grade == grades[-1]:
                new = labels.planes["vessels"] & ~labels.planes["arteries"] & ~labels.planes["veins"]
                if new.any():
                    contrast = {source: _darker(plain[source], photographs[source], new) for source in photographs}
            pictures = photographs["generated"], labels, found["generated"]
            for row_of_tiles, tile in zip(shown, close_ups(sign, centre, *pictures, TILE_PX), strict=True):
                row_of_tiles.append(tile)
        write_photograph(out / "pictures" / f"{name}-{sign}.png", sheet(shown), generator(model).provenance(seed))
    return {"name": name, "seed": seed, "rows": rows, "widths": widths, "contrast": contrast}


def centre_of(sign: str, eye: Eye) -> tuple[float, float]:
    """Row and column of the place where a sign is seen best in an eye that does not have it yet."""
    return _widest_vein(eye) if sign == "beading" else middle(eye.planes["disc"])


def close_ups(
    sign: str, centre: tuple[float, float], photograph: Photograph, labels: Eye, found: Eye, shown_px: int
) -> list[Photograph]:
    """A place close up, as `SHOWN` has it: a photograph, the vessels asked for and those found."""
    reach_px = _REACH_DD[sign] * (labels.geometry.pixels_per_disc_diameter if labels.geometry else 1.0)
    pictures = (photograph, _overlaid(labels), _overlaid(found))
    return [close_up(picture, centre, reach_px, shown_px) for picture in pictures]


def _overlaid(eye: Eye) -> Photograph:
    """Vessels and disc of an eye over a dark ground."""
    return overlay(Eye(eye.name, {k: eye.planes[k] for k in ("vessels", "arteries", "veins", "disc", "fov")}))


def _widest_vein(eye: Eye) -> tuple[float, float]:
    """Row and column of the middle of the widest long vein outside the disc."""
    row, column = middle(eye.planes["disc"])
    scale = eye.geometry.pixels_per_disc_diameter if eye.geometry else 1.0
    paths = [
        (one.calibre, one.path[len(one.path) // 2])
        for one in vessel_graph(eye.planes["veins"] & eye.planes["fov"]).segments
        if one.length > _BEADED_LENGTH_DD * scale and math.dist(one.path[len(one.path) // 2], (row, column)) > scale
    ]
    if not paths:
        return row, column
    place = max(paths, key=lambda path: path[0])[1]
    return float(place[0]), float(place[1])


def _darker(before: Photograph, after: Photograph, where: Mask) -> float:
    return round(float((before[where, 1].astype(np.float64) - after[where, 1]).mean()), 3)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


# --- The page ----------------------------------------------------------------------------------------------------


_NOTES = {
    "narrowing": "Below the photograph, what the segmenter finds: arteries red, veins blue as the labels tell them; "
    "cyan is what lies near no vessel of the labels.",
    "tortuosity": "The same vessels wind more and more.",
    "beading": "Veins swell and ebb like strings of beads.",
    "tufts": "Tangles of new vessels on the disc and along the arcades.",
}


def _write_report(study: VascularStudy, rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    sections = [
        Section(
            TITLES[sign],
            strips=[_strip(line, sign, out) for line in study.lines[:SHOWN_EYES]],
            plots=[
                asked_and_found(
                    capital(MEASURED_AS[sign]),
                    "asked for",
                    "measured",
                    {source: _points(rows, sign, source) for source in SOURCES},
                )
            ],
            tables=[
                recovery_table(
                    f"{capital(MEASURED_AS[sign])} in",
                    {SOURCES[source]: one for source, one in study.signs[sign].items()},
                    3,
                )
            ],
            note=_NOTES[sign],
            key=KEY,
        )
        for sign in SIGNS
    ]
    by_width = {source: [one.within_eyes for one in some] for source, some in study.calibres.items()}
    slopes = {source: [one.slope for one in some] for source, some in study.calibres.items()}
    sections.insert(
        1,
        Section(
            "Narrowing, by the width of the artery",
            plots=[
                by_class("Found at all", _WIDTH, "share of length", WIDTH_NAMES, study.found),
                by_class("Does its calibre follow?", _WIDTH, "correlation within eyes", WIDTH_NAMES, by_width),
                by_class("How far does it follow?", _WIDTH, "slope", WIDTH_NAMES, slopes),
            ],
            tables=[
                Table(
                    ("Calibre of arteries, um", "Found", "Correlation", "Slope", "Mean error, um"),
                    [
                        (name, [_cell(found), _cell(one.within_eyes), _cell(one.slope), _cell(one.error, 1)])
                        for name, found, one in zip(
                            WIDTH_NAMES, study.found["generated"], study.calibres["generated"], strict=True
                        )
                    ],
                )
            ],
            key=(("better", "generated photographs"), ("undecided", "drawn by rule, the control")),
            note="Dots: means; lines: their intervals over eyes. Calibre as found of arteries that are found.",
        ),
    )
    write_page(
        out / "report.html",
        "Vascular disease: is it drawn as asked for?",
        study.sentences,
        [f"{len(study.lines)} eyes", f"{sum(map(len, SIGNS.values()))} photographs of each"],
        sections,
        CONVENTIONS | _CONVENTIONS,
        {
            "Generator": study.model,
            "Series": f"{len(study.lines)} grown eyes from seed {study.seed}; "
            + "; ".join(f"{TITLES[sign].lower()} {', '.join(map(str, grades))}" for sign, grades in SIGNS.items()),
        },
    )


def _cell(figure: Estimate | None, decimals: int = 2) -> tuple[str, str]:
    mean, _, interval = figure_text(figure, decimals).partition(" ")
    return mean, interval.strip("()")


def _strip(line: Line, sign: str, out: Path) -> Strip:
    rows = [row for row in line["rows"] if row["sign"] == sign]
    texts = [
        f"asked {row['asked']:.3f}\nmeasured {'none' if row['generated'] is None else format(row['generated'], '.3f')}"
        for row in rows
    ]
    picture = read_photograph(out / "pictures" / f"{line['name']}-{sign}.png")
    shown = dict(zip(SHOWN, tiles(picture, len(rows)), strict=True))
    return strip(capital(line["name"].replace("_", " ")), shown, texts)
