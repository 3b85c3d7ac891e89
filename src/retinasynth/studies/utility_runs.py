"""The runs of a study of training sets: which arm learns from what, and how one is brought to its end."""

import contextlib
import functools
import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retinasynth.data.find import read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.data.selection import write_selection
from retinasynth.eye.agreement import area_under_curve
from retinasynth.files import write_json
from retinasynth.images import Mask, resize_mask, write_mask
from retinasynth.parallel import share_cores, worker_processes
from retinasynth.progress import progress, stages
from retinasynth.segmentation import train as segmentation
from retinasynth.segmentation.model import load_segmenter
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.studies.arms import Arm
from retinasynth.studies.forest import THUMBNAIL_PX
from retinasynth.studies.runs import drop_weights
from retinasynth.studies.words import counted
from retinasynth.training import checkpoint as checkpoints

# What all runs share. Small, so that one takes a minute or two of one core; chosen on training eyes alone.
BUDGET = (
    "planes=vessels",
    "grown=0",  # synthetic eyes are sets like any other here
    "field_px=384",
    "crop_px=160",
    "network.architecture=unet",
    "network.filters=8",
    "zoom=1.2",
    "photometric=0.3",  # in so few steps, as much as is usual costs more than it gives
    "batch_size=2",
    "steps=1500",
    "ema_decay=0",
    "validation_share=0",  # no eye is spared for a threshold, which is one half in every arm
    "sample_every_steps=1000000",
    "checkpoint_every_steps=100",
)
_PLAIN = ("flip=false", "rotation_deg=0", "zoom=1", "stretch=0", "photometric=0")
_ONE_LOOK: tuple[tuple[int, ...], ...] = ((),)

PROCEDURAL = Arm("procedural only", has_synthetic=True, is_strong=False)
REAL = Arm("real only", has_synthetic=False, is_strong=False)
CLASSICAL = Arm("real + classical", has_synthetic=False, is_strong=True)
BOTH = Arm("real + procedural", has_synthetic=True, is_strong=True)
GENERATED = Arm("generated only", has_synthetic=True, is_strong=False)
WITH_GENERATED = Arm("real + generated", has_synthetic=True, is_strong=True)
ARMS = (REAL, CLASSICAL, BOTH, PROCEDURAL, WITH_GENERATED, GENERATED)


@dataclass(frozen=True)
class Run:
    """One segmenter to train and evaluate.

    Attributes:
        arm: what it learns from.
        count: real eyes; 0 is none.
        seed: of the training, and of the choice of eyes.
        folder: what it writes.
        data: data sets that it learns from, each equally often.
        settings: of the training.
        source: what it learns from, in words.
    """

    arm: Arm
    count: int
    seed: int
    folder: Path
    data: tuple[Path, ...]
    settings: SegmenterSettings
    source: str


def planned(
    data: Path,
    training: Sequence[EyeFiles],
    out: Path,
    base: SegmenterSettings,
    counts: Sequence[int],
    seeds: int,
    procedural: Path,
    generated: Path | None,
) -> list[Run]:
    """Every run, seed by seed, so that whole comparisons come early, and from few eyes to many.

    Args:
        data: the data set.
        training: its training eyes.
        out: the folder of the study.
        base: settings of all runs but those without augmentation.
        counts: numbers of real eyes.
        seeds: how many.
        procedural: the selection of grown eyes with procedural photographs.
        generated: that of the same eyes as a generator photographed them; needed where one of `counts` is all eyes.
    """
    plain, varied = base.with_overrides(_PLAIN), "classical augmentation"
    runs: list[Run] = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(training))
        drawn = "grown eyes, procedural photographs"
        runs.append(_run(out, PROCEDURAL, 0, seed, [procedural], base, f"{drawn}; {varied}"))
        for count in counts:
            chosen = [training[index].name for index in order[:count]]
            real = write_selection(out / "eyes" / f"{count}-seed-{seed}", data, train=chosen, test=())
            eyes = counted(count, "real eye")
            runs += [
                _run(out, REAL, count, seed, [real], plain, f"{eyes}; no augmentation"),
                _run(out, CLASSICAL, count, seed, [real], base, f"{eyes}; {varied}"),
                _run(out, BOTH, count, seed, [real, procedural], base, f"{eyes}, and {drawn}; {varied}"),
            ]
            if count == len(training) and generated:
                made = "grown eyes, photographed by the generator"
                runs += [
                    _run(out, WITH_GENERATED, count, seed, [real, generated], base, f"{eyes}, and {made}; {varied}"),
                    _run(out, GENERATED, count, seed, [generated], base, f"{made}; {varied}"),
                ]
    return runs


def _run(
    out: Path, arm: Arm, count: int, seed: int, data: Sequence[Path], settings: SegmenterSettings, source: str
) -> Run:
    place = out / "runs" / str(count) / arm.name.replace(" + ", "-and-").replace(" ", "-") / f"seed-{seed}"
    return Run(arm, count, seed, place, tuple(data), settings.with_overrides([f"training.seed={seed}"]), source)


def finished(runs: Sequence[Run], test_files: Sequence[EyeFiles], workers: int) -> Generator[None]:
    """Yields once for each run, in order, when it is finished."""
    bring = functools.partial(bring_to_end, test_files=test_files)
    if workers == 1:
        begin = stages("Run", len(runs))
        for number, run in enumerate(runs, start=1):
            if not (run.folder / "figures.json").is_file():
                begin(number, f"{run.arm.name}, {run.count} real, seed {run.seed}")
            yield bring(run)
        return
    begin = functools.partial(share_cores, workers)
    with worker_processes(workers, begin) as pool, progress("Training", len(runs)) as advance:
        for number, _ in enumerate(pool.map(functools.partial(_quietly, bring), runs), start=1):
            advance(number, "runs")
            yield


def _quietly(bring: functools.partial[None], run: Run) -> None:
    """One of several runs at a time, whose own progress would be drawn over that of the others."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):  # noqa: PTH123 - no file
        bring(run)


def bring_to_end(run: Run, *, test_files: Sequence[EyeFiles]) -> None:
    """Train and evaluate one segmenter, from wherever it is; its weights are removed in the end.

    Args:
        run: what to do.
        test_files: test eyes with photographs and vessels.

    Raises:
        InterruptedRunError: the user stopped it; called again it goes on.
        TrainingDivergedError: a loss stopped being a finite number.
    """
    figures = run.folder / "figures.json"
    if figures.is_file():
        return
    place = run.folder / "run"
    if checkpoints.exists(place):
        segmentation.resume(place, [f"data.folders={','.join(str(one.resolve()) for one in run.data)}"])
    else:
        shutil.rmtree(place, ignore_errors=True)  # stopped before its first checkpoint: nothing to go on from
        segmentation.train(run.data, place, run.settings)
    model = load_segmenter(place / "model")
    rows = []
    for files in test_files:
        eye = read_eye(files.with_planes_alone(["vessels", "fov"]))
        if eye.photograph is None:
            continue
        seen = predict(model, eye.photograph, flips=_ONE_LOOK)
        found, field = found_planes(model, seen)["vessels"], eye.planes.get("fov", seen.field)
        drawn, probability = eye.planes["vessels"] & field, seen.probabilities["vessels"]
        dice = 2 * (found & drawn).sum() / ((found & field).sum() + drawn.sum())
        auc = area_under_curve(probability[field], drawn[field])
        rows.append({"name": files.name, "subject": files.subject, "dice": float(dice), "auc": auc})
        write_mask(run.folder / "found" / f"{files.name}.png", resize_mask(found, _shown(found)))
    write_json(figures, rows)
    drop_weights(place)


def _shown(mask: Mask) -> tuple[int, int]:
    """The size at which what was found is kept for the report."""
    height, width = mask.shape
    scale = min(1.0, 2 * THUMBNAIL_PX / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))
