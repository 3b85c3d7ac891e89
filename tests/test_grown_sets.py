import functools
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from retinasynth.anatomy import PLANES
from retinasynth.anatomy.growth import anatomy_of, grow
from retinasynth.anatomy.label_map import read_label_map
from retinasynth.anatomy.phantom import phantom_photograph
from retinasynth.datasets.grown import ASKED, GrownSet, _write_one, as_style, write_grown_set
from retinasynth.datasets.layouts import find_eyes, read_eye
from retinasynth.datasets.resumable import ResumableSet
from retinasynth.errors import OutputError, RetinasynthError, SettingError
from retinasynth.files import sha256_of
from retinasynth.images import read_metadata

SMALL = GrownSet(seed=3, size_px=64, preset="diabetic", parameters={"cup_to_disc": 0.6})


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grown") / "set"
    assert write_grown_set(folder, 3, SMALL, workers=1) == 0
    return folder


def test_any_number_of_workers_makes_the_same_files(undisturbed, tmp_path):
    write_grown_set(tmp_path / "set", 3, SMALL, workers=2)
    assert contents(tmp_path / "set") == contents(undisturbed)


def test_the_set_holds_what_grow_gives(undisturbed):
    eye = grow(4, 64, preset="diabetic", cup_to_disc=0.6)
    back = read_label_map(undisturbed, eye.name)
    assert back.geometry == eye.geometry
    assert set(back.planes) == set(PLANES)
    assert all((back.planes[name] == eye.planes[name]).all() for name in PLANES)
    assert (back.photograph == phantom_photograph(eye, 4)).all()


def test_the_manifest_says_all_of_each_eye(undisturbed):
    lines = [json.loads(line) for line in (undisturbed / "manifest.jsonl").read_text().splitlines()]
    assert [line["seed"] for line in lines] == [3, 4, 5]
    for line in lines:
        assert line["parameters"] == anatomy_of(line["seed"], "diabetic", {"cup_to_disc": 0.6}).model_dump()
        assert line["parameters"]["cup_to_disc"] == 0.6
        assert 0.02 < line["biomarkers"]["vessel_density"] < 0.5
        assert set(line["sha256"]) == {*PLANES, "images"}
        for folder, digest in line["sha256"].items():
            assert sha256_of(undisturbed / folder / f"{line['name']}.png") == digest
    said = read_metadata(undisturbed / "images" / f"{lines[0]['name']}.png")
    assert "not for diagnosis" in said["Synthetic"]
    assert said["Seed"] == "3"


def test_it_is_a_data_set(undisturbed):
    found = find_eyes(undisturbed)
    assert len(found.eyes) == 3
    eye = read_eye(found.eyes[0])
    assert set(eye.planes) == set(PLANES)
    assert eye.geometry == grow(3, 64, preset="diabetic", cup_to_disc=0.6).geometry


def test_a_set_goes_on_where_it_stopped(undisturbed, tmp_path):
    folder = tmp_path / "set"
    write_grown_set(folder, 1, SMALL, workers=1)
    (folder / "images" / "grown_000004.png").write_bytes(b"half a picture")  # as after a power cut
    (folder / "images" / ".grown_000004.png.77.part.png").write_bytes(b"half a picture")  # as after kill -9
    with (folder / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"name": "grown_0000')
    assert write_grown_set(folder, 3, SMALL, workers=1) == 1
    assert contents(folder) == contents(undisturbed)
    assert write_grown_set(folder, 3, SMALL, workers=1) == 3
    assert contents(folder) == contents(undisturbed)


def test_an_interrupted_command_keeps_whole_eyes_and_goes_on(tmp_path):
    folder = tmp_path / "set"
    command = [sys.executable, "-m", "retinasynth.cli", "grow", "--out", str(folder), "--size", "96", "--workers", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [*command, "--count", "4000"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - jobs of a shell ignore it
    )
    manifest = folder / "manifest.jsonl"
    until = time.monotonic() + 60
    while not (manifest.is_file() and manifest.read_text().count("\n") > 3) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Run the same command again" in " ".join(said.split())
    done = manifest.read_text().count("\n")
    assert 3 < done < 4000
    assert write_grown_set(folder, done + 1, GrownSet(size_px=96), workers=1) == done


def test_two_commands_at_once_make_one_set(undisturbed, tmp_path):
    with ThreadPoolExecutor(2) as both:
        jobs = [both.submit(write_grown_set, tmp_path / "set", 3, SMALL, workers=1) for _ in range(2)]
    assert sorted(job.result() for job in jobs) == [0, 3]
    assert contents(tmp_path / "set") == contents(undisturbed)


def test_an_eye_is_recorded_as_soon_as_it_is_there(tmp_path):
    write_one = functools.partial(_write_one, tmp_path / "set", SMALL)
    lines = ResumableSet(tmp_path / "set", ASKED, {}, write_one, "grown eyes", "Growing")._written(range(3, 11), 2)
    next(lines)
    assert 1 <= len(list((tmp_path / "set" / "geometry").glob("grown*.json"))) < 4  # the other worker's among them
    lines.close()


def test_a_killed_worker_is_explained(tmp_path, monkeypatch):
    def broken(*_):
        raise BrokenProcessPool
        yield

    monkeypatch.setattr(ResumableSet, "_written", broken)
    with pytest.raises(OutputError, match="fewer --workers"):
        write_grown_set(tmp_path / "set", 2, SMALL)


def test_a_number_is_the_same_however_it_is_written(undisturbed, tmp_path):
    folder = tmp_path / "set"
    written = GrownSet(seed=3, size_px=64, preset="diabetic", parameters={"cup_to_disc": "0.60"})  # on a command line
    write_grown_set(folder, 2, written, workers=1)
    assert write_grown_set(folder, 3, SMALL, workers=1) == 2
    assert contents(folder) == contents(undisturbed)


def test_a_damaged_record_of_what_was_asked_for_is_refused(tmp_path):
    (tmp_path / "growing.json").write_text('{"half')
    with pytest.raises(OutputError, match="damaged"):
        write_grown_set(tmp_path, 1, SMALL)


def test_another_set_is_not_mixed_in(undisturbed, tmp_path):
    with pytest.raises(OutputError, match="another preset"):
        write_grown_set(undisturbed, 4, GrownSet(seed=3, size_px=64, parameters={"cup_to_disc": 0.6}))
    (tmp_path / "other").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_grown_set(tmp_path, 1, SMALL)


@pytest.mark.parametrize(
    ("count", "wanted", "error"),
    [
        (0, SMALL, SettingError),
        (1, GrownSet(size_px=0), SettingError),
        (1, GrownSet(size_px=64, style="oil"), SettingError),
        (1, GrownSet(preset="nobody"), SettingError),
        (1, GrownSet(parameters={"cup_to_disc": 2}), SettingError),
        (1, GrownSet(parameters={"angle_deg": 25, "cup_to_disc": 0.5}), RetinasynthError),
    ],
)
def test_impossible_wishes_leave_nothing_behind(tmp_path, count, wanted, error):
    with pytest.raises(error):
        write_grown_set(tmp_path / "set", count, wanted, workers=1)
    assert not (tmp_path / "set").exists()


def test_labels_alone(tmp_path):
    write_grown_set(tmp_path / "set", 1, GrownSet(size_px=64, style=None), workers=1)
    assert not (tmp_path / "set" / "images").exists()
    assert read_label_map(tmp_path / "set", "grown_000000").photograph is None


def test_styles_are_known_by_name():
    assert as_style("randomised") == "randomised"
    with pytest.raises(SettingError, match="natural, randomised"):
        as_style("oil")
