"""Running a trained network, for training samples and for users alike; torch alone is needed for it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from retinasynth.errors import ModelError


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


@contextmanager
def evaluated(network: nn.Module) -> Iterator[Tensor]:
    """The network in evaluation mode and without gradients inside the block, in its own mode after it.

    Yields:
        One of its weights, whose device and type its inputs take.
    """
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield next(network.parameters())
    finally:
        network.train(was_training)


def in_bf16(device: torch.device) -> torch.autocast:
    """A block in bf16 where the hardware computes it, which moves some pixels by a grey level or two against fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_precision(device) == "bf16")


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
