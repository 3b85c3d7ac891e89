"""Sets of eyes that several processes write, each one eye at a time, and that can be resumed.

A file keeps what was asked for. Run again with the same, and perhaps a larger count, a set goes on where it stopped: an
eye is finished when the manifest has its line. What an eye is follows from its number alone, so the files are the same
whatever the number of workers. Of two commands for one set the second waits for the first. Grades of retinopathy and
subjects that the lines tell are in tables beside the manifest, as data sets have them.
"""

import contextlib
import functools
import itertools
import json
import os
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retinasynth.data.grades import GRADES_FILE, grades_of, write_grades
from retinasynth.data.splits import SUBJECTS_FILE
from retinasynth.documents import read_json
from retinasynth.errors import InterruptedRunError, OutputError
from retinasynth.files import MANIFEST, after_full_disk, new_folder, output_folder, remove_parts, write_json, write_text
from retinasynth.parallel import worker_processes
from retinasynth.progress import progress
from retinasynth.resuming import AGAIN, Line, add_line, finished_eyes, one_writer, write_lines
from retinasynth.tables import table_text


@dataclass(frozen=True)
class ResumableSet:
    """How a set is written.

    Attributes:
        out: the folder.
        asked_file: name of the file in it that keeps what was asked for.
        asked: that; plain values.
        first_seed: of the eye with the number 0.
        write_one: writes the eye of a number and returns its line of the manifest, which has the eye's ``name`` and
            ``seed``, the first one plus the number; a function or object that other processes can be given.
        kind: of set, in the plural, for messages: "grown eyes".
        doing: for the progress line: "Growing".
        shard: which of how many parts is written here, counted from 0; others are written elsewhere, at the same time
            or another. Part 1 of 3 has the eyes 1, 4, 7, ... and files of its own beside those of the others.
        visits: of each eye. Then the numbers 0, 1, 2, ... are the visits of the first seed, those of the next and so
            on, and a line has its ``visit`` too, counted from 1. One process writes all visits of an eye, in order.
    """

    out: Path
    asked_file: str
    asked: Mapping[str, Any]
    first_seed: int
    write_one: Callable[[int], Line]
    kind: str
    doing: str
    shard: tuple[int, int] = (0, 1)
    visits: int = 1

    @property
    def manifest(self) -> Path:
        """The file with a line for each eye of this part."""
        return self.place(MANIFEST)

    def place(self, file: str) -> Path:
        """Where a file about the eyes of this part is."""
        return self.out / self._named(file)

    def _named(self, file: str) -> str:
        """A file's name, that of a part with its number."""
        part, parts = self.shard
        name = Path(file)
        return file if parts == 1 else f"{name.stem}-{part}-of-{parts}{name.suffix}"

    def write(self, count: int, *, workers: int | None = None) -> int:
        """Write the eyes that are not there yet.

        Args:
            count: how many eyes the set has in the end.
            workers: processes; None takes one for each core.

        Returns:
            How many eyes of this part were there already.

        Raises:
            OutputError: the folder holds something else, or cannot be written, or a worker was killed.
            InterruptedRunError: the user stopped it; finished eyes are kept.
        """
        with one_writer(self.out, self._named("part")), after_full_disk(AGAIN):
            with one_writer(self.out):
                self._begin()
            return self._go_on(count, workers)

    def _go_on(self, count: int, workers: int | None) -> int:
        _there.cache_clear()
        keys = {"seed": int, **({"visit": int} if self.visits > 1 else {})}
        lines = {self._number(line): line for line in finished_eyes(self.out, self.manifest, keys).values()}
        part, parts = self.shard
        wanted = range(part, count, parts)
        missing = [number for number in wanted if number not in lines]
        finished = len(lines)
        processes = min(workers or os.cpu_count() or 1, max(len(missing), 1))
        try:
            # Closed at once when something stops us here, else its pool would first finish all that is waiting.
            written = contextlib.closing(self._written(missing, processes))
            with progress(self.doing, len(wanted)) as advance, written as new_lines:
                for done, line in enumerate(new_lines, start=len(wanted) - len(missing) + 1):
                    add_line(self.manifest, line)
                    lines[self._number(line)] = line
                    advance(done, line["name"])
        except KeyboardInterrupt:
            raise InterruptedRunError(
                f"Stopped. {self.out} keeps the eyes that are finished", do="Run the same command again to go on"
            ) from None
        except BrokenProcessPool as error:
            raise OutputError(
                f"A worker process was killed, perhaps for want of memory. {self.out} keeps the eyes that are finished",
                do="Run the same command again to go on, with fewer `workers`",
            ) from error
        finally:
            self._write_tables([lines[number] for number in sorted(lines)])
        if list(lines) != sorted(lines):  # eyes were made again
            write_lines(self.manifest, [lines[number] for number in sorted(lines)])
        return finished

    def _write_tables(self, lines: Sequence[Line]) -> None:
        write_grades(self.place(GRADES_FILE), grades_of(lines))
        rows = [(line["name"], line["subject"], line["eye"]) for line in lines if "subject" in line]
        if rows:
            write_text(self.place(SUBJECTS_FILE), table_text(["image", "subject", "eye"], rows))

    def _number(self, line: Line) -> int:
        visit: int = line["visit"] if self.visits > 1 else 1
        number: int = (line["seed"] - self.first_seed) * self.visits + visit - 1
        return number

    def _begin(self) -> None:
        """Write down what was asked for, or check that it is what was begun in the folder, by any part."""
        path = self.out / self.asked_file
        asked = json.loads(json.dumps({**self.asked, **({"parts": self.shard[1]} if self.shard[1] > 1 else {})}))
        if not path.is_file():
            write_json(new_folder(self.out, what=f"a set of {self.kind}") / self.asked_file, asked)
            return
        output_folder(self.out)
        if self.shard[1] == 1:  # else another process may be writing
            remove_parts(self.out.rglob(".*"))
        begun = read_json(path, OutputError, what="what was asked for", do="Choose another `out`")
        if begun != asked:
            changed = sorted(name for name in {*asked, *begun} if begun.get(name) != asked.get(name))
            raise OutputError(
                f"{self.out} holds a set made with another {', '.join(changed)}",
                expected="the same command as before (only `count` may grow)",
                do="Choose another `out`",
            )

    def _written(self, numbers: Sequence[int], processes: int) -> Generator[Line]:
        """The manifest's line of each number, in order, when its files are on disk."""
        if processes == 1:
            yield from map(self.write_one, numbers)
            return
        # What the visits of an eye have in common is then worked out once, not in every process.
        eyes = [list(visits) for _, visits in itertools.groupby(numbers, lambda number: number // self.visits)]
        with worker_processes(min(processes, len(eyes)), _leave_interrupts_to_parent) as pool:
            for lines in pool.map(functools.partial(_write_each, self.write_one), eyes):
                yield from lines


def _write_each(write_one: Callable[[int], Line], numbers: Sequence[int]) -> list[Line]:
    return [write_one(number) for number in numbers]


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def remove_left_over(out: Path, name: str) -> None:
    """Remove what a run that was stopped in the middle of an eye left of it."""
    for file in _there(out).pop(name, ()):
        file.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1)
def _there(out: Path) -> dict[str, list[Path]]:
    """The files in the folders of a set when this process began with it, by eye; looked at for each, they take long."""
    found: dict[str, list[Path]] = {}
    for file in out.glob("*/*"):
        found.setdefault(file.name.lstrip(".").partition(".")[0], []).append(file)
    return found
