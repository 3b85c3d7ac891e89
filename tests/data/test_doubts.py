from pathlib import Path

import numpy as np
import pytest

from pictures import put_mask, tiny_mask
from retinasynth import progress
from retinasynth.data.doubts import DARK, doubts_of
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.errors import ImageError
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.images import Mask, Photograph, write_mask, write_photograph


def round_spot(size: int, diameter: float, row: float = 0.5, column: float = 0.5) -> Mask:
    rows, columns = np.mgrid[:size, :size] / size
    return np.asarray(np.hypot(rows - row, columns - column) <= diameter / 2)


def painted(spot: Mask, field: Mask | None = None, *, level: float = 1.0) -> Photograph:
    """A photograph of a brighter spot in a retina that fills the picture, or the field of view."""
    retina = np.where(spot[..., None], [240.0, 200.0, 120.0], [170.0, 90.0, 40.0])
    grain = np.random.default_rng(0).normal(0, 3, retina.shape)
    lit = 1.0 if field is None else field[..., None]
    return np.clip((retina + grain) * lit * level, 0, 255).astype(np.uint8)


def kinds(*of: Photograph | Mask | None) -> list[str]:
    return [doubt.kind for doubt in doubts_of(*of)]


@pytest.mark.parametrize("diameter", [0.3, 0.5, 0.7])
def test_a_crop_around_the_disc_is_known_by_its_bright_spot(diameter: float) -> None:
    assert kinds(painted(round_spot(240, diameter))) == ["crop around the disc"]


def test_other_photographs_are_no_crops() -> None:
    field = round_spot(240, 0.98)
    assert kinds(painted(round_spot(240, 0.5), field)) == []  # lit in the middle, but its field is round
    assert kinds(painted(round_spot(240, 0.12))) == []
    assert kinds(painted(round_spot(240, 0.4, column=0.95))) == []
    assert kinds(painted(round_spot(240, 0.0))) == []
    stripe = round_spot(240, 0.0)
    stripe[100:140, 20:220] = True
    assert kinds(painted(stripe)) == []


def test_a_mask_of_the_disc_decides_where_there_is_one() -> None:
    small, large = round_spot(240, 0.15), round_spot(240, 0.4)
    field = round_spot(240, 0.98)
    assert kinds(painted(large), small) == []
    assert kinds(painted(small), large) == ["crop around the disc"]
    assert kinds(None, large) == ["crop around the disc"]
    assert kinds(None, large, field) == []
    assert kinds(None, small) == []


def test_dark_photographs_are_named_by_their_brightest_level() -> None:
    field, spot = round_spot(240, 0.98), round_spot(240, 0.12)
    (doubt,) = doubts_of(painted(spot, field, level=0.1))
    assert doubt.kind == "very dark"
    assert int(doubt.got.split("than ")[1].split()[0]) == pytest.approx(24, abs=2)
    assert kinds(painted(spot, field, level=(DARK + 10) / 240)) == []


def test_black_photographs_are_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(2):
        black = np.full((64, 64, 3), 10 * number, np.uint8)
        assert kinds(black) == []
        write_photograph(tmp_path / "images" / f"{number}.png", black)
        put_mask(tmp_path / "masks" / f"{number}.png", number, 64, 64)
    unusable = inspect_data(tmp_path, quiet=True).unusable
    assert [one["file"] for one in unusable if "it is black" in one["reason"]] == ["images/0.png", "images/1.png"]
    eye = read_eye(find_eyes(tmp_path).eyes[0])
    with pytest.raises(ImageError, match=r"0\.png is black"):
        find_field_of_view(eye.photograph, tmp_path / "images" / "0.png")


def test_they_are_noted_by_inspect_and_warned_of_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        (tmp_path / "images").mkdir(exist_ok=True)
        write_photograph(tmp_path / "images" / f"{number}.png", painted(round_spot(64, 0.5), level=0.2))
        put_mask(tmp_path / "masks" / f"{number}.png", number, 64, 64)
        (tmp_path / "disc").mkdir(exist_ok=True)
        write_mask(tmp_path / "disc" / f"{number}.png", round_spot(64, 0.5))
    found = inspect_data(tmp_path, quiet=True)
    assert {(one["file"], one["kind"]) for one in found.doubts} == {
        (f"images/{number}.png", kind) for number in range(3) for kind in ("very dark", "crop around the disc")
    }
    notes = " ".join(found.notes)
    assert "images/0.png, images/1.png, images/2.png: crop around the disc; of the first, it is a crop" in notes
    assert "50% as wide as the picture" in notes
    assert not [problem for problem in found.problems if "crop" in problem or "dark" in problem]
    progress._warned.clear()
    capfd.readouterr()
    for files in find_eyes(tmp_path).eyes:
        read_eye(files)
    said = " ".join(capfd.readouterr().err.split())
    assert said.count("is a crop around the optic disc") == said.count("is very dark") == 1


def test_tiny_pictures_have_no_doubts() -> None:
    assert kinds(np.full((1, 1, 3), 200, np.uint8)) == []
    assert kinds(painted(tiny_mask(0))) == []
