import json
import math
from dataclasses import replace

import numpy as np
import pytest

from retinasynth.anatomy.grow import grow
from retinasynth.errors import InputError
from retinasynth.eye.atrophy import Atrophy, beta_zone
from retinasynth.eye.eye import Eye, Geometry
from retinasynth.eye.label_map import read_label_map, write_label_map

SIZE_PX, SCALE = 401, 100.0
ROWS, COLUMNS = np.mgrid[:SIZE_PX, :SIZE_PX] - 200
DISC = np.hypot(ROWS, COLUMNS) <= 50


def test_the_width_falls_from_the_middle_to_the_ends():
    atrophy = Atrophy(0.3, 120, 20)
    widths = atrophy.widths(np.array([20, 50, -10, 79, 81, 200, 380.0]))
    assert widths == pytest.approx([0.3, 0.3 * math.sqrt(0.5), 0.3 * math.sqrt(0.5), 0.0079, 0, 0, 0.3], abs=0.001)
    assert (Atrophy(0.3, 360, 170).widths(np.linspace(-180, 180, 50)) >= 0).all()


@pytest.mark.parametrize("temporal", [1, -1])
def test_the_crescent_lies_beside_the_disc_where_it_is_said_to(temporal):
    crescent = beta_zone(Atrophy(0.4, 120, 45), DISC, SCALE, temporal)
    assert not (crescent & DISC).any()
    rows, columns = np.nonzero(crescent)
    x, y = (columns.mean() - 200) * temporal, rows.mean() - 200
    assert math.degrees(math.atan2(y, x)) == pytest.approx(45, abs=1)  # temporal and below
    assert np.hypot(rows - 200, columns - 200).max() == pytest.approx(50 + 40, abs=1.5)
    angles = np.radians(np.linspace(-60, 60, 2001))
    width = 40 * np.cos(1.5 * angles)
    area = np.trapezoid(((50 + width) ** 2 - 50**2) / 2, angles)
    assert crescent.sum() == pytest.approx(area, rel=0.02)


def test_none_is_empty_and_unknown_is_none():
    assert not beta_zone(Atrophy(0, 120, 0), DISC, SCALE, 1).any()
    assert not beta_zone(Atrophy(0.3, 120, 0), np.zeros_like(DISC), SCALE, 1).any()
    geometry = Geometry(SCALE, "right", "disc", 30)
    assert geometry.beta_zone(DISC) is None
    crescent = replace(geometry, atrophy=Atrophy(0.3, 90, 0)).beta_zone(DISC)
    assert np.nonzero(crescent)[1].max() < 200  # temporal is left in a right eye


@pytest.mark.parametrize("wrong", [(-0.1, 90, 0), (math.nan, 90, 0), (0.2, 0, 0), (0.2, 400, 0), (0.2, 90, 181)])
def test_no_eye_has_this_atrophy(wrong):
    with pytest.raises(InputError, match="atrophy"):
        Atrophy(*wrong)


def test_grown_eyes_tell_their_atrophy():
    eye = grow(3, 256, centred_on="disc", angle_deg=30, peripapillary_atrophy=0.25, atrophy_extent_deg=120)
    atrophy = eye.geometry.atrophy
    assert (atrophy.width_dd, atrophy.extent_deg) == (0.25, 120)
    crescent = eye.geometry.beta_zone(eye.planes["disc"])
    assert 0.02 < crescent.sum() / eye.geometry.pixels_per_disc_diameter**2 < 0.3
    without = grow(3, 256, centred_on="disc", angle_deg=30, peripapillary_atrophy=0)
    assert all(np.array_equal(eye.planes[name], without.planes[name]) for name in eye.planes)


def test_files_keep_it_and_those_without_it_are_read(tmp_path):
    geometry = Geometry(SCALE, "left", "disc", 30, Atrophy(0.2, 100, -170.5))
    write_label_map(tmp_path, Eye("a", {"disc": DISC}, geometry=geometry))
    assert read_label_map(tmp_path, "a").geometry == geometry
    path = tmp_path / "geometry" / "a.json"
    about = json.loads(path.read_text())
    del about["geometry"]["atrophy"]  # as release 0.1 wrote it
    path.write_text(json.dumps(about))
    without = replace(geometry, atrophy=None)
    assert read_label_map(tmp_path, "a").geometry == without
    write_label_map(tmp_path, Eye("b", {"disc": DISC}, geometry=without))
    assert "atrophy" not in (tmp_path / "geometry" / "b.json").read_text()  # which release 0.1 would refuse
