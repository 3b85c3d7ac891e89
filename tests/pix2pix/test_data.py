import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from pictures import put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth.data.batches import Batch, steps_per_epoch
from retinasynth.data.find import find_eyes
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError, ImageError, SettingError
from retinasynth.eye.appearance import MOST_SMOOTHED
from retinasynth.images import read_mask, resize_photograph, write_mask
from retinasynth.pix2pix import data as module
from retinasynth.pix2pix.data import Pairs, batches, load_pairs
from retinasynth.pix2pix.settings import Settings

SIZE_PX = 32
AUGMENTED = ["size_px=32", "depth=5", "flip=true", "rotation_deg=40"]


def put_set(folder: Path, number: int) -> Path:
    for seed in range(number):
        put_photograph(folder / "train" / "images" / f"eye{seed}.png", seed)
        put_mask(folder / "train" / "vessels" / f"eye{seed}.png", seed)
    return folder


def files_of(folder: Path) -> tuple[EyeFiles, ...]:
    return find_eyes(folder).split("train")


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    decoded: list[str] = []
    read = module.read_eye

    def counting(files: EyeFiles) -> object:
        decoded.append(files.name)
        return read(files)

    monkeypatch.setattr(module, "read_eye", counting)
    return decoded


def numbered_pairs(number: int, size_px: int = SIZE_PX) -> Pairs:
    """Pairs that can be told apart in any batch: photograph i has the value i everywhere."""
    photographs = np.broadcast_to(np.arange(number, dtype=np.uint8)[:, None, None, None], (number, size_px, size_px, 3))
    masks = np.stack([tiny_mask(seed, size_px, size_px) for seed in range(number)])
    names = tuple(f"eye{seed}" for seed in range(number))
    return Pairs(
        names, names, photographs, masks[..., None], photographs.mean(axis=0, dtype=np.float32), fingerprint=""
    )


def chosen(*overrides: str) -> Settings:
    return Settings().with_overrides([*AUGMENTED, *overrides])


def numbers(batch: Batch) -> list[int]:
    values = ((batch.photographs.mean(dim=(1, 2, 3)).double() + 1) * 127.5).round()
    return [int(value) for value in values]


def order(pairs: Pairs, settings: Settings, epoch: int, process: int = 0) -> list[int]:
    return [number for batch in batches(pairs, settings, epoch=epoch, process=process) for number in numbers(batch)]


def assert_equal(first: Sequence[Batch], second: Sequence[Batch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.masks, other.masks)
        assert torch.equal(one.photographs, other.photographs)


# --- Decoding and the cache ---


def test_pairs_are_decoded_as_they_are_stored(tmp_path: Path) -> None:
    pairs = load_pairs(files_of(put_set(tmp_path, 3)), SIZE_PX)
    assert len(pairs) == 3
    assert pairs.names == pairs.eyes == ("eye0", "eye1", "eye2")
    assert (pairs.photographs.shape, pairs.photographs.dtype) == ((3, SIZE_PX, SIZE_PX, 3), np.uint8)
    assert (pairs.labels.shape, pairs.labels.dtype) == ((3, SIZE_PX, SIZE_PX, 1), np.bool_)
    for seed in range(3):
        np.testing.assert_array_equal(pairs.photographs[seed], tiny_photograph(seed))
        np.testing.assert_array_equal(pairs.labels[seed, ..., 0], tiny_mask(seed))


def test_photographs_are_resized_by_area_and_masks_by_the_nearest(tmp_path: Path) -> None:
    pairs = load_pairs(files_of(put_set(tmp_path, 1)), 16)
    np.testing.assert_array_equal(pairs.photographs[0], resize_photograph(tiny_photograph(0), (16, 16)))
    np.testing.assert_array_equal(pairs.labels[0, ..., 0], tiny_mask(0)[1::2, 1::2])


def test_other_shapes_are_stretched_or_letterboxed_and_cached_apart(tmp_path: Path) -> None:
    photograph = put_photograph(tmp_path / "images" / "a.png", height=20, width=40)
    put_mask(tmp_path / "masks" / "a.png", height=20, width=40)
    files = find_eyes(photograph.parent.parent).eyes
    made = {resize: load_pairs(files, 40, resize) for resize in ("stretch", "letterbox", "stretch")}
    np.testing.assert_array_equal(
        made["stretch"].photographs[0], resize_photograph(tiny_photograph(0, 20, 40), (40, 40))
    )
    np.testing.assert_array_equal(made["letterbox"].photographs[0][10:30], tiny_photograph(0, 20, 40))
    np.testing.assert_array_equal(made["letterbox"].labels[0, ..., 0], np.pad(tiny_mask(0, 20, 40), ((10, 10), (0, 0))))
    assert made["stretch"].fingerprint != made["letterbox"].fingerprint
    assert load_pairs(files, 40).fingerprint == made["stretch"].fingerprint


def test_the_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, decoded = files_of(put_set(tmp_path, 3)), count_decoded(monkeypatch)
    first = load_pairs(files, SIZE_PX)
    assert sorted(decoded) == ["eye0", "eye1", "eye2"]
    second = load_pairs(files, SIZE_PX)
    assert len(decoded) == 3
    np.testing.assert_array_equal(first.photographs, second.photographs)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.names, first.eyes, first.fingerprint) == (second.names, second.eyes, second.fingerprint)


@pytest.mark.parametrize("plane", ["images", "vessels"])
def test_a_changed_file_is_decoded_again(plane: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, decoded = files_of(put_set(tmp_path, 2)), count_decoded(monkeypatch)
    before = load_pairs(files, SIZE_PX)
    path = tmp_path / "train" / plane / "eye1.png"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # touched, but the same
    assert load_pairs(files, SIZE_PX).fingerprint == before.fingerprint
    assert len(decoded) == 4
    (put_photograph if plane == "images" else put_mask)(path, seed=50)
    changed = load_pairs(files, SIZE_PX)
    assert len(decoded) == 6
    assert changed.fingerprint != before.fingerprint
    load_pairs(files, 16)
    load_pairs(files[:1], SIZE_PX)
    assert len(decoded) == 9


def test_the_fingerprint_is_of_the_pixels_and_names_wherever_they_are(tmp_path: Path) -> None:
    original = load_pairs(files_of(put_set(tmp_path / "here", 3)), SIZE_PX)
    copy = shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert load_pairs(files_of(copy), SIZE_PX).fingerprint == original.fingerprint
    for plane in ("images", "vessels"):
        (copy / "train" / plane / "eye2.png").rename(copy / "train" / plane / "eye3.png")
    assert load_pairs(files_of(copy), SIZE_PX).fingerprint != original.fingerprint
    assert load_pairs(files_of(tmp_path / "here"), 16).fingerprint != original.fingerprint


def test_the_cache_is_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "cache"))
    pairs = load_pairs(files_of(put_set(tmp_path / "set", 2)), SIZE_PX)
    (folder,) = (tmp_path / "cache" / "pairs").iterdir()
    shown = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert shown == ["labels.npy", "mean.npy", "pairs.json", "photographs.npy"]
    assert not pairs.photographs.flags.writeable  # a memory map that nothing can spoil


@pytest.mark.parametrize("file", ["photographs.npy", "labels.npy", "mean.npy", "pairs.json"])
def test_a_cache_with_zeros_in_it_is_not_learnt_from(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "cache"))
    found = files_of(put_set(tmp_path / "set", 2))
    pairs = load_pairs(found, SIZE_PX)
    photographs, labels = np.array(pairs.photographs), np.array(pairs.labels)
    (cached,) = (tmp_path / "cache" / "pairs").glob(f"*/{file}")
    content = cached.read_bytes()
    cached.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    again = load_pairs(found, SIZE_PX)
    np.testing.assert_array_equal(again.photographs, photographs)
    np.testing.assert_array_equal(again.labels, labels)
    assert cached.read_bytes() == content


def test_a_picture_that_cannot_be_read_leaves_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINASYNTH_CACHE", str(tmp_path / "cache"))
    files = files_of(put_set(tmp_path / "set", 2))
    path = tmp_path / "set" / "train" / "images" / "eye1.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(ImageError, match=r"eye1\.png is damaged or cut short"):
        load_pairs(files, SIZE_PX)
    assert not list((tmp_path / "cache" / "pairs").iterdir())
    path.write_bytes(whole)
    assert len(load_pairs(files, SIZE_PX)) == 2


def test_an_inverted_mask_and_a_tiny_pair_are_not_learnt_from(tmp_path: Path) -> None:
    folder = put_set(tmp_path / "set", 2)
    mask = folder / "train" / "vessels" / "eye1.png"
    write_mask(mask, ~read_mask(mask))
    with pytest.raises(ImageError, match=r"eye1\.png: vessels cover \d+% .*Is the mask inverted"):
        load_pairs(files_of(folder), SIZE_PX)


def test_an_eye_without_mask_or_photograph_is_refused(tmp_path: Path) -> None:
    photograph, mask = put_photograph(tmp_path / "p.png"), put_mask(tmp_path / "m.png")
    whole = EyeFiles("whole", photograph, {"vessels": mask}, "whole", "whole", "train")
    for eye, missing in (
        (EyeFiles("left", photograph, {}, "left", "left", "train"), "mask of its vessels"),
        (EyeFiles("left", photograph, {"disc": mask}, "left", "left", "train"), "mask of its vessels"),
        (EyeFiles("left", None, {"vessels": mask}, "left", "left", "train"), "photograph"),
    ):
        with pytest.raises(
            DataError, match=rf"left has no {missing}\. Expected: pairs of a photograph and its vessels"
        ):
            load_pairs([whole, eye], SIZE_PX)


# --- Batches ---


def test_every_epoch_is_a_permutation_and_no_two_are_alike() -> None:
    pairs, settings = numbered_pairs(12), chosen()
    orders = [order(pairs, settings, epoch) for epoch in range(5)]
    assert all(sorted(one) == list(range(12)) for one in orders)
    assert len({tuple(one) for one in orders}) == 5
    assert orders[2] == order(pairs, settings, 2)
    assert orders[2] != order(pairs, chosen("training.seed=1"), 2)


def test_what_is_left_over_changes_from_epoch_to_epoch() -> None:
    pairs, settings = numbered_pairs(7), chosen("batch_size=3")
    assert steps_per_epoch(pairs, settings.training) == 2
    left_over = {frozenset(range(7)) - set(order(pairs, settings, epoch)) for epoch in range(20)}
    assert len(left_over) >= 5


def test_batches_are_signed_pairs() -> None:
    pairs, settings = numbered_pairs(4), chosen("batch_size=2", "mask_channels=3")
    for batch in batches(pairs, settings, epoch=0):
        assert batch.masks.shape == batch.photographs.shape == (2, 3, SIZE_PX, SIZE_PX)
        assert batch.masks.dtype == batch.photographs.dtype == torch.float32
        assert set(batch.masks.unique().tolist()) == {-1.0, 1.0}
    plain = Settings().with_overrides(["size_px=32", "depth=5", "mask_channels=1"])
    for batch in batches(pairs, plain, epoch=0):
        index = numbers(batch)[0]
        expected = torch.from_numpy(np.where(pairs.labels[index, ..., 0], 1.0, -1.0)).float()
        assert torch.equal(batch.masks, expected[None, None])
        photograph = torch.from_numpy(pairs.photographs[index].astype(np.float32) / 127.5 - 1).permute(2, 0, 1)
        torch.testing.assert_close(batch.photographs, photograph[None])


def test_augmentation_differs_from_epoch_to_epoch_and_is_replayed() -> None:
    pairs = numbered_pairs(1)
    first, second = ([batch.masks for batch in batches(pairs, chosen(), epoch=epoch)] for epoch in (0, 1))
    assert not torch.equal(first[0], second[0])
    assert torch.equal(first[0], next(batches(pairs, chosen(), epoch=0)).masks)


def test_augmentation_moves_mask_and_photograph_together() -> None:
    masks = numbered_pairs(6).labels[..., 0]
    painted = np.repeat(np.where(masks, np.uint8(255), np.uint8(0))[..., None], 3, axis=3)
    names = tuple("abcdef")
    pairs = Pairs(names, names, painted, masks[..., None], painted.mean(axis=0, dtype=np.float32), fingerprint="")
    flips = Settings().with_overrides(["size_px=32", "depth=5", "flip=true"])
    for batch in batches(pairs, flips, epoch=0):
        assert torch.equal(batch.masks, batch.photographs)


@pytest.mark.parametrize("first_step", [0, 1, 3, 5, 6])
def test_an_epoch_resumed_in_the_middle_is_the_rest_of_it(first_step: int) -> None:
    pairs, settings = numbered_pairs(12), chosen("batch_size=2")
    whole = list(batches(pairs, settings, epoch=3))
    assert len(whole) == 6
    assert_equal(list(batches(pairs, settings, epoch=3, first_step=first_step)), whole[first_step:])


def test_two_processes_share_an_epoch_exactly() -> None:
    pairs, two = numbered_pairs(11), chosen("batch_size=2", "devices=2")
    assert steps_per_epoch(pairs, two.training) == 2
    first, second = (list(batches(pairs, two, epoch=1, process=process)) for process in (0, 1))
    seen = [number for batch in (*first, *second) for number in numbers(batch)]
    assert len(set(seen)) == len(seen) == 8
    # Together they see what one process would with batches of four, augmentation included.
    together = [
        Batch(torch.cat([one.masks, other.masks]), torch.cat([one.photographs, other.photographs]))
        for one, other in zip(first, second, strict=True)
    ]
    assert_equal(together, list(batches(pairs, chosen("batch_size=4"), epoch=1)))


def test_batches_can_be_left_in_the_middle() -> None:
    taken = batches(numbered_pairs(8), chosen(), epoch=0)
    next(taken)
    taken.close()  # the thread that decodes ahead ends with it
    assert list(taken) == []


@pytest.mark.parametrize(("batch_size", "devices"), [(6, 1), (3, 2)])
def test_too_few_pairs_for_a_step_are_refused(batch_size: int, devices: int) -> None:
    settings = chosen(f"batch_size={batch_size}", f"devices={devices}")
    with pytest.raises(SettingError, match=r"One step takes 6 pairs .*but there are 5.*smaller training\.batch_size"):
        steps_per_epoch(numbered_pairs(5), settings.training)
    with pytest.raises(SettingError, match="One step takes 6 pairs"):
        next(batches(numbered_pairs(5), settings, epoch=0))
    assert steps_per_epoch(numbered_pairs(6), settings.training) == 1


# --- The expected appearance ---


def test_at_the_expected_appearance_the_eye_turns_not_the_camera() -> None:
    vignette = np.linspace(40, 90, SIZE_PX, dtype=np.float32)[:, None, None] + np.zeros((1, SIZE_PX, 3), np.float32)
    masks = np.stack([tiny_mask(seed, SIZE_PX, SIZE_PX) for seed in range(6)])
    # Each photograph is the camera's illumination, darker by 30 where there are vessels.
    photographs = (vignette - 30 * masks[..., None]).astype(np.uint8)
    pairs = Pairs(*[tuple("abcdef")] * 2, photographs, masks[..., None], vignette, fingerprint="")
    turned, own = (
        next(
            batches(
                pairs,
                chosen("mask_channels=1", "rotation_deg=180", f"appearance={appearance}", "batch_size=6"),
                epoch=0,
            )
        )
        for appearance in ("expected", "own")
    )
    assert torch.equal(turned.masks, own.masks)
    outside = (turned.masks < 0).expand(6, 3, SIZE_PX, SIZE_PX)
    expected = torch.from_numpy(vignette).permute(2, 0, 1)[None].expand(6, -1, -1, -1)
    levels = (turned.photographs + 1) * 127.5
    assert ((levels - expected)[outside].abs() < 5).float().mean() > 0.9  # but where the edge of a vessel is smoothed
    assert (levels - expected)[~outside].mean() < -15
    assert (((own.photographs + 1) * 127.5 - expected)[outside].abs() < 5).float().mean() < 0.6


def test_both_appearances_are_cached_apart_and_have_one_mean(tmp_path: Path) -> None:
    from retinasynth.anatomy.render.phantom import write_phantom_set

    write_phantom_set(tmp_path / "set", train=4, test=0, size_px=64)
    own, expected = (load_pairs(files_of(tmp_path / "set"), 64, appearance=which) for which in ("own", "expected"))
    assert own.fingerprint != expected.fingerprint
    for pairs in (own, expected):
        np.testing.assert_allclose(pairs.mean, pairs.photographs.mean(axis=0), atol=MOST_SMOOTHED)
    assert np.abs(own.mean - expected.mean).mean() < 1
    colours = [pairs.photographs.mean(axis=(1, 2)).std(axis=0).mean() for pairs in (own, expected)]
    assert colours[1] < 0.3 * colours[0]
