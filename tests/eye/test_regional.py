import math
from dataclasses import replace

import numpy as np
import pytest

from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.grow import grow
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.calibre import hubbard
from retinasynth.eye.measured_on import calibre_map, regions_overlay, winding_map
from retinasynth.eye.regional import REGIONAL, WHOLE, graphs_of, measure_all, measure_regions, um_per_px_of
from retinasynth.eye.regions import QUADRANTS, regions_of, side_of

SIZE, DD = 500, 60  # the disc is as high as 60 rows
MIDDLE = (SIZE / 2, SIZE / 2)


def circle(row, column, radius, size=SIZE):
    rows, columns = np.ogrid[:size, :size]
    return np.hypot(rows + 0.5 - row, columns + 0.5 - column) < radius


def spokes(degrees, radius=3.0, reach=200.0):
    """Straight vessels from the middle in these directions, degrees upward from the right."""
    mask = np.zeros((SIZE, SIZE), bool)
    for angle in map(math.radians, degrees):
        end = np.array([[SIZE / 2 + reach * math.cos(angle), SIZE / 2 - reach * math.sin(angle)]])
        mask |= draw_vessels(np.array([MIDDLE]), end, np.array([radius]), SIZE)
    return mask


def eye_of(vessels=None, **planes):
    given = {} if vessels is None else {"vessels": vessels}
    return Eye("test", {"disc": circle(*MIDDLE, DD / 2), **given, **planes})


# --- Regions ---------------------------------------------------------------------------------------------------------


def test_zones_have_the_area_of_their_rings():
    found = regions_of(eye_of(), "right")
    for name, inner, outer in (("zone_b", 1.0, 1.5), ("zone_c", 1.0, 2.5)):
        assert found[name].mask.sum() == pytest.approx(math.pi * (outer**2 - inner**2) * DD**2, rel=0.01)
        assert found[name].seen == pytest.approx(1, abs=0.01)
    assert not (found["zone_b"].mask & ~found["zone_c"].mask).any()


def test_quadrants_part_zone_c_and_change_sides_with_the_eye():
    right, left = regions_of(eye_of(), "right"), regions_of(eye_of(), "left")
    whole = sum(right[name].mask.astype(int) for name in QUADRANTS)
    assert (whole == right["zone_c"].mask).all()
    for name in QUADRANTS:
        assert right[name].mask.sum() == pytest.approx(right["zone_c"].mask.sum() / 4, rel=0.02)
    rows, columns = np.argwhere(right["superior"].mask).T
    assert rows.max() < SIZE / 2
    rows, columns = np.argwhere(right["nasal"].mask).T
    assert columns.min() > SIZE / 2  # the nose of a right eye is to the right of its disc
    assert (left["temporal"].mask == right["nasal"].mask).all()
    assert {"superior", "inferior"} <= set(regions_of(eye_of()))
    assert not {"nasal", "temporal"} & set(regions_of(eye_of()))


def test_rings_about_the_fovea_are_those_of_etdrs():
    eye = replace(eye_of(), centres={"fovea": (200.0, 250.0)})  # x and y
    found = regions_of(eye)
    um = 1800 / DD
    for name, inner, outer in (("fovea_centre", 0, 500), ("fovea_inner", 500, 1500), ("fovea_outer", 1500, 3000)):
        assert found[name].mask.sum() == pytest.approx(math.pi * (outer**2 - inner**2) / um**2, rel=0.02)
    assert found["fovea_centre"].mask[250, 200]
    assert not any(name.startswith("fovea") for name in regions_of(eye_of()))


@pytest.mark.parametrize(("cut", "is_seen"), [(0.4, True), (0.6, False)])
def test_what_is_less_than_half_in_view_is_not_measured(cut, is_seen):
    fov = np.ones((SIZE, SIZE), bool)
    zone = regions_of(eye_of())["zone_b"].mask
    rows = np.argwhere(zone)[:, 0]
    fov[: int(np.quantile(rows, cut))] = False
    disc = circle(*MIDDLE, DD / 2)
    fov |= circle(*MIDDLE, DD / 2 + 3)
    eye = Eye("cut", {"vessels": spokes([270, 300]), "disc": disc, "fov": fov})
    assert regions_of(eye)["zone_b"].seen == pytest.approx(1 - cut, abs=0.03)
    found = measure_regions(eye)
    assert (found["density_vessels_zone_b [share]"] is not None) == is_seen
    assert (found["calibre_vessels_zone_b [px]"] is not None) == is_seen
    assert found["density_vessels_superior [share]"] is None
    assert found["density_vessels_inferior [share]"] is not None


def test_which_eye_it_is_is_found_or_left_open():
    assert side_of(eye_of()) == (None, "")
    assert side_of(replace(eye_of(), centres={"fovea": (100.0, 250.0)})) == ("right", "fovea")
    assert side_of(Eye("aside", {"disc": circle(250, 120, 30)})) == ("left", "place of the disc")
    marked = Eye("cut", {"fov": circle(250, 250, 240)}, centres={"disc": (480.0, 250.0)})
    assert side_of(marked) == ("right", "place of the disc")
    assert side_of(replace(marked, centres={**marked.centres, "fovea": (490.0, 250.0)})) == ("left", "fovea")
    grown = grow(3, 192)
    assert side_of(grown) == (grown.geometry.laterality, "geometry")
    assert side_of(replace(grown, geometry=None)).laterality == grown.geometry.laterality


# --- Measures --------------------------------------------------------------------------------------------------------


def test_spokes_have_their_calibre_in_every_unit():
    found = measure_regions(eye_of(spokes([20, 70, 140, 200, 250, 330], radius=3.0)), um_per_px=12.5, laterality="left")
    for region in ("zone_b", "zone_c", *QUADRANTS):
        assert found[f"calibre_vessels_{region} [px]"] == pytest.approx(6, rel=0.04)
        assert found[f"calibre_vessels_{region} [DD]"] == pytest.approx(6 / DD, rel=0.04)
        assert found[f"calibre_vessels_{region} [um]"] == pytest.approx(75, rel=0.04)
        assert found[f"arc_chord_vessels_{region}"] == pytest.approx(1, abs=0.002)
        assert found[f"inflection_count_vessels_{region}"] == pytest.approx(1, abs=0.002)
    area = math.pi * (1.5**2 - 1)
    assert found["length_density_vessels_zone_b [1/DD]"] == pytest.approx(6 * 0.5 / area, rel=0.04)
    assert found["density_vessels_zone_b [share]"] == pytest.approx(6 * 0.5 * 6 / DD / area, rel=0.05)


def test_a_quadrant_knows_its_own_vessels_alone():
    found = measure_regions(eye_of(spokes([80, 100])), laterality="right")
    area = math.pi * (2.5**2 - 1) / 4
    assert found["length_density_vessels_superior [1/DD]"] == pytest.approx(2 * 1.5 / area, rel=0.05)
    for region in ("inferior", "nasal", "temporal"):
        assert found[f"density_vessels_{region} [share]"] == 0
        assert found[f"calibre_vessels_{region} [px]"] is None


def test_curvature_of_a_ring_piece_in_every_unit():
    turn = np.linspace(-0.9, 0.9, 200)
    points = np.column_stack([250 + 110 * np.cos(turn), 250 - 110 * np.sin(turn)])
    arc = draw_vessels(points[:-1], points[1:], np.full(len(points) - 1, 3.0), SIZE)
    found = measure_regions(eye_of(arc), um_per_px=10, laterality="right")
    for region in ("field", "zone_c"):
        assert found[f"squared_curvature_vessels_{region} [1/px2]"] == pytest.approx(1 / 110**2, rel=0.1)
        assert found[f"squared_curvature_vessels_{region} [1/DD2]"] == pytest.approx((DD / 110) ** 2, rel=0.1)
        assert found[f"squared_curvature_vessels_{region} [1/mm2]"] == pytest.approx(1 / 1.1**2, rel=0.1)
        assert found[f"arc_chord_vessels_{region}"] == pytest.approx(0.9 / math.sin(0.9), rel=0.01)


def test_equivalents_of_one_vessel_of_each_kind():
    arteries, veins = spokes([45], 2.5), spokes([225], 4.0)
    found = measure_regions(eye_of(arteries=arteries, veins=veins), um_per_px=20)
    for zone in ("zone_b", "zone_c"):
        for method in ("knudtson", "hubbard"):
            assert found[f"crae_{method}_{zone} [px]"] == pytest.approx(5, rel=0.04)
            assert found[f"crve_{method}_{zone} [DD]"] == pytest.approx(8 / DD, rel=0.04)
            assert found[f"crve_{method}_{zone} [um]"] == pytest.approx(160, rel=0.04)
            assert found[f"avr_{method}_{zone}"] == pytest.approx(5 / 8, rel=0.05)


def test_knudtson_in_zone_b_is_the_measure_of_the_whole_eye():
    eye = grow(4, 384, centred_on="disc")
    found = measure_all(eye)
    one = measure_eye(eye)
    assert found["crae_knudtson_zone_b [DD]"] * 1800 == pytest.approx(one.crae_um)
    assert found["crve_knudtson_zone_b [DD]"] * 1800 == pytest.approx(one.crve_um)
    assert found["avr_knudtson_zone_b"] == pytest.approx(one.artery_to_vein_ratio)
    assert {name: found[full] for full, name in WHOLE.items()} == {name: getattr(one, name) for name in WHOLE.values()}


def test_the_formulas_of_parr_and_hubbard():
    one, other = 90.0, 120.0
    artery = math.sqrt(0.87 * one**2 + 1.01 * other**2 - 0.22 * one * other - 10.76)
    vein = math.sqrt(0.72 * one**2 + 0.91 * other**2 + 450.02)
    assert hubbard(np.array([other, one]), are_veins=False) == pytest.approx(artery)
    assert hubbard(np.array([one, other]), are_veins=True) == pytest.approx(vein)
    # Of three, the widest and the narrowest are joined first, and the middle one is joined to the result.
    joined = hubbard(np.array([one, other]), are_veins=True)
    assert hubbard(np.array([one, 100.0, other]), are_veins=True) == hubbard(np.array([100.0, joined]), are_veins=True)
    assert hubbard(np.array([]), are_veins=True) == 0


def test_arteries_told_in_part_give_courses_and_nothing_else():
    arteries, veins = spokes([45], 2.5), spokes([225], 4.0)
    both = eye_of(arteries | veins | spokes([135, 315], 3.0), arteries=arteries, veins=veins)
    found = measure_regions(both)
    assert found["arc_chord_arteries_zone_c"] == pytest.approx(1, abs=0.002)
    for name in ("density_arteries_zone_b [share]", "calibre_veins_zone_c [px]", "crae_knudtson_zone_b [px]"):
        assert found[name] is None
    assert found["density_vessels_zone_b [share]"] > 0


def test_without_a_disc_there_are_pixels_and_the_field_alone():
    found = measure_regions(Eye("bare", {"vessels": spokes([10, 130])}))
    known = {name for name, value in found.items() if value is not None}
    assert known
    assert all(REGIONAL[name].region == "field" for name in known)
    assert not any(unit in name for name in known for unit in ("DD", "um", "mm"))


def test_the_angle_gives_the_size_of_a_pixel():
    assert um_per_px_of(circle(*MIDDLE, 200), 45) == pytest.approx(45 * 1800 / 6.2 / 400, rel=0.01)
    cut = circle(*MIDDLE, 200)
    cut[:100] = cut[400:] = False
    assert um_per_px_of(cut, 45) == pytest.approx(45 * 1800 / 6.2 / 400, rel=0.01)


def test_headings_are_unique_and_name_their_unit():
    assert len({*WHOLE, *REGIONAL}) == len(WHOLE) + len(REGIONAL)
    for name, column in REGIONAL.items():
        assert name.endswith(f" [{column.unit}]") if column.unit else "[" not in name
        assert column.by_resolution or "px" not in column.unit


def test_pictures_show_courses_bright_where_vessels_are_wide():
    eye = eye_of(spokes([0], 2.0) | spokes([180], 4.0))
    eye = replace(eye, photograph=np.full((SIZE, SIZE, 3), 100, np.uint8))
    shown = calibre_map(eye, graphs_of(eye))
    narrow, wide = shown[250, 400].astype(int), shown[250, 100].astype(int)
    assert wide[0] > narrow[0] + 20
    assert wide[2] < narrow[2] - 20
    assert (shown[20, 20] == 35).all()
    assert (winding_map(eye, graphs_of(eye))[250, 400] == (70, 90, 210)).all()
    regions = regions_overlay(eye, "left")
    assert (regions[250 - round(1.5 * DD) - 1 : 250 - round(1.5 * DD) + 3, 250] == (120, 255, 140)).all(axis=1).any()
