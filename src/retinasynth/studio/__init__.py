"""The browser interface: what the package does, seen in a minute. Needs the extra `studio`.

Each tab is a module that builds it (`eye`, `whatif`, `series`, `enhance`, `evaluation`), from `controls` where several
have the same; what strangers send is looked at in `uploads`, and `server` puts all together.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from retinasynth.applications.enhancement import Enhancer
from retinasynth.errors import InputError, MissingExtraError
from retinasynth.synthesis.synthesizer import Synthesizer


def serve(models: Sequence[str], enhancer: str, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Open the studio and serve it until the user stops it.

    Nothing is asked of any other server. What people upload is kept in a folder of its own, that goes when it ends.

    Args:
        models: names of bundled models, run folders or model folders; the first makes the photographs, the others
            can be compared with it.
        enhancer: of photographs: the name of the bundled one, a run folder or a model folder.
        host: address of this machine to serve at; ``"127.0.0.1"`` is reached from this machine alone.
        port: likewise; 0 takes any free one.
        announce: is told the address when the studio is about to open.

    Raises:
        MissingExtraError: gradio is not installed.
        InputError: the first model follows no style, or two have one name.
        ModelError: there is no such model or enhancer.
        OutputError: the port is taken.
    """
    if find_spec("gradio") is None:
        raise MissingExtraError("The studio", "studio")
    loaded = {model.name: model for model in map(Synthesizer.load, models)}
    if len(loaded) < len(models):
        raise InputError("Two models have the same name", expected="folders of different names")
    first = next(iter(loaded.values()))
    if not first.config.is_styled:
        raise InputError(f"{first.name} follows no style", expected="first a model of the architecture styled")
    enhancing = Enhancer.load(enhancer)
    with tempfile.TemporaryDirectory(prefix="retinasynth-studio-", ignore_cleanup_errors=True) as folder:
        # Gradio reads these when it is first imported.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        from retinasynth.studio.server import listen, run  # noqa: PLC0415 - gradio is an extra

        listening = listen(host, port)
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listening.getsockname()[1]}")
        run(loaded, enhancing, listening, Path(folder))
