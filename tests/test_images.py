import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pictures import put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth.errors import ImageError
from retinasynth.images import (
    draw_panels,
    encoded,
    mask_as_photograph,
    mask_from_photograph,
    photograph_from_signed,
    read_mask,
    read_metadata,
    read_photograph,
    read_size,
    resize_mask,
    resize_photograph,
    signed_from_mask,
    signed_from_photograph,
    write_mask,
    write_photograph,
)

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
    signed = signed_from_mask(mask, channels)
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


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".ppm", ".bmp"])
def test_every_lossless_format_is_read_exactly(suffix: str, tmp_path: Path) -> None:
    path = saved(Image.fromarray(tiny_photograph(0)), tmp_path / f"p{suffix}")
    np.testing.assert_array_equal(read_photograph(path), tiny_photograph(0))


def test_compressed_tiff_jpeg_and_gif_are_read(tmp_path: Path) -> None:
    exact = tiny_photograph(0)
    lzw = saved(Image.fromarray(exact), tmp_path / "lzw.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_photograph(lzw), exact)
    smooth = resize_photograph(tiny_photograph(0, 4, 4), (32, 32))
    jpeg = read_photograph(saved(Image.fromarray(smooth), tmp_path / "p.jpg", quality=95))
    assert 0 < np.abs(jpeg.astype(int) - smooth).mean() < 4
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


def test_alpha_is_dropped_and_grey_repeated(tmp_path: Path) -> None:
    colour, grey = tiny_photograph(0), tiny_photograph(0)[..., 0]
    alpha = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8)
    transparent = Image.fromarray(np.dstack([colour, alpha]))
    np.testing.assert_array_equal(read_photograph(saved(transparent, tmp_path / "rgba.png")), colour)
    repeated = np.repeat(grey[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(read_photograph(saved(Image.fromarray(grey), tmp_path / "l.png")), repeated)
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    np.testing.assert_array_equal(read_photograph(saved(both, tmp_path / "la.png")), repeated)


def test_a_palette_is_looked_up_also_where_it_is_transparent(tmp_path: Path) -> None:
    colours = np.array([[200, 30, 10], [20, 90, 200], [5, 5, 5]], np.uint8)
    numbers = np.random.default_rng(0).integers(0, 3, (8, 9)).astype(np.uint8)
    image = Image.fromarray(numbers)
    image.putpalette(colours.ravel().tolist())
    for name, options in {"opaque.png": {}, "transparent.png": {"transparency": bytes([0, 128, 255])}}.items():
        path = saved(image, tmp_path / name, **options)
        np.testing.assert_array_equal(read_photograph(path), colours[numbers], err_msg=name)


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
    exif[0x0112] = orientation
    path = saved(Image.fromarray(stored), tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_photograph(path), ORIENTATIONS[orientation](stored))
    assert read_size(path) == (6, 10)  # as stored


# --- Files: what is refused ---


def png_by_hand(path: Path, *, colour_type: int, values: NDArray[np.uint16]) -> Path:
    """A 16-bit PNG of `values` (height, width, channels), with nothing but the chunks that the format demands."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_png_is_refused(colour_type: int, channels: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 2**16, (6, 7, channels)).astype(np.uint16)
    path = png_by_hand(tmp_path / "deep.png", colour_type=colour_type, values=values)
    with Image.open(path) as image:
        assert image.size == (7, 6)  # the file itself is sound
        image.load()
    for read in (read_photograph, read_mask):
        with pytest.raises(ImageError, match=r"deep\.png has more than 8 bits .*Expected: 8 bits.*Convert it first"):
            read(path)


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


@pytest.mark.parametrize("magic", ["P5", "P6"])
def test_sixteen_bit_ppm_is_refused(magic: str, tmp_path: Path) -> None:
    values = np.arange(4 * (3 if magic == "P6" else 1), dtype=">u2")
    (tmp_path / "deep.ppm").write_bytes(f"{magic}\n2 2\n65535\n".encode() + values.tobytes())
    with pytest.raises(ImageError, match=r"deep\.ppm has more than 8 bits"):
        read_photograph(tmp_path / "deep.ppm")


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.tif", "p.bmp", "p.ppm"])
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
