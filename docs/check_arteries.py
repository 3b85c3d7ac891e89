"""How well arteries are told from veins: `python docs/check_arteries.py [LABELLED]`.

1. In procedural photographs of grown eyes, of which all is known: how many are told, how much of the vessels, and what
   share of that is right; and how many are told where all vessels have one colour, or arteries and veins each other's.
2. In a set of `retinasynth segment label`, where nobody knows: how many eyes were told when it was labelled, how many
   would be told today, and by how many grey levels arteries are brighter than veins there.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.eye.arteries_veins import tell_arteries
from retinasynth.images import Mask
from retinasynth.intervals import bootstrap_mean

GROWN, SIZE_PX = 40, 768
EYES = 120  # of the labelled set, evenly


def say(text: str) -> None:
    """A line on the screen, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def with_truth() -> None:
    """Print what is right in procedural photographs."""
    right, covered = [], []
    for seed in range(GROWN):
        planes = grow(seed, SIZE_PX).planes
        truth = {"arteries": planes["arteries"] & ~planes["veins"], "veins": planes["veins"] & ~planes["arteries"]}
        vessels = planes["arteries"] | planes["veins"]
        told = tell_arteries(render_photograph(grow(seed, SIZE_PX), seed), vessels, planes["disc"], planes["fov"])
        if told is None:
            continue
        of_one_kind = (told[0] | told[1]) & (truth["arteries"] | truth["veins"])
        right.append(((told[0] & truth["arteries"]) | (told[1] & truth["veins"])).sum() / of_one_kind.sum())
        covered.append((told[0] | told[1]).sum() / vessels.sum())
    for what, planes_of in (("of one colour", without_kinds), ("with kinds exchanged", exchanged)):
        eyes = [(seed, grow(seed, SIZE_PX)) for seed in range(GROWN)]
        photographs = [render_photograph(replace(eye, planes=planes_of(eye.planes)), seed) for seed, eye in eyes]
        told_there = sum(
            tell_arteries(picture, eye.planes["vessels"], eye.planes["disc"], eye.planes["fov"]) is not None
            for picture, (_, eye) in zip(photographs, eyes, strict=True)
        )
        say(f"procedural, vessels {what}: {told_there} of {GROWN} eyes told")
    one = bootstrap_mean(right)
    say(
        f"procedural: {len(right)} of {GROWN} eyes told, {np.mean(covered):.0%} of their vessels by area, of which "
        f"{one.mean:.3f} ({one.low:.3f} to {one.high:.3f}) is right, in the worst eye {min(right):.2f}"
    )


def without_kinds(planes: Mapping[str, Mask]) -> dict[str, Mask]:
    """The planes of an eye that does not tell arteries from veins."""
    return {name: plane for name, plane in planes.items() if name not in {"arteries", "veins"}}


def exchanged(planes: Mapping[str, Mask]) -> dict[str, Mask]:
    """The planes of an eye whose arteries are its veins."""
    return {**planes, "arteries": planes["veins"], "veins": planes["arteries"]}


def without_truth(labelled: Path) -> None:
    """Print what was told in a labelled set."""
    eyes = find_eyes(labelled).eyes
    told = [files for files in eyes if files.has(["arteries", "veins"])]
    say(f"{labelled.name}: {len(told)} of {len(eyes)} eyes told")
    some = [read_eye(files) for files in eyes[:: max(1, len(eyes) // EYES)]]
    today = [
        tell_arteries(eye.photograph, eye.planes["vessels"], eye.planes.get("disc"), eye.planes["fov"])
        for eye in some
        if eye.photograph is not None
    ]
    say(f"today {len(today) - today.count(None)} of {len(today)} of them would be told")
    differences = []
    for files in told[:: max(1, len(told) // EYES)]:
        eye = read_eye(files)
        if eye.photograph is not None:
            both = [eye.photograph[eye.planes[kind]].mean(axis=0) for kind in ("arteries", "veins")]
            differences.append(both[0] - both[1])
    for name, values in zip(("red", "green"), np.array(differences).T, strict=False):
        one = bootstrap_mean(values)
        say(
            f"arteries minus veins in {name}: {one.mean:+.1f} ({one.low:+.1f} to {one.high:+.1f}) grey levels in "
            f"{len(values)} eyes, above 0 in {np.mean(values > 0):.0%}"
        )


def main(*labelled: str) -> None:
    """Print everything."""
    with_truth()
    for folder in labelled:
        without_truth(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
