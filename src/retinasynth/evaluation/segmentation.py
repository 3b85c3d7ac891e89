"""How well a segmenter finds what people drew: per picture, with intervals, beside the second annotator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from retinasynth.data.annotators import read_second
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError, ModelError
from retinasynth.evaluation.metrics.vessels_found import centre_error
from retinasynth.eye import Eye
from retinasynth.eye.agreement import Agreement, agreement
from retinasynth.eye.label_map import overlay
from retinasynth.files import new_folder, write_json, write_text
from retinasynth.images import Mask, draw_panels, square_photograph, write_photograph
from retinasynth.intervals import Estimate, bootstrap_difference, bootstrap_mean
from retinasynth.progress import progress
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter
from retinasynth.tables import table_text

CONVENTIONS = {
    "where": "inside the field of view: the set's own mask where it has one, else as found in the photograph",
    "resolution": "that of the drawn mask's photograph; probabilities are interpolated linearly to it",
    "dice": "overlap of found and drawn pixels; higher is better",
    "auc": "area under the receiver operating characteristic over the pixels of a picture; higher is better",
    "sensitivity": "share of the drawn pixels that were found",
    "specificity": "share of the other pixels that were left alone",
    "cldice": "overlap of the centre lines (Shit et al., CVPR 2021); higher is better",
    "betti_0_error": "difference in the number of connected parts of the whole picture; lower is better",
    "betti_1_error": "difference in the number of holes; lower is better",
    "centre_error": "distance between the centres of found and drawn disc, in radii of the drawn one; lower is better",
}
PANEL_PX = 512


@dataclass(frozen=True)
class PlaneComparison:
    """One plane of one picture.

    Attributes:
        name: of the eye.
        subject: whose eye it is; people count once in the intervals.
        model: the segmenter's agreement with the first annotator.
        second: the second annotator's, or None.
        centre_error: see `CONVENTIONS`; not a number for planes other than the disc and where none was found.
    """

    name: str
    subject: str
    model: Agreement
    second: Agreement | None
    centre_error: float


@dataclass(frozen=True)
class SegmentationResult:
    """What `evaluate_segmenter` found.

    Attributes:
        pictures: by plane, one for each picture in which a person drew it.
        about: what was evaluated.
    """

    pictures: Mapping[str, Sequence[PlaneComparison]]
    about: Mapping[str, str] = field(default_factory=dict)

    def measures(self, plane: str) -> dict[str, Estimate]:
        """Means with their 95 % intervals; measures that are undefined in a picture leave it out."""
        compared = self.pictures[plane]
        found = {
            name: self._estimate(compared, [getattr(one.model, name) for one in compared]) for name in Agreement._fields
        }
        found["centre_error"] = self._estimate(compared, [one.centre_error for one in compared])
        return {name: estimate for name, estimate in found.items() if estimate is not None}

    def second_annotator(self, plane: str) -> dict[str, Estimate]:
        """The same of the second annotator, where there is one."""
        compared = [one for one in self.pictures[plane] if one.second]
        found = {
            name: self._estimate(compared, [getattr(one.second, name) for one in compared])
            for name in Agreement._fields
        }
        return {name: estimate for name, estimate in found.items() if estimate is not None}

    def difference(self, plane: str) -> Estimate | None:
        """Dice of the segmenter less that of the second annotator, pairwise."""
        compared = [one for one in self.pictures[plane] if one.second]
        if not compared:
            return None
        ours, theirs = zip(*((one.model.dice, one.second.dice) for one in compared if one.second), strict=True)
        return bootstrap_difference(ours, theirs, groups=[one.subject for one in compared])

    def _estimate(self, compared: Sequence[PlaneComparison], values: Sequence[float]) -> Estimate | None:
        known = [(value, one.subject) for value, one in zip(values, compared, strict=True) if np.isfinite(value)]
        if not known:
            return None
        return bootstrap_mean([value for value, _ in known], groups=[subject for _, subject in known])

    def to_json(self) -> dict[str, object]:
        """The result as plain values."""
        plain = {}
        for plane, compared in self.pictures.items():
            difference = self.difference(plane)
            plain[plane] = {
                "measures": {name: one.to_json() for name, one in self.measures(plane).items()},
                "second_observer": {name: one.to_json() for name, one in self.second_annotator(plane).items()},
                "dice_less_second_observer": difference.to_json() if difference else None,
                "pictures": len(compared),
            }
        return {"about": dict(self.about), "conventions": CONVENTIONS, "planes": plain}


def evaluate_segmenter(
    model: Path | str, data: Path, out: Path, *, split: str = "test", labels: str | None = None
) -> SegmentationResult:
    """Compare what a segmenter finds with what people drew.

    Writes ``segmentation.json``, ``pictures.csv`` and ``panels/`` (photograph, found, drawn).

    Args:
        model: what `Segmenter.load` takes.
        data: a data set whose eyes have planes of the model.
        out: a new or empty folder.
        split: ``test``, ``train`` or ``all`` eyes.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Raises:
        DataError: no eye there has a photograph and one of the planes.
        ModelError: the model cannot be loaded, or finds places alone.
        OutputError: a file cannot be written.
    """
    segmenter = Segmenter.load(model)
    if segmenter.config.looks == "whole":
        raise ModelError(
            f"{model} finds places, not outlines, and only these are compared here",
            expected="a segmenter of vessels, disc, cup or lesions",
            do="Its model card says how far from marked places it was on validation eyes",
        )
    found = find_eyes(Path(data), labels=labels)
    eyes = [
        files
        for files in found.eyes
        if files.photograph
        and split in {"all", files.split}
        and any(files.has([plane]) for plane in segmenter.config.planes)
    ]
    if not eyes:
        raise DataError(
            f"{data} has no eye on the side {split!r} with a photograph and {' or '.join(segmenter.config.planes)}",
            expected="eyes in which a person drew what the model finds",
            do="`split` all takes the training eyes as well",
        )
    out = new_folder(out, what="an evaluation")
    pictures: dict[str, list[PlaneComparison]] = {plane: [] for plane in segmenter.config.planes}
    with progress("Comparing", len(eyes)) as advance:
        for number, files in enumerate(eyes, start=1):
            for plane, compared in _compared(segmenter, files, out / "panels").items():
                pictures[plane].append(compared)
            advance(number, files.name)
    about = {"model": segmenter.name, "data": f"{found.folder.name} ({split}, {len(eyes)} eyes)"}
    result = SegmentationResult({plane: compared for plane, compared in pictures.items() if compared}, about)
    write_json(out / "segmentation.json", result.to_json())
    write_text(out / "pictures.csv", _table(result))
    return result


def _compared(segmenter: Segmenter, files: EyeFiles, panels: Path) -> dict[str, PlaneComparison]:
    """The agreement on each plane that a person drew in one eye; writes its panel."""
    eye = read_eye(files)
    if eye.photograph is None:
        return {}
    seen = predict(segmenter.model, eye.photograph)
    planes = found_planes(segmenter.model, seen)
    field_of_view = eye.planes.get("fov", seen.field)
    drawn: dict[str, Mask] = {plane: eye.planes[plane] for plane in segmenter.config.planes if plane in eye.planes}
    nothing = np.zeros(eye.size, np.bool_)
    result: dict[str, PlaneComparison] = {}
    for plane, mask in drawn.items():
        found = planes.get(plane, nothing)
        other = read_second(files, plane, eye.size) if plane in files.planes else None
        result[plane] = PlaneComparison(
            files.name,
            files.subject,
            agreement(found, mask, field_of_view, seen.probabilities[plane]),
            agreement(other, mask, field_of_view) if other is not None else None,
            centre_error(found, mask) if plane == "disc" else np.nan,
        )
    shown = [
        eye.photograph,
        overlay(Eye(eye.name, planes, eye.photograph)),
        overlay(Eye(eye.name, drawn, eye.photograph)),
    ]
    row = [square_photograph(picture, PANEL_PX, "letterbox") for picture in shown]
    caption = ", ".join(f"{plane} Dice {one.model.dice:.3f}" for plane, one in result.items())
    panel = draw_panels([row], ["photograph", "found", "drawn"], [f"{files.name}: {caption}"])
    write_photograph(panels / f"{files.name}.png", panel)
    return result


def _table(result: SegmentationResult) -> str:
    names = Agreement._fields
    columns = ["plane", "name", "subject", *names, "centre_error", *(f"second_observer_{name}" for name in names)]
    rows = []
    for plane, compared in result.pictures.items():
        for one in compared:
            second: Sequence[float] = one.second or [float("nan")] * len(names)
            figures = [*one.model, one.centre_error, *second]
            rows.append([plane, one.name, one.subject, *("" if np.isnan(x) else f"{x:.6g}" for x in figures)])
    return table_text(columns, rows)
