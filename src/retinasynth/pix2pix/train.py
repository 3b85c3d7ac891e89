"""Training pix2pix, the published mask-to-photograph system.

    retinasynth train --data EYES --out RUN                      # preset "source"
    retinasynth train --data EYES --out RUN --set epochs=10
    retinasynth train --resume RUN                               # nothing else to repeat

Read `retinasynth.training.adversary.adversarial_step` first: it is how the two networks learn in the published system
(docs/source.md). `train` hands over to `retinasynth.training.run.Training.start`, this to
`retinasynth.training.loop.learn`, which calls `Generating.step` once a step. A run folder holds ``config.yaml``,
``metrics.jsonl``, ``samples/``, ``checkpoint/`` and ``model/``.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from retinasynth import images
from retinasynth.data.batches import Batch, steps_per_epoch
from retinasynth.networks.layers import initialise
from retinasynth.networks.patchgan import PatchDiscriminator
from retinasynth.pix2pix.data import Pairs, TrainingPairs, batches, load_training_pairs
from retinasynth.pix2pix.model import save_model
from retinasynth.pix2pix.network import ResizeGenerator, build_generator
from retinasynth.pix2pix.photograph import generate_photograph
from retinasynth.pix2pix.settings import Settings
from retinasynth.training.adversary import Learner, adversarial_step
from retinasynth.training.checkpoint import State
from retinasynth.training.model_folder import generator_facts
from retinasynth.training.precision import Precision
from retinasynth.training.run import Training

SAMPLES = 3  # fixed examples in a sample grid


# --- Starting and resuming ---------------------------------------------------------------------------------------


def train(data: Path, out: Path, settings: Settings) -> Path:
    """Train a new model in `out` (`retinasynth.training.run.Training.start`).

    Args:
        data: a data set that `retinasynth.data.find.find_eyes` recognises; its training split is used.
        out: the run folder, new or empty.
        settings: what to do.
    """
    return TRAINING.start([data], out, settings)


def build_learner(
    fabric: Fabric,
    settings: Settings,
    layout: torch.memory_format = torch.contiguous_format,
    mean: NDArray[np.float32] | None = None,
) -> Learner:
    """New networks, drawn from the seed; a generator that starts from a canvas starts from the mean photograph.

    Args:
        fabric: that will run them.
        settings: of the run.
        layout: memory order of pictures and kernels.
        mean: the mean training photograph, ``float32 (size_px, size_px, 3)`` in grey levels.
    """
    torch.manual_seed(settings.training.seed)
    channels, judge = settings.data.label_channels, settings.discriminator
    generator = build_generator(channels, settings.data.size_px, settings.generator)
    discriminator = PatchDiscriminator(channels, judge.filters, judge.norm)
    for network in (generator, discriminator):
        initialise(network, settings.training.initialisation)
    if isinstance(generator, ResizeGenerator) and mean is not None:
        generator.start_from(torch.from_numpy(images.signed_from_photograph(mean)))
    return Learner.of(
        *(fabric, generator, discriminator),
        layout=layout,
        adam=settings.optimiser,
        ema_decay=settings.training.ema_decay,
    )


# --- What the loop asks for ---------------------------------------------------------------------------------------


class Generating:
    """The task of a run: to generate photographs from masks (`retinasynth.training.loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: Settings, precision: Precision, pairs: TrainingPairs) -> None:
        self.settings, self.pairs, self.test_pairs = settings, pairs.train, pairs.test
        self.epoch_steps = steps_per_epoch(self.pairs, settings.training)
        self.total_steps = settings.training.epochs * self.epoch_steps
        self.learner = build_learner(fabric, settings, precision.layout, self.pairs.mean)

    @property
    def state(self) -> State:
        """What a checkpoint holds."""
        return self.learner.state

    def begin(self) -> None:
        """Nothing: it starts from the mean photograph, or from random weights."""

    def batches(self, steps: range, process: int) -> Iterator[Batch]:
        """Epoch by epoch."""
        for epoch in range(steps.start // self.epoch_steps, math.ceil(steps.stop / self.epoch_steps)):
            passed = max(steps.start - epoch * self.epoch_steps, 0)
            yield from batches(self.pairs, self.settings, epoch=epoch, first_step=passed, process=process)

    def step(self, fabric: Fabric, batch: Batch, number: int) -> Mapping[str, torch.Tensor]:  # noqa: ARG002
        """Learn from a batch."""
        losses = adversarial_step(fabric, self.learner, self.learner.place(batch), self.settings.loss)
        self.learner.follow()
        return losses

    def sample(self) -> images.Photograph:
        """A picture of what has been learnt."""
        return sample_grid(self.learner.shown, self.test_pairs or self.pairs, self.settings)

    def save(self, folder: Path, steps: int) -> None:
        """Write the model folder."""
        chosen = self.settings
        facts = generator_facts(
            self.pairs.eyes,
            steps=steps,
            epoch_steps=self.epoch_steps,
            data=chosen.data.folder,
            ema_decay=chosen.training.ema_decay,
        )
        save_model(folder, self.learner.shown, chosen, facts)


def sample_grid(network: nn.Module, pairs: Pairs, settings: Settings) -> images.Photograph:
    """The first few pairs as rows of source, generated and expected, generated as for users, each with its seed."""
    rows = []
    for index in range(min(SAMPLES, len(pairs))):
        labels, expected = np.asarray(pairs.labels[index]), np.asarray(pairs.photographs[index])
        generated = generate_photograph(
            network, labels, channels=settings.data.label_channels, seed=settings.training.seed
        )
        rows.append([images.labels_as_photograph(labels), generated, expected])
    return images.draw_panels(rows, ["source", "generated", "expected"], list(pairs.names[: len(rows)]))


TRAINING = Training(
    settings=Settings,
    load=load_training_pairs,
    task=Generating,
    free=frozenset({"training.epochs"}),
)
resume = TRAINING.resume
