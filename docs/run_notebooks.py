"""Run the notebooks and keep their outputs: `make notebooks`. Without Jupyter, so that tests can run them small.

A cell tagged `parameters` holds plain assignments, which a test replaces by smaller ones. A cell that begins with
`%pip` is left out; a line that begins with `!retinasynth` is run as the command, with {NAMES} filled in, as IPython
does. The last expression of a cell is shown: a picture as a JPEG, anything else as text.
"""

import ast
import base64
import contextlib
import io
import json
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from typer.testing import CliRunner

from retinasynth.cli import app

FOLDER = Path(__file__).parent / "notebooks"
WIDEST_PX = 900


def run(notebook: dict[str, Any], parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Execute every code cell in order, in the working directory, and put its outputs into the notebook.

    Args:
        notebook: as read from its file; changed in place.
        parameters: values in the place of those of the cell `parameters`; every one of its names, and no other.

    Returns:
        The names that the cells left behind.
    """
    names: dict[str, Any] = {}
    for number, cell in enumerate(one for one in notebook["cells"] if one["cell_type"] == "code"):
        cell["execution_count"], cell["outputs"] = None, []
        if cell["source"][0].startswith("%pip"):
            continue
        source = "".join(f"command({line[1:].rstrip()!r})\n" if line[0] == "!" else line for line in cell["source"])
        if parameters is not None and "parameters" in cell["metadata"].get("tags", []):
            chosen = {target.id for node in ast.parse(source).body for target in node.targets}
            if chosen != set(parameters):
                raise ValueError(f"the parameters are {chosen}, not {set(parameters)}")
            names |= parameters
            continue
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            shown = _execute(source, names, f"cell {number}")
        if said.getvalue():
            cell["outputs"].append({"name": "stdout", "output_type": "stream", "text": said.getvalue()})
        if shown is not None:
            data = {"image/jpeg": _jpeg(shown)} if isinstance(shown, Image.Image) else {"text/plain": repr(shown)}
            cell["outputs"].append({"data": data, "metadata": {}, "output_type": "display_data"})
    return names


def _execute(source: str, names: dict[str, Any], title: str) -> Any:
    def command(line: str) -> None:
        done = CliRunner().invoke(app, shlex.split(line.format(**names))[1:], catch_exceptions=False)
        print(done.stdout, end="")  # noqa: T201  # which the cell shows
        if done.exit_code:
            raise RuntimeError(f"{line} ended with {done.exit_code}")

    names["command"] = command
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, title, "exec"), names)  # noqa: S102  # the cells of our own notebooks
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), title, "eval"), names)  # noqa: S307  # likewise


def _jpeg(picture: Image.Image) -> str:
    picture = picture.convert("RGB")
    picture.thumbnail((WIDEST_PX, WIDEST_PX))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Run all of them in full, each in a folder of its own, and write them with their outputs."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            os.environ["COLUMNS"] = "100"
            run(notebook)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
