"""Generating a folder of photographs with their labels: a synthetic set, or panels to look at."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retinasynth import images
from retinasynth.datasets.layouts import EyeFiles, find_eyes, read_eye
from retinasynth.errors import DataError, OutputError, SettingError
from retinasynth.files import explaining_write_errors, new_folder, output_folder
from retinasynth.progress import progress
from retinasynth.synthesis.synthesizer import Size, Synthesizer

MANIFEST = "manifest.jsonl"


def parse_size(text: str) -> Size:
    """The size that ``--size`` names: ``model``, ``mask`` or pixels.

    Example:
        >>> parse_size("512")
        512
    """
    if text == "model":
        return "model"
    if text == "mask":
        return "mask"
    try:
        return int(text)
    except ValueError as error:
        raise SettingError(f"--size is {text!r}", expected="model, mask, or a number of pixels") from error


def find_masks(path: Path) -> list[tuple[str, Path]]:
    """Name and file of every mask: one file, a folder of mask files, or the ``vessels`` of a data set.

    Raises:
        DataError: there is nothing there, or nothing that is a mask.
    """
    path = Path(path)
    if path.is_file():
        return [(images.stem_of(path), path)]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if images.is_picture(file))
        if files:
            return _distinct([(images.stem_of(file), file) for file in files])
        eyes = [(eye.name, eye.planes["vessels"]) for eye in find_eyes(path).eyes if "vessels" in eye.planes]
        if eyes:
            return eyes
        raise DataError(f"{path} has photographs but no vessel masks", expected="a mask file, or a folder of masks")
    raise DataError(f"{path} does not exist", expected="a mask file, or a folder of masks")


def _distinct(named: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    names = [name for name, _ in named]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"Several masks are called {twice[0]}", expected="file names that differ before the suffix")
    return named


def generate_picture(model: Synthesizer, mask: Path, out: Path, *, seed: int, size: Size) -> None:
    """Generate one photograph into the file `out` (PNG).

    Raises:
        OutputError: `out` exists already or is not a ``.png``.
    """
    if out.suffix.lower() != ".png":
        raise OutputError(f"--out {out} is not a PNG file", expected="NAME.png, or a folder")
    if out.exists():
        raise OutputError(f"{out} exists already", do="Choose another --out, or remove it first")
    images.write_photograph(out, model.generate(mask, seed=seed, size=size), model.provenance(seed))


def generate_set(model: Synthesizer, masks: Sequence[tuple[str, Path]], out: Path, *, seed: int, size: Size) -> None:
    """Generate a synthetic set: ``images/``, ``vessels/`` of the same size, and ``manifest.jsonl``.

    Every mask is read before the first picture is generated, so a bad one stops the command before it writes. Each
    eye has its own seed, ``seed + its number``, so any picture can be made again alone.

    Args:
        model: the generator.
        masks: name and file of each.
        out: a new or empty folder.
        seed: of the first eye.
        size: of the photographs; see `Synthesizer.generate`.

    Raises:
        ImageError: a mask cannot be used.
        OutputError: `out` has something in it or cannot be written; pictures already made are complete.
    """
    for _, path in masks:
        images.read_mask(path)
    out = new_folder(out, what="a synthetic set")
    with progress("Generating", len(masks)) as advance:
        for number, (name, path) in enumerate(masks):
            own_seed = seed + number
            photograph = model.generate(path, seed=own_seed, size=size)
            picture_file, mask_file = out / "images" / f"{name}.png", out / "vessels" / f"{name}.png"
            images.write_photograph(picture_file, photograph, model.provenance(own_seed))
            images.write_mask(mask_file, model.label(images.read_mask(path), size))
            line = {
                "name": name,
                "seed": own_seed,
                "model": model.name,
                "retinasynth": model.config.retinasynth_version,
                "licence_of_training_data": model.config.training.get("licence", ""),
                "sha256": {"image": _sha256(picture_file), "vessels": _sha256(mask_file)},
            }
            with explaining_write_errors(out / MANIFEST), (out / MANIFEST).open("a", encoding="utf-8") as manifest:
                manifest.write(json.dumps(line) + "\n")
            advance(number + 1, name)


def generate_panels(model: Synthesizer, data: Path, out: Path, *, count: int, seed: int) -> list[str]:
    """Save panels of source, generated and expected for random test eyes, as the source system does.

    Args:
        model: the generator.
        data: a data set; its test eyes are drawn from, or all where it has none.
        out: folder for ``panel_NAME.png``.
        count: how many; at most as many as there are.
        seed: of the choice and of the dropout.

    Returns:
        The names of the eyes.

    Raises:
        DataError: there are no labelled eyes.
    """
    found = find_eyes(data)
    eyes = _labelled(found.split("test")) or _labelled(found.eyes)
    if not eyes:
        raise DataError(f"{data} has no pairs of a photograph and a vessel mask")
    chosen = np.random.default_rng(seed).permutation(len(eyes))[:count]
    out = output_folder(out)
    for index in chosen:
        eye = read_eye(eyes[index])
        if eye.photograph is None:
            raise DataError(f"{eye.name} has no photograph")
        generated = model.generate(eye, seed=seed)
        row = [
            images.mask_as_photograph(model.label(eye.planes["vessels"], "model")),
            generated,
            images.square_photograph(eye.photograph, model.config.size_px, model.config.resize),
        ]
        panel = images.draw_panels([row], ["source", "generated", "expected"], [eye.name])
        images.write_photograph(out / f"panel_{eye.name}.png", panel, model.provenance(seed))
    return [eyes[index].name for index in chosen]


def _labelled(eyes: Sequence[EyeFiles]) -> list[EyeFiles]:
    return [eye for eye in eyes if eye.photograph is not None and "vessels" in eye.planes]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
