"""From pairs of pictures to ``evaluation.json``, ``pictures.csv``, ``panels/`` and ``report.html``."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from retinasynth.errors import DataError, ImageError
from retinasynth.evaluation.baselines import mean_image, nearest_train, phantom_of
from retinasynth.evaluation.findings import Finding
from retinasynth.evaluation.maps import agreement_picture, error_picture
from retinasynth.evaluation.metrics.fidelity import SIZE_PX, source_protocol, strict
from retinasynth.evaluation.metrics.privacy import Pictures
from retinasynth.evaluation.metrics.spectrum import Spectra
from retinasynth.evaluation.metrics.structure import vessels_found
from retinasynth.evaluation.metrics.vessels_found import (
    NOTHING_ASKED,
    Anatomy,
    FoundAgain,
    Judge,
    is_looked_at,
    one_thread_each,
    structure_part,
)
from retinasynth.evaluation.report import read_training_log, render
from retinasynth.evaluation.results import BASELINE_NAMES, Evaluation, Figures, Picture, summarise
from retinasynth.evaluation.sets import Real, set_parts
from retinasynth.eye import Eye
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.files import output_folder, write_json, write_text
from retinasynth.images import (
    Mask,
    Photograph,
    draw_panels,
    encoded,
    mask_as_photograph,
    read_photograph,
    resize_mask,
    resize_photograph,
    write_photograph,
)
from retinasynth.parallel import in_order
from retinasynth.tables import table_text

_SIZE = (SIZE_PX, SIZE_PX)
GENERATED = "Generated"  # title of a view


@dataclass(frozen=True)
class Example:
    """A generated photograph, and beside it the one that it should be, where there is one.

    Attributes:
        name: what its files are called, without suffix; unique within an evaluation.
        eye: the eye or person it shows; pictures of one eye count as one in the intervals.
        mask: the vessel mask it was made from, ``bool (height, width)``, or None where it is not known.
        generated: ``uint8 (height, width, 3)``.
        expected: ``uint8 (height, width, 3)``; its size may differ. None where there is no real counterpart.
        other: what another model generated from the same mask, or None.
        asked: the whole label map, with its real photograph where there is one, at the size that people drew it; None
            leaves structure out.
        person: whose eye it is; of a grown eye, empty.
        field_of_view: where the measures inside it compare, ``bool (height, width)``; None finds it in the photograph.
        file: where `generated` can be read again; without it, it is written to ``generated/NAME.png``.
    """

    name: str
    eye: str
    mask: Mask | None = field(repr=False)
    generated: Photograph = field(repr=False)
    expected: Photograph | None = field(default=None, repr=False)
    other: Photograph | None = field(default=None, repr=False)
    asked: Eye | None = field(default=None, repr=False)
    person: str = ""
    field_of_view: Mask | None = field(default=None, repr=False)
    file: Path | None = None


@dataclass(frozen=True)
class Reference:
    """The training eyes, which the baselines learn from. `Reference.of` makes one from pictures of any size.

    Attributes:
        names: one for each eye.
        photographs: ``uint8 (SIZE_PX, SIZE_PX, 3)``.
        masks: ``bool (SIZE_PX, SIZE_PX)``, or None where not every eye has one.

    Raises:
        DataError: there are no eyes, or not one photograph and mask for each.
    """

    names: Sequence[str]
    photographs: Sequence[Photograph] = field(repr=False)
    masks: Sequence[Mask] | None = field(repr=False)

    def __post_init__(self) -> None:
        counts = {len(self.names), len(self.photographs)} | ({len(self.masks)} if self.masks is not None else set())
        if counts == {0} or len(counts) > 1:
            raise DataError(
                f"{len(self.names)} names of training eyes, {len(self.photographs)} photographs and "
                f"{len(self.masks) if self.masks is not None else 'no'} masks",
                expected="at least one eye, and one of each for every eye",
            )

    @classmethod
    def of(cls, eyes: Iterable[tuple[str, Photograph, Mask | None]]) -> "Reference":
        """The reference made of ``(name, photograph, mask)``, read one at a time and kept at `SIZE_PX`.

        Raises:
            DataError: there are no eyes.
        """
        small = [
            (name, resize_photograph(photograph, _SIZE), None if mask is None else resize_mask(mask, _SIZE))
            for name, photograph, mask in eyes
        ]
        masks = [mask for _, _, mask in small if mask is not None]
        return cls(
            [name for name, _, _ in small],
            [photograph for _, photograph, _ in small],
            masks if len(masks) == len(small) else None,
        )


def evaluate_examples(
    examples: Iterable[Example],
    *,
    reference: Reference | None,
    out: Path,
    about: Mapping[str, str],
    training_log: Path | None = None,
    title: str,
    count: int = 0,
    real: Real | None = None,
    network: Path | None = None,
    warning: str = "",
    caution: str = "",
) -> Evaluation:
    """Measure `examples`; write ``evaluation.json``, ``pictures.csv``, ``panels/NAME.png`` and ``report.html``.

    ``shareable.html`` is the report without real photographs and masks.

    Args:
        examples: read once, one at a time; only what the report may show is kept of each.
        reference: the training eyes, or None to go without baselines. The mean training photograph needs the
            photographs; the nearest training eye needs masks of every training eye and of every example.
        out: the folder; files of those names in it are replaced.
        about: what was evaluated and how, in the order it is shown: model, data, command, settings, seed, version.
        training_log: the ``metrics.jsonl`` of the run, for the loss curves in the report.
        title: heading of the report.
        count: about how many examples there are; of very many, not every real photograph is looked at.
        real: real photographs that the whole set is compared with, for realism, diversity and privacy; None leaves
            these out.
        network: an ONNX file with a network of the user's own for realism, or None.
        warning: a sentence that must stand first, or none.
        caution: a sentence that must stand before what is said of the whole set, or none.

    Raises:
        DataError: there are no examples, two have one name, a name cannot be a file's, or the log cannot be read.
        InputError: a picture is not ``uint8 (height, width, 3)``.
        OutputError: a file cannot be written.
    """
    out = output_folder(out)
    losses = read_training_log(training_log) if training_log is not None else None
    mean = mean_image(reference.photographs) if reference is not None else None

    pictures: list[Picture] = []
    spectra = Spectra()
    structure = _Structure(count)
    made = _Made(out / "generated") if real is not None else None

    def measured(example: Example) -> tuple[Example, Picture, _Looked | None]:
        against = _Measured(example)
        looked = structure.look(example)
        picture = Picture(
            example.name,
            example.eye,
            against.figures(example.generated),
            against.baselines(example, reference, mean),
            _views(example) | (looked.views if looked else {}),
            math.nan if example.expected is None else against.vessels(example.expected),
            looked.generated.found_again if looked else NOTHING_ASKED,
        )
        _write_panel(out / "panels" / f"{example.name}.png", example, picture.model)
        if made is not None:
            made.write(example)
        return example, picture, looked

    with one_thread_each() as begin:
        prepared = map(structure.prepared, _named(examples))
        for example, picture, looked in in_order(measured, prepared, begin=begin):
            pictures.append(picture)
            spectra.add(example.generated, example.expected, example.other)
            structure.keep(example, looked)
            if made is not None:
                made.keep(example)
    if not pictures:
        raise DataError("There is nothing to evaluate", expected="at least one generated and expected photograph")

    findings = structure.findings()
    if real is not None and made is not None:
        first, *others = set_parts(made.pictures(real), real, network=network)
        findings += [replace(first, sentences=[caution, *first.sentences]) if caution else first, *others]
    evaluation = summarise(title, pictures, about, spectra.peaks(), findings, warning=warning)
    write_json(out / "evaluation.json", evaluation.to_json())
    write_text(out / "pictures.csv", _table(evaluation))
    write_text(out / "report.html", render(evaluation, mean=mean, losses=losses, spectra=spectra.drawn()))
    alone = generated_alone(evaluation)
    write_text(out / "shareable.html", render(alone, mean=None, losses=losses, spectra=spectra.drawn()))
    return evaluation


def generated_alone(evaluation: Evaluation) -> Evaluation:
    """An evaluation without real photographs and masks, where these may not be passed on; all figures stay."""
    pictures = [
        replace(picture, views={name: view for name, view in picture.views.items() if name == GENERATED})
        for picture in evaluation.pictures
    ]
    return replace(
        evaluation, pictures=pictures, findings=[replace(finding, galleries=()) for finding in evaluation.findings]
    )


class _Measured:
    """What answers to one example are measured against: its photograph, field of view and vessels, at `SIZE_PX`."""

    def __init__(self, example: Example) -> None:
        self.expected = example.expected
        self.mask = None if example.mask is None else resize_mask(example.mask, _SIZE)
        if example.field_of_view is not None:
            self.field_of_view = resize_mask(example.field_of_view, _SIZE)
            return
        try:
            shown = example.generated if example.expected is None else example.expected
            self.field_of_view = find_field_of_view(resize_photograph(shown, _SIZE))
        except ImageError:  # black: the source protocol still has an answer
            self.field_of_view = np.zeros(_SIZE, np.bool_)

    def figures(self, answer: Photograph) -> Figures:
        if self.expected is None:
            return Figures(vessels=self.vessels(answer))
        if not self.field_of_view.any():
            return Figures(*source_protocol(answer, self.expected))
        inside = strict(answer, self.expected, self.field_of_view)
        return Figures(*source_protocol(answer, self.expected), *inside, self.vessels(answer))

    def baselines(self, example: Example, reference: Reference | None, mean: Photograph | None) -> dict[str, Figures]:
        answers: dict[str, Figures] = {}
        if reference is not None and mean is not None:
            answers["mean_image"] = self.figures(mean)
            if example.mask is not None and reference.masks is not None:
                nearest = reference.photographs[nearest_train(example.mask, reference.masks)]
                answers["nearest_train"] = self.figures(nearest)
            if example.asked is not None and example.expected is not None:
                answers["phantom"] = self.figures(phantom_of(example.asked))
        if example.other is not None:
            answers["other_model"] = self.figures(example.other)
        return answers

    def vessels(self, answer: Photograph) -> float:
        if self.mask is None or not self.field_of_view.any():
            return math.nan
        return vessels_found(resize_photograph(answer, _SIZE), self.mask, self.field_of_view)


class _Looked(NamedTuple):
    """What the judge says of one example: of the photographs of the model, of the other one, and of the real eye."""

    generated: Anatomy
    other: Anatomy | None
    real: Anatomy | None
    views: dict[str, bytes]


class _Structure:
    """What the judge finds, example by example."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.judge: Judge | None = None
        self.generated: dict[str, Anatomy] = {}
        self.others: dict[str, Anatomy] = {}
        self.real: dict[str, Anatomy] = {}
        self.people: dict[str, str] = {}

    def prepared(self, example: Example) -> Example:
        """The example, with the judge there if it is needed.

        Called where the photographs are generated, in turn with that: a network that is built draws random numbers,
        and beside a generation in another thread these would be those of its dropout.
        """
        if self.judge is None and _can_be_judged(example.asked):
            self.judge = Judge()
        return example

    def look(self, example: Example) -> _Looked | None:
        """Look at an example that was prepared; None where no label map was given."""
        asked = example.asked
        if asked is None or self.judge is None or not _can_be_judged(asked):
            return None
        generated, wanted, found = self.judge.look(example.generated, asked)
        other = self.judge.look(example.other, asked)[0] if example.other is not None else None
        real = None
        if asked.photograph is not None and is_looked_at(example.name, self.count):
            real = self.judge.look(asked.photograph, asked)[0]
        view = encoded(resize_photograph(agreement_picture(wanted, found), _SIZE), "JPEG")
        return _Looked(generated, other, real, {"Found again": view})

    def keep(self, example: Example, looked: _Looked | None) -> None:
        if looked is None:
            return
        self.people[example.name] = example.eye
        self.generated[example.name] = looked.generated
        if looked.other is not None:
            self.others[example.name] = looked.other
        if looked.real is not None:
            self.real[example.name] = looked.real

    def findings(self) -> list[Finding]:
        return [structure_part(self.generated, self.real, self.people, self.others)] if self.generated else []


def _can_be_judged(asked: Eye | None) -> bool:
    return asked is not None and bool({"vessels", "arteries", "disc"} & asked.planes.keys())


class _Made:
    """The generated photographs, to be read again: all of them stand in no memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.people: list[str] = []
        self.files: list[Path] = []

    def write(self, example: Example) -> None:
        if example.file is None:
            write_photograph(self._file(example), example.generated, {"Warning": "Synthetic; not for diagnosis"})

    def keep(self, example: Example) -> None:
        self.names.append(example.name)
        self.people.append(example.person or example.eye)
        self.files.append(self._file(example))

    def _file(self, example: Example) -> Path:
        return example.file or self.folder / f"{example.name}.png"

    def pictures(self, real: Real) -> Pictures:
        known = {*real.unseen.names, *(real.training.names if real.training else ())}
        return Pictures(
            self.names,
            self.people,
            lambda number: read_photograph(self.files[number]),
            made_from=[name if name in known else None for name in self.names],
        )


def _named(examples: Iterable[Example]) -> Iterator[Example]:
    """The examples, each with a name of its own that a file can have."""
    taken: set[str] = set()
    for example in examples:
        name = example.name
        if name in taken:
            raise DataError(f"Two pictures are called {name!r}", expected="one name for each", do="Rename one of them")
        if not name or Path(name).name != name:
            raise DataError(f"A picture is called {name!r}", expected="a name that a file can have")
        taken.add(name)
        yield example


def _views(example: Example) -> dict[str, bytes]:
    views = {}
    if example.mask is not None:
        # averaged, not nearest: this one is for the eye, and thin vessels would break into dots
        source = resize_photograph(mask_as_photograph(example.mask), _SIZE)
        views["Source mask"] = encoded(source, "PNG")
    generated = resize_photograph(example.generated, _SIZE)
    views[GENERATED] = encoded(generated, "JPEG")
    if example.expected is not None:
        expected = resize_photograph(example.expected, _SIZE)
        views["Expected"] = encoded(expected, "JPEG")
        views["Error"] = encoded(error_picture(generated, expected), "JPEG")
    return views


def _write_panel(path: Path, example: Example, model: Figures) -> None:
    size = (example.generated.shape[0], example.generated.shape[1])
    pictures = {"Generated": example.generated}
    caption = example.name
    if example.expected is not None:
        pictures["Expected"] = resize_photograph(example.expected, size)
        caption += f": MSE {model.mse:.4f}, SSIM {model.ssim:.4f}, PSNR {model.psnr:.2f} dB"
    if example.mask is not None:
        pictures = {"Source mask": mask_as_photograph(resize_mask(example.mask, size)), **pictures}
    metadata = {"Title": caption, "Warning": "The generated photograph is synthetic; not for diagnosis"}
    write_photograph(path, draw_panels([list(pictures.values())], list(pictures), [caption]), metadata)


def _table(evaluation: Evaluation) -> str:
    """One row for each picture; a figure that could not be measured is not a number, that of no baseline empty."""
    of_baselines = [f"{baseline}_{measure}" for baseline in BASELINE_NAMES for measure in Figures._fields]
    absent = ("",) * len(Figures._fields)
    rows = []
    for picture in evaluation.pictures:
        answers = [figure for name in BASELINE_NAMES for figure in picture.baselines.get(name, absent)]
        rows.append([picture.name, picture.eye, *picture.model, *picture.found_again, *answers])
    return table_text(["name", "eye", *Figures._fields, *FoundAgain._fields, *of_baselines], rows)
