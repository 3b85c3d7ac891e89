"""What is shown of the evaluation of an enhancer: close-ups, panels, the report."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import ndimage

from retinasynth.enhancement.use import WARNING
from retinasynth.evaluation.enhancement_results import (
    CLASSICAL,
    CONVENTIONS,
    ENHANCED,
    TRIALS,
    UNTOUCHED,
    EnhancementResult,
)
from retinasynth.images import Mask, Photograph, draw_panels, encoded, read_photograph, write_photograph
from retinasynth.report.page import draw_pairs, drawing, page, panel, svg
from retinasynth.report.sections import Gallery, Part, Shown
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter

CROP_PX = 256


def places(clean: Photograph, field: Mask, vessels: Mask) -> dict[str, tuple[slice, slice]]:
    """Where to look: around the disc, where one is found, and elsewhere, where most vessels are."""
    finder = Segmenter.load("disc-cup")
    disc = found_planes(finder.model, predict(finder.model, clean)).get("disc")
    places: dict[str, tuple[slice, slice]] = {}
    inside = ndimage.uniform_filter(field.astype(np.float32), CROP_PX, mode="constant")
    dense = ndimage.uniform_filter(vessels.astype(np.float32), CROP_PX, mode="constant") * (inside > 0.98)
    if disc is not None and disc.any():
        row, column = (round(at) for at in ndimage.center_of_mass(disc))
        places["disc"] = _window(clean.shape[:2], row, column)
        dense[max(0, row - CROP_PX) : row + CROP_PX, max(0, column - CROP_PX) : column + CROP_PX] = 0
    row, column = np.unravel_index(int(dense.argmax()), dense.shape)
    places["vessels"] = _window(clean.shape[:2], int(row), int(column))
    return places


def _window(size: tuple[int, ...], row: int, column: int) -> tuple[slice, slice]:
    top, left = (
        int(np.clip(at - CROP_PX // 2, 0, side - CROP_PX)) for at, side in zip((row, column), size, strict=True)
    )
    return slice(top, top + CROP_PX), slice(left, left + CROP_PX)


def crop_path(folder: Path, name: str, place: str, trial: str, method: str) -> Path:
    """Where the close-up of a place in a photograph is kept."""
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
    """Write a panel of each place that is shown: degraded, by each method, and clean."""
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


def report_of(out: Path, result: EnhancementResult) -> str:
    """The page of an evaluation."""
    crops = _crops(out, result)
    parts = [
        Part(trial, TRIALS[trial].title, result.said_of(trial), {}, [table], [_gallery(trial, crops, result)])
        for trial, table in zip(TRIALS, result.tables, strict=True)
    ]
    return page(
        Path(__file__).parent / "enhancement.html.jinja",
        {
            "title": f"Enhancement: {result.about['model']} on {result.about['data']}",
            "headline": result.headline,
            "warning": WARNING,
            "parts": parts,
            "plots": [_plot(result, trial) for trial in TRIALS],
            "conventions": CONVENTIONS,
            "about": result.about,
        },
    )


def _gallery(
    trial: str, crops: Mapping[tuple[str, str], Mapping[str, Mapping[str, Photograph]]], result: EnhancementResult
) -> Gallery:
    titles = {UNTOUCHED: TRIALS[trial].untouched, CLASSICAL: result.methods[trial], ENHANCED: "enhanced"}
    shown = [
        Shown(
            name,
            "around the disc" if place == "disc" else "where vessels are dense",
            {titles.get(method, method): encoded(crop, "JPEG") for method, crop in by_trial[trial].items()},
        )
        for (name, place), by_trial in crops.items()
    ]
    return Gallery("Pieces at full size", shown, "JPEG; the exact pieces are in crops/, side by side in panels/.")


def _plot(result: EnhancementResult, trial: str) -> dict[str, str]:
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
    return {"caption": caption, "svg": svg(figure, f"{caption}. One row for each, sorted by the enhanced PSNR.")}
