"""Does enhancement bring back what was there? Photographs are made worse by known degradations, and compared after.

Beside the enhancer stand doing nothing (or bicubic interpolation) and the best classical method (`classical`). Vessels
are found by a reference segmenter, the bundled `judge`, which is in no loss: detail that was invented or lost is seen
as well.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from retinasynth.data.find import find_eyes, photograph_of, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.enhancement.data import reduced_to
from retinasynth.enhancement.degradation import Told, degraded, enlarged
from retinasynth.enhancement.network import enhanced
from retinasynth.enhancement.use import Enhancer
from retinasynth.errors import DataError
from retinasynth.evaluation.classical import Method, chosen_method
from retinasynth.evaluation.enhancement_report import crop_path, render, write_panels
from retinasynth.evaluation.enhancement_results import (
    CLASSICAL,
    ENHANCED,
    TOLERANCE,
    TRIALS,
    UNTOUCHED,
    EnhancementResult,
)
from retinasynth.evaluation.metrics.fidelity import at_own_size
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.frame import frame_of
from retinasynth.files import LABELLING, MANIFEST, write_json, write_text
from retinasynth.images import Mask, Photograph, resize_mask, write_photograph
from retinasynth.progress import progress
from retinasynth.resuming import add_line, begun_folder
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter

REQUEST = "request.json"
CROP_PX, MOST_SHOWN, MOST_CHOOSING = 256, 3, 6


def evaluate_enhancer(
    model: Path | str, data: Path, out: Path, *, longest_px: int = 1024, is_told: bool = True
) -> EnhancementResult:
    """Compare an enhancer with classical methods and with doing nothing on the test photographs of a data set.

    Writes ``enhancement.json``, ``report.html``, ``manifest.jsonl`` (the figures of each photograph) and, of a few,
    ``crops/`` and ``panels/`` around the disc and where vessels are dense. Run again, it goes on where it stopped.

    Args:
        model: what `Enhancer.load` takes.
        data: a data set; vessels that people drew are used where it has them.
        out: a new or empty folder, or that of the same evaluation.
        longest_px: of a clean photograph.
        is_told: whether the enhancer is told if there is noise and blur.

    Raises:
        DataError: there is no test photograph, one is too small, or `out` was begun with another request.
        ModelError: the model cannot be loaded.
        OutputError: a file cannot be written.
    """
    enhancer = Enhancer.load(model)
    found = find_eyes(Path(data), allow_unpaired=True)
    eyes = [files for files in found.split("test") if files.photograph]
    if not eyes:
        raise DataError(f"{data} has no test photograph", expected="a data set with a test split")
    asked: dict[str, object] = {
        "model": enhancer.name,
        "training": dict(enhancer.config.training),
        "photographs": [files.name for files in eyes],
        "longest_px": longest_px,
        "is_told": is_told,
    }
    choosing = [files for files in found.split("val") or found.split("train") if files.photograph] or eyes
    pieces = [_piece(_clean(files, longest_px)) for files in choosing[:: -(-len(choosing) // MOST_CHOOSING)]]
    methods = {name: chosen_method(trial.degradation, pieces) for name, trial in TRIALS.items()}
    segmenter = Segmenter.load("judge")
    is_drawn = not (found.folder / LABELLING).is_file()  # what a segmenter drew proves nothing
    shown = {files.name for files in eyes[:: -(-len(eyes) // MOST_SHOWN)]}
    with (
        begun_folder(out, REQUEST, asked, what="an evaluation") as done,
        progress("Comparing", len(eyes)) as advance,
    ):
        for number, files in enumerate(eyes, start=1):
            if files.name not in done:
                crops = out / "crops" if files.name in shown else None
                line = _measured(
                    enhancer, segmenter, methods, files, longest_px, crops=crops, is_drawn=is_drawn, is_told=is_told
                )
                add_line(out / MANIFEST, line)
                done[files.name] = line
            advance(number, files.name)
    result = EnhancementResult(
        [done[files.name] for files in eyes],
        {name: method.name for name, method in methods.items()},
        {
            "model": enhancer.name,
            "data": f"{found.folder.name}: {len(eyes)} test photographs",
            "size": f"{longest_px} px",
            "noise and blur": "told" if is_told else "not told",
        },
    )
    write_panels(out, result)
    write_json(out / "enhancement.json", result.to_json())
    write_text(out / "report.html", render(out, result))
    return result


# --- One photograph ----------------------------------------------------------------------------------------------


def _clean(files: EyeFiles, longest_px: int) -> Photograph:
    """The photograph as it is compared."""
    photograph = reduced_to(photograph_of(files), longest_px)
    height, width = (side // 4 * 4 for side in photograph.shape[:2])
    if min(height, width) < CROP_PX:
        raise DataError(
            f"{files.photograph} is {photograph.shape[0]} x {photograph.shape[1]} px as it is compared",
            expected=f"at least {CROP_PX} px each way",
            do="Choose a larger `longest_px`, or leave it out",
        )
    return photograph[:height, :width]


def _piece(clean: Photograph) -> Photograph:
    """What classical methods are chosen on: the middle of a photograph."""
    top, left = (side // 2 - CROP_PX // 2 for side in clean.shape[:2])
    return clean[top : top + CROP_PX, left : left + CROP_PX]


def _measured(
    enhancer: Enhancer,
    segmenter: Segmenter,
    methods: Mapping[str, Method],
    files: EyeFiles,
    longest_px: int,
    *,
    crops: Path | None,
    is_drawn: bool,
    is_told: bool,
) -> dict[str, Any]:
    """The line of one photograph; writes its crops where `crops` names their folder."""
    clean = _clean(files, longest_px)
    field = find_field_of_view(clean)
    there = _vessels(segmenter, clean, field)
    drawn = None
    if is_drawn and "vessels" in files.planes:
        vessels = read_eye(files.with_planes_alone(["vessels"])).planes["vessels"]
        whole = reduced_to(photograph_of(files), longest_px).shape[:2]
        drawn = resize_mask(vessels, (whole[0], whole[1]))[: clean.shape[0], : clean.shape[1]] & field
    places = _places(clean, field, there) if crops else {}
    trials: dict[str, dict[str, dict[str, float | None]]] = {}
    for name, trial in TRIALS.items():
        random = np.random.default_rng(zlib.crc32(f"{files.name} {name}".encode()))
        told = trial.degradation.told if is_told else Told(trial.degradation.scale)
        worse = degraded(clean, trial.degradation, random)
        restored = {
            UNTOUCHED: enlarged(worse, trial.degradation.scale),
            CLASSICAL: methods[name].restore(worse),
            ENHANCED: enhanced(enhancer.model.network, worse, told),
        }
        trials[name] = {
            method: _figures(picture, clean, field, _vessels(segmenter, picture, field), there, drawn)
            for method, picture in restored.items()
        }
        for place, (rows, columns) in places.items():
            for method, picture in (restored | {"clean": clean}).items():
                write_photograph(crop_path(crops or Path(), files.name, place, name, method), picture[rows, columns])
    return {
        "name": files.name,
        "subject": files.subject,
        "clean_dice": None if drawn is None else _dice(there, drawn),
        "trials": trials,
    }


def _vessels(segmenter: Segmenter, picture: Photograph, field: Mask) -> Mask:
    return found_planes(segmenter.model, predict(segmenter.model, picture, flips=((),)))["vessels"] & field


def _figures(
    picture: Photograph, clean: Photograph, field: Mask, found: Mask, there: Mask, drawn: Mask | None
) -> dict[str, float | None]:
    fidelity = at_own_size(picture, clean, field)
    reach = TOLERANCE * frame_of(field).side
    return {
        "psnr": fidelity.psnr,
        "ssim": fidelity.ssim,
        "dice": None if drawn is None else _dice(found, drawn),
        "invented": share_far_from(found, there if drawn is None else there | drawn, reach),
        "lost": share_far_from(there, found, reach),
    }


def share_far_from(mask: Mask, reference: Mask, reach_px: float) -> float:
    """The share of a mask that lies further than `reach_px` from every pixel of another; 0 for an empty mask.

    Example:
        >>> line, other = np.zeros((2, 9, 9), bool)
        >>> line[4, :8], other[4, :4] = True, True
        >>> share_far_from(line, other, 2)
        0.25
    """
    if not mask.any():
        return 0.0
    if not reference.any():
        return 1.0
    return float((ndimage.distance_transform_edt(~reference)[mask] > reach_px).mean())


def _dice(found: Mask, drawn: Mask) -> float:
    return float(2 * (found & drawn).sum() / max(int(found.sum() + drawn.sum()), 1))


# --- Where to look -----------------------------------------------------------------------------------------------


def _places(clean: Photograph, field: Mask, vessels: Mask) -> dict[str, tuple[slice, slice]]:
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
