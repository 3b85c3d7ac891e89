import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures import put_chasedb1, put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import DataError, ImageError
from retinasynth.images import mask_as_photograph, write_mask, write_photograph


def put_pairs(folder: Path, photographs: str, masks: str, stems: list[str]) -> Path:
    for seed, stem in enumerate(stems):
        put_photograph(folder / photographs / f"{stem}.png", seed)
        put_mask(folder / masks / f"{stem}.png", seed)
    return folder


def put_kaggle(folder: Path, train: int, test: int) -> Path:
    put_pairs(folder / "Data" / "train", "image", "mask", [str(number) for number in range(train)])
    put_pairs(folder / "Data" / "test", "image", "mask", [str(number) for number in range(test)])
    return folder


def put_side_by_side(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = [tiny_photograph(seed), mask_as_photograph(tiny_mask(seed))]
    write_photograph(path, np.concatenate(halves, axis=1))


def one(folder: Path, name: str) -> EyeFiles:
    return next(files for files in find_eyes(folder).eyes if files.name == name)


# --- Kaggle ---


def test_kaggle_names_the_eye_behind_each_of_its_files(tmp_path: Path) -> None:
    found = find_eyes(put_kaggle(tmp_path, train=12, test=3))
    assert found.layout == "kaggle"
    eyes = {files.name: files.eye for files in found.split("train")}
    assert len(eyes) == 12
    assert eyes["train_0"] == eyes["train_3"] == "train_eye_00"
    assert eyes["train_4"] == "train_eye_01"
    assert eyes["train_10"] == eyes["train_11"] == "train_eye_02"
    assert [files.eye for files in found.split("test")] == ["test_0", "test_1", "test_2"]
    assert all(files.subject == files.eye for files in found.eyes)


def test_kaggle_is_found_from_inside_its_data_folder(tmp_path: Path) -> None:
    put_kaggle(tmp_path, train=4, test=1)
    outside, inside = find_eyes(tmp_path), find_eyes(tmp_path / "Data")
    assert (inside.layout, inside.eyes) == ("kaggle", outside.eyes)


@pytest.mark.parametrize("stems", [["0", "1", "2"], ["1", "2", "3", "4"], ["0", "1", "2", "x"]])
def test_kaggle_groups_by_four_only_where_the_numbers_say_so(tmp_path: Path, stems: list[str]) -> None:
    put_pairs(tmp_path / "train", "image", "mask", stems)
    found = find_eyes(tmp_path)
    assert found.layout == "kaggle"
    assert [files.eye for files in found.eyes] == stems


# --- CHASE_DB1 and HRF ---


def test_chasedb1_as_published_has_its_split_and_its_children(tmp_path: Path) -> None:
    found = find_eyes(put_chasedb1(tmp_path))
    assert found.layout == "chasedb1"
    names = [files.name for files in found.eyes]
    assert names == sorted(names)
    assert [files.name for files in found.split("train")] == names[:20]
    assert [files.name for files in found.split("test")] == names[20:]
    left, right = found.eyes[0], found.eyes[1]
    assert (left.name, left.eye, left.subject) == ("Image_01L", "01L", "01")
    assert (right.name, right.eye, right.subject) == ("Image_01R", "01R", "01")
    assert left.planes == {"vessels": tmp_path / "Image_01L_1stHO.png"}
    assert {files.subject for files in found.split("test")} == {"11", "12", "13", "14"}


def test_chasedb1_never_takes_the_second_observer_for_the_first(tmp_path: Path) -> None:
    (put_chasedb1(tmp_path) / "Image_02R_1stHO.png").unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) without partner: Image_02R\.jpg"):
        find_eyes(tmp_path)


def test_chasedb1_in_plane_folders_keeps_its_split_and_first_observer(tmp_path: Path) -> None:
    for stem in ("Image_03L", "Image_10R", "Image_11L"):
        put_photograph(tmp_path / "images" / f"{stem}.jpg")
        put_mask(tmp_path / "vessels" / f"{stem}_1stHO.png")
        put_mask(tmp_path / "vessels_2nd_observer" / f"{stem}_2ndHO.png")
        put_mask(tmp_path / "fov" / f"{stem}.png")
    found = find_eyes(tmp_path)
    assert found.layout == "planes"
    assert [(files.eye, files.subject, files.split) for files in found.eyes] == [
        ("03L", "03", "train"),
        ("10R", "10", "train"),
        ("11L", "11", "test"),
    ]
    assert set(found.eyes[0].planes) == {"vessels", "fov"}


def test_hrf_holds_out_numbers_eleven_to_fifteen_of_each_group(tmp_path: Path) -> None:
    for group in ("h", "g", "dr"):
        for number in range(1, 16):
            put_photograph(tmp_path / "images" / f"{number:02d}_{group}.jpg", height=16, width=24)
            put_mask(tmp_path / "fov" / f"{number:02d}_{group}.png", height=16, width=24)
    found = find_eyes(tmp_path)
    assert (len(found.split("train")), len(found.split("test"))) == (30, 15)
    assert {files.name[:2] for files in found.split("test")} == {"11", "12", "13", "14", "15"}
    assert len({files.subject for files in found.eyes}) == 45


# --- Plane folders, two folders, side by side, photographs ---


def test_plane_folders_in_train_and_test_keep_absent_planes_unknown(tmp_path: Path) -> None:
    for split, stem in (("train", "A_1"), ("train", "A_2"), ("test", "A_3")):
        put_photograph(tmp_path / split / "images" / f"{stem}.jpg")
        put_mask(tmp_path / split / "disc" / f"{stem}_OD.png")
        put_mask(tmp_path / split / "unknown_things" / f"{stem}.png")
    put_mask(tmp_path / "train" / "hard_exudates" / "A_2.png")
    found = find_eyes(tmp_path)
    assert (found.layout, found.unpaired) == ("planes", ())
    assert {files.name: (set(files.planes), files.split) for files in found.eyes} == {
        "A_1": ({"disc"}, "train"),
        "A_2": ({"disc", "hard_exudates"}, "train"),
        "A_3": ({"disc"}, "test"),
    }


def test_a_synthetic_set_is_read(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "vessels", [f"eye_{number:06d}" for number in range(5)])
    (tmp_path / "manifest.jsonl").write_text("{}\n")
    found = find_eyes(tmp_path)
    assert (found.layout, len(found.eyes), len(found.split("test"))) == ("planes", 5, 1)


@pytest.mark.parametrize("where", [".", "photos", "Original"])
@pytest.mark.parametrize("plane", ["vessels", "disc"])
def test_photographs_beside_planes_are_not_lost(tmp_path: Path, where: str, plane: str) -> None:
    put_photograph(tmp_path / where / "a.jpg")
    put_mask(tmp_path / plane / "a.png")
    found = find_eyes(tmp_path)
    assert found.layout == "planes"
    assert [(files.photograph, set(files.planes)) for files in found.eyes] == [(tmp_path / where / "a.jpg", {plane})]


def test_label_maps_without_photographs(tmp_path: Path) -> None:
    put_mask(tmp_path / "vessels" / "7_vessels.png", seed=7)
    put_mask(tmp_path / "disc" / "7_mask.png", seed=8)
    put_mask(tmp_path / "vessels" / "9.png", seed=9)
    found = find_eyes(tmp_path)
    assert [(files.name, files.photograph, set(files.planes)) for files in found.eyes] == [
        ("7", None, {"vessels", "disc"}),
        ("9", None, {"vessels"}),
    ]
    eye = read_eye(found.eyes[0])
    assert eye.photograph is None
    np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(7))
    np.testing.assert_array_equal(eye.planes["disc"], tiny_mask(8))


@pytest.mark.parametrize(
    ("photographs", "masks"),
    [
        ("images", "masks"),
        ("image", "mask"),
        ("Original", "Ground truth"),
        ("images", "1st_manual"),
        ("images", "manual1"),
        ("photos", "vessel"),
        ("fundus", "labels"),
        ("img", "annotations"),
    ],
)
def test_two_folders_under_their_usual_names(tmp_path: Path, photographs: str, masks: str) -> None:
    found = find_eyes(put_pairs(tmp_path, photographs, masks, ["a", "b"]))
    assert found.layout == "two folders"
    assert [(files.photograph, files.planes) for files in found.eyes] == [
        (tmp_path / photographs / f"{stem}.png", {"vessels": tmp_path / masks / f"{stem}.png"}) for stem in "ab"
    ]


def test_two_folders_match_after_removing_endings(tmp_path: Path) -> None:
    put_photograph(tmp_path / "training" / "images" / "21_training.tif")
    put_mask(tmp_path / "training" / "1st_manual" / "21_manual1.gif", seed=21)
    put_photograph(tmp_path / "testing" / "images" / "01_TEST.tif")
    put_mask(tmp_path / "testing" / "1st_manual" / "01_manual1.gif", seed=1)
    found = find_eyes(tmp_path)
    assert found.layout == "two folders"
    assert [(files.name, files.planes["vessels"].name, files.split) for files in found.eyes] == [
        ("01_TEST", "01_manual1.gif", "test"),
        ("21_training", "21_manual1.gif", "train"),
    ]
    np.testing.assert_array_equal(read_eye(found.eyes[1]).planes["vessels"], tiny_mask(21))


def test_the_field_of_view_is_not_taken_for_missing_vessels(tmp_path: Path) -> None:
    put_pairs(tmp_path / "training", "images", "1st_manual", ["21"])
    put_pairs(tmp_path / "test", "images", "mask", ["01"])
    found = find_eyes(tmp_path)
    assert [(files.name, set(files.planes)) for files in found.eyes] == [("01", {"fov"}), ("21", {"vessels"})]


def test_planes_beside_two_folders_are_not_lost(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["a", "b"])
    put_mask(tmp_path / "fov" / "a.png")
    assert set(one(tmp_path, "a").planes) == {"vessels", "fov"}
    assert set(one(tmp_path, "b").planes) == {"vessels"}


def test_whole_stems_match_before_stems_without_endings(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["p", "p_test"])
    assert {files.name: files.planes["vessels"].stem for files in find_eyes(tmp_path).eyes} == {
        "p": "p",
        "p_test": "p_test",
    }


def test_a_mask_that_fits_two_photographs_is_not_given_to_either(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["p_test", "p_training"])
    extra = put_mask(tmp_path / "masks" / "p_mask.png")
    assert find_eyes(tmp_path, allow_unpaired=True).unpaired == (extra,)
    (tmp_path / "masks" / "p_test.png").unlink()
    assert set(find_eyes(tmp_path, allow_unpaired=True).unpaired) == {extra, tmp_path / "images" / "p_test.png"}


def test_the_first_observer_is_preferred_to_the_second(tmp_path: Path) -> None:
    put_photograph(tmp_path / "images" / "1.png")
    put_photograph(tmp_path / "images" / "2.png")
    for name in ("1_2ndHO.png", "1_manual1.png", "2_manual2.png"):
        put_mask(tmp_path / "masks" / name)
    chosen = {files.name: files.planes["vessels"].name for files in find_eyes(tmp_path).eyes}
    assert chosen == {"1": "1_manual1.png", "2": "2_manual2.png"}


@pytest.mark.parametrize("sides", [("",), ("train", "test")])
def test_side_by_side_pictures_are_cut_in_the_middle(tmp_path: Path, sides: tuple[str, ...]) -> None:
    for seed, side in enumerate(sides):
        put_side_by_side(tmp_path / side / f"{seed}.png", seed)
    found = find_eyes(tmp_path)
    assert found.layout == "side by side"
    assert [files.split for files in found.eyes] == (["train"] if len(sides) == 1 else ["train", "test"])
    for seed, files in enumerate(found.eyes):
        assert files.side_by_side
        assert files.photograph == files.planes["vessels"]
        eye = read_eye(files)
        np.testing.assert_array_equal(eye.photograph, tiny_photograph(seed))
        np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(seed))


def test_wide_photographs_are_not_taken_for_side_by_side_pictures(tmp_path: Path) -> None:
    put_photograph(tmp_path / "a.png", height=32, width=64)
    assert find_eyes(tmp_path).layout == "photographs"


def test_one_picture_of_another_shape_is_enough_to_be_photographs(tmp_path: Path) -> None:
    put_side_by_side(tmp_path / "a.png", 0)
    put_photograph(tmp_path / "b.png", height=32, width=40)
    assert find_eyes(tmp_path).layout == "photographs"


def test_a_damaged_file_does_not_hide_the_side_by_side_layout(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"not a picture")
    put_side_by_side(tmp_path / "1.png", 1)
    assert find_eyes(tmp_path).layout == "side by side"
    with pytest.raises(ImageError, match=r"0\.png"):
        read_eye(one(tmp_path, "0"))


@pytest.mark.parametrize("where", [".", "images", "photos"])
def test_photographs_alone(tmp_path: Path, where: str) -> None:
    put_photograph(tmp_path / where / "x.jpg")
    found = find_eyes(tmp_path)
    assert found.layout == "photographs"
    assert [(files.name, files.photograph, files.planes) for files in found.eyes] == [
        ("x", tmp_path / where / "x.jpg", {})
    ]


def test_the_same_name_in_train_and_test_is_told_apart(tmp_path: Path) -> None:
    for side in ("train", "test"):
        put_photograph(tmp_path / side / "images" / "001.jpg")
    found = find_eyes(tmp_path)
    assert [(files.name, files.eye, files.subject, files.split) for files in found.eyes] == [
        ("test_001", "test_001", "test_001", "test"),
        ("train_001", "train_001", "train_001", "train"),
    ]


def test_other_files_are_ignored(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["a"])
    for name in ("Thumbs.db", "notes.txt", "table.csv", "._a.png", ".hidden.png"):
        (tmp_path / "images" / name).write_bytes(b"x")
    (tmp_path / "images" / "folder.png").mkdir()
    assert [files.name for files in find_eyes(tmp_path).eyes] == ["a"]


def test_links_are_followed_and_those_that_lead_nowhere_ignored(tmp_path: Path) -> None:
    put_pairs(tmp_path / "elsewhere", "images", "masks", ["a", "b"])
    for folder in ("images", "masks"):
        (tmp_path / "set" / folder).mkdir(parents=True)
        (tmp_path / "set" / folder / "a.png").symlink_to(tmp_path / "elsewhere" / folder / "a.png")
        (tmp_path / "set" / folder / "lost.png").symlink_to("nowhere")
    (tmp_path / "set" / "around").symlink_to("around")
    (tmp_path / "set" / "vessels").symlink_to(tmp_path / "set" / "masks")
    found = find_eyes(tmp_path / "set")
    assert [(files.name, files.planes["vessels"].parent.name) for files in found.eyes] == [("a", "vessels")]


# --- Splits and subjects ---


def test_without_a_split_one_fifth_of_the_subjects_are_test_by_their_hash(tmp_path: Path) -> None:
    stems = [f"p{number}" for number in range(20)]
    put_pairs(tmp_path, "images", "masks", stems)
    by_hash = sorted(stems, key=lambda stem: hashlib.sha256(stem.encode()).hexdigest())
    assert {files.name for files in find_eyes(tmp_path).split("test")} == set(by_hash[:4])


@pytest.mark.parametrize(("subjects", "tests"), [(1, 0), (2, 1), (3, 1), (8, 2)])
def test_the_number_of_test_subjects(tmp_path: Path, subjects: int, tests: int) -> None:
    put_pairs(tmp_path, "images", "masks", [f"p{number}" for number in range(subjects)])
    found = find_eyes(tmp_path)
    assert (len(found.split("train")), len(found.split("test"))) == (subjects - tests, tests)


@settings(deadline=None)  # it writes files
@given(people=st.lists(st.integers(0, 6), min_size=2, max_size=14))
def test_no_subject_is_ever_on_both_sides(tmp_path_factory: pytest.TempPathFactory, people: list[int]) -> None:
    folder = tmp_path_factory.mktemp("set")
    for number in range(len(people)):
        (folder / f"{number}.png").touch()  # the split looks at names alone
    rows = [f"{number},person {person}" for number, person in enumerate(people)]
    (folder / "subjects.csv").write_text("\n".join(["image,subject", *rows]))
    found = find_eyes(folder)
    train, test = ({files.subject for files in found.split(split)} for split in ("train", "test"))
    assert not train & test
    assert bool(test) == (len(set(people)) > 1)


def test_subjects_csv_overrides_subject_eye_and_split(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["a", "b", "c"])
    (tmp_path / "subjects.csv").write_text(
        "\ufeffimage,subject,eye,split,transformation\n"
        "a,ann,ann left,test,none\nb.png,ann,,test,fliplr\nc,bob,,train,\n",
        encoding="utf-8",
    )
    assert [(files.name, files.subject, files.eye, files.split) for files in find_eyes(tmp_path).eyes] == [
        ("a", "ann", "ann left", "test"),
        ("b", "ann", "b", "test"),
        ("c", "bob", "c", "train"),
    ]


def test_spaces_in_cells_of_subjects_csv_count_only_in_names(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["a", "b "])
    (tmp_path / "subjects.csv").write_text("image , subject, split\n a,  ann ,test\nb , bob, train\n")
    assert [(files.name, files.subject, files.split) for files in find_eyes(tmp_path).eyes] == [
        ("a", "ann", "test"),
        ("b ", "bob", "train"),
    ]


def test_an_eye_without_a_split_in_the_table_follows_its_subject(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", [f"p{number}" for number in range(12)])
    rows = [f"p{number},person {number % 6},{'test' if number < 5 else ''}" for number in range(12)]
    (tmp_path / "subjects.csv").write_text("\n".join(["image,subject,split", *rows]))
    # Persons 0 to 4 are test by their first image; person 5 is the only one left to decide about.
    assert {files.subject for files in find_eyes(tmp_path).split("train")} == {"person 5"}
    assert len(find_eyes(tmp_path).split("test")) == 10


def test_subjects_csv_may_name_files_that_are_left_out(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["a", "b"])
    (tmp_path / "masks" / "b.png").unlink()
    (tmp_path / "subjects.csv").write_text("image,subject\na,ann\nb,bob\n")
    assert [files.subject for files in find_eyes(tmp_path, allow_unpaired=True).eyes] == ["ann"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "has the columns"),
        ("picture,subject\na,ann\n", "has the columns picture, subject"),
        ("image,subject,colour\na,ann,red\n", "colour"),
        ("image,subject\nz,ann\n", "image z does not exist"),
        ("image,subject\na,ann\na.png,ann\n", r"a\.png is named twice"),
        ("image,subject\na\n", "a row is incomplete: a"),
        ("image,subject\na,\n", "a row is incomplete: a,"),
        ("image,subject,split\na,ann,middle\n", "image a has the split 'middle'"),
        ("image,subject,split\na,ann,train\nb,ann,test\n", "in train and in test: ann"),
    ],
)
def test_a_wrong_subjects_csv_is_refused(tmp_path: Path, table: str, message: str) -> None:
    put_pairs(tmp_path, "images", "masks", ["a", "b"])
    (tmp_path / "subjects.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        find_eyes(tmp_path)


def test_subjects_csv_that_contradicts_the_folders_is_refused(tmp_path: Path) -> None:
    put_photograph(tmp_path / "train" / "a.png")
    put_photograph(tmp_path / "test" / "b.png")
    (tmp_path / "subjects.csv").write_text("image,subject\na,ann\nb,ann\n")
    with pytest.raises(DataError, match="in train and in test: ann"):
        find_eyes(tmp_path)


def test_subjects_csv_must_say_which_file_it_means(tmp_path: Path) -> None:
    put_photograph(tmp_path / "train" / "a.png")
    put_photograph(tmp_path / "test" / "a.png")
    (tmp_path / "subjects.csv").write_text("image,subject\na,ann\n")
    with pytest.raises(DataError, match=r"image a stands for several.*test_a"):
        find_eyes(tmp_path)


# --- Mistakes ---


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        find_eyes(tmp_path / "nowhere")


def test_a_file_where_a_folder_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a file"):
        find_eyes(put_photograph(tmp_path / "a.png"))


def test_an_empty_folder_and_one_of_other_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures in a known layout and no folders"):
        find_eyes(tmp_path)
    put_photograph(tmp_path / "one" / "two" / "a.png")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="its folders are: one, other"):
        find_eyes(tmp_path)


@pytest.mark.parametrize("depth", [0, 1, 3, 4])
def test_a_set_is_found_inside_folders_that_hold_nothing_else(depth: int, tmp_path: Path) -> None:
    inside = tmp_path.joinpath(*["unpacked"] * depth)
    put_pairs(inside, "images", "masks", ["a", "b"])
    (inside / "subjects.csv").write_text("image,subject,split\na,ann,test\nb,bob,train\n")
    for noise in ("__MACOSX", ".hidden"):
        (tmp_path / noise).mkdir()
    if depth > 3:
        with pytest.raises(DataError, match="no pictures in a known layout"):
            find_eyes(tmp_path)
        return
    found = find_eyes(tmp_path)
    assert (found.folder, found.layout) == (tmp_path, "two folders")
    assert [(files.subject, files.split) for files in found.eyes] == [("ann", "test"), ("bob", "train")]
    (tmp_path / "subjects.csv").write_text("image,subject\na,eve\nb,bob\n")  # the outer one is the user's
    assert {files.subject for files in find_eyes(tmp_path).eyes} == {"eve", "bob"}


def test_pictures_beside_a_folder_keep_it_closed(tmp_path: Path) -> None:
    put_photograph(tmp_path / "a.png")
    put_pairs(tmp_path / "more", "images", "masks", ["b"])
    assert [files.name for files in find_eyes(tmp_path).eyes] == ["a"]


@pytest.mark.parametrize("masks", ["masks", "vessels", "disc"])
def test_names_that_do_not_match_are_shown(tmp_path: Path, masks: str) -> None:
    for number in range(3):
        put_photograph(tmp_path / "images" / f"left{number}.png")
        put_mask(tmp_path / masks / f"right{number}.png")
    with pytest.raises(DataError, match="'left0', 'left1', masks 'right0', 'right1'"):
        find_eyes(tmp_path, allow_unpaired=True)


def test_unpaired_files_are_named_or_left_out(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "masks", ["a", "b"])
    lonely = [put_mask(tmp_path / "masks" / f"m{number}.png") for number in range(4)]
    lonely += [put_photograph(tmp_path / "images" / f"p{number}.png") for number in range(3)]
    with pytest.raises(DataError, match=r"7 file\(s\) without partner: .*m3\.png, .*p0\.png and 2 more"):
        find_eyes(tmp_path)
    found = find_eyes(tmp_path, allow_unpaired=True)
    assert [files.name for files in found.eyes] == ["a", "b"]
    assert set(found.unpaired) == set(lonely)


def test_in_plane_folders_only_a_mask_alone_is_unpaired(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "vessels", ["a"])
    put_photograph(tmp_path / "images" / "b.png")
    assert {files.name: set(files.planes) for files in find_eyes(tmp_path).eyes} == {"a": {"vessels"}, "b": set()}
    put_mask(tmp_path / "vessels" / "c.png")
    with pytest.raises(DataError, match=r"without partner: .*c\.png"):
        find_eyes(tmp_path)


@pytest.mark.parametrize(
    ("masks", "missing"),
    [("masks", "images"), ("masks", "masks"), ("vessels", "images"), ("vessels", "vessels"), ("disc", "images")],
)
def test_an_empty_side_is_not_taken_for_another_layout(tmp_path: Path, masks: str, missing: str) -> None:
    put_pairs(tmp_path, "images", masks, ["a"])
    (tmp_path / missing / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) without partner"):
        find_eyes(tmp_path)
    with pytest.raises(DataError, match="no photograph has a mask"):
        find_eyes(tmp_path, allow_unpaired=True)


@pytest.mark.parametrize("photograph", [True, False])
def test_two_masks_for_one_eye_are_refused(tmp_path: Path, photograph: bool) -> None:
    if photograph:
        put_photograph(tmp_path / "images" / "a.png")
    put_mask(tmp_path / "vessels" / "a.png")
    put_mask(tmp_path / "vessels" / "a_manual1.png")
    with pytest.raises(DataError, match="two masks"):
        find_eyes(tmp_path)


def test_two_photographs_of_one_name_are_refused(tmp_path: Path) -> None:
    put_photograph(tmp_path / "a.png")
    put_photograph(tmp_path / "A.jpg")
    with pytest.raises(DataError, match="the same name"):
        find_eyes(tmp_path)


# --- Reading ---


def test_an_eye_is_read_with_all_its_planes(tmp_path: Path) -> None:
    put_pairs(tmp_path, "images", "vessels", ["a"])
    put_mask(tmp_path / "disc" / "a.png", seed=5)
    eye = read_eye(one(tmp_path, "a"))
    assert eye.name == "a"
    np.testing.assert_array_equal(eye.photograph, tiny_photograph(0))
    np.testing.assert_array_equal(eye.planes["vessels"], tiny_mask(0))
    np.testing.assert_array_equal(eye.planes["disc"], tiny_mask(5))


@pytest.mark.parametrize("plane", ["vessels", "fov", "disc", "haemorrhages"])
def test_only_vessels_and_the_field_of_view_may_not_be_empty(tmp_path: Path, plane: str) -> None:
    put_photograph(tmp_path / "images" / "a.png")
    write_mask(tmp_path / plane / "a.png", np.zeros((32, 32), np.bool_))
    if plane in ("vessels", "fov"):
        with pytest.raises(ImageError, match="all black"):
            read_eye(one(tmp_path, "a"))
    else:
        assert not read_eye(one(tmp_path, "a")).planes[plane].any()


def test_a_mask_of_the_same_shape_is_resized_to_its_photograph(tmp_path: Path) -> None:
    put_photograph(tmp_path / "images" / "a.png", height=50, width=100)
    put_mask(tmp_path / "vessels" / "a.png", height=100, width=202)  # 1 % off
    assert read_eye(one(tmp_path, "a")).planes["vessels"].shape == (50, 100)


def test_eyes_of_different_sizes_and_shapes_are_each_read_at_their_own(tmp_path: Path) -> None:
    sizes = {"a": (32, 32), "b": (40, 64), "c": (99, 33)}
    for name, (height, width) in sizes.items():
        put_photograph(tmp_path / "images" / f"{name}.png", height=height, width=width)
        put_mask(tmp_path / "masks" / f"{name}.png", height=height, width=width)
    assert {files.name: read_eye(files).size for files in find_eyes(tmp_path).eyes} == sizes


def test_folders_that_were_swapped_are_noticed(tmp_path: Path) -> None:
    put_pairs(tmp_path, "masks", "images", ["a"])
    with pytest.raises(ImageError, match=r"masks/a\.png is not binary: .*Expected: a mask, .*swap the two folders"):
        read_eye(one(tmp_path, "a"))


@pytest.mark.parametrize("width", [97, 103])
def test_a_mask_of_another_shape_is_refused_with_both_names_and_sizes(tmp_path: Path, width: int) -> None:
    put_photograph(tmp_path / "images" / "a.png", height=50, width=100)
    put_mask(tmp_path / "vessels" / "a.png", height=50, width=width)
    with pytest.raises(DataError, match=rf"vessels/a\.png is 50 x {width} px, but .*images/a\.png is 50 x 100 px"):
        read_eye(one(tmp_path, "a"))


def side_by_side_files(path: Path) -> EyeFiles:
    return EyeFiles("a", path, {"vessels": path}, "a", "a", "train", side_by_side=True)


def test_a_side_by_side_picture_of_odd_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="33 px wide"):
        read_eye(side_by_side_files(put_photograph(tmp_path / "a.png", height=16, width=33)))


def test_a_side_by_side_picture_without_vessels_is_refused(tmp_path: Path) -> None:
    write_photograph(tmp_path / "a.png", np.pad(tiny_photograph(0), ((0, 0), (0, 32), (0, 0))))
    with pytest.raises(ImageError, match="right half is all black"):
        read_eye(side_by_side_files(tmp_path / "a.png"))
