"""Sets of grown eyes on disk: labels, phantom photographs and a manifest; in parallel, and resumable.

``growing.json`` keeps what was asked for. Run again with the same, and perhaps a larger count, the set goes on where it
stopped: an eye is finished when the manifest names it. Every eye has its own seed, the first one's plus its number, so
the files are the same whatever the number of workers. Of two commands for one set the second waits for the first.
"""

import contextlib
import json
import multiprocessing
import os
import signal
from collections.abc import Generator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

import retinasynth
from retinasynth.anatomy.biomarkers import measure_eye
from retinasynth.anatomy.growth import RECIPE, anatomy_of, grow
from retinasynth.anatomy.label_map import write_label_map
from retinasynth.anatomy.phantom import RENDERING, Style, metadata_of, phantom_photograph
from retinasynth.datasets.layouts import find_eyes
from retinasynth.datasets.matching import EyeFiles
from retinasynth.errors import InterruptedRunError, OutputError, SettingError
from retinasynth.files import (
    MANIFEST,
    cache_folder,
    explaining_write_errors,
    new_folder,
    one_writer,
    output_folder,
    sha256_of,
    write_json,
    write_text,
)
from retinasynth.progress import progress

ASKED = "growing.json"


@dataclass(frozen=True)
class GrownSet:
    """What a set of grown eyes is made of.

    Attributes:
        seed: of the first eye.
        size_px: height and width.
        preset: which people the eyes are of.
        style: of the phantom photographs, or None for labels alone.
        parameters: of the anatomy, by name, that all eyes share.
    """

    seed: int = 0
    size_px: int = 512
    preset: str = "adult"
    style: Style | None = "natural"
    parameters: Mapping[str, Any] = field(default_factory=dict)


def as_style(name: str) -> Style:
    """A style by its name.

    Raises:
        SettingError: there is none of that name.
    """
    for style in get_args(Style):
        if style == name:
            return cast(Style, style)
    raise SettingError(f"--style is {name!r}", expected=f"one of: {', '.join(get_args(Style))}")


def write_grown_set(out: Path, count: int, grown: GrownSet, *, workers: int | None = None) -> int:
    """Grow eyes and write them, or go on with a set that was begun.

    Args:
        out: a new or empty folder, or that of the same set, unfinished or smaller.
        count: how many eyes the set has in the end, at least 1.
        grown: what they are like.
        workers: processes; None takes one for each core.

    Returns:
        How many eyes were there already.

    Raises:
        SettingError: an impossible parameter; nothing is written.
        OutputError: `out` holds something else, or cannot be written, or a worker was killed.
        InterruptedRunError: the user stopped it; finished eyes are kept.
    """
    if count < 1 or (workers is not None and workers < 1):
        raise SettingError(f"count is {count}, workers is {workers}", expected="at least 1")
    if grown.style is not None:
        as_style(grown.style)
    grow(grown.seed, grown.size_px, preset=grown.preset, **grown.parameters)  # refuses what is impossible
    anatomy = anatomy_of(grown.seed, grown.preset, dict(grown.parameters)).model_dump()
    grown = replace(grown, parameters={name: anatomy[name] for name in grown.parameters})  # "0.70" becomes 0.7
    asked = {"retinasynth": retinasynth.__version__, "recipe": RECIPE, **asdict(grown)}
    with one_writer(out):
        return _go_on(out, count, grown, asked, workers)


def _go_on(out: Path, count: int, grown: GrownSet, asked: Mapping[str, Any], workers: int | None) -> int:
    lines = _finished(out, asked)
    seeds = range(grown.seed + len(lines), grown.seed + count)
    write_json(out / ASKED, asked)
    manifest = out / MANIFEST
    processes = min(workers or os.cpu_count() or 1, max(len(seeds), 1))
    try:
        # Closed at once when something stops us here, else its pool would first finish all that is waiting.
        written = contextlib.closing(_written(out, grown, seeds, processes))
        with progress("Growing", count) as advance, explaining_write_errors(manifest), written as new_lines:
            for number, line in enumerate(new_lines, start=len(lines) + 1):
                with manifest.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                advance(number, line["name"])
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"Stopped. {out} keeps the eyes that are finished", do="Run the same command again to go on"
        ) from None
    except BrokenProcessPool as error:
        raise OutputError(
            f"A worker process was killed, perhaps for want of memory. {out} keeps the eyes that are finished",
            do="Run the same command again to go on, with fewer --workers",
        ) from error
    return len(lines)


def _finished(out: Path, asked: Mapping[str, Any]) -> list[str]:
    """The manifest's whole lines in a folder where this very set was begun; of a new folder none."""
    if not (out / ASKED).is_file():
        new_folder(out, what="a set of grown eyes")
        return []
    output_folder(out)
    try:
        begun = dict(json.loads((out / ASKED).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise OutputError(f"{out / ASKED} is damaged ({error})", do="Choose another --out") from error
    if begun != json.loads(json.dumps(asked)):
        changed = [name for name in asked if begun.get(name) != json.loads(json.dumps(asked[name]))]
        raise OutputError(
            f"{out} holds a set grown with another {', '.join(changed)}",
            expected="the same command as before (only --count may grow)",
            do="Choose another --out",
        )
    manifest = out / MANIFEST
    text = manifest.read_text(encoding="utf-8") if manifest.is_file() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("}\n")]
    if text != "".join(lines):
        write_text(manifest, "".join(lines))  # the last line was cut off
    return lines


def _written(out: Path, grown: GrownSet, seeds: range, processes: int) -> Generator[dict[str, Any]]:
    """The manifest's line of each eye, in order, when it is on disk."""
    jobs = [(out, grown, seed) for seed in seeds]
    if processes == 1:
        yield from map(_write_one, jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=_leave_interrupts_to_parent) as pool:
        try:
            yield from pool.map(_write_one, jobs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_one(job: tuple[Path, GrownSet, int]) -> dict[str, Any]:
    out, grown, seed = job
    parameters = dict(grown.parameters)
    eye = grow(seed, grown.size_px, preset=grown.preset, **parameters)
    if grown.style is not None:
        eye = replace(eye, photograph=phantom_photograph(eye, seed, grown.style))
    for pattern in (f"*/{eye.name}.*", f"*/.{eye.name}.*.part*"):
        for left in out.glob(pattern):  # by a run that was stopped in the middle of this eye
            left.unlink()
    write_label_map(out, eye, metadata_of(eye, seed))
    return {
        "name": eye.name,
        "seed": seed,
        "preset": grown.preset,
        "style": grown.style,
        "size_px": grown.size_px,
        "retinasynth": retinasynth.__version__,
        "recipe": RECIPE,
        "licence_of_training_data": "none: procedural, from no photograph",
        "parameters": anatomy_of(seed, grown.preset, parameters).model_dump(),
        "biomarkers": asdict(measure_eye(eye)),
        "sha256": {file.parent.name: sha256_of(file) for file in sorted(out.glob(f"*/{eye.name}.png"))},
    }


# Who is photographed how in the set that segmenters learn from: people, angle of view (degrees), what the camera is
# pointed at, shape of the field of view, style of the photographs.
_MANY_PEOPLE: tuple[tuple[str, float, str, str, Style], ...] = (
    ("child", 30.0, "disc", "round", "randomised"),
    ("adult", 45.0, "macula", "round", "randomised"),
    ("diabetic", 50.0, "macula", "cut", "randomised"),
    ("elderly", 35.0, "macula", "round", "randomised"),
    ("hypertensive", 60.0, "macula", "cut", "randomised"),
    ("glaucomatous", 30.0, "disc", "round", "randomised"),
    ("glaucomatous", 60.0, "macula", "cut", "randomised"),
    ("glaucomatous", 35.0, "disc", "round", "natural"),
    ("glaucomatous", 45.0, "macula", "round", "natural"),
    ("glaucomatous", 60.0, "macula", "cut", "natural"),
    ("diabetic", 50.0, "macula", "cut", "natural"),
    ("child", 40.0, "disc", "round", "natural"),
    ("adult", 25.0, "macula", "round", "natural"),  # in most of these there is no disc
)


def grown_eyes(count: int, size_px: int) -> list[EyeFiles]:
    """Grown eyes of many people through many cameras; in the cache folder, made on first use.

    Args:
        count: how many eyes in all.
        size_px: height and width.
    """
    eyes: list[EyeFiles] = []
    for number, (preset, angle_deg, centred_on, aperture, style) in enumerate(_MANY_PEOPLE):
        share = count // len(_MANY_PEOPLE) + (number < count % len(_MANY_PEOPLE))
        if share:
            parameters = {"angle_deg": angle_deg, "centred_on": centred_on, "aperture": aperture}
            grown = GrownSet((number + 1) * 1_000_000, size_px, preset, style, parameters)
            name = f"{number + 1}-{preset}-{size_px}px-recipe{RECIPE}.{RENDERING}"
            folder = cache_folder() / "grown" / name
            write_grown_set(folder, share, grown)
            eyes += find_eyes(folder).eyes[:share]  # an earlier run may have asked for more
    return eyes
