"""Mutated logs, manifests and results that work goes on from."""

import json
from pathlib import Path

from retinasynth.errors import RetinasynthError
from retinasynth.files import sha256_of
from torture.material import Kind, NonsenseError, copied, label, tried
from torture.mutate import Random, damaged, damaged_text, hostile, json_text, pick

_LINES = (
    "",
    " ",
    "null",
    "[]",
    "{}",
    "3",
    '"x"',
    "{",
    "}",
    '{"step": 1}',
    '{"name": 1}',
    "\0",
    "NaN",
    "[" * 20_000,
    '{"a":"\\ud800"}',
)


def spoilt_lines(text: str, random: Random) -> bytes:
    """A file of JSON lines, with one of them spoilt in what it says or how it is written; or all of it."""
    lines = text.splitlines()
    at = int(random.integers(len(lines)))
    what = random.random()
    if what < 0.3:
        lines[at] = json.dumps(hostile(json.loads(lines[at]), random))
    elif what < 0.5:
        lines[at] = pick(random, _LINES)
    elif what < 0.6:
        lines.insert(at, pick(random, (*_LINES, *lines)))
    elif what < 0.7:
        lines[at] = lines[at][: int(random.integers(len(lines[at])))]
    else:
        return damaged_text(text, random) if what < 0.85 else damaged(text.encode(), random)
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


# --- Sets that are gone on with ----------------------------------------------------------------------------------


def _spoil_begun(folder: Path, asked: str, random: Random) -> None:
    """The manifest of a set, what was asked for, or a picture of a finished eye that is gone."""
    manifest, request = folder / "manifest.jsonl", folder / asked
    what = random.random()
    if what < 0.6:
        manifest.write_bytes(spoilt_lines(manifest.read_text(), random))
    elif what < 0.8:
        request.write_bytes(json_text(json.loads(request.read_text()), random))
    else:
        gone = pick(random, sorted(file for file in folder.rglob("*") if file.is_file()))
        gone.unlink()


def _make_grown(base: Path, into: Path, random: Random) -> None:
    _spoil_begun(copied(base / "grown-3", into / "set"), "growing.json", random)


def _make_generated(base: Path, into: Path, random: Random) -> None:
    _spoil_begun(copied(base / "generated-3", into / "set"), "generating.json", random)


def _read_grown(base: Path, into: Path) -> bool:
    from retinasynth.data.grown import GrownSet, write_grown_set

    if tried(lambda: write_grown_set(into / "set", 4, GrownSet(0, 64), workers=1)) is None:
        return False
    _compare(into / "set", base / "grown-4")
    return True


def _read_generated(base: Path, into: Path) -> bool:
    from retinasynth.generation.sets import SyntheticSet, write_synthetic_set

    if tried(lambda: write_synthetic_set(into / "set", 4, SyntheticSet(str(base / "styled")), workers=1)) is None:
        return False
    _compare(into / "set", base / "generated-4")
    return True


def _compare(found: Path, wanted: Path) -> None:
    """The set is the one that would have been made undisturbed: every eye once, with all its files."""
    lines, others = (_names(folder / "manifest.jsonl") for folder in (found, wanted))
    if lines != others:
        raise NonsenseError(f"the manifest has {lines}, not {others}")
    _same_files(found, wanted, "*.*")
    files = [file.relative_to(wanted) for file in sorted(wanted.glob("*/*"))]  # those above them are spoilt on purpose
    differ = [file for file in files if sha256_of(found / file) != sha256_of(wanted / file)]
    if differ:
        raise NonsenseError(f"finished with other content in {differ[0]}")


def _names(manifest: Path) -> list[object]:
    try:
        return [json.loads(line)["name"] for line in manifest.read_text(encoding="utf-8").splitlines()]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NonsenseError(f"the finished manifest cannot be read ({type(error).__name__}: {error})") from error


def _make_labelled(base: Path, into: Path, random: Random) -> None:
    _spoil_begun(copied(base / "labelled", into / "set"), "labelling.json", random)


def _read_labelled(base: Path, into: Path) -> bool:
    try:
        label(base, into / "set")
    except RetinasynthError:
        return False
    names, wanted = _names(into / "set" / "manifest.jsonl"), _names(base / "labelled" / "manifest.jsonl")
    if sorted(map(str, names)) != sorted(map(str, wanted)):
        raise NonsenseError(f"the manifest has {names}, not {wanted}")
    _same_files(into / "set", base / "labelled", "*.png")
    return True


def _make_enhanced(base: Path, into: Path, random: Random) -> None:
    _spoil_begun(copied(base / "enhanced", into / "set"), "enhancement.json", random)


def _read_enhanced(base: Path, into: Path) -> bool:
    from retinasynth.enhancement.use import Enhancer, enhance_folder

    try:
        enhance_folder(Enhancer.load(base / "enhancer"), base / "photos", into / "set")
    except RetinasynthError:
        return False
    names, wanted = _names(into / "set" / "manifest.jsonl"), _names(base / "enhanced" / "manifest.jsonl")
    if sorted(map(str, names)) != sorted(map(str, wanted)):
        raise NonsenseError(f"the manifest has {names}, not {wanted}")
    _same_files(into / "set", base / "enhanced", "*.png")
    return True


def _same_files(found: Path, wanted: Path, pattern: str) -> None:
    files, others = ({str(file.relative_to(folder)) for file in folder.rglob(pattern)} for folder in (found, wanted))
    if files != others:
        raise NonsenseError(f"files are missing or too many: {sorted(files ^ others)[:3]}")


# --- What is read alone ------------------------------------------------------------------------------------------


def _make_metrics(base: Path, into: Path, random: Random) -> None:
    text = (base / pick(random, ("plain", "styled", "resize")) / "metrics.jsonl").read_text()
    (into / "metrics.jsonl").write_bytes(spoilt_lines(text, random))


def _read_metrics(_: Path, into: Path) -> bool:
    from retinasynth.evaluation.report import read_training_log

    return tried(lambda: read_training_log(into / "metrics.jsonl")) is not None


def _make_evaluation(base: Path, into: Path, random: Random) -> None:
    folder = copied(base / "evaluation", into / "evaluation")
    figures, pictures = folder / "evaluation.json", folder / "pictures.csv"
    if random.random() < 0.6:
        figures.write_bytes(json_text(json.loads(figures.read_text()), random))
    else:
        pictures.write_bytes(damaged_text(pictures.read_text(), random))


def _read_evaluation(_: Path, into: Path) -> bool:
    from retinasynth.studies.comparison import read_measured

    return tried(lambda: read_measured(into / "evaluation")) is not None


def _make_geometry(base: Path, into: Path, random: Random) -> None:
    folder = copied(base / "grown-3", into / "set")
    file = pick(random, sorted((folder / "geometry").iterdir()))
    file.write_bytes(json_text(json.loads(file.read_text()), random))


def _read_geometry(_: Path, into: Path) -> bool:
    from retinasynth.data.find import find_eyes, read_eye
    from retinasynth.eye.biomarkers import measure_eye
    from retinasynth.eye.label_map import overlay, read_label_map

    accepted = False
    for files in find_eyes(into / "set").eyes:
        for act in (lambda files=files: read_eye(files), lambda files=files: read_label_map(into / "set", files.name)):
            eye = tried(act)
            if eye is None:
                continue
            accepted = True
            tried(lambda eye=eye: overlay(eye))
            tried(lambda eye=eye: measure_eye(eye))
    return accepted


def _make_plan(_: Path, into: Path, random: Random) -> None:
    (into / "study").mkdir()
    plan = {"seeds": 2, "data": "a" * 64, "rows": {"baseline": {"settings": {"data.size_px": 32}}}}
    (into / "study" / "plan.json").write_bytes(json_text(plan, random))


def _read_plan(_: Path, into: Path) -> bool:
    from retinasynth.studies import runs

    plan = {"seeds": 2, "data": "a" * 64, "rows": {"baseline": {"settings": {"data.size_px": 32}}}}
    (into / "study" / "plan.json").rename(into / "study" / runs.PLAN)
    try:
        runs.keep_to_plan(into / "study", plan, may_grow="seeds", what="a study")
    except RetinasynthError:
        return False
    return True


KINDS = {
    "metrics": Kind(30, _make_metrics, _read_metrics),
    "grown": Kind(20, _make_grown, _read_grown),
    "generated": Kind(15, _make_generated, _read_generated),
    "labelled": Kind(10, _make_labelled, _read_labelled),
    "enhanced": Kind(7, _make_enhanced, _read_enhanced),
    "evaluation": Kind(10, _make_evaluation, _read_evaluation),
    "geometry": Kind(15, _make_geometry, _read_geometry),
    "plan": Kind(5, _make_plan, _read_plan),
}
