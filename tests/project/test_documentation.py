"""The documentation as a site: it builds without a warning, is whole, and every link leads to what is there."""

import ast
import functools
import html
import importlib.util
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import documentation
from tests.project.test_project import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
OTHER_HOST = re.compile(r"(?:https?:)?//")
# What a browser loads by itself when it opens a page: never from another host.
LOADED = re.compile(r"""<(?:link|script|img|source|iframe|video)\b[^>]*?\b(?:href|src|srcset)=["']?([^"'\s>]+)""")
LOADED_BY_STYLE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])([^"')\s]+)""")
LINK = re.compile(r"""<(?:a|img|link|script)\b[^>]*?\b(?:href|src)=["']?([^"'\s>]+)""")
PLACE = re.compile(r"""\b(?:id|name)=["']?([^"'\s>]+)""")


@pytest.fixture(scope="module")
def site() -> Path:
    return documentation.site()


@functools.cache
def text_of(page: Path) -> str:
    return page.read_text()


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


@functools.cache
def places(page: Path) -> set[str]:
    """What a link into a page can name."""
    return {html.unescape(name) for name in PLACE.findall(text_of(page))}


def public_packages() -> list[Path]:
    """Folders of importable modules in pipeline/ and app/."""
    inits = [path for part in ("pipeline", "app") for path in sorted((ROOT / part).rglob("__init__.py"))]
    return [path.parent for path in inits if any(own.stem.isidentifier() and own != path for own in siblings(path))]


def siblings(init: Path) -> list[Path]:
    return [path for path in sorted(init.parent.glob("*.py")) if not path.stem.startswith("_")]


@pytest.mark.slow
def test_every_command_has_a_page_with_every_option(site):
    listed = text_of(site / "commands" / "index.html")
    for name, command in commands().items():
        words = name.split()[1:]
        page = text_of(site / "commands" / f"{'/'.join(words)}.html")
        assert f'href="{"/".join(words)}.html"' in listed, f"{name} is not in the list of commands"
        assert html.escape(command.help.split(".")[0], quote=False) in " ".join(page.split())
        for parameter in command.params:
            named = parameter.opts if parameter.param_type_name == "option" else [(parameter.metavar or parameter.name)]
            for word in named:
                assert f"<code>{word.removesuffix('...')}</code>" in page or parameter.name == "help", (name, word)


@pytest.mark.slow
def test_every_public_package_has_a_page_with_every_module(site):
    listed = text_of(site / "api" / "index.html")
    for folder in public_packages():
        name = ".".join(folder.relative_to(ROOT).parts)
        page = places(site / "api" / f"{name}.html")
        assert f'href="{name}.html"' in listed
        for path in siblings(folder / "__init__.py"):
            if path.stem.isidentifier():
                assert f"triptych.{name}.{path.stem}" in page
    assert "triptych.pipeline.catalog.catalog.Catalog.open" in places(site / "api" / "pipeline.catalog.html")


@pytest.mark.slow
def test_what_the_example_of_the_readme_imports_comes_first(site):
    first = list(dict.fromkeys(re.findall(r"from triptych\.(\w+\.\w+)\.", README)))
    found = re.findall(r'<td><a href="([\w.]+)\.html">', text_of(site / "api" / "index.html"))
    places_of_first = [found.index(name) for name in first]
    others = [place for place, name in enumerate(found) if not name.startswith(tuple(first))]
    assert len(first) >= 3
    assert max(places_of_first) < min(others)


@pytest.mark.slow
def test_every_section_of_the_readme_is_somewhere(site):
    everything = "".join(text_of(page) for page in pages(site) if page.parent.name != "pipeline")
    for heading in re.findall(r"^## (.+)$", README, re.MULTILINE):
        assert re.search(rf"<h[12][^>]*>{re.escape(heading)}<", everything), heading


@pytest.mark.slow
def test_nothing_is_loaded_from_another_host(site):
    for page in pages(site):
        found = [target for target in LOADED.findall(text_of(page)) if OTHER_HOST.match(target)]
        assert not found, f"{page.relative_to(site)} loads {found}"
    for style in site.rglob("*.css"):
        found = [target for target in LOADED_BY_STYLE.findall(style.read_text()) if OTHER_HOST.match(target)]
        assert not found, f"{style.relative_to(site)} loads {found}"


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_a_place_that_are_there(site):
    files = {path.resolve() for path in site.rglob("*") if path.is_file()}
    missing = set()
    for page in pages(site.resolve()):
        if page.name == "404.html":  # its links start from the top of a server
            continue
        for link in set(LINK.findall(text_of(page))):
            parts = urlsplit(html.unescape(link))
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            wanted = unquote(parts.fragment) if target.suffix == ".html" else ""
            if target not in files or (wanted and wanted not in places(target)):
                missing.add(f"{page.name}: {link}")
    assert not missing


def test_the_readers_of_python_find_every_function_explained():
    """Of the packages that README's example imports."""
    missing = []
    for name in set(re.findall(r"from triptych\.(\w+\.\w+)\.", README)):
        for path in siblings(ROOT / name.replace(".", "/") / "__init__.py"):
            missing += [f"{path.name}: {named}" for named in without_docstring(ast.parse(path.read_text()))]
    assert not missing


def without_docstring(tree: ast.Module | ast.ClassDef) -> list[str]:
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            found += [] if ast.get_docstring(node) else [node.name]
            found += without_docstring(node) if isinstance(node, ast.ClassDef) else []
    return found


@pytest.fixture(scope="module")
def as_markdown():
    spec = importlib.util.spec_from_file_location("docstrings", ROOT / "docs" / "site" / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.as_markdown


def test_names_and_what_they_are_become_a_list(as_markdown):
    text = "Fit.\n\nrows : (r, k), columns : (c, k) float64; may\nbe empty. power : p. Returns the nearest."
    assert as_markdown(text) == (
        "Fit.\n\n`rows`\n:   (r, k)\n\n`columns`\n:   (c, k) float64; may be empty.\n\n`power`\n:   p."
        "\n\nReturns the nearest."
    )


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("u = 2**-24 and a * b", r"u = 2\*\*-24 and a \* b"),
        ("`a * b` of `x[0]`, <label>", "`a * b` of `x[0]`, &lt;label>"),
        ("low, high : of [0, 1]", "`low`, `high`\n:   of \\[0, 1\\]"),
        ("- a list, with a * b", r"- a list, with a \* b"),
        ("Two kinds: bad and good.", "Two kinds: bad and good."),
        ("    code * 2", "    code * 2"),
        ("GET   /a     b\nPOST   /c    d", "    GET   /a     b\n    POST   /c    d"),
        ("n : 3. low,\nhigh : 4. Returns\nx.", "`n`\n:   3.\n\n`low`, `high`\n:   4.\n\nReturns\nx."),
    ],
)
def test_text_means_what_it_says(as_markdown, text, markdown):
    assert as_markdown(text) == markdown
