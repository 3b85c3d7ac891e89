import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from pictures import tiny_mask, tiny_photograph
from retinasynth.data.augmentation import Transform, draw_transform, rotate
from retinasynth.images import Mask, mask_as_photograph
from retinasynth.pix2pix.settings import DataSettings

DRAWS = 4000


def thick_mask(seed: int, height: int = 64, width: int = 64) -> Mask:
    grown: Mask = ndimage.binary_dilation(tiny_mask(seed, height, width), iterations=5)
    return grown


transforms = st.builds(
    Transform,
    flip_left_right=st.booleans(),
    flip_up_down=st.booleans(),
    rotation_deg=st.floats(-180, 180),
)


# --- Applying ---


@settings(deadline=None, max_examples=60)
@given(transforms)
def test_masks_stay_binary_and_photographs_keep_their_kind(transform: Transform) -> None:
    mask, photograph = transform(thick_mask(0)), transform(tiny_photograph(0, 64, 64))
    assert (mask.dtype, mask.shape) == (np.bool_, (64, 64))
    assert (photograph.dtype, photograph.shape) == (np.uint8, (64, 64, 3))
    painted = transform(mask_as_photograph(thick_mask(0)))
    assert {0, 255} <= set(np.unique(painted))


@settings(deadline=None, max_examples=60)
@given(transforms)
def test_photograph_and_mask_move_together(transform: Transform) -> None:
    mask = thick_mask(1)
    moved, painted = transform(mask), transform(mask_as_photograph(mask))
    # The photograph is interpolated, so it may differ from the mask within three pixels of an edge, and nowhere else.
    near = np.ones((7, 7))
    inside, outside = ndimage.binary_erosion(moved, near), ~ndimage.binary_dilation(moved, near, border_value=1)
    assert inside.any()
    assert (painted[inside] == 255).all()
    assert (painted[outside] == 0).all()


@settings(deadline=None, max_examples=30)
@given(transforms, st.integers(0, 9))
def test_a_transform_can_be_replayed(transform: Transform, seed: int) -> None:
    photograph = tiny_photograph(seed)
    before = photograph.copy()
    again = Transform(transform.flip_left_right, transform.flip_up_down, transform.rotation_deg)
    np.testing.assert_array_equal(transform(photograph), again(photograph))
    np.testing.assert_array_equal(photograph, before)


@pytest.mark.parametrize("size", [(32, 32), (33, 33), (17, 24)])
def test_flips_are_numpys(size: tuple[int, int]) -> None:
    for picture in (tiny_mask(0, *size), tiny_photograph(0, *size)):
        np.testing.assert_array_equal(Transform(flip_left_right=True)(picture), np.fliplr(picture))
        np.testing.assert_array_equal(Transform(flip_up_down=True)(picture), np.flipud(picture))
        both = Transform(flip_left_right=True, flip_up_down=True)(picture)
        np.testing.assert_array_equal(both, np.rot90(picture, 2))
        np.testing.assert_array_equal(Transform()(picture), picture)


@pytest.mark.parametrize("size", [16, 17, 32, 33])
def test_right_angles_are_exact_on_squares(size: int) -> None:
    for picture in (tiny_mask(0, size, size), tiny_photograph(0, size, size)):
        np.testing.assert_array_equal(rotate(picture, 0), picture)
        for quarters in (1, 2, 3, -1, 4):
            np.testing.assert_array_equal(rotate(picture, 90 * quarters), np.rot90(picture, quarters))


def test_half_turns_are_exact_on_rectangles() -> None:
    for picture in (tiny_mask(0, 17, 24), tiny_photograph(0, 17, 24)):
        np.testing.assert_array_equal(rotate(picture, 180), np.rot90(picture, 2))


def test_flips_come_before_the_rotation() -> None:
    photograph = tiny_photograph(0)
    transformed = Transform(flip_left_right=True, rotation_deg=90)(photograph)
    np.testing.assert_array_equal(transformed, np.rot90(np.fliplr(photograph)))
    assert not np.array_equal(transformed, np.fliplr(np.rot90(photograph)))


def test_a_rotation_turns_counter_clockwise_about_the_centre() -> None:
    size, radius = 101, 20  # so near the centre that its reflection stays out of the corners
    rows, columns = np.mgrid[:size, :size] - size // 2
    for degrees in (-70, -20, 35, 130):
        # A dot to the right of the centre goes up for a positive angle.
        dot = np.hypot(rows, columns - radius) < 4
        row, column = np.argwhere(rotate(dot, degrees)).mean(axis=0) - size // 2
        angle = np.deg2rad(degrees)
        assert abs(row + radius * np.sin(angle)) < 0.5
        assert abs(column - radius * np.cos(angle)) < 0.5


@settings(deadline=None, max_examples=60)
@given(st.floats(-180, 180), st.sampled_from([(32, 32), (33, 33), (20, 40), (45, 21)]))
def test_no_corner_turns_black(degrees: float, size: tuple[int, int]) -> None:
    constant = np.full((*size, 3), 200, np.uint8)
    assert (rotate(constant, degrees) == 200).all()
    assert rotate(np.ones(size, np.bool_), degrees).all()


@pytest.mark.parametrize("degrees", [17, -33.3, 121])
@pytest.mark.parametrize("size", [(40, 40), (41, 41), (30, 44)])
def test_a_rotation_reads_where_geometry_says(degrees: float, size: tuple[int, int]) -> None:
    centre = (np.array(size) - 1) / 2
    down, right = (np.indices(size).transpose(1, 2, 0) - centre).transpose(2, 0, 1)
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    y, x = cosine * down + sine * right + centre[0], cosine * right - sine * down + centre[1]

    def scene(at_y: NDArray[np.floating], at_x: NDArray[np.floating]) -> NDArray[np.floating]:
        return 128 + 100 * np.sin(0.15 * at_x + 0.1 * at_y)  # up to 18 grey values from pixel to pixel

    photograph = np.rint(scene(*np.indices(size))).astype(np.uint8)[..., np.newaxis].repeat(3, axis=2)
    inside = (y >= 2) & (y <= size[0] - 3) & (x >= 2) & (x <= size[1] - 3)
    error = rotate(photograph, degrees) - scene(y, x)[..., np.newaxis]
    assert np.abs(error[inside]).max() < 4  # the nearest value would be up to 9 off
    mask = np.random.default_rng(0).random(size) < 0.5
    nearest = ndimage.map_coordinates(mask.astype(np.uint8), [y, x], order=0, mode="mirror").astype(np.bool_)
    assert (rotate(mask, degrees) != nearest).mean() < 0.002  # where a point lies between two pixels


def test_what_turns_in_is_the_reflected_border() -> None:
    # A spot 20 px inside the right edge, on the middle row, is mirrored 20 px outside it: at 45 degrees in the corner.
    size, inside = 141, 20
    middle = size // 2
    rows, columns = np.mgrid[:size, :size]
    spot = np.hypot(rows - middle, columns - (size - 1 - inside)) < 4
    labels, number = ndimage.label(rotate(spot, 45))
    assert number == 2
    radii = [np.hypot(*(np.argwhere(labels == label).mean(axis=0) - middle)) for label in (1, 2)]
    assert sorted(radii) == pytest.approx([middle - inside, middle + inside], abs=0.5)


# --- Drawing ---


def drawn(chosen: DataSettings, seed: int = 0) -> list[Transform]:
    random = np.random.default_rng(seed)
    return [draw_transform(random, flip=chosen.flip, rotation_deg=chosen.rotation_deg) for _ in range(DRAWS)]


def test_flips_are_drawn_independently_with_probability_one_half() -> None:
    drawn_transforms = drawn(DataSettings(flip=True))
    left_right = np.array([transform.flip_left_right for transform in drawn_transforms])
    up_down = np.array([transform.flip_up_down for transform in drawn_transforms])
    deviation = np.sqrt(0.25 / DRAWS)
    assert abs(left_right.mean() - 0.5) < 4 * deviation
    assert abs(up_down.mean() - 0.5) < 4 * deviation
    assert abs((left_right & up_down).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / DRAWS)
    assert {transform.rotation_deg for transform in drawn_transforms} == {0.0}


def test_angles_are_uniform_in_their_range() -> None:
    angles = np.array([transform.rotation_deg for transform in drawn(DataSettings(rotation_deg=30))])
    assert np.abs(angles).max() <= 30
    assert angles.min() < -29.8
    assert angles.max() > 29.8
    counts, _ = np.histogram(angles, bins=10, range=(-30, 30))
    expected = DRAWS / 10
    assert np.abs(counts - expected).max() < 4 * np.sqrt(expected * 0.9)


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    assert set(drawn(DataSettings())) == {Transform()}
    assert not any(
        transform.flip_left_right or transform.flip_up_down for transform in drawn(DataSettings(rotation_deg=30))
    )


def test_one_random_state_draws_the_same_whatever_the_settings() -> None:
    both, rotation_alone = DataSettings(flip=True, rotation_deg=30), DataSettings(rotation_deg=30)
    assert drawn(both, seed=3) == drawn(both, seed=3)
    assert drawn(both, seed=3) != drawn(both, seed=4)
    angles = [[transform.rotation_deg for transform in drawn(chosen, seed=3)] for chosen in (both, rotation_alone)]
    assert angles[0] == angles[1]


def test_label_planes_turn_as_each_alone() -> None:
    planes = np.random.default_rng(0).random((20, 24, 5)) < 0.3
    turned = rotate(planes, 33.0)
    assert (turned.shape, turned.dtype) == (planes.shape, np.bool_)
    for plane in range(5):
        np.testing.assert_array_equal(turned[..., plane], rotate(planes[..., plane], 33.0))
