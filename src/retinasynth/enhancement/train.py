"""Training an enhancer: from degraded photographs to clean ones.

    retinasynth enhance train --data EYES --out RUN
    retinasynth enhance train --data EYES --data MORE_EYES --out RUN --set steps=20000
    retinasynth enhance train --resume RUN

Nothing but photographs is needed: each example is cut from one and made worse on the fly (`datasets.clean`). The step
is that of the mask-to-photograph system (`adversarial_step`), with the degraded photograph in the place of the mask.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from lightning_fabric import Fabric

from retinasynth import images
from retinasynth.data.batches import Batch
from retinasynth.enhancement.data import CleanPhotographs, clean_batches, example, load_clean
from retinasynth.enhancement.degradation import enlarged
from retinasynth.enhancement.model import EnhancerConfig, EnhancerModel, save_enhancer
from retinasynth.enhancement.network import EnhancementNetwork, enhanced
from retinasynth.enhancement.settings import EnhancerSettings
from retinasynth.networks.patchgan import PatchDiscriminator
from retinasynth.training.adversary import Learner, adversarial_step
from retinasynth.training.checkpoint import State
from retinasynth.training.model_folder import averaging
from retinasynth.training.optimisation import falling_rate
from retinasynth.training.precision import Precision
from retinasynth.training.run import Training

SAMPLES = 6  # examples in a sample grid


def train(data: Sequence[Path], out: Path, settings: EnhancerSettings) -> Path:
    """Train a new enhancer in `out` (`retinasynth.training.run.Training.start`).

    Args:
        data: data sets that `retinasynth.data.find.find_eyes` recognises; the photographs of their training
            splits are used.
        out: the run folder, new or empty.
        settings: what to do.
    """
    return TRAINING.start(data, out, settings)


def _clean(settings: EnhancerSettings) -> CleanPhotographs:
    return load_clean(settings.data)


class _Enhancing:
    """The task of a run: to make of a degraded photograph the clean one (`loop.Task`)."""

    def __init__(
        self, fabric: Fabric, settings: EnhancerSettings, precision: Precision, clean: CleanPhotographs
    ) -> None:
        self.settings, self.training, self.clean = settings, settings.training, clean
        self.total_steps = self.training.steps
        self.epoch_steps = len(self.clean) / (self.training.batch_size * self.training.devices)
        torch.manual_seed(self.training.seed)
        network = EnhancementNetwork(settings.network)
        self.learner = Learner.of(
            *(fabric, network, PatchDiscriminator(6, settings.network.filters, "spectral")),
            layout=precision.layout,
            adam=settings.optimiser,
            ema_decay=self.training.ema_decay,
        )

    @property
    def state(self) -> State:
        return self.learner.state

    def begin(self) -> None:
        """Nothing: it starts from random weights."""

    def batches(self, steps: range, process: int) -> Iterator[Batch]:
        return clean_batches(self.clean, self.settings, steps, process)

    def step(self, fabric: Fabric, batch: Batch, number: int) -> Mapping[str, torch.Tensor]:
        """The learning rates of both optimisers rise over the first steps and fall along a cosine."""
        rate = falling_rate(self.settings.optimiser.learning_rate, number, self.total_steps)
        for optimiser in (self.learner.generator_optimiser, self.learner.discriminator_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = rate
        losses = adversarial_step(fabric, self.learner, self.learner.place(batch), self.settings.loss)
        self.learner.follow()
        return losses

    def sample(self) -> images.Photograph:
        """Examples as they are given to the network, as it enhances them, and as they should be."""
        network = cast(EnhancementNetwork, self.learner.shown)
        examples = [example(self.clean, self.settings, at) for at in range(SAMPLES)]
        rows = [
            [enlarged(worse, told.scale), enhanced(network, worse, told), wanted] for worse, told, wanted in examples
        ]
        return images.draw_panels(rows, ["degraded", "enhanced", "clean"])

    def save(self, folder: Path, steps: int) -> None:
        facts = {
            "steps": steps,
            "photographs": len(self.clean),
            "data": ", ".join(Path(one).name for one in self.settings.data.folders),
            "weights": averaging(self.training.ema_decay),
        }
        network = cast(EnhancementNetwork, self.learner.shown)
        save_enhancer(folder, EnhancerModel(network, EnhancerConfig.of(self.settings, facts)))


TRAINING = Training(
    settings=EnhancerSettings,
    load=_clean,
    task=_Enhancing,
)
resume = TRAINING.resume
