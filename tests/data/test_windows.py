import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from commands import fails
from pictures import png_by_hand, put_mask, tiny_photograph
from retinasynth.data.find import photograph_of
from retinasynth.data.inspect import inspect_data
from retinasynth.data.photographs import as_photograph
from retinasynth.data.prepare import prepare
from retinasynth.errors import ImageError, SettingError
from retinasynth.images import read_photograph, resize_photograph
from retinasynth.windows import Window, parse_window


def deep_values(channels: int) -> NDArray[np.uint16]:
    """Values of 12 bits of which the lower byte matters as much as the upper one."""
    return np.random.default_rng(0).integers(0, 4096, (24, 30, channels)).astype(np.uint16)


def expected(values: NDArray[np.uint16], low: float, high: float) -> NDArray[np.uint8]:
    exact = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255
    return np.broadcast_to(np.rint(exact), (*values.shape[:2], 3)).astype(np.uint8)


def tiff_by_hand(path: Path, values: NDArray[np.uint16], order: str) -> Path:
    """An uncompressed 16-bit RGB TIFF, in either order of bytes."""
    height, width, _ = values.shape
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 200), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 300), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, values.size * 2)]
    directory = struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        packed = struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value)
        directory += struct.pack(f"{order}HHI", tag, kind, count) + packed
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8)
    content = (head + directory + bytes(4)).ljust(200, b"\0") + struct.pack(f"{order}3H", 16, 16, 16)
    path.write_bytes(content.ljust(300, b"\0") + values.astype(f"{order}u2").tobytes())
    return path


@pytest.mark.parametrize("kind", ["grey.png", "rgb.png", "little.tif", "big.tif", "grey.tif", "rgb.ppm", "grey.pgm"])
def test_a_window_takes_all_bits_of_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    values = deep_values(1 if kind.startswith("grey") else 3)
    if kind.endswith(".png"):
        png_by_hand(path, colour_type=0 if values.shape[2] == 1 else 2, values=values)
    elif kind in ("little.tif", "big.tif"):
        tiff_by_hand(path, values, "<" if kind == "little.tif" else ">")
    elif kind == "grey.tif":
        Image.fromarray(values[..., 0]).save(path)
    else:
        magic = "P5" if kind == "grey.pgm" else "P6"
        path.write_bytes(f"{magic}\n30 24\n4095\n".encode() + values.astype(">u2").tobytes())
    with pytest.raises(ImageError, match=r"has more than 8 bits .*`window`"):
        read_photograph(path)
    for low, high in ((0, 4095), (300, 2100), (1000, 1100)):
        difference = read_photograph(path, window=(low, high)).astype(int) - expected(values, low, high)
        assert np.abs(difference).max() <= 1
        assert np.mean(difference != 0) < 0.01


def test_a_window_of_floats_and_a_turned_picture(tmp_path: Path) -> None:
    values = np.linspace(-1, 3, 12 * 20).reshape(12, 20).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "real.tif")
    read = read_photograph(tmp_path / "real.tif", window=(0, 1))[..., 0]
    np.testing.assert_allclose(read, np.rint(np.clip(values, 0, 1) * 255), rtol=0, atol=1)
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    Image.fromarray(deep_values(1)[..., 0]).save(tmp_path / "turned.png", exif=exif)
    turned = read_photograph(tmp_path / "turned.png", window=(0, 4095))
    np.testing.assert_array_equal(turned, np.rot90(expected(deep_values(1), 0, 4095), -1))
    values[0, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "nan.tif")
    with pytest.raises(ImageError, match=r"nan\.tif has pixels that are no number"):
        read_photograph(tmp_path / "nan.tif", window="auto")


def test_auto_takes_the_values_of_the_file_and_says_which(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    values = (deep_values(3) // 2 + 500).astype(np.uint16)
    path = png_by_hand(tmp_path / "auto.png", colour_type=2, values=values)
    read = read_photograph(path, window="auto")
    low, high = np.percentile(values, (0.1, 99.9))
    assert np.abs(read.astype(int) - expected(values, low, high)).max() <= 1
    assert f"auto.png: the values {low:g} to {high:g} became black to white" in capfd.readouterr().err.replace("\n", "")


def test_a_window_beside_the_values_is_refused(tmp_path: Path) -> None:
    path = png_by_hand(tmp_path / "deep.png", colour_type=0, values=deep_values(1))
    with pytest.raises(ImageError, match=r"nothing lies between 5000 and 9000; its values are \d+ to 4\d+"):
        read_photograph(path, window=(5000, 9000))
    constant = png_by_hand(tmp_path / "same.png", colour_type=0, values=np.full((5, 5, 1), 700, np.uint16))
    with pytest.raises(ImageError, match="nothing lies between 700 and 700"):
        read_photograph(constant, window="auto")
    clear = png_by_hand(tmp_path / "clear.png", colour_type=6, values=deep_values(4))
    with pytest.raises(ImageError, match=r"clear\.png has more than 8 bits .*Convert it to one of these first"):
        read_photograph(clear, window="auto")


def test_a_window_leaves_photographs_of_eight_bits_alone(tmp_path: Path) -> None:
    Image.fromarray(tiny_photograph(0)).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_photograph(tmp_path / "p.png", window=(100, 120)), tiny_photograph(0))


@pytest.mark.parametrize(
    ("text", "window"), [("0-4095", (0, 4095)), ("-0.5:1e3", (-0.5, 1000)), ("12..40", (12, 40)), (" AUTO ", "auto")]
)
def test_windows_are_written_in_several_ways(text: str, window: Window) -> None:
    assert parse_window(text) == window


def test_a_single_photograph_is_given_with_its_window(tmp_path: Path) -> None:
    values = tiny_photograph(0, 160, 170).astype(np.uint16) * 16
    path = png_by_hand(tmp_path / "eye.png", colour_type=2, values=values)
    picture, name = as_photograph(path, window=(0, 4080))
    np.testing.assert_array_equal(picture, tiny_photograph(0, 160, 170))
    assert name == "eye"


@pytest.mark.parametrize("text", ["", "4095", "9-3", "5-5", "a-b", "0-1e999", "nan-3", "1-2-3"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=r"`window` is .*Expected: LOW-HIGH"):
        parse_window(text)


def test_a_deep_set_is_inspected_and_prepared_with_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    eyes = tmp_path / "eyes"
    (eyes / "images").mkdir(parents=True)
    values = [tiny_photograph(seed, 48, 48).astype(np.uint16) * 16 for seed in range(2)]
    for seed, one in enumerate(values):
        png_by_hand(eyes / "images" / f"{seed}.png", colour_type=2, values=one)
        put_mask(eyes / "masks" / f"{seed}.png", seed, 48, 48)
    said = fails(monkeypatch, capfd, "data", "prepare", eyes, "--out", tmp_path / "no")
    assert "0.png has more than 8 bits" in said
    assert "say by --window which values" in said
    assert [one["file"] for one in inspect_data(eyes, quiet=True).unreadable] == ["images/0.png", "images/1.png"]
    assert inspect_data(eyes, window=(0, 4080), quiet=True).unreadable == []
    made = prepare(eyes, tmp_path / "out", size_px=24, window=(0, 4080))
    for files in made.eyes:
        assert files.photograph is not None
        deep = replace(files, photograph=eyes / "images" / f"{files.name}.png")
        np.testing.assert_array_equal(photograph_of(deep, window=(0, 4080)), tiny_photograph(int(files.name), 48, 48))
        shrunk = resize_photograph(tiny_photograph(int(files.name), 48, 48), (24, 24))
        np.testing.assert_allclose(read_photograph(files.photograph), shrunk, rtol=0, atol=1)
    said = fails(monkeypatch, capfd, "data", "inspect", eyes, "--window", "9-3")
    assert "--window is '9-3'" in said
    generate = (
        "generate",
        "--model",
        "fundus-512",
        "--masks",
        eyes / "masks",
        "--out",
        tmp_path / "g",
        "--window",
        "auto",
    )
    assert "--window without a photograph" in fails(monkeypatch, capfd, *generate)
    assert "--window is given beside --count" in fails(
        monkeypatch,
        capfd,
        "generate",
        "--model",
        "fundus-512",
        "--count",
        1,
        "--out",
        tmp_path / "g",
        "--window",
        "auto",
    )
