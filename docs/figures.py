"""Draw what docs/results.md shows of runs: `python docs/figures.py DATA RUN [OTHER_RUN ...]`.

Of one run, images/<run>-losses.svg and images/<run>-generated.png; of several, images/compared.png, a row for each.
Generated pictures alone, none of a patient.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import retinasynth as rs
from retinasynth.data.find import find_eyes, read_eye
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


def generated(runs: list[Path], data: Path, out: Path) -> None:
    """The first test eyes, a row for each run."""
    eyes = [read_eye(files) for files in find_eyes(data).split("test")[:SHOWN]]
    rows = [[model.generate(eye) for eye in eyes] for model in map(rs.load, runs)]
    write_photograph(out, draw_panels(rows, [f"generated, {eye.name}" for eye in eyes], [run.name for run in runs]))


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    data, *runs = map(Path, sys.argv[1:])
    if len(runs) == 1:
        losses(runs[0])
        generated(runs, data, IMAGES / f"{runs[0].name}-generated.png")
    else:
        generated(runs, data, IMAGES / "compared.png")
