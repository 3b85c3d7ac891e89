"""Do generated photographs vary in style as real ones do, or is every one in the style of the last?

A generator can draw each picture well and all in one colour, one light and one sharpness. That is measured by what
a camera and an eye give a photograph.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab

from retinasynth.errors import DataError
from retinasynth.evaluation.metrics.features import checked_features, framed, without_rim
from retinasynth.evaluation.metrics.subject_bootstrap import (
    RESAMPLES,
    Counts,
    Groups,
    Numbers,
    Subjects,
    ratio_interval,
)
from retinasynth.images import Mask, Photograph
from retinasynth.intervals import SEED, Estimate

SIZE_PX = 384
LESS = 0.8  # of the real standard deviation: what is nearer to 1 is not called less, nor its inverse more
_LIGHT = 1 / 12  # of the frame: the window of the light, wider than any structure of the eye but the macula
_VESSEL = 1 / 48  # of the frame: the window of the surroundings that a vessel stands out from
_FINE_PX, _COARSE_PX = (0.7, 1.4), (2.8, 5.6)  # Gaussian windows of two bands, each an octave wide, two octaves apart

MEASURES: Mapping[str, tuple[str, ...]] = {
    "colour": ("lightness", "redness", "yellowness"),
    "unevenness of the light": ("unevenness",),
    "sharpness": ("sharpness_db",),
    "contrast": ("contrast",),
}
CONVENTIONS = {
    "colour": "mean CIELAB colour in the field of view without its rim (L, a, b; sRGB, D65)",
    "unevenness of the light": f"deviation of L over the field of view after a Gaussian blur of {_LIGHT:.3f} of its "
    "diameter",
    "sharpness": f"with the field of view {SIZE_PX} px wide, the power of details of about 2 pixels over those of 8, "
    "in decibels, in L; a factor on the contrast leaves it as it is; noise and patterns raise it like sharp vessels",
    "contrast": "deviation of the green channel relative to its surroundings, of the width of a few vessels",
    "ratio": "the deviation of the generated photographs over that of the real ones; 1 where they vary alike; that of "
    "colour is of the distance from the mean colour",
}


class Appearance(NamedTuple):
    """What camera, light and pigment give a photograph, inside its field of view.

    Attributes:
        lightness: mean L of CIELAB, 0 to 100.
        redness: mean a; green is negative.
        yellowness: mean b; blue is negative.
        unevenness: standard deviation of the blurred L.
        sharpness_db: power of fine details over that of coarse ones.
        contrast: standard deviation of green relative to its surroundings.
    """

    lightness: float
    redness: float
    yellowness: float
    unevenness: float
    sharpness_db: float
    contrast: float

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return self._asdict()


def appearance(photograph: Photograph, field_of_view: Mask | None = None) -> Appearance:
    """What camera, light and pigment give a photograph.

    All is measured with the field of view brought to one width, so that cameras of any resolution compare, and without
    its rim. Sharpness is the ratio of two bands of detail: both hold the vessels and both grow with contrast, but blur
    takes the finer.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        field_of_view: where it has been found, ``bool (height, width)``.

    Raises:
        ImageError: the picture is black or of one colour.
        InputError: it is no photograph.

    Example:
        >>> from retinasynth.anatomy.render.phantom import phantom_eye
        >>> seen = appearance(phantom_eye(seed=1).photograph)
        >>> seen.redness > 0 and seen.yellowness > 0
        True
    """
    square, field = framed(photograph, SIZE_PX, field_of_view)
    lab = np.asarray(rgb2lab(square), np.float64)
    lightness, green = lab[..., 0], square[..., 1].astype(np.float64)
    inner = without_rim(field)
    fine, coarse = (
        np.square(_blurred(lightness, inner, narrow) - _blurred(lightness, inner, wide))[inner].mean()
        for narrow, wide in (_FINE_PX, _COARSE_PX)
    )
    around = _blurred(green, inner, _VESSEL * SIZE_PX)
    mean_lightness, redness, yellowness = (float(mean) for mean in lab[inner].mean(axis=0))
    return Appearance(
        mean_lightness,
        redness,
        yellowness,
        unevenness=float(_blurred(lightness, inner, _LIGHT * SIZE_PX)[inner].std()),
        sharpness_db=float(10 * np.log10((fine + 1e-6) / (coarse + 1e-6))),
        contrast=float(((green + 1) / (around + 1))[inner].std()),
    )


class Varied(NamedTuple):
    """How one measure varies in generated and in real photographs.

    Attributes:
        measure: of `MEASURES`.
        real_mean: of each of its numbers.
        generated_mean: likewise.
        real_deviation: root of the summed variances of its numbers.
        generated_deviation: likewise.
        ratio: of the second to the first, with its interval over people.
        shift: distance of the two means in standard deviations of the real ones.
    """

    measure: str
    real_mean: tuple[float, ...]
    generated_mean: tuple[float, ...]
    real_deviation: float
    generated_deviation: float
    ratio: Estimate
    shift: float

    @property
    def reading(self) -> str:
        """What the figures say, in a sentence."""
        share = f"({self.ratio.mean:.2g} of the real deviation, interval {self.ratio.low:.2g} to {self.ratio.high:.2g})"
        if self.ratio.high < 1 and self.ratio.mean < LESS:
            said = f"Generated photographs vary less than real ones in {self.measure} {share}"
        elif self.ratio.low > 1 and self.ratio.mean > 1 / LESS:
            said = f"Generated photographs vary more than real ones in {self.measure} {share}"
        elif LESS <= self.ratio.mean <= 1 / LESS:
            said = f"Generated photographs vary in {self.measure} about as real ones do {share}"
        else:
            said = f"Generated photographs are not shown to vary otherwise than real ones in {self.measure} {share}"
        return said + (f", around a mean that is {self.shift:.1f} deviations off." if self.shift >= 1 else ".")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {**self._asdict(), "ratio": self.ratio.to_json(), "reading": self.reading}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def measure(
    real: Sequence[Appearance],
    generated: Sequence[Appearance],
    *,
    real_groups: Groups | None = None,
    generated_groups: Groups | None = None,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> list[Varied]:
    """How much generated photographs vary beside real ones, measure by measure.

    Args:
        real: the real photographs.
        generated: the generated ones; other masks, or the same.
        real_groups: the person of each real photograph; without it, every picture is a person.
        generated_groups: likewise of the generated ones. A name that both have is one person.
        seed: of the resampling.
        resamples: number of resampled sets of people.

    Returns:
        One for each of `MEASURES`.

    Raises:
        DataError: either set shows fewer than two people, or the real photographs do not vary at all.
        InputError: a figure is not finite, or groups are missing.
    """
    subjects = Subjects.of(len(real), len(generated), real_groups, generated_groups)
    rows = checked_features(*(np.asarray([tuple(one) for one in side], np.float64) for side in (real, generated)))
    draws = subjects.drawn(seed=seed, resamples=resamples)
    compared = []
    for measure, names in MEASURES.items():
        columns = [Appearance._fields.index(name) for name in names]
        ours, theirs = (side[:, columns] for side in rows)
        real_deviation = float(_deviation(ours, subjects.real, subjects.once))
        generated_deviation = float(_deviation(theirs, subjects.generated, subjects.once))
        if real_deviation == 0:
            raise DataError(f"The real photographs do not vary in {measure}", expected="different photographs")
        drawn = ratio_interval(_deviation(theirs, subjects.generated, draws), _deviation(ours, subjects.real, draws))
        ratio = Estimate(generated_deviation / real_deviation, *drawn, len(ours) + len(theirs))
        means = ours.mean(axis=0), theirs.mean(axis=0)
        shift = float(np.linalg.norm(means[1] - means[0]) / real_deviation)
        ours_mean, theirs_mean = (tuple(float(value) for value in mean) for mean in means)
        compared.append(Varied(measure, ours_mean, theirs_mean, real_deviation, generated_deviation, ratio, shift))
    return compared


def _blurred(layer: NDArray[np.float64], field: Mask, window_px: float) -> NDArray[np.float64]:
    """The local mean over the field of view alone, so that nothing outside darkens its rim."""
    weights = ndimage.gaussian_filter(field.astype(np.float64), window_px)
    return np.asarray(ndimage.gaussian_filter(layer * field, window_px) / np.maximum(weights, 1e-6))


def _deviation(rows: NDArray[np.float64], subjects: Numbers, counts: Counts) -> NDArray[np.float64]:
    """Root of the summed variances of ``(pictures, numbers)``, where everyone counts so often, ``(..., people)``."""
    centred = rows - rows[0]  # equal rows then vary by exactly 0
    weights = counts[..., subjects]  # (..., picture)
    weights = weights / weights.sum(axis=-1, keepdims=True)
    variance = weights @ centred**2 - (weights @ centred) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0).sum(axis=-1)))
