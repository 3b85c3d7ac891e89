"""Train the bundled enhancer again, on a labelled set made of CHASE_DB1, HRF and IDRiD; run again, it goes on.

    retinasynth segment label --data chasedb1 --data hrf --data idrid --data idrid_grading --out LABELLED
    python docs/bundled_enhancer.py LABELLED WORK

`segment label` is asked for the photographs alone: it removes twins, so that no test eye is learnt from, and what is
no fundus. Each camera is shown equally often. Then the model is copied into the package. About half an hour of one
core.
"""

import shutil
import sys
from pathlib import Path

from retinasynth.data.find import find_eyes
from retinasynth.data.selection import write_selection
from retinasynth.enhancement import train as enhancement
from retinasynth.enhancement.model import load_enhancer, save_enhancer
from retinasynth.enhancement.settings import EnhancerSettings
from retinasynth.training.bundled import HERE

LICENCE = (
    "CHASE_DB1 (Kingston University, CC BY 4.0); High-Resolution Fundus (Erlangen and Brno, CC BY 4.0); "
    "IDRiD (CC BY 4.0)"
)


def main(labelled: Path, work: Path) -> None:
    """Train, or go on, and put the model into the package."""
    run = work / "enhance"
    if (run / "checkpoint" / "state.safetensors").is_file():
        enhancement.resume(run)
    else:
        if (run / "config.yaml").is_file():  # stopped before its first checkpoint
            shutil.rmtree(run)
        settings = EnhancerSettings.from_preset("enhance").with_overrides([f"licence={LICENCE}"])
        enhancement.train(cameras(labelled, work / "cameras"), run, settings)
    measured = (Path(__file__).parent / "enhance-card.md").read_text(encoding="utf-8")
    save_enhancer(HERE / "enhance", load_enhancer(run / "model"), measured)


def cameras(labelled: Path, out: Path) -> list[Path]:
    """The training photographs by the camera that took them, which the name of each begins with; IDRiD has one."""
    names = [files.name for files in find_eyes(labelled).split("train")]
    starts = {"chasedb1": "chasedb1-", "hrf": "hrf-", "idrid": "idrid"}
    return [
        write_selection(out / camera, labelled, train=[name for name in names if name.startswith(start)], test=[])
        for camera, start in starts.items()
    ]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
