"""The tab of what-ifs: one eye before and after an edit, in one style, and by how much the photographs differ."""

import functools
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from retinasynth.anatomy.edits import SEVERITIES, Severity
from retinasynth.errors import InputError
from retinasynth.generation.whatif import CUPS, GOAL, NARROWEST, NOTICE, SHOWN_CHANGE, Edit, WhatIf, what_if
from retinasynth.generation.whatif_files import draw_panel
from retinasynth.generator import Generator
from retinasynth.images import write_photograph
from retinasynth.studio import markup, view_model
from retinasynth.studio.controls import FETCH, connect, eye_number, next_seed, people, seed_of, styles
from retinasynth.studio.downloads import Downloads
from retinasynth.studio.handlers import Changes, Values, answering
from retinasynth.studio.markup import Shown
from retinasynth.studio.view_model import Asked, Given, Look

CUP, LESIONS, ARTERIES = "Cup", "Lesions", "Arteries"
HEAD = ("In the labels", "before", "after")

_ABOUT = f"""The same eye in the same style and with the same noise, photographed as it is and after a change to its \
labels. **{NOTICE}**"""
_SCALE = f'<p class="scale">Change: none <i></i> {SHOWN_CHANGE} grey levels of 255, or more</p>'
_MEASURES = {
    "cup_to_disc_vertical": ("Cup-to-disc ratio", "{:.2f}"),
    "artery_to_vein_ratio": ("Artery-to-vein ratio", "{:.2f}"),
    "vessel_density": ("Vessel density", "{:.3f}"),
    "calibre_mean_px": ("Mean calibre, px", "{:.1f}"),
}


def edit_of(chosen: Sequence[str], cup: float, lesions: Severity, percent: float) -> Edit:
    """What is to be changed.

    Args:
        chosen: some of `CUP`, `LESIONS`, `ARTERIES`; of the others, what follows does not count.
        cup: vertical cup-to-disc ratio.
        lesions: how many.
        percent: of their calibre that arteries keep.

    Raises:
        InputError: nothing is chosen.
        SettingError: something impossible is.
    """
    if not chosen:
        raise InputError("Nothing is to be changed", do="Choose one thing or more")
    return Edit(
        cup if CUP in chosen else None,
        lesions if LESIONS in chosen else None,
        percent / 100 if ARTERIES in chosen else None,
    )


@functools.lru_cache(maxsize=4)
def changed(model: Generator, asked: Asked, edit: Edit, look: Look) -> WhatIf:
    """An eye before and after an edit, see `retinasynth.generation.whatif.what_if`."""
    eye, style = view_model.grown(asked), view_model.style_of(look, Given())
    return what_if(eye, edit, model, seed=look.seed, style=style, lesion_seed=asked.seed)


def pictures_of(result: WhatIf) -> list[Shown]:
    """Before, after, change; and the same close up, where the change is small."""
    about = markup.described(result.before)
    words = [
        ("Before", f"{about}, before"),
        (f"After: {result.edit.words}", f"{about}, after: {result.edit.words}"),
        ("Change", f"Where the two photographs differ. {sentences_of(result)[0]}"),
    ]
    shown = [Shown(one, *said) for one, said in zip(result.pictures, words, strict=True)]
    if result.close_up is not None:
        shown += [
            Shown(one[result.close_up], f"{name}, close up", f"{name}, close up")
            for one, name in zip(result.pictures, ("Before", "After", "Change"), strict=True)
        ]
    return shown


def sentences_of(result: WhatIf) -> list[str]:
    """By how much the photographs differ, where they should and where they should not."""
    change = result.change
    sentences = [
        f"Outside the edited region: mean change {change.outside:.2f} grey levels of 255 (goal: at most {GOAL:g}).",
        f"Inside it: {change.inside:.1f} grey levels. It covers {change.region_share:.0%} of the field of view.",
    ]
    if change.is_blended:
        sentences.append(
            f"Outside it, {change.outside_unblended:.2f} grey levels had changed at first; the photograph after was "
            "therefore laid into the one before."
        )
    return sentences


def changes_of(result: WhatIf) -> list[tuple[str, str, str]]:
    """What differs in the labels: measures, and the shares of the field of view that structures cover."""
    found = result.to_json()["changed"]
    lines = []
    for name, values in found["measures"].items():
        title, pattern = _MEASURES[name]
        before, after = (
            "unknown" if values[when] is None else pattern.format(values[when]) for when in ("before", "after")
        )
        lines.append((title, before, after))
    field = result.before.planes["fov"].sum()
    for plane, pixels in found["pixels"].items():
        before, after = (f"{100 * pixels[when] / field:.2f} %" for when in ("before", "after"))
        lines.append((f"{markup.plane_title(plane)}, of the field", before, after))
    return lines


def write_panel(file: Path, result: WhatIf) -> None:
    """Write all pictures side by side, with what they say of themselves."""
    write_photograph(file, draw_panel(result), result.metadata)


def build(model: Generator, downloads: Downloads, tab: gr.Tab) -> None:
    """Build the tab.

    Args:
        model: a styled one, that makes the photographs.
        downloads: where panels are laid.
        tab: that is built; what it shows is drawn when it is first opened.
    """
    with gr.Row(elem_classes="two"):
        with gr.Column(elem_classes="controls"):
            gr.Markdown(_ABOUT)
            chosen = gr.CheckboxGroup([CUP, LESIONS, ARTERIES], value=[CUP], label="What shall be different")
            cup = gr.Slider(*CUPS, 0.8, step=0.01, label="Cup-to-disc ratio after")
            lesions = gr.Radio(list(SEVERITIES), value="severe", label="Lesions after", visible=False)
            percent = gr.Slider(
                100 * NARROWEST, 95, 70, step=1, label="Calibre that arteries keep, percent", visible=False
            )
            with gr.Column(elem_classes="panel"):
                with gr.Row(elem_classes="pair"):
                    preset, seed = people(), eye_number()
                another = gr.Button("Grow another eye", elem_id="whatif-another")
                view = gr.Radio(list(view_model.VIEWS), value=next(iter(view_model.VIEWS)), label="View")
                style = styles()
            with gr.Column(elem_classes="panel"):
                panel = gr.Button("Download these pictures", variant="primary", elem_id="whatif-panel")
        with gr.Column(elem_classes="result"):
            picture = gr.HTML(markup.empty("The eye before and after will stand here."), elem_id="whatif")
            note = gr.HTML("", elem_id="whatif-message", elem_classes="said")
            sentences, table = gr.HTML("", elem_id="whatif-findings"), gr.HTML("", elem_id="whatif-measures")
    is_drawn, address = gr.State(False), gr.Textbox(visible=False)

    def result_of(values: Values) -> WhatIf:
        edit = edit_of(values[chosen], values[cup], values[lesions], values[percent])
        asked = view_model.usual(seed_of(values[seed]), values[preset], values[view])
        return changed(model, asked, edit, Look(values[style]))

    def show(values: Values) -> Changes:
        result = result_of(values)
        return {
            picture: markup.grid(pictures_of(result), "what-if") + _SCALE,
            sentences: markup.findings(sentences_of(result)),
            table: markup.table(HEAD, changes_of(result)),
            is_drawn: True,
        }

    def open_first(values: Values) -> Changes:
        return {} if values[is_drawn] else show(values)

    def grow_another(values: Values) -> Changes:
        following = next_seed(values[seed])
        return {seed: following, **show({**values, seed: following})}

    def choose(values: Values) -> Changes:
        of_each = ((CUP, cup), (LESIONS, lesions), (ARTERIES, percent))
        return {control: gr.update(visible=name in values[chosen]) for name, control in of_each}

    def download(values: Values) -> Changes:
        result = result_of(values)
        return {address: downloads.add(f"{result.before.name}-what-if.png", lambda file: write_panel(file, result))}

    everything = {chosen, cup, lesions, percent, preset, seed, view, style, is_drawn}
    results = [picture, note, sentences, table, is_drawn, seed, cup, lesions, percent, address]
    looks = [cup.input, lesions.input, percent.input, preset.input, seed.submit, seed.blur, view.input, style.input]
    on_any = functools.partial(gr.on, looks)
    connect(on_any, answering(show, note), everything, results, "eye", "always_last")
    chose = connect(chosen.input, answering(choose, note), everything, results, "eye", "always_last")
    connect(chose.then, answering(show, note), everything, results, "eye", "always_last")
    connect(tab.select, answering(open_first, note), everything, results, "eye")
    connect(another.click, answering(grow_another, note), everything, results, "eye")
    laid = connect(panel.click, answering(download, note, address), everything, results, "eye")
    laid.then(None, address, None, js=FETCH)
