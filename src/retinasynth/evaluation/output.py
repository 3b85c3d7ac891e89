"""How an evaluation is written: the views of its report, its panels and its table of pictures."""

from dataclasses import replace
from pathlib import Path

from retinasynth.evaluation.examples import Example
from retinasynth.evaluation.maps import error_picture
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.metrics.vessels_found import FoundAgain
from retinasynth.evaluation.results import BASELINE_NAMES, Evaluation, Figures
from retinasynth.images import (
    draw_panels,
    encoded,
    mask_as_photograph,
    resize_mask,
    resize_photograph,
    write_photograph,
)
from retinasynth.tables import table_text

_SIZE = (SIZE_PX, SIZE_PX)
GENERATED = "Generated"  # title of a view


def views_of(example: Example) -> dict[str, bytes]:
    """Encoded pictures of an example for the report, by title."""
    views = {}
    if example.mask is not None:
        # averaged, not nearest: this one is for the eye, and thin vessels would break into dots
        source = resize_photograph(mask_as_photograph(example.mask), _SIZE)
        views["Source mask"] = encoded(source, "PNG")
    generated = resize_photograph(example.generated, _SIZE)
    views[GENERATED] = encoded(generated, "JPEG")
    if example.expected is not None:
        expected = resize_photograph(example.expected, _SIZE)
        views["Expected"] = encoded(expected, "JPEG")
        views["Error"] = encoded(error_picture(generated, expected), "JPEG")
    return views


def write_panel(path: Path, example: Example, model: Figures) -> None:
    """Write an example at its own size: mask, generated and expected photograph side by side."""
    size = (example.generated.shape[0], example.generated.shape[1])
    pictures = {"Generated": example.generated}
    caption = example.name
    if example.expected is not None:
        pictures["Expected"] = resize_photograph(example.expected, size)
        caption += f": MSE {model.mse:.4f}, SSIM {model.ssim:.4f}, PSNR {model.psnr:.2f} dB"
    if example.mask is not None:
        pictures = {"Source mask": mask_as_photograph(resize_mask(example.mask, size)), **pictures}
    metadata = {"Title": caption, "Warning": "The generated photograph is synthetic; not for diagnosis"}
    write_photograph(path, draw_panels([list(pictures.values())], list(pictures), [caption]), metadata)


def table_of(evaluation: Evaluation) -> str:
    """One row for each picture; a figure that could not be measured is not a number, that of no baseline empty."""
    of_baselines = [f"{baseline}_{measure}" for baseline in BASELINE_NAMES for measure in Figures._fields]
    absent = ("",) * len(Figures._fields)
    rows = []
    for picture in evaluation.pictures:
        answers = [figure for name in BASELINE_NAMES for figure in picture.baselines.get(name, absent)]
        rows.append([picture.name, picture.eye, *picture.model, *picture.found_again, *answers])
    return table_text(["name", "eye", *Figures._fields, *FoundAgain._fields, *of_baselines], rows)


def generated_alone(evaluation: Evaluation) -> Evaluation:
    """An evaluation without real photographs and masks, where these may not be passed on; all figures stay."""
    pictures = [
        replace(picture, views={name: view for name, view in picture.views.items() if name == GENERATED})
        for picture in evaluation.pictures
    ]
    return replace(
        evaluation, pictures=pictures, findings=[replace(finding, galleries=()) for finding in evaluation.findings]
    )
