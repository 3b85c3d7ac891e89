"""Eyes of three visits, for sets that several processes write."""

import os
import time

VISITS = 3


def visit_written_by(number: int) -> dict[str, object]:
    """The line of a visit, with the process that wrote it; slowly, so that every process has its turn."""
    time.sleep(0.05)
    seed, visit = number // VISITS, number % VISITS + 1
    return {"name": f"eye_{seed}_{visit}", "seed": seed, "visit": visit, "process": os.getpid()}
