import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import retinasynth as rs
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.data import stream as under_test
from retinasynth.errors import InputError, SettingError


def take(stream, count):
    return list(itertools.islice(stream, count))


def test_an_item_is_the_eye_of_its_seed():
    item = take(rs.stream(seed=5, size_px=64, planes=("vessels", "disc"), people="child", cup_to_disc=0.7), 1)[0]
    eye = grow(5, 64, people="child", cup_to_disc=0.7)
    assert item["seed"] == 5
    assert item["labels"].dtype == item["image"].dtype == torch.float32
    assert np.array_equal(item["labels"].numpy(), np.stack([eye.planes["vessels"], eye.planes["disc"]]))
    assert np.array_equal((item["image"].numpy() * 255).round().transpose(1, 2, 0), phantom_photograph(eye, 5))


def test_it_has_no_end_and_begins_again_the_same():
    stream = rs.stream(size_px=32)
    first = take(stream, 4)
    assert [item["seed"] for item in first] == [0, 1, 2, 3]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, take(stream, 4), strict=True))


def as_worker(monkeypatch, number, workers):
    monkeypatch.setattr(under_test, "get_worker_info", lambda: SimpleNamespace(id=number, num_workers=workers))


def test_a_loader_makes_batches_of_it():
    batches = take(iter(DataLoader(rs.stream(size_px=32), batch_size=2)), 2)
    assert batches[0]["image"].shape == (2, 3, 32, 32)
    assert batches[0]["labels"].shape == (2, 1, 32, 32)
    assert torch.cat([batch["seed"] for batch in batches]).tolist() == [0, 1, 2, 3]


def test_workers_share_the_seeds(monkeypatch):
    seen = []
    for number in range(3):
        as_worker(monkeypatch, number, 3)
        seen += [item["seed"] for item in take(rs.stream(size_px=32), 2)]
    assert sorted(seen) == [0, 1, 2, 3, 4, 5]


def test_processes_share_the_seeds(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    seen = []
    for rank in range(3):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        seen += [item["seed"] for item in take(rs.stream(size_px=32, seed=10), 2)]
    assert sorted(seen) == [10, 11, 12, 13, 14, 15]


def test_a_worker_that_is_spawned_knows_of_the_process_that_sent_it(monkeypatch):
    with monkeypatch.context() as sender:
        sender.setattr(torch.distributed, "is_initialized", lambda: True)
        sender.setattr(torch.distributed, "get_world_size", lambda: 2)
        sender.setattr(torch.distributed, "get_rank", lambda: 1)
        sent = pickle.dumps(rs.stream(size_px=32, seed=10))
    as_worker(monkeypatch, 0, 2)
    arrived = pickle.loads(sent)  # noqa: S301 - our own bytes
    assert [item["seed"] for item in take(arrived, 2)] == [12, 16]  # 13 and 17 are the other worker's


def test_it_can_be_sent_to_another_process():
    again = pickle.loads(pickle.dumps(rs.stream(size_px=32, seed=2)))  # noqa: S301 - our own bytes
    assert take(again, 1)[0]["seed"] == 2


def test_mistakes_are_said_at_once():
    with pytest.raises(SettingError, match="cup_to_disc"):
        rs.stream(cup_to_disc=3)
    with pytest.raises(SettingError, match="style"):
        rs.stream(style="oil")
    with pytest.raises(SettingError, match="size_px"):
        rs.stream(size_px=0)
    with pytest.raises(InputError):
        rs.stream(planes=("retina",))
