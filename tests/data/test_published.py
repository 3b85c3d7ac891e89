"""The published data sets, found and read as they are unpacked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import tiny_mask, tiny_photograph
from published import (
    DRIVE_SIZE,
    FIVES_SIZE,
    HRF_SIZE,
    IDRID_PLANES,
    IDRID_SIZE,
    STARE_SIZE,
    colour,
    fov_of,
    grey,
    put,
    put_drive,
    put_fives,
    put_hrf,
    put_idrid,
    put_stare,
)
from retinasynth.data.find import DataSet, find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError
from retinasynth.images import stem_of
from retinasynth.pix2pix.data import load_pairs


def one(found: DataSet, name: str) -> EyeFiles:
    return next(files for files in found.eyes if files.name == name)


def named(found: DataSet, side: str) -> list[str]:
    return [files.name for files in found.eyes if files.split == side]


# --- DRIVE ---


@pytest.mark.parametrize("top", ["", "DRIVE", "unpacked/DRIVE"])
def test_drive_is_found_with_split_fields_of_view_and_first_observer(top: str, tmp_path: Path) -> None:
    put_drive(tmp_path / top)
    found = find_eyes(tmp_path)
    assert (found.layout, found.folder, found.unpaired) == ("drive", tmp_path, ())
    assert named(found, "train") == [f"{number}_training" for number in range(21, 41)]
    assert named(found, "test") == [f"{number:02d}_test" for number in range(1, 21)]
    assert {frozenset(files.planes) for files in found.eyes} == {frozenset({"vessels", "fov"})}
    assert {files.planes["vessels"].parent.name for files in found.eyes} == {"1st_manual"}


def test_drive_is_read_from_lzw_tiff_and_gif(tmp_path: Path) -> None:
    put_drive(tmp_path)
    with Image.open(tmp_path / "training" / "images" / "21_training.tif") as image:
        assert image.info["compression"] == "tiff_lzw"  # the copy is faithful
    found = find_eyes(tmp_path)
    for number in (1, 2, 21, 22):  # masks in greyscale and in a palette
        eye = read_eye(one(found, f"{number:02d}_{'test' if number < 21 else 'training'}"))
        np.testing.assert_array_equal(eye.photograph, tiny_photograph(number, *DRIVE_SIZE))
        np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(number, *DRIVE_SIZE))
        np.testing.assert_array_equal(eye.planes["fov"], fov_of(DRIVE_SIZE))


def test_a_newer_copy_of_drive_has_test_eyes_without_vessels(tmp_path: Path) -> None:
    found = find_eyes(put_drive(tmp_path, test_vessels=False))
    assert (found.layout, len(found.split("train")), len(found.split("test"))) == ("drive", 20, 20)
    assert {tuple(files.planes) for files in found.split("test")} == {("fov",)}
    with pytest.raises(DataError, match="01_test has no mask of its vessels"):
        load_pairs(found.split("test"), 32)


@pytest.mark.parametrize("side", ["training", "test"])
def test_one_side_of_drive_takes_no_field_of_view_for_vessels(side: str, tmp_path: Path) -> None:
    found = find_eyes(put_drive(tmp_path, test_vessels=False) / side)
    assert len(found.eyes) == 20
    assert {files.planes["fov"].parent.name for files in found.eyes} == {"mask"}
    assert all(("vessels" in files.planes) == (side == "training") for files in found.eyes)


def test_a_missing_manual_of_drive_is_named(tmp_path: Path) -> None:
    (put_drive(tmp_path) / "training" / "1st_manual" / "25_manual1.gif").unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) without partner: training/images/25_training\.tif"):
        find_eyes(tmp_path)


# --- STARE ---


FOLDERS = [
    ("", "", ""),
    ("stare-images", "labels-ah", "labels-vk"),
    ("raw", "raw", "raw"),
    ("images", "labels", "labels"),
]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("photographs", "first", "second"), FOLDERS)
def test_stare_is_found_with_its_first_observer(
    photographs: str, first: str, second: str, packed: bool, tmp_path: Path
) -> None:
    found = find_eyes(put_stare(tmp_path, packed=packed, photographs=photographs, first=first, second=second))
    assert found.layout == ("two folders" if photographs == "images" else "stare")
    assert [files.name for files in found.eyes] == [f"im{17 * number:04d}" for number in range(1, 21)]
    assert {stem_of(files.planes["vessels"])[6:] for files in found.eyes} == {".ah"}
    assert (len(found.split("train")), len(found.split("test"))) == (16, 4)
    eye = read_eye(one(found, "im0034"))
    np.testing.assert_array_equal(eye.photograph, tiny_photograph(2, *STARE_SIZE))
    np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(2, *STARE_SIZE))


def test_the_copy_of_stare_is_faithful(tmp_path: Path) -> None:
    put_stare(tmp_path, packed=False)
    assert (tmp_path / "im0017.ppm").read_bytes()[:2] == b"P6"
    assert (tmp_path / "im0017.ah.ppm").read_bytes()[:2] == b"P5"
    assert (put_stare(tmp_path / "packed") / "im0017.ah.ppm.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_stare_never_mixes_its_observers(tmp_path: Path) -> None:
    (put_stare(tmp_path) / "im0017.ah.ppm.gz").unlink()
    with pytest.raises(DataError, match=r"without partner: im0017\.ppm\.gz"):
        find_eyes(tmp_path)
    for path in tmp_path.glob("*.ah.ppm.gz"):
        path.unlink()
    assert {stem_of(files.planes["vessels"])[6:] for files in find_eyes(tmp_path).eyes} == {".vk"}


def test_the_same_picture_packed_and_plain_is_refused(tmp_path: Path) -> None:
    put_stare(tmp_path, first="labels-ah", second="labels-vk")
    put(tmp_path / "im0017.ppm", colour(1, STARE_SIZE))
    with pytest.raises(DataError, match=r"im0017\.ppm and .*im0017\.ppm\.gz have the same name.*Rename or remove"):
        find_eyes(tmp_path)
    (tmp_path / "im0017.ppm").unlink()
    put(tmp_path / "labels-ah" / "im0034.ah.ppm", grey(tiny_mask(1, *STARE_SIZE)))
    with pytest.raises(DataError, match=r"im0034 has two masks: .*im0034\.ah\.ppm and .*im0034\.ah\.ppm\.gz"):
        find_eyes(tmp_path)


# --- HRF ---


def test_hrf_is_found_and_read(tmp_path: Path) -> None:
    found = find_eyes(put_hrf(tmp_path / "HRF").parent)
    assert (found.layout, len(found.split("train")), len(found.split("test"))) == ("hrf", 30, 15)
    assert {files.name[:2] for files in found.split("test")} == {"11", "12", "13", "14", "15"}
    assert {frozenset(files.planes) for files in found.eyes} == {frozenset({"vessels", "fov"})}
    for name, number in (("01_h", 1), ("02_dr", 2)):  # masks of one bit and of eight
        eye = read_eye(one(found, name))
        assert eye.size == HRF_SIZE
        np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(number, *HRF_SIZE))
        np.testing.assert_array_equal(eye.planes["fov"], fov_of(HRF_SIZE))


def test_hrf_without_its_vessels_does_not_take_the_field_of_view_for_them(tmp_path: Path) -> None:
    for path in (put_hrf(tmp_path) / "manual1").iterdir():
        path.unlink()
    (tmp_path / "manual1").rmdir()
    found = find_eyes(tmp_path)
    assert (found.layout, len(found.split("test"))) == ("hrf", 15)
    assert {tuple(files.planes) for files in found.eyes} == {("fov",)}


# --- FIVES ---


@pytest.mark.parametrize("top", ["", "FIVES A Fundus Image Dataset for AI-based Vessel Segmentation"])
def test_fives_is_found_and_read(top: str, tmp_path: Path) -> None:
    put_fives(tmp_path / top)
    (tmp_path / "__MACOSX").mkdir()
    found = find_eyes(tmp_path)
    assert found.layout == "fives"
    assert named(found, "train") == ["train_1_D", "train_2_G", "train_3_N", "train_4_A", "train_5_D", "train_6_G"]
    assert named(found, "test") == ["test_1_D", "test_2_G", "test_3_N", "test_4_A"]
    for name in ("train_2_G", "test_2_G"):  # masks in colour and in greyscale
        eye = read_eye(one(found, name))
        np.testing.assert_array_equal(eye.photograph, tiny_photograph(2, *FIVES_SIZE))
        np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(2, *FIVES_SIZE))


# --- IDRiD ---


@pytest.mark.parametrize("inside", ["", "A. Segmentation"])
def test_idrid_is_found_with_its_five_planes(inside: str, tmp_path: Path) -> None:
    found = find_eyes(put_idrid(tmp_path) / inside)
    assert (found.layout, found.unpaired) == ("idrid", ())
    assert named(found, "train") == [f"IDRiD_{number:02d}" for number in range(1, 7)]
    assert named(found, "test") == [f"IDRiD_{number:02d}" for number in range(7, 10)]
    assert set(one(found, "IDRiD_06").planes) == {plane for _, plane in IDRID_PLANES.values()}
    for number in (4, 5, 6):  # masks in a red palette, in one of dark red, and in colour with opacity
        eye = read_eye(one(found, f"IDRiD_{number:02d}"))
        for seed, (ending, (_, plane)) in enumerate(IDRID_PLANES.items()):
            if ending != "SE" or number == 6:
                expected = tiny_mask(100 * seed + number, *IDRID_SIZE)
                np.testing.assert_array_equal(eye.planes[plane], expected, err_msg=f"{number} {plane}")


def test_an_absent_lesion_of_idrid_is_none_and_an_absent_disc_unknown(tmp_path: Path) -> None:
    found = find_eyes(put_idrid(tmp_path))
    without = {files.name: files.empty_planes for files in found.eyes if files.empty_planes}
    assert without == {
        "IDRiD_01": ("soft_exudates",),
        "IDRiD_02": ("haemorrhages", "soft_exudates"),
        "IDRiD_04": ("soft_exudates",),
        "IDRiD_05": ("soft_exudates",),
        "IDRiD_07": ("soft_exudates",),
        "IDRiD_08": ("soft_exudates",),
    }
    second, third = read_eye(one(found, "IDRiD_02")), read_eye(one(found, "IDRiD_03"))
    assert second.planes["haemorrhages"].shape == IDRID_SIZE
    assert not second.planes["haemorrhages"].any()
    assert "disc" not in third.planes
    assert third.planes["soft_exudates"].any()


def test_lesions_that_nobody_drew_stay_unknown(tmp_path: Path) -> None:
    truths = put_idrid(tmp_path) / "A. Segmentation" / "2. All Segmentation Groundtruths" / "a. Training Set"
    for path in (truths / "4. Soft Exudates").iterdir():
        path.unlink()
    train = find_eyes(tmp_path).split("train")
    assert {files.empty_planes for files in train} == {(), ("haemorrhages",)}


def test_plane_folders_of_idrid_are_understood_alike(tmp_path: Path) -> None:
    for name in ("IDRiD_01", "IDRiD_02"):
        put(tmp_path / "train" / "images" / f"{name}.jpg", colour(1, IDRID_SIZE))
    put(tmp_path / "train" / "haemorrhages" / "IDRiD_01.png", grey(tiny_mask(1, *IDRID_SIZE)))
    assert one(find_eyes(tmp_path), "IDRiD_02").empty_planes == ("haemorrhages",)
    for path in list((tmp_path / "train").rglob("IDRiD_0*")):
        path.rename(path.with_name(path.name.replace("IDRiD", "other")))
    assert one(find_eyes(tmp_path), "other_02").empty_planes == ()  # absent is unknown everywhere else


def test_the_grading_part_of_idrid_is_photographs_with_their_split(tmp_path: Path) -> None:
    found = find_eyes(put_idrid(tmp_path) / "B. Disease Grading")
    assert found.layout == "idrid"
    assert named(found, "train") == [f"train_IDRiD_{number:03d}" for number in range(1, 5)]
    assert named(found, "test") == [f"test_IDRiD_{number:03d}" for number in range(1, 4)]
    assert all(not files.planes and bool(files.empty_planes) == (files.grade == 0) for files in found.eyes)
    assert read_eye(found.eyes[0]).size == IDRID_SIZE
