import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import retinasynth

PRODUCTS = ("pix2pix", "styled", "segmentation", "enhancement")
# The floors of the house: a module imports only from its own floor or from one below it.
FLOORS = {
    **dict.fromkeys(("errors", "documents", "files", "images", "tables", "checks", "settings", "progress"), 0),
    **dict.fromkeys(("parallel", "resuming", "cache", "seeds", "intervals", "report", "decoding", "archives"), 0),
    **dict.fromkeys(("pages", "depth", "windows", "dicom"), 0),
    "eye": 1,
    "anatomy": 2,
    "data": 3,
    "networks": 4,
    "training": 5,
    "generator": 6,
    **dict.fromkeys(PRODUCTS, 7),
    "generation": 8,
    "evaluation": 9,
    "studies": 10,
    "api": 11,
    "cli": 11,
    "studio": 11,
}
PACKAGE = Path(retinasynth.__file__).parent


def modules() -> dict[str, Path]:
    """Every module but the front door, whose names lead to floor 9 on demand."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["retinasynth", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found["retinasynth"]
    return found


def imports(source: str, known: set[str]) -> set[str]:
    """The modules of this package that a source text imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            # `from package import name` may mean a module of that package, or something defined in it.
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in known else str(node.module) for name in full.values()}
    return {name for name in names if name.partition(".")[0] == "retinasynth"}


def floor(module: str) -> int:
    return FLOORS[module.split(".")[1]]


MODULES = modules()
IMPORTS = {name: imports(path.read_text(encoding="utf-8"), set(MODULES)) for name, path in MODULES.items()}


def test_every_module_stands_on_a_floor() -> None:
    assert {name.split(".")[1] for name in MODULES} <= FLOORS.keys()
    assert {name for name in FLOORS if FLOORS[name] == 0} <= {name.split(".")[1] for name in MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    below = IMPORTS[module] - {"retinasynth"}  # the front door, for the version
    upwards = sorted(name for name in below if floor(name) > floor(module))
    assert upwards == []


def test_errors_import_nothing_of_ours() -> None:
    assert IMPORTS["retinasynth.errors"] == set()


def test_no_two_modules_import_each_other() -> None:
    order = list(graphlib.TopologicalSorter(IMPORTS).static_order())  # raises CycleError and names the circle
    assert set(MODULES) <= set(order)


@pytest.mark.parametrize("module", [name for name, below in IMPORTS.items() if "retinasynth" in below])
def test_only_the_version_is_taken_from_the_front_door(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    taken = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "retinasynth"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "retinasynth":
            taken |= {alias.name for alias in node.names if f"retinasynth.{alias.name}" not in MODULES}
    assert taken <= {"__version__"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from retinasynth import images", {"retinasynth.images"}),
        ("from retinasynth.images import Mask", {"retinasynth.images"}),
        ("from retinasynth.training import loop", {"retinasynth.training.loop"}),
        ("def f():\n    import retinasynth.cli", {"retinasynth.cli"}),
        ("import torch, os.path", set()),
    ],
)
def test_imports_are_seen_in_every_spelling(source: str, expected: set[str]) -> None:
    assert imports(source, set(MODULES)) == expected


def test_the_front_door_and_the_lowest_floor_do_not_load_torch() -> None:
    light = [
        "retinasynth",
        "retinasynth.cli",
        "retinasynth.data.prepare",
        *(
            f"retinasynth.{name}"
            for name in FLOORS
            if FLOORS[name] == 0 and name not in {"seeds", "intervals", "report", "decoding"}
        ),
    ]
    script = f"""
import importlib, sys
for name in {light}:
    importlib.import_module(name)
    heavy = [other for other in ("torch", "lightning_fabric", "matplotlib", "skimage") if other in sys.modules]
    assert not heavy, f"{{name}} loads {{heavy}}"
from retinasynth import Eye
assert "torch" not in sys.modules, "Eye loads torch"
print("light")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("light\n", "")


@pytest.mark.parametrize("module", ["retinasynth.eye", "retinasynth.anatomy.physiology"])
def test_reading_eyes_and_parameters_does_not_load_scipy(module: str) -> None:
    script = f"import sys, {module}; print([name for name in ('scipy', 'skimage', 'torch') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_generating_loads_neither_what_trains_nor_what_segments() -> None:
    script = """
import sys
import numpy as np
import retinasynth as rs

def refuse(when):
    heavy = [name for name in ("lightning_fabric", "monai", "sklearn", "matplotlib", "pandas") if name in sys.modules]
    assert not heavy, f"{when} loads {heavy}"

model = rs.load("fundus-512")
refuse("load")
model.generate(np.eye(64, dtype=bool), style="expected")
refuse("generate")
print("light")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("light\n", "")


def test_public_names_exist_and_nothing_else_does() -> None:
    for name in retinasynth.__all__:
        assert callable(getattr(retinasynth, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = retinasynth.nothing


def test_tests_lie_as_the_code_does() -> None:
    folders = {folder.name for folder in Path(__file__).parent.iterdir() if any(folder.glob("test_*.py"))}
    assert folders <= FLOORS.keys()


def test_names_of_tests_are_short() -> None:
    files = Path(__file__).parent.rglob("test_*.py")
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    names = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {name for name in names if name.startswith("test_") and len(name) >= 70} == set()
