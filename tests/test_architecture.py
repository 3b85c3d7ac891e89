"""The house keeps its shape: imports point down, and what is light stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import retinasynth

ROOT = Path(retinasynth.__file__).parent
FLOORS = {
    "errors": 0,
    "files": 0,
    "images": 0,
    "config": 0,
    "progress": 0,
    "anatomy": 1,
    "datasets": 2,
    "models": 3,
    "training": 4,
    "synthesis": 5,
    "applications": 6,
    "evaluation": 7,
    "experiments": 8,
    "api": 9,
    "cli": 9,
    "studio": 9,
}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def floor(room: str) -> int:
    assert room in FLOORS, f"{room} has no floor: give it one here and in docs/design.md"
    return FLOORS[room]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "retinasynth" else []
            names += [node.module] if (node.module or "").startswith("retinasynth.") else []
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("retinasynth.")]
        for name in names:
            other = name.split(".")[1]
            if other.startswith("__"):
                continue
            assert floor(other) < floor(room) or other == room or floor(other) == floor(room) in (0, 9), (
                f"{room} (floor {floor(room)}) imports {other} (floor {floor(other)})"
            )


@pytest.mark.parametrize(
    "statement",
    [
        "import retinasynth",
        "import retinasynth.cli",
        "import retinasynth.config, retinasynth.images, retinasynth.files",
        "from retinasynth import Eye",
        "import retinasynth.datasets.prepare",
    ],
)
def test_light_imports_do_not_load_torch(statement):
    check = f"{statement}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_public_names_exist_and_nothing_else_does():
    for name in retinasynth.__all__:
        assert callable(getattr(retinasynth, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = retinasynth.nothing
