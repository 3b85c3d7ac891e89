"""The demonstration: from data to report on embedded procedural eyes, without a download or a GPU."""

from pathlib import Path

from retinasynth.anatomy.render.phantom import phantom_folder
from retinasynth.evaluation.subjects import evaluate_model
from retinasynth.files import output_folder
from retinasynth.generation.folder import find_masks, generate_panels, generate_set
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set
from retinasynth.pix2pix.settings import Settings
from retinasynth.pix2pix.train import train

BUNDLED_EYES = 6


def run_demo(out: Path) -> Path:
    """Photograph grown eyes with the bundled generator; train a small model, generate the test eyes, evaluate it.

    Args:
        out: folder for ``synthetic/`` (from the bundled weights), ``demo-run/``, ``generated/``, ``panels/`` and
            ``evaluation/``; when it holds something already, the first free of ``out-2``, ``out-3``, ...

    Returns:
        The folder used.

    Raises:
        OutputError: it cannot be written.
    """
    out = _free(out)
    write_synthetic_set(out / "synthetic", BUNDLED_EYES, SyntheticSet("fundus-512", seed=1))
    data = phantom_folder()
    run = train(data, out / "demo-run", Settings.from_preset("demo"))
    model = load_generator(run)
    generate_set(model, find_masks(data / "test" / "vessels"), out / "generated", seed=0, size="mask")
    generate_panels(model, data, out / "panels", count=3, seed=0)
    evaluate_model(run, data, out / "evaluation")
    return out


def _free(wanted: Path) -> Path:
    folder, number = output_folder(wanted), 2
    while any(folder.iterdir()):
        folder = output_folder(wanted.with_name(f"{wanted.name}-{number}"))
        number += 1
    return folder
