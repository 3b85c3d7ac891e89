"""Random numbers that follow from whole numbers alone: one seed of several, and torch drawing from it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from retinasynth.checks import checked_seed


@contextmanager
def seeded(*seeds: int, device: torch.device) -> Iterator[None]:
    """Draw torch's random numbers from `seeds` inside the block, and put its random state back after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else [], enabled=True):
        torch.manual_seed(mixed_seed(seeds))
        yield


def mixed_seed(seeds: Sequence[int]) -> int:
    """One seed that differs whenever any of `seeds` does (as far as 64 bits can).

    Example:
        >>> mixed_seed([0, 1]) == mixed_seed([1, 0])
        False
    """
    return int(np.random.SeedSequence([checked_seed(seed) for seed in seeds]).generate_state(1, np.uint64)[0] >> 1)
