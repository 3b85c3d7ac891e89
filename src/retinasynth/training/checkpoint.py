"""The whole state of a run in one file: weights, averages, optimisers, progress. Written atomically, no pickle.

There are no random states to keep: the data order, the augmentation and the dropout of a step follow from the seed
and the number of the step. The file before the last is kept, for the day when the last turns out to be damaged.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from retinasynth.errors import CheckpointError
from retinasynth.files import atomic_path, explaining_write_errors
from retinasynth.training.model_folder import CHECKSUM, checksum

FILE = Path("checkpoint") / "state.safetensors"
PREVIOUS = FILE.with_name("previous.safetensors")
_ANEW = "Start the run again with another `out`"
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
        threads: of the processor, which decide in what order it adds up; 0 where nobody wrote it down.
        precision: in which numbers it learns: ``"fp32"``, ``"bf16"`` or ``"fp16"``; likewise empty.
        device: what it learns on, in words; likewise empty.
    """

    step: int
    seconds: float
    data_fingerprint: str
    settings: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)
    threads: int = 0
    precision: str = ""
    device: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no progress: a checkpoint can come from anywhere."""
        counts = (self.step, self.threads)
        is_count = all(type(number) is int and number >= 0 for number in counts)
        is_time = isinstance(self.seconds, float) and math.isfinite(self.seconds)
        is_text = all(isinstance(text, str) for text in (self.data_fingerprint, self.precision, self.device))
        if not (is_count and is_time and is_text and isinstance(self.settings, dict) and isinstance(self.scaler, dict)):
            raise ValueError("its progress is none")


@dataclass(frozen=True)
class State:
    """The live objects that a checkpoint saves and restores, by name."""

    modules: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]


def save_checkpoint(run: Path, state: State, progress: Progress) -> None:
    """Replace the checkpoint of a run, and keep what it was before as `PREVIOUS`.

    Raises:
        OutputError: it cannot be written; what is there stays.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors_of(state).items()}
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "progress": json.dumps(asdict(progress)),
        CHECKSUM: checksum(tensors),
    }
    with atomic_path(run / FILE) as temporary:
        save_file(tensors, temporary, metadata=metadata)
        _keep_as_previous(run)


def _keep_as_previous(run: Path) -> None:
    if not (run / FILE).exists():
        return
    try:
        (run / PREVIOUS).unlink(missing_ok=True)
        os.link(run / FILE, run / PREVIOUS)  # so that there is a checkpoint at every moment
    except OSError:  # a file system without links
        (run / FILE).replace(run / PREVIOUS)


def exists(run: Path) -> bool:
    """Whether a run has a checkpoint, damaged or not."""
    return (run / FILE).is_file() or (run / PREVIOUS).is_file()


def read_progress(run: Path) -> Progress:
    """The progress of a run's checkpoint, which is looked over wholly.

    Raises:
        CheckpointError: there is none, or it is damaged or of another version.
    """
    return _read(run / FILE)


def mend(run: Path) -> str:
    """Put the checkpoint before the last in the place of one that is damaged.

    Returns:
        What was wrong with the last one; nothing where it is sound.

    Raises:
        CheckpointError: neither can be gone on from.
    """
    try:
        _read(run / FILE)
    except CheckpointError as error:
        try:
            _read(run / PREVIOUS)
        except CheckpointError:
            raise error from None
        with explaining_write_errors(run / FILE):
            (run / PREVIOUS).replace(run / FILE)
        return error.got
    return ""


def _read(path: Path) -> Progress:
    if not path.is_file():
        raise CheckpointError(f"{path.parent.parent} has no checkpoint ({path} is missing)", do=_ANEW)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format_version") != str(FORMAT_VERSION):
                raise CheckpointError(f"{path} is not a checkpoint of this version of retinasynth", do=_ANEW)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        progress = Progress(**json.loads(metadata["progress"]))
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error})", do=_ANEW) from error
    if CHECKSUM in metadata and metadata[CHECKSUM] != checksum(tensors):  # release 0.1 kept none
        raise CheckpointError(f"{path} is damaged (its checksum is another)", do=_ANEW)
    if name := not_finite(tensors):
        raise CheckpointError(f"{path} is damaged ({name} is not finite)", do=_ANEW)
    return progress


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """The name of a tensor with a number that is not finite; nothing where there is none."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), "")


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
        live = tensors_of(state)
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


def tensors_of(state: State) -> dict[str, Tensor]:
    """All tensors that a checkpoint holds, live, by name."""
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
