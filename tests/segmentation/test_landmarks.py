import numpy as np
import pytest

from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.grown import GrownSet, write_grown_set
from retinasynth.data.matching import EyeFiles
from retinasynth.errors import SettingError
from retinasynth.segmentation import train, use
from retinasynth.segmentation.landmarks import LEAST_CONFIDENCE, Landmark, landmark_in, side_shown
from retinasynth.segmentation.model import SegmenterConfig, SegmenterModel
from retinasynth.segmentation.network import SegmentationNetwork
from retinasynth.segmentation.predict import Prediction
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.segmentation.train import distances, in_words
from retinasynth.segmentation.use import Segmenter, segment


def spot(row: float, column: float, height: float = 1.0, size: int = 128) -> np.ndarray:
    rows, columns = np.ogrid[:size, :size]
    away = (rows + 0.5 - row) ** 2 + (columns + 0.5 - column) ** 2
    return (height * np.exp(-away / 50)).astype(np.float32)


@pytest.fixture(scope="module")
def maculas(tmp_path_factory: pytest.TempPathFactory) -> list[EyeFiles]:
    """Three grown eyes of 192 px that show disc and fovea."""
    folder = tmp_path_factory.mktemp("maculas") / "set"
    write_grown_set(folder, 3, GrownSet(0, 192, parameters={"centred_on": "macula", "angle_deg": 50}), workers=1)
    return find_eyes(folder).eyes


@pytest.fixture
def segmenter() -> Segmenter:
    settings = SegmenterSettings.from_preset("landmarks").with_overrides(["filters=2", "crop_px=64"])
    network = SegmentationNetwork(2, settings.network, settings.data.normalisation)
    config = SegmenterConfig.of(settings, {"disc": 0.5, "fovea": 0.5}, {})
    return Segmenter(SegmenterModel(network, config), "landmarks")


def test_a_landmark_is_found_to_a_part_of_a_pixel():
    found = landmark_in(spot(40.3, 70.8, 0.9))
    assert (found.x, found.y) == pytest.approx((70.8, 40.3), abs=0.2)
    assert found.confidence == pytest.approx(0.9, abs=0.05)


def test_of_two_places_the_likelier_one_counts_and_does_not_move():
    found = landmark_in(np.maximum(spot(40, 70, 0.9), spot(90, 20, 0.6)))
    assert (found.x, found.y) == pytest.approx((70, 40), abs=0.3)


def test_nothing_seen_has_no_confidence():
    assert landmark_in(np.zeros((20, 30), np.float32)) == (15, 10, 0)


def test_the_fovea_lies_left_of_the_disc_in_right_eyes():
    disc, fovea = Landmark(100, 60, 0.9), Landmark(40, 66, 0.6)
    assert side_shown({"disc": disc, "fovea": fovea}) == ("right", 0.6)
    assert side_shown({"disc": fovea, "fovea": disc}) == ("left", 0.6)
    assert side_shown({"disc": disc, "fovea": fovea._replace(confidence=LEAST_CONFIDENCE / 2)})[0] is None
    assert side_shown({"disc": disc}) == (None, 0.0)


def test_segment_says_where_landmarks_are_and_which_eye_it_is(segmenter, monkeypatch, maculas):
    photograph = read_eye(maculas[0]).photograph
    layers = {"disc": spot(60, 30, 0.9, len(photograph)), "fovea": spot(64, 80, 0.8, len(photograph))}
    field = np.ones(photograph.shape[:2], np.bool_)
    monkeypatch.setattr(use, "predict", lambda *_args, **_kwargs: Prediction(layers, field))
    found = segment(photograph, models=[segmenter])
    assert found.eye.centres["fovea"] == pytest.approx((80, 64), abs=0.3)
    assert found.side[0] == "left"
    assert set(found.eye.planes) == {"fov"}  # a place is no outline
    layers["fovea"] *= 0.1
    unsure = segment(photograph, models=[segmenter])
    assert set(unsure.eye.centres) == {"disc"}
    assert unsure.side[0] is None
    assert unsure.landmarks["fovea"].confidence < LEAST_CONFIDENCE


def test_distances_are_in_diameters_of_the_disc(segmenter, monkeypatch, maculas):
    def exact(_model, photograph):
        eye = next(eye for eye in map(read_eye, maculas) if (eye.photograph == photograph).all())
        middles = {plane: np.argwhere(eye.planes[plane]).mean(axis=0) + 0.5 for plane in ("disc", "fovea")}
        away = 2 * np.sqrt(eye.planes["disc"].sum() / np.pi)
        middles["fovea"] = middles["fovea"] + (away, 0)
        layers = {plane: spot(*middle, 1.0, len(photograph)) for plane, middle in middles.items()}
        return Prediction(layers, eye.planes["fov"])

    monkeypatch.setattr(train, "predict", exact)
    found = distances(segmenter.model, maculas)
    assert found["disc"] == pytest.approx([0] * 3, abs=0.05)
    assert found["fovea"] == pytest.approx([1] * 3, abs=0.1)
    assert "fovea 1.0" in in_words(found)
    assert "(within .25 in 100% of" in in_words({"disc": found["disc"]})


def test_a_look_at_the_whole_finds_disc_and_fovea_alone():
    with pytest.raises(SettingError, match=r"data\.looks is whole, which finds disc and fovea, but .* cup"):
        SegmenterSettings.from_preset("landmarks").with_overrides(["planes=disc,cup"])
