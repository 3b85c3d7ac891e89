"""Every fault that an inspection promises to find, put into a set of procedural eyes, and sets that have none."""

import dataclasses
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import retinasynth
from pictures import put_mask, put_photograph
from retinasynth import cli
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.data import overlays
from retinasynth.data.augmentation import rotate
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import MIN_FIT, Inspection, fit_of, inspect_data
from retinasynth.data.matching import EyeFiles
from retinasynth.data.near_duplicates import (
    MIN_CORRELATION,
    MIN_TEXTURE,
    find_near_duplicates,
    find_near_duplicates_between,
    sketch,
)
from retinasynth.data.prepare import prepare
from retinasynth.errors import DataError
from retinasynth.eye import Eye
from retinasynth.images import Mask, Photograph, mask_as_photograph, read_photograph, write_mask, write_photograph

SIZE = 256


@pytest.fixture(scope="module")
def eyes() -> list[Eye]:
    return [phantom_eye(seed, SIZE) for seed in range(4)]


def photograph_of(eye: Eye) -> Photograph:
    assert eye.photograph is not None
    return eye.photograph


@pytest.fixture
def folder(tmp_path: Path, eyes: list[Eye]) -> Path:
    """Three training eyes (a, b, c) and one test eye (d), with nothing wrong."""
    for name, eye in zip("abcd", eyes, strict=True):
        put(tmp_path / "set" / ("test" if name == "d" else "train"), name, photograph_of(eye), eye.planes["vessels"])
    return tmp_path / "set"


def put(side: Path, name: str, photograph: Photograph, mask: Mask) -> None:
    write_photograph(side / "images" / f"{name}.png", photograph)
    write_mask(side / "vessels" / f"{name}.png", mask)


def look(folder: Path) -> Inspection:
    return inspect_data(folder, quiet=True)


FINDINGS = (
    *("unpaired", "unreadable", "swapped", "empty", "not_binary", "other_shape", "unusable", "misfits"),
    *("duplicates", "leaks"),
)


def findings(report: Inspection) -> dict[str, list[object]]:
    """The kinds of findings that are not empty."""
    return {name: getattr(report, name) for name in FINDINGS if getattr(report, name)}


# --- Sets without fault ---


def test_a_sound_set_has_no_findings(folder: Path) -> None:
    report = look(folder)
    assert (report.ok, report.problems, report.notes, findings(report)) == (True, [], [], {})
    assert (report.layout, report.pairs, report.sizes) == ("planes", 4, {"256x256": 4})
    assert report.split == {"train": {"files": 3, "eyes": 3}, "test": {"files": 1, "eyes": 1}}


@pytest.mark.parametrize("side_by_side", [False, True])
def test_versions_that_are_declared_as_one_eye_are_no_duplicates(folder: Path, tmp_path: Path, side_by_side: bool):
    prepare(folder, tmp_path / "made", recipe="kaggle", size_px=192, side_by_side=side_by_side)
    report = look(tmp_path / "made")
    assert report.problems == []
    assert report.split["train"] == {"files": 12, "eyes": 3}
    if side_by_side:
        return
    (tmp_path / "made" / "subjects.csv").unlink()
    groups = look(tmp_path / "made").duplicates
    assert sorted(map(len, groups)) == [4, 4, 4]
    assert all(len({name.rsplit("_", 1)[0] for name in group}) == 1 for group in groups)


def test_photographs_alone_are_no_problem_but_a_note(tmp_path: Path, eyes: list[Eye]) -> None:
    for number, eye in enumerate(eyes):
        write_photograph(tmp_path / f"{number}.png", photograph_of(eye)[: SIZE - number])
    report = look(tmp_path)
    assert report.ok
    assert report.pairs == 0
    assert any("not trained on" in note for note in report.notes)
    assert any("4 sizes" in note for note in report.notes)
    assert report.sizes["256x253"] == 1


# --- Files ---


def test_unpaired_files_are_listed_and_the_rest_is_read(folder: Path) -> None:
    (folder / "train" / "images" / "b.png").unlink()
    report = look(folder)
    assert findings(report) == {"unpaired": ["train/vessels/b.png"]}
    assert report.pairs == 3
    assert "train/vessels/b.png without partner" in report.problems[0]


def test_every_unreadable_file_is_listed_with_its_reason(folder: Path) -> None:
    images, vessels = folder / "train" / "images", folder / "train" / "vessels"
    (images / "a.png").write_bytes((images / "a.png").read_bytes()[:-400])
    deep = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE)
    Image.fromarray(deep).save(vessels / "a.png")
    (images / "b.png").unlink()
    Image.new("CMYK", (SIZE, SIZE)).save(images / "b.jpg")
    (vessels / "c.png").write_text("no picture")
    report = look(folder)
    assert set(findings(report)) == {"unreadable"}
    reasons = {one["file"]: one["reason"] for one in report.unreadable}
    assert list(reasons) == ["train/images/a.png", "train/vessels/a.png", "train/images/b.jpg", "train/vessels/c.png"]
    for reason, words in zip(reasons.values(), ("cut short", "not binary", "CMYK", "not a picture"), strict=True):
        assert words in reason
    assert len(report.problems) == 1


def test_side_by_side_pictures_are_halved_and_a_damaged_one_is_listed(tmp_path: Path, eyes: list[Eye]) -> None:
    for number, eye in enumerate(eyes):
        halves = [photograph_of(eye), mask_as_photograph(eye.planes["vessels"])]
        write_photograph(tmp_path / f"{number}.png", np.concatenate(halves, axis=1))
    assert look(tmp_path).problems == []
    halves = [photograph_of(eyes[0]), mask_as_photograph(eyes[2].planes["vessels"])]
    write_photograph(tmp_path / "0.png", np.concatenate(halves, axis=1))
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:-900])
    report = look(tmp_path)
    assert [one["file"] for one in report.unreadable] == ["1.png"]
    assert [one["name"] for one in report.misfits] == ["0"]


# --- Masks ---


def test_empty_and_grey_masks_are_listed(folder: Path, eyes: list[Eye]) -> None:
    write_mask(folder / "train" / "vessels" / "a.png", np.zeros((SIZE, SIZE), np.bool_))
    grey = eyes[1].planes["vessels"] * np.uint8(150)
    grey[0, 0] = 255
    Image.fromarray(grey).save(folder / "train" / "vessels" / "b.png")
    for file, eye, white in (("train/vessels/c", 2, 1), ("test/vessels/d", 3, 150)):  # any two values are a mask
        Image.fromarray(eyes[eye].planes["vessels"] * np.uint8(white)).save(folder / f"{file}.png")
    report = look(folder)
    share = round(float(eyes[1].planes["vessels"].mean()), 4)
    assert findings(report) == {
        "empty": ["train/vessels/a.png"],
        "not_binary": [{"file": "train/vessels/b.png", "grey": pytest.approx(share, abs=1e-4)}],
    }
    assert len(report.problems) == 2


def test_inverted_masks_and_tiny_pictures_are_listed(folder: Path, eyes: list[Eye]) -> None:
    put(folder / "train", "a", photograph_of(eyes[0]), ~eyes[0].planes["vessels"])
    put(folder / "train", "b", np.full((1, 1, 3), 99, np.uint8), np.ones((1, 1), np.bool_))
    report = look(folder)
    assert [finding["file"] for finding in report.unusable] == ["train/vessels/a.png", "train/vessels/b.png"]
    assert "inverted?" in report.unusable[0]["reason"]
    assert "at least 16 px" in report.unusable[1]["reason"]
    assert not report.ok
    assert any("vessels/a.png" in problem for problem in report.problems)


def test_a_plane_that_may_be_empty_is_no_finding(folder: Path) -> None:
    for plane in ("disc", "fov"):
        (folder / "train" / plane).mkdir()
        write_mask(folder / "train" / plane / "a.png", np.zeros((SIZE, SIZE), np.bool_))
    assert findings(look(folder)) == {"empty": ["train/fov/a.png"]}


def test_a_mask_of_another_shape_is_listed_and_one_of_another_size_fits(folder: Path, eyes: list[Eye]) -> None:
    write_mask(folder / "train" / "vessels" / "a.png", eyes[0].planes["vessels"][: SIZE // 2])
    write_mask(folder / "train" / "vessels" / "b.png", eyes[1].planes["vessels"].repeat(2, 0).repeat(2, 1))
    report = look(folder)
    assert set(findings(report)) == {"other_shape"}
    assert [one["file"] for one in report.other_shape] == ["train/vessels/a.png"]
    assert "128 x 256 px" in report.problems[0]


def test_label_maps_whose_planes_differ_in_shape_are_listed(tmp_path: Path, eyes: list[Eye]) -> None:
    write_mask(tmp_path / "vessels" / "a.png", eyes[0].planes["vessels"])
    write_mask(tmp_path / "disc" / "a.png", eyes[0].planes["disc"][:, : SIZE // 2])
    assert [one["file"] for one in look(tmp_path).other_shape] == ["disc/a.png"]
    [files] = find_eyes(tmp_path).eyes
    with pytest.raises(DataError, match="is 256 x 128 px, but"):
        read_eye(files)


def test_swapped_folders_are_noticed(tmp_path: Path, folder: Path) -> None:
    swapped = tmp_path / "swapped"
    for here, there in (("images", "vessels"), ("vessels", "images")):
        (swapped / there).parent.mkdir(exist_ok=True)
        (folder / "train" / here).rename(swapped / there)
    report = look(swapped)
    assert findings(report) == {"swapped": ["a", "b", "c"]}
    assert "Swap the folders" in report.problems[0]


MISFITS: dict[str, tuple[Callable[[Mask], Mask], str]] = {
    "left-right": (np.fliplr, "flipped left-right"),
    "up-down": (np.flipud, "flipped up-down"),
    "half turn": (lambda mask: np.rot90(mask, 2), "turned by 180 degrees"),
    "quarter turn": (np.rot90, ""),
    "shifted": (lambda mask: np.roll(mask, 6, axis=1), ""),
}


@pytest.mark.parametrize("how", MISFITS)
def test_masks_that_were_turned_or_shifted_do_not_fit(how: str, folder: Path, eyes: list[Eye]) -> None:
    change, fits_when = MISFITS[how]
    write_mask(folder / "train" / "vessels" / "b.png", np.ascontiguousarray(change(eyes[1].planes["vessels"])))
    report = look(folder)
    assert set(findings(report)) == {"misfits"}
    assert [(one["name"], one["fits_when"]) for one in report.misfits] == [("b", fits_when)]
    assert not fits_when or fits_when in report.problems[0]


def test_masks_of_other_eyes_do_not_fit(folder: Path, eyes: list[Eye]) -> None:
    write_mask(folder / "train" / "vessels" / "a.png", eyes[1].planes["vessels"])
    write_mask(folder / "train" / "vessels" / "b.png", eyes[0].planes["vessels"])
    report = look(folder)
    assert [one["name"] for one in report.misfits] == ["a", "b"]


def test_the_field_of_view_taken_for_vessels_does_not_fit(folder: Path, eyes: list[Eye]) -> None:
    write_mask(folder / "train" / "vessels" / "c.png", eyes[2].planes["fov"])
    assert [one["name"] for one in look(folder).misfits] == ["c"]


def test_fit_is_one_contrast_whatever_the_light_and_zero_for_chance(eyes: list[Eye]) -> None:
    photograph, mask = photograph_of(eyes[0]), eyes[0].planes["vessels"]
    own, how = fit_of(mask, photograph)
    dim, _ = fit_of(mask, (photograph * 0.6).astype(np.uint8))
    assert how == ""
    assert 1.1 < own < 1.9
    assert dim == pytest.approx(own, abs=0.15)
    assert abs(fit_of(eyes[1].planes["vessels"], photograph)[0]) < 0.25 < MIN_FIT
    assert fit_of(mask, np.zeros_like(photograph))[0] == 0


def test_pictures_too_small_to_judge_are_not_judged(tmp_path: Path) -> None:
    for number in range(3):
        put_photograph(tmp_path / "images" / f"{number}.png", seed=number)
        put_mask(tmp_path / "masks" / f"{number}.png", seed=number)
    assert look(tmp_path).problems == []


# --- Twins ---


def recoded(photograph: Photograph) -> Photograph:
    small = Image.fromarray(photograph).resize((200, 200), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def coloured(photograph: Photograph) -> Photograph:
    return np.clip(photograph * np.array([0.9, 1.1, 1.2]) * 0.85, 0, 255).astype(np.uint8)


def turned_on_black(photograph: Photograph) -> Photograph:
    return np.asarray(Image.fromarray(photograph).rotate(107, Image.Resampling.BICUBIC, expand=True))


VERSIONS: dict[str, tuple[Callable[[Photograph], Photograph], bool]] = {
    "the same": (lambda photograph: photograph, False),
    "flipped left-right": (np.fliplr, True),
    "flipped up-down": (np.flipud, True),
    "turned with a reflected border": (lambda photograph: rotate(photograph, 38.0), False),
    "turned by any angle on black": (turned_on_black, False),
    "cut to 3/4": (lambda photograph: photograph[20:212, 50:242], False),
    "cut to 60 %": (lambda photograph: photograph[50:204, 50:204], False),
    "smaller and JPEG": (recoded, False),
    "another colour": (coloured, False),
    "mirrored, turned, cut and recoded": (
        lambda photograph: recoded(rotate(np.ascontiguousarray(np.fliplr(photograph)), -63.0)[20:236, 30:246]),
        True,
    ),
}


@pytest.mark.parametrize("how", VERSIONS)
def test_twins_are_found_through_what_was_done_to_them(how: str, eyes: list[Eye]) -> None:
    change, is_mirrored = VERSIONS[how]
    pictures = [photograph_of(eye) for eye in eyes]
    changed = np.ascontiguousarray(change(pictures[2]))
    found = find_near_duplicates([sketch(picture) for picture in [*pictures, changed]])
    assert [(twins.first, twins.second, twins.is_mirrored) for twins in found] == [(2, 4, is_mirrored)]
    assert MIN_CORRELATION + 0.1 < found[0].correlation <= 1.001


def test_different_eyes_and_pictures_without_vessels_are_no_twins() -> None:
    random = np.random.default_rng(0)
    plain = [np.full((200, 200, 3), value, np.uint8) for value in (0, 0, 90, 90, 255)]
    noise = [random.integers(0, 255, (200, 200, 3)).astype(np.uint8) for _ in range(2)]
    others = [photograph_of(phantom_eye(seed, 192)) for seed in range(50, 58)]
    assert find_near_duplicates([sketch(picture) for picture in plain + noise + others]) == []
    assert find_near_duplicates([]) == []


def test_twins_in_more_than_one_block_are_all_found() -> None:
    pictures = [photograph_of(phantom_eye(seed, 128)) for seed in range(10)]
    sketches = [sketch(picture) for picture in pictures]
    seen: list[int] = []
    found = find_near_duplicates(sketches * 4, seen.append)
    expected = {(i, j) for i in range(40) for j in range(i + 1, 40) if (j - i) % 10 == 0}
    assert {(twins.first, twins.second) for twins in found} == expected
    assert seen == list(range(1, 41))


def test_twins_between_two_lists_are_those_of_one_list_that_cross(eyes: list[Eye]) -> None:
    pictures = [photograph_of(eye) for eye in eyes]
    first = [sketch(picture) for picture in (pictures[1], pictures[3])]
    second = [sketch(np.ascontiguousarray(np.fliplr(picture))) for picture in (pictures[0], pictures[1], pictures[2])]
    seen: list[int] = []
    between = find_near_duplicates_between(first, second, seen.append)
    assert [(twins.first, twins.second, twins.is_mirrored) for twins in between] == [(0, 1, True)]
    together = find_near_duplicates([*first, *second])
    assert [dataclasses.replace(twins, second=twins.second - 2) for twins in together] == between
    assert seen == [1, 2]
    assert find_near_duplicates_between([], second) == find_near_duplicates_between(first, []) == []


def test_texture_tells_a_copy_from_another_picture_of_its_vessels() -> None:
    """Different light, pigment and noise over the same vessels: twins perhaps, copies never."""
    eye = phantom_eye(1, 384)
    first, second = (phantom_photograph(eye, number) for number in (1, 2))
    [copy] = find_near_duplicates([sketch(first), sketch(recoded(first))])
    [other] = find_near_duplicates([sketch(first), sketch(second)])
    assert copy.texture > MIN_TEXTURE + 0.1
    assert other.texture < MIN_TEXTURE - 0.1
    assert other.correlation > MIN_CORRELATION


def test_a_leak_is_named_with_both_sides(folder: Path, eyes: list[Eye]) -> None:
    mask, photograph = eyes[1].planes["vessels"], photograph_of(eyes[1])
    put(folder / "test", "other", np.flipud(rotate(photograph, 30.0)), np.flipud(rotate(mask, 30.0)))
    report = look(folder)
    assert set(findings(report)) == {"leaks"}
    [leak] = report.leaks
    assert (leak.train, leak.test, leak.is_mirrored) == ("b", "other", True)
    assert "b (train) = other (test)" in report.problems[0]


def test_leaks_are_found_whatever_the_eyes_are_called(folder: Path, eyes: list[Eye]) -> None:
    put(folder / "test", "e", photograph_of(eyes[0]), eyes[0].planes["vessels"])
    (folder / "subjects.csv").write_text("image,subject,eye\na,p1,left\ne,p2,left\n")
    assert [(leak.train, leak.test) for leak in look(folder).leaks] == [("a", "e")]


def test_duplicates_are_grouped_unless_declared_as_one_eye(folder: Path, eyes: list[Eye]) -> None:
    for name, change in (("e", np.fliplr), ("f", np.flipud)):
        mask = np.ascontiguousarray(change(eyes[0].planes["vessels"]))
        put(folder / "train", name, np.ascontiguousarray(change(photograph_of(eyes[0]))), mask)
    report = look(folder)
    assert findings(report) == {"duplicates": [["a", "e", "f"]]}
    assert "a = e = f" in report.problems[0]
    (folder / "subjects.csv").write_text("image,subject,eye\na,p,1\ne,p,1\nf,p,1\n")
    assert look(folder).ok


# --- The whole ---


def test_a_subject_on_both_sides_is_a_problem_and_no_error(folder: Path) -> None:
    (folder / "subjects.csv").write_text("image,subject\na,p\nd,p\n")
    report = look(folder)
    assert not report.ok
    assert "in train and in test" in report.problems[0]


def test_eyes_without_a_vessel_mask_beside_others_are_a_problem(folder: Path) -> None:
    (folder / "train" / "vessels" / "c.png").unlink()
    report = look(folder)
    assert (report.pairs, report.ok) == (3, False)
    assert "c without photograph or vessel mask" in report.problems[0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str]]]:
    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["retinasynth", "data", "inspect", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), capfd.readouterr().out

    return run


def test_the_command_prints_one_json_object_and_its_exit_code_tells(folder: Path, run, tmp_path: Path) -> None:
    code, said = run(folder, "--json")
    told = json.loads(said)
    assert (code, told["ok"], told["pairs"]) == (0, True, 4)
    assert set(told) == {field.name for field in dataclasses.fields(Inspection)}
    required = "layout pairs unpaired unreadable not_binary duplicates leaks sizes split problems ok"
    assert set(required.split()) <= set(told)
    (folder / "test" / "images" / "d.png").write_text("no picture")
    code, said = run(folder, "--json")
    assert (code, json.loads(said)["ok"], len(json.loads(said)["problems"])) == (1, False, 1)
    code, said = run(tmp_path / "nowhere", "--json")
    assert code == 1
    assert "does not exist" in json.loads(said)["problems"][0]


def test_the_command_speaks_to_people(folder: Path, run) -> None:
    code, said = run(folder)
    assert code == 0
    assert "Nothing wrong was found." in said
    assert "256x256 (4)" in said
    (folder / "train" / "images" / "[red]b.png").write_text("no picture")
    code, said = run(folder)
    assert code == 1
    assert "2 problem(s)." in said
    assert "Problem: train/images/[red]b.png cannot be read" in said


def test_a_sheet_decodes_each_eye_once_and_leaves_out_a_damaged_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(files: EyeFiles, *, checked: bool) -> Eye:
        read.append(files.name)
        return read_eye(files, checked=checked)

    read: list[str] = []
    monkeypatch.setattr(overlays, "read_eye", counted)
    (folder / "train" / "images" / "b.png").write_text("no picture")
    found = find_eyes(folder).eyes
    overlays.write_sheet(found, tmp_path / "sheet.png")
    assert read == ["a", "b", "c", "d"]
    expected = overlays.sheet_of([files for files in found if files.name != "b"])
    np.testing.assert_array_equal(read_photograph(tmp_path / "sheet.png"), expected)


def test_inspect_is_a_public_name(folder: Path) -> None:
    assert retinasynth.inspect(folder).ok
