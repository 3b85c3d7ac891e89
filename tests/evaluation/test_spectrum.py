"""Periodic patterns: found where they are, at their period, and not where only chance or smoothness is at work."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.evaluation.metrics.spectrum import MeanSpectrum, Peak, Spectra, measure
from retinasynth.images import resize_photograph

SIZE = 128


@pytest.fixture(scope="module")
def photographs():
    # Centred on the macula: discs that lie in the same place in all would be a pattern of their own.
    return [phantom_photograph(grow(seed, SIZE), seed) for seed in range(6)]


def peak_of(photographs) -> Peak:
    return sum(map(measure, photographs), MeanSpectrum()).peak()


def with_pattern(photograph, rows, columns, grey_levels):
    """A chessboard of waves with these periods, in pixels."""
    waves = [np.cos(2 * np.pi * np.arange(SIZE) / period) if period else np.ones(SIZE) for period in (rows, columns)]
    pattern = grey_levels * waves[0][:, None] * waves[1]
    return np.clip(np.rint(photograph + pattern[..., None]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (4, 4), (8, 0), (0, 4), (8, 2)])
def test_a_faint_pattern_is_found_at_its_period(photographs, rows, columns):
    peak = peak_of([with_pattern(photograph, rows, columns, 3) for photograph in photographs])
    assert peak.is_pattern(peak_of(photographs))
    assert tuple(abs(cycles) for cycles in peak.cycles) == tuple(
        1 / period if period else 0 for period in (rows, columns)
    )


def test_a_stronger_pattern_stands_out_more_and_its_height_is_its_power(photographs):
    weak, strong = (
        peak_of([with_pattern(photograph, 4, 4, grey_levels) for photograph in photographs]).height_db
        for grey_levels in (3, 6)
    )
    assert strong - weak == pytest.approx(20 * np.log10(2), abs=1)


def test_photographs_and_blurred_ones_carry_no_pattern(photographs):
    real = peak_of(photographs)
    assert not real.is_pattern()
    blurred = [np.rint(gaussian_filter(one.astype(float), (1, 1, 0))).astype(np.uint8) for one in photographs]
    assert not peak_of(blurred).is_pattern(real)


@pytest.mark.parametrize("count", [1, 4])
def test_noise_stays_below_the_limit_of_chance(count):
    random = np.random.default_rng(0)
    trials = 150
    false = sum(
        peak_of(random.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)).is_pattern() for _ in range(trials)
    )
    assert false / trials <= 0.04


def test_pictures_of_several_sizes_have_no_mean_spectrum(photographs):
    spectra = Spectra()
    spectra.add(photographs[0], photographs[1], None)
    assert set(spectra.peaks()) == {"model", "expected"} == set(spectra.drawn())
    spectra.add(resize_photograph(photographs[0], (64, 64)), photographs[1], None)
    spectra.add(photographs[0], photographs[1], None)
    assert spectra.peaks() == {}


def test_the_real_one_is_taken_at_the_size_of_the_generated(photographs):
    spectra = Spectra()
    spectra.add(resize_photograph(photographs[0], (64, 64)), photographs[0], photographs[0])
    assert {name: picture.shape for name, picture in spectra.drawn().items()} == dict.fromkeys(
        ("model", "expected", "other_model"), (48, 48, 3)
    )


def test_no_pictures_have_no_spectrum():
    with pytest.raises(ValueError, match="no pictures"):
        MeanSpectrum().peak()
