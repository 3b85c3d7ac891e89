"""Progress on screen: a bar with the time left on a terminal, a plain line now and then in a log file."""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 30

_warned: set[Hashable] = set()

Advance = Callable[[int, str], None]  # (done so far, what to say beside it)


def plain_console(*, stderr: bool = False) -> Console:
    """A screen that prints texts as they are: names and paths of users may look like rich's markup or its emoji."""
    return Console(stderr=stderr, markup=False, emoji=False)


def warn(what: str, *, kind: Hashable) -> None:
    """Say once for each kind, beside the progress, what is doubtful and was gone on with."""
    if kind not in _warned:
        _warned.add(kind)
        plain_console(stderr=True).print(f"Warning: {what}", highlight=False, soft_wrap=True)


@contextmanager
def progress(what: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """Show how far `what` is. The block calls the yielded function with the count done and a short note.

    Example:
        >>> with progress("Counting", 2, quiet=True) as advance:
        ...     advance(1, "one")
    """
    console = plain_console(stderr=True)
    if quiet:
        yield lambda *_: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total, note="")
            yield lambda done, note: bar.update(task, completed=done, note=note)
    else:
        yield _lines(console, what, total)


def _lines(console: Console, what: str, total: int) -> Advance:
    started = said = time.monotonic()
    first: int | None = None

    def advance(done: int, note: str) -> None:
        nonlocal said, first
        now = time.monotonic()
        first = done if first is None else first  # a resumed run begins in the middle
        if done < total and now - said < SECONDS_BETWEEN_LINES:
            return
        said = now
        left = (now - started) / max(done - first, 1) * (total - done)
        console.print(f"{what}: {done}/{total}, {left / 60:.1f} min left  {note}", highlight=False, soft_wrap=True)

    return advance


def stages(what: str, total: int) -> Callable[[int, str], None]:
    """Say which part of long work begins, of how many, with the time that is left.

    The parts may show their own progress. Of parts that an earlier sitting finished nothing is said.

    Args:
        what: one part is called, such as ``"Run"``.
        total: how many there are.

    Returns:
        A function to call with the number of the part, from 1, and a short note, when it begins.
    """
    console = plain_console(stderr=True)
    started = time.monotonic()
    begun = 0

    def begin(number: int, note: str) -> None:
        nonlocal begun
        left = (time.monotonic() - started) / begun * (total - number + 1) if begun else 0.0
        said = f"; {_duration(left)} left" if begun else ""
        console.print(f"{what} {number} of {total}: {note}{said}", highlight=False, soft_wrap=True)
        begun += 1

    return begin


def _duration(seconds: float) -> str:
    """About how long, in minutes or hours.

    Example:
        >>> _duration(20), _duration(200), _duration(9000)
        ('under a minute', 'about 3 min', 'about 2.5 h')
    """
    if seconds < 60:
        return "under a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
