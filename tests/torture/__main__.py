"""Kills runs and mutates everything that is read, and counts what goes wrong: `python -m torture --help`.

A run that was stopped goes on when it is started again with the same seed and folder.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from torture.kills import RUNS, try_kills
from torture.kinds import KINDS, Case, plan
from torture.ledger import Ledger, Record, causes, commit, faults_of, say, table
from torture.material import prepare
from torture.watch import try_all


def main() -> int:
    wanted = _arguments()
    out = wanted.out.resolve()
    os.environ |= {"OMP_NUM_THREADS": "1", "RETINASYNTH_CACHE": str(out / "cache")}
    torch.set_num_threads(1)  # as in the runs that are killed: to compare weights with theirs
    if wanted.again:
        return _again(wanted.again.resolve(), out)
    before = _seconds_before(out, wanted.seed)
    started = time.monotonic()
    kills, mutations = Ledger(out / "kills.jsonl"), Ledger(out / "mutations.jsonl")
    try:
        if wanted.only in (None, *RUNS) and wanted.kills:
            try_kills(wanted.kills, out, wanted.seed, wanted.only, kills)
        if wanted.only in (None, *KINDS) and wanted.mutations:
            prepare(out / "base")
            cases = [one for one in plan(wanted.mutations, wanted.only) if (one.kind, one.number) not in mutations.done]
            try_all(cases, out, wanted.seed, _noting(mutations, len(cases)))
    finally:
        seconds = before + time.monotonic() - started
        _begin(out, wanted.seed, seconds)
    found = table(kills.records, mutations.records, seconds, f"seed {wanted.seed}")
    (out / "table.md").write_text(found, encoding="utf-8")
    sys.stdout.write(f"{found}\n{causes([*kills.records, *mutations.records])}\n")
    return 1 if faults_of([*kills.records, *mutations.records]) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="trials of runs that are killed and gone on with (50)")
    parser.add_argument("--mutations", type=int, default=10_000, help="mutated things that are read (10000)")
    parser.add_argument("--seed", type=int, default=0, help="decides all of it (0)")
    parser.add_argument("--only", choices=[*RUNS, *KINDS], help="one kind alone")
    parser.add_argument("--out", type=Path, default=Path("runs/torture"), help="what is kept (runs/torture)")
    parser.add_argument(
        "--again", type=Path, metavar="FAULT", help="read the case of OUT/faults/NAME once more, and stop"
    )
    return parser.parse_args()


def _seconds_before(out: Path, seed: int) -> float:
    """The time that earlier sittings took; refuses a folder of another seed or of another state of the code."""
    path = out / "torture.json"
    if not path.is_file():
        _begin(out, seed, 0.0)
    begun = json.loads(path.read_text())
    if (begun["seed"], begun["commit"]) != (seed, commit()):
        raise SystemExit(f"{out} was begun with seed {begun['seed']} at commit {begun['commit']}: choose another --out")
    return float(begun["seconds"])


def _begin(out: Path, seed: int, seconds: float) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "torture.json").write_text(json.dumps({"seed": seed, "commit": commit(), "seconds": seconds}))


def _noting(ledger: Ledger, total: int) -> Callable[[Record], None]:
    started, done, faults = time.monotonic(), 0, 0

    def note(record: Record) -> None:
        nonlocal done, faults
        ledger.add(record)
        done += 1
        faults += record["result"] == "fault"
        ledger.progress("Mutations", done, total, started, faults)

    return note


def _again(fault: Path, out: Path) -> int:
    """One fault alone, in this process, with its traceback; `out` is that of the run it comes from."""
    os.environ["RETINASYNTH_CACHE"] = str(out / "cache")
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "case"
        shutil.copytree(fault / "case", into, symlinks=True)
        accepted = KINDS[Case.named(fault.name).kind].read(fault.parent.parent / "base", into)
    say("accepted" if accepted else "refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
