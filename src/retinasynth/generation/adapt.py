"""A generator of one's own camera, from photographs without labels.

    retinasynth adapt --photos MINE --out ADAPTED

1. Segmenters find vessels, disc and cup; what cannot be used is listed with the reason (`labelling.label_sets`).
2. ``labels/sheets/`` shows the overlays: who knows eyes looks at them (``--labels-only`` stops here), lists what is
   wrong in ``labels/reject.txt``, one name a line, and runs the command again.
3. The preset `few-shot` learns on from the bundled generator, with what was found as labels.

Run again, it goes on where it stopped.
"""

from collections.abc import Sequence
from pathlib import Path

from retinasynth.errors import CheckpointError, DataError
from retinasynth.files import MANIFEST, new_folder
from retinasynth.generation import train as training
from retinasynth.resuming import read_lines
from retinasynth.segmentation.labelling import REJECT, label_sets, unwanted, write_sheets
from retinasynth.segmentation.use import OUTLINES, Segmenter
from retinasynth.training import checkpoint as checkpoints
from retinasynth.training.run import CONFIG, decisive

FEWEST = 3


def adapt(
    photos: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    preset: str = "few-shot",
    overrides: Sequence[str] = (),
    labels_only: bool = False,
) -> Path:
    """Label photographs and train a generator on them.

    Args:
        photos: a folder of photographs or a data set, or several.
        out: a new or empty folder, or that of the same work to go on with.
        preset: settings of the training to start from.
        overrides: settings to change, each ``"name=value"``.
        labels_only: stop before the training, to look at the sheets.

    Returns:
        The run folder, ``run`` in `out`; it is not there yet with `labels_only`.

    Raises:
        DataError: fewer than `FEWEST` photographs can be used, or ``reject.txt`` names something else.
        CheckpointError: a run of other labels or settings is there.
        InterruptedRunError: the user stopped it; the same call goes on.
    """
    folders = [Path(photos)] if isinstance(photos, Path | str) else list(map(Path, photos))
    settings = training.settings_of_preset(preset).with_overrides(overrides)
    out = Path(out)
    if not (out / "labels").is_dir():
        new_folder(out, what="an adaptation")
    labels, run = out / "labels", out / "run"
    label_sets([Segmenter.load(name) for name in OUTLINES], folders, labels, all_learn=True)
    gone = _take_out(labels)
    usable = len(list((labels / "train" / "images").glob("*.png")))
    if usable < FEWEST:
        raise DataError(
            f"Only {usable} of the photographs can be used; {labels / 'rejected.csv'} says why",
            expected=f"at least {FEWEST}",
        )
    if gone:
        for sheet in (labels / "sheets").glob("*.jpg"):
            sheet.unlink()
        write_sheets(labels)
    if labels_only:
        return run
    if not (run / CONFIG).is_file():
        return training.train(labels, run, settings)
    begun = training.settings_from_file(run / CONFIG)
    if (gone and checkpoints.exists(run)) or decisive(begun) != decisive(settings):
        raise CheckpointError(
            f"{run} was trained on other {'labels' if gone else 'settings'}",
            do=f"Remove {run} and run the command again",
        )
    return training.resume(run)


def _take_out(labels: Path) -> bool:
    """Remove the eyes that a person has listed; their photographs stay where they came from.

    Returns:
        Whether any was still there.

    Raises:
        DataError: a name is not that of a photograph.
    """
    path, names = labels / REJECT, unwanted(labels)
    lines, _ = read_lines(labels / MANIFEST, {"name": str})
    unknown = sorted(names - {line["name"] for line in lines})
    if unknown:
        raise DataError(f"{path} names {unknown[0]}, which is no photograph", expected="names as under the sheets")
    files = [folder / f"{name}.png" for folder in (labels / "train").iterdir() for name in names]
    files = [file for file in files if file.is_file()]
    for file in files:
        file.unlink()
    return bool(files)
