import numpy as np
import pytest

from retinasynth.anatomy.atlas.tracing import trace
from retinasynth.anatomy.branches import ARTERY, VEIN
from retinasynth.anatomy.drawing import draw_vessels

DD = 80.0
CENTRE = np.array([140.0, 200.0])  # column and row of the disc
SIZE = 400


def drawn(*ways, width=0.06):
    """A mask of courses through points in the retinal frame."""
    mask = np.zeros((SIZE, SIZE), bool)
    for way in ways:
        points = np.array(way) * DD + CENTRE
        mask |= draw_vessels(points[:-1], points[1:], np.full(len(points) - 1, width * DD / 2), SIZE)
    return mask


def planes_of(arteries, veins):
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    field = np.hypot(x - SIZE / 2, y - SIZE / 2) < SIZE / 2 - 4
    return {
        "vessels": (arteries | veins) & field,
        "arteries": arteries & field,
        "veins": veins & field,
        "disc": np.hypot((x - CENTRE[0]) * 1.08, y - CENTRE[1]) < DD / 2,
        "fov": field,
    }


ARTERY_UP = [(0, -0.1), (0.1, -0.6), (0.6, -1.3), (1.6, -1.7), (3.4, -1.6)]
ITS_BRANCH = [(1.6, -1.7), (1.9, -1.2), (2.1, -0.7)]
VEIN_DOWN = [(0, 0.1), (0.1, 0.6), (0.5, 1.2), (1.5, 1.6)]
CROSSING = [(-0.1, 0.1), (0.2, -1.6), (1.1, -1.75), (1.3, -1.2)]


@pytest.fixture(scope="module")
def traced():
    return trace(planes_of(drawn(ARTERY_UP, ITS_BRANCH), drawn(VEIN_DOWN)), is_left=True, origin=7)


def test_courses_run_from_the_disc_outward(traced):
    assert all(course.parent < number for number, course in enumerate(traced.courses))
    trunks = [course for course in traced.courses if course.parent < 0]
    assert all(course.distances[0] < 0.6 for course in trunks)
    longest = max(traced.courses, key=lambda course: len(course.points))
    assert longest.kind == ARTERY
    assert longest.points[-1] == pytest.approx((2.6, -1.65), abs=0.15)
    assert {course.origin for course in traced.courses} == {7}


def test_a_branch_leaves_where_it_was_drawn(traced):
    ends = [course for course in traced.courses if np.hypot(*(course.points[-1] - ITS_BRANCH[-1])) < 0.1]
    assert len(ends) == 1
    assert ends[0].kind == ARTERY
    assert ends[0].points[0] == pytest.approx(ITS_BRANCH[0], abs=0.1)


def test_only_what_ends_at_the_edge_of_the_field_goes_on(traced):
    def goes_on(end):
        return min(traced.courses, key=lambda course: np.hypot(*(course.points[-1] - end))).goes_on

    assert goes_on((2.6, -1.65))
    assert not goes_on(ITS_BRANCH[-1])
    assert not goes_on(VEIN_DOWN[-1])


def test_calibres_are_those_that_were_drawn(traced):
    longest = max(traced.courses, key=lambda course: len(course.points))
    blur = 2 / DD
    assert np.median(longest.calibres) == pytest.approx(np.sqrt(0.06**2 - blur**2), rel=0.15)


def test_a_right_eye_is_traced_like_the_left_one_it_mirrors(traced):
    planes = planes_of(drawn(ARTERY_UP, ITS_BRANCH), drawn(VEIN_DOWN))
    mirrored = trace({name: plane[:, ::-1] for name, plane in planes.items()}, is_left=False)
    assert mirrored.reach == traced.reach
    assert mirrored.centre == pytest.approx(traced.centre)
    lengths = [sorted(len(course.points) for course in one.courses) for one in (mirrored, traced)]
    assert lengths[0] == pytest.approx(lengths[1], abs=2)


def test_vessels_are_passed_straight_at_crossings():
    traced = trace(planes_of(drawn(ARTERY_UP), drawn(CROSSING)), is_left=True)
    longest = {kind: max((one for one in traced.courses if one.kind == kind), key=lambda one: len(one.points))
               for kind in (ARTERY, VEIN)}  # fmt: skip
    assert longest[ARTERY].points[-1] == pytest.approx((2.6, -1.65), abs=0.15)
    assert longest[VEIN].points[-1] == pytest.approx(CROSSING[-1], abs=0.1)


def test_an_eye_without_vessels_has_no_courses():
    empty = np.zeros((SIZE, SIZE), bool)
    assert trace(planes_of(empty, empty), is_left=True).courses == []
