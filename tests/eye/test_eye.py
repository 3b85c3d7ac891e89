"""What can be an eye: masks that are inverted or full and tiny pictures are refused wherever an eye is put to use."""

import sys

import numpy as np
import pytest

import retinasynth as rs
from commands import fails
from retinasynth import cli
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.errors import ImageError, InputError
from retinasynth.evaluation.subjects import evaluate_folders
from retinasynth.eye import Eye, usable
from retinasynth.images import mask_as_photograph, write_mask, write_photograph

DENSEST = {"branches_per_area": 12, "smaller_trunks": 20, "vessel_free_macula": 0.1, "tortuosity": 1.3} | {
    "neovascular_tufts": 8,
    "venous_beading": 0.5,
    "angle_deg": 60,
}


def covered(share: float, side: int = 200) -> np.ndarray:
    mask = np.zeros(side * side, np.bool_)
    mask[: int(share * mask.size)] = True
    return mask.reshape(side, side)


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "allowed", "refused"), [(600, 0.4, 0.41), (128, 0.4, 0.41), (64, 0.7, 0.71), (32, 0.85, 0.86)]
)
def test_vessels_may_cover_so_much_and_no_more(side, allowed, refused):
    usable(Eye("a", {"vessels": covered(allowed, side)}))
    with pytest.raises(ImageError, match=rf"a\.png: vessels cover {refused:.0%} of the picture\. .*inverted\?"):
        usable(Eye("a", {"vessels": covered(refused, side)}), "a.png")


def test_the_share_is_that_of_the_field_of_view_where_it_is_known():
    fov = covered(0.5)
    usable(Eye("a", {"vessels": covered(0.2), "fov": fov}))
    usable(Eye("a", {"vessels": ~fov, "fov": fov}))  # there are none in it
    usable(Eye("a", {"vessels": covered(0.3), "fov": np.zeros_like(fov)}))
    with pytest.raises(ImageError, match="Eye a: vessels cover 60% of the field of view"):
        usable(Eye("a", {"vessels": covered(0.3), "fov": fov}))


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_an_inverted_mask_is_refused_at_every_size(size):
    vessels = phantom_eye(3, 256).planes["vessels"][:: 256 // size, :: 256 // size]
    usable(Eye("a", {"vessels": vessels}))
    for wrong in (~vessels, np.ones_like(vessels)):
        with pytest.raises(ImageError, match="Is the mask inverted"):
            usable(Eye("a", {"vessels": wrong}))


@pytest.mark.parametrize("plane", ["fov", "disc", "cup", "arteries", "veins", "haemorrhages"])
def test_other_planes_may_be_large(plane):
    usable(Eye("a", {plane: np.ones((200, 200), np.bool_)}))


@pytest.mark.parametrize(
    ("size", "parameters"),
    [(16, {}), (24, {"angle_deg": 60}), (32, {"angle_deg": 60}), (48, DENSEST), (64, DENSEST), (128, DENSEST)],
)
@pytest.mark.parametrize("seed", range(3))
def test_grown_eyes_are_eyes(seed, size, parameters):
    eye = grow(seed, size, **parameters)
    assert usable(eye) is eye


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_tiny_pictures_are_refused(size):
    for eye in (Eye("a", {"disc": np.ones(size, np.bool_)}), Eye("a", {}, np.zeros((*size, 3), np.uint8))):
        with pytest.raises(ImageError, match=rf"a is {size[0]} x {size[1]} px\. Expected: .* at least 16 px each way"):
            usable(eye)
    usable(Eye("a", {"disc": np.ones((16, 16), np.bool_)}))


# --- Where they are refused ------------------------------------------------------------------------------------------


def settings(*assignments):
    return (word for one in assignments for word in ("--set", one))


@pytest.fixture(params=["inverted", "full", "one pixel"])
def wrong(request, tmp_path):
    """Three training and two test eyes in ``eyes``, with one that can be none; and what is said of it."""
    for number in range(5):
        side, eye = tmp_path / "eyes" / ("train" if number < 3 else "test"), phantom_eye(number, 64)
        vessels, photograph = eye.planes["vessels"], eye.photograph
        if number in (1, 4):
            vessels = {"inverted": ~vessels, "full": np.ones_like(vessels)}.get(request.param, vessels[32:33, 32:33])
            if request.param == "one pixel":
                vessels, photograph = ~(vessels & False), photograph[32:33, 32:33]
        write_photograph(side / "images" / f"{number}.png", photograph)
        write_mask(side / "vessels" / f"{number}.png", vessels)
    return tmp_path, "is 1 x 1 px" if request.param == "one pixel" else "vessels cover"


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--data", "eyes", "--out", "out", *settings("size_px=32", "generator.depth=3", "epochs=1")),
        ("segment", "train", "--data", "eyes", "--out", "out", *settings("data.grown=0", "filters=2", "steps=1")),
        ("data", "prepare", "eyes", "--out", "out"),
        ("data", "nnunet", "eyes", "--out", "Dataset001_Eyes"),
        ("generate", "--model", "MODEL", "--masks", "eyes/train/vessels", "--out", "out"),
        ("generate", "--model", "MODEL", "--masks", "eyes/train/vessels/1.png", "--out", "out.png"),
        ("generate", "--model", "STYLED", "--masks", "eyes/train/vessels", "--out", "out"),
        ("generate", "--model", "STYLED", "--masks", "eyes/train/vessels/1.png", "--out", "out.png"),
        ("whatif", "--model", "STYLED", "--data", "eyes", "--name", "1", "--narrow", "0.6", "--out", "out"),
        ("measure", "eyes"),
    ],
)
def test_no_command_uses_them(words, wrong, monkeypatch, capfd, trained, styled_run):
    folder, message = wrong
    monkeypatch.chdir(folder)
    models = {"MODEL": trained, "STYLED": styled_run}
    said = fails(monkeypatch, capfd, *(models.get(word, word) for word in words))
    assert "1.png" in said
    assert message in said
    assert not [path for path in folder.rglob("*") if path.is_file() and folder / "eyes" not in path.parents]


def test_no_evaluation_uses_them(wrong, trained):
    folder, message = wrong
    with pytest.raises(ImageError, match=message):
        rs.evaluate(trained, folder / "eyes", folder / "out")
    pictures, masks = folder / "eyes" / "test" / "images", folder / "eyes" / "test" / "vessels"
    with pytest.raises(ImageError, match=message):
        evaluate_folders(pictures, pictures, folder / "other", masks=masks, sets=False)


def test_an_inspection_reports_them_and_goes_on(wrong, monkeypatch, capfd):
    folder, message = wrong
    found = inspect_data(folder / "eyes", quiet=True)
    assert [one["file"] for one in found.unusable] == ["train/vessels/1.png", "test/vessels/4.png"]
    assert all(message in one["reason"] for one in found.unusable)
    assert any("cannot be used; the first because" in problem and message in problem for problem in found.problems)
    monkeypatch.setattr(sys, "argv", ["retinasynth", "data", "inspect", str(folder / "eyes")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert message in " ".join(capfd.readouterr().out.split())


def test_side_by_side_pictures_are_judged_as_well(tmp_path):
    eye = phantom_eye(3, 64)
    both = [eye.photograph, mask_as_photograph(~eye.planes["vessels"])]
    write_photograph(tmp_path / "a.png", np.concatenate(both, axis=1))
    with pytest.raises(ImageError, match=r"a\.png: vessels cover"):
        read_eye(find_eyes(tmp_path).eyes[0])
    assert [one["file"] for one in inspect_data(tmp_path, quiet=True).unusable] == ["a.png"]


@pytest.mark.parametrize("run", ["trained", "styled_run"])
def test_arrays_and_eyes_are_judged_as_files_are(run, request):
    eye, model = phantom_eye(3, 128), rs.load(request.getfixturevalue(run))
    inverted = ~eye.planes["vessels"]
    for given in (inverted, Eye("a", {**eye.planes, "vessels": inverted}), np.ones((1, 1), np.bool_)):
        with pytest.raises(InputError, match=r"vessels cover|is 1 x 1 px"):
            model.generate(given)
    with pytest.raises(InputError, match="vessels cover"):
        rs.measure(inverted)


def test_a_photograph_with_the_mask_of_its_vessels_is_judged_as_well(tmp_path, monkeypatch, capfd, styled_run):
    eye = phantom_eye(3, 192)
    write_photograph(tmp_path / "eye.png", eye.photograph)
    write_mask(tmp_path / "mask.png", ~eye.planes["vessels"])
    words = ["whatif", "--photo", tmp_path / "eye.png", "--mask", tmp_path / "mask.png", "--narrow", "0.6"]
    said = fails(monkeypatch, capfd, *words, "--model", styled_run, "--out", tmp_path / "out")
    assert "mask.png: vessels cover" in said
    assert not (tmp_path / "out").exists()
