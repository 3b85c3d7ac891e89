"""Edits of label maps: what is asked for is what changes."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.edits import SEVERITIES, narrowed, with_cup, with_lesions, with_narrower_vessels
from retinasynth.anatomy.grow import grow
from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.eye import LESIONS


@pytest.fixture(scope="module")
def eye():
    return grow(7, 512, centred_on="disc", angle_deg=35)


def changed_planes(before, after):
    return {plane for plane in after.planes if not np.array_equal(before.planes.get(plane), after.planes[plane])}


@pytest.mark.parametrize("ratio", [0.05, 0.2, 0.45, 0.6, 0.8, 0.95])
def test_a_cup_has_the_height_that_was_asked_for(eye, ratio):
    after = with_cup(eye, ratio)
    assert changed_planes(eye, after) == {"cup"}
    cup, disc = after.planes["cup"], after.planes["disc"]
    assert measure_eye(after).cup_to_disc_vertical == pytest.approx(ratio, abs=0.013)  # two rows of the disc
    assert not (cup & ~disc).any()
    assert ndimage.label(cup)[1] == 1


def test_cups_of_rising_ratio_lie_within_one_another_and_none_is_no_cup(eye):
    cups = [with_cup(eye, ratio).planes["cup"] for ratio in (0, 0.2, 0.4, 0.6, 0.8)]
    assert not cups[0].any()
    assert all((small <= large).all() and small.sum() < large.sum() for small, large in itertools.pairwise(cups))
    without = replace(eye, planes={**eye.planes, "cup": cups[0]})
    assert measure_eye(with_cup(without, 0.5)).cup_to_disc_vertical == pytest.approx(0.5, abs=0.013)


def test_a_thin_place_of_the_rim_stays_thin():
    notched = grow(7, 512, centred_on="disc", angle_deg=35, cup_to_disc=0.5, notch=0.8)
    after = with_cup(notched, 0.7)
    rows, columns = np.nonzero(after.planes["disc"])
    middle = rows.mean(), columns.mean()

    def rim(eye, below):
        ring = eye.planes["disc"] & ~eye.planes["cup"]
        temporal = (np.arange(512) > middle[1]) == (notched.geometry.laterality == "left")
        half = (np.arange(512) > middle[0]) == below
        return (ring & temporal[None, :] & half[:, None]).sum()

    assert rim(notched, True) < 0.9 * rim(notched, False)
    assert rim(after, True) < 0.9 * rim(after, False)


@pytest.mark.parametrize("severity", ["mild", "moderate", "severe"])
def test_lesions_are_as_many_as_a_severity_says(eye, severity):
    after = with_lesions(eye, severity, seed=1)
    for kind, count in SEVERITIES[severity].items():
        found = ndimage.label(after.planes[kind], np.ones((3, 3)))[1]
        assert 0.9 * count <= found <= count, kind  # none touches another; few find no place
    assert changed_planes(eye, after) <= set(LESIONS)
    assert np.array_equal(after.planes["microaneurysms"], with_lesions(eye, severity, 1).planes["microaneurysms"])
    assert not np.array_equal(after.planes["microaneurysms"], with_lesions(eye, severity, 2).planes["microaneurysms"])
    assert not any(with_lesions(after, "none", 1).planes[kind].any() for kind in LESIONS)


@pytest.mark.parametrize("laterality", ["left", "right"])
def test_without_geometry_the_disc_tells_scale_and_side(laterality):
    places, areas = [], []
    for seed in range(12):  # where clusters lie is drawn anew for each eye
        grown = grow(seed, 512, laterality=laterality)
        bare = Eye("bare", {plane: grown.planes[plane] for plane in ("vessels", "disc", "fov")})
        drawn = [with_lesions(one, "severe", seed).planes["hard_exudates"] for one in (grown, bare)]
        places.append([np.nonzero(mask)[1].mean() for mask in drawn])
        areas.append([mask.sum() for mask in drawn])
    with_scale, without = np.mean(places, axis=0)
    assert with_scale == pytest.approx(without, abs=20)
    with_scale, without = np.mean(areas, axis=0)
    assert with_scale == pytest.approx(without, rel=0.15)


@pytest.mark.parametrize("seed", [7, 8, 9])
@pytest.mark.parametrize("share", [0.9, 0.75, 0.6])
def test_arteries_keep_a_share_of_their_calibre_and_veins_all_of_it(seed, share):
    before = grow(seed, 1024, centred_on="disc", angle_deg=35)
    after = with_narrower_vessels(before, share)
    was, found = measure_eye(before), measure_eye(after)
    assert found.crae_um / was.crae_um == pytest.approx(share, abs=0.03)
    assert found.crve_um == was.crve_um
    assert changed_planes(before, after) == {"arteries", "vessels"}
    assert (after.planes["vessels"] <= before.planes["vessels"]).all()
    assert (after.planes["arteries"] | after.planes["veins"] <= after.planes["vessels"]).all()
    assert found.branch_points == pytest.approx(was.branch_points, rel=0.1)


@pytest.mark.parametrize("share", [1e-300, 0.009, 0.51, 1e300])
def test_lesions_are_not_drawn_at_the_scale_of_no_photograph(eye, share):
    far = replace(eye.geometry, pixels_per_disc_diameter=share * max(eye.size))
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"a disc of .* Expected: 0\.01 to 0\.5"):
        with_lesions(replace(eye, geometry=far), "severe", 0)
    whole = np.ones(eye.size, np.bool_)
    with pytest.raises(InputError, match=r"a disc of 1 of its picture's longer side"):
        with_lesions(Eye("all", {"disc": whole, "fov": whole}), "mild", 0)
    assert time.monotonic() - begin < 5


def test_a_band_is_narrowed_about_its_middle():
    mask = np.zeros((60, 200), np.bool_)
    mask[20:41, 10:190] = True
    third = narrowed(mask, 1 / 3)
    rows = np.flatnonzero(third[:, 100])
    assert (rows[0], rows[-1] + 1) == (27, 34)
    assert np.array_equal(narrowed(np.zeros_like(mask), 0.5), np.zeros_like(mask))


def test_what_a_label_map_does_not_tell_is_named(eye):
    without = {plane: mask for plane, mask in eye.planes.items() if plane not in ("disc", "cup", *LESIONS)}
    bare, nothing = Eye("bare", without), np.zeros(eye.size, np.bool_)
    for act, message in (
        (lambda: with_cup(bare, 0.5), "does not tell its disc and its cup"),
        (lambda: with_cup(Eye("b", {"disc": eye.planes["disc"]}), 0.5), "does not tell its cup"),
        (lambda: with_lesions(bare, "mild", 0), "does not tell its disc, and lesions"),
        (lambda: with_lesions(Eye("b", {"disc": ~nothing, "fov": nothing}), "mild", 0), "does not tell its fov, and"),
        (lambda: with_lesions(bare, "none", 0), "does not tell its lesions"),
        (lambda: with_narrower_vessels(Eye("b", {"disc": eye.planes["disc"]}), 0.5), "has no vessels"),
        (lambda: with_cup(grow(7, 256, centred_on="macula", angle_deg=20), 0.5), "does not show its whole disc"),
    ):
        with pytest.raises(InputError, match=message):
            act()
