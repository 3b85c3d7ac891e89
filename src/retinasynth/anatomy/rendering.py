"""A procedural fundus photograph of any label map: light absorbed by pigment and blood, seen by a camera.

No model is trained and no photograph is used. What is drawn is what the planes say (vessels, disc, cup, fovea,
lesions); what they cannot tell (pigmentation, choroid, light, camera) is a `RenderingStyle` and noise. An unknown plane
is not drawn.

Absorption is counted in optical density, here the natural logarithm of the light that is lost, for red, green and blue:
densities of pigment and blood add up, as in the law of Beer and Lambert. (That the colour of the fundus is set by a few
absorbers, melanin, haemoglobin, macular pigment, before a bright sclera: Delori and Pflibsen, Applied Optics 28(6),
1989.) The figures were set by eye and by measurement beside
photographs of CHASE_DB1, HRF and IDRiD; no physiology is claimed.

Every length is in disc diameters (DD; 1 DD is about 1.8 mm), so that one eye at two resolutions is one photograph.
"""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from retinasynth.checks import checked_seed
from retinasynth.errors import InputError
from retinasynth.eye.eye import Eye
from retinasynth.images import Mask, Photograph, through_jpeg

Field = NDArray[np.float32]  # (height, width)
Colour = tuple[float, float, float]  # red, green, blue

# Light that comes back from a fair and a dark fundus, the disc's rim, its pale part, exudates; 1 is white.
FAIR: Colour = (0.95, 0.31, 0.10)
DARK: Colour = (0.58, 0.26, 0.08)
DISC_RIM: Colour = (1.00, 0.44, 0.15)
DISC_PALE: Colour = (1.12, 0.80, 0.34)
HARD_EXUDATE: Colour = (1.02, 0.72, 0.24)
SOFT_EXUDATE: Colour = (0.92, 0.66, 0.38)
BARE_CHOROID: Colour = (0.95, 0.52, 0.25)  # where the pigment epithelium is lost beside the disc
HAZE: Colour = (0.62, 0.56, 0.50)

# Optical density in red and blue for 1 in green.
_VEIN: Colour = (0.36, 1.0, 0.62)
_ARTERY: Colour = (0.20, 1.0, 0.80)
_VESSEL: Colour = (0.30, 1.0, 0.70)
_OLD_BLOOD: Colour = (0.42, 1.0, 0.75)
_MACULA: Colour = (0.45, 1.0, 1.35)

_STREAMS = ("style", "grain", "choroid", "pigment", "fibres", "light", "disc", "lesions", "sensor")
RAPHE_DD = (2.8, 3.6, 4.6, 6.0)  # sinks of the nerve fibres' field, temporal of the disc; the source is the disc
_FALLOFF: Colour = (1.2, 0.95, 0.8)  # how fast the colours fall toward the rim
_PATCHINESS = 0.15  # deviation of the pigmentation from place to place
_CURVE_STEPS = 1024
_SENSOR_CELLS = 1024  # across the field of view
_TILE = 256  # cells after which the noise of a fine octave repeats; 32 for the coarsest


# --- Style -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RenderingStyle:
    """What a label map does not tell: the eye's pigment and age, the light, the camera.

    Attributes:
        pigmentation: from 0, a fair fundus, to 1, a dark one.
        tessellation: contrast of the choroidal vessels, 0 (hidden) to 1 (tigroid).
        grain: deviation of the fine texture's density, 0 to 0.2; about 0.045.
        youth: strength of the reflexes of nerve fibres, arteries and foveal pit, 0 to 1.
        macular_density: green density of the macula at the fovea, 0 to 1; about 0.3.
        vessel_density: green density of the widest vessels, 0.1 to 1.5; about 0.8.
        artery_share: density of arteries over that of veins, 0.4 to 1; about 0.75.
        light_reflex: share of a wide artery's density that its central light reflex takes away, 0 to 0.9.
        disc_pallor: from 0, a pink disc, to 1, a white one.
        atrophy_dd: width of the crescent of atrophy beside the disc, in disc diameters, 0 to 0.5.
        falloff: share of the light lost at the rim of the field of view, 0 to 0.9.
        unevenness: deviation of the slow illumination's density, 0 to 0.4.
        haze: strength of the pale crescent at the rim and of the veil over everything, 0 to 1.
        exposure: light on the fundus, 0.3 to 1.6; about 0.85.
        green_gain: white balance, green over red, 0.5 to 1.8.
        blue_gain: white balance, blue over red, 0.2 to 4.
        gamma: exponent of the tone curve, 0.6 to 1.6; more is more contrast.
        saturation: of the colours, 0 to 1.6; 1 keeps them.
        black_level: added light inside the field of view, 0 to 0.15; 1 is white.
        blur_dd: deviation of the blur, in disc diameters, 0 to 0.05; about 0.005.
        noise: deviation of the sensor's noise at 1024 px across the field of view, 0 to 0.15; 1 is white.
        jpeg_quality: of a compression at the end, 10 to 100; 100 leaves it out.

    Raises:
        InputError: a number outside its range.
    """

    pigmentation: float = 0.4
    tessellation: float = 0.3
    grain: float = 0.045
    youth: float = 0.4
    macular_density: float = 0.3
    vessel_density: float = 0.8
    artery_share: float = 0.75
    light_reflex: float = 0.5
    disc_pallor: float = 0.4
    atrophy_dd: float = 0.06
    falloff: float = 0.3
    unevenness: float = 0.08
    haze: float = 0.08
    exposure: float = 0.85
    green_gain: float = 1.0
    blue_gain: float = 1.0
    gamma: float = 1.0
    saturation: float = 1.0
    black_level: float = 0.02
    blur_dd: float = 0.005
    noise: float = 0.02
    jpeg_quality: int = 100

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            low, high = _RANGES[name]
            if not low <= value <= high:
                raise InputError(f"The style has {name} = {value}", expected=f"{low} to {high}")


_RANGES: dict[str, tuple[float, float]] = {
    "pigmentation": (0, 1),
    "tessellation": (0, 1),
    "grain": (0, 0.2),
    "youth": (0, 1),
    "macular_density": (0, 1),
    "vessel_density": (0.1, 1.5),
    "artery_share": (0.4, 1),
    "light_reflex": (0, 0.9),
    "disc_pallor": (0, 1),
    "atrophy_dd": (0, 0.5),
    "falloff": (0, 0.9),
    "unevenness": (0, 0.4),
    "haze": (0, 1),
    "exposure": (0.3, 1.6),
    "green_gain": (0.5, 1.8),
    "blue_gain": (0.2, 4),
    "gamma": (0.6, 1.6),
    "saturation": (0, 1.6),
    "black_level": (0, 0.15),
    "blur_dd": (0, 0.05),
    "noise": (0, 0.15),
    "jpeg_quality": (10, 100),
}


def draw_style(random: np.random.Generator) -> RenderingStyle:
    """A style as photographs of clinics and studies have it.

    Without the blocks of JPEG: cameras compress pictures far larger than these, and resizing takes the blocks away.

    Example:
        >>> style = draw_style(np.random.default_rng(1))
        >>> 0 <= style.pigmentation <= 1, style.jpeg_quality
        (True, 100)
    """
    uniform = random.uniform
    pigmentation = float(random.beta(1.6, 1.6))
    youth = float(random.beta(1.2, 1.6))
    return RenderingStyle(
        pigmentation=pigmentation,
        tessellation=float(0.6 * random.beta(1, 1.6)),
        grain=uniform(0.03, 0.06),
        youth=youth,
        macular_density=uniform(0.22, 0.55),
        vessel_density=uniform(0.65, 1.05),
        artery_share=uniform(0.62, 0.85),
        light_reflex=uniform(0.3, 0.6) + 0.3 * youth,
        disc_pallor=uniform(0.15, 0.75),
        atrophy_dd=max(0.0, uniform(-0.15, 0.16)),
        falloff=uniform(0.1, 0.55),
        unevenness=uniform(0.04, 0.18),
        haze=0.55 * uniform() ** 3,
        exposure=float(np.exp(random.normal(-0.03, 0.15)).clip(0.6, 1.3)),
        green_gain=float(np.exp(random.normal(0, 0.12)).clip(0.7, 1.35)),
        blue_gain=float(np.exp(random.normal(0, 0.4)).clip(0.4, 2)),
        gamma=uniform(0.85, 1.2),
        saturation=uniform(0.95, 1.25),
        black_level=uniform(0, 0.03),
        blur_dd=uniform(0.002, 0.009),
        noise=uniform(0.006, 0.03),
    )


def draw_wide_style(random: np.random.Generator) -> RenderingStyle:
    """A style far beyond life, for the training of segmenters that shall not care (domain randomisation).

    Domain randomisation: Tobin et al., IROS 2017.
    """
    uniform = random.uniform
    return RenderingStyle(
        pigmentation=uniform(),
        tessellation=uniform(),
        grain=uniform(0.01, 0.12),
        youth=uniform(),
        macular_density=uniform(0, 0.7),
        vessel_density=uniform(0.3, 1.3),
        artery_share=uniform(0.5, 1),
        light_reflex=uniform(0, 0.7),
        disc_pallor=uniform(),
        atrophy_dd=max(0.0, uniform(-0.2, 0.35)),
        falloff=uniform(0, 0.7),
        unevenness=uniform(0, 0.25),
        haze=uniform(0, 0.7),
        exposure=uniform(0.5, 1.4),
        green_gain=math.exp(uniform(-0.4, 0.5)),
        blue_gain=math.exp(uniform(-1.4, 1.3)),
        gamma=uniform(0.7, 1.5),
        saturation=uniform(0.1, 1.3),
        black_level=uniform(0, 0.1),
        blur_dd=uniform(0.001, 0.025),
        noise=uniform(0, 0.08),
        jpeg_quality=int(random.integers(30, 101)),
    )


# --- Photograph --------------------------------------------------------------------------------------------------


def render_photograph(eye: Eye, seed: int, style: RenderingStyle | None = None) -> Photograph:
    """A photograph of a label map.

    Args:
        eye: any planes; arteries and veins are told apart where both are known, else vessels are of one kind. Without
            the plane fov the whole picture is field of view. Without geometry, a disc diameter is the height of the
            disc, else a fifth of the field of view. The fovea is where its plane, else the geometry says.
        seed: decides the noise, the choroid, where the light comes from, and the style where none is given. Equal
            seeds give equal bits.
        style: how the eye and the camera are; None draws one (`draw_style`).

    Returns:
        ``uint8 (height, width, 3)``, 0 outside the field of view.

    Raises:
        InputError: the eye has no planes, or its field of view is empty.

    Example:
        >>> fov = np.hypot(*np.mgrid[-32:32, -32:32]) < 30
        >>> photograph = render_photograph(Eye("plain", {"fov": fov}), seed=1)
        >>> photograph.shape, photograph[~fov].max(), bool(photograph[fov].mean() > 20)
        ((64, 64, 3), np.uint8(0), True)
    """
    if not eye.planes:
        raise InputError(f"Eye {eye.name} has no planes", expected="at least one, for example fov")
    if style is None:
        style = draw_style(_stream(seed, "style"))
    fov = eye.planes.get("fov")
    whole = np.ones(eye.size, np.bool_) if fov is None else fov
    if not whole.any():
        raise InputError(f"Eye {eye.name}: the field of view is empty", expected="some pixels of it")
    window = _bounds(whole, 0)
    planes = {name: plane[window] for name, plane in eye.planes.items() if name != "fov"}
    scene = _scene(eye, planes, whole[window])
    lit = _expose(scene, _fundus(scene, planes, seed, style), seed, style)
    photograph = np.zeros((*eye.size, 3), np.uint8)
    quality = style.jpeg_quality
    photograph[window] = lit if quality == 100 else through_jpeg(lit, quality, full_colour=quality >= 90)
    photograph[~whole] = 0
    return photograph


class _Frame(NamedTuple):
    """A grid over the window of the field of view, whose centre is the origin."""

    size: tuple[int, int]
    extent_dd: tuple[float, float]

    @property
    def cell_dd(self) -> float:
        return self.extent_dd[0] / self.size[0]

    @property
    def axes(self) -> tuple[Field, Field]:
        """Where rows and columns are, in disc diameters: ``(height, 1)`` and ``(1, width)``."""
        rows, columns = (
            ((np.arange(side) + 0.5) / side - 0.5) * extent
            for side, extent in zip(self.size, self.extent_dd, strict=True)
        )
        return rows.astype(np.float32)[:, None], columns.astype(np.float32)[None, :]

    def coarse(self, cell_dd: float) -> "_Frame":
        """The same window with cells of at least `cell_dd`."""
        rows, columns = (max(4, math.ceil(extent / max(cell_dd, self.cell_dd))) for extent in self.extent_dd)
        return _Frame((rows, columns), self.extent_dd)

    def enlarge(self, field: Field) -> Field:
        """A field of a coarse frame on this one."""
        return _resize(field, self.size, None)


class _Scene(NamedTuple):
    """Where things are. Points are (y, x) in the coordinates of `frame`; None is unknown. `temporal` is -1 or 1."""

    frame: _Frame
    fov: Mask
    pixels_per_dd: float
    disc: tuple[float, float] | None
    fovea: tuple[float, float] | None
    temporal: int


def _stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one element, so that the absence of another does not change them."""
    return np.random.default_rng([checked_seed(seed), _STREAMS.index(name)])


def _bounds(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The rectangle around a mask, grown by `margin` pixels."""
    sides = []
    for axis, length in enumerate(mask.shape):
        places = np.flatnonzero(mask.any(axis=1 - axis))
        sides.append(slice(max(0, int(places[0]) - margin), min(length, int(places[-1]) + 1 + margin)))
    return sides[0], sides[1]


def _scene(eye: Eye, planes: dict[str, Mask], fov: Mask) -> _Scene:
    disc_plane, fovea_plane, geometry = planes.get("disc"), planes.get("fovea"), eye.geometry
    if geometry is not None:
        scale = geometry.pixels_per_disc_diameter
    elif disc_plane is not None and disc_plane.any():
        scale = float(np.count_nonzero(disc_plane.any(axis=1)))
    else:
        scale = max(fov.shape) / 5
    frame = _Frame((fov.shape[0], fov.shape[1]), (fov.shape[0] / scale, fov.shape[1] / scale))
    disc, fovea = (_centre(plane, scale) for plane in (disc_plane, fovea_plane))
    temporal = 1 if disc is None or disc[1] < 0 else -1
    if geometry is not None:
        temporal = 1 if geometry.laterality == "left" else -1
        if fovea is None and disc is not None:
            fovea = (disc[0] + 0.3, disc[1] + 2.5 * temporal)
        elif fovea is None and geometry.centred_on == "macula":
            fovea = (0.0, 0.0)
    elif fovea is not None and disc is not None:
        temporal = 1 if fovea[1] > disc[1] else -1
    return _Scene(frame, fov, scale, disc, fovea, temporal)


def _centre(plane: Mask | None, scale: float) -> tuple[float, float] | None:
    if plane is None or not plane.any():
        return None
    rows, columns = np.nonzero(plane)
    height, width = plane.shape
    return (float(rows.mean()) + 0.5 - height / 2) / scale, (float(columns.mean()) + 0.5 - width / 2) / scale


# --- Fundus ------------------------------------------------------------------------------------------------------


def _fundus(scene: _Scene, planes: dict[str, Mask], seed: int, style: RenderingStyle) -> list[Field]:
    """The light that comes back from an evenly lit eye, in red, green and blue; 1 is white."""
    frame = scene.frame
    rough = _noise(frame, _stream(seed, "grain"), 0.5, 0.004, 0.86)
    fine = style.grain * rough
    choroid = style.tessellation * _choroid(scene, _stream(seed, "choroid"))
    pigment = style.pigmentation + _PATCHINESS * frame.enlarge(
        _noise(frame.coarse(0.1), _stream(seed, "pigment"), 1.8, 0.4, 0.6)
    )
    sheen = style.youth * _fibres(scene, _stream(seed, "fibres"))
    macula = style.macular_density * _macula(scene, style.youth)
    picture = []
    for channel in range(3):
        fair, dark = FAIR[channel], DARK[channel]
        density = (0.75, 1.0, 1.1)[channel] * fine
        density += (0.85, 0.75, 0.5)[channel] * choroid
        density += (0.25, 1.0, 1.2)[channel] * sheen
        density -= _MACULA[channel] * macula
        density += math.log(fair) + pigment * math.log(dark / fair)
        picture.append(np.exp(density))
    if scene.disc is not None:
        _lay_disc(picture, scene, planes, rough, style, _stream(seed, "disc"))
    _lay(picture, planes.get("hard_exudates"), 0.008 * scene.pixels_per_dd, HARD_EXUDATE, 0.7)
    density_of = _blood(scene, planes, _stream(seed, "lesions"), style)
    for view, density in zip(picture, density_of, strict=True):
        np.multiply(view, np.exp(-density), out=view)
    _lay(picture, planes.get("soft_exudates"), 0.05 * scene.pixels_per_dd, SOFT_EXUDATE, 0.7)
    return picture


def _choroid(scene: _Scene, random: np.random.Generator) -> Field:
    """Choroidal vessels, brighter than the pigment between them: winding bands, hidden under the macula."""
    coarse = scene.frame.coarse(0.035)
    y, x = coarse.axes
    warp_y, warp_x = (0.18 * _noise(coarse, random, 0.9, 0.4, 0.6) for _ in range(2))
    turn = random.uniform(0, math.pi)
    across = (y + warp_y) * math.cos(turn) - (x + warp_x) * math.sin(turn)
    along = (y + warp_y) * math.sin(turn) + (x + warp_x) * math.cos(turn)
    bands = np.zeros(coarse.size, np.float32)
    for width_dd, share in ((0.17, 0.6), (0.09, 0.45)):
        tile = ndimage.gaussian_filter(random.standard_normal((128, 128), np.float32), 0.7, mode="wrap")
        places = np.stack([across / width_dd, along / (2.2 * width_dd)])
        bands += share * np.tanh(1.8 * ndimage.map_coordinates(tile / tile.std(), places, order=3, mode="grid-wrap"))
    shown = 0.7 + 0.5 * _noise(coarse, random, 1.6, 0.8, 0.6)
    if scene.fovea is not None:
        shown = shown * (1 - 0.8 * _glow(coarse, scene.fovea, 0.9))
    pattern: Field = bands * np.clip(shown, 0.1, 1.6) * 0.26
    return scene.frame.enlarge(pattern)


def _fibres(scene: _Scene, random: np.random.Generator) -> Field:
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
    stream += 0.012 * _noise(coarse, random, 0.5, 0.2, 0.6)
    distance = np.hypot(y, x)
    arcades = 0.25 + 0.75 * np.hypot(y, 0.1) / (distance + 0.2)
    patches = np.clip(0.7 + 0.5 * _noise(coarse, random, 1.0, 0.5, 0.6), 0, 2)
    envelope = np.exp(-((distance / 1.35) ** 2)) * arcades * patches
    places = (frame.enlarge(stream) + 0.8 * math.pi) * 200  # from 0: the sinks take at most 0.8 pi
    number = np.clip(places.astype(np.int32), 0, 1023) + 1024 * (frame.axes[0] > scene.disc[0])
    part = places - np.floor(places)
    table = ndimage.gaussian_filter1d(random.standard_normal(2050).astype(np.float32), 0.6) * 1.3
    striation = table[number] * (1 - part) + table[number + 1] * part
    sheen: Field = frame.enlarge(envelope.astype(np.float32)) * (0.3 + 0.2 * striation)
    return sheen


def _macula(scene: _Scene, youth: float) -> Field:
    """Density of the macula, 1 at the fovea: pigment, taller epithelium, the pit with its reflex in the young."""
    frame = scene.frame
    if scene.fovea is None:
        return np.zeros(frame.size, np.float32)
    density: Field = 0.65 * _glow(frame, scene.fovea, 0.55) + 0.35 * _glow(frame, scene.fovea, 0.2)
    ring = _glow(frame, scene.fovea, 0.95) - _glow(frame, scene.fovea, 0.75)
    reflex = np.float32(youth) * (1.2 * _glow(frame, (scene.fovea[0], scene.fovea[1] + 0.02), 0.035) + 1.1 * ring)
    return density - reflex


def _lay_disc(
    picture: list[Field],
    scene: _Scene,
    planes: dict[str, Mask],
    rough: Field,
    style: RenderingStyle,
    random: np.random.Generator,
) -> None:
    """The disc, in place: halo and crescent of atrophy around it, rim paler temporally, scleral ring, cup."""
    plane, scale = planes["disc"], scene.pixels_per_dd
    window = _bounds(plane, math.ceil(0.5 * scale))
    inside = _soft(plane[window], 0.018 * scale)
    rows, columns = scene.frame.axes[0][window[0]], scene.frame.axes[1][:, window[1]]
    cy, cx = scene.disc if scene.disc is not None else (0.0, 0.0)
    ys, xs = np.nonzero(plane)
    ry, rx = (2 * max(float(side.std()), 0.5) / scale for side in (ys, xs))
    y, x = (rows - cy) / ry, (columns - cx) / rx * scene.temporal
    radius = np.hypot(y, x)  # 1 at the rim
    views = [channel[window] for channel in picture]

    tilt = random.normal(0, 0.35)
    toward = (x * math.cos(tilt) + y * math.sin(tilt)) / (radius + 0.15)  # 1 temporally, -1 nasally
    rough = rough[window]
    border = (radius - 1) * rx  # in disc diameters
    halo = 0.22 * np.exp(-((np.maximum(border, 0) / 0.22) ** 2))
    crescent_dd = style.atrophy_dd * np.clip(0.25 + 0.75 * toward, 0, 1)
    crescent = _step((crescent_dd - border) / (0.015 + 0.1 * crescent_dd)) * (style.atrophy_dd > 0)
    crescent = crescent * np.clip(0.6 + 0.15 * rough, 0, 1) * np.minimum(crescent_dd / 0.04, 1)
    pigment = 0.25 * np.exp(-(((border - crescent_dd - 0.02) / 0.02) ** 2)) * np.clip(0.4 + 0.5 * rough, 0, 1.5)
    ring = 0.5 * np.exp(-(((border + 0.015) / 0.016) ** 2)) * np.clip(0.35 + 0.65 * toward, 0.05, 1)

    # The rim keeps its colour, down to that of the fundus: were it as pale as the cup, nothing but the vessels would
    # show where that ends.
    depth = np.clip(1 - radius, 0, 1)
    pale = style.disc_pallor * (0.1 + 0.25 * toward) + 0.06 * depth - random.uniform(0, 0.35)
    cup_plane = planes.get("cup")
    if cup_plane is not None and cup_plane.any():
        cup = _soft(cup_plane[window], random.uniform(0.015, 0.08) * scale)
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
        fundus += crescent * (BARE_CHOROID[channel] * (1 + 0.06 * rough) - fundus)
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


def _blood(scene: _Scene, planes: dict[str, Mask], random: np.random.Generator, style: RenderingStyle) -> list[Field]:
    """Density of vessels, haemorrhages and microaneurysms in red, green and blue."""
    scale = scene.pixels_per_dd
    arteries, veins, vessels = (planes.get(name) for name in ("arteries", "veins", "vessels"))
    parts: list[tuple[Field, Colour]] = []
    if arteries is not None and veins is not None:
        parts.append((_vessel_density(veins, scale, style, 0.5), _VEIN))
        parts.append((style.artery_share * _vessel_density(arteries, scale, style, 1.0), _ARTERY))
        if vessels is not None:
            vessels = vessels & ~arteries & ~veins
    if vessels is not None and vessels.any():
        parts.append((0.5 * (1 + style.artery_share) * _vessel_density(vessels, scale, style, 0.75), _VESSEL))
    bleeding, dots = planes.get("haemorrhages"), planes.get("microaneurysms")
    if bleeding is not None and bleeding.any():
        mottle = np.clip(1 + 0.3 * _noise(scene.frame, random, 0.12, 0.02, 0.75), 0.3, 1.6)
        parts.append((0.42 * mottle * _soft(bleeding, 0.014 * scale), _OLD_BLOOD))
    if dots is not None and dots.any():
        parts.append((0.42 * _soft(dots, 0.006 * scale), _OLD_BLOOD))
    total = [np.zeros(scene.frame.size, np.float32) for _ in range(3)]
    for density, colour in parts:
        for channel, share in enumerate(colour):
            total[channel] += share * density
    if "disc" in planes:  # over the bright disc no light comes round the sides of a vessel
        for view in total:
            view[planes["disc"]] *= 1.5
    return total


def _vessel_density(mask: Mask, scale: float, style: RenderingStyle, reflex: float) -> Field:
    """Green density of vessels: a column of blood, deeper where wider, with the light reflex along its middle."""
    depth = _depth(mask, max(2, math.ceil(0.09 * scale)))
    highest = np.zeros_like(depth)
    highest[1:-1, 1:-1] = np.maximum(
        np.maximum(depth[:-2, 1:-1], depth[2:, 1:-1]), np.maximum(depth[1:-1, :-2], depth[1:-1, 2:])
    )
    ridge = np.where(mask & (depth >= highest), depth, 0)
    span = 2 * max(1, round(0.05 * scale)) + 1
    inside = np.nonzero(mask)
    own, total, count = (
        one[inside] for one in (depth, ndimage.uniform_filter(ridge**3, span), ndimage.uniform_filter(ridge**2, span))
    )
    half_width = np.maximum(np.maximum(total / np.maximum(count, 1e-6), own) - 0.5, 0.5)
    off_axis = np.clip(1 - (own - 0.5) / half_width, 0, 1)
    half_width_dd = half_width / scale
    column = np.sqrt(1 - 0.9 * off_axis**2)
    streak = np.exp(-((off_axis / 0.33) ** 2)) * np.clip((half_width_dd - 0.008) / 0.02, 0, 1)
    strength = style.vessel_density * (1 - np.exp(-half_width_dd / 0.028))
    density = np.zeros_like(depth)
    density[inside] = strength * column * (1 - reflex * style.light_reflex * streak)
    return density


def _depth(mask: Mask, reach: int) -> Field:
    """Distance of pixels to what is outside the mask, up to about `reach` pixels (exact Euclidean below)."""
    along = np.where(mask, np.int32(reach), np.int32(0)).astype(np.int16)
    for _ in range(reach - 1):
        before = along.copy()
        np.minimum(along[:, 1:], before[:, :-1] + 1, out=along[:, 1:])
        np.minimum(along[:, :-1], before[:, 1:] + 1, out=along[:, :-1])
    squared = along * along
    least = squared.copy()
    for step in range(1, reach):
        np.minimum(least[step:], squared[:-step] + np.int16(step * step), out=least[step:])
        np.minimum(least[:-step], squared[step:] + np.int16(step * step), out=least[:-step])
    depth: Field = np.sqrt(least, dtype=np.float32)
    return depth


def _lay(picture: list[Field], mask: Mask | None, deviation_px: float, colour: Colour, opacity: float) -> None:
    """Cover the picture with a colour where the mask is, in place."""
    if mask is not None and mask.any():
        cover = opacity * _soft(mask, deviation_px)
        for channel, light in enumerate(colour):
            picture[channel] += cover * (light - picture[channel])


# --- Light and camera --------------------------------------------------------------------------------------------


def _expose(scene: _Scene, picture: list[Field], seed: int, style: RenderingStyle) -> NDArray[np.uint8]:
    """The picture that the camera makes of the fundus: light, haze, blur, tone curve, noise."""
    frame, random = scene.frame, _stream(seed, "light")
    coarse = frame.coarse(0.06)
    rows, columns = coarse.axes
    radius_dd = max(frame.extent_dd) / 2
    y, x = rows / radius_dd, columns / radius_dd
    angle, off = random.uniform(0, 2 * math.pi), random.uniform(0, 0.4)
    from_light = (y - off * math.sin(angle)) ** 2 + (x - off * math.cos(angle)) ** 2
    light = style.unevenness * _noise(coarse, random, 1.1 * radius_dd, 0.5 * radius_dd, 0.6)
    light += math.log(max(1 - style.falloff, 0.05)) * from_light / (1 + off) ** 2
    side, width = random.uniform(0, 2 * math.pi), random.uniform(0.3, 0.6)
    toward = x * math.cos(side) + y * math.sin(side)
    haze = style.haze * np.exp(-((np.maximum(1 - toward, 0) / width) ** 2))
    haze += 0.2 * style.haze
    rim = np.clip((1.004 - np.hypot(*(axis / radius_dd for axis in frame.axes))) / 0.02, 0, 1)
    rim *= 0.65
    rim += 0.35
    light, haze = frame.enlarge(light.astype(np.float32)), frame.enlarge(haze.astype(np.float32))
    flash = style.exposure * np.exp(light) * rim
    kept, veil = 1 - haze, style.exposure * haze * rim
    lit: list[Field] = []
    for view, gain, hue, scatter, shift in zip(
        picture, (1.0, style.green_gain, style.blue_gain), _FALLOFF, HAZE, random.normal(0, 0.12, 3), strict=True
    ):
        seen = view * (1 + (hue - 1) * light)
        seen *= gain * flash
        seen *= kept
        seen += np.float32(scatter * math.exp(shift)) * veil
        lit.append(ndimage.gaussian_filter(seen, style.blur_dd * scene.pixels_per_dd, mode="nearest", truncate=3))
    mean = 0.35 * lit[0] + 0.5 * lit[1] + 0.15 * lit[2]
    mean *= 1 - style.saturation
    sensor = _stream(seed, "sensor")
    grey, red_blue = (style.noise * 255 * _sensor_noise(sensor, frame) for _ in range(2))
    levels = _tone_curve(style)
    developed = np.empty((*frame.size, 3), np.uint8)
    for channel, (view, opposed) in enumerate(zip(lit, (0.6, 0.0, -0.6), strict=True)):
        tone = (view * style.saturation + mean) * _CURVE_STEPS
        shown = levels[np.clip(tone, 0, len(levels) - 1).astype(np.int32)]
        shown += grey
        shown += np.float32(opposed) * red_blue
        developed[..., channel] = np.clip(shown, 0, 255)
    developed[~scene.fov] = 0
    return developed


def _tone_curve(style: RenderingStyle) -> Field:
    """Grey levels, plus the half that rounds, of light in steps of 1 / `_CURVE_STEPS`: a power, then a shoulder."""
    light = np.arange(3 * _CURVE_STEPS) / _CURVE_STEPS
    tone = 0.4 * (light / 0.4) ** style.gamma
    tone = np.where(tone < 0.8, tone, 0.8 + 0.2 * np.tanh((tone - 0.8) / 0.2))
    return (255 * (style.black_level + (1 - style.black_level) * tone) + 0.5).astype(np.float32)


# --- Noise and fields --------------------------------------------------------------------------------------------


def _noise(frame: _Frame, random: np.random.Generator, coarsest_dd: float, finest_dd: float, gain: float) -> Field:
    """Smooth noise of deviation about 1 in octaves, each half as wide and `gain` as strong as the one before.

    An octave is the same whatever the resolution; octaves too fine for the pixels are left out.
    """
    octaves = max(1, 1 + math.floor(math.log2(coarsest_dd / finest_dd)))
    strengths = [gain**number for number in range(octaves)]
    norm = 1 / math.sqrt(0.6 * sum(strength**2 for strength in strengths))
    sides = [min(_TILE, 32 * 2**number) for number in range(octaves)]
    tiles = [random.standard_normal((side, side), np.float32) for side in sides]
    cell, reach = coarsest_dd, (0, 0)
    noise: Field | None = None
    for strength, tile in zip(strengths, tiles, strict=True):
        if noise is not None and cell < 0.7 * frame.cell_dd:
            break
        finer = tuple(math.ceil(extent / 2 / cell) + 1 for extent in frame.extent_dd)
        octave = tile[np.ix_(*(np.arange(-half, half + 1) % len(tile) for half in finer))] * np.float32(strength * norm)
        if noise is not None:
            noise = octave + _resize(noise, octave.shape, _window(reach, tuple((half + 0.5) / 2 for half in finer)))
        else:
            noise = octave
        reach, last, cell = (finer[0], finer[1]), cell, cell / 2
    if noise is None:  # never: there is one octave
        return np.zeros(frame.size, np.float32)
    return _resize(noise, frame.size, _window(reach, tuple(extent / 2 / last for extent in frame.extent_dd)))


def _window(reach: tuple[int, int], half: tuple[float, ...]) -> tuple[float, float, float, float]:
    """The rectangle of ``2 * half`` cells in the middle of ``2 * reach + 1``: left, top, right, bottom."""
    (rows, columns), (high, wide) = (reach[0] + 0.5, reach[1] + 0.5), (half[0], half[1])
    return columns - wide, rows - high, columns + wide, rows + high


def _sensor_noise(random: np.random.Generator, frame: _Frame) -> Field:
    """Noise of deviation 1 from one cell of the sensor to the next, averaged where pixels are larger."""
    longest = max(frame.size)
    if longest <= _SENSOR_CELLS:
        return random.standard_normal(frame.size, np.float32) * np.float32(longest / _SENSOR_CELLS)
    rows, columns = (math.ceil(side / longest * _SENSOR_CELLS) for side in frame.size)
    return _resize(random.standard_normal((rows, columns), np.float32), frame.size, None)


def _resize(
    field: Field,
    size: tuple[int, ...],
    box: tuple[float, float, float, float] | None,
) -> Field:
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC, box))


def _glow(frame: _Frame, centre: tuple[float, float], deviation_dd: float) -> Field:
    """A round Gaussian, 1 at its centre; `deviation_dd` is where it has fallen to 1/e."""
    rows, columns = frame.axes
    glow: Field = np.exp(-(((rows - centre[0]) / deviation_dd) ** 2)) * np.exp(
        -(((columns - centre[1]) / deviation_dd) ** 2)
    )
    return glow


def _step(values: Field) -> Field:
    return np.asarray(0.5 + 0.5 * np.tanh(values), np.float32)


def _soft(mask: Mask, deviation_px: float) -> Field:
    """A mask with blurred edges, 0 to 1."""
    soft: Field = np.zeros(mask.shape, np.float32)
    if not mask.any():
        return soft
    window = _bounds(mask, math.ceil(4 * deviation_px) + 1)
    soft[window] = ndimage.gaussian_filter(mask[window].astype(np.float32), deviation_px)
    return soft
