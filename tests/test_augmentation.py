import numpy as np
import pytest

from pictures import tiny_photograph
from retinasynth.config import DataSettings
from retinasynth.datasets.augmentation import Transform, draw_transform
from retinasynth.images import mask_as_photograph

ALL = DataSettings(flip=True, rotation_deg=30)


def drawn(count: int, settings: DataSettings = ALL) -> list[Transform]:
    random = np.random.default_rng(0)
    return [draw_transform(random, settings) for _ in range(count)]


def test_draws_have_the_stated_rates_and_range():
    transforms = drawn(4000)
    assert np.mean([one.flip_left_right for one in transforms]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.flip_up_down for one in transforms]) == pytest.approx(0.5, abs=0.03)
    angles = np.array([one.rotation_deg for one in transforms])
    assert -30 <= angles.min() < -29.5 < 29.5 < angles.max() <= 30
    assert angles.std() == pytest.approx(30 / np.sqrt(3), rel=0.03)


def test_the_source_preset_changes_nothing():
    assert set(drawn(50, DataSettings())) == {Transform()}
    picture = tiny_photograph(1)
    assert np.array_equal(Transform()(picture), picture)


def test_one_draw_can_be_replayed():
    for transform in drawn(10):
        again = Transform(transform.flip_left_right, transform.flip_up_down, transform.rotation_deg)
        assert np.array_equal(transform(tiny_photograph(2)), again(tiny_photograph(2)))


def test_flips_come_first_and_are_numpys():
    picture = tiny_photograph(3)
    assert np.array_equal(Transform(flip_left_right=True)(picture), np.fliplr(picture))
    assert np.array_equal(Transform(flip_up_down=True)(picture), np.flipud(picture))
    assert np.array_equal(Transform(True, False, 90.0)(picture), np.rot90(np.fliplr(picture)))


def test_masks_stay_binary_and_move_with_their_photograph():
    mask = np.zeros((64, 64), bool)
    mask[10:30, 8:50] = mask[30:56, 20:34] = True
    for transform in drawn(10):
        moved = transform(mask)
        assert moved.dtype == np.bool_
        painted = transform(mask_as_photograph(mask))[..., 0] > 127
        assert np.mean(painted != moved) < 0.015  # bicubic and nearest differ along the outline alone
        assert moved.mean() == pytest.approx(mask.mean(), abs=0.12)


def test_no_corner_turns_black():
    white = np.full((33, 40, 3), 255, np.uint8)
    for transform in drawn(10):
        assert transform(white).min() == 255


def test_drawing_does_not_depend_on_what_is_switched_on():
    """So that switching flips off leaves the rotations of a seed as they were."""
    with_flips, without = drawn(20), drawn(20, DataSettings(rotation_deg=30))
    assert [one.rotation_deg for one in with_flips] == [one.rotation_deg for one in without]
