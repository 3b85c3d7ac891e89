import io
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dicoms import NAME, NUMBER, put_dicom
from pictures import put_mask, tiny_mask, tiny_photograph
from retinasynth import decoding
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.inspect import inspect_data
from retinasynth.data.prepare import prepare
from retinasynth.decoding import read_size
from retinasynth.errors import ImageError, MissingExtraError
from retinasynth.images import is_picture, mask_as_photograph, read_mask, read_photograph, resize_photograph

pydicom = pytest.importorskip("pydicom")


def smooth(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    return resize_photograph(tiny_photograph(0, 4, 4), (height, width))


def encoded_as(picture: NDArray[np.uint8], form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **({"quality": 95} if form == "JPEG" else {"no_jp2": True}))
    return buffer.getvalue()


def test_colour_and_grey_of_eight_bits_are_read_exactly(tmp_path: Path) -> None:
    colour = tiny_photograph(0, 20, 30)
    path = put_dicom(tmp_path / "eye.dcm", colour, "RGB")
    assert is_picture(path)
    assert read_size(path) == (20, 30)
    np.testing.assert_array_equal(read_photograph(path), colour)
    grey = np.ascontiguousarray(colour[..., 0])
    repeated = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_photograph(put_dicom(tmp_path / "m2.dcm", grey, "MONOCHROME2")), repeated)
    np.testing.assert_array_equal(read_photograph(put_dicom(tmp_path / "m1.dcm", grey, "MONOCHROME1")), 255 - repeated)
    planar = put_dicom(
        tmp_path / "p.dcm", np.ascontiguousarray(colour.transpose(2, 0, 1)).reshape(20, 30, 3), "RGB",
        PlanarConfiguration=1,
    )  # fmt: skip
    np.testing.assert_array_equal(read_photograph(planar), colour)
    path.rename(tmp_path / "IM0001")  # as cameras write them, named by hand
    np.testing.assert_array_equal(read_photograph(tmp_path / "IM0001"), colour)


@pytest.mark.parametrize("kind", ["YBR_FULL", "YBR_FULL_422"])
def test_luminance_and_colour_differences_become_rgb(kind: str, tmp_path: Path) -> None:
    picture = smooth()
    parts = np.asarray(Image.fromarray(picture).convert("YCbCr"))
    if kind == "YBR_FULL":
        path = put_dicom(tmp_path / "eye.dcm", parts, kind)
    else:
        path = put_dicom(tmp_path / "eye.dcm", parts, kind, coded=[encoded_as(picture, "JPEG")])
    assert np.abs(read_photograph(path).astype(int) - picture).mean() < 2
    assert np.abs(read_photograph(path).astype(int) - parts).mean() > 20


def test_jpeg_2000_inside_is_read(tmp_path: Path) -> None:
    picture = smooth()
    path = put_dicom(tmp_path / "eye.dcm", picture, "RGB", coded=[encoded_as(picture, "JPEG2000")])
    np.testing.assert_array_equal(read_photograph(path), picture)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint8)
    numbers = np.ascontiguousarray(tiny_photograph(0)[..., 0])
    wide = {
        name: value
        for colour, row in zip(("Red", "Green", "Blue"), colours, strict=True)
        for name, value in (
            (f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16]),
            (f"{colour}PaletteColorLookupTableData", (row.astype("<u2") * 257).tobytes()),
        )
    }
    path = put_dicom(tmp_path / "eye.dcm", numbers, "PALETTE COLOR", **wide)
    np.testing.assert_array_equal(read_photograph(path), colours.T[numbers])


def test_one_of_several_frames_is_named(tmp_path: Path) -> None:
    masks = [tiny_mask(seed) for seed in range(3)]
    frames = np.stack([mask_as_photograph(mask)[..., 0] for mask in masks])
    path = put_dicom(tmp_path / "eye.dcm", frames, "MONOCHROME2", NumberOfFrames=3)
    with pytest.raises(ImageError, match=r"eye\.dcm has several pages \(3 of 32 x 32 px\).*eye\.dcm#1 to #3"):
        read_photograph(path)
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(read_mask(tmp_path / f"eye.dcm#{number}"), mask)
    with pytest.raises(ImageError, match=r"has 3 pages"):
        read_photograph(tmp_path / "eye.dcm#4")


def test_deep_files_need_a_window_or_bring_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (20, 24)).astype(np.uint16)
    deep = {"BitsStored": 12, "HighBit": 11}
    bare = put_dicom(tmp_path / "bare.dcm", values, "MONOCHROME2", **deep)
    with pytest.raises(ImageError, match=r"bare\.dcm has more than 8 bits .*`window`"):
        read_photograph(bare)
    given = read_photograph(bare, window=(0, 4095))[..., 0]
    np.testing.assert_allclose(given, values / 4095 * 255, rtol=0, atol=0.51)
    own = put_dicom(tmp_path / "own.dcm", values, "MONOCHROME1", **deep, WindowCenter=[1000, 5], WindowWidth=[1001, 3])
    expected = 255 - np.clip((values - 499.5) / 1000, 0, 1) * 255
    np.testing.assert_allclose(read_photograph(own)[..., 0], expected, rtol=0, atol=0.51)
    assert "the values 499.5 to 1499.5 became black to white by the window in the file" in " ".join(
        capfd.readouterr().err.split()
    )
    scaled = put_dicom(
        tmp_path / "scaled.dcm", values, "MONOCHROME2", **deep, RescaleSlope=2, RescaleIntercept=-100
    )  # to -100 ... 8090
    read = read_photograph(scaled, window=(-100, 8090))[..., 0]
    np.testing.assert_allclose(read, values / 4095 * 255, rtol=0, atol=0.51)
    colour = put_dicom(tmp_path / "rgb.dcm", np.repeat(values[..., None], 3, axis=2), "RGB", **deep)
    np.testing.assert_array_equal(read_photograph(colour, window=(0, 4095))[..., 1], given)


@pytest.mark.parametrize(("function", "low", "high"), [("LINEAR", 500, 1499), ("LINEAR_EXACT", 500, 1500)])
def test_the_window_of_a_file_is_read_as_its_function_says(
    function: str, low: float, high: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    values = np.arange(400, 1600, dtype=np.uint16).reshape(30, 40)
    elements = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 1000, "WindowWidth": 1000, "VOILUTFunction": function}
    path = put_dicom(tmp_path / "own.dcm", values, "MONOCHROME2", **elements)
    expected = np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(read_photograph(path)[..., 0], expected, rtol=0, atol=0.501)
    assert f"the values {low:g} to {high:g} became black" in " ".join(capfd.readouterr().err.split())
    curved = put_dicom(tmp_path / "curved.dcm", values, "MONOCHROME2", **elements | {"VOILUTFunction": "SIGMOID"})
    with pytest.raises(ImageError, match=r"curved\.dcm has more than 8 bits .*`window`"):
        read_photograph(curved)


def test_a_window_in_which_nothing_lies_is_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(100, 4096, (20, 24)).astype(np.uint16)
    deep = {"BitsStored": 12, "HighBit": 11}
    path = put_dicom(tmp_path / "eye.dcm", values, "MONOCHROME2", **deep, RescaleSlope=2, RescaleIntercept=0)
    with pytest.raises(ImageError, match=r"nothing lies between 9000 and 9500; its values are 2\d\d to 8\d\d\d"):
        read_photograph(path, window=(9000, 9500))
    for window in ({"WindowCenter": 40, "WindowWidth": 20}, {"WindowCenter": 2000, "WindowWidth": 1}):
        own = put_dicom(tmp_path / "own.dcm", values, "MONOCHROME2", **deep, **window)
        with pytest.raises(ImageError, match=r"own\.dcm: nothing lies between .*`window`"):
            read_photograph(own)
        assert read_photograph(own, window=(0, 4095)).any()
    same = put_dicom(tmp_path / "same.dcm", np.full_like(values, 700), "MONOCHROME2", **deep)
    with pytest.raises(ImageError, match="nothing lies between 700 and 700"):
        read_photograph(same, window="auto")


def test_eight_bits_allocated_sixteen_are_left_as_they_are(tmp_path: Path) -> None:
    values = tiny_photograph(0)[..., 0].astype(np.uint16)
    path = put_dicom(tmp_path / "eye.dcm", values, "MONOCHROME2", BitsStored=8, HighBit=7)
    np.testing.assert_array_equal(read_photograph(path)[..., 0], values)


def test_unusable_files_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tiny_photograph(0)
    whole = put_dicom(tmp_path / "whole.dcm", picture, "RGB").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-500])
    (tmp_path / "head.dcm").write_bytes(whole[:400])
    (tmp_path / "text.dcm").write_text("no picture")
    put_dicom(tmp_path / "cmyk.dcm", picture, "CMYK")
    larger = encoded_as(smooth(96, 96), "JPEG2000")
    put_dicom(tmp_path / "liar.dcm", picture, "RGB", coded=[larger])
    says = {
        "cut": "is a damaged DICOM",
        "head": "is a (damaged DICOM|DICOM file without a picture)",
        "text": "is not a picture that can be read",
        "cmyk": "is stored as CMYK",
        "liar": "is 32 x 32 px by its header, but its pixels are 96 x 96 px",
    }
    for name, message in says.items():
        with pytest.raises(ImageError, match=rf"{name}\.dcm {message}"):
            read_photograph(tmp_path / f"{name}.dcm")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 32 * 31)
    with pytest.raises(ImageError, match=r"whole\.dcm claims to be 32 x 32 px"):
        read_photograph(tmp_path / "whole.dcm")


def test_a_damaged_file_of_a_set_is_named_by_inspect(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        put_mask(tmp_path / "masks" / f"{name}.png", seed)
        (tmp_path / "images").mkdir(exist_ok=True)
        put_dicom(tmp_path / "images" / f"{name}.dcm", tiny_photograph(seed), "RGB")
    damaged = tmp_path / "images" / "b.dcm"
    damaged.write_bytes(damaged.read_bytes()[:200])
    found = inspect_data(tmp_path, quiet=True)
    assert [one["file"] for one in found.unreadable] == ["images/b.dcm"]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_dicom(tmp_path / "eye.dcm", tiny_photograph(0), "RGB")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"eye\.dcm.* needs a package .*pip install 'retinasynth\[dicom\]'"):
        read_photograph(path)


@pytest.mark.parametrize("names", [("IM000001", "IM000002"), ("1.2.840.99.1", "1.2.840.99.2")], ids=["number", "UID"])
def test_files_without_a_suffix_are_found_by_their_magic(names: tuple[str, str], tmp_path: Path) -> None:
    inside = tmp_path / "DICOM" / "SER00001"
    inside.mkdir(parents=True)
    for seed, (name, side) in enumerate(zip(names, "RL", strict=True)):
        put_dicom(inside / name, tiny_photograph(seed), "RGB", PatientID="7", ImageLaterality=side)
    index = (inside / names[0]).read_bytes()
    for place in (tmp_path, inside):
        (place / "DICOMDIR").write_bytes(index)
    (inside / "LICENSE").write_text("no picture")
    (inside / "notes.txt").write_bytes(index)
    (inside / ".hidden").write_bytes(index)
    found = find_eyes(tmp_path)
    assert (found.layout, [files.name for files in found.eyes]) == ("photographs", list(names))
    assert [(files.subject, files.eye[-2:]) for files in found.eyes] == [(names[0], "_R"), (names[0], "_L")]
    for seed, files in enumerate(found.eyes):
        np.testing.assert_array_equal(photograph_of(files), tiny_photograph(seed))


def test_files_without_a_suffix_pair_with_masks(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for seed, name in enumerate(("1.2.840.99.1", "1.2.840.99.2")):
        put_dicom(tmp_path / "images" / name, tiny_photograph(seed), "RGB")
        put_mask(tmp_path / "vessels" / f"{name}.png", seed)
    found = find_eyes(tmp_path)
    assert found.unpaired == ()
    assert {files.name: files.planes["vessels"].name for files in found.eyes} == {
        "1.2.840.99.1": "1.2.840.99.1.png",
        "1.2.840.99.2": "1.2.840.99.2.png",
    }


@pytest.mark.parametrize("name", ["eye.dcm", "IM000001"])
def test_the_missing_extra_is_named_for_a_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_dicom(tmp_path / name, tiny_photograph(0), "RGB")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=rf"{name}.* needs a package .*pip install 'retinasynth\[dicom\]'"):
        find_eyes(tmp_path)


def test_headers_tell_subjects_and_eyes_and_are_not_passed_on(tmp_path: Path) -> None:
    eyes = tmp_path / "eyes"
    (eyes / "images").mkdir(parents=True)
    people = {
        "a": ("1", "R"),
        "b": ("2", "R"),
        "c": ("1", "L"),
        "d": ("1", "R"),
        "e": ("", "L"),
        "f": ("ANONYMOUS", ""),
    }
    for seed, (name, (number, side)) in enumerate(people.items()):
        elements = {"PatientID": number and f"{NUMBER}{number}" if name != "f" else number, "ImageLaterality": side}
        put_dicom(eyes / "images" / f"{name}.dcm", tiny_photograph(seed), "RGB", **elements)
        put_mask(eyes / "masks" / f"{name}.png", seed)
    found = {files.name: (files.subject, files.eye) for files in find_eyes(eyes).eyes}
    assert found == {
        "a": ("a", "a_R"),
        "b": ("b", "b_R"),
        "c": ("a", "a_L"),
        "d": ("a", "a_R"),
        "e": ("e", "e"),
        "f": ("f", "f"),
    }
    sides = {files.split for files in find_eyes(eyes).eyes if files.subject == "a"}
    assert len(sides) == 1
    prepare(eyes, tmp_path / "out", size_px=32)
    written = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert len(written) > 12
    for file in written:
        assert NAME.split("^")[0].encode() not in file.read_bytes()
        assert NUMBER.encode() not in file.read_bytes()
    (eyes / "subjects.csv").write_text("image,subject\na,one\nb,two\nc,three\nd,four\ne,five\nf,six\n")
    assert {files.subject for files in find_eyes(eyes).eyes} == {"one", "two", "three", "four", "five", "six"}
