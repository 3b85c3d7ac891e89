"""Mutated pictures, masks and data sets, and whole pictures of content that nobody expects."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from conftest import TINY
from retinasynth.decoding import read_size
from retinasynth.errors import RetinasynthError
from retinasynth.generation.generator import load as load_generator
from retinasynth.images import Mask, Photograph, encoded, mask_as_photograph, read_mask, read_photograph
from retinasynth.images import draw_panels as panels
from retinasynth.windows import Window
from torture.formats import masks, photographs, spoilt
from torture.material import Kind, NonsenseError, copied, put_pairs, tried
from torture.mutate import Random, damaged, pick

MOST_VESSELS, MOST_IN_SMALL, SMALL_PX = 0.5, 0.95, 128  # of a picture; lines cover more of a small one
LEAST_PX = 8  # of a side; smaller pictures show nothing that could be learnt


def _refuse_inverted(mask: Mask, what: str) -> None:
    """Raise where so much is vessel that black and white must be exchanged; the product allows less."""
    share = float(mask.mean())
    if share > (MOST_VESSELS if min(mask.shape) >= SMALL_PX else MOST_IN_SMALL):
        raise NonsenseError(f"{what} a mask of which {share:.0%} is vessel")


# --- Files of pictures -------------------------------------------------------------------------------------------


def _make_picture(_: Path, into: Path, random: Random) -> None:
    _put(photographs(random), into, random)


def _make_mask(_: Path, into: Path, random: Random) -> None:
    _put(masks(random), into, random)


def _put(found: list, into: Path, random: Random) -> None:
    suffix, content = pick(random, found)
    _, other = pick(random, found)
    wrong = pick(random, found)[0] if random.random() < 0.05 else suffix
    (into / f"picture{wrong}").write_bytes(spoilt(content(), suffix, random, other()))


def _read_picture(_: Path, into: Path) -> bool:
    from retinasynth.studio.uploads import photograph_in

    file = next(into.iterdir())
    size, picture = tried(lambda: read_size(file)), tried(lambda: read_photograph(file))
    tried(lambda: photograph_in(file))
    tried(lambda: read_photograph(file.with_name(f"{file.name}#2")))
    windows: tuple[Window, ...] = ("auto", (0, 4095))
    for window in windows:
        tried(lambda window=window: read_photograph(file, window=window))
    if picture is None:
        return False
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise NonsenseError(f"read_photograph returns {picture.dtype} of shape {picture.shape}")
    if size is None or sorted(size) != sorted(picture.shape[:2]):
        raise NonsenseError(f"read_size says {size}, the photograph has {picture.shape[:2]}")
    return True


def _read_mask(base: Path, into: Path) -> bool:
    from retinasynth.api import measure
    from retinasynth.generation.generator import load as load_generator
    from retinasynth.studio.uploads import mask_in

    file = next(into.iterdir())
    mask = tried(lambda: read_mask(file))
    tried(lambda: read_mask(file, allow_empty=True))
    tried(lambda: mask_in(file))
    if mask is None:
        return False
    if mask.size <= 512**2:  # more is only slower
        tried(lambda: measure(file))
        if tried(lambda: load_generator(base / "plain").generate(file)) is not None:
            _refuse_inverted(mask, "photographed")
    return True


# --- Data sets ---------------------------------------------------------------------------------------------------

_NAMES = (
    "eye[new]",
    "[bold]",
    "-x",
    "a\nb",
    "x" * 240,
    "CON",
    " ",
    "=1+1",
    "é",
    "\u202ex",
    "EYE_1",
    "eye_1",
    "..png",
    "%s",
)


def _make_set(base: Path, into: Path, random: Random) -> None:
    folder = copied(base / pick(random, ("eyes", "pairs", "pairs", "chase", "coded", "dicom")), into / "set")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for _ in range(int(random.integers(1, 3))):
        _spoil_set(folder, pick(random, files), pick(random, files), random)


def _spoil_set(folder: Path, file: Path, other: Path, random: Random) -> None:
    what = int(random.integers(12))
    if not file.is_file() or not other.is_file():  # was spoilt already
        return
    if what <= 3:
        suffix, content = pick(random, photographs(random) + masks(random))
        spoilt_file = file.with_suffix(suffix) if random.random() < 0.5 else file
        spoilt_file.write_bytes(spoilt(content(), suffix, random, file.read_bytes()))
    elif what == 4:
        file.unlink()
    elif what == 5:
        file.write_bytes(other.read_bytes())
    elif what == 6:
        file.rename(file.with_name(f"{pick(random, _NAMES)}{file.suffix}"))
    elif what == 7:
        file.rename(os.fsdecode(os.fsencode(file.parent) + b"/\xff\xfe" + os.fsencode(file.name)))
    elif what == 8:
        file.unlink()
        target = pick(random, (file.name, "nothing.png", "/dev/zero", "..", str(other)))
        file.symlink_to(target)
    elif what == 9:
        file.unlink()
        os.mkfifo(file) if random.random() < 0.3 else file.mkdir()
    elif what == 10:
        (file.parent.parent / pick(random, ("images", "mask", "test", "train", "Data", "x"))).mkdir(exist_ok=True)
        file.rename(file.parent.parent / file.name)
    else:
        (folder / "more" / file.parent.name).mkdir(parents=True, exist_ok=True)
        file.rename(folder / "more" / file.parent.name / file.name)


def _read_set(_: Path, into: Path) -> bool:
    from retinasynth.api import inspect
    from retinasynth.data.export import write_nnunet
    from retinasynth.data.find import find_eyes, read_eye
    from retinasynth.data.prepare import prepare

    folder = into / "set"
    inspect(folder)
    found = tried(lambda: find_eyes(folder))
    tried(lambda: prepare(folder, into / "prepared", size_px=32))
    tried(lambda: write_nnunet(folder, into / "Dataset001_Eyes", ["vessels"]))
    if found is None:
        return False
    names = [files.name for files in found.eyes]
    if len(set(names)) < len(names):
        raise NonsenseError("two eyes have one name")
    for files in found.eyes:
        tried(lambda files=files: read_eye(files))
    return True


# --- Content -----------------------------------------------------------------------------------------------------


def _odd_photograph(random: Random, height: int, width: int) -> Photograph:
    shape = (height, width, 3)
    fillings = (
        np.full(shape, pick(random, (0, 1, 127, 255))),
        random.normal(pick(random, (30, 127, 220)), pick(random, (1, 25, 27, 30, 80)), shape),
        np.indices(shape).sum(0) % 2 * 255,
        np.where(random.random(shape) < 0.001, 255, 0),
        random.integers(0, 256, 3) + np.zeros(shape),
        np.linspace(0, 255, width)[None, :, None] + random.normal(0, 27, shape),
    )
    return np.clip(pick(random, fillings), 0, 255).astype(np.uint8)


def _odd_mask(random: Random, height: int, width: int) -> Photograph:
    lines = np.zeros((height, width), bool)
    lines[height // 2] = lines[:, width // 2] = True
    shapes = (
        np.ones_like(lines),
        ~lines,
        lines,
        lines & False,
        random.random(lines.shape) < pick(random, (0.1, 0.5, 0.9)),
    )
    return mask_as_photograph(pick(random, shapes))


def _make_content(_: Path, into: Path, random: Random) -> None:
    sides = (1, 2, 3, 7, 16, 64, 160, 200, 256)
    height = pick(random, sides)
    width = height if random.random() < 0.6 else pick(random, (*sides, 2000))
    Image.fromarray(_odd_photograph(random, height, width)).save(into / "photograph.png")
    Image.fromarray(_odd_mask(random, height, width)).save(into / "mask.png")


def _read_content(base: Path, into: Path) -> bool:
    from retinasynth.api import measure
    from retinasynth.enhancement.use import Enhancer
    from retinasynth.segmentation.use import Segmenter

    photograph, mask = into / "photograph.png", into / "mask.png"
    picture = read_photograph(photograph)
    for form in ("JPEG", "PNG"):
        encoded(picture, form)
    encoded(panels([[picture]], ["x"]), "JPEG")
    tried(lambda: measure(mask))
    for name in ("vessels", "disc"):
        tried(lambda name=name: Segmenter.load(base / name).segment(photograph))
    tried(lambda: Enhancer.load(base / "enhancer").enhance(photograph))
    vessels = read_photograph(mask)[..., 0] > 127
    for name, style in (("plain", None), ("styled", "sampled"), ("styled", photograph)):
        model = load_generator(base / name)
        made = tried(lambda model=model, style=style: model.generate(mask, size="mask", style=style))
        if made is not None:
            _refuse_inverted(vessels, "photographed")
    return True


def _make_trained(_: Path, into: Path, random: Random) -> None:
    folder = put_pairs(into / "set")
    side = pick(random, (1, 2, 5, 16, 40, 64))
    for number in range(int(random.integers(1, 7))):
        Image.fromarray(_odd_photograph(random, side, side)).save(folder / "images" / f"eye_{number}.png")
        Image.fromarray(_odd_mask(random, side, side)).save(folder / "masks" / f"eye_{number}.png")


def _read_trained(_: Path, into: Path) -> bool:
    from retinasynth.data.find import find_eyes
    from retinasynth.generation.train import settings_of_preset
    from retinasynth.pix2pix.train import train

    settings = settings_of_preset("source").with_overrides([*TINY, "epochs=1"])
    if tried(lambda: train(into / "set", into / "run", settings)) is None:
        return False
    for files in find_eyes(into / "set").split("train"):
        mask = read_mask(files.planes["vessels"])
        _refuse_inverted(mask, "learnt from")
        if min(mask.shape) < LEAST_PX:
            raise NonsenseError(f"learnt from a mask of {mask.shape} px")
    return True


def _make_evaluated(_: Path, into: Path, random: Random) -> None:
    side = pick(random, (16, 64, 256, 300))
    for folder in ("real", "fake"):
        (into / folder).mkdir()
        for number in range(3):
            Image.fromarray(_odd_photograph(random, side, side)).save(into / folder / f"{number}.png")
    if random.random() < 0.3:
        file = into / pick(random, ("real", "fake")) / "1.png"
        file.write_bytes(damaged(file.read_bytes(), random))


def _read_evaluated(_: Path, into: Path) -> bool:
    from retinasynth.evaluation.subjects import evaluate_folders

    try:
        evaluate_folders(into / "real", into / "fake", into / "report", sets=False)
    except RetinasynthError:
        return False
    return True


KINDS = {
    "picture": Kind(230, _make_picture, _read_picture),
    "mask": Kind(110, _make_mask, _read_mask),
    "set": Kind(90, _make_set, _read_set),
    "content": Kind(50, _make_content, _read_content),
    "trained": Kind(10, _make_trained, _read_trained),
    "evaluated": Kind(3, _make_evaluated, _read_evaluated),
}
