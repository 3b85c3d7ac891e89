"""Draw what docs/results.md shows of a run: `python docs/figures.py RUN DATA`.

Writes images/<run>-losses.svg and images/<run>-generated.png: generated pictures alone, none of a patient.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import retinasynth as rs
from retinasynth.datasets.layouts import find_eyes, read_eye
from retinasynth.evaluation.report import LOSSES, read_training_log
from retinasynth.images import draw_panels, write_photograph

IMAGES = Path(__file__).parent / "images"
SHOWN = 4
WINDOW = 16
TITLES = ("discriminator, real", "discriminator, generated", "generator, adversarial", "generator, mean absolute error")


def losses(run: Path) -> None:
    """The four losses, each the mean of `WINDOW` records."""
    log = read_training_log(run / "metrics.jsonl")
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    for axes, name, title in zip(figure.subplots(1, len(LOSSES)), LOSSES, TITLES, strict=True):
        axes.plot(log["step"], log[name], color="#b8c7cc", linewidth=0.6)
        mean = np.convolve(log[name], np.ones(WINDOW) / WINDOW, "valid")
        axes.plot(log["step"][WINDOW - 1 :], mean, color="#00594f", linewidth=1.4)
        axes.set(title=title, xlabel="step", ylim=(0, None))
        axes.title.set_fontsize(9)
        axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": run.name}):
        figure.savefig(IMAGES / f"{run.name}-losses.svg", metadata={"Date": None})


def generated(run: Path, data: Path) -> None:
    """The first test eyes, generated."""
    model = rs.load(run)
    eyes = find_eyes(data).split("test")[:SHOWN]
    pictures = [model.generate(read_eye(files)) for files in eyes]
    write_photograph(
        IMAGES / f"{run.name}-generated.png", draw_panels([pictures], [f"generated, {eye.name}" for eye in eyes])
    )


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    losses(Path(sys.argv[1]))
    generated(Path(sys.argv[1]), Path(sys.argv[2]))
