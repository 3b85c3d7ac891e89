"""Variety: colours and sharpness as others compute them, known damage, copies, one style for all, and refusals."""

import json

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.distance import pdist
from skimage.color import rgb2lab

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.errors import DataError, ImageError, InputError
from retinasynth.evaluation.metrics import diversity
from retinasynth.evaluation.metrics.appearance import MEASURES, Appearance, appearance
from retinasynth.evaluation.metrics.appearance import measure as compare
from retinasynth.evaluation.metrics.diversity import coverage, spread_ratio
from retinasynth.evaluation.metrics.features import framed

FEW = 300  # resampled sets


@pytest.fixture(scope="module")
def photographs():
    return [phantom_photograph(grow(seed, 384), seed) for seed in range(10)]


@pytest.fixture(scope="module")
def seen(photographs):
    return [appearance(photograph) for photograph in photographs]


def disc(values):
    """A round field of view of 400 px, of these values ``(400, 400, 3)`` or ``(3,)``, on black."""
    rows, columns = np.mgrid[:440, :440] - 219.5
    inside = np.hypot(rows, columns) < 200
    return np.where(inside[..., None], np.broadcast_to(values, (440, 440, 3)), 0).astype(np.uint8)


def blurred(photograph, deviation_px):
    return np.rint(gaussian_filter(photograph.astype(float), (deviation_px, deviation_px, 0))).astype(np.uint8)


def in_one_colour(photograph, target=(150, 70, 30)):
    means = photograph[photograph.max(axis=2) > 20].mean(axis=0)
    return np.clip(photograph * (np.array(target) / means), 0, 255).astype(np.uint8)


def of(measure, compared):
    return next(one for one in compared if one.measure == measure)


# --- Appearance --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [(200, 90, 30), (90, 90, 90), (60, 120, 200)])
def test_one_colour_has_its_lab_values_and_no_structure(colour):
    found = appearance(disc(colour))
    expected = rgb2lab(np.array([[colour]], np.uint8))[0, 0]
    assert found[:3] == pytest.approx(expected, abs=1e-3)
    assert found.unevenness == pytest.approx(0, abs=1e-6)
    assert found.contrast == pytest.approx(0, abs=1e-6)


def test_the_colour_of_a_photograph_is_the_mean_over_its_field(photographs, seen):
    square, field = framed(photographs[0], 384)
    inner = binary_erosion(field, iterations=12)
    assert seen[0][:3] == pytest.approx(rgb2lab(square / 255)[inner].mean(axis=0), abs=1e-6)


def test_unevenness_of_a_slope_is_its_closed_form():
    # L rises by 30 over the field; over a disc of radius r the deviation of a slope is its rise per pixel times r / 2.
    lightness = 50 + 30 * (np.arange(440) - 219.5) / 400
    grey = 255 * np.where(lightness > 8, ((lightness + 16) / 116) ** 3, 0)  # linear light, CIE 1976
    encoded = 255 * (1.055 * (grey / 255) ** (1 / 2.4) - 0.055)  # sRGB
    found = appearance(disc(np.repeat(np.rint(encoded)[None, :, None], 3, axis=2)))
    assert found.lightness == pytest.approx(50, abs=0.3)
    rim = 12 / (384 / 1.02 / 2)
    assert found.unevenness == pytest.approx(30 / 4 * (1 - rim), rel=0.1)


def test_blur_alone_takes_sharpness_not_exposure_or_size(photographs, seen):
    steps = [appearance(blurred(photographs[0], deviation)).sharpness_db for deviation in (0.01, 0.7, 1.5, 3)]
    assert steps[0] == pytest.approx(seen[0].sharpness_db, abs=0.05)
    assert (np.diff(steps) < -0.5).all()
    darker = appearance((0.7 * photographs[0]).astype(np.uint8)).sharpness_db
    assert darker == pytest.approx(seen[0].sharpness_db, abs=0.4)
    sizes = [appearance(phantom_photograph(grow(0, size), 0)).sharpness_db for size in (560, 800)]
    assert sizes[0] == pytest.approx(sizes[1], abs=1)


@pytest.mark.parametrize(("period_px", "grey_levels"), [(12, 10), (24, 10), (24, 20)])
def test_contrast_of_a_grating_is_its_closed_form(period_px, grey_levels):
    waves = np.cos(2 * np.pi * np.arange(440) / period_px)
    found = appearance(disc(np.rint(100 + grey_levels * waves)[None, :, None]))
    scale = 384 / 1.02 / 400  # from the picture to the frame
    left_over = np.exp(-2 * (np.pi * 8 / (scale * period_px)) ** 2)  # by the window of the surroundings
    assert found.contrast == pytest.approx(grey_levels / 100 / np.sqrt(2) * (1 - left_over), rel=0.06)


def test_uneven_light_is_no_contrast(photographs, seen):
    tilted = photographs[0] * (1 - 0.3 * np.linspace(-1, 1, 384))[None, :, None]
    found = appearance(np.clip(tilted, 0, 255).astype(np.uint8))
    assert found.contrast == pytest.approx(seen[0].contrast, rel=0.1)
    assert found.unevenness > seen[0].unevenness + 2


def test_what_is_no_photograph_is_refused(photographs):
    with pytest.raises(ImageError, match="black"):
        appearance(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="Expected: a photograph"):
        appearance(photographs[0][..., 0])


# --- Variety of appearances --------------------------------------------------------------------------------------


def test_deviations_are_roots_of_summed_variances(seen):
    compared = compare(seen[:5], seen[5:], resamples=FEW)
    assert [one.measure for one in compared] == list(MEASURES)
    for one in compared:
        columns = [Appearance._fields.index(name) for name in MEASURES[one.measure]]
        ours, theirs = (np.array(side)[:, columns] for side in (seen[:5], seen[5:]))
        deviations = [np.sqrt(side.var(axis=0).sum()) for side in (ours, theirs)]
        assert (one.real_deviation, one.generated_deviation) == pytest.approx(deviations, rel=1e-9)
        assert one.ratio.mean == pytest.approx(deviations[1] / deviations[0], rel=1e-9)
        assert one.ratio.low < one.ratio.mean < one.ratio.high
        shift = np.linalg.norm(theirs.mean(axis=0) - ours.mean(axis=0)) / deviations[0]
        assert one.shift == pytest.approx(shift, rel=1e-9)
        assert one.real_mean == pytest.approx(ours.mean(axis=0))


def test_the_same_photographs_vary_alike(seen):
    names = [f"eye{number}" for number in range(len(seen))]
    for one in compare(seen, seen, real_groups=names, generated_groups=names, resamples=FEW):
        assert one.ratio[:3] == pytest.approx((1, 1, 1), rel=1e-9)
        assert one.shift == pytest.approx(0, abs=1e-9)
        assert "about as real ones do" in one.reading


def test_one_style_for_every_mask_is_told_though_the_eyes_differ(photographs, seen):
    same = [appearance(in_one_colour(photograph)) for photograph in photographs]
    names = [f"eye{number}" for number in range(len(seen))]
    compared = compare(seen, same, real_groups=names, generated_groups=names, resamples=FEW)
    colour = of("colour", compared)
    assert colour.ratio.high < 0.3
    assert colour.reading.startswith("Generated photographs vary less than real ones in colour (0.")
    assert of("contrast", compared).ratio.high > 0.7
    wider = of("colour", compare(same, seen, resamples=FEW))
    assert "vary more than real ones in colour" in wider.reading
    assert json.loads(json.dumps([one.to_json() for one in compared]))[0]["ratio"]["mean"] == colour.ratio.mean


def test_copies_of_one_photograph_do_not_vary_at_all(seen):
    for one in compare(seen, [seen[3]] * 6, resamples=FEW):
        assert one.ratio[:3] == (0, 0, 0)
        assert "vary less" in one.reading


def test_a_mean_that_is_far_off_is_told(photographs, seen):
    soft = [appearance(blurred(photograph, 3)) for photograph in photographs]
    sharpness = of("sharpness", compare(seen, soft, resamples=FEW))
    assert sharpness.shift > 2
    assert sharpness.generated_mean[0] < sharpness.real_mean[0]
    assert "deviations off" in sharpness.reading


def test_variety_repeats_with_the_seed_and_people_are_drawn_together(seen):
    first, again = (compare(seen[:5], seen[5:], seed=3, resamples=FEW) for _ in range(2))
    assert first == again
    twice = compare(
        seen[:5] * 2,
        seen[5:] * 2,
        real_groups=list("abcde") * 2,
        generated_groups=list("fghij") * 2,
        seed=3,
        resamples=FEW,
    )
    assert twice[0].ratio[:3] == pytest.approx(first[0].ratio[:3], rel=1e-9)


def test_sets_without_variety_to_compare_with_are_refused(seen):
    with pytest.raises(DataError, match="do not vary in colour"):
        compare([seen[0]] * 5, seen)
    with pytest.raises(DataError, match="1 generated photographs of 1 people"):
        compare(seen, seen[:1])
    with pytest.raises(InputError, match="not finite"):
        compare(seen, [*seen[:4], seen[0]._replace(contrast=float("nan"))])


# --- Variety of features -----------------------------------------------------------------------------------------


def rows(seed, count=12, dimensions=4):
    return np.random.default_rng(seed).normal(size=(count, dimensions))


def test_spread_is_the_ratio_of_mean_distances():
    real, generated = rows(0), 0.4 * rows(1, 9)
    ratio = spread_ratio(real, generated, resamples=FEW)
    assert ratio.mean == pytest.approx(pdist(generated).mean() / pdist(real).mean(), rel=1e-9)
    assert 0 < ratio.low < ratio.mean < ratio.high < 1
    assert ratio == spread_ratio(real, generated, resamples=FEW)
    assert spread_ratio(real, rows(2, 1).repeat(5, axis=0), resamples=FEW)[:3] == (0, 0, 0)


def test_several_pictures_of_one_mask_leave_the_spread_as_it_is():
    real, generated = rows(0), rows(1)
    several = spread_ratio(
        real,
        generated.repeat(3, axis=0),
        generated_groups=[f"mask{number // 3}" for number in range(36)],
        resamples=FEW,
    )
    assert several.mean == pytest.approx(spread_ratio(real, generated, resamples=FEW).mean, rel=1e-9)


def test_coverage_by_hand():
    # Neighbours of 0, 1, 3, 7 on a line reach 1, 1, 2 and 4: the generated 4.5 is near 3 and 7, and 8 near 7.
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    found = coverage(real, np.array([[4.5], [8.0]]), nearest=1)
    assert found.share.mean == 0.5
    assert found.expected == pytest.approx(2 / 5)  # that the nearest of 3 real and 2 generated ones is generated
    assert coverage(real, np.array([[0.5]]), nearest=1).share.mean == 0.5
    assert coverage(real, np.array([[1.0]]), nearest=1).share.mean == 0.25  # 0 reaches to 1, not nearer
    assert coverage(real, np.array([[100.0]]), nearest=3).share.mean == 0


def test_coverage_of_the_same_kind_is_what_is_expected():
    shares = [coverage(rows(seed, 20, 2), rows(seed + 900, 15, 2), nearest=3) for seed in range(300)]
    error = np.std([one.share.mean for one in shares]) / np.sqrt(300)
    assert np.mean([one.share.mean for one in shares]) == pytest.approx(shares[0].expected, abs=4 * error)
    assert shares[0].expected < 0.95


def test_copies_cover_little_and_damage_covers_less():
    real, generated = rows(0, 40), rows(1, 40)
    whole = coverage(real, generated).share.mean
    copies = coverage(real, generated[:1].repeat(40, axis=0)).share.mean
    assert whole > 0.85
    assert copies < 0.4
    assert coverage(real, generated + 2).share.mean < whole - 0.3
    assert coverage(real, generated + 20).share.mean == 0


@pytest.mark.parametrize("measure", [spread_ratio, coverage])
def test_features_that_cannot_be_compared_are_refused(measure):
    with pytest.raises(InputError, match="12 of 12 pictures are not finite"):
        measure(rows(0), np.full((12, 4), np.inf))
    with pytest.raises(InputError, match="4 and 3 dimensions"):
        measure(rows(0), rows(0, 12, 3))


def test_too_few_or_equal_photographs_have_no_spread():
    with pytest.raises(DataError, match="5 real photographs"):
        coverage(rows(0, 5), rows(1))
    with pytest.raises(DataError, match="All real photographs are alike"):
        spread_ratio(np.ones((4, 3)), rows(0, 4, 3))
    with pytest.raises(DataError, match="1 real photographs"):
        spread_ratio(rows(0, 1), rows(1))


def test_both_measures_in_features_stand_together():
    real, generated = rows(0, 8), rows(1, 8)
    found = diversity.measure(real, generated)
    assert found == (spread_ratio(real, generated), coverage(real, generated))
    assert diversity.measure(real[:5], generated).coverage is None
