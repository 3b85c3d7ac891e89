import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.lesions import (
    BLOT_UM,
    FLAME_UM,
    HARD_EXUDATE_UM,
    MICROANEURYSM_UM,
    SOFT_EXUDATE_UM,
    draw_lesions,
)
from retinasynth.errors import InputError
from retinasynth.eye import Eye, Geometry

NAMES = ("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates")
SIZE_PX = 768
UM_PER_DD = 1800


@pytest.fixture(scope="module")
def eyes():
    return [grow(seed, SIZE_PX, laterality="left", pointing_dd=0.0, disc_fovea_distance=2.5) for seed in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def eye(eyes):
    return eyes[0]


def draw(eye, seed=0, microaneurysms=0, haemorrhages=0, hard_exudates=0, soft_exudates=0):
    return draw_lesions(
        np.random.default_rng(seed),
        eye,
        microaneurysms=microaneurysms,
        haemorrhages=haemorrhages,
        hard_exudates=hard_exudates,
        soft_exudates=soft_exudates,
    )


@pytest.fixture(scope="module")
def lesions(eye):
    return draw(eye, 2, 40, 20, 60, 6)


def each(plane):
    """Pixels of each connected lesion, as rows and columns."""
    labels, count = ndimage.label(plane, np.ones((3, 3)))
    return [np.argwhere(labels == number) for number in range(1, count + 1)]


def longest_um(pixels, eye):
    """The longest diameter; of the pixels' centres, plus one pixel."""
    apart = np.linalg.norm(pixels[:, None] - pixels[None], axis=-1).max() + 1
    return apart / eye.geometry.pixels_per_disc_diameter * UM_PER_DD


def from_centre(eye, plane_name, pixels):
    """Row and column from the centre of a plane, in DD, columns positive temporally."""
    centre = ndimage.center_of_mass(eye.planes[plane_name])
    temporal = 1 if eye.geometry.laterality == "left" else -1
    return (pixels.mean(axis=0) - centre) / eye.geometry.pixels_per_disc_diameter * (1, temporal)


def test_a_seed_is_a_set_of_lesions(eye, lesions):
    again, other = draw(eye, 2, 40, 20, 60, 6), draw(eye, 3, 40, 20, 60, 6)
    assert tuple(sorted(lesions)) == tuple(sorted(NAMES))
    for name in NAMES:
        assert np.array_equal(lesions[name], again[name])
        assert not np.array_equal(lesions[name], other[name])


def test_counts(eye, lesions):
    for name, count in zip(NAMES, (40, 20, 60, 6), strict=True):
        assert len(each(lesions[name])) == count
    nothing = draw(eye)
    assert not any(plane.any() for plane in nothing.values())
    assert all(plane.shape == eye.size and plane.dtype == np.bool_ for plane in nothing.values())


def test_lesions_keep_to_their_places(eye, lesions):
    everything = sum(plane.astype(int) for plane in lesions.values())
    assert everything.max() == 1
    shown = everything > 0
    assert not (shown & ndimage.binary_dilation(eye.planes["disc"], iterations=2)).any()
    assert (ndimage.binary_dilation(shown) <= eye.planes["fov"]).all()


def test_sizes_are_those_of_life(eye, lesions):
    pixel_um = UM_PER_DD / eye.geometry.pixels_per_disc_diameter
    limits = {
        "microaneurysms": MICROANEURYSM_UM,
        "haemorrhages": (BLOT_UM[0], FLAME_UM[1]),
        "hard_exudates": HARD_EXUDATE_UM,
        "soft_exudates": SOFT_EXUDATE_UM,
    }
    for name, (least, most) in limits.items():
        sizes = [longest_um(pixels, eye) for pixels in each(lesions[name])]
        assert min(sizes) > 0.6 * least - pixel_um
        assert max(sizes) < 1.4 * most + 1.5 * pixel_um
        assert np.median(sizes) > least
    assert all(len(pixels) >= 1 for name in NAMES for pixels in each(lesions[name]))


def test_exudates_lie_in_the_macula_and_spare_its_centre(eye, lesions):
    several = [each(draw(eye, seed, hard_exudates=90)["hard_exudates"]) for seed in range(6)]
    distances = [np.hypot(*from_centre(eye, "fovea", pixels)) for found in several for pixels in found]
    assert min(distances) > 0.25
    assert max(distances) < 2.25
    # Gathered: the nearest other one is far nearer than among as many spread evenly over the region.
    places = np.array([pixels.mean(axis=0) for pixels in each(lesions["hard_exudates"])])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + np.eye(len(places)) * 1e9
    evenly = 0.5 * np.sqrt(np.pi * 2.2**2 / len(places)) * eye.geometry.pixels_per_disc_diameter
    assert np.median(apart.min(axis=1)) < 0.6 * evenly


def test_soft_exudates_lie_by_the_arcades_across_the_fibres(eye):
    found = [pixels for seed in range(6) for pixels in each(draw(eye, seed, soft_exudates=6)["soft_exudates"])]
    assert len(found) == 36
    across = []
    for pixels in found:
        y, x = from_centre(eye, "disc", pixels)
        assert 0.8 < np.hypot(y, x) < 3
        assert abs(y) > 0.4
        if np.hypot(y, x) < 1.6:  # near the disc the fibres are radial
            long = np.linalg.eigh(np.cov(pixels.T))[1][:, 1] * (1, 1 if eye.geometry.laterality == "left" else -1)
            across.append(abs(long @ np.array([y, x])) / np.hypot(y, x))
    assert len(across) > 5
    assert 0 <= np.median(across) < 0.5


def test_microaneurysms_lie_mostly_temporally(eyes):
    columns = [
        from_centre(eye, "fovea", pixels)[1]
        for eye in eyes
        for seed in range(4)
        for pixels in each(draw(eye, seed, microaneurysms=40)["microaneurysms"])
    ]
    assert 0.55 < (np.array(columns) > 0).mean() < 0.95


def test_microaneurysms_lie_near_small_vessels_and_off_large_ones(eye):
    found = [pixels for seed in range(12) for pixels in each(draw(eye, seed, microaneurysms=40)["microaneurysms"])]
    wide = ndimage.distance_transform_edt(eye.planes["vessels"]) > 0.03 * eye.geometry.pixels_per_disc_diameter
    centres = np.array([np.rint(pixels.mean(axis=0)).astype(int) for pixels in found])
    assert not wide[centres[:, 0], centres[:, 1]].any()
    scale = eye.geometry.pixels_per_disc_diameter
    near = ndimage.distance_transform_edt(~eye.planes["vessels"]) < 0.12 * scale
    large = ndimage.distance_transform_edt(eye.planes["vessels"]) > 0.025 * scale
    free = ndimage.distance_transform_edt(~large) > 0.06 * scale
    macula = free & (ndimage.distance_transform_edt(~eye.planes["fovea"]) < 2 * scale)
    inside = macula[centres[:, 0], centres[:, 1]]
    assert near[centres[:, 0], centres[:, 1]][inside].mean() > 1.2 * near[macula].mean()


@pytest.mark.parametrize("with_fovea", [True, False])
def test_right_eyes_are_mirrored(eyes, with_fovea):
    columns, farthest = [], []
    for seed, eye in enumerate(eyes):
        planes = {name: plane[:, ::-1] for name, plane in eye.planes.items()}
        shown = {name: plane for name, plane in planes.items() if with_fovea or name != "fovea"}
        geometry = Geometry(eye.geometry.pixels_per_disc_diameter, "right", "macula", 45)
        whole = Eye("right", planes, geometry=geometry)
        for drawn_with in (seed, seed + 10):
            drawn = draw(Eye("right", shown, geometry=geometry), drawn_with, microaneurysms=40, hard_exudates=20)
            columns += [from_centre(whole, "fovea", pixels)[1] for pixels in each(drawn["microaneurysms"])]
            farthest += [np.hypot(*from_centre(whole, "fovea", pixels)) for pixels in each(drawn["hard_exudates"])]
    assert 0.55 < (np.array(columns) > 0).mean() < 0.95
    assert max(farthest) < 2.6


def test_flames_lie_along_the_fibres(eye):
    along = []
    for seed in range(6):
        for pixels in each(draw(eye, seed, haemorrhages=20)["haemorrhages"]):
            values, vectors = np.linalg.eigh(np.cov(pixels.T))
            y, x = from_centre(eye, "disc", pixels)
            if values[1] > 6 * values[0] and np.hypot(y, x) < 1.6:
                long = vectors[:, 1] * (1, 1 if eye.geometry.laterality == "left" else -1)
                along.append(abs(long @ np.array([y, x])) / np.hypot(y, x))
    assert len(along) > 5
    assert 0.85 < np.median(along) <= 1


def test_small_pictures_show_every_lesion():
    small = grow(1, 128, laterality="left")
    found = draw(small, 1, microaneurysms=8)["microaneurysms"]
    assert len(each(found)) == 8
    assert 8 <= found.sum() <= 40


def test_what_cannot_be_drawn(eye):
    with pytest.raises(InputError, match="haemorrhages = -1"):
        draw(eye, haemorrhages=-1)
    for lacking in ("disc", "fov"):
        planes = {name: plane for name, plane in eye.planes.items() if name != lacking}
        with pytest.raises(InputError, match=f"lacks {lacking}.*geometry"):
            draw(Eye("part", planes, geometry=eye.geometry), microaneurysms=1)
    with pytest.raises(InputError, match="lacks geometry"):
        draw(Eye("part", eye.planes), microaneurysms=1)
    assert not any(plane.any() for plane in draw(Eye("part", eye.planes)).values())
