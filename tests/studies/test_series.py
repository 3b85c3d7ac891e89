"""Graded series: the statistics, what is measured in masks, and both studies from beginning to end."""

import csv
import json

import numpy as np
import pytest
from scipy import ndimage, stats

from commands import fails
from pictures import put_photograph
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.landmarks import Landmarks, View
from retinasynth.errors import DataError, InputError, InterruptedRunError, OutputError, SettingError
from retinasynth.eye import Eye, Geometry
from retinasynth.eye.agreement import area_under_curve
from retinasynth.eye.skeleton import vessel_graph
from retinasynth.images import read_metadata
from retinasynth.studies import glaucoma, series, vascular, vessel_signs
from retinasynth.studies.glaucoma import narrowest_rim, study_glaucoma
from retinasynth.studies.recovery import Point, recovery
from retinasynth.studies.screening import curve, separation
from retinasynth.studies.series import close_up, middle, sheet, tiles
from retinasynth.studies.series_report import figure_text
from retinasynth.studies.vascular import study_vascular
from retinasynth.studies.vessel_signs import calibre_swing, of_kind

# --- Statistics --------------------------------------------------------------------------------------------------


def noisy(eyes=6, slope=0.4, spread=0.5):
    random = np.random.default_rng(1)
    return [
        Point(f"eye {eye}", asked, slope * asked + offset + random.normal(0, 0.02))
        for eye, offset in enumerate(random.normal(0, spread, eyes))
        for asked in (0.2, 0.4, 0.6, 0.8)
    ]


def test_figures_are_those_of_independent_formulas():
    points = noisy()
    asked, found = (np.array([getattr(point, side) for point in points]) for side in ("asked", "found"))
    result = recovery(points)
    assert result.correlation.mean == pytest.approx(stats.pearsonr(asked, found)[0])
    eyes = np.array([point.eye for point in points])
    x, y = (side - np.array([side[eyes == eye].mean() for eye in eyes]) for side in (asked, found))
    assert result.within_eyes.mean == pytest.approx(stats.pearsonr(x, y)[0])
    assert result.slope.mean == pytest.approx(stats.linregress(x, y).slope)
    assert result.error.mean == pytest.approx((found - asked).mean())
    assert result.absolute_error.mean == pytest.approx(np.abs(found - asked).mean())
    assert result.missing == 0


def test_within_eyes_it_does_not_matter_how_eyes_differ():
    alike, unlike = recovery(noisy(spread=0)), recovery(noisy(spread=5))
    assert unlike.within_eyes.mean == pytest.approx(alike.within_eyes.mean, abs=0.02)
    assert unlike.within_eyes.mean > 0.95
    assert unlike.correlation.mean < 0.3
    assert unlike.slope.low < 0.4 < unlike.slope.high
    assert unlike.slope.high - unlike.slope.low < 0.15


def test_what_cannot_be_measured_is_counted_and_left_out():
    points = [*noisy(), Point("eye 0", 0.5, None)]
    assert recovery(points).missing == 1
    assert recovery(points).slope == recovery(noisy()).slope
    nothing = recovery([Point("a", 0.5, None)])
    assert (nothing.correlation, nothing.slope, nothing.missing) == (None, None, 1)
    constant = recovery([Point("a", asked, 1.0) for asked in (1, 2, 3)])
    assert (constant.correlation, constant.slope.mean) == (None, 0.0)
    assert json.dumps(constant.to_json())


def test_screening_agrees_with_the_area_under_the_curve():
    random = np.random.default_rng(0)
    ill, healthy = random.normal(0.7, 0.1, 30).round(2), random.normal(0.6, 0.1, 20).round(2)
    area = separation(ill.tolist(), healthy.tolist())
    assert area.mean == pytest.approx(area_under_curve(np.concatenate([ill, healthy]), np.arange(50) < 30))
    assert area.low < area.mean < area.high
    x, y = curve(ill.tolist(), healthy.tolist())
    assert np.trapezoid(y, x) == pytest.approx(area.mean)
    assert separation([0.8, 0.9], [0.1, 0.2])[:3] == (1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="some of each"):
        separation([], [0.5])


def test_tiles_are_what_was_laid_in_the_sheet_and_a_close_up_is_centred():
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (2, 3, 8, 8, 3), np.uint8)
    again = tiles(sheet(rows), 3)
    assert np.array_equal(np.array(again), rows)
    mask = np.zeros((40, 40), np.bool_)
    mask[10:15, 24:29] = True
    assert middle(mask) == (12.0, 26.0)
    picture = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    assert close_up(picture, (12.5, 26.5), 2, 4).min() == 255
    assert close_up(picture, (0, 0), 100, 20).shape == (20, 20, 3)
    assert figure_text(None) == "unknown"


# --- Measures ----------------------------------------------------------------------------------------------------


def circle(row, column, radius, size=200):
    rows, columns = np.mgrid[:size, :size]
    return np.hypot(rows - row, columns - column) < radius


@pytest.mark.parametrize(("radius", "aside"), [(40, 0), (40, 20), (20, 30), (60, 15)])
def test_narrowest_rim_of_circles(radius, aside):
    disc, cup = circle(100, 100, 80), circle(100, 100 + aside, radius)
    assert narrowest_rim(disc, cup) == pytest.approx((80 - radius - aside) / 160, abs=0.012)


def test_narrowest_rim_without_cup_without_rim_and_with_a_notch():
    disc = circle(100, 100, 80)
    assert narrowest_rim(disc, np.zeros_like(disc)) == pytest.approx(0.5, abs=0.01)
    assert narrowest_rim(disc, disc) == pytest.approx(0, abs=1e-9)
    view = View(512, "left", "disc", 30)
    planes = [Landmarks(0.6, notch=notch).planes(view) for notch in (0, 1)]
    rims = [narrowest_rim(one["disc"], one["cup"]) for one in planes]
    assert 0.3 * rims[0] < rims[1] < 0.8 * rims[0]


def test_a_disc_that_the_picture_cuts_off_ends_there():
    disc, cup = circle(100, 20, 60), circle(100, 40, 10)
    wider = [np.pad(mask, 40) for mask in (disc, cup)]
    assert narrowest_rim(disc, cup) == narrowest_rim(*wider)


@pytest.mark.parametrize("amplitude", [0.0, 0.2, 0.4])
def test_swing_of_a_vein_whose_calibre_is_a_sine_wave(amplitude):
    along = np.arange(600)
    half = 6 * (1 + amplitude * np.sin(2 * np.pi * along / 27))  # 0.27 DD at 100 px to the disc diameter
    veins = np.abs(np.arange(60)[:, None] - 30) < half[None, :]
    assert calibre_swing(veins, 100) == pytest.approx(0.8 * amplitude, abs=0.09 if amplitude else 0.02)
    assert calibre_swing(veins, 600) is None  # too thin for that scale


def test_found_vessels_are_told_apart_by_the_labels_near_them():
    empty = np.zeros((100, 100), np.bool_)
    planes = {name: empty.copy() for name in ("arteries", "veins", "disc")} | {"fov": ~empty}
    planes["arteries"][20:23], planes["veins"][60:63] = True, True
    eye = Eye("e", planes, geometry=Geometry(50, "left", "disc", 35))
    found = empty.copy()
    found[22:25], found[58:61], found[90] = True, True, True
    told = of_kind(found, eye).planes
    assert np.flatnonzero(told["arteries"].any(axis=1)).tolist() == [22, 23, 24]
    assert np.flatnonzero(told["veins"].any(axis=1)).tolist() == [58, 59, 60]
    assert np.array_equal(told["vessels"], found)


def test_by_width_all_is_found_where_the_labels_are_what_was_found():
    eye = series.halved(grow(2, 1024, centred_on="disc", angle_deg=35, artery_to_vein_ratio=1, vessel_density=0.11))
    arteries = vessel_graph(eye.planes["arteries"] & eye.planes["fov"])
    gone = Eye("gone", {**eye.planes, "arteries": np.zeros(eye.size, np.bool_)}, geometry=eye.geometry)
    rows = list(vessel_signs.by_width(eye, arteries, 1.0, {"same": eye, "none": gone}))
    assert [row["width"] for row in rows] == list(vessel_signs.WIDTH_NAMES)
    for row in rows:
        assert row["found_same"] == pytest.approx(1, abs=0.01)
        assert row["calibre_um_same"] == pytest.approx(row["calibre_um"], rel=0.03)
        assert (row["found_none"], row["calibre_um_none"]) == (0, None)
    assert [row["calibre_um"] for row in rows] == sorted(row["calibre_um"] for row in rows)


def test_half_the_size_keeps_the_anatomy():
    eye = grow(2, 1024, centred_on="disc", angle_deg=35)
    small = series.halved(eye)
    assert small.size == (512, 512)
    assert small.geometry.pixels_per_disc_diameter == eye.geometry.pixels_per_disc_diameter / 2
    assert small.planes["disc"].sum() * 4 == pytest.approx(eye.planes["disc"].sum(), rel=0.01)


# --- Studies -----------------------------------------------------------------------------------------------------


def bright(photograph, share):
    """The brightest part of the middle of a photograph, as a stand-in for what a segmenter finds."""
    green = ndimage.gaussian_filter(photograph[..., 1].astype(float), 1)
    return green >= np.quantile(green, 1 - share)


@pytest.fixture
def quick(monkeypatch):
    """Few grades, and stand-ins for segmenters, which refuse pictures as small as those of the tests."""
    monkeypatch.setattr(glaucoma, "CUPS", (0.3, 0.6, 0.9))
    monkeypatch.setattr(glaucoma, "NOTCHES", (0.0, 1.0))
    monkeypatch.setattr(vascular, "SIGNS", {sign: (grades[0], grades[-1]) for sign, grades in vascular.SIGNS.items()})

    def seen(photograph):
        rows, columns = np.mgrid[: len(photograph), : len(photograph)] - len(photograph) / 2
        disc = np.hypot(rows, columns) < 9
        return Eye("seen", {"disc": disc, "cup": disc & bright(photograph, 0.03)}, photograph)

    def dark(photograph):
        green = photograph[..., 1].astype(float)
        return ndimage.gaussian_filter(green, 3) - green > 4

    monkeypatch.setattr(glaucoma, "found_in", seen)
    monkeypatch.setattr(vascular, "_vessels", dark)


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("quick")
def test_glaucoma_from_the_seeds_to_the_page_and_on(styled_run, tmp_path, monkeypatch):
    out = tmp_path / "study"
    first = study_glaucoma(out, model=str(styled_run), eyes=2, screened=2, seed=4, workers=1)
    assert first.cups["label"].slope.mean == pytest.approx(1, abs=0.25)  # the disc is 11 px high
    assert first.cups["label"].absolute_error.mean < 0.08
    rows = table(out / "measures.csv")
    assert [row["eye"] for row in rows] == ["eye_000004"] * 5 + ["eye_000005"] * 5
    assert [float(row["asked"]) for row in rows[:5]] == [0.3, 0.6, 0.9, 0.0, 1.0]
    screened = table(out / "screening.csv")
    assert [row["group"] for row in screened] == ["healthy", "glaucoma"] * 2
    assert len({row["name"] for row in screened}) == 4
    said = json.loads((out / "glaucoma.json").read_text())
    assert said["cup_to_disc_vertical"]["label"]["slope"]["n"] == 6
    page = (out / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")  # asks for nothing outside
    assert "The cup" in first.sentences[0]
    assert first.sentences[0].split(":")[0] in page
    pictures = sorted((out / "pictures").iterdir())
    assert [one.name for one in pictures][:2] == ["eye_000004-cup.png", "eye_000004-notch.png"]
    assert "not for diagnosis" in read_metadata(pictures[0])["Synthetic"]

    before = (out / "manifest.jsonl").read_text()
    more = study_glaucoma(out, model=str(styled_run), eyes=3, screened=2, seed=4, workers=1)
    assert (out / "manifest.jsonl").read_text().startswith(before)
    assert len(more.lines) == 3
    with pytest.raises(OutputError, match="another seed"):
        study_glaucoma(out, model=str(styled_run), eyes=3, screened=2, seed=5, workers=1)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(glaucoma, "measure_real", stop)
    for name in ("01_h", "01_g"):
        put_photograph(tmp_path / "hrf" / "images" / f"{name}.png")
    with pytest.raises(InterruptedRunError, match="everything so far is kept"):
        study_glaucoma(out, model=str(styled_run), eyes=3, screened=2, seed=4, data=tmp_path / "hrf", workers=1)


@pytest.mark.usefixtures("quick")
def test_vascular_from_the_seeds_to_the_page(styled_run, tmp_path, monkeypatch, capfd):
    out = tmp_path / "study"
    words = ["vascular", "--model", styled_run, "--out", out, "--eyes", 2, "--workers", 1]
    cli.app(list(map(str, words)), standalone_mode=False)
    assert "report.html" in capfd.readouterr().out
    rows = table(out / "measures.csv")
    assert [row["sign"] for row in rows[:8:2]] == list(vascular.SIGNS)
    said = json.loads((out / "vascular.json").read_text())
    assert said["signs"]["tufts"]["label"]["slope"]["mean"] == pytest.approx(1, abs=1e-6)  # asked for is what is there
    assert {row["share"] for row in table(out / "widths.csv")} == {"1.0", "0.6"}
    assert (out / "report.html").stat().st_size > 10_000
    assert "not empty" in fails(monkeypatch, capfd, "glaucoma", "--model", styled_run, "--out", tmp_path)


def test_the_bundled_segmenter_sees_the_larger_cups_that_are_drawn():
    steps = {"by_rule": [], "generated": []}
    for seed in (1, 2, 3):
        ratios = {source: [] for source in steps}
        for cup in (0.3, 0.9):
            eye = series.grown(512, seed, cup_to_disc=cup)
            pictures = {
                "by_rule": series.phantom_photograph(series.halved(eye), seed),
                "generated": series.generator("fundus-512").generate(eye, seed=seed),
            }
            for source, picture in pictures.items():
                ratios[source].append(glaucoma.measured_in(glaucoma.found_in(picture))[0])
        for source, (small, large) in ratios.items():
            steps[source].append(large - small)
    assert 0.15 < np.mean(steps["by_rule"]) < 0.65
    assert 0.02 < np.mean(steps["generated"]) < 0.65


def test_wrong_input_to_the_studies_is_named(tmp_path, trained, styled_run):
    put_photograph(tmp_path / "hrf" / "images" / "01_h.png")
    put_photograph(tmp_path / "hrf" / "images" / "02_h.png")
    model = str(styled_run)
    for act, error, message in (
        (lambda: study_glaucoma(tmp_path / "o", model=model, data=tmp_path / "hrf"), DataError, "no glaucoma"),
        (
            lambda: study_glaucoma(tmp_path / "o", model=model, eyes=1),
            SettingError,
            "eyes is 1. Expected: a whole number, 2 to",
        ),
        (
            lambda: study_vascular(tmp_path / "o", model=model, eyes=1),
            SettingError,
            "eyes is 1. Expected: a whole number, 2 to",
        ),
        (lambda: study_vascular(tmp_path / "o", model=str(trained)), InputError, "follows no style"),
        (lambda: study_vascular(tmp_path / "hrf", model=model), OutputError, "not empty"),
    ):
        with pytest.raises(error, match=message):
            act()
    assert not (tmp_path / "o").exists()
