import numpy as np
import pytest

from retinasynth.anatomy.grow import anatomy_of, grow
from retinasynth.anatomy.kinship import CORRELATION, USUAL, alike
from retinasynth.anatomy.landmarks import draw_landmarks
from retinasynth.anatomy.physiology import PRESETS
from retinasynth.anatomy.render.photograph import phantom_photograph, render_photograph
from retinasynth.anatomy.render.scene import stream
from retinasynth.anatomy.render.style import draw_style
from retinasynth.errors import SettingError

DRAWN = list(PRESETS["adult"])


@pytest.fixture(scope="module")
def pairs():
    """Parameters of left and right eyes of many people, ``(people, 2, parameters)``."""
    eyes = [anatomy_of(seed, "adult", {}, seed // 2) for seed in range(1600)]
    return np.array([[getattr(eye, name) for name in DRAWN] for eye in eyes], float).reshape(-1, 2, len(DRAWN))


def correlation_cut_off_at_none(mean, deviation, correlation):
    covariance = deviation**2 * np.array([[1, correlation], [correlation, 1]])
    both = np.random.default_rng(0).multivariate_normal([mean, mean], covariance, 10**6)
    return np.corrcoef(np.maximum(both, 0).T)[0, 1]


@pytest.mark.parametrize("name", DRAWN)
def test_the_eyes_of_a_person_correlate(pairs, name):
    left, right = pairs[..., DRAWN.index(name)].T
    expected = CORRELATION.get(name, USUAL)
    if name == "peripapillary_atrophy":
        expected = correlation_cut_off_at_none(*PRESETS["adult"][name], expected)
    assert np.corrcoef(left, right)[0, 1] == pytest.approx(expected, abs=0.09)
    assert abs(np.corrcoef(left[1:], right[:-1])[0, 1]) < 0.12


@pytest.mark.parametrize("name", DRAWN)
def test_people_are_as_different_as_eyes(pairs, name):
    alone = [getattr(anatomy_of(seed, "adult", {}), name) for seed in range(800)]
    assert pairs[..., DRAWN.index(name)].mean() == pytest.approx(np.mean(alone), abs=0.15 * np.std(alone))
    assert pairs[..., DRAWN.index(name)].std() == pytest.approx(np.std(alone), rel=0.1)


def test_an_even_seed_is_a_left_eye_and_an_odd_one_a_right():
    assert [anatomy_of(seed, "adult", {}, 9).laterality for seed in range(4)] == ["left", "right", "left", "right"]
    assert anatomy_of(0, "adult", {"laterality": "right"}, 9).laterality == "right"


def test_two_eyes_have_discs_alike_and_vessels_of_their_own():
    left, right = grow(20, 256, person=10, centred_on="disc"), grow(21, 256, person=10, centred_on="disc")
    assert (left.geometry.laterality, right.geometry.laterality) == ("left", "right")
    mirrored = right.planes["vessels"][:, ::-1]
    both = (left.planes["vessels"] & mirrored).sum() / (left.planes["vessels"] | mirrored).sum()
    assert both < 0.4

    def width(eye):
        return np.ptp(np.flatnonzero(eye.planes["disc"].any(axis=0)))

    assert abs(width(left) - width(right)) <= 1
    again = grow(20, 256, person=10, centred_on="disc")
    assert all((again.planes[name] == left.planes[name]).all() for name in left.planes)


def test_a_person_changes_an_eye_and_nobody_leaves_it():
    alone, persons, others = grow(4, 128), grow(4, 128, person=2), grow(4, 128, person=3)
    for one, other in ((alone, persons), (persons, others)):
        assert (one.planes["vessels"] != other.planes["vessels"]).any()
    explicit = grow(4, 128, person=None)
    assert all((explicit.planes[name] == alone.planes[name]).all() for name in alone.planes)


def test_landmarks_are_the_persons_but_for_outlines():
    own, persons = (draw_landmarks(np.random.default_rng(seed), cup_to_disc=0.5) for seed in (1, 2))
    eye = alike(own, persons)
    assert (eye.cup_widening, eye.inferior_share, eye.fovea[1]) == (
        persons.cup_widening, persons.inferior_share, persons.fovea[1])  # fmt: skip
    assert (eye.disc_waves, eye.cup_waves, eye.fovea[0]) == (own.disc_waves, own.cup_waves, own.fovea[0])


def test_both_eyes_are_photographed_in_one_style():
    eye = grow(4, 96)
    for seed in (1, 2):
        in_style = render_photograph(eye, seed, draw_style(stream(7, "style")))
        assert (phantom_photograph(eye, seed, person=7) == in_style).all()
        assert (phantom_photograph(eye, seed, person=8) != in_style).any()
    assert (phantom_photograph(eye, 7) == phantom_photograph(eye, 7, person=7)).all()
    wide = [phantom_photograph(eye, seed, "randomised", person=7) for seed in (1, 7)]
    assert (wide[1] == phantom_photograph(eye, 7, "randomised")).all()
    assert (wide[0] != wide[1]).any()


@pytest.mark.parametrize("person", [-1, "Ann", 1.5, True])
def test_a_person_is_a_number(person):
    with pytest.raises(SettingError, match="person is"):
        grow(1, 64, person=person)
