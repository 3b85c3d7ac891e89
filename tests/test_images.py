import gzip
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from pictures import png_by_hand, png_chunk, put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth import decoding
from retinasynth.decoding import read_size
from retinasynth.errors import ImageError
from retinasynth.images import (
    counts_of,
    draw_panels,
    encoded,
    is_picture,
    labels_as_photograph,
    mask_as_photograph,
    mask_from_photograph,
    photograph_from_signed,
    read_mask,
    read_metadata,
    read_photograph,
    resize_mask,
    resize_photograph,
    signed_from_labels,
    signed_from_photograph,
    square_mask,
    square_photograph,
    stem_of,
    through_jpeg,
    unsquare_photograph,
    write_mask,
    write_photograph,
)
from retinasynth.pages import is_file

# --- Value ranges ---


def all_values() -> NDArray[np.uint8]:
    """Each of the 256 values once in every channel, in another order in each."""
    values = np.arange(256, dtype=np.uint8)
    return np.stack([values, values[::-1], np.roll(values, 100)], axis=1).reshape(16, 16, 3)


def test_all_256_values_survive_the_round_trip() -> None:
    signed = signed_from_photograph(all_values())
    assert (signed.dtype, signed.shape) == (np.float32, (3, 16, 16))
    np.testing.assert_array_equal(photograph_from_signed(signed), all_values())


def test_signed_values_are_the_closed_form_channels_first() -> None:
    photograph = all_values()
    signed = signed_from_photograph(photograph)
    for channel in range(3):
        expected = photograph[..., channel].astype(np.float64) / 127.5 - 1
        np.testing.assert_allclose(signed[channel], expected, rtol=0, atol=1e-7)
    assert (signed.min(), signed.max()) == (-1, 1)
    assert signed.flags.c_contiguous


def test_signed_values_are_rounded_to_the_nearest_and_clipped() -> None:
    values = np.array([-7.0, -1.0, -0.5, 99.4, 99.6, 254.6, 255.0, 300.0])
    signed = np.broadcast_to(values / 127.5 - 1, (3, 1, 8))
    expected = [0, 0, 0, 99, 100, 255, 255, 255]
    for dtype in (np.float32, np.float64):
        photograph = photograph_from_signed(signed.astype(dtype))
        assert photograph.dtype == np.uint8
        assert [row.tolist() for row in photograph[0].T] == [expected] * 3


@pytest.mark.parametrize("channels", [1, 3])
def test_masks_become_minus_one_and_one(channels: int) -> None:
    mask = tiny_mask(0, 20, 24)
    signed = signed_from_labels(mask[..., None], channels)
    assert (signed.shape, signed.dtype) == ((channels, 20, 24), np.float32)
    for plane in signed:
        assert set(np.unique(plane)) == {-1.0, 1.0}
        np.testing.assert_array_equal(plane > 0, mask)


def test_a_mask_survives_as_a_black_and_white_picture() -> None:
    mask = tiny_mask(1)
    picture = mask_as_photograph(mask)
    assert set(np.unique(picture)) == {0, 255}
    np.testing.assert_array_equal(mask_from_photograph(picture), mask)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 127, 128, 255], [False, False, True, True]),
        ([0, 0, 1, 1], [False, False, True, True]),  # masks stored as 0 and 1
        ([0, 1, 2, 255], [False, False, False, True]),
        ([0, 0, 0, 0], [False] * 4),
        ([255] * 4, [True] * 4),
    ],
)
def test_a_mask_is_what_is_over_half(values: list[int], expected: list[bool]) -> None:
    for channel in range(3):  # a mask may be painted in any colour
        picture = np.zeros((1, 4, 3), np.uint8)
        picture[0, :, channel] = values
        assert mask_from_photograph(picture)[0].tolist() == expected


# --- Sizes ---


def test_photographs_shrink_by_area_average() -> None:
    photograph = tiny_photograph(0, 12, 24)
    shrunk = resize_photograph(photograph, (6, 8))
    exact = photograph.reshape(6, 2, 8, 3, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - exact).max() <= 1  # rounded twice: after the rows, and after the columns
    assert abs((shrunk - exact).mean()) < 0.35  # halves go up
    blocks = np.kron(tiny_photograph(1, 4, 5), np.ones((3, 2, 1), np.uint8))
    np.testing.assert_array_equal(resize_photograph(blocks, (4, 5)), tiny_photograph(1, 4, 5))


def test_photographs_grow_without_steps_and_keep_a_constant() -> None:
    constant = np.full((4, 6, 3), 77, np.uint8)
    for size in ((8, 12), (5, 7), (8, 3)):
        resized = resize_photograph(constant, size)
        assert resized.shape == (*size, 3)
        assert (resized == 77).all()
    ramp = np.repeat(np.arange(0, 160, 20, dtype=np.uint8)[np.newaxis, :, np.newaxis], 8, axis=0).repeat(3, axis=2)
    steps = np.diff(resize_photograph(ramp, (8, 32))[4, 8:24, 0].astype(int))
    assert steps.min() >= 4
    assert steps.max() <= 6  # 20 over four pixels; the nearest value would jump by 20


@pytest.mark.parametrize("size", [(24, 24), (13, 17), (96, 96), (50, 30)])
def test_masks_stay_binary_in_every_size(size: tuple[int, int]) -> None:
    mask = np.kron(tiny_mask(0, 12, 12), np.ones((4, 4), np.bool_))
    resized = resize_mask(mask, size)
    assert (resized.shape, resized.dtype) == (size, np.bool_)
    assert abs(resized.mean() - mask.mean()) < 0.05


def test_masks_grow_by_whole_pixels() -> None:
    mask = tiny_mask(0, 10, 12)
    np.testing.assert_array_equal(resize_mask(mask, (30, 24)), np.kron(mask, np.ones((3, 2), np.bool_)))
    np.testing.assert_array_equal(resize_mask(resize_mask(mask, (30, 24)), (10, 12)), mask)


@pytest.mark.parametrize("size", [(16, 16), (8, 22), (32, 20)])
def test_masks_shrink_to_the_pixel_under_the_centre(size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random((33, 33)) < 0.5  # odd to even: no centre lies between two pixels
    rows, columns = (((np.arange(side) + 0.5) * 33 / side).astype(int) for side in size)
    np.testing.assert_array_equal(resize_mask(mask, size), mask[np.ix_(rows, columns)])


def test_the_same_size_is_left_alone() -> None:
    photograph, mask = tiny_photograph(0), tiny_mask(0)
    assert resize_photograph(photograph, (32, 32)) is photograph
    assert resize_mask(mask, (32, 32)) is mask


# --- Squares ---

SHAPES = [(48, 48), (30, 64), (64, 31), (61, 70), (1, 9)]


@pytest.mark.parametrize("size", SHAPES)
def test_a_letterbox_is_the_picture_in_the_middle_of_a_black_square(size: tuple[int, int]) -> None:
    (height, width), side = size, max(size)
    photograph = np.random.default_rng(0).integers(1, 256, (height, width, 3)).astype(np.uint8)
    square = square_photograph(photograph, side, "letterbox")
    top, left = (side - height) // 2, (side - width) // 2
    expected = np.zeros((side, side, 3), np.uint8)
    expected[top : top + height, left : left + width] = photograph
    np.testing.assert_array_equal(square, expected)
    np.testing.assert_array_equal(square_mask(photograph[..., 0] > 0, side, "letterbox"), expected[..., 0] > 0)
    np.testing.assert_array_equal(unsquare_photograph(square, size, "letterbox"), photograph)


@pytest.mark.parametrize("size", SHAPES[:-1])
def test_a_letterbox_keeps_circles_round_and_photograph_and_mask_together(size: tuple[int, int]) -> None:
    height, width = size[0] * 4, size[1] * 4
    y, x = np.mgrid[:height, :width] + 0.5
    disc = np.hypot(y - height / 2, x - width / 2) < min(size)
    for resize in ("letterbox", "stretch"):
        mask = square_mask(disc, 64, resize)
        photograph = square_photograph(mask_as_photograph(disc), 64, resize)[..., 0] > 127
        assert np.mean(mask != photograph) < 0.01
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        extent = np.array([np.ptp(rows), np.ptp(columns)]) + 1
        wanted = 128 * min(size) / np.array([max(size)] * 2 if resize == "letterbox" else size) / 4
        np.testing.assert_allclose(extent, wanted, rtol=0, atol=1.5)
        np.testing.assert_allclose([rows.mean(), columns.mean()], 31.5, rtol=0, atol=1)  # in the middle


@pytest.mark.parametrize("size", [(48, 48), (120, 256), (244, 280)])
def test_the_bars_of_a_letterbox_are_cut_off_again(size: tuple[int, int]) -> None:
    height, width = size
    ramp = np.add.outer(np.linspace(60, 200, height), np.linspace(0, 50, width))
    photograph = np.repeat(ramp[..., np.newaxis], 3, axis=2).astype(np.uint8)
    back = unsquare_photograph(square_photograph(photograph, 64, "letterbox"), size, "letterbox")
    assert back.shape == photograph.shape
    margin = 2 * max(size) // 64 + 1  # where the filter sees the bars
    inner = np.s_[margin:-margin, margin:-margin]
    assert np.abs(back[inner].astype(int) - photograph[inner]).max() <= 4
    assert back.min() > 20  # no bar is left


def test_stretching_is_resizing() -> None:
    photograph, mask = tiny_photograph(0, 30, 64), tiny_mask(0, 30, 64)
    np.testing.assert_array_equal(square_photograph(photograph, 32), resize_photograph(photograph, (32, 32)))
    np.testing.assert_array_equal(square_mask(mask, 32), resize_mask(mask, (32, 32)))
    np.testing.assert_array_equal(
        unsquare_photograph(square_photograph(photograph, 32), (30, 64)),
        resize_photograph(resize_photograph(photograph, (32, 32)), (30, 64)),
    )


# --- Files: what is accepted ---


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_photographs_and_masks_survive_their_files(tmp_path: Path) -> None:
    write_photograph(tmp_path / "new" / "photograph.png", all_values())
    np.testing.assert_array_equal(read_photograph(tmp_path / "new" / "photograph.png"), all_values())
    write_mask(tmp_path / "mask.png", tiny_mask(0))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), tiny_mask(0))
    with Image.open(tmp_path / "mask.png") as image:
        assert (image.mode, image.getextrema()) == ("L", (0, 255))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".ppm", ".bmp", ".webp", ".jp2", ".j2k"])
def test_every_lossless_format_is_read_exactly(suffix: str, tmp_path: Path) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    path = saved(Image.fromarray(tiny_photograph(0)), tmp_path / f"p{suffix}", **options)
    assert is_picture(path)
    assert read_size(path) == (32, 32)
    np.testing.assert_array_equal(read_photograph(path), tiny_photograph(0))


def test_compressed_tiff_jpeg_and_gif_are_read(tmp_path: Path) -> None:
    exact = tiny_photograph(0)
    lzw = saved(Image.fromarray(exact), tmp_path / "lzw.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_photograph(lzw), exact)
    smooth = resize_photograph(tiny_photograph(0, 4, 4), (32, 32))
    for name in ("p.jpg", "p.jfif", "P.JPEG", "p.webp"):
        lossy = read_photograph(saved(Image.fromarray(smooth), tmp_path / name, quality=95))
        assert 0 < np.abs(lossy.astype(int) - smooth).mean() < 4
        assert is_picture(tmp_path / name)
    gif = saved(Image.fromarray(mask_as_photograph(tiny_mask(0))[..., 0]), tmp_path / "mask.gif")
    np.testing.assert_array_equal(read_mask(gif), tiny_mask(0))


def test_masks_of_every_kind_are_read_alike(tmp_path: Path) -> None:
    mask = tiny_mask(0)
    grey = Image.fromarray(mask_as_photograph(mask)[..., 0])
    palette = Image.fromarray(mask.astype(np.uint8))
    palette.putpalette([10, 20, 30, 90, 200, 40])  # after this the values 0 and 1 are colours
    kinds = {
        "one_bit.png": grey.convert("1"),
        "one_bit.tif": grey.convert("1"),
        "palette.png": palette,
        "palette.gif": palette,
        "grey.png": grey,
        "zero_one.png": Image.fromarray(mask.astype(np.uint8)),
        "colour.png": grey.convert("RGB"),
        "with_alpha.png": grey.convert("RGBA"),
    }
    for name, image in kinds.items():
        np.testing.assert_array_equal(read_mask(saved(image, tmp_path / name)), mask, err_msg=name)


def on_black(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    return colour.astype(np.float64) * alpha[..., np.newaxis] / 255


def test_photographs_are_laid_on_black_and_grey_repeated(tmp_path: Path) -> None:
    colour, grey = tiny_photograph(0), tiny_photograph(0)[..., 0]
    alpha = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8)
    transparent = Image.fromarray(np.dstack([colour, alpha]))
    read = read_photograph(saved(transparent, tmp_path / "rgba.png"))
    np.testing.assert_allclose(read, on_black(colour, alpha), rtol=0, atol=1)
    repeated = np.repeat(grey[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(read_photograph(saved(Image.fromarray(grey), tmp_path / "l.png")), repeated)
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    np.testing.assert_allclose(
        read_photograph(saved(both, tmp_path / "la.png")), on_black(repeated, alpha), rtol=0, atol=1
    )
    opaque = Image.fromarray(np.dstack([colour, np.full_like(alpha, 255)]))
    np.testing.assert_array_equal(read_photograph(saved(opaque, tmp_path / "opaque.png")), colour)


def test_a_palette_is_looked_up_also_where_it_is_transparent(tmp_path: Path) -> None:
    colours = np.array([[200, 30, 10], [20, 90, 200], [5, 5, 5]], np.uint8)
    numbers = np.random.default_rng(0).integers(0, 3, (8, 9)).astype(np.uint8)
    image = Image.fromarray(numbers)
    image.putpalette(colours.ravel().tolist())
    np.testing.assert_array_equal(read_photograph(saved(image, tmp_path / "opaque.png")), colours[numbers])
    opacity = np.array([0, 128, 255], np.uint8)
    path = saved(image, tmp_path / "transparent.png", transparency=opacity.tobytes())
    np.testing.assert_allclose(read_photograph(path), on_black(colours[numbers], opacity[numbers]), rtol=0, atol=1)


def test_the_opacity_of_a_mask_counts_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    mask, other = tiny_mask(0), tiny_mask(1)
    drawn, opacity = mask_as_photograph(mask)[..., 0], mask_as_photograph(other)[..., 0]
    both = Image.merge("LA", [Image.fromarray(drawn), Image.fromarray(opacity)])
    np.testing.assert_array_equal(read_mask(saved(both, tmp_path / "both.png")), mask)
    for value in (0, 90, 255):  # black, grey and white ink on nothing
        ink = Image.merge("LA", [Image.new("L", (32, 32), value), Image.fromarray(opacity)])
        np.testing.assert_array_equal(read_mask(saved(ink, tmp_path / "ink.png")), other, err_msg=str(value))
    white = Image.merge("LA", [Image.new("L", (32, 32), 255), Image.new("L", (32, 32), 255)])
    assert read_mask(saved(white, tmp_path / "white.png")).all()


@pytest.mark.parametrize("suffix", [".ppm.gz", ".PPM.GZ", ".pgm.gz"])
def test_packed_pictures_are_read(suffix: str, tmp_path: Path) -> None:
    photograph, content = tiny_photograph(0, 20, 30), io.BytesIO()
    Image.fromarray(photograph).save(content, "PPM")
    path = tmp_path / f"im0001.ah{suffix}"
    path.write_bytes(gzip.compress(content.getvalue()))
    np.testing.assert_array_equal(read_photograph(path), photograph)
    assert read_size(path) == (20, 30)
    assert (is_picture(path), stem_of(path)) == (True, "im0001.ah")


@pytest.mark.parametrize(
    ("name", "stem"), [("a.png", "a"), ("a.b.JPG", "a.b"), ("im.gz", None), (".a.png", None), ("._a.ppm.gz", None)]
)
def test_pictures_are_known_by_their_names(name: str, stem: str | None) -> None:
    assert is_picture(Path("folder") / name) == (stem is not None)
    if stem is not None:
        assert stem_of(Path("folder") / name) == stem


# --- Files of several pages ---


def tiff_of(path: Path, *pages: NDArray[np.uint8], **options: object) -> Path:
    first, *rest = (Image.fromarray(page) for page in pages)
    return saved(first, path, save_all=True, append_images=rest, **options)


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".png", ".webp"])
def test_several_pages_are_refused_unless_one_is_named(suffix: str, tmp_path: Path) -> None:
    masks = [tiny_mask(seed) for seed in range(3)]
    options = {"lossless": True} if suffix == ".webp" else {}
    path = tiff_of(tmp_path / f"scan{suffix}", *(mask_as_photograph(mask) for mask in masks), **options)
    several = rf"scan\{suffix} has several pages \(3 of 32 x 32 px\).*scan\{suffix}#1 to #3"
    for read in (read_photograph, read_mask):
        with pytest.raises(ImageError, match=several):
            read(path)
    assert read_size(path) == (32, 32)
    for number, mask in enumerate(masks, start=1):
        page = path.with_name(f"{path.name}#{number}")
        np.testing.assert_array_equal(read_mask(page), mask)
        np.testing.assert_array_equal(read_photograph(page), mask_as_photograph(mask))
        assert stem_of(page) == f"scan-{number}"
        assert is_file(page)
    with pytest.raises(ImageError, match=rf"scan\{suffix} has 3 pages\. Expected: #1 to #3"):
        read_photograph(path.with_name(f"{path.name}#4"))


def test_pages_of_unlike_sizes_are_told_apart(tmp_path: Path) -> None:
    path = tiff_of(tmp_path / "scan.tif", tiny_photograph(0, 32, 40), tiny_photograph(1, 20, 20))
    with pytest.raises(ImageError, match=r"several pages \(1 of 40 x 32 px, 1 of 20 x 20 px\)"):
        read_photograph(path)
    np.testing.assert_array_equal(read_photograph(tmp_path / "scan.tif#2"), tiny_photograph(1, 20, 20))
    assert read_size(tmp_path / "scan.tif#2") == (20, 20)


def test_smaller_copies_are_no_pages_of_their_own(tmp_path: Path) -> None:
    large, small = tiny_photograph(0, 60, 80), tiny_photograph(1, 10, 13)
    for pages in ((large, small), (small, large), (small, tiny_photograph(2, 30, 40), large)):
        path = tiff_of(tmp_path / "pyramid.tif", *pages)
        np.testing.assert_array_equal(read_photograph(path), large)
        assert read_size(path) == (60, 80)
    marked = tmp_path / "marked.tif"  # its second page is of another shape, but said to be a reduced copy
    rest = Image.fromarray(tiny_photograph(1, 10, 30))
    rest.encoderinfo = {"tiffinfo": {254: 1}}
    saved(Image.fromarray(large), marked, save_all=True, append_images=[rest])
    np.testing.assert_array_equal(read_photograph(marked), large)


def test_a_page_of_a_file_with_one(tmp_path: Path) -> None:
    put_photograph(tmp_path / "p.png")
    np.testing.assert_array_equal(read_photograph(tmp_path / "p.png#1"), tiny_photograph(0))
    with pytest.raises(ImageError, match=r"p\.png has one page"):
        read_photograph(tmp_path / "p.png#2")
    with pytest.raises(ImageError, match=r"q\.png#2 does not exist"):
        read_photograph(tmp_path / "q.png#2")
    (tmp_path / "p.png#2").write_bytes((put_photograph(tmp_path / "other.png", seed=3)).read_bytes())
    np.testing.assert_array_equal(read_photograph(tmp_path / "p.png#2"), tiny_photograph(3))  # a file of that name


def test_the_larger_pictures_of_a_stereo_camera_are_pages(tmp_path: Path) -> None:
    pair = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = tmp_path / "stereo.jpg"
    pair[0].save(path, "MPO", save_all=True, append_images=pair[1:])
    with pytest.raises(ImageError, match=r"stereo\.jpg has several pages \(2 of 32 x 32 px\)"):
        read_photograph(path)
    assert np.abs(read_photograph(tmp_path / "stereo.jpg#2").astype(int) - (0, 0, 255)).max() < 4


# What the EXIF orientations ask for, so that the picture stands upright.
ORIENTATIONS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_rotation_is_applied(orientation: int, tmp_path: Path) -> None:
    stored = tiny_photograph(0, 6, 10)
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    path = saved(Image.fromarray(stored), tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_photograph(path), ORIENTATIONS[orientation](stored))
    assert read_size(path) == (6, 10)  # as stored


# --- Files: what is refused ---


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_png_is_refused(colour_type: int, channels: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (6, 7, channels)).astype(np.uint16)
    path = png_by_hand(tmp_path / "deep.png", colour_type=colour_type, values=values)
    with Image.open(path) as image:
        assert image.size == (7, 6)  # the file itself is sound
        image.load()
    eight = r"deep\.png has more than 8 bits .*Expected: 8 bits.*Convert it first"
    with pytest.raises(ImageError, match=eight):
        read_photograph(path)
    with pytest.raises(ImageError, match=eight if channels > 1 else r"deep\.png is not binary: .*Threshold it first"):
        read_mask(path)  # grey labels may be deep, but must be a mask


@pytest.mark.parametrize("suffix", [".pgm", ".ppm"])
def test_plain_text_in_black_and_white_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mask{suffix}"
    path.write_text("P1\n3 2\n1 0 0\n0 1 1\n")  # in which 1 is black
    np.testing.assert_array_equal(read_mask(path), [[False, True, True], [True, False, False]])


def test_deep_tiff_is_refused(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.full((4, 4), 40_000, np.uint16)), tmp_path / "deep.tif")
    with pytest.raises(ImageError, match=r"deep\.tif has more than 8 bits"):
        read_photograph(path)
    path = saved(Image.fromarray(np.full((4, 4), 40_000, np.int32)), tmp_path / "deeper.tif")
    with pytest.raises(ImageError, match=r"deeper\.tif has more than 8 bits"):
        read_photograph(path)
    path = saved(Image.fromarray(np.full((4, 4), 0.5, np.float32)), tmp_path / "real.tif")
    with pytest.raises(ImageError, match=r"real\.tif has more than 8 bits"):
        read_photograph(path)


@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_jpeg_2000_is_refused(suffix: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"deep{suffix}"
    grey = Image.fromarray(np.full((16, 16), 40_000, np.uint16))
    saved(grey, path) if channels == 1 else saved(Image.fromarray(tiny_photograph(0)), path)
    if channels == 3:  # Pillow writes no such file: 12 bits for each channel are put into the head of one of 8
        content = path.read_bytes()
        start = content.index(b"\xff\x4f\xff\x51") + 42
        path.write_bytes(content[:start] + b"\x0b\x01\x01" * 3 + content[start + 9 :])
    with pytest.raises(ImageError, match=rf"deep\{suffix} has more than 8 bits"):
        read_photograph(path)


@pytest.mark.parametrize("magic", ["P5", "P6"])
def test_sixteen_bit_ppm_is_refused(magic: str, tmp_path: Path) -> None:
    values = np.arange(4 * (3 if magic == "P6" else 1), dtype=">u2")
    (tmp_path / "deep.ppm").write_bytes(f"{magic}\n2 2\n65535\n".encode() + values.tobytes())
    with pytest.raises(ImageError, match=r"deep\.ppm has more than 8 bits"):
        read_photograph(tmp_path / "deep.ppm")


def png_that_claims(path: Path, height: int, width: int) -> Path:
    """A few bytes that say they are a picture of that size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"")))
    return path


@pytest.mark.parametrize(("height", "width"), [(10_001, 10_000), (12_000, 12_000), (60_000, 60_000)])
def test_an_enormous_picture_is_refused_before_it_is_decoded(height: int, width: int, tmp_path: Path) -> None:
    path = png_that_claims(tmp_path / "bomb.png", height, width)
    for read in (read_photograph, read_mask):
        with pytest.raises(ImageError, match=r"bomb\.png claims to be .*Expected: at most 100 million pixels\. Remove"):
            read(path)


def test_the_limit_is_of_the_number_of_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 30 * 40)
    assert read_photograph(put_photograph(tmp_path / "p.png", height=40, width=30)).shape == (40, 30, 3)
    with pytest.raises(ImageError, match=r"q\.png claims to be 30 x 41 px"):
        read_photograph(put_photograph(tmp_path / "q.png", height=30, width=41))


@pytest.mark.parametrize("suffix", [".webp", ".jp2"])
def test_fewer_pixels_are_read_where_decoders_need_more_memory(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 2 * 32 * 32)
    assert read_photograph(put_photograph(tmp_path / f"p{suffix}")).shape == (32, 32, 3)
    with pytest.raises(ImageError, match=rf"q\{suffix} claims to be 32 x 33 px"):
        read_photograph(put_photograph(tmp_path / f"q{suffix}", width=33))


def test_a_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1_000_000)
    path = tmp_path / "bomb.ppm.gz"
    with gzip.open(path, "wb") as packed:
        packed.write(b"P6 10 10 255\n")
        for _ in range(64):
            packed.write(bytes(2**20))
    assert path.stat().st_size < 10**5
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"bomb\.ppm\.gz unpacks to more than 1 MB"):
            read_photograph(path)
        assert read_size(path) == (10, 10)
        assert tracemalloc.get_traced_memory()[1] < 20 * 10**6  # not the 64 MB that it would unpack to
    finally:
        tracemalloc.stop()


def test_several_pictures_in_one_jpeg_cut_anywhere_are_read_or_refused(tmp_path: Path) -> None:
    """Pillow reads bytes of the second picture that are not there, and says so in several ways."""
    whole = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green")]
    frames[0].save(whole, "MPO", save_all=True, append_images=frames[1:])
    content, path, refused = whole.getvalue(), tmp_path / "two.jpg", 0
    for length in range(content.index(b"\xff\xd8", 2), len(content)):
        path.write_bytes(content[:length])
        try:
            read_size(path)
        except ImageError as error:
            refused += "two.jpg" in str(error)
    assert refused > 20


def test_a_packed_file_that_claims_to_be_enormous_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.ppm.gz"
    path.write_bytes(gzip.compress(b"P6 100000 100000 255\n" + bytes(100)))
    with pytest.raises(ImageError, match=r"liar\.ppm\.gz claims to be far larger than a photograph"):
        read_photograph(path)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.02])
def test_a_packed_file_cut_short_is_refused(kept: float, tmp_path: Path) -> None:
    content, path = io.BytesIO(), tmp_path / "p.ppm.gz"
    Image.fromarray(tiny_photograph(0, 64, 64)).save(content, "PPM")
    path.write_bytes(gzip.compress(content.getvalue()))
    with pytest.raises(ImageError, match=r"p\.ppm\.gz is (damaged or cut short|not a picture)"):
        read_photograph(cut(path, kept))
    path.write_bytes(b"P6 not packed at all")
    with pytest.raises(ImageError, match=r"p\.ppm\.gz is damaged"):
        read_photograph(path)
    path.write_bytes(gzip.compress(content.getvalue())[:40] + bytes(400))
    with pytest.raises(ImageError, match=r"p\.ppm\.gz is damaged"):
        read_photograph(path)


def test_no_other_format_hides_behind_a_known_name(tmp_path: Path) -> None:
    saved(Image.fromarray(tiny_photograph(0)), tmp_path / "p.tga")
    (tmp_path / "p.tga").rename(tmp_path / "p.png")
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EOF\n")
    for name in ("p.png", "script.png"):
        with pytest.raises(ImageError, match=rf"{name} is not a picture that can be read"):
            read_photograph(tmp_path / name)


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.tif", "p.bmp", "p.ppm", "p.webp", "p.jp2", "p.j2k"])
def test_a_file_cut_short_is_refused(name: str, share: float, tmp_path: Path) -> None:
    path = cut(put_photograph(tmp_path / name, height=64, width=64), share)
    with pytest.raises(ImageError, match=rf"{name} is (damaged or cut short .*Copy or download|not a picture)"):
        read_photograph(path)


def test_other_unusable_files_are_refused_by_name(tmp_path: Path) -> None:
    put_photograph(tmp_path / "p.png")
    saved(Image.new("CMYK", (8, 8)), tmp_path / "print.jpg")
    saved(Image.new("LAB", (8, 8)), tmp_path / "lab.tif")
    (tmp_path / "text.png").write_text("a text")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    refused = {
        "print.jpg": r"print\.jpg is stored in colour mode CMYK.*Expected: RGB or greyscale.*Convert",
        "lab.tif": r"lab\.tif is stored in colour mode LAB",
        "text.png": r"text\.png is not a picture that can be read.*Expected: one of: \.png",
        "empty.png": r"empty\.png is not a picture",
        "folder.png": r"folder\.png is a folder.*Expected: a picture file",
        "missing.png": r"missing\.png does not exist",
    }
    for name, says in refused.items():
        for read in (read_photograph, read_mask):
            with pytest.raises(ImageError, match=says) as caught:
                read(tmp_path / name)
            assert str(tmp_path / name) in str(caught.value)


def test_a_black_mask_is_refused_unless_it_may_be_empty(tmp_path: Path) -> None:
    write_mask(tmp_path / "black.png", np.zeros((5, 6), np.bool_))
    with pytest.raises(ImageError, match=r"black\.png is all black.*Expected: a mask with some white pixels"):
        read_mask(tmp_path / "black.png")
    empty = read_mask(tmp_path / "black.png", allow_empty=True)
    assert empty.shape == (5, 6)
    assert not empty.any()


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    for name in ("colour.png", "colour.jpg", "grey.png"):
        picture = Image.fromarray(tiny_photograph(0)).convert("L" if name.startswith("grey") else "RGB")
        path = saved(picture, tmp_path / name)
        with pytest.raises(ImageError, match=rf"{name} is not binary: \d+% of its pixels .*swap the two folders"):
            read_mask(path)
    red = np.clip(tiny_photograph(0) + np.array([200, 0, 0]), 0, 255).astype(np.uint8)  # saturated, as many are
    with pytest.raises(ImageError, match="is not binary"):
        read_mask(saved(Image.fromarray(red), tmp_path / "red.png"))


def test_numbered_labels_are_no_mask(tmp_path: Path) -> None:
    labels = np.zeros((16, 16), np.uint8)
    labels[4:8], labels[8:10] = 1, 2
    path = saved(Image.fromarray(labels), tmp_path / "labels.png")
    with pytest.raises(ImageError, match=r"has 3 values from 0 to 2\. Expected: a mask.*one file for each label"):
        read_mask(path, allow_empty=True)


def test_masks_with_soft_edges_are_masks(tmp_path: Path) -> None:
    mask = np.kron(tiny_mask(0, 64, 64), np.ones((4, 4), np.bool_))
    grey = Image.fromarray(mask_as_photograph(mask)[..., 0])
    np.testing.assert_array_equal(read_mask(saved(grey, tmp_path / "m.jpg", quality=80)), mask)
    smooth = saved(grey.resize((100, 100), Image.Resampling.BICUBIC), tmp_path / "smooth.png")
    with Image.open(smooth) as image:
        assert len(image.getcolors()) > 5
    expected = np.asarray(grey.resize((100, 100), Image.Resampling.BICUBIC)) > 127
    np.testing.assert_array_equal(read_mask(smooth), expected)


@pytest.mark.parametrize("colour", [(255, 0, 0), (76, 0, 0), (0, 0, 1), (128, 128, 128), (255, 255, 0)])
def test_two_colours_are_a_mask_whichever_they_are(colour: tuple[int, int, int], tmp_path: Path) -> None:
    mask = tiny_mask(0)
    for mode in ("P", "RGB", "RGBA"):
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette([0, 0, 0, *colour])
        path = saved(image.convert(mode), tmp_path / f"{mode}.tif", compression="tiff_lzw")
        np.testing.assert_array_equal(read_mask(path), mask, err_msg=mode)


def test_a_size_is_read_from_the_header_alone(tmp_path: Path) -> None:
    path = cut(put_mask(tmp_path / "mask.png", height=40, width=70), 0.6)
    assert read_size(path) == (40, 70)
    (tmp_path / "text.png").write_text("a text")
    for name in ("text.png", "missing.png"):
        with pytest.raises(ImageError, match=rf"{name} cannot be opened as a picture"):
            read_size(tmp_path / name)


# --- Metadata and panels ---


def test_metadata_survive_their_file(tmp_path: Path) -> None:
    metadata = {"Synthetic": "not for diagnosis", "Seed": "7", "Model": "Auge 眼 é"}
    write_photograph(tmp_path / "p.png", tiny_photograph(0), metadata)
    assert read_metadata(tmp_path / "p.png") == metadata
    np.testing.assert_array_equal(read_photograph(tmp_path / "p.png"), tiny_photograph(0))
    write_photograph(tmp_path / "plain.png", tiny_photograph(0))
    assert read_metadata(tmp_path / "plain.png") == {}


def test_encoded_pictures_decode_to_themselves() -> None:
    photograph = resize_photograph(tiny_photograph(0, 4, 4), (32, 32))
    with Image.open(io.BytesIO(encoded(photograph, "PNG"))) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), photograph)
    with Image.open(io.BytesIO(encoded(photograph, "JPEG"))) as image:
        assert image.format == "JPEG"
        assert 0 < np.abs(np.asarray(image).astype(int) - photograph).mean() < 3


def noise(deviation: float, height: int, width: int) -> NDArray[np.uint8]:
    levels = np.random.default_rng(0).normal(128, deviation, (height, width, 3))
    return np.clip(levels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("deviation", [25, 30, 80, 1000])
@pytest.mark.parametrize("size", [(256, 256), (300, 301), (100, 640)])
def test_pictures_that_compress_badly_are_encoded_all_the_same(deviation: float, size: tuple[int, int]) -> None:
    photograph = noise(deviation, *size)
    with Image.open(io.BytesIO(encoded(photograph, "PNG"))) as image:
        np.testing.assert_array_equal(np.asarray(image), photograph)
    with Image.open(io.BytesIO(encoded(photograph, "JPEG"))) as image:
        assert 0 < np.abs(np.asarray(image).astype(int) - photograph).mean() < 12
    assert through_jpeg(photograph, 100, full_colour=True).shape == photograph.shape


@pytest.mark.parametrize("quality", [1, 35, 89, 95, 100])
@pytest.mark.parametrize("full_colour", [False, True])
def test_what_a_jpeg_file_keeps_is_what_pillow_writes_and_reads(quality: int, full_colour: bool) -> None:
    photograph = noise(20, 45, 70)
    file = io.BytesIO()
    colour = {"subsampling": "4:4:4"} if full_colour else {}
    Image.fromarray(photograph).save(file, "JPEG", quality=quality, **colour)
    with Image.open(file) as image:
        np.testing.assert_array_equal(through_jpeg(photograph, quality, full_colour=full_colour), np.asarray(image))


@pytest.mark.parametrize("row_titles", [None, ["first", "second"]])
def test_panels_show_every_picture_whole(row_titles: list[str] | None) -> None:
    colours = [[(200, 10, 10), (10, 200, 10), (10, 10, 200)], [(200, 200, 10), (10, 200, 200), (200, 10, 200)]]
    rows = [[np.full((48, 48, 3), colour, np.uint8) for colour in row] for row in colours]
    sheet = draw_panels(rows, ["source", "generated", "expected"], row_titles)
    assert sheet.dtype == np.uint8
    corners = []
    for row in colours:
        for colour in row:
            ys, xs = np.nonzero((sheet == colour).all(axis=2))
            assert len(ys) == 48 * 48
            assert (np.ptp(ys), np.ptp(xs)) == (47, 47)
            corners.append((ys.min(), xs.min()))
    assert corners == sorted(corners)  # row by row, from left to right
    assert len({y for y, _ in corners}) == 2
    columns = sorted({x for _, x in corners})
    assert len(columns) == 3
    assert np.diff(columns).min() > 48  # white between them
    head = sheet[: corners[0][0]]
    assert head.min() < 100  # the titles
    assert (sheet[0] == 255).all()


def test_label_planes_are_shown_in_one_picture_the_first_on_top() -> None:
    first, second, third = (np.zeros((4, 4), np.bool_) for _ in range(3))
    first[0], second[:2], third[:3] = True, True, True
    picture = labels_as_photograph(np.stack([first, second, third], axis=-1))
    assert (picture[0] == 255).all()
    colours = [tuple(picture[row, 0].tolist()) for row in (1, 2, 3)]
    assert len(set(colours)) == 3
    assert colours[2] == (0, 0, 0)
    np.testing.assert_array_equal(labels_as_photograph(first[..., None]), mask_as_photograph(first))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (3, 5), (7, 8, 3), (64, 64)])
def test_values_counted_two_by_two_are_those_counted_one_by_one(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    expected = [int((values == value).sum()) for value in range(256)]
    assert counts_of(values).tolist() == expected
    assert counts_of(values[::-1].T).tolist() == expected
