"""Training the mask-to-photograph system.

    retinasynth train --data EYES --out RUN                      # preset "source"
    retinasynth train --data EYES --out RUN --set epochs=10
    retinasynth train --resume RUN                               # nothing else to repeat

Read `train_step` first: it is the paragraph of the source that says how the two networks learn. `loop` is what stands
around it. A run folder holds ``config.yaml``, ``metrics.jsonl``, ``samples/``, ``checkpoint/`` and ``model/``.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from retinasynth import images
from retinasynth.config import LossSettings, Settings
from retinasynth.datasets.layouts import find_eyes
from retinasynth.datasets.pairs import Batch, Pairs, batches, load_pairs, steps_per_epoch
from retinasynth.errors import DataError
from retinasynth.models.generation import generate_photograph
from retinasynth.models.losses import discriminator_loss, generator_loss
from retinasynth.models.saving import save_model
from retinasynth.training import loop, styled
from retinasynth.training.checkpoints import State
from retinasynth.training.learner import Learner, Precision, model_facts

SAMPLES = 3  # fixed examples in a sample grid


def train_step(fabric: Fabric, learner: Learner, batch: Batch, weights: LossSettings) -> dict[str, torch.Tensor]:
    """One update of the discriminator, then one of the generator.

    The generator turns the masks into photographs. The discriminator learns to tell these from the real ones of the
    same masks; its loss is halved. Then its weights are frozen, and the generator learns to make photographs that
    pass for real and equal the expected ones. Both updates use the same generated photographs (Isola et al., 3.3).
    Where passing for real has no weight, there is no discriminator to learn or to ask.

    Returns:
        The losses that the source logs, by the names of `LOSSES`.
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


# --- Starting and resuming ---------------------------------------------------------------------------------------


def train(data: Path, out: Path, settings: Settings) -> Path:
    """Train a new model in `out` (`loop.Training.start`).

    Args:
        data: a data set that `retinasynth.datasets.layouts.find_eyes` recognises; its training split is used.
        out: the run folder, new or empty.
        settings: what to do.
    """
    settings = settings.with_overrides([f"data.folder={find_eyes(data).folder.resolve()}"])
    if settings.training.start_from:
        styled.beginning(settings)
    return TRAINING.start(out, settings)


def resume(run: Path, overrides: Sequence[str] = ()) -> Path:
    """Go on with a run that was interrupted (`loop.Training.resume`)."""
    return TRAINING.resume(run, overrides)


def _data(settings: Settings) -> tuple[str, str]:
    data = Path(settings.data.folder)
    is_styled = settings.generator.architecture == "styled"
    learnt_from, _ = styled.load_eyes(data, settings) if is_styled else _pairs(data, settings)
    steps_per_epoch(learnt_from, settings)
    return learnt_from.fingerprint, settings.data.folder


def _task(fabric: Fabric, settings: Settings, precision: Precision) -> "styled.Styling | _Generating":
    is_styled = settings.generator.architecture == "styled"
    return (styled.Styling if is_styled else _Generating)(fabric, settings, precision)


def _pairs(data: Path, settings: Settings) -> tuple[Pairs, Pairs | None]:
    """The training pairs and, where there are any, the test pairs."""
    found = find_eyes(data)
    train_files, test_files = found.split("train"), found.split("test")
    if not train_files:
        raise DataError(f"{data} has no training pairs ({len(test_files)} test pairs)", expected="at least one")
    chosen = settings.data
    test_files = tuple(files for files in test_files if files.photograph and files.has(chosen.planes))
    train_pairs = load_pairs(train_files, chosen.size_px, chosen.resize, chosen.appearance, chosen.planes)
    if not test_files:  # as in newer copies of DRIVE, whose test vessels are not published
        return train_pairs, None
    return train_pairs, load_pairs(test_files, chosen.size_px, chosen.resize, planes=chosen.planes)


# --- What the loop asks for ---------------------------------------------------------------------------------------


class _Generating:
    """The task of a run: to generate photographs from masks (`loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: Settings, precision: Precision) -> None:
        self.settings, self.training = settings, settings.training
        self.pairs, self.test_pairs = _pairs(Path(settings.data.folder), settings)
        self.epoch_steps = steps_per_epoch(self.pairs, settings)
        self.total_steps = self.training.epochs * self.epoch_steps
        self.fingerprint = self.pairs.fingerprint
        self.learner = Learner.build(fabric, settings, precision.layout, self.pairs.mean)

    @property
    def state(self) -> State:
        return self.learner.state

    def begin(self) -> None:
        """Nothing: it starts from the mean photograph, or from random weights."""

    def batches(self, steps: range, process: int) -> Iterator[Batch]:
        """Epoch by epoch."""
        for epoch in range(steps.start // self.epoch_steps, math.ceil(steps.stop / self.epoch_steps)):
            passed = max(steps.start - epoch * self.epoch_steps, 0)
            yield from batches(self.pairs, self.settings, epoch=epoch, first_step=passed, process=process)

    def step(self, fabric: Fabric, batch: Batch, number: int) -> Mapping[str, torch.Tensor]:  # noqa: ARG002
        learner = self.learner
        losses = train_step(fabric, learner, learner.place(batch), self.settings.loss)
        if learner.average:
            learner.average.update_parameters(learner.generator)
        return losses

    def sample(self) -> images.Photograph:
        return sample_grid(self.learner.shown, self.test_pairs or self.pairs, self.settings)

    def save(self, folder: Path, steps: int) -> None:
        facts = model_facts(self.settings, self.pairs.eyes, steps, self.epoch_steps)
        save_model(folder, self.learner.shown, self.settings, facts)


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


TRAINING = loop.Training(
    settings=Settings,
    task=_task,
    data=_data,
    free=frozenset({"data.folder", "training.epochs"}),
)
