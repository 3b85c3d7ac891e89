import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.phantom import phantom_eye, phantom_folder, write_phantom_set
from retinasynth.datasets.layouts import find_eyes, read_eye
from retinasynth.errors import OutputError
from retinasynth.images import read_metadata

SEEDS = range(12)


@pytest.fixture(scope="module")
def eyes():
    return [phantom_eye(seed) for seed in SEEDS]


def centre(mask):
    return np.array(ndimage.center_of_mass(mask))


def test_a_seed_is_an_eye(eyes):
    again = phantom_eye(3)
    assert np.array_equal(again.photograph, eyes[3].photograph)
    assert all(np.array_equal(again.planes[name], eyes[3].planes[name]) for name in again.planes)
    assert not np.array_equal(eyes[3].planes["vessels"], eyes[4].planes["vessels"])


def test_the_anatomy_is_consistent(eyes):
    for eye in eyes:
        fov, disc = eye.planes["fov"], eye.planes["disc"]
        assert eye.planes["cup"].any()
        assert (eye.planes["cup"] <= disc).all()
        assert all((plane <= fov).all() for plane in eye.planes.values())
        assert not (eye.planes["vessels"] & ndimage.binary_dilation(eye.planes["fovea"], iterations=3)).any()
        assert 0.07 < eye.planes["vessels"].sum() / fov.sum() < 0.15
        assert ndimage.binary_dilation(disc, iterations=2)[eye.planes["vessels"]].any()
        assert (eye.photograph[~fov] == 0).all()
        radius = np.sqrt(disc.sum() / np.pi)
        assert 4.2 < np.linalg.norm(centre(disc) - centre(eye.planes["fovea"])) / radius < 5.8


def test_there_are_left_and_right_eyes(eyes):
    sides = [centre(eye.planes["disc"])[1] < 128 for eye in eyes]
    assert 2 <= sum(sides) <= len(SEEDS) - 2


def test_the_photograph_shows_what_the_labels_say(eyes):
    for eye in eyes:
        green = eye.photograph[..., 1].astype(float)
        vessels, disc, fov = (eye.planes[name] for name in ("vessels", "disc", "fov"))
        inside = ndimage.binary_erosion(fov, iterations=6) & ~ndimage.binary_dilation(disc, iterations=4)
        near = ndimage.binary_dilation(vessels, iterations=6) & ~ndimage.binary_dilation(vessels, iterations=2)
        assert green[vessels & inside].mean() < 0.85 * green[near & inside].mean()
        assert green[disc & ~vessels].mean() > 1.3 * green[inside & ~vessels].mean()


def test_size_changes_the_resolution_alone(eyes):
    small = phantom_eye(3, 128)
    shrunk = eyes[3].planes["disc"].reshape(128, 2, 128, 2).mean((1, 3)) > 0.5
    assert np.mean(shrunk != small.planes["disc"]) < 0.002
    colours = [eye.photograph[eye.planes["fov"]].mean(0) for eye in (small, eyes[3])]
    assert colours[0] == pytest.approx(colours[1], rel=0.05)


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
