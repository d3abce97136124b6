"""Doubtful labels and what to ask next, in a real browser: from a row to Review, from a tab to a queue of them."""

import re

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import Served, free_port
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.labels.readers import import_file
from triptych.pipeline.store.store import open_store

ROOM = "/?room=model"
DOUBTED = 900001  # bad by the run's truth table


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A server on a run of which one bad exposure and one good one are in a list of good exposures."""
    folder = tmp_path_factory.mktemp("listed")
    survey.make(folder / "run", exposures=12)
    (folder / "release_good.txt").write_text(f"{DOUBTED}\n{DOUBTED + 1}\n")
    catalog = Catalog.open(folder / "run")
    with open_store(catalog) as store:
        import_file(store, folder / "release_good.txt")
    served = Served("", folder / "run", free_port(), None, folder / "log.txt")
    served.url = f"http://localhost:{served.port}"
    yield served.start()
    served.stop()


def test_a_row_says_why_and_opens_its_exposure_and_a_tab_becomes_the_queue(open_page, listed):
    page = open_page("lea", ROOM, server=listed)
    doubts = page.get_by_role("region", name="Doubtful labels")
    doubts.get_by_role("button", name="in a good list and in a bad one 1").click()
    row = doubts.get_by_role("button", name=str(DOUBTED))
    expect(row).to_contain_text("release_good.txt says good of the whole exposure")
    expect(row).to_contain_text("Ghost Scatter")
    doubts.get_by_role("button", name="Take as my queue").click()
    expect(doubts).to_contain_text("Your queue holds them now")
    row.click()
    expect(page).to_have_url(re.compile(rf"room=review&focus={DOUBTED}"))


def test_an_inspector_chooses_the_order_that_teaches_most_and_keeps_it(open_page, listed):
    page = open_page("amy", ROOM, server=listed)
    asking = page.get_by_role("region", name="What to ask next")
    expect(asking).to_contain_text("when two models of this run have been measured")
    gain = asking.get_by_role("button", name="gain")
    gain.click()
    expect(gain).to_have_attribute("aria-pressed", "true")
    expect(gain).to_be_focused()
    page.reload()
    expect(page.get_by_role("region", name="What to ask next").get_by_role("button", name="gain")).to_have_attribute(
        "aria-pressed", "true"
    )
