"""Pseudo-labels, with a segmenter that sees what is painted, so that its answers are known."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from painted import MODELS, seen
from retinasynth.anatomy.render.phantom import phantom_eye, write_phantom_set
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.photographs import photographs_in
from retinasynth.decoding import read_size
from retinasynth.errors import DataError, ImageError, OutputError
from retinasynth.images import read_mask, read_photograph, write_mask, write_photograph
from retinasynth.segmentation import labelling
from retinasynth.segmentation.labelling import label_sets, segment_folder
from retinasynth.segmentation.quality import Quality


@pytest.fixture(autouse=True)
def _painted(monkeypatch):
    monkeypatch.setattr(labelling, "segment", seen)


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> tuple[Path, Path]:
    """A labelled set (3 train, 1 test) and photographs alone, of which one shows a retina of the first, mirrored."""
    folder = tmp_path_factory.mktemp("sets")
    first, second = folder / "first", folder / "second"
    write_phantom_set(first, train=3, test=1, size_px=256, seed=50)
    for seed in (60, 61, 62):
        write_photograph(second / f"photo_{seed}.png", phantom_eye(seed, 256).photograph)
    twin = read_photograph(next((first / "test" / "images").iterdir()))
    write_photograph(second / "twin.png", np.ascontiguousarray(twin[:, ::-1]))
    return first, second


def test_a_useless_photograph_is_rejected_with_what_is_wrong(sets, tmp_path, monkeypatch):
    def useless(photograph, *, models):
        return replace(seen(photograph, models=models), quality=Quality("useless", ("dark", "blurred"), 0.8))

    monkeypatch.setattr(labelling, "segment", useless)
    made = label_sets(MODELS, sets, tmp_path / "set", size_px=200)
    reasons = dict(made.rejected)
    assert reasons["second-photo_60"] == "useless: dark, blurred"
    assert not any(name.startswith("first-") for name in reasons)  # whose vessels a person drew
    assert made.kept == 4


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_sets_become_one_that_the_trainer_reads(sets, tmp_path):
    made = label_sets(MODELS, sets, tmp_path / "set", size_px=200)
    assert made.kept == 7
    assert made.rejected == (("second-twin", "shows the same retina as first-phantom_053"),)
    found = find_eyes(tmp_path / "set")
    assert {eye.name: eye.split for eye in found.eyes if eye.name.startswith("first")} == {
        "first-phantom_050": "train",
        "first-phantom_051": "train",
        "first-phantom_052": "train",
        "first-phantom_053": "test",
    }
    eye = read_eye(next(one for one in found.eyes if one.name == "second-photo_60"))
    assert eye.size == (200, 200)
    assert {"vessels", "disc", "cup", "fov"} <= set(eye.planes)
    assert rows_of(tmp_path / "set" / "rejected.csv") == [
        {"name": "second-twin", "reason": "shows the same retina as first-phantom_053"}
    ]
    assert read_size(tmp_path / "set" / "sheets" / "00.jpg")[1] > 1000


def test_what_people_drew_stays_as_it_is(sets, tmp_path):
    label_sets(MODELS, sets[:1], tmp_path / "set", size_px=256)
    drawn = read_eye(find_eyes(sets[0]).eyes[0])
    kept = read_eye(find_eyes(tmp_path / "set").eyes[0])
    assert (kept.planes["vessels"] == drawn.planes["vessels"]).all()
    line = json.loads((tmp_path / "set" / "manifest.jsonl").read_text().splitlines()[0])
    assert "vessels" in line["drawn"]
    assert "vessels" not in line["confidence"]


def test_arteries_and_veins_are_added_where_they_can_be_told(sets, tmp_path, monkeypatch):
    answers = iter([True, False, True])

    def tell(photograph, vessels, disc, field_of_view):
        assert photograph.shape[:2] == vessels.shape == disc.shape == field_of_view.shape == (128, 128)
        half = np.arange(128) < 64
        return (vessels & half, vessels & ~half) if next(answers) else None

    monkeypatch.setattr(labelling, "tell_arteries", tell)
    shutil.copytree(sets[0], tmp_path / "eyes", ignore=shutil.ignore_patterns("arteries", "veins"))
    vessels = read_mask(tmp_path / "eyes" / "train" / "vessels" / "phantom_051.png")
    arteries = vessels & (np.arange(256) < 128)
    write_mask(tmp_path / "eyes" / "train" / "arteries" / "phantom_051.png", arteries)
    label_sets(MODELS, [tmp_path / "eyes"], tmp_path / "set", size_px=128)
    eyes = {one.name[-2:]: read_eye(one) for one in find_eyes(tmp_path / "set").eyes}
    assert {name: len({"arteries", "veins"} & set(eye.planes)) for name, eye in eyes.items()} == {
        "50": 2,
        "51": 1,  # as it was drawn
        "52": 0,
        "53": 2,
    }
    told = eyes["50"].planes
    np.testing.assert_array_equal(told["arteries"] | told["veins"], told["vessels"])
    lines = [json.loads(line) for line in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()]
    assert [line["told"] for line in lines] == [["arteries", "veins"], [], [], ["arteries", "veins"]]


def test_grades_of_names_with_dots_are_kept(tmp_path):
    for number, seed in enumerate((60, 61)):
        write_photograph(tmp_path / "eyes" / "train" / "images" / f"im.{number}.png", phantom_eye(seed, 256).photograph)
    (tmp_path / "eyes" / "grades.csv").write_text("image,retinopathy grade\nim.0.png,3\nim.1.png,1\n")
    sources = find_eyes(tmp_path / "eyes", allow_unpaired=True).eyes
    assert {eye.name: eye.grade for eye in sources} == {"im.0": 3, "im.1": 1}
    label_sets(MODELS, [tmp_path / "eyes"], tmp_path / "set")
    assert {eye.name: eye.grade for eye in find_eyes(tmp_path / "set").eyes} == {"eyes-im.0": 3, "eyes-im.1": 1}


def test_grades_of_retinopathy_are_kept(sets, tmp_path):
    copy = tmp_path / "first"
    shutil.copytree(sets[0], copy)
    (copy / "grades.csv").write_text("image,retinopathy grade\nphantom_050,2\nphantom_053,0\n")
    label_sets(MODELS, [copy], tmp_path / "set")
    found = {eye.name: eye for eye in find_eyes(tmp_path / "set").eyes}
    assert {name: eye.grade for name, eye in found.items()} == {
        "first-phantom_050": 2,
        "first-phantom_051": None,
        "first-phantom_052": None,
        "first-phantom_053": 0,
    }


def test_doubtful_photographs_are_listed_with_the_reason(tmp_path):
    folder = tmp_path / "photographs"
    for seed in (70, 71, 72, 73):
        picture = np.array(phantom_eye(seed, 256).photograph)
        if seed == 71:
            picture[:] = 0
        if seed == 72:
            picture = np.ascontiguousarray(picture[..., ::-1])
        if seed == 73:
            picture[0, 0] = 9
        write_photograph(folder / f"{seed}.png", picture)
    made = label_sets(MODELS, [folder], tmp_path / "set")
    assert dict(made.rejected) == {
        "photographs-71": "It is black",
        "photographs-72": "No disc: none was found.",
        "photographs-73": "low confidence: vessels 0.30",
    }
    assert [eye.name for eye in find_eyes(tmp_path / "set").eyes] == ["photographs-70"]


def put_damaged(folder: Path) -> None:
    """A picture cut off in the middle, and one that is none."""
    content = next(folder.glob("photo_*.png")).read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "text.jpg").write_text("no picture")


def test_a_damaged_photograph_does_not_stop_a_folder_from_being_segmented(sets, tmp_path):
    folder = shutil.copytree(sets[1], tmp_path / "photos")
    put_damaged(folder)
    assert segment_folder(MODELS, folder, tmp_path / "found") == ["cut", "text"]
    assert len(list((tmp_path / "found" / "vessels").iterdir())) == 4
    for file in folder.glob("*_6*.png"):
        file.unlink()
    (folder / "twin.png").unlink()
    with pytest.raises(DataError, match=r"None of the 2 photographs could be segmented; .*rejected\.csv says why"):
        segment_folder(MODELS, folder, tmp_path / "nothing")


@pytest.mark.parametrize("damage", ["not JSON", "[" * 100_000, "[]", ""])
def test_a_damaged_request_is_named(damage, sets, tmp_path):
    label_sets(MODELS, sets[1:], tmp_path / "set", size_px=128)
    (tmp_path / "set" / "labelling.json").write_text(damage)
    with pytest.raises(DataError, match=r"labelling\.json .*Choose another `out`"):
        label_sets(MODELS, sets[1:], tmp_path / "set", size_px=128)


@pytest.mark.parametrize("damage", ["not JSON", "", "[]", '{"split": "train"}', '{"name": 3}'])
def test_a_photograph_whose_line_is_damaged_is_labelled_again(damage, sets, tmp_path, monkeypatch, caplog):
    label_sets(MODELS, sets[1:], tmp_path / "set", size_px=128)
    manifest = tmp_path / "set" / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0], damage, *lines[2:]]) + "\n")
    looked = []
    monkeypatch.setattr(labelling, "segment", lambda *given, **named: looked.append(1) or seen(*given, **named))
    label_sets(MODELS, sets[1:], tmp_path / "set", size_px=128)
    assert len(looked) == 1
    assert sorted(manifest.read_text().splitlines()) == sorted(lines)
    assert "damaged lines" in caplog.text


def test_what_is_gone_is_labelled_again_unless_a_person_did_not_want_it(sets, tmp_path, monkeypatch, caplog):
    folder = tmp_path / "set"
    label_sets(MODELS, sets[1:], folder, size_px=128)
    before = {file: file.read_bytes() for file in folder.rglob("*.png")}
    names = sorted({file.stem for file in before})
    (folder / "reject.txt").write_text(f"{names[0]}.png\n")
    for file in before:
        if file.stem in names[:2]:
            file.unlink()
    looked = []
    monkeypatch.setattr(labelling, "segment", lambda *given, **named: looked.append(1) or seen(*given, **named))
    label_sets(MODELS, sets[1:], folder, size_px=128)
    assert len(looked) == 1
    assert {file: file.read_bytes() for file in folder.rglob("*.png")} == {
        file: content for file, content in before.items() if file.stem != names[0]
    }
    assert f"Files of {names[1]} in" in caplog.text


def test_a_set_of_which_nothing_can_be_labelled_is_explained(tmp_path):
    for number in range(2):
        write_photograph(tmp_path / "photographs" / f"{number}.png", np.zeros((256, 256, 3), np.uint8))
    with pytest.raises(DataError, match=r"None of the 2 photographs could be labelled; .*rejected\.csv says why"):
        label_sets(MODELS, [tmp_path / "photographs"], tmp_path / "set")
    assert len(rows_of(tmp_path / "set" / "rejected.csv")) == 2


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def test_damaged_files_are_listed_and_the_rest_is_labelled(tmp_path):
    folder = tmp_path / "eyes"
    for seed in range(80, 86):
        eye = phantom_eye(seed, 256)
        write_photograph(folder / "images" / f"{seed}.png", eye.photograph)
        write_mask(folder / "vessels" / f"{seed}.png", eye.planes["vessels"])
    spoil(folder / "images" / "80.png")
    spoil(folder / "vessels" / "81.png")
    write_mask(folder / "vessels" / "82.png", ~read_mask(folder / "vessels" / "82.png"))
    write_mask(folder / "vessels" / "83.png", read_mask(folder / "vessels" / "83.png")[:100])
    made = label_sets(MODELS, [folder], tmp_path / "set")
    reasons = dict(made.rejected)
    assert list(reasons) == [f"eyes-{seed}" for seed in range(80, 84)]
    words = ("images/80.png is damaged", "vessels/81.png is damaged", "vessels cover", "is 100 x 256 px")
    assert all(word in reason for word, reason in zip(words, reasons.values(), strict=True))
    assert [row["name"] for row in rows_of(tmp_path / "set" / "rejected.csv")] == list(reasons)
    assert [eye.name for eye in find_eyes(tmp_path / "set").eyes] == ["eyes-84", "eyes-85"]


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_was_found_but_can_be_no_eye_is_listed(tmp_path, monkeypatch, share):
    """Too many vessels, and a strip that is too low once it has been reduced."""

    def full(photograph, *, models):
        found = seen(photograph, models=models)
        shown = found.eye.planes["fov"] if share == 1 else found.eye.planes["vessels"]
        return replace(found, eye=replace(found.eye, planes={**found.eye.planes, "vessels": shown}))

    monkeypatch.setattr(labelling, "segment", full)
    wide = share == 0.5
    picture = phantom_eye(90, 256).photograph
    write_photograph(tmp_path / "eyes" / "90.png", np.tile(picture, (1, 12, 1)) if wide else picture)
    with pytest.raises(DataError, match="None of the 1 photographs could be labelled"):
        label_sets(MODELS, [tmp_path / "eyes"], tmp_path / "set", size_px=128)
    reason = rows_of(tmp_path / "set" / "rejected.csv")[0]["reason"]
    assert ("is 11 x 128 px" if wide else "vessels cover 100%") in reason


def test_a_flat_folder_is_split_by_person(tmp_path):
    folder = tmp_path / "camera"
    for number in range(10):
        write_photograph(folder / f"{number}.png", phantom_eye(100 + number, 192).photograph)
    rows = "".join(f"{number}.png,person {number // 2}\n" for number in range(10))
    (folder / "subjects.csv").write_text(f"image,subject\n{rows}")
    expected = {f"camera-{files.name}": files.split for files in find_eyes(folder).eyes}
    label_sets(MODELS, [folder], tmp_path / "set")
    assert {eye.name: eye.split for eye in find_eyes(tmp_path / "set").eyes} == expected
    tests = [int(name[-1]) // 2 for name, split in expected.items() if split == "test"]
    assert len(tests) == 2
    assert len(set(tests)) == 1
    (folder / "subjects.csv").unlink()
    with pytest.raises(DataError, match="begun with other photographs"):
        label_sets(MODELS, [folder], tmp_path / "set")


def test_masks_beside_the_photographs_are_not_taken_for_photographs(tmp_path):
    for number, seed in enumerate((110, 111)):
        eye = phantom_eye(seed, 192)
        write_photograph(tmp_path / "chase" / f"Image_{number + 10}L.png", eye.photograph)
        write_mask(tmp_path / "chase" / f"Image_{number + 10}L_1stHO.png", eye.planes["vessels"])
    made = label_sets(MODELS, [tmp_path / "chase"], tmp_path / "set")
    assert (made.kept, made.rejected) == (2, ())
    lines = [json.loads(line) for line in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()]
    assert [(line["split"], line["drawn"]) for line in lines] == [("train", ["vessels"]), ("test", ["vessels"])]


def test_two_photographs_that_would_have_one_name_are_refused(tmp_path):
    for place in ("a", "b"):
        write_photograph(tmp_path / place / "images" / "1.png", phantom_eye(1, 192).photograph)
    with pytest.raises(DataError, match="2 photographs would be called images-1"):
        label_sets(MODELS, [tmp_path / "a" / "images", tmp_path / "b" / "images"], tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_doubtful_cup_is_left_unknown_and_all_else_kept(tmp_path):
    picture = np.array(phantom_eye(74, 256).photograph)
    picture[0, 0] = 8
    write_photograph(tmp_path / "photographs" / "74.png", picture)
    write_photograph(tmp_path / "photographs" / "75.png", phantom_eye(75, 256).photograph)
    made = label_sets(MODELS, [tmp_path / "photographs"], tmp_path / "set")
    assert not made.rejected
    unsure, sure = find_eyes(tmp_path / "set").eyes
    assert set(unsure.planes) - {"arteries", "veins"} == {"vessels", "disc", "fov"}
    assert "cup" in sure.planes
    lines = (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["confidence"]["cup"] for line in lines] == [0.3, 0.9]


def test_an_interrupted_set_goes_on_where_it_stopped(sets, tmp_path, monkeypatch):
    whole = label_sets(MODELS, sets, tmp_path / "whole")
    calls = []

    def stopping(photograph, *, models):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return seen(photograph, models=models)

    monkeypatch.setattr(labelling, "segment", stopping)
    with pytest.raises(KeyboardInterrupt):
        label_sets(MODELS, sets, tmp_path / "set")
    with (tmp_path / "set" / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"name": "cut of')
    calls.append(1)
    assert label_sets(MODELS, sets, tmp_path / "set") == whole
    assert len(calls) == 4 + 5  # 7 photographs, of which 2 were done
    assert (tmp_path / "set" / "manifest.jsonl").read_text() == (tmp_path / "whole" / "manifest.jsonl").read_text()
    with pytest.raises(DataError, match="begun with other photographs, models or limits"):
        label_sets(MODELS, sets[:1], tmp_path / "set")


def test_a_folder_is_segmented_with_overlays_and_a_table(sets, tmp_path):
    folder = tmp_path / "photographs"
    shutil.copytree(sets[1], folder)
    write_photograph(folder / "black.png", np.zeros((200, 200, 3), np.uint8))
    rejected = segment_folder(MODELS, folder, tmp_path / "out", probabilities=True)
    assert rejected == ["black"]
    assert rows_of(tmp_path / "out" / "rejected.csv") == [{"name": "black", "reason": "It is black"}]
    found = rows_of(tmp_path / "out" / "found.csv")
    assert [row["name"] for row in found] == ["photo_60", "photo_61", "photo_62", "twin"]
    assert found[0]["confidence_vessels"] == "0.9000"
    for kind in ("vessels", "disc", "cup", "fov", "overlays", "probabilities/vessels"):
        assert len(list((tmp_path / "out" / kind).iterdir())) == 4, kind
    with pytest.raises(OutputError, match="not empty"):
        segment_folder(MODELS, folder, tmp_path / "out")


def test_a_folder_without_segmentable_pictures_says_where_reasons_are(tmp_path):
    write_photograph(tmp_path / "eyes" / "black.png", np.zeros((200, 200, 3), np.uint8))
    write_photograph(tmp_path / "eyes" / "damaged.png", phantom_eye(1, 192).photograph)
    spoil(tmp_path / "eyes" / "damaged.png")
    with pytest.raises(DataError, match=r"None of the 2 photographs could be segmented; .*rejected\.csv says why"):
        segment_folder(MODELS, tmp_path / "eyes", tmp_path / "out")
    assert [row["name"] for row in rows_of(tmp_path / "out" / "rejected.csv")] == ["black", "damaged"]


def test_one_photograph_that_cannot_be_segmented_is_an_error(tmp_path):
    write_photograph(tmp_path / "black.png", np.zeros((200, 200, 3), np.uint8))
    with pytest.raises(ImageError, match="It is black"):
        segment_folder(MODELS, tmp_path / "black.png", tmp_path / "out")


def test_a_folder_of_masks_alone_has_no_photographs(tmp_path):
    write_mask(tmp_path / "vessels" / "a.png", np.eye(64, dtype=np.bool_))
    with pytest.raises(DataError, match="has no photographs"):
        photographs_in(tmp_path)
