import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from retinasynth.anatomy.grow import grow
from retinasynth.eye.camera import Camera, cameras_of, usual_camera
from retinasynth.images import Mask, Photograph, resize_mask


def field(height: int = 200, width: int = 240, *, row: float = 100, column: float = 120, radius: float = 110) -> Mask:
    """A circle, cut off where the picture ends, with a tab at its upper right."""
    rows, columns = np.mgrid[:height, :width]
    circle = np.hypot(rows + 0.5 - row, columns + 0.5 - column) <= radius
    tab = (abs(rows - row + 0.55 * radius) < 8) & (abs(columns - column - 0.86 * radius) < 12)
    return np.asarray(circle | tab)


def photograph(view: Mask, outside: int = 5) -> Photograph:
    return np.where(view[..., None], np.array([180, 90, 40]), outside).astype(np.uint8)


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def camera(views: list[Mask], outside: tuple[int, ...] = (5, 5, 5)) -> Camera:
    (found,) = cameras_of(map(photograph, views, outside), views)
    return found


def test_the_field_of_a_camera_is_drawn_again_at_any_size() -> None:
    usual = camera([field()] * 3)
    assert overlap(usual.field((200, 240)), field()) > 0.995
    assert overlap(usual.field((400, 480)), resize_mask(field(), (400, 480))) > 0.99
    assert overlap(usual.field((200, 240)), field() & ~field(radius=105)) < 0.2


def test_the_usual_field_is_where_most_photographs_are_lit() -> None:
    usual = camera([field(column=118), field(column=120), field(column=122)])
    assert overlap(usual.field((200, 240)), field(column=120)) > 0.99
    assert 0.95 < usual.agreement < 1


def test_a_picture_without_a_border_is_all_field() -> None:
    whole = np.ones((60, 80), np.bool_)
    assert camera([whole] * 3).field((120, 160)).all()


def test_the_background_is_that_of_the_photographs() -> None:
    usual = camera([field()] * 3, outside=(3, 5, 7))
    assert usual.background == (5, 5, 5)
    assert usual.background_spread == pytest.approx((1.63,) * 3)
    view = usual.field((200, 240))
    still = usual.surrounded(photograph(view, outside=0), view)
    assert (still[~view] == 5).all()
    assert np.array_equal(still[view], photograph(view)[view])
    larger = usual.field((400, 480))
    smooth = usual.surrounded(photograph(view, outside=0), larger).astype(int)
    assert set(np.unique(smooth[..., 0])) > {5, 180}
    assert abs(smooth - still).max(axis=2)[ndimage.binary_erosion(view, iterations=2)].max() == 0
    drawn = [usual.surrounded(still, view, np.random.default_rng(seed))[~view].mean() for seed in range(200)]
    assert np.std(drawn) == pytest.approx(1.63, abs=0.3)


def test_cameras_are_told_apart_by_shape_and_by_field() -> None:
    narrow, wide, tall = field(radius=70), field(), field(240, 200, row=120, column=100)
    views = [wide, narrow, wide, tall, narrow, wide, tall, wide, narrow, tall, narrow, field(radius=40)]
    found = cameras_of(map(photograph, views), views)
    assert [(one.height, one.width, one.photographs) for one in found] == [(200, 240, 4), (200, 240, 4), (240, 200, 3)]


def test_of_two_photographs_nothing_is_usual() -> None:
    assert cameras_of([photograph(field())] * 2) == ()


def test_fields_are_looked_for_where_none_is_given() -> None:
    (found,) = cameras_of([photograph(field())] * 3)
    assert overlap(found.field((200, 240)), field()) > 0.98


def vessels(view: Mask) -> Mask:
    rows, columns = np.mgrid[: view.shape[0], : view.shape[1]]
    return np.asarray(ndimage.binary_opening(view, iterations=20) & ((rows + 2 * columns) % 40 < 3))


def test_a_mask_is_of_the_camera_whose_field_its_vessels_fill() -> None:
    narrow, wide = field(radius=80), field()
    cameras = [camera([narrow] * 3), camera([wide] * 3)]
    assert usual_camera(cameras, vessels(narrow)) is cameras[0]
    assert usual_camera(cameras, vessels(wide)) is cameras[1]
    assert usual_camera(cameras, resize_mask(vessels(wide), (400, 480))) is cameras[1]


@pytest.mark.parametrize(
    "mask",
    [vessels(field(240, 240)), vessels(np.ones((200, 240), np.bool_)), vessels(field(radius=60))],
    ids=["of another shape", "beyond the field", "in a part of it"],
)
def test_a_mask_that_no_camera_took_is_of_none(mask: Mask) -> None:
    assert usual_camera([camera([field()] * 3)], mask) is None
    assert usual_camera([], mask) is None


def test_a_grown_eye_is_of_the_camera_of_its_photographs() -> None:
    eyes = [grow(seed, 128) for seed in range(4)]
    usual = camera([eye.planes["fov"] for eye in eyes[:3]])
    assert usual_camera([usual], eyes[3].planes["vessels"]) is usual


def test_a_camera_is_kept_as_json() -> None:
    usual = camera([field()] * 3)
    assert Camera.model_validate_json(usual.model_dump_json()) == usual


@pytest.mark.parametrize("outline", ["0,0 1,1", "0,0 0,2 1,0", "0,0 0,nan 1,0", "0,0 0 1,0", "a,b c,d e,f", ""])
def test_an_outline_that_is_none_is_refused(outline: str) -> None:
    usual = camera([field()] * 3)
    with pytest.raises(ValidationError):
        Camera.model_validate({**usual.model_dump(), "outline": [outline]})
