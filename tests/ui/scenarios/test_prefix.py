"""The dashboard below a path, in a browser: no request leaves the path, and what a page does arrives.

The guard of every page fails the test if anything but the server's own path is asked for.
"""

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import log_in, log_out_by_menu, serving, wait_ready
from tests.ui.waiting import ready_to_vote, wait_until
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    survey.make(folder / "run", exposures=8)
    with serving(folder / "run", "--no-worker", "--prefix", "/obs/triptych") as served:
        yield served


def votes_of(server, name):
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        votes = store.votes()
        return votes[votes.inspector == name]


def test_every_room_opens_below_the_path(open_page, server):
    page = open_page("lea", fresh=True)
    for room in page.eval_on_selector_all("#rooms button", "tabs => tabs.map(tab => tab.dataset.room)"):
        page.locator(f"#rooms button[data-room={room}]").click()
        page.locator(f"#{room} .fill[data-ready]").first.wait_for()
        page.requests.wait_for_answers()
        assert page.url.startswith(f"{server.url}/?room={room}")
    asked = {address.split("/")[1].partition("?")[0] for address in page.requests.addresses}
    assert asked >= {
        "",
        "adjudicate",
        "agreement",
        "api",
        "assets",
        "clusters",
        "export",
        "lead",
        "libs",
        "map",
        "model",
    }
    assert "picture" in asked


def test_a_vote_an_explanation_and_the_logout(open_page, server):
    page = open_page("amy", "/?room=review&focus=900002", fresh=True)
    page.wait_for_function("() => window.__review?.shown() === 900002")
    ready_to_vote(page)
    before = len(votes_of(server, "amy"))
    page.keyboard.press("g")
    wait_until(page, lambda: len(votes_of(server, "amy")) == before + 1)
    kept = page.evaluate("() => Object.keys(localStorage)")
    assert [name for name in kept if "amy" in name]
    assert all(" of /obs/triptych/" in name for name in kept if "amy" in name)
    page.goto(f"{server.url}/?focus=900002&explain=900002")
    wait_ready(page)
    expect(page.locator("dialog.explain img").first).to_be_visible()
    page.keyboard.press("Escape")
    log_out_by_menu(page)
    page.get_by_role("link", name="Log in").click()
    log_in(page, "amy")
    wait_ready(page)
    assert page.url.startswith(f"{server.url}/")
