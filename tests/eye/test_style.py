"""Styles: measured from photographs, turned over, drawn anew, chosen by users."""

import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.errors import ImageError, InputError, SettingError
from retinasynth.eye import Eye
from retinasynth.eye.appearance import polynomial_terms
from retinasynth.eye.field_of_view import field_around
from retinasynth.eye.frame import faces_left
from retinasynth.eye.style import BANDS_PX, DEGREE, NUMBERS, TERMS, Style, drawn_style, fit_field, turned
from retinasynth.images import write_photograph
from retinasynth.styled.encode import framed_eye, style_of, usual_style, wanted_style

SIZE = 128


@pytest.fixture(scope="module")
def framed():
    """A procedural photograph, with the field of view that covers it."""
    eye = phantom_eye(seed=3, size_px=SIZE)
    return eye.photograph, eye.planes["fov"].astype(np.uint8) * np.uint8(255)


def test_a_smooth_field_is_found_again():
    random = np.random.default_rng(0)
    field = random.normal(0, 0.05, (TERMS, 3))
    field[0] = -0.2
    photograph = ((polynomial_terms((SIZE, SIZE), DEGREE) @ field + 1) * 127.5).astype(np.float32)
    covered = np.full((SIZE, SIZE), 255, np.uint8)
    np.testing.assert_allclose(fit_field(photograph, covered), field, atol=1e-4)
    assert NUMBERS <= 64


def test_what_lies_outside_the_field_of_view_does_not_count(framed):
    photograph, covered = framed
    other = np.where(covered[..., None] > 0, photograph, 200).astype(np.uint8)
    np.testing.assert_array_equal(Style.of(other, covered).numbers, Style.of(photograph, covered).numbers)


def test_a_mirrored_style_is_that_of_the_mirrored_photograph(framed):
    photograph, covered = framed
    other = Style.of(photograph[:, ::-1], covered[:, ::-1])
    mirrored = Style.of(photograph, covered).mirrored()
    np.testing.assert_allclose(mirrored.field, other.field, atol=1e-4)
    np.testing.assert_allclose(mirrored.texture, other.texture, atol=1e-3)
    np.testing.assert_allclose(mirrored.edges, other.edges, atol=1e-3)
    np.testing.assert_array_equal(mirrored.mirrored().numbers, Style.of(photograph, covered).numbers)


def noisy(deviation):
    """Grey with noise of this deviation, in grey levels."""
    noise = np.random.default_rng(0).normal(0, deviation, (256, 256, 3))
    return np.clip(np.rint(128 + noise), 0, 255).astype(np.uint8)


def test_texture_is_the_logarithm_of_its_strength_at_each_scale():
    covered = np.full((256, 256), 255, np.uint8)
    weak, strong = (Style.of(noisy(deviation), covered).texture.reshape(len(BANDS_PX), 2) for deviation in (8, 32))
    np.testing.assert_allclose((strong - weak)[:3], 2, atol=0.15)  # four times as strong
    assert (np.diff(strong, axis=0)[1:] < 0).all()  # white noise has less in each coarser band


def test_blur_takes_the_finest_texture():
    photograph, covered = noisy(16), np.full((256, 256), 255, np.uint8)
    blurred = np.stack([ndimage.gaussian_filter(channel, 1.5) for channel in np.moveaxis(photograph, -1, 0)], axis=-1)
    change = (Style.of(blurred, covered).texture - Style.of(photograph, covered).texture).reshape(-1, 2)
    assert (change[0] < -0.5).all()
    assert np.abs(change[-1]).max() < 0.5


def test_edges_are_told_from_noise():
    covered = np.full((256, 256), 255, np.uint8)
    noise = noisy(4)
    np.testing.assert_allclose(Style.of(noise, covered).edges, Style.of(noise, covered).texture[1::2], atol=0.1)
    lines = np.zeros((256, 256), np.float64)
    lines[:, ::24] = lines[:, 1::24] = -60  # a twelfth of the picture
    sharp, blurred = (
        Style.of(np.clip(noise + line[..., None], 0, 255).astype(np.uint8), covered)
        for line in (lines, ndimage.gaussian_filter(lines, 2))
    )
    assert (sharp.edges[:2] > sharp.texture[1:4:2] + 0.5).all()
    lost = (sharp.edges - blurred.edges)[:2]
    assert (lost > 0.5).all()
    assert (np.abs(sharp.texture - blurred.texture)[1:4:2] < 0.5 * lost).all()  # most of it is noise, which stays


def test_drawn_styles_keep_mean_and_covariance_and_differ():
    random = np.random.default_rng(0)
    mixed = random.normal(size=(NUMBERS, NUMBERS)) / 4
    styles = (random.normal(size=(60, NUMBERS)) @ mixed + 1).astype(np.float32)
    drawn = np.stack([drawn_style(styles, np.random.default_rng(seed)).numbers for seed in range(6000)])
    np.testing.assert_allclose(drawn.mean(axis=0), styles.mean(axis=0), atol=0.08)
    np.testing.assert_allclose(drawn.std(axis=0), styles.std(axis=0), rtol=0.08)
    theirs = np.corrcoef(styles.T)
    np.testing.assert_allclose(np.corrcoef(drawn.T), theirs, atol=0.12)
    assert len(np.unique(drawn.round(4), axis=0)) == len(drawn)
    assert np.abs(drawn[:, None] - styles).max(axis=2).min() > 0.01  # none is that of a photograph


def test_knobs_turn_what_they_are_called_after():
    style = style_of(phantom_eye(seed=4, size_px=128).photograph, 128)
    same = turned(style, {"brightness": 0, "contrast": 0})
    np.testing.assert_allclose(same.numbers, style.numbers, atol=1e-6)
    brighter = turned(style, {"brightness": 3})
    np.testing.assert_allclose((brighter.field[0] + 1) / (style.field[0] + 1), 2, rtol=1e-5)
    np.testing.assert_allclose(brighter.field[1:], 2 * style.field[1:], rtol=1e-5)
    red, green, blue = (turned(style, {"pigmentation": 2}).field[0] + 1) / (style.field[0] + 1)
    assert 1 > red > green > blue
    even = turned(style, {"evenness": 2})
    np.testing.assert_allclose(even.field[1:], style.field[1:] / 2, rtol=1e-5)
    np.testing.assert_array_equal(even.field[0], style.field[0])
    sharper = turned(style, {"sharpness": 1}).texture - style.texture
    assert (sharper[:4] == sharper[0]).all()
    assert sharper[0] > 0.4
    assert (sharper[4:] == 0).all()
    assert (turned(style, {"sharpness": 1}).edges - style.edges).round(3).tolist() == [0.5, 0.5, 0, 0, 0]
    weaker = turned(style, {"contrast": -1})
    assert (weaker.texture < style.texture).all()
    assert (weaker.edges < style.edges).all()
    with pytest.raises(SettingError, match=r"no knob 'sepia'.*brightness, pigmentation"):
        turned(style, {"sepia": 1})
    for steps in (9, float("nan")):
        with pytest.raises(SettingError, match="-3 to 3"):
            turned(style, {"contrast": steps})


def test_the_field_of_view_is_expected_around_the_vessels():
    eye = phantom_eye(seed=5, size_px=256)
    field, around = eye.planes["fov"], field_around(eye.planes["vessels"])
    assert (eye.planes["vessels"] & ~around).sum() == 0
    assert (field & around).sum() / (field | around).sum() > 0.85
    point = np.zeros((8, 8), bool)
    point[3, 4] = True
    assert field_around(point).sum() >= 1
    assert field_around(np.eye(60, dtype=bool)).sum() > 2000
    line = np.zeros((8, 8), bool)
    line[3, 1:7] = True
    assert (line & ~field_around(line)).sum() == 0


# --- What users choose -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def styles():
    return np.random.default_rng(1).normal(0, 0.1, (20, NUMBERS)).astype(np.float32)


def test_expected_is_the_mean_without_detail_on_the_side_of_the_disc(styles):
    wanted = wanted_style("expected", styles, 64, seed=0)
    np.testing.assert_allclose(wanted.towards(is_left=False).numbers, styles.mean(axis=0), atol=1e-6)
    assert wanted.detail == 0
    left = wanted_style("expected", styles, 64, seed=9).towards(is_left=True)
    np.testing.assert_allclose(left.numbers, wanted.style.mirrored().numbers, atol=1e-6)


def test_sampled_styles_follow_the_seed(styles):
    first, again, other = (wanted_style("sampled", styles, 64, seed=seed) for seed in (1, 1, 2))
    assert first.detail == 1
    np.testing.assert_array_equal(first.style.numbers, again.style.numbers)
    assert np.abs(first.style.numbers - other.style.numbers).max() > 0.01


def test_a_photograph_lends_its_style_from_a_file_or_from_memory(styles, tmp_path):
    photograph = phantom_eye(seed=4, size_px=128).photograph
    write_photograph(tmp_path / "lender.png", photograph)
    from_file = wanted_style(tmp_path / "lender.png", styles, 64, seed=0)
    from_memory = wanted_style(photograph, styles, 64, seed=0)
    itself = wanted_style(style_of(photograph, 64), styles, 64, seed=0)
    np.testing.assert_array_equal(from_file.style.numbers, from_memory.style.numbers)
    np.testing.assert_array_equal(itself.style.numbers, from_memory.style.numbers)
    np.testing.assert_array_equal(from_file.towards(is_left=True).numbers, from_file.style.numbers)
    assert [(one.height, one.width, one.photographs) for one in from_file.cameras] == [(128, 128, 1)]


def test_the_usual_style_is_the_mean_with_the_disc_on_the_right():
    photographs = [phantom_eye(seed=seed, size_px=128).photograph for seed in range(3)]
    right, left = np.zeros((2, 128, 128), np.bool_)
    right[60:70, 90:100] = left[60:70, 20:30] = True
    of_right = [style_of(one, 64) for one in photographs]
    usual = usual_style(photographs, [right] * 3, 64)
    np.testing.assert_allclose(usual.style.numbers, np.mean([one.numbers for one in of_right], axis=0), atol=1e-6)
    turned_over = usual_style([np.ascontiguousarray(one[:, ::-1]) for one in photographs], [left] * 3, 64)
    np.testing.assert_allclose(turned_over.style.numbers, usual.style.numbers, atol=2e-2)
    unknown = usual_style(photographs, [None] * 3, 64).style
    np.testing.assert_allclose(unknown.mirrored().numbers, unknown.numbers, atol=1e-6)
    assert usual.detail == 1
    assert [one.photographs for one in usual.cameras] == [3]


def test_a_style_that_is_none_is_refused(styles):
    with pytest.raises(InputError, match=r"no style 'sepia'.*sampled, expected, the file of a photograph, or a folder"):
        wanted_style("sepia", styles, 64, seed=0)
    with pytest.raises(InputError, match="has 3 numbers"):
        wanted_style(Style(np.zeros(3, np.float32)), styles, 64, seed=0)


def test_the_side_of_a_disc():
    disc = np.zeros((8, 8), np.uint8)
    assert faces_left(disc) is None
    disc[2:4, 1:3] = 255
    assert faces_left(disc) is True
    assert faces_left(disc[:, ::-1]) is False


# --- Frames ------------------------------------------------------------------------------------------------------


def test_a_square_eye_that_fills_its_picture_is_not_resampled():
    eye = phantom_eye(seed=2, size_px=64)
    framed = framed_eye(Eye(eye.name, {**eye.planes, "fov": np.ones((64, 64), bool)}), ("vessels", "disc"), 64)
    np.testing.assert_array_equal(framed.layers[1] > 0, eye.planes["vessels"])
    photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(framed.back(photograph), photograph)


def test_a_missing_plane_is_unknown_and_an_absent_structure_is_empty():
    eye = phantom_eye(seed=2, size_px=64)
    planes = {"fov": eye.planes["fov"], "vessels": eye.planes["vessels"], "cup": np.zeros((64, 64), bool)}
    layers = framed_eye(Eye("bare", planes), ("vessels", "disc", "cup"), 64).layers
    assert (layers[2] == 0).all()
    assert (layers[3] == -1).all()
    arteries = {"arteries": planes["vessels"], "veins": planes["cup"], "fov": planes["fov"]}
    both = framed_eye(Eye("kinds", arteries), ("vessels", "disc", "cup"), 64).layers
    np.testing.assert_array_equal(both[1], layers[1])
    speck = np.zeros((64, 64), bool)
    speck[30, 30] = True
    with pytest.raises(InputError, match=r"The field of view of eye speck is .*at least 5%"):
        framed_eye(Eye("speck", {"vessels": speck}), ("vessels",), 64)
    with pytest.raises(InputError, match="empty plane vessels"):
        framed_eye(Eye("none", {"vessels": planes["cup"]}), ("vessels",), 64)
    with pytest.raises(InputError, match="no plane vessels"):
        framed_eye(Eye("none", {"disc": planes["vessels"]}), ("vessels",), 64)


def test_a_photograph_out_of_its_frame_lies_over_a_picture_of_any_shape():
    field = np.zeros((60, 100), bool)
    rows, columns = np.indices(field.shape)
    field[(rows - 30) ** 2 + (columns - 40) ** 2 < 25**2] = True
    vessels = np.zeros_like(field)
    vessels[30, 20:60] = True
    framed = framed_eye(Eye("wide", {"fov": field, "vessels": vessels}), ("vessels",), 128)
    drawn = np.repeat(((framed.layers[0] + 1) * 127.5).astype(np.uint8)[..., None], 3, axis=2)
    back = framed.back(drawn)
    assert back.shape == (60, 100, 3)
    assert ((back[..., 0] > 127) ^ field).mean() < 0.01


def test_a_picture_that_hardly_shows_an_eye_has_no_style():
    with pytest.raises(ImageError, match="hardly any of an eye"):
        style_of(np.full((200, 7, 3), 128, np.uint8), 64)
