"""Both eyes of a person are told from their names, and stay on one side of the split."""

import csv
from pathlib import Path

import pytest

from pictures import put_mask, put_photograph
from retinasynth.data.find import DataSet, find_eyes
from retinasynth.data.inspect import inspect_data
from retinasynth.data.people import told_by_names
from retinasynth.errors import DataError, OutputError

CONVENTIONS = {
    "10_left 10_right 11_left 11_right": "10 10 11 11",
    "P3_OD P3_OS P4_OD P4_OS": "P3 P3 P4 P4",
    "P3-OD P3-OS": "P3 P3",
    "RET001OD RET001OS RET002OD RET002OS": "RET001 RET001 RET002 RET002",
    "eye_L eye_R": "eye eye",
    "03L 03R": "03 03",
    "left_7 right_7 left_8 right_8": "7 7 8 8",
    "P1_l1 P1_l2 P1_r1": "P1 P1 P1",
    "image_left_3 image_right_3 image_left_4 image_right_4": "image_3 image_3 image_4 image_4",
    "a1_OD_20 a1_OS_20 a1_OD_21 a1_OS_21": "a1_20 a1_20 a1_21 a1_21",
    "fundusLeft2 fundusRight2": "fundus_2 fundus_2",
    "LE_5 RE_5": "5 5",
}


@pytest.mark.parametrize("names", CONVENTIONS)
def test_a_subject_is_told_where_both_eyes_are_there(names: str) -> None:
    told = told_by_names(names.split())
    assert [told[name].subject for name in names.split()] == CONVENTIONS[names].split()
    assert {fellow.side for fellow in told.values()} == {"left", "right"}


@pytest.mark.parametrize(
    "names", ["vessel_l a_l b_l", "P3_OD P4_OD", "10_left 11_right", "well weld", "IDRiD_01 IDRiD_01_OD", "left right"]
)
def test_a_name_alone_says_nothing(names: str) -> None:
    assert told_by_names(names.split()) == {}


def put_people(folder: Path, stems: list[str], *, mask: str = "{}", first: int = 0) -> Path:
    for seed, stem in enumerate(stems, start=first):
        put_photograph(folder / "images" / f"{stem}.png", seed)
        put_mask(folder / "masks" / f"{mask.format(stem)}.png", seed)
    return folder


def sides(found: DataSet) -> list[set[str]]:
    subjects = {files.subject for files in found.eyes}
    return [{files.split for files in found.eyes if files.subject == subject} for subject in subjects]


@pytest.mark.parametrize("names", ["{}_left {}_right", "P{}_OD P{}_OS", "RET{}OD RET{}OS", "{}_l1 {}_r1"])
def test_two_eyes_of_a_person_never_cross_the_split(names: str, tmp_path: Path) -> None:
    found = find_eyes(put_people(tmp_path, [name.format(n) for n in range(10, 20) for name in names.split()]))
    assert len(found.split("test")) == 4
    assert len({files.eye for files in found.eyes}) == 20
    assert [len(own) for own in sides(found)] == [1] * 10


def test_right_eyes_have_their_masks_where_left_ones_are_there(tmp_path: Path) -> None:
    found = find_eyes(put_people(tmp_path, ["P3_OD", "P3_OS"], mask="{}_manual1"))
    assert [files.planes["vessels"].name for files in found.eyes] == ["P3_OD_manual1.png", "P3_OS_manual1.png"]


def test_an_ending_of_discs_is_no_right_eye_and_no_vessels(tmp_path: Path) -> None:
    put_photograph(tmp_path / "images" / "IDRiD_01.png")
    put_mask(tmp_path / "disc" / "IDRiD_01_OD.png")
    assert set(find_eyes(tmp_path).eyes[0].planes) == {"disc"}
    (tmp_path / "disc").rename(tmp_path / "masks")
    with pytest.raises(DataError, match="IDRiD_01_OD"):  # which would be read as vessels
        find_eyes(tmp_path)


def test_discs_of_right_eyes_are_not_those_of_left_ones(tmp_path: Path) -> None:
    for name in ("P3_OD", "P3_OS"):
        put_mask(tmp_path / "disc" / f"{name}.png")
        put_mask(tmp_path / "vessels" / f"{name}.png")
    assert [(files.name, set(files.planes)) for files in find_eyes(tmp_path).eyes] == [
        ("P3_OD", {"disc", "vessels"}),
        ("P3_OS", {"disc", "vessels"}),
    ]


def test_people_are_said_and_a_draft_is_written_that_can_be_corrected(tmp_path: Path) -> None:
    stems = [f"{number}_{side}" for number in (10, 11, 12) for side in ("left", "right")]
    folder, draft = put_people(tmp_path / "set", [*stems, "x"]), tmp_path / "draft.csv"
    report = inspect_data(folder, subjects=draft, quiet=True)
    assert (report.people, report.people_with_both_eyes) == (4, 3)
    assert any("4 people, 3 of them with both eyes, told from names such as 10_left and 10_right" in note
               for note in report.notes)  # fmt: skip
    rows = list(csv.reader(draft.read_text().splitlines()))
    assert rows[:2] == [["image", "subject", "eye"], ["10_left", "10", "10_left"]]
    with pytest.raises(OutputError, match="exists already"):
        inspect_data(folder, subjects=draft, quiet=True)
    (folder / "subjects.csv").write_text(draft.read_text().replace("11_right,11,", "11_right,somebody else,"))
    assert {files.name: files.subject for files in find_eyes(folder).eyes}["11_right"] == "somebody else"


def test_a_person_on_both_sides_of_the_sets_own_split_is_a_problem(tmp_path: Path) -> None:
    put_people(tmp_path / "train", ["10_left", "11_left", "11_right"])
    put_people(tmp_path / "test", ["10_right"], first=50)
    report = inspect_data(tmp_path, quiet=True)
    assert [str(leak) for leak in report.leaks if leak.correlation is None] == [
        "10_left (train) and 10_right (test) of one person"
    ]
    assert any("10_left (train) and 10_right (test)" in problem for problem in report.problems)
