"""Is what was asked for found again? Correlation, slope and error, over all photographs and within each eye."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from retinasynth import intervals
from retinasynth.intervals import Estimate, bootstrap_mean


class Point(NamedTuple):
    """One photograph of a series: whose, what was asked for, and what was measured; None where nothing could be."""

    eye: str
    asked: float
    found: float | None


class Recovery(NamedTuple):
    """How well what was asked for is found again.

    Attributes:
        correlation: over all photographs; None where it is undefined.
        within_eyes: correlation within eyes; likewise.
        slope: within eyes; likewise.
        error: mean of found minus asked for.
        absolute_error: mean of its size.
        missing: photographs in which nothing could be measured.
    """

    correlation: Estimate | None
    within_eyes: Estimate | None
    slope: Estimate | None
    error: Estimate | None
    absolute_error: Estimate | None
    missing: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: one.to_json() if isinstance(one, Estimate) else one for name, one in self._asdict().items()}


def recovery(points: Sequence[Point]) -> Recovery:
    """All figures of some photographs; see `Recovery`.

    Example:
        >>> points = [Point(eye, asked, 2 * asked + more) for eye, more in (("a", 0), ("b", 5)) for asked in (1, 2, 3)]
        >>> found = recovery(points)
        >>> round(found.within_eyes.mean, 6), round(found.slope.mean, 6), found.error.mean
        (1.0, 2.0, 4.5)
    """
    known = [point for point in points if point.found is not None]
    if not known:
        return Recovery(None, None, None, None, None, len(points))
    eyes = [point.eye for point in known]
    asked, found = (np.array(column, np.float64) for column in zip(*((p.asked, p.found) for p in known), strict=True))
    away = found - asked
    sums, centred = _sums(asked, found, eyes)
    return Recovery(
        _estimate(_pearson, sums, len(known)),
        _estimate(_pearson, centred, len(known)),
        _estimate(_slope, centred, len(known)),
        bootstrap_mean(away, groups=eyes),
        bootstrap_mean(np.abs(away), groups=eyes),
        len(points) - len(known),
    )


def _sums(
    asked: NDArray[np.float64], found: NDArray[np.float64], eyes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each eye the count and the sums of x, y, xx, yy and xy, as they are and about the means of the eye."""
    rows, centred = [], []
    for eye in dict.fromkeys(eyes):
        those = np.array([other == eye for other in eyes])
        x, y = asked[those], found[those]
        rows.append(_moments(x - asked.mean(), y - found.mean()))  # about the means of all, against rounding
        centred.append(_moments(x - x.mean(), y - y.mean()))
    return np.array(rows), np.array(centred)


def _moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[float]:
    return [float(len(x)), float(x.sum()), float(y.sum()), float(x @ x), float(y @ y), float(x @ y)]


def _pearson(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    spread = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(spread > 1e-18, (xy - x * y / n) / np.sqrt(spread), np.nan))


def _slope(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n, x, y, xx, _, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((xy - x * y / n) / (xx - x * x / n))


def _estimate(
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]], sums: NDArray[np.float64], count: int
) -> Estimate | None:
    """A figure of the sums over eyes, with its percentile bootstrap interval over eyes."""
    value = float(figure(sums.sum(axis=0)))
    if not np.isfinite(value):
        return None
    drawn = np.random.default_rng(intervals.SEED).integers(len(sums), size=(intervals.RESAMPLES, len(sums)))
    values = figure(sums[drawn].sum(axis=1))
    low, high = np.nanquantile(values, [(1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2])
    return Estimate(value, float(low), float(high), count)
