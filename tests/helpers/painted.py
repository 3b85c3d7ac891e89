"""A segmenter that sees what is painted, so that its answers are known."""

import numpy as np

from retinasynth.errors import ImageError
from retinasynth.eye import Eye
from retinasynth.segmentation.use import Segmentation


class Named:
    name = "painted"


MODELS = [Named()]


def seen(photograph, *, models):
    """Vessels where it is darkest, disc where it is bright; black pictures are no fundus, blue ones have no disc."""
    assert models == MODELS
    if photograph.max() < 30:
        raise ImageError("It is black")
    field = photograph.max(axis=2) > 20
    green = photograph[..., 1]
    vessels, disc = field & (green < np.quantile(green[field], 0.1)), field & (green > 130)
    blue = photograph[..., 2].mean() > photograph[..., 0].mean()
    planes = {"fov": field, "vessels": vessels} | ({} if blue else {"disc": disc, "cup": disc})
    probabilities = {plane: mask.astype(np.float32) for plane, mask in planes.items() if plane != "fov"}
    confidence = dict.fromkeys(probabilities, 0.9)
    if photograph[0, 0, 0] == 9:
        confidence["vessels"] = 0.3
    if photograph[0, 0, 0] == 8:
        confidence["cup"] = 0.3
    eye = Eye("photograph", planes, photograph)
    return Segmentation(eye, probabilities, confidence, ("No disc: none was found.",) if blue else ())
