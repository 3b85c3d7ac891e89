"""The tab of graded series: one eye in one style, with one thing rising, and what is found of it."""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import gradio as gr

from retinasynth.generator import Generator
from retinasynth.images import Photograph
from retinasynth.studies import glaucoma, vascular, vessel_signs
from retinasynth.studies.recovery import Point
from retinasynth.studies.series import SHOWN, halved
from retinasynth.studies.series_report import asked_and_found
from retinasynth.studies.words import capital
from retinasynth.studio import markup, view_model
from retinasynth.studio.controls import connect, eye_number, next_seed, seed_of, styles
from retinasynth.studio.handlers import Changes, Values, answering_in_steps
from retinasynth.studio.markup import Shown
from retinasynth.studio.view_model import Given, Look

WARNING = """What is found in the photographs is found by our own segmenters, which err as well. Thin vessels are a \
pixel or two wide and partly missed, so biomarkers of found vessels follow poorly where small vessels count: a flat \
line does not prove that nothing was drawn. Found arteries and veins are told apart by the labels nearby."""

_ABOUT = """One eye in one style and with one noise, drawn several times with one thing rising, as in the studies \
`glaucoma` and `vascular`. **An illustration, not for diagnosis.**"""
_KEY = (("found", "found in the photograph"), ("exact", "in the labels"), ("same", "as asked for"))
_TILE_PX = 320


class Series(NamedTuple):
    """What rises.

    Attributes:
        sign: as the studies name it.
        grades: of it.
        words: what a grade is called.
        axis: what is asked for.
        measured: the biomarker that shall follow.
        decimals: of it.
        is_same: whether the biomarker is what is asked for, in the same unit.
    """

    sign: str
    grades: Sequence[float]
    words: str
    axis: str
    measured: str
    decimals: int
    is_same: bool


def _vascular(sign: str, words: str, axis: str, *, is_same: bool) -> Series:
    return Series(sign, vascular.SIGNS[sign][:5], words, axis, vessel_signs.MEASURED_AS[sign], 3, is_same)


_CUP = "cup-to-disc ratio"
SERIES = {
    "Glaucoma": Series("cup", glaucoma.CUPS[::2], "ratio {:.1f}", f"{_CUP} asked for", _CUP, 2, is_same=True),
    "Glaucoma, a notch": Series(
        "notch", glaucoma.NOTCHES, "notch {:.0%} deep", "depth of the notch", "narrowest rim", 2, is_same=False
    ),
    "Narrow arteries": _vascular(
        "narrowing", "arteries at {:.0%}", "share of their calibre that is kept", is_same=False
    ),
    "Tortuosity": _vascular("tortuosity", "tortuosity {:.2f}", "tortuosity asked for", is_same=True),
    "Beaded veins": _vascular("beading", "beads of {:.0%}", "swing asked for", is_same=True),
    "New vessels": _vascular("tufts", "{:.0f} tufts", "tufts of new vessels", is_same=False),
}


class Step(NamedTuple):
    """One photograph of a series.

    Attributes:
        grade: that was asked for.
        label: the biomarker of its exact labels; None where it cannot be measured.
        found: that of what the segmenter finds, likewise.
        tiles: close-ups, as `retinasynth.studies.series.SHOWN` has them.
    """

    grade: float
    label: float | None
    found: float | None
    tiles: Sequence[Photograph]


def steps(model: Generator, name: str, seed: int, look: Look) -> Iterator[Step]:
    """The photographs of a series, one by one.

    Args:
        model: a styled one.
        name: of `SERIES`.
        seed: of the eye.
        look: how it is photographed.
    """
    sign, grades = SERIES[name].sign, SERIES[name].grades
    is_of_vessels = sign in vascular.SIGNS
    centre = None
    for grade in grades:
        eye = (vascular.drawn if is_of_vessels else glaucoma.drawn)(view_model.SIZE_PX, seed, sign, grade)
        photograph = model.generate(
            eye, seed=look.seed, size=view_model.SIZE_PX, style=view_model.style_of(look, Given())
        )
        labels = halved(eye)
        if is_of_vessels:
            found = vascular.found_in(photograph, labels)
            exact, measured = (vessel_signs.measured_in(sign, one) for one in (labels, found))
            centre = centre or vessel_signs.centre_of(sign, labels)  # of the first, so that all show one place
            tiles = vessel_signs.close_ups(sign, centre, photograph, labels, found, _TILE_PX)
        else:
            found = glaucoma.found_in(photograph)
            which = ("cup", "notch").index(sign)
            exact, measured = (glaucoma.measured_in(one)[which] for one in (labels, found))
            tiles = glaucoma.close_ups(photograph, labels, found, _TILE_PX)
        yield Step(grade, exact, measured, tiles)


def strip_of(name: str, drawn: Sequence[Step]) -> str:
    """The pictures of a series as a piece of the page: a column for each grade that is drawn."""
    shown = []
    for step, (words, label, found) in zip(drawn, lines_of(name, drawn), strict=True):
        captions = (words, f"Labels: {label}", f"Found: {found}")
        shown += [
            Shown(tile, caption, f"{words}, close up: {what}")
            for tile, caption, what in zip(step.tiles, captions, SHOWN, strict=True)
        ]
    return markup.grid(shown, f"strip of-{len(SERIES[name].grades)}")


def lines_of(name: str, drawn: Sequence[Step]) -> list[tuple[str, str, str]]:
    """What was asked for, and the biomarker in the labels and in the photograph."""
    series = SERIES[name]

    def figure(value: float | None) -> str:
        return "none" if value is None else f"{value:.{series.decimals}f}"

    return [(capital(series.words.format(step.grade)), figure(step.label), figure(step.found)) for step in drawn]


def plot_of(name: str, drawn: Sequence[Step]) -> str:
    """The biomarker over what was asked for, as a piece of the page."""
    series = SERIES[name]
    points = {
        "label": [Point(name, step.grade, step.label) for step in drawn],
        "generated": [Point(name, step.grade, step.found) for step in drawn],
    }
    drawing = asked_and_found(
        capital(series.measured), series.axis, series.measured, points, in_one_unit=series.is_same
    )
    key = "".join(f'<li class="{kind}"><i></i>{words}</li>' for kind, words in _KEY[: 3 if series.is_same else 2])
    return f'<figure class="plot">{drawing.svg}<figcaption><ul>{key}</ul></figcaption></figure>'


def build(model: Generator, tab: gr.Tab) -> None:
    """Build the tab.

    Args:
        model: a styled one, that makes the photographs.
        tab: that is built; what it shows is drawn when it is first opened.
    """
    with gr.Row(elem_classes="two"):
        with gr.Column(elem_classes="controls"):
            gr.Markdown(_ABOUT)
            name = gr.Radio(list(SERIES), value=next(iter(SERIES)), label="What rises")
            with gr.Column(elem_classes="panel"):
                seed = eye_number()
                another = gr.Button("Grow another eye", elem_id="series-another")
                style = styles()
        with gr.Column(elem_classes="result"):
            picture = gr.HTML(markup.empty("The series will stand here."), elem_id="series")
            note = gr.HTML("", elem_id="series-message", elem_classes="said")
            with gr.Row(elem_classes="figures"):
                table, plot = gr.HTML("", elem_id="series-measures"), gr.HTML("", elem_id="series-plot")
            gr.Markdown(WARNING, elem_classes="hint")
    last = gr.State(None)  # what is drawn

    def draw(values: Values) -> Iterator[Changes]:
        chosen, wanted = values[name], seed_of(values[seed])
        this, drawn = (chosen, wanted, values[style]), []
        if this == values[last]:
            return
        of_all = f"of {len(SERIES[chosen].grades)} photographs"
        yield {note: markup.message(f"0 {of_all}"), table: "", plot: ""}
        for step in steps(model, chosen, wanted, Look(values[style])):
            drawn.append(step)
            yield {picture: strip_of(chosen, drawn), note: markup.message(f"{len(drawn)} {of_all}")}
        yield {
            note: "",
            table: markup.table((capital(SERIES[chosen].measured), "labels", "photograph"), lines_of(chosen, drawn)),
            plot: plot_of(chosen, drawn),
            last: this,
        }

    def grow_another(values: Values) -> Iterator[Changes]:
        following = next_seed(values[seed])
        yield {seed: following}
        yield from draw({**values, seed: following})

    everything, results = {name, seed, style, last}, [picture, note, table, plot, last, seed]
    on_any = functools.partial(gr.on, [name.input, seed.submit, seed.blur, style.input])
    connect(on_any, answering_in_steps(draw, note), everything, results, "series", "always_last")
    connect(tab.select, answering_in_steps(draw, note), everything, results, "series")
    connect(another.click, answering_in_steps(grow_another, note), everything, results, "series")
