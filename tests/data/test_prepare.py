import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pictures import put_chasedb1, put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth.data.augmentation import rotate
from retinasynth.data.find import DataSet, find_eyes, read_eye
from retinasynth.data.prepare import prepare
from retinasynth.errors import DataError, ImageError, OutputError, SettingError
from retinasynth.images import mask_as_photograph, read_mask, read_photograph, write_mask, write_photograph

SIZE_PX = 48


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "subjects.csv").open(newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def shape_of(data: DataSet) -> set[tuple[str, str, str, str]]:
    return {(files.name, files.eye, files.subject, files.split) for files in data.eyes}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_chasedb1(tmp_path_factory.mktemp("chasedb1"))


@pytest.fixture(scope="module")
def kaggle(source: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return prepare(source, tmp_path_factory.mktemp("out") / "set", recipe="kaggle", size_px=SIZE_PX)


# --- Names ---

STRANGE = ("=cmd", "+1", "-1", "-a", "@a", "'=a", "''=a", "'a", "\t=a", "\r=a", "\n=a", "[red]", "a[b]", ":eye:")
SPACED = ("eye 1 ", " eye", "a,b", 'say "a"', "two\nlines", "two\rlines", "two\u2028lines", "Auge 眼")


def test_eyes_of_any_name_come_back_as_they_were(tmp_path: Path) -> None:
    for seed, name in enumerate(STRANGE + SPACED):
        put_photograph(tmp_path / "eyes" / "images" / f"{name}.png", seed)
        put_mask(tmp_path / "eyes" / "vessels" / f"{name}.png", seed)
    before = {files.name: (files.subject.strip(), files.split) for files in find_eyes(tmp_path / "eyes").eyes}
    made = prepare(tmp_path / "eyes", tmp_path / "made", size_px=SIZE_PX)
    assert {files.name: (files.subject, files.split) for files in made.eyes} == before
    assert before.keys() == {*STRANGE, *SPACED}


def test_no_name_is_a_formula_to_a_spreadsheet(tmp_path: Path) -> None:
    for seed, name in enumerate(("=1+1", "+a", "-a", "@a")):
        put_photograph(tmp_path / "eyes" / f"{name}.png", seed)
    prepare(tmp_path / "eyes", tmp_path / "made", size_px=SIZE_PX)
    cells = [cell for row in table(tmp_path / "made").values() for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in set("=+-@")]
    assert cells.count("'=1+1") == 3  # image, subject and eye


# --- The recipe ---


def test_the_recipe_makes_eighty_and_eight(kaggle: DataSet, source: Path) -> None:
    assert (len(kaggle.split("train")), len(kaggle.split("test"))) == (80, 8)
    origin = {files.name: files for files in find_eyes(source).eyes}
    endings = ("original", "fliplr", "flipud", "rotate")
    expected = {
        (name if files.split == "test" else f"{name}_{ending}", files.eye, files.subject, files.split)
        for name, files in origin.items()
        for ending in (endings if files.split == "train" else ("",))
    }
    assert shape_of(kaggle) == expected
    pictures = sorted(str(path.relative_to(kaggle.folder)) for path in kaggle.folder.rglob("*.png"))
    assert pictures == sorted(
        f"{split}/{plane}/{name}.png" for name, _, _, split in expected for plane in ("images", "vessels")
    )
    assert list(table(kaggle.folder)) == [  # in the order of the eyes
        f"{name}{ending}"
        for name in sorted(origin)
        for ending in ([f"_{ending}" for ending in endings] if origin[name].split == "train" else [""])
    ]


def test_every_prepared_picture_has_the_size_and_masks_are_binary(kaggle: DataSet) -> None:
    for path in kaggle.folder.rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (SIZE_PX, SIZE_PX)
            if path.parent.name == "vessels":
                assert set(np.unique(np.asarray(image))) == {0, 255}


def test_flips_equal_numpy_and_rotations_replay_from_the_table(kaggle: DataSet) -> None:
    rows = table(kaggle.folder)
    angles = []
    for name in (f"Image_{number:02d}{side}" for number in range(1, 11) for side in "LR"):
        photographs, masks = (
            {ending: read(kaggle.folder / "train" / plane / f"{name}_{ending}.png") for ending in ENDINGS}
            for plane, read in (("images", read_photograph), ("vessels", read_mask))
        )
        for pictures in (photographs, masks):
            np.testing.assert_array_equal(pictures["fliplr"], np.fliplr(pictures["original"]))
            np.testing.assert_array_equal(pictures["flipud"], np.flipud(pictures["original"]))
        assert [rows[f"{name}_{ending}"]["transformation"] for ending in ENDINGS[:3]] == ["none", "fliplr", "flipud"]
        verb, angle = rows[f"{name}_rotate"]["transformation"].split()
        assert verb == "rotate"
        angles.append(float(angle))
        np.testing.assert_array_equal(photographs["rotate"], rotated(photographs["original"], float(angle), "bicubic"))
        binary = rotated(masks["original"].astype(np.uint8), float(angle), "nearest")
        np.testing.assert_array_equal(masks["rotate"], binary.astype(np.bool_))
    assert -45 <= min(angles) < -10
    assert 10 < max(angles) <= 45
    assert len(set(angles)) > 15
    assert angles == [round(angle, 1) for angle in angles]


ENDINGS = ("original", "fliplr", "flipud", "rotate")


def rotated(picture: np.ndarray, angle_deg: float, method: str) -> np.ndarray:
    """The rotation of a square picture written a second way: three by three mirror images, the middle one cut out."""
    side = len(picture)
    index = np.abs(np.arange(1 - side, 2 * side - 1))  # side-1 ... 1, 0 ... side-1, side ...: the edge stands once
    index = np.where(index >= side, 2 * side - 2 - index, index)
    tiled = Image.fromarray(picture[index][:, index])
    resample = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}[method]
    return np.asarray(tiled.rotate(angle_deg, resample))[side - 1 : 2 * side - 1, side - 1 : 2 * side - 1]


def test_the_original_is_the_resized_source(kaggle: DataSet, source: Path) -> None:
    with Image.open(source / "Image_01L.jpg") as image:
        expected = np.asarray(image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))  # it grows
    path = kaggle.folder / "train" / "images" / "Image_01L_original.png"
    np.testing.assert_array_equal(read_photograph(path), expected)


def test_preparing_again_gives_the_same_and_another_seed_does_not(
    source: Path, kaggle: DataSet, tmp_path: Path
) -> None:
    prepare(source, tmp_path / "again", recipe="kaggle", size_px=SIZE_PX)
    prepare(source, tmp_path / "other", recipe="kaggle", size_px=SIZE_PX, seed=1)
    for path in kaggle.folder.rglob("*.*"):
        relative = path.relative_to(kaggle.folder)
        assert (tmp_path / "again" / relative).read_bytes() == path.read_bytes()
        differs = (tmp_path / "other" / relative).read_bytes() != path.read_bytes()
        assert differs == (path.stem.endswith("_rotate") or path.name == "subjects.csv")


def test_the_angle_of_an_eye_does_not_depend_on_its_neighbours(source: Path, kaggle: DataSet, tmp_path: Path) -> None:
    for suffix in (".jpg", "_1stHO.png"):
        (tmp_path / f"Image_05R{suffix}").write_bytes((source / f"Image_05R{suffix}").read_bytes())
    alone = prepare(tmp_path, tmp_path / "out", recipe="kaggle", size_px=SIZE_PX)
    assert table(alone.folder)["Image_05R_rotate"] == table(kaggle.folder)["Image_05R_rotate"]


def test_photograph_and_masks_turn_together(tmp_path: Path) -> None:
    for seed in range(3):
        mask = np.zeros((64, 64), np.bool_)
        mask[10:30, 8:50] = mask[30:56, 20 + 5 * seed : 34 + 5 * seed] = True
        for plane in ("vessels", "disc"):
            write_mask(tmp_path / "in" / "train" / plane / f"{seed}.png", mask)
        write_photograph(tmp_path / "in" / "train" / "images" / f"{seed}.png", mask_as_photograph(mask))
    found = prepare(tmp_path / "in", tmp_path / "out", recipe="kaggle", size_px=64)
    for files in found.eyes:
        eye = read_eye(files)
        assert eye.photograph is not None
        painted = eye.photograph[..., 0] > 127
        np.testing.assert_array_equal(eye.planes["disc"], eye.planes["vessels"])
        # Bicubic and nearest disagree at most along the outline, about 230 of 4096 pixels long.
        assert np.mean(painted != eye.planes["vessels"]) < (0.015 if files.name.endswith("rotate") else 1e-9)


@settings(deadline=None)
@given(angle_deg=st.floats(-45, 45), height=st.integers(16, 40), width=st.integers(16, 40))
def test_rotation_keeps_the_shape_and_leaves_no_black_corner(angle_deg: float, height: int, width: int) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    np.testing.assert_array_equal(rotate(white, angle_deg), white)


def test_rotation_is_counter_clockwise_about_the_centre() -> None:
    picture = tiny_photograph(3, 20, 20)
    for turns in range(4):
        np.testing.assert_array_equal(rotate(picture, 90.0 * turns), np.rot90(picture, turns))


# --- The other ways to write ---


def test_plain_keeps_names_planes_and_split(source: Path, tmp_path: Path) -> None:
    found = prepare(source, tmp_path / "out", size_px=SIZE_PX)
    assert shape_of(found) == shape_of(find_eyes(source))
    assert {row["transformation"] for row in table(found.folder).values()} == {"none"}


def test_plain_keeps_unknown_planes_unknown_and_empty_ones_empty(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        put_photograph(tmp_path / "in" / "images" / f"{stem}.jpg", height=40, width=60)
    put_mask(tmp_path / "in" / "disc" / "a_OD.png", height=40, width=60)
    write_mask(tmp_path / "in" / "haemorrhages" / "b.png", np.zeros((40, 60), np.bool_))
    found = prepare(tmp_path / "in", tmp_path / "out", size_px=32)
    eyes = {files.name: read_eye(files) for files in found.eyes}
    assert {name: set(eye.planes) for name, eye in eyes.items()} == {"a": {"disc"}, "b": {"haemorrhages"}}
    assert eyes["a"].planes["disc"].shape == (32, 32)
    assert not eyes["b"].planes["haemorrhages"].any()


def test_plain_prepares_label_maps_and_photographs_alone(tmp_path: Path) -> None:
    put_mask(tmp_path / "maps" / "vessels" / "a.png")
    put_photograph(tmp_path / "photographs" / "a.png")
    maps = prepare(tmp_path / "maps", tmp_path / "out 1", size_px=32)
    assert [(files.photograph, set(files.planes)) for files in maps.eyes] == [(None, {"vessels"})]
    photographs = prepare(tmp_path / "photographs", tmp_path / "out 2", size_px=32)
    assert photographs.layout == "photographs"


def test_subjects_of_the_source_travel_along(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        put_photograph(tmp_path / "in" / "images" / f"{stem}.png")
        put_mask(tmp_path / "in" / "masks" / f"{stem}.png")
    (tmp_path / "in" / "subjects.csv").write_text('image,subject\na,"Ann, left"\nb,"Ann, left"\nc,Bob\n')
    found = prepare(tmp_path / "in", tmp_path / "out", size_px=32)
    assert shape_of(found) == shape_of(find_eyes(tmp_path / "in"))
    assert {files.subject for files in found.eyes} == {"Ann, left", "Bob"}


@pytest.mark.parametrize("recipe", ["plain", "kaggle"])
def test_side_by_side_holds_the_same_as_two_folders(recipe: str, source: Path, tmp_path: Path) -> None:
    folders = prepare(source, tmp_path / "folders", recipe=recipe, size_px=SIZE_PX)  # type: ignore[arg-type]
    pictures = prepare(source, tmp_path / "pictures", recipe=recipe, size_px=SIZE_PX, side_by_side=True)  # type: ignore[arg-type]
    assert pictures.layout == "side by side"
    assert shape_of(pictures) == shape_of(folders)
    for one, other in zip(folders.eyes, pictures.eyes, strict=True):
        first, second = read_eye(one), read_eye(other)
        np.testing.assert_array_equal(first.photograph, second.photograph)
        np.testing.assert_array_equal(first.planes["vessels"], second.planes["vessels"])


def test_progress_counts_the_eyes_of_the_source(source: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    prepare(source, tmp_path / "out", recipe="kaggle", size_px=16, progress=lambda *call: calls.append(call))
    assert calls == [(number, 28) for number in range(1, 29)]


# --- Mistakes ---


@pytest.mark.parametrize("side_by_side", [False, True])
def test_eyes_without_vessels_or_photograph_are_refused_if_needed(tmp_path: Path, side_by_side: bool) -> None:
    put_photograph(tmp_path / "photographs" / "a.png")
    put_mask(tmp_path / "maps" / "vessels" / "a.png")
    for folder in ("photographs", "maps"):
        with pytest.raises(DataError, match="1 of 1 eyes have no photograph or no vessels"):
            prepare(
                tmp_path / folder,
                tmp_path / "out",
                recipe="plain" if side_by_side else "kaggle",
                side_by_side=side_by_side,
            )
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(OutputError, match="not empty"):
        prepare(source, tmp_path, size_px=16)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        put_photograph(tmp_path / "in" / "images" / f"{stem}.png")
        put_mask(tmp_path / "in" / "masks" / f"{stem}.png")
    broken = tmp_path / "in" / "images" / "c.png"
    broken.write_bytes(broken.read_bytes()[:200])
    done: list[int] = []
    with pytest.raises(ImageError, match=r"c\.png"):
        prepare(tmp_path / "in", tmp_path / "out", size_px=16, progress=lambda number, _: done.append(number))
    assert done == [1, 2]
    assert [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "in")] in (
        [],
        [tmp_path / "out"],
    )


def test_impossible_settings_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no recipe 'drive'"):
        prepare(source, tmp_path / "out", recipe="drive")  # type: ignore[arg-type]
    for size_px in (0, 15, 4097):
        with pytest.raises(SettingError, match=f"size_px is {size_px}"):
            prepare(source, tmp_path / "out", size_px=size_px)
    assert not (tmp_path / "out").exists()


def test_the_masks_of_these_tests_are_not_symmetric() -> None:
    # Else the flip tests above would pass on unflipped pictures.
    mask = tiny_mask(0)
    assert not np.array_equal(mask, np.fliplr(mask))
    assert not np.array_equal(mask, np.flipud(mask))
