"""Pages of the site that stand elsewhere in the repository: model cards, notebooks, what every repository has.

They are taken from there when the site is built, and links to them lead to their pages.
"""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
TITLES = {
    "fundus-512": "Generator fundus-512",
    "vessels": "Segmenter vessels",
    "disc-cup": "Segmenter disc-cup",
    "landmarks": "Segmenter landmarks",
    "judge": "Segmenter judge",
    "enhance": "Enhancer enhance",
}
# By file of the repository, the page that is made of it.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    **{f"src/retinasynth/weights/{name}/README.md": f"models/{name}.md" for name in TITLES},
    **{f"docs/notebooks/{name}.ipynb": f"notebooks/{name}.md" for name in ("first-steps", "own-camera")},
}

WIDE = ("settings.md", "parameters.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.endswith(".ipynb"):
            text = notebook_as_markdown(json.loads(text), source)
        elif page.startswith("models/"):
            text = re.sub(r"\A\s*# (.*)", rf"# {TITLES[Path(page).stem]}\n\n*\1.*", text)
        files.append(File.generated(config, page, content=_relinked(text, source, page)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links out of docs/ to the pages made of what they name; give wide tables the whole page."""
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
    if page.file.generated_by:
        return markdown
    return _relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def _relinked(text: str, source: str, page: str) -> str:
    def leads(link: re.Match[str]) -> str:
        target, hash_sign, anchor = link[1].partition("#")
        if re.match(r"\w+:", target) or not target:
            return link[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        there = PAGES.get(file, file.removeprefix("docs/"))
        return f"]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{hash_sign}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", leads, text)


def notebook_as_markdown(notebook: dict[str, Any], source: str) -> str:
    """Its text, code, and kept outputs: text, and pictures within the page."""
    parts = []
    for cell in notebook["cells"]:
        body = "".join(cell["source"])
        parts.append(body if cell["cell_type"] == "markdown" else f"```python\n{body}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = "".join(output.get("text", data.get("text/plain", "")))
            if "image/jpeg" in data:
                parts.append(f"![What the cell above shows](data:image/jpeg;base64,{data['image/jpeg'].strip()})")
            elif text:
                parts.append(f"```{{.text .output}}\n{text.rstrip()}\n```")
    where = f"*This page is the notebook `{source}` of the repository, with the outputs of its last run.*"
    return "\n\n".join([parts[0], where, *parts[1:]]) + "\n"
