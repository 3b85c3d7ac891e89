import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.data import retina

from retinasynth.segmentation.quality import MOST_DOUBTFUL, Measures, faults_of, measures_of, quality_of
from retinasynth.segmentation.use import segment

RETINA = retina()[:1400, :1400]
GRADES = ["usable", "doubtful", "useless"]


def resized(photograph: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(photograph).resize((size, size), Image.Resampling.BOX))


def quality(photograph: np.ndarray):
    found = segment(photograph, models=["vessels"])
    assert found.quality is not None
    return found.quality


def blurred(photograph: np.ndarray, share: float) -> np.ndarray:
    spread = share * len(photograph)
    return ndimage.gaussian_filter(photograph, (spread, spread, 0))


@pytest.fixture(scope="module")
def small() -> np.ndarray:
    return resized(RETINA, 700)


def test_a_good_photograph_is_usable_at_every_size():
    losses = []
    for size in (400, 700, 1000):
        found = quality(resized(RETINA, size))
        assert (found.grade, found.reasons) == ("usable", ())
        losses.append(found.expected_loss)
    assert max(losses) - min(losses) < 0.1


def test_the_more_it_is_blurred_the_more_is_lost(small):
    found = [quality(blurred(small, share)) for share in (0, 0.004, 0.008)]
    losses = [one.expected_loss for one in found]
    assert losses == sorted(losses)
    assert GRADES.index(found[-1].grade) > 0
    assert "blurred" in found[-1].reasons


def test_a_dark_and_grainy_photograph_is_called_so(small):
    grain = np.random.default_rng(0).normal(0, 6, small.shape)
    found = quality(np.clip(0.12 * small + grain * (small.max(axis=2, keepdims=True) > 20), 0, 255).astype(np.uint8))
    assert GRADES.index(found.grade) > 0
    assert {"dark", "grainy"} <= set(found.reasons)


def test_measures_do_not_depend_on_the_size_of_the_picture():
    found = {}
    for size in (300, 900):
        picture = resized(RETINA, size)
        field = picture.max(axis=2) > 20
        vessels = np.zeros(field.shape, np.bool_)
        found[size] = measures_of(picture, field, vessels, np.zeros(field.shape, np.float32))
    for name in ("light", "contrast", "sharpness", "view"):
        assert getattr(found[300], name) == pytest.approx(getattr(found[900], name), rel=0.25), name


def test_half_a_field_in_shadow_is_measured_so(small):
    shaded = small.copy()
    shaded[:, : len(small) // 2] = shaded[:, : len(small) // 2] // 8
    field = small.max(axis=2) > 20
    vessels, probability = np.zeros(field.shape, np.bool_), np.zeros(field.shape, np.float32)
    bright, dark = (measures_of(picture, field, vessels, probability) for picture in (small, shaded))
    assert bright.shadow < 0.1
    assert 0.3 < dark.shadow < 0.6


def test_nothing_seen_is_useless_and_its_loss_is_finite():
    found = quality_of(Measures(0.0, 0.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0))
    assert found.grade == "useless"
    assert MOST_DOUBTFUL < found.expected_loss <= 1
    assert {"dark", "low contrast", "blurred", "shadow", "field cut", "few vessels seen"} <= set(found.reasons)
    assert math.isfinite(found.expected_loss)


def test_only_what_is_wrong_is_a_fault():
    usual = Measures(0.6, 0.06, 0.7, 0.0, 0.0, 0.9, 0.09, 0.8)._asdict()
    assert not any(faults_of(Measures(**usual), usual).values())
    assert not any(faults_of(Measures(0.9, 0.09, 0.7, 0.0, 0.0, 0.95, 0.2, 0.9), usual).values())
    found = faults_of(Measures(0.3, 0.06, 1.4, 0.1, 0.0, 0.8, 0.09, 0.8), usual)
    assert found["dark"] == found["grainy"] == pytest.approx(math.log(2))
    assert [found["shadow"], found["field cut"]] == pytest.approx([0.1, 0.1])
    assert found["blurred"] == 0
