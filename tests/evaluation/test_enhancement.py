"""The evaluation of an enhancer, with one that changes nothing: its figures are those of doing nothing."""

import json

import numpy as np
import pytest

from pictures import put_photograph
from retinasynth.anatomy.render.phantom import write_phantom_set
from retinasynth.enhancement.model import EnhancerConfig, EnhancerModel, save_enhancer
from retinasynth.enhancement.network import EnhancementNetwork
from retinasynth.enhancement.settings import EnhancerSettings
from retinasynth.errors import DataError
from retinasynth.evaluation import enhancement
from retinasynth.evaluation.classical import Method
from retinasynth.evaluation.enhancement import evaluate_enhancer, share_far_from
from retinasynth.evaluation.enhancement_results import TRIALS, EnhancementResult
from retinasynth.images import read_photograph


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """An enhancer that has learnt nothing."""
    folder = tmp_path_factory.mktemp("models") / "idle"
    settings = EnhancerSettings().with_overrides(["filters=8", "blocks=1"])
    save_enhancer(folder, EnhancerModel(EnhancementNetwork(settings.network), EnhancerConfig.of(settings, {})))
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Vessels by a threshold, one classical method instead of all; counts how often vessels are looked for."""
    looks = []

    def vessels(segmenter, picture, field):
        looks.append(segmenter.name)
        return (picture[..., 1] < np.median(picture[field][:, 1]) - 15) & field

    monkeypatch.setattr(enhancement, "_vessels", vessels)
    monkeypatch.setattr(
        enhancement, "chosen_method", lambda degradation, _: Method("black", lambda p: _black(p, degradation))
    )
    return looks


def _black(picture, degradation):
    return np.zeros((picture.shape[0] * degradation.scale, picture.shape[1] * degradation.scale, 3), np.uint8)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes") / "set"
    write_phantom_set(folder, train=1, test=2, size_px=257)
    return folder


def test_an_enhancer_that_changes_nothing_scores_as_doing_nothing(idle, eyes, quick, tmp_path):
    result = evaluate_enhancer(idle, eyes, tmp_path / "out")
    for trial in TRIALS:
        for measure in result.measures:
            assert result.difference(trial, "untouched", measure) == (0, 0, 0, 2)
        assert result.difference(trial, "classical", "psnr").low > 5
        assert "beats black on PSNR" in " ".join(result.said_of(trial))
        assert any("is not shown to differ from" in sentence for sentence in result.said_of(trial))
    assert set(result.measures) == {"psnr", "ssim", "dice", "invented", "lost"}
    assert set(quick) == {"judge"}
    assert len(quick) == 2 * (1 + 3 * len(TRIALS))
    assert result.estimate("x2", "untouched", "psnr").mean > result.estimate("x4", "untouched", "psnr").mean + 1
    assert "In no trial" in result.headline

    saved = json.loads((tmp_path / "out" / "enhancement.json").read_text())
    assert saved["trials"]["x4"]["measures"]["enhanced"]["psnr"]["n"] == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == len(TRIALS)
    assert "invent detail" in page
    panels = sorted(path.name for path in (tmp_path / "out" / "panels").iterdir())
    assert len(panels) >= 2
    crop = read_photograph(next((tmp_path / "out" / "crops").glob("*/vessels-denoise-clean.png")))
    assert crop.shape == (256, 256, 3)

    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text(lines[0] + lines[1][:50])
    again = evaluate_enhancer(idle, eyes, tmp_path / "out")
    assert again.pictures == result.pictures
    assert len(quick) == 3 * (1 + 3 * len(TRIALS))  # one photograph more
    with pytest.raises(DataError, match="begun with other"):
        evaluate_enhancer(idle, eyes, tmp_path / "out", longest_px=300)


def test_what_cannot_be_evaluated_is_refused(idle, quick, tmp_path):
    for side in ("train", "test"):
        put_photograph(tmp_path / "eyes" / side / "images" / f"{side}.png", height=255, width=300)
    with pytest.raises(DataError, match=r"is 255 x 300 px as it is compared.*at least 256 px"):
        evaluate_enhancer(idle, tmp_path / "eyes", tmp_path / "out")
    (tmp_path / "eyes" / "test" / "images" / "test.png").unlink()
    with pytest.raises(DataError, match="no test photograph"):
        evaluate_enhancer(idle, tmp_path / "eyes", tmp_path / "other")
    assert not quick


def line(name, subject, ours, theirs):
    """Of a picture whose enhanced figures are all `ours`, and those of both rivals `theirs`."""
    figures = {
        method: {"psnr": value, "ssim": value, "dice": None, "invented": value, "lost": value}
        for method, value in (("enhanced", ours), ("classical", theirs), ("untouched", theirs))
    }
    return {"name": name, "subject": subject, "clean_dice": None, "trials": dict.fromkeys(TRIALS, figures)}


def test_the_verdict_knows_which_way_is_better_and_counts_people():
    pictures = [line("a", "1", 0.5, 0.4), line("b", "1", 0.5, 0.4), line("c", "2", 0.6, 0.3)]
    result = EnhancementResult(pictures, dict.fromkeys(TRIALS, "median"), {})
    assert result.measures == ["psnr", "ssim", "invented", "lost"]  # nobody drew vessels
    assert result.difference("x2", "classical", "psnr").mean == pytest.approx(0.5 / 3)
    assert result.difference("x2", "classical", "psnr").low == pytest.approx(0.1)
    assert result.difference("x2", "classical", "psnr").high == pytest.approx(0.3)
    worse, *others = result.said_of("x2")
    assert worse.startswith("Super-resolution x2 is worse than median on Vessels invented, Vessels lost: difference")
    assert others[-1].startswith(
        "Super-resolution x2 beats bicubic on PSNR, SSIM: difference PSNR +0.17 (+0.10 to +0.30)"
    )
    assert result.headline.endswith("denoising, deblurring, enlarging x2, enlarging x4.")


def test_far_away_means_further_than_the_tolerance():
    line, other = np.zeros((2, 20, 20), np.bool_)
    line[10], other[13] = True, True
    assert share_far_from(line, other, 3) == 0
    assert share_far_from(line, other, 2.9) == 1
    assert share_far_from(line & False, other, 1) == 0
    assert share_far_from(line, other & False, 100) == 1
