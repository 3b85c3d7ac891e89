"""All that learns in a run, and in which numbers: networks, optimisers, moving average, precision."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from retinasynth.config import Settings
from retinasynth.datasets.pairs import Batch
from retinasynth.images import signed_from_photograph
from retinasynth.models.discriminators import PatchDiscriminator
from retinasynth.models.generation import fast_precision
from retinasynth.models.generators import ResizeGenerator, build_generator
from retinasynth.models.layers import initialise
from retinasynth.training.checkpoints import State

_WARM_UP_STEPS = 100


@dataclass
class Learner:
    """All that learns in a run.

    Attributes:
        generator: the bare network; `generator_ddp` is the same as Fabric runs it.
        discriminator: likewise.
        average: the exponential moving average of the generator, where the settings keep one.
        layout: memory layout of the pictures and kernels.
    """

    generator: nn.Module
    discriminator: nn.Module
    average: AveragedModel | None
    layout: torch.memory_format
    generator_ddp: _FabricModule
    generator_optimiser: _FabricOptimizer
    discriminator_ddp: _FabricModule
    discriminator_optimiser: _FabricOptimizer

    @classmethod
    def build(
        cls,
        fabric: Fabric,
        settings: Settings,
        layout: torch.memory_format = torch.contiguous_format,
        mean: NDArray[np.float32] | None = None,
    ) -> Self:
        """New networks, drawn from the seed; a generator that starts from a canvas starts from the mean photograph.

        Args:
            fabric: that will run them.
            settings: of the run.
            layout: memory order of pictures and kernels.
            mean: the mean training photograph, ``float32 (size_px, size_px, 3)`` in grey levels.
        """
        torch.manual_seed(settings.training.seed)
        generator = build_generator(settings.data.label_channels, settings.data.size_px, settings.generator)
        discriminator = PatchDiscriminator(settings.data.label_channels, settings.discriminator)
        for network in (generator, discriminator):
            initialise(network, settings.training.initialisation)
        if isinstance(generator, ResizeGenerator) and mean is not None:
            generator.start_from(torch.from_numpy(signed_from_photograph(mean)))
        return cls.of(fabric, settings, layout, generator, discriminator)

    @classmethod
    def of(
        cls,
        fabric: Fabric,
        settings: Settings,
        layout: torch.memory_format,
        generator: nn.Module,
        discriminator: nn.Module,
    ) -> Self:
        """Networks as they learn: where Fabric runs them, each with its optimiser, the generator with its average."""
        for network in (generator, discriminator):
            network.to(fabric.device)
            network.to(memory_format=layout)  # type: ignore[call-overload]  # documented, but not in its overloads
        decay = settings.training.ema_decay
        return cls(
            *(generator, discriminator, moving_average(generator, decay) if decay else None, layout),
            *fabric.setup(generator, _adam(generator, settings)),
            *fabric.setup(discriminator, _adam(discriminator, settings)),
        )

    @property
    def shown(self) -> nn.Module:
        """The generator that samples and models are made with: the average where there is one."""
        return self.average.module if self.average else self.generator

    @property
    def state(self) -> State:
        """What a checkpoint holds."""
        average = {"average": self.average} if self.average else {}
        return State(
            modules={"generator": self.generator, "discriminator": self.discriminator, **average},
            optimisers={
                "generator_adam": self.generator_optimiser.optimizer,
                "discriminator_adam": self.discriminator_optimiser.optimizer,
            },
        )

    def place(self, batch: Batch) -> Batch:
        """The batch where, and in the layout in which, the networks want it."""
        device = next(self.generator.parameters()).device
        masks, photographs = (tensor.to(device, memory_format=self.layout) for tensor in batch[:2])
        return Batch(masks, photographs, None if batch.importance is None else batch.importance.to(device))


def model_facts(settings: Settings, eyes: Sequence[str], steps: int, epoch_steps: int) -> dict[str, Any]:
    """What the model card says of the training.

    Args:
        settings: of the run.
        eyes: the physical eye behind each pair that it learns from.
        steps: that it has made.
        epoch_steps: in which it sees each of them once.
    """
    decay = settings.training.ema_decay
    return {
        "steps": steps,
        "epochs": round(steps / epoch_steps, 2),
        "pairs": len(eyes),
        "eyes": len(set(eyes)),
        "data": Path(settings.data.folder).name,
        "weights": f"exponential moving average, decay {decay}" if decay else "as trained",
    }


def _adam(network: nn.Module, settings: Settings) -> torch.optim.Adam:
    chosen = settings.optimiser
    return torch.optim.Adam(
        network.parameters(), lr=chosen.learning_rate, betas=(chosen.beta1, chosen.beta2), fused=True
    )


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a network, of its buffers as well as of its parameters."""
    update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def falling_rate(highest: float, step: int, steps: int) -> float:
    """The learning rate of a step, from 0: a line up over the first steps, then half a cosine down to 0.

    Args:
        highest: where the line would end.
        step: from 0.
        steps: of the run.
    """
    warm_up = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return highest * warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))


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
