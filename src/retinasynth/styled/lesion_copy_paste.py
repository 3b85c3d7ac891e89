"""Lesions lent by one eye to another: few eyes have any that people drew, and from these few no generator learns.

What a lesion does to the light is the ratio of the photograph to what it would be without, told from around. Laid on
another eye, with the labels, it is as dark or pale there as it was at home.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.images import Photograph

_AROUND = 12 / 512  # of the frame: deviation of the window in which the light around a lesion is told
_EDGE_PX = 2  # around a drawn lesion that belong to it
_RATIOS = (0.25, 3.0)  # what is beyond is glare or dirt
_DISC_PX = 4  # around the disc, where no lesion is laid


def with_lent_lesions(
    photograph: Photograph,
    layers: NDArray[np.uint8],
    lender: Photograph,
    its_layers: NDArray[np.uint8],
    *,
    lesions: Sequence[int],
    disc: int | None,
) -> tuple[Photograph, NDArray[np.uint8]]:
    """An eye with the lesions of another beside its own.

    Args:
        photograph: ``uint8 (size, size, 3)``.
        layers: how much of each pixel the field of view and the label planes cover, ``uint8 (size, size, 1 + planes)``.
        lender: another photograph of that size.
        its_layers: of the other.
        lesions: places of the lesion planes among the layers.
        disc: likewise; nothing is laid on it. None where it is unknown.

    Returns:
        The photograph and the layers; those given are not changed.
    """
    drawn = its_layers[..., lesions].max(axis=2) > 127
    free = layers[..., 0] > 250
    if disc is not None:
        free &= ~ndimage.binary_dilation(layers[..., disc] > 127, iterations=_DISC_PX)
    whole = ndimage.binary_dilation(drawn, iterations=_EDGE_PX)
    clear = (its_layers[..., 0] > 250) & ~whole
    spread = _AROUND * len(layers)
    weight = ndimage.gaussian_filter(clear.astype(np.float32), spread) + 1e-3
    light = lender.astype(np.float32) + 1
    around = [ndimage.gaussian_filter(light[..., k] * clear, spread) / weight for k in range(3)]
    ratio = np.clip(light / np.maximum(np.stack(around, axis=-1), 1), *_RATIOS)
    ratio[..., 2] = ratio[..., 1]  # in an orange photograph there is too little blue to tell
    share = ndimage.gaussian_filter(whole.astype(np.float32), _EDGE_PX / 2) * free
    seen = photograph * (1 + share[..., None] * (ratio - 1))
    labels = layers.copy()
    lent = its_layers[..., lesions] * free[..., None]
    labels[..., lesions] = np.maximum(labels[..., lesions], lent)
    return seen.round().clip(0, 255).astype(np.uint8), labels
