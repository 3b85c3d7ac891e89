import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pictures import tiny_photograph
from retinasynth import images
from retinasynth.errors import ImageError


def test_every_value_survives_the_networks_range():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    signed = images.signed_from_photograph(values)
    assert signed.shape == (3, 16, 16)
    assert signed.dtype == np.float32
    assert (signed.min(), signed.max()) == (-1, 1)
    assert np.array_equal(images.photograph_from_signed(signed), values)


def test_values_beyond_the_range_are_clipped():
    assert images.photograph_from_signed(np.array([-3.0, 0.0, 3.0]).reshape(3, 1, 1)).ravel().tolist() == [0, 128, 255]


def test_masks_are_minus_one_and_one_in_every_channel():
    signed = images.signed_from_mask(np.array([[True, False]]), 3)
    assert signed.tolist() == [[[1, -1]]] * 3


def test_photographs_shrink_by_area_average():
    blocks = np.arange(16, dtype=np.uint8).reshape(4, 4, 1).repeat(3, axis=2) * 10
    shrunk = images.resize_photograph(blocks, (2, 2))
    assert shrunk[..., 0].tolist() == [[25, 45], [105, 125]]


def test_masks_stay_binary_and_take_the_nearest_value():
    mask = np.kron(np.array([[1, 0], [0, 1]]), np.ones((3, 3))).astype(bool)
    assert images.resize_mask(mask, (2, 2)).tolist() == [[True, False], [False, True]]
    assert images.resize_mask(mask, (12, 12)).sum() == 72


def test_written_photographs_come_back_with_their_metadata(tmp_path):
    photograph = tiny_photograph(1)
    images.write_photograph(tmp_path / "new" / "a.png", photograph, {"Synthetic": "yes, für alle", "Seed": "3"})
    assert np.array_equal(images.read_photograph(tmp_path / "new" / "a.png"), photograph)
    assert images.read_metadata(tmp_path / "new" / "a.png") == {"Synthetic": "yes, für alle", "Seed": "3"}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_eight_bit_modes_are_read(mode, tmp_path):
    picture = Image.fromarray(tiny_photograph(1)).convert(mode)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGBA").convert("RGB"))
    assert np.array_equal(images.read_photograph(tmp_path / "a.png"), expected)


def test_rotation_of_the_camera_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned; the viewer turns it back
    Image.fromarray(tiny_photograph(1, 20, 30)).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(images.read_photograph(tmp_path / "a.png"), np.rot90(tiny_photograph(1, 20, 30), -1))


@pytest.mark.parametrize("white", [1, 255])
def test_masks_of_0_and_1_or_0_and_255_are_the_same(white, tmp_path):
    mask = np.eye(8, dtype=np.uint8)
    Image.fromarray(mask * white).save(tmp_path / "a.png")
    assert np.array_equal(images.read_mask(tmp_path / "a.png"), mask.astype(bool))


def test_coloured_masks_count_by_their_brightest_channel(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[1, 2] = (255, 0, 0)
    Image.fromarray(red).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    assert images.read_mask(tmp_path / "a.png").sum() == 1


def sixteen_bit_rgb(path):
    """A 16-bit colour PNG, written by hand: Pillow cannot write one, and opens it as 8-bit."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(4 * 6) for _ in range(4))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(png)


def truncated(path):
    images.write_photograph(path, tiny_photograph(1, 64, 64))
    path.write_bytes(path.read_bytes()[:-600])


WRONG = {
    "truncated": (truncated, "damaged or cut short"),
    "16-bit colour": (sixteen_bit_rgb, "more than 8 bits"),
    "16-bit grey": (lambda path: Image.fromarray(np.full((4, 4), 999, np.uint16)).save(path), "more than 8 bits"),
    "float": (lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path, "TIFF"), "more than 8 bits"),
    "CMYK": (lambda path: Image.new("CMYK", (4, 4)).save(path, "JPEG"), "colour mode CMYK"),
    "text": (lambda path: path.write_text("hello"), "not a picture"),
    "empty": (lambda path: path.write_bytes(b""), "not a picture"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "missing": (lambda _: None, "does not exist"),
}


@pytest.mark.parametrize("make", WRONG)
def test_what_cannot_be_used_is_refused_by_name(make, tmp_path):
    put, message = WRONG[make]
    put(tmp_path / "eye-07.png")
    for read in (images.read_photograph, images.read_mask):
        with pytest.raises(ImageError, match=rf"eye-07\.png.*{message}"):
            read(tmp_path / "eye-07.png")


def test_an_all_black_mask_is_refused_where_it_cannot_be_true(tmp_path):
    images.write_mask(tmp_path / "a.png", np.zeros((4, 4), bool))
    with pytest.raises(ImageError, match=r"a\.png is all black"):
        images.read_mask(tmp_path / "a.png")
    assert not images.read_mask(tmp_path / "a.png", allow_empty=True).any()


def test_panels_show_the_pictures_as_they_are():
    rows = [[tiny_photograph(row * 3 + column) for column in range(3)] for row in range(2)]
    sheet = images.draw_panels(rows, ["source", "generated", "expected"], ["a", "b"])
    for picture in (picture for row in rows for picture in row):
        found = [
            (y, x)
            for y in range(sheet.shape[0] - 31)
            for x in range(sheet.shape[1] - 31)
            if np.array_equal(sheet[y, x], picture[0, 0]) and np.array_equal(sheet[y : y + 32, x : x + 32], picture)
        ]
        assert len(found) == 1
