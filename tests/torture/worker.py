"""A process that tries one case after another: `python -m torture.worker OUT SEED`, cases on its standard input."""

import faulthandler
import importlib
import json
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path

from torture.kinds import Case, fault_of

_HEAVY = (
    "api",
    "enhancement.use",
    "segmentation.labelling",
    "generation.folder",
    "evaluation.subjects",
    "cli",
)


def peak_mb() -> float:
    """The most memory that this process held since `reset_peak`; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def reset_peak() -> None:
    resets = Path("/proc/self/clear_refs")
    if resets.exists():
        resets.write_text("5")


def one(wish: str, case: Case, out: Path, seed: int) -> dict[str, str]:
    """Try a case, or keep what is mutated in it."""
    work = out / "work" / str(os.getpid())
    try:
        if wish == "keep":
            case.make(out / "base", out / "faults" / str(case) / "case", seed)
            return {"result": "kept"}
        case.make(out / "base", work, seed)
    except Exception as error:  # noqa: BLE001 - a fault of the harness is one of the run
        return fault_of(error)
    return case.read(out / "base", work)


def main() -> None:
    out, seed = Path(sys.argv[1]), int(sys.argv[2])
    for module in _HEAVY:
        importlib.import_module(f"retinasynth.{module}")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    log = os.open(out / "work" / f"{os.getpid()}.log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # asked of a case that is about to be ended
    warnings.simplefilter("ignore")
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        wish, name = line.split()
        os.ftruncate(log, 0)
        reset_peak()
        answer = one(wish, Case.named(name), out, seed)
        answers.write(json.dumps({**answer, "peak_mb": peak_mb()}) + "\n")
        answers.flush()
        shutil.rmtree(out / "work" / str(os.getpid()), ignore_errors=True)


if __name__ == "__main__":
    main()
