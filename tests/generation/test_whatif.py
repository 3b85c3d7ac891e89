"""The same eye before and after one change."""

import json
from dataclasses import replace

import numpy as np
import pytest

from commands import fails
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.errors import InputError, SettingError
from retinasynth.eye import Eye
from retinasynth.eye.eye import LESIONS
from retinasynth.eye.label_map import read_label_map
from retinasynth.generation import whatif
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.whatif import Edit, what_if
from retinasynth.generation.whatif_files import write_what_if
from retinasynth.images import read_metadata, read_photograph, write_mask, write_photograph


@pytest.fixture(scope="module")
def model(styled_run):
    return load_generator(styled_run)


@pytest.fixture(scope="module")
def eye():
    return grow(7, 128, centred_on="disc", angle_deg=35, cup_to_disc=0.4)


def test_pictures_are_of_both_label_maps_and_their_change_between(model, eye, tmp_path):
    result = what_if(eye, Edit(cup=0.8), model, seed=3)
    assert np.array_equal(result.before.photograph, model.generate(eye, seed=3, size="mask"))
    assert not result.change.is_blended
    after = replace(result.after, photograph=None)
    assert np.array_equal(result.after.photograph, model.generate(after, seed=3, size="mask"))
    away = np.abs(result.before.photograph.astype(float) - result.after.photograph).mean(axis=2)
    field = eye.planes["fov"]
    assert result.change.inside == pytest.approx(away[field & result.region].mean(), rel=1e-9)
    assert result.change.outside == pytest.approx(away[field & ~result.region].mean(), rel=1e-9)
    assert result.change.region_share == pytest.approx((field & result.region).sum() / field.sum())
    changed = eye.planes["cup"] ^ result.after.planes["cup"]
    assert (changed <= result.region).all()
    rows, columns = np.nonzero(changed)
    far = [np.hypot(*(np.argwhere(result.region) - (row, column)).T) for row, column in zip(rows, columns, strict=True)]
    assert np.min(far, axis=0).max() <= result.change.margin_px + 1e-6
    write_what_if(result, tmp_path / "out")
    said = json.loads((tmp_path / "out" / "whatif.json").read_text())
    assert said["asked"] == {"cup": 0.8}
    assert set(said["changed"]["pixels"]) == {"cup"}
    assert said["changed"]["measures"]["cup_to_disc_vertical"]["after"] == pytest.approx(0.8, abs=0.06)
    assert "not a clinical prediction" in said["notice"]
    for name in ("before", "after", "difference", "panel"):
        assert "not a clinical prediction" in read_metadata(tmp_path / "out" / f"{name}.png")["Illustration"]
    assert np.array_equal(read_photograph(tmp_path / "out" / "after.png"), result.after.photograph)
    for side, shown in (("before", result.before), ("after", result.after)):
        written = read_label_map(tmp_path / "out" / f"labels-{side}", eye.name)
        assert np.array_equal(written.planes["cup"], shown.planes["cup"])


def test_what_changes_too_far_away_is_blended_and_both_are_measured(model, eye, monkeypatch):
    free = what_if(eye, Edit(cup=0.8), model, seed=3)
    monkeypatch.setattr(whatif, "GOAL", free.change.outside / 2)
    blended = what_if(eye, Edit(cup=0.8), model, seed=3)
    assert blended.change.is_blended
    assert blended.change.outside_unblended == free.change.outside
    assert blended.change.outside < free.change.outside
    assert blended.change.inside == pytest.approx(free.change.inside, rel=1e-9)
    assert np.array_equal(blended.after.photograph[blended.region], free.after.photograph[free.region])
    far = ~(np.abs(blended.after.photograph.astype(int) - blended.before.photograph).max(axis=2) > 0)
    assert far[eye.planes["fov"] & ~blended.region].mean() > 0.5


def test_the_bundled_generator_keeps_the_rest_of_the_eye():
    bundled = load_generator("fundus-512")
    eye = whatif.grown_eye(bundled, 7, "adult", {"centred_on": "disc", "cup_to_disc": 0.3})
    result = what_if(eye, Edit(cup=0.85), bundled, seed=1)
    assert result.change.outside < whatif.GOAL
    assert result.change.inside > 3 * result.change.outside


def test_a_photograph_lends_its_style_and_what_is_unknown_is_found_in_it(model, tmp_path):
    grown = grow(5, 256, centred_on="disc", cup_to_disc=0.4)
    write_photograph(tmp_path / "eye.png", phantom_photograph(grown, seed=5))
    write_mask(tmp_path / "mask.png", grown.planes["vessels"])
    given = whatif.photographed_eye(tmp_path / "eye.png", tmp_path / "mask.png")
    result = what_if(given, Edit(cup=0.8), model)
    assert result.found == ("cup", "disc", "fov")
    assert result.provenance["Style"] == "its own photograph"
    assert np.array_equal(result.before.planes["vessels"], grown.planes["vessels"])
    labels = replace(result.before, photograph=None)
    assert np.array_equal(
        result.before.photograph, model.generate(labels, seed=0, size="mask", style=tmp_path / "eye.png")
    )
    assert what_if(given, Edit(narrow=0.7), model).found == ("cup", "disc", "fov")


def test_unknown_planes_do_not_change_what_an_edit_does_not_touch(model, eye):
    apart = {plane: mask for plane, mask in eye.planes.items() if plane not in ("vessels", *LESIONS)}
    told = Eye("told", apart, geometry=eye.geometry)
    narrowed = what_if(told, Edit(narrow=0.6), model, seed=1)
    assert np.array_equal(narrowed.before.planes["vessels"], eye.planes["arteries"] | eye.planes["veins"])
    assert narrowed.assumed_empty == ()
    both = what_if(told, Edit(narrow=0.6, lesions="mild"), model, seed=1)
    assert both.assumed_empty == LESIONS
    some = Eye("some", {**apart, "haemorrhages": eye.planes["cup"]}, geometry=eye.geometry)
    removed = what_if(some, Edit(narrow=0.6, lesions="none"), model, seed=1)
    assert set(removed.assumed_empty) == set(LESIONS) - {"haemorrhages"}
    with pytest.raises(InputError, match="does not tell its lesions"):
        what_if(told, Edit(lesions="none"), model)


def test_impossible_edits_are_refused(model, eye):
    for make in (
        dict,
        lambda: {"cup": 0.96},
        lambda: {"cup": -0.1},
        lambda: {"lesions": "many"},
        lambda: {"narrow": 0.4},
        lambda: {"narrow": 1.0},
    ):
        with pytest.raises(SettingError):
            Edit(**make())
    with pytest.raises(InputError, match="Nothing changes in what"):  # this model draws no lesions
        what_if(eye, Edit(lesions="severe"), model)
    bare = Eye("bare", {"vessels": eye.planes["vessels"]})
    with pytest.raises(InputError, match="does not tell its disc"):
        what_if(bare, Edit(cup=0.5), model)


def test_the_command_from_the_seed_to_the_panel(styled_run, phantoms, tmp_path, monkeypatch, capfd):
    words = ["whatif", "--model", styled_run, "--eye", 7, "--anatomy", "centred_on=disc", "--cup", 0.8]
    cli.app([*map(str, words), "--out", str(tmp_path / "out")], standalone_mode=False)
    assert "not a clinical prediction" in " ".join(capfd.readouterr().out.split())
    for more, message in (
        (["whatif", "--model", styled_run, "--cup", 0.8], "--eye SEED, --data DIR"),
        ([*words, "--photo", "x.png"], "--eye SEED, --data DIR"),
        (["whatif", "--model", styled_run, "--eye", 7], "Nothing is to be changed"),
        (["whatif", "--model", styled_run, "--data", phantoms, "--cup", 0.8], "and none was chosen"),
        (["whatif", "--model", styled_run, "--photo", tmp_path / "no.png", "--cup", 0.8], "does not exist"),
        (words, "is not empty"),
    ):
        assert message in fails(monkeypatch, capfd, *more, "--out", tmp_path / "out")
