"""Published sets read from faithful copies of their trees: planes, codes, people, split, diagnoses and middles."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retinasynth.data.annotators import read_second, second_annotation
from retinasynth.data.find import DataSet, find_eyes, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.data.matching import EyeFiles
from retinasynth.data.measure import measure_path
from retinasynth.errors import DataError, ImageError
from retinasynth.evaluation.segmentation import evaluate_segmenter
from retinasynth.eye import Eye
from retinasynth.eye.eye import LESIONS
from trees import SIZE, centre, write_tree, write_workbook


def names(found: DataSet, side: str) -> list[str]:
    return [files.name for files in found.eyes if files.split == side]


def one(found: DataSet, name: str) -> EyeFiles:
    return next(files for files in found.eyes if files.name == name)


def told(found: DataSet) -> dict[str, str | None]:
    return {files.name: files.diagnosis for files in found.eyes}


def assert_read(found: DataSet, eyes: dict[str, Eye], *planes: str, least: float = 1.0) -> None:
    """Each eye has these planes and no others but lesions, with at least this Dice against what was drawn."""
    for name, eye in eyes.items():
        read = read_eye(one(found, name))
        assert set(read.planes) - {*LESIONS} == set(planes), name
        for plane in planes:
            drawn, own = eye.planes[plane], read.planes[plane]
            dice = 2 * (drawn & own).sum() / (drawn.sum() + own.sum())
            assert dice >= least, f"{plane} of {name}: {dice:.3f}"


# --- REFUGE ---


def put_refuge(root: Path, *, unpacked: bool = False) -> dict[str, Eye]:
    def inside(archive: str) -> str:
        return f"{archive}/{archive}" if unpacked else archive

    training = "REFUGE-Training400/Training400" if unpacked else "Training400"
    masks = f"{inside('Annotation-Training400')}/Disc_Cup_Masks"
    eyes: dict[str, Eye] = {}
    for seed, (group, letter) in enumerate((("Glaucoma", "g"), ("Non-Glaucoma", "n"))):
        own = {f"{training}/{group}/*.jpg": "photograph", f"{masks}/{group}/*.bmp": "refuge"}
        own[f"{inside('Annotation-Training400')}/Disc_Cup_Fovea_Illustration/{group}/*.jpg"] = "photograph"
        eyes |= write_tree(root, [f"{letter}000{number}" for number in (1, 2)], own, seed=2 * seed)
    truths = inside("REFUGE-Validation400-GT")
    own = {f"{inside('REFUGE-Validation400')}/*.jpg": "photograph", f"{truths}/Disc_Cup_Masks/*.bmp": "refuge"}
    eyes |= write_tree(root, ["V0001", "V0002"], own, seed=4)
    for group, name in (("G", "T0001"), ("N", "T0002")):
        own = {"Test400/*.jpg": "photograph", f"REFUGE-Test-GT/Disc_Cup_Masks/{group}/*.bmp": "refuge"}
        eyes |= write_tree(root, [name], own, seed=6)
    return eyes


@pytest.mark.parametrize("unpacked", [False, True])
def test_refuge_is_read_with_its_three_sides(unpacked: bool, tmp_path: Path) -> None:
    eyes = put_refuge(tmp_path, unpacked=unpacked)
    found = find_eyes(tmp_path)
    assert (found.layout, found.unpaired, len(found.eyes)) == ("refuge", (), 8)
    assert names(found, "train") == ["g0001", "g0002", "n0001", "n0002"]
    assert (names(found, "val"), names(found, "test")) == (["V0001", "V0002"], ["T0001", "T0002"])
    assert {tuple(files.codes.items()) for files in found.eyes} == {(("disc", "refuge"), ("cup", "refuge"))}
    assert_read(found, eyes, "disc", "cup")


def test_refuge_says_glaucoma_by_folder_and_by_table(tmp_path: Path) -> None:
    put_refuge(tmp_path)
    assert told(find_eyes(tmp_path)) == {
        **dict.fromkeys(("g0001", "g0002", "T0001"), "glaucoma"),
        **dict.fromkeys(("n0001", "n0002", "T0002"), "no glaucoma"),
        **dict.fromkeys(("V0001", "V0002")),
    }
    header = ["ID", "ImgName", "Glaucoma Label", "Fovea_X", "Fovea_Y"]
    rows = [[1, "V0001.jpg", 1, 101.5, 90], [2, "V0002.jpg", 0, 95, 92.25]]
    write_workbook(tmp_path / "REFUGE-Validation400-GT" / "Fovea_locations.xlsx", [header, *rows])
    found = find_eyes(tmp_path)
    assert (told(found)["V0001"], told(found)["V0002"]) == ("glaucoma", "no glaucoma")
    assert one(found, "V0002").centres == {"fovea": (95, 92.25)}


def test_the_fovea_of_refuge_is_measured_from(tmp_path: Path) -> None:
    eyes = put_refuge(tmp_path)
    x, y = centre(eyes["g0001"].planes["fovea"])
    (tmp_path / "Annotation-Training400" / "Fovea_location.csv").write_text(
        f"ID,ImgName,Fovea_X,Fovea_Y\n1,g0001.jpg,{x},{y}\n2,g0002.jpg,,\n"
    )
    measured = measure_path(tmp_path)
    disc = np.array(centre(eyes["g0001"].planes["disc"]))
    height = np.ptp(np.flatnonzero(eyes["g0001"].planes["disc"].any(axis=1))) + 1
    expected = np.hypot(*(disc - (x, y))) / height
    assert measured["g0001"].disc_fovea_distance_dd == pytest.approx(expected, rel=1e-6)
    assert measured["g0002"].disc_fovea_distance_dd is None


def test_kaggles_refuge_leaves_its_reduced_copies(tmp_path: Path) -> None:
    eyes: dict[str, Eye] = {}
    for seed, (side, own) in enumerate({"train": ["g0001", "n0001"], "val": ["V0001"], "test": ["T0001"]}.items()):
        files = {f"{side}/Images/*.jpg": "photograph", f"{side}/Masks/*.png": "disc-cup"}
        files |= {f"{side}/Images_{kind}/*.jpg": "photograph" for kind in ("Square", "Cropped")}
        files |= {f"{side}/Masks_{kind}/*.png": "disc-cup" for kind in ("Square", "Cropped")}
        eyes |= write_tree(tmp_path, own, files, seed=3 * seed)
    found = find_eyes(tmp_path)
    assert (found.layout, len(found.eyes), names(found, "val")) == ("refuge", 4, ["V0001"])
    assert {files.planes["disc"].parent.name for files in found.eyes} == {"Masks"}
    assert_read(found, eyes, "disc", "cup")
    index = {"0": {"ImgName": "V0001.jpg", "Label": 1, "Fovea_X": 90.5, "Fovea_Y": 80, "Size_X": SIZE, "Size_Y": SIZE}}
    (tmp_path / "val" / "index.json").write_text(json.dumps(index))
    told_by_index = one(find_eyes(tmp_path), "V0001")
    assert (told_by_index.diagnosis, told_by_index.centres) == ("glaucoma", {"fovea": (90.5, 80)})


# --- PAPILA ---

_CONTOURS = "ExpertsSegmentations/Contours"
PAPILA = {
    "FundusImages/*.jpg": "photograph",
    f"{_CONTOURS}/*_disc_exp1.txt": "outline of disc",
    f"{_CONTOURS}/*_cup_exp1.txt": "outline of cup",
    f"{_CONTOURS}/*_disc_exp2.txt": "outline of cup",
    f"{_CONTOURS}/*_cup_exp2 2.txt": "junk",
    "ExpertsSegmentations/ImagesWithContours/Opht_cont_*.jpg": "photograph",
}
PAPILA_EYES = ["RET002OD", "RET002OS", "RET004OD", "RET004OS", "RET005OD", "RET006OS"]


@pytest.mark.parametrize("top", ["", "PapilaDB-PAPILA-17f8fa7746adb20275b5b6a0d99dc9dfe3007e9f"])
def test_papila_is_read_from_the_first_experts_outlines(top: str, tmp_path: Path) -> None:
    eyes = write_tree(tmp_path / top, PAPILA_EYES, PAPILA)
    found = find_eyes(tmp_path)
    assert (found.layout, found.unpaired) == ("papila", ())
    assert {path.name[-8:] for files in found.eyes for path in files.planes.values()} == {"exp1.txt"}
    assert_read(found, eyes, "disc", "cup", least=0.9)
    subjects = {files.name: files.subject for files in found.eyes}
    assert subjects["RET002OD"] == subjects["RET002OS"] != subjects["RET004OD"] == subjects["RET004OS"]
    assert {one(found, "RET002OD").split} == {one(found, "RET002OS").split}


def test_papilas_second_expert_is_compared_with_the_first(tmp_path: Path) -> None:
    data = tmp_path / "papila"
    eyes = write_tree(data, PAPILA_EYES[:2], PAPILA)
    files = one(find_eyes(data), "RET002OD")
    assert second_annotation(files, "disc") == data / _CONTOURS / "RET002OD_disc_exp2.txt"
    assert second_annotation(files, "cup") is None  # its name is another, and is not guessed
    assert second_annotation(files) is None
    second = read_second(files, "disc", (SIZE, SIZE))
    assert second is not None
    drawn = eyes["RET002OD"].planes["cup"]  # what stands for that expert's disc
    assert 2 * (drawn & second).sum() / (drawn.sum() + second.sum()) > 0.9
    result = evaluate_segmenter("disc-cup", data, tmp_path / "out", split="all")
    firsts, seconds = ([eye.planes[plane] for eye in eyes.values()] for plane in ("disc", "cup"))
    expected = np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(firsts, seconds, strict=True)])
    assert result.second_annotator("disc")["dice"].mean == pytest.approx(expected, abs=0.03)
    assert result.second_annotator("cup") == {}


def test_an_outline_is_read_without_its_photograph(tmp_path: Path) -> None:
    write_tree(tmp_path, PAPILA_EYES[:2], PAPILA)
    files = find_eyes(tmp_path).eyes[0]
    alone = read_eye(replace(files, photograph=None))
    np.testing.assert_array_equal(alone.planes["disc"], read_eye(files).planes["disc"])


def test_the_workbooks_of_papila_say_the_diagnosis(tmp_path: Path) -> None:
    write_tree(tmp_path, PAPILA_EYES, PAPILA)
    top = [[None, "Age", "Gender", "Diagnosis", "Refractive_Defect"], [None, None, None, None, "dioptre_1"], ["ID"]]
    clinical = tmp_path / "ClinicalData"
    write_workbook(clinical / "patient_data_od.xlsx", [*top, ["#002", 47, 0, 2, 0.75], ["#004", 58, 1, 1, None]])
    write_workbook(clinical / "patient_data_os.xlsx", [*top, ["#002", 47, 0, 0, 0.5], ["#006", 60, 0, 1, None]])
    assert told(find_eyes(tmp_path)) == {
        "RET002OD": "glaucoma suspect",
        "RET002OS": "healthy",
        **dict.fromkeys(("RET004OD", "RET006OS"), "glaucoma"),
        **dict.fromkeys(("RET004OS", "RET005OD")),
    }


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 not a zip", b"<xml/>"])
def test_a_damaged_workbook_is_named(content: bytes, tmp_path: Path) -> None:
    write_tree(tmp_path, PAPILA_EYES[:2], PAPILA)
    path = tmp_path / "ClinicalData" / "patient_data_od.xlsx"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"patient_data_od\.xlsx"):
        find_eyes(tmp_path)


OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def test_an_old_workbook_in_place_of_a_table_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, PAPILA_EYES[:2], PAPILA)
    clinical = tmp_path / "ClinicalData"
    clinical.mkdir()
    old = clinical / "patient_data_od.xls"
    old.write_bytes(OLD_WORKBOOK)
    with pytest.raises(
        DataError, match=r"patient_data_od\.xls is a workbook of another kind.*save it as \.xlsx or \.csv"
    ):
        find_eyes(tmp_path)
    rows = [[None, "Age", "Gender", "Diagnosis"], ["ID"], ["#002", 47, 0, 1]]
    write_workbook(clinical / "patient_data_od.xlsx", rows)  # saved anew beside it
    assert told(find_eyes(tmp_path)) == {"RET002OD": "glaucoma", "RET002OS": None}
    old.rename(clinical / "patient_data_os.csv")  # renamed, not saved anew
    with pytest.raises(DataError, match=r"patient_data_os\.csv is a workbook of another kind"):
        find_eyes(tmp_path)


def test_an_old_workbook_with_the_sets_of_origa_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, ["001", "002"], {"Images/*.jpg": "photograph", "Masks/*.png": "disc-cup"})
    (tmp_path / "OrigaList.xls").write_bytes(OLD_WORKBOOK)
    with pytest.raises(DataError, match=r"OrigaList\.xls is a workbook of another kind"):
        find_eyes(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 4\n", "has 2 points"),
        ("1 2\nthree 4\n5 6\n", "has the line 'three 4'"),
        ("1 2 3\n4 5 6\n7 8 9\n", "has the line '1 2 3'"),
        ("5 5\n900 5\n900 700\n", "reaches to x 900, y 700"),
        ("nan 5\n9 5\n9 7\n", "has the line 'nan 5'"),
    ],
)
def test_an_outline_that_is_none_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    write_tree(tmp_path, PAPILA_EYES[:2], PAPILA)
    (tmp_path / _CONTOURS / "RET002OD_disc_exp1.txt").write_text(text)
    found = find_eyes(tmp_path)
    with pytest.raises(ImageError, match=rf"RET002OD_disc_exp1\.txt {message}"):
        read_eye(found.eyes[0])
    assert any(message in problem for problem in inspect_data(tmp_path, quiet=True).problems)


# --- ORIGA and G1020 ---


def copies(*kinds: str) -> dict[str, str]:
    """The same pictures again, reduced and cut out."""
    pictures = {f"Images_{kind}/*.jpg": "photograph" for kind in kinds}
    return pictures | {f"Masks_{kind}/*.png": "disc-cup" for kind in kinds}


def test_origa_is_read_with_its_sets_and_once(tmp_path: Path) -> None:
    files = {"Images/*.jpg": "photograph", "Masks/*.png": "disc-cup", "Semi-automatic-annotations/*.mat": "junk"}
    eyes = write_tree(tmp_path, ["001", "002", "003"], files | copies("Square", "Cropped"))
    (tmp_path / "OrigaList.csv").write_text(
        "Eye,Filename,ExpCDR,Set,Glaucoma\nOD,001.jpg,0.71,A,0\nOS,002.jpg,0.8,B,1\nOD,003.jpg,0.5,A,0\n"
    )
    found = find_eyes(tmp_path)
    assert (found.layout, names(found, "train"), names(found, "test")) == ("origa", ["001", "003"], ["002"])
    assert told(found) == {"001": "no glaucoma", "002": "glaucoma", "003": "no glaucoma"}
    assert_read(found, eyes, "disc", "cup")


ORIGA_LIST = "Eye,Filename,ExpCDR,Set,Glaucoma\nOD,001.jpg,0.71,A,0\nOS,002.jpg,0.8,B,1\n"


@pytest.mark.parametrize(
    "content",
    [
        ORIGA_LIST.replace(",", ";").encode(),
        ORIGA_LIST.replace(",", "\t").encode("utf-16"),
        ORIGA_LIST.replace("OS", "\u0152il").encode("cp1252"),
    ],
    ids=["semicolons", "tabs in UTF-16", "CP1252"],
)
def test_the_table_of_origa_may_have_been_saved_by_a_spreadsheet(content: bytes, tmp_path: Path) -> None:
    write_tree(tmp_path, ["001", "002"], {"Images/*.jpg": "photograph", "Masks/*.png": "disc-cup"})
    (tmp_path / "OrigaList.csv").write_bytes(content)
    found = find_eyes(tmp_path)
    assert (names(found, "train"), names(found, "test")) == (["001"], ["002"])
    assert told(found) == {"001": "no glaucoma", "002": "glaucoma"}


@pytest.mark.parametrize("text", ["", "Eye,Filename,Glaucoma\nOD,001.jpg,0\n", "Image,Set\n001.jpg,A\n"])
def test_a_table_of_origa_that_does_not_say_the_sets_is_refused(text: str, tmp_path: Path) -> None:
    write_tree(tmp_path, ["001", "002"], {"Images/*.jpg": "photograph", "Masks/*.png": "disc-cup"})
    (tmp_path / "OrigaList.csv").write_text(text)
    with pytest.raises(DataError, match=r"OrigaList\.csv has the columns .*Filename and Set"):
        find_eyes(tmp_path)


def test_g1020_has_a_cup_where_one_was_drawn(tmp_path: Path) -> None:
    both = {"Images/*.jpg": "photograph", "Masks/*.png": "disc-cup", "Images/*.json": "annotation"}
    bare = both | {"Masks/*.png": "disc without cup", "Images/*.json": "annotation without cup"}
    more = copies("Square", "Cropped") | {"NerveRemoved_Images/*.jpg": "photograph"}
    eyes = write_tree(tmp_path, ["image_0", "image_3"], both | more)
    without = write_tree(tmp_path, ["image_12"], bare | more, seed=2)
    (tmp_path / "G1020.csv").write_text("imageID,binaryLabels\nimage_0.jpg,0\nimage_3.jpg,1\nimage_12.jpg,1\n")
    found = find_eyes(tmp_path)
    assert (found.layout, len(found.eyes)) == ("g1020", 3)
    assert told(found) == {"image_0": "no glaucoma", "image_3": "glaucoma", "image_12": "glaucoma"}
    assert_read(found, eyes, "disc", "cup")
    assert_read(found, without, "disc")


def test_numbered_photographs_without_the_table_are_no_origa(tmp_path: Path) -> None:
    eyes = write_tree(tmp_path, ["001", "002"], {"Images/*.jpg": "photograph", "Masks/*.png": "vessels"})
    found = find_eyes(tmp_path)
    assert found.layout == "two folders"
    assert_read(found, eyes, "vessels")


# --- DRISHTI-GS ---

DRISHTI = ["drishtiGS_002", "drishtiGS_031"]


def drishti(side: str, truths: str, *, soft: bool = True, photographs: str = "Images") -> dict[str, str]:
    own = f"{side}/{truths}/*"
    files = {
        f"{side}/{photographs}/*.png": "photograph",
        f"{own}/AvgBoundary/*_ODAvgBoundary.txt": "rows of disc",
        f"{own}/AvgBoundary/*_CupAvgBoundary.txt": "rows of cup",
        f"{own}/AvgBoundary/*_diskCenter.txt": "middle of disc",
        f"{own}/*_cdrValues.txt": "junk",
    }
    maps = {f"{own}/SoftMap/*_ODsegSoftmap.png": "soft disc", f"{own}/SoftMap/*_cupsegSoftmap.png": "soft cup"}
    return files | (maps if soft else {})


@pytest.mark.parametrize("top", ["", "Drishti-GS1_files/Drishti-GS1_files/"])
def test_drishti_is_read_where_half_of_the_experts_agree(top: str, tmp_path: Path) -> None:
    eyes = write_tree(tmp_path, DRISHTI, drishti(f"{top}Training", "GT"))
    eyes |= write_tree(tmp_path, ["drishtiGS_001"], drishti(f"{top}Test", "Test_GT"), seed=2)
    found = find_eyes(tmp_path)
    assert (found.layout, names(found, "train"), names(found, "test")) == ("drishti", DRISHTI, ["drishtiGS_001"])
    assert {code for files in found.eyes for code in files.codes.values()} == {"experts"}
    assert_read(found, eyes, "disc", "cup")
    x, y = centre(eyes["drishtiGS_001"].planes["disc"])
    assert one(found, "drishtiGS_001").centres == {"disc": (round(x), round(y))}


def test_drishti_without_soft_maps_is_read_from_its_outlines(tmp_path: Path) -> None:
    eyes = write_tree(tmp_path, DRISHTI, drishti("Training", "GT", soft=False))
    found = find_eyes(tmp_path)
    assert {code for files in found.eyes for code in files.codes.values()} == {"outline-row-column"}
    assert_read(found, eyes, "disc", "cup", least=0.9)


def test_kaggles_drishti_says_the_diagnosis_by_folder(tmp_path: Path) -> None:
    for seed, (name, word) in enumerate(zip(DRISHTI, ("GLAUCOMA", "NORMAL"), strict=True)):
        files = drishti("Training-20211018T055246Z-001/Training", "GT", photographs=f"Images/{word}")
        write_tree(tmp_path, [name], files, seed=seed)
    assert told(find_eyes(tmp_path)) == {DRISHTI[0]: "glaucoma", DRISHTI[1]: "healthy"}


def test_a_report_names_the_folders_of_drishti_once(tmp_path: Path) -> None:
    write_tree(tmp_path, DRISHTI, drishti("Training", "GT"))
    report = inspect_data(tmp_path, quiet=True)
    assert [row["folder"] for row in report.planes] == ["Training/GT/*/SoftMap"]
    assert report.planes[0]["planes"] == ["disc", "cup"]
    assert report.planes[0]["files"] == 4


# --- Arteries and veins ---

KINDS = ("vessels", "arteries", "veins")


@pytest.mark.parametrize("top", ["", "AV_groundTruth"])
def test_rite_is_read_with_its_split(top: str, tmp_path: Path) -> None:
    eyes: dict[str, Eye] = {}
    for seed, (side, own) in enumerate({"training": ["21_training", "22_training"], "test": ["01_test"]}.items()):
        files = {"images/*.tif": "photograph", "av/*.png": "coloured", "vessel/*.png": "vessels"}
        eyes |= write_tree(tmp_path / top / side, own, files, seed=2 * seed)
    found = find_eyes(tmp_path)
    assert (found.layout, names(found, "test")) == ("rite", ["01_test"])
    assert_read(found, eyes, *KINDS)


@pytest.mark.parametrize(
    "drawn",
    [
        {"arteries-and-veins/*.png": "coloured"},
        {"arteries/*.png": "arteries", "veins/*.png": "veins"},
        {"arteries/*.png": "arteries", "veins/*.png": "veins", "arteries-and-veins/*.png": "photograph"},
    ],
)
def test_les_av_is_read_in_its_releases(drawn: dict[str, str], tmp_path: Path) -> None:
    files = {"images/*.png": "photograph", "vessel-segmentations/*.png": "vessels", "masks/*_mask.gif": "fov"}
    eyes = write_tree(tmp_path / "LES-AV", ["111", "274", "275"], files | drawn)
    found = find_eyes(tmp_path)
    assert (found.layout, len({files.subject for files in found.eyes})) == ("les-av", 3)
    assert_read(found, eyes, *KINDS, "fov")


def test_the_workbook_of_les_av_says_the_diagnosis(tmp_path: Path) -> None:
    write_tree(tmp_path, ["111", "274", "275"], {"images/*.png": "photograph", "vessel-segmentations/*.png": "vessels"})
    write_workbook(tmp_path / "Data.xlsx", [["Diagnosis5", "Identifier"], ["Normal", 111], ["POAG", 275]])
    assert told(find_eyes(tmp_path)) == {"111": "healthy", "274": None, "275": "poag"}


@pytest.mark.parametrize("are_groups", [False, True])
def test_hrf_av_adds_arteries_and_veins_to_hrf(are_groups: bool, tmp_path: Path) -> None:
    eyes: dict[str, Eye] = {}
    groups = {"h": "healthy", "g": "glaucoma", "dr": "diabetic_retinopathy"}
    for seed, (letter, group) in enumerate(groups.items()):
        images, vessels, fov = (group, f"{group}_manualsegm", f"{group}_fovmask")
        if not are_groups:
            images, vessels, fov = "images", "manual1", "mask"
        files = {f"{images}/*.jpg": "photograph", f"{vessels}/*.tif": "vessels", f"{fov}/*_mask.tif": "fov"}
        files["HRF_AV_GT/*_AVmanual.png"] = "coloured"
        eyes |= write_tree(tmp_path, [f"01_{letter}", f"11_{letter}"], files, seed=2 * seed)
    found = find_eyes(tmp_path)
    assert (found.layout, names(found, "test")) == ("hrf-av", ["11_dr", "11_g", "11_h"])
    assert told(found)["01_dr"] == "diabetic retinopathy"
    assert_read(found, eyes, *KINDS, "fov")


AVSEG = {"images/*.png": "photograph", "annotation/*.png": "coloured"}
AVSEG_EYES = ["001_G", "002_N", "003_A", "004_D"]


def test_fundus_avseg_is_read_with_its_lists(tmp_path: Path) -> None:
    eyes = write_tree(tmp_path, AVSEG_EYES, AVSEG)
    (tmp_path / "training.txt").write_text("001_G.png\n003_A.png\n004_D.png\n")
    (tmp_path / "testing.txt").write_text("002_N.png\n")
    found = find_eyes(tmp_path)
    assert (found.layout, names(found, "test")) == ("fundus-avseg", ["002_N"])
    words = ("glaucoma", "healthy", "age-related macular degeneration", "diabetic retinopathy")
    assert tuple(told(found).values()) == words
    assert_read(found, eyes, *KINDS)


@pytest.mark.parametrize(
    ("training", "testing", "message"),
    [("001_G.png\n", "002_N.png\n", "2 photographs are in neither list"), ("001_G.png\n", "001_G.png\n", "both name")],
)
def test_lists_that_do_not_fit_are_refused(training: str, testing: str, message: str, tmp_path: Path) -> None:
    write_tree(tmp_path, AVSEG_EYES, AVSEG)
    (tmp_path / "training.txt").write_text(training)
    (tmp_path / "testing.txt").write_text(testing)
    with pytest.raises(DataError, match=message):
        find_eyes(tmp_path)


# --- MAPLES-DR ---

MAPLES = {
    "Vessels": "vessels",
    "OpticDisc": "disc",
    "OpticCup": "cup",
    "Microaneurysms": "black",
    "Hemorrhages": "black",
    "Exudates": "black",
    "CottonWoolSpots": "black",
    "Macula": "disc",
    "Drusens": "black",
    "RedUncertains": "black",
}
MAPLES_EYES = {"train": ["20051019_38557_0100_PP", "20051020_44843_0100_PP"], "test": ["20060411_58550_0200_PP"]}


def put_maples(root: Path, photographs: str = "") -> dict[str, Eye]:
    eyes: dict[str, Eye] = {}
    for seed, (side, own) in enumerate(MAPLES_EYES.items()):
        files = {f"MAPLES-DR/{side}/{folder}/*.png": what for folder, what in MAPLES.items()}
        files |= {f"{photographs}/*.tif": "photograph"} if photographs else {}
        eyes |= write_tree(root, own, files, seed=2 * seed)
    return eyes


@pytest.mark.parametrize("photographs", ["MESSIDOR/Base11", "Messidor/Base12", "images"])
def test_maples_dr_is_laid_on_the_photographs_of_messidor(photographs: str, tmp_path: Path) -> None:
    eyes = put_maples(tmp_path, photographs)
    write_tree(tmp_path, ["20060523_43174_0100_PP"], {f"{photographs}/*.tif": "photograph"}, seed=5)
    found = find_eyes(tmp_path)
    assert (found.layout, len(found.eyes), found.unpaired) == ("maples-dr", 3, ())
    assert (names(found, "train"), names(found, "test")) == (MAPLES_EYES["train"], MAPLES_EYES["test"])
    for name, eye in eyes.items():
        read = read_eye(one(found, name))
        assert set(read.planes) == {"vessels", "disc", "cup", *LESIONS}
        np.testing.assert_array_equal(read.planes["cup"], eye.planes["cup"])
        assert not any(read.planes[plane].any() for plane in LESIONS)


def test_the_tables_of_maples_dr_say_the_grades(tmp_path: Path) -> None:
    put_maples(tmp_path, "MESSIDOR/Base11")
    first, second = MAPLES_EYES["train"]
    tables = {side: tmp_path / "MAPLES-DR" / side / "diagnosis.csv" for side in MAPLES_EYES}
    tables["train"].write_text(f"name,DR,ME\n{first},R4A,M2\n{second},R4S,M0\n")
    tables["test"].write_text(f"name,DR,ME\n{MAPLES_EYES['test'][0]},R0,M0\n")
    found = find_eyes(tmp_path)
    assert [one(found, name).grade for name in (first, second, *MAPLES_EYES["test"])] == [4, None, 0]
    report = inspect_data(tmp_path, quiet=True)
    assert report.grades == {"train": {"4": 1}, "test": {"0": 1}}
    words = ("retinopathy R4A, macular oedema M2", "retinopathy R4S, macular oedema M0")
    assert report.diagnoses == {"train": dict.fromkeys(words, 1), "test": {"retinopathy R0, macular oedema M0": 1}}
    assert any("diagnosis.csv: R0 to R4A are read as the grades 0 to 4" in note for note in report.notes)


@pytest.mark.parametrize("cells", ["R4B,M0", "2,0", "R1,"])
def test_other_grades_of_maples_dr_are_left_out_and_said(cells: str, tmp_path: Path) -> None:
    put_maples(tmp_path, "images")
    name = MAPLES_EYES["train"][0]
    (tmp_path / "MAPLES-DR" / "train" / "diagnosis.csv").write_text(f"name,DR,ME\n{name},{cells}\n")
    found = find_eyes(tmp_path)
    assert {files.grade for files in found.eyes} == {None}
    assert any(f"image {name} has the grades" in note and "R4A, R4S, R6 and M0" in note for note in found.notes)


def test_maples_dr_without_photographs_is_label_maps(tmp_path: Path) -> None:
    put_maples(tmp_path)
    found = find_eyes(tmp_path)
    assert (found.layout, names(found, "test")) == ("maples-dr", MAPLES_EYES["test"])
    assert all(files.photograph is None for files in found.eyes)


# --- IDRiD's localisation ---


def put_localisation(root: Path) -> dict[str, Eye]:
    """Tables as they are published: empty columns and rows at the end, other headings for disc and fovea."""
    part = root / "C. Localization"
    eyes: dict[str, Eye] = {}
    for seed, (side, letter, word) in enumerate((("train", "a", "Training"), ("test", "b", "Testing"))):
        photographs = {f"1. Original Images/{letter}. {word} Set/*.jpg": "photograph"}
        own = write_tree(part, ["IDRiD_001", "IDRiD_002"], photographs, seed=2 * seed)
        eyes |= {f"{side}_{name}": eye for name, eye in own.items()}
        tables = {
            f"1. Optic Disc Center Location/{letter}. IDRiD_OD_Center_{word} Set_Markups.csv": "disc",
            f"2. Fovea Center Location/IDRiD_Fovea_Center_{word} Set_Markups.csv": "fovea",
        }
        for name, plane in tables.items():
            lines = ["Image No,X- Coordinate,Y - Coordinate,,,"]
            for eye in own:
                x, y = centre(own[eye].planes[plane])
                lines.append(f"{eye},{x / SIZE * 4288:.0f},{y / SIZE * 2848:.0f},,,")
            path = part / "2. Groundtruths" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([*lines, ",,,,,", ",,,,,", ""]))
    return eyes


def test_the_localisation_of_idrid_marks_disc_and_fovea(tmp_path: Path) -> None:
    eyes = put_localisation(tmp_path)
    found = find_eyes(tmp_path)
    assert (found.layout, [files.name for files in found.eyes]) == ("idrid", sorted(eyes))
    for name, eye in eyes.items():
        marked = read_eye(one(found, name)).centres
        for plane in ("disc", "fovea"):
            np.testing.assert_allclose(marked[plane], centre(eye.planes[plane]), atol=0.1, err_msg=f"{plane} of {name}")
    assert any("fovea of 4" in note for note in inspect_data(tmp_path, quiet=True).notes)


def test_a_middle_outside_its_photograph_is_a_fault(tmp_path: Path) -> None:
    put_localisation(tmp_path)
    table = next(tmp_path.rglob("IDRiD_Fovea_Center_Testing*.csv"))
    table.write_text("Image No,X- Coordinate,Y - Coordinate\nIDRiD_002,5000,10\n")
    with pytest.raises(ImageError, match=r"IDRiD_002\.jpg: the middle of the fovea"):
        read_eye(one(find_eyes(tmp_path), "test_IDRiD_002"))
    report = inspect_data(tmp_path, quiet=True)
    assert [fault["kind"] for fault in report.faults] == ["fovea outside the picture"]


def test_a_disc_marked_elsewhere_than_its_mask_is_a_fault(tmp_path: Path) -> None:
    write_tree(tmp_path, DRISHTI, drishti("Training", "GT"))
    centre_file = next(tmp_path.rglob("drishtiGS_002_diskCenter.txt"))
    centre_file.write_text("3 4")
    with pytest.raises(ImageError, match="the middle of the disc is said to be at x 4, y 3"):
        read_eye(one(find_eyes(tmp_path), "drishtiGS_002"))


# --- Outlines in folders of planes ---


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_plane_folders_may_hold_outlines(suffix: str, tmp_path: Path) -> None:
    files = {"images/*.png": "photograph", "vessels/*.png": "vessels", "disc/*.png": "disc"}
    eyes = write_tree(tmp_path, ["a", "b"], files | {f"cup/*{suffix}": "outline of cup", f"disc/*{suffix}": "junk"})
    if suffix == ".csv":
        for path in (tmp_path / "cup").iterdir():
            path.write_text("x,y\n" + "\n".join(",".join(line.split()) for line in path.read_text().splitlines()))
    found = find_eyes(tmp_path)
    assert (found.layout, one(found, "a").codes) == ("planes", {"cup": "outline"})
    assert_read(found, eyes, "vessels", "disc", "cup", least=0.9)
    assert [row["code"] for row in inspect_data(tmp_path, quiet=True).planes] == ["outline", "binary", "binary"]


def test_two_outlines_of_one_structure_are_refused(tmp_path: Path) -> None:
    outlines = {"disc/*.txt": "outline of disc", "disc/*.csv": "outline of disc"}
    write_tree(tmp_path, ["a"], {"images/*.png": "photograph", "vessels/*.png": "vessels"} | outlines)
    with pytest.raises(DataError, match=r"a has two outlines: .*a\.txt and .*a\.csv"):
        find_eyes(tmp_path)


def test_an_outline_is_never_said_with_labels(tmp_path: Path) -> None:
    write_tree(tmp_path, ["a"], {"images/*.png": "photograph", "vessels/*.png": "vessels"})
    with pytest.raises(DataError, match="`labels` is 'outline'"):
        find_eyes(tmp_path, labels="outline")


# --- All of them ---


def test_a_folder_of_several_sets_is_not_read_as_one(tmp_path: Path) -> None:
    put_refuge(tmp_path / "REFUGE")
    write_tree(tmp_path / "PAPILA", PAPILA_EYES[:2], PAPILA)
    with pytest.raises(DataError, match="PAPILA, REFUGE"):
        find_eyes(tmp_path)


def test_two_files_of_one_kind_are_refused(tmp_path: Path) -> None:
    put_refuge(tmp_path)
    write_tree(tmp_path, ["g0001"], {"Disc_Cup_Masks/Glaucoma/*.bmp": "refuge"})
    with pytest.raises(DataError, match="g0001 has two files of its disc"):
        find_eyes(tmp_path)


def test_a_label_without_photograph_is_unpaired(tmp_path: Path) -> None:
    put_refuge(tmp_path)
    (tmp_path / "Test400" / "T0002.jpg").unlink()
    with pytest.raises(DataError, match=r"1 file\(s\) without partner: REFUGE-Test-GT/Disc_Cup_Masks/N/T0002\.bmp"):
        find_eyes(tmp_path)
