"""How quick the bundled generator is: `python docs/check_generator.py`. Start, photographs, labelled sets on disk."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

import retinasynth as rs
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set

PICTURES = 20
SET = 60

FIRST = "import retinasynth as rs; rs.load('fundus-512').generate(rs.grow(seed=7))"


def main() -> None:
    """Print seconds and megabytes."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST], check=True)  # noqa: S603 - our own words
    sys.stdout.write(f"from the start of Python to the first photograph: {time.perf_counter() - started:.1f} s\n")
    model, eyes = rs.load("fundus-512"), [rs.grow(seed) for seed in range(PICTURES)]
    model.generate(eyes[0])
    started = time.perf_counter()
    model.generate(eyes)
    sys.stdout.write(f"a photograph of 512 px: {1000 * (time.perf_counter() - started) / PICTURES:.0f} ms\n")
    with tempfile.TemporaryDirectory() as folder:
        wanted = SyntheticSet("fundus-512")
        write_synthetic_set(Path(folder) / "warm", 2, wanted)
        started = time.perf_counter()
        write_synthetic_set(Path(folder) / "set", SET, wanted)
        seconds = time.perf_counter() - started
    sys.stdout.write(f"labelled pairs of 512 px to disk, workers started too: {SET / seconds:.2f} a second\n")
    sys.stdout.write(f"memory of this process: {psutil.Process().memory_info().rss / 2**20:.0f} MiB\n")


if __name__ == "__main__":
    main()
