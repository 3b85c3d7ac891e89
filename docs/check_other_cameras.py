"""Vessels in crops of HRF and IDRiD, drawn by hand for this check (hand_drawn_vessels.json), against a segmenter's.

    python docs/check_other_cameras.py MODEL HRF IDRID

The crops are 256 px wide, at the scale of photographs 1752 (HRF) and 1542 px (IDRiD) wide. Each vessel is a line of
points (column, row in the crop) with a width, clicked by one person over the contrast-enhanced crop and drawn to the
darkest path between clicks. Nothing is trained or tuned on them.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from retinasynth.data.find import find_eyes
from retinasynth.eye.agreement import agreement
from retinasynth.images import Mask, read_photograph
from retinasynth.intervals import bootstrap_mean
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.use import Segmenter

DRAWN = Path(__file__).with_name("hand_drawn_vessels.json")
_FINER = 8  # lines are drawn so many times larger, since Pillow's widths are whole pixels


def drawn_vessels(side_px: int, vessels: list[dict[str, object]]) -> Mask:
    """The mask ``bool (side_px, side_px)`` of lines ``{"width_px", "points"}``."""
    large = Image.new("L", (side_px * _FINER, side_px * _FINER))
    draw = ImageDraw.Draw(large)
    for vessel in vessels:
        width = float(str(vessel["width_px"])) * _FINER
        points = [(x * _FINER, y * _FINER) for x, y in vessel["points"]]  # type: ignore[attr-defined]
        draw.line(points, fill=255, width=round(width), joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(large.resize((side_px, side_px), Image.Resampling.BOX)) > 127


def main(model: str, hrf: str, idrid: str) -> None:
    """Print the Dice overlap of each crop and the means of each set."""
    segmenter = Segmenter.load(model)
    files = {
        name: {eye.photograph.stem: eye.photograph for eye in find_eyes(Path(folder)).eyes if eye.photograph}
        for name, folder in (("hrf", hrf), ("idrid", idrid))
    }
    dice: dict[str, list[float]] = {"hrf": [], "idrid": []}
    for crop in json.loads(DRAWN.read_text(encoding="utf-8")):
        photograph = read_photograph(files[crop["set"]][crop["image"]])
        seen = predict(segmenter.model, photograph)
        row, column, side = crop["row"], crop["column"], crop["side_px"]
        place = np.s_[row : row + side, column : column + side]
        drawn = drawn_vessels(side, crop["vessels"])
        probability = seen.probabilities["vessels"][place]
        found = agreement(
            found_planes(segmenter.model, seen)["vessels"][place], drawn, np.ones_like(drawn), probability
        )
        dice[crop["set"]].append(found.dice)
        print(  # noqa: T201 - a script
            f"{crop['set']} {crop['image']}: Dice {found.dice:.3f}, AUC {found.auc:.3f}, sensitivity "
            f"{found.sensitivity:.3f}, specificity {found.specificity:.3f}, clDice {found.cldice:.3f}"
        )
    for name, values in dice.items():
        mean = bootstrap_mean(values)
        print(f"{name}: Dice {mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f}), {mean.n} crops")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:4])
