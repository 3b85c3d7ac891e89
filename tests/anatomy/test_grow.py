import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from retinasynth.anatomy.branches import Branch, calibres
from retinasynth.anatomy.disease import beaded, narrowed_focally, tufts
from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.grow import anatomy_of, grow
from retinasynth.anatomy.physiology import PRESETS, Anatomy, draw_anatomy
from retinasynth.errors import InputError, SettingError
from retinasynth.eye.eye import PLANES


@pytest.fixture(scope="module")
def eyes():
    return [grow(seed, 256, people=preset) for seed, preset in enumerate([*PRESETS, *PRESETS])]


def difference(one, other):
    return np.mean([np.mean(one.planes[name] != other.planes[name]) for name in one.planes])


# --- The eye ---------------------------------------------------------------------------------------------------------


def test_a_seed_is_an_eye(eyes):
    again = grow(1, 256, people=list(PRESETS)[1])
    assert again.geometry == eyes[1].geometry
    assert difference(again, eyes[1]) == 0
    assert all(difference(one, other) > 0.005 for one, other in itertools.combinations(eyes, 2))


def test_all_planes_are_known_and_consistent(eyes):
    for eye in eyes:
        planes = eye.planes
        assert set(planes) == set(PLANES)
        assert all((plane <= planes["fov"]).all() for plane in planes.values())
        assert (planes["cup"] <= planes["disc"]).all()
        assert (planes["vessels"] == (planes["arteries"] | planes["veins"])).all()
        assert not (planes["vessels"] & planes["fovea"]).any()


def test_no_vessel_comes_from_nowhere():
    for seed in range(6):
        planes = grow(seed, 512, centred_on="disc").planes
        from_rim = ~ndimage.binary_erosion(planes["fov"], iterations=3)
        for kind in ("arteries", "veins"):
            pieces, count = ndimage.label(planes[kind], np.ones((3, 3)))
            rooted = set(pieces[planes["disc"] | from_rim]) - {0}
            assert count > 0
            assert rooted == set(range(1, count + 1))


def test_every_size_shows_the_same_eye():
    large, small = grow(3, 768, vessel_density=0.09), grow(3, 384, vessel_density=0.09)
    assert large.geometry.pixels_per_disc_diameter == pytest.approx(2 * small.geometry.pixels_per_disc_diameter)
    for name in ("vessels", "disc", "cup", "fovea"):
        shrunk = large.planes[name].reshape(384, 2, 384, 2).mean((1, 3))
        agree = small.planes[name][(shrunk == 0) | (shrunk == 1)] == (shrunk == 1)[(shrunk == 0) | (shrunk == 1)]
        assert agree.mean() > 0.985


def test_a_right_eye_mirrors_a_left_one():
    left, right = (grow(4, 256, laterality=side) for side in ("left", "right"))
    assert difference(left, right) > 0.01
    mirrored = {name: plane[:, ::-1] for name, plane in right.planes.items()}
    assert np.mean([np.mean(mirrored[name] != left.planes[name]) for name in mirrored]) < 0.0005
    column = {side: ndimage.center_of_mass(eye.planes["disc"])[1] for side, eye in (("left", left), ("right", right))}
    assert column["left"] < 128 < column["right"]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.06, 0.13), st.sampled_from(["disc", "macula"]))
def test_density_is_as_asked(seed, density, centre):
    planes = grow(seed, 512, vessel_density=density, centred_on=centre).planes
    assert planes["vessels"].sum() / planes["fov"].sum() == pytest.approx(density, rel=0.05)


def test_one_parameter_changes_one_thing():
    plain = grow(11, 256)
    cupped = grow(11, 256, cup_to_disc=0.8)
    changed = {name for name in PLANES if (plain.planes[name] != cupped.planes[name]).any()}
    assert changed == {"cup", "vessels", "arteries", "veins"}  # vessels bend where they dip into the cup
    assert all((plain.planes[name] == cupped.planes[name])[~plain.planes["disc"]].all() for name in PLANES)
    beads = grow(11, 256, venous_beading=0.3)
    assert (plain.planes["disc"] == beads.planes["disc"]).all()
    sick = grow(11, 256, microaneurysms=12, soft_exudates=2)
    changed = {name for name in PLANES if (plain.planes[name] != sick.planes[name]).any()}
    assert changed == {"microaneurysms", "soft_exudates"}
    new = grow(11, 256, neovascular_tufts=2)
    assert [name for name in PLANES if (plain.planes[name] != new.planes[name]).any()] == ["vessels"]
    assert (plain.planes["vessels"] < new.planes["vessels"]).any()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"cup_to_disc": 1.2}, "cup_to_disc is 1.2"),
        ({"murray_exponent": -1}, "murray_exponent is -1"),
        ({"vessel_density": 0}, "vessel_density"),
        ({"size_px": 0}, "size_px is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"cup_to_disk": 0.5}, "did you mean 'cup_to_disc'"),
        ({"people": "chidl"}, "did you mean 'child'"),
        ({"laterality": "both"}, "laterality is 'both'"),
        ({"arteriolar_narrowing": 0.2, "artery_to_vein_ratio": 0.6}, "stand together"),
        ({"microaneurysms": 2.5}, "microaneurysms is 2.5"),
    ],
)
def test_impossible_parameters_are_refused(parameters, says):
    with pytest.raises(SettingError, match=says):
        grow(**{"seed": 1} | parameters)


def test_a_view_without_the_disc_is_refused_when_the_disc_was_asked_for():
    with pytest.raises(InputError, match="does not show all of it"):
        grow(1, 128, centred_on="macula", angle_deg=30, cup_to_disc=0.5)
    assert grow(1, 128, centred_on="macula", angle_deg=30).planes["vessels"].any()
    assert grow(1, 128, people="diabetic", centred_on="macula", angle_deg=25).planes["fovea"].any()


def test_a_density_that_pixels_are_too_wide_for_is_refused():
    with pytest.raises(InputError, match="each at least a pixel wide"):
        grow(1, 100, vessel_density=0.05)
    assert grow(1, 100).planes["vessels"].any()


# --- Parameters ------------------------------------------------------------------------------------------------------


def test_what_is_given_leaves_the_rest_as_it_was():
    plain = anatomy_of(5, "adult", {})
    given_one = anatomy_of(5, "adult", {"tortuosity": 1.2})
    assert given_one == plain.model_copy(update={"tortuosity": 1.2})
    narrowed = anatomy_of(5, "adult", {"arteriolar_narrowing": 0.25})
    assert narrowed.artery_to_vein_ratio == pytest.approx(0.75 * plain.artery_to_vein_ratio)


def test_presets_differ_as_people_do():
    drawn = {name: [draw_anatomy(np.random.default_rng(seed), name) for seed in range(60)] for name in PRESETS}
    mean = {name: {key: np.mean([getattr(one, key) for one in people]) for key in ("artery_to_vein_ratio",
            "vessel_density", "focal_narrowing", "microaneurysms")} for name, people in drawn.items()}  # fmt: skip
    assert mean["hypertensive"]["artery_to_vein_ratio"] < 0.9 * mean["adult"]["artery_to_vein_ratio"]
    assert mean["elderly"]["vessel_density"] < mean["adult"]["vessel_density"] < mean["child"]["vessel_density"]
    assert mean["hypertensive"]["focal_narrowing"] > 0.1 == 0.1 + mean["adult"]["focal_narrowing"]
    assert mean["diabetic"]["microaneurysms"] > 8
    assert {one.laterality for one in drawn["adult"]} == {"left", "right"}


@functools.cache
def people(preset):
    return [draw_anatomy(np.random.default_rng([seed, 9]), preset) for seed in range(2000)]


def drawn_of(preset, name):
    return np.array([getattr(one, name) for one in people(preset)])


def test_cups_are_as_large_as_experts_draw_them():
    healthy, glaucoma = (drawn_of(preset, "cup_to_disc") for preset in ("adult", "glaucomatous"))
    assert (healthy.mean(), healthy.std()) == pytest.approx((0.558, 0.102), abs=0.007)
    assert (glaucoma.mean(), glaucoma.std()) == pytest.approx((0.645, 0.094), abs=0.007)
    skewness = [(((cups - cups.mean()) / cups.std()) ** 3).mean() for cups in (healthy, glaucoma)]
    assert abs(skewness[0]) < 0.15
    assert 0.6 < skewness[1] < 1.1
    # Of different people: one seed draws one chance for both.
    assert (healthy[:1000, np.newaxis] < glaucoma[1000:]).mean() == pytest.approx(0.739, abs=0.03)


def test_discs_are_as_tilted_and_large_as_in_populations():
    ovality, size, atrophy, cups = (
        drawn_of("adult", name) for name in ("disc_ovality", "disc_size", "peripapillary_atrophy", "cup_to_disc")
    )
    assert np.median(ovality) == pytest.approx(0.91, abs=0.008)
    assert (ovality < 0.8).mean() == pytest.approx(0.016, abs=0.01)
    assert (1.8 * size.mean(), 1.8 * size.std()) == pytest.approx((1.8, 0.2), abs=0.02)
    assert np.polyfit(1.8 * size, cups, 1)[0] == pytest.approx(0.27, abs=0.04)
    assert (atrophy > 0).mean() == pytest.approx(0.2, abs=0.03)
    assert (drawn_of("glaucomatous", "peripapillary_atrophy") > 0).mean() > 0.5
    assert (atrophy[ovality < 0.8] > 0).mean() > 0.45


def test_new_parameters_leave_the_older_ones_as_they_were():
    old = anatomy_of(5, "adult", {})
    drawn_by_earlier_recipes = ("right", pytest.approx(0.089911669116), pytest.approx(0.281460184972))
    assert (old.laterality, old.vessel_density, old.vessel_free_macula) == drawn_by_earlier_recipes


def test_presets_name_parameters_that_exist():
    assert all(set(preset) <= set(Anatomy.model_fields) for preset in PRESETS.values())


# --- Growth ----------------------------------------------------------------------------------------------------------


def test_calibres_obey_murrays_law():
    straight = np.column_stack([np.arange(41) * 0.06, np.zeros(41)])
    trunk = Branch(straight, -1, 0, beyond=5.0)
    side = Branch(straight[:31] * (1, 0.5), 0, 20, beyond=3.0)
    for exponent in (2.0, 3.0):
        (before, after), daughter = calibres([trunk, side], exponent)[0][[5, 35]], calibres([trunk, side], exponent)[1]
        assert before**exponent == pytest.approx(after**exponent + daughter[2] ** exponent)
        assert before**exponent == pytest.approx(8)
        assert after**exponent == pytest.approx(5)


def test_vessels_taper_where_they_end_in_the_tissue():
    straight = np.column_stack([np.arange(41) * 0.06, np.zeros(41)])
    width = calibres([Branch(straight, -1, 0, beyond=1.0)], 2.5)[0]
    assert width[0] == pytest.approx(1)
    assert 0.5 <= width[-1] < 0.6
    assert (np.diff(width) <= 1e-12).all()


# --- Disease ---------------------------------------------------------------------------------------------------------


def test_narrowing_is_local_and_as_deep_as_asked():
    points = np.column_stack([np.linspace(0, 4, 67), np.zeros(67)])
    radii = narrowed_focally(np.random.default_rng(1), points, np.full(67, 0.03), np.array([0]), 0.5)
    assert radii.min() == pytest.approx(0.015, rel=0.01)
    assert radii[points[:, 0] < 1.2].min() > 0.029
    assert np.mean(radii > 0.029) > 0.5


def test_beads_keep_the_mean_calibre():
    radii = beaded(np.random.default_rng(1), np.full(400, 0.03), np.array([0, 150]), 0.3)
    assert radii.mean() == pytest.approx(0.03, rel=0.03)
    assert radii.max() == pytest.approx(0.039, rel=0.02)
    assert radii.min() == pytest.approx(0.021, rel=0.04)


def test_the_first_tuft_lies_on_the_disc():
    veins = np.column_stack([np.linspace(0, 4, 67), np.zeros(67)])
    courses = tufts(np.random.default_rng(1), veins, 1)
    assert len(courses) >= 6
    assert all(np.allclose(course[0], course[-1], atol=0.1) for course in courses)
    assert np.hypot(*np.concatenate(courses).T).max() < 1.2


# --- Drawing ---------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_vessels_are_drawn_to_the_pixel(seed):
    random = np.random.default_rng(seed)
    starts = random.uniform(-5, 45, (9, 2))
    ends = starts + random.uniform(-9, 9, (9, 2))
    radii = random.uniform(0.6, 5, 9)
    y, x = np.mgrid[:40, :40] + 0.5
    expected = np.zeros((40, 40), bool)
    for (ax, ay), (bx, by), radius in zip(starts, ends, radii, strict=True):
        share = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
        expected |= np.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay)) <= radius
    assert np.mean(draw_vessels(starts, ends, radii, 40) != expected) < 0.002
