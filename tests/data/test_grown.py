import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from retinasynth import files
from retinasynth.anatomy.follow_up import follow_up
from retinasynth.anatomy.grow import anatomy_of, grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.grown import ASKED, GrownSet, _write_one, as_style, write_grown_set
from retinasynth.data.sets import ResumableSet
from retinasynth.errors import DiskFullError, InterruptedRunError, OutputError, RetinasynthError, SettingError
from retinasynth.eye import PLANES
from retinasynth.eye.label_map import read_label_map
from retinasynth.files import sha256_of
from retinasynth.images import read_metadata
from retinasynth.resuming import one_writer
from visits import VISITS, visit_written_by

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
    eye = grow(4, 64, people="diabetic", cup_to_disc=0.6)
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
        assert set(line["sha256"]) == {*PLANES, "images", "geometry"}
        for folder, digest in line["sha256"].items():
            (file,) = (undisturbed / folder).glob(f"{line['name']}.*")
            assert sha256_of(file) == digest
    said = read_metadata(undisturbed / "images" / f"{lines[0]['name']}.png")
    assert "not for diagnosis" in said["Synthetic"]
    assert said["Seed"] == "3"


def test_it_is_a_data_set(undisturbed):
    found = find_eyes(undisturbed)
    assert len(found.eyes) == 3
    eye = read_eye(found.eyes[0])
    assert set(eye.planes) == set(PLANES)
    assert eye.geometry == grow(3, 64, people="diabetic", cup_to_disc=0.6).geometry


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_an_interrupted_command_keeps_whole_eyes_and_goes_on(number, tmp_path):
    folder = tmp_path / "set"
    command = [sys.executable, "-m", "retinasynth.cli", "grow", "--out", str(folder), "--size", "96", "--workers", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [*command, "--count", "4000"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - jobs of a shell ignore some
    )
    manifest = folder / "manifest.jsonl"
    assert within(60, lambda: manifest.is_file() and manifest.read_text().count("\n") > 3)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Run the same command again" in " ".join(said.split())
    done = manifest.read_text().count("\n")
    assert 3 < done < 4000
    assert write_grown_set(folder, done + 1, GrownSet(size_px=96), workers=1) == done


def test_a_set_that_was_stopped_has_its_tables(tmp_path):
    def write_one(number):
        if number == 2:
            raise KeyboardInterrupt
        return {"name": f"eye_{number}", "seed": number, "parameters": {"retinopathy_grade": number + 1}}

    kept = ResumableSet(tmp_path / "set", ASKED, {}, 0, write_one, "eyes", "Seeing", shard=(0, 2))
    with pytest.raises(InterruptedRunError):
        kept.write(6, workers=1)
    assert (tmp_path / "set" / "grades-0-of-2.csv").read_text().splitlines() == ["image,retinopathy_grade", "eye_0,1"]


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.05)
    return is_so()


def test_workers_end_with_a_killed_parent(tmp_path):
    command = [sys.executable, "-m", "retinasynth.cli", "grow", "--out", str(tmp_path / "set"), "--size", "96"]
    with subprocess.Popen([*command, "--workers", "2", "--count", "4000"], stderr=subprocess.DEVNULL) as running:
        assert within(60, (tmp_path / "set" / "manifest.jsonl").is_file)
        workers = psutil.Process(running.pid).children(recursive=True)
        running.kill()
    assert len(workers) >= 2
    gone, alive = psutil.wait_procs(workers, timeout=5)
    assert (len(gone), alive) == (len(workers), [])


@pytest.mark.parametrize("damage", ["not JSON", "", "[]", '{"seed": 4}', "[" * 100_000, '{"name": "grown_000004", "se'])
def test_an_eye_whose_line_is_damaged_is_made_again(damage, undisturbed, tmp_path, caplog):
    folder = shutil.copytree(undisturbed, tmp_path / "set")
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    (folder / "manifest.jsonl").write_text(f"{lines[0]}\n{damage}\n{lines[2]}\n")
    assert write_grown_set(folder, 3, SMALL, workers=1) == 2
    assert contents(folder) == contents(undisturbed)
    assert "damaged lines" in caplog.text


@pytest.mark.parametrize("place", ["images", "vessels", "geometry"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"other")], ids=["gone", "changed"])
def test_an_eye_whose_files_are_gone_or_changed_is_made_again(place, damage, undisturbed, tmp_path, caplog):
    folder = shutil.copytree(undisturbed, tmp_path / "set")
    (file,) = (folder / place).glob("grown_000004.*")
    damage(file)
    assert write_grown_set(folder, 3, SMALL, workers=1) == 2
    assert contents(folder) == contents(undisturbed)
    assert "grown_000004" in caplog.text


def test_what_a_killed_process_left_half_written_is_removed(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "set")
    for file in (".manifest.jsonl.4194305.part.jsonl", "images/.grown_000003.png.4194305.part.png"):
        (folder / file).write_text("half")  # there is no process of this number
    write_grown_set(folder, 3, SMALL, workers=1)
    assert contents(folder) == contents(undisturbed)


def test_a_second_command_says_that_it_waits(undisturbed, tmp_path, caplog):
    with ThreadPoolExecutor(1) as other, one_writer(tmp_path / "set"):
        job = other.submit(write_grown_set, tmp_path / "set", 3, SMALL, workers=1)
        assert within(10, lambda: "Another process is at work in" in caplog.text)
        assert not job.done()
    assert job.result() == 0
    assert contents(tmp_path / "set") == contents(undisturbed)


def test_after_a_full_disk_the_same_command_goes_on(undisturbed, tmp_path, monkeypatch):
    folder = tmp_path / "set"
    real, calls = files.os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(1)
        if len(calls) == 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(DiskFullError, match="Free some space, and run the same command again"):
        write_grown_set(folder, 3, SMALL, workers=1)
    monkeypatch.undo()
    assert write_grown_set(folder, 3, SMALL, workers=1) > 0
    assert contents(folder) == contents(undisturbed)


def test_two_commands_at_once_make_one_set(undisturbed, tmp_path):
    with ThreadPoolExecutor(2) as both:
        jobs = [both.submit(write_grown_set, tmp_path / "set", 3, SMALL, workers=1) for _ in range(2)]
    assert sorted(job.result() for job in jobs) == [0, 3]
    assert contents(tmp_path / "set") == contents(undisturbed)


def test_an_eye_is_recorded_as_soon_as_it_is_there(tmp_path):
    write_one = functools.partial(_write_one, tmp_path / "set", SMALL)
    kept = ResumableSet(tmp_path / "set", ASKED, {}, SMALL.seed, write_one, "grown eyes", "Growing")
    lines = kept._written(range(3, 11), 2)
    next(lines)
    assert 1 <= len(list((tmp_path / "set" / "geometry").glob("grown*.json"))) < 4  # the other worker's among them
    lines.close()


def test_a_killed_worker_is_explained(tmp_path, monkeypatch):
    def broken(*_):
        raise BrokenProcessPool
        yield

    monkeypatch.setattr(ResumableSet, "_written", broken)
    with pytest.raises(OutputError, match="fewer `workers`"):
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


# --- Grades, people, visits ------------------------------------------------------------------------------------------

SEVERAL = GrownSet(4, 96, style=None, parameters={"retinopathy_grade": 0}, eyes_per_person=2, visits=3,
                   until={"retinopathy_grade": "2"})  # fmt: skip


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "set"
    assert write_grown_set(folder, 4, SEVERAL, workers=1) == 0
    return folder


def test_a_plain_set_has_no_tables_and_says_nothing_new(undisturbed):
    assert not list(undisturbed.glob("*.csv"))
    first = json.loads((undisturbed / "manifest.jsonl").read_text().splitlines()[0])
    assert not {"subject", "eye", "visit", "changed"} & first.keys()


def test_grades_of_a_grown_set_are_found(several, tmp_path):
    grades = {files.name: files.grade for files in find_eyes(several).eyes}
    assert [grades[f"person_000002_right_{visit}"] for visit in (1, 2, 3)] == [0, 1, 2]
    write_grown_set(tmp_path / "set", 2, GrownSet(size_px=96, parameters={"retinopathy_grade": 4}), workers=1)
    assert [files.grade for files in find_eyes(tmp_path / "set").eyes] == [4, 4]
    assert not (tmp_path / "set" / "subjects.csv").exists()


def test_all_visits_of_both_eyes_are_of_one_subject(several):
    found = find_eyes(several)
    assert len(found.eyes) == 12
    whose = {files.name: (files.subject, files.eye) for files in found.eyes}
    assert whose["person_000002_left_1"] == whose["person_000002_left_3"] == ("person_000002", "person_000002_left")
    assert whose["person_000003_right_2"] == ("person_000003", "person_000003_right")
    subjects = {split: {files.subject for files in found.split(split)} for split in ("train", "test")}
    assert sorted(map(len, subjects.values())) == [1, 1]
    (several / "subjects.csv").rename(several / "away.txt")  # names alone tell the people
    assert {files.name: (files.subject, files.eye) for files in find_eyes(several).eyes} == whose
    (several / "away.txt").rename(several / "subjects.csv")


def test_visits_without_people_are_of_one_subject(tmp_path):
    wanted = GrownSet(size_px=96, style=None, parameters={"cup_to_disc": 0.3}, visits=2, until={"cup_to_disc": 0.7})
    write_grown_set(tmp_path / "set", 2, wanted, workers=1)
    eyes = find_eyes(tmp_path / "set").eyes
    assert [(files.name, files.subject) for files in eyes] == [
        (f"grown_00000{seed}_{visit}", f"grown_00000{seed}") for seed in (0, 1) for visit in (1, 2)
    ]
    assert {files.grade for files in eyes} == {None}


def test_the_manifest_says_what_changed(several):
    lines = [json.loads(line) for line in (several / "manifest.jsonl").read_text().splitlines()]
    assert [(line["seed"], line["visit"]) for line in lines] == [(seed, visit) for seed in (4, 5, 6, 7) for visit in
                                                                 (1, 2, 3)]  # fmt: skip
    visits = follow_up(5, 3, {"retinopathy_grade": 2}, 96, person=2, retinopathy_grade=0)
    for line, visit in zip(lines[3:6], visits, strict=True):
        assert line["changed"] == visit.changed
        assert line["parameters"] == visit.anatomy.model_dump()
        assert (line["subject"], line["eye"]) == ("person_000002", "person_000002_right")
        planes = read_label_map(several, line["name"]).planes
        assert all((planes[name] == visit.eye.planes[name]).all() for name in PLANES)


def test_visits_go_on_where_they_stopped(several, tmp_path):
    folder = shutil.copytree(several, tmp_path / "set")
    lines = (folder / "manifest.jsonl").read_text().splitlines(keepends=True)
    (folder / "manifest.jsonl").write_text("".join(lines[:4] + lines[5:8]))
    for table in folder.glob("*.csv"):
        table.unlink()
    assert write_grown_set(folder, 4, SEVERAL, workers=2) == 7 // 3
    assert contents(folder) == contents(several)


def test_one_process_writes_all_visits_of_an_eye(tmp_path):
    kept = ResumableSet(tmp_path / "set", ASKED, {}, 0, visit_written_by, "eyes", "Seeing", visits=VISITS)
    kept.write(1, workers=1)
    kept.write(6 * VISITS, workers=2)  # goes on in the middle of the first eye
    lines = [json.loads(line) for line in kept.manifest.read_text().splitlines()]
    assert [line["name"] for line in lines] == [f"eye_{seed}_{visit}" for seed in range(6) for visit in (1, 2, 3)]
    processes = [{line["process"] for line in lines[1:] if line["seed"] == seed} for seed in range(6)]
    assert [len(these) for these in processes] == [1] * 6
    assert len(set.union(*processes)) == 2


@pytest.mark.parametrize(
    "wanted",
    [
        GrownSet(size_px=64, eyes_per_person=3),
        GrownSet(size_px=64, visits=0),
        GrownSet(size_px=64, visits=2),
        GrownSet(size_px=64, until={"cup_to_disc": 0.5}),
        GrownSet(size_px=64, eyes_per_person=2, parameters={"laterality": "left"}),
        GrownSet(size_px=64, parameters={"retinopathy_grade": 1, "haemorrhages": 2}),
    ],
)
def test_people_and_visits_that_cannot_be_are_refused(tmp_path, wanted):
    with pytest.raises(SettingError):
        write_grown_set(tmp_path / "set", 1, wanted, workers=1)
    assert not (tmp_path / "set").exists()
