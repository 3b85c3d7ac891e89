"""The browser interface: what the package does, seen in a minute. Needs the extra `studio`.

Each tab is a module that builds it (`eye`, `whatif`, `series`, `enhance`, `evaluation`), from `controls` where several
have the same; what strangers send is looked at in `doors` (requests), `uploads` (files) and `canvas` (drawings),
`folder` is where that lies, and `server` puts all together.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from types import FrameType

from retinasynth.enhancement.use import Enhancer
from retinasynth.errors import InputError, MissingExtraError
from retinasynth.generation.generator import load as load_generator
from retinasynth.studio.folder import own_folder


def serve(
    models: Sequence[str],
    enhancer: str,
    host: str,
    port: int,
    announce: Callable[[str], None],
    *,
    names: Sequence[str] = (),
) -> None:
    """Open the studio and serve it until the user stops it, by Ctrl-C or a signal to end or hang up.

    Nothing is asked of any other server. What people upload is kept in a folder of its own, that goes when it ends.

    Args:
        models: names of bundled models, run folders or model folders; the first makes the photographs, the others
            can be compared with it.
        enhancer: of photographs: the name of the bundled one, a run folder or a model folder.
        host: address of this machine to serve at; ``"127.0.0.1"`` is reached from this machine alone.
        port: likewise; 0 takes any free one.
        announce: is told the address when the studio is about to open.
        names: by which browsers may call it beside `host` and the names of this machine: of a proxy, for example.

    Raises:
        MissingExtraError: gradio is not installed.
        InputError: the first model follows no style, two have one name, or one of `names` is none.
        ModelError: there is no such model or enhancer.
        OutputError: the port is taken.
    """
    if find_spec("gradio") is None:
        raise MissingExtraError("The studio", "studio")
    loaded = {model.name: model for model in map(load_generator, models)}
    if len(loaded) < len(models):
        raise InputError("Two models have the same name", expected="folders of different names")
    first = next(iter(loaded.values()))
    if not first.styles:
        raise InputError(f"{first.name} follows no style", expected="first a model of the architecture styled")
    enhancing = Enhancer.load(enhancer)
    with _ending_at_signals(), own_folder() as folder:
        # Gradio reads these when it is first imported.
        os.environ |= {"GRADIO_TEMP_DIR": str(folder), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        from retinasynth.studio.doors import Names  # noqa: PLC0415 - comes with gradio
        from retinasynth.studio.server import listen, run  # noqa: PLC0415 - gradio is an extra

        with listen(host, port) as listening:
            address, port = listening.getsockname()[:2]
            known = Names.of(host, address, names)
            shown = f"[{host}]" if ":" in host else host
            announce(f"http://{shown}:{port}")
            run(loaded, enhancing, listening, folder, known)


@contextlib.contextmanager
def _ending_at_signals() -> Iterator[None]:
    """Let a signal to end, or to hang up, end a block as Ctrl-C does, unless somebody else has said what it does."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGTERM)  # for which the server ends in good order

    ends = {signal.SIGTERM: end} if sys.platform == "win32" else {signal.SIGTERM: end, signal.SIGHUP: hang_up}
    if threading.current_thread() is not threading.main_thread():  # which alone may do this
        ends = {}
    usual = (signal.SIG_DFL, signal.default_int_handler)  # the second is the command line's
    before = {number: signal.signal(number, do) for number, do in ends.items() if signal.getsignal(number) in usual}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
