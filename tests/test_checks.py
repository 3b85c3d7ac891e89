import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retinasynth as rs
from pictures import tiny_mask
from retinasynth.anatomy.edits import with_lesions
from retinasynth.anatomy.grow import anatomy_of
from retinasynth.anatomy.render.phantom import phantom_eye, phantom_folder, write_phantom_set
from retinasynth.anatomy.render.photograph import render_photograph
from retinasynth.checks import MOST_SEED, checked_workers, real_number, whole_number
from retinasynth.cli.studies import detection, utility
from retinasynth.data.grown import GrownSet, write_grown_set
from retinasynth.data.prepare import prepare
from retinasynth.data.stream import EyeStream
from retinasynth.errors import InputError, SettingError
from retinasynth.eye.style import NUMBERS, Style, turned
from retinasynth.generation.folder import generate_panels, generate_set
from retinasynth.generation.sets import SyntheticSet, write_synthetic_set
from retinasynth.generator import Generator
from retinasynth.intervals import bootstrap_mean
from retinasynth.segmentation.labelling import label_sets
from retinasynth.studies.bench import run_bench
from retinasynth.studies.glaucoma import study_glaucoma
from retinasynth.studies.vascular import study_vascular
from retinasynth.styled.encode import style_of
from retinasynth.styled.photograph import drawn_noise

NO_WHOLE_NUMBERS: tuple[Any, ...] = (
    *("1", "", 1.5, 1.0, float("nan"), float("inf"), True, np.True_, None, [1], (1, 2), {}, -1, -(2**70), 2**64),
    *(10**5000, np.float64(1), np.array([1, 2]), b"1", 1j),
)
NO_NUMBERS: tuple[Any, ...] = ("0.5", float("nan"), float("inf"), True, [0.5], -1e9, 1e9, 10**400, 1j, np.array([0.5]))


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_whole_number_is_refused_by_name_in_a_short_sentence(value: Any) -> None:
    with pytest.raises(SettingError, match=r"^count is .*Expected: a whole number, 1 to 1000000000\.$") as caught:
        whole_number(value, "count")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_refused_by_name_in_a_short_sentence(value: Any) -> None:
    with pytest.raises(SettingError, match=r"^share is .*Expected: a number, 0 to 0\.9\.$") as caught:
        real_number(value, "share", least=0, most=0.9)
    assert len(str(caught.value)) < 200


def test_numbers_of_numpy_are_taken_as_those_of_python() -> None:
    for value in (5, np.int64(5), np.uint8(5), np.int32(5)):
        assert type(whole_number(value, "count")) is int
        assert whole_number(value, "count") == 5
    for number in (0.5, np.float32(0.5), np.float64(0.5)):
        assert type(real_number(number, "share", least=0, most=1)) is float
    assert real_number(np.int64(1), "share", least=0, most=1) == 1.0
    assert real_number(1, "share", least=0, most=1) == 1.0
    with pytest.raises(SettingError, match=r"share is 1\. Expected: a number, 0 to below 1"):
        real_number(1, "share", least=0, most=1, below=True)
    assert checked_workers(None) is None


# --- Every public function that takes a seed, a count or a size ---

EYE = rs.grow(0, 64)
FEW = [np.arange(5.0)]


def of_function(function: Callable[..., Any], name: str, *arguments: Any, **more: Any) -> Callable[[Any, Path], Any]:
    return lambda value, _: function(*arguments, **more, **{name: value})


@pytest.fixture(scope="module")
def model(styled_run: Path) -> Generator:
    return rs.load(styled_run)


SEEDS: dict[str, Callable[[Any, Path], Any]] = {
    "grow": lambda seed, _: rs.grow(seed, 64),
    "anatomy_of": lambda seed, _: anatomy_of(seed, "adult", {}),
    "phantom_photograph": lambda seed, _: rs.phantom_photograph(EYE, seed),
    "phantom_photograph, randomised": lambda seed, _: rs.phantom_photograph(EYE, seed, "randomised"),
    "render_photograph": lambda seed, _: render_photograph(EYE, seed),
    "phantom_eye": lambda seed, _: phantom_eye(seed, 64),
    "write_phantom_set": lambda seed, out: write_phantom_set(out, train=1, test=1, size_px=64, seed=seed),
    "with_lesions": lambda seed, _: with_lesions(EYE, "severe", seed),
    "EyeStream": lambda seed, _: EyeStream(seed, 64),
    "stream": lambda seed, _: rs.stream(seed, 64),
    "write_grown_set": lambda seed, out: write_grown_set(out, 1, GrownSet(seed, 64)),
    "write_synthetic_set": lambda seed, out: write_synthetic_set(out, 1, SyntheticSet("fundus-512", seed)),
    "prepare": lambda seed, out: prepare(phantom_folder(train=1, test=1, size_px=64), out, seed=seed),
    "drawn_noise": lambda seed, _: drawn_noise([4], seed),
    "evaluate": lambda seed, out: rs.evaluate("fundus-512", "phantom", out, seed=seed),
    "bootstrap_mean": lambda seed, _: bootstrap_mean([1.0, 2.0, 3.0], seed=seed),
    "study_vascular": lambda seed, out: study_vascular(out, seed=seed),
    "study_glaucoma": lambda seed, out: study_glaucoma(out, seed=seed),
}


@pytest.mark.parametrize("value", ["1", 1.5, True, -1, 2**64], ids=str)
@pytest.mark.parametrize("place", SEEDS)
def test_a_seed_that_is_none_is_refused_before_anything_is_made(place: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^seed is .*a whole number, 0 to 18446744073709551615"):
        SEEDS[place](value, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("value", ["1", 1.5, True, -1, 2**64], ids=str)
def test_a_model_refuses_a_seed_that_is_none(model: Generator, value: Any, tmp_path: Path) -> None:
    says = r"seed is .*a whole number, 0 to"
    with pytest.raises(SettingError, match=says):
        model.generate(EYE, seed=value)
    with pytest.raises(SettingError, match=says):
        generate_set(model, [], tmp_path / "out", seed=value, size="model")
    with pytest.raises(SettingError, match=says):
        generate_panels(model, tmp_path, tmp_path / "out", count=1, seed=value)
    with pytest.raises(SettingError, match=says):
        rs.what_if(EYE, rs.Edit(cup=0.9), model, seed=value)
    with pytest.raises(SettingError, match=rf"lesion_{says}"):
        rs.what_if(EYE, rs.Edit(cup=0.9), model, lesion_seed=value)
    assert not (tmp_path / "out").exists()


COUNTS: dict[str, tuple[str, Callable[[Any, Path], Any]]] = {
    "grow": ("size_px", lambda size, _: rs.grow(0, size)),
    "EyeStream": ("size_px", lambda size, _: EyeStream(0, size)),
    "phantom_eye": ("size_px", lambda size, _: phantom_eye(0, size)),
    "write_phantom_set": ("size_px", lambda size, out: write_phantom_set(out, train=1, test=0, size_px=size)),
    "write_phantom_set, train": ("train", lambda count, out: write_phantom_set(out, train=count, test=0, size_px=64)),
    "phantom_folder": ("test", lambda count, _: phantom_folder(train=1, test=count, size_px=64)),
    "write_grown_set": ("count", lambda count, out: write_grown_set(out, count, GrownSet(0, 64))),
    "write_grown_set, size": ("size_px", lambda size, out: write_grown_set(out, 1, GrownSet(0, size))),
    "write_grown_set, workers": ("workers", lambda count, out: write_grown_set(out, 1, GrownSet(), workers=count)),
    "write_synthetic_set": ("count", lambda count, out: write_synthetic_set(out, count, SyntheticSet("fundus-512"))),
    "write_synthetic_set, workers": (
        "workers",
        lambda count, out: write_synthetic_set(out, 1, SyntheticSet("fundus-512"), workers=count),
    ),
    "write_synthetic_set, size": (
        "size_px",
        lambda size, out: write_synthetic_set(out, 1, SyntheticSet("fundus-512", size_px=size)),
    ),
    "prepare": ("size_px", lambda size, out: prepare(Path("nowhere"), out, size_px=size)),
    "label_sets": ("size_px", lambda size, out: label_sets([], [], out, size_px=size)),
    "style_of": ("size_px", lambda size, _: style_of(np.full((64, 64, 3), 90, np.uint8), size)),
    "enhance": ("The scale", lambda scale, _: rs.Enhancer.load().enhance(np.full((64, 64, 3), 90, np.uint8), scale)),
    "ablate": ("seeds", lambda count, out: rs.ablate("phantom", out, seeds=count)),
    "tune": ("trials", lambda count, out: rs.tune("phantom", out, trials=count)),
    "tune, folds": ("folds", lambda count, out: rs.tune("phantom", out, folds=count)),
    "utility": ("seeds", lambda count, out: utility(Path("phantom"), out, seeds=count)),
    "utility, synthetic": ("synthetic", lambda count, out: utility(Path("phantom"), out, synthetic=count)),
    "utility, workers": ("workers", lambda count, out: utility(Path("phantom"), out, workers=count)),
    "detection": ("draws", lambda count, out: detection(Path("phantom"), out, draws=count)),
    "detection, synthetic": ("synthetic", lambda count, out: detection(Path("phantom"), out, synthetic=count)),
    "detection, workers": ("workers", lambda count, out: detection(Path("phantom"), out, workers=count)),
    "bench": ("turns", lambda count, _: run_bench(turns=count)),
    "bench, steps": ("steps", lambda count, _: run_bench(steps=count)),
    "study_vascular": ("eyes", lambda count, out: study_vascular(out, eyes=count)),
    "study_vascular, workers": ("workers", lambda count, out: study_vascular(out, workers=count)),
    "study_glaucoma": ("eyes", lambda count, out: study_glaucoma(out, eyes=count)),
    "study_glaucoma, screened": ("screened", lambda count, out: study_glaucoma(out, screened=count)),
    "study_glaucoma, workers": ("workers", lambda count, out: study_glaucoma(out, workers=count)),
}


@pytest.mark.parametrize("value", ["1", 64.5, True, -1, 10**12], ids=str)
@pytest.mark.parametrize("place", COUNTS)
def test_a_count_or_size_that_is_none_is_refused_at_once(place: str, value: Any, tmp_path: Path) -> None:
    name, call = COUNTS[place]
    with pytest.raises(SettingError, match=rf"^{name} is .*Expected: (a whole number|one of)"):
        call(value, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("value", ["1", "huge", 64.5, True, -1, 10**12, None, ["model"]], ids=str)
def test_a_size_of_a_photograph_is_a_word_or_pixels(model: Generator, value: Any) -> None:
    with pytest.raises(InputError, match=r"^size is .*Expected: 'model', 'mask', or 16 to 8192 pixels"):
        model.generate(EYE, size=value)


@pytest.mark.parametrize("value", ["0.5", float("nan"), True, [0.5], -9, 9], ids=str)
def test_a_share_that_is_none_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"The cup-to-disc ratio is .*a number, 0 to 0\.95"):
        rs.Edit(cup=value)
    with pytest.raises(SettingError, match=r"The calibre that is left to vessels is .*a number, 0\.5 to below 1"):
        rs.Edit(narrow=value)
    with pytest.raises(SettingError, match=r"The knob contrast is .*a number, -3 to 3"):
        turned(Style(np.zeros(NUMBERS, np.float32)), {"contrast": value})
    with pytest.raises(SettingError, match=r"least_confidence is .*a number, 0 to 1"):
        label_sets([], [], tmp_path / "out", least_confidence=value)
    with pytest.raises(SettingError, match=r"min_structure is .*a number, 0 to below 1"):
        write_synthetic_set(tmp_path / "out", 1, SyntheticSet("fundus-512", min_structure=value))
    assert not (tmp_path / "out").exists()


def test_numbers_of_numpy_make_the_same_as_those_of_python(model: Generator, tmp_path: Path) -> None:
    eye = rs.grow(np.int64(0), np.int32(64))
    assert (eye.name, eye.size) == (EYE.name, EYE.size)
    assert all(np.array_equal(eye.planes[plane], EYE.planes[plane]) for plane in EYE.planes)
    seed, size = np.int64(3), np.uint16(48)
    np.testing.assert_array_equal(
        model.generate(tiny_mask(0), seed=seed, size=size), model.generate(tiny_mask(0), seed=3, size=48)
    )
    np.testing.assert_array_equal(rs.phantom_photograph(EYE, np.uint8(5)), rs.phantom_photograph(EYE, 5))
    assert next(iter(rs.stream(np.int64(1), np.int64(64))))["seed"] == 1
    write_grown_set(tmp_path / "grown", np.int64(1), GrownSet(np.int64(2), 64), workers=np.int64(1))
    (line,) = (tmp_path / "grown" / "manifest.jsonl").read_text().splitlines()
    assert json.loads(line)["seed"] == 2


def test_the_largest_seed_works_everywhere(model: Generator) -> None:
    assert rs.grow(MOST_SEED, 64).planes["vessels"].any()
    assert rs.phantom_photograph(EYE, MOST_SEED).any()
    assert model.generate(EYE, seed=MOST_SEED).any()
