"""What release 0.1 wrote is read: settings, model folders and runs, which held names of both kinds of generators."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import retinasynth as rs
from pictures import tiny_mask
from retinasynth.errors import SettingError
from retinasynth.generation.train import settings_from_file, settings_of_preset
from retinasynth.settings import flat
from runs import assert_same_run

BESIDE = {  # what 0.1 wrote of a generator to which it meant nothing
    "source": {
        "data": {"plane_dropout": 0.0, "cup_variation": 0.0, "lesion_lending": 0.0},
        "discriminator": {"scales": 1, "crop_px": 256},
        "loss": {
            "feature_weight": 0.0,
            "texture_weight": 0.0,
            "lesion_weight": 0.0,
            "cup_weight": 0.0,
            "expected_share": 0.25,
        },
        "training": {"start_from": ""},
    },
    "few-shot": {
        "data": {"resize": "frame", "mask_channels": 1, "appearance": "own"},
        "generator": {"dropout": 0.0},
    },
}


def as_written(settings: str, beside: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    values = yaml.safe_load(settings)
    for section, more in beside.items():
        values[section] |= more
    return values


@pytest.mark.parametrize("preset", BESIDE)
def test_settings_are_read(preset: str, tmp_path: Path) -> None:
    usual = settings_of_preset(preset)
    values = as_written(usual.to_yaml(), BESIDE[preset])
    assert values != yaml.safe_load(usual.to_yaml())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    assert settings_from_file(tmp_path / "config.yaml") == usual
    name = next(f"{section}.{name}" for section, more in BESIDE[preset].items() for name in more)
    with pytest.raises(SettingError, match="There is no setting"):  # which 0.1 took and passed over
        usual.with_overrides([f"{name}=1"])


def test_the_kind_of_a_file_without_a_preset_is_that_of_its_architecture(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("generator: {architecture: styled}")
    assert settings_from_file(tmp_path / "a.yaml").generator.architecture == "styled"
    (tmp_path / "b.yaml").write_text("generator: {architecture: resize}")
    assert settings_from_file(tmp_path / "b.yaml").generator.architecture == "resize"


@pytest.mark.parametrize(
    ("made", "beside"),
    [
        ("trained", {"styles": 0, "style_numbers": 45}),
        ("styled_run", {"resize": "frame", "mask_channels": 1}),
    ],
)
def test_model_folders_are_read(made, beside, tmp_path, request):
    run = request.getfixturevalue(made)
    folder = shutil.copytree(run / "model", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    assert not beside.keys() & config.keys()
    config["generator"] |= {"dropout": config["generator"].get("dropout", 0.0)}
    (folder / "config.json").write_text(json.dumps(config | beside))
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors")  # 0.1 wrote no checksum
    expected = rs.load(run).generate(tiny_mask(1, 64, 64), seed=3)
    np.testing.assert_array_equal(rs.load(folder).generate(tiny_mask(1, 64, 64), seed=3), expected)


def test_a_run_is_gone_on_with(trained, tiny, phantoms, tmp_path):
    run = rs.train(phantoms, tmp_path / "run", preset="source", overrides=changes(tiny, "epochs=2"))
    values = as_written((run / "config.yaml").read_text(), BESIDE["source"])
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    file = run / "checkpoint" / "state.safetensors"
    with safe_open(file, "pt") as state:
        metadata = state.metadata()
    progress = json.loads(metadata["progress"])
    for section, more in BESIDE["source"].items():
        progress["settings"] |= {f"{section}.{name}": value for name, value in more.items()}
    for later in ("threads", "precision", "device"):
        del progress[later]
    save_file(load_file(file), file, {"format_version": metadata["format_version"], "progress": json.dumps(progress)})
    rs.resume(run, overrides=["epochs=3"])
    assert_same_run(run, trained)


def changes(settings, *more):
    usual = flat(settings_of_preset("source"))
    own = [f"{name}={value}" for name, value in flat(settings).items() if usual[name] != value]
    return [*(one for one in own if not one.startswith("training.epochs")), *more]


def test_a_label_map_is_completed_where_it_can_be(trained):
    eye = rs.grow(3, 512)
    bare = rs.Eye("bare", {plane: eye.planes[plane] for plane in ("vessels", "fov")})
    model = rs.load("fundus-512")
    whole = rs.complete(bare, model)
    assert whole.planes.keys() - bare.planes.keys() == {"disc"}
    assert (whole.planes["disc"] & eye.planes["disc"]).sum() > 0.5 * eye.planes["disc"].sum()
    np.testing.assert_array_equal(model.generate(bare, seed=1), model.generate(whole, seed=1, complete=False))
    assert (model.generate(bare, seed=1) != model.generate(bare, seed=1, complete=False)).any()
    assert rs.complete(eye, model) is eye
    assert rs.complete(bare, rs.load(trained)) is bare
