"""Test eyes that stand in training are found whatever was done to them, and refused unless that is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.inspect import Leak
from retinasynth.data.matching import EyeFiles, Split, alone
from retinasynth.errors import DataError, ImageError
from retinasynth.evaluation import leaks
from retinasynth.evaluation.leaks import find_leaks, refuse_leaks
from retinasynth.images import Photograph, mask_as_photograph, write_photograph

SIZE = 192


@pytest.fixture(scope="module")
def photographs() -> list[Photograph]:
    return [photograph for seed in range(20, 25) if (photograph := phantom_eye(seed, SIZE).photograph) is not None]


def put(folder: Path, split: Split, pictures: dict[str, Photograph]) -> list[EyeFiles]:
    for name, picture in pictures.items():
        write_photograph(folder / split / f"{name}.png", picture)
    return [alone(folder / split / f"{name}.png", split) for name in pictures]


@pytest.fixture
def train(tmp_path: Path, photographs: list[Photograph]) -> list[EyeFiles]:
    return put(tmp_path, "train", dict(zip("abc", photographs, strict=False)))


def found(train: Sequence[EyeFiles], test: Sequence[EyeFiles]) -> list[Leak]:
    return find_leaks(train, test, quiet=True)


ALTERED = {
    "exact": lambda picture: picture,
    "flipped": np.fliplr,
    "turned": lambda picture: np.asarray(Image.fromarray(picture).rotate(71, Image.Resampling.BICUBIC)),
    "cut": lambda picture: picture[24:168, 30:174],
    "recoloured": lambda picture: np.clip(picture * [0.8, 1.1, 1.3], 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_test_eye_that_stands_in_training_is_found(how, tmp_path, train, photographs):
    altered = np.ascontiguousarray(ALTERED[how](photographs[1]))
    test = put(tmp_path, "test", {"x": photographs[3], "y": altered, "z": photographs[4]})
    [leak] = found(train, test)
    assert (leak.train, leak.test, leak.is_mirrored) == ("b", "y", how == "flipped")
    assert leak.correlation is not None
    assert 0.5 < leak.correlation <= 1.001


def test_other_eyes_are_no_leaks_and_no_eyes_have_none(tmp_path, train, photographs):
    test = put(tmp_path, "test", {"x": photographs[3], "z": photographs[4]})
    assert found(train, test) == found([], test) == found(train, []) == []
    assert refuse_leaks(train, test, quiet=True) == ""


def test_people_are_known_by_name_even_without_photographs(tmp_path, train, photographs):
    test = put(tmp_path, "test", {"x": photographs[3], "y": photographs[0]})
    train = [replace(files, subject=f"person {files.name}") for files in train]
    train.append(EyeFiles("d", None, {}, "d", "person d", "train"))
    test = [replace(test[0], subject="person d"), replace(test[1], subject="person a")]
    assert [(leak.train, leak.test, leak.correlation is None) for leak in found(train, test)] == [
        ("a", "y", False),
        ("d", "x", True),
    ]


def test_side_by_side_pictures_are_halved(tmp_path, train, photographs):
    mask = mask_as_photograph(np.eye(SIZE, dtype=bool))
    [files] = put(tmp_path, "test", {"y": np.concatenate([photographs[2], mask], axis=1)})
    side_by_side = replace(files, planes={"vessels": files.photograph}, side_by_side=True)
    assert [(leak.train, leak.test) for leak in found(train, [side_by_side])] == [("c", "y")]


def test_what_was_found_is_kept_until_a_file_changes(tmp_path, train, photographs, monkeypatch):
    test = put(tmp_path, "test", {"y": photographs[2]})
    once = found(train, test)
    monkeypatch.setattr(leaks, "sketch", lambda _: pytest.fail("a photograph was looked at again"))
    assert found(train, test) == once != []
    monkeypatch.undo()
    put(tmp_path, "test", {"y": photographs[4]})
    assert found(train, test) == []


def test_leaks_are_refused_with_what_to_do_or_mark_the_report(tmp_path, train, photographs):
    test = put(tmp_path, "test", {"x": photographs[3], "y": np.ascontiguousarray(np.flipud(photographs[1]))})
    with pytest.raises(DataError) as refused:
        refuse_leaks(train, test, quiet=True)
    assert "1 of 2 test eyes stand in training too: b (train) = y (test), mirrored" in str(refused.value)
    for what in ("data inspect", "subjects.csv", "`allow_leaks`"):
        assert what in refused.value.do
    sentence = refuse_leaks(train, test, allow=True, quiet=True)
    assert sentence.startswith("NOT A TEST OF UNSEEN EYES: 1 of 2 test eyes")
    assert "b (train) = y (test)" in sentence


def test_a_damaged_photograph_is_an_error_and_leaves_nothing_in_the_cache(tmp_path, train, photographs):
    test = put(tmp_path, "test", {"y": photographs[2]})
    whole = test[0].photograph.read_bytes()
    test[0].photograph.write_bytes(whole[:-300])
    with pytest.raises(ImageError, match="cut short"):
        found(train, test)
    test[0].photograph.write_bytes(whole)
    assert len(found(train, test)) == 1
