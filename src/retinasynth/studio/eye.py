"""The tab of one eye: grown, drawn or uploaded, photographed in any style, and taken along with its labels."""

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from retinasynth.errors import InputError
from retinasynth.eye import PLANES, Eye
from retinasynth.eye.style import KNOBS, MOST
from retinasynth.generator import Generator
from retinasynth.studio import markup, view_model
from retinasynth.studio.canvas import canvas, canvas_of, drawing_in
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
from retinasynth.studio.uploads import mask_in, photograph_in
from retinasynth.studio.view_model import DRAWN, GROWN, STYLES, UPLOADED, Asked, Given, Look

PHOTOGRAPH, SIX, TWO = "Photograph", "Six styles", "Two models"
ALL = "all"  # of the labels
MEASURED = ("In the labels", "asked", "measured")

_CHOOSE = """
element.addEventListener("click", event => {
  const chosen = event.target.closest(".choice");
  if (chosen) trigger("choose", { number: Number(chosen.dataset.number) });
});
"""


class OneEye:
    """The tab: what decides what is shown, what is shown, and what happens when something is touched.

    Each answer takes the values of all controls and says what changes.

    Args:
        models: by name; the first, a styled one, makes the photographs, the others can be compared with it.
        downloads: where files are laid that people take along.
    """

    def __init__(self, models: Mapping[str, Generator], downloads: Downloads) -> None:
        self.models, self.downloads = models, downloads
        self.name, self.model = next(iter(models.items()))
        first = view_model.usual(FIRST_SEED, "adult", next(iter(view_model.VIEWS)))
        self.given, self.first_style = gr.State(Given(), time_to_live=3600), gr.State(0)
        self.address = gr.Textbox(visible=False)
        with gr.Row(elem_classes="three"):
            with gr.Column(elem_classes="result"):
                self._build_result(view_model.grown(first))
            with gr.Column(elem_classes="controls"):
                self._build_sources(first)
                with gr.Column(elem_classes="panel"):
                    self._build_styles()
                with gr.Column(elem_classes="panel"):
                    self._build_downloads()
            with gr.Column(elem_classes="measured"):
                measures = view_model.measures(view_model.grown(first), dict(first.numbers))
                self.table = gr.HTML(markup.table(MEASURED, measures), elem_id="measures")
        self._connect()

    def _build_result(self, eye: Eye) -> None:
        self.shows = gr.Radio([PHOTOGRAPH, SIX, TWO], value=PHOTOGRAPH, label="Show", elem_id="shows")
        drawn = picture_of(self.models, eye, Look(), Given(), PHOTOGRAPH, [], "")
        self.picture = gr.HTML(drawn, js_on_load=_CHOOSE, elem_id="picture")
        self.note = gr.HTML("", elem_id="message", elem_classes="said")
        titles = [("All", ALL), *((markup.plane_title(plane), plane) for plane in PLANES)]
        self.planes = gr.CheckboxGroup(titles, value=[], label="Labels over the photograph")
        rivals = [*list(self.models)[1:], view_model.PROCEDURAL]
        self.rival = gr.Dropdown(rivals, value=rivals[0], label="Compare with", visible=False)

    def _build_sources(self, first: Asked) -> None:
        self.source = gr.Radio(list(view_model.SOURCES), value=GROWN, label="Where the labels come from")
        with gr.Column(elem_classes="panel") as growing:
            with gr.Row(elem_classes="pair"):
                self.people, self.seed = people(), eye_number()
            self.another = gr.Button("Grow another eye", elem_id="another")
            self.laterality = gr.Radio(["right", "left"], value=first.laterality, label="Which eye")
            self.view = gr.Radio(list(view_model.VIEWS), value=first.view, label="View")
            self.numbers = _sliders(view_model.ANATOMY, dict(first.numbers))
            with gr.Accordion("Lesions", open=False):
                self.numbers |= _sliders(view_model.LESIONS, dict(first.numbers))
        with gr.Column(visible=False, elem_classes="panel") as drawing:
            self.canvas = canvas()
            self.again = gr.Button("Start again from the eye before")
        with gr.Column(visible=False, elem_classes="panel") as uploading:
            self.mask_file = picture_button("Upload a vessel mask", "mask-upload")
            gr.Markdown("Black and white, any size; vessels are white.", elem_classes="hint")
        self.panels = {GROWN: growing, DRAWN: drawing, UPLOADED: uploading}

    def _build_styles(self) -> None:
        self.style = styles(view_model.LENT)
        with gr.Row(elem_classes="pair"):
            self.others = gr.Button("Six other styles", min_width=120)
            self.style_file = picture_button("Upload for style", "style-upload")
        with gr.Accordion("Turn the style", open=False):
            self.knobs = {
                name: gr.Slider(-MOST, MOST, 0, step=0.5, label=name.capitalize(), info=meaning)
                for name, meaning in KNOBS.items()
            }
        self.complete = gr.Checkbox(
            value=True,
            label="Find the disc of a mask without one",
            info="Off: its edge is left to chance. Grown eyes have a disc.",
            elem_id="complete",
        )

    def _build_downloads(self) -> None:
        self.pair = gr.Button("Download this eye with its labels", variant="primary", elem_id="pair")
        self.how_many = gr.Slider(1, view_model.MOST_EYES, 10, step=1, label="Or a set of so many eyes")
        self.several = gr.Button("Download the set", elem_id="set")
        gr.Markdown(
            "Sliders that you moved hold for all eyes of a set; all else is drawn anew for each.", elem_classes="hint"
        )

    def _connect(self) -> None:
        """Say what is answered by what."""
        note, address = self.note, self.address
        anatomy: list[Any] = [self.laterality, self.view, *self.numbers.values()]
        looks: list[Any] = [self.style, self.planes, self.rival, self.complete, *self.knobs.values()]
        changed = [self.given, self.source, self.seed, self.people, self.first_style, self.shows, *anatomy, *looks]
        everything = {*changed, self.how_many, self.mask_file, self.style_file}
        shown = [self.picture, self.table, note, self.canvas, *self.panels.values(), address]

        def on(trigger: Any, answer: Any, mode: Mode = "once") -> Any:
            # One at a time, whatever it is; a slider that is dragged has its last place shown.
            return connect(trigger, answer, everything, [*changed, *shown], "eye", mode)

        def on_any(triggers: list[Any], work: Callable[[Values], Changes]) -> None:
            on(functools.partial(gr.on, triggers), answering(work, note), "always_last")

        def drew(values: Values, event: gr.EventData) -> Changes:
            drawing = getattr(event, "vessels", None)
            return answering(lambda values: self.draw(values, drawing), note)(values)

        def chose(values: Values, event: gr.EventData) -> Changes:
            number = getattr(event, "number", None)
            return answering(lambda values: self.choose_style(values, number), note)(values)

        on_any([one.input for one in anatomy], self.show)
        on_any([one.input for one in looks], self.look)
        on_any([self.people.input, self.seed.submit, self.seed.blur], self.propose)
        on(self.another.click, answering(self.grow_another, note))
        on(self.source.input, answering(self.choose_source, note))
        on(self.again.click, answering(self.begin_drawing, note))
        on(self.canvas.draw, drew, "always_last")
        on(self.mask_file.upload, answering(self.take_mask, note))
        on(self.style_file.upload, answering(self.take_style, note))
        on(self.others.click, answering(self.draw_styles, note))
        on(self.shows.input, answering(self.change_view, note))
        on(self.picture.choose, chose)
        laid = on(self.pair.click, answering(self.download_pair, note, address))
        in_steps = answering_in_steps(self.download_set, note, address)
        several = connect(self.several.click, in_steps, everything, [address, note], "sets")
        for ready in (laid, several):
            ready.then(None, address, None, js=FETCH)

    # --- What is asked for -------------------------------------------------------------------------------------------

    def asked(self, values: Values) -> Asked:
        """The eye that is to be grown."""
        numbers = tuple((name, float(values[slider])) for name, slider in self.numbers.items())
        return Asked(
            seed_of(values[self.seed]), values[self.people], values[self.laterality], values[self.view], numbers
        )

    def wanted(self, values: Values) -> Look:
        """How it is to be photographed."""
        knobs = tuple((name, float(values[slider])) for name, slider in self.knobs.items())
        return Look(values[self.style], values[self.first_style], knobs, values[self.complete])

    def eye(self, values: Values) -> Eye:
        """The eye that is meant, without photograph."""
        return view_model.eye_of(values[self.source], self.asked(values), values[self.given])

    # --- Answers -----------------------------------------------------------------------------------------------------

    def look(self, values: Values) -> Changes:
        """Photograph the same eye otherwise."""
        chosen = (values[one] for one in (self.given, self.shows, self.planes, self.rival))
        return {self.picture: picture_of(self.models, self.eye(values), self.wanted(values), *chosen)}

    def show(self, values: Values) -> Changes:
        """Show the eye and what is measured in it."""
        source, given = values[self.source], values[self.given]
        asked = dict(self.asked(values).numbers) if source == GROWN else {}
        return {
            **self.look(values),
            self.table: markup.table(MEASURED, view_model.measures(self.eye(values), asked)),
            self.given: given if source == DRAWN else replace(given, base=source),
        }

    def show_with(self, values: Values, changes: Changes) -> Changes:
        """Change some controls, and show what comes of it."""
        return {**changes, **self.show({**values, **changes})}

    def propose(self, values: Values) -> Changes:
        """Set the sliders as the seed and the people have it."""
        laterality, numbers = view_model.proposed(seed_of(values[self.seed]), values[self.people])
        sliders = {slider: numbers[name] for name, slider in self.numbers.items()}
        return self.show_with(values, {self.laterality: laterality, **sliders})

    def grow_another(self, values: Values) -> Changes:
        """The eye of the next seed."""
        following = next_seed(values[self.seed])
        return {self.seed: following, **self.propose({**values, self.seed: following})}

    def choose_source(self, values: Values) -> Changes:
        """The panel that belongs to a source; a drawing is begun where there is none."""
        source, given = values[self.source], values[self.given]
        panels = {panel: gr.update(visible=source == one) for one, panel in self.panels.items()}
        if source == UPLOADED and given.uploaded is None:
            return {**panels, self.note: markup.message("Upload a mask to see its photograph.")}
        if source != DRAWN:
            return {**panels, **self.show(values)}
        if given.drawn is not None:
            return {**panels, self.canvas: canvas_of(given.drawn), **self.show(values)}
        return {**panels, **self.begin_drawing(values)}

    def begin_drawing(self, values: Values) -> Changes:
        """A drawing that begins with the vessels of the eye before it."""
        given = values[self.given]
        base = view_model.eye_of(given.base, self.asked(values), given)
        drawn = view_model.redrawn(base, base.planes["vessels"])
        return {**self.show_with(values, {self.given: replace(given, drawn=drawn)}), self.canvas: canvas_of(drawn)}

    def draw(self, values: Values, drawing: object) -> Changes:
        """Take what was drawn, as `drawing_in` reads it."""
        given = values[self.given]
        if given.drawn is None:
            raise InputError("There is no drawing any more", do=f"Choose {GROWN}, then {DRAWN}")
        drawn = view_model.redrawn(given.drawn, drawing_in(drawing, given.drawn.size))
        return self.show_with(values, {self.given: replace(given, drawn=drawn)})

    def take_mask(self, values: Values) -> Changes:
        """Take an uploaded mask."""
        eye = Eye("uploaded", {"vessels": read_and_remove(values[self.mask_file], mask_in)})
        given = replace(values[self.given], uploaded=eye, drawn=None)
        return self.show_with(values, {self.given: given, self.source: UPLOADED})

    def take_style(self, values: Values) -> Changes:
        """Take the style of an uploaded photograph."""
        given = replace(values[self.given], lent=read_and_remove(values[self.style_file], photograph_in))
        return self.show_with(values, {self.given: given, self.style: view_model.LENT})

    def change_view(self, values: Values, changes: Changes | None = None) -> Changes:
        """Show a photograph, six or two, after some changes."""
        values = {**values, **(changes or {})}
        shows = values[self.shows]
        return {
            **(changes or {}),
            self.planes: gr.update(visible=shows == PHOTOGRAPH),
            self.rival: gr.update(visible=shows == TWO),
            **self.look(values),
        }

    def draw_styles(self, values: Values) -> Changes:
        """Six other styles."""
        return self.change_view(values, {self.first_style: values[self.first_style] + len(STYLES), self.shows: SIX})

    def choose_style(self, values: Values, number: object) -> Changes:
        """The style of one of the six pictures, which is then shown alone."""
        if number not in range(len(STYLES)):
            raise InputError("There is no such style")
        return self.change_view(values, {self.style: STYLES[int(str(number))], self.shows: PHOTOGRAPH})

    def download_pair(self, values: Values) -> Changes:
        """Lay the eye that is shown ready, with its labels."""
        eye = self.eye(values)

        def write(archive: Path) -> None:
            with tempfile.TemporaryDirectory(dir=self.downloads.folder) as folder:
                inside = Path(folder) / archive.stem
                view_model.write_pair(inside, self.model, eye, self.wanted(values), values[self.given])
                view_model.pack(inside, archive)

        return {self.address: self.downloads.add(f"{eye.name}.zip", write)}

    def download_set(self, values: Values) -> Iterator[Changes]:
        """Lay a set ready, and say how far it is."""
        count = int(values[self.how_many])
        wanted = values[self.source], self.asked(values), self.wanted(values), values[self.given]
        with tempfile.TemporaryDirectory(dir=self.downloads.folder) as folder:
            inside = Path(folder) / "synthetic_eyes"
            for done in view_model.write_eyes(inside, (self.name, self.model), *wanted, count):
                yield {self.address: "", self.note: markup.message(f"{done} of {count} eyes")}
            address = self.downloads.add("synthetic_eyes.zip", lambda archive: view_model.pack(inside, archive))
        yield {self.address: address, self.note: markup.message(f"{count} eyes are ready.")}


def _sliders(about: Mapping[str, view_model.Slider], values: Mapping[str, float]) -> dict[str, gr.Slider]:
    return {
        name: gr.Slider(one.least, one.most, values[name], step=one.step, label=one.title)
        for name, one in about.items()
    }


def picture_of(
    models: Mapping[str, Generator], eye: Eye, look: Look, given: Given, shows: str, planes: list[str], rival: str
) -> str:
    """The picture that is wanted, as a piece of the page."""
    name, model = next(iter(models.items()))
    about = markup.described(eye)
    if shows == SIX:
        six = [view_model.photograph_of(model, eye, replace(look, style=style), given) for style in STYLES]
        shown = [
            Shown(one, f"Style {style}", f"{about}, in style {style}") for style, one in zip(STYLES, six, strict=True)
        ]
        return markup.choices(shown, STYLES.index(look.style) if look.style in STYLES else -1)
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
    labelled = view_model.labelled(eye, photograph, visible)
    return markup.photograph(Shown(labelled, caption, f"{about}, with {words}"), visible)


def caption_of(eye: Eye, look: Look) -> str:
    """What stands under a photograph.

    Example:
        >>> caption_of(Eye("drawn", {}), Look("2"))
        'drawn, style 2. Synthetic; not for diagnosis.'
    """
    style = f"style {look.style}" if look.style in STYLES else look.style.lower()
    return f"{eye.name.replace('_', ' ')}, {style}. Synthetic; not for diagnosis."
