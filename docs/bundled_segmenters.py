"""Train the bundled segmenters again, from copies of CHASE_DB1, HRF and IDRiD; run again, it goes on.

    python docs/bundled_segmenters.py CHASEDB1 HRF IDRID IDRID_GRADING WORK

1. A segmenter of vessels learns from grown eyes alone.
2. A first one learns on from it, from CHASE_DB1's training eyes as well.
3. That labels the training photographs of HRF and IDRiD, twins removed.
4. `vessels` learns on from it, with these labels as well, so that it knows other cameras.
5. `disc-cup` learns from the discs of IDRiD's training eyes, and disc and cup of grown eyes, in three rounds: its
   Dice on validation eyes rose with each; then also from cups that were marked by eye (`marked_eyes`).
6. `judge` learns from CHASE_DB1's training eyes alone.
7. `vessels` and `disc-cup` label all four sets. `landmarks` learns from foveas that were marked by eye, and from grown
   eyes, in two rounds. (The first round of the one in the package had foveas that were marked less exactly, and
   wider spots about them.)

Then copies the model folders into the package. About three hours, by the logs of the runs.
"""

import shutil
import sys
from pathlib import Path

from marked_eyes import write_cups, write_foveas
from retinasynth.segmentation import train as segmentation
from retinasynth.segmentation.labelling import label_sets
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.segmentation.use import Segmenter
from retinasynth.training.bundled import HERE as WEIGHTS

CHASEDB1 = "CHASE_DB1 (Kingston University, CC BY 4.0)"
HRF = "High-Resolution Fundus (Erlangen and Brno, CC BY 4.0)"
IDRID = "IDRiD (CC BY 4.0)"


def trained(run: Path, preset: str, data: list[Path], licence: str, *overrides: str) -> Path:
    """The finished run, trained or resumed where it is not."""
    if (run / "checkpoint" / "state.safetensors").is_file():
        return segmentation.resume(run)
    shutil.rmtree(run, ignore_errors=True)  # stopped before its first checkpoint
    settings = SegmenterSettings.from_preset(preset).with_overrides([f"licence={licence}", *overrides])
    return segmentation.train(data, run, settings)


def main(chasedb1: Path, hrf: Path, idrid: Path, grading: Path, work: Path) -> None:
    """Train all, and put them into the package."""
    grown = trained(work / "grown", "vessels", [], "", "steps=1200")
    first = trained(work / "first", "vessels", [chasedb1], CHASEDB1, f"start_from={grown}", "steps=1200")
    labels = work / "pseudo-labels of HRF and IDRiD"  # as the model card calls it
    label_sets([Segmenter.load(first)], [hrf, idrid], labels, least_confidence=0.5)
    origin = f"{CHASEDB1}; {HRF}; {IDRID}"
    learnt_on = [f"start_from={first}", "learning_rate=2e-3", "steps=4000", "grown_share=0.2"]
    disc = trained(work / "disc-1", "disc-cup", [idrid], IDRID, "steps=4500")
    on = ["learning_rate=2e-3", "steps=4500"]
    disc = trained(work / "disc-2", "disc-cup", [idrid], IDRID, f"start_from={disc}", *on)
    disc = trained(work / "disc-3", "disc-cup", [idrid], IDRID, f"start_from={disc}", *on)
    vessels = trained(work / "vessels", "vessels", [chasedb1, labels], origin, *learnt_on)
    all_labels = work / "labelled"
    label_sets([Segmenter.load(vessels), Segmenter.load(disc)], [chasedb1, hrf, idrid, grading], all_labels)
    cups, foveas = write_cups(all_labels, work / "marked cups"), write_foveas(all_labels, work / "marked foveas")
    seen = ["learning_rate=1.5e-3", "steps=1800", "grown_share=0.15"]
    seen_more = ["learning_rate=1e-3", "steps=1200", "grown_share=0.05", "validation_share=0.08"]
    disc = trained(work / "cups", "disc-cup", [cups, idrid], f"{HRF}; {IDRID}", f"start_from={disc}", *seen)
    places = trained(work / "places", "landmarks", [foveas], origin, "steps=1000")
    places_more = ["learning_rate=1.5e-3", "steps=800", "grown_share=0.25"]
    runs = {
        "vessels": vessels,
        "disc-cup": trained(
            work / "disc-cup", "disc-cup", [cups, idrid], f"{HRF}; {IDRID}", f"start_from={disc}", *seen_more
        ),
        "judge": trained(work / "judge", "judge", [chasedb1], CHASEDB1, "steps=1500"),
        "landmarks": trained(work / "landmarks", "landmarks", [foveas], origin, f"start_from={places}", *places_more),
    }
    for name, run in runs.items():
        shutil.copytree(run / "model", WEIGHTS / name, dirs_exist_ok=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:6]))
