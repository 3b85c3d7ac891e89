"""The report of an evaluation of an enhancer, and its panels: pieces of photographs, and every figure."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from retinasynth.enhancement.use import WARNING
from retinasynth.evaluation.enhancement_results import (
    CLASSICAL,
    CONVENTIONS,
    ENHANCED,
    TRIALS,
    UNTOUCHED,
    EnhancementResult,
)
from retinasynth.images import Photograph, draw_panels, encoded, read_photograph, write_photograph
from retinasynth.report import page
from retinasynth.report.plots import draw_pairs, drawing, panel, svg
from retinasynth.report.sections import Gallery, Mark, Plot, Report, Section, Shown


def crop_path(folder: Path, name: str, place: str, trial: str, method: str) -> Path:
    """Where the piece of a photograph around a place is kept, as a method restored it in a trial."""
    return folder / name / f"{place}-{trial}-{method}.png"


def _crops(out: Path, result: EnhancementResult) -> dict[tuple[str, str], dict[str, dict[str, Photograph]]]:
    """By photograph and place, by trial, the crops by method."""
    crops: dict[tuple[str, str], dict[str, dict[str, Photograph]]] = {}
    for one in result.pictures:
        for place in ("disc", "vessels"):
            paths = {
                trial: {
                    method: crop_path(out / "crops", one["name"], place, trial, method)
                    for method in (UNTOUCHED, CLASSICAL, ENHANCED, "clean")
                }
                for trial in TRIALS
            }
            if all(path.is_file() for by_method in paths.values() for path in by_method.values()):
                crops[one["name"], place] = {
                    trial: {method: read_photograph(path) for method, path in by_method.items()}
                    for trial, by_method in paths.items()
                }
    return crops


def write_panels(out: Path, result: EnhancementResult) -> None:
    """Write the pieces of each place side by side, a row for each trial."""
    lines = {one["name"]: one["trials"] for one in result.pictures}
    for (name, place), by_trial in _crops(out, result).items():
        captions = [
            f"{TRIALS[trial].title}: PSNR of the whole photograph "
            + ", ".join(f"{lines[name][trial][method]['psnr']:.2f}" for method in (UNTOUCHED, CLASSICAL, ENHANCED))
            + f" dB; classical: {result.methods[trial]}"
            for trial in by_trial
        ]
        rows = [list(by_method.values()) for by_method in by_trial.values()]
        sheet = draw_panels(rows, ["degraded (bicubic)", "classical", "enhanced", "clean"], captions)
        write_photograph(out / "panels" / f"{name}-{place}.png", sheet)


def render(out: Path, result: EnhancementResult) -> str:
    """The report as one HTML page that asks for nothing outside itself."""
    crops = _crops(out, result)
    spread = Section(
        "spread",
        "Photograph by photograph",
        key_to_plots=[
            Mark("enhanced, better", "better"),
            Mark("enhanced, not better", "worse"),
            Mark("classical method or doing nothing, whichever is better", "ring"),
        ],
        plots=[_plot(result, trial) for trial in TRIALS],
        note="One row for each photograph, sorted by the enhanced figure.",
    )
    trials = [
        Section(
            name, trial.title, result.said_of(name), [result.table(name)], galleries=[_gallery(name, crops, result)]
        )
        for name, trial in TRIALS.items()
    ]
    return page.render(
        Report(
            title=f"Enhancement: {result.about['model']} on {result.about['data']}",
            answer=result.headline,
            sections=[spread, *trials],
            conventions=CONVENTIONS,
            about=result.about,
            warning=WARNING,
        )
    )


def _gallery(
    trial: str, crops: Mapping[tuple[str, str], Mapping[str, Mapping[str, Photograph]]], result: EnhancementResult
) -> Gallery:
    titles = {UNTOUCHED: TRIALS[trial].untouched, CLASSICAL: result.methods[trial], ENHANCED: "enhanced"}
    shown = [
        Shown(
            name,
            ["around the disc" if place == "disc" else "where vessels are dense"],
            {titles.get(method, method): encoded(crop, "JPEG") for method, crop in by_trial[trial].items()},
        )
        for (name, place), by_trial in crops.items()
    ]
    return Gallery("Pieces at full size", shown, "JPEG; the exact pieces are in `crops/`, side by side in `panels/`.")


def _plot(result: EnhancementResult, trial: str) -> Plot:
    """PSNR of each photograph, enhanced beside the better of its rivals, sorted."""
    figures = sorted(
        (by_method[ENHANCED]["psnr"], max(by_method[CLASSICAL]["psnr"], by_method[UNTOUCHED]["psnr"]))
        for by_method in (one["trials"][trial] for one in result.pictures)
    )
    ours, theirs = np.array(figures).T
    won = ours > theirs
    with drawing():
        figure, axes = panel("PSNR (dB), higher is better")
        draw_pairs(axes, ours, theirs, won)
    caption = f"{TRIALS[trial].title}: better in {int(won.sum())} of {len(won)} photographs"
    return Plot(caption, svg(figure, f"{caption}. One row for each, sorted by the enhanced PSNR."))
