"""How fast a training step and a generated picture are: this package against plain PyTorch, as ratios, in one run.

Both do the same arithmetic, and they take turns in fresh processes on the same machine, so that what else runs there
slows both.
"""

import itertools
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

import retinasynth
from retinasynth.anatomy.render.phantom import PHANTOM
from retinasynth.checks import whole_number
from retinasynth.data.batches import Batch
from retinasynth.data.find import find_eyes
from retinasynth.errors import SettingError
from retinasynth.networks.layers import BatchNorm
from retinasynth.networks.patchgan import PatchDiscriminator
from retinasynth.networks.running import move_for_generation
from retinasynth.networks.ssim import ssim
from retinasynth.networks.unet import DoublingConvolution
from retinasynth.parallel import worker_processes
from retinasynth.pix2pix.data import Pairs, batches, load_pairs
from retinasynth.pix2pix.network import build_generator
from retinasynth.pix2pix.photograph import generate_photograph
from retinasynth.pix2pix.settings import Settings
from retinasynth.pix2pix.train import build_learner
from retinasynth.progress import progress
from retinasynth.styled.settings import PRESETS as STYLED_PRESETS
from retinasynth.training.adversary import adversarial_step
from retinasynth.training.precision import choose_precision

WARM_UP_STEPS = 3
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"


@dataclass(frozen=True)
class Timing:
    """Of one turn.

    Attributes:
        step_seconds: median of a training step.
        data_wait: share of the steps spent waiting for data.
        picture_seconds: median of a generated picture, from a mask in memory to a photograph in memory.
        memory_mib: peak of the process.
        gpu_memory_mib: peak on the GPU; 0 without one.
    """

    step_seconds: float
    data_wait: float
    picture_seconds: float
    memory_mib: float
    gpu_memory_mib: float


@dataclass(frozen=True)
class Benchmark:
    """All turns of both.

    Attributes:
        preset: whose networks and sizes.
        ours: this package.
        plain: plain PyTorch.
        machine: what it ran on, and with what.
    """

    preset: str
    ours: tuple[Timing, ...]
    plain: tuple[Timing, ...]
    machine: dict[str, str]

    @property
    def step_ratio(self) -> float:
        """Time of plain PyTorch's training step over ours, the median of the turns."""
        return self._ratio(lambda timing: timing.step_seconds)

    @property
    def picture_ratio(self) -> float:
        """Time of plain PyTorch's generated picture over ours, the median of the turns."""
        return self._ratio(lambda timing: timing.picture_seconds)

    @property
    def pictures_per_second(self) -> float:
        """That we generate, the median of the turns."""
        return 1 / statistics.median(timing.picture_seconds for timing in self.ours)

    def _ratio(self, seconds: Callable[[Timing], float]) -> float:
        return statistics.median(
            seconds(plain) / seconds(ours) for ours, plain in zip(self.ours, self.plain, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values: the ratios first, then every turn."""
        return {
            "preset": self.preset,
            "step_ratio": self.step_ratio,
            "picture_ratio": self.picture_ratio,
            "pictures_per_second": self.pictures_per_second,
            "data_wait": max(timing.data_wait for timing in self.ours),
            "memory_mib": max(timing.memory_mib for timing in self.ours),
            "ours": [asdict(timing) for timing in self.ours],
            "plain": [asdict(timing) for timing in self.plain],
            "machine": self.machine,
        }


def run_bench(*, preset: str = "source", turns: int = 3, steps: int = 10) -> Benchmark:
    """Time training steps and generated pictures of a preset on the phantom set.

    Plain PyTorch is the same two networks and losses written the usual way: fp32, contiguous, `BatchNorm2d`,
    `ConvTranspose2d`, default Adam, and at generation ``eval`` and ``no_grad`` alone.

    Args:
        preset: whose networks and sizes to take.
        turns: of each of the two.
        steps: timed in a turn, and pictures, after a few to warm up.

    Raises:
        SettingError: there is no such preset, or its generator follows a style, which has no plain counterpart; or a
            number is impossible.
    """
    turns, steps = whole_number(turns, "turns"), whole_number(steps, "steps")
    if preset in STYLED_PRESETS:
        raise SettingError(
            f"Preset {preset} follows a style, which plain PyTorch has no usual way for",
            expected="source, lean or demo",
            do="`generate --count` shows how many pictures a second it makes",
        )
    ours, plain = [], []
    with progress("Benchmark", 2 * turns) as advance:
        for turn in range(turns):
            plain.append(_in_new_process(_time_plain, preset, steps, huge_pages=False))
            advance(2 * turn + 1, f"plain {plain[-1].step_seconds:.3f} s a step")
            ours.append(_in_new_process(_time_ours, preset, steps, huge_pages=True))
            advance(2 * turn + 2, f"ours {ours[-1].step_seconds:.3f} s a step")
    return Benchmark(preset, tuple(ours), tuple(plain), _machine())


def _machine() -> dict[str, str]:
    device = _device()
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "training_precision": getattr(choose_precision("auto", device).plugin, "precision", "fp32"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "retinasynth": retinasynth.__version__,
    }


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _in_new_process(work: Callable[[str, int], Timing], preset: str, steps: int, *, huge_pages: bool) -> Timing:
    before = os.environ.get(HUGE_PAGES)
    os.environ[HUGE_PAGES] = str(int(huge_pages))  # torch reads it once, when a process starts
    try:
        with worker_processes(1) as pool:
            return pool.submit(work, preset, steps).result()
    finally:
        if before is None:
            del os.environ[HUGE_PAGES]
        else:
            os.environ[HUGE_PAGES] = before


def _time_ours(preset: str, steps: int) -> Timing:
    settings, device = Settings.from_preset(preset), _device()
    precision = choose_precision(settings.training.precision, device)
    fabric = Fabric(accelerator=device.type, devices=1, plugins=[precision.plugin] if precision.plugin else None)
    learner = build_learner(fabric, settings, precision.layout)
    network = move_for_generation(
        build_generator(settings.data.label_channels, settings.data.size_px, settings.generator).eval()
    )

    def step(batch: Batch) -> None:
        adversarial_step(fabric, learner, learner.place(batch), settings.loss)

    def picture(pairs: Pairs, index: int) -> None:
        generate_photograph(network, pairs.labels[index], channels=settings.data.label_channels, seed=0)

    return _time(settings, steps, step, picture)


def _time_plain(preset: str, steps: int) -> Timing:
    settings, device = Settings.from_preset(preset), _device()
    weights = settings.loss
    generator = _usual_layers(
        build_generator(settings.data.label_channels, settings.data.size_px, settings.generator)
    ).to(device)
    chosen = settings.discriminator
    discriminator = _usual_layers(PatchDiscriminator(settings.data.label_channels, chosen.filters, chosen.norm)).to(
        device
    )
    adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (generator, discriminator)]
    bce, l1 = nn.BCEWithLogitsLoss(), nn.L1Loss()

    def step(batch: Batch) -> None:
        masks, photographs = (tensor.to(device) for tensor in batch[:2])
        fake = generator(masks)
        adams[1].zero_grad()
        real_logits, fake_logits = discriminator(masks, photographs), discriminator(masks, fake.detach())
        loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
        (loss / 2).backward()
        adams[1].step()
        adams[0].zero_grad()
        discriminator.requires_grad_(False)
        logits = discriminator(masks, fake)
        loss = weights.adversarial_weight * bce(logits, torch.ones_like(logits)) + weights.l1_weight * l1(
            fake, photographs
        )
        if weights.ssim_weight:
            loss = loss + weights.ssim_weight * (1 - ssim(fake, photographs))
        loss.backward()
        discriminator.requires_grad_(True)
        adams[0].step()

    def picture(pairs: Pairs, index: int) -> None:
        mask = torch.from_numpy(pairs.labels[index, ..., 0].copy()).float().mul(2).sub(1).to(device)
        generator.eval()
        with torch.no_grad():
            made = generator(mask.expand(1, settings.data.label_channels, *mask.shape))
        made.add(1).mul(127.5).clamp(0, 255).round().byte()[0].permute(1, 2, 0).cpu().numpy()

    return _time(settings, steps, step, picture)


def _usual_layers(network: nn.Module) -> nn.Module:
    """Our layers replaced by those that a plain program would use."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, BatchNorm):
                setattr(module, name, nn.BatchNorm2d(len(child.weight), track_running_stats=False))
            elif isinstance(child, DoublingConvolution):
                setattr(module, name, nn.ConvTranspose2d(child.in_channels, child.out_channels, 4, 2, 1))
    return network


def _time(
    settings: Settings, steps: int, step: Callable[[Batch], None], picture: Callable[[Pairs, int], None]
) -> Timing:
    device = _device()
    pairs = load_pairs(find_eyes(Path(PHANTOM)).split("train"), settings.data.size_px, settings.data.resize)
    step_seconds, waited = [], []
    started = time.perf_counter()
    for batch in itertools.islice(_endless(pairs, settings), WARM_UP_STEPS + steps):
        got = time.perf_counter()
        step(batch)
        _wait_for(device)
        ended = time.perf_counter()
        step_seconds.append(ended - started)
        waited.append(got - started)
        started = ended
    picture_seconds = []
    for number in range(WARM_UP_STEPS + steps):
        started = time.perf_counter()
        picture(pairs, number % len(pairs))
        _wait_for(device)
        picture_seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Timing(
        step_seconds=statistics.median(step_seconds[WARM_UP_STEPS:]),
        data_wait=sum(waited[WARM_UP_STEPS:]) / sum(step_seconds[WARM_UP_STEPS:]),
        picture_seconds=statistics.median(picture_seconds[WARM_UP_STEPS:]),
        memory_mib=peak / (2**20 if sys.platform == "darwin" else 2**10),  # macOS counts bytes
        gpu_memory_mib=torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0.0,
    )


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _endless(pairs: Pairs, settings: Settings) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from batches(pairs, settings, epoch=epoch)
