from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.anatomy.render.style import RenderingStyle, draw_style, draw_wide_style
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.images import resize_photograph

SIZE_PX = 256
CLEAR = RenderingStyle(noise=0, grain=0.01, tessellation=0, unevenness=0, haze=0, falloff=0, atrophy_dd=0, youth=0)


@pytest.fixture(scope="module")
def eye():
    return grow(1, SIZE_PX)


def levels(photograph, mask):
    return photograph[mask].astype(float).mean(axis=0)


def stripes(**planes):
    """A field of view of 5 disc diameters with upright vessels, 9 px wide."""
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    fov = np.hypot(rows - 127.5, columns - 127.5) < 126
    made = {name: (abs(columns - column) <= 4) & fov for name, column in planes.items()}
    return Eye("stripes", {"fov": fov, **made})


def test_a_seed_is_a_photograph(eye):
    first = render_photograph(eye, 3)
    assert first.dtype == np.uint8
    assert first.shape == (SIZE_PX, SIZE_PX, 3)
    assert np.array_equal(first, render_photograph(eye, 3))
    other = render_photograph(eye, 4)
    assert 2 < np.abs(first.astype(float) - other)[eye.planes["fov"]].mean() < 120


def test_a_style_holds_across_seeds(eye):
    fov = eye.planes["fov"]
    fixed = [levels(render_photograph(eye, seed, CLEAR), fov) for seed in range(4)]
    drawn = [levels(render_photograph(eye, seed), fov) for seed in range(4)]
    assert np.ptp(fixed, axis=0).max() < 12
    assert np.ptp(drawn, axis=0).max() > 30
    assert draw_style(np.random.default_rng(5)) == draw_style(np.random.default_rng(5))


def test_nothing_is_seen_outside_the_field_of_view(eye):
    for style in (replace(CLEAR, black_level=0.1, noise=0.1, jpeg_quality=20), None):
        photograph = render_photograph(eye, 1, style)
        assert photograph[~eye.planes["fov"]].max() == 0
        assert photograph[ndimage.binary_erosion(eye.planes["fov"], iterations=2)].max(axis=1).min() > 10


@pytest.mark.parametrize("seed", range(4))
def test_drawn_styles_show_what_the_labels_say(eye, seed):
    photograph = render_photograph(eye, seed).astype(float)
    vessels, disc, fov = (eye.planes[name] for name in ("vessels", "disc", "fov"))
    inside = ndimage.binary_erosion(fov, iterations=6) & ~ndimage.binary_dilation(disc, iterations=6)
    near = ndimage.binary_dilation(vessels, iterations=6) & ~ndimage.binary_dilation(vessels, iterations=2)
    share = levels(photograph, vessels & inside) / levels(photograph, near & inside)
    assert 0.6 < share[1] < 0.93
    around = ndimage.binary_dilation(disc, iterations=25) & inside & ~ndimage.binary_dilation(vessels, iterations=2)
    assert 1.2 < levels(photograph, disc & ~vessels)[1] / levels(photograph, around)[1] < 6


def test_veins_are_darker_than_arteries_and_the_reflex_is_in_the_middle():
    eye = stripes(arteries=80, veins=176)
    photograph = render_photograph(eye, 1, replace(CLEAR, blur_dd=0.002, light_reflex=0.5)).astype(float)
    artery, vein = (levels(photograph, eye.planes[name]) for name in ("arteries", "veins"))
    background = levels(photograph[:, 110:150], eye.planes["fov"][:, 110:150])
    assert vein[1] < 0.95 * artery[1] < 0.8 * background[1]
    assert vein[0] < 0.97 * artery[0]  # and redder arteries
    profile = photograph[100:156, 74:87, 1].mean(axis=0)
    assert profile[6] > 1.05 * profile[3:5].min()
    assert profile[6] > 1.05 * profile[8:10].min()
    assert profile[[0, 12]].min() > profile[6]


def test_unknown_kind_lies_between_artery_and_vein():
    known = render_photograph(stripes(veins=80, arteries=176), 1, CLEAR).astype(float)
    unknown = stripes(vessels=80)
    green = levels(render_photograph(unknown, 1, CLEAR).astype(float), unknown.planes["vessels"])[1]
    vein, artery = (levels(known, stripes(vessels=column).planes["vessels"])[1] for column in (80, 176))
    assert vein < green < artery


def test_wide_vessels_have_more_contrast_than_thin_ones():
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    fov = np.hypot(rows - 127.5, columns - 127.5) < 126
    wide, thin = abs(columns - 80) <= 4, columns == 176
    photograph = render_photograph(Eye("two", {"fov": fov, "vessels": (wide | thin) & fov}), 1, CLEAR).astype(float)
    row = photograph[110:146, :, 1].mean(axis=0)
    assert row[76:85].min() < 0.85 * row[128]
    assert 0.8 * row[128] < row[176] < 0.97 * row[128]


@pytest.mark.parametrize("laterality", ["left", "right"])
def test_atrophy_is_a_pale_crescent_where_the_labels_say(laterality):
    asked = {"laterality": laterality, "centred_on": "disc", "angle_deg": 30, "smaller_trunks": 0}
    eye = grow(2, SIZE_PX, **asked, peripapillary_atrophy=0.3, disc_ovality=0.7, disc_torsion_deg=30)
    unaffected = replace(eye, geometry=replace(eye.geometry, atrophy=replace(eye.geometry.atrophy, width_dd=0.0)))
    bare = ~ndimage.binary_dilation(eye.planes["vessels"], iterations=2)
    photographs = [render_photograph(one, 2, replace(CLEAR, atrophy_dd=0.2)).astype(float) for one in (eye, unaffected)]
    crescent = eye.geometry.beta_zone(eye.planes["disc"])
    inner = ndimage.binary_erosion(crescent, iterations=2) & bare
    pale, plain = (levels(photograph, inner) for photograph in photographs)
    assert pale[1] > 1.25 * plain[1]
    assert pale[2] > 1.25 * plain[2]
    beyond = ~ndimage.binary_dilation(crescent, iterations=8) & eye.planes["fov"]
    assert np.abs(photographs[0] - photographs[1])[beyond].mean() < 1


def test_the_choroid_shows_where_atrophy_lays_it_bare():
    eye = grow(2, SIZE_PX, centred_on="disc", angle_deg=30, peripapillary_atrophy=0.5, atrophy_extent_deg=360)
    seeds = [render_photograph(eye, seed, replace(CLEAR, grain=0)).astype(float)[..., 1] for seed in range(6)]
    crescent = ndimage.binary_erosion(eye.geometry.beta_zone(eye.planes["disc"]), iterations=6)
    inner = crescent & ~ndimage.binary_dilation(eye.planes["vessels"], iterations=3)
    relative = np.array([green[inner] / green[inner].mean() for green in seeds])
    assert relative.std(axis=0).mean() > 0.05  # each seed has choroidal vessels of its own, here without tessellation


def test_unknown_atrophy_is_that_of_the_style(eye):
    unknown = replace(eye, geometry=replace(eye.geometry, atrophy=None))
    plain, wide = (render_photograph(unknown, 2, replace(CLEAR, atrophy_dd=width)) for width in (0, 0.3))
    assert np.abs(plain.astype(float) - wide).max() > 20
    told = [render_photograph(eye, 2, replace(CLEAR, atrophy_dd=width)) for width in (0, 0.3)]
    assert np.array_equal(*told)


def test_disc_cup_and_fovea(eye):
    photograph = render_photograph(eye, 2, CLEAR).astype(float)
    bare = ~ndimage.binary_dilation(eye.planes["vessels"], iterations=2)
    disc, cup = eye.planes["disc"], eye.planes["cup"]
    rim = ndimage.binary_erosion(disc, iterations=3) & ~ndimage.binary_dilation(cup, iterations=3) & bare
    fundus = (
        ndimage.binary_erosion(eye.planes["fov"], iterations=8) & bare & ~ndimage.binary_dilation(disc, iterations=20)
    )
    green = [levels(photograph, part & bare)[1] for part in (cup, rim, fundus, eye.planes["fovea"])]
    assert green[0] > 1.05 * green[1] > 1.3 * green[2]
    assert 0.5 < green[3] / green[2] < 0.92
    none = Eye("cupless", {**eye.planes, "cup": np.zeros_like(cup)}, geometry=eye.geometry)
    assert green[0] > 1.1 * levels(render_photograph(none, 2, CLEAR).astype(float), cup & bare)[1]
    without = {name: plane for name, plane in eye.planes.items() if name != "disc"}
    absent = render_photograph(Eye("without", without, geometry=eye.geometry), 2, CLEAR).astype(float)
    assert levels(absent, rim)[1] == pytest.approx(green[2], rel=0.1)


def test_the_fovea_is_found_by_geometry(eye):
    planes = {name: plane for name, plane in eye.planes.items() if name != "fovea"}
    shown = [
        levels(render_photograph(Eye("one", planes, geometry=geometry), 2, CLEAR), eye.planes["fovea"])[1]
        for geometry in (eye.geometry, None)
    ]
    assert shown[0] < 0.92 * shown[1]


def test_the_colours_of_lesions():
    names = ("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates")
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    fov = np.hypot(rows - 127.5, columns - 127.5) < 126
    places = dict(zip(names, ((80, 80), (80, 170), (170, 80), (170, 170)), strict=True))
    planes = {
        name: np.hypot(rows - row, columns - column) < (2 if name == "microaneurysms" else 7)
        for name, (row, column) in places.items()
    }
    photograph = render_photograph(Eye("ill", {"fov": fov, **planes}), 1, CLEAR).astype(float)
    change = {name: levels(photograph, planes[name]) / levels(photograph, fov) for name in names}
    for name in names[:2]:
        assert change[name][1] < 0.93
        assert change[name][1] < change[name][0] < 1
    assert change["hard_exudates"][1] > 1.4
    assert change["soft_exudates"][1] > 1.2
    yellow, pale = (levels(photograph, planes[name]) for name in names[2:])
    assert yellow[2] / yellow[1] < pale[2] / pale[1] < 1
    # Hard exudates end sharply, soft ones do not.
    sharp, soft = (np.abs(np.diff(photograph[170, part, 1])).max() for part in (slice(60, 100), slice(150, 190)))
    assert sharp > 2 * soft


def test_two_resolutions_are_one_photograph():
    rendered = {}
    for size in (256, 512):
        rendered[size] = render_photograph(grow(2, size), 5)
    shrunk = resize_photograph(rendered[512], (256, 256)).astype(float)
    inside = ndimage.binary_erosion(grow(2, 256).planes["fov"], iterations=3)
    difference = (shrunk - rendered[256])[inside]
    assert np.abs(difference.mean(axis=0)).max() < 2.5
    assert 0.1 < np.sqrt((difference**2).mean()) < 8
    other = render_photograph(grow(2, 256), 6).astype(float)
    assert np.sqrt(((other - rendered[256])[inside] ** 2).mean()) > 12
    smooth = [ndimage.gaussian_filter(one[..., 1].astype(float), 2)[inside] for one in (shrunk, rendered[256])]
    assert np.corrcoef(smooth[0], smooth[1])[0, 1] > 0.98


def test_wide_styles_are_wider(eye):
    random = np.random.default_rng(0)
    drawn = [[asdict(draw(random)) for _ in range(200)] for draw in (draw_style, draw_wide_style)]
    for name in drawn[0][0]:
        usual, wide = (np.std([one[name] for one in styles]) for styles in drawn)
        assert usual > 0 or name == "jpeg_quality"
        assert wide > 0.95 * usual, name
    for seed in range(3):
        assert render_photograph(eye, seed, draw_wide_style(random))[eye.planes["fov"]].mean() > 15


def test_any_label_map_will_do():
    one = np.zeros((60, 90), np.bool_)
    one[30, 40] = True
    for planes in (
        {"vessels": one},
        {"disc": one},
        {"disc": one & False, "cup": one & False},
        {"fov": one},
        {"veins": one},
    ):
        photograph = render_photograph(Eye("odd", planes), 1)
        assert photograph.shape == (60, 90, 3)
        assert photograph.max() > 10


def test_what_cannot_be_drawn():
    with pytest.raises(InputError, match="has no planes"):
        render_photograph(Eye("bare", {}, np.zeros((4, 4, 3), np.uint8)), 1)
    with pytest.raises(InputError, match="field of view is empty"):
        render_photograph(Eye("dark", {"fov": np.zeros((4, 4), np.bool_)}), 1)
    with pytest.raises(InputError, match=r"gamma = 9.*0\.6 to 1\.6"):
        RenderingStyle(gamma=9)
    with pytest.raises(InputError, match="noise = nan"):
        replace(CLEAR, noise=float("nan"))
