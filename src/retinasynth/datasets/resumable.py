"""Sets of eyes that are written by several processes, one eye after the other, and can be gone on with.

A file keeps what was asked for. Run again with the same, and perhaps a larger count, a set goes on where it stopped: an
eye is finished when the manifest has its line. What an eye is follows from its number alone, so the files are the same
whatever the number of workers. Of two commands for one set the second waits for the first.
"""

import contextlib
import functools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retinasynth.errors import InterruptedRunError, OutputError
from retinasynth.files import (
    MANIFEST,
    explaining_write_errors,
    new_folder,
    one_writer,
    output_folder,
    sha256_of,
    write_json,
    write_text,
)
from retinasynth.progress import progress

Line = dict[str, Any]  # of the manifest; one with the key `name` says which eye it is


@dataclass(frozen=True)
class ResumableSet:
    """How a set is written.

    Attributes:
        out: the folder.
        asked_file: name of the file in it that keeps what was asked for.
        asked: that; plain values.
        write_one: writes the eye of a number and returns its line of the manifest; a function or object that other
            processes can be given.
        kind: of set, in the plural, for messages: "grown eyes".
        doing: for the progress line: "Growing".
        shard: which of how many parts is written here, counted from 0; others are written elsewhere, at the same time
            or another. Part 1 of 3 has the eyes 1, 4, 7, ... and files of its own beside those of the others.
    """

    out: Path
    asked_file: str
    asked: Mapping[str, Any]
    write_one: Callable[[int], Line]
    kind: str
    doing: str
    shard: tuple[int, int] = (0, 1)

    @property
    def manifest(self) -> Path:
        """The file with a line for each eye of this part."""
        return self.out / self._named(MANIFEST)

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
        with one_writer(self.out / self._named("part")):
            with one_writer(self.out):
                self._begin()
            return self._go_on(count, workers)

    def _go_on(self, count: int, workers: int | None) -> int:
        _there.cache_clear()
        lines = self._finished()
        part, parts = self.shard
        numbers = range(part, count, parts)
        begun, numbers = len(numbers), numbers[len(lines) :]
        manifest = self.manifest
        processes = min(workers or os.cpu_count() or 1, max(len(numbers), 1))
        try:
            # Closed at once when something stops us here, else its pool would first finish all that is waiting.
            written = contextlib.closing(self._written(numbers, processes))
            with progress(self.doing, begun) as advance, explaining_write_errors(manifest), written as new_lines:
                for number, line in enumerate(new_lines, start=len(lines) + 1):
                    with manifest.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    advance(number, line["name"])
        except KeyboardInterrupt:
            raise InterruptedRunError(
                f"Stopped. {self.out} keeps the eyes that are finished", do="Run the same command again to go on"
            ) from None
        except BrokenProcessPool as error:
            raise OutputError(
                f"A worker process was killed, perhaps for want of memory. {self.out} keeps the eyes that are finished",
                do="Run the same command again to go on, with fewer --workers",
            ) from error
        return len(lines)

    def _begin(self) -> None:
        """Write down what was asked for, or check that it is what was begun in the folder, by any part."""
        path = self.out / self.asked_file
        asked = json.loads(json.dumps({**self.asked, **({"parts": self.shard[1]} if self.shard[1] > 1 else {})}))
        if not path.is_file():
            write_json(new_folder(self.out, what=f"a set of {self.kind}") / self.asked_file, asked)
            return
        output_folder(self.out)
        try:
            begun = dict(json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise OutputError(f"{path} is damaged ({error})", do="Choose another --out") from error
        if begun != asked:
            changed = sorted(name for name in {*asked, *begun} if begun.get(name) != asked.get(name))
            raise OutputError(
                f"{self.out} holds a set made with another {', '.join(changed)}",
                expected="the same command as before (only --count may grow)",
                do="Choose another --out",
            )

    def _finished(self) -> list[str]:
        """The whole lines of the manifest, where there is one."""
        manifest = self.manifest
        text = manifest.read_text(encoding="utf-8") if manifest.is_file() else ""
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("}\n")]
        if text != "".join(lines):
            write_text(manifest, "".join(lines))  # the last line was cut off
        return lines

    def _written(self, numbers: range, processes: int) -> Generator[Line]:
        """The manifest's line of each eye, in order, when it is on disk."""
        if processes == 1:
            yield from map(self.write_one, numbers)
            return
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, spawn, initializer=_leave_interrupts_to_parent) as pool:
            try:
                yield from pool.map(self.write_one, numbers)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


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


def checksums(out: Path, name: str) -> dict[str, str]:
    """SHA-256 of an eye's pictures in a set, by the folder they are in."""
    files = [folder / f"{name}.png" for folder in sorted(out.iterdir()) if folder.is_dir()]
    return {file.parent.name: sha256_of(file) for file in files if file.is_file()}
