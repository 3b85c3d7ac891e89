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
from retinasynth.eye.regional import EQUIVALENTS, QUANTITIES
from retinasynth.eye.regions import MEANINGS
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

What `retinasynth measure` and `rs.measure` give. DD is a disc diameter, taken as 1800 um. What depends on the
resolution changes with the size of the picture, if only since thin vessels are seen or not.
"""

REGIONS_HEAD = """
## Measures by region

What `retinasynth measure` gives of photographs beside the biomarkers, and `retinasynth.eye.regional.measure_regions` of
any eye. A column is called QUANTITY_KIND_REGION [UNIT], such as `calibre_veins_zone_b [DD]`, for each kind (`vessels`,
`arteries`, `veins`) and each region; the central retinal equivalents QUANTITY_ZONE [UNIT], such as
`crae_hubbard_zone_c [um]`. In um and mm they are where the angle or mm per pixel is given, and nothing is given of a
region of which less than half is in view. Zones are circles around the middle of the disc, which is taken as one DD
wide.

Sources: Hart et al., Int J Med Inform 53, 1999 (tau 1, and tau 5 for squared curvature); Bullitt et al., IEEE Trans Med
Imaging 22, 2003; Knudtson et al., Curr Eye Res 27, 2003; Parr and Spears, Am J Ophthalmol 77, 1974, and Hubbard et al.,
Ophthalmology 106, 1999 (also zone B); Cheung et al., Invest Ophthalmol Vis Sci 51, 2010 (zone C); ETDRS report 10,
Ophthalmology 98, 1991 (rings around the fovea). Bends shorter than 0.08 DD count as none.
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
        "| measure | unit | meaning | depends on resolution |",
        "|---|---|---|---|",
        *(f"| `{name}` | {column.unit} | {column.meaning} | {'yes' if column.by_resolution else 'no'} |"
          for name, column in COLUMNS.items()),
    ]  # fmt: skip
    quantities = [
        "| quantity | units | meaning | depends on resolution |",
        "|---|---|---|---|",
        *(f"| `{name}` | {', '.join(unit or 'none' for unit in one.units)} | {one.meaning} | "
          f"{'yes' if one.by_resolution else 'no'} |"
          for name, one in (*QUANTITIES.items(), *EQUIVALENTS.items())),
    ]  # fmt: skip
    regions = ["| region | what it is |", "|---|---|", *(f"| `{name}` | {words} |" for name, words in MEANINGS.items())]
    parts = [PARAMETERS_HEAD, *rows, MEASURES_HEAD, *measures, REGIONS_HEAD, *quantities, "", *regions]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (HERE / "commands.md").write_text(commands_page(), encoding="utf-8")
    (HERE / "settings.md").write_text(settings_page(), encoding="utf-8")
    (HERE / "parameters.md").write_text(parameters_page(), encoding="utf-8")
