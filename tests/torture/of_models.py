"""Mutated model folders, checkpoints and caches."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from retinasynth.errors import RetinasynthError
from retinasynth.generation.generator import load as load_generator
from torture.material import RESUMED, Kind, NonsenseError, copied, tried
from torture.mutate import INTEGERS, Random, damaged, flip, hostile, json_text, pick

WEIGHTS = "model.safetensors"
_ODD = (float("nan"), float("inf"), float("-inf"), 1e30, -1e38, 6e4)


# --- Weights -----------------------------------------------------------------------------------------------------


def spoilt_tensors(data: bytes, random: Random) -> bytes:
    """A safetensors file with a lying head, odd numbers in its tensors, or random damage."""
    (length,) = struct.unpack("<Q", data[:8])
    head, tensors = json.loads(data[8 : 8 + length]), data[8 + length :]
    whole = data[8 : 8 + length]
    ways: tuple[Callable[[], bytes], ...] = (
        *[lambda: damaged(data, random)] * 2,
        lambda: _packed(json.dumps(hostile(head, random)).encode("utf-8", "surrogatepass"), tensors),
        lambda: _packed(json_text(head, random), tensors),
        lambda: _packed(json.dumps(_reshaped(head, random)).encode(), tensors),
        lambda: struct.pack("<Q", pick(random, (*INTEGERS, length - 1, length + 1, 2**63, 2**64 - 1))) + data[8:],
        lambda: _packed(whole, flip(tensors, random, most=pick(random, (1, 8, 500)))),
        lambda: _packed(whole, _with_odd_numbers(head, tensors, random, is_whole=True)),
        *[lambda: _packed(whole, _with_odd_numbers(head, tensors, random, is_whole=False))] * 2,
    )
    return pick(random, ways)()


def _packed(head: bytes, tensors: bytes) -> bytes:
    return struct.pack("<Q", len(head)) + head + tensors


def _reshaped(head: dict, random: Random) -> dict:
    """Shapes, types and places of two tensors exchanged, or one of them made larger."""
    names = [name for name in head if name != "__metadata__"]
    one, other = head[pick(random, names)], head[pick(random, names)]
    key = pick(random, ("shape", "dtype", "data_offsets"))
    if random.random() < 0.4:
        one[key], other[key] = other[key], one[key]
    elif random.random() < 0.5:
        one["shape"] = pick(random, ([2**31, 2**31], [10**12], [-1], [0], [], one["shape"][::-1], [1, *one["shape"]]))
    else:
        one["dtype"] = pick(random, ("F64", "F16", "BF16", "I8", "U8", "BOOL", "C64", "F8_E4M3", "X"))
    return head


def _with_odd_numbers(head: dict, tensors: bytes, random: Random, *, is_whole: bool) -> bytes:
    """NaN, infinity or huge numbers in one place of one tensor, or in all of it."""
    types = {"F32": np.float32, "F16": np.float16}
    name = pick(random, [name for name, about in head.items() if about.get("dtype") in types])
    start, end = head[name]["data_offsets"]
    values = np.frombuffer(tensors[start:end], types[head[name]["dtype"]]).copy()
    if len(values):
        with np.errstate(over="ignore"):
            values[slice(None) if is_whole else int(random.integers(len(values)))] = pick(random, _ODD)
    return tensors[:start] + values.tobytes() + tensors[end:]


# --- Model folders -----------------------------------------------------------------------------------------------


def _making(*names: str) -> Callable[[Path, Path, Random], None]:
    def make(base: Path, into: Path, random: Random) -> None:
        folder = copied(base / pick(random, names) / "model", into / "model")
        config, weights = folder / "config.json", folder / WEIGHTS
        what = random.random()
        if what < 0.5:
            config.write_bytes(json_text(json.loads(config.read_text()), random))
        elif what < 0.95:
            weights.write_bytes(spoilt_tensors(weights.read_bytes(), random))
        else:
            other = base / pick(random, ("plain", "resize", "styled", "vessels", "enhancer")) / "model"
            name = pick(random, (config.name, WEIGHTS, "README.md"))
            (folder / name).unlink()
            if random.random() < 0.7:
                shutil.copy(other / name, folder / name)

    return make


def _read_generator(base: Path, into: Path) -> bool:
    from retinasynth.generation.generator import load as load_generator

    try:
        model = load_generator(into / "model")
        made = [model.generate(base / "eyes" / "test" / "vessels" / "phantom_004.png", seed=seed) for seed in (0, 1)]
    except RetinasynthError:
        return False
    if not all(np.ptp(picture) for picture in made):
        raise NonsenseError("the model was accepted, and its photograph is of one colour")
    return True


def _read_styled(base: Path, into: Path) -> bool:
    from retinasynth.anatomy.grow import grow

    eye = grow(1, 64)
    try:
        model = load_generator(into / "model")
        styles = ("sampled", "expected", base / "eyes" / "test" / "images" / "phantom_004.png")
        made = [model.generate(eye, style=style) for style in styles]
    except RetinasynthError:
        return False
    if not all(np.ptp(picture) for picture in made):
        raise NonsenseError("the model was accepted, and its photograph is of one colour")
    return True


def _photograph(base: Path) -> Path:
    return base / "photos" / "test" / "images" / "phantom_002.png"


def _read_segmenter(base: Path, into: Path) -> bool:
    from retinasynth.segmentation.use import Segmenter

    try:
        model = Segmenter.load(into / "model")
        seen = model.segment(_photograph(base))
    except RetinasynthError:
        return False
    if not all(np.isfinite(layer).all() for layer in seen.probabilities.values()):
        raise NonsenseError("the model was accepted, and its probabilities are no numbers")
    return True


def _read_enhancer(base: Path, into: Path) -> bool:
    from retinasynth.enhancement.use import Enhancer

    try:
        made = Enhancer.load(into / "model").enhance(_photograph(base))
    except RetinasynthError:
        return False
    if not np.ptp(made):
        raise NonsenseError("the model was accepted, and its photograph is of one colour")
    return True


# --- Runs --------------------------------------------------------------------------------------------------------


def _make_checkpoint(base: Path, into: Path, random: Random) -> None:
    run = copied(base / pick(random, ("killed-plain", "killed-plain", "killed-vessels")), into / "run")
    state, config, log = run / "checkpoint" / "state.safetensors", run / "config.yaml", run / "metrics.jsonl"
    what = random.random()
    if what < 0.6:
        state.write_bytes(spoilt_tensors(state.read_bytes(), random))
    elif what < 0.75:
        value = hostile(yaml.safe_load(config.read_text()), random)
        config.write_bytes(yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass"))
    elif what < 0.95:
        from torture.of_logs import spoilt_lines

        log.write_bytes(spoilt_lines(log.read_text(), random))
    else:
        gone = pick(random, (state, config, log, run / "model" / "config.json", run / "model" / WEIGHTS))
        gone.unlink()
        if random.random() < 0.3:
            gone.mkdir()


def _read_checkpoint(base: Path, into: Path) -> bool:
    run = into / "run"
    is_segmenter = (run / "model" / "README.md").read_text().startswith("# A retinasynth segmenter")
    before = base / ("killed-vessels" if is_segmenter else "killed-plain") / "config.yaml"
    same_settings = (run / "config.yaml").is_file() and (run / "config.yaml").read_bytes() == before.read_bytes()
    try:
        _resume(run, is_segmenter=is_segmenter)
    except RetinasynthError:
        return False
    whole = base / ("vessels" if is_segmenter else "plain")
    if (run / "model" / WEIGHTS).read_bytes() != (whole / "model" / WEIGHTS).read_bytes():
        raise NonsenseError("what was damaged was gone on with, to other weights")
    found, wanted = (_steps_in(one / "metrics.jsonl") for one in (run, whole))
    # Of what was logged before the checkpoint, half of the run, a spoilt record is lost. Nothing else may be.
    if same_settings and (found != sorted({*found} & {*wanted}) or not {*wanted[len(wanted) // 2 :]} <= {*found}):
        raise NonsenseError(f"the log of the resumed run has the steps {found}")
    return True


def _steps_in(log: Path) -> list[int]:
    return [json.loads(line)["step"] for line in log.read_text(encoding="utf-8").splitlines()]


def _resume(run: Path, *, is_segmenter: bool) -> None:
    from retinasynth.pix2pix import train as trainer
    from retinasynth.segmentation import train as segmentation

    if is_segmenter:
        segmentation.resume(run)
    else:
        trainer.resume(run, RESUMED)


# --- Caches ------------------------------------------------------------------------------------------------------


@contextmanager
def _cache(folder: Path):
    before = os.environ["RETINASYNTH_CACHE"]
    os.environ["RETINASYNTH_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ["RETINASYNTH_CACHE"] = before


def _cached(base: Path, cache: Path, name: str) -> dict[str, np.ndarray]:
    """What training takes from a cache folder, made where missing."""
    from retinasynth.data.find import find_eyes
    from retinasynth.data.frames import load_frames
    from retinasynth.pix2pix.data import load_pairs

    files = find_eyes(base / "eyes").split("train")
    with _cache(cache):
        if name == "pairs":
            pairs = load_pairs(files, 32)
            arrays = {"photographs": pairs.photographs, "labels": pairs.labels, "mean": pairs.mean}
        else:
            frames = load_frames(files, 64, ["vessels", "disc"])
            arrays = {"photographs": frames.photographs, "layers": frames.layers, "known": frames.known}
        return {name: np.array(array) for name, array in arrays.items()}


def _make_cache(base: Path, into: Path, random: Random) -> None:
    name = pick(random, ("pairs", "frames"))
    _cached(base, into / "cache", name)
    file = pick(
        random, sorted(file for file in (into / "cache").rglob("*") if file.is_file() and file.suffix != ".lock")
    )
    content = file.read_bytes()
    if file.suffix == ".json" and random.random() < 0.5:
        file.write_bytes(json_text(json.loads(content), random))
    elif random.random() < 0.3:
        file.unlink()
    elif random.random() < 0.4:
        file.write_bytes(content[:200] + b"\0" * len(content[200:]))
    else:
        file.write_bytes(damaged(content, random))


def _read_cache(base: Path, into: Path) -> bool:
    name = next(folder.name for folder in (into / "cache").iterdir() if folder.name in {"pairs", "frames"})
    found = tried(lambda: _cached(base, into / "cache", name))
    if found is None:
        raise NonsenseError("a damaged cache stops the training")
    wanted = _cached(base, into / "fresh", name)
    if not all(np.array_equal(found[part], wanted[part]) for part in wanted):
        raise NonsenseError("a damaged cache is trained on")
    return True


KINDS = {
    "generator": Kind(40, _making("plain", "resize"), _read_generator),
    "styled": Kind(30, _making("styled"), _read_styled),
    "segmenter": Kind(30, _making("vessels", "disc"), _read_segmenter),
    "enhancer": Kind(25, _making("enhancer"), _read_enhancer),
    "checkpoint": Kind(50, _make_checkpoint, _read_checkpoint),
    "cache": Kind(20, _make_cache, _read_cache),
}
