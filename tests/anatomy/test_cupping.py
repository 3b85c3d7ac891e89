import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retinasynth.anatomy.cupping import bent_over_cup, usual_depth
from retinasynth.anatomy.landmarks import Landmarks, draw_landmarks
from retinasynth.errors import SettingError

MARKS = Landmarks(0.7, disc_ovality=1.0, cup_widening=0.0, inferior_share=0.5, nasal_share=0.5)  # circles
SEEDS = st.integers(0, 2**32 - 1)


def natural(seed):
    random = np.random.default_rng(seed)
    return draw_landmarks(
        random,
        cup_to_disc=random.uniform(0.1, 0.92),
        notch=random.uniform(0, 0.5),
        disc_size=random.uniform(0.7, 1.4),
        disc_ovality=random.uniform(0.65, 1),
        disc_torsion_deg=random.uniform(-40, 40),
    )


def ray(bearing_deg, end=0.7, count=1401):
    along, bearing = np.linspace(0, end, count), math.radians(bearing_deg)
    return along[:, np.newaxis] * (math.cos(bearing), math.sin(bearing))


def headings(course):
    """In degrees, of each straight piece."""
    steps = np.diff(course, axis=0)
    return np.degrees(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.floats(0.02, 1))
def test_nothing_outside_the_disc_moves(seed, depth):
    marks = dataclasses.replace(natural(seed), cup_to_disc=0.92)  # a thin rim, on which the bend has to begin
    around = marks.disc_outline()
    outside = np.concatenate([around * share for share in (1.0, 1.001, 1.3, 5.0)])
    assert np.array_equal(bent_over_cup(outside, marks, depth), outside)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.floats(0.05, 1))
def test_ways_stay_apart_and_on_the_disc(seed, depth):
    marks = natural(seed)
    shares = np.linspace(0.01, 1, 120)
    disc = marks.disc_outline()
    bent = bent_over_cup((disc[:, np.newaxis] * shares[:, np.newaxis]).reshape(-1, 2), marks, depth)
    bent = bent.reshape(len(disc), len(shares), 2)
    along, around = np.gradient(bent, axis=1), np.roll(bent, -1, axis=0) - np.roll(bent, 1, axis=0)
    assert (along[..., 0] * around[..., 1] - along[..., 1] * around[..., 0] > 0).all()  # no fold


def test_vessels_bend_at_the_edge_of_the_cup_toward_nasal():
    upward = ray(-90)
    bent = bent_over_cup(upward, MARKS, 1.0)
    turn = np.abs(np.diff(headings(bent)))
    edge = np.hypot(*upward.T)[1:-1]
    assert edge[np.argmax(turn)] == pytest.approx(0.35, abs=0.035)
    assert 20 < turn[np.abs(edge - 0.35) < 0.035].sum() < 45  # degrees
    finer = np.abs(np.diff(headings(bent_over_cup(ray(-90, count=2801), MARKS, 1.0))))
    assert finer.max() == pytest.approx(turn.max() / 2, rel=0.05)  # smooth: a corner would not get smaller
    assert turn[edge > 0.4].max() == 0
    assert (bent[:, 0] <= 1e-12).all()
    assert np.array_equal(bent[:, 1], upward[:, 1])
    assert bent[0, 0] == pytest.approx(-0.45 * 0.35)  # the middle


def test_nasal_vessels_keep_their_course():
    for bearing_deg in (180, 0):
        assert np.ptp(bent_over_cup(ray(bearing_deg), MARKS, 1.0)[:, 1]) < 1e-12
    nasal = bent_over_cup(ray(180), MARKS, 1.0)
    assert (np.diff(nasal[:, 0]) < 0).all()


def test_deeper_cups_bend_vessels_more_and_sharper():
    bends = []
    for depth in (0.25, 0.5, 1.0):
        bent = bent_over_cup(ray(-90), MARKS, depth)
        turn = np.abs(np.diff(headings(bent)))
        bends.append((abs(bent[:, 0]).max(), turn.max()))
    shifts, sharpest = np.transpose(bends)
    assert shifts == pytest.approx(0.45 * 0.35 * np.array([0.25, 0.5, 1]))
    assert sharpest[0] < 0.5 * sharpest[1] < 0.25 * sharpest[2] * 1.2


def test_a_flat_cup_or_none_bends_nothing():
    upward = ray(-90)
    assert np.array_equal(bent_over_cup(upward, MARKS, 0), upward)
    assert np.array_equal(bent_over_cup(upward, dataclasses.replace(MARKS, cup_to_disc=0)), upward)
    assert bent_over_cup(upward, MARKS) is not upward


def test_large_cups_are_deep():
    assert (usual_depth(0), usual_depth(0.4), usual_depth(0.9)) == (0, 0.5, 1)
    given_depth = bent_over_cup(ray(-60), MARKS, usual_depth(0.7))
    assert np.array_equal(bent_over_cup(ray(-60), MARKS), given_depth)
    with pytest.raises(SettingError, match="depth"):
        bent_over_cup(ray(0), MARKS, 1.5)
