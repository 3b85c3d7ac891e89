"""Copies of published trees from lists of paths: what a file holds follows from a word for each of them."""

import functools
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from scipy import ndimage

from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.eye import Eye
from retinasynth.images import Mask

SIZE = 192
_eye = functools.cache(phantom_eye)


def boundary(mask: Mask) -> np.ndarray:
    """Points around a structure, ``(40, 2)`` of x and y, where rays from its middle leave it."""
    row, column = ndimage.center_of_mass(mask)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radii = np.arange(SIZE)
    rays_y = np.rint(row + np.outer(np.sin(angles), radii)).astype(int).clip(0, SIZE - 1)
    rays_x = np.rint(column + np.outer(np.cos(angles), radii)).astype(int).clip(0, SIZE - 1)
    reach = mask[rays_y, rays_x].argmin(axis=1) - 1
    return np.stack([column + np.cos(angles) * reach, row + np.sin(angles) * reach], axis=1)


def centre(mask: Mask) -> tuple[float, float]:
    """Its middle, x before y; a place right of the picture's, where there is none, as of a fovea out of view."""
    if not mask.any():
        return SIZE * 0.7, SIZE * 0.5
    row, column = ndimage.center_of_mass(mask)
    return float(column), float(row)


def _disc_and_cup(*values: int) -> Callable[[Eye], Image.Image]:
    """Of background, rim and cup."""
    return lambda eye: Image.fromarray(
        np.array(values, np.uint8)[eye.planes["disc"].astype(int) + (eye.planes["disc"] & eye.planes["cup"])]
    )


def _coloured(eye: Eye) -> Image.Image:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[eye.planes["vessels"]] = 255
    arteries, veins = eye.planes["arteries"], eye.planes["veins"]
    picture[arteries], picture[veins], picture[arteries & veins] = (255, 0, 0), (0, 0, 255), (0, 255, 0)
    return Image.fromarray(picture)


def _softly(plane: str) -> Callable[[Eye], Image.Image]:
    """Four experts who differ by a pixel."""

    def shares(eye: Eye) -> Image.Image:
        mask = eye.planes[plane]
        drawn = [ndimage.binary_erosion(mask), mask, mask, ndimage.binary_dilation(mask)]
        return Image.fromarray((255 * np.mean(drawn, axis=0)).astype(np.uint8))

    return shares


def _points(plane: str, *, is_row_first: bool = False) -> Callable[[Eye], str]:
    def text(eye: Eye) -> str:
        rows = boundary(eye.planes[plane])[:, :: -1 if is_row_first else 1]
        return "".join(f"   {a:.7e}   {b:.7e}\n" for a, b in rows)

    return text


def _middle(eye: Eye) -> str:
    x, y = centre(eye.planes["disc"])
    return f"{y:.0f} {x:.0f}"


def _annotation(*labels: str) -> Callable[[Eye], str]:
    shapes = [{"label": label, "points": [[1, 2]]} for label in labels]
    return lambda _: json.dumps({"shapes": shapes, "imageData": "x"})


# What a file of an eye holds, by the word for it.
CONTENTS: Mapping[str, Callable[[Eye], Image.Image | str]] = {
    "photograph": lambda eye: Image.fromarray(eye.photograph),
    "refuge": _disc_and_cup(255, 128, 0),
    "disc-cup": _disc_and_cup(0, 1, 2),
    "disc without cup": _disc_and_cup(0, 1, 1),
    "coloured": _coloured,
    "outline of disc": _points("disc"),
    "outline of cup": _points("cup"),
    "rows of disc": _points("disc", is_row_first=True),
    "rows of cup": _points("cup", is_row_first=True),
    "middle of disc": _middle,
    "soft disc": _softly("disc"),
    "soft cup": _softly("cup"),
    "annotation": _annotation("disc", "cup", "discLoc"),
    "annotation without cup": _annotation("disc", "discLoc"),
    "junk": lambda _: "not to be read",
    "black": lambda _: Image.new("L", (SIZE, SIZE)),
    **{
        plane: lambda eye, plane=plane: Image.fromarray(eye.planes[plane])
        for plane in ("vessels", "arteries", "veins", "disc", "cup", "fov")
    },
}


def write_tree(folder: Path, names: Sequence[str], files: Mapping[str, str], *, seed: int = 0) -> dict[str, Eye]:
    """Write files for each of some eyes.

    Args:
        folder: the root.
        names: of the eyes.
        files: paths with ``*`` for the name of the eye, and for each what it holds (`CONTENTS`).
        seed: of the first eye.

    Returns:
        The eyes by name.
    """
    eyes = {name: _eye(seed + number, SIZE) for number, name in enumerate(names)}
    for name, eye in eyes.items():
        for pattern, what in files.items():
            path = folder / pattern.replace("*", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            content = CONTENTS[what](eye)
            if isinstance(content, str):
                path.write_text(content)
            else:
                content.save(path, **({"quality": 95} if path.suffix == ".jpg" else {}))
    return eyes


def write_workbook(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """A workbook as spreadsheets save it: text in a list of its own, numbers in the cells, empty cells left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = sorted({cell for row in rows for cell in row if isinstance(cell, str)})
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = []
        for column, cell in enumerate(row):
            place = f"{chr(ord('A') + column)}{number}"
            if isinstance(cell, str):
                cells.append(f'<c r="{place}" t="s"><v>{texts.index(cell)}</v></c>')
            elif cell is not None:
                cells.append(f'<c r="{place}"><v>{cell}</v></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        sheet = f"<sheetData>{''.join(lines)}</sheetData>"
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}>{sheet}</worksheet>")
        shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{shared}</sst>")
