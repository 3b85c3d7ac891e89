"""Write commands.md, settings.md and parameters.md from the code: `make docs`. A test keeps them equal to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from retinasynth import cli
from retinasynth.anatomy.physiology import PRESETS as PEOPLE
from retinasynth.anatomy.physiology import described
from retinasynth.enhancement.settings import EnhancerSettings
from retinasynth.eye.biomarkers import COLUMNS
from retinasynth.pix2pix.settings import Settings as Pix2PixSettings
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.settings import descriptions, flat
from retinasynth.styled.settings import Settings as StyledSettings

HERE = Path(__file__).parent

COMMANDS_HEAD = """# Commands

Written by `make docs` from the commands themselves; `--help` says the same. `MODEL` is a run folder or a model
folder. A data set is any layout of [data.md](data.md), or `phantom` for the embedded procedural eyes.

Exit codes: 0 done, 1 wrong input or a result that cannot be written, 2 wrong usage, 130 stopped by the user.
"""

SETTINGS_HEAD = """# Settings

Written by `make docs`. Change one with `--set NAME=VALUE`; where one section only has a name, the name alone will do
(`--set epochs=10`). `retinasynth settings --yaml` prints a file for `train --config`. A run keeps its settings in
`config.yaml`, and a model in `config.json`: nothing is repeated at generation.
"""

PARAMETERS_HEAD = """# Parameters of a grown eye, and what is measured

Written by `make docs`. What these mean together: [anatomy.md](anatomy.md). Give one with `grow --anatomy NAME=VALUE` or
`rs.grow(seed, NAME=VALUE)`; the others are drawn: mean ± standard deviation of these people, cut off where the
range ends.
"""

MEASURES_HEAD = """
## Biomarkers

What `retinasynth measure` and `rs.measure` give. DD is a disc diameter, taken as 1800 um.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Name and object of every command."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        if hasattr(command, "commands"):
            for short, one in command.commands.items():
                yield from below(f"{name} {short}", one)
        else:
            yield name, command

    return below("retinasynth", typer.main.get_command(cli.app))


def shown(command: Any) -> list[Any]:
    """The arguments and options of a command that its help lists: not the old spellings."""
    return [option for option in command.params if not getattr(option, "hidden", False)]


def commands_page() -> str:
    """The text of commands.md."""
    parts = [COMMANDS_HEAD]
    for name, command in sorted(commands()):
        parts.append(f"## `{name}`\n\n{command.help.strip()}\n")
        rows = ["| option | meaning |", "|---|---|"]
        for option in shown(command):
            words = " ".join([*option.opts, "" if getattr(option, "is_flag", False) else str(option.metavar or "")])
            spelling = option.metavar if option.param_type_name == "argument" else words
            default = f" Default: `{option.default}`." if option.default not in (None, False, ...) else ""
            need = " Required." if option.required else ""
            rows.append(f"| `{str(spelling).strip().replace('|', ' or ')}` | {option.help}{default}{need} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def settings_page() -> str:
    """The text of settings.md."""
    parts = [SETTINGS_HEAD]
    for title, kind in (
        ("Photographs from masks: `train`", Pix2PixSettings),
        ("Photographs from label maps, in a style: `train`", StyledSettings),
        ("Segmenters: `segment train`", SegmenterSettings),
        ("Enhancers: `enhance train`", EnhancerSettings),
    ):
        presets = {name: flat(kind.from_preset(name)) for name in kind.presets}
        rows = [
            "| setting | meaning | " + " | ".join(f"`{name}`" for name in presets) + " |",
            "|---|---|" + "---|" * len(presets),
        ]
        for name, meaning in descriptions(kind).items():
            values = " | ".join(str(values[name]) for values in presets.values())
            rows.append(f"| `{name}` | {meaning} | {values} |")
        parts.append(f"## {title}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def parameters_page() -> str:
    """The text of parameters.md."""
    rows = [
        "| parameter | range | meaning | " + " | ".join(f"`{name}`" for name in PEOPLE) + " |",
        "|---|---|---|" + "---|" * len(PEOPLE),
        *(f"| `{name}` | {allowed} | {meaning} | {' | '.join(usual)} |"
          for name, (allowed, meaning, usual) in described().items()),
    ]  # fmt: skip
    measures = [
        "| measure | unit | meaning |",
        "|---|---|---|",
        *(f"| `{name}` | {column.unit} | {column.meaning} |" for name, column in COLUMNS.items()),
    ]
    return PARAMETERS_HEAD + "\n" + "\n".join(rows) + "\n" + MEASURES_HEAD + "\n" + "\n".join(measures) + "\n"


if __name__ == "__main__":
    (HERE / "commands.md").write_text(commands_page(), encoding="utf-8")
    (HERE / "settings.md").write_text(settings_page(), encoding="utf-8")
    (HERE / "parameters.md").write_text(parameters_page(), encoding="utf-8")
