"""The work behind the studio's tabs of what-ifs, series and enhancement; a browser opens them elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from pictures import put_photograph, tiny_photograph
from retinasynth.enhancement.degradation import enlarged
from retinasynth.enhancement.use import WARNING, Enhancer
from retinasynth.errors import ImageError, InputError, ModelError, SettingError
from retinasynth.eye import Eye
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.whatif import Edit
from retinasynth.images import read_metadata, read_photograph

pytest.importorskip("gradio", reason="the extra studio is not installed")
from retinasynth.studies import glaucoma, vascular
from retinasynth.studio import controls, enhance, markup, series, serve, view_model, whatif
from retinasynth.studio.enhance import Pair
from retinasynth.studio.view_model import Look


@pytest.fixture(scope="module")
def model(styled_run):
    return load_generator(styled_run)


@pytest.fixture(scope="module")
def enhancer(enhancer_folder):
    return Enhancer.load(enhancer_folder)


def test_the_seed_after_the_last_is_the_first():
    assert controls.next_seed(7.0) == 8
    assert controls.next_seed(view_model.MOST_SEED) == 0
    for wrong in (-1, 1.5, None, "7", view_model.MOST_SEED + 1):
        with pytest.raises(InputError, match="no number of an eye"):
            controls.seed_of(wrong)


# --- What if -----------------------------------------------------------------------------------------------------


def test_only_what_is_chosen_is_edited():
    assert whatif.edit_of([whatif.CUP], 0.8, "severe", 70) == Edit(cup=0.8)
    assert whatif.edit_of([whatif.LESIONS, whatif.ARTERIES], 0.8, "mild", 70) == Edit(lesions="mild", narrow=0.7)
    with pytest.raises(InputError, match="Nothing is to be changed"):
        whatif.edit_of([], 0.8, "severe", 70)
    with pytest.raises(SettingError, match="cup-to-disc ratio is 2"):
        whatif.edit_of([whatif.CUP], 2, "severe", 70)


@pytest.fixture(scope="module")
def result(model):
    return whatif.changed(model, view_model.usual(7, "adult", "Disc, 45°"), Edit(cup=0.8), Look("2"))


def test_before_is_the_eye_of_that_number_and_after_has_the_edit(model, result):
    asked = view_model.usual(7, "adult", "Disc, 45°")
    eye = view_model.grown(asked)
    assert all(np.array_equal(result.before.planes[name], mask) for name, mask in eye.planes.items())
    assert np.array_equal(result.before.photograph, view_model.photograph_of(model, eye, Look("2"), view_model.Given()))
    lines = {title: (before, after) for title, before, after in whatif.changes_of(result)}
    ratio = dict(asked.numbers)["cup_to_disc"]
    assert [float(one) for one in lines["Cup-to-disc ratio"]] == pytest.approx([ratio, 0.8], abs=0.02)
    field = eye.planes["fov"].sum()
    shares = [100 * one.planes["cup"].sum() / field for one in (result.before, result.after)]
    found = [float(one.removesuffix(" %")) for one in lines["Cup, of the field"]]
    assert found == pytest.approx(shares, abs=0.006)
    assert lines.keys() == {"Cup-to-disc ratio", "Cup, of the field"}  # all else stays


def test_new_lesions_stay_where_they_are_in_another_style(model):
    asked, edit = view_model.usual(7, "adult", "Disc, 45°"), Edit(cup=0.8, lesions="moderate")
    one, other = (whatif.changed(model, asked, edit, Look(style)) for style in view_model.STYLES[:2])
    assert (one.after.planes["haemorrhages"] == other.after.planes["haemorrhages"]).all()
    assert (one.after.photograph != other.after.photograph).any()


def test_pictures_are_shown_whole_and_close_up(result):
    shown = whatif.pictures_of(result)
    assert [one.caption for one in shown[:3]] == ["Before", "After: cup-to-disc ratio 0.80", "Change"]
    assert np.array_equal(shown[1].picture, result.after.photograph)
    rows, columns = result.close_up
    assert np.array_equal(shown[4].picture, result.after.photograph[rows, columns])
    assert result.after.planes["disc"][rows, columns].sum() == result.after.planes["disc"].sum()
    small = markup.grid(shown, "what-if")
    assert small.count("<img") == 6
    assert '"stage grid what-if"' in small


def test_the_change_is_told_in_words(result):
    change = replace(result.change, inside=6.04, outside=0.251, outside_unblended=3.5, region_share=0.12)
    calm, blended = (
        " ".join(whatif.sentences_of(replace(result, change=replace(change, is_blended=one)))) for one in (False, True)
    )
    assert "mean change 0.25 grey levels of 255 (goal: at most 2)" in calm
    assert "Inside it: 6.0 grey levels. It covers 12% of the field of view" in calm
    assert "3.50" not in calm
    assert "3.50 grey levels had changed at first" in blended


def test_a_panel_says_that_it_predicts_nothing(result, tmp_path):
    whatif.write_panel(tmp_path / "panel.png", result)
    height, width = read_photograph(tmp_path / "panel.png").shape[:2]
    assert width > height > 500
    assert "not a clinical prediction" in read_metadata(tmp_path / "panel.png")["Illustration"]


# --- Series ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", series.SERIES)
def test_labels_go_along_with_what_is_asked_for(name, model, monkeypatch):
    least_and_most = series.SERIES[name].grades[:: len(series.SERIES[name].grades) - 1]
    monkeypatch.setitem(series.SERIES, name, series.SERIES[name]._replace(grades=least_and_most))
    seen = Eye("nothing", {})
    monkeypatch.setattr(glaucoma, "found_in", lambda _: seen)
    monkeypatch.setattr(vascular, "_vessels", lambda photograph: np.zeros(photograph.shape[:2], np.bool_))
    first, last = series.steps(model, name, 3, Look("2"))
    assert (first.grade, last.grade) == tuple(least_and_most)
    falls = name in ("Glaucoma, a notch", "Narrow arteries")
    assert (last.label < first.label - 0.02) if falls else (last.label > first.label + 0.01)
    if name in ("Glaucoma", "Tortuosity"):
        assert [first.label, last.label] == pytest.approx(least_and_most, abs=0.03)
    assert (first.tiles[0] != last.tiles[0]).any()
    assert {tile.shape for step in (first, last) for tile in step.tiles} == {(320, 320, 3)}
    assert first.found is None or name == "New vessels"  # nothing is found: vessels cover no part of the field
    assert series.lines_of(name, [first, last])[0][2] in ("none", "0.000")


def test_the_bundled_generator_is_followed_by_the_bundled_segmenter(monkeypatch):
    monkeypatch.setitem(series.SERIES, "Glaucoma", series.SERIES["Glaucoma"]._replace(grades=(0.3, 0.9)))
    drawn = list(series.steps(load_generator("fundus-512"), "Glaucoma", 7, Look()))
    assert 0.05 < drawn[1].found - drawn[0].found < 0.7
    strip = series.strip_of("Glaucoma", drawn)
    assert strip.count("<img") == 6
    assert drawn[1].label == pytest.approx(0.9, abs=0.02)
    assert f"Labels: {drawn[1].label:.2f}" in strip
    assert f"Found: {drawn[1].found:.2f}" in strip


def test_a_plot_shows_what_is_missing_as_a_gap():
    tile = tiny_photograph(1)
    drawn = [series.Step(share, share / 2, found, [tile] * 3) for share, found in ((1.0, 0.4), (0.9, None), (0.8, 0.3))]
    assert [line[1:] for line in series.lines_of("Narrow arteries", drawn)] == [
        ("0.500", "0.400"),
        ("0.450", "none"),
        ("0.400", "0.300"),
    ]
    plot = series.plot_of("Narrow arteries", drawn)
    assert "var(--model)" in plot
    assert "exact labels 0.50 to 0.40" in plot
    assert "as asked for" not in plot  # a share of the calibre is no ratio of arteries to veins
    assert "as asked for" in series.plot_of("Tortuosity", drawn)


# --- Enhancement -------------------------------------------------------------------------------------------------


def test_a_large_photograph_is_reduced_and_that_is_said(tmp_path):
    photograph, said = enhance.taken(put_photograph(tmp_path / "large.png", 1, 200, 4096))
    assert photograph.shape == (100, 2048, 3)
    assert said == "large.png, reduced to 2048 x 100 px"
    assert enhance.taken(put_photograph(tmp_path / "small.png", 1, 200, 300))[1] == "small.png, 300 x 200 px"
    (tmp_path / "none.png").write_bytes(b"MZ")
    with pytest.raises(ImageError, match=r"none\.png cannot be opened"):
        enhance.taken(tmp_path / "none.png")
    assert [enhance.longest_for(scale) * scale for scale in (1, 2, 4)] == [2048, 4096, 4096]


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_both_photographs_are_compared_at_the_same_place(scale):
    before = tiny_photograph(1, 500, 700)
    pair = Pair(before, enlarged(before, scale))
    side = 400 // scale
    for across, down, rows, columns in (
        (0, 0, slice(0, side), slice(0, side)),
        (100, 100, slice(500 - side, 500), slice(700 - side, 700)),
        (100, 0, slice(0, side), slice(700 - side, 700)),
    ):
        assert enhance.place(before.shape, across, down, scale) == (rows, columns)
        whole, enhanced, near, closer = (one.picture for one in enhance.compared(pair, across, down))
        assert whole.shape == before.shape
        assert enhanced.shape == pair.after.shape
        assert near.shape == closer.shape == (400, 400, 3)
        inside = slice(8, -8)  # of a piece alone, the edges are interpolated otherwise
        assert np.array_equal(near[inside, inside], closer[inside, inside])
        changed = (whole != before).any(axis=2)
        assert changed[rows, columns].sum() == changed.sum() > 0
        assert not changed[rows, columns][10:-10, 10:-10].any()
    assert before.shape == (500, 700, 3)
    assert np.array_equal(before, tiny_photograph(1, 500, 700))


def test_a_picture_smaller_than_a_close_up_is_shown_whole():
    assert enhance.place((170, 300, 3), 50, 50, 1) == (slice(0, 170), slice(0, 300))


def test_what_is_enhanced_says_so(enhancer):
    assert enhancer.metadata(2) | {"software": ""} == {
        "software": "",
        "enhanced_by": enhancer.name,
        "scale": "2",
        "warning": WARNING,
    }


def test_the_enhancer_is_the_one_that_is_named(styled_run, enhancer_folder, tmp_path, monkeypatch):
    got = []

    def run(_, enhancer, *__):
        got.append(enhancer.name)

    monkeypatch.setattr("retinasynth.studio.server.run", run)
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")  # put back afterwards
    for given in ("enhance", str(enhancer_folder)):
        serve([str(styled_run)], given, "127.0.0.1", 0, str)
    assert got == ["enhance", enhancer_folder.name]
    with pytest.raises(ModelError, match="nowhere"):
        serve([str(styled_run)], str(tmp_path / "nowhere"), "127.0.0.1", 0, str)
