"""A search for better settings, by cross-validation over the training eyes, or on validation eyes of the set's own.

Test eyes are never used.

    retinasynth tune --data EYES --out TUNING --preset lean --trials 30
    retinasynth train --config TUNING/best.yaml --data EYES --out RUN         # then evaluate RUN on the test eyes

Run again, it goes on where it stopped. The first trial is the settings that the search starts from. Every trial is
one run for each fold, with as many pictures seen; its value is the mean of the measure over all training eyes, each
evaluated by the run that did not see any eye of that subject. Of a set with validation eyes these are the only fold:
every run learns from all training eyes, and is evaluated on them. What a trial tries follows from the trials before
it, the seed and its number, so that a search that was stopped equals an undisturbed one.
"""

import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retinasynth.checks import whole_number
from retinasynth.data.find import find_eyes
from retinasynth.data.matching import EyeFiles
from retinasynth.data.selection import write_selection
from retinasynth.documents import read_json
from retinasynth.errors import DataError, MissingExtraError, SettingError
from retinasynth.evaluation.leaks import refuse_leaks
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.results import LOWER_IS_BETTER, MEASURE_NAMES
from retinasynth.files import atomic_path, write_json, write_text
from retinasynth.generation.train import GeneratorSettings
from retinasynth.pix2pix.data import load_pairs
from retinasynth.progress import stages
from retinasynth.settings import did_you_mean, flat
from retinasynth.studies.comparison import read_measured
from retinasynth.studies.runs import (
    begun_study,
    drop_weights,
    pictures_seen,
    stopped,
    train_and_evaluate,
    with_budget,
)
from retinasynth.studies.space import Search, Value, as_text, searched
from retinasynth.studies.tuning_report import render
from retinasynth.studies.tuning_results import State, Trial, Tuning, summarise
from retinasynth.training.run import decisive

BEFORE_PRUNING = 5  # finished trials, before any is given up


def tune(
    data: Path,
    out: Path,
    base: GeneratorSettings,
    *,
    overrides: Sequence[str] = (),
    space: Mapping[str, Search] | None = None,
    trials: int = 20,
    measure: str = "fov_ssim",
    folds: int = 3,
    prune: bool = False,
) -> Tuning:
    """Search settings by cross-validation over the subjects of the training split, or on the set's validation eyes.

    Args:
        data: a data set; its test eyes are not used. Eyes for validation that have all planes are what trials are
            evaluated on.
        out: a new or empty folder, or that of the same search to go on with; then `trials` may be higher.
        base: settings to start from.
        overrides: settings changed in all trials, each ``name=value``; those of the built-in space are not searched.
        space: what to search instead of `retinasynth.studies.space.SPACE`.
        trials: how many; the first is `base` itself.
        measure: that of `retinasynth evaluate` to improve.
        folds: that the subjects are dealt into, where the set has no validation eyes; each is held out once.
        prune: give a trial up after a fold when it is worse by then than the median of the others.

    Raises:
        DataError, ImageError, SettingError: the data, the space or the settings cannot be used.
        InputError: `out` holds another search.
        MissingExtraError: optuna is not installed.
        InterruptedRunError: the user stopped it; the same call goes on.
    """
    optuna = _optuna()
    if measure not in MEASURE_NAMES:
        raise SettingError(
            f"There is no measure {measure!r}{did_you_mean(measure, MEASURE_NAMES)}",
            expected=f"one of: {', '.join(MEASURE_NAMES)}",
        )
    trials, folds = whole_number(trials, "trials"), whole_number(folds, "folds", least=2)
    base = base.with_overrides([*overrides, "data.folder="])
    chosen = searched(base, space, overrides)
    labels = base.data.labels or None
    found = find_eyes(data, labels=labels)
    files = found.split("train")
    validation = [one for one in found.split("val") if one.photograph and one.has(base.needed_planes)]
    dealt = [sorted(one.name for one in validation)] if validation else deal(files, folds)
    used = (*files, *validation)
    plan = {
        "settings": decisive(base),
        "space": {name: search.model_dump(mode="json") for name, search in chosen.items()},
        "measure": measure,
        "number of folds": len(dealt),
        "prune": prune,
        "data": {
            "training pairs": load_pairs(used, SIZE_PX, planes=base.needed_planes).fingerprint,
            "folds": hashlib.sha256(json.dumps(dealt).encode()).hexdigest(),
        },
        "trials": trials,
    }
    with begun_study(out, plan, may_grow="trials", what="a search"):
        selections = _write_folds(out, found.folder, [one.name for one in used], dealt)
        for selection in selections:  # before anything is trained
            fold = find_eyes(selection, labels=labels)
            refuse_leaks(fold.split("train"), fold.split("test"))
        study = _Study(optuna, base, chosen, measure, selections, out, prune)
        done: list[Trial] = []
        begin = stages("Trial", trials)
        for number in range(1, trials + 1):
            trial = _read_trial(_folder(out, number) / "trial.json")
            if trial is None:
                begin(
                    number,
                    "the settings that the search starts from" if number == 1 else _best_so_far(done, measure),
                )
                with stopped(out, f"trial {number} of {trials}"):
                    trial = study.run(number, done)
                write_json(_folder(out, number) / "trial.json", trial.to_json())
            done.append(trial)
        made = summarise(
            found, files, validation, base, chosen, measure, folds, done, importances=study.importances(done)
        )
        study.write_journal(done)
        write_json(out / "tuning.json", made.to_json())
        if made.best is not None:
            write_text(out / "best.yaml", settings_of(base, made.best.params, files).to_yaml())
        write_text(out / "report.html", render(made))
    return made


def _optuna() -> Any:
    """The library, which is an extra and slow to import, kept quiet."""
    try:
        import optuna  # noqa: PLC0415 - an extra
        import optuna.storages.journal  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("tune", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def settings_of(base: GeneratorSettings, params: Mapping[str, Value], files: Sized) -> GeneratorSettings:
    """The settings of a trial for so many training eyes, with as many pictures seen as `base` would.

    Raises:
        SettingError: they are impossible together, or a step takes more eyes than there are.
    """
    settings = base.with_overrides([f"{name}={as_text(base, name, value)}" for name, value in params.items()])
    return with_budget(settings, files, pictures_seen(base, files))


def _best_so_far(done: Sequence[Trial], measure: str) -> str:
    values = [trial.value for trial in done if trial.value is not None]
    if not values:
        return "none has finished yet"
    best = min(values) if measure in LOWER_IS_BETTER else max(values)
    return f"best {MEASURE_NAMES[measure]} so far {best:.4f}"


# --- Folds -------------------------------------------------------------------------------------------------------


def deal(files: Sequence[EyeFiles], folds: int) -> list[list[str]]:
    """Names of eyes in folds of about one size, all eyes of a subject in one.

    Subjects are taken in the order of a hash of their names, each into the fold that has fewest pictures by then.

    Args:
        files: the eyes.
        folds: how many, at least 2.

    Raises:
        SettingError: there are fewer subjects than folds.
    """
    subjects: dict[str, list[str]] = {}
    for one in files:
        subjects.setdefault(one.subject, []).append(one.name)
    if not 2 <= folds <= len(subjects):
        raise SettingError(
            f"folds is {folds}, and the training split has {len(subjects)} subjects",
            expected=f"2 to {len(subjects)}" if len(subjects) > 1 else "at least two subjects",
        )
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for subject in sorted(subjects, key=lambda name: hashlib.sha256(name.encode()).digest()):
        min(dealt, key=len).extend(subjects[subject])
    return [sorted(held_out) for held_out in dealt]


def _write_folds(out: Path, data: Path, everybody: Sequence[str], dealt: Sequence[Sequence[str]]) -> list[Path]:
    """Each fold as a data set whose test eyes are its own."""
    return [
        write_selection(
            (out / "folds" / f"fold-{number}").resolve(),
            data,
            train=sorted(set(everybody) - set(held_out)),
            test=held_out,
        )
        for number, held_out in enumerate(dealt)
    ]


# --- Trials ------------------------------------------------------------------------------------------------------


def _folder(out: Path, number: int) -> Path:
    return out / "trials" / f"trial-{number:03d}"


def _read_trial(path: Path) -> Trial | None:
    if not path.is_file():
        return None
    again = "Remove it and run the same command again"
    try:
        return Trial.from_json(read_json(path, DataError, what="a trial", do=again))
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a trial ({error})", do=again) from error


@dataclass(frozen=True)
class _Study:
    """What tries settings and learns from it.

    The history lies in the trials' own files. Optuna's study is made of it anew for each trial, with a sampler of its
    own seed: there is no state to lose when a search is stopped.
    """

    optuna: Any
    base: GeneratorSettings
    space: Mapping[str, Search]
    measure: str
    selections: Sequence[Path]
    out: Path
    prune: bool

    @functools.cached_property
    def distributions(self) -> dict[str, Any]:
        """Of each setting of the space."""
        return {name: _distribution(self.optuna, self.base, name, search) for name, search in self.space.items()}

    def run(self, number: int, done: Sequence[Trial]) -> Trial:
        """Train and evaluate on each fold what the trials before suggest."""
        study = self._of_trials(done, sampler=self.optuna.samplers.TPESampler(seed=self.base.training.seed + number))
        if not done:
            start = flat(self.base)
            study.enqueue_trial({name: start[name] for name in self.space})
        asked = study.ask(self.distributions)
        pictures: dict[str, float] = {}
        values: list[float] = []
        state: State = "finished"
        why = ""
        for fold, selection in enumerate(self.selections):
            try:
                why, found = self._fold(number, fold, selection, asked.params)
            except SettingError as error:
                state, why = "impossible", error.got
                break
            if why:
                state = "diverged"
                break
            pictures |= found
            values.append(math.fsum(pictures.values()) / len(pictures))
            asked.report(values[-1], fold)
            if fold + 1 < len(self.selections) and asked.should_prune():
                state = "pruned"
                break
        return Trial(number, dict(asked.params), state, tuple(values), pictures, why)

    def _fold(
        self, number: int, fold: int, selection: Path, params: Mapping[str, Value]
    ) -> tuple[str, dict[str, float]]:
        """Why the run of a fold diverged, or the measure of each of its pictures."""
        folder = _folder(self.out, number) / f"fold-{fold}"
        learnt_from = find_eyes(selection, labels=self.base.data.labels or None).split("train")
        settings = settings_of(self.base, params, learnt_from)
        run, evaluation = folder / "run", folder / "evaluation"
        why = train_and_evaluate(selection, run, evaluation, settings)
        drop_weights(run)
        if why:
            return why, {}
        found = read_measured(evaluation)
        if self.measure not in found.each:
            raise DataError(
                f"{MEASURE_NAMES[self.measure]} cannot be measured on every eye of {selection.name}",
                do="Choose another `measure`",
            )
        return "", dict(zip(found.pictures, found.each[self.measure], strict=True))

    def _of_trials(self, done: Sequence[Trial], *, sampler: Any = None, storage: Any = None) -> Any:
        """Optuna's study of some trials, in memory or in a storage."""
        startup = BEFORE_PRUNING if self.prune else 10**9
        study = self.optuna.create_study(
            study_name="retinasynth",
            direction="minimize" if self.measure in LOWER_IS_BETTER else "maximize",
            sampler=sampler,
            pruner=self.optuna.pruners.MedianPruner(n_startup_trials=startup),
            storage=storage,
        )
        study.add_trials([self._frozen(trial) for trial in done])
        return study

    def _frozen(self, trial: Trial) -> Any:
        """A trial as optuna wants it. What diverged counts as given up, so that the search keeps away from it."""
        states = self.optuna.trial.TrialState
        state = {"finished": states.COMPLETE, "impossible": states.FAIL}.get(trial.state, states.PRUNED)
        return self.optuna.trial.create_trial(
            state=state,
            value=trial.value,
            params=dict(trial.params),
            distributions=self.distributions,
            intermediate_values=dict(enumerate(trial.by_fold)),
            user_attrs={"state": trial.state, "why": trial.why},
        )

    def importances(self, done: Sequence[Trial]) -> dict[str, float]:
        """The share of each setting in how good trials are, by PED-ANOVA; empty with too few trials to tell."""
        finished = {trial.value for trial in done if trial.state == "finished"}
        if len(finished) < 2 * len(self.space):
            return {}
        shares = self.optuna.importance.get_param_importances(self._of_trials(done))
        return {name: float(share) for name, share in shares.items()}

    def write_journal(self, done: Sequence[Trial]) -> None:
        """All trials as a storage of optuna's own (lines of JSON), for its dashboard and other tools."""
        with atomic_path(self.out / "study.journal") as temporary:
            backend = self.optuna.storages.journal.JournalFileBackend(str(temporary))
            self._of_trials(done, storage=self.optuna.storages.JournalStorage(backend))


def _distribution(optuna: Any, base: GeneratorSettings, name: str, search: Search) -> Any:
    if search.low is None or search.high is None:
        return optuna.distributions.CategoricalDistribution(search.choices)
    kept = flat(base)[name]
    if isinstance(kept, int):
        return optuna.distributions.IntDistribution(int(search.low), int(search.high), log=search.log)
    return optuna.distributions.FloatDistribution(search.low, search.high, log=search.log)
