"""The canvas that vessels are drawn on: what it starts from, and what comes back from it."""

import base64
import binascii
import io
import json
import zlib
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from retinasynth.errors import InputError
from retinasynth.eye import Eye
from retinasynth.eye.label_map import overlay
from retinasynth.images import Mask
from retinasynth.studio import markup

MAX_DRAWING_CHARACTERS = 2_000_000

_DATA_URL = "data:image/png;base64,"
_HTML = """
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


def canvas() -> gr.HTML:
    """An empty canvas; it takes what `canvas_of` gives, and each change triggers ``draw`` (see canvas.js)."""
    script = Path(__file__).with_name("canvas.js").read_text(encoding="utf-8")
    return gr.HTML("", html_template=_HTML, js_on_load=script, elem_id="canvas")


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


def drawing_in(data_url: object, size: tuple[int, int]) -> Mask:
    """What was drawn on a canvas, as the browser sends it: a PNG, opaque where something was drawn.

    Args:
        data_url: what came.
        size: height and width that it must have.

    Returns:
        ``bool (height, width)``.

    Raises:
        InputError: it is something else.
    """
    wrong = InputError("The drawing did not arrive whole", do="Draw once more, or load the page again")
    if not isinstance(data_url, str) or not data_url.startswith(_DATA_URL) or len(data_url) > MAX_DRAWING_CHARACTERS:
        raise wrong
    try:
        content = base64.b64decode(data_url.removeprefix(_DATA_URL), validate=True)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if (picture.height, picture.width) != size or picture.mode != "RGBA":
                raise wrong
            return np.asarray(picture.getchannel("A")) > 127
    except (binascii.Error, OSError, SyntaxError, ValueError, zlib.error, Image.DecompressionBombError) as error:
        raise wrong from error
