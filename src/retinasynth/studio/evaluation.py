"""The tab of evaluations: two zips in, real and generated photographs; a report out."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr

from retinasynth.errors import InputError
from retinasynth.evaluation.subjects import evaluate_folders
from retinasynth.files import explaining_write_errors
from retinasynth.studio import markup
from retinasynth.studio.controls import connect
from retinasynth.studio.downloads import Downloads
from retinasynth.studio.handlers import Changes, Values, answering, answering_in_steps, uploaded
from retinasynth.studio.uploads import unpack

_ABOUT = """Upload two zips: **real photographs**, and **generated ones**. Where both hold the same file names, each \
generated photograph is compared with its counterpart; where they share none, the sets are compared as a whole. \
Folders of labels (`vessels`, `disc`, ...) beside `images` are used: is the asked-for anatomy found again? Nothing \
that you upload is kept."""
_KINDS = ("real", "generated")
_FINDINGS = 3  # of the report, in words above it


def evaluated(real: Path, generated: Path, report: Path, *, sets: bool) -> list[str]:
    """Evaluate the photographs in two zips.

    Args:
        real: the zip of real photographs.
        generated: that of generated ones.
        report: the HTML file to write; what it is made of lies beside it meanwhile.
        sets: measure realism, diversity and privacy too, which takes longer.

    Returns:
        The findings, in sentences.

    Raises:
        InputError: a zip or what it holds cannot be used.
        OutputError: the disk is full.
    """
    with tempfile.TemporaryDirectory(dir=report.parent) as folder:
        real_set = unpack(real, Path(folder) / "1" / plain_name(real))
        generated_set = unpack(generated, Path(folder) / "2" / plain_name(generated))
        found = evaluate_folders(real_set, generated_set, Path(folder) / "evaluation", sets=sets)
        with explaining_write_errors(report):
            report.write_bytes((Path(folder) / "evaluation" / "report.html").read_bytes())
    return list(found.sentences)


def plain_name(archive: Path) -> str:
    """The name of a zip without what cannot be a folder's.

    Example:
        >>> plain_name(Path("my eyes (2).zip"))
        'my eyes 2'
    """
    return re.sub(r"[^\w -]", "", archive.stem).strip()[:60] or "set"


def report_markup(address: str, sentences: list[str]) -> str:
    """A report: its first findings, where to fetch it, and itself."""
    return (
        f"{markup.findings(sentences[:_FINDINGS])}"
        f'<p><a class="fetch" href="{address}" download>Download the report (HTML)</a></p>'
        f'<iframe class="report" src="{address}?shown=1" title="The report"></iframe>'
    )


def build(downloads: Downloads) -> None:
    """Build the tab.

    Args:
        downloads: where reports are laid.
    """
    kept = [gr.State("", time_to_live=1800, delete_callback=_remove) for _ in range(2)]
    with gr.Row(elem_classes="two"):
        with gr.Column(elem_classes="controls"):
            gr.Markdown(_ABOUT)
            buttons, arrived = zip(*(_upload(number, what) for number, what in enumerate(_KINDS, start=1)), strict=True)
            with gr.Column(elem_classes="panel"):
                quick = gr.Checkbox(False, label="Quick: leave out realism, diversity and privacy")
                start = gr.Button("Evaluate", variant="primary", elem_id="evaluate")
        with gr.Column(elem_classes="result"):
            note = gr.HTML("", elem_id="evaluation-message", elem_classes="said")
            report = gr.HTML(markup.empty("The report will stand here."), elem_id="report")

    def evaluate(values: Values) -> Iterator[Changes]:
        real, generated = (Path(values[one]) for one in kept)
        for what, one in zip(_KINDS, kept, strict=True):
            if not values[one] or not Path(values[one]).is_file():
                raise InputError(f"The zip of {what} photographs is missing", do="Upload it, then evaluate")
        yield {note: markup.message("Evaluating: some seconds for each photograph, and a while more for the sets.")}
        sentences: list[str] = []

        def write(page: Path) -> None:
            sentences.extend(evaluated(real, generated, page, sets=not values[quick]))

        address = downloads.add("report.html", write)
        yield {report: report_markup(address, sentences), note: markup.message("The report is ready.")}

    for button, place, one in zip(buttons, arrived, kept, strict=True):
        connect(button.upload, answering(_taking(button, place, one), note), {button, one}, [one, place, note])
    connect(start.click, answering_in_steps(evaluate, note), {*kept, quick}, [report, note], "evaluation")


def _upload(number: int, what: str) -> tuple[gr.UploadButton, gr.HTML]:
    """A button to upload a zip, and a place to say that it arrived."""
    with gr.Column(elem_classes="panel"):
        title = f"{number}. Upload {what} photographs (zip)"
        button = gr.UploadButton(title, file_types=[".zip"], type="filepath", elem_id=f"{what}-upload")
        return button, gr.HTML("", elem_classes="arrived")


def _taking(button: gr.UploadButton, place: gr.HTML, kept: gr.State) -> Callable[[Values], Changes]:
    def take(values: Values) -> Changes:
        file = uploaded(values[button])
        _remove(values[kept])  # the one before
        return {kept: str(file), place: markup.message(f"{file.name}, {file.stat().st_size / 1e6:.1f} MB")}

    return take


def _remove(file: str) -> None:
    if file:
        Path(file).unlink(missing_ok=True)
