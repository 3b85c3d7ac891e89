"""How well the bundled generator serves whom, and how near its photographs are to real ones.

    python docs/check_styles.py LABELLED OUT        # LABELLED: of `retinasynth segment label`, from several sets

1. `evaluate --style own` on all test eyes: by set, and by thirds of lightness (a dark fundus is a pigmented one), how
   like the photograph each picture is and how well its vessels are found again, beside the real photograph.
2. `generate --style sampled` on the label maps of all test eyes: kernel distance to photographs of the same number of
   other people, beside that between the sets themselves; and how often a classifier that has seen others of both kinds
   tells one from the other.
3. How dark or pale lesions are: against what lies around them in photographs of test eyes where people drew them and in
   what is generated from their label maps in their styles; against the same eye without them in grown ones.
"""

import csv
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

import retinasynth as rs
from retinasynth.data.find import find_eyes, photograph_of
from retinasynth.data.frames import load_frames
from retinasynth.data.matching import EyeFiles
from retinasynth.evaluation.metrics import two_sample
from retinasynth.evaluation.metrics.appearance import appearance
from retinasynth.evaluation.metrics.features import Features, FundusFeatures, ImageNetFeatures, described
from retinasynth.evaluation.metrics.kernel_distance import kernel_distance
from retinasynth.eye import Eye
from retinasynth.eye.eye import LESIONS
from retinasynth.eye.style import Style
from retinasynth.images import Mask, Photograph
from retinasynth.intervals import bootstrap_mean
from retinasynth.styled.data import load_styled

MODEL = "fundus-512"
THIRDS = ("dark", "middle", "light")
AROUND_PX, GROWN = 12, 12


def say(text: str) -> None:
    """A line on the screen, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def origin(name: str) -> str:
    """The set that a labelled eye comes from, by its name; both parts of IDRiD are one."""
    return name.partition("-")[0].removesuffix("_grading")


def by_group(files: Sequence[EyeFiles], out: Path) -> None:
    """Print figures by set and by lightness."""
    if not (out / "pictures.csv").is_file():
        rs.evaluate(MODEL, files[0].photograph.parents[2], out, style="own", sets=False)  # type: ignore[union-attr]
    with (out / "pictures.csv").open(encoding="utf-8") as lines:
        rows = {row["name"]: row for row in csv.DictReader(lines)}
    lightness = {one.name: appearance(photograph_of(one)).lightness for one in files}
    limits = np.quantile(list(lightness.values()), [1 / 3, 2 / 3])
    groups = {one.name: (origin(one.name), THIRDS[int(np.searchsorted(limits, lightness[one.name]))]) for one in files}
    for group in [*sorted({first for first, _ in groups.values()}), *THIRDS]:
        names = [name for name, both in groups.items() if group in both and name in rows]
        said = []
        for measure in ("fov_ssim", "fov_psnr", "vessels_dice", "disc_dice"):
            values = [float(rows[name][measure]) for name in names]
            found = bootstrap_mean([value for value in values if not np.isnan(value)])
            said.append(f"{measure} {found.mean:.3f} ({found.low:.3f} to {found.high:.3f})")
        say(f"{group}, {len(names)} eyes: {', '.join(said)}")


def distances(files: Sequence[EyeFiles], network: Features) -> None:
    """Print kernel distances between the sets, and from what is generated to the photographs of other people."""
    model = rs.load(MODEL)
    planes = model.config.planes
    framed = load_frames(files, model.config.size_px, planes)  # all cameras alike: only then can they be compared
    made = []
    for number, (layers, known) in enumerate(zip(framed.layers > 127, framed.known, strict=True)):
        there = {plane: layer for plane, layer, is_known in zip(planes, layers[1:], known, strict=True) if is_known}
        made.append(model.generate(Eye("framed", {"fov": layers[0], **there}), seed=number))
    names = [one.name for one in files]
    features = {
        kind: dict(zip(names, described(pictures, network), strict=True))
        for kind, pictures in (("made", made), ("real", list(framed.photographs)))
    }
    sets = {which: [name for name in names if origin(name) == which] for which in map(origin, names)}
    count = min(map(len, sets.values()))
    random = np.random.default_rng(0)
    between = []
    for first, second in itertools.combinations(sorted(sets), 2):
        rows = [
            np.stack([features["real"][name] for name in random.permutation(sets[which])[:count]])
            for which in (first, second)
        ]
        found = kernel_distance(rows[0], rows[1])
        between.append(found.mean)
        text = f"{found.mean:.4f} ({found.low:.4f} to {found.high:.4f})"
        say(f"{network.name}: {first} to {second}, {count} each: {text}")
    say(f"{network.name}: median between sets {np.median(between):.4f}")
    some, others = np.array_split(random.permutation(names), 2)
    unseen = np.stack([features["real"][name] for name in some])
    for kind, what in (("made", "generated"), ("real", "real")):
        theirs = np.stack([features[kind][name] for name in others])
        found, told = kernel_distance(unseen, theirs), two_sample.measure(unseen, theirs).balanced_accuracy
        text = f"{found.mean:.4f} ({found.low:.4f} to {found.high:.4f})"
        say(f"{network.name}: {what} to real of other people, {len(others)} each: {text}")
        say(f"{network.name}: told from them in {told.mean:.3f} ({told.low:.3f} to {told.high:.3f})")


def contrasts(files: Sequence[EyeFiles]) -> None:
    """Print the contrast of lesions in the green channel, in grey levels."""
    model = rs.load(MODEL)
    planes = model.config.planes
    eyes = load_styled([one for one in files if one.photograph], model.config.size_px, planes)
    real: dict[str, list[float]] = {plane: [] for plane in LESIONS}
    again: dict[str, list[float]] = {plane: [] for plane in LESIONS}
    for number in np.flatnonzero(eyes.is_ill):
        layers, photograph = eyes.layers[number] > 127, np.asarray(eyes.photographs[number])
        known = {plane: layers[1 + place] for place, plane in enumerate(planes) if eyes.known[number, place]}
        lesions = {plane: known[plane] for plane in LESIONS}
        made = model.generate(
            Eye("framed", {"fov": layers[0], **known}), seed=int(number), style=Style(eyes.styles[number])
        )
        for found, picture in ((real, photograph), (again, made)):
            for plane, contrast in contrast_of(picture, layers[0], lesions).items():
                found[plane].append(contrast)
    grown: dict[str, list[float]] = {plane: [] for plane in LESIONS}
    for seed in range(GROWN):
        eye = rs.grow(seed, microaneurysms=40, haemorrhages=30, hard_exudates=80, soft_exudates=4)
        nothing = dict.fromkeys(LESIONS, np.zeros(eye.size, np.bool_))
        ill, well = model.generate([eye, replace(eye, planes={**eye.planes, **nothing})], seed=seed)
        change = ill[..., 1].astype(np.float64) - well[..., 1]
        for plane in LESIONS:
            grown[plane].append(float(change[eye.planes[plane]].mean()))
    for plane in LESIONS:
        each = [bootstrap_mean(values) for values in (real[plane], again[plane], grown[plane])]
        words = [f"{one.mean:+.1f} ({one.low:+.1f} to {one.high:+.1f})" for one in each]
        say(
            f"{plane}: {words[0]} in {len(real[plane])} photographs, {words[1]} generated from their label maps, "
            f"{words[2]} in {GROWN} grown eyes"
        )


def contrast_of(photograph: Photograph, field: Mask, lesions: Mapping[str, Mask]) -> dict[str, float]:
    """Green of each kind of lesion that is there, less that of what lies around it."""
    green = photograph[..., 1].astype(np.float64)
    clear = field & ~ndimage.binary_dilation(np.logical_or.reduce(list(lesions.values())), iterations=2)
    weight = ndimage.gaussian_filter(clear.astype(np.float64), AROUND_PX) + 1e-3
    around = ndimage.gaussian_filter(green * clear, AROUND_PX) / weight
    return {plane: float((green - around)[mask].mean()) for plane, mask in lesions.items() if mask.any()}


def main(labelled: Path, out: Path) -> None:
    """Print everything."""
    found = find_eyes(labelled)
    files = found.split("test")
    contrasts(files)
    by_group(files, out)
    for network in (FundusFeatures(), ImageNetFeatures()):
        distances(files, network)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
