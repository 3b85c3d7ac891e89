"""A styled generator remembers the cameras of its training photographs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import retinasynth as rs
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.cli import app
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import InputError, SettingError
from retinasynth.evaluation.subjects import Conditions, generated
from retinasynth.eye import Eye
from retinasynth.eye.camera import Camera
from retinasynth.eye.field_of_view import field_around, find_field_of_view
from retinasynth.generator import Generator
from retinasynth.images import Mask, read_photograph, resize_mask, write_mask, write_photograph


@pytest.fixture(scope="module")
def model(styled_run: Path) -> Generator:
    return rs.load(styled_run)


@pytest.fixture(scope="module")
def eye() -> Eye:
    return phantom_eye(seed=11, size_px=64)


@pytest.fixture(scope="module")
def camera(model: Generator) -> Camera:
    (remembered,) = model.config.cameras
    return remembered


@pytest.fixture(scope="module")
def vessels(eye: Eye, camera: Camera) -> Mask:
    return eye.planes["vessels"] & camera.field((64, 64))  # what reached beyond would be of another camera


def small_field(side: int = 64) -> Mask:
    rows, columns = np.mgrid[:side, :side] + 0.5 - side / 2
    return np.asarray(np.hypot(rows, columns) < 0.3 * side)


def test_the_camera_is_that_of_the_training_photographs(camera: Camera, eye: Eye) -> None:
    assert (camera.height, camera.width, camera.photographs) == (64, 64, 4)
    field = camera.field((64, 64))
    assert (field & eye.planes["fov"]).sum() / (field | eye.planes["fov"]).sum() > 0.95


def test_a_bare_mask_is_photographed_by_the_camera(model: Generator, vessels: Mask, camera: Camera) -> None:
    outside = ~camera.field((64, 64))
    photograph = model.generate(vessels, style="expected")
    assert (photograph[outside] == np.rint(camera.background)).all()
    drawn = [model.generate(vessels, seed=seed)[outside] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert all(np.ptp(one, axis=0).max() == 0 for one in drawn)


def test_a_mask_of_another_size_has_the_same_field(model: Generator, vessels: Mask, camera: Camera) -> None:
    photograph = model.generate(resize_mask(vessels, (128, 128)), style="expected", size="mask")
    assert (photograph[~camera.field((128, 128))] == np.rint(camera.background)).all()


def test_a_field_that_is_given_is_taken(model: Generator, vessels: Mask, camera: Camera) -> None:
    usual = model.generate(vessels, style="expected")
    given = model.generate(Eye("a", {"vessels": vessels, "fov": small_field()}), style="expected")
    asked = model.generate(vessels, style="expected", fov=small_field())
    np.testing.assert_array_equal(given, asked)
    assert (given != usual).any()
    assert given[~small_field()].mean() < 0.5 * usual[camera.field((64, 64)) & ~small_field()].mean()
    model.generate(vessels, fov=small_field(128))  # resized to the mask


def test_without_the_camera_the_field_lies_around_the_vessels(model: Generator, vessels: Mask) -> None:
    found = model.generate(vessels, style="expected", fov="found")
    asked = model.generate(vessels, style="expected", fov=field_around(vessels))
    inside = field_around(vessels)
    np.testing.assert_array_equal(found[inside], asked[inside])


def test_of_a_mask_of_another_shape_the_field_is_found(model: Generator, vessels: Mask) -> None:
    wide = np.pad(vessels, ((0, 0), (20, 20)))
    np.testing.assert_array_equal(
        model.generate(wide, style="expected"), model.generate(wide, style="expected", fov="found")
    )


def test_a_photograph_lends_its_field_with_its_style(model: Generator, vessels: Mask) -> None:
    field = np.asarray(np.hypot(*(np.mgrid[:64, :64] + 0.5 - 32)) < 26)
    inner = np.where(np.hypot(*(np.mgrid[:64, :64] + 0.5 - 32)) < 24, vessels, False)
    lender = np.where(field[..., None], np.array([170, 80, 30]), 30).astype(np.uint8)
    photograph = model.generate(inner, style=lender)
    away = np.hypot(*(np.mgrid[:64, :64] + 0.5 - 32)) > 28
    np.testing.assert_allclose(photograph[away], 30, atol=4)  # light strays in so small a picture


def test_a_folder_lends_its_usual_style(model: Generator, vessels: Mask, tmp_path: Path) -> None:
    for seed in range(3):
        write_photograph(tmp_path / "mine" / f"{seed}.png", phantom_eye(seed=seed, size_px=64).photograph)
    usual = model.generate(vessels, style=tmp_path / "mine", seed=3)
    np.testing.assert_array_equal(usual, model.generate(vessels, style=str(tmp_path / "mine"), seed=3))
    one = model.generate(vessels, style=tmp_path / "mine" / "0.png", seed=3)
    assert (usual != one).any()
    dark = np.where(phantom_eye(seed=0, size_px=64).planes["fov"][..., None], 40, 0).astype(np.uint8).repeat(3, axis=2)
    for seed in range(3):
        write_photograph(tmp_path / "mine" / f"{seed}.png", dark)
    changed = model.generate(vessels, style=tmp_path / "mine", seed=3)
    assert changed.mean() < usual.mean() - 5  # the folder was read again


def test_the_field_can_be_chosen_on_the_command_line(styled_run: Path, vessels: Mask, tmp_path: Path) -> None:
    write_mask(tmp_path / "masks" / "a.png", vessels)
    write_mask(tmp_path / "field.png", small_field())
    made = {}
    for fov in ("camera", "found", str(tmp_path / "field.png")):
        out = tmp_path / Path(fov).stem
        command = ["generate", "--model", str(styled_run), "--masks", str(tmp_path / "masks"), "--out", str(out)]
        result = CliRunner().invoke(app, [*command, "--fov", fov, "--style", "expected"])
        assert result.exit_code == 0, result.output
        made[out.name] = read_photograph(out / "images" / "a.png")
    pairs = [("camera", "found"), ("camera", "field"), ("found", "field")]
    assert all((made[one] != made[other]).any() for one, other in pairs)


@pytest.mark.parametrize(
    ("fov", "message"),
    [("middle", "'camera', 'found', or a mask"), (np.zeros((64, 64), bool), "is empty"),
     (np.ones((64, 96), bool), "64 x 96 px, but eye mask is 64 x 64")],
)  # fmt: skip
def test_a_field_that_is_none_is_refused(model: Generator, vessels: Mask, fov: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.generate(vessels, fov=fov)  # type: ignore[call-overload]


def test_a_model_that_sees_whole_pictures_has_no_field(trained: Path, vessels: Mask) -> None:
    with pytest.raises(InputError, match="no field of view"):
        rs.load(trained).generate(vessels, fov="found")


def test_photographs_have_the_shape_of_their_masks(model: Generator, trained: Path, vessels: Mask) -> None:
    wide = np.pad(vessels, ((0, 0), (16, 16)))
    assert model.generate(wide).shape == (model.config.size_px, round(1.5 * model.config.size_px), 3)
    assert model.generate(wide, size="mask").shape == (64, 96, 3)
    assert model.generate(wide, size=48).shape == (48, 48, 3)
    assert model.label(wide, "model").shape == model.generate(wide).shape[:2]
    published = rs.load(trained)
    side = published.config.size_px
    assert published.generate(wide).shape == (side, round(1.5 * side), 3)


def test_evaluation_knows_no_more_of_the_field_than_generate(
    styled_run: Path, phantoms: Path, tmp_path: Path, model: Generator, camera: Camera
) -> None:
    shutil.copytree(phantoms, tmp_path / "eyes", ignore=shutil.ignore_patterns("fov"))
    files = find_eyes(tmp_path / "eyes").split("test")
    for one in files:  # what reached beyond its field would be of another camera
        path = one.planes["vessels"]
        write_mask(path, read_eye(one).planes["vessels"] & camera.field((64, 64)))
    vessels = [read_eye(one).planes["vessels"] for one in files]
    for fov in ("camera", "found", "own"):
        made = list(generated(model, files, Conditions(3, fov=fov)))
        for number, (photograph, mask, one) in enumerate(zip(made, vessels, files, strict=True)):
            view = find_field_of_view(read_eye(one).photograph) if fov == "own" else fov
            planes = {plane: read_eye(one).planes[plane] for plane in read_eye(one).planes}
            expected = model.generate(Eye("a", planes), seed=3 + number, size="mask", style="expected", fov=view)
            np.testing.assert_array_equal(photograph, expected)
            assert (photograph[~camera.field(mask.shape)] == np.rint(camera.background)).all() or fov != "camera"
    command = ["evaluate", "--model", str(styled_run), "--data", str(tmp_path / "eyes"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*command, "--fov", "found", "--pairs-only"])
    assert result.exit_code == 0, result.output
    about = json.loads((tmp_path / "out" / "evaluation.json").read_text())["about"]
    assert about["Fields of view that are not given"] == "around the vessels"
    wrong = CliRunner().invoke(app, [*command[:-1], str(tmp_path / "other"), "--fov", "middle"])
    assert wrong.exit_code == 1 or isinstance(wrong.exception, SettingError)


def test_the_bundled_generator_remembers_its_cameras() -> None:
    cameras = rs.load("fundus-512").config.cameras
    assert [(one.height, one.width) for one in cameras] == [(1024, 1542), (1168, 1752), (960, 999)]
    assert all(one.agreement > 0.98 for one in cameras)
