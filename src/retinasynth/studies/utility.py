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
from dataclasses import replace
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
from retinasynth.studies import arms
from retinasynth.studies.ablate import MOST_SEEDS
from retinasynth.studies.arms import Place, Study
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

EYES = ("1", "5", arms.ALL)
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
    base = SegmenterSettings.from_preset("vessels").with_overrides([*BUDGET, *overrides])
    found = find_eyes(data, labels=base.data.labels or None)
    training = labelled(str(data), base.data.planes, base.data.labels)
    test_files = [files for files in test_eyes(found) if files.photograph and files.has(["vessels"])]
    counts = arms.counts_of(
        eyes, len(training), name="eyes", least=1, where=found.folder, what="training eyes with vessels"
    )
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
    changed = changes(base, SegmenterSettings.from_preset(base.preset)).items()
    about = {
        "Data": f"{found.folder.name}: {len(training)} training eyes, {len(test_files)} test eyes of "
        f"{len({files.subject for files in test_files})} people",
        "Settings": f"segmenter preset {base.preset}; {', '.join(f'{name}={value}' for name, value in changed)}",
        "Generator": str(generator),
    }
    with begun_study(out, plan, may_grow="seeds", what="a study of utility"), stopped(out):
        write_grown_set(out / "procedural", synthetic, grown, workers=workers)
        generated = None
        if len(training) in counts:
            wanted = SyntheticSet(generator, _FIRST_SEED, grown.size_px, people, parameters=grown.parameters)
            wanted = replace(wanted, apertures=("round",))  # the same eyes as the procedural ones
            write_synthetic_set(out / "generated", synthetic, wanted, workers=workers)
            generated = _learnt_from(out, "generated")
        procedural = _learnt_from(out, "procedural")
        runs = planned(found.folder, training, out, base, counts, seeds, procedural, generated)
        with contextlib.closing(finished(runs, test_files, workers)) as done:
            for seed in range(seeds):
                for _ in (run for run in runs if run.seed == seed):
                    next(done)
                study = _summarise([run for run in runs if run.seed <= seed], test_files, about)
                write_study(study, out, "utility")
    return study


def _learnt_from(out: Path, kind: str) -> Path:
    """A selection of all eyes of a synthetic set: none of them is spared for a test."""
    names = [files.name for files in find_eyes(out / kind).eyes]
    return write_selection(out / "eyes" / kind, out / kind, train=names, test=())


# --- What it showed ----------------------------------------------------------------------------------------------


def _figures(runs: Sequence[Run]) -> dict[str, NDArray[np.float64]]:
    """The figures of one arm at one number of eyes, by measure: ``float (seeds, test eyes)``."""
    tables = []
    for run in runs:
        path = run.folder / "figures.json"
        try:
            rows = parse_json(path.read_text(encoding="utf-8"))
            tables.append({name: [float(row[name]) for row in rows] for name in MEASURES})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path} cannot be read ({type(error).__name__}: {error})",
                do=f"Remove {run.folder} and run the same command again",
            ) from error
    return {name: np.array([table[name] for table in tables], np.float64) for name in MEASURES}


def _summarise(runs: Sequence[Run], test_files: Sequence[EyeFiles], about: Mapping[str, str]) -> Study:
    """Compare the arms over runs that are finished, the same arms and numbers of every seed."""
    of: dict[Place, list[Run]] = {}
    for run in runs:
        of.setdefault((run.arm, run.count), []).append(run)
    figures = {place: _figures(same) for place, same in of.items()}
    subjects = [files.subject for files in test_files]

    def estimates(one: Place, other: Place | None) -> dict[str, Estimate]:
        return {
            name: bootstrap_crossed(values - figures[other][name] if other else values, groups=subjects)
            for name, values in figures[one].items()
        }

    points, effects = arms.compared({place: same[0].source for place, same in of.items()}, estimates, ARMS, _PAIRS)
    counts = sorted({count for _, count in of} - {0})
    ranked = np.argsort(figures[CLASSICAL, counts[0]]["dice"].mean(axis=0))
    return Study(
        title="Are synthetic photographs of use for training?",
        verdict=[*_verdict(effects), *_shares(points, counts[-1])],
        measures=MEASURES,
        of_what=OF_WHAT,
        arms=[arm for arm in ARMS if any(place[0] is arm for place in of)],
        points=points,
        effects=effects,
        conventions=CONVENTIONS,
        about={**about, "Seeds": str(len(of[CLASSICAL, counts[0]])), "Version": retinasynth.__version__},
        pictures=_pictures(of, test_files[int(ranked[len(ranked) // 2])], counts),
        pictures_note="The test eye in the middle by Dice of real + classical; vessels as found with the first seed.",
    )


def _verdict(effects: Sequence[arms.Effect]) -> list[str]:
    """The answer first, then each comparison."""
    words: dict[Outcome, str] = {"better": "help", "worse": "harm", "undecided": "are not shown to matter"}
    clauses = ", ".join(arms.by_outcome(effects, BOTH, "dice", words))
    answer = f"Beside classical augmentation, procedural photographs {clauses} real eyes."
    return [answer, *(arms.effect_sentence(one, "dice", "Dice", OF_WHAT) for one in effects)]


def _shares(points: Sequence[arms.Point], most: int) -> list[str]:
    """How much of the Dice of all real eyes synthetic ones reach alone."""
    dice = {(point.arm, point.count): point.measures["dice"] for point in points}
    sentences = []
    for arm, count in ((PROCEDURAL, 0), (GENERATED, most)):
        for reference in (REAL, CLASSICAL):
            ours, theirs = dice.get((arm.name, count)), dice.get((reference.name, most))
            if ours and theirs:
                sentences.append(
                    f"{arm.name.capitalize()} reaches {ours.mean / theirs.mean:.1%} of the Dice of {reference.name} "
                    f"with {most} eyes: {arms.figure_text(ours.mean)} ({arms.interval_text(ours)}) against "
                    f"{arms.figure_text(theirs.mean)} ({arms.interval_text(theirs)})."
                )
    return sentences


def _pictures(of: Mapping[Place, Sequence[Run]], files: EyeFiles, counts: Sequence[int]) -> dict[str, dict[str, bytes]]:
    """A test eye by number of real eyes: its photograph, its reference vessels, and what each arm found."""
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
