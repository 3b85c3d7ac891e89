import numpy as np
import pytest

from retinasynth.anatomy.atlas import store
from retinasynth.anatomy.atlas.store import Mixed, bundled_atlas, write_atlas


def test_the_bundled_atlas_is_small_and_whole():
    atlas = bundled_atlas()
    assert len(atlas.eyes) > 100
    for eye in atlas.eyes:
        for number, course in enumerate(eye.courses):
            assert course.parent < number
            assert len(course.points) == len(course.calibres) >= 3
            assert (course.calibres >= 0).all()
            if course.parent >= 0:
                parent = eye.courses[course.parent]
                assert parent.kind == course.kind
                node = min(course.leaves_at, len(parent.points) - 1)
                assert np.hypot(*(parent.points[node] - course.points[0])) < 0.2
    assert store.atlas_file().stat().st_size < 2_000_000


def test_an_atlas_is_read_as_it_was_written(tmp_path):
    eyes = [Mixed(eye.courses, eye.centre, eye.reach) for eye in bundled_atlas().eyes[:3]]
    stretched = [course._replace(points=1.4 * course.points) for course in eyes[0].courses]
    eyes.append(Mixed(stretched, eyes[0].centre, 1.4 * eyes[0].reach))
    write_atlas(tmp_path / "atlas.npz", eyes)
    again = store.read_atlas((tmp_path / "atlas.npz").read_bytes())
    assert [eye.centre for eye in again.eyes] == [pytest.approx(eye.centre) for eye in eyes]
    for new, old in zip(again.eyes, eyes, strict=True):
        assert len(new.courses) == len(old.courses)
        for one, other in zip(new.courses, old.courses, strict=True):
            assert (one.kind, one.parent, one.leaves_at, one.goes_on) == (
                other.kind, other.parent, other.leaves_at, other.goes_on)  # fmt: skip
            assert len(one.points) == len(other.points)
            assert np.abs(one.points - other.points).max() < 0.01
            assert np.abs(one.calibres - other.calibres).max() < 0.005


def test_coverage_is_the_share_of_a_circle_that_was_seen():
    eye = Mixed([], (2.0, 0.0), 3.0)
    assert eye.covers((2.0, 0.0), 2.9) == 1
    assert eye.covers((2.0, 0.0), 8) < 0.4
    assert eye.covers((-20.0, 0.0), 3.0) == 0
