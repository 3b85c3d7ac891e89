"""Where things are in an eye, before its vessels: the camera's view, the disc with its cup, the fovea.

All lengths are in disc diameters (DD), the usual vertical diameter of a disc: 1.8 mm of retina, 6.2 degrees of the eye.
A disc of another size is larger or smaller than one DD; the retina around it stays where it is, so that the fovea of a
large disc is as many mm away as that of a small one, and fewer of its own diameters.

The *retinal frame* has its origin at the centre of the disc, x toward the fovea (temporal) and y down (inferior). In a
picture of a left eye x runs to the right; that of a right eye is mirrored.

*Pixels* are (column, row), counted from the upper left corner of the picture: the centre of the first pixel is
(0.5, 0.5). A pixel belongs to a shape when its centre lies inside.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from retinasynth.checks import SIDES_PX, real_number, whole_number
from retinasynth.errors import SettingError
from retinasynth.eye.eye import CENTRES, DEGREES_PER_DD, LATERALITIES, Geometry
from retinasynth.images import Mask
from retinasynth.settings import Centre, Laterality

Points = NDArray[np.float64]  # (n, 2): x and y in DD, or column and row in pixels
Aperture = Literal["round", "cut", "cut_all", "notched", "tabbed"]
Side = Literal["inferior", "superior"]

USUAL_FOVEA = (2.5, 0.35)  # 15.5 degrees from the disc, and a little below it
FOVEA_RADIUS = 0.1  # of the plane `fovea`
RAPHE_DD = (2.8, 3.6, 4.6, 6.0)  # sinks of the nerve fibres' field, temporal of the disc; the source is the disc

_CUT = 0.82  # of the radius: where a cut aperture ends above and below; IDRiD's lies there
_CUT_ASIDE = 0.92  # left and right; the disc of an eye centred on the macula must stay in view
_NOTCH = 0.04  # of the radius: how far a registration notch stands out
_OUTLINE_POINTS = 180
_SMALLEST_BASE = 0.75  # of the cup's height: what a notch leaves to the cup it grew from
_NOTCH_SPREAD = math.radians(21)  # standard deviation: at half its depth it spans about one clock hour and a half
_LEAST_RIM = 0.04  # of the rim: what a complete notch leaves


@dataclass(frozen=True)
class View:
    """What a fundus camera sees: a square picture with a lit circle, and how the retina lies in it.

    Attributes:
        size_px: height and width of the picture, at least 16.
        laterality: which eye.
        centred_on: what the camera is pointed at: the disc, or the usual place of the macula (`USUAL_FOVEA`).
        angle_deg: angle of view across the whole circle, 20 to 60.
        aperture: ``"round"``; ``"cut"`` above and below, or ``"cut_all"`` on all four sides; ``"notched"`` or
            ``"tabbed"`` with a small triangle or square outside the circle at the upper right, by which a photograph
            can be distinguished from its mirror image.
        offset: how far from there the camera points, x and y in DD, each at most 5.
        torsion_deg: rotation of the eye about the centre of the view, -45 to 45; above 0 the fovea lies lower
            (excyclotorsion), in either eye.
        margin: dark border around the circle, as a share of the picture's half size, 0 to 0.5.

    Raises:
        SettingError: a value outside its range, or an unknown name.

    Example:
        >>> right = View(512, "right", "disc", 45, margin=0)
        >>> round(right.pixels_per_disc_diameter, 2)
        70.54
        >>> right.to_pixels(np.array([[0.0, 0.0], [2.5, 0.0]])).round(1).tolist()  # the fovea lies left of the disc
        [[256.0, 256.0], [79.6, 256.0]]
    """

    size_px: int
    laterality: Laterality
    centred_on: Centre
    angle_deg: float = 45.0
    aperture: Aperture = "round"
    offset: tuple[float, float] = (0.0, 0.0)
    torsion_deg: float = 0.0
    margin: float = 0.02

    def __post_init__(self) -> None:
        whole_number(self.size_px, "size_px", least=SIDES_PX[0], most=SIDES_PX[1])
        _check("angle_deg", self.angle_deg, 20, 60)
        _check("torsion_deg", self.torsion_deg, -45, 45)
        _check("margin", self.margin, 0, 0.5)
        for value in self.offset:
            _check("offset", value, -5, 5)
        _check_name("laterality", self.laterality, LATERALITIES)
        _check_name("centred_on", self.centred_on, CENTRES)
        _check_name("aperture", self.aperture, get_args(Aperture))

    @property
    def radius_px(self) -> float:
        """Radius of the circle of the field of view, whose centre is that of the picture."""
        return self.size_px / 2 * (1 - self.margin)

    @property
    def pixels_per_disc_diameter(self) -> float:
        """Scale of the picture; the circle is `angle_deg` across, and so many sixths of a DD."""
        return 2 * self.radius_px * DEGREES_PER_DD / self.angle_deg

    @property
    def geometry(self) -> Geometry:
        """What an `Eye` seen this way says of itself."""
        return Geometry(self.pixels_per_disc_diameter, self.laterality, self.centred_on, self.angle_deg)

    def to_pixels(self, points: Points) -> Points:
        """Points ``(n, 2)`` of the retinal frame, x and y in DD, as column and row in pixels."""
        turned = (np.asarray(points, np.float64) - self._centre()) @ self._turn().T
        return turned * self.pixels_per_disc_diameter + self.size_px / 2

    def from_pixels(self, pixels: Points) -> Points:
        """Columns and rows ``(n, 2)`` in pixels as points of the retinal frame, x and y in DD."""
        turned = (np.asarray(pixels, np.float64) - self.size_px / 2) / self.pixels_per_disc_diameter
        return turned @ self._turn() + self._centre()

    def field_of_view(self) -> Mask:
        """The lit part of the picture, ``bool (size_px, size_px)``."""
        along = (np.arange(self.size_px) + 0.5 - self.size_px / 2) / self.radius_px
        x, y = along[np.newaxis, :], along[:, np.newaxis]
        lit: Mask = x**2 + y**2 <= 1
        if self.aperture in ("cut", "cut_all"):
            lit &= np.abs(y) <= _CUT
        if self.aperture == "cut_all":
            lit &= np.abs(x) <= _CUT_ASIDE
        if self.aperture in ("notched", "tabbed"):
            # Along the diagonal to the upper right, where every margin leaves room for it.
            outward, across = (x - y) / math.sqrt(2), np.abs(x + y) / math.sqrt(2)
            half_width = _NOTCH if self.aperture == "tabbed" else np.maximum(1 + _NOTCH - outward, 0)
            lit |= (outward > 0.9) & (outward <= 1 + _NOTCH) & (across <= half_width)
        return lit

    def _centre(self) -> Points:
        aim = USUAL_FOVEA if self.centred_on == "macula" else (0.0, 0.0)
        return np.add(aim, self.offset)

    def _turn(self) -> Points:
        """Rotation, then mirroring for a right eye; an orthogonal matrix."""
        cosine, sine = math.cos(math.radians(self.torsion_deg)), math.sin(math.radians(self.torsion_deg))
        mirror = -1.0 if self.laterality == "right" else 1.0
        return np.array([[mirror * cosine, -mirror * sine], [sine, cosine]])


@dataclass(frozen=True)
class Landmarks:
    """Disc, cup and fovea of one eye, in the retinal frame; `draw_landmarks` draws natural ones.

    The rim between disc and cup follows the ISNT rule (Jonas et al., Invest Ophthalmol Vis Sci 29(7), 1988): inferior
    at least as wide as superior, then nasal, then temporal, all measured between the extremes of the two outlines. Only
    a notch breaks it.

    Attributes:
        cup_to_disc: vertical diameter of the cup over that of the disc, 0 to 0.95; 0 means no cup.
        notch: how far a focal thinning takes away the rim, 0 (none) to 1 (nearly to the disc's edge). The height of the
            cup is kept, so the rest of the cup is smaller; where that alone does not make room, the notch is shallower.
        notch_angle_deg: where, from the temporal horizontal; above 0 inferior, below 0 superior.
        disc_size: vertical diameter of the disc in DD, 0.5 to 1.6.
        disc_ovality: shortest over longest diameter of the disc, 0.6 to 1.
        disc_torsion_deg: lean of its long axis, -45 to 45; above 0 its upper end leans temporally.
        disc_waves: irregularity of the disc: amplitude (share of the radius) and phase (radians) of the waves with
            2, 3, ... periods around it; amplitudes of at most 0.3 in all.
        cup_waves: irregularity of the cup, on top of the disc's own; fades as the rim gets thin.
        cup_widening: how much wider than high the cup is, both relative to the disc; 0 to 1.
        inferior_share: of the vertical rim, 0.5 to 0.6.
        nasal_share: of the horizontal rim, 0.5 to 0.7; never more than the rim above.
        fovea: its place, x and y.
        foveal_avascular_zone_radius: of the part of the macula without capillaries.

    Raises:
        SettingError: a value outside its range.
    """

    cup_to_disc: float
    notch: float = 0.0
    notch_angle_deg: float = 58.0
    disc_size: float = 1.0
    disc_ovality: float = 0.9
    disc_torsion_deg: float = 0.0
    disc_waves: tuple[tuple[float, float], ...] = ()
    cup_waves: tuple[tuple[float, float], ...] = ()
    cup_widening: float = 0.3
    inferior_share: float = 0.52
    nasal_share: float = 0.55
    fovea: tuple[float, float] = USUAL_FOVEA
    foveal_avascular_zone_radius: float = 0.16

    def __post_init__(self) -> None:
        _check("cup_to_disc", self.cup_to_disc, 0, 0.95)
        _check("notch", self.notch, 0, 1)
        _check("notch_angle_deg", self.notch_angle_deg, -90, 90)
        _check("disc_size", self.disc_size, 0.5, 1.6)
        _check("disc_ovality", self.disc_ovality, 0.6, 1)
        _check("disc_torsion_deg", self.disc_torsion_deg, -45, 45)
        _check("disc_waves", sum(abs(amplitude) for amplitude, _ in self.disc_waves), 0, 0.3)
        _check("cup_waves", sum(abs(amplitude) for amplitude, _ in self.cup_waves), 0, 0.3)
        _check("cup_widening", self.cup_widening, 0, 1)
        _check("inferior_share", self.inferior_share, 0.5, 0.6)
        _check("nasal_share", self.nasal_share, 0.5, 0.7)
        for value in self.fovea:
            _check("fovea", value, -10, 10)
        _check("foveal_avascular_zone_radius", self.foveal_avascular_zone_radius, 0, 1)

    @property
    def disc_width(self) -> float:
        """Horizontal over vertical diameter of the disc: that of its leaning ellipse."""
        turn = math.radians(self.disc_torsion_deg)
        across, along = self.disc_ovality * math.cos(turn), self.disc_ovality * math.sin(turn)
        return math.hypot(across, math.sin(turn)) / math.hypot(along, math.cos(turn))

    def disc_outline(self) -> Points:
        """The closed outline of the disc, ``(n, 2)``, x and y in DD; as far above y = 0 as below."""
        return self.disc_size * self._shape_of_disc()

    def cup_outline(self) -> Points:
        """The closed outline of the cup, ``(n, 2)``, x and y in DD, strictly inside the disc; ``(0, 2)`` of no cup."""
        return self.disc_size * self._shape_of_cup()

    def planes(self, view: View) -> dict[str, Mask]:
        """The masks disc, cup, fovea (a small filled circle) and fov as a camera sees them.

        Returns:
            Each ``bool (size_px, size_px)``, all limited to the field of view; empty where that leaves nothing.
        """
        fov = view.field_of_view()
        angles = _angles()
        fovea = np.add(self.fovea, FOVEA_RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1))
        outlines = {"disc": self.disc_outline(), "cup": self.cup_outline(), "fovea": fovea}
        planes = {name: _filled(view.to_pixels(outline), fov.shape) & fov for name, outline in outlines.items()}
        return planes | {"fov": fov}

    def _shape_of_disc(self) -> Points:
        """The outline of the disc, were it 1 high."""
        angles = _angles()
        ellipse = np.stack([self.disc_ovality * np.cos(angles), np.sin(angles)], axis=1)
        irregular = ellipse * _waves(self.disc_waves, angles)[:, np.newaxis]
        cosine, sine = math.cos(math.radians(self.disc_torsion_deg)), math.sin(math.radians(self.disc_torsion_deg))
        turned = irregular @ np.array([[cosine, sine], [-sine, cosine]])
        return _in_box(turned, (-self.disc_width / 2, self.disc_width / 2), (-0.5, 0.5))

    def _shape_of_cup(self) -> Points:
        """The outline of the cup in that disc."""
        if self.cup_to_disc == 0:
            return np.empty((0, 2))
        disc, ratio = self._shape_of_disc(), self.cup_to_disc
        if self.notch == 0:
            return self._even_cup(disc, ratio)
        smallest = self._even_cup(disc, _SMALLEST_BASE * ratio)
        if _height(self._notched(disc, smallest, self.notch)) >= ratio:
            notch = _solve(lambda notch: _height(self._notched(disc, smallest, notch)), ratio, 0.0, self.notch)
            return self._notched(disc, smallest, notch)
        base = _solve(
            lambda base: _height(self._notched(disc, self._even_cup(disc, base), self.notch)),
            wanted=ratio,
            low=_SMALLEST_BASE * ratio,
            high=ratio,
        )
        return self._notched(disc, self._even_cup(disc, base), self.notch)

    def _even_cup(self, disc: Points, ratio: float) -> Points:
        """A cup of this height without notch, its points on the rays from the disc's centre to those of the disc."""
        angles, reach = np.arctan2(disc[:, 1], disc[:, 0]), np.hypot(disc[:, 0], disc[:, 1])
        rim = 1 - ratio
        horizontal_rim = self.disc_width * rim * (1 - self.cup_widening * ratio)
        # A shift by more than a part of its own radius would leave the disc's centre outside a small cup.
        up = min((self.inferior_share - 0.5) * rim, 0.15 * ratio)
        aside = min((self.nasal_share - 0.5) * horizontal_rim, rim / 2 - up - horizontal_rim / 2, 0.15 * ratio)
        half_width = (self.disc_width - horizontal_rim) / 2
        along_x, along_y = (aside - half_width, aside + half_width), (-ratio / 2 - up, ratio / 2 - up)
        shape = disc * (1 + rim * (_waves(self.cup_waves, angles) - 1))[:, np.newaxis]
        cup = _in_box(shape, along_x, along_y)
        radius = np.interp(angles, np.arctan2(cup[:, 1], cup[:, 0]), np.hypot(cup[:, 0], cup[:, 1]), period=2 * math.pi)
        radius = np.minimum(radius, reach - 0.1 * rim)
        return _in_box(disc * (radius / reach)[:, np.newaxis], along_x, along_y)

    def _notched(self, disc: Points, cup: Points, notch: float) -> Points:
        """The cup drawn out toward the disc's edge at one place."""
        away = np.arctan2(disc[:, 1], disc[:, 0]) - math.radians(self.notch_angle_deg)
        away = (away + math.pi) % (2 * math.pi) - math.pi
        share = notch * (1 - _LEAST_RIM) * np.exp(-((away / _NOTCH_SPREAD) ** 2) / 2)
        return np.asarray(cup + share[:, np.newaxis] * (disc - cup))


def draw_landmarks(
    random: np.random.Generator,
    *,
    cup_to_disc: float,
    notch: float = 0.0,
    notch_side: Side = "inferior",
    fovea: tuple[float, float] | None = None,
    disc_size: float = 1.0,
    disc_ovality: float | None = None,
    disc_torsion_deg: float | None = None,
) -> Landmarks:
    """The landmarks of one more eye, with natural variation.

    Args:
        random: decides what is not given; it draws the same values whatever is given.
        cup_to_disc: vertical ratio, 0 (no cup) to 0.95; kept exactly.
        notch: depth of a focal thinning of the rim (glaucoma), 0 (none) to 1.
        notch_side: at which temporal pole of the disc.
        fovea: its place, x and y in DD; drawn around `USUAL_FOVEA` when not given.
        disc_size: vertical diameter of the disc in DD.
        disc_ovality: shortest over longest diameter of the disc.
        disc_torsion_deg: lean of its long axis.

    Raises:
        SettingError: a value outside its range, or an unknown side.

    Example:
        >>> marks = draw_landmarks(np.random.default_rng(1), cup_to_disc=0.6)
        >>> [round(float(np.ptp(outline[:, 1])), 6) for outline in (marks.disc_outline(), marks.cup_outline())]
        [1.0, 0.6]
    """
    _check_name("notch_side", notch_side, get_args(Side))
    below = 1 if notch_side == "inferior" else -1
    drawn = (float(np.clip(random.normal(2.5, 0.1), 2.2, 2.8)), float(np.clip(random.normal(0.35, 0.06), 0.15, 0.55)))
    notch_angle_deg = below * float(random.uniform(46, 68))
    ovality, torsion_deg = np.clip(random.normal(0.91, 0.03), 0.82, 0.99), np.clip(random.normal(0, 7), -15, 15)
    return Landmarks(
        cup_to_disc=cup_to_disc,
        notch=notch,
        notch_angle_deg=notch_angle_deg,
        disc_size=disc_size,
        disc_ovality=float(ovality) if disc_ovality is None else disc_ovality,
        disc_torsion_deg=float(torsion_deg) if disc_torsion_deg is None else disc_torsion_deg,
        disc_waves=_draw_waves(random, 0.016),
        cup_waves=_draw_waves(random, 0.05),
        cup_widening=float(random.uniform(0.2, 0.4)),
        inferior_share=float(random.uniform(0.505, 0.54)),
        nasal_share=float(random.uniform(0.53, 0.62)),
        fovea=drawn if fovea is None else fovea,
        foveal_avascular_zone_radius=float(np.clip(random.normal(0.16, 0.03), 0.09, 0.25)),
    )


# --- Outlines ----------------------------------------------------------------------------------------------------


def _angles() -> NDArray[np.float64]:
    return np.linspace(0, 2 * math.pi, _OUTLINE_POINTS, endpoint=False)


def _draw_waves(random: np.random.Generator, size: float) -> tuple[tuple[float, float], ...]:
    """Waves with 2 to 5 periods, the finer the smaller."""
    return tuple(
        (float(random.uniform(0, size) * 2 / periods), float(random.uniform(0, 2 * math.pi))) for periods in range(2, 6)
    )


def _waves(waves: tuple[tuple[float, float], ...], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The radius around a shape, relative to the regular one."""
    radius: NDArray[np.float64] = np.ones(len(angles))
    for periods, (amplitude, phase) in enumerate(waves, start=2):
        radius = radius + amplitude * np.cos(periods * angles + phase)
    return radius


def _in_box(points: Points, along_x: tuple[float, float], along_y: tuple[float, float]) -> Points:
    """The shape stretched so that it reaches exactly from end to end."""
    low, high = points.min(axis=0), points.max(axis=0)
    starts, ends = np.array([along_x, along_y], np.float64).T
    boxed: Points = starts + (points - low) * ((ends - starts) / (high - low))
    return boxed


def _height(outline: Points) -> float:
    return float(np.ptp(outline[:, 1]))


def _solve(rising: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a rising function has the wanted value, by halving."""
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2


def _filled(outline: Points, shape: tuple[int, ...]) -> Mask:
    """The pixels whose centres lie inside a closed outline of columns and rows."""
    from skimage.draw import polygon2mask  # noqa: PLC0415 - what only finds and reads eyes does not load it

    if not len(outline):
        return np.zeros(shape, np.bool_)
    return np.asarray(polygon2mask(shape, outline[:, ::-1] - 0.5), np.bool_)  # type: ignore[no-untyped-call]


# --- Mistakes ----------------------------------------------------------------------------------------------------


def _check(name: str, value: float, least: float, most: float) -> None:
    real_number(value, name, least=least, most=most)


def _check_name(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingError(f"{name} is {value!r}", expected=f"one of: {', '.join(known)}")
