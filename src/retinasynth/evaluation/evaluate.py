"""Evaluation: generated photographs against the expected ones, beside the baselines, in one folder.

``evaluation.json``, ``pictures.csv``, ``panels/NAME.png`` and a self-contained ``report.html``.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from retinasynth import images
from retinasynth.datasets.layouts import EyeFiles, find_eyes, read_eye
from retinasynth.datasets.pairs import Pairs, load_pairs
from retinasynth.errors import DataError
from retinasynth.evaluation.baselines import NearestTrain, mean_image
from retinasynth.evaluation.fidelity import SIZE_PX, Fidelity, source_protocol
from retinasynth.evaluation.intervals import Estimate, bootstrap_mean
from retinasynth.evaluation.report import write_report
from retinasynth.evaluation.results import (
    LABELS,
    LOWER_IS_BETTER,
    MEAN_IMAGE,
    MODEL,
    NAMES,
    NEAREST_TRAIN,
    Evaluation,
    Example,
    Row,
    formatted,
)
from retinasynth.files import new_folder, write_json, write_text
from retinasynth.images import Photograph
from retinasynth.progress import progress
from retinasynth.synthesis.synthesizer import Synthesizer

# --- What can be evaluated ---------------------------------------------------------------------------------------


def evaluate_model(model: Path, data: Path, out: Path, *, seed: int = 0) -> Evaluation:
    """Evaluate a model on the test eyes of a data set, with the training eyes as baselines.

    Args:
        model: a run folder or a model folder; of a run, the loss curves are shown too.
        data: a data set with a test split.
        out: a new or empty folder for the results.
        seed: of the model's dropout; each picture adds its number.

    Raises:
        DataError: there are no test pairs.
        ModelError: there is no such model.
    """
    synthesizer = Synthesizer.load(model)
    found = find_eyes(data)
    if not found.split("test"):
        raise DataError(
            f"{data} has no test eyes ({len(found.eyes)} training eyes)",
            expected="a test split, which the model has not seen",
            do="Add a subjects.csv with the columns image, subject and split, or folders train/ and test/",
        )
    new_folder(out, what="an evaluation")
    # The measures want 256 px whatever size the model works at, so each is resized from the file, once.
    given = load_pairs(found.split("test"), synthesizer.config.size_px)
    test = load_pairs(found.split("test"), SIZE_PX)
    examples = []
    with progress("Generating", len(test)) as advance:
        for index, name in enumerate(test.names):
            mask, expected = np.asarray(test.masks[index]), np.asarray(test.photographs[index])
            generated = synthesizer.generate(np.asarray(given.masks[index]), seed=seed + index)
            examples.append(Example(name, test.eyes[index], mask, generated, expected))
            advance(index + 1, name)
    train_files = found.split("train")
    train = load_pairs(train_files, SIZE_PX) if train_files else None
    about = {
        "Model": synthesizer.name,
        "Preset": synthesizer.config.preset,
        "Training": f"{synthesizer.config.training.get('steps')} steps, {synthesizer.config.training.get('weights')}",
        "Data": f"{Path(data).name} ({found.layout}): {len(train_files)} training and {len(test)} test pictures",
        "Data licence": str(synthesizer.config.training.get("licence") or "not given"),
        "Seed": str(seed),
        "retinasynth": synthesizer.config.retinasynth_version,
    }
    log = Path(model) / "metrics.jsonl"
    return evaluate_examples(examples, train, out, about=about, training_log=log if log.is_file() else None)


def evaluate_folders(real: Path, fake: Path, out: Path) -> Evaluation:
    """Evaluate a folder of generated photographs against one of real ones, matched by name.

    Args:
        real: photographs, or any data set.
        fake: photographs of the same names, or a synthetic set.
        out: a new or empty folder for the results.

    Raises:
        DataError: the names do not match.
    """
    real_eyes = {eye.name: eye for eye in find_eyes(real).eyes}
    fake_eyes = {eye.name: eye for eye in find_eyes(fake).eyes}
    missing = sorted(set(fake_eyes) ^ set(real_eyes))
    if missing:
        raise DataError(
            f"{real} and {fake} do not hold the same names: {len(missing)} stand in one only, for example {missing[0]}",
            expected="the same file names in both",
        )
    new_folder(out, what="an evaluation")
    size = (SIZE_PX, SIZE_PX)
    examples = [
        Example(
            name,
            real_eyes[name].eye,
            None,
            images.resize_photograph(_photograph(fake_eyes[name]), size),
            images.resize_photograph(_photograph(real_eyes[name]), size),
        )
        for name in sorted(real_eyes)
    ]
    about = {"Real": Path(real).name, "Generated": Path(fake).name}
    return evaluate_examples(examples, None, out, about=about, training_log=None)


def _photograph(files: EyeFiles) -> Photograph:
    photograph = read_eye(files).photograph
    if photograph is None:
        raise DataError(f"{files.name} has no photograph")
    return photograph


# --- The evaluation itself ---------------------------------------------------------------------------------------


def evaluate_examples(
    examples: Sequence[Example],
    train: Pairs | None,
    out: Path,
    *,
    about: Mapping[str, str],
    training_log: Path | None,
) -> Evaluation:
    """Measure, compare with the baselines, and write everything into `out`.

    Args:
        examples: the test pictures.
        train: the training pairs, which the baselines are made of; None for no baselines.
        out: folder for the results.
        about: what the report says of model and data.
        training_log: the ``metrics.jsonl`` of the training, for its loss curves.
    """
    if not examples:
        raise DataError("There are no pictures to evaluate")
    mean = mean_image(list(train.photographs)) if train else None
    nearest = NearestTrain(list(train.photographs), list(train.masks)) if train else None
    rows = []
    with progress("Measuring", len(examples)) as advance:
        for number, example in enumerate(examples):
            answers = {MODEL: example.generated}
            if mean is not None:
                answers[MEAN_IMAGE] = mean
            if nearest is not None and example.mask is not None:
                answers[NEAREST_TRAIN] = nearest.photograph(example.mask)
            measured = {who: source_protocol(answer, example.expected) for who, answer in answers.items()}
            rows.append(Row(example, measured))
            _write_panel(out / "panels" / f"{example.name}.png", example)
            advance(number + 1, example.name)
    evaluation = _summarise(rows, about)
    write_json(out / "evaluation.json", evaluation.to_json())
    write_text(out / "pictures.csv", _csv(rows))
    write_report(out / "report.html", evaluation, mean, training_log)
    return evaluation


def _summarise(rows: Sequence[Row], about: Mapping[str, str]) -> Evaluation:
    eyes = [row.example.eye for row in rows]

    def values(who: str, measure: str) -> list[float]:
        return [getattr(row.fidelity[who], measure) for row in rows]

    everyone = list(rows[0].fidelity)
    figures = {who: {m: bootstrap_mean(values(who, m), eyes) for m in Fidelity._fields} for who in everyone}
    differences = {
        who: {m: bootstrap_mean(list(np.subtract(values(MODEL, m), values(who, m))), eyes) for m in Fidelity._fields}
        for who in everyone
        if who != MODEL
    }
    verdict = [sentence for who in differences for sentence in _verdict(who, figures, differences[who])]
    return Evaluation(tuple(rows), figures, differences, tuple(verdict), about)


def _verdict(
    baseline: str, figures: Mapping[str, Mapping[str, Estimate]], differences: Mapping[str, Estimate]
) -> list[str]:
    """Up to three sentences: where the model beats the baseline, where it does not, and where that is open."""
    better, worse, open_ = [], [], []
    for measure, difference in differences.items():
        model, other = figures[MODEL][measure].mean, figures[baseline][measure].mean
        text = f"{LABELS[measure]} {formatted(measure, model)} against {formatted(measure, other)}"
        if difference.low <= 0 <= difference.high:
            open_.append(text)
        elif (difference.mean < 0) == LOWER_IS_BETTER[measure]:
            better.append(text)
        else:
            worse.append(text)
    name = NAMES[baseline]
    sentences = []
    if worse:
        sentences.append(f"The model does not beat {name}: it is worse on {_listed(worse)}.")
    if open_:
        sentences.append(
            f"The model does not measurably beat {name} on {_listed(open_)}: the interval of the difference has zero."
        )
    if better:
        sentences.append(f"The model beats {name} on {_listed(better)}.")
    return sentences


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _write_panel(path: Path, example: Example) -> None:
    size = (SIZE_PX, SIZE_PX)
    titled = {
        "generated": images.resize_photograph(example.generated, size),
        "expected": images.resize_photograph(example.expected, size),
    }
    if example.mask is not None:
        titled = {"source": images.mask_as_photograph(images.resize_mask(example.mask, size)), **titled}
    images.write_photograph(path, images.draw_panels([list(titled.values())], list(titled), [example.name]))


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    everyone = list(rows[0].fidelity)
    prefix = {who: "" if who == MODEL else f"{who}_" for who in everyone}
    writer.writerow(["name", "eye", *(f"{prefix[who]}{measure}" for who in everyone for measure in Fidelity._fields)])
    for row in rows:
        figures = [f"{value:.6f}" for who in everyone for value in row.fidelity[who]]
        writer.writerow([row.example.name, row.example.eye, *figures])
    return text.getvalue()
