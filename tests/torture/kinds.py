"""All kinds of things that are mutated, and one case of one of them."""

import contextlib
import itertools
import shutil
import traceback
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retinasynth.errors import RetinasynthError
from torture import of_logs, of_models, of_pictures, of_texts, of_zips
from torture.material import Kind, NonsenseError

KINDS: dict[str, Kind] = of_pictures.KINDS | of_texts.KINDS | of_models.KINDS | of_logs.KINDS | of_zips.KINDS
PACKAGE = "/retinasynth/"


@dataclass(frozen=True)
class Case:
    """The mutation of a number, of one kind; with the seed of all it says what is done."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.number:05d}"

    @classmethod
    def named(cls, name: str) -> "Case":
        kind, _, number = name.rpartition("-")
        return cls(kind, int(number))

    def make(self, base: Path, into: Path, seed: int) -> None:
        """Put the mutated thing into a folder that is new."""
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        KINDS[self.kind].make(base, into, np.random.default_rng([seed, zlib.crc32(self.kind.encode()), self.number]))

    def read(self, base: Path, into: Path) -> dict[str, str]:
        """Hand it to the product: what became of it."""
        try:
            return {"result": "accepted" if KINDS[self.kind].read(base, into) else "refused"}
        except RetinasynthError:
            return {"result": "refused"}
        except BaseException as error:  # noqa: BLE001 - whatever else comes out is what is looked for
            return fault_of(error)


def fault_of(error: BaseException) -> dict[str, str]:
    """What became of a case that ended in a fault: its kind, where in the package it is, and all of it."""
    trace = "".join(traceback.format_exception(error, limit=-40))
    if isinstance(error, NonsenseError):
        return {"result": "fault", "cause": f"taken for good: {_general(str(error))}", "trace": trace}
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in frame.filename]
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{ours[-1].filename.rpartition(PACKAGE)[2]} {ours[-1].name}" if ours else f"the harness, {last.name}"
    with contextlib.suppress(Exception):
        return {
            "result": "fault",
            "cause": f"{type(error).__name__} in {place}: {_general(str(error))}",
            "trace": trace,
        }
    return {"result": "fault", "cause": f"{type(error).__name__} in {place}", "trace": trace}


def _general(text: str) -> str:
    """The beginning of a message without the numbers and names in it, so that alike ones count as one."""
    first = (text.splitlines() or [""])[0]
    words = (word for word in first.split(" ")[:12])
    return " ".join("..." if any(map(str.isdigit, word)) or "/" in word or len(word) > 40 else word for word in words)


def plan(mutations: int, only: str | None) -> list[Case]:
    """The cases of a run, the kinds mixed, at least one of each. More mutations add cases and keep the others."""
    chosen = {name: kind for name, kind in KINDS.items() if only in (None, name)}
    whole = sum(kind.share for kind in chosen.values())
    counts = {name: max(1, round(mutations * kind.share / whole)) for name, kind in chosen.items()} if mutations else {}
    cases = itertools.chain.from_iterable((Case(name, number) for number in range(counts[name])) for name in counts)
    return sorted(cases, key=lambda case: (case.number + 0.5) / counts[case.kind])
