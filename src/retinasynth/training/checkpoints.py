"""The whole state of a run in one file: weights, averages, optimisers, progress. Written atomically, no pickle.

There are no random states to keep: the data order, the augmentation and the dropout of a step follow from the seed
and the number of the step.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from retinasynth.errors import CheckpointError
from retinasynth.files import atomic_path

FILE = Path("checkpoint") / "state.safetensors"
FORMAT_VERSION = 2  # of what the settings of a run mean, too


@dataclass(frozen=True)
class Progress:
    """How far a run is, with everything that must agree when it goes on.

    Attributes:
        step: completed steps.
        seconds: spent in them, over all sittings.
        data_fingerprint: of the training pairs.
        settings: all settings, flat, as they were.
        scaler: the state of the fp16 loss scaling; empty where it is not used.
    """

    step: int
    seconds: float
    data_fingerprint: str
    settings: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """The live objects that a checkpoint saves and restores, by name."""

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]


def save_checkpoint(run: Path, state: State, progress: Progress) -> None:
    """Replace the checkpoint of a run; what stood there before stays until the new one is complete.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(state).items()}
    metadata = {"format_version": str(FORMAT_VERSION), "progress": json.dumps(asdict(progress))}
    with atomic_path(run / FILE) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_progress(run: Path) -> Progress:
    """The progress of a run's checkpoint.

    Raises:
        CheckpointError: there is none, or it is damaged or of another version.
    """
    path = run / FILE
    if not path.is_file():
        raise CheckpointError(f"{run} has no checkpoint ({path} is missing)", do="Start the run again with --out")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("format_version") != str(FORMAT_VERSION):
            raise CheckpointError(f"{path} is not a checkpoint of this version of retinasynth")
        return Progress(**json.loads(metadata["progress"]))
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error})", do="Start the run again with --out") from error


def restore_checkpoint(run: Path, state: State) -> None:
    """Copy a checkpoint into the live objects, in place and in their own memory layout.

    Raises:
        CheckpointError: it does not hold exactly what these objects need.
    """
    with safe_open(run / FILE, framework="pt") as file:
        saved = set(file.keys())
        for name, optimiser in state.optimisers.items():
            if any(key.startswith(f"{name}/") for key in saved):  # else it had not made a step
                _make_adam_state(optimiser)
        live = _tensors(state)
        if saved != set(live):
            odd = sorted(saved ^ set(live))
            raise CheckpointError(
                f"{run / FILE} is of another model: {len(odd)} tensors differ, for example {odd[0]}",
                expected="a checkpoint made with the settings in config.yaml",
            )
        with torch.no_grad():
            for name, tensor in live.items():
                stored = file.get_tensor(name)
                if stored.shape != tensor.shape:
                    raise CheckpointError(
                        f"{run / FILE} is of another model: {name} has shape {tuple(stored.shape)}",
                        expected=f"{tuple(tensor.shape)}, from config.yaml",
                    )
                tensor.copy_(stored)


def _tensors(state: State) -> dict[str, Tensor]:
    tensors = {
        f"{name}/{key}": tensor for name, module in state.modules.items() for key, tensor in module.state_dict().items()
    }
    for name, optimiser in state.optimisers.items():
        for index, parameter in enumerate(_parameters(optimiser)):
            for key, value in optimiser.state.get(parameter, {}).items():
                tensors[f"{name}/{index}/{key}"] = value
    return tensors


def _make_adam_state(optimiser: torch.optim.Optimizer) -> None:
    """Give a fresh Adam the state that its first step would make, so that it can be filled."""
    for parameter in _parameters(optimiser):
        optimiser.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
