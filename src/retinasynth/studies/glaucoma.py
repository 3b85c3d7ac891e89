"""Does a generator draw the glaucoma that it is asked for? Cups and notches in series, and a screening.

1. Series: each eye with a rising cup-to-disc ratio, and with a deepening notch. The segmenter ``disc-cup`` measures
   the photographs.
2. Screening: healthy and glaucomatous grown eyes, told apart by the measured ratio.
3. With real photographs of both kinds (HRF), the same there.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retinasynth.checks import checked_seed, checked_workers, whole_number
from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.label_map import overlay
from retinasynth.files import write_json
from retinasynth.images import Mask, Photograph
from retinasynth.intervals import Estimate
from retinasynth.report.sections import Section, Strip
from retinasynth.resuming import Line
from retinasynth.segmentation.use import segment
from retinasynth.studies import series
from retinasynth.studies.recovery import Recovery, recovery
from retinasynth.studies.runs import stopped
from retinasynth.studies.screening import GROUPS, Screening, curve, measure_real, real_photographs, screening
from retinasynth.studies.series import CONVENTIONS, SOURCES, points_of
from retinasynth.studies.series_report import (
    COLOURS,
    KEY,
    asked_and_found,
    curves,
    figure_text,
    follows,
    groups,
    read_strip,
    recovery_table,
    write_page,
)
from retinasynth.studies.words import capital

CUPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NOTCHES = (0.0, 0.25, 0.5, 0.75, 1.0)
NOTCHED_CUP = 0.6  # the ratio of the series of notches, which keep it
PRESETS = {"healthy": "adult", "glaucoma": "glaucomatous"}
TILE_PX = 168
SHOWN_EYES = 3

_REACH_DD = 0.75  # to each side of the disc's middle, in the pictures
_RAYS = 180
_SECTOR = 5  # rays, 10 degrees
_CONVENTIONS = {
    "cup-to-disc ratio": "height of the cup over height of the disc, both as the bundled segmenter disc-cup finds them",
    "narrowest rim": "least width of the rim along rays from the middle of the disc, over the diameter of the disc "
    "there, averaged over sectors of 10 degrees (as in the Disc Damage Likelihood Scale, Spaeth et al., 2002)",
    "area under the curve": "probability that a glaucomatous eye has the higher measured ratio; its interval is a "
    "bootstrap within each group",
}


@dataclass(frozen=True)
class GlaucomaStudy:
    """What was found.

    Attributes:
        model: name of the generator.
        seed: of the first eye.
        lines: of the eyes of the series, as the manifest has them.
        cups: recovery of the vertical cup-to-disc ratio, by source of `retinasynth.studies.series.SOURCES`.
        rims: recovery of the narrowest rim in the series of notches, likewise.
        screenings: by whose eyes: ``"generated"``, ``"label"`` (the exact ratios of the same eyes), and ``"real"``.
    """

    model: str
    seed: int
    lines: Sequence[Line]
    cups: dict[str, Recovery]
    rims: dict[str, Recovery]
    screenings: dict[str, Screening]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``glaucoma.json``."""
        return {
            "model": self.model,
            "seed": self.seed,
            "eyes": len(self.lines),
            "cup_to_disc_vertical": {source: one.to_json() for source, one in self.cups.items()},
            "narrowest_rim": {source: one.to_json() for source, one in self.rims.items()},
            "screening": {source: one.to_json() for source, one in self.screenings.items()},
        }

    @property
    def sentences(self) -> list[str]:
        """What was found, the answer first."""
        cup, control = self.cups["generated"], self.cups["by_rule"]
        rim, ruled = (figure_text(self.rims[source].within_eyes) for source in ("generated", "by_rule"))
        auc = {source: figure_text(one.auc) for source, one in self.screenings.items()}
        sentences = [
            (
                f"The cup {follows(self.cups)}: of each 0.1 that its ratio to the disc is asked to rise, "
                f"{_tenth(cup.slope)} is found in generated photographs."
            ),
            (
                f"The measured ratio is off by {figure_text(cup.absolute_error)}; within an eye it correlates with the "
                f"one asked for with {figure_text(cup.within_eyes)}. In photographs drawn by rule, where only the "
                f"segmenter can be wrong, it is off by {figure_text(control.absolute_error)}, and "
                f"{_tenth(control.slope)} of each 0.1 is found."
            ),
            (
                f"Notches: the narrowest rim asked for and measured correlate within eyes with {rim}; in photographs "
                f"drawn by rule with {ruled}."
            ),
            (
                "Glaucomatous grown eyes are told from healthy ones by the ratio measured in their generated "
                f"photographs with an area under the curve of {auc['generated']}; by that of their exact labels "
                f"{auc['label']}."
            ),
        ]
        if "real" in self.screenings:
            means = self.screenings["real"].means.items()
            of_groups = ", ".join(f"{group} {figure_text(mean)}" for group, mean in means)
            sentences.append(f"Real photographs: mean ratio {of_groups}; area under the curve {auc['real']}.")
        return sentences


def study_glaucoma(
    out: Path,
    *,
    model: str = "fundus-512",
    eyes: int = 12,
    screened: int = 40,
    seed: int = 0,
    data: Path | None = None,
    workers: int | None = None,
) -> GlaucomaStudy:
    """Draw, measure and compare; or go on with a study that was begun.

    Writes ``glaucoma.json``, ``measures.csv`` (each photograph), ``screening.csv``, ``pictures/`` and ``report.html``.

    Args:
        out: a new or empty folder, or that of the same study, unfinished or with fewer eyes.
        model: a styled generator.
        eyes: in the series.
        screened: grown eyes of each group of the screening.
        seed: of the first eye.
        data: real photographs of healthy eyes (``NN_h``) and of glaucoma (``NN_g``), or None.
        workers: processes; None takes one for each core.

    Raises:
        SettingError: too few eyes.
        DataError: `data` has not both kinds of photographs.
        OutputError: `out` holds something else.
        InterruptedRunError: the user stopped it; finished eyes are kept.
    """
    eyes, screened = whole_number(eyes, "eyes", least=2), whole_number(screened, "screened", least=2)
    seed, workers = checked_seed(seed), checked_workers(workers)
    photographs = None if data is None else real_photographs(data)
    asked = {"cups": CUPS, "notches": NOTCHES, "notched_cup": NOTCHED_CUP}
    lines = series.write_series(out, eyes, model, asked, _write_eye, seed=seed, doing="Drawing series", workers=workers)
    members = series.write_series(
        out / "screening",
        2 * screened,
        model,
        {"presets": PRESETS},
        functools.partial(_write_member, seed),
        seed=seed,
        doing="Screening",
        workers=workers,
    )
    screenings = {of: screening([(one["group"], one[of]) for one in members]) for of in ("label", "generated")}
    measured = [("grown", one["name"], one["group"], one["label"], one["generated"]) for one in members]
    if photographs is not None:
        with stopped(out):
            real = measure_real(photographs, lambda photograph: _rounded(found_in(photograph))[0])
        screenings["real"] = screening([(group, ratio) for _, group, ratio in real])
        measured += [("real", name, group, None, ratio) for name, group, ratio in real]
    rows = series.rows_of(lines)
    cups, notches = ([row for row in rows if row["series"] == kind] for kind in ("cup", "notch"))
    study = GlaucomaStudy(
        Path(model).name,
        seed,
        lines,
        {source: recovery(points_of(cups, "asked", f"ratio_{source}")) for source in SOURCES},
        {source: recovery(points_of(notches, "rim_label", f"rim_{source}")) for source in ("generated", "by_rule")},
        screenings,
    )
    series.write_rows(out / "measures.csv", rows)
    columns = ("eyes", "name", "group", "label", "measured")
    series.write_rows(out / "screening.csv", [dict(zip(columns, one, strict=True)) for one in measured])
    write_json(out / "glaucoma.json", study.to_json())
    _write_report(study, cups, notches, out)
    return study


# --- Measures ----------------------------------------------------------------------------------------------------


def narrowest_rim(disc: Mask, cup: Mask) -> float:
    """The narrowest rim over the diameter of the disc there, as in the Disc Damage Likelihood Scale.

    Along each ray from the middle of the disc the rim reaches from the last pixel of the cup to the last of the disc;
    widths are averaged over sectors of 10 degrees.

    Args:
        disc: ``bool (height, width)``, not empty.
        cup: likewise, inside the disc; may be empty.

    Returns:
        0 (no rim left) to 0.5.

    Source:
        G. L. Spaeth et al., "The disc damage likelihood scale: reproducibility of a new method of estimating the amount
        of optic nerve damage caused by glaucoma", Trans Am Ophthalmol Soc 100, 2002.
    """
    rows, columns = np.nonzero(disc)
    middle = rows.mean(), columns.mean()
    along = np.arange(0, np.hypot(np.ptp(rows), np.ptp(columns)) + 2, 0.25)
    angles = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    places = tuple(  # in masks with a margin, so that a disc that the picture cuts off ends there
        np.clip(np.rint(start + along * step[:, np.newaxis]).astype(int) + 1, 0, side + 1)
        for start, step, side in zip(middle, (np.sin(angles), np.cos(angles)), disc.shape, strict=True)
    )
    reach = [np.max(np.where(np.pad(mask, 1)[places], along, 0), axis=1) for mask in (disc, cup & disc)]
    diameter = reach[0] + np.roll(reach[0], _RAYS // 2)
    rim = (reach[0] - reach[1]) / diameter
    return float(rim.reshape(-1, _SECTOR).mean(axis=1).min())


def measured_in(eye: Eye) -> tuple[float | None, float | None]:
    """Vertical ratio and narrowest rim of what an eye shows; None where disc or cup is not there."""
    if not {"disc", "cup"} <= eye.planes.keys() or not eye.planes["disc"].any():
        return None, None
    return measure_eye(eye).cup_to_disc_vertical, narrowest_rim(eye.planes["disc"], eye.planes["cup"])


def _rounded(eye: Eye) -> list[float | None]:
    """`measured_in`, as it is written."""
    return [None if value is None else round(value, 4) for value in measured_in(eye)]


def found_in(photograph: Photograph) -> Eye:
    """What the segmenter finds in a photograph; nothing in one that is black."""
    try:
        return segment(photograph, models=[series.segmenter("disc-cup")]).eye
    except ImageError:
        return Eye("nothing", {}, photograph)


# --- One eye -----------------------------------------------------------------------------------------------------


def _write_eye(out: Path, model: str, seed: int) -> Line:
    """Both series of one eye: its pictures, and what was measured in them."""
    rows = []
    for kind, grades in (("cup", CUPS), ("notch", NOTCHES)):
        shots = series.photographed(model, seed, kind, grades, drawn, lambda photograph, _: found_in(photograph))
        for shot in shots:
            row: dict[str, Any] = {"series": kind, "asked": shot.grade}
            for source, one in (("label", shot.labels), *shot.found.items()):
                row[f"ratio_{source}"], row[f"rim_{source}"] = _rounded(one)
            rows.append(row)
        columns = [
            close_ups(shot.photographs["generated"], shot.labels, shot.found["generated"], TILE_PX) for shot in shots
        ]
        series.write_tiles(out, model, seed, kind, columns)
    return {"rows": rows}


def drawn(size_px: int, seed: int, kind: str, grade: float) -> Eye:
    """The eye of a seed with a ``"cup"`` or a ``"notch"`` of a grade, at twice the size of its photograph."""
    parameters: dict[str, Any] = (
        {"cup_to_disc": grade} if kind == "cup" else {"cup_to_disc": NOTCHED_CUP, "notch": grade}
    )
    return series.grown(size_px, seed, **parameters)


def close_ups(photograph: Photograph, labels: Eye, found: Eye, shown_px: int) -> list[Photograph]:
    """The disc close up, as `SHOWN` has it: a photograph, and over it what was asked for and what is found."""
    centre = series.middle(labels.planes["disc"])
    pictures = (photograph, _outlined(labels, photograph), _outlined(found, photograph))
    return [series.close_up(picture, centre, _REACH_DD * series.scale_of(labels), shown_px) for picture in pictures]


def _outlined(eye: Eye, photograph: Photograph) -> Photograph:
    """Disc and cup of an eye over a photograph."""
    return overlay(Eye(eye.name, {p: eye.planes[p] for p in ("disc", "cup") if p in eye.planes}, photograph))


def _write_member(first_seed: int, out: Path, model: str, seed: int) -> Line:
    """One eye of the screening: every second is glaucomatous, and no two are of one seed."""
    del out  # its pictures are not kept: the seed makes them again
    group = GROUPS[(seed - first_seed) % 2]
    eye = series.grown(series.generator(model).config.size_px, seed, preset=PRESETS[group])
    label, _ = _rounded(series.halved(eye))
    ratio, _ = _rounded(found_in(series.generator(model).generate(eye, seed=seed)))
    return {"group": group, "label": label, "generated": ratio}


# --- The page ----------------------------------------------------------------------------------------------------


def _tenth(slope: Estimate | None) -> str:
    return "an unknown part" if slope is None else f"{slope.mean / 10:.3f}"


def _write_report(
    study: GlaucomaStudy, cups: Sequence[dict[str, Any]], notches: Sequence[dict[str, Any]], out: Path
) -> None:
    ratios = {source: points_of(cups, "asked", f"ratio_{source}") for source in SOURCES}
    depths = {source: points_of(notches, "asked", f"rim_{source}") for source in SOURCES}
    names = SOURCES | {"real": "real photographs"}
    known = {source: one for source, one in study.screenings.items() if one.auc is not None}
    lines = {
        source: (names[source], *curve(one.ratios["glaucoma"], one.ratios["healthy"]), figure_text(one.auc))
        for source, one in known.items()
    }
    dots = [
        groups(capital(names[source]), "measured cup-to-disc ratio", one.ratios, COLOURS[source])
        for source, one in known.items()
        if source != "label"
    ]
    strips: dict[str, list[Strip]] = {"cup": [], "notch": []}
    for line in study.lines[:SHOWN_EYES]:
        for kind, asked, found in (("cup", "asked", "ratio_generated"), ("notch", "rim_label", "rim_generated")):
            values = [(row[asked], row[found]) for row in line["rows"] if row["series"] == kind]
            strips[kind].append(read_strip(out, line, kind, values, 2))
    sections = [
        Section(
            "cups",
            "One eye, a larger and larger cup",
            strips=strips["cup"],
            note="Generated photographs, close up, with disc (white) and cup (yellow) as asked for, and as the "
            "segmenter finds them. Style and noise of an eye are the same throughout.",
        ),
        Section(
            "ratios",
            "Is the cup as large as asked for?",
            plots=[asked_and_found("Vertical cup-to-disc ratio", "asked for", "measured", ratios)],
            tables=[recovery_table("Cup-to-disc ratio in", study.cups)],
            key_to_plots=KEY,
        ),
        Section(
            "notches",
            "Notches",
            strips=strips["notch"],
            plots=[asked_and_found("Narrowest rim", "notch asked for", "share of the disc", depths, in_one_unit=False)],
            tables=[recovery_table("Narrowest rim in", study.rims, 3)],
            note=f"The cup-to-disc ratio stays at {NOTCHED_CUP:g}; the rim is thinned at one pole. The segmenter gives "
            "cups convex outlines, which fill up a narrow notch, so that even the control finds rims too wide.",
            key_to_plots=KEY[:3],
        ),
        Section(
            "screening",
            "A screening",
            plots=[curves("Glaucoma told by the ratio alone", lines), *dots],
            note="Grown eyes of the presets adult and glaucomatous, whose ratios overlap as they do in people; the "
            "exact labels show what could be reached at best.",
        ),
    ]
    counts = {group: len(one) for group, one in study.screenings["generated"].ratios.items()}
    grown_eyes = ", ".join(f"{count} {group}" for group, count in counts.items())
    about = {
        "Generator": study.model,
        "Series": f"{len(study.lines)} grown eyes from seed {study.seed}; ratios {', '.join(map(str, CUPS))}; notches "
        f"{', '.join(map(str, NOTCHES))} at ratio {NOTCHED_CUP}",
        "Screening": f"{grown_eyes} grown eyes, each of its own seed",
    }
    if "real" in study.screenings:
        about["Screening"] += f"; {sum(map(len, study.screenings['real'].ratios.values()))} real photographs"
    write_page(
        out / "report.html",
        "Glaucoma: is it drawn as asked for?",
        study.sentences,
        [f"{len(study.lines)} eyes in series", f"{sum(counts.values())} eyes screened"],
        sections,
        CONVENTIONS | _CONVENTIONS,
        about,
    )
