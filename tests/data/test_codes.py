"""Label files as people bring them: each is read as what it is, or refused with the codes that it may be of."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.cli.shell import Labels
from retinasynth.data import codes
from retinasynth.data.batches import stamp_of
from retinasynth.data.codes import CODES, SAID, codes_that_fit, found_in
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.data.measure import measure_path
from retinasynth.errors import DataError, ImageError
from retinasynth.eye import Eye
from retinasynth.images import LabelValues, Mask, read_labels, read_mask, write_mask, write_photograph

SIZE = 256
Draw = Callable[[Eye], np.ndarray]


@pytest.fixture(scope="module")
def eyes() -> dict[str, Eye]:
    return {name: phantom_eye(seed, SIZE) for seed, name in enumerate("abc")}


def numbered(eye: Eye, *values: int) -> np.ndarray:
    """The values of background, rim and cup."""
    return np.array(values, np.uint8)[eye.planes["disc"].astype(int) + eye.planes["cup"]]


def coloured(eye: Eye, crossing: tuple[int, int, int] = (0, 255, 0)) -> np.ndarray:
    arteries, veins, vessels = (eye.planes[plane] for plane in ("arteries", "veins", "vessels"))
    picture = np.zeros((*eye.size, 3), np.uint8)
    picture[vessels] = 255
    picture[arteries], picture[veins], picture[arteries & veins] = (255, 0, 0), (0, 0, 255), crossing
    return picture


def indexed(eye: Eye) -> np.ndarray:
    return (eye.planes["arteries"] + 2 * eye.planes["veins"]).astype(np.uint8)


def put(
    root: Path, eyes: dict[str, Eye], folder: str, draw: Draw, *, suffix: str = ".png", vessels: bool = True
) -> Path:
    """A set of photographs with one folder of label files drawn by `draw`, and perhaps masks of the vessels."""
    (root / folder).mkdir(parents=True)
    for name, eye in eyes.items():
        assert eye.photograph is not None
        write_photograph(root / "images" / f"{name}.png", eye.photograph)
        if vessels:
            write_mask(root / "vessels" / f"{name}.png", eye.planes["vessels"])
        Image.fromarray(draw(eye)).save(root / folder / f"{name}{suffix}", quality=95)
    return root


def read(root: Path, labels: str | None = None) -> dict[str, dict[str, Mask]]:
    return {files.name: dict(read_eye(files).planes) for files in find_eyes(root, labels=labels).eyes}


def assert_planes(found: dict[str, dict[str, Mask]], eyes: dict[str, Eye], planes: set[str]) -> None:
    assert found.keys() == eyes.keys()
    for name, masks in found.items():
        assert masks.keys() == planes
        for plane in planes:
            np.testing.assert_array_equal(masks[plane], eyes[name].planes[plane], err_msg=f"{plane} of {name}")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ((0, 1, 2), "disc-cup"),
        ((0, 2, 1), "cup-rim"),
        ((0, 128, 255), "disc-cup-255"),
        ((0, 127, 255), "disc-cup-255"),
        ((255, 128, 0), "refuge"),
    ],
)
@pytest.mark.parametrize("folder", ["disc", "cup", "Optic Disc", "disc_cup"])
def test_disc_and_cup_in_one_file(
    values: tuple[int, ...], code: str, folder: str, tmp_path: Path, eyes: dict[str, Eye]
) -> None:
    root = put(tmp_path / "set", eyes, folder, lambda eye: numbered(eye, *values))
    assert find_eyes(root).eyes[0].codes == {"disc": code, "cup": code}
    assert_planes(read(root), eyes, {"vessels", "disc", "cup"})


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_numbers_of_more_bits_are_numbers(kind: type, tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "disc", lambda eye: numbered(eye, 0, 1, 2).astype(kind), suffix=".tif")
    assert_planes(read(root), eyes, {"vessels", "disc", "cup"})


def test_numbers_in_a_palette_are_numbers(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "disc", lambda eye: numbered(eye, 0, 1, 2))
    for path in (root / "disc").iterdir():
        with Image.open(path) as image:
            paletted = image.copy()
        paletted.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        paletted.save(path)
    assert_planes(read(root), eyes, {"vessels", "disc", "cup"})


def test_jpeg_of_three_levels_is_nearly_the_same(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "disc", lambda eye: numbered(eye, 255, 128, 0), suffix=".jpg")
    for name, masks in read(root).items():
        for plane in ("disc", "cup"):
            assert (masks[plane] ^ eyes[name].planes[plane]).sum() <= 0.02 * eyes[name].planes[plane].sum()


@pytest.mark.parametrize("folder", ["annotation", "vessels", "arteries", "veins", "av", "Artery-Vein", "masks"])
def test_coloured_vessels_are_told_wherever_they_lie(folder: str, tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, folder, coloured, vessels=False)
    assert_planes(read(root), eyes, {"vessels", "arteries", "veins"})


def test_coloured_vessels_in_jpeg(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "av", coloured, vessels=False, suffix=".jpg")
    for name, masks in read(root).items():
        for plane in ("vessels", "arteries", "veins"):
            both = masks[plane] & eyes[name].planes[plane]
            assert 2 * both.sum() >= 0.7 * (masks[plane].sum() + eyes[name].planes[plane].sum())


def test_vessels_with_a_folder_of_their_own_are_taken_from_there(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "av", coloured)
    files = find_eyes(root).eyes[0]
    assert files.planes["vessels"] == root / "vessels" / "a.png"
    assert files.codes == {"arteries": "artery-vein", "veins": "artery-vein"}
    assert_planes(read(root), eyes, {"vessels", "arteries", "veins"})


def test_another_colour_is_refused_by_name(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "av", lambda eye: coloured(eye, (255, 0, 255)), vessels=False)
    with pytest.raises(ImageError, match=r"a\.png is no map of arteries and veins: .*magenta"):
        read(root)


@pytest.mark.parametrize("folder", ["av", "arteries", "artery_vein"])
def test_numbered_vessels_where_the_folder_tells(folder: str, tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, folder, indexed, vessels=False)
    found = read(root)
    for name, masks in found.items():
        arteries, veins = eyes[name].planes["arteries"], eyes[name].planes["veins"]
        np.testing.assert_array_equal(masks["arteries"], arteries)
        np.testing.assert_array_equal(masks["veins"], veins)
        np.testing.assert_array_equal(masks["vessels"], arteries | veins)


def test_what_the_folder_does_not_tell_is_refused_with_the_codes_to_name(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "masks", lambda eye: numbered(eye, 0, 1, 2), vessels=False)
    refused = r"masks/a\.png is not binary: it has 0 \(.* %\), 1 .*, 2 .*`labels` disc-cup.*`labels` artery-vein-index"
    with pytest.raises(ImageError, match=refused):
        read(root)
    report = inspect_data(root, quiet=True)
    assert not report.ok
    assert "`labels` disc-cup" in report.problems[0]
    assert_planes(read(root, "disc-cup"), eyes, {"disc", "cup"})
    assert inspect_data(root, labels="disc-cup", quiet=True).problems == []


@pytest.mark.parametrize(("values", "code"), [((0, 128, 255), "disc-cup-255"), ((255, 128, 0), "refuge")])
def test_grey_areas_are_no_mask(values: tuple[int, ...], code: str, tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "labels", lambda eye: numbered(eye, *values), vessels=False)
    with pytest.raises(ImageError, match=rf"a\.png is not binary.*`labels` {code}"):
        read(root)


def test_colours_of_no_code_are_refused(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    def of_channels(eye: Eye) -> np.ndarray:
        disc, cup = eye.planes["disc"], eye.planes["cup"]
        return np.stack([disc & ~cup, cup, cup & False], axis=-1).astype(np.uint8) * np.uint8(255)

    root = put(tmp_path / "set", eyes, "disc", of_channels)
    with pytest.raises(ImageError, match=r"disc/a\.png is not binary: it has black .*, red .*, green"):
        read(root)


def test_a_file_that_leaves_the_code_of_its_folder_is_refused_by_name(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "disc", lambda eye: numbered(eye, 0, 1, 2))
    write_mask(root / "disc" / "b.png", eyes["b"].planes["disc"])
    with pytest.raises(ImageError, match=r"disc/b\.png is not of the code disc-cup: it has 0 .*, 255 .*0 background"):
        read(root)


def test_two_values_of_any_type_are_a_mask(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    mask = eyes["a"].planes["vessels"]
    kinds = {
        "one.tif": mask.astype(np.float32),
        "255.tif": (mask * 255).astype(np.float32),
        "signs.tif": np.where(mask, 1, -1).astype(np.float32),
        "whole.tif": mask.astype(np.int32),
        "deep.png": (mask * 65535).astype(np.uint16),
        "shallow.png": mask.astype(np.uint16),
    }
    for name, values in kinds.items():
        Image.fromarray(values).save(tmp_path / name)
        np.testing.assert_array_equal(read_mask(tmp_path / name), mask, err_msg=name)


def test_floats_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, np.nan], [1, 0]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif has pixels that are no number"):
        read_mask(tmp_path / "a.tif")


def test_half_of_the_experts_decide(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(rows - 128, columns - 128)
    drawn = np.mean([distance < radius for radius in (20, 25, 30, 35)], axis=0)
    root = put(tmp_path / "set", eyes, "disc", lambda _: np.rint(drawn * 255).astype(np.uint8))
    np.testing.assert_array_equal(read(root)["a"]["disc"], distance < 30)
    assert find_eyes(root).eyes[0].codes == {"disc": "experts"}


@pytest.mark.parametrize("plane", ["disc", "vessels"])
def test_soft_edges_stay_a_mask(plane: str, tmp_path: Path, eyes: dict[str, Eye]) -> None:
    def halved(eye: Eye) -> np.ndarray:
        picture = Image.fromarray((eye.planes[plane] * 255).astype(np.uint8))
        return np.asarray(picture.resize((SIZE // 2, SIZE // 2), Image.Resampling.BOX))

    root = put(tmp_path / "set", eyes, plane, halved, vessels=plane != "vessels")
    assert find_eyes(root).eyes[0].codes == {}
    for name, eye in eyes.items():
        np.testing.assert_array_equal(read_mask(root / plane / f"{name}.png"), halved(eye) > 127)
    read(root)


def test_a_mistaken_code_is_explained(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "masks", indexed, vessels=False)
    with pytest.raises(DataError, match=r"`labels` is 'drishti'. Expected: one of: binary, disc-cup"):
        find_eyes(root, labels="drishti")
    with pytest.raises(DataError, match=r"No folder has label files of the code disc-cup; .*a\.png has 0 .*3"):
        find_eyes(root, labels="disc-cup")


def test_files_of_a_code_that_is_said_are_looked_at_once(
    tmp_path: Path, eyes: dict[str, Eye], monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(path: Path) -> LabelValues:
        read.append(path.name)
        return read_labels(path)

    read: list[str] = []
    monkeypatch.setattr(codes, "read_labels", counted)
    root = put(tmp_path / "set", eyes, "masks", indexed, vessels=False)
    found = [find_eyes(root, labels="artery-vein-index").eyes for _ in range(2)]
    assert found[0] == found[1]
    assert sorted(read) == ["a.png", "b.png", "c.png"]


def test_the_help_of_the_commands_names_every_code() -> None:
    words = re.findall(r"[a-z]+(?:-[a-z0-9]+)*", get_args(Labels)[1].help)
    assert [name for name in SAID if name not in words] == []


def test_a_code_that_is_said_leaves_masks_alone(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "disc", lambda eye: numbered(eye, 0, 1, 2))
    assert_planes(read(root, "disc-cup"), eyes, {"vessels", "disc", "cup"})


def test_a_single_file_is_understood_too(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    Image.fromarray(coloured(eyes["a"])).save(tmp_path / "a.png")
    write_mask(tmp_path / "vessels.png", eyes["a"].planes["vessels"])
    found, expected = (measure_path(tmp_path / f"{name}.png") for name in ("a", "vessels"))
    assert found["a"].vessel_density == expected["vessels"].vessel_density
    known = [sum(value is not None for value in asdict(one).values()) for one in (found["a"], expected["vessels"])]
    assert known[0] > known[1]  # those of arteries and veins


def test_what_is_cached_depends_on_the_code(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "masks", indexed, vessels=False)
    of_code = [find_eyes(root, labels=code).eyes[0] for code in ("artery-vein-index", "binary")]
    assert stamp_of(of_code[0], ["vessels"]) != stamp_of(of_code[1], ["vessels"])


def test_an_inspection_says_what_was_understood(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    root = put(tmp_path / "set", eyes, "disc", lambda eye: numbered(eye, 255, 128, 0))
    sheet = tmp_path / "sheet.png"
    report = inspect_data(root, sheet=sheet, quiet=True)
    disc, vessels = report.planes
    assert (disc["folder"], disc["code"], disc["planes"], disc["files"]) == ("disc", "refuge", ["disc", "cup"], 3)
    shares = [np.mean([(numbered(eye, 255, 128, 0) == value).mean() for eye in eyes.values()]) for value in (0, 128)]
    assert [disc["values"]["0"], disc["values"]["128"]] == pytest.approx(shares, abs=1e-6)
    assert (vessels["code"], list(vessels["values"])) == ("binary", ["0", "255"])
    assert report.ok
    with Image.open(sheet) as image:
        assert image.width > 1000


def test_found_in_counts_colours(eyes: dict[str, Eye]) -> None:
    assert found_in(coloured(eyes["a"])).startswith("black (")
    assert codes_that_fit(coloured(eyes["a"])) == ("artery-vein",)
    assert set(CODES) >= {"binary", "disc-cup", "refuge", "artery-vein", "experts"}
