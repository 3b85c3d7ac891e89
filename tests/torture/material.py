"""What is mutated: small data sets, models and runs, made once by the product itself."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from conftest import TINY
from dicoms import put_dicom
from pictures import put_chasedb1, put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth.errors import RetinasynthError
from torture.mutate import Random

EYES = 6  # of a set
RESUMED = ["epochs=3"]  # what the killed generator run is resumed with; the segmenter's with nothing
_SEGMENTER = [
    *("data.grown=0", "field_px=64", "crop_px=64", "network.filters=4", "steps=8", "batch_size=2"),
    *("log_every_steps=1", "sample_every_steps=8", "checkpoint_every_steps=4", "precision=fp32"),
]
_ENHANCER = [
    "network.filters=4",
    "blocks=1",
    "crop_px=32",
    "longest_px=64",
    "steps=4",
    "batch_size=2",
    "precision=fp32",
]
Answer = TypeVar("Answer")


class NonsenseError(Exception):
    """Something damaged was taken for good."""


@dataclass(frozen=True)
class Kind:
    """One kind of thing that is mutated.

    Attributes:
        share: of all mutations, by comparison with the other kinds.
        make: puts a mutated thing into an empty folder; only the material and the random numbers decide it.
        read: takes it as a user would hand it over, and returns whether any of it was accepted. What is refused by an
            error of the product is well; what is accepted and wrong is a `NonsenseError`.
    """

    share: int
    make: Callable[[Path, Path, Random], None]
    read: Callable[[Path, Path], bool]


def tried(act: Callable[[], Answer]) -> Answer | None:
    """What an act returns, or None where the product refuses it."""
    with contextlib.suppress(RetinasynthError):
        return act()
    return None


def put_pairs(folder: Path) -> Path:
    """The smallest set: photographs and masks of the same names in two folders."""
    for number in range(EYES):
        put_photograph(folder / "images" / f"eye_{number}.png", number, 40, 48)
        put_mask(folder / "masks" / f"eye_{number}.png", number, 40, 48)
    return folder


def put_coded(folder: Path) -> Path:
    """A set with label files of two codes: numbered discs and cups, coloured arteries and veins."""
    put_pairs(folder)
    for number in range(EYES):
        lines = tiny_mask(number, 40, 48)
        is_left = np.arange(48) < 24
        colours = np.stack([lines & is_left, lines & False, lines & ~is_left], axis=2)
        rings = np.zeros((40, 48), np.uint8)
        rings[10:30, 10:30], rings[15:25, 15:25] = 1, 2
        for plane, picture in (("av", colours.astype(np.uint8) * np.uint8(255)), ("disc", rings)):
            (folder / plane).mkdir(exist_ok=True)
            Image.fromarray(picture).save(folder / plane / f"eye_{number}.png")
    return folder


def put_dicoms(folder: Path) -> Path:
    """A set whose photographs are DICOM files of three people."""
    put_pairs(folder)
    for number in range(EYES):
        (folder / "images" / f"eye_{number}.png").unlink()
        person = {"PatientID": f"{1 + number // 2}", "ImageLaterality": "LR"[number % 2]}
        put_dicom(folder / "images" / f"eye_{number}.dcm", tiny_photograph(number, 40, 48), "RGB", **person)
    return folder


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target


def prepare(base: Path) -> None:
    """Everything that `make` and `read` of any kind need; what an earlier sitting finished is kept."""
    if (base / "ready").is_file():
        return
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    _put_sets(base)
    _put_runs(base)
    _put_results(base)
    (base / "ready").touch()


def _put_sets(base: Path) -> None:
    from retinasynth.anatomy.render.phantom import write_phantom_set
    from retinasynth.data.grown import GrownSet, write_grown_set

    put_pairs(base / "pairs")
    put_chasedb1(base / "chase")
    put_coded(base / "coded")
    put_dicoms(base / "dicom")
    write_phantom_set(base / "eyes", train=4, test=2, size_px=64)
    write_phantom_set(base / "photos", train=2, test=1, size_px=160)
    for count in (3, 4):
        write_grown_set(base / f"grown-{count}", count, GrownSet(0, 64), workers=1)


def _put_runs(base: Path) -> None:
    from retinasynth.enhancement import train as enhancement
    from retinasynth.enhancement.settings import EnhancerSettings
    from retinasynth.generation.train import settings_of_preset
    from retinasynth.pix2pix import train as trainer
    from retinasynth.segmentation import train as segmentation
    from retinasynth.segmentation.settings import SegmenterSettings
    from runs import killed_run

    plain = settings_of_preset("source").with_overrides([*TINY, "epochs=3"])
    vessels = SegmenterSettings.from_preset("vessels").with_overrides(_SEGMENTER)
    enhancer = EnhancerSettings.from_preset("enhance").with_overrides(_ENHANCER)
    trainer.train(base / "eyes", base / "plain", plain)
    trainer.train(base / "eyes", base / "resize", plain.with_overrides(["generator.architecture=resize"]))
    train_styled(base / "eyes", base / "styled")
    segmentation.train([base / "eyes"], base / "vessels", vessels)
    segmentation.train([base / "eyes"], base / "disc", vessels.with_overrides(["planes=disc"]))
    enhancement.train([base / "photos"], base / "enhancer", enhancer)
    killed_run("pix2pix", base / "eyes", base / "killed-plain", plain, at_step=8)
    killed_run("segmentation", [base / "eyes"], base / "killed-vessels", vessels, at_step=7)


def train_styled(eyes: Path, run: Path) -> None:
    """A generator that follows a style, of a few filters and steps."""
    from retinasynth.generation.train import settings_of_preset, train

    own = ("size_px", "mask_channels", "flip", "rotation_deg", "generator.dropout")
    shared = [setting for setting in TINY if not setting.startswith(own)]
    small = ["size_px=64", "data.planes=vessels,disc,cup", "discriminator.crop_px=32", "cup_variation=0"]
    train(eyes, run, settings_of_preset("fundus-512").with_overrides([*shared, *small, "lesion_lending=0"]))


def _put_results(base: Path) -> None:
    from retinasynth.enhancement.use import Enhancer, enhance_folder
    from retinasynth.evaluation.subjects import evaluate_model
    from retinasynth.generation.sets import SyntheticSet, write_synthetic_set

    for count in (3, 4):
        write_synthetic_set(base / f"generated-{count}", count, SyntheticSet(str(base / "styled")), workers=1)
    label(base, base / "labelled")
    enhance_folder(Enhancer.load(base / "enhancer"), base / "photos", base / "enhanced")
    evaluate_model(base / "plain", base / "eyes", base / "evaluation", sets=False)


def label(base: Path, out: Path) -> None:
    """Label the photographs, whose discs and vessels are drawn, by a segmenter that looks for the disc alone."""
    from retinasynth.segmentation.labelling import label_sets
    from retinasynth.segmentation.use import Segmenter

    label_sets([Segmenter.load(base / "disc")], [base / "photos"], out, least_confidence=0.0)
