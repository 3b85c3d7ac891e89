"""Planes that cannot be true are named by an inspection and refused by what uses them; true ones never are."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from retinasynth.anatomy.grow import grow
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.data.faults import faults_of
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.data.inspect import inspect_data
from retinasynth.data.measure import measure_path
from retinasynth.errors import DataError, ImageError
from retinasynth.eye import Eye
from retinasynth.eye.label_map import write_label_map
from retinasynth.images import Mask, write_mask, write_photograph

SIZE = 256
Change = Callable[[Mapping[str, Mask]], Mask]


@pytest.fixture(scope="module")
def eyes() -> dict[str, Eye]:
    return {name: phantom_eye(seed, SIZE) for seed, name in enumerate("ab")}


def to_corner(mask: Mask) -> Mask:
    rows, columns = np.nonzero(mask)
    return np.roll(mask, (-rows.min(), -columns.min()), (0, 1))


# By kind of fault: the plane, and how the planes of an eye become it.
FAULTS: dict[str, tuple[str, Change]] = {
    "inverted disc": ("disc", lambda planes: ~planes["disc"]),
    "full disc": ("disc", lambda planes: np.ones_like(planes["disc"])),
    "cup outside the disc": ("cup", lambda planes: np.roll(planes["cup"], 90, axis=1)),
    "two discs": ("disc", lambda planes: planes["disc"] | np.roll(planes["disc"], 90, axis=1)),
    "disc outside the field of view": ("disc", lambda planes: to_corner(planes["disc"])),
    "inverted field of view": ("fov", lambda planes: ~planes["fov"]),
    "arteries that are no vessels": (
        "arteries",
        lambda planes: np.roll(planes["veins"], 60, axis=0) & ~planes["veins"],
    ),
    "full microaneurysms": ("microaneurysms", lambda planes: np.ones_like(planes["disc"])),
}


def put(root: Path, eyes: dict[str, Eye], planes: Mapping[str, Change], *, photographs: bool = True) -> Path:
    for name, eye in eyes.items():
        assert eye.photograph is not None
        if photographs:
            write_photograph(root / "images" / f"{name}.png", eye.photograph)
        for plane, change in planes.items():
            write_mask(root / plane / f"{name}.png", change(eye.planes))
    return root


def as_it_is(plane: str) -> Change:
    return lambda planes: planes[plane]


@pytest.mark.parametrize("photographs", [True, False])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_named_and_refused(
    kind: str, photographs: bool, tmp_path: Path, eyes: dict[str, Eye], capfd: pytest.CaptureFixture[str]
) -> None:
    plane, change = FAULTS[kind]
    beside = {"vessels": as_it_is("vessels"), "disc": as_it_is("disc"), "fov": as_it_is("fov")}
    root = put(tmp_path / "set", eyes, beside | {plane: change}, photographs=photographs)
    report = inspect_data(root, quiet=True)
    named = [(one["file"], one["kind"]) for one in report.faults if one["plane"] == plane]
    assert {(f"{plane}/a.png", kind), (f"{plane}/b.png", kind)} <= set(named)
    assert any(f"{plane}/a.png, {plane}/b.png: {kind}; " in problem for problem in report.problems)
    if kind == "two discs":
        measure_path(root)
        warned = capfd.readouterr().err
        assert warned.count("Warning: ") == 1
        assert "disc/a.png: there are two discs" in warned
        return
    for files in find_eyes(root).eyes:
        with pytest.raises(ImageError, match=rf"{plane}/{files.name}\.png: "):
            read_eye(files)
        read_eye(files.with_planes_alone([one for one in ("vessels",) if one != plane]))  # does not use it
    with pytest.raises(ImageError, match=rf"{plane}/a\.png: "):
        measure_path(root)


def test_a_disc_outside_the_photograph_is_seen_without_a_field_of_view(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    changes = {"vessels": as_it_is("vessels"), "disc": lambda planes: to_corner(planes["disc"])}
    root = put(tmp_path / "set", eyes, changes)
    assert {one["kind"] for one in inspect_data(root, quiet=True).faults} == {"disc outside the field of view"}


def test_a_rim_without_its_cup_is_told_what_to_do(eyes: dict[str, Eye]) -> None:
    disc, cup = eyes["a"].planes["disc"], eyes["a"].planes["cup"]
    (fault,) = faults_of({"disc": disc & ~cup, "cup": cup})
    assert (fault.kind, fault.do) == ("cup outside the disc", "Fill the disc: it is drawn as a rim alone")


@pytest.mark.parametrize("plane", ["disc", "cup", "arteries"])
def test_a_plane_that_is_black_in_all_files_is_unknown(plane: str, tmp_path: Path, eyes: dict[str, Eye]) -> None:
    changes = {"vessels": as_it_is("vessels"), plane: lambda planes: np.zeros_like(planes["disc"])}
    root = put(tmp_path / "set", eyes, changes)
    report = inspect_data(root, quiet=True)
    assert [(one["plane"], one["kind"]) for one in report.faults] == [(plane, "black in all files")]
    assert "all black in each of 2 files, such as" in report.problems[0]
    with pytest.raises(DataError, match=rf"The {plane} .* all black in each of 2 files, such as .*{plane}/a\.png"):
        measure_path(root)
    write_mask(root / plane / "b.png", eyes["b"].planes[plane])  # then the other has none
    assert inspect_data(root, quiet=True).ok
    assert set(measure_path(root)) == {"a", "b"}


def test_our_own_sets_may_have_no_disc_at_all(tmp_path: Path, eyes: dict[str, Eye]) -> None:
    for name, eye in eyes.items():
        nothing = np.zeros((SIZE, SIZE), np.bool_)
        planes = {"vessels": eye.planes["vessels"], "fov": eye.planes["fov"], "disc": nothing}
        write_label_map(tmp_path, Eye(name, planes, eye.photograph))
    assert len([read_eye(files) for files in find_eyes(tmp_path).eyes]) == 2


@pytest.mark.parametrize("people", ["adult", "diabetic", "glaucomatous", "child"])
def test_true_planes_have_no_fault(people: str) -> None:
    for seed in range(3):
        eye = grow(seed, 192, people=people)
        assert list(faults_of(eye.planes, eye.photograph)) == []
