"""What if this eye were different? The same eye in the same style and noise, with one thing changed.

An eye is photographed twice by a generator: as its label map is, and as it is after an edit. All that is drawn at
random (style, noise) is the same, so what differs is what the edit does, and what the network makes of it elsewhere,
which is measured. The pictures illustrate what was asked for. They are no clinical prediction: nobody has learnt from
eyes that were photographed before and after.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import retinasynth
from retinasynth.anatomy.edits import Severity, with_cup, with_lesions, with_narrower_vessels
from retinasynth.anatomy.grow import grow
from retinasynth.checks import checked_seed, real_number
from retinasynth.data.find import find_eyes, fit_mask, read_eye
from retinasynth.errors import DataError, InputError, SettingError
from retinasynth.eye import Eye, usable
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.eye import LESIONS
from retinasynth.eye.frame import frame_of
from retinasynth.eye.style import StyleChoice
from retinasynth.generator import Generator
from retinasynth.images import Mask, Photograph, read_mask, read_photograph, stem_of
from retinasynth.segmentation.use import segment

NOTICE = "An illustration of what was asked for. It is not a clinical prediction, and not for diagnosis."
GOAL = 2.0  # grey levels: the mean change that is allowed outside the edited region
MARGIN = 1 / 64  # of the field of view's diameter: so far around what differs in the labels the edited region reaches
CUPS = (0.0, 0.95)  # vertical cup-to-disc ratios
NARROWEST = 0.5  # share of its calibre that is left to a vessel
SHOWN_CHANGE = 40  # grey levels: the end of the colour scale
_CLOSE_UP = 0.6  # of the picture: an edited region that is smaller is shown close up too
_MEASURES = ("cup_to_disc_vertical", "artery_to_vein_ratio", "vessel_density", "calibre_mean_px")


@dataclass(frozen=True)
class Edit:
    """What shall be different; None leaves it as it is.

    Attributes:
        cup: vertical cup-to-disc ratio, 0 (no cup) to 0.95.
        lesions: of diabetic retinopathy: ``"none"`` removes them; the others draw them anew, see
            `retinasynth.anatomy.edits.SEVERITIES`.
        narrow: share of their calibre that vessels keep, `NARROWEST` to below 1: the arteries where the label map tells
            them from veins, else all vessels.

    Raises:
        SettingError: nothing is asked for, or something impossible.
    """

    cup: float | None = None
    lesions: Severity | None = None
    narrow: float | None = None

    def __post_init__(self) -> None:
        if self.cup is None and self.lesions is None and self.narrow is None:
            raise SettingError("Nothing is to be changed", expected="at least one of: `cup`, `lesions`, `narrow`")
        if self.cup is not None:
            ratio = real_number(self.cup, "The cup-to-disc ratio", least=CUPS[0], most=CUPS[1])
            object.__setattr__(self, "cup", ratio)  # the only way in a frozen dataclass; a NumPy number is no JSON
        if self.lesions is not None and self.lesions not in get_args(Severity):
            raise SettingError(f"Lesions {self.lesions!r}", expected=f"one of: {', '.join(get_args(Severity))}")
        if self.narrow is not None:
            left = real_number(self.narrow, "The calibre that is left to vessels", least=NARROWEST, most=1, below=True)
            object.__setattr__(self, "narrow", left)

    @property
    def words(self) -> str:
        """What is asked for, in a few words."""
        parts = [
            f"cup-to-disc ratio {self.cup:.2f}" if self.cup is not None else "",
            {"none": "no lesions"}.get(self.lesions, f"{self.lesions} lesions") if self.lesions else "",
            f"vessels at {self.narrow:.0%} of their calibre" if self.narrow is not None else "",
        ]
        return ", ".join(part for part in parts if part)


# --- Edits of label maps -----------------------------------------------------------------------------------------


def edited(eye: Eye, edit: Edit, seed: int) -> Eye:
    """An eye's label map after an edit, without photograph; see `retinasynth.anatomy.edits`.

    Args:
        eye: with the planes that the edit needs.
        edit: what to change.
        seed: decides where new lesions lie.

    Raises:
        InputError: the label map does not tell what the edit needs.
    """
    changed = replace(eye, photograph=None)
    if edit.narrow is not None:
        changed = with_narrower_vessels(changed, edit.narrow)
    if edit.cup is not None:
        changed = with_cup(changed, edit.cup)
    if edit.lesions is not None:
        changed = with_lesions(changed, edit.lesions, seed)
    return changed


# --- Eyes to begin with ------------------------------------------------------------------------------------------


def grown_eye(model: Generator, seed: int, preset: str, parameters: Mapping[str, Any]) -> Eye:
    """A grown eye at the size of a model; see `retinasynth.anatomy.grow.grow`."""
    return grow(seed, model.config.size_px, people=preset, **parameters)


def eye_of_set(folder: Path, name: str | None) -> Eye:
    """An eye of a folder of label maps or of a data set.

    Args:
        folder: in any layout.
        name: which; needed where there are several.

    Raises:
        DataError: there is none of that name, or several.
    """
    eyes = find_eyes(folder, allow_unpaired=True).eyes
    chosen = [files for files in eyes if name is None or files.name == name]
    if len(chosen) != 1:
        some = ", ".join(files.name for files in eyes[:4])
        raise DataError(
            f"{folder} has {len(eyes)} eyes, {'and none was chosen' if name is None else f'none of them {name}'}",
            expected=f"`name` of one of them: {some}{' ...' if len(eyes) > 4 else ''}",
        )
    return read_eye(chosen[0])


def photographed_eye(photograph: Path, mask: Path | None) -> Eye:
    """An eye in a photograph, with the mask of its vessels or without.

    Raises:
        ImageError: a file cannot be read, or is tiny or full.
        DataError: the two have different shapes.
    """
    picture = read_photograph(photograph)
    size = picture.shape[0], picture.shape[1]
    planes = {} if mask is None else {"vessels": fit_mask(read_mask(mask), mask, photograph, size)}
    return usable(Eye(stem_of(photograph), planes, picture), mask or photograph)


def completed(eye: Eye) -> tuple[Eye, tuple[str, ...]]:
    """An eye whose vessels, disc and cup are looked for in its photograph where they are unknown.

    Returns:
        The eye and the planes that were found by a segmenter. Without a photograph nothing is.

    Raises:
        ImageError: the photograph shows no fundus.
    """
    if "vessels" not in eye.planes and eye.planes.keys() >= {"arteries", "veins"}:
        eye = replace(eye, planes={**eye.planes, "vessels": eye.planes["arteries"] | eye.planes["veins"]})
    known = eye.planes.keys()
    models = [name for name, planes in (("vessels", {"vessels"}), ("disc-cup", {"disc", "cup"})) if planes - known]
    if eye.photograph is None or not models:
        return eye, ()
    seen = segment(eye.photograph, models=models).eye.planes
    found = {plane: mask for plane, mask in seen.items() if plane not in known}
    if "cup" in found and "disc" in known:
        found["cup"] = found["cup"] & eye.planes["disc"]
    return replace(eye, planes={**eye.planes, **found}), tuple(sorted(found))


# --- The two photographs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """By how much the two photographs differ, in grey levels: the mean over channels and pixels of the field of view.

    Attributes:
        inside: in the edited region.
        outside: in the rest.
        outside_unblended: the same before the photographs were blended.
        largest_outside: the largest over all pixels there, of the mean over channels.
        region_share: the edited region's part of the field of view.
        margin_px: by which the region reaches beyond what differs in the labels.
        is_blended: whether the photograph after was laid into the one before, since too much differed outside.
    """

    inside: float
    outside: float
    outside_unblended: float
    largest_outside: float
    region_share: float
    margin_px: float
    is_blended: bool


@dataclass(frozen=True)
class WhatIf:
    """An eye before and after an edit.

    Attributes:
        edit: what was asked for.
        before: the label map with its photograph; a generated one, even where a real one lent its style.
        after: likewise.
        region: the edited region, ``bool (height, width)``.
        change: by how much the photographs differ.
        found: planes that a segmenter found in the photograph that was given.
        assumed_empty: planes of lesions that are unknown and were taken as empty before an edit of lesions.
        provenance: model, seed and style.
    """

    edit: Edit
    before: Eye
    after: Eye
    region: Mask
    change: Change
    found: tuple[str, ...]
    assumed_empty: tuple[str, ...]
    provenance: Mapping[str, str]

    @property
    def difference(self) -> NDArray[np.float64]:
        """Absolute change in grey levels, mean over channels, ``(height, width)``."""
        return _difference(_photograph(self.before), _photograph(self.after))

    @property
    def pictures(self) -> list[Photograph]:
        """The photographs before and after, and the change, see `coloured`."""
        return [_photograph(self.before), _photograph(self.after), coloured(self.difference)]

    @property
    def close_up(self) -> tuple[slice, slice] | None:
        """The square around a disc with another cup, or around the edited region; None where it is most of it all."""
        return _window(self.region if self.edit.cup is None else self.after.planes["disc"])

    @property
    def metadata(self) -> dict[str, str]:
        """What the pictures say of themselves."""
        return {**self.provenance, "Illustration": NOTICE, "Edit": self.edit.words}

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``whatif.json``."""
        measured = [asdict(measure_eye(eye)) for eye in (self.before, self.after)]
        before, after = self.before.planes, self.after.planes
        return {
            "notice": NOTICE,
            "eye": self.before.name,
            "asked": {name: value for name, value in asdict(self.edit).items() if value is not None},
            "changed": {
                "pixels": {
                    plane: {"before": int(before[plane].sum()), "after": int(after[plane].sum())}
                    for plane in after
                    if (before[plane] != after[plane]).any()
                },
                "measures": {
                    name: {"before": measured[0][name], "after": measured[1][name]}
                    for name in _MEASURES
                    if measured[0][name] != measured[1][name]
                },
            },
            "change_in_grey_levels": {**asdict(self.change), "goal_outside": GOAL},
            "found_by_segmenters": list(self.found),
            "taken_as_empty": list(self.assumed_empty),
            "made_by": dict(self.provenance),
            "retinasynth": retinasynth.__version__,
        }


def what_if(
    eye: Eye,
    edit: Edit,
    model: Generator,
    *,
    seed: int = 0,
    style: StyleChoice | None = None,
    lesion_seed: int | None = None,
) -> WhatIf:
    """The photographs of an eye before and after an edit, in one style and with one noise.

    Args:
        eye: a label map, or a photograph with the planes that are known: the others are looked for in it, and its style
            is taken.
        edit: what to change.
        model: draws the photographs.
        seed: of style, noise and lesions.
        style: instead; as `Generator.generate` takes it.
        lesion_seed: of where new lesions lie, instead, so that they stay where they are in another style.

    Returns:
        Both, at the size of the eye. Where the photographs differ by more than `GOAL` outside the edited region, the
        one after is laid into the one before, with an edge as soft as the margin is wide.

    Raises:
        InputError: the label map does not tell what the edit needs, the model does not draw it, or nothing changes.
        ImageError: the photograph shows no fundus.
    """
    seed, lesion_seed = checked_seed(seed), None if lesion_seed is None else checked_seed(lesion_seed, "lesion_seed")
    known, found = completed(eye)
    unknown = tuple(plane for plane in LESIONS if plane not in known.planes)
    # To remove lesions where none is known is an error; else an unknown plane would change all over the picture.
    is_told = edit.lesions not in (None, "none") or (edit.lesions == "none" and len(unknown) < len(LESIONS))
    assumed = unknown if is_told else ()
    before = replace(known, planes={**known.planes, **dict.fromkeys(assumed, np.zeros(eye.size, np.bool_))})
    after = edited(before, edit, seed if lesion_seed is None else lesion_seed)
    drawn = [plane for plane in ("vessels", *model.config.planes) if plane in before.planes or plane in after.planes]
    nothing = np.zeros(eye.size, np.bool_)
    differing = [before.planes.get(plane, nothing) ^ after.planes.get(plane, nothing) for plane in drawn]
    differs: Mask = np.logical_or.reduce([one for one in differing if one.any()] or [nothing])
    if not differs.any():
        raise InputError(
            f"Nothing changes in what {model.name} draws of eye {eye.name} ({edit.words})",
            expected=f"an edit of what it is made from: {', '.join(model.config.planes)}",
        )
    chosen = eye.photograph if style is None and model.styles else style
    labels = [replace(one, photograph=None) for one in (before, after)]
    if "fov" not in known.planes and eye.photograph is not None:
        labels = [replace(one, photograph=eye.photograph) for one in labels]  # the field of view is found in it
    first, second = model.generate(labels, seed=seed, size="mask", style=chosen)
    field = known.planes.get("fov", np.ones(eye.size, np.bool_))
    margin = MARGIN * frame_of(field).side
    away = ndimage.distance_transform_edt(~differs)
    region: Mask = away <= margin
    outside = field & ~region
    unblended = _mean(_difference(first, second), outside)
    is_blended = unblended > GOAL
    if is_blended:
        weight = np.clip(2 - away / margin, 0, 1)[..., np.newaxis]
        second = np.rint(first + weight * (second.astype(np.float64) - first)).astype(np.uint8)
    difference = _difference(first, second)
    change = Change(
        _mean(difference, field & region),
        _mean(difference, outside),
        unblended,
        float(difference[outside].max()) if outside.any() else 0.0,
        float((field & region).sum() / field.sum()),
        margin,
        is_blended,
    )
    said = "its own photograph" if style is None and eye.photograph is not None else model.style_name(style)
    provenance = model.provenance(seed, style) | ({"Style": said} if model.styles else {})
    return WhatIf(
        edit,
        replace(before, photograph=first),
        replace(after, photograph=second),
        region,
        change,
        found,
        assumed,
        provenance,
    )


def _photograph(eye: Eye) -> Photograph:
    return np.zeros((*eye.size, 3), np.uint8) if eye.photograph is None else eye.photograph


def _difference(first: Photograph, second: Photograph) -> NDArray[np.float64]:
    away: NDArray[np.float64] = np.abs(first.astype(np.float64) - second).mean(axis=2)
    return away


def _mean(values: NDArray[np.float64], where: Mask) -> float:
    return float(values[where].mean()) if where.any() else 0.0


def coloured(difference: NDArray[np.float64]) -> Photograph:
    """A change in colours: black is none, and pale yellow is `SHOWN_CHANGE` grey levels or more."""
    shades = mpl.colormaps["inferno"](np.clip(difference / SHOWN_CHANGE, 0, 1))
    return np.asarray(np.rint(255 * shades[..., :3]), np.uint8)


def _window(part: Mask) -> tuple[slice, slice] | None:
    """The square around a part of the picture, a little wider; None where it is most of it."""
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    side = round(1.3 * max(np.ptp(rows), np.ptp(columns)))
    if side >= _CLOSE_UP * min(part.shape):
        return None
    starts = [
        int(np.clip((along[0] + along[-1] - side) // 2, 0, length - side))
        for along, length in zip((rows, columns), part.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)
