"""Two networks against each other: what each minimises, how they learn, and the step that updates both.

Source: the system described in docs/source.md; Isola et al., CVPR 2017, equations 1 to 4 with L1 weight 100.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from retinasynth.data.batches import Batch
from retinasynth.networks.ssim import ssim_of_each
from retinasynth.settings import OptimiserSettings
from retinasynth.training.checkpoint import State
from retinasynth.training.optimisation import moving_average


class LossWeights(Protocol):
    """Weights of the terms of the generator's loss."""

    @property
    def adversarial_weight(self) -> float:
        """Of passing for real; without it there is no discriminator."""

    @property
    def l1_weight(self) -> float:
        """Of the mean absolute error, on values in [-1, 1]."""

    @property
    def ssim_weight(self) -> float:
        """Of 1 - SSIM."""


class AsPublished(NamedTuple):
    """The published weights (`LossWeights`)."""

    adversarial_weight: float = 1.0
    l1_weight: float = 100.0
    ssim_weight: float = 0.0


class DiscriminatorLoss(NamedTuple):
    """Binary cross-entropy on real and on generated photographs, and half of their sum, which is minimised.

    Halving slows the discriminator down relative to the generator (Isola et al., section 3.3).
    """

    real: Tensor
    generated: Tensor
    total: Tensor


class GeneratorLoss(NamedTuple):
    """Adversarial loss, mean absolute error, and the weighted sum of all terms, which is minimised.

    `adversarial` is None where the settings give it no weight.
    """

    adversarial: Tensor | None
    l1: Tensor
    total: Tensor


def discriminator_loss(real_logits: Tensor, generated_logits: Tensor) -> DiscriminatorLoss:
    """The halved discriminator loss.

    Args:
        real_logits: the discriminator's logits on real photographs, of any shape.
        generated_logits: its logits on generated ones.

    Example:
        >>> loss = discriminator_loss(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
        >>> round(loss.total.item(), 4)  # log 2: it cannot tell
        0.6931
    """
    real = functional.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    generated = functional.binary_cross_entropy_with_logits(generated_logits, torch.zeros_like(generated_logits))
    return DiscriminatorLoss(real, generated, (real + generated) / 2)


def generator_loss(
    logits: Tensor | None,
    generated: Tensor,
    expected: Tensor,
    weights: LossWeights,
    importance: Tensor | None = None,
) -> GeneratorLoss:
    """The generator's loss: its photographs should pass for real and equal the expected ones.

    Args:
        logits: the discriminator's logits on the generated photographs; None where there is no discriminator.
        generated: generated photographs ``(batch, 3, height, width)``, in [-1, 1].
        expected: the real ones of the same masks, in [-1, 1].
        weights: of the terms.
        importance: how much each photograph counts in what ties it to the expected one, ``(batch,)``; None is 1.
    """
    counts = torch.ones(len(generated), device=generated.device) if importance is None else importance
    l1 = (counts * (generated - expected).abs().mean(dim=(1, 2, 3))).mean()
    total = weights.l1_weight * l1
    adversarial = None
    if logits is not None:
        adversarial = functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        total = weights.adversarial_weight * adversarial + total
    if weights.ssim_weight:
        total = total + weights.ssim_weight * (counts * (1 - ssim_of_each(generated, expected))).mean()
    return GeneratorLoss(adversarial, l1, total)


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
    def of(
        cls,
        fabric: Fabric,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        layout: torch.memory_format,
        adam: OptimiserSettings,
        ema_decay: float,
    ) -> Self:
        """Networks as they learn: where Fabric runs them, each with its Adam, the generator with its moving average."""
        for network in (generator, discriminator):
            network.to(fabric.device)
            network.to(memory_format=layout)  # type: ignore[call-overload]  # documented, but not in its overloads
        return cls(
            *(generator, discriminator, moving_average(generator, ema_decay) if ema_decay else None, layout),
            *fabric.setup(generator, _adam(generator, adam)),
            *fabric.setup(discriminator, _adam(discriminator, adam)),
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

    def follow(self) -> None:
        """Let the moving average follow the generator by a step."""
        if self.average:
            self.average.update_parameters(self.generator)

    def place(self, batch: Batch) -> Batch:
        """The batch where, and in the layout in which, the networks want it."""
        device = next(self.generator.parameters()).device
        masks, photographs = (tensor.to(device, memory_format=self.layout) for tensor in batch[:2])
        return Batch(masks, photographs, None if batch.importance is None else batch.importance.to(device))


def _adam(network: nn.Module, chosen: OptimiserSettings) -> torch.optim.Adam:
    return torch.optim.Adam(
        network.parameters(), lr=chosen.learning_rate, betas=(chosen.beta1, chosen.beta2), fused=True
    )


def adversarial_step(fabric: Fabric, learner: Learner, batch: Batch, weights: LossWeights) -> dict[str, torch.Tensor]:
    """One update of the discriminator, then one of the generator.

    The generator turns the masks into photographs. The discriminator learns to tell these from the real ones of the
    same masks; its loss is halved. Then its weights are frozen, and the generator learns to make photographs that
    pass for real and equal the expected ones. Both updates use the same generated photographs (Isola et al., 3.3).
    Where passing for real has no weight, there is no discriminator to learn or to ask.

    Returns:
        The losses that the source logs, as ``loss_discriminator_real`` and so on.
    """
    masks, photographs, importance = batch
    generated = learner.generator_ddp(masks)
    losses: dict[str, torch.Tensor] = {}

    judged = None
    if weights.adversarial_weight:
        learner.discriminator.requires_grad_(True)
        on_real = learner.discriminator_ddp(masks, photographs)
        on_generated = learner.discriminator_ddp(masks, generated.detach())
        judging = discriminator_loss(on_real, on_generated)
        learner.discriminator_optimiser.zero_grad()
        fabric.backward(judging.total)
        learner.discriminator_optimiser.step()
        losses |= {"loss_discriminator_real": judging.real, "loss_discriminator_generated": judging.generated}

        learner.discriminator.requires_grad_(False)
        with fabric.no_backward_sync(learner.discriminator_ddp, enabled=fabric.world_size > 1):
            judged = learner.discriminator_ddp(masks, generated)

    making = generator_loss(judged, generated, photographs, weights, importance)
    learner.generator_optimiser.zero_grad()
    fabric.backward(making.total)
    learner.generator_optimiser.step()
    if making.adversarial is not None:
        losses["loss_generator_adversarial"] = making.adversarial
    return losses | {"loss_generator_l1": making.l1}
