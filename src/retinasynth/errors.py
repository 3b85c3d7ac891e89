"""Every error that retinasynth raises on purpose.

    RetinasynthError
    ├── InputError              what was given cannot be used
    │   ├── DataError           a folder of pictures, or the pairs in it
    │   ├── ImageError          one picture file
    │   ├── SettingError        one setting
    │   ├── ModelError          a model folder
    │   └── CheckpointError     a run folder that cannot be resumed
    ├── OutputError             what was asked for cannot be written (permission, something in the way)
    │   └── DiskFullError       there is no space left for it
    ├── MissingExtraError       an optional dependency is not installed
    ├── TrainingDivergedError   a loss or weight stopped being a finite number
    └── InterruptedRunError     the user stopped a run; its state is kept

Each carries what was got, and usually what was expected and what to do. A message names a parameter in backticks; the
command line shows the flag in its place (`retinasynth.cli.shell.in_flags`), and exits with `exit_code`.
"""

MOST_SHOWN = 80  # characters of a value in a message


def shown(value: object) -> str:
    """A value as messages show it: in one line, and cut where it is long.

    Example:
        >>> shown("eye"), shown("x" * 1000)[-8:]
        ("'eye'", 'xx [...]')
    """
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # more digits than Python prints; lists within lists without end
        text = f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} [...]"


def printable(text: str) -> str:
    r"""Text as it can be written: what is no UTF-8 in the name of a file becomes an escape.

    Example:
        >>> printable("caf\udce9.png")
        'caf\\udce9.png'
    """
    return text.encode("utf-8", "backslashreplace").decode()


class RetinasynthError(Exception):
    """Base of all errors of this package.

    Args:
        got: what was found, with the name of the file, folder or setting.
        expected: what would have been right.
        do: what the user can do next.
    """

    exit_code = 1

    def __init__(self, got: str, *, expected: str = "", do: str = "") -> None:
        self.got, self.expected, self.do = got, expected, do = printable(got), printable(expected), printable(do)
        sentences = [got.rstrip("."), f"Expected: {expected.rstrip('.')}" if expected else "", do.rstrip(".")]
        text = ". ".join(sentence for sentence in sentences if sentence)
        super().__init__(text if text.endswith(("?", "!")) else text + ".")


class InputError(RetinasynthError):
    """What was given cannot be used."""


class DataError(InputError):
    """A folder of pictures, or the pairs in it, cannot be used."""


class ImageError(InputError):
    """One picture file cannot be used."""


class SettingError(InputError):
    """A setting is unknown or impossible."""


class ModelError(InputError):
    """A model folder is missing, incomplete or foreign."""


class CheckpointError(InputError):
    """A run folder cannot be resumed."""


class OutputError(RetinasynthError):
    """A result cannot be written."""


class DiskFullError(OutputError):
    """There is no space left for a result; what was written before is complete."""


class MissingExtraError(RetinasynthError):
    """An optional dependency is not installed.

    Args:
        feature: what needs it, for example ``"TensorBoard logging"``.
        extra: the extra of this package that installs it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs a package that is not installed", do=f"Run: pip install 'retinasynth[{extra}]'"
        )


class TrainingDivergedError(RetinasynthError):
    """A loss stopped being a finite number; nothing after the last good checkpoint was saved."""


class InterruptedRunError(RetinasynthError):
    """The user stopped a run; its state is saved and the run can be resumed."""

    exit_code = 130
