"""The measures against independent implementations, closed forms and properties."""

import math
import statistics

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from skimage import metrics

from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.baselines import mean_image, nearest_train
from retinasynth.evaluation.metrics.fidelity import source_protocol
from retinasynth.intervals import bootstrap_difference, bootstrap_mean


def smooth_picture(seed, height=256, width=256):
    """A random picture with structure at several scales, so that SSIM is neither near 0 nor near 1."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8)).resize((width, height)), float)
        for cells in (3, 12, 60)
    ]
    return np.clip(sum(layers) / 3, 0, 255).astype(np.uint8)


def flat(value, height=256, width=256):
    return np.full((height, width, 3), value, np.uint8)


def ssim_from_scratch(first, second, data_range):
    """Wang et al. 2004, equation 13, with uniform 7 x 7 windows and sample covariance, inside a border of 3."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    channels = []
    for channel in range(3):
        x = sliding_window_view(first[..., channel], (7, 7)).reshape(250 * 250, 49)
        y = sliding_window_view(second[..., channel], (7, 7)).reshape(250 * 250, 49)
        mx, my = x.mean(axis=1), y.mean(axis=1)
        covariance = ((x - mx[:, None]) * (y - my[:, None])).sum(axis=1) / 48
        above = (2 * mx * my + c1) * (2 * covariance + c2)
        below = (mx**2 + my**2 + c1) * (x.var(axis=1, ddof=1) + y.var(axis=1, ddof=1) + c2)
        channels.append((above / below).mean())
    return np.mean(channels)


# --- The source protocol -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_figures_equal_scikit_image_and_the_formula(seed):
    generated, expected = smooth_picture(seed), smooth_picture(seed + 100)
    generated = (0.3 * generated + 0.7 * expected).astype(np.uint8)
    first, second = generated / 127.5 - 1, expected / 127.5 - 1

    got = source_protocol(generated, expected)

    assert 0.1 < got.ssim < 0.9  # else the comparison below would say little
    assert got.mse == pytest.approx(metrics.mean_squared_error(first, second), abs=1e-6)
    assert got.psnr == pytest.approx(metrics.peak_signal_noise_ratio(first, second, data_range=2), abs=1e-5)
    assert got.ssim == pytest.approx(
        metrics.structural_similarity(first, second, channel_axis=-1, data_range=2), abs=1e-6
    )
    assert got.ssim == pytest.approx(ssim_from_scratch(first, second, data_range=2), abs=1e-6)


def test_other_sizes_are_resized_by_area_average_and_only_then_compared():
    generated, expected = smooth_picture(0, 512, 480), smooth_picture(1, 300, 700)
    small = [
        np.asarray(Image.fromarray(picture).resize((256, 256), Image.Resampling.BOX))
        for picture in (generated, expected)
    ]
    assert source_protocol(generated, expected) == source_protocol(*small)
    assert source_protocol(generated, generated[::-1]) != source_protocol(generated[::2], generated[::-2])


@pytest.mark.parametrize(("first", "second"), [(100, 151), (0, 255), (7, 8)])
def test_a_constant_offset_has_closed_forms(first, second):
    a, b = first / 127.5 - 1, second / 127.5 - 1
    got = source_protocol(flat(first), flat(second))
    assert got.mse == pytest.approx((a - b) ** 2, rel=1e-5)
    assert got.psnr == pytest.approx(20 * math.log10(2 / abs(a - b)), abs=1e-4)
    assert got.ssim == pytest.approx((2 * a * b + 0.0004) / (a * a + b * b + 0.0004), abs=1e-5)


def test_equal_pictures_reach_the_documented_ends_and_stay_finite():
    picture = smooth_picture(3)
    assert source_protocol(picture, picture) == (0.0, pytest.approx(1.0, abs=1e-12), 100.0)


def test_the_psnr_cap_also_holds_for_the_smallest_difference_there_is():
    almost = flat(9)
    almost[0, 0, 0] = 10  # uncapped: 10 log10(255^2 * 3 * 256^2) = 101.07 dB
    assert source_protocol(almost, flat(9)).psnr == 100.0
    almost[0, 1:3] = 10
    assert source_protocol(almost, flat(9)).psnr == pytest.approx(101.067 - 10 * math.log10(7), abs=1e-3)


def test_the_figures_are_symmetric():
    first, second = smooth_picture(5), smooth_picture(6)
    assert source_protocol(first, second) == pytest.approx(source_protocol(second, first), abs=1e-12)


@pytest.mark.parametrize("wrong", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((9, 9, 4), np.uint8)])
def test_what_is_no_photograph_is_refused(wrong):
    with pytest.raises(InputError, match="photograph"):
        source_protocol(wrong, flat(0))


# --- Intervals ---------------------------------------------------------------------------------------------------


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        estimate = bootstrap_mean(rng.normal(3, 2, 40), resamples=500)
        hits += estimate.low <= 3 <= estimate.high
    assert 0.90 <= hits / 400 <= 0.98  # 95 %, a little less by theory at n = 40; three standard errors are .033


def test_the_width_is_that_of_normal_theory():
    values = np.random.default_rng(2).normal(0, 1, 200)
    estimate = bootstrap_mean(values)
    half = 1.96 * values.std() / math.sqrt(200)
    assert estimate.mean == pytest.approx(values.mean(), abs=1e-12)
    assert estimate.high - estimate.mean == pytest.approx(half, rel=0.06)
    assert estimate.mean - estimate.low == pytest.approx(half, rel=0.06)
    narrow = bootstrap_mean(values, level=0.5)
    assert narrow.high - narrow.low == pytest.approx(2 * 0.6745 / 1.96 * half, rel=0.06)


def test_shifting_and_scaling_the_values_moves_the_interval_with_them():
    values = np.random.default_rng(3).exponential(size=12)
    plain, moved = bootstrap_mean(values), bootstrap_mean(5 + 2 * values)
    assert moved[:3] == pytest.approx([5 + 2 * figure for figure in plain[:3]], abs=1e-12)


def test_one_seed_gives_one_interval_and_another_gives_another():
    values = np.random.default_rng(4).normal(size=9)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_pictures_of_one_eye_do_not_count_as_independent():
    eyes = np.random.default_rng(5).normal(size=12)
    once = bootstrap_mean(eyes)
    repeated = np.repeat(eyes, 4)
    together = bootstrap_mean(repeated, groups=[f"eye {i // 4}" for i in range(48)])
    apart = bootstrap_mean(repeated)
    assert together[:3] == pytest.approx(once[:3], abs=0.03)
    assert together.n == 48
    assert (apart.high - apart.low) / (together.high - together.low) == pytest.approx(0.5, abs=0.05)


def test_eyes_with_more_pictures_weigh_more():
    values, groups = [0.0, 0.0, 0.0, 4.0], ["a", "a", "a", "b"]  # drawn are aa, ab, ba or bb: means 0, 1, 1 and 4
    assert bootstrap_mean(values, groups=groups) == (1.0, 0.0, 4.0, 4)
    assert bootstrap_mean(values, groups=groups, level=0.2) == (1.0, 1.0, 1.0, 4)


def test_all_blocks_of_resamples_are_drawn(monkeypatch):
    values = np.random.default_rng(6).normal(size=30)
    whole = bootstrap_mean(values, resamples=1001)
    monkeypatch.setattr("retinasynth.intervals._DRAWS_AT_ONCE", 30 * 100)
    assert bootstrap_mean(values, resamples=1001) == whole


def test_paired_differences_drop_what_both_share():
    rng = np.random.default_rng(7)
    hard = rng.normal(0, 10, 30)
    first, second = hard + 1 + rng.normal(0, 0.1, 30), hard + rng.normal(0, 0.1, 30)
    estimate = bootstrap_difference(first, second)
    assert estimate == bootstrap_mean(first - second)
    assert 0.8 < estimate.low < 1 < estimate.high < 1.2
    assert bootstrap_difference(second, first).mean == -estimate.mean


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_values_without_a_mean_are_refused(values):
    with pytest.raises(InputError, match="finite figures"):
        bootstrap_mean(values)


def test_lengths_that_differ_are_refused():
    with pytest.raises(InputError, match="2 values against 1"):
        bootstrap_difference([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="1 groups for 2 values"):
        bootstrap_mean([1.0, 2.0], groups=["a"])


# --- Baselines ---------------------------------------------------------------------------------------------------


def test_the_mean_photograph_is_rounded_only_at_the_end():
    assert (mean_image([flat(0), flat(1), flat(1)]) == 1).all()
    assert (mean_image([flat(0), flat(0), flat(1)]) == 0).all()
    pictures = [smooth_picture(seed, 320, 300) for seed in range(3)]
    small = [np.asarray(Image.fromarray(p).resize((256, 256), Image.Resampling.BOX), float) for p in pictures]
    assert np.array_equal(mean_image(iter(pictures)), np.rint(sum(small) / 3).astype(np.uint8))


def test_no_constant_picture_beats_the_mean_in_squared_error():
    train = [smooth_picture(seed) for seed in range(4)]

    def error(guess):
        return statistics.mean(source_protocol(guess, picture).mse for picture in train)

    mean = mean_image(train)
    assert error(mean) < error(np.roll(mean, 1, axis=0))
    assert error(mean) < error(np.clip(mean.astype(int) + 2, 0, 255).astype(np.uint8))
    assert all(error(mean) < error(picture) for picture in train)


def test_the_nearest_training_eye_is_the_one_with_the_highest_dice():
    bars = np.zeros((3, 64, 64), bool)
    for index, columns in enumerate((slice(0, 10), slice(0, 64), slice(10, 40))):
        bars[index, :, columns] = True
    wanted = np.zeros((64, 64), bool)
    wanted[:, 12:38] = True  # Dice 0, 52/90 and 52/56; a plain overlap could not tell the last two apart
    assert nearest_train(wanted, list(bars)) == 2
    assert nearest_train(np.repeat(np.repeat(wanted, 5, 0), 5, 1), list(bars)) == 2
    assert nearest_train(bars[1], list(bars)) == 1


def test_empty_masks_are_nearest_to_empty_ones_ties_go_to_the_first():
    empty, full = np.zeros((8, 8), bool), np.ones((8, 8), bool)
    assert nearest_train(empty, [full, empty, empty]) == 1
    assert nearest_train(full, [full, full]) == 0


def test_baselines_need_training_eyes():
    with pytest.raises(DataError, match="no training photographs"):
        mean_image([])
    with pytest.raises(DataError, match="no training masks"):
        nearest_train(np.ones((8, 8), bool), [])
