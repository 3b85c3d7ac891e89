"""The tab of one eye: grown, drawn or uploaded, photographed in any style, and taken along with its labels."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from retinasynth.anatomy import PLANES, Eye
from retinasynth.anatomy.label_map import overlay
from retinasynth.anatomy.physiology import PRESETS
from retinasynth.anatomy.style import KNOBS, MOST
from retinasynth.errors import InputError
from retinasynth.images import Mask, encoded
from retinasynth.studio import markup, wishes
from retinasynth.studio.answers import answered, answered_in_steps, uploaded
from retinasynth.studio.downloads import Downloads
from retinasynth.studio.markup import Shown
from retinasynth.studio.uploads import drawing_in, mask_in, photograph_in
from retinasynth.studio.wishes import DRAWN, GROWN, UPLOADED, Asked, Given, Look
from retinasynth.synthesis.synthesizer import Synthesizer

PHOTOGRAPH, SIX, TWO = "Photograph", "Six styles", "Two models"
FIRST_SEED = 7

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
_FETCH = """
address => {
  if (!address) return;
  const link = document.createElement("a");
  link.href = address; link.download = "";
  document.body.append(link); link.click(); link.remove();
}
"""

Values = Mapping[Any, Any]  # of the controls, by control


class _Controls(NamedTuple):
    """Everything on the tab that decides what is shown."""

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

    def all(self) -> set[Any]:
        """All of them."""
        alone = (self.given, self.source, self.seed, self.preset, self.laterality, self.view, self.style, self.first)
        return {*alone, self.shows, self.planes, self.rival, *self.numbers.values(), *self.knobs.values()}

    def asked(self, values: Values) -> Asked:
        """The eye that is to be grown."""
        return Asked(
            seed_of(values[self.seed]),
            values[self.preset],
            values[self.laterality],
            values[self.view],
            tuple((name, float(values[slider])) for name, slider in self.numbers.items()),
        )

    def look(self, values: Values) -> Look:
        """How it is to be photographed."""
        knobs = tuple((name, float(values[slider])) for name, slider in self.knobs.items())
        return Look(values[self.style], values[self.first], knobs)


def seed_of(value: object) -> int:
    """The seed that was typed.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, int | float) or not 0 <= value <= wishes.MOST_SEED or value != int(value):
        raise InputError("That is no number of an eye", expected=f"a whole number from 0 to {wishes.MOST_SEED}")
    return int(value)


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
    models: Mapping[str, Synthesizer], eye: Eye, look: Look, given: Given, shows: str, planes: list[str], rival: str
) -> str:
    """The picture that is wanted, as a piece of the page."""
    name, model = next(iter(models.items()))
    about = markup.described(eye)
    if shows == SIX:
        six = wishes.in_six_styles(model, eye, look, given)
        shown = [
            Shown(one, f"Style {style}", f"{about}, in style {style}")
            for style, one in zip(wishes.STYLES, six, strict=True)
        ]
        return markup.choices(shown, wishes.STYLES.index(look.style) if look.style in wishes.STYLES else -1)
    made = wishes.photographed(model, eye, look, given)
    if made.photograph is None:
        raise InputError("There is no photograph")
    if shows == TWO:
        other = wishes.compared(models.get(rival), eye, look, given)
        return markup.grid([Shown(made.photograph, name, f"{about}, by {name}")]
                           + [Shown(other, rival, f"{about}, by {rival}")] * (other is not None))  # fmt: skip
    if not planes:
        return markup.photograph(Shown(made.photograph, caption_of(eye, look), about))
    visible = [plane for plane in PLANES if plane in planes and plane in eye.planes]
    words = ", ".join(markup.plane_title(plane).lower() for plane in visible) or "no labels"
    return markup.photograph(
        Shown(wishes.labelled(made, visible), caption_of(eye, look), f"{about}, with {words}"), visible
    )


def caption_of(eye: Eye, look: Look) -> str:
    """What stands under a photograph.

    Example:
        >>> caption_of(Eye("drawn", {}), Look("2"))
        'drawn, style 2. Synthetic; not for diagnosis.'
    """
    style = f"style {look.style}" if look.style in wishes.STYLES else look.style.lower()
    return f"{eye.name.replace('_', ' ')}, {style}. Synthetic; not for diagnosis."


def build(models: Mapping[str, Synthesizer], downloads: Downloads) -> None:
    """Build the tab.

    Args:
        models: by name; the first, a styled one, makes the photographs, the others can be compared with it.
        downloads: where files are laid that people take along.
    """
    laterality, numbers = wishes.proposed(FIRST_SEED, "adult")
    first = Asked(FIRST_SEED, "adult", laterality, next(iter(wishes.VIEWS)), tuple(numbers.items()))
    model, eye = next(iter(models.values())), wishes.grown(first)
    with gr.Row(elem_classes="three"):
        with gr.Column(elem_classes="result"):
            shows = gr.Radio([PHOTOGRAPH, SIX, TWO], value=PHOTOGRAPH, label="Show", elem_id="shows")
            picture = gr.HTML(
                picture_of(models, eye, Look(), Given(), PHOTOGRAPH, [], ""), js_on_load=_CHOOSE, elem_id="picture"
            )
            note = gr.HTML("", elem_id="message")
            planes = gr.CheckboxGroup(
                [(markup.plane_title(plane), plane) for plane in PLANES],
                value=[],
                label="Labels over the photograph",
                show_select_all=True,
            )
            rivals = [*list(models)[1:], wishes.PROCEDURAL]
            rival = gr.Dropdown(rivals, value=rivals[0], label="Compare with", visible=False)
        with gr.Column(elem_classes="controls"):
            source = gr.Radio(list(wishes.SOURCES), value=GROWN, label="Where the labels come from")
            with gr.Column(visible=True, elem_classes="panel") as growing:
                with gr.Row(elem_classes="pair"):
                    preset = gr.Dropdown(list(PRESETS), value="adult", label="People", min_width=120)
                    seed = gr.Number(
                        FIRST_SEED, label="Eye number", precision=0, minimum=0, maximum=wishes.MOST_SEED, min_width=120
                    )
                another = gr.Button("Grow another eye", elem_id="another")
                side = gr.Radio(["right", "left"], value=laterality, label="Which eye")
                view = gr.Radio(list(wishes.VIEWS), value=first.view, label="View")
                sliders = _sliders(wishes.ANATOMY, numbers)
                with gr.Accordion("Lesions", open=False):
                    sliders |= _sliders(wishes.LESIONS, numbers)
            with gr.Column(visible=False, elem_classes="panel") as drawing:
                canvas = gr.HTML(
                    "",
                    html_template=_CANVAS,
                    js_on_load=(_HERE / "canvas.js").read_text(encoding="utf-8"),
                    elem_id="canvas",
                )
                again = gr.Button("Start again from the eye before")
            with gr.Column(visible=False, elem_classes="panel") as uploading:
                mask_file = gr.UploadButton(
                    "Upload a vessel mask", file_types=["image"], type="filepath", elem_id="mask-upload"
                )
                gr.Markdown("Black and white, any size; vessels are white.", elem_classes="hint")
            with gr.Column(elem_classes="panel"):
                style = gr.Radio(
                    [*wishes.STYLES, wishes.MOST_LIKELY, wishes.LENT], value="1", label="Style of the photograph"
                )
                with gr.Row(elem_classes="pair"):
                    six_others = gr.Button("Six other styles", min_width=120)
                    style_file = gr.UploadButton(
                        "Upload for style",
                        file_types=["image"],
                        type="filepath",
                        min_width=120,
                        elem_id="style-upload",
                    )
                with gr.Accordion("Turn the style", open=False):
                    knobs = {
                        name: gr.Slider(-MOST, MOST, 0, step=0.5, label=name.capitalize(), info=meaning)
                        for name, meaning in KNOBS.items()
                    }
            with gr.Column(elem_classes="panel"):
                pair_button = gr.Button("Download this eye with its labels", variant="primary", elem_id="pair")
                count = gr.Slider(1, wishes.MOST_EYES, 10, step=1, label="Or a set of so many eyes")
                set_button = gr.Button("Download the set", elem_id="set")
                gr.Markdown(
                    "Sliders that you moved hold for all eyes of a set; all else is drawn anew for each.",
                    elem_classes="hint",
                )
        with gr.Column(elem_classes="measured"):
            table = gr.HTML(markup.table(wishes.measures(eye, numbers)), elem_id="measures")
    given, styles_from, address = gr.State(Given(), time_to_live=3600), gr.State(0), gr.Textbox(visible=False)
    controls = _Controls(
        *(given, source, seed, preset, side, view, sliders, style, styles_from, knobs, shows, planes, rival)
    )

    # --- What happens ---

    def show(values: Values) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            asked, brought, origin = controls.asked(values), values[given], values[source]
            eye = wishes.eye_of(origin, asked, brought)
            drawn = picture_of(
                *(models, eye, controls.look(values), brought, values[shows], values[planes], values[rival])
            )
            wanted = dict(asked.numbers) if origin == GROWN else {}
            brought = brought if origin == DRAWN else replace(brought, base=origin)
            return brought, drawn, markup.table(wishes.measures(eye, wanted))

        return answered(work, 3)

    def propose(values: Values) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            side, numbers = wishes.proposed(seed_of(values[seed]), values[preset])
            return (side, *(numbers[name] for name in sliders))

        return answered(work, 1 + len(sliders))

    def draw(values: Values) -> tuple[Any, ...]:
        """A drawing that begins with the vessels of the eye before it."""

        def work() -> tuple[Any, ...]:
            base = wishes.eye_of(values[given].base, controls.asked(values), values[given])
            drawn = wishes.redrawn(base, vessels_of(base))
            return replace(values[given], drawn=drawn), canvas_of(drawn)

        return answered(work, 2)

    def choose_source(values: Values) -> tuple[Any, ...]:
        """The panel that belongs to a source; a drawing is begun where there is none."""
        origin, brought = values[source], values[given]
        panels = tuple(gr.update(visible=origin == one) for one in wishes.SOURCES)
        if origin != DRAWN:
            return (gr.skip(), gr.skip(), "", *panels)
        if brought.drawn is not None:
            return (gr.skip(), canvas_of(brought.drawn), "", *panels)
        return (*draw(values), *panels)

    def drew(brought: Given, event: gr.EventData) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            if brought.drawn is None:
                raise InputError("There is no drawing any more", do="Choose Grown, then Drawn by me")
            vessels = drawing_in(getattr(event, "vessels", None), brought.drawn.size)
            return (replace(brought, drawn=wishes.redrawn(brought.drawn, vessels)),)

        return answered(work, 1)

    def take_mask(file: object, brought: Given) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            eye = Eye("uploaded", {"vessels": read_and_remove(file, mask_in)})
            return replace(brought, uploaded=eye, drawn=None), UPLOADED

        return answered(work, 2)

    def take_style(file: object, brought: Given) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            return replace(brought, lent=read_and_remove(file, photograph_in)), wishes.LENT

        return answered(work, 2)

    def download_pair(values: Values) -> tuple[Any, ...]:
        def work() -> tuple[Any, ...]:
            eye = wishes.eye_of(values[source], controls.asked(values), values[given])

            def write(archive: Path) -> None:
                with tempfile.TemporaryDirectory() as folder:
                    inside = Path(folder) / archive.stem
                    wishes.write_pair(inside, model, eye, controls.look(values), values[given])
                    wishes.pack(inside, archive)

            return (downloads.add(f"{eye.name}.zip", write),)

        return answered(work, 1)

    def download_set(values: Values) -> Iterator[tuple[Any, ...]]:
        def work() -> Iterator[tuple[Any, ...]]:
            wanted, named = int(values[count]), next(iter(models.items()))
            with tempfile.TemporaryDirectory() as folder:
                inside = Path(folder) / "synthetic_eyes"
                yield "", markup.message(f"0 of {wanted} eyes")
                for done in wishes.write_eyes(
                    *(inside, named, values[source], controls.asked(values), controls.look(values), values[given]),
                    wanted,
                ):
                    yield "", markup.message(f"{done} of {wanted} eyes")
                link = downloads.add("synthetic_eyes.zip", lambda archive: wishes.pack(inside, archive))
            yield link, markup.message(f"{wanted} eyes are ready")

        yield from answered_in_steps(work, 1)

    everything, shown = controls.all(), [given, picture, table, note]
    newest = {"trigger_mode": "always_last", "concurrency_id": "eye", "show_progress": "hidden"}
    quiet = {"concurrency_id": "eye", "show_progress": "hidden"}
    changes = [side, view, style, shows, planes, rival, *sliders.values(), *knobs.values()]
    gr.on([one.input for one in changes], show, everything, shown, **newest)
    proposals = [side, *sliders.values(), note]
    gr.on([preset.input, seed.submit, seed.blur], propose, {seed, preset}, proposals, **quiet).then(
        show, everything, shown, **quiet
    )
    another.click(lambda number: (number or 0) + 1, seed, seed, **quiet).then(
        propose, {seed, preset}, proposals, **quiet
    ).then(show, everything, shown, **quiet)
    panels = [given, canvas, note, growing, drawing, uploading]
    source.input(choose_source, everything, panels, **quiet).then(show, everything, shown, **quiet)
    again.click(draw, everything, [given, canvas, note], **quiet).then(show, everything, shown, **quiet)
    canvas.draw(drew, given, [given, note], **newest).then(show, everything, shown, **quiet)
    mask_file.upload(take_mask, [mask_file, given], [given, source, note], **quiet).success(
        show, everything, shown, **quiet
    )
    style_file.upload(take_style, [style_file, given], [given, style, note], **quiet).success(
        show, everything, shown, **quiet
    )
    six_others.click(lambda seed: (seed + len(wishes.STYLES), SIX), styles_from, [styles_from, shows], **quiet).then(
        show, everything, shown, **quiet
    )
    picture.choose(chosen, None, [style, shows], **quiet).then(show, everything, shown, **quiet)
    shows.change(
        lambda shows: (gr.update(visible=shows == PHOTOGRAPH), gr.update(visible=shows == TWO)), shows, [planes, rival]
    )
    pair_button.click(download_pair, everything, [address, note], **quiet).then(None, address, None, js=_FETCH)
    set_button.click(
        download_set, {*everything, count}, [address, note], concurrency_id="sets", show_progress="hidden"
    ).then(None, address, None, js=_FETCH)


def chosen(event: gr.EventData) -> tuple[str, str]:
    """The style of a picture among the six, which is then shown alone."""
    number = getattr(event, "number", 0)
    return wishes.STYLES[number if number in range(len(wishes.STYLES)) else 0], PHOTOGRAPH


def vessels_of(eye: Eye) -> Mask:
    """All vessels of an eye."""
    return eye.planes["vessels"]


def read_and_remove(file: object, read: Any) -> Any:
    """What an uploaded file holds; the file goes."""
    path = uploaded(file)
    try:
        return read(path)
    finally:
        path.unlink(missing_ok=True)


def _sliders(about: Mapping[str, wishes.Slider], values: Mapping[str, float]) -> dict[str, gr.Slider]:
    return {
        name: gr.Slider(one.least, one.most, values[name], step=one.step, label=one.title)
        for name, one in about.items()
    }
