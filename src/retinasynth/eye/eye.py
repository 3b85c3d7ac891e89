"""The one type that travels through the whole package: an eye."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from retinasynth.errors import ImageError, InputError
from retinasynth.eye.atrophy import Atrophy, beta_zone
from retinasynth.images import Mask, Photograph
from retinasynth.settings import Centre, Laterality, Plane

PLANES: tuple[str, ...] = get_args(Plane)
LESIONS = ("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates")  # of diabetic retinopathy
LATERALITIES: tuple[str, ...] = get_args(Laterality)
DEGREES_PER_DD = 6.2  # of visual angle
UM_PER_DD = 1800.0  # a disc diameter (DD), the vertical one, by convention
CENTRES: tuple[str, ...] = get_args(Centre)
SMALLEST_PX = 16  # of a side: below it there is no eye
# Real vessels cover up to .12 of the field of view, .15 of a square within it, .3 of the quarter around the disc. Grown
# ones cover up to .37 from a width of 128 px on; in smaller pictures more, since each is drawn at least a pixel wide.
MOST_VESSELS, VESSELS_SHOWN_PX = 0.4, 128


@dataclass(frozen=True)
class Geometry:
    """How an eye lies in its picture.

    Attributes:
        pixels_per_disc_diameter: the usual vertical diameter of a disc, 1.8 mm of retina, in pixels of the picture; a
            disc may be larger or smaller.
        laterality: which eye; the fovea lies to the left of the disc in pictures of right eyes.
        centred_on: what the camera was pointed at.
        angle_deg: angle of view, across the whole circle of the field of view.
        atrophy: the crescent of atrophy beside the disc; None where that is unknown.

    Raises:
        InputError: a length or an angle that no camera has.
    """

    pixels_per_disc_diameter: float
    laterality: Laterality
    centred_on: Centre
    angle_deg: float
    atrophy: Atrophy | None = None

    def __post_init__(self) -> None:
        if not 0 < self.pixels_per_disc_diameter < math.inf:
            raise InputError(
                f"The geometry has {self.pixels_per_disc_diameter} pixels per disc diameter", expected="more than 0"
            )
        for value, known in ((self.laterality, LATERALITIES), (self.centred_on, CENTRES)):
            if value not in known:
                raise InputError(f"The geometry says {value!r}", expected=f"one of: {', '.join(known)}")
        if not 0 < self.angle_deg <= 200:
            raise InputError(f"The angle of view is {self.angle_deg} degrees", expected="above 0, at most 200")

    def beta_zone(self, disc: Mask) -> Mask | None:
        """The crescent of atrophy as a mask beside this disc, ``bool (height, width)``; None where it is unknown."""
        if self.atrophy is None:
            return None
        return beta_zone(self.atrophy, disc, self.pixels_per_disc_diameter, 1 if self.laterality == "left" else -1)


@dataclass(frozen=True)
class Eye:
    """A label map, with a photograph or without one.

    Attributes:
        name: what its files are called, without suffix.
        planes: masks by plane name (see `PLANES`), all ``bool (height, width)`` of one size. An absent plane is
            unknown; an empty one says that the eye has none of it.
        photograph: ``uint8 (height, width, 3)`` of the same size, or None.
        geometry: how it lies in the picture, or None where that is unknown.
        centres: x and y, in pixels, of the middle of the disc and the fovea where somebody marked them; their planes
            may be unknown all the same.

    Raises:
        InputError: a plane has an unknown name, or the sizes differ.
    """

    name: str
    planes: Mapping[str, Mask] = field(repr=False)
    photograph: Photograph | None = field(default=None, repr=False)
    geometry: Geometry | None = None
    centres: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.planes) - set(PLANES))
        if unknown:
            raise InputError(f"Eye {self.name}: unknown planes {unknown}", expected=f"some of: {', '.join(PLANES)}")
        sizes = {name: plane.shape for name, plane in self.planes.items()}
        if self.photograph is not None:
            sizes["photograph"] = self.photograph.shape[:2]
        if len(set(sizes.values())) > 1:
            raise InputError(f"Eye {self.name}: sizes differ ({sizes})", expected="planes and photograph of one size")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        if self.planes:
            height, width = next(iter(self.planes.values())).shape
            return height, width
        if self.photograph is not None:
            return self.photograph.shape[0], self.photograph.shape[1]
        raise InputError(f"Eye {self.name} has neither planes nor a photograph")


def usable(eye: Eye, source: Path | str = "") -> Eye:
    """The eye as it came, unless it can be none: before training, rendering or measuring.

    Args:
        eye: as it was read or given.
        source: what an error names, such as the file of the vessels; else the eye.

    Raises:
        ImageError: it is tiny, or its vessels cover more of the field of view (of the picture, where that is unknown)
            than vessels do, as when black and white are swapped.
    """
    named, side = str(source) or f"Eye {eye.name}", min(eye.size)
    if side < SMALLEST_PX:
        raise ImageError(
            f"{named} is {eye.size[0]} x {eye.size[1]} px", expected=f"an eye of at least {SMALLEST_PX} px each way"
        )
    if "vessels" in eye.planes:
        vessels, fov = eye.planes["vessels"], eye.planes.get("fov")
        share = float(vessels.mean() if fov is None or not fov.any() else vessels[fov].mean())
        most = 1 - (1 - MOST_VESSELS) * min(1, side / VESSELS_SHOWN_PX)
        if share > most:
            raise ImageError(
                f"{named}: vessels cover {share:.0%} of the {'picture' if fov is None else 'field of view'}",
                expected=f"at most {most:.0%}, white on black",
                do="Is the mask inverted?",
            )
    return eye
