"""Running a generator: the one way from a mask to a photograph, for training samples and for users alike."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from retinasynth import images
from retinasynth.checks import checked_seed
from retinasynth.errors import ModelError
from retinasynth.images import Labels, Photograph
from retinasynth.models.styled import StyledGenerator


def fast_precision(device: torch.device) -> str:
    """``bf16`` where the hardware computes it, ``fp16`` on a GPU that does not, else ``fp32``."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp16"
    capabilities = torch.cpu.get_capabilities()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def move_for_generation(network: nn.Module) -> nn.Module:
    """The network on the GPU, where there is one, and in the memory layout that is quickest there."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    if device.type == "cuda" or fast_precision(device) == "bf16":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented, not in its overloads
    return network


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
    weight = next(network.parameters())
    signed = torch.from_numpy(images.signed_from_labels(labels, channels)).to(weight)
    half = torch.autocast(weight.device.type, torch.bfloat16, enabled=fast_precision(weight.device) == "bf16")
    with evaluation_mode(network), torch.inference_mode(), half, seeded(seed, device=weight.device):
        generated = network(signed[None])[0]
    return images.photograph_from_signed(finite(generated))


def generate_styled(
    network: StyledGenerator, labels: NDArray[np.float32], style: NDArray[np.float32], *, detail: float, seed: int
) -> Photograph:
    """The photograph of one label map in a style; otherwise as `generate_photograph`.

    Args:
        network: on any device; its mode is put back afterwards.
        labels: ``float32 (channels, size, size)``: -1 outside, 1 inside, 0 unknown; the field of view first.
        style: ``float32 (NUMBERS,)``, see `retinasynth.anatomy.style`.
        detail: 0 is the most likely photograph of these labels and the field of the style, 1 one as a camera takes it.
        seed: of the noise.

    Returns:
        ``uint8 (size, size, 3)``.
    """
    weight = next(network.parameters())
    device = weight.device
    half = torch.autocast(device.type, torch.bfloat16, enabled=fast_precision(device) == "bf16")
    noise = drawn_noise(network.noise_sizes(labels.shape[-1]), seed)
    with evaluation_mode(network), torch.inference_mode(), half:
        shown, wanted, *drawn = (
            torch.from_numpy(np.ascontiguousarray(one)).to(weight) for one in (labels, style, *noise)
        )
        generated = network(shown[None], wanted[None], weight.new_tensor([[detail]]), drawn)[0]
    return images.photograph_from_signed(finite(generated))


def finite(answer: Tensor) -> NDArray[np.float32]:
    """What a network answers, as an array.

    Raises:
        ModelError: some of it is no finite number, which would be black in a picture, or nothing in a mask.
    """
    values: NDArray[np.float32] = answer.float().cpu().numpy()
    if not np.isfinite(values).all():
        raise ModelError(
            "The network answers with what is no finite number: its weights are damaged, or its training went astray",
            do="Copy the model folder again, or train it anew",
        )
    return values


def drawn_noise(sizes: Sequence[int], seed: int) -> list[NDArray[np.float32]]:
    """The layers of noise of a photograph, ``float32 (1, 1, size, size)``: the same on every machine."""
    random = np.random.default_rng(mixed_seed([seed]))
    return [random.standard_normal((1, 1, size, size), np.float32) for size in sizes]


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode inside the block, and as it was after it."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@contextmanager
def seeded(*seeds: int, device: torch.device) -> Iterator[None]:
    """Draw torch's random numbers from `seeds` inside the block, and put its random state back after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else [], enabled=True):
        torch.manual_seed(mixed_seed(seeds))
        yield


def mixed_seed(seeds: Sequence[int]) -> int:
    """One seed that differs whenever any of `seeds` does (as far as 64 bits can).

    Example:
        >>> mixed_seed([0, 1]) == mixed_seed([1, 0])
        False
    """
    return int(np.random.SeedSequence([checked_seed(seed) for seed in seeds]).generate_state(1, np.uint64)[0] >> 1)
