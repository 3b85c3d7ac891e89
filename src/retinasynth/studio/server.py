"""The studio as a web server: the page, the downloads, and what keeps strangers within bounds."""

import socket
import time
from collections.abc import Mapping
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import retinasynth
from retinasynth.enhancement.use import Enhancer
from retinasynth.errors import OutputError
from retinasynth.generator import Generator
from retinasynth.studio import enhance, evaluation, series, whatif
from retinasynth.studio.doors import UPLOAD, Doors, Names
from retinasynth.studio.downloads import ROUTE, Downloads
from retinasynth.studio.eye import OneEye
from retinasynth.studio.uploads import MAX_UPLOAD_BYTES

MAX_WAITING = 60  # events of all people together
MAX_MESSAGE_BYTES = 8_000_000  # of a request that is no upload; drawings are the largest
MAX_KEPT_BYTES = 4 * 10**9  # of all uploads together

_HERE = Path(__file__).parent
_FORGET_S = 1800
_AROUND_AN_UPLOAD = 100_000  # bytes that a form adds
_TOO_LARGE = "That is too large: at most {} MB are taken."
_TOO_MANY = "Too many uploads wait here; try again in half an hour."
_PALETTE = {
    "paper": ("#fbfaf7", "#151412"),
    "raised": ("#ffffff", "#1d1b19"),
    "ink": ("#1c1a17", "#ebe6dd"),
    "muted": ("#69635a", "#a59d91"),
    "rule": ("#ddd7cc", "#37332e"),
    "accent": ("#0b6b63", "#5cc4b8"),
    "on accent": ("#ffffff", "#10211f"),
}
# By colour of the palette, what of gradio's theme has it, light and dark.
_COLOURED = {
    "paper": (
        "body_background_fill",
        "background_fill_secondary",
        "color_accent_soft",
        "button_primary_text_color_hover",
    ),
    "ink": (
        "body_text_color",
        "block_label_text_color",
        "block_title_text_color",
        "button_primary_background_fill_hover",
        "button_primary_border_color_hover",
        "button_secondary_text_color",
    ),
    "muted": (
        "body_text_color_subdued",
        "block_info_text_color",
        "input_border_color",
        "checkbox_border_color",
        "button_secondary_border_color",
    ),
    "raised": ("background_fill_primary", "input_background_fill", "button_secondary_background_fill"),
    "rule": ("border_color_primary", "button_secondary_background_fill_hover"),
    "accent": (
        "border_color_accent",
        "slider_color",
        "checkbox_background_color_selected",
        "checkbox_border_color_selected",
        "checkbox_label_background_fill_selected",
        "button_primary_background_fill",
        "button_primary_border_color",
    ),
    "on accent": ("checkbox_label_text_color_selected", "button_primary_text_color"),
}
# Nothing is ever asked of another server, whatever a library or a file would like to load.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
_REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"


class Bounds:
    """Refuses requests that are too large, and tells browsers what they may load.

    Args:
        app: what is kept within bounds.
        uploads: the folder where uploads are kept.
    """

    def __init__(self, app: ASGIApp, uploads: Path) -> None:
        self._app, self._uploads = app, uploads
        self._coming = 0  # bytes of uploads that are on their way, at most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = scope["path"] == UPLOAD
        most = MAX_UPLOAD_BYTES + _AROUND_AN_UPLOAD if is_upload else MAX_MESSAGE_BYTES
        claimed = dict(scope["headers"]).get(b"content-length", b"0")
        came = 0

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        async def limited() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > most:  # more than was claimed
                raise HTTPException(413, _TOO_LARGE.format(most // 10**6))
            return message

        if not claimed.isdigit() or int(claimed) > most:
            await PlainTextResponse(_TOO_LARGE.format(most // 10**6), 413)(scope, receive, answer)
        elif is_upload and _kept_bytes(self._uploads) + self._coming > MAX_KEPT_BYTES:
            await PlainTextResponse(_TOO_MANY, 507)(scope, receive, answer)
        else:
            may_come = (int(claimed) or most) if is_upload else 0
            self._coming += may_come
            try:
                await self._app(scope, limited, answer)
            except HTTPException as refused:  # by the doors, or while they read what came
                await PlainTextResponse(refused.detail, refused.status_code)(scope, receive, answer)
            finally:
                self._coming -= may_come


def _kept_bytes(folder: Path) -> int:
    """The size of all that is kept; uploads that broke off are forgotten, as gradio does with those that arrived."""
    total = 0
    for file in folder.rglob("*"):
        try:
            about = file.stat()
            if file.parent == folder and file.is_file() and time.time() - about.st_mtime > _FORGET_S:
                file.unlink()
            else:
                total += about.st_size
        except FileNotFoundError:  # it was removed just now
            continue
    return total


def page(models: Mapping[str, Generator], enhancer: Enhancer, downloads: Downloads) -> gr.Blocks:
    """The page with all its tabs.

    Args:
        models: by name; the first makes the photographs.
        enhancer: of photographs.
        downloads: where files are laid that people take along.
    """
    forget = (_FORGET_S // 3, _FORGET_S)
    blocks: gr.Blocks = gr.Blocks(
        title="retinasynth studio", analytics_enabled=False, delete_cache=forget, fill_width=True
    )
    with blocks:
        gr.HTML(
            f"<header><h1>retinasynth studio</h1><p>Labelled eyes that nobody ever had. "
            f"Synthetic pictures; not for diagnosis.</p><span>{retinasynth.__version__}</span></header>"
        )
        with gr.Tab("One eye"):
            OneEye(models, downloads)
        first = next(iter(models.values()))
        with gr.Tab("What if") as tab:
            whatif.build(first, downloads, tab)
        with gr.Tab("Series") as tab:
            series.build(first, tab)
        with gr.Tab("Enhance"):
            enhance.build(enhancer, downloads)
        with gr.Tab("Evaluate"):
            evaluation.build(downloads)
    blocks.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    return blocks


def application(models: Mapping[str, Generator], enhancer: Enhancer, uploads: Path, names: Names) -> FastAPI:
    """The whole server.

    Args:
        models: by name; the first makes the photographs.
        enhancer: of photographs.
        uploads: a folder for everything that comes and goes, the one that gradio knows.
        names: that it answers to.
    """
    downloads = Downloads(uploads / "downloads")
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(ROUTE + "/{word}/{name}")
    def download(word: str, name: str, shown: bool = False) -> Response:
        file = downloads.find(word, name)
        if file is None:
            return PlainTextResponse("This file is not kept any longer; make it again.", 404)
        policy = {"Content-Security-Policy": _REPORT_POLICY}
        kind = "inline" if shown else "attachment"
        return FileResponse(file, filename=name, content_disposition_type=kind, headers=policy)

    blocks = page(models, enhancer, downloads)
    gr.mount_gradio_app(
        app,
        blocks,
        "/",
        footer_links=[],
        run_history=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        show_error=False,
        max_file_size=MAX_UPLOAD_BYTES,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        theme=_theme(),
        css_paths=[_HERE / "studio.css"],
        head=f'<meta name="color-scheme" content="light dark"><script>{_script()}</script>',
    )
    # Only `launch` sets it, and until it is set gradio copies any file of the machine that it is told of.
    blocks.has_launched = True
    takes = {
        number: [isinstance(one, gr.UploadButton) for one in event.inputs]
        for number, event in blocks.fns.items()
        if event.fn is not None
    }
    app.add_middleware(Doors, uploads=uploads, names=names, takes=takes)
    app.add_middleware(Bounds, uploads=uploads)
    return app


def run(
    models: Mapping[str, Generator], enhancer: Enhancer, listening: socket.socket, uploads: Path, names: Names
) -> None:
    """Serve until the user stops it.

    Args:
        models: by name; the first makes the photographs.
        enhancer: of photographs.
        listening: what `listen` gives.
        uploads: a folder for everything that comes and goes.
        names: that the studio answers to.
    """
    served = application(models, enhancer, uploads, names)
    config = uvicorn.Config(served, log_level="warning", limit_concurrency=400, timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for people; port 0 takes any free one.

    Raises:
        OutputError: the port is taken, or the host is none of this machine.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise OutputError(f"Nothing can be served at {host}:{port} ({error})", do="Choose another `port`") from error


def _script() -> str:
    return (_HERE / "names.js").read_text(encoding="utf-8")


def _theme() -> gr.themes.Base:
    coloured = {
        f"{what}{shade}": colour
        for name, places in _COLOURED.items()
        for shade, colour in zip(("", "_dark"), _PALETTE[name], strict=True)
        for what in places
    }
    sans = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
    theme = gr.themes.Base(
        font=sans, font_mono=("ui-monospace", "DejaVu Sans Mono", "monospace"), radius_size="sm", spacing_size="md"
    )
    return theme.set(
        **coloured,
        color_accent=_PALETTE["accent"][0],
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_title_text_weight="600",
        block_padding="0px",
        input_border_width="1px",
        button_border_width="1px",
    )
