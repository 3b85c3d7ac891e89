"""What augmentation studies share: intervals over two things at once, figures, words and the page."""

import csv
import io
import re

import numpy as np
import pytest

from retinasynth.errors import InputError
from retinasynth.intervals import Estimate, bootstrap_crossed, bootstrap_mean
from retinasynth.studies.arms import Arm, Effect, Point, Study, effect_sentence, outcome
from retinasynth.studies.arms_report import render, write_study

REAL = Arm("real only", has_synthetic=False, is_strong=True)
BOTH = Arm("real + grown", has_synthetic=True, is_strong=True)
ALONE = Arm("grown only", has_synthetic=True, is_strong=False)


def study() -> Study:
    def point(arm: Arm, count: int, mean: float) -> Point:
        return Point(arm.name, count, f"source of {arm.name}", {"dice": Estimate(mean, mean - 0.02, mean + 0.01, 8)})

    return Study(
        title="Is it of use?",
        verdict=["It is.", "Dice -0.010 somewhere."],
        measures={"dice": "Dice"},
        of_what="real training eye",
        arms=[REAL, BOTH, ALONE],
        points=[
            point(ALONE, 0, 0.6),
            point(REAL, 1, 0.5),
            point(BOTH, 1, 0.65),
            point(REAL, 5, 0.7),
            point(BOTH, 5, 0.71),
        ],
        effects=[
            Effect("real + grown", "real only", 1, {"dice": Estimate(0.15, 0.1, 0.2, 8)}),
            Effect("real + grown", "real only", 5, {"dice": Estimate(0.01, -0.01, 0.03, 8)}),
        ],
        conventions={"interval": "an interval <b>"},
        about={"Data": "eyes", "Seeds": "3"},
        pictures={"eye 1": {"Photograph": b"\x89PNG1", "Drawn": b"\xff\xd82"}},
        pictures_note="First ones.",
    )


# --- Intervals over repetitions and pictures ---------------------------------------------------------------------


def test_one_repetition_has_the_interval_of_its_pictures():
    values = np.random.default_rng(1).normal(0.7, 0.05, 12)
    one, usual = bootstrap_crossed(values[None]), bootstrap_mean(values)
    np.testing.assert_allclose([one.low, one.high], [usual.low, usual.high], atol=1e-3)
    assert (one.mean, one.n) == (pytest.approx(values.mean()), 12)


def test_both_repetitions_and_pictures_widen_it_as_their_variances_say():
    """Effects that add up: the variance of a resampled mean is the sum of the two plug-in variances of means."""
    random = np.random.default_rng(2)
    rows, columns = random.normal(0, 0.03, 40), random.normal(0, 0.05, 60)
    found = bootstrap_crossed(rows[:, None] + columns[None])
    deviation = np.sqrt(rows.var() / 40 + columns.var() / 60)
    assert (found.high - found.low) / (2 * 1.96 * deviation) == pytest.approx(1, abs=0.03)


def test_pictures_of_one_person_are_drawn_together():
    values = np.repeat(np.random.default_rng(3).normal(0.7, 0.05, 6), 2)[None]
    people = [str(number // 2) for number in range(12)]
    together, apart = bootstrap_crossed(values, groups=people), bootstrap_crossed(values)
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(np.sqrt(2), abs=0.12)
    assert together.mean == apart.mean


def test_people_with_more_pictures_weigh_more():
    """Against the definition, written as loops: draw people and rows, then average what was drawn."""
    values, people = np.array([[0.1, 0.2, 0.9], [0.3, 0.4, 0.5]]), ["a", "a", "b"]
    random, means = np.random.default_rng(4), []
    for _ in range(4000):
        columns = [c for person in random.choice(["a", "b"], 2) for c in range(3) if people[c] == person]
        means.append(np.mean([values[row, c] for row in random.integers(2, size=2) for c in columns]))
    found = bootstrap_crossed(values, groups=people)
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), atol=0.01)


@pytest.mark.parametrize(
    ("values", "groups"),
    [(np.zeros(3), None), (np.zeros((0, 3)), None), (np.full((2, 2), np.nan), None), (np.zeros((2, 3)), ["a", "b"])],
)
def test_impossible_tables_are_refused(values, groups):
    with pytest.raises(InputError):
        bootstrap_crossed(values, groups=groups)


# --- Words, tables and page --------------------------------------------------------------------------------------


def test_a_difference_is_told_by_its_interval():
    assert [outcome(Estimate(0, *ends, 8)) for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1), (0.0, 0.1))] == [
        "better",
        "worse",
        "undecided",
        "undecided",
    ]
    found, other = (effect_sentence(one, "dice", "Dice", "eye") for one in study().effects)
    assert found == "With 1 eye, real + grown is better than real only: Dice +0.150 (+0.100 to +0.200)."
    assert "With 5 eyes, real + grown is not shown to differ" in other


def test_figures_are_in_json_and_csv():
    plain = study().to_json()
    assert plain["points"][1]["measures"]["dice"] == {"mean": 0.5, "low": 0.48, "high": 0.51, "n": 8}
    assert [one["measures"]["dice"]["outcome"] for one in plain["differences"]] == ["better", "undecided"]
    rows = list(csv.DictReader(io.StringIO(study().to_csv())))
    assert len(rows) == 5 + 2
    assert (rows[0]["arm"], rows[0]["count"], rows[0]["minus"]) == ("grown only", "0", "")
    assert (rows[5]["minus"], rows[5]["outcome"], float(rows[5]["low"])) == ("real only", "better", 0.1)


def test_the_page_is_complete_and_asks_for_nothing():
    shown = render(study())
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", shown)
    assert "an interval &lt;b&gt;" in shown
    for text in ("It is.", "Dice \N{MINUS SIGN}0.010", "real training eyes", "source of grown only", "0.480 to 0.510"):
        assert text in shown
    assert "No real training eyes" in shown
    # one plot of the measure with all arms named in it, and one of the differences
    plots = re.findall(r"<svg.*?</svg>", shown, re.DOTALL)
    assert len(plots) == 2
    assert all(f">{arm.name}</text>" in plots[0] for arm in study().arms)
    assert 'aria-label="Real + grown, less real only: 1 real +0.150; 5 real +0.010"' in plots[1]


def test_files_are_written(tmp_path):
    write_study(study(), tmp_path, "use")
    assert {path.name for path in tmp_path.iterdir()} == {"use.json", "use.csv", "figure.svg", "report.html"}
    figure = (tmp_path / "figure.svg").read_text()
    colours = set(re.findall(r"var\((--\w+)\)", figure))
    assert "--model" in colours
    assert all(f"{colour}: #" in figure for colour in colours)  # it stands alone: its colours are defined in it
