"""Who is in the pictures of two sets, and how far what is measured of both depends on who it happened to be.

`intervals` resamples the figures of single pictures. Here whole sets are drawn again, for measures of sets.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from retinasynth.checks import checked_seed
from retinasynth.errors import DataError, InputError
from retinasynth.intervals import LEVEL

RESAMPLES = 2_000

Groups = Sequence[str]
Numbers = NDArray[np.intp]
Counts = NDArray[np.float64]


class Subjects(NamedTuple):
    """The people in real and in generated photographs, as numbers from 0.

    Attributes:
        real: ``(n,)``, of each real picture.
        generated: ``(m,)``, of each generated one.
    """

    real: Numbers
    generated: Numbers

    @classmethod
    def of(cls, real: int, generated: int, real_groups: Groups | None, generated_groups: Groups | None) -> Self:
        """The people of so many pictures.

        Args:
            real: number of real pictures.
            generated: number of generated ones.
            real_groups: the person of each real picture; without it, every picture is a person.
            generated_groups: likewise of the generated ones. A name that both have is one person.

        Raises:
            DataError: either set shows fewer than two people.
            InputError: there is not one group for each picture.

        Example:
            >>> people = Subjects.of(2, 2, ["a", "b"], ["b", "c"])
            >>> people.real.tolist(), people.generated.tolist()
            ([0, 1], [1, 2])
        """
        names = []
        for count, groups, kind in ((real, real_groups, "real"), (generated, generated_groups, "generated")):
            if groups is not None and len(groups) != count:
                raise InputError(f"{len(groups)} groups for {count} pictures", expected="one group for each picture")
            side = (
                [f"group {name}" for name in groups]
                if groups is not None
                else [f"{kind} {row}" for row in range(count)]
            )
            if len(set(side)) < 2:
                raise DataError(
                    f"{count} {kind} photographs of {len(set(side))} people",
                    expected="photographs of at least two people",
                )
            names.append(side)
        numbers = np.unique(np.concatenate(names), return_inverse=True)[1]
        return cls(numbers[:real], numbers[real:])

    @property
    def total(self) -> int:
        """How many there are in both sets together."""
        return 1 + int(max(self.real.max(), self.generated.max()))

    @property
    def once(self) -> Counts:
        """Everyone counts once, ``float64 (people,)``."""
        return np.ones(self.total)

    def drawn(self, *, seed: int, resamples: int = RESAMPLES) -> Counts:
        """How often everyone is in each resampled set, drawn with replacement.

        Those in both sets, and those in one alone, are drawn by themselves, so that a small set never runs empty.

        Returns:
            ``float64 (resamples, people)``, whole numbers.
        """
        everyone = np.arange(self.total)
        kinds = np.isin(everyone, self.real) + 2 * np.isin(everyone, self.generated)
        random = np.random.default_rng(checked_seed(seed))
        counts = np.zeros((resamples, self.total))
        for kind in np.unique(kinds):
            size = int((kinds == kind).sum())
            counts[:, kinds == kind] = random.multinomial(size, np.full(size, 1 / size), resamples)
        return counts


def percentile_interval(values: NDArray[np.float64], *, level: float = LEVEL) -> tuple[float, float]:
    """The ends of the middle share `level` of resampled values.

    Values that are not numbers are left out: those of draws in which the measure does not exist.
    """
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio_interval(above: NDArray[np.float64], below: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of resampled ratios; sets that do not vary at all have none."""
    return percentile_interval(np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0))


class PairMean:
    """The mean of a figure over pairs of pictures of two different people, where people count more or less often.

    Pictures of one person repeat one another, and so does a picture that a resampling draws twice. Pairs within a
    person are therefore left out; what is left is an unbiased estimate of the mean over pairs of strangers, in the
    pictures and in resampled sets of them alike.

    Args:
        values: ``float64 (n, m)``, of each pair.
        first: the person of each row, whole numbers from 0.
        second: likewise of each column.

    Source:
        W. Hoeffding, "A class of statistics with asymptotically normal distribution", Annals of
        Mathematical Statistics 19(3), 1948, section 5 (U-statistics), with people for pictures.

    Example:
        >>> apart = PairMean(np.array([[0.0, 2.0], [2.0, 0.0]]), np.arange(2), np.arange(2))
        >>> apart(np.ones(2))
        array(2.)
    """

    def __init__(self, values: NDArray[np.float64], first: Numbers, second: Numbers) -> None:
        self._rows, row = np.unique(first, return_inverse=True)
        self._columns, column = np.unique(second, return_inverse=True)
        shape = len(self._rows), len(self._columns)
        self._sums, self._counts = np.zeros(shape), np.zeros(shape)
        np.add.at(self._sums, (row[:, None], column), values)
        np.add.at(self._counts, (row[:, None], column), 1)
        of_one_person = self._rows[:, None] == self._columns
        self._sums[of_one_person] = self._counts[of_one_person] = 0

    def __call__(self, rows: NDArray[np.float64], columns: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """The mean, where each person counts so often; not a number where no pair is left.

        Args:
            rows: ``float64 (..., people)``.
            columns: the same; without it, as `rows`.

        Returns:
            ``float64 (...)``.
        """
        columns = (rows if columns is None else columns)[..., self._columns]
        rows = rows[..., self._rows]
        counts = (rows @ self._counts * columns).sum(axis=-1)
        sums = (rows @ self._sums * columns).sum(axis=-1)
        return np.asarray(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
