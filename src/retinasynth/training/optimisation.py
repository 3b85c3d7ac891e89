"""Moving averages of networks, and learning rates that rise and fall."""

import math

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

_WARM_UP_STEPS = 100


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a network, of its buffers as well as of its parameters."""
    update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def falling_rate(highest: float, step: int, steps: int) -> float:
    """The learning rate of a step, from 0: a line up over the first steps, then half a cosine down to 0.

    Args:
        highest: where the line would end.
        step: from 0.
        steps: of the run.
    """
    warm_up = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return highest * warm_up * 0.5 * (1 + math.cos(math.pi * step / steps))
