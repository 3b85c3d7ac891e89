"""The one type that travels through the whole package: an eye."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from retinasynth.config import Plane
from retinasynth.errors import InputError
from retinasynth.images import Mask, Photograph

PLANES: tuple[str, ...] = get_args(Plane)


@dataclass(frozen=True)
class Eye:
    """A label map, with a photograph or without one.

    Attributes:
        name: what its files are called, without suffix.
        planes: masks by plane name (see `PLANES`), all ``bool (height, width)`` of one size. An absent plane is
            unknown; an empty one says that the eye has none of it.
        photograph: ``uint8 (height, width, 3)`` of the same size, or None.

    Raises:
        InputError: a plane has an unknown name, or the sizes differ.
    """

    name: str
    planes: Mapping[str, Mask] = field(repr=False)
    photograph: Photograph | None = field(default=None, repr=False)

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
