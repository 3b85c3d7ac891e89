"""Sets of grown eyes on disk: labels, phantom photographs and a manifest; in parallel, and resumable (`resumable`).

Every eye has its own seed, the first one's plus its number. Where people have two eyes each, the person of a seed is
half of it, rounded down.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

import retinasynth
from retinasynth.anatomy.follow_up import MOST_VISITS, Visit, follow_up
from retinasynth.anatomy.grow import RECIPE, anatomy_of, grow
from retinasynth.anatomy.render.photograph import RENDERING, Style, metadata_of, phantom_photograph
from retinasynth.checks import checked_seed, checked_workers, whole_number
from retinasynth.data.find import find_eyes
from retinasynth.data.matching import EyeFiles
from retinasynth.data.sets import ResumableSet, remove_left_over
from retinasynth.errors import SettingError
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.label_map import write_label_map
from retinasynth.files import cache_folder
from retinasynth.resuming import checksums

ASKED = "growing.json"


@dataclass(frozen=True)
class GrownSet:
    """What a set of grown eyes is made of.

    Attributes:
        seed: of the first eye.
        size_px: height and width.
        preset: the population that the eyes are drawn from.
        style: of the phantom photographs, or None for labels alone.
        parameters: of the anatomy, by name, that all eyes share.
        eyes_per_person: 1, or 2: a left and a right eye, which are alike (`retinasynth.anatomy.kinship`).
        visits: of each eye; 1, or more between which it changes (`retinasynth.anatomy.follow_up`).
        until: parameters at the last visit, by name.
    """

    seed: int = 0
    size_px: int = 512
    preset: str = "adult"
    style: Style | None = "natural"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    eyes_per_person: int = 1
    visits: int = 1
    until: Mapping[str, Any] = field(default_factory=dict)

    def person_of(self, seed: int) -> int | None:
        """Whose eye that of a seed is, where people have two each."""
        return seed // 2 if self.eyes_per_person == 2 else None


def as_style(name: str) -> Style:
    """A style by its name.

    Raises:
        SettingError: there is none of that name.
    """
    for style in get_args(Style):
        if style == name:
            return cast(Style, style)
    raise SettingError(f"`style` is {name!r}", expected=f"one of: {', '.join(get_args(Style))}")


def write_grown_set(out: Path, count: int, grown: GrownSet, *, workers: int | None = None) -> int:
    """Grow eyes and write them, or go on with a set that was begun.

    Args:
        out: a new or empty folder, or that of the same set, unfinished or smaller.
        count: how many eyes the set has in the end, at least 1.
        grown: what they are like.
        workers: processes; None takes one for each core.

    Returns:
        How many eyes were there already.

    Raises:
        SettingError: an impossible parameter; nothing is written.
        OutputError: `out` holds something else, or cannot be written, or a worker was killed.
        InterruptedRunError: the user stopped it; finished eyes are kept.
    """
    count, workers = whole_number(count, "count"), checked_workers(workers)
    grown = _checked(grown)
    asked = {"retinasynth": retinasynth.__version__, "recipe": RECIPE, **asdict(grown)}
    write_one = functools.partial(_write_one, out, grown)
    kept = ResumableSet(out, ASKED, asked, grown.seed, write_one, "grown eyes", "Growing", visits=grown.visits)
    return kept.write(count * grown.visits, workers=workers) // grown.visits


def _checked(grown: GrownSet) -> GrownSet:
    """With plain values ("0.70" becomes 0.7); what is impossible is refused."""
    seed = checked_seed(grown.seed)
    whole_number(grown.eyes_per_person, "eyes_per_person", most=2)
    whole_number(grown.visits, "visits", most=MOST_VISITS)
    if grown.eyes_per_person == 2 and "laterality" in grown.parameters:
        raise SettingError(
            "laterality is given beside eyes_per_person",
            expected="one of them: a person has a left and a right eye",
        )
    if grown.style is not None:
        as_style(grown.style)
    parameters, until, person = dict(grown.parameters), dict(grown.until), grown.person_of(seed)
    if grown.visits > 1 or until:
        follow_up(seed, grown.visits, until, grown.size_px, people=grown.preset, person=person, **parameters)
    else:
        grow(seed, grown.size_px, people=grown.preset, person=person, **parameters)
    first, last = (anatomy_of(seed, grown.preset, given, person) for given in (parameters, parameters | until))
    return replace(
        grown,
        seed=seed,
        parameters={name: getattr(first, name) for name in parameters},
        until={name: getattr(last, name) for name in until},
    )


def _write_one(out: Path, grown: GrownSet, number: int) -> dict[str, Any]:
    seed, parameters = grown.seed + number // grown.visits, dict(grown.parameters)
    person = grown.person_of(seed)
    if grown.visits == 1:
        eye = grow(seed, grown.size_px, people=grown.preset, person=person, **parameters)
        anatomy, whose = anatomy_of(seed, grown.preset, parameters, person), {}
    else:
        visit = _visits(json.dumps(asdict(grown)), seed)[number % grown.visits]
        eye, anatomy, whose = visit.eye, visit.anatomy, {"visit": visit.number, "changed": dict(visit.changed)}
    if grown.visits > 1 or person is not None:
        subject = f"grown_{seed:06d}" if person is None else f"person_{person:06d}"
        its_eye = subject if person is None else f"{subject}_{anatomy.laterality}"
        whose = {"subject": subject, "eye": its_eye, **whose}
        eye = replace(eye, name=its_eye if grown.visits == 1 else f"{its_eye}_{whose['visit']}")
    if grown.style is not None:
        eye = replace(eye, photograph=phantom_photograph(eye, seed, grown.style, person=person))
    remove_left_over(out, eye.name)
    write_label_map(out, eye, metadata_of(eye, seed))
    return {
        "name": eye.name,
        "seed": seed,
        **whose,
        "preset": grown.preset,
        "style": grown.style,
        "size_px": grown.size_px,
        "retinasynth": retinasynth.__version__,
        "recipe": RECIPE,
        "licence_of_training_data": "none: procedural, from no photograph",
        "parameters": anatomy.model_dump(),
        "biomarkers": asdict(measure_eye(eye)),
        "sha256": checksums(out, eye.name),
    }


@functools.lru_cache(maxsize=1)
def _visits(asked: str, seed: int) -> list[Visit]:
    """All visits of an eye of a `GrownSet`, given as JSON; one process writes them one after another."""
    grown = GrownSet(**json.loads(asked))
    return follow_up(
        seed,
        grown.visits,
        grown.until,
        grown.size_px,
        people=grown.preset,
        person=grown.person_of(seed),
        **grown.parameters,
    )


# What the set that segmenters learn from consists of: population, angle of view (degrees), what the camera is
# pointed at, shape of the field of view, style of the photographs.
_MIXTURE: tuple[tuple[str, float, str, str, Style], ...] = (
    ("child", 30.0, "disc", "round", "randomised"),
    ("adult", 45.0, "macula", "round", "randomised"),
    ("diabetic", 50.0, "macula", "cut", "randomised"),
    ("elderly", 35.0, "macula", "round", "randomised"),
    ("hypertensive", 60.0, "macula", "cut", "randomised"),
    ("glaucomatous", 30.0, "disc", "round", "randomised"),
    ("glaucomatous", 60.0, "macula", "cut", "randomised"),
    ("glaucomatous", 35.0, "disc", "round", "natural"),
    ("glaucomatous", 45.0, "macula", "round", "natural"),
    ("glaucomatous", 60.0, "macula", "cut", "natural"),
    ("diabetic", 50.0, "macula", "cut", "natural"),
    ("child", 40.0, "disc", "round", "natural"),
    ("adult", 25.0, "macula", "round", "natural"),  # in most of these there is no disc
)


def grown_eyes(count: int, size_px: int) -> list[EyeFiles]:
    """Grown eyes of many populations, photographed by many cameras; in the cache folder, made on first use.

    Args:
        count: how many eyes in all.
        size_px: height and width.
    """
    eyes: list[EyeFiles] = []
    for number, (preset, angle_deg, centred_on, aperture, style) in enumerate(_MIXTURE):
        share = count // len(_MIXTURE) + (number < count % len(_MIXTURE))
        if share:
            parameters = {"angle_deg": angle_deg, "centred_on": centred_on, "aperture": aperture}
            grown = GrownSet((number + 1) * 1_000_000, size_px, preset, style, parameters)
            name = f"{number + 1}-{preset}-{size_px}px-recipe{RECIPE}.{RENDERING}"
            folder = cache_folder() / "grown" / name
            write_grown_set(folder, share, grown)
            eyes += find_eyes(folder).eyes[:share]  # an earlier run may have asked for more
    return eyes
