"""The retina without disc, vessels and lesions: pigment, choroid, nerve fibres, macula."""

import math

import numpy as np
from scipy import ndimage

from retinasynth.anatomy.landmarks import RAPHE_DD
from retinasynth.anatomy.render.noise import octave_noise
from retinasynth.anatomy.render.scene import Colour, Field, Scene, gaussian_spot, stream
from retinasynth.anatomy.render.style import RenderingStyle

FAIR: Colour = (0.95, 0.31, 0.10)  # light that comes back from a fair fundus; 1 is white
DARK: Colour = (0.58, 0.26, 0.08)
MACULA: Colour = (0.45, 1.0, 1.35)  # optical density for 1 in green

_PATCHINESS = 0.15  # standard deviation of the pigmentation from place to place


def background(scene: Scene, rough: Field, choroid: Field, seed: int, style: RenderingStyle) -> list[Field]:
    """The light that comes back from an evenly lit retina, in red, green and blue; 1 is white.

    Args:
        scene: where disc and fovea are.
        rough: the fine texture, of standard deviation about 1.
        choroid: its vessels, see `choroidal_vessels`.
        seed: decides pigment and nerve fibres, each by a stream of its own.
        style: of the eye.
    """
    fine = style.grain * rough
    pigment = style.pigmentation + _PATCHINESS * scene.frame.enlarge(
        octave_noise(scene.frame.coarse(0.1), stream(seed, "pigment"), 1.8, 0.4, 0.6)
    )
    sheen = style.youth * _fibres(scene, stream(seed, "fibres"))
    macula = style.macular_density * _macula(scene, style.youth)
    picture = []
    for channel in range(3):
        fair, dark = FAIR[channel], DARK[channel]
        density = (0.75, 1.0, 1.1)[channel] * fine
        density += (0.85, 0.75, 0.5)[channel] * style.tessellation * choroid
        density += (0.25, 1.0, 1.2)[channel] * sheen
        density -= MACULA[channel] * macula
        density += math.log(fair) + pigment * math.log(dark / fair)
        picture.append(np.exp(density))
    return picture


def choroidal_vessels(scene: Scene, random: np.random.Generator) -> Field:
    """Choroidal vessels, brighter than the pigment between them: winding bands, hidden under the macula."""
    coarse = scene.frame.coarse(0.035)
    y, x = coarse.axes
    warp_y, warp_x = (0.18 * octave_noise(coarse, random, 0.9, 0.4, 0.6) for _ in range(2))
    turn = random.uniform(0, math.pi)
    across = (y + warp_y) * math.cos(turn) - (x + warp_x) * math.sin(turn)
    along = (y + warp_y) * math.sin(turn) + (x + warp_x) * math.cos(turn)
    bands = np.zeros(coarse.size, np.float32)
    for width_dd, share in ((0.17, 0.6), (0.09, 0.45)):
        tile = ndimage.gaussian_filter(random.standard_normal((128, 128), np.float32), 0.7, mode="wrap")
        places = np.stack([across / width_dd, along / (2.2 * width_dd)])
        bands += share * np.tanh(1.8 * ndimage.map_coordinates(tile / tile.std(), places, order=3, mode="grid-wrap"))
    shown = 0.7 + 0.5 * octave_noise(coarse, random, 1.6, 0.8, 0.6)
    if scene.fovea is not None:
        shown = shown * (1 - 0.8 * gaussian_spot(coarse, scene.fovea, 0.9))
    pattern: Field = bands * np.clip(shown, 0.1, 1.6) * 0.26
    return scene.frame.enlarge(pattern)


def _fibres(scene: Scene, random: np.random.Generator) -> Field:
    """Sheen and striations of nerve fibres, which leave the disc and arch around the fovea.

    Fibres are the streamlines of a source in the disc with sinks along the horizontal raphe, temporal of the fovea.
    """
    frame = scene.frame
    if scene.disc is None:
        return np.zeros(frame.size, np.float32)
    coarse = frame.coarse(0.03)
    rows, columns = coarse.axes
    temporal = scene.temporal if scene.fovea is None else (1 if scene.fovea[1] > scene.disc[1] else -1)
    y, x = np.abs(rows - scene.disc[0]), (columns - scene.disc[1]) * temporal
    stream = np.arctan2(y, x)
    for raphe_dd in RAPHE_DD:
        stream = stream - 0.2 * np.arctan2(y, x - raphe_dd)
    stream += 0.012 * octave_noise(coarse, random, 0.5, 0.2, 0.6)
    distance = np.hypot(y, x)
    arcades = 0.25 + 0.75 * np.hypot(y, 0.1) / (distance + 0.2)
    patches = np.clip(0.7 + 0.5 * octave_noise(coarse, random, 1.0, 0.5, 0.6), 0, 2)
    envelope = np.exp(-((distance / 1.35) ** 2)) * arcades * patches
    places = (frame.enlarge(stream) + 0.8 * math.pi) * 200  # from 0: the sinks take at most 0.8 pi
    number = np.clip(places.astype(np.int32), 0, 1023) + 1024 * (frame.axes[0] > scene.disc[0])
    part = places - np.floor(places)
    table = ndimage.gaussian_filter1d(random.standard_normal(2050).astype(np.float32), 0.6) * 1.3
    striation = table[number] * (1 - part) + table[number + 1] * part
    sheen: Field = frame.enlarge(envelope.astype(np.float32)) * (0.3 + 0.2 * striation)
    return sheen


def _macula(scene: Scene, youth: float) -> Field:
    """Density of the macula, 1 at the fovea: pigment, taller epithelium, the pit with its reflex in the young."""
    frame, fovea = scene.frame, scene.fovea
    if fovea is None:
        return np.zeros(frame.size, np.float32)
    density: Field = 0.65 * gaussian_spot(frame, fovea, 0.55) + 0.35 * gaussian_spot(frame, fovea, 0.2)
    ring = gaussian_spot(frame, fovea, 0.95) - gaussian_spot(frame, fovea, 0.75)
    pit = gaussian_spot(frame, (fovea[0], fovea[1] + 0.02), 0.035)
    reflex: Field = np.float32(youth) * (1.2 * pit + 1.1 * ring)
    return density - reflex
