"""A hook of MkDocs: a page for each package of `triptych`, from its docstrings.

The packages that README's example imports come first, then what is left of the pipeline, then the dashboard.
"""

import ast
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
INDEX = "api/index.md"
OF_PACKAGE = "members: false, show_root_heading: false, show_root_toc_entry: false"
PARTS = {"pipeline": "Science and storage", "app": "Dashboard and command line"}


def packages() -> dict[str, Path]:
    """The name after `triptych.` of each public package -> its folder; in the order of the navigation."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    first = re.findall(r"from triptych\.([\w.]+)\.\w+ import", example)
    found = {}
    for part in PARTS:
        for init in sorted((ROOT / part).rglob("__init__.py")):
            words = init.parent.relative_to(ROOT).parts
            if modules(init.parent) and not any(word.startswith("_") for word in words):
                found[".".join(words)] = init.parent
    places = {name: first.index(".".join(name.split(".")[:2])) for name in found if name.startswith(tuple(first))}
    return {name: found[name] for name in sorted(found, key=lambda name: places.get(name, len(first)))}


def modules(folder: Path) -> list[str]:
    """The names of the public modules that stand in a package's folder itself and can be imported by name."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem.isidentifier() and path.stem[0] != "_")


def page_of(name: str) -> str:
    return f"api/{name}.md"


def summary(file: Path) -> str:
    """The first paragraph of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def describe(name: str, folder: Path) -> str:
    """The page of a package: its docstring, then its modules."""
    parts = [f"---\ntitle: {name.partition('.')[2] or name}\n---\n\n# triptych.{name}"]
    parts.append(f"::: triptych.{name}\n    options: {{ {OF_PACKAGE} }}")
    parts += [f"::: triptych.{name}.{module}" for module in modules(folder)]
    return "\n\n".join(parts) + "\n"


def on_config(config):
    (section,) = [entry["API"] for entry in config.nav if "API" in entry]
    listed = {part: [page_of(name) for name in packages() if name.split(".")[0] == part] for part in PARTS}
    section[:] = [INDEX, *({about: listed[part]} for part, about in PARTS.items())]
    return config


def on_files(files, config):
    for name, folder in packages().items():
        files.append(File.generated(config, page_of(name), content=describe(name, folder)))
    return files


def on_page_markdown(markdown, page, **_):
    """README's example is followed by a table of all packages."""
    if page.file.src_uri != INDEX:
        return markdown
    for part, about in PARTS.items():
        rows = [
            f"| [`triptych.{name}`]({name}.md) | {summary(folder / '__init__.py')} |"
            for name, folder in packages().items()
            if name.split(".")[0] == part
        ]
        markdown += "\n".join([f"\n## {about}\n", "| package | holds |", "| --- | --- |", *rows, ""])
    return markdown
