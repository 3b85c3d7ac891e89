"""Sets of real photographs with the cups and foveas that were marked by eye, from labelled copies of public sets.

`marked_cups.csv`: 125 cups of HRF's and IDRiD's training photographs as ellipses (middle, width and height, as shares
of the photograph), each marked twice: the second time a quarter of an hour later, in another order and half of them
mirrored. `marked_foveas.csv`: the middle of 272 foveas, also of test photographs; `sure` is no where the macula hides
it and its place follows from the disc. They were marked on enlarged, contrast-stretched sheets by one reader, who is
no ophthalmologist.
"""

import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np

from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.eye.biomarkers import height_of
from retinasynth.images import Mask, write_mask, write_photograph

CUPS, FOVEAS = (Path(__file__).with_name(f"marked_{what}.csv") for what in ("cups", "foveas"))
FOVEA_DD = 0.1  # radius of the plane, as that of grown eyes
Name = tuple[str, str]  # of a set, and of a photograph in it


def marked_cups() -> dict[Name, np.ndarray]:
    """By photograph the ellipses of both occasions, ``(2, 4)``: x, y, width and height, as shares of the photograph."""
    rows = defaultdict(list)
    with CUPS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["set"], row["name"]].append([float(row[key]) for key in ("x", "y", "width", "height")])
    return {name: np.array(both) for name, both in rows.items()}


def held_out_cups() -> set[Name]:
    """The third that is not learnt from, chosen by a hash of the names."""
    order = sorted(marked_cups(), key=lambda name: hashlib.sha256("/".join(name).encode()).hexdigest())
    return set(order[: len(order) // 3])


def marked_foveas(split: str) -> dict[Name, tuple[float, float]]:
    """By photograph of a split, x and y as shares of the photograph."""
    with FOVEAS.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return {(row["set"], row["name"]): (float(row["x"]), float(row["y"])) for row in rows}


def ellipse(size: tuple[int, int], middle: tuple[float, float], axes: tuple[float, float]) -> Mask:
    """A filled ellipse, all in pixels: x and y of its middle, width and height."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    across, down = (columns + 0.5 - middle[0]) / (axes[0] / 2), (rows + 0.5 - middle[1]) / (axes[1] / 2)
    return np.asarray(across**2 + down**2 < 1, np.bool_)


def labelled_eyes(labelled: Path) -> dict[Name, EyeFiles]:
    """The eyes of a set of `retinasynth segment label`, by the set they came from."""
    found = {}
    for files in find_eyes(labelled).eyes:
        origin, _, name = files.name.partition("-")
        found[origin, name] = files
    return found


def write_cups(labelled: Path, out: Path) -> Path:
    """The set of marked cups: ``train/`` and, of the held-out third, ``test/``; discs as they are labelled."""
    eyes, held_out = labelled_eyes(labelled), held_out_cups()
    for name, both in marked_cups().items():
        eye = read_eye(eyes[name])
        height, width = eye.size
        x, y, across, down = both.mean(axis=0) * (width, height, width, height)
        planes = {"disc": eye.planes["disc"]}
        planes["cup"] = ellipse(eye.size, (x, y), (across, down)) & planes["disc"]
        _write(out / ("test" if name in held_out else "train"), eyes[name], planes)
    return out


def write_foveas(labelled: Path, out: Path, split: str = "train") -> Path:
    """The set of marked foveas of a split, with discs as they are labelled."""
    eyes = labelled_eyes(labelled)
    for name, (x, y) in marked_foveas(split).items():
        eye = read_eye(eyes[name])
        height, width = eye.size
        diameter = 2 * FOVEA_DD * height_of(eye.planes["disc"])
        fovea = ellipse(eye.size, (x * width, y * height), (diameter, diameter))
        _write(out / "train", eyes[name], {"disc": eye.planes["disc"], "fovea": fovea})
    return out


def _write(folder: Path, files: EyeFiles, planes: dict[str, Mask]) -> None:
    photograph = read_eye(files).photograph
    if photograph is None or (folder / "images" / f"{files.name}.png").is_file():
        return
    for plane, mask in planes.items():
        write_mask(folder / plane / f"{files.name}.png", mask)
    write_photograph(folder / "images" / f"{files.name}.png", photograph)
