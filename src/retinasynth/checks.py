"""Numbers that a caller gives, checked in one way: of the right kind, within bounds, and then plain ones of Python."""

from numbers import Integral, Real
from typing import Any

from retinasynth.errors import SettingError, shown

MOST_SEED = 2**64 - 1
MOST_THINGS = 10**9  # that can be asked for at once; nobody has room for more
MOST_WORKERS = 1024  # processes
SIDES_PX = (16, 8192)  # of a picture that is made; the largest are 67 million pixels


def whole_number(value: object, name: str, *, least: int = 1, most: int = MOST_THINGS, expected: str = "") -> int:
    """A whole number of Python or NumPy, as one of Python.

    Args:
        value: what was given.
        name: of the argument, for the message.
        least: that it may be.
        most: likewise.
        expected: for the message, where there is more to say.

    Raises:
        SettingError: it is of another kind (True and False are, too), or out of range.

    Example:
        >>> whole_number(3, "count")
        3
        >>> whole_number("3", "count")
        Traceback (most recent call last):
            ...
        retinasynth.errors.SettingError: count is '3'. Expected: a whole number, 1 to 1000000000.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise SettingError(f"{name} is {shown(value)}", expected=expected or f"a whole number, {least} to {most}")
    return int(value)


def checked_seed(value: object, name: str = "seed") -> int:
    """A seed of random numbers, as a whole number of Python.

    Raises:
        SettingError: it is no whole number, below 0, or of more than 64 bits.
    """
    return whole_number(value, name, least=0, most=MOST_SEED)


def checked_workers(value: object) -> int | None:
    """A number of processes; None, which takes one for each core, stays None.

    Raises:
        SettingError: it is no whole number, below 1, or above `MOST_WORKERS`.
    """
    return None if value is None else whole_number(value, "workers", most=MOST_WORKERS)


def real_number(value: Any, name: str, *, least: float, most: float, below: bool = False) -> float:
    """A number of Python or NumPy, as one of Python.

    Args:
        value: what was given.
        name: of the argument, for the message.
        least: that it may be.
        most: likewise.
        below: whether it must be less than `most`.

    Raises:
        SettingError: it is of another kind (True and False are, too), or out of range.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (below and value == most):
        expected = f"a number, {least:g} to {'below ' if below else ''}{most:g}"
        raise SettingError(f"{name} is {shown(value)}", expected=expected)
    return float(value)
