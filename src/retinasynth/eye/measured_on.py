"""What measures come from, to look at: the regions over the labels, and courses coloured by calibre or winding."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from retinasynth.eye.biomarkers import scene_of
from retinasynth.eye.eye import Eye
from retinasynth.eye.frame import DD_PER_FIELD, frame_of
from retinasynth.eye.label_map import overlay
from retinasynth.eye.regions import regions_of
from retinasynth.eye.skeleton import Graph
from retinasynth.images import Mask, Photograph
from retinasynth.settings import Laterality

MOST_CALIBRE_DD, MOST_WINDING = 0.1, 1.2  # at the bright end of the colours
_LOW, _HIGH = np.array((70, 90, 210)), np.array((255, 225, 70))  # differ in lightness, too
_REGION = (120, 255, 140)
_DIMMED = 0.35  # of the light of the photograph behind coloured courses


def regions_overlay(eye: Eye, laterality: Laterality | None = None) -> Photograph:
    """The labels in colours, with the edges of all regions that are measured in green.

    Args:
        eye: with planes.
        laterality: which eye, where it is known.
    """
    picture = overlay(eye).copy()
    width = _line_px(eye.size)
    for name, region in regions_of(eye, laterality).items():
        if name != "field" and region.is_seen:
            inner = ndimage.binary_erosion(region.mask, iterations=width, border_value=1)
            picture[region.mask & ~inner] = _REGION
    return picture


def calibre_map(eye: Eye, graphs: Mapping[str, Graph]) -> Photograph:
    """All centre lines over the dimmed photograph, from blue (0) to yellow (`MOST_CALIBRE_DD` wide).

    Args:
        eye: of the graphs.
        graphs: of `retinasynth.eye.regional.graphs_of`.
    """
    scale = scene_of(eye).pixels_per_dd or DD_PER_FIELD * frame_of(scene_of(eye).fov).side
    courses = [(one.path, one.calibres / scale / MOST_CALIBRE_DD) for one in graphs["vessels"].segments]
    return _coloured(eye, courses)


def winding_map(eye: Eye, graphs: Mapping[str, Graph]) -> Photograph:
    """The same of arc over chord between branchings, from blue (1) to yellow (`MOST_WINDING`)."""
    courses = []
    for one in graphs["vessels"].segments:
        winding = one.length / one.chord if one.chord > 1 else 1.0
        courses.append((one.path, np.full(len(one.path), (winding - 1) / (MOST_WINDING - 1))))
    return _coloured(eye, courses)


def _coloured(eye: Eye, courses: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Photograph:
    """Courses over the dimmed photograph, by a value from 0 to 1 at each point."""
    ground = np.zeros((*eye.size, 3), np.uint8) if eye.photograph is None else eye.photograph
    picture = (ground * _DIMMED).astype(np.uint8)
    values = np.zeros(eye.size)
    drawn: Mask = np.zeros(eye.size, np.bool_)
    for path, shares in courses:
        rows, columns = np.clip(np.round(path).astype(int), 0, np.array(eye.size) - 1).T
        values[rows, columns] = np.clip(shares, 0, 1)
        drawn[rows, columns] = True
    if not drawn.any():
        return picture
    distance, nearest = ndimage.distance_transform_edt(~drawn, return_indices=True)
    near = distance <= _line_px(eye.size)
    share = values[tuple(nearest)][near][:, np.newaxis]
    picture[near] = np.rint(_LOW + share * (_HIGH - _LOW)).astype(np.uint8)
    return picture


def _line_px(size: tuple[int, int]) -> int:
    return max(1, round(min(size) / 500))
