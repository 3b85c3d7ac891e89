import math

import numpy as np
import pytest

from retinasynth.eye.edges import bearings, from_edge

ROWS, COLUMNS = np.mgrid[:401, :401] - 200
DISC = np.hypot(ROWS, COLUMNS) <= 50


def test_distances_and_bearings_are_those_of_a_circle():
    radius = np.hypot(ROWS, COLUMNS)
    assert np.abs(from_edge(DISC) - (radius - 50)).max() < 1.1
    assert bearings(DISC, -1)[250, 100] == pytest.approx(math.degrees(math.atan2(50, 100)))


def test_the_edge_of_the_picture_is_none_of_the_area():
    half = np.arange(6) < 2
    assert from_edge(np.tile(half, (4, 1))).tolist() == [[-1.5, -0.5, 0.5, 1.5, 2.5, 3.5]] * 4
    for area, far in ((np.ones((3, 4), np.bool_), -math.inf), (np.zeros((3, 4), np.bool_), math.inf)):
        assert from_edge(area).tolist() == [[far] * 4] * 3
