"""Is this a fundus photograph at all? Told by its vessels: a segmenter finds "vessels" in cats and text, too."""

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

from retinasynth.eye.frame import frame_of, into_frame
from retinasynth.images import Mask, Photograph
from retinasynth.segmentation.predict import Probability

# Chosen on photographs of CHASE_DB1, HRF and IDRiD, good and bad, and on pictures of something else.
LEAST_VESSELS = 0.012  # of the field of view
MOST_UNSURE = 0.7  # pixels with a probability of .2 to .8, for each that is found
UNSURE = 0.55  # above it, the vessels have to look right as well:
LEAST_CONNECTED = 0.5  # share of their length that hangs together
MOST_CONTRAST = 0.045  # slope of brightness at them, of the local mean, for each 384th of the field of view
LEAST_CONTRAST = 0.005  # likewise: below it there is nothing to be seen
_WORKING_PX = 384
_BRIDGED_PX = 2


def why_no_fundus(photograph: Photograph, field: Mask, vessels: Mask, probability: Probability) -> str:
    """What speaks against its being a fundus photograph, as half a sentence; empty where nothing does.

    Vessels of an eye hang together and stand out little from what lies around, and a network that learnt them is sure
    of most of them.

    Args:
        photograph: ``uint8 (height, width, 3)``.
        field: its field of view, ``bool (height, width)``.
        vessels: as found, ``bool (height, width)``.
        probability: of these, ``float32 (height, width)``.
    """
    share = vessels.sum() / field.sum()
    if share < LEAST_VESSELS:
        return f"only {share:.1%} of it look like vessels"
    contrast = contrast_of(photograph, field, vessels)
    if contrast < LEAST_CONTRAST:
        return "what was taken for vessels does not stand out from what lies around"
    unsure = ((probability > 0.2) & (probability < 0.8)).sum() / max(int((probability > 0.5).sum()), 1)
    if unsure > MOST_UNSURE:
        return "what looks like vessels is mostly doubtful"
    if unsure > UNSURE:
        if (together := connected_share(vessels)) < LEAST_CONNECTED:
            return f"only {together:.0%} of what looks like vessels hangs together, and it is doubtful"
        if contrast > MOST_CONTRAST:
            return "what looks like vessels has edges harder than vessels have, and it is doubtful"
    return ""


def connected_share(vessels: Mask) -> float:
    """The share of the length of vessels that their largest tree has; gaps of a few pixels are bridged."""
    lines = np.asarray(skeletonize(vessels), np.bool_)  # type: ignore[no-untyped-call]
    bridged = ndimage.binary_dilation(lines, np.ones((3, 3)), iterations=_BRIDGED_PX)
    parts = ndimage.label(bridged)[0]
    lengths = np.bincount(parts[lines])
    return float(lengths.max() / lengths.sum()) if lengths.size else 0.0


def contrast_of(photograph: Photograph, field: Mask, vessels: Mask) -> float:
    """Median slope of the green channel at the vessels, over its local mean, with the field `_WORKING_PX` wide."""
    frame = frame_of(field)
    green = into_frame(np.ascontiguousarray(photograph[..., 1]), frame, _WORKING_PX).astype(np.float64)
    small = [into_frame(mask.astype(np.uint8) * np.uint8(255), frame, _WORKING_PX) for mask in (vessels, field)]
    at_vessels = ndimage.binary_dilation(small[0] > 100, iterations=2)
    inside = ndimage.binary_erosion(small[1] > 127, iterations=12)
    if not (at_vessels & inside).any():
        return 0.0
    slope = ndimage.gaussian_gradient_magnitude(green, 1.5) / (ndimage.gaussian_filter(green, 12) + 10)
    return float(np.median(slope[at_vessels & inside]))
