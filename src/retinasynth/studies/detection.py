"""Do synthetic eyes help to find disease? Referable retinopathy, told by a simple classifier, with and without them.

    retinasynth detection --data IDRID_GRADING --out STUDY

A frozen network describes each photograph, and a logistic regression tells from its features whether the eye should be
referred. It learns from few or many real photographs, with and without synthetic eyes that were grown with lesions and
without. Run again, it goes on where it stopped. Writes ``detection.json``, ``detection.csv``, ``scores.csv`` (how sure
each classifier is of each test photograph), ``figure.svg`` and ``report.html``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import retinasynth
from retinasynth.checks import MOST_WORKERS, whole_number
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.grades import REFERABLE
from retinasynth.data.grown import GrownSet, write_grown_set
from retinasynth.data.matching import EyeFiles
from retinasynth.documents import read_json
from retinasynth.errors import DataError, SettingError
from retinasynth.evaluation.metrics.features import Features, FundusFeatures, ImageNetFeatures
from retinasynth.files import atomic_path, write_json, write_text
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set
from retinasynth.intervals import LEVEL, RESAMPLES, Estimate
from retinasynth.parallel import in_order
from retinasynth.progress import progress
from retinasynth.studies import arms, classifier
from retinasynth.studies.arms import Arm, Place, Study
from retinasynth.studies.arms_report import write_study
from retinasynth.studies.classifier import Described
from retinasynth.studies.forest import thumbnail
from retinasynth.studies.graded import graded, is_ill, kept_apart, stamp_of_all
from retinasynth.studies.runs import begun_study, stopped
from retinasynth.tables import table_text

COUNTS = ("20", "50", "100", arms.ALL)
DRAWS, QUICK_DRAWS = 10, 4
FEATURES: Mapping[str, Callable[[], Features]] = {"imagenet": ImageNetFeatures, "fundus": FundusFeatures}
# Grown eyes: what lesions they have. A mild retinopathy has microaneurysms alone, and is not referred.
_HEALTHY: tuple[Mapping[str, float], ...] = ({}, {}, {}, {"microaneurysms": 4})
_ILL: tuple[Mapping[str, float], ...] = (
    {"microaneurysms": 12, "haemorrhages": 6, "hard_exudates": 12},
    {"microaneurysms": 30, "haemorrhages": 15, "hard_exudates": 40, "soft_exudates": 1},
    {"microaneurysms": 60, "haemorrhages": 35, "hard_exudates": 80, "soft_exudates": 4},
    {"microaneurysms": 60, "haemorrhages": 50, "hard_exudates": 15, "soft_exudates": 5, "neovascular_tufts": 2},
)
_NONE = dict.fromkeys(("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates"), 0)
_CAMERA: Mapping[str, Any] = {"angle_deg": 50.0, "aperture": "cut"}
_SIZE_PX = 512
_FEWEST = 4  # photographs that are learnt from: two of each kind
_MOST_BYTES = 10**8  # of a file of scores

REAL = Arm("real only", has_synthetic=False, is_strong=True)
BOTH = Arm("real + procedural", has_synthetic=True, is_strong=False)
WITH_GENERATED = Arm("real + generated", has_synthetic=True, is_strong=True)
PROCEDURAL = Arm("procedural only", has_synthetic=True, is_strong=False)
GENERATED = Arm("generated only", has_synthetic=True, is_strong=True)
ARMS = (REAL, WITH_GENERATED, BOTH, GENERATED, PROCEDURAL)
_PAIRS = ((WITH_GENERATED, REAL), (BOTH, REAL))

MEASURES = {"auc": "AUC"}
OF_WHAT = "real training photograph"
CONVENTIONS = {
    "referable": f"grade {REFERABLE} or above of the international scale of diabetic retinopathy",
    "classifier": "logistic regression on the features of one frozen network, each feature brought to mean 0 and about "
    "deviation 1 among the photographs of its kind (real or synthetic; its deviation and the median one are added in "
    f"quadrature), and of all only the first {classifier.COMPONENTS} principal components, in which each kind counts "
    "half",
    "what is chosen": "the strength of the regularisation, and how much synthetic eyes weigh, by "
    f"{classifier.FOLDS}-fold cross-validation over the real training photographs of a draw alone, by log loss; "
    "without real ones over the synthetic ones",
    "generated": "grown eyes photographed by a generator. It has learnt from real photographs of its own, which help "
    "those who have few, but from no grade",
    "procedural": "the same eyes with photographs that are rendered from their anatomy, by no network",
    "draws": "which real photographs are learnt from is drawn anew; all arms of a draw have the same ones, and a "
    "larger number holds the smaller",
    "AUC": "area under the receiver operating characteristic over the test photographs, mean over draws",
    "interval": f"{100 * LEVEL:g} % bootstrap over test photographs (of both kinds apart) and draws, {RESAMPLES} "
    "resamples; differences are paired by photograph and draw",
    "better, worse": "the interval excludes zero; all else is undecided, which does not mean equal",
    "twins": "training photographs that show the retina of a test photograph are left out, and of those that show one "
    "retina all but the first",
}


def detection(
    data: Path,
    out: Path,
    *,
    counts: Sequence[str] = COUNTS,
    draws: int = DRAWS,
    synthetic: int = 120,
    generator: str = "fundus-512",
    features: str = "imagenet",
    parameters: Mapping[str, Any] | None = None,
    workers: int = 1,
) -> Study:
    """Learn to tell referable retinopathy from few and many photographs, with synthetic eyes and without.

    Args:
        data: a data set with grades, and a training and a test split.
        out: a new or empty folder, or that of the same study to go on with; then `draws` may be higher.
        counts: numbers of real training photographs, or ``all``.
        draws: of real photographs, for each number.
        synthetic: grown eyes with lesions, and as many without.
        generator: that photographs them: a bundled one, a run or a model folder.
        features: ``imagenet`` or ``fundus`` (see `retinasynth.evaluation.metrics.features`).
        parameters: of the grown eyes, by name; else they are seen as IDRiD's camera sees eyes.
        workers: processes that make synthetic eyes.

    Raises:
        DataError: the set has no grades, or not both kinds on both sides, or too few photographs.
        MissingExtraError: the network of the features is not installed.
        SettingError, ModelError: a number, a parameter or the generator cannot be used.
        InputError: `out` holds a study of something else.
        InterruptedRunError: the user stopped it; the same call goes on.
    """
    draws, synthetic = whole_number(draws, "draws"), whole_number(synthetic, "synthetic", least=len(_ILL))
    workers = whole_number(workers, "workers", most=MOST_WORKERS)
    if features not in FEATURES:
        raise SettingError(f"`features` is {features!r}", expected=f"one of: {', '.join(FEATURES)}")
    network, parameters = FEATURES[features](), dict(parameters or _CAMERA)
    training, test_files = graded(data)
    plan = {
        "features": features,
        "synthetic": synthetic,
        "parameters": parameters,
        "data": {side: stamp_of_all(files) for side, files in (("training", training), ("test", test_files))},
        "draws": draws,
    }
    with begun_study(out, plan, may_grow="draws", what="a study of detection"), stopped(out):
        training = kept_apart(training, test_files)
        numbers = arms.counts_of(
            counts,
            len(training),
            name="counts",
            least=_FEWEST,
            where=data,
            what="graded training photographs without near-duplicates",
        )
        made = _synthetic(out, synthetic, generator, parameters, workers)
        real, test = (
            _described(out, name, files, network) for name, files in (("training", training), ("test", test_files))
        )
        kinds = {name: _of_kind(out, name, folders, network) for name, folders in made.items()}
        scores = _scores(out, real, test, kinds, numbers, draws)
        about = {
            "Data": f"{data.name}: {len(training)} training photographs without twins ({real.is_ill.sum()} to be "
            f"referred), {len(test_files)} test photographs ({test.is_ill.sum()} to be referred)",
            "Features": network.name,
            "Synthetic eyes": f"{synthetic} with lesions of moderate retinopathy and more, {synthetic} without lesions "
            "or with a few microaneurysms",
            "Generator": generator,
            "Draws": str(draws),
            "Version": retinasynth.__version__,
        }
        study = _summarise(scores, test, about, _pictures(training, made))
        write_text(out / "scores.csv", _scores_csv(scores, test_files))
        write_study(study, out, "detection")
    return study


# --- Photographs -------------------------------------------------------------------------------------------------


def _synthetic(
    out: Path, count: int, generator: str, parameters: Mapping[str, Any], workers: int
) -> dict[str, dict[Path, bool]]:
    """Folders of grown eyes, by kind of photograph, and whether their eyes are ill; made on first use."""
    made: dict[str, dict[Path, bool]] = {"generated": {}, "procedural": {}}
    for ill, groups in ((False, _HEALTHY), (True, _ILL)):
        for number, lesions in enumerate(groups):
            share = count // len(groups) + (number < count % len(groups))
            all_parameters = {**_NONE, **lesions, **parameters}
            seed = 10_000 * (1 + number + len(_HEALTHY) * ill)
            name = f"{'ill' if ill else 'healthy'}-{number + 1}"
            folder = out / "procedural" / name
            write_grown_set(
                folder, share, GrownSet(seed, _SIZE_PX, "adult", "natural", all_parameters), workers=workers
            )
            made["procedural"][folder] = ill
            folder = out / "generated" / name
            wanted = SyntheticSet(generator, seed=seed, size_px=_SIZE_PX, parameters=all_parameters)
            write_synthetic_set(folder, share, wanted, workers=workers)
            made["generated"][folder] = ill
    return made


def _described(out: Path, name: str, files: Sequence[EyeFiles], network: Features) -> Described:
    """What a network sees in photographs; kept in ``features/``."""
    path = out / "features" / f"{name}.npy"
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there yet, or damaged
        kept = np.empty((0, 0))
    if len(kept) != len(files) or not np.isfinite(kept).all():
        rows = []
        with progress(f"Describing {name}", len(files)) as advance:
            for number, row in enumerate(in_order(network, map(photograph_of, files)), start=1):
                rows.append(row)
                advance(number, "")
        kept = np.stack(rows)
        with atomic_path(path) as temporary:
            np.save(temporary, kept)
    return Described(kept, np.array([is_ill(one) for one in files]))


def _of_kind(out: Path, name: str, folders: Mapping[Path, bool], network: Features) -> Described:
    described = [
        (_described(out, f"{name}-{folder.name}", find_eyes(folder).eyes, network).rows, ill)
        for folder, ill in folders.items()
    ]
    return Described(
        np.concatenate([rows for rows, _ in described]),
        np.concatenate([np.full(len(rows), ill) for rows, ill in described]),
    )


# --- Scores ------------------------------------------------------------------------------------------------------


Scores = Mapping[Place, NDArray[np.float64]]  # float (draws, test photographs)


def _scores(
    out: Path,
    real: Described,
    test: Described,
    kinds: Mapping[str, Described],
    counts: Sequence[int],
    draws: int,
) -> Scores:
    """How sure every classifier is that each test photograph shows an ill eye; kept in ``scores/``."""
    synthetic = {name: kind.standardised() for name, kind in kinds.items()}
    made: dict[tuple[Arm, int], list[list[float]]] = {}
    todo = [(0, 0), *((count, draw) for draw in range(draws) for count in counts)]
    with progress("Classifying", len(todo)) as advance:
        for number, (count, draw) in enumerate(todo, start=1):
            path = out / "scores" / f"{count}-draw-{draw}.json"
            if not path.is_file():
                some = classifier.drawn(real.is_ill, counts[0], draw)[: count or None]
                write_json(
                    path, _classified(Described(real.rows[some], real.is_ill[some]), test, synthetic, count, draw)
                )
            again = "Remove it and run the same command again"
            found = read_json(path, DataError, what="scores", do=again, most_bytes=_MOST_BYTES)
            for arm in ARMS:
                if arm.name in found:
                    made.setdefault((arm, count), []).append(found[arm.name]["scores"])
            advance(number, f"{count} real")
    return {key: np.array(rows, np.float64) for key, rows in made.items()}


def _classified(
    real: Described, test: Described, synthetic: Mapping[str, Described], count: int, draw: int
) -> dict[str, dict[str, Any]]:
    """What each arm makes of the test photographs, which are standardised as the real training photographs are."""
    seen = test.standardised(as_of=real).rows
    learnt: dict[Arm, tuple[Described | None, Described | None]] = (
        {
            REAL: (real.standardised(), None),
            WITH_GENERATED: (real.standardised(), synthetic["generated"]),
            BOTH: (real.standardised(), synthetic["procedural"]),
        }
        if count
        else {GENERATED: (None, synthetic["generated"]), PROCEDURAL: (None, synthetic["procedural"])}
    )
    found = {}
    for arm, kinds in learnt.items():
        basis = classifier.components([kind for kind in kinds if kind])
        ours, made = (kind and Described(kind.rows @ basis, kind.is_ill) for kind in kinds)
        choice = classifier.chosen(ours, made, seed=draw)
        scores = classifier.fitted(ours, made, choice).decision_function(seen @ basis)
        found[arm.name] = {
            "strength": choice.strength,
            "weight": choice.weight,
            "scores": [round(float(score), 6) for score in scores],
        }
    return found


# --- What it showed ----------------------------------------------------------------------------------------------


def _summarise(
    scores: Scores, test: Described, about: Mapping[str, str], pictures: Mapping[str, Mapping[str, bytes]]
) -> Study:
    wins = {place: classifier.comparisons(rows, test.is_ill) for place, rows in scores.items()}
    sources = {
        REAL: "real photographs",
        WITH_GENERATED: "real photographs, and grown eyes photographed by the generator",
        BOTH: "real photographs, and grown eyes with procedural photographs",
        GENERATED: "grown eyes photographed by the generator; no grade of a real photograph",
        PROCEDURAL: "grown eyes with procedural photographs; no grade of a real photograph",
    }

    def estimates(one: Place, other: Place | None) -> dict[str, Estimate]:
        return {"auc": classifier.bootstrap_area(wins[one] - wins[other] if other else wins[one])}

    points, effects = arms.compared({place: sources[place[0]] for place in scores}, estimates, ARMS, _PAIRS)
    return Study(
        title="Do synthetic eyes help to find referable retinopathy?",
        verdict=_verdict(points, effects),
        measures=MEASURES,
        of_what=OF_WHAT,
        arms=ARMS,
        points=points,
        effects=effects,
        conventions=CONVENTIONS,
        about=about,
        pictures=pictures,
        pictures_note="Of each kind the first ones, not chosen. The same eye in both kinds of synthetic photographs.",
    )


def _verdict(points: Sequence[arms.Point], effects: Sequence[arms.Effect]) -> list[str]:
    """The answer first, then each comparison, and what synthetic eyes do alone."""
    clauses = arms.by_outcome(
        effects,
        WITH_GENERATED,
        "auc",
        {"better": "raise the AUC", "worse": "lower the AUC", "undecided": "are not shown to change the AUC"},
    )
    answer = f"Generated eyes {'; they '.join(clauses)} {OF_WHAT}s."
    alone = [
        f"{point.arm.capitalize()}, without a grade of a real photograph: AUC "
        f"{arms.figure_text(point.measures['auc'].mean)} ({arms.interval_text(point.measures['auc'])})."
        for point in points
        if not point.count
    ]
    return [answer, *(arms.effect_sentence(one, "auc", "AUC", OF_WHAT) for one in effects), *alone]


def _pictures(training: Sequence[EyeFiles], made: Mapping[str, Mapping[Path, bool]]) -> dict[str, dict[str, bytes]]:
    """A few photographs of each kind, healthy and ill."""
    panels = {}
    for ill, title in ((False, "Not to be referred"), (True, "To be referred")):
        for name, folders in made.items():
            eyes = [find_eyes(folder).eyes[0] for folder, is_one in folders.items() if is_one == ill]
            panels[f"{title}: {name}"] = {files.name: thumbnail(photograph_of(files)) for files in eyes}
        real = [files for files in training if is_ill(files) == ill][: len(_ILL)]
        panels[f"{title}: real"] = {
            f"{files.name}, grade {files.grade}": thumbnail(photograph_of(files)) for files in real
        }
    return panels


def _scores_csv(scores: Scores, test_files: Sequence[EyeFiles]) -> str:
    rows = [
        [files.name, files.grade, arm.name, count, draw, score]
        for (arm, count), draws in scores.items()
        for draw, of_draw in enumerate(draws)
        for files, score in zip(test_files, of_draw, strict=True)
    ]
    return table_text(["name", "grade", "arm", "count", "draw", "score"], rows)
