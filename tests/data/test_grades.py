from pathlib import Path

import pytest

from pictures import put_mask, put_photograph
from published import put_idrid
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.grades import hides_lesions
from retinasynth.errors import DataError
from retinasynth.eye.eye import LESIONS


def graded(folder: Path, table: str, text: str) -> Path:
    for side in ("train", "test"):
        for number in (1, 2):
            put_photograph(folder / side / "images" / f"eye_{number}.png", seed=number)
    put_mask(folder / "train" / "hard_exudates" / "eye_1.png", 1)
    (folder / table).write_text(text)
    return folder


def test_idrid_as_published_has_its_grades(tmp_path):
    eyes = {
        (files.split, files.name[-3:]): files for files in find_eyes(put_idrid(tmp_path) / "B. Disease Grading").eyes
    }
    grades = {place: files.grade for place, files in eyes.items()}
    assert [grades["train", f"{number:03d}"] for number in range(1, 5)] == [0, 2, 1, 4]
    assert [grades["test", f"{number:03d}"] for number in range(1, 4)] == [3, 0, 0]
    assert all(files.grade is None for files in find_eyes(tmp_path).eyes)  # of the part on segmentation


def test_an_eye_of_grade_0_is_known_to_have_no_lesions(tmp_path):
    rows = "image,retinopathy_grade,macular_edema_risk\neye_1,0,0\neye_2.png,3,1\n"
    found = {(one.split, one.grade): one for one in find_eyes(graded(tmp_path, "train/grades.csv", rows)).eyes}
    healthy, ill = found["train", 0], found["train", 3]
    assert healthy.has(LESIONS)
    planes = read_eye(healthy).planes
    assert planes["hard_exudates"].any()  # what was drawn stays
    assert not any(planes[name].any() for name in LESIONS if name != "hard_exudates")
    assert not ill.has(["haemorrhages"])
    assert not found["test", None].empty_planes


def test_the_lesions_of_an_ill_eye_are_hidden_until_all_kinds_are_drawn(tmp_path):
    folder = graded(tmp_path, "train/grades.csv", "image,retinopathy_grade\neye_1,2\neye_2,1\n")
    hidden = {one.grade: hides_lesions(one) for one in find_eyes(folder).split("train")}
    assert hidden == {2: True, 1: False}  # what a mild one has is not sure to be there
    for plane in LESIONS:
        put_mask(folder / "train" / plane / "eye_1.png", 1)
    assert not any(hides_lesions(one) for one in find_eyes(folder).eyes)


def test_one_table_for_both_sides_and_a_strange_one_beside_it(tmp_path):
    (tmp_path / "notes.csv").write_text("image,colour\neye_1,red\n")
    (tmp_path / "patients.csv").write_bytes("image,name\neye_1,Müller\n".encode("latin-1"))
    (tmp_path / "._grades.csv").write_bytes(b"\0\5\x16\7\xff")  # as macOS leaves them beside every file
    found = find_eyes(graded(tmp_path, "grades.csv", "Image name,Retinopathy grade\neye_1,4\n"))
    assert [files.grade for files in found.eyes] == [4, None, 4, None]


def test_the_healthy_eyes_of_hrf_have_no_lesions(tmp_path):
    for name in ("01_h", "01_g", "01_dr"):
        put_photograph(tmp_path / "images" / f"{name}.jpg", seed=1)
        put_mask(tmp_path / "vessels" / f"{name}.tif", 1)
    grades = {files.name: files.grade for files in find_eyes(tmp_path).eyes}
    assert grades == {"01_h": 0, "01_g": None, "01_dr": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,retinopathy_grade\neye_1,5\n", r"eye_1 has the grade '5'"),
        ("image,retinopathy_grade\neye_1,mild\n", r"eye_1 has the grade 'mild'"),
        ("image,retinopathy_grade\neye_1\n", "cannot be read"),
        ("image,retinopathy_grade\neye_\x00", "cannot be read|has the grade|incomplete"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        find_eyes(graded(tmp_path, "train/grades.csv", text))
