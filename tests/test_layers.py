"""The layers of the project, read from the imports themselves."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIPELINE = sorted((ROOT / "pipeline").glob("*.py"))
APP = sorted((ROOT / "app").glob("*.py"))
# what the command line loads at once, whatever the verb
COMMAND_LINE = ["app/cli.py", *(f"app/{path.name}" for path in APP if path.name.startswith("verbs"))]

# package -> the only files that may import it
ONLY_IN = {
    "torch": {
        "pipeline/embedding/embed.py",
        "pipeline/embedding/pretrain.py",
        "pipeline/embedding/dinov2.py",
        "pipeline/vectors/tsne_gradient.py",
        "pipeline/evaluation/attentive_probe.py",
        "pipeline/embedding/preview_vit.py",
        "pipeline/embedding/masked_training.py",
    },
    "transformers": {
        "pipeline/embedding/embed.py",
        "pipeline/embedding/pretrain.py",
        "pipeline/embedding/dinov2.py",
        "pipeline/embedding/preview_vit.py",
    },
    "distributed": {"pipeline/embedding/dask_cluster.py"},
    "sqlalchemy": {
        "pipeline/store/store.py",
        "pipeline/store/schema.py",
        "pipeline/store/accounts.py",
        "pipeline/store/decisions.py",
        "pipeline/store/jobs.py",
        "pipeline/store/queues.py",
        "pipeline/store/settings.py",
    },
}
# file -> what it must not import: the lower never knows the higher
KNOWS_NOTHING_OF = {
    "pipeline/errors.py": {"pipeline"},
    "pipeline/reasons.py": {"pipeline"},
    "pipeline/votes/verdicts.py": {"pipeline.catalog.catalog", "pipeline.store.store", "pipeline.ingest.ingest"},
    "pipeline/store/store.py": {"pipeline.catalog.catalog", "pipeline.ingest.ingest", "pipeline.classifier.train"},
    "pipeline/pixels/images.py": {"pipeline.ingest.ingest", "pipeline.embedding.embed", "pipeline.store.store"},
    "pipeline/catalog/catalog.py": {
        "pipeline.pixels.images",
        "pipeline.ingest.ingest",
        "pipeline.store.store",
        "pipeline.classifier.train",
    },
    "app/session.py": {
        "panel",
        "holoviews",
        "bokeh",
        "app.dashboard",
        "app.server",
        "app.rooms.explore.map_view",
        "app.rooms.explore.image_view",
    },
    **{name: {"panel", "holoviews", "bokeh"} for name in COMMAND_LINE},
}


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Full names that a file imports, `from a import b` counted as `a` and `a.b`."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name.removeprefix("triptych.") for name in found}


def reaches(names: set[str], package: str) -> bool:
    return any(name == package or name.startswith(package + ".") for name in names)


@pytest.mark.parametrize("path", PIPELINE, ids=lambda p: p.name)
def test_pipeline_knows_nothing_of_the_dashboard(path):
    for package in ("app", "panel", "holoviews", "bokeh", "datashader"):
        assert not reaches(imports(path), package), f"{path.name} imports {package}"


@pytest.mark.parametrize("path", PIPELINE + APP, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_heavy_packages_stay_in_their_files(path):
    name = path.relative_to(ROOT).as_posix()
    for package, allowed in ONLY_IN.items():
        assert name in allowed or not reaches(imports(path), package), f"{name} imports {package}"


@pytest.mark.parametrize("name", sorted(KNOWS_NOTHING_OF))
def test_lower_layers_do_not_import_higher_ones(name):
    path = ROOT / name
    own = name.removesuffix(".py").replace("/", ".")
    for package in KNOWS_NOTHING_OF[name]:
        names = imports(path, top_level_only=name in COMMAND_LINE)
        found = {n for n in names if reaches({n}, package) and n not in (own, "pipeline.errors", "pipeline.reasons")}
        assert not found, f"{name} imports {sorted(found)}"


def test_views_are_imported_by_nobody_but_the_dashboard_and_tests():
    for path in APP:
        views = {name for name in imports(path) if name.startswith("app.") and name.split(".")[1].endswith("_view")}
        views -= {name for name in views if name.startswith("app.rooms.room")}  # the base of a room, not a room
        assert not views or path.name in ("dashboard.py", "server.py"), f"{path.name} imports {sorted(views)}"


def test_modules_used_are_declared_dependencies():
    """Every third-party top-level import of the program is a dependency that pyproject names."""
    import importlib.metadata
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {dep.split("=")[0].split(">")[0].split("<")[0].split("[")[0].lower() for dep in declared}
    by_module = importlib.metadata.packages_distributions()
    # what a declared package guarantees to bring along
    brought = {"tornado": "bokeh", "param": "panel", "jinja2": "panel", "pyviz_comms": "panel", "markupsafe": "panel"}
    for path in PIPELINE + APP:
        for name in imports(path):
            module = name.split(".")[0]
            if module in sys.stdlib_module_names or module in ("app", "pipeline", "triptych", "__future__"):
                continue
            packages = {p.lower() for p in by_module.get(module, [module])} | {brought.get(module, "")}
            assert packages & {n.lower() for n in names}, f"{path.name} imports {module}, which pyproject does not name"
