"""Generating a folder of photographs with their labels: a synthetic set, or panels to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from retinasynth import images
from retinasynth.checks import checked_seed, whole_number
from retinasynth.data.codes import with_codes
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles, names_of_masks
from retinasynth.data.places import folders_of_pair, is_zip
from retinasynth.errors import DataError, OutputError
from retinasynth.eye.camera import FieldChoice
from retinasynth.eye.style import NO_KNOBS, StyleChoice
from retinasynth.files import MANIFEST, new_folder, output_folder, sha256_of
from retinasynth.generator import Generator, Size
from retinasynth.progress import progress
from retinasynth.resuming import add_line


def find_masks(
    path: Path, planes: Sequence[str] = ("vessels",), *, welcome: Sequence[str] = (), labels: str | None = None
) -> list[EyeFiles]:
    """The label planes of every eye: of a single plane one file or a folder of files, else a data set.

    The eyes have the names that their photographs would have: without endings such as ``_1stHO`` or ``_mask``.

    Args:
        path: where they are.
        planes: that are wanted; of a data set, eyes without one of them are left out.
        welcome: planes that are taken along where an eye has them.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Raises:
        DataError: there is nothing there, or nothing with these planes.
    """
    path = Path(path)
    if not path.exists() and not folders_of_pair(path):
        raise DataError(f"{path} does not exist", expected="a mask file, a folder of masks, or a data set")
    if len(planes) == 1 and path.exists() and not is_zip(path):
        found = [path] if path.is_file() else sorted(file for file in path.iterdir() if images.is_picture(file))
        if found:
            eyes = [_mask_file(file, name, planes[0]) for file, name in zip(found, names_of_masks(found), strict=True)]
            return [eye.with_planes_alone([*planes, *welcome]) for eye in with_codes(_distinct(eyes), labels)]
    eyes = [
        eye if eye.side_by_side else replace(eye.with_planes_alone([*planes, *welcome]), photograph=None)
        for eye in find_eyes(path, labels=labels).eyes
        if eye.has(planes)
    ]
    if not eyes:
        raise DataError(
            f"No eye in {path} has all of: {', '.join(planes)}",
            expected="a folder for each of these planes"
            if len(planes) > 1
            else "a mask file, a folder of masks, or a data set",
        )
    return eyes


def _mask_file(file: Path, name: str, plane: str) -> EyeFiles:
    return EyeFiles(name, photograph=None, planes={plane: file}, eye=name, subject=name, split="train")


def _distinct(eyes: list[EyeFiles]) -> list[EyeFiles]:
    names = [eye.name for eye in eyes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"Several masks are called {twice[0]}", expected="file names that differ before the suffix")
    return eyes


def generate_picture(
    model: Generator,
    mask: Path,
    out: Path,
    *,
    seed: int,
    size: Size,
    style: StyleChoice | None = None,
    knobs: Mapping[str, float] = NO_KNOBS,
    complete: bool = True,
    fov: FieldChoice = "camera",
) -> None:
    """Generate one photograph into the file `out` (PNG).

    Raises:
        OutputError: `out` exists already or is not a ``.png``.
    """
    if out.suffix.lower() != ".png":
        raise OutputError(f"`out` {out} is not a PNG file", expected="NAME.png, or a folder")
    if out.exists():
        raise OutputError(f"{out} exists already", do="Choose another `out`, or remove it first")
    photograph = model.generate(mask, seed=seed, size=size, style=style, knobs=knobs, complete=complete, fov=fov)
    images.write_photograph(out, photograph, model.provenance(seed, style, knobs))


def generate_set(
    model: Generator,
    masks: Sequence[EyeFiles],
    out: Path,
    *,
    seed: int,
    size: Size,
    style: StyleChoice | None = None,
    knobs: Mapping[str, float] = NO_KNOBS,
    complete: bool = True,
    fov: FieldChoice = "camera",
) -> None:
    """Generate a synthetic set: ``images/``, masks of the same size in ``vessels/`` and so on, and ``manifest.jsonl``.

    Every mask is read before the first picture is generated, so a bad one stops the command before it writes. Each
    eye has its own seed, ``seed + its number``, so any picture can be made again alone.

    Args:
        model: the generator.
        masks: what `find_masks` finds for the planes of the model.
        out: a new or empty folder.
        seed: of the first eye.
        size: of the photographs; see `Generator.generate`.
        style: likewise.
        knobs: likewise.
        complete: likewise.
        fov: likewise.

    Raises:
        ImageError: a mask cannot be used.
        OutputError: `out` has something in it or cannot be written; pictures already made are complete.
    """
    seed = checked_seed(seed)
    for files in masks:
        read_eye(files)
    out = new_folder(out, what="a synthetic set")
    with progress("Generating", len(masks)) as advance:
        for number, files in enumerate(masks):
            own_seed = seed + number
            eye = read_eye(files)
            written = {"image": out / "images" / f"{eye.name}.png"}
            images.write_photograph(
                written["image"],
                model.generate(eye, seed=own_seed, size=size, style=style, knobs=knobs, complete=complete, fov=fov),
                model.provenance(own_seed, style, knobs),
            )
            for plane in eye.planes:
                written[plane] = out / plane / f"{eye.name}.png"
                images.write_mask(written[plane], model.label(eye.planes[plane], size))
            line = {
                "name": eye.name,
                "seed": own_seed,
                "model": model.name,
                **({"style": model.style_name(style), "knobs": dict(knobs)} if model.styles else {}),
                "retinasynth": model.config.retinasynth_version,
                "licence_of_training_data": model.config.training.get("licence", ""),
                "sha256": {what: sha256_of(file) for what, file in written.items()},
            }
            add_line(out / MANIFEST, line)
            advance(number + 1, eye.name)


def generate_panels(
    model: Generator,
    data: Path,
    out: Path,
    *,
    count: int,
    seed: int,
    style: StyleChoice | None = None,
    knobs: Mapping[str, float] = NO_KNOBS,
    labels: str | None = None,
) -> list[str]:
    """Save panels of source, generated and expected for random test eyes, as the source system does.

    Args:
        model: the generator.
        data: a data set; its test eyes are drawn from, or all where it has none.
        out: folder for ``panel_NAME.png``.
        count: how many; at most as many as there are.
        seed: of the choice and of the dropout.
        style: as `Generator.generate` takes it.
        knobs: likewise.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Returns:
        The names of the eyes.

    Raises:
        DataError: there are no labelled eyes.
    """
    seed, count = checked_seed(seed), whole_number(count, "count")
    found = find_eyes(data, labels=labels)
    planes = model.needed_planes
    eyes = _labelled(found.split("test"), planes) or _labelled(found.eyes, planes)
    if not eyes:
        raise DataError(f"{data} has no pairs of a photograph and its {', '.join(planes)}")
    chosen = np.random.default_rng(seed).permutation(len(eyes))[:count]
    out = output_folder(out)
    for index in chosen:
        eye = read_eye(eyes[index])
        shown = model.square(eye, planes)
        if shown.photograph is None:
            raise DataError(f"{eye.name} has no photograph")
        generated = model.generate(eye, seed=seed, size=model.config.size_px, style=style, knobs=knobs)
        row = [
            images.labels_as_photograph(np.stack(list(shown.planes.values()), axis=-1)),
            generated,
            shown.photograph,
        ]
        panel = images.draw_panels([row], ["source", "generated", "expected"], [eye.name])
        images.write_photograph(out / f"panel_{eye.name}.png", panel, model.provenance(seed, style, knobs))
    return [eyes[index].name for index in chosen]


def _labelled(eyes: Sequence[EyeFiles], planes: Sequence[str]) -> list[EyeFiles]:
    return [eye for eye in eyes if eye.photograph is not None and eye.has(planes)]
