"""Training the generator that follows a style. Read `train_step` first; `trainer` starts and resumes it."""

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from retinasynth import images
from retinasynth.anatomy.style import TEXTURES
from retinasynth.config import Settings
from retinasynth.datasets.grades import LESIONS
from retinasynth.datasets.layouts import find_eyes
from retinasynth.datasets.pairs import in_batches, steps_per_epoch
from retinasynth.datasets.styled import (
    StyledBatch,
    StyledEyes,
    example,
    load_styled,
    signed_layers,
    usual_styles,
)
from retinasynth.errors import DataError, SettingError
from retinasynth.models.discriminators import MultiScaleDiscriminator
from retinasynth.models.generation import generate_styled, mixed_seed
from retinasynth.models.generators import coordinates
from retinasynth.models.layers import initialise
from retinasynth.models.losses import (
    discriminator_loss,
    feature_difference,
    generator_loss,
    lesion_difference,
    texture_difference,
)
from retinasynth.models.saving import Model, load_model, save_model
from retinasynth.models.styled import StyledGenerator, canvas
from retinasynth.models.weights import GENERATORS, model_folder
from retinasynth.training.checkpoints import State
from retinasynth.training.learner import Learner, Precision, model_facts

COARSE_PX = 4  # where texture lies no label tells, so a detailed photograph is compared in means of so many pixels
SAMPLES = 3


def build_learner(fabric: Fabric, settings: Settings, layout: torch.memory_format, styles: torch.Tensor) -> Learner:
    """New networks, drawn from the seed; the generator starts from the smooth field of each style, or from another."""
    torch.manual_seed(settings.training.seed)
    channels = 1 + len(settings.data.planes)
    generator = StyledGenerator(channels, settings.generator, len(styles))
    discriminator = MultiScaleDiscriminator(channels + 3 + TEXTURES, settings.discriminator)
    for network in (generator, discriminator):
        initialise(network, settings.training.initialisation)
    generator.start_from(styles)
    if settings.training.start_from:
        before = beginning(settings)
        # at another size a frame has other textures: those of `before` would be far from usual
        generator.learn_on_from(before.network, keep_scale=before.config.size_px != settings.data.size_px)
    return Learner.of(fabric, settings, layout, generator, discriminator)


def train_step(
    fabric: Fabric, learner: Learner, batch: StyledBatch, settings: Settings, *, is_expected: bool
) -> dict[str, torch.Tensor]:
    """One update; in most steps of the discriminators first, then of the generator.

    In a share of the steps (`is_expected`), the generator learns the most likely photograph of the labels and the field
    of the style: without noise, by the absolute error and the structural similarity alone. In all others it makes one
    with detail. The discriminators learn to tell it from the real one of the same labels and style; then, with their
    weights frozen, the generator learns to pass for real, to be seen by them as the real one is, and to equal it in its
    coarse means and in the amount of its detail.
    """
    labels, photographs, styles = batch
    weights = settings.loss
    detail = labels.new_ones(len(labels), 1)
    if is_expected:
        generated = learner.generator_ddp(labels, styles, 0 * detail)
        making = generator_loss(None, generated, photographs, weights)
        learner.generator_optimiser.zero_grad()
        fabric.backward(making.total)
        learner.generator_optimiser.step()
        return {"loss_expected_l1": making.l1}

    generated = learner.generator_ddp(labels, styles, detail)
    shown = _shown_to_discriminators(cast(StyledGenerator, learner.generator), labels, styles)
    corner = _corner(settings)
    learner.discriminator.requires_grad_(True)
    on_real = learner.discriminator_ddp(shown, photographs, corner)
    on_generated = learner.discriminator_ddp(shown, generated.detach(), corner)
    judging = [discriminator_loss(real[-1], fake[-1]) for real, fake in zip(on_real, on_generated, strict=True)]
    learner.discriminator_optimiser.zero_grad()
    fabric.backward(torch.stack([one.total for one in judging]).mean())
    learner.discriminator_optimiser.step()

    learner.discriminator.requires_grad_(False)
    judged = learner.discriminator_ddp(shown, generated, corner)
    passing = [functional.binary_cross_entropy_with_logits(one[-1], torch.ones_like(one[-1])) for one in judged]
    adversarial = torch.stack(passing).mean()
    features = feature_difference(judged, on_real)
    coarse = functional.l1_loss(
        functional.avg_pool2d(generated, COARSE_PX), functional.avg_pool2d(photographs, COARSE_PX)
    )
    in_lesions = lesion_difference(generated, photographs, _lesions(labels, settings))
    texture = texture_difference(generated, photographs, (labels[:, :1] + 1) / 2)
    total = (
        weights.adversarial_weight * adversarial
        + weights.feature_weight * features
        + weights.texture_weight * texture
        + weights.l1_weight * coarse
        + weights.lesion_weight * in_lesions
    )
    learner.generator_optimiser.zero_grad()
    fabric.backward(total)
    learner.generator_optimiser.step()
    return {
        "loss_discriminator_real": torch.stack([one.real for one in judging]).mean(),
        "loss_discriminator_generated": torch.stack([one.generated for one in judging]).mean(),
        "loss_generator_adversarial": adversarial,
        "loss_generator_features": features,
        "loss_generator_texture": texture,
        "loss_generator_l1": coarse,
        "loss_generator_lesions": in_lesions,
    }


def beginning(settings: Settings) -> Model:
    """The model that a run goes on from.

    Raises:
        ModelError: there is none.
        SettingError: it is made from other planes or is of another shape.
    """
    start = settings.training.start_from
    model = load_model(model_folder(start, bundled=GENERATORS))
    for name, wanted in (("planes", settings.data.planes), ("generator", settings.generator)):
        if getattr(model.config, name) != wanted:
            raise SettingError(
                f"{start} cannot be learnt on from: its {name} is {getattr(model.config, name)}",
                expected=f"{wanted}, as in the settings",
                do="Set start_from= to learn from nothing",
            )
    return model


def _lesions(labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """How much of each pixel each kind of lesion is known to cover: ``(batch, kinds, size, size)``."""
    places = [1 + number for number, plane in enumerate(settings.data.planes) if plane in LESIONS]
    signed = labels[:, places]
    return (signed + 1) / 2 * (signed != 0)


def _shown_to_discriminators(generator: StyledGenerator, labels: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
    """What a photograph is judged with: labels, smooth field and texture of its style."""
    inside = (labels[:, :1] + 1) / 2
    textures = generator.usual(styles)[:, -TEXTURES:, None, None].expand(-1, -1, *labels.shape[2:])
    return torch.cat([labels, canvas(styles, coordinates(labels)) * inside, textures], dim=1)


def _corner(settings: Settings) -> tuple[int, int]:
    """Upper left of the piece that is looked at in full, drawn from the step's random numbers."""
    room = max(0, settings.data.size_px - settings.discriminator.crop_px)
    row, column = torch.randint(0, room + 1, (2,)).tolist()
    return row, column


# --- What the loop asks for ---------------------------------------------------------------------------------------


def load_eyes(data: Path, settings: Settings) -> tuple[StyledEyes, StyledEyes | None]:
    """The training eyes that have a photograph and vessels and, where there are any, the test eyes.

    Raises:
        DataError: there is no training eye.
    """
    found, chosen = find_eyes(data), settings.data
    splits = []
    for split in ("train", "test"):
        files = [one for one in found.split(split) if one.photograph and one.has(["vessels"])]
        splits.append(load_styled(files, chosen.size_px, chosen.planes) if files else None)
    training, test = splits
    if training is None:
        raise DataError(f"{data} has no training eye with a photograph and its vessels", expected="at least one")
    return training, test


class Styling:
    """The task of a run: to generate photographs from label maps and styles (`loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: Settings, precision: Precision) -> None:
        self.settings, self.training = settings, settings.training
        self.eyes, self.test_eyes = load_eyes(Path(settings.data.folder), settings)
        self.epoch_steps = steps_per_epoch(self.eyes, settings)
        self.total_steps = self.training.epochs * self.epoch_steps
        self.fingerprint = self.eyes.fingerprint
        styles = torch.from_numpy(usual_styles(self.eyes, settings.data.planes))
        self.learner = build_learner(fabric, settings, precision.layout, styles)

    @property
    def state(self) -> State:
        """What a checkpoint holds."""
        return self.learner.state

    @property
    def shown(self) -> StyledGenerator:
        """The generator that samples and models are made with."""
        return cast(StyledGenerator, self.learner.shown)

    def batches(self, steps: range, process: int) -> Iterator[StyledBatch]:
        """Epoch by epoch."""
        for epoch in range(steps.start // self.epoch_steps, math.ceil(steps.stop / self.epoch_steps)):
            passed = max(steps.start - epoch * self.epoch_steps, 0)
            make = functools.partial(self._example, epoch)
            chosen = in_batches(self.eyes, self.settings, make, epoch=epoch, first_step=passed, process=process)
            for batch in chosen:
                yield StyledBatch(*map(torch.stack, zip(*batch, strict=True)))

    def _example(self, epoch: int, index: int, position: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return example(self.eyes, index, self.settings, epoch, position)

    def step(self, fabric: Fabric, batch: StyledBatch, number: int) -> Mapping[str, torch.Tensor]:
        """Learn from a batch; in turn the most likely photograph and one with detail."""
        learner, share = self.learner, self.settings.loss.expected_share
        layout = learner.layout
        placed = StyledBatch(
            batch.labels.to(fabric.device, memory_format=layout),
            batch.photographs.to(fabric.device, memory_format=layout),
            batch.styles.to(fabric.device),
        )
        is_expected = math.floor((number + 1) * share) > math.floor(number * share)
        losses = train_step(fabric, learner, placed, self.settings, is_expected=is_expected)
        if learner.average:
            learner.average.update_parameters(learner.generator)
        return losses

    def sample(self) -> images.Photograph:
        """A picture of what has been learnt."""
        return sample_grid(self.shown, self.test_eyes or self.eyes, self.settings)

    def save(self, folder: Path, steps: int) -> None:
        """Write the model folder."""
        facts = model_facts(self.settings, [one.eye for one in self.eyes.files], steps, self.epoch_steps)
        save_model(folder, self.shown, self.settings, facts)


def sample_grid(network: StyledGenerator, eyes: StyledEyes, settings: Settings) -> images.Photograph:
    """A few eyes as rows: labels, expected, in the style of its photograph, in that of a training eye, photograph."""
    rows, names = [], []
    chosen = np.linspace(0, len(eyes) - 1, min(SAMPLES, len(eyes))).round().astype(int)
    for place, index in enumerate(chosen):
        layers = np.asarray(eyes.layers[index]).transpose(1, 2, 0)
        labels = signed_layers(layers, eyes.known[index])
        mean = network.styles.mean(dim=0).cpu().numpy()
        other = network.styles[mixed_seed([settings.training.seed, place]) % len(network.styles)].cpu().numpy()
        made = [
            generate_styled(network, labels, style, detail=detail, seed=settings.training.seed)
            for style, detail in ((mean, 0.0), (eyes.styles[index], 1.0), (other, 1.0))
        ]
        expected = np.asarray(eyes.photographs[index])
        rows.append([images.labels_as_photograph(layers[..., 1:] > 127), *made, expected])
        names.append(eyes.files[index].name)
    return images.draw_panels(rows, ["labels", "expected", "its own style", "another style", "photograph"], names)
