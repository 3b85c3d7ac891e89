"""What a mask cannot tell: the colour and the slow illumination of a photograph, as a smooth field.

Most of the squared error between two fundus photographs is global colour and slow illumination (camera, pigmentation,
flash), of which a vessel mask says nothing. A network that is shown a few dozen eyes learns these by heart and answers
a new mask with the colours of a training eye, which is worse than the average. Here a photograph is split into a smooth
field and the rest; training on photographs whose own field is replaced by the average one leaves the network what a
mask can tell, at the colours that are expected of a photograph of that camera.

The field of a channel is a polynomial of total degree `DEGREE` in row and column (-1 to 1 over the picture), fitted by
least squares inside the field of view. (Polynomial illumination fields are usual in fundus correction: Hoover and
Goldbaum, IEEE TMI 22(8), 2003, fit one to find the disc.)
"""

import functools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.images import Mask, Photograph

DEGREE = 2
MOST_SMOOTHED = 1.5

Field = NDArray[np.float64]  # (terms, 3): the coefficients, in grey levels


def at_expected_appearance(photographs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Photographs of one camera with the field of each replaced by the mean of all fields.

    Args:
        photographs: ``uint8 (n, height, width, 3)``.

    Returns:
        The same shape; outside the field of view nothing changes, and values beyond black and white are clipped.

    Raises:
        ImageError: one of them is black.
    """
    views = [find_field_of_view(photograph) for photograph in photographs]
    fields = [fit_field(photograph, view) for photograph, view in zip(photographs, views, strict=True)]
    expected = np.mean(fields, axis=0)
    changed = np.empty_like(photographs)
    for index, (photograph, view, field) in enumerate(zip(photographs, views, fields, strict=True)):
        change = np.where(view[..., None], draw_field(expected - field, view.shape), 0)
        changed[index] = np.clip(np.rint(photograph + change), 0, 255)
    return changed


def mean_photograph(photographs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The mean of photographs of one camera, without the faint pattern of 2 pixels that their compression leaves.

    Blocks of JPEG lie in the same place in each photograph. Resized, they become a pattern far below one grey level,
    which noise hides in a photograph but nothing hides in a mean. It is smoothed away (weights 1, 2, 1), but not the
    rim of the field of view and other edges, where that would change more than `MOST_SMOOTHED` grey levels.

    Args:
        photographs: ``uint8 (n, height, width, 3)``.

    Returns:
        ``float32 (height, width, 3)``, in grey levels (0 to 255).
    """
    mean = photographs.mean(axis=0, dtype=np.float64)
    smooth = mean
    for axis in (0, 1):
        smooth = ndimage.convolve1d(smooth, (0.25, 0.5, 0.25), axis=axis, mode="nearest")
    chosen: NDArray[np.float64] = np.where(np.abs(smooth - mean) <= MOST_SMOOTHED, smooth, mean)
    return chosen.astype(np.float32)


def fit_field(photograph: Photograph, field_of_view: Mask) -> Field:
    """The smooth field of a photograph.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        field_of_view: ``bool (height, width)``, True where the photograph shows the eye.

    Returns:
        Coefficients ``float64 (terms, 3)``, in grey levels (0 to 255), the constant first.

    Example:
        >>> grey = np.full((8, 8, 3), 100, np.uint8)
        >>> np.abs(fit_field(grey, np.ones((8, 8), np.bool_)).round(6)).tolist()[:2]
        [[100.0, 100.0, 100.0], [0.0, 0.0, 0.0]]
    """
    terms = polynomial_terms(field_of_view.shape)[field_of_view]
    coefficients, *_ = np.linalg.lstsq(terms, photograph[field_of_view].astype(np.float64), rcond=None)
    return np.asarray(coefficients, np.float64)


def draw_field(field: Field, size: tuple[int, ...]) -> NDArray[np.float64]:
    """The field as a picture: ``float64 (height, width, 3)``, in grey levels, not limited to 0 to 255."""
    return polynomial_terms(size) @ field


@functools.lru_cache(maxsize=4)
def polynomial_terms(size: tuple[int, ...], degree: int = DEGREE) -> NDArray[np.float64]:
    """All products of powers of row and column (-1 to 1) up to a total degree.

    Returns:
        ``float64 (height, width, terms)``, read-only, the constant first, powers of the column rising before those of
        the row.

    Example:
        >>> polynomial_terms((2, 2), 1)[0].tolist()  # 1, column, row
        [[1.0, -1.0, -1.0], [1.0, 1.0, -1.0]]
    """
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in size), indexing="ij")
    terms = np.stack([rows**row * columns**column for row, column in powers(degree)], axis=-1)
    terms.flags.writeable = False
    return terms


def powers(degree: int) -> list[tuple[int, int]]:
    """The powers of row and column in each term of `polynomial_terms`."""
    return [(row, column) for row in range(degree + 1) for column in range(degree + 1 - row)]
