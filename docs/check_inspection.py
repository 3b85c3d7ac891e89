"""Put `data inspect` to the test on real photographs: `python docs/check_inspection.py DATA [DATA ...]`.

Takes all photographs of the data sets as training eyes, makes altered copies of half as many as test eyes (mirrored,
turned, cut, recoded, coloured, and all of it at once), and prints how many copies are found as leaks of their original
and how long that takes. Then, of eyes with vessels: how many masks fit their photograph, and how many that should
not: another eye's, mirrored, or shifted by a hundredth of the width.
"""

import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from retinasynth.data.augmentation import rotate
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import MIN_FIT, fit_of, inspect_data
from retinasynth.images import Photograph, read_photograph

Alter = Callable[[Photograph, np.random.Generator], Photograph]


def turned(picture: Photograph, random: np.random.Generator) -> Photograph:
    """With black corners, and larger, so that nothing is lost."""
    angle = random.uniform(-180, 180)
    return np.asarray(Image.fromarray(picture).rotate(angle, Image.Resampling.BICUBIC, expand=True))


def cut(share: float) -> Alter:
    """A random part of this share of height and width."""

    def alter(picture: Photograph, random: np.random.Generator) -> Photograph:
        height, width = (int(side * share) for side in picture.shape[:2])
        top = int(random.integers(0, picture.shape[0] - height + 1))
        left = int(random.integers(0, picture.shape[1] - width + 1))
        return picture[top : top + height, left : left + width]

    return alter


def recoded(share: float, quality: int) -> Alter:
    """Reduced to this share of its size and stored as JPEG."""

    def alter(picture: Photograph, _: np.random.Generator) -> Photograph:
        size = (int(picture.shape[1] * share), int(picture.shape[0] * share))
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).resize(size).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return alter


def coloured(picture: Photograph, random: np.random.Generator) -> Photograph:
    """Another exposure, white balance and gamma."""
    gain = random.uniform(0.8, 1.2, 3) * random.uniform(0.8, 1.2)
    return np.clip(255 * (picture / 255) ** random.uniform(0.8, 1.25) * gain, 0, 255).astype(np.uint8)


def everything(picture: Photograph, random: np.random.Generator) -> Photograph:
    """Mirrored, turned, cut, coloured and recoded."""
    picture = rotate(np.ascontiguousarray(picture[:, ::-1]), random.uniform(-180, 180))
    return recoded(0.5, 60)(coloured(cut(0.75)(picture, random), random), random)


ALTERATIONS: dict[str, Alter] = {
    "mirrored": lambda picture, _: picture[:, ::-1],
    "upside-down": lambda picture, _: picture[::-1],
    "turned-reflected": lambda picture, random: rotate(picture, random.uniform(-180, 180)),
    "turned-black": turned,
    "cut-80": cut(0.8),
    "cut-60": cut(0.6),
    "recoded": recoded(0.4, 40),
    "coloured": coloured,
    "everything": everything,
}


def check_copies(photographs: list[Path]) -> None:
    """Altered copies against the photographs they were made of."""
    random = np.random.default_rng(5)
    with tempfile.TemporaryDirectory() as temporary:
        train, test = (Path(temporary) / side for side in ("train", "test"))
        train.mkdir()
        test.mkdir()
        for number, path in enumerate(photographs):
            (train / f"{number:04d}{path.suffix}").symlink_to(path.resolve())
        chosen = random.choice(len(photographs), len(photographs) // 2, replace=False)
        made = {}
        for number, original in enumerate(chosen):
            how = list(ALTERATIONS)[number % len(ALTERATIONS)]
            copy = ALTERATIONS[how](read_photograph(photographs[original]), random)
            made[f"copy-{number:04d}"] = (f"{original:04d}", how)
            Image.fromarray(np.ascontiguousarray(copy)).save(test / f"copy-{number:04d}.jpg", quality=90)
        started = time.perf_counter()
        leaks = {(leak.test, leak.train) for leak in inspect_data(Path(temporary)).leaks}
        seconds = time.perf_counter() - started
    missed = [f"{how} of {original}" for copy, (original, how) in made.items() if (copy, original) not in leaks]
    sys.stdout.write(
        f"{len(made) - len(missed)} of {len(made)} altered copies found among {len(photographs)} photographs, "
        f"{len(photographs) + len(made)} in all, in {seconds:.0f} s; missed: {', '.join(missed) or 'none'}\n"
    )


def check_masks(folder: Path) -> None:
    """Masks on their own photograph and where they do not belong."""
    eyes = [read_eye(files) for files in find_eyes(folder).eyes if files.photograph and "vessels" in files.planes]
    fits: dict[str, list[float]] = {"their own": [], "another eye's": [], "mirrored": [], "shifted": []}
    for eye, other in zip(eyes, eyes[1:] + eyes[:1], strict=True):
        mask, photograph = eye.planes["vessels"], eye.photograph
        if photograph is None or other.size != eye.size:
            continue
        masks = (mask, other.planes["vessels"], mask[:, ::-1], np.roll(mask, round(0.01 * mask.shape[1]), axis=1))
        for name, one in zip(fits, masks, strict=True):
            fits[name].append(fit_of(one, photograph)[0])
    for name, values in fits.items():
        if values:
            fitting = sum(value >= MIN_FIT for value in values)
            sys.stdout.write(f"{folder.name}, {name} masks: {fitting} of {len(values)} fit ")
            sys.stdout.write(f"({min(values):.2f} to {max(values):.2f}, at least {MIN_FIT} fits)\n")


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:]]
    check_copies([files.photograph for folder in folders for files in find_eyes(folder).eyes if files.photograph])
    for folder in folders:
        check_masks(folder)
