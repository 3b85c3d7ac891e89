"""Running a generator: the one way from a mask to a photograph, for training samples and for users alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from lightning_fabric.plugins import MixedPrecision
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


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode inside the block, and as it was after it."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


class Precision(NamedTuple):
    """How numbers are kept while training.

    Attributes:
        name: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        plugin: Fabric's; None for fp32.
        scaler: the loss scaling of fp16, kept here because a checkpoint holds its state.
        layout: memory order of pictures and kernels. Half precision and GPUs want channels last; convolutions on a CPU
            without bf16 learn faster without.
    """

    name: str
    plugin: MixedPrecision | None
    scaler: torch.amp.GradScaler | None
    layout: torch.memory_format


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """What ``training.precision`` means on a device.

    ``auto`` takes bf16 where the hardware computes it, fp16 with loss scaling on a GPU that does not (a T4), and
    fp32 on a CPU that does not.
    """
    if wanted == "auto":
        wanted = fast_precision(device)
    if wanted == "fp32":
        # The order that generation uses on this hardware, since dropout is drawn in the order of memory: a sample grid
        # then shows what users get.
        slow = fast_precision(device) == "fp32"
        return Precision(wanted, None, None, torch.contiguous_format if slow else torch.channels_last)
    if wanted == "bf16":
        return Precision(wanted, MixedPrecision("bf16-mixed", device.type), None, torch.channels_last)
    scaler = torch.amp.GradScaler(device.type)
    return Precision(wanted, MixedPrecision("16-mixed", device.type, scaler), scaler, torch.channels_last)
