import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from pictures import tiny_mask
from retinasynth.enhancement.model import EnhancerConfig, EnhancerModel, load_enhancer, save_enhancer
from retinasynth.enhancement.network import EnhancementNetwork, enhanced
from retinasynth.enhancement.settings import EnhancerSettings
from retinasynth.errors import ModelError
from retinasynth.eye.style import NUMBERS
from retinasynth.generation.generator import load as load_generator
from retinasynth.pix2pix.model import load_model, save_model
from retinasynth.pix2pix.network import build_generator
from retinasynth.pix2pix.photograph import generate_photograph
from retinasynth.pix2pix.settings import GeneratorSettings, Settings
from retinasynth.segmentation import train as segmentation
from retinasynth.segmentation.model import SegmenterConfig, SegmenterModel, load_segmenter, save_segmenter
from retinasynth.segmentation.network import SegmentationNetwork
from retinasynth.segmentation.predict import predict
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.styled import train as styled
from retinasynth.styled.model import load_model as load_styled
from retinasynth.styled.model import save_model as save_styled
from retinasynth.styled.network import StyledNetwork
from retinasynth.styled.photograph import generate_styled
from retinasynth.styled.settings import GeneratorSettings as StyledGeneratorSettings
from retinasynth.styled.settings import Settings as StyledSettings
from retinasynth.training import model_folder as folders
from retinasynth.training.bundled import ENHANCERS, GENERATORS, HERE, SEGMENTERS

SMALL_STYLED = ["size_px=32", "depth=3", "generator.filters=4", "discriminator.scales=1"]
SMALL = ["size_px=32", "mask_channels=1", "depth=3", "generator.filters=4"]


def make_generator(folder: Path, *overrides: str) -> nn.Module:
    settings = Settings().with_overrides([*SMALL, *overrides])
    network = build_generator(settings.data.label_channels, settings.data.size_px, settings.generator)
    save_model(folder, network, settings, {"steps": 3, "pairs": 4})
    return network


def make_styled(folder: Path) -> nn.Module:
    settings = StyledSettings.from_preset("fundus-512").with_overrides(SMALL_STYLED)
    network = StyledNetwork(1 + len(settings.data.planes), settings.generator, 5)
    network.start_from(torch.rand(5, NUMBERS))
    save_styled(folder, network, settings, {"pairs": 4, "known_planes": {"disc": 4}})
    return network


def make_segmenter(folder: Path, *overrides: str) -> nn.Module:
    settings = SegmenterSettings().with_overrides(["filters=2", *overrides])
    config = SegmenterConfig.of(settings, {"vessels": 0.5}, {"steps": 3})
    network = SegmentationNetwork(1, settings.network, settings.data.normalisation)
    for tensor in network.state_dict().values():  # as half precision holds it
        tensor.copy_(tensor.half() if tensor.is_floating_point() else tensor)
    save_segmenter(folder, SegmenterModel(network, config))
    return network


def make_enhancer(folder: Path) -> nn.Module:
    settings = EnhancerSettings().with_overrides(["filters=4", "blocks=1"])
    network = EnhancementNetwork(settings.network).half().float()
    save_enhancer(folder, EnhancerModel(network, EnhancerConfig.of(settings, {"steps": 3})))
    return network


KINDS: dict[str, tuple[Callable[[Path], nn.Module], Callable[[Path], Any]]] = {
    "unet": (make_generator, load_model),
    "resize": (lambda folder: make_generator(folder, "architecture=resize"), load_model),
    "styled": (make_styled, load_styled),
    "segmenter": (lambda folder: make_segmenter(folder, "network.norm=batch"), load_segmenter),
    "residual segmenter": (lambda folder: make_segmenter(folder, "architecture=residual"), load_segmenter),
    "pix2pix segmenter": (lambda folder: make_segmenter(folder, "architecture=pix2pix"), load_segmenter),
    "enhancer": (make_enhancer, load_enhancer),
}
of_every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def folder(tmp_path: Path, kind: str) -> Path:
    with redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        KINDS[kind][0](tmp_path / "model")
    return tmp_path / "model"


def load(folder: Path, kind: str) -> Any:
    return KINDS[kind][1](folder)


def change_tensor(folder: Path, change: Callable[[torch.Tensor], object], name: str = "") -> str:
    """Change the last tensor of weights, or one of that name, as whoever knows no checksum. Returns its name."""
    tensors = load_file(folder / "model.safetensors")
    name = name or max(name for name, tensor in tensors.items() if name.endswith("weight"))
    change(tensors[name])
    save_file(tensors, folder / "model.safetensors")
    return name


# --- What loading gives ---


@of_every_kind
def test_a_model_is_loaded_as_it_was_saved(folder: Path, kind: str, tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        expected = KINDS[kind][0](tmp_path / "again").state_dict()
        before = torch.random.get_rng_state()
        network = load(folder, kind).network
        assert torch.equal(torch.random.get_rng_state(), before)
    state = network.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        assert torch.equal(tensor, expected[name]), name
        assert tensor.dtype == expected[name].dtype
        assert tensor.is_contiguous()
    assert not network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert {tensor.device.type for tensor in [*network.parameters(), *network.buffers()]} == {"cpu"}


@of_every_kind
def test_a_loaded_model_does_not_hang_on_its_file(folder: Path, kind: str) -> None:
    network = load(folder, kind).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    file = folder / "model.safetensors"
    with file.open("r+b") as content:
        content.write(b"\xff" * file.stat().st_size)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@of_every_kind
def test_a_model_of_version_0_1_has_no_checksum_and_loads(folder: Path, kind: str) -> None:
    change_tensor(folder, lambda tensor: tensor.mul_(0.5))
    load(folder, kind)


@pytest.mark.parametrize("filters", [*range(1, 40), 100, 510, 511, 512])
@pytest.mark.parametrize("architecture", ["unet", "resize", "styled"])
def test_every_width_in_the_settings_is_a_network(architecture: str, filters: int) -> None:
    values = {"architecture": architecture, "filters": filters, "depth": 5}
    with torch.device("meta"):
        if architecture == "styled":
            network: nn.Module = StyledNetwork(2, StyledGeneratorSettings.model_validate(values), 1)
        else:
            network = build_generator(1, 32, GeneratorSettings.model_validate(values))
    assert sum(parameter.numel() for parameter in network.parameters()) > 100 * filters


# --- Damaged weights ---


@of_every_kind
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 2e4])
def test_weights_that_are_no_sane_numbers_are_refused_by_name(folder: Path, kind: str, value: float) -> None:
    name = change_tensor(folder, lambda tensor: tensor.view(-1)[-1:].fill_(value))
    with pytest.raises(ModelError, match=rf"model\.safetensors does not hold .*\({name} has values from .* Copy"):
        load(folder, kind)


@pytest.mark.parametrize("kind", ["segmenter"])
def test_variances_may_be_larger_than_weights(folder: Path, kind: str) -> None:
    name = "network.conv_0.conv_0.adn.N.running_var"
    change_tensor(folder, lambda tensor: tensor.fill_(6e4), name)
    load(folder, kind)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {name: torch.full_like(tensors[name].float(), 2e8)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=rf"\({name} has values from 2e\+08 to 2e\+08, beyond 1e\+08\)"):
        load(folder, kind)


def test_bundled_and_trained_weights_are_far_from_the_bounds(trained: Path) -> None:
    for folder in [*(HERE / name for name in (*GENERATORS, *SEGMENTERS, *ENHANCERS)), trained / "model"]:
        for name, tensor in load_file(folder / "model.safetensors").items():
            if tensor.is_floating_point():
                kept = any(part in name for part in ("running_", "styles", "mean", "deviation", "canvas"))
                most = folders.MOST_KEPT if kept else folders.MOST_WEIGHT
                assert tensor.float().abs().max() < most / 1000, name


@of_every_kind
def test_one_flipped_bit_anywhere_in_the_weights_is_noticed(folder: Path, kind: str) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    for place in np.random.default_rng(0).integers(begin, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"not as they were written: their checksum is another\)\. Copy"):
            load(folder, kind)
    file.write_bytes(whole)
    load(folder, kind)


@of_every_kind
def test_any_flipped_bit_of_the_header_is_refused_or_changes_nothing(folder: Path, kind: str) -> None:
    expected = load(folder, kind).network.state_dict()
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    for place in np.random.default_rng(1).integers(0, begin, 20):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(place) % 8
        file.write_bytes(damaged)
        try:
            state = load(folder, kind).network.state_dict()
        except ModelError:
            continue
        assert all(torch.equal(tensor, expected[name]) for name, tensor in state.items())


def test_weights_too_large_for_half_precision_are_kept_whole(tmp_path: Path) -> None:
    settings = SegmenterSettings().with_overrides(["filters=2", "network.norm=batch"])
    with redirect_stdout(io.StringIO()):
        network = SegmentationNetwork(1, settings.network, settings.data.normalisation)
    variances = network.network.conv_0.conv_0.adn.N.running_var
    variances.fill_(1e5)  # half precision ends at 65,504
    save_segmenter(tmp_path / "model", SegmenterModel(network, SegmenterConfig.of(settings, {"vessels": 0.5}, {})))
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert stored["network.conv_0.conv_0.adn.N.running_var"].dtype == torch.float32
    assert sum(tensor.dtype == torch.float32 for tensor in stored.values()) == 1
    loaded = load_segmenter(tmp_path / "model").network
    assert torch.equal(loaded.network.conv_0.conv_0.adn.N.running_var, variances)


# --- Answers that are no numbers ---


def test_a_network_that_gives_nan_is_an_error_and_no_black_picture(tmp_path: Path) -> None:
    answers = "answers with what is no finite number"
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    with redirect_stdout(io.StringIO()):
        models = {kind: (make(tmp_path / kind), load(tmp_path / kind)) for kind, (make, load) in KINDS.items()}
    for _, model in models.values():
        for parameter in model.network.parameters():
            parameter.data.fill_(torch.nan)
    for kind in ("unet", "resize"):
        with pytest.raises(ModelError, match=answers):
            generate_photograph(models[kind][1].network, tiny_mask(0)[..., None], channels=1, seed=0)
    labels, style = np.ones((10, 32, 32), np.float32), np.zeros(NUMBERS, np.float32)
    with pytest.raises(ModelError, match=answers):
        generate_styled(models["styled"][1].network, labels, style, detail=1, seed=0)
    with pytest.raises(ModelError, match=answers):
        enhanced(models["enhancer"][1].network, picture)
    for kind in ("segmenter", "residual segmenter"):
        with pytest.raises(ModelError, match=answers):
            predict(models[kind][1], picture)


# --- Files that cannot be read ---


@of_every_kind
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_of_a_model_that_cannot_be_read_is_one_clear_error(
    folder: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / name
    file.rename(folder / "aside")
    file.mkdir()
    with pytest.raises(ModelError, match=rf"{name} is no file\. Expected: a folder written by"):
        load(folder, kind)
    file.rmdir()
    file.symlink_to(folder / "nowhere")
    with pytest.raises(ModelError, match=rf"has no {name}"):
        load(folder, kind)
    file.unlink()
    (folder / "aside").rename(file)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refused)
        patch.setattr(folders, "safe_open", refused)
        with pytest.raises(ModelError, match=r"Permission denied"):
            load(folder, kind)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "safe_open", refused)
        with pytest.raises(ModelError, match=r"model\.safetensors .*Permission denied"):
            load(folder, kind)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_file", refused)
        with pytest.raises(ModelError, match=r"cannot be looked into \(Permission denied\)"):
            load_generator(folder)
        with pytest.raises(ModelError, match=r"cannot be looked into \(Permission denied\)"):
            load(folder, kind)


def test_a_name_that_no_file_can_have_is_one_clear_error() -> None:
    with pytest.raises(ModelError, match=r"cannot be looked into \(File name too long\)"):
        load_generator("x" * 5000)
    with pytest.raises(ModelError, match="does not exist"):
        load_generator("a\0b")


# --- Hostile configurations ---

HOSTILE: tuple[Any, ...] = (
    *(-1, 0, 1, 7, 2**31, 10**9, 10**12, 2**63, 10**300, 0.5, 1e308, True, None),
    *("", "x", "\ud800", "9" * 10_000, [], [[]], ["x"] * 10_000, {}, {"x": 1}, {"x": {"y": {"z": []}}}),
)


def places(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every value in a configuration, also the groups of them."""
    inside = [place for name, value in values.items() for place in places(value, (*path, name))] if isinstance(
        values, dict
    ) else []  # fmt: skip
    return [*([path] if path else []), *inside]


def with_value(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = path
    return values | {name: with_value(values[name], tuple(rest), value) if rest else value}


# Loads a folder under every configuration of a list, with little memory more than it took to load it as it was.
SCRIPT = """
import io, json, resource, sys, time
from contextlib import redirect_stdout
from pathlib import Path
from retinasynth.errors import ModelError
from retinasynth.enhancement.model import load_enhancer
from retinasynth.pix2pix.model import load_model as load_pix2pix
from retinasynth.segmentation.model import load_segmenter
from retinasynth.styled.model import load_model as load_styled

folder = Path(sys.argv[1])
loaders = {"unet": load_pix2pix, "resize": load_pix2pix, "styled": load_styled, "enhancer": load_enhancer}
load = loaders.get(sys.argv[2], load_segmenter)
answers, slowest = [], 0.0
with redirect_stdout(io.StringIO()):
    load(folder)
    used = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))
    for line in Path(sys.argv[3]).read_text().splitlines():
        (folder / "config.json").write_text(line)
        begin = time.monotonic()
        try:
            load(folder)
            answers.append("loaded")
        except ModelError as error:
            str(error).encode()
            answers.append("refused" if len(str(error)) < 1000 else "too long")
        except BaseException as error:
            answers.append(type(error).__name__)
        slowest = max(slowest, time.monotonic() - begin)
print(json.dumps([answers, slowest]))
"""


def under_each_configuration(folder: Path, kind: str, configurations: list[dict[str, Any]]) -> tuple[list[str], float]:
    """What comes of loading a folder with each instead of its own, in little memory, and the longest time it took."""
    file = folder.parent / "configurations"
    file.write_text("\n".join(map(json.dumps, configurations)))
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), kind, str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    answers, slowest = json.loads(ran.stdout)
    return answers, slowest


# Networks that the settings allow, and that no memory here holds; the file is of another.
LARGEST = {
    "unet": [{"generator": {"architecture": "unet", "filters": 512, "depth": 12}, "size_px": 4096}],
    "resize": [
        {"generator": {"architecture": "resize", "filters": 512, "depth": 12}, "size_px": 4096},
        {"size_px": 4096},
    ],
    "styled": [{"styles": 1_000_000}, {"generator": {"architecture": "styled", "filters": 512, "depth": 5}}],
    "segmenter": [{"network": {"architecture": "unet", "filters": 256}}],
    "residual segmenter": [{"network": {"architecture": "residual", "filters": 256}}],
    "pix2pix segmenter": [{"network": {"architecture": "pix2pix", "filters": 256}}],
    "enhancer": [{"network": {"filters": 256, "blocks": 16}}],
}


@of_every_kind
def test_no_configuration_makes_loading_fail_otherwise_than_by_refusing(folder: Path, kind: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    cases = [(path, value) for path in places(config) for value in HOSTILE]
    largest = [config | changes for changes in LARGEST[kind]]
    tried = [*(with_value(config, *case) for case in cases), *largest]
    answers, slowest = under_each_configuration(folder, kind, tried)
    others = {answer for answer in answers if answer not in ("loaded", "refused")}
    assert [case for case, answer in zip(cases, answers, strict=False) if answer in others][:5] == []
    assert answers[: len(cases)].count("refused") > len(cases) / 3
    assert answers[len(cases) :] == ["refused"] * len(largest)
    assert slowest < 5
    (folder / "config.json").write_text(json.dumps(largest[0]))
    with pytest.raises(ModelError, match=r"\(\S+ is F\d\d \(.*\) instead of F32 or F16 \(.*\)|is missing"):
        load(folder, kind)


@of_every_kind
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"format": ' * 10_000, "nested too deeply"),
        (" " * 1_000_001, "larger than 1,000,000 bytes"),
        ('{"size_px": NaN}', "NaN' is no finite number"),
        ('{"size_px": 1e999}', "1e999' is no finite number"),
        ('{"size_px": ' + "9" * 10_000 + "}", "digits"),
    ],
)
def test_a_configuration_that_is_no_sane_json_is_refused_at_once(folder: Path, kind: str, text: str, says: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=rf"config\.json cannot be read as the configuration of a model .*{says}"):
        load(folder, kind)


@pytest.mark.parametrize("kind", ["styled"])
@pytest.mark.parametrize("known", [5, "x", {"disc": "x"}, {"disc": None}, [], {"disc": 4.5}])
@pytest.mark.usefixtures("kind")
def test_facts_of_the_training_are_refused_or_never_break_a_photograph(folder: Path, known: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    for facts in ({"known_planes": known, "pairs": 4}, {"known_planes": {"disc": 4}, "pairs": known}):
        (folder / "config.json").write_text(json.dumps(config | {"training": facts}))
        try:
            model = load_generator(folder)
        except ModelError:
            continue
        assert model.generate(tiny_mask(0), style="expected").shape == (32, 32, 3)
        assert model.generate(tiny_mask(0), seed=1).shape == (32, 32, 3)


@pytest.mark.parametrize("kind", ["segmenter"])
@pytest.mark.parametrize("thresholds", [{}, {"disc": 0.5}, {"vessels": 0.5, "x": 0.1}])
def test_thresholds_are_those_of_the_planes(folder: Path, kind: str, thresholds: dict[str, float]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"thresholds": thresholds}))
    with pytest.raises(ModelError, match=r"config\.json has thresholds of .*Expected: of vessels"):
        load(folder, kind)


@pytest.mark.parametrize("kind", ["styled", "segmenter"])
def test_a_run_does_not_begin_from_a_hostile_model(folder: Path, kind: str, tmp_path: Path, phantoms: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    shape = "generator" if kind == "styled" else "network"
    changed = config | {shape: config[shape] | {"filters": 256}}
    (folder / "config.json").write_text(json.dumps(changed))
    few = StyledSettings.from_preset("few-shot").with_overrides([*SMALL_STYLED, f"start_from={folder}"])
    vessels = SegmenterSettings().with_overrides([f"start_from={folder}"])
    begin: dict[str, Callable[[Path], Path]] = {
        "styled": lambda run: styled.train(phantoms, run, few),
        "segmenter": lambda run: segmentation.train([phantoms], run, vessels),
    }
    with pytest.raises(ModelError, match=r"does not hold the weights that config\.json describes"):
        begin[kind](tmp_path / "run")
    assert not (tmp_path / "run").exists()
