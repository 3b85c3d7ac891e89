import itertools
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2lab

from pictures import put_mask, put_photograph, tiny_mask, tiny_photograph
from retinasynth import cli
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.errors import DataError, ImageError, InputError, OutputError, SettingError
from retinasynth.eye import PLANES, Eye, Geometry
from retinasynth.eye import label_map as under_test
from retinasynth.eye.label_map import class_map, known_planes, one_hot, overlay, read_label_map, write_label_map
from retinasynth.images import read_metadata, read_photograph

GEOMETRY = Geometry(70.1, "right", "macula", 45.0)
LESIONS = ("microaneurysms", "haemorrhages", "hard_exudates", "soft_exudates")

geometries = st.builds(
    Geometry,
    pixels_per_disc_diameter=st.floats(0, 1e9, exclude_min=True),
    laterality=st.sampled_from(["left", "right"]),
    centred_on=st.sampled_from(["disc", "macula"]),
    angle_deg=st.floats(0, 200, exclude_min=True),
)


@st.composite
def eyes(draw):
    """Any planes, some of them empty or full, of any small size."""
    height, width = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = draw(st.sets(st.sampled_from(PLANES)))
    planes = {name: random.random((height, width)) < random.choice([0, 0.5, 1]) for name in sorted(names)}
    with_photograph = draw(st.booleans()) or not planes
    photograph = random.integers(0, 256, (height, width, 3), np.uint8) if with_photograph else None
    return Eye("eye 1.a", planes, photograph, draw(st.none() | geometries))


def an_eye(name="a", **more):
    none = np.zeros((32, 32), np.bool_)
    planes = {"vessels": tiny_mask(1), "fov": ~none, "fovea": none, "cup": none, "haemorrhages": none}
    return Eye(name, planes, **more)


def assert_equal(one, other):
    assert (one.name, one.geometry, one.size) == (other.name, other.geometry, other.size)
    assert one.planes.keys() == other.planes.keys()
    for plane, mask in one.planes.items():
        assert mask.dtype == other.planes[plane].dtype == np.bool_
        assert np.array_equal(mask, other.planes[plane]), plane
    assert (one.photograph is None) == (other.photograph is None)
    assert one.photograph is None or np.array_equal(one.photograph, other.photograph)


# --- Files -------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(eyes())
def test_what_is_written_is_read(tmp_path_factory, eye):
    folder = tmp_path_factory.mktemp("maps")
    write_label_map(folder, eye)
    assert_equal(read_label_map(folder, eye.name), eye)
    assert {path.parent.name for path in folder.rglob("*.png")} - {"images"} == eye.planes.keys()


def test_the_photograph_says_what_it_was_told_to(tmp_path):
    write_label_map(tmp_path, an_eye(photograph=tiny_photograph(1)), {"Synthetic": "It shows no patient."})
    assert read_metadata(tmp_path / "images" / "a.png")["Synthetic"] == "It shows no patient."


def test_several_eyes_share_a_folder_but_no_name(tmp_path):
    write_label_map(tmp_path, an_eye("a"))
    write_label_map(tmp_path, an_eye("b", geometry=GEOMETRY))
    assert (read_label_map(tmp_path, "a").geometry, read_label_map(tmp_path, "b").geometry) == (None, GEOMETRY)
    with pytest.raises(OutputError, match="exists already"):
        write_label_map(tmp_path, an_eye("a"))


@pytest.mark.parametrize("name", ["../a", "a/b", ".a", "", "/a"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    with pytest.raises(InputError, match="is called"):
        write_label_map(tmp_path / "maps", an_eye(name))
    assert not list(tmp_path.rglob("*"))


def test_an_interrupted_write_leaves_no_eye(tmp_path, monkeypatch):
    def fails(*_):
        raise OutputError("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(under_test, "write_photograph", fails)
        with pytest.raises(OutputError):
            write_label_map(tmp_path, an_eye(photograph=tiny_photograph(1)))
    with pytest.raises(DataError, match=r"a\.json cannot be read as .*\(No such file"):
        read_label_map(tmp_path, "a")
    write_label_map(tmp_path, an_eye(photograph=tiny_photograph(1)))
    assert_equal(read_label_map(tmp_path, "a"), an_eye(photograph=tiny_photograph(1)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "has version 2"),
        ({"planes": ["vessels", "iris"]}, "planes.1 is 'iris'"),
        ({"height": 0}, "height is 0"),
        ({"width": "32"}, "width is '32'"),
        ({"width": 31}, r"\.png is 32 x 32 px, but .* says 32 x 31 px"),
        ({"name": "b"}, "speaks of the eye 'b'"),
        ({"photograph": True}, r"images/a\.png is missing"),
        ({"planes": ["vessels", "disc"]}, r"disc/a\.png is missing"),
        ({"colour": 1}, "colour is 1"),
        ({"geometry": {"laterality": "left"}}, "geometry.pixels_per_disc_diameter"),
        ({"geometry": vars(GEOMETRY) | {"angle_deg": 300.0}}, "angle of view is 300"),
        ({"geometry": vars(GEOMETRY) | {"laterality": "middle"}}, "laterality is 'middle'"),
        ({"geometry": vars(GEOMETRY) | {"pixels_per_disc_diameter": float("nan")}}, "'NaN' is no finite"),
        ({"geometry": vars(GEOMETRY) | {"pixels_per_disc_diameter": 0.0}}, "pixels per disc diameter"),
        ({"height": 10**18}, "32 x 32 px, but .* says 1000000000000000000 x 32 px"),
        ({"name": "x" * 100_000}, r"speaks of the eye 'x+ \[\.\.\.\]"),
        ({"planes": ["x" * 100_000]}, r"planes\.0 is 'x+ \[\.\.\.\]"),
        ({"geometry": vars(GEOMETRY) | {"axial_length_mm": 24}}, "axial_length_mm"),
    ],
)
def test_a_wrong_file_is_named_with_its_mistake(tmp_path, change, says):
    write_label_map(tmp_path, an_eye(geometry=GEOMETRY))
    path = tmp_path / "geometry" / "a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=says) as caught:
        read_label_map(tmp_path, "a")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", "null", "\xff\xfe", "[" * 50_000, '{"version": ' * 9999, "{}", '{"height": 1e999}']
)
def test_a_damaged_file_is_named(tmp_path, text):
    write_label_map(tmp_path, an_eye())
    (tmp_path / "geometry" / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.json (cannot be read as|holds|has version None)"):
        read_label_map(tmp_path, "a")


def test_a_damaged_picture_is_named(tmp_path):
    write_label_map(tmp_path, an_eye())
    (tmp_path / "vessels" / "a.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"vessels/a\.png"):
        read_label_map(tmp_path, "a")


# --- As a data set -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_photograph", [True, False])
@pytest.mark.parametrize("inside", [".", "train"])
def test_the_reader_of_data_sets_finds_the_same_eyes(tmp_path, with_photograph, inside):
    written = [
        an_eye(
            name,
            photograph=tiny_photograph(1) if with_photograph else None,
            geometry=GEOMETRY if name != "c" else None,
        )
        for name in "abc"
    ]
    for eye in written:
        write_label_map(tmp_path / inside, eye)
    found = find_eyes(tmp_path)
    assert (found.layout, [files.name for files in found.eyes]) == ("planes", ["a", "b", "c"])
    for files, eye in zip(found.eyes, written, strict=True):
        assert_equal(read_eye(files), eye)


def test_an_eye_of_which_the_reader_knows_no_geometry(tmp_path):
    put_photograph(tmp_path / "images" / "a.png")
    put_mask(tmp_path / "vessels" / "a.png")
    (tmp_path / "geometry").mkdir()
    put_photograph(tmp_path / "geometry" / "plot.png")
    (files,) = find_eyes(tmp_path).eyes
    assert (files.geometry, read_eye(files).geometry) == (None, None)


def test_geometry_of_another_size_is_refused(tmp_path):
    write_label_map(tmp_path, an_eye(geometry=GEOMETRY))
    for plane in an_eye().planes:
        put_mask(tmp_path / plane / "a.png", height=64, width=64)
    (files,) = find_eyes(tmp_path).eyes
    with pytest.raises(DataError, match=r"64 x 64 px, but .* says 32 x 32 px"):
        read_eye(files)


# --- Arrays ------------------------------------------------------------------------------------------------------


@given(eyes(), st.lists(st.sampled_from(PLANES), max_size=4, unique=True))
def test_channels_and_classes_are_the_planes(eye, planes):
    known = known_planes(eye, planes)
    assert known.tolist() == [plane in eye.planes for plane in planes]
    channels = one_hot(eye, planes, unknown="zeros")
    assert (channels.dtype, channels.shape) == (np.float32, (len(planes), *eye.size))
    for channel, plane in zip(channels, planes, strict=True):
        assert np.array_equal(channel, eye.planes.get(plane, np.zeros(eye.size)))
    if not known.all():
        for make in (one_hot, class_map):
            with pytest.raises(InputError, match="does not tell its"):
                make(eye, planes)
        return
    assert np.array_equal(one_hot(eye, planes), channels)
    classes = class_map(eye, planes)
    assert classes.dtype == np.uint8
    for row, column in np.ndindex(eye.size):
        there = [number for number, plane in enumerate(planes, start=1) if eye.planes[plane][row, column]]
        assert classes[row, column] == max(there, default=0)


@pytest.mark.parametrize("make", [one_hot, class_map, known_planes])
def test_a_plane_that_does_not_exist(make):
    with pytest.raises(InputError, match="no plane 'iris'"):
        make(an_eye(), ["vessels", "iris"])


# --- Pictures ----------------------------------------------------------------------------------------------------


def block(row, column, size=100):
    mask = np.zeros((size, size), np.bool_)
    mask[row : row + 10, column : column + 10] = True
    return mask


def test_each_area_has_its_own_colour():
    places = {plane: block(10 * number, 50) for number, plane in enumerate((*LESIONS, "arteries", "veins"))}
    picture = overlay(Eye("a", places | {"vessels": block(80, 20)}), opacity=1)
    colours = {plane: tuple(picture[mask][0]) for plane, mask in places.items()}
    assert len(set(colours.values())) == 6
    red, blue, cyan = picture[45, 55].astype(int), picture[55, 55].astype(int), picture[85, 25].astype(int)
    assert red[0] > 2 * max(red[1:])
    assert blue[2] > 1.5 * max(blue[:2])
    assert min(cyan[1:]) > 1.5 * cyan[0]
    assert all((picture[mask] == colours[plane]).all() for plane, mask in places.items())
    assert len(np.unique(picture[0:100, 70:].reshape(-1, 3), axis=0)) == 1  # the ground


def test_arteries_and_lesions_lie_on_top_of_what_is_less_telling():
    all_of_them = dict.fromkeys(("vessels", "veins", "arteries", "haemorrhages"), block(20, 20))
    for number, top in enumerate(all_of_them, start=1):
        picture = overlay(Eye("a", dict(list(all_of_them.items())[:number])), opacity=1)
        alone = overlay(Eye("a", {top: block(20, 20)}), opacity=1)
        assert np.array_equal(picture, alone)


@given(st.floats(0, 1))
def test_opacity_mixes_colour_and_photograph(opacity):
    photograph = np.full((20, 20, 3), 100, np.uint8)
    eye = Eye("a", {"arteries": block(5, 5, 20)}, photograph)
    full, mixed = (overlay(eye, opacity=share) for share in (1, opacity))
    expected = photograph + opacity * (full.astype(float) - photograph)
    assert np.abs(mixed - expected).max() <= 0.51
    assert (photograph == 100).all()


def test_lines_follow_borders_and_leave_the_rest():
    rows, columns = np.mgrid[:280, :280]
    disc = (rows - 140) ** 2 + (columns - 100) ** 2 <= 60**2
    photograph = np.full((280, 280, 3), 60, np.uint8)
    picture = overlay(Eye("a", {"disc": disc}, photograph)).astype(int)
    assert (picture[140, [40, 160]] > 180).all()
    assert (picture[[80, 200], 100] > 180).all()
    distance = np.abs(np.hypot(rows - 140, columns - 100) - 60)
    assert (picture[distance > 5] == 60).all()
    assert (picture[distance < 0.5] > 150).all()


def test_a_line_stands_out_on_white_too():
    white = np.full((280, 280, 3), 255, np.uint8)
    picture = overlay(Eye("a", {"disc": block(100, 100, 280)}, white)).astype(int)
    assert 100 < picture[105, 95:115].min() < 200
    assert picture[105, 90] == pytest.approx([255] * 3)


def test_a_marked_middle_is_drawn_like_a_fovea():
    rows, columns = np.mgrid[:200, :200]
    fov = np.ones((200, 200), np.bool_)
    drawn = overlay(Eye("a", {"fov": fov, "fovea": (rows - 120) ** 2 + (columns - 70) ** 2 <= 36}))
    marked = overlay(Eye("a", {"fov": fov}, centres={"fovea": (70, 120)}))
    np.testing.assert_array_equal(marked, drawn)


def test_the_fovea_is_a_cross_in_its_middle():
    rows, columns = np.mgrid[:200, :200]
    picture = overlay(Eye("a", {"fovea": (rows - 120) ** 2 + (columns - 70) ** 2 <= 36})).astype(int)
    assert (picture[120, [66, 70, 74]] > 200).all()
    assert (picture[[116, 120, 124], 70] > 200).all()
    assert (picture[[116, 124], [66, 74]] < 60).all()


def test_the_ground_shows_the_field_of_view_and_no_rim_where_it_is_all():
    fov = np.hypot(*(np.mgrid[:100, :100] - 49.5)) < 40
    picture = overlay(Eye("a", {"fov": fov})).astype(int)
    assert 20 < picture[50, 50].max() < 60
    assert picture[0, 0].max() < 20
    assert picture[50, 10].min() > 80
    assert len(np.unique(overlay(Eye("a", {"fov": np.ones((9, 9), np.bool_)})).reshape(-1, 3), axis=0)) == 1


def test_the_legend_is_a_strip_that_names_what_is_known():
    eye = replace(phantom_eye(1, 256), planes={"vessels": phantom_eye(1, 256).planes["vessels"]})
    plain, legend = overlay(eye), overlay(eye, legend=True)
    assert np.array_equal(legend[:256], plain)
    assert 20 < len(legend) - 256 < 100
    strip = legend[256:].reshape(-1, 3).tolist()
    assert list(under_test._AREAS["vessels"]) in strip
    assert list(under_test._AREAS["veins"]) not in strip
    narrow = overlay(Eye("a", {plane: tiny_mask(1) for plane in PLANES}), legend=True)
    assert narrow.shape[1] == 32
    empty = Eye("a", {"cup": np.zeros((64, 64), np.bool_), "disc": tiny_mask(1, 64, 64)})
    assert dict(under_test._titles(empty)) == {"disc": "disc", "cup": "cup: none"}


def test_the_legend_calls_vessels_what_they_are():
    arteries, veins, more = block(0, 0), block(20, 20), block(50, 50)
    assert dict(under_test._titles(Eye("a", {"vessels": arteries}))) == {"vessels": "vessels"}
    both = {"arteries": arteries, "veins": veins}
    assert "vessels" not in dict(under_test._titles(Eye("a", {"vessels": arteries | veins, **both})))
    titles = dict(under_test._titles(Eye("a", {"vessels": arteries | more, **both})))
    assert titles["vessels"] == "other vessels"


# Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009: complete deficiency, in linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_areas_are_told_apart_without_red_and_green(deficiency):
    unit = np.array(list(under_test._AREAS.values())) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(DEFICIENCIES[deficiency]), 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))
    distances = [np.linalg.norm(one - other) for one, other in itertools.combinations(lab, 2)]
    assert 15 < min(distances) < 60


def test_nothing_to_draw_and_impossible_opacity():
    with pytest.raises(InputError, match="neither planes nor a photograph"):
        overlay(Eye("a", {}))
    for opacity in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingError, match="opacity"):
            overlay(an_eye(), opacity=opacity)


# --- The command -------------------------------------------------------------------------------------------------


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["retinasynth", "overlay", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_overlays_of_a_data_set_and_of_a_folder_of_label_maps(tmp_path, monkeypatch, phantoms):
    assert run(monkeypatch, phantoms, "--out", tmp_path / "set") == 0
    made = {path.name for path in (tmp_path / "set").iterdir()}
    assert made == {f"{files.name}.png" for files in find_eyes(phantoms).eyes}
    for name in "ab":
        write_label_map(tmp_path / "maps", an_eye(name))
    assert run(monkeypatch, tmp_path / "maps", "--out", tmp_path / "drawn", "--no-legend", "--opacity", 0.5) == 0
    assert np.array_equal(read_photograph(tmp_path / "drawn" / "b.png"), overlay(an_eye("b"), opacity=0.5))
    assert run(monkeypatch, tmp_path / "maps", "--out", tmp_path / "one.png") == 1  # two eyes
    assert run(monkeypatch, tmp_path / "maps", "--out", tmp_path / "drawn") == 1  # not empty


def test_the_overlay_of_a_mask_file(tmp_path, monkeypatch, capfd):
    mask = put_mask(tmp_path / "mask.png", seed=1)
    assert run(monkeypatch, mask, "--out", tmp_path / "drawn.png", "--no-legend") == 0
    drawn = read_photograph(tmp_path / "drawn.png")
    assert np.array_equal(drawn, overlay(Eye("mask", {"vessels": tiny_mask(1)})))
    assert run(monkeypatch, mask, "--out", tmp_path / "drawn.png") == 1
    assert "exists already" in capfd.readouterr().err
    put_photograph(tmp_path / "alone" / "a.png")
    assert run(monkeypatch, tmp_path / "alone", "--out", tmp_path / "x.png") == 1
    assert "has labels" in capfd.readouterr().err
