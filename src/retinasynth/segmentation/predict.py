"""Running a segmenter: the one way from a photograph to label planes, for training samples and for users alike."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image
from torch import Tensor

from retinasynth.errors import ImageError
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.eye.frame import Frame, frame_of, into_frame, out_of_frame
from retinasynth.images import Mask, Photograph
from retinasynth.networks.running import evaluated, finite, in_bf16
from retinasynth.segmentation.model import SegmenterModel

FLIPS: tuple[tuple[int, ...], ...] = ((), (3,))  # dimensions flipped, whose answers are averaged
_WINDOW_PX = 1024  # fields up to this size are seen whole
_DISC_SHARE = 0.45  # of the close look that the disc takes
_SMALLEST_DISC = 0.04  # of the diameter of the field of view; nothing is looked at as if it were a smaller one
_SEEDS = 0.4  # of the largest probability: where in the whole field the disc is looked for
_MOST_LOOKS = 3  # at places that may be the disc
_SPIKE = 0.08  # of the diameter: what is narrower than twice that is no part of a disc or cup
_SMALLEST_VESSEL = 5e-5  # a part's area, of that of the frame: 30 pixels at 768
_LEAST_DISC = 0.2  # a largest probability below it is no disc
_LEAST_CONFIDENCE = 0.6  # of a disc
_DISC_DIAMETERS = (0.05, 0.45)  # of the diameter of the field of view
_LEAST_ROUNDNESS = 0.75

Probability = NDArray[np.float32]


class Prediction(NamedTuple):
    """What a segmenter sees in a photograph.

    Attributes:
        probabilities: by plane, ``float32 (height, width)`` in [0, 1], 0 outside the field of view.
        field: the field of view, ``bool (height, width)``.
    """

    probabilities: dict[str, Probability]
    field: Mask


def predict(
    model: SegmenterModel,
    photograph: Photograph,
    *,
    flips: Sequence[tuple[int, ...]] = FLIPS,
    field: Mask | None = None,
) -> Prediction:
    """What a segmenter sees in a photograph of any size.

    Args:
        model: the segmenter; its network keeps its mode and device.
        photograph: ``uint8 (height, width, 3)``.
        flips: dimensions that are mirrored, for each look; the looks are averaged. One is faster and a little worse.
        field: the field of view, where it has been found, ``bool (height, width)``.

    Raises:
        ImageError: the picture is black or of one colour.
    """
    if field is None:
        field = find_field_of_view(photograph)
    if not np.ptp(photograph, axis=(0, 1)).any():
        raise ImageError("The picture does not look like a fundus: it is of one colour", expected="a fundus photograph")
    frame = frame_of(field)
    config = model.config
    with evaluated(model.network):
        layers = _seen(model, photograph, field, frame, config.seen_px, flips)
        if config.looks == "closer":
            plane = config.planes.index("disc")
            surest = 0.0
            for closer, weight in _likely_discs(layers[plane], frame):
                look = _seen(model, photograph, field, closer, config.crop_px, flips)
                if (sureness := weight * promised_dice(look[plane], look[plane] > 0.5)) > surest:
                    surest, nearest = sureness, look
            if surest and (found := largest_part(nearest[plane] > 0.5)).any():
                layers = _seen(model, photograph, field, _around(found, frame), config.crop_px, flips)
    return Prediction(dict(zip(config.planes, layers, strict=True)), field)


def found_planes(model: SegmenterModel, seen: Prediction) -> dict[str, Mask]:
    """What was seen, cut at the thresholds of the model.

    Disc and cup have smooth outlines (`outline`); the cup lies inside the disc. Where no disc is, neither plane is
    there at all, since that says nothing of the eye. Specks of vessel too small to be one are left out.

    Returns:
        By plane ``bool (height, width)``.
    """
    thresholds = model.config.thresholds
    planes = {plane: layer >= thresholds[plane] for plane, layer in seen.probabilities.items()}
    for plane in {"vessels", "arteries", "veins"} & planes.keys():
        planes[plane] = _without_specks(planes[plane], seen.field)
    if "disc" in planes:
        planes["disc"] = outline(planes["disc"])
        if not planes["disc"].any():
            return {plane: mask for plane, mask in planes.items() if plane not in {"disc", "cup"}}
        if "cup" in planes:
            planes["cup"] = outline(planes["cup"] & planes["disc"]) & planes["disc"]
    return planes


def largest_part(mask: Mask) -> Mask:
    """The largest connected part of a mask, its holes filled; an empty mask stays empty."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(parts == largest), np.bool_)


def outline(mask: Mask) -> Mask:
    """The convex outline of the largest part of a mask, without what sticks out of it, such as vessels; may be empty.

    People draw discs and cups as smooth convex shapes, over the vessels.
    """
    part = largest_part(mask)
    if not part.any():
        return part
    window = ndimage.find_objects(part.astype(np.uint8))[0]
    cut = np.pad(part[window], 1)
    reach = _SPIKE * math.sqrt(4 * cut.sum() / math.pi)
    core = ndimage.distance_transform_edt(cut) > reach
    if core.any():
        cut = largest_part(ndimage.distance_transform_edt(~core) <= reach)
    smooth = np.zeros_like(part)
    smooth[window] = convex_hull_image(cut)[1:-1, 1:-1]  # type: ignore[no-untyped-call]
    return smooth


def promised_dice(probability: Probability, found: Mask) -> float:
    """The Dice overlap that a mask would have with the truth if its probabilities were right.

    Expected hits over expected sizes, 2 sum(p in found) / (|found| + sum(p)); 0 for an empty mask.

    Example:
        >>> promised_dice(np.array([[1.0, 0.5, 0.0]], np.float32), np.array([[True, True, False]]))
        0.8571428571428571
    """
    count = int(found.sum())
    if count == 0:
        return 0.0
    return float(2 * probability[found].sum(dtype=np.float64) / (count + probability.sum(dtype=np.float64)))


def why_no_disc(planes: Mapping[str, Mask], confidence: float) -> str:
    """Why what was found cannot be a disc, in a few words; empty where it can.

    Args:
        planes: the field of view and what was found, by plane ``bool (height, width)``.
        confidence: of the disc (`promised_dice`).
    """
    disc = planes.get("disc")
    if disc is None:
        return "none was found in the picture"
    if confidence < _LEAST_CONFIDENCE:
        return f"what looks most like one was found with confidence {confidence:.2f} only"
    area = float(disc.sum())
    share = 2 * np.sqrt(area / np.pi) / frame_of(planes["fov"]).side
    if not _DISC_DIAMETERS[0] <= share <= _DISC_DIAMETERS[1]:
        return f"what looks like one has {share:.0%} of the diameter of the field of view"
    if roundness(disc) < _LEAST_ROUNDNESS:
        return f"what looks like one is not round (roundness {roundness(disc):.2f})"
    return ""


def roundness(mask: Mask) -> float:
    """Share of the circle of the same area and centre that a mask fills: 1 for a circle.

    Example:
        >>> rows, columns = np.mgrid[:99, :99]
        >>> round(roundness((rows - 49) ** 2 + (columns - 49) ** 2 < 900), 1)
        1.0
    """
    row, column = ndimage.center_of_mass(mask)
    rows, columns = np.nonzero(mask)
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= len(rows) / np.pi
    return float(inside.mean())


def _without_specks(mask: Mask, field: Mask) -> Mask:
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    keep = sizes >= _SMALLEST_VESSEL * frame_of(field).side ** 2
    keep[0] = False
    return np.asarray(keep[parts], np.bool_)


def _seen(
    model: SegmenterModel,
    photograph: Photograph,
    field: Mask,
    frame: Frame,
    size_px: int,
    flips: Sequence[tuple[int, ...]],
) -> list[Probability]:
    """The probability of each plane, in the pixels of the photograph, from what lies in a frame; 0 out of the field."""
    weight = next(model.network.parameters())
    picture = torch.from_numpy(into_frame(photograph, frame, size_px).transpose(2, 0, 1).astype(np.float32) / 255)
    inside = torch.from_numpy(into_frame(field.astype(np.uint8) * np.uint8(255), frame, size_px) > 127).float()
    inputs = torch.cat([picture, inside[None]])[None].to(weight)
    translates = model.config.network.architecture == "pix2pix"  # whose depth fits one size alone
    window = model.config.crop_px if translates else min(size_px, _WINDOW_PX)

    def probabilities(batch: Tensor) -> Tensor:
        with in_bf16(weight.device):
            logits: Tensor = model.network(batch[:, :3], batch[:, 3:])
        return torch.sigmoid(logits.float())

    total = torch.zeros(())
    for flip in flips:
        answer = sliding_window_inference(
            inputs.flip(flip), (window, window), 1, probabilities, overlap=0.25, mode="gaussian"
        )
        if not isinstance(answer, Tensor):
            raise TypeError(f"sliding windows gave {type(answer).__name__}")
        total = total + answer.flip(flip)
    layers: list[Probability] = list(finite(total[0] / len(flips)))
    height, width = field.shape
    return [out_of_frame(np.ascontiguousarray(layer), frame, (height, width)) * field for layer in layers]


def _likely_discs(disc: Probability, whole: Frame) -> list[tuple[Frame, float]]:
    """Where the disc may be, as frames of close looks, each with its weight: the sum of the probabilities there."""
    highest = float(disc.max())
    if highest < _LEAST_DISC:
        return []
    parts, count = ndimage.label(disc > _SEEDS * highest)
    weights = ndimage.sum_labels(disc, parts, np.arange(1, count + 1))
    largest = np.argsort(-weights)[:_MOST_LOOKS]
    return [(_around(parts == part + 1, whole), float(weights[part])) for part in largest]


def _around(disc: Mask, whole: Frame) -> Frame:
    """The close look at a disc in the frame of the whole field."""
    rows, columns = np.nonzero(disc)
    diameter = max(2 * math.sqrt(len(rows) / math.pi), _SMALLEST_DISC * whole.side)
    return Frame(float(rows.mean()) + 0.5, float(columns.mean()) + 0.5, diameter / _DISC_SHARE)
