import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from torch import nn

from pictures import put_mask, put_photograph, tiny_mask
from retinasynth import images
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.find import find_eyes
from retinasynth.errors import DataError, ImageError, InputError, OutputError
from retinasynth.eye import Eye
from retinasynth.generation import folder as bulk
from retinasynth.generation.generator import load as load_generator
from retinasynth.pix2pix.generator import Pix2Pix
from retinasynth.pix2pix.model import Model


@pytest.fixture(scope="module")
def model(trained):
    return load_generator(trained)


def test_eye_array_path_and_list_give_the_same(model, tmp_path):
    eye = phantom_eye(5, 32)
    mask = eye.planes["vessels"]
    images.write_mask(tmp_path / "a.png", mask)
    expected = model.generate(eye, seed=2)
    assert expected.shape == (32, 32, 3)
    assert expected.dtype == np.uint8
    for same in (mask, mask.astype(np.uint8) * 255, images.mask_as_photograph(mask), tmp_path / "a.png"):
        assert np.array_equal(model.generate(same, seed=2), expected)
    several = model.generate([mask, str(tmp_path / "a.png"), phantom_eye(6, 32)], seed=2)
    assert len(several) == 3
    assert np.array_equal(several[0], expected)
    assert np.array_equal(several[1], expected)
    assert not np.array_equal(several[2], expected)


def test_the_seed_decides(model):
    mask = tiny_mask(1)
    assert np.array_equal(model.generate(mask, seed=3), model.generate(mask, seed=3))
    assert not np.array_equal(model.generate(mask, seed=3), model.generate(mask, seed=4))


def test_size_is_the_models_the_masks_or_the_users(model):
    mask = tiny_mask(1, 50, 70)
    own = model.generate(mask)
    assert own.shape == (32, 45, 3)
    square = model.generate(mask, size=32)
    assert np.array_equal(own, images.resize_photograph(square, (32, 45)))
    assert np.array_equal(model.generate(mask, size="mask"), images.resize_photograph(square, (50, 70)))
    assert model.generate(mask, size=96).shape == (96, 96, 3)
    for size in (5, 10_000, "large"):
        with pytest.raises(InputError, match="size is"):
            model.generate(mask, size=size)


@pytest.fixture
def echoes(model, monkeypatch):
    """Models that draw the mask they are given, stretched and letterboxed."""
    monkeypatch.setattr("retinasynth.pix2pix.generator.generate_photograph", _echo)
    made = {}
    for resize in ("stretch", "letterbox"):
        config = model.config.model_copy(update={"resize": resize})
        made[resize] = Pix2Pix(Model(nn.Identity(), config), resize)
    return made


def _echo(_, labels, *, channels, seed):
    assert (labels.shape, channels, seed) == ((32, 32, 1), 1, 0)
    return images.labels_as_photograph(labels)


def test_a_letterboxed_model_gets_a_letterbox_and_bars_are_cut_off(echoes):
    boxed = echoes["letterbox"]
    mask = np.zeros((40, 80), bool)
    mask[8:32, 20:60] = True
    seen = images.square_mask(mask, 32, "letterbox")
    np.testing.assert_array_equal(boxed.generate(mask, size=32)[..., 0] > 127, seen)
    assert boxed.generate(mask).shape == (32, 64, 3)
    own = boxed.generate(mask, size="mask")
    assert own.shape == (40, 80, 3)
    assert np.mean((own[..., 0] > 127) != mask) < 0.03
    assert boxed.generate(mask, size=64).shape == (64, 64, 3)
    # without its rule, the same model would draw the box too high or too wide
    assert np.mean((images.resize_photograph(boxed.generate(mask, size=32), (40, 80))[..., 0] > 127) != mask) > 0.1


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("size", ["model", "mask", 48])
def test_the_labels_of_a_set_lie_over_its_photographs(echoes, resize, size, tmp_path):
    mask = np.kron(tiny_mask(3, 20, 40), np.ones((4, 4), bool))
    images.write_mask(tmp_path / "a.png", mask)
    bulk.generate_set(echoes[resize], bulk.find_masks(tmp_path / "a.png"), tmp_path / "out", seed=0, size=size)
    photograph = images.read_photograph(tmp_path / "out" / "images" / "a.png")
    label = images.read_mask(tmp_path / "out" / "vessels" / "a.png")
    assert photograph.shape[:2] == label.shape
    drawn = photograph[..., 0] > 127
    assert np.count_nonzero(drawn & label) > 0.7 * np.count_nonzero(label)
    np.testing.assert_array_equal(label, echoes[resize].label(mask, size))


def test_panels_of_a_letterboxed_model_are_letterboxed_throughout(echoes, tmp_path, monkeypatch):
    put_photograph(tmp_path / "images" / "a.png", height=20, width=40)
    put_mask(tmp_path / "masks" / "a.png", height=20, width=40)
    rows = []
    draw = images.draw_panels
    monkeypatch.setattr(images, "draw_panels", lambda panel, *titles: rows.extend(panel) or draw(panel, *titles))
    bulk.generate_panels(echoes["letterbox"], tmp_path, tmp_path / "panels", count=1, seed=0)
    source, generated, expected = rows[0]
    np.testing.assert_array_equal(source, generated)
    assert not expected[:8].any()  # the bars
    assert expected[8:24].any(axis=(1, 2)).all()


def test_a_negative_seed_is_refused(model):
    with pytest.raises(InputError, match="seed is -1"):
        model.generate(tiny_mask(1), seed=-1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((32, 32), bool), "all black"),
        (np.where(np.eye(32), np.nan, 1.0), "different values"),
        (np.arange(1024).reshape(32, 32), "1024 different values"),
        (np.ones((2, 3, 4, 5), bool), "has shape"),
        (np.full((32, 32), "1"), "is an array of <U1"),
        (np.full((32, 32), None), "is an array of object"),
        (np.ones((0, 4), bool), "has shape"),
        (Eye("blind", {"disc": np.ones((32, 32), bool)}), "has no plane vessels"),
        (np.ones((32, 32), bool), r"vessels cover 100% .*Is the mask inverted\?"),
        (~phantom_eye(5, 128).planes["vessels"], r"vessels cover \d+% .*Is the mask inverted\?"),
        (Eye("white", {"vessels": np.ones((64, 64), bool)}), r"Eye white: vessels cover 100% .*inverted\?"),
        (np.ones((1, 1), bool), r"is 1 x 1 px.*at least 16 px"),
        (np.eye(15, dtype=bool), r"is 15 x 15 px.*at least 16 px"),
    ],
)
def test_what_is_no_mask_is_refused(mask, message, model):
    with pytest.raises(InputError, match=message):
        model.generate(mask)


def test_a_set_has_pictures_labels_and_a_manifest(model, tmp_path):
    masks = {name: put_mask(tmp_path / "in" / f"{name}.png", seed, 40, 48) for seed, name in enumerate("abc")}
    bulk.generate_set(model, bulk.find_masks(tmp_path / "in"), tmp_path / "out", seed=10, size="mask")
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert [(line["name"], line["seed"]) for line in lines] == [("a", 10), ("b", 11), ("c", 12)]
    for line, (name, path) in zip(lines, masks.items(), strict=True):
        picture = tmp_path / "out" / "images" / f"{name}.png"
        assert np.array_equal(images.read_photograph(picture), model.generate(path, seed=line["seed"], size="mask"))
        assert np.array_equal(images.read_mask(tmp_path / "out" / "vessels" / f"{name}.png"), images.read_mask(path))
        assert line["sha256"]["image"] == hashlib.sha256(picture.read_bytes()).hexdigest()
        about = images.read_metadata(picture)
        assert (about["Model"], about["Seed"]) == ("undisturbed", str(line["seed"]))
        assert "not for diagnosis" in about["Synthetic"]
    assert [eye.name for eye in find_eyes(tmp_path / "out").eyes] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((8, 8), bool), r"b\.png is all black"),
        (np.ones((64, 64), bool), r"b\.png: vessels cover 100% of the picture.*inverted\?"),
        (np.eye(8, dtype=bool), r"b\.png is 8 x 8 px"),
    ],
    ids=["black", "white", "tiny"],
)
def test_a_bad_mask_stops_a_set_before_it_begins(bad, message, model, tmp_path):
    put_mask(tmp_path / "in" / "a.png")
    images.write_mask(tmp_path / "in" / "b.png", bad)
    with pytest.raises(ImageError, match=message):
        bulk.generate_set(model, bulk.find_masks(tmp_path / "in"), tmp_path / "out", seed=0, size="model")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(model, tmp_path):
    mask = put_mask(tmp_path / "a.png")
    (tmp_path / "out.png").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        bulk.generate_picture(model, mask, tmp_path / "out.png", seed=0, size="model")
    assert (tmp_path / "out.png").read_text() == "mine"
    with pytest.raises(OutputError, match="not a PNG"):
        bulk.generate_picture(model, mask, tmp_path / "out.jpg", seed=0, size="model")
    with pytest.raises(OutputError, match="not empty"):
        bulk.generate_set(model, bulk.find_masks(mask), tmp_path, seed=0, size="model")


def test_masks_are_found_in_files_folders_and_sets(phantoms, tmp_path):
    one = put_mask(tmp_path / "masks" / "one.png")
    put_mask(tmp_path / "masks" / "two.png")
    assert [(eye.name, eye.planes) for eye in bulk.find_masks(one)] == [("one", {"vessels": one})]
    assert [eye.name for eye in bulk.find_masks(tmp_path / "masks")] == ["one", "two"]
    assert len(bulk.find_masks(phantoms)) == 6
    Image.fromarray(tiny_mask(1)).save(tmp_path / "masks" / "one.gif")
    with pytest.raises(DataError, match="Several masks are called one"):
        bulk.find_masks(tmp_path / "masks")
    with pytest.raises(DataError, match="does not exist"):
        bulk.find_masks(tmp_path / "nowhere")


def test_panels_show_random_test_eyes(model, phantoms, tmp_path):
    names = bulk.generate_panels(model, phantoms, tmp_path / "panels", count=5, seed=1)
    assert sorted(names) == ["phantom_004", "phantom_005"]
    assert {path.name for path in (tmp_path / "panels").iterdir()} == {f"panel_{name}.png" for name in names}
    assert bulk.generate_panels(model, phantoms, tmp_path / "one", count=1, seed=1) == names[:1]


# --- Several planes ---


@pytest.fixture(scope="module")
def disc_set(tmp_path_factory):
    """Pairs with vessels and disc; one eye without its disc."""
    folder = tmp_path_factory.mktemp("planes") / "set"
    for side, numbers in (("train", range(3)), ("test", (3, 4))):
        for number in numbers:
            put_photograph(folder / side / "images" / f"{number}.png", seed=number)
            put_mask(folder / side / "vessels" / f"{number}.png", seed=number)
            if number != 4:
                put_mask(folder / side / "disc" / f"{number}.png", seed=number + 50)
    return folder


@pytest.fixture(scope="module")
def disc_model(disc_set, tiny, tmp_path_factory):
    from retinasynth.pix2pix.train import train

    run = tmp_path_factory.mktemp("disc") / "run"
    return load_generator(train(disc_set, run, tiny.with_overrides(["planes=vessels, disc", "epochs=2"])))


def test_a_model_of_two_planes_is_shown_both(disc_model):
    assert disc_model.config.planes == ("vessels", "disc")
    vessels, disc = tiny_mask(0), tiny_mask(50)
    eye = Eye("both", {"disc": disc, "vessels": vessels, "fov": np.ones((32, 32), bool)})
    photograph = disc_model.generate(eye)
    swapped = disc_model.generate(Eye("swapped", {"disc": vessels, "vessels": disc}))
    without = disc_model.generate(Eye("none", {"disc": np.zeros_like(disc), "vessels": vessels}))
    assert not np.array_equal(photograph, swapped)
    assert not np.array_equal(photograph, without)


def test_a_model_of_two_planes_refuses_one(disc_model, tmp_path):
    with pytest.raises(InputError, match="single mask was given to run, which makes photographs from vessels, disc"):
        disc_model.generate(tiny_mask(0))
    with pytest.raises(InputError, match="Eye half has no plane disc"):
        disc_model.generate(Eye("half", {"vessels": tiny_mask(0)}))
    put_mask(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match=r"No eye in .* has all of: vessels, disc"):
        bulk.find_masks(tmp_path / "masks", disc_model.config.planes)


def test_a_set_of_two_planes_has_both_and_leaves_out_who_has_one(disc_model, disc_set, tmp_path):
    bulk.generate_set(
        disc_model, bulk.find_masks(disc_set, disc_model.config.planes), tmp_path / "out", seed=0, size="mask"
    )
    made = find_eyes(tmp_path / "out").eyes
    assert [eye.name for eye in made] == ["0", "1", "2", "3"]
    assert all(eye.planes.keys() == {"vessels", "disc"} for eye in made)
    line = json.loads((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()[0])
    assert line["sha256"].keys() == {"image", "vessels", "disc"}
    assert bulk.generate_panels(disc_model, disc_set, tmp_path / "panels", count=5, seed=0) == ["3"]


def test_a_set_of_two_planes_is_trained_on_only_where_all_eyes_have_both(disc_set, tiny, tmp_path):
    from retinasynth.pix2pix.train import train

    with pytest.raises(
        DataError, match=r"0 has no mask of its cup\. Expected: pairs of a photograph and its vessels, cup"
    ):
        train(disc_set, tmp_path / "run", tiny.with_overrides(["planes=vessels,cup"]))
