"""What is done to clean photographs, in closed forms; and what classical methods bring back."""

import re

import numpy as np
import pytest
from scipy import ndimage

from pictures import tiny_photograph
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.enhancement.degradation import Degradation, Told, degraded, drawn_degradation, enlarged, with_told
from retinasynth.enhancement.settings import DegradationSettings
from retinasynth.errors import InputError
from retinasynth.evaluation.classical import chosen_method, methods_against
from retinasynth.evaluation.metrics.fidelity import at_own_size
from retinasynth.images import resize_photograph

GREY = np.full((200, 200, 3), 100, np.uint8)


def random(seed=0):
    return np.random.default_rng(seed)


def test_no_degradation_changes_nothing():
    photograph = tiny_photograph(0, 40, 48)
    assert (degraded(photograph, Degradation(), random()) == photograph).all()


def test_a_point_becomes_a_gaussian_of_the_deviation_that_was_asked_for():
    point = np.zeros((61, 61, 3), np.uint8)
    point[28:33, 28:33] = 255
    spread = degraded(point, Degradation(blur_px=3), random())[..., 1].astype(float)
    offsets = np.arange(61) - 30
    variance = (spread.sum(axis=0) * offsets**2).sum() / spread.sum()
    assert np.sqrt(variance) == pytest.approx(np.sqrt(3**2 + 2), rel=0.03)  # 2 is that of a square of 5


@pytest.mark.parametrize(
    ("degradation", "deviation"),
    [
        (Degradation(noise=0.05), 0.05 * 255),
        (Degradation(photons=400), 255 / np.sqrt(400) * np.sqrt(100 / 255)),  # that of a Poisson count is its root
        (Degradation(photons=400, noise=0.05), np.hypot(0.05 * 255, 255 / np.sqrt(400) * np.sqrt(100 / 255))),
    ],
)
def test_noise_has_the_deviation_of_its_law(degradation, deviation):
    noisy = degraded(GREY, degradation, random()).astype(float)
    assert noisy.std() == pytest.approx(deviation, rel=0.02)
    assert noisy.mean() == pytest.approx(100, abs=0.3)


def test_poisson_noise_is_stronger_where_there_is_more_light():
    bright = degraded(GREY + np.uint8(100), Degradation(photons=400), random()).astype(float)
    dark = degraded(GREY // np.uint8(2), Degradation(photons=400), random()).astype(float)
    assert bright.std() / dark.std() == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("scale", [2, 4])
def test_reduction_averages_and_enlargement_gives_the_size_back(scale):
    photograph = tiny_photograph(1, 64, 96)
    small = degraded(photograph, Degradation(scale=scale), random())
    means = photograph.reshape(64 // scale, scale, 96 // scale, scale, 3).mean(axis=(1, 3))
    assert np.abs(small - means).max() <= 0.51
    assert enlarged(small, scale).shape == photograph.shape
    assert (enlarged(photograph, 1) == photograph).all()


def test_compression_loses_more_at_a_lower_quality():
    photograph = tiny_photograph(2, 64, 64)
    errors = [
        np.abs(degraded(photograph, Degradation(quality=quality), random()).astype(float) - photograph).mean()
        for quality in (95, 60, 30)
    ]
    assert 0 < errors[0] < errors[1] < errors[2] < 40


def test_what_is_drawn_keeps_to_its_limits_and_repeats():
    chosen = DegradationSettings(alone_share=0)
    drawn = [drawn_degradation(random(seed), chosen) for seed in range(2000)]
    assert drawn[7] == drawn_degradation(random(7), chosen)
    assert max(one.blur_px for one in drawn) == pytest.approx(chosen.blur_px, rel=0.02)
    for scale, share in ((1, 0.5), (2, 0.25), (4, 0.25)):
        those = [one for one in drawn if one.scale == scale]
        assert len(those) / len(drawn) == pytest.approx(share, abs=0.04)
        noise = [one.noise for one in those if one.noise]
        assert max(noise) == pytest.approx(chosen.noise / scale, rel=0.15)
        assert min(one.photons for one in those if one.photons) >= chosen.fewest_photons * scale**2
    noisy = np.mean([bool(one.noise or one.photons) for one in drawn])
    assert noisy == pytest.approx(chosen.chance, abs=0.04)
    assert np.mean([one.blur_px > 0 for one in drawn]) == pytest.approx(chosen.chance, abs=0.04)
    assert {one.quality for one in drawn if one.quality} == set(range(30, 96))


def test_half_of_the_examples_suffer_one_thing_alone():
    alone = DegradationSettings(chance=1, reduced_share=0)  # the others suffer all
    kinds = [
        (*one.told[1:], one.quality > 0) for one in (drawn_degradation(random(seed), alone) for seed in range(600))
    ]
    assert np.mean([kind == (True, True, True) for kind in kinds]) == pytest.approx(0.5, abs=0.06)
    drawn = [drawn_degradation(random(seed), DegradationSettings(alone_share=1)) for seed in range(600)]
    kinds = [(*one.told[1:], one.quality > 0) for one in drawn if one.scale == 1]
    assert set(kinds) == {(True, False, False), (False, True, False), (True, True, False), (False, False, True)}
    assert min(kinds.count(kind) for kind in set(kinds)) > len(kinds) / 6
    assert {(*one.told[1:], one.quality) for one in drawn if one.scale > 1} == {(False, False, 0)}


def test_nothing_is_drawn_where_nothing_is_asked_for():
    still = DegradationSettings(chance=0, reduced_share=0, alone_share=0)
    assert all(drawn_degradation(random(seed), still)._replace(reduction=0) == (0, 1, 0, 0, 0, 0) for seed in range(50))


@pytest.mark.parametrize(
    ("told", "values"),
    [
        (Told(), (0, 0, 0)),
        (Told(2, noise=True, blur=False), (0.5, 1, -1)),
        (Degradation(scale=4, blur_px=1).told, (1, -1, 1)),
        (Degradation(photons=300).told, (0, 1, -1)),
    ],
)
def test_the_network_is_told_what_is_known(told, values):
    given = with_told(np.zeros((3, 8, 16), np.float32), told)
    assert given.shape == (6, 8, 16)
    assert given.dtype == np.float32
    assert (given[3:] == np.array(values)[:, None, None]).all()


# --- Fidelity at a picture's own size --------------------------------------------------------------------------------


def test_figures_count_inside_the_field_alone_and_at_full_size():
    field = np.zeros((200, 200), np.bool_)
    field[50:150, 50:150] = True
    other = GREY.copy()
    other[field] += np.uint8(51)
    assert at_own_size(other, GREY, field).psnr == pytest.approx(20 * np.log10(5), abs=1e-6)
    other = GREY.copy()
    other[~field] = 0
    assert at_own_size(other, GREY, ndimage.binary_erosion(field, iterations=8)) == (pytest.approx(1), 100)
    chess = GREY + np.uint8(20) * (np.indices((200, 200)).sum(axis=0) % 2)[..., np.newaxis].astype(np.uint8)
    assert at_own_size(chess, GREY, field).psnr == pytest.approx(20 * np.log10(255 / 20 * np.sqrt(2)), abs=1e-6)
    with pytest.raises(InputError, match="Expected: one size"):
        at_own_size(GREY, resize_photograph(GREY, (100, 100)), field)
    with pytest.raises(InputError, match="field of view is empty"):
        at_own_size(GREY, GREY, field & ~field)


# --- Classical methods -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def piece():
    return phantom_eye(3, 200).photograph[50:146, 50:146]


@pytest.mark.parametrize(
    ("degradation", "family", "gain"),
    [
        (Degradation(photons=400, noise=0.04), "non-local|total variation|bilateral", (3, 20)),
        (Degradation(blur_px=2, noise=0.005), "Wiener|Richardson", (0.5, 10)),
        (Degradation(scale=2), "Lanczos|unsharp", (0.05, 6)),
    ],
)
def test_the_best_classical_method_beats_doing_nothing(piece, degradation, family, gain):
    method = chosen_method(degradation, [piece])
    assert re.search(family, method.name)
    worse = degraded(piece, degradation, random())
    everywhere = np.ones(piece.shape[:2], np.bool_)

    def psnr(picture):
        return at_own_size(picture, piece, everywhere).psnr

    best = psnr(method.restore(worse))
    assert gain[0] < best - psnr(enlarged(worse, degradation.scale)) < gain[1]
    assert best == pytest.approx(max(psnr(one.restore(worse)) for one in methods_against(degradation)))
