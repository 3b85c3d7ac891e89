"""The strict measures, the vessels found again, and two models compared: closed forms and known damage."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.errors import InputError
from retinasynth.evaluation.metrics import fidelity
from retinasynth.evaluation.metrics.fidelity import PSNR_CAP_DB, strict
from retinasynth.evaluation.metrics.structure import measure

ALL = np.ones((256, 256), np.bool_)


@pytest.fixture(scope="module")
def eye():
    drawn = phantom_eye(3, 256)
    assert drawn.photograph is not None
    return drawn.photograph, drawn.planes["vessels"], drawn.planes["fov"]


def test_ssim_in_view_is_that_of_the_formula_over_the_pixels_inside(eye):
    photograph, _, view = eye
    other = ndimage.gaussian_filter(photograph, (2, 2, 0))
    _, similarity = structural_similarity(
        other / 255, photograph / 255, channel_axis=2, data_range=1, sigma=1.5, gaussian_weights=True,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    assert strict(other, photograph, view).ssim == pytest.approx(similarity[view].mean(), abs=1e-6)


@pytest.mark.parametrize("offset", [1, 10, 51])
def test_psnr_in_view_of_an_offset_is_its_closed_form(offset):
    photograph = np.full((256, 256, 3), 100, np.uint8)
    expected = 20 * np.log10(255 / offset)
    assert strict(photograph + np.uint8(offset), photograph, ALL).psnr == pytest.approx(expected, abs=1e-4)


def test_equal_pictures_have_the_best_figures_and_no_infinity(eye):
    photograph, _, view = eye
    assert strict(photograph, photograph, view) == pytest.approx((1.0, PSNR_CAP_DB), abs=1e-9)


def test_what_lies_outside_the_view_does_not_count(eye):
    photograph, _, view = eye
    damaged = np.where(ndimage.binary_dilation(view, iterations=12)[..., None], photograph, 255).astype(np.uint8)
    assert strict(damaged, photograph, view) == pytest.approx((1.0, PSNR_CAP_DB), abs=1e-6)
    assert strict(damaged, photograph, ALL).psnr < 20


def test_an_empty_view_is_refused(eye):
    with pytest.raises(InputError, match="field of view is empty"):
        strict(eye[0], eye[0], ~ALL)


def test_vessels_are_found_where_they_are_and_not_where_they_are_not(eye):
    photograph, vessels, view = eye
    right = measure(photograph, vessels, view).dice
    assert right > 0.5
    assert measure(photograph, vessels[:, ::-1], view[:, ::-1]).dice < right - 0.3


def test_blur_and_erased_vessels_cost_structure_but_no_colour_cast(eye):
    photograph, vessels, view = eye
    right = measure(photograph, vessels, view).dice
    assert measure(ndimage.gaussian_filter(photograph, (4, 4, 0)), vessels, view).dice < right - 0.1
    erased = ndimage.median_filter(photograph, (25, 25, 1))
    assert measure(erased, vessels, view).dice < right - 0.2
    cast = np.clip(photograph * np.array([0.7, 0.9, 1.3]), 0, 255).astype(np.uint8)
    assert measure(cast, vessels, view).dice == pytest.approx(right, abs=0.08)


def test_without_vessels_in_view_there_is_no_figure(eye):
    photograph, vessels, view = eye
    assert np.isnan(measure(photograph, np.zeros_like(vessels), view).dice)
    assert measure(np.zeros_like(photograph), vessels, view).dice == 0


def test_the_measure_of_fidelity_holds_both_protocols(eye):
    photograph, _, view = eye
    other = ndimage.gaussian_filter(photograph, (2, 2, 0))
    both = (*fidelity.source_protocol(other, photograph), *strict(other, photograph, view))
    assert fidelity.measure(other, photograph, view) == both
    nowhere = fidelity.measure(other, photograph, ~ALL)
    assert nowhere[:3] == both[:3]
    assert np.isnan(nowhere[3:]).all()
