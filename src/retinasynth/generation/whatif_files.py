"""What is written of a what-if: both photographs, both label maps, the figures, and a panel that shows them."""

import io
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from retinasynth.eye.label_map import write_label_map
from retinasynth.files import fill_folder, write_json
from retinasynth.generation.whatif import NOTICE, SHOWN_CHANGE, WhatIf
from retinasynth.images import Photograph, write_photograph

_PICTURE_IN, _GAP_IN, _HEAD_IN, _FOOT_IN = 3.4, 0.08, 0.62, 0.62
_INK, _MUTED = "#1c1a17", "#69635a"


def write_what_if(result: WhatIf, out: Path) -> None:
    """Write ``before.png``, ``after.png``, ``difference.png``, ``panel.png``, both label maps and ``whatif.json``.

    Args:
        result: what to write.
        out: a new or empty folder; it appears whole or not at all.

    Raises:
        OutputError: the folder has something in it, or cannot be written.
    """
    with fill_folder(out, what="a what-if") as folder:
        for name, picture in zip(("before", "after", "difference"), result.pictures, strict=True):
            write_photograph(folder / f"{name}.png", picture, result.metadata)
        write_photograph(folder / "panel.png", draw_panel(result), result.metadata)
        write_label_map(folder / "labels-before", replace(result.before, photograph=None))
        write_label_map(folder / "labels-after", replace(result.after, photograph=None))
        write_json(folder / "whatif.json", result.to_json())


def draw_panel(result: WhatIf) -> Photograph:
    """Before, after and change side by side; close up a disc with another cup, or an edited region that is small."""
    pictures = result.pictures
    rows = [pictures] if result.close_up is None else [pictures, [one[result.close_up] for one in pictures]]
    heights = [_PICTURE_IN * row[0].shape[0] / row[0].shape[1] for row in rows]
    wide, high = 3 * _PICTURE_IN + 4 * _GAP_IN, _HEAD_IN + sum(heights) + len(rows) * _GAP_IN + _FOOT_IN
    figure = Figure(figsize=(wide, high), dpi=150, facecolor="white")
    top = _HEAD_IN
    for height, row in zip(heights, rows, strict=True):
        for column, picture in enumerate(row):
            left = _GAP_IN + column * (_PICTURE_IN + _GAP_IN)
            place = figure.add_axes((left / wide, 1 - (top + height) / high, _PICTURE_IN / wide, height / high))
            place.imshow(picture, interpolation="antialiased")
            place.set_axis_off()
            if row is rows[0]:
                place.set_title(("Before", "After", "Change")[column], fontsize=10, loc="left", color=_MUTED, pad=4)
        top += height + _GAP_IN
    bar = figure.add_axes(
        (1 - (_PICTURE_IN + _GAP_IN) / wide, (_FOOT_IN - 0.16) / high, _PICTURE_IN / wide, 0.1 / high)
    )
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, SHOWN_CHANGE), "inferno")
    drawn = figure.colorbar(scale, cax=bar, orientation="horizontal", extend="max", ticks=range(0, 41, 10))
    drawn.set_label("grey levels, of 255", fontsize=8.5, color=_MUTED)
    drawn.outline.set_visible(False)
    bar.tick_params(labelsize=8.5, color=_MUTED, labelcolor=_MUTED, length=2)
    change = result.change
    blended = ", blended into the picture before" if change.is_blended else ""
    measured = (
        f"Mean change {change.inside:.1f} grey levels in the edited region, {change.outside:.2f} outside it{blended}."
    )
    figure.text(_GAP_IN / wide, 1 - 0.12 / high, f"What if: {result.edit.words}", fontsize=13, color=_INK, va="top")
    figure.text(_GAP_IN / wide, (_FOOT_IN - 0.06) / high, f"{measured}\n{NOTICE}", fontsize=8.5, color=_MUTED, va="top")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))
