"""What an ablation showed: every row beside the baseline, in figures and in plain words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import retinasynth
from retinasynth.data.batches import steps_per_epoch
from retinasynth.data.find import DataSet
from retinasynth.data.matching import EyeFiles
from retinasynth.generation.train import GeneratorSettings
from retinasynth.studies import comparison
from retinasynth.studies.comparison import Agreement, Difference, Level
from retinasynth.studies.runs import pictures_seen
from retinasynth.studies.table import Row, Table, settings_text
from retinasynth.tables import table_text

BASELINE = "The baseline, which the others are compared with."


@dataclass(frozen=True)
class RowResult:
    """What one row showed.

    Attributes:
        row: what it changes, and what was claimed of it.
        settings: of its runs, without their seed.
        steps: of each run.
        pictures: seen by each run, counted as often as it sees them.
        diverged: why a run did, by seed.
        measures: over the runs that did not.
        differences: to the baseline; empty for the baseline itself, and where nothing can be compared.
        verdict: in plain words.
        agreement: with the claim; None where none can be tested.
    """

    row: Row
    settings: GeneratorSettings
    steps: int
    pictures: int
    diverged: Mapping[int, str]
    measures: Mapping[str, Level]
    differences: Mapping[str, Difference]
    verdict: str
    agreement: Agreement | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.row.name,
            "overrides": list(self.row.overrides),
            "claim": self.row.claim,
            "expected": self.row.expected,
            "agreement": self.agreement,
            "verdict": self.verdict,
            "steps": self.steps,
            "pictures_seen": self.pictures,
            "diverged": {str(seed): why for seed, why in self.diverged.items()},
            "measures": {name: level._asdict() | {"seeds": list(level.seeds)} for name, level in self.measures.items()},
            "differences": {name: difference._asdict() for name, difference in self.differences.items()},
        }


@dataclass(frozen=True)
class Ablation:
    """What an ablation showed.

    Attributes:
        title: heading of its report.
        verdict: plain sentences, the answer first.
        rows: the baseline first.
        seeds: that all rows were run with.
        about: data, settings, budget, version.
    """

    title: str
    verdict: list[str]
    rows: list[RowResult]
    seeds: range
    about: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """What ``ablation.json`` holds."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "seeds": list(self.seeds),
            "rows": [row.to_json() for row in self.rows],
            "conventions": comparison.CONVENTIONS,
            "about": dict(self.about),
        }

    def to_csv(self) -> str:
        """What ``ablation.csv`` holds: a line for each row and measure."""
        differences = [f"difference_{name}" for name in ("mean", "low", "high")]
        columns = ["row", "measure", "seeds", "mean", "low", "high", *differences, "seed_spread", "outcome"]
        rows = []
        for result in self.rows:
            for name, level in result.measures.items():
                figures = [result.row.name, name, len(level.seeds), *level[:3]]
                rows.append([*figures, *result.differences.get(name, [""] * len(Difference._fields))])
        return table_text(columns, rows)


def summarise(
    found: DataSet,
    out: Path,
    table: Table,
    chosen: Mapping[str, GeneratorSettings],
    seeds: range,
    diverged: Mapping[str, Mapping[int, str]],
) -> Ablation:
    """Compare the rows over the seeds that are finished.

    Args:
        found: the data set.
        out: the folder of the ablation.
        table: the rows.
        chosen: their settings, without the seed.
        seeds: that every row is finished with.
        diverged: by row and seed, why a run did.

    Raises:
        DataError: an evaluation cannot be read.
    """
    train_files, test_files = found.split("train"), found.split("test")
    measured = {
        name: [
            comparison.read_measured(out / "evaluations" / name / f"seed-{seed}")
            for seed in seeds
            if seed not in diverged[name]
        ]
        for name in chosen
    }
    baseline = measured[table.rows[0].name]
    rows = []
    for row in table.rows:
        settings, runs, lost = chosen[row.name], measured[row.name], diverged[row.name]
        is_baseline = row is table.rows[0]
        differences = comparison.compare(runs, baseline) if runs and baseline and not is_baseline else {}
        words = comparison.verdict(differences, diverged=len(lost), runs=len(seeds))
        if is_baseline:
            words = f"The baseline. {words}" if lost else BASELINE
        rows.append(
            RowResult(
                row,
                settings,
                steps=settings.training.epochs * steps_per_epoch(train_files, settings.training),
                pictures=pictures_seen(settings, train_files),
                diverged=lost,
                measures=comparison.levels(runs) if runs else {},
                differences=differences,
                verdict=words,
                agreement=None if is_baseline else comparison.agreement(row.expected, differences, diverged=len(lost)),
            )
        )
    about = {
        "Data": f"{found.folder.name}: {len(train_files)} training and {len(test_files)} test pictures of "
        f"{len({files.eye for files in test_files})} eyes",
        "Settings of the baseline": settings_text(chosen[table.rows[0].name]),
        "Budget": _budget(rows),
        "Seeds": ", ".join(map(str, seeds)),
        "retinasynth": retinasynth.__version__,
    }
    return Ablation(
        f"Ablation {table.name} on {found.folder.name}", _verdict(rows, seeds, test_files), rows, seeds, about
    )


def _budget(rows: Sequence[RowResult]) -> str:
    base = rows[0]
    others = [row for row in rows if (row.steps, row.pictures) != (base.steps, base.pictures)]
    clauses = [f"Every run sees {base.pictures:,} pictures in {base.steps:,} steps"]
    clauses += [f"{row.row.name} {row.pictures:,} in {row.steps:,} steps" for row in others]
    unequal = any(row.pictures != base.pictures for row in others)
    return f"{'; '.join(clauses)}{', as near as whole epochs come' if unequal else ''}."


def _verdict(rows: Sequence[RowResult], seeds: range, test_files: Sequence[EyeFiles]) -> list[str]:
    base, *others = rows
    if not base.measures:
        return ["The baseline diverged with every seed, so nothing can be compared."]
    counts: Counter[comparison.Tendency] = Counter(
        "worse" if row.diverged else comparison.tendency(row.differences) for row in others
    )
    words: dict[comparison.Tendency, str] = {
        "worse": "worse than the baseline",
        "better": "better",
        "mixed": "better on some measures and worse on others",
        "undecided": "not shown to differ",
    }
    clauses = [
        f"{counts[kind]} {'is' if counts[kind] == 1 else 'are'} {text}" for kind, text in words.items() if counts[kind]
    ]
    sentences = [f"Of {len(others)} change{'s' if len(others) > 1 else ''}, {', '.join(clauses)}."]
    claims = Counter(row.agreement for row in others if row.agreement)
    if claims:
        counted = [f"{kind} {claims[kind]}" for kind in ("agrees", "disagrees", "cannot be told") if claims[kind]]
        sentences.append(f"Claims that could be tested: {sum(claims.values())}; {', '.join(counted)}.")
    if len(seeds) < 2:
        sentences.append(
            "One seed cannot tell a change from chance, so every measure is undecided; run again with more."
        )
    if len({files.eye for files in test_files}) < 2:
        sentences.append("All test pictures are of one eye, which decides nothing.")
    outcomes = [difference.outcome for row in others for difference in row.differences.values()]
    if set(outcomes) - {"undecided"}:
        sentences.append(
            f"{len(outcomes)} differences were looked at. A few of so many would seem decided by chance alone."
        )
    return sentences
