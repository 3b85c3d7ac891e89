"""An endless stream of grown eyes with photographs, for a training loop of one's own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import Style, phantom_photograph
from retinasynth.checks import checked_seed
from retinasynth.eye.label_map import one_hot

Item = dict[str, torch.Tensor | int]


class EyeStream(IterableDataset[Item]):
    """Grown eyes without end: each ``{"image", "labels", "seed"}``.

    ``image`` is ``float32 (3, size_px, size_px)`` in [0, 1], ``labels`` ``float32 (planes, size_px, size_px)`` of 0 and
    1, and ``seed`` the number that `retinasynth.grow` makes the same eye of. The workers of a DataLoader, and the
    processes of a distributed run, share the seeds among them, so that no eye comes twice. In a distributed run, start
    iterating after ``torch.distributed.init_process_group``.

    Args:
        seed: of the first eye.
        size_px: height and width.
        preset: the population that the eyes are drawn from.
        planes: which labels, in which order.
        style: of the photographs; see `retinasynth.anatomy.render.photograph.phantom_photograph`.
        parameters: of the anatomy, by name, that all eyes share.

    Raises:
        SettingError: an impossible parameter, seed or size.
        InputError: a plane that grown eyes do not have.
    """

    def __init__(
        self,
        seed: int = 0,
        size_px: int = 512,
        *,
        preset: str = "adult",
        planes: Sequence[str] = ("vessels",),
        style: Style = "natural",
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.seed, self.preset, self.planes, self.style = checked_seed(seed), preset, tuple(planes), style
        self.size_px = size_px
        self.parameters = dict(parameters or {})
        self._process = (0, 1)  # rank and world size, for where torch.distributed cannot tell
        # What is impossible is said here, not in a worker.
        trial = grow(seed, size_px, people=preset, **self.parameters)
        one_hot(trial, self.planes)
        phantom_photograph(trial, seed, style)

    def __iter__(self) -> Iterator[Item]:
        """Endless; begins with the first seed again each time."""
        worker = get_worker_info()
        worker_number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        rank, processes = self._rank_and_world_size()
        seed = self.seed + rank * workers + worker_number
        while True:
            yield self.item(seed)
            seed += processes * workers

    def __getstate__(self) -> dict[str, Any]:
        # A worker that a DataLoader spawns knows nothing of torch.distributed: it is passed the rank on its way there.
        return self.__dict__ | {"_process": self._rank_and_world_size()}

    def _rank_and_world_size(self) -> tuple[int, int]:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return self._process

    def item(self, seed: int) -> Item:
        """The eye of one seed."""
        eye = grow(seed, self.size_px, people=self.preset, **self.parameters)
        photograph = phantom_photograph(eye, seed, self.style)
        image = np.ascontiguousarray(photograph.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)
        return {
            "image": torch.from_numpy(image),
            "labels": torch.from_numpy(one_hot(eye, self.planes)),
            "seed": seed,
        }
