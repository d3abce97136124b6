"""docs/formats.md names what there really is: columns, problems, kinds, formats, policies, rules, reasons, keywords."""

import re
import shutil
from pathlib import Path

import pytest

from tests import vectors
from triptych.pipeline import reasons
from triptych.pipeline.catalog import catalog
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.export import export
from triptych.pipeline.export import formats as export_formats
from triptych.pipeline.ingest import sources
from triptych.pipeline.labels import readers, training_set
from triptych.pipeline.shapes import ccd, exposure
from triptych.pipeline.simulation import defects
from triptych.pipeline.store import schema
from triptych.pipeline.store.store import open_store
from triptych.pipeline.votes import verdicts

DOCS = Path(__file__).parents[2] / "docs"
# part of a run -> the heading of its section, and its tables
STAGE_TABLES = {
    "embedding": ("keys", "inputs"),
    "prediction": ("table",),
    "candidates": ("table", "exposures_scored"),
    "cluster": ("table",),
    "map2d": ("table",),
    "map3d": ("table",),
}


@pytest.fixture(scope="module")
def formats() -> str:
    return (DOCS / "formats.md").read_text()


def words(text: str) -> set[str]:
    """Everything that the text sets as code, word by word."""
    return {word.strip(",") or word for code in re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", text) for word in code.split()}


def section(text: str, heading: str) -> str:
    """From a line that begins with `heading` to the next heading or bold line of a file."""
    start = text.index(heading)
    end = re.search(r"\n(#|\*\*`)", text[start + len(heading) :])
    return text[start : start + len(heading) + end.start()] if end else text[start:]


@pytest.mark.parametrize("name", ["exposures", "ccds", "quarantine"])
def test_every_column_of_the_tables_is_named(formats, survey_folder, name):
    columns = set(getattr(Catalog.open(survey_folder), name)()) | set(catalog.TABLES[name])
    assert columns - words(section(formats, f"### `{name}.parquet`")) == set()


@pytest.mark.parametrize(("name", "columns"), [("star_shapes", ccd.COLUMNS), ("exposure_shapes", exposure.COLUMNS)])
def test_every_star_shape_is_named(formats, name, columns):
    assert {*catalog.TABLES[name], *columns} - words(section(formats, f"### `{name}.parquet`")) == set()


@pytest.mark.parametrize("kind", STAGE_TABLES)
def test_every_column_of_the_stages_is_named(formats, survey_folder, kind):
    own = kind in ("prediction", "candidates")
    known = words(section(formats, f"**`{kind}/*/table.parquet`**" if own else "### Stages"))
    stage = Catalog.open(survey_folder).stage(kind, fresh=False)
    reason_columns = {f"p_{name}" for name in reasons.REASONS}
    for name in STAGE_TABLES[kind]:
        if (stage.path / f"{name}.parquet").exists():
            assert set(stage.table(name)) - reason_columns - known == set()


def test_every_stage_and_key_of_its_manifest_is_named(formats, survey_folder):
    known = words(section(formats, "### Stages"))
    assert {f"{kind}/" for kind in catalog.STAGE_COMMANDS} <= known
    assert set(Catalog.open(survey_folder).stage("prediction", fresh=False).info) <= known
    assert {*training_set.PROVENANCES, *training_set.COLUMNS} <= known


@pytest.mark.parametrize("classifier", ["mixed", "knn"])
def test_every_file_of_a_model_and_column_of_its_predictions_is_named(formats, tmp_path, classifier):
    catalog, truth = vectors.make(tmp_path / "run", exposures=12)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        model = train.train(catalog, store, classifier=classifier)
    prediction = predict.predict(catalog)
    files = {path.name for path in model.path.iterdir()} - {"stage.json"}
    assert files - words(section(formats, "**`model/*`**")) == set()
    columns = set(prediction.table()) - {f"p_{name}" for name in reasons.REASONS}
    assert columns - words(section(formats, "**`prediction/*/table.parquet`**")) == set()
    assert set(train.CLASSIFIERS) <= words((DOCS / "guide.md").read_text())


@pytest.mark.parametrize(
    ("heading", "registry"),
    [
        ("### Quarantine", sources.PROBLEMS),
        ("## What goes in: labels and answers", readers.READERS),
        ("**`candidates/*/table.parquet`**", candidates.RULES),
        ("### The label store", {column.name for column in schema.votes.columns}),
        ("### The label store", {name for name in schema.metadata.tables if name != "votes"}),
        ("## What a simulated survey holds", reasons.REASONS),
        ("## What a simulated survey holds", defects.SUSPICIOUS),
        ("## What comes out", verdicts.POLICIES),
        ("## What comes out", export_formats.FITS_KEYWORDS.values()),
        ("### `csv`, `ecsv`, `fits`, `parquet`", export_formats.TABLE_COLUMNS),
    ],
)
def test_every_name_of_a_registry_is_named(formats, heading, registry):
    assert set(registry) - words(section(formats, heading)) == set()


def test_what_is_simulated_is_said(formats):
    rows = re.findall(r"^\| `(\w+)` \| (.) \|.*\| (yes|) \|$", formats, re.MULTILINE)
    assert rows == [
        (reason.name, reason.key, "yes" if reason.name in defects.DEFECTS else "")
        for reason in reasons.REASONS.values()
    ]


def test_every_export_format_has_a_section(formats):
    headings = " ".join(re.findall(r"^### (.*)$", formats, re.MULTILINE))
    assert set(export.FORMATS) <= words(headings)


def test_no_problem_is_invented(formats):
    rows = re.findall(r"^\| `(\w+)` \|", section(formats, "### Quarantine"), re.MULTILINE)
    assert rows == list(sources.PROBLEMS)


@pytest.mark.parametrize("name", ["../README.md", *sorted(path.name for path in DOCS.glob("*.md"))])
def test_links_and_pictures_of_the_documentation_exist(name):
    path = DOCS / name
    targets = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing, f"{name} points to {missing}"


def test_every_key_is_in_the_guide():
    guide = words((DOCS / "guide.md").read_text())
    script = (DOCS.parent / "static" / "frame" / "shortcuts.js").read_text()
    caps = {cap for caps in re.findall(r"\['([^']+)', '", script) for cap in caps.split() if cap not in ("…", "drag")}
    assert caps - guide == set()


def test_the_python_example_of_the_readme_runs(survey_folder, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS.parent / "README.md").read_text(), re.DOTALL)
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    found = {}
    exec(example.replace('"runs/demo"', repr(str(tmp_path / "run"))), found)
    assert found["worst"].is_monotonic_decreasing
    assert len(found["judged"])
