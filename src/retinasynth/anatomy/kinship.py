"""What the two eyes of one person have in common: the parameters of growth, the form of the disc, not the vessels.

The vessels of fellow eyes are no mirror images of each other; their calibres, their number and the disc are alike
(Cameron et al., Prog Retin Eye Res 59, 2017). Correlations between right and left eyes that are published: cup-to-disc
ratio .87 (Chiappe et al., Medicina 75, 2015), equivalents of arteries and veins .70 and .77, their ratio .57, which
contains the error of measuring (Leung et al., Clin Exp Ophthalmol 31, 2003). The distance of fovea and disc is so
alike that one eye tells the other's (van de Put et al., PLoS ONE 8, 2013). The other figures are ours.
"""

import math
from dataclasses import replace

from retinasynth.anatomy.landmarks import Landmarks

USUAL = 0.75  # correlation of a parameter in the two eyes of a person
CORRELATION: dict[str, float] = {
    "cup_to_disc": 0.87,
    "disc_fovea_distance": 0.9,
    "vessel_density": 0.77,
    "artery_to_vein_ratio": 0.7,
}


def mixed(parameter: str, own: float, persons: float) -> float:
    """A standard normal number for one eye of a person, from one of its own and one that both eyes share.

    Example:
        >>> round(mixed("cup_to_disc", own=0.0, persons=1.0), 3)
        0.933
    """
    shared = CORRELATION.get(parameter, USUAL)
    return math.sqrt(shared) * persons + math.sqrt(1 - shared) * own


def alike(own: Landmarks, persons: Landmarks) -> Landmarks:
    """The landmarks of one eye of a person, who shares proportions; outlines and notch are its own.

    Args:
        own: drawn for this eye.
        persons: drawn for the person, with the same parameters of growth.
    """
    return replace(
        persons,
        notch_angle_deg=own.notch_angle_deg,
        disc_waves=own.disc_waves,
        cup_waves=own.cup_waves,
        fovea=(own.fovea[0], persons.fovea[1]),
    )
