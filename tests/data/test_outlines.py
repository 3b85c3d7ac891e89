"""Outlines in text: which pixels lie within, and what is no outline."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from retinasynth.data.outlines import outlined, read_points
from retinasynth.errors import ImageError


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "10 5\n20 5\n20 25\n10 25\n",
        "   1.0000000e+01   5.0\n\n20\t5\n20 25\n10 25",
        "\ufeffx,y\n10,5\n20,5\n20,25\n10,25\n",
        "X;Y\r\n10;5\r\n20;5\r\n20;25\r\n10;25\r\n",
    ],
)
def test_a_rectangle_is_filled_with_its_border(text: str, tmp_path: Path) -> None:
    expected = np.zeros((40, 30), np.bool_)
    expected[5:26, 10:21] = True
    np.testing.assert_array_equal(outlined(put(tmp_path / "a.txt", text), (40, 30)), expected)
    turned = outlined(tmp_path / "a.txt", (30, 40), is_row_first=True)
    np.testing.assert_array_equal(turned, expected.T)


def test_an_outline_may_leave_the_picture_by_a_hair(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", "-1 -1\n100.5 -1\n100.5 101\n-1 101\n")
    assert outlined(path, (100, 100)).all()
    with pytest.raises(ImageError, match="its picture has 40 x 100 px"):
        outlined(path, (100, 40))


def test_a_round_outline_has_the_area_of_its_circle(tmp_path: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    points = np.stack([100 + 60 * np.cos(angles), 90 + 60 * np.sin(angles)], axis=1)
    path = put(tmp_path / "a.csv", "\n".join(f"{x},{y}" for x, y in points))
    assert outlined(path, (200, 200)).sum() == pytest.approx(np.pi * 60.5**2, rel=0.01)


def test_random_bytes_raise_nothing_but_our_own_error(tmp_path: Path) -> None:
    path, random = tmp_path / "a.txt", np.random.default_rng(0)
    letters = np.frombuffer(b"0123456789 .,;-+e\n\r\t\x00x\xff_", np.uint8)
    for number in range(300):
        path.write_bytes(random.choice(letters[: None if number % 2 else 18], random.integers(80)).tobytes())
        with contextlib.suppress(ImageError):
            read_points(path)
        with contextlib.suppress(ImageError):
            outlined(path, (50, 50))


def test_a_file_far_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="more than 5 MB"):
        read_points(put(tmp_path / "a.txt", "1 2\n" * 1_300_000))
    with pytest.raises(ImageError, match="cannot be read"):
        read_points(tmp_path / "missing.txt")
