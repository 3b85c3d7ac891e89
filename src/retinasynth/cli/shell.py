"""What all commands share: the screen, options that several have, and the text of options."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.text import Text

from retinasynth.errors import InputError, SettingError
from retinasynth.progress import plain_console

if TYPE_CHECKING:
    from retinasynth.windows import Window

screen = plain_console()
complaints = plain_console(stderr=True)

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Change a setting; `retinasynth settings` lists them. Repeatable."
    ),
]
# Of commands that train.
RunFolder = Annotated[Path | None, typer.Option(metavar="RUN", help="A new or empty run folder.")]
Resume = Annotated[
    Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run; nothing else to repeat.")
]
SettingsFile = Annotated[Path | None, typer.Option(metavar="YAML", help="Settings from a file instead.")]
Seed = Annotated[int, typer.Option(min=0, help="Same seed, same result.")]
StyledModel = Annotated[Path, typer.Option(help="fundus-512, or the run or model folder of a styled generator.")]
Segmenters = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="A run folder, a model folder, or vessels, disc-cup, landmarks or judge. Repeatable. "
        "Default: the first two, and landmarks where places are said.",
    ),
]
WindowText = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LOW-HIGH",
        help="Of photographs of more than 8 bits: the values that become black and white, or auto.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="How label files that are not masks are coded, where that is not to be seen: disc-cup (1 rim, 2 cup), "
        "cup-rim (1 cup, 2 rim), disc-cup-255, refuge, artery-vein, artery-vein-index, experts or binary.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", help="Instead of a data set: any folder of photographs ..."),
]
Masks = Annotated[
    Path | None, typer.Option("--masks", metavar="DIR", help="... and any folder of their masks, paired by name.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one for each core by default.")]
People = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Whose anatomies are grown: adult (default), child, elderly, hypertensive, glaucomatous or diabetic.",
    ),
]
Anatomy = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A parameter of grown eyes; `retinasynth grow --parameters` lists them. Repeatable.",
    ),
]
# The spellings of release 0.1, which go on working unlisted where they named something else than they do now.
OldPreset = Annotated[str | None, typer.Option("--preset", hidden=True)]
OldSet = Annotated[list[str] | None, typer.Option("--set", hidden=True)]
OldGrown = Annotated[list[str] | None, typer.Option("--grown", hidden=True)]

Value = TypeVar("Value", str, int, list[str])


def renamed(new: str, value: Value | None, old: str, old_value: Value | None) -> Value | None:
    """The value of an option that had another name in release 0.1; who still uses that reads the new one.

    Raises:
        InputError: both are given.
    """
    if old_value is None or old_value == []:
        return value
    if value is not None and value != []:
        raise InputError(f"{old} and {new} are given together", expected=f"{new} alone, the new name of {old} here")
    complaints.print(f"{old} is now {new} here", highlight=False)
    return old_value


def refuse_beside_resume(others: Mapping[str, object]) -> None:
    """Raise InputError where an option is given with ``--resume``, whose run keeps its own.

    Args:
        others: the options that do not go with it, and their values.
    """
    if any(others.values()):
        *most, last = others
        raise InputError(
            f"--resume is given with {', '.join(most)} or {last}",
            expected="--resume RUN alone (and --set for what may change, such as epochs)",
        )


def assignments(texts: Sequence[str], option: str = "--anatomy") -> dict[str, str]:
    """Parameters of grown eyes, each given as ``name=value`` with an option.

    Raises:
        SettingError: one has no ``=``.

    Example:
        >>> assignments(["cup_to_disc=0.7"])
        {'cup_to_disc': '0.7'}
    """
    for text in texts:
        if "=" not in text:
            raise SettingError(f"{option} {text!r} has no '='", expected="name=value, for example cup_to_disc=0.7")
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}


# What the parameters are called on the command line that messages of the library name.
_SAME = ("count", "cup", "data", "eyes", "features", "fov", "labels", "lesions", "measure", "name", "narrow", "out",
         "port", "sheet", "space", "split", "style", "table", "until", "window", "workers")  # fmt: skip
_FLAGS = {name: f"--{name}" for name in _SAME} | {
    "allow_leaks": "--allow-leaks",
    "counts": "--photographs",
    "longest_px": "--size",
    "overrides": "--set",
}


def in_flags(message: str) -> str:
    """A message of the library as the command line says it: with the flag of each parameter named in backticks.

    Example:
        >>> in_flags("`style` is 'oil'"), in_flags("`overrides` epochs is not a number")
        ("--style is 'oil'", '--set epochs is not a number')
    """
    return re.sub(r"`(\w+)`", lambda found: _FLAGS.get(found[1], found[0]), message)


def window_of(text: str | None) -> "Window | None":
    """The window that a user gives, if any.

    Raises:
        SettingError: it is none.
    """
    from retinasynth.windows import parse_window

    return None if text is None else parse_window(text)


def coded(labels: str | None) -> list[str]:
    """The setting that keeps the code of label files with a run."""
    return [] if labels is None else [f"data.labels={labels}"]


def chosen_data(data: Path | None, images: Path | None, masks: Path | None, flag: str = "--data") -> Path | None:
    """The data set that is named by itself or by its two folders; None where neither is.

    Args:
        data: the data set.
        images: its folder of photographs.
        masks: its folder of masks.
        flag: how the data set is named itself.

    Raises:
        InputError: it is named twice, or by one folder alone.
    """
    if images is None and masks is None:
        return data
    if data is not None or images is None or masks is None:
        raise InputError(
            f"{flag}, --images and --masks are given together"
            if data is not None
            else f"{'--images' if masks is None else '--masks'} is given alone",
            expected=f"--images DIR with --masks DIR, or {flag}",
        )
    from retinasynth.data.places import pair

    return pair(images, masks)


def needed_data(data: Path | None, images: Path | None, masks: Path | None, flag: str = "--data") -> Path:
    """The same, of a command that cannot do without.

    Raises:
        InputError: none is named, or as `chosen_data`.
    """
    chosen = chosen_data(data, images, masks, flag)
    if chosen is None:
        raise InputError(f"{flag} is missing", expected=f"{flag}, or --images DIR with --masks DIR")
    return chosen


def point_to(what: str, path: Path) -> None:
    """Say where something is."""
    screen.print(what, Text(str(path), "bold"), soft_wrap=True)
