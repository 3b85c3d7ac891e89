"""What can be evaluated: a model on the test eyes of a data set, or a folder of pictures against another."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from retinasynth.checks import checked_seed
from retinasynth.data.find import DataSet, find_eyes, photograph_of, read_eye
from retinasynth.data.matching import EyeFiles, counterparts
from retinasynth.errors import DataError, SettingError
from retinasynth.evaluation.examples import Example, Reference
from retinasynth.evaluation.leaks import refuse_leaks
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.metrics.vessels_found import is_sampled
from retinasynth.evaluation.pictures import Pictures
from retinasynth.evaluation.results import Evaluation
from retinasynth.evaluation.run import evaluate_examples
from retinasynth.evaluation.sets import Real
from retinasynth.eye import Eye
from retinasynth.eye.style import StyleChoice
from retinasynth.files import new_folder
from retinasynth.generation.folder import find_masks
from retinasynth.generation.generator import load as load_generator
from retinasynth.generator import Generator
from retinasynth.images import Mask, Photograph, is_picture, resize_mask, resize_photograph
from retinasynth.pix2pix.data import Pairs, load_pairs
from retinasynth.progress import progress

MOST_UNSEEN = 400  # real photographs that a set is compared with as a whole
STYLES = ("expected", "sampled", "own", "fellow")
Fov = Literal["camera", "found", "own"]
FIELDS: Mapping[Fov, str] = {
    "camera": "as the camera usually has it, or else around the vessels",
    "found": "around the vessels",
    "own": "as in the real photograph",
}
SMOOTH = "These are the most likely photographs, which are smooth on purpose: judge the set by --style sampled."


class Conditions(NamedTuple):
    """Under which photographs are generated to be evaluated; see `evaluate_model`."""

    seed: int
    style: str = "expected"
    complete: bool = True
    fov: Fov = "camera"


def evaluate_model(
    model: Path,
    data: Path,
    out: Path,
    *,
    against: Path | None = None,
    seed: int = 0,
    style: str = "expected",
    sets: bool = True,
    network: Path | None = None,
    allow_leaks: bool = False,
    complete: bool = True,
    fov: Fov = "camera",
    labels: str | None = None,
) -> Evaluation:
    """Evaluate a model on the test eyes of a data set, with its training eyes as baselines.

    Args:
        model: a run folder or a model folder; of a run, the loss curves are shown too.
        data: a data set with a test split.
        out: a new or empty folder for the results.
        against: another model, which is compared with the first picture by picture.
        seed: of the models' dropout, or of style and noise; each picture adds its number.
        style: of styled models: ``"expected"`` for fidelity, ``"sampled"`` for realism, ``"own"``, that of each real
            photograph itself, or ``"fellow"``, that of the other eye of the same person.
        sets: measure realism, diversity and privacy too.
        network: an ONNX file with a network of one's own for realism.
        allow_leaks: go on where test eyes are in training, with a warning before everything else.
        complete: complete label maps without a disc first, as `Generator.generate` does.
        fov: of styled models: where label maps without one have their field of view: ``"camera"`` or ``"found"``, as
            `Generator.generate` says, or ``"own"``, as in the real photograph.
        labels: how label files that are not masks are coded, where that is not to be seen (`find_eyes`).

    Raises:
        DataError: there are no test pairs, test eyes are in training, or one is to have the style of a fellow and
            has none.
        ModelError: there is no such model.
        SettingError: there is no such style or seed, or no model that follows one.
    """
    if style not in STYLES:
        raise SettingError(f"`style` is {style!r}", expected=f"one of: {', '.join(STYLES)}")
    if fov not in FIELDS:
        raise SettingError(f"`fov` is {fov!r}", expected=f"one of: {', '.join(FIELDS)}")
    seed = checked_seed(seed)
    synthesizer = load_generator(model)
    other = load_generator(against) if against else None
    follows_style = any(one.styles for one in (synthesizer, other) if one)
    if style != "expected" and not follows_style:
        raise SettingError(f"`style` is {style}, but {synthesizer.name} follows none", do="Leave `style` out")
    found = find_eyes(data, labels=labels)
    train_files, test_files = found.split("train"), test_eyes(found)
    learnable = [one for one in train_files if one.photograph and one.has(["vessels"])]
    warning = refuse_leaks(train_files, test_files, allow=allow_leaks)
    if style == "fellow":
        _fellows(test_files)
    new_folder(out, what="an evaluation")
    # The measures want 256 px whatever size the model works at, so each is resized from the file, once; stretched
    # for every model, since the black bars of a letterbox are easy to be right about.
    test = load_pairs(test_files, SIZE_PX)
    train = load_pairs(learnable, SIZE_PX) if learnable else None
    training = synthesizer.config.training
    known = (training.get(name, "unknown") for name in ("steps", "pairs", "weights"))
    about = {
        "Model": f"{synthesizer.name}, preset {synthesizer.config.preset}",
        "Training": "{} steps on {} pairs; weights: {}".format(*known),
        **({"The other model": f"{other.name}, preset {other.config.preset}"} if other else {}),
        "Data": f"{found.folder.name}: {len(train_files)} training and {len(test_files)} test pictures",
        "Licence of the training data": str(training.get("licence") or "not given"),
        "Seed": str(seed),
        **({"Style": style} if follows_style else {}),
        **({"Fields of view that are not given": FIELDS[fov]} if follows_style else {}),
        **({} if complete else {"Label maps": "as they are, without looking for a disc where there is none"}),
        "retinasynth": synthesizer.config.retinasynth_version,
    }
    log = Path(model) / "metrics.jsonl"
    return evaluate_examples(
        _examples(synthesizer, other, test_files, test, Conditions(seed, style, complete, fov)),
        reference=Reference(train.names, list(train.photographs), list(train.labels[..., 0])) if train else None,
        out=out,
        about=about,
        training_log=log if log.is_file() else None,
        title=f"{synthesizer.name} on {found.folder.name}",
        count=len(test_files),
        real=_real(test_files, train_files) if sets else None,
        network=network,
        warning=warning,
        caution=SMOOTH if follows_style and style == "expected" else "",
    )


def _real(unseen: Sequence[EyeFiles], training: Sequence[EyeFiles]) -> Real:
    """The photographs of real eyes that a set is compared with; of very many unseen ones, about `MOST_UNSEEN`."""
    unseen = [files for files in unseen if is_sampled(files.name, len(unseen), MOST_UNSEEN)]
    sides = [Pictures.of_files([files for files in side if files.photograph]) for side in (unseen, training)]
    return Real(sides[0], sides[1] if len(sides[1]) else None)


def test_eyes(found: DataSet) -> tuple[EyeFiles, ...]:
    """The eyes that a model is evaluated on.

    Raises:
        DataError: there are none, or they have no vessels.
    """
    files = found.split("test")
    if not files:
        raise DataError(
            f"{found.folder} has no test eyes ({len(found.split('train'))} training eyes)",
            expected="a test split, which the model has not seen",
            do="Add a subjects.csv with the columns image, subject and split, or folders train/ and test/",
        )
    if not any("vessels" in one.planes for one in files):
        raise DataError(f"The test photographs in {found.folder} have no vessel masks", expected="pairs of both")
    return files


def _examples(
    model: Generator,
    other: Generator | None,
    files: Sequence[EyeFiles],
    test: Pairs,
    conditions: Conditions,
) -> Iterator[Example]:
    answers = generated(model, files, conditions)
    others = generated(other, files, conditions) if other else itertools.repeat(None)
    with progress("Evaluating", len(test)) as advance:
        for index, name in enumerate(test.names):
            mask, expected = np.asarray(test.labels[index, ..., 0]), np.asarray(test.photographs[index])
            asked, person = read_eye(files[index]), files[index].subject
            yield Example(name, test.eyes[index], mask, next(answers), expected, next(others), asked, person)
            advance(index + 1, name)


def generated(model: Generator, files: Sequence[EyeFiles], conditions: Conditions) -> Iterator[Photograph]:
    """What a model makes of the masks of these eyes, as it is evaluated; each picture adds its number to the seed.

    A styled model makes them in a style (`retinasynth.styled.encode.wanted_style`); ``"own"`` is that of the real
    photograph of the same eye, ``"fellow"`` that of the other eye of the same person, turned over.
    """
    seed, style, complete, fov = conditions
    fellows = _fellows(files) if style == "fellow" and model.styles else {}
    for index, one in enumerate(files):
        eye = read_eye(one)
        wanted: StyleChoice | None = style if model.styles else None
        if wanted == "own":
            wanted = _photograph(eye)
        elif wanted == "fellow":
            wanted = photograph_of(fellows[one.name])[:, ::-1]
        yield model.generate(
            eye if fov == "own" else replace(eye, photograph=None),
            seed=seed + index,
            size=model.evaluated_size,
            style=wanted,
            complete=complete,
            fov="found" if fov == "found" and model.styles else "camera",
        )


def _fellows(files: Sequence[EyeFiles]) -> dict[str, EyeFiles]:
    """For each eye the first photograph of the other eye of the same person.

    Raises:
        DataError: one has none.
    """
    found = {}
    for one in files:
        other = next(
            (two for two in files if two.subject == one.subject and two.eye != one.eye and two.photograph), None
        )
        if other is None:
            raise DataError(
                f"The style of a fellow eye was asked for, but {one.name} has none",
                expected="photographs of both eyes of each person on the test side, as in CHASE_DB1",
                do="Name the people in subjects.csv, or choose another `style`",
            )
        found[one.name] = other
    return found


def evaluate_folders(
    real: Path,
    fake: Path,
    out: Path,
    *,
    masks: Path | None = None,
    fov: Path | None = None,
    train: Path | None = None,
    sets: bool = True,
    network: Path | None = None,
    labels: str | None = None,
) -> Evaluation:
    """Evaluate a folder of generated photographs against one of real ones.

    Where both hold the same names, each is compared with its counterpart; where they share none, the two sets are
    compared as a whole.

    Args:
        real: photographs, or any data set; of one with test eyes these are compared, and its training eyes are what
            the generator is supposed to have learnt from.
        fake: generated photographs, or a synthetic set.
        out: a new or empty folder for the results.
        masks: vessel masks of the names of `fake`, or label maps; without it those of `fake`, else those of `real`.
        fov: masks of the field of view, of the names of `fake`; without it each is found in its photograph.
        train: photographs that the generator learnt from; without it the training eyes of `real`, if only test eyes
            were generated or none of them.
        sets: measure realism, diversity and privacy too.
        network: an ONNX file with a network of one's own for realism.
        labels: how label files of `masks`, or else of `real`, are coded where that is not to be seen (`find_eyes`).

    Raises:
        DataError: only some of the names match, or an eye has no photograph.
    """
    found = find_eyes(real, labels=None if masks else labels)
    real_eyes = {eye.name: eye for eye in found.eyes}
    fake_eyes = _under_names_of(real_eyes, find_eyes(fake).eyes)
    tested = {eye.name: eye for eye in found.split("test")}
    train_files: tuple[EyeFiles, ...] = ()
    is_paired = bool(fake_eyes.keys() & real_eyes.keys())
    if tested and (fake_eyes.keys() <= tested.keys() or not (is_paired or found.layout == "photographs")):
        real_eyes, train_files = tested, found.split("train")
    single = sorted(fake_eyes.keys() ^ real_eyes.keys())
    if is_paired and single:
        raise DataError(
            f"{real} and {fake} do not hold the same names: {len(single)} stand in one only, for example {single[0]}",
            expected="the same file names in both, or no name in both",
        )
    drawn = _of_the_same_names(_label_maps(masks, labels), fake_eyes, masks, fake) if masks else {}
    fields = _of_the_same_names(find_masks(fov, ("fov",)), fake_eyes, fov, fake) if fov else {}
    learnt_from = find_eyes(train).eyes if train else train_files
    new_folder(out, what="an evaluation")
    about = {"Real": Path(real).name, "Generated": Path(fake).name}
    if learnt_from:
        about["Taken for training photographs"] = f"{len(learnt_from)} of {Path(train or real).name}"
    return evaluate_examples(
        _matched(fake_eyes, real_eyes if is_paired else {}, drawn, fields),
        reference=Reference.of(_training(train_files)) if train_files else None,
        out=out,
        about=about,
        title=f"{Path(fake).name} against {Path(real).name}",
        count=len(fake_eyes),
        real=_real(list(real_eyes.values()), learnt_from) if sets else None,
        network=network,
    )


def _label_maps(folder: Path, labels: str | None) -> Sequence[EyeFiles]:
    """The label maps of a data set; pictures that lie in a folder of no plane are vessel masks."""
    are_masks = folder.is_dir() and any(is_picture(file) for file in folder.iterdir())
    return find_masks(folder, labels=labels) if are_masks else find_eyes(folder, labels=labels).eyes


def _under_names_of(wanted: Mapping[str, EyeFiles], eyes: Sequence[EyeFiles]) -> dict[str, EyeFiles]:
    """Eyes by name, or by the name in `wanted` that means the same."""
    names = counterparts([eye.name for eye in eyes], wanted)
    return {names[eye.name]: eye for eye in eyes}


def _of_the_same_names(
    given: Sequence[EyeFiles], wanted: Mapping[str, EyeFiles], masks: Path, fake: Path
) -> dict[str, EyeFiles]:
    by_name = _under_names_of(wanted, given)
    missing = sorted(wanted.keys() - by_name.keys())
    if missing:
        raise DataError(
            f"{masks} has no mask for {len(missing)} of {len(wanted)} pictures, for example {missing[0]}",
            expected=f"masks of the names in {fake}",
        )
    return by_name


def _matched(
    fake: Mapping[str, EyeFiles],
    real: Mapping[str, EyeFiles],
    drawn: Mapping[str, EyeFiles],
    fields: Mapping[str, EyeFiles],
) -> Iterator[Example]:
    """Each generated photograph with its real counterpart, if it has one, and the label map it was made from."""
    with progress("Evaluating", len(fake)) as advance:
        for number, (name, files) in enumerate(sorted(fake.items()), start=1):
            eye = read_eye(files.with_planes_alone(()) if name in drawn else files)
            counterpart = real.get(name)
            if counterpart and (name in drawn or eye.planes):
                counterpart = counterpart.with_planes_alone(())
            expected = read_eye(counterpart) if counterpart else None
            planes = (
                read_eye(drawn[name]).planes if name in drawn else eye.planes or (expected.planes if expected else {})
            )
            field = read_eye(fields[name]).planes["fov"] if fields else None
            if field is not None and planes:
                planes = {**planes, "fov": resize_mask(field, next(iter(planes.values())).shape)}
            yield Example(
                name,
                real[name].eye if name in real else files.eye,
                planes.get("vessels"),
                _photograph(eye),
                _photograph(expected) if expected else None,
                asked=_asked(name, planes, expected),
                person=real[name].subject if name in real else files.subject,
                field_of_view=field,
                file=None if files.side_by_side else files.photograph,
            )
            advance(number, name)


def _asked(name: str, planes: Mapping[str, Mask], counterpart: Eye | None) -> Eye | None:
    if not planes:
        return None
    size = next(iter(planes.values())).shape
    photograph = counterpart.photograph if counterpart else None
    if photograph is not None and photograph.shape[:2] != size:
        photograph = resize_photograph(photograph, (size[0], size[1]))
    return Eye(name, planes, photograph)


def _training(files: Sequence[EyeFiles]) -> Iterator[tuple[str, Photograph, Mask | None]]:
    for one in files:
        eye = read_eye(one)
        yield one.name, _photograph(eye), eye.planes.get("vessels")


def _photograph(eye: Eye) -> Photograph:
    if eye.photograph is None:
        raise DataError(f"{eye.name} has no photograph")
    return eye.photograph
