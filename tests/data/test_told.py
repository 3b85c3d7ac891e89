"""Grades and diagnoses as published sets tell them, in tables and in the names of folders."""

from collections import Counter
from pathlib import Path

import pytest

from pictures import put_mask, put_photograph
from retinasynth.data.find import DataSet, find_eyes
from retinasynth.data.inspect import inspect_data
from retinasynth.errors import DataError
from retinasynth.eye.eye import LESIONS
from trees import write_workbook


def put(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        put_photograph(folder / f"{name}.png", seed, 40, 40)
    return folder


def grades(found: DataSet) -> dict[str, int | None]:
    return {files.name: files.grade for files in found.eyes}


def diagnoses(found: DataSet) -> dict[str, str | None]:
    return {files.name: files.diagnosis for files in found.eyes}


# --- Tables ------------------------------------------------------------------------------------------------------


def test_aptos_2019_has_its_grades(tmp_path):
    put(tmp_path / "train_images", "000c1434d8d7", "001639a390f0", "0024cdab0c1e")
    put(tmp_path / "test_images", "0005cfc8afb6")
    (tmp_path / "train.csv").write_text("id_code,diagnosis\n000c1434d8d7,2\n001639a390f0,4\n0024cdab0c1e,0\n")
    (tmp_path / "test.csv").write_text("id_code\n0005cfc8afb6\n")
    found = find_eyes(tmp_path)
    assert list(grades(found).values()) == [None, 2, 4, 0]
    assert [files.has(LESIONS) for files in found.eyes] == [False, False, False, True]
    assert inspect_data(tmp_path).grades == {"train": {"0": 1, "2": 1, "4": 1}}


def test_eyepacs_has_its_grades_and_its_people(tmp_path):
    put(tmp_path / "train", "10_left", "10_right", "13_left", "13_right")
    (tmp_path / "trainLabels.csv").write_text("image,level\n10_left,0\n10_right,1\n13_left,3\n13_right,4\n")
    found = find_eyes(tmp_path)
    assert list(grades(found).values()) == [0, 1, 3, 4]
    assert [files.subject for files in found.eyes] == ["10", "10", "13", "13"]


ODIR = (
    "ID{0}Patient Age{0}Patient Sex{0}Left-Fundus{0}Right-Fundus{0}Left-Diagnostic Keywords{0}"
    "Right-Diagnostic Keywords{0}N{0}D{0}G{0}C{0}A{0}H{0}M{0}O\n"
    "0{0}69{0}Female{0}0_left.jpg{0}0_right.jpg{0}cataract{0}normal fundus{0}0{0}0{0}0{0}1{0}0{0}0{0}0{0}0\n"
    "5{0}50{0}Female{0}5_left.jpg{0}5_right.jpg{0}moderate non proliferative retinopathy\uff0cglaucoma{0}"
    "suspected glaucoma \u2013 early{0}0{0}1{0}1{0}0{0}0{0}0{0}0{0}0\n"
)


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "utf-8"), ("\t", "utf-16")], ids=["comma", "semicolon", "tab"]
)
def test_odir_has_the_diagnosis_of_each_eye_and_its_people(tmp_path, delimiter, encoding):
    put(tmp_path / "Training Images", "0_left", "0_right", "5_left", "5_right")
    (tmp_path / "full_df.csv").write_text(ODIR.format(delimiter), encoding=encoding)
    found = find_eyes(tmp_path)
    assert list(diagnoses(found).values()) == [
        "cataract",
        "normal fundus",
        "moderate non proliferative retinopathy, glaucoma",
        "suspected glaucoma \u2013 early",
    ]
    assert list(grades(found).values()) == [None, 0, None, None]  # words are no grades, but for a normal eye
    assert [(files.subject, files.eye) for files in found.eyes] == [
        (person, f"{person}_{side}") for person in "05" for side in ("left", "right")
    ]
    assert any("full_df.csv: diagnoses are the keywords" in note for note in inspect_data(tmp_path).notes)


def test_the_workbook_of_odir_is_read_as_its_table_is(tmp_path):
    put(tmp_path / "Training Images", "0_left", "0_right", "5_left", "5_right")
    write_workbook(tmp_path / "data.xlsx", [line.split("|") for line in ODIR.format("|").splitlines()])
    found = find_eyes(tmp_path)
    assert [files.diagnosis for files in found.eyes][:2] == ["cataract", "normal fundus"]
    assert [files.subject for files in found.eyes] == ["0", "0", "5", "5"]
    (tmp_path / "data.xlsx").write_bytes(b"?")
    assert {files.diagnosis for files in find_eyes(tmp_path).eyes} == {None}


def test_a_row_of_a_workbook_may_end_early(tmp_path):
    put(tmp_path, "a", "b")
    write_workbook(tmp_path / "grades.xlsx", [["image_id", "adjudicated_dr_grade"], ["a", 3], ["b"]])
    assert list(grades(find_eyes(tmp_path)).values()) == [3, None]


def test_odir_without_keywords_says_nothing_of_an_ill_person(tmp_path):
    put(tmp_path, "0_left", "0_right", "1_left", "1_right")
    (tmp_path / "odir.csv").write_text(
        "ID,Left-Fundus,Right-Fundus,N,D\n0,0_left.jpg,0_right.jpg,0,1\n1,1_left.jpg,1_right.jpg,1,0\n"
    )
    assert list(diagnoses(find_eyes(tmp_path)).values()) == [None, None, "normal", "normal"]


def put_rfmid(folder: Path) -> Path:
    header = "ID,Disease_Risk,DR,ARMD,MH,BRVO\n"
    for outer, inner, table, rows in (
        ("Training_Set", "Training", "Training", ("1,1,1,0,0,1", "2,0,0,0,0,0")),
        ("Evaluation_Set", "Validation", "Validation", ("1,0,0,0,0,0", "2,1,0,0,1,0")),
        ("Test_Set", "Test", "Testing", ("1,1,0,1,0,0", "2,1,0,0,0,0")),
    ):
        place = folder / outer / outer
        put(place / inner, "1", "2")
        (place / f"RFMiD_{table}_Labels.csv").write_text(header + "\n".join(rows) + "\n")
    return folder


def test_rfmid_has_three_sides_each_with_its_own_table(tmp_path):
    found = find_eyes(put_rfmid(tmp_path))
    assert diagnoses(found) == {
        "test_1": "ARMD",
        "test_2": "disease",
        "train_1": "DR, BRVO",
        "train_2": "normal",
        "val_1": "normal",
        "val_2": "MH",
    }
    assert [name for name, grade in grades(found).items() if grade == 0] == ["train_2", "val_1"]
    assert inspect_data(tmp_path).diagnoses["val"] == {"normal": 1, "MH": 1}


@pytest.mark.parametrize(
    ("place", "expected"),
    [("Test_Set/Test_Set", ["ARMD", "disease"]), ("Training_Set/Training_Set", ["DR, BRVO", "normal"])],
)
def test_a_part_of_rfmid_alone_has_its_own_table(tmp_path, place, expected):
    found = find_eyes(put_rfmid(tmp_path) / place)
    assert [files.diagnosis for files in found.eyes] == expected


def test_numbers_are_not_looked_up_in_the_table_of_another_side(tmp_path):
    put(tmp_path / "test", "1")
    put(tmp_path / "train", "x")
    (tmp_path / "RFMiD_Training_Labels.csv").write_text("ID,Disease_Risk,DR\n1,1,1\n")
    assert set(diagnoses(find_eyes(tmp_path)).values()) == {None}


@pytest.mark.parametrize("is_whole", [True, False], ids=["with department", "without"])
def test_messidors_grades_are_no_international_ones(tmp_path, is_whole):
    names = [f"20051020_4380{number}_0100_PP" for number in range(5)]
    put(tmp_path, *names)
    rows = [f"{names[0]}.tif;E;0;0", f"{names[1]}.tif;E;0;2", f"{names[2]}.tif;E;1;0", f"{names[3]}.tif;E;3;1"]
    lines = ["Image name;Ophthalmologic department;Retinopathy grade;Risk of macular edema ", *rows]
    if not is_whole:
        lines = [";".join(cells[:1] + cells[2:]) for cells in (line.split(";") for line in lines)]
    (tmp_path / "Annotation_Base11.csv").write_text("\r\n".join(lines))
    found = find_eyes(tmp_path)
    assert list(grades(found).values()) == [0, None, None, None, None]
    assert list(diagnoses(found).values()) == [*(f"Messidor grade {grade}" for grade in (0, 0, 1, 3)), None]
    assert any("Messidor's grades, 0 to 3, are no international ones" in note for note in found.notes)


def test_adjudicated_grades_of_messidor_2_are_international(tmp_path):
    put(tmp_path / "images", "20051020_43808_0100_PP", "IM000000")
    (tmp_path / "messidor_data.csv").write_text(
        "image_id,adjudicated_dr_grade,adjudicated_dme\n20051020_43808_0100_PP.png,2.0,0.0\nIM000000.png,,\n"
    )
    assert list(grades(find_eyes(tmp_path)).values()) == [2, None]


def test_diagnoses_in_a_table_of_ones_own_may_be_of_windows(tmp_path):
    put(tmp_path / "images", "Müller", "b")
    for name in ("Müller", "b"):
        put_mask(tmp_path / "masks" / f"{name}.png", 1, 40, 40)
    (tmp_path / "mine.csv").write_bytes("image;diagnosis\r\nMüller.png;Papillenödem\r\nb;\r\n".encode("cp1252"))
    (tmp_path / "subjects.csv").write_bytes("image;subject\r\nMüller;Jörg\r\nb;Jörg\r\n".encode("cp1252"))
    found = find_eyes(tmp_path)
    assert diagnoses(found) == {"Müller": "Papillenödem", "b": None}
    assert {files.subject for files in found.eyes} == {"Jörg"}


def test_a_table_that_only_looks_like_one_of_grades_is_left_out_and_said(tmp_path):
    put(tmp_path, "a", "b")
    (tmp_path / "quality.csv").write_text("image,level\na,17\nb,good\n")
    found = find_eyes(tmp_path)
    assert set(grades(found).values()) == {None}
    assert any("image a has the grade '17'" in note and "left out" in note for note in found.notes)
    (tmp_path / "quality.csv").write_text("image,retinopathy grade\na,17\n")
    with pytest.raises(DataError, match="has the grade '17'"):
        find_eyes(tmp_path)


def test_an_old_workbook_is_named_where_a_grade_is_not_known(tmp_path):
    put(tmp_path, "a", "b")
    (tmp_path / "Annotation_Base11.xls").write_bytes(b"?")
    (tmp_path / "~$Annotation_Base11.xls").write_bytes(b"?")
    said = ("Annotation_Base11.xls: workbooks of this kind are not read; save their tables as .xlsx or .csv",)
    assert find_eyes(tmp_path).notes == said
    assert inspect_data(tmp_path, quiet=True).notes[0] == said[0]
    (tmp_path / "grades.csv").write_text("image,level\na,1\n")
    assert find_eyes(tmp_path).notes == said
    (tmp_path / "grades.csv").write_text("image,level\na,1\nb,0\n")
    assert find_eyes(tmp_path).notes == ()


def test_an_old_or_locked_workbook_under_another_suffix_is_named_too(tmp_path):
    put(tmp_path, "a")
    (tmp_path / "locked.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert find_eyes(tmp_path).notes[0].startswith("locked.xlsx: workbooks of this kind are not read")


# --- Folders of classes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", ["{name}", "{split}/{name}", "{name}/{split}", "images/{name}", "{split}/images/{name}"]
)
def test_class_folders_are_diagnoses(tmp_path, spelling):
    for number, split in enumerate(("train", "train", "test")):
        for name in ("glaucoma", "Normal"):
            put(tmp_path / spelling.format(name=name, split=split), f"{name}{number}")
    found = find_eyes(tmp_path)
    assert found.layout == "classes"
    assert Counter(diagnoses(found).values()) == {"glaucoma": 3, "Normal": 3}
    assert set(grades(found).values()) == {None}  # no glaucoma is not no retinopathy
    if "split" in spelling:
        assert {files.name for files in found.split("test")} == {"glaucoma2", "Normal2"}
        report = inspect_data(tmp_path)
        assert report.diagnoses["test"] == {"glaucoma": 1, "Normal": 1}
        assert "The folders Normal, glaucoma are read as diagnoses." in report.notes


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0", "1", "2", "3", "4"], [0, 1, 2, 3, 4]),
        (["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"], [0, 1, 2, 3, 4]),
        (["Mild", "Moderate", "Severe", "Normal"], [None] * 4),  # of which disease?
        (["0", "1"], [None, None]),
    ],
)
def test_only_the_whole_scale_is_one_of_grades(tmp_path, names, expected):
    for number, name in enumerate(names):
        put(tmp_path / name, f"eye{number}")
    found = find_eyes(tmp_path)
    assert list(grades(found).values()) == expected
    assert list(diagnoses(found).values()) == [None if name in "01234" and len(names) > 2 else name for name in names]
    if names == ["0", "1"]:
        assert "not as grades of retinopathy, which are 0 to 4" in found.notes[0]


def test_one_name_in_two_classes_gets_its_class_before_it(tmp_path):
    for name in ("1_normal", "2_cataract"):
        put(tmp_path / name, "a", "b")
    assert list(diagnoses(find_eyes(tmp_path))) == ["1_normal_a", "1_normal_b", "2_cataract_a", "2_cataract_b"]
    (tmp_path / "2_cataract" / "a.jpg").write_bytes((tmp_path / "2_cataract" / "a.png").read_bytes())
    with pytest.raises(DataError, match="have the same name"):
        find_eyes(tmp_path)


def test_the_two_eyes_of_a_person_may_be_of_two_classes(tmp_path):
    put(tmp_path / "glaucoma", "7_left", "8_left")
    put(tmp_path / "normal", "7_right", "8_right")
    assert [files.subject for files in find_eyes(tmp_path).eyes] == ["7", "7", "8", "8"]


def test_folders_of_unknown_names_or_of_masks_are_no_classes(tmp_path):
    put(tmp_path / "camera a", "1", "2")
    put(tmp_path / "camera b", "1", "2")
    with pytest.raises(DataError, match="its folders are: camera a, camera b"):
        find_eyes(tmp_path)
    put(tmp_path / "set" / "glaucoma", "1", "2")
    put_mask(tmp_path / "set" / "drawn" / "1.png", 1, 40, 40)
    with pytest.raises(DataError, match="its folders are: drawn, glaucoma"):
        find_eyes(tmp_path / "set")
