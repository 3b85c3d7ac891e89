"""Runs that are killed at any moment and gone on with, as the product itself says, compared with undisturbed ones."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from torture.ledger import Ledger, Record, faults_of, say
from torture.mutate import Random, pick

GRACE_S = 5.0  # in which everything ends that a killed command started
PATIENCE_S = 300.0  # in which a command ends, whatever happened to it
ATTEMPTS = 8  # commands in a trial; most need two
TOGETHER = 2  # trials at a time
_MARK = "TORTURE_ATTEMPT"  # in the environment of every process of a command
_SIGNALS = (*[signal.SIGKILL] * 5, signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGHUP)
_SHARED = ["log_every_steps=1", "sample_every_steps=40", "checkpoint_every_steps=20", "precision=fp32"]
_TRAINED = ["size_px=64", "mask_channels=1", "generator.depth=5", "generator.filters=8", "discriminator.filters=8"]
_TRAINED += ["ema_decay=0.9", "flip=true", "rotation_deg=20", "epochs=30"]
_SEGMENTED = ["data.grown=0", "field_px=64", "crop_px=64", "network.filters=4", "batch_size=2", "steps=120"]


@dataclass(frozen=True)
class Run:
    """A command that is killed.

    Attributes:
        words: of the command, with ``{base}`` and ``{out}``.
        threads: that it may use in each process.
        resumed: the words that go on with a run folder; empty where the command itself does.
    """

    words: tuple[str, ...]
    threads: int = 1
    resumed: tuple[str, ...] = ()


def _training(threads: int, command: tuple[str, ...], settings: Sequence[str]) -> Run:
    options = [word for one in settings for word in ("--set", one)]
    words = (*command, "--data", "{base}/eyes", "--out", "{out}", *options)
    return Run(words, threads, (*command, "--resume", "{out}"))


RUNS: dict[str, Run] = {
    "train-1": _training(1, ("train",), [*_TRAINED, *_SHARED]),
    "train-2": _training(2, ("train",), [*_TRAINED, *_SHARED]),
    "generate": Run(
        ("generate", "--model", "{base}/styled", "--count", "24", "--size", "256", "--workers", "2", "--out", "{out}")
    ),
    "grow": Run(("grow", "--count", "16", "--size", "256", "--workers", "2", "--out", "{out}")),
    "segment": _training(1, ("segment", "train"), [*_SEGMENTED, *_SHARED]),
}


# --- One command -------------------------------------------------------------------------------------------------


@dataclass
class Trial:
    """One run from its first command to its end, however often it is killed on the way."""

    run: Run
    folder: Path
    base: Path
    counts: Record = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _watchers: list[threading.Thread] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def count(self, what: str, note: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by
        self.notes.append(f"{what}: {note}")

    def command(self, words: tuple[str, ...], attempt: int, kill: tuple[float, int, bool] | None) -> tuple[int, str]:
        """Run a command, perhaps killed after some seconds; its exit code and what it said.

        Args:
            words: with ``{base}`` and ``{out}``.
            attempt: its number.
            kill: after how many seconds, by which signal, and whether its whole group gets that.
        """
        mark = f"{self.folder.name}/{attempt}"
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(self.run.threads),
            "OMP_WAIT_POLICY": "passive",  # else threads that wait for each other on a busy machine stand still
            "RETINASYNTH_CACHE": str(self.folder / "cache"),
            "COLUMNS": "400",
            _MARK: mark,
        }
        told = [word.format(base=self.base, out=self.out) for word in words]
        said = self.folder / f"said-{attempt}.txt"
        with said.open("wb") as text:
            process = subprocess.Popen(
                [sys.executable, "-m", "retinasynth.cli", *told],
                stdout=text,
                stderr=text,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            if kill is not None:
                self._kill(process, *kill)
            try:
                code = process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.count("orphans", f"command {attempt} did not end in {PATIENCE_S:g} s")
                process.kill()
                code = process.wait()
        self._watchers.append(threading.Thread(target=self._look_for_orphans, args=(mark,)))
        self._watchers[-1].start()
        words_said = said.read_text(errors="replace")
        if "Traceback (most recent call last)" in words_said:
            self.count("tracebacks", f"command {attempt} ({kill}): {words_said.strip().splitlines()[-1][:200]}")
        return code, words_said

    def _kill(self, process: "subprocess.Popen[bytes]", after: float, number: int, whole: bool) -> None:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            self.counts["kills"] = self.counts.get("kills", 0) + 1
            if whole:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)

    def _look_for_orphans(self, mark: str) -> None:
        time.sleep(GRACE_S)
        orphans = [process for process in psutil.process_iter() if _mark_of(process) == mark]
        if orphans:
            self.count("orphans", f"{len(orphans)} processes of command {mark} live on", len(orphans))
        for process in orphans:
            process.kill()

    def wait_for_watchers(self) -> None:
        for watcher in self._watchers:
            watcher.join()


def _mark_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(_MARK, "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except (psutil.Error, OSError):
        return ""


# --- Going on ----------------------------------------------------------------------------------------------------


def _next(trial: Trial, said: str, before: tuple[str, ...]) -> tuple[str, ...]:
    """The command by which the words of the product go on; without words, what its documentation says."""
    run = trial.run
    if not run.resumed:
        return run.words
    if re.search(r"--resume", said):
        return run.resumed
    if re.search(r"with --out|same command|what `(segment )?train --out` made", said):
        return run.words
    if "Error" in said:
        return ()
    return run.resumed if trial.out.is_dir() and before == run.words else before


def _try(name: str, trial: Trial, random: Random, seconds: float) -> None:
    """Run, kill and go on until it ends; counts what is lost on the way."""
    words, refused = trial.run.words, []
    kept: dict[str, object] = {}
    for attempt in range(ATTEMPTS):
        is_killed = not trial.counts.get("kills") or (attempt < 3 and random.random() < 0.4)
        # A little past the end, so that the last moments are hit too; a trial that none hits is begun anew.
        kill = (float(random.uniform(0, 1.05 * seconds)), int(pick(random, _SIGNALS)), random.random() < 0.5)
        waits = random.random() < 0.5  # else what lives on is still there when the run is gone on with
        before = trial.counts.get("kills", 0)
        code, said = trial.command(words, attempt, kill if is_killed else None)
        was_hit = trial.counts.get("kills", 0) > before
        if waits:
            trial.wait_for_watchers()
        if code == 0 and trial.counts.get("kills"):
            break
        if code == 0:
            shutil.rmtree(trial.out)
            continue
        if was_hit:
            refused = []
        else:
            refused.append(words)
            trial.notes.append(f"command {attempt} ({words[:3]}) was refused: {' '.join(said.split())[:300]}")
        following = _next(trial, said, words)
        if refused and (not following or following in refused):
            trial.count("contradictions", f"no command goes on: {' '.join(said.split())[:300]}")
            break
        words = following or words
        kept = _finished(trial.out) | kept
    trial.wait_for_watchers()
    if code != 0:
        trial.count("lost", f"ended with {code}: {' '.join(said.split())[-300:]}")
        return
    now = _finished(trial.out)
    again = sorted(what for what, stamp in kept.items() if now.get(what) != stamp)
    if again:
        trial.count("lost", f"{name}: what was finished was made again: {again[:3]}")


def _finished(out: Path) -> dict[str, object]:
    """What a killed command leaves that need not be made again, with what tells whether it was.

    Of a set the pictures of eyes in the manifest, with their times; of a training the records up to its checkpoint,
    whose clock tells them from others.
    """
    found: dict[str, object] = {}
    for line in _lines(out / "manifest.jsonl"):
        files = sorted(out.glob(f"*/{line['name']}.*"))
        found |= {str(file): file.stat().st_mtime_ns for file in files if ".part" not in file.name}
    step = _step_of(out / "checkpoint" / "state.safetensors")
    found |= {f"step {line['step']}": line for line in _lines(out / "metrics.jsonl") if line["step"] <= step}
    return found


def _lines(path: Path) -> list[Record]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]


def _step_of(checkpoint: Path) -> int:
    if not checkpoint.is_file():
        return 0
    with checkpoint.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return int(json.loads(head["__metadata__"]["progress"])["step"])


# --- Comparing ---------------------------------------------------------------------------------------------------


def fingerprints(out: Path) -> dict[str, str]:
    """SHA-256 of each file that two runs share, times and clocks left out."""
    found = {}
    for file in sorted(file for file in out.rglob("*") if file.is_file()):
        name = str(file.relative_to(out))
        if name.startswith("checkpoint/") and file.name != "state.safetensors":
            continue  # what is kept of earlier ones depends on where a run was stopped
        if ".part" in file.name or file.suffix == ".lock":
            continue
        found[name] = hashlib.sha256(_content(file)).hexdigest()
    return found


def _content(file: Path) -> bytes:
    if file.name == "metrics.jsonl":
        lines = ({key: value for key, value in line.items() if "seconds" not in key} for line in _lines(file))
        return json.dumps(list(lines)).encode()
    if file.name == "state.safetensors":
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        head = json.loads(content[8 : 8 + length])
        del head["__metadata__"]  # has the clock
        return json.dumps(head, sort_keys=True).encode() + content[8 + length :]
    return file.read_bytes()


def _left_over(trial: Trial) -> list[str]:
    return [str(file.relative_to(trial.folder)) for file in trial.folder.rglob("*.part*")]


# --- All of it ---------------------------------------------------------------------------------------------------


def try_kills(count: int, out: Path, seed: int, only: str | None, ledger: Ledger) -> None:
    """Run `count` trials, of all `RUNS` in turn or of one; each that ends well is removed, the others are kept."""
    names = [name for name in RUNS if only in (None, name)]
    wished = [(names[number % len(names)], number // len(names)) for number in range(count)]
    wished = [one for one in wished if one not in ledger.done]
    base, folder = out / "kills" / "base", out / "kills"
    _prepare(base)
    wanted = {name: _reference(name, folder, base) for name in dict.fromkeys(name for name, _ in wished)}
    started, done, lock = time.monotonic(), 0, threading.Lock()

    def one(name: str, number: int) -> None:
        nonlocal done
        seconds, prints = wanted[name]
        trial = Trial(RUNS[name], folder / f"{name}-{number:03d}", base)
        shutil.rmtree(trial.folder, ignore_errors=True)
        trial.folder.mkdir(parents=True)
        _try(name, trial, np.random.default_rng([seed, zlib.crc32(name.encode()), number]), seconds)
        found = fingerprints(trial.out) if "lost" not in trial.counts else prints
        differing = sorted(what for what in {*found, *prints} if found.get(what) != prints.get(what))
        if differing:
            trial.count("differing", f"{len(differing)} files, such as {differing[:3]}")
        if parts := _left_over(trial):
            trial.count("parts", f"{parts[:3]}", len(parts))
        record = {"kind": name, "number": number, **trial.counts, "notes": trial.notes}
        if not faults_of([record]):
            shutil.rmtree(trial.folder)
        with lock:
            done += 1
            ledger.add(record)
            ledger.progress("Kills", done, len(wished), started, faults_of(ledger.records))

    with ThreadPoolExecutor(TOGETHER) as pool:
        for future in [pool.submit(one, name, number) for name, number in wished]:
            future.result()


def _prepare(base: Path) -> None:
    """The eyes that are learnt from, and a generator."""
    from retinasynth.anatomy.render.phantom import write_phantom_set
    from torture.material import train_styled

    if not (base / "styled" / "model").is_dir():
        shutil.rmtree(base, ignore_errors=True)
        write_phantom_set(base / "eyes", train=4, test=2, size_px=64)
        train_styled(base / "eyes", base / "styled")


def _reference(name: str, folder: Path, base: Path) -> tuple[float, dict[str, str]]:
    """How long an undisturbed run takes, and what it makes."""
    trial = Trial(RUNS[name], folder / f"{name}-reference", base)
    known = trial.folder / "reference.json"
    if not known.is_file():
        say(f"The undisturbed run of {name}")
        shutil.rmtree(trial.folder, ignore_errors=True)
        trial.folder.mkdir(parents=True)
        started = time.monotonic()
        code, said = trial.command(trial.run.words, 0, None)
        seconds = time.monotonic() - started
        trial.wait_for_watchers()
        if code or trial.counts:
            raise SystemExit(f"The undisturbed run of {name} ended with {code}, {trial.notes}: {said}")
        known.write_text(json.dumps([seconds, fingerprints(trial.out)]))
    seconds, prints = json.loads(known.read_text())
    return float(seconds), dict(prints)
