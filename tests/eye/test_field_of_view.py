"""The field of view of drawn photographs of every shape that cameras give, and the colours that a mask cannot tell."""

import numpy as np
import pytest

from retinasynth.errors import ImageError
from retinasynth.eye.appearance import at_expected_appearance, draw_field, fit_field, mean_photograph
from retinasynth.eye.field_of_view import find_field_of_view


def drawn(height, width, radius, *, centre=(0.5, 0.5), cut=0.0, vignette=0.0, noise=0.0, notch=False):
    """A lit circle of a retina's colours, and where it is; sizes are shares of the width."""
    rows, columns = np.mgrid[:height, :width]
    row, column = rows - centre[0] * height, columns - centre[1] * width
    distance = np.hypot(row, column) / (radius * width)
    view = distance <= 1
    if cut:
        view &= np.abs(row) < (1 - cut) * radius * width
    if notch:
        view &= ~((np.abs(row) < 0.04 * width) & (column > 0.93 * radius * width) & (column > 0))
    light = (1 - vignette * np.clip(distance, 0, 1) ** 4)[..., None]
    picture = np.where(view[..., None], light * np.array([190.0, 90.0, 40.0]), 2.0)
    picture += np.random.default_rng(0).normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), view


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.mark.parametrize(("height", "width"), [(128, 128), (256, 256), (584, 565), (400, 620), (1500, 1600)])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"centre": (0.48, 0.53)},
        {"vignette": 0.8},
        {"noise": 3.0},
        {"notch": True},
        {"vignette": 0.7, "noise": 3.0, "centre": (0.52, 0.49)},
    ],
    ids=str,
)
def test_a_circle_is_found_whatever_dims_or_notches_it(height, width, shape):
    photograph, view = drawn(height, width, 0.3 if width > height else 0.46, **shape)
    assert dice(find_field_of_view(photograph), view) >= 0.98


@pytest.mark.parametrize("cut", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("turned", [False, True])
def test_a_circle_cut_off_by_straight_lines_is_found(cut, turned):
    photograph, view = drawn(500, 500, 0.45, cut=cut)
    if turned:
        photograph, view = photograph.transpose(1, 0, 2), view.T
    found = find_field_of_view(photograph)
    assert dice(found, view) >= 0.98
    assert not found[0].any()


def test_a_circle_larger_than_the_picture_is_cut_by_its_edges():
    photograph, view = drawn(300, 450, 0.47)
    assert dice(find_field_of_view(photograph), view) >= 0.98


def test_a_crop_without_border_is_all_field_of_view():
    photograph, _ = drawn(200, 240, 2.0)
    assert find_field_of_view(photograph).all()


def test_a_lit_part_that_is_not_round_is_taken_as_it_is():
    photograph = np.zeros((200, 200, 3), np.uint8)
    photograph[40:160, 30:170] = (180, 80, 30)
    found = find_field_of_view(photograph)
    assert dice(found, photograph[..., 0] > 0) >= 0.97


def test_a_picture_with_next_to_nothing_lit_is_refused():
    photograph = np.zeros((7, 160, 3), np.uint8)
    photograph[3, 80] = 255
    with pytest.raises(ImageError, match="The picture is black, or next to nothing in it is lit"):
        find_field_of_view(photograph)


@pytest.mark.parametrize("value", [0, 9])
def test_a_black_picture_is_refused(value):
    with pytest.raises(ImageError, match="black"):
        find_field_of_view(np.full((64, 64, 3), value, np.uint8))


# --- Appearance --------------------------------------------------------------------------------------------------


def test_the_field_of_a_photograph_that_is_one_is_itself():
    rows, columns = np.mgrid[-1:1:40j, -1:1:50j]
    exact = np.stack([100 + 20 * rows - 10 * columns**2, 80 + 15 * rows * columns, 60 + 0 * rows], axis=-1)
    photograph = np.rint(exact).astype(np.uint8)
    field = fit_field(photograph, np.ones((40, 50), np.bool_))
    assert np.abs(draw_field(field, (40, 50)) - exact).max() < 0.6


def test_the_expected_appearance_has_mean_colours_vessels_and_border():
    dark, view = drawn(128, 128, 0.46)
    bright = np.where(view[..., None], dark + np.array([30, 20, 10]), dark).astype(np.uint8)
    dark = dark.copy()
    dark[60:64, 20:100] = dark[60:64, 20:100] // 2  # a vessel in one of them
    even = at_expected_appearance(np.stack([dark, bright]))
    inner = find_field_of_view(bright)
    colours = [photograph[inner].mean(axis=0) for photograph in even]
    wanted = (dark[inner].mean(axis=0) + bright[inner].mean(axis=0)) / 2
    assert np.abs(np.array(colours) - wanted).max() < 0.7
    assert np.array_equal(even[:, ~inner], np.stack([dark, bright])[:, ~inner])
    assert even[0, 58, 60, 1].astype(int) - even[0, 62, 60, 1] > 30
    assert np.abs(even[1, 58, 60].astype(int) - even[1, 62, 60]).max() <= 4


def test_the_mean_photograph_loses_block_traces_and_keeps_its_edges():
    trace = np.where(np.arange(64) % 2, 1, 0)[:, None, None]
    photographs = np.zeros((3, 64, 64, 3), np.uint8)
    photographs[:, :, 20:] = 100 + 20 * np.arange(3)[:, None, None, None] + trace
    mean = mean_photograph(photographs)
    assert np.ptp(mean[1:-1, 22:]) < 1e-4
    assert mean[10, 19].max() == 0
    assert mean[10, 20] == pytest.approx(120.5, abs=0.51)
