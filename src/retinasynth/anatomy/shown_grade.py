"""Whether a label map shows the grade of diabetic retinopathy that was asked for."""

from retinasynth.anatomy.lesions import in_quadrants
from retinasynth.anatomy.retinopathy import ENOUGH, EXPECTED_SIGNS, IN_EACH_QUADRANT, grade_of
from retinasynth.errors import InputError
from retinasynth.eye.eye import LESIONS, Eye


def refuse_hidden_grade(eye: Eye, grade: int, beading: float) -> None:
    """Raise InputError where the label map of an eye does not show the signs that make its grade.

    Args:
        eye: with all planes, and geometry.
        grade: 0 to 4.
        beading: by which share its veins are beaded, which no plane tells.
    """
    planes = eye.planes
    seen = {name: float(planes[name].any()) for name in LESIONS} | {"venous_beading": beading}
    seen["neovascular_tufts"] = float((planes["vessels"] & ~planes["arteries"] & ~planes["veins"]).any())
    if planes["disc"].any() and in_quadrants(eye, "haemorrhages").min() >= IN_EACH_QUADRANT:
        seen["haemorrhages"] = ENOUGH
    found = grade_of(seen, reach=1)
    if found < grade:
        raise InputError(
            f"A retinopathy_grade of {grade} was asked for, but the signs that are in view are those of grade {found}",
            expected=EXPECTED_SIGNS[grade],
            do="Choose a larger size, a wider angle_deg or centred_on=disc",
        )
