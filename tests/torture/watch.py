"""Keeps workers at work and watches what a case takes: time, memory, and whether its process survives it."""

import json
import os
import queue
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from torture.kinds import PACKAGE, Case

LONGEST_S = 10.0
LONGEST_WAIT_S = 40.0  # of a case that does not work but waits
LARGEST_MB = 2048.0
WORKERS = 2
_RESTART_MB = 1200.0  # what a worker may still hold after a case
_LOOK_S = 0.02
_FRAME = re.compile(rf'File "[^"]*{PACKAGE}([^"]+)", line \d+ in (\S+)')

Record = dict[str, Any]


class Worker:
    """A process that tries cases, started anew when one has ended it."""

    def __init__(self, out: Path, seed: int) -> None:
        self._out, self._seed = out, seed
        self._process: subprocess.Popen[str] | None = None

    def tried(self, case: Case) -> Record:
        """What became of a case; a faulty one is kept in ``faults/``."""
        record = {"kind": case.kind, "number": case.number, **self._asked("try", case)}
        if record["result"] == "fault":
            folder = self._out / "faults" / str(case)
            folder.mkdir(parents=True, exist_ok=True)
            record["kept"] = self._asked("keep", case)["result"] == "kept"
            text = json.dumps({"seed": self._seed, **record}, indent=2)
            (folder / "fault.json").write_text(text, encoding="utf-8", errors="backslashreplace")
        return record

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            (self._out / "work").mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "RETINASYNTH_CACHE": str(self._out / "cache")}
            words = [sys.executable, "-m", "torture.worker", str(self._out), str(self._seed)]
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
            )
            if not self._process.stdout.readline():
                raise SystemExit("A worker cannot be started; see what it says above")
        return self._process

    def _asked(self, wish: str, case: Case) -> Record:
        process = self._started()
        watched = psutil.Process(process.pid)
        begun, worked = time.monotonic(), _cpu(watched)
        process.stdin.write(f"{wish} {case}\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], _LOOK_S)[0]:
            waited = time.monotonic() - begun
            if min(waited, _cpu(watched) - worked) > LONGEST_S or waited > LONGEST_WAIT_S:
                return self._ended(f"over {LONGEST_S:g} s", waited)
            if _resident_mb(watched) > LARGEST_MB:
                return self._ended(f"over {LARGEST_MB:g} MB", waited)
        waited = time.monotonic() - begun
        line = process.stdout.readline()
        if not line:
            return self._ended(f"the process died ({process.wait()})", waited)
        answer: Record = json.loads(line)
        answer["seconds"] = round(min(waited, _cpu(watched) - worked), 3)
        if answer["result"] != "fault" and answer["peak_mb"] > LARGEST_MB:
            answer |= {"result": "fault", "cause": f"over {LARGEST_MB:g} MB for a moment", "trace": ""}
        if _resident_mb(watched) > _RESTART_MB:
            self.end()
        return answer

    def _ended(self, reason: str, seconds: float) -> Record:
        """End the process of a case that takes too much, or has died, and say where it was."""
        process = self._process
        if process.poll() is None:
            process.send_signal(signal.SIGUSR1)  # it writes its traceback
            time.sleep(0.5)
        self.end()
        log = self._out / "work" / f"{process.pid}.log"
        trace = log.read_text(errors="replace")[-8000:] if log.is_file() else ""
        found = _FRAME.search(trace)
        place = f"{found[1]} {found[2]}" if found else "an unknown place"
        return {
            "result": "fault",
            "cause": f"{reason} in {place}",
            "trace": trace,
            "seconds": round(seconds, 3),
            "peak_mb": LARGEST_MB if "MB" in reason else 0.0,
        }


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _resident_mb(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / 2**20
    except psutil.Error:
        return 0.0


def try_all(cases: Sequence[Case], out: Path, seed: int, done: Callable[[Record], None]) -> None:
    """Try cases in two processes; `done` is called with what became of each, never twice at a time."""
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        worker = Worker(out, seed)
        try:
            while not stop.is_set():
                record = worker.tried(waiting.get_nowait())
                with lock:
                    done(record)
        except queue.Empty:
            pass
        finally:
            worker.end()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
