"""Folders for validation are used for validation, and a set without test eyes is said before the training."""

import logging
from pathlib import Path

import pytest

from pictures import put_mask, put_photograph
from retinasynth.anatomy.render.phantom import write_phantom_set
from retinasynth.data.export import write_nnunet
from retinasynth.data.find import find_eyes
from retinasynth.data.inspect import inspect_data
from retinasynth.data.prepare import prepare
from retinasynth.errors import DataError
from retinasynth.pix2pix.data import load_training_pairs
from retinasynth.pix2pix.settings import Settings
from retinasynth.segmentation.data import load_sources
from retinasynth.segmentation.settings import SegmentationData


def put_sides(folder: Path, *sides: str, masks: str = "masks") -> Path:
    for place, side in enumerate(sides):
        for number in (2 * place, 2 * place + 1):
            put_photograph(folder / side / "images" / f"{number}.png", number, 64, 64)
            put_mask(folder / side / masks / f"{number}.png", number, 64, 64)
    return folder


def names(folder: Path, split: str) -> list[str]:
    return [files.name for files in find_eyes(folder).eyes if files.split == split]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation Set"])
@pytest.mark.parametrize("masks", ["masks", "vessels", "1st_manual"])
def test_a_folder_for_validation_is_a_side_of_its_own(name: str, masks: str, tmp_path: Path) -> None:
    put_sides(tmp_path, "train", name, "test", masks=masks)
    assert [names(tmp_path, split) for split in ("train", "val", "test")] == [["0", "1"], ["2", "3"], ["4", "5"]]
    assert inspect_data(tmp_path, quiet=True).split["val"] == {"files": 2, "eyes": 2}


def test_kaggles_folders_with_validation(tmp_path: Path) -> None:
    for side in ("train", "val"):
        put_photograph(tmp_path / side / "image" / "0.png")
        put_mask(tmp_path / side / "mask" / "0.png")
    assert [(files.name, files.split) for files in find_eyes(tmp_path).eyes] == [
        ("train_0", "train"),
        ("val_0", "val"),
    ]


def test_validation_beside_pictures_is_but_another_folder(tmp_path: Path) -> None:
    put_sides(tmp_path, ".", "val")
    assert names(tmp_path, "val") == []
    assert len(find_eyes(tmp_path).eyes) == 2


def test_the_users_table_may_name_validation(tmp_path: Path) -> None:
    put_sides(tmp_path, ".")
    (tmp_path / "subjects.csv").write_text("image,subject,split\n0,a,valid\n1,b,train\n")
    assert (names(tmp_path, "val"), names(tmp_path, "train")) == (["0"], ["1"])
    (tmp_path / "subjects.csv").write_text("image,subject,split\n0,a,val\n1,a,train\n")
    with pytest.raises(DataError, match="in train and in val: a"):
        find_eyes(tmp_path)
    (tmp_path / "subjects.csv").write_text("image,subject,split\n0,a,dev\n")
    with pytest.raises(DataError, match="has the split 'dev'"):
        find_eyes(tmp_path)


def test_a_retina_in_training_and_validation_is_a_leak(tmp_path: Path) -> None:
    write_phantom_set(tmp_path / "one", train=2, test=1, size_px=192)
    (tmp_path / "one" / "test").rename(tmp_path / "one" / "val")
    copied = (tmp_path / "one" / "train" / "images" / "phantom_000.png").read_bytes()
    (tmp_path / "one" / "val" / "images" / "phantom_002.png").write_bytes(copied)
    assert [str(leak) for leak in inspect_data(tmp_path / "one", quiet=True).leaks] == [
        "phantom_000 (train) = phantom_002 (val)"
    ]


def test_validation_goes_where_it_belongs(tmp_path: Path) -> None:
    folder = put_sides(tmp_path / "set", "train", "val", "test", masks="vessels")
    sources = load_sources(SegmentationData(folders=[str(folder)], planes=["vessels"], field_px=64, grown=0))
    assert [files.name for files in sources.validation] == ["2", "3"]
    assert [files.name for eyes in sources.real for files in eyes.files] == ["0", "1"]  # none is held out
    settings = Settings.from_preset("source").with_overrides(
        [f"data.folder={folder}", "size_px=32", "generator.depth=3", "training.batch_size=1"]
    )
    pairs = load_training_pairs(settings)
    assert pairs.test is not None
    assert (pairs.train.names, pairs.test.names) == (("0", "1"), ("2", "3"))
    made = prepare(folder, tmp_path / "out", size_px=32)
    assert [files.name for files in made.split("val")] == ["2", "3"]
    assert write_nnunet(folder, tmp_path / "Dataset001_X") == (4, 2)


def test_a_set_without_test_eyes_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="retinasynth"):
        find_eyes(put_sides(tmp_path / "with", "train", "test")).warn_if_untested()
        assert not caplog.messages
        find_eyes(put_sides(tmp_path / "without", "train", "val")).warn_if_untested()
    assert "without has no test eyes" in caplog.messages[0]
