import numpy as np
import pytest
from scipy import ndimage

from retinasynth.eye.frame import Frame, frame_of, into_frame, out_of_frame


def disc(height: int, width: int, row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width] + 0.5
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


def test_a_cut_circle_has_the_frame_of_the_whole() -> None:
    whole, cut = disc(300, 300, 150, 150, 120), disc(160, 300, 80, 150, 120)
    assert frame_of(whole).side == frame_of(cut).side == pytest.approx(240 * 1.02)
    assert frame_of(cut)[:2] == (80, 150)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.3])
def test_cameras_of_any_resolution_give_the_same_frame(scale: float) -> None:
    """The same scene, photographed with more pixels, looks the same in its frame."""

    def scene(factor: float) -> tuple[np.ndarray, np.ndarray]:
        size = round(200 * factor), round(320 * factor)
        field = disc(*size, 100 * factor, 170 * factor, 90 * factor)
        spot = disc(*size, 80 * factor, 200 * factor, 15 * factor)
        return field, spot

    field, spot = scene(2)
    expected = into_frame(spot.astype(np.uint8) * np.uint8(255), frame_of(field), 128)
    other_field, other_spot = scene(2 * scale)
    found = into_frame(other_spot.astype(np.uint8) * np.uint8(255), frame_of(other_field), 128)
    assert found.sum() / 255 == pytest.approx(expected.sum() / 255, rel=0.03)
    centres = [ndimage.center_of_mass(layer) for layer in (found, expected)]
    assert centres[0] == pytest.approx(centres[1], abs=0.5)


def test_there_and_back_is_where_it_was() -> None:
    field = disc(400, 500, 210, 260, 180)
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((400, 500)).astype(np.float32), 6)
    frame = frame_of(field)
    back = out_of_frame(into_frame(smooth, frame, 367), frame, (400, 500))
    inside = ndimage.binary_erosion(field, iterations=3)
    assert np.abs(back - smooth)[inside].max() < 0.1 * np.ptp(smooth)
    assert np.abs(back - smooth)[inside].mean() < 0.01 * np.ptp(smooth)


def test_what_lies_beyond_the_picture_is_black_and_beyond_the_frame_0() -> None:
    white = np.full((20, 20, 3), 255, np.uint8)
    corner = into_frame(white, Frame(0, 0, 20), 20)
    assert corner[:9, :9].max() == 0
    assert corner[11:, 11:].min() == 255
    patch = out_of_frame(np.ones((8, 8), np.float32), Frame(30, 30, 10), (60, 60))
    assert patch[26:34, 26:34].min() == pytest.approx(1)
    assert patch[:24].max() == patch[:, 37:].max() == 0


def test_a_square_of_any_size_goes_back_into_its_part_of_a_picture():
    square = np.random.default_rng(0).integers(1, 255, (64, 64, 3)).astype(np.uint8)
    frame = Frame(700.0, 300.0, 10.0)
    back = out_of_frame(square, frame, (2000, 1500))  # as one picture of that scale it would have 100 megapixels
    rows, columns = np.nonzero(back[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (695, 704, 295, 304)
    np.testing.assert_allclose(back[695:705, 295:305].mean(), square.mean(), atol=4)
    once = out_of_frame(square, Frame(100.0, 100.0, 200.0), (200, 200), (64, 64))
    np.testing.assert_array_equal(once, square)
    assert out_of_frame(square, Frame(-50.0, -50.0, 20.0), (30, 40)).max() == 0
