import hashlib

import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy import lesions
from retinasynth.anatomy.grow import _STREAMS, anatomy_of, grow
from retinasynth.anatomy.lesions import changed_lesions, draw_lesions, in_quadrants
from retinasynth.anatomy.physiology import PRESETS, Anatomy
from retinasynth.anatomy.retinopathy import DEFINITE_BEADING, SIGNS, grade_of, nasal_reach
from retinasynth.anatomy.shown_grade import refuse_hidden_grade
from retinasynth.errors import InputError, SettingError
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.eye import LESIONS

NONE = dict.fromkeys(SIGNS, 0)
USUAL_VIEW = nasal_reach("macula", 45, 0.12)


@pytest.fixture(scope="module")
def plain_eye():
    """A left eye of nothing but a field of view and a disc."""
    rows, columns = np.mgrid[:384, :384]
    planes = {
        "fov": np.hypot(rows - 192, columns - 192) < 188,
        "disc": np.hypot(rows - 192, columns - 90) < 25,
    }
    return Eye("plain", planes, geometry=Geometry(50, "left", "macula", 47))


def counted(plane):
    return ndimage.label(plane, np.ones((3, 3)))[1]


# --- Grades ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signs", "grade"),
    [
        ({}, 0),
        ({"microaneurysms": 200}, 1),
        ({"microaneurysms": 3, "hard_exudates": 1}, 2),
        ({"soft_exudates": 1}, 2),
        ({"haemorrhages": 83}, 2),
        ({"haemorrhages": 84}, 3),
        ({"venous_beading": 0.11}, 2),
        ({"venous_beading": 0.12}, 3),
        ({"haemorrhages": 120, "venous_beading": 0.2, "neovascular_tufts": 1}, 4),
    ],
)
def test_signs_make_the_grade_of_the_international_scale(signs, grade):
    assert grade_of(NONE | signs, USUAL_VIEW) == grade


@pytest.mark.parametrize("view", [{}, {"centred_on": "disc", "angle_deg": 35}, {"angle_deg": 30}])
@pytest.mark.parametrize("grade", range(5))
def test_drawn_signs_are_of_the_grade(grade, view):
    if grade == 4 and view == {"angle_deg": 30}:
        return
    for people in ("adult", "diabetic", "hypertensive"):
        for seed in range(30):
            anatomy = anatomy_of(seed, people, {"retinopathy_grade": grade, **view})
            assert grade_of({name: getattr(anatomy, name) for name in SIGNS}, anatomy.nasal_reach) == grade
            assert Anatomy.model_validate(anatomy.model_dump()) == anatomy


def test_severe_eyes_are_so_in_each_of_the_drawn_ways():
    drawn = [anatomy_of(seed, "adult", {"retinopathy_grade": 3}) for seed in range(80)]
    ways = {(one.haemorrhages >= 84, one.venous_beading >= DEFINITE_BEADING) for one in drawn}
    assert ways == {(True, False), (False, True), (True, True)}


def test_a_grade_leaves_everything_else_as_it_was():
    plain = anatomy_of(5, "diabetic", {})
    graded = anatomy_of(5, "diabetic", {"retinopathy_grade": 2}).model_dump()
    assert all(graded[name] == value for name, value in plain.model_dump().items() if name not in
               {*SIGNS, "retinopathy_grade"})  # fmt: skip
    assert graded["venous_beading"] == 0 < plain.venous_beading


def test_signs_that_are_given_are_kept():
    assert anatomy_of(1, "adult", {"retinopathy_grade": "2", "haemorrhages": "7"}).haemorrhages == 7
    bare = anatomy_of(1, "adult", {"retinopathy_grade": 2, "haemorrhages": 0, "hard_exudates": 0})
    assert bare.soft_exudates >= 1
    few = anatomy_of(2, "adult", {"retinopathy_grade": 3, "haemorrhages": 20})
    assert (few.haemorrhages, few.venous_beading >= DEFINITE_BEADING) == (20, True)
    for seed in range(30):
        straight = anatomy_of(seed, "adult", {"retinopathy_grade": 3, "venous_beading": 0})
        assert straight.haemorrhages >= 84


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"retinopathy_grade": 5}, "retinopathy_grade is 5"),
        ({"retinopathy_grade": 1.5}, "retinopathy_grade is 1.5"),
        ({"retinopathy_grade": 0, "microaneurysms": 1}, "with microaneurysms=1 in this view the eye is of grade 1"),
        ({"retinopathy_grade": 1, "microaneurysms": 0}, "of grade 0.*microaneurysms alone"),
        ({"retinopathy_grade": 1, "soft_exudates": 1}, "of grade 2"),
        ({"retinopathy_grade": 2, "venous_beading": 0.2}, "of grade 3"),
        ({"retinopathy_grade": 2, "haemorrhages": 100}, "of grade 3.*fewer than 84"),
        ({"retinopathy_grade": 3, "neovascular_tufts": 1}, "of grade 4"),
        ({"retinopathy_grade": 3, "haemorrhages": 50, "venous_beading": 0}, "of grade 2"),
        ({"retinopathy_grade": 3, "venous_beading": 0, "angle_deg": 30}, "of grade 2.*in a view of all quadrants"),
        ({"retinopathy_grade": 4, "neovascular_tufts": 0}, "in a view that shows the disc"),
        ({"retinopathy_grade": 4, "angle_deg": 30}, "in a view that shows the disc"),
    ],
)
def test_what_contradicts_a_grade_is_refused(parameters, says):
    with pytest.raises(SettingError, match=says):
        grow(1, 128, **parameters)


# --- Eyes ------------------------------------------------------------------------------------------------------------


def test_a_healthy_grade_shows_nothing():
    planes = grow(3, 192, people="diabetic", retinopathy_grade=0).planes
    assert not any(planes[name].any() for name in LESIONS)


def test_a_mild_eye_shows_microaneurysms_alone():
    planes = grow(3, 192, retinopathy_grade=1).planes
    assert [name for name in LESIONS if planes[name].any()] == ["microaneurysms"]


@pytest.mark.parametrize("laterality", ["left", "right"])
def test_a_severe_eye_bleeds_in_all_quadrants(laterality):
    eye = grow(4, 384, laterality=laterality, retinopathy_grade=3, venous_beading=0)
    assert in_quadrants(eye, "haemorrhages").min() > 20
    rows, columns = np.array(ndimage.center_of_mass(eye.planes["disc"])) + 0.5
    quarters = np.array_split(np.arange(384), [round(rows)]), np.array_split(np.arange(384), [round(columns)])
    plane = eye.planes["haemorrhages"]
    assert all(counted(plane[np.ix_(down, aside)]) > 20 for down in quarters[0] for aside in quarters[1])


def test_a_proliferative_eye_has_new_vessels():
    planes = grow(3, 192, retinopathy_grade=4).planes
    assert (planes["vessels"] & ~planes["arteries"] & ~planes["veins"]).sum() > 20


def test_a_grade_that_does_not_show_is_refused(plain_eye, monkeypatch):
    nothing = {name: np.zeros(plain_eye.size, bool) for name in ("vessels", "arteries", "veins", *LESIONS)}
    eye = Eye("none", {**plain_eye.planes, **nothing}, geometry=plain_eye.geometry)
    refuse_hidden_grade(eye, 0, 0.0)
    refuse_hidden_grade(eye, 3, DEFINITE_BEADING)
    for grade in range(1, 5):
        with pytest.raises(InputError, match=f"grade of {grade} was asked for, but .* those of grade 0"):
            refuse_hidden_grade(eye, grade, 0.0)
    monkeypatch.setattr(lesions, "_TRIALS", 10)
    with pytest.raises(InputError, match=r"those of grade 2.*larger size"):
        grow(1, 40, retinopathy_grade=3, venous_beading=0)


# --- Lesions ---------------------------------------------------------------------------------------------------------


def test_each_quadrant_has_its_share(plain_eye):
    for seed in range(3):
        planes = draw_lesions(
            np.random.default_rng(seed),
            plain_eye,
            microaneurysms=0,
            haemorrhages=40,
            hard_exudates=0,
            soft_exudates=0,
            in_each_quadrant=10,
        )
        eye = Eye("bleeding", {**plain_eye.planes, **planes}, geometry=plain_eye.geometry)
        assert in_quadrants(eye, "haemorrhages").tolist() == [10, 10, 10, 10]


def test_quadrants_lie_around_the_disc(plain_eye):
    plane = np.zeros(plain_eye.size, bool)
    for row, column, times in ((150, 60, 1), (150, 200, 2), (250, 60, 3), (250, 200, 4)):
        for number in range(times):
            plane[row + 5 * number, column] = True
    for side, wanted in (("left", [1, 2, 3, 4]), ("right", [1, 2, 3, 4])):
        mirror = slice(None, None, 1 if side == "left" else -1)
        planes = {name: one[:, mirror] for name, one in {**plain_eye.planes, "haemorrhages": plane}.items()}
        eye = Eye(side, planes, geometry=Geometry(50, side, "macula", 47))
        assert in_quadrants(eye, "haemorrhages").tolist() == wanted


def test_changed_lesions_stay_where_they_were(plain_eye):
    counts = {"microaneurysms": 12, "haemorrhages": 8, "hard_exudates": 20, "soft_exudates": 2}
    planes = draw_lesions(np.random.default_rng(1), plain_eye, **counts)
    eye = Eye("ill", {**plain_eye.planes, **planes}, geometry=plain_eye.geometry)
    changes = {"microaneurysms": 5, "haemorrhages": -3, "soft_exudates": 1}
    after = changed_lesions(np.random.default_rng(2), eye, changes)
    assert {name: counted(after[name]) - counted(planes[name]) for name in LESIONS} == {"hard_exudates": 0, **changes}
    assert (planes["microaneurysms"] <= after["microaneurysms"]).all()
    assert (after["haemorrhages"] <= planes["haemorrhages"]).all()
    assert np.array_equal(after["hard_exudates"], planes["hard_exudates"])
    assert sum(plane.astype(int) for plane in after.values()).max() == 1
    more = changed_lesions(np.random.default_rng(2), eye, {}, in_each_quadrant=5)
    assert in_quadrants(Eye("ill", {**eye.planes, **more}, geometry=eye.geometry), "haemorrhages").min() == 5


# --- Eyes without a grade --------------------------------------------------------------------------------------------


def test_lesions_of_a_seed_are_those_of_release_0_1(plain_eye):
    counts = {"microaneurysms": 12, "haemorrhages": 8, "hard_exudates": 20, "soft_exudates": 2}
    planes = draw_lesions(np.random.default_rng(1), plain_eye, **counts)
    found = hashlib.sha256(b"".join(np.packbits(planes[name]).tobytes() for name in LESIONS)).hexdigest()
    assert found == "8afa00d250357d67398c063a29569c772cd9990efeec440bf3987a7d6b858422"


def test_one_chance_for_each_parameter_and_the_grade_last():
    random = np.random.default_rng([5, _STREAMS, 0])
    random.integers(2)
    chances = dict(zip(Anatomy.model_fields, random.normal(size=len(Anatomy.model_fields)), strict=True))
    drawn = anatomy_of(5, "adult", {})
    assert list(chances)[-1] == "retinopathy_grade"
    assert drawn.retinopathy_grade is None
    for name in ("cup_to_disc", "murray_exponent"):
        mean, deviation = PRESETS["adult"][name]
        assert getattr(drawn, name) == pytest.approx(mean + deviation * chances[name])
