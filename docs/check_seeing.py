"""How well photographs are seen: `python docs/check_seeing.py WHAT FOLDER [MODEL]`.

`arteries LES_AV [MODEL]`: against arteries and veins that people drew. On their centre lines: how much is found, as
either kind, and of that how much is of the right kind; from photographs alone, by rule or by a segmenter of them.

`cups FOLDER`: on the held-out third of the cups that were marked by eye (`marked_cups.csv`): vertical cup-to-disc
ratio and Dice, and how well the reader repeats himself.

`foveas FOLDER`: on the test photographs whose foveas were marked by eye (`marked_foveas.csv`): how far off the fovea
is, in disc diameters, and how often the right eye is named.

Elsewhere FOLDER is the set of `retinasynth segment label` that bundled_segmenters.py makes.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from check_arteries import say
from marked_eyes import ellipse, held_out_cups, labelled_eyes, marked_cups, marked_foveas
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.eye.biomarkers import height_of
from retinasynth.images import Mask
from retinasynth.intervals import bootstrap_mean
from retinasynth.segmentation.labelling import told_apart
from retinasynth.segmentation.use import Segmenter, segment

TOLERANCE_DD = 0.02  # between a centre line and what was found there
WITHIN_DD = 0.25


def arteries(folder: Path, model: str = "") -> None:
    """Print what is found and right of arteries and veins that people drew."""
    models = [Segmenter.load(name) for name in ("vessels", "disc-cup", *([model] if model else []))]
    found, right, untold = [], [], 0
    for files in find_eyes(folder).eyes:
        truth = read_eye(files)
        if truth.photograph is None or not files.has(["arteries", "veins"]):
            continue
        eye = segment(truth.photograph, models=models).eye
        seen = {**eye.planes, **told_apart(eye)}
        if "arteries" not in seen:
            untold += 1
            continue
        both = (truth.planes["arteries"] & ~truth.planes["veins"], truth.planes["veins"] & ~truth.planes["arteries"])
        reach = TOLERANCE_DD * (height_of(seen["disc"]) if "disc" in seen else 0.15 * min(truth.size))
        share, is_right = _on_centre_lines(both, (seen["arteries"], seen["veins"]), reach)
        found.append(share)
        right.append(is_right)
        say(f"{files.name}: {share:.3f} found, {is_right:.3f} right")
    for what, values in (("found", found), ("right", right)):
        one = bootstrap_mean(values)
        say(f"{what}: {one.mean:.3f} ({one.low:.3f} to {one.high:.3f}), {len(values)} eyes; nothing told in {untold}")


def _on_centre_lines(truth: tuple[Mask, Mask], seen: tuple[Mask, Mask], reach_px: float) -> tuple[float, float]:
    apart, nearest = ndimage.distance_transform_edt(~(seen[0] | seen[1]), return_indices=True)
    lines, found, right = 0, 0, 0
    for kind in (0, 1):
        line = skeletonize(truth[kind])
        near = line & (apart <= reach_px)
        lines += int(line.sum())
        found += int(near.sum())
        right += int(seen[kind][tuple(axis[near] for axis in nearest)].sum())
    return found / max(lines, 1), right / max(found, 1)


def cups(labelled: Path) -> None:
    """Print how far found cups are from those that were marked."""
    eyes, segmenter = labelled_eyes(labelled), Segmenter.load("disc-cup")
    ratios, dice, repeated, repeated_dice = [], [], [], []
    marked = marked_cups()
    for name in sorted(held_out_cups()):
        eye = read_eye(eyes[name])
        height, width = eye.size
        scaled = marked[name] * (width, height, width, height)
        disc = eye.planes["disc"]
        first, second, mean = (
            ellipse(eye.size, (x, y), (across, down)) & disc for x, y, across, down in (*scaled, scaled.mean(axis=0))
        )
        repeated.append((height_of(first) - height_of(second)) / height_of(disc))
        repeated_dice.append(2 * (first & second).sum() / (first.sum() + second.sum()))
        seen = segment(eye.photograph, models=[segmenter]).eye.planes
        if "cup" not in seen:
            say(f"{'/'.join(name)}: no disc")
            continue
        ratios.append((height_of(seen["cup"]) / height_of(seen["disc"]), height_of(mean) / height_of(disc)))
        dice.append(2 * (seen["cup"] & mean).sum() / (seen["cup"].sum() + mean.sum()))
    of_seen, of_marked = np.array(ratios).T
    say(
        f"cups, {len(ratios)} eyes: ratio off by {np.abs(of_seen - of_marked).mean():.3f} (seen "
        f"{of_seen.mean():.3f}, marked {of_marked.mean():.3f}), correlation "
        f"{np.corrcoef(of_seen, of_marked)[0, 1]:.2f}, Dice {np.mean(dice):.3f}; the reader with himself: ratio off by "
        f"{np.abs(repeated).mean():.3f}, Dice {np.mean(repeated_dice):.3f}"
    )


def foveas(labelled: Path) -> None:
    """Print how far found foveas are from those that were marked."""
    eyes, segmenter = labelled_eyes(labelled), Segmenter.load("landmarks")
    away, named = [], []
    for name, (x, y) in sorted(marked_foveas("test").items()):
        eye = read_eye(eyes[name])
        height, width = eye.size
        found = segment(eye.photograph, models=[segmenter])
        disc = eye.planes["disc"]
        place = found.landmarks["fovea"]
        away.append(np.hypot(place.x - x * width, place.y - y * height) / height_of(disc))
        side, _ = found.side
        truth = "right" if x * width < ndimage.center_of_mass(disc)[1] else "left"
        named.append(0.0 if side is None else 1.0 if side == truth else -1.0)
        if away[-1] > WITHIN_DD or named[-1] < 1:
            say(f"{'/'.join(name)}: {away[-1]:.2f} DD off, confidence {place.confidence:.2f}, {side or 'no side'}")
    one = np.array(away)
    say(
        f"foveas, {len(one)} eyes: median {np.median(one):.3f} DD off, within {WITHIN_DD} DD in "
        f"{np.mean(one <= WITHIN_DD):.0%}; the right eye named in {np.mean(np.array(named) > 0):.1%}, the wrong one in "
        f"{np.mean(np.array(named) < 0):.1%}"
    )


if __name__ == "__main__":
    {"arteries": arteries, "cups": cups, "foveas": foveas}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:4])
