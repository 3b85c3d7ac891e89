import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retinasynth.anatomy.cupping import bent_over_cup
from retinasynth.anatomy.landmarks import Landmarks, draw_landmarks

# Circles, and a cup as deep as any.
MARKS = Landmarks(0.8, disc_ovality=1.0, cup_widening=0.0, inferior_share=0.5, nasal_share=0.5)
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
@given(SEEDS, st.floats(0.02, 0.95), st.floats(0, 1))
def test_nothing_outside_the_disc_moves(seed, cup_to_disc, notch):
    # Flat and deep cups with a thin rim, on which the bend has to begin.
    marks = dataclasses.replace(natural(seed), cup_to_disc=cup_to_disc, notch=notch)
    around = marks.disc_outline()
    outside = np.concatenate([around * share for share in (1.0, 1.001, 1.3, 5.0)])
    assert np.array_equal(bent_over_cup(outside, marks), outside)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.floats(0.04, 0.95))
def test_ways_stay_apart_and_on_the_disc(seed, cup_to_disc):
    marks = dataclasses.replace(natural(seed), cup_to_disc=cup_to_disc)
    shares = np.linspace(0.01, 1, 120)
    disc = marks.disc_outline()
    bent = bent_over_cup((disc[:, np.newaxis] * shares[:, np.newaxis]).reshape(-1, 2), marks)
    bent = bent.reshape(len(disc), len(shares), 2)
    along, around = np.gradient(bent, axis=1), np.roll(bent, -1, axis=0) - np.roll(bent, 1, axis=0)
    assert (along[..., 0] * around[..., 1] - along[..., 1] * around[..., 0] > 0).all()  # no fold


def test_vessels_bend_at_the_edge_of_the_cup_toward_nasal():
    upward = ray(-90)
    bent = bent_over_cup(upward, MARKS)
    turn = np.abs(np.diff(headings(bent)))
    edge = np.hypot(*upward.T)[1:-1]
    assert edge[np.argmax(turn)] == pytest.approx(0.4, abs=0.035)
    assert 20 < turn[np.abs(edge - 0.4) < 0.035].sum() < 45  # degrees
    finer = np.abs(np.diff(headings(bent_over_cup(ray(-90, count=2801), MARKS))))
    assert finer.max() == pytest.approx(turn.max() / 2, rel=0.05)  # smooth: a corner would not get smaller
    assert turn[edge > 0.45].max() == 0
    assert (bent[:, 0] <= 1e-12).all()
    assert np.array_equal(bent[:, 1], upward[:, 1])
    assert bent[0, 0] == pytest.approx(-0.45 * 0.4)  # the middle


def test_nasal_vessels_keep_their_course():
    for bearing_deg in (180, 0):
        assert np.ptp(bent_over_cup(ray(bearing_deg), MARKS)[:, 1]) < 1e-12
    nasal = bent_over_cup(ray(180), MARKS)
    assert (np.diff(nasal[:, 0]) < 0).all()


def test_larger_cups_are_deeper_and_bend_vessels_more_and_sharper():
    bends = []
    for cup_to_disc in (0.2, 0.4, 0.8, 0.9):
        upward = ray(-90, end=0.875 * cup_to_disc)  # measured by the cup's size
        bent = bent_over_cup(upward, dataclasses.replace(MARKS, cup_to_disc=cup_to_disc))
        turn = np.abs(np.diff(headings(bent)))
        bends.append((abs(bent[:, 0]).max() / (cup_to_disc / 2), turn.max()))
    shifts, sharpest = np.transpose(bends)
    assert shifts == pytest.approx(0.45 * np.array([0.25, 0.5, 1, 1]))
    assert sharpest[0] < 0.5 * sharpest[1] < 0.25 * sharpest[2] * 1.2
    assert sharpest[3] == pytest.approx(sharpest[2])


def test_no_cup_bends_nothing():
    upward, marks = ray(-90), dataclasses.replace(MARKS, cup_to_disc=0)
    assert np.array_equal(bent_over_cup(upward, marks), upward)
    assert bent_over_cup(upward, marks) is not upward
