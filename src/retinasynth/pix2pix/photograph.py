"""Running the generator of pix2pix: the one way from a label map to a photograph, in training and in use."""

import torch
from torch import nn

from retinasynth import images
from retinasynth.images import Labels, Photograph
from retinasynth.networks.running import evaluated, finite, in_bf16
from retinasynth.seeds import seeded


def generate_photograph(network: nn.Module, labels: Labels, *, channels: int, seed: int) -> Photograph:
    """The photograph of one label map, as the source generates.

    Batch normalisation uses the statistics of the picture itself and dropout stays on, drawn from `seed`. Pictures
    are generated one by one, so none depends on its neighbours, and the caller's random state is left as it was. In
    bf16 where the hardware computes it, which moves some pixels by a grey level or two against fp32.

    Args:
        network: a generator, on any device; its mode is put back afterwards.
        labels: ``bool (size, size, planes)``, of the size and planes that the network was made for.
        channels: that the network takes; a single plane is repeated in all.
        seed: of the dropout.

    Returns:
        ``uint8 (size, size, 3)``.
    """
    signed = torch.from_numpy(images.signed_from_labels(labels, channels))
    with evaluated(network) as weight, in_bf16(weight.device), seeded(seed, device=weight.device):
        generated = network(signed.to(weight)[None])[0]
    return images.photograph_from_signed(finite(generated))
