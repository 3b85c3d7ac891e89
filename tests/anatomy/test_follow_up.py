import itertools

import pytest

from retinasynth.anatomy.follow_up import follow_up
from retinasynth.anatomy.grow import anatomy_of, grow
from retinasynth.anatomy.lesions import in_quadrants
from retinasynth.errors import InputError, SettingError
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.eye import LESIONS, PLANES


def differing(one, other):
    return {name for name in PLANES if (one.planes[name] != other.planes[name]).any()}


@pytest.fixture(scope="module")
def worsening():
    return follow_up(6, 5, {"retinopathy_grade": 4}, 256, people="diabetic", retinopathy_grade=0)


def test_the_first_visit_is_the_grown_eye():
    visits = follow_up(7, 2, {"cup_to_disc": 0.8}, 192)
    assert differing(visits[0].eye, grow(7, 192)) == set()
    assert visits[0].anatomy == anatomy_of(7, "adult", {})
    assert [visit.eye.name for visit in visits] == ["grown_000007_1", "grown_000007_2"]


def test_a_cup_grows_in_equal_steps_and_nothing_else():
    visits = follow_up(7, 4, {"cup_to_disc": 0.7}, 384, cup_to_disc=0.4)
    ratios = [measure_eye(visit.eye).cup_to_disc_vertical for visit in visits]
    assert ratios == pytest.approx([0.4, 0.5, 0.6, 0.7], abs=0.02)
    assert [dict(visit.changed) for visit in visits] == [{}, *({"cup_to_disc": ratio} for ratio in (0.5, 0.6, 0.7))]
    for before, after in itertools.pairwise(visits):
        assert differing(before.eye, after.eye) == {"cup", "vessels", "arteries", "veins"}
        for name in before.eye.planes:  # vessels bend where they dip into the cup, on the disc alone
            differs = before.eye.planes[name] != after.eye.planes[name]
            assert not (differs & ~before.eye.planes["disc"]).any()
        assert (before.eye.planes["cup"] <= after.eye.planes["cup"]).all()
        assert after.eye.geometry == before.eye.geometry


def test_a_rising_grade_adds_lesions(worsening):
    assert [visit.anatomy.retinopathy_grade for visit in worsening] == [0, 1, 2, 3, 4]
    for before, after in itertools.pairwise(worsening):
        assert all((before.eye.planes[name] <= after.eye.planes[name]).all() for name in LESIONS)
        assert after.changed["retinopathy_grade"] == before.anatomy.retinopathy_grade + 1
        assert not {"disc", "cup", "fovea", "fov"} & differing(before.eye, after.eye)
    severe = worsening[3]
    assert in_quadrants(severe.eye, "haemorrhages").min() >= severe.anatomy.haemorrhages_in_quadrants
    last = worsening[4].eye.planes
    assert (last["vessels"] & ~last["arteries"] & ~last["veins"]).any()


def test_the_parameters_of_a_visit_are_those_of_growth(worsening):
    for visit in worsening:
        known = visit.anatomy.model_dump()
        given = {name: known[name] for name in ("retinopathy_grade", *LESIONS, "venous_beading", "neovascular_tufts")}
        assert anatomy_of(6, "diabetic", given) == visit.anatomy


@pytest.mark.parametrize("seed", range(3))
def test_severe_eyes_bleed_in_all_quadrants_at_a_later_visit(seed):
    visits = follow_up(seed, 2, {"retinopathy_grade": 3}, 256, retinopathy_grade=2, venous_beading=0)
    assert in_quadrants(visits[1].eye, "haemorrhages").min() > 20
    assert (visits[0].eye.planes["haemorrhages"] <= visits[1].eye.planes["haemorrhages"]).all()


def test_a_falling_grade_takes_lesions_away():
    first, last = follow_up(3, 2, {"retinopathy_grade": 0}, 192, retinopathy_grade=2)
    assert first.eye.planes["microaneurysms"].any()
    assert not any(last.eye.planes[name].any() for name in LESIONS)
    fewer = follow_up(3, 2, {"hard_exudates": 10}, 256, hard_exudates=30)
    exudates = [visit.eye.planes["hard_exudates"] for visit in fewer]
    assert (exudates[1] < exudates[0]).any()
    assert (exudates[1] <= exudates[0]).all()


def test_visits_of_a_person_are_repeatable():
    one, other = (follow_up(5, 3, {"microaneurysms": 20}, 128, person=2) for _ in range(2))
    assert [visit.anatomy.microaneurysms for visit in one] == [0, 10, 20]
    assert all(differing(a.eye, b.eye) == set() for a, b in zip(one, other, strict=True))
    assert one[0].eye.geometry.laterality == "right"


@pytest.mark.parametrize(
    ("visits", "until", "parameters", "says"),
    [
        (1, {"cup_to_disc": 0.5}, {}, "visits is 1"),
        (10, {"cup_to_disc": 0.5}, {}, "visits is 10"),
        (2, {}, {}, "Nothing changes"),
        (2, {"tortuosity": 1.2}, {}, "tortuosity cannot change"),
        (2, {"cup_to_disc": 2}, {}, "cup_to_disc is 2"),
        (2, {"retinopathy_grade": 3}, {}, "the first visit has none"),
        (2, {"haemorrhages": 5}, {"retinopathy_grade": 1}, "the eye is of grade 2"),
    ],
)
def test_visits_that_cannot_be_are_refused(visits, until, parameters, says):
    with pytest.raises(SettingError, match=says):
        follow_up(1, visits, until, 64, **parameters)


def test_a_cup_out_of_view_cannot_change():
    with pytest.raises(InputError, match="does not show all of it"):
        follow_up(1, 2, {"cup_to_disc": 0.8}, 64, angle_deg=25)
