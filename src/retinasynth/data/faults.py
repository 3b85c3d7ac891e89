"""What cannot be true of the planes of an eye: found where an eye is read, for every command that uses them.

An inspection names all of these; reading an eye raises the first that is certain, and warns of others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from retinasynth.eye.eye import LESIONS, MOST_VESSELS, VESSELS_SHOWN_PX
from retinasynth.images import Mask, Photograph

_MOST_OF_PICTURE = 0.6  # that a disc, a cup, a fovea or lesions cover; discs cover half of the closest crops
_MOST_CUP_OUTSIDE = 0.2
_MOST_DISC_OUTSIDE = 0.5
_MOST_OUTSIDE_VESSELS = 0.5  # annotators differ by a pixel or two along both sides of a vessel
_NEAR_VESSELS = 1 / 200  # of the shorter side
_SECOND_DISC = 0.25  # of the area of the first; specks are smaller
_DARK, _LIT = 16, 48  # of 255: outside the field of view, and within that of a photograph that shows anything


@dataclass(frozen=True)
class Fault:
    """What is wrong with a plane.

    Attributes:
        plane: which.
        kind: in a few words, the same for all eyes: ``"inverted disc"``, ``"cup outside the disc"`` ...
        got: what was found.
        do: what the user can do.
        is_certain: else it is warned of, and the plane read.
    """

    plane: str
    kind: str
    got: str
    do: str
    is_certain: bool = True


def faults_of(planes: Mapping[str, Mask], photograph: Photograph | None = None) -> Iterator[Fault]:
    """All faults of the planes of one eye.

    Args:
        planes: masks by plane, ``bool (height, width)`` of one size.
        photograph: ``uint8 (height, width, 3)``, which tells the field of view where no plane does.
    """
    for plane, mask in planes.items():
        yield from _coverage(plane, mask)
    if "disc" in planes:
        yield from _disc_and_cup(planes["disc"], planes.get("cup"))
        outside = _outside_field(planes["disc"], planes.get("fov"), photograph)
        if outside > _MOST_DISC_OUTSIDE:
            got = f"{outside:.0%} of the disc lies outside the field of view"
            yield Fault(
                "disc", "disc outside the field of view", got, "Check that the mask is of this eye, and not shifted"
            )
    if "vessels" in planes and planes["vessels"].any():
        yield from _arteries_and_veins(planes, planes["vessels"])


def faults_of_centres(
    centres: Mapping[str, tuple[float, float]], planes: Mapping[str, Mask], size: tuple[int, int]
) -> Iterator[Fault]:
    """What cannot be true of the marked middles of disc and fovea.

    Args:
        centres: x and y by plane, in pixels.
        planes: masks by plane, ``bool (height, width)``.
        size: height and width of the picture.
    """
    height, width = size
    for plane, (x, y) in centres.items():
        if not (0 <= x < width and 0 <= y < height):
            got = f"the middle of the {plane} is said to be at x {x:g}, y {y:g}, in a picture of {width} x {height} px"
            do = "Check that the picture has the size that it was published at, or remove the table"
            yield Fault(plane, f"{plane} outside the picture", got, do)
        elif plane == "disc" and plane in planes and not _is_near(planes["disc"], x, y):
            got = f"the middle of the disc is said to be at x {x:g}, y {y:g}, where its mask has none"
            yield Fault(plane, "disc elsewhere than marked", got, "Check that both are of one eye")


def _is_near(mask: Mask, x: float, y: float) -> bool:
    """Whether a point lies within the box around a mask, or that is empty."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return True
    rows, columns = found[0]
    return bool(rows.start <= y < rows.stop and columns.start <= x < columns.stop)


def _disc_and_cup(disc: Mask, cup: Mask | None) -> Iterator[Fault]:
    outside = 0.0 if cup is None else _share(cup & ~disc, cup)
    if cup is not None and outside > _MOST_CUP_OUTSIDE:
        is_ring = disc.any() and _share(cup & ~ndimage.binary_fill_holes(disc), cup) <= _MOST_CUP_OUTSIDE
        do = "Fill the disc: it is drawn as a rim alone" if is_ring else "Check that the two are of one eye"
        got = f"{outside:.0%} of the cup lies outside the disc" if disc.any() else "there is a cup, but no disc"
        yield Fault("cup", "cup outside the disc", got, do)
    second = _second_area(disc)
    if second > _SECOND_DISC:
        got = f"there are two discs, the second {second:.0%} as large as the first"
        yield Fault("disc", "two discs", got, "Keep the disc alone", is_certain=False)


def _arteries_and_veins(planes: Mapping[str, Mask], vessels: Mask) -> Iterator[Fault]:
    astray = {
        plane: planes[plane]
        for plane in ("arteries", "veins")
        if plane in planes and _share(planes[plane] & ~vessels, planes[plane]) > _MOST_OUTSIDE_VESSELS
    }
    near = _near(vessels) if astray else vessels
    for plane, mask in astray.items():
        outside = _share(mask & ~near, mask)
        if outside > _MOST_OUTSIDE_VESSELS:
            got = f"{outside:.0%} of the {plane} are no vessels"
            yield Fault(
                plane, f"{plane} that are no vessels", got, "Check that both masks are of one eye, and not shifted"
            )


def _coverage(plane: str, mask: Mask) -> Iterator[Fault]:
    share = float(mask.mean())
    if plane == "fov":
        rows, columns = (slice(side * 2 // 5, side - side * 2 // 5) for side in mask.shape)
        corners = mask[[0, 0, -1, -1], [0, -1, 0, -1]]
        if share and mask[rows, columns].mean() < 0.5 and corners.mean() > 0.5:
            yield Fault(
                plane, "inverted field of view", "the field of view has a hole in the middle", "Invert the mask"
            )
        return
    most = 1.0
    if plane in ("disc", "cup", "fovea", *LESIONS):
        most = _MOST_OF_PICTURE
    elif plane in ("arteries", "veins"):  # `usable` looks at the vessels
        most = 1 - (1 - MOST_VESSELS) * min(1, min(mask.shape) / VESSELS_SHOWN_PX)
    if share > most or (share == 1 and plane != "vessels"):
        name = plane.replace("_", " ")
        got = f"the {name} fill{'' if name.endswith('s') else 's'} {share:.0%} of the picture"
        kind, do = ("full", "Remove the file") if share == 1 else ("inverted", "Is the mask inverted?")
        yield Fault(plane, f"{kind} {name}", got, do)


def _share(part: Mask, whole: Mask) -> float:
    total = int(whole.sum())
    return float(part.sum() / total) if total else 0.0


def _outside_field(disc: Mask, fov: Mask | None, photograph: Photograph | None) -> float:
    if not disc.any():
        return 0.0
    if fov is not None and fov.any():
        return _share(disc & ~fov, disc)
    if photograph is None or np.percentile(photograph[::8, ::8].max(axis=2), 90) < _LIT:
        return 0.0
    return float((photograph[disc].max(axis=1) < _DARK).mean())


def _second_area(mask: Mask) -> float:
    """The area of the second largest piece of a mask, as a share of that of the largest."""
    if not mask.any():
        return 0.0
    pieces, count = ndimage.label(mask[ndimage.find_objects(mask.astype(np.uint8))[0]], np.ones((3, 3)))
    if count < 2:
        return 0.0
    areas = np.sort(np.bincount(pieces.ravel())[1:])
    return float(areas[-2] / areas[-1])


def _near(vessels: Mask) -> Mask:
    reach = max(2, round(_NEAR_VESSELS * min(vessels.shape)))
    near: Mask = ndimage.uniform_filter(vessels.astype(np.float32), 2 * reach + 1) > 1e-6
    return near
