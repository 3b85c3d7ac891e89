"""The documents keep their word: links lead somewhere, commands parse, snippets run, notebooks run, the site builds."""

import ast
import importlib
import importlib.util
import inspect
import json
import operator
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import retinasynth
from painted import MODELS, seen
from retinasynth import api, cli
from retinasynth.anatomy.physiology import draw_anatomy
from retinasynth.anatomy.render.phantom import phantom_eye
from retinasynth.cli.shell import assignments
from retinasynth.generation.train import settings_of_preset
from retinasynth.images import read_photograph, write_mask, write_photograph
from retinasynth.segmentation import labelling
from retinasynth.segmentation import use as segmentation
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.styled.settings import Settings as StyledSettings

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CARDS = sorted((ROOT / "src" / "retinasynth" / "weights").glob("*/README.md"))
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
TUTORIALS = ["start", "own-eyes", "without-masks"]
COMMANDS = dict(runpy.run_path(str(ROOT / "docs" / "reference.py"))["commands"]())
notebooks = runpy.run_path(str(ROOT / "docs" / "run_notebooks.py"))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and body of each code block."""
    yield from re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_lines(path: Path) -> list[list[str]]:
    """Every command in the blocks of a page that are not of another language, as words."""
    bodies = [body for language, body in blocks(path.read_text()) if language in ("", "bash", "sh", "console")]
    lines = "\n".join(bodies).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if re.match(r"(retinasynth|make|python) ", line)]


def of_ours(path: Path) -> list[list[str]]:
    """Those of `retinasynth`, without what a shell would do with their output."""
    found = [words for words in command_lines(path) if words[0] == "retinasynth"]
    return [words[: words.index(">")] if ">" in words else words for words in found]


def snippets(path: Path) -> list[str]:
    return [body for language, body in blocks(path.read_text()) if language == "python"]


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- Links ---------------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Of its headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {one.strip().replace(" ", "-") for one in words}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_and_anchor_exists(page):
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        target, _, anchor = link.partition("#")
        if re.match(r"(https?|mailto):", target):
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(file), f"{link}: no such heading"


# --- Commands ------------------------------------------------------------------------------------------------------


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Name and options of a command, as the command line reads them; nothing runs.

    Raises a usage error, or KeyError where there is no such command.
    """
    taken = next((n for n in (3, 2) if " ".join(words[:n]) in COMMANDS), 0)
    command = COMMANDS[" ".join(words[:taken])]
    return " ".join(words[1:taken]), command.make_context(words[0], words[taken:]).params


def overrides_exist(name: str, options: dict[str, Any]) -> None:
    """What follows --set is a setting of the preset, what follows --anatomy a parameter of an eye; no old spellings."""
    assert not [option for option, value in options.items() if option.startswith("old_") and value not in (None, ())]
    chosen = list(options.get("overrides") or [])
    if "anatomy" in options:
        draw_anatomy(np.random.default_rng(0), options.get("people") or "adult", assignments(options["anatomy"] or []))
    if name == "segment train":
        SegmenterSettings.from_preset(options["preset"] or "vessels").with_overrides(chosen)
    elif chosen or options.get("preset"):
        preset = options.get("preset") or "source"
        segmenter = preset in SegmenterSettings.presets
        base = SegmenterSettings.from_preset(preset) if segmenter else settings_of_preset(preset)
        base.with_overrides(chosen)


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=ids)
def test_every_command_parses(page):
    for words in of_ours(page):
        if words[1] != "--version" and "--help" not in words:
            overrides_exist(*parsed(words))


@pytest.mark.parametrize(
    "line",
    [
        "retinasynth paint",
        "retinasynth train --data x --out y --sett epochs=3",
        "retinasynth grow --count many --out x",
        "retinasynth measure",
        "retinasynth train --data x --out y --set epoch=3",
        "retinasynth generate --model x --count 2 --out y --anatomy cup=0.3",
        "retinasynth grow --count 2 --out y --people sourse",
    ],
)
def test_a_wrong_command_would_be_noticed(line):
    with pytest.raises(Exception, match=r".") as found:
        overrides_exist(*parsed(shlex.split(line)))
    assert not isinstance(found.value, AssertionError | AttributeError | TypeError)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_script_and_make_target_exists(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    inline = [shlex.split(span) for span in re.findall(r"`((?:make|python) [^`\n]+)`", page.read_text())]
    for words in [*command_lines(page), *inline]:
        if words[0] == "make":
            assert set(words[1:]) <= targets, words
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words


# --- Python --------------------------------------------------------------------------------------------------------


def check_python(source: str) -> None:
    """It compiles, its imports exist, and what it takes from `rs` is there and is called as it can be."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert importlib.util.find_spec(alias.name), alias.name
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rs":
            assert node.attr in retinasynth.__all__, f"rs.{node.attr}"
        elif isinstance(node, ast.Call) and re.fullmatch(r"rs\.[\w.]+", ast.unparse(node.func)):
            function = operator.attrgetter(ast.unparse(node.func).removeprefix("rs."))(retinasynth)
            named = {str(keyword.arg): None for keyword in node.keywords}
            inspect.signature(function).bind(*[None] * len(node.args), **named)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_snippet_compiles_and_its_names_exist(page):
    for source in snippets(page):
        check_python(source)


@pytest.mark.parametrize(
    "source",
    ["import retina_synth", "from retinasynth import grew", "rs.grew(3)", "rs.train('a', 'b', present='c')", "x = (1"],
)
def test_a_wrong_snippet_would_be_noticed(source):
    with pytest.raises((AssertionError, AttributeError, ImportError, SyntaxError, TypeError)):
        check_python(source)


# --- Tutorials and notebooks, run small ------------------------------------------------------------------------------

EYES = 5
SMALL = [
    "size_px=64",
    "generator.depth=3",
    "generator.filters=4",
    "discriminator.filters=4",
    "discriminator.crop_px=32",
    "start_from=",
    "epochs=1",
    "precision=fp32",
]
SMALL_SEGMENTER = ["filters=4", "steps=2", "crop_px=64", "field_px=64", "grown=2"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder with what the tutorials start from: `eyes` with masks, `photographs` and `others` without.

    The presets that they train have networks and trainings of no size, and a segmenter sees what is painted, as in
    `test_labelling`: the bundled ones find little in pictures that are small enough to be quick.
    """
    for kind, name, overrides in ((StyledSettings, "few-shot", SMALL), (SegmenterSettings, "vessels", SMALL_SEGMENTER)):
        small = kind.from_preset(name).with_overrides(overrides).model_dump(exclude={"preset"})
        monkeypatch.setitem(kind.presets, name, small)
    monkeypatch.setattr(segmentation, "segment", painted)
    monkeypatch.setattr(labelling, "segment", painted)
    for seed in range(EYES):
        eye = phantom_eye(seed, 192)
        write_photograph(tmp_path / "eyes" / "images" / f"eye_{seed:02d}.png", eye.photograph)
        write_mask(tmp_path / "eyes" / "masks" / f"eye_{seed:02d}.png", eye.planes["vessels"])
        whose = "photographs" if seed < 3 else "others"
        write_photograph(tmp_path / whose / f"eye_{seed:02d}.png", eye.photograph)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def painted(photograph, *, models=()):
    assert [model.name for model in models] in ([], ["vessels", "disc-cup"])
    picture = photograph if isinstance(photograph, np.ndarray) else read_photograph(Path(photograph))
    return seen(picture, models=MODELS)


def made_small(words: list[str]) -> list[str]:
    """The command, with fewer and smaller eyes; only whole sets are judged in full."""
    name, options = parsed(words)
    bundled = options.get("model") == Path("fundus-512")
    few = "1" if bundled else "3"  # what is made by a model of one's own is judged, and learnt from
    counted = [few if before == "--count" else word for before, word in zip(["", *words], words, strict=False)]
    one_by_one = ["--workers", "1", *(["--size", "128"] if bundled else [])]
    in_pairs = ["--pairs-only"] if name == "evaluate" and options["model"] else []
    return [*counted, *(one_by_one if options.get("count") and name == "generate" else []), *in_pairs]


@pytest.mark.parametrize("page", TUTORIALS)
def test_the_commands_of_a_tutorial_run_in_order(page, desk):
    for words in of_ours(ROOT / "docs" / f"{page}.md"):
        small = words if words[1] == "--version" else made_small(words)
        done = CliRunner().invoke(cli.app, small[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert len(list(desk.iterdir())) > 3


@pytest.mark.parametrize("page", TUTORIALS)
def test_the_snippets_of_a_tutorial_run_in_order(page, desk, monkeypatch):
    monkeypatch.setattr(api, "evaluate", partial(api.evaluate, sets=False))
    names: dict[str, Any] = {"working_folder": desk}
    for source in snippets(ROOT / "docs" / f"{page}.md"):
        exec(compile(source, page, "exec"), names)  # noqa: S102  # our own pages
    assert names["photograph"].ndim == 3


NOTEBOOK_PARAMETERS = {
    "first-steps": {"SIZE_PX": 192, "SHOWN_PX": 64, "CAMERAS": 2, "EYES": 1},
    "own-camera": {"PHOTOGRAPHS": 4, "OTHERS": 2, "SIZE_PX": 192, "SHOWN_PX": 64, "TRAINING": "", "EYES": 2},
}


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_runs(path):
    for folder in ("photographs", "others"):
        shutil.rmtree(folder)  # the notebook draws its own
    notebook = json.loads(path.read_text())
    kept = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    notebooks["run"](notebook, NOTEBOOK_PARAMETERS[path.stem])
    made = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    kinds = [[sorted(one.get("data", {"text": ""})) for one in outputs] for outputs in made]
    assert kinds == [[sorted(one.get("data", {"text": ""})) for one in outputs] for outputs in kept], "make notebooks"
    assert any("image/jpeg" in kind for outputs in kinds for kind in outputs)
    assert path.stat().st_size < 1_500_000


# --- The release -----------------------------------------------------------------------------------------------------


def test_the_version_is_said_once_and_its_changes_are_told():
    version = retinasynth.__version__
    assert f"## [{version}] - 20" in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


# --- The site --------------------------------------------------------------------------------------------------------


def test_the_site_builds_strictly_and_asks_no_other_host(tmp_path):
    pytest.importorskip("material", reason="needs the extra docs")
    pytest.importorskip("mkdocstrings", reason="needs the extra docs")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?([^\"\s>]+)", page.read_text())
        loaded += re.findall(r"<link[^>]*\srel=\"?(?:stylesheet|icon|preconnect|preload)[^>]*", page.read_text())
        assert not [one for one in loaded if re.search(r"https?:|(^|=\"?)//", one)], page
    assert "iframe-worker.js" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "search" / "search_index.js").stat().st_size > 100_000
