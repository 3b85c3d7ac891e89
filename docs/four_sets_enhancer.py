"""Train an enhancer on a labelled set made of copies of CHASE_DB1, HRF and IDRiD; it goes on.

    retinasynth segment label --data chasedb1 --data hrf --data idrid --data idrid_grading --out LABELLED
    python docs/four_sets_enhancer.py LABELLED WORK

`segment label` is asked for the photographs alone: it removes twins, so that no test eye is learnt from, and what is
no fundus. About an hour of one core beside other work, by the log of the run.
"""

import shutil
import sys
from pathlib import Path

from retinasynth.config import EnhancerSettings
from retinasynth.training import enhancement

LICENCE = (
    "CHASE_DB1 (Kingston University, CC BY 4.0); High-Resolution Fundus (Erlangen and Brno, CC BY 4.0); "
    "IDRiD (CC BY 4.0)"
)


def main(labelled: Path, work: Path) -> None:
    """Train, or go on."""
    run = work / "enhance"
    if (run / "checkpoint" / "state.safetensors").is_file():
        enhancement.resume(run)
    else:
        shutil.rmtree(run, ignore_errors=True)  # stopped before its first checkpoint
        settings = EnhancerSettings.from_preset("enhance").with_overrides([f"licence={LICENCE}"])
        enhancement.train([labelled], run, settings)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
