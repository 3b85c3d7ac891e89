"""A set of generated photographs beside real ones, through the whole evaluation."""

import json
import shutil

import numpy as np
import pytest
from scipy import ndimage

from retinasynth.anatomy.render.phantom import phantom_eye, write_phantom_set
from retinasynth.errors import DataError
from retinasynth.evaluation.described import Shape
from retinasynth.evaluation.findings.privacy import MOST_NEIGHBOURS
from retinasynth.evaluation.pictures import Pictures
from retinasynth.evaluation.subjects import evaluate_folders, evaluate_model
from retinasynth.images import read_photograph, resize_photograph, write_photograph


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes") / "set"
    write_phantom_set(folder, train=5, test=8, size_px=192)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few") / "set"
    write_phantom_set(folder, train=3, test=2, size_px=160, seed=20)
    return folder


def fake(eyes, folder, change, split="test"):
    """The test photographs, each changed, under the same names."""
    for file in sorted((eyes / split / "images").glob("*.png")):
        write_photograph(folder / file.name, change(read_photograph(file)), {})
    return folder


def parts(found):
    return {one.key: one for one in found.findings}


@pytest.fixture(scope="module")
def blurred(eyes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("blurred")
    pictures = fake(eyes, folder / "fake", lambda picture: ndimage.gaussian_filter(picture, (3, 3, 0)))
    return evaluate_folders(eyes, pictures, folder / "out"), folder / "out"


def test_every_part_answers_and_is_written(blurred):
    found, out = blurred
    assert list(parts(found)) == ["structure", "realism", "diversity", "privacy"]
    stored = json.loads((out / "evaluation.json").read_text())
    assert stored["realism"]["fundus"]["kernel_distance"]["n"] == 16
    assert set(stored["diversity"]["appearance"]) == {"colour", "unevenness of the light", "sharpness", "contrast"}
    assert stored["privacy"]["counts"] == {"generated": 8, "training": 5, "held_out": 8}
    assert stored["verdict"] == found.sentences
    page = (out / "report.html").read_text()
    for heading in ("Structure", "Realism", "Diversity", "Privacy", "Nearest neighbours"):
        assert f">{heading}</h" in page
    assert page.count("Nearest in training of ") == MOST_NEIGHBOURS


def test_blur_is_seen_by_structure_realism_and_diversity(blurred):
    found, _ = blurred
    structure, realism, diversity = (parts(found)[key].values for key in ("structure", "realism", "diversity"))
    assert structure["judge_vessels_dice"]["mean"] < structure["judge_vessels_dice_in_expected"]["mean"] - 0.05
    assert realism["fundus"]["real_or_synthetic"]["balanced_accuracy"]["mean"] > 0.8
    sharpness = diversity["appearance"]["sharpness"]
    assert sharpness["generated_mean"][0] < sharpness["real_mean"][0] - 3


def test_equal_folders_are_no_success(few, tmp_path):
    found = evaluate_folders(few, fake(few, tmp_path / "fake", lambda picture: picture), tmp_path / "out")
    assert found.verdict[0] == (
        "The generated photographs are the real ones, pixel by pixel, so these figures say nothing."
    )


def test_copies_of_training_photographs_are_named(few, tmp_path):
    for number, file in enumerate(sorted((few / "train" / "images").glob("*.png"))):
        mirrored = np.ascontiguousarray(read_photograph(file)[:, ::-1])
        write_photograph(tmp_path / "fake" / f"made-{number}.png", mirrored, {})
    found = evaluate_folders(few, tmp_path / "fake", tmp_path / "out")
    privacy = parts(found)["privacy"]
    assert privacy.values["answer"] == "copies"
    assert privacy.sentences[0].startswith("The generator copies: 3 of 3")
    assert [gallery.title for gallery in privacy.galleries] == ["Copies", "Nearest neighbours"]
    assert len(privacy.galleries[0].shown) == 3


def test_black_pictures_are_left_out_and_said(few, tmp_path):
    pictures = fake(few, tmp_path / "fake", np.zeros_like)
    found = evaluate_folders(few, pictures, tmp_path / "out")
    realism = parts(found)["realism"]
    assert realism.sentences[0].startswith("2 photographs are black or of one colour")
    assert realism.values == {"frechet_distance": None}
    assert parts(found)["structure"].values["judge_vessels_dice"]["mean"] == 0


def test_who_was_learnt_from_must_be_known(few, tmp_path):
    shutil.copytree(few / "test" / "images", tmp_path / "real")
    pictures = fake(few, tmp_path / "fake", lambda picture: 255 - picture)
    found = evaluate_folders(tmp_path / "real", pictures, tmp_path / "out")
    assert "not known" in parts(found)["privacy"].sentences[0]
    assert parts(found)["privacy"].values["answer"] is None
    told = evaluate_folders(tmp_path / "real", pictures, tmp_path / "told", train=few / "train" / "images")
    assert parts(told)["privacy"].values["counts"]["training"] == 3
    assert told.about["Taken for training photographs"] == "3 of images"


def test_pairs_alone_leave_the_sets_out(few, tmp_path):
    pictures = fake(few, tmp_path / "fake", lambda picture: picture // 2)
    found = evaluate_folders(few, pictures, tmp_path / "out", sets=False)
    assert list(parts(found)) == ["structure"]


def test_a_model_is_not_judged_on_eyes_that_it_was_trained_on(trained, few, tmp_path):
    leaky = shutil.copytree(few, tmp_path / "leaky")
    first = sorted((leaky / "train" / "images").glob("*.png"))[0]
    for folder in (leaky / "train").iterdir():
        shutil.copy(folder / first.name, leaky / "test" / folder.name / "another.png")
    with pytest.raises(DataError, match="1 of 3 test eyes stand in training"):
        evaluate_model(trained, leaky, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found = evaluate_model(trained, leaky, tmp_path / "allowed", allow_leaks=True, sets=False)
    assert found.verdict[0].startswith("NOT A TEST OF UNSEEN EYES: 1 of 3")
    page = (tmp_path / "allowed" / "report.html").read_text()
    assert page.index("NOT A TEST OF UNSEEN EYES") < page.index('id="measures"')


# --- Shapes -----------------------------------------------------------------------------------------------------


def pictures_of(photographs):
    names = [str(number) for number in range(len(photographs))]
    return Pictures(names, names, photographs.__getitem__)


def wide(seed, height=200, width=320):
    """A square photograph in the middle of a wide black one."""
    photograph = phantom_eye(seed, 200).photograph
    made = np.zeros((height, width, 3), np.uint8)
    made[:, (width - 200) // 2 : (width + 200) // 2] = photograph
    return made


def test_real_photographs_take_the_resolution_of_round_ones_unstretched():
    generated = pictures_of([phantom_eye(seed, 100).photograph for seed in range(4)])
    real = pictures_of([wide(seed) for seed in range(4, 8)])
    shape = Shape.of(generated, real)
    given = shape.given(real.read(0))
    assert given.shape[1] / given.shape[0] == pytest.approx(1.6, abs=0.02)
    assert given.shape[0] == pytest.approx(100, abs=4)


def test_real_photographs_are_stretched_as_generated_ones_were():
    generated = pictures_of([resize_photograph(wide(seed), (100, 100)) for seed in range(4)])
    real = pictures_of([wide(seed) for seed in range(4, 8)])
    assert Shape.of(generated, real).given(real.read(0)).shape == (100, 100, 3)
    same = pictures_of([phantom_eye(seed, 100).photograph for seed in range(4)])
    assert Shape.of(same, pictures_of([phantom_eye(9, 200).photograph])).given(real.read(0)).shape == (100, 100, 3)
