"""Draw images/logo.svg and images/favicon.svg: `python docs/logo.py`. A fundus: field, disc, the four arcades."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "images"
SIDE = 64  # of the square, in its own units; the field of view fills it
DISC = (43.0, 32.0, 7.0)  # column, row, radius
# The temporal arcades follow a parabola with its vertex in the disc, as in life; the nasal vessels a flatter one.
TEMPORAL, NASAL = 0.062, 0.16


def arcade(opening: float, direction: int, *, reach: float, up: bool) -> str:
    """A path from the disc along one arm of a parabola: column = vertex + direction * opening * height²."""
    heights = np.linspace(0, reach, 9)
    columns = DISC[0] + direction * opening * heights**2
    rows = DISC[1] + (-heights if up else heights)
    return "M" + " L".join(f"{column:.1f} {row:.1f}" for column, row in zip(columns, rows, strict=True))


def drawn(*, line: str, disc: str, field: str, ring: str) -> str:
    """The mark in these colours, as SVG."""
    arms = [
        arcade(opening, direction, reach=reach, up=up)
        for opening, direction, reach in ((TEMPORAL, -1, 21.5), (NASAL, 1, 8.5))
        for up in (True, False)
    ]
    clip = '<clipPath id="field"><circle cx="32" cy="32" r="28"/></clipPath>'
    paths = "".join(f'<path d="{arm}"/>' for arm in arms)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}"><defs>{clip}</defs>'
        f'<circle cx="32" cy="32" r="29" fill="{field}" stroke="{ring}" stroke-width="3"/>'
        f'<g clip-path="url(#field)" fill="none" stroke="{line}" stroke-width="3.2" stroke-linecap="round" '
        f'stroke-linejoin="round">{paths}</g>'
        f'<circle cx="{DISC[0]:g}" cy="{DISC[1]:g}" r="{DISC[2]:g}" fill="{disc}"/></svg>\n'
    )


if __name__ == "__main__":
    coloured = drawn(line="#7a1f12", disc="#f6dc9a", field="#cf6a34", ring="#1c1a17")
    (HERE / "favicon.svg").write_text(coloured, encoding="utf-8")
    (HERE / "logo.svg").write_text(coloured, encoding="utf-8")
