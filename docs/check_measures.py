"""How far measures of photographs can be trusted: `python docs/check_measures.py [--eyes 30]`.

Grown eyes are photographed by `fundus-512` in two styles each, segmented, and measured as `retinasynth measure` does.
Which of the vessels found are arteries and veins is taken from the exact labels, since the rule tells it in few of
these photographs (it is printed, in how many); the fovea is where the labels have it.

1. Agreement: the photograph in the first style against the exact labels, in their own unit: bias and limits of
   agreement (Bland and Altman, Lancet 327, 1986), and ICC(2,1), two-way random, absolute agreement, single measures
   (Shrout and Fleiss, Psychol Bull 86, 1979).
2. Test-retest: the photographs in both styles against each other, likewise.
3. Resolution: the median ratio of each measure of exact labels at twice the size to those at this size.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage

import retinasynth as rs
from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.eye.regional import REGIONAL, Values, measure_all
from retinasynth.images import Photograph
from retinasynth.segmentation.labelling import told_apart
from retinasynth.segmentation.use import USUAL, Segmenter, segment

MODEL, SIZE_PX = "fundus-512", 512
FEWEST = 5  # eyes that a figure needs
KINDS = ("vessels", "arteries", "veins")
AROUND = ("zone_b", "zone_c", "superior", "inferior", "temporal", "fovea_inner", "fovea_outer")
CHOSEN = (
    "vessel_density [share]",
    "fractal_dimension",
    "tortuosity",
    "branch_points",
    "branching_angle_deg [degrees]",
    "cup_to_disc_vertical",
    "disc_fovea_distance_dd [DD]",
    *(f"density_vessels_{region} [share]" for region in AROUND),
    *(f"length_density_vessels_{region} [1/DD]" for region in ("field", "zone_c")),
    *(f"calibre_{kind}_{region} [DD]" for kind in KINDS for region in ("field", "zone_b")),
    *(f"arc_chord_{kind}_{region}" for kind in KINDS for region in ("field", "zone_c")),
    *(f"inflection_count_{kind}_field" for kind in KINDS),
    *(f"squared_curvature_{kind}_field [1/DD2]" for kind in KINDS),
    *(name for name, column in REGIONAL.items() if column.quantity.startswith(("cra", "crv", "avr"))
      and column.unit in ("DD", "")),
)  # fmt: skip

Numbers = NDArray[np.float64]


def icc(ratings: Numbers) -> float:
    """ICC(2,1): two-way random effects, absolute agreement, single measures (Shrout and Fleiss 1979).

    Args:
        ratings: ``(subjects, raters)``.

    Example:
        >>> judged = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> round(icc(np.array(judged, float)), 2)  # their Table 4
        0.29
    """
    subjects, raters = ratings.shape
    mean = ratings.mean()
    of_subjects, of_raters = ratings.mean(axis=1, keepdims=True), ratings.mean(axis=0, keepdims=True)
    between = raters * ((of_subjects - mean) ** 2).sum() / (subjects - 1)
    among = subjects * ((of_raters - mean) ** 2).sum() / (raters - 1)
    left = ((ratings - of_subjects - of_raters + mean) ** 2).sum() / ((subjects - 1) * (raters - 1))
    return float((between - left) / (between + (raters - 1) * left + raters * (among - left) / subjects))


def bland_altman(one: Numbers, other: Numbers) -> tuple[float, float, float]:
    """Mean of one minus the other, and the limits between which 95 % of the differences are expected.

    Example:
        >>> bland_altman(np.array([1.0, 2.0, 4.0]), np.array([0.0, 2.0, 2.0]))
        (1.0, -0.96, 2.96)
    """
    differences = one - other
    bias, spread = float(differences.mean()), 1.96 * float(differences.std(ddof=1))
    return bias, bias - spread, bias + spread


def exact(seed: int, size_px: int) -> tuple[Eye, Values]:
    """A grown eye and the measures of its labels, with its own disc for scale as in photographs."""
    eye = rs.grow(seed, size_px)
    side = eye.geometry.laterality if eye.geometry else None
    return eye, measure_all(replace(eye, geometry=None), laterality=side)


def seen(photograph: Photograph, segmenters: Sequence[Segmenter], eye: Eye) -> tuple[Values, bool]:
    """The measures of a photograph of an eye, and whether the rule tells arteries from veins in it."""
    found = segment(photograph, models=segmenters).eye
    row, column = np.argwhere(eye.planes["fovea"]).mean(axis=0)
    distance = {kind: ndimage.distance_transform_edt(~eye.planes[kind]) for kind in ("arteries", "veins")}
    is_artery = distance["arteries"] < distance["veins"]
    vessels = found.planes["vessels"]
    named = replace(
        found,
        planes={**found.planes, "arteries": vessels & is_artery, "veins": vessels & ~is_artery},
        centres={"fovea": (float(column), float(row))},
    )
    return measure_all(named), bool(told_apart(found))


def compared(first: Sequence[Values], second: Sequence[Values], title: str) -> Table:
    """A row for each measure that both sides know in enough eyes."""
    table = Table("measure", "eyes", "mean", "bias", "limits of agreement", "ICC(2,1)", title=title)
    for name in CHOSEN:
        both = [(one[name], other[name]) for one, other in zip(first, second, strict=True)]
        known = np.array([pair for pair in both if None not in pair], float)
        if len(known) < FEWEST:
            table.add_row(name, str(len(known)))
            continue
        bias, low, high = bland_altman(known[:, 0], known[:, 1])
        figures = (f"{known[:, 1].mean():.3g}", f"{bias:+.2g}", f"{low:+.2g} to {high:+.2g}", f"{icc(known):.2f}")
        table.add_row(name, str(len(known)), *figures)
    return table


def resolutions(labels: Sequence[tuple[Values, Values]]) -> Table:
    """Of each measure the median ratio of the second to the first."""
    table = Table("measure", "median ratio", title=f"Exact labels, {2 * SIZE_PX} px over {SIZE_PX} px")
    for name in CHOSEN:
        ratios = [other / value for value, other in ((one[name], two[name]) for one, two in labels) if value and other]
        table.add_row(name, f"{np.median(ratios):.2f}" if len(ratios) >= FEWEST else "")
    return table


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eyes", type=int, default=30)
    count = parser.parse_args().eyes
    console = Console(width=120, markup=False)
    model, segmenters = rs.load(MODEL), [Segmenter.load(name) for name in USUAL]
    labels, styles, told = [], [], 0
    for seed in range(count):
        eye, one = exact(seed, SIZE_PX)
        labels.append((one, exact(seed, 2 * SIZE_PX)[1]))
        photographs = [model.generate(eye, style="sampled", seed=2 * seed + style) for style in (0, 1)]
        try:
            (first, is_told), (second, _) = (seen(photograph, segmenters, eye) for photograph in photographs)
        except ImageError as error:
            console.print(f"eye {seed} is left out of photographs: {error}")
            first, second, is_told = dict.fromkeys(one), dict.fromkeys(one), False
        styles.append((first, second))
        told += is_told
    console.print(f"The rule tells arteries from veins in {told} of {count} photographs of the first style")
    first_style, second_style = zip(*styles, strict=True)
    console.print(compared(first_style, [one for one, _ in labels], "Photograph minus exact labels"))
    console.print(compared(first_style, second_style, "Photograph in one style minus another"))
    console.print(resolutions(labels))


if __name__ == "__main__":
    main()
