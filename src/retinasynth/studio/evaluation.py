"""The tab of evaluations: two zips in, real and generated photographs; a report out."""

import re
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from retinasynth.errors import InputError
from retinasynth.evaluation.subjects import evaluate_folders
from retinasynth.studio import markup
from retinasynth.studio.answers import answered, answered_in_steps, uploaded
from retinasynth.studio.downloads import Downloads
from retinasynth.studio.uploads import unpack

_ABOUT = """Upload two zips: **real photographs**, and **generated ones**. Where both hold the same file names, each \
generated photograph is compared with its counterpart; where they share none, the sets are compared as a whole. \
Folders of labels (`vessels`, `disc`, ...) beside `images` are used: is the asked-for anatomy found again? Nothing \
that you upload is kept."""
_FINDINGS = 3  # of the report, in words above it


def evaluated(real: Path, generated: Path, report: Path, *, sets: bool) -> list[str]:
    """Evaluate the photographs in two zips.

    Args:
        real: the zip of real photographs.
        generated: that of generated ones.
        report: the HTML file to write.
        sets: measure realism, diversity and privacy too, which takes longer.

    Returns:
        The findings, in sentences.

    Raises:
        InputError: a zip or what it holds cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        real_set = unpack(real, Path(folder) / "1" / plain_name(real))
        generated_set = unpack(generated, Path(folder) / "2" / plain_name(generated))
        found = evaluate_folders(real_set, generated_set, Path(folder) / "evaluation", sets=sets)
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
    findings = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences[:_FINDINGS])
    return (
        f'<ul class="findings">{findings}</ul>'
        f'<p><a class="fetch" href="{address}" download>Download the report (HTML)</a></p>'
        f'<iframe class="report" src="{address}?shown=1" title="The report"></iframe>'
    )


def build(downloads: Downloads) -> None:
    """Build the tab.

    Args:
        downloads: where reports are laid.
    """
    real, generated = (gr.State("", time_to_live=1800, delete_callback=_remove) for _ in range(2))
    with gr.Row(elem_classes="two"):
        with gr.Column(elem_classes="controls"):
            gr.Markdown(_ABOUT)
            buttons = []
            for number, what in enumerate(("real", "generated"), start=1):
                with gr.Column(elem_classes="panel"):
                    button = gr.UploadButton(
                        f"{number}. Upload {what} photographs (zip)",
                        file_types=[".zip"],
                        type="filepath",
                        elem_id=f"{what}-upload",
                    )
                    buttons.append((button, gr.HTML("", elem_classes="arrived")))
            with gr.Column(elem_classes="panel"):
                quick = gr.Checkbox(False, label="Quick: leave out realism, diversity and privacy")
                start = gr.Button("Evaluate", variant="primary", elem_id="evaluate")
        with gr.Column(elem_classes="result"):
            note = gr.HTML("", elem_id="evaluation-message")
            report = gr.HTML('<div class="stage empty"><p>The report will stand here.</p></div>', elem_id="report")

    def take(file: object, before: str) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            path = uploaded(file)
            _remove(before)
            return str(path), markup.message(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB"), ""

        return answered(work, 2)

    def evaluate(real: str, generated: str, quick: bool) -> Iterator[tuple[Any, ...]]:
        def work() -> Iterator[tuple[Any, ...]]:
            for what, file in (("real", real), ("generated", generated)):
                if not file or not Path(file).is_file():
                    raise InputError(f"The zip of {what} photographs is missing", do="Upload it, then evaluate")
            yield (
                gr.skip(),
                markup.message("Evaluating. This takes about a second for each photograph, and a while more"),
            )
            sentences: list[str] = []

            def write(page: Path) -> None:
                sentences.extend(evaluated(Path(real), Path(generated), page, sets=not quick))

            address = downloads.add("report.html", write)
            yield report_markup(address, sentences), markup.message("The report is ready")

        yield from answered_in_steps(work, 1)

    for (button, arrived), kept in zip(buttons, (real, generated), strict=True):
        button.upload(take, [button, kept], [kept, arrived, note], show_progress="hidden")
    start.click(
        evaluate,
        [real, generated, quick],
        [report, note],
        concurrency_id="evaluation",
        concurrency_limit=1,
        show_progress="hidden",
    )


def _remove(file: str) -> None:
    if file:
        Path(file).unlink(missing_ok=True)
