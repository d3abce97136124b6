"""The layers of the project, read from the imports themselves: who may know whom, package by package."""

import ast
import functools
import graphlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from triptych.pipeline.extras import EXTRA_OF

ROOT = Path(__file__).parents[2]
FILES = sorted(path for top in ("pipeline", "app") for path in (ROOT / top).rglob("*.py"))

# Lowest first. A package or file may import what stands on a line above its own, and nothing else of this project.
PIPELINE = (
    ("errors", "reasons", "image_ids", "clock"),
    ("camera", "csv_tables", "extras", "memory", "parallel"),
    ("focal_plane", "catalog", "dask_cluster", "text_files"),
    ("shapes", "store"),
    ("pixels", "simulation", "vectors", "votes"),
    ("ingest", "labels"),
    ("classifier",),
    ("evaluation", "export"),
    ("embedding", "retraining"),
    ("run", "watch", "backup"),
    ("examples",),
)
APP = (
    ("logs", "palette"),
    ("survey", "web", "evaluation"),
    ("oauth",),
    ("context",),
    ("judging", "pictures"),
    ("colours",),
    ("map",),
    ("session",),
    ("rooms",),
    ("dashboard", "worker"),
    ("site",),
    ("server",),
    ("demo",),
    ("verbs",),
    ("cli",),
)
LAYERS = {"pipeline": PIPELINE, "app": APP}
# what a package needs of those beside or above it, and why
EXCEPTIONS: dict[tuple[str, str], str] = {}

# library -> the only files and packages that may import it
ONLY_IN = {
    "torch": {
        "pipeline/embedding",
        "pipeline/vectors/tsne_gradient.py",
        "pipeline/evaluation/attentive_probe.py",
    },
    "transformers": {"pipeline/embedding"},
    "distributed": {"pipeline/dask_cluster.py"},
    "sep": {"pipeline/shapes"},
    "sqlalchemy": {"pipeline/store"},
    "alembic": {"pipeline/store/migrate.py", "pipeline/store/migrations"},
}
# where a decision about what somebody may know could be made, and what it would look like
DECIDING = ("app/judging/", "app/colours/", "app/map/", "app/pictures/", "app/rooms/", "app/session.py")
DECISIONS = {
    "which labels tell votes": r"""["'](ticked|candidate_ccds|whole_exposure|annotation)["']""",
    "what a role means": r"(viewer|self|session\.user|self\.user)\.role (==|!=|in|not in)",
    "which known answers are secret": r"""kind=["']known["']\)\["expnum"\]""",
    "who has judged what": r"\.voters\(",
    "when the model's opinion is shown": (
        r"\b(assisted|voted|blind|can_vote) or\b|\bor (not )?([\w.]+\.)?(assisted|voted|blind|can_vote)\b"
    ),
}
CODE = (".py", ".js", ".ts", ".css", ".html")
# files that load at once what an extra brings; others import them inside a function, which asks for the extra first
OF_AN_EXTRA = {
    "pipeline/dask_cluster.py",
    "pipeline/embedding/dinov2.py",
    "pipeline/embedding/masked_training.py",
    "pipeline/embedding/pretrain.py",
    "pipeline/embedding/preview_vit.py",
    "pipeline/evaluation/attentive_probe.py",
}
DRAWING = {"panel", "holoviews", "bokeh", "datashader"}
WITHOUT_PANEL = [ROOT / "app/session.py", ROOT / "app/cli.py", *sorted((ROOT / "app/verbs").glob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """`app.rooms.lead.queue` for app/rooms/lead/queue.py, `app.rooms.lead` for its __init__.py."""
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(path: Path, *, only_at_once: bool = False) -> set[str]:
    """Full names that a file imports, `from a import b` counted as `a` and `a.b`, ours without the leading `triptych`.

    only_at_once : without what functions import when they are called, and without what only type checkers read
    """
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if only_at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively; write the whole name"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name.removeprefix("triptych.") for name in found}


def reaches(names: set[str], package: str) -> bool:
    return any(name == package or name.startswith(package + ".") for name in names)


def part_of(module: str) -> str:
    """The package or top-level file that a module belongs to: `rooms` for app.rooms.lead.queue."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_package_knows_only_those_below_it(path):
    top, own = name_of(path).split("/")[0], part_of(module_of(path))
    rank = {part: level for level, parts in enumerate(LAYERS[top]) for part in parts}
    if not own:  # the package itself
        assert not reaches(imports(path), top)
        return
    for name in imports(path):
        part = part_of(name)
        if not name.startswith(f"{top}.") or part in ("", own) or (own, part) in EXCEPTIONS:
            continue
        assert rank[part] < rank[own], f"{name_of(path)} imports {name}: {own} may not know {part}"


def test_every_layer_is_there():
    for top, layers in LAYERS.items():
        listed = [part for parts in layers for part in parts]
        there = {part_of(module_of(path)) for path in FILES if name_of(path).startswith(top + "/")} - {""}
        assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("pipeline/")], ids=name_of)
def test_pipeline_knows_nothing_of_the_dashboard(path):
    for package in ("app", *DRAWING):
        assert not reaches(imports(path), package), f"{name_of(path)} imports {package}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_stay_in_their_files(path):
    for package, allowed in ONLY_IN.items():
        own = {name_of(own) for own in (path, *path.parents) if own.is_relative_to(ROOT)}
        assert own & allowed or not reaches(imports(path), package), f"{name_of(path)} imports {package}"


@pytest.mark.parametrize("path", WITHOUT_PANEL, ids=name_of)
def test_session_and_command_line_load_no_panel_at_once(path):
    for package in DRAWING:
        assert not reaches(imports(path, only_at_once=True), package), f"{name_of(path)} imports {package}"


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("app/rooms/")], ids=name_of)
def test_a_room_knows_no_other_room(path):
    own = name_of(path).split("/")[2]
    rooms = {folder.name for folder in (ROOT / "app/rooms").iterdir() if (folder / "__init__.py").exists()}
    for room in rooms - {own}:
        assert not reaches(imports(path), f"app.rooms.{room}"), f"{name_of(path)} imports app.rooms.{room}"


def test_no_two_files_import_each_other():
    modules = {module_of(path): path for path in FILES}
    needs = {module: imports(path, only_at_once=True) & set(modules) - {module} for module, path in modules.items()}
    for module, names in needs.items():  # importing a.b.c runs a.b, too: our packages' own files import nothing
        assert modules[module].name != "__init__.py" or not names, f"{module} is a package that imports {names}"
    graphlib.TopologicalSorter(needs).prepare()  # a CycleError names the circle


def test_a_folder_can_be_taken_in_at_a_glance():
    crowded = {}
    for top in ("app", "pipeline", "static", "tests", "benchmarks"):
        for folder in [ROOT / top, *(path for path in (ROOT / top).rglob("[!_]*") if path.is_dir())]:
            files = [path for path in folder.iterdir() if path.suffix in CODE and path.name != "__init__.py"]
            if len(files) > 17:
                crowded[name_of(folder)] = len(files)
    assert not crowded


def test_image_ids_are_made_and_read_in_one_file():
    ids = r"(image_ids?|expnums?|ids|images|members|near|cause)"
    by_hand = re.compile(rf"\b{ids}\b[\])\"'\w.\[]* (//|%) 100\b|\b100 \* [\w.\[\"]*{ids}\b|divmod\([\w.]*{ids}, 100")
    for path in FILES:
        if name_of(path) != "pipeline/image_ids.py":
            found = by_hand.search(path.read_text())
            assert not found, f"{name_of(path)} has `{found.group()}`: image_ids has functions for it"
    by_hand = re.compile(r"Math.floor\([\w.]*(id|Id|led) / 100\)|(id|Id|Ids) % 100\b|100 \* [\w.]*expnum")
    for path in sorted((ROOT / "static").rglob("*.js")):
        found = by_hand.search(path.read_text())
        assert not found, f"{name_of(path)} has `{found.group()}`: image_ids.js has functions for it"


def test_one_place_decides_what_may_be_known():
    """Where others decided for themselves, four lists of provenances disagreed, and one told what others had voted."""
    for path in FILES:
        name, text = name_of(path), path.read_text()
        if name == "app/judging/viewer.py" or not name.startswith(DECIDING):
            continue
        for what, pattern in DECISIONS.items():
            found = re.search(pattern, text)
            assert not found, f"{name} has `{found.group()}`, {what}: ask app.judging.viewer"


def test_the_viewer_of_a_request_or_a_tab_is_built_in_one_place():
    built = {name_of(path) for path in FILES if re.search(r"\bViewer\(self\.app, self\.user", path.read_text())}
    assert built == {"app/judging/handlers.py", "app/session.py"}


def test_nothing_of_ours_is_imported_by_its_old_name():
    """`import app` works in a checkout, as the current folder is searched, and would load a second copy."""
    for path in [*FILES, *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("docs/*.py")]:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0] in ("app", "pipeline")], name_of(path)


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p) not in OF_AN_EXTRA], ids=name_of)
def test_the_plain_install_loads_nothing_of_an_extra(path):
    of_an_extra = {module_of(ROOT / name) for name in OF_AN_EXTRA}
    for module in {*EXTRA_OF, *of_an_extra}:
        assert not reaches(imports(path, only_at_once=True), module), f"{name_of(path)} loads {module} at once"


@functools.cache
def declared(extra: str = "") -> set[str]:
    """Names of the packages of the plain install, or of an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {re.split(r"[\[<>=]", text)[0].lower() for text in listed}


def test_libraries_used_are_declared_dependencies():
    """Every third-party import of the program is a dependency that pyproject names, in its extra if it has one."""
    by_module = importlib.metadata.packages_distributions()
    # what a declared package guarantees to bring along
    brought = {"tornado": "bokeh", "param": "panel", "jinja2": "panel", "pyviz_comms": "panel", "markupsafe": "panel"}
    for path in FILES:
        for name in imports(path):
            module = name.split(".")[0]
            if module in sys.stdlib_module_names or module in ("app", "pipeline", "triptych", "__future__"):
                continue
            packages = {p.lower() for p in by_module.get(module, [module])} | {brought.get(module, "")}
            names = declared(EXTRA_OF.get(module, ""))
            assert packages & names, f"{name_of(path)} imports {module}, which pyproject does not name"
