import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import retinasynth
from retinasynth.errors import ModelError
from retinasynth.models.saving import load_model
from retinasynth.synthesis import Synthesizer


def test_a_model_folder_needs_nothing_else(trained, tmp_path):
    """Moved away from its run, and loaded without a word about its settings."""
    shutil.copytree(trained / "model", tmp_path / "model")
    mask = np.eye(50, dtype=bool)
    from_run, alone = Synthesizer.load(trained), Synthesizer.load(tmp_path / "model")
    assert np.array_equal(from_run.generate(mask, seed=1), alone.generate(mask, seed=1))
    assert from_run.name == "undisturbed"


def test_the_card_says_where_the_model_comes_from(trained):
    config = load_model(trained / "model").config
    assert config.training["steps"] == 12
    assert config.training["eyes"] == 4
    assert config.training["weights"] == "exponential moving average, decay 0.9"
    card = (trained / "model" / "README.md").read_text()
    assert "steps: 12" in card
    assert "retinasynth generate --model" in card


def change_config(**values):
    def change(model: Path) -> None:
        config = json.loads((model / "config.json").read_text()) | values
        (model / "config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: (model / "model.safetensors").unlink(), r"has no model\.safetensors"),
        (lambda model: (model / "config.json").unlink(), r"has no config\.json"),
        (shutil.rmtree, r"is missing.*a model folder or a run folder"),
        (lambda model: (shutil.rmtree(model), model.write_text("x")), "is a file"),
        (lambda model: (model / "config.json").write_text('{"architectures": ["Bert"]}'), "not of a retinasynth model"),
        (lambda model: (model / "config.json").write_text("{"), "cannot be read"),
        (change_config(format_version=99), "format version 99"),
        (change_config(extra=1), "incomplete or foreign"),
        (change_config(generator={"filters": 8, "depth": 3, "dropout": 0}), "does not hold the weights"),
        (lambda model: (model / "model.safetensors").write_bytes(b"x" * 500), "does not hold the weights"),
        (
            lambda model: (model / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:-9]),
            "does not hold the weights",
        ),
    ],
)
def test_a_damaged_model_says_what_is_wrong(damage, message, trained, tmp_path):
    shutil.copytree(trained / "model", tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ModelError, match=message):
        Synthesizer.load(tmp_path / "model")


def test_a_run_without_a_model_yet_says_so(tmp_path):
    (tmp_path / "config.yaml").touch()
    with pytest.raises(ModelError, match=r"has not saved a model yet.*--resume"):
        Synthesizer.load(tmp_path)


def test_no_pickle_is_ever_loaded():
    """Neither pickle, nor torch.load and torch.save, nor numpy with pickles, anywhere in the package."""
    for path in Path(retinasynth.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not modules & {"pickle", "joblib", "shelve", "marshal"}, path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path
