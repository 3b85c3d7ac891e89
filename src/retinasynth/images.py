"""Pictures in files and in arrays: the one module that knows value ranges.

- A *photograph* is ``uint8 (height, width, 3)``, RGB, 0 to 255.
- A *mask* is ``bool (height, width)``, True where the structure is.
- *Signed* arrays are ``float32`` in [-1, 1], channels first: what the networks read and write
  (``signed = value / 127.5 - 1``; a mask is -1 and 1).
- *Unit* values lie in [0, 1].

Photographs shrink by area averaging (Pillow BOX) and grow by BICUBIC; masks always take the NEAREST value, so that
they stay binary. The filter alone moves SSIM by .04, so reports name it. Other shapes become square by stretching, or
by a letterbox: black bars (False in masks) on the short sides, then the same filters.
"""

import functools
import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from retinasynth import dicom
from retinasynth.decoding import EIGHT_BIT_MODES, PACKED, SUFFIXES, opened
from retinasynth.errors import ImageError, printable
from retinasynth.files import atomic_path
from retinasynth.pages import without_page
from retinasynth.settings import Resize
from retinasynth.windows import Window

Photograph = NDArray[np.uint8]
Mask = NDArray[np.bool_]
LabelValues = NDArray[Any]  # what a label file holds: numbers (height, width), or colours (height, width, 3)
Labels = NDArray[np.bool_]  # several masks of one size: (height, width, planes)
_TINTS = ((205, 150, 40), (70, 120, 190), (60, 150, 110), (170, 80, 130))  # of label planes after the first
Signed = NDArray[np.float32]

RESIZE_FILTERS = "photographs: area average (Pillow BOX); masks: nearest"

_MOST_SHADES = 0.3  # photographs have over .65; vessel masks reduced to 128 px with a smooth filter at most .15


# --- Files -------------------------------------------------------------------------------------------------------


def is_picture(path: Path) -> bool:
    """Whether the name of a file is that of a picture that can be read; hidden files are not."""
    return not path.name.startswith(".") and path.name.lower().endswith(SUFFIXES)


def stem_of(path: Path) -> str:
    """The name of a picture file without its suffix, which may have two parts; the end of a UID is no suffix.

    Example:
        >>> stem_of(Path("labels-ah/im0001.ah.ppm.gz"))
        'im0001.ah'
        >>> stem_of(Path("eye.tif#2"))
        'eye-2'
        >>> stem_of(Path("1.2.840.10008.7"))
        '1.2.840.10008.7'
    """
    name, page = without_page(path.name)
    stem = name if dicom.has_no_suffix(name) else Path(name).stem
    stem = Path(stem).stem if name.lower().endswith(PACKED) else stem
    return f"{stem}-{page}" if page else stem


def read_photograph(path: Path, *, window: Window | None = None) -> Photograph:
    """The photograph in a file.

    Greyscale is repeated in three channels, a palette looked up, transparency laid on black, EXIF rotation applied.

    Args:
        path: the file, or a page of one as ``FILE#2`` (`retinasynth.pages`).
        window: what becomes black and white where it has more than 8 bits (`retinasynth.windows`).

    Returns:
        ``uint8 (height, width, 3)``.

    Raises:
        ImageError: the file is missing, damaged, enormous, of several pages, stored in CMYK, or with more than 8 bits
            where no window is given.
    """
    with opened(Path(path), window=window) as image:
        if image.has_transparency_data:
            picture = image.convert("RGBA")
            return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture).convert("RGB"))
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def read_mask(path: Path, *, allow_empty: bool = False) -> Mask:
    """The mask in a file, as `mask_from_photograph` sees it.

    Transparency is ignored, unless all the rest is of one colour and it alone can be the mask. Grey values of 16 and 32
    bits and floats are read too, where they are a mask.

    Args:
        path: the file; 1-bit, palette, greyscale or colour.
        allow_empty: accept a mask with nothing in it, which says that the eye has none of the structure.

    Returns:
        ``bool (height, width)``.

    Raises:
        ImageError: the file cannot be read, is not binary, or is empty and that is not allowed.
    """
    return mask_from_labels(read_labels(path), path, allow_empty=allow_empty)


def read_labels(path: Path) -> LabelValues:
    """The values in a label file as they are stored, or its colours.

    Returns:
        ``(height, width)`` of any number type from greyscale; ``uint8 (height, width, 3)`` from colour and palette, or,
        where all of that is of one colour, ``uint8 (height, width)`` of the transparency.

    Raises:
        ImageError: the file cannot be read.
    """
    with opened(Path(path), is_label=True) as image:
        if image.mode in ("1", "L") and not image.has_transparency_data:
            return np.asarray(image.convert("L"))
        if image.mode == "P" and (numbers := _numbers_in_palette(image)) is not None:
            return numbers
        if image.mode in EIGHT_BIT_MODES:
            layers = np.asarray(image.convert("RGBA"))
        else:
            values = np.asarray(image)
            if not np.isfinite(values).all():
                raise ImageError(f"{path} has pixels that are no number", expected="labels", do="Write the file anew")
            return values
    picture, alpha = layers[..., :3], layers[..., 3]
    return alpha if np.ptp(alpha) and not np.ptp(picture, axis=(0, 1)).any() else picture


def _numbers_in_palette(image: Image.Image) -> LabelValues | None:
    """The numbers 0 to 3 of a palette picture whose colours only serve to tell them apart; None for all others."""
    numbers = np.asarray(image)
    used = np.flatnonzero(np.bincount(numbers.ravel()))
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[: used[-1] + 1][used[used < 256]]
    has_meaning = (np.ptp(colours, axis=1) == 0).all() or np.isin(colours, (0, 255)).all()
    return numbers if len(used) > 2 and used[-1] <= 3 and not has_meaning else None


def mask_from_labels(labels: LabelValues, path: Path, *, allow_empty: bool = False) -> Mask:
    """The mask in what `read_labels` read from `path`; `read_mask` says which and what it raises."""
    if labels.dtype != np.uint8:
        labels = _as_eight_bit(path, labels)
    picture = labels[..., np.newaxis] if labels.ndim == 2 else labels
    _refuse_shades(path, picture)
    mask = mask_from_photograph(picture)
    if not (allow_empty or mask.any()):
        raise ImageError(
            f"{path} is all black",
            expected="a mask with some white pixels",
            do="Check the file, or remove the pair",
        )
    return mask


def _as_eight_bit(path: Path, labels: LabelValues) -> Photograph:
    """Numbers of another type as 8-bit greys: of two values 0 and 255; of more, shades from black to white."""
    lowest, highest = labels.min(), labels.max()
    if lowest == highest or ((labels == lowest) | (labels == highest)).all():
        return np.where(labels > (0 if lowest == highest else lowest), 255, 0).astype(np.uint8)
    white = next((white for white in (1, 255, 65535) if highest == white), None)
    if lowest or white is None or (white == 1 and labels.dtype.kind != "f"):
        raise ImageError(
            f"{path} is not binary: it has values from {lowest:g} to {highest:g}",
            expected="a mask of two values, or of shades from 0 to 1 (floats), 255 or 65535",
            do="Threshold it first",
        )
    return np.rint(labels.astype(np.float64) * (255 / white)).astype(np.uint8)


def _refuse_shades(path: Path, picture: Photograph) -> None:
    """Raise where a picture is no mask: one mostly of shades, or one of several values that are all dark.

    A mask that was resized smoothly or stored as JPEG has shades too, but only along its edges.
    """
    values = np.flatnonzero(counts_of(brightest(picture)))
    if len(values) <= 2:
        return
    shades = float(np.mean(((picture > 31) & (picture < 224)).any(axis=2)))
    if shades > _MOST_SHADES:
        raise ImageError(
            f"{path} is not binary: {shades:.0%} of its pixels are neither nearly black nor nearly white",
            expected="a mask, black and white",
            do="If photographs lie in the folder of the masks, swap the two folders",
        )
    if values[-1] < 128:
        raise ImageError(
            f"{path} is not binary: it has {len(values)} values from {values[0]} to {values[-1]}",
            expected="a mask, black and white (0 and 255, or 0 and 1)",
            do="Store one file for each label",
        )


def write_photograph(path: Path, photograph: Photograph, metadata: Mapping[str, str] | None = None) -> None:
    """Write a photograph as PNG, atomically, with `metadata` as its text chunks.

    Runs alone are looked for: of a photograph and of a mask this makes smaller files in a fifth of the time.

    Raises:
        OutputError: the file cannot be written.
    """
    chunks = PngImagePlugin.PngInfo()
    for name, text in (metadata or {}).items():
        chunks.add_itxt(name, printable(text))
    with atomic_path(Path(path)) as temporary:
        Image.fromarray(photograph).save(temporary, format="PNG", pnginfo=chunks, compress_type=zlib.Z_RLE)


def encoded(photograph: Photograph, format: Literal["PNG", "JPEG"]) -> bytes:  # noqa: A002 - Pillow's word
    """The bytes of a picture file, for a page that carries its pictures inside; JPEG keeps colour at full size."""
    if format == "JPEG":
        return _jpeg(photograph, 90, full_colour=True)
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, format, optimize=True)
    return buffer.getvalue()


def through_jpeg(photograph: Photograph, quality: int, *, full_colour: bool = False) -> Photograph:
    """What a JPEG file keeps of a photograph.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        quality: 1 to 100, as Pillow counts it.
        full_colour: keep colour at full size instead of at half.

    Returns:
        The same shape and type.
    """
    return np.asarray(Image.open(io.BytesIO(_jpeg(photograph, quality, full_colour=full_colour))))


def _jpeg(photograph: Photograph, quality: int, *, full_colour: bool) -> bytes:
    # Neither optimised nor progressive: Pillow then needs the whole file in one buffer, which noise does not fit.
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, "JPEG", quality=quality, subsampling=0 if full_colour else 2)
    return buffer.getvalue()


def write_mask(path: Path, mask: Mask) -> None:
    """Write a mask as an 8-bit PNG of 0 and 255, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    with atomic_path(Path(path)) as temporary:
        grey = mask.astype(np.uint8) * np.uint8(255)
        Image.fromarray(grey).save(temporary, format="PNG", compress_type=zlib.Z_RLE)


def read_metadata(path: Path) -> dict[str, str]:
    """The text chunks of a PNG."""
    with opened(Path(path)) as image:
        return {str(name): text for name, text in image.info.items() if isinstance(text, str)}


# --- Sizes -------------------------------------------------------------------------------------------------------


def resize_photograph(photograph: Photograph, size: tuple[int, int]) -> Photograph:
    """Resize to ``(height, width)``: area average to shrink, bicubic to grow.

    Example:
        >>> resize_photograph(np.zeros((4, 6, 3), np.uint8), (2, 3)).shape
        (2, 3, 3)
    """
    height, width = size
    if photograph.shape[:2] == size:
        return photograph
    shrinks = height <= photograph.shape[0] and width <= photograph.shape[1]
    resample = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(photograph).resize((width, height), resample))


def resize_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize to ``(height, width)`` by the nearest value, so the mask stays binary."""
    height, width = size
    if mask.shape == size:
        return mask
    resized = Image.fromarray(mask.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(resized, dtype=np.bool_)


def square_photograph(photograph: Photograph, size_px: int, resize: Resize = "stretch") -> Photograph:
    """Make a square of `size_px`: by stretching, or by black bars on the short sides (letterbox) before resizing.

    What learns in frames (``frame``) cuts them out and puts them back itself, so that its pictures are stretched here.

    Example:
        >>> white = np.full((2, 4, 3), 255, np.uint8)
        >>> square_photograph(white, 4, "letterbox")[..., 0].tolist()
        [[0, 0, 0, 0], [255, 255, 255, 255], [255, 255, 255, 255], [0, 0, 0, 0]]
    """
    if resize == "letterbox":
        photograph = np.pad(photograph, (*_bars(photograph.shape[:2]), (0, 0)))
    return resize_photograph(photograph, (size_px, size_px))


def square_mask(mask: Mask, size_px: int, resize: Resize = "stretch") -> Mask:
    """The mask over what `square_photograph` makes."""
    if resize == "letterbox":
        mask = np.pad(mask, _bars(mask.shape))
    return resize_mask(mask, (size_px, size_px))


def unsquare_photograph(square: Photograph, size: tuple[int, int], resize: Resize = "stretch") -> Photograph:
    """What `square_photograph` made a square of, back at its ``(height, width)``; bars are cut off again."""
    if resize != "letterbox":
        return resize_photograph(square, size)
    height, width = size
    (top, _), (left, _) = _bars(size)
    whole = resize_photograph(square, (max(size), max(size)))
    return whole[top : top + height, left : left + width]


def _bars(size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """What a letterbox adds above and below, left and right."""
    rows, columns = (max(size) - side for side in size)
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


# --- Value ranges ------------------------------------------------------------------------------------------------


def signed_from_photograph(photograph: Photograph | NDArray[np.floating[Any]]) -> Signed:
    """``uint8 (height, width, 3)`` to ``float32 (3, height, width)`` in [-1, 1]; grey levels need not be whole.

    Example:
        >>> signed_from_photograph(np.array([[[0, 51, 255]]], np.uint8)).ravel().tolist()
        [-1.0, -0.6000000238418579, 1.0]
    """
    return np.ascontiguousarray(photograph.transpose(2, 0, 1), dtype=np.float32) / np.float32(127.5) - np.float32(1)


def signed_from_labels(labels: Labels, channels: int) -> Signed:
    """``bool (height, width, planes)`` to ``float32 (channels, height, width)`` of -1 and 1.

    Each plane is a channel; a single one is repeated in all.

    Example:
        >>> signed_from_labels(np.array([[[True, False]]]), 2).ravel().tolist()
        [1.0, -1.0]
    """
    signed = np.where(labels, np.float32(1), np.float32(-1)).transpose(2, 0, 1)
    return np.repeat(signed, channels, axis=0) if len(signed) == 1 else signed


def photograph_from_signed(signed: NDArray[np.floating[Any]]) -> Photograph:
    """``float (3, height, width)`` in [-1, 1] to ``uint8 (height, width, 3)``, rounded to the nearest value."""
    scaled = (signed.astype(np.float32).transpose(1, 2, 0) + 1) * 127.5
    return np.ascontiguousarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def mask_as_photograph(mask: Mask) -> Photograph:
    """A mask as a black and white picture, ``uint8 (height, width, 3)``."""
    return np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., np.newaxis], 3, axis=2)


def labels_as_photograph(labels: Labels) -> Photograph:
    """Label planes as one picture: the first is white, each further one tints what lies in it.

    Args:
        labels: ``bool (height, width, planes)``.

    Returns:
        ``uint8 (height, width, 3)``; of a single plane the same as `mask_as_photograph`.
    """
    picture = np.zeros((*labels.shape[:2], 3), np.uint8)
    for plane in reversed(range(1, labels.shape[2])):
        picture[labels[..., plane]] = _TINTS[(plane - 1) % len(_TINTS)]
    picture[labels[..., 0]] = 255
    return picture


def mask_from_photograph(picture: Photograph) -> Mask:
    """A picture of two colours as a mask: True where the brightest channel has the higher of its two values.

    Of one value, all is True unless it is 0; of several, as after a smooth filter or in a JPEG file, those over 127.

    Example:
        >>> mask_from_photograph(mask_as_photograph(np.array([[True, False]]))).tolist()
        [[True, False]]
    """
    values = brightest(picture)
    lowest, highest = int(values.min()), int(values.max())
    is_two_valued = bool(((values == lowest) | (values == highest)).all())
    mask: Mask = values > (0 if lowest == highest else lowest if is_two_valued else 127)
    return mask


def brightest(picture: Photograph) -> NDArray[np.uint8]:
    """The brightest channel of each pixel; numpy's maximum along so short an axis takes ten times as long."""
    return functools.reduce(np.maximum, np.moveaxis(picture, 2, 0))


def counts_of(values: NDArray[np.uint8]) -> NDArray[np.intp]:
    """How many pixels have each value, ``(256,)``; they are counted two by two, in half the time of one by one.

    Example:
        >>> counts_of(np.array([[0, 2, 2]], np.uint8))[:4].tolist()
        [1, 0, 2, 0]
    """
    row = np.ascontiguousarray(values).ravel()
    even = row.size // 2 * 2
    pairs = np.bincount(row[:even].view(np.uint16), minlength=1 << 16).reshape(256, 256)
    counts: NDArray[np.intp] = pairs.sum(axis=0) + pairs.sum(axis=1) + np.bincount(row[even:], minlength=256)
    return counts


# --- Panels ------------------------------------------------------------------------------------------------------


def draw_panels(
    rows: Sequence[Sequence[Photograph]],
    column_titles: Sequence[str],
    row_titles: Sequence[str] | None = None,
) -> Photograph:
    """Pictures in a titled grid, on white.

    Args:
        rows: pictures, row by row; all ``uint8 (size, size, 3)`` of one size.
        column_titles: one for each column, above it.
        row_titles: one for each row, under its pictures.

    Returns:
        ``uint8 (height, width, 3)``.
    """
    height, width = rows[0][0].shape[:2]
    text_px = max(11, height // 16)
    font = ImageFont.load_default(text_px)
    gap, head, foot = max(4, height // 32), 2 * text_px, (2 * text_px if row_titles else 0)
    columns = len(column_titles)
    sheet = Image.new(
        "RGB",
        (columns * (width + gap) + gap, head + len(rows) * (height + gap + foot) + (gap if not foot else 0)),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(column_titles):
        centre = gap + column * (width + gap) + width // 2
        draw.text((centre, head // 2), title, fill="#222222", font=font, anchor="mm")
    for row, pictures in enumerate(rows):
        top = head + row * (height + gap + foot)
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (gap + column * (width + gap), top))
        if row_titles:
            draw.text((gap, top + height + foot // 2), row_titles[row], fill="#555555", font=font, anchor="lm")
    return np.asarray(sheet)
