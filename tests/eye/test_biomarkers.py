import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import integrate

from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.grow import grow
from retinasynth.errors import InputError
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.biomarkers import COLUMNS, Biomarkers, fractal_dimension, measure_eye
from retinasynth.eye.calibre import ARTERIOLES, VENULES, knudtson
from retinasynth.eye.skeleton import vessel_graph

SIZE = 400


def drawn(*courses, radius=3.0, size=SIZE):
    """Courses of (column, row) points as one mask; a radius for all, or one for each."""
    radii = radius if isinstance(radius, list | tuple) else [radius] * len(courses)
    mask = np.zeros((size, size), bool)
    for course, one in zip(courses, radii, strict=True):
        points = np.asarray(course, float)
        mask |= draw_vessels(points[:-1], points[1:], np.full(len(points) - 1, one), size)
    return mask


def of(mask, **planes):
    return measure_eye(Eye("test", {"vessels": mask, **planes}))


def ray(angle_deg, start, length):
    turn = math.radians(angle_deg)
    return np.array([start, (start[0] + length * math.cos(turn), start[1] + length * math.sin(turn))])


def circle(centre, radius, size=SIZE):
    rows, columns = np.ogrid[:size, :size]
    return np.hypot(rows + 0.5 - centre[1], columns + 0.5 - centre[0]) <= radius


# --- Courses and calibres --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calibre", [2.0, 3.3, 6.0, 9.5, 14.0])
def test_calibre_and_length_of_lines_at_any_angle(calibre):
    for angle in (7.0, 23.0, 38.0, 51.0, 68.0, 83.0, 140.0):
        start = (200.3, 199.8)
        found = vessel_graph(drawn(ray(angle, start, 150), ray(angle + 180, start, 20), radius=calibre / 2))
        (segment,) = found.segments
        assert segment.calibre == pytest.approx(calibre, rel=0.03)
        assert segment.length == pytest.approx(170, abs=0.6 * calibre + 3)  # the skeleton ends near the round ends
        assert segment.chord == pytest.approx(segment.length, rel=0.005)


def test_tortuosity_has_the_closed_forms():
    line = drawn([(50, 200), (350, 230)])
    assert of(line).tortuosity == pytest.approx(1, abs=0.003)
    turn = np.linspace(0, math.pi, 200)
    arc = drawn(np.column_stack([200 + 120 * np.cos(turn), 260 - 120 * np.sin(turn)]))
    assert of(arc).tortuosity == pytest.approx(math.pi / 2, rel=0.02)
    along = np.linspace(0, 300, 400)
    wave = drawn(np.column_stack([50 + along, 200 + 20 * np.sin(2 * math.pi * along / 100)]))
    exact = integrate.quad(lambda x: math.hypot(1, 20 * 2 * math.pi / 100 * math.cos(x)), 0, 2 * math.pi)[0]
    assert of(wave).tortuosity == pytest.approx(exact / (2 * math.pi), rel=0.025)


def test_long_vessels_weigh_more():
    turn = np.linspace(0, math.pi, 200)
    arc = np.column_stack([200 + 120 * np.cos(turn), 160 - 120 * np.sin(turn)])
    both = drawn(arc, [(20, 300), (120, 300)])
    expected = (math.pi * 120 * math.pi / 2 + 100) / (math.pi * 120 + 100)
    assert of(both).tortuosity == pytest.approx(expected, rel=0.02)


def test_a_closed_ring_has_no_chord():
    turn = np.linspace(0, 2 * math.pi, 300)
    found = of(drawn(np.column_stack([200 + 100 * np.cos(turn), 200 + 100 * np.sin(turn)])))
    assert found.tortuosity is None
    assert found.branch_points == 0
    assert found.calibre_mean_px == pytest.approx(6, rel=0.03)


def test_the_distribution_of_calibres_is_weighted_by_length():
    mask = drawn([(20, 100), (380, 100)], [(20, 200), (140, 200)], radius=[2.0, 5.0])
    found = of(mask)
    assert found.calibre_mean_px == pytest.approx((4 * 364 + 10 * 130) / 494, rel=0.03)
    assert found.calibre_median_px == pytest.approx(4, rel=0.03)
    assert found.calibre_p10_px == pytest.approx(4, rel=0.05)
    assert found.calibre_p90_px == pytest.approx(10, rel=0.05)
    share = 364 / 494
    assert found.calibre_deviation_px == pytest.approx(6 * math.sqrt(share * (1 - share)), rel=0.05)


# --- Branchings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [40, 75, 110])
def test_a_fork_has_one_branching_three_ends_and_its_angle(angle):
    start = (200.0, 220.0)
    fork = drawn([(60, 220), start], ray(angle / 2, start, 150), ray(-angle / 2, start, 150), radius=[5, 4, 4])
    found = of(fork)
    assert (found.branch_points, found.end_points) == (1, 3)
    assert found.branching_angle_deg == pytest.approx(angle, abs=6)


def test_the_parent_comes_from_the_disc_where_the_disc_is_known():
    start = (200.0, 200.0)
    fork = drawn([(60, 200), start], ray(30, start, 150), ray(-45, start, 150), radius=[2, 5, 2])
    disc = circle((40, 200), 20)
    assert of(fork, disc=disc).branching_angle_deg == pytest.approx(75, abs=8)


def test_a_crossing_counts_only_where_kinds_are_unknown():
    one, other = drawn([(50, 50), (350, 350)]), drawn([(50, 350), (350, 50)])
    assert of(one | other).branch_points == 1
    known = of(one | other, arteries=one, veins=other)
    assert (known.branch_points, known.end_points) == (0, 4)
    assert known.tortuosity == pytest.approx(1, abs=0.003)
    assert (known.tortuosity_arteries, known.tortuosity_veins) == pytest.approx((1, 1), abs=0.003)
    part = np.zeros_like(one)
    part[:200] = True  # of the upper half alone it is told which is which
    told = of(one | other, arteries=one & part, veins=other & part)
    assert (told.branch_points, told.end_points) == (1, 4)
    assert told.tortuosity_arteries == pytest.approx(1, abs=0.003)


def test_a_rough_edge_makes_no_branches():
    random = np.random.default_rng(0)
    mask = drawn([(40, 180), (360, 220)], radius=5.0)
    edge = drawn([(40, 180), (360, 220)], radius=6.0) & ~mask
    rough = of(mask | (edge & (random.random(mask.shape) < 0.4)))
    assert (rough.branch_points, rough.end_points) == (0, 2)
    assert rough.tortuosity == pytest.approx(1, abs=0.01)


# --- Area ------------------------------------------------------------------------------------------------------------


def carpet(levels):
    pattern = np.ones((1, 1), bool)
    for _ in range(levels):
        pattern = np.block([[pattern] * 3, [pattern, np.zeros_like(pattern), pattern], [pattern] * 3])
    return pattern


def test_fractal_dimension_has_the_closed_forms():
    line = np.zeros((512, 512), bool)
    line[200] = True
    rows, columns = np.mgrid[:512, :512]
    assert fractal_dimension(line) == pytest.approx(1, abs=0.05)
    assert fractal_dimension(np.ones((512, 512), bool)) == pytest.approx(2, abs=0.05)
    assert fractal_dimension((rows & columns) == 0) == pytest.approx(math.log(3) / math.log(2), abs=0.05)
    assert fractal_dimension(carpet(6)) == pytest.approx(math.log(8) / math.log(3), abs=0.05)


def test_densities_of_rings():
    fov, disc = circle((200, 200), 190), circle((200, 200), 30)
    half = np.zeros((SIZE, SIZE), bool)
    half[:200] = True
    geometry = Geometry(60, "left", "disc", 40)
    full = measure_eye(Eye("full", {"vessels": fov, "fov": fov, "disc": disc}, geometry=geometry))
    part = measure_eye(Eye("half", {"vessels": half, "fov": fov, "disc": disc}, geometry=geometry))
    for number in range(1, 5):
        assert getattr(full, f"density_ring_{number}") == 1
        assert getattr(part, f"density_ring_{number}") == pytest.approx(0.5, abs=0.01)
    assert full.vessel_density == 1
    assert part.vessel_density == pytest.approx(0.5, abs=0.005)
    inner = measure_eye(Eye("in", {"vessels": circle((200, 200), 90), "fov": fov, "disc": disc}, geometry=geometry))
    rings = [getattr(inner, f"density_ring_{number}") for number in range(1, 5)]
    assert rings == pytest.approx([1, 1, 0, 0], abs=0.02)


def test_lengths_in_disc_diameters_and_micrometres():
    mask = drawn([(50, 100), (350, 100)], radius=4.0)
    known = measure_eye(Eye("a", {"vessels": mask}, geometry=Geometry(100, "left", "disc", 45)))
    assert known.calibre_mean_um == pytest.approx(8 / 100 * 1800, rel=0.03)
    assert known.length_density == pytest.approx((304 / 100) / (SIZE * SIZE / 100**2), rel=0.03)
    unknown = of(mask)
    assert unknown.calibre_mean_um is unknown.length_density is unknown.branch_points_per_dd2 is None


# --- Zone B ----------------------------------------------------------------------------------------------------------


def test_equivalents_by_hand():
    widths = np.array([10.0, 12, 14, 16, 18, 20])
    for factor in (ARTERIOLES, VENULES):
        first = [factor * math.hypot(20, 10), factor * math.hypot(18, 12), factor * math.hypot(16, 14)]
        low, middle, high = sorted(first)
        last = sorted([factor * math.hypot(high, low), middle])
        assert knudtson(widths, factor) == pytest.approx(factor * math.hypot(*last))
        assert knudtson(np.append(widths, [1, 2, 3]), factor) == knudtson(widths, factor)
    assert knudtson(np.array([3.0]), 0.5) == 3
    assert knudtson(np.array([]), 0.5) == 0
    three = sorted([0.88 * math.hypot(5, 1), 3])
    assert knudtson(np.array([1.0, 3, 5]), 0.88) == pytest.approx(0.88 * math.hypot(*three))


def spokes(radii, first_deg, branching=False):
    """Vessels that leave the disc in the middle of a picture of 800 px, 120 px to the disc diameter."""
    mask = np.zeros((800, 800), bool)
    for number, radius in enumerate(radii):
        angle = first_deg + number * 360 / len(radii)
        if branching and number == 0:
            mask |= drawn(ray(angle, (400, 400), 172), radius=radius, size=800)
            end = ray(angle, (400, 400), 172)[1]
            for aside in (-30, 30):
                mask |= drawn(ray(angle + aside, end, 150), radius=0.8 * radius, size=800)
        else:
            mask |= drawn(ray(angle, (400, 400), 350), radius=radius, size=800)
    return mask


@pytest.mark.parametrize("branching", [False, True])
def test_artery_to_vein_ratio_of_spokes(branching):
    arteries, veins = [4, 4.5, 3.5, 5, 3, 4, 2], [6, 5, 5.5, 6.5, 4.5, 5]
    planes = {"arteries": spokes(arteries, 10, branching), "veins": spokes(veins, 35)}
    planes["disc"] = circle((400, 400), 60, 800)
    found = measure_eye(Eye("spokes", planes, geometry=Geometry(120, "left", "disc", 60)))
    scale = 2 / 120 * 1800
    crae, crve = knudtson(np.array(arteries), ARTERIOLES) * scale, knudtson(np.array(veins), VENULES) * scale
    assert found.crae_um == pytest.approx(crae, rel=0.03)
    assert found.crve_um == pytest.approx(crve, rel=0.03)
    assert found.artery_to_vein_ratio == pytest.approx(crae / crve, rel=0.03)


# --- Disc ------------------------------------------------------------------------------------------------------------


def ellipse(centre, width, height):
    rows, columns = np.ogrid[:SIZE, :SIZE]
    return np.hypot((rows + 0.5 - centre[1]) / (height / 2), (columns + 0.5 - centre[0]) / (width / 2)) <= 1


def test_cup_disc_and_fovea():
    planes = {"disc": ellipse((120, 200), 90, 100), "cup": ellipse((122, 198), 50, 60), "fovea": circle((350, 230), 8)}
    found = measure_eye(Eye("disc", planes))
    assert found.cup_to_disc_vertical == pytest.approx(0.6, abs=0.011)
    assert found.cup_to_disc_area == pytest.approx(50 * 60 / (90 * 100), rel=0.02)
    assert found.disc_fovea_distance_dd == pytest.approx(math.hypot(230, 30) / 100, rel=0.01)
    assert measure_eye(Eye("no cup", planes | {"cup": np.zeros((SIZE, SIZE), bool)})).cup_to_disc_vertical == 0
    assert found.vessel_density is None


def test_what_is_cut_off_or_absent_is_unknown():
    disc, fov = ellipse((120, 200), 90, 100), np.ones((SIZE, SIZE), bool)
    fov[:, :100] = False
    cut = measure_eye(Eye("cut", {"disc": disc & fov, "cup": disc & fov, "fov": fov}))
    assert cut.cup_to_disc_vertical is None
    at_edge = measure_eye(Eye("edge", {"disc": disc, "fovea": circle((400, 200), 9)}))
    assert at_edge.disc_fovea_distance_dd is None
    with pytest.raises(InputError, match=r"no plane that can be measured \(fovea\)"):
        measure_eye(Eye("fovea", {"fovea": disc}))


def test_an_empty_plane_says_that_there_is_none():
    nothing = of(np.zeros((64, 64), bool))
    assert (nothing.vessel_density, nothing.branch_points, nothing.end_points) == (0, 0, 0)
    assert nothing.calibre_mean_px is nothing.tortuosity is nothing.fractal_dimension is None


# --- Grown eyes ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eye():
    return grow(2, 512, people="child")


def test_every_measure_is_known_of_a_grown_eye(eye):
    assert all(value is not None for value in asdict(measure_eye(eye)).values())
    assert set(COLUMNS) == set(asdict(Biomarkers()))


def test_turning_or_mirroring_changes_nothing(eye):
    plain = asdict(measure_eye(eye))
    turned = {"cup_to_disc_vertical"}  # the vertical is another one then
    for change in (lambda plane: plane[:, ::-1], np.rot90):
        other = asdict(measure_eye(replace(eye, planes={name: change(plane) for name, plane in eye.planes.items()})))
        for name in plain.keys() - turned:
            assert other[name] == pytest.approx(plain[name], rel=0.06), name


@pytest.mark.parametrize("seed", range(4))
def test_what_was_asked_for_is_measured(seed):
    asked = {"vessel_density": 0.07 + 0.012 * seed, "tortuosity": 1.04 + 0.03 * seed, "cup_to_disc": 0.3 + 0.15 * seed}
    ratio = 0.55 + 0.1 * seed
    preset, centre = ("adult", "child")[seed % 2], ("disc", "macula")[seed // 2]
    eye = grow(seed, 1024, people=preset, centred_on=centre, artery_to_vein_ratio=ratio, **asked)
    found = measure_eye(eye)
    assert found.vessel_density == pytest.approx(asked["vessel_density"], rel=0.05)
    assert found.tortuosity == pytest.approx(asked["tortuosity"], rel=0.05)
    assert found.cup_to_disc_vertical == pytest.approx(asked["cup_to_disc"], rel=0.05)
    assert found.artery_to_vein_ratio == pytest.approx(ratio, rel=0.15)


def test_a_pinhole_at_a_branching_makes_no_loop():
    """In the crotch of this fork the raster leaves one pixel out; around it the skeleton would run in a ring."""
    rows, columns = np.mgrid[:256, :256] - 128.0
    mask = np.zeros((256, 256), np.bool_)
    for angle_deg, calibre in ((225, 9), (65, 7), (25, 7)):
        down, right = np.sin(np.deg2rad(angle_deg)), np.cos(np.deg2rad(angle_deg))
        along = np.clip(rows * down + columns * right, 0, 100)
        mask |= np.hypot(rows - along * down, columns - along * right) < calibre / 2
    middle = vessel_graph(mask).nodes.mean(axis=0).round().astype(int)
    holed = mask.copy()
    holed[tuple(middle)] = False
    for one in (mask, holed):
        assert sorted(vessel_graph(one).degrees.tolist()) == [1, 1, 1, 3]
