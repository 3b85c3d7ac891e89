"""Training the generator that follows a style. Read `train_step` first.

retinasynth train --data EYES --out RUN --preset few-shot
retinasynth train --resume RUN
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from retinasynth import images
from retinasynth.data.batches import in_batches, steps_per_epoch
from retinasynth.errors import SettingError
from retinasynth.eye.eye import LESIONS
from retinasynth.eye.style import TEXTURES
from retinasynth.networks.layers import coordinates, initialise
from retinasynth.seeds import mixed_seed
from retinasynth.styled.data import StyledBatch, StyledEyes, TrainingEyes, example, load_training_eyes, usual_styles
from retinasynth.styled.discriminator import MultiScaleDiscriminator
from retinasynth.styled.encode import ALONE, signed_layers
from retinasynth.styled.losses import coarse_difference, difference_within, feature_difference, texture_difference
from retinasynth.styled.model import Model, load_model, save_model
from retinasynth.styled.network import StyledNetwork, canvas
from retinasynth.styled.photograph import generate_styled
from retinasynth.styled.settings import Settings
from retinasynth.training.adversary import Learner, discriminator_loss, generator_loss
from retinasynth.training.bundled import GENERATORS, model_folder
from retinasynth.training.checkpoint import State
from retinasynth.training.model_folder import generator_facts
from retinasynth.training.precision import Precision
from retinasynth.training.run import Training

ENLARGED = 8.0  # times: by how much a photograph departs from its smooth field is too little to be seen as it is
SAMPLES = 3


def build_learner(fabric: Fabric, settings: Settings, layout: torch.memory_format, styles: torch.Tensor) -> Learner:
    """New networks, drawn from the seed; the generator starts from the smooth field of each style."""
    torch.manual_seed(settings.training.seed)
    channels = 1 + len(settings.data.planes)
    generator = StyledNetwork(channels, settings.generator, len(styles))
    discriminator = MultiScaleDiscriminator(channels + 3 + TEXTURES, settings.discriminator)
    for network in (generator, discriminator):
        initialise(network, settings.training.initialisation)
    generator.start_from(styles)
    return Learner.of(
        *(fabric, generator, discriminator),
        layout=layout,
        adam=settings.optimiser,
        ema_decay=settings.training.ema_decay,
    )


def train_step(
    fabric: Fabric, learner: Learner, batch: StyledBatch, settings: Settings, *, is_expected: bool
) -> dict[str, torch.Tensor]:
    """One update; in most steps of the discriminators first, then of the generator.

    In a share of the steps (`is_expected`), the generator learns the most likely photograph of the labels and the field
    of the style: without noise, by the absolute error and the structural similarity alone. In all others it makes one
    with detail. The discriminators, which see by how much a photograph departs from that field, learn to tell it from
    the real one of the same labels and style; then, with their weights frozen, the generator learns to pass for real,
    to be seen by them as the real one is, and to equal it in its coarse means, in lesions, cup and rim, and in the
    amount of its detail.
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
    shown, field = _shown_to_discriminators(cast(StyledNetwork, learner.generator), labels, styles)
    real_detail, detail_made = (ENLARGED * (photograph - field) for photograph in (photographs, generated))
    corner = _corner(settings)
    learner.discriminator.requires_grad_(True)
    on_real = learner.discriminator_ddp(shown, real_detail, corner)
    on_generated = learner.discriminator_ddp(shown, detail_made.detach(), corner)
    judging = [discriminator_loss(real[-1], fake[-1]) for real, fake in zip(on_real, on_generated, strict=True)]
    learner.discriminator_optimiser.zero_grad()
    fabric.backward(torch.stack([one.total for one in judging]).mean())
    learner.discriminator_optimiser.step()

    learner.discriminator.requires_grad_(False)
    judged = learner.discriminator_ddp(shown, detail_made, corner)
    passing = [functional.binary_cross_entropy_with_logits(one[-1], torch.ones_like(one[-1])) for one in judged]
    adversarial = torch.stack(passing).mean()
    features = feature_difference(judged, on_real)
    inside, vessels = ((labels[:, [place]] + 1) / 2 for place in (0, 1 + settings.data.planes.index(ALONE)))
    coarse = coarse_difference(generated, photographs, vessels)
    in_lesions = difference_within(generated, photographs, _lesions(labels, settings))
    in_disc = difference_within(generated, photographs, _cup_and_rim(labels, settings))
    texture = texture_difference(generated, photographs, inside, vessels)
    total = (
        weights.adversarial_weight * adversarial
        + weights.feature_weight * features
        + weights.texture_weight * texture
        + weights.l1_weight * coarse
        + weights.lesion_weight * in_lesions
        + weights.cup_weight * in_disc
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
        "loss_generator_disc": in_disc,
    }


def beginning(settings: Settings) -> Model:
    """The model that a run goes on from.

    Raises:
        ModelError: there is none.
        SettingError: it is made from other planes or is of another shape.
    """
    start = settings.training.start_from
    model = load_model(model_folder(start, bundled=GENERATORS))
    planes, generator = settings.data.planes, settings.generator
    for name, theirs, wanted, fits in (
        ("planes", model.config.planes, f"{planes}, or some of them", set(model.config.planes) <= set(planes)),
        ("generator", model.config.generator, generator, model.config.generator == generator),
    ):
        if not fits:
            raise SettingError(
                f"{start} cannot be learnt on from: its {name} is {theirs}",
                expected=f"{wanted}, as in the settings",
                do="Set start_from= to learn from nothing",
            )
    return model


def _lesions(labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """How much of each pixel each kind of lesion is known to cover: ``(batch, kinds, size, size)``."""
    return _known_to_cover(labels, settings, [plane for plane in settings.data.planes if plane in LESIONS])


def _cup_and_rim(labels: torch.Tensor, settings: Settings) -> torch.Tensor:
    """How much of each pixel the cup and the rim around it cover, where both are known: ``(batch, 2, size, size)``."""
    if not {"disc", "cup"} <= set(settings.data.planes):
        return labels[:, :0]
    disc, cup = _known_to_cover(labels, settings, ["disc", "cup"]).chunk(2, dim=1)
    is_told = torch.minimum(*(one.amax(dim=(2, 3), keepdim=True) for one in (disc, cup))) > 0
    rim = (disc - cup).clamp(min=0)
    return torch.cat([cup, rim], dim=1) * is_told


def _known_to_cover(labels: torch.Tensor, settings: Settings, planes: Sequence[str]) -> torch.Tensor:
    places = [1 + settings.data.planes.index(plane) for plane in planes]
    signed = labels[:, places]
    return (signed + 1) / 2 * (signed != 0)


def _shown_to_discriminators(
    generator: StyledNetwork, labels: torch.Tensor, styles: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a photograph is judged with (labels, smooth field and texture of its style), and that field."""
    inside = (labels[:, :1] + 1) / 2
    textures = generator.usual(styles)[:, -TEXTURES:, None, None].expand(-1, -1, *labels.shape[2:])
    field = canvas(styles, coordinates(labels))
    return torch.cat([labels, field * inside, textures], dim=1), (field + 1) * inside - 1


def _corner(settings: Settings) -> tuple[int, int]:
    """Upper left of the piece that is looked at in full, drawn from the step's random numbers."""
    room = max(0, settings.data.size_px - settings.discriminator.crop_px)
    row, column = torch.randint(0, room + 1, (2,)).tolist()
    return row, column


# --- What the loop asks for ---------------------------------------------------------------------------------------


def train(data: Path, out: Path, settings: Settings) -> Path:
    """Train a new model in `out` (`retinasynth.training.run.Training.start`).

    Args:
        data: a data set that `retinasynth.data.find.find_eyes` recognises; its training split is used.
        out: the run folder, new or empty.
        settings: what to do.
    """
    if settings.training.start_from:
        beginning(settings)
    return TRAINING.start([data], out, settings)


class Styling:
    """The task of a run: to generate photographs from label maps and styles (`loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: Settings, precision: Precision, eyes: TrainingEyes) -> None:
        self.settings, self.eyes, self.test_eyes = settings, eyes.train, eyes.test
        self.epoch_steps = steps_per_epoch(self.eyes, settings.training)
        self.total_steps = settings.training.epochs * self.epoch_steps
        styles = torch.from_numpy(usual_styles(self.eyes, settings.data.planes))
        self.learner = build_learner(fabric, settings, precision.layout, styles)

    def begin(self) -> None:
        """Take over the weights of the model that the run goes on from, where there is one."""
        if not self.settings.training.start_from:
            return
        before, chosen, learner = beginning(self.settings), self.settings.data, self.learner
        places = [0, *(1 + chosen.planes.index(plane) for plane in before.config.planes)]
        # at another size a frame has other textures: those of `before` would be far from usual
        keep_scale = before.config.size_px != chosen.size_px
        cast(StyledNetwork, learner.generator).learn_on_from(before.network, places, keep_scale=keep_scale)
        if learner.average:
            learner.average.module.load_state_dict(learner.generator.state_dict())

    @property
    def state(self) -> State:
        """What a checkpoint holds."""
        return self.learner.state

    @property
    def shown(self) -> StyledNetwork:
        """The generator that samples and models are made with."""
        return cast(StyledNetwork, self.learner.shown)

    def batches(self, steps: range, process: int) -> Iterator[StyledBatch]:
        """Epoch by epoch."""
        for epoch in range(steps.start // self.epoch_steps, math.ceil(steps.stop / self.epoch_steps)):
            passed = max(steps.start - epoch * self.epoch_steps, 0)
            make = functools.partial(self._example, epoch)
            chosen = in_batches(
                self.eyes, self.settings.training, make, epoch=epoch, first_step=passed, process=process
            )
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
        learner.follow()
        return losses

    def sample(self) -> images.Photograph:
        """A picture of what has been learnt."""
        return sample_grid(self.shown, self.test_eyes or self.eyes, self.settings)

    def save(self, folder: Path, steps: int) -> None:
        """Write the model folder."""
        chosen = self.settings
        facts = generator_facts(
            [one.eye for one in self.eyes.files],
            steps=steps,
            epoch_steps=self.epoch_steps,
            data=chosen.data.folder,
            ema_decay=chosen.training.ema_decay,
        )
        known = dict(zip(chosen.data.planes, self.eyes.known.sum(axis=0).tolist(), strict=True))
        save_model(folder, self.shown, chosen, facts | {"known_planes": known}, self.eyes.cameras)


def sample_grid(network: StyledNetwork, eyes: StyledEyes, settings: Settings) -> images.Photograph:
    """A few eyes as rows: labels, expected, in the style of its photograph, in that of a training eye, photograph."""
    rows, names = [], []
    chosen = np.linspace(0, len(eyes) - 1, min(SAMPLES, len(eyes))).round().astype(int)
    for place, index in enumerate(chosen):
        layers = np.asarray(eyes.layers[index]).transpose(1, 2, 0)
        labels = signed_layers(layers, eyes.known[index], settings.data.planes)
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


TRAINING = Training(
    settings=Settings,
    load=load_training_eyes,
    task=Styling,
    free=frozenset({"training.epochs"}),
)
resume = TRAINING.resume
