"""What a camera does alike in all photographs: their shape, where the field of view lies, how dark the rest is.

A vessel mask does not tell where the field of view of its photograph ends; a model that remembers its cameras knows.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import approximate_polygon, find_contours

from retinasynth.errors import InputError
from retinasynth.eye.eye import Eye
from retinasynth.eye.field_of_view import field_around, find_field_of_view
from retinasynth.images import Mask, Photograph, mask_as_photograph, resize_mask, resize_photograph

SAME_SHAPE = 0.02  # by which height : width of two pictures may differ
SAME_FIELD = 0.9  # intersection over union of the fields of one camera, at least
FEWEST = 3
_WORKING_PX = 512  # longer side of the pictures in which outlines are found
_TOLERANCE_PX = 0.3  # by which an outline is simplified, there
_MOST_OUTSIDE = 0.02  # of the vessels of a mask may lie outside the field of view of its camera
_STRAY = 0.01  # of the longer side of the picture: so far beyond its field of view vessels and light may stray
_LEAST_FILLED = 0.7  # intersection over union of that field and the circle around the vessels

FieldChoice = Literal["camera", "found"] | Mask  # a generator can be asked for
Share = Annotated[float, Field(ge=0, le=1)]
GreyLevels = tuple[Annotated[float, Field(ge=0, le=255)], ...]


class Camera(BaseModel):
    """The usual field of view of a camera, in picture coordinates, and what surrounds it.

    Attributes:
        height: of its photographs, in pixels.
        width: likewise.
        outline: closed polygons around the field of view, each as corners ``row,column row,column ...`` in shares of
            height and width.
        background: mean red, green and blue outside the field of view, in grey levels (0 to 255).
        background_spread: standard deviation of these means from photograph to photograph.
        photographs: from how many this is known.
        agreement: mean intersection over union of their fields of view with `outline`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: PositiveInt
    width: PositiveInt
    outline: tuple[Annotated[str, Field(max_length=50_000)], ...] = Field(min_length=1, max_length=16)
    background: GreyLevels = Field(min_length=3, max_length=3)
    background_spread: GreyLevels = Field(min_length=3, max_length=3)
    photographs: PositiveInt
    agreement: Share = 1.0

    @field_validator("outline")
    @classmethod
    def _can_be_drawn(cls, outline: tuple[str, ...]) -> tuple[str, ...]:
        for polygon in map(_corners, outline):
            if len(polygon) < 3 or not ((polygon >= 0) & (polygon <= 1)).all():
                raise ValueError("an outline has fewer than three corners, or one outside the picture")
        return outline

    def fits(self, size: tuple[int, int]) -> bool:
        """Whether a picture of this height and width can be its, reduced or enlarged."""
        return _alike((self.height, self.width), size)

    def field(self, size: tuple[int, int]) -> Mask:
        """Its usual field of view in a picture of this height and width, ``bool (height, width)``."""
        field = np.zeros(size, np.bool_)
        for polygon in map(_corners, self.outline):
            field |= polygon2mask(size, polygon * size - 0.5)  # type: ignore[no-untyped-call]
        return field

    def surrounded(self, photograph: Photograph, field: Mask, random: np.random.Generator | None = None) -> Photograph:
        """A photograph on the background of the camera.

        Args:
            photograph: ``uint8 (height, width, 3)``.
            field: its field of view, ``bool`` of any size; a larger one has a smooth rim.
            random: draws how dark the background is this time; None takes the mean.
        """
        grey = np.array(self.background)
        if random is not None:
            grey = grey + random.standard_normal() * np.array(self.background_spread)
        inside = resize_photograph(mask_as_photograph(field), photograph.shape[:2]).astype(np.float32) / 255
        mixed: Photograph = np.rint(inside * photograph + (1 - inside) * np.clip(np.rint(grey), 0, 255)).astype(
            np.uint8
        )
        return mixed


class Cameras:
    """Collects photographs, one after the other, into the cameras that they were taken with (`cameras_of`)."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []

    def add(self, photograph: Photograph, field: Mask) -> None:
        """Take in a photograph and its field of view."""
        group = next((group for group in self._groups if group.takes(field)), None)
        if group is None:
            self._groups.append(group := _Group(field.shape))
        group.add(photograph, field)

    def usual(self, fewest: int = FEWEST) -> tuple[Camera, ...]:
        """The cameras of at least so many photographs, the most frequent first."""
        known = [group.camera() for group in self._groups if len(group.fields) >= fewest]
        return tuple(sorted(known, key=lambda camera: -camera.photographs))


def cameras_of(
    photographs: Iterable[Photograph], fields: Iterable[Mask] | None = None, *, fewest: int = FEWEST
) -> tuple[Camera, ...]:
    """The cameras that photographs were taken with, the most frequent first.

    Photographs of one camera have one shape and nearly one field of view.

    Args:
        photographs: each ``uint8 (height, width, 3)``.
        fields: the field of view of each, ``bool (height, width)``; without, they are looked for.
        fewest: photographs that tell what is usual; cameras of fewer are left out.

    Raises:
        ImageError: a photograph is black.
    """
    cameras = Cameras()
    for photograph, field in map(_with_field, photographs) if fields is None else zip(photographs, fields, strict=True):
        cameras.add(photograph, field)
    return cameras.usual(fewest)


def usual_camera(cameras: Sequence[Camera], vessels: Mask) -> Camera | None:
    """The camera that a vessel mask may come from: of its shape, and with the vessels in its field of view.

    Args:
        cameras: that are known.
        vessels: ``bool (height, width)``, not empty.

    Returns:
        The one whose field of view the vessels fill best; None where none is like that.
    """
    fitting = [camera for camera in cameras if camera.fits(vessels.shape)]
    if not fitting:
        return None
    around = field_around(vessels)
    fields = [camera.field(vessels.shape) for camera in fitting]
    filled = [_overlap(field, around) for field in fields]
    best = int(np.argmax(filled))
    nearly = ndimage.binary_dilation(fields[best], iterations=max(1, round(_STRAY * max(vessels.shape))))
    outside = (vessels & ~nearly).sum() / vessels.sum()
    return fitting[best] if outside <= _MOST_OUTSIDE and filled[best] >= _LEAST_FILLED else None


def camera_with(cameras: Sequence[Camera], field: Mask) -> Camera | None:
    """The camera that a known field of view, ``bool (height, width)``, may be of; None where none has such a one."""
    fitting = [camera for camera in cameras if camera.fits(field.shape)]
    overlaps = [_overlap(camera.field(field.shape), field) for camera in fitting]
    return fitting[int(np.argmax(overlaps))] if overlaps and max(overlaps) >= SAME_FIELD else None


def fitted_field(field: Mask, eye: Eye) -> Mask:
    """A field of view that is given for an eye, ``bool (height, width)``, at the size of the eye.

    Raises:
        InputError: it is empty, or has another shape.
    """
    if not field.any():
        raise InputError("The field of view is empty", expected="a mask that is white where the eye is seen")
    if not _alike(field.shape, eye.size):
        raise InputError(
            f"The field of view is {field.shape[0]} x {field.shape[1]} px, but eye {eye.name} is {eye.size[0]} x "
            f"{eye.size[1]} px",
            expected="one of the same shape (height : width)",
        )
    return resize_mask(field, eye.size)


class _Group:
    """Photographs of one camera: their fields of view at one working size, and how dark it is outside."""

    def __init__(self, size: tuple[int, ...]) -> None:
        self.size = (size[0], size[1])
        scale = min(1, _WORKING_PX / max(self.size))
        self.working = (max(2, round(self.size[0] * scale)), max(2, round(self.size[1] * scale)))
        self.sum = np.zeros(self.working)
        self.fields: list[Mask] = []
        self.outside: list[NDArray[np.float64]] = []

    def takes(self, field: Mask) -> bool:
        return _alike(self.size, field.shape) and _overlap(resize_mask(field, self.working), self._usual) >= SAME_FIELD

    def add(self, photograph: Photograph, field: Mask) -> None:
        small = resize_mask(field, self.working)
        self.fields.append(small)
        self.sum += small
        dark = ~ndimage.binary_dilation(small, iterations=max(1, round(_STRAY * max(self.working))))
        if dark.any():
            self.outside.append(resize_photograph(photograph, self.working)[dark].mean(axis=0))

    @property
    def _usual(self) -> Mask:
        return self.sum >= len(self.fields) / 2

    def camera(self) -> Camera:
        usual, size = self._usual, np.array(self.working)
        mean = np.pad(self.sum / len(self.fields), 1)
        contours = (
            approximate_polygon(one, _TOLERANCE_PX)  # type: ignore[no-untyped-call]
            for one in find_contours(mean, 0.5)  # type: ignore[no-untyped-call]
        )
        whole = [np.clip((one - 0.5) / size, 0, 1) for one in contours if len(one) > 3]
        outside = np.array(self.outside or [np.zeros(3)])
        return Camera(
            height=self.size[0],
            width=self.size[1],
            outline=tuple(" ".join(f"{row:.5g},{column:.5g}" for row, column in one) for one in whole),
            background=tuple(outside.mean(axis=0).round(2).tolist()),
            background_spread=tuple(outside.std(axis=0).round(2).tolist()),
            photographs=len(self.fields),
            agreement=round(float(np.mean([_overlap(field, usual) for field in self.fields])), 4),
        )


def _corners(polygon: str) -> NDArray[np.float64]:
    """Those of a polygon in an `outline`, ``(corners, 2)``; NumPy and pydantic say ValueError where it is none."""
    return np.array([[float(share) for share in corner.split(",")] for corner in polygon.split()]).reshape(-1, 2)


def _with_field(photograph: Photograph) -> tuple[Photograph, Mask]:
    return photograph, find_field_of_view(photograph)


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return abs((one[1] / one[0]) / (other[1] / other[0]) - 1) <= SAME_SHAPE


def _overlap(one: Mask, other: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0
