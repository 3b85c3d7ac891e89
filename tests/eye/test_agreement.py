import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from retinasynth.eye.agreement import Agreement, agreement, area_under_curve, betti_numbers, cldice

ALL = np.ones((40, 40), np.bool_)


def mask_of(*lines: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((40, 40), np.bool_)
    for rows, columns in lines:
        mask[rows, columns] = True
    return mask


CROSS = mask_of((slice(18, 22), slice(2, 38)), (slice(2, 38), slice(18, 22)))


def test_a_mask_agrees_with_itself() -> None:
    assert agreement(CROSS, CROSS, ALL, CROSS.astype(float)) == Agreement(1, 1, 1, 1, 1, 0, 0)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_measures_equal_those_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn, probability = random.random((40, 40)) < 0.3, random.random((40, 40)).round(2)
    field = random.random((40, 40)) < 0.8
    found = probability > 0.6
    ours = agreement(found, drawn, field, probability)
    assert ours.dice == pytest.approx(f1_score(drawn[field], found[field]), abs=1e-12)
    assert ours.auc == pytest.approx(roc_auc_score(drawn[field], probability[field]), abs=1e-12)
    assert ours.sensitivity == pytest.approx(found[field & drawn].mean(), abs=1e-12)
    assert ours.specificity == pytest.approx((~found)[field & ~drawn].mean(), abs=1e-12)


def test_what_lies_outside_the_field_of_view_does_not_count() -> None:
    field = ALL.copy()
    field[:10] = False
    elsewhere = CROSS | mask_of((slice(0, 10), slice(0, 40)))
    assert agreement(elsewhere, CROSS, field).dice == 1
    assert agreement(elsewhere, CROSS, ALL).dice < 1


def test_undefined_measures_are_not_numbers() -> None:
    none = np.zeros_like(ALL)
    empty = agreement(none, none, ALL, none.astype(float))
    assert np.isnan([empty.dice, empty.auc, empty.sensitivity, empty.cldice]).all()
    assert empty.specificity == 1
    assert np.isnan(agreement(CROSS, CROSS, ALL).auc)  # without probabilities


def test_the_centre_line_is_not_impressed_by_width_but_by_gaps() -> None:
    line = mask_of((slice(18, 21), slice(2, 38)))
    wider = mask_of((slice(16, 23), slice(2, 38)))
    broken = line & ~mask_of((slice(0, 40), slice(15, 25)))
    assert cldice(wider, line) > 0.9 > agreement(wider, line, ALL).dice
    assert cldice(broken, line) < 0.87
    assert cldice(wider, line) == pytest.approx(cldice(line, wider))


def test_betti_numbers_count_parts_and_holes() -> None:
    ring = np.ones((9, 9), np.bool_)
    ring[3:6, 3:6] = False
    two = np.zeros((20, 30), np.bool_)
    two[1:10, 1:10], two[1:10, 15:24] = ring, ring
    assert betti_numbers(two) == (2, 2)
    assert betti_numbers(np.zeros((5, 5), np.bool_)) == (0, 0)
    assert betti_numbers(np.eye(5, dtype=np.bool_)) == (1, 0)  # connected over corners, which enclose nothing


def test_betti_errors_see_a_break_and_a_false_loop() -> None:
    broken = CROSS & ~mask_of((slice(8, 10), slice(0, 40)))
    looped = CROSS | (mask_of((slice(30, 34), slice(10, 30)), (slice(20, 34), slice(10, 12))))
    assert agreement(broken, CROSS, ALL)[-2:] == (1, 0)
    assert agreement(looped, CROSS, ALL)[-2:] == (0, 1)


def test_ties_count_half() -> None:
    assert area_under_curve(np.zeros(10), np.arange(10) < 4) == 0.5
