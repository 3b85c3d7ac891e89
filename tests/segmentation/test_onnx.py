"""Segmenters as ONNX files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import retina

from retinasynth.errors import OutputError
from retinasynth.segmentation.model import SegmenterConfig, SegmenterModel
from retinasynth.segmentation.network import SegmentationNetwork
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.segmentation.use import Segmenter, segment

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def untrained(preset: str) -> Segmenter:
    settings = SegmenterSettings.from_preset(preset).with_overrides(["filters=4", "field_px=96", "crop_px=96"])
    torch.manual_seed(0)
    network = SegmentationNetwork(len(settings.data.planes), settings.network, settings.data.normalisation)
    thresholds = dict.fromkeys(settings.data.planes, 0.4)
    return Segmenter(SegmenterModel(network, SegmenterConfig.of(settings, thresholds, {})), preset)


@pytest.mark.parametrize("preset", ["vessels", "artery-vein", "disc-cup", "landmarks"])
def test_it_sees_the_same_in_any_number_of_pictures(preset, tmp_path):
    segmenter, file = untrained(preset), tmp_path / "model.onnx"
    segmenter.export_onnx(file)
    session = onnxruntime.InferenceSession(file)
    about = session.get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["planes"])) == segmenter.config.planes
    assert json.loads(about["thresholds"]) == segmenter.config.thresholds
    assert about["looks"] == segmenter.config.looks
    size = int(about["size_px"])
    network = segmenter.model.network.float().eval()
    for count in (1, 3):
        photographs = np.random.default_rng(count).random((count, 3, size, size), np.float32)
        fields = np.zeros((count, 1, size, size), np.float32)
        fields[..., 8:-8, 8:-8] = 1
        (ours,) = session.run(None, {"photographs": photographs, "fields": fields})
        with torch.inference_mode():
            theirs = torch.sigmoid(network(torch.from_numpy(photographs), torch.from_numpy(fields))).numpy()
        assert ours.shape == (count, len(segmenter.config.planes), size, size)
        assert np.abs(ours - theirs).max() < 1e-3
        assert ours.std() > 0.001


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        untrained("landmarks").export_onnx(file)
    assert file.read_text() == "mine"


def test_the_documented_program_segments_without_torch(tmp_path):
    Segmenter.load("vessels").export_onnx(tmp_path / "vessels.onnx")
    Image.fromarray(retina()).save(tmp_path / "eye.png")
    page = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    _, program = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    ends = 'import sys; assert "torch" not in sys.modules; np.save("found.npy", found["vessels"]); print(*frame)'
    run = [sys.executable, "-c", f"{program}\n{ends}"]
    said = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=300).stdout
    found = Image.fromarray(np.load(tmp_path / "found.npy"))
    left, top, right, bottom = map(int, said.split())
    ours = Image.fromarray(segment(retina(), models=["vessels"]).eye.planes["vessels"])
    ours = np.asarray(ours.crop((left, top, right, bottom)).resize(found.size))
    both = (ours & np.asarray(found)).sum()
    assert 2 * both / (ours.sum() + np.asarray(found).sum()) > 0.85
