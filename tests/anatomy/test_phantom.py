import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.phantom import phantom_eye, phantom_folder, write_phantom_set
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import OutputError, SettingError
from retinasynth.images import read_metadata

SEEDS = range(12)


@pytest.fixture(scope="module")
def eyes():
    return [phantom_eye(seed) for seed in SEEDS]


def test_a_seed_is_an_eye(eyes):
    again = phantom_eye(3)
    assert np.array_equal(again.photograph, eyes[3].photograph)
    assert all(np.array_equal(again.planes[name], eyes[3].planes[name]) for name in again.planes)
    assert not np.array_equal(eyes[3].planes["vessels"], eyes[4].planes["vessels"])


def test_there_are_left_and_right_eyes(eyes):
    sides = [eye.geometry.laterality for eye in eyes]
    assert 2 <= sides.count("left") <= len(SEEDS) - 2


def test_the_photograph_shows_what_the_labels_say(eyes):
    vessels_over_near, disc_over_rest = [], []
    for eye in eyes:
        green = eye.photograph[..., 1].astype(float)
        vessels, disc, fov = (eye.planes[name] for name in ("vessels", "disc", "fov"))
        inside = ndimage.binary_erosion(fov, iterations=6) & ~ndimage.binary_dilation(disc, iterations=4)
        near = ndimage.binary_dilation(vessels, iterations=6) & ~ndimage.binary_dilation(vessels, iterations=2)
        vessels_over_near.append(green[vessels & inside].mean() / green[near & inside].mean())
        disc_over_rest.append(green[disc & ~vessels].mean() / green[inside & ~vessels].mean())
        assert (eye.photograph[~fov] == 0).all()
    assert max(vessels_over_near) < 0.97
    assert 0.6 < np.mean(vessels_over_near) < 0.9
    assert min(disc_over_rest) > 1.2


def test_photographs_vary_as_cameras_and_people_do(eyes):
    colours = np.array([eye.photograph[eye.planes["fov"]].mean(axis=0) for eye in eyes])
    assert (colours.std(axis=0) > 2).all()
    assert (colours[:, 0] > colours[:, 1]).all()


def test_randomised_styles_vary_more():
    eye = grow(2, 128)
    colours = {
        style: np.array([phantom_photograph(eye, seed, style)[eye.planes["fov"]].mean(axis=0) for seed in range(24)])
        for style in ("natural", "randomised")
    }
    hues = {style: (found / found.sum(axis=1, keepdims=True)).std(axis=0).mean() for style, found in colours.items()}
    assert hues["randomised"] > 1.5 * hues["natural"]
    with pytest.raises(SettingError, match="style is 'wild'"):
        phantom_photograph(eye, 0, "wild")


def test_the_set_is_read_back_as_a_data_set(tmp_path):
    write_phantom_set(tmp_path / "set", train=3, test=2, size_px=64)
    found = find_eyes(tmp_path / "set")
    assert [len(found.split(side)) for side in ("train", "test")] == [3, 2]
    expected, eye = phantom_eye(0, 64), read_eye(found.eyes[0])
    assert np.array_equal(eye.photograph, expected.photograph)
    assert eye.planes.keys() == expected.planes.keys()
    assert "not for diagnosis" in read_metadata(found.eyes[0].photograph)["Synthetic"]
    with pytest.raises(OutputError, match="not empty"):
        write_phantom_set(tmp_path / "set")


def test_phantom_is_a_data_set_of_its_own():
    found = find_eyes("phantom")
    assert [len(found.split(side)) for side in ("train", "test")] == [40, 8]
    before = found.eyes[0].photograph.stat().st_mtime_ns
    assert phantom_folder().joinpath("train/images/phantom_000.png").stat().st_mtime_ns == before
