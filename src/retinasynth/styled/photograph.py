"""Running the styled generator: the one way from a label map and a style to a photograph."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from retinasynth import images
from retinasynth.images import Photograph
from retinasynth.networks.running import evaluated, finite, in_bf16
from retinasynth.seeds import mixed_seed
from retinasynth.styled.network import StyledNetwork


def generate_styled(
    network: StyledNetwork, labels: NDArray[np.float32], style: NDArray[np.float32], *, detail: float, seed: int
) -> Photograph:
    """The photograph of one label map in a style; otherwise as `generate_photograph`.

    Args:
        network: on any device; its mode is put back afterwards.
        labels: ``float32 (channels, size, size)``: -1 outside, 1 inside, 0 unknown; the field of view first.
        style: ``float32 (NUMBERS,)``, see `retinasynth.eye.style`.
        detail: 0 is the most likely photograph of these labels and the field of the style, 1 one as a camera takes it.
        seed: of the noise.

    Returns:
        ``uint8 (size, size, 3)``.
    """
    noise = drawn_noise(network.noise_sizes(labels.shape[-1]), seed)
    with evaluated(network) as weight, in_bf16(weight.device):
        shown, wanted, *drawn = (
            torch.from_numpy(np.ascontiguousarray(one)).to(weight) for one in (labels, style, *noise)
        )
        generated = network(shown[None], wanted[None], weight.new_tensor([[detail]]), drawn)[0]
    return images.photograph_from_signed(finite(generated))


def drawn_noise(sizes: Sequence[int], seed: int) -> list[NDArray[np.float32]]:
    """The layers of noise of a photograph, ``float32 (1, 1, size, size)``: the same on every machine."""
    random = np.random.default_rng(mixed_seed([seed]))
    return [random.standard_normal((1, 1, size, size), np.float32) for size in sizes]
