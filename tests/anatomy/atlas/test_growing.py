import itertools
import math
from collections import Counter

import numpy as np
import pytest

from retinasynth.anatomy.atlas import growing
from retinasynth.anatomy.atlas.courses import HUB, Course, parted, unbent, untouched
from retinasynth.anatomy.atlas.growing import grow_courses, grow_trees
from retinasynth.anatomy.atlas.store import bundled_atlas
from retinasynth.anatomy.branches import ARTERY, STEP, VEIN, Territory

TERRITORY = Territory(centre=(0.0, 0.0), reach=2.6, fovea=(2.5, 0.35), avascular=0.4)


@pytest.fixture(scope="module")
def grown():
    return grow_trees(np.random.default_rng(5), TERRITORY, smaller_trunks=7, branches=60, exponent=2.7)


def courses_of(seed, territory=TERRITORY, branches=60, smaller_trunks=7):
    return grow_courses(
        np.random.default_rng(seed), territory, bundled_atlas(), smaller_trunks=smaller_trunks, branches=branches
    )


def crossings(first, second):
    """How often two courses cross, by the orientation of all pairs of straight pieces."""
    a, b, c, d = (points[:, np.newaxis] if one else points[np.newaxis] for points, one in (
        (first[:-1], 1), (first[1:], 1), (second[:-1], 0), (second[1:], 0)))  # fmt: skip

    def side(p, q, r):
        return np.sign(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    return int(((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)).sum())


def test_no_vessel_crosses_one_of_its_own_kind(grown):
    for kind in (ARTERY, VEIN):
        courses = [branch.points[np.hypot(*branch.points.T) > 0.7] for branch in grown[kind]]
        pairs = itertools.combinations([course for course in courses if len(course) > 2], 2)
        assert sum(crossings(one[1:], other[1:]) for one, other in pairs) == 0
    between = sum(crossings(one.points, other.points) for one in grown[ARTERY] for other in grown[VEIN])
    assert 1 <= between <= 60


def test_branches_keep_out_of_where_no_vessel_runs(grown):
    for branch in itertools.chain(*grown):
        x, y = branch.points.T
        assert np.hypot(x - 2.5, y - 0.35).min() > 0.36
        beyond = x > 2.5
        assert not (np.diff(np.sign(y[beyond] - 0.35)) != 0).any()


def test_branches_leave_their_parents_where_they_say(grown):
    for tree in grown:
        for branch in tree:
            if branch.parent >= 0:
                assert np.allclose(branch.points[0], tree[branch.parent].points[branch.leaves_at])


def test_both_kinds_fill_the_tissue():
    random = np.random.default_rng(0)
    points = random.uniform(-2.4, 2.4, (4000, 2))
    points = points[
        (np.hypot(*points.T) < 2.3) & (np.hypot(*points.T) > 0.7) & (np.hypot(*(points - (2.5, 0.35)).T) > 0.7)
    ]

    def unsupplied(branches):
        grown = grow_trees(np.random.default_rng(5), TERRITORY, smaller_trunks=7, branches=branches, exponent=2.7)
        nodes = [np.concatenate([branch.points for branch in tree]) for tree in grown]
        return [np.median(np.min([np.hypot(*(points - node).T) for node in tree[::2]], axis=0)) for tree in nodes]

    few, many = unsupplied(10), unsupplied(120)
    assert all(after < 0.75 * before for before, after in zip(few, many, strict=True))
    assert max(many) < 0.25


def test_there_are_as_many_branches_as_asked_for():
    counts = {}
    for asked in (10, 40, 70):
        courses = courses_of(3, branches=asked)
        counts[asked] = sum(course.parent >= 0 and course.distances[0] > HUB for course in courses)
    assert counts[10] <= 16  # trunks may divide
    assert counts[40] == pytest.approx(40, rel=0.15)
    assert counts[70] == pytest.approx(70, rel=0.2)


def test_vessels_reach_the_edge_also_where_no_photograph_showed_them():
    nasal = Territory(centre=(0.0, 0.0), reach=3.6, fovea=(2.5, 0.35), avascular=0.4)
    farthest = []
    for seed in range(8):
        points = np.concatenate([course.points for course in courses_of(seed, nasal)])
        bearings = np.arctan2(points[:, 1], points[:, 0])
        farthest.append([np.hypot(*points[np.abs(bearings - middle) < math.pi / 8].T).max(initial=0)
                         for middle in (-3 * math.pi / 4, -math.pi / 2, math.pi / 2, 3 * math.pi / 4)])  # fmt: skip
    assert np.median(farthest) > 3.3
    assert np.mean(np.array(farthest) > 2.5) > 0.9


def test_an_artery_on_a_vein_is_moved_beside_it_unless_it_crosses():
    away = np.arange(0, 1.5, STEP)
    vein, on_it = (np.column_stack([away + 0.7, np.full_like(away, y)]) for y in (0.0, 0.01))
    across = np.column_stack([np.full_like(away, 1.4), away - 0.75])
    narrow = np.full_like(away, 0.06)
    courses = [
        Course(points, narrow, parent=-1, leaves_at=0, kind=kind, goes_on=True)
        for points, kind in ((vein, VEIN), (on_it, ARTERY), (across, ARTERY))
    ]
    still, moved, crossing = parted(courses)
    assert (still.points == vein).all()
    middle = slice(10, -10)
    assert moved.points[middle, 1].min() > 0.06 + 0.02
    assert np.allclose(moved.points[:, 0], on_it[:, 0])
    assert np.allclose(crossing.points, across)
    assert parted([courses[1]])[0] is courses[1]


def veins_of(*all_points, parents=None):
    return [
        Course(np.asarray(points, float), np.full(len(points), 0.06), parent, 5, VEIN, goes_on=True)
        for points, parent in zip(all_points, parents or [-1] * len(all_points), strict=True)
    ]


def test_a_vessel_that_turns_back_ends_where_it_turns():
    angles = np.arange(0, math.pi, STEP / 0.15)
    hairpin = np.concatenate([
        np.column_stack([np.arange(0.7, 1.7, STEP), np.zeros(17)]),
        (1.7, 0.15) + 0.15 * np.column_stack([np.sin(angles), -np.cos(angles)]),
        np.column_stack([np.arange(1.7, 0.7, -STEP), np.full(17, 0.3)]),
    ])  # fmt: skip
    arc = np.column_stack([np.sin(np.arange(0, 2, STEP)), -np.cos(np.arange(0, 2, STEP))]) * 1.5
    ended, kept = unbent(veins_of(hairpin, arc))
    assert 17 < len(ended.points) < 17 + len(angles)
    assert len(kept.points) == len(arc)


def test_a_vessel_ends_before_it_touches_one_it_does_not_leave():
    along = np.arange(0.7, 2.5, STEP)
    wide = np.column_stack([along, np.zeros_like(along)])
    toward = np.column_stack([along, np.linspace(0.8, 0.03, len(along))])
    leaving = wide[5] + np.column_stack([along - 0.7, np.linspace(0, 0.8, len(along))])
    _, ended, kept = untouched(veins_of(wide, toward, leaving, parents=[-1, -1, 0]))
    assert len(wide) / 2 < len(ended.points) < len(wide)
    assert ended.points[:, 1].min() > 0.06
    assert len(kept.points) == len(leaving)
    artery = veins_of(toward)[0]._replace(kind=ARTERY)
    assert len(untouched([*veins_of(wide), artery])[1].points) == len(toward)


def test_macular_vessels_point_to_the_fovea():
    macula = Territory(centre=(2.5, 0.35), reach=3.4, fovea=(2.5, 0.35), avascular=0.36)
    toward, chance = [], []
    for seed in range(10):
        for course in courses_of(seed, macula, branches=65):
            apart = np.hypot(*(course.points[-1] - macula.fovea))
            if apart < 1.2 and course.parent >= 0 and len(course.points) > 6:
                way, to_fovea = course.points[-1] - course.points[-6], macula.fovea - course.points[-1]
                toward.append(way @ to_fovea / np.hypot(*way) / np.hypot(*to_fovea))
                chance.append(way[0] / np.hypot(*way))
    assert len(toward) > 20
    assert np.mean(toward) > 0.3


def test_views_of_the_macula_are_grown_from_many_eyes_of_the_atlas(monkeypatch):
    macula = Territory(centre=(2.5, 0.35), reach=2.9, fovea=(2.5, 0.35), avascular=0.36)
    begun_from: Counter[int] = Counter()

    def seen(*arguments):
        courses = drawn(*arguments)
        begun_from[id(courses)] += 1
        return courses

    drawn = growing._drawn
    monkeypatch.setattr(growing, "_drawn", seen)
    for seed in range(60):
        courses_of(seed, macula, branches=10)
    assert 60**2 / sum(count**2 for count in begun_from.values()) > 20  # as many eyes, were all as likely


def test_eyes_differ_and_seeds_repeat():
    one, again, other = courses_of(1), courses_of(1), courses_of(2)
    assert all((a.points == b.points).all() for a, b in zip(one, again, strict=True))
    assert len(one) != len(other) or any(len(a.points) != len(b.points) for a, b in zip(one, other, strict=True))
