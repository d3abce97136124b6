"""Exposures without pictures: every room says so calmly, asks for none, and goes on. The guards see what is asked."""

import contextlib

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import READY
from triptych.pipeline import examples
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.store.store import Vote, open_store

GONE = 900003
SAYS = "No pictures of this exposure in this run"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A made-up run of 12 exposures; the preview of one was deleted."""
    folder = tmp_path_factory.mktemp("bare") / "run"
    catalog = survey.make(folder, exposures=12)
    catalog.preview_path(GONE).unlink()
    return folder


@pytest.fixture
def bare(run, serve_run, open_page):
    """bare(user, path) -> page, of a server on that run."""
    served = serve_run(run)
    return lambda user, path: open_page(user, path, served)


def enter(page, room):
    page.locator(f"#rooms [data-room={room}]").click()
    expect(page.locator(f"section#{room}")).to_be_visible()


def test_review_says_it_and_takes_a_vote_that_says_it_too(bare, run):
    page = bare("amy", f"/?room=review&focus={GONE}")
    expect(page.locator("#review .mosaic .message")).to_contain_text(SAYS)
    around = page.locator("#review .strip button")
    expect(around).not_to_have_count(0)
    expect(page.locator(f"#review .strip [data-look-at='{GONE}'] .no-picture")).to_be_visible()
    expect(page.locator("#review .strip .no-picture")).to_have_count(1)
    page.keyboard.press("g")
    page.wait_for_function("() => window.__review.waiting() === 0")
    expect(page.locator("#review .votes li").first).to_contain_text(str(GONE))
    with open_store(Catalog.open(run)) as store:
        (vote,) = store.votes(expnum=GONE).to_dict("records")
    assert vote["screen"]["pictures"] is False


def test_explore_and_clusters_show_a_place_for_what_is_missing(bare, run):
    page = bare("lea", f"/?room=explore&q={GONE}&focus={GONE}")
    expect(page.locator("#explore .mosaic .message")).to_contain_text(SAYS)
    expect(page.locator("#explore .thumb.gone").first).to_be_visible()
    table = Catalog.open(run).stage("cluster").table()
    number = table.loc[(expnum_of(table["image_id"]) == GONE) & (table["cluster"] >= 0), "cluster"].iloc[0]
    page = bare("lea", f"/?room=clusters&cluster={number}")
    expect(page.locator(f"#clusters .tile[data-expnum='{GONE}'] .no-picture")).to_be_visible()


def test_adjudicate_says_it_beside_the_votes(bare, run):
    with open_store(Catalog.open(run)) as store:
        for name, judgement in (("amy", "good"), ("ben", "bad"), ("cai", "unsure")):
            reasons = ("PSF",) if judgement == "bad" else ()
            store.cast(Vote(expnum=GONE, inspector=name, judgement=judgement, reasons=reasons, plver="V5.5LS"))
    page = bare("lea", "/?room=adjudicate")
    expect(page.locator("#adjudicate article.vote")).to_have_count(3)
    expect(page.locator("#adjudicate [data-part=nopicture]")).to_be_visible()


def test_the_dr11_example_opens_every_room(real_data, tmp_path, serve_run, open_page):
    def quiet(_title):
        return contextlib.nullcontext(lambda *_: None)

    catalog = examples.make("dr11", tmp_path / "dr11", real_data, bar=quiet)
    with open_store(catalog) as store:
        store.add_user("lea", survey.PASSWORD, "lead")
    page = open_page("lea", "/?room=review", serve_run(catalog.path))
    expect(page.locator("#review .mosaic .message")).to_contain_text(SAYS)
    for room in page.eval_on_selector_all("#rooms button", "tabs => tabs.map(tab => tab.dataset.room)"):
        enter(page, room)
        page.wait_for_function(READY)
        page.requests.wait_for_answers()
    enter(page, "explore")
    expect(page.locator("#explore")).to_contain_text("There is no map yet")
    expect(page.locator("#explore")).to_contain_text("This run has no images")
    page.fill("#search input", "137380")
    page.keyboard.press("Enter")
    expect(page.locator("#explore .mosaic .message")).to_contain_text(SAYS)
    enter(page, "adjudicate")
    page.locator("#adjudicate .chip", has_text="one imported bad").click()
    expect(page.locator("#adjudicate [data-part=nopicture]")).to_be_visible()
