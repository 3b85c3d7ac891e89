"""What is measured of generated photographs: each one by itself, then all of them as a set.

Where a new metric goes:

1. ``metrics/NAME.py``: `measure`, with a small result, and `CONVENTIONS`, which say how it is computed.
2. Of single photographs: a field of `results.Figures`, measured in `_Wanted.figures`; its name and unit in `results`.
3. Of whole sets: ``findings/NAME.py``, what is said of it, which `sets.set_findings` calls beside the others.

Report, ``evaluation.json`` and ``pictures.csv`` take it from there.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from retinasynth.errors import DataError, ImageError
from retinasynth.evaluation.baselines import mean_image, nearest_train, phantom_of
from retinasynth.evaluation.examples import Example, Reference
from retinasynth.evaluation.findings.structure import Compared, Structure
from retinasynth.evaluation.metrics import fidelity, structure
from retinasynth.evaluation.metrics.fidelity import SIZE_PX
from retinasynth.evaluation.metrics.spectrum import Spectra
from retinasynth.evaluation.metrics.vessels_found import NOTHING_ASKED, one_thread_each
from retinasynth.evaluation.output import generated_alone, table_of, views_of, write_panel
from retinasynth.evaluation.pictures import Pictures
from retinasynth.evaluation.report import read_training_log, render
from retinasynth.evaluation.results import Evaluation, Figures, Picture, summarise
from retinasynth.evaluation.sets import Real, set_findings
from retinasynth.eye.field_of_view import find_field_of_view
from retinasynth.files import output_folder, write_json, write_text
from retinasynth.images import Photograph, read_photograph, resize_mask, resize_photograph, write_photograph
from retinasynth.parallel import in_order

_SIZE = (SIZE_PX, SIZE_PX)


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
    anatomy = Structure(count)
    made = _Made(out / "generated") if real is not None else None

    def measured(example: Example) -> tuple[Example, Picture, Compared | None]:
        wanted = _Wanted(example)
        compared = anatomy.compare(example)
        picture = Picture(
            example.name,
            example.eye,
            wanted.figures(example.generated),
            wanted.baselines(example, reference, mean),
            views_of(example) | (compared.views if compared else {}),
            math.nan if example.expected is None else wanted.vessels(example.expected),
            compared.generated.found_again if compared else NOTHING_ASKED,
        )
        write_panel(out / "panels" / f"{example.name}.png", example, picture.model)
        if made is not None:
            made.write(example)
        return example, picture, compared

    with one_thread_each() as begin:
        prepared = map(anatomy.prepared, _named(examples))
        for example, picture, compared in in_order(measured, prepared, begin=begin):
            pictures.append(picture)
            spectra.add(example.generated, example.expected, example.other)
            anatomy.keep(example, compared)
            if made is not None:
                made.keep(example)
    if not pictures:
        raise DataError("There is nothing to evaluate", expected="at least one generated and expected photograph")

    findings = anatomy.findings()
    if real is not None and made is not None:
        first, *others = set_findings(made.pictures(real), real, network=network)
        findings += [replace(first, sentences=[caution, *first.sentences]) if caution else first, *others]
    evaluation = summarise(title, pictures, about, spectra.peaks(), findings, warning=warning)
    write_json(out / "evaluation.json", evaluation.to_json())
    write_text(out / "pictures.csv", table_of(evaluation))
    write_text(out / "report.html", render(evaluation, mean=mean, losses=losses, spectra=spectra.drawn()))
    alone = generated_alone(evaluation)
    write_text(out / "shareable.html", render(alone, mean=None, losses=losses, spectra=spectra.drawn()))
    return evaluation


class _Wanted:
    """What photographs of one example are measured against: the real one, its field of view and its vessels."""

    def __init__(self, example: Example) -> None:
        self.expected = example.expected
        self.mask = None if example.mask is None else resize_mask(example.mask, _SIZE)
        if example.field_of_view is not None:
            self.field_of_view = resize_mask(example.field_of_view, _SIZE)
            return
        try:
            shown = example.generated if example.expected is None else example.expected
            self.field_of_view = find_field_of_view(resize_photograph(shown, _SIZE))
        except ImageError:  # black: the source protocol still has figures
            self.field_of_view = np.zeros(_SIZE, np.bool_)

    def figures(self, answer: Photograph) -> Figures:
        """Every metric of a single photograph."""
        if self.expected is None:
            return Figures(vessels=self.vessels(answer))
        return Figures(*fidelity.measure(answer, self.expected, self.field_of_view), self.vessels(answer))

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
        return structure.measure(resize_photograph(answer, _SIZE), self.mask, self.field_of_view).dice


class _Made:
    """The generated photographs as files, to be read again one by one: together they may be too large for memory."""

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
