"""Training a generator, and the settings of everything that is trained."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from retinasynth.cli.shell import (
    Images,
    Labels,
    Masks,
    Overrides,
    Resume,
    RunFolder,
    SettingsFile,
    chosen_data,
    coded,
    point_to,
    refuse_beside_resume,
    screen,
)
from retinasynth.errors import InputError


def train(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pairs of mask and photograph; `phantom` for the embedded ones.")
    ] = None,
    images: Images = None,
    masks: Masks = None,
    out: RunFolder = None,
    resume: Resume = None,
    preset: Annotated[str | None, typer.Option(help="Settings to start from (default: source).")] = None,
    config: SettingsFile = None,
    labels: Labels = None,
    overrides: Overrides = None,
) -> None:
    """Train a model on pairs of vessel mask and photograph."""
    from retinasynth.generation import train as training

    data = chosen_data(data, images, masks)
    if resume is not None:
        refuse_beside_resume({"--data": data, "--out": out, "--preset": preset, "--config": config, "--labels": labels})
        run = training.resume(resume, overrides or [])
    else:
        if data is None or out is None:
            raise InputError(
                "--data or --out is missing",
                expected="--data DIR --out RUN, or --resume RUN; --images and --masks may be given for --data",
            )
        if preset and config:
            raise InputError("--preset and --config are given together", expected="one of them")
        start = training.settings_from_file(config) if config else training.settings_of_preset(preset or "source")
        run = training.train(data, out, start.with_overrides([*coded(labels), *(overrides or [])]))
    point_to("Done. The model is in", run / "model")


def settings(
    preset: Annotated[str, typer.Option(help="Whose values to show.")] = "source",
    overrides: Overrides = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print a file for --config.")] = False,
) -> None:
    """Show every setting with its value and meaning, and the presets."""
    from retinasynth.enhancement.settings import EnhancerSettings
    from retinasynth.pix2pix.settings import Settings as Pix2PixSettings
    from retinasynth.segmentation.settings import SegmenterSettings
    from retinasynth.settings import RunSettings, descriptions, flat
    from retinasynth.styled.settings import Settings as StyledSettings

    kinds: tuple[type[RunSettings], ...] = (StyledSettings, SegmenterSettings, EnhancerSettings)
    kind = next((one for one in kinds if preset in one.presets), Pix2PixSettings)
    chosen = kind.from_preset(preset).with_overrides(overrides or [])
    if yaml:
        typer.echo(chosen.to_yaml(), nl=False)
        return
    table = Table("setting", "value", "meaning")
    for name, value in flat(chosen).items():
        if name != "preset":
            table.add_row(name, str(value), descriptions(kind)[name])
    screen.print(table)
    screen.print(f"Presets of train: {', '.join([*Pix2PixSettings.presets, *StyledSettings.presets])}")
    for other in kinds[1:]:
        screen.print(f"Presets of {other.command}: {', '.join(other.presets)}")
