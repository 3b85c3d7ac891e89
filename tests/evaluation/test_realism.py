"""Distances and classifiers: golden values, closed forms, people who repeat, damage that is known, and refusals."""

import itertools
import json

import numpy as np
import pytest
from scipy import linalg
from scipy.ndimage import gaussian_filter
from sklearn.metrics.pairwise import polynomial_kernel

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.errors import DataError, InputError
from retinasynth.evaluation.described import Described
from retinasynth.evaluation.findings.realism import realism_finding
from retinasynth.evaluation.metrics.features import FundusFeatures, described
from retinasynth.evaluation.metrics.frechet_distance import measure as frechet_distance
from retinasynth.evaluation.metrics.kernel_distance import KernelDistance, halves_distance, kernel_distance
from retinasynth.evaluation.metrics.kernel_distance import measure as beside_halves
from retinasynth.evaluation.metrics.subject_bootstrap import PairMean, Subjects
from retinasynth.evaluation.metrics.two_sample import Classified
from retinasynth.evaluation.metrics.two_sample import measure as real_or_synthetic
from retinasynth.intervals import Estimate

FEW = 300  # resampled sets


def rows(seed, count=12, dimensions=5, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, dimensions)) + shift


def people(prefix, count, each=2):
    return [f"{prefix}{number // each}" for number in range(count)]


# --- People and pairs --------------------------------------------------------------------------------------------


def test_the_mean_over_pairs_is_that_over_every_pair_of_strangers_drawn():
    values, person = rows(0, 6, 6), np.array([0, 0, 1, 2, 2, 3])
    counts = np.array([2, 0, 1, 3])
    drawn = [picture for picture in range(6) for _ in range(counts[person[picture]])]
    expected = [values[one, other] for one, other in itertools.product(drawn, drawn) if person[one] != person[other]]
    assert PairMean(values, person, person)(counts.astype(float)) == pytest.approx(np.mean(expected), rel=1e-12)


def test_resampled_means_over_pairs_leave_out_pairs_with_themselves():
    values = rows(1, 8, 8) + 5 * np.eye(8)
    alone = np.arange(8)
    drawn = Subjects.of(8, 8, list("abcdefgh"), list("abcdefgh")).drawn(seed=0, resamples=4000)
    mean = PairMean(values, alone, alone)
    expected = float(mean(np.ones(8)))
    spread = mean(drawn).std() / np.sqrt(4000)
    assert mean(drawn).mean() == pytest.approx(expected, abs=4 * spread)
    naive = [(values[np.ix_(one, one)].sum() - np.trace(values[np.ix_(one, one)])) / 56 for one in repeated(drawn)]
    assert abs(np.mean(naive) - expected) > 10 * spread


def repeated(drawn):
    return [np.repeat(np.arange(len(counts)), counts.astype(int)) for counts in drawn]


def test_those_of_one_set_alone_are_drawn_by_themselves():
    drawn = Subjects.of(3, 4, ["a", "b", "c"], ["c", "d", "e", "f"]).drawn(seed=0, resamples=50)
    assert (drawn.sum(axis=1) == 6).all()
    for alike in ([0, 1], [2], [3, 4, 5]):
        assert (drawn[:, alike].sum(axis=1) == len(alike)).all()


# --- Kernel distance ---------------------------------------------------------------------------------------------


def test_the_kernel_distance_is_that_of_the_paper():
    real, generated = rows(0, 12), rows(1, 9, shift=0.5)
    within_real, within_generated, across = (
        polynomial_kernel(first, second, degree=3, gamma=1 / 5, coef0=1)
        for first, second in ((real, real), (generated, generated), (real, generated))
    )
    expected = (
        (within_real.sum() - np.trace(within_real)) / (12 * 11)
        + (within_generated.sum() - np.trace(within_generated)) / (9 * 8)
        - 2 * across.mean()
    )
    estimate = kernel_distance(real, generated, resamples=FEW)
    assert estimate.mean == pytest.approx(expected, rel=1e-9)
    assert estimate.low < expected < estimate.high
    assert estimate.n == 21
    swapped = kernel_distance(generated, real, resamples=FEW)
    assert swapped.mean == pytest.approx(estimate.mean, rel=1e-9)


def test_pairs_of_one_person_are_left_out():
    real, generated = rows(0, 6), rows(1, 6, shift=1)
    real_groups, generated_groups = ["a", "a", "b", "b", "c", "c"], ["a", "b", "b", "d", "d", "d"]

    def mean(first, second, of_first, of_second):
        return np.mean(
            [
                (one @ other / 5 + 1) ** 3
                for (one, who), (other, whose) in itertools.product(
                    zip(first, of_first, strict=True), zip(second, of_second, strict=True)
                )
                if who != whose
            ]
        )

    expected = (
        mean(real, real, real_groups, real_groups)
        + mean(generated, generated, generated_groups, generated_groups)
        - 2 * mean(real, generated, real_groups, generated_groups)
    )
    estimate = kernel_distance(
        real, generated, real_groups=real_groups, generated_groups=generated_groups, resamples=FEW
    )
    assert estimate.mean == pytest.approx(expected, rel=1e-9)


def test_two_eyes_of_a_person_do_not_pass_for_a_difference():
    with_people, without = [], []
    for seed in range(60):
        real, generated = (np.repeat(rows(seed + offset, 10, 6), 2, axis=0) for offset in (0, 500))
        groups = {"real_groups": people("r", 20), "generated_groups": people("g", 20)}
        with_people.append(kernel_distance(real, generated, **groups, resamples=2).mean)
        without.append(kernel_distance(real, generated, resamples=2).mean)
    error = np.std(with_people) / np.sqrt(60)
    assert np.mean(with_people) == pytest.approx(0, abs=3 * error)
    assert np.mean(without) > 5 * error


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_holds_0_only_where_nothing_differs(paired):
    holds = []
    for seed in range(20):
        real, generated = rows(seed, 20), rows(seed + 100, 20)
        groups = people("p", 20, each=1) if paired else None
        for shift in (0, 1.5):
            estimate = kernel_distance(
                real, generated + shift, real_groups=groups, generated_groups=groups, resamples=FEW
            )
            holds.append(estimate.low <= 0 <= estimate.high)
    assert sum(holds[::2]) >= 19
    assert sum(holds[1::2]) == 0


def test_the_distance_grows_with_the_difference_and_repeats_with_the_seed():
    real = rows(0, 20)
    distances = [kernel_distance(real, rows(1, 20) + shift, resamples=FEW).mean for shift in (0, 0.5, 1, 2)]
    assert distances == sorted(distances)
    first, again, other = (kernel_distance(real, rows(1, 20), seed=seed, resamples=FEW) for seed in (3, 3, 4))
    assert first == again != other
    assert first.mean == other.mean


def test_halves_are_all_divisions_of_the_people():
    real, groups = rows(0, 8), people("p", 8)
    expected = []
    for half in ((0, 1), (0, 2), (0, 3)):
        is_first = np.isin(np.arange(8) // 2, half)
        expected.append(
            kernel_distance(
                real[is_first],
                real[~is_first],
                real_groups=list(np.array(groups)[is_first]),
                generated_groups=list(np.array(groups)[~is_first]),
                resamples=FEW,
            ).mean
        )
    halves = halves_distance(real, groups=groups, resamples=2000)
    assert halves[1:3] == pytest.approx((min(expected), max(expected)), rel=1e-6)
    assert halves.mean == pytest.approx(np.mean(expected), abs=0.1 * np.std(expected))
    assert halves == halves_distance(real, groups=groups, resamples=2000)
    with pytest.raises(DataError, match="3 people"):
        halves_distance(real[:6], groups=groups[:6])


# --- Frechet distance --------------------------------------------------------------------------------------------


def test_the_frechet_distance_is_that_of_the_paper():
    random = np.random.default_rng(0)
    real = random.normal(size=(2048, 6)) @ random.normal(size=(6, 6))
    generated = random.normal(size=(3000, 6)) @ random.normal(size=(6, 6)) + 1
    ours, theirs = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    expected = shift @ shift + np.trace(ours + theirs - 2 * np.real(linalg.sqrtm(ours @ theirs)))
    assert frechet_distance(real, generated, features="network a.onnx") == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_of_a_shift_is_its_square():
    real = rows(0, 2048, 3)
    assert frechet_distance(real, real, features="network a.onnx") == pytest.approx(0, abs=1e-6)
    shifted = frechet_distance(real, real + np.array([3, 0, 4]), features="network a.onnx")
    assert shifted == pytest.approx(25, rel=1e-6)


def test_a_frechet_distance_that_would_mean_nothing_is_refused():
    with pytest.raises(DataError, match=r"2047 generated photographs with 3 features.*at least 2048 of each"):
        frechet_distance(rows(0, 2048, 3), rows(0, 2047, 3), features="network a.onnx")
    with pytest.raises(DataError, match="at least 2060 of each"):
        frechet_distance(rows(0, 2050, 1030), rows(0, 2050, 1030), features="network a.onnx")
    with pytest.raises(InputError, match=r"features 'fundus'.*Use the kernel distance"):
        frechet_distance(rows(0, 2048, 3), rows(0, 2048, 3), features="fundus")


# --- A classifier ------------------------------------------------------------------------------------------------


def test_a_classifier_is_right_by_chance_only_where_nothing_differs():
    same = [real_or_synthetic(rows(seed, 20), rows(seed + 50, 20), resamples=FEW) for seed in range(8)]
    assert np.mean([one.balanced_accuracy.mean for one in same]) == pytest.approx(0.5, abs=0.08)
    assert sum("cannot tell" in one.reading for one in same) >= 7
    apart = real_or_synthetic(rows(0, 20), rows(1, 20, shift=4), resamples=FEW)
    assert apart.balanced_accuracy[:3] == (1, 1, 1)
    assert (apart.real_recognised, apart.generated_recognised) == (1, 1)
    assert apart.reading == "A classifier recognises every generated photograph."


def test_exact_copies_of_the_real_photographs_are_right_half_of_the_time():
    real, groups = rows(0, 16), people("p", 16, each=1)
    found = real_or_synthetic(real, real, real_groups=groups, generated_groups=groups, resamples=FEW)
    assert found.balanced_accuracy[:3] == (0.5, 0.5, 0.5)


def test_nobody_is_on_both_sides():
    # Each person has a look of their own and is of one kind: whoever was seen in training is recognised by it.
    looks = 10 * np.repeat(np.eye(24), 3, axis=0)
    real, generated = looks[:36], looks[36:]
    groups = people("p", 72, each=3)
    apart = real_or_synthetic(real, generated, real_groups=groups[:36], generated_groups=groups[36:], resamples=FEW)
    assert apart.balanced_accuracy.mean <= 0.6
    mixed = real_or_synthetic(real, generated, resamples=FEW)
    assert mixed.balanced_accuracy.mean > 0.9


def test_more_pictures_of_the_same_subjects_narrow_no_interval():
    real, generated = (np.repeat(rows(seed, 12, 3, shift=shift), 4, axis=0) for seed, shift in ((0, 0), (1, 0.8)))
    groups = {"real_groups": people("r", 48, 4), "generated_groups": people("g", 48, 4)}
    _, low, high, _ = real_or_synthetic(real, generated, **groups).balanced_accuracy
    _, single_low, single_high, _ = real_or_synthetic(real[::4], generated[::4]).balanced_accuracy
    assert high - low == pytest.approx(single_high - single_low, rel=0.35)


def test_the_fewer_are_recognised_as_well_as_the_many():
    found = real_or_synthetic(rows(0, 60), rows(1, 12, shift=0.8), resamples=FEW)
    assert found.real_recognised == pytest.approx(found.generated_recognised, abs=0.25)
    assert found.balanced_accuracy.mean > 0.7
    mean = (found.real_recognised + found.generated_recognised) / 2
    assert found.balanced_accuracy.mean == pytest.approx(mean, rel=1e-12)


def test_a_classifier_repeats_with_its_seed():
    first, again = (real_or_synthetic(rows(0), rows(1, shift=0.5), seed=7, resamples=FEW) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("mean", "low", "words"),
    [(0.55, 0.45, "cannot tell"), (0.6, 0.52, "sometimes"), (0.8, 0.7, "mostly"), (0.97, 0.9, "nearly always")],
)
def test_what_a_figure_says(mean, low, words):
    found = Classified(Estimate(mean, low, 1.0, 40), mean, mean)
    assert words in found.reading
    assert json.loads(json.dumps(found.to_json()))["balanced_accuracy"]["low"] == low


# --- Refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [kernel_distance, real_or_synthetic])
def test_sets_that_cannot_be_compared_are_refused(measure):
    good, bad = rows(0, 10), rows(1, 10)
    bad[3, 2] = np.nan
    with pytest.raises(InputError, match="1 of 10 pictures are not finite"):
        measure(good, bad)
    with pytest.raises(InputError, match="5 and 4 dimensions"):
        measure(good, good[:, :4])
    with pytest.raises(InputError, match="9 groups for 10 pictures"):
        measure(good, good, real_groups=["a"] * 9)
    with pytest.raises(DataError, match="10 generated photographs of 1 people"):
        measure(good, good, generated_groups=["a"] * 10)
    with pytest.raises(DataError, match="1 generated photographs"):
        measure(good, good[:1])


def test_a_classifier_needs_eight_of_each():
    with pytest.raises(DataError, match=r"10 real and 7 generated photographs.*at least 8 of each"):
        real_or_synthetic(rows(0, 10), rows(1, 7))


# --- All together, on pictures -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fundus():
    return FundusFeatures()


@pytest.fixture(scope="module")
def photographs():
    return [phantom_eye(seed, 320).photograph for seed in range(20)]


@pytest.fixture(scope="module")
def looks(fundus, photographs):
    return described(photographs, fundus)


def blurred(photograph, deviation_px):
    return np.rint(gaussian_filter(photograph.astype(float), (deviation_px, deviation_px, 0))).astype(np.uint8)


def cast(photograph, strength):
    return np.clip(photograph * np.array([1 - strength, 1, 1 + strength]), 0, 255).astype(np.uint8)


def with_checkerboard(photograph, grey_levels):
    waves = np.cos(np.pi * np.arange(len(photograph)) / 2)
    pattern = grey_levels * waves[:, None] * waves * (photograph.max(axis=2) > 20)
    return np.clip(np.rint(photograph + pattern[..., None]), 0, 255).astype(np.uint8)


def finding(real, generated):
    """What is said of two sets of photographs, every one of another person."""
    theirs, ours = (
        Described([f"{side}{number}" for number in range(len(some))], {"fundus": some}, [], [])
        for side, some in (("real", real), ("generated", generated))
    )
    return realism_finding(ours, theirs, seed=0)


@pytest.mark.parametrize(("damage", "weak", "strong"), [(blurred, 1, 3), (cast, 0.1, 0.3), (with_checkerboard, 4, 12)])
def test_damaged_photographs_lie_apart_and_the_farther_the_worse(fundus, photographs, looks, damage, weak, strong):
    names = people("eye", 10, each=1)
    near, far = (
        described([damage(photograph, strength) for photograph in photographs[:10]], fundus)
        for strength in (weak, strong)
    )
    groups = {"real_groups": names, "generated_groups": names}
    found = beside_halves(looks[:10], far, features=fundus.name, **groups)
    assert kernel_distance(looks[:10], near, **groups, resamples=FEW).mean < found.distance.mean
    assert found.distance.low > 0
    assert real_or_synthetic(looks[:10], far, **groups).balanced_accuracy.low > 0.5
    assert "lie apart" in found.reading


def test_other_eyes_of_the_same_kind_do_not_lie_apart(fundus, looks):
    found = beside_halves(looks[:10], looks[10:], features=fundus.name)
    assert found.distance.low <= 0 <= found.distance.high
    assert found.halves is not None
    assert found.halves.low < found.distance.mean < found.halves.high
    assert "within chance" in found.reading
    said = finding(looks[:10], looks[10:])
    assert json.loads(json.dumps(said.values))["fundus"]["features"] == "fundus"
    assert said.sentences == [said.values["fundus"]["reading"]]


@pytest.mark.parametrize(
    ("mean", "low", "words"), [(0.2, -0.1, "within chance"), (0.2, 0.1, "no farther"), (0.5, 0.3, "and farther than")]
)
def test_what_a_distance_says(mean, low, words):
    found = KernelDistance("fundus", Estimate(mean, low, 1.0, 40), Estimate(0.0, -0.3, 0.3, 20))
    assert words in found.reading


def test_few_photographs_have_a_distance_alone():
    assert beside_halves(rows(0, 3), rows(1, 3), features="fundus").halves is None
    found = finding(rows(0, 3), rows(1, 3)).values["fundus"]
    assert found["kernel_distance"]["n"] == 6
    assert found["halves"] is None
    assert found["real_or_synthetic"] is None
