"""Synthetic sets: grown eyes, photographed by a generator."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from commands import fails
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import InputError, ModelError, OutputError, SettingError
from retinasynth.eye import PLANES
from retinasynth.eye.label_map import read_label_map
from retinasynth.files import sha256_of
from retinasynth.generation import sets as sampling
from retinasynth.generation.generator import load as load_generator
from retinasynth.generation.sets import SyntheticSet, rank_and_world, write_synthetic_set
from retinasynth.images import read_metadata


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def wanted(styled_run):
    return SyntheticSet(str(styled_run), seed=5, size_px=96, preset="diabetic", parameters={"cup_to_disc": 0.6})


@pytest.fixture(scope="module")
def undisturbed(wanted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "set"
    assert write_synthetic_set(folder, 3, wanted, workers=1) == 0
    return folder


def test_any_number_of_workers_makes_the_same_files(undisturbed, wanted, tmp_path):
    write_synthetic_set(tmp_path / "set", 3, wanted, workers=2)
    assert contents(tmp_path / "set") == contents(undisturbed)


def test_parts_written_apart_are_the_whole_set(undisturbed, wanted, tmp_path, monkeypatch):
    for rank in (1, 0):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert rank_and_world() == (rank, 2)
        assert write_synthetic_set(tmp_path / "set", 3, wanted, workers=1, shard=rank_and_world()) == 0
    whole, parts = contents(undisturbed), contents(tmp_path / "set")
    lines = [parts[f"manifest-{rank}-of-2.jsonl"].decode().splitlines() for rank in (0, 1)]
    assert [lines[0][0], lines[1][0], lines[0][1]] == whole["manifest.jsonl"].decode().splitlines()
    pictures = {name for name in whole if "/" in name}
    assert all(parts[name] == whole[name] for name in pictures)
    assert write_synthetic_set(tmp_path / "set", 5, wanted, workers=1, shard=(0, 2)) == 2
    for other, shard in ((replace(wanted, preset="child"), (1, 2)), (wanted, (0, 3)), (wanted, (0, 1))):
        with pytest.raises(OutputError, match=r"made with another (preset|parts)"):
            write_synthetic_set(tmp_path / "set", 3, other, workers=1, shard=shard)
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(SettingError, match="RANK=2 and WORLD_SIZE=2"):
        rank_and_world()


def test_grades_of_a_set_are_found(undisturbed, wanted, tmp_path):
    assert not (undisturbed / "grades.csv").exists()
    graded = replace(wanted, parameters={"retinopathy_grade": "2"})
    write_synthetic_set(tmp_path / "set", 2, graded, workers=1)
    write_synthetic_set(tmp_path / "parts", 2, graded, workers=1, shard=(1, 2))
    assert [files.grade for files in find_eyes(tmp_path / "set").eyes] == [2, 2]
    assert [files.grade for files in find_eyes(tmp_path / "parts").eyes] == [2]


def test_a_set_goes_on_where_it_stopped(undisturbed, wanted, tmp_path):
    folder = tmp_path / "set"
    write_synthetic_set(folder, 2, wanted, workers=1)
    manifest = folder / "manifest.jsonl"
    first, second = manifest.read_text().splitlines(keepends=True)
    manifest.write_text(first + second[:30])  # killed while it wrote the second line
    assert write_synthetic_set(folder, 3, wanted, workers=1) == 1
    assert contents(folder) == contents(undisturbed)
    with pytest.raises(OutputError, match="made with another seed"):
        write_synthetic_set(folder, 3, replace(wanted, seed=6), workers=1)


def test_a_set_holds_grown_eyes_with_all_labels_and_their_photographs(undisturbed, styled_run):
    eyes = find_eyes(undisturbed).eyes
    assert [eye.name for eye in eyes] == ["synthetic_000005", "synthetic_000006", "synthetic_000007"]
    eye, grown = read_eye(eyes[1]), grow(6, 96, people="diabetic", cup_to_disc=0.6, aperture="round")
    assert eye.planes.keys() == set(PLANES)
    for plane, mask in grown.planes.items():
        np.testing.assert_array_equal(eye.planes[plane], mask)
    np.testing.assert_array_equal(eye.photograph, load_generator(styled_run).generate(grown, seed=6, size="mask"))
    assert read_label_map(undisturbed, eye.name).geometry == grown.geometry


def test_fields_of_view_are_of_several_shapes_unless_one_is_asked_for(wanted):
    drawn = [wanted.parameters_of(seed)["aperture"] for seed in range(200)]
    assert 80 < drawn.count("cut") < 120
    assert drawn.count("round") == 200 - drawn.count("cut")
    assert {replace(wanted, apertures=("tabbed",)).parameters_of(seed)["aperture"] for seed in range(5)} == {"tabbed"}
    asked = replace(wanted, parameters={"aperture": "round"})
    assert {asked.parameters_of(seed)["aperture"] for seed in range(20)} == {"round"}


def test_the_manifest_and_the_pictures_say_where_they_come_from(undisturbed):
    lines = [json.loads(line) for line in (undisturbed / "manifest.jsonl").read_text().splitlines()]
    assert [line["seed"] for line in lines] == [5, 6, 7]
    line = lines[0]
    assert line["style"] == "sampled"
    assert line["parameters"]["cup_to_disc"] == 0.6
    assert line["biomarkers"]["cup_to_disc_vertical"] == pytest.approx(0.6, abs=0.1)
    assert line["sha256"]["images"] == sha256_of(undisturbed / "images" / "synthetic_000005.png")
    said = read_metadata(undisturbed / "images" / "synthetic_000005.png")
    assert "not for diagnosis" in said["Synthetic"]
    assert said["Seed"] == "5"


def test_eyes_without_their_vessels_are_kept_out_and_counted(wanted, tmp_path, monkeypatch):
    scores = iter([0.9, 0.3, 0.8])
    monkeypatch.setattr(sampling, "_found_again", lambda _: next(scores))
    write_synthetic_set(tmp_path / "set", 3, replace(wanted, min_structure=0.7), workers=1)
    lines = [json.loads(line) for line in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()]
    assert [line["structure"] for line in lines] == [0.9, 0.3, 0.8]
    assert ["rejected" in line for line in lines] == [False, True, False]
    assert len(find_eyes(tmp_path / "set").eyes) == 2


def test_vessels_are_looked_for_in_the_photograph():
    grown = grow(3, 256)
    drawn = np.full((256, 256, 3), (180, 90, 40), np.uint8)
    drawn[grown.planes["vessels"]] = (90, 25, 15)
    drawn[~grown.planes["fov"]] = 0
    empty = np.where(grown.planes["fov"][..., None], np.uint8([180, 90, 40]), np.uint8(0))
    seen, unseen = (sampling._found_again(replace(grown, photograph=picture)) for picture in (drawn, empty))
    assert seen > 0.6
    assert unseen < 0.2
    assert sampling._found_again(replace(grown, photograph=0 * drawn)) == 0


def test_a_model_trained_anew_in_its_folder_is_the_one_that_is_used(styled_run, wanted, tmp_path):
    shutil.copytree(styled_run, tmp_path / "run")
    own = replace(wanted, model=str(tmp_path / "run"))
    write_synthetic_set(tmp_path / "first", 1, own, workers=1)
    file = tmp_path / "run" / "model" / "model.safetensors"
    save_file({name: 1.5 * tensor for name, tensor in load_file(file).items()}, file)
    write_synthetic_set(tmp_path / "second", 1, own, workers=1)
    first, second = (read_eye(find_eyes(tmp_path / name).eyes[0]).photograph for name in ("first", "second"))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"min_structure": 1.5}, SettingError, "min_structure is 1.5"),
        ({"preset": "martian"}, SettingError, "martian"),
        ({"style": "sepia"}, InputError, "no style 'sepia'"),
        ({"model": "nowhere"}, ModelError, "nowhere"),
        ({"model": str(Path(__file__).parent)}, ModelError, "has no config.json and no model.safetensors"),
    ],
)
def test_impossible_wishes_leave_nothing_behind(wanted, tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        write_synthetic_set(tmp_path / "set", 2, replace(wanted, **change))
    assert not (tmp_path / "set").exists()


def test_the_command(styled_run, tmp_path, monkeypatch, capfd):
    out = tmp_path / "set"
    words = (
        "generate",
        "--model",
        styled_run,
        "--count",
        2,
        "--out",
        out,
        "--workers",
        1,
        "--anatomy",
        "cup_to_disc=0.5",
    )
    monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert "2 eyes" in capfd.readouterr().out
    assert read_eye(find_eyes(out).eyes[0]).size == (64, 64)
    assert "Nothing, or too much" in fails(monkeypatch, capfd, *words, "--masks", out)
    assert "where there are no masks" in fails(monkeypatch, capfd, *words, "--size", "mask")


def test_a_model_without_styles_cannot(trained, tmp_path):
    with pytest.raises(InputError, match="follows no style"):
        write_synthetic_set(tmp_path / "set", 1, SyntheticSet(str(trained)))
