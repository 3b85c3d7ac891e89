"""Training an enhancer: from degraded photographs to clean ones.

    retinasynth enhance train --data EYES --out RUN
    retinasynth enhance train --data EYES --data MORE_EYES --out RUN --set steps=20000
    retinasynth enhance train --resume RUN

Nothing but photographs is needed: each example is cut from one and made worse on the fly (`datasets.clean`). The step
is that of the mask-to-photograph system (`trainer.train_step`), with the degraded photograph in the place of the mask.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from lightning_fabric import Fabric

from retinasynth import images
from retinasynth.config import EnhancerSettings, Settings
from retinasynth.datasets.clean import clean_batches, example, load_clean
from retinasynth.datasets.degradation import enlarged
from retinasynth.datasets.layouts import find_eyes
from retinasynth.datasets.pairs import Batch
from retinasynth.models.discriminators import PatchDiscriminator
from retinasynth.models.enhancer_saving import EnhancerConfig, EnhancerModel, save_enhancer
from retinasynth.models.enhancers import EnhancementNetwork, enhanced
from retinasynth.training import loop
from retinasynth.training.checkpoints import State
from retinasynth.training.learner import Learner, Precision, falling_rate
from retinasynth.training.trainer import train_step

SAMPLES = 6  # examples in a sample grid


def train(data: Sequence[Path], out: Path, settings: EnhancerSettings) -> Path:
    """Train a new enhancer in `out` (`loop.Training.start`).

    Args:
        data: data sets that `retinasynth.datasets.layouts.find_eyes` recognises; the photographs of their training
            splits are used.
        out: the run folder, new or empty.
        settings: what to do.
    """
    folders = ",".join(str(find_eyes(folder).folder.resolve()) for folder in data)
    return TRAINING.start(out, settings.with_overrides([f"data.folders={folders}"]))


def resume(run: Path, overrides: Sequence[str] = ()) -> Path:
    """Go on with a run that was interrupted (`loop.Training.resume`)."""
    return TRAINING.resume(run, overrides)


def _data(settings: EnhancerSettings) -> tuple[str, str]:
    return load_clean(settings.data).fingerprint, ", ".join(settings.data.folders)


class _Enhancing:
    """The task of a run: to make of a degraded photograph the clean one (`loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: EnhancerSettings, precision: Precision) -> None:
        self.settings, self.training = settings, settings.training
        self.clean = load_clean(settings.data)
        self.total_steps = self.training.steps
        self.epoch_steps = len(self.clean) / (self.training.batch_size * self.training.devices)
        self.fingerprint = self.clean.fingerprint
        # What the step and its optimisers take from the settings of the mask-to-photograph system.
        self.source = Settings.from_preset("source").with_overrides(
            [
                f"discriminator.filters={settings.network.filters}",
                "discriminator.norm=spectral",
                *(f"loss.{name}={value}" for name, value in settings.loss.model_dump().items()),
                *(f"optimiser.{name}={value}" for name, value in settings.optimiser.model_dump().items()),
                f"training.ema_decay={self.training.ema_decay}",
            ]
        )
        torch.manual_seed(self.training.seed)
        network = EnhancementNetwork(settings.network)
        judging = PatchDiscriminator(6, self.source.discriminator)
        self.learner = Learner.of(fabric, self.source, precision.layout, network, judging)

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
        losses = train_step(fabric, self.learner, self.learner.place(batch), self.source.loss)
        if self.learner.average:
            self.learner.average.update_parameters(self.learner.generator)
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
        decay = self.training.ema_decay
        facts = {
            "steps": steps,
            "photographs": len(self.clean),
            "data": ", ".join(Path(one).name for one in self.settings.data.folders),
            "weights": f"exponential moving average, decay {decay}" if decay else "as trained",
        }
        network = cast(EnhancementNetwork, self.learner.shown)
        save_enhancer(folder, EnhancerModel(network, EnhancerConfig.of(self.settings, facts)))


TRAINING = loop.Training(
    settings=EnhancerSettings,
    task=_Enhancing,
    data=_data,
    free=frozenset({"data.folders"}),
)
