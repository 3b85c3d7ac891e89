"""An ablation: rows of settings with one budget and the same seeds, each compared with the first.

    retinasynth ablate --data EYES --out ABLATION                      # the ablation of the published system
    retinasynth ablate --data EYES --out ABLATION --seeds 5            # later: three more seeds of the same
    retinasynth ablate --data EYES --out MINE --table rows.yaml --set epochs=10

Run again, it goes on where it stopped. ``runs/ROW/seed-N`` are ordinary run folders, ``evaluations/ROW/seed-N`` their
figures; ``ablation.json``, ``ablation.csv`` and ``report.html`` are written anew after each seed.
"""

from collections.abc import Sequence
from pathlib import Path

from retinasynth.checks import whole_number
from retinasynth.data.find import find_eyes
from retinasynth.evaluation.leaks import refuse_leaks
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.subjects import test_eyes
from retinasynth.files import write_json, write_text
from retinasynth.pix2pix.data import load_pairs
from retinasynth.progress import stages
from retinasynth.studies.ablation_report import render
from retinasynth.studies.ablation_results import Ablation, summarise
from retinasynth.studies.runs import begun_study, pictures_seen, stopped, train_and_evaluate, with_budget
from retinasynth.studies.table import Table
from retinasynth.training.run import decisive

MOST_SEEDS = 100


def ablate(
    data: Path,
    out: Path,
    table: Table,
    *,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    seeds: int = 2,
) -> Ablation:
    """Train and evaluate every row with every seed, and compare each row with the first.

    All runs have one budget: the pictures that the first row sees. That is the same number of steps, unless a row
    changes the batch size.

    Args:
        data: a data set with a training and a test split.
        out: a new or empty folder, or that of the same ablation to go on with; then `seeds` may be higher.
        table: the rows.
        preset: settings to start from instead of the table's.
        overrides: settings changed in all rows, each ``name=value``.
        seeds: how many; they follow the one in the settings.

    Raises:
        DataError, ImageError, SettingError: the data or the settings cannot be used.
        InputError: `out` holds an ablation of other rows or other data.
        InterruptedRunError: the user stopped it; the same call goes on.
    """
    seeds = whole_number(seeds, "seeds", most=MOST_SEEDS)
    chosen = table.settings(preset, overrides)
    base = next(iter(chosen.values()))
    found = find_eyes(data, labels=base.data.labels or None)
    train_files, test_files = found.split("train"), test_eyes(found)
    refuse_leaks(train_files, test_files)
    budget = pictures_seen(base, train_files)
    chosen = {name: with_budget(settings, train_files, budget) for name, settings in chosen.items()}
    plan = {
        "rows": {name: decisive(settings) for name, settings in chosen.items()},
        "data": {
            "training pairs": load_pairs(train_files, SIZE_PX, planes=base.needed_planes).fingerprint,
            "test pairs": load_pairs(test_files, SIZE_PX).fingerprint,
        },
        "seeds": seeds,
    }
    total, first = seeds * len(chosen), base.training.seed
    begin = stages("Run", total)
    diverged: dict[str, dict[int, str]] = {name: {} for name in chosen}
    with begun_study(out, plan, may_grow="seeds", what="an ablation"):
        for seed in range(first, first + seeds):  # seed by seed, so that whole comparisons come early
            for number, (name, settings) in enumerate(chosen.items(), start=1 + (seed - first) * len(chosen)):
                run, evaluation = (out / kind / name / f"seed-{seed}" for kind in ("runs", "evaluations"))
                seeded = settings.with_overrides([f"training.seed={seed}"])
                if not evaluation.is_dir():
                    begin(number, f"{name}, seed {seed}")
                with stopped(out, f"run {number} of {total}"):
                    why = train_and_evaluate(found.folder.resolve(), run, evaluation, seeded)
                if why:
                    diverged[name][seed] = why
            made = summarise(found, out, table, chosen, range(first, seed + 1), diverged)
            write_json(out / "ablation.json", made.to_json())
            write_text(out / "ablation.csv", made.to_csv())
            write_text(out / "report.html", render(made, found, out))
    return made
