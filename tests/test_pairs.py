import os
import shutil

import numpy as np
import pytest
import torch

from pictures import put_mask, put_photograph
from retinasynth import images
from retinasynth.config import Settings
from retinasynth.datasets import pairs as pairs_module
from retinasynth.datasets.layouts import find_eyes
from retinasynth.datasets.pairs import batches, load_pairs, steps_per_epoch, whole_batch
from retinasynth.errors import DataError, SettingError


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        put_photograph(tmp_path / "set" / "train" / "images" / f"{number}.png", seed=number, height=40, width=48)
        put_mask(tmp_path / "set" / "train" / "masks" / f"{number}.png", seed=number, height=40, width=48)
    return tmp_path / "set"


def load(folder, size_px=32):
    return load_pairs(find_eyes(folder).eyes, size_px)


def settings(*overrides):
    return Settings.from_preset("demo").with_overrides(["size_px=64", "flip=true", "rotation_deg=15", *overrides])


def test_pairs_are_decoded_resized_and_aligned(folder):
    pairs = load(folder)
    assert pairs.names == tuple("012345")
    photograph = images.read_photograph(folder / "train/images/3.png")
    assert np.array_equal(pairs.photographs[3], images.resize_photograph(photograph, (32, 32)))
    assert np.array_equal(pairs.masks[3], images.resize_mask(images.read_mask(folder / "train/masks/3.png"), (32, 32)))


def test_the_cache_is_used_until_a_file_changes(folder, monkeypatch):
    before = load(folder)
    monkeypatch.setattr(pairs_module, "read_eye", lambda _: pytest.fail("decoded again"))
    again = load(folder)
    assert np.array_equal(before.photographs, again.photographs)
    monkeypatch.undo()
    put_photograph(folder / "train/images/3.png", seed=99, height=40, width=48)
    os.utime(folder / "train/images/3.png", ns=(1, 1))
    changed = load(folder)
    assert not np.array_equal(before.photographs[3], changed.photographs[3])
    assert before.fingerprint != changed.fingerprint


def test_the_fingerprint_is_of_the_pictures_and_not_of_their_place(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert load(folder).fingerprint == load(tmp_path / "copy").fingerprint
    assert load(folder).fingerprint != load(folder, size_px=16).fingerprint


def test_every_epoch_shows_every_pair_once_in_an_order_of_its_own(folder):
    pairs, plain = load(folder), settings("flip=false", "rotation_deg=0")
    known = whole_batch(pairs, range(6), mask_channels=1).photographs
    orders = []
    for epoch in range(3):
        shown = torch.cat([batch.photographs for batch in batches(pairs, plain, epoch=epoch)])
        orders.append([next(i for i in range(6) if torch.equal(one, known[i])) for one in shown])
    assert [sorted(order) for order in orders] == [list(range(6))] * 3
    assert len({tuple(order) for order in orders}) == 3


def test_resuming_inside_an_epoch_gives_the_batches_that_were_left(folder):
    pairs, chosen = load(folder), settings("batch_size=2")
    whole = list(batches(pairs, chosen, epoch=4))
    rest = list(batches(pairs, chosen, epoch=4, first_step=1))
    assert len(whole) == 3
    assert all(torch.equal(a.masks, b.masks) for a, b in zip(whole[1:], rest, strict=True))
    assert all(torch.equal(a.photographs, b.photographs) for a, b in zip(whole[1:], rest, strict=True))


def test_two_processes_share_an_epoch_without_overlap(folder):
    pairs = load(folder)
    alone = list(batches(pairs, settings("batch_size=2"), epoch=0))
    shared = [list(batches(pairs, settings("devices=2"), epoch=0, process=rank)) for rank in (0, 1)]
    for step in range(3):
        both = torch.cat([shared[rank][step].photographs for rank in (0, 1)])
        assert torch.equal(both, alone[step].photographs)


def test_masks_stay_binary_through_augmentation(folder):
    for batch in batches(load(folder), settings(), epoch=0):
        assert batch.masks.shape == (1, 1, 32, 32)
        assert set(batch.masks.unique().tolist()) == {-1.0, 1.0}
        assert -1 <= batch.photographs.min() < batch.photographs.max() <= 1


def test_three_channel_masks_repeat_one(folder):
    batch = next(batches(load(folder), settings("mask_channels=3"), epoch=0))
    assert batch.masks.shape == (1, 3, 32, 32)
    assert torch.equal(batch.masks[:, 0], batch.masks[:, 2])


def test_a_step_that_takes_more_pairs_than_there_are_is_refused(folder):
    with pytest.raises(SettingError, match=r"takes 8 pairs .* there are 6"):
        steps_per_epoch(load(folder), settings("batch_size=8"))
    assert steps_per_epoch(load(folder), settings("batch_size=4")) == 1


def test_eyes_without_labels_are_refused(folder):
    shutil.rmtree(folder / "train" / "masks")
    with pytest.raises(DataError, match="has no vessel mask"):
        load(folder)
