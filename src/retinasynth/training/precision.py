"""In which numbers a run learns."""

from typing import NamedTuple

import torch
from lightning_fabric.plugins import MixedPrecision

from retinasynth.networks.running import fast_precision


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
