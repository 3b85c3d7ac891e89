import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import retinasynth
from pictures import tiny_mask
from retinasynth.anatomy.grow import grow
from retinasynth.errors import ModelError, OutputError
from retinasynth.eye.style import NUMBERS
from retinasynth.generation.generator import load as load_generator
from retinasynth.images import mask_as_photograph
from retinasynth.networks.layers import initialise
from retinasynth.networks.unet import UNetGenerator
from retinasynth.pix2pix.model import load_model, save_model
from retinasynth.pix2pix.network import build_generator
from retinasynth.pix2pix.photograph import generate_photograph
from retinasynth.pix2pix.settings import GeneratorSettings, Settings
from retinasynth.styled.model import load_model as load_styled
from retinasynth.styled.model import release
from retinasynth.training.bundled import GENERATORS, HERE, model_folder

SETTINGS = Settings().with_overrides(
    ["size_px=32", "mask_channels=1", "depth=5", "generator.filters=4", "licence=CC BY 4.0", "training.seed=11"]
)


def network() -> UNetGenerator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = build_generator(SETTINGS.data.mask_channels, SETTINGS.data.size_px, SETTINGS.generator)
        initialise(made, "he")  # far from grey, so that pictures differ visibly
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", network(), SETTINGS, {"steps": 12, "data": "procedural"})
    return tmp_path / "model"


def config_of(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return values


def put_config(folder: Path, **changes: Any) -> None:
    values = config_of(folder) | changes
    (folder / "config.json").write_text(
        json.dumps({name: value for name, value in values.items() if value is not None})
    )


# --- Saving and loading ---


def test_a_loaded_model_makes_the_same_photographs(folder: Path) -> None:
    loaded, mask = load_model(folder), tiny_mask(0)
    for seed in (0, 5):
        expected = generate_photograph(network(), mask[..., None], channels=1, seed=seed)
        np.testing.assert_array_equal(
            generate_photograph(loaded.network, mask[..., None], channels=1, seed=seed), expected
        )
        assert expected.std() > 5
    assert not loaded.network.training


def test_a_saved_model_has_exactly_its_three_files(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    stored, expected = load_file(folder / "model.safetensors"), network().state_dict()
    assert stored.keys() == expected.keys()
    assert all(torch.equal(stored[name], tensor) for name, tensor in expected.items())


def test_the_configuration_holds_all_that_loading_needs(folder: Path) -> None:
    config = load_model(folder).config
    assert (config.size_px, config.mask_channels, config.preset) == (32, 1, "source")
    assert config.generator == GeneratorSettings(filters=4, depth=5, dropout=0.5)
    assert config.training == {"steps": 12, "data": "procedural", "licence": "CC BY 4.0", "seed": 11}
    assert config.retinasynth_version == retinasynth.__version__
    values = config_of(folder)
    assert (values["format"], values["format_version"]) == ("retinasynth-model", 1)
    assert set(values["conventions"]) == {"input", "output", "generation"}


def test_a_model_remembers_how_other_shapes_became_square(folder: Path, tmp_path: Path) -> None:
    assert load_model(folder).config.resize == "stretch"
    save_model(tmp_path / "boxed", network(), SETTINGS.with_overrides(["resize=letterbox"]), {})
    assert load_model(tmp_path / "boxed").config.resize == "letterbox"
    assert "square by: letterbox" in (tmp_path / "boxed" / "README.md").read_text()
    put_config(folder, resize=None)  # as models were written before there was a choice
    assert load_model(folder).config.resize == "stretch"


def test_the_model_card_names_data_licence_and_limits(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert all(text in card for text in ("steps: 12", "data: procedural", "licence: CC BY 4.0", "not for diagnosis"))
    assert "32 x 32 pixels" in card


def test_channels_last_weights_are_saved_as_they_are(tmp_path: Path) -> None:
    other = network().to(memory_format=torch.channels_last)
    save_model(tmp_path, other, SETTINGS, {})
    mask = tiny_mask(0)
    expected = generate_photograph(network(), mask[..., None], channels=1, seed=0)
    np.testing.assert_array_equal(
        generate_photograph(load_model(tmp_path).network, mask[..., None], channels=1, seed=0), expected
    )


def test_saving_again_replaces_the_model(folder: Path) -> None:
    changed = network()
    with torch.no_grad():
        changed.output[0].bias += 1
    save_model(folder, changed, SETTINGS, {})
    assert torch.equal(load_model(folder).network.output[0].bias, changed.output[0].bias)


def test_a_model_cannot_be_saved_where_a_file_stands(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_model(tmp_path / "taken" / "model", network(), SETTINGS, {})


# --- What is refused ---


def truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def widen(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["output.0.bias"] = torch.zeros(4)
    save_file(tensors, file)


def drop_tensor(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    del tensors["output.0.bias"]
    save_file(tensors, file)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def config_is(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_bytes(content)


def config_has(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: put_config(folder, **changes)


BAD_WEIGHTS = r"model\.safetensors does not hold the weights that config.json describes"
BAD_CONFIG = r"config\.json is incomplete or foreign"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (without("config.json"), r"has no config\.json\. .*retinasynth train"),
    "no weights": (without("model.safetensors"), r"has no model\.safetensors\. .*retinasynth train"),
    "cut weights": (truncate, rf"{BAD_WEIGHTS} \(.*incomplete.*\)\. Copy the model folder again"),
    "empty weights": (empty, rf"{BAD_WEIGHTS} \(.+\)\. Copy the model folder again"),
    "weights of another shape": (
        widen,
        rf"{BAD_WEIGHTS} \(output\.0\.bias is F32 \(4,\) instead of F32 or F16 \(3,\)\)\. Copy",
    ),
    "a missing tensor": (drop_tensor, rf"{BAD_WEIGHTS} \(output\.0\.bias is missing\)\. Copy"),
    "other mask channels": (config_has(mask_channels=3), rf"{BAD_WEIGHTS} \(.*encoder\.0\.convolution\.weight"),
    "cut config": (config_is(b"{"), r"config\.json cannot be read .*Expected: JSON"),
    "config in UTF-16": (config_is(b"\xff\xfe{"), r"config\.json cannot be read .*Expected: JSON"),
    "a list as config": (config_is(b"[]"), r"config\.json holds list\. Expected: JSON written by"),
    "foreign config": (
        config_is(b'{"model_type": "bert"}'),
        r'config\.json is not of a retinasynth model\. Expected: "format": "retinasynth-model"',
    ),
    "impossible size": (config_has(size_px=48), r"is incomplete or foreign \(.*needs a multiple of"),
    "later version": (config_has(format_version=2), r"has format version 2\. Expected: version 1\. Use the version"),
    "no version": (config_has(format_version=None), r"has format version None\. Expected: version 1"),
    "unknown key": (config_has(colour="red"), rf"{BAD_CONFIG} \(colour: "),
    "missing key": (config_has(size_px=None), rf"{BAD_CONFIG} \(size_px: "),
    "unknown inner key": (config_has(generator={"width": 3}), rf"{BAD_CONFIG} \(generator\.width: "),
    "impossible value": (config_has(generator={"depth": 99}), rf"{BAD_CONFIG} \(generator\.depth: "),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_or_foreign_model_is_refused(folder: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=rf"^{folder}.*{says}"):
        load_model(folder)


def test_what_is_no_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere is missing\. Expected: a model folder or a run folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"nowhere does not exist\. Expected: a folder, or one of: fundus-512"):
        load_generator(tmp_path / "nowhere")
    for load in (load_model, load_generator):
        with pytest.raises(ModelError, match=r"safetensors is a file\. Expected: a model folder"):
            load(folder / "model.safetensors")
        with pytest.raises(ModelError, match=r"has no config\.json and no model\.safetensors"):
            load(tmp_path)


# --- From a run folder ---


def test_a_run_folder_stands_for_its_model(folder: Path) -> None:
    run = folder.parent
    (run / "config.yaml").write_text(SETTINGS.to_yaml())
    by_run, by_model = load_generator(run), load_generator(folder)
    assert (by_run.name, by_model.name) == (run.name, "model")
    mask = tiny_mask(3)
    np.testing.assert_array_equal(by_run.generate(mask, seed=2), by_model.generate(mask, seed=2))


def test_a_run_without_a_model_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SETTINGS.to_yaml())
    with pytest.raises(ModelError, match=rf"has not saved a model yet\. Go on with: .*--resume {tmp_path}"):
        load_generator(tmp_path)


def test_one_seed_makes_one_picture_alone_or_in_a_list(folder: Path) -> None:
    model, mask = load_generator(folder), tiny_mask(0)
    alone = model.generate(mask, seed=3)
    first, second = model.generate([mask, tiny_mask(1)], seed=3)
    np.testing.assert_array_equal(first, alone)
    assert not np.array_equal(second, alone)
    np.testing.assert_array_equal(model.generate(mask_as_photograph(mask), seed=3), alone)
    np.testing.assert_array_equal(model.generate(mask.astype(np.uint8), seed=3), alone)
    assert model.generate(mask, seed=3, size=48).shape == (48, 48, 3)


# --- The house rule: no pickle ---


def pickles_in(source: str) -> list[str]:
    """Names in a source text that read or write pickles."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.append(f"allow_pickle={ast.unparse(node.value)}")
    forbidden = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "allow_pickle=True"}
    forbidden |= {f"{base}.{verb}" for base in ("torch", "fabric") for verb in ("load", "save")}
    return sorted(forbidden & set(found))


def test_no_pickle_is_read_or_written_anywhere() -> None:
    files = sorted(Path(retinasynth.__file__).parent.rglob("*.py"))
    assert len(files) > 20
    found = {file.name: names for file in files if (names := pickles_in(file.read_text(encoding="utf-8")))}
    # The ImageNet weights of an extra come as a .pth: torch's reader of tensors alone, which builds nothing else.
    assert found == {"features.py": ["torch.load"]}
    features = next(file for file in files if file.name == "features.py").read_text(encoding="utf-8")
    assert features.count("torch.load(") == features.count("weights_only=True)") == 1


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import torch\n    return torch.load('x', weights_only=True)",
        "from torch import save",
        "np.load('x', allow_pickle=True)",
        "fabric.load(path)",
    ],
)
def test_the_rule_would_notice_a_pickle(source: str) -> None:
    assert pickles_in(source)


def test_a_released_model_is_half_as_large_and_makes_nearly_the_same(styled_run, tmp_path):
    release(styled_run / "model", tmp_path / "released", "\n## Measured\n\nNothing yet.\n")
    whole, half = (folder / "model.safetensors" for folder in (styled_run / "model", tmp_path / "released"))
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    eye = grow(3, 64)
    ours, theirs = (load_generator(folder.parent).generate(eye, seed=1).astype(int) for folder in (half, whole))
    assert np.abs(ours - theirs).mean() < 0.5
    card = (tmp_path / "released" / "README.md").read_text()
    assert card.endswith("Nothing yet.\n")
    assert "not for diagnosis" in card


def test_a_model_of_other_styles_says_that_it_is_to_be_trained_again(styled_run, tmp_path):
    shutil.copytree(styled_run / "model", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["style_numbers"] == NUMBERS
    del config["style_numbers"]  # as models had it when a style was 40 numbers
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=rf"styles of 40 numbers.*{NUMBERS}, as this version.*Train it again"):
        load_styled(tmp_path / "model")


def test_the_bundled_generator_is_there_by_name_and_small():
    folder = model_folder("fundus-512", bundled=GENERATORS)
    assert (folder / "model.safetensors").stat().st_size < 15_000_000
    model = load_generator("fundus-512")
    assert model.config.preset == "fundus-512"
    assert "CC BY 4.0" in model.config.training["licence"]
    eye = grow(7, 512)
    photograph = model.generate(eye, seed=1)
    assert photograph.shape == (512, 512, 3)
    assert photograph[~eye.planes["fov"]].max() == 0
    inside = photograph[eye.planes["fov"]].astype(float)
    red, green, blue = inside.mean(axis=0)
    assert red > green > blue
    vessels, around = (photograph[..., 1][mask].mean() for mask in (eye.planes["vessels"], eye.planes["fov"]))
    assert vessels < 0.95 * around
    total = sum(file.stat().st_size for file in HERE.rglob("*") if file.is_file())
    assert total < 30_000_000
