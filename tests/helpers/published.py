"""Small copies of published data sets: their trees, names, colour modes and compression, with procedural pictures."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import tiny_mask, tiny_photograph
from retinasynth.images import Mask, mask_as_photograph

# Height and width, a tenth of the published ones where a set has one size.
DRIVE_SIZE = (58, 57)
STARE_SIZE = (61, 70)
HRF_SIZE = (58, 88)
FIVES_SIZE = (64, 64)
IDRID_SIZE = (57, 86)


def fov_of(size: tuple[int, int]) -> Mask:
    """A disc that fills most of the picture."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - height / 2, x - width / 2) < 0.48 * min(size)


def put(path: Path, image: Image.Image, **options: object) -> None:
    """Write `image` in the format that the suffix names, packed where it ends in ``.gz``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        content = io.BytesIO()
        image.save(content, "PPM")  # a greyscale picture becomes P5 under the name .ppm, as in STARE
        path.write_bytes(gzip.compress(content.getvalue()))
    else:
        image.save(path, **options)


def colour(seed: int, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(tiny_photograph(seed, *size))


def grey(mask: Mask) -> Image.Image:
    return Image.fromarray(mask_as_photograph(mask)[..., 0])


def palette(mask: Mask, foreground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Values 0 and 1 that stand for black and `foreground`."""
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette([0, 0, 0, *foreground])
    return image


def red_rgba(mask: Mask) -> Image.Image:
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 255 * mask, 255
    return Image.fromarray(pixels)


def put_drive(folder: Path, *, test_vessels: bool = True) -> Path:
    """DRIVE: 20 + 20 eyes; its newer copies are without ``test/1st_manual``."""
    for number in range(1, 41):
        side = "test" if number <= 20 else "training"
        place, vessels = folder / side, tiny_mask(number, *DRIVE_SIZE)
        put(place / "images" / f"{number:02d}_{side}.tif", colour(number, DRIVE_SIZE), compression="tiff_lzw")
        put(place / "mask" / f"{number:02d}_{side}_mask.gif", grey(fov_of(DRIVE_SIZE)))
        if side == "training" or test_vessels:
            put(place / "1st_manual" / f"{number:02d}_manual1.gif", (grey if number % 2 else palette)(vessels))
        if side == "test" and test_vessels:
            put(place / "2nd_manual" / f"{number:02d}_manual2.gif", grey(tiny_mask(900 + number, *DRIVE_SIZE)))
    return folder


def put_stare(folder: Path, *, packed: bool = True, photographs: str = "", first: str = "", second: str = "") -> Path:
    """STARE: 20 eyes, each with two observers, in one folder or in three."""
    suffix = ".ppm.gz" if packed else ".ppm"
    for number in range(1, 21):
        stem = f"im{17 * number:04d}"
        put(folder / photographs / f"{stem}{suffix}", colour(number, STARE_SIZE))
        put(folder / first / f"{stem}.ah{suffix}", grey(tiny_mask(number, *STARE_SIZE)))
        put(folder / second / f"{stem}.vk{suffix}", grey(tiny_mask(900 + number, *STARE_SIZE)).convert("RGB"))
    return folder


def put_hrf(folder: Path) -> Path:
    """HRF: 15 healthy, 15 diabetic and 15 glaucomatous eyes; one group's suffix is in capitals."""
    for group, suffix in (("h", ".jpg"), ("dr", ".JPG"), ("g", ".jpg")):
        for number in range(1, 16):
            stem = f"{number:02d}_{group}"
            one_bit = grey(tiny_mask(number, *HRF_SIZE)).convert("1" if number % 2 else "L")
            put(folder / "images" / f"{stem}{suffix}", colour(number, HRF_SIZE), quality=95)
            put(folder / "manual1" / f"{stem}.tif", one_bit)
            put(folder / "mask" / f"{stem}_mask.tif", grey(fov_of(HRF_SIZE)).convert("RGB"), compression="tiff_lzw")
    return folder


def put_fives(folder: Path, *, train: int = 6, test: int = 4) -> Path:
    """FIVES: age-related degeneration, diabetes, glaucoma, normal; the same names in train and in test."""
    for side, count in (("train", train), ("test", test)):
        for number in range(1, count + 1):
            name, mask = f"{number}_{'ADGN'[number % 4]}.png", grey(tiny_mask(number, *FIVES_SIZE))
            put(folder / side / "Original" / name, colour(number, FIVES_SIZE))
            put(folder / side / "Ground truth" / name, mask.convert("RGB" if side == "train" else "L"))
    (folder / "Quality Assessment.xlsx").write_bytes(b"PK")
    return folder


IDRID_PLANES = {
    "MA": ("1. Microaneurysms", "microaneurysms"),
    "HE": ("2. Haemorrhages", "haemorrhages"),
    "EX": ("3. Hard Exudates", "hard_exudates"),
    "SE": ("4. Soft Exudates", "soft_exudates"),
    "OD": ("5. Optic Disc", "disc"),
}
IDRID_SIDES = {"train": "a. Training Set", "test": "b. Testing Set"}


def put_idrid(folder: Path) -> Path:
    """IDRiD, its parts A and B: soft exudates in every third eye, no haemorrhage in eye 2, no disc in eye 3."""
    segmentation, grading = folder / "A. Segmentation", folder / "B. Disease Grading"
    for number in range(1, 10):
        side = IDRID_SIDES["train" if number <= 6 else "test"]
        put(segmentation / "1. Original Images" / side / f"IDRiD_{number:02d}.jpg", colour(number, IDRID_SIZE))
        for seed, (ending, (name, _)) in enumerate(IDRID_PLANES.items()):
            if (ending == "SE" and number % 3) or (ending, number) in (("HE", 2), ("OD", 3)):
                continue
            mask = tiny_mask(100 * seed + number, *IDRID_SIZE)
            kinds: tuple[Callable[[], Image.Image], ...] = (
                lambda mask=mask: palette(mask, (255, 0, 0)),
                lambda mask=mask: palette(mask, (76, 0, 0)),
                lambda mask=mask: red_rgba(mask),
            )
            truths = segmentation / "2. All Segmentation Groundtruths" / side / name
            put(truths / f"IDRiD_{number:02d}_{ending}.tif", kinds[number % 3](), compression="tiff_lzw")
    for side, count in (("train", 4), ("test", 3)):
        for number in range(1, count + 1):
            photograph = grading / "1. Original Images" / IDRID_SIDES[side] / f"IDRiD_{number:03d}.jpg"
            put(photograph, colour(50 + number, IDRID_SIZE))
    (grading / "2. Groundtruths").mkdir()
    for side, grades in (("a. IDRiD_Disease Grading_Training", "0214"), ("b. IDRiD_Disease Grading_Testing", "300")):
        rows = [f"IDRiD_{number:03d},{grade},1,,," for number, grade in enumerate(grades, start=1)]
        text = "\n".join(["Image name,Retinopathy grade,Risk of macular edema ,,,", *rows, ""])
        (grading / "2. Groundtruths" / f"{side} Labels.csv").write_text(text)
    return folder
