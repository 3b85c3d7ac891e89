"""What a run has found so far, kept so that it can be gone on with; and the table that it ends in."""

import collections
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

import retinasynth

Record = dict[str, Any]
RESULTS = ("accepted", "refused", "fault")
KILL_FAULTS = ("differing", "lost", "orphans", "parts", "contradictions", "tracebacks")
_SECONDS_BETWEEN_LINES = 15.0


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Ledger:
    """The finished trials of a run, a line of JSON each.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._said = path, time.monotonic()
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        self.records: list[Record] = [json.loads(line) for line in lines if line.endswith("}\n")]
        self.done = {(one["kind"], one["number"]) for one in self.records}

    def add(self, record: Record) -> None:
        self.records.append(record)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: value for name, value in record.items() if name != "trace"}) + "\n")

    def progress(self, what: str, done: int, total: int, started: float, faults: int) -> None:
        """A line now and then."""
        now = time.monotonic()
        if done < total and now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        left = (now - started) / max(done, 1) * (total - done)
        say(f"{what}: {done}/{total}, {faults} faults, {left / 60:.1f} min left")


def faults_of(records: Iterable[Record]) -> int:
    """All that went wrong, counted."""
    return sum((one.get("result") == "fault") + sum(one.get(name, 0) for name in KILL_FAULTS) for one in records)


def commit() -> str:
    """That of the code which is tried, with a plus where it was changed since."""
    root = Path(retinasynth.__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain", "-uno") else "")


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, Python {platform.python_version()}"


def table(kills: Sequence[Record], mutations: Sequence[Record], seconds: float, about: str) -> str:
    """All counts in Markdown."""
    parts = []
    if kills:
        parts += _rows(
            ["killed", "trials", "kills", *KILL_FAULTS],
            (
                [kind, len(some), *(_sum(some, name) for name in ("kills", *KILL_FAULTS))]
                for kind, some in _by_kind(kills)
            ),
        )
    if mutations:
        parts += _rows(
            ["mutated", "cases", *RESULTS, "slowest, s", "largest, MB"],
            (
                [kind, len(some), *(sum(one["result"] == result for one in some) for result in RESULTS), *_worst(some)]
                for kind, some in _by_kind(mutations)
            ),
        )
    words = shlex.join(["python", "-m", "torture", *sys.argv[1:]])
    parts.append(f"`{words}`, {about}, commit {commit()}, {machine()}, {seconds / 60:.0f} minutes.\n")
    return "\n".join(parts)


def causes(records: Iterable[Record]) -> str:
    """The faults by what caused them, the most frequent first, each with an example."""
    found: dict[str, list[Record]] = collections.defaultdict(list)
    for one in records:
        if one.get("result") == "fault":
            found[str(one["cause"])].append(one)
    rows = sorted(found.items(), key=lambda item: -len(item[1]))
    return "\n".join(
        f"{len(some):5}  {cause}\n       in {', '.join(sorted({one['kind'] for one in some}))}; for example "
        f"faults/{some[0]['kind']}-{some[0]['number']:05d}"
        for cause, some in rows
    )


def _by_kind(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    kinds = list(dict.fromkeys(one["kind"] for one in records))
    rows = [(kind, [one for one in records if one["kind"] == kind]) for kind in sorted(kinds)]
    return [*rows, ("**all**", list(records))]


def _sum(records: Iterable[Record], name: str) -> int:
    return sum(int(one.get(name, 0)) for one in records)


def _worst(records: Sequence[Record]) -> tuple[str, str]:
    return f"{max(one['seconds'] for one in records):.1f}", f"{max(one['peak_mb'] for one in records):.0f}"


def _rows(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
    return [*lines, ""]
