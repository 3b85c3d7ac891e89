import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from retinasynth.anatomy.landmarks import FOVEA_RADIUS, USUAL_FOVEA, Landmarks, View, draw_landmarks
from retinasynth.errors import SettingError

SEEDS = st.integers(0, 2**32 - 1)
LATERALITIES = st.sampled_from(["left", "right"])
SIDES = st.sampled_from(["inferior", "superior"])
ratios = st.floats(0.01, 0.95)
notches = st.one_of(st.just(0.0), st.floats(0, 1))
views = st.builds(
    View,
    size_px=st.integers(64, 700),
    laterality=LATERALITIES,
    centred_on=st.sampled_from(["disc", "macula"]),
    angle_deg=st.floats(20, 60),
    aperture=st.sampled_from(["round", "cut", "cut_all", "notched", "tabbed"]),
    offset=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    torsion_deg=st.floats(-10, 10),
    margin=st.floats(0, 0.2),
)


def drawn(seed, **given):
    return draw_landmarks(np.random.default_rng(seed), **given)


def rims(marks):
    """Inferior, superior, nasal and temporal, between the extremes of the two outlines."""
    disc, cup = marks.disc_outline(), marks.cup_outline()
    low, high = cup.min(axis=0) - disc.min(axis=0), disc.max(axis=0) - cup.max(axis=0)
    return high[1], low[1], low[0], high[0]


def lies_inside(cup, disc):
    """Both are star-shaped around the origin: radii at one angle tell."""
    angles = np.linspace(-3, 3, 400)
    inner, outer = (
        np.interp(angles, np.arctan2(*line.T[::-1]), np.hypot(*line.T), period=2 * math.pi) for line in (cup, disc)
    )
    return ((inner > 0) & (inner < outer)).all()


def rows(mask):
    return int(mask.any(axis=1).sum())


# --- The view ----------------------------------------------------------------------------------------------------


@given(views, SEEDS)
def test_pixels_and_back(view, seed):
    points = np.random.default_rng(seed).uniform(-5, 5, (7, 2))
    pixels = view.to_pixels(points)
    assert np.allclose(view.from_pixels(pixels), points, atol=1e-9)
    distances = np.hypot(*np.diff(points, axis=0).T) * view.pixels_per_disc_diameter
    assert np.allclose(np.hypot(*np.diff(pixels, axis=0).T), distances)


@given(views)
def test_the_circle_is_as_wide_as_its_angle(view):
    assert view.pixels_per_disc_diameter * view.angle_deg / 6.2 == pytest.approx(2 * view.radius_px)
    aim = np.add(view.offset, USUAL_FOVEA if view.centred_on == "macula" else (0, 0))
    assert view.to_pixels(aim[np.newaxis])[0] == pytest.approx([view.size_px / 2] * 2)


@pytest.mark.parametrize(("laterality", "is_right_of_disc"), [("left", True), ("right", False)])
@pytest.mark.parametrize("torsion_deg", [-5, 0, 5])
def test_the_fovea_lies_temporally(laterality, is_right_of_disc, torsion_deg):
    planes = drawn(3, cup_to_disc=0.5).planes(View(256, laterality, "macula", 45, torsion_deg=torsion_deg))
    disc, fovea = (np.argwhere(planes[name]).mean(axis=0) for name in ("disc", "fovea"))
    assert (fovea[1] > disc[1]) == is_right_of_disc
    assert np.hypot(*(fovea - disc)) == pytest.approx(2.5 * rows(planes["disc"]), rel=0.15)


def test_torsion_lowers_the_fovea_of_either_eye():
    for laterality in ("left", "right"):
        fovea = [
            View(512, laterality, "disc", 45, torsion_deg=turn).to_pixels(np.array([[2.5, 0.0]]))[0]
            for turn in (0, 5, -5)
        ]
        assert fovea[1][1] - fovea[0][1] == pytest.approx(2.5 * 69.12 * math.sin(math.radians(5)), rel=1e-3)
        assert fovea[2][1] - fovea[0][1] == pytest.approx(-2.5 * 69.12 * math.sin(math.radians(5)), rel=1e-3)


def test_a_right_eye_is_the_mirror_image_of_a_left_one():
    marks = drawn(4, cup_to_disc=0.6, notch=0.7)
    left, right = (marks.planes(View(301, side, "macula", 40, torsion_deg=3)) for side in ("left", "right"))
    for name in left:
        assert np.mean(left[name] != right[name][:, ::-1]) < 1e-4, name


@pytest.mark.parametrize(("aperture", "cuts"), [("round", ()), ("cut", (0.82,)), ("cut_all", (0.82, 0.92))])
def test_apertures_have_the_area_of_their_shape(aperture, cuts):
    lit = View(500, "left", "disc", 45, aperture=aperture, margin=0).field_of_view()
    segments = sum(2 * (math.acos(cut) - cut * math.sqrt(1 - cut**2)) for cut in cuts)
    assert lit.mean() == pytest.approx((math.pi - segments) / 4, abs=0.0015)
    assert np.array_equal(lit, lit[::-1])
    assert np.array_equal(lit, lit[:, ::-1])


@pytest.mark.parametrize("aperture", ["notched", "tabbed"])
def test_a_notch_is_small_and_at_the_upper_right(aperture):
    whole, notched = (View(400, "right", "disc", 45, aperture=name).field_of_view() for name in ("round", aperture))
    more = np.argwhere(notched & ~whole)
    assert (whole <= notched).all()
    assert 20 < len(more) < 200
    assert (more[:, 0] < 100).all()
    assert (more[:, 1] > 300).all()


def test_the_geometry_says_what_the_view_does():
    view = View(512, "right", "macula", 50)
    assert view.geometry.pixels_per_disc_diameter == view.pixels_per_disc_diameter
    assert (view.geometry.laterality, view.geometry.centred_on, view.geometry.angle_deg) == ("right", "macula", 50)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_px": 15},
        {"angle_deg": 19.9},
        {"angle_deg": 61},
        {"angle_deg": math.nan},
        {"laterality": "middle"},
        {"centred_on": "nose"},
        {"aperture": "square"},
        {"offset": (9, 0)},
        {"torsion_deg": 50},
        {"margin": -0.1},
    ],
)
def test_no_camera_has_this_view(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))) as caught:
        View(**{"size_px": 64, "laterality": "left", "centred_on": "disc"} | wrong)
    assert caught.value.expected


# --- The outlines ------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(SEEDS, ratios, notches, SIDES)
def test_heights_are_exact_and_the_cup_lies_inside(seed, ratio, notch, side):
    marks = drawn(seed, cup_to_disc=ratio, notch=notch, notch_side=side)
    disc, cup = marks.disc_outline(), marks.cup_outline()
    assert (disc[:, 1].min(), disc[:, 1].max()) == pytest.approx((-0.5, 0.5), abs=1e-12)
    assert np.ptp(disc[:, 0]) == pytest.approx(marks.disc_width)
    assert np.ptp(cup[:, 1]) == pytest.approx(ratio, rel=1e-5)
    assert lies_inside(cup, disc)


def test_the_cup_of_the_strangest_disc_lies_inside():
    for seed in range(1200):
        random = np.random.default_rng(seed)
        waves = [
            tuple((share, random.uniform(0, 6.28)) for share in random.dirichlet(np.ones(3)) * random.uniform(0.1, 0.3))
            for _ in range(2)
        ]
        marks = Landmarks(
            cup_to_disc=random.uniform(0.05, 0.95),
            disc_size=random.uniform(0.5, 1.6),
            disc_ovality=random.uniform(0.6, 1),
            disc_torsion_deg=random.uniform(-45, 45),
            disc_waves=waves[0],
            cup_waves=waves[1],
            cup_widening=random.uniform(0, 1),
        )
        assert lies_inside(marks.cup_outline(), marks.disc_outline())
        assert np.ptp(marks.cup_outline()[:, 1]) == pytest.approx(marks.cup_to_disc * marks.disc_size, rel=1e-5)


@settings(deadline=None)
@given(SEEDS, st.floats(0.2, 0.9))
def test_the_rim_without_a_notch_obeys_isnt(seed, ratio):
    inferior, superior, nasal, temporal = rims(drawn(seed, cup_to_disc=ratio))
    assert inferior >= superior - 1e-9
    assert superior >= nasal - 1e-9
    assert nasal >= temporal - 1e-9
    assert inferior + superior == pytest.approx(1 - ratio)
    assert temporal > 0.1 * (1 - ratio)


def test_a_notch_thins_the_rim_where_it_is_and_nowhere_else():
    marks = dataclasses.replace(drawn(5, cup_to_disc=0.7, notch=0.8), notch_angle_deg=58)
    disc = marks.disc_outline()
    angles = np.degrees(np.arctan2(disc[:, 1], disc[:, 0]))
    rim = {
        angle: {
            notch: np.hypot(*(disc - dataclasses.replace(marks, notch=notch).cup_outline()).T)[
                np.abs(angles - angle) < 4
            ].mean()
            for notch in (0.0, 0.4, 0.8)
        }
        for angle in (58, 0, 120, -90, -60)
    }
    assert rim[58][0.8] < 0.6 * rim[58][0.4] < 0.6 * 0.95 * rim[58][0.0]
    assert rim[-90][0.8] > rim[-90][0.0]  # the height is kept: what the notch takes below, the rim above has back
    superior = drawn(5, cup_to_disc=0.7, notch=0.8, notch_side="superior")
    assert superior.notch_angle_deg < -40 < 40 < drawn(5, cup_to_disc=0.7, notch=0.8).notch_angle_deg


@pytest.mark.parametrize("ovality", [0.62, 0.75, 0.95])
@pytest.mark.parametrize("torsion_deg", [-45, -20, 0, 30])
def test_a_disc_is_as_oval_and_leaning_as_asked(ovality, torsion_deg):
    marks = Landmarks(0.5, disc_size=1.2, disc_ovality=ovality, disc_torsion_deg=torsion_deg)
    disc = marks.disc_outline()
    diameters = 2 * np.hypot(*disc.T)
    assert np.ptp(disc[:, 1]) == pytest.approx(1.2)
    assert diameters.min() / diameters.max() == pytest.approx(ovality, abs=0.003)
    x, y = disc[np.argmax(diameters)] * -np.sign(disc[np.argmax(diameters)][1])  # the upper end
    assert math.degrees(math.atan2(x, -y)) == pytest.approx(torsion_deg, abs=2.1)


def test_a_larger_disc_is_the_same_disc_magnified():
    usual = drawn(6, cup_to_disc=0.6, notch=0.4)
    large = drawn(6, cup_to_disc=0.6, notch=0.4, disc_size=1.3)
    assert np.allclose(large.disc_outline(), 1.3 * usual.disc_outline())
    assert np.allclose(large.cup_outline(), 1.3 * usual.cup_outline())
    assert dataclasses.replace(large, disc_size=1.0) == usual  # and the fovea stays where it is


def test_a_given_shape_leaves_the_rest_of_the_draw():
    plain, given_shape = drawn(6, cup_to_disc=0.6), drawn(6, cup_to_disc=0.6, disc_ovality=0.7, disc_torsion_deg=-30)
    shape = {"disc_ovality": plain.disc_ovality, "disc_torsion_deg": plain.disc_torsion_deg}
    assert dataclasses.replace(given_shape, **shape) == plain


def test_a_cup_of_zero_is_none():
    marks = drawn(1, cup_to_disc=0, notch=1)
    planes = marks.planes(View(128, "left", "disc", 45))
    assert marks.cup_outline().shape == (0, 2)
    assert planes["disc"].any()
    assert not planes["cup"].any()


def test_a_seed_is_an_eye_and_eyes_differ():
    assert drawn(7, cup_to_disc=0.4) == drawn(7, cup_to_disc=0.4)
    eyes = [drawn(seed, cup_to_disc=0.4) for seed in range(200)]
    assert len(set(eyes)) == 200
    distances, depths = np.transpose([eye.fovea for eye in eyes])
    assert (distances.mean(), depths.mean()) == pytest.approx((2.5, 0.35), abs=0.03)
    assert 0.06 < distances.std() < 0.14
    assert 0.03 < depths.std() < 0.09
    widths = [eye.disc_ovality for eye in eyes]
    assert np.mean(widths) == pytest.approx(0.91, abs=0.02)
    radii = [eye.foveal_avascular_zone_radius for eye in eyes]
    assert np.mean(radii) == pytest.approx(0.16, abs=0.02)
    assert drawn(1, cup_to_disc=0.4, fovea=(2.7, 0.1)).fovea == (2.7, 0.1)


@pytest.mark.parametrize(
    "wrong", [{"cup_to_disc": 0.96}, {"cup_to_disc": -0.1}, {"notch": 1.1}, {"notch_side": "nasal"}]
)
def test_no_eye_has_these_landmarks(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        drawn(0, **{"cup_to_disc": 0.5} | wrong)


# --- The planes --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(SEEDS, st.floats(0.2, 0.9), notches, SIDES, LATERALITIES, st.floats(-5, 5), st.floats(30, 60))
def test_the_ratio_measured_on_masks_is_the_one_asked_for(seed, ratio, notch, side, laterality, torsion_deg, angle_deg):
    view = View(512, laterality, "disc", angle_deg, torsion_deg=torsion_deg)
    planes = drawn(seed, cup_to_disc=ratio, notch=notch, notch_side=side).planes(view)
    measured = rows(planes["cup"]) / rows(planes["disc"])
    # Rows are counted whole, of the cup and of the disc: at 60 degrees a cup of 0.2 is ten rows high, and one is 10 %.
    assert abs(measured - ratio) <= max(0.05 * ratio, (1 + ratio) / rows(planes["disc"]))
    assert (planes["cup"] <= planes["disc"]).all()


def test_the_measured_ratio_is_neither_too_large_nor_too_small_on_average():
    off = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        ratio, torsion_deg = random.uniform(0.2, 0.9), random.uniform(-5, 5)
        marks = draw_landmarks(random, cup_to_disc=ratio, notch=random.uniform(0, 1))
        planes = marks.planes(View(512, "left", "macula", 45, torsion_deg=torsion_deg))
        off.append(rows(planes["cup"]) / rows(planes["disc"]) / ratio - 1)
    assert abs(np.mean(off)) < 0.006
    assert np.mean(np.abs(off)) < 0.015


@settings(deadline=None, max_examples=60)
@given(SEEDS, ratios, views)
def test_planes_are_those_of_an_independent_rasteriser(seed, ratio, view):
    marks = drawn(seed, cup_to_disc=ratio)
    planes = marks.planes(view)
    fov = view.field_of_view()
    assert planes.keys() == {"disc", "cup", "fovea", "fov"}
    assert np.array_equal(planes["fov"], fov)
    for name, outline in (("disc", marks.disc_outline()), ("cup", marks.cup_outline())):
        expected = polygon2mask(fov.shape, view.to_pixels(outline)[:, ::-1] - 0.5) & fov
        # The border of the two differs in pixels whose centre lies on it to the last bit.
        assert (planes[name] != expected).sum() <= 1
    area = math.pi * (FOVEA_RADIUS * view.pixels_per_disc_diameter) ** 2
    assert planes["fovea"].sum() <= area + 4 * math.sqrt(area) + 2


def test_the_fovea_is_a_small_circle_or_outside_the_view():
    marks = drawn(2, cup_to_disc=0.5)
    view = View(512, "left", "macula", 45)
    fovea = marks.planes(view)["fovea"]
    assert fovea.sum() == pytest.approx(math.pi * (FOVEA_RADIUS * view.pixels_per_disc_diameter) ** 2, rel=0.03)
    found = np.argwhere(fovea).mean(axis=0)[::-1] + 0.5
    assert found == pytest.approx(view.to_pixels(np.array([marks.fovea]))[0], abs=0.2)
    assert not marks.planes(View(512, "left", "disc", 30, offset=(-1, 0)))["fovea"].any()
    assert not marks.planes(View(512, "left", "macula", 20, offset=(2, 0)))["disc"].any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"disc_ovality": 0.5},
        {"disc_size": 2},
        {"disc_torsion_deg": 50},
        {"inferior_share": 0.4},
        {"notch_angle_deg": 120},
        {"cup_waves": ((0.2, 1.0), (0.2, 0.0))},
    ],
)
def test_landmarks_refuse_what_would_break_the_rim(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Landmarks(**{"cup_to_disc": 0.5} | wrong)
