"""A generator of one's own camera, from photographs without labels.

    retinasynth adapt --photos MINE --out ADAPTED

1. Segmenters find vessels, disc and cup; what cannot be used is listed with the reason (`labelling.label_sets`).
2. ``labels/sheets/`` shows the overlays: who knows eyes looks at them, lists what is wrong in ``labels/reject.txt``,
   one name a line, and runs the command again.
3. The preset `few-shot` learns on from the bundled generator, with what was found as labels.

Run again, it goes on where it stopped.
"""

from collections.abc import Sequence
from pathlib import Path

from retinasynth.applications.labelling import label_sets, write_sheets
from retinasynth.applications.segmentation import USUAL, Segmenter
from retinasynth.config import Settings
from retinasynth.datasets.layouts import find_eyes
from retinasynth.errors import DataError
from retinasynth.files import new_folder
from retinasynth.training import checkpoints, trainer

FEWEST = 3
REJECT = "reject.txt"


def adapt(
    photos: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    preset: str = "few-shot",
    overrides: Sequence[str] = (),
) -> Path:
    """Label photographs and train a generator on them.

    Args:
        photos: a folder of photographs or a data set, or several.
        out: a new or empty folder, or that of the same work to go on with.
        preset: settings of the training to start from.
        overrides: settings to change, each ``"name=value"``.

    Returns:
        The run folder, ``run`` in `out`.

    Raises:
        DataError: fewer than `FEWEST` photographs can be used.
        InterruptedRunError: the user stopped it; the same call goes on.
    """
    folders = [Path(photos)] if isinstance(photos, Path | str) else list(map(Path, photos))
    settings = Settings.from_preset(preset).with_overrides(overrides)
    out = Path(out)
    if not (out / "labels").is_dir():
        new_folder(out, what="an adaptation")
    labels, run = out / "labels", out / "run"
    label_sets([Segmenter.load(name) for name in USUAL], folders, labels, all_learn=True)
    if _take_out(labels):
        write_sheets(labels)
    usable = len(find_eyes(labels).split("train")) if any((labels / "train").glob("images/*")) else 0
    if usable < FEWEST:
        raise DataError(
            f"Only {usable} of the photographs can be used; {labels / 'rejected.csv'} says why",
            expected=f"at least {FEWEST}",
        )
    if (run / checkpoints.FILE).is_file():
        return trainer.resume(run)
    return trainer.train(labels, run, settings)


def _take_out(labels: Path) -> list[str]:
    """Remove the eyes that a person has listed; their photographs stay where they came from."""
    path = labels / REJECT
    names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    gone = []
    for name in filter(None, names):
        files = [*labels.glob(f"train/*/{name}.png")]
        for file in files:
            file.unlink()
        gone += [name] if files else []
    return gone
