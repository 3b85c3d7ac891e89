"""Training a segmenter: from photographs to label planes.

    retinasynth segment train --data EYES --target vessels --out RUN
    retinasynth segment train --data EYES --data MORE_EYES --target disc-cup --out RUN
    retinasynth segment train --resume RUN

Read `train_step` first. `loop` is what stands around it; at its end the thresholds are fixed on validation eyes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch.optim.swa_utils import AveragedModel

from retinasynth import images
from retinasynth.data.batches import Batch
from retinasynth.data.find import read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import ModelError
from retinasynth.eye import Eye
from retinasynth.eye.label_map import overlay
from retinasynth.networks.layers import initialise
from retinasynth.networks.patchgan import PatchDiscriminator
from retinasynth.networks.unet import UNetGenerator
from retinasynth.segmentation.data import Examples, Sources, beside, example_batches, load_sources, untold
from retinasynth.segmentation.landmarks import landmark_in
from retinasynth.segmentation.losses import segmentation_loss
from retinasynth.segmentation.model import SegmenterConfig, SegmenterModel, load_segmenter, save_segmenter
from retinasynth.segmentation.network import SegmentationNetwork
from retinasynth.segmentation.predict import Prediction, found_planes, predict
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.settings import OptimiserSettings
from retinasynth.training.adversary import AsPublished, Learner, adversarial_step
from retinasynth.training.bundled import SEGMENTERS, model_folder
from retinasynth.training.checkpoint import State
from retinasynth.training.model_folder import averaging
from retinasynth.training.optimisation import falling_rate, moving_average
from retinasynth.training.precision import Precision
from retinasynth.training.run import Training

SAMPLES = 3  # validation eyes in a sample grid
SAMPLE_PX = 512
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass
class SegmentationLearner:
    """All that learns in a run.

    Attributes:
        network: the bare segmenter; `network_ddp` is the same as Fabric runs it.
        average: its exponential moving average, where the settings keep one.
        layout: memory layout of the pictures and kernels.
    """

    network: SegmentationNetwork
    average: AveragedModel | None
    layout: torch.memory_format
    network_ddp: _FabricModule
    optimiser: _FabricOptimizer

    @property
    def shown(self) -> SegmentationNetwork:
        """The network that samples and models are made with: the average where there is one."""
        return cast(SegmentationNetwork, self.average.module) if self.average else self.network


def train_step(
    fabric: Fabric, learner: SegmentationLearner, batch: Examples, settings: SegmenterSettings, number: int
) -> dict[str, torch.Tensor]:
    """One update.

    The network says how likely each pixel belongs to each plane. It learns to overlap with the labels (Dice), to be
    right pixel by pixel (cross-entropy) and, for vessels, to keep them connected (clDice), wherever a plane is known.
    Then the average of its weights follows. The learning rate rises over the first steps and falls along a cosine.
    """
    for group in learner.optimiser.param_groups:
        group["lr"] = falling_rate(settings.optimiser.learning_rate, number, settings.training.steps)
    logits = learner.network_ddp(batch.pictures, batch.fields)
    loss = segmentation_loss(logits, batch.labels, batch.known, settings.loss, batch.told)
    learner.optimiser.zero_grad()
    fabric.backward(loss.total)
    learner.optimiser.step()
    if learner.average:
        learner.average.update_parameters(learner.network)
    named = {"dice": loss.dice, "cross_entropy": loss.cross_entropy, "cldice": loss.cldice}
    return {"loss": loss.total} | {f"loss_{name}": term for name, term in named.items() if term is not None}


# --- Starting and resuming ---------------------------------------------------------------------------------------


def train(data: Sequence[Path], out: Path, settings: SegmenterSettings) -> Path:
    """Train a new segmenter in `out` (`retinasynth.training.run.Training.start`).

    Args:
        data: data sets that `retinasynth.data.find.find_eyes` recognises; their training splits are used. None
            at all trains on grown eyes alone.
        out: the run folder, new or empty.
        settings: what to do.
    """
    if settings.training.start_from:
        beginning(settings)
    return TRAINING.start(data, out, settings)


def _sources(settings: SegmenterSettings) -> Sources:
    return load_sources(settings.data)


# --- What the loop asks for ---------------------------------------------------------------------------------------


class _Finding:
    """What both ways to learn have in common: the data, the samples and the model."""

    def __init__(self, settings: SegmenterSettings, sources: Sources) -> None:
        self.settings, self.training, self.sources = settings, settings.training, sources
        self.total_steps = self.training.steps
        self.epoch_steps = self.sources.eyes / (self.training.batch_size * self.training.devices)

    @property
    def shown(self) -> SegmentationNetwork:
        """The network that samples and models are made with."""
        raise NotImplementedError

    def begin(self) -> None:
        """Nothing: it starts from random weights."""

    def batches(self, steps: range, process: int) -> Iterator[Examples]:
        return example_batches(self.sources, self.settings, steps, process)

    def sample(self) -> images.Photograph:
        """Validation eyes (or training eyes, where there are none), as the network sees them and as they are."""
        learnt = [*self.sources.real, *([self.sources.grown] if self.sources.grown else [])]
        files = self.sources.validation[:SAMPLES] or learnt[0].files[:SAMPLES]
        model = self._model(dict.fromkeys(self.settings.data.planes, 0.5), {})
        rows = []
        for one in files:
            eye = read_eye(one.with_planes_alone(self.settings.data.planes))
            if eye.photograph is None:
                continue
            found = as_eye(model, eye.photograph, predict(model, eye.photograph), one.name)
            pictures = [eye.photograph, overlay(found), overlay(eye)]
            rows.append([images.square_photograph(picture, SAMPLE_PX, "letterbox") for picture in pictures])
        return images.draw_panels(rows, ["photograph", "found", "expected"], [one.name for one in files])

    def save(self, folder: Path, steps: int) -> None:
        thresholds = {str(plane): 0.5 for plane in self.settings.data.planes}
        found: dict[str, str] = {}
        if steps == self.total_steps and self.sources.validation:
            model = self._model(thresholds, {})
            if self.settings.data.looks == "whole":
                found = {"validation_distance": in_words(distances(model, self.sources.validation))}
            else:
                thresholds, dice = best_thresholds(model, self.sources.validation)
                found = {"validation_dice": ", ".join(f"{plane} {value:.3f}" for plane, value in dice.items())}
        save_segmenter(folder, self._model(thresholds, _facts(self.settings, self.sources, steps, found)))

    def _model(self, thresholds: Mapping[str, float], facts: Mapping[str, Any]) -> SegmenterModel:
        return SegmenterModel(self.shown, SegmenterConfig.of(self.settings, thresholds, facts))


class _Segmenting(_Finding):
    """The task of a run: to find label planes in photographs (`loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: SegmenterSettings, precision: Precision, sources: Sources) -> None:
        super().__init__(settings, sources)
        torch.manual_seed(self.training.seed)
        network = SegmentationNetwork(len(settings.data.planes), settings.network, settings.data.normalisation)
        network.to(fabric.device)
        network.to(memory_format=precision.layout)  # type: ignore[call-overload]  # documented, not in its overloads
        chosen = settings.optimiser
        adam = torch.optim.AdamW(
            network.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True
        )
        decay = self.training.ema_decay
        average = moving_average(network, decay) if decay else None
        self.learner = SegmentationLearner(network, average, precision.layout, *fabric.setup(network, adam))

    def begin(self) -> None:
        """Take over the weights of the segmenter that the run goes on from, where there is one."""
        if not self.training.start_from:
            return
        before, learner = beginning(self.settings).network.state_dict(), self.learner
        learner.network.load_state_dict(before)
        if learner.average:
            learner.average.module.load_state_dict(before)

    @property
    def state(self) -> State:
        learner = self.learner
        average = {"average": learner.average} if learner.average else {}
        return State({"network": learner.network, **average}, {"network_adam": learner.optimiser.optimizer})

    @property
    def shown(self) -> SegmentationNetwork:
        return self.learner.shown

    def step(self, fabric: Fabric, batch: Examples, number: int) -> Mapping[str, torch.Tensor]:
        batch = Examples(*(tensor.to(fabric.device) for tensor in batch))
        return train_step(fabric, self.learner, batch, self.settings, number)


class _Translating(_Finding):
    """The source's other reading: its two networks learn from photograph to mask (`loop.Task`)."""

    def __init__(self, fabric: Fabric, settings: SegmenterSettings, precision: Precision, sources: Sources) -> None:
        super().__init__(settings, sources)
        filters = settings.network.filters
        torch.manual_seed(self.training.seed)
        generator, discriminator = UNetGenerator(3, filters), PatchDiscriminator(3, filters)
        for network in (generator, discriminator):
            initialise(network, "normal")
        self.learner = Learner.of(
            *(fabric, generator, discriminator),
            layout=precision.layout,
            adam=OptimiserSettings(),
            ema_decay=self.training.ema_decay,
        )

    @property
    def state(self) -> State:
        return self.learner.state

    @property
    def shown(self) -> SegmentationNetwork:
        network = SegmentationNetwork(1, self.settings.network, self.settings.data.normalisation)
        network.network = self.learner.shown
        return network

    def step(self, fabric: Fabric, batch: Examples, number: int) -> Mapping[str, torch.Tensor]:  # noqa: ARG002
        """The photograph takes the part of the mask; the mask, in three channels, takes that of the photograph."""
        masks = torch.where(batch.labels > 0.5, 1.0, -1.0).expand(-1, 3, -1, -1).contiguous()
        pairs = self.learner.place(Batch(2 * batch.pictures - 1, masks))
        losses = adversarial_step(fabric, self.learner, pairs, AsPublished())
        self.learner.follow()
        return losses


def _task(
    fabric: Fabric, settings: SegmenterSettings, precision: Precision, sources: Sources
) -> _Segmenting | _Translating:
    kind = _Translating if settings.network.architecture == "pix2pix" else _Segmenting
    return kind(fabric, settings, precision, sources)


def beginning(settings: SegmenterSettings) -> SegmenterModel:
    """The segmenter that a run goes on from.

    Raises:
        ModelError: there is none, or it finds other planes or is of another shape.
    """
    start = settings.training.start_from
    model = load_segmenter(model_folder(start, bundled=SEGMENTERS, command=settings.command))
    ours = SegmenterConfig.of(settings, {}, {})
    for name in ("planes", "network", "normalisation"):
        theirs, wanted = getattr(model.config, name), getattr(ours, name)
        if theirs != wanted:
            raise ModelError(
                f"{start} cannot be learnt on from: its {name} is {theirs}", expected=f"{wanted}, as in the settings"
            )
    return model


def as_eye(model: SegmenterModel, photograph: images.Photograph, seen: Prediction, name: str) -> Eye:
    """What was seen, cut at the thresholds of the model, as an eye with its field of view."""
    return Eye(name, {"fov": seen.field, **found_planes(model, seen)}, photograph)


def best_thresholds(model: SegmenterModel, eyes: Sequence[EyeFiles]) -> tuple[dict[str, float], dict[str, float]]:
    """By plane the threshold of the highest mean Dice over eyes in which it is known and not empty, and that Dice.

    A plane that no eye shows has the threshold one half.
    """
    scores: dict[str, list[list[float]]] = {plane: [] for plane in model.config.planes}
    for files in eyes:
        planes = model.config.planes
        eye = read_eye(files.with_planes_alone((*planes, *beside(planes))))
        if eye.photograph is None:
            continue
        seen, unknown = predict(model, eye.photograph), untold(eye.planes)
        for plane, layer in seen.probabilities.items():
            probability = layer if unknown is None else np.where(unknown, np.float32(0), layer)
            wanted = eye.planes.get(plane)
            if wanted is not None and wanted.any():
                scores[plane].append(_dice_by_threshold(probability, wanted & seen.field))
    thresholds, dice = {}, {}
    for plane, rows in scores.items():
        thresholds[plane] = 0.5
        if rows:
            means = np.mean(rows, axis=0)
            thresholds[plane], dice[plane] = THRESHOLDS[int(means.argmax())], float(means.max())
    return thresholds, dice


def distances(model: SegmenterModel, eyes: Sequence[EyeFiles]) -> dict[str, list[float]]:
    """By landmark, how far it was found from where it is, in diameters of the disc, for each eye that shows both."""
    found: dict[str, list[float]] = {plane: [] for plane in model.config.planes}
    for files in eyes:
        eye = read_eye(files.with_planes_alone(model.config.planes))
        disc = eye.planes.get("disc")
        if eye.photograph is None or disc is None or not disc.any():
            continue
        seen, diameter = predict(model, eye.photograph), 2 * float(np.sqrt(disc.sum() / np.pi))
        for plane in found.keys() & eye.planes.keys():
            if eye.planes[plane].any():
                row, column = np.argwhere(eye.planes[plane]).mean(axis=0) + 0.5
                place = landmark_in(seen.probabilities[plane])
                found[plane].append(float(np.hypot(place.x - column, place.y - row)) / diameter)
    return found


def in_words(found: Mapping[str, Sequence[float]]) -> str:
    """Median distance of each landmark, and how often it is within a quarter of a disc diameter."""
    return ", ".join(
        f"{plane} {np.median(values):.2f} DD (within .25 in {np.mean(np.array(values) <= 0.25):.0%} of {len(values)})"
        for plane, values in found.items()
        if values
    )


def _dice_by_threshold(probability: np.ndarray[Any, np.dtype[np.float32]], wanted: images.Mask) -> list[float]:
    edges = [-np.inf, *THRESHOLDS, np.inf]
    all_counts, hits = (np.histogram(values, edges)[0] for values in (probability, probability[wanted]))
    found, right = (np.cumsum(counts[::-1])[::-1][1:] for counts in (all_counts, hits))
    return [float(2 * r / max(f + wanted.sum(), 1)) for r, f in zip(right, found, strict=True)]


def _facts(settings: SegmenterSettings, sources: Sources, steps: int, found: Mapping[str, str]) -> dict[str, Any]:
    """What the model card says of the training."""
    folders = [Path(folder).name for folder in settings.data.folders]
    real = [f"{len(eyes)} eyes of {name}" for eyes, name in zip(sources.real, folders, strict=True)]
    grown = [f"{len(sources.grown)} grown eyes"] if sources.grown else []
    return {
        "steps": steps,
        "data": ", ".join(real + grown),
        "validation_eyes": len(sources.validation),
        **found,
        "weights": averaging(settings.training.ema_decay),
    }


TRAINING = Training(
    settings=SegmenterSettings,
    load=_sources,
    task=_task,
)
resume = TRAINING.resume
