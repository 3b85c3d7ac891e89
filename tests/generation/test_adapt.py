"""From photographs without labels to a generator of their camera."""

import shutil
import sys

import numpy as np
import pytest

from painted import MODELS, seen
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes
from retinasynth.errors import CheckpointError, DataError
from retinasynth.generation.adapt import adapt
from retinasynth.generation.generator import load as load_generator
from retinasynth.images import write_photograph
from retinasynth.segmentation import labelling
from runs import assert_same_run
from tiny import TINY

SMALL = [
    *(one for one in TINY if not one.startswith(("size_px=", "mask_channels=", "generator.dropout=", "epochs="))),
    "size_px=64",
    "start_from=",
    "discriminator.crop_px=32",
    "epochs=1",
]


@pytest.fixture(scope="module", autouse=True)
def _painted():
    """Segmenters find dark vessels and bright discs in procedural photographs, as in `test_labelling`."""

    def painted(photograph, *, models):
        assert [model.name for model in models] == ["vessels", "disc-cup"]
        return seen(photograph, models=MODELS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelling, "segment", painted)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Four photographs of grown eyes, and one that is black."""
    folder = tmp_path_factory.mktemp("photos") / "camera"
    for seed in range(60, 64):
        write_photograph(folder / f"eye_{seed}.png", phantom_eye(seed, 256).photograph)
    write_photograph(folder / "black.png", np.zeros((256, 256, 3), np.uint8))
    return folder


@pytest.fixture(scope="module")
def adapted(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("adapted") / "out"
    words = ["adapt", "--photos", photos, "--out", out, *(word for one in SMALL for word in ("--set", one))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
    assert left.value.code == 0
    return out


def test_it_says_how_many_cannot_be_used(photos, tmp_path, monkeypatch, capfd):
    words = ["adapt", "--photos", photos, "--out", tmp_path / "out", "--labels-only"]
    monkeypatch.setattr(sys, "argv", ["retinasynth", *map(str, words)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "1 of the photographs cannot be used, see" in " ".join(capfd.readouterr().out.split())


def test_a_name_with_brackets_in_a_list_of_any_editor_is_rejected(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "[camera]")
    adapt(tmp_path / "[camera]", tmp_path / "out", labels_only=True)
    reject = tmp_path / "out" / "labels" / "reject.txt"
    reject.write_text("[camera]-eye_60\r\n", encoding="utf-8-sig")
    adapt(tmp_path / "[camera]", tmp_path / "out", labels_only=True)
    kept = [eye.name for eye in find_eyes(tmp_path / "out" / "labels").eyes]
    assert kept == ["[camera]-eye_61", "[camera]-eye_62", "[camera]-eye_63"]
    reject.write_bytes(b"camera-\xe9\n")
    with pytest.raises(DataError, match=r"reject\.txt cannot be read .*names in UTF-8, one a line"):
        adapt(tmp_path / "[camera]", tmp_path / "out", labels_only=True)


def test_photographs_become_a_model_with_a_sheet_to_review(adapted):
    labelled = find_eyes(adapted / "labels")
    assert len(labelled.split("train")) == 4
    assert not labelled.split("test")
    assert "camera-black" in (adapted / "labels" / "rejected.csv").read_text()
    assert list((adapted / "labels" / "sheets").glob("*.jpg"))
    model = load_generator(adapted / "run")
    assert model.config.preset == "few-shot"
    assert model.generate(grow(9, 64)).shape == (64, 64, 3)


def test_run_again_it_trains_no_more(adapted, photos):
    before = (adapted / "run" / "metrics.jsonl").read_bytes()
    adapt(photos, adapted, overrides=SMALL)
    assert (adapted / "run" / "metrics.jsonl").read_bytes() == before


def test_a_training_that_was_killed_at_its_start_begins_anew(adapted, photos, tmp_path):
    out = shutil.copytree(adapted, tmp_path / "out")
    for name in ("checkpoint", "model"):
        shutil.rmtree(out / "run" / name)
    (out / "run" / "metrics.jsonl").unlink()
    adapt(photos, out, overrides=SMALL)
    assert_same_run(out / "run", adapted / "run")


def test_what_a_person_rejects_is_not_learnt(adapted, photos, tmp_path):
    shutil.copytree(adapted, tmp_path / "out")
    names = [eye.name for eye in find_eyes(adapted / "labels").eyes]
    (tmp_path / "out" / "labels" / "reject.txt").write_text("nobody")
    with pytest.raises(DataError, match=r"reject\.txt names nobody, which is no photograph"):
        adapt(photos, tmp_path / "out", overrides=SMALL)
    (tmp_path / "out" / "labels" / "reject.txt").write_text(f"{names[0]}.png\n")
    with pytest.raises(CheckpointError, match="was trained on other labels"):
        adapt(photos, tmp_path / "out", overrides=SMALL)
    assert adapt(photos, tmp_path / "out", overrides=SMALL, labels_only=True) == tmp_path / "out" / "run"
    with pytest.raises(CheckpointError, match="was trained on other settings"):
        adapt(photos, tmp_path / "out", overrides=[*SMALL, "learning_rate=0.1"])
    (tmp_path / "out" / "labels" / "reject.txt").write_text("\n".join([*names[:3], ""]))
    with pytest.raises(DataError, match="Only 1 of the photographs can be used"):
        adapt(photos, tmp_path / "out", overrides=SMALL)
    assert [eye.name for eye in find_eyes(tmp_path / "out" / "labels").eyes] == names[3:]
