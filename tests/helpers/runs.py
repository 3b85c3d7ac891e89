"""Runs that stop and go on, as both trainers test them."""

import importlib
import json
import multiprocessing
import os
import signal
from pathlib import Path

import torch
from safetensors.torch import load_file

from retinasynth.settings import RunSettings
from retinasynth.training import checkpoint as checkpoints


def killed_run(product: str, data: Path | list[Path], out: Path, settings: RunSettings, at_step: int) -> None:
    """Train in a process of its own, killed at a step.

    Args:
        product: whose module `train` has `train` and the step.
        data, out, settings: what its `train` is given.
        at_step: from 1.
    """
    process = multiprocessing.get_context("spawn").Process(
        target=_train_until, args=(product, data, out, settings, at_step)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _train_until(product: str, data: Path | list[Path], out: Path, settings: RunSettings, at_step: int) -> None:
    module = importlib.import_module(f"retinasynth.{product}.train")
    name = "train_step" if hasattr(module, "train_step") else "adversarial_step"
    real_step, steps = getattr(module, name), []

    def step(*arguments: object) -> object:
        steps.append(1)
        if len(steps) == at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real_step(*arguments)

    setattr(module, name, step)
    module.train(data, out, settings)


def log_of(run: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "seconds" not in name} for line in lines]


def assert_same_run(run: Path, other: Path) -> None:
    """The same model, samples, checkpoint and log."""
    files = [Path("model/model.safetensors"), *(file.relative_to(other) for file in other.glob("samples/*.png"))]
    assert len(files) > 1
    for file in files:
        assert (run / file).read_bytes() == (other / file).read_bytes(), file
    ours, theirs = load_file(run / checkpoints.FILE), load_file(other / checkpoints.FILE)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert log_of(run) == log_of(other)
