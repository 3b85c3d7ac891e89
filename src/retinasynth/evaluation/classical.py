"""Restoration without learning, which an enhancer has to beat; parameters are chosen on photographs of the same set."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import restoration

from retinasynth.enhancement.degradation import Degradation, degraded, enlarged
from retinasynth.evaluation.metrics.fidelity import at_own_size
from retinasynth.images import Photograph

Picture = NDArray[np.float64]  # (height, width, 3) in [0, 1]
_SEED = 0
_EDGE_PX = 16


class Method(NamedTuple):
    """A way to restore a photograph.

    Attributes:
        name: with its parameters.
        restore: from the degraded photograph to one of the clean one's size.
    """

    name: str
    restore: Callable[[Photograph], Photograph]


def methods_against(degradation: Degradation) -> list[Method]:
    """The classical methods for a degradation, each with several parameters.

    Enlarging: Lanczos, and bicubic interpolation sharpened by an unsharp mask. Blur: Wiener's filter (N. Wiener, 1949)
    and Richardson-Lucy (1972, 1974), both told the true blur, which an enhancer is not. Noise: non-local means
    (A. Buades, B. Coll and J.-M. Morel, CVPR 2005), total variation (A. Chambolle, 2004) and the bilateral filter
    (C. Tomasi and R. Manduchi, ICCV 1998), by scikit-image.
    """
    if degradation.scale > 1:
        scale = degradation.scale
        sharpened = [
            _on_values(
                f"bicubic and unsharp mask, radius {radius}, amount {amount}",
                partial(_unsharp, radius=radius, amount=amount),
                scale,
            )
            for radius in (1, 2, 4)
            for amount in (0.3, 0.6, 1.0)
        ]
        return [Method("Lanczos", lambda worse: _lanczos(worse, scale)), *sharpened]
    if degradation.blur_px:
        spread = _gaussian(degradation.blur_px)
        return [
            *(
                _on_values(f"Wiener, balance {balance}", partial(_wiener, spread=spread, balance=balance))
                for balance in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
            ),
            *(
                _on_values(
                    f"Richardson-Lucy, {count} iterations", partial(_richardson_lucy, spread=spread, count=count)
                )
                for count in (5, 10, 20)
            ),
        ]
    return [
        *(
            _on_values(f"non-local means, h {h}", partial(_non_local_means, h=h))
            for h in (0.02, 0.03, 0.04, 0.05, 0.06)
        ),
        *(
            _on_values(f"total variation, weight {weight}", partial(_total_variation, weight=weight))
            for weight in (0.03, 0.06, 0.1, 0.15)
        ),
        *(
            _on_values(
                f"bilateral, deviations {colour} and {space} px", partial(_bilateral, colour=colour, space=space)
            )
            for colour in (0.1, 0.2)
            for space in (1.5, 3.0)
        ),
    ]


def chosen_method(degradation: Degradation, clean: Sequence[Photograph]) -> Method:
    """The method of the highest mean PSNR.

    Args:
        degradation: to undo.
        clean: photographs, or pieces of them, that lie in the field of view; both sides multiples of the scale.
    """
    random = np.random.default_rng(_SEED)
    pairs = [(degraded(one, degradation, random), one) for one in clean]
    everywhere = [np.ones(one.shape[:2], np.bool_) for one in clean]

    def psnr(method: Method) -> float:
        figures = [
            at_own_size(method.restore(worse), one, whole).psnr
            for (worse, one), whole in zip(pairs, everywhere, strict=True)
        ]
        return float(np.mean(figures))

    return max(methods_against(degradation), key=psnr)


def _on_values(name: str, restore: Callable[[Picture], Picture], scale: int = 1) -> Method:
    """A method on values in [0, 1], after bicubic enlargement."""

    def on_photograph(worse: Photograph) -> Photograph:
        values = restore(enlarged(worse, scale) / 255.0)
        return np.asarray(np.clip(np.rint(values * 255), 0, 255), np.uint8)

    return Method(name, on_photograph)


def _lanczos(worse: Photograph, scale: int) -> Photograph:
    height, width = worse.shape[:2]
    return np.asarray(Image.fromarray(worse).resize((width * scale, height * scale), Image.Resampling.LANCZOS))


def _gaussian(sigma_px: float) -> Picture:
    reach = round(4 * sigma_px)
    row = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    return np.asarray(np.outer(row, row) / row.sum() ** 2)


def _unsharp(values: Picture, *, radius: float, amount: float) -> Picture:
    return np.asarray(values + amount * (values - ndimage.gaussian_filter(values, (radius, radius, 0))))


def _wiener(values: Picture, *, spread: Picture, balance: float) -> Picture:
    def restored(layer: Picture) -> Picture:
        return np.asarray(restoration.wiener(layer, spread, balance))  # type: ignore[no-untyped-call]

    return _by_channel(restored, values)


def _richardson_lucy(values: Picture, *, spread: Picture, count: int) -> Picture:
    def restored(layer: Picture) -> Picture:
        return np.asarray(restoration.richardson_lucy(layer, spread, count))  # type: ignore[no-untyped-call]

    return _by_channel(restored, values)


def _non_local_means(values: Picture, *, h: float) -> Picture:
    return np.asarray(restoration.denoise_nl_means(values, patch_size=5, patch_distance=6, h=h, channel_axis=-1))


def _total_variation(values: Picture, *, weight: float) -> Picture:
    return np.asarray(
        restoration.denoise_tv_chambolle(values, weight=weight, channel_axis=-1)  # type: ignore[no-untyped-call]
    )


def _bilateral(values: Picture, *, colour: float, space: float) -> Picture:
    return np.asarray(restoration.denoise_bilateral(values, sigma_color=colour, sigma_spatial=space, channel_axis=-1))


def _by_channel(restore: Callable[[Picture], Picture], values: Picture) -> Picture:
    """A method channel by channel, the picture mirrored at its edges, beyond which a deconvolution would see black."""
    mirrored = np.pad(values, ((_EDGE_PX, _EDGE_PX), (_EDGE_PX, _EDGE_PX), (0, 0)), mode="reflect")
    layers = [restore(mirrored[..., k])[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX] for k in range(3)]
    return np.stack(layers, axis=-1)
