import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinasynth.pix2pix.settings import Settings
from retinasynth.styled.settings import Settings as StyledSettings
from tiny import TINY

collect_ignore = ["torture"]  # `make torture`


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees what the user has cached; of the session, so that `trained` is made under it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETINASYNTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of four training eyes and two test eyes."""
    from retinasynth.anatomy.render.phantom import write_phantom_set

    folder = tmp_path_factory.mktemp("phantoms") / "set"
    write_phantom_set(folder, train=4, test=2, size_px=64)
    return folder


@pytest.fixture(scope="session")
def coded(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`phantoms` as somebody else would have them, whose vessels are maps of 0, 1 and 2: ``artery-vein-index``."""
    folder = tmp_path_factory.mktemp("coded") / "set"
    for side in ("train", "test"):
        shutil.copytree(phantoms / side / "images", folder / side / "images")
        (folder / side / "vessels").mkdir()
        for path in sorted((phantoms / side / "vessels").iterdir()):
            values = (np.array(Image.open(path).convert("L")) > 127).astype(np.uint8)
            values[: len(values) // 2] *= 2
            Image.fromarray(values).save(folder / side / "vessels" / path.name)
    return folder


@pytest.fixture(scope="session")
def tiny() -> Settings:
    return Settings.from_preset("source").with_overrides(TINY)


@pytest.fixture(scope="session")
def trained(phantoms: Path, tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 12 steps on `phantoms`. Not to be changed."""
    from retinasynth.pix2pix.train import train

    return train(phantoms, tmp_path_factory.mktemp("runs") / "undisturbed", tiny)


@pytest.fixture(scope="session")
def styled_settings() -> StyledSettings:
    """Those of a tiny generator that follows a style."""
    own = ("size_px=", "mask_channels=", "flip=", "rotation_deg=", "generator.dropout=", "epochs=")
    tiny = [setting for setting in TINY if not setting.startswith(own)]
    small = ["size_px=64", "data.planes=vessels,disc,cup", "discriminator.crop_px=32", "epochs=4", "expected_share=0.5"]
    return StyledSettings.from_preset("fundus-512").with_overrides(
        [*tiny, *small, "cup_variation=0", "lesion_lending=0"]
    )


@pytest.fixture(scope="session")
def styled_run(phantoms: Path, styled_settings: StyledSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 16 steps on `phantoms`, of a generator that follows a style. Not to be changed."""
    from retinasynth.styled.train import train

    return train(phantoms, tmp_path_factory.mktemp("runs") / "styled", styled_settings)


@pytest.fixture(scope="session")
def enhancer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a tiny enhancer that has learnt nothing, and changes every photograph."""
    import torch

    from retinasynth.enhancement.model import EnhancerConfig, EnhancerModel, save_enhancer
    from retinasynth.enhancement.network import EnhancementNetwork
    from retinasynth.enhancement.settings import EnhancerSettings

    settings = EnhancerSettings.from_preset("enhance").with_overrides(["filters=8", "blocks=1"])
    torch.manual_seed(0)
    network = EnhancementNetwork(settings.network)
    torch.nn.init.normal_(network.last.weight, std=0.05)
    folder = tmp_path_factory.mktemp("runs") / "enhancer"
    save_enhancer(folder, EnhancerModel(network, EnhancerConfig.of(settings, {})))
    return folder


@pytest.fixture(scope="session")
def studio(styled_run: Path, enhancer_folder: Path) -> Iterator[str]:
    """The address of a studio that serves tiny models, in a process of its own."""
    models = ["--model", str(styled_run), "--enhancer", str(enhancer_folder)]
    command = [sys.executable, "-m", "retinasynth.cli", "studio", "--port", "0", *models]
    # A wide screen, so that the address stands in one line.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as server:
        try:
            yield server.stdout.readline().split()[4] if server.stdout else ""
        finally:
            server.terminate()
