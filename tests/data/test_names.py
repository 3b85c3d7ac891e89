"""Names that mean the same: endings of masks, and accents that Unicode writes in two ways."""

import unicodedata
from pathlib import Path

import pytest

from pictures import put_mask, put_photograph
from retinasynth.data.find import find_eyes
from retinasynth.data.matching import counterparts, names_of_masks
from retinasynth.errors import DataError
from retinasynth.evaluation.subjects import evaluate_folders
from retinasynth.generation.folder import find_masks

NFC, NFD = (unicodedata.normalize(form, "Müller é") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("ending", ["_1stHO", "_manual1", "_mask", ".ah", "_vessels", ""])
def test_masks_have_the_names_of_their_photographs(ending: str, tmp_path: Path) -> None:
    for stem in ("a", "b_test"):
        put_mask(tmp_path / f"{stem}{ending}.png")
    assert [files.name for files in find_masks(tmp_path)] == ["a", "b_test"]
    assert find_masks(tmp_path / f"a{ending}.png")[0].name == "a"


def test_masks_that_would_share_a_name_keep_theirs(tmp_path: Path) -> None:
    for stem in ("a_1stHO", "a_2ndHO", "b_1stHO"):
        put_mask(tmp_path / f"{stem}.png")
    assert [files.name for files in find_masks(tmp_path)] == ["a_1stHO", "a_2ndHO", "b_1stHO"]
    assert names_of_masks([Path("_mask.png")]) == ["_mask"]


@pytest.mark.parametrize(("of_photograph", "of_mask"), [(NFC, NFD), (NFD, NFC)])
def test_two_spellings_of_an_accent_are_one_name(of_photograph: str, of_mask: str, tmp_path: Path) -> None:
    put_photograph(tmp_path / "images" / f"{of_photograph} 1.png")
    put_mask(tmp_path / "masks" / f"{of_mask} 1.png")
    put_mask(tmp_path / "disc" / f"{of_mask} 1.png")
    (tmp_path / "subjects.csv").write_text(f"image,subject\n{of_mask} 1,somebody\n", encoding="utf-8")
    [files] = find_eyes(tmp_path).eyes
    assert (files.name, files.subject, set(files.planes)) == (f"{of_photograph} 1", "somebody", {"vessels", "disc"})


def test_two_spellings_of_one_name_are_not_two_photographs(tmp_path: Path) -> None:
    put_photograph(tmp_path / "images" / f"{NFC}.png")
    put_photograph(tmp_path / "images" / f"{NFD}.png")
    with pytest.raises(DataError, match="the same name"):
        find_eyes(tmp_path)


def test_counterparts() -> None:
    assert counterparts([NFD, "b"], [NFC, "c"]) == {NFD: NFC, "b": "b"}
    assert counterparts(["21", "22"], ["21_training", "22_training"]) == {"21": "21_training", "22": "22_training"}
    assert counterparts(["1_mask", "2_mask", "3_mask"], ["1", "2"])["2_mask"] == "2"  # masks of more than was made
    unrelated = {"1": "1", "2": "2", "x": "x"}
    assert counterparts(list(unrelated), ["1_test", "y"]) == unrelated
    assert counterparts(["a_mask", "a_gt"], ["a"]) == {"a_mask": "a_mask", "a_gt": "a_gt"}


def test_pictures_named_after_masks_are_compared_with_their_photographs(tmp_path: Path) -> None:
    for number in range(3):
        put_photograph(tmp_path / "real" / f"{number}.png", seed=number)
        put_photograph(tmp_path / "fake" / f"{number}_1stHO.png", seed=number)
        put_mask(tmp_path / "masks" / f"{number}_1stHO.png", seed=number)
    found = evaluate_folders(
        tmp_path / "real", tmp_path / "fake", tmp_path / "out", masks=tmp_path / "masks", sets=False
    )
    assert [picture.name for picture in found.pictures] == ["0", "1", "2"]
    assert found.measures["mse"].mean == pytest.approx(0)
