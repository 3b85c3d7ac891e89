"""Is the anatomy found again that was asked for? On grown eyes and their procedural photographs."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import f1_score

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.anatomy.render.style import RenderingStyle
from retinasynth.evaluation.findings.structure import structure_finding
from retinasynth.evaluation.maps import ADDED, FOUND, MISSED, agreement_picture, error_picture
from retinasynth.evaluation.metrics.vessels_found import (
    LARGEST_PX,
    MOST_REAL,
    Anatomy,
    FoundAgain,
    ReferenceSegmenters,
    is_sampled,
    measure,
)
from retinasynth.eye import Eye
from retinasynth.intervals import Estimate

STYLE = RenderingStyle(noise=0.01)


@pytest.fixture(scope="module")
def segmenters():
    return ReferenceSegmenters()


@pytest.fixture(scope="module")
def eye():
    return grow(seed=11, size_px=384, cup_to_disc=0.5)


@pytest.fixture(scope="module")
def photograph(eye):
    return render_photograph(eye, 11, STYLE)


def figures(segmenters, photograph, asked):
    return measure(photograph, asked, segmenters).anatomy.found_again


def test_what_was_drawn_is_found_again(segmenters):
    found_again = []
    for seed in (10, 11, 12):
        eye = grow(seed=seed, size_px=384, cup_to_disc=0.5)
        anatomy, asked, found = measure(render_photograph(eye, seed, STYLE), eye, segmenters)
        found_again.append(anatomy.found_again)
        assert anatomy.asked.keys() == anatomy.found.keys()
        assert anatomy.asked["cup_to_disc_vertical"] == pytest.approx(0.5, abs=0.03)
        assert asked.size == found.size == eye.size
    assert np.mean([one.vessels_dice for one in found_again]) > 0.6
    assert np.mean([one.vessels_cldice for one in found_again]) > 0.6
    assert np.mean([one.disc_dice for one in found_again]) > 0.8
    assert np.mean([one.disc_centre for one in found_again]) < 0.3


def test_the_overlap_is_that_of_an_independent_implementation(segmenters, eye, photograph):
    anatomy, asked, found = measure(photograph, eye, segmenters)
    inside = asked.planes["fov"]
    for plane in ("vessels", "disc", "cup"):
        golden = f1_score(asked.planes[plane][inside], found.planes[plane][inside])
        assert getattr(anatomy.found_again, f"{plane}_dice") == pytest.approx(golden)


@pytest.mark.parametrize(
    "damage", ["vessels removed", "blurred", "another eye", "black", "grey"], ids=lambda name: name.replace(" ", "-")
)
def test_damage_is_seen(segmenters, eye, photograph, damage):
    damaged = {
        "vessels removed": lambda: render_photograph(
            replace(eye, planes={name: eye.planes[name] for name in ("fov", "disc", "cup")}), 11, STYLE
        ),
        "blurred": lambda: ndimage.gaussian_filter(photograph, (6, 6, 0)),
        "another eye": lambda: render_photograph(grow(seed=12, size_px=384), 11, STYLE),
        "black": lambda: np.zeros_like(photograph),
        "grey": lambda: np.full_like(photograph, 90),
    }[damage]()
    whole, broken = figures(segmenters, photograph, eye), figures(segmenters, damaged, eye)
    assert broken.vessels_dice < 0.75 * whole.vessels_dice
    assert broken.vessels_cldice < 0.75 * whole.vessels_cldice
    if damage in {"black", "grey"}:
        assert broken.vessels_dice < 0.05
        assert broken.disc_dice < 0.3


def test_only_what_was_asked_for_is_compared(segmenters, eye, photograph):
    bare = Eye("bare", {"vessels": eye.planes["vessels"]})
    anatomy, _, found = measure(photograph, bare, segmenters)
    assert np.isnan(anatomy.found_again.disc_dice)
    assert np.isnan(anatomy.found_again.cup_dice)
    assert set(found.planes) == {"vessels", "fov"}
    split = Eye("split", {name: eye.planes[name] for name in ("arteries", "veins")})
    assert figures(segmenters, photograph, split).vessels_dice == pytest.approx(anatomy.found_again.vessels_dice)


def test_a_photograph_of_another_size_and_a_huge_label_map_meet(segmenters, eye, photograph):
    wide = Eye("wide", {"vessels": np.repeat(np.repeat(eye.planes["vessels"], 4, 0), 5, 1)})
    _, asked, _ = measure(photograph, wide, segmenters)
    assert asked.size == (round(384 * 4 / (384 * 5) * LARGEST_PX), LARGEST_PX)


def test_of_many_real_photographs_about_a_hundred_are_looked_at():
    names = [f"eye-{number}" for number in range(2000)]
    assert 60 < sum(is_sampled(name, 2000) for name in names) < 150
    assert all(is_sampled(name, MOST_REAL) for name in names)
    assert 300 < sum(is_sampled(name, 2000, 400) for name in names) < 500


def anatomy(dice, density=0.1, found=0.1):
    return Anatomy(FoundAgain(vessels_dice=dice), {"vessel_density": density}, {"vessel_density": found})


def test_the_part_compares_pairs_and_says_what_that_means():
    people = {"a": "1", "b": "2", "c": "3"}
    ours = {"a": anatomy(0.5, 0.10, 0.12), "b": anatomy(0.6, 0.08, 0.10), "c": anatomy(0.4, 0.06, 0.08)}
    theirs = {"a": anatomy(0.8), "b": anatomy(0.9)}
    part = structure_finding(ours, theirs, people)
    assert part.values["judge_vessels_dice"]["mean"] == pytest.approx(0.5)
    real = Estimate(0.85, 0.8, 0.9, 2).to_json()
    assert part.values["judge_vessels_dice_in_expected"] == pytest.approx(real)
    assert part.values["biomarkers"]["vessel_density"]["difference"]["mean"] == pytest.approx(0.02)
    assert part.values["biomarkers"]["vessel_density"]["correlation"] is None  # of three
    assert len(part.sentences) == 1
    assert part.sentences[0].startswith(
        "The vessels asked for are found less well than in real photographs: Dice 0.500"
    )
    assert "difference -0.300 (-0.300 to -0.300)" in part.sentences[0]
    better = structure_finding(theirs, {"a": anatomy(0.5), "b": anatomy(0.55)}, people)
    assert "clearer than a camera shows" in better.sentences[0]
    beside = structure_finding(ours, theirs, people, others={name: anatomy(0.45) for name in people})
    assert beside.values["judge_vessels_dice_minus_other_model"]["mean"] == pytest.approx(0.05)
    assert [row.title for row in beside.tables[0].rows][-2:] == ["The other model", "Generated minus the other model"]
    alone = structure_finding(ours, {}, people)
    assert "no real photograph beside it" in alone.sentences[0]


def test_biomarkers_that_go_together_correlate():
    asked = np.linspace(0.05, 0.12, 9)
    ours = {str(number): anatomy(0.5, value, 2 * value + 0.01) for number, value in enumerate(asked)}
    values = structure_finding(ours, {}, {name: name for name in ours}).values["biomarkers"]["vessel_density"]
    assert values["correlation"] == pytest.approx(1)
    shuffled = np.random.default_rng(0).permutation(asked)
    other = {str(n): anatomy(0.5, a, b) for n, (a, b) in enumerate(zip(asked, shuffled, strict=True))}
    values = structure_finding(other, {}, {name: name for name in other}).values["biomarkers"]["vessel_density"]
    assert abs(values["correlation"]) < 0.8
    assert values["correlation"] == pytest.approx(np.corrcoef(asked, shuffled)[0, 1])


def test_maps_show_where_it_is_wrong():
    wanted, seen = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    wanted[0], seen[:, 0] = True, True
    picture = agreement_picture(Eye("asked", {"vessels": wanted}), Eye("found", {"vessels": seen}))
    assert tuple(picture[0, 0]) == FOUND
    assert tuple(picture[0, 2]) == MISSED
    assert tuple(picture[2, 0]) == ADDED
    assert not picture[2, 2].any()
    grey = np.full((2, 2, 3), 100, np.uint8)
    brightness = [error_picture(grey, grey + np.uint8(off)).sum() for off in (0, 20, 60)]
    assert brightness[0] < brightness[1] < brightness[2]
