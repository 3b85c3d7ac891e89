"""The tab of enhancement: a photograph in, a less noisy, sharper or larger one out, compared at the same place."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from retinasynth.decoding import read_size
from retinasynth.enhancement.degradation import SCALES, enlarged
from retinasynth.enhancement.use import WARNING, Enhancer
from retinasynth.errors import InputError
from retinasynth.images import Photograph, read_photograph, write_photograph
from retinasynth.studio import markup
from retinasynth.studio.controls import connect, picture_button
from retinasynth.studio.downloads import Downloads
from retinasynth.studio.handlers import Changes, Values, answering, answering_in_steps, read_and_remove
from retinasynth.studio.markup import Shown
from retinasynth.studio.uploads import photograph_in, reduced

LONGEST_PX = 2048  # a side of what is enhanced
LONGEST_RESULT_PX = 4096
CLOSE_UP_PX = 400  # of the enhanced photograph
TOLD = {"I do not know": None, "Yes": True, "No": False}

_ABOUT = f"""Upload a photograph: noise, blur and compression are taken away as far as they can be. **{WARNING}** \
Photographs with a side of more than {LONGEST_PX} pixels are reduced to that first, and to a quarter of \
{LONGEST_RESULT_PX} to become four times as large. What you upload is forgotten after half an hour."""
_NOTHING = markup.empty("Before and after will stand here.")
_FRAME = (92, 196, 184)  # colour of the frame around what is shown close up


class Pair(NamedTuple):
    """A photograph as it was enhanced, and enhanced, ``uint8 (height, width, 3)`` and so many times as large."""

    before: Photograph
    after: Photograph

    @property
    def scale(self) -> int:
        """Height after over height before."""
        return len(self.after) // len(self.before)


def longest_for(scale: int) -> int:
    """How many pixels the longest side of a photograph may have that is to be enlarged.

    Example:
        >>> longest_for(1), longest_for(4)
        (2048, 1024)
    """
    return min(LONGEST_PX, LONGEST_RESULT_PX // scale)


def taken(file: Path) -> tuple[Photograph, str]:
    """The photograph in an uploaded file, and what is said of it.

    Raises:
        ImageError: it is no picture, or too large.
    """
    photograph = photograph_in(file, LONGEST_PX)
    height, width = photograph.shape[:2]
    is_smaller = sorted(read_size(file)) != sorted((height, width))  # some are turned when they are read
    return photograph, f"{file.name}, {'reduced to ' if is_smaller else ''}{width} x {height} px"


def place(size: tuple[int, ...], across: float, down: float, scale: int) -> tuple[slice, slice]:
    """What is shown close up.

    Args:
        size: of the photograph before.
        across: where, in percent from the left.
        down: likewise from above.
        scale: of the photograph after; there the place has at most `CLOSE_UP_PX` to each side.

    Returns:
        Rows and columns of the photograph before.
    """
    sides = [min(CLOSE_UP_PX // scale, along) for along in size[:2]]
    starts = [
        round(share / 100 * (along - side)) for share, along, side in zip((down, across), size[:2], sides, strict=True)
    ]
    rows, columns = (slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    return rows, columns


def framed(picture: Photograph, where: tuple[slice, slice]) -> Photograph:
    """A picture with a frame around a place."""
    result = picture.copy()
    wide = max(1, max(picture.shape) // 250)
    inner = tuple(slice(along.start + wide, along.stop - wide) for along in where)
    kept = picture[inner]
    result[where] = _FRAME
    result[inner] = kept
    return result


def compared(pair: Pair, across: float, down: float) -> list[Shown]:
    """Both photographs whole, and the same place of both, pixel by pixel as it was enhanced.

    Args:
        pair: the photographs.
        across: where the place is, in percent from the left.
        down: likewise from above.
    """
    scale = pair.scale
    where = place(pair.before.shape, across, down, scale)
    rows, columns = (slice(scale * along.start, scale * along.stop) for along in where)
    height, width = pair.after.shape[:2]
    larger = f", enlarged {scale} times without enhancement" if scale > 1 else ""
    return [
        Shown(framed(pair.before, where), "Before", "The photograph that was uploaded; a frame is shown close up"),
        Shown(framed(pair.after, (rows, columns)), f"After, {width} x {height} px", "The photograph enhanced"),
        Shown(enlarged(pair.before[where], scale), f"Before, close up{larger}", "The framed place before"),
        Shown(pair.after[rows, columns], "After, close up", "The framed place, enhanced"),
    ]


def build(enhancer: Enhancer, downloads: Downloads) -> None:
    """Build the tab.

    Args:
        enhancer: that does it.
        downloads: where photographs are laid, before and after.
    """
    with gr.Row(elem_classes="two"):
        with gr.Column(elem_classes="controls"):
            gr.Markdown(_ABOUT)
            with gr.Column(elem_classes="panel"):
                upload = picture_button("Upload a photograph", "enhance-upload")
                arrived = gr.HTML("", elem_classes="arrived")
            with gr.Column(elem_classes="panel"):
                scale = gr.Radio([(f"{one} x", one) for one in SCALES], value=1, label="Height and width")
                noise, blur = (
                    gr.Radio(list(TOLD), value=next(iter(TOLD)), label=title)
                    for title in ("Is it noisy?", "Is it blurred?")
                )
                start = gr.Button("Enhance", variant="primary", elem_id="enhance")
        with gr.Column(elem_classes="result"):
            picture = gr.HTML(_NOTHING, elem_id="enhanced")
            note = gr.HTML("", elem_id="enhance-message", elem_classes="said")
            across = gr.Slider(0, 100, 50, step=1, label="Close up: from the left, percent")
            down = gr.Slider(0, 100, 50, step=1, label="Close up: from above, percent")
            link = gr.HTML("", elem_id="enhance-fetch")
    # Addresses of downloads; that of the enhanced photograph with its scale, and with what is said of it.
    sent, made = gr.State(""), gr.State(None)

    def opened(address: str) -> Photograph:
        file = downloads.find(*address.split("/")[-2:]) if address else None
        if file is None:
            raise InputError("There is no photograph, or it is not kept any longer", do="Upload one")
        return read_photograph(file)

    def take(values: Values) -> Changes:
        photograph, said = read_and_remove(values[upload], taken)
        address = downloads.add("before.png", lambda file: write_photograph(file, photograph))
        return {sent: address, made: None, link: "", picture: _NOTHING, arrived: markup.message(said)}

    def enhance(values: Values) -> Iterator[Changes]:
        by, whole = values[scale], opened(values[sent])
        before = reduced(whole, longest_for(by))
        height, width = before.shape[:2]
        smaller = f", reduced to {width} x {height} px first" if before.shape != whole.shape else ""
        yield {note: markup.message(f"Enhancing{smaller}: some seconds for each million pixels.")}
        after = enhancer.enhance(before, by, noise=TOLD[values[noise]], blur=TOLD[values[blur]])
        name = "enhanced.png"
        address = downloads.add(name, lambda file: write_photograph(file, after, enhancer.metadata(by)))
        said = markup.message(f"Enhanced by {enhancer.name}{smaller}. {WARNING}")
        yield {
            **shown(Pair(before, after), values),
            made: (address, by, said),
            link: f'<p><a class="fetch" href="{address}" download>Download the enhanced photograph (PNG)</a></p>',
            note: said,
        }

    def move(values: Values) -> Changes:
        if values[made] is None:
            return {}
        address, by, said = values[made]
        pair = Pair(reduced(opened(values[sent]), longest_for(by)), opened(address))
        return {**shown(pair, values), note: said}

    def shown(pair: Pair, values: Values) -> Changes:
        return {picture: markup.grid(compared(pair, values[across], values[down]), "beside")}

    everything = {upload, sent, made, scale, noise, blur, across, down}
    results = [picture, note, arrived, link, sent, made]
    connect(upload.upload, answering(take, note), everything, results, "enhancement")
    connect(start.click, answering_in_steps(enhance, note), everything, results, "enhancement")
    on_any = functools.partial(gr.on, [across.input, down.input])
    connect(on_any, answering(move, note), everything, results, "enhancement", "always_last")
