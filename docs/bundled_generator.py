"""Train the bundled generator again, from copies of CHASE_DB1, HRF and IDRiD; run again, it goes on.

    python docs/bundled_generator.py CHASEDB1 HRF IDRID IDRID_GRADING WORK

1. Photographs of all four sets are labelled by the bundled segmenters where people did not draw, arteries told from
   veins, twins removed; test eyes stay test eyes.
2. A generator learns at 256 pixels, eight times over all eyes that it can learn from.
3. It learns on at 512 pixels, twenty times.
4. `fundus-512` learns on from that, 34 times, with lesions lent from eye to eye.

Then the model is copied into the package, in half precision. About three hours on one core with bf16: docs/results.md.
"""

import sys
from pathlib import Path

from retinasynth.generation.train import settings_of_preset
from retinasynth.segmentation.labelling import label_sets
from retinasynth.segmentation.use import USUAL, Segmenter
from retinasynth.styled import train as trainer
from retinasynth.styled.model import release
from retinasynth.training import checkpoint as checkpoints
from retinasynth.training.bundled import HERE

LICENCE = (
    "CHASE_DB1 (Kingston University, CC BY 4.0); High-Resolution Fundus (Erlangen and Brno, CC BY 4.0); "
    "IDRiD (CC BY 4.0)"
)
SMALL = ["lesion_lending=0", "size_px=256", "epochs=8", "feature_weight=10", "adversarial_weight=1", "texture_weight=0"]


def trained(data: Path, run: Path, *overrides: str) -> Path:
    """The finished run, trained or resumed where it is not."""
    if (run / checkpoints.FILE).is_file():
        return trainer.resume(run)
    settings = settings_of_preset("fundus-512").with_overrides([f"licence={LICENCE}", *overrides])
    return trainer.train(data, run, settings)


def main(*folders: Path) -> None:
    """Train, and put the model into the package."""
    *photographs, work = folders
    labelled = work / "labelled"
    label_sets([Segmenter.load(name) for name in USUAL], photographs, labelled)
    small = trained(labelled, work / "small", *SMALL)
    large = trained(labelled, work / "large", "lesion_lending=0", "epochs=20", f"start_from={small}")
    run = trained(labelled, work / "fundus-512", "epochs=34", f"start_from={large}")
    measured = (Path(__file__).parent / "fundus-512-card.md").read_text(encoding="utf-8")
    release(run / "model", HERE / "fundus-512", measured)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:6]))
