import numpy as np
import pytest

from retinasynth.anatomy.atlas.courses import HUB, daughters_of, untangled, warped
from retinasynth.anatomy.atlas.mixing import Library, Occupied, Place, exchanged, mixed, moments_of
from retinasynth.anatomy.atlas.store import bundled_atlas
from retinasynth.anatomy.branches import STEP


@pytest.fixture(scope="module")
def eyes():
    return [
        [course._replace(origin=number) for course in eye.courses]
        for number, eye in enumerate(bundled_atlas().eyes[:24])
    ]


@pytest.fixture(scope="module")
def library(eyes):
    return Library(eyes)


def is_in_order(courses):
    return all(course.parent < number for number, course in enumerate(courses)) and all(
        course.leaves_at < len(courses[course.parent].points) for course in courses if course.parent >= 0
    )


def a_long_course(courses):
    outside = [
        (len(course.points), number)
        for number, course in enumerate(courses)
        if course.distances[-1] > HUB and course.parent >= 0
    ]
    return max(outside)[1]


def test_a_place_is_most_like_itself(eyes, library):
    for eye in (0, 5, 11):
        number = a_long_course(eyes[eye])
        node = next(node for node in range(3, 90, 6) if eyes[eye][number].distances[node] > HUB)
        beyond = moments_of(eyes[eye], daughters_of(eyes[eye]), number, node)
        places, unlike = library.like(eyes[eye][number], node, beyond)
        assert places[0] == Place(eye, number, node)
        assert unlike[0] == pytest.approx(0, abs=1e-6)
        assert unlike[1] > 0.1


def test_a_graft_goes_on_from_where_it_is_put(eyes, library):
    place = Place(3, a_long_course(eyes[3]), 9)
    heading = eyes[3][place.course].heading(9)
    onto = np.array([1.0, -1.0])
    grafted = library.graft(np.random.default_rng(0), place, onto, heading + 0.5)
    assert grafted[0].points[0] == pytest.approx(onto)
    assert grafted[0].heading(0) == pytest.approx(heading + 0.5, abs=0.02)
    assert is_in_order(grafted)
    assert library.graft(np.random.default_rng(0), place, onto, heading + 2) is None


def test_an_exchange_keeps_about_as_much_vessel(eyes, library):
    done = 0
    for eye in range(6):
        courses = eyes[eye]
        number = a_long_course(courses)
        node = int(np.argmax(courses[number].distances > HUB)) + 4
        new = exchanged(np.random.default_rng(eye), courses, number, node, library)
        if new is None:
            continue
        done += 1
        before, after = (sum(len(course.points) for course in one) for one in (courses, new))
        assert is_in_order(new)
        assert after == pytest.approx(before, rel=0.3)
        assert {course.origin for course in new} > {eye}
        unchanged = {course.points.tobytes() for course in new} & {course.points.tobytes() for course in courses}
        assert len(unchanged) > 0.3 * len(courses)
    assert done >= 3


def test_mixing_leaves_little_of_one_person(eyes, library):
    courses = mixed(np.random.default_rng(0), eyes[2], library, stretch_dd=1.0)
    assert is_in_order(courses)
    beyond = dict.fromkeys(range(len(eyes)), 0)
    for course in courses:
        beyond[course.origin] += int((course.distances > HUB).sum())
    assert sum(nodes > 0 for nodes in beyond.values()) >= 8
    assert beyond[2] < 0.6 * sum(beyond.values())


def test_courses_run_free_up_to_their_own_kind():
    across = np.column_stack([np.linspace(1, 3, 34), np.zeros(34)])
    wall = np.column_stack([np.full(20, 2.0), np.linspace(-0.6, 0.6, 20)])
    occupied = Occupied([])
    assert occupied.free(0, across) == 34
    occupied.mark(1, wall)
    assert occupied.free(0, across) == 34  # crosses one of the other kind
    occupied.mark(0, wall)
    assert across[occupied.free(0, across) - 1, 0] == pytest.approx(1.9, abs=0.1)
    along = Occupied([])
    along.mark(1, across)
    assert along.free(0, across) < 10  # runs along one of the other kind


def test_untangled_courses_cross_none_of_their_kind(eyes):
    for courses in eyes[:4]:
        doubled = [*courses, *([one._replace(parent=-1) for one in warped(
            np.random.default_rng(1), courses, amount=0.1, turn_deg=20) if one.parent < 0])]  # fmt: skip
        once = untangled(doubled)
        again = untangled(once)
        assert is_in_order(once)
        assert sum(len(one.points) for one in once) < sum(len(one.points) for one in doubled)
        assert sum(len(one.points) for one in again) == sum(len(one.points) for one in once)


def test_warping_moves_a_little_and_smoothly(eyes):
    moved = warped(np.random.default_rng(3), eyes[0], amount=0.05, turn_deg=3)
    shifts = np.concatenate([new.points - old.points for new, old in zip(moved, eyes[0], strict=True)])
    assert 0.02 < np.hypot(*shifts.T).mean() < 0.5
    for new in moved:
        assert np.hypot(*np.diff(new.points, axis=0).T).max(initial=0) < 2.2 * STEP
