"""Biomarkers of photographs, with a segmenter that sees what is painted, so that its answers are known."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from painted import MODELS, seen
from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.cli import app
from retinasynth.data.measure import are_photographs
from retinasynth.errors import DataError, ImageError, InputError, OutputError
from retinasynth.eye.label_map import write_label_map
from retinasynth.eye.regional import REGIONAL, WHOLE, um_per_px_of
from retinasynth.images import read_photograph, write_mask, write_photograph
from retinasynth.segmentation import measuring
from retinasynth.segmentation.measuring import Scale, measure_photographs

NAMES = ["photo_60", "photo_61", "photo_62"]


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """How often a photograph was segmented."""
    calls = []
    monkeypatch.setattr(measuring, "Segmenter", type(MODELS[0]))
    monkeypatch.setattr(
        measuring, "segment", lambda picture, models: (calls.append(1), seen(picture, models=models))[1]
    )
    return calls


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("photographs") / "photos"
    for seed in (60, 61, 62):
        write_photograph(made / f"photo_{seed}.png", phantom_eye(seed, 256).photograph)
    return made


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_photographs_become_a_table_a_report_and_pictures(folder, tmp_path):
    made = measure_photographs(folder, tmp_path / "out", models=MODELS)
    rows = rows_of(made.table)
    assert made.table == tmp_path / "out" / "table.csv"
    assert [row["name"] for row in rows] == NAMES
    assert list(rows[0])[7:] == [*WHOLE, *REGIONAL]
    for row, line in zip(rows, made.lines, strict=True):
        known = {name: value for name, value in row.items() if name in line["values"]}
        assert float(known["vessel_density [share]"]) == pytest.approx(
            line["values"]["vessel_density [share]"], rel=1e-5
        )
        assert all(row[name] == "" for name in (*WHOLE, *REGIONAL) if name not in known)
        assert not any("[um]" in name or "mm" in name for name in known if name in REGIONAL)
    for view in ("regions", "calibres", "courses"):
        assert sorted(file.stem for file in (tmp_path / "out" / view).iterdir()) == NAMES
        assert read_photograph(tmp_path / "out" / view / "photo_60.png").shape == (256, 256, 3)
    page = made.report.read_text()
    known = {name for line in made.lines for name in line["values"] if name in WHOLE}
    assert known
    for name in known:
        assert f'aria-label="{name}"' in page
    assert page.count("data:image/jpeg") == 9
    assert "not for diagnosis" in page


def test_a_scale_gives_micrometres(folder, tmp_path):
    by_pixel = measure_photographs(folder, tmp_path / "a", models=MODELS, scale=Scale(mm_per_px=0.02)).lines[0]
    assert by_pixel["scale [um/px]"] == 20
    values = by_pixel["values"]
    px, um = (values[f"calibre_vessels_field [{unit}]"] for unit in ("px", "um"))
    assert um == pytest.approx(20 * px)
    by_angle = measure_photographs(folder, tmp_path / "b", models=MODELS, scale=Scale(angle_deg=45)).lines[0]
    field = read_photograph(folder / "photo_60.png").max(axis=2) > 20
    assert by_angle["scale [um/px]"] == pytest.approx(um_per_px_of(field, 45))
    for wrong in ({"angle_deg": 45, "mm_per_px": 0.01}, {"angle_deg": 0}, {"mm_per_px": -1}):
        with pytest.raises(InputError):
            Scale(**wrong)


def test_work_that_was_stopped_goes_on(folder, tmp_path, asked):
    out = tmp_path / "out"
    whole = measure_photographs(folder, out, models=MODELS)
    before = whole.table.read_text()
    assert len(asked) == 3
    lines = (out / "manifest.jsonl").read_text().splitlines()
    (out / "manifest.jsonl").write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])
    (out / "regions" / "photo_61.png").write_bytes(b"cut off")
    whole.table.unlink()
    again = measure_photographs(folder, out, models=MODELS)
    assert len(asked) == 5  # the second and the third were made again
    assert again.table.read_text() == before
    with pytest.raises(DataError, match="begun with other"):
        measure_photographs(folder, out, models=MODELS, scale=Scale(angle_deg=30))


def test_what_cannot_be_measured_is_listed_and_the_rest_is(folder, tmp_path):
    photos = tmp_path / "photos"
    write_photograph(photos / "a.png", read_photograph(folder / "photo_60.png"))
    write_photograph(photos / "black.png", np.full((256, 256, 3), 10, np.uint8))
    made = measure_photographs(photos, tmp_path / "out", models=MODELS)
    assert made.rejected == (("black", "It is black"),)
    assert rows_of(tmp_path / "out" / "rejected.csv") == [{"name": "black", "reason": "It is black"}]
    assert [row["name"] for row in rows_of(made.table)] == ["a"]
    assert "1 of 2 photographs were measured" in made.report.read_text()
    with pytest.raises(ImageError, match="It is black"):
        measure_photographs(photos / "black.png", tmp_path / "one", models=MODELS)
    (photos / "a.png").unlink()
    write_photograph(photos / "black too.png", np.full((256, 256, 3), 11, np.uint8))
    with pytest.raises(DataError, match="None of the 2"):
        measure_photographs(photos, tmp_path / "none", models=MODELS)


def test_a_csv_is_the_table_and_all_else_lies_beside_it(folder, tmp_path):
    made = measure_photographs(folder, tmp_path / "photos.csv", models=MODELS)
    assert made.table == tmp_path / "photos.csv"
    assert [row["name"] for row in rows_of(made.table)] == NAMES
    assert made.report == tmp_path / "photos-files" / "report.html"
    with pytest.raises(OutputError, match="not empty"):
        measure_photographs(folder, folder, models=MODELS)


def test_the_side_that_is_given_holds(folder, tmp_path):
    lines = measure_photographs(folder, tmp_path / "out", models=MODELS, laterality="left").lines
    assert {(line["laterality"], line["laterality_by"]) for line in lines} == {("left", "given")}


def test_masks_and_photographs_are_told_apart(folder, tmp_path):
    eye = grow(1, 256)
    write_mask(tmp_path / "mask.png", eye.planes["vessels"])
    coloured = np.zeros((256, 256, 3), np.uint8)
    coloured[eye.planes["arteries"]] = (255, 0, 0)
    coloured[eye.planes["veins"]] = (0, 0, 255)
    write_photograph(tmp_path / "coloured.png", coloured)
    write_label_map(tmp_path / "maps", eye)
    assert are_photographs(folder)
    assert are_photographs(folder / "photo_60.png")
    assert not are_photographs(tmp_path / "mask.png")
    assert not are_photographs(tmp_path / "coloured.png")
    assert not are_photographs(tmp_path / "maps")


def test_options_of_photographs_are_refused_beside_labels(folder, tmp_path):
    write_label_map(tmp_path / "maps", grow(1, 192))
    refused = CliRunner().invoke(app, ["measure", str(tmp_path / "maps"), "--angle", "45"])
    assert "--angle is for photographs" in str(refused.exception)
    refused = CliRunner().invoke(app, ["measure", str(folder)])
    assert "--out is missing" in str(refused.exception)
    assert not list(tmp_path.glob("*.csv"))


def test_the_manifest_has_plain_values(folder, tmp_path):
    measure_photographs(folder, tmp_path / "out", models=MODELS)
    for text in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines():
        line = json.loads(text)
        assert all(isinstance(value, float) for value in line["values"].values())
        assert set(line["sha256"]) == {"regions", "calibres", "courses"}
