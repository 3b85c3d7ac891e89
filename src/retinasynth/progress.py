"""Progress on screen: a bar with the time left on a terminal, a plain line now and then in a log file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 30

Advance = Callable[[int, str], None]  # (done so far, what to say beside it)


@contextmanager
def progress(what: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """Show how far `what` is. The block calls the yielded function with the count done and a short note.

    Example:
        >>> with progress("Counting", 2, quiet=True) as advance:
        ...     advance(1, "one")
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda *_: None
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
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
