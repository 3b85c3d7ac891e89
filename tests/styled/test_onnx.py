"""Styled generators as ONNX files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from retinasynth import cli
from retinasynth.errors import InputError, OutputError
from retinasynth.eye.camera import Camera
from retinasynth.eye.style import NUMBERS
from retinasynth.generation.generator import load as load_generator
from retinasynth.styled.photograph import drawn_noise

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def model(styled_run):
    return load_generator(styled_run)


@pytest.fixture(scope="module")
def exported(styled_run, tmp_path_factory):
    file = tmp_path_factory.mktemp("export") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        words = ("export", "--model", styled_run, "--out", file)
        patch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
    assert left.value.code == 0
    return file


@pytest.mark.parametrize(("size", "batch"), [(64, 1), (96, 3), (128, 2)])
def test_it_makes_the_same_pictures_at_any_size(exported, model, size, batch):
    random = np.random.default_rng(size)
    network = model.network.float().eval()
    labels = np.sign(random.standard_normal((batch, 4, size, size))).astype(np.float32)
    style = random.normal(0, 0.2, (batch, NUMBERS)).astype(np.float32)
    detail = np.linspace(1, 0, batch, dtype=np.float32)[:, None]
    noise = [np.repeat(layer, batch, axis=0) for layer in drawn_noise(network.noise_sizes(size), seed=1)]
    named = {f"noise_{number}": layer for number, layer in enumerate(noise)}
    session = onnxruntime.InferenceSession(exported)
    (ours,) = session.run(None, {"labels": labels, "style": style, "detail": detail, **named})
    with torch.inference_mode():
        given = map(torch.from_numpy, (labels, style, detail))
        theirs = network(*given, [torch.from_numpy(layer) for layer in noise]).numpy()
    assert np.abs(ours - theirs).max() < 1e-3
    assert ours.std() > 0.01


def test_it_says_what_is_needed_to_use_it(exported, model):
    about = onnxruntime.InferenceSession(exported).get_modelmeta().custom_metadata_map
    assert json.loads(about["planes"]) == ["fov", "vessels", "disc", "cup"]
    styles = np.array(json.loads(about["styles"]))
    np.testing.assert_allclose(styles, model.network.styles.numpy(), atol=1e-4)
    assert tuple(Camera.model_validate(one) for one in json.loads(about["cameras"])) == model.config.cameras
    assert "not for diagnosis" in about["warning"]


def test_the_documented_program_runs_without_torch(exported, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    program, _ = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "fundus-512.onnx").write_bytes(exported.read_bytes())
    check = "import sys\nsys.modules['torch'] = None\n"  # importing it fails
    check += program + "\nassert photograph.shape == (size, size, 3)\nassert photograph[~inside].max() == 0\n"
    check += "assert photograph[inside].std() > 1\n"
    subprocess.run([sys.executable, "-c", check], cwd=tmp_path, check=True)


def test_what_cannot_be_exported_is_refused(model, trained, exported, tmp_path):
    with pytest.raises(OutputError, match="not an ONNX file"):
        model.export_onnx(tmp_path / "model.pt")
    with pytest.raises(OutputError, match="exists already"):
        model.export_onnx(exported)
    with pytest.raises(InputError, match="follows no style"):
        load_generator(trained).export_onnx(tmp_path / "plain.onnx")
