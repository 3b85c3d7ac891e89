"""Training a generator of whichever product a preset or a file of settings is of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from retinasynth.documents import read_yaml
from retinasynth.errors import CheckpointError, SettingError, shown
from retinasynth.pix2pix import train as pix2pix
from retinasynth.pix2pix.settings import PRESETS as PIX2PIX_PRESETS
from retinasynth.pix2pix.settings import Settings as Pix2PixSettings
from retinasynth.settings import did_you_mean
from retinasynth.styled import train as styled
from retinasynth.styled.settings import PRESETS as STYLED_PRESETS
from retinasynth.styled.settings import Settings as StyledSettings
from retinasynth.training.run import CONFIG

GeneratorSettings = Pix2PixSettings | StyledSettings
PRESETS: tuple[str, ...] = (*PIX2PIX_PRESETS, *STYLED_PRESETS)


def settings_of_preset(name: str) -> GeneratorSettings:
    """The settings of a preset of `train`.

    Raises:
        SettingError: there is no preset of that name.
    """
    if name in STYLED_PRESETS:
        return StyledSettings.from_preset(name)
    if name in PIX2PIX_PRESETS:
        return Pix2PixSettings.from_preset(name)
    raise SettingError(
        f"There is no preset {shown(name)}{did_you_mean(name, PRESETS)}", expected=f"one of: {', '.join(PRESETS)}"
    )


def settings_from_file(path: Path) -> GeneratorSettings:
    """Settings from a YAML file; what it leaves out keeps the value of its ``preset``.

    Raises:
        SettingError: the file cannot be read, or holds something unknown or impossible.
    """
    values = read_yaml(
        path, SettingError, what="settings", expected="a YAML file of names and values, as in config.yaml"
    )
    section, preset = values.get("generator"), str(values.get("preset", ""))
    told = section.get("architecture") if isinstance(section, Mapping) else None
    is_styled = told == "styled" if told is not None else preset in STYLED_PRESETS
    return (StyledSettings if is_styled else Pix2PixSettings).from_yaml(path)


def train(data: Path, out: Path, settings: GeneratorSettings) -> Path:
    """Train a new generator in `out`; see `retinasynth.pix2pix.train.train` and `retinasynth.styled.train.train`.

    Args:
        data: a data set that `retinasynth.data.find.find_eyes` recognises; its training split is used.
        out: the run folder, new or empty.
        settings: what to do.
    """
    if isinstance(settings, StyledSettings):
        return styled.train(data, out, settings)
    return pix2pix.train(data, out, settings)


def resume(run: Path, overrides: Sequence[str] = ()) -> Path:
    """Go on with a run that was interrupted (`retinasynth.training.run.Training.resume`).

    Raises:
        CheckpointError: it is no run folder, or cannot be gone on with.
    """
    if not (run / CONFIG).is_file():
        raise CheckpointError(f"{run} is not a run folder (it has no config.yaml)", expected="the folder of a training")
    if isinstance(settings_from_file(run / CONFIG), StyledSettings):
        return styled.resume(run, overrides)
    return pix2pix.resume(run, overrides)
