"""The page of an evaluation in a real browser, opened from the disk."""

from tests import vectors
from tests.ui.conftest import Guard
from triptych.app.evaluation.page import write_pages
from triptych.pipeline.evaluation import evaluate
from triptych.pipeline.store.store import open_store

DRAWN = "() => window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(d => d.is_idle)"


def test_it_draws_and_asks_for_nothing(browser, tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", spread=1.5)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        found = evaluate.evaluate(catalog, store, classifier="knn", compare=["published"], folds=4)
    path = write_pages(catalog.stage("evaluation", found["stage"]), tmp_path / "pages")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    guard = Guard(context, path.as_uri())
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN)
    for name in ("confusion", "curves", "ccd_reliability", "exposure_reliability"):
        canvas = page.locator(f"#{name} canvas").first
        canvas.wait_for()
        assert canvas.bounding_box()["width"] > 200
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    # the first cell of the diagonal says what it counts
    box = page.locator("#confusion canvas").first.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    page.get_by_text("of this label").wait_for()
    context.close()
    guard.check()
