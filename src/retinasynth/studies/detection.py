"""Do synthetic eyes help to find disease? Referable retinopathy, told by a simple classifier, with and without them.

    retinasynth detection --data IDRID_GRADING --out STUDY

A frozen network describes each photograph, and a logistic regression tells from its features whether the eye should be
referred. It learns from few or many real photographs, with and without synthetic eyes that were grown with lesions and
without. Run again, it goes on where it stopped. Writes ``detection.json``, ``detection.csv``, ``scores.csv`` (how sure
each classifier is of each test photograph), ``figure.svg`` and ``report.html``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

import retinasynth
from retinasynth.checks import MOST_WORKERS, whole_number
from retinasynth.data.batches import stamp_of
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.grades import REFERABLE
from retinasynth.data.grown import GrownSet, write_grown_set
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import Sketch, find_near_duplicates, find_near_duplicates_between, sketch
from retinasynth.documents import read_json
from retinasynth.errors import DataError, SettingError
from retinasynth.evaluation.metrics.features import Features, FundusFeatures, ImageNetFeatures
from retinasynth.files import atomic_path, output_folder, write_json, write_text
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set
from retinasynth.images import encoded, square_photograph
from retinasynth.intervals import LEVEL, RESAMPLES, SEED, Estimate
from retinasynth.parallel import THREADS, in_order
from retinasynth.progress import progress
from retinasynth.resuming import going_on
from retinasynth.studies.arms import Arm, Gap, Point, Study, figure_text, gap_sentence, interval_text, listed, outcome
from retinasynth.studies.arms_report import write_study
from retinasynth.studies.runs import keep_to_plan
from retinasynth.tables import table_text

ALL = "all"
COUNTS = ("20", "50", "100", ALL)
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
_STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of scikit-learn's C, weak fits to strong ones
_WEIGHTS = (0.03, 0.2, 1.0)  # of all synthetic eyes together, to all real photographs together
_COMPONENTS = 100
_FOLDS = 5
_SHOWN_PX = 256
_MOST_BYTES = 10**8  # of a file of scores

REAL = Arm("real only", has_synthetic=False, is_strong=True)
BOTH = Arm("real + procedural", has_synthetic=True, is_strong=False)
WITH_GENERATED = Arm("real + generated", has_synthetic=True, is_strong=True)
PROCEDURAL = Arm("procedural only", has_synthetic=True, is_strong=False)
GENERATED = Arm("generated only", has_synthetic=True, is_strong=True)
ARMS = (REAL, WITH_GENERATED, BOTH, GENERATED, PROCEDURAL)
_GAPS = ((WITH_GENERATED, REAL), (BOTH, REAL))

MEASURES = {"auc": "AUC"}
OF_WHAT = "real training photograph"
CONVENTIONS = {
    "referable": f"grade {REFERABLE} or above of the international scale of diabetic retinopathy",
    "classifier": "logistic regression on the features of one frozen network, each feature brought to mean 0 and about "
    "deviation 1 among the photographs of its kind (real or synthetic; its deviation and the median one are added in "
    f"quadrature), and of all only the first {_COMPONENTS} principal components, in which each kind counts half",
    "what is chosen": f"the strength of the regularisation, and how much synthetic eyes weigh, by {_FOLDS}-fold "
    "cross-validation over the real training photographs of a draw alone, by log loss; without real ones over the "
    "synthetic ones",
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


@dataclass(frozen=True)
class Described:
    """Photographs as the classifier sees them.

    Attributes:
        rows: features, ``float (photographs, dimensions)``.
        is_ill: ``bool (photographs,)``: to be referred.
    """

    rows: NDArray[np.floating]
    is_ill: NDArray[np.bool_]

    def standardised(self, as_of: "Described | None" = None) -> "Described":
        """Every feature with mean 0 and at most a deviation of 1.

        To its deviation, the median deviation of all features is added in quadrature (as to each gene's in V. Tusher et
        al., PNAS 98(9), 2001): among twenty photographs many a feature hardly varies by chance, and would elsewhere
        outweigh all others.

        Args:
            as_of: photographs that set mean and deviation; else these.
        """
        rows = (as_of or self).rows.astype(np.float64)
        deviation = rows.std(axis=0)
        steady = np.hypot(deviation, np.median(deviation)) + 1e-6
        return Described(((self.rows - rows.mean(axis=0)) / steady).astype(np.float32), self.is_ill)


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
        raise SettingError(f"--features is {features!r}", expected=f"one of: {', '.join(FEATURES)}")
    look = FEATURES[features]()
    training, judges = graded(data)
    plan = {
        "features": features,
        "synthetic": synthetic,
        "parameters": dict(parameters or _CAMERA),
        "data": {side: _stamp(files) for side, files in (("training", training), ("test", judges))},
        "draws": draws,
    }
    output_folder(out)
    with going_on(out):
        keep_to_plan(out, plan, may_grow="draws", what="a study of detection")
        training = [training[index] for index in _kept(training, judges)]
        numbers = _counts(counts, training, data)
        made = _synthetic(out, synthetic, generator, dict(parameters or _CAMERA), workers)
        real, test = (_described(out, name, files, look) for name, files in (("training", training), ("test", judges)))
        kinds = {name: _of_kind(out, name, folders, look) for name, folders in made.items()}
        scores = _scores(out, real, test, kinds, numbers, draws)
        about = _about(data, training, judges, look, generator, synthetic)
        study = _summarise(scores, test, numbers, draws, _pictures(training, made), about)
        write_text(out / "scores.csv", _scores_csv(scores, judges))
        write_study(study, out, "detection")
    return study


# --- Photographs -------------------------------------------------------------------------------------------------


def graded(data: Path) -> tuple[list[EyeFiles], list[EyeFiles]]:
    """The training and the test photographs whose grade is known.

    Raises:
        DataError: there are none, or one side has but one kind.
    """
    found = find_eyes(data)
    eyes = [files for files in found.eyes if files.photograph and files.grade is not None]
    if not eyes:
        raise DataError(
            f"{found.folder} has no grades of retinopathy ({len(found.eyes)} eyes)",
            expected="a table of comma-separated text with the columns image and retinopathy_grade, as in IDRiD",
            do="Put one beside the photographs, in train/ and in test/ where both use the same names",
        )
    sides = ([files for files in eyes if files.split == side] for side in ("train", "test"))
    training, judges = sides
    for side, files in (("training", training), ("test", judges)):
        ill = sum(map(is_ill, files))
        if min(ill, len(files) - ill) < 2:
            raise DataError(
                f"{found.folder} has {ill} {side} photographs of grade {REFERABLE} or more, {len(files) - ill} others",
                expected="at least two of each on both sides",
            )
    return training, judges


def is_ill(files: EyeFiles) -> bool:
    """Whether an eye should be referred."""
    return files.grade is not None and files.grade >= REFERABLE


def _stamp(files: Sequence[EyeFiles]) -> str:
    """Of the names, grades, sizes and times of photographs."""
    stamps = [[one.grade, *stamp_of(one, ())] for one in files]
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()


def _kept(training: Sequence[EyeFiles], judges: Sequence[EyeFiles]) -> list[int]:
    """Which training photographs show no retina of a test photograph, nor one that stands before them."""
    sketches = []
    both = [*training, *judges]
    with progress("Looking for twins", len(both)) as advance, ThreadPoolExecutor(THREADS) as pool:
        for done, one in enumerate(pool.map(lambda files: sketch(photograph_of(files)), both), start=1):
            sketches.append(one)
            advance(done, "")
    return without_twins(sketches[: len(training)], sketches[len(training) :])


def without_twins(training: Sequence[Sketch], judges: Sequence[Sketch]) -> list[int]:
    """Places of the training photographs that show no retina of a test photograph, nor of one before them."""
    out = {twins.second for twins in find_near_duplicates(training)} | {
        twins.first for twins in find_near_duplicates_between(training, judges)
    }
    return [index for index in range(len(training)) if index not in out]


def _counts(counts: Sequence[str], training: Sequence[EyeFiles], data: Path) -> list[int]:
    if not counts or not all(one == ALL or (one.isdecimal() and int(one) >= 4) for one in counts):
        raise SettingError(f"--photographs is {' '.join(counts) or 'empty'}", expected=f"numbers from 4, or {ALL}")
    numbers = sorted({len(training) if one == ALL else int(one) for one in counts})
    if numbers[-1] > len(training):
        raise DataError(
            f"{data} has {len(training)} graded training photographs without twins, but {numbers[-1]} are asked for",
            expected=f"at most {len(training)}",
            do=f"Choose others: --photographs {ALL}",
        )
    return numbers


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


def _described(out: Path, name: str, files: Sequence[EyeFiles], look: Features) -> Described:
    """What a network sees in photographs; kept in ``features/``."""
    path = out / "features" / f"{name}.npy"
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there yet, or damaged
        kept = np.empty((0, 0))
    if len(kept) != len(files) or not np.isfinite(kept).all():
        rows = []
        with progress(f"Describing {name}", len(files)) as advance:
            for number, row in enumerate(in_order(look, map(photograph_of, files)), start=1):
                rows.append(row)
                advance(number, "")
        kept = np.stack(rows)
        with atomic_path(path) as temporary:
            np.save(temporary, kept)
    return Described(kept, np.array([is_ill(one) for one in files]))


def _of_kind(out: Path, name: str, folders: Mapping[Path, bool], look: Features) -> Described:
    parts = [
        (_described(out, f"{name}-{folder.name}", find_eyes(folder).eyes, look).rows, ill)
        for folder, ill in folders.items()
    ]
    return Described(
        np.concatenate([rows for rows, _ in parts]), np.concatenate([np.full(len(rows), ill) for rows, ill in parts])
    )


# --- The classifier ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """What cross-validation chose.

    Attributes:
        strength: C of the regularisation.
        weight: of all synthetic eyes together, where all real photographs together have 1.
    """

    strength: float
    weight: float = 1.0


def components(kinds: Sequence[Described]) -> NDArray[np.float64]:
    """The directions in which photographs differ most, ``float (dimensions, components)``; each kind counts alike."""
    rows = np.concatenate([kind.rows / np.sqrt(len(kind.rows)) for kind in kinds]).astype(np.float64)
    return np.linalg.svd(rows, full_matrices=False)[2][:_COMPONENTS].T


def fitted(real: Described | None, synthetic: Described | None, choice: Choice) -> LogisticRegression:
    """A classifier that learnt from photographs, real or synthetic ones or both, each kind standardised.

    Args:
        real: real photographs; each counts once.
        synthetic: synthetic ones; together they count `Choice.weight` times as much as the real ones.
        choice: how.
    """
    parts = [(real, 1.0)] if real else []
    if synthetic:
        parts.append((synthetic, choice.weight * len(real.rows) / len(synthetic.rows) if real else 1.0))
    rows, ill = (np.concatenate(list(of)) for of in zip(*((part.rows, part.is_ill) for part, _ in parts), strict=True))
    weights = np.concatenate([np.full(len(part.rows), weight) for part, weight in parts])
    return LogisticRegression(C=choice.strength, solver="newton-cholesky", tol=1e-3).fit(rows, ill, weights)


def chosen(real: Described | None, synthetic: Described | None, seed: int) -> Choice:
    """The best choice by cross-validation over the real photographs, by log loss.

    Args:
        real: real photographs; without them, cross-validation goes over the synthetic ones.
        synthetic: learnt from in every fold, where there are real ones.
        seed: of the folds.
    """
    judged = real or synthetic
    if judged is None:
        raise ValueError("nothing to learn from")
    folds = min(_FOLDS, int(np.bincount(judged.is_ill, minlength=2).min()))
    divisions = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(judged.rows, judged.is_ill))
    best, least = Choice(_STRENGTHS[0]), np.inf
    for strength in _STRENGTHS:
        for weight in _WEIGHTS if real and synthetic else (1.0,):
            choice = Choice(strength, weight)
            losses = []
            for others, these in divisions:
                part = Described(judged.rows[others], judged.is_ill[others])
                model = fitted(part, synthetic, choice) if real else fitted(None, part, choice)
                losses.append(
                    log_loss(judged.is_ill[these], model.predict_proba(judged.rows[these])[:, 1], labels=[False, True])
                )
            if np.mean(losses) < least:
                best, least = choice, float(np.mean(losses))
    return best


def drawn(is_ill: NDArray[np.bool_], fewest: int, draw: int) -> NDArray[np.intp]:
    """An order of the training photographs whose first few hold at least two of each kind.

    Args:
        is_ill: of each training photograph.
        fewest: the smallest number that is learnt from.
        draw: the same number, the same order.
    """
    random = np.random.default_rng(draw)
    order = random.permutation(len(is_ill))
    while not 2 <= is_ill[order[:fewest]].sum() <= fewest - 2:
        order = random.permutation(len(is_ill))
    return order


Scores = Mapping[tuple[Arm, int], NDArray[np.float64]]  # float (draws, test photographs)


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
                some = drawn(real.is_ill, counts[0], draw)[: count or None]
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
        basis = components([kind for kind in kinds if kind])
        ours, made = (kind and Described(kind.rows @ basis, kind.is_ill) for kind in kinds)
        choice = chosen(ours, made, seed=draw)
        scores = fitted(ours, made, choice).decision_function(seen @ basis)
        found[arm.name] = {
            "strength": choice.strength,
            "weight": choice.weight,
            "scores": [round(float(score), 6) for score in scores],
        }
    return found


# --- What it showed ----------------------------------------------------------------------------------------------


def comparisons(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Whether each positive has a higher score than each negative: 1, 0, or one half where they are the same.

    Its mean is the area under the curve (Mann and Whitney, 1947).

    Args:
        scores: ``float (draws, photographs)``.
        positive: ``bool (photographs,)``.

    Returns:
        ``float (draws, positives, negatives)``.
    """
    above = scores[:, positive, None] - scores[:, None, ~positive]
    return (np.sign(above) + 1) / 2


def bootstrap_area(
    compared: NDArray[np.float64], *, seed: int = SEED, resamples: int = RESAMPLES, level: float = LEVEL
) -> Estimate:
    """An area under the curve, or a difference of two, with its interval over photographs and draws.

    Positives, negatives and draws are resampled independently of one another.

    Args:
        compared: what `comparisons` gives, or the difference of two of them, ``float (draws, positives, negatives)``.
        seed: of the resampling.
        resamples: number of resampled sets.
        level: share of resampled figures inside the interval.

    Source:
        A. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007; resampling of positives and
        negatives apart as in M. Pepe, "The Statistical Evaluation of Medical Tests", 2003, section 5.2.

    Example:
        >>> bootstrap_area(np.ones((1, 2, 3)))
        Estimate(mean=1.0, low=1.0, high=1.0, n=5)
    """
    random = np.random.default_rng(seed)
    draws, positives, negatives = (
        random.multinomial(size, np.full(size, 1 / size), resamples) / size for size in compared.shape
    )
    of_draw = np.stack([((positives @ one) * negatives).sum(axis=1) for one in compared], axis=1)
    areas = (of_draw * draws).sum(axis=1)
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(compared.mean()), float(low), float(high), compared.shape[1] + compared.shape[2])


def _summarise(
    scores: Scores,
    test: Described,
    counts: Sequence[int],
    draws: int,
    pictures: Mapping[str, Mapping[str, bytes]],
    about: Mapping[str, str],
) -> Study:
    compared = {key: comparisons(rows, test.is_ill) for key, rows in scores.items()}
    sources = {
        REAL: "real photographs",
        WITH_GENERATED: "real photographs, and grown eyes photographed by the generator",
        BOTH: "real photographs, and grown eyes with procedural photographs",
        GENERATED: "grown eyes photographed by the generator; no grade of a real photograph",
        PROCEDURAL: "grown eyes with procedural photographs; no grade of a real photograph",
    }
    points = [
        Point(arm.name, count, sources[arm], {"auc": bootstrap_area(compared[arm, count])})
        for count in [0, *counts]
        for arm in ARMS
        if (arm, count) in compared
    ]
    gaps = [
        Gap(first.name, second.name, count, {"auc": bootstrap_area(compared[first, count] - compared[second, count])})
        for first, second in _GAPS
        for count in counts
    ]
    return Study(
        title="Do synthetic eyes help to find referable retinopathy?",
        verdict=_verdict(points, gaps),
        measures=MEASURES,
        of_what=OF_WHAT,
        arms=ARMS,
        points=points,
        gaps=gaps,
        conventions=CONVENTIONS,
        about={**about, "Draws": str(draws), "Version": retinasynth.__version__},
        pictures=pictures,
        pictures_note="Of each kind the first ones, not chosen. The same eye in both kinds of synthetic photographs.",
    )


def _verdict(points: Sequence[Point], gaps: Sequence[Gap]) -> list[str]:
    """The answer first, then each comparison, and what synthetic eyes do alone."""
    shown = {"better": "raise the AUC", "worse": "lower the AUC", "undecided": "are not shown to change the AUC"}
    clauses = []
    for kind, words in shown.items():
        counts = [
            str(gap.count) for gap in gaps if gap.first == WITH_GENERATED.name and outcome(gap.measures["auc"]) == kind
        ]
        if counts:
            clauses.append(f"{words} with {listed(counts)}")
    answer = f"Generated eyes {'; they '.join(clauses)} {OF_WHAT}s."
    alone = [
        f"{point.arm.capitalize()}, without a grade of a real photograph: AUC "
        f"{figure_text(point.measures['auc'].mean)} ({interval_text(point.measures['auc'])})."
        for point in points
        if not point.count
    ]
    return [answer, *(gap_sentence(gap, "auc", "AUC", OF_WHAT) for gap in gaps), *alone]


def _pictures(training: Sequence[EyeFiles], made: Mapping[str, Mapping[Path, bool]]) -> dict[str, dict[str, bytes]]:
    """A few photographs of each kind, healthy and ill."""
    panels = {}
    for ill, title in ((False, "Not to be referred"), (True, "To be referred")):
        for name, folders in made.items():
            eyes = [find_eyes(folder).eyes[0] for folder, is_one in folders.items() if is_one == ill]
            panels[f"{title}: {name}"] = {files.name: _small(files) for files in eyes}
        real = [files for files in training if is_ill(files) == ill][: len(_ILL)]
        panels[f"{title}: real"] = {f"{files.name}, grade {files.grade}": _small(files) for files in real}
    return panels


def _small(files: EyeFiles) -> bytes:
    return encoded(square_photograph(photograph_of(files), _SHOWN_PX, "letterbox"), "JPEG")


def _about(
    data: Path, training: Sequence[EyeFiles], judges: Sequence[EyeFiles], look: Features, generator: str, synthetic: int
) -> dict[str, str]:
    ill = [sum(map(is_ill, files)) for files in (training, judges)]
    return {
        "Data": f"{data.name}: {len(training)} training photographs without twins ({ill[0]} to be referred), "
        f"{len(judges)} test photographs ({ill[1]} to be referred)",
        "Features": look.name,
        "Synthetic eyes": f"{synthetic} with lesions of moderate retinopathy and more, {synthetic} without lesions or "
        "with a few microaneurysms",
        "Generator": generator,
    }


def _scores_csv(scores: Scores, judges: Sequence[EyeFiles]) -> str:
    rows = [
        [files.name, files.grade, arm.name, count, draw, score]
        for (arm, count), draws in scores.items()
        for draw, of_draw in enumerate(draws)
        for files, score in zip(judges, of_draw, strict=True)
    ]
    return table_text(["name", "grade", "arm", "count", "draw", "score"], rows)
