"""The page of an evaluation: everything that was measured is on it, and it is one file."""

import re

import pytest

from tests import vectors
from triptych.app.evaluation.page import write_pages
from triptych.pipeline.errors import BadInput
from triptych.pipeline.evaluation import evaluate
from triptych.pipeline.store.store import open_store


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run with every part an evaluation can have: catalog, figures."""
    catalog, truth = vectors.make(tmp_path_factory.mktemp("pages") / "run", spread=1.5)
    survey = truth[["image_id", "expnum", "ccdname"]].assign(camera="decam", ebv=0.01, ccd_cuts=0)
    survey.loc[survey.expnum.isin([2, 3]), "ccd_cuts"] = 512
    odd = truth[truth.expnum == 4].head(1).assign(camera="decam", ccdname="", reason="", raw="bright_star")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        store.import_labels(odd, source="odd.csv", kind="suspicious")
        options = {"classifier": "knn", "compare": ["published"], "show_leak": True, "survey": survey, "folds": 4}
        found = evaluate.evaluate(catalog, store, **options)
    return catalog, found


def test_the_page_holds_every_part(evaluated, tmp_path):
    catalog, found = evaluated
    path = write_pages(catalog.stage("evaluation", found["stage"]), tmp_path / "new" / "folder")
    text = path.read_text()
    assert path.name == "evaluation.html"
    body = text[text.index("<main>") :]
    parts = re.findall(r'<section id="(\w+)"', body)
    assert set(parts) == {
        *("reasons", "confusion", "curves", "exposures", "ccd_reliability", "exposure_reliability", "spread"),
        *("suspicious", "compare", "leak", "survey", "training"),
    }
    assert f"{found['ccd']['macro_f1']:.3f}" in body
    assert "bright star" in body
    assert body.index("Clouds transparency") < body.index("PSF") < body.index("Ghost Scatter")
    assert re.search(r"<th>knn</th>\s*<th>published</th>", body)
    assert not re.search(r"""(src|href)=["'](?!data:)""", text[: text.index("<main>")].split("<script>")[0] + body)


def test_the_same_evaluation_gives_the_same_tables(evaluated, tmp_path):
    catalog, found = evaluated
    stage = catalog.stage("evaluation", found["stage"])
    pages = [write_pages(stage, tmp_path / name).read_text() for name in "ab"]
    tables = [re.findall(r"<table>.*?</table>", text, flags=re.DOTALL) for text in pages]
    assert len(tables[0]) == 8
    assert tables[0] == tables[1]


def test_a_file_in_the_place_of_the_folder_is_said(evaluated, tmp_path):
    catalog, _found = evaluated
    (tmp_path / "taken").touch()
    with pytest.raises(BadInput, match="is a file"):
        write_pages(catalog.stage("evaluation"), tmp_path / "taken")


def test_an_evaluation_of_hardly_anything_has_a_page_too(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=2)
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.ccdname == "N1"])
        evaluate.evaluate(catalog, store, classifier="knn")
    text = write_pages(catalog.stage("evaluation"), tmp_path).read_text()
    assert 'id="leak"' not in text
    assert "No list of suspicious exposures" in text
