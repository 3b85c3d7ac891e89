import math

import numpy as np
import pytest
from scipy import integrate

from retinasynth.eye.tortuosity import (
    arc_over_chord,
    inflection_count_metric,
    inflections,
    smooth_course,
    squared_curvature,
)


def arc(radius, turn):
    angle = np.linspace(0, turn, 2000)
    return radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def wave(height, length, waves):
    x = np.linspace(0, waves * length, 4000)
    return np.stack([height * np.sin(2 * math.pi * x / length), x], axis=1)


def turned(course, angle):
    return course @ np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


LINE = np.stack([np.linspace(0, 30, 200), np.linspace(0, 80, 200)], axis=1)


def test_a_straight_line_winds_in_no_way():
    assert arc_over_chord(LINE) == pytest.approx(1, abs=1e-9)
    assert inflections(LINE) == 0
    assert inflection_count_metric(LINE) == pytest.approx(1, abs=1e-9)
    assert squared_curvature(LINE) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("radius", [20.0, 75.0])
@pytest.mark.parametrize("turn", [0.5, math.pi / 2, math.pi, 5.0])
def test_an_arc_has_the_closed_forms(radius, turn):
    course = arc(radius, turn)
    assert arc_over_chord(course) == pytest.approx(turn / (2 * math.sin(turn / 2)), rel=1e-5)
    assert inflections(course) == 0
    assert squared_curvature(course) == pytest.approx(1 / radius**2, rel=1e-4)


@pytest.mark.parametrize(("waves", "changes"), [(1, 1), (2, 3), (3.5, 6)])
def test_a_sine_has_the_closed_forms(waves, changes):
    height, length = 9.0, 100.0
    course, k = wave(height, length, waves), 2 * math.pi / length
    stretch = integrate.quad(lambda x: math.hypot(1, height * k * math.cos(k * x)), 0, waves * length, limit=200)[0]
    bends = integrate.quad(
        lambda x: (height * k**2 * math.sin(k * x)) ** 2 / math.hypot(1, height * k * math.cos(k * x)) ** 5,
        *(0, waves * length),
        limit=200,
    )[0]
    chord = math.dist(course[0], course[-1])
    assert inflections(course) == changes
    assert arc_over_chord(course) == pytest.approx(stretch / chord, rel=1e-4)
    assert inflection_count_metric(course) == pytest.approx((changes + 1) * stretch / chord, rel=1e-4)
    assert squared_curvature(course) == pytest.approx(bends / stretch, rel=1e-3)


@pytest.mark.parametrize("angle", [0.4, 1.9, -2.8])
def test_turning_a_course_changes_nothing_and_scaling_as_it_must(angle):
    course = wave(9, 100, 2)
    other = 3 * turned(course, angle)
    assert inflection_count_metric(other) == pytest.approx(inflection_count_metric(course), rel=1e-6)
    assert squared_curvature(other) == pytest.approx(squared_curvature(course) / 9, rel=1e-6)


def test_the_grid_of_pixels_makes_no_bends():
    for angle in (0.1, 0.37, 0.7, 1.2):
        rough = np.unique(np.round(turned(LINE * 2, angle)), axis=0)
        course = smooth_course(rough[np.argsort(rough @ turned(LINE[-1:], angle)[0])], 5)
        assert inflections(course) == 0
        assert squared_curvature(course) < 2e-4  # an arc of 75 px
    rough = np.round(arc(60, 2))
    course = smooth_course(rough[np.r_[True, np.any(np.diff(rough, axis=0) != 0, axis=1)]], 5)
    assert inflections(course) == 0
    assert squared_curvature(course) == pytest.approx(1 / 3600, rel=0.1)


def test_smoothing_keeps_the_ends_and_takes_out_short_bends():
    course = smooth_course(wave(1.5, 8, 12), 8)
    assert course[[0, -1]] == pytest.approx(wave(1.5, 8, 12)[[0, -1]], abs=1e-9)
    assert arc_over_chord(course) < 1.01 < arc_over_chord(wave(1.5, 8, 12))
