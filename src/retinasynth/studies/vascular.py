"""Does a generator draw the vessels that it is asked for? Four signs of vascular disease in series, measured again.

Generalised arteriolar narrowing, tortuosity, venous beading and tufts of new vessels, each rising in the same eyes. The
segmenter ``vessels`` finds the vessels in the photographs; a biomarker of them is compared with the same of the exact
labels and with what was asked for. For narrowing also by the width of the vessels, since thin ones are found badly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retinasynth.anatomy.edits import with_narrower_vessels
from retinasynth.checks import checked_seed, checked_workers, whole_number
from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.eye.eye import UM_PER_DD
from retinasynth.eye.skeleton import vessel_graph
from retinasynth.files import write_json
from retinasynth.images import Mask, Photograph
from retinasynth.intervals import Estimate, bootstrap_mean
from retinasynth.report.sections import Column, Mark, Row, Section, Strip, Table
from retinasynth.resuming import Line
from retinasynth.segmentation.use import segment
from retinasynth.studies import series
from retinasynth.studies.recovery import Recovery, recovery
from retinasynth.studies.series import CONVENTIONS, SOURCES, Shot, points_of
from retinasynth.studies.series_report import (
    KEY,
    asked_and_found,
    by_class,
    cell,
    figure_text,
    follows,
    read_strip,
    recovery_table,
    write_page,
)
from retinasynth.studies.vessel_signs import (
    BEADED_DD,
    MEASURED_AS,
    NEAR_DD,
    SLOW_DD,
    WIDTH_NAMES,
    by_width,
    centre_of,
    close_ups,
    measured_in,
    of_kind,
)
from retinasynth.studies.words import capital

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
TILE_PX = 224
SHOWN_EYES = 2

_WIDTH = "calibre of the artery before narrowing, um"
_CONVENTIONS = {
    "arteries and veins": "the segmenter does not tell them apart: what it finds within "
    f"{NEAR_DD:g} disc diameters of a vessel of the labels is taken to be of its kind",
    "narrowing": "arteries are drawn at a share of their calibre, about the same centre lines, and veins left alone; "
    "the artery-to-vein ratio is that of Knudtson's equivalents in zone B; asked for is that of the labels times the "
    "share",
    "tortuosity": "mean of arc over chord between branchings, weighted by length",
    "beading": "root of two times the deviation of a vein's calibre (twice the distance of its centre line from its "
    f"edge) from its mean over {SLOW_DD:g} disc diameters, over the calibre; veins from "
    f"{BEADED_DD * UM_PER_DD:.0f} um; asked for is the amplitude with which veins swell",
    "new vessels": "tufts lie on the disc and the arcades; asked for is the share of the field that the vessels of the "
    "labels cover with them",
    "width": f"by the calibre of an artery in the labels before narrowing, 1 disc diameter taken as {UM_PER_DD:g} um; "
    "found is a point of its centre line with a found artery on it or beside it; its calibre is that of the nearest "
    "found artery",
}


@dataclass(frozen=True)
class VascularStudy:
    """What was found.

    Attributes:
        model: name of the generator.
        seed: of the first eye.
        lines: of the eyes, as the manifest has them.
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
    asked = {"signs": SIGNS}
    lines = series.write_series(out, eyes, model, asked, _write_eye, seed=seed, doing="Drawing series", workers=workers)
    rows, widths = series.rows_of(lines), series.rows_of(lines, "widths")
    of_sign = {sign: [row for row in rows if row["sign"] == sign] for sign in SIGNS}
    of_width = {name: [row for row in widths if row["width"] == name] for name in WIDTH_NAMES}
    photographs = ("generated", "by_rule")
    study = VascularStudy(
        Path(model).name,
        seed,
        lines,
        {
            sign: {source: recovery(points_of(some, "asked", source)) for source in SOURCES}
            for sign, some in of_sign.items()
        },
        {
            source: [_mean([row[f"found_{source}"] for row in some if row["share"] == 1]) for some in of_width.values()]
            for source in photographs
        },
        {
            source: [recovery(points_of(some, "calibre_um", f"calibre_um_{source}")) for some in of_width.values()]
            for source in photographs
        },
        {source: _mean([line["contrast"][source] for line in lines if line["contrast"]]) for source in photographs},
    )
    series.write_rows(out / "measures.csv", rows)
    series.write_rows(out / "widths.csv", widths)
    write_json(out / "vascular.json", study.to_json())
    _write_report(study, of_sign, out)
    return study


def _mean(values: Sequence[float]) -> Estimate | None:
    return bootstrap_mean(values) if values else None


# --- One eye -----------------------------------------------------------------------------------------------------


def found_in(photograph: Photograph, labels: Eye) -> Eye:
    """The vessels that the segmenter finds, see `of_kind`."""
    return of_kind(_vessels(photograph), labels)


def _vessels(photograph: Photograph) -> Mask:
    """What the segmenter finds; nothing in a photograph in which it finds no fundus."""
    try:
        return segment(photograph, models=[series.segmenter("vessels")]).eye.planes["vessels"]
    except ImageError:
        return np.zeros(photograph.shape[:2], np.bool_)


def drawn(size_px: int, seed: int, sign: str, grade: float) -> Eye:
    """The eye of a seed with one of `SIGNS` at a grade, at twice the size of its photograph."""
    if sign == "narrowing":
        eye = series.grown(size_px, seed)
        return eye if grade == 1 else with_narrower_vessels(eye, grade)
    named = {"tortuosity": "tortuosity", "beading": "venous_beading", "tufts": "neovascular_tufts"}
    parameters: dict[str, Any] = {named[sign]: grade}
    return series.grown(size_px, seed, **parameters)


def _write_eye(out: Path, model: str, seed: int) -> Line:
    """All series of one eye: their pictures, and what was measured in them."""
    line: Line = {"rows": [], "widths": [], "contrast": {}}
    for sign, grades in SIGNS.items():
        shots = series.photographed(model, seed, sign, grades, drawn, found_in)
        first = shots[0].labels
        line["rows"] += _rows(sign, shots)
        if sign == "narrowing":
            arteries = vessel_graph(first.planes["arteries"] & first.planes["fov"])
            for shot in shots:
                line["widths"] += by_width(first, arteries, shot.grade, shot.found)
        if sign == "tufts":
            line["contrast"] = _contrast(shots)
        centre = centre_of(sign, first)
        columns = [
            close_ups(sign, centre, shot.photographs["generated"], shot.labels, shot.found["generated"], TILE_PX)
            for shot in shots
        ]
        series.write_tiles(out, model, seed, sign, columns)
    return line


def _rows(sign: str, shots: Sequence[Shot]) -> list[dict[str, Any]]:
    """What was asked for and what is measured, of each photograph."""
    first, rows = measured_in(sign, shots[0].labels), []
    for shot in shots:
        exact = measured_in(sign, shot.labels)
        asked = {"narrowing": first and first * shot.grade, "tufts": exact}.get(sign, shot.grade)
        measures = {"label": exact, **{source: measured_in(sign, one) for source, one in shot.found.items()}}
        rows.append(
            {"sign": sign, "grade": shot.grade, "asked": _round(asked)} | {k: _round(v) for k, v in measures.items()}
        )
    return rows


def _contrast(shots: Sequence[Shot]) -> dict[str, float]:
    """By how many grey levels the last photograph is darker in green than the first where new vessels are."""
    labels = shots[-1].labels
    new = labels.planes["vessels"] & ~labels.planes["arteries"] & ~labels.planes["veins"]
    if not new.any():
        return {}
    first, last = shots[0].photographs, shots[-1].photographs
    return {k: round(float((first[k][new, 1].astype(np.float64) - last[k][new, 1]).mean()), 3) for k in last}


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


_WIDTH_COLUMNS = ("Found", "Correlation", "Slope", "Mean error, um")


def _write_report(study: VascularStudy, of_sign: Mapping[str, Sequence[dict[str, Any]]], out: Path) -> None:
    sections = [
        Section(
            sign,
            TITLES[sign],
            strips=[_strip(line, sign, out) for line in study.lines[:SHOWN_EYES]],
            plots=[
                asked_and_found(
                    capital(MEASURED_AS[sign]),
                    "asked for",
                    "measured",
                    {source: points_of(of_sign[sign], "asked", source) for source in SOURCES},
                )
            ],
            tables=[recovery_table(f"{capital(MEASURED_AS[sign])} in", study.signs[sign], 3)],
            note=_NOTES[sign],
            key_to_plots=KEY,
        )
        for sign in SIGNS
    ]
    correlations = {source: [one.within_eyes for one in some] for source, some in study.calibres.items()}
    slopes = {source: [one.slope for one in some] for source, some in study.calibres.items()}
    sections.insert(
        1,
        Section(
            "widths",
            "Narrowing, by the width of the artery",
            plots=[
                by_class("Found at all", _WIDTH, "share of length", WIDTH_NAMES, study.found),
                by_class("Does its calibre follow?", _WIDTH, "correlation within eyes", WIDTH_NAMES, correlations),
                by_class("How far does it follow?", _WIDTH, "slope", WIDTH_NAMES, slopes),
            ],
            tables=[_by_width(study)],
            key_to_plots=(Mark("generated photographs", "better"), Mark("drawn by rule, the control", "undecided")),
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


def _by_width(study: VascularStudy) -> Table:
    rows = []
    for name, found, one in zip(WIDTH_NAMES, study.found["generated"], study.calibres["generated"], strict=True):
        cells = (cell(found), cell(one.within_eyes), cell(one.slope), cell(one.error, 1))
        rows.append(Row(name, dict(zip(_WIDTH_COLUMNS, cells, strict=True))))
    columns = {name: Column(name) for name in _WIDTH_COLUMNS}
    return Table("", columns, rows, corner="Calibre of arteries, um", leads=False)


def _strip(line: Line, sign: str, out: Path) -> Strip:
    values = [(row["asked"], row["generated"]) for row in line["rows"] if row["sign"] == sign]
    return read_strip(out, line, sign, values, 3)
