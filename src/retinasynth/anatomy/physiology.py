"""What can be chosen about a grown eye: parameters with physiological names, units and ranges, and populations.

A parameter that is not given is drawn from the preset's distribution; the seed decides. Each seed draws the same
values whether or not others are given, so that changing one parameter changes one thing about an eye.

Where the usual values come from: CRAE, CRVE and their ratio, and how they change with age and
blood pressure: Knudtson et al., Curr Eye Res 27, 2003; Hubbard et al., Ophthalmology 106, 1999; Leung et al., Invest
Ophthalmol Vis Sci 44, 2003. Exponents of Murray's law in retinas: Riva et al., Invest Ophthalmol Vis Sci 26, 1985.

Vertical cup-to-disc ratio, as experts drew it on photographs: ORIGA (Zhang et al., IEEE EMBC 2010), whose table has
.558 +- .102 in healthy eyes and .645 +- .094 in glaucoma with a long upper tail, and separates the two with an AUC of
.74 only. Planimetry of stereo photographs reads lower: .43 in adults (Blue Mountains Eye Study: Healey et al., Aust N Z
J Ophthalmol 25 Suppl 1, 1997), .40 in children of six (Samarawickrama et al., Br J Ophthalmol, doi bjo.2010.197426);
children are placed below adults by that proportion. It rises by .27 for each mm of the disc's height (Healey).
Size of the disc: 1.81 mm high in children of six (Samarawickrama), 1.88 by 1.77 mm in adults (Quigley et al., Arch
Ophthalmol 108, 1990), with a standard deviation of .2 mm. Ovality: median .91 in young adults without myopia, .89 with
it (Marsh-Tootle et al., Invest Ophthalmol Vis Sci 58, 2017); tilted discs in 1.6 % of people, two thirds of them with a
beta zone (Blue Mountains: Vongphanit et al., Am J Ophthalmol 133, 2002); torsion in 8.7 % (Samarawickrama). Beta zone
of peripapillary atrophy: in 20 % of adults, .46 mm2 large, most often temporal, then inferotemporal, more with age
(Beijing Eye Study: Wang et al., Eye 22, 2008), and in 20 % of children (Samarawickrama); larger and more frequent in
glaucoma (Jonas and Naumann, Invest Ophthalmol Vis Sci 30, 1989).
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from pydantic import Field, ValidationError

from retinasynth.anatomy.kinship import mixed
from retinasynth.anatomy.landmarks import Aperture, Side
from retinasynth.anatomy.retinopathy import SIGNS, WORST, haemorrhages_in_each_quadrant, nasal_reach, signs_of
from retinasynth.errors import SettingError
from retinasynth.eye.eye import LATERALITIES
from retinasynth.settings import Centre, Laterality, Section, did_you_mean, explain


class Skewed(NamedTuple):
    """A distribution with one long tail: a shifted log-normal one.

    Attributes:
        mean: of the parameter.
        spread: its standard deviation.
        tail: standard deviation of the logarithm. A skewness of about three times that, toward large values above 0,
            toward small ones below.
    """

    mean: float
    spread: float
    tail: float


# Mean and standard deviation; both are cut off where the parameter's range ends.
Distribution = tuple[float, float] | Skewed
Preset = Literal["adult", "child", "elderly", "hypertensive", "glaucomatous", "diabetic"]


class Anatomy(Section):
    """Everything that decides what a grown eye is like, but for the seed."""

    laterality: Laterality = Field(description="which eye")
    centred_on: Centre = Field("macula", description="what the camera is pointed at")
    angle_deg: float = Field(45.0, ge=20, le=60, description="angle of view, degrees")
    aperture: Aperture = Field("round", description="shape of the field of view")
    pointing_dd: float = Field(
        0.12, ge=0, le=0.5, description="how far the camera points beside its aim, standard deviation, disc diameters"
    )

    cup_to_disc: float = Field(ge=0, le=0.95, description="vertical cup-to-disc ratio; 0 is no cup")
    notch: float = Field(0.0, ge=0, le=1, description="depth of a focal thinning of the rim; 1 is down to the edge")
    notch_side: Side = Field("inferior", description="at which temporal pole of the disc the rim is thinned")
    disc_fovea_distance: float = Field(
        ge=2.1, le=3.0, description="centre to centre, disc diameters of 1.8 mm, whatever the size of this disc"
    )

    vessel_density: float = Field(ge=0.03, le=0.16, description="vessels' share of the field of view")
    artery_to_vein_ratio: float = Field(
        ge=0.35, le=1.1, description="of arteriolar to venular equivalent (Knudtson, zone B)"
    )
    tortuosity: float = Field(ge=1.02, le=1.3, description="arc over chord of vessels between their branchings, mean")
    murray_exponent: float = Field(ge=2.0, le=3.2, description="of Murray's law")
    branches_per_area: float = Field(
        ge=0, le=12, description="visible branches beside the trunks, per square disc diameter of the field of view"
    )
    smaller_trunks: int = Field(ge=0, le=20, description="vessels that leave the disc beside the eight of the arcades")
    vessel_free_macula: float = Field(
        ge=0.1, le=0.8, description="radius around the fovea without visible vessels, disc diameters"
    )

    arteriolar_narrowing: float = Field(
        0.0, ge=0, le=0.5, description="by which share all arteries are narrower than the drawn ratio makes them"
    )
    focal_narrowing: float = Field(0.0, ge=0, le=0.7, description="depth of short narrow stretches of arteries")
    venous_beading: float = Field(0.0, ge=0, le=0.5, description="by which share the calibre of veins swells and ebbs")
    neovascular_tufts: int = Field(0, ge=0, le=8, description="tangles of new vessels on the disc and the arcades")
    microaneurysms: int = Field(0, ge=0, le=300)
    haemorrhages: int = Field(0, ge=0, le=150, description="dots, blots and flames")
    hard_exudates: int = Field(0, ge=0, le=300, description="deposits, in clusters and rings")
    soft_exudates: int = Field(0, ge=0, le=30, description="cotton wool spots")
    # A parameter more is drawn here, so that each seed goes on drawing the same values for those above.
    disc_size: float = Field(ge=0.7, le=1.4, description="height of the disc, disc diameters of 1.8 mm")
    disc_ovality: float = Field(
        ge=0.6, le=1.0, description="shortest over longest diameter of the disc; tilted discs have less than 0.8"
    )
    disc_torsion_deg: float = Field(
        ge=-45, le=45, description="lean of the disc's long axis, degrees; above 0 its upper end leans temporally"
    )
    peripapillary_atrophy: float = Field(
        0.0, ge=0, le=0.6, description="width of the crescent of atrophy (beta zone) beside the disc, disc diameters"
    )
    atrophy_extent_deg: float = Field(ge=40, le=360, description="how much of the disc's edge it follows, degrees")
    atrophy_direction_deg: float = Field(
        ge=-180, le=180, description="where it is widest, degrees from the temporal horizontal; above 0 inferior"
    )
    retinopathy_grade: int | None = Field(
        None,
        ge=0,
        le=WORST,
        description="of diabetic retinopathy; it decides the lesions, beading and tufts that are not given",
    )

    @property
    def nasal_reach(self) -> float:
        """See `retinasynth.anatomy.retinopathy.nasal_reach`."""
        return nasal_reach(self.centred_on, self.angle_deg, self.pointing_dd)

    @property
    def haemorrhages_in_quadrants(self) -> int:
        """How many lie in each quadrant at least; 0 where that is left to chance, as in eyes without a grade."""
        return haemorrhages_in_each_quadrant(self.haemorrhages, self.nasal_reach) if self.retinopathy_grade == 3 else 0


_ADULT: dict[str, Distribution] = {
    "cup_to_disc": (0.558, 0.102),
    "disc_fovea_distance": (2.5, 0.1),
    "vessel_density": (0.088, 0.012),
    "artery_to_vein_ratio": (0.70, 0.05),
    "tortuosity": (1.045, 0.012),
    "murray_exponent": (2.7, 0.12),
    "branches_per_area": (2.2, 0.5),
    "smaller_trunks": (8, 2),
    "vessel_free_macula": (0.36, 0.06),
    "disc_size": (1.0, 0.11),
    "disc_ovality": Skewed(0.91, 0.04, tail=-0.3),
    "disc_torsion_deg": (0, 8.5),
    "peripapillary_atrophy": (-0.2, 0.23),  # cut off at 0: none in four of five
    "atrophy_extent_deg": (150, 45),
    "atrophy_direction_deg": (18, 22),
}

PRESETS: dict[Preset, dict[str, Distribution]] = {
    "adult": _ADULT,
    # As CHASE_DB1 shows children: wide, many and winding vessels.
    "child": _ADULT
    | {
        "cup_to_disc": (0.52, 0.11),
        "vessel_density": (0.101, 0.013),
        "artery_to_vein_ratio": (0.76, 0.06),
        "tortuosity": (1.055, 0.012),
        "branches_per_area": (2.9, 0.6),
        "smaller_trunks": (10, 2),
        "murray_exponent": (2.8, 0.12),
    },
    "elderly": _ADULT
    | {
        "cup_to_disc": (0.578, 0.102),
        "vessel_density": (0.076, 0.011),
        "artery_to_vein_ratio": (0.66, 0.05),
        "peripapillary_atrophy": (-0.12, 0.22),
    },
    "hypertensive": _ADULT
    | {
        "vessel_density": (0.076, 0.011),
        "artery_to_vein_ratio": (0.56, 0.05),
        "tortuosity": (1.06, 0.015),
        "focal_narrowing": (0.25, 0.1),
        "haemorrhages": (2, 2),
        "soft_exudates": (1, 1),
    },
    # As in a clinic: many cups that healthy eyes have too, some large ones; often deepest at one pole (Jonas et al.,
    # Surv. Ophthalmol. 43, 1999).
    "glaucomatous": _ADULT
    | {
        "cup_to_disc": Skewed(0.645, 0.094, tail=0.3),
        "notch": (0.25, 0.25),
        "peripapillary_atrophy": (0.04, 0.16),
    },
    "diabetic": _ADULT
    | {
        "tortuosity": (1.055, 0.015),
        "venous_beading": (0.08, 0.06),
        "microaneurysms": (18, 12),
        "haemorrhages": (9, 7),
        "hard_exudates": (25, 25),
        "soft_exudates": (1.5, 1.5),
    },
}

CORRELATIONS: dict[str, tuple[str, float]] = {
    "branches_per_area": ("vessel_density", 0.75),  # more vessel is more branches, not wider ones alone; CHASE_DB1
    "disc_size": ("cup_to_disc", 0.5),  # large discs have large cups
    "peripapillary_atrophy": ("disc_ovality", -0.4),  # a crescent lies where a tilted disc is drawn away
}


def draw_anatomy(
    random: np.random.Generator,
    preset: str = "adult",
    given: Mapping[str, Any] | None = None,
    person: np.random.Generator | None = None,
) -> Anatomy:
    """The parameters of one more eye: those given, and the others drawn from the preset.

    Args:
        random: decides what is not given; it draws the same values whatever is given.
        preset: the population that the eye is drawn from; see `PRESETS`.
        given: values by name of parameter; numbers may be text, as on a command line.
        person: decides, with `random`, what is not given, where both eyes of a person are drawn with one and the same
            (`retinasynth.anatomy.kinship`).

    Raises:
        SettingError: there is no such preset or parameter, a value is impossible, or values contradict each other.

    Example:
        >>> eye = draw_anatomy(np.random.default_rng(1), given={"cup_to_disc": 0.7})
        >>> eye.cup_to_disc, eye.laterality, round(eye.artery_to_vein_ratio, 1)
        (0.7, 'left', 0.7)
    """
    given = given or {}
    distributions = PRESETS[preset_of(preset)]
    if "arteriolar_narrowing" in given and "artery_to_vein_ratio" in given:
        raise SettingError(
            "arteriolar_narrowing and artery_to_vein_ratio stand together",
            expected="one of them: narrowing lowers the ratio that is drawn",
        )
    drawn: dict[str, Any] = {"laterality": LATERALITIES[int(random.integers(2))]}
    chances: dict[str, float] = {}
    for name, field in Anatomy.model_fields.items():
        chances[name] = random.normal()
        if person is not None:
            chances[name] = mixed(name, chances[name], person.normal())
        other, correlation = CORRELATIONS.get(name, (name, 0.0))
        chance = correlation * chances[other] + np.sqrt(1 - correlation**2) * chances[name]
        if name in distributions:
            value = float(
                np.clip(_value(distributions[name], float(np.clip(chance, -2.5, 2.5))), *_range(field.metadata))
            )
            drawn[name] = round(value) if field.annotation is int else value
    try:
        anatomy = Anatomy.model_validate(drawn | dict(given))
    except ValidationError as error:
        known = list(Anatomy.model_fields)
        raise SettingError(explain(error, known), do="`retinasynth grow --parameters` lists all of them") from error
    if anatomy.retinopathy_grade is not None:
        chosen = {name: getattr(anatomy, name) for name in SIGNS if name in given}
        signs = signs_of(anatomy.retinopathy_grade, chances, chosen, anatomy.nasal_reach)
        anatomy = anatomy.model_copy(update=signs)
    narrowed = anatomy.artery_to_vein_ratio * (1 - anatomy.arteriolar_narrowing)
    return anatomy.model_copy(update={"artery_to_vein_ratio": narrowed})


def _value(distribution: Distribution, chance: float) -> float:
    """What a distribution has where the standard normal one has `chance`."""
    mean, spread = distribution[:2]
    if isinstance(distribution, Skewed):
        # (exp(tail z) - its mean) / its standard deviation, for a tail of either sign rising with z
        variance = distribution.tail**2
        chance = math.exp(distribution.tail * chance) - math.exp(variance / 2)
        chance /= math.copysign(math.sqrt(math.exp(variance) * math.expm1(variance)), distribution.tail)
    return mean + spread * chance


def preset_of(name: str) -> Preset:
    """A preset by its name.

    Raises:
        SettingError: there is none of that name.
    """
    for preset in PRESETS:
        if preset == name:
            return preset
    raise SettingError(
        f"There is no preset {name!r}{did_you_mean(name, list(PRESETS))}", expected=f"one of: {', '.join(PRESETS)}"
    )


def people_of(people: str | None, parameters: dict[str, Any]) -> str:
    """Whose anatomy is grown; adults where that is not given.

    Args:
        people: what the caller was given.
        parameters: of the anatomy; ``preset``, as release 0.1 called `people`, is taken out of them.

    Raises:
        SettingError: both are given.
    """
    preset = parameters.pop("preset", None)
    if preset is None:
        return "adult" if people is None else people
    if people is not None:
        raise SettingError("people and preset are given together", expected="people alone, the new name of preset")
    warnings.warn("preset is now called people here", DeprecationWarning, stacklevel=3)
    return str(preset)


def _range(metadata: list[Any]) -> tuple[float, float]:
    """The least and the largest value that a field accepts."""
    least = next((one.ge for one in metadata if hasattr(one, "ge")), -np.inf)
    most = next((one.le for one in metadata if hasattr(one, "le")), np.inf)
    return float(least), float(most)


def described() -> dict[str, tuple[str, str, list[str]]]:
    """For each parameter what is allowed, what it means, and its mean and standard deviation in each preset."""
    table = {}
    for name, field in Anatomy.model_fields.items():
        least, most = _range(field.metadata)
        allowed = f"{least:g} to {most:g}" if np.isfinite(least) else ", ".join(get_args(field.annotation))
        default = "none given" if field.default is None else str(field.default)
        given = "drawn" if field.is_required() else default
        usual = [_in_words(preset[name]) if name in preset else given for preset in PRESETS.values()]
        table[name] = (allowed, field.description or "how many", usual)
    return table


def _in_words(distribution: Distribution) -> str:
    words = "{:g} ± {:g}".format(*distribution[:2])
    return f"{words}, skewed" if isinstance(distribution, Skewed) else words
