"""Does enhancement bring back what was there? Photographs are made worse by known degradations, and compared after.

Beside the enhancer stand doing nothing (or bicubic interpolation) and the best classical method (`classical`). Vessels
are found by the bundled `judge`, which stands in no loss, so that detail that was invented or lost is seen as well.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from retinasynth.data.layouts import EyeFiles, find_eyes, photograph_of, read_eye
from retinasynth.enhancement.data import reduced_to
from retinasynth.enhancement.degradation import Degradation, Told, degraded, enlarged
from retinasynth.enhancement.network import enhanced
from retinasynth.enhancement.use import WARNING, Enhancer
from retinasynth.errors import DataError
from retinasynth.evaluation.classical import Method, chosen_method
from retinasynth.evaluation.metrics.fidelity import at_own_size
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.frame import frame_of
from retinasynth.files import LABELLING, MANIFEST, write_json, write_text
from retinasynth.images import Mask, Photograph, draw_panels, encoded, read_photograph, resize_mask, write_photograph
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.progress import progress
from retinasynth.report import page
from retinasynth.report.plots import draw_pairs, drawing, panel, svg
from retinasynth.report.sections import Column, Gallery, Mark, Plot, Report, Row, Section, Shown, Table
from retinasynth.resuming import add_line, begun_folder
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter


class Trial(NamedTuple):
    """One kind of degradation.

    Attributes:
        title: what is done about it.
        degradation: what is done to a clean photograph.
        untouched: what doing nothing is called.
        words: the degradation, in words.
    """

    title: str
    degradation: Degradation
    untouched: str
    words: str


TRIALS = {
    "denoise": Trial(
        "Denoising",
        Degradation(photons=400, noise=0.04),
        "degraded",
        "Poisson noise of 400 photons at white and Gaussian noise of deviation 0.04 of the range",
    ),
    "deblur": Trial(
        "Deblurring",
        Degradation(blur_px=2, noise=0.01),
        "degraded",
        "Gaussian blur of deviation 2 px and Gaussian noise of deviation 0.01 of the range",
    ),
    "x2": Trial("Super-resolution x2", Degradation(scale=2), "bicubic", "reduced to a half by area average"),
    "x4": Trial("Super-resolution x4", Degradation(scale=4), "bicubic", "reduced to a quarter by area average"),
}
MEASURES = {
    "psnr": Column("PSNR", "(dB), higher is better", 2),
    "ssim": Column("SSIM", "higher is better", 4),
    "dice": Column("Vessel Dice", "higher is better", 4),
    "invented": Column("Vessels invented", "share, lower is better", 4),
    "lost": Column("Vessels lost", "share, lower is better", 4),
}
LOWER_IS_BETTER = {"invented", "lost"}
TOLERANCE = 0.004  # of the frame of the field of view: 3 px of the 768 that the judge sees
CONVENTIONS = {
    "clean": "a test photograph; larger ones are first reduced by area average to the longest side that is given, "
    "which takes their own noise away; cut to multiples of 4 px",
    **{trial.title.lower(): trial.words for trial in TRIALS.values()},
    "noise": "drawn from the name of the photograph and of the trial, so that it is the same for every model",
    "PSNR and SSIM": "inside the field of view, at the size of the clean photograph, values in [0, 1]; SSIM with a "
    "gaussian window of deviation 1.5",
    "enhanced": "the network is told by how much to enlarge and, where `about` says so, whether there is noise and "
    "blur, but not how much",
    "classical": "of several methods and parameters the one of the highest PSNR on pieces of training photographs of "
    "the same set (of its test photographs, to the advantage of the method, where it has no others)",
    "vessel Dice": "of vessels found by the bundled segmenter `judge`, in one look, with those that a person drew",
    "vessels invented": f"share of the vessel pixels found that lie further than {TOLERANCE:.1%} of the frame of the "
    "field of view from every vessel that is found in the clean photograph or drawn",
    "vessels lost": "share of the vessel pixels found in the clean photograph that lie as far from every vessel found",
}
ENHANCED, CLASSICAL, UNTOUCHED = "enhanced", "classical", "untouched"
REQUEST = "request.json"
CROP_PX, MOST_SHOWN, MOST_CHOOSING = 256, 3, 6


@dataclass(frozen=True)
class EnhancementResult:
    """What `evaluate_enhancer` found.

    Attributes:
        pictures: one line for each: ``name``, ``subject``, ``clean_dice`` (or None) and ``trials``, by trial and method
            the figures by the names of `MEASURES`; Dice is None where no person drew vessels.
        methods: by trial, the classical method that was chosen.
        about: what was evaluated.
    """

    pictures: Sequence[Mapping[str, Any]]
    methods: Mapping[str, str]
    about: Mapping[str, str]

    def estimate(self, trial: str, method: str, measure: str) -> Estimate | None:
        """The mean of a measure with its interval, or None where it is unknown."""
        known = [(one["trials"][trial][method][measure], one["subject"]) for one in self.pictures]
        known = [(value, subject) for value, subject in known if value is not None]
        if not known:
            return None
        return bootstrap_mean([value for value, _ in known], groups=[subject for _, subject in known])

    def difference(self, trial: str, rival: str, measure: str) -> Estimate | None:
        """Enhanced less a rival, pairwise, or None where it is unknown."""
        both = [
            (*(one["trials"][trial][method][measure] for method in (ENHANCED, rival)), one["subject"])
            for one in self.pictures
        ]
        both = [one for one in both if None not in one]
        if not both:
            return None
        ours, theirs, subjects = zip(*both, strict=True)
        return bootstrap_difference(ours, theirs, groups=subjects)

    @property
    def measures(self) -> list[str]:
        """Those that are known."""
        trial = next(iter(TRIALS))
        return [measure for measure in MEASURES if self.estimate(trial, ENHANCED, measure) is not None]

    @property
    def tables(self) -> list[Table]:
        """One for each trial."""
        return [self.table(trial) for trial in TRIALS]

    def _name(self, trial: str, method: str) -> str:
        names = {ENHANCED: "enhanced", CLASSICAL: self.methods[trial], UNTOUCHED: TRIALS[trial].untouched}
        return names[method]

    def table(self, trial: str) -> Table:
        """The figures of a trial side by side."""
        rows = [
            Row(
                self._name(trial, method),
                {measure: self.estimate(trial, method, measure) for measure in self.measures},
            )
            for method in (ENHANCED, CLASSICAL, UNTOUCHED)
        ]
        if (clean := self.clean_dice) is not None:
            rows.append(Row("clean photograph", {"dice": clean}))
        rows += [
            Row(
                f"enhanced minus {self._name(trial, rival)}",
                {measure: self.difference(trial, rival, measure) for measure in self.measures},
                is_difference=True,
            )
            for rival in (CLASSICAL, UNTOUCHED)
        ]
        columns = {measure: MEASURES[measure] for measure in self.measures}
        return Table(f"{TRIALS[trial].title}: {TRIALS[trial].words}", columns, rows)

    @property
    def clean_dice(self) -> Estimate | None:
        """How well the judge finds drawn vessels in the clean photographs, which is as well as can be hoped for."""
        known = [(one["clean_dice"], one["subject"]) for one in self.pictures if one["clean_dice"] is not None]
        if not known:
            return None
        return bootstrap_mean([value for value, _ in known], groups=[subject for _, subject in known])

    def said_of(self, trial: str) -> list[str]:
        """The verdict on a trial, bad news first, figures after a colon."""
        sentences = []
        for outcome in ("is worse than", "is not shown to differ from", "beats"):
            for rival in (CLASSICAL, UNTOUCHED):
                found = {measure: self.difference(trial, rival, measure) for measure in self.measures}
                those = {name: one for name, one in found.items() if one is not None and _outcome(name, one) == outcome}
                if not those:
                    continue
                figures = "; ".join(
                    f"{MEASURES[name].title} {one.mean:+.{MEASURES[name].decimals}f} "
                    f"({one.low:+.{MEASURES[name].decimals}f} to {one.high:+.{MEASURES[name].decimals}f})"
                    for name, one in those.items()
                )
                titles = ", ".join(MEASURES[name].title for name in those)
                sentences.append(
                    f"{TRIALS[trial].title} {outcome} {self._name(trial, rival)} on {titles}: difference {figures}."
                )
        return sentences

    @property
    def sentences(self) -> list[str]:
        """The whole verdict."""
        return [sentence for trial in TRIALS for sentence in self.said_of(trial)]

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        won = [
            trial.title.lower().replace("super-resolution", "enlarging")
            for name, trial in TRIALS.items()
            if all(
                _outcome(measure, found) == "beats"
                for measure in ("psnr", "ssim")
                for rival in (CLASSICAL, UNTOUCHED)
                if (found := self.difference(name, rival, measure)) is not None
            )
        ]
        if not won:
            return "In no trial does enhancement beat both the classical method and doing nothing on PSNR and SSIM."
        return f"On PSNR and SSIM it beats the classical method and doing nothing in: {', '.join(won)}."

    def to_json(self) -> dict[str, object]:
        """The result as plain values."""

        def plain(found: Estimate | None) -> dict[str, float | int] | None:
            return found.to_json() if found else None

        return {
            "about": dict(self.about),
            "conventions": CONVENTIONS,
            "classical_methods": dict(self.methods),
            "clean_dice": plain(self.clean_dice),
            "trials": {
                trial: {
                    "measures": {
                        method: {measure: plain(self.estimate(trial, method, measure)) for measure in self.measures}
                        for method in (ENHANCED, CLASSICAL, UNTOUCHED)
                    },
                    "enhanced_minus": {
                        rival: {measure: plain(self.difference(trial, rival, measure)) for measure in self.measures}
                        for rival in (CLASSICAL, UNTOUCHED)
                    },
                }
                for trial in TRIALS
            },
        }


def _outcome(measure: str, difference: Estimate) -> str:
    if difference.low <= 0 <= difference.high:
        return "is not shown to differ from"
    return "beats" if (difference.mean < 0) == (measure in LOWER_IS_BETTER) else "is worse than"


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
    choosing = [files for files in found.split("train") if files.photograph] or eyes
    pieces = [_piece(_clean(files, longest_px)) for files in choosing[:: -(-len(choosing) // MOST_CHOOSING)]]
    methods = {name: chosen_method(trial.degradation, pieces) for name, trial in TRIALS.items()}
    judge = Segmenter.load("judge")
    is_drawn = not (found.folder / LABELLING).is_file()  # what a segmenter drew proves nothing
    shown = {files.name for files in eyes[:: -(-len(eyes) // MOST_SHOWN)]}
    with (
        begun_folder(out, REQUEST, asked, what="an evaluation") as done,
        progress("Comparing", len(eyes)) as advance,
    ):
        for number, files in enumerate(eyes, start=1):
            if files.name not in done:
                crops = out / "crops" if files.name in shown else None
                line = _judged(
                    enhancer, judge, methods, files, longest_px, crops=crops, is_drawn=is_drawn, is_told=is_told
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
    _write_panels(out, result)
    write_json(out / "enhancement.json", result.to_json())
    write_text(out / "report.html", _report(out, result))
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
            do="Choose a larger --size, or leave it out",
        )
    return photograph[:height, :width]


def _piece(clean: Photograph) -> Photograph:
    """What classical methods are chosen on: the middle of a photograph."""
    top, left = (side // 2 - CROP_PX // 2 for side in clean.shape[:2])
    return clean[top : top + CROP_PX, left : left + CROP_PX]


def _judged(
    enhancer: Enhancer,
    judge: Segmenter,
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
    there = _vessels(judge, clean, field)
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
            method: _figures(picture, clean, field, _vessels(judge, picture, field), there, drawn)
            for method, picture in restored.items()
        }
        for place, (rows, columns) in places.items():
            for method, picture in (restored | {"clean": clean}).items():
                write_photograph(_crop_path(crops or Path(), files.name, place, name, method), picture[rows, columns])
    return {
        "name": files.name,
        "subject": files.subject,
        "clean_dice": None if drawn is None else _dice(there, drawn),
        "trials": trials,
    }


def _vessels(judge: Segmenter, picture: Photograph, field: Mask) -> Mask:
    return found_planes(judge.model, predict(judge.model, picture, flips=((),)))["vessels"] & field


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


# --- What is shown -----------------------------------------------------------------------------------------------


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


def _crop_path(folder: Path, name: str, place: str, trial: str, method: str) -> Path:
    return folder / name / f"{place}-{trial}-{method}.png"


def _crops(out: Path, result: EnhancementResult) -> dict[tuple[str, str], dict[str, dict[str, Photograph]]]:
    """By photograph and place, by trial, the crops by method."""
    crops: dict[tuple[str, str], dict[str, dict[str, Photograph]]] = {}
    for one in result.pictures:
        for place in ("disc", "vessels"):
            paths = {
                trial: {
                    method: _crop_path(out / "crops", one["name"], place, trial, method)
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


def _write_panels(out: Path, result: EnhancementResult) -> None:
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


def _report(out: Path, result: EnhancementResult) -> str:
    """The page of an evaluation."""
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
            about={name[0].upper() + name[1:]: text for name, text in result.about.items()},
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
