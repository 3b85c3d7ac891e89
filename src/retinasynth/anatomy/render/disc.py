"""The optic disc: rim and cup, the scleral ring, the crescent of atrophy and the halo around it."""

import math

import numpy as np

from retinasynth.anatomy.render.scene import Colour, Field, Scene, bounds, smooth_step, soft_mask
from retinasynth.anatomy.render.style import RenderingStyle
from retinasynth.eye.edges import bearings, from_edge
from retinasynth.images import Mask

# Light that comes back; 1 is white.
DISC_RIM: Colour = (1.00, 0.44, 0.15)
DISC_PALE: Colour = (1.12, 0.80, 0.34)
BARE_CHOROID: Colour = (0.98, 0.47, 0.19)  # its vessels, where the pigment epithelium is lost beside the disc
BARE_SCLERA: Colour = (1.10, 0.76, 0.40)  # between them


def draw_disc(
    picture: list[Field],
    scene: Scene,
    rough: Field,
    choroid: Field,
    style: RenderingStyle,
    random: np.random.Generator,
) -> None:
    """Draw the disc into the picture, in place: its rim is paler temporally.

    Args:
        picture: light in red, green and blue.
        scene: with a disc in view.
        rough: the fine texture of the fundus.
        choroid: its vessels, which show where atrophy lays them bare.
        style: of the eye.
        random: decides the tilt and how pale rim and cup are.
    """
    plane, scale = scene.planes["disc"], scene.pixels_per_dd
    beside = scene.atrophy.width_dd if scene.atrophy is not None else style.atrophy_dd
    window = bounds(plane, math.ceil(max(0.5, beside + 0.15) * scale))
    plane, rough, choroid = plane[window], rough[window], choroid[window]
    inside = soft_mask(plane, 0.018 * scale)
    rows, columns = scene.frame.axes[0][window[0]], scene.frame.axes[1][:, window[1]]
    cy, cx = scene.disc if scene.disc is not None else (0.0, 0.0)
    ys, xs = np.nonzero(plane)
    ry, rx = (2 * max(float(side.std()), 0.5) / scale for side in (ys, xs))
    y, x = (rows - cy) / ry, (columns - cx) / rx * scene.temporal
    radius = np.hypot(y, x)  # 1 at the rim
    views = [channel[window] for channel in picture]

    tilt = random.normal(0, 0.35)
    toward = (x * math.cos(tilt) + y * math.sin(tilt)) / (radius + 0.15)  # 1 temporally, -1 nasally
    border = from_edge(plane).astype(np.float32) / np.float32(scale)  # in disc diameters
    halo = 0.22 * np.exp(-((np.maximum(border, 0) / 0.22) ** 2))
    if scene.atrophy is None:
        crescent_dd = style.atrophy_dd * np.clip(0.25 + 0.75 * toward, 0, 1)
    else:
        crescent_dd = scene.atrophy.widths(bearings(plane, scene.temporal))
    crescent = smooth_step((crescent_dd - border) / (0.015 + 0.1 * crescent_dd)) * (crescent_dd > 0)
    crescent = crescent * np.clip(0.75 + 0.06 * rough, 0, 1) * np.minimum(crescent_dd / 0.04, 1)
    vessels = smooth_step(6 * choroid)  # of the choroid, on the white of the sclera
    pigment = 0.25 * np.exp(-(((border - crescent_dd - 0.02) / 0.02) ** 2)) * np.clip(0.4 + 0.5 * rough, 0, 1.5)
    ring = 0.5 * np.exp(-(((border + 0.015) / 0.016) ** 2)) * np.clip(0.35 + 0.65 * toward, 0.05, 1)

    # The rim keeps its colour, down to that of the fundus: were it as pale as the cup, nothing but the vessels would
    # show where that ends.
    depth = np.clip(1 - radius, 0, 1)
    pale = style.disc_pallor * (0.1 + 0.25 * toward) + 0.06 * depth - random.uniform(0, 0.35)
    cup_plane = scene.planes.get("cup")
    if cup_plane is not None and cup_plane.any():
        cup = soft_mask(cup_plane[window], random.uniform(0.015, 0.08) * scale)
        step, saucer, spread = random.uniform(0.2, 0.5), random.uniform(0, 0.9), random.uniform(0.1, 0.7)
        floor = 1 - saucer * (1 - _cup_floor(cup_plane[window], scene.temporal, spread))
        whitest = 0.72 + 0.28 * style.disc_pallor
        pale = pale + cup * (step + floor * np.maximum(whitest - pale - step, 0))
    elif cup_plane is None:  # unknown is not none
        pale = pale - 0.1 + 0.8 * np.exp(-(((x - 0.12) ** 2 + y**2) / 0.16))
    pale = np.clip(pale + ring + 0.035 * rough, -0.35, 1.15)
    shade = 1 + 0.035 * rough - 0.12 * np.exp(-((border / 0.05) ** 2)) * (toward < 0)
    for channel, view in enumerate(views):
        fundus = view * np.exp((0.35, 0.6, 0.5)[channel] * halo - (0.7, 1.0, 0.8)[channel] * pigment)
        bare = BARE_SCLERA[channel] + vessels * (BARE_CHOROID[channel] - BARE_SCLERA[channel])
        fundus += crescent * (bare * (1 + 0.03 * rough) - fundus)
        rim, white = math.log(DISC_RIM[channel]), math.log(DISC_PALE[channel])
        disc = np.exp(rim + pale * (white - rim)) * shade
        view[...] = fundus + inside * (disc - fundus)


def _cup_floor(cup: Mask, temporal: int, spread: float) -> Field:
    """Where a cup is palest, 1, and where it slopes toward its edge, near 0: the floor lies temporally.

    Deep cups are pale up to their edge; saucers pale slowly, and their edge is a faint step in colour.
    """
    rows, columns = np.nonzero(cup)
    middle_y, middle_x = rows.mean(), columns.mean()
    half_height, half_width = (2 * max(float(side.std()), 0.5) for side in (rows, columns))
    y = (np.arange(cup.shape[0]) - middle_y) / half_height
    x = (np.arange(cup.shape[1]) - middle_x) / half_width - 0.15 * temporal
    floor: Field = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / spread).astype(np.float32)
    return floor
