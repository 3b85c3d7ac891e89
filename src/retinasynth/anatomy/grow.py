"""Growing an eye: a labelled anatomy from a seed.

Landmarks, then vessels, then what fits them to the parameters: a meander of the given tortuosity, calibres that have
the given ratio of CRAE to CRVE in zone B and cover the given share of the field of view. Every part of an eye draws
from a random stream of its own, so that a changed parameter leaves the rest of the eye as it was.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import brentq
from scipy.spatial import KDTree

from retinasynth.anatomy.atlas.growing import grow_trees
from retinasynth.anatomy.branches import ARTERY, STEP, VEIN, Branch, Numbers, Points, Territory, calibres, tangents
from retinasynth.anatomy.cupping import bent_over_cup
from retinasynth.anatomy.disease import TUFT_RADIUS, beaded, narrowed_focally, tufts
from retinasynth.anatomy.drawing import draw_vessels
from retinasynth.anatomy.kinship import alike
from retinasynth.anatomy.landmarks import Landmarks, View, draw_landmarks
from retinasynth.anatomy.lesions import draw_lesions
from retinasynth.anatomy.physiology import Anatomy, draw_anatomy, people_of
from retinasynth.anatomy.shown_grade import refuse_hidden_grade
from retinasynth.checks import SIDES_PX, checked_seed, whole_number
from retinasynth.errors import InputError
from retinasynth.eye.atrophy import Atrophy
from retinasynth.eye.calibre import ARTERIOLES, VENULES, knudtson
from retinasynth.eye.eye import LATERALITIES, LESIONS, Eye
from retinasynth.images import Mask

RECIPE = 5  # raise when the eyes of the same seeds change

_STREAMS = 4  # stays when the recipe is raised, so that what did not change is drawn as before
_OF_THE_DISC = {
    "cup_to_disc",
    "notch",
    "notch_side",
    "disc_size",
    "disc_ovality",
    "disc_torsion_deg",
    "peripapillary_atrophy",
    "atrophy_extent_deg",
    "atrophy_direction_deg",
}
_MARGIN_DD = 0.2  # vessels grow so far beyond the field of view
_ZONE_B_DD = 1.25  # the middle of zone B, from the disc centre
_DENSITY_TOLERANCE = 0.015
_DENSITY_REFUSED = 0.05
_TRIALS = 6  # of drawing the vessels to reach it
_MEANDER_DD = (0.45, 1.2)  # wavelengths
_TRUNK_MEANDER_DD = (0.7, 2.4)  # those of the wide vessels of the arcades, which wind more slowly
_MEANDER_VARIES = 0.4  # standard deviation of the logarithm of how much one vessel winds
_MEANDER_STARTS_DD = 0.3  # from where a vessel leaves its parent
_MOST_MEANDER_DD = 0.6
_STRAIGHTENED_DD, _WOUND_DD = 0.5, 0.3  # within which vessels are drawn straight, and wind more as they do
_MOST_AMPLIFIED = 2.0  # by which share vessels wind more than they do
_UNNATURAL = 0.05  # tortuosity beyond the natural one from which nothing of that is kept
_DISC_REACHES_DD = 0.85  # from its centre, with a piece of vessel
_FINE = 3  # parts of a piece on the disc
_SHORTEST_DD = 0.3  # of the vessels whose tortuosity counts


def grow(
    seed: int, size_px: int = 512, *, people: str | None = None, person: int | None = None, **parameters: Any
) -> Eye:
    """A labelled eye that nobody ever had.

    Args:
        seed: decides all that is not given. The same seed is the same eye at any size.
        size_px: height and width.
        people: whose anatomy it is: adult (the default), child, elderly, hypertensive, glaucomatous or diabetic.
        person: a number for whose eye it is. The eyes of one person are alike in their parameters and in the form of
            their discs, not in the courses of their vessels (`retinasynth.anatomy.kinship`); those of an even seed
            are left ones, of an odd seed right ones, unless laterality is given.
        parameters: any of `retinasynth.anatomy.physiology.Anatomy`, such as ``cup_to_disc=0.7``.

    Returns:
        An eye without photograph, with all planes (see `retinasynth.eye.eye.PLANES`) and its geometry. Where an artery
        crosses a vein, both planes have the pixel.

    Raises:
        SettingError: an unknown or impossible parameter, seed or size.
        InputError: the view does not show the whole disc, though something about the disc was asked for; or the
            vessels asked for would be thinner than pixels; or the view has no room for the signs of the grade of
            retinopathy asked for.

    Example:
        >>> eye = grow(seed=7, size_px=128, cup_to_disc=0.7)
        >>> eye.size, bool((eye.planes["cup"] <= eye.planes["disc"]).all())
        ((128, 128), True)
        >>> grow(6, 128, person=3).geometry.laterality, grow(7, 128, person=3).geometry.laterality
        ('left', 'right')
    """
    seed, size_px = checked_seed(seed), whole_number(size_px, "size_px", least=SIDES_PX[0], most=SIDES_PX[1])
    anatomy = anatomy_of(seed, people_of(people, parameters), parameters, person)
    random = _stream(seed, "landmarks")
    marks = _landmarks(random, anatomy)
    if person is not None:
        marks = alike(marks, _landmarks(_stream(person, "person's landmarks"), anatomy))
    x, y = random.normal(0, anatomy.pointing_dd, 2)
    view = View(
        size_px,
        anatomy.laterality,
        anatomy.centred_on,
        anatomy.angle_deg,
        anatomy.aperture,
        offset=(float(x), float(y)),
        torsion_deg=float(np.clip(random.normal(0, 2), -5, 5)),
    )
    if _OF_THE_DISC & parameters.keys():
        _refuse_hidden_disc(view, marks)
    planes = marks.planes(view)
    planes |= grow_vessels(seed, anatomy, marks, view, planes["fov"])
    if "vessel_density" in parameters:
        _refuse_other_density(anatomy, planes)
    eye = Eye(f"grown_{seed:06d}", planes, geometry=replace(view.geometry, atrophy=_atrophy(anatomy, view)))
    counts = {kind: getattr(anatomy, kind) for kind in LESIONS}
    lesions = draw_lesions(_stream(seed, "lesions"), eye, **counts, in_each_quadrant=anatomy.haemorrhages_in_quadrants)
    eye = replace(eye, planes=planes | lesions)
    if anatomy.retinopathy_grade is not None:
        refuse_hidden_grade(eye, anatomy.retinopathy_grade, anatomy.venous_beading)
    return eye


def anatomy_of(seed: int, preset: str, parameters: dict[str, Any], person: int | None = None) -> Anatomy:
    """The parameters of the eye that `grow` makes of the same arguments."""
    random = _stream(checked_seed(seed), "anatomy")
    if person is None:
        return draw_anatomy(random, preset, parameters)
    given = {"laterality": LATERALITIES[seed % 2], **parameters}
    return draw_anatomy(random, preset, given, _stream(checked_seed(person, "person"), "person"))


def _landmarks(random: np.random.Generator, anatomy: Anatomy) -> Landmarks:
    return draw_landmarks(
        random,
        cup_to_disc=anatomy.cup_to_disc,
        notch=anatomy.notch,
        notch_side=anatomy.notch_side,
        fovea=(anatomy.disc_fovea_distance, float(random.uniform(0.22, 0.48))),
        disc_size=anatomy.disc_size,
        disc_ovality=anatomy.disc_ovality,
        disc_torsion_deg=anatomy.disc_torsion_deg,
    )


def _stream(seed: int, part: str) -> np.random.Generator:
    parts = ("anatomy", "landmarks", "vessels", "meander", "disease", "lesions", "person", "person's landmarks")
    return np.random.default_rng([seed, _STREAMS, parts.index(part)])


def _atrophy(anatomy: Anatomy, view: View) -> Atrophy:
    """As the picture shows it: torsion of the eye turns it."""
    turned = (anatomy.atrophy_direction_deg + view.torsion_deg + 180) % 360 - 180
    return Atrophy(anatomy.peripapillary_atrophy, anatomy.atrophy_extent_deg, turned)


def _refuse_hidden_disc(view: View, marks: Landmarks) -> None:
    pixels = np.floor(view.to_pixels(marks.disc_outline())).astype(np.int64)
    inside = ((pixels >= 0) & (pixels < view.size_px)).all()
    if not (inside and view.field_of_view()[pixels[:, 1], pixels[:, 0]].all()):
        raise InputError(
            f"The disc was asked for, but a view of {view.angle_deg:g} degrees centred on the {view.centred_on} does "
            "not show all of it",
            expected="centred_on=disc, or a wider angle_deg",
        )


def _refuse_other_density(anatomy: Anatomy, planes: dict[str, Mask]) -> None:
    density = (planes["arteries"] | planes["veins"]).sum() / planes["fov"].sum()
    if abs(density / anatomy.vessel_density - 1) > _DENSITY_REFUSED:
        raise InputError(
            f"A vessel_density of {anatomy.vessel_density:.3g} was asked for, but at this size the vessels, each at "
            f"least a pixel wide, cover {density:.3g}",
            do="Choose a larger size, or fewer branches_per_area and smaller_trunks",
        )


# --- Vessels ---------------------------------------------------------------------------------------------------------


def grow_vessels(seed: int, anatomy: Anatomy, marks: Landmarks, view: View, fov: Mask) -> dict[str, Mask]:
    """The planes arteries, veins and vessels (both, and the tufts of new ones) within the field of view."""
    centre = view.from_pixels(np.array([[view.size_px / 2, view.size_px / 2]]))[0]
    radius = view.radius_px / view.pixels_per_disc_diameter
    territory = Territory((centre[0], centre[1]), radius + _MARGIN_DD, marks.fovea, anatomy.vessel_free_macula)
    trees = grow_trees(
        _stream(seed, "vessels"),
        territory,
        smaller_trunks=anatomy.smaller_trunks,
        branches=round(anatomy.branches_per_area * math.pi * radius**2),
        exponent=anatomy.murray_exponent,
    )
    arteries, veins = (
        _Vessels.of(branches, anatomy.murray_exponent, crossed)
        for branches, crossed in zip(trees, _crossings(trees), strict=True)
    )
    random = _stream(seed, "meander")
    meanders = [_meander(random, branches) for branches in trees]
    shifts = _to_tortuosity((arteries, veins), trees, meanders, anatomy.tortuosity)
    arteries, veins = arteries.moved(shifts[ARTERY]), veins.moved(shifts[VEIN])
    arteries = arteries.scaled(
        anatomy.artery_to_vein_ratio * veins.central_equivalent(VEIN) / arteries.central_equivalent(ARTERY)
    )
    disease = _stream(seed, "disease")
    arteries = arteries._replace(
        radii=narrowed_focally(disease, arteries.points, arteries.radii, arteries.firsts, anatomy.focal_narrowing)
    )
    veins = veins._replace(radii=beaded(disease, veins.radii, veins.firsts, anatomy.venous_beading))
    # Calibres make the density; what vessels hide of each other, and the grid of pixels, is measured and made up for.
    area = sum(one.area_within(centre, radius) for one in (arteries, veins))
    scale = anatomy.vessel_density * math.pi * radius**2 / area if area else 0.0
    for _ in range(_TRIALS if area else 1):  # a narrow view of the macula may show none
        seen = [_draw(*one.scaled(scale).pieces(), view) & fov for one in (arteries, veins)]
        density = (seen[ARTERY] | seen[VEIN]).sum() / fov.sum()
        if not density or abs(density / anatomy.vessel_density - 1) < _DENSITY_TOLERANCE:
            break
        scale *= anatomy.vessel_density / density
    seen = [_draw(*_dipping(one.scaled(scale).pieces(), marks), view) & fov for one in (arteries, veins)]
    new = np.zeros_like(fov)
    for course in tufts(disease, veins.points, anatomy.neovascular_tufts):
        new |= _draw(course[:-1], course[1:], np.full(len(course) - 1, TUFT_RADIUS), view) & fov
    return {"arteries": seen[ARTERY], "veins": seen[VEIN], "vessels": seen[ARTERY] | seen[VEIN] | new}


class _Vessels(NamedTuple):
    """All branches of one tree, end to end.

    Attributes:
        points: of all nodes, ``(n, 2)``.
        radii: in DD, ``(n,)``.
        firsts: number of the first node of each branch.
        stretches: numbers of first and last node of each stretch between two branchings or crossings, ``(m, 2)``.
    """

    points: Points
    radii: Numbers
    firsts: NDArray[np.int64]
    stretches: NDArray[np.int64]

    @classmethod
    def of(cls, branches: Sequence[Branch], exponent: float, crossed: NDArray[np.int64]) -> "_Vessels":
        lengths = np.array([len(branch.points) for branch in branches])
        firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        cuts = {(int(first), int(first + length - 1)) for first, length in zip(firsts, lengths, strict=True)}
        leaves = [int(firsts[branch.parent]) + branch.leaves_at for branch in branches if branch.parent >= 0]
        ends = np.unique(np.concatenate([np.array(sorted(cuts)).ravel(), np.array(leaves, np.int64), crossed]))
        same = np.searchsorted(firsts, ends, side="right")
        stretches = np.column_stack([ends[:-1], ends[1:]])[same[:-1] == same[1:]]
        radii = np.concatenate(calibres(list(branches), exponent)) / 2
        return cls(np.concatenate([branch.points for branch in branches]), radii, firsts, stretches)

    def moved(self, shifts: Points) -> "_Vessels":
        return self._replace(points=self.points + shifts)

    def scaled(self, scale: float) -> "_Vessels":
        return self._replace(radii=self.radii * scale)

    def pieces(self) -> tuple[Points, Points, Numbers]:
        """Starts, ends and radii of the straight pieces between neighbouring nodes."""
        within = np.ones(len(self.points) - 1, np.bool_)
        within[self.firsts[1:] - 1] = False
        radii = (self.radii[:-1] + self.radii[1:])[within] / 2
        return self.points[:-1][within], self.points[1:][within], radii

    def area_within(self, centre: Points, radius: float) -> float:
        starts, ends, radii = self.pieces()
        inside = np.hypot(*(starts - centre).T) < radius
        return float((2 * radii * np.hypot(*(ends - starts).T))[inside].sum())

    def stretched(self) -> tuple[Numbers, Numbers]:
        """Arc length and chord of each stretch between two branchings."""
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(self.points, axis=0).T))])
        first, last = self.stretches.T
        return along[last] - along[first], np.hypot(*(self.points[last] - self.points[first]).T)

    def central_equivalent(self, kind: int) -> float:
        """CRAE of arteries or CRVE of veins, from the six widest in zone B (Knudtson, Curr Eye Res 27, 2003), in DD."""
        far = np.hypot(*self.points.T) > _ZONE_B_DD
        passing = np.flatnonzero(far[1:] != far[:-1])
        passing = passing[~np.isin(passing + 1, self.firsts)]
        return knudtson(2 * self.radii[passing], ARTERIOLES if kind == ARTERY else VENULES)


def _crossings(trees: Sequence[Sequence[Branch]]) -> list[NDArray[np.int64]]:
    """The nodes of each tree at which its vessels begin to run over those of the other."""
    points = [np.concatenate([branch.points for branch in branches]) for branches in trees]
    found = []
    for one, other in ((0, 1), (1, 0)):
        apart, _ = KDTree(points[other]).query(points[one], distance_upper_bound=STEP)
        is_over = apart < STEP * 0.6
        found.append(np.flatnonzero(is_over[1:] & ~is_over[:-1]) + 1)
    return found


def _meander(random: np.random.Generator, branches: Sequence[Branch]) -> Points:
    """Shifts of all nodes of a tree by which its vessels wind from side to side; to be multiplied by an amplitude."""
    own = []
    for branch in branches:
        along = np.arange(len(branch.points)) * STEP
        lengths = random.uniform(*(_MEANDER_DD if branch.parent >= 0 else _TRUNK_MEANDER_DD), 3)
        waves = np.sin(2 * np.pi * (along[:, np.newaxis] / lengths + random.random(3))).sum(axis=1)
        aside = math.exp(random.normal(0, _MEANDER_VARIES)) * waves * np.minimum(along / _MEANDER_STARTS_DD, 1)
        own.append(aside[:, np.newaxis] * tangents(branch.points)[:, ::-1] * (-1, 1))
    return _carried(branches, own)


def _straightening(branches: Sequence[Branch], within_dd: float) -> Points:
    """Shifts of all nodes by which vessels lose what they wind within so many disc diameters; their ends stay."""
    own = []
    for branch in branches:
        ends = branch.points[[0, -1]]
        share = np.linspace(0, 1, len(branch.points))[:, np.newaxis]
        bow = branch.points - (1 - share) * ends[0] - share * ends[1]  # nothing at the ends, so mirrored with a sign
        mirrored = np.concatenate([-bow[:0:-1], bow, -bow[-2::-1]])
        smooth = ndimage.gaussian_filter1d(mirrored, within_dd / STEP, axis=0)
        own.append(smooth[len(bow) - 1 : 2 * len(bow) - 1] - bow)
    return _carried(branches, own)


def _carried(branches: Sequence[Branch], own: Sequence[Points]) -> Points:
    """The shifts of all branches: each starts where its parent has been shifted to, and soon goes its own way."""
    shifts: list[Points] = []
    for branch, shift in zip(branches, own, strict=True):
        start = shifts[branch.parent][branch.leaves_at] if branch.parent >= 0 else np.zeros(2)
        along = np.arange(len(branch.points)) * STEP
        fading = np.maximum(1 - along / (2 * _MEANDER_STARTS_DD), 0)
        shifts.append(shift + fading[:, np.newaxis] * start)
    return np.concatenate(shifts)


def _to_tortuosity(
    vessels: Sequence[_Vessels], trees: Sequence[Sequence[Branch]], meanders: Sequence[Points], tortuosity: float
) -> list[Points]:
    """The shifts by which the mean of arc over chord becomes what is asked, or comes near to it."""

    def at(shifts: Sequence[Points], amplitude: float) -> float:
        stretched = [one.moved(amplitude * shift).stretched() for one, shift in zip(vessels, shifts, strict=True)]
        arcs, chords = np.concatenate(stretched, axis=1)
        counts = arcs > _SHORTEST_DD
        return float(np.average(arcs[counts] / chords[counts], weights=arcs[counts]))

    natural = at(meanders, 0)
    straightenings = [_straightening(branches, _STRAIGHTENED_DD) for branches in trees]
    base = [np.zeros_like(shift) for shift in straightenings]
    shifts: Sequence[Points] = straightenings
    most = 1.0
    if tortuosity > natural:  # they wind more as they do
        shifts, most = [-_straightening(branches, _WOUND_DD) for branches in trees], _MOST_AMPLIFIED
        if at(shifts, most) < tortuosity:  # what is far from natural winds by the meander alone, evenly
            share = min((tortuosity - natural) / _UNNATURAL, 1.0)
            base, shifts, most = [share * shift for shift in straightenings], meanders, _MOST_MEANDER_DD

    def missing(amplitude: float) -> float:
        return at([one + amplitude * shift for one, shift in zip(base, shifts, strict=True)], 1.0) - tortuosity

    low, high = missing(0.0), missing(most)
    if low * high >= 0:
        amplitude = 0.0 if abs(low) < abs(high) else most
    else:
        amplitude = float(brentq(missing, 0.0, most, rtol=0.01, xtol=1e-4))
    return [one + amplitude * shift for one, shift in zip(base, shifts, strict=True)]


def _dipping(pieces: tuple[Points, Points, Numbers], marks: Landmarks) -> tuple[Points, Points, Numbers]:
    """Straight pieces, those on the disc cut into shorter ones and bent where vessels dip into the cup."""
    starts, ends, radii = pieces
    on_disc = np.hypot(*starts.T) < _DISC_REACHES_DD
    shares = np.arange(_FINE + 1)[:, np.newaxis, np.newaxis] / _FINE
    cut = (1 - shares) * starts[on_disc] + shares * ends[on_disc]
    bent = bent_over_cup(cut.reshape(-1, 2), marks).reshape(cut.shape)
    return (
        np.concatenate([starts[~on_disc], *bent[:-1]]),
        np.concatenate([ends[~on_disc], *bent[1:]]),
        np.concatenate([radii[~on_disc], np.tile(radii[on_disc], _FINE)]),
    )


def _draw(starts: Points, ends: Points, radii: Numbers, view: View) -> Mask:
    """Straight pieces of vessel in DD as a mask."""
    return draw_vessels(
        view.to_pixels(starts), view.to_pixels(ends), radii * view.pixels_per_disc_diameter, view.size_px
    )
