"""Edits of label maps: a cup of another size, other lesions, narrower vessels; all else stays as it was."""

from bisect import bisect_left
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy import ndimage

from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.lesions import draw_lesions
from retinasynth.checks import checked_seed
from retinasynth.errors import InputError
from retinasynth.eye.biomarkers import height_of, measure_eye
from retinasynth.eye.eye import DEGREES_PER_DD, LESIONS, Eye, Geometry
from retinasynth.eye.frame import faces_left, frame_of
from retinasynth.eye.skeleton import vessel_graph
from retinasynth.images import Mask

Severity = Literal["none", "mild", "moderate", "severe"]
DISC_SHARES = (0.01, 0.5)  # of the longer side of a picture that a disc diameter can be: half in a view of 12 degrees

# How many of each, in the sense of the international scale: mild is microaneurysms alone; severe has 20 haemorrhages
# in each quadrant (Wilkinson et al., Ophthalmology 110, 2003). The numbers themselves are round ones of ours.
SEVERITIES: dict[Severity, dict[str, int]] = {
    "none": dict.fromkeys(LESIONS, 0),
    "mild": dict(zip(LESIONS, (12, 0, 0, 0), strict=True)),
    "moderate": dict(zip(LESIONS, (35, 14, 35, 1), strict=True)),
    "severe": dict(zip(LESIONS, (80, 80, 80, 5), strict=True)),
}


def with_cup(eye: Eye, ratio: float) -> Eye:
    """The eye with a cup of another height, which grows toward the edge of the disc or shrinks toward its own middle.

    Every pixel of the disc has a level: from the middle of the cup (-1) over its edge (0) to the edge of the disc (1),
    by its distances from these. The new cup is what lies below the level at which its height is as asked for, so that
    a rim that is thinner at one place stays thinner there.

    Args:
        eye: planes disc, wholly in view, and cup, which may be empty.
        ratio: its height over that of the disc.

    Raises:
        InputError: one of the planes is unknown, or the disc is out of view or cut off.
    """
    lacking = [plane for plane in ("disc", "cup") if plane not in eye.planes]
    if lacking:
        raise InputError(
            f"Eye {eye.name} does not tell its {' and its '.join(lacking)}, and a cup was asked for",
            expected="label planes disc and cup",
            do="Give its photograph too, in which they are looked for, or a label map that has them",
        )
    disc, cup = eye.planes["disc"], eye.planes["cup"]
    seen = {plane: eye.planes[plane] for plane in ("disc", "cup", "fov") if plane in eye.planes}
    if measure_eye(Eye(eye.name, seen)).cup_to_disc_vertical is None:
        raise InputError(
            f"Eye {eye.name} does not show its whole disc, and a cup was asked for",
            expected="a disc that lies wholly in the field of view",
            do="Choose another eye, or grow one with centred_on=disc",
        )
    known = cup & disc
    middle = np.zeros_like(disc)
    row, column = ndimage.center_of_mass(known if known.any() else disc)
    middle[round(row), round(column)] = True
    inner = known | middle
    from_middle, from_cup = (ndimage.distance_transform_edt(~one) for one in (middle, inner))
    to_edge_of_cup, to_edge_of_disc = (ndimage.distance_transform_edt(one) for one in (inner, disc))
    level = np.where(
        inner,
        from_middle / np.maximum(from_middle + to_edge_of_cup, 1) - 1,
        from_cup / np.maximum(from_cup + to_edge_of_disc, 1),
    )
    wanted = ratio * height_of(disc)
    levels = np.unique(level[disc])
    enough = bisect_left(levels, wanted, hi=len(levels) - 1, key=lambda edge: height_of(disc & (level <= edge)))
    new = disc & (level <= levels[enough]) if ratio else np.zeros_like(disc)
    return replace(eye, planes={**eye.planes, "cup": new})


def with_lesions(eye: Eye, severity: Severity, seed: int) -> Eye:
    """The eye with other lesions of diabetic retinopathy: none, or as many as `SEVERITIES` says, drawn anew.

    Args:
        eye: to draw some, planes disc and fov; where nothing tells how it lies in its picture, the disc does: its
            height is the scale, and the fovea is expected on the other side of the picture.
        severity: how many.
        seed: decides where they lie.

    Raises:
        InputError: the disc or the field of view is unknown, the disc is larger or smaller than any in a photograph,
            or, to remove lesions, whether there are any is unknown.
    """
    if severity == "none":
        if not any(plane in eye.planes for plane in LESIONS):
            raise InputError(
                f"Eye {eye.name} does not tell its lesions, so that none can be removed",
                expected=f"at least one of the label planes {', '.join(LESIONS)}",
            )
        nothing = np.zeros(eye.size, np.bool_)
        return replace(eye, planes={**eye.planes, **dict.fromkeys(LESIONS, nothing)})
    lacking = [plane for plane in ("disc", "fov") if plane not in eye.planes]
    if not lacking and eye.geometry is None:  # then the two tell the scale
        lacking = [plane for plane in ("disc", "fov") if not eye.planes[plane].any()]
    if lacking:
        raise InputError(
            f"Eye {eye.name} does not tell its {' and its '.join(lacking)}, and lesions were asked for",
            expected="label planes disc and fov, which say where a lesion may lie and how large it is",
            do="Give its photograph too, in which they are looked for",
        )
    random = np.random.default_rng([checked_seed(seed), 1])
    geometry = eye.geometry or _geometry(eye)
    share = geometry.pixels_per_disc_diameter / max(eye.size)
    if not DISC_SHARES[0] <= share <= DISC_SHARES[1]:
        raise InputError(
            f"Eye {eye.name} is said to have a disc of {share:.3g} of its picture's longer side, and lesions were "
            "asked for, whose size follows from it",
            expected="{:g} to {:g}".format(*DISC_SHARES),
        )
    drawn = draw_lesions(random, replace(eye, geometry=geometry), **SEVERITIES[severity])
    return replace(eye, planes={**eye.planes, **drawn})


def with_narrower_vessels(eye: Eye, share: float) -> Eye:
    """The eye with narrower arteries, where it tells them from veins, else with narrower vessels.

    Raises:
        InputError: it has no vessels.
    """
    planes = dict(eye.planes)
    if planes.keys() >= {"arteries", "veins"}:
        arteries = narrowed(planes["arteries"], share)
        gone = planes["arteries"] & ~arteries & ~planes["veins"]
        both = planes.get("vessels", planes["arteries"] | planes["veins"])
        return replace(eye, planes=planes | {"arteries": arteries, "vessels": both & ~gone})
    if "vessels" not in planes or not planes["vessels"].any():
        raise InputError(f"Eye {eye.name} has no vessels to narrow", expected="a label plane vessels")
    return replace(eye, planes=planes | {"vessels": narrowed(planes["vessels"], share)})


def narrowed(mask: Mask, share: float) -> Mask:
    """A vessel mask whose vessels keep a share of their calibre, and their centre lines.

    Args:
        mask: ``bool (height, width)``.
        share: 0 to 1. No vessel becomes thinner than a pixel.

    Returns:
        A part of the mask.
    """
    graph = vessel_graph(mask)
    if not graph.segments:
        return mask
    starts, ends, radii = [], [], []
    for one in graph.segments:
        path = np.concatenate([graph.nodes[one.nodes[0]][None], one.path, graph.nodes[one.nodes[1]][None]])
        calibres = np.concatenate([one.calibres[:1], (one.calibres[1:] + one.calibres[:-1]) / 2, one.calibres[-1:]])
        starts.append(path[:-1, ::-1] + 0.5)
        ends.append(path[1:, ::-1] + 0.5)
        radii.append(share * calibres / 2)
    height, width = mask.shape
    drawn = draw_vessels(np.concatenate(starts), np.concatenate(ends), np.concatenate(radii), max(mask.shape))
    return np.asarray(drawn[:height, :width] & mask)


def _geometry(eye: Eye) -> Geometry:
    """How an eye lies in its picture, as far as its disc tells."""
    disc = eye.planes["disc"]
    scale = float(height_of(disc))
    is_left = faces_left(disc.astype(np.uint8)) is not False  # the fovea lies to the right of the disc of a left eye
    angle = frame_of(eye.planes["fov"]).side / scale * DEGREES_PER_DD
    return Geometry(scale, "left" if is_left else "right", "macula", min(angle, 200.0))
