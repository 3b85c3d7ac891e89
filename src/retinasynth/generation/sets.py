"""Synthetic sets from nothing: eyes are grown, photographed by a generator, and written with their labels.

In parallel, resumable, and the same whatever the number of workers (`retinasynth.data.sets`). Every eye has
its own seed, the first one's plus its number, which decides its anatomy, the shape of its field of view, its style and
its noise.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import retinasynth
from retinasynth.anatomy.grow import RECIPE, anatomy_of, grow
from retinasynth.anatomy.landmarks import Aperture
from retinasynth.checks import checked_seed, checked_workers, real_number, whole_number
from retinasynth.data.sets import ResumableSet, remove_left_over
from retinasynth.errors import ImageError, SettingError
from retinasynth.eye import Eye
from retinasynth.eye.agreement import agreement
from retinasynth.eye.biomarkers import measure_eye
from retinasynth.eye.label_map import write_label_map
from retinasynth.files import sha256_of
from retinasynth.generation.generator import load as load_generator
from retinasynth.generator import Generator
from retinasynth.pages import file_and_page
from retinasynth.parallel import one_thread
from retinasynth.resuming import Line, checksums
from retinasynth.seeds import mixed_seed
from retinasynth.segmentation.model import SegmenterModel, load_segmenter
from retinasynth.segmentation.predict import found_planes, predict
from retinasynth.training.bundled import GENERATORS, model_folder
from retinasynth.training.model_folder import fingerprint_of

ASKED = "generating.json"
REJECTED = "rejected"  # in the manifest's line of an eye that was kept out
_OF_APERTURE = 2  # mixed into the seed, beside what decides the style
_GATE = "vessels"  # the bundled segmenter that looks for the vessels again


@dataclass(frozen=True)
class SyntheticSet:
    """What a synthetic set is made of.

    Attributes:
        model: a styled generator: the name of a bundled one, a run folder or a model folder.
        seed: of the first eye.
        size_px: height and width; None takes those that the model learnt at.
        preset: which people the eyes are of.
        style: as `Generator.generate` takes it, but a name or a path.
        min_structure: Dice with which the vessels must be found again; eyes below it are kept out. 0 looks for none.
        knobs: of the style, see `retinasynth.eye.style.turned`.
        parameters: of the anatomy, by name, that all eyes share.
        apertures: shapes of the field of view, of which each eye has one where `parameters` names none. Real cameras
            differ in it, and what learns from one shape alone may know it from the others by that.
    """

    model: str
    seed: int = 0
    size_px: int | None = None
    preset: str = "adult"
    style: str = "sampled"
    min_structure: float = 0.0
    knobs: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    apertures: tuple[Aperture, ...] = ("round", "cut")

    def parameters_of(self, seed: int) -> dict[str, Any]:
        """What is chosen about the eye of a seed."""
        random = np.random.default_rng(mixed_seed([seed, _OF_APERTURE]))
        return {"aperture": str(random.choice(self.apertures)), **self.parameters}


def rank_and_world() -> tuple[int, int]:
    """Which of how many processes this is, as torchrun and Lightning Fabric tell it; alone, 0 of 1.

    Raises:
        SettingError: the environment says something impossible.
    """
    texts = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    try:
        rank, world = map(int, texts)
    except ValueError:
        rank, world = -1, 0
    if not 0 <= rank < world:
        raise SettingError(
            f"The environment has RANK={texts[0]} and WORLD_SIZE={texts[1]}", expected="0 <= RANK < WORLD_SIZE"
        )
    return rank, world


def write_synthetic_set(
    out: Path, count: int, wanted: SyntheticSet, *, workers: int | None = None, shard: tuple[int, int] = (0, 1)
) -> int:
    """Grow and photograph eyes, or go on with a set that was begun.

    Writes ``images/``, a folder for each label plane, ``geometry/`` and ``manifest.jsonl``: for each eye seed, model,
    style, biomarkers, structure, checksums and the licence of the training data. Eyes that are kept out have a line
    with the reason.

    Args:
        out: a new or empty folder, or that of the same set, unfinished or smaller.
        count: how many eyes are made, at least 1; those that are kept out count too.
        wanted: what they are like.
        workers: processes; None takes one for each core.
        shard: which of how many parts of the set is written here (`retinasynth.data.sets.ResumableSet`).

    Returns:
        How many eyes were there already.

    Raises:
        SettingError: an impossible parameter; nothing is written.
        InputError: the model follows no style, or there is no such style.
        ModelError: there is no such model.
        OutputError: `out` holds something else, or cannot be written, or a worker was killed.
        InterruptedRunError: the user stopped it; finished eyes are kept.
    """
    count, workers = whole_number(count, "count"), checked_workers(workers)
    wanted = replace(wanted, seed=checked_seed(wanted.seed))
    real_number(wanted.min_structure, "min_structure", least=0, most=1, below=True)
    weights = fingerprint_of(model_folder(wanted.model, bundled=GENERATORS))
    model = _loaded(wanted.model, weights)
    size = wanted.size_px or model.config.size_px
    parameters = wanted.parameters_of(wanted.seed)
    eye = grow(wanted.seed, size, people=wanted.preset, **parameters)  # refuses what is impossible
    anatomy = anatomy_of(wanted.seed, wanted.preset, parameters).model_dump()
    wanted = replace(wanted, size_px=size, parameters={name: anatomy[name] for name in wanted.parameters})
    model.generate(eye, style=wanted.style, knobs=wanted.knobs)
    style, _ = file_and_page(Path(wanted.style))
    asked = {
        "retinasynth": retinasynth.__version__,
        "recipe": RECIPE,
        **asdict(wanted),
        "model": weights,
        **({"style photograph": sha256_of(style)} if style.is_file() else {}),
    }
    write_one = functools.partial(_write_one, Path(out), wanted, weights)
    kept = ResumableSet(Path(out), ASKED, asked, wanted.seed, write_one, "generated eyes", "Generating", shard)
    return kept.write(count, workers=workers)


@functools.lru_cache(maxsize=1)
def _loaded(model: str, weights: str) -> Generator:  # noqa: ARG001 - only a key
    """The generator of that name, loaded once as long as its file has this checksum."""
    return load_generator(model)


@functools.lru_cache(maxsize=1)
def _gate() -> SegmenterModel:
    return load_segmenter(model_folder(_GATE, bundled=(_GATE,)))


def _write_one(out: Path, wanted: SyntheticSet, weights: str, number: int) -> Line:
    seed = wanted.seed + number
    with one_thread():
        model = _loaded(wanted.model, weights)
        size = wanted.size_px or model.config.size_px
        parameters = wanted.parameters_of(seed)
        grown = grow(seed, size, people=wanted.preset, **parameters)
        photograph = model.generate(grown, seed=seed, size="mask", style=wanted.style, knobs=wanted.knobs)
        eye = replace(grown, name=f"synthetic_{seed:06d}", photograph=photograph)
        structure = _found_again(eye) if wanted.min_structure else None
    line: Line = {"name": eye.name, "seed": seed}
    if structure is not None:
        line["structure"] = round(structure, 4)
    if structure is not None and structure < wanted.min_structure:
        return line | {REJECTED: f"vessels found again with Dice {structure:.3f}, below {wanted.min_structure:g}"}
    remove_left_over(out, eye.name)
    write_label_map(out, eye, model.provenance(seed, wanted.style, wanted.knobs))
    return line | {
        "model": model.name,
        "style": model.style_name(wanted.style),
        "knobs": dict(wanted.knobs),
        "preset": wanted.preset,
        "size_px": size,
        "retinasynth": retinasynth.__version__,
        "recipe": RECIPE,
        "licence_of_training_data": model.config.training.get("licence", ""),
        "parameters": anatomy_of(seed, wanted.preset, parameters).model_dump(),
        "biomarkers": asdict(measure_eye(grown)),
        "sha256": checksums(out, eye.name),
    }


def _found_again(eye: Eye) -> float:
    """Dice of the vessels that a segmenter finds in the photograph with those that were asked for."""
    if eye.photograph is None:
        return 0.0
    gate = _gate()
    try:
        found = found_planes(gate, predict(gate, eye.photograph, flips=((),)))
    except ImageError:  # too dark to be a photograph
        return 0.0
    return agreement(found["vessels"], eye.planes["vessels"], eye.planes["fov"]).dice
