"""How fast a training step is: this package against plain PyTorch, as a ratio, in one run.

The two take turns in fresh processes on the same machine, so that what else runs there slows both.
"""

import itertools
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from retinasynth.config import Settings
from retinasynth.datasets.layouts import PHANTOM, find_eyes
from retinasynth.datasets.pairs import Batch, Pairs, batches, load_pairs
from retinasynth.models.discriminators import PatchDiscriminator
from retinasynth.models.generators import build_generator
from retinasynth.models.layers import BatchNorm
from retinasynth.progress import progress
from retinasynth.training.learner import Learner, choose_precision
from retinasynth.training.trainer import train_step

WARM_UP_STEPS = 3
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"


@dataclass(frozen=True)
class Timing:
    """Of one turn: median seconds of a step, the share of it spent waiting for data, and peak memory in MiB."""

    seconds: float
    data_wait: float
    memory_mib: float


@dataclass(frozen=True)
class Benchmark:
    """All turns of both."""

    ours: tuple[Timing, ...]
    plain: tuple[Timing, ...]

    @property
    def ratio(self) -> float:
        """Our time over that of plain PyTorch, the median of the turns."""
        return statistics.median(
            ours.seconds / plain.seconds for ours, plain in zip(self.ours, self.plain, strict=True)
        )


def run_bench(*, preset: str = "source", turns: int = 3, steps: int = 10) -> Benchmark:
    """Time training steps of a preset on the phantom set.

    Plain PyTorch is the same two networks and losses written the usual way: fp32, `BatchNorm2d`, default Adam.

    Args:
        preset: whose networks and sizes to take.
        turns: of each of the two.
        steps: timed in a turn, after a few to warm up.

    Raises:
        SettingError: there is no such preset.
    """
    Settings.from_preset(preset)
    ours, plain = [], []
    with progress("Benchmark", 2 * turns) as advance:
        for turn in range(turns):
            plain.append(_in_new_process(_time_plain, preset, steps, huge_pages=False))
            advance(2 * turn + 1, f"plain {plain[-1].seconds:.3f} s")
            ours.append(_in_new_process(_time_ours, preset, steps, huge_pages=True))
            advance(2 * turn + 2, f"ours {ours[-1].seconds:.3f} s")
    return Benchmark(tuple(ours), tuple(plain))


def _in_new_process(work: Callable[[str, int], Timing], preset: str, steps: int, *, huge_pages: bool) -> Timing:
    before = os.environ.get(HUGE_PAGES)
    os.environ[HUGE_PAGES] = str(int(huge_pages))  # torch reads it once, when a process starts
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(work, preset, steps).result()
    finally:
        if before is None:
            del os.environ[HUGE_PAGES]
        else:
            os.environ[HUGE_PAGES] = before


def _time_ours(preset: str, steps: int) -> Timing:
    settings = Settings.from_preset(preset)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = choose_precision(settings.training.precision, device)
    fabric = Fabric(accelerator=device.type, devices=1, plugins=[precision.plugin] if precision.plugin else None)
    learner = Learner.build(fabric, settings, precision.layout)
    return _time(
        settings,
        steps,
        device,
        lambda batch: train_step(fabric, learner, learner.place(batch), settings.loss),
    )


def _time_plain(preset: str, steps: int) -> Timing:
    settings = Settings.from_preset(preset)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = _usual_norms(
        build_generator(settings.data.label_channels, settings.data.size_px, settings.generator)
    ).to(device)
    discriminator = _usual_norms(PatchDiscriminator(settings.data.label_channels, settings.discriminator)).to(device)
    adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (generator, discriminator)]
    bce, l1 = nn.BCEWithLogitsLoss(), nn.L1Loss()

    def step(batch: Batch) -> None:
        masks, photographs = (tensor.to(device) for tensor in batch)
        fake = generator(masks)
        adams[1].zero_grad()
        real_logits, fake_logits = discriminator(masks, photographs), discriminator(masks, fake.detach())
        loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
        (loss / 2).backward()
        adams[1].step()
        adams[0].zero_grad()
        discriminator.requires_grad_(False)
        logits = discriminator(masks, fake)
        (bce(logits, torch.ones_like(logits)) + settings.loss.l1_weight * l1(fake, photographs)).backward()
        discriminator.requires_grad_(True)
        adams[0].step()

    return _time(settings, steps, device, step)


def _usual_norms(network: nn.Module) -> nn.Module:
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, BatchNorm):
                setattr(module, name, nn.BatchNorm2d(len(child.weight)))
    return network


def _time(settings: Settings, steps: int, device: torch.device, step: Callable[[Batch], object]) -> Timing:
    pairs = load_pairs(find_eyes(Path(PHANTOM)).split("train"), settings.data.size_px, settings.data.resize)
    took, waited = [], []
    started = time.perf_counter()
    for number, batch in zip(range(WARM_UP_STEPS + steps), _endless(pairs, settings), strict=False):
        got = time.perf_counter()
        step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize()
        ended = time.perf_counter()
        if number >= WARM_UP_STEPS:
            took.append(ended - started)
            waited.append(got - started)
        started = ended
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Timing(statistics.median(took), sum(waited) / sum(took), memory_mib)


def _endless(pairs: Pairs, settings: Settings) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from batches(pairs, settings, epoch=epoch)
