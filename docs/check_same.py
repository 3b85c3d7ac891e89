"""Does the product still compute what it computed? `python docs/check_same.py HASHES.json`, before and after a change.

Writes a SHA-256 of each thing that users get, from one thread: grown eyes, photographs of the bundled generator, labels
found in a photograph, an enhanced one, the weights after a few steps of training, an evaluation. Where HASHES.json is
there already, it says what differs from it, and ends with exit code 1 if anything does. The hashes hold for one machine
and the exact versions of constraints.txt. About three minutes on one core.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import torch
from safetensors.torch import load_file

import retinasynth as rs

POPULATIONS = ("adult", "child", "elderly", "hypertensive", "glaucomatous", "diabetic")
EYES, STEPS = 20, 20
# What an evaluation says of where, when and with what it was made.
UNLIKE = {"retinasynth", "created", "data", "model", "run", "folder"}


def digest(*values: Any) -> str:
    """SHA-256 of arrays and plain values."""
    found = hashlib.sha256()
    for value in values:
        is_array = isinstance(value, np.ndarray)
        found.update(np.ascontiguousarray(value).tobytes() if is_array else json.dumps(value, sort_keys=True).encode())
    return found.hexdigest()


def of_eye(eye: rs.Eye) -> str:
    """Of all planes of an eye and its photograph."""
    planes = [part for name in sorted(eye.planes) for part in (name, eye.planes[name])]
    return digest(*planes, *([] if eye.photograph is None else [eye.photograph]))


def grown() -> Iterator[tuple[str, str]]:
    """Eyes of all populations, and one photograph by rule."""
    for seed in range(EYES):
        people = POPULATIONS[seed % len(POPULATIONS)]
        yield f"grown {people} {seed}", of_eye(rs.grow(seed, 512, people=people))
    yield "drawn by rule", digest(rs.phantom_photograph(rs.grow(0, 256), 0))


def photographs(retina: Path) -> Iterator[tuple[str, str]]:
    """Three eyes in three styles, one of them without its disc."""
    model = rs.load("fundus-512")
    for seed in range(3):
        eye = rs.grow(seed, 512)
        for name, style in (("sampled", "sampled"), ("expected", "expected"), ("of a photograph", retina)):
            yield f"photograph {seed} {name}", digest(model.generate(eye, seed=seed, style=style))
    yield "photograph of a bare mask", digest(model.generate(rs.grow(3, 512).planes["vessels"], seed=3))


def found(retina: Path) -> Iterator[tuple[str, str]]:
    """What the bundled segmenters find, and what the enhancer makes."""
    seen = rs.segment(retina)
    yield "segmented", of_eye(seen.eye)
    for plane, probability in sorted(seen.probabilities.items()):
        yield f"probability of {plane}", digest(probability)
    yield "enhanced", digest(rs.Enhancer.load().enhance(rs.phantom_photograph(rs.grow(1, 256), 1), 2))


def learnt(folder: Path) -> Iterator[tuple[str, str]]:
    """A few steps of the published system and of few-shot, and the evaluation of the first."""
    often = [f"checkpoint_every_steps={STEPS}", f"sample_every_steps={STEPS}", "log_every_steps=1", "precision=fp32"]
    for preset, more in (("source", ["size_px=256"]), ("few-shot", ["size_px=256", "discriminator.crop_px=128"])):
        run = rs.train("phantom", folder / preset, preset=preset, overrides=[*often, *more, "epochs=1"])
        weights = load_file(run / "model" / "model.safetensors")
        yield f"{preset} weights", digest(*(part for name in sorted(weights) for part in (name, weights[name].numpy())))
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        yield f"{preset} losses", digest([{k: v for k, v in one.items() if "seconds" not in k} for one in lines])
    rs.evaluate(folder / "source", "phantom", folder / "evaluation")
    about = json.loads((folder / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    for name, value in about.items():
        if name not in UNLIKE:
            yield f"evaluation {name}", digest(value)


def main() -> None:
    """Write the hashes, or compare them."""
    torch.set_num_threads(1)
    path = Path(sys.argv[1])
    retina = Path(skimage.__file__).parent / "data" / "retina.jpg"
    with tempfile.TemporaryDirectory() as folder:
        hashes: dict[str, str] = {}
        for part in (grown(), photographs(retina), found(retina), learnt(Path(folder))):
            for name, value in part:
                hashes[name] = value
                sys.stdout.write(f"{name}: {value[:12]}\n")
                sys.stdout.flush()
    if not path.is_file():
        path.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(name for name in {*before, *hashes} if before.get(name) != hashes.get(name))
    sys.stdout.write("".join(f"OTHER: {name}\n" for name in changed) or f"All {len(hashes)} are as before.\n")
    sys.exit(1 if changed else 0)


if __name__ == "__main__":
    main()
