"""What is evaluated: generated photographs with what they should be, and the training eyes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retinasynth.errors import DataError
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.eye import Eye
from retinasynth.images import Mask, Photograph, resize_mask, resize_photograph

_SIZE = (SIZE_PX, SIZE_PX)


@dataclass(frozen=True)
class Example:
    """A generated photograph, and beside it the one that it should be, where there is one.

    Attributes:
        name: what its files are called, without suffix; unique within an evaluation.
        eye: the eye or person it shows; pictures of one eye count as one in the intervals.
        mask: the vessel mask it was made from, ``bool (height, width)``, or None where it is not known.
        generated: ``uint8 (height, width, 3)``.
        expected: ``uint8 (height, width, 3)``; its size may differ. None where there is no real counterpart.
        other: what another model generated from the same mask, or None.
        asked: the whole label map, with its real photograph where there is one, at the size that people drew it; None
            leaves structure out.
        person: whose eye it is; of a grown eye, empty.
        field_of_view: where the measures inside it compare, ``bool (height, width)``; None finds it in the photograph.
        file: where `generated` can be read again; without it, it is written to ``generated/NAME.png``.
    """

    name: str
    eye: str
    mask: Mask | None = field(repr=False)
    generated: Photograph = field(repr=False)
    expected: Photograph | None = field(default=None, repr=False)
    other: Photograph | None = field(default=None, repr=False)
    asked: Eye | None = field(default=None, repr=False)
    person: str = ""
    field_of_view: Mask | None = field(default=None, repr=False)
    file: Path | None = None


@dataclass(frozen=True)
class Reference:
    """The training eyes, which the baselines learn from. `Reference.of` makes one from pictures of any size.

    Attributes:
        names: one for each eye.
        photographs: ``uint8 (SIZE_PX, SIZE_PX, 3)``.
        masks: ``bool (SIZE_PX, SIZE_PX)``, or None where not every eye has one.

    Raises:
        DataError: there are no eyes, or not one photograph and mask for each.
    """

    names: Sequence[str]
    photographs: Sequence[Photograph] = field(repr=False)
    masks: Sequence[Mask] | None = field(repr=False)

    def __post_init__(self) -> None:
        counts = {len(self.names), len(self.photographs)} | ({len(self.masks)} if self.masks is not None else set())
        if counts == {0} or len(counts) > 1:
            raise DataError(
                f"{len(self.names)} names of training eyes, {len(self.photographs)} photographs and "
                f"{len(self.masks) if self.masks is not None else 'no'} masks",
                expected="at least one eye, and one of each for every eye",
            )

    @classmethod
    def of(cls, eyes: Iterable[tuple[str, Photograph, Mask | None]]) -> "Reference":
        """The reference made of ``(name, photograph, mask)``, read one at a time and kept at `SIZE_PX`.

        Raises:
            DataError: there are no eyes.
        """
        small = [
            (name, resize_photograph(photograph, _SIZE), None if mask is None else resize_mask(mask, _SIZE))
            for name, photograph, mask in eyes
        ]
        masks = [mask for _, _, mask in small if mask is not None]
        return cls(
            [name for name, _, _ in small],
            [photograph for _, photograph, _ in small],
            masks if len(masks) == len(small) else None,
        )
