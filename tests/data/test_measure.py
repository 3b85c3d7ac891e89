import csv

import numpy as np
import pytest
from typer.testing import CliRunner

import retinasynth as rs
from retinasynth.anatomy.grow import grow
from retinasynth.cli import app
from retinasynth.cli.shell import in_flags
from retinasynth.eye.biomarkers import COLUMNS, Biomarkers, measure_eye
from retinasynth.eye.label_map import write_label_map
from retinasynth.images import write_mask


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("maps") / "set"
    for seed in range(3):
        write_label_map(made, grow(seed, 192))
    return made


def test_a_table_has_a_row_for_each_eye(folder, tmp_path):
    result = run("measure", folder, "--out", tmp_path / "measures.csv")
    assert result.exit_code == 0
    assert all(name in result.output for name in COLUMNS)
    with (tmp_path / "measures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", *COLUMNS]
    assert [row["name"] for row in rows] == ["grown_000000", "grown_000001", "grown_000002"]
    expected = measure_eye(grow(1, 192))
    for name in COLUMNS:
        value = getattr(expected, name)
        assert rows[1][name] == ("" if value is None else f"{value:.6g}")


def test_in_python_it_takes_eyes_masks_files_and_folders(folder, tmp_path):
    eye = grow(1, 192)
    assert rs.measure(eye) == measure_eye(eye)
    assert rs.measure(folder)["grown_000001"] == measure_eye(eye)
    write_mask(tmp_path / "mask.png", eye.planes["vessels"])
    of_mask = rs.measure(tmp_path / "mask.png")
    assert isinstance(of_mask, Biomarkers)
    assert of_mask == rs.measure(eye.planes["vessels"]) == rs.measure(np.uint8(255) * eye.planes["vessels"])
    assert of_mask.vessel_density == pytest.approx(eye.planes["vessels"].mean())
    assert of_mask.artery_to_vein_ratio is None


def test_one_eye_is_shown_alone(folder):
    result = run("measure", folder / "vessels" / "grown_000000.png")
    assert result.exit_code == 0
    assert "value" in result.output
    assert "median" not in result.output.splitlines()[1]


def test_what_cannot_be_measured_is_said(tmp_path):
    for path, words in ((tmp_path / "nothing", "does not exist"), (tmp_path, "holds no pictures")):
        result = run("measure", path)
        assert result.exit_code != 0
        assert words in str(result.exception)


def test_grow_lists_its_parameters_and_refuses_mistakes(tmp_path):
    result = run("grow", "--parameters")
    assert result.exit_code == 0
    assert "artery_to_vein_ratio" in result.output
    for words, says in (
        (("--anatomy", "cup_to_disc"), "has no '='"),
        (("--anatomy", "cup_to_disc=2"), "cup_to_disc is '2'"),
        (("--style", "oil"), "--style is 'oil'"),
        (("--people", "nobody"), "no preset 'nobody'"),
    ):
        refused = run("grow", "--out", tmp_path / "set", *words)
        assert refused.exit_code != 0
        assert says in in_flags(str(refused.exception))
    assert "--out is missing" in str(run("grow").exception)
    assert not (tmp_path / "set").exists()
