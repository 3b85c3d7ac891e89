"""The tab of one eye: grown, drawn or uploaded, photographed in any style, and taken along with its labels."""

import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from retinasynth.errors import InputError
from retinasynth.eye import PLANES, Eye
from retinasynth.eye.label_map import overlay
from retinasynth.eye.style import KNOBS, MOST
from retinasynth.generator import Generator
from retinasynth.studio import markup, view_model
from retinasynth.studio.controls import (
    FETCH,
    FIRST_SEED,
    Mode,
    connect,
    eye_number,
    next_seed,
    people,
    picture_button,
    seed_of,
    styles,
)
from retinasynth.studio.downloads import Downloads
from retinasynth.studio.handlers import Changes, Values, answering, answering_in_steps, read_and_remove
from retinasynth.studio.markup import Shown
from retinasynth.studio.uploads import drawing_in, mask_in, photograph_in
from retinasynth.studio.view_model import DRAWN, GROWN, UPLOADED, Asked, Given, Look

PHOTOGRAPH, SIX, TWO = "Photograph", "Six styles", "Two models"
ALL = "all"  # of the labels
MEASURED = ("In the labels", "asked", "measured")

_HERE = Path(__file__).parent
_CANVAS = """
<div class="canvas" role="group" aria-label="Drawing vessels">
  <div class="tools">
    <button type="button" data-tool="draw" aria-pressed="true">Draw</button>
    <button type="button" data-tool="erase" aria-pressed="false">Erase</button>
    <label>Width <input type="range" min="1" max="12" value="4" data-tool="width"></label>
    <button type="button" data-tool="undo">Undo</button>
    <button type="button" data-tool="clear">Clear all</button>
  </div>
  <div class="sheet">
    <img alt="" class="ground"><canvas tabindex="0" role="img" aria-label="Vessels. Arrow keys move the pen, space sets
    it down or lifts it, control and Z undoes."></canvas><i class="pen" hidden></i>
  </div>
</div>
"""
_CHOOSE = """
element.addEventListener("click", event => {
  const chosen = event.target.closest(".choice");
  if (chosen) trigger("choose", { number: Number(chosen.dataset.number) });
});
"""


class _Controls(NamedTuple):
    """What decides what is shown."""

    given: gr.State
    source: gr.Radio
    seed: gr.Number
    preset: gr.Dropdown
    laterality: gr.Radio
    view: gr.Radio
    numbers: dict[str, gr.Slider]
    style: gr.Radio
    first: gr.State
    knobs: dict[str, gr.Slider]
    shows: gr.Radio
    planes: gr.CheckboxGroup
    rival: gr.Dropdown
    how_many: gr.Slider
    mask_file: gr.UploadButton
    style_file: gr.UploadButton

    def all(self) -> set[Any]:
        """All of them."""
        several = (*self.numbers.values(), *self.knobs.values())
        return {*several, *(one for one in self if not isinstance(one, dict))}

    def asked(self, values: Values) -> Asked:
        """The eye that is to be grown."""
        numbers = tuple((name, float(values[slider])) for name, slider in self.numbers.items())
        whom = values[self.preset], values[self.laterality], values[self.view]
        return Asked(seed_of(values[self.seed]), *whom, numbers)

    def look(self, values: Values) -> Look:
        """How it is to be photographed."""
        knobs = tuple((name, float(values[slider])) for name, slider in self.knobs.items())
        return Look(values[self.style], values[self.first], knobs)


class _Results(NamedTuple):
    """What is shown."""

    picture: gr.HTML
    table: gr.HTML
    note: gr.HTML
    canvas: gr.HTML
    growing: gr.Column
    drawing: gr.Column
    uploading: gr.Column
    address: gr.Textbox


class _Events:
    """What happens when something is touched: each answer takes the values of all controls and says what changes."""

    def __init__(
        self, controls: _Controls, results: _Results, models: Mapping[str, Generator], downloads: Downloads
    ) -> None:
        self.controls, self.results, self.models, self.downloads = controls, results, models, downloads
        self.name, self.model = next(iter(models.items()))

    def eye(self, values: Values) -> Eye:
        """The eye that is meant, without photograph."""
        return view_model.eye_of(values[self.controls.source], self.controls.asked(values), values[self.controls.given])

    def look(self, values: Values) -> Changes:
        """Photograph the same eye otherwise."""
        controls = self.controls
        drawn = picture_of(
            self.models,
            self.eye(values),
            controls.look(values),
            values[controls.given],
            values[controls.shows],
            values[controls.planes],
            values[controls.rival],
        )
        return {self.results.picture: drawn}

    def show(self, values: Values) -> Changes:
        """Show the eye and what is measured in it."""
        controls, source = self.controls, values[self.controls.source]
        asked = dict(controls.asked(values).numbers) if source == GROWN else {}
        given = values[controls.given]
        table = markup.table(MEASURED, view_model.measures(self.eye(values), asked))
        return {
            **self.look(values),
            self.results.table: table,
            controls.given: given if source == DRAWN else replace(given, base=source),
        }

    def show_with(self, values: Values, changes: Changes) -> Changes:
        """Change some controls, and show what comes of it."""
        return {**changes, **self.show({**values, **changes})}

    def propose(self, values: Values) -> Changes:
        """Set the sliders as the seed and the people have it."""
        controls = self.controls
        laterality, numbers = view_model.proposed(seed_of(values[controls.seed]), values[controls.preset])
        return self.show_with(
            values,
            {controls.laterality: laterality, **{slider: numbers[name] for name, slider in controls.numbers.items()}},
        )

    def grow_another(self, values: Values) -> Changes:
        """The eye of the next seed."""
        seed = self.controls.seed
        following = next_seed(values[seed])
        return {seed: following, **self.propose({**values, seed: following})}

    def choose_source(self, values: Values) -> Changes:
        """The panel that belongs to a source; a drawing is begun where there is none."""
        controls, results = self.controls, self.results
        source, given = values[controls.source], values[controls.given]
        panels = {
            panel: gr.update(visible=source == one)
            for one, panel in ((GROWN, results.growing), (DRAWN, results.drawing), (UPLOADED, results.uploading))
        }
        if source == UPLOADED and given.uploaded is None:
            return {**panels, results.note: markup.message("Upload a mask to see its photograph.")}
        if source != DRAWN:
            return {**panels, **self.show(values)}
        if given.drawn is not None:
            return {**panels, results.canvas: canvas_of(given.drawn), **self.show(values)}
        return {**panels, **self.begin_drawing(values)}

    def begin_drawing(self, values: Values) -> Changes:
        """A drawing that begins with the vessels of the eye before it."""
        controls = self.controls
        given = values[controls.given]
        base = view_model.eye_of(given.base, controls.asked(values), given)
        drawn = view_model.redrawn(base, base.planes["vessels"])
        changed = self.show_with(values, {controls.given: replace(given, drawn=drawn)})
        return {**changed, self.results.canvas: canvas_of(drawn)}

    def draw(self, values: Values, drawing: object) -> Changes:
        """Take what was drawn, as `drawing_in` reads it."""
        controls = self.controls
        given = values[controls.given]
        if given.drawn is None:
            raise InputError("There is no drawing any more", do=f"Choose {GROWN}, then {DRAWN}")
        vessels = drawing_in(drawing, given.drawn.size)
        return self.show_with(values, {controls.given: replace(given, drawn=view_model.redrawn(given.drawn, vessels))})

    def take_mask(self, values: Values) -> Changes:
        """Take an uploaded mask."""
        controls = self.controls
        eye = Eye("uploaded", {"vessels": read_and_remove(values[controls.mask_file], mask_in)})
        given = replace(values[controls.given], uploaded=eye, drawn=None)
        return self.show_with(values, {controls.given: given, controls.source: UPLOADED})

    def take_style(self, values: Values) -> Changes:
        """Take the style of an uploaded photograph."""
        controls = self.controls
        lent = read_and_remove(values[controls.style_file], photograph_in)
        given = replace(values[controls.given], lent=lent)
        return self.show_with(values, {controls.given: given, controls.style: view_model.LENT})

    def draw_styles(self, values: Values) -> Changes:
        """Six other styles."""
        first = self.controls.first
        changes = {first: values[first] + len(view_model.STYLES), self.controls.shows: SIX}
        return {**changes, **self._visible(SIX), **self.look({**values, **changes})}

    def change_view(self, values: Values) -> Changes:
        """Show a photograph, six or two."""
        return {**self._visible(values[self.controls.shows]), **self.look(values)}

    def _visible(self, shows: str) -> Changes:
        return {
            self.controls.planes: gr.update(visible=shows == PHOTOGRAPH),
            self.controls.rival: gr.update(visible=shows == TWO),
        }

    def choose_style(self, values: Values, number: object) -> Changes:
        """The style of one of the six pictures, which is then shown alone."""
        if number not in range(len(view_model.STYLES)):
            raise InputError("There is no such style")
        changes = {self.controls.style: view_model.STYLES[int(str(number))], self.controls.shows: PHOTOGRAPH}
        return {**changes, **self._visible(PHOTOGRAPH), **self.look({**values, **changes})}

    def download_pair(self, values: Values) -> Changes:
        """Lay the eye that is shown ready, with its labels."""
        eye = self.eye(values)

        def write(archive: Path) -> None:
            with tempfile.TemporaryDirectory(dir=self.downloads.folder) as folder:
                inside = Path(folder) / archive.stem
                view_model.write_pair(inside, self.model, eye, self.controls.look(values), values[self.controls.given])
                view_model.pack(inside, archive)

        return {self.results.address: self.downloads.add(f"{eye.name}.zip", write)}

    def download_set(self, values: Values) -> Iterator[Changes]:
        """Lay a set ready, and say how far it is."""
        controls, results = self.controls, self.results
        count = int(values[controls.how_many])
        wanted = values[controls.source], controls.asked(values), controls.look(values), values[controls.given]
        with tempfile.TemporaryDirectory(dir=self.downloads.folder) as folder:
            inside = Path(folder) / "synthetic_eyes"
            for done in view_model.write_eyes(inside, (self.name, self.model), *wanted, count):
                yield {results.address: "", results.note: markup.message(f"{done} of {count} eyes")}
            address = self.downloads.add("synthetic_eyes.zip", lambda archive: view_model.pack(inside, archive))
        yield {results.address: address, results.note: markup.message(f"{count} eyes are ready.")}


def canvas_of(eye: Eye) -> str:
    """What the canvas starts from: a ground with all labels but the vessels, and these.

    Returns:
        JSON with width, height, ground (an address that carries a picture), and the vessels' runs: pairs of first
        pixel and length, counted row by row.
    """
    others = {name: mask for name, mask in eye.planes.items() if name not in ("vessels", "arteries", "veins")}
    height, width = eye.size
    ground = overlay(Eye(eye.name, others or {"fov": np.ones(eye.size, np.bool_)}))
    edges = np.flatnonzero(np.diff(eye.planes["vessels"].ravel().astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    runs = np.column_stack([edges[:, 0], edges[:, 1] - edges[:, 0]]).ravel().tolist()
    return json.dumps({"width": width, "height": height, "ground": markup.data_url(ground), "runs": runs})


def picture_of(
    models: Mapping[str, Generator], eye: Eye, look: Look, given: Given, shows: str, planes: list[str], rival: str
) -> str:
    """The picture that is wanted, as a piece of the page."""
    name, model = next(iter(models.items()))
    about = markup.described(eye)
    if shows == SIX:
        six = view_model.in_six_styles(model, eye, look, given)
        shown = [
            Shown(one, f"Style {style}", f"{about}, in style {style}")
            for style, one in zip(view_model.STYLES, six, strict=True)
        ]
        return markup.choices(shown, view_model.STYLES.index(look.style) if look.style in view_model.STYLES else -1)
    photograph = view_model.photograph_of(model, eye, look, given)
    if shows == TWO:
        other = models.get(rival)
        rendered = view_model.photograph_of(other, eye, look, given) if other else view_model.rendered(eye, look)
        both = ((photograph, name), (rendered, rival))
        return markup.grid([Shown(one, by, f"{about}, by {by}") for one, by in both])
    caption = caption_of(eye, look)
    if not planes:
        return markup.photograph(Shown(photograph, caption, about))
    visible = [plane for plane in PLANES if plane in eye.planes and (plane in planes or ALL in planes)]
    words = ", ".join(markup.plane_title(plane).lower() for plane in visible) or "no labels"
    return markup.photograph(
        Shown(view_model.labelled(eye, photograph, visible), caption, f"{about}, with {words}"), visible
    )


def caption_of(eye: Eye, look: Look) -> str:
    """What stands under a photograph.

    Example:
        >>> caption_of(Eye("drawn", {}), Look("2"))
        'drawn, style 2. Synthetic; not for diagnosis.'
    """
    style = f"style {look.style}" if look.style in view_model.STYLES else look.style.lower()
    return f"{eye.name.replace('_', ' ')}, {style}. Synthetic; not for diagnosis."


def build(models: Mapping[str, Generator], downloads: Downloads) -> None:
    """Build the tab.

    Args:
        models: by name; the first, a styled one, makes the photographs, the others can be compared with it.
        downloads: where files are laid that people take along.
    """
    first = view_model.usual(FIRST_SEED, "adult", next(iter(view_model.VIEWS)))
    eye = view_model.grown(first)
    given, styles_from, address = gr.State(Given(), time_to_live=3600), gr.State(0), gr.Textbox(visible=False)
    with gr.Row(elem_classes="three"):
        with gr.Column(elem_classes="result"):
            shows = gr.Radio([PHOTOGRAPH, SIX, TWO], value=PHOTOGRAPH, label="Show", elem_id="shows")
            drawn = picture_of(models, eye, Look(), Given(), PHOTOGRAPH, [], "")
            picture = gr.HTML(drawn, js_on_load=_CHOOSE, elem_id="picture")
            note = gr.HTML("", elem_id="message", elem_classes="said")
            titles = [("All", ALL), *((markup.plane_title(plane), plane) for plane in PLANES)]
            planes = gr.CheckboxGroup(titles, value=[], label="Labels over the photograph")
            rivals = [*list(models)[1:], view_model.PROCEDURAL]
            rival = gr.Dropdown(rivals, value=rivals[0], label="Compare with", visible=False)
        with gr.Column(elem_classes="controls"):
            source = gr.Radio(list(view_model.SOURCES), value=GROWN, label="Where the labels come from")
            with gr.Column(elem_classes="panel") as growing:
                anatomy, another = _anatomy(first)
            with gr.Column(visible=False, elem_classes="panel") as drawing:
                script = (_HERE / "canvas.js").read_text(encoding="utf-8")
                canvas = gr.HTML("", html_template=_CANVAS, js_on_load=script, elem_id="canvas")
                again = gr.Button("Start again from the eye before")
            with gr.Column(visible=False, elem_classes="panel") as uploading:
                mask_file = picture_button("Upload a vessel mask", "mask-upload")
                gr.Markdown("Black and white, any size; vessels are white.", elem_classes="hint")
            with gr.Column(elem_classes="panel"):
                style, knobs, others, style_file = _styles()
            with gr.Column(elem_classes="panel"):
                pair = gr.Button("Download this eye with its labels", variant="primary", elem_id="pair")
                count = gr.Slider(1, view_model.MOST_EYES, 10, step=1, label="Or a set of so many eyes")
                several = gr.Button("Download the set", elem_id="set")
                gr.Markdown(
                    "Sliders that you moved hold for all eyes of a set; all else is drawn anew for each.",
                    elem_classes="hint",
                )
        with gr.Column(elem_classes="measured"):
            table = gr.HTML(markup.table(MEASURED, view_model.measures(eye, dict(first.numbers))), elem_id="measures")
    seed, preset, side, view, sliders = anatomy
    asked = given, source, seed, preset, side, view, sliders
    looks = style, styles_from, knobs, shows, planes, rival
    controls = _Controls(*asked, *looks, count, mask_file, style_file)
    results = _Results(picture, table, note, canvas, growing, drawing, uploading, address)
    _connect(_Events(controls, results, models, downloads), another, again, others, pair, several)


def _anatomy(
    first: Asked,
) -> tuple[tuple[gr.Number, gr.Dropdown, gr.Radio, gr.Radio, dict[str, gr.Slider]], gr.Button]:
    """What decides which eye is grown, and the button for another."""
    with gr.Row(elem_classes="pair"):
        preset = people()
        seed = eye_number()
    another = gr.Button("Grow another eye", elem_id="another")
    side = gr.Radio(["right", "left"], value=first.laterality, label="Which eye")
    view = gr.Radio(list(view_model.VIEWS), value=first.view, label="View")
    numbers = dict(first.numbers)
    sliders = _sliders(view_model.ANATOMY, numbers)
    with gr.Accordion("Lesions", open=False):
        sliders |= _sliders(view_model.LESIONS, numbers)
    return (seed, preset, side, view, sliders), another


def _sliders(about: Mapping[str, view_model.Slider], values: Mapping[str, float]) -> dict[str, gr.Slider]:
    return {
        name: gr.Slider(one.least, one.most, values[name], step=one.step, label=one.title)
        for name, one in about.items()
    }


def _styles() -> tuple[gr.Radio, dict[str, gr.Slider], gr.Button, gr.UploadButton]:
    """What decides how an eye is photographed, with the buttons for other styles and for a photograph's own."""
    style = styles(view_model.LENT)
    with gr.Row(elem_classes="pair"):
        others = gr.Button("Six other styles", min_width=120)
        style_file = picture_button("Upload for style", "style-upload")
    with gr.Accordion("Turn the style", open=False):
        knobs = {
            name: gr.Slider(-MOST, MOST, 0, step=0.5, label=name.capitalize(), info=meaning)
            for name, meaning in KNOBS.items()
        }
    return style, knobs, others, style_file


def _connect(
    events: _Events, another: gr.Button, again: gr.Button, others: gr.Button, pair: gr.Button, several: gr.Button
) -> None:
    """Say what is answered by what."""
    controls, results = events.controls, events.results
    everything = controls.all()
    changed = [*everything - {controls.how_many, controls.mask_file, controls.style_file}, *results]

    def on(trigger: Any, answer: Any, mode: Mode = "once") -> Any:
        # One at a time, whatever it is; a slider that is dragged has its last place shown.
        return connect(trigger, answer, everything, changed, "eye", mode)

    def on_any(triggers: list[Any], answer: Any) -> None:
        on(functools.partial(gr.on, triggers), answer, "always_last")

    def drew(values: Values, event: gr.EventData) -> Changes:
        drawing = getattr(event, "vessels", None)
        return answering(lambda values: events.draw(values, drawing), results.note)(values)

    def chose(values: Values, event: gr.EventData) -> Changes:
        number = getattr(event, "number", None)
        return answering(lambda values: events.choose_style(values, number), results.note)(values)

    anatomy: list[Any] = [controls.laterality, controls.view, *controls.numbers.values()]
    looks: list[Any] = [controls.style, controls.planes, controls.rival, *controls.knobs.values()]
    on_any([one.input for one in anatomy], answering(events.show, results.note))
    on_any([one.input for one in looks], answering(events.look, results.note))
    on_any([controls.preset.input, controls.seed.submit, controls.seed.blur], answering(events.propose, results.note))
    on(another.click, answering(events.grow_another, results.note))
    on(controls.source.input, answering(events.choose_source, results.note))
    on(again.click, answering(events.begin_drawing, results.note))
    on(results.canvas.draw, drew, "always_last")
    on(controls.mask_file.upload, answering(events.take_mask, results.note))
    on(controls.style_file.upload, answering(events.take_style, results.note))
    on(others.click, answering(events.draw_styles, results.note))
    on(controls.shows.input, answering(events.change_view, results.note))
    on(results.picture.choose, chose)
    on(pair.click, answering(events.download_pair, results.note, results.address)).then(
        None, results.address, None, js=FETCH
    )
    in_steps = answering_in_steps(events.download_set, results.note, results.address)
    told = connect(several.click, in_steps, everything, [results.address, results.note], "sets")
    told.then(None, results.address, None, js=FETCH)
