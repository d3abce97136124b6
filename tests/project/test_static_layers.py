"""The layers of static/, read from the imports themselves, and every file there that another one names."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
MODULES = sorted(STATIC.rglob("*.js"))
# the lower never knows the higher, and folders of one layer know nothing of each other; no room knows another room
LAYERS = (("basics",), ("frame",), ("evidence", "map", "mosaic", "sheets"), ("rooms",))
PAGES = ("outside", "evaluation")  # markup and style alone, no module
# the module that fetches what it is told: load.js, each component's own
TOLD = {"frame/load.js": "${base}/${path}"}

STATEMENT = r"^(?:import|export)\b[^;'\"`]*?\bfrom\s*|^import\s*"
IMPORT = re.compile(rf"""(?m)(?:{STATEMENT}|\bimport\s*\(\s*)(['"`])([^'"`\n]+)\1""")
UNREAD = re.compile(r"""\bimport\s*\(\s*[^'"`\s]""")  # import(what a variable holds)
BESIDE = re.compile(r"""new URL\(['"]([^'"]+)['"], import\.meta\.url\)""")
NAMED = re.compile(rf"(?<!\./)\b((?:{'|'.join(sum(LAYERS, PAGES))})/[\w/]+\.(?:js|css|html|svg))\b")


def name_of(path: Path) -> str:
    return path.relative_to(STATIC).as_posix()


def code_of(path: Path) -> str:
    return re.sub(r"(?m)^\s*//.*$", "", path.read_text())


def beside(path: Path, there: str) -> str:
    """Name under static/ of what a module names relative to itself; elsewhere, the words as they stand."""
    found = (path.parent / there).resolve()
    return name_of(found) if there.startswith(".") and found.is_relative_to(STATIC) else there


def imports(path: Path) -> set[str]:
    told = TOLD.get(name_of(path))
    return {beside(path, there) for _, there in IMPORT.findall(code_of(path)) if there != told}


def sheets(path: Path) -> set[str]:
    code = code_of(path)
    return {beside(path, there) for there in BESIDE.findall(code)} | set(NAMED.findall(code))


def place_of(name: str) -> tuple[int, str]:
    """Layer and folder of a file; each room is a folder of its own."""
    first, *rest = name.split("/")
    layer = next(number for number, folders in enumerate(LAYERS) if first in folders)
    return layer, f"{first}/{rest[0]}" if first == "rooms" else first


def may_use(name: str, other: str) -> bool:
    (layer, folder), (below, its_folder) = place_of(name), place_of(other)
    return folder == its_folder or below < layer


def test_every_folder_has_its_layer():
    assert {path.name for path in STATIC.iterdir() if path.is_dir()} == {*sum(LAYERS, ()), *PAGES}
    assert not [name_of(path) for path in MODULES if path.parent == STATIC or name_of(path).startswith(PAGES)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_what_exists_of_its_own_folder_or_a_lower_layer(path):
    if name_of(path) != "basics/native_import.js":  # hands the browser's own import() on
        assert not UNREAD.search(code_of(path)), "an import that nobody can read here"
    used = imports(path) | sheets(path)
    assert not [name for name in used if not (STATIC / name).is_file()], "no such file"
    above = [name for name in used if not may_use(name_of(path), name)]
    assert not above, f"{name_of(path)} uses {above}"


def test_no_module_leads_back_to_itself():
    graph = graphlib.TopologicalSorter({name_of(path): imports(path) for path in MODULES})
    try:
        graph.prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def strings_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("path", sorted((ROOT / "app").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_that_python_names_exist(path):
    named = {text for text in strings_of(path) if re.fullmatch(r"[\w/]+\.(js|css|svg)", text)}
    named |= set(NAMED.findall(path.read_text()))
    assert not [name for name in named if not (STATIC / name).is_file()]


def test_files_that_pages_and_comments_name_exist():
    texts = [path for path in STATIC.rglob("*") if path.suffix in (".js", ".ts", ".css", ".html")]
    named = {(name_of(path), name) for path in texts for name in NAMED.findall(path.read_text())}
    assert len(named) > 5
    assert not [pair for pair in named if not (STATIC / pair[1]).is_file()]


def test_only_one_module_sends_what_changes_the_server():
    """It names the user of the page with each request. All others only read, so they give fetch no method.

    A form logs in or out, and nothing else.
    """
    given = {
        name_of(path): re.findall(r"\bmethod\s*:|\bsendBeacon\b|XMLHttpRequest", code_of(path)) for path in MODULES
    }
    assert {name for name, found in given.items() if found} == {"basics/send.js"}
    forms = [form for path in STATIC.rglob("*.html") for form in re.findall(r"(?i)<form[^>]*>", path.read_text())]
    posting = [form for form in forms if re.search(r"(?i)method\s*=\s*.post", form)]
    assert {re.search(r'action="([^"]*)"', form)[1] for form in posting} == {
        "{{ root }}login",
        "{{ root }}logout",
        "logout",
    }


# an address that would leave the path below which a run is served: '/api/vote', `/picture/${id}`, url(/x), href="/"
ABSOLUTE = re.compile(r"""['"`]/[\w$]|\burl\(/|\b(?:href|src|action)\s*=\s*["']/|location\.(?:origin|host)\b""")


@pytest.mark.parametrize(
    "path",
    sorted(p for p in STATIC.rglob("*") if p.suffix in (".js", ".css", ".html", ".svg")),
    ids=name_of,
)
def test_every_address_is_relative_to_the_page(path):
    """So the same code works for a run at `/` and for one at `/triptych/dr10/`. See basics/here.js."""
    lines = code_of(path).splitlines()
    assert not [line for line in lines if ABSOLUTE.search(line)]


@pytest.mark.parametrize(
    "line",
    ["fetch('/boot')", "`/picture/${id}`", 'href="/"', "background: url(/logo.svg)", "src='/x'", "location.origin + x"],
)
def test_an_absolute_address_is_found(line):
    assert ABSOLUTE.search(line)


def test_python_names_only_relative_addresses_to_the_browser():
    """Routes begin with a slash, as regular expressions (r"/..."); what goes to the browser does not."""
    tops = "account|adjudicate|agreement|api|assets|boot|cdn|clusters|explain|export|lead|libs|login|logout|map|model"
    absolute = re.compile(rf"""(?<!r)(?<!rf)["'(]/(?:{tops}|picture)\b""")
    # Panel's own setting, for what no page of ours uses; and how an address that a provider leads back to must end
    allowed = {"app/__init__.py": 1, "app/oauth/provider.py": 1}
    found = {
        path.relative_to(ROOT).as_posix(): absolute.findall(path.read_text()) for path in (ROOT / "app").rglob("*.py")
    }
    assert {name: len(hits) for name, hits in found.items() if hits} == allowed
