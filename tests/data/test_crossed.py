"""Pairs that names do not tell apart, or whose split is said elsewhere: A and B, two halves, one word."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth.data.find import DataSet, find_eyes, photograph_of, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.errors import DataError, ImageError
from retinasynth.images import mask_as_photograph, write_photograph

SPELLINGS = ["{kind}/{split}", "{split}/{kind}", "{split}{kind}", "{split}_{kind}", "{kind}_{split}"]


def put(folder: Path, spelling: str, photographs: str, masks: str, suffix: str = ".png", size: int = 48) -> Path:
    for seed, split in enumerate(("train", "train", "val", "test")):
        places = [folder / spelling.format(kind=kind, split=split) for kind in (photographs, masks)]
        put_photograph(places[0] / f"{seed}{suffix}", seed, size, size)
        put_mask(places[1] / f"{seed}{suffix}", seed, size, size)
    return folder


def splits(found: DataSet) -> list[str]:
    return [files.split for files in found.eyes]


# --- A and B -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("photographs", "masks"), [("A", "B"), ("B", "A")])
def test_pixels_tell_which_of_a_and_b_are_the_masks(tmp_path, spelling, photographs, masks):
    found = find_eyes(put(tmp_path, spelling, photographs, masks))
    assert (found.layout, splits(found)) == ("A/B", ["train", "train", "val", "test"])
    for seed, files in enumerate(found.eyes):
        eye = read_eye(files)
        np.testing.assert_array_equal(eye.photograph, tiny_photograph(seed, 48, 48))
        np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(seed, 48, 48))
    assert f"{photographs} are the photographs, {masks} the masks." in inspect_data(tmp_path).notes


def test_a_and_b_without_a_split_are_split_by_person(tmp_path):
    for seed in range(5):
        put_mask(tmp_path / "A" / f"{seed}.jpg", seed, 48, 48)  # as JPEG no mask has two values
        put_photograph(tmp_path / "B" / f"{seed}.jpg", seed, 48, 48)
    found = find_eyes(tmp_path)
    assert (found.layout, sorted(splits(found))) == ("A/B", ["test", *["train"] * 4])


def test_masks_of_other_codes_are_told_from_photographs_too(tmp_path):
    for seed in range(3):
        colours = np.zeros((48, 48, 3), np.uint8)
        colours[8:12], colours[20:24] = (255, 0, 0), (0, 0, 255)
        for kind, picture in (("A", colours), ("B", tiny_photograph(seed, 48, 48))):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / kind / f"{seed}.png")
    assert set(find_eyes(tmp_path).eyes[0].planes) == {"vessels", "arteries", "veins"}


@pytest.mark.parametrize("put_both", [put_mask, put_photograph])
def test_a_and_b_of_one_kind_are_refused(tmp_path, put_both):
    for kind in "AB":
        put_both(tmp_path / "train" / kind / "1.png", 1, 48, 48)
    with pytest.raises(DataError, match=r"Which of .*A and .*B are the masks is not to be seen: \d of 1 pictures in A"):
        find_eyes(tmp_path)


# --- Named folders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", [spelling for spelling in SPELLINGS if spelling != "{split}/{kind}"])
@pytest.mark.parametrize(("photographs", "masks"), [("images", "masks"), ("image", "label"), ("imgs", "vessels")])
def test_the_split_may_stand_before_behind_or_below_the_kind(tmp_path, spelling, photographs, masks):
    found = find_eyes(put(tmp_path, spelling, photographs, masks))
    assert (found.layout, splits(found)) == ("two folders", ["train", "train", "val", "test"])
    assert all(files.has(["vessels"]) for files in found.eyes)


def test_photographs_alone_may_be_split_in_one_word(tmp_path):
    for split in ("train", "val", "test"):
        put_photograph(tmp_path / f"{split}_images" / f"{split}.png")
    found = find_eyes(tmp_path)
    assert (found.layout, splits(found)) == ("photographs", ["test", "train", "val"])


def test_a_photograph_without_its_mask_is_named_there_too(tmp_path):
    put(tmp_path, "{kind}/{split}", "images", "masks")
    (tmp_path / "masks" / "train" / "1.png").unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) without partner: images/train/1\.png"):
        find_eyes(tmp_path)


# --- Side by side ------------------------------------------------------------------------------------------------


def put_halves(path: Path, seed: int, *, is_left: bool, height: int = 48, width: int = 48) -> None:
    photograph, mask = tiny_photograph(seed, height, width), mask_as_photograph(tiny_mask(seed, height, width))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_photograph(path, np.concatenate([mask, photograph] if is_left else [photograph, mask], axis=1))


@pytest.mark.parametrize("is_left", [False, True])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 60), (60, 40), (61, 57)])
def test_halves_either_way_round_and_of_any_shape(tmp_path, is_left, height, width):
    for seed, split in enumerate(("train", "train", "test")):
        put_halves(tmp_path / split / f"{seed}.png", seed, is_left=is_left, height=height, width=width)
    found = find_eyes(tmp_path)
    assert (found.layout, splits(found)) == ("side by side", ["train", "train", "test"])
    for seed, files in enumerate(found.eyes):
        eye = read_eye(files)
        np.testing.assert_array_equal(eye.photograph, tiny_photograph(seed, height, width))
        np.testing.assert_array_equal(photograph_of(files), eye.photograph)
        np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(seed, height, width))
    report = inspect_data(tmp_path)
    assert (report.pairs, report.sizes, report.unusable) == (3, {f"{width}x{height}": 3}, [])
    assert any("the mask is its left half" in note for note in report.notes) == is_left


def test_a_half_that_is_more_than_a_mask_is_refused(tmp_path):
    colours = np.zeros((48, 48, 3), np.uint8)
    colours[8:12], colours[20:24] = (255, 0, 0), (0, 0, 255)
    write_photograph(tmp_path / "0.png", np.concatenate([tiny_photograph(0, 48, 48), colours], axis=1))
    found = find_eyes(tmp_path)
    assert found.layout == "side by side"
    with pytest.raises(ImageError, match=r"0\.png: the half beside the photograph is no mask of vessels: it has black"):
        read_eye(found.eyes[0])
    assert "not artery-vein" in str(inspect_data(tmp_path).unreadable)


def test_halves_in_both_orders_are_refused(tmp_path):
    for seed in range(4):
        put_halves(tmp_path / f"{seed}.png", seed, is_left=seed == 2, height=40, width=60)
    with pytest.raises(DataError, match=r"left half of .*2\.png, but the right half of .*0\.png"):
        find_eyes(tmp_path)


def test_two_masks_side_by_side_are_refused_and_wide_masks_are_none(tmp_path):
    write_photograph(tmp_path / "0.png", mask_as_photograph(np.tile(tiny_mask(0), 2)))
    with pytest.raises(DataError, match=r"Both halves of .*0\.png are black and white"):
        find_eyes(tmp_path)
    write_photograph(tmp_path / "0.png", mask_as_photograph(tiny_mask(0, 40, 48)))
    assert find_eyes(tmp_path).layout == "photographs"


def test_masks_with_something_in_one_half_alone_are_no_pairs(tmp_path):
    for number in range(3):
        disc = np.zeros((40, 120), np.bool_)
        disc[10:30, (20 if number else 80) :][:, :20] = True
        write_photograph(tmp_path / f"{number}.png", mask_as_photograph(disc))
    assert find_eyes(tmp_path).layout == "photographs"


def test_one_photograph_among_pairs_of_any_shape_makes_them_none(tmp_path):
    for seed in range(3):
        put_halves(tmp_path / f"{seed}.png", seed, is_left=False, height=40, width=60)
    put_photograph(tmp_path / "3.png", 3, 40, 60)
    assert find_eyes(tmp_path).layout == "photographs"
