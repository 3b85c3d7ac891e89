"""The atlas that eyes grow from: `python docs/bundled_atlas.py CHASE_DB1 HRF IDRID IDRID_GRADING [--work FOLDER]`.

The photographs of these sets are labelled by the bundled segmenters (an hour; gone on with where it stopped), twins
removed. The vessels of the training eyes whose arteries and veins could be told are traced from the disc outward, mixed
with those of all others, and written into the package with a card. What is printed, and stands in the card, is how much
of one person is left in a mixed eye, and whether a mixed or a grown eye lies nearer to a real one than people lie to
each other.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy import ndimage
from scipy.spatial import KDTree

from retinasynth.anatomy.atlas.courses import HUB, Course, Courses, from_disc, warped, without
from retinasynth.anatomy.atlas.mixing import Library, mixed
from retinasynth.anatomy.atlas.store import Atlas, Mixed, atlas_file, bundled_atlas, write_atlas
from retinasynth.anatomy.atlas.tracing import Traced, trace
from retinasynth.anatomy.branches import ARTERY, STEP, VEIN, Territory
from retinasynth.data.find import find_eyes, read_eye
from retinasynth.eye import Eye
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.segmentation.labelling import label_sets
from retinasynth.segmentation.use import OUTLINES, Segmenter

LEAST_TOLD = 0.25  # of the vessels' area is known to be artery or vein
LEAST_SHARE = 0.3  # of the length that either kind has, and that lies above or below the disc
LEAST_ASIDE_DD = 0.6  # between disc and centre of the view: else it is not seen which eye it is
MOST_SIDE_BY_SIDE_DD = 1.5  # of arteries that run where veins do
BESIDE_DD, CROSSING_DD = 0.07, 0.4
SPARSEST = 10  # per cent of the eyes, those with the least vessel seen, are left out
FARTHEST_BEGIN_DD = 1.1  # from the disc's centre; what begins farther out has lost its trunk
STRETCH_DD = 1.0
WARP, TURN_DEG = 0.05, 3.0
MOST_OF_ONE = 0.4  # of the length beyond the hub may be one person's
NEAR_DD = 0.06  # centre lines so near to each other are one
CELL_DD = 0.03
MOST_ALIKE = 95  # per cent of people are less like their nearest other than a mixed eye may be like a real one


class Person(NamedTuple):
    """A traced eye."""

    name: str
    traced: Traced


def labelled(data: Sequence[Path], work: Path) -> Path:
    """The folder of the labelled photographs."""
    out = work / "labels"
    label_sets([Segmenter.load(name) for name in OUTLINES], data, out)
    return out


def traced_eyes(labels: Path) -> list[Person]:
    """The training eyes whose vessels can be traced."""
    people: list[Person] = []
    for files in track(find_eyes(labels).split("train"), "Tracing"):
        eye = read_eye(files)
        is_left = which_eye(eye)
        told = {"arteries", "veins"} <= eye.planes.keys()
        if is_left is None or not told or not eye.planes["disc"].any():
            continue
        if (eye.planes["arteries"] | eye.planes["veins"]).sum() < LEAST_TOLD * eye.planes["vessels"].sum():
            continue
        field = eye.planes.get("fov")
        if field is None and eye.photograph is not None:
            field = find_field_of_view(eye.photograph)
        found = trace({**eye.planes, "fov": field}, is_left=is_left, origin=len(people))
        found = found._replace(courses=rooted(found.courses))
        if is_balanced(found.courses) and side_by_side(found.courses) < MOST_SIDE_BY_SIDE_DD:
            people.append(Person(files.name, found))
    richness = np.array([length_of(one.traced.courses) / one.traced.reach**2 for one in people])
    return [one for one, rich in zip(people, richness, strict=True) if rich > np.percentile(richness, SPARSEST)]


def which_eye(eye: Eye) -> bool | None:
    """Whether it is a left eye: by its name in CHASE_DB1, else by the side of the disc."""
    if eye.name.startswith("chasedb1"):
        return eye.name.endswith("L")
    field = eye.planes["fov"] if "fov" in eye.planes else find_field_of_view(eye.photograph)
    across, disc = np.flatnonzero(field.any(axis=0)), np.flatnonzero(eye.planes["disc"].any(axis=0))
    aside = ((across[0] + across[-1]) - (disc[0] + disc[-1])) / 2
    return None if abs(aside) < LEAST_ASIDE_DD * (disc[-1] - disc[0]) else bool(aside > 0)


def rooted(courses: Courses) -> Courses:
    """Without vessels that lost their trunk; those that begin beside the disc begin on it."""
    gone: set[int] = set()
    for number, course in enumerate(courses):
        if course.parent in gone or (course.parent < 0 and course.distances[0] > FARTHEST_BEGIN_DD):
            gone.add(number)
    return from_disc(without(courses, gone)[0])


def length_of(courses: Sequence[Course]) -> float:
    """Of all vessels, in disc diameters."""
    return STEP * sum(len(course.points) for course in courses)


def is_balanced(courses: Courses) -> bool:
    """Whether there is enough of arteries and of veins, above and below."""
    if not courses:
        return False
    arteries = length_of([course for course in courses if course.kind == 0]) / length_of(courses)
    heights = np.concatenate([course.points[:, 1] for course in courses])
    above = float((heights < -HUB).sum() / max((np.abs(heights) > HUB).sum(), 1))
    return all(LEAST_SHARE < share < 1 - LEAST_SHARE for share in (arteries, above))


def side_by_side(courses: Courses) -> float:
    """How long arteries run where veins do, beyond the hub, in disc diameters: two vessels that a mask has in one."""
    veins = KDTree(np.concatenate([course.points for course in courses if course.kind == VEIN]))
    nodes = 0
    for course in courses:
        if course.kind == ARTERY:
            beside = (veins.query(course.points)[0] < BESIDE_DD) & (course.distances > HUB)
            pieces, count = ndimage.label(beside)
            lengths = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
            nodes += int(lengths[lengths * STEP > CROSSING_DD].sum())
    return nodes * STEP


def most_of_one(courses: Courses) -> float:
    """Which share of the length beyond the hub is that of the person who has most of it."""
    nodes = dict.fromkeys({course.origin for course in courses}, 0)
    for course in courses:
        nodes[course.origin] += int((course.distances > HUB).sum())
    return max(nodes.values()) / max(sum(nodes.values()), 1)


def raster(courses: Sequence[Course], half: float = 3.0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Centre lines beyond the hub on a grid, and all that is near to them."""
    side = round(2 * half / CELL_DD)
    grid = np.zeros((side, side), np.bool_)
    points = np.concatenate([course.points[course.distances > HUB] for course in courses])
    cells = np.floor((points + half) / CELL_DD).astype(int)
    cells = cells[((cells >= 0) & (cells < side)).all(axis=1)]
    grid[cells[:, 1], cells[:, 0]] = True
    return grid, ndimage.distance_transform_edt(~grid) * CELL_DD <= NEAR_DD


def nearest(some: Sequence[Courses], others: Sequence[Courses], *, same: bool = False) -> list[float]:
    """How much of each eye's vessels the most alike other eye has, too, and the other way round (the smaller share)."""
    rasters, known = [raster(one) for one in some], [raster(one) for one in others]
    best = []
    for number, (lines, near) in enumerate(track(rasters, "Comparing")):
        shares = [
            min((lines & other_near).sum() / max(lines.sum(), 1), (other & near).sum() / max(other.sum(), 1))
            for place, (other, other_near) in enumerate(known)
            if not (same and place == number)
        ]
        best.append(float(max(shares)))
    return best


def grown_courses(made: Atlas, count: int) -> list[Courses]:
    """The courses of eyes grown in the view of most photographs."""
    from retinasynth.anatomy.atlas.growing import grow_courses  # noqa: PLC0415 - needs the atlas that is made here

    territory = Territory((2.5, 0.35), 3.4, (2.5, 0.35), 0.36)
    return [
        grow_courses(np.random.default_rng(seed), territory, made, smaller_trunks=8, branches=65)
        for seed in range(count)
    ]


def main() -> None:
    """Make the atlas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", type=Path, help="CHASE_DB1, HRF, IDRiD and its grading part")
    parser.add_argument("--work", type=Path, default=Path("runs/atlas"))
    parser.add_argument("--labels", type=Path, help="photographs that are labelled already")
    parser.add_argument("--grown", type=int, default=100, help="eyes to compare with real ones")
    arguments = parser.parse_args()
    console = Console()
    people = traced_eyes(arguments.labels or labelled(arguments.data, arguments.work))
    random = np.random.default_rng(0)
    library = Library([person.traced.courses for person in people])
    eyes, shares, origins = [], [], []
    for person in track(people, "Mixing"):
        courses = person.traced.courses
        for _ in range(3):
            courses = mixed(random, courses, library, stretch_dd=STRETCH_DD)
            if most_of_one(courses) <= MOST_OF_ONE:
                break
        else:
            continue
        moved = warped(random, courses, amount=WARP, turn_deg=TURN_DEG)
        eyes.append(Mixed(moved, person.traced.centre, person.traced.reach))
        shares.append(most_of_one(courses))
        origins.append(len({course.origin for course in courses}))
    real = [person.traced.courses for person in people]
    between_people = nearest(real, real, same=True)
    alike = nearest([eye.courses for eye in eyes], real)
    eyes = [eye for eye, share in zip(eyes, alike, strict=True) if share <= np.percentile(between_people, MOST_ALIKE)]
    order = random.permutation(len(eyes))
    write_atlas(atlas_file(), [eyes[one] for one in order])
    made = bundled_atlas()
    figures: dict[str, object] = {
        "people": len(people),
        "mixed eyes": len(eyes),
        "bytes": (atlas_file()).stat().st_size,
        "people in a mixed eye, median": float(np.median(origins)),
        "most of one person in a mixed eye, beyond the hub, median": round(float(np.median(shares)), 3),
        "real, nearest other": quantiles(between_people),
        "mixed, nearest real": quantiles(nearest([eye.courses for eye in made.eyes], real)),
        "grown, nearest real": quantiles(nearest(grown_courses(made, arguments.grown), real)),
    }
    console.print_json(json.dumps(figures))
    atlas_file().with_name("README.md").write_text(card(figures), encoding="utf-8")


def card(figures: Mapping[str, object]) -> str:
    """What the atlas is, in words for its users."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures.items())
    return f"""# The atlas of courses

Where arteries and veins run in people, for eyes to be grown from (`retinasynth.anatomy.atlas`). Made by
`python docs/bundled_atlas.py CHASE_DB1 HRF IDRID IDRID_GRADING` with the bundled segmenters `vessels` and `disc-cup`.

- **Learnt from** the training photographs of CHASE_DB1 (Kingston University, CC BY 4.0), HRF (Erlangen and Brno, CC BY
  4.0) and IDRiD (CC BY 4.0), one of each retina, whose arteries and veins can be told by colour in a quarter of the
  vessels' area or more. No test eye, and no photograph of LES-AV.
- **Holds** mixed eyes alone: beyond 0.8 disc diameters from the disc's centre, stretches of about a disc diameter of
  many people; nearer to it one person's courses, warped.
- **Limits**: most of these people have diabetes or glaucoma, and most photographs are centred on the macula, so that
  nasal courses beyond two disc diameters come from few; which vessels are arteries is told by a rule, and is wrong in
  places; thin vessels that the segmenter misses are missing.

| | |
|---|---|
{rows}

The last three rows give median, 95th percentile and largest of how much an eye's vessels beyond the hub lie within
{NEAR_DD} disc diameters of those of the most alike real eye, and the other way round (the smaller share).
"""


def quantiles(values: Sequence[float]) -> list[float]:
    """Median, 95th percentile and largest."""
    return [round(float(one), 3) for one in np.percentile(values, [50, 95, 100])]


if __name__ == "__main__":
    main()
