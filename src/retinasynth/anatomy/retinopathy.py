"""Grades of diabetic retinopathy: which signs an eye of a grade has, and which signs contradict it.

The international clinical scale (Wilkinson et al., Ophthalmology 110, 2003). Grade 0 has no sign, 1 microaneurysms
alone, 2 more than these but less than 3. Grade 3 follows the 4-2-1 rule: more than 20 intraretinal haemorrhages in each
of four quadrants, or definite beading of veins in two, or intraretinal microvascular abnormalities in one. Grade 4 has
new vessels. Microvascular abnormalities are not drawn; veins are beaded in all quadrants or in none. The quadrants
meet in the disc, as the fields of the Early Treatment Diabetic Retinopathy Study do (report 10, Ophthalmology 98,
1991).

How many signs an eye of a grade has on average are round numbers of ours.
"""

from collections.abc import Mapping

from retinasynth.anatomy.landmarks import USUAL_FOVEA
from retinasynth.errors import SettingError
from retinasynth.eye.eye import DEGREES_PER_DD, LESIONS
from retinasynth.settings import Centre

WORST = 4
SIGNS = (*LESIONS, "venous_beading", "neovascular_tufts")
IN_EACH_QUADRANT = 21  # haemorrhages
DEFINITE_BEADING = 0.12  # from this share of their calibre on, veins are definitely beaded
ENOUGH = 4 * IN_EACH_QUADRANT  # haemorrhages, to lie in all quadrants
EXPECTED_SIGNS = (  # of an eye of each grade
    "no lesions, venous_beading or neovascular_tufts",
    "microaneurysms alone",
    f"fewer than {ENOUGH} haemorrhages, exudates, venous_beading below {DEFINITE_BEADING}, no neovascular_tufts",
    f"{ENOUGH} haemorrhages in a view of all quadrants or venous_beading of {DEFINITE_BEADING}, no neovascular_tufts",
    "neovascular_tufts, in a view that shows the disc",
)

_MORE_THAN_MICROANEURYSMS = ("haemorrhages", "soft_exudates", "hard_exudates", "venous_beading")
_QUADRANTS_REACH, _DISC_REACH = 0.8, 0.3  # how far nasally of the disc's centre a view must reach to show them, in DD
_LEAST_VIEW = 0.98  # of the picture's half size: the radius of the field of view
_BY_BEADING, _BY_BOTH = 0.67, -0.67  # chances beyond which grade 3 is so by beading, and by both: a quarter each

# Mean, standard deviation, least and most of each sign.
_MOST_HAEMORRHAGES = 130
_NONE = (0.0, 0.0, 0.0, 0.0)
_Range = tuple[float, float, float, float]
_DRAWN: tuple[dict[str, _Range], ...] = (
    {},
    {"microaneurysms": (8, 5, 1, 30)},
    {
        "microaneurysms": (22, 10, 3, 45),
        "haemorrhages": (10, 6, 1, 30),
        "hard_exudates": (25, 25, 0, 100),
        "soft_exudates": (1, 1, 0, 4),
    },
    {
        "microaneurysms": (45, 15, 15, 100),
        "haemorrhages": (110, 8, 95, _MOST_HAEMORRHAGES),
        "hard_exudates": (45, 35, 0, 150),
        "soft_exudates": (4, 3, 0, 12),
    },
    {
        "microaneurysms": (45, 20, 5, 100),
        "haemorrhages": (45, 25, 5, 110),
        "hard_exudates": (45, 35, 0, 150),
        "soft_exudates": (4, 3, 0, 12),
        "venous_beading": (0.15, 0.08, 0, 0.35),
        "neovascular_tufts": (3, 1, 1, 6),
    },
)
_BEADING: _Range = (0.2, 0.04, DEFINITE_BEADING, 0.3)  # of grade 3
_BLEEDING_BESIDE_BEADING: _Range = (40, 12, 10, 80)


def nasal_reach(centred_on: Centre, angle_deg: float, pointing_dd: float) -> float:
    """How far nasally of the disc's centre nearly every view of a camera reaches, in DD; below 0 it hides the disc."""
    aim = USUAL_FOVEA[0] if centred_on == "macula" else 0.0
    return _LEAST_VIEW * angle_deg / DEGREES_PER_DD / 2 - aim - 2 * pointing_dd


def grade_of(signs: Mapping[str, float], reach: float) -> int:
    """The grade of an eye with these signs.

    Args:
        signs: number or strength by name, all of `SIGNS`. Haemorrhages that are enough for four quadrants are taken to
            lie in all of them, as those of a graded eye do.
        reach: of its view, `nasal_reach`.

    Example:
        >>> healthy = dict.fromkeys(SIGNS, 0)
        >>> [grade_of(healthy | {sign: 3}, reach=1) for sign in ("microaneurysms", "haemorrhages", "neovascular_tufts")]
        [1, 2, 4]
    """
    if signs["neovascular_tufts"] and reach >= _DISC_REACH:
        return 4
    if signs["venous_beading"] >= DEFINITE_BEADING or haemorrhages_in_each_quadrant(signs["haemorrhages"], reach):
        return 3
    if any(signs[name] for name in (*_MORE_THAN_MICROANEURYSMS, "neovascular_tufts")):
        return 2
    return 1 if signs["microaneurysms"] else 0


def haemorrhages_in_each_quadrant(haemorrhages: float, reach: float) -> int:
    """How many haemorrhages a severe eye has in each quadrant at least: more than 20, or 0 where it has too few."""
    return IN_EACH_QUADRANT if haemorrhages >= ENOUGH and reach >= _QUADRANTS_REACH else 0


def signs_of(grade: int, chances: Mapping[str, float], given: Mapping[str, float], reach: float) -> dict[str, float]:
    """The signs of an eye of a grade.

    Args:
        grade: 0 to 4.
        chances: a standard normal number for each of `SIGNS` and for ``retinopathy_grade``.
        given: signs that are chosen and kept.
        reach: of its view, `nasal_reach`.

    Returns:
        All of `SIGNS`; those that are counted are whole numbers.

    Raises:
        SettingError: signs that are given, or the view, contradict the grade.
    """
    ranges = dict.fromkeys(SIGNS, _NONE) | _DRAWN[grade]
    if grade == 3:
        chance = chances["retinopathy_grade"]
        least_beading = given.get("venous_beading", DEFINITE_BEADING)
        usual = _MOST_HAEMORRHAGES if chance <= _BY_BEADING or least_beading < DEFINITE_BEADING else 0
        bleeds = haemorrhages_in_each_quadrant(given.get("haemorrhages", usual), reach) > 0
        if not bleeds:
            ranges["haemorrhages"] = _BLEEDING_BESIDE_BEADING
        if not bleeds or chance < _BY_BOTH:
            ranges["venous_beading"] = _BEADING
    signs = {name: _drawn(name, chances[name], ranges[name]) for name in SIGNS} | dict(given)
    if grade == 2 and not any(signs[name] for name in _MORE_THAN_MICROANEURYSMS):
        free = [name for name in _MORE_THAN_MICROANEURYSMS[:-1] if name not in given]
        signs |= dict.fromkeys(free[:1], 1)
    found = grade_of(signs, reach)
    if found != grade:
        beside = " with " + ", ".join(f"{name}={value:g}" for name, value in given.items()) if given else ""
        raise SettingError(
            f"retinopathy_grade is {grade}, but{beside} in this view the eye is of grade {found}",
            expected=f"of grade {grade}: {EXPECTED_SIGNS[grade]}",
        )
    return signs


def _drawn(name: str, chance: float, spread: _Range) -> float:
    mean, deviation, least, most = spread
    value = min(max(mean + deviation * min(max(chance, -2.5), 2.5), least), most)
    return value if name == "venous_beading" else round(value)
