"""Are synthetic photographs of use for training? Vessel segmenters that learnt from real ones, synthetic ones and both.

    retinasynth utility --data EYES --out STUDY
    retinasynth utility --data EYES --out STUDY --eyes 1 --eyes 5     # these first
    retinasynth utility --data EYES --out STUDY --seeds 5             # later: two more seeds of the same

Run again, it goes on where it stopped. Every segmenter has the same network, optimiser and number of steps, starts from
nothing, and is evaluated on the same test eyes. ``runs/EYES/ARM/seed-N`` hold settings, log and figures of each;
``utility.json``, ``utility.csv``, ``figure.svg`` and ``report.html`` are written anew after each seed.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import retinasynth
from retinasynth.checks import MOST_WORKERS, whole_number
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.frames import load_frames
from retinasynth.data.grown import GrownSet, write_grown_set
from retinasynth.data.matching import EyeFiles
from retinasynth.data.selection import write_selection
from retinasynth.documents import parse_json
from retinasynth.errors import DataError
from retinasynth.evaluation.leaks import refuse_leaks
from retinasynth.evaluation.subjects import test_eyes
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set
from retinasynth.images import mask_as_photograph, read_mask
from retinasynth.intervals import LEVEL, RESAMPLES, Estimate, bootstrap_crossed
from retinasynth.report.sections import Outcome
from retinasynth.segmentation.data import labelled
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.studies.ablate import MOST_SEEDS
from retinasynth.studies.arms import (
    ALL,
    Effect,
    Place,
    Point,
    Study,
    by_outcome,
    compared,
    counts_of,
    effect_sentence,
    figure_text,
    interval_text,
)
from retinasynth.studies.arms_report import write_study
from retinasynth.studies.forest import thumbnail
from retinasynth.studies.runs import begun_study, stopped
from retinasynth.studies.table import changes
from retinasynth.studies.utility_runs import (
    ARMS,
    BOTH,
    BUDGET,
    CLASSICAL,
    GENERATED,
    PROCEDURAL,
    REAL,
    WITH_GENERATED,
    Run,
    finished,
    planned,
)
from retinasynth.studies.words import counted
from retinasynth.training.run import decisive

EYES = ("1", "5", ALL)
SEEDS, QUICK_SEEDS, QUICK = 3, 2, ("steps=400",)
_PAIRS = ((BOTH, CLASSICAL), (WITH_GENERATED, CLASSICAL), (CLASSICAL, REAL))
MEASURES = {"dice": "Dice", "auc": "AUC"}
OF_WHAT = "real training eye"
_FIRST_SEED = 5_000_000  # of the grown eyes
CONVENTIONS = {
    "budget": "the same network, learning rate, batch and number of steps in every run, from random weights; windows "
    "are cut at random places in every arm",
    "classical": "flips, rotations, zoom and stretch, and changes of colour, contrast, illumination, sharpness, noise "
    "and compression. Every arm but real only has it, so that real + procedural against real + classical is about the "
    "synthetic photographs alone",
    "procedural": "grown eyes with photographs that are rendered from their anatomy, by no network. The "
    "figures of anatomy and rendering were set beside photographs of CHASE_DB1, HRF and IDRiD; no eye is copied",
    "generated": "the same eyes photographed by a generator that has learnt from real photographs of this kind, so "
    "that it is compared where all training eyes may be used, and only there",
    "real eyes": "a seed chooses them; all arms of a seed learn from the same ones, and 5 hold the 1",
    "synthetic share": "half of the examples, where real and synthetic ones stand together",
    "Dice": "overlap of found and drawn vessel pixels in the field of view, at the threshold one half, at the size of "
    "the photograph; mean over test eyes and seeds",
    "AUC": "area under the receiver operating characteristic over the pixels of a picture, likewise",
    "interval": f"{100 * LEVEL:g} % bootstrap over people and seeds, {RESAMPLES} resamples (Owen, 2007); differences "
    "are paired by test eye and seed",
    "better, worse": "the interval excludes zero; all else is undecided, which does not mean equal",
}


def utility(
    data: Path,
    out: Path,
    *,
    eyes: Sequence[str] = EYES,
    seeds: int = SEEDS,
    synthetic: int = 130,
    generator: str = "fundus-512",
    people: str = "adult",
    parameters: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    workers: int = 1,
) -> Study:
    """Train and evaluate a segmenter for each arm, number of real eyes and seed.

    Args:
        data: a data set with vessels, and a training and a test split.
        out: a new or empty folder, or that of the same study to go on with; then `seeds` and `eyes` may differ.
        eyes: numbers of real training eyes, or ``all``; with ``all``, the generator is in the comparison.
        seeds: how many runs of each arm.
        synthetic: how many grown eyes; the same ones for both kinds of synthetic photographs.
        generator: that photographs them, beside rendering: a bundled one, a run or a model folder.
        people: preset of these eyes, see `retinasynth.anatomy.physiology.PRESETS`.
        parameters: of these eyes, by name, such as how the camera of the data set looks at eyes.
        overrides: settings of all runs that are changed, each ``name=value``.
        workers: runs at a time, each in a process of its own.

    Raises:
        DataError, ImageError, SettingError, ModelError: the data, the settings or the generator cannot be used.
        InputError: `out` holds a study of other settings or other data.
        InterruptedRunError: the user stopped it; the same call goes on.
    """
    seeds, synthetic = whole_number(seeds, "seeds", most=MOST_SEEDS), whole_number(synthetic, "synthetic")
    workers = whole_number(workers, "workers", most=MOST_WORKERS)
    found = find_eyes(data)
    base = SegmenterSettings.from_preset("vessels").with_overrides([*BUDGET, *overrides])
    training = labelled(str(data), base.data.planes)
    test_files = [files for files in test_eyes(found) if files.photograph and files.has(["vessels"])]
    counts = counts_of(eyes, len(training), name="eyes", least=1, where=found.folder, what="training eyes with vessels")
    refuse_leaks(training, test_files)
    grown = GrownSet(_FIRST_SEED, base.data.field_px, people, "natural", dict(parameters or {}))
    plan = {
        "settings": decisive(base),
        "synthetic": {"eyes": synthetic, "people": people, "parameters": dict(parameters or {})},
        "data": {
            "training eyes": load_frames(training, base.data.field_px, base.data.planes).fingerprint,
            "test eyes": load_frames(test_files, base.data.field_px, base.data.planes).fingerprint,
        },
        "seeds": seeds,
    }
    with begun_study(out, plan, may_grow="seeds", what="a study of utility"):
        write_grown_set(out / "procedural", synthetic, grown, workers=workers)
        generated = None
        if len(training) in counts:
            wanted = SyntheticSet(generator, _FIRST_SEED, grown.size_px, people, parameters=grown.parameters)
            wanted = replace(wanted, apertures=("round",))  # the same eyes as the procedural ones
            write_synthetic_set(out / "generated", synthetic, wanted, workers=workers)
            generated = _learnt_from(out, "generated")
        procedural = _learnt_from(out, "procedural")
        runs = planned(found.folder, training, out, base, counts, seeds, procedural, generated)
        return _all(
            runs, test_files, out, seeds, workers, about=_about(found.folder, training, test_files, base, generator)
        )


def _learnt_from(out: Path, kind: str) -> Path:
    """A selection of all eyes of a synthetic set: none of them is spared for a test."""
    names = [files.name for files in find_eyes(out / kind).eyes]
    return write_selection(out / "eyes" / kind, out / kind, train=names, test=())


def _all(
    runs: Sequence[Run],
    test_files: Sequence[EyeFiles],
    out: Path,
    seeds: int,
    workers: int,
    *,
    about: Mapping[str, str],
) -> Study:
    with stopped(out), contextlib.closing(finished(runs, test_files, workers)) as done:
        for seed in range(seeds):
            ours = [run for run in runs if run.seed <= seed]
            for _ in range(len(ours) // (seed + 1)):
                next(done)
            study = summarise(ours, test_files, about)
            write_study(study, out, "utility")
    return study


# --- What it showed ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measured:
    """The figures of one arm at one number of eyes: ``float (seeds, test eyes)`` by measure."""

    source: str
    subjects: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]

    def estimates(self, other: "_Measured | None" = None) -> dict[str, Estimate]:
        """Means with intervals, or those of the differences to another."""
        return {
            name: bootstrap_crossed(values - other.values[name] if other else values, groups=self.subjects)
            for name, values in self.values.items()
        }


def _measured(runs: Sequence[Run]) -> _Measured:
    tables = []
    for run in runs:
        path = run.folder / "figures.json"
        try:
            rows = parse_json(path.read_text(encoding="utf-8"))
            tables.append([[row["subject"], *(float(row[name]) for name in MEASURES)] for row in rows])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} cannot be read ({type(error).__name__}: {error})",
                do=f"Remove {run.folder} and run the same command again",
            ) from error
    values = {
        name: np.array([[row[column] for row in table] for table in tables], np.float64)
        for column, name in enumerate(MEASURES, start=1)
    }
    return _Measured(runs[0].source, tuple(row[0] for row in tables[0]), values)


def summarise(runs: Sequence[Run], test_files: Sequence[EyeFiles], about: Mapping[str, str]) -> Study:
    """Compare the arms over runs that are finished.

    Args:
        runs: the same arms and numbers of every seed.
        test_files: the test eyes, for the pictures.
        about: data and settings, in words.

    Raises:
        DataError: the figures of a run cannot be read.
    """
    of: dict[Place, list[Run]] = {}
    for run in runs:
        of.setdefault((run.arm, run.count), []).append(run)
    measured = {key: _measured(same) for key, same in of.items()}
    points, effects = compared(
        {place: one.source for place, one in measured.items()},
        lambda one, other: measured[one].estimates(measured[other] if other else None),
        ARMS,
        _PAIRS,
    )
    counts = sorted({count for _, count in of} - {0})
    seeds = len(next(iter(of.values())))
    return Study(
        title="Are synthetic photographs of use for training?",
        verdict=[*_verdict(effects), *_shares(points, counts[-1])],
        measures=MEASURES,
        of_what=OF_WHAT,
        arms=[arm for arm in ARMS if any(key[0] is arm for key in of)],
        points=points,
        effects=effects,
        conventions=CONVENTIONS,
        about={**about, "Seeds": str(seeds), "Version": retinasynth.__version__},
        pictures=_pictures(of, test_files, counts),
        pictures_note="The test eye in the middle by Dice of real + classical; vessels as found with the first seed.",
    )


def _verdict(effects: Sequence[Effect]) -> list[str]:
    """The answer first, then each comparison."""
    words: dict[Outcome, str] = {"better": "help", "worse": "harm", "undecided": "are not shown to matter"}
    clauses = ", ".join(by_outcome(effects, BOTH, "dice", words))
    answer = f"Beside classical augmentation, procedural photographs {clauses} real eyes."
    return [answer, *(effect_sentence(one, "dice", "Dice", OF_WHAT) for one in effects)]


def _shares(points: Sequence[Point], most: int) -> list[str]:
    """How much of the Dice of all real eyes synthetic ones reach alone."""
    dice = {(point.arm, point.count): point.measures["dice"] for point in points}
    sentences = []
    for arm, count in ((PROCEDURAL, 0), (GENERATED, most)):
        for reference in (REAL, CLASSICAL):
            ours, theirs = dice.get((arm.name, count)), dice.get((reference.name, most))
            if ours and theirs:
                sentences.append(
                    f"{arm.name.capitalize()} reaches {ours.mean / theirs.mean:.1%} of the Dice of {reference.name} "
                    f"with {most} eyes: {figure_text(ours.mean)} ({interval_text(ours)}) against "
                    f"{figure_text(theirs.mean)} ({interval_text(theirs)})."
                )
    return sentences


def _pictures(
    of: Mapping[Place, Sequence[Run]], test_files: Sequence[EyeFiles], counts: Sequence[int]
) -> dict[str, dict[str, bytes]]:
    """The middle test eye by number of real eyes: its photograph, its reference vessels, and what each arm found."""
    ranked = np.argsort(_measured(of[CLASSICAL, counts[0]]).values["dice"].mean(axis=0))
    files = test_files[int(ranked[len(ranked) // 2])]
    eye = read_eye(files.with_planes_alone(["vessels"]))
    if eye.photograph is None:
        return {}
    panels = {}
    for count in counts:
        views = {
            "Photograph": thumbnail(eye.photograph),
            "Drawn": thumbnail(mask_as_photograph(eye.planes["vessels"]), "PNG"),
        }
        for arm in ARMS:
            run = next((run for run in of.get((arm, 0 if arm is PROCEDURAL else count), ()) if run.seed == 0), None)
            if run:
                found = read_mask(run.folder / "found" / f"{files.name}.png", allow_empty=True)
                views[arm.name.capitalize()] = thumbnail(mask_as_photograph(found), "PNG")
        panels[f"{files.name}, {counted(count, OF_WHAT)}"] = views
    return panels


def _about(
    data: Path, training: Sequence[EyeFiles], test_files: Sequence[EyeFiles], base: SegmenterSettings, generator: str
) -> dict[str, str]:
    changed = changes(base, SegmenterSettings.from_preset(base.preset)).items()
    return {
        "Data": f"{data.name}: {len(training)} training eyes, {len(test_files)} test eyes of "
        f"{len({files.subject for files in test_files})} people",
        "Settings": f"segmenter preset {base.preset}; {', '.join(f'{name}={value}' for name, value in changed)}",
        "Generator": str(generator),
    }
