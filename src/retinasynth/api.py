"""The package in Python: what ``rs.NAME`` offers, with paths as text or `Path`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retinasynth.anatomy.physiology import people_of
from retinasynth.anatomy.render.photograph import Style
from retinasynth.data.inspect import Inspection, inspect_data
from retinasynth.data.measure import measure_path
from retinasynth.data.stream import EyeStream
from retinasynth.evaluation import subjects
from retinasynth.evaluation.results import Evaluation
from retinasynth.evaluation.subjects import evaluate_model
from retinasynth.eye import Eye, usable
from retinasynth.eye.biomarkers import Biomarkers, measure_eye
from retinasynth.generation import train as training
from retinasynth.generator import mask_of
from retinasynth.images import Mask
from retinasynth.studies.ablate import ablate as run_ablation
from retinasynth.studies.ablation_results import Ablation
from retinasynth.studies.space import Search, read_space
from retinasynth.studies.table import Table
from retinasynth.studies.tune import tune as run_search
from retinasynth.studies.tuning_results import Tuning


def inspect(data: Path | str, *, labels: str | None = None) -> Inspection:
    """Say what is wrong with a data set; see `retinasynth.data.inspect.inspect_data`.

    Args:
        data: a data set in any known layout, or ``"phantom"``.
        labels: how label files that are not masks are coded, where that is not to be seen.
    """
    return inspect_data(Path(data), labels=labels)


def measure(eye: Eye | Mask | Path | str, *, labels: str | None = None) -> Biomarkers | dict[str, Biomarkers]:
    """Measure biomarkers; see `retinasynth.eye.biomarkers.measure_eye`.

    Args:
        eye: an eye, a vessel mask ``bool (height, width)``, the file of one, or a folder of label maps or a data set.
        labels: how label files that are not masks are coded, where that is not to be seen.

    Returns:
        The biomarkers; of a folder those of each eye, by name.
    """
    if isinstance(eye, np.ndarray):
        return measure_eye(usable(Eye("mask", {"vessels": mask_of(eye)})))
    if isinstance(eye, Eye):
        return measure_eye(eye)
    measures = measure_path(Path(eye), labels=labels)
    return next(iter(measures.values())) if Path(eye).is_file() else measures


def stream(
    seed: int = 0,
    size_px: int = 512,
    *,
    people: str | None = None,
    planes: Sequence[str] = ("vessels",),
    style: Style = "natural",
    **parameters: Any,
) -> EyeStream:
    """Grown eyes with photographs, without end, for a torch DataLoader; see `retinasynth.data.stream.EyeStream`.

    Args:
        seed: of the first eye.
        size_px: height and width.
        people: whose anatomies are grown, as `grow` takes it.
        planes: which labels, in which order.
        style: of the photographs: natural or randomised.
        parameters: of the anatomy, such as ``cup_to_disc=0.7``, that all eyes share.
    """
    whose = people_of(people, parameters)
    return EyeStream(seed, size_px, preset=whose, planes=planes, style=style, parameters=parameters)


def train(
    data: Path | str,
    out: Path | str,
    *,
    preset: str = "source",
    config: Path | str | None = None,
    overrides: Sequence[str] = (),
) -> Path:
    """Train a model; see `retinasynth.generation.train.train`.

    Args:
        data: a data set in any known layout, or ``"phantom"``.
        out: the run folder, new or empty.
        preset: settings to start from.
        config: a YAML file of settings instead of a preset.
        overrides: settings to change, each ``"name=value"``.

    Returns:
        The run folder, which `load` takes.
    """
    settings = training.settings_from_file(Path(config)) if config else training.settings_of_preset(preset)
    return training.train(Path(data), Path(out), settings.with_overrides(overrides))


def resume(run: Path | str, *, overrides: Sequence[str] = ()) -> Path:
    """Go on with an interrupted run; see `retinasynth.generation.train.resume`.

    Args:
        run: the run folder.
        overrides: what may change in a resumed run, such as ``"epochs=60"``.
    """
    return training.resume(Path(run), overrides)


def evaluate(
    model: Path | str,
    data: Path | str,
    out: Path | str,
    *,
    against: Path | str | None = None,
    seed: int = 0,
    style: str = "expected",
    sets: bool = True,
    network: Path | str | None = None,
    allow_leaks: bool = False,
    labels: str | None = None,
) -> Evaluation:
    """Evaluate a model on the test eyes of a data set; see `retinasynth.evaluation.subjects.evaluate_model`."""
    return evaluate_model(
        Path(model),
        Path(data),
        Path(out),
        against=Path(against) if against else None,
        seed=seed,
        style=style,
        sets=sets,
        network=Path(network) if network else None,
        allow_leaks=allow_leaks,
        labels=labels,
    )


def evaluate_folders(
    real: Path | str,
    fake: Path | str,
    out: Path | str,
    *,
    masks: Path | str | None = None,
    fov: Path | str | None = None,
    train: Path | str | None = None,
    sets: bool = True,
    network: Path | str | None = None,
) -> Evaluation:
    """Evaluate anybody's generated photographs; see `retinasynth.evaluation.subjects.evaluate_folders`."""
    return subjects.evaluate_folders(
        Path(real),
        Path(fake),
        Path(out),
        masks=Path(masks) if masks else None,
        fov=Path(fov) if fov else None,
        train=Path(train) if train else None,
        sets=sets,
        network=Path(network) if network else None,
    )


def ablate(
    data: Path | str,
    out: Path | str,
    *,
    table: Path | str | Table = "source",
    preset: str | None = None,
    overrides: Sequence[str] = (),
    seeds: int = 2,
) -> Ablation:
    """Compare rows of settings with one budget and several seeds; see `retinasynth.studies.ablate.ablate`.

    Args:
        data: a data set with a test split, or ``"phantom"``.
        out: a new or empty folder, or that of the same ablation, which is gone on with.
        table: ``"source"``, a YAML file of rows, or a `retinasynth.studies.table.Table`.
        preset: settings to start from instead of the table's.
        overrides: settings changed in all rows, each ``"name=value"``.
        seeds: how many of each row.
    """
    rows = table if isinstance(table, Table) else Table.named(table)
    return run_ablation(Path(data), Path(out), rows, preset=preset, overrides=overrides, seeds=seeds)


def tune(
    data: Path | str,
    out: Path | str,
    *,
    trials: int = 20,
    measure: str = "fov_ssim",
    folds: int = 3,
    preset: str = "source",
    config: Path | str | None = None,
    overrides: Sequence[str] = (),
    space: Path | str | Mapping[str, Search] | None = None,
    prune: bool = False,
) -> Tuning:
    """Search better settings by cross-validation over the training eyes; see `retinasynth.studies.tune.tune`.

    Args:
        data: a data set in any known layout, or ``"phantom"``; its test eyes are not looked at.
        out: a new or empty folder, or that of the same search, which is gone on with.
        trials: how many; the first is the settings that the search starts from.
        measure: that of `evaluate` to improve, such as ``"vessels"`` or ``"mse"``.
        folds: parts that the subjects are divided into, where the set has no validation eyes.
        preset: settings to start from.
        config: a YAML file of settings instead of a preset.
        overrides: settings changed in all trials, each ``"name=value"``.
        space: what to search instead: a YAML file, or `retinasynth.studies.space.Search` by setting.
        prune: give up trials that are worse than the median after a fold.

    Returns:
        What was found; ``best.yaml`` in `out` holds the best settings, which `train` takes as `config`.
    """
    base = training.settings_from_file(Path(config)) if config else training.settings_of_preset(preset)
    searched = read_space(Path(space)) if isinstance(space, str | Path) else space
    return run_search(
        Path(data),
        Path(out),
        base,
        overrides=overrides,
        space=searched,
        trials=trials,
        measure=measure,
        folds=folds,
        prune=prune,
    )
